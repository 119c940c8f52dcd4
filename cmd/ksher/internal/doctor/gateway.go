package doctor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
)

// nobodys is an order number that can't exist.
func nobodys() string {
	var random [10]byte
	rand.Read(random[:])
	return "doctor-" + hex.EncodeToString(random[:])
}

// askHosts makes signed queries, which change nothing.
func (v *visit) askHosts(ctx context.Context) {
	no := nobodys()
	v.check("gateway-query", "gateway_order_query of an order that can't exist", []string{"settings", "gateway-tls"}, func() result {
		return v.judge(ctx, askGateway(ctx, v.client, no))
	})
	v.check("merchant-query", "order_query of an order that can't exist", []string{"settings", "merchant-tls"}, func() result {
		_, err := v.client.OrderQuery(ctx, &ksher.OrderQueryRequest{MchOrderNo: no})
		return v.judge(ctx, err)
	})
	v.check("account", "merchant_info, whose answer is signed", []string{"merchant-query"}, func() result { return v.account(ctx) })
}

func askGateway(ctx context.Context, client *ksher.Client, no string) error {
	_, err := client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: no})
	return err
}

// strangers are the codes after which Ksher doesn't know who asks.
var strangers = []error{
	ksher.CodeAppIDNotExist, ksher.CodeAppIDMchIDNotMatch, ksher.CodeMchIDNotExist, ksher.CodeKsherInvalidMchInfo, ksher.CodeShopIDError, ksher.CodeShopNotExist,
}

// isOneOf tells whether an error is one of others.
func isOneOf(err error, others ...error) bool {
	for _, other := range others {
		if errors.Is(err, other) {
			return true
		}
	}
	return false
}

// judge says what the answer to a query of an order that can't exist means.
func (v *visit) judge(ctx context.Context, err error) result {
	var failed *ksher.Error
	switch {
	case err == nil:
		return result{Warn, "Ksher knows an order of that number, which was made up just now", "ask Ksher, or try again"}
	case errors.Is(err, ksher.ErrNotFound):
		return result{status: OK, came: "Ksher takes the signature and says that there is no such order, as it should"}
	case isOneOf(err, ksher.CodeKsherSignError, ksher.CodeSignError):
		return result{Fail, said(err), "the key doesn't belong to the app ID: compare KSHER_APPID with the merchant platform, " +
			"and upload the public half of this key there (openssl pkey -in key.pem -pubout prints it)"}
	case isOneOf(err, strangers...):
		return result{Fail, said(err), "compare KSHER_APPID with the merchant platform"}
	case errors.Is(err, ksher.ErrSignature):
		return result{Fail, said(err), "what answers isn't Ksher, or something between changed the answer; otherwise look at KSHER_SIGN_VERSION and KSHER_PUBLIC_KEY_FILE"}
	case errors.Is(err, ksher.ErrBadAnswer) && v.swapped(ctx):
		return result{Fail, said(err), "the two addresses are the wrong way round: exchange KSHER_GATEWAY_URL and KSHER_MERCHANT_URL"}
	case errors.Is(err, ksher.ErrBadAnswer):
		return result{Fail, said(err), "something else than Ksher's API answers there: look at the address and at proxies between, and if it is Ksher's, wait"}
	case errors.As(err, &failed) && failed.Err == nil:
		return result{Warn, said(err), "ksher explain " + string(failed.Code) + " says what the code means"}
	}
	return result{Fail, said(err), "try again; if it stays so, look at proxies and firewalls between"}
}

// said is an error's text without the advice in it, for which there is a line of its own.
func said(err error) string {
	text, _, _ := strings.Cut(plain(err), ". What to do: ")
	return text
}

// swapped tells whether the hosts answer if each is asked what the other should be.
func (v *visit) swapped(ctx context.Context) bool {
	client, err := v.Client(v.httpClient(), ksher.WithGatewayURL(v.MerchantURL), ksher.WithMerchantURL(v.GatewayURL), ksher.WithRetry(1, 0), ksher.WithTimeout(v.Patience))
	return err == nil && errors.Is(askGateway(ctx, client, nobodys()), ksher.ErrNotFound)
}

func (v *visit) account(ctx context.Context) result {
	info, err := v.client.MerchantInfo(ctx, &ksher.MerchantInfoRequest{})
	if err != nil {
		return v.judge(ctx, err)
	}
	if at := info.Envelope.TimeStamp; !at.IsZero() {
		v.times = append(v.times, reading{"the time stamp of merchant_info's answer", at, v.Now()})
	}
	came := fmt.Sprintf("signed by Ksher: merchant %s, %s, %s", info.MchID, info.AccountType, info.BusinessMode)
	if info.MchID != "" && v.AppID != "mch"+strings.TrimPrefix(info.MchID, "mch") {
		return result{Warn, came + "; the app ID is " + v.AppID, "see on the merchant platform whether the app ID is this merchant's"}
	}
	return result{status: OK, came: came + "; the key belongs to the app ID"}
}

// reading is what another clock said, and what this machine's did at that moment.
type reading struct {
	what         string
	theirs, ours time.Time
}

// Differences between clocks that are warned of, and that are wrong.
const (
	odd   = 30 * time.Second
	wrong = 10 * time.Minute
)

func (v *visit) clock() result {
	if len(v.times) == 0 {
		return result{status: NotTried, came: "not tried, because no answer told the time"}
	}
	worst := v.times[0]
	for _, r := range v.times {
		if r.ahead().Abs() > worst.ahead().Abs() {
			worst = r
		}
	}
	which := "ahead of"
	if worst.ahead() < 0 {
		which = "behind"
	}
	came := fmt.Sprintf("%v %s %s", worst.ahead().Abs().Round(time.Second), which, worst.what)
	if worst.ahead().Abs() < 2*time.Second { // A Date has whole seconds.
		came = "it agrees with the times of all answers"
	}
	do := "set it by NTP: when orders expire, what is settled on which day and whether certificates are valid is reckoned by it"
	switch ahead := worst.ahead().Abs(); {
	case ahead >= wrong:
		return result{Fail, came, do}
	case ahead >= odd:
		return result{Warn, came, do}
	}
	return result{status: OK, came: came}
}

func (r reading) ahead() time.Duration { return r.ours.Sub(r.theirs) }

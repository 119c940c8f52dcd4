package core_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

// said is all that a gateway says to the same calls in the same order, signatures and keys
// included.
func said(t *testing.T, gw *sandbox.Gateway, shop string) string {
	t.Helper()
	var all []string
	say := func(text string) { all = append(all, strings.ReplaceAll(text, gw.URL(), "http://sandbox")) }
	_, merchant := sandboxtest.Ask(t, gw, "POST", "/control/merchants", `{"appid": "mch1"}`)
	say(merchant)
	signed := func(operation string, pairs ...string) {
		params := map[string]string{"mch_order_no": "A-1", "total_fee": "15050", "fee_type": "THB", "nonce_str": fmt.Sprint(len(all))}
		for i := 0; i < len(pairs); i += 2 {
			params[pairs[i]] = pairs[i+1]
		}
		say(sandboxtest.AskSigned(t, gw, operation, params))
	}
	signed("/api/gateway_pay", "channel_list", "truemoney", "mch_code", "A-1", "product_name", "Tea", "refer_url", "https://shop.example",
		"mch_redirect_url", "https://shop.example/y", "mch_redirect_url_fail", "https://shop.example/n", "mch_notify_url", shop)
	require.NoError(t, gw.Pay("A-1", ""))
	signed("/api/gateway_order_query")
	signed("/KsherPay/order_refund", "ksher_order_no", sandboxtest.Seen(t, gw, "A-1").KsherOrderNo, "mch_order_no", "", "mch_refund_no", "R-1", "refund_fee", "50")
	signed("/KsherPay/native_pay", "mch_order_no", "A-2", "channel", "promptpay")
	signed("/KsherPay/jsapi_pay", "mch_order_no", "A-3", "channel", "wechat", "channel_sub_appid", "wx1")

	older, err := gw.NewVIPClient()
	require.NoError(t, err)
	_, err = older.Create(t.Context(), &vip.CScanBRequest{MerchantOrderID: "A-4", Amount: 100, Channel: "truemoney"})
	require.NoError(t, err)
	kplus, err := gw.NewOpnClient()
	require.NoError(t, err)
	require.NoError(t, gw.SetOpnWebhook(shop))
	_, err = kplus.CreateChargeWithSource(t.Context(), &opn.CreateChargeWithSourceRequest{Amount: 100_00, Currency: "THB", ReturnURI: "https://shop.example"})
	require.NoError(t, err)
	_, orders := sandboxtest.Ask(t, gw, "GET", "/control/orders", "")
	say(orders)
	return strings.Join(all, "\n")
}

// signature is one in an answer, also within a text.
var signature = regexp.MustCompile(`sign\\?":\s*\\?"[0-9a-f]+`)

// A gateway says the same byte for byte after a reset, and so does another one with its
// seed, but for its address and the signatures over that.
func TestSeed(t *testing.T) {
	const shop = "http://127.0.0.1:1"
	tomorrow := time.Now().Add(24 * time.Hour).Truncate(time.Second) // As Now is.
	// At one moment of a clock that stands still.
	saidThen := func(gw *sandbox.Gateway) string {
		gw.Advance(tomorrow.Sub(gw.Now()))
		return said(t, gw, shop)
	}
	gw := sandbox.New(t, sandbox.WithSeed("one"))
	first := saidThen(gw)
	require.NoError(t, gw.Reset(t.Context()))
	assert.Equal(t, first, saidThen(gw))

	another := saidThen(sandbox.New(t, sandbox.WithSeed("one")))
	assert.NotEqual(t, first, signature.ReplaceAllString(first, ""))
	assert.Equal(t, signature.ReplaceAllString(first, ""), signature.ReplaceAllString(another, ""))

	other := saidThen(sandbox.New(t, sandbox.WithSeed("two")))
	for _, member := range []string{
		"order_uuid", "ksher_order_no", "channel_order_no", "pay_mch_order_no", "mch_refund_no", "nonce_str", "private_key", "reference_number_1", "evnt_test_",
	} {
		require.Contains(t, first, member)
	}
	for line := range strings.Lines(first) {
		if strings.Contains(line, "private_key") || strings.Contains(line, "ksher_order_no") {
			assert.NotContains(t, other, strings.TrimSpace(line))
		}
	}
}

// Numbers follow from the calls alone: the clock and the repetitions of notifications don't
// matter, nor do pages that somebody opens.
func TestSeedAlone(t *testing.T) {
	numbers := func(disturb func(*sandbox.Gateway)) (all []string) {
		gw := sandbox.New(t, sandbox.WithSeed("one"))
		for i := range 3 {
			no := fmt.Sprint("A-", i)
			sandboxtest.PaidOrder(t, gw, no, "http://127.0.0.1:1")
			disturb(gw)
			o := sandboxtest.Seen(t, gw, no)
			all = append(all, o.KsherOrderNo, o.PayMchOrderNo, o.ChannelOrderNo)
		}
		return all
	}
	plain := numbers(func(*sandbox.Gateway) {})
	assert.Equal(t, plain, numbers(func(gw *sandbox.Gateway) {
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultOtherKey, Count: 2}))
		gw.Advance(30 * time.Hour)
		var order struct {
			PageURL string `json:"page_url"`
		}
		_, body := sandboxtest.Ask(t, gw, "GET", "/control/orders/A-0", "")
		require.NoError(t, json.Unmarshal([]byte(body), &order))
		sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent).Open(order.PageURL)
	}))
}

// A key that was drawn signs, as any other.
func TestSeedMakesKeys(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithSeed("one"))
	for _, appID := range []string{"mch1", "mch2"} {
		m, err := gw.MerchantOf(appID)
		require.NoError(t, err)
		_, err = m.Client.NativePay(t.Context(), sandboxtest.NativePay("A-1", ksher.ChannelAlipay))
		require.NoError(t, err)
	}
	one, two := gw.Known("mch1").PublicKey(), gw.Known("mch2").PublicKey()
	assert.False(t, one.Equal(two))
	assert.Equal(t, 1024, one.N.BitLen())
}

// Numbers come again after a reset with a seed only, and not after a restart.
func TestSeedAndNumbers(t *testing.T) {
	for _, seed := range []string{"", "one"} {
		store := new(sandboxtest.MemoryStore)
		numbers := make(map[string]bool)
		create := func(gw *sandbox.Gateway, no string) string {
			_, err := gw.Client.GatewayPay(t.Context(), storedOrder(no))
			require.NoError(t, err)
			pay := sandboxtest.Seen(t, gw, no).PayMchOrderNo
			numbers[pay] = true
			return pay
		}
		var first string
		for i := range 2 {
			gw, err := sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(0), sandbox.WithSeed(seed))
			require.NoError(t, err)
			if pay := create(gw, fmt.Sprint("A-", i)); i == 0 {
				first = pay
			} else {
				require.NoError(t, gw.Reset(t.Context()))
				assert.Equal(t, seed != "", create(gw, "A-0") == first, seed)
			}
			gw.Close()
		}
		assert.Len(t, numbers, map[string]int{"": 3, "one": 2}[seed])
	}
}

package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ksher-go/ksher/internal/transport"
)

// notify tries the shop's address for notifications, as Ksher would reach it.
func (v *visit) notify(ctx context.Context) {
	v.reach(ctx, "notify", "shop for notifications", v.NotifyURL)
	v.check("notify-forged", "a forged notification, of an order that can't exist", []string{"notify-tls"}, func() result { return v.forged(ctx) })
}

// forgery is a notification in the form of genuine ones, whose signature is made up.
func (v *visit) forgery() []byte {
	sign := make([]byte, 64)
	rand.Read(sign)
	sign[0] &= 0x7f // Below every modulus of that length, so that only its digest is wrong.
	body, err := json.Marshal(map[string]any{
		"code": 0, "msg": "ok", "message": "ok", "sign": hex.EncodeToString(sign),
		"data": map[string]any{
			"appid": v.AppID, "mch_order_no": nobodys(), "ksher_order_no": "90020000000000000000", "channel": "promptpay", "channel_order_no": "0",
			"fee_type": "THB", "total_fee": 100, "cash_fee": "", "cash_fee_type": "", "result": "SUCCESS", "time_end": "2020-01-01 00:00:00", "nonce_str": "doctor",
		},
	})
	if err != nil {
		panic(err) // It is text and numbers.
	}
	return body
}

// mostRefusal bounds what is read of the shop's answer.
const mostRefusal = 64 << 10

// forged posts a forged notification, and looks how the shop refuses it.
func (v *visit) forged(ctx context.Context) result {
	ctx, cancel := v.limited(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.NotifyURL, bytes.NewReader(v.forgery()))
	if err != nil {
		return result{Fail, "it isn't an address to post to", "correct it"}
	}
	req.Header.Set("Content-Type", "text/plain;charset=utf-8")
	resp, err := v.transport().RoundTrip(req)
	if err == nil {
		defer resp.Body.Close()
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(resp.Body, mostRefusal)); err == nil {
			return judgeRefusal(resp.StatusCode, text)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return result{Fail, "no answer came in time", "answer what is forged at once: check the signature before anything else, and ask nobody about it"}
	}
	return result{Fail, transport.Error{Err: err}.Error(), "see why the shop breaks the connection off"}
}

// judgeRefusal says what a shop's answer to a forged notification means. An answer is JSON
// with a result.
func judgeRefusal(status int, text []byte) result {
	var answer struct {
		Result string `json:"result"`
	}
	inForm := json.Unmarshal(text, &answer) == nil && answer.Result != ""
	came := fmt.Sprintf("HTTP %d, %s", status, described(text, answer.Result, inForm))
	switch {
	case status/100 == 2 && strings.EqualFold(answer.Result, "SUCCESS"):
		return result{Fail, came, "the shop believes what anybody posts: check the signature and ask Ksher before goods leave, as Payments.Notifications does"}
	case status/100 == 3:
		return result{Fail, came + "; redirects aren't followed", "give Ksher the address that answers by itself"}
	case status == http.StatusNotFound || status == http.StatusGone:
		return result{Fail, came, "nothing is at that path, or the order was looked up before the signature was checked: see whether the address is the one in mch_notify_url"}
	case status == http.StatusMethodNotAllowed:
		return result{Fail, came, "let the handler take POST"}
	case status == http.StatusUnauthorized || status == http.StatusProxyAuthRequired:
		return result{Fail, came, "Ksher can't log in: let notifications in without a login, and rely on their confirmation by a query"}
	case status/100 == 5:
		return result{Warn, came, "it is refused, but by accident: look into the shop's log, and refuse what is forged with 403"}
	case !inForm:
		return result{Warn, came, `it is refused, maybe by something before the shop, such as a firewall: a handler of notifications answers {"result":"FAIL","msg":"…"}`}
	}
	return result{status: OK, came: came + ": refused, in the right form"}
}

// described is an answer in a few words, without what it may have of others.
func described(text []byte, what string, inForm bool) string {
	switch {
	case inForm:
		return "result " + transport.Quote([]byte(what))
	case len(text) == 0:
		return "without a body"
	}
	return "a body that isn't an answer to a notification"
}

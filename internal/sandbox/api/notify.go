package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// Schedule has the times between one attempt to notify and the next: 12
// repetitions over 29 hours.
//
// Source: the notification page of Ksher's API documentation.
var Schedule = []time.Duration{
	time.Second, 2 * time.Second, 2 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
	10 * time.Minute, time.Hour, 3 * time.Hour, 5 * time.Hour, 8 * time.Hour, 12 * time.Hour,
}

// Watching is how long Ksher watches an order. A payment after that isn't
// announced.
const Watching = 2 * time.Hour

// notifier tells merchants of payments.
type notifier struct{ *Server }

func (notifier) Made(o *core.Entry) bool { return o.API == "" }

// News is the notification of a payment, which is made once.
func (s notifier) News(o *core.Entry, at time.Time) (n *core.Notice, told string) {
	target := o.Params.Get("notify_url")
	if o.Gateway {
		target = o.Params.Get("mch_notify_url")
	}
	if o.PaidAt.IsZero() || o.Payout || o.Notice != nil || target == "" || o.PaidAt.Sub(o.Created) > Watching {
		return nil, ""
	}
	return &core.Notice{Target: target, Body: s.paid(o, ksher.SignV1, at)}, ""
}

// paid is the body of a notification, which comes in what the gateway host's answers do.
func (s notifier) paid(o *core.Entry, version ksher.SignVersion, at time.Time) []byte {
	answer := &ksher.GatewayOrderQueryResponse{Order: o.Query(at)}
	answer.NonceStr = s.gw.UUIDOf(o, "notification")
	return verdict{at: at}.signed(gatewayHost, s.shaped("notification", answer, o.Location()), nil, version)
}

func (notifier) TimesOut(*core.Entry) bool { return false }

func (s notifier) Body(n *core.Notice, o *core.Entry, f core.Fault, now time.Time) []byte {
	switch f.Kind {
	case core.FaultOtherKey:
		return s.paid(o, signedUnder(f, ksher.SignV1), now)
	case core.FaultEncoded:
		return []byte(url.QueryEscape(string(n.Body)))
	case core.FaultMinimal:
		return minimal(n.Body)
	}
	return spoilNotification(f, n.Body)
}

func (notifier) Request(ctx context.Context, n *core.Notice, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.Target, bytes.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "text/plain;charset=utf-8")
	}
	return req, err
}

func (notifier) Accepted(answer []byte) bool { return Accepted(answer) }

// Accepted tells whether a merchant's answer to a notification keeps Ksher from sending it
// again.
func Accepted(answer []byte) bool {
	var said struct{ Result, Msg string }
	return json.Unmarshal(answer, &said) == nil && said.Result == "SUCCESS" && said.Msg == "OK"
}

func (notifier) Schedule() []time.Duration { return Schedule }

// Post posts a notification to a shop once, as Ksher does. The error says why the shop hasn't
// accepted it.
func Post(ctx context.Context, way http.RoundTripper, target string, body []byte) (status int, answer string, err error) {
	return core.PostNotice(ctx, way, notifier{}, &core.Notice{Target: target}, body)
}

// minimal is a notification with the envelope and the empty fees that genuine ones may have.
func minimal(body []byte) []byte {
	var n struct {
		Data map[string]json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &n); err != nil {
		panic(err) // It was made here.
	}
	n.Data["cash_fee"], n.Data["cash_fee_type"] = json.RawMessage(`""`), json.RawMessage(`""`)
	data := core.Marshal(n.Data)
	return core.Marshal(map[string]any{
		"code": 0, "msg": "ok", "message": "ok", "data": json.RawMessage(data), "sign": signData(data, nil, ksher.SignV1),
	})
}

// signedUnder is the version of the key that an answer is signed with under the
// fault.
func signedUnder(f core.Fault, asked ksher.SignVersion) ksher.SignVersion {
	if f.Kind != core.FaultOtherKey {
		return asked
	}
	return ksher.SignV1 + ksher.SignV2 - asked
}

// forge makes an answer under the fault one that its signature isn't of.
func forge(f core.Fault, answer []byte) []byte {
	text := string(answer)
	switch f.Kind {
	case core.FaultBadSignature:
		// Its first digit, so that it stays below the modulus: a signature of the
		// right form, of something else.
		i := strings.LastIndex(text, `"sign":"`) + len(`"sign":"`)
		text = text[:i] + core.OtherDigit(text[i:i+1]) + text[i+1:]
	case core.FaultCorrupt:
		text = strings.Replace(text, `"total_fee":`, `"total_fee":1`, 1)
	}
	return []byte(text)
}

// spoilNotification changes the body of a notification under the fault.
func spoilNotification(f core.Fault, body []byte) []byte {
	if f.Kind == core.FaultTruncated {
		return body[:len(body)/2]
	}
	return forge(f, body)
}

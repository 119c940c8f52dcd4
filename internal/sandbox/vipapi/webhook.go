package vipapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// schedule has the times between one attempt to notify and the next.
//
// Source: Ksher's documentation of vip.ksher.net.
var schedule = slices.Repeat([]time.Duration{5 * time.Second}, 6)

// What a notification of vip.ksher.net says.
const (
	timeoutNews  = "Order Timeout"
	closedNews   = "Order Closed"
	paidNews     = "Order Paid"
	refundedNews = "Order Refunded"
)

// SetWebhook sets the address that the merchant has registered at vip.ksher.net for
// notifications, "" for none, which is the default. From then on it is told of each
// payment, refund, closing and timeout of an order of that generation. An address that
// isn't one of http or https, or that has a query or a fragment, is an error and changes
// nothing.
func (s *Server) SetWebhook(address string) error {
	if address != "" && core.WebAddress(address) == "" || strings.ContainsAny(address, "?#") {
		return fmt.Errorf("kshertest: SetVIPWebhook: %q isn't an http or https address without a query", address)
	}
	s.gw.Do(func(tx *core.Tx) {
		tx.AllowNotify(address)
		s.webhook = address
	})
	s.gw.Wake()
	return nil
}

// notifier tells the merchant what has become of orders.
type notifier struct{ s *Server }

func (notifier) Made(o *core.Entry) bool { return o.API != "" }

// News lets the merchant know what has become of an order since the last time. That a
// payment that failed is told as closed isn't documented.
func (n notifier) News(o *core.Entry, at time.Time) (*core.Notice, string) {
	var message string
	switch o.State(at) {
	case core.Paid:
		message = paidNews
	case core.RefundedInPart, core.Refunded:
		message = refundedNews
	case core.Failed, core.Cancelled:
		message = closedNews
	case core.Expired:
		message = timeoutNews
	default:
		return nil, ""
	}
	told, target := fmt.Sprint(message, len(o.Refunds)), n.s.webhook
	if target == "" {
		return nil, told
	}
	return &core.Notice{Target: target, Body: noticeQuery(Token, target, o.MchOrderNo, message), Message: message}, told
}

// TimesOut tells the orders whose end nobody notices but the clock.
func (n notifier) TimesOut(o *core.Entry) bool {
	return n.s.webhook != "" && o.Told == "" && !o.Expires.IsZero() && o.State(o.Expires) == core.Expired
}

// Request is a GET whose query is the body.
func (notifier) Request(ctx context.Context, n *core.Notice, body []byte) (*http.Request, error) {
	return http.NewRequestWithContext(ctx, http.MethodGet, n.Target+"?"+string(body), nil)
}

func (notifier) Accepted([]byte) bool { return true }

func (notifier) Schedule() []time.Duration { return schedule }

// noticeQuery is the query of a notification. What is signed begins with the address
// as it was registered.
func noticeQuery(token, address, mchOrderNo, message string) []byte {
	code, kind := "StatusChange", "Order"
	sign := macOf(token, address+"code"+code+"instance"+mchOrderNo+"message"+message+"type"+kind)
	return []byte(url.Values{"type": {kind}, "instance": {mchOrderNo}, "code": {code}, "message": {message}, "signature": {sign}}.Encode())
}

// Body is the query of a notification under the fault.
func (notifier) Body(n *core.Notice, o *core.Entry, f core.Fault, _ time.Time) []byte {
	switch query := string(n.Body); f.Kind {
	case core.FaultTruncated:
		return n.Body[:len(n.Body)/2]
	case core.FaultOtherKey:
		return noticeQuery(otherToken, n.Target, o.MchOrderNo, n.Message)
	case core.FaultBadSignature:
		before, sign, _ := strings.Cut(query, "signature=")
		return []byte(before + "signature=" + core.OtherDigit(sign[:1]) + sign[1:])
	case core.FaultCorrupt:
		other := paidNews
		if n.Message == paidNews {
			other = refundedNews
		}
		return []byte(strings.Replace(query, url.QueryEscape(n.Message), url.QueryEscape(other), 1))
	}
	return n.Body
}

package sandbox

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// vipSchedule has the times between one attempt to notify and the next.
//
// Source: Ksher's documentation of vip.ksher.net.
var vipSchedule = slices.Repeat([]time.Duration{5 * time.Second}, 6)

// What a notification of vip.ksher.net says.
const (
	vipTimeout  = "Order Timeout"
	vipClosed   = "Order Closed"
	vipPaid     = "Order Paid"
	vipRefunded = "Order Refunded"
)

// SetVIPWebhook sets the address that the merchant has registered at vip.ksher.net
// for notifications, "" for none, which is the default. From then on it is told of
// each payment, refund, closing and timeout of an order of that generation. An
// address that isn't one of http or https, or that has a query or a fragment, is an
// error and changes nothing.
func (g *Gateway) SetVIPWebhook(address string) error {
	if address != "" && webAddress(address) == "" || strings.ContainsAny(address, "?#") {
		return fmt.Errorf("kshertest: SetVIPWebhook: %q isn't an http or https address without a query", address)
	}
	g.mu.Lock()
	g.vipWebhook = address
	g.mu.Unlock()
	g.wake()
	return nil
}

// announceVIP lets the merchant know what has become of an order since the last
// time. That a payment that failed is told as closed isn't documented. The caller
// holds g.mu.
func (g *Gateway) announceVIP(o *order) {
	if o == nil || o.VIP == "" {
		return
	}
	var message string
	switch o.state(g.now()) {
	case Paid:
		message = vipPaid
	case RefundedInPart, Refunded:
		message = vipRefunded
	case Failed, Cancelled:
		message = vipClosed
	case Expired:
		message = vipTimeout
	default:
		if g.timesOutVIP(o) {
			g.wake()
		}
		return
	}
	g.tellVIP(o, message)
}

// timesOutVIP tells the orders whose end nobody notices but the clock.
func (g *Gateway) timesOutVIP(o *order) bool {
	return o.VIP != "" && g.vipWebhook != "" && o.VIPTold == "" && !o.Expires.IsZero() && o.state(o.Expires) == Expired
}

// tellVIP lets a notification of an order go out, if it is news and there is an
// address for it.
func (g *Gateway) tellVIP(o *order, message string) {
	told := fmt.Sprint(message, len(o.Refunds))
	if told == o.VIPTold {
		return
	}
	if o.VIPTold = told; g.vipWebhook != "" {
		g.tell(o, &notice{Target: g.vipWebhook, Body: vipQuery(VIPToken, g.vipWebhook, o.MchOrderNo, message), Message: message, Due: g.now()})
	}
}

// vipQuery is the query of a notification. What is signed begins with the address
// as it was registered.
func vipQuery(token, address, mchOrderNo, message string) []byte {
	code, kind := "StatusChange", "Order"
	sign := vipSign(token, address+"code"+code+"instance"+mchOrderNo+"message"+message+"type"+kind)
	return []byte(url.Values{"type": {kind}, "instance": {mchOrderNo}, "code": {code}, "message": {message}, "signature": {sign}}.Encode())
}

// spoilVIPWebhook is the query of a notification under the fault.
func (f Fault) spoilVIPWebhook(n *notice, mchOrderNo string) []byte {
	switch query := string(n.Body); f.Kind {
	case FaultTruncated:
		return n.Body[:len(n.Body)/2]
	case FaultOtherKey:
		return vipQuery(otherVIPToken, n.Target, mchOrderNo, n.Message)
	case FaultBadSignature:
		before, sign, _ := strings.Cut(query, "signature=")
		return []byte(before + "signature=" + flip(sign[:1]) + sign[1:])
	case FaultCorrupt:
		other := vipPaid
		if n.Message == vipPaid {
			other = vipRefunded
		}
		return []byte(strings.Replace(query, url.QueryEscape(n.Message), url.QueryEscape(other), 1))
	}
	return n.Body
}

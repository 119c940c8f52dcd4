package kshertest

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/ksher-go/ksher"
)

// State is where an order stands in the gateway.
type State string

// States of an order.
const (
	Created   State = "created"   // Created is before any payment.
	Paid      State = "paid"      // Paid is after it, also after a refund in part.
	Failed    State = "failed"    // Failed is after a payment that failed.
	Expired   State = "expired"   // Expired is after the time to pay.
	Cancelled State = "cancelled" // Cancelled is after cancel_order or order_close.
	Refunded  State = "refunded"  // Refunded is after everything was given back.
)

// Order is the gateway's view of an order, for a test to look at.
type Order struct {
	// Order is what a query answers.
	ksher.Order
	// State is where the order stands.
	State State
	// Refunded is how much was given back, in cents.
	Refunded ksher.Amount
	// Refunds has each refund.
	Refunds []ksher.RefundOrder
	// Params has the parameters of the request that made the order, without the
	// signature.
	Params url.Values
}

type order struct {
	// gateway says that gateway_pay made the order. The merchant host knows it
	// by payMchOrderNo, and one of native_pay by mchOrderNo.
	gateway        bool
	mchOrderNo     string
	payMchOrderNo  string
	ksherOrderNo   string
	channelOrderNo string
	// uuid names the order in the address of its checkout page.
	uuid     string
	channels []ksher.Channel
	channel  ksher.Channel
	total    ksher.Amount
	feeType  string
	params   url.Values
	// expires is zero for an order that never does.
	expires   time.Time
	paidAt    time.Time
	failed    bool
	cancelled bool
	refunds   []ksher.RefundOrder
}

func (o *order) state(now time.Time) State {
	switch {
	case !o.paidAt.IsZero() && o.refunded() == o.total:
		return Refunded
	case !o.paidAt.IsZero():
		return Paid
	case o.failed:
		return Failed
	case o.cancelled:
		return Cancelled
	case !o.expires.IsZero() && !now.Before(o.expires):
		return Expired
	}
	return Created
}

func (o *order) refunded() ksher.Amount {
	var sum ksher.Amount
	for _, r := range o.refunds {
		sum += r.MchRefundFee
	}
	return sum
}

// merchantHostNo is the order's number at the merchant host.
func (o *order) merchantHostNo() string {
	if o.gateway {
		return o.payMchOrderNo
	}
	return o.mchOrderNo
}

// byQRCode tells the channels whose code a buyer can save and pay later.
func byQRCode(c ksher.Channel) bool {
	return slices.Contains([]ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelTrueMoney, ksher.ChannelSCBQRCard}, c)
}

func (o *order) pay(channel ksher.Channel, now time.Time) error {
	if channel == "" {
		channel = o.channels[0]
	}
	if !slices.Contains(o.channels, channel) {
		return fmt.Errorf("%w by %q: it offers %v", ErrNotPayable, channel, o.channels)
	}
	if s := o.state(now); s != Created && !(s == Cancelled && byQRCode(channel)) {
		return fmt.Errorf("%w: it is %s", ErrNotPayable, s)
	}
	o.channel, o.paidAt = channel, now
	return nil
}

func (o *order) fail(now time.Time) error {
	if s := o.state(now); s != Created {
		return fmt.Errorf("%w: it is %s", ErrNotPayable, s)
	}
	o.failed = true
	return nil
}

// result is how a query puts the order's state. Of an order that nobody has
// paid on yet, a genuine answer of the gateway host says NOTSURE; that the
// merchant host says NOTPAY isn't documented.
func (o *order) result(now time.Time) ksher.Result {
	switch o.state(now) {
	case Paid:
		return ksher.ResultSuccess
	case Refunded:
		return ksher.ResultRefund
	case Failed:
		return ksher.ResultPayError
	case Cancelled, Expired:
		return ksher.ResultClosed
	}
	if o.gateway {
		return ksher.ResultNotSure
	}
	return ksher.ResultNotPay
}

// query is what the host that made the order answers about it.
func (o *order) query(now time.Time) ksher.Order {
	q := ksher.Order{
		AppID:         AppID,
		MchOrderNo:    o.mchOrderNo,
		PayMchOrderNo: o.payMchOrderNo,
		FeeType:       o.feeType,
		TotalFee:      o.total,
		Result:        o.result(now),
		Attach:        o.params.Get("attach"),
	}
	if !o.paidAt.IsZero() {
		q.Channel = o.channel
		q.KsherOrderNo = o.ksherOrderNo
		q.ChannelOrderNo = o.channelOrderNo
		q.CashFee = o.total
		q.CashFeeType = o.feeType
		q.Rate = "1.000000"
		q.TimeEnd = o.paidAt.In(zone)
		q.OpenID = "kshertest-buyer"
	}
	return q
}

func (o *order) view(now time.Time) Order {
	params := make(url.Values)
	for name, values := range o.params {
		if name != "sign" {
			params[name] = slices.Clone(values)
		}
	}
	return Order{
		Order:    o.query(now),
		State:    o.state(now),
		Refunded: o.refunded(),
		Refunds:  slices.Clone(o.refunds),
		Params:   params,
	}
}

package core

import (
	"encoding/json"
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
	Created        State = "created"          // Created is before any payment.
	InProgress     State = "in progress"      // InProgress is while the buyer types a PIN or OTP.
	Paid           State = "paid"             // Paid is after the payment.
	RefundedInPart State = "refunded in part" // RefundedInPart is after some of it was given back.
	Refunded       State = "refunded"         // Refunded is after everything was given back.
	Failed         State = "failed"           // Failed is after a payment that failed.
	Expired        State = "expired"          // Expired is after the time to pay.
	Cancelled      State = "cancelled"        // Cancelled is after cancel_order, order_close or order_reverse.
)

// States are all of them.
func States() []State {
	return []State{Created, InProgress, Paid, RefundedInPart, Refunded, Failed, Expired, Cancelled}
}

// Event is a step in the history of an order.
type Event struct {
	// At is when, by the gateway's clock.
	At time.Time
	// What is the step in words, such as "paid by card".
	What string

	turn int64
}

// maxEvents bounds the history of an order.
const maxEvents = 100

// Order is the gateway's view of an order, for a test to look at.
type Order struct {
	// Order is what a query answers.
	ksher.Order
	// State is where the order stands.
	State State
	// Refunded is how much was given back, in cents.
	Refunded ksher.Amount
	// Refunds has each refund.
	Refunds []ksher.Refund
	// Deliveries has each attempt to notify the merchant.
	Deliveries []Delivery
	// History has the steps of the order so far, the last hundred of them.
	History []Event
	// Params has the parameters of the request that made the order, without the
	// signature. If another protocol made it, they have their names at api.ksher.net, too.
	Params url.Values
}

// Entry is an order as the gateway keeps it. Its exported fields are what a [Store]
// keeps across restarts. Rooms read them, and change them through a [Tx] alone.
type Entry struct {
	// AppID is whose order it is, and Zone that merchant's time zone, "" for [Zone].
	AppID string
	Zone  string `json:",omitzero"`
	// Gateway says that gateway_pay made the order. The merchant host knows it
	// by PayMchOrderNo, and one of native_pay by MchOrderNo.
	Gateway bool
	// Quick says that quick_pay made the order.
	Quick bool
	// Payout says that it isn't an order, but a payout.
	Payout bool
	// API is which API of another generation made the order, such as "redirect", and ""
	// for an order of api.ksher.net. Told is what its merchant was last told of.
	API  string `json:"VIP,omitzero"`
	Told string `json:"VIPTold,omitzero"`
	// Foreign says that it isn't an order at Ksher, but something like it at another
	// provider. Its MchOrderNo is what that provider calls it.
	Foreign bool `json:",omitzero"`
	// Draft says that it only prepares a foreign order and can't be paid itself, and Source
	// is the number of the draft that an order was made from.
	Draft  bool   `json:",omitzero"`
	Source string `json:",omitzero"`
	// Data is what the protocol keeps of it besides.
	Data           json.RawMessage `json:",omitzero"`
	MchOrderNo     string
	PayMchOrderNo  string
	KsherOrderNo   string
	ChannelOrderNo string
	// UUID names the order in the address of its checkout page.
	UUID     string
	Channels []ksher.Channel
	Channel  ksher.Channel
	Total    ksher.Amount
	FeeType  string
	Params   url.Values
	Created  time.Time
	// Expires is zero for an order that never does.
	Expires    time.Time
	PaidAt     time.Time
	InProgress bool
	Failed     bool
	// Failure is why it failed, as far as its protocol says that.
	Failure   string `json:",omitzero"`
	Cancelled bool
	Settled   bool
	Refunds   []ksher.Refund
	History   []Event
	// Notice is the notification on its way or the last one, nil before the
	// payment and for an order that wants none.
	Notice *Notice
	// Later has the notifications of what has happened since, each of which
	// becomes Notice when the one before is done with.
	Later      []*Notice `json:",omitzero"`
	Deliveries []Delivery
	// Page is what the checkout page keeps with the order, JSON of its own.
	Page json.RawMessage `json:",omitzero"`
	// Serial is greater than those of the orders before.
	Serial int
	// saved is the order as the store has it, nil if it hasn't.
	saved []byte
	// size is what the order counts for in [Config].MaxBytes.
	size int
	// era is the one that it was made in.
	era *era
}

// State is where the order stands at that time.
func (o *Entry) State(now time.Time) State {
	switch {
	case !o.PaidAt.IsZero() && o.Refunded() == o.Total:
		return Refunded
	case !o.PaidAt.IsZero() && o.Refunded() > 0:
		return RefundedInPart
	case !o.PaidAt.IsZero():
		return Paid
	case o.Failed:
		return Failed
	case o.Cancelled:
		return Cancelled
	case !o.Expires.IsZero() && !now.Before(o.Expires):
		return Expired
	case o.InProgress:
		return InProgress
	}
	return Created
}

// Notified tells whether the merchant has accepted the notification of an order, all of them
// if there were several, and none is under way.
func (o *Entry) Notified() bool {
	n := o.Notice
	return n != nil && n.Accepted && n.busy == 0 && len(o.Later) == 0
}

// Settled tells the states in which the gateway can forget an order first.
func (s State) Settled() bool { return s != Created && s != InProgress }

// Refunded is how much of the order was given back.
func (o *Entry) Refunded() ksher.Amount {
	var sum ksher.Amount
	for _, r := range o.Refunds {
		sum += r.MchRefundFee
	}
	return sum
}

// MerchantHostNo is the order's number at the merchant host.
func (o *Entry) MerchantHostNo() string {
	if o.Gateway {
		return o.PayMchOrderNo
	}
	return o.MchOrderNo
}

func (o *Entry) note(now time.Time, format string, args ...any) {
	o.History = append(o.History, Event{now, fmt.Sprintf(format, args...), turns.Add(1)})
	if extra := len(o.History) - maxEvents; extra > 0 {
		o.History = slices.Delete(o.History, 0, extra)
	}
}

// offers checks that the buyer can pay by a channel now, an empty one standing
// for the first of the order.
func (o *Entry) offers(channel ksher.Channel, now time.Time) (ksher.Channel, error) {
	if channel == "" {
		channel = o.Channels[0]
	}
	if !slices.Contains(o.Channels, channel) {
		return "", fmt.Errorf("%w by %q: it offers %v", ErrNotPayable, channel, o.Channels)
	}
	s := o.State(now)
	if s.Settled() && !(s == Cancelled && o.Savable(channel)) {
		return "", fmt.Errorf("%w: it is %s", ErrNotPayable, s)
	}
	return channel, nil
}

// InfoOf is what Ksher's guides say about a channel.
func InfoOf(c ksher.Channel) ksher.ChannelInfo {
	info, _ := c.Info()
	return info
}

// Savable tells whether the buyer has a QR code of the channel to save.
func (o *Entry) Savable(channel ksher.Channel) bool {
	return !o.Quick && InfoOf(channel).Savable
}

func (o *Entry) begin(channel ksher.Channel, now time.Time) error {
	channel, err := o.offers(channel, now)
	if err != nil {
		return err
	}
	o.Channel, o.InProgress = channel, true
	o.note(now, "the buyer is paying by %s", channel)
	return nil
}

// giveUp takes the buyer back to the choice of a channel.
func (o *Entry) giveUp(now time.Time) error {
	if s := o.State(now); s != InProgress || o.Payout {
		return fmt.Errorf("%w: it is %s", ErrNotPayable, s)
	}
	o.InProgress, o.Channel = false, ""
	o.note(now, "the buyer gave up")
	return nil
}

func (o *Entry) pay(channel ksher.Channel, now time.Time) error {
	if channel == "" {
		channel = o.Channel
	}
	channel, err := o.offers(channel, now)
	if err != nil {
		return err
	}
	o.Channel, o.PaidAt, o.InProgress = channel, now, false
	o.note(now, "paid by %s", channel)
	return nil
}

func (o *Entry) fail(now time.Time, why string) error {
	if s := o.State(now); s.Settled() {
		return fmt.Errorf("%w: it is %s", ErrNotPayable, s)
	}
	o.Failed, o.Failure, o.InProgress = true, why, false
	if why == "" {
		o.note(now, "the payment failed")
	} else {
		o.note(now, "the payment failed: %s", why)
	}
	return nil
}

func (o *Entry) expire(now time.Time) error {
	if s := o.State(now); s.Settled() {
		return fmt.Errorf("%w: it is %s", ErrNotPayable, s)
	}
	o.Expires = now
	o.note(now, "the time to pay ended")
	return nil
}

// Result is how a query puts the order's state. Of an order that nobody has
// paid on yet, a genuine answer of the gateway host says NOTSURE. That the
// merchant host says NOTPAY, and that a refund in part leaves SUCCESS, isn't
// documented.
func (o *Entry) Result(now time.Time) ksher.Result {
	switch o.State(now) {
	case Paid, RefundedInPart:
		return ksher.ResultSuccess
	case Refunded:
		return ksher.ResultRefund
	case Failed:
		return ksher.ResultPayError
	case Cancelled, Expired:
		return ksher.ResultClosed
	case InProgress:
		if o.Payout {
			return ksher.ResultPending
		}
		return ksher.ResultUserPaying
	}
	if o.Gateway {
		return ksher.ResultNotSure
	}
	return ksher.ResultNotPay
}

// Query is what the host that made the order answers about it.
func (o *Entry) Query(now time.Time) ksher.Order {
	q := ksher.Order{
		AppID:         o.AppID,
		MchOrderNo:    o.MchOrderNo,
		PayMchOrderNo: o.PayMchOrderNo,
		FeeType:       o.FeeType,
		TotalFee:      o.Total,
		Result:        o.Result(now),
		Attach:        o.Params.Get("attach"),
		Channel:       o.Channel,
	}
	if !o.PaidAt.IsZero() {
		q.KsherOrderNo = o.KsherOrderNo
		q.ChannelOrderNo = o.ChannelOrderNo
		q.CashFee = o.Total
		q.CashFeeType = o.FeeType
		q.Rate = "1.000000"
		q.TimeEnd = o.PaidAt.In(o.Location())
		q.OpenID = "kshertest-buyer"
	}
	return q
}

func (o *Entry) view(now time.Time) Order {
	params := cloneParams(o.Params)
	params.Del("sign")
	return Order{
		Order:      o.Query(now),
		State:      o.State(now),
		Refunded:   o.Refunded(),
		Refunds:    slices.Clone(o.Refunds),
		Deliveries: slices.Clone(o.Deliveries),
		History:    slices.Clone(o.History),
		Params:     params,
	}
}

package core

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
)

// Tx is the gateway's state while it is locked, for a function that [Gateway.Do] calls.
// It mustn't be kept. What its methods have changed lasts after [Tx.Save].
type Tx struct {
	g *Gateway
	// touched has the orders that were changed.
	touched []*Entry
	// url is what URL returns.
	url string
	// about is the order that the request at hand is about.
	about *Entry
}

// Do locks the gateway's state, calls the function, and unlocks it.
func (g *Gateway) Do(f func(*Tx)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(&Tx{g: g, url: g.PublicURL()})
}

// DoFor is Do for a request, whose sender is told addresses that it can reach.
func (g *Gateway) DoFor(r *http.Request, f func(*Tx)) {
	g.Do(func(tx *Tx) {
		tx.url = g.URLFor(r)
		f(tx)
	})
}

// URL is the address, without a path, that addresses in answers begin with.
func (tx *Tx) URL() string { return tx.url }

// Save makes what was changed last, and lets merchants know what is news to them. It has
// to be called before anybody learns of a change. If the change can't be written down, it
// is taken back, and the error is an [ErrStore].
func (tx *Tx) Save() error {
	touched := tx.touched
	tx.touched = nil
	return tx.g.save(touched...)
}

// Touch lets Save look after an order.
func (tx *Tx) Touch(o *Entry) {
	if !slices.Contains(tx.touched, o) {
		tx.touched = append(tx.touched, o)
	}
}

// Now is the time of the gateway's clock.
func (tx *Tx) Now() time.Time { return tx.g.now() }

// NextFault takes the next fault of an operation, the zero one if there is none. The
// request's parameters tell whether it is about an order that a fault waits for.
func (tx *Tx) NextFault(operation, appID string, params url.Values) Fault {
	return tx.g.nextFault(operation, func(o *Entry) bool { return o.namedBy(appID, params) })
}

// Log keeps a request for [Gateway.Requests], and with its reply for [Tx.Story].
func (tx *Tx) Log(r Request, reply *Reply) {
	g := tx.g
	g.logged++
	r.At, r.No = tx.Now(), g.logged
	r.size = r.bytes()
	g.requests = append(g.requests, r)
	g.logBytes += r.size
	for len(g.requests) > maxRequests || g.logBytes > maxLogBytes && len(g.requests) > 1 {
		g.logBytes -= g.requests[0].size
		g.requests = slices.Delete(g.requests, 0, 1)
	}
	tx.keep(r, reply)
	g.watchers.wake(OfRequests)
	if tx.about != nil { // Its page tells the story, and how the shop copes.
		g.watchers.wake(OfOrders)
	}
}

// Own finds an order by the number that its merchant gave it, nil if there is none.
func (tx *Tx) Own(appID, mchOrderNo string) *Entry {
	return tx.seen(tx.g.orders[number{appID, "own", mchOrderNo}])
}

// AtMerchantHost finds an order by a number that the merchant host knows it by. The kind is
// the parameter that has it.
func (tx *Tx) AtMerchantHost(appID, kind, no string) *Entry {
	return tx.seen(tx.g.orders[number{appID, kind, no}])
}

// ByUUID finds the order of a checkout page, nil if there is none.
func (tx *Tx) ByUUID(uuid string) *Entry { return tx.g.orders[number{"", "uuid", uuid}] }

// NextSerial is a number that comes after those of all orders before, for a number of a
// foreign order.
func (tx *Tx) NextSerial() int {
	tx.g.serial++
	return tx.g.serial
}

// Foreign finds a foreign order by a number that its provider knows it by, nil if there is
// none. The kind is "foreign" for its own, "source" for that of the draft it was made from,
// "page" for the one in the address of its page, and "draft" for that of a draft.
func (tx *Tx) Foreign(appID, kind, no string) *Entry {
	return tx.seen(tx.g.orders[number{appID, kind, no}])
}

// Either finds an order at Ksher by the merchant's own number, or else a foreign one by
// what its provider calls it, nil if there is none.
func (tx *Tx) Either(appID, no string) *Entry { return tx.g.own(appID, no) }

// All are the orders at Ksher as they came.
func (tx *Tx) All() iter.Seq[*Entry] { return tx.those(func(o *Entry) bool { return !o.Foreign }) }

// AllForeign are the foreign orders of that API as they came, without drafts.
func (tx *Tx) AllForeign(api string) iter.Seq[*Entry] {
	return tx.those(func(o *Entry) bool { return o.Foreign && !o.Draft && o.API == api })
}

func (tx *Tx) those(wanted func(*Entry) bool) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, o := range tx.g.list {
			if wanted(o) && !yield(o) {
				return
			}
		}
	}
}

// Newest are some of the orders that a filter lets through, the newest first, foreign ones
// among them. total is how many it lets through.
func (tx *Tx) Newest(f Filter, offset, limit int) (some []*Entry, total int) {
	f.Number = strings.ToLower(strings.TrimSpace(f.Number))
	for _, o := range slices.Backward(tx.g.list) {
		if o.Draft || !f.lets(o, tx.Now()) {
			continue
		}
		if total >= offset && len(some) < limit {
			some = append(some, o)
		}
		total++
	}
	return some, total
}

// Add keeps a new order, which gets its numbers and its time.
func (tx *Tx) Add(o *Entry) {
	g := tx.g
	o.KsherOrderNo = g.nextNo("900", 23)
	if o.Gateway {
		o.PayMchOrderNo = g.nextPayNo()
	}
	o.Created, o.Zone = g.now(), tx.Terms(o.AppID).Zone
	o.note(g.now(), "created over %s", o.Total.Display(o.FeeType))
	o.Serial = g.serial
	g.list = append(g.list, o)
	g.index(o)
	tx.seen(o)
	tx.Touch(o)
}

// Note writes something into an order's history.
func (tx *Tx) Note(o *Entry, what string) {
	o.note(tx.Now(), "%s", what)
	tx.Touch(o)
}

// ErrPrice means that an order can't be over an amount.
var ErrPrice = errors.New("that isn't a price")

// Reprice lets an order that nobody has paid count as made over that amount in that
// currency, so that a shop can be tested whose books have another.
func (tx *Tx) Reprice(o *Entry, total ksher.Amount, feeType string) error {
	switch {
	case !o.PaidAt.IsZero():
		return fmt.Errorf("%w: it is %s", ErrNotPayable, o.State(tx.Now()))
	case total <= 0 || !slices.Contains(currencies, feeType):
		return fmt.Errorf("%w: give more than 0 cents, in one of %s", ErrPrice, strings.Join(currencies, ", "))
	}
	o.Total, o.FeeType = total, feeType
	o.note(tx.Now(), "changed to %v %s", total, feeType)
	tx.Touch(o)
	return nil
}

// Begin takes an order to the state of one that the buyer is paying.
func (tx *Tx) Begin(o *Entry, channel ksher.Channel) error {
	tx.Touch(o)
	return o.begin(channel, tx.Now())
}

// GiveUp takes the buyer back to the choice of a channel.
func (tx *Tx) GiveUp(o *Entry) error {
	tx.Touch(o)
	return o.giveUp(tx.Now())
}

// Pay pays an order: by the channel that was begun, or else the first, if none is given.
func (tx *Tx) Pay(o *Entry, channel ksher.Channel) error {
	tx.Touch(o)
	return tx.g.pay(o, channel)
}

// Fail lets the payment of an order fail for good.
func (tx *Tx) Fail(o *Entry) error { return tx.FailBecause(o, "") }

// FailBecause is Fail for a reason, as the order's protocol has reasons.
func (tx *Tx) FailBecause(o *Entry, why string) error {
	tx.Touch(o)
	return o.fail(tx.Now(), why)
}

// Expire ends the time to pay an order.
func (tx *Tx) Expire(o *Entry) error {
	tx.Touch(o)
	return o.expire(tx.Now())
}

// Cancel ends an order that nobody has paid, or says why not.
func (tx *Tx) Cancel(o *Entry) ksher.Code {
	switch o.State(tx.Now()) {
	case Paid, RefundedInPart, Refunded:
		return ksher.CodeOrderAlreadyPayOperationCannotBePerformed
	case Failed:
		return ksher.CodeCancelError
	case Cancelled:
		return ksher.CodeOrderAlreadyCancel
	case Expired:
		return ksher.CodeExpireOrder
	case InProgress:
		if InfoOf(o.Channel).Card {
			return ksher.CodeCancelError
		}
	}
	o.Cancelled, o.InProgress = true, false
	o.note(tx.Now(), "cancelled")
	tx.Touch(o)
	return ""
}

// Refund gives back a part of a paid order, or says why not.
func (tx *Tx) Refund(o *Entry, no string, fee ksher.Amount) (ksher.Refund, ksher.Code) {
	g := tx.g
	left := o.Total - o.Refunded()
	info := InfoOf(o.Channel)
	var code ksher.Code
	switch {
	case g.refundNos[number{o.AppID, "refund", no}]:
		code = ksher.CodeKsherDuplicatedRefundOrderNo
	case fee > o.Total:
		code = ksher.CodeKsherInvalidRefundFee
	case info.NoRefunds:
		code = ksher.CodeNoAuth
	case left == 0:
		code = ksher.CodeOrderAlreadyRefund
	case fee > left:
		code = ksher.CodeKsherInvalidRefundBalance
	case o.Settled:
		code = ksher.CodeKsherRefundExpire
	case info.RefundSameDay && o.PaidAt.In(o.Location()).Format(time.DateOnly) != g.now().In(o.Location()).Format(time.DateOnly):
		code = ksher.CodeKsherRefundExpire
	}
	if code != "" {
		return ksher.Refund{}, code
	}
	tx.giveBack(o, no, fee)
	o.note(g.now(), "refunded %s under %s", fee.Display(o.FeeType), no)
	return o.Refunds[len(o.Refunds)-1], ""
}

// Reverse gives back all that is left of a paid order, and cancels one that nobody has
// paid, or says why not.
func (tx *Tx) Reverse(o *Entry) ksher.Code {
	g := tx.g
	switch o.State(g.now()) {
	case Refunded:
		return ksher.CodeOrderAlreadyRefund
	case Paid, RefundedInPart:
		if o.Settled {
			return ksher.CodeKsherRefundExpire
		}
		tx.giveBack(o, "", o.Total-o.Refunded())
		o.note(g.now(), "reversed, and the money given back")
		return ""
	}
	return tx.Cancel(o)
}

// giveBack refunds under the merchant's number, or under Ksher's if there is none.
func (tx *Tx) giveBack(o *Entry, no string, fee ksher.Amount) {
	g := tx.g
	refund := ksher.Refund{
		KsherRefundNo: g.nextNo("900", 23), ChannelRefundNo: g.nextNo("5020", 28),
		MchRefundFee: fee, RefundState: "REFUNDSUCCESS", RefundTime: g.now().In(o.Location()),
	}
	refund.MchRefundNo = cmp.Or(no, refund.KsherRefundNo)
	g.refundNos[number{o.AppID, "refund", refund.MchRefundNo}] = true
	o.Refunds = append(o.Refunds, refund)
	tx.Touch(o)
}

// pay is what a payment brings about. The caller holds g.mu.
func (g *Gateway) pay(o *Entry, channel ksher.Channel) error {
	if err := o.pay(channel, g.now()); err != nil {
		return err
	}
	o.ChannelOrderNo = g.nextNo("4200", 28)
	if !o.Payout && o.API == "" {
		g.orders[number{o.AppID, "channel_order_no", o.ChannelOrderNo}] = o
	}
	return nil
}

// drawn tells the payouts that took their total from the balance. What is on its way has
// left it already.
func (o *Entry) drawn(now time.Time) bool {
	s := o.State(now)
	return o.Payout && s != Failed && s != Expired
}

// Balance is what a merchant has left to pay out.
func (tx *Tx) Balance(appID string) ksher.Amount {
	g := tx.g
	left := g.config.PayoutBalance - g.paidOut[appID]
	for _, o := range g.list {
		if o.AppID == appID && o.drawn(g.now()) {
			left -= o.Total
		}
	}
	return left
}

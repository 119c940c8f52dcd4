package opn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/check"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
)

const (
	// grace is how long Opn may take to call a charge expired after its time, and
	// how far the clocks may differ.
	grace = time.Minute
)

// OpenOrder is an order in the merchant's books, with the charge that is to pay for it;
// see [Charge.OpenOrder].
type OpenOrder struct {
	// ChargeID is the charge's ID, "chrg_…": required. It identifies the payment.
	ChargeID string
	// OrderNo is the shop's own number of the order. It is for the merchant's functions:
	// Opn doesn't know it.
	OrderNo string
	// Amount is what it costs, in satang: required. The currency is THB.
	Amount ksher.Amount
	// Created is when the charge was made, zero for not known.
	Created time.Time
	// Expires is when it can't be paid any more, zero for not known.
	Expires time.Time
	// Booked says that its payment is in the books already, so that nothing has to be
	// done for it again.
	Booked bool
}

// OpenOrder returns the order that a new charge is to pay for, with the shop's number of
// it, for the merchant's books. Its amount is that of the request: a charge over another
// one is an error of the call that created it.
func (c *Charge) OpenOrder(orderNo string) OpenOrder {
	return OpenOrder{ChargeID: c.ID, OrderNo: orderNo, Amount: c.Amount, Created: c.CreatedAt, Expires: c.ExpiresAt.V}
}

// OpenOrders is the merchant's list of orders whose outcome isn't known. The merchant
// implements it, usually by a query of the shop's database.
type OpenOrders interface {
	// OpenOrders returns orders in the order of their charges' IDs: those after the given
	// ID, "" at first, as many as there are and at most limit. An order should be in it
	// for as long as it may turn paid, also some time after it has expired.
	OpenOrders(ctx context.Context, after string, limit int) ([]OpenOrder, error)
}

// Payments hears of every payment of an account and calls one function for it, once,
// however it became known: by an event ([Payments.Notifications]), by waiting
// ([Payments.Wait]) or by going over the open orders ([Payments.Run]). It is as
// [ksher.Payments]; what Opn has no request for, such as a till's charge, isn't there.
// Make one for each [Client] and share it: it is safe for concurrent use.
//
// Nothing is done for an order before Opn's answer has said that its charge is paid, over
// the amount of the merchant's books, and not taken back.
type Payments struct {
	client *Client
	engine *once.Engine[OpenOrder, Charge]
}

// PaymentsOption sets up [Payments].
type PaymentsOption func(*Payments) error

// NewPayments returns payments that call paid for each charge that is paid. It runs again
// for the same charge only if it returned an error or panicked, or if the program ended
// before the [ksher.Deduper] had noted that it was done. The charge says nothing of the
// shop's own number: look the order up by the charge's ID. That a charge is reversed
// later is told to the function of [WithEnded] only, and only while somebody asks.
//
// The error says which argument or option is wrong.
func NewPayments(c *Client, paid func(context.Context, *Charge) error, opts ...PaymentsOption) (*Payments, error) {
	switch {
	case c == nil || c.keys == nil:
		return nil, errors.New("opn: NewPayments: the client is nil, or was not made by NewClient")
	case paid == nil:
		return nil, errors.New("opn: NewPayments: the function for what is paid is nil")
	}
	log := c.log
	if !c.ownLog {
		log = slog.Default()
	}
	p := &Payments{client: c, engine: once.New("opn", gateway{c}, c.sender.Clock, log, paid)}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("opn: NewPayments: an option is nil")
		}
		if err := opt(p); err != nil {
			return nil, fmt.Errorf("opn: NewPayments: %w", err)
		}
	}
	return p, nil
}

// WithDeduper replaces the memory of the payments that were handled, as
// [ksher.WithDeduper] does. One Deduper can serve clients of ksher, vip and opn.
func WithDeduper(d ksher.Deduper) PaymentsOption {
	return func(p *Payments) error { return p.engine.SetDeduper(d) }
}

// WithEnded calls a function for an order whose charge ended without a payment, so that
// what was reserved can be released: it failed, expired, or was paid and taken back. The
// *Charge is nil if Opn doesn't know it and its time is over. Another charge may have
// paid for the same order of the shop. The function runs once for each charge, and
// remembers like that of [ksher.WithEnded].
func WithEnded(ended func(context.Context, OpenOrder, *Charge) error) PaymentsOption {
	return func(p *Payments) error { return p.engine.SetEnded(ended) }
}

// WithProblem calls a function for what a person has to look at and no caller is told of;
// see [ksher.WithProblem].
func WithProblem(problem func(context.Context, OpenOrder, error)) PaymentsOption {
	return func(p *Payments) error { return p.engine.SetProblem(problem) }
}

// WithBudget sets the budget of queries of [Payments.Pass] and [Payments.Run], 20 a second
// and 4 at once by default.
func WithBudget(b *ksher.Budget) PaymentsOption {
	return func(p *Payments) error { return p.engine.SetBudget((*once.Budget)(b)) }
}

// WaitOption sets up [Payments.Wait].
type WaitOption func(*waiting) error

type waiting struct{ once.Polling[Charge] }

// WithPolling sets how long to wait between queries: at first, and at most, from 1 ms to 1
// hour; by default 1 second and 10 seconds. See [ksher.WithPolling].
func WithPolling(first, most time.Duration) WaitOption {
	return func(w *waiting) error { return w.SetPauses(first, most) }
}

// WithProgress tells a function of every answer while an order is waited for.
func WithProgress(progress func(context.Context, *Charge)) WaitOption {
	return func(w *waiting) error { return w.SetProgress(progress) }
}

// Check asks about an order once. It returns nil only if its charge is paid and the
// function of [NewPayments] has returned nil for it, now or earlier. The errors are those
// of [ksher.Payments.Check]; of a charge that failed, [ksher.ErrNotPaid] has the
// [FailureCode] with it.
func (p *Payments) Check(ctx context.Context, order OpenOrder) (*Charge, error) {
	if err := p.usable(ctx, "Check", order.ChargeID); err != nil {
		return nil, err
	}
	return p.engine.Check(ctx, order)
}

// Wait asks about an order until it is known how it ended: at once, then after a second,
// and then less and less often, up to every 10 seconds; see [WithPolling]. Its errors are those of
// [Payments.Check], and
//
//   - [ksher.ErrOrderExpired]: it was still pending a minute after its Expires;
//   - the context's error: it wasn't known yet when the context ended.
//
// Answers that can't be read or believed don't end the waiting, so give the context a
// deadline or the order its Expires.
func (p *Payments) Wait(ctx context.Context, order OpenOrder, opts ...WaitOption) (*Charge, error) {
	if err := p.usable(ctx, "Wait", order.ChargeID); err != nil {
		return nil, err
	}
	w := waiting{once.NewPolling[Charge](grace)}
	if err := once.Apply("opn", "Wait", &w, opts); err != nil {
		return nil, err
	}
	return p.engine.Wait(ctx, order, w.Polling)
}

// Pass goes over the open orders after a charge's ID, "" for all, and asks about each
// once, as [ksher.Payments.Pass] does. It finds what no event reported.
func (p *Payments) Pass(ctx context.Context, open OpenOrders, after string) (ksher.PassResult, error) {
	if err := p.listable(ctx, "Pass", open); err != nil {
		return ksher.PassResult{After: after}, err
	}
	sum, err := p.engine.Pass(ctx, open.OpenOrders, after)
	return ksher.PassResult(sum), err
}

// Run makes passes until the context ends, a minute apart, and returns the context's
// error. A pass that fails is logged, and the next one goes on where it stopped.
func (p *Payments) Run(ctx context.Context, open OpenOrders) error {
	if err := p.listable(ctx, "Run", open); err != nil {
		return err
	}
	return p.engine.Run(ctx, open.OpenOrders)
}

// usable says what keeps anything from being asked at all.
func (p *Payments) usable(ctx context.Context, operation, no string) error {
	check := &checker{}
	if p == nil || p.engine == nil {
		check.Refuse("payments", "was not made by NewPayments")
	}
	if ctx == nil {
		check.Refuse("context", "is nil")
	}
	return check.about(operation, no)
}

func (p *Payments) listable(ctx context.Context, operation string, open OpenOrders) error {
	if err := p.usable(ctx, operation, ""); err != nil {
		return err
	}
	if check.IsNil(open) {
		return &ksher.ValidationError{Operation: operation, Fields: []ksher.FieldError{{Field: "open orders", Problem: "is nil"}}}
	}
	return nil
}

// gateway is how the engine asks Opn.
type gateway struct{ client *Client }

func (g gateway) About(o OpenOrder) once.About {
	return once.About{
		// No ID of a charge has a blank in it.
		No: o.ChargeID, Key: "opn successful " + o.ChargeID, Expected: o.Amount.String(),
		Booked: o.Booked, Created: o.Created, Expires: o.Expires,
	}
}

func (g gateway) Check(operation string, o OpenOrder) error {
	check := &checker{}
	if !isID("chrg", o.ChargeID) {
		check.Refuse("charge ID", "is not the ID of a charge, which begins with chrg_")
	}
	if o.Amount < 1 {
		check.Refuse("amount", "is %d satang, which is less than 1", int64(o.Amount))
	}
	return check.about(operation, o.ChargeID)
}

func (g gateway) Ask(ctx context.Context, o OpenOrder) (*Charge, error) {
	return g.client.GetCharge(ctx, o.ChargeID)
}

func (g gateway) Stands(o OpenOrder, c *Charge) (once.Standing, error) {
	err := c.CheckPaid(o.Amount)
	switch {
	case err == nil:
		return once.Paid, nil
	case c.Status.Final() && (c.Status != StatusSuccessful || c.takenBack()):
		if !errors.Is(err, fault.ErrNotPaid) { // It is over another amount as well.
			err = fmt.Errorf("opn: charge %q: %w: its status is %q", clip(c.ID), fault.ErrNotPaid, clip(string(c.Status)))
		}
		return once.Ended, err
	case errors.Is(err, fault.ErrOtherOrder): // It can never be what is expected.
		return once.Other, err
	}
	return once.Open, err
}

func (g gateway) Unknown(err error) bool { return errors.Is(err, fault.ErrNotFound) }

func (g gateway) Transient(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && (failed.Err != nil || failed.forLoop().Transient())
}

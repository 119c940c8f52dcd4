package vip

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/check"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/transport"
)

// OpenOrder is an order in the merchant's books, with what the merchant expects of it.
// Each request that creates an order makes one, see [RedirectRequest.OpenOrder].
type OpenOrder struct {
	// MerchantOrderID is the merchant's number of the order: required. A number must not
	// be used again for an order of another kind.
	MerchantOrderID string
	// Kind is its kind: required. Queries go to the addresses of that kind.
	Kind Kind
	// Amount is what it costs, in cents of Currency: required.
	Amount ksher.Amount
	// Currency is an ISO 4217 code: required. No request has it, because it is that of the
	// account and the Provider.
	Currency string
	// MID and Provider are the sub-merchant and the country of a [QueryRequest], "" for
	// none.
	MID, Provider string
	// Created is when it was made: set it, or it counts as new for ever, see
	// [ksher.Payments.Pass].
	Created time.Time
	// Expires is when it can't be paid any more, zero for not known.
	Expires time.Time
	// Booked says that its payment is in the books already, so that nothing has to be
	// done for it again.
	Booked bool

	// said is what a notification says of it, "" where none does.
	said Message
}

// OpenOrder returns the order that the request makes, for the merchant's books. currency
// is that of the account and the Provider, such as "THB": the request has none.
func (r *RedirectRequest) OpenOrder(currency string) OpenOrder {
	return openOrder(r, r.Provider, currency)
}

// OpenOrder returns the order that the request makes; see [RedirectRequest.OpenOrder].
func (r *CScanBRequest) OpenOrder(currency string) OpenOrder {
	return openOrder(r, r.Provider, currency)
}

// OpenOrder returns the order that the request makes; see [RedirectRequest.OpenOrder].
func (r *BScanCRequest) OpenOrder(currency string) OpenOrder {
	return openOrder(r, r.Provider, currency)
}

// OpenOrder returns the order that the request makes; see [RedirectRequest.OpenOrder].
func (r *MiniAppRequest) OpenOrder(currency string) OpenOrder {
	return openOrder(r, r.Provider, currency)
}

// OpenOrder returns the order that the request makes; see [RedirectRequest.OpenOrder].
func (r *AppRequest) OpenOrder(currency string) OpenOrder { return openOrder(r, r.Provider, currency) }

func openOrder(r CreateRequest, provider, currency string) OpenOrder {
	id, _ := r.numbers()
	return OpenOrder{MerchantOrderID: id, Kind: r.kind(), Amount: r.total(), Currency: currency, MID: r.mid(), Provider: provider}
}

// OpenOrders is the merchant's list of orders whose outcome isn't known. The merchant
// implements it, usually by a query of the shop's database.
type OpenOrders interface {
	// OpenOrders returns orders in the order of their numbers: those after the given
	// number, "" at first, as many as there are and at most limit. An order should be in
	// it for as long as it may turn paid: also after it was cancelled.
	OpenOrders(ctx context.Context, after string, limit int) ([]OpenOrder, error)
}

// Payments hears of every payment of a merchant and calls one function for it, once,
// however it became known: by a notification ([Payments.Notifications]), by waiting
// ([Payments.Wait]) or by going over the open orders ([Payments.Run]). Nothing is done
// for an order before the gateway's answer to a query has said that it is paid, under the
// number, over the amount and in the currency of the merchant's books.
//
// It is as [ksher.Payments] but for what this protocol doesn't have. No reversal takes a
// charge back for certain, so there is no Charge: create a [BScanCRequest], and
// [Payments.Wait] if that leaves it in doubt. A notification has no amount, so there is
// nothing in it to show before it is confirmed.
type Payments struct {
	client *Client
	engine *once.Engine[OpenOrder, Order]
}

// PaymentsOption sets up [Payments].
type PaymentsOption func(*Payments) error

// NewPayments returns payments that call paid for each order that is paid. It runs again
// for the same order only if it returned an error or panicked, or if the program ended
// before the [ksher.Deduper] had noted that it was done. A refund of an order after that
// isn't told.
//
// The error says which argument or option is wrong.
func NewPayments(c *Client, paid func(context.Context, *Order) error, opts ...PaymentsOption) (*Payments, error) {
	switch {
	case c == nil || c.mac == nil:
		return nil, errors.New("vip: NewPayments: the client is nil, or was not made by NewClient")
	case paid == nil:
		return nil, errors.New("vip: NewPayments: the function for what is paid is nil")
	}
	log := c.log
	if !c.ownLog {
		log = slog.Default()
	}
	p := &Payments{client: c, engine: once.New("vip", gateway{c}, c.sender.Clock, log, paid)}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("vip: NewPayments: an option is nil")
		}
		if err := opt(p); err != nil {
			return nil, fmt.Errorf("vip: NewPayments: %w", err)
		}
	}
	return p, nil
}

// WithDeduper replaces the memory of the payments that were handled, as
// [ksher.WithDeduper] does. One Deduper can serve clients of ksher, vip and opn.
func WithDeduper(d ksher.Deduper) PaymentsOption {
	return func(p *Payments) error { return p.engine.SetDeduper(d) }
}

// WithEnded calls a function for an order that ended without a payment, so that what was
// reserved can be released: its Status is [StatusClosed], or [StatusRefunded] if it was
// paid and refunded before it was asked about. The *Order is nil if the gateway doesn't
// know the order and its time is over. A closed order may still turn paid. It runs once
// for each order, and remembers like that of [ksher.WithEnded].
func WithEnded(ended func(context.Context, OpenOrder, *Order) error) PaymentsOption {
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

type waiting struct{ once.Polling[Order] }

// WithPolling sets how long to wait between queries: at first, and at most, from 1 ms to 1
// hour; by default 1 second and 10 seconds. See [ksher.WithPolling].
func WithPolling(first, most time.Duration) WaitOption {
	return func(w *waiting) error { return w.SetPauses(first, most) }
}

// WithProgress tells a function of every answer while an order is waited for.
func WithProgress(progress func(context.Context, *Order)) WaitOption {
	return func(w *waiting) error { return w.SetProgress(progress) }
}

// Check asks about an order once. It returns nil only if the order is paid and the
// function of [NewPayments] has returned nil for it, now or earlier. The errors are those
// of [ksher.Payments.Check].
func (p *Payments) Check(ctx context.Context, order OpenOrder) (*Order, error) {
	if err := p.usable(ctx, "Check", order.MerchantOrderID); err != nil {
		return nil, err
	}
	return p.engine.Check(ctx, order)
}

// Wait asks about an order until it is known how it ended: at once, then after a second,
// and then less and less often, up to every 10 seconds; see [WithPolling]. Its errors are those of
// [Payments.Check], and
//
//   - [ksher.ErrOrderExpired]: it was not paid when it was asked about after its Expires;
//   - the context's error: it wasn't known yet when the context ended.
//
// A query that failed doesn't end the waiting, but a refusal does, such as for an order
// that the gateway doesn't know. Give the context a deadline or the order its Expires.
func (p *Payments) Wait(ctx context.Context, order OpenOrder, opts ...WaitOption) (*Order, error) {
	if err := p.usable(ctx, "Wait", order.MerchantOrderID); err != nil {
		return nil, err
	}
	w := waiting{once.NewPolling[Order](0)}
	if err := once.Apply("vip", "Wait", &w, opts); err != nil {
		return nil, err
	}
	return p.engine.Wait(ctx, order, w.Polling)
}

// Pass goes over the open orders after a number, "" for all, and asks about each once, as
// [ksher.Payments.Pass] does. It finds what no notification reported: Ksher repeats one
// for 30 seconds only.
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
func (p *Payments) usable(ctx context.Context, operation, id string) error {
	check := &checker{}
	if p == nil || p.engine == nil {
		check.Refuse("payments", "was not made by NewPayments")
	}
	if ctx == nil {
		check.Refuse("context", "is nil")
	}
	return check.about(operation, id)
}

func (p *Payments) listable(ctx context.Context, operation string, open OpenOrders) error {
	if err := p.usable(ctx, operation, ""); err != nil {
		return err
	}
	if check.IsNil(open) {
		return notSent(operation, "open orders", "is nil")
	}
	return nil
}

// gateway is how the engine asks Ksher.
type gateway struct{ client *Client }

func (g gateway) About(o OpenOrder) once.About {
	return once.About{
		No: o.MerchantOrderID, Key: g.key(o), Expected: o.Amount.String() + o.Currency + " " + string(o.Kind),
		Booked: o.Booked, Created: o.Created, Expires: o.Expires,
	}
}

// key identifies a payment. Sub-merchants of one host may have orders of the same number,
// so it has a hash of mid and provider, which is short whatever these are, and never
// "Paid". Neither a host nor a hash has a blank in it, so that no part can be mistaken
// for another.
func (g gateway) key(o OpenOrder) string {
	merchant := g.client.host
	if o.MID+o.Provider != "" {
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", wholeMID(o.MID), o.Provider))
		merchant += fmt.Sprintf(" %x", sum[:12])
	}
	return "vip " + merchant + " Paid " + o.MerchantOrderID
}

func (g gateway) Check(operation string, o OpenOrder) error {
	check := &checker{}
	check.orderID(o.MerchantOrderID)
	if !slices.Contains(kinds(), o.Kind) {
		check.Refuse("kind", "is not one of this package")
	}
	if o.Amount < 1 || o.Amount > maxAmount {
		check.Refuse("amount", "is %d cents, which is not between 1 and %d", int64(o.Amount), int64(maxAmount))
	}
	if len(o.Currency) != 3 || strings.Trim(o.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		check.Refuse("currency", "is %q, not an ISO 4217 code in capitals such as THB", transport.Clip(o.Currency))
	}
	return check.about(operation, o.MerchantOrderID)
}

func (g gateway) Ask(ctx context.Context, o OpenOrder) (*Order, error) {
	return g.client.Query(ctx, o.Kind, &QueryRequest{MerchantOrderID: o.MerchantOrderID, MID: o.MID, Provider: o.Provider})
}

func (g gateway) Stands(o OpenOrder, a *Order) (once.Standing, error) {
	err := a.CheckPaid(o.MerchantOrderID, o.Amount, o.Currency)
	saidPaid := o.said == MessagePaid || o.said == MessageRefunded
	switch {
	case err == nil:
		return once.Paid, nil
	case a.Status.Paid() && errors.Is(err, fault.ErrOtherOrder):
		return once.Other, err
	case a.Status.Paid(): // It contradicts itself: nobody knows.
		return once.Open, err
	case saidPaid && a.Status == StatusClosed: // One of the two is late.
		return once.Open, fmt.Errorf("vip: order %q: %w: the notification says %q, and the gateway that it is %q",
			transport.Clip(o.MerchantOrderID), fault.ErrNotPaid, o.said, a.Status)
	}
	err = fmt.Errorf("vip: order %q: %w: its status is %q", transport.Clip(o.MerchantOrderID), fault.ErrNotPaid, transport.Clip(string(a.Status)))
	if a.Status.Final() {
		return once.Ended, err
	}
	return once.Open, err
}

// Unknown tells whether the gateway has no such order. It isn't documented how it says
// so.
func (g gateway) Unknown(err error) bool {
	var failure *Error
	return errors.Is(err, fault.ErrNotFound) ||
		errors.As(err, &failure) && failure.Err == nil && (failure.Code == CodeFail || failure.Code == CodeUnknown)
}

func (g gateway) Transient(err error) bool {
	var failed *Error
	if !errors.As(err, &failed) {
		return false
	}
	loop := failed.forLoop()
	return !loop.Refused || loop.Transient()
}

package ksher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ksher-go/ksher/internal/check"
	"github.com/ksher-go/ksher/internal/once"
)

// Host is where an order was made, and so where it can be asked about.
type Host string

// Hosts.
const (
	HostGateway  Host = "gateway"  // has the orders made with [Client.GatewayPay]
	HostMerchant Host = "merchant" // has every other order
)

// OpenOrder is an order in the merchant's books, with what the merchant expects of it. Each
// request that creates an order makes one, see [GatewayPayRequest.OpenOrder].
type OpenOrder struct {
	MchOrderNo string    // required, the merchant's number, at most 32 characters
	Host       Host      // required, where it was made
	TotalFee   Amount    // required, what it costs, in cents of FeeType
	FeeType    string    // required, its currency, an ISO 4217 code
	Created    time.Time // when it was made: set it, or it counts as new for ever, see [Payments.Pass]
	Expires    time.Time // when it can't be paid any more, zero for not known
	Booked     bool      // its payment is in the books, so that nothing has to be done for it again
}

func (o *OpenOrder) check(c *checker) {
	c.requiredNumber("mch_order_no", o.MchOrderNo)
	c.amount("total_fee", o.TotalFee)
	c.feeType(o.FeeType)
	c.Required("host", string(o.Host))
	c.oneOf("host", string(o.Host), string(HostGateway), string(HostMerchant))
}

// OpenOrders is the merchant's list of orders whose outcome isn't known. The merchant
// implements it, usually by a query of the shop's database.
type OpenOrders interface {
	// OpenOrders returns orders in the order of their numbers, as the database sorts them:
	// those after the given number, "" at first, as many as there are and at most limit of
	// them. Keep an order in it for as long as it may turn paid: also after it was
	// cancelled, and some time after it has expired.
	OpenOrders(ctx context.Context, after string, limit int) ([]OpenOrder, error)
}

// Deduper remembers which payments were handled, so that a merchant's function runs once for
// each. [Payments] has one in its memory, for a single process. For several servers, or to
// remember across restarts, use sqldedupe, pgxdedupe or redisdedupe.
type Deduper interface {
	// Once runs fn, unless it has returned nil for this key before, and returns its error,
	// after which the next call runs fn again. While somebody else runs one for the key, it
	// returns [ErrInProgress]. What fn leaves running when it returns nil counts as done.
	//
	// The claim of a server that died has to end by itself. fn gets a context derived from
	// ctx, with what it needs to work in one transaction with the note that it is done. A
	// key is UTF-8 of 1 to 300 bytes, without NUL; case counts.
	Once(ctx context.Context, key string, fn func(context.Context) error) error
}

// Payments hears of every payment of a merchant and calls one function for it, once, however
// it became known: by a notification ([Payments.Notifications]), by waiting ([Payments.Wait]),
// at a till ([Payments.Charge]) or by going over the open orders ([Payments.Run]). Make one
// for each [Client] with [NewPayments] and share it: it is safe for concurrent use.
//
// Nothing is done for an order before Ksher has said, in the answer to a query, that it is
// paid, under the number, over the amount and in the currency of the merchant's books.
type Payments struct {
	client *Client
	engine *once.Engine[OpenOrder, Order]
}

// PaymentsOption sets up [Payments].
type PaymentsOption func(*Payments) error

// NewPayments returns payments that call paid for each order that is paid, with Ksher's
// answer, whose number, amount and currency are those of the merchant's books. paid runs again
// for the same order only if it returned an error or panicked, or if the program ended before
// the [Deduper] had noted that it was done. For exactly once, work in the transaction of
// sqldedupe, pgxdedupe or redisdedupe. The error says which argument or option is wrong.
func NewPayments(c *Client, paid func(context.Context, *Order) error, opts ...PaymentsOption) (*Payments, error) {
	if c == nil || c.key == nil {
		return nil, errors.New("ksher: NewPayments: the client is nil, or was not made by NewClient")
	}
	if paid == nil {
		return nil, errors.New("ksher: NewPayments: the function for what is paid is nil")
	}
	log := c.log
	if !c.ownLog {
		log = named(slog.Default(), c.appID)
	}
	p := &Payments{client: c, engine: once.New("ksher", gateway{c}, c.sender.Clock, log, paid)}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("ksher: NewPayments: an option is nil")
		}
		if err := opt(p); err != nil {
			return nil, fmt.Errorf("ksher: NewPayments: %w", err)
		}
	}
	return p, nil
}

// Client returns the client of the payments.
func (p *Payments) Client() *Client {
	if p == nil {
		return nil
	}
	return p.client
}

// NewMemoryDeduper returns a [Deduper] like the default of [NewPayments], for the payments
// of several merchants in one process.
func NewMemoryDeduper() Deduper { return &once.Memory{} }

// WithDeduper replaces the memory of the payments that were handled. The default keeps 100,000
// payments, each for 48 hours after it was last heard of, until the program ends.
func WithDeduper(d Deduper) PaymentsOption {
	return func(p *Payments) error { return p.engine.SetDeduper(d) }
}

// WithEnded calls a function for an order that ended without a payment, so that what was
// reserved can be released: its Result is [ResultClosed], [ResultPayError], or [ResultRefund]
// if it was paid and refunded. The *Order is nil if Ksher doesn't know the order and its time
// is over. A closed order may still turn paid, so it stays open in the books, and the function
// must not undo a payment. With [WithDeduper] it runs once for each order, as that of
// [NewPayments] does, with sqldedupe.Tx in it. By default it may run again: after a restart,
// 48 hours without news of the order, or when over 100,000 orders have ended.
func WithEnded(ended func(context.Context, OpenOrder, *Order) error) PaymentsOption {
	return func(p *Payments) error { return p.engine.SetEnded(ended) }
}

// WithProblem calls a function for what a person has to look at and no caller is told of: in
// [Payments.Pass] or a notification, an order was paid over another amount or paid twice, or
// the merchant's function failed for it. A problem of one kind and order is reported once an
// hour. Without this option problems go to the client's logger, or to [slog.Default].
func WithProblem(problem func(context.Context, OpenOrder, error)) PaymentsOption {
	return func(p *Payments) error {
		if problem == nil {
			return p.engine.SetProblem(nil)
		}
		return p.engine.SetProblem(func(ctx context.Context, order OpenOrder, err error) { problem(ctx, order, p.client.named(err)) })
	}
}

// Budget limits the queries that [Payments.Pass] and [Payments.Run] make. Several
// merchants may share one, also those of vip and opn.
type Budget once.Budget

// NewBudget returns a budget of that many queries a second, from 0.001 to 1,000, and at
// once, from 1 to 100.
func NewBudget(perSecond float64, atOnce int) (*Budget, error) {
	b, err := once.NewBudget(perSecond, atOnce)
	if err != nil {
		return nil, fmt.Errorf("ksher: NewBudget: %w", err)
	}
	return (*Budget)(b), nil
}

// WithBudget sets the budget of queries, 20 a second and 4 at once by default.
func WithBudget(b *Budget) PaymentsOption {
	return func(p *Payments) error { return p.engine.SetBudget((*once.Budget)(b)) }
}

// Check asks about an order once. It returns nil only if the order is paid and the
// function of [NewPayments] has returned nil for it, now or earlier. The order may be
// there beside an error:
//
//   - [ErrNotPaid]: it isn't paid. It may still be while order.Result.Final() is false.
//   - [ErrOtherOrder]: it is paid, but not this amount in this currency.
//   - [ErrInProgress]: the payment is being handled elsewhere at this moment.
//   - the function's error: it is paid, and the function failed.
//   - an [*Error] or [*ValidationError]: the query failed, or was not sent.
func (p *Payments) Check(ctx context.Context, order OpenOrder) (*Order, error) {
	if err := p.usable(ctx, "Check", order); err != nil {
		return nil, err
	}
	known, err := p.engine.Check(ctx, order)
	return known, p.client.named(err)
}

// Wait asks about an order until it is known how it ended: at once, then after a second,
// and then less and less often, up to every 10 seconds; see [WithPolling]. Its errors are
// those of [Payments.Check], and
//
//   - [ErrOrderExpired]: it was not paid when it was asked about after its Expires;
//   - the context's error: it wasn't known yet when the context ended.
//
// A query that failed doesn't end the waiting, but a refusal does, such as for an order
// that Ksher doesn't know. Give the context a deadline or the order its Expires.
func (p *Payments) Wait(ctx context.Context, order OpenOrder, opts ...WaitOption) (*Order, error) {
	if err := p.usable(ctx, "Wait", order); err != nil {
		return nil, err
	}
	w, err := newWaiting("Wait", opts)
	if err != nil {
		return nil, err
	}
	known, err := p.engine.Wait(ctx, order, w.polling)
	return known, p.client.named(err)
}

// PassResult is what a pass came to, in numbers of orders.
type PassResult struct {
	After  string // where the next pass goes on, "" at the end of the list
	Asked  int    // how many orders it asked about
	Paid   int    // how many are paid, and the function returned nil, now or earlier
	Ended  int    // how many ended in another way
	Open   int    // how many are undecided, or being handled by somebody else
	Failed int    // how many went wrong: the query, another amount, or the merchant's function
	Later  int    // how many it skipped, because it is too early to ask about them again, see [NextCheck]
}

// NextCheck is when to ask again about an order that was created then and is queried now.
// [Payments.Pass] skips an order that it has asked about until then. With many open orders,
// keep the time in a column and list only those that are due.
//
// It is a minute later in the first two hours, while Ksher watches an order itself; then
// every 10 minutes for a day, which is as long as most codes can be paid; every hour for a
// week; every 6 hours for 30 days; and once a day after that, because a saved PromptPay code
// never expires. A zero created counts as new.
func NextCheck(created, now time.Time) time.Time { return once.NextCheck(created, now) }

// Pass goes over the open orders after a number, "" for all, and asks once about each that is
// due, see [NextCheck]. It finds payments that no notification reported: orders paid more than
// two hours after they were created, after they were cancelled, or while the shop was down.
// What goes wrong with one order is counted and reported, see [WithProblem], and doesn't stop
// the pass.
//
// The result is valid beside an error, which is that of the list or the context: go on
// after its After. Orders Created after the pass began wait for the next one. If Created is
// zero, new ones don't wait, and where they come faster than the budget, old ones do.
func (p *Payments) Pass(ctx context.Context, open OpenOrders, after string) (PassResult, error) {
	if err := p.listable(ctx, "Pass", open); err != nil {
		return PassResult{After: after}, err
	}
	sum, err := p.engine.Pass(ctx, open.OpenOrders, after)
	return PassResult(sum), p.client.named(err)
}

// Run makes passes until the context ends, a minute apart, and returns the context's
// error. A pass that fails is logged, and the next one goes on where it stopped. One server
// is enough; on several each makes its own queries.
func (p *Payments) Run(ctx context.Context, open OpenOrders) error {
	if err := p.listable(ctx, "Run", open); err != nil {
		return err
	}
	return p.engine.Run(ctx, open.OpenOrders)
}

// usable says what keeps anything from being asked at all.
func (p *Payments) usable(ctx context.Context, operation string, order OpenOrder) error {
	check := &checker{}
	if p == nil || p.engine == nil {
		check.Refuse("payments", "was not made by NewPayments")
	}
	if ctx == nil {
		check.Refuse("context", "is nil")
	}
	if len(check.Fields) > 0 {
		return check.invalid(operation, order.MchOrderNo)
	}
	return nil
}

func (p *Payments) listable(ctx context.Context, operation string, open OpenOrders) error {
	if err := p.usable(ctx, operation, OpenOrder{}); err != nil {
		return err
	}
	if check.IsNil(open) {
		return &ValidationError{Operation: operation, Fields: []FieldError{{"open orders", "is nil"}}}
	}
	return nil
}

// gateway is how the engine asks Ksher.
type gateway struct{ client *Client }

func (g gateway) About(o OpenOrder) once.About {
	return once.About{
		No: o.MchOrderNo, Key: g.key(o.Host, o.MchOrderNo), Expected: o.TotalFee.String() + o.FeeType,
		Booked: o.Booked, Created: o.Created, Expires: o.Expires,
	}
}

// key identifies a payment: neither an app ID nor a host has a blank in it.
func (g gateway) key(host Host, mchOrderNo string) string {
	return g.client.appID + " " + string(host) + " " + mchOrderNo
}

func (g gateway) Check(operation string, o OpenOrder) error {
	check := &checker{}
	if o.check(check); len(check.Fields) > 0 {
		// An open order has no Extra to leave a check out.
		return &ValidationError{Operation: operation, OrderNo: o.MchOrderNo, Fields: check.Fields}
	}
	return nil
}

func (g gateway) Ask(ctx context.Context, o OpenOrder) (*Order, error) {
	return g.client.query(ctx, o.MchOrderNo, o.Host)
}

func (g gateway) Stands(o OpenOrder, a *Order) (once.Standing, error) {
	err := a.CheckPaid(o.MchOrderNo, o.TotalFee, o.FeeType)
	switch {
	case err == nil:
		return once.Paid, nil
	case a.Result.Paid():
		return once.Other, err
	}
	err = fmt.Errorf("ksher: order %q: %w: its result is %q", clipText(o.MchOrderNo), ErrNotPaid, clipText(string(a.Result)))
	if a.Result.Final() {
		return once.Ended, err
	}
	return once.Open, err
}

func (g gateway) Unknown(err error) bool { return unknownOrder(err) }

func (g gateway) Transient(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && (failed.Err != nil || failed.forLoop().Transient())
}

func newOpenOrder(host Host, mchOrderNo string, total Amount, feeType string) OpenOrder {
	return OpenOrder{MchOrderNo: mchOrderNo, Host: host, TotalFee: total, FeeType: feeType}
}

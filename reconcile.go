package ksher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ksher-go/ksher/internal/transport"
)

// OpenOrders is the merchant's list of orders whose outcome isn't known. The
// merchant implements it, usually by a query of the shop's database.
type OpenOrders interface {
	// OpenOrders returns orders in the order of their numbers: those after the
	// given number, "" at first, and at most limit of them. The last number of
	// what it returns is the one it is given next.
	//
	// An order should be in it for as long as it may turn paid: also after it was
	// cancelled, and some time after it has expired.
	OpenOrders(ctx context.Context, after string, limit int) ([]OpenOrder, error)
}

// Reconciler asks about the orders that never heard: those paid after the two
// hours for which Ksher watches an order, those that were cancelled and paid all
// the same, and those paid while the merchant's server was down.
//
// What it reports is reported once, also if the handler of notifications hears
// of the same payment: both use the client's [Deduper]. It may run on several
// servers if they share one.
type Reconciler struct {
	// Client asks: required.
	Client *Client
	// Orders lists what to ask about: required.
	Orders OpenOrders
	// Paid is called for an order that is paid, this order and that amount:
	// required. Use the function given to [NewWebhookHandler]. If it returns an
	// error it is called again in the next pass.
	Paid func(context.Context, *Notification) error
	// Ended, if not nil, is called for an order that ended in another way, so
	// that what was reserved can be released. Its Result is [ResultClosed],
	// [ResultPayError], [ResultRefund] for one that was paid and refunded
	// meanwhile, or "" for one that the gateway doesn't know and whose time is
	// over. A closed order may still turn paid.
	Ended func(context.Context, *Notification) error
	// Rate is how many orders it asks about per second, 2 if it is 0. It has to be
	// above that of new orders whose numbers rise, or else a pass doesn't get to
	// its end.
	Rate float64
	// Every is how long Run waits between passes, a minute if it is 0.
	Every time.Duration
}

// Reconciliation is what one pass came to, in numbers of orders.
type Reconciliation struct {
	// Asked is how many orders it asked about.
	Asked int
	// Paid is how many of them are paid, and Paid has returned nil, now or
	// earlier.
	Paid int
	// Ended is how many ended in another way.
	Ended int
	// Open is how many are undecided, or being handled by somebody else.
	Open int
	// Failed is how many went wrong, each logged by the client's logger: the
	// query failed, another amount was paid than expected, or the merchant's
	// function returned an error.
	Failed int
}

// pageSize is how many orders are asked of the merchant at a time.
const pageSize = 100

// Pass goes over the open orders once. What goes wrong with one order is logged
// and counted, and doesn't stop the pass. The error is that of the list, or the
// context's.
func (r *Reconciler) Pass(ctx context.Context) (Reconciliation, error) {
	var sum Reconciliation
	interval, err := r.setUp(ctx)
	if err != nil {
		return sum, err
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	listed := make(map[string]bool)
	for after := ""; ctx.Err() == nil; {
		listed[after] = true
		orders, err := r.Orders.OpenOrders(ctx, after, pageSize)
		if err != nil {
			return sum, fmt.Errorf("ksher: Reconciler: listing the open orders after %q: %w", after, err)
		}
		if len(orders) == 0 {
			return sum, nil
		}
		last := orders[len(orders)-1].MchOrderNo
		if listed[last] {
			return sum, fmt.Errorf("ksher: Reconciler: the list of open orders after %q ends with %q again, so it would never end", after, last)
		}
		after = last
		for _, order := range orders {
			if sum.Asked > 0 {
				select {
				case <-ticker.C:
				case <-ctx.Done():
				}
			}
			if ctx.Err() != nil {
				break
			}
			sum.Asked++
			*r.ask(ctx, order, &sum)++
		}
	}
	return sum, fmt.Errorf("ksher: Reconciler: stopped after %d orders: %w", sum.Asked, ctx.Err())
}

// Run makes passes until the context ends, whose error it returns. A pass whose
// list fails is logged, and the next one comes at its time.
func (r *Reconciler) Run(ctx context.Context) error {
	if _, err := r.setUp(ctx); err != nil {
		return err
	}
	every := r.Every
	if every <= 0 {
		every = time.Minute
	}
	for {
		sum, err := r.Pass(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		level := slog.LevelDebug
		if err != nil {
			level = slog.LevelError
		}
		r.Client.log.LogAttrs(ctx, level, "ksher reconciliation", append([]slog.Attr{
			slog.Int("asked", sum.Asked), slog.Int("paid", sum.Paid), slog.Int("ended", sum.Ended),
			slog.Int("open", sum.Open), slog.Int("failed", sum.Failed),
		}, errorAttrs(err)...)...)
		if err := transport.Sleep(ctx, every); err != nil {
			return err
		}
	}
}

// setUp checks the fields and returns the time between two orders.
func (r *Reconciler) setUp(ctx context.Context) (time.Duration, error) {
	if r == nil || ctx == nil {
		return 0, errors.New("ksher: Reconciler: it is nil, or the context is")
	}
	rate := r.Rate
	if rate == 0 {
		rate = 2
	}
	switch {
	case r.Client == nil || r.Client.key == nil:
		return 0, errors.New("ksher: Reconciler: it needs a Client made by NewClient")
	case isNil(r.Orders) || r.Paid == nil:
		return 0, errors.New("ksher: Reconciler: it needs Orders and Paid")
	case !(rate >= 0.001 && rate <= 1000):
		return 0, fmt.Errorf("ksher: Reconciler: a Rate of %v per second is not between 0.001 and 1000", r.Rate)
	}
	return time.Duration(float64(time.Second) / rate), nil
}

// ask asks about one order, reports it, and returns what to count it as.
func (r *Reconciler) ask(ctx context.Context, order OpenOrder, sum *Reconciliation) *int {
	c := r.Client
	var n *Notification
	var err error
	check := &checker{}
	if order.check(check); len(check.problems) > 0 {
		err = check.invalid("Reconciler", order.MchOrderNo)
	} else {
		n, err = c.lookUp(ctx, order.MchOrderNo, order.Host)
	}
	ended := err == nil && n.Result.Final() && !n.Result.Paid()
	if unknownOrder(err) && !order.Expires.IsZero() && c.now().After(order.Expires) {
		n, err, ended = &Notification{Order: Order{AppID: c.appID, MchOrderNo: order.MchOrderNo}}, nil, true
	}
	switch {
	case err != nil:
	case n.Result.Paid():
		if err = n.CheckPaid(order.MchOrderNo, order.TotalFee, order.FeeType); err == nil {
			err = c.handleOnce(ctx, n, r.Paid)
		}
	case ended && r.Ended != nil:
		err = c.handleOnce(ctx, n, r.Ended)
	}
	switch {
	case errors.Is(err, ErrInProgress):
		return &sum.Open
	case err != nil:
		c.log.LogAttrs(ctx, slog.LevelWarn, "ksher order not reconciled",
			append([]slog.Attr{slog.String("order_no", clipText(order.MchOrderNo))}, errorAttrs(err)...)...)
		return &sum.Failed
	case ended:
		return &sum.Ended
	case n.Result.Paid():
		return &sum.Paid
	}
	return &sum.Open
}

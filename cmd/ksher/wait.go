package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/clock"
)

// waitGrace is how much longer than it waits for a payment a command asks a gateway that
// doesn't answer.
const waitGrace = 15 * time.Second

// waitFor waits until an order is paid, and shows meanwhile what the gateway says and how
// much of the time is left.
func (g *gatewayFlags) waitFor(ctx context.Context, s *screen, client *ksher.Client, open ksher.OpenOrder) (*ksher.Order, error) {
	payments, err := ksher.NewPayments(client, func(context.Context, *ksher.Order) error { return nil })
	if err != nil {
		return nil, err
	}
	c := s.clock()
	open.Expires = c.ClockNow().Add(g.Timeout)
	asking, stop := limit(ctx, c, g.Timeout+waitGrace)
	shown := &progress{screen: s}
	order, err := payments.Wait(asking, open, ksher.WithProgress(func(_ context.Context, o *ksher.Order) {
		shown.at(fmt.Sprintf("Order %s: %s (%s)", o.MchOrderNo, stateOf(o.Result), o.Result), ", "+left(open.Expires.Sub(c.ClockNow())))
	}))
	stop()
	shown.end()
	late := context.Cause(asking) == errLate
	if late && errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: %w", errLate, err) // Nobody has cancelled it.
	}
	return order, g.waited(open, order, err, late || ctx.Err() != nil)
}

// waited says where a wait that ended otherwise than by a payment stands. cut says that it
// was cut off before the gateway had decided.
func (g *gatewayFlags) waited(open ksher.OpenOrder, order *ksher.Order, err error, cut bool) error {
	goOn := g.again("order wait", open.MchOrderNo, "--host="+string(open.Host), "--amount="+open.TotalFee.String(), "--currency="+open.FeeType)
	switch {
	case err == nil || errors.Is(err, ksher.ErrNotPaid) || errors.Is(err, ksher.ErrOtherOrder):
		return err
	case !cut && !errors.Is(err, ksher.ErrOrderExpired):
		return err // A refusal.
	case order != nil:
		return unfinished{fmt.Errorf("order %q can still be paid: %w: its result is %q", open.MchOrderNo, ksher.ErrNotPaid, order.Result), goOn}
	}
	return unlearned(open.MchOrderNo, err, goOn)
}

// unlearned is the error of a wait to which the gateway never said anything believable.
func unlearned(number string, err error, goOn string) error {
	return unfinished{fmt.Errorf("nothing was learned of order %q: %w: %w", number, ksher.ErrOutcomeUnknown, err), goOn}
}

// errLate ends a wait for a gateway that doesn't answer.
var errLate = errors.New("the gateway didn't answer in time")

// limit ends a context after a time by that clock, with errLate, or when it is stopped.
func limit(ctx context.Context, c clock.Clock, d time.Duration) (limited context.Context, stop func()) {
	limited, cancel := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		if clock.Await(limited, c, d) == nil {
			cancel(errLate)
		}
	})
	return limited, func() { cancel(nil); running.Wait() }
}

package once

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// askAgain is how soon an order that isn't paid is asked about again because of another
// notification. Ksher's schedule has pauses of one second at first; who replays one is
// faster.
const askAgain = 500 * time.Millisecond

// ErrTooSoon means that an order was asked about a moment ago because of another copy of
// the notification, and wasn't paid.
var ErrTooSoon = errors.New("the order was asked about a moment ago, and was not paid")

// ErrEnding means that the merchant's function for orders that ended failed.
var ErrEnding = errors.New("what has to follow from its end failed")

// Announce deals with what came in from outside about an order of the books: unless the
// payment is booked or done, it asks, and goes on only if the answer says paid. Copies
// of what came in cost no query while one is made, for half a second after the order
// turned out not to be paid, and once the payment is done. asked says whether the gateway
// told where the order stands.
func (e *Engine[O, A]) Announce(ctx context.Context, o O) (standing Standing, asked bool, err error) {
	if err := e.Gateway.Check("notification", o); err != nil {
		return Open, false, err
	}
	about := e.Gateway.About(o)
	if e.unpaid.Lately(about.Key, about.Expected, e.Clock.ClockNow(), askAgain) {
		return Open, false, ErrTooSoon
	}
	var a *A
	err = e.pay(ctx, o, func(ctx context.Context) error {
		var answer *A
		var err error
		if full := e.Places.Use(func() { answer, err = e.ask(ctx, o) }); full != nil || err != nil {
			return cmp.Or(full, err)
		}
		a = answer
		var why error
		if standing, why = e.Gateway.Stands(o, a); standing != Paid {
			e.unpaid.Again(about.Key, about.Expected, e.Clock.ClockNow(), 0)
			return why
		}
		return e.Paid(ctx, a)
	})
	switch {
	case standing == Ended:
		if failed := e.end(ctx, o, a); failed != nil {
			err = fmt.Errorf("%w; %w: %w", err, ErrEnding, failed)
		}
	case standing == Other, standing == Paid && err != nil && ctx.Err() == nil:
		e.report(ctx, o, problemOf(standing), err)
	}
	return standing, a != nil, err
}

// Elsewhere asks once, under a key of its own, whether an order was paid at another
// place than the books say. ask returns what to report if it was, and an error if
// nothing was learned.
func (e *Engine[O, A]) Elsewhere(ctx context.Context, o O, key string, ask func(context.Context) (second, err error)) error {
	return e.once(ctx, e.Endings, secondKey+key, e.Gateway.About(o).No, func(ctx context.Context) error {
		var second, err error
		if full := e.Places.Use(func() { second, err = ask(e.sheltered(ctx, e.Gateway.About(o).No)) }); full != nil {
			return full
		}
		if second != nil {
			e.report(ctx, o, paidTwice, second)
		}
		return err
	})
}

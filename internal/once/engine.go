package once

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/clock"
)

// Deduper is the interface that the clients document.
type Deduper interface {
	Once(ctx context.Context, key string, fn func(context.Context) error) error
}

// Standing is where an order stands, as its gateway says.
type Standing int

// Standings.
const (
	// Open may still be paid.
	Open Standing = iota
	// Paid is paid, as the merchant's books expect.
	Paid
	// Ended can't be paid any more, or was refunded.
	Ended
	// Other is paid, but not as the merchant's books expect.
	Other
)

// About is what the engine has to know of an order in the merchant's books.
type About struct {
	// No is the order's number, for texts.
	No string
	// Key identifies its payment, and Expected tells changes of what the books expect of
	// it.
	Key, Expected string
	// Booked says that the payment is in the books already.
	Booked bool
	// Created and Expires are zero if they aren't known.
	Created, Expires time.Time
}

// Gateway is how a client asks about orders. O is an order of the merchant's books, A
// what the gateway says of it.
type Gateway[O, A any] interface {
	About(O) About
	// Check says what is wrong with an order of the books.
	Check(operation string, o O) error
	// Ask makes one query.
	Ask(context.Context, O) (*A, error)
	// Stands says where the order stands, with an error unless that is Paid.
	Stands(O, *A) (Standing, error)
	// Unknown tells whether Ask failed because there is no such order.
	Unknown(error) bool
	// Transient tells whether Ask may succeed later.
	Transient(error) bool
}

// Engine calls a merchant's function once for each payment, whichever way it became
// known.
type Engine[O, A any] struct {
	// Name begins the texts of errors, such as "ksher".
	Name    string
	Gateway Gateway[O, A]
	Clock   clock.Clock
	Log     *slog.Logger
	Budget  *Budget
	// Places limit the queries because of what came in from outside.
	Places Places
	// Deduper remembers the payments, and Endings the orders that ended without one.
	Deduper, Endings Deduper
	// Paid is the merchant's function.
	Paid func(context.Context, *A) error
	// Ended, if not nil, is called for orders that ended without a payment.
	Ended func(context.Context, O, *A) error
	// Problem is called for what a person has to look at.
	Problem func(context.Context, O, error)

	ownMemory bool
	// asked has the orders that passes have asked about.
	asked    Recent
	problems Recent
	// unpaid has the orders that were asked about because of a notification, and
	// weren't paid.
	unpaid Recent
}

// Check asks about an order once. It returns nil only if the order is paid and the
// merchant's function has returned nil for it, now or earlier.
func (e *Engine[O, A]) Check(ctx context.Context, o O) (*A, error) {
	if err := e.Gateway.Check("Check", o); err != nil {
		return nil, err
	}
	a, err := e.ask(ctx, o)
	if err != nil {
		return nil, err
	}
	_, err = e.Settle(ctx, o, a)
	return a, err
}

// ask makes one query, whatever its hooks do.
func (e *Engine[O, A]) ask(ctx context.Context, o O) (*A, error) {
	return e.Gateway.Ask(e.sheltered(ctx, e.Gateway.About(o).No), o)
}

// sheltered returns a context in whose calls a hook that panics is logged, and changes
// nothing: an order that can't be asked about is never known to be paid.
func (e *Engine[O, A]) sheltered(ctx context.Context, no string) context.Context {
	return call.Sheltered(ctx, func(hook func()) {
		_ = e.run(ctx, no, func(context.Context) error { hook(); return nil })
	})
}

// Attempt makes a request of a procedure that has to go on. It takes what panics, such as
// a transport, for a failure: [ErrPanic], after which the request may have arrived.
func (e *Engine[O, A]) Attempt(ctx context.Context, no string, request func(context.Context) error) error {
	return e.run(e.sheltered(ctx, no), no, request)
}

// Settle does what follows from an answer. Its error is nil only if the order is paid and
// the merchant's function has returned nil.
func (e *Engine[O, A]) Settle(ctx context.Context, o O, a *A) (Standing, error) {
	standing, why, failed := e.settle(ctx, o, a)
	switch {
	case why == nil:
		return standing, failed
	case failed != nil:
		return standing, fmt.Errorf("%w; %w", why, failed)
	}
	return standing, why
}

// settle does what follows from an answer. why says why the order isn't paid, and failed
// what went wrong with the merchant's function.
func (e *Engine[O, A]) settle(ctx context.Context, o O, a *A) (standing Standing, why, failed error) {
	standing, why = e.Gateway.Stands(o, a)
	switch standing {
	case Paid:
		failed = e.pay(ctx, o, func(ctx context.Context) error { return e.Paid(ctx, a) })
	case Ended:
		failed = e.end(ctx, o, a)
	}
	return standing, why, failed
}

// pay runs fn unless the payment is in the books, or fn has returned nil for it before.
func (e *Engine[O, A]) pay(ctx context.Context, o O, fn func(context.Context) error) error {
	about := e.Gateway.About(o)
	if about.Booked {
		return nil
	}
	return e.once(ctx, e.Deduper, about.Key, about.No, fn)
}

// Undo runs undo, while nobody else acts on the payment, unless that is done already. It
// waits for somebody who is at it, but not longer than patience. A Deduper that fails keeps
// nothing from being undone: a charge would stay.
func (e *Engine[O, A]) Undo(ctx context.Context, o O, patience time.Duration, undo func()) (done bool) {
	began, about, ran := e.Clock.ClockNow(), e.Gateway.About(o), false
	for {
		err := e.run(ctx, about.No, func(ctx context.Context) error {
			return e.Deduper.Once(ctx, about.Key, func(context.Context) error {
				if !ran {
					ran = true
					undo()
				}
				return errUndone
			})
		})
		switch {
		case ran:
			return false
		case err == nil:
			return true
		case errors.Is(err, ErrInProgress) && e.Clock.ClockNow().Sub(began) < patience && e.Clock.ClockSleep(ctx, firstPoll) == nil:
			continue
		}
		undo()
		return false
	}
}

// errUndone keeps a payment that was undone from being noted as done.
var errUndone = errors.New("it was undone")

// end reports an order that ended without a payment.
func (e *Engine[O, A]) end(ctx context.Context, o O, a *A) error {
	if e.Ended == nil {
		return nil
	}
	about := e.Gateway.About(o)
	return e.once(ctx, e.Endings, endedKey+about.Key, about.No, func(ctx context.Context) error { return e.Ended(ctx, o, a) })
}

// once runs fn once for a key. A panic is an error like any other, so that it ends
// neither a pass over other orders nor a program in which nothing else recovers.
func (e *Engine[O, A]) once(ctx context.Context, d Deduper, key, no string, fn func(context.Context) error) error {
	var failed error
	err := d.Once(ctx, key, func(ctx context.Context) error {
		// It stays if fn ends its goroutine.
		failed = fmt.Errorf("%s: order %q: the merchant's function didn't return", e.Name, no)
		failed = e.run(ctx, no, fn)
		return failed
	})
	// A Deduper that keeps the error to itself would have the payment taken for
	// handled.
	return cmp.Or(err, failed)
}

// run calls the merchant's function, and takes a panic for a failure. One that never
// returns, because it calls runtime.Goexit, has not succeeded.
func (e *Engine[O, A]) run(ctx context.Context, no string, fn func(context.Context) error) error {
	return e.guard().Protect(ctx, &no, fn)
}

func (e *Engine[O, A]) guard() Guard { return Guard{e.Log, e.Name, "order_no"} }

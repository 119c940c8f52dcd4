package once

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
)

// Polling is how an order is asked about until it is known how it ended.
type Polling[A any] struct {
	// First and Most are the first and the longest pause between two queries.
	First, Most time.Duration
	// For ends the waiting after that time, 0 for not at all.
	For time.Duration
	// Grace is how long after its Expires an order is still asked about.
	Grace time.Duration
	// Patient goes on though the gateway refuses to tell, because it may not know a
	// new order yet.
	Patient bool
	// Progress, if not nil, is told of every answer.
	Progress func(context.Context, *A)
}

// The pauses between queries by default, and the longest that there can be.
const (
	firstPoll = time.Second
	lastPoll  = 10 * time.Second
	maxPoll   = time.Hour
)

// NewPolling is polling with the usual pauses.
func NewPolling[A any](grace time.Duration) Polling[A] {
	return Polling[A]{First: firstPoll, Most: lastPoll, Grace: grace}
}

// Apply applies the options of a call.
func Apply[T any, O ~func(*T) error](name, operation string, to *T, opts []O) error {
	for _, opt := range opts {
		if opt == nil {
			return fmt.Errorf("%s: %s: an option is nil", name, operation)
		}
		if err := opt(to); err != nil {
			return fmt.Errorf("%s: %s: %w", name, operation, err)
		}
	}
	return nil
}

// SetPauses sets the pauses between queries.
func (p *Polling[A]) SetPauses(first, most time.Duration) error {
	if first < time.Millisecond || most < first || most > maxPoll {
		return fmt.Errorf("WithPolling: waits from %v to %v are not between 1ms and %v", first, most, maxPoll)
	}
	p.First, p.Most = first, most
	return nil
}

// SetProgress sets the function that is told of every answer.
func (p *Polling[A]) SetProgress(progress func(context.Context, *A)) error {
	if progress == nil {
		return errors.New("WithProgress: the function is nil")
	}
	p.Progress = progress
	return nil
}

// ErrPatience is the error of a wait that went on for as long as its For.
var ErrPatience = errors.New("it took too long")

// Wait asks about an order until it is known how it ended, and does what follows. It
// returns the last answer, nil if there was none.
func (e *Engine[O, A]) Wait(ctx context.Context, o O, p Polling[A]) (*A, error) {
	if err := e.Gateway.Check("Wait", o); err != nil {
		return nil, err
	}
	return e.poll(ctx, o, p, func() (*A, error, bool) {
		a, err := e.attempt(ctx, o)
		if err != nil {
			return nil, err, !p.Patient && !e.Gateway.Transient(err)
		}
		standing, err := e.Settle(ctx, o, a)
		return a, err, err == nil || standing != Open && !errors.Is(err, ErrInProgress)
	})
}

// Poll asks about an order until it stands as until says, and does nothing about it.
func (e *Engine[O, A]) Poll(ctx context.Context, o O, p Polling[A], until func(Standing) bool) (*A, error) {
	return e.poll(ctx, o, p, func() (*A, error, bool) {
		a, err := e.attempt(ctx, o)
		if err != nil {
			return nil, err, false
		}
		standing, why := e.Gateway.Stands(o, a)
		return a, why, until(standing)
	})
}

// attempt makes one query. A till goes on after one that panics, because it would leave a
// charge that nobody reverses.
func (e *Engine[O, A]) attempt(ctx context.Context, o O) (a *A, err error) {
	err = e.Attempt(ctx, e.Gateway.About(o).No, func(ctx context.Context) (err error) {
		a, err = e.Gateway.Ask(ctx, o)
		return err
	})
	return a, err
}

// poll makes steps until one decides, the context ends, or the time is over.
func (e *Engine[O, A]) poll(ctx context.Context, o O, p Polling[A], step func() (a *A, err error, decided bool)) (known *A, err error) {
	about := e.Gateway.About(o)
	began := e.Clock.ClockNow()
	for wait := p.First; ; wait = min(wait+wait/2, p.Most) {
		// Before the query, so that the last one is made after the end.
		now := e.Clock.ClockNow()
		over := !about.Expires.IsZero() && !now.Before(about.Expires.Add(p.Grace))
		late := p.For > 0 && now.Sub(began) >= p.For
		a, err, decided := step()
		if a != nil {
			known = a
			e.progress(ctx, about.No, p, a)
		}
		switch {
		case decided:
			return known, err
		case ctx.Err() != nil:
			return known, e.stopped(about.No, ctx.Err(), a == nil, err)
		case over && a != nil && !errors.Is(err, ErrInProgress):
			return known, e.stopped(about.No, fault.ErrOrderExpired, false, nil)
		case late:
			return known, e.stopped(about.No, ErrPatience, a == nil, err)
		}
		if stop := e.Clock.ClockSleep(ctx, e.pause(wait, p.ends(about, began, over))); stop != nil {
			return known, e.stopped(about.No, stop, a == nil, err)
		}
	}
}

// progress tells of an answer. A display that panics doesn't end the waiting, because
// a till would then leave a charge that nobody reverses.
func (e *Engine[O, A]) progress(ctx context.Context, no string, p Polling[A], a *A) {
	if p.Progress == nil {
		return
	}
	_ = e.run(ctx, no, func(ctx context.Context) error {
		p.Progress(ctx, a)
		return nil
	})
}

// ends is when the last query is due, zero for never.
func (p *Polling[A]) ends(about About, began time.Time, over bool) time.Time {
	var ends time.Time
	if !over && !about.Expires.IsZero() {
		ends = about.Expires.Add(p.Grace)
	}
	if late := began.Add(p.For); p.For > 0 && (ends.IsZero() || late.Before(ends)) {
		ends = late
	}
	return ends
}

// pause is a wait of up to a fifth more or less, so that the kiosks of a chain don't ask
// all at once, and not beyond the time of the last query.
func (e *Engine[O, A]) pause(wait time.Duration, ends time.Time) time.Duration {
	d := wait - wait/5 + rand.N(2*wait/5+1)
	if left := ends.Sub(e.Clock.ClockNow()); left > 0 {
		d = min(d, left)
	}
	return d
}

// stopped is the error of a wait that ended without an outcome.
func (e *Engine[O, A]) stopped(no string, why error, failed bool, last error) error {
	switch {
	case failed && last != nil:
		why = fmt.Errorf("%w; the last query failed: %w", why, last)
	case errors.Is(last, ErrInProgress): // The caller has to know that the order isn't open.
		why = fmt.Errorf("%w; %w", why, last)
	}
	return fmt.Errorf("%s: waiting for payment of order %q: %w", e.Name, no, why)
}

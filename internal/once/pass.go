package once

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ksher-go/ksher/internal/clock"
	"github.com/ksher-go/ksher/internal/fault"
)

const (
	// pageSize is how many orders are asked of the merchant at a time.
	pageSize = 100
	// maxPass ends a pass over a list that doesn't end.
	maxPass = 100_000
	// passPause is how long Run waits between two passes.
	passPause = time.Minute
	// problemPause is how long the same problem of an order isn't reported again.
	problemPause = time.Hour
)

// List is the merchant's list of open orders, after a number and at most so many.
type List[O any] func(ctx context.Context, after string, limit int) ([]O, error)

// Result is what a pass came to, in numbers of orders.
type Result struct {
	// After is the number after which the next pass goes on, "" at the end.
	After                            string
	Asked, Paid, Ended, Open, Failed int
	// Later is how many were not asked about, because it is too early.
	Later int
}

// NextCheck is when to ask again about an order that was created then, and asked about
// now.
func NextCheck(created, now time.Time) time.Time {
	every := 24 * time.Hour
	switch age := now.Sub(created); {
	case created.IsZero() || age < 2*time.Hour:
		every = time.Minute
	case age < 24*time.Hour:
		every = 10 * time.Minute
	case age < 7*24*time.Hour:
		every = time.Hour
	case age < 30*24*time.Hour:
		every = 6 * time.Hour
	}
	return now.Add(every)
}

// Pass asks about the open orders after a number, each once, unless this engine has asked
// about it and its next check is later. What goes wrong with one
// is counted and reported, and doesn't stop the pass.
func (e *Engine[O, A]) Pass(ctx context.Context, list List[O], after string) (Result, error) {
	sum := Result{After: after}
	began := e.Clock.ClockNow()
	listed := map[string]bool{after: true}
	for seen := 0; seen < maxPass; {
		if err := ctx.Err(); err != nil {
			return sum, e.interrupted(sum, err)
		}
		var orders []O
		err := e.run(ctx, sum.After, func(ctx context.Context) (err error) {
			orders, err = list(ctx, sum.After, pageSize)
			return err
		})
		if err != nil {
			return sum, fmt.Errorf("%s: listing the open orders after %q: %w", e.Name, sum.After, err)
		}
		// Those that came in meanwhile are for the next pass, so that this one ends. Behind
		// a full page of them there may be older ones.
		if len(orders) == 0 || len(orders) < pageSize && e.allNew(orders, began) {
			sum.After = ""
			return sum, nil
		}
		last := e.Gateway.About(orders[len(orders)-1]).No
		if listed[last] {
			err := fmt.Errorf("%s: the list of open orders after %q ends with %q again, so it would never end", e.Name, sum.After, last)
			// A list that doesn't heed After would end with it every time.
			sum.After = ""
			return sum, err
		}
		listed[last] = true
		seen += len(orders)
		if err := e.page(ctx, orders, began, &sum); err != nil {
			return sum, e.interrupted(sum, err)
		}
	}
	return sum, nil
}

func (e *Engine[O, A]) interrupted(sum Result, why error) error {
	return fmt.Errorf("%s: the pass over the open orders stopped after %d of them, go on after %q: %w", e.Name, sum.Asked, sum.After, why)
}

func (e *Engine[O, A]) allNew(orders []O, began time.Time) bool {
	for _, o := range orders {
		if !e.isNew(o, began) {
			return false
		}
	}
	return true
}

// isNew tells whether an order was created after the pass began. A time in the future is
// a mistake, for which no order waits.
func (e *Engine[O, A]) isNew(o O, began time.Time) bool {
	created := e.Gateway.About(o).Created
	return created.After(began) && !created.After(e.Clock.ClockNow())
}

// page asks about a page of orders, some at once, except those that are new. After is
// then the last number before the first order whose turn didn't come.
func (e *Engine[O, A]) page(ctx context.Context, orders []O, began time.Time, sum *Result) error {
	counted := make([]func(*Result), len(orders))
	var running sync.WaitGroup
	var stopped error
	// The merchant's functions have places of their own: one that hangs may not keep a
	// place of a budget that others share.
	places := make(chan struct{}, e.Budget.atOnce())
	for i, o := range orders {
		if e.isNew(o, began) {
			counted[i] = func(*Result) {}
			continue
		}
		if e.early(o) {
			counted[i] = func(r *Result) { r.Later++ }
			continue
		}
		give, err := e.turn(ctx, places)
		if err != nil {
			stopped = err
			break
		}
		running.Go(func() {
			defer func() { give(); <-places }()
			if count := e.safely(ctx, o, give); count != nil {
				counted[i] = func(r *Result) { r.Asked++; count(r) }
			}
		})
	}
	running.Wait()
	through := true
	for i, count := range counted {
		if through = through && count != nil; through {
			sum.After = e.Gateway.About(orders[i]).No
		}
		if count != nil {
			count(sum)
		}
	}
	return stopped
}

// turn waits for a place, and then until a query may be made.
func (e *Engine[O, A]) turn(ctx context.Context, places chan struct{}) (give func(), err error) {
	select {
	case places <- struct{}{}:
		return e.Budget.Take(ctx, e.Clock)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// early tells whether an order was asked about, and isn't due again. Those of the first
// two hours always are.
func (e *Engine[O, A]) early(o O) bool {
	about, now := e.Gateway.About(o), e.Clock.ClockNow()
	wait := NextCheck(about.Created, now).Sub(now)
	return wait > passPause && !about.Booked && e.asked.Lately(about.Key, about.Expected, now, wait)
}

// safely is visit, but for a hook, a transport or a Deduper that panics: nothing else
// would recover in a goroutine of a pass.
func (e *Engine[O, A]) safely(ctx context.Context, o O, asked func()) (count func(*Result)) {
	err := e.run(ctx, e.Gateway.About(o).No, func(ctx context.Context) error {
		count = e.visit(ctx, o, asked)
		return nil
	})
	if err != nil {
		asked()
		e.report(ctx, o, panicked, err)
		return func(r *Result) { r.Failed++ }
	}
	return count
}

// visit asks about one order and returns how to count it, nil if the context ended. asked
// is called when the query has been made.
func (e *Engine[O, A]) visit(ctx context.Context, o O, asked func()) func(*Result) {
	about := e.Gateway.About(o)
	if about.Booked {
		return func(r *Result) { r.Paid++ }
	}
	if err := e.Gateway.Check("Pass", o); err != nil {
		asked()
		e.report(ctx, o, wrongBooks, err)
		return func(r *Result) { r.Failed++ }
	}
	a, err := e.ask(ctx, o)
	asked()
	var standing Standing
	var why error
	switch {
	case err == nil:
		standing, why, err = e.settle(ctx, o, a)
		if standing == Other {
			err = why
		}
	case e.Gateway.Unknown(err) && !about.Expires.IsZero() && e.Clock.ClockNow().After(about.Expires):
		standing, err = Ended, e.end(ctx, o, nil)
	case ctx.Err() == nil && (!e.Gateway.Transient(err) || errors.Is(err, fault.ErrOtherOrder)):
		e.report(ctx, o, queryRefused, err)
		return func(r *Result) { r.Failed++ }
	}
	return e.count(ctx, o, standing, err)
}

// count tells how to count an order, and reports what a person has to look at.
func (e *Engine[O, A]) count(ctx context.Context, o O, standing Standing, err error) func(*Result) {
	switch {
	case err != nil && ctx.Err() != nil:
		return nil
	case errors.Is(err, ErrInProgress):
		return func(r *Result) { r.Open++ }
	case err != nil:
		if standing != Open {
			e.report(ctx, o, problemOf(standing), err)
		}
		return func(r *Result) { r.Failed++ }
	case standing == Paid:
		return func(r *Result) { r.Paid++ }
	}
	about := e.Gateway.About(o)
	e.asked.Again(about.Key, about.Expected, e.Clock.ClockNow(), 0)
	if standing == Ended {
		return func(r *Result) { r.Ended++ }
	}
	return func(r *Result) { r.Open++ }
}

// problem is a kind of what a person has to look at.
type problem string

const (
	otherPayment problem = "other payment"
	paidTwice    problem = "paid twice"
	paidFailed   problem = "function for paid failed"
	endedFailed  problem = "function for ended failed"
	queryRefused problem = "query refused"
	wrongBooks   problem = "wrong books"
	panicked     problem = "panicked"
)

// problemOf is the kind of an error about an order that was asked about.
func problemOf(standing Standing) problem {
	switch standing {
	case Paid:
		return paidFailed
	case Ended:
		return endedFailed
	}
	return otherPayment
}

// report tells the merchant of a problem, one of a kind of an order once an hour. The
// error's text doesn't tell kinds apart, because it may vary: one of a database has a port.
func (e *Engine[O, A]) report(ctx context.Context, o O, kind problem, err error) {
	about := e.Gateway.About(o)
	if !e.problems.Again(about.Key+" "+string(kind), about.Expected, e.Clock.ClockNow(), problemPause) {
		return
	}
	if e.Problem == nil {
		e.guard().Record(ctx, slog.LevelError, "payment needs a person",
			slog.String("order_no", about.No), slog.Any("problem", err))
		return
	}
	_ = e.run(ctx, about.No, func(ctx context.Context) error {
		e.Problem(ctx, o, err)
		return nil
	})
}

// Run makes passes until the context ends, a minute apart, whose error it returns. Each
// pass is logged, also the one that the end cut off. After one that failed the next goes on
// where it stopped, or at the beginning if the list fails there again: it may not know that
// number any more.
func (e *Engine[O, A]) Run(ctx context.Context, list List[O]) error {
	after := ""
	for {
		sum, err := e.Pass(ctx, list, after)
		level := slog.LevelDebug
		if err != nil && ctx.Err() == nil {
			level = slog.LevelError
		}
		attrs := []slog.Attr{slog.Int("asked", sum.Asked), slog.Int("paid", sum.Paid), slog.Int("ended", sum.Ended),
			slog.Int("open", sum.Open), slog.Int("failed", sum.Failed), slog.Int("later", sum.Later)}
		if err != nil {
			attrs = append(attrs, slog.Any("cause", err))
		}
		e.guard().Record(ctx, level, "reconciliation", attrs...)
		if err != nil && sum.After == after {
			sum.After = ""
		}
		after = sum.After
		if err := clock.Await(ctx, e.Clock, passPause); err != nil {
			return err
		}
	}
}

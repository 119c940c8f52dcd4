package once

import (
	"context"
	"errors"
	"log/slog"

	"github.com/ksher-go/ksher/internal/check"
	"github.com/ksher-go/ksher/internal/clock"
)

// Defaults of a Budget: 1,000 open orders a minute.
const (
	defaultRate   = 20
	defaultAtOnce = 4
)

// New returns an engine that calls paid, with the defaults of everything else.
func New[O, A any](name string, g Gateway[O, A], c clock.Clock, log *slog.Logger, paid func(context.Context, *A) error) *Engine[O, A] {
	return &Engine[O, A]{
		Name: name, Gateway: g, Clock: c, Log: log, Paid: paid,
		Budget: newBudget(defaultRate, defaultAtOnce), Places: NewPlaces(), Deduper: &Memory{}, Endings: &Memory{}, ownMemory: true,
	}
}

// What follows is for the options of each client's Payments. The errors name them.

// SetDeduper replaces both memories.
func (e *Engine[O, A]) SetDeduper(d Deduper) error {
	if check.IsNil(d) {
		return errors.New("WithDeduper: the deduper is nil")
	}
	e.Deduper, e.Endings, e.ownMemory = d, d, false
	return nil
}

// OwnMemory tells whether the payments are remembered in the engine's own memory.
func (e *Engine[O, A]) OwnMemory() bool { return e.ownMemory }

// SetEnded sets the function for orders that ended without a payment.
func (e *Engine[O, A]) SetEnded(ended func(context.Context, O, *A) error) error {
	if ended == nil {
		return errors.New("WithEnded: the function is nil")
	}
	e.Ended = ended
	return nil
}

// SetProblem sets the function for what a person has to look at.
func (e *Engine[O, A]) SetProblem(problem func(context.Context, O, error)) error {
	if problem == nil {
		return errors.New("WithProblem: the function is nil")
	}
	e.Problem = problem
	return nil
}

// SetBudget sets the budget of queries.
func (e *Engine[O, A]) SetBudget(b *Budget) error {
	if b == nil || b.places == nil {
		return errors.New("WithBudget: the budget is nil, or was not made by NewBudget")
	}
	e.Budget = b
	return nil
}

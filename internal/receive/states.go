package receive

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ksher-go/ksher/internal/clock"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
)

// askAgain is how soon is asked again because of a copy of a message that came to nothing.
// Genuine ones come again after seconds.
const askAgain = 500 * time.Millisecond

// States calls a merchant's function once for each state that something is in, an order or
// a charge, as messages claim and a query confirms. M is a message, and A the answer.
//
// What a message claims is what the [once.Deduper] is asked first, so that a copy of one
// that is done costs no query, and of many at the same time one makes it.
type States[M, A any] struct {
	Guard   once.Guard
	Deduper once.Deduper
	Clock   clock.Clock
	Places  once.Places
	// Number identifies what a message is about, for texts.
	Number func(*M) string
	// Key identifies a state of it.
	Key func(_ *M, state string) string
	// Ask makes the query.
	Ask func(context.Context, *M) (_ *A, state string, _ *Refusal)
	// Do is the merchant's function.
	Do func(context.Context, *A) error

	vain once.Recent
}

// Once deals with a message that claims a state. said tells messages of one number apart.
func (s *States[M, A]) Once(ctx context.Context, m *M, said, claimed string) *Refusal {
	number := s.Number(m)
	if s.vain.Lately(number+" "+said, "", s.Clock.ClockNow(), askAgain) {
		return &Refusal{Status: http.StatusServiceUnavailable, Reason: "it was asked about a moment ago", Err: once.ErrTooSoon, Again: true}
	}
	found, refusal := s.once(ctx, m, claimed)
	vain := found != "" && found != claimed
	if vain {
		// It is late, or made up. What is true may be news all the same.
		_, refusal = s.once(ctx, m, found)
	}
	if vain || refusal != nil && refusal.Status != http.StatusInternalServerError && !errors.Is(refusal.Err, fault.ErrInProgress) {
		s.vain.Again(number+" "+said, "", s.Clock.ClockNow(), 0)
	}
	return refusal
}

// once does what follows from a state, unless that is done. found is the state that the
// query told, "" if none was made or it failed.
func (s *States[M, A]) once(ctx context.Context, m *M, state string) (found string, refusal *Refusal) {
	err := s.Deduper.Once(ctx, s.Key(m, state), func(ctx context.Context) error {
		// Within the claim, because another delivery may have told of another state
		// in the meantime.
		var a *A
		if a, found, refusal = s.ask(ctx, m); refusal == nil && found != state {
			refusal = &Refusal{Status: http.StatusServiceUnavailable, Reason: "it has changed in the meantime", Again: true}
		}
		if refusal == nil {
			refusal = s.do(ctx, m, a)
		}
		if refusal != nil {
			return cmp.Or(refusal.Err, errors.New(refusal.Reason))
		}
		return nil
	})
	switch {
	case refusal != nil: // A Deduper that keeps the error to itself would have it taken for done.
		return found, refusal
	case errors.Is(err, fault.ErrInProgress):
		return found, &Refusal{Status: http.StatusServiceUnavailable, Reason: "another delivery of it is being handled", Err: err, Again: true}
	case err != nil:
		return found, &Refusal{Status: http.StatusInternalServerError, Reason: "the Deduper failed", Err: err, Again: true}
	}
	return found, nil
}

// ask makes the query, unless too many are being made.
func (s *States[M, A]) ask(ctx context.Context, m *M) (a *A, state string, refusal *Refusal) {
	if err := s.Places.Use(func() { a, state, refusal = s.Ask(ctx, m) }); err != nil {
		refusal = &Refusal{Status: http.StatusServiceUnavailable, Reason: "too many others are being confirmed", Err: err, Again: true}
	}
	return a, state, refusal
}

// do calls the merchant's function.
func (s *States[M, A]) do(ctx context.Context, m *M, a *A) *Refusal {
	number := s.Number(m)
	err := s.Guard.Protect(ctx, &number, func(ctx context.Context) error { return s.Do(ctx, a) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fault.ErrNotOurs):
		return NotOurs(err)
	}
	return &Refusal{Status: http.StatusInternalServerError, Reason: "the merchant's function failed", Err: err, Again: true}
}

// NotOurs refuses a message about an order that the merchant doesn't have. Its row may not
// be committed yet, so the sender may come again.
func NotOurs(err error) *Refusal {
	return &Refusal{Status: http.StatusNotFound, Reason: "the merchant has no such order", Err: err}
}

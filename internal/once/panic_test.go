package once_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/once"
)

// hostile panics when it is asked about an order.
type hostile struct{ paidOrders }

func (hostile) Ask(context.Context, string) (*string, error) { panic("a hook") }

// broken is a Deduper that panics.
type broken struct{}

func (broken) Once(context.Context, string, func(context.Context) error) error {
	panic("a database")
}

// Nothing would recover in the goroutines of a pass.
func TestPassSurvivesPanics(t *testing.T) {
	for name, tt := range map[string]struct {
		gateway once.Gateway[string, string]
		deduper once.Deduper
	}{
		"a query":   {hostile{}, &once.Memory{}},
		"a deduper": {paidOrders{}, broken{}},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine(t, tt.gateway, newBudget(t, 1000, 1), nothing)
			require.NoError(t, e.SetDeduper(tt.deduper))
			var problems []string
			require.NoError(t, e.SetProblem(func(_ context.Context, no string, err error) {
				problems = append(problems, no)
				assert.ErrorIs(t, err, once.ErrPanic)
			}))
			sum, err := e.Pass(t.Context(), orders("A", "B", "C"), "")
			require.NoError(t, err)
			assert.Equal(t, once.Result{Asked: 3, Failed: 3}, sum)
			assert.Equal(t, []string{"A", "B", "C"}, problems)
		})
	}
}

// A list that panics is one that fails: the next pass may succeed.
func TestListThatPanics(t *testing.T) {
	e := engine(t, paidOrders{}, newBudget(t, 1000, 1), nothing)
	sum, err := e.Pass(t.Context(), func(context.Context, string, int) ([]string, error) { panic("a database") }, "A")
	require.ErrorIs(t, err, once.ErrPanic)
	assert.Equal(t, once.Result{After: "A"}, sum)
}

// A display that panics doesn't end the waiting: a till reverses only after it.
func TestProgressThatPanics(t *testing.T) {
	e := engine(t, paidOrders{}, newBudget(t, 1000, 1), func(context.Context, *string) error { return errors.New("later") })
	p := once.NewPolling[string](0)
	require.NoError(t, p.SetProgress(func(context.Context, *string) { panic("a display") }))
	_, err := e.Wait(t.Context(), "A", p)
	require.ErrorContains(t, err, "later")
}

// screaming is a log that panics.
type screaming struct{ slog.Handler }

func (screaming) Enabled(context.Context, slog.Level) bool  { return true }
func (screaming) Handle(context.Context, slog.Record) error { panic("a log") }

// A log that panics ends neither the passes nor the report of a problem.
func TestLogThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		calls := 0
		e := engine(t, paidOrders{}, newBudget(t, 1000, 1), func(context.Context, *string) error { calls++; return errors.New("later") })
		e.Log = slog.New(screaming{})
		require.ErrorIs(t, e.Run(ctx, orders("A")), context.DeadlineExceeded)
		require.Equal(t, 3, calls)
	})
}

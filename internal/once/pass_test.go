package once_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/clock"
	"github.com/ksher-go/ksher/internal/once"
)

// engine has the given budget, and calls paid.
func engine(t *testing.T, g once.Gateway[string, string], b *once.Budget, paid func(context.Context, *string) error) *once.Engine[string, string] {
	e := once.New("ksher", g, clock.Real, slog.New(slog.DiscardHandler), paid)
	require.NoError(t, e.SetBudget(b))
	return e
}

func newBudget(t *testing.T, perSecond float64, atOnce int) *once.Budget {
	b, err := once.NewBudget(perSecond, atOnce)
	require.NoError(t, err)
	return b
}

// orders lists the numbers, on one page.
func orders(numbers ...string) once.List[string] {
	return func(_ context.Context, after string, _ int) ([]string, error) {
		if after == "" {
			return numbers, nil
		}
		return nil, nil
	}
}

func nothing(context.Context, *string) error { return nil }

// A merchant whose function hangs doesn't keep the queries of those it shares a budget with.
func TestBudgetIsForQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newBudget(t, 1000, 2)
		hang := make(chan struct{})
		var running atomic.Int64
		slow := engine(t, paidOrders{}, shared, func(context.Context, *string) error {
			running.Add(1)
			<-hang
			return nil
		})
		passed := make(chan error)
		go func() {
			_, err := slow.Pass(t.Context(), orders("A", "B", "C", "D"), "")
			passed <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		sum, err := engine(t, paidOrders{}, shared, nothing).Pass(ctx, orders("A", "B", "C"), "")
		require.NoError(t, err)
		assert.Equal(t, 3, sum.Paid)
		assert.EqualValues(t, 2, running.Load(), "no more functions at once than queries")
		close(hang)
		require.NoError(t, <-passed)
	})
}

// What nobody waits for any more isn't kept for it.
func TestBudgetForgetsWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, paidOrders{}, newBudget(t, 0.5, 1), nothing)
		for range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			_, _ = e.Pass(ctx, orders("A", "B"), "")
			cancel()
		}
		start := time.Now()
		sum, err := e.Pass(t.Context(), orders("A"), "")
		require.NoError(t, err)
		assert.Equal(t, 1, sum.Paid)
		assert.LessOrEqual(t, time.Since(start), 2*time.Second)
	})
}

// openOrders has orders that are all open.
type openOrders struct{ paidOrders }

func (openOrders) Stands(string, *string) (once.Standing, error) {
	return once.Open, errors.New("not paid")
}

// A list that breaks its promise is reported in each pass, and its orders are asked about
// again all the same.
func TestRunWithBadLists(t *testing.T) {
	all := []string{"A", "B", "C"}
	for name, list := range map[string]once.List[string]{
		"it doesn't heed the number": func(context.Context, string, int) ([]string, error) { return all, nil },
		"it forgot the number": func(_ context.Context, after string, _ int) ([]string, error) {
			if after != "" {
				return nil, errors.New("there is no such order")
			}
			return all, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				asked := atomic.Int64{}
				e := engine(t, counting{openOrders{}, &asked}, newBudget(t, 1000, 1), nothing)
				require.ErrorIs(t, e.Run(ctx, list), context.DeadlineExceeded)
				require.GreaterOrEqual(t, asked.Load(), int64(3*20))
			})
		})
	}
}

// counting counts the queries.
type counting struct {
	openOrders
	asked *atomic.Int64
}

func (c counting) Ask(context.Context, string) (*string, error) {
	c.asked.Add(1)
	return new(string), nil
}

// A problem of an order is reported once an hour, whatever varies in the error's text, and
// another kind of problem at once.
func TestProblemsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		e := engine(t, paidOrders{}, newBudget(t, 1000, 1), func(context.Context, *string) error {
			calls++
			return fmt.Errorf("read tcp 10.0.0.1:%d->10.0.0.2:5432: connection reset", 50_000+calls)
		})
		problems := map[string]int{}
		require.NoError(t, e.SetProblem(func(_ context.Context, no string, _ error) { problems[no]++ }))
		for range 5 {
			sum, err := e.Pass(t.Context(), orders("A", "B"), "")
			require.NoError(t, err)
			require.Equal(t, 2, sum.Failed)
			_, _, err = e.Announce(t.Context(), "A")
			require.Error(t, err)
			time.Sleep(time.Minute)
		}
		require.Equal(t, 15, calls)
		require.Equal(t, map[string]int{"A": 1, "B": 1}, problems)

		twice := func(context.Context) (second, err error) {
			return errors.New("paid twice"), errors.New("tell it again")
		}
		for range 3 {
			require.Error(t, e.Elsewhere(t.Context(), "A", "A elsewhere", twice))
			_, err := e.Pass(t.Context(), orders("A", "B"), "")
			require.NoError(t, err)
		}
		require.Equal(t, map[string]int{"A": 2, "B": 1}, problems, "one kind doesn't hide another, nor bring it again")

		time.Sleep(time.Hour)
		_, err := e.Pass(t.Context(), orders("A", "B"), "")
		require.NoError(t, err)
		require.Equal(t, map[string]int{"A": 3, "B": 2}, problems)
	})
}

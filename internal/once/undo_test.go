package once_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/once"
)

// answers is a Deduper that answers this, and runs nothing.
type answers struct{ err error }

func (a answers) Once(context.Context, string, func(context.Context) error) error { return a.err }

// repeats is a Deduper that runs a failed function again.
type repeats struct{}

func (repeats) Once(ctx context.Context, _ string, fn func(context.Context) error) error {
	return errors.Join(fn(ctx), fn(ctx))
}

// Only a payment that was acted on isn't undone, and none is undone twice.
func TestUndo(t *testing.T) {
	for name, tt := range map[string]struct {
		deduper once.Deduper
		done    bool
		after   time.Duration
	}{
		"nobody is at it":              {&once.Memory{}, false, 0},
		"it is done":                   {answers{nil}, true, 0},
		"somebody is at it for long":   {answers{once.ErrInProgress}, false, 30 * time.Second},
		"the Deduper fails":            {answers{errors.New("no database")}, false, 0},
		"the Deduper panics":           {broken{}, false, 0},
		"the Deduper runs it repeated": {repeats{}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := engine(t, paidOrders{}, newBudget(t, 1000, 1), nothing)
				require.NoError(t, e.SetDeduper(tt.deduper))
				undone, began := 0, time.Now()
				assert.Equal(t, tt.done, e.Undo(t.Context(), "A", 30*time.Second, func() { undone++ }))
				assert.Equal(t, !tt.done, undone == 1, "undone %d times", undone)
				assert.Equal(t, tt.after, time.Since(began))
			})
		})
	}
}

// What was undone isn't noted as done.
func TestUndoneIsNotDone(t *testing.T) {
	calls := 0
	e := engine(t, paidOrders{}, newBudget(t, 1000, 1), func(context.Context, *string) error { calls++; return nil })
	require.False(t, e.Undo(t.Context(), "A", 0, func() {}))
	_, err := e.Check(t.Context(), "A")
	require.NoError(t, err)
	require.Equal(t, 1, calls)
	require.True(t, e.Undo(t.Context(), "A", 0, func() { t.Error("undone") }))
}

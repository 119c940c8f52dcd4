package once_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ksher-go/ksher/internal/clock"
	"github.com/ksher-go/ksher/internal/once"
)

// Run waits for a function that is running when its context ends, so that a program may
// close its database as soon as Run has returned.
func TestRunEndsAfterTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		finished := false
		var log bytes.Buffer
		debug := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		e := once.New[string, string]("ksher", paidOrders{}, clock.Real, debug, func(ctx context.Context, _ *string) error {
			cancel()
			assert.Error(t, ctx.Err(), "the function is told")
			time.Sleep(5 * time.Second)
			finished = true
			return nil
		})
		err := e.Run(ctx, func(context.Context, string, int) ([]string, error) { return []string{"A-1"}, nil })
		assert.ErrorIs(t, err, context.Canceled)
		assert.True(t, finished, "Run returned while the function was running")
		assert.Regexp(t, `level=DEBUG msg="ksher reconciliation" asked=1 paid=1 .*context canceled`, log.String())
	})
}

// What a stop cut off is neither counted nor passed over: the next pass has it again.
func TestStopLeavesTheOrder(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := once.New[string, string]("ksher", paidOrders{}, clock.Real, slog.New(slog.DiscardHandler), func(ctx context.Context, _ *string) error {
		cancel()
		return ctx.Err()
	})
	list := func(_ context.Context, after string, _ int) ([]string, error) {
		if after == "" {
			return []string{"A-1"}, nil
		}
		return nil, nil
	}
	sum, err := e.Pass(ctx, list, "")
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, once.Result{}, sum)
	e.Paid = func(context.Context, *string) error { return nil }
	sum, err = e.Pass(t.Context(), list, sum.After)
	assert.NoError(t, err)
	assert.Equal(t, once.Result{Asked: 1, Paid: 1}, sum)
}

package tests

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

// Merchants whose passes run side by side share the budget: neither a list that hangs nor a
// long one keeps the others waiting.
func TestPassesOfManyMerchants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		shared := budget(t, 20, 4)
		hanging := listFunc(func(ctx context.Context, _ string, _ int) ([]ksher.OpenOrder, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		ended := make(chan error, 2)
		for _, orders := range []ksher.OpenOrders{hanging, openOrders(12_000)} {
			p := (&till{}).payments(t, testkit.Telling(ksher.ResultNotSure).Client(t), orders, shared)
			go func() {
				_, err := p.pass(ctx)
				ended <- err
			}()
		}
		small := (&till{}).payments(t, testkit.Telling(ksher.ResultNotSure).Client(t), openOrders(24), shared)
		start := time.Now()
		require.Equal(t, ksher.PassResult{Asked: 24, Open: 24}, pass(t, small))
		require.Less(t, time.Since(start), 10*time.Second)
		cancel()
		for range 2 {
			require.ErrorIs(t, <-ended, context.Canceled)
		}
	})
}

package kshertest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// passes counts the passes over no open orders.
type passes struct{ atomic.Int64 }

func (p *passes) OpenOrders(context.Context, string, int) ([]ksher.OpenOrder, error) {
	p.Add(1)
	return nil, nil
}

// Something in the background doesn't make a test's clock run.
func TestRunWaitsForAdvance(t *testing.T) {
	gw := kshertest.New(t)
	payments, err := ksher.NewPayments(gw.Client, func(context.Context, *ksher.Order) error { return nil })
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var made passes
	began := gw.Now()
	done := make(chan error)
	go func() { done <- payments.Run(ctx, &made) }()
	advanced := time.Duration(0)
	for range 3 {
		before := made.Load()
		require.Eventually(t, func() bool {
			gw.Advance(20 * time.Second)
			advanced += 20 * time.Second
			return made.Load() > before
		}, 10*time.Second, time.Millisecond)
	}
	require.Equal(t, advanced, gw.Now().Sub(began), "nobody else moved the clock")
	require.LessOrEqual(t, made.Load(), int64(advanced/time.Minute)+1)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

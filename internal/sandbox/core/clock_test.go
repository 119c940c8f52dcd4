package core_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/clock"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/opn"
)

func clockOf(gw *sandbox.Gateway) clock.Clock { return gw.HTTPClient().Transport.(clock.Clock) }

// A buyer who never types the PIN costs a minute of the gateway's clock, not of the test.
func TestChargeOnTheGatewaysClock(t *testing.T) {
	gw := sandbox.New(t)
	payments, err := ksher.NewPayments(gw.Client, func(context.Context, *ksher.Order) error { return assert.AnError })
	require.NoError(t, err)
	began := gw.Now()
	order, err := payments.Charge(t.Context(), &ksher.QuickPayRequest{
		MchOrderNo: "T-1", TotalFee: 100_00, FeeType: "THB", AuthCode: ksher.NewSecret("130000000000000001")})
	require.ErrorIs(t, err, ksher.ErrNotPaid)
	assert.Equal(t, ksher.ResultClosed, order.Result)
	assert.GreaterOrEqual(t, gw.Now().Sub(began), time.Minute)
	assert.Less(t, gw.Now().Sub(began), 2*time.Minute)
	there, err := gw.Order("T-1")
	require.NoError(t, err)
	assert.Equal(t, sandbox.Cancelled, there.State)
}

func TestOpnWaitsOnTheGatewaysClock(t *testing.T) {
	gw := sandbox.New(t)
	client, err := gw.NewOpnClient()
	require.NoError(t, err)
	charge, err := client.CreateChargeWithSource(t.Context(), &opn.CreateChargeWithSourceRequest{
		Amount: 100_00, Currency: "THB", ReturnURI: "https://shop.example"})
	require.NoError(t, err)
	began := gw.Now()
	p, err := opn.NewPayments(client, func(context.Context, *opn.Charge) error { return nil })
	require.NoError(t, err)
	charge, err = p.Wait(t.Context(), charge.OpenOrder("A-1"))
	require.ErrorIs(t, err, ksher.ErrNotPaid)
	assert.Equal(t, opn.StatusExpired, charge.Status)
	assert.GreaterOrEqual(t, gw.Now().Sub(began), 10*time.Minute)
}

func TestRetryPausesOnTheGatewaysClock(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithClientOptions(ksher.WithRetry(2, 10*time.Second)))
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "gateway_order_query", Kind: sandbox.FaultHTTP500}))
	before := clockOf(gw).ClockNow()
	_, err := gw.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "none"})
	require.ErrorIs(t, err, ksher.ErrNotFound)
	assert.True(t, clockOf(gw).ClockNow().After(before))
}

// noticed creates and pays an order whose notification goes to that handler.
func noticed(t *testing.T, gw *sandbox.Gateway, handler http.HandlerFunc) {
	t.Helper()
	shop := httptest.NewServer(handler)
	t.Cleanup(shop.Close)
	req := sandboxtest.GatewayPay("N-1")
	req.MchNotifyURL = shop.URL
	_, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	require.NoError(t, gw.Pay("N-1", ""))
}

func accept(w http.ResponseWriter) { fmt.Fprint(w, `{"result":"SUCCESS","msg":"OK"}`) }

// The merchant's handler runs while its client waits, and may ask and wait itself.
func TestWaitingDelivers(t *testing.T) {
	gw := sandbox.New(t)
	began := gw.Now()
	var calls atomic.Int32
	noticed(t, gw, func(w http.ResponseWriter, r *http.Request) {
		_, err := gw.Client.GatewayOrderQuery(r.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "N-1"})
		assert.NoError(t, err)
		assert.NoError(t, clockOf(gw).ClockSleep(r.Context(), time.Second))
		if calls.Add(1) == 3 { // Ksher comes again after 1 s and 2 s.
			accept(w)
		}
	})
	require.NoError(t, clockOf(gw).ClockSleep(t.Context(), time.Minute))
	assert.EqualValues(t, 3, calls.Load())
	assert.Equal(t, time.Minute, gw.Now().Sub(began))
}

// A handler may end the waiting that its notification came in, and goes on.
func TestWaitingEndsWithItsContext(t *testing.T) {
	gw := sandbox.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	returned := make(chan error)
	noticed(t, gw, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		assert.ErrorIs(t, <-returned, context.Canceled)
		assert.NoError(t, r.Context().Err())
		accept(w)
	})
	returned <- clockOf(gw).ClockSleep(ctx, time.Minute)
	assert.ErrorIs(t, clockOf(gw).ClockSleep(ctx, time.Minute), context.Canceled)
	require.NoError(t, clockOf(gw).ClockSleep(t.Context(), time.Minute))
	for { // What was under way ends by itself.
		order, err := gw.Order("N-1")
		require.NoError(t, err)
		if len(order.Deliveries) == 1 {
			assert.True(t, order.Deliveries[0].Accepted)
			return
		}
	}
}

func TestWaitingAtASpeed(t *testing.T) {
	gw, err := sandbox.Start(sandbox.WithSpeed(60_000))
	require.NoError(t, err)
	began := clockOf(gw).ClockNow()
	require.NoError(t, clockOf(gw).ClockSleep(t.Context(), 10*time.Minute))
	assert.GreaterOrEqual(t, clockOf(gw).ClockNow().Sub(began), 10*time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, clockOf(gw).ClockSleep(ctx, 1000*time.Hour), context.Canceled)
	gw.Close()
}

func TestWaitingAfterTheEnd(t *testing.T) {
	gw, err := sandbox.Start(sandbox.WithSpeed(0))
	require.NoError(t, err)
	gw.Close()
	assert.ErrorContains(t, clockOf(gw).ClockSleep(t.Context(), time.Second), "closed")
}

// What is due at once goes out at once, also before the clock's next second.
func TestNotificationsDoNotWaitForTheSecond(t *testing.T) {
	told := make(chan struct{}, 1)
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		told <- struct{}{}
		fmt.Fprint(w, `{"result":"SUCCESS","msg":"OK"}`)
	}))
	defer shop.Close()
	gw, err := sandbox.Start(sandbox.WithSpeed(0.0001)) // A second takes hours.
	require.NoError(t, err)
	defer gw.Close()
	req := storedOrder("A-1")
	req.MchNotifyURL = shop.URL
	_, err = gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	require.NoError(t, gw.Pay("A-1", ""))
	select {
	case <-told:
	case <-time.After(10 * time.Second):
		t.Error("it is still waiting")
	}
}

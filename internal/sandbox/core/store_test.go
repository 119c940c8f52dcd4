package core_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

func storedOrder(no string) *ksher.GatewayPayRequest {
	return &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: 100_00, FeeType: "THB", ProductName: "Coffee",
		ChannelList: []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard},
		ReferURL:    "https://shop.example", MchRedirectURL: "https://shop.example/ok", MchRedirectURLFail: "https://shop.example/no",
	}
}

func refundOf(no, refundNo string, fee ksher.Amount) *ksher.RefundRequest {
	return &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: no, MchRefundNo: refundNo, RefundFee: fee}
}

func TestDataSurvivesARestart(t *testing.T) {
	var hits atomic.Int32
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if hits.Add(1) > 1 {
			fmt.Fprint(w, `{"result":"SUCCESS","msg":"OK"}`)
		}
	}))
	defer shop.Close()
	store := new(sandboxtest.MemoryStore)
	ctx := t.Context()

	gw, err := sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(0))
	require.NoError(t, err)
	for _, no := range []string{"paid", "cancelled", "new"} {
		req := storedOrder(no)
		req.MchNotifyURL = shop.URL
		_, err := gw.Client.GatewayPay(ctx, req)
		require.NoError(t, err)
	}
	_, err = gw.Client.CancelOrder(ctx, &ksher.CancelOrderRequest{MchOrderNo: "cancelled"})
	require.NoError(t, err)
	require.NoError(t, gw.Pay("paid", ksher.ChannelTrueMoney))
	require.ErrorIs(t, gw.Deliver(ctx, "paid"), core.ErrNotAccepted)
	_, err = gw.Client.Refund(ctx, refundOf("paid", "R1", 40_00))
	require.NoError(t, err)
	gw.Advance(time.Millisecond) // Less than the second to the next attempt.
	before, now := gw.Orders(), gw.Now()
	gw.Close()

	gw, err = sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(0))
	require.NoError(t, err)
	defer gw.Close()
	after := gw.Orders()
	require.Len(t, after, 3)
	for i := range before {
		assert.Equal(t, string(core.Marshal(before[i])), string(core.Marshal(after[i])))
	}
	assert.True(t, gw.Now().Equal(now), "%v, not %v", gw.Now(), now)

	again, err := gw.Client.Refund(ctx, refundOf("paid", "R1", 40_00))
	require.NoError(t, err)
	assert.Equal(t, "R1", again.MchRefundNo, "the one that was made before")
	assert.Len(t, gw.Orders()[0].Refunds, 1)
	_, err = gw.Client.GatewayPay(ctx, storedOrder("new"))
	assert.ErrorIs(t, err, ksher.CodeOrderError)
	_, err = gw.Client.GatewayPay(ctx, storedOrder("later"))
	require.NoError(t, err)
	gw.Advance(time.Minute)
	paid, err := gw.Order("paid")
	require.NoError(t, err)
	require.Len(t, paid.Deliveries, 2, "the notification goes on where it was")
	assert.True(t, paid.Deliveries[1].Accepted)
}

func TestStoreThatCannotBeRead(t *testing.T) {
	for want, s := range map[string]*sandboxtest.MemoryStore{
		"its format is 1":         {Beside: []byte(`{"Format":1}`)},
		"invalid character":       {Beside: []byte("x")},
		"order 7 can't be read: ": {Beside: []byte(`{"Format":2}`), Orders: map[int][]byte{7: []byte("{")}},
	} {
		_, err := sandbox.Start(sandbox.WithStore(s))
		assert.ErrorContains(t, err, want)
	}
}

func TestDataForgetsWithTheGateway(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	gw, err := sandbox.Start(sandbox.WithStore(store), sandbox.WithMaxOrders(2))
	require.NoError(t, err)
	for i := range 5 {
		_, err := gw.Client.GatewayPay(t.Context(), storedOrder(fmt.Sprint("order", i)))
		require.NoError(t, err)
	}
	gw.Close()
	for _, want := range [][]string{{"order3", "order4"}, {"order4"}} {
		gw, err := sandbox.Start(sandbox.WithStore(store), sandbox.WithMaxOrders(len(want)))
		require.NoError(t, err)
		var nos []string
		for _, o := range gw.Orders() {
			nos = append(nos, o.MchOrderNo)
		}
		gw.Close()
		assert.Equal(t, want, nos)
	}
	assert.Len(t, store.Orders, 1)
}

func TestFullDisk(t *testing.T) {
	ctx := t.Context()
	store := new(sandboxtest.MemoryStore)
	gw := sandbox.New(t, sandbox.WithStore(store), sandbox.WithMaxOrders(3))
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"result":"SUCCESS","msg":"OK"}`)
	}))
	defer shop.Close()
	for _, no := range []string{"new", "paid", "other"} {
		req := storedOrder(no)
		req.MchNotifyURL = shop.URL
		_, err := gw.Client.GatewayPay(ctx, req)
		require.NoError(t, err)
	}
	require.NoError(t, gw.Pay("paid", ""))
	state := func() string { return string(core.Marshal(map[string]any{"orders": gw.Orders(), "now": gw.Now()})) }
	before := state()

	store.Full = true
	for name, do := range map[string]func() error{
		"gateway_pay": func() error { _, err := gw.Client.GatewayPay(ctx, storedOrder("fourth")); return err },
		"cancel_order": func() error {
			_, err := gw.Client.CancelOrder(ctx, &ksher.CancelOrderRequest{MchOrderNo: "new"})
			return err
		},
		"order_refund": func() error { _, err := gw.Client.Refund(ctx, refundOf("paid", "R1", 1_00)); return err },
	} {
		assert.ErrorIs(t, do(), ksher.CodeKsherSystemError, name)
		assert.Equal(t, before, state(), name)
	}
	for name, do := range map[string]func() error{
		"Begin":  func() error { return gw.Begin("new", "") },
		"Pay":    func() error { return gw.Pay("new", "") },
		"Fail":   func() error { return gw.Fail("new") },
		"Expire": func() error { return gw.Expire("new") },
		"Settle": func() error { return gw.Settle("paid") },
	} {
		assert.ErrorIs(t, do(), core.ErrStore, name)
		assert.Equal(t, before, state(), name)
	}
	// The notification goes out, and is remembered as far as memory goes.
	require.ErrorIs(t, gw.Deliver(ctx, "paid"), core.ErrStore)
	before = state()
	assert.ErrorIs(t, gw.AdvanceContext(ctx, time.Hour), core.ErrStore)
	assert.Equal(t, before, state())

	store.Full = false
	require.NoError(t, gw.Pay("new", ""))
	_, err := gw.Client.Refund(ctx, refundOf("paid", "R1", 1_00))
	require.NoError(t, err)
	_, err = gw.Client.GatewayPay(ctx, storedOrder("fourth"))
	require.NoError(t, err)
	before = state()
	gw.Close()
	gw, err = sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(0))
	require.NoError(t, err)
	defer gw.Close()
	assert.Equal(t, before, state())
}

// The clock never goes back, however the gateway ended and at whatever speed it goes on.
func TestClockAfterARestart(t *testing.T) {
	for name, speeds := range map[string][2]float64{"slower": {1_000_000, 1}, "as fast": {60_000, 60_000}, "standing": {1_000_000, 0}, "faster": {1, 60_000}} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " killed ", killed), func(t *testing.T) {
				store := new(sandboxtest.MemoryStore)
				gw, err := sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(speeds[0]))
				require.NoError(t, err)
				defer gw.Close()
				_, err = gw.Client.GatewayPay(t.Context(), storedOrder("A-1"))
				require.NoError(t, err)
				for began := gw.Now(); speeds[0] > 1 && gw.Now().Sub(began) < 10*time.Second; { // A query then shows what nothing writes down.
				}
				if !killed {
					gw.Close()
				}
				seen := gw.Now()
				if !killed {
					seen = seen.Add(-time.Hour) // It runs on while it is being looked at.
				}
				again, err := sandbox.Start(sandbox.WithStore(&sandboxtest.MemoryStore{Beside: store.Beside, Orders: store.Orders}), sandbox.WithSpeed(speeds[1]))
				require.NoError(t, err)
				defer again.Close()
				assert.False(t, again.Now().Before(seen), "%v, and before %v", again.Now(), seen)
			})
		}
	}
}

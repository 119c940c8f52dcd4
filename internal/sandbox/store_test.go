package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
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
	store := new(MemoryStore)
	ctx := t.Context()

	gw, err := Start(WithStore(store), WithSpeed(0))
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
	require.ErrorIs(t, gw.Deliver(ctx, "paid"), ErrNotAccepted)
	_, err = gw.Client.Refund(ctx, refundOf("paid", "R1", 40_00))
	require.NoError(t, err)
	gw.Advance(time.Millisecond) // Less than the second to the next attempt.
	before, now := gw.Orders(), gw.Now()
	gw.Close()

	gw, err = Start(WithStore(store), WithSpeed(0))
	require.NoError(t, err)
	defer gw.Close()
	after := gw.Orders()
	require.Len(t, after, 3)
	for i := range before {
		assert.Equal(t, string(marshal(before[i])), string(marshal(after[i])))
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

// MemoryStore is a store that outlives its gateways. It is full on request.
type MemoryStore struct {
	beside []byte
	orders map[int][]byte
	full   bool
}

func (s *MemoryStore) Load() ([]byte, []Record, error) {
	var orders []Record
	for _, serial := range slices.Sorted(maps.Keys(s.orders)) {
		orders = append(orders, Record{serial, s.orders[serial]})
	}
	return s.beside, orders, nil
}

func (s *MemoryStore) Save(beside []byte, keep []Record, forget []int) error {
	if s.full {
		return errors.New("no space left on device")
	}
	if s.orders == nil {
		s.orders = make(map[int][]byte)
	}
	s.beside = beside
	for _, r := range keep {
		s.orders[r.Serial] = r.Text
	}
	for _, serial := range forget {
		delete(s.orders, serial)
	}
	return nil
}

func TestStoreThatCannotBeRead(t *testing.T) {
	for want, s := range map[string]*MemoryStore{
		"its format is 1":         {beside: []byte(`{"Format":1}`)},
		"invalid character":       {beside: []byte("x")},
		"order 7 can't be read: ": {beside: marshal(meta{Format: storeFormat}), orders: map[int][]byte{7: []byte("{")}},
	} {
		_, err := Start(WithStore(s))
		assert.ErrorContains(t, err, want)
	}
}

func TestDataForgetsWithTheGateway(t *testing.T) {
	store := new(MemoryStore)
	gw, err := Start(WithStore(store), WithMaxOrders(2))
	require.NoError(t, err)
	for i := range 5 {
		_, err := gw.Client.GatewayPay(t.Context(), storedOrder(fmt.Sprint("order", i)))
		require.NoError(t, err)
	}
	gw.Close()
	for _, want := range [][]string{{"order3", "order4"}, {"order4"}} {
		gw, err := Start(WithStore(store), WithMaxOrders(len(want)))
		require.NoError(t, err)
		var nos []string
		for _, o := range gw.Orders() {
			nos = append(nos, o.MchOrderNo)
		}
		gw.Close()
		assert.Equal(t, want, nos)
	}
	assert.Len(t, store.orders, 1)
}

func TestFullDisk(t *testing.T) {
	ctx := t.Context()
	store := new(MemoryStore)
	gw := New(t, WithStore(store), WithMaxOrders(3))
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
	state := func() string { return string(marshal(map[string]any{"orders": gw.Orders(), "now": gw.Now()})) }
	before := state()

	store.full = true
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
		assert.ErrorIs(t, do(), errStore, name)
		assert.Equal(t, before, state(), name)
	}
	// The notification goes out, and is remembered as far as memory goes.
	require.ErrorIs(t, gw.Deliver(ctx, "paid"), errStore)
	before = state()
	assert.ErrorIs(t, gw.advance(ctx, time.Hour), errStore)
	assert.Equal(t, before, state())

	store.full = false
	require.NoError(t, gw.Pay("new", ""))
	_, err := gw.Client.Refund(ctx, refundOf("paid", "R1", 1_00))
	require.NoError(t, err)
	_, err = gw.Client.GatewayPay(ctx, storedOrder("fourth"))
	require.NoError(t, err)
	before = state()
	gw.Close()
	gw, err = Start(WithStore(store), WithSpeed(0))
	require.NoError(t, err)
	defer gw.Close()
	assert.Equal(t, before, state())
}

package tests

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// shop is a merchant with a local gateway: a handler of notifications that can
// be down, and a list of open orders.
type shop struct {
	gw     *sandbox.Gateway
	client *ksher.Client
	*ksher.Payments
	till   *till
	url    string
	down   atomic.Bool
	orders testkit.OrderList
}

func newShop(t *testing.T, opts ...ksher.PaymentsOption) *shop {
	s := &shop{gw: sandbox.New(t), till: &till{}}
	s.client = s.gw.Client
	s.Payments = s.till.payments(t, s.client, nil, opts...).Payments
	handler, err := s.Notifications(func(ctx context.Context, no string) (ksher.OpenOrder, error) { return s.orders.Expected(ctx, no) })
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// create makes an order at both hosts in turn.
func (s *shop) create(t *testing.T, no string, host ksher.Host) {
	var open ksher.OpenOrder
	var err error
	if host == ksher.HostMerchant {
		req := testkit.GoodNativePay()
		req.MchOrderNo, req.NotifyURL, req.Channel = no, s.url, ksher.ChannelPromptPay
		open = req.OpenOrder()
		_, err = s.client.NativePay(t.Context(), req)
	} else {
		req := testkit.GoodGatewayPay()
		req.MchOrderNo, req.MchNotifyURL = no, s.url
		open = req.OpenOrder()
		_, err = s.client.GatewayPay(t.Context(), req)
	}
	require.NoError(t, err)
	s.orders = append(s.orders, open)
}

func (s *shop) pass(t *testing.T) ksher.PassResult {
	t.Helper()
	return pass(t, listed{s.Payments, s.orders})
}

// The three payments that a handler of notifications never hears of.
func TestPassFindsPayments(t *testing.T) {
	for _, host := range []ksher.Host{ksher.HostGateway, ksher.HostMerchant} {
		t.Run("after two hours of watching "+string(host), func(t *testing.T) {
			s := newShop(t)
			s.create(t, "order1", host)
			require.Equal(t, ksher.PassResult{Asked: 1, Open: 1}, s.pass(t))
			s.gw.Advance(2*time.Hour + time.Second)
			require.NoError(t, s.gw.Pay("order1", ksher.ChannelPromptPay))
			s.gw.Advance(30 * time.Hour)
			require.ErrorIs(t, s.gw.Deliver(t.Context(), "order1"), sandbox.ErrNoNotification)
			require.Empty(t, s.till.all())
			for range 2 {
				require.Equal(t, ksher.PassResult{Asked: 1, Paid: 1}, s.pass(t))
				require.Equal(t, []string{"paid order1"}, s.till.all())
			}
		})
		t.Run("while the merchant was down "+string(host), func(t *testing.T) {
			s := newShop(t)
			s.create(t, "order1", host)
			s.down.Store(true)
			require.NoError(t, s.gw.Pay("order1", ksher.ChannelPromptPay))
			s.gw.Advance(30 * time.Hour)
			o, err := s.gw.Order("order1")
			require.NoError(t, err)
			require.Len(t, o.Deliveries, 13)
			s.down.Store(false)
			s.gw.Advance(30 * time.Hour)
			require.Empty(t, s.till.all())
			require.Equal(t, ksher.PassResult{Asked: 1, Paid: 1}, s.pass(t))
			require.Equal(t, []string{"paid order1"}, s.till.all())
		})
	}
	t.Run("cancelled, and paid all the same", func(t *testing.T) {
		s := newShop(t)
		s.create(t, "order1", ksher.HostGateway)
		_, err := s.client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "order1"})
		require.NoError(t, err)
		require.Equal(t, ksher.PassResult{Asked: 1, Ended: 1}, s.pass(t))
		require.Equal(t, ksher.PassResult{Asked: 1, Ended: 1}, s.pass(t))
		require.NoError(t, s.gw.Pay("order1", ksher.ChannelPromptPay))
		require.Equal(t, ksher.PassResult{Asked: 1, Paid: 1}, s.pass(t))
		require.Equal(t, ksher.PassResult{Asked: 1, Paid: 1}, s.pass(t))
		require.NoError(t, s.gw.Deliver(t.Context(), "order1"))
		require.Equal(t, []string{"ended closed order1", "paid order1"}, s.till.all())
	})
}

// Each payment is reported once, whoever hears of it first.
func TestPassAndHandler(t *testing.T) {
	for _, first := range []string{"the handler", "the pass", "both"} {
		t.Run(first, func(t *testing.T) {
			s := newShop(t)
			var want []string
			for i := range 8 {
				s.create(t, fmt.Sprint("order", i), []ksher.Host{ksher.HostGateway, ksher.HostMerchant}[i%2])
				require.NoError(t, s.gw.Pay(fmt.Sprint("order", i), ksher.ChannelPromptPay))
				want = append(want, fmt.Sprint("paid order", i))
			}
			deliver := func() {
				for i := range 8 {
					// A delivery that meets the reconciler at work has to come back.
					if err := s.gw.Deliver(t.Context(), fmt.Sprint("order", i)); err != nil {
						assert.ErrorIs(t, err, sandbox.ErrNotAccepted)
					}
				}
			}
			switch first {
			case "the handler":
				deliver()
				s.pass(t)
			case "the pass":
				s.pass(t)
				deliver()
			case "both":
				var running sync.WaitGroup
				for range 3 {
					running.Go(deliver)
				}
				s.pass(t)
				running.Wait()
			}
			require.Equal(t, ksher.PassResult{Asked: 8, Paid: 8}, s.pass(t))
			deliver()
			got := s.till.all()
			slices.Sort(got)
			require.Equal(t, want, got)
		})
	}
}

// Two passes, as on two servers that share a Deduper.
func TestTwoPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := testkit.Telling(ksher.ResultSuccess)
		one := hosts.Client(t)
		m, list := &till{}, openOrders(50)
		keys := &once.Memory{}
		slow := func(ctx context.Context, o *ksher.Order) error {
			time.Sleep(time.Second)
			return m.paid(ctx, o)
		}
		sums := make([]ksher.PassResult, 2)
		var running sync.WaitGroup
		for i := range sums {
			running.Go(func() {
				var err error
				sums[i], err = testkit.PaymentsTo(t, one, slow, ksher.WithDeduper(keys), budget(t, 1000, 1)).Pass(t.Context(), list, "")
				assert.NoError(t, err)
			})
		}
		running.Wait()
		got := m.all()
		slices.Sort(got)
		require.Len(t, got, 50)
		require.Equal(t, got, slices.Compact(slices.Clone(got)))
		for _, sum := range sums {
			require.Equal(t, 50, sum.Asked)
			require.Equal(t, 50, sum.Paid+sum.Open)
		}
		require.Positive(t, sums[0].Open+sums[1].Open, "they never met")
		require.Equal(t, ksher.PassResult{Asked: 50, Paid: 50}, pass(t, m.payments(t, one, list, ksher.WithDeduper(keys))))
		require.Len(t, m.all(), 50)
	})
}

// Two payments share what WithDeduper gives them.
func TestPassesShareADeduper(t *testing.T) {
	keys := &keyed{done: map[string]bool{}}
	m, hosts := &till{}, testkit.Telling(ksher.ResultSuccess)
	for range 2 {
		p := m.payments(t, hosts.Client(t), openOrders(3), ksher.WithDeduper(keys))
		require.Equal(t, ksher.PassResult{Asked: 3, Paid: 3}, pass(t, p))
	}
	require.Equal(t, []string{"paid order0000", "paid order0001", "paid order0002"}, m.all())
}

// keyed is a Deduper for one call at a time.
type keyed struct{ done map[string]bool }

func (k *keyed) Once(ctx context.Context, key string, fn func(context.Context) error) error {
	if k.done[key] {
		return nil
	}
	err := fn(ctx)
	k.done[key] = err == nil
	return err
}

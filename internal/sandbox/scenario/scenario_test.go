package scenario_test

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/sandbox/scenario"
)

// shop is a shop with one order, which a test lets do right or wrong.
type shop struct {
	t        *testing.T
	gw       *sandbox.Gateway
	no       string
	payments *ksher.Payments
	// believes lets it say SUCCESS to anything.
	believes bool
	notify   http.Handler
}

func newShop(t *testing.T, channels ...ksher.Channel) *shop {
	s := &shop{t: t, gw: sandbox.New(t), no: "A-1"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.believes {
			io.WriteString(w, `{"result":"SUCCESS","msg":"OK"}`)
			return
		}
		s.notify.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var err error
	s.payments, err = ksher.NewPayments(s.gw.Client, func(context.Context, *ksher.Order) error { return nil },
		ksher.WithProblem(func(context.Context, ksher.OpenOrder, error) {}))
	require.NoError(t, err)
	pay := s.order(s.no, server.URL, channels)
	s.notify, err = s.payments.Notifications(func(_ context.Context, no string) (ksher.OpenOrder, error) {
		open := pay.OpenOrder()
		open.MchOrderNo = no
		return open, nil
	})
	require.NoError(t, err)
	_, err = s.gw.Client.GatewayPay(t.Context(), pay)
	require.NoError(t, err)
	return s
}

func (s *shop) order(no, notifyURL string, channels []ksher.Channel) *ksher.GatewayPayRequest {
	pay := sandboxtest.GatewayPay(no)
	pay.MchNotifyURL = notifyURL
	if len(channels) > 0 {
		pay.ChannelList = channels
	}
	return pay
}

// play plays a scenario by the control API, and expects that status.
func (s *shop) play(name string, status int) string {
	s.t.Helper()
	got, body := sandboxtest.Ask(s.t, s.gw, "POST", "/control/orders/"+s.no+"/scenario", `{"name":"`+name+`"}`)
	require.Equal(s.t, status, got, body)
	return body
}

// mark is how the shop copes so far.
func (s *shop) mark() string {
	s.t.Helper()
	_, body := sandboxtest.Ask(s.t, s.gw, "GET", "/control/orders/"+s.no, "")
	var order struct{ Scenario struct{ Mark, Why string } }
	require.NoError(s.t, json.Unmarshal([]byte(body), &order))
	require.NotEmpty(s.t, order.Scenario.Why)
	_, page := sandboxtest.Ask(s.t, s.gw, "GET", "/order?no="+s.no, "")
	assert.Contains(s.t, html.UnescapeString(page), order.Scenario.Why[:20])
	return order.Scenario.Mark
}

func (s *shop) deliver() { s.gw.Deliver(s.t.Context(), s.no) }

func (s *shop) query() {
	s.gw.Client.GatewayOrderQuery(s.t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: s.no})
}

// Each shop is told what it did: "waiting" before it did anything, then the mark that it
// deserves.
func TestScenarios(t *testing.T) {
	for name, tt := range map[string]struct {
		scenario string
		channels []ksher.Channel
		before   func(*shop)
		does     func(*shop)
		want     string
	}{
		"slow, asked first": {scenario: "slow", does: (*shop).deliver, want: "good"},
		"slow, believed unasked": {scenario: "slow", does: func(s *shop) {
			s.believes = true
			s.deliver()
		}, want: "bad"},
		"lost, asked": {scenario: "lost", does: (*shop).query, want: "good"},
		"lost, waits": {scenario: "lost", does: func(s *shop) { s.gw.Advance(60 * 60 * 1e9) }, want: "waiting"},
		"doubt, same number again": {scenario: "refund-in-doubt", does: func(s *shop) {
			s.refundByOrder("R-1")
			s.refundByOrder("R-1")
		}, want: "good"},
		"doubt, asked": {scenario: "refund-in-doubt", does: func(s *shop) {
			s.refundByOrder("R-1")
			s.gw.Client.RefundQuery(t.Context(), &ksher.RefundQueryRequest{KsherOrderNo: s.seen().KsherOrderNo, MchRefundNo: "R-1"})
		}, want: "good"},
		"doubt, another number": {scenario: "refund-in-doubt", does: func(s *shop) {
			s.refundByOrder("R-1")
			s.refundByOrder("R-2")
		}, want: "bad"},
		"doubt, asked, then more": {scenario: "refund-in-doubt", does: func(s *shop) {
			s.refundByOrder("R-1")
			s.gw.Client.RefundQuery(t.Context(), &ksher.RefundQueryRequest{KsherOrderNo: s.seen().KsherOrderNo, MchRefundNo: "R-1"})
			s.refundByOrder("R-2")
		}, want: "good"},
		"doubt, refused, then another": {scenario: "refund-in-doubt", does: func(s *shop) {
			sandboxtest.Ask(s.t, s.gw, "POST", "/KsherPay/order_refund", "appid=mch00000&sign=00&mch_refund_no=R-0&ksher_order_no="+s.seen().KsherOrderNo,
				"Content-Type", "application/x-www-form-urlencoded")
			s.refundByOrder("R-1")
			s.refundByOrder("R-1")
		}, want: "good"},
		"doubt, again without an answer": {scenario: "refund-in-doubt", does: func(s *shop) {
			s.refundByOrder("R-1")
			require.NoError(s.t, s.gw.Inject(sandbox.Fault{Operation: "order_refund", Kind: sandbox.FaultDropAfter}))
			s.refundByOrder("R-1")
		}, want: "waiting"},
		"doubt, gave up": {scenario: "refund-in-doubt", does: func(s *shop) { s.refundByOrder("R-1") }, want: "waiting"},
		"twice, gave one back": {scenario: "paid-twice", before: (*shop).second, does: func(s *shop) {
			require.NoError(s.t, s.gw.RefundOnPlatform("A-2", 150_50))
		}, want: "good"},
		"twice, kept both": {scenario: "paid-twice", before: (*shop).second, does: func(*shop) {}, want: "waiting"},
		"twice, gave both back": {scenario: "paid-twice", before: (*shop).second, does: func(s *shop) {
			require.NoError(s.t, s.gw.RefundOnPlatform("A-1", 150_50))
			require.NoError(s.t, s.gw.RefundOnPlatform("A-2", 150_50))
		}, want: "bad"},
		"cancelled, took it": {scenario: "cancelled-then-paid", channels: []ksher.Channel{"promptpay"}, does: (*shop).deliver, want: "good"},
		"cancelled, believed unasked": {scenario: "cancelled-then-paid", channels: []ksher.Channel{"promptpay"}, does: func(s *shop) {
			s.believes = true
			s.deliver()
		}, want: "bad"},
		"key, refused and took": {scenario: "key-changed", does: func(s *shop) {
			for range 6 {
				s.deliver()
			}
		}, want: "good"},
		"key, not met": {scenario: "key-changed", does: func(s *shop) {
			s.gw.ClearFaults()
			s.deliver()
		}, want: "waiting"},
		"key, believed": {scenario: "key-changed", does: func(s *shop) {
			s.believes = true
			s.deliver()
		}, want: "bad"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(scenario.SetSlowness(time.Millisecond))
			s := newShop(t, tt.channels...)
			if tt.before != nil {
				tt.before(s)
			}
			body := s.play(tt.scenario, 200)
			assert.Contains(t, body, `"mark": "waiting"`)
			assert.Equal(t, "waiting", s.mark())
			tt.does(s)
			assert.Equal(t, tt.want, s.mark())
		})
	}
}

func (s *shop) seen() sandbox.Order { return sandboxtest.Seen(s.t, s.gw, s.no) }

// second creates another order over the same amount.
func (s *shop) second() {
	_, err := s.gw.Client.GatewayPay(s.t.Context(), s.order("A-2", "", nil))
	require.NoError(s.t, err)
}

// refundByOrder refunds once, without finding out.
func (s *shop) refundByOrder(no string) {
	s.gw.Client.OrderRefund(s.t.Context(), &ksher.OrderRefundRequest{
		KsherOrderNo: s.seen().KsherOrderNo, MchRefundNo: no, RefundFee: 10_00, TotalFee: 150_50, FeeType: "THB",
	})
}

// What a scenario does to its order it does to no other, which comes first here.
func TestOtherOrdersGoOn(t *testing.T) {
	s := newShop(t)
	s.second()
	require.NoError(t, s.gw.Pay("A-2", ""))
	other, err := s.gw.Order("A-2")
	require.NoError(t, err)
	s.play("key-changed", 200)
	s.play("refund-in-doubt", 200)
	waiting := len(s.gw.Faults())
	_, err = s.gw.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-2"})
	require.NoError(t, err)
	_, err = s.gw.Client.OrderRefund(t.Context(), &ksher.OrderRefundRequest{
		KsherOrderNo: other.KsherOrderNo, MchRefundNo: "R-2", RefundFee: 10_00, TotalFee: 150_50, FeeType: "THB",
	})
	require.NoError(t, err)
	assert.Len(t, s.gw.Faults(), waiting)
	_, err = s.gw.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: s.no})
	require.ErrorIs(t, err, ksher.ErrSignature)
}

// What can't be played changes nothing, and says why.
func TestNotPlayable(t *testing.T) {
	s := newShop(t, "card")
	assert.Contains(t, s.play("zap", 404), "key-changed")
	assert.Contains(t, s.play("paid-twice", 409), "second phone")
	assert.Contains(t, s.play("cancelled-then-paid", 409), "promptpay")
	assert.NotContains(t, historyOf(s), "scenario")
	assert.Empty(t, s.gw.Faults())
	require.NoError(t, s.gw.Pay(s.no, ""))
	for _, name := range []string{"slow", "lost", "key-changed", "paid-twice"} {
		assert.Contains(t, s.play(name, 409), "paid")
	}
	assert.NotContains(t, historyOf(s), "scenario")
	assert.Empty(t, s.gw.Faults())
	s.no = "none"
	s.play("lost", 404)
	_, list := sandboxtest.Ask(t, s.gw, "GET", "/control/scenarios", "")
	assert.Equal(t, 6, strings.Count(list, `"good_shop"`))
}

func historyOf(s *shop) string {
	var b strings.Builder
	for _, e := range s.seen().History {
		b.WriteString(e.What)
	}
	return b.String()
}

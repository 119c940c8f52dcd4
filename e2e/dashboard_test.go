package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// The developer finds an order on the dashboard, plays the buyer by its button,
// and sees the notification arrive.
func TestDashboard(t *testing.T) {
	t.Parallel()
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			const no = "D1001"
			s := newShop(t)
			b := s.visit(l)
			home := s.gateway.URL() + "/"
			b.open(home)
			b.see("No orders yet")
			b.look("dashboard-empty")
			b.schemes("dashboard-empty-dark")

			for i, other := range []string{"D0001", "D0002", "D0003", "D0004"} {
				s.order(other, []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelCard, ksher.ChannelKPlus})
				play := []func(string) error{
					func(no string) error { return s.gateway.Begin(no, ksher.ChannelCard) }, s.gateway.Fail, s.gateway.Expire,
					func(no string) error { return s.gateway.Pay(no, ksher.ChannelKPlus) },
				}
				require.NoError(t, play[i](other))
			}
			s.expectPaid("D0004", ksher.ChannelKPlus, 4500_00)
			s.expectRefund("D0004", ksher.ChannelKPlus, 4500_00)
			// Text of a request is shown as text.
			s.order(no, []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard}, func(r *ksher.GatewayPayRequest) {
				r.ProductName, r.Attach = `<img src=x onerror="console.error('attacked')">`, `"><script>console.error('attacked')</script>`
			})
			b.open(home)
			b.see(no, "4,500.00 THB", "created", "failed", "expired", "in progress", "refunded in part")
			b.look("dashboard-orders")
			b.schemes("dashboard-orders-dark")

			b.follow(`a[href="/order?no=` + no + `"]`)
			b.see(no, "Notification", "History", "onerror=")
			b.look("dashboard-order")
			require.NoError(t, b.setSelect("form[action='/do/pay'] select", string(ksher.ChannelCard)))
			b.follow("form[action='/do/pay'] button")
			assert.True(t, b.has("[role=status]"), "the page says what the button did")
			s.expectPaid(no, ksher.ChannelCard, 4500_00)
			b.open(home + "order?no=" + no)
			b.see("paid by card", "accepted", "HTTP 200", `"result":"SUCCESS"`)
			b.look("dashboard-paid")
			b.schemes("dashboard-paid-dark")

			b.follow("form[action='/do/deliver'] button")
			order, err := s.gateway.Order(no)
			require.NoError(t, err)
			assert.Len(t, order.Deliveries, 2, "the button repeats the notification")

			b.open(home + "requests")
			b.click(".request summary")
			b.see("gateway_pay", "order_refund", "gateway_order_query", "Text to sign", "appid="+sandbox.AppID)
			b.look("dashboard-requests")
			b.schemes("dashboard-requests-dark")
			b.open(home + "setup")
			b.see(sandbox.AppID, s.gateway.GatewayURL(), "BEGIN")
			b.look("dashboard-setup")
			b.schemes("dashboard-setup-dark")
		})
	}
}

// A request with a wrong signature is explained.
func TestDashboardExplainsSignatures(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(pc)
	resp, err := s.gateway.HTTPClient().PostForm(s.gateway.GatewayURL()+"/gateway_order_query", map[string][]string{
		"appid": {sandbox.AppID}, "mch_order_no": {"D2001"}, "nonce_str": {"n"}, "time_stamp": {"20260101000000"}, "sign": {"00"},
	})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	b.open(s.gateway.URL() + "/requests")
	b.see(string(ksher.CodeKsherSignError), "mch_order_no=D2001")
	b.look("dashboard-wrong-signature")
}

// Faults are injected by a form, happen, and are cleared.
func TestDashboardFaults(t *testing.T) {
	t.Parallel()
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			b := s.visit(l)
			b.open(s.gateway.URL() + "/faults")
			b.look("dashboard-faults")
			for _, input := range []string{"delay", "code"} {
				assert.True(t, eval[bool](b, fmt.Sprintf(`(() => {
					const at = id => document.querySelector(id).getBoundingClientRect();
					const input = at('[name=%[1]s]'), hint = at('#%[1]s-help');
					return hint.left === input.left && hint.top >= input.bottom && hint.top - input.bottom < 16;
				})()`, input)), "the hint of %s stands below it", input)
			}
			require.NoError(t, b.setSelect("select[name=operation]", "order_refund"))
			require.NoError(t, b.setSelect("select[name=kind]", string(sandbox.FaultDropAfter)))
			b.fill("input[name=count]", "2")
			b.follow("form[action='/do/inject'] button")
			assert.Equal(t, []sandbox.Fault{{Operation: "order_refund", Kind: sandbox.FaultDropAfter, Count: 2}}, s.gateway.Faults())
			b.see("order_refund", "drop-after")
			b.look("dashboard-faults-waiting")
			b.follow("form[action='/do/clear'] button")
			assert.Empty(t, s.gateway.Faults())

			before := s.gateway.Now()
			b.fill("input[name=number]", "90")
			b.follow("form[action='/do/advance'] button")
			assert.GreaterOrEqual(t, s.gateway.Now().Sub(before).Minutes(), 90.0)
		})
	}
}

// An address that doesn't exist has a page of its own.
func TestDashboardMissing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(h5)
	b.allow(`\b404\b`)
	for _, path := range []string{"/nothing", "/order?no=none"} {
		b.open(s.gateway.URL() + path)
		b.look("dashboard-missing")
	}
}

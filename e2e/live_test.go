package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// schemes looks at the page in dark colours.
func (b *buyer) schemes(name string) {
	b.t.Helper()
	scheme := func(value string) {
		require.NoError(b.t, b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
			})
			return err
		})))
	}
	scheme("dark")
	b.look(name)
	scheme("light")
}

// Orders and what becomes of them appear on pages that are open, and what the developer is
// doing there isn't disturbed.
func TestDashboardIsLive(t *testing.T) {
	t.Parallel()
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			b := s.visit(l)
			home := s.gateway.URL() + "/"
			channels := []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard}
			b.open(home)
			b.see("No orders yet")
			eval[bool](b, "window.same = true")
			b.fill("input[name=amount]", "77")
			s.order("L-1", channels)
			b.until("document.querySelector('[href=\"/order?no=L-1\"]')")
			assert.Equal(t, "77", eval[string](b, "document.querySelector('input[name=amount]').value"), "what is typed stays")
			b.see("1 in all")

			b.until("(document.querySelector('[href=\"/order?no=L-1\"]').focus(), document.activeElement.tagName === 'A')")
			s.order("L-2", channels)
			b.until("document.querySelectorAll('[data-rows] tr').length === 2")
			assert.Equal(t, "L-2", eval[string](b, "document.querySelector('[data-rows] a').textContent"), "the newest is the first")
			assert.Equal(t, "L-1", eval[string](b, "document.activeElement.textContent"), "the focus stays")
			require.NoError(t, s.gateway.Pay("L-1", ksher.ChannelCard))
			b.until("document.querySelectorAll('[data-rows] tr')[1].innerText.includes('paid')")
			assert.Equal(t, "L-1", eval[string](b, "document.activeElement.textContent"), "also in a row that has changed")
			assert.True(t, eval[bool](b, "window.same"), "and the page was not loaded again")
			b.look("live-orders")

			b.open(home + "?state=failed")
			b.see("No such order")
			require.NoError(t, s.gateway.Fail("L-2"))
			b.until("document.querySelector('[href=\"/order?no=L-2\"]')")
			assert.False(t, b.has("[href='/order?no=L-1']"), "the filter holds")

			b.open(home + "order?no=L-1")
			b.click("#story-list")
			b.click("#open-1")
			require.NoError(t, s.gateway.RefundOnPlatform("L-1", 10_00))
			b.until("document.getElementById('history-panel').innerText.includes('on the merchant platform')")
			b.see("refunded in part", "10.00 THB")
			b.until("document.getElementById('story-panel').innerText.includes('on the merchant platform')")
			assert.True(t, eval[bool](b, "document.querySelector('#open-1').parentElement.open"), "a step that is open stays so")
			assert.Equal(t, "open-1", eval[string](b, "document.activeElement.id"), "also the focus")

			s.order("L-3", channels)
			b.open(home + "order?no=L-3")
			b.see("Not paid yet")
			require.NoError(t, s.gateway.Pay("L-3", ksher.ChannelCard))
			b.until("!document.getElementById('story-panel').innerText.includes('Not paid yet')")
		})
	}
}

// Requests appear, too, and one that is being read stays open.
func TestDashboardRequestsAreLive(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(pc)
	b.open(s.gateway.URL() + "/requests")
	b.see("No requests yet")
	channels := []ksher.Channel{ksher.ChannelCard}
	s.order("R-1", channels)
	b.until("document.querySelector('.request')")
	assert.False(t, b.has("#none .panel"))
	b.click(".request summary")
	b.click(".request details summary")
	for i := range 3 {
		s.order(fmt.Sprint("R-1", i), channels)
		b.until(fmt.Sprintf("document.querySelectorAll('.request').length === %d", i+2))
	}
	b.see("the last 4", "Parameters")
	assert.True(t, eval[bool](b, "!!document.querySelector('.request:last-child[open] details[open]')"))
	assert.Equal(t, 4, eval[int](b, "document.querySelectorAll('.request .copy').length"))
	b.look("requests")
}

// A developer with nothing yet creates an order, sees its page, pays, and gives the money
// back as the merchant platform would.
func TestDashboardCreates(t *testing.T) {
	t.Parallel()
	for _, scripts := range []bool{true, false} {
		for _, l := range bothLayouts {
			t.Run(fmt.Sprint(l.name, " scripts ", scripts), func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				b := s.visit(l)
				if !scripts {
					b.allowScripts(false)
				}
				home := s.gateway.URL() + "/"
				b.open(home)
				b.see("The same from a program")
				b.click("[name=language][value=python]")
				b.see("Needs openssl")
				assert.False(t, b.has("#call-go"))
				assert.Equal(t, scripts, b.has("#call-python .copy"), "copying takes a script")
				if scripts {
					b.click("#call-python .copy")
					b.see("Copied")
					assert.Contains(t, eval[string](b, "getSelection().toString()"), "urllib.parse.urlencode")
				}
				b.look("python")
				b.follow("[name=then][value=order]")
				b.see("The order was created", "The call that made it", "PromptPay")
				orders := s.gateway.Orders()
				require.Len(t, orders, 1)
				no := orders[0].MchOrderNo
				b.look("created")
				b.open(home)
				assert.True(t, b.has("[href='/order?no="+no+"']"))
				b.open(home + "order?no=" + no)
				b.follow("form[action='/do/pay'] button")
				b.follow("form[action='/do/settle'] button")
				b.fill("form[action='/do/refund'] input[name=amount]", "50.50")
				b.look("refunding")
				b.follow("form[action='/do/refund'] button")
				b.see("refunded in part", "50.50 THB", "wasn't asked")
				assert.Equal(t, sandbox.RefundedInPart, s.state(no))
			})
		}
	}
}

// The checkout page opens beside the dashboard.
func TestDashboardOpensThePage(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(pc)
	b.open(s.gateway.URL() + "/")
	b.click("[name=then][value=page]")
	checkout := s.gateway.URL() + "/ua?"
	require.Eventually(t, func() bool {
		infos, err := chromedp.Targets(b.ctx)
		return err == nil && slices.ContainsFunc(infos, func(i *target.Info) bool { return strings.HasPrefix(i.URL, checkout) })
	}, stepTimeout, pollEvery)
	// A page that isn't seen doesn't listen, and catches up when it is seen again.
	require.NoError(t, b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.BringToFront, cdp.Empty{})
		return err
	})))
	b.until("document.querySelector('[data-rows] a')")
}

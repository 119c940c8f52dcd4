package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

func TestLanguages(t *testing.T) {
	t.Parallel()
	tags := map[string]string{"en": "en", "th": "th", "cn": "zh-Hans"}
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			b := s.visit(l)
			texts := make(map[string][]string)
			for _, language := range []string{"en", "th", "cn"} {
				no := "T91-" + string(language)
				b.open(s.order(no, []ksher.Channel{ksher.ChannelCard, ksher.ChannelKTCInstal, ksher.ChannelPromptPay, ksher.ChannelAtome}, lang(language)))
				check := func(page string) {
					assert.Equal(t, tags[language], eval[string](b, "document.documentElement.lang"), page)
					text := eval[string](b, "document.querySelector('h1').innerText + document.querySelector('.lead, [role=status]').innerText")
					assert.NotContains(t, texts[page], text, "%s in %s reads like another language", page, language)
					texts[page] = append(texts[page], text)
					b.look(page + "-" + string(language))
				}
				check("chooser")
				b.choose(ksher.ChannelCard)
				check("card")
				b.submit(nil)
				check("otp")
				b.submit(nil)
				b.still()
				check("paid")
				s.expectPaid(no, ksher.ChannelCard, 4500_00)
			}
			// The buyer can choose another one than the shop did.
			b.open(s.order("T92", []ksher.Channel{ksher.ChannelCard}, lang("th")))
			for _, language := range []string{"cn", "en", "th"} {
				b.follow("#lang-" + string(language))
				assert.Equal(t, tags[language], eval[string](b, "document.documentElement.lang"))
				require.Equal(t, "card", b.at(), "the buyer stays where they were")
			}
		})
	}
}

// lookInOtherLanguages looks at a page in those that it isn't in, once for each name and
// layout, and comes back.
func (b *buyer) lookInOtherLanguages(name string) {
	b.t.Helper()
	if _, seen := looked.LoadOrStore(b.layout.name+" in other languages "+name, true); seen {
		return
	}
	for _, language := range []string{"th", "cn"} {
		b.follow("#lang-" + language)
		b.look(name + "-" + language)
	}
	b.follow("#lang-en")
}

// offered are the channels in all tabs of the chooser.
func (b *buyer) offered() []ksher.Channel {
	b.t.Helper()
	var all []ksher.Channel
	for _, tab := range eval[[]string](b, `[...document.querySelectorAll('.tabs a')].map(e => e.id)`) {
		b.follow("#" + tab)
		assert.Equal(b.t, "page", eval[string](b, fmt.Sprintf("document.getElementById(%q).getAttribute('aria-current')", tab)))
		b.look(tab)
		all = append(all, eval[[]ksher.Channel](b, `[...document.querySelectorAll('#choose input[type=radio]')].map(e => e.value)`)...)
	}
	return all
}

func TestChooser(t *testing.T) {
	t.Parallel()
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			b := s.visit(l)
			onlyHere := func(cs []ksher.Channel) []ksher.Channel {
				return slices.DeleteFunc(slices.Clone(cs), func(c ksher.Channel) bool { return l.name == pc.name && tabOf(c) == "bank" })
			}
			b.open(s.order("T9301", allChannels))
			assert.ElementsMatch(t, onlyHere(allChannels), b.offered())
			b.open(s.order("T9302", allChannels, total(10_00)))
			tooMuch := []ksher.Channel{ksher.ChannelAtome, ksher.ChannelKTCInstal, ksher.ChannelKBankInstal, ksher.ChannelKCCInstal, ksher.ChannelKFCInstal}
			assert.ElementsMatch(t, slices.DeleteFunc(slices.Clone(allChannels), func(c ksher.Channel) bool {
				return tabOf(c) == "bank" || slices.Contains(tooMuch, c)
			}), b.offered(), "below their minimum channels aren't offered")
		})
	}
	t.Run("bank app on PC", func(t *testing.T) {
		s := newShop(t)
		b := s.visit(pc)
		b.open(s.order("T9303", []ksher.Channel{ksher.ChannelKPlus}))
		assert.False(t, b.has("#pay, #choose"), "mobile banking needs a phone")
		b.look("needs-a-phone")
	})
}

// The shop's look, with colours on which white text can't be read.
func TestLook(t *testing.T) {
	t.Parallel()
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			b := s.visit(l)
			b.open(s.order("T9401", []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelCard}, func(r *ksher.GatewayPayRequest) {
				r.Color, r.PaymentColor, r.KsherExplain = "#ffd60a", "#7ae582", "Questions? Write to help@example.com."
			}))
			b.see("Moss and Linen", "Linen shirt", "Questions?")
			assert.True(t, b.has("img.logo"))
			assert.True(t, b.has("#countdown"))
			assert.Equal(t, "rgb(255, 214, 10)", eval[string](b, "getComputedStyle(document.querySelector('.banner')).backgroundColor"))
			assert.Equal(t, "rgb(122, 229, 130)", eval[string](b, "getComputedStyle(document.getElementById('continue')).backgroundColor"))
			b.look("colours")
			before := eval[string](b, "document.getElementById('countdown').textContent")
			b.until(fmt.Sprintf("document.getElementById('countdown').textContent !== %q", before))

			b.open(s.order("T9402", []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelCard}, func(r *ksher.GatewayPayRequest) {
				r.Background, r.KsherExplain, r.HideExplain, r.HideExpTime = s.url+"/logo.svg", "Questions?", ksher.VisibilityHidden, ksher.VisibilityHidden
			}))
			assert.False(t, b.has("#countdown, #explain"))
			b.look("background")
		})
	}
}

// The layout is the one that the shop asked for, whatever the device.
func TestDevice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(pc)
	b.open(s.order("T9501", []ksher.Channel{ksher.ChannelKPlus}, func(r *ksher.GatewayPayRequest) { r.Device = "H5" }))
	require.Equal(t, "open", b.at())
	b.look("h5-on-pc")
}

// A page that is open when the time ends says so by itself.
func TestExpiresWhileOpen(t *testing.T) {
	t.Parallel()
	s := newShop(t, sandbox.WithSpeed(30)) // A minute in two seconds.
	b := s.visit(h5)
	b.open(s.order("T9601", []ksher.Channel{ksher.ChannelPromptPay}, func(r *ksher.GatewayPayRequest) { r.ExpireTime = 1 }))
	b.until("document.querySelector('#result')")
	b.see("expired")
	assert.Equal(t, sandbox.Expired, s.state("T9601"))
}

// The page says on every step that nothing is real.
func TestSaysItIsASimulation(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(h5)
	b.open(s.order("T9701", []ksher.Channel{ksher.ChannelCard}))
	for range 2 {
		assert.True(t, b.has("#simulation"))
		b.see("simulation", "no money moves")
		b.submit(nil)
	}
	b.still()
	assert.True(t, b.has("#simulation"))
}

// Without JavaScript the buyer can pay all the same.
func TestWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(h5)
	require.NoError(t, b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	})))
	b.open(s.order("T9801", allChannels))
	b.choose(ksher.ChannelCard)
	b.look("card-without-scripts")
	b.submit(nil)
	b.submit(nil)
	s.expectPaid("T9801", ksher.ChannelCard, 4500_00)
	b.save("paid")
	require.Eventually(t, func() bool { return strings.HasPrefix(b.where(), s.url+"/thanks") }, stepTimeout, pollEvery)
}

package e2e

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

// heardRoles are what the test tells of a page. The text of paragraphs is StaticText.
var heardRoles = []string{
	"banner", "navigation", "complementary", "main", "contentinfo", "form", "region", "group", "alert", "status", "timer",
	"link", "button", "heading", "radio", "checkbox", "textbox", "image", "StaticText",
}

// clockTime is the time that is left, which runs while the test does.
var clockTime = regexp.MustCompile(`^\d\d:\d\d$`)

// heard is the page as a screen reader goes through it, by Chromium's accessibility tree:
// a role and a name for each thing.
func (b *buyer) heard() []string {
	b.t.Helper()
	nodes := make(map[accessibility.NodeID]*accessibility.Node)
	var root accessibility.NodeID
	require.NoError(b.t, b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		tree, err := cdp.Call(ctx, t, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		if err != nil {
			return err
		}
		for i := range tree.Nodes {
			nodes[tree.Nodes[i].NodeID] = tree.Nodes[i]
		}
		root = tree.Nodes[0].NodeID
		return nil
	})))
	var words []string
	var walk func(accessibility.NodeID, string)
	walk = func(id accessibility.NodeID, above string) {
		n := nodes[id]
		if n == nil {
			return
		}
		role, name := text(n.Role), text(n.Name)
		// The words of a link or a button are its name already.
		said := strings.TrimSpace(role + " " + clockTime.ReplaceAllString(name, "mm:ss"))
		if d := text(n.Description); d != "" {
			said += " (" + d + ")"
		}
		if !n.Ignored && slices.Contains(heardRoles, role) && said != "StaticText" && (role != "StaticText" || name != above) {
			words = append(words, said)
			above = name
		}
		for _, child := range n.ChildIDs {
			walk(child, above)
		}
	}
	walk(root, "")
	return words
}

func text(v *accessibility.Value) (s string) {
	if v != nil {
		json.Unmarshal(v.Value, &s)
	}
	return s
}

// What comes before and after the middle of each page.
var (
	heardBefore = []string{
		"link Skip to payment",
		"banner", "StaticText Simulation",
		"StaticText This is a local test gateway. No money moves, and no bank or wallet is involved.",
		"StaticText Moss and Linen", "navigation Language", "link English", "link ไทย", "link 中文",
		"complementary Order summary", "heading Order summary", "StaticText Amount", "StaticText 4,500.00 THB",
		"StaticText Product", "StaticText Linen shirt, moss green", "StaticText Order number", "StaticText T9901",
	}
	heardTime  = []string{"StaticText Time left to pay", "timer", "StaticText mm:ss"}
	heardAfter = []string{"contentinfo", "StaticText Simulated by kshertest"}
)

// A screen reader tells of the order before it asks for anything, of what was wrong before
// the fields, and of the ways out at the end.
func TestScreenReader(t *testing.T) {
	t.Parallel()
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			b := s.visit(l)
			b.refused()
			b.open(s.order("T9901", []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelCard, ksher.ChannelTrueMoney}))
			cards := map[string]string{pc.name: "link Card", h5.name: "link Credit/debit card"}[l.name]
			assert.Equal(t, slices.Concat(heardBefore, heardTime, []string{
				"main", "heading Choose how to pay", "StaticText Select one, then continue.",
				"navigation Kinds of payment", "link Thai e-wallets", cards,
				"form", "group Payment method", "radio PromptPay", "StaticText PromptPay", "radio TrueMoney", "StaticText TrueMoney",
				"button Continue",
				"form Other options", "button Cancel and return to the shop",
			}, heardAfter), b.heard())

			b.choose(ksher.ChannelCard)
			b.submit(map[string]string{"card_cvc": "x"})
			assert.Equal(t, slices.Concat(heardBefore, heardTime, []string{
				"main", "StaticText Payment method:", "StaticText Credit or debit card", "heading Card details",
				"StaticText Only the test cards below are accepted. Never type a real card.",
				"alert", "StaticText Please check what you entered",
				"link Security code: Enter the three or four digits of the security code.",
				"group", "StaticText Test cards",
				"StaticText 4242 4242 4242 4242", "StaticText Visa, succeeds after the OTP",
				"StaticText 5555 5555 5555 4444", "StaticText Mastercard, succeeds after the OTP",
				"StaticText 6200 0000 0000 0005", "StaticText UnionPay, succeeds after the OTP",
				"StaticText 4000 0000 0000 0002", "StaticText Visa, is declined",
				"StaticText 4000 0000 0000 0119", "StaticText Visa, its OTP never arrives",
				"StaticText Use any name, a future expiry date and any CVC.",
				"form", "StaticText Name on card", "textbox Name on card", "StaticText Test Buyer",
				"StaticText Card number", "textbox Card number",
				"StaticText Expiry date", "StaticText MM/YY", "textbox Expiry date (MM/YY)",
				"StaticText Security code", "StaticText CVC, 3 or 4 digits",
				"textbox Security code (CVC, 3 or 4 digits Enter the three or four digits of the security code.)",
				"StaticText Enter the three or four digits of the security code.",
				"button Pay 4,500.00 THB",
				"form Other options", "button Let the payment fail", "button Choose another way to pay",
				"button Cancel and return to the shop",
			}, heardAfter), b.heard())

			b.submit(nil)
			b.submit(nil)
			b.still()
			assert.Equal(t, slices.Concat(heardBefore, []string{
				"main", "heading Payment successful", "status", "StaticText This order is paid.",
				"StaticText Paid with: Credit or debit card", "StaticText You are taken back to the shop in a few seconds.",
				"link Return to the shop", "link Stay on this page",
			}, heardAfter), b.heard())
		})
	}
}

// moving is how many things on the page move or fade.
const moving = `[...document.querySelectorAll('*')].filter(e => {
	const s = getComputedStyle(e);
	return s.animationName !== 'none' || s.transitionDuration.split(',').some(d => parseFloat(d) > 0);
}).length`

// Nothing moves for those who have asked for that.
func TestReducedMotion(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(h5)
	b.open(s.order("T9911", allChannels))
	for _, wish := range []string{"no-preference", "reduce"} {
		require.NoError(t, b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: wish}},
			})
			return err
		})))
		assert.Equal(t, wish == "no-preference", eval[int](b, moving) > 0, wish)
	}
}

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// allChannels are those that the checkout page describes.
var allChannels = []ksher.Channel{
	ksher.ChannelPromptPay, ksher.ChannelTrueMoney, ksher.ChannelAirPay, ksher.ChannelLinePay, ksher.ChannelAtome,
	ksher.ChannelSCBQRCard, ksher.ChannelWeChat, ksher.ChannelAlipay, ksher.ChannelAlipayPlus, ksher.ChannelCard,
	ksher.ChannelKTCInstal, ksher.ChannelKBankInstal, ksher.ChannelKCCInstal, ksher.ChannelKFCInstal,
	ksher.ChannelSCBEasy, ksher.ChannelBBLDeeplink, ksher.ChannelBAYBankDeeplink, ksher.ChannelKPlus,
}

// tabOf is the tab of the chooser that has a channel.
func tabOf(c ksher.Channel) string {
	switch c {
	case ksher.ChannelPromptPay, ksher.ChannelTrueMoney, ksher.ChannelAirPay, ksher.ChannelLinePay, ksher.ChannelAtome:
		return "thai"
	case ksher.ChannelWeChat, ksher.ChannelAlipay, ksher.ChannelAlipayPlus:
		return "chinese"
	case ksher.ChannelSCBEasy, ksher.ChannelBBLDeeplink, ksher.ChannelBAYBankDeeplink, ksher.ChannelKPlus:
		return "bank"
	}
	return "card"
}

// typed is what a buyer types into the fields of a step.
var typed = map[string]string{
	"card_name": "Test Buyer", "card_number": "4242 4242 4242 4242", "card_expiry": "12/40", "card_cvc": "123",
	"mobile": "081 234 5678", "otp": "123456", "account": "buyer@example.com", "pin": "123456",
}

// at is the step that the page is at, "" for none.
func (b *buyer) at() string {
	b.t.Helper()
	return eval[string](b, `document.querySelector('#leave input[name=step]')?.value ?? ''`)
}

// choose picks a channel in the chooser.
func (b *buyer) choose(c ksher.Channel) {
	b.t.Helper()
	b.follow("#tab-" + tabOf(c))
	b.click(fmt.Sprintf("label[for=channel-%s]", c))
	require.True(b.t, eval[bool](b, fmt.Sprintf("document.getElementById('channel-%s').checked", c)))
	b.follow("#continue")
}

// complete fills in the form of a step. What it finds in values is typed in
// place of what is right.
func (b *buyer) complete(values map[string]string) {
	b.t.Helper()
	type input struct{ Name, Type string }
	for _, f := range eval[[]input](b, `[...document.querySelectorAll('#pay input:not([type=hidden], [type=radio])')].map(e => ({Name: e.name, Type: e.type}))`) {
		value, own := values[f.Name]
		if !own {
			value = typed[f.Name]
		}
		if f.Type == "checkbox" {
			// Saving a card is the buyer's choice, the others are terms.
			if own || f.Name != "save_card" {
				b.click(fmt.Sprintf("label[for=%s]", f.Name))
			}
			continue
		}
		b.fill("#"+f.Name, value)
	}
}

// submit fills in a step and sends it.
func (b *buyer) submit(values map[string]string) {
	b.t.Helper()
	b.complete(values)
	b.follow("#submit")
}

// walk goes through steps, looking at each.
func (b *buyer) walk(name string, steps ...string) {
	b.t.Helper()
	for _, step := range steps {
		require.Equal(b.t, step, b.at(), "the step at %s", b.where())
		b.lookAs(name+"-"+step, step)
		b.lookInOtherLanguages(step)
		b.submit(nil)
	}
}

// still keeps a page that leads on by itself, to look at it.
func (b *buyer) still() {
	eval[bool](b, "(() => { for (let n = setTimeout(() => {}); n > 0; n--) clearTimeout(n); window.stop(); return true; })()")
}

// expectEnd checks the last page of a payment and goes back to the shop.
func (b *buyer) expectEnd(name string, good bool, back string) {
	b.t.Helper()
	b.still()
	require.True(b.t, b.has("#result"), b.text())
	assert.Equal(b.t, good, b.has("#result.good"), b.text())
	b.look(name)
	b.click("#return")
	b.untilAt(back)
	b.save("shop")
}

// journey is how a buyer pays by a channel.
type journey struct {
	channels []ksher.Channel
	layouts  []layout
	// way is the way that isn't the first, "" for the first.
	way   string
	steps []string
}

var journeys = []journey{
	{[]ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelSCBQRCard, ksher.ChannelTrueMoney}, bothLayouts, "", []string{"qr"}},
	{[]ksher.Channel{ksher.ChannelWeChat, ksher.ChannelAtome}, []layout{pc}, "", []string{"qr"}},
	{[]ksher.Channel{ksher.ChannelWeChat}, []layout{wechat}, "", []string{"confirm"}},
	{[]ksher.Channel{ksher.ChannelAlipay, ksher.ChannelAlipayPlus, ksher.ChannelLinePay}, []layout{pc}, "", []string{"login", "confirm"}},
	{[]ksher.Channel{ksher.ChannelAirPay}, []layout{pc}, "", []string{"qr"}},
	{[]ksher.Channel{ksher.ChannelAlipay, ksher.ChannelAlipayPlus, ksher.ChannelLinePay, ksher.ChannelAirPay}, []layout{h5}, "", []string{"open", "pin", "confirm"}},
	{[]ksher.Channel{ksher.ChannelLinePay}, []layout{pc}, "qr", []string{"qr"}},
	{[]ksher.Channel{ksher.ChannelAlipay}, []layout{h5}, "login", []string{"login", "confirm"}},
	{[]ksher.Channel{ksher.ChannelTrueMoney}, bothLayouts, "account_otp", []string{"phone", "otp"}},
	{[]ksher.Channel{ksher.ChannelAtome}, []layout{h5}, "", []string{"open", "coupon", "confirm"}},
	{[]ksher.Channel{ksher.ChannelAtome}, bothLayouts, "browser", []string{"phone", "otp", "terms", "confirm"}},
	{[]ksher.Channel{ksher.ChannelCard}, bothLayouts, "", []string{"card", "otp"}},
	{[]ksher.Channel{ksher.ChannelKTCInstal, ksher.ChannelKBankInstal, ksher.ChannelKCCInstal, ksher.ChannelKFCInstal}, bothLayouts, "", []string{"instal", "otp"}},
	{[]ksher.Channel{ksher.ChannelSCBEasy, ksher.ChannelBBLDeeplink}, []layout{h5}, "", []string{"open", "pin", "account", "review"}},
	{[]ksher.Channel{ksher.ChannelBAYBankDeeplink}, []layout{h5}, "", []string{"open", "pin", "account"}},
	{[]ksher.Channel{ksher.ChannelKPlus}, []layout{h5}, "", []string{"open", "pin", "consent", "account", "review"}},
}

// Every channel on every device can be paid by, and the shop hears of it and can
// give the money back.
func TestJourneys(t *testing.T) {
	t.Parallel()
	covered := make(map[ksher.Channel]bool)
	for _, j := range journeys {
		for _, channel := range j.channels {
			covered[channel] = true
			for _, l := range j.layouts {
				t.Run(strings.Trim(fmt.Sprintf("%s %s %s", channel, l.name, j.way), " "), func(t *testing.T) {
					t.Parallel()
					payByJourney(t, j, channel, l)
				})
			}
		}
	}
	for _, c := range allChannels {
		assert.True(t, covered[c], "no journey by %s", c)
	}
}

func payByJourney(t *testing.T, j journey, channel ksher.Channel, l layout) {
	const no, sum = "T1001", ksher.Amount(4500_00)
	s := newShop(t)
	b := s.visit(l)
	// A computer comes by the chooser. On a phone the one channel of the order
	// has to come up by itself.
	if l.name == pc.name {
		b.open(s.order(no, allChannels))
		b.choose(channel)
	} else {
		b.open(s.order(no, []ksher.Channel{channel}))
	}
	b.see("4,500.00 THB", no)
	if j.way != "" {
		b.follow("#way-" + j.way)
	}
	var text string
	if j.steps[0] == "qr" {
		text = scan(t, b.picture("#qr"))
		if channel == ksher.ChannelPromptPay {
			checkPromptPay(t, text, sum)
			assert.True(t, b.has("#save-qr"), "the code can be saved")
		} else {
			assert.True(t, strings.HasPrefix(text, "kshertest://pay/"), text)
		}
	}
	b.walk(string(channel), j.steps...)
	s.expectPaid(no, channel, sum)
	if channel == ksher.ChannelPromptPay {
		paid := s.notifications(no)[0]
		assert.Equal(t, paid.KsherOrderNo, fields(t, fields(t, text)["30"])["02"], "the reference in the code")
	}
	b.expectEnd("paid", true, s.url+"/thanks?order="+no)
	s.expectRefund(no, channel, sum)
}

// Each kind of journey can fail and be given up, at its first step and at its
// last.
func TestFailedAndAbandoned(t *testing.T) {
	t.Parallel()
	const no = "T2001"
	kinds := []journey{
		{[]ksher.Channel{ksher.ChannelPromptPay}, bothLayouts, "", []string{"qr"}},
		{[]ksher.Channel{ksher.ChannelAlipay}, []layout{pc}, "", []string{"login", "confirm"}},
		{[]ksher.Channel{ksher.ChannelAlipay}, []layout{h5}, "", []string{"open", "pin", "confirm"}},
		{[]ksher.Channel{ksher.ChannelTrueMoney}, []layout{pc}, "account_otp", []string{"phone", "otp"}},
		{[]ksher.Channel{ksher.ChannelAtome}, []layout{h5}, "browser", []string{"phone", "otp", "terms", "confirm"}},
		{[]ksher.Channel{ksher.ChannelCard}, bothLayouts, "", []string{"card", "otp"}},
		{[]ksher.Channel{ksher.ChannelKTCInstal}, []layout{pc}, "", []string{"instal", "otp"}},
		{[]ksher.Channel{ksher.ChannelKPlus}, []layout{h5}, "", []string{"open", "pin", "consent", "account", "review"}},
	}
	for _, j := range kinds {
		for _, l := range j.layouts {
			for _, end := range []string{"fail", "abandon"} {
				t.Run(fmt.Sprintf("%s %s %s", j.channels[0], l.name, end), func(t *testing.T) {
					t.Parallel()
					s := newShop(t)
					b := s.visit(l)
					b.open(s.order(no, j.channels))
					if j.way != "" {
						b.follow("#way-" + j.way)
					}
					for _, step := range j.steps[:len(j.steps)-1] {
						require.Equal(t, step, b.at())
						b.submit(nil)
					}
					require.Equal(t, j.steps[len(j.steps)-1], b.at())
					b.follow("#" + end)
					b.expectEnd(end, false, s.url+"/sorry?order="+no)
					want := map[string]sandbox.State{"fail": sandbox.Failed, "abandon": sandbox.Created}
					assert.Equal(t, want[end], s.state(no))
					assert.Empty(t, s.notifications(no), "only payments are announced")
				})
			}
		}
	}
}

// The page leads to the shop by itself, too.
func TestRedirectByItself(t *testing.T) {
	t.Parallel()
	for _, end := range []struct{ button, back string }{{"#submit", "/thanks"}, {"#fail", "/sorry"}, {"#abandon", "/sorry"}} {
		t.Run(strings.Trim(end.button, "#"), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			b := s.visit(pc)
			b.open(s.order("T3001", []ksher.Channel{ksher.ChannelPromptPay}))
			b.follow(end.button)
			b.untilAt(s.url + end.back + "?order=T3001")
		})
	}
}

// Nobody is led on who wants to read.
func TestStay(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(h5)
	b.open(s.order("T3051", []ksher.Channel{ksher.ChannelPromptPay}))
	b.follow("#submit")
	b.follow("#stay")
	assert.False(t, b.has("#stay"))
	b.see("Payment successful")
	b.look("stay")
	b.click("#return")
	b.untilAt(s.url + "/thanks?order=T3051")
}

// A buyer who gave up can come back by the same link and pay after all.
func TestPayAfterAll(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(pc)
	b.open(s.order("T3101", []ksher.Channel{ksher.ChannelCard, ksher.ChannelPromptPay}))
	b.choose(ksher.ChannelCard)
	b.submit(nil)
	require.Equal(t, sandbox.InProgress, s.state("T3101"))
	b.follow("#abandon")
	b.still()
	b.follow("#again")
	require.Equal(t, sandbox.Created, s.state("T3101"))
	b.choose(ksher.ChannelPromptPay)
	b.walk("again", "qr")
	s.expectPaid("T3101", ksher.ChannelPromptPay, 4500_00)
}

// Going back leads to the chooser.
func TestBack(t *testing.T) {
	t.Parallel()
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			b := s.visit(l)
			b.open(s.order("T3201", allChannels))
			b.choose(ksher.ChannelTrueMoney)
			b.follow("#way-account_otp")
			b.submit(nil)
			b.follow("#back")
			assert.True(t, b.has("#choose"), b.text())
			assert.Equal(t, sandbox.Created, s.state("T3201"))
		})
	}
}

// refused expects the page to refuse what was typed. A browser counts that as a
// failed request.
func (b *buyer) refused() { b.allow(`\b422\b`) }

func TestOTP(t *testing.T) {
	t.Parallel()
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			b := s.visit(l)
			b.refused()
			b.open(s.order("T4001", []ksher.Channel{ksher.ChannelCard}))
			b.submit(nil)
			b.follow("#resend")
			assert.True(t, b.has("#otp-resent"), b.text())
			b.look("otp-resent")
			b.submit(map[string]string{"otp": "000000"})
			require.Equal(t, "otp", b.at())
			assert.True(t, b.has("#otp-error"), b.text())
			assert.True(t, eval[bool](b, `document.getElementById('otp').getAttribute('aria-invalid') === 'true'`))
			b.look("otp-wrong")
			b.submit(nil)
			s.expectPaid("T4001", ksher.ChannelCard, 4500_00)

			b.open(s.order("T4002", []ksher.Channel{ksher.ChannelCard}))
			b.submit(nil)
			for range 3 {
				b.submit(map[string]string{"otp": "999999"})
			}
			b.expectEnd("otp-wrong-thrice", false, s.url+"/sorry?order=T4002")
			assert.Equal(t, sandbox.Failed, s.state("T4002"))
		})
	}
}

func TestCards(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(pc)
	b.refused()
	b.open(s.order("T5001", []ksher.Channel{ksher.ChannelCard}))
	// A real number, though nobody's: it passes the check digit and isn't one of
	// the test cards.
	b.submit(map[string]string{"card_number": "4111 1111 1111 1111"})
	require.Equal(t, "card", b.at())
	assert.True(t, b.has("#card_number-error"), b.text())
	html := eval[string](b, "document.documentElement.outerHTML")
	assert.NotContains(t, html, "4111", "the page doesn't show the number again")
	b.look("not-a-test-card")
	b.submit(map[string]string{"card_name": "", "card_expiry": "13/40", "card_cvc": "x"})
	for _, field := range []string{"card_name", "card_expiry", "card_cvc"} {
		assert.True(t, b.has("#"+field+"-error"), field)
	}
	b.look("mistakes")
	b.submit(map[string]string{"card_expiry": "01/20"})
	assert.True(t, b.has("#card_expiry-error"), "a card that ran out")

	for i, number := range []string{"5555 5555 5555 4444", "6200000000000005"} {
		no := fmt.Sprintf("T501%d", i)
		b.open(s.order(no, []ksher.Channel{ksher.ChannelCard}))
		b.submit(map[string]string{"card_number": number})
		b.submit(nil)
		s.expectPaid(no, ksher.ChannelCard, 4500_00)
	}

	b.open(s.order("T5002", []ksher.Channel{ksher.ChannelCard}))
	b.submit(map[string]string{"card_number": "4000 0000 0000 0002"})
	b.expectEnd("declined", false, s.url+"/sorry?order=T5002")
	assert.Equal(t, sandbox.Failed, s.state("T5002"))

	b.open(s.order("T5003", []ksher.Channel{ksher.ChannelCard}))
	b.submit(map[string]string{"card_number": "4000 0000 0000 0119"})
	b.look("otp-never-comes")
	b.submit(nil)
	require.Equal(t, "otp", b.at(), "a code that never came can't be right")
	b.follow("#abandon")
	b.expectEnd("otp-given-up", false, s.url+"/sorry?order=T5003")
}

func TestSavedCards(t *testing.T) {
	t.Parallel()
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			b := s.visit(l)
			channels := []ksher.Channel{ksher.ChannelCard}
			b.open(s.order("T6000", channels))
			assert.False(t, b.has("#save_card"), "nobody to save it for")
			b.open(s.order("T6001", channels, member("buyer-7")))
			b.look("offers-to-save")
			b.submit(nil)
			b.submit(nil)
			s.expectPaid("T6001", ksher.ChannelCard, 4500_00)
			b.open(s.order("T6002", channels, member("buyer-7")))
			require.Equal(t, "card", b.at(), "without consent nothing is saved")
			b.submit(map[string]string{"save_card": "yes"})
			b.submit(nil)
			s.expectPaid("T6002", ksher.ChannelCard, 4500_00)

			b.open(s.order("T6003", channels, member("buyer-8")))
			require.Equal(t, "card", b.at(), "another buyer has no saved card")
			b.open(s.order("T6004", channels, member("buyer-7")))
			require.Equal(t, "saved", b.at())
			b.see("4242")
			b.walk("saved", "saved", "otp")
			s.expectPaid("T6004", ksher.ChannelCard, 4500_00)
			b.expectEnd("paid", true, s.url+"/thanks?order=T6004")

			b.open(s.order("T6005", channels, member("buyer-7")))
			b.follow("#way-new")
			require.Equal(t, "card", b.at(), "another card")
			b.follow("#way-saved")
			b.follow("#delete-card button")
			require.Equal(t, "card", b.at(), "the card is gone")
			b.look("deleted")
		})
	}
}

func TestInstalments(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(pc)
	channels := []ksher.Channel{ksher.ChannelKTCInstal}
	months := func() []string {
		return eval[[]string](b, `[...document.querySelectorAll('input[name=months]')].map(e => e.value)`)
	}
	b.open(s.order("T7001", channels))
	assert.NotEmpty(t, months())
	buyerPays := eval[string](b, `document.getElementById('fee-payer').innerText`)

	b.open(s.order("T7002", channels, total(6000_00), func(r *ksher.GatewayPayRequest) {
		r.ChannelInstalTimesList = ksher.InstalTimes{ksher.ChannelKTCInstal: {6, 10}}
		r.InstalFeePayerMerchantChannelList = channels
	}))
	assert.Equal(t, []string{"6", "10"}, months())
	assert.NotEqual(t, buyerPays, eval[string](b, `document.getElementById('fee-payer').innerText`))
	b.see("1,000.00 THB", "600.00 THB")
	b.look("shop-pays-fee")
	b.click("label[for=months-10]")
	b.submit(nil)
	b.see("600.00 THB")
	b.look("otp")
	b.submit(nil)
	s.expectPaid("T7002", ksher.ChannelKTCInstal, 6000_00)
}

// K PLUS asks for consent the first time only.
func TestKPlusConsent(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(h5)
	b.refused()
	b.open(s.order("T7101", []ksher.Channel{ksher.ChannelKPlus}))
	b.submit(nil)
	b.submit(nil)
	require.Equal(t, "consent", b.at())
	b.follow("#submit") // Without the tick.
	require.Equal(t, "consent", b.at())
	b.look("consent-missing")
	b.submit(nil)
	b.submit(nil)
	b.submit(nil)
	s.expectPaid("T7101", ksher.ChannelKPlus, 4500_00)
	b.open(s.order("T7102", []ksher.Channel{ksher.ChannelKPlus}))
	b.walk("second-time", "open", "pin", "account", "review")
	s.expectPaid("T7102", ksher.ChannelKPlus, 4500_00)
}

func TestAppNotInstalled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(h5)
	for i, c := range []ksher.Channel{ksher.ChannelSCBEasy, ksher.ChannelAlipay, ksher.ChannelAtome} {
		b.open(s.order(fmt.Sprintf("T720%d", i), []ksher.Channel{c}))
		b.follow("#way-store")
		assert.True(t, b.has("#store"), b.text())
		b.look("store-" + string(c))
	}
}

// On a phone WeChat Pay works inside WeChat only.
func TestWeChatOutsideWeChat(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(h5)
	b.open(s.order("T7301", []ksher.Channel{ksher.ChannelWeChat}))
	require.Equal(t, "wechatonly", b.at())
	assert.False(t, b.has("#submit"))
	b.look("wechat-only")
}

// A second person who opens the link is told not to pay twice.
func TestManyOpen(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	link := s.order("T8001", []ksher.Channel{ksher.ChannelCard, ksher.ChannelPromptPay})
	first, second := s.visit(pc), s.visit(h5)
	second.allow(`\b409\b`)
	first.open(link)
	first.choose(ksher.ChannelCard)
	first.submit(nil)
	require.Equal(t, "otp", first.at())

	second.open(link)
	assert.True(t, second.has("#result.bad"), second.text())
	assert.False(t, second.has("#pay, #choose"), "there is nothing to pay with")
	second.look("many-open")

	first.submit(nil)
	s.expectPaid("T8001", ksher.ChannelCard, 4500_00)
	second.open(link)
	second.see("paid")
	second.look("paid-by-another")
}

// The links of closed orders say what became of them.
func TestClosedLinks(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(h5)
	var seen []string
	for i, c := range []struct {
		word  string
		close func(no string) error
	}{
		{"paid", func(no string) error { return s.gateway.Pay(no, ksher.ChannelTrueMoney) }},
		{"cancelled", func(no string) error {
			_, err := s.gateway.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: no})
			return err
		}},
		{"expired", s.gateway.Expire},
		{"refunded", func(no string) error {
			if err := s.gateway.Pay(no, ksher.ChannelTrueMoney); err != nil {
				return err
			}
			_, err := s.gateway.Client.Refund(t.Context(), &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: no, MchRefundNo: "R" + no, RefundFee: 4500_00})
			return err
		}},
	} {
		no := fmt.Sprintf("T900%d", i)
		link := s.order(no, []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard})
		require.NoError(t, c.close(no))
		b.open(link)
		b.see(c.word)
		assert.False(t, b.has("#pay, #choose"), "there is nothing to pay with")
		b.look(c.word)
		heading := eval[string](b, "document.querySelector('h1').innerText")
		assert.NotContains(t, seen, heading)
		seen = append(seen, heading)
	}
	b.allow(`\b404\b`)
	b.open(s.gateway.URL() + "/ua?order_uuid=" + strings.Repeat("0", 32))
	b.look("no-such-order")
}

package checkout_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

type journey struct {
	channel ksher.Channel
	agent   string
	way     string
	steps   string
}

var journeys = []journey{

	{"promptpay", "PC", "", "qr"},
	{"promptpay", sandboxtest.PhoneAgent, "", "qr"},
	{"scb_qrcard", "PC", "", "qr"},
	{"scb_qrcard", sandboxtest.PhoneAgent, "", "qr"},
	{"wechat", "PC", "", "qr"},
	{"wechat", sandboxtest.WeChatAgent, "", "confirm"},
	{"truemoney", "PC", "", "qr"},
	{"truemoney", "PC", "account_otp", "phone otp"},
	{"truemoney", sandboxtest.PhoneAgent, "account_otp", "phone otp"},
	{"alipay", "PC", "", "login confirm"},
	{"alipay", "PC", "qr", "qr"},
	{"alipay", sandboxtest.PhoneAgent, "", "open pin confirm"},
	{"alipay", sandboxtest.PhoneAgent, "login", "login confirm"},
	{"alipayplus", "PC", "", "login confirm"},
	{"linepay", "PC", "", "login confirm"},
	{"linepay", sandboxtest.PhoneAgent, "", "open pin confirm"},
	{"airpay", "PC", "", "qr"},
	{"airpay", sandboxtest.PhoneAgent, "", "open pin confirm"},
	{"atome", "PC", "", "qr"},
	{"atome", "PC", "browser", "phone otp terms confirm"},
	{"atome", sandboxtest.PhoneAgent, "", "open coupon confirm"},
	{"atome", sandboxtest.PhoneAgent, "browser", "phone otp terms confirm"},
	{"card", "PC", "", "card otp"},
	{"card", sandboxtest.PhoneAgent, "", "card otp"},
	{"ktc_instal", "PC", "", "instal otp"},
	{"kbank_instal", sandboxtest.PhoneAgent, "", "instal otp"},
	{"kcc_instal", "PC", "", "instal otp"},
	{"kfc_instal", sandboxtest.PhoneAgent, "", "instal otp"},
	{"scb_easy", sandboxtest.PhoneAgent, "", "open pin account review"},
	{"bbl_deeplink", sandboxtest.PhoneAgent, "", "open pin account review"},
	{"baybank_deeplink", sandboxtest.PhoneAgent, "", "open pin account"},
	{"kplus", sandboxtest.PhoneAgent, "", "open pin consent account review"},
	{"some_new_wallet", "PC", "", "login confirm"},
}

func TestJourneys(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "page: each channel has the steps of the guides, on a PC and on a phone")
	testkit.Holds(t, testkit.Documented, "page: leads to mch_redirect_url after a payment, and to mch_redirect_url_fail otherwise")
	for _, c := range journeys {
		layout := "H5"
		if c.agent == "PC" {
			layout = "PC"
		}
		t.Run(fmt.Sprintf("%s on %s %s paid", c.channel, layout, c.way), c.pay)
		t.Run(fmt.Sprintf("%s on %s %s failed", c.channel, layout, c.way), c.fail)
		t.Run(fmt.Sprintf("%s on %s %s left", c.channel, layout, c.way), c.leave)
	}
}

// start brings a buyer to the first step.
func (c journey) start(t *testing.T, gw *sandbox.Gateway, no, notifyURL string) *sandboxtest.Buyer {
	b := sandboxtest.NewBuyer(t, gw, c.agent)
	page := sandboxtest.Checkout(t, gw, no, func(r *ksher.GatewayPayRequest) { r.MchNotifyURL = notifyURL }, c.channel)
	if c.way == "" {
		b.Open(page)
	} else {
		b.Open(page + "&way=" + c.way)
	}
	return b
}

// walk goes through all steps but the last.
func (c journey) walk(t *testing.T, b *sandboxtest.Buyer) {
	steps := strings.Fields(c.steps)
	for i, want := range steps {
		require.Equal(t, want, b.Step(), "step %d\n%s", i, b.Body)
		require.Contains(t, b.Body, "4,500.00 THB")
		require.Contains(t, b.Body, "Simulation")
		if i < len(steps)-1 {
			b.Next()
		}
	}
}

func (c journey) pay(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithStrict(false)) // One of the channels is unknown.
	var notified []string
	shop := httptest.NewServer(sandboxtest.Notifications(t, gw, func(_ context.Context, n *ksher.Order) error {
		notified = append(notified, n.MchOrderNo)
		return nil
	}))
	defer shop.Close()
	b := c.start(t, gw, "PAID", shop.URL)
	c.walk(t, b)
	b.Next()
	assert.Contains(t, b.Body, "Payment successful")
	assert.Contains(t, b.Body, ">Paid with: ")
	assert.Contains(t, b.Body, `<meta http-equiv="refresh" content="4;url=https://shop.example/thanks?mch_order_no=PAID">`)
	assert.Contains(t, b.Body, `href="https://shop.example/thanks?mch_order_no=PAID"`)
	b.Stay()
	assert.Contains(t, b.Body, "Payment successful")
	assert.Contains(t, b.Body, `href="https://shop.example/thanks?mch_order_no=PAID"`)
	paid := sandboxtest.Seen(t, gw, "PAID")
	assert.Equal(t, sandbox.Paid, paid.State)
	assert.Equal(t, c.channel, paid.Channel)
	require.NoError(t, gw.Deliver(t.Context(), "PAID"))
	assert.Equal(t, []string{"PAID"}, notified)
}

func (c journey) fail(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithStrict(false)) // One of the channels is unknown.
	b := c.start(t, gw, "FAILED", "https://shop.example/notify")
	if c.channel == ksher.ChannelKPlus {
		assert.NotEqual(t, "consent", b.Step())
	}
	c.walk(t, b)
	b.Leave("fail")
	assert.Contains(t, b.Body, "Payment failed")
	assert.Contains(t, b.Body, `content="4;url=https://shop.example/sorry?mch_order_no=FAILED"`)
	assert.Equal(t, sandbox.Failed, sandboxtest.Seen(t, gw, "FAILED").State)
	assert.ErrorIs(t, gw.Deliver(t.Context(), "FAILED"), sandbox.ErrNoNotification)
}

func (c journey) leave(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithStrict(false)) // One of the channels is unknown.
	b := c.start(t, gw, "LEFT", "")
	c.walk(t, b)
	want := sandbox.Created
	if len(strings.Fields(c.steps)) > 1 {
		want = sandbox.InProgress
	}
	assert.Equal(t, want, sandboxtest.Seen(t, gw, "LEFT").State)
	b.Leave("abandon")
	assert.Contains(t, b.Body, "Payment cancelled")
	assert.Contains(t, b.Body, `content="4;url=https://shop.example/sorry?mch_order_no=LEFT"`)
	assert.Equal(t, sandbox.Created, sandboxtest.Seen(t, gw, "LEFT").State, "it can still be paid")
	b.Stay()
	assert.Contains(t, b.Body, "Payment cancelled")
}

func TestKPlusAsksForConsentOnce(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "page: K PLUS asks for consent the first time")
	gw := sandbox.New(t)
	pay := func(no string, b *sandboxtest.Buyer, member string) string {
		b.Open(sandboxtest.Checkout(t, gw, no, func(r *ksher.GatewayPayRequest) { r.MemberID = member }, ksher.ChannelKPlus))
		b.Next()
		b.Next()
		return b.Step()
	}
	one := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
	require.Equal(t, "consent", pay("A-1", one, ""))
	one.Next("agree", "")
	assert.Equal(t, http.StatusUnprocessableEntity, one.Status)
	one.Next()
	assert.Equal(t, "account", one.Step())
	assert.Equal(t, "account", pay("A-2", one, ""), "the browser has consented")
	two := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
	require.Equal(t, "consent", pay("A-3", two, "m1"))
	two.Next()
	assert.Equal(t, "account", pay("A-4", sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent), "m1"), "the member has consented")
}

func TestAppIsNotInstalled(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "page: a buyer without the bank's app is shown to the store")
	testkit.Holds(t, testkit.Documented, "page: the store is that of the phone's system")
	for _, c := range []struct{ name, agent, title, other string }{
		{"iPhone", sandboxtest.PhoneAgent, "SCB Easy in the App Store", "Google Play"},
		{"Android", "Mozilla/5.0 (Linux; Android 14; Pixel 8) Mobile Safari/537.36", "SCB Easy on Google Play", "App Store"},
		{"neither", "Mozilla/5.0 (X11; Linux x86_64)", "SCB Easy in a store of apps", "SCB Easy on Google Play"},
	} {
		t.Run(c.name, func(t *testing.T) {
			gw := sandbox.New(t)
			b := sandboxtest.NewBuyer(t, gw, c.agent)
			page := sandboxtest.Checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) { r.Device = "H5" }, ksher.ChannelSCBEasy)
			b.Open(page)
			assert.Equal(t, 1, strings.Count(b.Body, `id="way-store"`))
			b.Open(page + "&way=store")
			assert.Contains(t, b.Body, "simulated app store")
			assert.Contains(t, b.Body, c.title)
			assert.NotContains(t, b.Body, c.other)
			assert.Contains(t, b.Body, `id="way-app"`)
			assert.NotContains(t, b.Body, `id="submit"`)
		})
	}
}

func TestTrueMoneyGoesByTheAccount(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "page: TrueMoney is paid by QR code or by OTP, as the merchant's account has it")
	for _, c := range []struct {
		account, step string
		ways          []string
	}{
		{"", "qr", []string{"account_otp"}},
		{core.TrueMoneyQR, "qr", nil},
		{core.TrueMoneyOTP, "phone", nil},
	} {
		t.Run("account "+c.account, func(t *testing.T) {
			gw := sandbox.New(t, sandbox.WithMerchant(sandbox.AppID, sandbox.Terms{TrueMoney: c.account}))
			b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
			page := sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelTrueMoney)
			b.Open(page)
			assert.Equal(t, c.step, b.Step())
			assert.Equal(t, c.ways, waysOf(b))
			b.Open(page + "&way=account_qr")
			assert.Equal(t, c.step, b.Step(), "no way round the account")
		})
	}
}

func TestTrueMoneysCodeIsAskedForOnTheCheckout(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Open(sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelTrueMoney) + "&way=account_otp")
	b.Next()
	require.Equal(t, "otp", b.Step())
	assert.NotContains(t, b.Body, `id="outside"`, "only other channels leave the checkout for it")
}

// waysOf are the other ways that a step offers.
func waysOf(b *sandboxtest.Buyer) (ways []string) {
	for _, m := range regexp.MustCompile(`id="way-(\w+)"`).FindAllStringSubmatch(b.Body, -1) {
		ways = append(ways, m[1])
	}
	return ways
}

func TestWaysOfWallets(t *testing.T) {
	for _, c := range []struct {
		channel ksher.Channel
		agent   string
		ways    []string
	}{
		{ksher.ChannelAirPay, "PC", nil},
		{ksher.ChannelAirPay, sandboxtest.PhoneAgent, []string{"store"}},
		{ksher.ChannelLinePay, "PC", []string{"qr"}},
		{ksher.ChannelLinePay, sandboxtest.PhoneAgent, []string{"store"}},
		{ksher.ChannelAlipay, sandboxtest.PhoneAgent, []string{"login", "store"}},
	} {
		t.Run(fmt.Sprintf("%s %s", c.channel, c.agent), func(t *testing.T) {
			gw := sandbox.New(t)
			b := sandboxtest.NewBuyer(t, gw, c.agent)
			b.Open(sandboxtest.Checkout(t, gw, "A-1", nil, c.channel))
			assert.Equal(t, c.ways, waysOf(b))
		})
	}
}

func TestAtomesCoupon(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
	b.Open(sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelAtome))
	b.Next()
	require.Equal(t, "coupon", b.Step())
	assert.NotRegexp(t, `id="coupon"[^>]* required`, b.Body)
	b.Next("coupon", "SAVE10", "method", "")
	assert.Equal(t, http.StatusUnprocessableEntity, b.Status, "a plan has to be chosen")
	assert.Contains(t, b.Body, `value="SAVE10"`)
	b.Next("coupon", "", "method", "three")
	require.Equal(t, "confirm", b.Step())
	assert.Contains(t, b.Body, "Three monthly payments")
	assert.Contains(t, b.Body, "4,500.00 THB")
}

func TestButtonsOfBankApps(t *testing.T) {
	for channel, button := range map[ksher.Channel]string{
		ksher.ChannelSCBEasy: "Review", ksher.ChannelBBLDeeplink: "Next", ksher.ChannelBAYBankDeeplink: "Pay now", ksher.ChannelKPlus: "Next",
	} {
		t.Run(string(channel), func(t *testing.T) {
			gw := sandbox.New(t)
			b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
			b.Open(sandboxtest.Checkout(t, gw, "A-1", nil, channel))
			for b.Step() != "account" {
				b.Next()
			}
			assert.Contains(t, b.Body, `value="next">`+button+`</button>`)
		})
	}
}

func TestWeChatOnAPhoneOutsideWeChat(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "page: on a phone, WeChat Pay works within WeChat alone")
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
	page := sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelWeChat)
	b.Open(page)
	assert.Contains(t, b.Body, "Open this page in WeChat")
	b.Post(page, url.Values{"step": {"wechatonly"}, "action": {"next"}})
	assert.Equal(t, sandbox.Created, sandboxtest.Seen(t, gw, "A-1").State)
}

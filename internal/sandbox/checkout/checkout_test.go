package checkout_test

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestChooser(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "page: has the layout of the device that gateway_pay names, and that of the browser otherwise")
	testkit.Holds(t, testkit.Documented, "page: mobile banking is offered on phones alone")
	testkit.Holds(t, testkit.Documented, "page: a channel isn't offered below its minimum")
	all := []ksher.Channel{"promptpay", "truemoney", "atome", "wechat", "alipay", "card", "ktc_instal", "scb_easy", "kplus"}
	for _, c := range []struct {
		name    string
		fee     ksher.Amount
		device  string
		agent   string
		has, no []string
	}{
		{"PC", 4500_00, "", "PC", []string{`id="tab-thai"`, `id="tab-chinese"`, `id="tab-card"`, `>Card</a>`, `class="pc"`, `id="channel-promptpay"`}, []string{`id="tab-bank"`, `id="channel-card"`}},
		{"phone", 4500_00, "", sandboxtest.PhoneAgent, []string{`id="tab-bank"`, `class="h5"`, `>Credit/debit card</a>`}, []string{`>Card</a>`}},
		{"phone that asks for PC", 4500_00, "PC", sandboxtest.PhoneAgent, []string{`class="pc"`}, []string{`id="tab-bank"`}},
		{"PC that asks for H5", 4500_00, "H5", "PC", []string{`class="h5"`, `id="tab-bank"`}, nil},
		{"below Atome's minimum", 19_99, "", sandboxtest.PhoneAgent, []string{`id="channel-promptpay"`}, []string{`id="channel-atome"`, `id="tab-bank"`}},
		{"at Atome's minimum", 20_00, "", sandboxtest.PhoneAgent, []string{`id="channel-atome"`, `id="tab-bank"`}, nil},
		{"below PromptPay's minimum", 99, "", "PC", []string{`id="channel-truemoney"`}, []string{`id="channel-promptpay"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			gw := sandbox.New(t)
			b := sandboxtest.NewBuyer(t, gw, c.agent)
			b.Open(sandboxtest.Checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) { r.TotalFee, r.Device = c.fee, c.device }, all...))
			for _, text := range c.has {
				assert.Contains(t, b.Body, text)
			}
			for _, text := range c.no {
				assert.NotContains(t, b.Body, text)
			}
		})
	}

	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	page := sandboxtest.Checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) { r.TotalFee = 2999_99 }, all...)
	b.Open(page + "&tab=card")
	assert.Contains(t, b.Body, `id="channel-card"`)
	assert.NotContains(t, b.Body, `id="channel-ktc_instal"`, "below its minimum")
	for _, channel := range []string{"ktc_instal", "kplus", "linepay"} {
		b.Open(page + "&channel=" + channel)
		assert.Contains(t, b.Body, "Choose how to pay", "%s isn't offered", channel)
	}
	address, values := b.Form("choose")
	b.Open(address + "?" + values.Encode())
	assert.Equal(t, "qr", b.Step())
	b.Leave("back")
	assert.Contains(t, b.Body, "Choose how to pay")
	b.Leave("abandon")
	assert.Contains(t, b.Body, "Payment cancelled")

	b.Open(sandboxtest.Checkout(t, gw, "A-2", nil, ksher.ChannelKPlus))
	assert.Contains(t, b.Body, "No way to pay here", "mobile banking alone, on a PC")
}

func TestGoingBackInTheMiddle(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "cancel_order: a card in its OTP step can't be cancelled")
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Open(sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelCard, ksher.ChannelPromptPay) + "&channel=card")
	stale := *b
	b.Next()
	require.Equal(t, "otp", b.Step())
	_, err := gw.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "A-1"})
	assert.ErrorIs(t, err, ksher.CodeCancelError, "a card in its OTP step can't be cancelled")

	stale.Next()
	assert.Equal(t, "otp", stale.Step(), "the form of an earlier step does nothing")
	b.Open(b.At)
	assert.Equal(t, "otp", b.Step(), "a reload stays")

	b.Leave("back")
	assert.Contains(t, b.Body, "Choose how to pay")
	assert.Equal(t, sandbox.Created, sandboxtest.Seen(t, gw, "A-1").State)
}

func TestTwoBuyers(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "page: a second buyer is told not to pay while one is at it")
	gw := sandbox.New(t)
	page := sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelCard)
	one, two := sandboxtest.NewBuyer(t, gw, "PC"), sandboxtest.NewBuyer(t, gw, "PC")
	two.Open(page)
	stale := *two
	one.Open(page)
	one.Next()
	two.Open(page)
	assert.Equal(t, http.StatusConflict, two.Status)
	assert.Contains(t, two.Body, "MANY_OPEN")
	assert.NotContains(t, two.Body, "<form")
	for _, action := range []string{"next", "fail", "abandon", "back"} {
		address, values := stale.Form("pay")
		values.Set("action", action)
		values.Set("otp", "123456")
		for _, step := range []string{"card", "otp"} {
			values.Set("step", step)
			two.Post(address, values)
			assert.Contains(t, two.Body, "MANY_OPEN")
			assert.Equal(t, sandbox.InProgress, sandboxtest.Seen(t, gw, "A-1").State)
		}
	}
	gw.Advance(16 * time.Minute)
	two.Open(page)
	assert.Equal(t, "card", two.Step(), "after a while another may take over")
	one.Open(page)
	assert.Equal(t, "card", one.Step())

	require.NoError(t, gw.Begin("A-1", ""))
	one.Open(page)
	assert.Contains(t, one.Body, "MANY_OPEN", "begun elsewhere")
}

func TestClosedOrders(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "page: mch_order_no is added to the addresses that lead back")
	testkit.Holds(t, testkit.Documented, "page: says that an order is paid, cancelled, expired or refunded")
	for _, c := range []struct {
		text, link string
		bring      func(*sandbox.Gateway) error
	}{
		{"This order is paid", "thanks", func(gw *sandbox.Gateway) error { return gw.Pay("A-1", "") }},
		{"Order cancelled", "sorry", func(gw *sandbox.Gateway) error {
			_, err := gw.Client.CancelOrder(context.Background(), &ksher.CancelOrderRequest{MchOrderNo: "A-1"})
			return err
		}},
		{"Order expired", "sorry", func(gw *sandbox.Gateway) error { return gw.Expire("A-1") }},
		{"Payment failed", "sorry", func(gw *sandbox.Gateway) error { return gw.Fail("A-1") }},
		{"fully refunded", "thanks", func(gw *sandbox.Gateway) error { return refund(gw, 4500_00) }},
		{"partly refunded", "thanks", func(gw *sandbox.Gateway) error { return refund(gw, 1) }},
	} {
		t.Run(c.text, func(t *testing.T) {
			gw := sandbox.New(t)
			page := sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelCard)
			b := sandboxtest.NewBuyer(t, gw, "PC")
			b.Open(page)
			stale := *b
			require.NoError(t, c.bring(gw))
			before := sandboxtest.Seen(t, gw, "A-1").State
			for _, b := range []*sandboxtest.Buyer{b, &stale} {
				if b == &stale {
					b.Next()
				} else {
					b.Open(page)
				}
				assert.Equal(t, http.StatusOK, b.Status)
				assert.Contains(t, b.Body, c.text)
				assert.Contains(t, b.Body, `href="https://shop.example/`+c.link+`?mch_order_no=A-1"`)
				assert.NotContains(t, b.Body, "<form")
				assert.NotContains(t, b.Body, "http-equiv=\"refresh\"", "this buyer didn't pay")
				assert.Equal(t, before, sandboxtest.Seen(t, gw, "A-1").State)
			}
		})
	}
}

func refund(gw *sandbox.Gateway, fee ksher.Amount) error {
	if err := gw.Pay("A-1", ""); err != nil {
		return err
	}
	_, err := gw.Client.Refund(context.Background(), &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: "A-1", MchRefundNo: "R-1", RefundFee: fee})
	return err
}

func TestASavedQRCodeOfACancelledOrderCanBePaid(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "cancel_order: a QR code that the buyer saved can be paid afterwards")
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Open(sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelPromptPay))
	_, err := gw.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "A-1"})
	require.NoError(t, err)
	b.Next()
	assert.Equal(t, sandbox.Paid, sandboxtest.Seen(t, gw, "A-1").State)
}

func TestPageOfNoOrder(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	for _, address := range []string{"/ua", "/ua?order_uuid=nobody%22%3E&lang=th"} {
		b.Open(address)
		assert.Equal(t, http.StatusNotFound, b.Status)
		assert.Contains(t, b.Body, `id="simulation"`)
		b.Post(gw.URL()+address, url.Values{"action": {"next"}})
		assert.Equal(t, http.StatusNotFound, b.Status)
	}
	assert.Contains(t, b.Body, "ไม่พบคำสั่งซื้อ")
}

func TestLanguages(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "page: is in English, Chinese or Thai, by lang")
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	page := sandboxtest.Checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) { r.Lang = "th" })
	b.Open(page)
	assert.Contains(t, b.Body, `<html lang="th">`)
	assert.Contains(t, b.Body, "เลือกวิธีชำระเงิน")
	b.Open(strings.Replace(page, "&lang=th", "", 1))
	assert.Contains(t, b.Body, `<html lang="th">`, "by the order")
	b.Open(strings.Replace(page, "lang=th", "lang=cn", 1))
	assert.Contains(t, b.Body, `<html lang="zh-Hans">`)
	assert.Contains(t, b.Body, "选择付款方式")
	b.Open(strings.Replace(page, "lang=th", "lang=xx", 1))
	assert.Contains(t, b.Body, `<html lang="en">`)

	b.Open(page + "&channel=truemoney&way=account_otp")
	b.Next()
	require.Equal(t, "otp", b.Step())
	link := regexp.MustCompile(`id="lang-cn" href="([^"]*)"`).FindStringSubmatch(b.Body)
	require.NotNil(t, link)
	b.Open(html.UnescapeString(link[1]))
	assert.Equal(t, "otp", b.Step(), "the language changes, the step doesn't")
	assert.Contains(t, b.Body, `<html lang="zh-Hans">`)
}

func TestHostileTexts(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	page := sandboxtest.Checkout(t, gw, "A-1<b>", func(r *ksher.GatewayPayRequest) {
		r.ShopName, r.ProductName, r.KsherExplain = evil, evil, evil
		r.Color, r.PaymentColor = "red;}</style><script>alert(1)</script>", "#123456"
		r.Logo, r.Background = "https://shop.example/l.png\" onerror=\"alert(1)", "https://shop.example/b.png"
		r.MchRedirectURLFail = "https://shop.example/sorry?a=1&b=%22"
	}, ksher.ChannelCard)
	for _, address := range []string{page, page + "&channel=<script>&way=<script>&tab=<script>&left=1"} {
		b.Open(address)
		assert.NotContains(t, b.Body, "<script>")
		assert.NotContains(t, b.Body, "<img src=x")
		assert.NotContains(t, b.Body, "<b>")
		assert.NotContains(t, b.Body, `" onerror="`)
		assert.NotContains(t, b.Body, "--banner:red")
		assert.Contains(t, b.Body, "--pay:#123456;--on-pay:#ffffff;")
		assert.Contains(t, b.Body, `src="https://shop.example/b.png"`)
	}
	csp := b.Header.Get("Content-Security-Policy")
	assert.Contains(t, csp, "default-src 'none'")
	assert.NotContains(t, csp, "unsafe")
}

func TestShownAndHidden(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Open(sandboxtest.Checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) {
		r.KsherExplain, r.ExpireTime = "Ask us", 90
	}))
	assert.Contains(t, b.Body, "Ask us")
	assert.Contains(t, b.Body, "1:30:00")
	b.Open(sandboxtest.Checkout(t, gw, "A-2", func(r *ksher.GatewayPayRequest) {
		r.KsherExplain, r.ExpireTime, r.HideExplain, r.HideExpTime = "Ask us", 90, ksher.VisibilityHidden, ksher.VisibilityHidden
	}))
	assert.NotContains(t, b.Body, "Ask us")
	assert.NotContains(t, b.Body, `id="countdown"`)
	b.Open(sandboxtest.Checkout(t, gw, "A-3", nil))
	assert.NotContains(t, b.Body, `id="countdown"`)
}

func TestCrossSitePostsAreRefused(t *testing.T) {
	gw := sandbox.New(t)
	page := sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelPromptPay)
	for name, header := range map[string]http.Header{
		"cross-site": {"Sec-Fetch-Site": {"cross-site"}},
		"same site":  {"Sec-Fetch-Site": {"same-site"}},
		"origin":     {"Origin": {"https://evil.example"}},
		"null":       {"Origin": {"null"}},
		"too long":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			b := sandboxtest.NewBuyer(t, gw, "PC")
			form := url.Values{"step": {"qr"}, "action": {"next"}}
			if header == nil {
				form.Set("x", strings.Repeat("x", 100_000))
			}
			req, err := http.NewRequest(http.MethodPost, page, strings.NewReader(form.Encode()))
			require.NoError(t, err)
			req.Header = header.Clone()
			if req.Header == nil {
				req.Header = make(http.Header)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			b.Do(req)
			assert.Equal(t, http.StatusForbidden, b.Status)
			assert.Contains(t, b.Body, "refused")
			assert.Equal(t, sandbox.Created, sandboxtest.Seen(t, gw, "A-1").State)
		})
	}
}

func TestStylesheets(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Open(sandboxtest.Checkout(t, gw, "A-1", nil))
	links := regexp.MustCompile(`rel="stylesheet" href="([^"]*)"`).FindAllStringSubmatch(b.Body, -1)
	require.Len(t, links, 2)
	for _, link := range links {
		address := html.UnescapeString(link[1])
		for at, age := range map[string]string{address: "max-age=86400", strings.TrimRight(address, "0123456789abcdef"): "no-cache"} {
			b.Open(at)
			assert.Equal(t, http.StatusOK, b.Status)
			assert.Equal(t, "text/css; charset=utf-8", b.Header.Get("Content-Type"))
			assert.Equal(t, age, b.Header.Get("Cache-Control"), at)
			assert.NotContains(t, b.Body, "http", "nothing external")
		}
	}
}

// A buyer whom the page doesn't know, as after a restart, keeps others out no
// longer than one whom it does.
func TestPageIsFreeAgainAfterAStranger(t *testing.T) {
	gw := sandbox.New(t)
	page, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
	require.NoError(t, err)
	require.NoError(t, gw.Begin("A-1", ksher.ChannelCard))
	for _, status := range []int{http.StatusConflict, http.StatusOK} {
		resp, err := gw.HTTPClient().Get(page.PayContent)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, status, resp.StatusCode)
		gw.Advance(15 * time.Minute)
	}
}

package checkout_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
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
)

var journeys = []struct {
	channel ksher.Channel
	agent   string
	way     string
	steps   string
}{
	{"promptpay", "PC", "", "qr"},
	{"promptpay", sandboxtest.PhoneAgent, "", "qr"},
	{"scb_qrcard", "PC", "", "qr"},
	{"scb_qrcard", sandboxtest.PhoneAgent, "", "qr"},
	{"wechat", "PC", "", "qr"},
	{"wechat", sandboxtest.WeChatAgent, "", "confirm"},
	{"truemoney", "PC", "", "qr"},
	{"truemoney", "PC", "otp", "phone otp"},
	{"truemoney", sandboxtest.PhoneAgent, "otp", "phone otp"},
	{"alipay", "PC", "", "login confirm"},
	{"alipay", "PC", "qr", "qr"},
	{"alipay", sandboxtest.PhoneAgent, "", "open pin confirm"},
	{"alipay", sandboxtest.PhoneAgent, "login", "login confirm"},
	{"alipayplus", "PC", "", "login confirm"},
	{"linepay", "PC", "", "login confirm"},
	{"linepay", sandboxtest.PhoneAgent, "", "open pin confirm"},
	{"airpay", "PC", "qr", "qr"},
	{"airpay", sandboxtest.PhoneAgent, "", "open pin confirm"},
	{"atome", "PC", "", "qr"},
	{"atome", "PC", "browser", "phone otp terms confirm"},
	{"atome", sandboxtest.PhoneAgent, "", "open terms confirm"},
	{"atome", sandboxtest.PhoneAgent, "browser", "phone otp terms confirm"},
	{"card", "PC", "", "card otp"},
	{"card", sandboxtest.PhoneAgent, "", "card otp"},
	{"ktc_instal", "PC", "", "instal otp"},
	{"kbank_instal", sandboxtest.PhoneAgent, "", "instal otp"},
	{"kcc_instal", "PC", "", "instal otp"},
	{"kfc_instal", sandboxtest.PhoneAgent, "", "instal otp"},
	{"scb_easy", sandboxtest.PhoneAgent, "", "open pin account review"},
	{"bbl_deeplink", sandboxtest.PhoneAgent, "", "open pin account review"},
	{"baybank_deeplink", sandboxtest.PhoneAgent, "", "open pin account review"},
	{"kplus", sandboxtest.PhoneAgent, "", "open pin consent account review"},
	{"some_new_wallet", "PC", "", "login confirm"},
}

func TestJourneys(t *testing.T) {
	for _, c := range journeys {
		layout := "H5"
		if c.agent == "PC" {
			layout = "PC"
		}
		t.Run(fmt.Sprintf("%s on %s %s", c.channel, layout, c.way), func(t *testing.T) {
			gw := sandbox.New(t)
			var notified []string
			shop := httptest.NewServer(sandboxtest.Notifications(t, gw, func(_ context.Context, n *ksher.Order) error {
				notified = append(notified, n.MchOrderNo)
				return nil
			}))
			defer shop.Close()
			steps := strings.Fields(c.steps)
			start := func(no string) *sandboxtest.Buyer {
				b := sandboxtest.NewBuyer(t, gw, c.agent)
				page := sandboxtest.Checkout(t, gw, no, func(r *ksher.GatewayPayRequest) { r.MchNotifyURL = shop.URL }, c.channel)
				if c.way == "" {
					b.Open(page)
				} else {
					b.Open(page + "&way=" + c.way)
				}
				return b
			}
			// walk goes through all steps but the last.
			walk := func(b *sandboxtest.Buyer) {
				for i, want := range steps {
					require.Equal(t, want, b.Step(), "step %d\n%s", i, b.Body)
					require.Contains(t, b.Body, "4,500.00 THB")
					require.Contains(t, b.Body, "Simulation")
					if i < len(steps)-1 {
						b.Next()
					}
				}
			}

			b := start("PAID")
			walk(b)
			b.Next()
			assert.Contains(t, b.Body, "Payment successful")
			assert.Contains(t, b.Body, `<meta http-equiv="refresh" content="4;url=https://shop.example/thanks">`)
			assert.Contains(t, b.Body, `href="https://shop.example/thanks"`)
			paid := sandboxtest.Seen(t, gw, "PAID")
			assert.Equal(t, sandbox.Paid, paid.State)
			assert.Equal(t, c.channel, paid.Channel)
			require.NoError(t, gw.Deliver(t.Context(), "PAID"))
			assert.Equal(t, []string{"PAID"}, notified)

			b = start("FAILED")
			if c.channel == ksher.ChannelKPlus {
				assert.NotEqual(t, "consent", b.Step())
			}
			walk(b)
			b.Leave("fail")
			assert.Contains(t, b.Body, "Payment failed")
			assert.Contains(t, b.Body, `content="4;url=https://shop.example/sorry"`)
			assert.Equal(t, sandbox.Failed, sandboxtest.Seen(t, gw, "FAILED").State)
			assert.ErrorIs(t, gw.Deliver(t.Context(), "FAILED"), sandbox.ErrNoNotification)

			b = start("LEFT")
			walk(b)
			want := sandbox.Created
			if len(steps) > 1 {
				want = sandbox.InProgress
			}
			assert.Equal(t, want, sandboxtest.Seen(t, gw, "LEFT").State)
			b.Leave("abandon")
			assert.Contains(t, b.Body, "Payment cancelled")
			assert.Contains(t, b.Body, `content="4;url=https://shop.example/sorry"`)
			assert.Equal(t, sandbox.Created, sandboxtest.Seen(t, gw, "LEFT").State, "it can still be paid")
		})
	}
}

func TestKPlusAsksForConsentOnce(t *testing.T) {
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

func TestChooser(t *testing.T) {
	all := []ksher.Channel{"promptpay", "truemoney", "atome", "wechat", "alipay", "card", "ktc_instal", "scb_easy", "kplus"}
	for _, c := range []struct {
		name    string
		fee     ksher.Amount
		device  string
		agent   string
		has, no []string
	}{
		{"PC", 4500_00, "", "PC", []string{`id="tab-thai"`, `id="tab-chinese"`, `id="tab-card"`, `class="pc"`, `id="channel-promptpay"`}, []string{`id="tab-bank"`, `id="channel-card"`}},
		{"phone", 4500_00, "", sandboxtest.PhoneAgent, []string{`id="tab-bank"`, `class="h5"`}, nil},
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

func TestCardNumbers(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	page := sandboxtest.Checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) { r.MemberID = "m1" }, ksher.ChannelCard)
	for _, number := range []string{"4111111111111111", "4242424242424241", "378282246310005", "1", "", strings.Repeat("4", 500)} {
		b.Open(page)
		b.Next("card_number", number, "card_cvc", "987", "save_card", "yes")
		assert.Equal(t, http.StatusUnprocessableEntity, b.Status, number)
		assert.Contains(t, b.Body, "card information is incorrect")
		assert.Contains(t, b.Body, `value="A. Buyer"`, "what isn't secret is shown again")
		assert.NotRegexp(t, `\b987\b`, b.Body)
		b.Open(page)
		if len(number) > 1 {
			assert.NotContains(t, b.Body, number)
			assert.NotContains(t, fmt.Sprintf("%+v", sandboxtest.Seen(t, gw, "A-1")), number)
		}
	}
	for field, value := range map[string]string{"card_expiry": "13/40", "card_cvc": "12", "card_name": " "} {
		b.Open(page)
		b.Next(field, value)
		assert.Equal(t, http.StatusUnprocessableEntity, b.Status, field)
		assert.Contains(t, b.Body, `id="`+field+`-error"`)
	}
	b.Open(page)
	b.Next("card_name", "4111111111111111")
	assert.Equal(t, http.StatusUnprocessableEntity, b.Status)
	assert.NotContains(t, b.Body, "4111111111111111", "typed into the wrong field")
	b.Next("card_expiry", "01/20")
	assert.Contains(t, b.Body, "expired")
	assert.Equal(t, sandbox.Created, sandboxtest.Seen(t, gw, "A-1").State)

	b.Next("card_number", "4000-0000-0000-0002")
	assert.Contains(t, b.Body, "declined the card")
	assert.Equal(t, sandbox.Failed, sandboxtest.Seen(t, gw, "A-1").State)
}

func TestOTP(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	start := func(no, number string) {
		b.Open(sandboxtest.Checkout(t, gw, no, nil, ksher.ChannelCard))
		b.Next("card_number", number)
		require.Equal(t, "otp", b.Step())
	}

	start("RIGHT", "5555555555554444")
	b.Next("otp", "000000")
	assert.Equal(t, http.StatusUnprocessableEntity, b.Status)
	assert.Contains(t, b.Body, "Wrong OTP code")
	b.Leave("resend")
	assert.Contains(t, b.Body, "The code was sent again")
	b.Next("otp", " 123456 ")
	assert.Equal(t, sandbox.Paid, sandboxtest.Seen(t, gw, "RIGHT").State)

	start("WRONG", "5555555555554444")
	for range 3 {
		b.Next("otp", "654321")
	}
	assert.Contains(t, b.Body, "wrong three times")
	assert.Equal(t, sandbox.Failed, sandboxtest.Seen(t, gw, "WRONG").State)

	start("SILENT", "4000000000000119")
	assert.Contains(t, b.Body, "the code never arrives")
	assert.NotContains(t, b.Body, "123456")
	b.Leave("resend")
	assert.Contains(t, b.Body, "could not be sent")
	b.Next()
	assert.Contains(t, b.Body, "Wrong OTP code")
	b.Leave("abandon")
	assert.Equal(t, sandbox.Created, sandboxtest.Seen(t, gw, "SILENT").State)
}

func TestSavedCards(t *testing.T) {
	gw := sandbox.New(t)
	member := func(id string) func(*ksher.GatewayPayRequest) {
		return func(r *ksher.GatewayPayRequest) { r.MemberID = id }
	}
	b := sandboxtest.NewBuyer(t, gw, "PC")
	pay := func(no, id string, pairs ...string) {
		b.Open(sandboxtest.Checkout(t, gw, no, member(id), ksher.ChannelCard) + "&way=new")
		require.Equal(t, "card", b.Step())
		b.Next(pairs...)
		b.Next()
		require.Equal(t, sandbox.Paid, sandboxtest.Seen(t, gw, no).State)
	}
	open := func(no, id string) string {
		b.Open(sandboxtest.Checkout(t, gw, no, member(id), ksher.ChannelCard))
		return b.Step()
	}

	pay("A-1", "m1")
	assert.Equal(t, "card", open("A-2", "m1"), "without consent nothing is saved")
	pay("A-3", "", "save_card", "yes")
	assert.Equal(t, "card", open("A-4", ""), "nor without a member")
	assert.NotContains(t, b.Body, `id="save_card"`)

	pay("A-5", "m1", "save_card", "yes")
	pay("A-6", "m1", "save_card", "yes", "card_number", "5555555555554444")
	pay("A-7", "m1", "save_card", "yes")
	assert.Equal(t, "card", open("A-8", "m2"), "they are the member's alone")
	require.Equal(t, "saved", open("A-9", "m1"))
	assert.Equal(t, 2, strings.Count(b.Body, `type="radio"`), "each once")
	assert.Contains(t, b.Body, "Visa •••• 4242")
	assert.Contains(t, b.Body, "Mastercard •••• 4444")
	assert.Contains(t, b.Body, `id="way-new"`)

	b.Next("card", "of somebody else")
	assert.Equal(t, http.StatusUnprocessableEntity, b.Status)
	b.Next()
	require.Equal(t, "otp", b.Step())
	b.Next()
	assert.Equal(t, sandbox.Paid, sandboxtest.Seen(t, gw, "A-9").State)

	require.Equal(t, "saved", open("A-10", "m1"))
	for range 2 {
		id := regexp.MustCompile(`name="card" value="(\w+)">Delete`).FindStringSubmatch(b.Body)
		require.NotNil(t, id)
		address, values := b.Form("delete-card")
		values.Set("card", id[1])
		b.Post(address, values)
		assert.NotContains(t, b.Body, id[1])
	}
	assert.Equal(t, "card", b.Step(), "none is left")
	for i := range 12 {
		pay(fmt.Sprint("B-", i), fmt.Sprint("n", i), "save_card", "yes")
	}
}

func TestInstalments(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Open(sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelKTCInstal))
	for _, text := range []string{`id="months-3"`, `id="months-4"`, `id="months-6"`, `id="months-10"`, "1,500.00 THB a month", "You pay the instalment fee"} {
		assert.Contains(t, b.Body, text)
	}
	b.Next("months", "5")
	assert.Equal(t, http.StatusUnprocessableEntity, b.Status)
	b.Next("months", "4")
	assert.Contains(t, b.Body, "4 months, 1,125.00 THB a month")

	b.Open(sandboxtest.Checkout(t, gw, "A-2", func(r *ksher.GatewayPayRequest) {
		r.ChannelInstalTimesList = ksher.InstalTimes{ksher.ChannelKTCInstal: {7, 5}}
		r.InstalFeePayerMerchantChannelList = []ksher.Channel{ksher.ChannelKTCInstal}
	}, ksher.ChannelKTCInstal))
	assert.Contains(t, b.Body, `id="months-5"`)
	assert.Contains(t, b.Body, "642.86 THB a month", "rounded up")
	assert.NotContains(t, b.Body, `id="months-3"`)
	assert.Contains(t, b.Body, "The shop pays the instalment fee")
}

func TestAppIsNotInstalled(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
	page := sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelSCBEasy)
	b.Open(page)
	assert.Contains(t, b.Body, `id="way-store"`)
	b.Open(page + "&way=store")
	assert.Contains(t, b.Body, "simulated app store")
	assert.Contains(t, b.Body, `id="way-app"`)
	assert.NotContains(t, b.Body, `id="submit"`)
}

func TestWeChatOnAPhoneOutsideWeChat(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
	page := sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelWeChat)
	b.Open(page)
	assert.Contains(t, b.Body, "Open this page in WeChat")
	b.Post(page, url.Values{"step": {"wechatonly"}, "action": {"next"}})
	assert.Equal(t, sandbox.Created, sandboxtest.Seen(t, gw, "A-1").State)
}

func TestTwoBuyers(t *testing.T) {
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
				assert.Contains(t, b.Body, `href="https://shop.example/`+c.link+`"`)
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

	b.Open(page + "&channel=truemoney&way=otp")
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

func TestStylesheet(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Open(sandboxtest.Checkout(t, gw, "A-1", nil))
	link := regexp.MustCompile(`rel="stylesheet" href="([^"]*)"`).FindStringSubmatch(b.Body)
	require.NotNil(t, link)
	b.Open(html.UnescapeString(link[1]))
	assert.Equal(t, http.StatusOK, b.Status)
	assert.Equal(t, "text/css; charset=utf-8", b.Header.Get("Content-Type"))
	assert.NotContains(t, b.Body, "http", "nothing external")
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

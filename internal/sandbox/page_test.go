package sandbox_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
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
)

// buyer is a browser at the checkout page.
type buyer struct {
	t      *testing.T
	client *http.Client
	agent  string
	base   string

	status int
	header http.Header
	at     string
	body   string
}

const (
	phoneAgent  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148"
	weChatAgent = phoneAgent + " MicroMessenger/8.0"
)

func newBuyer(t *testing.T, gw *sandbox.Gateway, agent string) *buyer {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := gw.HTTPClient()
	client.Jar = jar
	return &buyer{t: t, client: client, agent: agent, base: gw.URL()}
}

func (b *buyer) do(req *http.Request) {
	b.t.Helper()
	req.Header.Set("User-Agent", b.agent)
	resp, err := b.client.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	b.status, b.header, b.at, b.body = resp.StatusCode, resp.Header, resp.Request.URL.String(), string(text)
}

// open goes to an address, which may be without a host.
func (b *buyer) open(address string) {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.base + address
	}
	req, err := http.NewRequest(http.MethodGet, address, nil)
	require.NoError(b.t, err)
	b.do(req)
}

var (
	hiddenInput  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	checkedInput = regexp.MustCompile(`name="([^"]*)"[^>]* value="([^"]*)"[^>]* checked>`)
	formAction   = regexp.MustCompile(` action="([^"]*)"`)
)

// form returns the address and the given values of a form.
func (b *buyer) form(id string) (string, url.Values) {
	b.t.Helper()
	form := regexp.MustCompile(`(?s)<form[^>]*\bid="` + id + `".*?</form>`).FindString(b.body)
	require.NotEmpty(b.t, form, "no form %s in:\n%s", id, b.body)
	values := make(url.Values)
	for _, input := range []*regexp.Regexp{hiddenInput, checkedInput} {
		for _, m := range input.FindAllStringSubmatch(form, -1) {
			values.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
		}
	}
	return b.base + html.UnescapeString(formAction.FindStringSubmatch(form)[1]), values
}

func (b *buyer) post(address string, values url.Values) {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(values.Encode()))
	require.NoError(b.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.do(req)
}

// next sends the form of the step, filled in as told and otherwise rightly.
func (b *buyer) next(pairs ...string) {
	b.t.Helper()
	address, values := b.form("pay")
	for name, value := range map[string]string{
		"card_name": "A. Buyer", "card_number": "4242 4242 4242 4242", "card_expiry": "12/40", "card_cvc": "123",
		"otp": "123456", "pin": "1234", "mobile": "081 234 5678", "accept": "yes", "agree": "yes", "account": "buyer@example.com", "action": "next",
	} {
		values.Set(name, value)
	}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	b.post(address, values)
}

// leave presses one of the buttons beside the form.
func (b *buyer) leave(action string) {
	b.t.Helper()
	address, values := b.form("leave")
	values.Set("action", action)
	b.post(address, values)
}

var stepInput = regexp.MustCompile(`name="step" value="(\w+)"`)

// step is the name of the step that is shown, "" for none.
func (b *buyer) step() string {
	if m := stepInput.FindStringSubmatch(b.body); m != nil {
		return m[1]
	}
	return ""
}

// checkout makes an order and returns its page.
func checkout(t *testing.T, gw *sandbox.Gateway, no string, edit func(*ksher.GatewayPayRequest), channels ...ksher.Channel) string {
	t.Helper()
	req := gatewayPay(no, channels...)
	req.TotalFee = 4500_00
	if edit != nil {
		edit(req)
	}
	resp, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	return resp.PayContent
}

func seen(t *testing.T, gw *sandbox.Gateway, no string) sandbox.Order {
	t.Helper()
	o, err := gw.Order(no)
	require.NoError(t, err)
	return o
}

var journeys = []struct {
	channel ksher.Channel
	agent   string
	way     string
	steps   string
}{
	{"promptpay", "PC", "", "qr"},
	{"promptpay", phoneAgent, "", "qr"},
	{"scb_qrcard", "PC", "", "qr"},
	{"scb_qrcard", phoneAgent, "", "qr"},
	{"wechat", "PC", "", "qr"},
	{"wechat", weChatAgent, "", "confirm"},
	{"truemoney", "PC", "", "qr"},
	{"truemoney", "PC", "otp", "phone otp"},
	{"truemoney", phoneAgent, "otp", "phone otp"},
	{"alipay", "PC", "", "login confirm"},
	{"alipay", "PC", "qr", "qr"},
	{"alipay", phoneAgent, "", "open pin confirm"},
	{"alipay", phoneAgent, "login", "login confirm"},
	{"alipayplus", "PC", "", "login confirm"},
	{"linepay", "PC", "", "login confirm"},
	{"linepay", phoneAgent, "", "open pin confirm"},
	{"airpay", "PC", "qr", "qr"},
	{"airpay", phoneAgent, "", "open pin confirm"},
	{"atome", "PC", "", "qr"},
	{"atome", "PC", "browser", "phone otp terms confirm"},
	{"atome", phoneAgent, "", "open terms confirm"},
	{"atome", phoneAgent, "browser", "phone otp terms confirm"},
	{"card", "PC", "", "card otp"},
	{"card", phoneAgent, "", "card otp"},
	{"ktc_instal", "PC", "", "instal otp"},
	{"kbank_instal", phoneAgent, "", "instal otp"},
	{"kcc_instal", "PC", "", "instal otp"},
	{"kfc_instal", phoneAgent, "", "instal otp"},
	{"scb_easy", phoneAgent, "", "open pin account review"},
	{"bbl_deeplink", phoneAgent, "", "open pin account review"},
	{"baybank_deeplink", phoneAgent, "", "open pin account review"},
	{"kplus", phoneAgent, "", "open pin consent account review"},
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
			shop := httptest.NewServer(notifications(t, gw, func(_ context.Context, n *ksher.Order) error {
				notified = append(notified, n.MchOrderNo)
				return nil
			}))
			defer shop.Close()
			steps := strings.Fields(c.steps)
			start := func(no string) *buyer {
				b := newBuyer(t, gw, c.agent)
				page := checkout(t, gw, no, func(r *ksher.GatewayPayRequest) { r.MchNotifyURL = shop.URL }, c.channel)
				if c.way == "" {
					b.open(page)
				} else {
					b.open(page + "&way=" + c.way)
				}
				return b
			}
			// walk goes through all steps but the last.
			walk := func(b *buyer) {
				for i, want := range steps {
					require.Equal(t, want, b.step(), "step %d\n%s", i, b.body)
					require.Contains(t, b.body, "4,500.00 THB")
					require.Contains(t, b.body, "Simulation")
					if i < len(steps)-1 {
						b.next()
					}
				}
			}

			b := start("PAID")
			walk(b)
			b.next()
			assert.Contains(t, b.body, "Payment successful")
			assert.Contains(t, b.body, `<meta http-equiv="refresh" content="4;url=https://shop.example/thanks">`)
			assert.Contains(t, b.body, `href="https://shop.example/thanks"`)
			paid := seen(t, gw, "PAID")
			assert.Equal(t, sandbox.Paid, paid.State)
			assert.Equal(t, c.channel, paid.Channel)
			require.NoError(t, gw.Deliver(t.Context(), "PAID"))
			assert.Equal(t, []string{"PAID"}, notified)

			b = start("FAILED")
			if c.channel == ksher.ChannelKPlus {
				assert.NotEqual(t, "consent", b.step())
			}
			walk(b)
			b.leave("fail")
			assert.Contains(t, b.body, "Payment failed")
			assert.Contains(t, b.body, `content="4;url=https://shop.example/sorry"`)
			assert.Equal(t, sandbox.Failed, seen(t, gw, "FAILED").State)
			assert.ErrorIs(t, gw.Deliver(t.Context(), "FAILED"), sandbox.ErrNoNotification)

			b = start("LEFT")
			walk(b)
			want := sandbox.Created
			if len(steps) > 1 {
				want = sandbox.InProgress
			}
			assert.Equal(t, want, seen(t, gw, "LEFT").State)
			b.leave("abandon")
			assert.Contains(t, b.body, "Payment cancelled")
			assert.Contains(t, b.body, `content="4;url=https://shop.example/sorry"`)
			assert.Equal(t, sandbox.Created, seen(t, gw, "LEFT").State, "it can still be paid")
		})
	}
}

func TestKPlusAsksForConsentOnce(t *testing.T) {
	gw := sandbox.New(t)
	pay := func(no string, b *buyer, member string) string {
		b.open(checkout(t, gw, no, func(r *ksher.GatewayPayRequest) { r.MemberID = member }, ksher.ChannelKPlus))
		b.next()
		b.next()
		return b.step()
	}
	one := newBuyer(t, gw, phoneAgent)
	require.Equal(t, "consent", pay("A-1", one, ""))
	one.next("agree", "")
	assert.Equal(t, http.StatusUnprocessableEntity, one.status)
	one.next()
	assert.Equal(t, "account", one.step())
	assert.Equal(t, "account", pay("A-2", one, ""), "the browser has consented")
	two := newBuyer(t, gw, phoneAgent)
	require.Equal(t, "consent", pay("A-3", two, "m1"))
	two.next()
	assert.Equal(t, "account", pay("A-4", newBuyer(t, gw, phoneAgent), "m1"), "the member has consented")
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
		{"phone", 4500_00, "", phoneAgent, []string{`id="tab-bank"`, `class="h5"`}, nil},
		{"phone that asks for PC", 4500_00, "PC", phoneAgent, []string{`class="pc"`}, []string{`id="tab-bank"`}},
		{"PC that asks for H5", 4500_00, "H5", "PC", []string{`class="h5"`, `id="tab-bank"`}, nil},
		{"below Atome's minimum", 19_99, "", phoneAgent, []string{`id="channel-promptpay"`}, []string{`id="channel-atome"`, `id="tab-bank"`}},
		{"at Atome's minimum", 20_00, "", phoneAgent, []string{`id="channel-atome"`, `id="tab-bank"`}, nil},
		{"below PromptPay's minimum", 99, "", "PC", []string{`id="channel-truemoney"`}, []string{`id="channel-promptpay"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			gw := sandbox.New(t)
			b := newBuyer(t, gw, c.agent)
			b.open(checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) { r.TotalFee, r.Device = c.fee, c.device }, all...))
			for _, text := range c.has {
				assert.Contains(t, b.body, text)
			}
			for _, text := range c.no {
				assert.NotContains(t, b.body, text)
			}
		})
	}

	gw := sandbox.New(t)
	b := newBuyer(t, gw, "PC")
	page := checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) { r.TotalFee = 2999_99 }, all...)
	b.open(page + "&tab=card")
	assert.Contains(t, b.body, `id="channel-card"`)
	assert.NotContains(t, b.body, `id="channel-ktc_instal"`, "below its minimum")
	for _, channel := range []string{"ktc_instal", "kplus", "linepay"} {
		b.open(page + "&channel=" + channel)
		assert.Contains(t, b.body, "Choose how to pay", "%s isn't offered", channel)
	}
	address, values := b.form("choose")
	b.open(address + "?" + values.Encode())
	assert.Equal(t, "qr", b.step())
	b.leave("back")
	assert.Contains(t, b.body, "Choose how to pay")
	b.leave("abandon")
	assert.Contains(t, b.body, "Payment cancelled")

	b.open(checkout(t, gw, "A-2", nil, ksher.ChannelKPlus))
	assert.Contains(t, b.body, "No way to pay here", "mobile banking alone, on a PC")
}

func TestGoingBackInTheMiddle(t *testing.T) {
	gw := sandbox.New(t)
	b := newBuyer(t, gw, "PC")
	b.open(checkout(t, gw, "A-1", nil, ksher.ChannelCard, ksher.ChannelPromptPay) + "&channel=card")
	stale := *b
	b.next()
	require.Equal(t, "otp", b.step())
	_, err := gw.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "A-1"})
	assert.ErrorIs(t, err, ksher.CodeCancelError, "a card in its OTP step can't be cancelled")

	stale.next()
	assert.Equal(t, "otp", stale.step(), "the form of an earlier step does nothing")
	b.open(b.at)
	assert.Equal(t, "otp", b.step(), "a reload stays")

	b.leave("back")
	assert.Contains(t, b.body, "Choose how to pay")
	assert.Equal(t, sandbox.Created, seen(t, gw, "A-1").State)
}

func TestCardNumbers(t *testing.T) {
	gw := sandbox.New(t)
	b := newBuyer(t, gw, "PC")
	page := checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) { r.MemberID = "m1" }, ksher.ChannelCard)
	for _, number := range []string{"4111111111111111", "4242424242424241", "378282246310005", "1", "", strings.Repeat("4", 500)} {
		b.open(page)
		b.next("card_number", number, "card_cvc", "987", "save_card", "yes")
		assert.Equal(t, http.StatusUnprocessableEntity, b.status, number)
		assert.Contains(t, b.body, "card information is incorrect")
		assert.Contains(t, b.body, `value="A. Buyer"`, "what isn't secret is shown again")
		assert.NotRegexp(t, `\b987\b`, b.body)
		b.open(page)
		if len(number) > 1 {
			assert.NotContains(t, b.body, number)
			assert.NotContains(t, fmt.Sprintf("%+v", seen(t, gw, "A-1")), number)
		}
	}
	for field, value := range map[string]string{"card_expiry": "13/40", "card_cvc": "12", "card_name": " "} {
		b.open(page)
		b.next(field, value)
		assert.Equal(t, http.StatusUnprocessableEntity, b.status, field)
		assert.Contains(t, b.body, `id="`+field+`-error"`)
	}
	b.open(page)
	b.next("card_name", "4111111111111111")
	assert.Equal(t, http.StatusUnprocessableEntity, b.status)
	assert.NotContains(t, b.body, "4111111111111111", "typed into the wrong field")
	b.next("card_expiry", "01/20")
	assert.Contains(t, b.body, "expired")
	assert.Equal(t, sandbox.Created, seen(t, gw, "A-1").State)

	b.next("card_number", "4000-0000-0000-0002")
	assert.Contains(t, b.body, "declined the card")
	assert.Equal(t, sandbox.Failed, seen(t, gw, "A-1").State)
}

func TestOTP(t *testing.T) {
	gw := sandbox.New(t)
	b := newBuyer(t, gw, "PC")
	start := func(no, number string) {
		b.open(checkout(t, gw, no, nil, ksher.ChannelCard))
		b.next("card_number", number)
		require.Equal(t, "otp", b.step())
	}

	start("RIGHT", "5555555555554444")
	b.next("otp", "000000")
	assert.Equal(t, http.StatusUnprocessableEntity, b.status)
	assert.Contains(t, b.body, "Wrong OTP code")
	b.leave("resend")
	assert.Contains(t, b.body, "The code was sent again")
	b.next("otp", " 123456 ")
	assert.Equal(t, sandbox.Paid, seen(t, gw, "RIGHT").State)

	start("WRONG", "5555555555554444")
	for range 3 {
		b.next("otp", "654321")
	}
	assert.Contains(t, b.body, "wrong three times")
	assert.Equal(t, sandbox.Failed, seen(t, gw, "WRONG").State)

	start("SILENT", "4000000000000119")
	assert.Contains(t, b.body, "the code never arrives")
	assert.NotContains(t, b.body, "123456")
	b.leave("resend")
	assert.Contains(t, b.body, "could not be sent")
	b.next()
	assert.Contains(t, b.body, "Wrong OTP code")
	b.leave("abandon")
	assert.Equal(t, sandbox.Created, seen(t, gw, "SILENT").State)
}

func TestSavedCards(t *testing.T) {
	gw := sandbox.New(t)
	member := func(id string) func(*ksher.GatewayPayRequest) {
		return func(r *ksher.GatewayPayRequest) { r.MemberID = id }
	}
	b := newBuyer(t, gw, "PC")
	pay := func(no, id string, pairs ...string) {
		b.open(checkout(t, gw, no, member(id), ksher.ChannelCard) + "&way=new")
		require.Equal(t, "card", b.step())
		b.next(pairs...)
		b.next()
		require.Equal(t, sandbox.Paid, seen(t, gw, no).State)
	}
	open := func(no, id string) string {
		b.open(checkout(t, gw, no, member(id), ksher.ChannelCard))
		return b.step()
	}

	pay("A-1", "m1")
	assert.Equal(t, "card", open("A-2", "m1"), "without consent nothing is saved")
	pay("A-3", "", "save_card", "yes")
	assert.Equal(t, "card", open("A-4", ""), "nor without a member")
	assert.NotContains(t, b.body, `id="save_card"`)

	pay("A-5", "m1", "save_card", "yes")
	pay("A-6", "m1", "save_card", "yes", "card_number", "5555555555554444")
	pay("A-7", "m1", "save_card", "yes")
	assert.Equal(t, "card", open("A-8", "m2"), "they are the member's alone")
	require.Equal(t, "saved", open("A-9", "m1"))
	assert.Equal(t, 2, strings.Count(b.body, `type="radio"`), "each once")
	assert.Contains(t, b.body, "Visa •••• 4242")
	assert.Contains(t, b.body, "Mastercard •••• 4444")
	assert.Contains(t, b.body, `id="way-new"`)

	b.next("card", "of somebody else")
	assert.Equal(t, http.StatusUnprocessableEntity, b.status)
	b.next()
	require.Equal(t, "otp", b.step())
	b.next()
	assert.Equal(t, sandbox.Paid, seen(t, gw, "A-9").State)

	require.Equal(t, "saved", open("A-10", "m1"))
	for range 2 {
		id := regexp.MustCompile(`name="card" value="(\w+)">Delete`).FindStringSubmatch(b.body)
		require.NotNil(t, id)
		address, values := b.form("delete-card")
		values.Set("card", id[1])
		b.post(address, values)
		assert.NotContains(t, b.body, id[1])
	}
	assert.Equal(t, "card", b.step(), "none is left")
	for i := range 12 {
		pay(fmt.Sprint("B-", i), fmt.Sprint("n", i), "save_card", "yes")
	}
}

func TestInstalments(t *testing.T) {
	gw := sandbox.New(t)
	b := newBuyer(t, gw, "PC")
	b.open(checkout(t, gw, "A-1", nil, ksher.ChannelKTCInstal))
	for _, text := range []string{`id="months-3"`, `id="months-4"`, `id="months-6"`, `id="months-10"`, "1,500.00 THB a month", "You pay the instalment fee"} {
		assert.Contains(t, b.body, text)
	}
	b.next("months", "5")
	assert.Equal(t, http.StatusUnprocessableEntity, b.status)
	b.next("months", "4")
	assert.Contains(t, b.body, "4 months, 1,125.00 THB a month")

	b.open(checkout(t, gw, "A-2", func(r *ksher.GatewayPayRequest) {
		r.ChannelInstalTimesList = ksher.InstalTimes{ksher.ChannelKTCInstal: {7, 5}}
		r.InstalFeePayerMerchantChannelList = []ksher.Channel{ksher.ChannelKTCInstal}
	}, ksher.ChannelKTCInstal))
	assert.Contains(t, b.body, `id="months-5"`)
	assert.Contains(t, b.body, "642.86 THB a month", "rounded up")
	assert.NotContains(t, b.body, `id="months-3"`)
	assert.Contains(t, b.body, "The shop pays the instalment fee")
}

func TestAppIsNotInstalled(t *testing.T) {
	gw := sandbox.New(t)
	b := newBuyer(t, gw, phoneAgent)
	page := checkout(t, gw, "A-1", nil, ksher.ChannelSCBEasy)
	b.open(page)
	assert.Contains(t, b.body, `id="way-store"`)
	b.open(page + "&way=store")
	assert.Contains(t, b.body, "simulated app store")
	assert.Contains(t, b.body, `id="way-app"`)
	assert.NotContains(t, b.body, `id="submit"`)
}

func TestWeChatOnAPhoneOutsideWeChat(t *testing.T) {
	gw := sandbox.New(t)
	b := newBuyer(t, gw, phoneAgent)
	page := checkout(t, gw, "A-1", nil, ksher.ChannelWeChat)
	b.open(page)
	assert.Contains(t, b.body, "Open this page in WeChat")
	b.post(page, url.Values{"step": {"wechatonly"}, "action": {"next"}})
	assert.Equal(t, sandbox.Created, seen(t, gw, "A-1").State)
}

func TestTwoBuyers(t *testing.T) {
	gw := sandbox.New(t)
	page := checkout(t, gw, "A-1", nil, ksher.ChannelCard)
	one, two := newBuyer(t, gw, "PC"), newBuyer(t, gw, "PC")
	two.open(page)
	stale := *two
	one.open(page)
	one.next()
	two.open(page)
	assert.Equal(t, http.StatusConflict, two.status)
	assert.Contains(t, two.body, "MANY_OPEN")
	assert.NotContains(t, two.body, "<form")
	for _, action := range []string{"next", "fail", "abandon", "back"} {
		address, values := stale.form("pay")
		values.Set("action", action)
		values.Set("otp", "123456")
		for _, step := range []string{"card", "otp"} {
			values.Set("step", step)
			two.post(address, values)
			assert.Contains(t, two.body, "MANY_OPEN")
			assert.Equal(t, sandbox.InProgress, seen(t, gw, "A-1").State)
		}
	}
	gw.Advance(16 * time.Minute)
	two.open(page)
	assert.Equal(t, "card", two.step(), "after a while another may take over")
	one.open(page)
	assert.Equal(t, "card", one.step())

	require.NoError(t, gw.Begin("A-1", ""))
	one.open(page)
	assert.Contains(t, one.body, "MANY_OPEN", "begun elsewhere")
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
			page := checkout(t, gw, "A-1", nil, ksher.ChannelCard)
			b := newBuyer(t, gw, "PC")
			b.open(page)
			stale := *b
			require.NoError(t, c.bring(gw))
			before := seen(t, gw, "A-1").State
			for _, b := range []*buyer{b, &stale} {
				if b == &stale {
					b.next()
				} else {
					b.open(page)
				}
				assert.Equal(t, http.StatusOK, b.status)
				assert.Contains(t, b.body, c.text)
				assert.Contains(t, b.body, `href="https://shop.example/`+c.link+`"`)
				assert.NotContains(t, b.body, "<form")
				assert.NotContains(t, b.body, "http-equiv=\"refresh\"", "this buyer didn't pay")
				assert.Equal(t, before, seen(t, gw, "A-1").State)
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
	b := newBuyer(t, gw, "PC")
	b.open(checkout(t, gw, "A-1", nil, ksher.ChannelPromptPay))
	_, err := gw.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "A-1"})
	require.NoError(t, err)
	b.next()
	assert.Equal(t, sandbox.Paid, seen(t, gw, "A-1").State)
}

func TestPageOfNoOrder(t *testing.T) {
	gw := sandbox.New(t)
	b := newBuyer(t, gw, "PC")
	for _, address := range []string{"/ua", "/ua?order_uuid=nobody%22%3E&lang=th"} {
		b.open(address)
		assert.Equal(t, http.StatusNotFound, b.status)
		assert.Contains(t, b.body, `id="simulation"`)
		b.post(gw.URL()+address, url.Values{"action": {"next"}})
		assert.Equal(t, http.StatusNotFound, b.status)
	}
	assert.Contains(t, b.body, "ไม่พบคำสั่งซื้อ")
}

func TestLanguages(t *testing.T) {
	gw := sandbox.New(t)
	b := newBuyer(t, gw, "PC")
	page := checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) { r.Lang = "th" })
	b.open(page)
	assert.Contains(t, b.body, `<html lang="th">`)
	assert.Contains(t, b.body, "เลือกวิธีชำระเงิน")
	b.open(strings.Replace(page, "&lang=th", "", 1))
	assert.Contains(t, b.body, `<html lang="th">`, "by the order")
	b.open(strings.Replace(page, "lang=th", "lang=cn", 1))
	assert.Contains(t, b.body, `<html lang="zh-Hans">`)
	assert.Contains(t, b.body, "选择付款方式")
	b.open(strings.Replace(page, "lang=th", "lang=xx", 1))
	assert.Contains(t, b.body, `<html lang="en">`)

	b.open(page + "&channel=truemoney&way=otp")
	b.next()
	require.Equal(t, "otp", b.step())
	link := regexp.MustCompile(`id="lang-cn" href="([^"]*)"`).FindStringSubmatch(b.body)
	require.NotNil(t, link)
	b.open(html.UnescapeString(link[1]))
	assert.Equal(t, "otp", b.step(), "the language changes, the step doesn't")
	assert.Contains(t, b.body, `<html lang="zh-Hans">`)
}

func TestHostileTexts(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	gw := sandbox.New(t)
	b := newBuyer(t, gw, "PC")
	page := checkout(t, gw, "A-1<b>", func(r *ksher.GatewayPayRequest) {
		r.ShopName, r.ProductName, r.KsherExplain = evil, evil, evil
		r.Color, r.PaymentColor = "red;}</style><script>alert(1)</script>", "#123456"
		r.Logo, r.Background = "https://shop.example/l.png\" onerror=\"alert(1)", "https://shop.example/b.png"
		r.MchRedirectURLFail = "https://shop.example/sorry?a=1&b=%22"
	}, ksher.ChannelCard)
	for _, address := range []string{page, page + "&channel=<script>&way=<script>&tab=<script>&left=1"} {
		b.open(address)
		assert.NotContains(t, b.body, "<script>")
		assert.NotContains(t, b.body, "<img src=x")
		assert.NotContains(t, b.body, "<b>")
		assert.NotContains(t, b.body, `" onerror="`)
		assert.NotContains(t, b.body, "--banner:red")
		assert.Contains(t, b.body, "--pay:#123456;--on-pay:#ffffff;")
		assert.Contains(t, b.body, `src="https://shop.example/b.png"`)
	}
	csp := b.header.Get("Content-Security-Policy")
	assert.Contains(t, csp, "default-src 'none'")
	assert.NotContains(t, csp, "unsafe")
}

func TestShownAndHidden(t *testing.T) {
	gw := sandbox.New(t)
	b := newBuyer(t, gw, "PC")
	b.open(checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) {
		r.KsherExplain, r.ExpireTime = "Ask us", 90
	}))
	assert.Contains(t, b.body, "Ask us")
	assert.Contains(t, b.body, "1:30:00")
	b.open(checkout(t, gw, "A-2", func(r *ksher.GatewayPayRequest) {
		r.KsherExplain, r.ExpireTime, r.HideExplain, r.HideExpTime = "Ask us", 90, ksher.VisibilityHidden, ksher.VisibilityHidden
	}))
	assert.NotContains(t, b.body, "Ask us")
	assert.NotContains(t, b.body, `id="countdown"`)
	b.open(checkout(t, gw, "A-3", nil))
	assert.NotContains(t, b.body, `id="countdown"`)
}

func TestCrossSitePostsAreRefused(t *testing.T) {
	gw := sandbox.New(t)
	page := checkout(t, gw, "A-1", nil, ksher.ChannelPromptPay)
	for name, header := range map[string]http.Header{
		"cross-site": {"Sec-Fetch-Site": {"cross-site"}},
		"same site":  {"Sec-Fetch-Site": {"same-site"}},
		"origin":     {"Origin": {"https://evil.example"}},
		"null":       {"Origin": {"null"}},
		"too long":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuyer(t, gw, "PC")
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
			b.do(req)
			assert.Equal(t, http.StatusForbidden, b.status)
			assert.Contains(t, b.body, "refused")
			assert.Equal(t, sandbox.Created, seen(t, gw, "A-1").State)
		})
	}
}

func TestStylesheet(t *testing.T) {
	gw := sandbox.New(t)
	b := newBuyer(t, gw, "PC")
	b.open(checkout(t, gw, "A-1", nil))
	link := regexp.MustCompile(`rel="stylesheet" href="([^"]*)"`).FindStringSubmatch(b.body)
	require.NotNil(t, link)
	b.open(html.UnescapeString(link[1]))
	assert.Equal(t, http.StatusOK, b.status)
	assert.Equal(t, "text/css; charset=utf-8", b.header.Get("Content-Type"))
	assert.NotContains(t, b.body, "http", "nothing external")
}

// A buyer whom the page doesn't know, as after a restart, keeps others out no
// longer than one whom it does.
func TestPageIsFreeAgainAfterAStranger(t *testing.T) {
	gw := sandbox.New(t)
	page, err := gw.Client.GatewayPay(t.Context(), gatewayPay("A-1"))
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

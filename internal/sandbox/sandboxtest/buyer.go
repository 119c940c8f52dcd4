package sandboxtest

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// Buyer is a browser at the checkout page.
type Buyer struct {
	t      *testing.T
	Client *http.Client
	agent  string
	base   string

	Status int
	Header http.Header
	At     string
	Body   string
}

// Kinds of browsers on a phone.
const (
	PhoneAgent  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148"
	WeChatAgent = PhoneAgent + " MicroMessenger/8.0"
)

// NewBuyer returns a buyer at a gateway, with a browser of that kind.
func NewBuyer(t *testing.T, gw *sandbox.Gateway, agent string) *Buyer {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := gw.HTTPClient()
	client.Jar = jar
	return &Buyer{t: t, Client: client, agent: agent, base: gw.URL()}
}

// Do sends a request, and follows where the answer leads.
func (b *Buyer) Do(req *http.Request) {
	b.t.Helper()
	req.Header.Set("User-Agent", b.agent)
	resp, err := b.Client.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	b.Status, b.Header, b.At, b.Body = resp.StatusCode, resp.Header, resp.Request.URL.String(), string(text)
}

// Open goes to an address, which may be without a host.
func (b *Buyer) Open(address string) {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.base + address
	}
	req, err := http.NewRequest(http.MethodGet, address, nil)
	require.NoError(b.t, err)
	b.Do(req)
}

var (
	hiddenInput  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	checkedInput = regexp.MustCompile(`name="([^"]*)"[^>]* value="([^"]*)"[^>]* checked>`)
	formAction   = regexp.MustCompile(` action="([^"]*)"`)
)

// Form returns the address and the given values of a form.
func (b *Buyer) Form(id string) (string, url.Values) {
	b.t.Helper()
	form := regexp.MustCompile(`(?s)<form[^>]*\bid="` + id + `".*?</form>`).FindString(b.Body)
	require.NotEmpty(b.t, form, "no form %s in:\n%s", id, b.Body)
	values := make(url.Values)
	for _, input := range []*regexp.Regexp{hiddenInput, checkedInput} {
		for _, m := range input.FindAllStringSubmatch(form, -1) {
			values.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
		}
	}
	return b.base + html.UnescapeString(formAction.FindStringSubmatch(form)[1]), values
}

// Post sends a form.
func (b *Buyer) Post(address string, values url.Values) {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(values.Encode()))
	require.NoError(b.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.Do(req)
}

// Next sends the form of the step, filled in as told and otherwise rightly.
func (b *Buyer) Next(pairs ...string) {
	b.t.Helper()
	address, values := b.Form("pay")
	for name, value := range map[string]string{
		"card_name": "A. Buyer", "card_number": "4242 4242 4242 4242", "card_expiry": "12/40", "card_cvc": "123",
		"otp": "123456", "pin": "1234", "mobile": "081 234 5678", "accept": "yes", "agree": "yes", "account": "buyer@example.com", "action": "next",
	} {
		values.Set(name, value)
	}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	b.Post(address, values)
}

// Leave presses one of the buttons beside the form.
func (b *Buyer) Leave(action string) {
	b.t.Helper()
	address, values := b.Form("leave")
	values.Set("action", action)
	b.Post(address, values)
}

var stayLink = regexp.MustCompile(`id="stay" href="([^"]*)"`)

// Stay follows the link to a page that doesn't lead on by itself.
func (b *Buyer) Stay() {
	b.t.Helper()
	link := stayLink.FindStringSubmatch(b.Body)
	require.NotNil(b.t, link, b.Body)
	b.Open(html.UnescapeString(link[1]))
	require.NotContains(b.t, b.Body, `http-equiv="refresh"`)
	require.NotContains(b.t, b.Body, "setTimeout")
}

var stepInput = regexp.MustCompile(`name="step" value="(\w+)"`)

// Step is the name of the step that is shown, "" for none.
func (b *Buyer) Step() string {
	if m := stepInput.FindStringSubmatch(b.Body); m != nil {
		return m[1]
	}
	return ""
}

// Checkout makes an order and returns its page.
func Checkout(t *testing.T, gw *sandbox.Gateway, no string, edit func(*ksher.GatewayPayRequest), channels ...ksher.Channel) string {
	t.Helper()
	req := GatewayPay(no, channels...)
	req.TotalFee = 4500_00
	if edit != nil {
		edit(req)
	}
	resp, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	return resp.PayContent
}

// Seen is the order as the gateway sees it.
func Seen(t *testing.T, gw *sandbox.Gateway, no string) sandbox.Order {
	t.Helper()
	o, err := gw.Order(no)
	require.NoError(t, err)
	return o
}

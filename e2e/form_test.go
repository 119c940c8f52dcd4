package e2e

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// form serves the page of a form as a shop would, after a page of the shop's own.
func (s *shop) form(req *ksher.GatewayPayRequest) (cart, checkout string) {
	s.t.Helper()
	form, err := s.gateway.Client.GatewayPayForm(req)
	require.NoError(s.t, err)
	mux := http.NewServeMux()
	mux.Handle("/checkout", form)
	mux.HandleFunc("/strict", func(w http.ResponseWriter, _ *http.Request) {
		// A site whose policy forbids scripts.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src 'self'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		assert.NoError(s.t, form.WriteHTML(w))
	})
	mux.HandleFunc("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/cart", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte(`<!doctype html><html lang="en"><title>Cart</title><link rel="icon" href="data:,"><h1>Cart</h1><a id="pay" href="/checkout">Pay</a>`))
	})
	server := httptest.NewServer(mux)
	s.t.Cleanup(server.Close)
	return server.URL + "/cart", server.URL
}

// formRequest has in it whatever a page or a browser could spoil on its way. If one
// character of it changed, the gateway would refuse the signature.
func (s *shop) formRequest(no string, device string) *ksher.GatewayPayRequest {
	const hostile = "\"'><script>console.error('attacked')</script></form><!-- &quot;&#34; a+b%20c ก ข ☕ \u00a0\u2028\u202e {{.}} `${x}` \\\"\r\nline\r\n\r\n\ttab \x01\x7f "
	return &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: 4500_00, FeeType: "THB", ChannelList: []ksher.Channel{ksher.ChannelPromptPay}, Device: device,
		ProductName: "Linen shirt, moss green", ShopName: hostile, Attach: hostile,
		ReferURL: s.url + "/?a=1&b=%22", MchRedirectURL: s.url + "/thanks?order=" + no, MchRedirectURLFail: s.url + "/sorry?order=" + no,
		MchNotifyURL: s.url + "/notify", Extra: ksher.Extra{Params: map[string]string{"submit": "1", "action": "2", "empty": "", hostileName: hostile}},
	}
}

const hostileName = `"><b>'&amp;+กx`

// The page of a form brings the buyer to the checkout page by itself, and every
// value with him.
func TestForm(t *testing.T) {
	t.Parallel()
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			req := s.formRequest(ksher.NewOrderNo(), string(l.name))
			cart, _ := s.form(req)
			b := s.visit(l)
			b.open(cart)
			before := eval[int](b, "history.length")
			b.click("#pay")
			b.untilAt(s.gateway.URL() + "/ua?")
			assert.Equal(t, before+1, eval[int](b, "history.length"), "the back button leads to the shop, not to the form's page")
			b.look("checkout")
			order, err := s.gateway.Order(req.MchOrderNo)
			require.NoError(t, err)
			assert.Equal(t, req.Attach, order.Params.Get("attach"))
			assert.Equal(t, req.Attach, order.Params.Get(hostileName))

			b.walk("form", "qr")
			s.expectPaid(req.MchOrderNo, ksher.ChannelPromptPay, 4500_00)
			b.expectEnd("paid", true, req.MchRedirectURL)
		})
	}
}

// Where no script runs, the buyer has a button.
func TestFormWithoutScripts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	req := s.formRequest("F1001", "PC")
	_, site := s.form(req)
	b := s.visit(pc)
	b.allow("Content Security Policy")
	b.open(site + "/strict")
	b.see("Continue to payment")
	b.save("button")
	assert.Empty(t, s.gateway.Orders())
	b.follow("button")
	b.untilAt(s.gateway.URL() + "/ua?")
	assert.Equal(t, sandbox.Created, s.state("F1001"))
}

// A buyer who opens the form's page again sees that it can't be paid twice.
func TestFormAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	req := s.formRequest("F1101", "H5")
	_, site := s.form(req)
	b := s.visit(h5)
	b.open(site + "/checkout")
	b.untilAt(s.gateway.URL() + "/ua?")
	b.allow("HTTP 400|status of 400")
	b.open(site + "/checkout")
	b.untilAt(s.gateway.URL() + "/h5")
	b.see(string(ksher.CodeOrderError))
	b.look("again")
	assert.Len(t, s.gateway.Orders(), 1)
	b.click("#return")
	b.untilAt(req.MchRedirectURLFail)
}

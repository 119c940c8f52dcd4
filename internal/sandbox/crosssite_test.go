package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// Whatever a page of another website makes the browser send changes nothing, in every room,
// but for the form that a shop's page is there to post.
func TestCrossSite(t *testing.T) {
	const form, anySite = "application/x-www-form-urlencoded", ""
	for _, tt := range []struct {
		name, method, path, site, mode string
		refused                        bool
	}{
		{"a program's call", "POST", "/api/gateway_pay", anySite, "", false},
		{"a program's call by GET", "GET", "/api/gateway_pay", anySite, "", false},
		{"a form at another site", "POST", "/api/gateway_pay", "cross-site", "navigate", true},
		{"another port of this machine", "POST", "/api/gateway_pay", "same-site", "cors", true},
		{"an image at another site", "GET", "/api/gateway_pay", "cross-site", "no-cors", true},
		{"a link at another site", "GET", "/api/gateway_pay", "cross-site", "navigate", true},
		{"a call of the merchant host", "POST", "/KsherPay/quick_pay", "cross-site", "no-cors", true},
		{"a call of vip.ksher.net", "POST", "/api/v1/redirect/orders", "cross-site", "no-cors", true},
		{"a call of Opn's", "POST", "/opn/charges", "cross-site", "no-cors", true},
		{"a query of Opn's by a link", "GET", "/opn/charges", "cross-site", "navigate", true},
		{"the control API", "POST", "/control/advance", "cross-site", "no-cors", true},
		{"reading by the control API", "GET", "/control/orders", "cross-site", "cors", true},
		{"watching", "GET", "/events", "cross-site", "cors", true},
		{"a button of the dashboard", "POST", "/do/clear", "cross-site", "navigate", true},
		{"a button of the dashboard on itself", "POST", "/do/clear", "same-origin", "navigate", false},
		{"a button of the checkout page", "POST", "/ua", "cross-site", "navigate", true},
		{"a button of Opn's page", "POST", "/opn/payments/x/authorize", "cross-site", "navigate", true},
		{"a shop's form for a PC", "POST", "/pc", "cross-site", "navigate", false},
		{"a shop's form for a phone", "POST", "/h5", "same-site", "navigate", false},
		{"a shop's link to the checkout page", "GET", "/ua", "cross-site", "navigate", false},
		{"a shop's link to Opn's page", "GET", "/opn/payments/x/authorize", "cross-site", "navigate", false},
		{"a link to the dashboard", "GET", "/", "cross-site", "navigate", false},
		{"an address that was typed", "GET", "/control/orders", "none", "navigate", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gw := sandbox.New(t, sandbox.WithStrict(false))
			req := sandboxtest.GatewayPay("A-1")
			req.Device = "PC"
			signed, err := gw.Client.GatewayPayForm(req)
			require.NoError(t, err)
			fields := make(url.Values)
			for name, value := range signed.Fields {
				fields.Set(name, value)
			}
			path, body := tt.path, fields.Encode()
			if tt.method == http.MethodGet {
				path, body = path+"?"+body, ""
			}
			header := []string{"Content-Type", form}
			if tt.site != anySite {
				header = append(header, "Sec-Fetch-Site", tt.site, "Sec-Fetch-Mode", tt.mode)
			}
			status, answer := sandboxtest.Ask(t, gw, tt.method, path, body, header...)
			if !tt.refused {
				assert.NotEqual(t, http.StatusForbidden, status, answer)
				return
			}
			assert.Equal(t, http.StatusForbidden, status)
			assert.Contains(t, answer, "a page of another website")
			assert.Empty(t, gw.Orders())
		})
	}
}

// A browser that knows no Sec-Fetch-Site, or is at a plain http name, sends the Origin alone.
func TestCrossSiteByOrigin(t *testing.T) {
	gw := sandbox.New(t)
	for origin, refused := range map[string]bool{"https://evil.example": true, "null": true, gw.URL(): false} {
		status, _ := sandboxtest.Ask(t, gw, "POST", "/api/gateway_pay", "", "Origin", origin)
		assert.Equal(t, refused, status == http.StatusForbidden, origin)
	}
}

// A page whose host name was made to point here is of the same site for the browser.
func TestRebound(t *testing.T) {
	for _, tt := range []struct {
		name, method, path, host, header string
		refused                          bool
	}{
		{"a page's call", "POST", "/KsherPay/quick_pay", "evil.example", "Origin", true},
		{"a page's call by GET", "GET", "/api/gateway_pay", "evil.example", "Sec-Fetch-Site", true},
		{"a page's call of vip.ksher.net", "POST", "/api/v1/redirect/orders", "evil.example", "Origin", true},
		{"a page's call of Opn's", "POST", "/opn/charges", "evil.example", "Origin", true},
		{"a button of the checkout page", "POST", "/ua", "evil.example", "Origin", true},
		{"the same at a name that is allowed", "POST", "/ua", "shop.test", "Origin", false},
		{"the same at the public URL", "POST", "/ua", "pay.test", "Origin", false},
		{"the same here", "POST", "/ua", "localhost", "Origin", false},
		{"a program's call", "POST", "/KsherPay/quick_pay", "sandbox", "", false},
		{"a shop's form for a PC", "POST", "/pc", "sandbox", "Origin", false},
		{"a link to the checkout page", "GET", "/ua", "sandbox", "Sec-Fetch-Site", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gw := sandbox.New(t, sandbox.WithHosts("shop.test"), sandbox.WithPublicURL("http://pay.test:8765"))
			r := httptest.NewRequest(tt.method, "http://"+tt.host+":8765"+tt.path, nil)
			switch tt.header {
			case "Origin":
				r.Header.Set("Origin", "http://"+r.Host)
			case "Sec-Fetch-Site":
				r.Header.Set("Sec-Fetch-Site", "same-origin")
			}
			w := httptest.NewRecorder()
			gw.Handler().ServeHTTP(w, r)
			assert.Equal(t, tt.refused, w.Code == http.StatusForbidden, w.Body.String())
		})
	}
}

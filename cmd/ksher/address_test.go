package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// underName sends requests to the sandbox under a host name.
type underName struct{ name string }

func (u underName) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if u.name != "" {
		r.Host = u.name
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestAddresses asks the program under names, and looks at the addresses that it gives.
func TestAddresses(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		asks string
		// url is what addresses begin with, "" for the one that was printed.
		url    string
		status int
	}{
		"as printed":       {status: http.StatusOK},
		"localhost":        {asks: "localhost:99", url: "http://localhost:99", status: http.StatusOK},
		"a foreign name":   {asks: "sandbox:8765", url: "http://sandbox:8765", status: http.StatusForbidden},
		"an allowed name":  {args: []string{"--host=other", "--host=Sandbox"}, asks: "sandbox:8765", url: "http://sandbox:8765", status: http.StatusOK},
		"another name":     {args: []string{"--host=sandbox"}, asks: "sandbox.evil.example", url: "http://sandbox.evil.example", status: http.StatusForbidden},
		"public":           {args: []string{"--public-url=https://pay.example/"}, url: "https://pay.example", status: http.StatusOK},
		"under the public": {args: []string{"--public-url=https://pay.example"}, asks: "pay.example", url: "https://pay.example", status: http.StatusOK},
		"beside the public": {args: []string{"--public-url=https://pay.example"}, asks: "sandbox", url: "https://pay.example",
			status: http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProgram(t, tt.args...)
			t.Cleanup(func() {
				http.DefaultTransport.(*http.Transport).CloseIdleConnections()
				assert.NoError(t, p.cmd.Process.Kill())
				p.cmd.Wait()
			})
			at, want := p.url, tt.url
			if want == "" {
				want = at
			}
			browser := &http.Client{Transport: underName{tt.asks}}
			client, err := ksher.NewClient(sandbox.AppID, sandbox.PrivateKey(), ksher.WithGatewayURL(at+"/api"), ksher.WithMerchantURL(at+"/KsherPay"),
				ksher.WithHTTPClient(browser), ksher.WithVerifier(sandbox.Verifier()))
			require.NoError(t, err)
			order, err := client.GatewayPay(t.Context(), &ksher.GatewayPayRequest{
				MchOrderNo: "A1", TotalFee: 100_00, FeeType: "THB", ChannelList: []ksher.Channel{ksher.ChannelTrueMoney},
				MchCode: "A1", ProductName: "Tea", ReferURL: "https://shop.example", MchRedirectURL: "https://shop.example/ok", MchRedirectURLFail: "https://shop.example/no",
				MchNotifyURL: "https://shop.example/notify",
			})
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(order.PayContent, want+"/ua?"), order.PayContent)

			for path, text := range map[string]string{"/setup": want + "/KsherPay", "/control/orders/A1": want + "/ua?", "/order?no=A1": ""} {
				resp, err := browser.Get(at + path)
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, tt.status, resp.StatusCode, path)
				if tt.status == http.StatusOK {
					assert.Contains(t, string(body), text, path)
				}
			}
		})
	}
}

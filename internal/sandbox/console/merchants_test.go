package console_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// twoMerchants is a gateway in which the usual merchant and another have an order A-1 each.
func twoMerchants(t *testing.T) *sandbox.Gateway {
	t.Helper()
	gw := sandbox.New(t, sandbox.WithMerchant("mch60000", sandbox.Terms{Currencies: []string{"MYR"}, Zone: "+08:00"}))
	m, err := gw.MerchantOf("mch60000")
	require.NoError(t, err)
	for client, currency := range map[*ksher.Client]string{gw.Client: "THB", m.Client: "MYR"} {
		req := sandboxtest.GatewayPay("A-1")
		req.FeeType = currency
		_, err := client.GatewayPay(t.Context(), req)
		require.NoError(t, err)
	}
	return gw
}

func TestControlKeepsMerchantsApart(t *testing.T) {
	gw := twoMerchants(t)
	// The steps build on each other.
	for _, step := range []struct {
		method, path, body string
		status             int
		want, not          string
	}{
		{"GET", "/control/orders", "", 200, `"appid": "mch00000"`, "zap"},
		{"GET", "/control/orders?appid=mch60000", "", 200, `"appid": "mch60000"`, "mch00000"},
		{"GET", "/control/orders?appid=mch00000", "", 200, `"appid": "mch00000"`, "mch60000"},
		{"GET", "/control/orders?appid=mch9", "", 404, `no merchant \"mch9\"`, "A-1"},
		{"GET", "/control/orders/A-1", "", 200, `"fee_type": "THB"`, "MYR"},
		{"GET", "/control/orders/A-1?appid=mch60000", "", 200, `"fee_type": "MYR"`, "THB"},
		{"GET", "/control/orders/A-1?appid=mch9", "", 404, "no such order", "THB"},
		{"POST", "/control/orders/A-1/pay?appid=mch60000", "", 200, `"paid"`, "mch00000"},
		{"GET", "/control/orders/A-1", "", 200, `"created"`, `"paid"`},
		{"POST", "/control/orders/A-1/fail", "", 200, `"failed"`, "mch60000"},
		{"GET", "/control/orders/A-1?appid=mch60000", "", 200, `"paid"`, `"failed"`},
		{"POST", "/control/orders/A-1/pay?appid=mch9", "", 404, `no merchant \"mch9\"`, "paid"},
	} {
		status, text := sandboxtest.Ask(t, gw, step.method, step.path, step.body)
		require.Equal(t, step.status, status, "%s %s: %s", step.method, step.path, text)
		require.Contains(t, text, step.want, "%s %s", step.method, step.path)
		require.NotContains(t, text, step.not, "%s %s", step.method, step.path)
	}
}

func TestControlAddsMerchants(t *testing.T) {
	gw := sandbox.New(t)
	add := func(body string) (int, string) { return sandboxtest.Ask(t, gw, "POST", "/control/merchants", body) }
	for body, want := range map[string]struct {
		status int
		text   string
	}{
		`{}`:                                    {400, "app ID"},
		`{"appid":"mch00000"}`:                  {409, "already"},
		`{"appid":"mch2","currencies":["USD"]}`: {400, "THB, MYR, JPY, AED"},
		`{"appid":"mch2","channels":["true_money"]}`:  {400, "docs/channels.md"},
		`{"appid":"mch2","currency":"MYR"}`:           {400, "unknown field"},
		`{"appid":"mch2","public_key":"-----BEGIN-"}`: {400, "public key"},
	} {
		status, text := add(body)
		assert.Equal(t, want.status, status, "%s: %s", body, text)
		assert.Contains(t, text, want.text, body)
	}

	status, text := add(`{"appid":"mch2","account":"online","currencies":["AED"],"channels":["alipay"],"zone":"+04:00"}`)
	require.Equal(t, 200, status, text)
	var made struct {
		Zone       string
		PrivateKey string `json:"private_key"`
	}
	require.NoError(t, json.Unmarshal([]byte(text), &made))
	assert.Equal(t, "+04:00", made.Zone)
	key, err := ksher.ParsePrivateKey([]byte(made.PrivateKey))
	require.NoError(t, err)
	client, err := ksher.NewClient("mch2", key, ksher.WithHTTPClient(gw.HTTPClient()),
		ksher.WithGatewayURL(gw.GatewayURL()), ksher.WithMerchantURL(gw.MerchantURL()), ksher.WithVerifier(sandbox.Verifier()))
	require.NoError(t, err)
	req := sandboxtest.GatewayPay("A-1", ksher.ChannelAlipay)
	req.FeeType = "AED"
	_, err = client.GatewayPay(t.Context(), req)
	require.NoError(t, err)

	status, text = add(`{"appid":"mch3","account":"any"}`)
	require.Equal(t, 200, status, text)
	status, text = sandboxtest.Ask(t, gw, "GET", "/control/merchants", "")
	assert.Equal(t, 200, status)
	var list struct {
		Merchants []struct{ AppID, Account string }
	}
	require.NoError(t, json.Unmarshal([]byte(text), &list))
	assert.Equal(t, []struct{ AppID, Account string }{{sandbox.AppID, "any"}, {"mch2", "online"}, {"mch3", "any"}}, list.Merchants)
}

func TestDashboardShowsWhoseOrdersAre(t *testing.T) {
	gw := twoMerchants(t)
	status, page := sandboxtest.Ask(t, gw, "GET", "/", "")
	require.Equal(t, 200, status)
	assert.Contains(t, page, `href="/order?no=A-1"`)
	assert.Contains(t, page, `href="/order?appid=mch60000&amp;no=A-1"`)
	_, page = sandboxtest.Ask(t, gw, "GET", "/?appid=mch60000", "")
	assert.NotContains(t, page, `href="/order?no=A-1"`)
	assert.Contains(t, page, `href="/order?appid=mch60000&amp;no=A-1"`)
	assert.Contains(t, page, `<option selected>mch60000</option>`)
	for address, amount := range map[string]string{"/order?no=A-1": "150.50 THB", "/order?appid=mch60000&no=A-1": "150.50 MYR"} {
		status, page = sandboxtest.Ask(t, gw, "GET", address, "")
		require.Equal(t, 200, status, address)
		assert.Contains(t, page, amount)
	}
	form := url.Values{"no": {"A-1"}, "appid": {"mch60000"}, "channel": {"truemoney"}}.Encode()
	status, page = sandboxtest.Ask(t, gw, "POST", "/do/pay", form, "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, 200, status, "it leads back to the order")
	assert.Contains(t, page, "150.50 MYR")
	assert.Contains(t, page, "The buyer has paid.")
	untouched, err := gw.Order("A-1")
	require.NoError(t, err)
	assert.Equal(t, sandbox.Created, untouched.State)
	status, page = sandboxtest.Ask(t, gw, "POST", "/do/pay", form, "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, 409, status)
	assert.Contains(t, page, `href="/order?appid=mch60000&amp;no=A-1"`, "the way back")

	status, page = sandboxtest.Ask(t, gw, "GET", "/setup", "")
	require.Equal(t, 200, status)
	assert.Contains(t, page, "/setup/merchant.pem?appid=mch60000")
	m, err := gw.MerchantOf("mch60000")
	require.NoError(t, err)
	_, pem := sandboxtest.Ask(t, gw, "GET", "/setup/merchant.pem?appid=mch60000", "")
	assert.Equal(t, m.PrivateKeyPEM(), pem)
	status, _ = sandboxtest.Ask(t, gw, "GET", "/setup/merchant.pem?appid=mch9", "")
	assert.Equal(t, 404, status)
}

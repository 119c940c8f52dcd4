package console_test

import (
	"encoding/json"
	"html"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

func TestControl(t *testing.T) {
	gw := sandbox.New(t)
	for _, no := range []string{"one", "two", "a/b c"} {
		_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay(no))
		require.NoError(t, err)
	}
	// The steps build on each other.
	for _, step := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/control/orders", "", 200, `"mch_order_no": "two"`},
		{"GET", "/control/orders?offset=1&limit=1", "", 200, "\"orders\": [\n    {\n      \"appid\": \"mch00000\",\n      \"mch_order_no\": \"two\""},
		{"GET", "/control/orders?limit=0", "", 200, "\"orders\": [],\n  \"total\": 3\n}"},
		{"GET", "/control/orders?offset=9", "", 200, `"orders": []`},
		{"GET", "/control/orders?limit=-1", "", 400, "limit takes a whole number"},
		{"GET", "/control/orders?offset=x", "", 400, "offset takes a whole number"},
		{"GET", "/control/requests?offset=2&limit=1", "", 200, `mch_order_no=one`},
		{"GET", "/control/requests?offset=3", "", 200, `"requests": []`},
		{"GET", "/control/orders/one", "", 200, `"state": "created"`},
		{"GET", "/control/orders/a%2Fb%20c", "", 200, `"a/b c"`},
		{"GET", "/control/orders/none", "", 404, "there is no such order"},
		{"POST", "/control/orders/one/begin", `{"channel":"card"}`, 200, `"in progress"`},
		{"POST", "/control/orders/one/give-up", "", 200, `"created"`},
		{"POST", "/control/orders/one/pay", `{"channel":"wechat"}`, 409, "it offers"},
		{"POST", "/control/orders/one/pay", `{"chanel":"card"}`, 400, `unknown field`},
		{"POST", "/control/orders/one/pay", `{} {}`, 400, "more than one"},
		{"POST", "/control/orders/one/pay", `[]`, 400, "JSON object"},
		{"POST", "/control/orders/one/pay", strings.Repeat(" ", 100<<10), 413, "too large"},
		{"POST", "/control/orders/one/settle", "", 409, "not paid"},
		{"POST", "/control/orders/one/refund", `{"amount":1}`, 409, "can't be refunded: it is created"},
		{"POST", "/control/orders/one/amount", `{"total_fee":0,"fee_type":"THB"}`, 400, "more than 0 cents"},
		{"POST", "/control/orders/one/amount", `{"total_fee":100,"fee_type":"USD"}`, 400, "THB, MYR, JPY, AED"},
		{"POST", "/control/orders/none/amount", `{"total_fee":100,"fee_type":"MYR"}`, 404, "no such order"},
		{"POST", "/control/orders/one/amount", `{"total_fee":100,"fee_type":"MYR"}`, 200, "\"total_fee\": 100,\n  \"fee_type\": \"MYR\""},
		{"POST", "/control/orders/one/amount", `{"total_fee":15050,"fee_type":"THB"}`, 200, "\"total_fee\": 15050"},
		{"POST", "/control/orders/one/pay", `{"channel":"truemoney"}`, 200, `"paid"`},
		{"POST", "/control/orders/one/amount", `{"total_fee":100,"fee_type":"THB"}`, 409, "it is paid"},
		{"POST", "/control/orders/one/settle", "\ufeff{}", 200, `"settled": true`},
		{"POST", "/control/orders/one/settle", `{"channel":"card"}`, 400, "takes no channel"},
		{"POST", "/control/orders/one/settle", `{"amount":1}`, 400, "takes no amount"},
		{"POST", "/control/orders/one/refund", `{"amount":-1}`, 409, "150.50 THB of it is left"},
		{"POST", "/control/orders/one/refund", `{"amount":15051}`, 409, "150.50 THB of it is left"},
		{"POST", "/control/orders/one/refund", `{"amount":5000}`, 200, `"refunded in part"`},
		{"POST", "/control/orders/one/refund", `{"amount":10050}`, 200, "refunded 100.50 THB on the merchant platform"},
		{"POST", "/control/orders/one/refund", `{"amount":1}`, 409, "can't be refunded: it is refunded"},
		{"POST", "/control/orders/one/deliver", "", 409, "no notification"},
		{"POST", "/control/orders/one/zap", "", 404, "give-up"},
		{"POST", "/control/orders/two/fail", "", 200, `"failed"`},
		{"POST", "/control/orders/two/expire", "", 409, "can't be paid"},
		{"POST", "/control/orders/none/pay", "", 404, "no such order"},
		{"PUT", "/control/orders", "", 405, "takes GET"},
		{"GET", "/control/faults", "", 200, `"faults": []`},
		{"POST", "/control/faults", `{"operation":"order_refund","kind":"latency","delay_seconds":0.5,"count":2}`, 200, `"delay_seconds": 0.5`},
		{"POST", "/control/faults", `{"operation":"zap","kind":"latency"}`, 400, "no operation"},
		{"POST", "/control/faults", `{"operation":"notify","kind":"late","delay_seconds":1e300}`, 400, "at most"},
		{"DELETE", "/control/faults", "", 200, `"faults": []`},
		{"GET", "/control/requests", "", 200, `"sign_text": "appid=mch00000`},
		{"POST", "/control/advance", `{"seconds":90}`, 200, `"now"`},
		{"POST", "/control/advance", `{"seconds":-1}`, 400, "only goes forward"},
		{"POST", "/control/advance", "", 400, "only goes forward"},
		{"GET", "/control/zap", "", 404, "has no /control/zap"},
	} {
		status, body := sandboxtest.Ask(t, gw, step.method, step.path, step.body)
		assert.Equal(t, step.status, status, "%s %s %.80s: %s", step.method, step.path, step.body, body)
		assert.Contains(t, body, step.want, "%s %s", step.method, step.path)
		assert.True(t, json.Valid([]byte(body)), "%s %s", step.method, step.path)
	}
}

func TestOtherSitesAreRefused(t *testing.T) {
	gw := sandbox.New(t)
	for _, tt := range []struct {
		method, path string
		header       []string
		status       int
	}{
		{"POST", "/control/advance", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", "/control/advance", []string{"Origin", "https://evil.example"}, 403},
		{"DELETE", "/control/faults", []string{"Origin", "null"}, 403},
		{"POST", "/do/clear", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"POST", "/do/clear", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"GET", "/", []string{"Host", "evil.example"}, 403},
		{"GET", "/control/orders", []string{"Host", "localhost.evil.example:80"}, 403},
		{"GET", "/setup", []string{"Host", "192.0.2.1"}, 403},
		{"GET", "/setup", []string{"Host", "localhost:1"}, 200},
		{"GET", "/setup", []string{"Host", "[::1]"}, 200},
	} {
		status, _ := sandboxtest.Ask(t, gw, tt.method, tt.path, "", tt.header...)
		assert.Equal(t, tt.status, status, "%v", tt)
	}
	// Ksher's own operations are for any program.
	status, body := sandboxtest.Ask(t, gw, "POST", "/api/gateway_pay", "", "Host", "gateway.example")
	assert.Equal(t, 200, status)
	assert.Contains(t, body, "POST_DATA_EMPTY")
}

func TestOpenToOthers(t *testing.T) {
	gw, err := sandbox.Start(sandbox.WithAddress("0.0.0.0:0"))
	require.NoError(t, err)
	defer gw.Close()
	_, err = gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("one"))
	require.NoError(t, err)
	status, _ := sandboxtest.Ask(t, gw, "GET", "/", "", "Host", "192.0.2.1:80")
	assert.Equal(t, 200, status)
	status, _ = sandboxtest.Ask(t, gw, "GET", "/", "", "Host", "evil.example")
	assert.Equal(t, 403, status)
}

func TestDashboard(t *testing.T) {
	gw := sandbox.New(t)
	_, body := sandboxtest.Ask(t, gw, "GET", "/", "")
	assert.Contains(t, body, "No orders yet")
	req := sandboxtest.GatewayPay("<i>1")
	req.ProductName = "<script>alert(1)</script>"
	_, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)

	for _, step := range []struct {
		path   string
		form   url.Values
		status int
		want   string
	}{
		{"/", nil, 200, "&lt;i&gt;1"},
		{"/order?no=%3Ci%3E1", nil, 200, "&lt;script&gt;"},
		{"/order?no=none", nil, 404, "no such order"},
		{"/nowhere", nil, 404, "no page"},
		{"/requests", nil, 200, "accepted"},
		{"/faults", nil, 200, "The gateway behaves"},
		{"/dashboard.css", nil, 200, "--accent"},
		{"/dashboard.js", nil, 200, "EventSource"},
		{"/setup/merchant.pem", nil, 200, "PRIVATE KEY"},
		{"/setup/gateway.pem", nil, 200, "-----BEGIN PUBLIC KEY-----\nMFwwDQYJ"},
		{"/setup/gateway.pem?version=2", nil, 200, "-----BEGIN PUBLIC KEY-----\nMIIBIjAN"},
		{"/setup/gateway.pem?version=3", nil, 404, "version 1 and 2"},
		{"/do/pay", url.Values{"no": {"<i>1"}, "channel": {"truemoney"}}, 200, "The buyer has paid."},
		{"/do/pay", url.Values{"no": {"<i>1"}}, 409, "it is paid"},
		{"/do/refund", url.Values{"no": {"<i>1"}, "amount": {"1,2x"}}, 400, "isn&#39;t an amount"},
		{"/do/refund", url.Values{"no": {"<i>1"}, "amount": {"1,000.00"}}, 409, "150.50 THB of it is left"},
		{"/do/refund", url.Values{"no": {"<i>1"}, "amount": {" 0,050.50 "}}, 200, "refunded 50.50 THB on the merchant platform"},
		{"/do/zap", url.Values{"no": {"<i>1"}}, 404, "no action"},
		{"/do/inject", url.Values{"operation": {"notify"}, "kind": {"late"}, "delay": {"1.5"}, "count": {"2"}}, 200, "1.5 s"},
		{"/do/inject", url.Values{"operation": {"notify"}, "kind": {"late"}, "delay": {"x"}}, 400, "delay isn"},
		{"/do/clear", url.Values{}, 200, "The gateway behaves"},
		{"/do/advance", url.Values{"number": {"2"}, "unit": {"hours"}}, 200, "has gone forward"},
		{"/do/advance", url.Values{"number": {"x"}, "unit": {"hours"}}, 400, "how many"},
	} {
		method, header := "GET", []string(nil)
		if step.form != nil {
			method, header = "POST", []string{"Content-Type", "application/x-www-form-urlencoded"}
		}
		status, body := sandboxtest.Ask(t, gw, method, step.path, step.form.Encode(), header...)
		assert.Equal(t, step.status, status, "%s %v", step.path, step.form)
		assert.Contains(t, body, step.want, "%s %v", step.path, step.form)
		body = strings.Replace(body, `<script type="module" src="/dashboard.js"></script>`, "", 1)
		assert.NotContains(t, body, "<script", step.path)
		if strings.HasPrefix(step.path, "/requests") {
			assert.NotContains(t, body, "PRIVATE KEY")
		}
	}
}

// TestSnippets runs the shell snippet of the set-up page as it stands, and then
// with the mistakes that the page about requests is to recognise.
func TestSnippets(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "openssl", "xxd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	gw := sandbox.New(t)
	_, page := sandboxtest.Ask(t, gw, "GET", "/setup", "")
	script := program(t, page, "curl")
	pres := regexp.MustCompile(`(?s)<pre tabindex="0" data-copy="the (?:private|public) key[^>]*>(.*?)</pre>`).FindAllStringSubmatch(page, -1)
	require.Len(t, pres, 3)
	for _, pre := range pres {
		assert.True(t, strings.HasPrefix(pre[1], "-----BEGIN"))
	}
	for _, pem := range []string{pres[1][1], pres[2][1]} {
		_, err := ksher.ParsePublicKey([]byte(html.UnescapeString(pem)))
		assert.NoError(t, err)
	}
	for _, tt := range []struct{ old, new, hint string }{
		{"", "", ""},
		{`printf %s "$text"`, `echo "$text"`, "line feed"},
		{`| tr -d '\n')` + "\nsign", `| paste -sd '&' | tr -d '\n')` + "\nsign", "You put &amp; between"},
		{`xxd -p | tr -d '\n'`, `openssl base64 -A`, "Base64"},
		{`openssl dgst -md5 -sign`, `openssl dgst -sha256 -sign`, "the SHA-256 of the text"},
		{`openssl dgst -md5 -sign`, `openssl dgst -sha1 -sign`, "the SHA-1 of the text"},
		{`xxd -p |`, `xxd -p -u |`, "in upper-case hex digits"},
		{`"sign=$sign"`, `"x=$sign"`, "no parameter sign"},
		{`"sign=$sign"`, `"sign=abcd"`, "16 bits long"},
	} {
		edited := strings.Replace(script, tt.old, tt.new, 1)
		cmd := exec.Command("bash", "-c", edited)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "HOME="+filepath.Join(cmd.Dir, "home"))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		if tt.hint == "" {
			assert.Contains(t, string(out), "pay_content")
			continue
		}
		assert.Contains(t, string(out), "KSHER_SIGN_ERROR", tt.new)
		_, page := sandboxtest.Ask(t, gw, "GET", "/requests", "")
		first, _, _ := strings.Cut(page, "Text to sign")
		assert.Contains(t, first, tt.hint, tt.new)
	}
}

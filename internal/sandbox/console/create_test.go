package console_test

import (
	"html"
	"net/http"
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

// program is the one of that language on a page.
func program(t *testing.T, page, language string) string {
	t.Helper()
	found := regexp.MustCompile(`(?s)id="call-` + language + `">.*?<pre[^>]*>(.*?)</pre>`).FindStringSubmatch(page)
	require.NotNil(t, found, "no program in %s", language)
	return html.UnescapeString(found[1])
}

func TestCreate(t *testing.T) {
	form := func(pairs ...string) url.Values {
		v := url.Values{"channel": {"truemoney", "card"}, "amount": {"1,234.50"}, "lang": {"th"}, "device": {"H5"}, "mch_notify_url": {""}, "then": {"order"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	for name, tt := range map[string]struct {
		form   url.Values
		status int
		want   string
	}{
		"the call":     {form(), 200, "The call that made it"},
		"the page":     {form("then", "page"), 200, `<html lang="th"`},
		"notification": {form("mch_notify_url", "http://127.0.0.1:9/notify"), 200, "mch_notify_url: &#34;http://127.0.0.1:9/notify&#34;"},
		"one channel":  {form("channel", "promptpay"), 200, `<dt>channel_list</dt><dd>promptpay</dd>`},
		"no channel":   {url.Values{"amount": {"1"}}, 400, "channel_list"},
		"no amount":    {form("amount", "much"), 400, "isn&#39;t an amount"},
		"nothing":      {form("amount", "0"), 400, "total_fee"},
		"no language":  {form("lang", "xx"), 400, "lang"},
	} {
		t.Run(name, func(t *testing.T) {
			gw := sandbox.New(t)
			status, body := sandboxtest.Ask(t, gw, "POST", "/do/create", tt.form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
			assert.Equal(t, tt.status, status)
			assert.Contains(t, body, tt.want)
			orders := gw.Orders()
			if status != 200 {
				assert.Empty(t, orders)
				return
			}
			require.Len(t, orders, 1)
			assert.Equal(t, ksher.Amount(1234_50), orders[0].TotalFee)
			assert.Equal(t, "H5", orders[0].Params.Get("device"))
			assert.Len(t, gw.Requests(), 1, "it is a call as any other")
		})
	}
}

// What the form and the programs propose is what the merchant may use.
func TestCreateWithinTheTerms(t *testing.T) {
	for name, tt := range map[string]struct {
		terms    sandbox.Terms
		channels []string
		currency string
	}{
		"usual":         {sandbox.Terms{}, []string{"promptpay", "truemoney", "card"}, "THB"},
		"some":          {sandbox.Terms{Channels: []ksher.Channel{"card", "alipay"}, Currencies: []string{"MYR"}}, []string{"card"}, "MYR"},
		"none of those": {sandbox.Terms{Channels: []ksher.Channel{"alipay"}, Currencies: []string{"JPY"}}, []string{"alipay"}, "JPY"},
	} {
		t.Run(name, func(t *testing.T) {
			gw := sandbox.New(t, sandbox.WithMerchant(sandbox.AppID, tt.terms))
			_, page := sandboxtest.Ask(t, gw, "GET", "/", "")
			assert.Contains(t, page, "Amount in "+tt.currency)
			checked := regexp.MustCompile(`name="channel" value="(\w+)" checked`).FindAllStringSubmatch(page, -1)
			form := url.Values{"amount": {"20"}, "lang": {"en"}, "then": {"order"}}
			for _, c := range checked {
				form.Add("channel", c[1])
			}
			assert.ElementsMatch(t, tt.channels, form["channel"])
			assert.Contains(t, program(t, page, "curl"), "'fee_type="+tt.currency+"'")
			status, _ := sandboxtest.Ask(t, gw, "POST", "/do/create", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
			assert.Equal(t, 200, status)
			require.Len(t, gw.Orders(), 1)
			assert.Equal(t, tt.currency, gw.Orders()[0].FeeType)
		})
	}
}

// The browser may know the gateway by another name than the gateway itself.
func TestCreateStaysOnTheHost(t *testing.T) {
	gw := sandbox.New(t)
	client := gw.HTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.PostForm(gw.URL()+"/do/create", url.Values{"channel": {"card"}, "amount": {"20"}, "then": {"page"}})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
	assert.True(t, strings.HasPrefix(resp.Header.Get("Location"), "/ua?order_uuid="), resp.Header.Get("Location"))
}

// TestPrograms runs what the dashboard shows of an order with difficult texts.
func TestPrograms(t *testing.T) {
	gw := sandbox.New(t)
	req := sandboxtest.GatewayPay("P-1")
	req.ProductName = `It's "$1" \ <b>{{appid}}</b> & ชา`
	req.ExpireTime, req.Device = 15, "PC"
	req.Params = map[string]string{"new_one": "a'b"}
	_, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	made, err := gw.Order("P-1")
	require.NoError(t, err)
	_, page := sandboxtest.Ask(t, gw, "GET", "/order?no=P-1", "")
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	for language, tt := range map[string]struct {
		file  string
		needs []string
		run   []string
	}{
		"go":     {"order.go", []string{"go"}, []string{"go", "run", "order.go"}},
		"curl":   {"order.sh", []string{"bash", "curl", "openssl", "xxd"}, []string{"bash", "order.sh"}},
		"node":   {"order.js", []string{"node"}, []string{"node", "order.js"}},
		"python": {"order.py", []string{"python3", "openssl"}, []string{"python3", "order.py"}},
		"php":    {"order.php", []string{"php"}, []string{"php", "order.php"}},
	} {
		t.Run(language, func(t *testing.T) {
			for _, tool := range tt.needs {
				if _, err := exec.LookPath(tool); err != nil {
					t.Skipf("%s is not installed", tool)
				}
			}
			text := program(t, page, language)
			dir := t.TempDir()
			path := filepath.Join(dir, tt.file)
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			cmd := exec.Command(tt.run[0], tt.run[1:]...)
			cmd.Dir = dir
			if language == "go" {
				cmd.Args[len(cmd.Args)-1], cmd.Dir = path, root // Where its module is known.
			}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.Contains(t, string(out), "/ua?order_uuid=")
			orders := gw.Orders()
			again := orders[len(orders)-1]
			assert.True(t, strings.HasPrefix(again.MchOrderNo, language), again.MchOrderNo)
			for _, own := range []string{"nonce_str", "time_stamp", "mch_order_no"} {
				again.Params.Set(own, made.Params.Get(own))
			}
			assert.Equal(t, made.Params, again.Params)
		})
	}
}

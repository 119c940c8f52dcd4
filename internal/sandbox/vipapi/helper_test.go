package vipapi_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
)

// fields are the parameters of a request, or the members of an answer.
type fields = map[string]any

// macOf is a signature as the documentation of vip.ksher.net has it, for what has
// nothing nested.
func macOf(token, prefix string, members fields) string {
	text := prefix
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name == "signature" || name == "log_entry_url" {
			continue
		}
		switch v := members[name].(type) {
		case bool:
			text += name + map[bool]string{true: "True", false: "False"}[v]
		default:
			text += name + fmt.Sprint(v)
		}
	}
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(text))
	return strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
}

// merchant is a merchant at vip.ksher.net.
type merchant struct {
	t  testing.TB
	gw *sandbox.Gateway
}

// raw makes a request and returns the status and the members of the answer.
func (m merchant) raw(method, address, body string) (int, fields) {
	m.t.Helper()
	req, err := http.NewRequest(method, m.gw.VIPURL()+address, strings.NewReader(body))
	require.NoError(m.t, err)
	resp, err := m.gw.HTTPClient().Do(req)
	require.NoError(m.t, err)
	defer resp.Body.Close()
	assert.Equal(m.t, "application/json", resp.Header.Get("Content-Type"))
	d := json.NewDecoder(resp.Body)
	d.UseNumber()
	var members fields
	require.NoError(m.t, d.Decode(&members))
	return resp.StatusCode, members
}

// call makes a signed request and checks the signature of the answer.
func (m merchant) call(method, path string, params fields) (int, fields) {
	m.t.Helper()
	params = maps.Clone(params)
	if params == nil {
		params = fields{}
	}
	params["timestamp"] = "1647228347"
	plain, err := url.PathUnescape(path)
	require.NoError(m.t, err)
	params["signature"] = macOf(sandbox.VIPToken, plain, params)
	body, err := json.Marshal(params)
	require.NoError(m.t, err)
	address := path
	if method == http.MethodGet {
		query := url.Values{}
		for name, value := range params {
			query.Set(name, fmt.Sprint(value))
		}
		address, body = path+"?"+query.Encode(), nil
	}
	status, said := m.raw(method, address, string(body))
	if status != 200 {
		assert.Contains(m.t, said, "log_entry_url")
		return status, said
	}
	assert.NotContains(m.t, said, "log_entry_url", "Ksher's Java client would sign it")
	assert.Equal(m.t, params["timestamp"], said["timestamp"])
	if said["data"] == nil {
		assert.Equal(m.t, macOf(sandbox.VIPToken, plain, said), said["signature"])
	}
	return status, said
}

// ok makes a request that has to be answered with that error_code.
func (m merchant) ok(code, method, path string, params fields) fields {
	m.t.Helper()
	status, said := m.call(method, path, params)
	require.Equal(m.t, 200, status, "%v", said)
	require.Equal(m.t, code, said["error_code"], "%v", said)
	return said
}

// has checks some members of an answer.
func has(t *testing.T, said, want fields) {
	t.Helper()
	for name := range want {
		assert.Equal(t, want[name], said[name], name)
	}
}

func with(params fields, more ...any) fields {
	params = maps.Clone(params)
	for i := 0; i < len(more); i += 2 {
		if params[more[i].(string)] = more[i+1]; more[i+1] == nil {
			delete(params, more[i].(string))
		}
	}
	return params
}

var vipCreates = map[string]fields{
	"redirect": {"amount": 150_50, "redirect_url": "https://shop.example/ok", "redirect_url_fail": "https://shop.example/no", "channel": "truemoney,card,promptpay"},
	"cscanb":   {"amount": 40_00, "channel": "wechat"},
	"bscanc":   {"amount": 40_00, "channel": "alipay", "auth_code": "280000000000000000"},
	"miniapp":  {"amount": 40_00, "channel": "wechat", "miniapp_openid": "o1", "miniapp_appid": "wx1"},
	"app":      {"amount": 40_00, "channel": "alipay"},
}

// vipNames are what answers call the APIs.
var vipNames = map[string]string{"redirect": "Redirect", "cscanb": "CscanB", "bscanc": "BscanC", "miniapp": "miniAPP", "app": "app"}

func vipPath(api string) string { return "/api/v1/" + api + "/orders" }

func (m merchant) create(api, no string, more ...any) fields {
	m.t.Helper()
	return m.ok("SUCCESS", "POST", vipPath(api), with(with(vipCreates[api], "merchant_order_id", no), more...))
}

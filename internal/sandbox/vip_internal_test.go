package sandbox

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What Python 3 makes of the same.
func TestVIPPythonText(t *testing.T) {
	const raw = `{"data":[{"a":1,"b":true,"c":null,"d":"it's","e":"say \"x\"","f":"both ' and \"","g":"line\nbreak\t\\","h":"ชา\u0000\u0085\u200b","i":[1.5,[]],"j":{}}],"total":-3}`
	const want = `{'data': [{'a': 1, 'b': True, 'c': None, 'd': "it's", 'e': 'say "x"', 'f': 'both \' and "', 'g': 'line\nbreak\t\\', 'h': 'ชา\x00\x85\u200b', 'i': [1.5, []], 'j': {}}], 'total': -3}`
	assert.Equal(t, want, pythonText([]byte(raw)))
	assert.Equal(t, "False", pythonText([]byte("false")))
	assert.Equal(t, `'\U000e0001'`, pythonQuote("\U000e0001"))
}

// An answer with something nested, whose signature Python's hmac has made of the
// answer as Python read it.
func TestVIPNestedSignature(t *testing.T) {
	gw := New(t)
	gw.started = time.Unix(1647228347, 0)
	answer := report(struct {
		Data  []any `json:"data"`
		Total int   `json:"total"`
	}{[]any{struct {
		OrderID string `json:"order_id"`
		Amount  int    `json:"amount"`
		OK      bool   `json:"ok"`
	}{"it's ชา", -50, false}}, 1})
	text := gw.vipSigned("/api/v1/finance/settlements/order/20220314", answer.body, Fault{})
	assert.Contains(t, string(text), `"1E64EF4565B6BCB0353DD901214ACC5FC859D8D32E9451D10B2FB429401EC418"`)
}

func TestVIPFullDisk(t *testing.T) {
	store := new(MemoryStore)
	gw := New(t, WithStore(store))
	store.full = true
	create := func() string {
		text := "/api/v1/cscanb/ordersamount100channelwechatmerchant_order_idVtimestamp1"
		w := httptest.NewRecorder()
		gw.handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/cscanb/orders", strings.NewReader(
			`{"merchant_order_id":"V","amount":100,"channel":"wechat","timestamp":"1","signature":"`+vipSign(VIPToken, text)+`"}`)))
		return w.Body.String()
	}
	answer := create()
	assert.Contains(t, answer, `"error_code":"FAIL"`)
	assert.Contains(t, answer, "data file")
	assert.Empty(t, gw.Orders())
	store.full = false
	assert.Contains(t, create(), `"error_code":"SUCCESS"`)
}

func TestVIPPage(t *testing.T) {
	rows := make([]vipRow, 3)
	for i := range rows {
		rows[i].OrderID = vipText(strconv.Itoa(i))
	}
	for _, c := range []struct{ offset, limit, want string }{
		{"", "", "012"},
		{"1", "1", "1"},
		{"3", "1", ""},
		{"-1", "2", "01"},
		{"1", "-1", ""},
		{"1", strconv.Itoa(math.MaxInt), "12"},
		{strconv.Itoa(math.MaxInt), strconv.Itoa(math.MaxInt), ""},
		{strconv.Itoa(math.MinInt), strconv.Itoa(math.MinInt), ""},
		{"1" + strconv.Itoa(math.MaxInt), "x", "012"},
	} {
		call := &vipCall{params: url.Values{"offset": {c.offset}, "limit": {c.limit}}}
		var said struct {
			Data struct {
				Data []struct {
					OrderID string `json:"order_id"`
				}
				Total int
			}
		}
		require.NoError(t, json.Unmarshal(marshal(call.vipPage(rows).body), &said))
		var got string
		for _, r := range said.Data.Data {
			got += r.OrderID
		}
		assert.Equal(t, c.want, got, "offset %s, limit %s", c.offset, c.limit)
		assert.Equal(t, 3, said.Data.Total)
	}
}

// Whatever a request to that generation is, the answer is JSON with a status that
// the documentation has, and the gateway goes on.
func FuzzVIPRequest(f *testing.F) {
	const order = `{"merchant_order_id":"V","amount":100,"timestamp":"1","redirect_url":"https://a.example","redirect_url_fail":"https://a.example"}`
	f.Add("POST", "/api/v1/redirect/orders", order, "", true)
	f.Add("POST", "/api/v1/redirect/orders", strings.Replace(order, "100", `"1e400"`, 1), "", true)
	f.Add("POST", "/api/v1/redirect/orders", strings.Replace(order, `"V"`, `{"a":[null]}`, 1), "", true)
	f.Add("POST", "/api/v1/redirect/orders", order+order, "", false)
	f.Add("POST", "/api/v1/cscanb/orders", `{"merchant_order_id":"Q","amount":100,"timestamp":1,"channel":"promptpay"}`, "", true)
	f.Add("POST", "/api/v1/bscanc/orders", `{"merchant_order_id":"Q","amount":100,"timestamp":1,"auth_code":"130000000000000000"}`, "", true)
	f.Add("POST", "/api/v1/miniapp/orders", `{"merchant_order_id":"M","amount":100,"timestamp":1,"channel":"wechat","miniapp_openid":"o","miniapp_appid":"a"}`, "", true)
	f.Add("GET", "/api/v1/redirect/orders/paid", "", "timestamp=1", true)
	f.Add("PUT", "/api/v1/redirect/orders/paid", `{"refund_order_id":"R","refund_amount":1,"timestamp":1}`, "", true)
	f.Add("DELETE", "/api/v1/redirect/orders/paid", "", "timestamp=1&timestamp=2", false)
	f.Add("GET", "/api/v1/finance/settlements/order/20261121", "", "timestamp=1&mid=mch00000&offset=99999999999999999999&limit=-1", true)
	f.Add("GET", "/api/v1/finance/settlements/settlement_order", "", "timestamp=1&reference_id=%ff", true)
	gw := New(f)
	handler := gw.handler()
	send := func(method, path, body, query string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}, Body: http.NoBody, Host: "x"}
		if body != "" {
			r.Body = io.NopCloser(strings.NewReader(body))
		}
		handler.ServeHTTP(w, r)
		return w
	}
	f.Fuzz(func(t *testing.T, method, path, body, query string, sign bool) {
		if !strings.HasPrefix(path, "/api/v1/") || strings.Contains(path, "//") || strings.Contains(path, "/.") {
			return // The mux answers by itself.
		}
		if sign {
			var members map[string]any
			values, err := url.ParseQuery(query)
			if json.Unmarshal([]byte(body), &members) == nil && members != nil {
				send(method, path, body, query) // To have the text from the log.
				if all := gw.Requests(); len(all) > 0 {
					members["signature"] = vipSign(VIPToken, all[len(all)-1].SignText)
				}
				body = string(marshal(members))
			} else if err == nil {
				send(method, path, body, query)
				if all := gw.Requests(); len(all) > 0 {
					values.Set("signature", vipSign(VIPToken, all[len(all)-1].SignText))
				}
				query = values.Encode()
			}
		}
		w := send(method, path, body, query)
		assert.Contains(t, []int{200, 400, 401, 404, 405}, w.Code)
		var said map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &said), "%q", w.Body)
		if w.Code == 200 {
			assert.NotEmpty(t, said["error_code"])
			assert.Len(t, said["signature"], 64)
		}
	})
}

func TestVIPOperationNames(t *testing.T) {
	names := faultOperations()
	assert.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), len(names))
	assert.Contains(t, names, "vip redirect create")
	assert.Contains(t, names, "vip app cancel")
	assert.Contains(t, names, "vip settlement orders")
	assert.Len(t, vipOperations, 24)
}

package vipapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

func TestVIPFullDisk(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	gw := sandbox.New(t, sandbox.WithStore(store))
	store.Full = true
	create := func() string {
		text := "/api/v1/cscanb/ordersamount100channelwechatmerchant_order_idVtimestamp1"
		w := httptest.NewRecorder()
		gw.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/cscanb/orders", strings.NewReader(
			`{"merchant_order_id":"V","amount":100,"channel":"wechat","timestamp":"1","signature":"`+macOf(sandbox.VIPToken, text, nil)+`"}`)))
		return w.Body.String()
	}
	answer := create()
	assert.Contains(t, answer, `"error_code":"FAIL"`)
	assert.Contains(t, answer, "data file")
	assert.Empty(t, gw.Orders())
	store.Full = false
	assert.Contains(t, create(), `"error_code":"SUCCESS"`)
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
	gw := sandbox.New(f)
	handler := gw.Handler()
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
					members["signature"] = macOf(sandbox.VIPToken, all[len(all)-1].SignText, nil)
				}
				body = string(core.Marshal(members))
			} else if err == nil {
				send(method, path, body, query)
				if all := gw.Requests(); len(all) > 0 {
					values.Set("signature", macOf(sandbox.VIPToken, all[len(all)-1].SignText, nil))
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
	names := sandbox.New(t).Operations()
	assert.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), len(names))
	assert.Contains(t, names, "vip redirect create")
	assert.Contains(t, names, "vip app cancel")
	assert.Contains(t, names, "vip settlement orders")
	assert.Equal(t, 24, len(slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, "vip ") })))
}

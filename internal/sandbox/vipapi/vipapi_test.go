package vipapi_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
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
	assert.Contains(m.t, said, "log_entry_url")
	if status == 200 && said["data"] == nil {
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

func vipPath(api string) string { return "/api/v1/" + api + "/orders" }

func (m merchant) create(api, no string, more ...any) fields {
	m.t.Helper()
	return m.ok("SUCCESS", "POST", vipPath(api), with(with(vipCreates[api], "merchant_order_id", no), more...))
}

// TestVIPSignature sends requests that Python's hmac has signed; the one of the plain
// query was also made by openssl.
func TestVIPSignature(t *testing.T) {
	const rest = `"merchant_order_id":"V-1","amount":15050,"redirect_url":"https://shop.example/ok?a=1&b=2","redirect_url_fail":"https://shop.example/no"`
	for name, c := range map[string]struct{ method, address, body string }{
		"plain":            {"POST", vipPath("redirect"), `"timestamp":"1647228347","signature":"2650320EC05C3642F19538C532C6414FD44D18AFD76B9A43E64812E908D95B5C"`},
		"number":           {"POST", vipPath("redirect"), `"timestamp":1647228347,"signature":"2650320EC05C3642F19538C532C6414FD44D18AFD76B9A43E64812E908D95B5C"`},
		"unicode":          {"POST", vipPath("redirect"), `"timestamp":"1647228347","note":"โต๊ะ 4 & \u6d4b <b>'\"","product_name":"กาแฟ ☕","signature":"CE545B7533BF0CBA9F4F2571C380E0B64F430352DF42FC162A7B973A9EE1F2D4"`},
		"empty":            {"POST", vipPath("redirect"), `"timestamp":"1647228347","note":"","shop_name":"","signature":"429B8A8416852DCF092C92002302FDBC12658DF191153A5D57123336DB40DC71"`},
		"booleans":         {"POST", vipPath("redirect"), `"timestamp":"1647228347","hide":true,"show":false,"signature":"1AB290557CA8EE493BF26975BC6823583849266661068237D36B7F6351189137"`},
		"order of names":   {"POST", vipPath("redirect"), `"timestamp":"1647228347","z~":"5","a":"1","a1":"2","_":"4","signature":"B1FC2B436FDF876606368FB041CE67B6860D9D89760490C484FEE5A412938353"`},
		"query":            {"GET", vipPath("redirect") + "/V-1?timestamp=1647228347&signature=8392BDBE478A5E673A323BD78E49AD6806E77301CE679E3EB255F1B03BA4761D", ""},
		"unicode in path":  {"GET", vipPath("redirect") + "/" + url.PathEscape("โต๊ะ 4") + "?timestamp=1647228347&signature=4A6BA56E09B8DBB4422D36A76268BDC329F6E88CDFFF0771D323474E95461522", ""},
		"cancel, no body":  {"DELETE", vipPath("redirect") + "/V-1?timestamp=1647228347&signature=8392BDBE478A5E673A323BD78E49AD6806E77301CE679E3EB255F1B03BA4761D", ""},
		"cancel by a body": {"DELETE", vipPath("redirect") + "/V-1", `"timestamp":"1647228347","signature":"8392BDBE478A5E673A323BD78E49AD6806E77301CE679E3EB255F1B03BA4761D"`},
		"report":           {"GET", "/api/v1/finance/settlements/channels?timestamp=1&mid=mch00000&signature=2CE10B8E2FA89FADC79A630C5CAD7B0A401446BFBE325664FD2D4802A54BDC33", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := merchant{t, sandbox.New(t)}
			status, body := 200, ""
			switch c.method {
			case "POST":
				body = "{" + rest + "," + c.body + "}"
			case "DELETE":
				if c.body != "" {
					body = "{" + c.body + "}"
				}
				m.create("redirect", "V-1")
			default:
				m.create("redirect", "V-1")
				m.create("redirect", "โต๊ะ 4")
			}
			got, said := m.raw(c.method, c.address, body)
			assert.Equal(t, status, got, "%v", said)

			spoiled := strings.NewReplacer(":15050", ":15051", "1647228347", "1647228348", "timestamp=1&", "timestamp=2&")
			got, _ = m.raw(c.method, spoiled.Replace(c.address), spoiled.Replace(body))
			assert.Equal(t, 401, got)
		})
	}
	t.Run("JavaScript's booleans", func(t *testing.T) {
		m := merchant{t, sandbox.New(t)}
		params := with(vipCreates["redirect"], "merchant_order_id", "V-1", "timestamp", "1", "hide", "true")
		params["signature"] = macOf(sandbox.VIPToken, vipPath("redirect"), params)
		params["hide"] = true
		body, err := json.Marshal(params)
		require.NoError(t, err)
		status, _ := m.raw("POST", vipPath("redirect"), string(body))
		assert.Equal(t, 200, status)
	})
}

func TestVIPOrderFromCreationToRefund(t *testing.T) {
	for api, create := range vipCreates {
		t.Run(api, func(t *testing.T) {
			m := merchant{t, sandbox.New(t)}
			path := vipPath(api) + "/V-1"
			made := m.create(api, "V-1", "note", "table 4 & ชา")
			has(t, made, fields{
				"merchant_order_id": "V-1", "currency": "THB", "order_type": "Sale", "api_name": api, "note": "table 4 & ชา",
				"mid": sandbox.AppID, "cleared": false, "amount": json.Number(fmt.Sprint(create["amount"])),
			})
			if api != "bscanc" {
				assert.Equal(t, "Available", made["status"])
				assert.Equal(t, "False", made["channel_order_id"])
				assert.Equal(t, "Available", m.ok("PENDING", "GET", path, nil)["status"])
				assert.Equal(t, "FAIL", m.ok("FAIL", "PUT", path, fields{"refund_order_id": "R-1", "refund_amount": 1})["error_code"])
				require.NoError(t, m.gw.Pay("V-1", ""))
			}
			paid := m.ok("SUCCESS", "GET", path, nil)
			assert.Equal(t, "Paid", paid["status"])
			assert.NotEqual(t, "False", paid["channel_order_id"])
			sandbox.AssertPaid(t, m.gw, "V-1", ksher.Amount(create["amount"].(int)))

			refund := func(code, no string, fee int) fields {
				return m.ok(code, "PUT", path, fields{"refund_order_id": no, "refund_amount": fee})
			}
			refund("FAIL", "R-1", 40_00_00)
			part := refund("REFUNDED", "R-1", 10_00)
			assert.Equal(t, "Refund", part["order_type"])
			assert.Equal(t, json.Number("-1000"), part["amount"])
			refund("FAIL", "R-1", 10_00)
			assert.Equal(t, "Paid", m.ok("SUCCESS", "GET", path, nil)["status"])
			refund("REFUNDED", "R-2", create["amount"].(int)-10_00)
			refund("FAIL", "R-3", 1)
			m.ok("FAIL", "DELETE", path, nil)
			assert.Equal(t, "Refunded", m.ok("REFUNDED", "GET", path, nil)["status"])

			// The operations of api.ksher.net don't know the order, but have its number taken.
			_, err := m.gw.Client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: "V-1"})
			assert.ErrorIs(t, err, ksher.CodeKsherInvalidOrderNo)
			view, err := m.gw.Order("V-1")
			require.NoError(t, err)
			_, err = m.gw.Client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{ChannelOrderNo: view.ChannelOrderNo})
			assert.ErrorIs(t, err, ksher.CodeKsherInvalidOrderNo)
			_, err = m.gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("V-1"))
			assert.ErrorIs(t, err, ksher.CodeOrderError)
			assert.NotContains(t, view.Params, "signature")
		})
	}
}

// Ksher's JavaScript client has a slash at the end of the path, and signs it.
func TestVIPSlashAtTheEnd(t *testing.T) {
	m := merchant{t, sandbox.New(t)}
	for api, params := range vipCreates {
		m.ok("SUCCESS", "POST", vipPath(api)+"/", with(params, "merchant_order_id", api))
	}
	assert.Len(t, m.gw.Orders(), len(vipCreates))
	status, _ := m.raw("GET", vipPath("redirect")+"/", "")
	assert.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestVIPStates(t *testing.T) {
	gone := func(*sandbox.Gateway) error { return nil }
	for name, c := range map[string]struct {
		do                   func(*sandbox.Gateway) error
		status, code, cancel string
	}{
		"new":       {gone, "Available", "PENDING", "SUCCESS"},
		"begun":     {func(g *sandbox.Gateway) error { return g.Begin("V-1", ksher.ChannelTrueMoney) }, "Available", "PENDING", "SUCCESS"},
		"failed":    {func(g *sandbox.Gateway) error { return g.Fail("V-1") }, "Closed", "SUCCESS", "SUCCESS"},
		"expired":   {func(g *sandbox.Gateway) error { return g.Expire("V-1") }, "Closed", "SUCCESS", "FAIL"},
		"timed out": {func(g *sandbox.Gateway) error { g.Advance(30 * time.Minute); return nil }, "Closed", "SUCCESS", "FAIL"},
		"paid":      {func(g *sandbox.Gateway) error { return g.Pay("V-1", ksher.ChannelCard) }, "Paid", "SUCCESS", "FAIL"},
	} {
		t.Run(name, func(t *testing.T) {
			m := merchant{t, sandbox.New(t)}
			m.create("redirect", "V-1", "expire_time", 30)
			require.NoError(t, c.do(m.gw))
			assert.Equal(t, c.status, m.ok(c.code, "GET", vipPath("redirect")+"/V-1", nil)["status"])
			assert.Equal(t, c.cancel, m.ok(c.cancel, "DELETE", vipPath("redirect")+"/V-1", nil)["error_code"])
			status := m.ok("SUCCESS", "GET", vipPath("redirect")+"/V-1", nil)["status"]
			assert.Equal(t, c.status == "Paid", status == "Paid")
		})
	}
}

func TestVIPAnswersOfEachAPI(t *testing.T) {
	m := merchant{t, sandbox.New(t)}
	page := m.create("redirect", "V-1")
	buyer := sandboxtest.NewBuyer(t, m.gw, "")
	buyer.Open(page["reference"].(string))
	assert.Equal(t, 200, buyer.Status)
	assert.Contains(t, buyer.Body, "150.50 THB")
	single := m.create("redirect", "V-2", "channel", "promptpay")
	buyer.Open(single["reference"].(string))
	assert.Contains(t, buyer.Body, "data:image/png", "straight to the channel")
	require.NoError(t, m.gw.Fail("V-1"))
	buyer.Open(page["reference"].(string))
	assert.Contains(t, buyer.Body, "https://shop.example/no")
	require.NoError(t, m.gw.Pay("V-2", ""))
	buyer.Open(single["reference"].(string))
	assert.Contains(t, buyer.Body, "https://shop.example/ok")
	open := m.create("redirect", "V-3", "channel", nil)
	buyer.Open(open["reference"].(string))
	assert.Contains(t, buyer.Body, "Rabbit LINE Pay")
	status, body := sandboxtest.Ask(t, m.gw, "GET", "/order?no=V-1", "")
	assert.Equal(t, 200, status)
	assert.Contains(t, body, "Open the checkout page")

	image := m.create("cscanb", "V-4", "channel", "promptpay")["reserved1"].(string)
	data, ok := strings.CutPrefix(image, "data:image/png;base64,")
	require.True(t, ok)
	file, err := base64.StdEncoding.DecodeString(data)
	require.NoError(t, err)
	_, err = png.Decode(bytes.NewReader(file))
	assert.NoError(t, err)
	m.ok("FAIL", "POST", vipPath("cscanb"), fields{"merchant_order_id": "V-5", "amount": 1, "channel": "card"})

	for i, api := range []string{"miniapp", "app"} {
		weChat := m.create(api, fmt.Sprint("W-", i), "channel", "wechat")
		assert.True(t, strings.HasPrefix(weChat["reference"].(string), "prepay_id="))
		assert.Equal(t, fmt.Sprint(m.gw.Now().Unix()), weChat["reserved1"])
		assert.Equal(t, "kshertest-no-signature", weChat["reserved4"])
		alipay := m.create(api, fmt.Sprint("A-", i), "channel", "alipay")
		assert.Contains(t, alipay["reference"], "sign=kshertest-no-signature")
		assert.Equal(t, "False", alipay["reserved1"])
	}
	// As the documentation has it.
	require.NoError(t, m.gw.Pay("W-0", ""))
	m.ok("REFUNDED", "PUT", vipPath("redirect")+"/W-0", fields{"refund_order_id": "R", "refund_amount": 1})
	// Otherwise each API has its own.
	status, _ = m.call("GET", vipPath("redirect")+"/W-0", nil)
	assert.Equal(t, 404, status)
	assert.Contains(t, m.create("app", "W-9", "channel", nil)["reference"], "prepay_id=")
}

func TestVIPTill(t *testing.T) {
	for ending, c := range map[string]struct{ code, status, reason string }{
		"00": {"SUCCESS", "Paid", "False"},
		"01": {"PENDING", "Available", "False"},
		"02": {"FAIL", "", "invalid_payment_code"},
		"03": {"FAIL", "Closed", "invalid_payment_code"},
	} {
		m := merchant{t, sandbox.New(t)}
		params := with(vipCreates["bscanc"], "merchant_order_id", "V-1", "auth_code", "2800000000000000"+ending, "channel", nil)
		said := m.ok(c.code, "POST", vipPath("bscanc"), params)
		assert.Equal(t, c.reason, said["reserved3"], ending)
		status, said := m.call("GET", vipPath("bscanc")+"/V-1", nil)
		if c.status == "" {
			assert.Equal(t, 404, status, ending)
			continue
		}
		assert.Equal(t, c.status, said["status"], ending)
		m.ok("FAIL", "POST", vipPath("bscanc"), params)
	}
	m := merchant{t, sandbox.New(t)}
	for _, params := range []fields{
		{"auth_code": "999"}, // No wallet's.
		{"auth_code": "280000000000000000", "channel": "wechat"},
	} {
		params = with(params, "merchant_order_id", "V-1", "amount", 1)
		assert.Equal(t, "invalid_payment_code", m.ok("FAIL", "POST", vipPath("bscanc"), params)["reserved3"])
	}
	assert.Empty(t, m.gw.Orders())
}

func TestVIPBadFields(t *testing.T) {
	gw := sandbox.New(t)
	m := merchant{t, gw}
	m.create("redirect", "V-0")
	for name, c := range map[string]struct {
		method, path string
		params       fields
		want         string
	}{
		"no address":      {"POST", vipPath("redirect"), with(vipCreates["redirect"], "merchant_order_id", "V", "redirect_url", nil), "{'redirect_url': ['Missing data for required field.']}"},
		"bad address":     {"POST", vipPath("redirect"), with(vipCreates["redirect"], "merchant_order_id", "V", "redirect_url", "javascript:alert(1)"), "{'redirect_url': ['Not a valid URL.']}"},
		"two":             {"POST", vipPath("redirect"), with(vipCreates["redirect"], "merchant_order_id", "", "amount", 0), "{'merchant_order_id': ['Shorter than minimum length 1.'], 'amount': ['Must be greater than or equal to 1.']}"},
		"negative":        {"POST", vipPath("cscanb"), with(vipCreates["cscanb"], "merchant_order_id", "V", "amount", -100), "{'amount': ['Must be greater than or equal to 1.']}"},
		"fraction":        {"POST", vipPath("cscanb"), with(vipCreates["cscanb"], "merchant_order_id", "V", "amount", 1.5), "{'amount': ['Not a valid integer.']}"},
		"amount as text":  {"POST", vipPath("cscanb"), with(vipCreates["cscanb"], "merchant_order_id", "V", "amount", "100"), "{'amount': ['Not a valid integer.']}"},
		"too much":        {"POST", vipPath("cscanb"), with(vipCreates["cscanb"], "merchant_order_id", "V", "amount", json.Number("99999999999999999999")), "{'amount': ['Not a valid integer.']}"},
		"number as a no.": {"POST", vipPath("cscanb"), with(vipCreates["cscanb"], "merchant_order_id", 7), "{'merchant_order_id': ['Not a valid string.']}"},
		"country":         {"POST", vipPath("cscanb"), with(vipCreates["cscanb"], "merchant_order_id", "V", "provider", "de"), "{'provider': ['Must be one of: th, ph, my.']}"},
		"wallet":          {"POST", vipPath("app"), with(vipCreates["app"], "merchant_order_id", "V", "channel", "card"), "{'channel': ['Must be one of: wechat, alipay.']}"},
		"no openid":       {"POST", vipPath("miniapp"), with(vipCreates["miniapp"], "merchant_order_id", "V", "miniapp_openid", nil), "{'miniapp_openid': ['Missing data for required field.']}"},
		"no code":         {"POST", vipPath("bscanc"), with(vipCreates["bscanc"], "merchant_order_id", "V", "auth_code", nil), "{'auth_code': ['Missing data for required field.']}"},
		"nested":          {"POST", vipPath("cscanb"), with(vipCreates["cscanb"], "merchant_order_id", "V", "note", fields{"a": 1}), "{'_schema': ['Only texts, numbers and booleans are taken.']}"},
		"null":            {"POST", vipPath("cscanb"), fields{"merchant_order_id": "V", "x": []any{nil}}, "_schema"},
		"refund":          {"PUT", vipPath("redirect") + "/V-0", fields{"refund_amount": 0}, "{'refund_order_id': ['Missing data for required field.'], 'refund_amount': ['Must be greater than or equal to 1.']}"},
		"no mid":          {"GET", "/api/v1/finance/settlements/channels", nil, "{'mid': ['Missing data for required field.']}"},
		"limit":           {"GET", "/api/v1/finance/settlements/order/20261121", fields{"mid": sandbox.AppID, "offset": -1, "limit": 51}, "{'offset': ['Must be greater than or equal to 0.'], 'limit': ['Must be less than or equal to 50.']}"},
		"limit, word":     {"GET", "/api/v1/finance/settlements/order/20261121", fields{"mid": sandbox.AppID, "limit": "x"}, "{'limit': ['Not a valid integer.']}"},
		"day":             {"GET", "/api/v1/finance/settlements/order/20261301", fields{"mid": sandbox.AppID}, "{'date': ['Not a valid date.']}"},
	} {
		t.Run(name, func(t *testing.T) {
			status, said := merchant{t, gw}.call(c.method, c.path, c.params)
			assert.Equal(t, 400, status, "%v", said)
			assert.Equal(t, json.Number("400"), said["code"])
			assert.Equal(t, "Bad Request", said["name"])
			description, _ := said["description"].(string)
			assert.Contains(t, description, "<p class='preserveHtml' class='preserveHtml'>BadRequest {'")
			assert.Contains(t, description, c.want)
			assert.NotContains(t, said, "signature")
		})
	}
	assert.Len(t, gw.Orders(), 1)
}

func TestVIPBadRequests(t *testing.T) {
	gw := sandbox.New(t)
	merchant{t, gw}.create("redirect", "V-0")
	const order = `{"merchant_order_id":"V","amount":1,"channel":"wechat","timestamp":1`
	for name, c := range map[string]struct {
		method, address, body string
		status                int
	}{
		"empty":             {"POST", vipPath("redirect"), "", 400},
		"no object":         {"POST", vipPath("redirect"), "[]", 400},
		"a form":            {"POST", vipPath("redirect"), "amount=1", 400},
		"cut":               {"POST", vipPath("cscanb"), order, 400},
		"twice":             {"POST", vipPath("cscanb"), order + `,"amount":2}`, 400},
		"twice, but a case": {"POST", vipPath("cscanb"), order + `,"Amount":2}`, 400},
		"two objects":       {"POST", vipPath("cscanb"), order + "}{}", 400},
		"not UTF-8":         {"POST", vipPath("cscanb"), order + ",\"note\":\"\xff\"}", 400},
		"deep":              {"POST", vipPath("cscanb"), order + `,"a":` + strings.Repeat("[", 20000), 400},
		"huge":              {"POST", vipPath("cscanb"), order + `,"note":"` + strings.Repeat("x", 65<<10) + `"}`, 400},
		"no signature":      {"POST", vipPath("cscanb"), order + "}", 401},
		"a number":          {"POST", vipPath("cscanb"), order + `,"signature":1}`, 401},
		"in lower case":     {"GET", vipPath("redirect") + "/V-0?timestamp=1&signature=" + strings.ToLower(macOf(sandbox.VIPToken, vipPath("redirect")+"/V-0", fields{"timestamp": 1})), "", 401},
		"query twice":       {"GET", vipPath("redirect") + "/V-0?timestamp=1&timestamp=1", "", 400},
		"query not UTF-8":   {"GET", vipPath("redirect") + "/V-0?timestamp=%ff", "", 400},
		"query":             {"GET", vipPath("redirect") + "/V-0?timestamp=%zz", "", 400},
		"no time":           {"GET", vipPath("redirect") + "/V-0", "", 400},
		"method":            {"PATCH", vipPath("redirect"), "{}", 405},
		"get of all":        {"GET", vipPath("redirect"), "", 405},
		"post to one":       {"POST", vipPath("redirect") + "/V-0", "{}", 405},
		"post a report":     {"POST", "/api/v1/finance/settlements/channels", "{}", 405},
		"other API":         {"POST", "/api/v1/event/orders", "{}", 404},
		"nowhere":           {"GET", "/api/v1/", "", 404},
	} {
		t.Run(name, func(t *testing.T) {
			status, said := merchant{t, gw}.raw(c.method, c.address, c.body)
			assert.Equal(t, c.status, status, "%v", said)
			assert.Equal(t, json.Number(fmt.Sprint(c.status)), said["code"])
			assert.NotEmpty(t, said["description"])
		})
	}
	assert.Len(t, gw.Orders(), 1)
}

func TestVIPRefusals(t *testing.T) {
	m := merchant{t, sandbox.New(t)}
	m.create("cscanb", "V-1", "channel", "promptpay")
	_, err := m.gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
	require.NoError(t, err)
	again := with(vipCreates["cscanb"], "merchant_order_id", "V-1")
	assert.Equal(t, "V-1", m.ok("FAIL", "POST", vipPath("cscanb"), again)["merchant_order_id"])
	m.ok("FAIL", "POST", vipPath("cscanb"), with(again, "merchant_order_id", "A-1"))
	m.ok("FAIL", "POST", vipPath("cscanb"), with(again, "merchant_order_id", "V-2", "provider", "my"))
	m.ok("FAIL", "POST", vipPath("redirect"), with(vipCreates["redirect"], "merchant_order_id", "V-2", "channel", "card,,wechat"))
	said := m.ok("UNKNOWN", "POST", vipPath("cscanb"), with(again, "merchant_order_id", "V-2", "mid", "mch99999"))
	assert.Equal(t, "NOT allowed mid", said["error_message"])
	for _, no := range []string{"none", "A-1"} {
		for method, params := range map[string]fields{"GET": nil, "DELETE": nil, "PUT": {"refund_order_id": "R", "refund_amount": 1}} {
			status, said := m.call(method, vipPath("cscanb")+"/"+no, params)
			assert.Equal(t, 404, status)
			assert.Equal(t, "Not Found", said["name"])
		}
	}
	require.NoError(t, m.gw.Pay("V-1", ""))
	m.ok("FAIL", "PUT", vipPath("cscanb")+"/V-1", fields{"refund_order_id": "R", "refund_amount": 1}) // PromptPay gives nothing back.
	assert.Len(t, m.gw.Orders(), 2)
}

func TestVIPFaults(t *testing.T) {
	const op = "vip redirect create"
	for _, c := range []struct {
		fault   sandbox.Fault
		want    string
		created bool
	}{
		{sandbox.Fault{Kind: sandbox.FaultLatency, Delay: time.Millisecond}, `"SUCCESS"`, true},
		{sandbox.Fault{Kind: sandbox.FaultDropBefore}, "EOF", false},
		{sandbox.Fault{Kind: sandbox.FaultDropAfter}, "EOF", true},
		{sandbox.Fault{Kind: sandbox.FaultHTTP500}, "500 ", false},
		{sandbox.Fault{Kind: sandbox.FaultHTML502}, "502 <html>", false},
		{sandbox.Fault{Kind: sandbox.FaultEmpty}, "200 ", true},
		{sandbox.Fault{Kind: sandbox.FaultTruncated}, "unsigned", true},
		{sandbox.Fault{Kind: sandbox.FaultBadSignature}, "unsigned", true},
		{sandbox.Fault{Kind: sandbox.FaultOtherKey}, "unsigned", true},
		{sandbox.Fault{Kind: sandbox.FaultClockSkew, Delay: time.Hour}, "an hour", true},
		{sandbox.Fault{Kind: sandbox.FaultRefuse, Code: "ZAP"}, `"error_code":"ZAP"`, false},
		{sandbox.Fault{Kind: sandbox.FaultRefuse, Code: "403"}, "403 {", false},
	} {
		t.Run(fmt.Sprint(c.fault.Kind, c.fault.Code), func(t *testing.T) {
			gw := sandbox.New(t)
			c.fault.Operation = op
			require.NoError(t, gw.Inject(c.fault))
			params := with(vipCreates["redirect"], "merchant_order_id", "V-1", "timestamp", "1")
			params["signature"] = macOf(sandbox.VIPToken, vipPath("redirect"), params)
			body, err := json.Marshal(params)
			require.NoError(t, err)
			resp, err := gw.HTTPClient().Post(gw.VIPURL()+vipPath("redirect"), "application/json", bytes.NewReader(body))
			said := fmt.Sprint(err)
			if err == nil {
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				said = fmt.Sprint(resp.StatusCode, " ", string(text))
				d := json.NewDecoder(bytes.NewReader(text))
				d.UseNumber()
				var members fields
				if d.Decode(&members) != nil || macOf(sandbox.VIPToken, vipPath("redirect"), members) != members["signature"] {
					said += " unsigned"
				} else if members["timestamp"] == fmt.Sprint(gw.Now().Add(time.Hour).Unix()) {
					said += " an hour"
				}
			}
			assert.Contains(t, said, c.want)
			_, err = gw.Order("V-1")
			assert.Equal(t, c.created, err == nil)
			last := gw.Requests()[0]
			assert.Equal(t, op, last.Operation)
			assert.Equal(t, c.fault.Kind, last.Fault)
			assert.Equal(t, c.fault.Code, last.Code)
			assert.True(t, strings.HasPrefix(last.SignText, "/api/v1/redirect/ordersamount15050channeltruemoney"), last.SignText)
			assert.Empty(t, gw.Faults())
		})
	}
}

func TestVIPRequestsOnTheDashboard(t *testing.T) {
	m := merchant{t, sandbox.New(t)}
	path := vipPath("redirect") + "/V-1"
	good := macOf(sandbox.VIPToken, path, fields{"timestamp": 1})
	for sign, hint := range map[string]string{
		strings.ToLower(good): "in lower case",
		"":                    "no parameter signature",
		macOf(sandbox.VIPToken, "", fields{"timestamp": 1}):                 "without the path",
		macOf(sandbox.VIPToken, m.gw.VIPURL()+path, fields{"timestamp": 1}): "the host, too",
		macOf(sandbox.VIPToken, path+"timestamp=1", nil):                    "= and &amp;",
		macOf(sandbox.VIPToken, path+"timestamp1\n", nil):                   "line feed",
		macOf("another token", path, fields{"timestamp": 1}):                "another token",
	} {
		status, _ := m.raw("GET", path+"?"+url.Values{"timestamp": {"1"}, "signature": {sign}}.Encode(), "")
		assert.Equal(t, 401, status)
		_, page := sandboxtest.Ask(t, m.gw, "GET", "/requests", "")
		first, _, _ := strings.Cut(page, "Text to sign")
		assert.Contains(t, first, hint)
	}
	_, page := sandboxtest.Ask(t, m.gw, "GET", "/setup", "")
	assert.Contains(t, page, sandbox.VIPToken)
	_, page = sandboxtest.Ask(t, m.gw, "GET", "/faults", "")
	assert.Contains(t, page, "vip settlement orders")
}

// hook is a merchant's address for the notifications of vip.ksher.net.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []url.Values
	at     []time.Time
}

func newHook(t *testing.T, gw *sandbox.Gateway) *hook {
	h := &hook{status: 200}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, http.MethodGet, r.Method)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got, h.at = append(h.got, r.URL.Query()), append(h.at, gw.Now())
		w.WriteHeader(h.status)
	}))
	t.Cleanup(h.Close)
	require.NoError(t, gw.SetVIPWebhook(h.address()))
	return h
}

// address is the registered one.
func (h *hook) address() string { return h.URL + "/hook" }

// heard has what the notifications said, and of which order.
func (h *hook) heard() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, q := range h.got {
		all = append(all, q.Get("instance")+" "+q.Get("message"))
	}
	return all
}

func TestVIPWebhook(t *testing.T) {
	gw := sandbox.New(t)
	m, h := merchant{t, gw}, newHook(t, gw)
	m.create("redirect", "ชา 1")
	assert.ErrorIs(t, gw.Deliver(t.Context(), "ชา 1"), sandbox.ErrNoNotification)
	require.NoError(t, gw.Pay("ชา 1", ""))
	require.NoError(t, gw.Deliver(t.Context(), "ชา 1"))
	require.Len(t, h.got, 1)
	q := h.got[0]
	sent := fields{}
	for name := range q {
		sent[name] = q.Get(name)
	}
	assert.Equal(t, macOf(sandbox.VIPToken, h.address(), sent), q.Get("signature"))
	delete(sent, "signature")
	assert.Equal(t, fields{"type": "Order", "instance": "ชา 1", "code": "StatusChange", "message": "Order Paid"}, sent)
	sandbox.AssertNotified(t, gw, "ชา 1")

	require.NoError(t, gw.Deliver(t.Context(), "ชา 1"), "once more")
	assert.Equal(t, []string{"ชา 1 Order Paid", "ชา 1 Order Paid"}, h.heard())
	status, page := sandboxtest.Ask(t, gw, "GET", "/order?no="+url.QueryEscape("ชา 1"), "")
	assert.Equal(t, 200, status)
	assert.Contains(t, page, "Order&#43;Paid")
}

// A fixed signature, made by Python's hmac.
func TestVIPWebhookSignature(t *testing.T) {
	gw := sandbox.New(t)
	require.NoError(t, gw.SetVIPWebhook("https://shop.example/hook"))
	merchant{t, gw}.create("redirect", "V-1 ชา")
	require.NoError(t, gw.Pay("V-1 ชา", ""))
	_, page := sandboxtest.Ask(t, gw, "GET", "/order?no="+url.QueryEscape("V-1 ชา"), "")
	assert.Contains(t, page, "3911FF230505A49E0AE394B9139BF249AA6C283CA5F6983F8202CBB9B64F01A5")
}

func TestVIPWebhookOfEachChange(t *testing.T) {
	gw := sandbox.New(t)
	m, h := merchant{t, gw}, newHook(t, gw)
	for _, no := range []string{"paid", "failed", "cancelled", "expired", "timed out", "new", "late"} {
		minutes := 30
		if no == "new" {
			minutes = 300
		}
		m.create("redirect", no, "expire_time", minutes)
	}
	refund := func(no string) {
		m.ok("REFUNDED", "PUT", vipPath("redirect")+"/paid", fields{"refund_order_id": no, "refund_amount": 1_00})
	}
	require.NoError(t, gw.Pay("paid", ksher.ChannelCard))
	refund("R-1") // Before the first notification could go out.
	refund("R-2")
	require.NoError(t, gw.Fail("failed"))
	require.NoError(t, gw.Expire("expired"))
	m.ok("SUCCESS", "DELETE", vipPath("redirect")+"/cancelled", nil)
	gw.Advance(0)
	gw.Advance(0) // Nothing is said twice.
	assert.ElementsMatch(t, []string{"paid Order Paid", "paid Order Refunded", "paid Order Refunded", "failed Order Closed",
		"expired Order Timeout", "cancelled Order Closed"}, h.heard())
	assert.True(t, slices.IsSortedFunc(h.got, func(a, b url.Values) int { // Of each order in its order.
		if a.Get("instance") != "paid" || b.Get("instance") != "paid" {
			return 0
		}
		return strings.Compare(a.Get("message"), b.Get("message"))
	}))
	require.NoError(t, gw.Pay("cancelled", ksher.ChannelPromptPay), "by the QR code the buyer saved")

	start := gw.Now()
	h.got, h.at = nil, nil
	gw.Advance(2 * time.Hour)
	assert.Equal(t, []string{"cancelled Order Paid", "timed out Order Timeout", "late Order Timeout"}, h.heard())
	assert.Equal(t, start.Add(30*time.Minute), h.at[1], "when it ends")
	buyer := sandboxtest.NewBuyer(t, gw, "")
	view := m.ok("SUCCESS", "GET", vipPath("redirect")+"/late", nil)
	buyer.Open(view["reference"].(string))
	assert.Equal(t, "Closed", view["status"])
	gw.Advance(10 * time.Hour)
	assert.Equal(t, []string{"cancelled Order Paid", "timed out Order Timeout", "late Order Timeout", "new Order Timeout"}, h.heard())
}

func TestVIPWebhookSchedule(t *testing.T) {
	gw := sandbox.New(t)
	m, h := merchant{t, gw}, newHook(t, gw)
	start := gw.Now()
	h.status = 500
	m.create("redirect", "V-1")
	require.NoError(t, gw.Pay("V-1", ksher.ChannelCard))
	m.ok("REFUNDED", "PUT", vipPath("redirect")+"/V-1", fields{"refund_order_id": "R", "refund_amount": 1})
	gw.Advance(time.Hour)
	require.Len(t, h.at, 14)
	for i, at := range h.at {
		want := time.Duration(min(i, 6)) * 5 * time.Second
		if i > 6 { // The refund, after what is given up.
			want += time.Duration(i-7) * 5 * time.Second
		}
		assert.Equal(t, start.Add(want), at, i)
	}
	assert.Equal(t, []string{"V-1 Order Paid", "V-1 Order Refunded"}, slices.Compact(h.heard()))
	o, err := gw.Order("V-1")
	require.NoError(t, err)
	assert.Len(t, o.Deliveries, 14)
	assert.False(t, o.Deliveries[13].Accepted)

	h.status = 201
	assert.ErrorIs(t, gw.Deliver(t.Context(), "V-1"), sandbox.ErrNotAccepted, "any 200 means that one")
	h.Close()
	err = gw.Deliver(t.Context(), "V-1")
	assert.ErrorIs(t, err, sandbox.ErrNotAccepted)
	assert.NotContains(t, err.Error(), "signature")
}

func TestVIPWebhookFaults(t *testing.T) {
	for kind, want := range map[sandbox.FaultKind]string{
		sandbox.FaultDuplicate:    "right, right",
		sandbox.FaultBadSignature: "wrong",
		sandbox.FaultOtherKey:     "wrong",
		sandbox.FaultTruncated:    "wrong",
		sandbox.FaultCorrupt:      "wrong",
		sandbox.FaultLate:         "right, late",
		sandbox.FaultReorder:      "right, late",
	} {
		gw := sandbox.New(t)
		m, h := merchant{t, gw}, newHook(t, gw)
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: kind, Delay: time.Hour}))
		m.create("redirect", "V-1")
		m.create("redirect", "V-2")
		require.NoError(t, gw.Pay("V-1", ""))
		gw.Advance(0)
		if len(h.got) == 0 {
			want = strings.Replace(want, ", late", "", 1)
			gw.Advance(2 * time.Hour)
		}
		var verdicts []string
		for _, q := range h.got {
			sent := fields{}
			for name := range q {
				sent[name] = q.Get(name)
			}
			verdict := "wrong"
			if q.Get("signature") == macOf(sandbox.VIPToken, h.address(), sent) {
				verdict = "right"
			}
			verdicts = append(verdicts, verdict)
		}
		assert.Equal(t, want, strings.Join(verdicts, ", "), kind)
	}
}

func TestVIPWebhookAddress(t *testing.T) {
	gw := sandbox.New(t)
	h := newHook(t, gw)
	for _, address := range []string{"shop.example", "ftp://shop.example", "javascript:x", "https://shop.example/#a", "https://shop.example/?a=1", "http://"} {
		assert.Error(t, gw.SetVIPWebhook(address), address)
	}
	m := merchant{t, gw}
	m.create("redirect", "V-1")
	require.NoError(t, gw.Pay("V-1", ""))
	gw.Advance(0)
	assert.Len(t, h.heard(), 1, "a bad address changes nothing")
	require.NoError(t, gw.SetVIPWebhook(""))
	m.create("redirect", "V-2", "expire_time", 1)
	m.create("redirect", "V-3")
	require.NoError(t, gw.Pay("V-3", ""))
	gw.Advance(time.Hour)
	m.create("redirect", "V-4", "expire_time", 60)
	require.NoError(t, gw.Expire("V-4"))
	assert.ErrorIs(t, gw.Deliver(t.Context(), "V-3"), sandbox.ErrNoNotification)
	assert.Len(t, h.heard(), 1)
	require.NoError(t, gw.SetVIPWebhook(h.address()))
	gw.Advance(time.Hour)
	assert.Equal(t, []string{"V-1 Order Paid", "V-2 Order Timeout"}, h.heard(), "whose time ended unnoticed")
}

// In real time the timeout comes by itself, too.
func TestVIPWebhookByItself(t *testing.T) {
	gw, err := sandbox.Start(sandbox.WithSpeed(6000))
	require.NoError(t, err)
	defer gw.Close()
	heard := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		heard <- r.URL.Query().Get("message")
	}))
	defer server.Close()
	require.NoError(t, gw.SetVIPWebhook(server.URL))
	merchant{t, gw}.create("redirect", "V-1", "expire_time", 1)
	assert.Equal(t, "Order Timeout", <-heard)
}

func TestVIPReports(t *testing.T) {
	gw := sandbox.New(t)
	m := merchant{t, gw}
	const root = "/api/v1/finance/settlements/"
	zone := time.FixedZone("", 7*60*60)
	now := gw.Now().In(zone)
	gw.Advance(time.Date(now.Year(), now.Month(), now.Day()+1, 9, 0, 0, 0, zone).Sub(now))
	day := gw.Now().In(zone).Format("20060102")
	for i := range 55 {
		no := fmt.Sprint("V-", i)
		m.create("redirect", no)
		require.NoError(t, gw.Pay(no, []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard}[i%2]))
		gw.Advance(time.Second)
	}
	m.create("redirect", "unpaid")
	_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1")) // Of the other generation.
	require.NoError(t, err)
	require.NoError(t, gw.Pay("A-1", ksher.ChannelCard))
	m.ok("REFUNDED", "PUT", vipPath("redirect")+"/V-1", fields{"refund_order_id": "R-1", "refund_amount": 50})

	mid := fields{"mid": sandbox.AppID}
	rows := func(path string, params fields) (all []any, total string) {
		t.Helper()
		data := m.ok("SUCCESS", "GET", root+path, params)["data"].(fields)
		return data["data"].([]any), fmt.Sprint(data["total"])
	}
	all, total := rows("order/"+day, mid)
	assert.Len(t, all, 50)
	assert.Equal(t, "56", total)
	first := all[0].(fields)
	has(t, first, fields{"order_id": "V-0", "amount": json.Number("15050"), "type": "Sale", "channel": "truemoney", "currency": "THB", "device_id": "False"})
	assert.True(t, strings.HasPrefix(first["transaction_time"].(string), gw.Now().In(zone).Format("2006-01-02")+" 09:00:00"))
	all, _ = rows("order/"+day, with(mid, "offset", 50, "limit", 50))
	require.Len(t, all, 6)
	last := all[5].(fields)
	assert.Equal(t, "Refund", last["type"])
	assert.Equal(t, json.Number("-50"), last["amount"])
	assert.Equal(t, "R-1", last["order_id"])
	all, total = rows("order/"+day, with(mid, "channel", "card", "limit", 1, "offset", 1))
	assert.Len(t, all, 1)
	assert.Equal(t, "28", total)
	for _, offset := range []int{56, math.MaxInt} {
		all, total = rows("order/"+day, with(mid, "offset", offset))
		assert.Empty(t, all)
		assert.Equal(t, "56", total)
	}
	all, _ = rows("order/20200101", mid)
	assert.Empty(t, all)

	card := with(mid, "channel", "card")
	status, _ := m.call("GET", root+day, card)
	assert.Equal(t, 404, status, "the day isn't over")
	status, _ = m.call("GET", root+"settlement_order", fields{"reference_id": day + "-card"})
	assert.Equal(t, 404, status)
	gw.Advance(24 * time.Hour)
	settlement := m.ok("SUCCESS", "GET", root+day, card)["data"].(fields)
	has(t, settlement, fields{
		"count": json.Number("27"), "amount": json.Number("406350"), "refund": json.Number("50"), "net": json.Number("406300"),
		"fee": json.Number("0"), "channel": "card", "currency": "THB", "transfer": false, "transfer_amount": json.Number("0"),
	})
	all, total = rows("settlement_order", fields{"reference_id": settlement["reference_id"], "limit": 2})
	assert.Len(t, all, 2)
	assert.Equal(t, "28", total)
	for _, reference := range []string{day, day + "-", day + "-wechat", "-card", "x"} {
		status, _ = m.call("GET", root+"settlement_order", fields{"reference_id": reference})
		assert.Equal(t, 404, status, reference)
	}

	require.NoError(t, gw.Settle("V-1"))
	settlement = m.ok("SUCCESS", "GET", root+day, card)["data"].(fields)
	assert.Equal(t, true, settlement["transfer"])
	assert.Equal(t, json.Number("15000"), settlement["transfer_amount"])

	assert.Contains(t, m.ok("SUCCESS", "GET", root+"channels", mid)["data"], "promptpay")
	for _, path := range []string{"channels", "order/" + day, day} {
		said := m.ok("UNKNOWN", "GET", root+path, fields{"mid": "mch99999", "channel": "card"})
		assert.Equal(t, "NOT allowed mid", said["error_message"])
		assert.NotContains(t, said, "data")
	}

	yesterday := gw.Now().In(zone).AddDate(0, 0, -1).Format(time.DateOnly)
	theirs, err := gw.Client.GetSettlementInfo(t.Context(), &ksher.GetSettlementInfoRequest{BeginDate: yesterday, EndDate: yesterday})
	require.NoError(t, err)
	require.Len(t, theirs.SettlementData, 1, "the other generation has its own")
	assert.Equal(t, ksher.Amount(150_50), theirs.SettlementData[0].SettlementAmount)
}

func TestVIPSurvivesARestart(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	start := func() (*sandbox.Gateway, merchant) {
		gw, err := sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(0))
		require.NoError(t, err)
		return gw, merchant{t, gw}
	}
	gw, m := start()
	h := newHook(t, gw)
	h.status = 500
	page := m.create("redirect", "V-1", "note", "ชา")
	m.create("redirect", "V-2", "expire_time", 30)
	require.NoError(t, gw.Pay("V-1", ksher.ChannelCard))
	m.ok("REFUNDED", "PUT", vipPath("redirect")+"/V-1", fields{"refund_order_id": "R-1", "refund_amount": 1})
	require.ErrorIs(t, gw.Deliver(t.Context(), "V-1"), sandbox.ErrNotAccepted)
	gw.Close()

	gw, m = start()
	defer gw.Close()
	require.NoError(t, gw.SetVIPWebhook(h.address()))
	h.status = 200
	said := m.ok("SUCCESS", "GET", vipPath("redirect")+"/V-1", nil)
	assert.Equal(t, "ชา", said["note"])
	assert.Equal(t, strings.TrimPrefix(page["reference"].(string), "http://")[len("127.0.0.1:"):][5:], strings.TrimPrefix(said["reference"].(string), "http://")[len("127.0.0.1:"):][5:])
	m.ok("FAIL", "PUT", vipPath("redirect")+"/V-1", fields{"refund_order_id": "R-1", "refund_amount": 1})
	m.ok("FAIL", "POST", vipPath("redirect"), with(vipCreates["redirect"], "merchant_order_id", "V-1"))
	h.got = nil
	gw.Advance(time.Hour)
	assert.Equal(t, []string{"V-1 Order Paid", "V-1 Order Refunded", "V-2 Order Timeout"}, h.heard())
}

// Many at once: each payment is told, and none twice.
func TestVIPManyAtOnce(t *testing.T) {
	gw, err := sandbox.Start()
	require.NoError(t, err)
	defer gw.Close()
	const orders = 50
	told := make(chan string, 2*orders)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		told <- r.URL.Query().Get("instance")
	}))
	defer server.Close()
	require.NoError(t, gw.SetVIPWebhook(server.URL))
	var wg sync.WaitGroup
	for i := range orders {
		wg.Go(func() {
			m := merchant{t, gw}
			no := fmt.Sprint("V-", i)
			status, _ := m.call("POST", vipPath("redirect"), with(vipCreates["redirect"], "merchant_order_id", no))
			assert.Equal(t, 200, status)
			assert.NoError(t, gw.Pay(no, ""))
			m.call("POST", vipPath("redirect"), with(vipCreates["redirect"], "merchant_order_id", "same"))
		})
	}
	wg.Wait()
	seen := make(map[string]bool)
	for range orders {
		no := <-told
		assert.False(t, seen[no], no)
		seen[no] = true
	}
	assert.Len(t, gw.Orders(), orders+1)
}

// The handler asks about the order while it is being notified.
func TestVIPQueryInsideTheWebhook(t *testing.T) {
	gw := sandbox.New(t)
	m := merchant{t, gw}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		said := m.ok("SUCCESS", "GET", vipPath("redirect")+"/"+r.URL.Query().Get("instance"), nil)
		assert.Equal(t, "Paid", said["status"])
	}))
	defer server.Close()
	require.NoError(t, gw.SetVIPWebhook(server.URL))
	m.create("redirect", "V-1")
	require.NoError(t, gw.Pay("V-1", ""))
	require.NoError(t, gw.Deliver(context.Background(), "V-1"))
}

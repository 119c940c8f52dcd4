package vipapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

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

// Ksher's JavaScript client has a slash at the end of the path, and signs it.
func TestVIPSlashAtTheEnd(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: a path may end in a slash, which is signed then")
	m := merchant{t, sandbox.New(t)}
	for api, params := range vipCreates {
		m.ok("SUCCESS", "POST", vipPath(api)+"/", with(params, "merchant_order_id", api))
	}
	assert.Len(t, m.gw.Orders(), len(vipCreates))
	status, _ := m.raw("GET", vipPath("redirect")+"/", "")
	assert.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestVIPBadFields(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: a settlement needs channel, and its orders offset and limit, or the status is 400")
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
		"no limit":        {"GET", "/api/v1/finance/settlements/settlement_order", fields{"reference_id": "x"}, "{'offset': ['Missing data for required field.'], 'limit': ['Missing data for required field.']}"},
		"no channel":      {"GET", "/api/v1/finance/settlements/20261121", fields{"mid": sandbox.AppID}, "{'channel': ['Missing data for required field.']}"},
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
				} else if members["timestamp"] == "3601" {
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
	status, _ := m.raw("GET", path+"?order_id=V-1&timestamp=1&signature="+good, "")
	assert.Equal(t, 401, status)
	_, page := sandboxtest.Ask(t, m.gw, "GET", "/requests", "")
	assert.Contains(t, page, "You left parameters out of the text")

	// A body whose members are signed in the order in which they stand, with booleans as
	// JavaScript has them.
	const inOrder = "timestamp1merchant_order_idV-2channelwechatamount100"
	for body, hint := range map[string]string{
		inOrder:                 "in the order in which you send them",
		inOrder + "verbosetrue": "in the order in which you send them",
	} {
		more := map[bool]string{true: `,"verbose":true`}[strings.HasSuffix(body, "true")]
		sign := macOf(sandbox.VIPToken, vipPath("cscanb")+body, nil)
		status, _ := m.raw("POST", vipPath("cscanb"), `{"timestamp":"1","merchant_order_id":"V-2","channel":"wechat","amount":100`+more+`,"signature":"`+sign+`"}`)
		assert.Equal(t, 401, status)
		requests := m.gw.Requests()
		got := requests[len(requests)-1].Hint
		assert.Contains(t, got, hint)
		assert.NotContains(t, got, "Two things")
	}

	_, page = sandboxtest.Ask(t, m.gw, "GET", "/setup", "")
	assert.Contains(t, page, sandbox.VIPToken)
	_, page = sandboxtest.Ask(t, m.gw, "GET", "/faults", "")
	assert.Contains(t, page, "vip settlement orders")
}

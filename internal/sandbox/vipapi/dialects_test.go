package vipapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// dialect is one client's way to ask.
type dialect struct {
	name, method, path string
	// query and body have SIGN where the signature of path and text belongs.
	query, body, text string
	// lower says that the signature is in lower case.
	lower bool
}

// ask asks a gateway that has a paid order V-0 of redirect and an open one M-0 of miniapp.
func (d dialect) ask(t *testing.T, strict bool) (m merchant, status int, said fields) {
	t.Helper()
	m = merchant{t, sandbox.New(t, sandbox.WithStrict(strict))}
	m.create("redirect", "V-0")
	require.NoError(t, m.gw.Pay("V-0", ""))
	m.create("miniapp", "M-0")
	sign := macOf(sandbox.VIPToken, d.path+d.text, nil)
	if d.lower {
		sign = strings.ToLower(sign)
	}
	address, body := d.path, strings.ReplaceAll(d.body, "SIGN", sign)
	if d.query != "" {
		address += "?" + strings.ReplaceAll(d.query, "SIGN", sign)
	}
	status, said = m.raw(d.method, address, body)
	return m, status, said
}

// The notes that more than one client gets.
const (
	lowerNote = "a signature in lower-case hex digits was accepted, as the real gateway seems to; the documentation wants them in upper case"
	bodyNote  = "a GET with its parameters in a JSON body was accepted, as the real gateway seems to; the documentation wants them in the query"
	nullNote  = "null for a parameter was accepted, as the real gateway seems to; the documentation wants it left out"
	midNote   = "a mid without mch was accepted, as the real gateway seems to; the documentation wants it with mch, as in mch00000"
)

// Each is served with a note, and refused by a strict gateway.
func TestVIPDialects(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: numbers as texts, null, a GET with a JSON body, an unsigned order_id and other providers are taken from clients that send them")
	const wrongSign, notTaken = "The signature is missing or wrong.", "Only texts, numbers and booleans are taken."
	code, mini, page := vipPath("cscanb"), vipPath("miniapp"), vipPath("redirect")+"/V-0"
	for _, c := range []struct {
		dialect
		notes []string
		// status and words are how a strict gateway refuses it.
		status int
		words  string
	}{
		{dialect{"PHP: lower case", "POST", code, "", `{"amount":100,"channel":"wechat","merchant_order_id":"V","timestamp":"1","signature":"SIGN"}`,
			"amount100channelwechatmerchant_order_idVtimestamp1", true}, []string{lowerNote}, 401, wrongSign},
		{dialect{"PHP: query in a body", "GET", page, "", `{"timestamp":"1","signature":"SIGN"}`, "timestamp1", false},
			[]string{bodyNote}, 400, "{'timestamp': ['Missing data for required field.']}"},
		{dialect{"PHP: report in a body", "GET", reportsPath + "order/20260101", "", `{"limit":50,"mid":"mch00000","offset":0,"timestamp":1,"signature":"SIGN"}`,
			"limit50midmch00000offset0timestamp1", false}, []string{bodyNote}, 400, "'mid': ['Missing data for required field.']"},
		{dialect{"PHP: all of it", "GET", page, "", `{"mid":null,"timestamp":"1","signature":"SIGN"}`, "midtimestamp1", true},
			[]string{bodyNote, nullNote, lowerNote}, 400, "Missing data"},
		{dialect{"PHP: null", "POST", code, "", `{"amount":100,"channel":"wechat","merchant_order_id":"V","mid":null,"timestamp":"1","signature":"SIGN"}`,
			"amount100channelwechatmerchant_order_idVmidtimestamp1", false}, []string{nullNote}, 400, notTaken},
		{dialect{"PHP: null beside a boolean", "POST", code, "", `{"amount":100,"channel":"wechat","hide":true,"merchant_order_id":"V","note":null,"timestamp":"1","signature":"SIGN"}`,
			"amount100channelwechathideTruemerchant_order_idVnotetimestamp1", false}, []string{nullNote}, 400, notTaken},
		{dialect{"Python: null", "POST", code, "", `{"amount":100,"channel":"wechat","merchant_order_id":"V","mid":null,"note":null,"timestamp":"1","signature":"SIGN"}`,
			"amount100channelwechatmerchant_order_idVmidNonenoteNonetimestamp1", false}, []string{nullNote}, 400, notTaken},
		{dialect{"JavaScript: null", "POST", code, "", `{"amount":100,"channel":"wechat","merchant_order_id":"V","provider":null,"timestamp":"1","signature":"SIGN"}`,
			"amount100channelwechatmerchant_order_idVprovidernulltimestamp1", false}, []string{nullNote}, 400, notTaken},
		{dialect{"Java: amount", "POST", code, "", `{"amount":"100","channel":"wechat","merchant_order_id":"V","timestamp":"1","signature":"SIGN"}`,
			"amount100channelwechatmerchant_order_idVtimestamp1", false},
			[]string{"amount as a text was accepted, as the real gateway seems to; the documentation wants a number"}, 400, "{'amount': ['Not a valid integer.']}"},
		{dialect{"Java: refund", "PUT", page, "", `{"refund_amount":"100","refund_order_id":"R","timestamp":"1","signature":"SIGN"}`,
			"refund_amount100refund_order_idRtimestamp1", false},
			[]string{"refund_amount as a text was accepted, as the real gateway seems to; the documentation wants a number"}, 400, "{'refund_amount': ['Not a valid integer.']}"},
		{dialect{"order_id isn't signed", "GET", mini + "/M-0", "order_id=M-0&signature=SIGN&timestamp=1", "", "timestamp1", false},
			[]string{"a query with parameters that aren't signed was accepted, as the real gateway seems to; the documentation wants each of them signed"}, 401, wrongSign},
		{dialect{"provider", "GET", mini + "/M-0", "provider=Ksher&signature=SIGN&timestamp=1", "", "providerKshertimestamp1", false},
			[]string{`the provider "Ksher" was accepted, as the real gateway seems to; the documentation wants th, ph or my`}, 400, "{'provider': ['Must be one of: th, ph, my.']}"},
		{dialect{"provider of a new order", "POST", mini, "", `{"amount":100,"channel":"alipay","merchant_order_id":"V","provider":"Ksher","timestamp":"1","signature":"SIGN"}`,
			"amount100channelalipaymerchant_order_idVproviderKshertimestamp1", false},
			[]string{`the provider "Ksher" was accepted, as the real gateway seems to; the documentation wants th, ph or my`}, 400, "'provider'"},
		{dialect{"mid", "GET", reportsPath + "channels", "mid=00000&signature=SIGN&timestamp=1", "", "mid00000timestamp1", false}, []string{midNote}, 200, "NOT allowed mid"},
		{dialect{"mid of a new order", "POST", code, "", `{"amount":100,"channel":"wechat","merchant_order_id":"V","mid":"00000","timestamp":"1","signature":"SIGN"}`,
			"amount100channelwechatmerchant_order_idVmid00000timestamp1", false}, []string{midNote}, 200, "NOT allowed mid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, status, said := c.ask(t, false)
			require.Equal(t, 200, status, "%v", said)
			assert.Contains(t, []string{"SUCCESS", "PENDING", "REFUNDED"}, said["error_code"])
			last := m.gw.Requests()[len(m.gw.Requests())-1]
			assert.Equal(t, c.notes, last.Notes)
			assert.Equal(t, c.path+c.text, last.SignText, "what was signed")

			m, status, said = c.ask(t, true)
			assert.Equal(t, c.status, status, "%v", said)
			assert.Contains(t, fmt.Sprint(said["description"], said["error_message"]), c.words)
			for _, note := range m.gw.Requests()[len(m.gw.Requests())-1].Notes {
				assert.Contains(t, note, "refused, as this gateway is strict")
			}
			assert.Len(t, m.gw.Orders(), 2)
		})
	}
}

// What nobody is known to send isn't served, strictly or not.
func TestVIPDialectsOfNobody(t *testing.T) {
	code, page := vipPath("cscanb"), vipPath("redirect")+"/V-0"
	for _, c := range []struct {
		dialect
		status int
	}{
		{dialect{"a signature of nothing, in lower case", "GET", page, "timestamp=1&signature=SIGN", "", "", true}, 401},
		{dialect{"unsigned note of a new order", "POST", code, "", `{"amount":100,"channel":"wechat","merchant_order_id":"V","x":"","timestamp":"1","signature":"SIGN","note":"n"}`,
			"amount100channelwechatmerchant_order_idVtimestamp1", false}, 401},
		{dialect{"unsigned order_id of a new order", "POST", code, "", `{"amount":100,"channel":"wechat","merchant_order_id":"V","order_id":"V","timestamp":"1","signature":"SIGN"}`,
			"amount100channelwechatmerchant_order_idVtimestamp1", false}, 401},
		{dialect{"unsigned mid", "GET", page, "mid=mch00000&timestamp=1&signature=SIGN", "", "timestamp1", false}, 401},
		{dialect{"a body beside a query", "GET", page, "timestamp=1", `{"timestamp":"1","signature":"SIGN"}`, "timestamp1", false}, 401},
		{dialect{"required null", "POST", code, "", `{"amount":100,"channel":null,"merchant_order_id":"V","timestamp":"1","signature":"SIGN"}`,
			"amount100channelmerchant_order_idVtimestamp1", false}, 400},
		{dialect{"amount in words", "POST", code, "", `{"amount":"all","channel":"wechat","merchant_order_id":"V","timestamp":"1","signature":"SIGN"}`,
			"amountallchannelwechatmerchant_order_idVtimestamp1", false}, 400},
		{dialect{"amount of nothing as a text", "POST", code, "", `{"amount":"0","channel":"wechat","merchant_order_id":"V","timestamp":"1","signature":"SIGN"}`,
			"amount0channelwechatmerchant_order_idVtimestamp1", false}, 400},
		{dialect{"number for a text", "POST", code, "", `{"amount":100,"channel":"wechat","merchant_order_id":7,"timestamp":"1","signature":"SIGN"}`,
			"amount100channelwechatmerchant_order_id7timestamp1", false}, 400},
		{dialect{"provider", "GET", page, "provider=ksher&timestamp=1&signature=SIGN", "", "providerkshertimestamp1", false}, 400},
		{dialect{"a list", "POST", code, "", `{"amount":100,"channel":["wechat"],"merchant_order_id":"V","timestamp":"1","signature":"SIGN"}`, "", false}, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, strict := range []bool{false, true} {
				m, status, said := c.ask(t, strict)
				assert.Equal(t, c.status, status, "%v", said)
				assert.Empty(t, m.gw.Requests()[len(m.gw.Requests())-1].Notes, "nothing was accepted")
				assert.Len(t, m.gw.Orders(), 2)
			}
		})
	}
	d := dialect{"other mid", "GET", reportsPath + "channels", "mid=MCH00000&timestamp=1&signature=SIGN", "", "midMCH00000timestamp1", false}
	_, status, said := d.ask(t, false)
	assert.Equal(t, 200, status)
	assert.Equal(t, "NOT allowed mid", said["error_message"])
}

// Alipay doesn't have to be told of the mini program, and a QR code may have a cashier.
func TestVIPOptionalFields(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: a mini program of Alipay needs no miniapp_openid and no miniapp_appid, and cscanb takes operator_id")
	m := merchant{t, sandbox.New(t)}
	m.create("miniapp", "M-1", "channel", "alipay", "miniapp_openid", nil, "miniapp_appid", nil)
	for _, channel := range []any{"wechat", nil} {
		status, said := m.call("POST", vipPath("miniapp"), with(fields{"merchant_order_id": "M-2", "amount": 1}, "channel", channel))
		assert.Equal(t, 400, status)
		assert.Contains(t, said["description"], "{'miniapp_openid': ['Missing data for required field.'], 'miniapp_appid': ['Missing data for required field.']}")
	}
	m.create("cscanb", "V-1", "operator_id", "somchai")
	require.NoError(t, m.gw.Pay("V-1", ""))
	rows, _ := m.rows("order/"+m.gw.Now().In(thailand).Format("20060102"), fields{"mid": sandbox.AppID})
	require.Len(t, rows, 1)
	assert.Equal(t, "somchai", rows[0].(fields)["operator_id"])
	status, _ := m.call("POST", vipPath("cscanb"), with(vipCreates["cscanb"], "merchant_order_id", "V-2", "operator_id", 7))
	assert.Equal(t, 400, status)
}

// A channel that the guides don't describe is served with a note, and refused by a strict gateway.
func TestVIPUnknownChannels(t *testing.T) {
	const note = `the unknown channel %q in channel was accepted, as the real gateway seems to; the documentation wants one of Ksher's channels, such as %q`
	day := sandbox.New(t).Now().In(thailand).Format("20060102")
	for _, c := range []struct {
		method, path, channel, unknown, near, code string
		params                                     fields
	}{
		{"POST", vipPath("redirect"), "card,true_money", "true_money", "truemoney", "SUCCESS", with(vipCreates["redirect"], "merchant_order_id", "V")},
		{"POST", vipPath("cscanb"), "PromptPay", "PromptPay", "promptpay", "SUCCESS", with(vipCreates["cscanb"], "merchant_order_id", "V")},
		{"POST", vipPath("bscanc"), "Alipay", "Alipay", "alipay", "FAIL", with(vipCreates["bscanc"], "merchant_order_id", "V")},
		{"GET", reportsPath + "order/" + day, "wechatt", "wechatt", "wechat", "SUCCESS", fields{"mid": sandbox.AppID}},
	} {
		for _, strict := range []bool{false, true} {
			m := merchant{t, sandbox.New(t, sandbox.WithStrict(strict))}
			status, said := m.call(c.method, c.path, with(c.params, "channel", c.channel))
			last := m.gw.Requests()[len(m.gw.Requests())-1]
			if !strict {
				assert.Equal(t, 200, status, "%v", said)
				assert.Equal(t, c.code, said["error_code"], "%v", said)
				assert.Equal(t, []string{fmt.Sprintf(note, c.unknown, c.near)}, last.Notes)
				continue
			}
			assert.Equal(t, 400, status)
			assert.Contains(t, said["description"], fmt.Sprintf(`Must be one of Ksher\'s channels, such as "%s".`, c.near))
			assert.Empty(t, m.gw.Orders())
		}
	}
}

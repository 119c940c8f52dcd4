package vipapi_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestVIPOrderFromCreationToRefund(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: timestamp repeats the request's, and api_name is Redirect, CscanB, BscanC or miniAPP")
	testkit.Holds(t, testkit.Assumed, "vip: an order that is refunded in part stays Paid")
	for api, create := range vipCreates {
		t.Run(api, func(t *testing.T) {
			m := merchant{t, sandbox.New(t)}
			path := vipPath(api) + "/V-1"
			made := m.create(api, "V-1", "note", "table 4 & ชา")
			has(t, made, fields{
				"merchant_order_id": "V-1", "currency": "THB", "order_type": "Sale", "api_name": vipNames[api], "note": "table 4 & ชา",
				"mid": sandbox.AppID, "cleared": false, "amount": json.Number(fmt.Sprint(create["amount"])),
			})
			if api != "bscanc" {
				assert.Equal(t, "Available", made["status"])
				assert.Equal(t, "False", made["channel_order_id"])
				has(t, m.ok("PENDING", "GET", path, nil), fields{"status": "Available", "error_message": "PENDING"})
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

func TestVIPStates(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "vip: an order that failed or whose time is over is Closed, with SUCCESS")
	gone := func(*sandbox.Gateway) error { return nil }
	for name, c := range map[string]struct {
		do                   func(*sandbox.Gateway) error
		status, code, cancel string
	}{
		"new":       {gone, "Available", "PENDING", "SUCCESS"},
		"begun":     {func(g *sandbox.Gateway) error { return g.Begin("V-1", ksher.ChannelTrueMoney) }, "Available", "PENDING", "SUCCESS"},
		"failed":    {func(g *sandbox.Gateway) error { return g.Fail("V-1") }, "Closed", "SUCCESS", "FAIL"},
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
	testkit.Holds(t, testkit.Clients, "vip: the error_message of an unpaid order is PENDING, and Fail after a bad code")
	for ending, c := range map[string]struct{ code, status, message, reason string }{
		"00": {"SUCCESS", "Paid", "SUCCESS", "False"},
		"01": {"PENDING", "Available", "PENDING", "False"},
		"02": {"FAIL", "Closed", "Fail", "invalid_payment_code"},
		"03": {"FAIL", "Closed", "Fail", "invalid_payment_code"},
	} {
		m := merchant{t, sandbox.New(t)}
		params := with(vipCreates["bscanc"], "merchant_order_id", "V-1", "auth_code", "2800000000000000"+ending, "channel", nil)
		said := m.ok(c.code, "POST", vipPath("bscanc"), params)
		assert.Equal(t, c.reason, said["reserved3"], ending)
		said = m.ok(c.code, "GET", vipPath("bscanc")+"/V-1", nil)
		has(t, said, fields{"status": c.status, "error_message": c.message, "merchant_order_id": "V-1", "amount": json.Number("4000")})
		assert.Equal(t, "False", m.ok("FAIL", "POST", vipPath("bscanc"), params)["reserved3"], "an earlier one has the number")
	}
	m := merchant{t, sandbox.New(t)}
	for no, params := range map[string]fields{
		"V-1": {"auth_code": "999"}, // No wallet's.
		"V-2": {"auth_code": "280000000000000000", "channel": "wechat"},
	} {
		params = with(params, "merchant_order_id", no, "amount", 1)
		assert.Equal(t, "invalid_payment_code", m.ok("FAIL", "POST", vipPath("bscanc"), params)["reserved3"])
		assert.Equal(t, "Fail", m.ok("FAIL", "GET", vipPath("bscanc")+"/"+no, nil)["error_message"])
		assert.Error(t, m.gw.Pay(no, ""))
	}
	m.ok("FAIL", "POST", vipPath("bscanc"), with(vipCreates["bscanc"], "merchant_order_id", "V-3", "auth_code", "999", "channel", nil, "provider", "my"))
	assert.Len(t, m.gw.Orders(), 2, "what is wrong with the third isn't its code")
}

func TestVIPRefusals(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: a mid that the account doesn't have is answered with UNKNOWN")
	testkit.Holds(t, testkit.Assumed, "vip: an order that isn't there is a 404")
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

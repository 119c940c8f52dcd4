package ksher_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestGatewayPay(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "gateway_pay: the order's number, code, amount, currency, channels, product, shop and two addresses to come back to are all that it needs")
	testkit.Holds(t, testkit.Documented, "gateway_pay: channel_list is separated by commas, without blanks")
	testkit.Holds(t, testkit.Documented, "gateway_pay: hide_explain and hide_exp_time are 1 to show and 0 to hide")
	testkit.Holds(t, testkit.Clients, "gateway_pay: instal_fee_payer_merchant_channel_list is separated by commas")
	testkit.Holds(t, testkit.Clients, "gateway_pay: channel_instal_times_list is a JSON object of channels with their months")
	minimal := map[string]string{
		"mch_order_no":          "order1",
		"mch_code":              "order1",
		"total_fee":             "10000",
		"fee_type":              "THB",
		"channel_list":          "promptpay,wechat",
		"product_name":          "Coffee",
		"refer_url":             "https://shop.example/cart",
		"mch_redirect_url":      "https://shop.example/paid",
		"mch_redirect_url_fail": "https://shop.example/failed",
	}
	full := &ksher.GatewayPayRequest{
		MchOrderNo:                        "2026-11-21/1",
		MchCode:                           "CODE-1",
		TotalFee:                          3500_50,
		FeeType:                           "THB",
		ChannelList:                       []ksher.Channel{ksher.ChannelKTCInstal, ksher.ChannelCard, "brand_new"},
		ProductName:                       "กาแฟ & cake = 50% + ☕",
		ReferURL:                          "https://shop.example/cart?a=1&b=2",
		MchRedirectURL:                    "https://shop.example/paid",
		MchRedirectURLFail:                "https://shop.example/failed",
		MchNotifyURL:                      "https://shop.example/notify",
		Device:                            "H5",
		Lang:                              "th",
		MemberID:                          "m-1",
		ExpireTime:                        30,
		Attach:                            "table 7",
		OperatorID:                        "somchai",
		Logo:                              "https://shop.example/logo.png",
		ShopName:                          "Shop",
		Color:                             "#ff0000",
		Background:                        "https://shop.example/banner.png",
		PaymentColor:                      "#00ff00",
		KsherExplain:                      "thanks",
		HideExplain:                       ksher.VisibilityShown,
		HideExpTime:                       ksher.VisibilityHidden,
		InstalFeePayerMerchantChannelList: []ksher.Channel{ksher.ChannelKTCInstal, ksher.ChannelKBankInstal},
		ChannelInstalTimesList:            ksher.InstalTimes{ksher.ChannelKTCInstal: {3, 4, 6}, ksher.ChannelKBankInstal: {10}},
		InstalFeePayer:                    "merchant",
		Extra:                             ksher.Extra{Params: map[string]string{"brand_new": "1"}},
	}
	tests := []struct {
		name string
		req  *ksher.GatewayPayRequest
		want map[string]string
	}{
		{"minimal", testkit.GoodGatewayPay(), minimal},
		{"full", full, map[string]string{
			"mch_order_no":                           "2026-11-21/1",
			"mch_code":                               "CODE-1",
			"total_fee":                              "350050",
			"fee_type":                               "THB",
			"channel_list":                           "ktc_instal,card,brand_new",
			"product_name":                           "กาแฟ & cake = 50% + ☕",
			"refer_url":                              "https://shop.example/cart?a=1&b=2",
			"mch_redirect_url":                       "https://shop.example/paid",
			"mch_redirect_url_fail":                  "https://shop.example/failed",
			"mch_notify_url":                         "https://shop.example/notify",
			"device":                                 "H5",
			"lang":                                   "th",
			"member_id":                              "m-1",
			"expire_time":                            "30",
			"attach":                                 "table 7",
			"operator_id":                            "somchai",
			"logo":                                   "https://shop.example/logo.png",
			"shop_name":                              "Shop",
			"color":                                  "#ff0000",
			"background":                             "https://shop.example/banner.png",
			"payment_color":                          "#00ff00",
			"ksher_explain":                          "thanks",
			"hide_explain":                           "1",
			"hide_exp_time":                          "0",
			"instal_fee_payer_merchant_channel_list": "ktc_instal,kbank_instal",
			"channel_instal_times_list":              `{"kbank_instal":[10],"ktc_instal":[3,4,6]}`,
			"instal_fee_payer":                       "merchant",
			"brand_new":                              "1",
		}},
	}
	const data = `{"pay_content":"https://gateway.ksher.com/ua?order_uuid=f624&lang=en"}`
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.GatewayPay(t.Context(), tt.req)
			require.NoError(t, err)
			r := rec.Only(t)
			assert.Equal(t, "https://gateway.ksher.com/api/gateway_pay", r.URL.String())
			testkit.RequireParameters(t, r, tt.want)
			assert.Equal(t, &ksher.GatewayPayResponse{
				Answer:     testkit.WantAnswer(data),
				PayContent: "https://gateway.ksher.com/ua?order_uuid=f624&lang=en",
			}, resp)
		})
	}

	t.Run("a genuine answer", func(t *testing.T) {
		testkit.Holds(t, testkit.Genuine, "gateway_pay: pay_content is the address of the checkout page, with order_uuid")
		genuine := testkit.GenuineAnswer(t, "gateway_pay")
		client := testkit.OfflineClient(t, "mch35005", testkit.Answering(200, genuine.Body))
		resp, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
		require.NoError(t, err)
		assert.Contains(t, resp.PayContent, "https://gateway.ksher.com/ua?order_uuid=")
	})
}

func TestGatewayOrderQuery(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "answer: an amount is a number, digits in a text, or empty")
	testkit.Holds(t, testkit.Assumed, "answer: a time that can't be read is left out, and fails nothing")
	// The same order in the forms that were seen on the wire and in others
	// that mean the same.
	paid := ksher.Order{
		AppID:          "mch12345",
		MchOrderNo:     "order1",
		PayMchOrderNo:  "2303031613445796",
		KsherOrderNo:   "90020230303161344",
		ChannelOrderNo: "4200000607",
		Channel:        ksher.ChannelWeChat,
		FeeType:        "THB",
		TotalFee:       100_00,
		CashFee:        48,
		CashFeeType:    "CNY",
		Rate:           "0.223410",
		Result:         ksher.ResultSuccess,
		TimeEnd:        time.Date(2026, 11, 21, 9, 30, 0, 0, testkit.Bangkok),
		OpenID:         "buyer-4711",
		Attach:         "table 7",
		NonceStr:       "n1",
	}
	const full = `{"appid":"mch12345","mch_order_no":"order1","pay_mch_order_no":"2303031613445796","ksher_order_no":"90020230303161344",
		"channel_order_no":"4200000607","channel":"wechat","fee_type":"THB","total_fee":10000,"cash_fee":48,"cash_fee_type":"CNY",
		"rate":"0.223410","result":"SUCCESS","time_end":"2026-11-21 09:30:00","openid":"buyer-4711","attach":"table 7","nonce_str":"n1"}`
	const loose = `{"appid":"mch12345","mch_order_no":"order1","pay_mch_order_no":2303031613445796,"ksher_order_no":90020230303161344,
		"channel_order_no":4200000607,"channel":"wechat","fee_type":"THB","total_fee":"10000","cash_fee":"48","cash_fee_type":"CNY",
		"rate":0.223410,"result":"SUCCESS","time_end":"2026-11-21T10:30:00+08:00","openid":"buyer-4711","attach":"table 7","nonce_str":"n1",
		"new_field":{"deep":[1,null]},"is_new":true}`
	const unpaid = `{"appid":"mch12345","mch_order_no":"order1","pay_mch_order_no":"","ksher_order_no":"","channel_order_no":null,"channel":"",
		"fee_type":"THB","total_fee":10000,"cash_fee":"","cash_fee_type":"","rate":"","result":"NOTSURE","time_end":"","openid":"","attach":"","nonce_str":""}`
	tests := []struct {
		name string
		data string
		opts []ksher.Option
		want ksher.Order
	}{
		{"paid", full, nil, paid},
		{"in other forms", loose, nil, paid},
		{"in another zone", full, []ksher.Option{ksher.WithLocation(time.UTC)}, func() ksher.Order {
			order := paid
			order.TimeEnd = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
			return order
		}()},
		{"unpaid", unpaid, nil, ksher.Order{
			AppID: "mch12345", MchOrderNo: "order1", FeeType: "THB", TotalFee: 100_00, Result: ksher.ResultNotSure,
		}},
		{"little", `{"result":"SOMETHING_NEW"}`, nil, ksher.Order{Result: "SOMETHING_NEW"}},
		{"a time that can't be read", `{"result":"SUCCESS","time_end":"soon"}`, nil, ksher.Order{Result: ksher.ResultSuccess}},
		{"names in capitals are other names", `{"Result":"SUCCESS","TOTAL_FEE":1}`, nil, ksher.Order{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, tt.data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, append(tt.opts, testkit.TrustTestKey(t))...)
			resp, err := client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "order1"})
			require.NoError(t, err)
			assert.Equal(t, "https://gateway.ksher.com/api/gateway_order_query", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), map[string]string{"mch_order_no": "order1"})
			assert.Equal(t, tt.want, resp.Order)
			assert.Equal(t, tt.data, string(resp.Data))
		})
	}

	t.Run("a genuine answer", func(t *testing.T) {
		testkit.Holds(t, testkit.Genuine, "gateway_order_query: an unpaid order is NOTSURE, with its amount and pay_mch_order_no, and an empty cash_fee")
		genuine := testkit.GenuineAnswer(t, "gateway_order_query_unpaid_empty_fields")
		client := testkit.OfflineClient(t, genuine.AppID, testkit.Answering(200, genuine.Body))
		resp, err := client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "2023-02-22-17-11-00"})
		require.NoError(t, err)
		assert.Equal(t, ksher.ResultNotSure, resp.Result)
		assert.Equal(t, ksher.Amount(1_00), resp.TotalFee)
		assert.Equal(t, "2303031613445796", resp.PayMchOrderNo)
		assert.Zero(t, resp.CashFee)
	})
}

func TestCancelOrder(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "cancel_order: lang may be left out, as the page's own example does")
	testkit.Holds(t, testkit.Assumed, "cancel_order: answers with the order's number and a result")
	const data = `{"appid":"mch12345","mch_order_no":"order1","result":"SUCCESS","nonce_str":"n1"}`
	tests := []struct {
		name string
		req  *ksher.CancelOrderRequest
		want map[string]string
	}{
		{"minimal", &ksher.CancelOrderRequest{MchOrderNo: "order1"}, map[string]string{"mch_order_no": "order1"}},
		{"full", &ksher.CancelOrderRequest{MchOrderNo: "order1", Lang: "cn", Extra: ksher.Extra{Params: map[string]string{"new": "1"}}},
			map[string]string{"mch_order_no": "order1", "lang": "cn", "new": "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.CancelOrder(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://gateway.ksher.com/api/cancel_order", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, &ksher.CancelOrderResponse{
				Answer: testkit.WantAnswer(data), AppID: "mch12345", MchOrderNo: "order1", NonceStr: "n1",
			}, resp)
		})
	}
}

func goodForm() *ksher.GatewayPayRequest {
	req := testkit.GoodGatewayPay()
	req.Device = "PC"
	return req
}

// nobody is for clients that aren't to send anything.
func nobody(t *testing.T) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("a request went to %s", r.URL) })
}

// posted is what a browser sends of the fields.
func posted(form *ksher.GatewayPayForm) url.Values {
	values := make(url.Values)
	for name, value := range form.Fields {
		values.Set(name, value)
	}
	return values
}

// The form has what the call sends, to the last parameter.
func TestGatewayPayFormSignsWhatTheCallSends(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "gateway_pay: the form has the parameters of the call, signed alike")
	full := goodForm()
	full.Device, full.Lang, full.ExpireTime, full.Attach = "H5", "th", 30, "ก ข & \"c\" + 1\r\n2"
	full.ChannelInstalTimesList = ksher.InstalTimes{ksher.ChannelKTCInstal: {3, 4}}
	full.Extra = ksher.Extra{Params: map[string]string{"brand_new": "", "submit": "1"}}
	for _, req := range []*ksher.GatewayPayRequest{goodForm(), full} {
		rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
		client := testkit.NewClient(t, rec)
		_, err := client.GatewayPay(t.Context(), req)
		require.NoError(t, err)
		sent := rec.Only(t).PostForm

		form, err := client.GatewayPayForm(req)
		require.NoError(t, err)
		got := posted(form)
		testkit.RequireSigned(t, got, &testkit.RSAKey(t, 1024).PublicKey)
		assert.NotEqual(t, sent["nonce_str"], got["nonce_str"])
		at, err := time.ParseInLocation("20060102150405", got.Get("time_stamp"), testkit.Bangkok)
		require.NoError(t, err)
		assert.WithinRange(t, at, time.Now().Add(-time.Minute), time.Now())
		for _, own := range []string{"nonce_str", "time_stamp", "sign"} {
			require.NotEmpty(t, got.Get(own))
			sent.Del(own)
			got.Del(own)
		}
		assert.Equal(t, sent, got)
		rec.Only(t) // Making the form sent nothing.
	}
}

func TestGatewayPayFormAction(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "gateway_pay: the form is posted to /pc or /h5 of the gateway host")
	testkit.Holds(t, testkit.Assumed, "gateway_pay: the form may be posted by https, though its page has http")
	for _, tt := range []struct {
		gateway string
		device  string
		want    string
	}{
		{ksher.DefaultGatewayURL, "PC", "https://gateway.ksher.com/pc"},
		{ksher.DefaultGatewayURL, "H5", "https://gateway.ksher.com/h5"},
		{"https://gateway.ksher.cn/api", "H5", "https://gateway.ksher.cn/h5"},
		{"http://127.0.0.1:8080/api/", "PC", "http://127.0.0.1:8080/pc"},
		{"http://[::1]:8080/api", "PC", "http://[::1]:8080/pc"},
		{"https://pay.example/ksher/api", "PC", "https://pay.example/ksher/pc"},
		{"https://api.example", "PC", "https://api.example/pc"},
	} {
		client := testkit.OfflineClient(t, testkit.AppID, nobody(t), ksher.WithGatewayURL(tt.gateway))
		req := goodForm()
		req.Device = tt.device
		form, err := client.GatewayPayForm(req)
		require.NoError(t, err)
		assert.Equal(t, tt.want, form.Action)
		action, _ := parsePage(t, form)
		assert.Equal(t, tt.want, action)
	}
}

func TestGatewayPayFormRefuses(t *testing.T) {
	change := func(fn func(*ksher.GatewayPayRequest)) *ksher.GatewayPayRequest {
		req := goodForm()
		fn(req)
		return req
	}
	const breaks = "has a NUL or a line break other than CR LF, which a browser's form would change"
	for name, tt := range map[string]struct {
		req  *ksher.GatewayPayRequest
		want []ksher.FieldError
	}{
		"nil":       {nil, []ksher.FieldError{{Field: "request", Problem: "is nil"}}},
		"no device": {testkit.GoodGatewayPay(), []ksher.FieldError{{Field: "device", Problem: "is required for a form; DeviceOf finds it out"}}},
		"other device": {change(func(r *ksher.GatewayPayRequest) { r.Device = "../ua" }),
			[]ksher.FieldError{{Field: "device", Problem: `is "../ua", not one of PC, H5`}}},
		"what the call refuses": {change(func(r *ksher.GatewayPayRequest) { r.ReferURL, r.Device = "", "" }), []ksher.FieldError{
			{Field: "refer_url", Problem: "is required"}, {Field: "device", Problem: "is required for a form; DeviceOf finds it out"}}},
		"what every request refuses": {change(func(r *ksher.GatewayPayRequest) { r.Extra = ksher.Extra{Params: map[string]string{"sign": "x"}} }),
			[]ksher.FieldError{{Field: "sign", Problem: "is in Extra, but set already by the request itself"}}},
		"not UTF-8":  {change(func(r *ksher.GatewayPayRequest) { r.Attach = "\xff" }), []ksher.FieldError{{Field: "attach", Problem: "is not UTF-8"}}},
		"LF":         {change(func(r *ksher.GatewayPayRequest) { r.Attach = "a\nb" }), []ksher.FieldError{{Field: "attach", Problem: breaks}}},
		"CR":         {change(func(r *ksher.GatewayPayRequest) { r.Attach = "a\rb" }), []ksher.FieldError{{Field: "attach", Problem: breaks}}},
		"CR CR LF":   {change(func(r *ksher.GatewayPayRequest) { r.Attach = "a\r\r\nb" }), []ksher.FieldError{{Field: "attach", Problem: breaks}}},
		"NUL":        {change(func(r *ksher.GatewayPayRequest) { r.ProductName = "a\x00b" }), []ksher.FieldError{{Field: "product_name", Problem: breaks}}},
		"_charset_":  {change(func(r *ksher.GatewayPayRequest) { r.Extra = ksher.Extra{Params: map[string]string{"_CharSet_": "1"}} }), []ksher.FieldError{{Field: "_CharSet_", Problem: "is a name that a browser's form gives a value of its own"}}},
		"NUL, name":  {change(func(r *ksher.GatewayPayRequest) { r.Extra = ksher.Extra{Params: map[string]string{"a\x00": "1"}} }), []ksher.FieldError{{Field: "a\x00", Problem: breaks}}},
		"two values": {change(func(r *ksher.GatewayPayRequest) { r.ProductName, r.Attach = "\n", "\n" }), nil},
	} {
		t.Run(name, func(t *testing.T) {
			form, err := testkit.OfflineClient(t, testkit.AppID, nobody(t)).GatewayPayForm(tt.req)
			assert.Nil(t, form)
			var invalid *ksher.ValidationError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, "gateway_pay", invalid.Operation)
			assert.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
			if tt.req != nil {
				assert.Equal(t, testkit.OrderNo, invalid.OrderNo)
			}
			if tt.want != nil {
				assert.Equal(t, tt.want, invalid.Fields)
			} else {
				assert.NotEmpty(t, invalid.Fields)
			}
		})
	}

	for _, client := range []*ksher.Client{nil, {}} {
		form, err := client.GatewayPayForm(goodForm())
		assert.Nil(t, form)
		assert.ErrorContains(t, err, "client was not made by NewClient")
	}

	broken := errors.New("the HSM is away")
	client, err := ksher.NewClient(testkit.AppID, &testkit.HSM{Key: testkit.RSAKey(t, 1024), Err: broken})
	require.NoError(t, err)
	form, err := client.GatewayPayForm(goodForm())
	assert.Nil(t, form)
	var failed *ksher.Error
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
	assert.EqualError(t, err, `ksher: gateway_pay of order "order1": the form was not made, because the key did not sign: the HSM is away (app ID mch12345)`)
}

var (
	pageForm  = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	pageInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

// parsePage reads the page of a form, and says what a browser would send. That
// a browser agrees is for the tests in e2e.
func parsePage(tb testing.TB, form *ksher.GatewayPayForm) (action string, values url.Values) {
	tb.Helper()
	var page strings.Builder
	require.NoError(tb, form.WriteHTML(&page))
	forms := pageForm.FindAllStringSubmatch(page.String(), -1)
	require.Len(tb, forms, 1)
	inputs := pageInput.FindAllStringSubmatch(page.String(), -1)
	// Nothing else looks like a tag.
	require.Equal(tb, len(inputs), strings.Count(page.String(), "<input"))
	require.Equal(tb, 1, strings.Count(page.String(), "<script"))
	values = make(url.Values)
	for _, in := range inputs {
		values.Add(html.UnescapeString(in[1]), html.UnescapeString(in[2]))
	}
	return html.UnescapeString(forms[0][1]), values
}

func TestGatewayPayFormPageEscapes(t *testing.T) {
	client := testkit.OfflineClient(t, testkit.AppID, nobody(t))
	for _, text := range []string{
		`"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`, "</form></body></html>", "<!--", "]]>", "&quot;&#34;&amp;",
		"a+b c%20d", "ก ข ☕ \u2028\u00a0", "line\r\nline", `{{.}} {{template "x"}}`, "javascript:alert(1)", "`${x}`", "\\\"", " \t ", "\u202e", "\x01\x7f",
		strings.Repeat("<", 1000),
	} {
		req := goodForm()
		req.ProductName, req.Attach, req.ShopName, req.MchRedirectURL = "x"+text, text, text, "https://shop.example/?a="+url.QueryEscape(text)+"&b=\"'"
		req.Extra = ksher.Extra{Params: map[string]string{"new": text}}
		if !strings.ContainsAny(text, "= \t\r\n") {
			req.Params["x"+text] = "1"
		}
		form, err := client.GatewayPayForm(req)
		require.NoError(t, err, "%.50q", text)
		_, values := parsePage(t, form)
		require.Equal(t, posted(form), values, "%.50q", text)
		testkit.RequireSigned(t, values, &testkit.RSAKey(t, 1024).PublicKey)
	}
}

func TestGatewayPayFormServeHTTP(t *testing.T) {
	for lang, want := range map[string][2]string{
		"": {"en", "Continue to payment"}, "en": {"en", "Continue to payment"},
		"th": {"th", "ไปยังหน้าชำระเงิน"}, "cn": {"zh-Hans", "前往付款"},
	} {
		req := goodForm()
		req.Lang = lang
		form, err := testkit.OfflineClient(t, testkit.AppID, nobody(t)).GatewayPayForm(req)
		require.NoError(t, err)
		w := httptest.NewRecorder()
		w.Header().Set("Content-Security-Policy", "form-action 'self'") // The site's own.
		form.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/checkout", nil))
		assert.Equal(t, http.StatusOK, w.Code)
		header := w.Header()
		assert.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"))
		assert.Equal(t, "no-store", header.Get("Cache-Control"))
		assert.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
		assert.Regexp(t, `^default-src 'none'; .*script-src 'sha256-[^']*'$`, header.Get("Content-Security-Policy"))
		assert.NotContains(t, header.Get("Content-Security-Policy"), "form-action")
		page := w.Body.String()
		assert.Contains(t, page, `<html lang="`+want[0]+`">`)
		assert.Contains(t, page, `<button>`+want[1]+`</button>`)
		assert.Contains(t, page, `<meta name="referrer" content="strict-origin">`)
	}
}

// Many buyers may be served at once, and one form more than once.
func TestGatewayPayFormConcurrently(t *testing.T) {
	client := testkit.OfflineClient(t, testkit.AppID, nobody(t))
	shared, err := client.GatewayPayForm(goodForm())
	require.NoError(t, err)
	want, nonces := posted(shared), sync.Map{}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			w := httptest.NewRecorder()
			shared.ServeHTTP(w, nil)
			assert.Equal(t, http.StatusOK, w.Code)
			_, values := parsePage(t, shared)
			assert.Equal(t, want, values)

			req := goodForm()
			req.MchOrderNo = fmt.Sprint("order", i)
			own, err := client.GatewayPayForm(req)
			if assert.NoError(t, err) {
				assert.Equal(t, req.MchOrderNo, own.Fields["mch_order_no"])
				_, twice := nonces.LoadOrStore(own.Fields["nonce_str"], true)
				assert.False(t, twice)
			}
		})
	}
	wg.Wait()
}

type brokenWriter struct{ err error }

func (b brokenWriter) Write([]byte) (int, error) { return 0, b.err }

func TestGatewayPayFormThatIsNone(t *testing.T) {
	for _, form := range []*ksher.GatewayPayForm{nil, {}} {
		assert.EqualError(t, form.WriteHTML(io.Discard), "ksher: the form was not made by Client.GatewayPayForm")
		w := httptest.NewRecorder()
		form.ServeHTTP(w, nil)
		assert.Equal(t, http.StatusInternalServerError, w.Code)
		assert.NotPanics(t, func() { fmt.Fprintf(io.Discard, "%v %+v", form, form) })
	}
	form, err := testkit.OfflineClient(t, testkit.AppID, nobody(t)).GatewayPayForm(goodForm())
	require.NoError(t, err)
	gone := errors.New("the buyer is gone")
	assert.ErrorIs(t, form.WriteHTML(brokenWriter{gone}), gone)
}

func TestGatewayPayFormKeepsItsSignature(t *testing.T) {
	form, err := testkit.OfflineClient(t, testkit.AppID, nobody(t)).GatewayPayForm(goodForm())
	require.NoError(t, err)
	sign := form.Fields["sign"]
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("form", "pointer", form, "value", *form)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, format+format, form, *form)
	}
	assert.NotContains(t, log.String(), sign)
	assert.NotContains(t, log.String(), fmt.Sprintf("%x", sign))
	assert.Contains(t, log.String(), "ksher.GatewayPayForm(order1 to https://gateway.ksher.com/pc)")

	// A page that is made in the browser gets it as JSON.
	data, err := json.Marshal(form)
	require.NoError(t, err)
	var back ksher.GatewayPayForm
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, *form, back)
	assert.Contains(t, string(data), `{"action":"https://gateway.ksher.com/pc","fields":{`)
}

func TestDeviceOf(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "gateway_pay: a phone is known by Sec-CH-UA-Mobile, or by Mobi in its User-Agent")
	const (
		chromeAndroid = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36"
		chromeWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
		chromeTablet  = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
		safariIPhone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
		safariMac     = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15"
		wv            = "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/139.0.7258.143 Mobile Safari/537.36"
	)
	for name, tt := range map[string]struct {
		agent, hint string
		want        string
	}{
		"Chrome on Android":               {chromeAndroid, "", "H5"},
		"Chrome on Android, with a hint":  {chromeAndroid, "?1", "H5"},
		"Chrome on Windows":               {chromeWindows, "", "PC"},
		"Chrome on Windows, with a hint":  {chromeWindows, "?0", "PC"},
		"Chrome on an Android tablet":     {chromeTablet, "", "PC"},
		"a phone that asks for the PC":    {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", "?0", "PC"},
		"a hint alone":                    {"", "?1", "H5"},
		"a hint against the agent":        {chromeAndroid, "?0", "PC"},
		"a hint that isn't one":           {chromeAndroid, "yes", "H5"},
		"Safari on an iPhone":             {safariIPhone, "", "H5"},
		"Safari on a Mac, or an iPad":     {safariMac, "", "PC"},
		"Safari on an iPad, mobile":       {"Mozilla/5.0 (iPad; CPU OS 12_5_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1.2 Mobile/15E148 Safari/604.1", "", "PC"},
		"Facebook on an iPad":             {"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/480.0.0.29.109;FBDV/iPad13,4]", "", "PC"},
		"Facebook on an iPhone":           {"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21F90 [FBAN/FBIOS;FBAV/480.0.0.29.109;FBDV/iPhone15,3]", "", "H5"},
		"Facebook on Android":             {wv + " [FB_IAB/FB4A;FBAV/510.0.0.56.109;]", "", "H5"},
		"WeChat on Android":               {wv + " XWEB/1390043 MMWEBSDK/20250503 MMWEBID/2247 MicroMessenger/8.0.61.2880(0x28003D34) WeChat/arm64 Weixin NetType/WIFI Language/en ABI/arm64", "", "H5"},
		"WeChat on an iPhone":             {"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.50(0x18003237) NetType/4G Language/zh_CN", "", "H5"},
		"WeChat on Windows":               {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 Safari/537.36 NetType/WIFI MicroMessenger/7.0.20.1781(0x6700143B) WindowsWechat(0x63090c33) XWEB/13639 Flue", "", "PC"},
		"LINE on Android":                 {wv + " Line/14.9.0/IAB", "", "H5"},
		"LINE on an iPhone":               {"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/14.9.0", "", "H5"},
		"Alipay on Android":               {wv + " Ariver/1.0.0 UCBS/3.22.2 NebulaSDK/1.8.100112 Nebula AlipayDefined(nt:WIFI) AliApp(AP/10.5.60) AlipayClient/10.5.60", "", "H5"},
		"Samsung Internet":                {"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-A546E) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36", "", "H5"},
		"Firefox on Android":              {"Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "", "H5"},
		"Firefox on an Android tablet":    {"Mozilla/5.0 (Android 14; Tablet; rv:140.0) Gecko/140.0 Firefox/140.0", "", "PC"},
		"Firefox on Linux":                {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "", "PC"},
		"Edge on Windows":                 {chromeWindows + " Edg/142.0.0.0", "", "PC"},
		"Opera Mini":                      {"Opera/9.80 (Android; Opera Mini/36.2.2254/191.249; U; en) Presto/2.12.423 Version/12.16", "", "H5"},
		"Huawei's browser on HarmonyOS":   {"Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile", "", "H5"},
		"UC Browser":                      {"Mozilla/5.0 (Linux; U; Android 11; en-US; RMX2185) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/100.0.4896.58 UCBrowser/13.4.0.1306 Mobile Safari/537.36", "", "H5"},
		"Googlebot":                       {"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "", "PC"},
		"Googlebot that looks at phones":  {"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "", "H5"},
		"curl":                            {"curl/8.5.0", "", "PC"},
		"none":                            {"", "", "PC"},
		"not a text":                      {"\x00\xff\xfe", "\xff", "PC"},
		"a megabyte":                      {strings.Repeat("Mob", 350_000), "", "PC"},
		"a megabyte, and then a phone":    {strings.Repeat("Mob ", 250_000) + "Mobile", "", "H5"},
		"a word that only begins so":      {"automobile", "", "PC"},
		"a megabyte of what isn't a hint": {chromeAndroid, strings.Repeat("?", 1<<20), "H5"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("User-Agent", tt.agent)
			if tt.hint != "" {
				r.Header.Set("Sec-CH-UA-Mobile", tt.hint)
			}
			assert.Equal(t, tt.want, ksher.DeviceOf(r))
		})
	}
	assert.Equal(t, "PC", ksher.DeviceOf(nil))
	assert.Equal(t, "PC", ksher.DeviceOf(&http.Request{}))
}

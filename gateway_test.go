package ksher_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestGatewayPay(t *testing.T) {
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
		Device:                            ksher.DeviceH5,
		Lang:                              ksher.LangThai,
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
		genuine := testkit.GenuineAnswer(t, "gateway_pay")
		client := testkit.OfflineClient(t, "mch35005", testkit.Answering(200, genuine.Body))
		resp, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
		require.NoError(t, err)
		assert.Contains(t, resp.PayContent, "https://gateway.ksher.com/ua?order_uuid=")
	})
}

func TestGatewayOrderQuery(t *testing.T) {
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
	const data = `{"appid":"mch12345","mch_order_no":"order1","result":"SUCCESS","nonce_str":"n1"}`
	tests := []struct {
		name string
		req  *ksher.CancelOrderRequest
		want map[string]string
	}{
		{"minimal", &ksher.CancelOrderRequest{MchOrderNo: "order1"}, map[string]string{"mch_order_no": "order1"}},
		{"full", &ksher.CancelOrderRequest{MchOrderNo: "order1", Lang: ksher.LangChinese, Extra: ksher.Extra{Params: map[string]string{"new": "1"}}},
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

// The form is decoded by the other side, so what a form could garble has to
// arrive, and be signed, as it was given.
func TestParametersArriveAsGiven(t *testing.T) {
	for _, text := range []string{"a+b", "a b", "a&b=c", "100%", "%41", "ก ข", "☕", "a\tb\r\nc", "\u00a0", "'\"<>", "=", "sign=x"} {
		t.Run(text, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
			req := testkit.GoodGatewayPay()
			req.Attach = text
			req.Extra = ksher.Extra{Params: map[string]string{"new": text}}
			_, err := testkit.NewClient(t, rec).GatewayPay(t.Context(), req)
			require.NoError(t, err)
			form := rec.Only(t).PostForm
			assert.Equal(t, text, form.Get("attach"))
			assert.Equal(t, text, form.Get("new"))
			testkit.RequireSigned(t, form, &testkit.RSAKey(t, 1024).PublicKey)
		})
	}
}

// A buyer's browser is sent where the answer says.
func TestGatewayPayLeadsToAPage(t *testing.T) {
	for _, address := range []string{"javascript:alert(1)", "data:text/html,x", "//shop.example", "/pay", "weixin://pay", "https://"} {
		client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"pay_content":"`+address+`"}`)))
		answer, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
		require.ErrorIs(t, err, ksher.ErrBadAnswer, address)
		require.ErrorIs(t, err, ksher.ErrOutcomeUnknown, "the order is made")
		require.Nil(t, answer)
	}
}

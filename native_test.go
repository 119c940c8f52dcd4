package ksher_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestNativePay(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "native_pay: number, amount, currency and channel are all that it needs")
	const data = `{"appid":"mch12345","mch_order_no":"order1","ksher_order_no":"900","imgdat":"data:image/png;base64,aGk=",
		"code_url":"00020101021230","PaymentCode":"00020101021230","PaymentID":900,"trade_type":"NATIVE","total_fee":"10000",
		"fee_type":"THB","stalls_name":"90035005","device_id":"kiosk-1","result":"SUCCESS","nonce_str":"n1"}`
	full := &ksher.NativePayRequest{
		MchOrderNo:    "order1",
		TotalFee:      100_00,
		FeeType:       "THB",
		Channel:       ksher.ChannelTrueMoney,
		NotifyURL:     "https://shop.example/notify",
		RedirectURL:   "https://shop.example/paid",
		PaypageTitle:  "Shop",
		Product:       "กาแฟ",
		Attach:        "table 7",
		OperatorID:    "somchai",
		DeviceID:      "kiosk-1",
		ImgType:       "svg",
		TMNExpireTime: 20,
		Extra:         ksher.Extra{Params: map[string]string{"new": "1"}},
	}
	tests := []struct {
		name string
		req  *ksher.NativePayRequest
		want map[string]string
	}{
		{"minimal", testkit.GoodNativePay(), map[string]string{
			"mch_order_no": "order1", "total_fee": "10000", "fee_type": "THB", "channel": "wechat",
		}},
		{"full", full, map[string]string{
			"mch_order_no":    "order1",
			"total_fee":       "10000",
			"fee_type":        "THB",
			"channel":         "truemoney",
			"notify_url":      "https://shop.example/notify",
			"redirect_url":    "https://shop.example/paid",
			"paypage_title":   "Shop",
			"product":         "กาแฟ",
			"attach":          "table 7",
			"operator_id":     "somchai",
			"device_id":       "kiosk-1",
			"img_type":        "svg",
			"tmn_expire_time": "20",
			"new":             "1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.NativePay(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/native_pay", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, &ksher.NativePayResponse{
				Answer:       testkit.WantAnswer(data),
				AppID:        "mch12345",
				MchOrderNo:   "order1",
				KsherOrderNo: "900",
				ImgDat:       "data:image/png;base64,aGk=",
				CodeURL:      "00020101021230",
				PaymentCode:  "00020101021230",
				PaymentID:    "900",
				TradeType:    "NATIVE",
				TotalFee:     100_00,
				FeeType:      "THB",
				StallsName:   "90035005",
				DeviceID:     "kiosk-1",

				NonceStr: "n1",
			}, resp)
		})
	}

	t.Run("a genuine answer", func(t *testing.T) {
		testkit.Holds(t, testkit.Genuine, "native_pay: for PromptPay it answers with a PNG as a data URI, and the same text in code_url and PaymentCode")
		genuine := testkit.GenuineAnswer(t, "native_pay_promptpay_with_image")
		client := testkit.OfflineClient(t, genuine.AppID, testkit.Answering(200, genuine.Body))
		_, err := client.NativePay(t.Context(), testkit.GoodNativePay())
		require.ErrorIs(t, err, ksher.ErrOtherOrder)
		var data struct {
			MchOrderNo string       `json:"mch_order_no"`
			TotalFee   ksher.Amount `json:"total_fee"`
		}
		require.NoError(t, json.Unmarshal([]byte(genuine.Data), &data))
		req := testkit.GoodNativePay()
		req.MchOrderNo, req.TotalFee = data.MchOrderNo, data.TotalFee
		resp, err := client.NativePay(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, "NATIVE", resp.TradeType)
		assert.Equal(t, resp.CodeURL, resp.PaymentCode)
		picture, mediaType, err := resp.Image()
		require.NoError(t, err)
		assert.Equal(t, "image/png", mediaType)
		decoded, err := png.Decode(bytes.NewReader(picture))
		require.NoError(t, err)
		assert.Equal(t, decoded.Bounds().Dx(), decoded.Bounds().Dy(), "a QR code is square")
	})
}

func TestImage(t *testing.T) {
	picture, mediaType, err := (&ksher.NativePayResponse{ImgDat: "DATA:image/png ;BASE64,iVBO\nRw0K%0AGgo%3D"}).Image()
	require.NoError(t, err)
	assert.Equal(t, "\x89PNG\r\n\x1a\n", string(picture))
	assert.Equal(t, "image/png", mediaType)

	for _, imgDat := range []string{"", "data:;base64,iVBORw0KGgo=", "data:image/png;base64,aGk=", "data:image/png,iVBORw0KGgo=", "iVBORw0KGgo="} {
		picture, mediaType, err := (&ksher.NativePayResponse{MchOrderNo: "order1", ImgDat: imgDat}).Image()
		require.ErrorIs(t, err, fault.ErrField, imgDat)
		require.ErrorContains(t, err, `native_pay of order "order1"`)
		assert.Nil(t, picture)
		assert.Empty(t, mediaType)
	}
}

func TestOrderQuery(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "order_query: one of the merchant's, Ksher's and the channel's number is enough")
	testkit.Holds(t, testkit.Clients, "order_query: channel may be left out, although the page has it as required")
	t.Run("the published answer", func(t *testing.T) {
		testkit.Holds(t, testkit.Published, "answer: time_end has no zone, and is in the merchant's")
		testkit.Holds(t, testkit.Published, "order_query: operator_id is a number, and operation, raw_total_fee and merchant_remark come beside the order")
		example := testkit.PublishedExample(t, "order_query")
		want := ksher.OrderQueryResponse{
			Answer: ksher.Answer{Data: []byte(example.Data)},
			Order: ksher.Order{
				AppID:          "mch32148",
				MchOrderNo:     "1592911660",
				KsherOrderNo:   "90020200623192741778187",
				ChannelOrderNo: "4200000607202006237838347168",
				Channel:        ksher.ChannelWeChat,
				FeeType:        "THB",
				TotalFee:       1,
				CashFee:        7,
				CashFeeType:    "CNY",
				Rate:           "0.223410",
				Result:         ksher.ResultSuccess,
				OpenID:         "o2G4c04tmsU-wsCG7jN_ORL5Vh14",
				NonceStr:       "f4d6aefa63f67ed4abdd83c164191b63",
			},
			Operation:      "ORDER-QUERY",
			OperatorID:     "25382",
			RawTotalFee:    1,
			MerchantRemark: "测试",
		}
		tokyo := time.FixedZone("UTC+9", 9*3600)
		for _, tt := range []struct {
			zone *time.Location
			opts []ksher.Option
		}{
			{testkit.Bangkok, nil},
			{tokyo, []ksher.Option{ksher.WithLocation(tokyo)}},
		} {
			client := testkit.OfflineClient(t, example.AppID, testkit.Answering(200, example.Body), tt.opts...)
			resp, err := client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: "1592911660"})
			require.NoError(t, err)
			want.TimeEnd = time.Date(2020, 6, 23, 18, 28, 31, 0, tt.zone)
			assert.Equal(t, &want, resp)
			require.NoError(t, resp.CheckPaid("1592911660", 1, "THB"))
		}

		// Somebody else's genuine answer is worth nothing.
		client := testkit.OfflineClient(t, testkit.AppID, testkit.Answering(200, example.Body))
		_, err := client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: "1592911660"})
		require.ErrorIs(t, err, ksher.ErrOtherOrder)
		client = testkit.OfflineClient(t, example.AppID, testkit.Answering(200, strings.Replace(example.Body, `"total_fee": 1`, `"total_fee": 2`, 1)))
		_, err = client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: "1592911660"})
		require.ErrorIs(t, err, fault.ErrSignatureMismatch)
	})

	const loose = `{"mch_order_no":"order1","operator_id":25382,"device_id":7,"raw_total_fee":"","consumer_remark":"no sugar",
		"merchant_remark":true,"operation":"ORDER-QUERY","total_fee":"10000","cash_fee":7,"result":"SUCCESS"}`
	tests := []struct {
		name string
		req  *ksher.OrderQueryRequest
		want map[string]string
	}{
		{"by the merchant's number", &ksher.OrderQueryRequest{MchOrderNo: "order1"}, map[string]string{"mch_order_no": "order1"}},
		{"by Ksher's number", &ksher.OrderQueryRequest{KsherOrderNo: "900"}, map[string]string{"ksher_order_no": "900"}},
		{"by the channel's number", &ksher.OrderQueryRequest{ChannelOrderNo: "42"}, map[string]string{"channel_order_no": "42"}},
		{"full", &ksher.OrderQueryRequest{
			MchOrderNo: "order1", KsherOrderNo: "900", ChannelOrderNo: "42", Channel: ksher.ChannelAlipay, Extra: ksher.Extra{Params: map[string]string{"new": "1"}},
		}, map[string]string{
			"mch_order_no": "order1", "ksher_order_no": "900", "channel_order_no": "42", "channel": "alipay", "new": "1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, loose)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.OrderQuery(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/order_query", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, &ksher.OrderQueryResponse{
				Answer:         testkit.WantAnswer(loose),
				Order:          ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, CashFee: 7, Result: ksher.ResultSuccess},
				Operation:      "ORDER-QUERY",
				OperatorID:     "25382",
				DeviceID:       "7",
				ConsumerRemark: "no sugar",
				MerchantRemark: "true",
			}, resp)
		})
	}
}

func TestOrderClose(t *testing.T) {
	testkit.Holds(t, testkit.Published, "order_close: answers with appid, mch_order_no, nonce_str and result alone")
	testkit.Holds(t, testkit.Clients, "order_close: channel may be left out, although the page has it as required")
	example := testkit.PublishedExample(t, "order_close")
	tests := []struct {
		name string
		req  *ksher.OrderCloseRequest
		want map[string]string
	}{
		{"by the merchant's number", &ksher.OrderCloseRequest{MchOrderNo: "test3"}, map[string]string{"mch_order_no": "test3"}},
		{"by Ksher's number", &ksher.OrderCloseRequest{KsherOrderNo: "900"}, map[string]string{"ksher_order_no": "900"}},
		{"by the channel's number", &ksher.OrderCloseRequest{ChannelOrderNo: "42"}, map[string]string{"channel_order_no": "42"}},
		{"full", &ksher.OrderCloseRequest{
			MchOrderNo: "test3", KsherOrderNo: "900", ChannelOrderNo: "42", Channel: ksher.ChannelPromptPay,
			OperatorID: "somchai", Extra: ksher.Extra{Params: map[string]string{"new": "1"}},
		}, map[string]string{
			"mch_order_no": "test3", "ksher_order_no": "900", "channel_order_no": "42", "channel": "promptpay",
			"operator_id": "somchai", "new": "1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, example.Body))
			client := testkit.OfflineClient(t, example.AppID, rec)
			resp, err := client.OrderClose(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/order_close", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, &ksher.OrderCloseResponse{
				Answer: ksher.Answer{Data: []byte(example.Data)}, AppID: "mch36591", MchOrderNo: "test3",
				NonceStr: "7a57e84495bfe7abff4ff23591516511",
			}, resp)
		})
	}
}

// 0 is sent by those who ask for it by name.
func TestNoTMNExpireTime(t *testing.T) {
	rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
	req := testkit.GoodNativePay()
	req.Params = map[string]string{"tmn_expire_time": "0"}
	_, err := testkit.NewClient(t, rec).NativePay(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "0", rec.Only(t).PostForm.Get("tmn_expire_time"))
}

func TestQuickPay(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "quick_pay: number, amount, currency and auth_code are all that it needs")
	testkit.Holds(t, testkit.Assumed, "quick_pay: answers with what order_query answers with")
	const data = `{"appid":"mch12345","mch_order_no":"order1","ksher_order_no":"900","channel_order_no":"4200","channel":"alipay",
		"fee_type":"THB","total_fee":"10000","cash_fee":2234,"cash_fee_type":"CNY","rate":"0.223410","result":"SUCCESS",
		"time_end":"2026-11-21 09:00:00","openid":"buyer-4711","operation":"QUICK-PAY","operator_id":25382,"device_id":7,"nonce_str":"n1"}`
	full := testkit.GoodQuickPay()
	full.Channel, full.OperatorID, full.Extra = ksher.ChannelAlipay, "somchai", ksher.Extra{Params: map[string]string{"new": "1"}}
	full.DeviceID, full.NotifyURL, full.Product, full.Attach = "till-1", "https://shop.example/notify", "กาแฟ", "table 7"
	tests := []struct {
		name string
		req  *ksher.QuickPayRequest
		want map[string]string
	}{
		{"minimal", testkit.GoodQuickPay(), map[string]string{
			"mch_order_no": "order1", "total_fee": "10000", "fee_type": "THB", "auth_code": testkit.AuthCode,
		}},
		{"full", full, map[string]string{
			"mch_order_no": "order1", "total_fee": "10000", "fee_type": "THB", "auth_code": testkit.AuthCode,
			"channel": "alipay", "operator_id": "somchai", "new": "1",
			"device_id": "till-1", "notify_url": "https://shop.example/notify", "product": "กาแฟ", "attach": "table 7",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.QuickPay(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/quick_pay", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, &ksher.QuickPayResponse{
				Answer: testkit.WantAnswer(data),
				Order: ksher.Order{
					AppID: "mch12345", MchOrderNo: "order1", KsherOrderNo: "900", ChannelOrderNo: "4200", Channel: ksher.ChannelAlipay,
					FeeType: "THB", TotalFee: 100_00, CashFee: 2234, CashFeeType: "CNY", Rate: "0.223410", Result: ksher.ResultSuccess,
					TimeEnd: time.Date(2026, 11, 21, 9, 0, 0, 0, testkit.Bangkok), OpenID: "buyer-4711", NonceStr: "n1",
				},
				Operation: "QUICK-PAY", OperatorID: "25382", DeviceID: "7",
			}, resp)
			require.NoError(t, resp.CheckPaid("order1", 100_00, "THB"))
		})
	}
}

func TestOrderReverse(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "order_reverse: answers with what order_close answers with")
	testkit.Holds(t, testkit.Clients, "order_reverse: channel may be left out, although the page has it as required")
	const data = `{"appid":"mch12345","mch_order_no":"order1","result":"SUCCESS","nonce_str":"n1"}`
	tests := []struct {
		name string
		req  *ksher.OrderReverseRequest
		want map[string]string
	}{
		{"by the merchant's number", &ksher.OrderReverseRequest{MchOrderNo: "order1"}, map[string]string{"mch_order_no": "order1"}},
		{"by Ksher's number", &ksher.OrderReverseRequest{KsherOrderNo: "900"}, map[string]string{"ksher_order_no": "900"}},
		{"by the channel's number", &ksher.OrderReverseRequest{ChannelOrderNo: "42"}, map[string]string{"channel_order_no": "42"}},
		{"full", &ksher.OrderReverseRequest{
			MchOrderNo: "order1", KsherOrderNo: "900", ChannelOrderNo: "42", Channel: ksher.ChannelWeChat,
			OperatorID: "somchai", Extra: ksher.Extra{Params: map[string]string{"new": "1"}},
		}, map[string]string{
			"mch_order_no": "order1", "ksher_order_no": "900", "channel_order_no": "42", "channel": "wechat",
			"operator_id": "somchai", "new": "1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.OrderReverse(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/order_reverse", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, &ksher.OrderReverseResponse{
				Answer: testkit.WantAnswer(data), AppID: "mch12345", MchOrderNo: "order1", NonceStr: "n1",
			}, resp)
		})
	}
}

// Anything but a believable yes and a documented no leaves a charge and a
// reversal in doubt.
func TestQuickPayOutcomes(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "quick_pay: NOTSURE says that nobody knows yet whether it is paid")
	calls := map[string]func(*ksher.Client) error{
		"quick_pay": func(c *ksher.Client) error { _, err := c.QuickPay(t.Context(), testkit.GoodQuickPay()); return err },
		"order_reverse": func(c *ksher.Client) error {
			_, err := c.OrderReverse(t.Context(), &ksher.OrderReverseRequest{MchOrderNo: testkit.OrderNo})
			return err
		},
	}
	type test struct {
		only    string // The operation, "" for both.
		name    string
		reply   testkit.Reply
		want    error
		unknown bool
	}
	tests := []test{
		{"", "done", testkit.Tells(ksher.ResultSuccess), nil, false},
		{"", "not sure", testkit.Tells(ksher.ResultNotSure), nil, true},
		{"", "the buyer is paying", testkit.Tells(ksher.ResultUserPaying), nil, true},
		{"", "pending", testkit.Tells(ksher.ResultPending), nil, true},
		{"", "failed, in a query's words", testkit.Tells(ksher.ResultPayError), nil, true},
		{"", "something new", testkit.Tells("SOMETHING_NEW"), nil, true},
		{"", "no result", testkit.Tells(""), fault.ErrField, true},
		{"", "the line breaks", testkit.Breaks, testkit.ErrLine, true},
		{"", "no JSON", testkit.Says("<html>"), fault.ErrNotJSON, true},
		{"", "not signed", testkit.Says(`{"code":0,"data":{"result":"SUCCESS"}}`), fault.ErrSignatureMissing, true},
		{"", "another merchant", testkit.Tells(ksher.ResultSuccess, func(o *ksher.Order) { o.AppID = "mch1" }), ksher.ErrOtherOrder, true},
		{"", "no without a reason", testkit.Tells(ksher.ResultFail), nil, true},
		{"", "a timeout behind the gateway", testkit.Denies(ksher.CodeSystemError), ksher.CodeSystemError, true},
		{"", "an undocumented code", testkit.Denies("AUTH_CODE_INVALID"), ksher.Code("AUTH_CODE_INVALID"), true},
		{"", "an undocumented code of the envelope", testkit.Says(`{"code":1,"msg":"AUTH_CODE_INVALID"}`), ksher.Code("AUTH_CODE_INVALID"), true},
	}
	for _, code := range []ksher.Code{
		ksher.CodeOrderPaymentError, ksher.CodeKsherInvalidParam, ksher.CodeNoAuth, ksher.CodeKsherExceedAmountLimit, ksher.CodeKsherInvalidOrderNo,
	} {
		tests = append(tests, test{"", string(code), testkit.Denies(code), code, false})
	}
	// What these say of an order may be what this very charge has done to it. A
	// reversal finds the order as it is.
	for _, code := range []ksher.Code{
		ksher.CodeKsherDuplicatedOrderNo, ksher.CodeOrderPaid, ksher.CodeOrderAlreadyPaymentSuccess, ksher.CodePriceNotExist,
		ksher.CodeQueryOrderError, ksher.CodeCancelError, ksher.CodeManyOpen,
	} {
		tests = append(tests, test{"quick_pay", string(code), testkit.Denies(code), code, true}, test{"order_reverse", string(code), testkit.Denies(code), code, false})
	}
	for name, call := range calls {
		for _, tt := range tests {
			if tt.only != "" && tt.only != name {
				continue
			}
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				hosts := testkit.AnswersOf(map[string]testkit.Reply{name: tt.reply})
				err := call(hosts.Client(t, ksher.WithRetry(3, 0)))
				require.Equal(t, tt.unknown, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
				require.Equal(t, tt.unknown || tt.want != nil, err != nil, "%v", err)
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
				}
				require.Len(t, hosts.Questions(""), 1, "it is never repeated")
			})
		}
	}
}

func TestResolveQuickPay(t *testing.T) {
	reversing := &ksher.OrderReverseRequest{MchOrderNo: testkit.OrderNo}
	const charge, reversal = "quick_pay", "order_reverse"
	requests := map[string]ksher.Doubtful{charge: testkit.GoodQuickPay(), reversal: reversing}
	tests := []struct {
		name    string
		request string
		reply   testkit.Reply
		verdict ksher.Verdict
		want    error
	}{
		{"paid", charge, testkit.Tells(ksher.ResultSuccess), ksher.VerdictCarriedOut, nil},
		{"closed", charge, testkit.Tells(ksher.ResultClosed), ksher.VerdictNotCarriedOut, nil},
		{"failed", charge, testkit.Tells(ksher.ResultPayError), ksher.VerdictNotCarriedOut, nil},
		{"refunded", charge, testkit.Tells(ksher.ResultRefund), ksher.VerdictNotCarriedOut, nil},
		{"not paid yet", charge, testkit.Tells(ksher.ResultNotPay), ksher.VerdictStillUnknown, nil},
		{"the buyer is paying", charge, testkit.Tells(ksher.ResultUserPaying, testkit.WithTotal(0), testkit.WithCurrency("")), ksher.VerdictStillUnknown, nil},
		{"not sure", charge, testkit.Tells(ksher.ResultNotSure), ksher.VerdictStillUnknown, nil},
		{"something new", charge, testkit.Tells("SOMETHING_NEW"), ksher.VerdictStillUnknown, nil},
		{"unknown", charge, testkit.Denies(ksher.CodeKsherInvalidOrderNo), ksher.VerdictNotCarriedOut, nil},
		{"paid over another amount", charge, testkit.Tells(ksher.ResultSuccess, testkit.WithTotal(99_99)), "", ksher.ErrOtherOrder},
		{"closed over another amount", charge, testkit.Tells(ksher.ResultClosed, testkit.WithTotal(99_99)), "", ksher.ErrOtherOrder},

		{"closed", reversal, testkit.Tells(ksher.ResultClosed), ksher.VerdictCarriedOut, nil},
		{"refunded", reversal, testkit.Tells(ksher.ResultRefund), ksher.VerdictCarriedOut, nil},
		{"paid", reversal, testkit.Tells(ksher.ResultSuccess), ksher.VerdictNotCarriedOut, nil},
		{"the buyer is paying", reversal, testkit.Tells(ksher.ResultUserPaying), ksher.VerdictNotCarriedOut, nil},
		{"not sure", reversal, testkit.Tells(ksher.ResultNotSure), ksher.VerdictStillUnknown, nil},
		{"unknown", reversal, testkit.Denies(ksher.CodeKsherInvalidOrderNo), "", ksher.CodeKsherInvalidOrderNo},
	}
	for request := range requests {
		for _, result := range []ksher.Result{ksher.ResultSuccess, ksher.ResultClosed, ksher.ResultRefund} {
			for _, no := range []string{"order2", ""} {
				tests = append(tests, struct {
					name    string
					request string
					reply   testkit.Reply
					verdict ksher.Verdict
					want    error
				}{fmt.Sprintf("another order, %q, is %s", no, result), request, testkit.Tells(result, testkit.WithNumber(no)), "", ksher.ErrOtherOrder})
			}
		}
		for name, trouble := range map[string]testkit.Reply{"the line breaks": testkit.Breaks, "no JSON": testkit.Says("<html>"), "refused": testkit.Denies(ksher.CodeNoAuth)} {
			tests = append(tests, struct {
				name    string
				request string
				reply   testkit.Reply
				verdict ksher.Verdict
				want    error
			}{name, request, trouble, "", map[string]error{"the line breaks": testkit.ErrLine, "no JSON": fault.ErrNotJSON, "refused": ksher.CodeNoAuth}[name]})
		}
	}
	for _, tt := range tests {
		t.Run(tt.request+"/"+tt.name, func(t *testing.T) {
			hosts := testkit.AnswersOf(map[string]testkit.Reply{"order_query": tt.reply})
			res, err := hosts.Client(t).Resolve(t.Context(), requests[tt.request])
			require.Len(t, hosts.Questions(""), 1)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
				require.Nil(t, res)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.verdict, res.Verdict)
		})
	}
	for _, req := range []ksher.Doubtful{(*ksher.QuickPayRequest)(nil), (*ksher.OrderReverseRequest)(nil), &ksher.QuickPayRequest{}, &ksher.OrderReverseRequest{}} {
		_, err := testkit.AnswersOf(nil).Client(t).Resolve(t.Context(), req)
		var invalid *ksher.ValidationError
		require.ErrorAs(t, err, &invalid)
	}
	byKsherNo := &ksher.OrderReverseRequest{KsherOrderNo: "900"}
	hosts := testkit.AnswersOf(map[string]testkit.Reply{"order_query": testkit.Tells(ksher.ResultClosed)})
	res, err := hosts.Client(t).Resolve(t.Context(), byKsherNo)
	require.NoError(t, err)
	require.Equal(t, ksher.VerdictCarriedOut, res.Verdict)
	require.Equal(t, "900", hosts.Questions("")[0].Form.Get("ksher_order_no"))
}

// An answer that says little is genuine, and its reason isn't lost.
func TestGenuineQuickPayInDoubt(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "quick_pay: in doubt it answers NOTSURE with err_code and err_msg, and without the amount")
	testkit.Holds(t, testkit.Genuine, "error code: there are others than those of the guides")
	genuine := testkit.GenuineAnswer(t, "quick_pay_in_doubt")
	var data map[string]string
	require.NoError(t, json.Unmarshal([]byte(genuine.Data), &data))
	_, has := data["total_fee"]
	require.False(t, has)
	client := testkit.OfflineClient(t, cmp.Or(genuine.AppID, testkit.AppID), testkit.Answering(200, genuine.Body))
	req := testkit.GoodQuickPay()
	req.MchOrderNo = data["mch_order_no"]
	_, err := client.QuickPay(t.Context(), req)
	require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
	var failed *ksher.Error
	require.ErrorAs(t, err, &failed)
	assert.True(t, data["err_code"] == string(failed.Code), "the code is lost")
	assert.True(t, strings.Contains(failed.Message, data["err_msg"]), "the words are lost")
	_, known := failed.Code.Info()
	assert.False(t, known)
}

func TestGenuineOneSatang(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "native_pay: PromptPay of less than 1 THB is taken, although the guide has that as its minimum")
	genuine := testkit.GenuineAnswer(t, "native_pay_promptpay_of_one_satang")
	var data struct {
		MchOrderNo string `json:"mch_order_no"`
	}
	require.NoError(t, json.Unmarshal([]byte(genuine.Data), &data))
	client := testkit.OfflineClient(t, genuine.AppID, testkit.Answering(200, genuine.Body))
	req := testkit.GoodNativePay()
	req.MchOrderNo, req.TotalFee, req.Channel = data.MchOrderNo, 1, ksher.ChannelPromptPay
	_, err := client.NativePay(t.Context(), req)
	require.NoError(t, err)
}

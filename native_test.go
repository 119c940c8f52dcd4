package ksher_test

import (
	"bytes"
	"encoding/json"
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
		ImgType:       ksher.ImgTypeSVG,
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
	t.Run("the published answer", func(t *testing.T) {
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

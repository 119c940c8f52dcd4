package ksher_test

import (
	"fmt"
	"math"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestOrderRefund(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "order_refund: version may be sent, as 3.0.0")
	testkit.Holds(t, testkit.Published, "order_refund: answers with three numbers of the refund, its amount and refund_time")
	testkit.Holds(t, testkit.Documented, "order_refund: the refund's number and amount, the order's amount and currency, and one number of the order are all that it needs")
	example := testkit.PublishedExample(t, "order_refund")
	full := &ksher.OrderRefundRequest{
		MchRefundNo:    "refund_2103301701291052",
		RefundFee:      100,
		TotalFee:       100,
		FeeType:        "THB",
		MchOrderNo:     "order1",
		KsherOrderNo:   "90020210330180132318847",
		ChannelOrderNo: "1207919130",
		Channel:        ksher.ChannelCard,
		OperatorID:     "somchai",
		Attach:         "broken cup",
		Version:        "3.0.0",
		Extra:          ksher.Extra{Params: map[string]string{"new": "1"}},
	}
	byNumber := func(change func(*ksher.OrderRefundRequest)) *ksher.OrderRefundRequest {
		req := testkit.GoodOrderRefund()
		req.MchOrderNo, req.MchRefundNo, req.RefundFee = "", "refund_2103301701291052", 100
		change(req)
		return req
	}
	tests := []struct {
		name string
		req  *ksher.OrderRefundRequest
		want map[string]string
	}{
		{"by the merchant's number", byNumber(func(r *ksher.OrderRefundRequest) { r.MchOrderNo = "order1" }), map[string]string{
			"mch_refund_no": "refund_2103301701291052", "refund_fee": "100", "total_fee": "10000", "fee_type": "THB", "mch_order_no": "order1",
		}},
		{"by Ksher's number", byNumber(func(r *ksher.OrderRefundRequest) { r.KsherOrderNo = "90020210330180132318847" }), map[string]string{
			"mch_refund_no": "refund_2103301701291052", "refund_fee": "100", "total_fee": "10000", "fee_type": "THB", "ksher_order_no": "90020210330180132318847",
		}},
		{"by the channel's number", byNumber(func(r *ksher.OrderRefundRequest) { r.ChannelOrderNo = "1207919130" }), map[string]string{
			"mch_refund_no": "refund_2103301701291052", "refund_fee": "100", "total_fee": "10000", "fee_type": "THB", "channel_order_no": "1207919130",
		}},
		{"full", full, map[string]string{
			"mch_refund_no": "refund_2103301701291052", "refund_fee": "100", "total_fee": "100", "fee_type": "THB",
			"mch_order_no": "order1", "ksher_order_no": "90020210330180132318847", "channel_order_no": "1207919130", "channel": "card",
			"operator_id": "somchai", "attach": "broken cup", "version": "3.0.0", "new": "1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, example.Body))
			client := testkit.OfflineClient(t, example.AppID, rec)
			resp, err := client.OrderRefund(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/order_refund", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, &ksher.OrderRefundResponse{
				Answer:          ksher.Answer{Data: []byte(example.Data)},
				AppID:           "mch35005",
				MchOrderNo:      "2103301701291052",
				KsherOrderNo:    "90020210330180132318847",
				ChannelOrderNo:  "1207919130",
				MchRefundNo:     "refund_2103301701291052",
				KsherRefundNo:   "90020210330180400878914",
				ChannelRefundNo: "1207919130",
				Channel:         ksher.ChannelAirPay,
				FeeType:         "THB",
				TotalFee:        100,
				RefundFee:       100,
				CashRefundFee:   100,
				RefundTime:      time.Date(2021, 3, 30, 17, 4, 1, 0, testkit.Bangkok),

				NonceStr: "9c75d11e7572f887dbbfe374f205d5eb",
			}, resp)
		})
	}

	t.Run("an answer in other forms", func(t *testing.T) {
		const loose = `{"mch_refund_no":"refund1","refund_fee":"5000","total_fee":"10000","cash_refund_fee":"0.07","refund_time":"","operator_id":7,
			"attach":"broken cup","device_id":"kiosk-1","nonce_str":null,"result":"SUCCESS"}`
		client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, loose)))
		resp, err := client.OrderRefund(t.Context(), testkit.GoodOrderRefund())
		require.NoError(t, err)
		assert.Equal(t, &ksher.OrderRefundResponse{
			Answer: testkit.WantAnswer(loose), MchRefundNo: "refund1", TotalFee: 100_00, RefundFee: 50_00, OperatorID: "7", DeviceID: "kiosk-1", Attach: "broken cup",
		}, resp)
	})
}

// An answer about something else, or that doesn't say done, is no refund.
func TestOrderRefundIsNotDone(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "answer: code 0 says that the call was processed, and result what came of it")
	testkit.Holds(t, testkit.Assumed, "order_refund: PENDING and NOTSURE leave a refund open")
	for _, tt := range []struct {
		name, data string
		want       error
	}{
		{"pending", `{"result":"PENDING"}`, nil},
		{"not sure", `{"result":"NOTSURE"}`, nil},
		{"no result", `{"mch_refund_no":"refund1"}`, fault.ErrField},
		{"another refund", `{"mch_refund_no":"refund2","result":"SUCCESS"}`, ksher.ErrOtherOrder},
		{"another amount", `{"refund_fee":4999,"result":"SUCCESS"}`, ksher.ErrOtherOrder},
		{"another amount in text", `{"refund_fee":"50.00","result":"SUCCESS"}`, ksher.ErrOtherOrder},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, tt.data))).OrderRefund(t.Context(), testkit.GoodOrderRefund())
			assert.Nil(t, resp)
			require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
			if tt.want != nil {
				assert.ErrorIs(t, err, tt.want)
			}
		})
	}
	client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"result":"NOTSURE"}`)))
	_, err := client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "order1"})
	assert.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
	_, err = client.OrderClose(t.Context(), &ksher.OrderCloseRequest{MchOrderNo: "order1"})
	assert.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
}

func TestRefundQuery(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "refund_query: one number of the order and one of the refund are all that it needs")
	testkit.Holds(t, testkit.Assumed, "refund_query: null or an empty text for a list is an empty list")
	const data = `{"appid":"mch12345","mch_order_no":"order1","ksher_order_no":"900","channel_order_no":"42","fee_type":"THB",
		"total_fee":10000,"cash_fee":"48","cash_fee_type":"CNY","refund_count":"2","refund_fee":"2","result":"SUCCESS",
		"time_end":"2026-11-21 09:30:00","nonce_str":"n1","refund_orders":[
		{"mch_refund_no":"refund1","ksher_refund_no":"901","channel_refund_no":"43","mch_refund_fee":5000,"refund_state":"REFUNDSUCCESS","refund_time":"2026-11-21 10:00:00"},
		{"refund_time":"","refund_state":"NEW_STATE","mch_refund_fee":"1","mch_refund_no":"refund2","new":{"a":[]}}]}`
	full := &ksher.RefundQueryRequest{
		MchOrderNo:      "order1",
		KsherOrderNo:    "900",
		ChannelOrderNo:  "42",
		MchRefundNo:     "refund1",
		KsherRefundNo:   "901",
		ChannelRefundNo: "43",
		Channel:         ksher.ChannelWeChat,
		TotalFee:        100_00,
		RefundFee:       50_00,
		FeeType:         "THB",
		Extra:           ksher.Extra{Params: map[string]string{"new": "1"}},
	}
	tests := []struct {
		name string
		req  *ksher.RefundQueryRequest
		want map[string]string
	}{
		{"minimal", &ksher.RefundQueryRequest{MchOrderNo: "order1", MchRefundNo: "refund1"},
			map[string]string{"mch_order_no": "order1", "mch_refund_no": "refund1"}},
		{"by Ksher's numbers", &ksher.RefundQueryRequest{KsherOrderNo: "900", KsherRefundNo: "901"},
			map[string]string{"ksher_order_no": "900", "ksher_refund_no": "901"}},
		{"by the channel's numbers", &ksher.RefundQueryRequest{ChannelOrderNo: "42", ChannelRefundNo: "43"},
			map[string]string{"channel_order_no": "42", "channel_refund_no": "43"}},
		{"full", full, map[string]string{
			"mch_order_no": "order1", "ksher_order_no": "900", "channel_order_no": "42",
			"mch_refund_no": "refund1", "ksher_refund_no": "901", "channel_refund_no": "43",
			"channel": "wechat", "total_fee": "10000", "refund_fee": "5000", "fee_type": "THB", "new": "1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.RefundQuery(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/refund_query", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, &ksher.RefundQueryResponse{
				Answer:         testkit.WantAnswer(data),
				AppID:          "mch12345",
				MchOrderNo:     "order1",
				KsherOrderNo:   "900",
				ChannelOrderNo: "42",
				FeeType:        "THB",
				TotalFee:       100_00,
				CashFee:        48,
				CashFeeType:    "CNY",
				RefundCount:    2,
				RefundFee:      2,
				RefundOrders: []ksher.Refund{
					{
						MchRefundNo: "refund1", KsherRefundNo: "901", ChannelRefundNo: "43", MchRefundFee: 50_00,
						RefundState: "REFUNDSUCCESS", RefundTime: time.Date(2026, 11, 21, 10, 0, 0, 0, testkit.Bangkok),
					},
					{MchRefundNo: "refund2", MchRefundFee: 1, RefundState: "NEW_STATE"},
				},

				TimeEnd:  time.Date(2026, 11, 21, 9, 30, 0, 0, testkit.Bangkok),
				NonceStr: "n1",
			}, resp)
		})
	}

	lists := []struct {
		name string
		list string
		want error
	}{
		{"empty", `[]`, nil},
		{"null", `null`, nil},
		{"empty text", `""`, nil},
		{"an object", `{}`, fault.ErrField},
		{"text", `"none"`, fault.ErrField},
		{"a list of numbers", `[1]`, fault.ErrField},
		{"a list with an amount that can't be read", `[{"mch_refund_fee":"1.5"}]`, fault.ErrField},
	}
	for _, tt := range lists {
		t.Run("a list that is "+tt.name, func(t *testing.T) {
			client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"result":"SUCCESS","refund_orders":`+tt.list+`}`)))
			resp, err := client.RefundQuery(t.Context(), &ksher.RefundQueryRequest{MchOrderNo: "order1", MchRefundNo: "refund1"})
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			assert.Empty(t, resp.RefundOrders)
		})
	}

	t.Run("a genuine answer", func(t *testing.T) {
		testkit.Holds(t, testkit.Genuine, "refund_query: refund_count, refund_fee and cash_fee are texts")
		testkit.Holds(t, testkit.Genuine, "refund_query: lists each refund of the order, a successful one as REFUNDSUCCESS")
		testkit.Holds(t, testkit.Genuine, "signature: a list is signed as compact JSON, its objects' names sorted")
		genuine := testkit.GenuineAnswer(t, "refund_query_nested")
		client := testkit.OfflineClient(t, genuine.AppID, testkit.Answering(200, genuine.Body))
		resp, err := client.RefundQuery(t.Context(), &ksher.RefundQueryRequest{MchOrderNo: "2023042111163700", MchRefundNo: "refund1"})
		require.NoError(t, err)
		assert.Equal(t, 2, resp.RefundCount)
		assert.Equal(t, ksher.Amount(48), resp.CashFee)
		require.Len(t, resp.RefundOrders, 2)
		for _, refund := range resp.RefundOrders {
			assert.Equal(t, "REFUNDSUCCESS", refund.RefundState)
			assert.False(t, refund.RefundTime.IsZero())
			assert.Positive(t, refund.MchRefundFee)
		}
	})
}

func namesSent(rec *testkit.Recorder) []string {
	names := []string{}
	for _, r := range rec.All() {
		names = append(names, path.Base(r.URL.Path))
	}
	return names
}

func gatewayOrder(members string) string {
	return `{"appid":"mch12345","mch_order_no":"order1","fee_type":"THB","total_fee":10000` + members + `}`
}

func TestRefund(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "order_refund: an order of the checkout page goes by pay_mch_order_no as mch_order_no, or by ksher_order_no")
	testkit.Holds(t, testkit.Documented, "order_refund: a payment by card goes by ksher_order_no")
	testkit.Holds(t, testkit.Assumed, "order_refund: instalments and the old ktbcard are payments by card, and scb_qrcard isn't one")
	testkit.Holds(t, testkit.Assumed, "order_refund: which channels have refunds on the checkout page is as in the KIOSK guide's table")
	good := func() *ksher.RefundRequest {
		return &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: "order1", MchRefundNo: "refund1", RefundFee: 50_00}
	}
	common := map[string]string{"mch_refund_no": "refund1", "refund_fee": "5000", "total_fee": "10000", "fee_type": "THB"}
	with := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for name, value := range common {
			m[name] = value
		}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	numbers := `,"pay_mch_order_no":"pay1","ksher_order_no":"900","channel_order_no":"42"`
	tests := []struct {
		name   string
		order  string
		change func(*ksher.RefundRequest)
		want   map[string]string
	}{
		{"by pay_mch_order_no", numbers + `,"channel":"wechat","result":"SUCCESS"`, nil,
			with("mch_order_no", "pay1")},
		{"an order refunded before", numbers + `,"channel":"wechat","result":"REFUND"`, nil,
			with("mch_order_no", "pay1")},
		{"an order of no known channel", numbers + `,"channel":"","result":"SUCCESS"`, nil,
			with("mch_order_no", "pay1")},
		{"a card", numbers + `,"channel":"card","result":"SUCCESS"`, nil,
			with("ksher_order_no", "900")},
		{"an older value for a card", numbers + `,"channel":"ktbcard","result":"SUCCESS"`, nil,
			with("ksher_order_no", "900")},
		{"instalments on a card", numbers + `,"channel":"ktc_instal","result":"SUCCESS"`, nil,
			with("ksher_order_no", "900")},
		{"a QR code on a card", numbers + `,"channel":"scb_qrcard","result":"SUCCESS"`, nil,
			with("mch_order_no", "pay1")},
		{"no pay_mch_order_no", `,"pay_mch_order_no":"","ksher_order_no":"900","channel":"wechat","result":"SUCCESS"`, nil,
			with("ksher_order_no", "900")},
		{"no ksher_order_no", `,"pay_mch_order_no":"pay1","channel":"wechat","result":"SUCCESS"`, nil,
			with("mch_order_no", "pay1")},
		{"all of it", numbers + `,"channel":"wechat","result":"SUCCESS"`,
			func(r *ksher.RefundRequest) { r.RefundFee = 100_00 },
			with("mch_order_no", "pay1", "refund_fee", "10000")},
		{"promptpay, unchecked", numbers + `,"channel":"promptpay","result":"SUCCESS"`,
			func(r *ksher.RefundRequest) { r.Unchecked = []string{"channel"} }, with("mch_order_no", "pay1")},
		{"with everything passed on", numbers + `,"channel":"wechat","result":"SUCCESS"`,
			func(r *ksher.RefundRequest) {
				r.OperatorID, r.Attach, r.Extra = "somchai", "broken cup", ksher.Extra{Params: map[string]string{"new": "1"}}
			},
			with("mch_order_no", "pay1", "operator_id", "somchai", "attach", "broken cup", "new", "1")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.ByOperation{
				"gateway_order_query": testkit.Answering(200, testkit.SignedAnswer(t, gatewayOrder(tt.order))),
				"order_refund":        testkit.Repeating(t, map[string]any{"result": "SUCCESS", "total_fee": 10000}),
			})
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			req := good()
			if tt.change != nil {
				tt.change(req)
			}
			resp, err := client.Refund(t.Context(), req)
			require.NoError(t, err)
			assert.Equal(t, req.MchRefundNo, resp.MchRefundNo)
			require.Equal(t, []string{"gateway_order_query", "order_refund"}, namesSent(rec))
			testkit.RequireParameters(t, rec.All()[0], map[string]string{"mch_order_no": "order1"})
			testkit.RequireParameters(t, rec.All()[1], tt.want)
		})
	}

	refusals := []struct {
		name  string
		order string
		want  error
	}{
		{"not paid", numbers + `,"channel":"wechat","result":"NOTPAY"`, ksher.ErrNotPaid},
		{"closed", numbers + `,"channel":"wechat","result":"CLOSED"`, ksher.ErrNotPaid},
		{"not sure", numbers + `,"channel":"wechat","result":"NOTSURE"`, ksher.ErrNotPaid},
		{"pending", numbers + `,"channel":"wechat","result":"PENDING"`, ksher.ErrNotPaid},
		{"failed payment", numbers + `,"channel":"wechat","result":"PAYERROR"`, ksher.ErrNotPaid},
		{"a result nobody knows", numbers + `,"channel":"wechat","result":"SUCCESSFUL"`, ksher.ErrNotPaid},
		{"no result", numbers + `,"channel":"wechat"`, ksher.ErrNotPaid},
		{"no number at all", `,"channel":"wechat","result":"SUCCESS"`, nil},
		{"a card without Ksher's number", `,"pay_mch_order_no":"pay1","channel":"card","result":"SUCCESS"`, nil},
	}
	for _, tt := range refusals {
		t.Run("refuses "+tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.ByOperation{"gateway_order_query": testkit.Answering(200, testkit.SignedAnswer(t, gatewayOrder(tt.order)))})
			resp, err := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t)).Refund(t.Context(), good())
			assert.Nil(t, resp)
			var failed *ksher.Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, "order_refund", failed.Operation)
			assert.Equal(t, "order1", failed.OrderNo, "the number that the merchant knows")
			assert.Equal(t, "refund1", failed.RefundNo)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			} else {
				assert.ErrorContains(t, err, "merchant platform")
			}
			assert.ErrorContains(t, err, "nothing was sent")
			assert.Equal(t, []string{"gateway_order_query"}, namesSent(rec))
			require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
		})
	}

	paid := testkit.Answering(200, testkit.SignedAnswer(t, gatewayOrder(numbers+`,"channel":"wechat","result":"SUCCESS"`)))
	for _, tt := range []struct {
		name   string
		change func(*ksher.RefundRequest)
		field  string
		says   string
	}{
		{"more than was paid", func(r *ksher.RefundRequest) { r.RefundFee = 100_01 }, "refund_fee", "is 100.01, and only 100.00 THB were paid"},
		{"an Extra that collides", func(r *ksher.RefundRequest) {
			r.Extra = ksher.Extra{Params: map[string]string{"total_fee": "1"}}
		}, "total_fee", "Extra"},
	} {
		t.Run("refuses "+tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.ByOperation{"gateway_order_query": paid})
			req := good()
			tt.change(req)
			_, err := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t)).Refund(t.Context(), req)
			var invalid *ksher.ValidationError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, "order1", invalid.OrderNo, "the number that the merchant knows")
			assert.Equal(t, []string{tt.field}, testkit.FieldsOf(err))
			assert.ErrorContains(t, err, tt.says)
			assert.Equal(t, []string{"gateway_order_query"}, namesSent(rec))
		})
	}

	invalid := []struct {
		name   string
		change func(*ksher.RefundRequest)
		want   []string
	}{
		{"nothing set", func(r *ksher.RefundRequest) { *r = ksher.RefundRequest{} },
			[]string{"mch_order_no", "host", "mch_refund_no", "refund_fee"}},
		{"long numbers", func(r *ksher.RefundRequest) {
			r.MchOrderNo, r.MchRefundNo = "1 ", strings.Repeat("1", 33)
		}, []string{"mch_order_no", "mch_refund_no"}},
		{"a negative amount", func(r *ksher.RefundRequest) { r.RefundFee = math.MinInt64 }, []string{"refund_fee"}},
	}
	for _, tt := range invalid {
		t.Run("asks nothing with "+tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.ByOperation{})
			req := good()
			tt.change(req)
			_, err := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t)).Refund(t.Context(), req)
			var invalid *ksher.ValidationError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, tt.want, testkit.FieldsOf(invalid))
			assert.Zero(t, rec.Count())
		})
	}
}

func TestRefundFails(t *testing.T) {
	paid := gatewayOrder(`,"pay_mch_order_no":"pay1","ksher_order_no":"900","channel":"wechat","result":"SUCCESS"`)
	req := &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: "order1", MchRefundNo: "refund1", RefundFee: 50_00}
	tests := []struct {
		name      string
		query     http.Handler
		refund    http.Handler
		operation string
		want      error
		unknown   bool
	}{
		{"the order isn't known", testkit.Answering(200, `{"code":1,"msg":"ORDER_NOT_EXIST"}`), nil,
			"gateway_order_query", ksher.CodeOrderNotExist, false},
		{"the query is not answered", testkit.Answering(502, ""), nil, "gateway_order_query", fault.ErrHTTPStatus, false},
		{"the query is answered for another order", testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(paid, "order1", "order2", 1))), nil,
			"gateway_order_query", ksher.ErrOtherOrder, false},
		{"the query is answered without a signature", testkit.Answering(200, `{"code":0,"data":`+paid+`}`), nil,
			"gateway_order_query", fault.ErrSignatureMissing, false},
		{"the refund is refused", testkit.Answering(200, testkit.SignedAnswer(t, paid)), testkit.Answering(200, `{"code":1,"msg":"KSHER_REFUND_EXPIRE"}`),
			"order_refund", ksher.CodeKsherRefundExpire, false},
		{"the refund is not answered", testkit.Answering(200, testkit.SignedAnswer(t, paid)), testkit.Answering(502, ""),
			"order_refund", fault.ErrHTTPStatus, true},
		{"the refund is in doubt", testkit.Answering(200, testkit.SignedAnswer(t, paid)), testkit.Answering(200, `{"code":1,"msg":"SYSTEMERROR"}`),
			"order_refund", ksher.CodeSystemError, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			operations := testkit.ByOperation{"gateway_order_query": tt.query}
			sent := []string{"gateway_order_query"}
			if tt.refund != nil {
				operations["order_refund"] = tt.refund
				sent = append(sent, "order_refund")
			}
			operations["order_query"] = testkit.UnknownOrder("KSHER_INVALID_ORDER_NO")
			rec := testkit.Recording(operations)
			resp, err := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t), ksher.WithRetry(1, 0)).Refund(t.Context(), req)
			assert.Nil(t, resp)
			require.ErrorIs(t, err, tt.want)
			var failed *ksher.Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, tt.operation, failed.Operation)
			assert.Equal(t, "order1", failed.OrderNo, "the number that the merchant knows")
			if tt.unknown {
				require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
			} else {
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
			}
			assert.Contains(t, err.Error(), fmt.Sprintf("ksher: %s of order %q", tt.operation, "order1"))
			if tt.unknown {
				// The same refund is sent again, and asked about in between.
				refunds := slices.DeleteFunc(namesSent(rec), func(name string) bool { return name != "order_refund" })
				assert.Len(t, refunds, 4)
				return
			}
			assert.Equal(t, sent, namesSent(rec), "each once, and nothing more")
		})
	}
}

func TestRefunds(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "refund_query: the order's number alone gets all of its refunds")
	for _, host := range []ksher.Host{ksher.HostGateway, ksher.HostMerchant} {
		t.Run(string(host), func(t *testing.T) {
			gw := sandbox.New(t)
			testkit.PayAt(map[ksher.Host]func(*testing.T, *sandbox.Gateway){ksher.HostGateway: testkit.CreateAtGateway, ksher.HostMerchant: testkit.CreateAtMerchant}[host])(t, gw)
			req := &ksher.RefundsRequest{MchOrderNo: testkit.OrderNo, Host: host}
			refunds, err := gw.Client.Refunds(t.Context(), req)
			require.NoError(t, err)
			require.Empty(t, refunds)
			for _, no := range []string{"R1", "R2"} {
				_, err := gw.Client.Refund(t.Context(), &ksher.RefundRequest{Host: host, MchOrderNo: testkit.OrderNo, MchRefundNo: no, RefundFee: 30_00})
				require.NoError(t, err)
			}
			refunds, err = gw.Client.Refunds(t.Context(), req)
			require.NoError(t, err)
			require.Len(t, refunds, 2)
			for i, no := range []string{"R1", "R2"} {
				assert.Equal(t, no, refunds[i].MchRefundNo)
				assert.Equal(t, ksher.Amount(30_00), refunds[i].MchRefundFee)
				assert.Equal(t, "REFUNDSUCCESS", refunds[i].RefundState)
			}
		})
	}
}

func TestRefundsRefuses(t *testing.T) {
	gw := sandbox.New(t)
	for name, req := range map[string]*ksher.RefundsRequest{
		"nothing": nil, "no number": {Host: ksher.HostGateway}, "no host": {MchOrderNo: testkit.OrderNo}, "another host": {MchOrderNo: testkit.OrderNo, Host: "vip"},
	} {
		_, err := gw.Client.Refunds(t.Context(), req)
		var invalid *ksher.ValidationError
		require.ErrorAs(t, err, &invalid, name)
	}
	require.Empty(t, gw.Requests())
	_, err := gw.Client.Refunds(t.Context(), &ksher.RefundsRequest{MchOrderNo: testkit.OrderNo, Host: ksher.HostGateway})
	require.ErrorIs(t, err, ksher.ErrNotFound)
}

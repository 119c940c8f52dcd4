package ksher_test

import (
	"context"
	"errors"
	"net/http"
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

func TestPayout(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "payout: goes with channel=payout, and the receiver among the parameters")
	testkit.Holds(t, testkit.Genuine, "payout: answers with receiver_name and trade_type, with mdr as a number, and without fee_type")
	const data = `{"appid":"mch12345","mch_order_no":"order1","ksher_order_no":900,"channel_order_no":"4200","receiver_name":"SOMCHAI J",
		"mdr":1.25,"trade_type":"PAYOUT","total_fee":"10000","result":"SUCCESS","nonce_str":"n1"}`
	rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
	client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
	resp, err := client.Payout(t.Context(), testkit.GoodPayout())
	require.NoError(t, err)
	assert.Equal(t, "https://api.mch.ksher.net/KsherPay/payout", rec.Only(t).URL.String())
	testkit.RequireParameters(t, rec.Only(t), map[string]string{
		"mch_order_no": "order1", "total_fee": "10000", "fee_type": "THB", "account": "9876543210", "name": "สมชาย ใจดี",
		"receiver_type": "PROMPTPAY_MSISDN", "receiver_no": "0812345678", "channel": "payout",
	})
	assert.Equal(t, &ksher.PayoutResponse{
		Answer: testkit.WantAnswer(data), AppID: "mch12345", MchOrderNo: "order1", KsherOrderNo: "900", ChannelOrderNo: "4200",
		ReceiverName: "SOMCHAI J", MDR: "1.25", TradeType: "PAYOUT", TotalFee: 100_00, NonceStr: "n1",
	}, resp)
}

func TestOrderQueryPayout(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "payout: order_query_payout needs channel=payout")
	testkit.Holds(t, testkit.Genuine, "payout: order_query_payout answers as order_query does, with operator_id as a number, and without receiver_name")
	const data = `{"appid":"mch12345","mch_order_no":"order1","ksher_order_no":"900","channel_order_no":"4200","channel":"payout",
		"mdr":0.5,"total_fee":10000,"raw_total_fee":"10000","cash_fee":"10000","cash_fee_type":"THB","rate":"1.000000",
		"operation":"PAYOUT","operator_id":7,"device_id":"d","openid":"o","attach":"a","time_end":"2026-01-02 03:04:05",
		"result":"PENDING","nonce_str":"n1"}`
	tests := []struct {
		name string
		req  *ksher.OrderQueryPayoutRequest
		want map[string]string
	}{
		{"minimal", testkit.PayoutQuery(), map[string]string{"mch_order_no": "order1", "channel": "payout"}},
		{"full", &ksher.OrderQueryPayoutRequest{MchOrderNo: "order1", Channel: "bank", Extra: ksher.Extra{Params: map[string]string{"new": "1"}}},
			map[string]string{"mch_order_no": "order1", "channel": "bank", "new": "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.OrderQueryPayout(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/order_query_payout", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, &ksher.OrderQueryPayoutResponse{
				Answer: testkit.WantAnswer(data), AppID: "mch12345", MchOrderNo: "order1", KsherOrderNo: "900", ChannelOrderNo: "4200", Channel: "payout",
				MDR: "0.5", TotalFee: 100_00, RawTotalFee: 100_00, CashFee: 100_00, CashFeeType: "THB", Rate: "1.000000",
				Operation: "PAYOUT", OperatorID: "7", DeviceID: "d", OpenID: "o", Attach: "a", TimeEnd: time.Date(2026, 1, 2, 3, 4, 5, 0, testkit.Bangkok), Result: ksher.ResultPending, NonceStr: "n1",
			}, resp)
		})
	}
}

func TestGetPayoutBalance(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "payout: the balance is in cents")
	testkit.Holds(t, testkit.Genuine, "payout: get_payout_balance answers without fee_type")
	tests := []struct {
		balance string // "" for none.
		want    ksher.Amount
		err     error
	}{
		{`1234567`, 12345_67, nil},
		{`"1234567"`, 12345_67, nil},
		{`0`, 0, nil},
		{`"0"`, 0, nil},
		{`-1`, -1, nil},
		{`9007199254740993`, 1<<53 + 1, nil},
		{``, 0, fault.ErrField},
		{`""`, 0, fault.ErrField},
		{`null`, 0, fault.ErrField},
		{`12345.67`, 0, fault.ErrField},
		{`"12345.67"`, 0, fault.ErrField},
		{`"12345.00"`, 0, fault.ErrField},
		{`1e3`, 0, fault.ErrField},
		{`"1,000"`, 0, fault.ErrField},
		{`"a lot"`, 0, fault.ErrField},
		{`{"THB":1}`, 0, fault.ErrField},
		{`[1]`, 0, fault.ErrField},
		{`9223372036854775808`, 0, fault.ErrField},
	}
	for _, tt := range tests {
		t.Run(tt.balance, func(t *testing.T) {
			data := `{"appid":"mch12345","fee_type":"THB","result":"SUCCESS","nonce_str":"n1"}`
			if tt.balance != "" {
				data = strings.Replace(data, `"fee_type"`, `"balance":`+tt.balance+`,"fee_type"`, 1)
			}
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.GetPayoutBalance(t.Context(), testkit.BalanceQuery())
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/get_payout_balance", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), map[string]string{"fee_type": "THB"})
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
				require.ErrorContains(t, err, "balance")
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, &ksher.GetPayoutBalanceResponse{
				Answer: testkit.WantAnswer(data), AppID: "mch12345", Balance: tt.want, NonceStr: "n1",
			}, resp)
		})
	}
	_, err := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"balance":5,"fee_type":"JPY"}`))).GetPayoutBalance(t.Context(), testkit.BalanceQuery())
	require.ErrorIs(t, err, ksher.ErrOtherOrder)
	require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)

	client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"balance":5}`)))
	resp, err := client.GetPayoutBalance(t.Context(), testkit.BalanceQuery())
	require.NoError(t, err, "that an answer has a result isn't documented")
	assert.Equal(t, ksher.Amount(5), resp.Balance)
}

// Anything but a believable yes and a no that is certain leaves a payout in doubt.
func TestPayoutOutcomes(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "payout: only some codes are certain to say that nothing was paid out")
	type test struct {
		name    string
		reply   testkit.Reply
		want    error
		unknown bool
	}
	tests := []test{
		{"done", testkit.Tells(ksher.ResultSuccess), nil, false},
		{"done, and nothing else", testkit.Tells(ksher.ResultSuccess, testkit.WithTotal(0), testkit.WithCurrency(""), testkit.WithNumber("")), fault.ErrField, true},
		{"done, without an amount", testkit.Tells(ksher.ResultSuccess, testkit.WithTotal(0)), fault.ErrField, true},
		{"done, without a number", testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("")), fault.ErrField, true},
		{"done, without a currency, as genuine answers are", testkit.Tells(ksher.ResultSuccess, testkit.WithCurrency("")), nil, false},
		{"done, under another number", testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("another")), ksher.ErrOtherOrder, true},
		{"done, over another amount", testkit.Tells(ksher.ResultSuccess, testkit.WithTotal(99_99)), ksher.ErrOtherOrder, true},
		{"done, in another currency", testkit.Tells(ksher.ResultSuccess, testkit.WithCurrency("JPY")), ksher.ErrOtherOrder, true},
		{"pending", testkit.Tells(ksher.ResultPending), nil, true},
		{"not sure", testkit.Tells(ksher.ResultNotSure), nil, true},
		{"failed, in a query's words", testkit.Tells(ksher.ResultPayError), nil, true},
		{"something new", testkit.Tells("SOMETHING_NEW"), nil, true},
		{"no result", testkit.Tells(""), fault.ErrField, true},
		{"the line breaks", testkit.Breaks, testkit.ErrLine, true},
		{"no JSON", testkit.Says("<html>"), fault.ErrNotJSON, true},
		{"nothing", testkit.Says(""), fault.ErrEmptyBody, true},
		{"not signed", testkit.Says(`{"code":0,"data":{"result":"SUCCESS"}}`), fault.ErrSignatureMissing, true},
		{"an amount in baht", testkit.Says(string(sandbox.SignedResponse(map[string]string{"result": "SUCCESS", "total_fee": "100.00"}))), fault.ErrField, true},
		{"no without a reason", testkit.Tells(ksher.ResultFail), nil, true},
		{"no by the envelope, without a reason", testkit.Says(`{"code":1}`), nil, true},
		{"an undocumented code", testkit.Denies("RECEIVER_UNKNOWN"), ksher.Code("RECEIVER_UNKNOWN"), true},
		{"an undocumented code of the envelope", testkit.Says(`{"code":1,"msg":"RECEIVER_UNKNOWN"}`), ksher.Code("RECEIVER_UNKNOWN"), true},
		{"nothing was sent", testkit.NotConnected, testkit.ErrLine, false},
	}
	for _, code := range ksher.Codes() {
		unknown := !slices.Contains(testkit.PayoutRefusals, code)
		tests = append(tests,
			test{string(code), testkit.Denies(code), code, unknown},
			test{string(code) + " of the envelope", testkit.Says(`{"code":1,"msg":"` + string(code) + `"}`), code, unknown})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o testkit.Observer
			hosts := testkit.AnswersOf(map[string]testkit.Reply{"payout": tt.reply})
			_, err := hosts.Client(t, ksher.WithRetry(10, 0), ksher.WithHook(o.Hook)).Payout(t.Context(), testkit.GoodPayout())
			require.Equal(t, tt.unknown, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
			require.Equal(t, tt.unknown || tt.want != nil, err != nil, "%v", err)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			}
			require.Len(t, hosts.Questions(""), 1, "it is never repeated")
			require.Len(t, o.Done, 1)
			require.Equal(t, tt.unknown, o.Done[0].Outcome() == "unknown", "the hook learns the same")
			if tt.unknown {
				require.ErrorContains(t, err, ". It may have been carried out all the same: pay nothing again, and ask Client.Resolve before anything else")
			}
		})
	}
	// A certain no in an outage isn't certain.
	_, err := testkit.NewClient(t, testkit.Answering(500, `{"code":1,"msg":"NOTENOUGH"}`)).Payout(t.Context(), testkit.GoodPayout())
	require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
}

func TestResolveOfAPayout(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "payout: a number that isn't known yet may still arrive")
	unknownCodes := []ksher.Code{ksher.CodeOrderNotExist, ksher.CodeOrderNotExistR, ksher.CodeInvalidOrderNo, ksher.CodeKsherInvalidOrderNo}
	type test struct {
		name    string
		reply   testkit.Reply
		verdict ksher.Verdict
		want    error
		// known says that the answer is returned, too.
		known bool
	}
	tests := []test{
		{"paid", testkit.Tells(ksher.ResultSuccess), ksher.VerdictCarriedOut, nil, true},
		{"failed", testkit.Tells(ksher.ResultPayError), ksher.VerdictNotCarriedOut, nil, true},
		{"closed", testkit.Tells(ksher.ResultClosed), ksher.VerdictNotCarriedOut, nil, true},
		{"unknown by the envelope", testkit.Says(`{"code":1,"msg":"ORDER_NOT_EXIST"}`), ksher.VerdictStillUnknown, nil, false},
		{"no reason", testkit.Tells(ksher.ResultFail), "", nil, false},
		{"no result", testkit.Tells(""), "", fault.ErrField, false},
		{"another number", testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("order2")), "", ksher.ErrOtherOrder, false},
		{"another number, failed", testkit.Tells(ksher.ResultPayError, testkit.WithNumber("order2")), "", ksher.ErrOtherOrder, false},
		{"another merchant", testkit.Tells(ksher.ResultPayError, func(o *ksher.Order) { o.AppID = "mch1" }), "", ksher.ErrOtherOrder, false},
		{"an amount in baht", testkit.Says(string(sandbox.SignedResponse(map[string]string{"result": "SUCCESS", "mch_order_no": "order1", "total_fee": "100.00", "fee_type": "THB"}))), "", fault.ErrField, false},
		{"the line is dead", testkit.Breaks, "", testkit.ErrLine, false},
		{"no JSON", testkit.Says("<html>"), "", fault.ErrNotJSON, false},
		{"not signed", testkit.Says(`{"code":0,"data":{"mch_order_no":"order1","total_fee":10000,"fee_type":"THB","result":"PAYERROR"}}`), "", fault.ErrSignatureMissing, false},
		{"refused", testkit.Denies(ksher.CodeNoAuth), "", ksher.CodeNoAuth, false},
		{"an undocumented code", testkit.Denies("PAYOUT_NOT_EXIST"), "", ksher.Code("PAYOUT_NOT_EXIST"), false},
	}
	for _, code := range unknownCodes {
		// A request on its way may still arrive.
		tests = append(tests, test{string(code), testkit.Denies(code), ksher.VerdictStillUnknown, nil, false})
	}
	for _, result := range []ksher.Result{"PENDING", "NOTSURE", "NOTPAY", "USERPAYING", "REFUND", "PROCESSING", "success", "SOMETHING_NEW"} {
		tests = append(tests, test{string(result), testkit.Tells(result), ksher.VerdictStillUnknown, nil, true})
	}
	verdicts := map[ksher.Result]ksher.Verdict{
		"SUCCESS": ksher.VerdictCarriedOut, "PAYERROR": ksher.VerdictNotCarriedOut, "CLOSED": ksher.VerdictNotCarriedOut, "PENDING": ksher.VerdictStillUnknown,
	}
	for _, result := range []ksher.Result{"SUCCESS", "PAYERROR", "CLOSED", "PENDING"} {
		tests = append(tests,
			test{string(result) + " over another amount", testkit.Tells(result, testkit.WithTotal(99_99)), "", ksher.ErrOtherOrder, false},
			test{string(result) + " in another currency", testkit.Tells(result, testkit.WithCurrency("JPY")), "", ksher.ErrOtherOrder, false},
			// Half an answer is no ground to pay again, nor to think it paid.
			test{string(result) + " without a number", testkit.Tells(result, testkit.WithNumber("")), ksher.VerdictStillUnknown, nil, true},
			test{string(result) + " without an amount", testkit.Tells(result, testkit.WithTotal(0)), ksher.VerdictStillUnknown, nil, true},
			// Genuine answers have no currency.
			test{string(result) + " without a currency", testkit.Tells(result, testkit.WithCurrency("")), verdicts[result], nil, true},
		)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hosts := testkit.AnswersOf(map[string]testkit.Reply{"order_query_payout": tt.reply})
			req := testkit.GoodPayout()
			verdict, told, err := testkit.ResolvePayout(t.Context(), hosts.Client(t), req)
			require.Equal(t, testkit.GoodPayout().ReceiverNo.Reveal(), req.ReceiverNo.Reveal())
			asked := hosts.Questions("")
			require.Len(t, asked, 1)
			require.Equal(t, []string{"order1", "payout"}, []string{asked[0].Form.Get("mch_order_no"), asked[0].Form.Get("channel")})
			require.False(t, asked[0].Form.Has("account"), "the receiver stays here")
			require.Equal(t, tt.verdict, verdict)
			require.Equal(t, tt.known, told != nil)
			require.Equal(t, tt.verdict == "", err != nil, "%v", err)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			}
			if err != nil {
				require.ErrorContains(t, err, "order1")
			}
		})
	}

	t.Run("by the number, the amount and the currency", func(t *testing.T) {
		hosts := testkit.AnswersOf(map[string]testkit.Reply{"order_query_payout": testkit.Tells(ksher.ResultSuccess)})
		verdict, told, err := testkit.ResolvePayout(t.Context(), hosts.Client(t), &ksher.PayoutRequest{MchOrderNo: testkit.OrderNo, TotalFee: 100_00, FeeType: "THB"})
		require.NoError(t, err)
		require.Equal(t, ksher.VerdictCarriedOut, verdict)
		require.Equal(t, ksher.ResultSuccess, told.Result)
	})
	t.Run("sent without checks", func(t *testing.T) {
		hosts := testkit.AnswersOf(map[string]testkit.Reply{"order_query_payout": testkit.Tells(ksher.ResultSuccess, testkit.WithNumber(testkit.Thai33))})
		req := &ksher.PayoutRequest{MchOrderNo: testkit.Thai33, TotalFee: 100_00, FeeType: "THB"}
		_, _, err := testkit.ResolvePayout(t.Context(), hosts.Client(t), req)
		require.ErrorContains(t, err, "To send it all the same, list in Extra.Unchecked: mch_order_no")
		req.Unchecked = []string{"mch_order_no"}
		verdict, _, err := testkit.ResolvePayout(t.Context(), hosts.Client(t), req)
		require.NoError(t, err)
		require.Equal(t, ksher.VerdictCarriedOut, verdict)
	})
	t.Run("a query that fails once", func(t *testing.T) {
		n := 0
		hosts := testkit.AnswersOf(map[string]testkit.Reply{"order_query_payout": func(r *http.Request) ([]byte, error) {
			if n++; n == 1 {
				return testkit.Breaks(r)
			}
			return testkit.Tells(ksher.ResultSuccess)(r)
		}})
		verdict, _, err := testkit.ResolvePayout(t.Context(), hosts.Client(t, ksher.WithRetry(2, 0)), testkit.GoodPayout())
		require.NoError(t, err)
		require.Equal(t, ksher.VerdictCarriedOut, verdict)
	})
	t.Run("nothing to ask for", func(t *testing.T) {
		hosts := testkit.AnswersOf(nil)
		client := hosts.Client(t)
		var noContext context.Context
		for _, tt := range []struct {
			client *ksher.Client
			ctx    context.Context
			req    *ksher.PayoutRequest
			want   []string
		}{
			{client, t.Context(), nil, []string{"request"}},
			{client, t.Context(), &ksher.PayoutRequest{}, []string{"mch_order_no", "total_fee", "fee_type"}},
			{client, t.Context(), &ksher.PayoutRequest{MchOrderNo: testkit.Thai33, TotalFee: 1, FeeType: "THB"}, []string{"mch_order_no"}},
			{client, noContext, testkit.GoodPayout(), []string{"context"}},
			{nil, t.Context(), testkit.GoodPayout(), []string{"client"}},
			{&ksher.Client{}, noContext, nil, []string{"client", "context", "request"}},
		} {
			verdict, told, err := testkit.ResolvePayout(tt.ctx, tt.client, tt.req)
			require.Equal(t, tt.want, testkit.FieldsOf(err), "%v", err)
			require.ErrorContains(t, err, "ksher: Resolve")
			require.Empty(t, verdict)
			require.Nil(t, told)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := testkit.ResolvePayout(cancelled, client, testkit.GoodPayout())
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, hosts.Questions(""))
	})
}

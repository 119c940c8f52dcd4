package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

func payout(no string, fee ksher.Amount) *ksher.PayoutRequest {
	return &ksher.PayoutRequest{
		MchOrderNo: no, TotalFee: fee, FeeType: "THB", ReceiverType: "BANK", ReceiverNo: ksher.NewSecret("9876543210"), ReceiverBankCode: "014",
	}
}

func balance(t *testing.T, gw *sandbox.Gateway) ksher.Amount {
	t.Helper()
	answer, err := gw.Client.GetPayoutBalance(t.Context(), &ksher.GetPayoutBalanceRequest{FeeType: "THB"})
	require.NoError(t, err)
	return answer.Balance
}

func queryPayout(t *testing.T, gw *sandbox.Gateway, no string) *ksher.OrderQueryPayoutResponse {
	t.Helper()
	answer, err := gw.Client.OrderQueryPayout(t.Context(), &ksher.OrderQueryPayoutRequest{MchOrderNo: no})
	require.NoError(t, err)
	return answer
}

func TestPayout(t *testing.T) {
	gw := sandbox.New(t)
	require.Equal(t, ksher.Amount(100_000_00), balance(t, gw))
	resp, err := gw.Client.Payout(t.Context(), payout("P-1", 150_00))
	require.NoError(t, err)
	assert.NotEmpty(t, resp.KsherOrderNo)
	assert.NotEmpty(t, resp.ChannelOrderNo)
	assert.NotEmpty(t, resp.NonceStr)
	want := *resp
	want.Answer, want.KsherOrderNo, want.ChannelOrderNo, want.NonceStr = ksher.Answer{}, "", "", ""
	assert.Equal(t, ksher.PayoutResponse{
		AppID: sandbox.AppID, MchOrderNo: "P-1", ReceiverName: "kshertest-receiver", MDR: "0.00", TradeType: "PAYOUT",
		TotalFee: 150_00,
	}, want)
	assert.Equal(t, ksher.Amount(99_850_00), balance(t, gw))

	told := queryPayout(t, gw, "P-1")
	assert.Equal(t, []any{resp.KsherOrderNo, resp.ChannelOrderNo, ksher.ResultSuccess, ksher.Amount(150_00)},
		[]any{told.KsherOrderNo, told.ChannelOrderNo, told.Result, told.TotalFee})

	seen, err := gw.Order("P-1")
	require.NoError(t, err)
	assert.Equal(t, sandbox.Paid, seen.State)
	assert.Equal(t, "9876543210", seen.Params.Get("receiver_no"))
}

func TestPayoutParameters(t *testing.T) {
	good := map[string]string{"mch_order_no": "P-2", "total_fee": "4000", "fee_type": "THB", "channel": "payout", "receiver_type": "BANK", "receiver_no": "9876543210", "receiver_bank_code": "014"}
	for _, c := range []struct {
		name, value string
		want        ksher.Code
	}{
		{"attach", "x", ""},
		{"mch_order_no", "", ksher.CodeLackParams},
		{"mch_order_no", strings.Repeat("x", 33), ksher.CodeKsherParamOverlength},
		{"mch_order_no", "P-1", ksher.CodeKsherDuplicatedOrderNo},
		{"mch_order_no", "K-1", ksher.CodeKsherDuplicatedOrderNo},
		{"total_fee", "", ksher.CodeLackParams},
		{"total_fee", "0", ksher.CodePriceNotExist},
		{"total_fee", "-1", ksher.CodePriceNotExist},
		{"total_fee", "40.00", ksher.CodePriceNotExist},
		{"total_fee", "9900", ""},
		{"total_fee", "9902", ksher.CodeNotEnough},
		{"total_fee", "200000000", ksher.CodeNotEnough},
		{"total_fee", "200000001", ksher.CodeKsherExceedAmountLimit},
		{"total_fee", "9223372036854775807", ksher.CodeKsherExceedAmountLimit},
		{"total_fee", "9223372036854775808", ksher.CodePriceNotExist},
		{"total_fee", "4003", ksher.CodeOrderPaymentError},
		{"fee_type", "", ksher.CodeLackParams},
		{"fee_type", "JPY", ksher.CodeKsherFeeTypeNotMatch},
		{"channel", "promptpay", ksher.CodeParamError},
		{"channel", "-", ksher.CodeLackParams}, // Left out.
		{"receiver_no", "-", ksher.CodeLackParams},
		{"receiver_type", "-", ksher.CodeLackParams},
		{"receiver_type", "bank", ksher.CodeParamError},
		{"receiver_type", "PROMPTPAY_NATID", ""},
		{"receiver_type", "PROMPTPAY_MSISDN", ""},
		{"receiver_bank_code", "-", ksher.CodeLackParams},
		{"receiver_bank_code", "", ksher.CodeLackParams},
		{"receiver_bank_code", "002", ""},
		{"receiver_bank_code", "999", ksher.CodeKsherInvalidParam},
		{"receiver_bank_code", "14", ksher.CodeKsherInvalidParam},
		{"receiver_mobile", "0812345678", ""},
		{"version", "3.0.0", ""},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			gw := sandbox.New(t, sandbox.WithPayoutBalance(100_00))
			_, err := gw.Client.Payout(t.Context(), payout("P-1", 1_00))
			require.NoError(t, err)
			_, err = gw.Client.NativePay(t.Context(), sandboxtest.NativePay("K-1", ksher.ChannelWeChat))
			require.NoError(t, err)
			params := maps.Clone(good)
			if params[c.name] = c.value; c.value == "-" {
				delete(params, c.name)
			}
			assert.Equal(t, string(c.want), string(sandboxtest.PostSigned(t, gw, gw.MerchantURL()+"/payout", params)))
			if c.want != "" {
				assert.Equal(t, ksher.Amount(99_00), balance(t, gw))
			}
		})
	}
	gw := sandbox.New(t)
	for address, params := range map[string]map[string]string{
		"/order_query_payout": {},
		"/get_payout_balance": {},
	} {
		assert.Equal(t, ksher.CodeLackParams, sandboxtest.PostSigned(t, gw, gw.MerchantURL()+address, params), address)
	}
	_, err := gw.Client.GetPayoutBalance(t.Context(), &ksher.GetPayoutBalanceRequest{FeeType: "JPY"})
	require.ErrorIs(t, err, ksher.CodeKsherFeeTypeNotMatch)
}

// The ways a payout goes, by its amount and what happens to it afterwards.
func TestPayoutAmounts(t *testing.T) {
	pay := func(gw *sandbox.Gateway) error { return gw.Pay("P-1", "") }
	fail := func(gw *sandbox.Gateway) error { return gw.Fail("P-1") }
	for _, c := range []struct {
		name string
		fee  ksher.Amount
		then []func(*sandbox.Gateway) error
		want error
		// result is what the query says, and left the balance.
		result  ksher.Result
		left    ksher.Amount
		verdict ksher.Verdict
	}{
		{"paid", 40_00, nil, nil, ksher.ResultSuccess, 60_00, ksher.VerdictCarriedOut},
		{"all of it", 100_00, nil, nil, ksher.ResultSuccess, 0, ksher.VerdictCarriedOut},
		{"one satang", 1, nil, nil, ksher.ResultSuccess, 99_99, ksher.VerdictCarriedOut},
		{"on its way", 40_01, nil, ksher.ErrOutcomeUnknown, ksher.ResultPending, 59_99, ksher.VerdictStillUnknown},
		{"arrived", 40_01, []func(*sandbox.Gateway) error{pay}, ksher.ErrOutcomeUnknown, ksher.ResultSuccess, 59_99, ksher.VerdictCarriedOut},
		{"not arrived", 40_01, []func(*sandbox.Gateway) error{fail}, ksher.ErrOutcomeUnknown, ksher.ResultPayError, 100_00, ksher.VerdictNotCarriedOut},
		{"called off", 40_01, []func(*sandbox.Gateway) error{func(gw *sandbox.Gateway) error { return gw.Expire("P-1") }}, ksher.ErrOutcomeUnknown, ksher.ResultClosed, 100_00, ksher.VerdictNotCarriedOut},
		{"refused by the bank", 40_03, nil, ksher.CodeOrderPaymentError, ksher.ResultPayError, 100_00, ksher.VerdictNotCarriedOut},
	} {
		t.Run(c.name, func(t *testing.T) {
			gw := sandbox.New(t, sandbox.WithPayoutBalance(100_00))
			_, err := gw.Client.Payout(t.Context(), payout("P-1", c.fee))
			require.ErrorIs(t, err, c.want)
			for _, then := range c.then {
				require.NoError(t, then(gw))
			}
			assert.Equal(t, c.result, queryPayout(t, gw, "P-1").Result)
			assert.Equal(t, c.left, balance(t, gw))
			found, err := gw.Client.Resolve(t.Context(), payout("P-1", c.fee))
			require.NoError(t, err)
			assert.Equal(t, c.verdict, found.Verdict)
			require.Error(t, gw.GiveUp("P-1"), "there is no buyer")
			_, err = gw.Client.Payout(t.Context(), payout("P-1", c.fee))
			require.ErrorIs(t, err, ksher.CodeKsherDuplicatedOrderNo)
			assert.Equal(t, c.left, balance(t, gw), "a number is paid once")
			if c.verdict != ksher.VerdictStillUnknown {
				require.Error(t, pay(gw))
				require.Error(t, fail(gw))
				assert.Equal(t, c.left, balance(t, gw))
			}
		})
	}
}

// Nothing is paid out in half an hour of each night, by the gateway's clock.
func TestPayoutsCloseAtNight(t *testing.T) {
	gw := sandbox.New(t)
	night := gw.Now().In(core.Zone).AddDate(0, 0, 1)
	until := func(hour, minute, second int) {
		gw.Advance(time.Date(night.Year(), night.Month(), night.Day(), hour, minute, second, 0, core.Zone).Sub(gw.Now()))
	}
	anyway := func(no string) error {
		req := payout(no, 1_00)
		req.Unchecked = []string{"time_stamp"}
		_, err := gw.Client.Payout(t.Context(), req)
		return err
	}
	until(2, 29, 59)
	_, err := gw.Client.Payout(t.Context(), payout("P-1", 1_00))
	require.NoError(t, err)
	for range 2 {
		until(2, 30, 0)
		_, err = gw.Client.Payout(t.Context(), payout("P-2", 1_00))
		require.Equal(t, []string{"time_stamp"}, testkit.FieldsOf(err), "the client goes by the same clock")
		require.ErrorIs(t, anyway("P-2"), ksher.CodeNoAuth)
		assert.Equal(t, ksher.Amount(99_999_00), balance(t, gw))
		assert.Equal(t, ksher.ResultSuccess, queryPayout(t, gw, "P-1").Result, "queries are answered")
		until(2, 59, 59)
	}
	gw.OpenPayouts()
	assert.Equal(t, "03:00:00", gw.Now().In(core.Zone).Format(time.TimeOnly))
	require.NoError(t, anyway("P-2"))
	_, err = gw.Client.Payout(t.Context(), payout("P-3", 1_00))
	require.NoError(t, err)
}

// The members of an answer, as the client for any language sees them.
func TestShapeOfPayoutAnswers(t *testing.T) {
	gw := sandbox.New(t)
	paid, err := gw.Client.Payout(t.Context(), payout("P-1", 1_00))
	require.NoError(t, err)
	told, err := gw.Client.OrderQueryPayout(t.Context(), &ksher.OrderQueryPayoutRequest{MchOrderNo: "P-1"})
	require.NoError(t, err)
	left, err := gw.Client.GetPayoutBalance(t.Context(), &ksher.GetPayoutBalanceRequest{FeeType: "THB"})
	require.NoError(t, err)
	const text, number = "string", "float64"
	for name, c := range map[string]struct {
		data json.RawMessage
		want map[string]string
	}{
		"payout": {paid.Data, map[string]string{
			"appid": text, "channel_order_no": text, "ksher_order_no": text, "mch_order_no": text, "mdr": number, "nonce_str": text,
			"receiver_name": text, "result": text, "total_fee": number, "trade_type": text,
		}},
		"order_query_payout": {told.Data, map[string]string{
			"appid": text, "attach": text, "cash_fee": number, "cash_fee_type": text, "channel": text, "channel_order_no": text, "device_id": text,
			"ksher_order_no": text, "mch_order_no": text, "mdr": number, "nonce_str": text, "openid": text, "operation": text,
			"operator_id": number, "rate": text, "raw_total_fee": number, "result": text, "time_end": text, "total_fee": number,
		}},
		"get_payout_balance": {left.Data, map[string]string{"appid": text, "balance": number, "nonce_str": text, "result": text}},
	} {
		var members map[string]any
		require.NoError(t, json.Unmarshal(c.data, &members))
		kinds := make(map[string]string)
		for member, value := range members {
			kinds[member] = fmt.Sprintf("%T", value)
		}
		assert.Equal(t, c.want, kinds, name)
	}
}

// A payout isn't an order, and an order isn't a payout.
func TestPayoutsAreNoOrders(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "payout: order_query doesn't know payouts, and nobody is notified of them")
	gw := sandbox.New(t)
	ctx := t.Context()
	paid, err := gw.Client.Payout(ctx, payout("P-1", 40_00))
	require.NoError(t, err)
	_, err = gw.Client.NativePay(ctx, sandboxtest.NativePay("K-1", ksher.ChannelWeChat))
	require.NoError(t, err)
	for _, req := range []ksher.OrderQueryRequest{{MchOrderNo: "P-1"}, {KsherOrderNo: paid.KsherOrderNo}, {ChannelOrderNo: paid.ChannelOrderNo}} {
		_, err = gw.Client.OrderQuery(ctx, &req)
		require.ErrorIs(t, err, ksher.CodeKsherInvalidOrderNo, "%+v", req)
	}
	_, err = gw.Client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: "P-1"})
	require.ErrorIs(t, err, ksher.CodeOrderNotExist)
	_, err = gw.Client.OrderRefund(ctx, &ksher.OrderRefundRequest{KsherOrderNo: paid.KsherOrderNo, MchRefundNo: "R-1", RefundFee: 1, TotalFee: 40_00, FeeType: "THB"})
	require.ErrorIs(t, err, ksher.CodeKsherInvalidOrderNo)
	require.ErrorIs(t, reverse(t, gw, "P-1"), ksher.CodeKsherInvalidOrderNo)
	for _, no := range []string{"K-1", "P-9"} {
		_, err = gw.Client.OrderQueryPayout(ctx, &ksher.OrderQueryPayoutRequest{MchOrderNo: no})
		require.ErrorIs(t, err, ksher.CodeKsherInvalidOrderNo)
	}
	require.NoError(t, gw.Pay("K-1", ""))
	assert.Equal(t, ksher.Amount(99_960_00), balance(t, gw), "what buyers pay isn't for payouts")

	// Nobody is notified, even if a payout asks for it.
	req := payout("P-2", 1_00)
	req.Params = map[string]string{"notify_url": "http://127.0.0.1:1/"}
	_, err = gw.Client.Payout(ctx, req)
	require.NoError(t, err)
	require.ErrorIs(t, gw.Deliver(ctx, "P-2"), sandbox.ErrNoNotification)

	// The dashboard shows it like an order.
	for _, path := range []string{"/", "/order?no=P-1", "/requests", "/control/orders", "/control/orders/P-1"} {
		status, body := sandboxtest.Ask(t, gw, "GET", path, "")
		assert.Equal(t, 200, status, path)
		assert.Contains(t, body, "P-1", path)
	}
}

// What is forgotten stays paid out.
func TestPayoutsAreForgotten(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	for _, opts := range [][]sandbox.Option{nil, {sandbox.WithStore(store)}} {
		gw := sandbox.New(t, append(opts, sandbox.WithMaxOrders(2))...)
		left := balance(t, gw)
		for i := range 7 {
			fee := ksher.Amount(1_00)
			if i%3 == 1 {
				fee = 1_03 // Refused.
			} else {
				left -= fee
			}
			gw.Client.Payout(t.Context(), payout(fmt.Sprintf("P-%d", i), fee))
			require.Equal(t, left, balance(t, gw), "after %d", i)
		}
		require.Len(t, gw.Orders(), 2)
		_, err := gw.Client.OrderQueryPayout(t.Context(), &ksher.OrderQueryPayoutRequest{MchOrderNo: "P-0"})
		require.ErrorIs(t, err, ksher.CodeKsherInvalidOrderNo)
		if opts == nil {
			continue
		}
		gw.Close()
		gw = sandbox.New(t, sandbox.WithStore(store), sandbox.WithMaxOrders(1))
		require.Len(t, gw.Orders(), 1)
		require.Equal(t, left, balance(t, gw))
	}
}

func TestPayoutsSurviveARestart(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	gw := sandbox.New(t, sandbox.WithStore(store))
	for no, fee := range map[string]ksher.Amount{"paid": 10_00, "pending": 20_01, "refused": 40_03} {
		gw.Client.Payout(t.Context(), payout(no, fee))
	}
	before := queryPayout(t, gw, "paid")
	gw.Close()

	gw = sandbox.New(t, sandbox.WithStore(store))
	require.Equal(t, ksher.Amount(99_969_99), balance(t, gw))
	after := queryPayout(t, gw, "paid")
	before.Answer, after.Answer, before.NonceStr, after.NonceStr = ksher.Answer{}, ksher.Answer{}, "", ""
	require.Equal(t, before, after)
	require.Equal(t, ksher.ResultPending, queryPayout(t, gw, "pending").Result)
	require.Equal(t, ksher.ResultPayError, queryPayout(t, gw, "refused").Result)
	_, err := gw.Client.Payout(t.Context(), payout("paid", 10_00))
	require.ErrorIs(t, err, ksher.CodeKsherDuplicatedOrderNo)
	require.NoError(t, gw.Fail("pending"))
	require.Equal(t, ksher.Amount(99_990_00), balance(t, gw))
}

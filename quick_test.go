package ksher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

const testAuthCode = "287634438256643900"

func goodQuickPay() *ksher.QuickPayRequest {
	return &ksher.QuickPayRequest{MchOrderNo: testOrderNo, TotalFee: 100_00, FeeType: "THB", AuthCode: testAuthCode}
}

func init() {
	tested("quick_pay", ksher.DefaultMerchantURL, kind{changes: true, hasTotalFee: true}, goodQuickPay, (*ksher.Client).QuickPay)
	tested("order_reverse", ksher.DefaultMerchantURL, kind{changes: true}, func() *ksher.OrderReverseRequest {
		return &ksher.OrderReverseRequest{MchOrderNo: testOrderNo}
	}, (*ksher.Client).OrderReverse)
}

func TestQuickPay(t *testing.T) {
	const data = `{"appid":"mch12345","mch_order_no":"order1","ksher_order_no":"900","channel_order_no":"4200","channel":"alipay",
		"fee_type":"THB","total_fee":"10000","cash_fee":2234,"cash_fee_type":"CNY","rate":"0.223410","result":"SUCCESS",
		"time_end":"2026-11-21 09:00:00","openid":"buyer-4711","operation":"QUICK-PAY","operator_id":25382,"device_id":7,"nonce_str":"n1"}`
	full := goodQuickPay()
	full.Channel, full.OperatorID, full.Extra = ksher.ChannelAlipay, "somchai", ksher.Extra{Params: map[string]string{"new": "1"}}
	tests := []struct {
		name string
		req  *ksher.QuickPayRequest
		want map[string]string
	}{
		{"minimal", goodQuickPay(), map[string]string{
			"mch_order_no": "order1", "total_fee": "10000", "fee_type": "THB", "auth_code": testAuthCode,
		}},
		{"full", full, map[string]string{
			"mch_order_no": "order1", "total_fee": "10000", "fee_type": "THB", "auth_code": testAuthCode,
			"channel": "alipay", "operator_id": "somchai", "new": "1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := recording(answering(200, signedAnswer(t, data)))
			client := offlineClient(t, testAppID, rec, trustTestKey(t))
			resp, err := client.QuickPay(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/quick_pay", rec.only(t).URL.String())
			requireParameters(t, rec.only(t), tt.want)
			assert.Equal(t, &ksher.QuickPayResponse{
				Envelope: envelopeOf(data),
				Order: ksher.Order{
					AppID: "mch12345", MchOrderNo: "order1", KsherOrderNo: "900", ChannelOrderNo: "4200", Channel: ksher.ChannelAlipay,
					FeeType: "THB", TotalFee: 100_00, CashFee: 2234, CashFeeType: "CNY", Rate: "0.223410", Result: ksher.ResultSuccess,
					TimeEnd: time.Date(2026, 11, 21, 9, 0, 0, 0, bangkok), OpenID: "buyer-4711", NonceStr: "n1",
				},
				Operation: "QUICK-PAY", OperatorID: "25382", DeviceID: "7",
			}, resp)
			require.NoError(t, resp.CheckPaid("order1", 100_00, "THB"))
		})
	}
}

func TestOrderReverse(t *testing.T) {
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
			rec := recording(answering(200, signedAnswer(t, data)))
			client := offlineClient(t, testAppID, rec, trustTestKey(t))
			resp, err := client.OrderReverse(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/order_reverse", rec.only(t).URL.String())
			requireParameters(t, rec.only(t), tt.want)
			assert.Equal(t, &ksher.OrderReverseResponse{
				Envelope: envelopeOf(data), AppID: "mch12345", MchOrderNo: "order1", Result: ksher.ResultSuccess, NonceStr: "n1",
			}, resp)
		})
	}
}

func TestQuickPayRefusesBadRequests(t *testing.T) {
	changes := []change[ksher.QuickPayRequest]{
		{"good", func(*ksher.QuickPayRequest) {}, nil},
		{"a code in letters", func(r *ksher.QuickPayRequest) { r.AuthCode = "abc-1" }, nil},
		{"a number of 32 characters", func(r *ksher.QuickPayRequest) { r.MchOrderNo = thai32 }, nil},
		{"the largest amount", func(r *ksher.QuickPayRequest) { r.TotalFee = maxAmount }, nil},
		{"nothing", func(r *ksher.QuickPayRequest) { *r = ksher.QuickPayRequest{} }, []string{"mch_order_no", "total_fee", "fee_type", "auth_code"}},
		{"no number", func(r *ksher.QuickPayRequest) { r.MchOrderNo = " " }, []string{"mch_order_no"}},
		{"a long number", func(r *ksher.QuickPayRequest) { r.MchOrderNo = thai33 }, []string{"mch_order_no"}},
		{"a number that isn't UTF-8", func(r *ksher.QuickPayRequest) { r.MchOrderNo = "\xff" }, []string{"mch_order_no"}},
		{"no code", func(r *ksher.QuickPayRequest) { r.AuthCode = "" }, []string{"auth_code"}},
		{"a blank code", func(r *ksher.QuickPayRequest) { r.AuthCode = "\r\n" }, []string{"auth_code"}},
		{"a code that isn't UTF-8", func(r *ksher.QuickPayRequest) { r.AuthCode = testAuthCode + "\xff" }, []string{"auth_code"}},
		{"no currency", func(r *ksher.QuickPayRequest) { r.FeeType = "" }, []string{"fee_type"}},
		{"a currency in small letters", func(r *ksher.QuickPayRequest) { r.FeeType = "thb" }, []string{"fee_type"}},
		{"the code as an extra", func(r *ksher.QuickPayRequest) {
			r.Extra = ksher.Extra{Params: map[string]string{"auth_code": testAuthCode}}
		}, []string{"auth_code"}},
	}
	for name, amount := range badAmounts {
		changes = append(changes, change[ksher.QuickPayRequest]{name, func(r *ksher.QuickPayRequest) { r.TotalFee = amount }, []string{"total_fee"}})
	}
	checkRequest(t, "quick_pay", goodQuickPay, func(ctx context.Context, c *ksher.Client, r *ksher.QuickPayRequest) error {
		_, err := c.QuickPay(ctx, r)
		if err != nil {
			require.NotContains(t, fmt.Sprintf("%+v", err), testAuthCode[:8])
			order, taken := c.TakeQuickPay(ctx, r)
			require.Equal(t, err, taken, "TakeQuickPay refuses the same")
			require.Nil(t, order)
		}
		return err
	}, changes)

	reversing := func() *ksher.OrderReverseRequest { return &ksher.OrderReverseRequest{MchOrderNo: testOrderNo} }
	checkRequest(t, "order_reverse", reversing, func(ctx context.Context, c *ksher.Client, r *ksher.OrderReverseRequest) error {
		_, err := c.OrderReverse(ctx, r)
		return err
	}, []change[ksher.OrderReverseRequest]{
		{"good", func(*ksher.OrderReverseRequest) {}, nil},
		{"by Ksher's number", func(r *ksher.OrderReverseRequest) { r.MchOrderNo, r.KsherOrderNo = "", "900" }, nil},
		{"no number", func(r *ksher.OrderReverseRequest) { r.MchOrderNo = "" }, []string{"mch_order_no"}},
		{"a long number", func(r *ksher.OrderReverseRequest) { r.MchOrderNo = thai33 }, []string{"mch_order_no"}},
		{"a channel that isn't UTF-8", func(r *ksher.OrderReverseRequest) { r.Channel = "\xff" }, []string{"channel"}},
	})
}

// Anything but a believable yes and a documented no leaves a charge and a
// reversal in doubt.
func TestQuickPayOutcomes(t *testing.T) {
	calls := map[string]func(*ksher.Client) error{
		"quick_pay": func(c *ksher.Client) error { _, err := c.QuickPay(t.Context(), goodQuickPay()); return err },
		"order_reverse": func(c *ksher.Client) error {
			_, err := c.OrderReverse(t.Context(), &ksher.OrderReverseRequest{MchOrderNo: testOrderNo})
			return err
		},
	}
	type test struct {
		only    string // The operation, "" for both.
		name    string
		reply   reply
		want    error
		unknown bool
	}
	tests := []test{
		{"", "done", tells(ksher.ResultSuccess), nil, false},
		{"", "not sure", tells(ksher.ResultNotSure), nil, true},
		{"", "the buyer is paying", tells(ksher.ResultUserPaying), nil, true},
		{"", "pending", tells(ksher.ResultPending), nil, true},
		{"", "failed, in a query's words", tells(ksher.ResultPayError), nil, true},
		{"", "something new", tells("SOMETHING_NEW"), nil, true},
		{"", "no result", tells(""), ksher.ErrField, true},
		{"", "the line breaks", breaks, errLine, true},
		{"", "no JSON", says("<html>"), ksher.ErrNotJSON, true},
		{"", "not signed", says(`{"code":0,"data":{"result":"SUCCESS"}}`), ksher.ErrSignatureMissing, true},
		{"", "another merchant", tells(ksher.ResultSuccess, func(o *ksher.Order) { o.AppID = "mch1" }), ksher.ErrOtherOrder, true},
		{"", "no without a reason", tells(ksher.ResultFail), nil, true},
		{"", "a timeout behind the gateway", denies(ksher.CodeSystemError), ksher.CodeSystemError, true},
		{"", "an undocumented code", denies("AUTH_CODE_INVALID"), ksher.Code("AUTH_CODE_INVALID"), true},
		{"", "an undocumented code of the envelope", says(`{"code":1,"msg":"AUTH_CODE_INVALID"}`), ksher.Code("AUTH_CODE_INVALID"), true},
	}
	for _, code := range []ksher.Code{
		ksher.CodeOrderPaymentError, ksher.CodeKsherInvalidParam, ksher.CodeNoAuth, ksher.CodeKsherExceedAmountLimit, ksher.CodeKsherInvalidOrderNo,
	} {
		tests = append(tests, test{"", string(code), denies(code), code, false})
	}
	// What these say of an order may be what this very charge has done to it. A
	// reversal finds the order as it is.
	for _, code := range []ksher.Code{
		ksher.CodeKsherDuplicatedOrderNo, ksher.CodeOrderPaid, ksher.CodeOrderAlreadyPaymentSuccess, ksher.CodePriceNotExist,
		ksher.CodeQueryOrderError, ksher.CodeCancelError, ksher.CodeManyOpen,
	} {
		tests = append(tests, test{"quick_pay", string(code), denies(code), code, true}, test{"order_reverse", string(code), denies(code), code, false})
	}
	for name, call := range calls {
		for _, tt := range tests {
			if tt.only != "" && tt.only != name {
				continue
			}
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				hosts := answersOf(map[string]reply{name: tt.reply})
				err := call(hosts.client(t, ksher.WithRetry(3, 0)))
				require.Equal(t, tt.unknown, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
				require.Equal(t, tt.unknown || tt.want != nil, err != nil, "%v", err)
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
				}
				require.Len(t, hosts.questions(""), 1, "it is never repeated")
			})
		}
	}
}

func TestResolveQuickPay(t *testing.T) {
	reversing := &ksher.OrderReverseRequest{MchOrderNo: testOrderNo}
	const charge, reversal = "quick_pay", "order_reverse"
	requests := map[string]ksher.Doubtful{charge: goodQuickPay(), reversal: reversing}
	tests := []struct {
		name    string
		request string
		reply   reply
		verdict ksher.Verdict
		want    error
	}{
		{"paid", charge, tells(ksher.ResultSuccess), ksher.CarriedOut, nil},
		{"closed", charge, tells(ksher.ResultClosed), ksher.NotCarriedOut, nil},
		{"failed", charge, tells(ksher.ResultPayError), ksher.NotCarriedOut, nil},
		{"refunded", charge, tells(ksher.ResultRefund), ksher.NotCarriedOut, nil},
		{"not paid yet", charge, tells(ksher.ResultNotPay), ksher.StillUnknown, nil},
		{"the buyer is paying", charge, tells(ksher.ResultUserPaying, over(0), inCurrency("")), ksher.StillUnknown, nil},
		{"not sure", charge, tells(ksher.ResultNotSure), ksher.StillUnknown, nil},
		{"something new", charge, tells("SOMETHING_NEW"), ksher.StillUnknown, nil},
		{"unknown", charge, denies(ksher.CodeKsherInvalidOrderNo), ksher.NotCarriedOut, nil},
		{"paid over another amount", charge, tells(ksher.ResultSuccess, over(99_99)), "", ksher.ErrOtherOrder},
		{"closed over another amount", charge, tells(ksher.ResultClosed, over(99_99)), "", ksher.ErrOtherOrder},

		{"closed", reversal, tells(ksher.ResultClosed), ksher.CarriedOut, nil},
		{"refunded", reversal, tells(ksher.ResultRefund), ksher.CarriedOut, nil},
		{"paid", reversal, tells(ksher.ResultSuccess), ksher.NotCarriedOut, nil},
		{"the buyer is paying", reversal, tells(ksher.ResultUserPaying), ksher.NotCarriedOut, nil},
		{"not sure", reversal, tells(ksher.ResultNotSure), ksher.NotCarriedOut, nil},
		{"unknown", reversal, denies(ksher.CodeKsherInvalidOrderNo), "", ksher.CodeKsherInvalidOrderNo},
	}
	for request := range requests {
		for _, result := range []ksher.Result{ksher.ResultSuccess, ksher.ResultClosed, ksher.ResultRefund} {
			for _, no := range []string{"order2", ""} {
				tests = append(tests, struct {
					name    string
					request string
					reply   reply
					verdict ksher.Verdict
					want    error
				}{fmt.Sprintf("another order, %q, is %s", no, result), request, tells(result, numbered(no)), "", ksher.ErrOtherOrder})
			}
		}
		for name, trouble := range map[string]reply{"the line breaks": breaks, "no JSON": says("<html>"), "refused": denies(ksher.CodeNoAuth)} {
			tests = append(tests, struct {
				name    string
				request string
				reply   reply
				verdict ksher.Verdict
				want    error
			}{name, request, trouble, "", map[string]error{"the line breaks": errLine, "no JSON": ksher.ErrNotJSON, "refused": ksher.CodeNoAuth}[name]})
		}
	}
	for _, tt := range tests {
		t.Run(tt.request+"/"+tt.name, func(t *testing.T) {
			hosts := answersOf(map[string]reply{"order_query": tt.reply})
			res, err := hosts.client(t).Resolve(t.Context(), requests[tt.request])
			require.Len(t, hosts.questions(""), 1)
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
		_, err := answersOf(nil).client(t).Resolve(t.Context(), req)
		var invalid *ksher.ValidationError
		require.ErrorAs(t, err, &invalid)
	}
	byKsherNo := &ksher.OrderReverseRequest{KsherOrderNo: "900"}
	hosts := answersOf(map[string]reply{"order_query": tells(ksher.ResultClosed)})
	res, err := hosts.client(t).Resolve(t.Context(), byKsherNo)
	require.NoError(t, err)
	require.Equal(t, ksher.CarriedOut, res.Verdict)
	require.Equal(t, "900", hosts.questions("")[0].form.Get("ksher_order_no"))
}

// The ways out of TakeQuickPay.
const (
	paid        = "paid"
	notPaid     = "not paid"
	refused     = "refused or not sent"
	needsPerson = "needs a person"
)

// wayOut tells which one was taken, and that it was just one.
func wayOut(t *testing.T, order *ksher.Order, err error) string {
	t.Helper()
	if err == nil {
		require.NotNil(t, order)
		require.NoError(t, order.CheckPaid(order.MchOrderNo, 100_00, "THB"))
		return paid
	}
	require.NotContains(t, fmt.Sprintf("%v %+v %q", err, err, err), testAuthCode[:8])
	var failed *ksher.Error
	var invalid *ksher.ValidationError
	unknown := errors.Is(err, ksher.ErrOutcomeUnknown)
	var ways []string
	if errors.Is(err, ksher.ErrNotPaid) {
		ways = append(ways, notPaid)
		require.False(t, unknown, "%v", err)
	}
	if errors.Is(err, ksher.ErrNeedsPerson) {
		ways = append(ways, needsPerson)
		require.True(t, unknown, "%v", err)
		require.ErrorAs(t, err, &failed)
	} else if errors.As(err, &failed) && !unknown || errors.As(err, &invalid) {
		ways = append(ways, refused)
	}
	require.Len(t, ways, 1, "%v", err)
	return ways[0]
}

// turns is a gateway whose operations give their replies one after the other, and
// the last one again and again. order_query has others after the reversal.
type turns struct {
	charge, queries, reversal, after []reply
}

func (s turns) hosts() *inMemory {
	m := &inMemory{}
	m.answer = func(r *http.Request, op string, _ url.Values) ([]byte, error) {
		before := len(m.questions(op))
		replies := map[string][]reply{"quick_pay": s.charge, "order_query": s.queries, "order_reverse": s.reversal}[op]
		if op == "order_query" && len(m.questions("order_reverse")) > 0 {
			reversed := m.questions("order_reverse")[0].at
			for before = 0; before < len(m.questions(op)) && !m.questions(op)[len(m.questions(op))-1-before].at.Before(reversed); {
				before++
			}
			replies = s.after
		}
		if len(replies) == 0 {
			return nil, errors.New("not expected in this test")
		}
		return replies[min(before, len(replies))-1](r)
	}
	return m
}

func notConnected(*http.Request) ([]byte, error) {
	return nil, &net.OpError{Op: "dial", Err: errLine}
}

func TestTakeQuickPay(t *testing.T) {
	t.Parallel()
	var (
		success, typing  = tells(ksher.ResultSuccess), tells(ksher.ResultUserPaying)
		notSure, closed  = tells(ksher.ResultNotSure), tells(ksher.ResultClosed)
		refunded, failed = tells(ksher.ResultRefund), tells(ksher.ResultPayError)
		otherAmount      = tells(ksher.ResultSuccess, over(99_99))
		bare             = tells(ksher.ResultSuccess, over(0), inCurrency(""), numbered(""))
		unknown          = denies(ksher.CodeKsherInvalidOrderNo)
		isPaid           = denies(ksher.CodeOrderAlreadyPayOperationCannotBePerformed)
	)
	const minute, over90 = time.Minute, 90 * time.Second
	r := func(replies ...reply) []reply { return replies }
	tests := []struct {
		name string
		till turns
		want string
		// also is what the error is, too, nil for nothing.
		also error
		// result is that of the order that is returned, "" for no order.
		result ksher.Result
		// reversed says that the order was to be reversed.
		reversed bool
		// after is when it returned, -1 for no matter.
		after time.Duration
	}{
		{name: "paid at once", till: turns{charge: r(success)}, want: paid, result: "SUCCESS"},
		{name: "paid at once, by an answer without numbers", till: turns{r(bare), r(success), nil, nil}, want: paid, result: "SUCCESS"},
		{name: "paid at once, by an answer about another order", till: turns{r(tells(ksher.ResultSuccess, numbered("order2"))), r(unknown, success), nil, nil}, want: paid, result: "SUCCESS", after: -1},
		{name: "paid at once, another amount", till: turns{r(otherAmount), r(otherAmount), nil, nil}, want: needsPerson, also: ksher.ErrOtherOrder, result: "SUCCESS"},
		{name: "paid at once, and nobody knows it", till: turns{r(bare), r(unknown), r(unknown), r(unknown)}, want: needsPerson, also: ksher.CodeKsherInvalidOrderNo, result: "SUCCESS", reversed: true, after: over90},

		{name: "paid after the PIN", till: turns{r(notSure), r(typing, typing, typing, success), nil, nil}, want: paid, result: "SUCCESS", after: -1},
		{name: "paid, and the answer got lost", till: turns{r(breaks), r(success), nil, nil}, want: paid, result: "SUCCESS"},
		{name: "paid, and the charge was on its way", till: turns{r(breaks), r(unknown, unknown, typing, success), nil, nil}, want: paid, result: "SUCCESS", after: -1},
		{name: "paid among garbage", till: turns{r(says("<html>")), r(breaks, says(""), denies(ksher.CodeSystemError), tells(ksher.ResultClosed, numbered("order2")), typing, success), nil, nil}, want: paid, result: "SUCCESS", after: -1},
		{name: "the PIN was wrong", till: turns{r(notSure), r(typing, failed), nil, nil}, want: notPaid, result: "PAYERROR", after: -1},
		{name: "closed by somebody else", till: turns{r(notSure), r(typing, closed), nil, nil}, want: notPaid, result: "CLOSED", after: -1},
		{name: "refunded by somebody else", till: turns{r(notSure), r(refunded), nil, nil}, want: notPaid, result: "REFUND"},
		{name: "paid after the PIN, another amount", till: turns{r(notSure), r(typing, otherAmount), nil, nil}, want: needsPerson, also: ksher.ErrOtherOrder, result: "SUCCESS", after: -1},

		{name: "reversed", till: turns{r(notSure), r(typing), r(success), r(closed)}, want: notPaid, result: "CLOSED", reversed: true, after: minute},
		{name: "reversed, and the money goes back", till: turns{r(notSure), r(typing), r(success), r(refunded)}, want: notPaid, result: "REFUND", reversed: true, after: minute},
		{name: "reversed, which takes a while to show", till: turns{r(notSure), r(typing), r(success), r(typing, success, success, refunded)}, want: notPaid, result: "REFUND", reversed: true, after: -1},
		{name: "reversed without an effect", till: turns{r(notSure), r(typing), r(success), r(typing)}, want: needsPerson, also: context.DeadlineExceeded, result: "USERPAYING", reversed: true, after: over90},
		{name: "reversed, and paid for good", till: turns{r(notSure), r(typing), r(success), r(success)}, want: needsPerson, result: "SUCCESS", reversed: true, after: over90},
		{name: "reversed, and unknown afterwards", till: turns{r(notSure), r(typing), r(success), r(unknown)}, want: needsPerson, also: ksher.CodeKsherInvalidOrderNo, result: "USERPAYING", reversed: true, after: over90},
		{name: "reversed, and then the line is dead", till: turns{r(notSure), r(typing), r(success), r(breaks)}, want: needsPerson, also: errLine, result: "USERPAYING", reversed: true, after: over90},
		{name: "reversed, and then another amount is paid", till: turns{r(notSure), r(typing), r(success), r(otherAmount)}, want: needsPerson, also: ksher.ErrOtherOrder, result: "SUCCESS", reversed: true, after: minute},
		{name: "reversed while queries were refused", till: turns{r(notSure), r(denies(ksher.CodeNoAuth)), r(success), r(closed)}, want: notPaid, result: "CLOSED", reversed: true, after: -1},

		{name: "paid before the reversal", till: turns{r(notSure), r(typing), r(isPaid), r(success)}, want: paid, result: "SUCCESS", reversed: true, after: over90},
		{name: "paid, and the reversal wasn't sent", till: turns{r(notSure), r(typing), r(notConnected), r(success)}, want: paid, result: "SUCCESS", reversed: true, after: over90},
		{name: "reversed twice by the network, which takes long to show", till: turns{r(notSure), r(typing), r(denies(ksher.CodeOrderAlreadyRefund)), r(success)}, want: needsPerson, also: ksher.CodeOrderAlreadyRefund, result: "SUCCESS", reversed: true, after: over90},
		{name: "reversed twice by the network", till: turns{r(notSure), r(typing), r(denies(ksher.CodeOrderAlreadyRefund)), r(success, refunded)}, want: notPaid, result: "REFUND", reversed: true, after: -1},
		{name: "the reversal is refused", till: turns{r(notSure), r(typing), r(denies(ksher.CodeNoAuth)), r(typing)}, want: needsPerson, also: ksher.CodeNoAuth, result: "USERPAYING", reversed: true, after: over90},
		{name: "the reversal is refused, and it fails", till: turns{r(notSure), r(typing), r(denies(ksher.CodeNoAuth)), r(typing, failed)}, want: notPaid, result: "PAYERROR", reversed: true, after: -1},
		{name: "the reversal's answer gets lost", till: turns{r(notSure), r(typing), r(breaks), r(typing, closed)}, want: notPaid, result: "CLOSED", reversed: true, after: -1},
		{name: "the reversal is on its way", till: turns{r(notSure), r(typing), r(breaks), r(success, refunded)}, want: notPaid, result: "REFUND", reversed: true, after: -1},
		{name: "the reversal is on its way for long", till: turns{r(notSure), r(typing), r(breaks), r(success)}, want: needsPerson, also: errLine, result: "SUCCESS", reversed: true, after: over90},
		{name: "the reversal times out behind the gateway", till: turns{r(notSure), r(typing), r(denies(ksher.CodeSystemError)), r(success)}, want: needsPerson, also: ksher.CodeSystemError, result: "SUCCESS", reversed: true, after: over90},
		{name: "the reversal's answer is new", till: turns{r(notSure), r(typing), r(tells("SOMETHING_NEW")), r(success)}, want: needsPerson, result: "SUCCESS", reversed: true, after: over90},
		{name: "nothing but a dead line", till: turns{r(breaks), r(breaks), r(breaks), r(breaks)}, want: needsPerson, also: errLine, reversed: true, after: over90},

		{name: "the charge never arrived", till: turns{r(breaks), r(unknown), r(unknown), r(unknown)}, want: needsPerson, also: ksher.CodeKsherInvalidOrderNo, reversed: true, after: over90},
		{name: "the charge never arrived, and the reversal got lost", till: turns{r(breaks), r(unknown), r(breaks), r(unknown)}, want: needsPerson, also: errLine, reversed: true, after: over90},
		{name: "the charge never arrived, and was reversed", till: turns{r(breaks), r(unknown), r(success), r(unknown)}, want: needsPerson, reversed: true, after: over90},
		{name: "the charge arrived, and is unknown later", till: turns{r(breaks), r(typing, unknown), r(unknown), r(unknown)}, want: needsPerson, result: "USERPAYING", reversed: true, after: over90},
		{name: "queries fail, and the reversal knows no such order", till: turns{r(breaks), r(breaks), r(unknown), r(unknown)}, want: needsPerson, reversed: true, after: over90},

		{name: "not sent", till: turns{charge: r(notConnected)}, want: refused, also: errLine},
	}
	type test = struct {
		name     string
		till     turns
		want     string
		also     error
		result   ksher.Result
		reversed bool
		after    time.Duration
	}
	for _, code := range ksher.Codes() {
		// What leaves the order paid, and what may have undone it or makes no sense.
		stays := slices.Contains([]ksher.Code{
			"ORDERPAID", "ORDER_ALREADY_PAYMENT_SUCCESS", "ORDER_ALREADY_PAY_OPERATION_CANNOT_BE_PERFORMED", "CANCEL_ERROR",
			"KSHER_REFUND_EXPIRE", "NOAUTH",
		}, code)
		reversing := test{name: "paid, and the reversal is refused by " + string(code), till: turns{r(notSure), r(typing), r(denies(code)), r(success)}, want: needsPerson, also: code, result: "SUCCESS", reversed: true, after: over90}
		if stays {
			reversing.want, reversing.also = paid, nil
		}
		tests = append(tests, reversing)

		info, _ := code.Info()
		switch {
		case code == ksher.CodeSystemError, code == ksher.CodeKsherSystemError, code == ksher.CodeKsherChannelResponseError,
			code == ksher.CodeRefundFailed, code == ksher.CodePriceNotExist, code == ksher.CodeQueryOrderError:
		case info.Action == ksher.ActionCorrectRequest, info.Action == ksher.ActionContactKsher, info.Action == ksher.ActionAskBuyer, info.Action == ksher.ActionByHand:
			tests = append(tests, test{name: "refused by " + string(code), till: turns{charge: r(denies(code))}, want: refused, also: code})
			continue
		}
		// Such a code says that there is an order of that number, or may be.
		no := denies(code)
		tests = append(tests,
			test{name: "paid, and then refused by " + string(code), till: turns{r(no), r(success), nil, nil}, want: paid, result: "SUCCESS"},
			test{name: "paid over another amount, and then refused by " + string(code), till: turns{r(no), r(otherAmount), nil, nil}, want: needsPerson, also: ksher.ErrOtherOrder, result: "SUCCESS"},
			test{name: "closed, and then refused by " + string(code), till: turns{r(no), r(closed), nil, nil}, want: notPaid, result: "CLOSED"},
			test{name: "unknown, though refused by " + string(code), till: turns{r(no), r(unknown), r(unknown), r(unknown)}, want: needsPerson, also: ksher.CodeKsherInvalidOrderNo, reversed: true, after: over90},
		)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hosts, start := tt.till.hosts(), time.Now()
				order, err := hosts.client(t).TakeQuickPay(t.Context(), goodQuickPay())
				require.Equal(t, tt.want, wayOut(t, order, err), "%v", err)
				if tt.also != nil {
					require.ErrorIs(t, err, tt.also)
				}
				if err != nil {
					require.ErrorContains(t, err, testOrderNo)
				}
				if tt.result == "" {
					require.Nil(t, order)
				} else {
					require.NotNil(t, order)
					require.Equal(t, tt.result, order.Result)
				}
				if tt.after >= 0 {
					require.Equal(t, tt.after, time.Since(start))
				}
				require.Len(t, hosts.questions("quick_pay"), 1, "the charge was repeated")
				reversals := 0
				if tt.reversed {
					reversals = 1
				}
				require.Len(t, hosts.questions("order_reverse"), reversals)
			})
		})
	}
}

// What it asks for, and when.
func TestTakeQuickPaySchedule(t *testing.T) {
	tests := []struct {
		name string
		opts []ksher.WaitOption
		want []time.Duration
	}{
		{"as usual", nil, []time.Duration{time.Second, 1500 * time.Millisecond, 2250 * time.Millisecond, 3375 * time.Millisecond, 5062 * time.Millisecond, 7593 * time.Millisecond, 10 * time.Second}},
		{"as told", []ksher.WaitOption{ksher.WithPolling(3*time.Second, 3*time.Second)}, []time.Duration{3 * time.Second}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				notSure, typing := tells(ksher.ResultNotSure), tells(ksher.ResultUserPaying)
				hosts := turns{[]reply{notSure}, []reply{typing}, []reply{breaks}, []reply{typing}}.hosts()
				req, start := goodQuickPay(), time.Now()
				req.Channel, req.OperatorID, req.Extra = ksher.ChannelAlipay, "somchai", ksher.Extra{Params: map[string]string{"new": "1"}}
				_, err := hosts.client(t).TakeQuickPay(t.Context(), req, tt.opts...)
				require.ErrorIs(t, err, ksher.ErrNeedsPerson)

				reversal := hosts.questions("order_reverse")[0]
				require.Equal(t, time.Minute, reversal.at.Sub(start))
				require.Equal(t, []string{testOrderNo, "alipay", "somchai"}, []string{reversal.form.Get("mch_order_no"), reversal.form.Get("channel"), reversal.form.Get("operator_id")})
				for _, begin := range []time.Time{start, reversal.at} {
					last, n := begin, 0
					for _, q := range hosts.questions("order_query") {
						require.False(t, q.form.Has("auth_code"))
						if q.at.Before(begin) || begin.Equal(start) && !q.at.Before(reversal.at) {
							continue
						}
						pause, want := q.at.Sub(last), time.Duration(0)
						if n > 0 {
							want = tt.want[min(n, len(tt.want))-1]
						}
						require.InDelta(t, want, pause, float64(want)/5+float64(time.Millisecond), "pause %d", n)
						last, n = q.at, n+1
					}
					require.Greater(t, n, 3)
				}
			})
		})
	}
}

// A context that ends leaves it to a person, once the charge may have been sent.
func TestTakeQuickPayOfContextThatEnds(t *testing.T) {
	typing, notSure := tells(ksher.ResultUserPaying), tells(ksher.ResultNotSure)
	for _, tt := range []struct {
		name  string
		ends  time.Duration
		till  turns
		known bool
	}{
		{"in the charge", time.Second, turns{[]reply{hangs}, nil, nil, nil}, false},
		{"in the first query", time.Second, turns{[]reply{notSure}, []reply{hangs}, nil, nil}, false},
		{"in a query", 10 * time.Second, turns{[]reply{notSure}, []reply{typing, hangs}, nil, nil}, true},
		{"between queries", 500 * time.Millisecond, turns{[]reply{notSure}, []reply{typing}, nil, nil}, true},
		{"when the minute is over", time.Minute, turns{[]reply{notSure}, []reply{typing}, []reply{hangs}, []reply{hangs}}, true},
		{"in the reversal", 65 * time.Second, turns{[]reply{notSure}, []reply{typing}, []reply{hangs}, []reply{breaks}}, true},
		{"in the query after it", 65 * time.Second, turns{[]reply{notSure}, []reply{typing}, []reply{tells(ksher.ResultSuccess)}, []reply{hangs}}, true},
		{"between the queries after it", 65 * time.Second, turns{[]reply{notSure}, []reply{typing}, []reply{tells(ksher.ResultSuccess)}, []reply{typing}}, true},
		{"while it seems paid", 65 * time.Second, turns{[]reply{notSure}, []reply{typing}, []reply{tells(ksher.ResultSuccess)}, []reply{tells(ksher.ResultSuccess)}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.ends)
				defer cancel()
				start := time.Now()
				order, err := tt.till.hosts().client(t).TakeQuickPay(ctx, goodQuickPay())
				require.Equal(t, needsPerson, wayOut(t, order, err))
				require.Equal(t, tt.known, order != nil)
				require.Equal(t, tt.ends, time.Since(start))
				if tt.ends < time.Minute {
					require.NotContains(t, err.Error(), "reversal", "none is tried")
				}
			})
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hosts := turns{charge: []reply{tells(ksher.ResultSuccess)}}.hosts()
	order, err := hosts.client(t).TakeQuickPay(ctx, goodQuickPay())
	require.Equal(t, refused, wayOut(t, order, err))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, hosts.questions(""))
}

func TestTakeQuickPayRefuses(t *testing.T) {
	hosts := turns{}.hosts()
	client := hosts.client(t)
	for _, tt := range []struct {
		name   string
		client *ksher.Client
		ctx    context.Context
		req    *ksher.QuickPayRequest
		opts   []ksher.WaitOption
		want   string
	}{
		{"no client", nil, t.Context(), goodQuickPay(), nil, "client was not made by NewClient"},
		{"a client of its own making", &ksher.Client{}, t.Context(), goodQuickPay(), nil, "client was not made by NewClient"},
		{"no context", client, nil, goodQuickPay(), nil, "context is nil"},
		{"no request", client, t.Context(), nil, nil, "request is nil"},
		{"a nil option", client, t.Context(), goodQuickPay(), []ksher.WaitOption{nil}, "an option for waiting is nil"},
		{"a bad option", client, t.Context(), goodQuickPay(), []ksher.WaitOption{ksher.WithPolling(0, 0)}, "WithPolling"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			order, err := tt.client.TakeQuickPay(tt.ctx, tt.req, tt.opts...)
			require.ErrorContains(t, err, tt.want)
			require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
			require.Nil(t, order)
		})
	}
	require.Empty(t, hosts.questions(""), "nothing is sent")
}

// A gateway or a proxy may echo what it was sent. The code is as good as money for
// as long as it lives.
func TestAuthCodeIsNotTold(t *testing.T) {
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", *goodQuickPay(), goodQuickPay(), goodQuickPay(), goodQuickPay()), fmt.Sprint(goodQuickPay())} {
		require.NotContains(t, text, testAuthCode[:8])
		require.Contains(t, text, `quick_pay of order "order1"`)
	}
	var logged logBuffer
	logged.logger(slog.LevelInfo).Info("charging", "req", goodQuickPay(), "again", *goodQuickPay())
	require.NotContains(t, logged.text(), testAuthCode[:8])
	for name, answer := range map[string]string{
		"a page":           `500 <p>auth_code=%s</p>`,
		"a page, cut off":  `500 ` + strings.Repeat("x", 190) + `%s`,
		"a page with 200":  `200 <p>%s</p>`,
		"truncated JSON":   `200 {"auth_code":"%s`,
		"msg":              `200 {"code":1,"msg":"bad code %s"}`,
		"msg, cut off":     `200 {"code":1,"msg":"` + strings.Repeat("x", 185) + `%s"}`,
		"message":          `400 {"code":1,"message":"%s"}`,
		"status_code":      `200 {"code":1,"status_code":"AUTH_%s"}`,
		"err_msg":          `200 {"code":1,"data":{"err_code":"ORDER_PAYMENT_ERROR","err_msg":"%s is too old"}}`,
		"err_code":         `200 {"code":1,"data":{"err_code":"%s"}}`,
		"a member's name":  `200 {"%[1]s":1,"%[1]s":2}`,
		"code":             `200 {"code":"%s"}`,
		"code, a number":   `200 {"code":%s0000000000}`,
		"result, unsigned": `200 {"code":0,"data":{"result":"%s"}}`,
		"result":           "signed",
		"a broken header":  "cut HTTP/1.1 200 OK\r\n%s\r\n\r\n",
		"a broken line":    "cut %s\r\n\r\n",
		"a broken address": "cut HTTP/1.1 302 Found\r\nLocation: http://x/%%zz%s\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var logged logBuffer
			var told []error
			server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				code := r.PostFormValue("auth_code")
				how, text, _ := strings.Cut(answer, " ")
				if strings.Contains(text, "%") {
					text = fmt.Sprintf(text, code)
				}
				switch how {
				case "cut":
					cut(w, text)
				case "signed":
					answering(200, signedAnswer(t, `{"result":"`+code+`"}`)).ServeHTTP(w, r)
				case "500":
					answering(500, text).ServeHTTP(w, r)
				case "400":
					answering(400, text).ServeHTTP(w, r)
				default:
					answering(200, text).ServeHTTP(w, r)
				}
			})
			client := newClient(t, server, ksher.WithLogger(logged.logger(0)), ksher.WithHook(func(ctx context.Context, _ ksher.Attempt) (context.Context, func(ksher.Attempt)) {
				return ctx, func(a ksher.Attempt) { told = append(told, a.Err) }
			}))
			_, err := client.QuickPay(t.Context(), goodQuickPay())
			require.Error(t, err)
			require.Len(t, told, 1)
			texts := []string{logged.text(), fmt.Sprintf("%v %+v %q %s", err, err, err, err), fmt.Sprintf("%v %+v", told[0], told[0])}
			var failed *ksher.Error
			require.ErrorAs(t, err, &failed)
			texts = append(texts, failed.Message, string(failed.Code))
			for _, text := range texts {
				require.NotContains(t, text, testAuthCode[:8])
			}
			if name == "err_msg" {
				require.ErrorIs(t, err, ksher.CodeOrderPaymentError)
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
			} else {
				require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
			}
			if name == "a member's name" {
				require.ErrorIs(t, err, ksher.ErrNotJSON)
			}
		})
	}
}

// corridor carries requests out of a synctest bubble to a gateway outside, so
// that the bubble's clock stands still while the gateway answers.
type corridor struct {
	out  chan *http.Request
	back chan carried
	// before is called with each operation before it is sent.
	before func(operation string)
	// accident, if it isn't nil, happens to the operation of that name: once, or
	// always. late has requests that were held back.
	accident  string
	operation string
	always    bool
	happened  bool
	late      []*http.Request
}

type carried struct {
	resp *http.Response
	body []byte
	err  error
}

// corridorTo starts the carrying, outside of the bubble.
func corridorTo(t *testing.T, gw *kshertest.Gateway) *corridor {
	c := &corridor{out: make(chan *http.Request), back: make(chan carried)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r := range c.out {
			resp, err := gw.HTTPClient().Do(r)
			var body []byte
			if err == nil {
				body, err = io.ReadAll(io.LimitReader(resp.Body, 2*smallAnswers))
				resp.Body.Close()
			}
			c.back <- carried{resp, body, err}
		}
	}()
	t.Cleanup(func() {
		close(c.out)
		<-done
	})
	return c
}

func (c *corridor) carry(r *http.Request) carried {
	c.out <- r
	return <-c.back
}

func (c *corridor) RoundTrip(r *http.Request) (*http.Response, error) {
	op := path.Base(r.URL.Path)
	c.before(op)
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	out, err := http.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = r.Header.Clone()
	strikes := c.accident != "" && op == c.operation && (c.always || !c.happened)
	c.happened = c.happened || strikes
	if strikes && c.accident == "held back" {
		c.late = append(c.late, out)
		return nil, errLine
	}
	got := c.carry(out)
	switch {
	case strikes && c.accident == "hangs":
		<-r.Context().Done()
		return nil, r.Context().Err()
	case strikes && c.accident == "sent twice":
		again, err := http.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		again.Header = r.Header.Clone()
		got = c.carry(again)
	}
	for _, late := range c.late {
		c.carry(late)
	}
	c.late = nil
	if got.err != nil {
		return nil, got.err
	}
	got.resp.Body, got.resp.Request = io.NopCloser(bytes.NewReader(got.body)), r
	return got.resp, nil
}

// Whatever goes wrong on the way, and whatever the buyer does: who is told paid
// has the money, who is told not paid or refused hasn't, and in between a person
// is asked for.
func TestTakeQuickPayAndTheMoney(t *testing.T) {
	t.Parallel()
	gw := kshertest.New(t)
	way := corridorTo(t, gw)
	buyers := []struct {
		name string
		// ends is how the buyer's code does.
		ends string
		// before is what the buyer does before a request, the n-th of the
		// operation.
		before func(no, operation string, n int)
		// want is how it goes without trouble.
		want string
	}{
		{"pays at once", "00", nil, paid},
		{"types a PIN", "01", func(no, op string, n int) {
			if op == "order_query" && n == 3 {
				gw.Pay(no, "")
			}
		}, paid},
		{"never types the PIN", "01", nil, notPaid},
		{"gives up, and pays later", "01", func(no, op string, n int) {
			if op == "order_query" && n == 2 {
				gw.GiveUp(no)
			}
			if op == "order_query" && n == 5 {
				gw.Pay(no, "")
			}
		}, paid},
		{"types a wrong PIN", "01", func(no, op string, n int) {
			if op == "order_query" && n == 3 {
				gw.Fail(no)
			}
		}, notPaid},
		{"lets it expire", "01", func(no, op string, n int) {
			if op == "order_query" && n == 3 {
				gw.Expire(no)
			}
		}, notPaid},
		{"pays just before the reversal", "01", func(no, op string, _ int) {
			if op == "order_reverse" {
				gw.Pay(no, "")
			}
		}, notPaid},
		{"pays after the reversal, if that's possible", "01", func(no, op string, n int) {
			if op == "order_query" && n > 8 {
				gw.Pay(no, "")
			}
		}, notPaid},
		{"is paid out before the reversal", "01", func(no, op string, _ int) {
			if op == "order_reverse" {
				gw.Pay(no, "")
				gw.Settle(no)
			}
		}, paid},
		{"shows an old code", "02", nil, refused},
		{"has no money", "03", nil, refused},
	}
	type mishap struct {
		name     string
		fault    kshertest.Fault
		accident string
	}
	mishaps := []mishap{{"hangs", kshertest.Fault{}, "hangs"}, {"held back", kshertest.Fault{}, "held back"}, {"sent twice", kshertest.Fault{}, "sent twice"}}
	for _, tr := range troubles() {
		if tr.fault.Kind != kshertest.FaultLatency && tr.fault.Kind != "" {
			mishaps = append(mishaps, mishap{tr.name, tr.fault, ""})
		}
	}
	for _, code := range []ksher.Code{ksher.CodeKsherInvalidOrderNo, ksher.CodeKsherDuplicatedOrderNo, ksher.CodeCancelError} {
		mishaps = append(mishaps, mishap{"refused " + string(code), kshertest.Fault{Kind: kshertest.FaultRefuse, Code: code}, ""})
	}
	number, ways, counts := 0, map[string]int{}, map[string]int{}
	take := func(t *testing.T, buyer int, op string, m mishap, always bool) string {
		number++
		req, b := goodQuickPay(), buyers[buyer]
		req.MchOrderNo, req.AuthCode = fmt.Sprint("order", number), testAuthCode[:16]+b.ends
		clear(counts)
		way.accident, way.operation, way.always, way.happened, way.late = m.accident, op, always, false, nil
		way.before = func(op string) {
			if counts[op]++; b.before != nil {
				b.before(req.MchOrderNo, op, counts[op])
			}
		}
		gw.ClearFaults()
		if m.fault.Operation = op; m.fault.Kind != "" {
			if m.fault.Count = 1; always {
				m.fault.Count = 1000
			}
			require.NoError(t, gw.Inject(m.fault))
		}
		var out string
		synctest.Test(t, func(t *testing.T) {
			client, err := gw.NewClient(ksher.WithRetry(1, 0), ksher.WithMaxResponseBytes(smallAnswers), onlyV1(), ksher.WithHTTPClient(&http.Client{Transport: way}))
			require.NoError(t, err)
			order, err := client.TakeQuickPay(t.Context(), req, ksher.WithPolling(10*time.Second, 10*time.Second))
			out = wayOut(t, order, err)
		})
		seen, err := gw.Order(req.MchOrderNo)
		arrived := err == nil
		charged := arrived && (seen.State == kshertest.Paid || seen.State == kshertest.RefundedInPart)
		switch out {
		case paid:
			require.True(t, charged, "it is %q", seen.State)
		case notPaid, refused:
			require.False(t, charged, "it is %q", seen.State)
			// Nor can it be charged any more.
			require.Error(t, gw.Pay(req.MchOrderNo, ""))
		}
		require.Equal(t, 1, counts["quick_pay"])
		require.LessOrEqual(t, counts["order_reverse"], 1)
		ways[out]++
		if arrived && !always && op != "order_reverse" {
			require.NotEqual(t, needsPerson, out, "one accident before the reversal is got over")
		}
		return out
	}
	for i, b := range buyers {
		t.Run(b.name, func(t *testing.T) { require.Equal(t, b.want, take(t, i, "", mishap{}, false)) })
		asked := maps.Clone(counts)
		for _, op := range []string{"quick_pay", "order_query", "order_reverse"} {
			if asked[op] == 0 {
				continue
			}
			for _, m := range mishaps {
				for _, always := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s %s, always %v", b.name, op, m.name, always), func(t *testing.T) { take(t, i, op, m, always) })
				}
			}
		}
	}
	for _, out := range []string{paid, notPaid, refused, needsPerson} {
		require.Positive(t, ways[out], out)
	}
}

// Two tills at once, or a till that was started again, charge an order once.
func TestTakeQuickPayAgain(t *testing.T) {
	gw := kshertest.New(t)
	no := 0
	again := func(first, second string, between func(no string)) (string, string) {
		no++
		req := goodQuickPay()
		req.MchOrderNo, req.AuthCode = fmt.Sprint("order", no), testAuthCode[:16]+first
		_, err := gw.Client.QuickPay(t.Context(), req)
		require.Equal(t, first == "01", errors.Is(err, ksher.ErrOutcomeUnknown))
		if between != nil {
			between(req.MchOrderNo)
		}
		req.AuthCode = testAuthCode[:16] + second
		order, err := gw.Client.TakeQuickPay(t.Context(), req)
		seen, gone := gw.Order(req.MchOrderNo)
		require.NoError(t, gone)
		require.LessOrEqual(t, events(&seen, "paid by "), 1)
		return wayOut(t, order, err), string(seen.State)
	}
	for _, tt := range []struct {
		name          string
		first, second string
		between       func(no string)
		want          string
	}{
		{"paid", "00", "00", nil, paid},
		{"paid, and then an old code", "00", "02", nil, paid},
		{"paid after the PIN", "01", "00", func(no string) { require.NoError(t, gw.Pay(no, "")) }, paid},
		{"failed", "01", "00", func(no string) { require.NoError(t, gw.Fail(no)) }, notPaid},
		{"reversed", "00", "00", func(no string) {
			_, err := gw.Client.OrderReverse(t.Context(), &ksher.OrderReverseRequest{MchOrderNo: no})
			require.NoError(t, err)
		}, notPaid},
		{"failed at once", "03", "00", nil, notPaid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, state := again(tt.first, tt.second, tt.between)
			require.Equal(t, tt.want, out, state)
		})
	}
}

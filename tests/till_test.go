package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// The ways out of Charge.
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
	require.NotContains(t, fmt.Sprintf("%v %+v %q", err, err, err), testkit.AuthCode[:8])
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
	charge, queries, reversal, after []testkit.Reply
}

func (s turns) hosts() *testkit.InMemory {
	m := &testkit.InMemory{}
	m.Answer = func(r *http.Request, op string, _ url.Values) ([]byte, error) {
		before := len(m.Questions(op))
		replies := map[string][]testkit.Reply{"quick_pay": s.charge, "order_query": s.queries, "order_reverse": s.reversal}[op]
		if op == "order_query" && len(m.Questions("order_reverse")) > 0 {
			reversed := m.Questions("order_reverse")[0].At
			for before = 0; before < len(m.Questions(op)) && !m.Questions(op)[len(m.Questions(op))-1-before].At.Before(reversed); {
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

func TestCharge(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "quick_pay: a charge in doubt is queried until it settles, and reversed if it doesn't")
	t.Parallel()
	var (
		success, typing  = testkit.Tells(ksher.ResultSuccess), testkit.Tells(ksher.ResultUserPaying)
		notSure, closed  = testkit.Tells(ksher.ResultNotSure), testkit.Tells(ksher.ResultClosed)
		refunded, failed = testkit.Tells(ksher.ResultRefund), testkit.Tells(ksher.ResultPayError)
		otherAmount      = testkit.Tells(ksher.ResultSuccess, testkit.WithTotal(99_99))
		bare             = testkit.Tells(ksher.ResultSuccess, testkit.WithTotal(0), testkit.WithCurrency(""), testkit.WithNumber(""))
		unknown          = testkit.Denies(ksher.CodeKsherInvalidOrderNo)
		isPaid           = testkit.Denies(ksher.CodeOrderAlreadyPayOperationCannotBePerformed)
	)
	const minute, over90 = time.Minute, 90 * time.Second
	r := func(replies ...testkit.Reply) []testkit.Reply { return replies }
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
		{name: "paid at once, by an answer about another order", till: turns{r(testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("order2"))), r(unknown, success), nil, nil}, want: paid, result: "SUCCESS", after: -1},
		{name: "paid at once, another amount", till: turns{r(otherAmount), r(otherAmount), nil, nil}, want: needsPerson, also: ksher.ErrOtherOrder, result: "SUCCESS"},
		{name: "paid at once, and nobody knows it", till: turns{r(bare), r(unknown), r(unknown), r(unknown)}, want: needsPerson, also: ksher.CodeKsherInvalidOrderNo, reversed: true, after: over90},

		{name: "paid after the PIN", till: turns{r(notSure), r(typing, typing, typing, success), nil, nil}, want: paid, result: "SUCCESS", after: -1},
		{name: "paid, and the answer got lost", till: turns{r(testkit.Breaks), r(success), nil, nil}, want: paid, result: "SUCCESS"},
		{name: "paid, and the charge was on its way", till: turns{r(testkit.Breaks), r(unknown, unknown, typing, success), nil, nil}, want: paid, result: "SUCCESS", after: -1},
		{name: "paid among garbage", till: turns{r(testkit.Says("<html>")), r(testkit.Breaks, testkit.Says(""), testkit.Denies(ksher.CodeSystemError), testkit.Tells(ksher.ResultClosed, testkit.WithNumber("order2")), typing, success), nil, nil}, want: paid, result: "SUCCESS", after: -1},
		{name: "the PIN was wrong", till: turns{r(notSure), r(typing, failed), nil, nil}, want: notPaid, result: "PAYERROR", after: -1},
		{name: "closed by somebody else", till: turns{r(notSure), r(typing, closed), nil, nil}, want: notPaid, result: "CLOSED", after: -1},
		{name: "refunded by somebody else", till: turns{r(notSure), r(refunded), nil, nil}, want: notPaid, result: "REFUND"},
		{name: "paid after the PIN, another amount", till: turns{r(notSure), r(typing, otherAmount), nil, nil}, want: needsPerson, also: ksher.ErrOtherOrder, result: "SUCCESS", after: -1},

		{name: "reversed", till: turns{r(notSure), r(typing), r(success), r(closed)}, want: notPaid, result: "CLOSED", reversed: true, after: minute},
		{name: "reversed, and the money goes back", till: turns{r(notSure), r(typing), r(success), r(refunded)}, want: notPaid, result: "REFUND", reversed: true, after: minute},
		{name: "reversed, which takes a while to show", till: turns{r(notSure), r(typing), r(success), r(typing, success, success, refunded)}, want: notPaid, result: "REFUND", reversed: true, after: -1},
		{name: "reversed without an effect", till: turns{r(notSure), r(typing), r(success), r(typing)}, want: needsPerson, result: "USERPAYING", reversed: true, after: over90},
		{name: "reversed, and paid for good", till: turns{r(notSure), r(typing), r(success), r(success)}, want: needsPerson, result: "SUCCESS", reversed: true, after: over90},
		{name: "reversed, and unknown afterwards", till: turns{r(notSure), r(typing), r(success), r(unknown)}, want: needsPerson, also: ksher.CodeKsherInvalidOrderNo, result: "USERPAYING", reversed: true, after: over90},
		{name: "reversed, and then the line is dead", till: turns{r(notSure), r(typing), r(success), r(testkit.Breaks)}, want: needsPerson, also: testkit.ErrLine, result: "USERPAYING", reversed: true, after: over90},
		{name: "reversed, and then another amount is paid", till: turns{r(notSure), r(typing), r(success), r(otherAmount)}, want: needsPerson, also: ksher.ErrOtherOrder, result: "SUCCESS", reversed: true, after: minute},
		{name: "reversed while queries were refused", till: turns{r(notSure), r(testkit.Denies(ksher.CodeNoAuth)), r(success), r(closed)}, want: notPaid, result: "CLOSED", reversed: true, after: -1},

		{name: "paid before the reversal", till: turns{r(notSure), r(typing), r(isPaid), r(success)}, want: paid, result: "SUCCESS", reversed: true, after: minute},
		{name: "paid, and the reversal wasn't sent", till: turns{r(notSure), r(typing), r(testkit.NotConnected), r(success)}, want: paid, result: "SUCCESS", reversed: true, after: minute},
		{name: "reversed twice by the network, which takes long to show", till: turns{r(notSure), r(typing), r(testkit.Denies(ksher.CodeOrderAlreadyRefund)), r(success)}, want: needsPerson, also: ksher.CodeOrderAlreadyRefund, result: "SUCCESS", reversed: true, after: over90},
		{name: "reversed twice by the network", till: turns{r(notSure), r(typing), r(testkit.Denies(ksher.CodeOrderAlreadyRefund)), r(success, refunded)}, want: notPaid, result: "REFUND", reversed: true, after: -1},
		{name: "the reversal is refused", till: turns{r(notSure), r(typing), r(testkit.Denies(ksher.CodeNoAuth)), r(typing)}, want: needsPerson, also: ksher.CodeNoAuth, result: "USERPAYING", reversed: true, after: over90},
		{name: "the reversal is refused, and it fails", till: turns{r(notSure), r(typing), r(testkit.Denies(ksher.CodeNoAuth)), r(typing, failed)}, want: notPaid, result: "PAYERROR", reversed: true, after: -1},
		{name: "the reversal's answer gets lost", till: turns{r(notSure), r(typing), r(testkit.Breaks), r(typing, closed)}, want: notPaid, result: "CLOSED", reversed: true, after: -1},
		{name: "the reversal is on its way", till: turns{r(notSure), r(typing), r(testkit.Breaks), r(success, refunded)}, want: notPaid, result: "REFUND", reversed: true, after: -1},
		{name: "the reversal is on its way for long", till: turns{r(notSure), r(typing), r(testkit.Breaks), r(success)}, want: needsPerson, also: testkit.ErrLine, result: "SUCCESS", reversed: true, after: over90},
		{name: "the reversal times out behind the gateway", till: turns{r(notSure), r(typing), r(testkit.Denies(ksher.CodeSystemError)), r(success)}, want: needsPerson, also: ksher.CodeSystemError, result: "SUCCESS", reversed: true, after: over90},
		{name: "the reversal's answer is new", till: turns{r(notSure), r(typing), r(testkit.Tells("SOMETHING_NEW")), r(success)}, want: needsPerson, result: "SUCCESS", reversed: true, after: over90},
		{name: "nothing but a dead line", till: turns{r(testkit.Breaks), r(testkit.Breaks), r(testkit.Breaks), r(testkit.Breaks)}, want: needsPerson, also: testkit.ErrLine, reversed: true, after: over90},

		{name: "the charge never arrived", till: turns{r(testkit.Breaks), r(unknown), r(unknown), r(unknown)}, want: needsPerson, also: ksher.CodeKsherInvalidOrderNo, reversed: true, after: over90},
		{name: "the charge never arrived, and the reversal got lost", till: turns{r(testkit.Breaks), r(unknown), r(testkit.Breaks), r(unknown)}, want: needsPerson, also: testkit.ErrLine, reversed: true, after: over90},
		{name: "the charge never arrived, and was reversed", till: turns{r(testkit.Breaks), r(unknown), r(success), r(unknown)}, want: needsPerson, reversed: true, after: over90},
		{name: "the charge arrived, and is unknown later", till: turns{r(testkit.Breaks), r(typing, unknown), r(unknown), r(unknown)}, want: needsPerson, result: "USERPAYING", reversed: true, after: over90},
		{name: "queries fail, and the reversal knows no such order", till: turns{r(testkit.Breaks), r(testkit.Breaks), r(unknown), r(unknown)}, want: needsPerson, reversed: true, after: over90},

		{name: "not sent", till: turns{charge: r(testkit.NotConnected)}, want: refused, also: testkit.ErrLine},
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
		reversing := test{name: "paid, and the reversal is refused by " + string(code), till: turns{r(notSure), r(typing), r(testkit.Denies(code)), r(success)}, want: needsPerson, also: code, result: "SUCCESS", reversed: true, after: over90}
		if stays {
			reversing.want, reversing.also, reversing.after = paid, nil, minute
		}
		tests = append(tests, reversing)

		info, _ := code.Info()
		switch {
		case code == ksher.CodeSystemError, code == ksher.CodeKsherSystemError, code == ksher.CodeKsherChannelResponseError,
			code == ksher.CodeRefundFailed, code == ksher.CodePriceNotExist, code == ksher.CodeQueryOrderError:
		case info.Action == ksher.ActionCorrectRequest, info.Action == ksher.ActionContactKsher, info.Action == ksher.ActionAskBuyer, info.Action == ksher.ActionByHand:
			tests = append(tests, test{name: "refused by " + string(code), till: turns{charge: r(testkit.Denies(code))}, want: refused, also: code})
			continue
		}
		// Such a code says that there is an order of that number, or may be.
		no := testkit.Denies(code)
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
				order, err := testkit.PaymentsOf(t, hosts.Client(t)).Charge(t.Context(), testkit.GoodQuickPay())
				require.Equal(t, tt.want, wayOut(t, order, err), "%v", err)
				if tt.also != nil {
					require.ErrorIs(t, err, tt.also)
				}
				if err != nil {
					require.ErrorContains(t, err, testkit.OrderNo)
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
				require.Len(t, hosts.Questions("quick_pay"), 1, "the charge was repeated")
				reversals := 0
				if tt.reversed {
					reversals = 1
				}
				require.Len(t, hosts.Questions("order_reverse"), reversals)
			})
		})
	}
}

// What it asks for, and when.
func TestChargeSchedule(t *testing.T) {
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
				notSure, typing := testkit.Tells(ksher.ResultNotSure), testkit.Tells(ksher.ResultUserPaying)
				hosts := turns{[]testkit.Reply{notSure}, []testkit.Reply{typing}, []testkit.Reply{testkit.Breaks}, []testkit.Reply{typing}}.hosts()
				req, start := testkit.GoodQuickPay(), time.Now()
				req.Channel, req.OperatorID, req.Extra = ksher.ChannelAlipay, "somchai", ksher.Extra{Params: map[string]string{"new": "1"}}
				_, err := testkit.PaymentsOf(t, hosts.Client(t)).Charge(t.Context(), req, tt.opts...)
				require.ErrorIs(t, err, ksher.ErrNeedsPerson)

				reversal := hosts.Questions("order_reverse")[0]
				require.Equal(t, time.Minute, reversal.At.Sub(start))
				require.Equal(t, []string{testkit.OrderNo, "alipay", "somchai"}, []string{reversal.Form.Get("mch_order_no"), reversal.Form.Get("channel"), reversal.Form.Get("operator_id")})
				for _, begin := range []time.Time{start, reversal.At} {
					last, n, skip := begin, 0, begin.Equal(reversal.At)
					for _, q := range hosts.Questions("order_query") {
						require.False(t, q.Form.Has("auth_code"))
						if q.At.Before(begin) || begin.Equal(start) && q.At.After(reversal.At) {
							continue
						}
						if skip { // The last one before the reversal.
							skip = false
							continue
						}
						pause, want := q.At.Sub(last), time.Duration(0)
						if n > 0 {
							want = tt.want[min(n, len(tt.want))-1]
						}
						if last := begin.Add(map[bool]time.Duration{true: time.Minute, false: 30 * time.Second}[begin.Equal(start)]); q.At.Equal(last) {
							break // The last query comes when the time is over.
						}
						require.InDelta(t, want, pause, float64(want)/5+float64(time.Millisecond), "pause %d", n)
						last, n = q.At, n+1
					}
					require.Greater(t, n, 3)
				}
			})
		})
	}
}

// A charge is reversed also if the cashier's context ends first.
func TestChargeOfContextThatEnds(t *testing.T) {
	r := func(replies ...testkit.Reply) []testkit.Reply { return replies }
	typing, notSure, success := testkit.Tells(ksher.ResultUserPaying), testkit.Tells(ksher.ResultNotSure), testkit.Tells(ksher.ResultSuccess)
	closed := testkit.Tells(ksher.ResultClosed)
	for _, tt := range []struct {
		name  string
		ends  time.Duration
		till  turns
		want  string
		known bool
		// after is how long after the end of the context it returned.
		after time.Duration
	}{
		{"in the charge", time.Second, turns{r(hangs), nil, r(success), r(closed)}, notPaid, true, 0},
		{"in the first query", time.Second, turns{r(notSure), r(hangs), r(success), r(closed)}, notPaid, true, 0},
		{"in a query", 10 * time.Second, turns{r(notSure), r(typing, hangs), r(success), r(closed)}, notPaid, true, 0},
		{"between queries", 500 * time.Millisecond, turns{r(notSure), r(typing), r(success), r(closed)}, notPaid, true, 0},
		{"between queries, and it was paid", 500 * time.Millisecond, turns{r(notSure), r(typing), r(testkit.Denies(ksher.CodeOrderPaid)), r(success)}, paid, true, 0},
		{"and the reversal hangs", 500 * time.Millisecond, turns{r(notSure), r(typing), r(hangs), r(closed)}, notPaid, true, 30 * time.Second},
		{"and nobody answers", time.Second, turns{r(hangs), nil, r(hangs), r(testkit.Breaks)}, needsPerson, false, time.Minute},
		{"and it stays unclear", time.Second, turns{r(notSure), r(typing), r(success), r(typing)}, needsPerson, true, 30 * time.Second},
		{"and it seems paid", time.Second, turns{r(notSure), r(typing), r(success), r(success)}, needsPerson, true, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.ends)
				defer cancel()
				start, hosts := time.Now(), tt.till.hosts()
				order, err := testkit.PaymentsOf(t, hosts.Client(t)).Charge(ctx, testkit.GoodQuickPay())
				require.Equal(t, tt.want, wayOut(t, order, err), "%v", err)
				require.Equal(t, tt.known, order != nil)
				require.Equal(t, tt.ends+tt.after, time.Since(start))
				require.Len(t, hosts.Questions("order_reverse"), 1)
			})
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hosts := turns{charge: []testkit.Reply{testkit.Tells(ksher.ResultSuccess)}}.hosts()
	order, err := testkit.PaymentsOf(t, hosts.Client(t)).Charge(ctx, testkit.GoodQuickPay())
	require.Equal(t, refused, wayOut(t, order, err))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, hosts.Questions(""))
}

func TestChargeRefuses(t *testing.T) {
	hosts := turns{}.hosts()
	client := testkit.PaymentsOf(t, hosts.Client(t))
	for _, tt := range []struct {
		name   string
		client *ksher.Payments
		ctx    context.Context
		req    *ksher.QuickPayRequest
		opts   []ksher.WaitOption
		want   string
	}{
		{"no payments", nil, t.Context(), testkit.GoodQuickPay(), nil, "payments was not made by NewPayments"},
		{"payments of its own making", &ksher.Payments{}, t.Context(), testkit.GoodQuickPay(), nil, "payments was not made by NewPayments"},
		{"no context", client, nil, testkit.GoodQuickPay(), nil, "context is nil"},
		{"no request", client, t.Context(), nil, nil, "request is nil"},
		{"a nil option", client, t.Context(), testkit.GoodQuickPay(), []ksher.WaitOption{nil}, "an option is nil"},
		{"a bad option", client, t.Context(), testkit.GoodQuickPay(), []ksher.WaitOption{ksher.WithPolling(0, 0)}, "WithPolling"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			order, err := tt.client.Charge(tt.ctx, tt.req, tt.opts...)
			require.ErrorContains(t, err, tt.want)
			require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
			require.Nil(t, order)
		})
	}
	require.Empty(t, hosts.Questions(""), "nothing is sent")
}

// Two tills at once, or a till that was started again, charge an order once.
func TestChargeAgain(t *testing.T) {
	gw := sandbox.New(t)
	no := 0
	again := func(first, second string, between func(no string)) (string, string) {
		no++
		req := testkit.GoodQuickPay()
		req.MchOrderNo, req.AuthCode = fmt.Sprint("order", no), ksher.NewSecret(testkit.AuthCode[:16]+first)
		_, err := gw.Client.QuickPay(t.Context(), req)
		require.Equal(t, first == "01", errors.Is(err, ksher.ErrOutcomeUnknown))
		if between != nil {
			between(req.MchOrderNo)
		}
		req.AuthCode = ksher.NewSecret(testkit.AuthCode[:16] + second)
		order, err := testkit.PaymentsOf(t, gw.Client).Charge(t.Context(), req)
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

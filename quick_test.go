package ksher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
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

func TestQuickPay(t *testing.T) {
	const data = `{"appid":"mch12345","mch_order_no":"order1","ksher_order_no":"900","channel_order_no":"4200","channel":"alipay",
		"fee_type":"THB","total_fee":"10000","cash_fee":2234,"cash_fee_type":"CNY","rate":"0.223410","result":"SUCCESS",
		"time_end":"2026-11-21 09:00:00","openid":"buyer-4711","operation":"QUICK-PAY","operator_id":25382,"device_id":7,"nonce_str":"n1"}`
	full := testkit.GoodQuickPay()
	full.Channel, full.OperatorID, full.Extra = ksher.ChannelAlipay, "somchai", ksher.Extra{Params: map[string]string{"new": "1"}}
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

func TestQuickPayRefusesBadRequests(t *testing.T) {
	changes := []change[ksher.QuickPayRequest]{
		{"good", func(*ksher.QuickPayRequest) {}, nil},
		{"a code in letters", func(r *ksher.QuickPayRequest) { r.AuthCode = ksher.NewSecret("abc-1") }, nil},
		{"a number of 32 characters", func(r *ksher.QuickPayRequest) { r.MchOrderNo = testkit.Thai32 }, nil},
		{"the largest amount", func(r *ksher.QuickPayRequest) { r.TotalFee = maxAmount }, nil},
		{"nothing", func(r *ksher.QuickPayRequest) { *r = ksher.QuickPayRequest{} }, []string{"mch_order_no", "total_fee", "fee_type", "auth_code"}},
		{"no number", func(r *ksher.QuickPayRequest) { r.MchOrderNo = " " }, []string{"mch_order_no"}},
		{"a long number", func(r *ksher.QuickPayRequest) { r.MchOrderNo = testkit.Thai33 }, []string{"mch_order_no"}},
		{"a number that isn't UTF-8", func(r *ksher.QuickPayRequest) { r.MchOrderNo = "\xff" }, []string{"mch_order_no"}},
		{"no code", func(r *ksher.QuickPayRequest) { r.AuthCode = ksher.NewSecret("") }, []string{"auth_code"}},
		{"a blank code", func(r *ksher.QuickPayRequest) { r.AuthCode = ksher.NewSecret("\r\n") }, []string{"auth_code"}},
		{"a code that isn't UTF-8", func(r *ksher.QuickPayRequest) { r.AuthCode = ksher.NewSecret(testkit.AuthCode + "\xff") }, []string{"auth_code"}},
		{"no currency", func(r *ksher.QuickPayRequest) { r.FeeType = "" }, []string{"fee_type"}},
		{"a currency in small letters", func(r *ksher.QuickPayRequest) { r.FeeType = "thb" }, []string{"fee_type"}},
		{"the code as an extra", func(r *ksher.QuickPayRequest) {
			r.Extra = ksher.Extra{Params: map[string]string{"auth_code": testkit.AuthCode}}
		}, []string{"auth_code"}},
	}
	for name, amount := range badAmounts {
		changes = append(changes, change[ksher.QuickPayRequest]{name, func(r *ksher.QuickPayRequest) { r.TotalFee = amount }, []string{"total_fee"}})
	}
	checkRequest(t, "quick_pay", testkit.GoodQuickPay, func(ctx context.Context, c *ksher.Client, r *ksher.QuickPayRequest) error {
		_, err := c.QuickPay(ctx, r)
		if err != nil {
			require.NotContains(t, fmt.Sprintf("%+v", err), testkit.AuthCode[:8])
			order, taken := testkit.PaymentsOf(t, c).Charge(ctx, r)
			require.Equal(t, err, taken, "Charge refuses the same")
			require.Nil(t, order)
		}
		return err
	}, changes)

	reversing := func() *ksher.OrderReverseRequest { return &ksher.OrderReverseRequest{MchOrderNo: testkit.OrderNo} }
	checkRequest(t, "order_reverse", reversing, func(ctx context.Context, c *ksher.Client, r *ksher.OrderReverseRequest) error {
		_, err := c.OrderReverse(ctx, r)
		return err
	}, []change[ksher.OrderReverseRequest]{
		{"good", func(*ksher.OrderReverseRequest) {}, nil},
		{"by Ksher's number", func(r *ksher.OrderReverseRequest) { r.MchOrderNo, r.KsherOrderNo = "", "900" }, nil},
		{"no number", func(r *ksher.OrderReverseRequest) { r.MchOrderNo = "" }, []string{"mch_order_no"}},
		{"a long number", func(r *ksher.OrderReverseRequest) { r.MchOrderNo = testkit.Thai33 }, nil},
		{"a channel that isn't UTF-8", func(r *ksher.OrderReverseRequest) { r.Channel = "\xff" }, []string{"channel"}},
	})
}

// Anything but a believable yes and a documented no leaves a charge and a
// reversal in doubt.
func TestQuickPayOutcomes(t *testing.T) {
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

// A gateway or a proxy may echo what it was sent. The code is as good as money for
// as long as it lives.
func TestAuthCodeIsNotTold(t *testing.T) {
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
			var logged testkit.LogBuffer
			var told []error
			server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				code := r.PostFormValue("auth_code")
				how, text, _ := strings.Cut(answer, " ")
				if strings.Contains(text, "%") {
					text = fmt.Sprintf(text, code)
				}
				switch how {
				case "cut":
					testkit.Cut(w, text)
				case "signed":
					testkit.Answering(200, testkit.SignedAnswer(t, `{"result":"`+code+`"}`)).ServeHTTP(w, r)
				case "500":
					testkit.Answering(500, text).ServeHTTP(w, r)
				case "400":
					testkit.Answering(400, text).ServeHTTP(w, r)
				default:
					testkit.Answering(200, text).ServeHTTP(w, r)
				}
			})
			client := testkit.NewClient(t, server, ksher.WithLogger(logged.Logger(0)), ksher.WithHook(func(ctx context.Context, _ ksher.Attempt) (context.Context, func(ksher.Attempt)) {
				return ctx, func(a ksher.Attempt) { told = append(told, a.Err) }
			}))
			_, err := client.QuickPay(t.Context(), testkit.GoodQuickPay())
			require.Error(t, err)
			require.Len(t, told, 1)
			texts := []string{logged.Text(), fmt.Sprintf("%v %+v %q %s", err, err, err, err), fmt.Sprintf("%v %+v", told[0], told[0])}
			var failed *ksher.Error
			require.ErrorAs(t, err, &failed)
			texts = append(texts, failed.Message, string(failed.Code))
			for _, text := range texts {
				require.NotContains(t, text, testkit.AuthCode[:8])
			}
			if name == "err_msg" {
				require.ErrorIs(t, err, ksher.CodeOrderPaymentError)
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
			} else {
				require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
			}
			if name == "a member's name" {
				require.ErrorIs(t, err, fault.ErrNotJSON)
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
func corridorTo(t *testing.T, gw *sandbox.Gateway) *corridor {
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
		return nil, testkit.ErrLine
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

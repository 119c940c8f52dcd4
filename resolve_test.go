package ksher_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/kshertest"
)

// answersOf is both hosts, each operation of which gives its reply.
func answersOf(replies map[string]reply) *inMemory {
	return &inMemory{answer: func(r *http.Request, op string, _ url.Values) ([]byte, error) {
		if fn := replies[op]; fn != nil {
			return fn(r)
		}
		return []byte(`{"code":1,"msg":"not expected in this test"}`), nil
	}}
}

// lists answers a refund_query with refunds of the order.
func lists(refunds ...ksher.Refund) reply {
	return func(*http.Request) ([]byte, error) {
		list := []map[string]any{}
		for _, r := range refunds {
			list = append(list, map[string]any{"mch_refund_no": r.MchRefundNo, "mch_refund_fee": amountText(r.MchRefundFee), "refund_state": r.RefundState})
		}
		return kshertest.SignedResponse(map[string]any{
			"appid": kshertest.AppID, "fee_type": "THB", "total_fee": 10000, "result": "SUCCESS",
			"refund_count": fmt.Sprint(len(list)), "refund_orders": list,
		}), nil
	}
}

// amountText is how Ksher writes an amount that it may not have.
func amountText(a ksher.Amount) string {
	if a == 0 {
		return ""
	}
	return fmt.Sprint(int64(a))
}

func refundOf(no string, fee ksher.Amount, state ksher.RefundState) ksher.Refund {
	return ksher.Refund{MchRefundNo: no, MchRefundFee: fee, RefundState: state}
}

func cancelling() ksher.Doubtful   { return &ksher.CancelOrderRequest{MchOrderNo: testOrderNo} }
func closingOrder() ksher.Doubtful { return &ksher.OrderCloseRequest{MchOrderNo: testOrderNo} }
func refunding() ksher.Doubtful    { return goodOrderRefund() }
func gatewayRefunding() ksher.Doubtful {
	return &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: testOrderNo, MchRefundNo: testRefundNo, RefundFee: 50_00}
}

// errAny stands for an error whose kind is no matter.
var errAny = errors.New("any")

func TestResolve(t *testing.T) {
	done := refundOf(testRefundNo, 50_00, ksher.RefundStateSuccess)
	paid := tells(ksher.ResultSuccess, payableBy(ksher.ChannelTrueMoney), asKsherNo("90020261121"), asMerchantHostNo("pay1"))
	// paidNative is without pay_mch_order_no, as the merchant host has it.
	paidNative := tells(ksher.ResultSuccess, payableBy(ksher.ChannelWeChat), asKsherNo("90020261121"))
	// kinds has the requests that can be in doubt, with the query that tells of
	// their order.
	created := []struct {
		name  string
		req   ksher.Doubtful
		query string
	}{
		{"gateway_pay", goodGatewayPay(), "gateway_order_query"},
		{"native_pay", goodNativePay(), "order_query"},
	}
	ended := []struct {
		name  string
		req   ksher.Doubtful
		query string
	}{
		{"cancel_order", cancelling(), "gateway_order_query"},
		{"order_close", closingOrder(), "order_query"},
	}
	refunds := []struct {
		name  string
		req   ksher.Doubtful
		query string
		paid  reply
	}{
		{"order_refund", refunding(), "order_query", paidNative},
		{"Refund", gatewayRefunding(), "gateway_order_query", paid},
	}

	type test struct {
		name    string
		req     ksher.Doubtful
		replies map[string]reply
		// verdict is what is found out, or want the error instead.
		verdict ksher.Verdict
		want    error
		// result is that of the order that is told, and refund what is told of the
		// refund.
		result ksher.Result
		refund *ksher.Refund
		// asked has the queries.
		asked []string
	}
	var tests []test
	add := func(name string, req ksher.Doubtful, replies map[string]reply, verdict ksher.Verdict, want error, result ksher.Result, refund *ksher.Refund, asked ...string) {
		tests = append(tests, test{name, req, replies, verdict, want, result, refund, asked})
	}
	// troubles are what a query can end in that teaches nothing.
	troubles := []struct {
		name  string
		reply reply
		want  error
	}{
		{"the line is dead", breaks, errLine},
		{"no JSON", says("<html>"), fault.ErrNotJSON},
		{"nothing", says(""), fault.ErrEmptyBody},
		{"not signed", says(`{"code":0,"data":{"appid":"mch00000","mch_order_no":"order1","result":"CLOSED"}}`), fault.ErrSignatureMissing},
		{"badly signed", says(`{"code":0,"data":{"appid":"mch00000","mch_order_no":"order1","result":"CLOSED"},"sign":"` + strings.Repeat("0", 128) + `"}`), fault.ErrSignatureMismatch},
		{"refused", denies(ksher.CodeNoAuth), ksher.CodeNoAuth},
		{"out of order", denies(ksher.CodeSystemError), ksher.CodeSystemError},
		{"an undocumented code", denies("TEAPOT"), ksher.Code("TEAPOT")},
		{"refused by the envelope", says(`{"code":1,"msg":"SYSTEMERROR"}`), ksher.CodeSystemError},
	}
	unknownCodes := []ksher.Code{ksher.CodeOrderNotExist, ksher.CodeOrderNotExistR, ksher.CodeInvalidOrderNo, ksher.CodeKsherInvalidOrderNo}

	for _, k := range created {
		for _, result := range []ksher.Result{"NOTPAY", "NOTSURE", "USERPAYING", "SUCCESS", "CLOSED", "PAYERROR", "REFUND", "SOMETHING_NEW"} {
			add(k.name+" found "+string(result), k.req, map[string]reply{k.query: tells(result)}, ksher.VerdictCarriedOut, nil, result, nil, k.query)
		}
		add(k.name+" found without an amount", k.req, map[string]reply{k.query: tells(ksher.ResultNotSure, over(0), inCurrency(""))}, ksher.VerdictCarriedOut, nil, "NOTSURE", nil, k.query)
		add(k.name+" over another amount", k.req, map[string]reply{k.query: tells(ksher.ResultNotPay, over(99_99))}, "", ksher.ErrOtherOrder, "", nil, k.query)
		add(k.name+" in another currency", k.req, map[string]reply{k.query: tells(ksher.ResultNotPay, inCurrency("JPY"))}, "", ksher.ErrOtherOrder, "", nil, k.query)
		for _, code := range unknownCodes {
			add(k.name+" "+string(code), k.req, map[string]reply{k.query: denies(code)}, ksher.VerdictNotCarriedOut, nil, "", nil, k.query)
		}
		add(k.name+" unknown by the envelope", k.req, map[string]reply{k.query: says(`{"code":1,"msg":"ORDER_NOT_EXIST"}`)}, ksher.VerdictNotCarriedOut, nil, "", nil, k.query)
	}
	for _, k := range ended {
		add(k.name+" done", k.req, map[string]reply{k.query: tells(ksher.ResultClosed)}, ksher.VerdictCarriedOut, nil, "CLOSED", nil, k.query)
		for _, result := range []ksher.Result{"NOTPAY", "USERPAYING", "SUCCESS", "REFUND", "PAYERROR"} {
			add(k.name+" but "+string(result), k.req, map[string]reply{k.query: tells(result)}, ksher.VerdictNotCarriedOut, nil, result, nil, k.query)
		}
		for _, result := range []ksher.Result{"NOTSURE", "PENDING", "SOMETHING_NEW", ""} {
			add(k.name+" but "+string(result), k.req, map[string]reply{k.query: tells(result)}, ksher.VerdictStillUnknown, nil, result, nil, k.query)
		}
		for _, code := range unknownCodes {
			add(k.name+" "+string(code), k.req, map[string]reply{k.query: denies(code)}, "", code, "", nil, k.query)
		}
	}
	for _, k := range refunds {
		// The merchant host knows a gateway order by another number.
		atMerchant := tells(ksher.ResultSuccess, numbered("pay1"), asKsherNo("90020261121"))
		both := func(order, refund reply) map[string]reply {
			if k.query == "order_query" {
				return map[string]reply{"order_query": order, "refund_query": refund}
			}
			return map[string]reply{k.query: order, "order_query": atMerchant, "refund_query": refund}
		}
		add := func(name string, req ksher.Doubtful, replies map[string]reply, verdict ksher.Verdict, want error, result ksher.Result, refund *ksher.Refund, asked ...string) {
			if len(asked) == 2 && k.query != "order_query" {
				asked = []string{asked[0], "order_query", asked[1]}
			}
			add(name, req, replies, verdict, want, result, refund, asked...)
		}
		// What isn't complete proves nothing.
		for name, data := range map[string]string{
			"counted but not listed":            `{"result":"SUCCESS","refund_count":"1","refund_orders":[]}`,
			"counted as a number":               `{"result":"SUCCESS","refund_count":1,"refund_orders":[]}`,
			"listed but not counted":            `{"result":"SUCCESS","refund_orders":[]}`,
			"counted as none, without a list":   `{"result":"SUCCESS","refund_count":"0"}`,
			"with a list that is null":          `{"result":"SUCCESS","refund_count":"0","refund_orders":null}`,
			"with a list that is an empty text": `{"result":"SUCCESS","refund_count":"0","refund_orders":""}`,
		} {
			signed := says(string(kshertest.SignedResponse(json.RawMessage(data))))
			add(k.name+" "+name, k.req, both(k.paid, signed), ksher.VerdictStillUnknown, nil, "SUCCESS", nil, k.query, "refund_query")
		}
		for _, data := range []string{`{"result":"NOTSURE","refund_count":"0","refund_orders":[]}`, `{"result":"PENDING","refund_count":"0","refund_orders":[]}`, `{"refund_count":"0","refund_orders":[]}`} {
			signed := says(string(kshertest.SignedResponse(json.RawMessage(data))))
			add(k.name+" answered "+data, k.req, both(k.paid, signed), "", errAny, "", nil, k.query, "refund_query")
		}
		empty := refundOf(testRefundNo, 0, ksher.RefundStateSuccess)
		add(k.name+" listed without an amount", k.req, both(k.paid, lists(empty)), ksher.VerdictStillUnknown, nil, "SUCCESS", &empty, k.query, "refund_query")
		if k.query != "order_query" {
			unknownThere := both(k.paid, lists())
			unknownThere["order_query"] = denies(ksher.CodeKsherInvalidOrderNo)
			tests = append(tests, test{k.name + " of an order that the merchant host doesn't know", k.req, unknownThere, ksher.VerdictStillUnknown, nil, "SUCCESS", nil, []string{k.query, "order_query"}})
		}
		add(k.name+" done", k.req, both(k.paid, lists(done)), ksher.VerdictCarriedOut, nil, "SUCCESS", &done, k.query, "refund_query")
		add(k.name+" done among others", k.req, both(k.paid, lists(refundOf("refund0", 1_00, ksher.RefundStateSuccess), done, refundOf("refund2", 50_00, "REFUNDING"))),
			ksher.VerdictCarriedOut, nil, "SUCCESS", &done, k.query, "refund_query")
		add(k.name+" missing from the list", k.req, both(k.paid, lists(refundOf("refund2", 50_00, ksher.RefundStateSuccess))), ksher.VerdictNotCarriedOut, nil, "SUCCESS", nil, k.query, "refund_query")
		add(k.name+" missing from an empty list", k.req, both(k.paid, lists()), ksher.VerdictNotCarriedOut, nil, "SUCCESS", nil, k.query, "refund_query")
		for _, state := range []ksher.RefundState{"REFUNDING", "REFUNDFAIL", "refundsuccess", ""} {
			listed := refundOf(testRefundNo, 50_00, state)
			add(k.name+" listed as "+string(state), k.req, both(k.paid, lists(listed)), ksher.VerdictStillUnknown, nil, "SUCCESS", &listed, k.query, "refund_query")
		}
		add(k.name+" of another amount", k.req, both(k.paid, lists(refundOf(testRefundNo, 49_99, ksher.RefundStateSuccess))), "", ksher.ErrOtherOrder, "", nil, k.query, "refund_query")
		for _, result := range []ksher.Result{"NOTPAY", "USERPAYING", "CLOSED", "PAYERROR"} {
			add(k.name+" of an order that is "+string(result), k.req, both(tells(result), breaks), ksher.VerdictNotCarriedOut, nil, result, nil, k.query)
		}
		for _, result := range []ksher.Result{"NOTSURE", "PENDING", "REFUNDING", ""} {
			add(k.name+" of an order that is "+string(result), k.req, both(tells(result), breaks), ksher.VerdictStillUnknown, nil, result, nil, k.query)
		}
		for _, channel := range []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelAlipay, ksher.ChannelAlipayPlus} {
			add(k.name+" by "+string(channel), k.req, both(tells(ksher.ResultSuccess, payableBy(channel)), breaks), ksher.VerdictStillUnknown, nil, "SUCCESS", nil, k.query)
			add(k.name+" of everything by "+string(channel), k.req, both(tells(ksher.ResultRefund, payableBy(channel)), breaks), ksher.VerdictStillUnknown, nil, "REFUND", nil, k.query)
		}
		add(k.name+" by an unknown channel", k.req, both(tells(ksher.ResultSuccess, payableBy("newpay"), asKsherNo("90020261121")), lists(done)), ksher.VerdictCarriedOut, nil, "SUCCESS", &done, k.query, "refund_query")
		for _, code := range unknownCodes {
			add(k.name+" of an order that is unknown: "+string(code), k.req, both(denies(code), lists(done)), "", code, "", nil, k.query)
			add(k.name+" that is unknown: "+string(code), k.req, both(k.paid, denies(code)), ksher.VerdictStillUnknown, nil, "SUCCESS", nil, k.query, "refund_query")
		}
		for _, trouble := range troubles {
			add(k.name+", refund query: "+trouble.name, k.req, both(k.paid, trouble.reply), "", trouble.want, "", nil, k.query, "refund_query")
		}
	}
	for _, trouble := range troubles {
		for _, k := range created {
			add(k.name+": "+trouble.name, k.req, map[string]reply{k.query: trouble.reply}, "", trouble.want, "", nil, k.query)
		}
		for _, k := range ended {
			add(k.name+": "+trouble.name, k.req, map[string]reply{k.query: trouble.reply}, "", trouble.want, "", nil, k.query)
		}
		for _, k := range refunds {
			add(k.name+": "+trouble.name, k.req, map[string]reply{k.query: trouble.reply}, "", trouble.want, "", nil, k.query)
		}
	}
	for _, other := range []reply{tells(ksher.ResultClosed, numbered("order2")), tells(ksher.ResultSuccess, numbered("order2"))} {
		for _, k := range append(created, ended...) {
			add(k.name+" answered about another order", k.req, map[string]reply{k.query: other}, "", ksher.ErrOtherOrder, "", nil, k.query)
		}
		for _, k := range refunds {
			add(k.name+" answered about another order", k.req, map[string]reply{k.query: other}, "", ksher.ErrOtherOrder, "", nil, k.query)
		}
	}

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hosts := answersOf(tt.replies)
			res, err := hosts.client(t).Resolve(t.Context(), tt.req)
			var asked []string
			for _, q := range hosts.questions("") {
				asked = append(asked, q.operation)
			}
			require.Equal(t, tt.asked, asked)
			if tt.want != nil {
				if tt.want != errAny {
					require.ErrorIs(t, err, tt.want)
				}
				require.Error(t, err)
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown, "the query's outcome isn't the request's")
				require.ErrorContains(t, err, "order")
				require.Nil(t, res)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.verdict, res.Verdict)
			if tt.result == "" && res.Order == nil {
				require.Nil(t, res.Order)
			} else {
				require.Equal(t, tt.result, res.Order.Result)
				require.Equal(t, testOrderNo, res.Order.MchOrderNo)
			}
			require.Equal(t, tt.refund, res.Refund)
		})
	}
}

// An answer that leaves the order's number out isn't about any order.
func TestResolveByAnAnswerAboutNothing(t *testing.T) {
	nothing := tells(ksher.ResultClosed, numbered(""))
	for _, req := range []ksher.Doubtful{goodGatewayPay(), goodNativePay(), cancelling(), closingOrder(), refunding(), gatewayRefunding()} {
		hosts := answersOf(map[string]reply{"gateway_order_query": nothing, "order_query": nothing})
		_, err := hosts.client(t).Resolve(t.Context(), req)
		require.ErrorIs(t, err, ksher.ErrOtherOrder, "%T", req)
	}
}

// Which numbers the queries name the order and the refund by.
func TestResolveAsksBy(t *testing.T) {
	listed := lists(refundOf(testRefundNo, 50_00, ksher.RefundStateSuccess))
	byKsherNo := goodOrderRefund()
	byKsherNo.MchOrderNo, byKsherNo.KsherOrderNo = "", "900"
	byChannelNo := goodOrderRefund()
	byChannelNo.MchOrderNo, byChannelNo.ChannelOrderNo = "", "4200"
	tests := []struct {
		name          string
		req           ksher.Doubtful
		order         reply
		query, refund map[string]string
	}{
		{
			"a gateway order by card", gatewayRefunding(), tells("SUCCESS", payableBy(ksher.ChannelCard), asKsherNo("900"), asMerchantHostNo("pay1")),
			map[string]string{"mch_order_no": "order1"}, map[string]string{"ksher_order_no": "900", "mch_refund_no": "refund1"},
		},
		{
			"a gateway order", gatewayRefunding(), tells("SUCCESS", payableBy(ksher.ChannelTrueMoney), asKsherNo("900"), asMerchantHostNo("pay1")),
			map[string]string{"mch_order_no": "order1"}, map[string]string{"ksher_order_no": "900", "mch_refund_no": "refund1"},
		},
		{
			"a gateway order without ksher_order_no", gatewayRefunding(), tells("SUCCESS", payableBy(ksher.ChannelTrueMoney), asMerchantHostNo("pay1")),
			map[string]string{"mch_order_no": "order1"}, map[string]string{"mch_order_no": "pay1", "mch_refund_no": "refund1"},
		},
		{
			"a merchant-host order", refunding(), tells("SUCCESS", payableBy(ksher.ChannelWeChat), asKsherNo("900")),
			map[string]string{"mch_order_no": "order1"}, map[string]string{"mch_order_no": "order1", "mch_refund_no": "refund1"},
		},
		{
			"a merchant-host order by Ksher's number", byKsherNo, tells("SUCCESS", payableBy(ksher.ChannelCard), asKsherNo("900")),
			map[string]string{"ksher_order_no": "900"}, map[string]string{"ksher_order_no": "900", "mch_refund_no": "refund1"},
		},
		{
			"a merchant-host order by the channel's number", byChannelNo, tells("SUCCESS", func(o *ksher.Order) { o.ChannelOrderNo = "4200" }),
			map[string]string{"channel_order_no": "4200"}, map[string]string{"channel_order_no": "4200", "mch_refund_no": "refund1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			atMerchant := tt.order
			if _, gateway := tt.req.(*ksher.RefundRequest); gateway {
				atMerchant = tells("SUCCESS", numbered("pay1"), asKsherNo("900"))
			}
			hosts := answersOf(map[string]reply{"gateway_order_query": tt.order, "order_query": atMerchant, "refund_query": listed})
			res, err := hosts.client(t).Resolve(t.Context(), tt.req)
			require.NoError(t, err)
			require.Equal(t, ksher.VerdictCarriedOut, res.Verdict)
			asked := slices.Concat(hosts.questions("")[:1], hosts.questions("refund_query"))
			require.Len(t, asked, 2)
			for i, want := range []map[string]string{tt.query, tt.refund} {
				got := map[string]string{}
				for name := range asked[i].form {
					switch name {
					case "appid", "nonce_str", "time_stamp", "sign":
					default:
						got[name] = asked[i].form.Get(name)
					}
				}
				require.Equal(t, want, got)
			}
		})
	}
}

// A gateway order that names neither of its numbers at the merchant host can't
// be asked about there.
func TestResolveRefundOfAnOrderWithoutNumbers(t *testing.T) {
	hosts := answersOf(map[string]reply{"gateway_order_query": tells("SUCCESS", payableBy(ksher.ChannelCard))})
	res, err := hosts.client(t).Resolve(t.Context(), gatewayRefunding())
	require.NoError(t, err)
	require.Equal(t, ksher.VerdictStillUnknown, res.Verdict)
	require.Len(t, hosts.questions(""), 1)
}

func TestResolveOfContextThatEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hosts := answersOf(nil)
	for _, req := range []ksher.Doubtful{goodGatewayPay(), goodNativePay(), cancelling(), closingOrder(), refunding(), gatewayRefunding()} {
		res, err := hosts.client(t).Resolve(ctx, req)
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, res)
	}
	require.Empty(t, hosts.questions(""))
}

func TestResolveRefuses(t *testing.T) {
	hosts := answersOf(nil)
	client := hosts.client(t)
	tests := []struct {
		name   string
		client *ksher.Client
		ctx    context.Context
		req    ksher.Doubtful
		field  string
	}{
		{"nothing", client, t.Context(), nil, "request"},
		{"a nil gateway_pay", client, t.Context(), (*ksher.GatewayPayRequest)(nil), "request"},
		{"a nil native_pay", client, t.Context(), (*ksher.NativePayRequest)(nil), "request"},
		{"a nil cancel_order", client, t.Context(), (*ksher.CancelOrderRequest)(nil), "request"},
		{"a nil order_close", client, t.Context(), (*ksher.OrderCloseRequest)(nil), "request"},
		{"a nil order_refund", client, t.Context(), (*ksher.OrderRefundRequest)(nil), "request"},
		{"a nil refund", client, t.Context(), (*ksher.RefundRequest)(nil), "request"},
		{"an empty gateway_pay", client, t.Context(), &ksher.GatewayPayRequest{}, "mch_order_no"},
		{"an empty native_pay", client, t.Context(), &ksher.NativePayRequest{}, "mch_order_no"},
		{"an empty cancel_order", client, t.Context(), &ksher.CancelOrderRequest{}, "mch_order_no"},
		{"an empty order_close", client, t.Context(), &ksher.OrderCloseRequest{}, "mch_order_no"},
		{"an empty order_refund", client, t.Context(), &ksher.OrderRefundRequest{}, "mch_order_no"},
		{"an empty refund", client, t.Context(), &ksher.RefundRequest{}, "mch_order_no"},
		{"a number with a blank", client, t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "1 "}, "mch_order_no"},
		{"a number that isn't UTF-8", client, t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "\xff"}, "mch_order_no"},
		{"no client", nil, t.Context(), cancelling(), "client"},
		{"a client of its own making", &ksher.Client{}, t.Context(), cancelling(), "client"},
		{"no context", client, nil, cancelling(), "context"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, err := tt.client.Resolve(tt.ctx, tt.req)
			require.Nil(t, res)
			var invalid *ksher.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, tt.field, invalid.Fields[0].Field)
			require.Empty(t, hosts.questions(""))
		})
	}
}

// The queries are repeated as WithRetry says.
func TestResolveRepeatsQueries(t *testing.T) {
	failures := 2
	hosts := &inMemory{}
	hosts.answer = func(r *http.Request, op string, _ url.Values) ([]byte, error) {
		if len(hosts.questions(op)) <= failures {
			return breaks(r)
		}
		return tells(ksher.ResultClosed)(r)
	}
	res, err := hosts.client(t, ksher.WithRetry(3, 0)).Resolve(t.Context(), cancelling())
	require.NoError(t, err)
	require.Equal(t, ksher.VerdictCarriedOut, res.Verdict)
	require.Len(t, hosts.questions("gateway_order_query"), 3)
}

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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/kshertest"
)

// lists answers a refund_query with refunds of the order.
func lists(refunds ...ksher.Refund) testkit.Reply {
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

func refundOf(no string, fee ksher.Amount, state string) ksher.Refund {
	return ksher.Refund{MchRefundNo: no, MchRefundFee: fee, RefundState: state}
}

func cancelling() ksher.Doubtful { return &ksher.CancelOrderRequest{MchOrderNo: testkit.OrderNo} }

func closingOrder() ksher.Doubtful { return &ksher.OrderCloseRequest{MchOrderNo: testkit.OrderNo} }

func refunding() ksher.Doubtful { return testkit.GoodOrderRefund() }

func gatewayRefunding() ksher.Doubtful {
	return &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: testkit.OrderNo, MchRefundNo: testkit.RefundNo, RefundFee: 50_00}
}

// errAny stands for an error whose kind is no matter.
var errAny = errors.New("any")

func TestResolve(t *testing.T) {
	done := refundOf(testkit.RefundNo, 50_00, "REFUNDSUCCESS")
	paid := testkit.Tells(ksher.ResultSuccess, testkit.WithChannel(ksher.ChannelTrueMoney), testkit.WithKsherNo("90020261121"), testkit.WithMerchantHostNo("pay1"))
	// paidNative is without pay_mch_order_no, as the merchant host has it.
	paidNative := testkit.Tells(ksher.ResultSuccess, testkit.WithChannel(ksher.ChannelWeChat), testkit.WithKsherNo("90020261121"))
	// kinds has the requests that can be in doubt, with the query that tells of
	// their order.
	created := []struct {
		name  string
		req   ksher.Doubtful
		query string
	}{
		{"gateway_pay", testkit.GoodGatewayPay(), "gateway_order_query"},
		{"native_pay", testkit.GoodNativePay(), "order_query"},
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
		paid  testkit.Reply
	}{
		{"order_refund", refunding(), "order_query", paidNative},
		{"Refund", gatewayRefunding(), "gateway_order_query", paid},
	}

	type test struct {
		name    string
		req     ksher.Doubtful
		replies map[string]testkit.Reply
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
	add := func(name string, req ksher.Doubtful, replies map[string]testkit.Reply, verdict ksher.Verdict, want error, result ksher.Result, refund *ksher.Refund, asked ...string) {
		tests = append(tests, test{name, req, replies, verdict, want, result, refund, asked})
	}
	// troubles are what a query can end in that teaches nothing.
	troubles := []struct {
		name  string
		reply testkit.Reply
		want  error
	}{
		{"the line is dead", testkit.Breaks, testkit.ErrLine},
		{"no JSON", testkit.Says("<html>"), fault.ErrNotJSON},
		{"nothing", testkit.Says(""), fault.ErrEmptyBody},
		{"not signed", testkit.Says(`{"code":0,"data":{"appid":"mch00000","mch_order_no":"order1","result":"CLOSED"}}`), fault.ErrSignatureMissing},
		{"badly signed", testkit.Says(`{"code":0,"data":{"appid":"mch00000","mch_order_no":"order1","result":"CLOSED"},"sign":"` + strings.Repeat("0", 128) + `"}`), fault.ErrSignatureMismatch},
		{"refused", testkit.Denies(ksher.CodeNoAuth), ksher.CodeNoAuth},
		{"out of order", testkit.Denies(ksher.CodeSystemError), ksher.CodeSystemError},
		{"an undocumented code", testkit.Denies("TEAPOT"), ksher.Code("TEAPOT")},
		{"refused by the envelope", testkit.Says(`{"code":1,"msg":"SYSTEMERROR"}`), ksher.CodeSystemError},
	}
	unknownCodes := []ksher.Code{ksher.CodeOrderNotExist, ksher.CodeOrderNotExistR, ksher.CodeInvalidOrderNo, ksher.CodeKsherInvalidOrderNo}

	for _, k := range created {
		for _, result := range []ksher.Result{"NOTPAY", "NOTSURE", "USERPAYING", "SUCCESS", "CLOSED", "PAYERROR", "REFUND", "SOMETHING_NEW"} {
			add(k.name+" found "+string(result), k.req, map[string]testkit.Reply{k.query: testkit.Tells(result)}, ksher.VerdictCarriedOut, nil, result, nil, k.query)
		}
		add(k.name+" found without an amount", k.req, map[string]testkit.Reply{k.query: testkit.Tells(ksher.ResultNotSure, testkit.WithTotal(0), testkit.WithCurrency(""))}, ksher.VerdictCarriedOut, nil, "NOTSURE", nil, k.query)
		add(k.name+" over another amount", k.req, map[string]testkit.Reply{k.query: testkit.Tells(ksher.ResultNotPay, testkit.WithTotal(99_99))}, "", ksher.ErrOtherOrder, "", nil, k.query)
		add(k.name+" in another currency", k.req, map[string]testkit.Reply{k.query: testkit.Tells(ksher.ResultNotPay, testkit.WithCurrency("JPY"))}, "", ksher.ErrOtherOrder, "", nil, k.query)
		for _, code := range unknownCodes {
			add(k.name+" "+string(code), k.req, map[string]testkit.Reply{k.query: testkit.Denies(code)}, ksher.VerdictNotCarriedOut, nil, "", nil, k.query)
		}
		add(k.name+" unknown by the envelope", k.req, map[string]testkit.Reply{k.query: testkit.Says(`{"code":1,"msg":"ORDER_NOT_EXIST"}`)}, ksher.VerdictNotCarriedOut, nil, "", nil, k.query)
	}
	for _, k := range ended {
		add(k.name+" done", k.req, map[string]testkit.Reply{k.query: testkit.Tells(ksher.ResultClosed)}, ksher.VerdictCarriedOut, nil, "CLOSED", nil, k.query)
		for _, result := range []ksher.Result{"NOTPAY", "USERPAYING", "SUCCESS", "REFUND", "PAYERROR"} {
			add(k.name+" but "+string(result), k.req, map[string]testkit.Reply{k.query: testkit.Tells(result)}, ksher.VerdictNotCarriedOut, nil, result, nil, k.query)
		}
		for _, result := range []ksher.Result{"NOTSURE", "PENDING", "SOMETHING_NEW", ""} {
			add(k.name+" but "+string(result), k.req, map[string]testkit.Reply{k.query: testkit.Tells(result)}, ksher.VerdictStillUnknown, nil, result, nil, k.query)
		}
		for _, code := range unknownCodes {
			add(k.name+" "+string(code), k.req, map[string]testkit.Reply{k.query: testkit.Denies(code)}, "", code, "", nil, k.query)
		}
	}
	for _, k := range refunds {
		// The merchant host knows a gateway order by another number.
		atMerchant := testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("pay1"), testkit.WithKsherNo("90020261121"))
		both := func(order, refund testkit.Reply) map[string]testkit.Reply {
			if k.query == "order_query" {
				return map[string]testkit.Reply{"order_query": order, "refund_query": refund}
			}
			return map[string]testkit.Reply{k.query: order, "order_query": atMerchant, "refund_query": refund}
		}
		add := func(name string, req ksher.Doubtful, replies map[string]testkit.Reply, verdict ksher.Verdict, want error, result ksher.Result, refund *ksher.Refund, asked ...string) {
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
			signed := testkit.Says(string(kshertest.SignedResponse(json.RawMessage(data))))
			add(k.name+" "+name, k.req, both(k.paid, signed), ksher.VerdictStillUnknown, nil, "SUCCESS", nil, k.query, "refund_query")
		}
		for _, data := range []string{`{"result":"NOTSURE","refund_count":"0","refund_orders":[]}`, `{"result":"PENDING","refund_count":"0","refund_orders":[]}`, `{"refund_count":"0","refund_orders":[]}`} {
			signed := testkit.Says(string(kshertest.SignedResponse(json.RawMessage(data))))
			add(k.name+" answered "+data, k.req, both(k.paid, signed), "", errAny, "", nil, k.query, "refund_query")
		}
		empty := refundOf(testkit.RefundNo, 0, "REFUNDSUCCESS")
		add(k.name+" listed without an amount", k.req, both(k.paid, lists(empty)), ksher.VerdictStillUnknown, nil, "SUCCESS", &empty, k.query, "refund_query")
		if k.query != "order_query" {
			unknownThere := both(k.paid, lists())
			unknownThere["order_query"] = testkit.Denies(ksher.CodeKsherInvalidOrderNo)
			tests = append(tests, test{k.name + " of an order that the merchant host doesn't know", k.req, unknownThere, ksher.VerdictStillUnknown, nil, "SUCCESS", nil, []string{k.query, "order_query"}})
		}
		add(k.name+" done", k.req, both(k.paid, lists(done)), ksher.VerdictCarriedOut, nil, "SUCCESS", &done, k.query, "refund_query")
		add(k.name+" done among others", k.req, both(k.paid, lists(refundOf("refund0", 1_00, "REFUNDSUCCESS"), done, refundOf("refund2", 50_00, "REFUNDING"))),
			ksher.VerdictCarriedOut, nil, "SUCCESS", &done, k.query, "refund_query")
		add(k.name+" missing from the list", k.req, both(k.paid, lists(refundOf("refund2", 50_00, "REFUNDSUCCESS"))), ksher.VerdictNotCarriedOut, nil, "SUCCESS", nil, k.query, "refund_query")
		add(k.name+" missing from an empty list", k.req, both(k.paid, lists()), ksher.VerdictNotCarriedOut, nil, "SUCCESS", nil, k.query, "refund_query")
		for _, state := range []string{"REFUNDING", "REFUNDFAIL", "refundsuccess", ""} {
			listed := refundOf(testkit.RefundNo, 50_00, state)
			add(k.name+" listed as "+string(state), k.req, both(k.paid, lists(listed)), ksher.VerdictStillUnknown, nil, "SUCCESS", &listed, k.query, "refund_query")
		}
		add(k.name+" of another amount", k.req, both(k.paid, lists(refundOf(testkit.RefundNo, 49_99, "REFUNDSUCCESS"))), "", ksher.ErrOtherOrder, "", nil, k.query, "refund_query")
		for _, result := range []ksher.Result{"NOTPAY", "USERPAYING", "CLOSED", "PAYERROR"} {
			add(k.name+" of an order that is "+string(result), k.req, both(testkit.Tells(result), testkit.Breaks), ksher.VerdictNotCarriedOut, nil, result, nil, k.query)
		}
		for _, result := range []ksher.Result{"NOTSURE", "PENDING", "REFUNDING", ""} {
			add(k.name+" of an order that is "+string(result), k.req, both(testkit.Tells(result), testkit.Breaks), ksher.VerdictStillUnknown, nil, result, nil, k.query)
		}
		for _, channel := range []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelAlipay, ksher.ChannelAlipayPlus} {
			add(k.name+" by "+string(channel), k.req, both(testkit.Tells(ksher.ResultSuccess, testkit.WithChannel(channel)), testkit.Breaks), ksher.VerdictStillUnknown, nil, "SUCCESS", nil, k.query)
			add(k.name+" of everything by "+string(channel), k.req, both(testkit.Tells(ksher.ResultRefund, testkit.WithChannel(channel)), testkit.Breaks), ksher.VerdictStillUnknown, nil, "REFUND", nil, k.query)
		}
		add(k.name+" by an unknown channel", k.req, both(testkit.Tells(ksher.ResultSuccess, testkit.WithChannel("newpay"), testkit.WithKsherNo("90020261121")), lists(done)), ksher.VerdictCarriedOut, nil, "SUCCESS", &done, k.query, "refund_query")
		for _, code := range unknownCodes {
			add(k.name+" of an order that is unknown: "+string(code), k.req, both(testkit.Denies(code), lists(done)), "", code, "", nil, k.query)
			add(k.name+" that is unknown: "+string(code), k.req, both(k.paid, testkit.Denies(code)), ksher.VerdictStillUnknown, nil, "SUCCESS", nil, k.query, "refund_query")
		}
		for _, trouble := range troubles {
			add(k.name+", refund query: "+trouble.name, k.req, both(k.paid, trouble.reply), "", trouble.want, "", nil, k.query, "refund_query")
		}
	}
	for _, trouble := range troubles {
		for _, k := range created {
			add(k.name+": "+trouble.name, k.req, map[string]testkit.Reply{k.query: trouble.reply}, "", trouble.want, "", nil, k.query)
		}
		for _, k := range ended {
			add(k.name+": "+trouble.name, k.req, map[string]testkit.Reply{k.query: trouble.reply}, "", trouble.want, "", nil, k.query)
		}
		for _, k := range refunds {
			add(k.name+": "+trouble.name, k.req, map[string]testkit.Reply{k.query: trouble.reply}, "", trouble.want, "", nil, k.query)
		}
	}
	for _, other := range []testkit.Reply{testkit.Tells(ksher.ResultClosed, testkit.WithNumber("order2")), testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("order2"))} {
		for _, k := range append(created, ended...) {
			add(k.name+" answered about another order", k.req, map[string]testkit.Reply{k.query: other}, "", ksher.ErrOtherOrder, "", nil, k.query)
		}
		for _, k := range refunds {
			add(k.name+" answered about another order", k.req, map[string]testkit.Reply{k.query: other}, "", ksher.ErrOtherOrder, "", nil, k.query)
		}
	}

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hosts := testkit.AnswersOf(tt.replies)
			res, err := hosts.Client(t).Resolve(t.Context(), tt.req)
			var asked []string
			for _, q := range hosts.Questions("") {
				asked = append(asked, q.Operation)
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
				require.Equal(t, testkit.OrderNo, res.Order.MchOrderNo)
			}
			require.Equal(t, tt.refund, res.Refund)
		})
	}
}

// An answer that leaves the order's number out isn't about any order.
func TestResolveByAnAnswerAboutNothing(t *testing.T) {
	nothing := testkit.Tells(ksher.ResultClosed, testkit.WithNumber(""))
	for _, req := range []ksher.Doubtful{testkit.GoodGatewayPay(), testkit.GoodNativePay(), cancelling(), closingOrder(), refunding(), gatewayRefunding()} {
		hosts := testkit.AnswersOf(map[string]testkit.Reply{"gateway_order_query": nothing, "order_query": nothing})
		_, err := hosts.Client(t).Resolve(t.Context(), req)
		require.ErrorIs(t, err, ksher.ErrOtherOrder, "%T", req)
	}
}

// Which numbers the queries name the order and the refund by.
func TestResolveAsksBy(t *testing.T) {
	listed := lists(refundOf(testkit.RefundNo, 50_00, "REFUNDSUCCESS"))
	byKsherNo := testkit.GoodOrderRefund()
	byKsherNo.MchOrderNo, byKsherNo.KsherOrderNo = "", "900"
	byChannelNo := testkit.GoodOrderRefund()
	byChannelNo.MchOrderNo, byChannelNo.ChannelOrderNo = "", "4200"
	tests := []struct {
		name          string
		req           ksher.Doubtful
		order         testkit.Reply
		query, refund map[string]string
	}{
		{
			"a gateway order by card", gatewayRefunding(), testkit.Tells("SUCCESS", testkit.WithChannel(ksher.ChannelCard), testkit.WithKsherNo("900"), testkit.WithMerchantHostNo("pay1")),
			map[string]string{"mch_order_no": "order1"}, map[string]string{"ksher_order_no": "900", "mch_refund_no": "refund1"},
		},
		{
			"a gateway order", gatewayRefunding(), testkit.Tells("SUCCESS", testkit.WithChannel(ksher.ChannelTrueMoney), testkit.WithKsherNo("900"), testkit.WithMerchantHostNo("pay1")),
			map[string]string{"mch_order_no": "order1"}, map[string]string{"ksher_order_no": "900", "mch_refund_no": "refund1"},
		},
		{
			"a gateway order without ksher_order_no", gatewayRefunding(), testkit.Tells("SUCCESS", testkit.WithChannel(ksher.ChannelTrueMoney), testkit.WithMerchantHostNo("pay1")),
			map[string]string{"mch_order_no": "order1"}, map[string]string{"mch_order_no": "pay1", "mch_refund_no": "refund1"},
		},
		{
			"a merchant-host order", refunding(), testkit.Tells("SUCCESS", testkit.WithChannel(ksher.ChannelWeChat), testkit.WithKsherNo("900")),
			map[string]string{"mch_order_no": "order1"}, map[string]string{"mch_order_no": "order1", "mch_refund_no": "refund1"},
		},
		{
			"a merchant-host order by Ksher's number", byKsherNo, testkit.Tells("SUCCESS", testkit.WithChannel(ksher.ChannelCard), testkit.WithKsherNo("900")),
			map[string]string{"ksher_order_no": "900"}, map[string]string{"ksher_order_no": "900", "mch_refund_no": "refund1"},
		},
		{
			"a merchant-host order by the channel's number", byChannelNo, testkit.Tells("SUCCESS", func(o *ksher.Order) { o.ChannelOrderNo = "4200" }),
			map[string]string{"channel_order_no": "4200"}, map[string]string{"channel_order_no": "4200", "mch_refund_no": "refund1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			atMerchant := tt.order
			if _, gateway := tt.req.(*ksher.RefundRequest); gateway {
				atMerchant = testkit.Tells("SUCCESS", testkit.WithNumber("pay1"), testkit.WithKsherNo("900"))
			}
			hosts := testkit.AnswersOf(map[string]testkit.Reply{"gateway_order_query": tt.order, "order_query": atMerchant, "refund_query": listed})
			res, err := hosts.Client(t).Resolve(t.Context(), tt.req)
			require.NoError(t, err)
			require.Equal(t, ksher.VerdictCarriedOut, res.Verdict)
			asked := slices.Concat(hosts.Questions("")[:1], hosts.Questions("refund_query"))
			require.Len(t, asked, 2)
			for i, want := range []map[string]string{tt.query, tt.refund} {
				got := map[string]string{}
				for name := range asked[i].Form {
					switch name {
					case "appid", "nonce_str", "time_stamp", "sign":
					default:
						got[name] = asked[i].Form.Get(name)
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
	hosts := testkit.AnswersOf(map[string]testkit.Reply{"gateway_order_query": testkit.Tells("SUCCESS", testkit.WithChannel(ksher.ChannelCard))})
	res, err := hosts.Client(t).Resolve(t.Context(), gatewayRefunding())
	require.NoError(t, err)
	require.Equal(t, ksher.VerdictStillUnknown, res.Verdict)
	require.Len(t, hosts.Questions(""), 1)
}

func TestResolveOfContextThatEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hosts := testkit.AnswersOf(nil)
	for _, req := range []ksher.Doubtful{testkit.GoodGatewayPay(), testkit.GoodNativePay(), cancelling(), closingOrder(), refunding(), gatewayRefunding()} {
		res, err := hosts.Client(t).Resolve(ctx, req)
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, res)
	}
	require.Empty(t, hosts.Questions(""))
}

func TestResolveRefuses(t *testing.T) {
	hosts := testkit.AnswersOf(nil)
	client := hosts.Client(t)
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
			require.Empty(t, hosts.Questions(""))
		})
	}
}

// The queries are repeated as WithRetry says.
func TestResolveRepeatsQueries(t *testing.T) {
	failures := 2
	hosts := &testkit.InMemory{}
	hosts.Answer = func(r *http.Request, op string, _ url.Values) ([]byte, error) {
		if len(hosts.Questions(op)) <= failures {
			return testkit.Breaks(r)
		}
		return testkit.Tells(ksher.ResultClosed)(r)
	}
	res, err := hosts.Client(t, ksher.WithRetry(3, 0)).Resolve(t.Context(), cancelling())
	require.NoError(t, err)
	require.Equal(t, ksher.VerdictCarriedOut, res.Verdict)
	require.Len(t, hosts.Questions("gateway_order_query"), 3)
}

func TestGatewayPage(t *testing.T) {
	const next = "order2"
	errNoNumber := errors.New("the database is down")
	for _, tt := range []struct {
		name string
		// faults are those of gateway_pay, one after the other.
		faults []sandbox.FaultKind
		code   ksher.Code
		// taken are numbers of orders of the same amount that exist already, paid or not.
		taken []string
		paid  bool
		next  func() (string, error)
		want  error
		// orders has the states of the orders in the end, and lost how often next was asked.
		orders map[string]sandbox.State
		lost   int
	}{
		{name: "nothing happens", orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Created}},
		{name: "the answer is lost", faults: []sandbox.FaultKind{sandbox.FaultDropAfter},
			orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Cancelled, next: sandbox.Created}, lost: 1},
		{name: "the request is lost", faults: []sandbox.FaultKind{sandbox.FaultHTTP500, sandbox.FaultHTML502},
			orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Created}},
		{name: "it is refused", faults: []sandbox.FaultKind{sandbox.FaultRefuse}, code: ksher.CodeSignError, want: ksher.CodeSignError},
		{name: "each request is lost", want: ksher.ErrOutcomeUnknown,
			faults: []sandbox.FaultKind{sandbox.FaultHTTP500, sandbox.FaultHTTP500, sandbox.FaultHTTP500, sandbox.FaultHTTP500}},
		{name: "there is no next number", faults: []sandbox.FaultKind{sandbox.FaultDropAfter},
			next: func() (string, error) { return "", errNoNumber }, want: errNoNumber,
			orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Created}, lost: 1},
		{name: "the next number is the same", faults: []sandbox.FaultKind{sandbox.FaultDropAfter},
			next: func() (string, error) { return testkit.OrderNo, nil }, want: errAny,
			orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Created}, lost: 1},
		{name: "it was sent before", taken: []string{testkit.OrderNo},
			orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Cancelled, next: sandbox.Created}, lost: 1},
		{name: "it was sent before and paid", taken: []string{testkit.OrderNo}, paid: true, want: ksher.ErrDuplicate,
			orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Paid}},
		{name: "the next number is somebody else's", faults: []sandbox.FaultKind{sandbox.FaultDropAfter}, taken: []string{next},
			want: ksher.ErrDuplicate, orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Cancelled, next: sandbox.Created}, lost: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gw := sandbox.New(t)
			client, err := gw.NewClient(ksher.WithRetry(1, 0))
			require.NoError(t, err)
			for _, no := range tt.taken {
				_, err := client.GatewayPay(t.Context(), testkit.GatewayPayOf(no))
				require.NoError(t, err)
			}
			if tt.paid {
				require.NoError(t, gw.Pay(testkit.OrderNo, ""))
			}
			for _, kind := range tt.faults {
				require.NoError(t, gw.Inject(sandbox.Fault{Operation: "gateway_pay", Kind: kind, Code: tt.code}))
			}
			lost := 0
			page, err := client.GatewayPage(t.Context(), testkit.GatewayPayOf(testkit.OrderNo), func(_ context.Context, o ksher.OpenOrder) (string, error) {
				lost++
				want := testkit.GatewayPayOf(testkit.OrderNo).OpenOrder()
				assert.Equal(t, want, o)
				if tt.next != nil {
					return tt.next()
				}
				return next, nil
			})
			switch tt.want {
			case nil:
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(page.PayContent, gw.URL()), page.PayContent)
			case errAny:
				require.Error(t, err)
			default:
				require.ErrorIs(t, err, tt.want)
			}
			assert.Equal(t, tt.lost, lost)
			got := make(map[string]sandbox.State)
			for _, o := range gw.Orders() {
				got[o.MchOrderNo] = o.State
				assert.Equal(t, o.MchOrderNo, o.Params.Get("mch_code"))
			}
			if tt.orders == nil {
				tt.orders = map[string]sandbox.State{}
			}
			assert.Equal(t, tt.orders, got)
			assert.Empty(t, gw.Faults(), "the fault hasn't happened")
		})
	}
}

// A number that belongs to an order of another amount isn't given up as lost.
func TestGatewayPageOfAnotherOrder(t *testing.T) {
	gw := sandbox.New(t)
	other := testkit.GoodGatewayPay()
	other.TotalFee = 99_00
	_, err := gw.Client.GatewayPay(t.Context(), other)
	require.NoError(t, err)
	_, err = gw.Client.GatewayPage(t.Context(), testkit.GoodGatewayPay(), func(context.Context, ksher.OpenOrder) (string, error) {
		t.Error("another's order was given up")
		return "order2", nil
	})
	require.ErrorIs(t, err, ksher.ErrOtherOrder)
	require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
	require.Equal(t, sandbox.Created, gw.Orders()[0].State)
}

func TestGatewayPageRefuses(t *testing.T) {
	gw := sandbox.New(t)
	next := func(context.Context, ksher.OpenOrder) (string, error) { return "order2", nil }
	var invalid *ksher.ValidationError
	_, err := gw.Client.GatewayPage(t.Context(), testkit.GoodGatewayPay(), nil)
	require.ErrorAs(t, err, &invalid)
	_, err = gw.Client.GatewayPage(t.Context(), nil, next)
	require.ErrorAs(t, err, &invalid)
	require.Empty(t, gw.Requests())
}

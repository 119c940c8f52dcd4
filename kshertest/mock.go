package kshertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// Refusal returns the error of a client whose request the gateway refuses with that
// code, for a mock to return. The operation is a wire name such as "order_refund", which is
// also that of [ksher.Client.Refund].
//
// It panics if there is no such operation.
func Refusal(operation string, code ksher.Code) error {
	return mocked("Refusal", operation, func() (*http.Response, error) { return ok(sandbox.Refusal(operation, code)), nil })
}

// Unknown returns the error of a client whose connection broke after the request was
// sent, for a mock to return. Of an operation that changes something it is a
// [ksher.ErrOutcomeUnknown].
//
// It panics if there is no such operation.
func Unknown(operation string) error {
	return mocked("Unknown", operation, func() (*http.Response, error) { return nil, io.ErrUnexpectedEOF })
}

// BadAnswer returns the error of a client whose request was answered with HTML, for a
// mock to return: a [ksher.ErrBadAnswer], and of an operation that changes something a
// [ksher.ErrOutcomeUnknown] as well.
//
// It panics if there is no such operation.
func BadAnswer(operation string) error {
	return mocked("BadAnswer", operation, func() (*http.Response, error) { return ok([]byte("<html></html>")), nil })
}

// ok is an answer with HTTP status 200.
func ok(body []byte) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(body))), ContentLength: int64(len(body))}
}

// oneAnswer is a transport that answers every request alike.
type oneAnswer func() (*http.Response, error)

func (answer oneAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	return answer()
}

// mocked lets a real client make the error, so that it is one of the client's own.
func mocked(what, operation string, answer oneAnswer) error {
	call := calls[operation]
	if call == nil {
		panic(fmt.Sprintf("kshertest: %s: there is no operation %q; there are %s",
			what, operation, strings.Join(slices.Sorted(maps.Keys(calls)), ", ")))
	}
	client, err := ksher.NewClient(AppID, PrivateKey(), ksher.WithVerifier(Verifier()), ksher.WithRetry(1, 0),
		ksher.WithHTTPClient(&http.Client{Transport: answer}))
	if err != nil {
		panic(err) // Nothing above depends on the caller.
	}
	err = call(context.Background(), client)
	if failed := new(ksher.Error); errors.As(err, &failed) {
		// Whose order it was the mock's caller knows better.
		failed.OrderNo, failed.RefundNo = "", ""
	}
	return err
}

// calls makes a valid request of each operation.
var calls = map[string]func(context.Context, *ksher.Client) error{
	"gateway_pay": calling((*ksher.Client).GatewayPay, &ksher.GatewayPayRequest{
		MchOrderNo: "mock", MchCode: "mock", TotalFee: 1_00, FeeType: "THB", ChannelList: []ksher.Channel{ksher.ChannelPromptPay}, ProductName: "mock",
		ReferURL: "https://shop.example", MchRedirectURL: "https://shop.example", MchRedirectURLFail: "https://shop.example",
	}),
	"gateway_order_query": calling((*ksher.Client).GatewayOrderQuery, &ksher.GatewayOrderQueryRequest{MchOrderNo: "mock"}),
	"cancel_order":        calling((*ksher.Client).CancelOrder, &ksher.CancelOrderRequest{MchOrderNo: "mock"}),
	"native_pay": calling((*ksher.Client).NativePay, &ksher.NativePayRequest{
		MchOrderNo: "mock", TotalFee: 1_00, FeeType: "THB", Channel: ksher.ChannelPromptPay,
	}),
	"order_query": calling((*ksher.Client).OrderQuery, &ksher.OrderQueryRequest{MchOrderNo: "mock"}),
	"order_close": calling((*ksher.Client).OrderClose, &ksher.OrderCloseRequest{MchOrderNo: "mock"}),
	"order_refund": calling((*ksher.Client).OrderRefund, &ksher.OrderRefundRequest{
		MchOrderNo: "mock", MchRefundNo: "mock", RefundFee: 1_00, TotalFee: 1_00, FeeType: "THB",
	}),
	"refund_query": calling((*ksher.Client).RefundQuery, &ksher.RefundQueryRequest{MchOrderNo: "mock", MchRefundNo: "mock"}),
	"quick_pay": calling((*ksher.Client).QuickPay, &ksher.QuickPayRequest{
		MchOrderNo: "mock", TotalFee: 1_00, FeeType: "THB", AuthCode: ksher.NewSecret("130000000000000000"),
	}),
	"order_reverse": calling((*ksher.Client).OrderReverse, &ksher.OrderReverseRequest{MchOrderNo: "mock"}),
	"jsapi_pay": calling((*ksher.Client).JSAPIPay, &ksher.JSAPIPayRequest{
		MchOrderNo: "mock", TotalFee: 1_00, FeeType: "THB", Channel: ksher.ChannelWeChat,
	}),
	"mini_program_pay": calling((*ksher.Client).MiniProgramPay, &ksher.MiniProgramPayRequest{
		MchOrderNo: "mock", TotalFee: 1_00, FeeType: "THB", Channel: ksher.ChannelWeChat, SubOpenID: "mock", ChannelSubAppID: "mock",
	}),
	"app_pay": calling((*ksher.Client).AppPay, &ksher.AppPayRequest{
		MchOrderNo: "mock", TotalFee: 1_00, FeeType: "THB", Channel: ksher.ChannelAlipay, ReferURL: "https://shop.example",
	}),
	"wap_pay": calling((*ksher.Client).WapPay, &ksher.WapPayRequest{
		MchOrderNo: "mock", TotalFee: 1_00, FeeType: "THB", Channel: ksher.ChannelAlipay, ReferURL: "https://shop.example",
	}),
	"web_pay": calling((*ksher.Client).WebPay, &ksher.WebPayRequest{
		MchOrderNo: "mock", TotalFee: 1_00, FeeType: "THB", Channel: ksher.ChannelAlipay, ReferURL: "https://shop.example",
	}),
	"merchant_info":       calling((*ksher.Client).MerchantInfo, &ksher.MerchantInfoRequest{}),
	"rate_query":          calling((*ksher.Client).RateQuery, &ksher.RateQueryRequest{Channel: ksher.ChannelWeChat, FeeType: "THB", Date: "20261120"}),
	"get_settlement_info": calling((*ksher.Client).GetSettlementInfo, &ksher.GetSettlementInfoRequest{BeginDate: "2026-11-20", EndDate: "2026-11-20"}),
	"payout": calling((*ksher.Client).Payout, &ksher.PayoutRequest{
		MchOrderNo: "mock", TotalFee: 1_00, FeeType: "THB", ReceiverType: "PROMPTPAY_MSISDN", ReceiverNo: ksher.NewSecret("0000000000"),
		Extra: ksher.Extra{Unchecked: []string{"time_stamp"}}, // Tests run at any hour.
	}),
	"order_query_payout": calling((*ksher.Client).OrderQueryPayout, &ksher.OrderQueryPayoutRequest{MchOrderNo: "mock"}),
	"get_payout_balance": calling((*ksher.Client).GetPayoutBalance, &ksher.GetPayoutBalanceRequest{FeeType: "THB"}),
}

func calling[Req, Resp any](operation func(*ksher.Client, context.Context, *Req) (*Resp, error), req *Req) func(context.Context, *ksher.Client) error {
	return func(ctx context.Context, c *ksher.Client) error {
		_, err := operation(c, ctx, req)
		return err
	}
}

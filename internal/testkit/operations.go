package testkit

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"github.com/ksher-go/ksher"
)

func GoodMerchantInfo() *ksher.MerchantInfoRequest { return &ksher.MerchantInfoRequest{} }

func GoodRateQuery() *ksher.RateQueryRequest {
	return &ksher.RateQueryRequest{Channel: ksher.ChannelWeChat, FeeType: "THB", Date: "20261120"}
}

const (
	OrderNo  = "order1"
	RefundNo = "refund1"
)

// GoodData suits the answer to every operation's good request.
const GoodData = `{"appid":"mch12345","mch_order_no":"order1","mch_refund_no":"refund1","result":"SUCCESS","total_fee":10000,"refund_fee":5000,"balance":7000,"fee_type":"THB","channel":"wechat","openid":"buyer-4711","mch_id":"12345","begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":[],"code_url":"weixin://wxpay/bizpayurl?pr=1","pay_content":"https://gateway.ksher.com/ua?order_uuid=1"}`

func GoodGatewayPay() *ksher.GatewayPayRequest {
	return &ksher.GatewayPayRequest{
		MchOrderNo:         OrderNo,
		MchCode:            OrderNo,
		TotalFee:           100_00,
		FeeType:            "THB",
		ChannelList:        []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelWeChat},
		ProductName:        "Coffee",
		ReferURL:           "https://shop.example/cart",
		MchRedirectURL:     "https://shop.example/paid",
		MchRedirectURLFail: "https://shop.example/failed",
	}
}

func GoodNativePay() *ksher.NativePayRequest {
	return &ksher.NativePayRequest{MchOrderNo: OrderNo, TotalFee: 100_00, FeeType: "THB", Channel: ksher.ChannelWeChat}
}

func GoodOrderRefund() *ksher.OrderRefundRequest {
	return &ksher.OrderRefundRequest{MchRefundNo: RefundNo, RefundFee: 50_00, TotalFee: 100_00, FeeType: "THB", MchOrderNo: OrderNo}
}

// Operation is one of the library's calls in a form that a table can hold.
type Operation struct {
	Name string
	URL  string
	kind
	Call    func(context.Context, *ksher.Client, ksher.Extra) (any, error)
	CallNil func(context.Context, *ksher.Client) error
}

// OrderNo is the number that errors and logs have of the good request.
func (op Operation) OrderNo() string {
	if op.NoOrder {
		return ""
	}
	return OrderNo
}

// Operations has every operation of the library. TestEveryMethodIsWhole fails
// if one is missing.
func Operations() []Operation {
	const gateway, merchant = ksher.DefaultGatewayURL, ksher.DefaultMerchantURL
	creates := kind{Changes: true, HasTotalFee: true}
	return []Operation{
		tested("gateway_pay", gateway, kind{Changes: true}, GoodGatewayPay, (*ksher.Client).GatewayPay),
		tested("gateway_order_query", gateway, kind{HasTotalFee: true}, func() *ksher.GatewayOrderQueryRequest {
			return &ksher.GatewayOrderQueryRequest{MchOrderNo: OrderNo}
		}, (*ksher.Client).GatewayOrderQuery),
		tested("cancel_order", gateway, kind{Changes: true}, func() *ksher.CancelOrderRequest {
			return &ksher.CancelOrderRequest{MchOrderNo: OrderNo}
		}, (*ksher.Client).CancelOrder),
		tested("native_pay", merchant, creates, GoodNativePay, (*ksher.Client).NativePay),
		tested("order_query", merchant, kind{HasTotalFee: true}, func() *ksher.OrderQueryRequest {
			return &ksher.OrderQueryRequest{MchOrderNo: OrderNo}
		}, (*ksher.Client).OrderQuery),
		tested("order_close", merchant, kind{Changes: true}, func() *ksher.OrderCloseRequest {
			return &ksher.OrderCloseRequest{MchOrderNo: OrderNo}
		}, (*ksher.Client).OrderClose),
		tested("order_refund", merchant, creates, GoodOrderRefund, (*ksher.Client).OrderRefund),
		tested("refund_query", merchant, kind{HasTotalFee: true}, func() *ksher.RefundQueryRequest {
			return &ksher.RefundQueryRequest{MchOrderNo: OrderNo, MchRefundNo: RefundNo}
		}, (*ksher.Client).RefundQuery),
		tested("quick_pay", merchant, creates, GoodQuickPay, (*ksher.Client).QuickPay),
		tested("order_reverse", merchant, kind{Changes: true}, func() *ksher.OrderReverseRequest {
			return &ksher.OrderReverseRequest{MchOrderNo: OrderNo}
		}, (*ksher.Client).OrderReverse),
		tested("jsapi_pay", merchant, creates, GoodJSAPIPay, (*ksher.Client).JSAPIPay),
		tested("mini_program_pay", merchant, creates, GoodMiniProgramPay, (*ksher.Client).MiniProgramPay),
		tested("app_pay", merchant, creates, GoodAppPay, (*ksher.Client).AppPay),
		tested("wap_pay", merchant, creates, GoodWapPay, (*ksher.Client).WapPay),
		tested("web_pay", merchant, creates, GoodWebPay, (*ksher.Client).WebPay),
		tested("payout", merchant, creates, GoodPayout, (*ksher.Client).Payout),
		tested("order_query_payout", merchant, kind{HasTotalFee: true}, PayoutQuery, (*ksher.Client).OrderQueryPayout),
		tested("get_payout_balance", merchant, kind{NoOrder: true}, BalanceQuery, (*ksher.Client).GetPayoutBalance),
		tested("merchant_info", merchant, kind{NoOrder: true}, GoodMerchantInfo, (*ksher.Client).MerchantInfo),
		tested("rate_query", merchant, kind{NoOrder: true}, GoodRateQuery, (*ksher.Client).RateQuery),
		tested("get_settlement_info", merchant, kind{NoOrder: true, AppID: "mch_appid"}, GoodSettlementInfo, (*ksher.Client).GetSettlementInfo),
	}
}

// kind tells one operation from another in the tests of all of them.
type kind struct {
	// Changes says that a lost answer leaves the outcome in doubt.
	Changes bool
	// HasTotalFee says that the answer has an amount to be read.
	HasTotalFee bool
	// NoOrder says that it is about no order of the merchant's.
	NoOrder bool
	// AppID is the name under which the app ID is sent, "" for appid.
	AppID string
}

// tested makes an operation for operations, with a maker of a good request to
// which goodData is a good answer.
func tested[Req, Resp any](name, url string, k kind, good func() *Req, method func(*ksher.Client, context.Context, *Req) (*Resp, error)) Operation {
	return Operation{
		name, url, k,
		func(ctx context.Context, c *ksher.Client, extra ksher.Extra) (any, error) {
			req := good()
			field := reflect.ValueOf(req).Elem().FieldByName("Extra")
			own := field.Interface().(ksher.Extra)
			if len(own.Params) > 0 {
				maps.Copy(own.Params, extra.Params)
				extra.Params = own.Params
			}
			extra.Unchecked = slices.Concat(own.Unchecked, extra.Unchecked)
			field.Set(reflect.ValueOf(extra))
			resp, err := method(c, ctx, req)
			if resp == nil {
				return nil, err
			}
			return resp, err
		},
		func(ctx context.Context, c *ksher.Client) error { _, err := method(c, ctx, nil); return err },
	}
}

func GatewayPayOf(no string) *ksher.GatewayPayRequest {
	req := GoodGatewayPay()
	req.MchOrderNo, req.MchCode = no, no
	return req
}

// GoodPayout is one at any hour: tests run also when Ksher makes no payouts.
func GoodPayout() *ksher.PayoutRequest {
	return &ksher.PayoutRequest{MchOrderNo: OrderNo, TotalFee: 100_00, FeeType: "THB", ReceiverType: "PROMPTPAY_MSISDN", ReceiverNo: ksher.NewSecret("0812345678"),
		Extra: ksher.Extra{Params: map[string]string{"account": "9876543210", "name": "สมชาย ใจดี"}, Unchecked: []string{"time_stamp"}}}
}

func PayoutQuery() *ksher.OrderQueryPayoutRequest {
	return &ksher.OrderQueryPayoutRequest{MchOrderNo: OrderNo}
}

func BalanceQuery() *ksher.GetPayoutBalanceRequest {
	return &ksher.GetPayoutBalanceRequest{FeeType: "THB"}
}

// PayoutRefusals are the documented codes that speak of the request itself. After
// any other a payout may have been made, by this request or by an
// earlier one under its number.
var PayoutRefusals = []ksher.Code{
	"APPID_NOT_EXIST", "APPID_MCHID_NOT_MATCH", "KSHER_SIGN_ERROR", "KSHER_VERSION_ERROR", "KSHER_ERROR_ORDER_NO", "KSHER_INVALID_MCHINFO",
	"KSHER_PARAM_OVERLENGTH", "KSHER_INVALID_PARAM", "KSHER_FEETYPE_NOT_MATCH", "KSHER_AMOUNT_IS_TOO_SMALL",
	"LACK_PARAMS", "MCHID_NOT_EXIST", "NOAUTH", "NOT_UTF8", "PARAM_ERROR", "POST_DATA_EMPTY", "REQUIRE_POST_METHOD",
	"SIGNERROR", "XML_FORMAT_ERROR", "SHOP_ID_ERROR", "SHOP_NOT_EXIST",
}

const AuthCode = "287634438256643900"

func GoodQuickPay() *ksher.QuickPayRequest {
	return &ksher.QuickPayRequest{MchOrderNo: OrderNo, TotalFee: 100_00, FeeType: "THB", AuthCode: ksher.NewSecret(AuthCode)}
}

func GoodSettlementInfo() *ksher.GetSettlementInfoRequest {
	return &ksher.GetSettlementInfoRequest{BeginDate: "2026-11-20", EndDate: "2026-11-20"}
}

func GoodJSAPIPay() *ksher.JSAPIPayRequest {
	return &ksher.JSAPIPayRequest{MchOrderNo: OrderNo, TotalFee: 100_00, FeeType: "THB", Channel: ksher.ChannelWeChat}
}

func GoodMiniProgramPay() *ksher.MiniProgramPayRequest {
	return &ksher.MiniProgramPayRequest{
		MchOrderNo: OrderNo, TotalFee: 100_00, FeeType: "THB", Channel: ksher.ChannelWeChat, SubOpenID: "oUpF8uMuAJO", ChannelSubAppID: "wx2421b1c4370ec43b",
	}
}

func GoodAppPay() *ksher.AppPayRequest {
	return &ksher.AppPayRequest{
		MchOrderNo: OrderNo, TotalFee: 100_00, FeeType: "THB", Channel: ksher.ChannelAlipay, ReferURL: "https://shop.example",
	}
}

func GoodWapPay() *ksher.WapPayRequest {
	return &ksher.WapPayRequest{
		MchOrderNo: OrderNo, TotalFee: 100_00, FeeType: "THB", Channel: ksher.ChannelAlipay, ReferURL: "https://shop.example/cart",
	}
}

func GoodWebPay() *ksher.WebPayRequest { return (*ksher.WebPayRequest)(GoodWapPay()) }

// WalletCalls has the operations that make an order for a wallet, with their
// good requests.
var WalletCalls = map[string]struct {
	Req  ksher.Doubtful
	Call func(context.Context, *ksher.Client) (*ksher.WalletPayResponse, error)
}{
	"jsapi_pay":        {GoodJSAPIPay(), WalletCall((*ksher.Client).JSAPIPay, GoodJSAPIPay())},
	"mini_program_pay": {GoodMiniProgramPay(), WalletCall((*ksher.Client).MiniProgramPay, GoodMiniProgramPay())},
	"app_pay":          {GoodAppPay(), WalletCall((*ksher.Client).AppPay, GoodAppPay())},
	"wap_pay":          {GoodWapPay(), WalletCall((*ksher.Client).WapPay, GoodWapPay())},
	"web_pay":          {GoodWebPay(), WalletCall((*ksher.Client).WebPay, GoodWebPay())},
}

func WalletCall[R any](method func(*ksher.Client, context.Context, *R) (*ksher.WalletPayResponse, error), req *R) func(context.Context, *ksher.Client) (*ksher.WalletPayResponse, error) {
	return func(ctx context.Context, c *ksher.Client) (*ksher.WalletPayResponse, error) {
		return method(c, ctx, req)
	}
}

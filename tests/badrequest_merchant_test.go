package tests

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestAccountQueriesAreChecked(t *testing.T) {
	checkRequest(t, "merchant_info", testkit.GoodMerchantInfo, func(ctx context.Context, c *ksher.Client, r *ksher.MerchantInfoRequest) error {
		_, err := c.MerchantInfo(ctx, r)
		return err
	}, []change[ksher.MerchantInfoRequest]{
		{"good", func(*ksher.MerchantInfoRequest) {}, nil},
		{"the documented name", func(r *ksher.MerchantInfoRequest) { r.AppIDName = "mch_appid" }, nil},
		{"the SDKs' name", func(r *ksher.MerchantInfoRequest) { r.AppIDName = "appid" }, nil},
		{"another name", func(r *ksher.MerchantInfoRequest) { r.AppIDName = "app_id" }, []string{"AppIDName"}},
		{"a name of capitals", func(r *ksher.MerchantInfoRequest) { r.AppIDName = "APPID" }, []string{"AppIDName"}},
		{"the signature's name", func(r *ksher.MerchantInfoRequest) { r.AppIDName = "sign" }, []string{"AppIDName"}},
		{"a name that isn't UTF-8", func(r *ksher.MerchantInfoRequest) { r.AppIDName = "\xff" }, []string{"AppIDName"}},
		{"a blank name", func(r *ksher.MerchantInfoRequest) { r.AppIDName = " " }, []string{"AppIDName"}},
		{"another app ID as well", func(r *ksher.MerchantInfoRequest) {
			r.Extra = ksher.Extra{Params: map[string]string{"appid": "mch1"}}
		}, []string{"appid"}},
		{"another app ID beside", func(r *ksher.MerchantInfoRequest) {
			r.Extra = ksher.Extra{Params: map[string]string{"mch_appid": "mch1"}}
		}, []string{"mch_appid"}},
		{"another app ID beside the documented name", func(r *ksher.MerchantInfoRequest) {
			r.AppIDName, r.Extra = "mch_appid", ksher.Extra{Params: map[string]string{"appid": "mch1"}}
		}, []string{"appid"}},
	})
	checkRequest(t, "rate_query", testkit.GoodRateQuery, func(ctx context.Context, c *ksher.Client, r *ksher.RateQueryRequest) error {
		_, err := c.RateQuery(ctx, r)
		return err
	}, []change[ksher.RateQueryRequest]{
		{"good", func(*ksher.RateQueryRequest) {}, nil},
		{"a date of another form", func(r *ksher.RateQueryRequest) { r.Date = "2026-11-20" }, nil},
		{"a date of 32 characters", func(r *ksher.RateQueryRequest) { r.Date = testkit.Thai32 }, nil},
		{"a Thai day", func(r *ksher.RateQueryRequest) { r.Date = "25691101" }, []string{"date"}},
		{"a Thai day with hyphens", func(r *ksher.RateQueryRequest) { r.Date = "2568-11-01" }, []string{"date"}},
		{"a Thai day with slashes", func(r *ksher.RateQueryRequest) { r.Date = "2568/11/01" }, []string{"date"}},
		{"nothing", func(r *ksher.RateQueryRequest) { *r = ksher.RateQueryRequest{} }, []string{"channel", "fee_type", "date"}},
		{"no channel", func(r *ksher.RateQueryRequest) { r.Channel = "" }, []string{"channel"}},
		{"two channels", func(r *ksher.RateQueryRequest) { r.Channel = "wechat,alipay" }, []string{"channel"}},
		{"a currency in small letters", func(r *ksher.RateQueryRequest) { r.FeeType = "thb" }, []string{"fee_type"}},
		{"a blank date", func(r *ksher.RateQueryRequest) { r.Date = " \t" }, []string{"date"}},
		{"a long date", func(r *ksher.RateQueryRequest) { r.Date = testkit.Thai33 }, nil},
		{"a date that isn't UTF-8", func(r *ksher.RateQueryRequest) { r.Date = "\xff" }, []string{"date"}},
	})
}

func TestPayoutIsChecked(t *testing.T) {
	type req = ksher.PayoutRequest
	changes := []change[req]{
		{"good", func(*req) {}, nil},
		{"a number of 32 characters", func(r *req) { r.MchOrderNo = testkit.Thai32 }, nil},
		{"the smallest amount", func(r *req) { r.TotalFee = 1 }, nil},
		{"the largest amount", func(r *req) { r.TotalFee = 2_000_000_00 }, nil},
		{"more than that", func(r *req) { r.TotalFee = 2_000_000_01 }, []string{"total_fee"}},
		{"another currency", func(r *req) { r.FeeType = "MYR" }, []string{"fee_type"}},
		{"nothing", func(r *req) { *r = req{Extra: r.Extra} }, []string{"mch_order_no", "total_fee", "fee_type", "receiver_type", "receiver_no"}},
		{"no number", func(r *req) { r.MchOrderNo = "\t" }, []string{"mch_order_no"}},
		{"a number with a line feed", func(r *req) { r.MchOrderNo += "\n" }, []string{"mch_order_no"}},
		{"a long number", func(r *req) { r.MchOrderNo = testkit.Thai33 }, []string{"mch_order_no"}},
		{"a number that isn't UTF-8", func(r *req) { r.MchOrderNo = "\xff" }, []string{"mch_order_no"}},
		{"no receiver", func(r *req) { r.Params, r.ReceiverNo = nil, ksher.Secret{} }, []string{"receiver_no"}},
		{"an empty receiver", func(r *req) { r.ReceiverNo = ksher.NewSecret("") }, []string{"receiver_no"}},
		{"a blank receiver", func(r *req) { r.ReceiverNo = ksher.NewSecret(" \t") }, []string{"receiver_no"}},
		{"a receiver in Extra", func(r *req) {
			r.Params, r.ReceiverNo = map[string]string{"receiver_account": "9876543210"}, ksher.Secret{}
		}, []string{"receiver_no"}},
		{"no receiver but a note", func(r *req) {
			r.Params, r.ReceiverNo = map[string]string{"note": "x"}, ksher.Secret{}
		}, []string{"receiver_no"}},
		{"no type of receiver", func(r *req) { r.ReceiverType = "" }, []string{"receiver_type"}},
		{"another type of receiver", func(r *req) { r.ReceiverType = "bank" }, []string{"receiver_type"}},
		{"a national ID", func(r *req) { r.ReceiverType = "PROMPTPAY_NATID" }, nil},
		{"an account", func(r *req) { r.ReceiverType, r.ReceiverBankCode = "BANK", "014" }, nil},
		{"an account at a bank that isn't known", func(r *req) { r.ReceiverType, r.ReceiverBankCode = "BANK", "the new one" }, nil},
		{"an account without a bank", func(r *req) { r.ReceiverType = "BANK" }, []string{"receiver_bank_code"}},
		{"everything", func(r *req) {
			r.ReceiverMobile, r.Channel, r.Version = ksher.NewSecret("0812345678"), "payout", "3.0.0"
		}, nil},
		{"an empty extra", func(r *req) { r.Params["name"] = "" }, nil},
		{"the receiver's name isn't UTF-8", func(r *req) { r.Params["name"] = "9876543210\xff" }, []string{"name"}},
		{"a parameter without a name", func(r *req) { r.Params[""] = "9876543210" }, []string{"Extra"}},
		{"the amount as an extra", func(r *req) { r.Params["total_fee"] = "9876543210" }, []string{"total_fee"}},
	}
	for name, amount := range badAmounts {
		changes = append(changes, change[req]{name, func(r *req) { r.TotalFee = amount }, []string{"total_fee"}})
	}
	for _, feeType := range badFeeTypes {
		changes = append(changes, change[req]{"fee_type " + feeType, func(r *req) { r.FeeType = feeType }, []string{"fee_type"}})
	}
	checkRequest(t, "payout", testkit.GoodPayout, func(ctx context.Context, c *ksher.Client, r *req) error {
		_, err := c.Payout(ctx, r)
		require.NotContains(t, fmt.Sprintf("%v %+v", err, err), "9876543210")
		return err
	}, changes)

	_, err := testkit.NewClient(t, http.NotFoundHandler()).Payout(t.Context(), &req{MchOrderNo: testkit.OrderNo, TotalFee: 1, FeeType: "THB", Extra: testkit.GoodPayout().Extra})
	require.EqualError(t, err, `ksher: payout of order "order1" was not sent: receiver_type is required; receiver_no is required (app ID mch12345). To send it all the same, list in Extra.Unchecked: receiver_type, receiver_no`)

	checkRequest(t, "order_query_payout", testkit.PayoutQuery, func(ctx context.Context, c *ksher.Client, r *ksher.OrderQueryPayoutRequest) error {
		_, err := c.OrderQueryPayout(ctx, r)
		return err
	}, []change[ksher.OrderQueryPayoutRequest]{
		{"good", func(*ksher.OrderQueryPayoutRequest) {}, nil},
		{"no number", func(r *ksher.OrderQueryPayoutRequest) { r.MchOrderNo = "" }, []string{"mch_order_no"}},
		{"a long number", func(r *ksher.OrderQueryPayoutRequest) { r.MchOrderNo = testkit.Thai33 }, nil},
		{"a channel that isn't UTF-8", func(r *ksher.OrderQueryPayoutRequest) { r.Channel = "\xff" }, []string{"channel"}},
	})
	var feeTypes []change[ksher.GetPayoutBalanceRequest]
	for _, feeType := range badFeeTypes {
		feeTypes = append(feeTypes, change[ksher.GetPayoutBalanceRequest]{"fee_type " + feeType, func(r *ksher.GetPayoutBalanceRequest) { r.FeeType = feeType }, []string{"fee_type"}})
	}
	checkRequest(t, "get_payout_balance", testkit.BalanceQuery, func(ctx context.Context, c *ksher.Client, r *ksher.GetPayoutBalanceRequest) error {
		_, err := c.GetPayoutBalance(ctx, r)
		return err
	}, feeTypes)
}

func TestQuickPayRefusesBadRequests(t *testing.T) {
	changes := []change[ksher.QuickPayRequest]{
		{"good", func(*ksher.QuickPayRequest) {}, nil},
		{"a code in letters", func(r *ksher.QuickPayRequest) { r.AuthCode = ksher.NewSecret("abc-1") }, nil},
		{"a number of 32 characters", func(r *ksher.QuickPayRequest) { r.MchOrderNo = testkit.Thai32 }, nil},
		{"the largest amount", func(r *ksher.QuickPayRequest) { r.TotalFee = maxAmount }, nil},
		{"nothing", func(r *ksher.QuickPayRequest) { *r = ksher.QuickPayRequest{} }, []string{"mch_order_no", "total_fee", "fee_type", "auth_code"}},
		{"no number", func(r *ksher.QuickPayRequest) { r.MchOrderNo = " " }, []string{"mch_order_no"}},
		{"a notification to nowhere", func(r *ksher.QuickPayRequest) { r.NotifyURL = "shop.example/notify" }, []string{"notify_url"}},
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

func TestGetSettlementInfoIsChecked(t *testing.T) {
	type req = ksher.GetSettlementInfoRequest
	changes := []change[req]{
		{"good", func(*req) {}, nil},
		{"one channel", func(r *req) { r.PayChannel = "brand_new" }, nil},
		{"the SDK's name", func(r *req) { r.AppIDName = "appid" }, nil},
		{"nothing", func(r *req) { *r = req{} }, []string{"begin_date", "end_date"}},
		{"the wrong way round", func(r *req) { r.BeginDate = "2026-11-21" }, []string{"end_date"}},
		{"the wrong way round by a year", func(r *req) { r.EndDate = "2025-12-31" }, []string{"end_date"}},
		{"two channels", func(r *req) { r.PayChannel = "wechat,alipay" }, []string{"pay_channel"}},
		{"another name", func(r *req) { r.AppIDName = "app_id" }, []string{"AppIDName"}},
		{"another app ID beside", func(r *req) { r.Extra = ksher.Extra{Params: map[string]string{"appid": "mch1"}} }, []string{"appid"}},
		{"everything wrong", func(r *req) { *r = req{BeginDate: "x", EndDate: "\xff", PayChannel: " ", AppIDName: "x"} },
			[]string{"AppIDName", "begin_date", "end_date", "pay_channel", "end_date"}},
	}
	for _, date := range []string{
		"", " ", "20261120", "2026-11-2", "2026-1-20", "26-11-20", "2026-02-29", "2026-11-31", "2026-13-01", "2026-11-20 ", "2026-11-20T00:00:00Z",
		"2568-11-01", "2567-02-29", "2126-11-20", "1926-11-20",
		"20/11/2026", "๒๐๒๖-๑๑-๒๐", strings.Repeat("2026-11-20", 10_000),
	} {
		changes = append(changes,
			change[req]{"from " + date[:min(len(date), 12)], func(r *req) { r.BeginDate = date }, []string{"begin_date"}},
			change[req]{"until " + date[:min(len(date), 12)], func(r *req) { r.EndDate = date }, []string{"end_date"}})
	}
	checkRequest(t, "get_settlement_info", testkit.GoodSettlementInfo, func(ctx context.Context, c *ksher.Client, r *req) error {
		_, err := c.GetSettlementInfo(ctx, r)
		return err
	}, changes)
}

func TestNativePayIsChecked(t *testing.T) {
	type req = ksher.NativePayRequest
	changes := []change[req]{
		{"good", func(*req) {}, nil},
		{"nothing set", func(r *req) { *r = req{} }, []string{"mch_order_no", "total_fee", "fee_type", "channel"}},
		{"everything wrong", func(r *req) {
			*r = req{
				MchOrderNo: testkit.Thai33, TotalFee: -1, FeeType: "baht", Channel: "a,b", NotifyURL: "x", RedirectURL: "x",
				ImgType: "gif", ExpireTime: -1, TMNExpireTime: -1,
			}
		}, []string{
			"mch_order_no", "total_fee", "fee_type", "channel", "notify_url", "redirect_url", "img_type", "expire_time", "tmn_expire_time",
		}},
		{"mch_order_no blank", func(r *req) { r.MchOrderNo = " " }, []string{"mch_order_no"}},
		{"mch_order_no of 32 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai32 }, nil},
		{"mch_order_no of 33 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai33 }, []string{"mch_order_no"}},
		{"product not UTF-8", func(r *req) { r.Product = "\xff" }, []string{"product"}},
		{"total_fee of 2^53-1", func(r *req) { r.TotalFee = maxAmount }, nil},
		{"total_fee of 1 THB", func(r *req) { r.TotalFee = 1_00 }, nil},
		{"total_fee below 1 THB", func(r *req) { r.TotalFee = 1 }, nil},
		{"total_fee below 1 THB in a new channel", func(r *req) { r.TotalFee, r.Channel = 1, "brand_new" }, nil},
		{"total_fee below 100 yen", func(r *req) { r.TotalFee, r.FeeType = 99, "JPY" }, nil},
		{"channel missing", func(r *req) { r.Channel = "" }, []string{"channel"}},
		{"channel with a comma", func(r *req) { r.Channel = "wechat,alipay" }, []string{"channel"}},
		{"a new channel", func(r *req) { r.Channel = "brand_new" }, nil},
		{"img_type svg", func(r *req) { r.ImgType = "svg" }, nil},
		{"img_type in capitals", func(r *req) { r.ImgType = "PNG" }, []string{"img_type"}},
		{"expire_time negative", func(r *req) { r.ExpireTime = -1 }, []string{"expire_time"}},
		{"tmn_expire_time negative", func(r *req) { r.TMNExpireTime = -1 }, []string{"tmn_expire_time"}},
		{"both times for TrueMoney", func(r *req) { r.Channel, r.ExpireTime, r.TMNExpireTime = "truemoney", 5, 5 }, nil},
		{"both times where none is documented", func(r *req) { r.Channel, r.ExpireTime, r.TMNExpireTime = "airpay", 5, 5 }, nil},
		{"both times of a new channel", func(r *req) { r.Channel, r.ExpireTime, r.TMNExpireTime = "brand_new", 5, 5 }, nil},
	}
	for _, channel := range []ksher.Channel{"promptpay", "linepay", "wechat", "alipay", "alipayplus"} {
		changes = append(changes, change[req]{"times of " + string(channel), func(r *req) {
			r.Channel, r.ExpireTime, r.TMNExpireTime = channel, 5, 5
		}, nil})
	}
	for name, amount := range badAmounts {
		changes = append(changes, change[req]{"total_fee " + name, func(r *req) { r.TotalFee = amount }, []string{"total_fee"}})
	}
	for _, feeType := range badFeeTypes {
		changes = append(changes, change[req]{"fee_type " + feeType, func(r *req) { r.FeeType = feeType }, []string{"fee_type"}})
	}
	for _, address := range badURLs {
		changes = append(changes,
			change[req]{"notify_url " + address, func(r *req) { r.NotifyURL = address }, []string{"notify_url"}},
			change[req]{"redirect_url " + address, func(r *req) { r.RedirectURL = address }, []string{"redirect_url"}})
	}
	checkRequest(t, "native_pay", testkit.GoodNativePay, func(ctx context.Context, c *ksher.Client, r *req) error {
		_, err := c.NativePay(ctx, r)
		return err
	}, changes)
}

func TestOrderRefundIsChecked(t *testing.T) {
	type req = ksher.OrderRefundRequest
	changes := []change[req]{
		{"good", func(*req) {}, nil},
		{"nothing set", func(r *req) { *r = req{} }, []string{"mch_refund_no", "refund_fee", "total_fee", "fee_type", "mch_order_no"}},
		{"everything wrong", func(r *req) {
			*r = req{MchRefundNo: testkit.Thai33, RefundFee: 0, TotalFee: -1, FeeType: "baht", MchOrderNo: testkit.Thai33, Channel: "card"}
		}, []string{"mch_refund_no", "refund_fee", "total_fee", "refund_fee", "fee_type", "ksher_order_no"}},
		{"no order number", func(r *req) { r.MchOrderNo = "" }, []string{"mch_order_no"}},
		{"mch_order_no of 32 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai32 }, nil},
		{"mch_order_no of 33 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai33 }, nil},
		{"mch_refund_no with a blank", func(r *req) { r.MchRefundNo = "R1 " }, []string{"mch_refund_no"}},
		{"ksher_order_no with a blank", func(r *req) { r.KsherOrderNo = " 900" }, []string{"ksher_order_no"}},
		{"mch_refund_no blank", func(r *req) { r.MchRefundNo = " " }, []string{"mch_refund_no"}},
		{"mch_refund_no of 32 Thai letters", func(r *req) { r.MchRefundNo = testkit.Thai32 }, nil},
		{"mch_refund_no of 33 Thai letters", func(r *req) { r.MchRefundNo = testkit.Thai33 }, []string{"mch_refund_no"}},
		{"ksher_order_no not UTF-8", func(r *req) { r.KsherOrderNo = "\xff" }, []string{"ksher_order_no"}},
		{"all of it", func(r *req) { r.RefundFee = r.TotalFee }, nil},
		{"one satang too much", func(r *req) { r.RefundFee = r.TotalFee + 1 }, []string{"refund_fee"}},
		{"one satang", func(r *req) { r.RefundFee = 1 }, nil},
		{"2^53-1", func(r *req) { r.RefundFee, r.TotalFee = maxAmount, maxAmount }, nil},
		{"card by the merchant's number", func(r *req) { r.Channel = ksher.ChannelCard }, []string{"ksher_order_no"}},
		{"card by the channel's number", func(r *req) { r.Channel, r.MchOrderNo, r.ChannelOrderNo = ksher.ChannelCard, "", "42" }, []string{"ksher_order_no"}},
		{"card by Ksher's number", func(r *req) { r.Channel, r.KsherOrderNo = ksher.ChannelCard, "900" }, nil},
		{"promptpay", func(r *req) { r.Channel = ksher.ChannelPromptPay }, []string{"channel"}},
		{"a new channel", func(r *req) { r.Channel = "brand_new" }, nil},
	}
	for name, amount := range badAmounts {
		if amount <= 0 {
			changes = append(changes,
				change[req]{"refund_fee " + name, func(r *req) { r.RefundFee = amount }, []string{"refund_fee"}},
				change[req]{"total_fee " + name, func(r *req) { r.TotalFee = amount }, []string{"total_fee", "refund_fee"}})
			continue
		}
		changes = append(changes,
			change[req]{"refund_fee " + name, func(r *req) { r.RefundFee = amount }, []string{"refund_fee", "refund_fee"}},
			change[req]{"total_fee " + name, func(r *req) { r.TotalFee = amount }, []string{"total_fee"}})
	}
	for _, feeType := range badFeeTypes {
		changes = append(changes, change[req]{"fee_type " + feeType, func(r *req) { r.FeeType = feeType }, []string{"fee_type"}})
	}
	checkRequest(t, "order_refund", testkit.GoodOrderRefund, func(ctx context.Context, c *ksher.Client, r *req) error {
		_, err := c.OrderRefund(ctx, r)
		return err
	}, changes)
}

func TestRefundQueryIsChecked(t *testing.T) {
	type req = ksher.RefundQueryRequest
	good := func() *req { return &req{MchOrderNo: testkit.OrderNo, MchRefundNo: testkit.RefundNo} }
	changes := []change[req]{
		{"good", func(*req) {}, nil},
		{"nothing set", func(r *req) { *r = req{} }, []string{"mch_order_no"}},
		{"everything wrong", func(r *req) {
			*r = req{MchOrderNo: testkit.Thai33, MchRefundNo: testkit.Thai33, Channel: "alipay", TotalFee: -1, RefundFee: -1, FeeType: "baht"}
		}, []string{"channel", "total_fee", "refund_fee", "fee_type"}},
		{"no order number", func(r *req) { r.MchOrderNo = "" }, []string{"mch_order_no"}},
		{"no refund number", func(r *req) { r.MchRefundNo = "" }, nil},
		{"blank numbers", func(r *req) { r.MchOrderNo, r.MchRefundNo = " ", "\t" }, []string{"mch_order_no"}},
		{"padded numbers", func(r *req) { r.MchOrderNo, r.MchRefundNo = "A1 ", "\tR1" }, []string{"mch_order_no", "mch_refund_no"}},
		{"the channel's numbers", func(r *req) { *r = req{ChannelOrderNo: "42", ChannelRefundNo: "43"} }, nil},
		{"mch_order_no of 33 Thai letters", func(r *req) { r.MchOrderNo = testkit.Thai33 }, nil},
		{"mch_refund_no of 33 Thai letters", func(r *req) { r.MchRefundNo = testkit.Thai33 }, nil},
		{"numbers of 32 Thai letters", func(r *req) { r.MchOrderNo, r.MchRefundNo = testkit.Thai32, testkit.Thai32 }, nil},
		{"promptpay", func(r *req) { r.Channel = ksher.ChannelPromptPay }, []string{"channel"}},
		{"alipay", func(r *req) { r.Channel = ksher.ChannelAlipay }, []string{"channel"}},
		{"wechat", func(r *req) { r.Channel = ksher.ChannelWeChat }, nil},
		{"total_fee of 2^53-1", func(r *req) { r.TotalFee = maxAmount }, nil},
		{"total_fee of 2^53", func(r *req) { r.TotalFee = maxAmount + 1 }, []string{"total_fee"}},
		{"total_fee negative", func(r *req) { r.TotalFee = math.MinInt64 }, []string{"total_fee"}},
		{"refund_fee of 2^53", func(r *req) { r.RefundFee = maxAmount + 1 }, []string{"refund_fee"}},
		{"refund_fee negative", func(r *req) { r.RefundFee = -1 }, []string{"refund_fee"}},
		{"fee_type in small letters", func(r *req) { r.FeeType = "thb" }, []string{"fee_type"}},
	}
	checkRequest(t, "refund_query", good, func(ctx context.Context, c *ksher.Client, r *req) error {
		_, err := c.RefundQuery(ctx, r)
		return err
	}, changes)
}

func TestWalletPayIsChecked(t *testing.T) {
	type edit = func(order *ksher.WapPayRequest)
	// shared are the checks of all five, on the fields that they have in common.
	shared := []struct {
		name  string
		apply edit
		want  []string
	}{
		{"good", func(*ksher.WapPayRequest) {}, nil},
		{"a channel nobody knows", func(r *ksher.WapPayRequest) { r.Channel = "new_wallet" }, nil},
		{"one cent", func(r *ksher.WapPayRequest) { r.TotalFee = 1 }, nil},
		{"a number of 32 characters", func(r *ksher.WapPayRequest) { r.MchOrderNo = testkit.Thai32 }, nil},
		{"no number", func(r *ksher.WapPayRequest) { r.MchOrderNo = "" }, []string{"mch_order_no"}},
		{"a long number", func(r *ksher.WapPayRequest) { r.MchOrderNo = testkit.Thai33 }, []string{"mch_order_no"}},
		{"no currency", func(r *ksher.WapPayRequest) { r.FeeType = "" }, []string{"fee_type"}},
		{"no channel", func(r *ksher.WapPayRequest) { r.Channel = "" }, []string{"channel"}},
		{"two channels", func(r *ksher.WapPayRequest) { r.Channel = "alipay,wechat" }, []string{"channel"}},
		{"a notification to nowhere", func(r *ksher.WapPayRequest) { r.NotifyURL = "shop.example/notify" }, []string{"notify_url"}},
		{"a way back to an app", func(r *ksher.WapPayRequest) { r.RedirectURL = "myapp://paid" }, []string{"redirect_url"}},
		{"text that isn't UTF-8", func(r *ksher.WapPayRequest) { r.Attach = "\xff" }, []string{"attach"}},
		{"several things", func(r *ksher.WapPayRequest) { r.MchOrderNo, r.TotalFee, r.NotifyURL = "", 0, "/" }, []string{"mch_order_no", "total_fee", "notify_url"}},
	}
	for name, amount := range badAmounts {
		shared = append(shared, struct {
			name  string
			apply edit
			want  []string
		}{name, func(r *ksher.WapPayRequest) { r.TotalFee = amount }, []string{"total_fee"}})
	}
	sharedBy := func(of func(*ksher.WapPayRequest) ksher.Doubtful) {
		for _, tt := range shared {
			common := testkit.GoodWapPay()
			tt.apply(common)
			req := of(common)
			client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"result":"SUCCESS"}`)))
			err := payFor(t.Context(), client, req)
			assert.Equal(t, tt.want, testkit.FieldsOf(err), "%T: %s: %v", req, tt.name, err)
			if tt.want == nil {
				assert.NoError(t, err)
			}
		}
	}
	sharedBy(func(r *ksher.WapPayRequest) ksher.Doubtful { return r })
	sharedBy(func(r *ksher.WapPayRequest) ksher.Doubtful { return (*ksher.WebPayRequest)(r) })
	sharedBy(func(r *ksher.WapPayRequest) ksher.Doubtful {
		return &ksher.JSAPIPayRequest{
			MchOrderNo: r.MchOrderNo, TotalFee: r.TotalFee, FeeType: r.FeeType, Channel: r.Channel, NotifyURL: r.NotifyURL, RedirectURL: r.RedirectURL, Attach: r.Attach,
		}
	})
	sharedBy(func(r *ksher.WapPayRequest) ksher.Doubtful {
		return &ksher.MiniProgramPayRequest{
			MchOrderNo: r.MchOrderNo, TotalFee: r.TotalFee, FeeType: r.FeeType, Channel: r.Channel, NotifyURL: r.NotifyURL, RedirectURL: r.RedirectURL, Attach: r.Attach,
			SubOpenID: "o1", ChannelSubAppID: "wx1",
		}
	})
	sharedBy(func(r *ksher.WapPayRequest) ksher.Doubtful {
		return &ksher.AppPayRequest{
			MchOrderNo: r.MchOrderNo, TotalFee: r.TotalFee, FeeType: r.FeeType, Channel: r.Channel, NotifyURL: r.NotifyURL, RedirectURL: r.RedirectURL, Attach: r.Attach,
			ReferURL: "https://shop.example",
		}
	})

	mini := func(ctx context.Context, c *ksher.Client, r *ksher.MiniProgramPayRequest) error {
		return payFor(ctx, c, r)
	}
	checkRequest(t, "mini_program_pay", testkit.GoodMiniProgramPay, mini, []change[ksher.MiniProgramPayRequest]{
		{"nothing", func(r *ksher.MiniProgramPayRequest) { *r = ksher.MiniProgramPayRequest{} },
			[]string{"mch_order_no", "total_fee", "fee_type", "channel"}},
		{"no buyer", func(r *ksher.MiniProgramPayRequest) { r.SubOpenID = "" }, []string{"sub_openid"}},
		{"a blank buyer", func(r *ksher.MiniProgramPayRequest) { r.SubOpenID = " \t" }, []string{"sub_openid"}},
		{"no mini program", func(r *ksher.MiniProgramPayRequest) { r.ChannelSubAppID = "" }, []string{"channel_sub_appid"}},
		{"no mini program of Alipay", func(r *ksher.MiniProgramPayRequest) { r.Channel, r.ChannelSubAppID = "alipay", "" }, nil},
		{"the largest local amount", func(r *ksher.MiniProgramPayRequest) { r.LocalTotalFee = maxAmount }, nil},
		{"a negative local amount", func(r *ksher.MiniProgramPayRequest) { r.LocalTotalFee = -1 }, []string{"local_total_fee"}},
		{"a local amount too large", func(r *ksher.MiniProgramPayRequest) { r.LocalTotalFee = maxAmount + 1 }, []string{"local_total_fee"}},
	})
	app := func(ctx context.Context, c *ksher.Client, r *ksher.AppPayRequest) error { return payFor(ctx, c, r) }
	checkRequest(t, "app_pay", testkit.GoodAppPay, app, []change[ksher.AppPayRequest]{
		{"nothing", func(r *ksher.AppPayRequest) { *r = ksher.AppPayRequest{} }, []string{"mch_order_no", "total_fee", "fee_type", "channel"}},
		{"Alipay without the shop", func(r *ksher.AppPayRequest) { r.ReferURL = "" }, nil},
		{"WeChat without the shop", func(r *ksher.AppPayRequest) { r.Channel, r.ReferURL = ksher.ChannelWeChat, "" }, nil},
		{"a shop that is no address", func(r *ksher.AppPayRequest) { r.Channel, r.ReferURL = ksher.ChannelWeChat, "shop" }, []string{"refer_url"}},
		{"a negative local amount", func(r *ksher.AppPayRequest) { r.LocalTotalFee = -1 }, []string{"local_total_fee"}},
	})
	wap := func(ctx context.Context, c *ksher.Client, r *ksher.WapPayRequest) error { return payFor(ctx, c, r) }
	checkRequest(t, "wap_pay", testkit.GoodWapPay, wap, []change[ksher.WapPayRequest]{
		{"nothing", func(r *ksher.WapPayRequest) { *r = ksher.WapPayRequest{} }, []string{"mch_order_no", "total_fee", "fee_type", "channel"}},
		{"a shop that is no address", func(r *ksher.WapPayRequest) { r.ReferURL = "shop" }, []string{"refer_url"}},
		{"Alipay+", func(r *ksher.WapPayRequest) { r.Channel = ksher.ChannelAlipayPlus }, nil},
		{"a negative local amount", func(r *ksher.WapPayRequest) { r.LocalTotalFee = -1 }, []string{"local_total_fee"}},
		{"a modelled parameter as an extra", func(r *ksher.WapPayRequest) {
			r.Extra = ksher.Extra{Params: map[string]string{"refer_url": "https://shop.example"}}
		}, []string{"refer_url"}},
	})
	web := func(ctx context.Context, c *ksher.Client, r *ksher.WebPayRequest) error { return payFor(ctx, c, r) }
	checkRequest(t, "web_pay", testkit.GoodWebPay, web, []change[ksher.WebPayRequest]{
		{"no shop", func(r *ksher.WebPayRequest) { r.ReferURL = "" }, nil},
	})
	jsapi := func(ctx context.Context, c *ksher.Client, r *ksher.JSAPIPayRequest) error { return payFor(ctx, c, r) }
	checkRequest(t, "jsapi_pay", testkit.GoodJSAPIPay, jsapi, []change[ksher.JSAPIPayRequest]{
		{"nothing", func(r *ksher.JSAPIPayRequest) { *r = ksher.JSAPIPayRequest{} }, []string{"mch_order_no", "total_fee", "fee_type", "channel"}},
	})
}

// payFor calls the operation of a request.
func payFor(ctx context.Context, c *ksher.Client, req ksher.Doubtful) (err error) {
	switch r := req.(type) {
	case *ksher.JSAPIPayRequest:
		_, err = c.JSAPIPay(ctx, r)
	case *ksher.MiniProgramPayRequest:
		_, err = c.MiniProgramPay(ctx, r)
	case *ksher.AppPayRequest:
		_, err = c.AppPay(ctx, r)
	case *ksher.WapPayRequest:
		_, err = c.WapPay(ctx, r)
	case *ksher.WebPayRequest:
		_, err = c.WebPay(ctx, r)
	default:
		err = fmt.Errorf("no operation for %T", req)
	}
	return err
}

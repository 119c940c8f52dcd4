package api_test

import (
	"context"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

func quickPay(no, code string) *ksher.QuickPayRequest {
	return &ksher.QuickPayRequest{MchOrderNo: no, TotalFee: 40_00, FeeType: "THB", AuthCode: ksher.NewSecret(code)}
}

// Codes of WeChat Pay and of Alipay that are paid at once.
const (
	weChatCode = "134567890123456700"
	alipayCode = "2876344382566400"
)

func reverse(t *testing.T, gw *sandbox.Gateway, no string) error {
	_, err := gw.Client.OrderReverse(t.Context(), &ksher.OrderReverseRequest{MchOrderNo: no})
	return err
}

func TestQuickPayParameters(t *testing.T) {
	good := map[string]string{"mch_order_no": "Q-1", "total_fee": "4000", "fee_type": "THB", "auth_code": alipayCode}
	for _, c := range []struct {
		name, value string
		want        ksher.Code
	}{
		{"attach", "x", ""},
		{"mch_order_no", "", ksher.CodeLackParams},
		{"mch_order_no", strings.Repeat("x", 33), ksher.CodeKsherParamOverlength},
		{"mch_order_no", "K-1", ksher.CodeKsherDuplicatedOrderNo},
		{"total_fee", "", ksher.CodeLackParams},
		{"total_fee", "0", ksher.CodePriceNotExist},
		{"total_fee", "40.00", ksher.CodePriceNotExist},
		{"fee_type", "", ksher.CodeLackParams},
		{"fee_type", "JPY", ksher.CodeKsherFeeTypeNotMatch},
		{"auth_code", "", ksher.CodeLackParams},
		{"auth_code", "287634438256640", ksher.CodeKsherInvalidParam},
		{"auth_code", "28" + strings.Repeat("0", 23), ksher.CodeKsherInvalidParam},
		{"auth_code", "3876344382566400", ksher.CodeKsherInvalidParam},
		{"auth_code", "28763443825664๐0", ksher.CodeKsherInvalidParam},
		{"auth_code", "x", ksher.CodeKsherInvalidParam},
		{"auth_code", "13456789012345670", ksher.CodeKsherInvalidParam},
		{"auth_code", "2876344382566402", ksher.CodeOrderPaymentError},
		{"channel", "alipay", ""},
		{"channel", "alipayplus", ""},
		{"channel", "wechat", ksher.CodeKsherInvalidParam},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			gw := sandbox.New(t)
			_, err := gw.Client.NativePay(t.Context(), sandboxtest.NativePay("K-1", ksher.ChannelWeChat))
			require.NoError(t, err)
			params := maps.Clone(good)
			params[c.name] = c.value
			assert.Equal(t, string(c.want), string(sandboxtest.PostSigned(t, gw, gw.MerchantURL()+"/quick_pay", params)))
			made := 1
			if c.want == "" {
				made = 2
			}
			assert.Len(t, gw.Orders(), made)
		})
	}
}

func TestQuickPayWallets(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "quick_pay: without a channel, the code tells the wallet")
	for _, c := range []struct {
		code    string
		channel ksher.Channel
		want    ksher.Channel
	}{
		{weChatCode, "", ksher.ChannelWeChat},
		{"10" + weChatCode[2:], "", ksher.ChannelWeChat},
		{"15" + weChatCode[2:], "", ksher.ChannelWeChat},
		{alipayCode, "", ksher.ChannelAlipay},
		{"25" + alipayCode[2:], "", ksher.ChannelAlipay},
		{"30" + alipayCode[2:] + "12345678", "", ksher.ChannelAlipay},
		{alipayCode, ksher.ChannelAlipayPlus, ksher.ChannelAlipayPlus},
		{"TMN-1", ksher.ChannelTrueMoney, ksher.ChannelTrueMoney},
		{"1", ksher.ChannelTrueMoney, ksher.ChannelTrueMoney},
	} {
		gw := sandbox.New(t)
		req := quickPay("Q-1", c.code)
		req.Channel = c.channel
		resp, err := gw.Client.QuickPay(t.Context(), req)
		require.NoError(t, err, c.code)
		assert.Equal(t, c.want, resp.Channel)
		require.NoError(t, resp.CheckPaid("Q-1", 40_00, "THB"))
		sandbox.AssertPaid(t, gw, "Q-1", 40_00)
	}
}

// The ends of the buyer's code.
func TestQuickPayCodes(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "quick_pay: a code that is refused leaves its number free if it is too old, and taken if there is no money")
	const pin, old, poor = alipayCode + "01", alipayCode + "02", alipayCode + "03"
	for _, c := range []struct {
		name, code string
		// then is what the buyer does after the charge.
		then    func(*sandbox.Gateway) error
		unknown bool
		want    error
		// result is what the query says, "" for no such order.
		result ksher.Result
		state  sandbox.State
	}{
		{"paid", alipayCode, nil, false, nil, ksher.ResultSuccess, sandbox.Paid},
		{"typing a PIN", pin, nil, true, nil, ksher.ResultUserPaying, sandbox.InProgress},
		{"paid after the PIN", pin, func(gw *sandbox.Gateway) error { return gw.Pay("Q-1", "") }, true, nil, ksher.ResultSuccess, sandbox.Paid},
		{"a wrong PIN", pin, func(gw *sandbox.Gateway) error { return gw.Fail("Q-1") }, true, nil, ksher.ResultPayError, sandbox.Failed},
		{"no PIN in time", pin, func(gw *sandbox.Gateway) error { return gw.Expire("Q-1") }, true, nil, ksher.ResultClosed, sandbox.Expired},
		{"given up", pin, func(gw *sandbox.Gateway) error { return gw.GiveUp("Q-1") }, true, nil, ksher.ResultNotPay, sandbox.Created},
		{"too old", old, nil, false, ksher.CodeOrderPaymentError, "", ""},
		{"not enough money", poor, nil, false, ksher.CodeOrderPaymentError, ksher.ResultPayError, sandbox.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			gw := sandbox.New(t)
			_, err := gw.Client.QuickPay(t.Context(), quickPay("Q-1", c.code))
			if c.unknown {
				require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
				require.ErrorContains(t, err, "NOTSURE")
			} else {
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
				require.ErrorIs(t, err, c.want)
			}
			if c.then != nil {
				require.NoError(t, c.then(gw))
			}
			seen, err := gw.Order("Q-1")
			if c.state == "" {
				require.ErrorIs(t, err, sandbox.ErrNoOrder)
				_, err = gw.Client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: "Q-1"})
				require.ErrorIs(t, err, ksher.CodeKsherInvalidOrderNo)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.state, seen.State)
			assert.Equal(t, c.result, sandboxtest.Query(t, gw, "Q-1").Result)

			// The number is taken, whatever the next code.
			for _, code := range []string{alipayCode, pin, old, poor} {
				_, err = gw.Client.QuickPay(t.Context(), quickPay("Q-1", code))
				require.ErrorIs(t, err, ksher.CodeKsherDuplicatedOrderNo)
			}
			assert.Len(t, gw.Orders(), 1)
		})
	}
}

// pinCode is a code whose buyer has to type a PIN.
const pinCode = "134567890123456701"

// charged is a gateway where a code was charged for the order Q-1.
func charged(t *testing.T, code string) *sandbox.Gateway {
	gw := sandbox.New(t)
	gw.Client.QuickPay(t.Context(), quickPay("Q-1", code))
	return gw
}

func TestOrderReverse(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "order_reverse: an unpaid order is closed by it, and a paid one refunded")
	t.Run("unpaid", func(t *testing.T) {
		gw := charged(t, pinCode)
		require.NoError(t, reverse(t, gw, "Q-1"))
		assert.Equal(t, ksher.ResultClosed, sandboxtest.Query(t, gw, "Q-1").Result)
		assert.ErrorIs(t, reverse(t, gw, "Q-1"), ksher.CodeOrderAlreadyCancel)
		assert.ErrorIs(t, gw.Pay("Q-1", ""), sandbox.ErrNotPayable)
	})
	t.Run("unpaid by a wallet whose QR codes can be saved", func(t *testing.T) {
		gw := sandbox.New(t)
		req := quickPay("Q-1", "TMN-01")
		req.Channel = ksher.ChannelTrueMoney
		_, err := gw.Client.QuickPay(t.Context(), req)
		require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
		require.NoError(t, reverse(t, gw, "Q-1"))
		assert.ErrorIs(t, gw.Pay("Q-1", ""), sandbox.ErrNotPayable, "there is none to save")
	})
	t.Run("paid", func(t *testing.T) {
		gw := charged(t, weChatCode)
		require.NoError(t, reverse(t, gw, "Q-1"))
		assert.Equal(t, ksher.ResultRefund, sandboxtest.Query(t, gw, "Q-1").Result)
		sandbox.AssertRefunded(t, gw, "Q-1", 40_00)
		assert.ErrorIs(t, reverse(t, gw, "Q-1"), ksher.CodeOrderAlreadyRefund)
		sandbox.AssertRefunded(t, gw, "Q-1", 40_00)
		_, err := gw.Client.OrderRefund(t.Context(), &ksher.OrderRefundRequest{MchOrderNo: "Q-1", MchRefundNo: "R-1", RefundFee: 1, TotalFee: 40_00, FeeType: "THB"})
		assert.ErrorIs(t, err, ksher.CodeOrderAlreadyRefund)

		// The refund's number is taken like any other.
		seen, err := gw.Order("Q-1")
		require.NoError(t, err)
		_, err = gw.Client.QuickPay(t.Context(), quickPay("Q-2", weChatCode))
		require.NoError(t, err)
		_, err = gw.Client.OrderRefund(t.Context(), &ksher.OrderRefundRequest{MchOrderNo: "Q-2", MchRefundNo: seen.Refunds[0].MchRefundNo, RefundFee: 1, TotalFee: 40_00, FeeType: "THB"})
		assert.ErrorIs(t, err, ksher.CodeKsherDuplicatedRefundOrderNo)
	})
	t.Run("refunded in part", func(t *testing.T) {
		gw := charged(t, weChatCode)
		_, err := gw.Client.OrderRefund(t.Context(), &ksher.OrderRefundRequest{MchOrderNo: "Q-1", MchRefundNo: "R-1", RefundFee: 10_00, TotalFee: 40_00, FeeType: "THB"})
		require.NoError(t, err)
		require.NoError(t, reverse(t, gw, "Q-1"))
		sandbox.AssertRefunded(t, gw, "Q-1", 40_00)
	})
	t.Run("by other numbers", func(t *testing.T) {
		gw := charged(t, weChatCode)
		paid := sandboxtest.Query(t, gw, "Q-1")
		for _, req := range []*ksher.OrderReverseRequest{{KsherOrderNo: paid.KsherOrderNo}, {ChannelOrderNo: paid.ChannelOrderNo}} {
			resp, err := gw.Client.OrderReverse(t.Context(), req)
			if err == nil {
				assert.Equal(t, "Q-1", resp.MchOrderNo)
			} else {
				assert.ErrorIs(t, err, ksher.CodeOrderAlreadyRefund)
			}
		}
		sandbox.AssertRefunded(t, gw, "Q-1", 40_00)
	})
}

func TestOrderReverseRefused(t *testing.T) {
	t.Run("settled", func(t *testing.T) {
		gw := charged(t, weChatCode)
		require.NoError(t, gw.Settle("Q-1"))
		assert.ErrorIs(t, reverse(t, gw, "Q-1"), ksher.CodeKsherRefundExpire)
		sandbox.AssertPaid(t, gw, "Q-1", 40_00)
	})
	t.Run("expired", func(t *testing.T) {
		gw := charged(t, pinCode)
		require.NoError(t, gw.Expire("Q-1"))
		assert.ErrorIs(t, reverse(t, gw, "Q-1"), ksher.CodeExpireOrder)
	})
	t.Run("no order of quick_pay", func(t *testing.T) {
		gw := sandbox.New(t)
		_, err := gw.Client.NativePay(t.Context(), sandboxtest.NativePay("K-1", ksher.ChannelWeChat))
		require.NoError(t, err)
		assert.ErrorIs(t, reverse(t, gw, "K-1"), ksher.CodeCancelError)
		require.NoError(t, gw.Pay("K-1", ""))
		assert.ErrorIs(t, reverse(t, gw, "K-1"), ksher.CodeCancelError)
		sandbox.AssertPaid(t, gw, "K-1", 40_00)
	})
	t.Run("no order", func(t *testing.T) {
		gw := sandbox.New(t)
		assert.ErrorIs(t, reverse(t, gw, "none"), ksher.CodeKsherInvalidOrderNo)
		assert.Equal(t, ksher.CodeKsherErrorOrderNo, sandboxtest.PostSigned(t, gw, gw.MerchantURL()+"/order_reverse", map[string]string{"operator_id": "x"}))
	})
}

// Orders of quick_pay come back after a restart as they were, and are of
// quick_pay still.
// What the till says of a charge comes back, and the merchant hears of it.
func TestQuickPayNotifies(t *testing.T) {
	gw := sandbox.New(t)
	var told []string
	shop := httptest.NewServer(sandboxtest.Notifications(t, gw, func(_ context.Context, o *ksher.Order) error {
		told = append(told, o.MchOrderNo+" "+o.Attach)
		return nil
	}))
	defer shop.Close()
	resp, err := gw.Client.QuickPay(t.Context(), &ksher.QuickPayRequest{
		MchOrderNo: "Q-1", TotalFee: 40_00, FeeType: "THB", AuthCode: ksher.NewSecret(alipayCode), Channel: ksher.ChannelAlipayPlus,
		OperatorID: "Nok", DeviceID: "till 2", NotifyURL: shop.URL, Product: "coffee", Attach: "table 7",
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"Nok", "till 2", "table 7"}, []string{resp.OperatorID, resp.DeviceID, resp.Attach})
	require.NoError(t, gw.Deliver(t.Context(), "Q-1"))
	assert.Equal(t, []string{"Q-1 table 7"}, told)

	for _, channel := range []ksher.Channel{ksher.ChannelLinePay, ksher.ChannelTrueMoney, ksher.ChannelAirPay} {
		_, err := gw.Client.QuickPay(t.Context(), &ksher.QuickPayRequest{
			MchOrderNo: string(channel), TotalFee: 40_00, FeeType: "THB", AuthCode: ksher.NewSecret("3876344382566400"), Channel: channel,
		})
		require.NoError(t, err, channel)
	}
}

func TestQuickPaySurvivesARestart(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	gw, err := sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(0))
	require.NoError(t, err)
	for no, code := range map[string]string{"paid": alipayCode, "reversed": alipayCode, "typing": alipayCode + "01", "closed": alipayCode + "01", "poor": alipayCode + "03"} {
		gw.Client.QuickPay(t.Context(), quickPay(no, code))
	}
	require.NoError(t, reverse(t, gw, "reversed"))
	require.NoError(t, reverse(t, gw, "closed"))
	gw.Close()

	gw, err = sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(0))
	require.NoError(t, err)
	defer gw.Close()
	for no, want := range map[string]sandbox.State{
		"paid": sandbox.Paid, "reversed": sandbox.Refunded, "typing": sandbox.InProgress, "closed": sandbox.Cancelled, "poor": sandbox.Failed,
	} {
		seen, err := gw.Order(no)
		require.NoError(t, err)
		assert.Equal(t, want, seen.State, no)
	}
	require.NoError(t, reverse(t, gw, "paid"))
	require.NoError(t, reverse(t, gw, "typing"))
	assert.ErrorIs(t, reverse(t, gw, "reversed"), ksher.CodeOrderAlreadyRefund)
}

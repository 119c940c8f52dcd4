package api_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestWrongParameters(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "local gateway: which code answers a parameter that is missing or wrong is chosen by the code's name")
	testkit.Holds(t, testkit.Documented, "gateway_pay: member_id has at most 32 characters, and not digits alone")
	testkit.Holds(t, testkit.Documented, "channel: instalments are from 3,000 THB")
	gatewayPay := map[string]string{
		"mch_order_no": "A-1", "mch_code": "A-1", "total_fee": "15050", "fee_type": "THB", "channel_list": "promptpay,card",
		"product_name": "Coffee", "refer_url": "https://shop.example", "mch_redirect_url": "https://shop.example/y", "mch_redirect_url_fail": "https://shop.example/n",
	}
	nativePay := map[string]string{"mch_order_no": "K-1", "total_fee": "4000", "fee_type": "THB", "channel": "promptpay"}
	refund := map[string]string{"mch_order_no": "K-1", "mch_refund_no": "R-1", "refund_fee": "1", "total_fee": "4000", "fee_type": "THB"}
	for _, c := range []struct {
		operation string
		good      map[string]string
		name      string
		value     string
		want      ksher.Code
	}{
		{"/api/gateway_pay", gatewayPay, "mch_order_no", "A-2", ""},
		{"/api/gateway_pay", gatewayPay, "mch_order_no", "", ksher.CodeLackParams},
		{"/api/gateway_pay", gatewayPay, "nonce_str", "", ksher.CodeLackParams},
		{"/api/gateway_pay", gatewayPay, "mch_order_no", strings.Repeat("x", 33), ksher.CodeKsherParamOverlength},
		{"/api/gateway_pay", gatewayPay, "total_fee", "0", ksher.CodePriceNotExist},
		{"/api/gateway_pay", gatewayPay, "total_fee", "150.50", ksher.CodePriceNotExist},
		{"/api/gateway_pay", gatewayPay, "channel_list", "promptpay, card", ksher.CodeChannelListError},
		{"/api/gateway_pay", gatewayPay, "channel_list", ",", ksher.CodeChannelListError},
		{"/api/gateway_pay", gatewayPay, "channel_list", "ktc_instal,kcc_instal", ksher.CodeKsherAmountIsTooSmall},
		{"/api/gateway_pay", gatewayPay, "member_id", "12345", ksher.CodeMemberIDError},
		{"/api/gateway_pay", gatewayPay, "member_id", strings.Repeat("x", 33), ksher.CodeMemberIDLengthOutOfLimit},
		{"/api/gateway_pay", gatewayPay, "expire_time", "-1", ksher.CodeKsherInvalidParam},
		{"/KsherPay/native_pay", nativePay, "mch_order_no", "K-2", ""},
		{"/KsherPay/native_pay", nativePay, "channel", "", ksher.CodeLackParams},
		{"/KsherPay/native_pay", nativePay, "channel", "card", ksher.CodeNoAuth},
		{"/KsherPay/order_query", map[string]string{"a": "b"}, "a", "c", ksher.CodeKsherErrorOrderNo},
		{"/KsherPay/order_refund", refund, "refund_fee", "4001", ksher.CodeKsherInvalidRefundFee},
		{"/KsherPay/order_refund", refund, "refund_fee", "-1", ksher.CodeKsherInvalidRefundFeeOrType},
		{"/KsherPay/order_refund", refund, "attach", "x", ksher.CodeNoAuth},
	} {
		t.Run(strings.TrimPrefix(c.operation, "/")+" "+c.name+"="+c.value, func(t *testing.T) {
			gw := sandbox.New(t)
			// K-1 is paid by PromptPay, which has no refunds.
			require.Empty(t, sandboxtest.PostSigned(t, gw, gw.MerchantURL()+"/native_pay", nativePay))
			require.NoError(t, gw.Pay("K-1", ""))
			params := maps.Clone(c.good)
			params[c.name] = c.value
			assert.Equal(t, string(c.want), string(sandboxtest.PostSigned(t, gw, gw.URL()+c.operation, params)))
		})
	}
}

package sandbox_test

import (
	"crypto"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// postSigned sends parameters that the client of this project would refuse to
// send, correctly signed, and returns the code of the answer.
func postSigned(t *testing.T, gw *sandbox.Gateway, address string, params map[string]string) ksher.Code {
	t.Helper()
	all := maps.Clone(params)
	for name, value := range map[string]string{"appid": sandbox.AppID, "nonce_str": "n", "time_stamp": "20261121100000"} {
		if _, set := all[name]; !set {
			all[name] = value
		}
	}
	form := make(url.Values)
	var pairs []string
	for name, value := range all {
		form.Set(name, value)
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	digest := md5.Sum([]byte(strings.Join(pairs, "")))
	sign, err := sandbox.PrivateKey().Sign(nil, digest[:], crypto.MD5)
	require.NoError(t, err)
	form.Set("sign", hex.EncodeToString(sign))
	resp, err := gw.HTTPClient().Post(address, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	var answer struct {
		Code int
		Msg  string
		Data struct {
			ErrCode string `json:"err_code"`
		}
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	if answer.Code != 0 {
		return ksher.Code(answer.Msg)
	}
	return ksher.Code(answer.Data.ErrCode)
}

func TestWrongParameters(t *testing.T) {
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
			require.Empty(t, postSigned(t, gw, gw.MerchantURL()+"/native_pay", nativePay))
			require.NoError(t, gw.Pay("K-1", ""))
			params := maps.Clone(c.good)
			params[c.name] = c.value
			assert.Equal(t, string(c.want), string(postSigned(t, gw, gw.URL()+c.operation, params)))
		})
	}
}

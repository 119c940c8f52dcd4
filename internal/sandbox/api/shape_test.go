package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

// genuineFiles have the genuine answers that the local gateway's are compared with.
var genuineFiles = []string{"testdata/published-v1.json", "../shared/vectors/responses-v1.json"}

// The local gateway's answers have the members of genuine ones, of the same kinds, empty
// where those are.
func TestAnswersHaveGenuineShapes(t *testing.T) {
	asked := map[string]func(t *testing.T, gw *sandbox.Gateway) string{
		"gateway_pay": func(t *testing.T, gw *sandbox.Gateway) string {
			return sandboxtest.AskSigned(t, gw, "/api/gateway_pay", map[string]string{
				"mch_order_no": "B", "mch_code": "B", "total_fee": "100", "fee_type": "THB", "channel_list": "promptpay", "product_name": "P",
				"refer_url": "https://shop.example", "mch_redirect_url": "https://shop.example", "mch_redirect_url_fail": "https://shop.example",
			})
		},
		"gateway_order_query_unpaid_empty_fields": func(t *testing.T, gw *sandbox.Gateway) string {
			return sandboxtest.AskSigned(t, gw, "/api/gateway_order_query", map[string]string{"mch_order_no": "A"})
		},
		"native_pay_promptpay_with_image":    nativePay("100"),
		"native_pay_promptpay_of_one_satang": nativePay("1"),
		"refund_query_nested": func(t *testing.T, gw *sandbox.Gateway) string {
			require.NoError(t, gw.Pay("A", ksher.ChannelCard))
			_, err := gw.Client.Refund(t.Context(), &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: "A", MchRefundNo: "R", RefundFee: 40_00})
			require.NoError(t, err)
			return sandboxtest.AskSigned(t, gw, "/KsherPay/refund_query", map[string]string{"mch_order_no": sandboxtest.Seen(t, gw, "A").PayMchOrderNo, "mch_refund_no": "R"})
		},
		"order_refund": func(t *testing.T, gw *sandbox.Gateway) string {
			order := nativeOrder(t, gw)
			return sandboxtest.AskSigned(t, gw, "/KsherPay/order_refund", map[string]string{
				"mch_order_no": order, "mch_refund_no": "R", "refund_fee": "100", "total_fee": "100", "fee_type": "THB"})
		},
		"order_query": func(t *testing.T, gw *sandbox.Gateway) string {
			return sandboxtest.AskSigned(t, gw, "/KsherPay/order_query", map[string]string{"mch_order_no": nativeOrder(t, gw)})
		},
		"order_close": func(t *testing.T, gw *sandbox.Gateway) string {
			sandboxtest.AskSigned(t, gw, "/KsherPay/native_pay", map[string]string{"mch_order_no": "C", "total_fee": "100", "fee_type": "THB", "channel": "wechat"})
			return sandboxtest.AskSigned(t, gw, "/KsherPay/order_close", map[string]string{"mch_order_no": "C"})
		},
		"quick_pay_in_doubt": func(t *testing.T, gw *sandbox.Gateway) string {
			return sandboxtest.AskSigned(t, gw, "/KsherPay/quick_pay", map[string]string{
				"mch_order_no": "Q", "total_fee": "100", "fee_type": "THB", "auth_code": "130000000000000001"})
		},
		"merchant_info_partial": func(t *testing.T, gw *sandbox.Gateway) string {
			return sandboxtest.AskSigned(t, gw, "/KsherPay/merchant_info", nil)
		},
		"settlement_info_partial": func(t *testing.T, gw *sandbox.Gateway) string {
			nativeOrder(t, gw)
			day := gw.Now().In(time.FixedZone("", 7*60*60)).Format(time.DateOnly)
			gw.Advance(24 * time.Hour)
			return sandboxtest.AskSigned(t, gw, "/KsherPay/get_settlement_info", map[string]string{"mch_appid": sandbox.AppID, "begin_date": day, "end_date": day})
		},
	}
	compared := 0
	for _, file := range genuineFiles {
		t.Run(path.Base(file), func(t *testing.T) {
			for _, v := range testkit.ReadVectors(t, file) {
				t.Run(v.Name, func(t *testing.T) {
					require.NotNil(t, asked[v.Name], "nobody asks for it")
					evidence := testkit.Genuine
					if file == genuineFiles[0] {
						evidence = testkit.Published
					}
					testkit.Holds(t, evidence, "answer: which members there are, of which kind, and which are empty, as of "+v.Name)
					gw := sandbox.New(t)
					_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A", ksher.ChannelCard))
					require.NoError(t, err)
					answer := asked[v.Name](t, gw)
					var got struct{ Data json.RawMessage }
					require.NoError(t, json.Unmarshal([]byte(answer), &got))
					assert.Equal(t, shapeOf(t, v.Data), shapeOf(t, got.Data))
					compared++
				})
			}
		})
	}
	assert.NotZero(t, compared)
}

// Each host wraps its answers in other members, and a refusal has its code where clients
// look for it: in data, and those that read code and msg alone there.
func TestEnvelopes(t *testing.T) {
	gatewayMembers := []string{"code", "data", "lang", "message", "msg", "sign"}
	merchantMembers := []string{"code", "data", "msg", "sign", "status_code", "status_msg", "time_stamp", "version"}
	unsigned := func(members []string) []string {
		return slices.DeleteFunc(slices.Clone(members), func(name string) bool { return name == "data" || name == "sign" })
	}
	gw := sandbox.New(t)
	nativeOrder(t, gw)
	for _, c := range []struct {
		path    string
		params  map[string]string
		members []string
		code    int
		msg     string
		says    string // Where the refusal is told in words.
	}{
		{"/api/gateway_order_query", map[string]string{"mch_order_no": "none"}, gatewayMembers, 0, "ORDER_NOT_EXIST", "message"},
		{"/api/gateway_order_query", nil, unsigned(gatewayMembers), 1, "LACK_PARAMS", "message"},
		{"/KsherPay/order_query", map[string]string{"mch_order_no": "N"}, merchantMembers, 0, "ok", ""},
		{"/KsherPay/order_query", map[string]string{"mch_order_no": "none"}, merchantMembers, 0, "KSHER_INVALID_ORDER_NO", "status_msg"},
		{"/KsherPay/native_pay", nil, unsigned(merchantMembers), 1, "LACK_PARAMS", "status_msg"},
	} {
		t.Run(c.path+" "+c.msg, func(t *testing.T) {
			evidence := testkit.Genuine
			if c.code != 0 {
				evidence = testkit.Assumed
			}
			testkit.Holds(t, evidence, "envelope: "+c.path+" with msg "+c.msg+" is wrapped in "+strings.Join(c.members, ", "))
			var members map[string]any
			require.NoError(t, json.Unmarshal([]byte(sandboxtest.AskSigned(t, gw, c.path, c.params)), &members))
			assert.ElementsMatch(t, c.members, slices.Collect(maps.Keys(members)))
			assert.EqualValues(t, c.code, members["code"])
			assert.Equal(t, c.msg, members["msg"])
			if c.says != "" {
				assert.NotEmpty(t, members[c.says])
			}
			if data, ok := members["data"].(map[string]any); ok && c.msg != "ok" {
				assert.Equal(t, c.msg, data["err_code"])
			}
			if stamp, ok := members["time_stamp"].(string); ok {
				assert.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+08:00$`, stamp)
			}
		})
	}
}

// Some orders' fees are texts or empty, each order's in the same way every time, and a shop
// on this library doesn't notice.
func TestVariedFees(t *testing.T) {
	shapes := map[string]int{}
	gw := sandbox.New(t, sandbox.WithVariedFees())
	for i := range 40 {
		no := fmt.Sprint("A-", i)
		_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay(no))
		require.NoError(t, err)
		require.NoError(t, gw.Pay(no, ""))
		var shape string
		for range 2 {
			var answer struct {
				Data map[string]json.RawMessage
			}
			require.NoError(t, json.Unmarshal([]byte(sandboxtest.AskSigned(t, gw, "/api/gateway_order_query", map[string]string{"mch_order_no": no})), &answer))
			again := fmt.Sprintf("%.1s %.2s", answer.Data["total_fee"], answer.Data["cash_fee"])
			assert.True(t, shape == "" || shape == again)
			shape = again
		}
		shapes[shape]++
		order := sandboxtest.GatewayState(t, gw, no)
		assert.Equal(t, ksher.Amount(150_50), order.TotalFee)
		assert.True(t, order.Result.Paid())
	}
	assert.Len(t, shapes, 3, "%v", shapes)
}

func nativePay(total string) func(t *testing.T, gw *sandbox.Gateway) string {
	return func(t *testing.T, gw *sandbox.Gateway) string {
		return sandboxtest.AskSigned(t, gw, "/KsherPay/native_pay", map[string]string{"mch_order_no": "N", "total_fee": total, "fee_type": "THB", "channel": "promptpay"})
	}
}

// nativeOrder makes an order by QR code that was paid.
func nativeOrder(t *testing.T, gw *sandbox.Gateway) string {
	t.Helper()
	_, err := gw.Client.NativePay(t.Context(), &ksher.NativePayRequest{MchOrderNo: "N", TotalFee: 100, FeeType: "THB", Channel: ksher.ChannelWeChat, OperatorID: "12345"})
	require.NoError(t, err)
	require.NoError(t, gw.Pay("N", ""))
	return "N"
}

// shapeOf lists the members of an object, each with its kind, "" for an empty text, and the
// digits of a number that is in a text. What values they have isn't in it.
func shapeOf(t *testing.T, data []byte) []string {
	t.Helper()
	var members any
	require.NoError(t, json.Unmarshal(data, &members))
	var lines []string
	describe("", members, &lines)
	slices.Sort(lines)
	return slices.Compact(lines)
}

func describe(at string, value any, lines *[]string) {
	switch v := value.(type) {
	case map[string]any:
		*lines = append(*lines, at+" object")
		for _, name := range slices.Sorted(maps.Keys(v)) {
			describe(at+"."+name, v[name], lines)
		}
	case []any:
		*lines = append(*lines, at+" list")
		for _, element := range v[:min(len(v), 1)] {
			describe(at+"[]", element, lines)
		}
	case string:
		*lines = append(*lines, fmt.Sprintf("%s text%s", at, kindOfText(at, v)))
	default:
		*lines = append(*lines, fmt.Sprintf("%s %T", at, v))
	}
}

// ksherNumbers are the numbers of Ksher's that have as many digits each time.
var ksherNumbers = []string{".ksher_order_no", ".pay_mch_order_no", ".ksher_refund_no"}

// kindOfText tells an empty text, and how long what Ksher itself makes is.
func kindOfText(at, text string) string {
	switch {
	case at == ".merchant_remark": // It is what the merchant has written.
	case text == "":
		return ", empty"
	case slices.ContainsFunc(ksherNumbers, func(name string) bool { return strings.HasSuffix(at, name) }):
		return fmt.Sprintf(" of %d digits", len(text))
	}
	if _, err := url.ParseRequestURI(text); err == nil && strings.HasPrefix(text, "http") {
		return ", an address"
	}
	return ""
}

package api_test

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// asked is a request as some client makes it.
type asked struct {
	method, path string
	params       map[string]string
	// query has the parameters instead of the body.
	query bool
	// plain writes them as text/plain, with %20 for a blank and escapes in lower case.
	plain bool
	sha1  bool
	// key is the merchant's, as PEM.
	key string
	// spell writes the signature.
	spell func([]byte) string
}

// documented is a request of an operation as the documentation has it, about the orders of
// [sold].
func documented(operation string, params ...string) asked {
	a := asked{
		method: http.MethodPost, path: "/KsherPay/" + operation, key: sandbox.PrivateKeyPEM(), spell: hex.EncodeToString,
		params: map[string]string{"appid": sandbox.AppID, "nonce_str": "0123456789abcdef", "time_stamp": "20261121100000"},
	}
	if slices.Contains([]string{"gateway_pay", "gateway_order_query", "cancel_order"}, operation) {
		a.path = "/api/" + operation
	}
	a.set(params...)
	return a
}

// set changes parameters: names and values by turns. It takes those away that get "-".
func (a *asked) set(params ...string) {
	for i := 0; i < len(params); i += 2 {
		a.params[params[i]] = params[i+1]
		if params[i+1] == "-" {
			delete(a.params, params[i])
		}
	}
}

// with returns a change of parameters.
func with(params ...string) func(*asked) { return func(a *asked) { a.set(params...) } }

// sign makes the signature with the arithmetic of the textbook: crypto/rsa has none for
// keys as short.
func (a asked) sign(t *testing.T, text string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(a.key))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(t, err)
	sum := md5.Sum([]byte(text))
	info := "\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10" + string(sum[:])
	if a.sha1 {
		sum := sha1.Sum([]byte(text))
		info = "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14" + string(sum[:])
	}
	m := new(big.Int).SetBytes([]byte("\x01" + strings.Repeat("\xff", key.Size()-3-len(info)) + "\x00" + info))
	return m.Exp(m, key.D, key.N).FillBytes(make([]byte, key.Size()))
}

var escapes = regexp.MustCompile(`%[0-9A-F]{2}`)

// send returns the code of the answer and what it says about it.
func (a asked) send(t *testing.T, gw *sandbox.Gateway) (code ksher.Code, why string) {
	t.Helper()
	form := make(url.Values)
	var pairs []string
	for name, value := range a.params {
		form.Set(name, value)
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	form.Set("sign", a.spell(a.sign(t, strings.Join(pairs, ""))))
	path, body, contentType := a.path, form.Encode(), "application/x-www-form-urlencoded"
	if a.plain {
		contentType = "text/plain;charset=utf-8"
		body = escapes.ReplaceAllStringFunc(strings.ReplaceAll(body, "+", "%20"), strings.ToLower)
	}
	if a.query {
		path, body = path+"?"+body, ""
	}
	_, text := sandboxtest.Ask(t, gw, a.method, path, body, "Content-Type", contentType)
	var answer struct {
		Code         int
		Msg, Message string
		StatusMsg    string `json:"status_msg"`
		Data         struct {
			ErrCode string `json:"err_code"`
			ErrMsg  string `json:"err_msg"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &answer), text)
	if answer.Code != 0 {
		return ksher.Code(answer.Msg), answer.Message + answer.StatusMsg
	}
	return ksher.Code(answer.Data.ErrCode), answer.Data.ErrMsg
}

func newGatewayPay() asked {
	return documented("gateway_pay", "mch_order_no", "A-1", "total_fee", "4000", "fee_type", "THB", "channel_list", "promptpay,card",
		"mch_code", "A-1", "product_name", "Coffee", "refer_url", "https://shop.example",
		"mch_redirect_url", "https://shop.example/y", "mch_redirect_url_fail", "https://shop.example/n")
}

// newWalletOrder is a request of an operation for a wallet, or at a till.
func newWalletOrder(operation string, more ...string) asked {
	return documented(operation, append([]string{"mch_order_no", "W-1", "total_fee", "4000", "fee_type", "THB", "channel", "alipay",
		"refer_url", "https://shop.example"}, more...)...)
}

func newNativePay() asked {
	return documented("native_pay", "mch_order_no", "N-1", "total_fee", "4000", "fee_type", "THB", "channel", "promptpay")
}

func newQuickPay() asked {
	return newWalletOrder("quick_pay", "auth_code", "12345678", "refer_url", "-")
}

func newMiniProgramPay() asked {
	return newWalletOrder("mini_program_pay", "sub_openid", "o1", "channel_sub_appid", "wx1")
}

func settlementInfo() asked {
	return documented("get_settlement_info", "appid", "-", "mch_appid", sandbox.AppID, "begin_date", "2026-11-20", "end_date", "2026-11-20")
}

func merchantInfo() asked { return documented("merchant_info") }

// Numbers in a request that stand for those that the gateway gave the orders of [sold].
const ksherG1, ksherK1, orderG1 = "Ksher's number of G-1", "Ksher's number of K-1", "the host's number of G-1"

func queryK1() asked { return documented("order_query", "ksher_order_no", ksherK1) }

func refundG1() asked {
	return documented("order_refund", "ksher_order_no", ksherG1, "mch_refund_no", "R-G", "refund_fee", "100", "total_fee", "4000", "fee_type", "THB")
}

func refundQuery() asked {
	return documented("refund_query", "ksher_order_no", ksherK1, "mch_refund_no", "R-1")
}

func queryG1() asked { return documented("gateway_order_query", "mch_order_no", "G-1") }

// dialect is a way in which a client may differ from the documentation.
type dialect struct {
	name   string
	good   asked
	change func(*asked)
	// note is the beginning of what a lenient gateway notes, "" for nothing.
	note string
	// lenient and strict are the codes of the two gateways, "" if they accept.
	lenient, strict ksher.Code
}

func inQuery(a *asked) { a.method, a.query = http.MethodGet, true }

var dialects = []dialect{
	{"as documented", newGatewayPay(), func(*asked) {}, "", "", ""},
	{"as documented", queryG1(), func(*asked) {}, "", "", ""},

	{"a GET", newGatewayPay(), inQuery, "a GET with a query", "", ksher.CodeRequirePostMethod},
	{"a GET", queryG1(), inQuery, "a GET with a query", "", ksher.CodeRequirePostMethod},
	{"a GET without a query", queryG1(), func(a *asked) { a.method = http.MethodGet }, "", ksher.CodeRequirePostMethod, ksher.CodeRequirePostMethod},
	{"a PUT", queryG1(), func(a *asked) { a.method = http.MethodPut }, "", ksher.CodeRequirePostMethod, ksher.CodeRequirePostMethod},
	{"a GET that is too long", queryG1(), func(a *asked) { inQuery(a); a.set("attach", strings.Repeat("x", 64<<10)) },
		"a GET with a query", ksher.CodeKsherParamOverlength, ksher.CodeRequirePostMethod},
	{"a POST of a query", queryG1(), func(a *asked) { a.query = true }, "", ksher.CodePostDataEmpty, ksher.CodePostDataEmpty},

	{"a SHA-1 signature", newGatewayPay(), func(a *asked) { a.sha1 = true }, "a signature of a SHA-1 digest", "", ksher.CodeKsherSignError},
	{"upper-case hex", queryG1(), func(a *asked) { a.spell = upperHex }, "a signature in upper-case hex digits", "", ksher.CodeKsherSignError},
	{"Unix seconds", queryG1(), with("time_stamp", "1795687200"), "a time_stamp in another form", "", ksher.CodeParamError},
	{"milliseconds", newGatewayPay(), with("time_stamp", "1795687200000"), "a time_stamp in another form", "", ksher.CodeParamError},
	{"letters in the time", queryG1(), with("time_stamp", "20261121100000SSS"), "a time_stamp in another form", "", ksher.CodeParamError},
	{"no such day", queryG1(), with("time_stamp", "20261131100000"), "a time_stamp in another form", "", ksher.CodeParamError},
	{"an old time", queryG1(), with("time_stamp", "20160101000000"), "", "", ""},
	{"no time", queryG1(), with("time_stamp", "-"), "", ksher.CodeLackParams, ksher.CodeLackParams},
	{"a nonce of another request", queryG1(), with("nonce_str", usedNonce), "a nonce_str that was used before", "", ksher.CodeParamError},
	{"no nonce", queryG1(), with("nonce_str", ""), "", ksher.CodeLackParams, ksher.CodeLackParams},

	{"no mch_code", newGatewayPay(), with("mch_code", "-"), "a request without mch_code", "", ksher.CodeLackParams},
	{"an empty mch_code", newGatewayPay(), with("mch_code", ""), "a request without mch_code", "", ksher.CodeLackParams},
	{"no product_name", newGatewayPay(), with("product_name", "-"), "a request without product_name", "", ksher.CodeLackParams},
	{"an empty product_name", newGatewayPay(), with("product_name", ""), "a request without product_name", "", ksher.CodeLackParams},
	{"a version", newGatewayPay(), with("version", "3.0.0"), "", "", ""},
	{"a number of 36 characters", newGatewayPay(), with("mch_order_no", strings.Repeat("x", 36)), "", ksher.CodeKsherParamOverlength, ksher.CodeKsherParamOverlength},
	{"a long channel_list", newGatewayPay(), with("channel_list", everyChannel()), "", "", ""},
	{"no lang", documented("cancel_order", "mch_order_no", "G-2"), func(*asked) {}, "", "", ""},

	{"no refer_url", newWalletOrder("wap_pay"), with("refer_url", ""), "a request without refer_url", "", ksher.CodeLackParams},
	{"no refer_url", newWalletOrder("web_pay"), with("refer_url", "-"), "a request without refer_url", "", ksher.CodeLackParams},
	{"no refer_url", newWalletOrder("app_pay"), with("refer_url", "-"), "a request without refer_url", "", ksher.CodeLackParams},
	{"no refer_url for WeChat", newWalletOrder("app_pay"), with("refer_url", "-", "channel", "wechat"), "", "", ""},
	{"local_total_fee", newWalletOrder("wap_pay"), localTotal, "local_total_fee in place of total_fee", "", ksher.CodeLackParams},
	{"local_total_fee", newWalletOrder("web_pay"), localTotal, "local_total_fee in place of total_fee", "", ksher.CodeLackParams},
	{"local_total_fee", newMiniProgramPay(), localTotal, "local_total_fee in place of total_fee", "", ksher.CodeLackParams},
	{"local_total_fee", newWalletOrder("jsapi_pay"), localTotal, "", ksher.CodeLackParams, ksher.CodeLackParams},
	{"no total", newWalletOrder("wap_pay"), with("total_fee", "-"), "", ksher.CodeLackParams, ksher.CodeLackParams},
	{"alipayplus", newWalletOrder("wap_pay"), with("channel", "alipayplus"), "", "", ""},
	{"alipayplus", newWalletOrder("web_pay"), with("channel", "alipayplus"), "", ksher.CodeNoAuth, ksher.CodeNoAuth},
	{"alipayplus", newQuickPay(), with("channel", "alipayplus"), "", "", ""},
	{"truemoney", newQuickPay(), with("channel", "truemoney"), "", "", ""},
	{"linepay's QR code", newNativePay(), with("channel", "linepay"), "", ksher.CodeNoAuth, ksher.CodeNoAuth},
	{"linepay", newQuickPay(), with("channel", "linepay"), "", "", ""},
	{"card", newQuickPay(), with("channel", "card"), "", ksher.CodeNoAuth, ksher.CodeNoAuth},

	{"by mch_appid", settlementInfo(), func(*asked) {}, "", "", ""},
	{"by appid", settlementInfo(), with("mch_appid", "-", "appid", sandbox.AppID), "the app ID as appid", "", ksher.CodeAppIDNotExist},
	{"by appid", merchantInfo(), func(*asked) {}, "", "", ""},
	{"by mch_appid", merchantInfo(), with("appid", "-", "mch_appid", sandbox.AppID), "", "", ""},
	{"by mch_appid", queryG1(), with("appid", "-", "mch_appid", sandbox.AppID), "", ksher.CodeAppIDNotExist, ksher.CodeAppIDNotExist},

	{"a wrong number beside a right one", queryK1(), with("ksher_order_no", "-", "mch_order_no", "other"), "", ksher.CodeKsherInvalidOrderNo, ksher.CodeKsherInvalidOrderNo},
	{"a wrong number beside a right one", queryK1(), with("mch_order_no", "other"), "a mch_order_no that isn't the order's", "", ksher.CodeKsherInvalidOrderNo},
	{"another order's number", queryK1(), with("mch_order_no", orderG1), "a mch_order_no that isn't the order's", "", ksher.CodeKsherInvalidOrderNo},
	{"another channel's number", queryK1(), with("channel_order_no", "1"), "a channel_order_no that isn't the order's", "", ksher.CodeKsherInvalidOrderNo},
	{"both numbers", queryK1(), with("mch_order_no", "K-1"), "", "", ""},
	{"a wrong Ksher number", queryK1(), with("ksher_order_no", "1", "mch_order_no", "K-1"), "", ksher.CodeKsherInvalidOrderNo, ksher.CodeKsherInvalidOrderNo},
	{"no number", queryK1(), with("ksher_order_no", ""), "", ksher.CodeKsherErrorOrderNo, ksher.CodeKsherErrorOrderNo},
	{"a wrong number beside a right one", refundG1(), with("mch_order_no", "G-1"), "a mch_order_no that isn't the order's", "", ksher.CodeKsherInvalidOrderNo},
	{"a wrong number beside a right one", refundQuery(), with("mch_order_no", "other"), "a mch_order_no that isn't the order's", "", ksher.CodeKsherInvalidOrderNo},
	{"an order's number alone", refundQuery(), with("mch_refund_no", "-"), "an order's number alone", "", ""},
	{"no such refund", refundQuery(), with("mch_refund_no", "R-2"), "", ksher.CodeInvalidOrderNo, ksher.CodeInvalidOrderNo},

	{"an unknown channel", newGatewayPay(), with("channel_list", "card,true_money"), `the unknown channel "true_money" in channel_list`, "", ksher.CodeChannelListError},
	{"an unknown channel", newGatewayPay(), with("instal_fee_payer_merchant_channel_list", "ktc"), `the unknown channel "ktc" in instal_fee_payer_merchant_channel_list`, "", ksher.CodeKsherInvalidParam},
	{"an unknown channel", newGatewayPay(), with("channel_instal_times_list", `{"ktc":[3]}`), `the unknown channel "ktc" in channel_instal_times_list`, "", ksher.CodeKsherInvalidParam},
	{"a known channel", newGatewayPay(), with("channel_instal_times_list", `{"ktc_instal":[3]}`), "", "", ""},
	{"blanks", newGatewayPay(), with("channel_list", "card, promptpay"), "", ksher.CodeChannelListError, ksher.CodeChannelListError},
	{"an unknown channel", newNativePay(), with("channel", "PromptPay"), `the unknown channel "PromptPay" in channel`, "", ksher.CodeKsherInvalidParam},
	{"an unknown channel", newQuickPay(), with("channel", "newpay"), `the unknown channel "newpay" in channel`, "", ksher.CodeKsherInvalidParam},
	{"an unknown channel", newWalletOrder("jsapi_pay"), with("channel", "WeChat"), `the unknown channel "WeChat" in channel`, "", ksher.CodeKsherInvalidParam},
	{"an unknown channel", newWalletOrder("app_pay"), with("channel", "WeChat"), `the unknown channel "WeChat" in channel`, "", ksher.CodeKsherInvalidParam},
	{"an unknown channel", newMiniProgramPay(), with("channel", "WeChat"), `the unknown channel "WeChat" in channel`, "", ksher.CodeKsherInvalidParam},
	{"an unknown channel", newWalletOrder("wap_pay"), with("channel", "ali_pay"), `the unknown channel "ali_pay" in channel`, "", ksher.CodeKsherInvalidParam},
	{"an unknown channel", newWalletOrder("web_pay"), with("channel", "ali_pay"), `the unknown channel "ali_pay" in channel`, "", ksher.CodeKsherInvalidParam},
	{"an unknown channel", queryK1(), with("channel", "Line Pay"), `the unknown channel "Line Pay" in channel`, "", ksher.CodeKsherInvalidParam},
	{"linepay", queryK1(), with("channel", "linepay"), "", "", ""},
	{"an unknown channel", refundG1(), with("channel", "visa"), `the unknown channel "visa" in channel`, "", ksher.CodeKsherInvalidParam},
	{"an unknown channel", refundQuery(), with("channel", "visa"), `the unknown channel "visa" in channel`, "", ksher.CodeKsherInvalidParam},
	{"payout", queryK1(), with("channel", "payout"), `the unknown channel "payout" in channel`, "", ksher.CodeKsherInvalidParam},
	{"ktbcard", documented("order_close", "ksher_order_no", ksherK1), with("channel", "ktbcard"), "", ksher.CodeOrderAlreadyPayOperationCannotBePerformed, ksher.CodeOrderAlreadyPayOperationCannotBePerformed},
	{"an unknown channel", settlementInfo(), with("pay_channel", "visa"), `the unknown channel "visa" in pay_channel`, "", ksher.CodeKsherInvalidParam},
	{"an unknown channel", documented("rate_query", "fee_type", "THB", "date", "20261120"), with("channel", "visa"), `the unknown channel "visa" in channel`, "", ksher.CodeKsherInvalidParam},

	{"payout", documented("order_query_payout", "mch_order_no", "A-1"), with("channel", "payout"), "", ksher.CodeKsherInvalidOrderNo, ksher.CodeKsherInvalidOrderNo},

	{"another's signature", queryG1(), func(a *asked) { a.spell = func(sig []byte) string { sig[9]++; return hex.EncodeToString(sig) } },
		"", ksher.CodeKsherSignError, ksher.CodeKsherSignError},
	{"no hex", queryG1(), func(a *asked) { a.spell = func([]byte) string { return "x" } }, "", ksher.CodeKsherSignError, ksher.CodeKsherSignError},
}

func localTotal(a *asked) { a.set("local_total_fee", a.params["total_fee"], "total_fee", "-") }

// everyChannel is as long a channel_list as the examples of Ksher's documentation, which
// says that it has at most 128 characters.
func everyChannel() string {
	var all []string
	for _, c := range ksher.Channels() {
		all = append(all, string(c.Channel))
	}
	return strings.Join(all, ",")
}

// usedNonce is that of a request in [sold].
const usedNonce = "a nonce"

func upperHex(sig []byte) string { return strings.ToUpper(hex.EncodeToString(sig)) }

// sold starts a gateway with an order of each host, of 40 THB, that were paid by card and
// by WeChat, G-1 and K-1, and the unpaid order G-2. Some of K-1 was refunded.
func sold(t *testing.T, strict bool) *sandbox.Gateway {
	t.Helper()
	gw := sandbox.New(t, sandbox.WithStrict(strict))
	req := sandboxtest.GatewayPay("G-1", ksher.ChannelCard)
	req.TotalFee = 40_00
	_, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	require.NoError(t, gw.Pay("G-1", ""))
	_, err = gw.Client.NativePay(t.Context(), sandboxtest.NativePay("K-1", ksher.ChannelWeChat))
	require.NoError(t, err)
	require.NoError(t, gw.Pay("K-1", ""))
	_, err = gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("G-2"))
	require.NoError(t, err)
	_, err = gw.Client.OrderRefund(t.Context(), &ksher.OrderRefundRequest{
		MchOrderNo: "K-1", MchRefundNo: "R-1", RefundFee: 1_00, TotalFee: 40_00, FeeType: "THB",
	})
	require.NoError(t, err)
	before := queryG1()
	before.set("nonce_str", usedNonce, "attach", "another request")
	code, why := before.send(t, gw)
	require.Empty(t, code, why)
	return gw
}

// given returns the number that a placeholder stands for.
func given(t *testing.T, gw *sandbox.Gateway, value string) string {
	t.Helper()
	g1, err := gw.Order("G-1")
	require.NoError(t, err)
	k1, err := gw.Order("K-1")
	require.NoError(t, err)
	switch value {
	case ksherG1:
		return g1.KsherOrderNo
	case ksherK1:
		return k1.KsherOrderNo
	case orderG1:
		return g1.PayMchOrderNo
	}
	return value
}

// The gateway serves what the real one seems to, and says so; a strict one holds clients to
// the documentation, and says to what.
func TestDialects(t *testing.T) {
	for _, d := range dialects {
		for mode, want := range map[string]ksher.Code{"lenient": d.lenient, "strict": d.strict} {
			t.Run(strings.TrimPrefix(d.good.path, "/")+" "+d.name+" "+mode, func(t *testing.T) {
				strict := mode == "strict"
				gw := sold(t, strict)
				a := d.good
				a.params = maps.Clone(a.params)
				d.change(&a)
				for name, value := range a.params {
					a.set(name, given(t, gw, value))
				}
				code, why := a.send(t, gw)
				assert.Equal(t, string(want), string(code), why)
				requests := gw.Requests()
				last := requests[len(requests)-1]
				assert.Equal(t, want, last.Code)
				if d.note == "" {
					assert.Empty(t, last.Notes)
					return
				}
				require.Len(t, last.Notes, 1)
				assert.Regexp(t, `^.* was (accepted|refused), as .*; the documentation wants .*$`, last.Notes[0])
				if strict && d.strict != "" {
					assert.Contains(t, last.Notes[0], d.note+" was refused")
					assert.Contains(t, why, last.Notes[0])
				} else {
					assert.Contains(t, last.Notes[0], d.note+" was accepted")
					assert.NotContains(t, why, last.Notes[0])
				}
			})
		}
	}
}

// A nonce is used by another request of the same merchant only.
func TestNonceOfTheSameRequest(t *testing.T) {
	gw := sold(t, true)
	for range 2 {
		code, why := queryG1().send(t, gw)
		assert.Empty(t, code, why)
	}
	other, err := gw.MerchantOf("mch2")
	require.NoError(t, err)
	a := newGatewayPay()
	a.key = other.PrivateKeyPEM()
	a.set("appid", "mch2")
	code, why := a.send(t, gw)
	assert.Empty(t, code, why)
}

// The refusal names what was meant, and the buyer of a lenient gateway can pay by a channel
// that it doesn't know.
func TestUnknownChannel(t *testing.T) {
	a := newGatewayPay()
	a.set("channel_list", "true_money")
	code, why := a.send(t, sold(t, true))
	assert.Equal(t, ksher.CodeChannelListError, code)
	assert.Contains(t, why, `such as "truemoney"`)
	a.set("channel_list", "bitcoin")
	_, why = a.send(t, sold(t, true))
	assert.NotContains(t, why, "such as")

	gw := sandbox.New(t, sandbox.WithStrict(false))
	page, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1", "true_money", ksher.ChannelCard))
	require.NoError(t, err)
	b := sandboxtest.NewBuyer(t, gw, "a browser")
	b.Open(page.PayContent)
	assert.Equal(t, http.StatusOK, b.Status)
	assert.Contains(t, b.Body, "true_money")
	require.NoError(t, gw.Pay("A-1", "true_money"))
	sandbox.AssertPaid(t, gw, "A-1", 150_50)
}

// A form that a browser posts is read as a call is, and isn't taken by GET.
func TestFormDialects(t *testing.T) {
	for strict, status := range map[bool]int{false: http.StatusOK, true: http.StatusBadRequest} {
		gw := sandbox.New(t, sandbox.WithStrict(strict))
		action, fields := formOf(t, gw, sandboxtest.GatewayPay("A-1"))
		got, _ := sandboxtest.Ask(t, gw, http.MethodGet, strings.TrimPrefix(action, gw.URL())+"?"+fields.Encode(), "")
		assert.Equal(t, http.StatusMethodNotAllowed, got)
		fields.Set("sign", strings.ToUpper(fields.Get("sign")))
		b := sandboxtest.NewBuyer(t, gw, "a browser")
		b.Post(action, fields)
		assert.Equal(t, status, b.Status)
		requests := gw.Requests()
		require.Len(t, requests, 2)
		require.Len(t, requests[1].Notes, 1)
		assert.Contains(t, requests[1].Notes[0], "upper-case hex")
		assert.Equal(t, strict, strings.Contains(b.Body, "upper-case hex"))
	}
}

// A wrong signature is explained by what the program sent, in its order, and by the keys of
// all merchants.
func TestHint(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithStrict(true))
	other, err := gw.MerchantOf("mch2")
	require.NoError(t, err)
	a := queryG1()
	const params = "time_stamp=20260101000000&nonce_str=a+b&mch_order_no=G-1&appid=" + sandbox.AppID
	const right = "appid=" + sandbox.AppID + "mch_order_no=G-1nonce_str=a btime_stamp=20260101000000"
	for _, tt := range []struct{ key, text, want string }{
		{sandbox.PrivateKeyPEM(), "time_stamp=20260101000000nonce_str=a bmch_order_no=G-1appid=" + sandbox.AppID, "in the order in which you send them"},
		{sandbox.PrivateKeyPEM(), strings.Replace(right, "a b", "a+b", 1), "a plus sign where the request has a space"},
		{other.PrivateKeyPEM(), right, `by the key of merchant "mch2". It has to be by the key of merchant "` + sandbox.AppID + `"`},
	} {
		for _, path := range []string{a.path, "/pc"} {
			a.key = tt.key
			sandboxtest.Ask(t, gw, http.MethodPost, path, params+"&sign="+hex.EncodeToString(a.sign(t, tt.text)),
				"Content-Type", "application/x-www-form-urlencoded")
			requests := gw.Requests()
			last := requests[len(requests)-1]
			assert.Equal(t, len(requests), last.No)
			assert.Equal(t, ksher.CodeKsherSignError, last.Code)
			assert.Contains(t, last.Hint, tt.want)
		}
	}
	_, err = gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
	require.NoError(t, err)
	requests := gw.Requests()
	assert.Empty(t, requests[len(requests)-1].Hint)
}

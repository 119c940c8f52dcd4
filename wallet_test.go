package ksher_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestWalletPay(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "wallets: jsapi_pay, mini_program_pay, app_pay, wap_pay and web_pay take the parameters of native_pay")
	testkit.Holds(t, testkit.Clients, "wallets: mini_program_pay takes sub_openid and channel_sub_appid, and wap_pay and web_pay refer_url")
	testkit.Holds(t, testkit.Assumed, "wallets: answers have the fields of native_pay, and pay_content")
	testkit.Holds(t, testkit.Assumed, "wallets: local_total_fee may be left out")
	const data = `{"appid":"mch12345","mch_order_no":"order1","ksher_order_no":900,"trade_type":"JSAPI","total_fee":"10000","fee_type":"THB",
		"pay_content":"https://pay.example/1","result":"SUCCESS","nonce_str":"n1","prepay_id":"wx1","rate":null}`
	// minimal and rest are what the full requests below have.
	minimal := map[string]string{"mch_order_no": "order1", "total_fee": "10000", "fee_type": "THB"}
	rest := map[string]string{
		"notify_url": "https://shop.example/notify", "redirect_url": "https://shop.example/paid", "paypage_title": "Shop",
		"product": "กาแฟ", "attach": "table 7", "operator_id": "somchai", "new": "1",
	}
	with := func(maps ...map[string]string) map[string]string {
		all := map[string]string{}
		for _, m := range maps {
			for name, value := range m {
				all[name] = value
			}
		}
		return all
	}
	wap := ksher.WapPayRequest{
		MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Channel: ksher.ChannelAlipay, ReferURL: "https://shop.example/cart",
		NotifyURL: "https://shop.example/notify", RedirectURL: "https://shop.example/paid", PaypageTitle: "Shop", Product: "กาแฟ",
		Attach: "table 7", OperatorID: "somchai", DeviceID: "till-1", LocalTotalFee: 500_00, Extra: ksher.Extra{Params: map[string]string{"new": "1"}},
	}
	web := ksher.WebPayRequest(wap)
	weChat, alipay := map[string]string{"channel": "wechat"}, map[string]string{"channel": "alipay"}
	mini := map[string]string{"sub_openid": "oUpF8uMuAJO", "channel_sub_appid": "wx2421b1c4370ec43b"}
	cart := map[string]string{"refer_url": "https://shop.example/cart"}
	tests := []struct {
		name, operation string
		call            func(context.Context, *ksher.Client) (*ksher.WalletPayResponse, error)
		want            map[string]string
	}{
		{"minimal", "jsapi_pay", testkit.WalletCalls["jsapi_pay"].Call, with(minimal, weChat)},
		{"minimal", "mini_program_pay", testkit.WalletCalls["mini_program_pay"].Call, with(minimal, weChat, mini)},
		{"minimal", "app_pay", testkit.WalletCalls["app_pay"].Call, with(minimal, alipay, map[string]string{"refer_url": "https://shop.example"})},
		{"minimal", "wap_pay", testkit.WalletCalls["wap_pay"].Call, with(minimal, alipay, cart)},
		{"minimal", "web_pay", testkit.WalletCalls["web_pay"].Call, with(minimal, alipay, cart)},
		{"full", "jsapi_pay", testkit.WalletCall((*ksher.Client).JSAPIPay, &ksher.JSAPIPayRequest{
			MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Channel: ksher.ChannelWeChat,
			NotifyURL: "https://shop.example/notify", RedirectURL: "https://shop.example/paid", PaypageTitle: "Shop", Product: "กาแฟ",
			Attach: "table 7", OperatorID: "somchai", Extra: ksher.Extra{Params: map[string]string{"new": "1"}},
		}), with(minimal, weChat, rest)},
		{"full", "mini_program_pay", testkit.WalletCall((*ksher.Client).MiniProgramPay, &ksher.MiniProgramPayRequest{
			MchOrderNo: "order1", TotalFee: 100_00, LocalTotalFee: 500_00, FeeType: "THB", Channel: ksher.ChannelWeChat,
			SubOpenID: "oUpF8uMuAJO", ChannelSubAppID: "wx2421b1c4370ec43b",
			NotifyURL: "https://shop.example/notify", RedirectURL: "https://shop.example/paid", PaypageTitle: "Shop", Product: "กาแฟ",
			Attach: "table 7", OperatorID: "somchai", Extra: ksher.Extra{Params: map[string]string{"new": "1"}},
		}), with(minimal, weChat, mini, rest, map[string]string{"local_total_fee": "50000"})},
		{"full", "app_pay", testkit.WalletCall((*ksher.Client).AppPay, &ksher.AppPayRequest{
			MchOrderNo: "order1", TotalFee: 100_00, LocalTotalFee: 500_00, FeeType: "THB", Channel: ksher.ChannelAlipay,
			SubOpenID: "oUpF8uMuAJO", ChannelSubAppID: "wx2421b1c4370ec43b", ReferURL: "https://shop.example/cart",
			NotifyURL: "https://shop.example/notify", RedirectURL: "https://shop.example/paid", PaypageTitle: "Shop", Product: "กาแฟ",
			Attach: "table 7", OperatorID: "somchai", Extra: ksher.Extra{Params: map[string]string{"new": "1"}},
		}), with(minimal, alipay, mini, cart, rest, map[string]string{"local_total_fee": "50000"})},
		{"full", "wap_pay", testkit.WalletCall((*ksher.Client).WapPay, &wap), with(minimal, alipay, cart, rest, map[string]string{"device_id": "till-1", "local_total_fee": "50000"})},
		{"full", "web_pay", testkit.WalletCall((*ksher.Client).WebPay, &web), with(minimal, alipay, cart, rest, map[string]string{"device_id": "till-1", "local_total_fee": "50000"})},
	}
	for _, tt := range tests {
		t.Run(tt.operation+" "+tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := tt.call(t.Context(), client)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/"+tt.operation, rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, &ksher.WalletPayResponse{
				Answer: testkit.WantAnswer(data), AppID: "mch12345", MchOrderNo: "order1", KsherOrderNo: "900", TradeType: "JSAPI",
				TotalFee: 100_00, FeeType: "THB", PayContent: "https://pay.example/1", NonceStr: "n1",
			}, resp)
		})
	}
}

// Anything but a believable yes and a documented no leaves it open whether there
// is an order, and Resolve finds out.
func TestWalletPayInDoubt(t *testing.T) {
	outcomes := []struct {
		name    string
		reply   testkit.Reply
		want    error
		unknown bool
	}{
		{"made", testkit.Tells(ksher.ResultSuccess), nil, false},
		{"made, and nothing for the wallet", testkit.Says(`{"code":0,"data":{"result":"SUCCESS"}}`), fault.ErrSignatureMissing, true},
		{"not sure", testkit.Tells(ksher.ResultNotSure), nil, true},
		{"no result", testkit.Tells(""), fault.ErrField, true},
		{"the line breaks", testkit.Breaks, testkit.ErrLine, true},
		{"another merchant", testkit.Tells(ksher.ResultSuccess, func(o *ksher.Order) { o.AppID = "mch1" }), ksher.ErrOtherOrder, true},
		{"refused", testkit.Denies(ksher.CodeNoAuth), ksher.CodeNoAuth, false},
		{"the number was used", testkit.Denies(ksher.CodeKsherDuplicatedOrderNo), ksher.CodeKsherDuplicatedOrderNo, false},
		{"a timeout behind the gateway", testkit.Denies(ksher.CodeSystemError), ksher.CodeSystemError, true},
		{"an undocumented code", testkit.Denies("OPENID_INVALID"), ksher.Code("OPENID_INVALID"), true},
	}
	resolutions := []struct {
		name    string
		reply   testkit.Reply
		verdict ksher.Verdict
		want    error
	}{
		{"not paid yet", testkit.Tells(ksher.ResultNotPay), ksher.VerdictCarriedOut, nil},
		{"paid", testkit.Tells(ksher.ResultSuccess), ksher.VerdictCarriedOut, nil},
		{"unknown", testkit.Denies(ksher.CodeKsherInvalidOrderNo), ksher.VerdictNotCarriedOut, nil},
		{"over another amount", testkit.Tells(ksher.ResultNotPay, testkit.WithTotal(99_99)), "", ksher.ErrOtherOrder},
		{"in another currency", testkit.Tells(ksher.ResultNotPay, testkit.WithCurrency("CNY")), "", ksher.ErrOtherOrder},
		{"no answer", testkit.Breaks, "", testkit.ErrLine},
	}
	for name, w := range testkit.WalletCalls {
		for _, tt := range outcomes {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				hosts := testkit.AnswersOf(map[string]testkit.Reply{name: tt.reply})
				resp, err := w.Call(t.Context(), hosts.Client(t, ksher.WithRetry(3, 0)))
				require.Equal(t, tt.unknown, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
				require.Equal(t, tt.unknown || tt.want != nil, err != nil, "%v", err)
				require.Equal(t, err == nil, resp != nil)
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
				}
				require.Len(t, hosts.Questions(""), 1, "it is never repeated")
			})
		}
		for _, tt := range resolutions {
			t.Run(name+"/resolve "+tt.name, func(t *testing.T) {
				hosts := testkit.AnswersOf(map[string]testkit.Reply{"order_query": tt.reply})
				res, err := hosts.Client(t).Resolve(t.Context(), w.Req)
				require.Len(t, hosts.Questions("order_query"), 1)
				require.Len(t, hosts.Questions(""), 1)
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
					require.Nil(t, res)
					return
				}
				require.NoError(t, err)
				require.Equal(t, tt.verdict, res.Verdict)
			})
		}
	}
}

const (
	fiveOfWeChat  = `"timeStamp":"1414561699","nonceStr":"5K8264","package":"prepay_id=wx1","signType":"RSA","paySign":"oR9d8Puhn"`
	sevenOfWeChat = `"appid":"wx1","partnerid":"1900006771","prepayid":"WX121","package":"Sign=WXPay","noncestr":"5K8264","timestamp":1412000000,"sign":"C380BEC2"`
)

// asText writes an object as the text of one.
func asText(t *testing.T, object string) string {
	t.Helper()
	text, err := json.Marshal(object)
	require.NoError(t, err)
	return string(text)
}

func TestWeChatParams(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "wallets: WeChat's parameters are in data itself, or in a member that is an object or the text of one")
	want := ksher.WeChatParams{TimeStamp: "1414561699", NonceStr: "5K8264", Package: "prepay_id=wx1", SignType: "RSA", PaySign: "oR9d8Puhn"}
	withID := want
	withID.AppID = "wx1"
	five, six := `{`+fiveOfWeChat+`}`, `{"appId":"wx1",`+fiveOfWeChat+`}`
	other := `{` + strings.Replace(fiveOfWeChat, "oR9d8Puhn", "another", 1) + `}`
	tests := []struct {
		name, data string
		want       ksher.WeChatParams
		// problem is what the error says instead.
		problem string
	}{
		{"in the data", five, want, ""},
		{"in the data with the ID", six, withID, ""},
		{"in the data, with the ID beside Ksher's", `{"appid":"mch12345",` + six[1:], withID, ""},
		{"in the data, with the ID before Ksher's", six[:len(six)-1] + `,"appid":"mch12345"}`, withID, ""},
		{"in the data, whose appid is Ksher's", `{"appid":"mch12345","nonce_str":"n1","sign":"00",` + fiveOfWeChat + `}`, want, ""},
		{"in an object", `{"appid":"mch12345","pay_info":` + six + `}`, withID, ""},
		{"in an object, with the ID beside Ksher's", `{"pay_info":{"appid":"mch12345",` + six[1:] + `}`, withID, ""},
		{"in a text", `{"appid":"mch12345","pay_info":` + asText(t, six) + `}`, withID, ""},
		{"in a text with blanks", `{"a":` + asText(t, " \n"+six+"\n") + `}`, withID, ""},
		{"in other cases", `{"a":{"TIMESTAMP":1414561699,"noncestr":"5K8264","Package":"prepay_id=wx1","signtype":"RSA","paysign":"oR9d8Puhn","appid":"wx1"}}`, withID, ""},
		{"a time that is a number", `{` + strings.Replace(fiveOfWeChat, `"1414561699"`, `1414561699`, 1) + `}`, want, ""},
		{"in escapes", `{"a":{` + strings.Replace(fiveOfWeChat, `"package":"prepay_id=wx1"`, `"pack\u0061ge":"prepay_id\u003dwx1"`, 1) + `}}`, want, ""},
		{"twice the same", `{"a":` + five + `,"b":` + asText(t, five) + `}`, want, ""},
		{"twice the same, the second with the ID", `{"a":` + five + `,"b":` + six + `}`, withID, ""},
		{"twice the same, the first with the ID", `{"a":` + six + `,"b":` + five + `}`, withID, ""},
		{"beside a part of them", `{"a":{"paySign":"another"},"b":` + five + `,"package":"coffee"}`, want, ""},
		{"before a part of them", `{"a":` + five + `,"b":{"paySign":"another"}}`, want, ""},
		{"beside broken text", `{"a":"{","b":` + five + `,"c":"{\"paySign\"","d":"{\"\":1}","e":[` + other + `]}`, want, ""},

		{"nothing", `{}`, ksher.WeChatParams{}, "data has no timeStamp, nonceStr, package, signType, paySign"},
		{"no data", ``, ksher.WeChatParams{}, "the data is no acceptable JSON object"},
		{"an array", `[` + five + `]`, ksher.WeChatParams{}, "the data is no acceptable JSON object"},
		{"no signature", `{"a":{"timeStamp":"1","nonceStr":"n","package":"p","signType":"RSA"}}`, ksher.WeChatParams{}, `data."a" has no paySign`},
		{"an empty signature", `{"timeStamp":"1","nonceStr":"n","package":"p","signType":"RSA","paySign":""}`, ksher.WeChatParams{}, `data has no paySign`},
		{"a signature that is an object", `{"timeStamp":"1","nonceStr":"n","package":"p","signType":"RSA","paySign":{"a":1}}`, ksher.WeChatParams{}, `data has no paySign`},
		{"null for a time", `{"a":{` + strings.Replace(fiveOfWeChat, `"1414561699"`, `null`, 1) + `}}`, ksher.WeChatParams{}, `data."a" has no timeStamp`},
		{"in two places", `{"a":{"timeStamp":"1","nonceStr":"n","package":"p"},"b":{"signType":"RSA","paySign":"x"}}`, ksher.WeChatParams{}, `data."a" has no signType, paySign`},
		{"the one nearer to it is named", `{"a":{"timeStamp":"1"},"b":{"timeStamp":"1","nonceStr":"n"}}`, ksher.WeChatParams{}, `data."b" has no package, signType, paySign`},
		{"the first of two as near is named", `{"b":{"timeStamp":"1"},"a":{"paySign":"1"}}`, ksher.WeChatParams{}, `data."a" has no timeStamp, nonceStr, package, signType`},
		{"deeper down", `{"a":{"b":` + five + `}}`, ksher.WeChatParams{}, "data has no"},
		{"in a text in an object", `{"a":{"b":` + asText(t, five) + `}}`, ksher.WeChatParams{}, "data has no"},
		{"in an array", `{"a":[` + five + `]}`, ksher.WeChatParams{}, "data has no"},
		{"in what isn't signed", `{"sign":` + five + `}`, ksher.WeChatParams{}, "data has no"},
		{"twice, and not the same", `{"a":` + five + `,"b":` + other + `}`, ksher.WeChatParams{}, `data."b" has another paySign than a place before`},
		{"in the data and not the same elsewhere", `{"z":` + asText(t, other) + `,` + fiveOfWeChat + `}`, ksher.WeChatParams{}, `data."z" has another paySign`},
		{"for two IDs", `{"a":` + six + `,"b":` + strings.Replace(six, "wx1", "wx2", 1) + `,"c":` + five + `}`, ksher.WeChatParams{}, `data."b" has another appId`},
		{"for two IDs, one after the other", `{"a":` + five + `,"b":` + six + `,"c":` + strings.Replace(six, "wx1", "wx2", 1) + `}`, ksher.WeChatParams{}, `data."c" has another appId`},
		{"a name twice", `{"a":` + asText(t, `{"paySign":"x",`+fiveOfWeChat+`}`) + `}`, ksher.WeChatParams{}, "data has no"},
		{"a name twice but for its case", `{"a":` + asText(t, `{"paysign":"oR9d8Puhn",`+fiveOfWeChat+`}`) + `}`, ksher.WeChatParams{}, "data has no"},
		{"a long name", `{"` + strings.Repeat("x", 10_000) + `":{"timeStamp":"1"}}`, ksher.WeChatParams{}, "has no nonceStr"},
		{"parameters for an app", `{"a":{` + sevenOfWeChat + `}}`, ksher.WeChatParams{}, `data."a" has no signType, paySign`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := &ksher.WalletPayResponse{Answer: ksher.Answer{Data: []byte(tt.data)}, MchOrderNo: "order1"}
			params, err := resp.WeChatParams()
			if tt.problem == "" {
				require.NoError(t, err)
				require.Equal(t, &tt.want, params)
				return
			}
			require.Nil(t, params)
			require.ErrorIs(t, err, fault.ErrField)
			require.ErrorContains(t, err, "ksher: WeChat's parameters of order \"order1\": ")
			require.ErrorContains(t, err, tt.problem)
			require.ErrorContains(t, err, "Data")
			require.NotContains(t, err.Error(), "oR9d8Puhn")
			require.Less(t, len(err.Error()), 600)
		})
	}
}

func TestWeChatAppParams(t *testing.T) {
	want := ksher.WeChatAppParams{
		AppID: "wx1", PartnerID: "1900006771", PrepayID: "WX121", Package: "Sign=WXPay", NonceStr: "5K8264", TimeStamp: "1412000000", Sign: "C380BEC2",
	}
	noID := want
	noID.AppID = ""
	camels := strings.NewReplacer("appid", "appId", "partnerid", "partnerId", "prepayid", "prepayId", "noncestr", "nonceStr", "timestamp", "timeStamp").Replace(sevenOfWeChat)
	for _, tt := range []struct {
		name, data string
		want       *ksher.WeChatAppParams
		problem    string
	}{
		{"in an object", `{"appid":"mch12345","pay_info":{` + sevenOfWeChat + `}}`, &want, ""},
		{"in a text", `{"pay_info":` + asText(t, `{`+sevenOfWeChat+`}`) + `}`, &want, ""},
		{"spelled in camels", `{"pay_info":{` + camels + `}}`, &want, ""},
		{"without the ID", `{"appid":"mch12345","a":{` + strings.Replace(sevenOfWeChat, `"appid":"wx1",`, "", 1) + `}}`, &noID, ""},
		{"in the data, whose sign isn't signed", `{` + sevenOfWeChat + `}`, nil, "data has no sign."},
		{"no partner", `{"a":{` + strings.Replace(sevenOfWeChat, `"partnerid"`, `"partner"`, 1) + `}}`, nil, `data."a" has no partnerid`},
		{"parameters for a mini program", `{` + fiveOfWeChat + `}`, nil, "data has no partnerid, prepayid, sign"},
		{"twice, and not the same", `{"a":{` + sevenOfWeChat + `},"b":{` + strings.Replace(sevenOfWeChat, "WX121", "WX122", 1) + `}}`, nil, "another prepayid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			params, err := (&ksher.WalletPayResponse{Answer: ksher.Answer{Data: []byte(tt.data)}}).WeChatAppParams()
			require.Equal(t, tt.want, params)
			if tt.want == nil {
				require.ErrorIs(t, err, fault.ErrField)
				require.ErrorContains(t, err, tt.problem)
				return
			}
			require.NoError(t, err)
		})
	}
}

// What the wallets' client code gets, letter by letter.
func TestWeChatParamsInJSON(t *testing.T) {
	params := ksher.WeChatParams{TimeStamp: "1414561699", NonceStr: "5K8264", Package: "prepay_id=wx1", SignType: "RSA", PaySign: "oR9d8Puhn"}
	text, err := json.Marshal(params)
	require.NoError(t, err)
	require.Equal(t, `{`+fiveOfWeChat+`}`, string(text))
	params.AppID = "wx1"
	text, err = json.Marshal(&params)
	require.NoError(t, err)
	require.Equal(t, `{"appId":"wx1",`+fiveOfWeChat+`}`, string(text))
	text, err = json.Marshal(ksher.WeChatAppParams{
		AppID: "wx1", PartnerID: "1900006771", PrepayID: "WX121", Package: "Sign=WXPay", NonceStr: "5K8264", TimeStamp: "1412000000", Sign: "C380BEC2",
	})
	require.NoError(t, err)
	require.Equal(t, `{`+strings.Replace(sevenOfWeChat, "1412000000", `"1412000000"`, 1)+`}`, string(text))
	text, err = json.Marshal(ksher.WeChatAppParams{})
	require.NoError(t, err)
	require.NotContains(t, string(text), "appid")
}

func TestPayContent(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "wallets: pay_content is Alipay's order for app_pay, and a page for wap_pay and web_pay")
	for _, tt := range []struct {
		name, content string
		page, order   bool
	}{
		{"a page", "https://openapi.alipay.com/gateway.do?app_id=1&sign=x%2B", true, false},
		{"a page of a test", "http://127.0.0.1:8080/ua?order_uuid=1", true, false},
		{"an order", "app_id=2021&biz_content=%7B%7D&sign=x%2B", false, true},
		{"an order of the old form", `partner="2088"&_input_charset="utf-8"&sign="x"&sign_type="RSA"`, false, true},
		{"an order that isn't signed", "app_id=2021&biz_content=%7B%7D", false, false},
		{"nothing", "", false, false},
		{"blanks", " ", false, false},
		{"a form", `<form action="https://openapi.alipay.com/gateway.do">`, false, false},
		{"a script", "javascript:alert(1)", false, false},
		{"an app's address", "alipays://platformapi/startapp", false, false},
		{"no host", "https:///pay", false, false},
		{"half an address", "openapi.alipay.com/gateway.do", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := &ksher.WalletPayResponse{MchOrderNo: "order1", PayContent: tt.content}
			check := func(is bool, got string, err error) {
				t.Helper()
				if is {
					require.NoError(t, err)
					require.Equal(t, tt.content, got)
					return
				}
				require.ErrorIs(t, err, fault.ErrField)
				require.Empty(t, got)
				require.ErrorContains(t, err, "pay_content")
				require.ErrorContains(t, err, "order1")
				require.ErrorContains(t, err, "Data")
			}
			page, err := resp.PageURL()
			check(tt.page, page, err)
			order, err := resp.AlipayOrderString()
			check(tt.order, order, err)
		})
	}
}

// FuzzWalletParams compares the search with one over encoding/json: whatever is
// found stands in one place of the data, and all of it.
func FuzzWalletParams(f *testing.F) {
	for _, seed := range []string{
		"", "{", "{}", "null", "[]", `{"a":`, `{"a":{},"b":"{}","c":[{}],"d":"{"}`, `{` + fiveOfWeChat + `}`, `{"a":{` + fiveOfWeChat + `}}`,
		`{"a":{"appId":"wx1",` + fiveOfWeChat + `},"b":{` + fiveOfWeChat + `}}`, `{"a":{` + sevenOfWeChat + `}}`, `{` + sevenOfWeChat + `}`,
		`{"a":"{\"timeStamp\":1,\"nonceStr\":\"n\",\"package\":\"p\",\"signType\":\"RSA\",\"paySign\":\"s\"}"}`,
		`{"sign":{` + fiveOfWeChat + `},"a":{"paySign":"x"}}`, `{"a":{` + fiveOfWeChat + `},"b":{` + strings.Replace(fiveOfWeChat, "RSA", "MD5", 1) + `}}`,
		`{"a":{"TIMESTAMP":"1","paySign":"\ud83c"}}`, `{"ſ":"{\"paySign\":1}"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		resp := &ksher.WalletPayResponse{Answer: ksher.Answer{Data: data}, MchOrderNo: "1"}
		params, err := resp.WeChatParams()
		var found any
		if params != nil {
			found = params
			checkRead(t, data, params.AppID, params.TimeStamp, params.NonceStr, params.Package, params.SignType, params.PaySign)
		}
		checkSearch(t, found, err)
		app, err := resp.WeChatAppParams()
		if found = nil; app != nil {
			found = app
			checkRead(t, data, app.AppID, app.PartnerID, app.PrepayID, app.Package, app.NonceStr, app.TimeStamp, app.Sign)
		}
		checkSearch(t, found, err)
	})
}

// checkSearch checks that what was found is found again where it is the only
// thing there is.
func checkSearch(t *testing.T, found any, err error) {
	t.Helper()
	if err != nil {
		require.Nil(t, found)
		require.ErrorIs(t, err, fault.ErrField)
		require.Less(t, len(err.Error()), 1500)
		return
	}
	text, err := json.Marshal(found)
	require.NoError(t, err)
	text, err = json.Marshal(map[string]any{"a": json.RawMessage(text), "b": string(text)})
	require.NoError(t, err)
	resp := &ksher.WalletPayResponse{Answer: ksher.Answer{Data: text}}
	var again any
	if _, isApp := found.(*ksher.WeChatAppParams); isApp {
		again, err = resp.WeChatAppParams()
	} else {
		again, err = resp.WeChatParams()
	}
	require.NoError(t, err)
	require.Equal(t, found, again)
}

// checkRead checks that one place of the data has all of the values. The first,
// an ID, may be missing, and may come from another place.
func checkRead(t *testing.T, data []byte, id string, values ...string) {
	t.Helper()
	require.NotContains(t, values, "")
	var top map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &top))
	places := []map[string]json.RawMessage{top}
	for _, raw := range top {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			raw = []byte(text)
		}
		var inner map[string]json.RawMessage
		if json.Unmarshal(raw, &inner) == nil {
			places = append(places, inner)
		}
	}
	var whole, hasID bool
	for _, place := range places {
		var said []string
		for _, raw := range place {
			var text string
			if json.Unmarshal(raw, &text) != nil {
				text = string(raw)
			}
			said = append(said, text)
		}
		lacks := slices.ContainsFunc(values, func(v string) bool { return !slices.Contains(said, v) })
		whole, hasID = whole || !lacks, hasID || slices.Contains(said, id)
	}
	require.True(t, whole, "no place has all of %q", values)
	require.True(t, id == "" || hasID, "no place has %q", id)
}

// Nobody explains local_total_fee, so that another amount is no other order with it.
func TestLocalTotalFee(t *testing.T) {
	wap := func(req ksher.WapPayRequest) func(context.Context, *ksher.Client) error {
		return func(ctx context.Context, c *ksher.Client) error {
			_, err := c.WapPay(ctx, &req)
			return err
		}
	}
	plain, local := *testkit.GoodWapPay(), *testkit.GoodWapPay()
	local.LocalTotalFee = 500_00
	native := testkit.GoodNativePay()
	native.Params = map[string]string{"local_total_fee": "50000"}
	for _, tt := range []struct {
		name, data string
		call       func(context.Context, *ksher.Client) error
		want       error
	}{
		{"another amount", `{"mch_order_no":"order1","total_fee":50000,"fee_type":"JPY","result":"SUCCESS"}`, wap(local), nil},
		{"another amount, without a local one", `{"mch_order_no":"order1","total_fee":50000,"result":"SUCCESS"}`, wap(plain), ksher.ErrOtherOrder},
		{"another order", `{"mch_order_no":"order2","total_fee":10000,"result":"SUCCESS"}`, wap(local), ksher.ErrOtherOrder},
		{"not for a wallet", `{"mch_order_no":"order1","total_fee":50000,"result":"SUCCESS","code_url":"weixin://pay"}`,
			func(ctx context.Context, c *ksher.Client) error { _, err := c.NativePay(ctx, native); return err }, ksher.ErrOtherOrder},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.call(t.Context(), testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, tt.data))))
			require.ErrorIs(t, err, tt.want)
			require.Equal(t, tt.want == nil, err == nil)
		})
	}
}

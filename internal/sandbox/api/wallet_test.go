package api_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

func miniProgramPay(no string) *ksher.MiniProgramPayRequest {
	return &ksher.MiniProgramPayRequest{
		MchOrderNo: no, TotalFee: 40_00, FeeType: "THB", Channel: ksher.ChannelWeChat, SubOpenID: "oUpF8uMuAJO", ChannelSubAppID: "wx2421b1c4370ec43b",
	}
}

func wapPay(no string) *ksher.WapPayRequest {
	return &ksher.WapPayRequest{
		MchOrderNo: no, TotalFee: 40_00, FeeType: "THB", Channel: ksher.ChannelAlipay, ReferURL: "https://shop.example/cart", RedirectURL: "https://shop.example/thanks",
	}
}

func appPay(no string, channel ksher.Channel) *ksher.AppPayRequest {
	return &ksher.AppPayRequest{MchOrderNo: no, TotalFee: 40_00, FeeType: "THB", Channel: channel, ReferURL: "https://shop.example"}
}

// walletTest changes a parameter of a good request.
type walletTest struct {
	operation, name, value string
	want                   ksher.Code
}

// walletTests returns a good request of each operation, and what to change in them.
func walletTests() (good map[string]map[string]string, tests []walletTest) {
	needed := map[string]string{"mch_order_no": "W-1", "total_fee": "4000", "fee_type": "THB"}
	with := func(more ...string) map[string]string {
		all := maps.Clone(needed)
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	good = map[string]map[string]string{
		"jsapi_pay":        with("channel", "wechat"),
		"mini_program_pay": with("channel", "wechat", "sub_openid", "o1", "channel_sub_appid", "wx1"),
		"app_pay":          with("channel", "alipay", "refer_url", "https://shop.example"),
		"wap_pay":          with("channel", "alipay", "refer_url", "https://shop.example"),
		"web_pay":          with("channel", "alipay", "refer_url", "https://shop.example"),
	}
	for operation, params := range good {
		for name := range params {
			tests = append(tests, walletTest{operation, name, "", ksher.CodeLackParams})
		}
		tests = append(tests,
			walletTest{operation, "attach", "x", ""},
			walletTest{operation, "local_total_fee", "20000", ""},
			walletTest{operation, "local_total_fee", "200.00", ksher.CodePriceNotExist},
			walletTest{operation, "mch_order_no", strings.Repeat("x", 33), ksher.CodeKsherParamOverlength},
			walletTest{operation, "mch_order_no", "K-1", ksher.CodeKsherDuplicatedOrderNo},
			walletTest{operation, "total_fee", "0", ksher.CodePriceNotExist},
			walletTest{operation, "total_fee", "40.00", ksher.CodePriceNotExist},
			walletTest{operation, "fee_type", "CNY", ksher.CodeKsherFeeTypeNotMatch},
			walletTest{operation, "expire_time", "-1", ksher.CodeKsherInvalidParam},
			walletTest{operation, "channel", "promptpay", ksher.CodeNoAuth},
		)
		weChat, alipayPlus := ksher.CodeNoAuth, ksher.CodeNoAuth
		if operation != "wap_pay" && operation != "web_pay" {
			weChat = ""
		}
		if operation == "wap_pay" {
			alipayPlus = ""
		}
		tests = append(tests, walletTest{operation, "channel", "wechat", weChat}, walletTest{operation, "channel", "alipayplus", alipayPlus})
	}
	tests = append(tests, walletTest{"jsapi_pay", "channel", "alipay", ""}, walletTest{"mini_program_pay", "channel", "alipay", ""})
	return good, tests
}

func TestWalletPayParameters(t *testing.T) {
	good, tests := walletTests()
	for _, c := range tests {
		t.Run(c.operation+" "+c.name+"="+c.value, func(t *testing.T) {
			gw := sandbox.New(t)
			_, err := gw.Client.NativePay(t.Context(), sandboxtest.NativePay("K-1", ksher.ChannelWeChat))
			require.NoError(t, err)
			params := maps.Clone(good[c.operation])
			params[c.name] = c.value
			assert.Equal(t, string(c.want), string(sandboxtest.PostSigned(t, gw, gw.MerchantURL()+"/"+c.operation, params)))
			made := 1
			if c.want == "" {
				made = 2
			}
			assert.Len(t, gw.Orders(), made)
		})
	}
	t.Run("app_pay by WeChat needs no shop", func(t *testing.T) {
		gw := sandbox.New(t)
		req := appPay("W-1", ksher.ChannelWeChat)
		req.ReferURL = ""
		_, err := gw.Client.AppPay(t.Context(), req)
		require.NoError(t, err)
	})
}

// wholeAnswer checks what every answer has.
func wholeAnswer(t *testing.T, resp *ksher.WalletPayResponse, err error, no, tradeType string) *ksher.WalletPayResponse {
	t.Helper()
	require.NoError(t, err)
	assert.Equal(t, sandbox.AppID, resp.AppID)
	assert.Equal(t, no, resp.MchOrderNo)
	assert.NotEmpty(t, resp.KsherOrderNo)
	assert.Equal(t, tradeType, resp.TradeType)
	assert.EqualValues(t, 40_00, resp.TotalFee)
	assert.Equal(t, "THB", resp.FeeType)
	return resp
}

// forWeChat checks the parameters of a page inside WeChat.
func forWeChat(t *testing.T, resp *ksher.WalletPayResponse, appID, at string) {
	t.Helper()
	params, err := resp.WeChatParams()
	require.NoError(t, err)
	assert.Equal(t, appID, params.AppID)
	assert.Equal(t, at, params.TimeStamp)
	assert.Len(t, params.NonceStr, 32)
	assert.True(t, strings.HasPrefix(params.Package, "prepay_id=kshertest-"), params.Package)
	assert.Equal(t, "RSA", params.SignType)
	assert.Equal(t, "kshertest-no-signature", params.PaySign)
}

func nothingFor(t *testing.T, err error) {
	t.Helper()
	assert.ErrorIs(t, err, fault.ErrField)
}

// What the wallets' client code gets is complete, and plainly of no use in
// reality.
func TestWalletPayAnswers(t *testing.T) {
	gw := sandbox.New(t)
	ctx := t.Context()
	at := strconv.FormatInt(gw.Now().Unix(), 10)

	resp, err := gw.Client.MiniProgramPay(ctx, miniProgramPay("mini"))
	forWeChat(t, wholeAnswer(t, resp, err, "mini", "JSAPI"), "wx2421b1c4370ec43b", at)
	_, err = resp.PageURL()
	nothingFor(t, err)
	_, err = resp.WeChatAppParams()
	nothingFor(t, err)

	resp, err = gw.Client.JSAPIPay(ctx, &ksher.JSAPIPayRequest{MchOrderNo: "jsapi", TotalFee: 40_00, FeeType: "THB", Channel: ksher.ChannelWeChat})
	forWeChat(t, wholeAnswer(t, resp, err, "jsapi", "JSAPI"), "", at)
	page, err := resp.PageURL()
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(page, gw.URL()), page)
	assert.Equal(t, page, resp.PayURL)

	req := appPay("app", ksher.ChannelWeChat)
	req.ChannelSubAppID = "wx1"
	resp, err = gw.Client.AppPay(ctx, req)
	app, err2 := wholeAnswer(t, resp, err, "app", "APP").WeChatAppParams()
	require.NoError(t, err2)
	assert.Equal(t, "wx1", app.AppID)
	assert.Equal(t, at, app.TimeStamp)
	assert.Equal(t, "Sign=WXPay", app.Package)
	assert.Equal(t, "kshertest-no-signature", app.Sign)
	_, err = resp.WeChatParams()
	nothingFor(t, err)

	mini := miniProgramPay("mini-alipay")
	mini.Channel = ksher.ChannelAlipay
	resp, err = gw.Client.MiniProgramPay(ctx, mini)
	wholeAnswer(t, resp, err, "mini-alipay", "JSAPI")
	_, err = resp.WeChatParams()
	nothingFor(t, err)
	resp, err = gw.Client.AppPay(ctx, appPay("app-alipay", ksher.ChannelAlipay))
	text, err2 := wholeAnswer(t, resp, err, "app-alipay", "APP").AlipayOrderString()
	require.NoError(t, err2)
	order, err := url.ParseQuery(text)
	require.NoError(t, err)
	assert.Equal(t, "kshertest-no-signature", order.Get("sign"))
	assert.JSONEq(t, `{"out_trade_no":"app-alipay","total_amount":"40.00"}`, order.Get("biz_content"))

	resp, err = gw.Client.WapPay(ctx, wapPay("wap"))
	_, err2 = wholeAnswer(t, resp, err, "wap", "WAP").PageURL()
	require.NoError(t, err2)
	resp, err = gw.Client.WebPay(ctx, (*ksher.WebPayRequest)(wapPay("web")))
	_, err2 = wholeAnswer(t, resp, err, "web", "WEB").PageURL()
	require.NoError(t, err2)
	_, err = resp.AlipayOrderString()
	nothingFor(t, err)
}

func TestWalletOrderFromCreationToRefund(t *testing.T) {
	gw := sandbox.New(t)
	ctx := t.Context()
	var told []string
	shop := httptest.NewServer(sandboxtest.Notifications(t, gw, func(_ context.Context, n *ksher.Order) error {
		told = append(told, n.MchOrderNo)
		return n.CheckPaid("W-2", 40_00, "THB")
	}))
	defer shop.Close()
	req := miniProgramPay("W-1")
	req.Attach = "table 7"
	_, err := gw.Client.MiniProgramPay(ctx, req)
	require.NoError(t, err)
	assert.Equal(t, ksher.ResultNotPay, sandboxtest.Query(t, gw, "W-1").Result)
	_, err = gw.Client.MiniProgramPay(ctx, req)
	require.ErrorIs(t, err, ksher.CodeKsherDuplicatedOrderNo)
	gw.Advance(365 * 24 * time.Hour)
	assert.Equal(t, ksher.ResultNotPay, sandboxtest.Query(t, gw, "W-1").Result, "it never expires")

	require.ErrorIs(t, gw.Pay("W-1", ksher.ChannelAlipay), sandbox.ErrNotPayable)
	require.NoError(t, gw.Pay("W-1", ""))
	paid := sandboxtest.Query(t, gw, "W-1")
	require.NoError(t, paid.CheckPaid("W-1", 40_00, "THB"))
	assert.Equal(t, ksher.ChannelWeChat, paid.Channel)
	assert.Equal(t, "table 7", paid.Attach)

	_, err = gw.Client.OrderRefund(ctx, &ksher.OrderRefundRequest{MchOrderNo: "W-1", MchRefundNo: "R-1", RefundFee: 15_00, TotalFee: 40_00, FeeType: "THB"})
	require.NoError(t, err)
	sandbox.AssertRefunded(t, gw, "W-1", 15_00)

	second := miniProgramPay("W-2")
	second.NotifyURL = shop.URL
	_, err = gw.Client.MiniProgramPay(ctx, second)
	require.NoError(t, err)
	require.NoError(t, gw.Pay("W-2", ""))
	require.NoError(t, gw.Deliver(ctx, "W-2"))
	require.Equal(t, []string{"W-2"}, told)

	_, err = gw.Client.WapPay(ctx, wapPay("W-3"))
	require.NoError(t, err)
	_, err = gw.Client.OrderClose(ctx, &ksher.OrderCloseRequest{MchOrderNo: "W-3"})
	require.NoError(t, err)
	assert.Equal(t, ksher.ResultClosed, sandboxtest.Query(t, gw, "W-3").Result)
	require.ErrorIs(t, gw.Pay("W-3", ""), sandbox.ErrNotPayable)

	later := wapPay("W-4")
	later.Extra = ksher.Extra{Params: map[string]string{"expire_time": "10"}}
	_, err = gw.Client.WapPay(ctx, later)
	require.NoError(t, err)
	gw.Advance(10 * time.Minute)
	assert.Equal(t, ksher.ResultClosed, sandboxtest.Query(t, gw, "W-4").Result)
}

// The buyer pays on the page that wap_pay gave the address of, and is led back.
func TestWalletPage(t *testing.T) {
	gw := sandbox.New(t)
	_, err := gw.Client.WapPay(t.Context(), wapPay("W-0"))
	require.NoError(t, err)
	resp, err := gw.Client.WapPay(t.Context(), wapPay("W-1"))
	require.NoError(t, err)
	_, err = gw.Client.WapPay(t.Context(), wapPay("W-2"))
	require.NoError(t, err)
	address, err := resp.PageURL()
	require.NoError(t, err)
	b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
	b.Open(address)
	require.Contains(t, b.Body, "40.00")
	for steps := 0; b.Step() != "" && steps < 10; steps++ {
		b.Next()
	}
	require.Contains(t, b.Body, "https://shop.example/thanks")
	sandbox.AssertPaid(t, gw, "W-1", 40_00)
}

// Orders for wallets come back after a restart, and the dashboard and the control
// API show them like others.
func TestWalletPaySurvivesARestart(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	gw, err := sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(0))
	require.NoError(t, err)
	_, err = gw.Client.MiniProgramPay(t.Context(), miniProgramPay("new"))
	require.NoError(t, err)
	_, err = gw.Client.WapPay(t.Context(), wapPay("paid"))
	require.NoError(t, err)
	require.NoError(t, gw.Pay("paid", ""))
	gw.Close()

	gw, err = sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(0))
	require.NoError(t, err)
	defer gw.Close()
	require.NoError(t, gw.Pay("new", ksher.ChannelWeChat))
	for _, no := range []string{"new", "paid"} {
		sandbox.AssertPaid(t, gw, no, 40_00)
		for _, path := range []string{"/control/orders/", "/order?no="} {
			shown, err := gw.HTTPClient().Get(gw.URL() + path + no)
			require.NoError(t, err)
			shown.Body.Close()
			assert.Equal(t, http.StatusOK, shown.StatusCode, path+no)
		}
	}
	_, err = gw.Client.WapPay(t.Context(), wapPay("paid"))
	require.ErrorIs(t, err, ksher.CodeKsherDuplicatedOrderNo)
}

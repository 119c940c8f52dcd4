package sandbox

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/ksher-go/ksher"
)

func walletOperations() []operation {
	order := []string{"mch_order_no", "total_fee", "fee_type", "channel"}
	page := map[ksher.Channel]forWallet{ksher.ChannelAlipay: (*walletAnswer).page}
	return []operation{
		{"/KsherPay/jsapi_pay", order, walletPay("JSAPI", map[ksher.Channel]forWallet{
			ksher.ChannelWeChat: (*walletAnswer).weChatPage, ksher.ChannelAlipay: (*walletAnswer).page,
		})},
		{"/KsherPay/mini_program_pay", slices.Concat(order, []string{"sub_openid", "channel_sub_appid"}),
			walletPay("JSAPI", map[ksher.Channel]forWallet{
				ksher.ChannelWeChat: (*walletAnswer).weChat, ksher.ChannelAlipay: (*walletAnswer).alipay,
			})},
		{"/KsherPay/app_pay", order, walletPay("APP", map[ksher.Channel]forWallet{
			ksher.ChannelWeChat: (*walletAnswer).weChatApp, ksher.ChannelAlipay: (*walletAnswer).alipay,
		})},
		{"/KsherPay/wap_pay", order, walletPay("WAP", page)},
		{"/KsherPay/web_pay", order, walletPay("WEB", page)},
	}
}

// walletAnswer is an answer with what the wallet's client code wants. How Ksher
// gives it isn't documented, and so the member of WeChat's parameters has a name
// of this gateway's own: the library finds it by what is in it.
type walletAnswer struct {
	ksher.WalletPayResponse
	WalletParams string `json:"wallet_params"`

	g *Gateway
	o *order
}

// forWallet puts in what one of the wallets wants.
type forWallet func(*walletAnswer)

// notSigned stands where a wallet's signature would be, and no wallet takes it.
const notSigned = "kshertest-no-signature"

// page gives the address of the gateway's own checkout page, where the order can
// be paid.
func (a *walletAnswer) page() {
	a.PayContent = a.g.url + "/ua?order_uuid=" + a.o.UUID
}

func (a *walletAnswer) weChat() {
	a.WalletParams = string(marshal(ksher.WeChatParams{
		AppID: a.o.Params.Get("channel_sub_appid"), TimeStamp: strconv.FormatInt(a.g.now().Unix(), 10), NonceStr: newUUID(),
		Package: "prepay_id=kshertest-" + a.o.UUID, SignType: "RSA", PaySign: notSigned,
	}))
}

// weChatPage gives both that a page inside WeChat may be for.
func (a *walletAnswer) weChatPage() {
	a.weChat()
	a.page()
}

func (a *walletAnswer) weChatApp() {
	a.WalletParams = string(marshal(ksher.WeChatAppParams{
		AppID: a.o.Params.Get("channel_sub_appid"), PartnerID: a.o.AppID, PrepayID: "kshertest-" + a.o.UUID, Package: "Sign=WXPay",
		NonceStr: newUUID(), TimeStamp: strconv.FormatInt(a.g.now().Unix(), 10), Sign: notSigned,
	}))
}

func (a *walletAnswer) alipay() {
	a.PayContent = url.Values{
		"app_id": {"kshertest"}, "method": {"alipay.trade.app.pay"}, "charset": {"utf-8"}, "sign_type": {"RSA2"}, "sign": {notSigned},
		"timestamp":   {a.g.now().In(zone).Format("2006-01-02 15:04:05")},
		"biz_content": {string(marshal(map[string]string{"out_trade_no": a.o.MchOrderNo, "total_amount": a.o.Total.String()}))},
	}.Encode()
}

// walletPay serves an operation that makes an order for a wallet. For which
// wallets each is, what it refuses, and how long its orders can be paid isn't
// documented: here for ever, unless expire_time says otherwise.
func walletPay(tradeType string, kinds map[ksher.Channel]forWallet) func(*Gateway, url.Values) (any, ksher.Code) {
	return func(g *Gateway, p url.Values) (any, ksher.Code) {
		channel := ksher.Channel(p.Get("channel"))
		kind, local := kinds[channel], p.Get("local_total_fee")
		if kind == nil {
			return nil, ksher.CodeNoAuth
		}
		if _, ok := amount(local); !ok && local != "" {
			return nil, ksher.CodePriceNotExist
		}
		if tradeType == "APP" && channel == ksher.ChannelAlipay && p.Get("refer_url") == "" {
			return nil, ksher.CodeLackParams
		}
		o := &order{Channels: []ksher.Channel{channel}, UUID: newUUID()}
		if refusal := g.create(p, o, ksher.CodeKsherDuplicatedOrderNo); refusal != "" {
			return nil, refusal
		}
		answer := &walletAnswer{g: g, o: o, WalletPayResponse: ksher.WalletPayResponse{
			AppID: o.AppID, MchOrderNo: o.MchOrderNo, KsherOrderNo: o.KsherOrderNo, TradeType: tradeType, TotalFee: o.Total, FeeType: o.FeeType,
			NonceStr: p.Get("nonce_str"),
		}}
		kind(answer)
		return answer, ""
	}
}

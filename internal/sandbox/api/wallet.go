package api

import (
	"maps"
	"net/url"
	"slices"
	"strconv"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/checkout"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

func walletOperations() []operation {
	unpriced := []string{"mch_order_no", "fee_type", "channel"}
	order := slices.Concat(unpriced, []string{"total_fee"})
	pages := func(channels ...ksher.Channel) map[ksher.Channel]forWallet {
		kinds := make(map[ksher.Channel]forWallet)
		for _, c := range channels {
			kinds[c] = (*walletAnswer).page
		}
		return kinds
	}
	return []operation{
		{"/KsherPay/jsapi_pay", order, walletPay("JSAPI", map[ksher.Channel]forWallet{
			ksher.ChannelWeChat: (*walletAnswer).weChatPage, ksher.ChannelAlipay: (*walletAnswer).page,
		})},
		{"/KsherPay/mini_program_pay", unpriced,
			localTotal(miniProgram(walletPay("JSAPI", map[ksher.Channel]forWallet{
				ksher.ChannelWeChat: (*walletAnswer).weChat, ksher.ChannelAlipay: (*walletAnswer).alipay,
			})))},
		{"/KsherPay/app_pay", order, walletPay("APP", map[ksher.Channel]forWallet{
			ksher.ChannelWeChat: (*walletAnswer).weChatApp, ksher.ChannelAlipay: (*walletAnswer).alipay,
		})},
		{"/KsherPay/wap_pay", unpriced, localTotal(walletPay("WAP", pages(ksher.ChannelAlipay, ksher.ChannelAlipayPlus)))},
		{"/KsherPay/web_pay", unpriced, localTotal(walletPay("WEB", pages(ksher.ChannelAlipay)))},
	}
}

// walletAnswer is an answer with what the wallet's client code wants. How Ksher
// gives it isn't documented, and so the member of WeChat's parameters has a name
// of this gateway's own: the library finds it by what is in it.
type walletAnswer struct {
	ksher.WalletPayResponse
	WalletParams string `json:"wallet_params"`

	s  *Server
	tx *core.Tx
	o  *core.Entry
}

// forWallet puts in what one of the wallets wants.
type forWallet func(*walletAnswer)

// notSigned stands where a wallet's signature would be, and no wallet takes it.
const notSigned = "kshertest-no-signature"

// page gives the address of the gateway's own checkout page, where the order can
// be paid.
func (a *walletAnswer) page() {
	a.PayContent = checkout.URL(a.tx.URL(), a.o)
	a.PayURL = a.PayContent // Where one of Ksher's demos reads it.
}

func (a *walletAnswer) weChat() { a.WalletParams = string(core.Marshal(WeChatParams(a.tx, a.o))) }

// WeChatParams are what a page inside WeChat pays an order with.
func WeChatParams(tx *core.Tx, o *core.Entry) ksher.WeChatParams {
	return ksher.WeChatParams{
		AppID: o.Params.Get("channel_sub_appid"), TimeStamp: strconv.FormatInt(tx.Now().Unix(), 10), NonceStr: tx.NewUUID(),
		Package: "prepay_id=kshertest-" + o.UUID, SignType: "RSA", PaySign: notSigned,
	}
}

// weChatPage gives both that a page inside WeChat may be for.
func (a *walletAnswer) weChatPage() {
	a.weChat()
	a.page()
}

func (a *walletAnswer) weChatApp() {
	a.WalletParams = string(core.Marshal(ksher.WeChatAppParams{
		AppID: a.o.Params.Get("channel_sub_appid"), PartnerID: a.o.AppID, PrepayID: "kshertest-" + a.o.UUID, Package: "Sign=WXPay",
		NonceStr: a.tx.NewUUID(), TimeStamp: strconv.FormatInt(a.tx.Now().Unix(), 10), Sign: notSigned,
	}))
}

func (a *walletAnswer) alipay() { a.PayContent = AlipayText(a.tx, a.o) }

// AlipayText is what Alipay's app is given to pay an order.
func AlipayText(tx *core.Tx, o *core.Entry) string {
	return url.Values{
		"app_id": {"kshertest"}, "method": {"alipay.trade.app.pay"}, "charset": {"utf-8"}, "sign_type": {"RSA2"}, "sign": {notSigned},
		"timestamp":   {tx.Now().In(o.Location()).Format("2006-01-02 15:04:05")},
		"biz_content": {string(core.Marshal(map[string]string{"out_trade_no": o.MchOrderNo, "total_amount": o.Total.String()}))},
	}.Encode()
}

// serveWallet is what serves an operation.
type serveWallet = func(*Server, *core.Tx, url.Values, *core.Leniency) (any, ksher.Code)

// localTotal serves an operation for which some clients give the total as local_total_fee
// only. The order then has a total_fee of that much.
func localTotal(serve serveWallet) serveWallet {
	return func(s *Server, tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
		if p.Get("total_fee") == "" {
			if p.Get("local_total_fee") == "" || !l.Accepts("local_total_fee in place of total_fee", "total_fee") {
				return nil, ksher.CodeLackParams
			}
			p = maps.Clone(p)
			p.Set("total_fee", p.Get("local_total_fee"))
		}
		return serve(s, tx, p, l)
	}
}

// miniProgram serves an operation in which WeChat Pay has to be told of the buyer and the mini
// program. That Alipay doesn't have to be is documented for vip.ksher.net, and taken over.
func miniProgram(serve serveWallet) serveWallet {
	return func(s *Server, tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
		if p.Get("channel") == string(ksher.ChannelWeChat) && (p.Get("sub_openid") == "" || p.Get("channel_sub_appid") == "") {
			return nil, ksher.CodeLackParams
		}
		return serve(s, tx, p, l)
	}
}

// walletPay serves an operation that makes an order for a wallet. For which
// wallets each is, what it refuses, and how long its orders can be paid isn't
// documented: here for ever, unless expire_time says otherwise.
func walletPay(tradeType string, kinds map[ksher.Channel]forWallet) serveWallet {
	return func(s *Server, tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
		channel := ksher.Channel(p.Get("channel"))
		kind, local := kinds[channel], p.Get("local_total_fee")
		if _, known := channel.Info(); !known { // What its client code wants isn't known either.
			kind = (*walletAnswer).page
		}
		if kind == nil {
			return nil, ksher.CodeNoAuth
		}
		if _, ok := Amount(local); !ok && local != "" {
			return nil, ksher.CodePriceNotExist
		}
		if tradeType == "APP" && channel == ksher.ChannelAlipay && !given(p, "refer_url", l) {
			return nil, ksher.CodeLackParams
		}
		o := &core.Entry{Channels: []ksher.Channel{channel}, UUID: tx.NewUUID()}
		if refusal := Create(tx, p, o, ksher.CodeKsherDuplicatedOrderNo); refusal != "" {
			return nil, refusal
		}
		answer := &walletAnswer{s: s, tx: tx, o: o, WalletPayResponse: ksher.WalletPayResponse{
			AppID: o.AppID, MchOrderNo: o.MchOrderNo, KsherOrderNo: o.KsherOrderNo, TradeType: tradeType, TotalFee: o.Total, FeeType: o.FeeType,
			NonceStr: p.Get("nonce_str"),
		}}
		kind(answer)
		return answer, ""
	}
}

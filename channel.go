package ksher

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ksher-go/ksher/internal/wire"
)

//go:generate go run ./internal/channeldoc docs/channels.md

// Channel is a way to pay. A channel without a constant here is sent as it is, with a warning
// in the log, because Ksher adds channels faster than anyone documents them. [Channel.Info] has what is documented of
// one, and docs/channels.md shows all of it as a table.
type Channel string

// Channels. All are for the checkout page of a [GatewayPayRequest], those with "QR code"
// also for a [NativePayRequest]. Minimums are in Thai baht.
const (
	ChannelPromptPay       Channel = "promptpay"        // PromptPay, from 1 THB; also a QR code, with no refunds
	ChannelTrueMoney       Channel = "truemoney"        // TrueMoney, by QR code or OTP; also a QR code for online accounts
	ChannelAirPay          Channel = "airpay"           // ShopeePay, not in an app's web view; also a QR code for offline accounts
	ChannelLinePay         Channel = "linepay"          // Rabbit LINE Pay
	ChannelAtome           Channel = "atome"            // Atome, pay later, from 20 THB
	ChannelSCBQRCard       Channel = "scb_qrcard"       // a card by QR code, from 1 THB; also a QR code, refundable on the same day only
	ChannelWeChat          Channel = "wechat"           // WeChat Pay, not in an app's web view, of a phone's browsers only WeChat's; also a QR code
	ChannelAlipay          Channel = "alipay"           // Alipay; also a QR code for offline accounts
	ChannelAlipayPlus      Channel = "alipayplus"       // Alipay+; also a QR code for offline accounts
	ChannelCard            Channel = "card"             // Visa, Mastercard, UnionPay and TPN; refunds need the ksher_order_no
	ChannelKTCInstal       Channel = "ktc_instal"       // KTC card instalments, from 3,000 THB
	ChannelKBankInstal     Channel = "kbank_instal"     // KBank card instalments, from 3,000 THB
	ChannelKCCInstal       Channel = "kcc_instal"       // Krungsri card instalments, from 3,000 THB, for 10 months or more from 5,000 THB
	ChannelKFCInstal       Channel = "kfc_instal"       // First Choice card instalments, from 3,000 THB
	ChannelSCBEasy         Channel = "scb_easy"         // the SCB Easy app, on phones only, from 20 THB
	ChannelBBLDeeplink     Channel = "bbl_deeplink"     // the Bualuang mBanking app, on phones only, from 20 THB
	ChannelBAYBankDeeplink Channel = "baybank_deeplink" // the KMA app of Krungsri, on phones only, from 20 THB
	ChannelKPlus           Channel = "kplus"            // the K PLUS app of KBank, on phones only, from 20 THB
)

// ChannelInfo is what Ksher's guides say about a channel. Minimums are in cents of THB.
type ChannelInfo struct {
	Channel Channel // its value on the wire
	Name    string  // what a buyer calls it, in English

	GatewayPay        bool   // the checkout page of [Client.GatewayPay] offers it
	GatewayPayMinimum Amount // the smallest amount there, 0 if none is documented
	MobileOnly        bool   // the checkout page offers it on phones only
	NoWebView         bool   // the checkout page can't take it inside an app's web view
	LongInstalMinimum Amount // the smallest amount there for 10 months or more, 0 if none is documented
	Country           string // where the checkout page has it: "TH", or "JP" for Alipay+

	NativePayOffline, NativePayOnline bool          // the kinds of account for which [Client.NativePay] makes a QR code
	NativePayMinimum                  Amount        // the smallest amount of such a code, 0 if none is documented
	NativePayExpiry                   time.Duration // how long such a code can be paid by default, 0 for ever or if nothing is documented
	NativePayNeverExpires             bool          // it can be paid for ever
	NativePayExpirySetBy              string        // the parameter by which a request says otherwise, "" if it can't
	// Savable says that a buyer can save the QR code and pay with it later, also after the
	// order was cancelled. It is assumed where the code needn't be scanned from the screen.
	Savable    bool
	OrderClose bool // [Client.OrderClose] is documented for it

	// NoRefunds says that the API has no refunds for it: pay the buyer back in another way.
	// Others can be refunded until Ksher has settled the payment, see
	// [CodeKsherRefundExpire], or, with RefundSameDay, on the day of the payment only, by
	// the merchant's zone.
	NoRefunds, RefundSameDay bool
	RefundQuery              bool // [Client.RefundQuery] knows its refunds; assumed where the guide is silent
	// Card says that it charges a card: its refunds need the ksher_order_no, and while it
	// waits for the OTP it can't be cancelled. That it holds for instalments is assumed.
	Card bool
}

// nativePayMinimum is what the guide gives as the minimum of every channel it
// lists.
const nativePayMinimum Amount = 1_00

// channelTable has every channel that the guides describe, in the order of the
// checkout page.
var channelTable = []ChannelInfo{
	{Channel: ChannelPromptPay, Name: "PromptPay", Country: "TH", GatewayPay: true, GatewayPayMinimum: 1_00, NativePayOffline: true, NativePayOnline: true, NativePayMinimum: nativePayMinimum, NativePayNeverExpires: true, Savable: true, NoRefunds: true},
	{Channel: ChannelTrueMoney, Name: "TrueMoney", Country: "TH", GatewayPay: true, NativePayOnline: true, NativePayMinimum: nativePayMinimum, NativePayExpiry: 24 * time.Hour, NativePayExpirySetBy: "tmn_expire_time", Savable: true, RefundQuery: true},
	{Channel: ChannelAirPay, Name: "ShopeePay", Country: "TH", GatewayPay: true, NoWebView: true, NativePayOffline: true, NativePayMinimum: nativePayMinimum, RefundQuery: true, OrderClose: true},
	{Channel: ChannelLinePay, Name: "Rabbit LINE Pay", Country: "TH", GatewayPay: true, RefundQuery: true},
	{Channel: ChannelAtome, Name: "Atome", Country: "TH", GatewayPay: true, GatewayPayMinimum: 20_00, RefundQuery: true},
	{Channel: ChannelSCBQRCard, Name: "QR credit/debit card", Country: "TH", GatewayPay: true, GatewayPayMinimum: 1_00, NativePayOffline: true, NativePayOnline: true, NativePayMinimum: nativePayMinimum, Savable: true, RefundSameDay: true, RefundQuery: true},
	{Channel: ChannelWeChat, Name: "WeChat Pay", Country: "TH", GatewayPay: true, NoWebView: true, NativePayOffline: true, NativePayOnline: true, NativePayMinimum: nativePayMinimum, NativePayExpiry: 2 * time.Hour, RefundQuery: true, OrderClose: true},
	{Channel: ChannelAlipay, Name: "Alipay", Country: "TH", GatewayPay: true, NativePayOffline: true, NativePayMinimum: nativePayMinimum, NativePayExpiry: 3 * time.Hour, OrderClose: true},
	{Channel: ChannelAlipayPlus, Name: "Alipay+", Country: "JP", GatewayPay: true, NativePayOffline: true, NativePayMinimum: nativePayMinimum, NativePayExpiry: 10 * time.Minute, OrderClose: true},
	{Channel: ChannelCard, Name: "Credit or debit card", Country: "TH", GatewayPay: true, RefundQuery: true, Card: true},
	{Channel: ChannelKTCInstal, Name: "KTC instalments", Country: "TH", GatewayPay: true, GatewayPayMinimum: 3000_00, RefundQuery: true, Card: true},
	{Channel: ChannelKBankInstal, Name: "KBank instalments", Country: "TH", GatewayPay: true, GatewayPayMinimum: 3000_00, RefundQuery: true, Card: true},
	{Channel: ChannelKCCInstal, Name: "Krungsri instalments", Country: "TH", GatewayPay: true, GatewayPayMinimum: 3000_00, LongInstalMinimum: 5000_00, RefundQuery: true, Card: true},
	{Channel: ChannelKFCInstal, Name: "First Choice instalments", Country: "TH", GatewayPay: true, GatewayPayMinimum: 3000_00, RefundQuery: true, Card: true},
	{Channel: ChannelSCBEasy, Name: "SCB Easy", Country: "TH", GatewayPay: true, GatewayPayMinimum: 20_00, MobileOnly: true, RefundQuery: true},
	{Channel: ChannelBBLDeeplink, Name: "Bualuang mBanking", Country: "TH", GatewayPay: true, GatewayPayMinimum: 20_00, MobileOnly: true, RefundQuery: true},
	{Channel: ChannelBAYBankDeeplink, Name: "KMA", Country: "TH", GatewayPay: true, GatewayPayMinimum: 20_00, MobileOnly: true, RefundQuery: true},
	{Channel: ChannelKPlus, Name: "K PLUS", Country: "TH", GatewayPay: true, GatewayPayMinimum: 20_00, MobileOnly: true, RefundQuery: true},
}

// Channels returns every channel that Ksher's guides describe, in the checkout page's order.
func Channels() []ChannelInfo { return slices.Clone(channelTable) }

// Info returns what Ksher's guides say about the channel. Of one that they don't
// describe, known is false, and the info rules nothing out.
func (c Channel) Info() (info ChannelInfo, known bool) {
	for _, info := range channelTable {
		if info.Channel == c {
			return info, true
		}
	}
	return ChannelInfo{
		Channel: c, Name: string(c), GatewayPay: true, NativePayOffline: true, NativePayOnline: true,
		RefundQuery: true, OrderClose: c == "ktbcard",
		Card: strings.HasSuffix(string(c), "card") || strings.HasSuffix(string(c), "_instal"),
	}, false
}

// Channels narrows [Channels] to those that this merchant has by contract; those that the
// guides don't describe come last. If BusinessMode is "online" or "offline", only that kind of
// account is left of those native_pay tells apart. The list isn't signed: only TLS vouches for
// it.
func (r *MerchantInfoResponse) Channels() []ChannelInfo {
	supported := r.supported()
	all := slices.DeleteFunc(Channels(), func(info ChannelInfo) bool { return !slices.Contains(supported, info.Channel) })
	for _, c := range supported {
		info, known := c.Info()
		listed := slices.ContainsFunc(all, func(other ChannelInfo) bool { return other.Channel == c })
		if !known && !listed && c != "" && c != payoutChannel {
			all = append(all, info)
		}
	}
	for i := range all {
		all[i].NativePayOffline = all[i].NativePayOffline && r.BusinessMode != "online"
		all[i].NativePayOnline = all[i].NativePayOnline && r.BusinessMode != "offline"
	}
	return all
}

// supported has the channels of mch_support_channel, which has a list of objects.
func (r *MerchantInfoResponse) supported() (channels []Channel) {
	var answer struct {
		MchSupportChannel []struct {
			PayChannel Channel `json:"pay_channel"`
		} `json:"mch_support_channel" wire:"loose"`
	}
	members, err := wire.ParseObject(r.Data)
	if err != nil || wire.Decode(members, &answer, time.UTC) != nil {
		return nil
	}
	for _, c := range answer.MchSupportChannel {
		channels = append(channels, c.PayChannel)
	}
	return channels
}

// payoutChannel is listed among a merchant's channels, but isn't a way to pay.
const payoutChannel Channel = "payout"

func (c Channel) facts() ChannelInfo {
	info, _ := c.Info()
	return info
}

// warnOfChannels logs the channels of a request that the guides don't describe.
func (c *Client) warnOfChannels(op *operation, params []wire.Param) {
	known := channelNames()
	if op == payout || op == orderQueryPayout {
		known = slices.Concat(known, []string{string(payoutChannel)})
	}
	c.warned.OfChannels(c.log, op.name, params, known)
}

var channelNames = sync.OnceValue(func() (names []string) {
	for _, info := range channelTable {
		names = append(names, string(info.Channel))
	}
	return names
})

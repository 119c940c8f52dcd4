package ksher

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/ksher-go/ksher/internal/check"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/wire"
)

// JSAPIPayRequest asks for a payment on a page inside the buyer's wallet. What isn't
// marked as required may be left zero. The other requests to wallets share its fields.
// For [Client.Resolve] each needs MchOrderNo, TotalFee and FeeType.
type JSAPIPayRequest struct {
	MchOrderNo   string  `url:"mch_order_no"`            // required, unique for the merchant, at most 32 characters
	TotalFee     Amount  `url:"total_fee"`               // required, what the buyer has to pay, in cents of FeeType
	FeeType      string  `url:"fee_type"`                // required, an ISO 4217 code
	Channel      Channel `url:"channel"`                 // required, the wallet, such as [ChannelWeChat]
	NotifyURL    string  `url:"notify_url,omitempty"`    // where the notification goes, see [Payments.Notifications]
	RedirectURL  string  `url:"redirect_url,omitempty"`  // where the buyer goes after paying, for channels with a page
	PaypageTitle string  `url:"paypage_title,omitempty"` // the title of the page, for channels with one
	Product      string  `url:"product,omitempty"`       // what the buyer pays for, plain text
	Attach       string  `url:"attach,omitempty"`        // returned as it is in queries and notifications
	OperatorID   string  `url:"operator_id,omitempty"`   // the cashier or the like

	Extra `url:"-"`
}

// OpenOrder is like [GatewayPayRequest.OpenOrder].
func (r *JSAPIPayRequest) OpenOrder() OpenOrder {
	return newOpenOrder(HostMerchant, r.MchOrderNo, r.TotalFee, r.FeeType)
}

func (r *JSAPIPayRequest) sought(c *checker) { r.OpenOrder().sought(c) }

func (r *JSAPIPayRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	return c.resolveCreated(ctx, r.OpenOrder())
}

func (r *JSAPIPayRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *JSAPIPayRequest) check(c *checker) {
	c.walletOrder(r.MchOrderNo, r.TotalFee, r.FeeType, r.Channel, r.NotifyURL, r.RedirectURL)
}

// MiniProgramPayRequest asks for a payment in a mini program. Its fields without a comment are those of
// [JSAPIPayRequest]. What RedirectURL means in a mini program isn't documented.
type MiniProgramPayRequest struct {
	MchOrderNo string `url:"mch_order_no"`
	TotalFee   Amount `url:"total_fee"`
	// LocalTotalFee is not explained anywhere: leave it zero unless Ksher tells you. Some of Ksher's SDKs send
	// it in place of TotalFee, and this package beside it only. With it the answer's amount isn't compared.
	LocalTotalFee Amount  `url:"local_total_fee,omitempty"`
	FeeType       string  `url:"fee_type"`
	Channel       Channel `url:"channel"`
	// SubOpenID is the buyer's ID in the mini program, for WeChat what its login gives as
	// openid: required for [ChannelWeChat]. It is personal data.
	SubOpenID string `url:"sub_openid,omitempty"`
	// ChannelSubAppID is the mini program's own ID at the wallet, for WeChat one that
	// begins with wx: required for [ChannelWeChat], not documented for others.
	ChannelSubAppID string `url:"channel_sub_appid,omitempty"`
	NotifyURL       string `url:"notify_url,omitempty"`
	RedirectURL     string `url:"redirect_url,omitempty"`
	PaypageTitle    string `url:"paypage_title,omitempty"`
	Product         string `url:"product,omitempty"`
	Attach          string `url:"attach,omitempty"`
	OperatorID      string `url:"operator_id,omitempty"`

	Extra `url:"-"`
}

// OpenOrder is like [GatewayPayRequest.OpenOrder].
func (r *MiniProgramPayRequest) OpenOrder() OpenOrder {
	return newOpenOrder(HostMerchant, r.MchOrderNo, r.TotalFee, r.FeeType)
}

func (r *MiniProgramPayRequest) sought(c *checker) { r.OpenOrder().sought(c) }

func (r *MiniProgramPayRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	return c.resolveCreated(ctx, r.OpenOrder())
}

func (r *MiniProgramPayRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *MiniProgramPayRequest) check(c *checker) {
	c.walletOrder(r.MchOrderNo, r.TotalFee, r.FeeType, r.Channel, r.NotifyURL, r.RedirectURL)
	c.localTotalFee(r.LocalTotalFee)
	if r.Channel == ChannelWeChat { // By WeChat's own documentation of mini programs.
		c.Required("sub_openid", r.SubOpenID)
		c.Required("channel_sub_appid", r.ChannelSubAppID)
	}
}

// AppPayRequest asks for a payment in the merchant's own app. Its fields without a comment are
// those of [JSAPIPayRequest].
type AppPayRequest struct {
	MchOrderNo      string  `url:"mch_order_no"`
	TotalFee        Amount  `url:"total_fee"`
	LocalTotalFee   Amount  `url:"local_total_fee,omitempty"` // as in a [MiniProgramPayRequest]
	FeeType         string  `url:"fee_type"`
	Channel         Channel `url:"channel"`                     // required, [ChannelWeChat] or [ChannelAlipay]
	SubOpenID       string  `url:"sub_openid,omitempty"`        // the buyer's ID at the wallet: personal data; who wants it isn't documented
	ChannelSubAppID string  `url:"channel_sub_appid,omitempty"` // the app's ID at the wallet, for WeChat wx…; who wants it isn't documented
	ReferURL        string  `url:"refer_url,omitempty"`         // the address of the shop, which Ksher's SDKs send for [ChannelAlipay]
	NotifyURL       string  `url:"notify_url,omitempty"`
	RedirectURL     string  `url:"redirect_url,omitempty"`
	PaypageTitle    string  `url:"paypage_title,omitempty"`
	Product         string  `url:"product,omitempty"`
	Attach          string  `url:"attach,omitempty"`
	OperatorID      string  `url:"operator_id,omitempty"`

	Extra `url:"-"`
}

// OpenOrder is like [GatewayPayRequest.OpenOrder].
func (r *AppPayRequest) OpenOrder() OpenOrder {
	return newOpenOrder(HostMerchant, r.MchOrderNo, r.TotalFee, r.FeeType)
}

func (r *AppPayRequest) sought(c *checker) { r.OpenOrder().sought(c) }

func (r *AppPayRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	return c.resolveCreated(ctx, r.OpenOrder())
}

func (r *AppPayRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *AppPayRequest) check(c *checker) {
	c.walletOrder(r.MchOrderNo, r.TotalFee, r.FeeType, r.Channel, r.NotifyURL, r.RedirectURL)
	c.localTotalFee(r.LocalTotalFee)
	c.httpURL("refer_url", r.ReferURL)
}

// WapPayRequest asks for a payment on the wallet's page in the browser of a phone. Its
// fields without a comment are those of [JSAPIPayRequest].
type WapPayRequest struct {
	MchOrderNo    string  `url:"mch_order_no"`
	TotalFee      Amount  `url:"total_fee"`
	LocalTotalFee Amount  `url:"local_total_fee,omitempty"` // as in a [MiniProgramPayRequest]
	FeeType       string  `url:"fee_type"`
	Channel       Channel `url:"channel"`             // required, [ChannelAlipay] or, on phones, [ChannelAlipayPlus]
	ReferURL      string  `url:"refer_url,omitempty"` // the page of the shop that the buyer comes from; some of Ksher's SDKs send it
	NotifyURL     string  `url:"notify_url,omitempty"`
	RedirectURL   string  `url:"redirect_url,omitempty"`
	PaypageTitle  string  `url:"paypage_title,omitempty"`
	Product       string  `url:"product,omitempty"`
	Attach        string  `url:"attach,omitempty"`
	OperatorID    string  `url:"operator_id,omitempty"`
	DeviceID      string  `url:"device_id,omitempty"` // the device that the merchant sells by

	Extra `url:"-"`
}

// OpenOrder is like [GatewayPayRequest.OpenOrder].
func (r *WapPayRequest) OpenOrder() OpenOrder {
	return newOpenOrder(HostMerchant, r.MchOrderNo, r.TotalFee, r.FeeType)
}

func (r *WapPayRequest) sought(c *checker) { r.OpenOrder().sought(c) }

func (r *WapPayRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	return c.resolveCreated(ctx, r.OpenOrder())
}

func (r *WapPayRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *WapPayRequest) check(c *checker) {
	c.walletOrder(r.MchOrderNo, r.TotalFee, r.FeeType, r.Channel, r.NotifyURL, r.RedirectURL)
	c.localTotalFee(r.LocalTotalFee)
	c.httpURL("refer_url", r.ReferURL)
}

// WebPayRequest asks for a payment on the wallet's page in the browser of a computer.
type WebPayRequest WapPayRequest

// OpenOrder is like [GatewayPayRequest.OpenOrder].
func (r *WebPayRequest) OpenOrder() OpenOrder {
	return newOpenOrder(HostMerchant, r.MchOrderNo, r.TotalFee, r.FeeType)
}

func (r *WebPayRequest) sought(c *checker) { r.OpenOrder().sought(c) }

func (r *WebPayRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	return c.resolveCreated(ctx, r.OpenOrder())
}

func (r *WebPayRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *WebPayRequest) check(c *checker) { (*WapPayRequest)(r).check(c) }

// walletOrder checks what every request of this file has.
func (c *checker) walletOrder(mchOrderNo string, total Amount, feeType string, channel Channel, notifyURL, redirectURL string) {
	c.newOrder(mchOrderNo, total, feeType)
	c.channel("channel", channel)
	c.httpURL("notify_url", notifyURL)
	c.httpURL("redirect_url", redirectURL)
}

func (c *checker) localTotalFee(value Amount) {
	if value != 0 {
		c.amount("local_total_fee", value)
	}
}

// WalletPayResponse is the answer to [Client.JSAPIPay], [Client.MiniProgramPay],
// [Client.AppPay], [Client.WapPay] and [Client.WebPay]. Its methods return what the wallet
// needs, which depends on the operation and the channel; whatever came is in Data. The
// amount isn't compared for mini_program_pay and app_pay, nor if local_total_fee was sent.
type WalletPayResponse struct {
	Answer       `json:"-"`
	AppID        string `json:"appid"`          // the merchant's app ID at Ksher, not the one at the wallet
	MchOrderNo   string `json:"mch_order_no"`   // the merchant's number of the order
	KsherOrderNo string `json:"ksher_order_no"` // Ksher's number of the order
	TradeType    string `json:"trade_type"`     // the kind of payment, such as "JSAPI"
	TotalFee     Amount `json:"total_fee"`      // what the buyer has to pay, in cents of FeeType
	FeeType      string `json:"fee_type"`       // the currency
	PayContent   string `json:"pay_content"`    // a page's address or Alipay's order string, see PageURL and AlipayOrderString
	PayURL       string `json:"pay_url"`        // a page's address, too: one of Ksher's demos reads it from here
	NonceStr     string `json:"nonce_str"`      // random, and not the one that WeChat wants
}

// WeChatParams is what WeChat's client code wants for a payment in a mini program or on a
// page inside WeChat: in JSON the argument of wx.requestPayment and getBrandWCPayRequest. It
// is for this buyer and this payment only.
type WeChatParams struct {
	AppID     string `json:"appId,omitempty"` // of the mini program or official account, if the gateway gave it; a page needs it
	TimeStamp string `json:"timeStamp"`       // a Unix time in seconds, which WeChat wants as a text
	NonceStr  string `json:"nonceStr"`        // random
	Package   string `json:"package"`         // names the payment, as in "prepay_id=…"
	SignType  string `json:"signType"`        // how it is signed, such as "RSA" or "MD5"
	PaySign   string `json:"paySign"`         // the signature
}

func (p *WeChatParams) params() []walletParam {
	return []walletParam{
		{"appId", &p.AppID}, {"timeStamp", &p.TimeStamp}, {"nonceStr", &p.NonceStr}, {"package", &p.Package},
		{"signType", &p.SignType}, {"paySign", &p.PaySign},
	}
}

// WeChatAppParams is what WeChat's SDK for apps wants, in JSON under WeChat's own names. It
// is for this buyer and this payment only.
type WeChatAppParams struct {
	AppID     string `json:"appid,omitempty"` // the app's ID at WeChat, if the gateway gave it: the app knows it
	PartnerID string `json:"partnerid"`       // the merchant's number at WeChat
	PrepayID  string `json:"prepayid"`        // names the payment
	Package   string `json:"package"`         // "Sign=WXPay"
	NonceStr  string `json:"noncestr"`        // random
	TimeStamp string `json:"timestamp"`       // a Unix time in seconds
	Sign      string `json:"sign"`            // the signature
}

func (p *WeChatAppParams) params() []walletParam {
	return []walletParam{
		{"appid", &p.AppID}, {"partnerid", &p.PartnerID}, {"prepayid", &p.PrepayID}, {"package", &p.Package},
		{"noncestr", &p.NonceStr}, {"timestamp", &p.TimeStamp}, {"sign", &p.Sign},
	}
}

// WeChatParams returns what a mini program or a page inside WeChat wants, from an answer to
// [Client.MiniProgramPay] or [Client.JSAPIPay] by [ChannelWeChat]. It is an [ErrBadAnswer] if
// the data hasn't all of it, or has it twice and not the same.
func (r *WalletPayResponse) WeChatParams() (*WeChatParams, error) {
	return findWalletParams[WeChatParams](r, "WeChat's parameters")
}

// WeChatAppParams returns what an app hands to WeChat's SDK, from an answer to
// [Client.AppPay] by [ChannelWeChat]. It fails like [WalletPayResponse.WeChatParams].
func (r *WalletPayResponse) WeChatAppParams() (*WeChatAppParams, error) {
	return findWalletParams[WeChatAppParams](r, "WeChat's parameters for an app")
}

// AlipayOrderString returns what an app or mini program hands to Alipay's SDK, as orderStr or
// orderInfo, from an answer to [Client.AppPay] or [Client.MiniProgramPay] by [ChannelAlipay].
// It is an [ErrBadAnswer] if PayContent is something else.
func (r *WalletPayResponse) AlipayOrderString() (string, error) {
	if check.Web(r.PayContent) || !strings.Contains(r.PayContent, "sign=") {
		return "", r.lacks("Alipay's order string", "pay_content is not a signed order string")
	}
	return r.PayContent, nil
}

// PageURL returns the page to send the buyer to, from an answer to [Client.WapPay],
// [Client.WebPay], and [Client.JSAPIPay] if it has one. It is an [ErrBadAnswer] if PayContent
// is something else, such as a form in HTML.
func (r *WalletPayResponse) PageURL() (string, error) {
	for _, address := range []string{r.PayContent, r.PayURL} {
		if check.Web(address) {
			return address, nil
		}
	}
	return "", r.lacks("the page", "neither pay_content nor pay_url is an absolute http or https address")
}

// walletParam is a parameter for a wallet's client code, and where it goes.
type walletParam struct {
	name  string
	value *string
}

// findWalletParams looks for the parameters of a T, of which the first may be
// missing. They are signed together, so that they aren't put together from
// several places.
func findWalletParams[T any, P interface {
	*T
	params() []walletParam
}](r *WalletPayResponse, what string) (*T, error) {
	data, err := wire.ParseObject(r.Data)
	if err != nil {
		return nil, r.lacks(what, "the data is no acceptable JSON object")
	}
	var found *T
	var problem string
	fewest := len(P(new(T)).params())
	look := func(place string, members []wire.Member) {
		here := new(T)
		lacking := fillWalletParams(P(here).params(), members)
		switch {
		case len(lacking) > 0:
			if found == nil && len(lacking) < fewest {
				fewest = len(lacking)
				problem = place + " has no " + strings.Join(lacking, ", ")
			}
		case found == nil:
			found, problem = here, ""
		default:
			before := P(found).params()
			for i, p := range P(here).params() {
				switch {
				case *before[i].value == "":
					*before[i].value = *p.value
				case *p.value != "" && *p.value != *before[i].value:
					problem = place + " has another " + p.name + " than a place before"
				}
			}
		}
	}
	own := make([]wire.Member, 0, len(data))
	for _, m := range data {
		// These two are Ksher's, and a sign isn't covered by the signature.
		if name := string(m.Name); name != "appid" && name != "sign" {
			own = append(own, m)
		}
	}
	look("data", own)
	for _, m := range data {
		if inner, err := wire.ParseObject(m.Value.Text()); err == nil && string(m.Name) != "sign" {
			look(fmt.Sprintf("data.%q", clipText(string(m.Name))), inner)
		}
	}
	if problem != "" {
		return nil, r.lacks(what, problem)
	}
	return found, nil
}

// fillWalletParams sets the parameters and names those that are missing.
func fillWalletParams(params []walletParam, members []wire.Member) (lacking []string) {
	for i, p := range params {
		exact := false
		for _, m := range members {
			// Ksher's appid may stand beside WeChat's appId.
			if exact || !bytes.EqualFold(m.Name, []byte(p.name)) || m.Value.Kind != wire.String && m.Value.Kind != wire.Number {
				continue
			}
			*p.value, exact = string(m.Value.Text()), string(m.Name) == p.name
		}
		if *p.value == "" && i > 0 {
			lacking = append(lacking, p.name)
		}
	}
	return lacking
}

func (r *WalletPayResponse) lacks(what, problem string) error {
	return fmt.Errorf("ksher: %s of order %q: %w: %s. What came is in Data", what, clipText(r.MchOrderNo), fault.ErrField, problem)
}

// wallet is the proof of an order for a wallet.
func wallet(same ...string) proof { return proof{has: []string{"result"}, same: same, local: true} }

var (
	jsapiPay       = declareChange("jsapi_pay", onMerchant, wallet(orderTerms...), noSecrets, documented)
	miniProgramPay = declareChange("mini_program_pay", onMerchant, wallet("mch_order_no"), secret("sub_openid"), documented)
	appPay         = declareChange("app_pay", onMerchant, wallet("mch_order_no"), secret("sub_openid"), documented)
	wapPay         = declareChange("wap_pay", onMerchant, wallet(orderTerms...), noSecrets, documented)
	webPay         = declareChange("web_pay", onMerchant, wallet(orderTerms...), noSecrets, documented)
)

// JSAPIPay calls jsapi_pay: it creates an order to be paid on a page inside the buyer's
// wallet. The answer has either what a page of your own needs
// ([WalletPayResponse.WeChatParams]) or the address of a page to send the buyer to
// ([WalletPayResponse.PageURL]); which of them isn't documented.
//
// As for every wallet: [Payments] tells whether it was paid, not what the wallet says. After
// an [ErrOutcomeUnknown] go on as after [Client.NativePay].
func (c *Client) JSAPIPay(ctx context.Context, req *JSAPIPayRequest) (*WalletPayResponse, error) {
	return do[WalletPayResponse](ctx, c, jsapiPay, req)
}

// MiniProgramPay calls mini_program_pay: it creates an order to be paid in a mini program.
// [WalletPayResponse.WeChatParams] has what one of WeChat wants,
// [WalletPayResponse.AlipayOrderString] what one of Alipay wants. See [Client.JSAPIPay].
func (c *Client) MiniProgramPay(ctx context.Context, req *MiniProgramPayRequest) (*WalletPayResponse, error) {
	return do[WalletPayResponse](ctx, c, miniProgramPay, req)
}

// AppPay calls app_pay: it creates an order to be paid from the merchant's own app.
// [WalletPayResponse.WeChatAppParams] has what WeChat's SDK wants,
// [WalletPayResponse.AlipayOrderString] what Alipay's wants. See [Client.JSAPIPay].
func (c *Client) AppPay(ctx context.Context, req *AppPayRequest) (*WalletPayResponse, error) {
	return do[WalletPayResponse](ctx, c, appPay, req)
}

// WapPay calls wap_pay: it creates an order to be paid with Alipay or Alipay+ in the browser
// of a phone. [WalletPayResponse.PageURL] has the page for the buyer. See [Client.JSAPIPay].
func (c *Client) WapPay(ctx context.Context, req *WapPayRequest) (*WalletPayResponse, error) {
	return do[WalletPayResponse](ctx, c, wapPay, req)
}

// WebPay calls web_pay: it is like [Client.WapPay], for the browser of a computer.
func (c *Client) WebPay(ctx context.Context, req *WebPayRequest) (*WalletPayResponse, error) {
	return do[WalletPayResponse](ctx, c, webPay, req)
}

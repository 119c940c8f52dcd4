package ksher

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Visibility shows or hides a part of the checkout page; the zero Visibility leaves it to
// Ksher.
type Visibility string

// Visibilities. The parameters are called hide_…, and yet 1 shows.
const (
	VisibilityShown  Visibility = "1"
	VisibilityHidden Visibility = "0"
)

// InstalTimes has the numbers of months on offer, such as {ChannelKTCInstal: {3, 4, 6}}.
type InstalTimes map[Channel][]int

// EncodeValues writes the JSON of the wire, for go-querystring.
func (t InstalTimes) EncodeValues(key string, v *url.Values) error {
	text, err := json.Marshal(map[Channel][]int(t))
	v.Set(key, string(text))
	return err
}

// GatewayPayRequest asks for a checkout page. What isn't marked as required may be left zero.
// For [Client.Resolve] it needs MchOrderNo, TotalFee and FeeType.
type GatewayPayRequest struct {
	MchOrderNo string `url:"mch_order_no"` // required, unique for the merchant, at most 32 characters, see [ErrDuplicate]
	// MchCode is an order code that the buyer sees. Ksher's examples use the order number
	// again. It is documented as required, and sent empty by clients.
	MchCode     string    `url:"mch_code"`
	TotalFee    Amount    `url:"total_fee"`          // required, in cents of FeeType, not below the minimum of at least one channel
	FeeType     string    `url:"fee_type"`           // required, an ISO 4217 code: THB, MYR, JPY and AED are documented
	ChannelList []Channel `url:"channel_list,comma"` // required, what the buyer may choose from; with a single one the page skips the chooser
	// ProductName is what the buyer reads, plain text. The characters + & / $ % upset some
	// wallets. It is documented as required, and sent empty by clients.
	ProductName        string `url:"product_name"`
	ReferURL           string `url:"refer_url"`                // required, the page the buyer comes from
	MchRedirectURL     string `url:"mch_redirect_url"`         // required, where the buyer goes after paying, which proves nothing
	MchRedirectURLFail string `url:"mch_redirect_url_fail"`    // required, where the buyer goes after failing or giving up
	MchNotifyURL       string `url:"mch_notify_url,omitempty"` // where the notification goes, see [Payments.Notifications]
	Device             string `url:"device,omitempty"`         // the layout, "PC" or "H5" for phones, by default that of the buyer's device
	Lang               string `url:"lang,omitempty"`           // the page's language: "en", which is the default, "th" or "cn"
	MemberID           string `url:"member_id,omitempty"`      // identifies the buyer and turns on saved cards: at most 32 characters, not digits only
	ExpireTime         int    `url:"expire_time,omitempty"`    // how many minutes the order can be paid
	Attach             string `url:"attach,omitempty"`         // returned as it is in queries and notifications
	OperatorID         string `url:"operator_id,omitempty"`    // the cashier or the like

	Logo         string     `url:"logo,omitempty"`          // the address of the merchant's logo
	ShopName     string     `url:"shop_name,omitempty"`     // the name over the page
	Color        string     `url:"color,omitempty"`         // the colour of the banner
	Background   string     `url:"background,omitempty"`    // the address of a picture for the banner
	PaymentColor string     `url:"payment_color,omitempty"` // the colour of the button
	KsherExplain string     `url:"ksher_explain,omitempty"` // the text at the foot of the page
	HideExplain  Visibility `url:"hide_explain,omitempty"`  // shows or hides the text at the foot
	HideExpTime  Visibility `url:"hide_exp_time,omitempty"` // shows or hides the time that is left to pay

	// InstalFeePayerMerchantChannelList has the channels of instalments whose fee the
	// merchant bears.
	InstalFeePayerMerchantChannelList []Channel   `url:"instal_fee_payer_merchant_channel_list,comma,omitempty"`
	ChannelInstalTimesList            InstalTimes `url:"channel_instal_times_list,omitempty"` // limits the numbers of months on offer
	InstalFeePayer                    string      `url:"instal_fee_payer,omitempty"`          // an older form of the first of these: "1" for the buyer, "2" for the merchant

	Extra `url:"-"`
}

// OpenOrder is the order that the request creates, as [Payments] needs it. Set its Created,
// and its Expires if ExpireTime is set, and keep it in your database before you send the
// request.
func (r *GatewayPayRequest) OpenOrder() OpenOrder {
	return newOpenOrder(HostGateway, r.MchOrderNo, r.TotalFee, r.FeeType)
}

func (r *GatewayPayRequest) sought(c *checker) { r.OpenOrder().sought(c) }

func (r *GatewayPayRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	return c.resolveCreated(ctx, r.OpenOrder())
}

func (r *GatewayPayRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *GatewayPayRequest) check(c *checker) {
	c.newOrder(r.MchOrderNo, r.TotalFee, r.FeeType)
	if len(r.ChannelList) == 0 {
		c.Problem("channel_list", "is required")
	}
	for _, channel := range r.ChannelList {
		c.channel("channel_list", channel)
	}
	if len(r.ChannelList) > 0 {
		c.offered(r.ChannelList, r.TotalFee, r.FeeType, r.Device)
	}
	c.requiredURL("refer_url", r.ReferURL)
	c.requiredURL("mch_redirect_url", r.MchRedirectURL)
	c.requiredURL("mch_redirect_url_fail", r.MchRedirectURLFail)
	c.httpURL("mch_notify_url", r.MchNotifyURL)
	c.oneOf("device", r.Device, "PC", "H5")
	c.lang(r.Lang)
	c.length("member_id", r.MemberID)
	if r.MemberID != "" && strings.Trim(r.MemberID, "0123456789") == "" {
		c.Problem("member_id", "has only digits")
	}
	c.minutes("expire_time", r.ExpireTime)
	c.oneOf("hide_explain", string(r.HideExplain), string(VisibilityShown), string(VisibilityHidden))
	c.oneOf("hide_exp_time", string(r.HideExpTime), string(VisibilityShown), string(VisibilityHidden))
	for _, channel := range r.InstalFeePayerMerchantChannelList {
		c.channel("instal_fee_payer_merchant_channel_list", channel)
	}
}

// offered checks that there is a channel left that the buyer can pay by.
func (c *checker) offered(channels []Channel, total Amount, feeType, device string) {
	cheapest := slices.MinFunc(channels, func(a, b Channel) int { return cmp.Compare(a.leastSent(), b.leastSent()) })
	if least := cheapest.leastSent(); feeType == "THB" && total > 0 && total < least {
		c.Problem("total_fee", "is %v THB, and %s takes at least %v THB", total, cheapest, least)
	}
	if device == "PC" && !slices.ContainsFunc(channels, func(channel Channel) bool { return !channel.facts().MobileOnly }) {
		c.Problem("device", "is PC, and each channel of channel_list works on phones only")
	}
}

// leastSent is the smallest amount in THB that is sent for a channel. The guide's 1 THB
// isn't enforced: a PromptPay code of 1 satang was made. Nor is its 3,000 THB, below
// which a plugin by others offers instalments.
func (c Channel) leastSent() Amount {
	if least := c.facts().GatewayPayMinimum; least == 20_00 {
		return least
	}
	return 0
}

func (c *checker) lang(l string) {
	c.oneOf("lang", l, "en", "th", "cn")
}

// GatewayPayResponse is the answer to [Client.GatewayPay].
type GatewayPayResponse struct {
	Answer `json:"-"`
	// PayContent is the address of the checkout page, to send the buyer to, such as
	// https://gateway.ksher.com/ua?order_uuid=…&lang=en.
	PayContent string `json:"pay_content"`
}

var gatewayPay = declareChange("gateway_pay", onGateway, proof{has: []string{"pay_content"}, web: "pay_content"}, noSecrets, documented)

// GatewayPay calls gateway_pay: it creates an order and returns the address of the checkout
// page where the buyer pays it. [Payments] tells whether that happened.
//
// After an [ErrOutcomeUnknown] the page may be lost with the answer: [Client.GatewayPage]
// gets the buyer one all the same, or see docs/doubt.md.
func (c *Client) GatewayPay(ctx context.Context, req *GatewayPayRequest) (*GatewayPayResponse, error) {
	return do[GatewayPayResponse](ctx, c, gatewayPay, req)
}

// GatewayOrderQueryRequest names an order made with [Client.GatewayPay].
type GatewayOrderQueryRequest struct {
	MchOrderNo string `url:"mch_order_no"` // required, the number given to GatewayPay

	Extra `url:"-"`
}

func (r *GatewayOrderQueryRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }
func (r *GatewayOrderQueryRequest) check(c *checker)                    { c.requiredNumber("mch_order_no", r.MchOrderNo) }

// GatewayOrderQueryResponse is the answer to [Client.GatewayOrderQuery].
type GatewayOrderQueryResponse struct {
	Answer `json:"-"`
	Order
}

var gatewayOrderQuery = declareQuery("gateway_order_query", onGateway, proof{order: true}, noSecrets)

// GatewayOrderQuery calls gateway_order_query: it asks where an order made with
// [Client.GatewayPay] stands. An order that nobody has paid on yet is [ResultNotSure]. A
// number that the gateway doesn't know is [ErrNotFound].
func (c *Client) GatewayOrderQuery(ctx context.Context, req *GatewayOrderQueryRequest) (*GatewayOrderQueryResponse, error) {
	return do[GatewayOrderQueryResponse](ctx, c, gatewayOrderQuery, req)
}

// CancelOrderRequest names an unpaid order made with [Client.GatewayPay]. For
// [Client.Resolve] it needs MchOrderNo.
type CancelOrderRequest struct {
	MchOrderNo string `url:"mch_order_no"`   // required, the number given to GatewayPay
	Lang       string `url:"lang,omitempty"` // the language of messages: "en", "th" or "cn"

	Extra `url:"-"`
}

func (r *CancelOrderRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *CancelOrderRequest) check(c *checker) {
	c.requiredNumber("mch_order_no", r.MchOrderNo)
	c.lang(r.Lang)
}

// CancelOrderResponse is the answer to [Client.CancelOrder]. Its fields are not documented.
type CancelOrderResponse struct {
	Answer     `json:"-"`
	AppID      string `json:"appid"`        // the merchant's app ID
	MchOrderNo string `json:"mch_order_no"` // the merchant's number of the order
	NonceStr   string `json:"nonce_str"`    // random
}

var cancelOrder = declareChange("cancel_order", onGateway, proof{}, noSecrets, documented)

// CancelOrder calls cancel_order: it closes the checkout page of an order that isn't paid
// yet. A card payment that waits for its OTP can't be cancelled ([CodeCancelError]).
//
// A cancelled order can still turn paid: a buyer who saved the QR code may pay with it
// afterwards. Keep it among your open orders, and refund it if need be.
func (c *Client) CancelOrder(ctx context.Context, req *CancelOrderRequest) (*CancelOrderResponse, error) {
	return do[CancelOrderResponse](ctx, c, cancelOrder, req)
}

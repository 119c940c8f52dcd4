package ksher

import (
	"context"
	"fmt"

	"github.com/ksher-go/ksher/internal/datauri"
	"github.com/ksher-go/ksher/internal/fault"
)

// NativePayRequest asks for a QR code. What isn't marked as required may be left zero.
// For [Client.Resolve] it needs MchOrderNo, TotalFee and FeeType.
type NativePayRequest struct {
	MchOrderNo   string  `url:"mch_order_no"`            // required, unique for the merchant, at most 32 characters
	TotalFee     Amount  `url:"total_fee"`               // required, in cents of FeeType; the guide has 1 THB as the minimum, the gateway took less
	FeeType      string  `url:"fee_type"`                // required, an ISO 4217 code
	Channel      Channel `url:"channel"`                 // required, whose QR code it is; docs/channels.md has those of the guide
	NotifyURL    string  `url:"notify_url,omitempty"`    // where the notification goes, see [Payments.Notifications]
	RedirectURL  string  `url:"redirect_url,omitempty"`  // where the buyer goes after paying, for channels with a page
	PaypageTitle string  `url:"paypage_title,omitempty"` // the title of such a page
	Product      string  `url:"product,omitempty"`       // what the buyer pays for, plain text
	Attach       string  `url:"attach,omitempty"`        // returned as it is in queries and notifications
	OperatorID   string  `url:"operator_id,omitempty"`   // the cashier or the like
	DeviceID     string  `url:"device_id,omitempty"`     // the kiosk or till
	ImgType      string  `url:"img_type,omitempty"`      // the format of the image, "png", which is the default, or "svg"
	// ExpireTime is how many minutes the code can be paid. Don't rely on it: the guide
	// says that it can't be set for PromptPay, Alipay, Alipay+ and WeChat Pay, whose times
	// docs/channels.md has; TrueMoney has TMNExpireTime. Close the order if it isn't to be
	// paid any more.
	ExpireTime int `url:"expire_time,omitempty"`
	// TMNExpireTime is how long a TrueMoney code can be paid, 1 day by default; likely in
	// minutes, not documented. 0 isn't sent; if it is to be, put it into Extra.
	TMNExpireTime int `url:"tmn_expire_time,omitempty"`

	Extra `url:"-"`
}

// OpenOrder is like [GatewayPayRequest.OpenOrder].
func (r *NativePayRequest) OpenOrder() OpenOrder {
	return newOpenOrder(HostMerchant, r.MchOrderNo, r.TotalFee, r.FeeType)
}

func (r *NativePayRequest) sought(c *checker) { r.OpenOrder().sought(c) }

func (r *NativePayRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	return c.resolveCreated(ctx, r.OpenOrder())
}

func (r *NativePayRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *NativePayRequest) check(c *checker) {
	c.newOrder(r.MchOrderNo, r.TotalFee, r.FeeType)
	c.channel("channel", r.Channel)
	c.httpURL("notify_url", r.NotifyURL)
	c.httpURL("redirect_url", r.RedirectURL)
	c.oneOf("img_type", r.ImgType, "png", "svg")
	c.minutes("expire_time", r.ExpireTime)
	c.minutes("tmn_expire_time", r.TMNExpireTime)
}

// NativePayResponse is the answer to [Client.NativePay].
type NativePayResponse struct {
	Answer       `json:"-"`
	AppID        string `json:"appid"`          // the merchant's app ID
	MchOrderNo   string `json:"mch_order_no"`   // the merchant's number of the order
	KsherOrderNo string `json:"ksher_order_no"` // Ksher's number of the order
	ImgDat       string `json:"imgdat"`         // the image as a data URI, which [NativePayResponse.Image] decodes
	CodeURL      string `json:"code_url"`       // what the QR code says, such as weixin://… or the EMVCo text of PromptPay
	PaymentCode  string `json:"PaymentCode"`    // the same text, for PromptPay only
	PaymentID    string `json:"PaymentID"`      // PromptPay's number of the payment
	TradeType    string `json:"trade_type"`     // "NATIVE"
	TotalFee     Amount `json:"total_fee"`      // what the buyer has to pay, in cents of FeeType
	FeeType      string `json:"fee_type"`       // the currency
	StallsName   string `json:"stalls_name"`    // Ksher's name of the shop
	DeviceID     string `json:"device_id"`      // the device_id of the request
	NonceStr     string `json:"nonce_str"`      // random
}

// Image returns the QR code's image and its media type, such as "image/png": the picture
// that a browser would show for ImgDat, or an [ErrBadAnswer]. Codes of WeChat Pay, Alipay
// and Alipay+ have to be scanned from the screen: the wallets refuse a saved picture.
func (r *NativePayResponse) Image() (image []byte, mediaType string, err error) {
	image, mediaType, err = datauri.Image(r.ImgDat)
	if err != nil {
		return nil, "", fmt.Errorf("ksher: native_pay of order %q: %w: imgdat: %w", clipText(r.MchOrderNo), fault.ErrField, err)
	}
	return image, mediaType, nil
}

var nativePay = declareChange("native_pay", onMerchant, proof{has: []string{"code_url|imgdat"}, same: orderTerms}, noSecrets, documented)

// NativePay calls native_pay: it creates an order and returns a QR code for the buyer to
// scan (C scan B). [Payments] tells whether it was paid.
//
// After an [ErrOutcomeUnknown], ask [Client.Resolve]. If the gateway doesn't know the order,
// repeat under the same number, which creates at most one order. If it does, the QR code is
// lost: close the order, keep watching it, and only then create one under a new number.
func (c *Client) NativePay(ctx context.Context, req *NativePayRequest) (*NativePayResponse, error) {
	return do[NativePayResponse](ctx, c, nativePay, req)
}

// OrderQueryRequest names a merchant-host order by at least one of its numbers.
type OrderQueryRequest struct {
	MchOrderNo     string  `url:"mch_order_no,omitempty"`     // the merchant's number, at most 32 characters
	KsherOrderNo   string  `url:"ksher_order_no,omitempty"`   // Ksher's number
	ChannelOrderNo string  `url:"channel_order_no,omitempty"` // the channel's number
	Channel        Channel `url:"channel,omitempty"`          // how the order is paid

	Extra `url:"-"`
}

func (r *OrderQueryRequest) numbers() (orderNo, refundNo string) {
	return firstNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo), ""
}

func (r *OrderQueryRequest) check(c *checker) {
	c.oneOrderNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
}

// firstNo is the first number that isn't empty.
func firstNo(numbers ...string) string {
	for _, n := range numbers {
		if n != "" {
			return n
		}
	}
	return ""
}

// OrderQueryResponse is the answer to [Client.OrderQuery].
type OrderQueryResponse struct {
	Answer `json:"-"`
	Order
	Operation      string `json:"operation"`                  // "ORDER-QUERY"
	OperatorID     string `json:"operator_id"`                // the operator_id of the order
	DeviceID       string `json:"device_id"`                  // the device_id of the order
	RawTotalFee    Amount `json:"raw_total_fee" wire:"loose"` // the amount before discounts, in cents; this reading is not documented
	ConsumerRemark string `json:"consumer_remark"`            // a remark by the buyer
	MerchantRemark string `json:"merchant_remark"`            // a remark by the merchant
}

var orderQuery = declareQuery("order_query", onMerchant, proof{order: true}, noSecrets)

// OrderQuery calls order_query: it asks where a merchant-host order stands. For an order
// made with [Client.GatewayPay] use [Client.GatewayOrderQuery]. A number that the host
// doesn't know is [ErrNotFound].
func (c *Client) OrderQuery(ctx context.Context, req *OrderQueryRequest) (*OrderQueryResponse, error) {
	return do[OrderQueryResponse](ctx, c, orderQuery, req)
}

// OrderCloseRequest names an unpaid merchant-host order by at least one of its numbers, which
// is also what [Client.Resolve] needs.
type OrderCloseRequest struct {
	MchOrderNo     string  `url:"mch_order_no,omitempty"`     // the merchant's number, at most 32 characters
	KsherOrderNo   string  `url:"ksher_order_no,omitempty"`   // Ksher's number
	ChannelOrderNo string  `url:"channel_order_no,omitempty"` // the channel's number
	Channel        Channel `url:"channel,omitempty"`          // how the order is paid
	OperatorID     string  `url:"operator_id,omitempty"`      // the cashier or the like

	Extra `url:"-"`
}

func (r *OrderCloseRequest) numbers() (orderNo, refundNo string) {
	return firstNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo), ""
}

func (r *OrderCloseRequest) check(c *checker) {
	c.oneOrderNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
}

// OrderCloseResponse is the answer to [Client.OrderClose].
type OrderCloseResponse struct {
	Answer     `json:"-"`
	AppID      string `json:"appid"`        // the merchant's app ID
	MchOrderNo string `json:"mch_order_no"` // the merchant's number of the order
	NonceStr   string `json:"nonce_str"`    // random
}

var orderClose = declareChange("order_close", onMerchant, proof{has: []string{"result"}, same: []string{"mch_order_no"}}, noSecrets, documented)

// OrderClose calls order_close: it closes a merchant-host order that isn't paid yet, so that
// the buyer no longer can. It is documented for airpay, wechat, alipay, alipayplus (Japan)
// and ktbcard; others are sent, and the gateway decides.
func (c *Client) OrderClose(ctx context.Context, req *OrderCloseRequest) (*OrderCloseResponse, error) {
	return do[OrderCloseResponse](ctx, c, orderClose, req)
}

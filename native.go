package ksher

import (
	"context"
	"fmt"

	"github.com/ksher-go/ksher/internal/datauri"
	"github.com/ksher-go/ksher/internal/fault"
)

// ImgType is a format of the QR code's image.
type ImgType string

// Formats of the QR code's image.
const (
	ImgTypePNG ImgType = "png" // ImgTypePNG is PNG.
	ImgTypeSVG ImgType = "svg" // ImgTypeSVG is SVG.
)

// NativePayRequest asks for a QR code. Every parameter of [Client.NativePay]
// that isn't marked as required may be left zero.
type NativePayRequest struct {
	// MchOrderNo is the merchant's number of the order: required, unique for
	// the merchant, at most 32 characters.
	MchOrderNo string `url:"mch_order_no"`
	// TotalFee is what the buyer has to pay, in cents of FeeType: required. The guide
	// has 1 THB as the minimum, and the gateway has taken less.
	TotalFee Amount `url:"total_fee"`
	// FeeType is the currency, an ISO 4217 code: required.
	FeeType string `url:"fee_type"`
	// Channel is whose QR code it is: required. The guide lists promptpay,
	// alipay, alipayplus, wechat, airpay, scb_qrcard and truemoney.
	Channel Channel `url:"channel"`
	// NotifyURL is where the notification goes; see [Payments.Notifications].
	NotifyURL string `url:"notify_url,omitempty"`
	// RedirectURL is where the buyer goes after paying, for channels with a page.
	RedirectURL string `url:"redirect_url,omitempty"`
	// PaypageTitle is the title of such a page.
	PaypageTitle string `url:"paypage_title,omitempty"`
	// Product is what the buyer pays for, plain text.
	Product string `url:"product,omitempty"`
	// Attach is returned as it is in queries and notifications.
	Attach string `url:"attach,omitempty"`
	// OperatorID names the cashier or the like.
	OperatorID string `url:"operator_id,omitempty"`
	// DeviceID names the kiosk or till.
	DeviceID string `url:"device_id,omitempty"`
	// ImgType is the format of the image, PNG by default.
	ImgType ImgType `url:"img_type,omitempty"`
	// ExpireTime is how many minutes the code can be paid. Don't rely on it: the guide
	// says that it can't be set for PromptPay, which never expires, Alipay (3 hours),
	// Alipay+ (10 minutes) and WeChat Pay (2 hours), although a till by others sends it;
	// TrueMoney has TMNExpireTime. Close the order if it isn't to be paid any more.
	ExpireTime int `url:"expire_time,omitempty"`
	// TMNExpireTime is how long a TrueMoney code can be paid, 1 day by default.
	// Its unit is not documented; minutes, as for ExpireTime, is likely.
	TMNExpireTime int `url:"tmn_expire_time,omitempty"`

	Extra `url:"-"`
}

// OpenOrder is the order in the merchant's books that the request makes, for
// [Payments]. Set its Created, and its Expires if it has a time to be paid.
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
	c.oneOf("img_type", string(r.ImgType), string(ImgTypePNG), string(ImgTypeSVG))
	c.minutes("expire_time", r.ExpireTime)
	c.minutes("tmn_expire_time", r.TMNExpireTime)
}

// NativePayResponse is the answer to [Client.NativePay].
type NativePayResponse struct {
	Answer `json:"-"`
	// AppID is the merchant's app ID.
	AppID string `json:"appid"`
	// MchOrderNo is the merchant's number of the order.
	MchOrderNo string `json:"mch_order_no"`
	// KsherOrderNo is Ksher's number of the order.
	KsherOrderNo string `json:"ksher_order_no"`
	// ImgDat is the image as a data URI; [NativePayResponse.Image] decodes it.
	ImgDat string `json:"imgdat"`
	// CodeURL is what the QR code says: an address such as weixin://…, or the
	// EMVCo text of a PromptPay code.
	CodeURL string `json:"code_url"`
	// PaymentCode is the same text, for PromptPay only.
	PaymentCode string `json:"PaymentCode"`
	// PaymentID is PromptPay's number of the payment.
	PaymentID string `json:"PaymentID"`
	// TradeType is "NATIVE".
	TradeType string `json:"trade_type"`
	// TotalFee is what the buyer has to pay, in cents of FeeType.
	TotalFee Amount `json:"total_fee"`
	// FeeType is the currency.
	FeeType string `json:"fee_type"`
	// StallsName is Ksher's name of the shop.
	StallsName string `json:"stalls_name"`
	// DeviceID is the device_id of the request.
	DeviceID string `json:"device_id"`
	// NonceStr is random.
	NonceStr string `json:"nonce_str"`
}

// Image returns the bytes of the QR code's image and its media type, such as
// "image/png": the picture that a browser would show for ImgDat. If it would show
// none, the error is an [ErrBadAnswer].
//
// Codes of WeChat Pay, Alipay and Alipay+ have to be scanned from the screen:
// the wallets refuse a saved picture.
func (r *NativePayResponse) Image() (image []byte, mediaType string, err error) {
	image, mediaType, err = datauri.Image(r.ImgDat)
	if err != nil {
		return nil, "", fmt.Errorf("ksher: native_pay of order %q: %w: imgdat: %w", clipText(r.MchOrderNo), fault.ErrField, err)
	}
	return image, mediaType, nil
}

var nativePay = declareChange("native_pay", onMerchant, proof{has: []string{"code_url|imgdat"}, same: orderTerms}, noSecrets, documented)

// NativePay calls native_pay: it creates an order and returns a QR code for the
// buyer to scan (C scan B). Whether it was paid is told by [Client.OrderQuery]
// and by notifications. A code for another mch_order_no, amount or currency is
// [ErrOtherOrder].
//
// After an [ErrOutcomeUnknown], ask [Client.Resolve]. If the gateway doesn't know
// the order, repeat under the same number, which creates at most one order. If it
// does, the QR code is lost: close the order, keep watching it, and only then
// create one under a new number.
func (c *Client) NativePay(ctx context.Context, req *NativePayRequest) (*NativePayResponse, error) {
	return do[NativePayResponse](ctx, c, nativePay, req)
}

// OrderQueryRequest names a merchant-host order by any one of its numbers.
type OrderQueryRequest struct {
	// MchOrderNo is the merchant's number, at most 32 characters. Of the three
	// numbers at least one is required.
	MchOrderNo string `url:"mch_order_no,omitempty"`
	// KsherOrderNo is Ksher's number.
	KsherOrderNo string `url:"ksher_order_no,omitempty"`
	// ChannelOrderNo is the channel's number.
	ChannelOrderNo string `url:"channel_order_no,omitempty"`
	// Channel is how the order is paid.
	Channel Channel `url:"channel,omitempty"`

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
	// Operation is "ORDER-QUERY".
	Operation string `json:"operation"`
	// OperatorID is the operator_id of the order.
	OperatorID string `json:"operator_id"`
	// DeviceID is the device_id of the order.
	DeviceID string `json:"device_id"`
	// RawTotalFee is the amount before discounts, in cents of FeeType. The
	// reading is not documented.
	RawTotalFee Amount `json:"raw_total_fee" wire:"loose"`
	// ConsumerRemark is a remark by the buyer.
	ConsumerRemark string `json:"consumer_remark"`
	// MerchantRemark is a remark by the merchant.
	MerchantRemark string `json:"merchant_remark"`
}

var orderQuery = declareQuery("order_query", onMerchant, proof{order: true}, noSecrets)

// OrderQuery calls order_query: it asks where a merchant-host order stands. For
// an order made with [Client.GatewayPay] use [Client.GatewayOrderQuery]. A
// number that the host doesn't know is an [*Error] with a code such as
// [CodeKsherInvalidOrderNo].
//
// It changes nothing and may be repeated at will. An answer about another
// mch_order_no than the one asked for is [ErrOtherOrder].
func (c *Client) OrderQuery(ctx context.Context, req *OrderQueryRequest) (*OrderQueryResponse, error) {
	return do[OrderQueryResponse](ctx, c, orderQuery, req)
}

// OrderCloseRequest names an unpaid merchant-host order by any one of its
// numbers.
type OrderCloseRequest struct {
	// MchOrderNo is the merchant's number, at most 32 characters. Of the three
	// numbers at least one is required.
	MchOrderNo string `url:"mch_order_no,omitempty"`
	// KsherOrderNo is Ksher's number.
	KsherOrderNo string `url:"ksher_order_no,omitempty"`
	// ChannelOrderNo is the channel's number.
	ChannelOrderNo string `url:"channel_order_no,omitempty"`
	// Channel is how the order is paid.
	Channel Channel `url:"channel,omitempty"`
	// OperatorID names the cashier or the like.
	OperatorID string `url:"operator_id,omitempty"`

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
	Answer `json:"-"`
	// AppID is the merchant's app ID.
	AppID string `json:"appid"`
	// MchOrderNo is the merchant's number of the order.
	MchOrderNo string `json:"mch_order_no"`
	// NonceStr is random.
	NonceStr string `json:"nonce_str"`
}

var orderClose = declareChange("order_close", onMerchant, proof{has: []string{"result"}, same: []string{"mch_order_no"}}, noSecrets, documented)

// OrderClose calls order_close: it closes a merchant-host order that isn't paid
// yet, so that the buyer no longer can. It is documented for the channels
// airpay, wechat, alipay, alipayplus (Japan) and ktbcard; others are sent, and
// the gateway decides. An answer about another mch_order_no is [ErrOtherOrder].
func (c *Client) OrderClose(ctx context.Context, req *OrderCloseRequest) (*OrderCloseResponse, error) {
	return do[OrderCloseResponse](ctx, c, orderClose, req)
}

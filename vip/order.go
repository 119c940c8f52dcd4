package vip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/check"
	"github.com/ksher-go/ksher/internal/datauri"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
)

// CreateRequest is a request for [Client.Create]: a [*RedirectRequest],
// [*CScanBRequest], [*BScanCRequest], [*MiniAppRequest] or [*AppRequest].
type CreateRequest interface {
	orderRequest
	kind() Kind
	total() ksher.Amount
	// missing names the field that makes an answer worth nothing without it.
	missing(*Order) string
}

// orderRequest is a request about an order.
type orderRequest interface {
	request
	mid() string
}

// RedirectRequest asks for a checkout page. What isn't marked as required may be
// left zero. The fields from Logo on are those of gateway_pay at api.ksher.net, whose
// page this one is said to be.
type RedirectRequest struct {
	// MerchantOrderID is the merchant's number of the order: required, unique for
	// the merchant. Nothing is documented about its form: it becomes part of an
	// address, so it can't have one of / \ ? # % in it, it can't be "False", which in
	// an answer means that there is none, and 128 bytes are the limit of this
	// package.
	MerchantOrderID string `url:"merchant_order_id"`
	// Amount is what the buyer has to pay, in cents: required, at least 1. The
	// currency is that of the account and the Provider.
	Amount ksher.Amount `url:"amount"`
	// Note is a remark on the order.
	Note string `url:"note,omitempty"`
	// MID is the sub-merchant, such as "mch35618", with or without "mch" in front. An
	// answer that names another one isn't believed. That it names the one that was asked
	// for is not documented, so one that names none is.
	MID string `url:"mid,omitempty"`
	// Provider is the country: "th", "ph" or "my". The list isn't taken for complete,
	// so another one is sent, and left to the gateway to refuse.
	Provider string `url:"provider,omitempty"`

	// RedirectURL is where the buyer goes after paying: required. That the buyer
	// comes there proves nothing.
	RedirectURL string `url:"redirect_url"`
	// RedirectURLFail is where the buyer goes after failing or giving up: required.
	RedirectURLFail string `url:"redirect_url_fail"`
	// Channel has the channels that the buyer may choose from, without any all of
	// the account's. With a single one there is no page to choose on.
	Channel []string `url:"channel,comma,omitempty"`
	// ProductName is what the buyer reads, plain text.
	ProductName string `url:"product_name,omitempty"`

	// Logo is the address of the merchant's logo.
	Logo string `url:"logo,omitempty"`
	// ShopName is the name over the page.
	ShopName string `url:"shop_name,omitempty"`
	// Color is the colour of the banner.
	Color string `url:"color,omitempty"`
	// Background is the address of a picture for the banner.
	Background string `url:"background,omitempty"`
	// PaymentColor is the colour of the button.
	PaymentColor string `url:"payment_color,omitempty"`
	// Lang is the page's language: "en", "th" or "cn".
	Lang string `url:"lang,omitempty"`

	ksher.Extra `url:"-"`
}

func (r *RedirectRequest) extra() ksher.Extra                  { return r.Extra }
func (r *RedirectRequest) numbers() (orderID, refundID string) { return r.MerchantOrderID, "" }
func (r *RedirectRequest) mid() string                         { return r.MID }
func (r *RedirectRequest) kind() Kind                          { return KindRedirect }
func (r *RedirectRequest) total() ksher.Amount                 { return r.Amount }

func (r *RedirectRequest) check(c *checker) {
	c.orderID(r.MerchantOrderID)
	c.amount("amount", r.Amount)
	c.requiredURL("redirect_url", r.RedirectURL)
	c.requiredURL("redirect_url_fail", r.RedirectURLFail)
	for _, channel := range r.Channel {
		c.channel("channel", channel)
	}
}

func (r *RedirectRequest) missing(o *Order) string { return missingText("reference", o.Reference) }

func missingText(name, value string) string {
	if value == "" {
		return name
	}
	return ""
}

// CScanBRequest asks for a QR code that the buyer scans. What isn't marked as
// required may be left zero.
type CScanBRequest struct {
	// MerchantOrderID is as in a [RedirectRequest].
	MerchantOrderID string `url:"merchant_order_id"`
	// Amount is what the buyer has to pay, in cents: required, at least 1.
	Amount ksher.Amount `url:"amount"`
	// Note is a remark on the order.
	Note string `url:"note,omitempty"`
	// MID is the sub-merchant, as in a [RedirectRequest].
	MID string `url:"mid,omitempty"`
	// Provider is the country, as in a [RedirectRequest].
	Provider string `url:"provider,omitempty"`

	// Channel is whose QR code it is, such as "promptpay": required.
	Channel string `url:"channel"`
	// OperatorID names the cashier.
	OperatorID string `url:"operator_id,omitempty"`

	ksher.Extra `url:"-"`
}

func (r *CScanBRequest) extra() ksher.Extra                  { return r.Extra }
func (r *CScanBRequest) numbers() (orderID, refundID string) { return r.MerchantOrderID, "" }
func (r *CScanBRequest) mid() string                         { return r.MID }
func (r *CScanBRequest) kind() Kind                          { return KindCScanB }
func (r *CScanBRequest) total() ksher.Amount                 { return r.Amount }

func (r *CScanBRequest) check(c *checker) {
	c.orderID(r.MerchantOrderID)
	c.amount("amount", r.Amount)
	c.channel("channel", r.Channel)
}

func (r *CScanBRequest) missing(o *Order) string { return missingText("reserved1", o.Reserved1) }

// BScanCRequest charges the code that a buyer shows. What isn't marked as required
// may be left zero.
type BScanCRequest struct {
	// MerchantOrderID is as in a [RedirectRequest].
	MerchantOrderID string `url:"merchant_order_id"`
	// Amount is what the buyer has to pay, in cents: required, at least 1.
	Amount ksher.Amount `url:"amount"`
	// Note is a remark on the order.
	Note string `url:"note,omitempty"`
	// MID is the sub-merchant, as in a [RedirectRequest].
	MID string `url:"mid,omitempty"`
	// Provider is the country, as in a [RedirectRequest].
	Provider string `url:"provider,omitempty"`

	// Channel is the wallet, such as "truemoney": required.
	Channel string `url:"channel"`
	// AuthCode is what the scanner read: required. It is money.
	AuthCode ksher.Secret `url:"auth_code"`
	// DeviceID names the till.
	DeviceID string `url:"device_id,omitempty"`
	// OperatorID names the cashier.
	OperatorID string `url:"operator_id,omitempty"`

	ksher.Extra `url:"-"`
}

func (r *BScanCRequest) extra() ksher.Extra                  { return r.Extra }
func (r *BScanCRequest) numbers() (orderID, refundID string) { return r.MerchantOrderID, "" }
func (r *BScanCRequest) mid() string                         { return r.MID }
func (r *BScanCRequest) kind() Kind                          { return KindBScanC }
func (r *BScanCRequest) total() ksher.Amount                 { return r.Amount }

func (r *BScanCRequest) check(c *checker) {
	c.orderID(r.MerchantOrderID)
	c.amount("amount", r.Amount)
	c.channel("channel", r.Channel)
	c.Required("auth_code", r.AuthCode.Reveal())
}

func (r *BScanCRequest) missing(*Order) string { return "" }

// MiniAppRequest asks for what a WeChat or Alipay mini program needs to let the
// buyer pay. What isn't marked as required may be left zero.
type MiniAppRequest struct {
	// MerchantOrderID is as in a [RedirectRequest].
	MerchantOrderID string `url:"merchant_order_id"`
	// Amount is what the buyer has to pay, in cents: required, at least 1.
	Amount ksher.Amount `url:"amount"`
	// Note is a remark on the order.
	Note string `url:"note,omitempty"`
	// MID is the sub-merchant, as in a [RedirectRequest].
	MID string `url:"mid,omitempty"`
	// Provider is the country, as in a [RedirectRequest].
	Provider string `url:"provider,omitempty"`

	// Channel is "wechat" or "alipay". The list isn't taken for complete, so another
	// one is sent, and left to the gateway to refuse.
	Channel string `url:"channel,omitempty"`
	// MiniAppOpenID identifies the buyer in the mini program: required, but for
	// "alipay". It is personal data.
	MiniAppOpenID string `url:"miniapp_openid,omitempty"`
	// MiniAppAppID is the mini program's own app ID: required, but for "alipay".
	MiniAppAppID string `url:"miniapp_appid,omitempty"`

	ksher.Extra `url:"-"`
}

func (r *MiniAppRequest) extra() ksher.Extra                  { return r.Extra }
func (r *MiniAppRequest) numbers() (orderID, refundID string) { return r.MerchantOrderID, "" }
func (r *MiniAppRequest) mid() string                         { return r.MID }
func (r *MiniAppRequest) kind() Kind                          { return KindMiniApp }
func (r *MiniAppRequest) total() ksher.Amount                 { return r.Amount }

func (r *MiniAppRequest) check(c *checker) {
	c.orderID(r.MerchantOrderID)
	c.amount("amount", r.Amount)
	if r.Channel != "" {
		c.channel("channel", r.Channel)
	}
	if r.Channel != "alipay" {
		c.Required("miniapp_openid", r.MiniAppOpenID)
		c.Required("miniapp_appid", r.MiniAppAppID)
	}
}

func (r *MiniAppRequest) missing(o *Order) string { return missingText("reference", o.Reference) }

// AppRequest asks for what an app on a phone needs to let the buyer pay. What isn't
// marked as required may be left zero.
type AppRequest struct {
	// MerchantOrderID is as in a [RedirectRequest].
	MerchantOrderID string `url:"merchant_order_id"`
	// Amount is what the buyer has to pay, in cents: required, at least 1.
	Amount ksher.Amount `url:"amount"`
	// Note is a remark on the order.
	Note string `url:"note,omitempty"`
	// MID is the sub-merchant, as in a [RedirectRequest].
	MID string `url:"mid,omitempty"`
	// Provider is the country, as in a [RedirectRequest].
	Provider string `url:"provider,omitempty"`

	// Channel is the wallet, as in a [MiniAppRequest].
	Channel string `url:"channel,omitempty"`
	// MiniAppOpenID identifies the buyer at the wallet. It is personal data.
	MiniAppOpenID string `url:"miniapp_openid,omitempty"`
	// MiniAppAppID is the app's own ID at the wallet.
	MiniAppAppID string `url:"miniapp_appid,omitempty"`

	ksher.Extra `url:"-"`
}

func (r *AppRequest) extra() ksher.Extra                  { return r.Extra }
func (r *AppRequest) numbers() (orderID, refundID string) { return r.MerchantOrderID, "" }
func (r *AppRequest) mid() string                         { return r.MID }
func (r *AppRequest) kind() Kind                          { return KindApp }
func (r *AppRequest) total() ksher.Amount                 { return r.Amount }

func (r *AppRequest) check(c *checker) {
	c.orderID(r.MerchantOrderID)
	c.amount("amount", r.Amount)
	if r.Channel != "" {
		c.channel("channel", r.Channel)
	}
}

func (r *AppRequest) missing(o *Order) string { return missingText("reference", o.Reference) }

// Order is what the gateway says about an order. What doesn't apply is empty or
// zero; that is how the gateway's "False" is read, too.
type Order struct {
	// Kind is the kind that it was created or asked for as. It isn't part of the
	// answer.
	Kind Kind `json:"-"`

	// ID is the gateway's own number of the record.
	ID string `json:"id"`
	// MerchantOrderID is the merchant's number of the order. In the answer to a
	// refund it may be that of the refund: this is not documented.
	MerchantOrderID string `json:"merchant_order_id"`
	// GatewayOrderID is the gateway's number of the order.
	GatewayOrderID string `json:"gateway_order_id"`
	// Acquirer is who takes the payment.
	Acquirer string `json:"acquirer"`
	// AcquirerOrderID is the acquirer's number of the payment.
	AcquirerOrderID string `json:"acquirer_order_id"`
	// Channel is how the buyer paid, or chose to.
	Channel string `json:"channel"`
	// ChannelOrderID is the channel's number of the payment.
	ChannelOrderID string `json:"channel_order_id"`
	// Status is where the order stands.
	Status Status `json:"status"`
	// ErrorCode is how the request went. It isn't the status of the order.
	ErrorCode Code `json:"error_code"`
	// ErrorMessage says so in words.
	ErrorMessage string `json:"error_message"`
	// Amount is what the order costs, in cents of Currency. Of a refund it is
	// negative.
	Amount ksher.Amount `json:"amount"`
	// Currency is an ISO 4217 code such as "THB".
	Currency string `json:"currency"`
	// OrderType is "Sale" or "Refund".
	OrderType string `json:"order_type"`
	// OrderDate is when the order was made, read in the client's zone. It is zero
	// if the gateway gave none, or one in another form than "2021-07-20
	// 11:12:34.361921". Which zone it is written in is not documented: see
	// [WithLocation].
	OrderDate time.Time `json:"order_date"`
	// Reference is the address of the checkout page, or what a mini program or an
	// app needs: WeChat's package, or Alipay's order text.
	Reference string `json:"reference"`
	// Note is the note of the request.
	Note string `json:"note"`
	// APIName is the gateway's name of the API: "Redirect", "CscanB", "BscanC" or
	// "miniAPP". That of [KindApp] is not documented.
	APIName string `json:"api_name"`
	// MID is the sub-merchant, as it was written, which may be without "mch" in front.
	MID string `json:"mid"`
	// Timestamp is that of the request.
	Timestamp string `json:"timestamp"`
	// Reserved1 is the QR code's picture of a [CScanBRequest]; see [Order.Image].
	// Of a [MiniAppRequest] it is WeChat's timeStamp; see [Order.WeChatPayment].
	Reserved1 string `json:"reserved1"`
	// Reserved2 has something else for each kind.
	Reserved2 string `json:"reserved2"`
	// Reserved3 tells, of a [BScanCRequest] that failed, why.
	Reserved3 string `json:"reserved3"`
	// Reserved4 has something else for each kind.
	Reserved4 string `json:"reserved4"`
	// Cleared is not documented. It seems to be about the settlement.
	Cleared bool `json:"cleared"`
	// ForceClear is not documented.
	ForceClear bool `json:"force_clear"`
	// Locked is not documented.
	Locked bool `json:"locked"`
	// LogEntryURL is the record of the request at Ksher, to name to Ksher's
	// support. It isn't signed.
	LogEntryURL string `json:"log_entry_url"`
}

// CheckPaid compares an order with what the merchant expects: it returns nil only
// if this is the order of that number, of exactly that amount in cents of that
// currency, and it is paid for certain: the status is [StatusPaid], the error_code
// [CodeSuccess], and it isn't about a refund. Call it before handing anything out. The
// error is an [ksher.ErrOtherOrder] or an [ksher.ErrNotPaid], and without an order an
// [ksher.ErrBadAnswer].
func (o *Order) CheckPaid(merchantOrderID string, amount ksher.Amount, currency string) error {
	if o == nil {
		return fmt.Errorf("vip: order %q: %w: there is no order to check", transport.Clip(merchantOrderID), fault.ErrField)
	}
	if o.MerchantOrderID != merchantOrderID || o.Amount != amount || o.Currency != currency {
		return fmt.Errorf("vip: %w: the gateway speaks of order %q over %d cents of %q, expected was order %q over %d cents of %q",
			fault.ErrOtherOrder, transport.Clip(o.MerchantOrderID), o.Amount, transport.Clip(o.Currency), transport.Clip(merchantOrderID), amount, transport.Clip(currency))
	}
	if !o.Status.Paid() || o.ErrorCode != CodeSuccess || o.OrderType != "" && o.OrderType != "Sale" {
		return fmt.Errorf("vip: order %q: %w: its status is %q, its error_code %q, its order_type %q", transport.Clip(o.MerchantOrderID),
			fault.ErrNotPaid, transport.Clip(string(o.Status)), transport.Clip(string(o.ErrorCode)), transport.Clip(o.OrderType))
	}
	return nil
}

// Image returns the bytes of the QR code's picture and its media type, such as
// "image/png": the picture that a browser would show for Reserved1. If it would show
// none, the error is an [ksher.ErrBadAnswer].
func (o *Order) Image() (image []byte, mediaType string, err error) {
	image, mediaType, err = datauri.Image(o.Reserved1)
	if err != nil {
		return nil, "", fmt.Errorf("vip: order %q: %w: reserved1: %w", transport.Clip(o.MerchantOrderID), fault.ErrField, err)
	}
	return image, mediaType, nil
}

// WeChatPayment has the parameters of wx.requestPayment, which a WeChat mini program
// lets the buyer pay with.
type WeChatPayment struct {
	// TimeStamp is in seconds since 1970, as text.
	TimeStamp string `json:"timeStamp"`
	// NonceStr is random.
	NonceStr string `json:"nonceStr"`
	// Package names the payment, as in "prepay_id=…".
	Package string `json:"package"`
	// SignType is how PaySign was made: "MD5", "HMAC-SHA256" or "RSA".
	SignType string `json:"signType"`
	// PaySign is WeChat's signature of the payment.
	PaySign string `json:"paySign"`
}

// WeChatPayment takes the parameters of wx.requestPayment out of the answer to a
// [MiniAppRequest]. It is an [ksher.ErrBadAnswer] if they aren't where they are assumed to be.
func (o *Order) WeChatPayment() (*WeChatPayment, error) {
	p := &WeChatPayment{TimeStamp: o.Reserved1, NonceStr: o.Reserved2, Package: o.Reference, SignType: o.Reserved3, PaySign: o.Reserved4}
	if strings.Trim(p.TimeStamp, "0123456789") != "" || slices.Contains([]string{p.TimeStamp, p.NonceStr, p.Package, p.PaySign}, "") ||
		!slices.Contains([]string{"MD5", "HMAC-SHA256", "RSA"}, p.SignType) {
		return nil, fmt.Errorf("vip: order %q: %w: reference and reserved1 to reserved4 are not WeChat's parameters", transport.Clip(o.MerchantOrderID), fault.ErrField)
	}
	return p, nil
}

// orders is the address of a kind's orders.
func (k Kind) orders() string { return "/api/v1/" + string(k) + "/orders" }

// order makes a call about an order and reads the order in its answer. accept says
// what is wrong with that.
func (c *Client) order(ctx context.Context, kind Kind, verb, method string, req orderRequest, accept func(*reply, *Order) *Error) (*Order, error) {
	name, path := transport.Clip(string(kind))+" "+verb, kind.orders()
	if err := c.usable(ctx, name, req); err != nil {
		return nil, err
	}
	if !slices.Contains(kinds(), kind) {
		return nil, notSent(name, "kind", "is not one of this package")
	}
	id, _ := req.numbers()
	if method != http.MethodPost {
		path += "/" + id
	}
	var order *Order
	op := newOperation(name, method, path, nil, false, func(r *reply) *Error {
		order = &Order{Kind: kind}
		if (r.code == CodeFail || r.code == CodeUnknown) && !(method == http.MethodGet && r.ended(id)) {
			return r.refused(kind, method, req)
		}
		if err := c.decode(r.members, order); err != nil {
			return r.doubtful(err)
		}
		return accept(r, order)
	})
	if _, err := c.call(ctx, op, req); err != nil {
		return nil, err
	}
	return order, nil
}

// ended tells whether a FAIL is about how an order went instead of about the query: the
// answer names the order, and a status in which nobody has paid.
func (r *reply) ended(id string) bool {
	switch status := Status(textOf(r.members, "status")); status {
	case "", nothing, StatusPaid, StatusRefunded:
		return false
	}
	return r.code == CodeFail && textOf(r.members, "merchant_order_id") == id
}

// badCode is the only reason of a refusal that is documented.
const badCode = "invalid_payment_code"

// refused makes an error of an answer with FAIL or UNKNOWN.
func (r *reply) refused(kind Kind, method string, req orderRequest) *Error {
	reason := ""
	if kind == KindBScanC {
		reason = strings.TrimPrefix(r.said("reserved3"), nothing)
	}
	failure := r.refusal()
	failure.state.Unknown = r.code == CodeUnknown
	status := Status(r.text("status"))
	switch other := r.contradicts(req); {
	case other != nil && method != http.MethodGet:
		failure = other
	case happened(method, status):
		failure = r.doubtful(fmt.Errorf("the status is %s all the same", status))
	case method == http.MethodPut && r.text("order_type") == typeRefund:
		failure = r.doubtful(errRefund)
	case method == http.MethodPost && r.code == CodeFail && reason != badCode:
		failure = r.doubtful(errEarlier)
	}
	failure.Reason = reason
	return failure
}

// happened tells whether the status contradicts a refusal: the refund, the cancellation
// or the payment that is refused shows in it.
func happened(method string, status Status) bool {
	switch method {
	case http.MethodPut: // A refund that is refused may well show a paid order.
		return status == StatusRefunded
	case http.MethodDelete: // So may a cancellation.
		return status == StatusClosed
	}
	return status == StatusPaid || status == StatusRefunded
}

// sameOrder says that an answer is about something else than asked for. An answer to a
// refund may have the refund's number in place of the order's.
func (r *reply) sameOrder(o *Order, req orderRequest) *Error {
	id, _ := req.numbers()
	if o.MerchantOrderID == "" {
		return r.doubtful(fmt.Errorf("%w: merchant_order_id is missing, %q was asked for", fault.ErrOtherOrder, transport.Clip(id)))
	}
	return r.contradicts(req)
}

// contradicts says that what an answer names is something else than asked for. What it
// doesn't name is none other.
func (r *reply) contradicts(req orderRequest) *Error {
	id, refundID := req.numbers()
	other := func(name, got, want string) *Error {
		return r.doubtful(fmt.Errorf("%w: %s is %q, not %q", fault.ErrOtherOrder, name, transport.Clip(got), transport.Clip(want)))
	}
	if got := r.text("merchant_order_id"); got != "" && got != id && got != refundID {
		return other("merchant_order_id", got, id)
	}
	if got := r.text("refund_order_id"); got != "" && refundID != "" && got != refundID {
		return other("refund_order_id", got, refundID)
	}
	if got, mid := r.text("mid"), req.mid(); got != "" && mid != "" && wholeMID(got) != wholeMID(mid) {
		return other("mid", got, mid)
	}
	return nil
}

// wholeMID is a sub-merchant in the one form of the two that Ksher takes, "" for none.
func wholeMID(mid string) string {
	if mid == "" {
		return ""
	}
	const front = "mch"
	return front + strings.TrimPrefix(mid, front)
}

// sameAmount says that an answer is about another amount.
func (r *reply) sameAmount(o *Order, amount ksher.Amount) *Error {
	if o.Amount != amount {
		return r.doubtful(fmt.Errorf("%w: amount is %d cents, not %d", fault.ErrOtherOrder, o.Amount, amount))
	}
	return nil
}

var (
	errUndecided = errors.New("the gateway did not say that it is done")
	errNotStatus = errors.New("the status doesn't say that it is done")
	errEarlier   = errors.New("an earlier create under the same number may be the cause")
	errOver      = errors.New("the status says that the order is over")
	errSale      = errors.New("the order_type isn't Refund")
	errRefund    = errors.New("the order_type is Refund")
	errNotPaid   = errors.New("the status says that there was nothing to refund")
)

// typeRefund is the order_type of a refund.
const typeRefund = "Refund"

// Create creates an order. After a [*CScanBRequest] [Order.Image] is the QR code, after any
// other but a [*BScanCRequest] Reference is the page or what the wallet needs. A
// BScanCRequest charges the buyer and succeeds only if the order is paid: [CodeFail] with the
// Reason "invalid_payment_code" means that the code can't be charged.
//
// [CodePending] after a BScanCRequest, any other [CodeFail] and [ksher.ErrOtherOrder] are each
// a [ksher.ErrOutcomeUnknown] as well: the order may be there, and paid. Ask [Client.Query],
// and don't use a new number before the outcome is known. See docs/vip.md.
func (c *Client) Create(ctx context.Context, req CreateRequest) (*Order, error) {
	if err := c.usable(ctx, "create", req); err != nil {
		return nil, err
	}
	kind := req.kind()
	return c.order(ctx, kind, "create", http.MethodPost, req, func(r *reply, o *Order) *Error {
		switch {
		case r.code != CodeSuccess && (r.code != CodePending || kind == KindBScanC):
			return r.doubtful(errUndecided)
		case kind == KindBScanC && o.Status != StatusPaid:
			return r.doubtful(errNotStatus)
		case o.Status.Final() && o.Status != StatusPaid:
			return r.doubtful(errOver)
		case o.OrderType == typeRefund:
			return r.doubtful(errRefund)
		}
		if failure := cmp.Or(r.sameOrder(o, req), r.sameAmount(o, req.total())); failure != nil {
			return failure
		}
		if name := req.missing(o); name != "" {
			return r.doubtful(fmt.Errorf("%w: %s is missing", fault.ErrField, name))
		}
		if kind == KindRedirect && !c.isPage(o.Reference) {
			return r.doubtful(fmt.Errorf("%w: reference is not an absolute https address", fault.ErrField))
		}
		return nil
	})
}

// isPage tells whether a browser can be sent to an address: one that is as safe as the
// client's own.
func (c *Client) isPage(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Hostname() != "" && (u.Scheme == "https" || u.Scheme == "http" && !c.secure)
}

// QueryRequest names an order.
type QueryRequest struct {
	// MerchantOrderID is the merchant's number of the order: required. It is part
	// of the address.
	MerchantOrderID string `url:"-"`
	// MID is the sub-merchant, if the order is one's, as in a [RedirectRequest].
	MID string `url:"mid,omitempty"`
	// Provider is the country of the order, as in a [RedirectRequest].
	Provider string `url:"provider,omitempty"`

	ksher.Extra `url:"-"`
}

func (r *QueryRequest) extra() ksher.Extra                  { return r.Extra }
func (r *QueryRequest) numbers() (orderID, refundID string) { return r.MerchantOrderID, "" }
func (r *QueryRequest) mid() string                         { return r.MID }
func (r *QueryRequest) check(c *checker)                    { c.orderID(r.MerchantOrderID) }

// Query asks where an order stands. Compare the answer with [Order.CheckPaid]. It changes
// nothing and may be repeated at will.
//
// An order that the gateway doesn't know is [ksher.ErrNotFound], [CodeFail] or
// [CodeUnknown]; a plain [ksher.ErrBadAnswer] isn't the gateway's word on it. An answer
// about another order or mid is [ksher.ErrOtherOrder]. An answer with [CodeFail] is returned
// as an order only if it names the order and shows it unpaid.
func (c *Client) Query(ctx context.Context, kind Kind, req *QueryRequest) (*Order, error) {
	return c.order(ctx, kind, "query", http.MethodGet, req, func(r *reply, o *Order) *Error {
		switch {
		case o.Status != "":
		case r.code == CodeSuccess || r.code == CodePending || r.code == CodeRefunded:
			return r.doubtful(fmt.Errorf("%w: status is missing", fault.ErrField))
		default:
			return r.refusal()
		}
		return r.sameOrder(o, req)
	})
}

// RefundRequest asks for a refund.
type RefundRequest struct {
	// MerchantOrderID is the merchant's number of the order: required. It is part
	// of the address.
	MerchantOrderID string `url:"-"`
	// RefundOrderID is the merchant's number of the refund: required, unique for
	// the merchant.
	RefundOrderID string `url:"refund_order_id"`
	// RefundAmount is what to refund, in cents: required, at least 1 and at most
	// what the order cost.
	RefundAmount ksher.Amount `url:"refund_amount"`
	// MID is the sub-merchant, if the order is one's, as in a [RedirectRequest].
	MID string `url:"mid,omitempty"`
	// Provider is the country of the order, as in a [RedirectRequest].
	Provider string `url:"provider,omitempty"`

	ksher.Extra `url:"-"`
}

func (r *RefundRequest) extra() ksher.Extra { return r.Extra }
func (r *RefundRequest) numbers() (orderID, refundID string) {
	return r.MerchantOrderID, r.RefundOrderID
}
func (r *RefundRequest) mid() string { return r.MID }

func (r *RefundRequest) check(c *checker) {
	c.orderID(r.MerchantOrderID)
	switch {
	case strings.TrimSpace(r.RefundOrderID) == "":
		c.Refuse("refund_order_id", "is required")
	case check.Padded(r.RefundOrderID):
		c.Refuse("refund_order_id", "has white space at an end, by which it may not be found again")
	}
	c.amount("refund_amount", r.RefundAmount)
}

// Refund pays an order back, or part of it, at once. The answer describes the refund, with
// a negative Amount. It succeeds only with [CodeRefunded], for the amount and the number
// that were asked for. A refusal is about this request alone: an earlier one of the same
// number may have been carried out.
//
// After an [ksher.ErrOutcomeUnknown] don't send it again before you know: ask [Client.Query],
// where [StatusRefunded] means that the order's first refund was carried out, or look into
// [Client.Transactions]. See docs/vip.md.
func (c *Client) Refund(ctx context.Context, kind Kind, req *RefundRequest) (*Order, error) {
	return c.order(ctx, kind, "refund", http.MethodPut, req, func(r *reply, o *Order) *Error {
		switch {
		case r.code != CodeRefunded:
			return r.doubtful(errUndecided)
		case o.OrderType != "" && o.OrderType != typeRefund:
			return r.doubtful(errSale)
		case o.Status == StatusAvailable || o.Status == StatusClosed:
			return r.doubtful(errNotPaid)
		}
		return cmp.Or(r.sameOrder(o, req), r.sameAmount(o, -req.RefundAmount))
	})
}

// CancelRequest names an order that isn't paid yet.
type CancelRequest struct {
	// MerchantOrderID is the merchant's number of the order: required. It is part
	// of the address.
	MerchantOrderID string `url:"-"`
	// MID is the sub-merchant, if the order is one's, as in a [RedirectRequest].
	MID string `url:"mid,omitempty"`
	// Provider is the country of the order, as in a [RedirectRequest].
	Provider string `url:"provider,omitempty"`

	ksher.Extra `url:"-"`
}

func (r *CancelRequest) extra() ksher.Extra                  { return r.Extra }
func (r *CancelRequest) numbers() (orderID, refundID string) { return r.MerchantOrderID, "" }
func (r *CancelRequest) mid() string                         { return r.MID }
func (r *CancelRequest) check(c *checker)                    { c.orderID(r.MerchantOrderID) }

// Cancel closes an order that isn't paid yet. It succeeds only if the answer says that the
// order is closed. A buyer who has saved a QR code may be able to pay it all the same, so
// keep watching the order.
//
// After an [ksher.ErrOutcomeUnknown] ask [Client.Query]: with [StatusClosed] it was
// cancelled, with [StatusAvailable] it wasn't and may be again, and with [StatusPaid] it
// was too late.
func (c *Client) Cancel(ctx context.Context, kind Kind, req *CancelRequest) (*Order, error) {
	return c.order(ctx, kind, "cancel", http.MethodDelete, req, func(r *reply, o *Order) *Error {
		switch {
		case r.code == CodePending || r.code == CodeRefunded:
			return r.doubtful(errUndecided)
		case o.Status != StatusClosed:
			return r.doubtful(errNotStatus)
		case o.OrderType == typeRefund:
			return r.doubtful(errRefund)
		}
		return r.sameOrder(o, req)
	})
}

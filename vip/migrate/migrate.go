// Package migrate turns the requests and statuses of package vip into those of
// package ksher, so that a shop can move from vip.ksher.net to api.ksher.net without
// being written anew: it goes on making its vip requests, and a switch decides where
// they go.
//
//	shop := migrate.Shop{FeeType: "THB", NotifyURL: "https://shop.example/ksher", ReferURL: "https://shop.example/cart"}
//	order, err := shop.GatewayPay(redirectRequest)
//	…
//	page, err := client.GatewayPay(ctx, order)
//
// Nothing is left out in silence: what a request says and the other side has no
// parameter for is an [*Error] that names it. Nothing is sent either. What is wrong
// on its own, such as an amount of 0 or an unknown Lang, is left to the client to
// refuse: in a test, that of kshertest.New does so without an account.
//
// An order lives on the side where it was made. These functions are for orders that
// are made at api.ksher.net: the refund of an older one belongs to package vip for as
// long as that can be refunded.
//
// https://github.com/ksher-go/ksher/blob/main/docs/moving-from-vip.md has the whole way.
package migrate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/vip"
)

// Error means that a vip request can't be turned into one for api.ksher.net without
// losing something, or that something is missing for it. To go without a parameter,
// clear its field in a copy of the vip request, and try again.
type Error struct {
	// Operation is what the request was to become, such as "gateway_pay", or
	// "status" for [Result].
	Operation string
	// MerchantOrderID is the number of the order, as the caller gave it.
	MerchantOrderID string
	// Fields has every problem found. The names are those of vip.ksher.net for what
	// the vip request has, and those of api.ksher.net for what a [Shop] has.
	Fields []ksher.FieldError
}

// Error names the operation, the order and every field.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "migrate: %s", e.Operation)
	if e.MerchantOrderID != "" {
		fmt.Fprintf(&b, " of order %q", transport.Clip(e.MerchantOrderID))
	}
	for i, f := range e.Fields {
		fmt.Fprintf(&b, "%s %s %s", [2]string{":", ";"}[min(i, 1)], transport.Clip(f.Field), f.Problem)
	}
	return b.String()
}

// Shop is what api.ksher.net wants to be told with an order, and vip.ksher.net knows
// from the account or not at all.
type Shop struct {
	// FeeType is the currency of the account, an ISO 4217 code such as "THB":
	// required. It isn't taken from a provider.
	FeeType string
	// NotifyURL is where notifications of api.ksher.net go; see
	// [ksher.Payments.Notifications]. They come as POST, in place of the webhook that was
	// registered with the account at vip.ksher.net and is called by GET. It is
	// required, but for [Shop.QuickPay], which asks anyway, and [Shop.OrderRefund], which
	// has none. A shop that only asks takes it out of the request that it gets.
	NotifyURL string
	// ReferURL is the page that the buyer comes from: required for [Shop.GatewayPay],
	// and for [Shop.AppPay] by Alipay.
	ReferURL string
}

// move collects what is wrong with a request on its way over.
type move struct {
	operation, id string
	problems      []ksher.FieldError
}

// newMove begins with what every vip request has.
func newMove(operation, id, mid, provider string, extra ksher.Extra) *move {
	m := &move{operation: operation, id: id}
	m.number("merchant_order_id", id)
	m.lost("mid", mid)
	if provider != "th" {
		m.lost("provider", provider)
	}
	for _, name := range slices.Sorted(maps.Keys(extra.Params)) {
		m.problem(cmp.Or(name, "Extra"), "is in Extra, and whether api.ksher.net knows it isn't known")
	}
	if len(extra.Unchecked) > 0 {
		m.problem("Unchecked", "names limits of vip.ksher.net, and api.ksher.net has its own")
	}
	return m
}

func (m *move) problem(field, format string, args ...any) {
	m.problems = append(m.problems, ksher.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

// lost is for what has no counterpart.
func (m *move) lost(field, value string) {
	if value != "" {
		m.problem(field, "has no counterpart at api.ksher.net")
	}
}

// required is for what api.ksher.net can't do without.
func (m *move) required(field, value string) {
	if value == "" {
		m.problem(field, "is required by api.ksher.net")
	}
}

// maxNumber is the length of numbers at api.ksher.net, in characters.
const maxNumber = 32

func (m *move) number(field, value string) {
	if n := utf8.RuneCountInString(value); n > maxNumber {
		m.problem(field, "has %d characters, and api.ksher.net takes at most %d", n, maxNumber)
	}
	m.required(field, value)
}

// of says that an operation is for other kinds of order.
func (m *move) of(kind vip.Kind, others string, kinds ...vip.Kind) {
	if !slices.Contains(kinds, kind) {
		m.problem("kind", "is %q, and %s is for %v: see %s", transport.Clip(string(kind)), m.operation, kinds, others)
	}
}

// done returns the request, or what is wrong.
func done[T any](m *move, req *T) (*T, error) {
	if len(m.problems) > 0 {
		return nil, &Error{Operation: m.operation, MerchantOrderID: m.id, Fields: m.problems}
	}
	return req, nil
}

// given keeps the functions from a nil request, which is like an empty one.
func given[T any](r *T) *T {
	if r == nil {
		r = new(T)
	}
	return r
}

// GatewayPay turns the request for a checkout page into one for
// [ksher.Client.GatewayPay]. Of the vip request, Channel and ProductName are required.
// The note becomes Attach, and the order's number is MchCode as well, as in Ksher's
// examples.
//
// Source: not documented field by field: the names and meanings of both sides.
func (s Shop) GatewayPay(r *vip.RedirectRequest) (*ksher.GatewayPayRequest, error) {
	r = given(r)
	m := newMove("gateway_pay", r.MerchantOrderID, r.MID, r.Provider, r.Extra)
	m.required("fee_type", s.FeeType)
	m.required("mch_notify_url", s.NotifyURL)
	m.required("refer_url", s.ReferURL)
	m.required("channel", strings.Join(r.Channel, ","))
	m.required("product_name", r.ProductName)
	var channels []ksher.Channel
	for _, channel := range r.Channel {
		channels = append(channels, ksher.Channel(channel))
	}
	return done(m, &ksher.GatewayPayRequest{
		MchOrderNo: r.MerchantOrderID, MchCode: r.MerchantOrderID,
		TotalFee: r.Amount, FeeType: s.FeeType,
		ChannelList: channels, ProductName: r.ProductName, Attach: r.Note,
		ReferURL: s.ReferURL, MchNotifyURL: s.NotifyURL,
		MchRedirectURL: r.RedirectURL, MchRedirectURLFail: r.RedirectURLFail,
		Logo: r.Logo, ShopName: r.ShopName, Color: r.Color, Background: r.Background, PaymentColor: r.PaymentColor,
		Lang: r.Lang,
	})
}

// NativePay turns the request for a QR code into one for [ksher.Client.NativePay]. The
// note becomes Attach.
//
// Source: as for [Shop.GatewayPay].
func (s Shop) NativePay(r *vip.CScanBRequest) (*ksher.NativePayRequest, error) {
	r = given(r)
	m := newMove("native_pay", r.MerchantOrderID, r.MID, r.Provider, r.Extra)
	m.required("fee_type", s.FeeType)
	m.required("notify_url", s.NotifyURL)
	return done(m, &ksher.NativePayRequest{
		MchOrderNo: r.MerchantOrderID, TotalFee: r.Amount, FeeType: s.FeeType,
		Channel: ksher.Channel(r.Channel), NotifyURL: s.NotifyURL, Attach: r.Note, OperatorID: r.OperatorID,
	})
}

// QuickPay turns the charge of a buyer's code into one for [ksher.Client.QuickPay] or,
// better, [ksher.Payments.Charge]. The note becomes Attach. It does without a NotifyURL,
// because the charge is asked about anyway.
//
// Source: as for [Shop.GatewayPay].
func (s Shop) QuickPay(r *vip.BScanCRequest) (*ksher.QuickPayRequest, error) {
	r = given(r)
	m := newMove("quick_pay", r.MerchantOrderID, r.MID, r.Provider, r.Extra)
	m.required("fee_type", s.FeeType)
	return done(m, &ksher.QuickPayRequest{
		MchOrderNo: r.MerchantOrderID, TotalFee: r.Amount, FeeType: s.FeeType,
		AuthCode: r.AuthCode, Channel: ksher.Channel(r.Channel), OperatorID: r.OperatorID, DeviceID: r.DeviceID,
		NotifyURL: s.NotifyURL, Attach: r.Note,
	})
}

// MiniProgramPay turns the request of a mini program into one for
// [ksher.Client.MiniProgramPay]. Of the vip request, Channel is required. The note
// becomes Attach.
//
// Source: as for [Shop.GatewayPay].
func (s Shop) MiniProgramPay(r *vip.MiniAppRequest) (*ksher.MiniProgramPayRequest, error) {
	r = given(r)
	m := newMove("mini_program_pay", r.MerchantOrderID, r.MID, r.Provider, r.Extra)
	m.required("fee_type", s.FeeType)
	m.required("notify_url", s.NotifyURL)
	m.required("channel", r.Channel)
	return done(m, &ksher.MiniProgramPayRequest{
		MchOrderNo: r.MerchantOrderID, TotalFee: r.Amount, FeeType: s.FeeType,
		Channel: ksher.Channel(r.Channel), SubOpenID: r.MiniAppOpenID, ChannelSubAppID: r.MiniAppAppID,
		NotifyURL: s.NotifyURL, Attach: r.Note,
	})
}

// AppPay turns the request of an app into one for [ksher.Client.AppPay]. Of the vip
// request, Channel is required. The note becomes Attach.
//
// Source: as for [Shop.GatewayPay].
func (s Shop) AppPay(r *vip.AppRequest) (*ksher.AppPayRequest, error) {
	r = given(r)
	m := newMove("app_pay", r.MerchantOrderID, r.MID, r.Provider, r.Extra)
	m.required("fee_type", s.FeeType)
	m.required("notify_url", s.NotifyURL)
	if m.required("channel", r.Channel); ksher.Channel(r.Channel) == ksher.ChannelAlipay {
		m.required("refer_url", s.ReferURL)
	}
	return done(m, &ksher.AppPayRequest{
		MchOrderNo: r.MerchantOrderID, TotalFee: r.Amount, FeeType: s.FeeType,
		Channel: ksher.Channel(r.Channel), SubOpenID: r.MiniAppOpenID, ChannelSubAppID: r.MiniAppAppID,
		ReferURL: s.ReferURL, NotifyURL: s.NotifyURL, Attach: r.Note,
	})
}

// GatewayOrderQuery turns the query of a checkout page's order into one for
// [ksher.Client.GatewayOrderQuery]. The kind has to be [vip.KindRedirect].
func GatewayOrderQuery(kind vip.Kind, r *vip.QueryRequest) (*ksher.GatewayOrderQueryRequest, error) {
	r = given(r)
	m := newMove("gateway_order_query", r.MerchantOrderID, r.MID, r.Provider, r.Extra)
	m.of(kind, "OrderQuery", vip.KindRedirect)
	return done(m, &ksher.GatewayOrderQueryRequest{MchOrderNo: r.MerchantOrderID})
}

// OrderQuery turns the query of an order of any kind but [vip.KindRedirect] into one for
// [ksher.Client.OrderQuery].
func OrderQuery(kind vip.Kind, r *vip.QueryRequest) (*ksher.OrderQueryRequest, error) {
	r = given(r)
	m := newMove("order_query", r.MerchantOrderID, r.MID, r.Provider, r.Extra)
	m.of(kind, "GatewayOrderQuery", vip.KindCScanB, vip.KindBScanC, vip.KindMiniApp, vip.KindApp)
	return done(m, &ksher.OrderQueryRequest{MchOrderNo: r.MerchantOrderID})
}

// Refund turns the refund of a checkout page's order into one for
// [ksher.Client.Refund], which finds out the order's number at the host that refunds,
// and what it cost. The kind has to be [vip.KindRedirect].
func Refund(kind vip.Kind, r *vip.RefundRequest) (*ksher.RefundRequest, error) {
	r = given(r)
	m := newMove("order_refund", r.MerchantOrderID, r.MID, r.Provider, r.Extra)
	m.of(kind, "Shop.OrderRefund", vip.KindRedirect)
	m.number("refund_order_id", r.RefundOrderID)
	return done(m, &ksher.RefundRequest{
		MchOrderNo: r.MerchantOrderID, Host: ksher.HostGateway, MchRefundNo: r.RefundOrderID, RefundFee: r.RefundAmount,
	})
}

// OrderRefund turns the refund of an order of any kind but [vip.KindRedirect] into one for
// [ksher.Client.OrderRefund]. total is what the order cost, which vip.ksher.net doesn't
// want to be told: take it from your own record of the order.
func (s Shop) OrderRefund(kind vip.Kind, r *vip.RefundRequest, total ksher.Amount) (*ksher.OrderRefundRequest, error) {
	r = given(r)
	m := newMove("order_refund", r.MerchantOrderID, r.MID, r.Provider, r.Extra)
	m.of(kind, "Refund", vip.KindCScanB, vip.KindBScanC, vip.KindMiniApp, vip.KindApp)
	m.required("fee_type", s.FeeType)
	m.number("refund_order_id", r.RefundOrderID)
	return done(m, &ksher.OrderRefundRequest{
		MchOrderNo: r.MerchantOrderID, MchRefundNo: r.RefundOrderID, RefundFee: r.RefundAmount,
		TotalFee: total, FeeType: s.FeeType,
	})
}

// CancelOrder turns the cancellation of a checkout page's order into one for
// [ksher.Client.CancelOrder]. The kind has to be [vip.KindRedirect].
func CancelOrder(kind vip.Kind, r *vip.CancelRequest) (*ksher.CancelOrderRequest, error) {
	r = given(r)
	m := newMove("cancel_order", r.MerchantOrderID, r.MID, r.Provider, r.Extra)
	m.of(kind, "OrderClose and OrderReverse", vip.KindRedirect)
	return done(m, &ksher.CancelOrderRequest{MchOrderNo: r.MerchantOrderID})
}

// OrderClose turns the cancellation of an order that waits for its buyer into one for
// [ksher.Client.OrderClose]. It is for [vip.KindCScanB], [vip.KindMiniApp] and [vip.KindApp].
// api.ksher.net documents closing for a few channels only; see there.
func OrderClose(kind vip.Kind, r *vip.CancelRequest) (*ksher.OrderCloseRequest, error) {
	r = given(r)
	m := newMove("order_close", r.MerchantOrderID, r.MID, r.Provider, r.Extra)
	m.of(kind, "CancelOrder and OrderReverse", vip.KindCScanB, vip.KindMiniApp, vip.KindApp)
	return done(m, &ksher.OrderCloseRequest{MchOrderNo: r.MerchantOrderID})
}

// OrderReverse turns the cancellation of a charge at a till, [vip.KindBScanC], into one for
// [ksher.Client.OrderReverse]. That does more than the vip one: a buyer who was charged
// meanwhile gets the money back. [ksher.Payments.Charge] reverses by itself what
// doesn't settle.
func OrderReverse(kind vip.Kind, r *vip.CancelRequest) (*ksher.OrderReverseRequest, error) {
	r = given(r)
	m := newMove("order_reverse", r.MerchantOrderID, r.MID, r.Provider, r.Extra)
	m.of(kind, "CancelOrder and OrderClose", vip.KindBScanC)
	return done(m, &ksher.OrderReverseRequest{MchOrderNo: r.MerchantOrderID})
}

// Result says what the answer to [vip.Client.Query] is called at api.ksher.net, for
// programs that keep one kind of status for both; docs/moving-from-vip.md has the table.
//
// Anything that isn't in it is an [*Error] and an empty result, neither paid nor final: an
// order with FAIL that isn't closed, for example, where that is about the request, or the
// answer to a refund. Compare number, amount and currency with [vip.Order.CheckPaid] before
// handing anything out: this function doesn't.
//
// Source: the meanings of both sides' documentation. Which error_code an order that was
// asked for comes with isn't documented; FAIL of a failed charge is in the clients' tests.
func Result(o *vip.Order) (ksher.Result, error) {
	o = given(o)
	if o.OrderType != "" && o.OrderType != "Sale" {
		return "", &Error{Operation: "status", MerchantOrderID: o.MerchantOrderID, Fields: []ksher.FieldError{
			{Field: "order_type", Problem: fmt.Sprintf("is %q: this isn't about an order", transport.Clip(o.OrderType))}}}
	}
	switch [2]string{string(o.Status), string(o.ErrorCode)} {
	case [2]string{"Available", "SUCCESS"}:
		return ksher.ResultNotPay, nil
	case [2]string{"Available", "PENDING"}:
		return ksher.ResultPending, nil
	case [2]string{"Paid", "SUCCESS"}:
		return ksher.ResultSuccess, nil
	case [2]string{"Refunded", "SUCCESS"}, [2]string{"Refunded", "REFUNDED"}:
		return ksher.ResultRefund, nil
	case [2]string{"Closed", "SUCCESS"}:
		return ksher.ResultClosed, nil
	case [2]string{"Closed", "FAIL"}: // A charge at a till that failed.
		return ksher.ResultPayError, nil
	}
	return "", &Error{Operation: "status", MerchantOrderID: o.MerchantOrderID, Fields: []ksher.FieldError{
		{Field: "status", Problem: fmt.Sprintf("is %q with error_code %q, which says nothing certain about the order: ask again",
			transport.Clip(string(o.Status)), transport.Clip(string(o.ErrorCode)))}}}
}

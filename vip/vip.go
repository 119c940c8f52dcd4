// Package vip is a client for Ksher's older API at NAME.vip.ksher.net, called the
// "Redirect API": for merchants who are on it still. Ksher has announced its end,
// and new merchants get api.ksher.net, which package ksher is for.
//
// # An order
//
//	client, err := vip.NewClient("https://NAME.vip.ksher.net", token)
//	…
//	order, err := client.Create(ctx, &vip.RedirectRequest{
//		MerchantOrderID: "A-1001",
//		Amount:          150_50, // 150.50 THB
//		RedirectURL:     "https://shop.example/thanks",
//		RedirectURLFail: "https://shop.example/sorry",
//	})
//	…
//	// Send the buyer to order.Reference, and hear of the payment:
//	payments, err := vip.NewPayments(client, func(ctx context.Context, o *vip.Order) error {
//		return db.MarkPaid(ctx, o.MerchantOrderID) // your own
//	})
//
// There are five kinds of order, and a request type for each: [RedirectRequest] for
// a checkout page, [CScanBRequest] for a QR code that the buyer scans,
// [BScanCRequest] for a code that the buyer shows, [MiniAppRequest] and
// [AppRequest] for programs inside a wallet and on a phone. Query, Refund and Cancel
// are told the [Kind], because each kind has addresses of its own.
//
// # Outcomes
//
// [Payments] calls one function for each payment, once, however it became known: by a
// notification, by waiting, or by going over the open orders. It asks the gateway, and
// compares number, amount and currency with the merchant's books, before that. What it
// can't do here, and what to do in doubt, is in
// https://github.com/ksher-go/ksher/blob/main/docs/vip.md.
//
// # Errors
//
// Whatever the documentation rules out is a [*ksher.ValidationError] before anything is
// sent. Anything else that goes wrong with a call is an [*Error]. After a request
// that creates, refunds or cancels, look for [ksher.ErrOutcomeUnknown] first: it means
// that the request may have been carried out.
//
// # Money
//
// Every amount is a whole number of the currency's cents: 150.50 THB is 15050.
//
// # Testing
//
// The local gateway of package kshertest serves this API as well.
//
// Where each fact comes from: https://github.com/ksher-go/ksher/blob/main/docs/fidelity.md.
package vip

// Kind is a kind of order. Each has addresses of its own.
type Kind string

// Kinds of order.
const (
	// KindRedirect is a checkout page, made with a [RedirectRequest].
	KindRedirect Kind = "redirect"
	// KindCScanB is a QR code that the buyer scans, made with a [CScanBRequest].
	KindCScanB Kind = "cscanb"
	// KindBScanC is a code that the buyer shows, charged with a [BScanCRequest].
	KindBScanC Kind = "bscanc"
	// KindMiniApp is a payment in a WeChat or Alipay mini program, made with a
	// [MiniAppRequest].
	KindMiniApp Kind = "miniapp"
	// KindApp is a payment in an app on a phone, made with an [AppRequest].
	KindApp Kind = "app"
)

func kinds() []Kind { return []Kind{KindRedirect, KindCScanB, KindBScanC, KindMiniApp, KindApp} }

// Status is where an order stands.
type Status string

// Statuses of an order.
const (
	// StatusAvailable means not paid yet.
	StatusAvailable Status = "Available"
	// StatusPaid means paid.
	StatusPaid Status = "Paid"
	// StatusRefunded means paid and then refunded. It is not documented whether a
	// refund in part shows as StatusRefunded or leaves [StatusPaid].
	StatusRefunded Status = "Refunded"
	// StatusClosed means that the buyer can no longer pay.
	StatusClosed Status = "Closed"
)

// Paid reports whether an order with this status is paid and not refunded. Hand
// out goods only after [Order.CheckPaid] has compared the amount, too.
func (s Status) Paid() bool { return s == StatusPaid }

// Final reports whether the buyer's attempt is over, so that polling may stop:
// Paid, Refunded and Closed. A refund turns Paid into Refunded later.
func (s Status) Final() bool {
	return s == StatusPaid || s == StatusRefunded || s == StatusClosed
}

// Code is the gateway's word for how a request went. It is an error itself:
// errors.Is(err, vip.CodeFail) asks for it in an [*Error].
type Code string

// Codes.
const (
	// CodeSuccess means that the request was carried out. It doesn't mean paid.
	CodeSuccess Code = "SUCCESS"
	// CodePending means that it isn't decided yet.
	CodePending Code = "PENDING"
	// CodeFail means that the request was refused. Of [Client.Create] it doesn't mean
	// that the buyer wasn't charged: see there.
	CodeFail Code = "FAIL"
	// CodeRefunded is how a refund that was carried out is answered.
	CodeRefunded Code = "REFUNDED"
	// CodeUnknown means that the gateway doesn't know, or doesn't allow, what the
	// request names, such as a sub-merchant.
	CodeUnknown Code = "UNKNOWN"
)

// Error returns the code itself.
func (c Code) Error() string { return string(c) }

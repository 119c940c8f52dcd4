// Package ksher takes payments through the Ksher payment gateways: it creates
// orders, shows the buyer a checkout page or a QR code, learns for certain
// whether an order was paid, and refunds it. It speaks the api.ksher.net
// generation of Ksher's API.
//
// # Start
//
// A merchant gets an app ID and a private key from Ksher. [ClientFromEnv] takes
// them from the environment, or:
//
//	key, err := ksher.ParsePrivateKey([]byte(os.Getenv("KSHER_PRIVATE_KEY")))
//	…
//	client, err := ksher.NewClient("mch12345", key)
//
// One [Client] serves the whole program. Its methods are named after Ksher's
// operations, and so are their parameters: gateway_pay is [Client.GatewayPay],
// its mch_order_no is MchOrderNo.
//
// # The two ways to be paid
//
//   - [Client.GatewayPay] creates an order and gives the address of a checkout
//     page, where the buyer picks one of the channels you offer.
//     [Client.GatewayOrderQuery] tells its state, [Client.CancelOrder] closes it.
//   - [Client.NativePay] creates an order and gives a QR code for you to show.
//     [Client.OrderQuery] tells its state, [Client.OrderClose] closes it.
//
// Others are for tills ([Payments.Charge]), for wallets ([Client.JSAPIPay],
// [Client.MiniProgramPay], [Client.AppPay], [Client.WapPay], [Client.WebPay]), for the
// account ([Client.MerchantInfo], [Client.GetSettlementInfo], [Client.RateQuery])
// and for money out ([Client.Payout]).
//
// # Knowing that you were paid
//
// The buyer's return to your redirect page proves nothing. Ksher's answer to a
// query does, if it is about the order, the amount and the currency that you
// expect. [Payments] compares them, and calls one function of yours for each
// payment, once, whichever way it became known:
//
//   - [Payments.Notifications] receives what Ksher posts to your server.
//   - [Payments.Wait] asks until an order is paid or over, as a kiosk does.
//   - [Payments.Charge] takes a payment at a till.
//   - [Payments.Run] and [Payments.Pass] find the payments that no notification
//     reported.
//   - [NewReceiver] stores notifications in a queue for [Notifications.Accept].
//   - [NewRouter] finds the merchant of a notification, for a program that works
//     for many.
//
// Which of them a shop needs stands in
// https://github.com/ksher-go/ksher/blob/main/docs/running.md.
//
// # Refunds
//
// [Client.Refund] refunds an order of either host and finds out what became of a
// refund in doubt. Ksher carries out each mch_refund_no once, so calling it again
// with the same number is safe, and with a new one it isn't.
//
// # Errors
//
// Whatever the documentation rules out is a [*ValidationError] before anything
// is sent. Anything else that goes wrong with a call is an [*Error]. After a
// request that moves money, look for [ErrOutcomeUnknown] first: it means that
// the request may have been carried out. [Client.Resolve] finds out; money out is
// never sent again. [Code.Info] explains Ksher's error codes.
//
// # Money
//
// Every amount is an [Amount]: a whole number of the currency's cents.
//
// # Other packages
//
//   - [github.com/ksher-go/ksher/kshertest] is a gateway inside your test or program
//     that behaves like the real one, because Ksher has no public test account.
//   - [github.com/ksher-go/ksher/sqldedupe] and, as modules of their own,
//     [github.com/ksher-go/ksher/pgxdedupe] and
//     [github.com/ksher-go/ksher/redisdedupe] are for [WithDeduper]: once for each
//     payment, across servers and restarts.
//   - [github.com/ksher-go/ksher/qrcode] draws QR codes.
//   - [github.com/ksher-go/ksher/vip] is for merchants on the older vip.ksher.net,
//     [github.com/ksher-go/ksher/opn] for K PLUS through Opn Payments.
//
// # Reading on
//
// https://github.com/ksher-go/ksher/blob/main/docs/README.md leads to a page for each
// question, such as what to do in doubt. "Not documented" means that Ksher doesn't
// say it; https://github.com/ksher-go/ksher/blob/main/docs/fidelity.md has the source
// of each fact.
package ksher

import (
	"database/sql/driver"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Version is the version of this package. It is part of the User-Agent.
const Version = "0.1.0"

// The addresses of Ksher's hosts.
const (
	DefaultGatewayURL  = "https://gateway.ksher.com/api"      // serves gateway_pay, gateway_order_query and cancel_order
	DefaultMerchantURL = "https://api.mch.ksher.net/KsherPay" // serves every other operation
)

// chinaGatewayURL is the gateway for buyers in mainland China.
const chinaGatewayURL = "https://gateway.ksher.cn/api"

// thailand is the zone of the times that Ksher writes without one, unless
// [WithLocation] says otherwise. It is fixed, so that no zone database is
// needed.
var thailand = time.FixedZone("UTC+7", 7*60*60)

// Result is where an order stands.
type Result string

// Results of an order. Any other is to be asked for again.
const (
	ResultSuccess Result = "SUCCESS" // paid
	// ResultRefund means paid and then refunded. Whether a refund in part shows as
	// ResultRefund or leaves [ResultSuccess] is not documented.
	ResultRefund Result = "REFUND"
	// ResultClosed means that the buyer can no longer pay, except with a QR code that was
	// saved before the order was cancelled: it may still turn [ResultSuccess].
	ResultClosed     Result = "CLOSED"
	ResultPayError   Result = "PAYERROR"   // the payment failed
	ResultNotPay     Result = "NOTPAY"     // not paid yet
	ResultUserPaying Result = "USERPAYING" // the buyer is typing a PIN or an OTP
	ResultPending    Result = "PENDING"    // the payment is with the channel
	ResultNotSure    Result = "NOTSURE"    // ask again; so is a checkout page that nobody has paid on yet
	ResultFail       Result = "FAIL"       // the call failed, always as an [*Error]; it says nothing about the payment
)

// Paid reports whether an order with this result is paid and not refunded. Compare number,
// amount and currency, too, before you hand out goods: [Order.CheckPaid] does.
func (r Result) Paid() bool { return r == ResultSuccess }

// Final reports whether the buyer's attempt is over, so that polling may stop: SUCCESS,
// REFUND, CLOSED and PAYERROR. Keep watching an order that you cancelled all the same, because
// a saved QR code may still be paid. A refund turns SUCCESS into REFUND.
func (r Result) Final() bool {
	switch r {
	case ResultSuccess, ResultRefund, ResultClosed, ResultPayError:
		return true
	}
	return false
}

// Amount is a sum of money in the currency's cent: 150.50 THB, which is 15050 satang, is
// Amount(15050). Ksher documents cents for every currency and says nothing special about
// those without any, such as JPY: ask Ksher before charging in one.
type Amount int64

// maxAmount is the largest integer that every JSON and JavaScript peer on the
// way keeps exactly. Ksher documents no limit; the account has a lower one.
const maxAmount Amount = 1<<53 - 1

// ParseAmount reads an amount such as "150", "150.5", "150.50" or "-150.50". Separators,
// signs of currency, blanks and more than two decimals are errors, because rounding is the
// caller's decision.
func ParseAmount(s string) (Amount, error) {
	whole, cents, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if len(cents) > 2 || point && cents == "" || !digits(whole) || cents != "" && !digits(cents) {
		return 0, fmt.Errorf("ksher: %q is not an amount such as 150.50", clipText(s))
	}
	sign := s[:len(s)-len(strings.TrimPrefix(s, "-"))]
	n, err := strconv.ParseInt(sign+whole+(cents + "00")[:2], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("ksher: %q is more than an amount can hold", clipText(s))
	}
	return Amount(n), nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// String writes the amount with two decimals and no currency, as in "150.50".
func (a Amount) String() string {
	s := strconv.FormatInt(int64(a), 10)
	sign := ""
	if a < 0 {
		sign, s = "-", s[1:]
	}
	if len(s) < 3 {
		s = "000"[len(s):] + s
	}
	return sign + s[:len(s)-2] + "." + s[len(s)-2:]
}

// Display writes the amount for people, as in "1,234.50 THB"; the currency may be empty, and
// isn't checked. [ParseAmount] doesn't read it back.
func (a Amount) Display(currency string) string {
	s := a.String()
	first := len(s) - len(strings.TrimPrefix(s, "-"))
	for i := len(s) - len("000.00"); i > first; i -= len("000") {
		s = s[:i] + "," + s[i:]
	}
	return strings.TrimSpace(s + " " + currency)
}

// EncodeValues writes the integer of the wire, for go-querystring.
func (a Amount) EncodeValues(key string, v *url.Values) error {
	v.Set(key, strconv.FormatInt(int64(a), 10))
	return nil
}

// Value writes the amount to a database as an integer of cents. It is the same integer in
// a column of BIGINT, NUMERIC or TEXT.
func (a Amount) Value() (driver.Value, error) { return strconv.FormatInt(int64(a), 10), nil }

// Scan reads an integer of cents from a database. Anything with a fraction is an error, as
// it would be in baht; so is NULL.
func (a *Amount) Scan(src any) error {
	var text string
	switch v := src.(type) {
	case int64:
		*a = Amount(v)
		return nil
	case string:
		text = v
	case []byte:
		text = string(v)
	default:
		return fmt.Errorf("ksher: a %T from the database is not an integer of cents", src)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("ksher: %q from the database is not an integer of cents", clipText(text))
	}
	*a = Amount(n)
	return nil
}

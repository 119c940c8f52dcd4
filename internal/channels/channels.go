// Package channels has what Ksher's guides say about each way to pay, for
// validation and for the local gateway.
package channels

import (
	"strings"
	"time"
)

// Channel is what is known about one channel. Amounts are in THB cents, 0 for
// none documented.
type Channel struct {
	Name string
	// Title is what a buyer calls it.
	Title string
	// Page says that the checkout page offers it, PageMinimum from which
	// amount on.
	Page        bool
	PageMinimum int64
	// MobileOnly says that the page offers it in the H5 layout only.
	MobileOnly bool
	// NativeOffline and NativeOnline say which kinds of account native_pay
	// serves.
	NativeOffline, NativeOnline bool
	// NativeExpiry is how long a code of native_pay can be paid, 0 for ever or
	// unknown.
	NativeExpiry time.Duration
	// Savable says that a buyer can save the QR code and pay with it later.
	Savable bool
	// Refund and RefundQuery say whether the API offers them, SameDay that a
	// refund has to be made on the day of the payment. The guides say so of
	// native_pay; that it holds for the checkout page, too, is assumed.
	Refund, SameDay, RefundQuery bool
	// Closable says that order_close is documented for it.
	Closable bool
	// Card says that its refunds go by the ksher_order_no. The guide says so of
	// cards; that card instalments count as well is assumed.
	Card bool
}

// NativeMinimum is the smallest amount of native_pay, in THB cents.
const NativeMinimum = 1_00

// Known has every channel that the guides describe, in the order of the
// checkout page.
var Known = []Channel{
	{Name: "promptpay", Title: "PromptPay", Page: true, PageMinimum: 1_00, NativeOffline: true, NativeOnline: true, Savable: true},
	{Name: "truemoney", Title: "TrueMoney", Page: true, NativeOnline: true, NativeExpiry: 24 * time.Hour, Savable: true, Refund: true, RefundQuery: true},
	{Name: "airpay", Title: "ShopeePay", Page: true, NativeOffline: true, Refund: true, RefundQuery: true, Closable: true},
	{Name: "linepay", Title: "Rabbit LINE Pay", Page: true, Refund: true, RefundQuery: true},
	{Name: "atome", Title: "Atome", Page: true, PageMinimum: 20_00, Refund: true, RefundQuery: true},
	{Name: "scb_qrcard", Title: "QR credit/debit card", Page: true, PageMinimum: 1_00, NativeOffline: true, NativeOnline: true, Savable: true, Refund: true, SameDay: true, RefundQuery: true},
	{Name: "wechat", Title: "WeChat Pay", Page: true, NativeOffline: true, NativeOnline: true, NativeExpiry: 2 * time.Hour, Refund: true, RefundQuery: true, Closable: true},
	{Name: "alipay", Title: "Alipay", Page: true, NativeOffline: true, NativeExpiry: 3 * time.Hour, Refund: true, Closable: true},
	{Name: "alipayplus", Title: "Alipay+", Page: true, NativeOffline: true, NativeExpiry: 10 * time.Minute, Refund: true, Closable: true},
	{Name: "card", Title: "Credit or debit card", Page: true, Refund: true, RefundQuery: true, Card: true},
	{Name: "ktc_instal", Title: "KTC instalments", Page: true, PageMinimum: 3000_00, Refund: true, RefundQuery: true, Card: true},
	{Name: "kbank_instal", Title: "KBank instalments", Page: true, PageMinimum: 3000_00, Refund: true, RefundQuery: true, Card: true},
	{Name: "kcc_instal", Title: "Krungsri instalments", Page: true, PageMinimum: 3000_00, Refund: true, RefundQuery: true, Card: true},
	{Name: "kfc_instal", Title: "First Choice instalments", Page: true, PageMinimum: 3000_00, Refund: true, RefundQuery: true, Card: true},
	{Name: "scb_easy", Title: "SCB Easy", Page: true, PageMinimum: 20_00, MobileOnly: true, Refund: true, RefundQuery: true},
	{Name: "bbl_deeplink", Title: "Bualuang mBanking", Page: true, PageMinimum: 20_00, MobileOnly: true, Refund: true, RefundQuery: true},
	{Name: "baybank_deeplink", Title: "KMA", Page: true, PageMinimum: 20_00, MobileOnly: true, Refund: true, RefundQuery: true},
	{Name: "kplus", Title: "K PLUS", Page: true, PageMinimum: 20_00, MobileOnly: true, Refund: true, RefundQuery: true},
}

// Lookup returns what is known about a channel. Of one that the guides don't
// describe nothing is ruled out, and only its name tells whether it is a card.
func Lookup(name string) Channel {
	for _, c := range Known {
		if c.Name == name {
			return c
		}
	}
	return Channel{
		Name: name, Title: name, Page: true, NativeOffline: true, NativeOnline: true, Refund: true, RefundQuery: true,
		Closable: name == "ktbcard",
		Card:     strings.HasSuffix(name, "card") || strings.HasSuffix(name, "_instal"),
	}
}

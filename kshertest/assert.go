package kshertest

import (
	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// Orders are the orders of a [Gateway]'s own merchant, or of a [Merchant].
type Orders interface {
	Order(mchOrderNo string) (Order, error)
}

// AssertPaid fails the test unless the order is there over that amount and paid,
// refunded in part or not.
func AssertPaid(tb TB, of Orders, mchOrderNo string, total ksher.Amount) {
	tb.Helper()
	sandbox.AssertPaid(tb, of, mchOrderNo, total)
}

// AssertRefunded fails the test unless exactly that much of the order was given back, in
// all its refunds together.
func AssertRefunded(tb TB, of Orders, mchOrderNo string, sum ksher.Amount) {
	tb.Helper()
	sandbox.AssertRefunded(tb, of, mchOrderNo, sum)
}

// AssertNotified fails the test unless the merchant has accepted a notification of what
// has become of the order. That a charge at Opn Payments was made isn't one.
func AssertNotified(tb TB, of Orders, mchOrderNo string) {
	tb.Helper()
	sandbox.AssertNotified(tb, of, mchOrderNo)
}

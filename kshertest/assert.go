package kshertest

import (
	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// AssertPaid fails the test unless the order is there over that amount and paid,
// refunded in part or not.
func AssertPaid(tb TB, gw *Gateway, mchOrderNo string, total ksher.Amount) {
	tb.Helper()
	sandbox.AssertPaid(tb, gw.sandbox, mchOrderNo, total)
}

// AssertRefunded fails the test unless exactly that much of the order was given back, in
// all its refunds together.
func AssertRefunded(tb TB, gw *Gateway, mchOrderNo string, sum ksher.Amount) {
	tb.Helper()
	sandbox.AssertRefunded(tb, gw.sandbox, mchOrderNo, sum)
}

// AssertNotified fails the test unless the merchant has accepted a notification of the
// order.
func AssertNotified(tb TB, gw *Gateway, mchOrderNo string) {
	tb.Helper()
	sandbox.AssertNotified(tb, gw.sandbox, mchOrderNo)
}

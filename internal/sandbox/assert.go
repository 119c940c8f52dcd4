package sandbox

import (
	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/opnapi"
)

// Orders are those of a merchant.
type Orders interface {
	Order(mchOrderNo string) (Order, error)
}

// AssertPaid fails the test unless the order is there over that amount and paid,
// refunded in part or not.
func AssertPaid(tb TB, of Orders, mchOrderNo string, total ksher.Amount) {
	tb.Helper()
	o, err := of.Order(mchOrderNo)
	switch {
	case err != nil:
		tb.Errorf("%v", err)
	case o.TotalFee != total || o.State != Paid && o.State != RefundedInPart:
		tb.Errorf("order %q over %v %s is %s, expected was one over %v that is paid", mchOrderNo, o.TotalFee, o.FeeType, o.State, total)
	}
}

// AssertRefunded fails the test unless exactly that much of the order was given
// back, in all its refunds together.
func AssertRefunded(tb TB, of Orders, mchOrderNo string, sum ksher.Amount) {
	tb.Helper()
	o, err := of.Order(mchOrderNo)
	switch {
	case err != nil:
		tb.Errorf("%v", err)
	case o.Refunded != sum:
		tb.Errorf("order %q was refunded %v %s in %d refunds, expected was %v", mchOrderNo, o.Refunded, o.FeeType, len(o.Refunds), sum)
	}
}

// AssertNotified fails the test unless the merchant has accepted a notification of what
// has become of the order. That a charge at Opn Payments was made isn't one.
func AssertNotified(tb TB, of Orders, mchOrderNo string) {
	tb.Helper()
	o, err := of.Order(mchOrderNo)
	if err != nil {
		tb.Errorf("%v", err)
		return
	}
	for _, d := range o.Deliveries {
		if d.Accepted && d.Message != opnapi.ChargeCreate {
			return
		}
	}
	tb.Errorf("order %q: no notification was accepted in %d attempts: %+v", mchOrderNo, len(o.Deliveries), o.Deliveries)
}

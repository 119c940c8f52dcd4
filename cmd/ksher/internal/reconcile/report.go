package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ksher-go/ksher"
)

// Verdict is how an order on the list compares with the gateway's.
type Verdict string

// Verdicts. "Here" is the shop, "there" the gateway.
const (
	Agrees      Verdict = "agrees"
	PaidHere    Verdict = "paid here but not there"
	PaidThere   Verdict = "paid there but open here"
	OtherAmount Verdict = "other amount"
	Refunded    Verdict = "refunded" // there, and not here
	Unknown     Verdict = "unknown"  // there is no such order there
	NotAsked    Verdict = "not asked"
)

// Verdicts are all of them, in the order of a report.
var Verdicts = []Verdict{Agrees, PaidHere, PaidThere, OtherAmount, Refunded, Unknown, NotAsked}

// Line is an order of the list, with what the gateway says of it.
type Line struct {
	Order
	Verdict Verdict
	Answer  Answer // zero if it wasn't asked
	Note    string
}

// Total is what the orders in one currency come to.
type Total struct {
	Currency string
	Orders   int
	Here     ksher.Amount // paid, as the list says
	There    ksher.Amount // paid, as the gateway says, also what was refunded later
	Refunded ksher.Amount // as far as the channels tell
}

// Day is what was paid on a day, as the gateway says, in one currency.
type Day struct {
	Day      string
	Currency string
	Orders   int
	Paid     ksher.Amount
	Refunded ksher.Amount // on this day, whenever it was paid
}

// Report is what came of it.
type Report struct {
	Whose
	Made        time.Time
	Lines       []Line
	Counts      map[Verdict]int
	Totals      []Total
	Days        []Day
	Untold      int // how many paid orders have a channel that doesn't tell of refunds
	Settlements []Settlement
	// Unsettled says why settlements weren't compared, "" if they were.
	Unsettled string
}

// NewReport compares the orders with the answers.
func NewReport(whose Whose, made time.Time, orders []Order, known map[Key]Answer, failed map[Key]error) *Report {
	r := &Report{Whose: whose, Made: made, Counts: map[Verdict]int{}}
	totals, days := map[string]*Total{}, map[[2]string]*Day{}
	for _, order := range orders {
		line := Line{Order: order, Verdict: NotAsked}
		if answer, ok := known[order.Key]; ok {
			line.Answer = answer
			line.Verdict, line.Note = compare(order, answer)
		} else if err := failed[order.Key]; err != nil {
			line.Note = err.Error()
		}
		r.Lines = append(r.Lines, line)
		r.Counts[line.Verdict]++
		r.add(totals, days, line)
	}
	for _, key := range slices.Sorted(maps.Keys(totals)) {
		r.Totals = append(r.Totals, *totals[key])
	}
	for _, day := range days {
		r.Days = append(r.Days, *day)
	}
	slices.SortFunc(r.Days, func(a, b Day) int { return cmp.Or(cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Day, b.Day)) })
	return r
}

// wasPaid tells whether the gateway says that an order was paid, refunded later or not.
func (a *Answer) wasPaid() bool {
	return a.Result == ksher.ResultSuccess || a.Result == ksher.ResultRefund
}

// refunded is how much was given back, as far as the gateway tells.
func (a *Answer) refunded() (sum ksher.Amount) {
	for _, refund := range a.Refunds {
		sum += refund.Amount
	}
	return sum
}

// compare judges one order.
func compare(order Order, a Answer) (Verdict, string) {
	here := order.State == StatePaid || order.State == StateRefunded
	switch {
	case a.Unknown:
		return Unknown, "the gateway knows no such order at this host"
	case a.wasPaid() && (a.Amount != order.Amount || a.Currency != order.Currency):
		return OtherAmount, fmt.Sprintf("the gateway has %s", a.Amount.Display(a.Currency))
	case a.wasPaid() && !here:
		return PaidThere, ""
	case a.Result == ksher.ResultRefund && order.State == StatePaid:
		return Refunded, ""
	case a.Result == ksher.ResultSuccess && a.refunded() > 0 && (a.refunded() < a.Amount || order.State == StatePaid):
		return Refunded, "there " + a.refunded().Display(a.Currency) + " of it"
	case a.Result == ksher.ResultSuccess && a.refunded() == 0 && order.State == StateRefunded:
		return PaidThere, "refunded here, and not there as far as it tells"
	case !a.wasPaid() && here:
		return PaidHere, "the gateway's result is " + string(a.Result)
	}
	return Agrees, ""
}

// add adds a line to the sums.
func (r *Report) add(totals map[string]*Total, days map[[2]string]*Day, line Line) {
	here := entry(totals, line.Currency, Total{Currency: line.Currency})
	here.Orders++
	if line.State == StatePaid || line.State == StateRefunded {
		here.Here += line.Amount
	}
	a := line.Answer
	if !a.wasPaid() {
		return
	}
	if a.Untold {
		r.Untold++
	}
	there := entry(totals, a.Currency, Total{Currency: a.Currency})
	there.There += a.Amount
	day := func(at time.Time) *Day {
		key := [2]string{at.Format(time.DateOnly), a.Currency}
		return entry(days, key, Day{Day: key[0], Currency: key[1]})
	}
	if !a.Paid.IsZero() {
		d := day(a.Paid)
		d.Orders++
		d.Paid += a.Amount
	}
	for _, refund := range a.Refunds {
		there.Refunded += refund.Amount
		if !refund.At.IsZero() {
			day(refund.At).Refunded += refund.Amount
		}
	}
}

// entry is what a map has for a key, made if it isn't there.
func entry[K comparable, V any](of map[K]*V, key K, made V) *V {
	if of[key] == nil {
		of[key] = &made
	}
	return of[key]
}

// Differing are the lines that don't agree.
func (r *Report) Differing() []Line {
	return slices.DeleteFunc(slices.Clone(r.Lines), func(l Line) bool { return l.Verdict == Agrees })
}

// Surplus are the settlements that come to more than the list.
func (r *Report) Surplus() []Settlement {
	return slices.DeleteFunc(slices.Clone(r.Settlements), func(s Settlement) bool { return s.More() <= 0 })
}

// Clean tells whether all agrees, also with the settlements.
func (r *Report) Clean() bool { return r.Counts[Agrees] == len(r.Lines) && len(r.Surplus()) == 0 }

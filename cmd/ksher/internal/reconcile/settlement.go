package reconcile

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/ksher-go/ksher"
)

// Settlement is what Ksher settles for some days, beside what the list has for them.
type Settlement struct {
	Begin, End string // the first and the last day
	Currency   string
	Settled    ksher.Amount
	Commission ksher.Amount
	VAT        ksher.Amount
	Listed     ksher.Amount // what was paid on these days less what was refunded on them, of the orders on the list
}

// More is by how much a settlement comes to more than the list, at most 0 if it doesn't. Fees
// and refunds make a settlement smaller, so only orders that aren't on the list make it larger.
func (s Settlement) More() ksher.Amount { return s.Settled - s.Listed }

// Span returns the first and the last day with a payment in that currency, "" if there is none. A
// refund weeks later doesn't make the list reach that far.
func (r *Report) Span(currency string) (begin, end string) {
	for _, day := range r.Days {
		if day.Currency == currency && day.Orders > 0 {
			begin, end = cmp.Or(begin, day.Day), day.Day
		}
	}
	return begin, end
}

// Settle holds the rows of a settlement against the list. Rows of days that the list doesn't
// reach on both sides are left out.
func (r *Report) Settle(currency string, rows []ksher.SettlementRow) {
	first, last := r.Span(currency)
	periods := map[[2]string]*Settlement{}
	for _, row := range rows {
		if row.BeginDate < first || row.EndDate > last || row.BeginDate > row.EndDate {
			continue
		}
		s := entry(periods, [2]string{row.BeginDate, row.EndDate}, Settlement{Begin: row.BeginDate, End: row.EndDate, Currency: currency})
		s.Settled += row.SettlementAmount
		s.Commission += row.CommissionFee
		s.VAT += row.VAT
	}
	for _, s := range periods {
		for _, day := range r.Days {
			if day.Currency == currency && s.Begin <= day.Day && day.Day <= s.End {
				s.Listed += day.Paid - day.Refunded
			}
		}
	}
	r.Settlements = nil
	for _, key := range slices.SortedFunc(maps.Keys(periods), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	}) {
		r.Settlements = append(r.Settlements, *periods[key])
	}
}

// Months splits a span of days into parts of at most 31, because how many days can be asked
// about at once isn't documented.
func Months(begin, end string) (parts [][2]string) {
	from, err := time.Parse(time.DateOnly, begin)
	last, lastErr := time.Parse(time.DateOnly, end)
	if err != nil || lastErr != nil {
		return nil
	}
	for ; !from.After(last); from = from.AddDate(0, 0, 31) {
		to := from.AddDate(0, 0, 30)
		if to.After(last) {
			to = last
		}
		parts = append(parts, [2]string{from.Format(time.DateOnly), to.Format(time.DateOnly)})
	}
	return parts
}

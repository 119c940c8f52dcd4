package main

import (
	"fmt"
	"strconv"

	"github.com/ksher-go/ksher/cmd/ksher/internal/reconcile"
)

func totalFields(t *reconcile.Total) []field {
	return []field{
		{"currency", "Currency", t.Currency}, {"orders", "Orders", strconv.Itoa(t.Orders)}, {"paid_here", "Paid here", t.Here.String()},
		{"paid_there", "Paid there", t.There.String()}, {"refunded", "Refunded there", t.Refunded.String()},
	}
}

func dayFields(d *reconcile.Day) []field {
	return []field{
		{"day", "Day", d.Day}, {"currency", "Currency", d.Currency}, {"orders", "Orders", strconv.Itoa(d.Orders)},
		{"paid", "Paid", d.Paid.String()}, {"refunded", "Refunded", d.Refunded.String()},
	}
}

func periodFields(p *reconcile.Settlement) []field {
	return []field{
		{"begin_date", "First day", p.Begin}, {"end_date", "Last day", p.End}, {"currency", "Currency", p.Currency}, {"settled", "Settled", p.Settled.String()},
		{"commission_fee", "Commission", p.Commission.String()}, {"vat", "VAT", p.VAT.String()}, {"listed", "List less refunds", p.Listed.String()},
		{"more", "More than the list", max(p.More(), 0).String()},
	}
}

// countFields are how many orders there are of each verdict that there is.
func countFields(r *reconcile.Report) (fields []field) {
	for _, verdict := range reconcile.Verdicts {
		if n := r.Counts[verdict]; n > 0 {
			fields = append(fields, field{string(verdict), string(verdict), strconv.Itoa(n)})
		}
	}
	return fields
}

// reportJSON is a report for a program to read.
func reportJSON(r *reconcile.Report) map[string]any {
	return map[string]any{
		"app_id": r.AppID, "gateway_url": r.GatewayURL, "merchant_url": r.MerchantURL, "made": timeOf(r.Made), "agrees": r.Clean(),
		"counts": r.Counts, "totals": objects(fieldsOf(r.Totals, totalFields)), "days": objects(fieldsOf(r.Days, dayFields)),
		"settlements": objects(fieldsOf(r.Settlements, periodFields)), "settlements_not_compared": r.Unsettled, "refunds_untold": r.Untold,
		"orders": objects(fieldsOf(r.Lines, lineFields)),
	}
}

// printReport prints a report for people: sums, and what doesn't agree.
func printReport(s *screen, r *reconcile.Report) error {
	if err := s.show(false, countFields(r)); err != nil {
		return err
	}
	fmt.Fprintln(s.Out)
	if err := s.list(false, fieldsOf(r.Totals, totalFields), ""); err != nil {
		return err
	}
	if r.Untold > 0 {
		fmt.Fprintf(s.Out, "Of %d paid orders the channel doesn't tell how much was refunded.\n", r.Untold)
	}
	if differing := r.Differing(); len(differing) > 0 {
		fmt.Fprintln(s.Out)
		short := func(l *reconcile.Line) []field {
			all := lineFields(l)
			return append(all[:7:7], all[len(all)-1])
		}
		if err := s.list(false, fieldsOf(differing, short), ""); err != nil {
			return err
		}
	}
	fmt.Fprintln(s.Out)
	if r.Unsettled != "" {
		_, err := fmt.Fprintln(s.Out, "Settlements aren't compared: "+r.Unsettled)
		return err
	}
	return s.list(false, fieldsOf(r.Settlements, periodFields), "Nothing is settled for these days yet.")
}

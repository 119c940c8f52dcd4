package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/reconcile"
)

type reconcileCommand struct {
	Orders string  `required:"" type:"path" placeholder:"FILE" help:"The shop's list: CSV whose first line names the columns number, amount, currency, host, and perhaps state (paid, open, closed or refunded; without it all are paid)."`
	CSV    bool    `name:"csv" help:"Print a line of CSV for each order."`
	HTML   string  `name:"html" type:"path" placeholder:"FILE" help:"Write the report to this file as well, as a page to print or to send."`
	Rate   float64 `default:"10" help:"How many queries a second to make at most (${default})."`
	Fresh  bool    `help:"Ask about all orders again, instead of going on where it was broken off."`
	gatewayFlags
}

// errDiffers makes the program end with a status that tells.
var errDiffers = errors.New("the list and the gateway don't agree")

// asked is what the gateway is asked, each time within the timeout.
type asked struct {
	client *ksher.Client
	flags  *gatewayFlags
}

func (a asked) Order(ctx context.Context, key reconcile.Key) (order *ksher.Order, err error) {
	err = a.flags.within(ctx, func(ctx context.Context) (err error) {
		order, err = queryOrder(ctx, a.client, key.Host, key.Number)
		return err
	})
	if notFound(err) {
		return nil, nil
	}
	return order, err
}

// Refunds asks once: client.Refunds would ask about the order again.
func (a asked) Refunds(ctx context.Context, key reconcile.Key, order *ksher.Order) (refunds []ksher.Refund, err error) {
	query := &ksher.RefundQueryRequest{MchOrderNo: key.Number, Channel: order.Channel}
	if key.Host == ksher.HostGateway {
		query.MchOrderNo, query.KsherOrderNo = "", order.KsherOrderNo
		if order.KsherOrderNo == "" {
			query.MchOrderNo = order.PayMchOrderNo
		}
	}
	err = a.flags.within(ctx, func(ctx context.Context) error {
		answer, err := a.client.RefundQuery(ctx, query)
		if err == nil {
			refunds = answer.RefundOrders
		}
		return err
	})
	return refunds, err
}

// Run holds a shop's list against the gateway.
func (r *reconcileCommand) Run(ctx context.Context, s *screen) error {
	if r.CSV && r.JSON {
		return usage("--csv and --json are two forms: choose one")
	}
	orders, err := r.read()
	if err != nil {
		return err
	}
	client, err := r.client(s)
	if err != nil {
		return err
	}
	journal, err := r.openJournal(s)
	if err != nil {
		return err
	}
	defer journal.Close()
	shown := &progress{screen: s}
	asker, err := reconcile.NewAsker(asked{client, &r.gatewayFlags}, s.clock(), r.Rate, journal, shown.count)
	if err != nil {
		return usage("--rate: %w", err)
	}
	known, failed, err := asker.Ask(ctx, orders)
	shown.end()
	if ctx.Err() != nil {
		return unfinished{incomplete{fmt.Errorf("broken off after %d of %d orders, which %s has: %w", len(known), len(orders), r.journal(), ctx.Err())}, r.goOn()}
	}
	report := reconcile.NewReport(r.whose(), s.clock().ClockNow().In(thailand), orders, known, failed)
	unsettled := r.settle(ctx, client, report)
	if err := r.print(s, report); err != nil {
		return err
	}
	if left := report.Counts[reconcile.NotAsked]; left > 0 {
		why := cmp.Or(err, errors.New("the report says why"))
		return unfinished{incomplete{fmt.Errorf("%d of %d orders couldn't be asked about: %w", left, len(orders), why)}, r.goOn()}
	}
	if unanswered(unsettled) { // Else a job that runs each night takes it for "all agrees".
		return unfinished{incomplete{fmt.Errorf("settlements aren't compared: %w", unsettled)}, r.goOn()}
	}
	if err := os.Remove(r.journal()); err != nil {
		return err
	}
	if !report.Clean() {
		return errDiffers
	}
	return nil
}

// read reads the list.
func (r *reconcileCommand) read() ([]reconcile.Order, error) {
	file, err := os.Open(r.Orders)
	if err != nil {
		return nil, usage("--orders: %w", err)
	}
	defer file.Close()
	orders, err := reconcile.ReadList(file)
	if err != nil {
		return nil, usage("%s: %w", r.Orders, err)
	}
	return orders, nil
}

// journal is the file beside the list that has what was asked so far.
func (r *reconcileCommand) journal() string { return r.Orders + ".journal" }

// goOn is the command that goes on where this one stopped.
func (r *reconcileCommand) goOn() string {
	flags := []string{"--orders=" + r.Orders}
	if r.HTML != "" {
		flags = append(flags, "--html="+r.HTML)
	}
	return r.again("reconcile", "", flags...)
}

func (r *reconcileCommand) whose() reconcile.Whose {
	gatewayURL, merchantURL := r.hosts()
	return reconcile.Whose{AppID: r.appID(), GatewayURL: gatewayURL, MerchantURL: merchantURL}
}

// openJournal opens the journal, and says what it has.
func (r *reconcileCommand) openJournal(s *screen) (*reconcile.Journal, error) {
	if r.Fresh {
		if err := os.Remove(r.journal()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	journal, err := reconcile.OpenJournal(r.journal(), r.whose())
	if err != nil {
		return nil, usage("%w; --fresh begins anew", err)
	}
	if n := len(journal.Answers); n > 0 {
		fmt.Fprintf(s.Err, "Going on after %d orders that %s has; --fresh asks about all again.\n", n, r.journal())
	}
	return journal, nil
}

// incomplete is the error of a comparison that isn't known for some orders, or of something
// that has happened, or may have, and isn't told.
type incomplete struct{ error }

func (e incomplete) Unwrap() error { return e.error }

// Is makes the program end as after any outcome that isn't known.
func (e incomplete) Is(target error) bool { return target == ksher.ErrOutcomeUnknown }

// settle holds the settlements against the list, in the currency that they are in. The error is
// in the report as well.
func (r *reconcileCommand) settle(ctx context.Context, client *ksher.Client, report *reconcile.Report) error {
	err := r.within(ctx, func(ctx context.Context) error {
		info, err := client.MerchantInfo(ctx, &ksher.MerchantInfoRequest{})
		if err != nil {
			return err
		}
		begin, end := report.Span(info.SettlementFeeType)
		if begin == "" {
			return fmt.Errorf("no order has a day of payment in %s, the currency of the settlements", cmp.Or(info.SettlementFeeType, "no currency"))
		}
		var rows []ksher.SettlementRow
		for _, part := range reconcile.Months(begin, end) {
			answer, err := client.GetSettlementInfo(ctx, &ksher.GetSettlementInfoRequest{BeginDate: part[0], EndDate: part[1]})
			if err != nil {
				return err
			}
			rows = append(rows, answer.SettlementData...)
		}
		report.Settle(info.SettlementFeeType, rows)
		return nil
	})
	if err != nil {
		report.Unsettled = err.Error()
	}
	return err
}

// print prints the report, and writes the page.
func (r *reconcileCommand) print(s *screen, report *reconcile.Report) error {
	if r.HTML != "" {
		file, err := os.Create(r.HTML)
		if err == nil {
			err = errors.Join(report.WriteHTML(file), file.Close())
		}
		if err != nil {
			return err
		}
	}
	switch {
	case r.JSON:
		return s.printJSON(reportJSON(report))
	case r.CSV:
		return writeCSV(s.Out, names(lineFields(&reconcile.Line{})), fieldsOf(report.Lines, lineFields))
	}
	return printReport(s, report)
}

// lineFields are what there is to say of an order.
func lineFields(l *reconcile.Line) []field {
	amount, refunded, given := "", ksher.Amount(0), ""
	if l.Answer.Result != "" {
		amount = l.Answer.Amount.String()
	}
	for _, refund := range l.Answer.Refunds {
		refunded += refund.Amount
	}
	if len(l.Answer.Refunds) > 0 {
		given = refunded.String()
	}
	return []field{
		{"number", "Order", l.Number}, {"host", "Host", string(l.Host)}, {"amount", "Amount", l.Amount.String()}, {"currency", "Currency", l.Currency},
		{"state", "Here", string(l.State)}, {"result", "There", string(l.Answer.Result)}, {"verdict", "Outcome", string(l.Verdict)},
		{"gateway_amount", "Amount there", amount}, {"gateway_currency", "Currency there", l.Answer.Currency}, {"channel", "Channel", string(l.Answer.Channel)},
		{"paid_at", "Paid at", timeOf(l.Answer.Paid)}, {"refunded", "Refunded", given}, {"asked_at", "Asked at", timeOf(l.Answer.Asked.Truncate(time.Second))}, {"note", "Note", l.Note},
	}
}

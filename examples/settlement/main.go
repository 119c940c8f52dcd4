// Command settlement reports what Ksher has settled, as a table and as CSV.
//
// Without an account it starts a gateway of its own, sells coffee there for three
// days, and reports on them:
//
//	go run ./examples/settlement
//
// With KSHER_APPID and KSHER_PRIVATE_KEY set it reports on the real account, on
// the last seven days unless told otherwise. It only asks, and changes nothing. The
// other variables are those of ksher.ClientFromEnv:
//
//	go run ./examples/settlement -from 2026-01-01 -to 2026-01-31 -csv january.csv -counted 1234.50
package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

var (
	from    = flag.String("from", "", "the first `day`, as in 2026-01-31 (default seven days ago)")
	to      = flag.String("to", "", "the last `day` (default yesterday)")
	csvFile = flag.String("csv", "", "the `file` to write the rows to as CSV, - for the standard output")
	counted = flag.String("counted", "", "what your own books say of these days, less refunds, as in `1234.50`")
)

func main() {
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("there are only flags, and no %q; see -help", flag.Arg(0))
	}
	// CSV on the standard output isn't to be mixed with words.
	say := io.Writer(os.Stdout)
	if *csvFile == "-" {
		say = os.Stderr
	}
	if os.Getenv("KSHER_APPID") != "" {
		client, err := ksher.ClientFromEnv()
		if err != nil {
			return err
		}
		return report(ctx, client, time.Now(), *counted, say)
	}

	// A clock that stands still until it is moved.
	gateway, err := kshertest.Start(kshertest.WithSpeed(0))
	if err != nil {
		return err
	}
	defer gateway.Close()
	fmt.Fprintln(say, "A gateway runs inside this program. No account is needed, and no money moves.")
	books, err := sell(ctx, gateway, say)
	if err != nil {
		return err
	}
	return report(ctx, gateway.Client, gateway.Now(), cmp.Or(*counted, books.String()), say)
}

// sell sells for three days, and returns what the shop's own books say.
func sell(ctx context.Context, gateway *kshertest.Gateway, say io.Writer) (books ksher.Amount, err error) {
	client := gateway.Client
	payments, err := ksher.NewPayments(client, func(_ context.Context, o *ksher.Order) error {
		books += o.TotalFee
		return nil
	})
	if err != nil {
		return 0, err
	}
	var unsettled []string
	for day := 1; day <= 3; day++ {
		var today []string
		take := func(total ksher.Amount, code string) error {
			order, err := payments.Charge(ctx, &ksher.QuickPayRequest{MchOrderNo: ksher.NewOrderNo(), TotalFee: total, FeeType: "THB", AuthCode: ksher.NewSecret(code)})
			if err != nil {
				return err
			}
			today = append(today, order.MchOrderNo)
			return nil
		}
		if err := take(65_00, "287634438256643900"); err != nil { // A code of Alipay's.
			return 0, err
		}
		if err := take(ksher.Amount(40_00*day), "134567890123456700"); err != nil { // And of WeChat's.
			return 0, err
		}
		back := ksher.Amount(5_00)
		if _, err := client.OrderRefund(ctx, &ksher.OrderRefundRequest{
			MchOrderNo: today[0], MchRefundNo: ksher.NewRefundNo(), RefundFee: back, TotalFee: 65_00, FeeType: "THB",
		}); err != nil {
			return 0, err
		}
		books -= back
		fmt.Fprintf(say, "Day %d: sold %d coffees, gave %v THB back, and closed at night. By its books the shop has %v THB.\n", day, len(today), back, books)
		gateway.Advance(24 * time.Hour)
		for _, no := range unsettled { // Ksher's bank transfer of the day before.
			if err := gateway.Settle(no); err != nil {
				return 0, err
			}
		}
		unsettled = today
	}
	return books, nil
}

// report asks for the settlements and shows them.
func report(ctx context.Context, client *ksher.Client, now time.Time, books string, say io.Writer) error {
	info, err := client.MerchantInfo(ctx, &ksher.MerchantInfoRequest{})
	if err != nil {
		return err
	}
	// Yesterday is what it is where the merchant is.
	zone, err := info.Location()
	if err != nil {
		return err
	}
	daysAgo := func(n int) string { return now.In(zone).AddDate(0, 0, -n).Format(time.DateOnly) }
	req := &ksher.GetSettlementInfoRequest{BeginDate: cmp.Or(*from, daysAgo(7)), EndDate: cmp.Or(*to, daysAgo(1))}
	answer, err := client.GetSettlementInfo(ctx, req)
	if err != nil {
		return err
	}
	fmt.Fprintf(say, "\nSettlements from %s to %s in %s:\n\n", req.BeginDate, req.EndDate, plain(info.SettlementFeeType))
	total, err := writeTable(say, answer.SettlementData)
	if err != nil {
		return fmt.Errorf("the table could not be written: %w", err)
	}
	if *csvFile != "" {
		if err := saveCSV(*csvFile, answer.SettlementData); err != nil {
			return fmt.Errorf("the CSV is missing or incomplete: %w", err)
		}
		fmt.Fprintf(say, "\n%d rows were written as CSV.\n", len(answer.SettlementData))
	}

	fmt.Fprintln(say, "\nNo signature covers these rows, so they have to agree with your own books.")
	if books == "" {
		fmt.Fprintln(say, "Give -counted, and this program compares.")
		return nil
	}
	want, err := ksher.ParseAmount(books)
	if err != nil {
		return err
	}
	// Which of the amounts the buyers paid isn't documented: in a genuine answer
	// it was what is left and what Ksher keeps.
	if got := total.SettlementAmount + total.CommissionFee + total.VAT; got != want {
		return fmt.Errorf("they don't agree: the books say %v, and the rows with commission and VAT %v; look for the day that differs", want, got)
	}
	fmt.Fprintf(say, "They agree: %v.\n", want)
	return nil
}

// writeTable shows the rows, and below them the totals of each channel and of
// all, which it returns.
func writeTable(to io.Writer, rows []ksher.SettlementRow) (all ksher.SettlementRow, err error) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(r ksher.SettlementRow) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%v\t%v\t%v\t%v\t%s\t\n", plain(r.BeginDate), plain(r.EndDate), plain(string(r.PayChannel)),
			plain(r.SettlementDate), r.SettlementAmount, r.CommissionFee, r.VAT, r.TransferAmount, plain(r.TransferDate))
	}
	fmt.Fprintln(w, "first day\tlast day\tchannel\tsettled\tamount\tcommission\tVAT\ttransferred\ton\t")
	totals := make(map[ksher.Channel]ksher.SettlementRow)
	for _, r := range rows {
		line(r)
		totals[r.PayChannel] = plus(totals[r.PayChannel], r)
		all = plus(all, r)
	}
	for _, channel := range slices.Sorted(maps.Keys(totals)) {
		total := totals[channel]
		total.BeginDate, total.PayChannel = "total", channel
		line(total)
	}
	all.BeginDate, all.PayChannel = "total", "all"
	line(all)
	return all, w.Flush()
}

func plus(total, r ksher.SettlementRow) ksher.SettlementRow {
	total.SettlementAmount += r.SettlementAmount
	total.CommissionFee += r.CommissionFee
	total.VAT += r.VAT
	total.TransferAmount += r.TransferAmount
	return total
}

// saveCSV writes the rows to a file. A full disk may show only at the end.
func saveCSV(name string, rows []ksher.SettlementRow) error {
	if name == "-" {
		return writeCSV(os.Stdout, rows)
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := writeCSV(file, rows); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

func writeCSV(to io.Writer, rows []ksher.SettlementRow) error {
	records := [][]string{{
		"begin_date", "end_date", "pay_channel", "settlement_date", "settlement_amount", "commission_fee", "vat", "transfer_amount", "transfer_date",
	}}
	for _, r := range rows {
		records = append(records, []string{
			plain(r.BeginDate), plain(r.EndDate), plain(string(r.PayChannel)), plain(r.SettlementDate), r.SettlementAmount.String(),
			r.CommissionFee.String(), r.VAT.String(), r.TransferAmount.String(), plain(r.TransferDate),
		})
	}
	return csv.NewWriter(to).WriteAll(records) // It flushes.
}

// plain keeps a text that isn't signed from being a command to a terminal or a
// formula to a spreadsheet.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '?'
	}, text)
}

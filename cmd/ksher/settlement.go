package main

import (
	"cmp"
	"context"

	"github.com/ksher-go/ksher"
)

type settlementCommand struct {
	Begin   string        `arg:"" placeholder:"DAY" help:"The first day, as in 2026-01-31."`
	End     string        `arg:"" optional:"" placeholder:"DAY" help:"The last day; without it, the first."`
	Channel ksher.Channel `help:"Only this channel."`
	CSV     bool          `name:"csv" help:"Print CSV."`
	gatewayFlags
}

// Run prints what is settled for some days.
func (c *settlementCommand) Run(ctx context.Context, s *screen) error {
	client, err := c.client(s)
	if err != nil {
		return err
	}
	if c.CSV && c.JSON {
		return usage("--csv and --json are two forms: choose one")
	}
	var answer *ksher.GetSettlementInfoResponse
	err = c.within(ctx, func(ctx context.Context) (err error) {
		answer, err = client.GetSettlementInfo(ctx, &ksher.GetSettlementInfoRequest{BeginDate: c.Begin, EndDate: cmp.Or(c.End, c.Begin), PayChannel: c.Channel})
		return err
	})
	if err != nil {
		return err
	}
	list := fieldsOf(answer.SettlementData, settlementFields)
	if c.CSV {
		return writeCSV(s.Out, names(settlementFields(&ksher.SettlementRow{})), list)
	}
	if !c.JSON && len(list) > 0 {
		list = append(list, settlementFields(total(answer.SettlementData)))
	}
	return s.list(c.JSON, list, "Nothing is settled for these days.")
}

// total adds rows up, in one whose first day is the word for it.
func total(rows []ksher.SettlementRow) *ksher.SettlementRow {
	sum := &ksher.SettlementRow{BeginDate: "Total"}
	for _, row := range rows {
		sum.SettlementAmount += row.SettlementAmount
		sum.CommissionFee += row.CommissionFee
		sum.VAT += row.VAT
		sum.TransferAmount += row.TransferAmount
	}
	return sum
}

func settlementFields(r *ksher.SettlementRow) []field {
	return []field{
		{"begin_date", "First day", r.BeginDate}, {"end_date", "Last day", r.EndDate}, {"pay_channel", "Channel", string(r.PayChannel)},
		{"settlement_amount", "Settled", r.SettlementAmount.String()}, {"commission_fee", "Commission", r.CommissionFee.String()}, {"vat", "VAT", r.VAT.String()},
		{"settlement_date", "Settled on", r.SettlementDate}, {"transfer_amount", "Transferred", r.TransferAmount.String()}, {"transfer_date", "Transferred on", r.TransferDate},
	}
}

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ksher-go/ksher"
)

type refundCommand struct {
	orderFlags
	Amount   amountFlag `required:"" placeholder:"AMOUNT" help:"How much to give back, as in 150.50, in the order's currency."`
	RefundNo string     `name:"refund-no" help:"The merchant's number of the refund. Ksher carries out each once. Without it one is made, and printed before anything is sent. With --yes it is required, so that a script that runs again doesn't refund again."`
	yesFlag
	gatewayFlags
}

// Run refunds an order, to a known end.
func (r *refundCommand) Run(ctx context.Context, s *screen) error {
	if r.Yes && r.RefundNo == "" {
		return usage("name the refund with --refund-no, so that a script that runs again doesn't refund again")
	}
	client, err := r.client(s)
	if err != nil {
		return err
	}
	named := r.RefundNo != "" // so that it may have been sent before
	if !named {
		r.RefundNo = ksher.NewRefundNo()
		fmt.Fprintf(s.Err, "The refund's number is %s. Keep it: with --refund-no=%[1]s the same refund isn't made twice.\n", r.RefundNo)
	}
	var about [][]string
	err = r.within(ctx, func(ctx context.Context) (err error) {
		about, err = r.about(ctx, client)
		return err
	})
	if named && unanswered(err) {
		return unsure(fmt.Sprintf("refund %q was made", r.RefundNo), err, r.goOn())
	}
	if err != nil {
		return fmt.Errorf("this call has refunded nothing, as the order can't be looked at: %w", err)
	}
	if err := s.confirm(ctx, r.Yes, append(lines(about), "This gives the money back.")...); err != nil {
		return err
	}
	var refund *ksher.Refund
	err = r.within(ctx, func(ctx context.Context) (err error) {
		refund, err = client.Refund(ctx, &ksher.RefundRequest{
			MchOrderNo: r.Number, Host: r.Host, MchRefundNo: r.RefundNo, RefundFee: ksher.Amount(r.Amount),
		})
		return err
	})
	if undecided(err) {
		return unfinished{err, r.goOn()}
	}
	if err != nil {
		return err
	}
	return r.tell(s, append([]field{{"mch_order_no", "Order", r.Number}, {"host", "Host", string(r.Host)}}, refundFields(refund)...), "refunds", r.Number, "--host="+string(r.Host))
}

// goOn is the command that makes the same refund.
func (r *refundCommand) goOn() string {
	return r.again("refund", r.Number, "--host="+string(r.Host), "--amount="+ksher.Amount(r.Amount).String(), "--refund-no="+r.RefundNo)
}

// about is what there is to look at before money is given back.
func (r *refundCommand) about(ctx context.Context, client *ksher.Client) ([][]string, error) {
	order, err := queryOrder(ctx, client, r.Host, r.Number)
	if err != nil {
		return nil, err
	}
	amount := ksher.Amount(r.Amount)
	rows := append(r.account(r.Host), []string{"Order", r.Number}, []string{"State", stateOf(order.Result) + " (" + string(order.Result) + ")"},
		[]string{"Channel", string(order.Channel)}, []string{"Paid", order.TotalFee.Display(order.FeeType)})
	given, err := refunded(ctx, client, r.Host, r.Number, r.RefundNo)
	switch {
	case errors.As(err, new(*ksher.ValidationError)):
		rows = append(rows, []string{"Refunded", "not told for this channel"})
	case err != nil:
		return nil, err
	default:
		rest := order.TotalFee - given - amount
		rows = append(rows, []string{"Refunded", given.Display(order.FeeType)}, []string{"To refund", amount.Display(order.FeeType)},
			[]string{"Remains", rest.Display(order.FeeType)}, []string{"Refund number", r.RefundNo})
		return rows, nil
	}
	return append(rows, []string{"To refund", amount.Display(order.FeeType)}, []string{"Refund number", r.RefundNo}), nil
}

// refunded is how much of an order was given back before, by other refunds than that one.
func refunded(ctx context.Context, client *ksher.Client, host ksher.Host, number, except string) (ksher.Amount, error) {
	refunds, err := client.Refunds(ctx, &ksher.RefundsRequest{MchOrderNo: number, Host: host})
	var sum ksher.Amount
	for _, refund := range refunds {
		if refund.Succeeded() && refund.MchRefundNo != except {
			sum += refund.MchRefundFee
		}
	}
	return sum, err
}

func refundFields(r *ksher.Refund) []field {
	return []field{
		{"mch_refund_no", "Refund", r.MchRefundNo}, {"refund_fee", "Given back", r.MchRefundFee.String()},
		{"refund_state", "State", r.RefundState}, {"refund_time", "At", timeOf(r.RefundTime)},
		{"ksher_refund_no", "Ksher's number", r.KsherRefundNo}, {"channel_refund_no", "Channel's number", r.ChannelRefundNo},
	}
}

type refundsCommand struct {
	orderFlags
	gatewayFlags
}

// Run lists the refunds of an order.
func (r *refundsCommand) Run(ctx context.Context, s *screen) error {
	client, err := r.client(s)
	if err != nil {
		return err
	}
	var refunds []ksher.Refund
	err = r.within(ctx, func(ctx context.Context) (err error) {
		refunds, err = client.Refunds(ctx, &ksher.RefundsRequest{MchOrderNo: r.Number, Host: r.Host})
		return err
	})
	if err != nil {
		return err
	}
	return s.list(r.JSON, fieldsOf(refunds, refundFields), "There are no refunds.")
}

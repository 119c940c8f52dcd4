package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ksher-go/ksher"
)

type orderCommand struct {
	Show   orderShowCommand   `cmd:"" help:"Show what the gateway says of an order."`
	Wait   orderWaitCommand   `cmd:"" set:"timeout=10m" help:"Wait until an order is paid: exit status 0 if it is, 4 if it isn't."`
	Cancel orderCancelCommand `cmd:"" help:"Cancel an order with a checkout page, so that it can't be paid any more."`
	Close  orderCloseCommand  `cmd:"" help:"Close any other order, such as one with a QR code, so that it can't be paid any more."`
}

// orderFlags name an order.
type orderFlags struct {
	Number string     `arg:"" help:"The merchant's number of the order."`
	Host   ksher.Host `required:"" enum:"gateway,merchant" help:"Where the order was made: gateway if it has a checkout page, else merchant."`
}

// amountFlag is an amount on the command line, as in 150.50.
type amountFlag ksher.Amount

// UnmarshalText reads the amount.
func (a *amountFlag) UnmarshalText(text []byte) error {
	amount, err := ksher.ParseAmount(string(text))
	if err == nil && amount < 1 {
		return fmt.Errorf("%v is no amount of money that could be moved", amount)
	}
	*a = amountFlag(amount)
	return err
}

// queryOrder asks what the gateway says of an order.
func queryOrder(ctx context.Context, client *ksher.Client, host ksher.Host, number string) (*ksher.Order, error) {
	var order *ksher.Order
	if host == ksher.HostGateway {
		answer, err := client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: number})
		if err != nil {
			return nil, err
		}
		order = &answer.Order
	} else {
		answer, err := client.OrderQuery(ctx, &ksher.OrderQueryRequest{MchOrderNo: number})
		if err != nil {
			return nil, err
		}
		order = &answer.Order
	}
	if order.MchOrderNo != number {
		return nil, fmt.Errorf("order %q: %w: the answer tells of order %.40q", number, ksher.ErrOtherOrder, order.MchOrderNo)
	}
	return order, nil
}

// stateOf says in a word what a result means.
func stateOf(result ksher.Result) string {
	switch result {
	case ksher.ResultSuccess:
		return "paid"
	case ksher.ResultRefund:
		return "refunded"
	case ksher.ResultClosed:
		return "closed"
	case ksher.ResultPayError:
		return "failed"
	}
	return "not paid yet"
}

// timeOf writes a time, "" for none.
func timeOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// orderFields are what there is to show of an order. The buyer's ID isn't.
func orderFields(host ksher.Host, o *ksher.Order) []field {
	cash := ""
	if o.CashFee != 0 {
		cash = o.CashFee.String()
	}
	return []field{
		{"mch_order_no", "Order", o.MchOrderNo}, {"host", "Host", string(host)}, {"appid", "App ID", o.AppID},
		{"state", "State", stateOf(o.Result)}, {"result", "Result", string(o.Result)},
		{"total_fee", "Amount", o.TotalFee.String()}, {"fee_type", "Currency", o.FeeType},
		{"channel", "Channel", string(o.Channel)}, {"time_end", "Paid at", timeOf(o.TimeEnd)},
		{"cash_fee", "Buyer paid", cash}, {"cash_fee_type", "in", o.CashFeeType}, {"rate", "Rate", o.Rate},
		{"ksher_order_no", "Ksher's number", o.KsherOrderNo}, {"channel_order_no", "Channel's number", o.ChannelOrderNo},
		{"pay_mch_order_no", "At the merchant host", o.PayMchOrderNo}, {"attach", "Attached", o.Attach},
	}
}

type orderShowCommand struct {
	orderFlags
	gatewayFlags
}

// Run shows an order.
func (o *orderShowCommand) Run(ctx context.Context, s *screen) error {
	return o.ask(ctx, s, func(ctx context.Context, client *ksher.Client) ([]field, error) {
		order, err := queryOrder(ctx, client, o.Host, o.Number)
		if err != nil {
			return nil, err
		}
		return orderFields(o.Host, order), nil
	})
}

type orderWaitCommand struct {
	orderFlags
	Amount  amountFlag `placeholder:"AMOUNT" help:"What it has to cost, as in 150.50. Without it, what the gateway says that it costs."`
	FeeType string     `name:"currency" default:"THB" help:"The currency that it has to be in (${default})."`
	gatewayFlags
}

// Run waits for the payment of an order.
func (o *orderWaitCommand) Run(ctx context.Context, s *screen) error {
	client, err := o.client(s)
	if err != nil {
		return err
	}
	open := ksher.OpenOrder{MchOrderNo: o.Number, Host: o.Host, TotalFee: ksher.Amount(o.Amount), FeeType: o.FeeType}
	if open.TotalFee == 0 {
		var order *ksher.Order
		err := o.within(ctx, func(ctx context.Context) (err error) {
			order, err = queryOrder(ctx, client, o.Host, o.Number)
			return err
		})
		if unanswered(err) {
			return unlearned(o.Number, err, o.again("order wait", o.Number, "--host="+string(o.Host)))
		}
		if err != nil {
			return err
		}
		if order.TotalFee == 0 || order.FeeType == "" {
			return usage("the gateway doesn't say what order %q costs: say it with --amount and --currency", o.Number)
		}
		open.TotalFee, open.FeeType = order.TotalFee, order.FeeType
	}
	order, err := o.waitFor(ctx, s, client, open)
	if err != nil {
		return err
	}
	return o.tell(s, orderFields(o.Host, order), "order show", o.Number, "--host="+string(o.Host))
}

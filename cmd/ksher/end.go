package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/ksher-go/ksher"
)

// lines are rows whose columns stand below one another, for a question.
func lines(rows [][]string) []string {
	var text bytes.Buffer
	_ = writeTable(&text, rows) // Into memory.
	return strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
}

// ending is a request after which an order can't be paid any more.
type ending struct {
	number  string
	host    ksher.Host
	what    string // what is going to happen, for the person who is asked
	done    string // what has happened then
	command string
	flags   []string
	request ksher.Doubtful
	send    func(context.Context, *ksher.Client) error
}

// end shows the order, asks, sends, and finds out what became of it.
func (g *gatewayFlags) end(ctx context.Context, s *screen, yes bool, e ending) error {
	client, err := g.client(s)
	if err != nil {
		return err
	}
	var before *ksher.Resolution
	err = g.within(ctx, func(ctx context.Context) (err error) {
		before, err = client.Resolve(ctx, e.request)
		return err
	})
	again := g.again(e.command, e.number, e.flags...)
	if unanswered(err) {
		return unsure("the order was "+e.done, err, again)
	}
	if err != nil {
		return err
	}
	order := before.Order
	if before.Verdict == ksher.VerdictCarriedOut {
		fmt.Fprintf(s.Err, "Nothing was sent: the order is %s already.\n", stateOf(order.Result))
		return g.tell(s, e.fields(), "order show", e.number, "--host="+string(e.host))
	}
	question := append(g.account(e.host), []string{"Order", e.number}, []string{"Amount", order.TotalFee.Display(order.FeeType)},
		[]string{"State", stateOf(order.Result) + " (" + string(order.Result) + ")"})
	if err := s.confirm(ctx, yes, append(lines(question), e.what)...); err != nil {
		return err
	}
	err = g.within(ctx, func(ctx context.Context) error {
		sent := e.send(ctx, client)
		if !undecided(sent) {
			return sent
		}
		if found, err := client.Resolve(ctx, e.request); err == nil && found.Verdict == ksher.VerdictCarriedOut {
			return nil
		}
		return unfinished{sent, again}
	})
	if err != nil {
		return err
	}
	return g.tell(s, e.fields(), "order show", e.number, "--host="+string(e.host))
}

func (e *ending) fields() []field {
	return []field{{"mch_order_no", "Order", e.number}, {"host", "Host", string(e.host)}, {"done", "Done", e.done}}
}

// yesFlag leaves the question out.
type yesFlag struct {
	Yes bool `help:"Don't ask, for scripts."`
}

type orderCancelCommand struct {
	Number string `arg:"" help:"The merchant's number of the order."`
	yesFlag
	gatewayFlags
}

// Run cancels an order with a checkout page.
func (o *orderCancelCommand) Run(ctx context.Context, s *screen) error {
	request := &ksher.CancelOrderRequest{MchOrderNo: o.Number}
	return o.end(ctx, s, o.Yes, ending{
		number: o.Number, host: ksher.HostGateway, done: "cancelled", command: "order cancel", request: request,
		what: "This cancels it. A buyer who has saved its QR code may still pay.",
		send: func(ctx context.Context, client *ksher.Client) error {
			_, err := client.CancelOrder(ctx, request)
			return err
		},
	})
}

type orderCloseCommand struct {
	Number string `arg:"" help:"The merchant's number of the order."`
	yesFlag
	gatewayFlags
}

// Run closes an order of the merchant host.
func (o *orderCloseCommand) Run(ctx context.Context, s *screen) error {
	request := &ksher.OrderCloseRequest{MchOrderNo: o.Number}
	return o.end(ctx, s, o.Yes, ending{
		number: o.Number, host: ksher.HostMerchant, done: "closed", command: "order close", request: request,
		what: "This closes it. A buyer who has saved its QR code may still pay.",
		send: func(ctx context.Context, client *ksher.Client) error {
			_, err := client.OrderClose(ctx, request)
			return err
		},
	})
}

type reverseCommand struct {
	Number  string        `arg:"" help:"The merchant's number of the order."`
	Channel ksher.Channel `help:"How the order is paid, such as wechat."`
	yesFlag
	gatewayFlags
}

// Run undoes a doubtful charge.
func (r *reverseCommand) Run(ctx context.Context, s *screen) error {
	request := &ksher.OrderReverseRequest{MchOrderNo: r.Number, Channel: r.Channel}
	var flags []string
	if r.Channel != "" {
		flags = append(flags, "--channel="+string(r.Channel))
	}
	return r.end(ctx, s, r.Yes, ending{
		number: r.Number, host: ksher.HostMerchant, done: "reversed", command: "reverse", flags: flags, request: request,
		what: "This reverses the charge. If the buyer has paid, the money goes back.",
		send: func(ctx context.Context, client *ksher.Client) error {
			_, err := client.OrderReverse(ctx, request)
			return err
		},
	})
}

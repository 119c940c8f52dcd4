package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/notice"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// shopFlags say which shops a command may post to.
type shopFlags struct {
	AllowNotify []string `placeholder:"HOST" help:"Post to this host, too, beyond this machine and private networks: a name or an address. Can be given several times."`
}

// sender is what reaches the shop at that address.
func (f *shopFlags) sender(address string) (*notice.Sender, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, usage("%q is no address of a shop, such as http://localhost:3000/ksher/notify", address)
	}
	sender, err := notice.NewSender(f.AllowNotify...)
	if err != nil {
		return nil, usage("--allow-notify: %w", err)
	}
	return sender, nil
}

type triggerCommand struct {
	State    string `arg:"" enum:"paid,refunded,closed,failed" help:"What the notification says of the order: ${enum}. Ksher itself announces paid orders alone; the others show whether your shop looks."`
	To       string `required:"" placeholder:"URL" help:"Where your shop takes notifications."`
	Order    string `placeholder:"NUMBER" help:"The order's number, a new one without it."`
	Amount   string `default:"150.50" placeholder:"AMOUNT" help:"What it costs (${default})."`
	Currency string `default:"THB" placeholder:"CODE" help:"Its currency (${default})."`
	Channel  string `default:"truemoney" placeholder:"NAME" help:"How the buyer paid (${default})."`
	AppID    string `name:"app-id" default:"mch00000" placeholder:"ID" help:"The merchant's app ID (${default})."`
	Attach   string `placeholder:"TEXT" help:"What the shop attached to the order."`
	JSON     bool   `name:"json" help:"Print JSON."`
	shopFlags
}

// triggered is what a notification said, and what the shop answered.
type triggered struct {
	MchOrderNo string        `json:"mch_order_no"`
	TotalFee   ksher.Amount  `json:"total_fee"`
	FeeType    string        `json:"fee_type"`
	Channel    ksher.Channel `json:"channel"`
	Result     ksher.Result  `json:"result"`
	notice.Answer
}

// Run posts a rightly signed notification to a shop, and prints what it answered.
func (t *triggerCommand) Run(ctx context.Context, s *screen) error {
	sender, err := t.sender(t.To)
	if err != nil {
		return usageError{fmt.Errorf("--to: %w", err)}
	}
	total, err := ksher.ParseAmount(t.Amount)
	if err != nil || total <= 0 {
		return usage("--amount=%s is no amount such as 150.50", t.Amount)
	}
	if t.Order == "" {
		t.Order = ksher.NewOrderNo()
	}
	o := notice.Filled(ksher.Order{
		AppID: t.AppID, MchOrderNo: t.Order, TotalFee: total, FeeType: t.Currency, Channel: ksher.Channel(t.Channel),
		Result: t.result(), TimeEnd: time.Now().In(thailand), Attach: t.Attach,
	})
	answer, err := sender.Post(ctx, t.To, sandbox.SignedResponse(o))
	if err != nil {
		return err
	}
	said := triggered{o.MchOrderNo, o.TotalFee, o.FeeType, o.Channel, o.Result, answer}
	if err := t.show(s, said); err != nil {
		return err
	}
	switch {
	case answer.Status == 0:
		return fmt.Errorf("the shop at %s gave no answer: %s", t.To, answer.Text)
	case !answer.Accepted:
		return errors.New("the shop didn't accept it, so that Ksher would send it again. A shop that asks the gateway, as it should, " +
			"refuses what isn't paid there: create the order at the sandbox, and pay it on the dashboard")
	}
	return nil
}

func (t *triggerCommand) result() ksher.Result {
	return map[string]ksher.Result{
		"paid": ksher.ResultSuccess, "refunded": ksher.ResultRefund, "closed": ksher.ResultClosed, "failed": ksher.ResultPayError,
	}[t.State]
}

func (t *triggerCommand) show(s *screen, said triggered) error {
	if t.JSON {
		return s.printJSON(said)
	}
	accepted := "no"
	if said.Accepted {
		accepted = "yes"
	}
	return s.show(false, []field{
		{label: "Order", value: said.MchOrderNo}, {label: "Amount", value: said.TotalFee.String() + " " + said.FeeType},
		{label: "Said", value: string(said.Result)}, {label: "Answer", value: said.Answer.String()}, {label: "Accepted", value: accepted},
	})
}

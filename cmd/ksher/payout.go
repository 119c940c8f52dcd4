package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ksher-go/ksher"
)

type payoutCommand struct {
	Send payoutSendCommand `cmd:"" default:"withargs" help:"Pay money out of the balance."`
	Show payoutShowCommand `cmd:"" help:"Show what the gateway says of a payout."`
}

type payoutSendCommand struct {
	Amount       amountFlag `required:"" placeholder:"AMOUNT" help:"How much, as in 150.50, in THB."`
	To           string     `required:"" enum:"BANK,PROMPTPAY_NATID,PROMPTPAY_MSISDN" help:"What the receiver's number is: an account at a bank, a national ID, a telephone number (${enum})."`
	Bank         string     `placeholder:"CODE" help:"The code of the bank, such as 004."`
	ReceiverFile string     `required:"" type:"existingfile" placeholder:"FILE" help:"The file that has the receiver's number and nothing else, - for standard input. On a command line others could read it."`
	OrderNo      string     `name:"order-no" help:"The merchant's number of the payout. Without it one is made. With --yes it is required, so that a script that runs again doesn't pay again."`
	yesFlag
	gatewayFlags
}

// baht is the currency of payouts.
const baht = "THB"

// Run pays money out, at most once.
func (p *payoutSendCommand) Run(ctx context.Context, s *screen) error {
	switch {
	case p.Yes && p.OrderNo == "":
		return usage("name the payout with --order-no, so that a script that runs again doesn't pay again")
	case p.ReceiverFile == "-" && !p.Yes:
		return usage("the receiver's number comes from standard input, so nobody can be asked: add --yes, or name a file")
	}
	client, err := p.client(s)
	if err != nil {
		return err
	}
	receiver, err := p.receiver(s.In)
	if err != nil {
		return err
	}
	request := &ksher.PayoutRequest{
		MchOrderNo: p.OrderNo, TotalFee: ksher.Amount(p.Amount), FeeType: baht,
		ReceiverType: p.To, ReceiverNo: receiver, ReceiverBankCode: p.Bank,
	}
	if p.OrderNo == "" {
		request.MchOrderNo = ksher.NewOrderNo()
	} else if err := p.within(ctx, func(ctx context.Context) error { return p.unused(ctx, client) }); err != nil {
		return err
	}
	fmt.Fprintf(s.Err, "The payout's number is %s. Keep it: without it nobody can ask what became of it.\n", request.MchOrderNo)
	question := append(p.account(ksher.HostMerchant), []string{"Payout", request.MchOrderNo}, []string{"Amount", request.TotalFee.Display(baht)},
		[]string{"To", p.To + " " + p.Bank}, []string{"Number", "ends in " + lastDigits(receiver)})
	if err := s.confirm(ctx, p.Yes, append(lines(question), "This pays the money out. It can't be taken back.")...); err != nil {
		return err
	}
	err = p.within(ctx, func(ctx context.Context) error { return p.send(ctx, client, request) })
	if err != nil {
		return err
	}
	fields := []field{{"mch_order_no", "Payout", request.MchOrderNo}, {"total_fee", "Amount", request.TotalFee.String()}, {"fee_type", "Currency", baht}, {"verdict", "Outcome", "taken on"}}
	return p.tell(s, fields, "payout show", request.MchOrderNo, "--amount="+request.TotalFee.String())
}

// lastDigits are what is shown of a receiver's number, to tell it from another.
func lastDigits(number ksher.Secret) string {
	digits := number.Reveal()
	return digits[max(len(digits)/2, len(digits)-4):]
}

// receiver reads the receiver's number.
func (p *payoutSendCommand) receiver(stdin io.Reader) (ksher.Secret, error) {
	from := stdin
	if p.ReceiverFile != "-" {
		file, err := os.Open(p.ReceiverFile)
		if err != nil {
			return ksher.Secret{}, usageError{err}
		}
		defer file.Close()
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, maxReceiver+1))
	if err != nil {
		return ksher.Secret{}, err
	}
	number := ksher.NewSecret(strings.TrimPrefix(string(text), "\ufeff"))
	other := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(text) > maxReceiver || strings.ContainsFunc(number.Reveal(), other) {
		return ksher.Secret{}, usage("--receiver-file has more than the receiver's number: nothing was sent")
	}
	return number, nil
}

// maxReceiver is how much a receiver's file may have. What is cut off would be the number of
// somebody else.
const maxReceiver = 1 << 10

// unused makes sure that the gateway knows no payout under the number.
func (p *payoutSendCommand) unused(ctx context.Context, client *ksher.Client) error {
	_, err := client.OrderQueryPayout(ctx, &ksher.OrderQueryPayoutRequest{MchOrderNo: p.OrderNo})
	switch {
	case notFound(err):
		return nil
	case unanswered(err):
		return unsure(fmt.Sprintf("payout %q was sent", p.OrderNo), err, p.goOn(p.OrderNo))
	case err != nil:
		return fmt.Errorf("nothing was sent, because it isn't known whether the number was used before: %w", err)
	}
	// No refusal either: a script that runs again, as after a crash, mustn't pay under another number.
	return unfinished{incomplete{fmt.Errorf("nothing was sent now: payout %q: %w, and a payout is never sent twice", p.OrderNo, ksher.ErrDuplicate)}, p.goOn(p.OrderNo)}
}

// goOn is the command that tells what became of a payout.
func (p *payoutSendCommand) goOn(number string) string {
	return p.again("payout show", number, "--amount="+ksher.Amount(p.Amount).String())
}

// send sends the payout once, and in doubt asks what became of it.
func (p *payoutSendCommand) send(ctx context.Context, client *ksher.Client, request *ksher.PayoutRequest) error {
	_, err := client.Payout(ctx, request)
	if !undecided(err) {
		return err
	}
	found, failed := client.Resolve(ctx, request)
	switch {
	case failed == nil && found.Verdict == ksher.VerdictCarriedOut:
		return nil
	case failed == nil && found.Verdict == ksher.VerdictNotCarriedOut:
		return fmt.Errorf("payout %q failed, its result is %q", request.MchOrderNo, found.Payout.Result)
	}
	return unfinished{err, p.goOn(request.MchOrderNo)}
}

type payoutShowCommand struct {
	Number string     `arg:"" help:"The merchant's number of the payout."`
	Amount amountFlag `placeholder:"AMOUNT" help:"What it was to be, as in 150.50. With it the exit status tells what became of the payout: 0 paid out, 1 failed, 3 not known."`
	gatewayFlags
}

// Run shows a payout.
func (p *payoutShowCommand) Run(ctx context.Context, s *screen) error {
	client, err := p.client(s)
	if err != nil {
		return err
	}
	var payout *ksher.OrderQueryPayoutResponse
	var verdict ksher.Verdict
	err = p.within(ctx, func(ctx context.Context) (err error) {
		if p.Amount == 0 {
			payout, err = client.OrderQueryPayout(ctx, &ksher.OrderQueryPayoutRequest{MchOrderNo: p.Number})
			return err
		}
		found, err := client.Resolve(ctx, &ksher.PayoutRequest{MchOrderNo: p.Number, TotalFee: ksher.Amount(p.Amount), FeeType: baht})
		if err == nil {
			payout, verdict = found.Payout, found.Verdict
		}
		return err
	})
	if err != nil && p.Amount != 0 && !errors.As(err, new(*ksher.ValidationError)) { // Status 1 would say that the payout failed.
		return unfinished{incomplete{fmt.Errorf("it isn't known what became of payout %q, so pay nothing again: %w", p.Number, err)},
			p.again("payout show", p.Number, "--amount="+ksher.Amount(p.Amount).String())}
	}
	if err != nil {
		return err
	}
	fields := []field{{"mch_order_no", "Payout", p.Number}, {"verdict", "Outcome", string(verdict)}}
	if payout != nil {
		fields = append(fields, field{"result", "Result", string(payout.Result)}, field{"total_fee", "Amount", payout.TotalFee.String()}, field{"time_end", "At", timeOf(payout.TimeEnd)},
			field{"mdr", "Fee", payout.MDR}, field{"ksher_order_no", "Ksher's number", payout.KsherOrderNo}, field{"channel_order_no", "Channel's number", payout.ChannelOrderNo})
	}
	if err := s.show(p.JSON, fields); err != nil {
		return err
	}
	switch verdict {
	case ksher.VerdictNotCarriedOut:
		return fmt.Errorf("payout %q failed", p.Number)
	case ksher.VerdictStillUnknown:
		return fmt.Errorf("payout %q: %w: pay nothing again, and ask later", p.Number, ksher.ErrOutcomeUnknown)
	}
	return nil
}

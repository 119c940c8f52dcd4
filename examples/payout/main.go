// Command payout pays money out, and finds out what became of a payout whose
// answer got lost.
//
// Without an account it starts a gateway of its own, whose connection breaks in
// the middle of a payout:
//
//	go run ./examples/payout
//
// With KSHER_APPID and KSHER_PRIVATE_KEY set it shows the real balance, and pays
// nothing. The other variables are those of ksher.ClientFromEnv.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if os.Getenv("KSHER_APPID") != "" {
		client, err := ksher.ClientFromEnv()
		if err != nil {
			return err
		}
		return showBalance(ctx, client)
	}

	gateway, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer gateway.Close()
	fmt.Println("A gateway runs inside this program. No account is needed, and no money moves.")
	if err := showBalance(ctx, gateway.Client); err != nil {
		return err
	}

	fmt.Println("\nThe first payout, to a bank account, goes well.")
	if err := payOut(ctx, gateway.Client, 1500_00, receiver{kind: "BANK", no: ksher.NewSecret("9876543210"), bank: "014"}); err != nil {
		return err
	}

	fmt.Println("\nThe second one, to a PromptPay number, is made, but the connection breaks before the answer comes.")
	if err := gateway.Inject(kshertest.Fault{Operation: "payout", Kind: kshertest.FaultDropAfter}); err != nil {
		return err
	}
	if err := payOut(ctx, gateway.Client, 2000_00, receiver{kind: "PROMPTPAY_MSISDN", no: ksher.NewSecret("0812345678")}); err != nil {
		return err
	}

	fmt.Println()
	return showBalance(ctx, gateway.Client)
}

func showBalance(ctx context.Context, client *ksher.Client) error {
	answer, err := client.GetPayoutBalance(ctx, &ksher.GetPayoutBalanceRequest{FeeType: "THB"})
	if err != nil {
		return err
	}
	fmt.Printf("There are %v THB to pay out.\n", answer.Balance)
	return nil
}

// receiver is where money goes. No log has its number, which is a ksher.Secret.
type receiver struct {
	kind string
	no   ksher.Secret
	bank string
}

// payOut pays a receiver, once.
func payOut(ctx context.Context, client *ksher.Client, amount ksher.Amount, to receiver) error {
	req := &ksher.PayoutRequest{
		// A real program writes number, amount and receiver to its database here,
		// before it pays.
		MchOrderNo:   ksher.NewOrderNo(),
		TotalFee:     amount,
		FeeType:      "THB",
		ReceiverType: to.kind, ReceiverNo: to.no, ReceiverBankCode: to.bank,
	}
	fmt.Printf("Paying out %v %s under %s.\n", req.TotalFee, req.FeeType, req.MchOrderNo)
	_, err := client.Payout(ctx, req)
	if errors.Is(err, ksher.ErrOutcomeUnknown) {
		fmt.Printf("It is in doubt: %v.\n", err)
		return resolve(ctx, client, req)
	}
	if err != nil {
		// Among others from 02:30 to 03:00 Thai time: it can be paid out afterwards.
		return fmt.Errorf("nothing was paid: %w", err)
	}
	fmt.Println("It is paid out.")
	return nil
}

// resolve finds out what became of a payout in doubt. It never pays.
func resolve(ctx context.Context, client *ksher.Client, req *ksher.PayoutRequest) error {
	fmt.Println("Nothing is paid again. The gateway is asked what it knows of this number.")
	found, err := client.Resolve(ctx, req)
	switch {
	case err != nil:
		return fmt.Errorf("that isn't known yet: pay nothing, and ask again in a few minutes: %w", err)
	case found.Verdict == ksher.VerdictCarriedOut:
		fmt.Printf("It says %s, %v %s: it is paid out.\n", found.Payout.Result, found.Payout.TotalFee, req.FeeType)
	case found.Verdict == ksher.VerdictNotCarriedOut:
		fmt.Printf("It says %s: it has failed. If the balance agrees, it can be paid under a new number.\n", found.Payout.Result)
	default:
		fmt.Println("That isn't known yet. Pay nothing, and ask again in a few minutes; if it stays so, ask Ksher.")
	}
	return nil
}

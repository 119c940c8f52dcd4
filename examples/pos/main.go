// Command pos is a till: it charges the code that a buyer shows on the phone.
//
// Without an account it starts a gateway of its own and plays three buyers, of
// whom the last one takes a minute:
//
//	go run ./examples/pos
//
// With KSHER_APPID and KSHER_PRIVATE_KEY set, and the code from a real buyer's
// phone as its argument, it charges that buyer 1 THB. The other variables are those
// of ksher.ClientFromEnv:
//
//	go run ./examples/pos 287634438256643900
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
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var err error
	switch len(os.Args) {
	case 1:
		err = play(ctx)
	case 2:
		err = charge(ctx, os.Args[1])
	default:
		err = errors.New("give one code, or none")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// charge charges a real buyer.
func charge(ctx context.Context, code string) error {
	client, err := ksher.ClientFromEnv(ksher.WithHook(say))
	if err != nil {
		return fmt.Errorf("to charge a real code takes an account; without a code this plays buyers of its own: %w", err)
	}
	return sell(ctx, client, ksher.NewOrderNo(), code)
}

// play sells to three buyers of its own making. The last two digits of their
// codes tell the gateway who they are.
func play(ctx context.Context) error {
	gateway, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer gateway.Close()
	client, err := gateway.NewClient(ksher.WithHook(say))
	if err != nil {
		return err
	}
	fmt.Println("A gateway runs inside this program. No account is needed, and no money moves.")

	fmt.Println("\nThe first buyer shows a code.")
	if err := sell(ctx, client, ksher.NewOrderNo(), "287634438256643900"); err != nil {
		return err
	}

	fmt.Println("\nThe second buyer shows a code, and has to type a PIN.")
	no := ksher.NewOrderNo()
	go func() {
		time.Sleep(2 * time.Second)
		fmt.Println("The buyer types the PIN.")
		if err := gateway.Pay(no, ""); err != nil {
			fmt.Println(err)
		}
	}()
	if err := sell(ctx, client, no, "287634438256643901"); err != nil {
		return err
	}

	fmt.Println("\nThe third buyer shows a code, and never types the PIN. That takes a minute.")
	return sell(ctx, client, ksher.NewOrderNo(), "134567890123456701")
}

// sell takes the payment for a coffee.
func sell(ctx context.Context, client *ksher.Client, no, code string) error {
	payments, err := ksher.NewPayments(client, func(context.Context, *ksher.Order) error { return nil }) // Open the drawer.
	if err != nil {
		return err
	}
	order, err := payments.Charge(ctx, &ksher.QuickPayRequest{
		MchOrderNo: no,
		TotalFee:   1_00, // 1.00 THB
		FeeType:    "THB",
		AuthCode:   ksher.NewSecret(code),
	})
	switch {
	case err == nil:
		fmt.Printf("Paid: %v %s by %s. Hand out the coffee.\n", order.TotalFee, order.FeeType, order.Channel)
	case errors.Is(err, ksher.ErrNotPaid):
		fmt.Printf("Not paid, and the buyer isn't charged: %v. Keep the coffee, and sell it under a new order number.\n", err)
	case errors.Is(err, ksher.ErrNeedsPerson):
		return fmt.Errorf("keep the coffee and the buyer, and call the manager: %w", err)
	default:
		return fmt.Errorf("the buyer isn't charged: %w", err)
	}
	return nil
}

// say tells each request to the gateway.
func say(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
	return ctx, func(a ksher.Attempt) { fmt.Printf("  %s %s: %s\n", a.Operation, a.OrderNo, a.Outcome()) }
}

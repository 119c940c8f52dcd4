package ksher_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

func payoutTo(no string, satang ksher.Amount) *ksher.PayoutRequest {
	return &ksher.PayoutRequest{
		MchOrderNo: no,
		TotalFee:   satang,
		FeeType:    "THB",
		// The names are invented: Ksher gives the real ones with the contract.
		ReceiverType: "PROMPTPAY_MSISDN", ReceiverNo: ksher.NewSecret("0812345678"),
	}
}

// Pay money out, and tell what is certain from what isn't.
func ExampleClient_Payout() {
	gateway, client := startGateway()
	defer gateway.Close()

	_, err := client.Payout(context.Background(), payoutTo("P-1001", 150_00)) // 150.00 THB
	var failed *ksher.Error
	switch {
	case err == nil:
		fmt.Println("paid out")
	case errors.Is(err, ksher.ErrOutcomeUnknown):
		fmt.Println("in doubt: pay nothing again, and call Resolve")
	case errors.As(err, &failed):
		fmt.Println("refused:", failed.Code)
	default:
		fmt.Println("not sent:", err)
	}
	// Output: paid out
}

// Ask where a payout stands that is on its way.
func ExampleClient_OrderQueryPayout() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.Payout(ctx, payoutTo("P-1002", 150_01)) // At the local gateway, 01 at the end makes it wait.

	state, err := client.OrderQueryPayout(ctx, &ksher.OrderQueryPayoutRequest{MchOrderNo: "P-1002"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.Result, state.TotalFee, state.FeeType)
	// Output: PENDING 150.01 THB
}

// Ask how much is left to pay out.
func ExampleClient_GetPayoutBalance() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.Payout(ctx, payoutTo("P-1003", 150_00))

	answer, err := client.GetPayoutBalance(ctx, &ksher.GetPayoutBalanceRequest{FeeType: "THB"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Balance, answer.FeeType)
	// Output: 99850.00 THB
}

// Find out what became of a payout whose answer got lost. It is never sent again.
func ExampleClient_Resolve_payout() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	gateway.Inject(kshertest.Fault{Operation: "payout", Kind: kshertest.FaultDropAfter})
	req := payoutTo("P-1004", 150_00)
	_, err := client.Payout(ctx, req)
	fmt.Println("in doubt:", errors.Is(err, ksher.ErrOutcomeUnknown))

	found, err := client.Resolve(ctx, req)
	switch {
	case err != nil:
		fmt.Println("pay nothing, and try again in a few minutes:", err)
	case found.Verdict == ksher.VerdictCarriedOut:
		fmt.Println("it was paid")
	case found.Verdict == ksher.VerdictNotCarriedOut:
		fmt.Println("it has failed: it can be paid under a new number")
	default:
		fmt.Println("pay nothing, and try again in a few minutes")
	}
	// Output:
	// in doubt: true
	// it was paid
}

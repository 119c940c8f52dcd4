package ksher_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/ksher-go/ksher"
)

// Charge the code that a buyer shows at the till, whatever comes in between.
func ExamplePayments_Charge() {
	gateway, client := startGateway()
	defer gateway.Close()
	payments, err := ksher.NewPayments(client, func(_ context.Context, o *ksher.Order) error {
		fmt.Println("book", o.MchOrderNo)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	order, err := payments.Charge(context.Background(), &ksher.QuickPayRequest{
		MchOrderNo: "A-1013",
		TotalFee:   150_50, // 150.50 THB
		FeeType:    "THB",
		AuthCode:   ksher.NewSecret("287634438256643900"), // from the scanner
	})
	var failed *ksher.Error
	switch {
	case err == nil:
		fmt.Println("paid by", order.Channel)
	case errors.Is(err, ksher.ErrNotPaid):
		fmt.Println("not charged, or the money is back: keep the goods")
	case errors.Is(err, ksher.ErrNeedsPerson):
		fmt.Println("call somebody who looks at the merchant platform")
	case errors.As(err, &failed):
		fmt.Println("refused:", failed.Code)
	default:
		fmt.Println("not sent:", err)
	}
	// Output:
	// book A-1013
	// paid by alipay
}

// Charge a code, and leave what comes of a doubt to code of your own.
// [ksher.Payments.Charge] does it for you.
func ExampleClient_QuickPay() {
	gateway, client := startGateway()
	defer gateway.Close()

	req := &ksher.QuickPayRequest{
		MchOrderNo: "A-1014",
		TotalFee:   150_50, // 150.50 THB
		FeeType:    "THB",
		AuthCode:   ksher.NewSecret("287634438256643901"), // The local gateway's buyer has to type a PIN.
	}
	_, err := client.QuickPay(context.Background(), req)
	if errors.Is(err, ksher.ErrOutcomeUnknown) {
		found, err := client.Resolve(context.Background(), req)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(found.Verdict, found.Order.Result)
	}
	// Output: still unknown USERPAYING
}

// Undo a charge that stays in doubt, so that the buyer gets the money back.
func ExampleClient_OrderReverse() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.QuickPay(ctx, &ksher.QuickPayRequest{MchOrderNo: "A-1015", TotalFee: 150_50, FeeType: "THB", AuthCode: ksher.NewSecret("287634438256643901")})

	if _, err := client.OrderReverse(ctx, &ksher.OrderReverseRequest{MchOrderNo: "A-1015"}); err != nil {
		log.Fatal(err)
	}
	state, err := client.OrderQuery(ctx, &ksher.OrderQueryRequest{MchOrderNo: "A-1015"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.Result)
	// Output: CLOSED
}

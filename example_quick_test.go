package ksher_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ksher-go/ksher"
)

// Charge the code that a buyer shows at the till, whatever comes in between.
func ExampleClient_TakeQuickPay() {
	gateway, client := startGateway()
	defer gateway.Close()

	order, err := client.TakeQuickPay(context.Background(), &ksher.QuickPayRequest{
		MchOrderNo: "A-1013",
		TotalFee:   150_50, // 150.50 THB
		FeeType:    "THB",
		AuthCode:   "287634438256643900", // from the scanner
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
	// Output: paid by alipay
}

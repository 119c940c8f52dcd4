package migrate_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/vip"
	"github.com/ksher-go/ksher/vip/migrate"
)

// The shop makes its vip request as ever, and this becomes of it.
func ExampleShop_GatewayPay() {
	shop := migrate.Shop{
		FeeType:   "THB",
		NotifyURL: "https://shop.example/ksher",
		ReferURL:  "https://shop.example/cart",
	}
	order, err := shop.GatewayPay(&vip.RedirectRequest{
		MerchantOrderID: "A-1001",
		Amount:          150_50, // 150.50 THB
		RedirectURL:     "https://shop.example/thanks",
		RedirectURLFail: "https://shop.example/sorry",
		Channel:         []string{"truemoney", "card"},
		ProductName:     "Two bags of coffee",
		Note:            "table 5",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(order.MchOrderNo, order.TotalFee, order.FeeType, order.ChannelList, order.Attach)
	// Output: A-1001 150.50 THB [truemoney card] table 5
}

// What can't be carried over is named, all of it. The shop decides that it can do
// without by clearing the fields.
func ExampleShop_QuickPay() {
	shop := migrate.Shop{FeeType: "THB"}
	charge := &vip.BScanCRequest{
		MerchantOrderID: "A-1002",
		Amount:          150_50, // 150.50 THB
		Channel:         "alipay",
		AuthCode:        ksher.NewSecret("287634438256643900"),
		MID:             "mch35618",
		Provider:        "my",
		DeviceID:        "till 2",
	}
	_, err := shop.QuickPay(charge)
	var failed *migrate.Error
	if errors.As(err, &failed) {
		for _, f := range failed.Fields {
			fmt.Println(f.Field, f.Problem)
		}
	}

	without := *charge
	without.MID, without.Provider = "", ""
	order, err := shop.QuickPay(&without)
	fmt.Println(order.MchOrderNo, order.DeviceID, err)
	// Output:
	// mid has no counterpart at api.ksher.net
	// provider has no counterpart at api.ksher.net
	// A-1002 till 2 <nil>
}

// A refund has to say what the order cost.
func ExampleShop_OrderRefund() {
	shop := migrate.Shop{FeeType: "THB"}
	refund, err := shop.OrderRefund(vip.KindCScanB, &vip.RefundRequest{
		MerchantOrderID: "A-1003",
		RefundOrderID:   "A-1003-R1",
		RefundAmount:    50_00, // 50.00 THB
	}, 150_50)
	fmt.Println(refund.RefundFee, "of", refund.TotalFee, refund.FeeType, err)

	_, err = shop.OrderRefund(vip.KindRedirect, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-1"}, 150_50)
	fmt.Println(err)
	// Output:
	// 50.00 of 150.50 THB <nil>
	// migrate: order_refund of order "A-1": kind is "redirect", and order_refund is for [cscanb bscanc miniapp app]: see Refund
}

// One kind of status serves the orders of both.
func ExampleResult() {
	result, err := migrate.Result(&vip.Order{Status: vip.StatusAvailable, ErrorCode: vip.CodePending})
	fmt.Println(result, result.Final(), err)
	result, err = migrate.Result(&vip.Order{Status: vip.StatusRefunded, ErrorCode: vip.CodeRefunded})
	fmt.Println(result == ksher.ResultRefund, result.Final(), err)
	// Output:
	// PENDING false <nil>
	// true true <nil>
}

// A QR code, a mini program and an app.
func ExampleShop_NativePay() {
	shop := migrate.Shop{FeeType: "THB", NotifyURL: "https://shop.example/ksher", ReferURL: "https://shop.example/cart"}
	code, err := shop.NativePay(&vip.CScanBRequest{MerchantOrderID: "A-1004", Amount: 150_50, Channel: "promptpay"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(code.MchOrderNo, code.TotalFee, code.Channel)
	program, err := shop.MiniProgramPay(&vip.MiniAppRequest{MerchantOrderID: "A-1005", Amount: 150_50, Channel: "wechat",
		MiniAppOpenID: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", MiniAppAppID: "wx2421b1c4370ec43b"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(program.MchOrderNo, program.TotalFee, program.Channel)
	app, err := shop.AppPay(&vip.AppRequest{MerchantOrderID: "A-1006", Amount: 150_50, Channel: "alipay"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(app.MchOrderNo, app.TotalFee, app.Channel)
	// Output:
	// A-1004 150.50 promptpay
	// A-1005 150.50 wechat
	// A-1006 150.50 alipay
}

// An order's kind decides which operation asks about it, closes it and refunds it.
func ExampleOrderQuery() {
	ask := &vip.QueryRequest{MerchantOrderID: "A-1007"}
	page, err := migrate.GatewayOrderQuery(vip.KindRedirect, ask)
	fmt.Println(page.MchOrderNo, err)
	code, err := migrate.OrderQuery(vip.KindCScanB, ask)
	fmt.Println(code.MchOrderNo, err)
	_, err = migrate.OrderQuery(vip.KindRedirect, ask)
	fmt.Println(err)
	// Output:
	// A-1007 <nil>
	// A-1007 <nil>
	// migrate: order_query of order "A-1007": kind is "redirect", and order_query is for [cscanb bscanc miniapp app]: see GatewayOrderQuery
}

// Close an order: a page, a code on a screen, and a charge at a till.
func ExampleCancelOrder() {
	end := &vip.CancelRequest{MerchantOrderID: "A-1008"}
	page, err := migrate.CancelOrder(vip.KindRedirect, end)
	fmt.Println(page.MchOrderNo, err)
	code, err := migrate.OrderClose(vip.KindCScanB, end)
	fmt.Println(code.MchOrderNo, err)
	till, err := migrate.OrderReverse(vip.KindBScanC, end)
	fmt.Println(till.MchOrderNo, err)
	// Output:
	// A-1008 <nil>
	// A-1008 <nil>
	// A-1008 <nil>
}

// Refund an order with a checkout page.
func ExampleRefund() {
	refund, err := migrate.Refund(vip.KindRedirect, &vip.RefundRequest{MerchantOrderID: "A-1009", RefundOrderID: "A-1009-R1", RefundAmount: 50_00})
	fmt.Println(refund.MchRefundNo, refund.RefundFee, refund.Host == ksher.HostGateway, err)
	// Output: A-1009-R1 50.00 true <nil>
}

package ksher_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ksher-go/ksher"
)

// Ask once at start which zone the times of the answers are in, and which
// channels the account has.
func ExampleClient_MerchantInfo() {
	gateway, client := startGateway()
	defer gateway.Close()

	info, err := client.MerchantInfo(context.Background(), &ksher.MerchantInfoRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	zone, err := info.Location()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("times are in", zone) // For WithLocation.
	for _, c := range info.MchSupportChannel[:2] {
		fmt.Println(c.PayChannel, "is settled", c.SettlementTimeType)
	}
	// Output:
	// times are in UTC+07:00
	// promptpay is settled T+1
	// truemoney is settled T+1
}

// Offer a kiosk's buyers those channels that this merchant has a QR code for.
func ExampleMerchantInfoResponse_Channels() {
	gateway, client := startGateway()
	defer gateway.Close()

	info, err := client.MerchantInfo(context.Background(), &ksher.MerchantInfoRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range info.Channels() {
		if c.NativePayOffline || c.NativePayOnline {
			fmt.Println(c.Name)
		}
	}
	// Output:
	// PromptPay
	// TrueMoney
	// ShopeePay
	// QR credit/debit card
	// WeChat Pay
	// Alipay
	// Alipay+
}

// Ask for a rate to show beside the price.
func ExampleClient_RateQuery() {
	gateway, client := startGateway()
	defer gateway.Close()

	rate, err := client.RateQuery(context.Background(), &ksher.RateQueryRequest{
		Channel: ksher.ChannelWeChat,
		FeeType: "THB",
		Date:    time.Now().Format("20060102"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rate.Rate)
	// Output: 1.000000
}

// Report what was settled of a day, and compare it with the shop's own books: no
// signature covers the rows.
func ExampleClient_GetSettlementInfo() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	sold, err := client.QuickPay(ctx, &ksher.QuickPayRequest{MchOrderNo: "A-1021", TotalFee: 150_50, FeeType: "THB", AuthCode: ksher.NewSecret("287634438256643900")})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := gateway.Settle("A-1021"); err != nil { // The day is over, and Ksher pays.
		fmt.Println(err)
		return
	}

	day := sold.TimeEnd.Format(time.DateOnly)
	report, err := client.GetSettlementInfo(ctx, &ksher.GetSettlementInfoRequest{BeginDate: day, EndDate: day})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range report.SettlementData {
		fmt.Println(row.PayChannel, row.SettlementAmount, "of which", row.TransferAmount, "went to the bank")
	}
	// Output: alipay 150.50 of which 150.50 went to the bank
}

package ksher_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// The examples talk to a local gateway, which plays Ksher and the buyer.

func startGateway() (*kshertest.Gateway, *ksher.Client) {
	gateway, err := kshertest.Start()
	if err != nil {
		log.Fatal(err)
	}
	return gateway, gateway.Client
}

func order(no string) *ksher.GatewayPayRequest {
	return &ksher.GatewayPayRequest{
		MchOrderNo:         no,
		MchCode:            no,
		TotalFee:           150_50, // 150.50 THB
		FeeType:            "THB",
		ChannelList:        []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard},
		ProductName:        "Two bags of coffee",
		ReferURL:           "https://shop.example/cart",
		MchRedirectURL:     "https://shop.example/thanks",
		MchRedirectURLFail: "https://shop.example/sorry",
		MchNotifyURL:       "https://shop.example/ksher/notify",
	}
}

// A program makes one client and shares it.
func ExampleNewClient() {
	// In production: os.Getenv("KSHER_PRIVATE_KEY"), and your own app ID.
	key, err := ksher.ParsePrivateKey([]byte(kshertest.PrivateKeyPEM()))
	if err != nil {
		log.Fatal(err)
	}
	client, err := ksher.NewClient(kshertest.AppID, key, ksher.WithTimeout(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client)
	// Output: ksher.Client(mch00000)
}

// Create an order and send the buyer to its checkout page.
func ExampleClient_GatewayPay() {
	gateway, client := startGateway()
	defer gateway.Close()

	page, err := client.GatewayPay(context.Background(), &ksher.GatewayPayRequest{
		MchOrderNo:         "A-1001",
		MchCode:            "A-1001",
		TotalFee:           150_50, // 150.50 THB
		FeeType:            "THB",
		ChannelList:        []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelCard},
		ProductName:        "Two bags of coffee",
		ReferURL:           "https://shop.example/cart",
		MchRedirectURL:     "https://shop.example/thanks",
		MchRedirectURLFail: "https://shop.example/sorry",
		MchNotifyURL:       "https://shop.example/ksher/notify",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("send the buyer to the page:", page.PayContent != "")
	// Output: send the buyer to the page: true
}

// Parameters that this package doesn't know are added by name, and signed.
func ExampleExtra() {
	gateway, client := startGateway()
	defer gateway.Close()

	req := order("A-1002")
	req.Extra = ksher.Extra{Params: map[string]string{"store_id": "bangkok-7"}}
	if _, err := client.GatewayPay(context.Background(), req); err != nil {
		log.Fatal(err)
	}
	kept, _ := gateway.Order("A-1002")
	fmt.Println(kept.Params.Get("store_id"))
	// Output: bangkok-7
}

// Learn for certain whether an order was paid.
func ExampleClient_GatewayOrderQuery() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.GatewayPay(ctx, order("A-1003"))
	gateway.Pay("A-1003", ksher.ChannelTrueMoney) // The buyer pays.

	state, err := client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-1003"})
	if err != nil {
		log.Fatal(err)
	}
	if err := state.CheckPaid("A-1003", 150_50, "THB"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.Result, state.TotalFee, state.FeeType, state.Channel)
	// Output: SUCCESS 150.50 THB truemoney
}

// Close the checkout page of an order that isn't paid. Keep an eye on it: a QR
// code that the buyer has saved may still be paid.
func ExampleClient_CancelOrder() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.GatewayPay(ctx, order("A-1004"))

	if _, err := client.CancelOrder(ctx, &ksher.CancelOrderRequest{MchOrderNo: "A-1004"}); err != nil {
		log.Fatal(err)
	}
	state, err := client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-1004"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.Result)
	// Output: CLOSED
}

// Refund part of an order, of either host, to a known end.
func ExampleClient_Refund() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.GatewayPay(ctx, order("A-1005"))
	gateway.Pay("A-1005", ksher.ChannelCard)

	refund, err := client.Refund(ctx, &ksher.RefundRequest{
		MchOrderNo:  "A-1005",
		Host:        ksher.HostGateway,
		MchRefundNo: "A-1005-R1", // Keep it: the same number never refunds twice.
		RefundFee:   50_00,
	})
	if errors.Is(err, ksher.ErrOutcomeUnknown) {
		log.Fatal("call Refund again with the same request, later: ", err)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(refund.MchRefundNo, refund.MchRefundFee)
	// Output: A-1005-R1 50.00
}

// Show a QR code and ask whether it was paid.
func ExampleClient_NativePay() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()

	code, err := client.NativePay(ctx, &ksher.NativePayRequest{
		MchOrderNo: "K-2001",
		TotalFee:   40_00,
		FeeType:    "THB",
		Channel:    ksher.ChannelPromptPay,
	})
	if err != nil {
		log.Fatal(err)
	}
	image, mediaType, err := code.Image()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(mediaType, len(image) > 0)
	// Output: image/png true
}

// Ask where an order stands that was made with NativePay.
func ExampleClient_OrderQuery() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.NativePay(ctx, &ksher.NativePayRequest{MchOrderNo: "K-2002", TotalFee: 40_00, FeeType: "THB", Channel: ksher.ChannelWeChat})

	for _, buyer := range []func(){func() {}, func() { gateway.Pay("K-2002", ksher.ChannelWeChat) }} {
		buyer()
		state, err := client.OrderQuery(ctx, &ksher.OrderQueryRequest{MchOrderNo: "K-2002"})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(state.Result, "final:", state.Result.Final(), "paid:", state.Result.Paid())
	}
	// Output:
	// NOTPAY final: false paid: false
	// SUCCESS final: true paid: true
}

// Close an order that was made with NativePay and isn't paid.
func ExampleClient_OrderClose() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.NativePay(ctx, &ksher.NativePayRequest{MchOrderNo: "K-2003", TotalFee: 40_00, FeeType: "THB", Channel: ksher.ChannelWeChat})

	closed, err := client.OrderClose(ctx, &ksher.OrderCloseRequest{MchOrderNo: "K-2003"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(closed.MchOrderNo, "is closed")
	// Output: K-2003 is closed
}

// Refund an order that was made with NativePay, and see where the refund
// stands.
func ExampleClient_OrderRefund() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.NativePay(ctx, &ksher.NativePayRequest{MchOrderNo: "K-2004", TotalFee: 40_00, FeeType: "THB", Channel: ksher.ChannelWeChat})
	gateway.Pay("K-2004", ksher.ChannelWeChat)

	if _, err := client.OrderRefund(ctx, &ksher.OrderRefundRequest{
		MchOrderNo:  "K-2004",
		MchRefundNo: "K-2004-R1",
		RefundFee:   15_00,
		TotalFee:    40_00,
		FeeType:     "THB",
	}); err != nil {
		log.Fatal(err)
	}
	refunds, err := client.RefundQuery(ctx, &ksher.RefundQueryRequest{MchOrderNo: "K-2004", MchRefundNo: "K-2004-R1"})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range refunds.RefundOrders {
		fmt.Println(r.MchRefundNo, r.RefundState, r.MchRefundFee)
	}
	// Output: K-2004-R1 REFUNDSUCCESS 15.00
}

// Ask where a refund stands, also after an ErrOutcomeUnknown.
func ExampleClient_RefundQuery() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.NativePay(ctx, &ksher.NativePayRequest{MchOrderNo: "K-2005", TotalFee: 40_00, FeeType: "THB", Channel: ksher.ChannelWeChat})
	gateway.Pay("K-2005", ksher.ChannelWeChat)

	_, err := client.RefundQuery(ctx, &ksher.RefundQueryRequest{MchOrderNo: "K-2005", MchRefundNo: "K-2005-R1"})
	fmt.Println("no such refund:", errors.Is(err, ksher.CodeInvalidOrderNo))
	// Output: no such refund: true
}

// Receive notifications. The function gets Ksher's own answer, and runs once for each
// order that is paid as the books expect.
func ExamplePayments_Notifications() {
	gateway, client := startGateway()
	defer gateway.Close()
	books := map[string]ksher.OpenOrder{} // Your database.

	paid := make(chan struct{})
	payments, err := ksher.NewPayments(client, func(_ context.Context, o *ksher.Order) error {
		fmt.Println("paid:", o.MchOrderNo, o.TotalFee)
		close(paid)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	notifications, err := payments.Notifications(func(_ context.Context, mchOrderNo string) (ksher.OpenOrder, error) {
		order, ok := books[mchOrderNo]
		if !ok {
			return order, ksher.ErrNotOurs
		}
		return order, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// In production: http.Handle("/ksher/notify", notifications)
	shop := httptest.NewServer(notifications)
	defer shop.Close()

	req := order("A-1006")
	req.MchNotifyURL = shop.URL + "/ksher/notify"
	books["A-1006"] = req.OpenOrder() // Before it is sent.
	client.GatewayPay(context.Background(), req)
	gateway.Pay("A-1006", ksher.ChannelTrueMoney)
	<-paid // The gateway notifies by itself.
	// Output: paid: A-1006 150.50
}

// Put notifications into a queue, and let a worker deal with them.
func ExampleNewReceiver() {
	gateway, client := startGateway()
	defer gateway.Close()
	queue := make(chan []byte, 10) // In production one that survives a crash.
	receiver, err := ksher.NewReceiver(kshertest.Verifier(), func(_ context.Context, body []byte) error {
		queue <- body
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	shop := httptest.NewServer(receiver)
	defer shop.Close()
	req := order("A-1008")
	req.MchNotifyURL = shop.URL
	client.GatewayPay(context.Background(), req)
	gateway.Pay("A-1008", ksher.ChannelTrueMoney)

	// The worker, in another program.
	payments, _ := ksher.NewPayments(client, func(_ context.Context, o *ksher.Order) error {
		fmt.Println("paid:", o.MchOrderNo, o.TotalFee)
		return nil
	})
	worker, _ := payments.Notifications(func(context.Context, string) (ksher.OpenOrder, error) { return req.OpenOrder(), nil })
	again, err := worker.Accept(context.Background(), <-queue)
	fmt.Println("try again:", again, err)
	// Output:
	// paid: A-1008 150.50
	// try again: false <nil>
}

// Read a notification without a handler. Its signature alone isn't a proof:
// query the order before you act on it.
func ExampleParseNotification() {
	body := kshertest.SignedResponse(&ksher.Order{MchOrderNo: "A-1007", TotalFee: 150_50, FeeType: "THB", Result: ksher.ResultSuccess})

	n, err := ksher.ParseNotification(body, kshertest.Verifier())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n.Unconfirmed.MchOrderNo, n.Unconfirmed.Result)

	genuine, err := ksher.NewVerifier(ksher.GatewayPublicKey(ksher.SignV1))
	if err != nil {
		log.Fatal(err)
	}
	_, err = ksher.ParseNotification(body, genuine)
	fmt.Println("signed by Ksher:", !errors.Is(err, ksher.ErrSignature))
	// Output:
	// A-1007 SUCCESS
	// signed by Ksher: false
}

// Wait at a kiosk until the buyer has paid.
func ExamplePayments_Wait() {
	gateway, client := startGateway()
	defer gateway.Close()
	payments, err := ksher.NewPayments(client, func(_ context.Context, o *ksher.Order) error {
		fmt.Println("hand out", o.MchOrderNo)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	req := &ksher.NativePayRequest{MchOrderNo: "K-2006", TotalFee: 40_00, FeeType: "THB", Channel: ksher.ChannelPromptPay}
	client.NativePay(ctx, req)
	gateway.Pay("K-2006", ksher.ChannelPromptPay) // The buyer pays.

	paid, err := payments.Wait(ctx, req.OpenOrder())
	switch {
	case errors.Is(err, ksher.ErrNotPaid), errors.Is(err, ksher.ErrOrderExpired):
		fmt.Println("not paid: show the menu again")
	case err != nil:
		log.Fatal("look the order up before the next step: ", err)
	default:
		fmt.Println("paid:", paid.MchOrderNo, paid.TotalFee, paid.Channel)
	}
	// Output:
	// hand out K-2006
	// paid: K-2006 40.00 promptpay
}

// After a restart, find out what became of a charge from its row in the database: three
// of its fields are enough.
func ExampleClient_Resolve() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	gateway.Inject(kshertest.Fault{Operation: "quick_pay", Kind: kshertest.FaultDropAfter}) // The answer gets lost.
	client.QuickPay(ctx, &ksher.QuickPayRequest{MchOrderNo: "A-1009", TotalFee: 50_00, FeeType: "THB", AuthCode: ksher.NewSecret("287634438256643900")})

	var row struct { // What the program wrote down before it charged.
		no, currency string
		cents        int64
	}
	row.no, row.cents, row.currency = "A-1009", 50_00, "THB"
	found, err := client.Resolve(ctx, &ksher.QuickPayRequest{
		MchOrderNo: row.no, TotalFee: ksher.Amount(row.cents), FeeType: row.currency,
	})
	if err != nil {
		log.Fatal("nothing was learned, so try again later: ", err)
	}
	switch {
	case found.Verdict == ksher.VerdictCarriedOut:
		fmt.Println("paid", found.Order.TotalFee)
	case found.MayRepeat:
		fmt.Println("send the very same request again")
	}
	// Output: paid 50.00
}

// List an order's refunds.
func ExampleClient_Refunds() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.GatewayPay(ctx, order("A-1015"))
	gateway.Pay("A-1015", ksher.ChannelCard)
	client.Refund(ctx, &ksher.RefundRequest{MchOrderNo: "A-1015", Host: ksher.HostGateway, MchRefundNo: "A-1015-R1", RefundFee: 50_00})

	refunds, err := client.Refunds(ctx, &ksher.RefundsRequest{MchOrderNo: "A-1015", Host: ksher.HostGateway})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range refunds {
		fmt.Println(r.MchRefundNo, r.MchRefundFee, r.RefundState, r.Succeeded())
	}
	// Output: A-1015-R1 50.00 REFUNDSUCCESS true
}

// Get the buyer a page, although the answer that had its address was lost.
func ExampleClient_GatewayPage() {
	gateway, client := startGateway()
	defer gateway.Close()
	gateway.Inject(kshertest.Fault{Operation: "gateway_pay", Kind: kshertest.FaultDropAfter})

	page, err := client.GatewayPage(context.Background(), order("A-1016"), func(_ context.Context, lost ksher.OpenOrder) (string, error) {
		fmt.Println("keep watching", lost.MchOrderNo) // And write down A-1016-2.
		return "A-1016-2", nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("send the buyer to the page:", page.PayContent != "")
	// Output:
	// keep watching A-1016
	// send the buyer to the page: true
}

// shopOrders is the list of open orders. A shop would ask its database:
//
//	SELECT … FROM orders WHERE open AND number > $1 ORDER BY number LIMIT $2
type shopOrders []ksher.OpenOrder

func (s shopOrders) OpenOrders(_ context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	var page []ksher.OpenOrder
	for _, o := range s { // They are in the order of their numbers.
		if o.MchOrderNo > after && len(page) < limit {
			page = append(page, o)
		}
	}
	return page, nil
}

// Find the payments that no notification told of.
func ExamplePayments_Pass() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	var open shopOrders
	for _, no := range []string{"A-1010", "A-1011", "A-1012"} {
		req := order(no)
		client.GatewayPay(ctx, req)
		open = append(open, req.OpenOrder())
	}
	gateway.Advance(3 * time.Hour)                // Ksher watches an order for two.
	gateway.Pay("A-1011", ksher.ChannelTrueMoney) // So this payment isn't announced.
	client.CancelOrder(ctx, &ksher.CancelOrderRequest{MchOrderNo: "A-1012"})

	one, err := ksher.NewBudget(100, 1) // 100 queries a second, one after the other.
	if err != nil {
		log.Fatal(err)
	}
	payments, err := ksher.NewPayments(client, func(_ context.Context, o *ksher.Order) error {
		fmt.Println("paid:", o.MchOrderNo, o.TotalFee)
		return nil
	}, ksher.WithBudget(one), ksher.WithEnded(func(_ context.Context, open ksher.OpenOrder, _ *ksher.Order) error {
		fmt.Println("release the goods of", open.MchOrderNo)
		return nil
	}))
	if err != nil {
		log.Fatal(err)
	}
	// In production: go payments.Run(ctx, open)
	sum, err := payments.Pass(ctx, open, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("asked", sum.Asked, "paid", sum.Paid, "ended", sum.Ended, "open", sum.Open)
	// Output:
	// paid: A-1011 150.50
	// release the goods of A-1012
	// asked 3 paid 1 ended 1 open 1
}

// What a request can end in.
func ExampleError() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.GatewayPay(ctx, order("A-1008"))

	_, err := client.GatewayPay(ctx, order("A-1008"))
	var invalid *ksher.ValidationError
	var failed *ksher.Error
	switch {
	case errors.As(err, &invalid):
		fmt.Println("never sent:", invalid.Fields)
	case errors.Is(err, ksher.ErrOutcomeUnknown):
		fmt.Println("it may have been carried out: query the order")
	case errors.As(err, &failed):
		info, _ := failed.Code.Info()
		fmt.Println(failed.Operation, string(failed.Code), "->", info.Action)
	}
	// Output: gateway_pay ORDER_ERROT -> query-order
}

// What Ksher's error codes mean, in words and for a program.
func ExampleCode_Info() {
	info, documented := ksher.CodeKsherRefundExpire.Info()
	fmt.Println(documented, info.Action)
	fmt.Println(info.Solution)
	// Output:
	// true by-hand
	// Ask for the refund on Ksher's merchant platform.
}

func ExampleParseAmount() {
	total, err := ksher.ParseAmount("150.50")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(int64(total), total)
	// Output: 15050 150.50
}

// A private key as an environment variable often carries it, with \n written
// out.
func ExampleParsePrivateKey() {
	text, err := os.ReadFile("testdata/keys/rsa512.pkcs1.pem")
	if err != nil {
		log.Fatal(err)
	}
	key, err := ksher.ParsePrivateKey(text)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key)
	// Output: RSA private key of 512 bits
}

// Offer the channels that the checkout page has for an amount.
func ExampleChannels() {
	const total = 15_00 // 15.00 THB
	var offer []ksher.Channel
	for _, info := range ksher.Channels() {
		if info.GatewayPay && !info.MobileOnly && info.GatewayPayMinimum <= total && !info.NoRefunds {
			offer = append(offer, info.Channel)
		}
	}
	fmt.Println(offer)
	// Output: [truemoney airpay linepay scb_qrcard wechat alipay alipayplus card]
}

// Tell a health check how long the keys are.
func ExampleClient_KeyHealth() {
	gateway, client := startGateway()
	defer gateway.Close()

	health := client.KeyHealth()
	fmt.Println(health.MerchantBits, health.GatewayBits, health.Weak())
	// Output: 512 [512 2048] true
}

// Make the client from the environment, here that of a local gateway in a container.
func ExampleClientFromEnv() {
	for name, value := range map[string]string{
		"KSHER_APPID":        kshertest.AppID,
		"KSHER_PRIVATE_KEY":  string(kshertest.PrivateKeyPEM()),
		"KSHER_GATEWAY_URL":  "http://sandbox:8765/api",
		"KSHER_MERCHANT_URL": "http://sandbox:8765/KsherPay",
		"KSHER_PLAIN_HTTP":   "sandbox",
	} {
		os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	client, err := ksher.ClientFromEnv()
	fmt.Println(client, err)
	// Output: ksher.Client(mch00000) <nil>
}

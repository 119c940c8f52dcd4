package vip_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
	"github.com/ksher-go/ksher/vip"
)

// The examples talk to a local gateway, which plays Ksher and the buyer.

func startGateway() (*kshertest.Gateway, *vip.Client) {
	gateway, err := kshertest.Start()
	if err != nil {
		log.Fatal(err)
	}
	// In production: "https://NAME.vip.ksher.net" and os.Getenv("KSHER_VIP_TOKEN").
	client, err := vip.NewClient(gateway.URL(), kshertest.VIPToken, vip.WithHTTPClient(gateway.HTTPClient()))
	if err != nil {
		log.Fatal(err)
	}
	return gateway, client
}

// paid makes an order and lets the buyer pay it.
func paid(gateway *kshertest.Gateway, client *vip.Client, id string) {
	_, err := client.Create(context.Background(), page(id))
	if err == nil {
		err = gateway.Pay(id, ksher.ChannelTrueMoney)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func page(id string) *vip.RedirectRequest {
	return &vip.RedirectRequest{
		MerchantOrderID: id,
		Amount:          150_50, // 150.50 THB
		RedirectURL:     "https://shop.example/thanks",
		RedirectURLFail: "https://shop.example/sorry",
		Channel:         []string{"truemoney", "card"},
		ProductName:     "Two bags of coffee",
	}
}

// A program makes one client and shares it.
func ExampleNewClient() {
	client, err := vip.NewClient("https://coffee.vip.ksher.net", "the-API-token", vip.WithTimeout(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client)
	// Output: vip.Client(coffee.vip.ksher.net)
}

// Send the buyer to the checkout page.
func ExampleClient_Create() {
	gateway, client := startGateway()
	defer gateway.Close()

	order, err := client.Create(context.Background(), &vip.RedirectRequest{
		MerchantOrderID: "A-1001",
		Amount:          150_50, // 150.50 THB
		RedirectURL:     "https://shop.example/thanks",
		RedirectURLFail: "https://shop.example/sorry",
	})
	if errors.Is(err, ksher.ErrOutcomeUnknown) {
		log.Fatal("ask client.Query about A-1001 before anything else")
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(order.Status, order.Reference != "")
	// Output: Available true
}

// Charge the code that a buyer shows at the till.
func ExampleClient_Create_bScanC() {
	gateway, client := startGateway()
	defer gateway.Close()

	order, err := client.Create(context.Background(), &vip.BScanCRequest{
		MerchantOrderID: "A-1002",
		Amount:          150_50, // 150.50 THB
		Channel:         "alipay",
		AuthCode:        ksher.NewSecret("287634438256643902"), // The local gateway's buyer hasn't enough money.
	})
	var failed *vip.Error
	switch {
	case err == nil:
		fmt.Println("paid by", order.Channel)
	case errors.Is(err, ksher.ErrOutcomeUnknown):
		fmt.Println("ask client.Query until the status is final, or client.Cancel")
	case errors.As(err, &failed):
		fmt.Println(failed.Code, failed.Reason)
	}
	// Output: FAIL invalid_payment_code
}

// Hand out the goods only for this order, over this amount, paid.
func ExampleClient_Query() {
	gateway, client := startGateway()
	defer gateway.Close()
	paid(gateway, client, "A-1003")

	order, err := client.Query(context.Background(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1003"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(order.Status, order.CheckPaid("A-1003", 150_50, "THB"))
	// Output: Paid <nil>
}

// Pay a part of an order back.
func ExampleClient_Refund() {
	gateway, client := startGateway()
	defer gateway.Close()
	paid(gateway, client, "A-1004")

	refund, err := client.Refund(context.Background(), vip.KindRedirect, &vip.RefundRequest{
		MerchantOrderID: "A-1004",
		RefundOrderID:   "R-1004",
		RefundAmount:    50_00, // 50.00 THB
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(refund.ErrorCode, refund.Amount)
	// Output: REFUNDED -50.00
}

// Close an order that nobody has paid.
func ExampleClient_Cancel() {
	gateway, client := startGateway()
	defer gateway.Close()
	if _, err := client.Create(context.Background(), page("A-1005")); err != nil {
		log.Fatal(err)
	}

	order, err := client.Cancel(context.Background(), vip.KindRedirect, &vip.CancelRequest{MerchantOrderID: "A-1005"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(order.Status)
	// Output: Closed
}

// Show the QR code.
func ExampleOrder_Image() {
	gateway, client := startGateway()
	defer gateway.Close()

	order, err := client.Create(context.Background(), &vip.CScanBRequest{MerchantOrderID: "A-1006", Amount: 150_50, Channel: "promptpay"})
	if err != nil {
		log.Fatal(err)
	}
	image, mediaType, err := order.Image()
	fmt.Println(mediaType, len(image) > 0, err)
	// Output: image/png true <nil>
}

// Give a WeChat mini program what wx.requestPayment wants.
func ExampleOrder_WeChatPayment() {
	gateway, client := startGateway()
	defer gateway.Close()

	order, err := client.Create(context.Background(), &vip.MiniAppRequest{
		MerchantOrderID: "A-1007", Amount: 150_50, Channel: "wechat", MiniAppOpenID: "the buyer's openid", MiniAppAppID: "wx0123456789abcdef",
	})
	if err != nil {
		log.Fatal(err)
	}
	payment, err := order.WeChatPayment()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(payment.SignType, payment.PaySign != "")
	// Output: RSA true
}

// Give an Alipay mini program the text that it pays with. Alipay doesn't have to be told of
// the buyer or the program.
func ExampleClient_Create_alipayMiniProgram() {
	gateway, client := startGateway()
	defer gateway.Close()

	order, err := client.Create(context.Background(), &vip.MiniAppRequest{
		MerchantOrderID: "A-1015",
		Amount:          150_50, // 150.50 THB
		Channel:         "alipay",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(order.Status, order.Reference != "")
	// Output: Available true
}

// Add up the payments of a day. A report may also have refunds, and orders that nobody has
// paid.
func ExampleClient_Transactions() {
	gateway, client := startGateway()
	defer gateway.Close()
	paid(gateway, client, "A-1008")
	paid(gateway, client, "A-1009")

	today := gateway.Now().In(time.FixedZone("UTC+7", 7*60*60)).Format("20060102")
	var received ksher.Amount
	for transaction, err := range client.Transactions(context.Background(), &vip.TransactionsRequest{Date: today, MID: kshertest.AppID}) {
		if err != nil {
			log.Fatal(err)
		}
		if transaction.Type.Paid() {
			received += transaction.Amount
		}
	}
	fmt.Println(received)
	// Output: 301.00
}

// Compare what Ksher settles with the orders in it.
func ExampleClient_Settlement() {
	gateway, client := startGateway()
	defer gateway.Close()
	paid(gateway, client, "A-1010")
	day := gateway.Now().In(time.FixedZone("UTC+7", 7*60*60)).Format("20060102")
	gateway.Advance(24 * time.Hour)

	settlement, err := client.Settlement(context.Background(), &vip.SettlementRequest{Date: day, MID: kshertest.AppID, Channel: "truemoney"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(settlement.Net, settlement.Currency, settlement.Verified)
	// Output: 150.50 THB true
}

// List the orders of a settlement.
func ExampleClient_SettlementOrders() {
	gateway, client := startGateway()
	defer gateway.Close()
	paid(gateway, client, "A-1011")
	day := gateway.Now().In(time.FixedZone("UTC+7", 7*60*60)).Format("20060102")
	gateway.Advance(24 * time.Hour)
	settlement, err := client.Settlement(context.Background(), &vip.SettlementRequest{Date: day, MID: kshertest.AppID, Channel: "truemoney"})
	if err != nil {
		log.Fatal(err)
	}

	for order, err := range client.SettlementOrders(context.Background(), &vip.SettlementOrdersRequest{ReferenceID: settlement.ReferenceID}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(order.OrderID, order.Amount)
	}
	// Output: A-1011 150.50
}

// See which channels the merchant has.
func ExampleClient_Channels() {
	gateway, client := startGateway()
	defer gateway.Close()

	channels, err := client.Channels(context.Background(), &vip.ChannelsRequest{MID: kshertest.AppID})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(channels.Channels[0], channels.Verified)
	// Output: promptpay true
}

// Let Ksher's notifications hand out the goods.
func ExamplePayments_Notifications() {
	gateway, client := startGateway()
	defer gateway.Close()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()

	payments, err := vip.NewPayments(client, func(ctx context.Context, order *vip.Order) error {
		fmt.Println("hand out the goods of", order.MerchantOrderID)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// In production: the address that Ksher was given, to the letter, and a look into
	// your database.
	address := server.URL + "/ksher"
	notifications, err := payments.Notifications(address, func(ctx context.Context, id string) (vip.OpenOrder, error) {
		if id != "A-1012" {
			return vip.OpenOrder{}, ksher.ErrNotOurs
		}
		return vip.OpenOrder{MerchantOrderID: id, Kind: vip.KindRedirect, Amount: 150_50, Currency: "THB"}, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle("/ksher", notifications)

	if err := gateway.SetVIPWebhook(address); err != nil {
		log.Fatal(err)
	}
	paid(gateway, client, "A-1012")
	gateway.Deliver(context.Background(), "A-1012")
	// Output: hand out the goods of A-1012
}

// shopOrders are the open orders of the shop's database, in the order of their numbers.
type shopOrders []vip.OpenOrder

func (s shopOrders) OpenOrders(_ context.Context, after string, limit int) (some []vip.OpenOrder, err error) {
	for _, o := range s {
		if o.MerchantOrderID > after && len(some) < limit {
			some = append(some, o)
		}
	}
	return some, nil
}

// payments hands out the goods of each order that is paid.
func payments(client *vip.Client, opts ...vip.PaymentsOption) *vip.Payments {
	p, err := vip.NewPayments(client, func(_ context.Context, order *vip.Order) error {
		fmt.Println("hand out the goods of", order.MerchantOrderID)
		return nil
	}, opts...)
	if err != nil {
		log.Fatal(err)
	}
	return p
}

// The buyer comes back to the shop's page, which proves nothing: ask.
func ExamplePayments_Check() {
	gateway, client := startGateway()
	defer gateway.Close()
	paid(gateway, client, "A-1015")

	order, err := payments(client).Check(context.Background(), page("A-1015").OpenOrder("THB"))
	fmt.Println(order.Status, order.Status.Final(), err)
	// Output:
	// hand out the goods of A-1015
	// Paid true <nil>
}

// Find the payments that no notification told of.
func ExamplePayments_Pass() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.Create(ctx, page("A-1016"))
	paid(gateway, client, "A-1017")

	open := shopOrders{page("A-1016").OpenOrder("THB"), page("A-1017").OpenOrder("THB")}
	sum, err := payments(client).Pass(ctx, open, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("asked", sum.Asked, "paid", sum.Paid, "open", sum.Open)
	// Output:
	// hand out the goods of A-1017
	// asked 2 paid 1 open 1
}

// Look for such payments for as long as the program runs.
func ExamplePayments_Run() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx, stop := context.WithCancel(context.Background()) // In production signal.NotifyContext.
	defer stop()
	paid(gateway, client, "A-1018")

	shop, err := vip.NewPayments(client, func(_ context.Context, order *vip.Order) error {
		fmt.Println("hand out the goods of", order.MerchantOrderID)
		stop()
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	err = shop.Run(ctx, shopOrders{page("A-1018").OpenOrder("THB")}) // In production: go shop.Run(ctx, db)
	fmt.Println(err)
	// Output:
	// hand out the goods of A-1018
	// context canceled
}

// Deal with a notification that waited in a queue. This one is forged, so no other try
// makes it right.
func ExampleNotifications_Accept() {
	gateway, client := startGateway()
	defer gateway.Close()
	notifications, err := payments(client).Notifications("https://shop.example/ksher", func(_ context.Context, id string) (vip.OpenOrder, error) {
		return page(id).OpenOrder("THB"), nil // From your database, or ksher.ErrNotOurs.
	})
	if err != nil {
		log.Fatal(err)
	}
	query := "type=Order&instance=A-1013&code=StatusChange&message=Order+Paid&signature=00"
	again, err := notifications.Accept(context.Background(), query)
	fmt.Println("try again:", again, errors.Is(err, ksher.ErrSignature))
	// Output: try again: false true
}

// Wait at a till until a charge that was left in doubt is known. There is no reversal.
func ExamplePayments_Wait() {
	gateway, client := startGateway()
	defer gateway.Close()
	payments, err := vip.NewPayments(client, func(ctx context.Context, order *vip.Order) error {
		fmt.Println("hand out the goods of", order.MerchantOrderID)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	charge := &vip.BScanCRequest{
		MerchantOrderID: "A-1014",
		Amount:          150_50, // 150.50 THB
		Channel:         "alipay",
		AuthCode:        ksher.NewSecret("287634438256643900"),
	}
	_, err = client.Create(context.Background(), charge)
	if err != nil && !errors.Is(err, ksher.ErrOutcomeUnknown) {
		log.Fatal(err)
	}
	order, err := payments.Wait(context.Background(), charge.OpenOrder("THB"))
	fmt.Println(order.Status, err)
	// Output:
	// hand out the goods of A-1014
	// Paid <nil>
}

// Read a notification where there is no http.Handler, and query the order before
// believing it.
func ExampleClient_ParseNotification() {
	client, err := vip.NewClient("https://coffee.vip.ksher.net", "the-API-token")
	if err != nil {
		log.Fatal(err)
	}
	n, err := client.ParseNotification("https://shop.example/ksher",
		"type=Order&instance=A-1013&code=StatusChange&message=Order+Paid&signature=ABE880A1517E8BB31FF01D53166393960A6C98E3A1C91EADBE80AE52C0477E1B")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n.MerchantOrderID, n.Message)
	// Output: A-1013 Order Paid
}

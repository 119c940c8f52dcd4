package kshertest_test

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
	"github.com/ksher-go/ksher/opn"
)

// inTest stands for the *testing.T of your test.
type inTest struct{ cleanups []func() }

func (*inTest) Helper()                           {}
func (*inTest) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (*inTest) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
func (t *inTest) Cleanup(f func())                { t.cleanups = append(t.cleanups, f) }

func (t *inTest) end() {
	for _, f := range t.cleanups {
		f()
	}
}

// checkOut is the shop's code that a test is about: it makes an order.
func checkOut(client *ksher.Client, no, notify string) error {
	_, err := client.GatewayPay(context.Background(), &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: 150_50, FeeType: "THB",
		ChannelList: []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard},
		ProductName: "Two bags of coffee", ReferURL: "https://shop.example/cart",
		MchRedirectURL: "https://shop.example/thanks", MchRedirectURLFail: "https://shop.example/sorry", MchNotifyURL: notify,
	})
	return err
}

// notifications is the shop's handler.
func notifications(client *ksher.Client) *ksher.Notifications {
	payments, err := ksher.NewPayments(client, func(_ context.Context, o *ksher.Order) error {
		fmt.Println("hand out the goods of", o.MchOrderNo)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := payments.Notifications(func(_ context.Context, no string) (ksher.OpenOrder, error) {
		return ksher.OpenOrder{MchOrderNo: no, Host: ksher.HostGateway, TotalFee: 150_50, FeeType: "THB"}, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	return handler
}

// A whole payment in a test: the shop makes an order, the buyer pays, Ksher notifies the shop,
// and a part is refunded.
func ExampleNew() {
	t := new(inTest) // func TestCheckout(t *testing.T)
	defer t.end()
	gw := kshertest.New(t)
	shop := httptest.NewServer(notifications(gw.Client))
	t.Cleanup(shop.Close)

	if err := checkOut(gw.Client, "A-1001", shop.URL); err != nil {
		t.Fatalf("%v", err)
	}
	gw.Pay("A-1001", ksher.ChannelTrueMoney)
	gw.Deliver(context.Background(), "A-1001")
	kshertest.AssertPaid(t, gw, "A-1001", 150_50)
	kshertest.AssertNotified(t, gw, "A-1001")

	refund := &ksher.RefundRequest{MchOrderNo: "A-1001", Host: ksher.HostGateway, MchRefundNo: "A-1001-R1", RefundFee: 50_00}
	if _, err := gw.Client.Refund(context.Background(), refund); err != nil {
		t.Fatalf("%v", err)
	}
	kshertest.AssertRefunded(t, gw, "A-1001", 50_00)
	// Output: hand out the goods of A-1001
}

// A gateway that runs by itself, for a program in another process: ksher.ClientFromEnv reads
// these variables.
func ExampleStart() {
	gw, err := kshertest.Start(kshertest.WithSpeed(60)) // An hour takes a minute.
	if err != nil {
		log.Fatal(err)
	}
	defer gw.Close()
	env := []string{
		"KSHER_APPID=" + kshertest.AppID,
		"KSHER_PRIVATE_KEY=" + kshertest.PrivateKeyPEM(),
		"KSHER_GATEWAY_URL=" + gw.GatewayURL(),
		"KSHER_MERCHANT_URL=" + gw.MerchantURL(),
		// KSHER_PUBLIC_KEY_FILE is on the set-up page.
	}
	fmt.Println(len(env), "variables")
	resp, err := gw.HTTPClient().Get(gw.URL() + "/setup")
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println(resp.Status)
	// Output:
	// 4 variables
	// 200 OK
}

// The other ways out of an order.
func ExampleMerchant_Fail() {
	t := new(inTest)
	defer t.end()
	gw := kshertest.New(t)
	show := func(no string) {
		o, err := gw.Order(no)
		fmt.Println(no, o.State, err)
	}
	for _, no := range []string{"A-1", "A-2", "A-3"} {
		checkOut(gw.Client, no, "")
	}
	gw.Begin("A-1", ksher.ChannelCard) // The buyer types an OTP,
	show("A-1")
	gw.GiveUp("A-1") // goes back,
	show("A-1")
	gw.Fail("A-1") // and has no money.
	show("A-1")
	gw.Expire("A-2")
	show("A-2")

	gw.Pay("A-3", ksher.ChannelCard)
	gw.Settle("A-3")
	refund := &ksher.RefundRequest{MchOrderNo: "A-3", Host: ksher.HostGateway, MchRefundNo: "A-3-R1", RefundFee: 50_00}
	_, err := gw.Client.Refund(context.Background(), refund)
	fmt.Println("too late to refund:", errors.Is(err, ksher.CodeKsherRefundExpire))
	// Output:
	// A-1 in progress <nil>
	// A-1 created <nil>
	// A-1 failed <nil>
	// A-2 expired <nil>
	// too late to refund: true
}

// The answer to a refund is lost after it was carried out. Refund asks, and knows.
func ExampleGateway_Inject() {
	t := new(inTest)
	defer t.end()
	gw := kshertest.New(t)
	checkOut(gw.Client, "A-1002", "")
	gw.Pay("A-1002", ksher.ChannelCard)

	if err := gw.Inject(kshertest.Fault{Operation: "order_refund", Kind: kshertest.FaultDropAfter}); err != nil {
		log.Fatal(err)
	}
	refund := &ksher.RefundRequest{MchOrderNo: "A-1002", Host: ksher.HostGateway, MchRefundNo: "A-1002-R1", RefundFee: 50_00}
	refunded, err := gw.Client.Refund(context.Background(), refund)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(refunded.MchRefundFee)
	kshertest.AssertRefunded(t, gw, "A-1002", 50_00)
	for _, r := range gw.Requests() {
		if r.Fault != "" {
			fmt.Println(r.Operation, r.Fault)
		}
	}
	// Output:
	// 50.00
	// order_refund drop-after
}

// The clock stands still until somebody moves it, and Ksher notifies by it.
func ExampleGateway_Advance() {
	t := new(inTest)
	defer t.end()
	gw := kshertest.New(t)
	shop := httptest.NewServer(notifications(gw.Client))
	t.Cleanup(shop.Close)
	checkOut(gw.Client, "A-1003", shop.URL)
	gw.Pay("A-1003", ksher.ChannelTrueMoney)

	start := gw.Now()
	gw.Advance(time.Minute)
	fmt.Println(gw.Now().Sub(start))
	// Output:
	// hand out the goods of A-1003
	// 1m0s
}

// Each merchant has a key, orders and numbers of its own.
func ExampleGateway_Merchant() {
	t := new(inTest)
	defer t.end()
	gw := kshertest.New(t, kshertest.WithMerchant("mch70001", kshertest.Terms{Channels: []ksher.Channel{ksher.ChannelTrueMoney}}))
	merchant := gw.Merchant("mch70001")
	client, err := merchant.NewClient(ksher.WithTimeout(5 * time.Second))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(checkOut(client, "A-1", ""), merchant.Pay("A-1", ksher.ChannelTrueMoney))
	_, err = gw.Order("A-1")
	fmt.Println("another merchant has it:", err == nil)
	// Output:
	// <nil> <nil>
	// another merchant has it: false
}

// A notification for the shop's handler, without a gateway that sends it.
func ExampleSignedNotification() {
	t := new(inTest)
	defer t.end()
	gw := kshertest.New(t)
	checkOut(gw.Client, "A-1004", "")
	w := httptest.NewRecorder()
	notifications(gw.Client).ServeHTTP(w, kshertest.SignedNotification("/ksher/notify", &ksher.Order{
		MchOrderNo: "A-1004", TotalFee: 150_50, FeeType: "THB", Result: ksher.ResultSuccess,
	}))
	fmt.Println(w.Code) // Ksher is asked, and says that nobody has paid.
	// Output: 503
}

// Charges at Opn Payments, and an event.
func ExampleGateway_PayOpn() {
	t := new(inTest)
	defer t.end()
	gw := kshertest.New(t)
	ctx := context.Background()
	charge := func() *opn.Charge {
		c, err := gw.Opn.CreateChargeWithSource(ctx, &opn.CreateChargeWithSourceRequest{
			Amount: 1500_00, Currency: "THB", ReturnURI: "https://shop.example/orders/345678/complete",
		})
		if err != nil {
			log.Fatal(err)
		}
		return c
	}
	shop := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { fmt.Println("an event by", r.Method) }))
	t.Cleanup(shop.Close)
	first, second := charge(), charge()
	gw.SetOpnWebhook(shop.URL)
	fmt.Println(gw.FailOpn(first.ID, opn.FailureCodeInsufficientFund), gw.PayOpn(second.ID))
	for _, c := range []*opn.Charge{first, second} {
		now, err := gw.Opn.GetCharge(ctx, c.ID)
		fmt.Println(now.Status, err)
	}
	fmt.Println(gw.DeliverOpn(ctx, second.ID))
	// Output:
	// <nil> <nil>
	// failed <nil>
	// successful <nil>
	// an event by POST
	// <nil>
}

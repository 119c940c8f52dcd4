package opn_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
	"github.com/ksher-go/ksher/opn"
)

// start starts a gateway, which stands for Opn in these examples.
func start() (*kshertest.Gateway, *opn.Client) {
	gateway, err := kshertest.Start()
	if err != nil {
		log.Fatal(err)
	}
	return gateway, gateway.Opn
}

func ExampleNewClient() {
	client, err := opn.NewClient("pkey_test_0000", "skey_test_0000") // From the environment, not from the source code.
	fmt.Println(client, err)
	_, err = opn.NewClient("skey_test_0000", "pkey_test_0000")
	fmt.Println(err)
	// Output:
	// opn.Client(test) <nil>
	// opn: NewClient: the public key is a secret key, which has to stay on the server: has it been exchanged with the public one, pkey_…?
}

func ExampleClient_CreateChargeWithSource() {
	gateway, client := start()
	defer gateway.Close()

	charge, err := client.CreateChargeWithSource(context.Background(), &opn.CreateChargeWithSourceRequest{
		Amount: 1500_00, Currency: "THB", // THB 1,500.00
		ReturnURI:    "https://shop.example/orders/345678/complete",
		PlatformType: opn.PlatformTypeIOS,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(charge.Status, charge.Amount, charge.Currency)
	fmt.Println("send the buyer to it:", charge.AuthorizeURI != "")
	// Output:
	// pending 1500.00 THB
	// send the buyer to it: true
}

// The two steps. The source's ID is kept before money hangs on it, so that a
// charge whose answer is lost can be recognised.
func ExampleClient_CreateCharge() {
	gateway, client := start()
	defer gateway.Close()
	ctx := context.Background()

	source, err := client.CreateSource(ctx, &opn.CreateSourceRequest{Amount: 1500_00, Currency: "THB"})
	if err != nil {
		log.Fatal(err) // No money hangs on a source: create another.
	}
	charge, err := client.CreateCharge(ctx, &opn.CreateChargeRequest{
		Amount: 1500_00, Currency: "THB", Source: source.ID,
		ReturnURI: "https://shop.example/orders/345678/complete",
	})
	var failed *opn.Error
	switch {
	case errors.Is(err, ksher.ErrOutcomeUnknown):
		fmt.Println("hand nothing out, and create no other charge yet")
	case errors.As(err, &failed):
		fmt.Println("Opn refused:", failed.Code)
	default:
		fmt.Println(charge.Status, charge.Source.ID == source.ID)
	}
	// Output: pending true
}

func ExampleClient_CreateSource() {
	gateway, client := start()
	defer gateway.Close()

	source, err := client.CreateSource(context.Background(), &opn.CreateSourceRequest{Amount: 1500_00, Currency: "THB", PlatformType: opn.PlatformTypeAndroid})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(source.Type, source.Flow, source.Amount, source.ChargeStatus)
	// Output: mobile_banking_kbank app_redirect 1500.00 unknown
}

func ExamplePayments_Wait() {
	gateway, client := start()
	defer gateway.Close()
	ctx := context.Background()
	charge, err := client.CreateChargeWithSource(ctx, &opn.CreateChargeWithSourceRequest{
		Amount: 1500_00, Currency: "THB", ReturnURI: "https://shop.example/orders/345678/complete",
	})
	if err != nil {
		log.Fatal(err)
	}
	gateway.FailOpn(charge.ID, opn.FailureCodeInsufficientFund) // Plays the buyer.

	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute) // Opn may not say when a charge expires.
	defer cancel()
	payments, err := opn.NewPayments(client, func(context.Context, *opn.Charge) error { return nil }) // Hands out the goods.
	if err != nil {
		log.Fatal(err)
	}
	charge, err = payments.Wait(ctx, charge.OpenOrder("345678"))
	var code opn.FailureCode
	switch {
	case err == nil:
		fmt.Println("paid")
	case errors.As(err, &code):
		info, _ := code.Info()
		fmt.Println(charge.Status, code)
		fmt.Println(info.Action)
	default:
		fmt.Println("not known yet:", err)
	}
	// Output:
	// failed insufficient_fund: the account has not enough money, or its limit is used up
	// ask-buyer
}

func ExampleClient_GetCharge() {
	gateway, client := start()
	defer gateway.Close()

	_, err := client.GetCharge(context.Background(), "chrg_test_1")
	fmt.Println(err)
	// Output: opn: get charge "chrg_test_1": Opn answered not_found ("there is no such charge") (HTTP 404)
}

func ExamplePayments_Notifications() {
	gateway, client := start()
	defer gateway.Close()

	var orders sync.Map // Stands for the shop's database: the order of each charge.
	paid := make(chan struct{})
	payments, err := opn.NewPayments(client, func(_ context.Context, charge *opn.Charge) error {
		fmt.Println("paid:", charge.Amount)
		close(paid)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	notifications, err := payments.Notifications(func(_ context.Context, chargeID string) (opn.OpenOrder, error) {
		order, ok := orders.Load(chargeID)
		if !ok {
			return opn.OpenOrder{}, ksher.ErrNotOurs // Some other charge of this account.
		}
		return order.(opn.OpenOrder), nil
	})
	if err != nil {
		log.Fatal(err)
	}
	shop := httptest.NewServer(notifications)
	defer shop.Close()
	gateway.SetOpnWebhook(shop.URL) // With Opn, on its dashboard.

	charge, err := client.CreateChargeWithSource(context.Background(), &opn.CreateChargeWithSourceRequest{
		Amount: 1500_00, Currency: "THB", ReturnURI: "https://shop.example/orders/345678/complete",
	})
	if err != nil {
		log.Fatal(err)
	}
	orders.Store(charge.ID, charge.OpenOrder("345678"))

	// Anybody can post this. Opn is asked, and knows better.
	forged := fmt.Sprintf(`{"key":"charge.complete","data":{"object":"charge","id":%q,"paid":true}}`, charge.ID)
	resp, err := http.Post(shop.URL, "application/json", strings.NewReader(forged))
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(resp.Status)

	gateway.PayOpn(charge.ID) // Plays the buyer.
	<-paid                    // The gateway posts the event by itself.
	// Output:
	// 503 Service Unavailable
	// paid: 1500.00
}

// shopOrders are the open orders of the shop's database, in the order of their charges.
type shopOrders []opn.OpenOrder

func (s shopOrders) OpenOrders(_ context.Context, after string, limit int) (some []opn.OpenOrder, err error) {
	for _, o := range s {
		if o.ChargeID > after && len(some) < limit {
			some = append(some, o)
		}
	}
	return some, nil
}

// charged makes a charge that the buyer has paid.
func charged(gateway *kshertest.Gateway) *opn.Charge {
	charge, err := gateway.Opn.CreateChargeWithSource(context.Background(), &opn.CreateChargeWithSourceRequest{
		Amount: 1500_00, Currency: "THB", ReturnURI: "https://shop.example/orders/345678/complete",
	})
	if err == nil {
		err = gateway.PayOpn(charge.ID)
	}
	if err != nil {
		log.Fatal(err)
	}
	return charge
}

// The buyer comes back to the shop's page, which proves nothing: ask.
func ExamplePayments_Check() {
	gateway, client := start()
	defer gateway.Close()
	order := charged(gateway).OpenOrder("345678")
	payments, err := opn.NewPayments(client, func(_ context.Context, charge *opn.Charge) error {
		fmt.Println("paid:", charge.Amount)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	charge, err := payments.Check(context.Background(), order)
	fmt.Println(charge.Status, charge.Status.Final(), err)
	fmt.Println(errors.Is(charge.CheckPaid(1400_00), ksher.ErrOtherOrder)) // Check has compared it, too.
	// Output:
	// paid: 1500.00
	// successful true <nil>
	// true
}

// Find the payments that no event told of.
func ExamplePayments_Pass() {
	gateway, client := start()
	defer gateway.Close()
	open := shopOrders{charged(gateway).OpenOrder("345678")}
	payments, err := opn.NewPayments(client, func(_ context.Context, charge *opn.Charge) error {
		fmt.Println("paid:", charge.Amount)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	sum, err := payments.Pass(context.Background(), open, "")
	fmt.Println("asked", sum.Asked, "paid", sum.Paid, err)
	// Output:
	// paid: 1500.00
	// asked 1 paid 1 <nil>
}

// Look for such payments for as long as the program runs.
func ExamplePayments_Run() {
	gateway, client := start()
	defer gateway.Close()
	ctx, stop := context.WithCancel(context.Background()) // In production signal.NotifyContext.
	defer stop()
	open := shopOrders{charged(gateway).OpenOrder("345678")}
	payments, err := opn.NewPayments(client, func(_ context.Context, charge *opn.Charge) error {
		fmt.Println("paid:", charge.Amount)
		stop()
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	err = payments.Run(ctx, open) // In production: go payments.Run(ctx, db)
	fmt.Println(err)
	// Output:
	// paid: 1500.00
	// context canceled
}

// Deal with an event that waited in a queue. It proves nothing, so Opn is asked.
func ExampleNotifications_Accept() {
	gateway, client := start()
	defer gateway.Close()
	charge := charged(gateway)
	payments, err := opn.NewPayments(client, func(_ context.Context, charge *opn.Charge) error {
		fmt.Println("paid:", charge.Amount)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	notifications, err := payments.Notifications(func(context.Context, string) (opn.OpenOrder, error) {
		return charge.OpenOrder("345678"), nil // From your database, or ksher.ErrNotOurs.
	})
	if err != nil {
		log.Fatal(err)
	}
	event := fmt.Sprintf(`{"key":"charge.complete","data":{"object":"charge","id":%q}}`, charge.ID)
	again, err := notifications.Accept(context.Background(), []byte(event))
	fmt.Println("try again:", again, err)
	// Output:
	// paid: 1500.00
	// try again: false <nil>
}

// Find the codes after which another charge can help.
func ExampleFailureCodes() {
	for _, code := range opn.FailureCodes() {
		if info, _ := code.Info(); info.Action == opn.ActionNewCharge {
			fmt.Println(string(code))
		}
	}
	// Output:
	// payment_expired
	// failed_processing
}

// Command kplus is one shop with two ways to K PLUS, the app of KBank: Ksher's
// channel kplus, or Opn Payments.
//
// Without an account it starts a gateway of its own, plays the buyers, one who
// pays and one who doesn't, and ends by itself:
//
//	go run ./examples/kplus
//	go run ./examples/kplus -way opn
//
// With KSHER_APPID and KSHER_PRIVATE_KEY set, or OPN_PUBLIC_KEY and OPN_SECRET_KEY
// for the other way, it creates a real payment, prints the address to open on a
// phone, and stops there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
	"github.com/ksher-go/ksher/opn"
)

// order is what the shop knows of an order. Both providers count in satang.
type order struct {
	no    string
	total ksher.Amount
}

// kplus is a way to take a payment by K PLUS.
type kplus interface {
	// create asks for the money. The ID is what the provider knows the payment by:
	// a shop keeps it with the order. The buyer has to be sent to the address, if
	// there is one: a payment may be paid or failed at once.
	create(ctx context.Context, o order) (id, address string, err error)
	// wait returns nil only if exactly the order's total was paid. Otherwise the
	// error says what became of it.
	wait(ctx context.Context, o order, id string) error
}

// returnTo is where the buyer comes back to, an address of the order's own.
func returnTo(o order) string { return "https://shop.example/orders/" + o.no + "/complete" }

// byKsher is Ksher's checkout page with K PLUS as its only channel.
type byKsher struct{ client *ksher.Client }

func (w byKsher) create(ctx context.Context, o order) (id, address string, err error) {
	page, err := w.client.GatewayPay(ctx, &ksher.GatewayPayRequest{
		MchOrderNo: o.no, MchCode: o.no, TotalFee: o.total, FeeType: "THB",
		ChannelList: []ksher.Channel{ksher.ChannelKPlus}, Device: "H5", // On phones only.
		ProductName: "Two bags of coffee", ReferURL: "https://shop.example/cart", ExpireTime: 10, // Minutes, as with Opn.
		MchRedirectURL: returnTo(o), MchRedirectURLFail: returnTo(o),
	})
	if err != nil {
		return "", "", err
	}
	return o.no, page.PayContent, nil // Ksher knows a payment by the shop's own number.
}

func (w byKsher) wait(ctx context.Context, o order, id string) error {
	payments, err := ksher.NewPayments(w.client, func(context.Context, *ksher.Order) error { return nil })
	if err != nil {
		return err
	}
	_, err = payments.Wait(ctx, ksher.OpenOrder{MchOrderNo: id, Host: ksher.HostGateway, TotalFee: o.total, FeeType: "THB"})
	return err
}

// byOpn is a charge at Opn Payments.
type byOpn struct{ client *opn.Client }

func (w byOpn) create(ctx context.Context, o order) (id, address string, err error) {
	charge, err := w.client.CreateChargeWithSource(ctx, &opn.CreateChargeWithSourceRequest{
		Amount: o.total, Currency: "THB", ReturnURI: returnTo(o),
	})
	if err != nil {
		return "", "", err
	}
	if charge.Status.Final() {
		return charge.ID, "", nil
	}
	return charge.ID, charge.AuthorizeURI, nil
}

func (w byOpn) wait(ctx context.Context, o order, id string) error {
	payments, err := opn.NewPayments(w.client, func(context.Context, *opn.Charge) error { return nil })
	if err != nil {
		return err
	}
	_, err = payments.Wait(ctx, opn.OpenOrder{ChargeID: id, OrderNo: o.no, Amount: o.total})
	return err
}

func main() {
	way := flag.String("way", "ksher", "how to take the payment: ksher or opn")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, *way); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, way string) error {
	if way != "ksher" && way != "opn" {
		return fmt.Errorf("there is no way %q: use ksher or opn", way)
	}
	shop, err := realWay(way)
	if err != nil {
		return err
	}
	if shop != nil {
		_, _, err := sell(ctx, shop)
		return err
	}

	gateway, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer gateway.Close()
	fmt.Printf("A gateway runs inside this program. No account is needed, and no money moves. The way is %s.\n", way)
	shop, buyer, err := localWay(gateway, way)
	if err != nil {
		return err
	}
	for _, pays := range []bool{true, false} {
		o, id, err := sell(ctx, shop)
		if err != nil {
			return err
		}
		if err := buyer(id, pays); err != nil {
			return err
		}
		err = shop.wait(ctx, o, id)
		fmt.Printf("Order %s %s\n", o.no, outcome(err))
		if err != nil && !errors.Is(err, ksher.ErrNotPaid) {
			return err
		}
	}
	return nil
}

// sell creates a payment and shows where the buyer has to go.
func sell(ctx context.Context, shop kplus) (o order, id string, err error) {
	o = order{ksher.NewOrderNo(), 150_50} // THB 150.50
	id, address, err := shop.create(ctx, o)
	fmt.Println("Order", o.no, created(o, address, err))
	return o, id, err
}

// created says what a shop has to do after create.
func created(o order, address string, err error) string {
	switch {
	case errors.Is(err, ksher.ErrOutcomeUnknown):
		return "may have been created all the same, and is not known to be paid: hand nothing out, keep asking, and don't create another for it yet."
	case err != nil:
		return "was refused, or never sent: there is nothing to pay, and another may be created."
	case address == "":
		return "has ended at once, and nothing has to be opened."
	}
	return fmt.Sprintf("costs %v THB. To pay it by K PLUS, this has to be opened on a phone:\n%s", o.total, address)
}

// outcome says what a shop has to do after wait. It is the same for both ways, because both
// packages have the same errors.
func outcome(err error) string {
	var why opn.FailureCode
	switch {
	case err == nil:
		return "is paid: hand out the goods."
	case errors.Is(err, ksher.ErrNotPaid) && errors.As(err, &why): // Ksher doesn't say why.
		info, _ := why.Info()
		return fmt.Sprintf("is not paid, %v (%s).", why, info.Action)
	case errors.Is(err, ksher.ErrNotPaid):
		return "is not paid: let the buyer try again."
	case errors.Is(err, ksher.ErrOtherOrder):
		return "was confused with another: hand nothing out, and look into it."
	}
	return "is not known to be paid: hand nothing out, and keep asking."
}

// realWay is the way for the account in the environment, nil if there is none.
func realWay(way string) (kplus, error) {
	names := map[string][2]string{"ksher": {"KSHER_APPID", "KSHER_PRIVATE_KEY"}, "opn": {"OPN_PUBLIC_KEY", "OPN_SECRET_KEY"}}[way]
	first, second := os.Getenv(names[0]), os.Getenv(names[1])
	switch {
	case first == "" && second == "":
		return nil, nil
	case first == "" || second == "":
		return nil, fmt.Errorf("of %s and %s only one is set: set both, or none", names[0], names[1])
	case way == "opn":
		client, err := opn.NewClient(first, second)
		return byOpn{client}, err
	}
	key, err := ksher.ParsePrivateKey([]byte(second))
	if err != nil {
		return nil, err
	}
	client, err := ksher.NewClient(first, key)
	return byKsher{client}, err
}

// localWay is the way through the local gateway, with a buyer who pays or doesn't.
func localWay(gateway *kshertest.Gateway, way string) (shop kplus, buyer func(id string, pays bool) error, err error) {
	if way == "ksher" {
		return byKsher{gateway.Client}, func(id string, pays bool) error {
			if pays {
				return gateway.Pay(id, ksher.ChannelKPlus)
			}
			return gateway.Fail(id)
		}, nil
	}
	return byOpn{gateway.Opn}, func(id string, pays bool) error {
		if pays {
			return gateway.PayOpn(id)
		}
		return gateway.FailOpn(id, opn.FailureCodeInsufficientFund)
	}, nil
}

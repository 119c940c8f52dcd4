// Command checkout takes a payment through the checkout page, learns that it
// was paid, and refunds half of it.
//
// Without an account it starts a gateway of its own, plays the buyer, and ends
// by itself:
//
//	go run ./examples/checkout
//
// With KSHER_APPID and KSHER_PRIVATE_KEY set it creates a real order at Ksher,
// prints the address of its page, and stops there.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	appID, privateKey := os.Getenv("KSHER_APPID"), os.Getenv("KSHER_PRIVATE_KEY")
	var err error
	switch {
	case (appID == "") != (privateKey == ""):
		err = errors.New("of KSHER_APPID and KSHER_PRIVATE_KEY only one is set: set both, or none")
	case appID != "":
		err = realOrder(ctx, appID, privateKey)
	default:
		err = wholeStory(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// newOrder is the request for a checkout page. A shop would take the values
// from its own order, and keep MchOrderNo with it before calling.
func newOrder(shop string) *ksher.GatewayPayRequest {
	orderNo := ksher.NewOrderNo()
	return &ksher.GatewayPayRequest{
		MchOrderNo:         orderNo,
		MchCode:            orderNo,
		TotalFee:           150_50, // 150.50 THB
		FeeType:            "THB",
		ChannelList:        []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard, ksher.ChannelPromptPay},
		ProductName:        "Two bags of coffee",
		ReferURL:           shop + "/cart",
		MchRedirectURL:     shop + "/thanks",
		MchRedirectURLFail: shop + "/sorry",
		MchNotifyURL:       shop + "/ksher/notify",
	}
}

// realOrder creates an order at Ksher and leaves paying it to a person.
func realOrder(ctx context.Context, appID, privateKey string) error {
	key, err := ksher.ParsePrivateKey([]byte(privateKey))
	if err != nil {
		return err
	}
	client, err := ksher.NewClient(appID, key)
	if err != nil {
		return err
	}
	order := newOrder("https://shop.example")
	page, err := client.GatewayPay(ctx, order)
	if err != nil {
		return err
	}
	fmt.Printf("Order %s over %v %s was created at Ksher. Its checkout page, where real money is paid:\n%s\n",
		order.MchOrderNo, order.TotalFee, order.FeeType, page.PayContent)
	return nil
}

// wholeStory plays every part: the gateway, the shop and the buyer.
func wholeStory(ctx context.Context) error {
	gateway, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer gateway.Close()
	client := gateway.Client
	fmt.Println("1. A gateway runs inside this program. No account is needed, and no money moves.")

	// The shop listens for notifications, as it would on the internet.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	shop := "http://" + listener.Addr().String()
	order := newOrder(shop)
	paid := make(chan *ksher.Order, 1)
	payments, err := ksher.NewPayments(client, func(ctx context.Context, o *ksher.Order) error {
		// The only place that hands out the coffee. It runs once for each order
		// that is paid in full.
		select {
		case paid <- o:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil {
		return err
	}
	notifications, err := payments.Notifications(func(_ context.Context, mchOrderNo string) (ksher.OpenOrder, error) {
		if mchOrderNo != order.MchOrderNo { // The books of this shop.
			return ksher.OpenOrder{}, ksher.ErrNotOurs
		}
		return order.OpenOrder(), nil
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/ksher/notify", notifications)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	defer server.Close()
	fmt.Printf("2. The shop listens for notifications at %s.\n", order.MchNotifyURL)

	page, err := client.GatewayPay(ctx, order)
	if err != nil {
		return err
	}
	fmt.Printf("3. The shop created order %s over %v %s and sends the buyer to\n   %s\n",
		order.MchOrderNo, order.TotalFee, order.FeeType, page.PayContent)

	query := &ksher.GatewayOrderQueryRequest{MchOrderNo: order.MchOrderNo}
	before, err := client.GatewayOrderQuery(ctx, query)
	if err != nil {
		return err
	}
	fmt.Printf("4. Nobody has paid yet: the gateway answers %s.\n", before.Result)

	if err := gateway.Pay(order.MchOrderNo, ksher.ChannelTrueMoney); err != nil {
		return err
	}
	fmt.Println("5. The buyer pays with TrueMoney.")
	var o *ksher.Order
	select {
	case o = <-paid:
	case <-ctx.Done():
		return fmt.Errorf("no notification of order %s came: %w", order.MchOrderNo, ctx.Err())
	}
	fmt.Printf("6. The shop got a notification, checked its signature, asked the gateway itself, and knows for certain:\n   order %s is paid, %v %s at %s.\n",
		o.MchOrderNo, o.TotalFee, o.FeeType, o.TimeEnd.Format(time.DateTime))

	half := order.TotalFee / 2
	refund, err := client.Refund(ctx, &ksher.RefundRequest{
		Host:        ksher.HostGateway,
		MchOrderNo:  order.MchOrderNo,
		MchRefundNo: ksher.NewRefundNo(),
		RefundFee:   half,
	})
	if err != nil {
		return err
	}
	fmt.Printf("7. One bag was sold out, so the shop refunds half: %v %s under number %s.\n", refund.MchRefundFee, order.FeeType, refund.MchRefundNo)

	refunds, err := client.Refunds(ctx, &ksher.RefundsRequest{MchOrderNo: order.MchOrderNo, Host: ksher.HostGateway})
	if err != nil {
		return err
	}
	for _, r := range refunds {
		if r.MchRefundNo == refund.MchRefundNo && r.RefundState == ksher.RefundStateSuccess {
			fmt.Printf("8. The gateway confirms: %v %s went back to the buyer. That is the whole story.\n", r.MchRefundFee, order.FeeType)
			return nil
		}
	}
	return errors.New("the gateway does not know of the refund")
}

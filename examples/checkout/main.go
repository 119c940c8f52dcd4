// Command checkout takes a payment through the checkout page, learns that it
// was paid, and refunds half of it.
//
// Without an account it starts a gateway of its own, plays the buyer, and ends
// by itself:
//
//	go run ./examples/checkout
//
// With KSHER_APPID and KSHER_PRIVATE_KEY set it creates a real order at Ksher,
// prints the address of its page, and stops there. The other variables are those
// of ksher.ClientFromEnv.
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
	story := wholeStory
	if os.Getenv("KSHER_APPID") != "" {
		story = realOrder
	}
	if err := story(ctx); err != nil {
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
func realOrder(ctx context.Context) error {
	client, err := ksher.ClientFromEnv()
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
	fmt.Println("1. A gateway runs inside this program. No account is needed, and no money moves.")
	s, err := open(gateway.Client)
	if err != nil {
		return err
	}
	defer s.server.Close()
	fmt.Printf("2. The shop listens for notifications at %s.\n", s.order.MchNotifyURL)
	if err := s.sell(ctx, gateway); err != nil {
		return err
	}
	return s.refundHalf(ctx)
}

// shop sells one order.
type shop struct {
	client *ksher.Client
	order  *ksher.GatewayPayRequest
	paid   chan *ksher.Order
	server *http.Server
}

// open opens a shop that listens for notifications, as it would on the internet.
func open(client *ksher.Client) (*shop, error) {
	s := &shop{client: client, paid: make(chan *ksher.Order, 1)}
	payments, err := ksher.NewPayments(client, s.handOut)
	if err != nil {
		return nil, err
	}
	notifications, err := payments.Notifications(s.expected)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.order = newOrder("http://" + listener.Addr().String())
	mux := http.NewServeMux()
	mux.Handle("/ksher/notify", notifications)
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go s.server.Serve(listener)
	return s, nil
}

// handOut is the only place that hands out the coffee. It runs once for each order
// that is paid in full.
func (s *shop) handOut(ctx context.Context, paid *ksher.Order) error {
	select {
	case s.paid <- paid:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// expected looks into the books of this shop, which have one order.
func (s *shop) expected(_ context.Context, mchOrderNo string) (ksher.OpenOrder, error) {
	if mchOrderNo != s.order.MchOrderNo {
		return ksher.OpenOrder{}, ksher.ErrNotOurs
	}
	return s.order.OpenOrder(), nil
}

// sell creates the order, has it paid, and waits until the shop knows.
func (s *shop) sell(ctx context.Context, gateway *kshertest.Gateway) error {
	page, err := s.client.GatewayPay(ctx, s.order)
	if err != nil {
		return err
	}
	no := s.order.MchOrderNo
	fmt.Printf("3. The shop created order %s over %v %s and sends the buyer to\n   %s\n",
		no, s.order.TotalFee, s.order.FeeType, page.PayContent)
	before, err := s.client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: no})
	if err != nil {
		return err
	}
	fmt.Printf("4. Nobody has paid yet: the gateway answers %s.\n", before.Result)

	if err := gateway.Pay(no, ksher.ChannelTrueMoney); err != nil {
		return err
	}
	fmt.Println("5. The buyer pays with TrueMoney.")
	select {
	case o := <-s.paid:
		fmt.Printf("6. The shop got a notification, checked its signature, asked the gateway itself, and knows for certain:\n   order %s is paid, %v %s at %s.\n",
			o.MchOrderNo, o.TotalFee, o.FeeType, o.TimeEnd.Format(time.DateTime))
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no notification of order %s came: %w", no, ctx.Err())
	}
}

// refundHalf gives half of the money back, and looks whether it arrived.
func (s *shop) refundHalf(ctx context.Context) error {
	refund, err := s.client.Refund(ctx, &ksher.RefundRequest{
		Host:        ksher.HostGateway,
		MchOrderNo:  s.order.MchOrderNo,
		MchRefundNo: ksher.NewRefundNo(),
		RefundFee:   s.order.TotalFee / 2,
	})
	if err != nil {
		return err
	}
	fmt.Printf("7. One bag was sold out, so the shop refunds half: %v %s under number %s.\n",
		refund.MchRefundFee, s.order.FeeType, refund.MchRefundNo)

	refunds, err := s.client.Refunds(ctx, &ksher.RefundsRequest{MchOrderNo: s.order.MchOrderNo, Host: ksher.HostGateway})
	if err != nil {
		return err
	}
	for _, r := range refunds {
		if r.MchRefundNo == refund.MchRefundNo && r.Succeeded() {
			fmt.Printf("8. The gateway confirms: %v %s went back to the buyer. That is the whole story.\n", r.MchRefundFee, s.order.FeeType)
			return nil
		}
	}
	return errors.New("the gateway does not know of the refund")
}

// Command vipshop is one shop on both generations of Ksher's API: on vip.ksher.net,
// and moved to api.ksher.net by package migrate. It makes the same vip requests for
// both, and a flag decides where they go.
//
// Without an account it starts a gateway of its own, plays the buyer, and ends by
// itself, with both generations one after the other unless the flag names one:
//
//	go run ./examples/vipshop
//	go run ./examples/vipshop -generation vip
//	go run ./examples/vipshop -generation api
//
// With KSHER_VIP_URL (https://NAME.vip.ksher.net) and KSHER_VIP_TOKEN set, or
// KSHER_APPID and KSHER_PRIVATE_KEY for api, it creates a real order, prints the
// address of its page, and stops there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
	"github.com/ksher-go/ksher/vip"
	"github.com/ksher-go/ksher/vip/migrate"
)

// currency is that of the shop's account.
const currency = "THB"

// cashier is all that the shop wants of a generation.
type cashier interface {
	// create makes the order and returns the address of its checkout page.
	create(context.Context, *vip.RedirectRequest) (page string, err error)
	// status asks where the order stands. Paid means this order, in full.
	status(context.Context, *vip.RedirectRequest) (ksher.Result, error)
	// refund pays back.
	refund(context.Context, *vip.RefundRequest) error
	// listen returns the handler for Ksher's messages, and the method they come by.
	// expected is what the shop's books have of an order.
	listen(address string, expected func(id string) (ksher.Amount, bool), paid func(ctx context.Context, id string) error) (method string, h http.Handler, err error)
}

// onVIP is vip.ksher.net.
type onVIP struct{ client *vip.Client }

func (c onVIP) create(ctx context.Context, r *vip.RedirectRequest) (string, error) {
	order, err := c.client.Create(ctx, r)
	if err != nil {
		return "", err
	}
	return order.Reference, nil
}

func (c onVIP) status(ctx context.Context, r *vip.RedirectRequest) (ksher.Result, error) {
	order, err := c.client.Query(ctx, vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: r.MerchantOrderID})
	if err != nil {
		return "", err
	}
	if order.Status.Paid() {
		if err := order.CheckPaid(r.MerchantOrderID, r.Amount, currency); err != nil {
			return "", err
		}
	}
	return migrate.Result(order)
}

func (c onVIP) refund(ctx context.Context, r *vip.RefundRequest) error {
	_, err := c.client.Refund(ctx, vip.KindRedirect, r)
	return err
}

func (c onVIP) listen(address string, expected func(string) (ksher.Amount, bool), paid func(context.Context, string) error) (string, http.Handler, error) {
	payments, err := vip.NewPayments(c.client, func(ctx context.Context, o *vip.Order) error { return paid(ctx, o.MerchantOrderID) })
	if err != nil {
		return "", nil, err
	}
	n, err := payments.Notifications(address, func(_ context.Context, id string) (vip.OpenOrder, error) {
		total, ok := expected(id)
		if !ok {
			return vip.OpenOrder{}, ksher.ErrNotOurs
		}
		return vip.OpenOrder{MerchantOrderID: id, Kind: vip.KindRedirect, Amount: total, Currency: currency}, nil
	})
	return http.MethodGet, n, err
}

// onAPI is api.ksher.net.
type onAPI struct {
	client *ksher.Client
	shop   migrate.Shop
}

func (c onAPI) create(ctx context.Context, r *vip.RedirectRequest) (string, error) {
	order, err := c.shop.GatewayPay(r)
	if err != nil {
		return "", err
	}
	page, err := c.client.GatewayPay(ctx, order)
	if err != nil {
		return "", err
	}
	return page.PayContent, nil
}

func (c onAPI) status(ctx context.Context, r *vip.RedirectRequest) (ksher.Result, error) {
	order, err := c.client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: r.MerchantOrderID})
	if err != nil {
		return "", err
	}
	if order.Result.Paid() {
		if err := order.CheckPaid(r.MerchantOrderID, r.Amount, currency); err != nil {
			return "", err
		}
	}
	return order.Result, nil
}

func (c onAPI) refund(ctx context.Context, r *vip.RefundRequest) error {
	refund, err := migrate.Refund(vip.KindRedirect, r)
	if err != nil {
		return err
	}
	_, err = c.client.Refund(ctx, refund)
	return err
}

func (c onAPI) listen(_ string, expected func(string) (ksher.Amount, bool), paid func(context.Context, string) error) (string, http.Handler, error) {
	payments, err := ksher.NewPayments(c.client, func(ctx context.Context, o *ksher.Order) error { return paid(ctx, o.MchOrderNo) })
	if err != nil {
		return "", nil, err
	}
	notifications, err := payments.Notifications(func(_ context.Context, mchOrderNo string) (ksher.OpenOrder, error) {
		total, ok := expected(mchOrderNo)
		if !ok {
			return ksher.OpenOrder{}, ksher.ErrNotOurs
		}
		return ksher.OpenOrder{MchOrderNo: mchOrderNo, Host: ksher.HostGateway, TotalFee: total, FeeType: currency}, nil
	})
	return http.MethodPost, notifications, err
}

func main() {
	generation := flag.String("generation", "both", "where the orders are made: vip, api or both")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, *generation); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, generation string) error {
	generations := []string{generation}
	switch generation {
	case "vip", "api":
	case "both":
		generations = []string{"vip", "api"}
	default:
		return fmt.Errorf("there is no generation %q: use vip, api or both", generation)
	}
	hasVIP := os.Getenv("KSHER_VIP_URL")+os.Getenv("KSHER_VIP_TOKEN") != ""
	hasAPI := os.Getenv("KSHER_APPID")+os.Getenv("KSHER_PRIVATE_KEY") != ""
	if !hasVIP && !hasAPI {
		return wholeStory(ctx, generations)
	}
	if generation == "both" && hasVIP != hasAPI { // There is an account for one of them only.
		generations = []string{map[bool]string{true: "vip", false: "api"}[hasVIP]}
	}
	return realOrders(ctx, generations)
}

// newOrder is the shop's request, as it has always been.
func newOrder(shop string) *vip.RedirectRequest {
	return &vip.RedirectRequest{
		MerchantOrderID: ksher.NewOrderNo(), // At most 32 characters, as api.ksher.net wants.
		Amount:          150_50,             // 150.50 THB
		RedirectURL:     shop + "/thanks",
		RedirectURLFail: shop + "/sorry",
		Channel:         []string{string(ksher.ChannelTrueMoney), string(ksher.ChannelCard)},
		ProductName:     "Two bags of coffee",
		Note:            "table 5",
	}
}

// terms are what has to be added for api.ksher.net.
func terms(shop string) migrate.Shop {
	return migrate.Shop{FeeType: currency, NotifyURL: shop + "/ksher", ReferURL: shop + "/cart"}
}

// realOrders creates orders at Ksher and leaves paying them to a person.
func realOrders(ctx context.Context, generations []string) error {
	const shop = "https://shop.example"
	tills := make(map[string]cashier)
	for _, generation := range generations { // Before anything is created.
		till, err := realCashier(generation, shop)
		if err != nil {
			return err
		}
		tills[generation] = till
	}
	for _, generation := range generations {
		order := newOrder(shop)
		page, err := tills[generation].create(ctx, order)
		if err != nil {
			return err
		}
		fmt.Printf("Order %s over %v %s was created at Ksher, by %s. Its checkout page, where real money is paid:\n%s\n",
			order.MerchantOrderID, order.Amount, currency, generation, page)
	}
	return nil
}

func realCashier(generation, shop string) (cashier, error) {
	if generation == "vip" {
		url, token := os.Getenv("KSHER_VIP_URL"), os.Getenv("KSHER_VIP_TOKEN")
		if url == "" || token == "" {
			return nil, errors.New("for vip, set both KSHER_VIP_URL and KSHER_VIP_TOKEN, or use -generation api")
		}
		client, err := vip.NewClient(url, token)
		return onVIP{client}, err
	}
	appID, privateKey := os.Getenv("KSHER_APPID"), os.Getenv("KSHER_PRIVATE_KEY")
	if appID == "" || privateKey == "" {
		return nil, errors.New("for api, set both KSHER_APPID and KSHER_PRIVATE_KEY, or use -generation vip")
	}
	key, err := ksher.ParsePrivateKey([]byte(privateKey))
	if err != nil {
		return nil, err
	}
	client, err := ksher.NewClient(appID, key)
	return onAPI{client, terms(shop)}, err
}

// wholeStory plays every part: the gateway, the shop and the buyer.
func wholeStory(ctx context.Context, generations []string) error {
	gateway, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer gateway.Close()
	fmt.Println("A gateway with both generations runs inside this program. No account is needed, and no money moves.")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	shop := "http://" + listener.Addr().String()
	client := gateway.VIP // In production one of vip.NewClient.
	tills := map[string]cashier{"vip": onVIP{client}, "api": onAPI{gateway.Client, terms(shop)}}

	paid := make(chan string, 1)
	orders := make(map[string]*vip.RedirectRequest) // By generation.
	for _, generation := range generations {
		orders[generation] = newOrder(shop)
	}
	mux, err := webhook(shop, tills, orders, paid)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	defer server.Close()
	// At vip.ksher.net the address is registered with the account, at api.ksher.net
	// it is part of each order.
	if err := gateway.SetVIPWebhook(shop + "/ksher"); err != nil {
		return err
	}
	fmt.Printf("The shop listens for both at %s/ksher: vip.ksher.net calls it by GET, api.ksher.net by POST.\n", shop)

	for _, generation := range generations {
		fmt.Printf("\nThe shop is on %s.ksher.net.\n", generation)
		if err := sell(ctx, gateway, tills[generation], orders[generation], paid); err != nil {
			return err
		}
	}
	return nil
}

// webhook is where both generations tell the shop, at one address, also when new orders go
// to one of them only: orders of the other may still be open.
func webhook(shop string, tills map[string]cashier, orders map[string]*vip.RedirectRequest, paid chan<- string) (http.Handler, error) {
	expected := func(id string) (ksher.Amount, bool) {
		for _, o := range orders {
			if o.MerchantOrderID == id {
				return o.Amount, true
			}
		}
		return 0, false
	}
	mux := http.NewServeMux()
	for _, till := range tills {
		method, handler, err := till.listen(shop+"/ksher", expected, func(ctx context.Context, id string) error {
			select {
			case paid <- id:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil {
			return nil, err
		}
		mux.Handle(method+" /ksher", handler)
	}
	return mux, nil
}

// sell is the shop's own code. It doesn't know which generation it is on.
func sell(ctx context.Context, buyer *kshertest.Gateway, till cashier, order *vip.RedirectRequest, paid <-chan string) error {
	id, total := order.MerchantOrderID, order.Amount
	page, err := till.create(ctx, order)
	if err != nil {
		return err
	}
	fmt.Printf("1. The shop created order %s over %v %s and sends the buyer to\n   %s\n", id, total, currency, page)

	status, err := till.status(ctx, order)
	if err != nil {
		return err
	}
	fmt.Printf("2. Nobody has paid yet: the gateway answers %s.\n", status)

	if err := buyer.Pay(id, ksher.ChannelTrueMoney); err != nil {
		return err
	}
	fmt.Println("3. The buyer pays with TrueMoney.")
	select {
	case told := <-paid:
		if told != id {
			return fmt.Errorf("the shop was told of order %s instead of %s", told, id)
		}
	case <-ctx.Done():
		return fmt.Errorf("no message about order %s came: %w", id, ctx.Err())
	}
	if status, err = till.status(ctx, order); err != nil {
		return err
	}
	if !status.Paid() {
		return fmt.Errorf("order %s: %w: it is %s", id, ksher.ErrNotPaid, status)
	}
	fmt.Println("4. The shop was told, asked the gateway itself, and knows for certain: the order is paid in full.")

	refund := &vip.RefundRequest{MerchantOrderID: id, RefundOrderID: ksher.NewRefundNo(), RefundAmount: order.Amount}
	if err := till.refund(ctx, refund); err != nil {
		return err
	}
	if status, err = till.status(ctx, order); err != nil {
		return err
	}
	if status != ksher.ResultRefund {
		return fmt.Errorf("order %s was refunded, and it is %s", id, status)
	}
	fmt.Printf("5. The coffee was sold out, so the shop refunds it under number %s. The gateway confirms: %s.\n", refund.RefundOrderID, status)
	return nil
}

// Command webshop is a small shop on the web, which keeps its orders in memory. It sells
// through the checkout page and hands out what was paid. Beside a local gateway:
//
//	go run ./cmd/ksher sandbox
//	go run ./examples/webshop
//
// compose.yaml runs the two in containers. KSHER_APPID, KSHER_PRIVATE_KEY and the other
// variables of ksher.ClientFromEnv say whose money it takes. Without them it is the local
// gateway's merchant, and SHOP_SANDBOX says where that gateway is. The shop has three more:
//
//	SHOP_LISTEN      where it listens: 127.0.0.1:3000
//	SHOP_URL         what the buyer's browser knows it by: http://localhost:3000
//	SHOP_NOTIFY_URL  what the gateway knows it by: SHOP_URL
package main

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	client, err := newClient()
	if err != nil {
		return err
	}
	address := cmp.Or(os.Getenv("SHOP_URL"), "http://localhost:3000")
	s := &shop{url: address, notifyURL: cmp.Or(os.Getenv("SHOP_NOTIFY_URL"), address)}
	handler, err := s.handler(client)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("SHOP_LISTEN"), "127.0.0.1:3000"))
	if err != nil {
		return err
	}
	log.Printf("the shop is at %s", address)
	return s.serve(ctx, listener, handler)
}

// serve runs the shop until ctx ends, and returns when what had begun is finished.
func (s *shop) serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	ctx, stop := context.WithCancel(ctx)
	var passes sync.WaitGroup
	defer passes.Wait()
	defer stop()
	passes.Go(func() { s.payments.Run(ctx, s) })
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), 8*time.Second) // Docker kills after 10.
	defer cancel()
	return server.Shutdown(ending)
}

// newClient is the merchant's client, or that of the local gateway's merchant.
func newClient() (*ksher.Client, error) {
	if os.Getenv("KSHER_APPID") != "" {
		return ksher.ClientFromEnv()
	}
	sandbox, err := url.Parse(cmp.Or(os.Getenv("SHOP_SANDBOX"), "http://127.0.0.1:8765"))
	if err != nil {
		return nil, err
	}
	return ksher.NewClient(kshertest.AppID, kshertest.PrivateKey(), ksher.WithVerifier(kshertest.Verifier()),
		ksher.WithPlainHTTP(sandbox.Hostname()), ksher.WithGatewayURL(sandbox.String()+"/api"), ksher.WithMerchantURL(sandbox.String()+"/KsherPay"))
}

// order is one of the shop's orders.
type order struct {
	ksher.OpenOrder
	// HandedOut is how often the goods were handed out.
	HandedOut int
}

// shop sells coffee. Its books are in memory; those of a real shop are in a database.
type shop struct {
	url, notifyURL string
	client         *ksher.Client
	payments       *ksher.Payments

	mu     sync.Mutex
	orders []*order
}

func (s *shop) handler(client *ksher.Client) (http.Handler, error) {
	payments, err := ksher.NewPayments(client, s.paid)
	if err != nil {
		return nil, err
	}
	s.client, s.payments = client, payments
	notifications, err := payments.Notifications(s.expected)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.showOrders)
	mux.HandleFunc("POST /buy", s.buy)
	mux.HandleFunc("GET /orders/{no}", s.showOrder)
	mux.Handle("/ksher/notify", notifications)
	return http.NewCrossOriginProtection().Handler(mux), nil
}

// buy makes an order and sends the buyer to its checkout page. With ?print it tells the
// order's number instead, for scripts.
func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	no := ksher.NewOrderNo()
	pay := &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: 150_50, FeeType: "THB", ProductName: "Two bags of coffee",
		ChannelList:    []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard, ksher.ChannelPromptPay},
		MchRedirectURL: s.url + "/?thanks", MchRedirectURLFail: s.url + "/?sorry", ReferURL: s.url,
		MchNotifyURL: s.notifyURL + "/ksher/notify",
	}
	s.mu.Lock()
	s.orders = append(s.orders, &order{OpenOrder: pay.OpenOrder()})
	s.mu.Unlock()
	page, err := s.client.GatewayPay(r.Context(), pay)
	if err != nil {
		log.Printf("order %s: %v", no, err)
		http.Error(w, "The payment can't be started. Please try again later.", http.StatusBadGateway)
		return
	}
	if r.URL.Query().Has("print") {
		fmt.Fprintln(w, no)
		return
	}
	http.Redirect(w, r, page.PayContent, http.StatusSeeOther)
}

// find returns an order, nil if there is none. s.mu is locked.
func (s *shop) find(no string) *order {
	for _, o := range s.orders {
		if o.MchOrderNo == no {
			return o
		}
	}
	return nil
}

// paid is the only place that hands anything out.
func (s *shop) paid(_ context.Context, paid *ksher.Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.find(paid.MchOrderNo)
	o.HandedOut++
	o.Booked = true
	log.Printf("order %s is paid: %v %s by %s", paid.MchOrderNo, paid.TotalFee, paid.FeeType, paid.Channel)
	return nil
}

// expected looks into the books.
func (s *shop) expected(_ context.Context, no string) (ksher.OpenOrder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.find(no); o != nil {
		return o.OpenOrder, nil
	}
	return ksher.OpenOrder{}, ksher.ErrNotOurs
}

// OpenOrders lists the orders that nobody has paid yet, ordered by number.
func (s *shop) OpenOrders(_ context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var open []ksher.OpenOrder
	for _, o := range s.orders {
		if !o.Booked && o.MchOrderNo > after {
			open = append(open, o.OpenOrder)
		}
	}
	slices.SortFunc(open, func(a, b ksher.OpenOrder) int { return cmp.Compare(a.MchOrderNo, b.MchOrderNo) })
	return open[:min(limit, len(open))], nil
}

// showOrder tells how often an order was handed out, for scripts.
func (s *shop) showOrder(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.find(r.PathValue("no"))
	if o == nil {
		http.NotFound(w, r)
		return
	}
	fmt.Fprintln(w, o.HandedOut)
}

//go:embed shop.html
var pageText string

var page = template.Must(template.New("shop").Parse(pageText))

func (s *shop) showOrders(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	orders := make([]order, 0, len(s.orders))
	for _, o := range slices.Backward(s.orders) {
		orders = append(orders, *o)
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := page.Execute(w, orders); err != nil {
		log.Print(err)
	}
}

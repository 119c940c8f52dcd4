// Command prometheus shows the four numbers that tell whether a shop's payments are well,
// as Prometheus would scrape them. It starts a gateway of its own, plays the buyer, lets two
// things go wrong, and ends by itself:
//
//	cd examples/prometheus
//	go run .
//
// metrics.go is there to be copied. alerts.yml has an alert for each number, dashboard.json
// a panel for Grafana, and docs/night.md says what to do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// shop has its orders in memory.
type shop struct {
	gateway *kshertest.Gateway
	client  *ksher.Client
	address string
	paid    chan struct{}

	mu   sync.Mutex
	open map[string]ksher.OpenOrder
}

// oldest is what a shop with a database asks it.
func (s *shop) oldest(context.Context) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest time.Time
	for _, o := range s.open {
		if oldest.IsZero() || o.Created.Before(oldest) {
			oldest = o.Created
		}
	}
	return oldest, nil
}

func (s *shop) find(_ context.Context, orderNo string) (ksher.OpenOrder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.open[orderNo]
	if !ok {
		return o, ksher.ErrNotOurs // A real shop keeps the paid ones, too.
	}
	return o, nil
}

func (s *shop) handOut(_ context.Context, o *ksher.Order) error {
	s.mu.Lock()
	delete(s.open, o.MchOrderNo)
	s.mu.Unlock()
	s.paid <- struct{}{}
	return nil
}

// run plays the story and prints the metrics.
func run(ctx context.Context, out io.Writer) (err error) {
	gateway, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer gateway.Close()
	s := &shop{gateway: gateway, paid: make(chan struct{}, 1), open: make(map[string]ksher.OpenOrder)}
	registry := prometheus.NewRegistry()
	metrics, err := NewMetrics(registry, s.oldest)
	if err != nil {
		return err
	}
	if s.client, err = gateway.NewClient(ksher.WithHook(metrics.Hook)); err != nil {
		return err
	}
	server, err := s.listen(registry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Shutdown(ctx)) }()
	if err := s.play(ctx, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "\n/metrics says:")
	return s.scrape(ctx, out)
}

// listen serves Ksher's notifications and, on the same port here, Prometheus. Keep /metrics
// away from the internet in a real shop.
func (s *shop) listen(registry *prometheus.Registry) (*http.Server, error) {
	payments, err := ksher.NewPayments(s.client, s.handOut)
	if err != nil {
		return nil, err
	}
	notifications, err := payments.Notifications(s.find)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.address = "http://" + listener.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("/ksher/notify", notifications)
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	return server, nil
}

// play is the story.
func (s *shop) play(ctx context.Context, out io.Writer) error {
	sold, left := ksher.NewOrderNo(), ksher.NewOrderNo()
	for _, no := range []string{sold, left} {
		if err := s.order(ctx, no); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "1. The shop created two orders. One of them stays open; let it be three hours old.")
	s.mu.Lock()
	abandoned := s.open[left]
	abandoned.Created = time.Now().Add(-3 * time.Hour)
	s.open[left] = abandoned
	s.mu.Unlock()

	if err := s.gateway.Pay(sold, ksher.ChannelTrueMoney); err != nil {
		return err
	}
	select {
	case <-s.paid:
	case <-ctx.Done():
		return fmt.Errorf("no notification of order %s came: %w", sold, ctx.Err())
	}
	fmt.Fprintln(out, "2. The other was paid, and a query confirmed it.")

	status, err := s.forge(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "3. A stranger sent a forged notification, which was answered %d.\n", status)

	if err := s.gateway.Inject(kshertest.Fault{Operation: "order_refund", Kind: kshertest.FaultDropAfter}); err != nil {
		return err
	}
	refund := &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: sold, MchRefundNo: ksher.NewRefundNo(), RefundFee: 75_25}
	if _, err := s.client.Refund(ctx, refund); err != nil {
		return err
	}
	fmt.Fprintln(out, "4. The connection broke during a refund. Client.Refund asked, and it is done.")
	return nil
}

// order creates an order, at first in the books.
func (s *shop) order(ctx context.Context, no string) error {
	req := &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: 150_50, FeeType: "THB",
		ChannelList: []ksher.Channel{ksher.ChannelTrueMoney}, ProductName: "Two bags of coffee",
		ReferURL: s.address + "/cart", MchRedirectURL: s.address + "/thanks", MchRedirectURLFail: s.address + "/sorry",
		MchNotifyURL: s.address + "/ksher/notify",
	}
	o := req.OpenOrder()
	o.Created = time.Now()
	s.mu.Lock()
	s.open[no] = o
	s.mu.Unlock()
	_, err := s.client.GatewayPay(ctx, req)
	return err
}

// forge sends a notification that Ksher didn't sign.
func (s *shop) forge(ctx context.Context) (status int, err error) {
	body := strings.NewReader(`{"code":0,"data":{"result":"SUCCESS"},"sign":"00"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.address+"/ksher/notify", body)
	if err != nil {
		return 0, err
	}
	resp, err := s.gateway.HTTPClient().Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// scrape prints what Prometheus would get.
func (s *shop) scrape(ctx context.Context, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address+"/metrics", nil)
	if err != nil {
		return err
	}
	resp, err := s.gateway.HTTPClient().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(out, resp.Body)
	return err
}

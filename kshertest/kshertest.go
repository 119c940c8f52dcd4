// Package kshertest is a Ksher gateway that runs inside your test or program,
// because Ksher has no public test account. It keeps orders, checks signatures
// and parameters, refuses with Ksher's codes, signs what it says, and lets you
// play the buyer.
//
// In a test, one line gives a gateway and a client that talks to it:
//
//	gw := kshertest.New(t)
//	resp, err := gw.Client.GatewayPay(ctx, req)
//	…
//	err = gw.Pay(req.MchOrderNo, ksher.ChannelTrueMoney) // The buyer pays.
//	err = gw.Deliver(ctx, req.MchOrderNo)                // Ksher notifies you.
//
// In a program, [Start] does the same without a test. Without any server,
// [SignedResponse] makes the body of a correctly signed answer for a mock, and
// [SignedNotification] a correctly signed notification for a handler.
//
// What Ksher doesn't document is decided here as seems likely, and the
// docstrings say so. Don't rely on it where it matters: the codes of a refusal,
// for instance, are documented, but seldom which operation gives which.
package kshertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ksher-go/ksher"
)

// Gateway is a local gateway with its state. It is safe for concurrent use.
type Gateway struct {
	// Client is a client for the gateway, signing as the merchant [AppID].
	Client *ksher.Client

	url       string
	server    *http.Server
	served    chan struct{}
	transport *http.Transport

	mu sync.Mutex
	// skew is how far Advance has moved the clock.
	skew   time.Duration
	serial int
	// orders has each order under each of its numbers.
	orders map[number]*order
	// refundNos has the refund numbers that were used.
	refundNos map[string]bool
}

// TB is the part of [testing.TB] that [New] needs.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// New starts a gateway for a test, and closes it when the test ends. The
// options go to its Client.
func New(tb TB, opts ...ksher.Option) *Gateway {
	tb.Helper()
	gw, err := Start(opts...)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	tb.Cleanup(gw.Close)
	return gw
}

// Start starts a gateway on a free port of the loopback interface. The options
// go to its Client. Close it when you are done.
func Start(opts ...ksher.Option) (*Gateway, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("kshertest: %w", err)
	}
	gw := &Gateway{
		url:       "http://" + listener.Addr().String(),
		served:    make(chan struct{}),
		transport: &http.Transport{MaxIdleConnsPerHost: 32},
		orders:    make(map[number]*order),
		refundNos: make(map[string]bool),
	}
	gw.server = &http.Server{Handler: gw.handler(), ReadHeaderTimeout: 10 * time.Second}
	gw.Client, err = gw.NewClient(opts...)
	if err != nil {
		listener.Close()
		return nil, err
	}
	go func() {
		defer close(gw.served)
		gw.server.Serve(listener)
	}()
	return gw, nil
}

// Close ends the gateway and its connections. It leaves no goroutine behind.
func (g *Gateway) Close() {
	g.transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := g.server.Shutdown(ctx); err != nil {
		g.server.Close()
	}
	<-g.served
}

// NewClient returns another client for the gateway, signing as the merchant
// [AppID].
func (g *Gateway) NewClient(opts ...ksher.Option) (*ksher.Client, error) {
	return ksher.NewClient(AppID, PrivateKey(), append([]ksher.Option{
		ksher.WithHTTPClient(g.HTTPClient()),
		ksher.WithGatewayURL(g.GatewayURL()),
		ksher.WithMerchantURL(g.MerchantURL()),
		ksher.WithVerifier(Verifier()),
	}, opts...)...)
}

// HTTPClient returns an HTTP client whose connections Close closes, for
// requests of your own and for [ksher.WithHTTPClient].
func (g *Gateway) HTTPClient() *http.Client { return &http.Client{Transport: g.transport} }

// GatewayURL is the address for [ksher.WithGatewayURL].
func (g *Gateway) GatewayURL() string { return g.url + "/api" }

// MerchantURL is the address for [ksher.WithMerchantURL].
func (g *Gateway) MerchantURL() string { return g.url + "/KsherPay" }

// Advance moves the gateway's clock forward, so that orders expire.
func (g *Gateway) Advance(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.skew += d
}

// now is the gateway's time. The caller holds g.mu.
func (g *Gateway) now() time.Time { return time.Now().Add(g.skew).Truncate(time.Second) }

// ErrNotPayable is what Pay and Fail return for an order that the buyer can't
// pay, because it is paid, expired, closed or cancelled.
var ErrNotPayable = errors.New("the order can't be paid")

// ErrNoOrder means that the gateway has no order of that number.
var ErrNoOrder = errors.New("there is no such order")

// Pay plays the buyer who pays an order through one of its channels. An empty
// channel stands for the order's first one. As in reality, an order that was
// cancelled can still be paid by a QR code that the buyer saved.
func (g *Gateway) Pay(mchOrderNo string, channel ksher.Channel) error {
	return g.withOrder("Pay", mchOrderNo, func(o *order) error {
		if err := o.pay(channel, g.now()); err != nil {
			return err
		}
		o.channelOrderNo = g.nextNo("4200", 28)
		g.orders[number{"channel_order_no", o.channelOrderNo}] = o
		return nil
	})
}

// Fail plays the buyer whose payment fails for good.
func (g *Gateway) Fail(mchOrderNo string) error {
	return g.withOrder("Fail", mchOrderNo, func(o *order) error { return o.fail(g.now()) })
}

// Expire ends the time to pay an order.
func (g *Gateway) Expire(mchOrderNo string) error {
	return g.withOrder("Expire", mchOrderNo, func(o *order) error {
		if o.state(g.now()) != Created {
			return fmt.Errorf("%w: it is %s", ErrNotPayable, o.state(g.now()))
		}
		o.expires = g.now()
		return nil
	})
}

// Order returns the gateway's view of an order, by the number given to
// gateway_pay or native_pay.
func (g *Gateway) Order(mchOrderNo string) (Order, error) {
	var view Order
	err := g.withOrder("Order", mchOrderNo, func(o *order) error {
		view = o.view(g.now())
		return nil
	})
	return view, err
}

// withOrder runs a function on an order under the lock.
func (g *Gateway) withOrder(what, mchOrderNo string, fn func(*order) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.orders[number{"own", mchOrderNo}]
	err := ErrNoOrder
	if o != nil {
		err = fn(o)
	}
	if err != nil {
		return fmt.Errorf("kshertest: %s: order %q: %w", what, mchOrderNo, err)
	}
	return nil
}

// number is one of an order's numbers. Its kind is "own" for the number that
// the merchant gave, "uuid" for the one in the address of the checkout page, and
// for the numbers of the merchant host the parameter that has it.
type number struct{ kind, no string }

// nextNo returns a number of that many digits that begins with the prefix and
// doesn't come again. The caller holds g.mu.
func (g *Gateway) nextNo(prefix string, size int) string {
	g.serial++
	no := prefix + g.now().In(zone).Format("20060102150405")
	return fmt.Sprintf("%s%0*d", no, size-len(no), g.serial)
}

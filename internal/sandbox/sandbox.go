// Package sandbox is the local gateway behind package kshertest and the program
// cmd/ksher. Its documentation is in package kshertest.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ksher-go/ksher"
)

// Gateway is a local gateway with its state. It is safe for concurrent use.
type Gateway struct {
	// Merchant is the merchant [AppID].
	*Merchant
	// merchants has all of them by their app IDs.
	merchants map[string]*Merchant

	url string
	// local says that the gateway listens on the loopback interface only.
	local   bool
	server  *http.Server
	running sync.WaitGroup
	posting sync.WaitGroup
	// alive ends with the gateway.
	alive context.Context
	stop  context.CancelFunc
	// connections are the gateway's own and those of its clients.
	connections *http.Transport
	woken       chan struct{}
	options

	mu sync.Mutex
	// moving counts the clients that move the clock, and moved tells when there is one
	// less. A WaitGroup can't be used in more than one bubble of testing/synctest.
	moving int
	moved  *sync.Cond
	// started is when the gateway's clock began, by the real one, and skew how
	// far it has been moved since.
	started time.Time
	skew    time.Duration
	serial  int
	// list has the orders as they came, orders each under each of its numbers.
	list   []*order
	orders map[number]*order
	// refundNos has the refund numbers that were used.
	refundNos map[number]bool
	faults    []Fault
	requests  []Request
	pages     pageMemory
	// paidOut is what the payouts of each merchant came to that were forgotten.
	paidOut map[string]ksher.Amount
	// vipWebhook is what SetVIPWebhook was given.
	vipWebhook string
	// opn is the account at Opn Payments.
	opn opnAccount
	// savedSkew is the skew that the store has. touched has the orders that a running
	// operation changed.
	savedSkew time.Duration
	touched   []*order
}

// options are what the Options set.
type options struct {
	client  []ksher.Option
	account Account
	address string
	// speed is how much faster than the real clock the gateway's runs, 0 for one
	// that stands still.
	speed     float64
	maxOrders int
	// payoutBalance is what payouts can be made of.
	payoutBalance ksher.Amount
	// store keeps the state, nil for nowhere.
	store Store
}

// Option sets up a [Gateway].
type Option func(*options)

// WithClientOptions passes options to the gateway's Client.
func WithClientOptions(opts ...ksher.Option) Option {
	return func(o *options) { o.client = append(o.client, opts...) }
}

// Account is a kind of merchant account, which decides the channels of
// native_pay.
//
// Source: Ksher's KIOSK (C Scan B) Integration Guide.
type Account string

// Kinds of account.
const (
	AnyAccount     Account = ""        // AnyAccount has the channels of both.
	OfflineAccount Account = "offline" // OfflineAccount is for shops with a counter.
	OnlineAccount  Account = "online"  // OnlineAccount is for websites.
)

// WithAccount sets the merchant's kind of account, [AnyAccount] by default.
func WithAccount(a Account) Option { return func(o *options) { o.account = a } }

// WithAddress sets where the gateway listens, a free port of the loopback
// interface by default. Whoever can reach the address can pay and refund orders
// on it.
func WithAddress(address string) Option { return func(o *options) { o.address = address } }

// WithSpeed lets the gateway's clock run that many times faster than the real
// one, so that a day of notifications takes a minute at 1440.
func WithSpeed(times float64) Option { return func(o *options) { o.speed = times } }

// WithMaxOrders bounds how many orders the gateway keeps, payouts among them,
// 10,000 by default. It forgets the oldest first.
func WithMaxOrders(n int) Option { return func(o *options) { o.maxOrders = n } }

// TB is the part of [testing.TB] that this package needs.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// New starts a gateway for a test, and closes it when the test ends. Its clock
// stands still until [Gateway.Advance] moves it, and it notifies only then or
// when [Gateway.Deliver] says so. A client that waits, for a payment or before it
// repeats a query, moves the clock as Advance does, and doesn't wait.
func New(tb TB, opts ...Option) *Gateway {
	tb.Helper()
	gw, err := start(0, opts)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	tb.Cleanup(gw.Close)
	return gw
}

// Start starts a gateway that runs in real time and notifies by itself, on a
// free port of the loopback interface unless told otherwise. Close it when you
// are done. Its clients go by its clock, too, at the speed that [WithSpeed] sets.
func Start(opts ...Option) (*Gateway, error) { return start(1, opts) }

func start(speed float64, opts []Option) (*Gateway, error) {
	g := &Gateway{
		options:     options{address: "127.0.0.1:0", speed: speed, maxOrders: 10_000, payoutBalance: 100_000_00},
		connections: &http.Transport{MaxIdleConnsPerHost: 32},
		woken:       make(chan struct{}, 1),
		started:     time.Now().Truncate(time.Second),
		orders:      make(map[number]*order),
		merchants:   make(map[string]*Merchant),
		paidOut:     make(map[string]ksher.Amount),
		refundNos:   make(map[number]bool),
	}
	g.alive, g.stop = context.WithCancel(context.Background())
	g.moved = sync.NewCond(&g.mu)
	for _, opt := range opts {
		opt(&g.options)
	}
	if g.speed < 0 || g.maxOrders < 1 {
		return nil, fmt.Errorf("kshertest: a speed of %v and room for %d orders make no gateway", g.speed, g.maxOrders)
	}
	listener, err := net.Listen("tcp", g.address)
	if err != nil {
		return nil, fmt.Errorf("kshertest: %w", err)
	}
	if err := g.restore(); err != nil {
		listener.Close()
		return nil, fmt.Errorf("kshertest: what was stored: %w", err)
	}
	g.url = "http://" + listener.Addr().String()
	at := listener.Addr().(*net.TCPAddr)
	g.local = at.IP.IsLoopback()
	if at.IP.IsUnspecified() {
		g.url = fmt.Sprintf("http://127.0.0.1:%d", at.Port)
	}
	if g.Merchant, err = g.MerchantOf(AppID); err != nil {
		listener.Close()
		return nil, err
	}
	g.server = &http.Server{Handler: g.handler(), ReadHeaderTimeout: 10 * time.Second}
	g.running.Go(func() { g.server.Serve(listener) })
	if g.speed > 0 {
		g.running.Go(func() { g.deliverAll(g.alive) })
	}
	return g, nil
}

// Close ends the gateway and its connections. It leaves no goroutine behind.
func (g *Gateway) Close() {
	g.mu.Lock()
	g.stop()
	g.mu.Unlock()
	g.connections.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := g.server.Shutdown(ctx); err != nil {
		g.server.Close()
	}
	g.running.Wait()
	g.posting.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.moving > 0 {
		g.moved.Wait()
	}
}

// URL is the address of the gateway without a path.
func (g *Gateway) URL() string { return g.url }

// GatewayURL is the address for [ksher.WithGatewayURL].
func (g *Gateway) GatewayURL() string { return g.url + "/api" }

// MerchantURL is the address for [ksher.WithMerchantURL].
func (g *Gateway) MerchantURL() string { return g.url + "/KsherPay" }

// ErrNotPayable is what Begin, Pay, Fail and the like return for an order that
// the buyer can't pay, because it is paid, expired, closed or cancelled.
var ErrNotPayable = errors.New("the order can't be paid")

// ErrNoOrder means that the gateway has no order of that number.
var ErrNoOrder = errors.New("there is no such order")

// Begin plays the buyer who has chosen a channel and is typing a PIN or an OTP,
// by the order's first channel if none is given. The order is then USERPAYING,
// and one by card can't be cancelled.
func (m *Merchant) Begin(mchOrderNo string, channel ksher.Channel) error {
	return m.change("Begin", mchOrderNo, func(o *order) error { return o.begin(channel, m.g.now()) })
}

// GiveUp plays the buyer who goes back from a channel without paying.
func (m *Merchant) GiveUp(mchOrderNo string) error {
	return m.change("GiveUp", mchOrderNo, func(o *order) error { return o.giveUp(m.g.now()) })
}

// Pay plays the buyer who pays an order through one of its channels: without
// one, through the channel that was begun or else the order's first. As in
// reality, an order that was cancelled can still be paid by a QR code that the
// buyer saved.
func (m *Merchant) Pay(mchOrderNo string, channel ksher.Channel) error {
	return m.change("Pay", mchOrderNo, func(o *order) error { return m.g.pay(o, channel) })
}

// pay is what a payment brings about. The caller holds g.mu.
func (g *Gateway) pay(o *order, channel ksher.Channel) error {
	if err := o.pay(channel, g.now()); err != nil {
		return err
	}
	o.ChannelOrderNo = g.nextNo("4200", 28)
	if !o.Payout && o.VIP == "" {
		g.orders[number{o.AppID, "channel_order_no", o.ChannelOrderNo}] = o
		g.announce(o)
	}
	return nil
}

// Fail plays the buyer whose payment fails for good.
func (m *Merchant) Fail(mchOrderNo string) error {
	return m.change("Fail", mchOrderNo, func(o *order) error { return o.fail(m.g.now()) })
}

// Expire ends the time to pay an order.
func (m *Merchant) Expire(mchOrderNo string) error {
	return m.change("Expire", mchOrderNo, func(o *order) error { return o.expire(m.g.now()) })
}

// Settle plays Ksher paying the merchant out: a paid order can no longer be
// refunded through the API.
func (m *Merchant) Settle(mchOrderNo string) error {
	return m.change("Settle", mchOrderNo, func(o *order) error {
		if o.PaidAt.IsZero() {
			return fmt.Errorf("it is %s, not paid", o.state(m.g.now()))
		}
		o.Settled = true
		o.note(m.g.now(), "settled")
		return nil
	})
}

// Order returns the gateway's view of an order, by the number that the merchant
// gave it. A payout counts as an order by the channel "payout".
func (m *Merchant) Order(mchOrderNo string) (Order, error) {
	var view Order
	err := m.change("Order", mchOrderNo, func(o *order) error {
		view = o.view(m.g.now())
		return nil
	})
	return view, err
}

// Orders returns the gateway's view of all orders, in the order they came.
func (g *Gateway) Orders() []Order {
	g.mu.Lock()
	defer g.mu.Unlock()
	views := make([]Order, len(g.list))
	for i, o := range g.list {
		views[i] = o.view(g.now())
	}
	return views
}

// change runs a function on an order under the lock.
func (m *Merchant) change(what, mchOrderNo string, fn func(*order) error) error {
	g := m.g
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.orders[number{m.AppID, "own", mchOrderNo}]
	err := ErrNoOrder
	if o != nil {
		err = fn(o)
	}
	if err == nil {
		err = g.save(o)
	}
	if err != nil {
		return fmt.Errorf("kshertest: %s: order %q: %w", what, mchOrderNo, err)
	}
	return nil
}

// number is one of an order's numbers, apart for each merchant. Its kind is "own" for the number that
// the merchant gave, "uuid" for the one in the address of the checkout page, and
// for the numbers of the merchant host the parameter that has it.
type number struct{ appID, kind, no string }

func (o *order) numbers() []number {
	all := []number{{o.AppID, "own", o.MchOrderNo}, {"", "uuid", o.UUID}}
	if !o.Payout && o.VIP == "" { // The merchant host doesn't know those.
		all = append(all, number{o.AppID, "mch_order_no", o.merchantHostNo()},
			number{o.AppID, "ksher_order_no", o.KsherOrderNo}, number{o.AppID, "channel_order_no", o.ChannelOrderNo})
	}
	return slices.DeleteFunc(all, func(n number) bool { return n.no == "" })
}

// add keeps a new order. The caller holds g.mu.
func (g *Gateway) add(o *order) {
	o.Serial = g.serial
	g.list = append(g.list, o)
	g.index(o)
	g.touched = append(g.touched, o)
}

// nextNo returns a number of that many digits that begins with the prefix and
// doesn't come again. The caller holds g.mu.
func (g *Gateway) nextNo(prefix string, size int) string {
	g.serial++
	no := prefix + g.now().In(zone).Format("20060102150405")
	return fmt.Sprintf("%s%0*d", no, size-len(no), g.serial)
}

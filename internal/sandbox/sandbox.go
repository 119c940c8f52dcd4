// Package sandbox is the local gateway behind package kshertest and the program
// cmd/ksher. It puts its rooms together: the state is in core, what is served in api,
// vipapi, opnapi, checkout and console. Its documentation is in package kshertest.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/day"
	"github.com/ksher-go/ksher/internal/sandbox/api"
	"github.com/ksher-go/ksher/internal/sandbox/checkout"
	"github.com/ksher-go/ksher/internal/sandbox/console"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/opnapi"
	"github.com/ksher-go/ksher/internal/sandbox/vipapi"
)

// Gateway is a local gateway. It is safe for concurrent use.
type Gateway struct {
	*core.Gateway
	// Merchant is the merchant [AppID].
	*Merchant

	vip     *vipapi.Server
	opn     *opnapi.Account
	handler http.Handler
	server  *http.Server
	running sync.WaitGroup
	options

	mu sync.Mutex
	// merchants has those that were asked for, by their app IDs.
	merchants map[string]*Merchant
}

// options are what the Options set.
type options struct {
	client        []ksher.Option
	terms         map[string]Terms
	address       string
	speed         float64
	maxOrders     int
	maxBytes      int
	payoutBalance ksher.Amount
	strict        bool
	varied        bool
	notifyHosts   []string
	readTimeout   time.Duration
	seed          string
	store         Store
	publicURL     string
	hosts         []string
}

// Option sets up a [Gateway].
type Option func(*options) error

// always is an option that nothing can be wrong with.
func always(set func(*options)) Option {
	return func(o *options) error {
		set(o)
		return nil
	}
}

// WithClientOptions passes options to the gateway's Client.
func WithClientOptions(opts ...ksher.Option) Option {
	return always(func(o *options) { o.client = append(o.client, opts...) })
}

// WithMerchant lets the gateway know a merchant with those terms from the start. It may be
// [AppID], whose key is fixed.
func WithMerchant(appID string, terms Terms) Option {
	return always(func(o *options) { o.terms[appID] = terms })
}

// WithAddress sets where the gateway listens, a free port of the loopback
// interface by default. Whoever can reach the address can pay and refund orders
// on it.
func WithAddress(address string) Option {
	return always(func(o *options) { o.address = address })
}

// WithPublicURL sets the address, without a path, that others know the gateway by, such
// as one of a proxy before it. Addresses in answers and on the dashboard begin with it,
// and the dashboard answers under its name. By default they begin with the address that
// was asked.
func WithPublicURL(address string) Option {
	return always(func(o *options) { o.publicURL = address })
}

// WithHosts sets names under which the dashboard and the control API answer, beside
// localhost, the name in WithAddress and that in WithPublicURL. Whoever owns such a name
// can let a browser pay and refund orders.
func WithHosts(names ...string) Option {
	return func(o *options) error {
		for _, name := range names {
			if strings.ContainsAny(name, "/:") {
				return fmt.Errorf("the host %q isn't a name alone, without scheme and port", name)
			}
		}
		o.hosts = append(o.hosts, names...)
		return nil
	}
}

// WithSpeed lets the gateway's clock run that many times faster than the real
// one, so that a day of notifications takes a minute at 1440.
func WithSpeed(times float64) Option {
	return always(func(o *options) { o.speed = times })
}

// WithMaxOrders bounds how many orders the gateway keeps, payouts among them,
// 10,000 by default. It forgets the oldest first.
func WithMaxOrders(n int) Option {
	return always(func(o *options) { o.maxOrders = n })
}

// WithMaxBytes bounds the memory that the orders take together, roughly, 128 MiB by default.
// The gateway forgets the oldest first.
func WithMaxBytes(n int) Option {
	return always(func(o *options) { o.maxBytes = n })
}

// WithPayoutBalance sets how much payouts can be made of, before the first of
// them, 100,000 THB by default. Nothing adds to it: the payments of buyers don't.
func WithPayoutBalance(balance ksher.Amount) Option {
	return func(o *options) error {
		if balance < 0 {
			return fmt.Errorf("a payout balance of %v is negative", balance)
		}
		o.payoutBalance = balance
		return nil
	}
}

// WithStrict says whether the gateway refuses what the documentation doesn't allow, also
// where the real gateway seems to accept it. One made by [New] does by default.
func WithStrict(strict bool) Option {
	return always(func(o *options) { o.strict = strict })
}

// WithVariedFees lets a quarter of the orders have their fees as texts, and another quarter
// an empty cash fee, by their numbers, as genuine answers have them now and then.
func WithVariedFees() Option {
	return always(func(o *options) { o.varied = true })
}

// WithNotifyHosts lets notifications go to those hosts beyond this machine and private
// networks, by names or addresses, "*" for all but link-local addresses.
func WithNotifyHosts(hosts ...string) Option {
	return always(func(o *options) { o.notifyHosts = append(o.notifyHosts, hosts...) })
}

// WithReadTimeout bounds how long the header of a request may take to come in, and how long
// its body, ten seconds each by default.
func WithReadTimeout(d time.Duration) Option {
	return always(func(o *options) { o.readTimeout = d })
}

// WithSeed lets all that the gateway makes up follow from a seed: Ksher's and the channels'
// numbers, nonces, names in addresses, merchants' keys. The same calls in the same order then
// have the same answers, but for times, which are those of the clock.
func WithSeed(seed string) Option {
	return always(func(o *options) { o.seed = seed })
}

// WithStore keeps the gateway's state, so that it survives restarts: the orders with
// their payments, refunds, notifications and history, the payouts, and the clock.
// Whatever was answered is in the store. Faults that wait and the log of requests
// aren't kept. A store belongs to one gateway at a time, and
// the caller closes it after the gateway.
//
// While the gateway doesn't run, its clock goes on at the gateway's speed. A
// notification whose answer couldn't be written down any more is sent again, as
// Ksher may do, too.
func WithStore(s Store) Option {
	return always(func(o *options) { o.store = s })
}

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
// repeats a query, moves the clock as Advance does, and doesn't wait. It is strict, see
// [WithStrict].
func New(tb TB, opts ...Option) *Gateway {
	tb.Helper()
	gw, err := start(0, opts)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	tb.Cleanup(gw.Close)
	gw.OpenPayouts()
	return gw
}

// OpenPayouts moves the clock on to when payouts are open, so that a test which pays out
// passes at any hour.
func (g *Gateway) OpenPayouts() { g.Advance(day.PayoutsOpenIn(g.Now())) }

// Start starts a gateway that runs in real time and notifies by itself, on a
// free port of the loopback interface unless told otherwise. Close it when you
// are done. Its clients go by its clock, too, at the speed that [WithSpeed] sets.
func Start(opts ...Option) (*Gateway, error) { return start(1, opts) }

// MaxSpeed bounds [WithSpeed]: it is a year in half a minute. A clock that is much faster would overflow.
const MaxSpeed = 1_000_000

func start(speed float64, opts []Option) (*Gateway, error) {
	g := &Gateway{
		options: options{
			address: "127.0.0.1:0", speed: speed, maxOrders: 10_000, payoutBalance: 100_000_00, strict: speed == 0, readTimeout: 10 * time.Second,
			terms: make(map[string]Terms),
		},
		merchants: make(map[string]*Merchant),
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, &core.ConfigError{Err: errors.New("an option is nil")}
		}
		if err := opt(&g.options); err != nil {
			return nil, &core.ConfigError{Err: err}
		}
	}
	if !(g.speed >= 0 && g.speed <= MaxSpeed) || g.maxOrders < 1 {
		return nil, &core.ConfigError{Err: fmt.Errorf("a speed of %v and room for %d orders make no gateway", g.speed, g.maxOrders)}
	}
	if err := g.takePublicURL(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", g.address)
	if err != nil {
		return nil, fmt.Errorf("kshertest: %w", err)
	}
	if err := g.build(listener.Addr().(*net.TCPAddr)); err != nil {
		listener.Close()
		return nil, err
	}
	g.server = &http.Server{
		Handler: g.handler, ReadHeaderTimeout: g.readTimeout, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 2 * core.MaxRequestBytes, // Parameters may come in a query.
	}
	g.running.Go(func() { g.server.Serve(listener) })
	g.Run()
	return g, nil
}

// build puts the rooms of a gateway that listens there together.
func (g *Gateway) build(at *net.TCPAddr) (err error) {
	url := "http://" + at.String()
	if at.IP.IsUnspecified() {
		url = fmt.Sprintf("http://127.0.0.1:%d", at.Port)
	}
	local := at.IP.IsLoopback()
	g.Gateway, err = core.New(core.Config{
		URL: url, PublicURL: g.publicURL, Local: local, Speed: g.speed, MaxOrders: g.maxOrders, MaxBytes: g.maxBytes, PayoutBalance: g.payoutBalance,
		Strict: g.strict, NotifyHosts: g.notifyHosts, Merchants: g.terms, Seed: g.seed, Store: g.store,
	})
	if err != nil {
		return err
	}
	if g.Merchant, err = g.MerchantOf(AppID); err != nil {
		return err
	}
	ksherAPI := api.New(g.Gateway, g.varied)
	g.vip, g.opn = vipapi.New(g.Gateway), opnapi.New(g.Gateway)
	desk := console.New(g.Gateway, console.Config{
		Address: g.address, Local: local,
		Hosts: g.hosts, Setup: Setup, PageURL: pageURL,
		Create: func(ctx context.Context, r *ksher.GatewayPayRequest) (string, error) {
			order, err := g.Client.GatewayPay(ctx, r)
			if err != nil {
				return "", err
			}
			return order.PayContent, nil
		},
	})
	mux := http.NewServeMux()
	ksherAPI.Serve(mux)
	checkout.New(g.Gateway).Serve(mux)
	g.vip.Serve(mux)
	g.opn.Serve(mux)
	mux.HandleFunc("GET /healthz", g.serveHealth)
	mux.Handle("/", desk.Handler())
	g.handler = refuseCrossSite(cutOffSlow(mux, g.readTimeout), desk.OwnHost)
	return nil
}

// serveHealth tells whoever watches over the gateway that it works. One that hangs doesn't
// answer, because the clock is behind the lock of the state.
func (g *Gateway) serveHealth(w http.ResponseWriter, _ *http.Request) {
	g.Now()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "ok\n")
}

// pageURL is the address of an order's checkout page at a gateway with the address base,
// "" if it has none.
func pageURL(base string, o *core.Entry) string {
	if o.Foreign {
		return opnapi.PageURL(base, o)
	}
	if !o.Gateway && !vipapi.HasPage(o) {
		return ""
	}
	return checkout.URL(base, o)
}

// Setup is what a client is set up with at a gateway with the address base.
func Setup(base string) console.Setup {
	return console.Setup{
		GatewayURL: base + "/api", MerchantURL: base + "/KsherPay", PublicKey: PublicKey,
		VIPURL: base, VIPToken: VIPToken,
		OpnURL: base + "/opn", OpnPublicKey: OpnPublicKey, OpnSecretKey: OpnSecretKey,
	}
}

// takePublicURL checks the address in [WithPublicURL] and lets the console answer under
// its name.
func (g *Gateway) takePublicURL() error {
	if g.publicURL == "" {
		return nil
	}
	g.publicURL = strings.TrimSuffix(g.publicURL, "/")
	u, err := url.Parse(g.publicURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || g.publicURL != u.Scheme+"://"+u.Host {
		return &core.ConfigError{Err: fmt.Errorf("the public URL %q isn't an http or https address without a path", g.publicURL)}
	}
	g.hosts = append(g.hosts, u.Hostname())
	return nil
}

// Close ends the gateway and its connections. It leaves no goroutine behind.
func (g *Gateway) Close() {
	g.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := g.server.Shutdown(ctx); err != nil {
		g.server.Close()
	}
	g.running.Wait()
	g.Wait()
}

// Handler is what the gateway serves.
func (g *Gateway) Handler() http.Handler { return g.handler }

// GatewayURL is the address for [ksher.WithGatewayURL].
func (g *Gateway) GatewayURL() string { return g.URL() + "/api" }

// MerchantURL is the address for [ksher.WithMerchantURL].
func (g *Gateway) MerchantURL() string { return g.URL() + "/KsherPay" }

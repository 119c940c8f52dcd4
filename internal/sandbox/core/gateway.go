// Package core keeps the state of the local gateway: its orders and their states, the
// clock, the store, notifications and faults. The rooms beside it speak Ksher's protocols
// and show pages. They change the state through a [Tx], and package sandbox puts all
// together.
package core

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rsa"
	_ "embed" // For the key.
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/ksher-go/ksher"
)

// AppID is the app ID of the merchant that every gateway knows.
const AppID = "mch00000"

// MaxRequestBytes bounds the body of a request, far above what one with every parameter
// needs.
const MaxRequestBytes = 64 << 10

// Config is what a gateway is made with.
type Config struct {
	// URL is the gateway's address without a path.
	URL string
	// PublicURL is the one that others know it by, if it isn't what they ask.
	PublicURL string
	// Local says that the gateway listens on the loopback interface only.
	Local bool
	// Speed is how much faster than the real clock the gateway's runs, 0 for one
	// that stands still.
	Speed float64
	// MaxOrders bounds how many orders the gateway keeps.
	MaxOrders int
	// MaxBytes bounds the memory that orders take together, 128 MiB if it is 0.
	MaxBytes int
	// PayoutBalance is what payouts can be made of.
	PayoutBalance ksher.Amount
	// Strict refuses what the documentation doesn't allow, also where the real gateway
	// seems to accept it.
	Strict bool
	// NotifyHosts are names and addresses that notifications may go to besides this
	// machine and private networks, [AnyHost] for all.
	NotifyHosts []string
	// Merchants are those that the gateway knows from the start, beside [AppID] or with
	// the terms of that one.
	Merchants map[string]Terms
	// Seed decides all that the gateway makes up, such as numbers: the same for the same
	// calls in the same order. Without one it is always something else.
	Seed string
	// Store keeps the state, nil for nowhere.
	Store Store
}

// Protocol is what the core has to know of an API that the gateway speaks.
type Protocol struct {
	// Operations are the names of its operations, for faults.
	Operations []string
	// Notifier tells merchants of its orders, and Foreign says that they are foreign ones.
	Notifier Notifier
	Foreign  bool
}

// Notifier is how a protocol tells merchants of its orders. Request and Accepted are
// called without the gateway's lock, all else under it.
type Notifier interface {
	// Made tells whether an order is of this protocol.
	Made(o *Entry) bool
	// News returns the notification that the order's state at that time calls for, nil
	// for none. What is told under a word isn't told again; "" leaves that to News.
	News(o *Entry, at time.Time) (n *Notice, told string)
	// TimesOut tells whether the order's expiry is going to be news.
	TimesOut(o *Entry) bool
	// Body is what goes out under a fault.
	Body(n *Notice, o *Entry, f Fault, now time.Time) []byte
	// Request is the request that brings it.
	Request(ctx context.Context, n *Notice, body []byte) (*http.Request, error)
	// Accepted tells whether the merchant's answer, of HTTP status 200, accepts it.
	Accepted(answer []byte) bool
	// Schedule has the times between one attempt and the next.
	Schedule() []time.Duration
}

// Gateway is the state of a local gateway. It is safe for concurrent use.
type Gateway struct {
	config    Config
	protocols []Protocol
	running   sync.WaitGroup
	posting   sync.WaitGroup
	// alive ends with the gateway.
	alive context.Context
	stop  context.CancelFunc
	// connections are those of the gateway's clients, outgoing those of notifications.
	connections *http.Transport
	outgoing    *http.Transport
	woken       chan struct{}

	mu sync.Mutex
	// merchants has all of them by their app IDs, and atStart those to go back to.
	merchants, atStart map[string]*Merchant
	// merchantsChanged says that the store doesn't have them as they are.
	merchantsChanged bool
	// moving counts the clients that move the clock, and moved tells when there is one
	// less. A WaitGroup can't be used in more than one bubble of testing/synctest.
	moving int
	moved  *sync.Cond
	// started is when the gateway's clock began, by the real one, and skew how
	// far it has been moved since.
	started time.Time
	skew    time.Duration
	// ahead are closed when the clock is moved, one for each client that waits for that.
	ahead  []chan struct{}
	serial int
	// list has the orders as they came, orders each under each of its numbers.
	list   []*Entry
	orders map[number]*Entry
	// bytes is what the orders in list count for, and logBytes what those in requests do.
	bytes, logBytes int
	// refundNos has the refund numbers that were used.
	refundNos map[number]bool
	faults    []waitingFault
	requests  []Request
	// logged counts the requests.
	logged int
	// exchanges has the requests for stories, and exchangeBytes is what they take.
	exchanges     []*Exchange
	exchangeBytes int
	// paidOut is what the payouts of each merchant came to that were forgotten.
	paidOut map[string]ksher.Amount
	// watchers hear of changes, and seenSkew is the skew that they have heard of.
	watchers watchers
	seenSkew time.Duration
	// era is the one since the last reset.
	era *era
	// savedSkew is the skew that the store has.
	savedSkew time.Duration
	// savedAt is the real time at which the store was last written.
	savedAt time.Time
}

// The merchant's key is fixed, so that a program in any language can be set up once. It
// protects nothing: everybody has it.
var (
	//go:embed keys/merchant-512.pem
	merchantKeyPEM string

	merchantKey = sync.OnceValue(func() crypto.Signer { return MustParseKey(merchantKeyPEM) })
)

// MustParseKey reads a private key that is part of this program.
func MustParseKey(pem string) crypto.Signer {
	key, err := ksher.ParsePrivateKey([]byte(pem))
	if err != nil {
		panic(err)
	}
	return key
}

// PrivateKey returns the private key of the merchant [AppID]: 512 bits, as many
// accounts have. It is public, and for tests only.
func PrivateKey() crypto.Signer { return merchantKey() }

// PrivateKeyPEM returns the private key of the merchant [AppID] as PEM, for
// programs that read it from a file or the environment.
func PrivateKeyPEM() string { return merchantKeyPEM }

// New returns a gateway with the merchant [AppID] and what its store has. It does nothing
// by itself before [Gateway.Run].
func New(c Config) (*Gateway, error) {
	if err := checkNotifyHosts(c.NotifyHosts); err != nil {
		return nil, err
	}
	c.MaxBytes = cmp.Or(c.MaxBytes, defaultMaxBytes)
	g := &Gateway{
		config:      c,
		connections: &http.Transport{MaxIdleConnsPerHost: 32},
		woken:       make(chan struct{}, 1),
		started:     time.Now().Truncate(time.Second),
		orders:      make(map[number]*Entry),
		merchants:   make(map[string]*Merchant),
		paidOut:     make(map[string]ksher.Amount),
		refundNos:   make(map[number]bool),
		era:         newEra(),
	}
	g.outgoing = newOutgoing(g.mayNotify)
	g.alive, g.stop = context.WithCancel(context.Background())
	g.moved = sync.NewCond(&g.mu)
	own := PrivateKey()
	g.merchants[AppID] = &Merchant{AppID: AppID, g: g, public: own.Public().(*rsa.PublicKey), key: own, pem: PrivateKeyPEM()}
	if err := g.restore(); err != nil {
		return nil, fmt.Errorf("kshertest: what was stored: %w", err)
	}
	if err := g.addAll(c.Merchants); err != nil {
		return nil, err
	}
	g.atStart = make(map[string]*Merchant)
	for appID, m := range g.merchants {
		if _, given := c.Merchants[appID]; given || appID == AppID {
			g.atStart[appID] = m
		}
	}
	return g, nil
}

// ConfigError is a mistake in what a gateway was to be made with.
type ConfigError struct{ Err error }

// Error says what is wrong.
func (e *ConfigError) Error() string { return "kshertest: " + e.Err.Error() }

// Unwrap returns Err.
func (e *ConfigError) Unwrap() error { return e.Err }

// URL is the address of the gateway without a path.
func (g *Gateway) URL() string { return g.config.URL }

// PublicURL is the address that others know the gateway by, without a path.
func (g *Gateway) PublicURL() string { return cmp.Or(g.config.PublicURL, g.config.URL) }

// URLFor is PublicURL if one was set, and else the address that the request was sent to.
func (g *Gateway) URLFor(r *http.Request) string {
	if g.config.PublicURL != "" || r.Host == "" {
		return g.PublicURL()
	}
	asked, err := url.Parse("http://" + r.Host)
	if err != nil || asked.Host != r.Host {
		return g.config.URL
	}
	return asked.String()
}

// Speed is how much faster than the real clock the gateway's runs, 0 if it stands still.
func (g *Gateway) Speed() float64 { return g.config.Speed }

// MaxOrders bounds how many orders the gateway keeps.
func (g *Gateway) MaxOrders() int { return g.config.MaxOrders }

// Add lets the gateway know a protocol. All have to be added before [Gateway.Run] and
// before the first request.
func (g *Gateway) Add(p Protocol) { g.protocols = append(g.protocols, p) }

// notifier is who tells the merchant of an order, nil for nobody.
func (g *Gateway) notifier(o *Entry) Notifier {
	for _, p := range g.protocols {
		if p.Foreign == o.Foreign && p.Notifier.Made(o) {
			return p.Notifier
		}
	}
	return nil
}

// Run lets a gateway whose clock runs notify by itself.
func (g *Gateway) Run() {
	if g.config.Speed > 0 {
		g.running.Go(func() { g.deliverAll(g.alive) })
	}
}

// Stop ends what the gateway does by itself, and [Gateway.Wait] waits until it has ended.
func (g *Gateway) Stop() {
	g.mu.Lock()
	g.stop()
	g.mu.Unlock()
	g.connections.CloseIdleConnections()
	g.outgoing.CloseIdleConnections()
}

// Wait returns when what Stop has ended leaves no goroutine behind.
func (g *Gateway) Wait() {
	g.running.Wait()
	g.posting.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.moving > 0 {
		g.moved.Wait()
	}
	g.write() // The time at which it ended. Who closes it can't do anything about an error.
}

// ErrNotPayable is what Begin, Pay, Fail and the like return for an order that
// the buyer can't pay, because it is paid, expired, closed or cancelled.
var ErrNotPayable = errors.New("the order can't be paid")

// ErrNotRefundable is what RefundOnPlatform returns for an order of which so much can't be
// given back.
var ErrNotRefundable = errors.New("the order can't be refunded")

// ErrNoOrder means that the gateway has no order of that number.
var ErrNoOrder = errors.New("there is no such order")

// Orders returns the gateway's view of all orders at Ksher, in the order they came.
func (g *Gateway) Orders() []Order {
	g.mu.Lock()
	defer g.mu.Unlock()
	var views []Order
	for _, o := range g.list {
		if !o.Foreign {
			views = append(views, o.view(g.now()))
		}
	}
	return views
}

// number is one of an order's numbers, apart for each merchant. Its kind is "own" for the
// number that the merchant gave, "uuid" for the one in the address of the checkout page,
// and for the numbers of the merchant host the parameter that has it. Foreign orders and
// drafts have kinds of their own, see [Tx.Foreign].
type number struct{ appID, kind, no string }

// numbers are those of an order, the first of which every order has.
func (o *Entry) numbers() []number {
	if o.Draft {
		return []number{{o.AppID, "draft", o.MchOrderNo}}
	}
	if o.Foreign {
		return []number{{o.AppID, "foreign", o.MchOrderNo}, {o.AppID, "source", o.Source}, {o.AppID, "page", o.UUID}}
	}
	all := []number{{o.AppID, "own", o.MchOrderNo}, {"", "uuid", o.UUID}}
	if !o.Payout && o.API == "" { // The merchant host doesn't know those.
		all = append(all, number{o.AppID, "mch_order_no", o.MerchantHostNo()},
			number{o.AppID, "ksher_order_no", o.KsherOrderNo}, number{o.AppID, "channel_order_no", o.ChannelOrderNo})
	}
	return slices.DeleteFunc(all, func(n number) bool { return n.no == "" })
}

// namedBy tells whether the parameters of a merchant's request have a number of the order.
func (o *Entry) namedBy(appID string, params url.Values) bool {
	return slices.ContainsFunc(o.numbers(), func(n number) bool {
		if n.kind == "own" {
			n.kind = "mch_order_no"
		}
		return n.appID == appID && n.no == params.Get(n.kind)
	})
}

// kept tells the orders that weren't forgotten. The caller holds g.mu.
func (g *Gateway) kept(o *Entry) bool { return g.orders[o.numbers()[0]] == o }

// own finds an order by the merchant's own number, or by that of another provider, nil if
// there is none. The caller holds g.mu.
func (g *Gateway) own(appID, no string) *Entry {
	return cmp.Or(g.orders[number{appID, "own", no}], g.orders[number{appID, "foreign", no}])
}

// numberZone is that of the time in Ksher's own numbers, which is an hour ahead of the
// times in its answers.
var numberZone = time.FixedZone("", 8*60*60)

// nextNo returns a number of that many digits that begins with the prefix and
// doesn't come again. The caller holds g.mu.
func (g *Gateway) nextNo(prefix string, size int) string {
	g.serial++
	no := prefix + g.numberTime().Format("20060102150405")
	return fmt.Sprintf("%s%0*d", no, size-len(no), g.serial)
}

// nextPayNo returns the number that the merchant host knows an order of gateway_pay by. It
// has 16 digits, too few for the time of day beside a number that doesn't come again.
func (g *Gateway) nextPayNo() string {
	g.serial++
	return fmt.Sprintf("%s%010d", g.numberTime().Format("060102"), g.serial)
}

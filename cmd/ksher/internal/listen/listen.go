// Package listen brings notifications to a shop that Ksher can't reach, such as one on a
// laptop. A query's answer is signed as the body of a notification is, so it asks about
// orders, and posts Ksher's own answer to the shop once it says that one is paid.
package listen

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/clock"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/transport"
)

// Order is an order to listen for.
type Order struct {
	MchOrderNo string
	Host       ksher.Host // "" if it isn't known
}

// Kind is what happened to an order.
type Kind string

// What happens to orders.
const (
	Followed    Kind = "followed"     // it is asked about from now on
	NotFollowed Kind = "not_followed" // it isn't, and Problem says why
	Unknown     Kind = "unknown"      // Ksher doesn't know it, or not yet
	Unpaid      Kind = "unpaid"       // its result is another one than before, and isn't that it is paid
	NotAsked    Kind = "not_asked"    // the query failed, and is made again
	Paid        Kind = "paid"
	Accepted    Kind = "accepted" // by the shop
	Refused     Kind = "refused"  // by the shop, which is notified again
	GivenUp     Kind = "given_up" // it isn't asked about or notified any more, and Problem says why
)

// Event is something that happened.
type Event struct {
	Time       time.Time    `json:"time"`
	Kind       Kind         `json:"event"`
	MchOrderNo string       `json:"order_no,omitzero"`
	Host       ksher.Host   `json:"host,omitzero"`
	Result     ksher.Result `json:"result,omitzero"`
	TotalFee   string       `json:"total_fee,omitzero"` // in the currency, such as 150.50
	FeeType    string       `json:"fee_type,omitzero"`
	Attempt    int          `json:"attempt,omitzero"`     // to notify the shop, from 1
	Status     int          `json:"http_status,omitzero"` // of the shop's answer
	Again      float64      `json:"again_after,omitzero"` // in seconds
	Problem    string       `json:"problem,omitzero"`     // in words
}

// Config is how to listen.
type Config struct {
	// Client asks, by way of a [Recorder].
	Client *ksher.Client
	// Target is the shop's address for notifications, and Way leads there.
	Target string
	Way    http.RoundTripper
	// Budget bounds the queries, Patience how long each may take, and Most how many orders
	// there can be at once.
	Budget   *ksher.Budget
	Patience time.Duration
	Most     int
	Clock    clock.Clock
	// Tell is told of each event, of one at a time.
	Tell func(Event)
}

// Listener asks about orders and notifies the shop of those that are paid.
type Listener struct {
	Config
	ctx   context.Context
	group sync.WaitGroup

	telling sync.Mutex
	mu      sync.Mutex
	// open are the orders that aren't done with, true for those that are paid.
	open map[Order]bool
	// over counts the others.
	over Outcome
}

// New returns a listener that listens until ctx ends.
func New(ctx context.Context, c Config) *Listener {
	return &Listener{Config: c, ctx: ctx, open: make(map[Order]bool)}
}

// Follow asks about an order from now on, unless it is asked about already. It doesn't wait
// for whoever is told of it.
func (l *Listener) Follow(o Order) {
	l.mu.Lock()
	known := l.isOpen(o)
	full := len(l.open) >= l.Most
	if !known && !full {
		l.open[o] = false
	}
	l.mu.Unlock()
	switch {
	case known:
	case full:
		l.group.Go(func() {
			l.tell(o, Event{Kind: NotFollowed, Problem: fmt.Sprintf("there are %d open orders already", l.Most)})
		})
	default:
		l.group.Go(func() {
			l.tell(o, Event{Kind: Followed})
			l.follow(o)
		})
	}
}

// isOpen tells whether an order is asked about. The caller holds l.mu.
func (l *Listener) isOpen(o Order) bool {
	for other := range l.open {
		if other.MchOrderNo == o.MchOrderNo && (other.Host == o.Host || other.Host == "" || o.Host == "") {
			return true
		}
	}
	return false
}

// Wait waits until all orders are done with, or the context has ended.
func (l *Listener) Wait() { l.group.Wait() }

// Outcome is what listening came to.
type Outcome struct {
	Accepted int // orders that the shop has accepted
	Unpaid   int // those that weren't paid, and aren't asked about any more
	Unheard  int // those that are paid, and that the shop never accepted
	// Open are the numbers of orders that aren't paid yet, and Untold of those that are and
	// that the shop hasn't accepted yet.
	Open, Untold []string
}

// Outcome tells what has come of the orders.
func (l *Listener) Outcome() Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.over
	for o, paid := range l.open {
		if paid {
			out.Untold = append(out.Untold, o.MchOrderNo)
		} else {
			out.Open = append(out.Open, o.MchOrderNo)
		}
	}
	slices.Sort(out.Open)
	slices.Sort(out.Untold)
	return out
}

// tell tells of something that happened to an order.
func (l *Listener) tell(o Order, e Event) {
	l.telling.Lock()
	defer l.telling.Unlock()
	e.Time, e.MchOrderNo, e.Problem = l.Clock.ClockNow(), transport.Clip(o.MchOrderNo), quiet(e.Problem)
	if e.Host == "" {
		e.Host = o.Host
	}
	l.Tell(e)
}

// quiet is a text without what may be a signature, on one line.
func quiet(text string) string { return transport.Quote([]byte(strings.TrimPrefix(text, "ksher: "))) }

// follow goes with an order to its end.
func (l *Listener) follow(key Order) {
	o := key
	body, err := l.untilPaid(&o)
	paid := err == nil
	if paid {
		l.mu.Lock()
		l.open[key] = true
		l.mu.Unlock()
		err = l.deliver(o, body)
	}
	if err != nil && l.ctx.Err() != nil {
		return // It stays open.
	}
	l.mu.Lock()
	delete(l.open, key)
	switch {
	case err == nil:
		l.over.Accepted++
	case paid:
		l.over.Unheard++
	default:
		l.over.Unpaid++
	}
	l.mu.Unlock()
	if err != nil {
		l.tell(o, Event{Kind: GivenUp, Problem: err.Error()})
	}
}

// deliver notifies the shop, as often as Ksher does.
func (l *Listener) deliver(o Order, body []byte) error {
	for attempt := 1; ; attempt++ {
		status, _, err := sandbox.PostNotification(l.ctx, l.Way, l.Target, body)
		e := Event{Kind: Accepted, Attempt: attempt, Status: status}
		switch {
		case err == nil:
			l.tell(o, e)
			return nil
		case l.ctx.Err() != nil:
			return l.ctx.Err()
		case attempt > len(sandbox.NotificationSchedule):
			return fmt.Errorf("after %d attempts, as many as Ksher makes: %w", attempt, err)
		}
		pause := sandbox.NotificationSchedule[attempt-1]
		e.Kind, e.Again, e.Problem = Refused, pause.Seconds(), strings.TrimPrefix(err.Error(), sandbox.ErrNotAccepted.Error()+": ")
		l.tell(o, e)
		if err := l.Clock.ClockSleep(l.ctx, pause); err != nil {
			return err
		}
	}
}

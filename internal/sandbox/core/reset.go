package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/ksher-go/ksher"
)

// era is the time between two resets. What began in one doesn't go on in the next.
type era struct {
	// ctx ends the notifications that a reset doesn't wait for any longer.
	ctx context.Context
	end context.CancelFunc
	// posts is how many are under way, and quiet is closed when there is none after the
	// era is over. The gateway's lock guards them.
	posts int
	over  bool
	quiet chan struct{}
}

func newEra() *era {
	e := &era{quiet: make(chan struct{})}
	e.ctx, e.end = context.WithCancel(context.Background())
	return e
}

// settle closes quiet if it is time to.
func (e *era) settle() {
	if e.over && e.posts == 0 {
		close(e.quiet)
	}
}

// errReset ends what a reset has overtaken.
var errReset = errors.New("kshertest: the gateway was reset meanwhile")

// beginPost lets a notification of an order go out, unless the order is of an era before.
// The caller holds g.mu, and calls done without it.
func (g *Gateway) beginPost(ctx context.Context, o *Entry) (post context.Context, done func(), err error) {
	e := o.era
	if e != g.era {
		return nil, nil, errReset
	}
	e.posts++
	post, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(e.ctx, func() { cancel(errReset) })
	return post, func() {
		stop()
		cancel(nil)
		g.mu.Lock()
		defer g.mu.Unlock()
		e.posts--
		e.settle()
	}, nil
}

// resetPatience is how long a reset waits for the answers to notifications that are under
// way. One that is broken off may be read later by a shop that has no time for it now.
const resetPatience = 2 * time.Second

// Reset forgets orders, requests, notifications and faults, also in the store, and makes the
// clock and the merchants what they were at the start; where webhooks go to stays. When it
// returns, no notification from before is under way: it waits for their answers until ctx
// ends, at most two seconds, and then breaks them off. If the store can't be written, nothing
// changes, and the error is an [ErrStore].
func (g *Gateway) Reset(ctx context.Context) error {
	g.mu.Lock()
	before := g.era
	if err := g.beginAnew(); err != nil {
		g.mu.Unlock()
		return err
	}
	before.over = true
	before.settle()
	g.watchers.wake(OfOrders)
	g.watchers.wake(OfRequests)
	g.Wake()
	g.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, resetPatience)
	defer cancel()
	select {
	case <-before.quiet:
	case <-ctx.Done():
	}
	before.end()
	<-before.quiet
	return nil
}

// beginAnew is a reset of the state and of the store. The caller holds g.mu.
func (g *Gateway) beginAnew() error {
	merchants, started, skew, serial := g.merchants, g.started, g.skew, g.serial
	g.merchants, g.started, g.skew = maps.Clone(g.atStart), time.Now().Truncate(time.Second), 0
	if g.config.Seed != "" { // Without one, numbers never come again.
		g.serial = 0
	}
	var forget []int
	for _, o := range g.list {
		forget = append(forget, o.Serial)
	}
	real := time.Now().Round(0)
	paidOut := make(map[string]ksher.Amount)
	if g.config.Store != nil {
		if err := g.config.Store.Save(g.beside(paidOut, real), nil, forget); err != nil {
			g.merchants, g.started, g.skew, g.serial = merchants, started, skew, serial
			return fmt.Errorf("%w: %w", ErrStore, err)
		}
	}
	g.savedSkew, g.savedAt, g.merchantsChanged = g.skew, real, false
	g.era, g.list, g.bytes = newEra(), nil, 0
	g.orders, g.refundNos, g.paidOut = make(map[number]*Entry), make(map[number]bool), paidOut
	g.faults, g.requests, g.logged, g.logBytes = nil, nil, 0, 0
	for len(g.exchanges) > 0 {
		g.forgetExchange(len(g.exchanges) - 1)
	}
	return nil
}

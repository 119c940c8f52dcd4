package once

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/ksher-go/ksher/internal/clock"
)

// Budget limits how many queries are made a second, and how many at once. It is safe
// for concurrent use, by any number of engines.
type Budget struct {
	every  time.Duration
	places chan struct{}

	mu   sync.Mutex
	next time.Time
}

// Bounds of a budget.
const (
	maxRate   = 1000
	maxAtOnce = 100
)

// NewBudget returns a budget of that many queries a second and at once. The error is
// for the caller's constructor.
func NewBudget(perSecond float64, atOnce int) (*Budget, error) {
	switch {
	case math.IsNaN(perSecond) || perSecond < 0.001 || perSecond > maxRate:
		return nil, fmt.Errorf("%v queries a second are not between 0.001 and %d", perSecond, maxRate)
	case atOnce < 1 || atOnce > maxAtOnce:
		return nil, fmt.Errorf("%d queries at once are not between 1 and %d", atOnce, maxAtOnce)
	}
	return newBudget(perSecond, atOnce), nil
}

func newBudget(perSecond float64, atOnce int) *Budget {
	return &Budget{every: time.Duration(float64(time.Second) / perSecond), places: make(chan struct{}, atOnce)}
}

// atOnce is how many queries may be made at once.
func (b *Budget) atOnce() int { return cap(b.places) }

// Take waits until a query may be made. Its error is the context's. give is to be
// called when the query has been made, and does nothing when it is called again.
func (b *Budget) Take(ctx context.Context, c clock.Clock) (give func(), err error) {
	select {
	case b.places <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	give = sync.OnceFunc(func() { <-b.places })
	if wait := b.reserve(c.ClockNow()); wait > 0 {
		if err := c.ClockSleep(ctx, wait); err != nil {
			b.cancel()
			give()
			return nil, err
		}
	}
	return give, nil
}

// reserve tells how long to wait for the next query.
func (b *Budget) reserve(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next.Before(now) {
		b.next = now
	}
	wait := b.next.Sub(now)
	b.next = b.next.Add(b.every)
	return wait
}

// cancel gives back what was reserved for a query that isn't made. Otherwise passes that
// are cut short, one after the other, would put the next query off for ever.
func (b *Budget) cancel() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = b.next.Add(-b.every)
}

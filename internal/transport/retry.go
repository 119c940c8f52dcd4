package transport

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ksher-go/ksher/internal/clock"
)

// Defaults and bounds of how queries are repeated.
const (
	defaultAttempts = 3
	defaultWait     = 500 * time.Millisecond
	maxWait         = 10 * time.Second
	maxAttempts     = 10
	// retriesAtOnce is how many repetitions a client may make in a row, and
	// retryRefill how long it takes until it may make one more.
	retriesAtOnce = 10
	retryRefill   = time.Second
)

// Retry is how a client repeats queries. It is safe for concurrent use once it
// is set.
type Retry struct {
	attempts int
	wait     time.Duration

	mu sync.Mutex
	// spent is how many repetitions were made lately, as of the time since.
	spent float64
	since time.Time
}

// NewRetry returns the default: 3 attempts, and pauses from 500 ms.
func NewRetry() *Retry { return &Retry{attempts: defaultAttempts, wait: defaultWait} }

// Set changes how often at most a query is sent and how long the first pause may
// be. Its error is for the option WithRetry.
func (r *Retry) Set(attempts int, wait time.Duration) error {
	if attempts < 1 || attempts > maxAttempts {
		return fmt.Errorf("WithRetry: %d attempts are not between 1 and %d", attempts, maxAttempts)
	}
	if wait < 0 || wait > maxWait {
		return fmt.Errorf("WithRetry: a wait of %v is not between 0 and %v", wait, maxWait)
	}
	r.attempts, r.wait = attempts, wait
	return nil
}

// Again decides whether a query is sent again after that many attempts, and takes
// it from the budget.
func (r *Retry) Again(ctx context.Context, c clock.Clock, attempt int) bool {
	return attempt < r.attempts && ctx.Err() == nil && r.spend(c.ClockNow())
}

// spend takes one repetition from the budget, if it has one.
func (r *Retry) spend(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spent = max(0, r.spent-float64(now.Sub(r.since))/float64(retryRefill))
	r.since = now
	if r.spent > retriesAtOnce-1 {
		return false
	}
	r.spent++
	return true
}

// Pause waits before the next attempt. Its error is the context's.
func (r *Retry) Pause(ctx context.Context, c clock.Clock, attempt int) error {
	most := min(r.wait<<(attempt-1), maxWait)
	if most <= 0 {
		return ctx.Err()
	}
	return c.ClockSleep(ctx, rand.N(most))
}

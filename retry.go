package ksher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Defaults and bounds of how queries are repeated.
const (
	defaultAttempts  = 3
	defaultRetryWait = 500 * time.Millisecond
	maxRetryWait     = 10 * time.Second
	maxAttempts      = 10
	// retriesAtOnce is how many repetitions a client may make in a row, and
	// retryRefill how long it takes until it may make one more.
	retriesAtOnce = 10
	retryRefill   = time.Second
)

// WithRetry sets how queries are repeated: how often at most they are sent, the
// first time included, from 1 for no repetition to 10, and how long the first
// pause may be. The default is 3 times and 500 ms. The longest pause doubles each
// time, up to 10 seconds, and each pause is a random part of it. A wait of 0
// leaves the pauses out, as tests want it.
//
// Only queries are repeated, and only if the connection broke, the HTTP status is
// 500 or more, or the gateway's code advises to repeat or query. All is done
// within the call's context and [WithTimeout]. In an outage a client repeats at
// most 10 queries at once and one a second after that, so that it doesn't make
// things worse.
//
// A request that pays, refunds, cancels or closes is never repeated; see
// [Client.Resolve].
func WithRetry(attempts int, wait time.Duration) Option {
	return func(c *Client) error {
		if attempts < 1 || attempts > maxAttempts {
			return fmt.Errorf("WithRetry: %d attempts are not between 1 and %d", attempts, maxAttempts)
		}
		if wait < 0 || wait > maxRetryWait {
			return fmt.Errorf("WithRetry: a wait of %v is not between 0 and %v", wait, maxRetryWait)
		}
		c.retry.attempts, c.retry.wait = attempts, wait
		return nil
	}
}

// retry is how a client repeats queries.
type retry struct {
	attempts int
	wait     time.Duration

	mu sync.Mutex
	// spent is how many repetitions were made lately, as of the time since.
	spent float64
	since time.Time
}

// again decides whether a request that failed is sent again.
func (r *retry) again(ctx context.Context, op *operation, attempt int, failure *Error) bool {
	return op.query && attempt < r.attempts && passing(failure) && ctx.Err() == nil && r.spend()
}

// passing tells whether a query that failed may well succeed a moment later.
func passing(failure *Error) bool {
	var broken transportError
	if errors.As(failure.Err, &broken) || failure.HTTPStatus >= 500 {
		return true
	}
	info, _ := failure.Code.Info()
	return info.Action == ActionRepeat || info.Action == ActionQueryOrder
}

// spend takes one repetition from the budget, if it has one.
func (r *retry) spend() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.spent = max(0, r.spent-float64(now.Sub(r.since))/float64(retryRefill))
	r.since = now
	if r.spent > retriesAtOnce-1 {
		return false
	}
	r.spent++
	return true
}

// pause waits before the next attempt. Its error is the context's.
func (r *retry) pause(ctx context.Context, attempt int) error {
	most := min(r.wait<<(attempt-1), maxRetryWait)
	if most <= 0 {
		return ctx.Err()
	}
	return sleep(ctx, rand.N(most))
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Package clock is the time that clients go by: the real one, or that of a local
// gateway in a test.
package clock

import (
	"context"
	"time"
)

// Clock tells the time and waits.
type Clock interface {
	// ClockNow is the time.
	ClockNow() time.Time
	// ClockSleep waits, or returns the context's error.
	ClockSleep(context.Context, time.Duration) error
}

// Awaiter is a clock that stands still until somebody moves it.
type Awaiter interface {
	// ClockAwait waits for others to move the clock by that much, or returns the
	// context's error. ClockSleep moves it itself.
	ClockAwait(context.Context, time.Duration) error
}

// Await waits as something in the background does, which nobody waits for: it doesn't
// move a clock that stands still.
func Await(ctx context.Context, c Clock, d time.Duration) error {
	if a, ok := c.(Awaiter); ok {
		return a.ClockAwait(ctx, d)
	}
	return c.ClockSleep(ctx, d)
}

// Real is the real time.
var Real Clock = real{}

type real struct{}

func (real) ClockNow() time.Time { return time.Now() }

func (real) ClockSleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

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

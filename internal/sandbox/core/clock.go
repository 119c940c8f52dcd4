package core

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher/internal/clock"
)

// Now is the time of the gateway's clock, in whole seconds.
func (g *Gateway) Now() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now().Truncate(time.Second)
}

// now is the time of the gateway's clock. The caller holds g.mu.
func (g *Gateway) now() time.Time {
	passed := time.Duration(float64(time.Since(g.started)) * g.config.Speed)
	return g.started.Add(passed + g.skew)
}

// Advance moves the gateway's clock forward, and on the way delivers the
// notifications that fall due, each at its time and in order. Orders expire by
// the same clock.
func (g *Gateway) Advance(d time.Duration) { g.AdvanceContext(context.Background(), d) }

// AdvanceContext is Advance until ctx ends. The error says that the clock's new time
// couldn't be written down.
func (g *Gateway) AdvanceContext(ctx context.Context, d time.Duration) error {
	g.mu.Lock()
	era, target := g.era, g.now().Add(d)
	g.mu.Unlock()
	for ctx.Err() == nil {
		o, when := g.due(era, target)
		if o == nil {
			break
		}
		g.moveTo(era, when)
		g.attempt(ctx, o)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return g.moveTo(era, target)
}

// moveTo sets the clock of that era, never back.
func (g *Gateway) moveTo(e *era, t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.era != e {
		return errReset
	}
	if ahead := t.Sub(g.now()); ahead > 0 {
		g.skew += ahead
		for _, waiting := range g.ahead {
			close(waiting)
		}
		g.ahead = nil
		g.Wake()
	}
	return g.save()
}

// errClosed ends the waiting of clients that outlive their gateway.
var errClosed = errors.New("kshertest: the gateway is closed")

// sleep is what the waiting of a client comes to. A clock that stands still is moved
// on, and what falls due is delivered by the gateway itself: the client may stop
// waiting because of a notification, which isn't to be broken off by that.
func (g *Gateway) sleep(ctx context.Context, d time.Duration) error {
	if g.config.Speed > 0 {
		return clock.Real.ClockSleep(ctx, time.Duration(float64(d)/g.config.Speed))
	}
	if ctx.Err() != nil || d <= 0 {
		return ctx.Err()
	}
	moved := make(chan error, 1)
	g.mu.Lock()
	if g.alive.Err() != nil {
		g.mu.Unlock()
		return errClosed
	}
	g.moving++
	g.mu.Unlock()
	go func() {
		moved <- g.AdvanceContext(g.alive, d)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.moving--
		g.moved.Broadcast()
	}()
	select {
	case err := <-moved:
		if g.alive.Err() != nil {
			return errClosed
		}
		return errors.Join(err, ctx.Err())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await is the waiting of a client that nobody waits for, such as between two passes over
// the open orders. It doesn't move a clock that stands still.
func (g *Gateway) await(ctx context.Context, d time.Duration) error {
	if g.config.Speed > 0 {
		return g.sleep(ctx, d)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for until := g.now().Add(d); g.now().Before(until); {
		ahead := make(chan struct{})
		g.ahead = append(g.ahead, ahead)
		g.mu.Unlock()
		var err error
		select {
		case <-ahead:
		case <-ctx.Done():
			err = ctx.Err()
		case <-g.alive.Done():
			err = errClosed
		}
		g.mu.Lock()
		if err != nil {
			g.ahead = slices.DeleteFunc(g.ahead, func(c chan struct{}) bool { return c == ahead })
			return err
		}
	}
	return ctx.Err()
}

// transport is how clients reach the gateway. They go by its clock.
type transport struct {
	g *Gateway
	// anyHost says that every request goes to the gateway, whatever its host.
	anyHost bool
}

var (
	_ clock.Clock   = transport{}
	_ clock.Awaiter = transport{}
)

func (t transport) ClockNow() time.Time {
	t.g.mu.Lock()
	defer t.g.mu.Unlock()
	return t.g.now()
}

func (t transport) ClockSleep(ctx context.Context, d time.Duration) error { return t.g.sleep(ctx, d) }
func (t transport) ClockAwait(ctx context.Context, d time.Duration) error { return t.g.await(ctx, d) }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.anyHost {
		r = r.Clone(r.Context())
		r.URL.Host, r.Host = strings.TrimPrefix(t.g.config.URL, "http://"), ""
	}
	return t.g.connections.RoundTrip(r)
}

// Reach returns an HTTP client for the clients of this gateway, and the address that
// they have for it: a client talks plain HTTP to the loopback interface only.
func (g *Gateway) Reach() (client *http.Client, base string) {
	if g.config.Local {
		return g.HTTPClient(), g.config.URL
	}
	return &http.Client{Transport: transport{g, true}}, "http://127.0.0.1"
}

// HTTPClient returns an HTTP client whose connections Close closes, for
// requests of your own and for [ksher.WithHTTPClient].
func (g *Gateway) HTTPClient() *http.Client { return &http.Client{Transport: transport{g, false}} }

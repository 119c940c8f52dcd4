package core

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
)

// Filter tells some orders from the others. Its zero value lets all through.
type Filter struct {
	AppID string // the merchant's
	// Number is a part of one of the order's numbers, or of one of its refunds'. Capital
	// letters and small ones are the same.
	Number string
	State  State
	// Channel is the one that the buyer has chosen, or could choose.
	Channel ksher.Channel
}

// lets tells whether the filter, its Number in small letters, lets an order through.
func (f Filter) lets(o *Entry, now time.Time) bool {
	switch {
	case f.AppID != "" && o.AppID != f.AppID:
		return false
	case f.State != "" && o.State(now) != f.State:
		return false
	case f.Channel != "" && o.Channel != "" && o.Channel != f.Channel:
		return false
	case f.Channel != "" && o.Channel == "" && !slices.Contains(o.Channels, f.Channel):
		return false
	case f.Number == "":
		return true
	}
	has := func(no string) bool { return strings.Contains(strings.ToLower(no), f.Number) }
	return has(o.MchOrderNo) || has(o.PayMchOrderNo) || has(o.ChannelOrderNo) || has(o.Source) ||
		!o.Foreign && has(o.KsherOrderNo) || // Foreign orders have one that nobody sees.
		slices.ContainsFunc(o.Refunds, func(r ksher.Refund) bool {
			return has(r.MchRefundNo) || has(r.KsherRefundNo) || has(r.ChannelRefundNo)
		})
}

// Topic is what somebody watches.
type Topic int

// Topics.
const (
	OfOrders   Topic = iota // OfOrders is the orders and the clock.
	OfRequests              // OfRequests is the log of requests.
	topics
)

// maxWatchers bounds how many watch at the same time.
const maxWatchers = 100

// watchers wait for changes. Each has a channel with room for one signal, so that nobody
// waits for a watcher, and one that is slow hears once of many changes.
type watchers [topics][]chan struct{}

func (w *watchers) wake(t Topic) {
	for _, woken := range w[t] {
		select {
		case woken <- struct{}{}:
		default:
		}
	}
}

// Watch calls a function at once and after changes, until it returns an error, ctx ends or
// the gateway stops. It returns false at once if too many watch already.
func (g *Gateway) Watch(ctx context.Context, t Topic, changed func() error) bool {
	woken := make(chan struct{}, 1)
	g.mu.Lock()
	if len(g.watchers[t]) >= maxWatchers {
		g.mu.Unlock()
		return false
	}
	g.watchers[t] = append(g.watchers[t], woken)
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.watchers[t] = slices.DeleteFunc(g.watchers[t], func(c chan struct{}) bool { return c == woken })
	}()
	for changed() == nil {
		expiry, stop := g.nextExpiry()
		select {
		case <-woken:
		case <-expiry:
		case <-ctx.Done():
		case <-g.alive.Done():
		}
		stop()
		if ctx.Err() != nil || g.alive.Err() != nil {
			break
		}
	}
	return true
}

// nextExpiry fires when the running clock takes the next order past its time to pay, which
// is a change that nobody makes.
func (g *Gateway) nextExpiry() (<-chan time.Time, func()) {
	if g.config.Speed == 0 {
		return nil, func() {}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	var next time.Time
	for _, o := range g.list {
		if o.Expires.After(now) && !o.State(now).Settled() && (next.IsZero() || o.Expires.Before(next)) {
			next = o.Expires
		}
	}
	if next.IsZero() {
		return nil, func() {}
	}
	timer := time.NewTimer(time.Duration(float64(next.Sub(now))/g.config.Speed) + time.Millisecond)
	return timer.C, func() { timer.Stop() }
}

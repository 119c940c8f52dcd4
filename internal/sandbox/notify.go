package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/ksher-go/ksher"
)

// schedule has the times between one attempt to notify and the next: 12
// repetitions over 29 hours.
//
// Source: the notification page of Ksher's API documentation.
var schedule = []time.Duration{
	time.Second, 2 * time.Second, 2 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
	10 * time.Minute, time.Hour, 3 * time.Hour, 5 * time.Hour, 8 * time.Hour, 12 * time.Hour,
}

// watching is how long Ksher watches an order. A payment after that isn't
// announced.
const watching = 2 * time.Hour

// ErrNotAccepted means that the merchant didn't answer a notification with
// {"result":"SUCCESS","msg":"OK"}.
var ErrNotAccepted = errors.New("the merchant did not accept the notification")

// ErrNoNotification means that an order has no notification to deliver: it
// isn't paid, was created without an address for one, or was paid after the two
// hours that Ksher watches an order. One of vip.ksher.net has none before its
// status has changed, nor without [Gateway.SetVIPWebhook].
var ErrNoNotification = errors.New("the order has no notification")

// notice is a notification on its way to the merchant.
type notice struct {
	Target string
	// Body was made when the order was paid, and is the same in each attempt. It is
	// posted, or if there is a Message the query of a GET.
	Body []byte
	// Message is what one of vip.ksher.net says, "" for one of api.ksher.net.
	Message string `json:",omitzero"`
	// Attempts is how many were made.
	Attempts int
	// Due is when the next attempt is to be made, zero if there is none.
	Due time.Time
	// busy is set during an attempt.
	busy bool
}

// Delivery is an attempt to notify the merchant.
type Delivery struct {
	// At is when, by the gateway's clock.
	At time.Time
	// Attempt counts from 1.
	Attempt int
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int
	// Answer is the beginning of the answer, or what went wrong instead.
	Answer string
	// Accepted says that the merchant accepted it.
	Accepted bool
	// Fault is the fault that was injected into it.
	Fault FaultKind
}

// maxDeliveries bounds the log of an order's notifications.
const maxDeliveries = 100

// announce makes the notification of an order that was just paid. The caller
// holds g.mu.
func (g *Gateway) announce(o *order) {
	target := o.Params.Get("notify_url")
	if o.Gateway {
		target = o.Params.Get("mch_notify_url")
	}
	if target == "" || g.now().Sub(o.Created) > watching {
		return
	}
	answer := &ksher.GatewayOrderQueryResponse{Order: o.query(g.now())}
	answer.NonceStr = newUUID()
	g.tell(o, &notice{Target: target, Body: envelope(answer, ksher.SignV1, g.now()), Due: g.now()})
}

// schedule has the times between one attempt and the next.
func (n *notice) schedule() []time.Duration {
	if n.Message != "" {
		return vipSchedule
	}
	return schedule
}

// tell lets a notification go out, after those of the order that aren't done with.
// The caller holds g.mu.
func (g *Gateway) tell(o *order, n *notice) {
	if before := o.Notice; before != nil && (before.busy || !before.Due.IsZero()) {
		o.Later = append(o.Later, n)
	} else {
		o.Notice = n
	}
	g.wake()
}

// Deliver makes the next attempt to notify the merchant of a payment now,
// without waiting for its time. An order whose notification was accepted is
// notified once more, as a repetition that Ksher had sent already. Any answer
// but the one that Ksher documents is [ErrNotAccepted]. An order of vip.ksher.net
// has a notification for each change of its status, which go out one after the
// other.
func (m *Merchant) Deliver(ctx context.Context, mchOrderNo string) error {
	o, err := m.take(mchOrderNo)
	if err == nil {
		err = m.g.attempt(ctx, o)
	}
	if err != nil {
		return fmt.Errorf("kshertest: Deliver: order %q: %w", mchOrderNo, err)
	}
	return nil
}

// take marks the notification of an order as being delivered.
func (m *Merchant) take(mchOrderNo string) (*order, error) {
	g := m.g
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.orders[number{m.AppID, "own", mchOrderNo}]
	switch {
	case o == nil:
		return nil, ErrNoOrder
	case o.Notice == nil:
		return nil, ErrNoNotification
	}
	o.Notice.busy = true
	return o, nil
}

// attempt posts a notification that was taken, and plans the next attempt.
func (g *Gateway) attempt(ctx context.Context, o *order) error {
	g.mu.Lock()
	n := o.Notice
	fault := g.nextFault(notify)
	var body []byte
	switch {
	case n.Message != "":
		body = fault.spoilVIPWebhook(n, o.MchOrderNo)
	case fault.Kind == FaultOtherKey:
		answer := &ksher.GatewayOrderQueryResponse{Order: o.query(g.now())}
		body = envelope(answer, fault.version(ksher.SignV1), g.now())
	default:
		body = fault.spoilNotification(n.Body)
	}
	postponed := fault.Kind == FaultLate || fault.Kind == FaultReorder
	if postponed {
		n.Due, n.busy = g.now().Add(fault.Delay), false
		if fault.Kind == FaultReorder {
			n.Due = g.now().Add(time.Millisecond)
		}
		g.write(o)
		g.wake()
	}
	g.mu.Unlock()
	if postponed {
		return nil
	}

	times := 1
	if fault.Kind == FaultDuplicate {
		times = 2
	}
	var err error
	for range times {
		status, answer, postErr := g.post(ctx, n, body)
		err = postErr
		g.mu.Lock()
		n.Attempts++
		delivery := Delivery{At: g.now(), Attempt: n.Attempts, Status: status, Answer: answer, Accepted: err == nil, Fault: fault.Kind}
		if len(o.Deliveries) < maxDeliveries {
			o.Deliveries = append(o.Deliveries, delivery)
		}
		n.busy, n.Due = false, time.Time{}
		if times := n.schedule(); err != nil && n.Attempts <= len(times) {
			n.Due = delivery.At.Add(times[n.Attempts-1])
		} else if o.Notice == n && len(o.Later) > 0 {
			o.Notice, o.Later = o.Later[0], o.Later[1:]
		}
		if saveErr := g.write(o); saveErr != nil {
			// The merchant has it, and memory says so; the file will with the next change.
			err = errors.Join(err, saveErr)
		}
		g.wake()
		g.mu.Unlock()
	}
	return err
}

// post sends a notification, with that body under a fault, and tells whether the
// merchant accepted it.
func (g *Gateway) post(ctx context.Context, n *notice, body []byte) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	method, target := http.MethodPost, n.Target
	if n.Message != "" {
		method, target, body = http.MethodGet, target+"?"+string(body), nil
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return 0, err.Error(), fmt.Errorf("%w: %w", ErrNotAccepted, err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain;charset=utf-8")
	}
	resp, err := g.outbound().Do(req)
	if err != nil {
		if broken := new(url.Error); errors.As(err, &broken) {
			err = broken.Err // Without the address, which may have a signature in it.
		}
		return 0, err.Error(), fmt.Errorf("%w: %w", ErrNotAccepted, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var said struct{ Result, Msg string }
	accepted := n.Message != "" || json.Unmarshal(text, &said) == nil && said.Result == "SUCCESS" && said.Msg == "OK"
	if err != nil || resp.StatusCode != http.StatusOK || !accepted {
		err = fmt.Errorf("%w: it answered HTTP %d, %.200q", ErrNotAccepted, resp.StatusCode, text)
	}
	return resp.StatusCode, string(text[:min(len(text), 200)]), err
}

// outbound is the client that the gateway itself posts with.
func (g *Gateway) outbound() *http.Client { return &http.Client{Transport: g.connections} }

// due takes the notification that is due first, not after the given time.
func (g *Gateway) due(until time.Time) (first *order, when time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, o := range g.list {
		at := g.nextDue(o)
		if at.IsZero() || at.After(until) {
			continue
		}
		if first == nil || at.Before(when) {
			first, when = o, at
		}
	}
	if first != nil {
		if first.Notice == nil {
			g.tellVIP(first, vipTimeout)
		}
		first.Notice.busy = true
	}
	return first, when
}

// nextDue is when the next notification of an order falls due, zero for never. The
// caller holds g.mu.
func (g *Gateway) nextDue(o *order) time.Time {
	switch n := o.Notice; {
	case n != nil && !n.busy:
		return n.Due
	case n == nil && g.timesOutVIP(o):
		return o.Expires
	}
	return time.Time{}
}

// wake tells the loop that delivers by itself that something may be due.
func (g *Gateway) wake() {
	select {
	case g.woken <- struct{}{}:
	default:
	}
}

// maxPosts is how many notifications are on their way at once.
const maxPosts = 16

// deliverAll delivers notifications when they fall due, until ctx ends.
func (g *Gateway) deliverAll(ctx context.Context) {
	slots := make(chan struct{}, maxPosts)
	for ctx.Err() == nil {
		for {
			slots <- struct{}{}
			post := g.nextPost()
			if post == nil {
				<-slots
				break
			}
			g.posting.Go(func() {
				defer func() { <-slots }()
				post(ctx)
			})
		}
		timer := time.NewTimer(g.untilDue())
		select {
		case <-g.woken:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	g.posting.Wait()
}

// nextPost takes what has to be posted now, nil if there is nothing.
func (g *Gateway) nextPost() func(context.Context) {
	if o, _ := g.due(g.Now()); o != nil {
		return func(ctx context.Context) { g.attempt(ctx, o) }
	}
	if chargeID := g.dueOpn(); chargeID != "" {
		return func(ctx context.Context) { g.DeliverOpn(ctx, chargeID) }
	}
	return nil
}

// untilDue is how long the loop can sleep.
func (g *Gateway) untilDue() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	sleep := time.Minute
	for _, o := range g.list {
		if at := g.nextDue(o); !at.IsZero() {
			sleep = min(sleep, time.Duration(float64(at.Sub(g.now()))/g.speed))
		}
	}
	return max(sleep, time.Millisecond)
}

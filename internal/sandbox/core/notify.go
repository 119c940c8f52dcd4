package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// ErrNotAccepted means that the merchant didn't answer a notification with
// {"result":"SUCCESS","msg":"OK"}.
var ErrNotAccepted = errors.New("the merchant did not accept the notification")

// ErrNoNotification means that an order has no notification to deliver: its protocol has
// nothing to tell of it, or doesn't know where to.
var ErrNoNotification = errors.New("the order has no notification")

// Notice is a notification on its way to the merchant.
type Notice struct {
	Target string
	// Body was made when the order was paid, and is the same in each attempt.
	Body []byte
	// Message is what it says, if its protocol needs to know that besides the body.
	Message string `json:",omitzero"`
	// Attempts is how many were made.
	Attempts int
	// Due is when the next attempt is to be made, zero if there is none.
	Due time.Time
	// Accepted says that the merchant has accepted it.
	Accepted bool `json:",omitzero"`
	// busy is how many attempts are under way.
	busy int
}

// Delivery is an attempt to notify the merchant.
type Delivery struct {
	// At is when, by the gateway's clock.
	At time.Time
	// Attempt counts from 1, anew for each notification.
	Attempt int
	// Message is what the notification said, if its protocol has several.
	Message string `json:",omitzero"`
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int
	// Answer is the beginning of the answer, or what went wrong instead.
	Answer string
	// Accepted says that the merchant accepted it.
	Accepted bool
	// Fault is the fault that was injected into it.
	Fault FaultKind

	sent sentPost
}

// maxDeliveries bounds the log of an order's notifications.
const maxDeliveries = 100

// announce makes the notification that the state of an order at that time calls for.
// The caller holds g.mu.
func (g *Gateway) announce(o *Entry, at time.Time) {
	p := g.notifier(o)
	if p == nil {
		return
	}
	n, told := p.News(o, at)
	if told != "" && told == o.Told {
		return
	}
	if told != "" {
		o.Told = told
	}
	if n != nil {
		n.Due = g.now()
		g.tell(o, n)
	}
	if p.TimesOut(o) {
		g.Wake()
	}
}

// tell lets a notification go out, after those of the order that aren't done with.
// The caller holds g.mu.
func (g *Gateway) tell(o *Entry, n *Notice) {
	if before := o.Notice; before != nil && (before.busy > 0 || !before.Due.IsZero()) {
		if len(o.Later) == maxDeliveries {
			o.Later = slices.Delete(o.Later, 0, 1)
		}
		o.Later = append(o.Later, n)
	} else {
		o.Notice = n
	}
	g.Wake()
}

// Deliver makes the next attempt to notify the merchant of a payment now,
// without waiting for its time. An order whose notification was accepted is
// notified once more, as a repetition that Ksher had sent already. Any answer
// but the one that the protocol documents is [ErrNotAccepted]. Where an order has
// several notifications, they go out one after the other.
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

// faultLost is in the log of notifications that [Tx.Silence] lost.
const faultLost FaultKind = "lost"

// Silence loses the notifications of an order that would go out, as networks do.
func (tx *Tx) Silence(o *Entry) {
	tx.g.announce(o, tx.Now())
	tx.Touch(o)
	if o.Notice == nil {
		return
	}
	for _, n := range append([]*Notice{o.Notice}, o.Later...) {
		if n.Due.IsZero() {
			continue
		}
		n.Due = time.Time{}
		if len(o.Deliveries) < maxDeliveries {
			o.Deliveries = append(o.Deliveries, Delivery{
				At: tx.Now(), Attempt: n.Attempts + 1, Message: n.Message, Answer: "lost on the way", Fault: faultLost,
				sent: sentPost{target: n.Target, body: n.Body, turn: turns.Add(1)},
			})
		}
	}
	o.Later = nil
}

// take marks the notification of an order as being delivered.
func (m *Merchant) take(mchOrderNo string) (*Entry, error) {
	g := m.g
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.own(m.AppID, mchOrderNo)
	switch {
	case o == nil:
		return nil, ErrNoOrder
	case o.Notice == nil:
		return nil, ErrNoNotification
	}
	o.Notice.busy++
	return o, nil
}

// Ahead takes the notification of an order that its merchant is to have before the answer
// to the request at hand. What it returns is called without the lock, sends it, and waits
// for the merchant's answer, at most that long. A gateway that doesn't notify by itself
// leaves it to Advance and Deliver.
func (tx *Tx) Ahead(o *Entry) (send func(ctx context.Context, patience time.Duration)) {
	g := tx.g
	if n := o.Notice; g.config.Speed == 0 || g.alive.Err() != nil || n == nil || n.busy > 0 || n.Due.IsZero() {
		return func(context.Context, time.Duration) {}
	}
	o.Notice.busy++
	sent, end := context.WithCancel(context.Background())
	g.posting.Go(func() {
		defer end()
		g.attempt(g.alive, o)
	})
	return func(ctx context.Context, patience time.Duration) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		select {
		case <-sent.Done():
		case <-ctx.Done():
		}
	}
}

// Deliver takes that notification of an order, in place of those that haven't gone out yet.
// What it returns is called without the lock, and makes the attempt.
func (tx *Tx) Deliver(o *Entry, n *Notice) (send func(context.Context) error) {
	n.busy++
	o.Notice, o.Later = n, nil
	return func(ctx context.Context) error { return tx.g.attempt(ctx, o) }
}

// attempt posts a notification that was taken, and plans the next attempt.
func (g *Gateway) attempt(ctx context.Context, o *Entry) error {
	g.mu.Lock()
	ctx, done, err := g.beginPost(ctx, o)
	if err != nil {
		g.mu.Unlock()
		return err
	}
	defer done()
	n, p := o.Notice, g.notifier(o)
	fault := g.nextFault(Notify, func(other *Entry) bool { return other == o })
	body := p.Body(n, o, fault, g.now())
	postponed := fault.Kind == FaultLate || fault.Kind == FaultReorder
	if postponed {
		n.Due = g.now().Add(fault.Delay)
		n.busy--
		if fault.Kind == FaultReorder {
			n.Due = g.now().Add(time.Millisecond)
		}
		g.write(o)
		g.Wake()
	}
	g.mu.Unlock()
	if postponed {
		return nil
	}

	times := 1
	if fault.Kind == FaultDuplicate {
		times = 2
	}
	for i := 0; ; i++ {
		sent, status, answer, err := g.post(ctx, p, n, body)
		g.mu.Lock()
		n.Attempts++
		delivery := Delivery{At: g.now(), Attempt: n.Attempts, Message: n.Message, Status: status, Answer: answer, Accepted: err == nil, Fault: fault.Kind, sent: sent}
		if len(o.Deliveries) < maxDeliveries {
			o.Deliveries = append(o.Deliveries, delivery)
		}
		n.Accepted = n.Accepted || err == nil
		last := i == times-1 || o.era != g.era
		if last {
			n.busy--
		}
		n.Due = time.Time{}
		if pauses := p.Schedule(); !n.Accepted && n.Attempts <= len(pauses) {
			n.Due = delivery.At.Add(pauses[n.Attempts-1])
		} else if o.Notice == n && len(o.Later) > 0 {
			o.Notice, o.Later = o.Later[0], o.Later[1:]
		}
		if saveErr := g.write(o); saveErr != nil {
			// The merchant has it, and memory says so; the file will with the next change.
			err = errors.Join(err, saveErr)
		}
		g.Wake()
		g.mu.Unlock()
		if last {
			return err
		}
	}
}

// post is PostNotice with what the story of the order has of it.
func (g *Gateway) post(ctx context.Context, p Notifier, n *Notice, body []byte) (sent sentPost, status int, answer string, err error) {
	sent = sentPost{target: n.Target, body: body, turn: turns.Add(1)}
	began := time.Now()
	status, answer, err = PostNotice(ctx, g.outgoing, p, n, body)
	sent.took = time.Since(began)
	return sent, status, answer, err
}

// PostNotice sends a notification by way of a transport, with that body under a fault, and tells
// whether the merchant accepted it.
func PostNotice(ctx context.Context, way http.RoundTripper, p Notifier, n *Notice, body []byte) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := p.Request(ctx, n, body)
	if err != nil {
		return 0, briefly(err), fmt.Errorf("%w: %w", ErrNotAccepted, err)
	}
	status, text, err := send(way, req)
	if status == 0 || errors.Is(err, errRedirect) {
		return status, briefly(err), fmt.Errorf("%w: %w", ErrNotAccepted, err)
	}
	if err != nil || status != http.StatusOK || !p.Accepted(text) {
		err = fmt.Errorf("%w: it answered HTTP %d, %.200q", ErrNotAccepted, status, text)
	}
	return status, string(text[:min(len(text), 200)]), err
}

// briefly is the text of an error for [Delivery].
func briefly(err error) string {
	text := err.Error()
	return text[:min(len(text), maxErrorBytes)]
}

// errRedirect means that an answer leads elsewhere, where the gateway doesn't go: a shop
// that answers from there would hide that its address is wrong.
var errRedirect = errors.New("a redirect, which isn't followed; give the address that answers by itself")

// send sends a notification. The status is 0 if there was no answer.
func send(way http.RoundTripper, req *http.Request) (status int, text []byte, err error) {
	client := http.Client{Transport: way, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		if broken := new(url.Error); errors.As(err, &broken) {
			err = broken.Err // Without the address, which may have a signature in it.
		}
		return 0, nil, err
	}
	defer resp.Body.Close()
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		to.RawQuery, to.User = "", nil // A query may have a signature in it.
		return resp.StatusCode, nil, fmt.Errorf("%w: it leads to %.100s", errRedirect, to)
	}
	text, err = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, text, err
}

// due takes the notification that is due first in that era, not after the given time.
func (g *Gateway) due(e *era, until time.Time) (first *Entry, when time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.era != e {
		return nil, time.Time{}
	}
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
			g.announce(first, when)
		}
		first.Notice.busy++
	}
	return first, when
}

// nextDue is when the next notification of an order falls due, zero for never. The
// caller holds g.mu.
func (g *Gateway) nextDue(o *Entry) time.Time {
	switch n := o.Notice; {
	case n != nil && n.busy == 0:
		return n.Due
	case n == nil && g.timesOut(o):
		return o.Expires
	}
	return time.Time{}
}

// timesOut tells the orders whose end has to be announced though nobody notices it
// but the clock.
func (g *Gateway) timesOut(o *Entry) bool {
	p := g.notifier(o)
	return p != nil && p.TimesOut(o)
}

// Wake tells the loop that delivers by itself that something may be due.
func (g *Gateway) Wake() {
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
		g.mu.Lock()
		g.write() // If only the clock has moved, for a while.
		g.mu.Unlock()
	}
	g.posting.Wait()
}

// nextPost takes what has to be posted now, nil if there is nothing.
func (g *Gateway) nextPost() func(context.Context) {
	g.mu.Lock()
	era, now := g.era, g.now() // In whole seconds it would be before what is due at once.
	g.mu.Unlock()
	if o, _ := g.due(era, now); o != nil {
		return func(ctx context.Context) { g.attempt(ctx, o) }
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
			sleep = min(sleep, time.Duration(float64(at.Sub(g.now()))/g.config.Speed))
		}
	}
	return max(sleep, time.Millisecond)
}

package ksher

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ksher-go/ksher/internal/clock"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/receive"
	"github.com/ksher-go/ksher/internal/wire"
)

const (
	// maxMerchants is how many merchants a Router keeps.
	maxMerchants = 10_000
	// unknownFor is how long an app ID that isn't ours isn't looked up again.
	unknownFor = 10 * time.Second
	// lookupTime bounds the lookup of a merchant.
	lookupTime = 10 * time.Second
	// maxLookupWaiters bounds how many wait for the same lookup.
	maxLookupWaiters = 100
)

// Router serves the notifications of many merchants at one address. It is an
// [http.Handler], and safe for concurrent use. It remembers the 10,000 merchants that were
// used last. Each has its own limit of notifications at once, so that none blocks another.
// What the router refuses itself is logged to [slog.Default] as of [NewRouter].
type Router struct {
	find     func(context.Context, string) (*Notifications, error)
	clock    clock.Clock
	receiver receive.Receiver[forwarded]
	places   once.Places
	unknown  once.Recent

	mu        sync.Mutex
	merchants map[string]*list.Element
	used      list.List // Of *Notifications, the last used first.
	lookups   map[string]*lookup
}

// forwarded is a notification whose merchant was found.
type forwarded struct {
	message  receive.Message
	appID    string
	merchant *Notifications
}

// lookup is one that is running.
type lookup struct {
	done     chan struct{}
	waiting  int
	stale    bool // Forget was called for it.
	merchant *Notifications
	err      error
}

// NewRouter returns a router that finds a merchant by the app ID, before anything in the
// message is believed. find makes the merchant's [Client], [Payments] and [Notifications];
// it may ask a database. It is called when a merchant is first used, and again after
// [Router.Forget]. For an unknown app ID it returns [ErrNotOurs], and isn't asked for that
// one again for 10 seconds.
//
// A router forgets merchants that weren't used for long, and with them what their payments
// remember. So give these [WithDeduper]: sqldedupe, pgxdedupe, redisdedupe, or one
// [NewMemoryDeduper] for all.
func NewRouter(find func(ctx context.Context, appID string) (*Notifications, error)) (*Router, error) {
	if find == nil {
		return nil, errors.New("ksher: NewRouter: the lookup of merchants is nil")
	}
	r := &Router{
		find: find, clock: clock.Real, places: once.NewPlaces(),
		merchants: make(map[string]*list.Element), lookups: make(map[string]*lookup),
	}
	r.receiver = receive.Receiver[forwarded]{
		Name: "ksher notification", NumberKey: "app_id",
		Method: http.MethodPost, MaxBytes: maxNotificationBytes,
		Log: slog.Default(), Attrs: errorAttrs, Answer: answerKsher,
		Parse: parseForwarded, Expected: r.lookUp, Once: forward, Forwards: true,
	}
	return r, nil
}

// Get returns the notifications of a merchant. [Notifications.Payments] and [Payments.Client]
// lead from there to the merchant's client, for orders and refunds. Call Get for each piece of
// work instead of keeping the result, so that a new key is used soon after [Router.Forget].
// The error is [ErrNotOurs] for an unknown app ID, or that of the lookup.
func (r *Router) Get(ctx context.Context, appID string) (*Notifications, error) {
	switch {
	case r == nil || r.find == nil:
		return nil, errors.New("ksher: Get: the router was not made by NewRouter")
	case ctx == nil:
		return nil, errors.New("ksher: Get: the context is nil")
	case !validAppID(appID):
		return nil, fmt.Errorf("ksher: merchant %q: %w: it is not an app ID", clipText(appID), ErrNotOurs)
	}
	merchant, running, mine, err := r.cached(appID)
	switch {
	case merchant != nil || err != nil:
		return merchant, err
	case mine:
		r.run(ctx, appID, running)
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	select {
	case <-running.done:
		return running.merchant, running.err
	case <-ctx.Done():
		r.leave(running, mine)
		return nil, fmt.Errorf("ksher: merchant %q: waiting for the lookup: %w", clipText(appID), ctx.Err())
	}
}

// Forget makes the router look a merchant up again when it is next used. Call it when the
// merchant's key has changed. Calls that are running go on with the old one.
func (r *Router) Forget(appID string) {
	if r == nil || r.find == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.merchants[appID]; ok {
		r.used.Remove(e)
		delete(r.merchants, appID)
	}
	if running, ok := r.lookups[appID]; ok {
		running.stale = true
	}
	r.unknown.Forget(appID)
}

// ServeHTTP handles one notification.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r == nil || r.find == nil {
		answerKsher(w, http.StatusInternalServerError)
		return
	}
	r.receiver.ServeHTTP(w, req)
}

// Accept deals with the body of one notification of any merchant, as
// [Notifications.Accept] does with those of one.
func (r *Router) Accept(ctx context.Context, body []byte) (again bool, err error) {
	switch {
	case r == nil || r.find == nil:
		return false, errors.New("ksher: Accept: the router was not made by NewRouter")
	case ctx == nil:
		return false, errors.New("ksher: Accept: the context is nil")
	}
	if refusal := r.receiver.Accept(ctx, receive.Message{Body: body}); refusal != nil {
		return refusal.Again, refusal.Err
	}
	return false, nil
}

// cached returns a merchant that is known, or the lookup to wait for, which is the
// caller's to run if it is mine.
func (r *Router) cached(appID string) (_ *Notifications, running *lookup, mine bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.merchants[appID]; ok {
		r.used.MoveToFront(e)
		return e.Value.(*Notifications), nil, false, nil
	}
	if r.unknown.Lately(appID, "", r.clock.ClockNow(), unknownFor) {
		return nil, nil, false, fmt.Errorf("ksher: merchant %q: %w: it was looked up a moment ago", clipText(appID), ErrNotOurs)
	}
	if running, ok := r.lookups[appID]; ok && !running.stale {
		if running.waiting >= maxLookupWaiters {
			return nil, nil, false, fmt.Errorf("ksher: merchant %q: %w", clipText(appID), once.ErrTooMany)
		}
		running.waiting++
		return nil, running, false, nil
	}
	running = &lookup{done: make(chan struct{})}
	r.lookups[appID] = running
	return nil, running, true, nil
}

// leave makes room for another caller that waits for a lookup.
func (r *Router) leave(running *lookup, mine bool) {
	if mine {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	running.waiting--
}

// run looks a merchant up in a goroutine of its own, so that no caller waits for longer
// than it wants to, and no caller's end ends it for the others.
func (r *Router) run(ctx context.Context, appID string, running *lookup) {
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTime)
		defer cancel()
		var merchant *Notifications
		// It stays if the merchant's function ends its goroutine.
		err := fmt.Errorf("ksher: merchant %q: the lookup didn't return", clipText(appID))
		defer func() { r.keep(appID, running, merchant, err) }()
		err = once.Guard{Log: slog.Default(), Name: "ksher", NumberKey: "app_id"}.Protect(ctx, &appID, func(ctx context.Context) (err error) {
			if full := r.places.Use(func() { merchant, err = r.find(ctx, appID) }); full != nil {
				return full
			}
			return err
		})
		if err == nil {
			err = usableFor(merchant, appID)
		}
		if err != nil {
			merchant, err = nil, fmt.Errorf("ksher: merchant %q: %w", clipText(appID), err)
		}
	}()
}

// keep ends a lookup.
func (r *Router) keep(appID string, running *lookup, merchant *Notifications, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	running.merchant, running.err = merchant, err
	close(running.done)
	if running.stale {
		if r.lookups[appID] == running {
			delete(r.lookups, appID)
		}
		return
	}
	delete(r.lookups, appID)
	switch {
	case errors.Is(err, ErrNotOurs):
		r.unknown.Again(appID, "", r.clock.ClockNow(), 0)
	case err == nil:
		r.merchants[appID] = r.used.PushFront(merchant)
		if r.used.Len() > maxMerchants {
			oldest := r.used.Remove(r.used.Back()).(*Notifications)
			delete(r.merchants, oldest.payments.client.appID)
		}
	}
}

// usableFor says what is wrong with what a lookup returned.
func usableFor(n *Notifications, appID string) error {
	switch {
	case n == nil || n.payments == nil:
		return errors.New("the lookup returned no notifications")
	case n.payments.client.appID != appID:
		return fmt.Errorf("the lookup returned the notifications of %q", n.payments.client.appID)
	case n.payments.engine.OwnMemory():
		return errors.New("the payments remember in a memory of their own, which a router can't keep: give WithDeduper to NewPayments")
	}
	return nil
}

// validAppID tells whether a client can have that app ID.
func validAppID(appID string) bool {
	return appID != "" && utf8.RuneCountInString(appID) <= maxString && utf8.ValidString(appID) && !strings.ContainsFunc(appID, unicode.IsSpace)
}

// parseForwarded finds out whose a notification is. Nothing else of it is read.
func parseForwarded(message receive.Message) (*forwarded, string, *receive.Refusal) {
	malformed := func(err error) (*forwarded, string, *receive.Refusal) {
		return nil, "", &receive.Refusal{Status: http.StatusBadRequest, Reason: "it is not a notification of a payment", Err: err}
	}
	if len(message.Body) > maxNotificationBytes {
		return malformed(fmt.Errorf("ksher: notification: %d bytes are too many", len(message.Body)))
	}
	plain, err := decoded(wire.Trim(message.Body))
	if err != nil {
		return malformed(err)
	}
	_, data, err := wire.ParseEnvelope(plain)
	if err != nil {
		return malformed(err)
	}
	appID := string(text(data, "appid"))
	if !validAppID(appID) {
		return malformed(errors.New("ksher: notification: it names no app ID"))
	}
	return &forwarded{message: message, appID: appID}, appID, nil
}

// lookUp finds the merchant.
func (r *Router) lookUp(ctx context.Context, f *forwarded) *receive.Refusal {
	merchant, err := r.Get(ctx, f.appID)
	switch {
	case errors.Is(err, ErrNotOurs):
		return &receive.Refusal{Status: http.StatusNotFound, Reason: "it is for a merchant that isn't ours", Err: err}
	case errors.Is(err, once.ErrTooMany):
		return &receive.Refusal{Status: http.StatusServiceUnavailable, Reason: "too many merchants are being looked up", Err: err, Again: true}
	case err != nil:
		return &receive.Refusal{Status: http.StatusServiceUnavailable, Reason: "the merchant could not be looked up", Err: err, Again: true}
	}
	f.merchant = merchant
	return nil
}

// forward lets the merchant's notifications deal with it.
func forward(ctx context.Context, f *forwarded) *receive.Refusal {
	refusal := f.merchant.receiver.Accept(ctx, f.message)
	if refusal != nil {
		refusal.Err = f.merchant.payments.client.named(refusal.Err)
	}
	return refusal
}

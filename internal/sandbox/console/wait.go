package console

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/scenario"
)

// expectation is what a test waits for.
type expectation struct {
	// State is paid by default, and Notified is true by default without a State.
	State    core.State `json:"state,omitzero"`
	Notified *bool      `json:"notified,omitzero"`
	// Seconds is how long to wait at most.
	Seconds *float64 `json:"seconds,omitzero"`
}

// Bounds of the waiting, by the real clock.
const (
	defaultWait = 10 * time.Second
	maxWait     = time.Minute
)

// follows has, for the states of an order after which not every other one can come, those that
// can.
var follows = map[core.State][]core.State{
	core.Paid:           {core.RefundedInPart, core.Refunded},
	core.RefundedInPart: {core.Refunded},
	core.Refunded:       nil,
	core.Failed:         nil,
	core.Expired:        nil,
	// A QR code that the buyer saved can still be paid.
	core.Cancelled: {core.Paid, core.RefundedInPart, core.Refunded},
}

// read completes what a request has said, or says what is wrong with it.
func (e *expectation) read(r *http.Request) (time.Duration, error) {
	if err := decode(r, e); err != nil {
		return 0, err
	}
	if e.State == "" {
		e.State = core.Paid
		if e.Notified == nil {
			yes := true
			e.Notified = &yes
		}
	}
	states := slices.Sorted(maps.Keys(follows))
	states = append(states, core.Created, core.InProgress)
	if !slices.Contains(states, e.State) {
		return 0, &statusError{http.StatusBadRequest, fmt.Sprintf("there is no state %q; there are %q", e.State, states)}
	}
	if e.Seconds == nil {
		return defaultWait, nil
	}
	wait := time.Duration(*e.Seconds * float64(time.Second))
	if !(*e.Seconds > 0 && *e.Seconds <= maxWait.Seconds()) {
		return 0, &statusError{http.StatusBadRequest, fmt.Sprintf("give more than 0 and at most %v seconds", maxWait.Seconds())}
	}
	return wait, nil
}

// missing says what an order lacks of what is expected, "" for nothing. never says that it
// won't have it.
func (e *expectation) missing(o *core.Entry, now time.Time) (what string, never bool) {
	if o == nil {
		return "there is no such order", false
	}
	if s := o.State(now); s != e.State {
		after, ended := follows[s]
		return fmt.Sprintf("it is %s, not %s", s, e.State), ended && !slices.Contains(after, e.State)
	}
	if e.Notified == nil || !*e.Notified || o.Notified() {
		return "", false
	}
	return fmt.Sprintf("it is %s, but %s", e.State, unheard(o)), false
}

// unheard says why a merchant hasn't accepted the notification of an order.
func unheard(o *core.Entry) string {
	if o.Notice == nil {
		return "it has no notification: give an mch_notify_url to gateway_pay, a notify_url to other operations, and --vip-webhook to the sandbox for vip.ksher.net"
	}
	next := ", and there is no other attempt by itself"
	if !o.Notice.Due.IsZero() {
		next = ", and the next attempt is due at " + o.Notice.Due.In(core.Zone).Format(time.RFC3339)
	}
	if o.Notice.Attempts == 0 || len(o.Deliveries) == 0 {
		return "no attempt to notify the merchant has ended yet" + next
	}
	last := o.Deliveries[len(o.Deliveries)-1]
	text := fmt.Sprintf("the merchant hasn't accepted the notification; attempt %d ended with HTTP %d, %q", last.Attempt, last.Status, last.Answer)
	if last.Status == 0 {
		text = fmt.Sprintf("the merchant hasn't accepted the notification; attempt %d ended with %q", last.Attempt, last.Answer)
	}
	if last.Fault != "" {
		text += fmt.Sprintf(" under the fault %s", last.Fault)
	}
	return text + next
}

// errSeen ends the watching of an order that is as expected, or never will be.
var errSeen = errors.New("seen")

// waitFor answers when an order is as expected.
func (c *Console) waitFor(r *http.Request) (any, error) {
	var e expectation
	patience, err := e.read(r)
	if err != nil {
		return nil, err
	}
	id := idIn(r.URL.Query(), r.PathValue("no"))
	if c.gw.Known(id.appID) == nil {
		return nil, noMerchant(id.appID)
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	var d orderData
	var what string
	var never bool
	watched := c.gw.Watch(ctx, core.OfOrders, func() error {
		var seen error
		c.gw.DoFor(r, func(tx *core.Tx) {
			o := tx.Either(id.appID, id.mchOrderNo)
			if what, never = e.missing(o, tx.Now()); what == "" {
				d = c.describe(tx, o)
				d.Scenario = scenario.Judge(tx, o)
			}
			if what == "" || never {
				seen = errSeen
			}
		})
		return seen
	})
	switch {
	case !watched:
		return nil, &statusError{http.StatusServiceUnavailable, "too many requests wait or watch already"}
	case what == "":
		return d, nil
	case never:
		return nil, fmt.Errorf("order %q: %s, and won't be any more", id.mchOrderNo, what)
	case ctx.Err() == nil:
		return nil, &statusError{http.StatusServiceUnavailable, "the sandbox ends"}
	}
	return nil, &statusError{http.StatusGatewayTimeout, fmt.Sprintf("order %q: after %v: %s", id.mchOrderNo, patience, what)}
}

package opnapi

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// SetWebhook registers the address that events go to, as one does on Opn's
// dashboard, "" for none, which is the default. A gateway that runs in real time then posts
// one soon after a charge was paid or has failed. A charge that expires, by the
// clock or by the button of its page, isn't announced: whether Opn does that isn't
// documented, so a shop has to ask. Any other waits for [Account.Deliver],
// which posts an event about an expired charge, too. An address that isn't one of
// http or https is an error and changes nothing.
func (a *Account) SetWebhook(address string) error {
	if address != "" && core.WebAddress(address) == "" {
		return fmt.Errorf("kshertest: SetOpnWebhook: %q isn't an http or https address", address)
	}
	a.gw.Do(func(*core.Tx) { a.webhook = address })
	return nil
}

// announce lets the event of a charge go out if the gateway runs by itself.
// Events aren't repeated: when Opn does so isn't documented.
func (a *Account) announce(c *charge) {
	if a.webhook != "" {
		c.due = true
		a.gw.Wake()
	}
}

// post takes the charge whose event has to go out, nil if there is none.
func (a *Account) post() (post func(context.Context)) {
	a.gw.Do(func(*core.Tx) {
		i := slices.IndexFunc(a.charges, func(c *charge) bool { return c.due })
		if i < 0 {
			return
		}
		c := a.charges[i]
		c.due = false
		post = func(ctx context.Context) { a.Deliver(ctx, c.ID) }
	})
	return post
}

// Deliver posts a charge.complete event about a charge to the registered
// address now, whatever the charge's status, and as often as it is called. Any
// answer but an HTTP status of 200 is [core.ErrNotAccepted].
func (a *Account) Deliver(ctx context.Context, chargeID string) error {
	fail := func(err error) error { return fmt.Errorf("kshertest: DeliverOpn: charge %q: %w", chargeID, err) }
	target, body, err := a.event(chargeID)
	if err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return fail(fmt.Errorf("%w: %w", core.ErrNotAccepted, err))
	}
	req.Header.Set("Content-Type", "application/json")
	status, text, err := a.gw.Send(req)
	switch {
	case status == 0:
		return fail(fmt.Errorf("%w: %w", core.ErrNotAccepted, err))
	case err != nil || status != http.StatusOK:
		return fail(fmt.Errorf("%w: it answered HTTP %d, %.200q", core.ErrNotAccepted, status, text))
	}
	return nil
}

// event is what is posted about a charge, and where to.
func (a *Account) event(chargeID string) (target string, body []byte, err error) {
	a.gw.Do(func(tx *core.Tx) {
		c, now := a.find(chargeID), tx.Now()
		if target = a.webhook; c == nil {
			err = core.ErrNoOrder
			return
		}
		a.serial++
		// Of an event only key and data are documented.
		body = core.Marshal(map[string]any{
			"object": "event", "id": a.id("evnt"), "livemode": false,
			"key": "charge.complete", "created_at": moment(now), "data": c.view(now),
		})
		if target == "" {
			err = core.ErrNoNotification
		}
	})
	return target, body, err
}

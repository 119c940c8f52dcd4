package opnapi

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/opn"
)

// The events of a charge, as Opn's guide to K PLUS has them.
const (
	ChargeCreate   = "charge.create"
	chargeComplete = "charge.complete"
)

// SetWebhook registers the address that events go to, as one does on Opn's dashboard, ""
// for none, which is the default. An event tells of each charge from then on that is made,
// paid or fails. A charge that expires isn't announced: whether Opn does that isn't
// documented, so a shop has to ask. An address that isn't one of http or https is an error
// and changes nothing.
func (a *Account) SetWebhook(address string) error {
	if address != "" && core.WebAddress(address) == "" {
		return fmt.Errorf("kshertest: SetOpnWebhook: %q isn't an http or https address", address)
	}
	a.gw.Do(func(tx *core.Tx) {
		tx.AllowNotify(address)
		a.webhook = address
	})
	return nil
}

// Deliver posts a charge.complete event about a charge to the registered address now,
// whatever the charge's status, and as often as it is called, in place of events that
// haven't gone out yet. Any answer but an HTTP status of 200 is [core.ErrNotAccepted].
func (a *Account) Deliver(ctx context.Context, chargeID string) error {
	err := core.ErrNoOrder
	var send func(context.Context) error
	a.gw.Do(func(tx *core.Tx) {
		if o := find(tx, chargeID); o != nil {
			err = core.ErrNoNotification
			if a.webhook != "" {
				err, send = nil, tx.Deliver(o, a.notice(o, tx.Now(), chargeComplete))
			}
		}
	})
	if err == nil {
		err = send(ctx)
	}
	if err != nil {
		return fmt.Errorf("kshertest: DeliverOpn: charge %q: %w", chargeID, err)
	}
	return nil
}

// notice is an event about a charge. Only its key and data are documented; the rest is as
// in the tests of Opn's client for Node.
func (a *Account) notice(o *core.Entry, at time.Time, key string) *core.Notice {
	id := "evnt_test_" + a.gw.UUIDOf(o, key)[:19]
	return &core.Notice{Target: a.webhook, Message: key, Body: core.Marshal(map[string]any{
		"object": "event", "id": id, "location": "/events/" + id, "livemode": false,
		"key": key, "created_at": moment(at), "data": a.view(a.gw.PublicURL(), o, at),
	})}
}

// notifier tells the shop what has become of charges.
type notifier struct{ a *Account }

func (notifier) Made(o *core.Entry) bool { return o.API == api && !o.Draft }

// News tells of each charge that it was made, and that it was paid or has failed.
func (n notifier) News(o *core.Entry, at time.Time) (*core.Notice, string) {
	key := ChargeCreate
	switch statusOf(o, at) {
	case opn.StatusSuccessful, opn.StatusFailed:
		key = chargeComplete
	case opn.StatusExpired:
		return nil, ""
	}
	if n.a.webhook == "" {
		return nil, key
	}
	return n.a.notice(o, at, key), key
}

func (notifier) TimesOut(*core.Entry) bool { return false }

// Body is that of an event under the fault. It isn't signed, so a fault of signatures
// leaves it as it is.
func (notifier) Body(n *core.Notice, _ *core.Entry, f core.Fault, _ time.Time) []byte {
	switch f.Kind {
	case core.FaultTruncated:
		return n.Body[:len(n.Body)/2]
	case core.FaultCorrupt:
		return bytes.Replace(n.Body, []byte(`"amount":`), []byte(`"amount":1`), 1)
	}
	return n.Body
}

func (notifier) Request(ctx context.Context, n *core.Notice, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.Target, bytes.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

func (notifier) Accepted([]byte) bool { return true }

// Schedule is empty: whether Opn repeats an event, and when, isn't documented.
func (notifier) Schedule() []time.Duration { return nil }

package opn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/receive"
	"github.com/ksher-go/ksher/internal/wire"
)

const (
	// maxEventBytes is far above an event with a charge.
	maxEventBytes = 64 << 10
	// chargeComplete is the key of the event that a charge ended.
	chargeComplete = "charge.complete"

	// An event that can't be confirmed at once waits for retryPause before each of some
	// more attempts.
	retryPause = 500 * time.Millisecond
	retries    = 4
)

// Notifications deals with the events that Opn posts to the webhook endpoint of its
// dashboard. It is an [http.Handler], and [Notifications.Accept] does the same for a
// queue's worker. Only charge.complete matters. Any other event is answered with 200, such
// as charge.create, which comes before Opn's answer has told you the charge's ID.
type Notifications struct {
	payments *Payments
	expected func(context.Context, string) (OpenOrder, error)
	receiver receive.Receiver[announced]
	// waiting has the charges of which an event waits.
	waiting sync.Map
}

// announced is what is known of an event.
type announced struct {
	charge string
	order  OpenOrder
}

// Notifications returns the handler of events. expected finds an order in the merchant's
// books by its charge's ID: every order, also booked ones, and [ksher.ErrNotOurs] for any
// other ID, such as that of a charge by card.
//
// Events aren't signed, so nothing is taken from one but the charge's ID: expected is
// asked for it, then whether the payment is done, then Opn, and then the function of
// [NewPayments] is called. It answers 200 only if that returned nil, now or earlier, or
// if the charge ended without a payment. Whether Opn repeats an event isn't documented:
// let [Payments.Run] find what was missed. See docs/kplus.md.
func (p *Payments) Notifications(expected func(ctx context.Context, chargeID string) (OpenOrder, error)) (*Notifications, error) {
	switch {
	case p == nil || p.engine == nil:
		return nil, errors.New("opn: Notifications: the payments were not made by NewPayments")
	case expected == nil:
		return nil, errors.New("opn: Notifications: the lookup of expected orders is nil")
	}
	c := p.client
	n := &Notifications{payments: p, expected: expected}
	n.receiver = receive.Receiver[announced]{
		Name: "opn event", NumberKey: "id",
		Method: http.MethodPost, MaxBytes: maxEventBytes,
		Log: c.log, Attrs: n.errorAttrs, Begin: c.hooks.Message(c.sender.Clock, "", "notification"), Answer: answerOpn,
		Parse: parseEvent, Expected: n.lookUp, Once: n.once,
	}
	return n, nil
}

// Accept deals with the body of one event, as ServeHTTP does. A nil error means that
// nothing more has to follow from it. Otherwise again tells whether another try may
// succeed.
func (n *Notifications) Accept(ctx context.Context, body []byte) (again bool, err error) {
	switch {
	case n == nil || n.payments == nil:
		return false, errors.New("opn: Accept: the notifications were not made by Payments.Notifications")
	case ctx == nil:
		return false, errors.New("opn: Accept: the context is nil")
	}
	if refusal := n.receiver.Accept(ctx, receive.Message{Body: body}); refusal != nil {
		return refusal.Again, refusal.Err
	}
	return false, nil
}

// ServeHTTP handles one event.
func (n *Notifications) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n == nil || n.payments == nil {
		answerOpn(w, http.StatusInternalServerError)
		return
	}
	n.receiver.ServeHTTP(w, r)
}

func (n *Notifications) errorAttrs(err error) []slog.Attr {
	return errorAttrs(n.payments.client.keys().hide.Shield(err))
}

// answerOpn answers that the event was handled if the status is 200.
func answerOpn(w http.ResponseWriter, status int) {
	if status != http.StatusOK {
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.WriteHeader(status)
}

// parseEvent reads the charge's ID in an event, and nothing of one that isn't about a
// charge that ended.
func parseEvent(message receive.Message) (*announced, string, *receive.Refusal) {
	key, id, err := readEvent(message.Body)
	if err != nil {
		return nil, "", &receive.Refusal{Status: http.StatusBadRequest, Reason: "it is not an event about a charge", Err: err}
	}
	if key != chargeComplete {
		return nil, "", nil
	}
	return &announced{charge: id}, id, nil
}

// readEvent reads the key of an event, and of a charge.complete its charge's ID.
func readEvent(body []byte) (key, id string, err error) {
	outer, data, err := wire.ParseEnvelope(body)
	if err != nil {
		return "", "", fault.JSON(err)
	}
	if key = text(outer, "key"); key == "" {
		return "", "", fmt.Errorf("%w: key is missing", fault.ErrField)
	}
	if key != chargeComplete {
		return key, "", nil
	}
	if id = text(data, "id"); text(data, "object") != "charge" || !isID("chrg", id) {
		return "", "", fmt.Errorf("%w: data is not a charge with an ID such as chrg_…", fault.ErrField)
	}
	return key, id, nil
}

// lookUp finds the order in the merchant's books.
func (n *Notifications) lookUp(ctx context.Context, m *announced) *receive.Refusal {
	order, err := n.expected(ctx, m.charge)
	if refusal := receive.Found(gateway{n.payments.client}, m.charge, order, err); refusal != nil {
		return refusal
	}
	m.order = order
	return nil
}

// once confirms what became of the charge and does what follows, unless that is done.
//
// Opn may not send an event again, and anybody can post one a moment before. The query
// for that one may have been made before the buyer paid, so a genuine event that comes
// too soon after it waits for a query of its own.
func (n *Notifications) once(ctx context.Context, m *announced) *receive.Refusal {
	refusal := n.confirm(ctx, m.order)
	for range retries {
		if !tooSoon(refusal) || !n.pause(ctx, m.charge) {
			break
		}
		refusal = n.confirm(ctx, m.order)
	}
	return refusal
}

func (n *Notifications) confirm(ctx context.Context, order OpenOrder) *receive.Refusal {
	standing, asked, err := n.payments.engine.Announce(ctx, order)
	return receive.Closed(standing, receive.Announced(standing, asked, err, ofQuery))
}

// tooSoon tells whether an event was refused for no other reason than that others are
// being confirmed.
func tooSoon(refusal *receive.Refusal) bool {
	return refusal != nil && (errors.Is(refusal.Err, once.ErrTooSoon) || errors.Is(refusal.Err, once.ErrInProgress) ||
		errors.Is(refusal.Err, once.ErrTooMany))
}

// pause waits a moment. It returns false if another event of the charge waits, because
// one query after both is enough, or if the context ended.
func (n *Notifications) pause(ctx context.Context, charge string) bool {
	if _, other := n.waiting.LoadOrStore(charge, true); other {
		return false
	}
	defer n.waiting.Delete(charge)
	return n.payments.client.sender.Clock.ClockSleep(ctx, retryPause) == nil
}

// ofQuery tells the errors of a query.
func ofQuery(err error) bool {
	var failed *Error
	return errors.As(err, &failed)
}

package opn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

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
)

// NewWebhookHandler returns the handler for the address that Opn's dashboard has
// as the webhook endpoint. For each charge.complete event that comes in it
//
//  1. asks the client's [Deduper] whether the charge with this status is done, and if
//     so answers 200,
//  2. asks Opn for the charge, because events aren't signed and anybody can send one,
//     and goes on only if it has ended,
//  3. calls fn with that answer, once for each charge and status,
//  4. and answers 200 if fn returned nil.
//
// Otherwise it answers with an HTTP error, and logs the reason with the client's
// logger. Whether and how often Opn sends an event again isn't documented, nor
// whether it sends one when a charge expires, so let [Client.WaitForCharge] ask about
// a charge that never heard. An event with another key is answered with 200 and
// forgotten.
//
// fn gets charges that are paid, failed, expired or reversed, and every charge of
// the account, those by card among them: look up the order by the charge's ID,
// return nil if the charge isn't yours, and use [Charge.CheckPaid] before handing
// anything out. A charge whose ID you don't know may be one whose answer was lost,
// see [ksher.ErrOutcomeUnknown]. The client's [Deduper] sees to it that fn isn't called
// again after it has returned nil, and not for two deliveries at the same time. The
// default Deduper forgets when the program ends and after 48 hours, and anybody
// who knows a charge's ID can send its event then: see [WithDeduper], or make fn do
// nothing the second time. The context of fn ends with the HTTP request at the
// latest.
//
// Two statuses of one charge, such as successful and then reversed, may still come
// to fn at the same time: let what fn writes keep a charge that was taken back from
// becoming paid again.
//
// An event may have 64 KiB, and a sender 10 seconds for it. A copy of one that is done,
// or being handled, costs no query, and one that came to nothing costs a query again
// after half a second. But an event with an ID that was made up costs one, whoever sent
// it. A handler makes up to 100 of them at once, and answers 503 to one more event.
// Whoever forges that many keeps true ones out meanwhile, so give the handler an address
// that can't be guessed. If fn returns [ksher.ErrNotOurs], the answer is 404. A nil
// client or fn makes a handler that answers 500 to everything.
//
// Source: the section on events of Opn's guide to K PLUS.
func NewWebhookHandler(c *Client, fn func(context.Context, *Charge) error) http.Handler {
	h := &webhook{client: c}
	h.receiver = receive.Receiver[event]{
		Name: "opn event", NumberKey: "id",
		Method: http.MethodPost, MaxBytes: maxEventBytes,
		Log: slog.New(slog.DiscardHandler), Attrs: h.errorAttrs, Answer: answerOpn,
		Parse: parseEvent, Once: h.once,
	}
	switch {
	case c == nil || c.keys == nil:
		h.receiver.Broken = "the handler was made without a client"
	case fn == nil:
		h.receiver.Broken = "the handler was made without a function"
	}
	if h.receiver.Broken == "" {
		h.receiver.Log = c.log
		h.receiver.Begin = c.hooks.Message(c.sender.Clock, "notification")
		h.states = receive.States[event, Charge]{
			Guard:   once.Guard{Log: c.log, Name: h.receiver.Name, NumberKey: h.receiver.NumberKey},
			Deduper: c.deduper, Clock: c.sender.Clock, Places: once.NewPlaces(),
			Number: func(e *event) string { return e.charge },
			Key:    key, Ask: h.ask, Do: fn,
		}
	}
	return &h.receiver
}

type webhook struct {
	client   *Client
	states   receive.States[event, Charge]
	receiver receive.Receiver[event]
}

// event is what is read of an event about a charge: its ID, and the status that it
// claims, "" for one that isn't known. Events aren't signed.
type event struct {
	charge  string
	claimed Status
}

func (h *webhook) errorAttrs(err error) []slog.Attr {
	return errorAttrs(h.client.keys().hide.Shield(err))
}

// answerOpn answers that the event was handled if the status is 200.
func answerOpn(w http.ResponseWriter, status int) {
	if status != http.StatusOK {
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.WriteHeader(status)
}

// once deals with an event, unless that is done.
func (h *webhook) once(ctx context.Context, e *event) *receive.Refusal {
	claimed := e.claimed
	if !claimed.Final() {
		claimed = StatusSuccessful
	}
	return h.states.Once(ctx, e, string(e.claimed), string(claimed))
}

// key is what a Deduper knows a charge and its status by. No ID or status that comes to
// here has a blank in it.
func key(e *event, status string) string { return "opn " + status + " " + e.charge }

// ask asks for a charge, which has to have ended.
func (h *webhook) ask(ctx context.Context, e *event) (*Charge, string, *receive.Refusal) {
	charge, err := h.client.GetCharge(ctx, e.charge)
	var failed *Error
	switch {
	case errors.As(err, &failed) && failed.Err == nil && !failed.forLoop().Transient():
		return nil, "", &receive.Refusal{Status: http.StatusForbidden, Reason: "Opn doesn't tell of the charge", Err: err}
	case err != nil:
		return nil, "", &receive.Refusal{Status: http.StatusServiceUnavailable, Reason: "it could not be confirmed", Err: err, Again: true}
	case !charge.Status.Final():
		return nil, "", &receive.Refusal{Status: http.StatusConflict, Reason: "the charge has not ended", Again: true}
	}
	return charge, string(charge.Status), nil
}

// parseEvent reads an event, and nothing of one that isn't about a charge that ended.
func parseEvent(message receive.Message) (*event, string, *receive.Refusal) {
	key, e, err := readEvent(message.Body)
	if err != nil {
		return nil, "", &receive.Refusal{Status: http.StatusBadRequest, Reason: "it is not an event about a charge", Err: err}
	}
	if key != chargeComplete {
		return nil, "", nil
	}
	return e, e.charge, nil
}

// readEvent reads the key of an event, and of a charge.complete what it says of its
// charge.
func readEvent(body []byte) (key string, e *event, err error) {
	outer, data, err := wire.ParseEnvelope(body)
	if err != nil {
		return "", nil, fault.JSON(err)
	}
	if key = text(outer, "key"); key == "" {
		return "", nil, fmt.Errorf("%w: key is missing", fault.ErrField)
	}
	if key != chargeComplete {
		return key, nil, nil
	}
	e = &event{charge: text(data, "id")}
	if text(data, "object") != "charge" || !isID("chrg", e.charge) {
		return "", nil, fmt.Errorf("%w: data is not a charge with an ID such as chrg_…", fault.ErrField)
	}
	if status := Status(text(data, "status")); status.Final() || status == StatusPending {
		e.claimed = status
	}
	return key, e, nil
}

package opn

import (
	"cmp"
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
//  1. takes nothing from the event but the ID of the charge, because events aren't
//     signed and anybody can send one,
//  2. asks Opn for the charge, and goes on only if it has ended,
//  3. claims the charge with its status in the client's [Deduper], asks once more,
//     and calls fn with that answer, once for each charge and status,
//  4. and answers 200 if fn returned nil, now or earlier.
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
// An event may have 64 KiB, and a sender 10 seconds for it. Each event with the ID
// of a charge costs a query, whoever sent it, and another if it is news. A handler
// makes up to 100 of them at once, and answers 503 to one more event. Whoever forges
// that many keeps true ones out meanwhile, so give the handler an address that can't
// be guessed. A nil client or fn makes a handler that answers 500 to everything.
//
// Source: the section on events of Opn's guide to K PLUS.
func NewWebhookHandler(c *Client, fn func(context.Context, *Charge) error) http.Handler {
	h := &webhook{client: c, fn: fn, places: once.NewPlaces()}
	h.receiver = receive.Receiver[event]{
		Name: "opn event", NumberKey: "id",
		Method: http.MethodPost, MaxBytes: maxEventBytes,
		Log: slog.New(slog.DiscardHandler), Attrs: h.errorAttrs, Answer: answerOpn,
		Parse: parseEvent, Once: h.confirm,
	}
	switch {
	case c == nil || c.keys == nil:
		h.receiver.Broken = "the handler was made without a client"
	case fn == nil:
		h.receiver.Broken = "the handler was made without a function"
	}
	if c != nil && c.log != nil {
		h.receiver.Log = c.log
	}
	return &h.receiver
}

type webhook struct {
	client   *Client
	fn       func(context.Context, *Charge) error
	places   once.Places
	receiver receive.Receiver[event]
}

// event is what is read of an event about a charge.
type event struct {
	charge string
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

// ask asks for a charge, which has to have ended, unless it is asking for too many.
func (h *webhook) ask(ctx context.Context, id string) (*Charge, *receive.Refusal) {
	if !h.places.Take() {
		return nil, &receive.Refusal{Status: http.StatusServiceUnavailable, Reason: "too many others are being confirmed"}
	}
	defer h.places.Give()
	charge, err := h.client.GetCharge(ctx, id)
	var failed *Error
	switch {
	case errors.As(err, &failed) && failed.Err == nil && !failed.forLoop().Transient():
		return nil, &receive.Refusal{Status: http.StatusForbidden, Reason: "Opn doesn't tell of the charge", Err: err}
	case err != nil:
		return nil, &receive.Refusal{Status: http.StatusServiceUnavailable, Reason: "it could not be confirmed", Err: err}
	case !charge.Status.Final():
		return nil, &receive.Refusal{Status: http.StatusConflict, Reason: "the charge has not ended"}
	}
	return charge, nil
}

// confirm asks for a charge and hands it on.
func (h *webhook) confirm(ctx context.Context, e *event) *receive.Refusal {
	charge, no := h.ask(ctx, e.charge)
	if no != nil {
		return no
	}
	// No ID or status that comes to here has a blank in it.
	key := "opn " + string(charge.Status) + " " + charge.ID
	err := h.client.deduper.Once(ctx, key, func(ctx context.Context) error {
		no = h.handOn(ctx, charge)
		if no != nil {
			return cmp.Or(no.Err, errors.New(no.Reason))
		}
		return nil
	})
	switch {
	case no != nil: // A Deduper that keeps the error to itself would have the charge taken for handled.
		return no
	case errors.Is(err, fault.ErrInProgress):
		return &receive.Refusal{Status: http.StatusServiceUnavailable, Reason: "another delivery of it is being handled", Err: err}
	case err != nil:
		return &receive.Refusal{Status: http.StatusInternalServerError, Reason: "the Deduper failed", Err: err}
	}
	return nil
}

// handOn asks once more for a charge whose status is claimed, because another
// delivery may have told of a newer status in the meantime, and hands it on.
func (h *webhook) handOn(ctx context.Context, before *Charge) *receive.Refusal {
	charge, no := h.ask(ctx, before.ID)
	if no != nil {
		return no
	}
	if charge.Status != before.Status {
		return &receive.Refusal{Status: http.StatusServiceUnavailable, Reason: "the charge has changed in the meantime"}
	}
	if err := h.fn(ctx, charge); err != nil {
		return &receive.Refusal{Status: http.StatusInternalServerError, Reason: "the merchant's function failed", Err: err}
	}
	return nil
}

// parseEvent reads an event, and nothing of one that isn't about a charge that ended.
func parseEvent(message receive.Message) (*event, string, *receive.Refusal) {
	key, id, err := readEvent(message.Body)
	if err != nil {
		return nil, "", &receive.Refusal{Status: http.StatusBadRequest, Reason: "it is not an event about a charge", Err: err}
	}
	if key != chargeComplete {
		return nil, "", nil
	}
	return &event{charge: id}, id, nil
}

// readEvent reads the key of an event, and of a charge.complete the ID of its charge.
func readEvent(body []byte) (key, chargeID string, err error) {
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
	chargeID = text(data, "id")
	if text(data, "object") != "charge" || !isID("chrg", chargeID) {
		return "", "", fmt.Errorf("%w: data is not a charge with an ID such as chrg_…", fault.ErrField)
	}
	return key, chargeID, nil
}

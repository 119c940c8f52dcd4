package opn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

const (
	// maxEventBytes is far above an event with a charge.
	maxEventBytes = 64 << 10
	// readTime is how long a sender may take for a body.
	readTime = 10 * time.Second
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
	return &webhook{c, fn, once.NewPlaces()}
}

type webhook struct {
	client *Client
	fn     func(context.Context, *Charge) error
	places once.Places
}

// refused is why an event isn't accepted, with the HTTP status to say so.
type refused struct {
	status int
	reason string
	err    error
}

// ServeHTTP handles one event.
func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Not every ResponseWriter can do this, and then the server has to. It is done
	// first, because the server reads on for what isn't read here.
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTime))
	if h.fn == nil || h.client == nil || h.client.keys == nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	var id string
	no := h.handle(w, r, &id)
	if no == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	level := slog.LevelWarn
	if errors.Is(no.err, fault.ErrInProgress) {
		level = slog.LevelInfo // The one that is at it will log what becomes of it.
	}
	attrs := []slog.Attr{slog.String("id", id), slog.String("reason", no.reason)}
	if no.err != nil {
		attrs = append(attrs, errorAttrs(h.client.keys().hide.Shield(no.err))...)
	}
	h.client.log.LogAttrs(r.Context(), level, "opn event refused", attrs...)
	if no.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	http.Error(w, http.StatusText(no.status), no.status)
}

func (h *webhook) handle(w http.ResponseWriter, r *http.Request, id *string) *refused {
	if r.Method != http.MethodPost {
		return &refused{http.StatusMethodNotAllowed, "the method is not POST", nil}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEventBytes))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &refused{http.StatusRequestEntityTooLarge, "it is too large", transport.TooLarge(maxEventBytes)}
	}
	if err != nil {
		return &refused{http.StatusBadRequest, "it could not be read", err}
	}
	http.NewResponseController(w).SetReadDeadline(time.Time{}) // Or else it would end the request's context.
	key, charge, err := parseEvent(body)
	if err != nil {
		return &refused{http.StatusBadRequest, "it is not an event about a charge", err}
	}
	if key != chargeComplete {
		return nil
	}
	*id = charge
	return h.confirm(r.Context(), charge)
}

// ask asks for a charge, which has to have ended, unless it is asking for too many.
func (h *webhook) ask(ctx context.Context, id string) (*Charge, *refused) {
	if !h.places.Take() {
		return nil, &refused{http.StatusServiceUnavailable, "too many others are being confirmed", nil}
	}
	defer h.places.Give()
	charge, err := h.client.GetCharge(ctx, id)
	var failed *Error
	switch {
	case errors.As(err, &failed) && failed.Err == nil && !failed.forLoop().Transient():
		return nil, &refused{http.StatusForbidden, "Opn doesn't tell of the charge", err}
	case err != nil:
		return nil, &refused{http.StatusServiceUnavailable, "it could not be confirmed", err}
	case !charge.Status.Final():
		return nil, &refused{http.StatusConflict, "the charge has not ended", nil}
	}
	return charge, nil
}

// confirm asks for a charge and hands it on.
func (h *webhook) confirm(ctx context.Context, id string) *refused {
	charge, no := h.ask(ctx, id)
	if no != nil {
		return no
	}
	// No ID or status that comes to here has a blank in it.
	key := "opn " + string(charge.Status) + " " + charge.ID
	err := h.client.deduper.Once(ctx, key, func(ctx context.Context) error {
		no = h.handOn(ctx, charge)
		if no != nil {
			return cmp.Or(no.err, errors.New(no.reason))
		}
		return nil
	})
	switch {
	case no != nil: // A Deduper that keeps the error to itself would have the charge taken for handled.
		return no
	case errors.Is(err, fault.ErrInProgress):
		return &refused{http.StatusServiceUnavailable, "another delivery of it is being handled", err}
	case err != nil:
		return &refused{http.StatusInternalServerError, "the Deduper failed", err}
	}
	return nil
}

// handOn asks once more for a charge whose status is claimed, because another
// delivery may have told of a newer status in the meantime, and hands it on.
func (h *webhook) handOn(ctx context.Context, before *Charge) *refused {
	charge, no := h.ask(ctx, before.ID)
	if no != nil {
		return no
	}
	if charge.Status != before.Status {
		return &refused{http.StatusServiceUnavailable, "the charge has changed in the meantime", nil}
	}
	if err := h.fn(ctx, charge); err != nil {
		return &refused{http.StatusInternalServerError, "the merchant's function failed", err}
	}
	return nil
}

// parseEvent reads the key of an event, and of a charge.complete the ID of its
// charge.
func parseEvent(body []byte) (key, chargeID string, err error) {
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

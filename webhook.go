package ksher

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/receive"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// maxNotificationBytes is far above the kilobyte of a genuine notification.
const maxNotificationBytes = 64 << 10

// Notification is what Ksher posts to mch_notify_url or notify_url when an order was paid.
// Only successful payments are announced. docs/being-paid.md says how often.
type Notification struct {
	Answer
	Unconfirmed Order // proves nothing until a query of the order says the same
}

// notified is a notification as it is decoded.
type notified struct {
	Answer `json:"-"`
	Order
}

// ParseNotification reads the body of a notification, raw or percent-encoded and at most
// 64 KiB, and checks its signature with the verifier's keys. Times are read in UTC+7.
// [Payments.Notifications] does this and everything that has to follow.
//
// A signature proves little: Ksher's 512-bit V1 key can be factored in hours, anybody who
// saw a notification can send it again, and the signed text can be cut up into another one.
// Query the order before you act. The error is an [ErrSignature] or [ErrBadAnswer].
func ParseNotification(body []byte, v *Verifier) (*Notification, error) {
	n, err := parseNotification(body, v, "", thailand)
	if err != nil {
		return nil, err
	}
	return &Notification{n.Answer, n.Order}, nil
}

// parseNotification reads a notification for that app ID, "" for any.
func parseNotification(body []byte, v *Verifier, appID string, loc *time.Location) (*notified, error) {
	n := &notified{}
	fail := func(e *Error) (*notified, error) {
		e.Operation, e.AppID = "notification", appID
		return nil, e
	}
	if v == nil {
		return fail(&Error{Err: fmt.Errorf("%w: there is no verifier", ErrSignature)})
	}
	if len(body) > maxNotificationBytes {
		return fail(&Error{Err: transport.TooLarge(maxNotificationBytes)})
	}
	body = wire.Trim(body)
	r := reading{verifier: v, proof: proof{order: true}, same: []wire.Param{{Name: "appid", Value: appID}}, location: loc}
	plain, err := decoded(body)
	if err != nil {
		return fail(&Error{Err: err})
	}
	failure := r.read(plain, n)
	if failure != nil && errors.Is(failure, fault.ErrSignatureMismatch) && len(body) > 0 && body[0] == '%' && bytes.IndexByte(body, '+') >= 0 {
		// Some encoders leave a plus as it is, others write a blank that way. The
		// signature tells which.
		if text, err := url.PathUnescape(string(body)); err == nil {
			n = &notified{}
			failure = r.read([]byte(text), n)
		}
	}
	if failure != nil {
		return fail(failure)
	}
	return n, nil
}

// decoded is the JSON of a body that may be percent-encoded.
func decoded(body []byte) ([]byte, error) {
	if len(body) == 0 || body[0] != '%' {
		return bytes.Clone(body), nil
	}
	text, err := url.QueryUnescape(string(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", fault.ErrNotJSON, err)
	}
	return []byte(text), nil
}

// NewReceiver returns the handler of notifications for a shop that has a queue. It checks
// size, form and signature, passes the body to put, and answers SUCCESS once put has returned
// nil: by then the queue must have it for good, because Ksher won't send it again. A worker
// passes it to [Notifications.Accept], or with many merchants to [Router.Accept], which does
// the rest. See docs/being-paid.md.
//
// A copy of a notification that put took in the last minute is answered without calling put. v has the
// keys that sign, usually both of [GatewayPublicKey]. Each notification is logged to
// [slog.Default], so set that first. It is an error if an argument is nil.
func NewReceiver(v *Verifier, put func(ctx context.Context, body []byte) error) (http.Handler, error) {
	switch {
	case v == nil || len(v.keys) == 0:
		return nil, errors.New("ksher: NewReceiver: the verifier is nil, or was not made by NewVerifier")
	case put == nil:
		return nil, errors.New("ksher: NewReceiver: the function for the queue is nil")
	}
	taken, log := &once.Recent{}, slog.Default()
	return &receive.Receiver[queued]{
		Name: "ksher notification", NumberKey: "order_no",
		Method: http.MethodPost, MaxBytes: maxNotificationBytes,
		Log: log, Attrs: errorAttrs, Answer: answerKsher,
		LogOf: func(q *queued) *slog.Logger { return named(log, q.appID) },
		Parse: func(message receive.Message) (*queued, string, *receive.Refusal) {
			got, number, refusal := parseReceived(message, v, "", thailand)
			if refusal == nil && got.AppID == "" {
				refusal = &receive.Refusal{Status: http.StatusBadRequest, Reason: "it names no app ID"}
			}
			if got == nil || got.AppID == "" {
				return nil, number, refusal
			}
			return &queued{clipText(got.AppID), message.Body, sha256.Sum256(fmt.Appendf(nil, "%q", got.Order))}, number, refusal
		},
		Once: func(ctx context.Context, q *queued) *receive.Refusal {
			key := string(q.sum[:])
			if taken.Lately(key, "", time.Now(), putAgain) {
				return nil
			}
			if err := put(ctx, q.body); err != nil {
				return &receive.Refusal{Status: http.StatusInternalServerError, Reason: "the queue didn't take it", Err: err, Again: true}
			}
			taken.Again(key, "", time.Now(), 0)
			return nil
		},
	}, nil
}

// queued is a notification for the queue. sum is of what it says, because a copy can be
// written in other ways: one blank more makes another body under the same signature.
type queued struct {
	appID string
	body  []byte
	sum   [sha256.Size]byte
}

// putAgain is how soon another copy of a notification goes into the queue. Without it a
// captured one fills the queue as fast as it can be sent.
const putAgain = time.Minute

// parseReceived reads a notification that came in, for that app ID or "" for any. number
// is for hooks and logs. A signed one is returned beside the refusal, too.
func parseReceived(message receive.Message, v *Verifier, appID string, loc *time.Location) (_ *notified, number string, _ *receive.Refusal) {
	got, err := parseNotification(message.Body, v, appID, loc)
	switch {
	case errors.Is(err, ErrSignature) || errors.Is(err, ErrOtherOrder):
		return nil, "", &receive.Refusal{Status: http.StatusForbidden, Reason: "it is not signed for this merchant", Err: err}
	case err != nil:
		return nil, "", &receive.Refusal{Status: http.StatusBadRequest, Reason: "it is not a notification of a payment", Err: err}
	}
	number = clipText(got.MchOrderNo) // Whoever has factored the V1 key chooses it.
	check := &checker{}
	if check.requiredNumber("mch_order_no", got.MchOrderNo); len(check.Fields) > 0 {
		return got, number, &receive.Refusal{Status: http.StatusBadRequest, Reason: "it names no order"}
	}
	return got, number, nil
}

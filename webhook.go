package ksher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/ksher-go/ksher/internal/wire"
)

// defaultMaxNotificationBytes is far above the kilobyte of a genuine
// notification.
const defaultMaxNotificationBytes = 64 << 10

// Notification is what Ksher posts to mch_notify_url or notify_url when an
// order was paid: the same as the answer to a query. Only successful payments
// are announced.
//
// A notification isn't accepted until it is answered with
// {"result":"SUCCESS","msg":"OK"}. Otherwise it is repeated 12 times in 29
// hours, after 1 s, 2 s, 2 s, 10 s, 30 s, 1 min, 10 min, 1 h, 3 h, 5 h, 8 h and
// 12 h. Ksher watches an order for 2 hours; of a payment after that there may
// be no notification, so query orders that never heard.
//
// Source: the notification page of Ksher's API documentation.
type Notification struct {
	Envelope `json:"-"`
	Order
}

// ParseNotification reads the body of a notification, raw or percent-encoded
// and at most 64 KiB, and checks its signature with the verifier's keys. Times
// are read in UTC+7. Most programs use [NewWebhookHandler] instead, which also
// confirms the notification.
//
// A signature alone proves little: Ksher's 512-bit V1 key can be factored in
// hours, a genuine notification can be repeated by anybody who saw it, and
// with a key of any length the text that is signed leaves open where one value
// ends and the next name begins, so that another merchant of Ksher's can have a
// text signed and cut it up into another one. Before acting on a notification,
// query the order and use [Order.CheckPaid] on the answer.
//
// The error is one of those of this package for bodies and signatures, such as
// [ErrSignature], [ErrNotJSON] and [ErrBodyTooLarge].
//
// Source: the notification page of Ksher's API documentation; that the body
// may be percent-encoded: Ksher's sample programs decode it.
func ParseNotification(body []byte, v *Verifier) (*Notification, error) {
	return parseNotification(body, v, defaultMaxNotificationBytes, "", thailand)
}

func parseNotification(body []byte, v *Verifier, limit int64, appID string, loc *time.Location) (*Notification, error) {
	n := &Notification{}
	fail := func(e *Error) (*Notification, error) {
		e.Operation = "notification"
		return nil, e
	}
	if v == nil {
		return fail(&Error{Err: fmt.Errorf("%w: there is no verifier", ErrSignature)})
	}
	if int64(len(body)) > limit {
		return fail(&Error{Err: tooLarge(limit)})
	}
	body = bytes.TrimSpace(body)
	r := reading{verifier: v, same: []wire.Param{{Name: "appid", Value: appID}}, location: loc}
	plain := bytes.Clone(body)
	if len(body) > 0 && body[0] == '%' {
		text, err := url.QueryUnescape(string(body))
		if err != nil {
			return fail(&Error{Err: fmt.Errorf("%w: %w", ErrNotJSON, err)})
		}
		plain = []byte(text)
	}
	failure := r.read(plain, n)
	if failure != nil && errors.Is(failure, ErrSignatureMismatch) && len(body) > 0 && body[0] == '%' && bytes.IndexByte(body, '+') >= 0 {
		// Some encoders leave a plus as it is, others write a blank that way. The
		// signature tells which.
		if text, err := url.PathUnescape(string(body)); err == nil {
			n = &Notification{}
			failure = r.read([]byte(text), n)
		}
	}
	if failure != nil {
		return fail(failure)
	}
	return n, nil
}

// WebhookOption sets up a handler of notifications.
type WebhookOption func(*webhook)

// WithMaxNotificationBytes limits the size of a notification, 64 KiB by
// default, which also stands for a limit that isn't positive. A longer one is
// refused.
func WithMaxNotificationBytes(n int64) WebhookOption {
	return func(h *webhook) {
		if n > 0 {
			h.maxBytes = n
		}
	}
}

// webhook is the handler of notifications.
type webhook struct {
	client   *Client
	verifier *Verifier
	fn       func(context.Context, *Notification) error
	maxBytes int64
}

// NewWebhookHandler returns the handler for mch_notify_url and notify_url. For
// each notification that comes in it
//
//  1. checks size, form, signature and app ID,
//  2. asks the gateway about the order, by gateway_order_query or order_query,
//     and goes on only if the answer says that it is paid,
//  3. calls fn with that answer, not with what came in,
//  4. and answers {"result":"SUCCESS","msg":"OK"} if fn returned nil.
//
// Otherwise it answers with an HTTP error and "result":"FAIL", so that Ksher
// repeats the notification, and logs the reason with the client's logger.
//
// fn is called again for each repetition, and possibly at the same time, so
// make what it does idempotent, by the order number. It should compare the
// order with [Order.CheckPaid] first. Its context ends with the HTTP request.
// An order that was refunded before its notification was handled isn't
// reported to fn: its result is no longer [ResultSuccess].
//
// The signature may be by either of Ksher's keys, because it isn't documented
// which one signs notifications for [SignV2]; [WithVerifier] decides otherwise.
// A nil client or fn makes a handler that answers 500 to everything.
//
// Source: the notification page of Ksher's API documentation.
func NewWebhookHandler(c *Client, fn func(context.Context, *Notification) error, opts ...WebhookOption) http.Handler {
	h := &webhook{fn: fn, maxBytes: defaultMaxNotificationBytes}
	if c != nil && c.key != nil {
		h.client, h.verifier = c, c.notificationVerifier()
	}
	for _, opt := range opts {
		if opt != nil {
			opt(h)
		}
	}
	return h
}

// refused is why a notification isn't accepted, with the HTTP status to say so.
type refused struct {
	status int
	reason string
	err    error
}

// ServeHTTP handles one notification.
func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	orderNo, no := h.handle(w, r)
	if no == nil {
		io.WriteString(w, `{"result":"SUCCESS","msg":"OK"}`)
		return
	}
	if h.client != nil {
		attrs := []slog.Attr{slog.String("order_no", clipText(orderNo)), slog.String("reason", no.reason)}
		h.client.log.LogAttrs(r.Context(), slog.LevelWarn, "ksher notification refused", append(attrs, errorAttrs(no.err)...)...)
	}
	if no.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	w.WriteHeader(no.status)
	fmt.Fprintf(w, `{"result":"FAIL","msg":%q}`, http.StatusText(no.status))
}

func (h *webhook) handle(w http.ResponseWriter, r *http.Request) (orderNo string, no *refused) {
	if h.client == nil || h.fn == nil {
		return "", &refused{http.StatusInternalServerError, "the handler was made without a client or a function", nil}
	}
	if r.Method != http.MethodPost {
		return "", &refused{http.StatusMethodNotAllowed, "the method is not POST", nil}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.maxBytes))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return "", &refused{http.StatusRequestEntityTooLarge, "it is too large", ErrBodyTooLarge}
	}
	if err != nil {
		return "", &refused{http.StatusBadRequest, "it could not be read", err}
	}
	n, err := parseNotification(body, h.verifier, h.maxBytes, h.client.appID, h.client.location)
	if errors.Is(err, ErrSignature) || errors.Is(err, ErrOtherOrder) {
		return "", &refused{http.StatusForbidden, "it is not signed for this merchant", err}
	}
	if err != nil {
		return "", &refused{http.StatusBadRequest, "it is not a notification of a payment", err}
	}
	confirmed, err := h.client.confirm(r.Context(), n)
	if err != nil {
		return n.MchOrderNo, &refused{http.StatusServiceUnavailable, "it could not be confirmed", err}
	}
	if err := h.fn(r.Context(), confirmed); err != nil {
		return n.MchOrderNo, &refused{http.StatusInternalServerError, "the merchant's function failed", err}
	}
	return n.MchOrderNo, nil
}

// notificationVerifier is the verifier for what comes in from outside.
func (c *Client) notificationVerifier() *Verifier {
	if c.ownVerifier {
		return c.verifier
	}
	return NewVerifier(GatewayPublicKey(SignV1), GatewayPublicKey(SignV2))
}

// confirm asks the gateway about the order of a notification. Nothing in a
// notification says for certain which host made it, but only an order made by
// gateway_pay has a pay_mch_order_no, so that host is asked first. If it refuses
// or doesn't say paid, the other is asked; an order has to be paid at one.
func (c *Client) confirm(ctx context.Context, n *Notification) (*Notification, error) {
	if n.MchOrderNo == "" {
		return nil, fmt.Errorf("%w: it names no order", ErrOtherOrder)
	}
	hosts := []func(context.Context, string) (*Notification, error){c.confirmNative, c.confirmGateway}
	if n.PayMchOrderNo != "" {
		hosts[0], hosts[1] = hosts[1], hosts[0]
	}
	var first error
	for _, ask := range hosts {
		answer, err := ask(ctx, n.MchOrderNo)
		if err == nil {
			// An answer that leaves its order number out is not about any order.
			err = answer.CheckPaid(n.MchOrderNo, answer.TotalFee, answer.FeeType)
		}
		if err == nil {
			return answer, nil
		}
		if first == nil {
			first = err
		}
		var failed *Error
		if errors.As(err, &failed) && failed.Err != nil {
			break // Nothing was learned, so the next host can't be either.
		}
	}
	return nil, first
}

func (c *Client) confirmGateway(ctx context.Context, mchOrderNo string) (*Notification, error) {
	answer, err := c.GatewayOrderQuery(ctx, &GatewayOrderQueryRequest{MchOrderNo: mchOrderNo})
	if err != nil {
		return nil, err
	}
	return &Notification{Envelope: answer.Envelope, Order: answer.Order}, nil
}

func (c *Client) confirmNative(ctx context.Context, mchOrderNo string) (*Notification, error) {
	answer, err := c.OrderQuery(ctx, &OrderQueryRequest{MchOrderNo: mchOrderNo})
	if err != nil {
		return nil, err
	}
	return &Notification{Envelope: answer.Envelope, Order: answer.Order}, nil
}

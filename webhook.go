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
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/ksher-go/ksher/internal/transport"
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
// be no notification, so let a [Reconciler] ask about orders that never heard.
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
	n, _, err := parseNotification(body, v, defaultMaxNotificationBytes, "", thailand)
	return n, err
}

// parseNotification also tells the length of the key that signed.
func parseNotification(body []byte, v *Verifier, limit int64, appID string, loc *time.Location) (n *Notification, bits int, err error) {
	n = &Notification{}
	fail := func(e *Error) (*Notification, int, error) {
		e.Operation = "notification"
		return nil, 0, e
	}
	if v == nil {
		return fail(&Error{Err: fmt.Errorf("%w: there is no verifier", ErrSignature)})
	}
	if int64(len(body)) > limit {
		return fail(&Error{Err: transport.TooLarge(limit)})
	}
	body = wire.Trim(body)
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
	return n, r.bits, nil
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

// WithExpected gives the handler what the merchant expects of an order: its
// amount in cents, and its currency. The handler then calls [Order.CheckPaid]
// itself, and refuses and logs a payment that differs. An error of lookup, such
// as for an order that the merchant doesn't know, lets Ksher come back.
func WithExpected(lookup func(ctx context.Context, mchOrderNo string) (totalFee Amount, feeType string, err error)) WebhookOption {
	if lookup == nil {
		lookup = func(context.Context, string) (Amount, string, error) {
			return 0, "", errors.New("ksher: WithExpected: the lookup is nil")
		}
	}
	return func(h *webhook) { h.expected = lookup }
}

// TrustStrongKey lets the signature of a notification suffice, without asking the
// gateway, if
//
//   - it was made by a key of 2048 bits or more, never by the 512-bit V1 key,
//   - it says SUCCESS and names this merchant, an order, an amount and a currency,
//     and
//   - its text can be read in one way only: it has no field but those of an
//     order, and no value with an equals sign in it.
//
// Any other notification is confirmed by a query, as without this option. The
// function then gets the notification itself, which may be older than what the
// gateway would answer: of an order that was refunded meanwhile, for example.
//
// What remains is MD5. Two texts with the same MD5 can be made by whoever
// chooses part of both, for example another merchant of Ksher's who has one of
// them signed. Nothing of the kind is known to have been done with Ksher's texts;
// leave this option out unless you can't afford the query.
//
// Source: not documented: which key signs notifications isn't, so the option may
// never have an effect.
func TrustStrongKey() WebhookOption {
	return func(h *webhook) { h.trustStrongKey = true }
}

// strongBits is how long a key has to be for TrustStrongKey.
const strongBits = 2048

// orderNames are the names of what queries and notifications say of an order.
var orderNames = sync.OnceValue(func() []string { return wire.Names(reflect.TypeFor[OrderQueryResponse]()) })

// oneReading tells whether the text that was signed can be cut up into the
// fields of an order in no other way: no value has an equals sign, which could
// hide a field of an order or of another operation's answer.
func oneReading(data []byte) bool {
	members, err := wire.ParseObject(data)
	if err != nil {
		return false
	}
	for _, m := range members {
		if m.Value.Kind != wire.String && m.Value.Kind != wire.Number ||
			!slices.Contains(orderNames(), string(m.Name)) || bytes.IndexByte(m.Value.Text(), '=') >= 0 {
			return false
		}
	}
	return true
}

// provedBy tells whether a notification that is well signed proves a payment. The
// answer to an order_close, which says SUCCESS, has no amount. Number and currency
// have to be there also because the names cash_fee_type and pay_mch_order_no end
// in theirs, and could be cut off in the middle.
func (c *Client) provedBy(n *Notification) bool {
	check := &checker{}
	(&OpenOrder{MchOrderNo: n.MchOrderNo, TotalFee: n.TotalFee, FeeType: n.FeeType}).check(check)
	return len(check.problems) == 0 && n.AppID == c.appID && n.Result.Paid() && oneReading(n.Data)
}

// webhook is the handler of notifications.
type webhook struct {
	client         *Client
	verifier       *Verifier
	fn             func(context.Context, *Notification) error
	maxBytes       int64
	expected       func(context.Context, string) (Amount, string, error)
	trustStrongKey bool
	slots          transport.Slots
}

// NewWebhookHandler returns the handler for mch_notify_url and notify_url. For
// each notification that comes in it
//
//  1. checks size, form, signature and app ID,
//  2. asks the gateway about the order, by gateway_order_query or order_query,
//     and goes on only if the answer says that it is paid,
//  3. calls fn with that answer, not with what came in, once for each order,
//  4. and answers {"result":"SUCCESS","msg":"OK"} if fn returned nil, now or
//     earlier.
//
// Otherwise it answers with an HTTP error and "result":"FAIL", so that Ksher
// repeats the notification, and logs the reason with the client's logger.
//
// fn should compare the order with [Order.CheckPaid] first, unless
// [WithExpected] does. The client's [Deduper] sees to it that fn isn't called
// again after it has returned nil, and not for two deliveries of one payment at
// the same time: the second is asked to come back. The default Deduper forgets
// when the program ends, so that fn may be called again after a restart; see
// [WithDeduper]. The context of fn ends with the HTTP request at the latest. An
// order that was refunded before its notification was handled isn't reported to
// fn: its result is no longer [ResultSuccess].
//
// The signature may be by either of Ksher's keys, because it isn't documented
// which one signs notifications for [SignV2]; [WithVerifier] decides otherwise.
// A sender has 10 seconds for the whole body. The gateway is asked about 100
// notifications at once; one more is answered with 503 and has to come back, so that
// a flood of old ones doesn't go on to the gateway. A nil client or fn makes a handler
// that answers 500 to everything.
//
// Source: the notification page of Ksher's API documentation.
func NewWebhookHandler(c *Client, fn func(context.Context, *Notification) error, opts ...WebhookOption) http.Handler {
	h := &webhook{fn: fn, maxBytes: defaultMaxNotificationBytes, slots: transport.NewSlots()}
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
	// Not every ResponseWriter can do this, and then the server has to.
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTime))
	w.Header().Set("Content-Type", "application/json")
	if no := h.report(w, r); no != nil {
		if no.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		w.WriteHeader(no.status)
		fmt.Fprintf(w, `{"result":"FAIL","msg":%q}`, http.StatusText(no.status))
		return
	}
	io.WriteString(w, `{"result":"SUCCESS","msg":"OK"}`)
}

// report handles a notification, and tells hooks and log about it.
func (h *webhook) report(w http.ResponseWriter, r *http.Request) *refused {
	if h.client == nil {
		return &refused{http.StatusInternalServerError, "the handler was made without a client", nil}
	}
	c, a := h.client, &Attempt{Operation: "notification", Number: 1}
	ctx, ends := c.begin(r.Context(), a)
	// Deferred, because fn may panic.
	defer func() { c.end(ends, a) }()
	a.Err = errPanic
	no := h.handle(ctx, w, r, a)
	if no == nil {
		a.Err = nil
		return nil
	}
	if a.Err = no.err; a.Err == nil {
		a.Err = errors.New("ksher: notification: " + no.reason)
	}
	level := slog.LevelWarn
	if errors.Is(no.err, ErrInProgress) {
		level = slog.LevelInfo // The one that is at it will log what becomes of it.
	}
	attrs := []slog.Attr{slog.String("order_no", clipText(a.OrderNo)), slog.String("reason", no.reason)}
	c.log.LogAttrs(ctx, level, "ksher notification refused", append(attrs, errorAttrs(no.err)...)...)
	return no
}

// readTime is how long a sender may take for a body.
const readTime = 10 * time.Second

// errPanic is how a notification ended that was not handled to its end.
var errPanic = errors.New("ksher: notification: the merchant's function panicked")

// confirm asks the gateway about an order, unless it is asked about too many.
func (h *webhook) confirm(ctx context.Context, n *Notification) (*Notification, error) {
	if !h.slots.Take() {
		return nil, errors.New("ksher: notification: too many others are being confirmed")
	}
	defer h.slots.Give()
	return h.client.confirm(ctx, n)
}

func (h *webhook) handle(ctx context.Context, w http.ResponseWriter, r *http.Request, a *Attempt) *refused {
	if h.fn == nil {
		return &refused{http.StatusInternalServerError, "the handler was made without a function", nil}
	}
	if r.Method != http.MethodPost {
		return &refused{http.StatusMethodNotAllowed, "the method is not POST", nil}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.maxBytes))
	if err == nil {
		// Or else the deadline would end the request's context where something before
		// this handler has read the body. For a body that didn't end it stays, because
		// the server reads on before it answers.
		http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &refused{http.StatusRequestEntityTooLarge, "it is too large", ErrBodyTooLarge}
	}
	if err != nil {
		return &refused{http.StatusBadRequest, "it could not be read", err}
	}
	n, bits, err := parseNotification(body, h.verifier, h.maxBytes, h.client.appID, h.client.location)
	if errors.Is(err, ErrSignature) || errors.Is(err, ErrOtherOrder) {
		return &refused{http.StatusForbidden, "it is not signed for this merchant", err}
	}
	if err != nil {
		return &refused{http.StatusBadRequest, "it is not a notification of a payment", err}
	}
	a.OrderNo = clipText(n.MchOrderNo) // Whoever has factored the V1 key chooses it.
	if !h.trustStrongKey || bits < strongBits || !h.client.provedBy(n) {
		if n, err = h.confirm(ctx, n); err != nil {
			return &refused{http.StatusServiceUnavailable, "it could not be confirmed", err}
		}
	}
	if h.expected != nil {
		total, feeType, err := h.expected(ctx, n.MchOrderNo)
		if err != nil {
			return &refused{http.StatusInternalServerError, "the merchant's lookup of the order failed", err}
		}
		if err := n.CheckPaid(n.MchOrderNo, total, feeType); err != nil {
			return &refused{http.StatusConflict, "it is not what the merchant expects", err}
		}
	}
	err = h.client.handleOnce(ctx, n, h.fn)
	if errors.Is(err, ErrInProgress) {
		return &refused{http.StatusServiceUnavailable, "another delivery of it is being handled", err}
	}
	if err != nil {
		return &refused{http.StatusInternalServerError, "the merchant's function failed", err}
	}
	return nil
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
	hosts := []Host{HostMerchant, HostGateway}
	if n.PayMchOrderNo != "" {
		slices.Reverse(hosts)
	}
	answer, err := c.lookUp(ctx, n.MchOrderNo, hosts...)
	if err != nil {
		return nil, err
	}
	return answer, answer.CheckPaid(n.MchOrderNo, answer.TotalFee, answer.FeeType)
}

package vip

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/receive"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// maxQuery is far above the 200 bytes of a genuine notification.
const maxQuery = 8 << 10

// Message is what a notification says in words.
//
// Source: Ksher's documentation of vip.ksher.net.
type Message string

// Messages.
const (
	MessagePaid     Message = "Order Paid"     // MessagePaid says that the order was paid.
	MessageRefunded Message = "Order Refunded" // MessageRefunded says that it was refunded.
	MessageClosed   Message = "Order Closed"   // MessageClosed says that it was closed.
	MessageTimeout  Message = "Order Timeout"  // MessageTimeout says that its time to be paid is over.
)

// Notification is what Ksher says when the status of an order has changed. It has no
// amount, so query the order before you believe it.
//
// Source: Ksher's documentation of vip.ksher.net.
type Notification struct {
	// MerchantOrderID is the merchant's number of the order, "instance" on the wire.
	MerchantOrderID string
	// Message is what happened.
	Message Message
}

// ParseNotification reads a notification from the query of its address, the part
// after the question mark and at most 8 KiB, and checks its signature. address is
// the whole address of the webhook as it was given to Ksher, because the signature
// covers it. Most programs use [NewWebhookHandler] instead, which also confirms the
// notification.
//
// A signature alone proves little: a genuine notification can be repeated by anybody
// who saw it, and the text that is signed leaves open where one value ends and the
// next name begins.
//
// The error is an [*Error] with one of those of this package for signatures, or with
// [ksher.ErrBadAnswer] for what isn't a change of an order's status, such as a query in which
// a parameter comes twice.
//
// Source: Ksher's documentation of vip.ksher.net.
func (c *Client) ParseNotification(address, query string) (*Notification, error) {
	if c == nil || c.mac == nil {
		return nil, notSent("notification", "client", "was not made by NewClient")
	}
	n, err := c.parseNotification(address, query)
	if err != nil {
		return nil, &Error{Operation: "notification", Err: err}
	}
	return n, nil
}

func (c *Client) parseNotification(address, query string) (_ *Notification, err error) {
	defer func() { err = c.hide.Shield(err) }()
	if len(query) > maxQuery {
		return nil, transport.TooLarge(maxQuery)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", fault.ErrEnvelope, transport.Error{Err: err})
	}
	for name, all := range values {
		if len(all) > 1 {
			return nil, fmt.Errorf("%w: the parameter %q occurs twice", fault.ErrEnvelope, transport.Clip(name))
		}
	}
	if err := c.mac.check(values.Get(signatureName), paramsText(address, wire.FormParams(values))); err != nil {
		return nil, err
	}
	for _, want := range [][2]string{{"type", "Order"}, {"code", "StatusChange"}} {
		if got := values.Get(want[0]); got != want[1] {
			return nil, fmt.Errorf("%w: its %s is %q, not %s", fault.ErrEnvelope, want[0], transport.Clip(got), want[1])
		}
	}
	n := &Notification{MerchantOrderID: values.Get("instance"), Message: Message(values.Get("message"))}
	check := &checker{}
	if check.orderID(n.MerchantOrderID); len(check.Fields) > 0 {
		return nil, fmt.Errorf("%w: its instance is %q, which is not an order's number", fault.ErrEnvelope, transport.Clip(n.MerchantOrderID))
	}
	return n, nil
}

// agrees tells whether the order may be as the notification says. An order that was
// paid may be refunded by now, one that was refunded in part may show as paid, and
// one whose time is over may have been paid in the last moment. A message that isn't
// documented agrees with every final status.
func (n *Notification) agrees(s Status) bool {
	if n.Message == MessagePaid || n.Message == MessageRefunded {
		return s == StatusPaid || s == StatusRefunded
	}
	return s.Final()
}

// WebhookOption sets up a handler of notifications.
type WebhookOption func(*webhook)

// WithKinds names the kinds of order that the handler asks about, in that order. A
// notification doesn't say of which kind its order is, so without this option all of
// them are asked, until one knows the order: [Redirect], [CScanB], [BScanC],
// [MiniApp], [App]. Give it the kinds that the merchant uses. A number must not be
// used again for an order of another kind.
func WithKinds(kinds ...Kind) WebhookOption {
	return func(h *webhook) { h.kinds = slices.Clone(kinds) }
}

// WithSubMerchant makes the handler ask about orders of that sub-merchant and
// country, mid and provider of a [QueryRequest], for a merchant whose queries need
// them. A notification doesn't say either, so give each sub-merchant a handler at an
// address of its own: what one was told of then keeps nothing from another, though the
// numbers of their orders may be the same. Either may be empty.
func WithSubMerchant(mid, provider string) WebhookOption {
	return func(h *webhook) { h.mid, h.provider = mid, provider }
}

// webhook is the handler of notifications.
type webhook struct {
	client  *Client
	address string
	fn      func(context.Context, *Order) error
	kinds   []Kind
	// mid and provider go with each query.
	mid, provider string
	states        receive.States[Notification, Order]
	receiver      receive.Receiver[Notification]
}

// NewWebhookHandler returns the handler for the merchant's webhook. address is the
// whole address of it as it was given to Ksher, with https:// and the path, because
// the signature covers it to the letter. For each notification the handler
//
//  1. checks its size, form and signature,
//  2. asks the client's [Deduper] whether this is done, and if so answers 200,
//  3. asks the gateway about the order, and goes on only if the status that the
//     answer has is final and may follow from the notification,
//  4. calls fn with that answer, once for each order and status,
//  5. and answers 200 if fn returned nil.
//
// Otherwise it answers with an HTTP error, so that Ksher repeats the notification,
// which it does 6 times, every 5 seconds, and logs the reason with the client's
// logger. After these 30 seconds nothing comes any more, so query the orders that
// never heard.
//
// fn is called for orders that are paid, refunded or closed: Order.Status tells, and
// Order.Kind says under which kind the gateway knows the order. Of a refund in part
// that leaves the status as it was told before it isn't told. Before handing anything
// out fn has to compare the order with [Order.CheckPaid]. Notifications may overtake
// each other, so fn may be told of Refunded and then, late or at the same time, of
// Paid: don't hand out an order that it was told is refunded. The client's [Deduper]
// sees to it that fn isn't called again after it has returned nil, and not for two
// deliveries of one notification at the same time: the second is asked to come back.
// The context of fn ends with the HTTP request at the latest.
//
// A genuine notification can be repeated by anybody who saw it. A copy of one that is
// done, or being handled, costs no query, and one that came to nothing costs queries
// again after half a second. The handler asks about no more than 100 orders at once, and
// answers 503 to any more. If fn returns [ksher.ErrNotOurs], the answer is 404.
//
// A nil client or fn, an address that isn't an absolute http or https address
// without a query, and an unknown kind make a handler that answers 500 to
// everything.
//
// Source: Ksher's documentation of vip.ksher.net.
func NewWebhookHandler(c *Client, address string, fn func(context.Context, *Order) error, opts ...WebhookOption) http.Handler {
	h := &webhook{address: address, fn: fn, kinds: kinds()}
	log := slog.New(slog.DiscardHandler)
	if c != nil && c.mac != nil {
		h.client, log = c, c.log
	}
	for _, opt := range opts {
		if opt != nil {
			opt(h)
		}
	}
	h.receiver = receive.Receiver[Notification]{
		Broken: h.unusable(),
		Name:   "ksher vip notification", NumberKey: "order_id",
		Method: http.MethodGet,
		Log:    log, Attrs: errorAttrs, Answer: answerKsher,
		Parse: h.parse, Once: h.once,
	}
	if h.receiver.Broken == "" {
		h.receiver.Begin = c.hooks.Message(c.sender.Clock, "notification")
		h.states = receive.States[Notification, Order]{
			Guard:   once.Guard{Log: log, Name: h.receiver.Name, NumberKey: h.receiver.NumberKey},
			Deduper: c.deduper, Clock: c.sender.Clock, Places: once.NewPlaces(),
			Number: func(n *Notification) string { return transport.Clip(n.MerchantOrderID) },
			Key:    h.key, Ask: h.confirm, Do: fn,
		}
	}
	return &h.receiver
}

// answerKsher answers so that Ksher repeats the notification, unless the status is 200.
func answerKsher(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, http.StatusText(status))
}

// unusable says what is wrong with the handler itself.
func (h *webhook) unusable() string {
	check := &checker{}
	check.requiredURL("address", h.address)
	u, err := url.Parse(h.address)
	switch {
	case h.client == nil:
		return "the handler was made without a client"
	case h.fn == nil:
		return "the handler was made without a function"
	case len(check.Fields) > 0 || err != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "the address of the handler is not an absolute http or https address without a query"
	case len(h.kinds) == 0 || slices.ContainsFunc(h.kinds, func(k Kind) bool { return !slices.Contains(kinds(), k) }):
		return "the handler was made for a kind that there isn't, or for none"
	}
	return ""
}

func (h *webhook) parse(message receive.Message) (*Notification, string, *receive.Refusal) {
	n, err := h.client.parseNotification(h.address, message.Query)
	switch {
	case errors.Is(err, fault.ErrSignature):
		return nil, "", &receive.Refusal{Status: http.StatusForbidden, Reason: "it is not signed for this merchant and address", Err: err}
	case errors.Is(err, fault.ErrTooLarge):
		return nil, "", &receive.Refusal{Status: http.StatusRequestURITooLong, Reason: "it is too large", Err: err}
	case err != nil:
		return nil, "", &receive.Refusal{Status: http.StatusBadRequest, Reason: "it is not a change of an order's status", Err: err}
	}
	return n, transport.Clip(n.MerchantOrderID), nil
}

// once deals with a notification, unless that is done.
func (h *webhook) once(ctx context.Context, n *Notification) *receive.Refusal {
	return h.states.Once(ctx, n, string(n.Message), string(n.claims()))
}

// claims is the status that an order most likely has when this is said of it.
func (n *Notification) claims() Status {
	switch n.Message {
	case MessageRefunded:
		return StatusRefunded
	case MessageClosed, MessageTimeout:
		return StatusClosed
	}
	return StatusPaid
}

// key is what a Deduper knows an order and its status by. Sub-merchants of one host may
// have orders of the same number, so it has a hash of mid and provider, which is short
// whatever these are, and never a status. Neither a host nor a hash nor a status has a
// blank in it, so that no part can be mistaken for another.
func (h *webhook) key(n *Notification, status string) string {
	merchant := h.client.host
	if h.mid+h.provider != "" {
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", h.mid, h.provider))
		merchant += fmt.Sprintf(" %x", sum[:12])
	}
	return "vip " + merchant + " " + status + " " + n.MerchantOrderID
}

// confirm asks about the order of a notification, one kind after another, until one
// knows it.
func (h *webhook) confirm(ctx context.Context, n *Notification) (order *Order, status string, _ *receive.Refusal) {
	var err error
	for _, kind := range h.kinds {
		order, err = h.client.Query(ctx, kind, &QueryRequest{MerchantOrderID: n.MerchantOrderID, MID: h.mid, Provider: h.provider})
		if err == nil || !unknownOrder(err) {
			break
		}
	}
	if err == nil && !n.agrees(order.Status) {
		err = fmt.Errorf("vip: order %q: the notification says %q, and the gateway that it is %q",
			transport.Clip(n.MerchantOrderID), transport.Clip(string(n.Message)), transport.Clip(string(order.Status)))
	}
	if err != nil {
		return nil, "", &receive.Refusal{Status: http.StatusServiceUnavailable, Reason: "it could not be confirmed", Err: err, Again: true}
	}
	return order, string(order.Status), nil
}

// unknownOrder tells whether a query was refused, as one about an order of another
// kind would be. It isn't documented how.
func unknownOrder(err error) bool {
	var failure *Error
	if !errors.As(err, &failure) {
		return false
	}
	if failure.Err == nil {
		return failure.Code == CodeFail || failure.Code == CodeUnknown
	}
	return failure.HTTPStatus == http.StatusNotFound || failure.HTTPStatus == http.StatusForbidden
}

package vip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/receive"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// maxQuery is far above the 200 bytes of a genuine notification.
const maxQuery = 8 << 10

// Message is what a notification says in words.
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
type Notification struct {
	// MerchantOrderID is the merchant's number of the order, "instance" on the wire.
	MerchantOrderID string
	// Message is what happened.
	Message Message
}

// ParseNotification reads a notification from the query of its address, the part after the
// question mark and at most 8 KiB, and checks its signature. address is the whole address
// of the webhook as it was given to Ksher: the signature covers it.
//
// A signature alone proves little: anybody who saw a notification can repeat it, and the
// text that is signed leaves open where one value ends and the next name begins. Use
// [Payments.Notifications], or query the order.
//
// The error is an [*Error] with [ksher.ErrSignature], or with [ksher.ErrBadAnswer] for what
// isn't a change of an order's status, such as a query with a parameter twice.
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

// Notifications deals with what Ksher says of the orders of a merchant. It is an
// [http.Handler], and [Notifications.Accept] does the same for a queue's worker.
type Notifications struct {
	payments *Payments
	address  string
	expected func(context.Context, string) (OpenOrder, error)
	receiver receive.Receiver[announced]
	// ended has what was said of orders that ended: a copy of that costs no query.
	ended once.Recent
}

// announced is what is known of a notification.
type announced struct {
	got   *Notification
	order OpenOrder
}

// Notifications returns the handler of notifications. address is that of the webhook as it
// was given to Ksher, to the letter: the signature covers it. expected finds an order in
// the merchant's books by its number: every order, also booked ones, and [ksher.ErrNotOurs]
// for any other number. Nothing says whose order it is: give each sub-merchant an address
// of its own if the numbers of their orders may be the same.
//
// It asks expected, then Ksher, and answers 200 only if the function of [NewPayments]
// returned nil, now or earlier, or the order ended without a payment, see [WithEnded].
// Otherwise Ksher comes again 6 times, every 5 seconds, and never after that: let
// [Payments.Run] find what was missed. See docs/vip.md.
func (p *Payments) Notifications(address string, expected func(ctx context.Context, merchantOrderID string) (OpenOrder, error)) (*Notifications, error) {
	check := &checker{}
	check.requiredURL("address", address)
	u, err := url.Parse(address)
	switch {
	case p == nil || p.engine == nil:
		return nil, errors.New("vip: Notifications: the payments were not made by NewPayments")
	case expected == nil:
		return nil, errors.New("vip: Notifications: the lookup of expected orders is nil")
	case len(check.Fields) > 0 || err != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("vip: Notifications: the address is not an absolute http or https address without a query")
	}
	c := p.client
	n := &Notifications{payments: p, address: address, expected: expected}
	n.receiver = receive.Receiver[announced]{
		Name: "ksher vip notification", NumberKey: "order_id",
		Method: http.MethodGet,
		Log:    c.log, Attrs: errorAttrs, Begin: c.hooks.Message(c.sender.Clock, "", "notification"), Answer: answerKsher,
		Parse: n.parse, Expected: n.lookUp, Once: n.once,
	}
	return n, nil
}

// Accept deals with the query of one notification's address, the part after the question
// mark, as ServeHTTP does. A nil error means that nothing more has to follow from it.
// Otherwise again tells whether another try may succeed.
func (n *Notifications) Accept(ctx context.Context, query string) (again bool, err error) {
	switch {
	case n == nil || n.payments == nil:
		return false, errors.New("vip: Accept: the notifications were not made by Payments.Notifications")
	case ctx == nil:
		return false, errors.New("vip: Accept: the context is nil")
	}
	if refusal := n.receiver.Accept(ctx, receive.Message{Query: query}); refusal != nil {
		return refusal.Again, refusal.Err
	}
	return false, nil
}

// ServeHTTP handles one notification.
func (n *Notifications) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n == nil || n.payments == nil {
		answerKsher(w, http.StatusInternalServerError)
		return
	}
	n.receiver.ServeHTTP(w, r)
}

// answerKsher answers so that Ksher repeats the notification, unless the status is 200.
func answerKsher(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, http.StatusText(status))
}

func (n *Notifications) parse(message receive.Message) (*announced, string, *receive.Refusal) {
	got, err := n.payments.client.parseNotification(n.address, message.Query)
	switch {
	case errors.Is(err, fault.ErrSignature):
		return nil, "", &receive.Refusal{Status: http.StatusForbidden, Reason: "it is not signed for this merchant and address", Err: err}
	case errors.Is(err, fault.ErrTooLarge):
		return nil, "", &receive.Refusal{Status: http.StatusRequestURITooLong, Reason: "it is too large", Err: err}
	case err != nil:
		return nil, "", &receive.Refusal{Status: http.StatusBadRequest, Reason: "it is not a change of an order's status", Err: err}
	}
	return &announced{got: got}, transport.Clip(got.MerchantOrderID), nil
}

// lookUp finds the order in the merchant's books.
func (n *Notifications) lookUp(ctx context.Context, m *announced) *receive.Refusal {
	order, err := n.expected(ctx, m.got.MerchantOrderID)
	if refusal := receive.Found(gateway{n.payments.client}, m.got.MerchantOrderID, order, err); refusal != nil {
		return refusal
	}
	m.order = order
	m.order.said = m.got.Message
	return nil
}

// once confirms what became of the order and does what follows, unless that is done.
func (n *Notifications) once(ctx context.Context, m *announced) *receive.Refusal {
	about, now := gateway{n.payments.client}.About(m.order), n.payments.client.sender.Clock.ClockNow()
	news := string(m.got.Message) + " " + about.Expected
	if n.ended.Lately(about.Key, news, now, once.Keep) {
		return nil
	}
	standing, asked, err := n.payments.engine.Announce(ctx, m.order)
	refusal := receive.Closed(standing, receive.Announced(standing, asked, err, ofQuery))
	if standing == once.Ended && refusal == nil {
		n.ended.Again(about.Key, news, now, 0)
	}
	return refusal
}

// ofQuery tells the errors of a query.
func ofQuery(err error) bool {
	var failed *Error
	return errors.As(err, &failed)
}

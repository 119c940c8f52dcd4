package ksher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/ksher-go/ksher/internal/receive"
)

// Notifications deals with what Ksher posts to mch_notify_url and notify_url. It is an
// [http.Handler], and [Notifications.Accept] does the same for a queue's worker.
type Notifications struct {
	payments *Payments
	expected func(context.Context, string) (OpenOrder, error)
	verifier *Verifier
	receiver receive.Receiver[announced]
}

// announced is what is known of a notification.
type announced struct {
	got   *notified
	order OpenOrder
}

// Notifications returns the handler of notifications. expected finds an order in the
// merchant's books by its number: every order, also booked ones, and [ErrNotOurs] for any
// other number. It is called for whatever is well signed: a replay costs a lookup, and no more.
//
// The handler answers SUCCESS only if the payment is confirmed by a query and the function of
// [NewPayments] returned nil for it, now or earlier; otherwise Ksher repeats the notification.
// A body may have 64 KiB and take 10 seconds. See docs/being-paid.md.
func (p *Payments) Notifications(expected func(ctx context.Context, mchOrderNo string) (OpenOrder, error)) (*Notifications, error) {
	if p == nil || p.engine == nil {
		return nil, errors.New("ksher: Notifications: the payments were not made by NewPayments")
	}
	if expected == nil {
		return nil, errors.New("ksher: Notifications: the lookup of expected orders is nil")
	}
	c := p.client
	n := &Notifications{payments: p, expected: expected, verifier: c.notificationVerifier()}
	n.receiver = receive.Receiver[announced]{
		Name: "ksher notification", NumberKey: "order_no",
		Method: http.MethodPost, MaxBytes: maxNotificationBytes,
		Log: c.log, Attrs: errorAttrs, Begin: c.hooks.Message(c.sender.Clock, c.appID, "notification"), Answer: answerKsher,
		Parse: n.parse, Expected: n.lookUp, Once: n.once,
	}
	return n, nil
}

// Payments returns the payments that these are notifications of.
func (n *Notifications) Payments() *Payments {
	if n == nil {
		return nil
	}
	return n.payments
}

// Accept deals with the body of one notification, as ServeHTTP does, for a queue's worker. A
// nil error means that the payment is done, now or earlier. Otherwise again tells whether
// another try may succeed: yes if the query or the merchant's function failed, no for a body
// that is forged or an order that isn't the merchant's or ended unpaid. Wait some seconds
// before you try again: for half a second after it wasn't paid, the order isn't queried.
func (n *Notifications) Accept(ctx context.Context, body []byte) (again bool, err error) {
	if n == nil || n.payments == nil {
		return false, errors.New("ksher: Accept: the notifications were not made by Payments.Notifications")
	}
	if ctx == nil {
		return false, errors.New("ksher: Accept: the context is nil")
	}
	if refusal := n.receiver.Accept(ctx, receive.Message{Body: body}); refusal != nil {
		return refusal.Again, n.payments.client.named(refusal.Err)
	}
	return false, nil
}

// parse reads a notification.
func (n *Notifications) parse(message receive.Message) (*announced, string, *receive.Refusal) {
	got, number, refusal := parseReceived(message, n.verifier, n.payments.client.appID, n.payments.client.location)
	return &announced{got: got}, number, refusal
}

// lookUp finds the order in the merchant's books.
func (n *Notifications) lookUp(ctx context.Context, m *announced) *receive.Refusal {
	order, err := n.expected(ctx, m.got.MchOrderNo)
	if refusal := receive.Found(gateway{n.payments.client}, m.got.MchOrderNo, order, err); refusal != nil {
		return refusal
	}
	m.order = order
	return nil
}

// once confirms the payment and calls the merchant's function, unless that is done.
func (n *Notifications) once(ctx context.Context, m *announced) *receive.Refusal {
	standing, asked, err := n.payments.engine.Announce(ctx, m.order)
	refusal := receive.Announced(standing, asked, err, ofQuery)
	// Only an order made by gateway_pay has a pay_mch_order_no.
	host := HostMerchant
	if m.got.PayMchOrderNo != "" {
		host = HostGateway
	}
	if host != m.order.Host {
		if err := n.elsewhere(ctx, m.order, host); err != nil && refusal == nil {
			return &receive.Refusal{Status: http.StatusServiceUnavailable, Reason: "whether it was paid at another host could not be found out", Err: err, Again: true}
		}
	}
	return refusal
}

// ofQuery tells the errors of a query.
func ofQuery(err error) bool {
	var failed *Error
	return errors.As(err, &failed)
}

// elsewhere asks once whether the order was paid at a host that isn't the books', too.
func (n *Notifications) elsewhere(ctx context.Context, order OpenOrder, host Host) error {
	p := n.payments
	return p.engine.Elsewhere(ctx, order, gateway{p.client}.key(host, order.MchOrderNo), func(ctx context.Context) (second, err error) {
		answer, err := p.client.query(ctx, order.MchOrderNo, host)
		switch {
		case unknownOrder(err):
			return nil, nil
		case err != nil:
			return nil, err
		case answer.Result.Paid():
			return fmt.Errorf("ksher: order %q: %w: it was also paid at the %s host, over %v %s: refund that payment, or book it",
				clipText(order.MchOrderNo), ErrOtherOrder, host, answer.TotalFee, clipText(answer.FeeType)), nil
		}
		return nil, nil
	})
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
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status == http.StatusOK {
		io.WriteString(w, `{"result":"SUCCESS","msg":"OK"}`)
		return
	}
	fmt.Fprintf(w, `{"result":"FAIL","msg":%q}`, http.StatusText(status))
}

// notificationVerifier is the verifier for what comes in from outside. Which of Ksher's
// keys signs notifications for SignV2 isn't documented, so it takes both.
func (c *Client) notificationVerifier() *Verifier {
	if c.ownVerifier {
		return c.verifier
	}
	return publishedVerifier(SignV1, SignV2)
}

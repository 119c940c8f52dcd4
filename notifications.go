package ksher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
)

// Notifications deals with what Ksher posts to mch_notify_url and notify_url. It is an
// [http.Handler], and [Notifications.Accept] does the same for a queue's worker.
type Notifications struct {
	payments *Payments
	expected func(context.Context, string) (OpenOrder, error)
	verifier *Verifier
}

// Notifications returns the handler of notifications. expected finds an order in the
// merchant's books by its number: every order, also booked ones, and [ErrNotOurs] for any
// other number. It is called for whatever is well signed, so anybody who replays a
// notification costs a lookup, and no more.
//
// For each notification it checks size, form, signature and app ID, then asks expected,
// then whether the payment is done, then Ksher, and then calls the function of
// [NewPayments]. It answers SUCCESS only if that returned nil, now or earlier; otherwise
// Ksher repeats the notification 12 times in 29 hours. A body may have 64 KiB and take 10
// seconds. See docs/being-paid.md.
func (p *Payments) Notifications(expected func(ctx context.Context, mchOrderNo string) (OpenOrder, error)) (*Notifications, error) {
	if p == nil || p.engine == nil {
		return nil, errors.New("ksher: Notifications: the payments were not made by NewPayments")
	}
	if expected == nil {
		return nil, errors.New("ksher: Notifications: the lookup of expected orders is nil")
	}
	return &Notifications{payments: p, expected: expected, verifier: p.client.notificationVerifier()}, nil
}

// Accept deals with the body of one notification, as ServeHTTP does. A nil error means
// that the payment is done, now or earlier. Otherwise again tells whether another try may
// succeed: yes if the query or the merchant's function failed, no for a body that is
// forged or an order that isn't the merchant's or isn't paid for good.
func (n *Notifications) Accept(ctx context.Context, body []byte) (again bool, err error) {
	if n == nil || n.payments == nil {
		return false, errors.New("ksher: Accept: the notifications were not made by Payments.Notifications")
	}
	if ctx == nil {
		return false, errors.New("ksher: Accept: the context is nil")
	}
	a := &Attempt{Operation: "notification", Number: 1}
	if no := n.report(ctx, a, func(ctx context.Context) *refused { return n.accept(ctx, body, a) }); no != nil {
		return no.again, a.Err
	}
	return false, nil
}

// refused is why a notification isn't accepted, with the HTTP status to say so.
type refused struct {
	status int
	reason string
	err    error
	// again says that another try may succeed.
	again bool
}

// accept does what follows from the body of a notification.
func (n *Notifications) accept(ctx context.Context, body []byte, a *Attempt) *refused {
	c := n.payments.client
	got, err := parseNotification(body, n.verifier, c.appID, c.location)
	switch {
	case errors.Is(err, ErrSignature) || errors.Is(err, ErrOtherOrder):
		return &refused{http.StatusForbidden, "it is not signed for this merchant", err, false}
	case err != nil:
		return &refused{http.StatusBadRequest, "it is not a notification of a payment", err, false}
	}
	a.OrderNo = clipText(got.MchOrderNo) // Whoever has factored the V1 key chooses it.
	check := &checker{}
	if check.requiredNumber("mch_order_no", got.MchOrderNo); len(check.problems) > 0 {
		return &refused{http.StatusBadRequest, "it names no order", nil, false}
	}
	order, no := n.lookUp(ctx, got.MchOrderNo)
	if no != nil {
		return no
	}
	no = n.announce(ctx, order)
	// Only an order made by gateway_pay has a pay_mch_order_no.
	host := HostMerchant
	if got.PayMchOrderNo != "" {
		host = HostGateway
	}
	if host != order.Host {
		if err := n.elsewhere(ctx, order, host); err != nil && no == nil {
			return &refused{http.StatusServiceUnavailable, "whether it was paid at another host could not be found out", err, true}
		}
	}
	return no
}

// lookUp finds the order in the merchant's books.
func (n *Notifications) lookUp(ctx context.Context, mchOrderNo string) (OpenOrder, *refused) {
	order, err := n.expected(ctx, mchOrderNo)
	switch {
	case errors.Is(err, ErrNotOurs):
		return order, &refused{http.StatusNotFound, "the merchant has no such order", err, false}
	case err != nil:
		return order, &refused{http.StatusInternalServerError, "the merchant's lookup of the order failed", err, true}
	case order.MchOrderNo != mchOrderNo:
		return order, &refused{http.StatusInternalServerError, "the merchant's lookup returned another order", nil, true}
	}
	if err := (gateway{n.payments.client}).Check("notification", order); err != nil {
		return order, &refused{http.StatusInternalServerError, "the merchant's lookup returned an order that can't be asked about", err, true}
	}
	return order, nil
}

// announce confirms the payment and calls the merchant's function.
func (n *Notifications) announce(ctx context.Context, order OpenOrder) *refused {
	standing, asked, err := n.payments.engine.Announce(ctx, order)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrInProgress):
		return &refused{http.StatusServiceUnavailable, "another delivery of it is being handled", err, true}
	case !asked && n.asking(err):
		return &refused{http.StatusServiceUnavailable, "it could not be confirmed", err, true}
	case !asked:
		return &refused{http.StatusInternalServerError, "whether it is done could not be looked up", err, true}
	case standing == once.Paid:
		return &refused{http.StatusInternalServerError, "the merchant's function failed", err, true}
	case standing != once.Other:
		return &refused{http.StatusServiceUnavailable, "the order is not paid", err, standing == once.Open}
	}
	return &refused{http.StatusConflict, "it is not what the merchant expects", err, false}
}

// asking tells whether it was the query that failed, and not the Deduper.
func (n *Notifications) asking(err error) bool {
	var failed *Error
	return errors.As(err, &failed) || errors.Is(err, once.ErrTooSoon)
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

// report tells hooks and log about a notification.
func (n *Notifications) report(ctx context.Context, a *Attempt, handle func(context.Context) *refused) *refused {
	c := n.payments.client
	ctx, ends := c.begin(ctx, a)
	no := handle(ctx)
	if no != nil {
		if a.Err = no.err; a.Err == nil {
			a.Err = errors.New("ksher: notification: " + no.reason)
		}
	}
	c.end(ends, a)
	if no == nil {
		c.log.LogAttrs(ctx, slog.LevelInfo, "ksher notification accepted", slog.String("order_no", clipText(a.OrderNo)))
		return nil
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

// ServeHTTP handles one notification.
func (n *Notifications) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Not every ResponseWriter can do this, and then the server has to.
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTime))
	w.Header().Set("Content-Type", "application/json")
	if n == nil || n.payments == nil {
		refuse(w, &refused{status: http.StatusInternalServerError})
		return
	}
	a := &Attempt{Operation: "notification", Number: 1}
	no := n.report(r.Context(), a, func(ctx context.Context) *refused {
		body, no := readNotification(w, r)
		if no != nil {
			return no
		}
		return n.accept(ctx, body, a)
	})
	if no != nil {
		refuse(w, no)
		return
	}
	io.WriteString(w, `{"result":"SUCCESS","msg":"OK"}`)
}

// refuse answers so that Ksher repeats the notification.
func refuse(w http.ResponseWriter, no *refused) {
	if no.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	w.WriteHeader(no.status)
	fmt.Fprintf(w, `{"result":"FAIL","msg":%q}`, http.StatusText(no.status))
}

// readNotification reads a bounded body.
func readNotification(w http.ResponseWriter, r *http.Request) ([]byte, *refused) {
	if r.Method != http.MethodPost {
		return nil, &refused{http.StatusMethodNotAllowed, "the method is not POST", nil, false}
	}
	if r.Body == nil {
		return nil, &refused{http.StatusBadRequest, "it has no body", fault.ErrEmptyBody, false}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxNotificationBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &refused{http.StatusRequestEntityTooLarge, "it is too large", fault.ErrTooLarge, false}
	case err != nil:
		return nil, &refused{http.StatusBadRequest, "it could not be read", err, false}
	}
	// Or else the deadline would end the request's context where something before
	// this handler has read the body. For a body that didn't end it stays, because
	// the server reads on before it answers.
	http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, nil
}

// notificationVerifier is the verifier for what comes in from outside. Which of Ksher's
// keys signs notifications for SignV2 isn't documented, so it takes both.
func (c *Client) notificationVerifier() *Verifier {
	if c.ownVerifier {
		return c.verifier
	}
	return publishedVerifier(SignV1, SignV2)
}

package ksher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/once"
)

// Defaults of how an order is asked about until it is known.
const (
	pinPatience      = time.Minute
	reversalPatience = 30 * time.Second
)

// WaitOption sets up [Payments.Wait] and [Payments.Charge].
type WaitOption func(*waiting) error

type waiting struct {
	polling       once.Polling[Order]
	pin, reversal time.Duration
}

func newWaiting(operation string, opts []WaitOption) (waiting, error) {
	w := waiting{polling: once.NewPolling[Order](0), pin: pinPatience, reversal: reversalPatience}
	return w, once.Apply("ksher", operation, &w, opts)
}

// WithPolling sets how long to wait between queries: at first, and at most, from 1 ms to 1
// hour; by default 1 second and 10 seconds. The wait grows by half each time, give or take a
// fifth, so that the kiosks of a chain don't ask all at once.
func WithPolling(first, most time.Duration) WaitOption {
	return func(w *waiting) error { return w.polling.SetPauses(first, most) }
}

// WithPatience sets how long [Payments.Charge] asks whether a charge was paid, while the
// buyer types the PIN, and after that whether the reversal took: by default a minute and half
// a minute, each from a second to an hour.
func WithPatience(pin, reversal time.Duration) WaitOption {
	return func(w *waiting) error {
		for _, d := range []time.Duration{pin, reversal} {
			if d < time.Second || d > time.Hour {
				return fmt.Errorf("WithPatience: %v is not between 1s and 1h", d)
			}
		}
		w.pin, w.reversal = pin, reversal
		return nil
	}
}

// WithProgress calls a function with every answer while [Payments.Wait] or [Payments.Charge]
// waits, for a till's display: with [ResultUserPaying], ask the buyer for the PIN.
func WithProgress(progress func(context.Context, *Order)) WaitOption {
	return func(w *waiting) error { return w.polling.SetProgress(progress) }
}

// Charge takes a payment at a till: it charges the code, waits up to a minute while the
// buyer types the PIN, and reverses the order if it stays unclear, also if ctx ends
// first: then Charge returns up to half a minute and a few requests later. It returns nil
// only if the order is paid and the function of [NewPayments] returned nil;
// [ErrNotPaid] if the buyer was not charged or has the money back; [ErrInProgress] if it is
// paid and still handled elsewhere; [ErrNeedsPerson] if neither is certain; an [*Error]
// without [ErrOutcomeUnknown] if the charge was refused.
//
// It may be called again with the same number, also with a newer code: what was charged
// isn't charged again. See docs/tills.md.
func (p *Payments) Charge(ctx context.Context, req *QuickPayRequest, opts ...WaitOption) (*Order, error) {
	var open OpenOrder
	if req != nil {
		open = req.OpenOrder()
	}
	if err := p.usable(ctx, quickPay.name, open); err != nil {
		return nil, err
	}
	w, err := newWaiting("Charge", opts)
	if err != nil {
		return nil, err
	}
	var charged *QuickPayResponse
	err = p.engine.Attempt(ctx, open.MchOrderNo, func(ctx context.Context) (err error) {
		charged, err = p.client.QuickPay(ctx, req)
		return err
	})
	t := &till{p: p, req: req, open: open, waiting: w}
	var busy error
	switch {
	case err != nil && !errors.Is(err, ErrOutcomeUnknown) && !errors.Is(err, once.ErrPanic):
		return nil, err
	case err == nil:
		t.known = &charged.Order
		standing, err := p.engine.Settle(ctx, open, t.known)
		switch {
		case standing == once.Paid && errors.Is(err, ErrInProgress):
			busy = err
		case standing == once.Paid:
			return t.known, p.client.named(err)
		}
	}
	known, err := t.follow(ctx, busy)
	return known, p.client.named(err)
}

// till is a charge whose outcome isn't known yet.
type till struct {
	p       *Payments
	req     *QuickPayRequest
	open    OpenOrder
	waiting waiting
	known   *Order
}

// follow asks until the charge is decided, and reverses it if it isn't in time, unless busy
// says that it is paid, and dealt with at another door.
func (t *till) follow(ctx context.Context, busy error) (*Order, error) {
	polling, charged := t.waiting.polling, t.known
	polling.For, polling.Patient = t.waiting.pin, true
	order, err := t.p.engine.Wait(ctx, t.open, polling)
	if order != nil {
		t.known = order
	}
	switch standing := t.standing(); {
	case err == nil:
		return t.known, nil
	case order != nil && standing == once.Other:
		return t.needsPerson(err)
	case order != nil && standing != once.Open:
		return t.known, err
	case busy != nil:
		return charged, fmt.Errorf("%w; %w", busy, err)
	}
	return t.reverse(context.WithoutCancel(ctx), err)
}

func (t *till) standing() once.Standing {
	if t.known == nil {
		return once.Open
	}
	standing, _ := gateway{t.p.client}.Stands(t.open, t.known)
	return standing
}

// reverse undoes the charge and asks whether that took. Its context doesn't end with the
// cashier's, because a charge that nobody reverses may be paid later.
func (t *till) reverse(ctx context.Context, why error) (*Order, error) {
	polling := t.waiting.polling
	polling.For, polling.Patient = t.waiting.reversal, true
	var reversal error
	done := t.p.engine.Undo(ctx, t.open, t.waiting.reversal, func() {
		reversal = t.p.engine.Attempt(ctx, t.req.MchOrderNo, func(ctx context.Context) error {
			_, err := t.p.client.OrderReverse(ctx, &OrderReverseRequest{
				MchOrderNo: t.req.MchOrderNo, Channel: t.req.Channel, OperatorID: t.req.OperatorID})
			return err
		})
	})
	if done { // A notification was faster, and the merchant's function has acted on it.
		return t.paidElsewhere(ctx, polling)
	}
	// That it is paid may be what was before the reversal, so go on asking.
	order, err := t.p.engine.Poll(ctx, t.open, polling, func(s once.Standing) bool {
		return s == once.Ended || s == once.Other || s == once.Paid && staysPaid(reversal)
	})
	if order != nil {
		t.known = order
	}
	switch standing := t.standing(); {
	case order != nil && standing == once.Ended, order != nil && standing == once.Paid && staysPaid(reversal):
		_, err := t.p.engine.Settle(ctx, t.open, order)
		return t.known, err
	case order != nil && standing == once.Paid:
		err = errors.New("it is paid, although it was to be reversed")
	case err == nil:
		err = why
	}
	if reversal != nil {
		err = fmt.Errorf("%w; the reversal failed: %w", err, reversal)
	}
	return t.needsPerson(err)
}

// paidElsewhere returns the order as it is once its payment became known at another door.
func (t *till) paidElsewhere(ctx context.Context, polling once.Polling[Order]) (*Order, error) {
	order, err := t.p.engine.Wait(ctx, t.open, polling)
	if order != nil {
		t.known = order
	}
	if err != nil {
		return t.needsPerson(err)
	}
	return t.known, nil
}

func (t *till) needsPerson(why error) (*Order, error) {
	return t.known, &Error{Operation: quickPay.name, AppID: t.p.client.appID, OrderNo: t.req.MchOrderNo,
		Err: fmt.Errorf("%w: %w", ErrNeedsPerson, why), state: call.State{Unknown: true}}
}

// staysPaid tells whether a reversal was refused in a way that leaves a paid order
// paid. After another refusal it may be undone all the same: the reversal may have
// been sent twice, or contradict what the query says.
func staysPaid(reversal error) bool {
	var failed *Error
	if !errors.As(reversal, &failed) || failed.state.Unknown {
		return false
	}
	switch failed.Code {
	case "": // Nothing was sent.
		return failed.Err != nil
	case CodeOrderPaid, CodeOrderAlreadyPaymentSuccess, CodeOrderAlreadyPayOperationCannotBePerformed,
		CodeCancelError, CodeKsherRefundExpire, CodeNoAuth:
		return true
	}
	return false
}

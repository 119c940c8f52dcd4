package call

import (
	"context"
	"slices"
	"time"

	"github.com/ksher-go/ksher/internal/clock"
)

// report has the fields of the attempt that hooks get.
type report interface {
	~struct {
		Operation string
		AppID     string
		OrderNo   string
		RefundNo  string
		Number    int
		Duration  time.Duration
		Err       error
	}
}

// Hooks are called around each attempt of a client, the first of them outermost. A is the
// type that the root documents.
type Hooks[A report] []func(context.Context, A) (context.Context, func(A))

// Begin tells hooks of requests; see [Caller]. It is nil if there are none.
func (h Hooks[A]) Begin(c clock.Clock, appID string) func(context.Context, Attempt) (context.Context, func(error)) {
	if len(h) == 0 {
		return nil
	}
	return func(ctx context.Context, a Attempt) (context.Context, func(error)) {
		ctx, end := h.begin(ctx, c, appID, a)
		return ctx, func(err error) { end(a.Order, err) }
	}
}

// Message tells hooks of messages from outside, whose number is known at the end.
func (h Hooks[A]) Message(c clock.Clock, appID, operation string) func(context.Context) (context.Context, func(number string, err error)) {
	return func(ctx context.Context) (context.Context, func(string, error)) {
		return h.begin(ctx, c, appID, Attempt{Operation: operation, Number: 1})
	}
}

func (h Hooks[A]) begin(ctx context.Context, c clock.Clock, appID string, about Attempt) (context.Context, func(number string, err error)) {
	tell := func(took time.Duration, number string, err error) A {
		return A{Operation: about.Operation, AppID: appID, OrderNo: number, RefundNo: about.Refund, Number: about.Number, Duration: took, Err: err}
	}
	within := shelter(ctx)
	start := c.ClockNow()
	var ends []func(A)
	for _, hook := range h {
		var inner context.Context
		var end func(A)
		within(func() { inner, end = hook(ctx, tell(0, about.Order, nil)) })
		if inner != nil {
			ctx = inner
		}
		if end != nil {
			ends = append(ends, end)
		}
	}
	return ctx, func(number string, err error) {
		took := c.ClockNow().Sub(start)
		for _, end := range slices.Backward(ends) {
			within(func() { end(tell(took, number, err)) })
		}
	}
}

type shelterKey struct{}

// Sheltered returns a context for calls on which a payment depends: each hook runs within
// that function, which may recover.
func Sheltered(ctx context.Context, within func(hook func())) context.Context {
	return context.WithValue(ctx, shelterKey{}, within)
}

func shelter(ctx context.Context) func(hook func()) {
	if within, ok := ctx.Value(shelterKey{}).(func(func())); ok {
		return within
	}
	return func(hook func()) { hook() }
}

package ksher

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
)

// Attempt is one request to Ksher or Opn, or one notification by them, as a [Hook] of
// ksher, vip or opn sees it.
type Attempt struct {
	// Operation is the wire name, such as "order_refund", or such as "redirect create" in
	// vip and "create charge" in opn, or "notification" for what comes in.
	Operation string
	AppID     string        // the merchant's, "" in vip and opn
	OrderNo   string        // the order's, as the caller gave it, or the ID of an opn charge; of a notification only at the end
	RefundNo  string        // the merchant's number of the refund, if it is about one
	Number    int           // 1 for the first request of a call, 2 for its first repetition
	Duration  time.Duration // how long it took, 0 at the beginning
	Err       error         // what went wrong, nil at the beginning and if nothing did
}

// Outcome sums Err up in one word for a metric's label: "ok" if there is none, which says
// nothing about the payment; "refused" if the gateway said no in due form, or if a
// notification can never be accepted, such as a forged one; "unknown" of an
// [ErrOutcomeUnknown]; "failed" of anything else, which surely changed nothing.
func (a Attempt) Outcome() string {
	if a.Err == nil {
		return "ok"
	}
	var failure *Error
	var notAccepted *fault.NotAccepted
	switch {
	case errors.Is(a.Err, ErrOutcomeUnknown):
		return "unknown"
	case errors.As(a.Err, &notAccepted):
		if !notAccepted.Again {
			return "refused"
		}
	case errors.As(a.Err, &failure) && failure.Err == nil, errors.Is(a.Err, fault.ErrRefused):
		return "refused"
	}
	return "failed"
}

// Hook is called before each request to Ksher, repetitions of a query included, and for
// each notification. The context it returns goes on to the request, or to the merchant's
// function, so that a span started in the hook is the parent of theirs. The function it
// returns, which may be nil, is called when the attempt has ended, with Duration and Err
// set. Both run on the caller's goroutine, so at the same time for calls at the same time.
//
// Requests that weren't sent because of a [*ValidationError] aren't reported.
type Hook func(ctx context.Context, a Attempt) (context.Context, func(Attempt))

// WithHook lets metrics and traces follow what a client does. The first hook is the
// outermost.
func WithHook(hook Hook) Option {
	return func(c *Client) error {
		if hook == nil {
			return errors.New("WithHook: the hook is nil")
		}
		c.hooks = append(c.hooks, hook)
		return nil
	}
}

// errorAttrs tells what went wrong. What the other side said in words stays
// out: it may name the buyer.
func errorAttrs(err error) []slog.Attr {
	var failure *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failure):
		return failure.forLoop().Attrs()
	}
	return []slog.Attr{slog.Any("cause", err)}
}

// named has the app ID in each line. It doesn't use With, which takes a handler of the
// merchant's away if that embeds another without WithAttrs of its own.
func named(log *slog.Logger, appID string) *slog.Logger {
	return slog.New(namedHandler{log.Handler(), slog.String("app_id", appID)})
}

type namedHandler struct {
	slog.Handler
	appID slog.Attr
}

func (h namedHandler) Handle(ctx context.Context, r slog.Record) error {
	r = r.Clone()
	r.AddAttrs(h.appID)
	return h.Handler.Handle(ctx, r)
}

func (h namedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return namedHandler{h.Handler.WithAttrs(attrs), h.appID}
}

func (h namedHandler) WithGroup(name string) slog.Handler {
	return namedHandler{h.Handler.WithGroup(name), h.appID}
}

package once

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// ErrPanic is the error of a merchant's function that panicked.
var ErrPanic = errors.New("the merchant's function panicked")

// Guard is what a panic is reported with.
type Guard struct {
	Log *slog.Logger
	// Name begins texts, and NumberKey is the name in the log of what identifies the
	// order.
	Name, NumberKey string
}

// Protect calls fn, and turns a panic into an error, logged with its stack: where nothing
// else recovers, it would end the program. number is read when that has happened.
//
// [net/http.ErrAbortHandler] is no exception. A function that is called here has no
// response to abort, and nobody above may know what to make of it.
func (g Guard) Protect(ctx context.Context, number *string, fn func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: order %q: %w: %v", g.Name, *number, ErrPanic, p)
			g.Record(ctx, slog.LevelError, "panic",
				slog.String(g.NumberKey, *number), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}()
	return fn(ctx)
}

// Record writes a line to the log. A handler of the log that panics changes nothing about
// a payment.
func (g Guard) Record(ctx context.Context, level slog.Level, what string, attrs ...slog.Attr) {
	defer func() { _ = recover() }()
	g.Log.LogAttrs(ctx, level, g.Name+" "+what, attrs...)
}

// Package call makes the calls of every client of this module: it sends a request,
// repeats it where that is allowed, and tells hooks and the log about each attempt.
package call

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/ksher-go/ksher/internal/transport"
)

// Effect is what an operation does at the other side. It decides whether a request
// may be sent again, and whether a lost answer leaves doubt.
type Effect int

// Effects. The zero Effect is none, so that an operation can't do without one.
const (
	// Query changes nothing: it may be sent again, and a lost answer leaves no doubt.
	Query Effect = iota + 1
	// Change pays, refunds, cancels, closes or creates: it arrives at most once. What
	// the host provably hasn't taken goes out once more.
	Change
	// Draft creates something that moves no money by itself: it isn't sent again
	// either, but a lost answer leaves no doubt about money.
	Draft
)

// Attempt is one request of a call.
type Attempt struct {
	// Operation is the operation's name.
	Operation string
	// Order and Refund are the numbers it is about, as the caller gave them.
	Order, Refund string
	// Number is 1 for the first request of a call.
	Number int
}

// State is what the loop notes in a client's own error.
type State struct {
	// Unknown says that the request may have been carried out all the same.
	Unknown bool
	// Attempts is how often the request was tried.
	Attempts int
}

// Failure is a client's own error, as the loop sees it.
type Failure struct {
	// Err is the error that the caller gets.
	Err error
	// State is part of Err.
	State *State
	// Refused says that the other side said no in due form.
	Refused bool
	// Cause is why it failed, nil if there is no more to say than Code.
	Cause error
	// WithCause returns a copy of Err with another cause.
	WithCause func(error) error
	// Code is the other side's code for the reason, "" if there is none.
	Code string
	// Status is the HTTP status of the answer, 0 if there is none.
	Status int
	// AskAgain says that the code advises to send the query again.
	AskAgain bool
}

// Transient tells whether a query that failed like this may succeed a moment later.
func (f *Failure) Transient() bool {
	return transport.Transient(f.Cause) || f.Status >= 500 || f.Status == http.StatusTooManyRequests || f.AskAgain
}

// outcome sums a failure up for the log.
func (f *Failure) outcome() (slog.Level, string) {
	switch {
	case f.State.Unknown:
		return slog.LevelError, "unknown"
	case f.Refused:
		return slog.LevelWarn, "refused"
	}
	return slog.LevelWarn, "failed"
}

// Send makes one request and reads its answer. It returns nil if the operation
// succeeded. It may set the attempt's numbers to those that the answer gives.
type Send func(context.Context, *Attempt) *Failure

// Caller makes calls for one client.
type Caller struct {
	Sender *transport.Sender
	Log    *slog.Logger
	// Message is the text of a log line, and OrderKey the key of Attempt.Order in it.
	Message, OrderKey string
	// Begin calls the hooks before an attempt, nil for none. What it returns is
	// called after it.
	Begin func(context.Context, Attempt) (context.Context, func(error))
}

// Do makes a call. prepare checks and signs the request anew for each attempt; its
// error, such as one of validation, ends the call before anything is sent.
func (c *Caller) Do(ctx context.Context, effect Effect, a Attempt, prepare func() (Send, error)) error {
	ctx, cancel := c.Sender.Limit(ctx)
	defer cancel()
	for a.Number = 1; ; a.Number++ {
		send, err := prepare()
		if err != nil {
			return err
		}
		failure := c.attempt(ctx, effect, a, send)
		if failure == nil {
			return nil
		}
		switch {
		case effect == Query:
			if !failure.Transient() || !c.Sender.Retry.Again(ctx, c.Sender.Clock, a.Number) {
				return failure.Err
			}
			if why := c.Sender.Retry.Pause(ctx, c.Sender.Clock, a.Number); why != nil {
				return failure.stopped(why)
			}
		case a.Number > 1 || !failure.unprocessed() || ctx.Err() != nil:
			return failure.Err
		}
		if failure.unprocessed() {
			ctx = transport.Fresh(ctx)
		}
	}
}

// unprocessed tells whether the host has never taken the request, so that it may be sent
// once more.
func (f *Failure) unprocessed() bool {
	var never transport.Unprocessed
	return errors.As(f.Cause, &never)
}

// stopped says why a failure wasn't followed by another attempt. A hook may have kept
// the error, so it is copied.
func (f *Failure) stopped(why error) error {
	cause := fmt.Errorf("it was not repeated: %w", why)
	if f.Cause != nil {
		cause = fmt.Errorf("%w; %w", f.Cause, cause)
	}
	return f.WithCause(cause)
}

// attempt makes one request, and tells hooks and the log about it.
func (c *Caller) attempt(ctx context.Context, effect Effect, a Attempt, send Send) *Failure {
	end := func(error) {}
	if c.Begin != nil {
		ctx, end = c.Begin(ctx, a)
	}
	start := time.Now()
	failure := send(ctx, &a)
	if failure == nil {
		end(nil)
	} else {
		failure.State.Attempts = a.Number
		failure.State.Unknown = failure.State.Unknown && effect == Change
		end(failure.Err)
	}
	c.log(ctx, effect, a, time.Since(start), failure)
	return failure
}

// log writes the line about an attempt. What the other side said in words stays out:
// it may name the buyer.
func (c *Caller) log(ctx context.Context, effect Effect, a Attempt, took time.Duration, failure *Failure) {
	// A log that panics changes nothing about what was done.
	defer func() { _ = recover() }()
	level, outcome := slog.LevelInfo, "ok"
	switch {
	case failure != nil:
		level, outcome = failure.outcome()
	case effect == Query: // Whoever waits for a payment makes many.
		level = slog.LevelDebug
	}
	if !c.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("operation", a.Operation), slog.String(c.OrderKey, transport.Clip(a.Order))}
	if a.Refund != "" {
		attrs = append(attrs, slog.String("refund_no", transport.Clip(a.Refund)))
	}
	attrs = append(attrs,
		slog.Int("attempt", a.Number),
		slog.Duration("duration", took),
		slog.String("outcome", outcome))
	if failure != nil {
		attrs = append(attrs, failure.Attrs()...)
	}
	c.Log.LogAttrs(ctx, level, c.Message, attrs...)
}

// Attrs tells what went wrong, for a log line.
func (f *Failure) Attrs() []slog.Attr {
	return []slog.Attr{slog.String("code", f.Code), slog.Int("http_status", f.Status), slog.Any("cause", f.Cause)}
}

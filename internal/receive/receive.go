// Package receive is what the handlers of ksher, vip and opn have in common: how a
// message from outside is read, in which order it is looked at, and how it is refused.
package receive

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
)

// Message is what came in: the query of the address and the body.
type Message struct {
	Query string
	Body  []byte
}

// Refusal is why a message isn't accepted.
type Refusal struct {
	// Status is the HTTP status of the answer, which says no more than that.
	Status int
	// Reason and Err are for the operator. Err may be nil.
	Reason string
	Err    error
	// Again says that the same message may be accepted later.
	Again bool
}

// Receiver receives messages of one kind, as an [http.Handler] or without one. Its stages
// are in the order of what they cost, so that what is forged, unknown or done goes no
// further than it has to. M is what the stages know of a message.
type Receiver[M any] struct {
	// Name begins texts, such as "ksher notification", and NumberKey is the name in the
	// log of what identifies the order.
	Name, NumberKey string
	// Method is the only one that is taken. The message is in the body, of at most
	// MaxBytes, or, if that is 0, in the query of the address.
	Method   string
	MaxBytes int64
	Log      *slog.Logger
	// LogOf, if not nil, returns the log for what comes of a message that was parsed.
	LogOf func(*M) *slog.Logger
	// Attrs says for the log what went wrong.
	Attrs func(error) []slog.Attr
	// Begin, if not nil, tells hooks that a message has come, and returns what tells
	// them of its end.
	Begin func(context.Context) (_ context.Context, end func(number string, err error))
	// Answer writes an answer with that status.
	Answer func(w http.ResponseWriter, status int)

	// Parse checks size, form, signature and whom it is for. number is for hooks and
	// log. If there is nothing to do, m is nil; beside a refusal it is for LogOf.
	Parse func(Message) (m *M, number string, _ *Refusal)
	// Expected, if not nil, looks it up in the merchant's books.
	Expected func(context.Context, *M) *Refusal
	// Once confirms and does it, unless it is done.
	Once func(context.Context, *M) *Refusal
	// Forwards says that Once is that of another receiver, which logs what comes of it.
	Forwards bool

	lines sparing
}

// ServeHTTP deals with one message.
func (rc *Receiver[M]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := context.Background()
	if r != nil {
		ctx = r.Context()
	}
	refusal := rc.deal(ctx, func() (Message, *Refusal) { return rc.read(w, r) })
	if refusal == nil {
		rc.Answer(w, http.StatusOK)
		return
	}
	if refusal.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", rc.Method)
	}
	rc.Answer(w, refusal.Status)
}

// Accept deals with a message that came in another way. The refusal has an Err.
func (rc *Receiver[M]) Accept(ctx context.Context, message Message) *Refusal {
	return rc.deal(ctx, func() (Message, *Refusal) { return message, nil })
}

// deal goes through the stages, between the hooks, and logs what came of it. It doesn't
// panic, whatever of the merchant's does.
func (rc *Receiver[M]) deal(ctx context.Context, read func() (Message, *Refusal)) (refusal *Refusal) {
	var number string
	guard := once.Guard{Log: rc.Log, Name: rc.Name, NumberKey: rc.NumberKey}
	end := func(string, error) {}
	var m *M
	err := guard.Protect(ctx, &number, func(context.Context) error {
		if rc.Begin != nil {
			ctx, end = rc.Begin(ctx)
		}
		m, refusal = rc.stages(ctx, read, &number)
		return nil
	})
	if m != nil && rc.LogOf != nil {
		guard.Log = rc.LogOf(m)
	}
	forwarded := false
	if err == nil && refusal == nil && m != nil {
		forwarded = rc.Forwards
		err = guard.Protect(ctx, &number, func(context.Context) error { refusal = rc.Once(ctx, m); return nil })
	}
	if err != nil {
		refusal = &Refusal{Status: http.StatusInternalServerError, Reason: "a function of the merchant panicked", Err: err, Again: true}
	}
	cause := rc.cause(refusal)
	// A hook that panics at the end changes nothing about the payment.
	_ = guard.Protect(ctx, &number, func(context.Context) error { end(number, forHooks(refusal, cause)); return nil })
	if !forwarded {
		rc.record(ctx, guard, number, refusal)
	}
	if refusal != nil {
		refusal.Err = cause
	}
	return refusal
}

// cause is an error for each refusal.
func (rc *Receiver[M]) cause(refusal *Refusal) error {
	if refusal == nil {
		return nil
	}
	return cmp.Or(refusal.Err, errors.New(rc.Name+": "+refusal.Reason))
}

// forHooks tells them whether another try may succeed, which the cause alone doesn't.
func forHooks(refusal *Refusal, cause error) error {
	if refusal == nil {
		return nil
	}
	return &fault.NotAccepted{Err: cause, Again: refusal.Again}
}

// record logs what came of a message.
func (rc *Receiver[M]) record(ctx context.Context, guard once.Guard, number string, refusal *Refusal) {
	defer func() { _ = recover() }() // An error of the merchant's may panic as well.
	attrs := []slog.Attr{slog.String(rc.NumberKey, number)}
	if refusal == nil {
		guard.Record(ctx, slog.LevelInfo, "accepted", attrs...)
		return
	}
	more, ok := rc.lines.take(refusal, time.Now())
	if !ok {
		return
	}
	attrs = append(append(attrs, slog.String("reason", refusal.Reason)), more...)
	if refusal.Err != nil {
		attrs = append(attrs, rc.Attrs(refusal.Err)...)
	}
	level := slog.LevelWarn
	if errors.Is(refusal.Err, fault.ErrInProgress) {
		level = slog.LevelInfo // The one that is at it will log what becomes of it.
	}
	guard.Record(ctx, level, "refused", attrs...)
}

// stages returns what is to be done, if anything is and it isn't refused.
func (rc *Receiver[M]) stages(ctx context.Context, read func() (Message, *Refusal), number *string) (*M, *Refusal) {
	message, refusal := read()
	if refusal != nil {
		return nil, refusal
	}
	m, no, refusal := rc.Parse(message)
	if *number = no; refusal != nil || m == nil {
		return m, refusal
	}
	if rc.Expected != nil {
		refusal = rc.Expected(ctx, m)
	}
	return m, refusal
}

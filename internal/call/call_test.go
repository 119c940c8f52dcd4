package call_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/transport"
)

// failed is a client's error.
type failed struct {
	cause error
	state call.State
}

func (f *failed) Error() string { return "failed: " + f.cause.Error() }
func (f *failed) Unwrap() error { return f.cause }

func failure(cause error, status int) *call.Failure {
	f := &failed{cause: cause, state: call.State{Unknown: true}}
	return &call.Failure{
		Err: f, State: &f.state, Cause: cause, Status: status,
		WithCause: func(cause error) error { return &failed{cause, f.state} },
	}
}

func caller(t *testing.T) (*call.Caller, *bytes.Buffer) {
	t.Helper()
	sender := transport.NewSender("")
	require.NoError(t, sender.Retry.Set(3, 0))
	log := &bytes.Buffer{}
	return &call.Caller{Sender: sender, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), Message: "call", OrderKey: "order_no"}, log
}

func TestHowOftenARequestIsSent(t *testing.T) {
	broken := transport.Error{Err: errors.New("the line is dead")}
	for name, tt := range map[string]struct {
		cause                error
		status               int
		query, change, draft int
	}{
		"the line is dead":  {broken, 0, 3, 1, 1},
		"never taken":       {transport.Unprocessed{Err: broken}, 0, 3, 2, 2},
		"out of order":      {errors.New("no"), 500, 3, 1, 1},
		"too many requests": {errors.New("no"), 429, 3, 1, 1},
		"refused":           {errors.New("no"), 400, 1, 1, 1},
		"no cause":          {nil, 503, 3, 1, 1},
	} {
		for effect, want := range map[call.Effect]int{call.Query: tt.query, call.Change: tt.change, call.Draft: tt.draft} {
			t.Run(name, func(t *testing.T) {
				c, _ := caller(t)
				sent := 0
				err := c.Do(t.Context(), effect, call.Attempt{}, func() (call.Send, error) {
					return func(context.Context, *call.Attempt) *call.Failure {
						sent++
						if tt.cause == nil {
							f := failure(broken, tt.status)
							f.Cause = nil
							return f
						}
						return failure(tt.cause, tt.status)
					}, nil
				})
				require.Equal(t, want, sent)
				var f *failed
				require.ErrorAs(t, err, &f)
				require.Equal(t, want, f.state.Attempts)
				require.Equal(t, effect == call.Change, f.state.Unknown, "only what changes something is in doubt")
			})
		}
	}
}

// What the first attempt didn't achieve, the next one may.
func TestSuccessAfterAFailure(t *testing.T) {
	c, log := caller(t)
	var numbers []int
	err := c.Do(t.Context(), call.Query, call.Attempt{Operation: "query", Order: "A-1"}, func() (call.Send, error) {
		return func(_ context.Context, a *call.Attempt) *call.Failure {
			numbers = append(numbers, a.Number)
			if a.Number < 3 {
				return failure(transport.Error{Err: errors.New("the line is dead")}, 0)
			}
			return nil
		}, nil
	})
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, numbers)
	require.Contains(t, log.String(), "order_no=A-1 attempt=3")
	require.Contains(t, log.String(), "outcome=ok")
}

// A request that isn't valid is neither sent nor reported.
func TestPreparationFails(t *testing.T) {
	c, log := caller(t)
	c.Begin = func(context.Context, call.Attempt) (context.Context, func(error)) {
		t.Error("a hook was called")
		return nil, nil
	}
	invalid := errors.New("invalid")
	require.Equal(t, invalid, c.Do(t.Context(), call.Change, call.Attempt{}, func() (call.Send, error) { return nil, invalid }))
	require.Empty(t, log.String())
}

// A pause that the context cuts short says what was tried before, also if that had no
// cause of its own.
func TestContextEndsInAPause(t *testing.T) {
	for _, cause := range []error{nil, transport.Error{Err: errors.New("the line is dead")}} {
		synctest.Test(t, func(t *testing.T) { contextEndsInAPause(t, cause) })
	}
}

func contextEndsInAPause(t *testing.T, cause error) {
	c, _ := caller(t)
	require.NoError(t, c.Sender.Retry.Set(3, 10*time.Second))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var hooked error
	c.Begin = func(ctx context.Context, _ call.Attempt) (context.Context, func(error)) {
		return ctx, func(err error) { hooked = err; time.AfterFunc(time.Nanosecond, cancel) }
	}
	err := c.Do(ctx, call.Query, call.Attempt{}, func() (call.Send, error) {
		return func(context.Context, *call.Attempt) *call.Failure {
			f := failure(errors.New("429"), 429)
			f.Cause = cause
			return f
		}, nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "it was not repeated")
	require.NotContains(t, err.Error(), "%!w")
	require.NotErrorIs(t, hooked, context.Canceled, "the error that a hook kept has changed")
}

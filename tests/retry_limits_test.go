package tests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

// The pauses here may take up to 10 s, and all ends after a nanosecond.
func TestEndInAPause(t *testing.T) {
	own := errors.New("shutting down")
	ends := []struct {
		name string
		opts []ksher.Option
		ctx  func(context.Context) (context.Context, func())
		want error
	}{
		{"cancelled", nil, func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Nanosecond, cancel)
			return ctx, cancel
		}, context.Canceled},
		{"deadline", nil, func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithTimeout(ctx, time.Nanosecond)
			return ctx, cancel
		}, context.DeadlineExceeded},
		{"WithTimeout", []ksher.Option{ksher.WithTimeout(time.Nanosecond)}, func(ctx context.Context) (context.Context, func()) {
			return ctx, func() {}
		}, context.DeadlineExceeded},
		{"a context of the caller's making", nil, func(ctx context.Context) (context.Context, func()) {
			made, end := newAtWill(ctx, own)
			time.AfterFunc(time.Nanosecond, end)
			return made, func() {}
		}, own},
	}
	failures := []struct {
		name   string
		step   step
		want   error
		status int
	}{
		{"500", answer(500, "<p>down</p>"), fault.ErrHTTPStatus, 500},
		{"EOF", fails(io.ErrUnexpectedEOF), io.ErrUnexpectedEOF, 0},
		{"SYSTEMERROR", answer(200, refusal("SYSTEMERROR")), ksher.CodeSystemError, 200},
	}
	for _, end := range ends {
		for _, failure := range failures {
			for _, op := range testkit.Operations() {
				if op.Changes {
					continue
				}
				t.Run(end.name+" "+failure.name+" "+op.Name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						transport := scripted(failure.step)
						var seen []error
						hook := func(ctx context.Context, _ ksher.Attempt) (context.Context, func(ksher.Attempt)) {
							return ctx, func(a ksher.Attempt) { seen = append(seen, a.Err) }
						}
						client := repeatingClient(t, transport, append(end.opts, ksher.WithRetry(10, 10*time.Second), ksher.WithHook(hook))...)
						ctx, release := end.ctx(t.Context())
						defer release()
						start := time.Now()
						resp, err := op.Call(ctx, client, ksher.Extra{})
						assert.Equal(t, time.Nanosecond, time.Since(start))
						assert.Equal(t, 1, transport.count())

						assert.Nil(t, resp)
						require.ErrorIs(t, err, end.want)
						require.ErrorIs(t, err, failure.want)
						require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
						var failed *ksher.Error
						require.ErrorAs(t, err, &failed)
						assert.Equal(t, op.Name, failed.Operation)
						assert.Equal(t, op.OrderNo(), failed.OrderNo)
						assert.Equal(t, failure.status, failed.HTTPStatus)
						assert.ErrorContains(t, err, end.want.Error())
						assert.ErrorContains(t, err, failure.want.Error())
						assert.NotContains(t, err.Error(), "\n")
						// The attempt had ended before, and what a hook was
						// given is the hook's.
						require.Len(t, seen, 1)
						require.ErrorIs(t, seen[0], failure.want)
						require.NotErrorIs(t, seen[0], end.want)
					})
				})
			}
		}
	}
}

// A call whose time is over while a request is under way isn't repeated.
func TestEndInAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		transport := scripted(hanging)
		start := time.Now()
		err := queryOrder(t.Context(), repeatingClient(t, transport, ksher.WithRetry(10, 0)))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NotContains(t, err.Error(), "repeated", "that was out of the question")
		assert.Equal(t, 1, transport.count())
		assert.Equal(t, 30*time.Second, time.Since(start), "the default of WithTimeout")

		// Repetitions don't prolong it.
		slow := func(r *http.Request) (*http.Response, error) {
			timer := time.NewTimer(4 * time.Second)
			defer timer.Stop()
			select {
			case <-timer.C:
				return nil, io.EOF
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		transport = scripted(slow)
		start = time.Now()
		err = queryOrder(t.Context(), repeatingClient(t, transport, ksher.WithRetry(10, 0), ksher.WithTimeout(10*time.Second)))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "(the last of 3 attempts)")
		assert.Equal(t, 3, transport.count())
		assert.Equal(t, 10*time.Second, time.Since(start))
	})
}

// The limit of the caller's http.Client is for one request, not for the call.
func TestLimitOfTheHTTPClientIsForOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		stalling := func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, ContentLength: -1, Body: stalled{r.Context()}}, nil
		}
		transport := scripted(silent, stalling, answer(200, testkit.SignedAnswer(t, testkit.GoodData)))
		own := &http.Client{Transport: transport, Timeout: 5 * time.Second}
		client := repeatingClient(t, nil, ksher.WithHTTPClient(own), ksher.WithRetry(3, 0))
		start := time.Now()
		require.NoError(t, queryOrder(t.Context(), client))
		assert.Equal(t, 10*time.Second, time.Since(start))
	})
}

// stalled is a body that doesn't come.
type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (s stalled) Close() error { return nil }

// atOnce makes n queries at the same time and returns how many of them failed.
func atOnce(t *testing.T, client *ksher.Client, n int) (failed int) {
	var group sync.WaitGroup
	var mu sync.Mutex
	for range n {
		group.Go(func() {
			if err := queryOrder(t.Context(), client); err != nil {
				mu.Lock()
				failed++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return failed
}

// In an outage a shop must not send its gateway three times the load.
func TestBudgetOfRepetitions(t *testing.T) {
	key := hasty{testkit.RSAKey(t, 1024)}
	good := testkit.SignedAnswer(t, testkit.GoodData)
	outage := func() *script { return scripted(answer(503, "")) }
	for _, wait := range []time.Duration{0, 500 * time.Millisecond} {
		t.Run(fmt.Sprintf("a thousand at once, pauses up to %v", wait), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := outage()
				client := repeatingClientOf(t, key, transport, ksher.WithRetry(3, wait))
				assert.Equal(t, 1000, atOnce(t, client, 1000))
				assert.Equal(t, 1000+10, transport.count())
			})
		})
	}
	t.Run("one more each second", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			transport := outage()
			client := repeatingClientOf(t, key, transport, ksher.WithRetry(10, 0))
			repetitions := func(queries int) int {
				before := transport.count()
				atOnce(t, client, queries)
				return transport.count() - before - queries
			}
			assert.Equal(t, 10, repetitions(100))
			assert.Equal(t, 0, repetitions(100))
			time.Sleep(time.Second - time.Nanosecond)
			assert.Equal(t, 0, repetitions(100))
			time.Sleep(time.Nanosecond)
			assert.Equal(t, 1, repetitions(100))
			time.Sleep(500 * time.Millisecond)
			assert.Equal(t, 0, repetitions(100))
			time.Sleep(500 * time.Millisecond)
			assert.Equal(t, 1, repetitions(100))
			time.Sleep(4 * time.Second)
			assert.Equal(t, 4, repetitions(100))
			time.Sleep(time.Hour)
			assert.Equal(t, 10, repetitions(100), "it recovers, and no further")
			assert.Equal(t, 0, repetitions(1))
		})
	})
	t.Run("a long outage", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			transport := outage()
			client := repeatingClientOf(t, key, transport, ksher.WithRetry(3, 0))
			const seconds = 600
			for range 10 * seconds {
				require.Error(t, queryOrder(t.Context(), client))
				time.Sleep(100 * time.Millisecond)
			}
			repetitions := transport.count() - 10*seconds
			assert.LessOrEqual(t, repetitions, 10+seconds)
			assert.Greater(t, repetitions, seconds*8/10)
		})
	})
	t.Run("each client has its own, for all queries", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for range 2 {
				transport := outage()
				client := repeatingClientOf(t, key, transport, ksher.WithRetry(10, 0))
				for range 10 {
					for _, op := range testkit.Operations() {
						_, err := op.Call(t.Context(), client, ksher.Extra{})
						require.Error(t, err)
					}
				}
				assert.Equal(t, 10*len(testkit.Operations())+10, transport.count())
			}
		})
	})
	t.Run("what fails for good costs nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			next := answer(200, refusal("PARAM_ERROR"))
			transport := scripted(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				return next(r)
			})
			client := repeatingClientOf(t, key, transport, ksher.WithRetry(3, 0))
			atOnce(t, client, 50)
			assert.Equal(t, 50, transport.count())
			mu.Lock()
			next = answer(503, "")
			mu.Unlock()
			atOnce(t, client, 50)
			assert.Equal(t, 50+50+10, transport.count())
		})
	})
	t.Run("what the caller ends costs nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			transport := scripted(func(*http.Request) (*http.Response, error) {
				cancel()
				return nil, io.EOF
			})
			client := repeatingClientOf(t, key, transport, ksher.WithRetry(3, 0))
			for range 50 {
				require.Error(t, queryOrder(ctx, client))
				ctx, cancel = context.WithCancel(t.Context())
			}
			cancel()
			assert.Equal(t, 50, transport.count())
			atOnce(t, client, 50)
			assert.Equal(t, 50+50+10, transport.count())
		})
	})
	t.Run("the gateway is back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			transport := outage()
			client := repeatingClientOf(t, key, transport, ksher.WithRetry(3, 0))
			atOnce(t, client, 100)
			time.Sleep(time.Second)
			transport.steps = append(slices.Repeat(transport.steps, transport.count()), answer(503, ""), answer(200, good))
			require.NoError(t, queryOrder(t.Context(), client), "failed once, and repeated")
			assert.Zero(t, atOnce(t, client, 1000))
		})
	})
}

// Many queries fail and are repeated at once, and each gets its own answer.
func TestRepetitionsAtTheSameTime(t *testing.T) {
	answers := map[string]string{}
	numbers := make([]string, 40)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("order%d", 100+i)
		answers[numbers[i]] = testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, testkit.OrderNo, numbers[i], 1))
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		tried := map[string]int{}
		transport := scripted(func(r *http.Request) (*http.Response, error) {
			time.Sleep(rand.N(time.Second))
			no := r.PostForm.Get("mch_order_no")
			mu.Lock()
			defer mu.Unlock()
			if tried[no]++; tried[no] == 1 {
				return answer(500, testkit.SignedAnswer(t, testkit.GoodData))(r)
			}
			return answer(200, answers[no])(r)
		})
		client := repeatingClient(t, transport, ksher.WithRetry(3, time.Second))
		var group sync.WaitGroup
		succeeded := 0
		for _, no := range numbers {
			group.Go(func() {
				order, err := client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: no})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					assert.Equal(t, 1, tried[no])
					assert.ErrorIs(t, err, fault.ErrHTTPStatus)
					return
				}
				succeeded++
				assert.Equal(t, 2, tried[no])
				assert.NoError(t, order.CheckPaid(no, 100_00, "THB"))
			})
		}
		group.Wait()
		assert.GreaterOrEqual(t, succeeded, 10)
		assert.LessOrEqual(t, succeeded, 11, "they all failed within a second")
		assert.Equal(t, len(numbers)+succeeded, transport.count())
	})
}

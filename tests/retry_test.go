package tests

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

// step answers one request.
type step func(*http.Request) (*http.Response, error)

func answer(status int, body string) step {
	return func(r *http.Request) (*http.Response, error) {
		return answerOf(status, strings.NewReader(testkit.SignedFor(r, body)))(r)
	}
}

func answerOf(status int, body io.Reader) step {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, ContentLength: -1, Body: io.NopCloser(body), Request: r}, nil
	}
}

func fails(err error) step {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// script is a transport without a network, so that it can be used where time is
// not real. It answers the first request by its first step and so on, and every
// request after them by the last.
type script struct {
	steps []step

	mu    sync.Mutex
	forms []*http.Request
	times []time.Time
}

func scripted(steps ...step) *script { return &script{steps: steps} }

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.forms, s.times = append(s.forms, r), append(s.times, time.Now())
	next := s.steps[min(len(s.forms), len(s.steps))-1]
	s.mu.Unlock()
	return next(r)
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.forms)
}

// pauses is how long it took from each request to the next.
func (s *script) pauses() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pauses []time.Duration
	for i := 1; i < len(s.times); i++ {
		pauses = append(pauses, s.times[i].Sub(s.times[i-1]))
	}
	return pauses
}

// repeatingClient repeats queries as NewClient has it by default, unless an
// option says otherwise.
func repeatingClient(tb testing.TB, transport http.RoundTripper, opts ...ksher.Option) *ksher.Client {
	tb.Helper()
	return repeatingClientOf(tb, testkit.RSAKey(tb, 1024), transport, opts...)
}

func repeatingClientOf(tb testing.TB, key crypto.Signer, transport http.RoundTripper, opts ...ksher.Option) *ksher.Client {
	tb.Helper()
	client, err := ksher.NewClient(testkit.AppID, key,
		append([]ksher.Option{ksher.WithHTTPClient(&http.Client{Transport: transport}), testkit.TrustTestKey(tb)}, opts...)...)
	require.NoError(tb, err)
	return client
}

// hasty signs without computing anything, for tests of many requests.
type hasty struct{ crypto.Signer }

func (hasty) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, 128), nil
}

func queryOrder(ctx context.Context, c *ksher.Client) error {
	_, err := c.OrderQuery(ctx, &ksher.OrderQueryRequest{MchOrderNo: testkit.OrderNo})
	return err
}

func refusal(code string) string { return fmt.Sprintf(`{"code":1,"msg":%q}`, code) }

func TestWhatIsRepeated(t *testing.T) {
	t.Parallel()
	good := testkit.SignedAnswer(t, testkit.GoodData)
	refused := func(code string) string {
		return testkit.SignedAnswer(t, `{"appid":"mch12345","mch_order_no":"order1","result":"FAIL","err_code":"`+code+`"}`)
	}
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	tests := []struct {
		name     string
		step     func() step
		repeated bool
	}{
		{"connection refused", func() step { return fails(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}) }, true},
		{"connection closed before the answer", func() step { return fails(io.EOF) }, true},
		{"connection reset", func() step { return fails(reset) }, true},
		{"connection closed in the header", func() step { return fails(io.ErrUnexpectedEOF) }, true},
		{"body that breaks off at once", func() step { return answerOf(200, iotest.ErrReader(reset)) }, true},
		{"body that breaks off within", func() step {
			return answerOf(200, io.MultiReader(strings.NewReader(good[:100]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		}, true},
		{"body that breaks off after its end", func() step {
			return answerOf(200, io.MultiReader(strings.NewReader(good), iotest.ErrReader(io.ErrUnexpectedEOF)))
		}, true},
		{"body of a 404 that breaks off", func() step { return answerOf(404, iotest.ErrReader(reset)) }, true},

		{"500", func() step { return answer(500, "") }, true},
		{"502", func() step { return answer(502, "<html>") }, true},
		{"503", func() step { return answer(503, "busy") }, true},
		{"599", func() step { return answer(599, "") }, true},
		{"500 around a good answer", func() step { return answer(500, good) }, true},
		{"500 with a refusal that is final", func() step { return answer(500, refusal("PARAM_ERROR")) }, true},
		{"500 with too large a body", func() step { return answerOf(500, endless('a')) }, true},

		{"SYSTEMERROR", func() step { return answer(200, refusal("SYSTEMERROR")) }, true},
		{"SYSTEMERROR, signed", func() step { return answer(200, refused("SYSTEMERROR")) }, true},
		{"KSHER_SYSTEMERROR", func() step { return answer(200, refusal("KSHER_SYSTEMERROR")) }, true},
		{"KSHER_CHANNEL_RESPONSE_ERROR", func() step { return answer(200, refusal("KSHER_CHANNEL_RESPONSE_ERROR")) }, true},
		{"SYSTEMERROR with HTTP 400", func() step { return answer(400, refusal("SYSTEMERROR")) }, true},

		{"PARAM_ERROR", func() step { return answer(200, refusal("PARAM_ERROR")) }, false},
		{"ORDER_NOT_EXIST", func() step { return answer(200, refusal("ORDER_NOT_EXIST")) }, false},
		{"NOTENOUGH, signed", func() step { return answer(200, refused("NOTENOUGH")) }, false},
		{"a code that isn't documented", func() step { return answer(200, refusal("KSHER_MOON_PHASE")) }, false},
		{"a refusal without a code", func() step { return answer(200, `{"code":1}`) }, false},
		{"SYSTEMERROR that isn't signed as it has to be", func() step {
			return answer(200, strings.Replace(refused("SYSTEMERROR"), "order1", "order2", 1))
		}, false},

		{"300", func() step { return answer(300, "") }, false},
		{"302", func() step { return answer(302, "") }, false},
		{"304", func() step { return answer(304, "") }, false},
		{"400", func() step { return answer(400, "") }, false},
		{"401", func() step { return answer(401, "") }, false},
		{"404", func() step { return answer(404, "<html>") }, false},
		{"408", func() step { return answer(408, "") }, false},
		{"429", func() step { return answer(429, "") }, true},
		{"499", func() step { return answer(499, "") }, false},
		{"400 with a refusal", func() step { return answer(400, refusal("PARAM_ERROR")) }, false},

		{"empty", func() step { return answer(200, "") }, false},
		{"HTML", func() step { return answer(200, "<html>") }, false},
		{"JSON cut short", func() step { return answer(200, good[:len(good)-1]) }, false},
		{"another envelope", func() step { return answer(200, `{"ok":true}`) }, false},
		{"no data", func() step { return answer(200, `{"code":0}`) }, false},
		{"no signature", func() step { return answer(200, `{"code":0,"data":`+testkit.GoodData+`}`) }, false},
		{"a signature of half a length", func() step { return answer(200, testkit.WithSign(testkit.GoodData, `"00"`)) }, false},
		{"a signature of other data", func() step { return answer(200, strings.Replace(good, "10000", "10001", 1)) }, false},
		{"another merchant", func() step {
			return answer(200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, testkit.AppID, "mch99999", 1)))
		}, false},
		{"too large a body", func() step { return answerOf(200, endless('a')) }, false},
	}
	for _, tt := range tests {
		for _, op := range testkit.Operations() {
			t.Run(tt.name+" "+op.Name, func(t *testing.T) {
				transport := scripted(tt.step(), tt.step(), tt.step())
				client := repeatingClient(t, transport, ksher.WithRetry(3, 0), ksher.WithMaxResponseBytes(10_000))
				_, err := op.Call(t.Context(), client, ksher.Extra{})
				require.Error(t, err)
				want := 1
				if tt.repeated && !op.Changes {
					want = 3
				}
				assert.Equal(t, want, transport.count(), "%v", err)
			})
		}
	}
}

func TestCodesThatAreRepeated(t *testing.T) {
	t.Parallel()
	repeated := 0
	for _, code := range ksher.Codes() {
		transient := slices.Contains([]ksher.Code{ksher.CodeSystemError, ksher.CodeKsherSystemError, ksher.CodeKsherChannelResponseError}, code)
		if transient {
			repeated++
		}
		for _, op := range testkit.Operations() {
			transport := scripted(answer(200, refusal(string(code))))
			_, err := op.Call(t.Context(), repeatingClient(t, transport, ksher.WithRetry(2, 0)), ksher.Extra{})
			require.ErrorIs(t, err, code)
			want := 1
			if transient && !op.Changes {
				want = 2
			}
			assert.Equal(t, want, transport.count(), "%s of %s", op.Name, code)
		}
	}
	assert.Positive(t, repeated, "or this proves nothing")
	assert.Less(t, repeated, len(ksher.Codes()))
}

// What isn't sent can't be repeated, and what can't be signed isn't sent.
func TestWhatIsNotSentIsNotRepeated(t *testing.T) {
	transport := scripted(answer(500, ""))
	client := repeatingClient(t, transport, ksher.WithRetry(10, 0))
	for _, op := range testkit.Operations() {
		var invalid *ksher.ValidationError
		_, err := op.Call(t.Context(), client, ksher.Extra{Params: map[string]string{"sign": "x"}})
		require.ErrorAs(t, err, &invalid)
		require.ErrorAs(t, op.CallNil(t.Context(), client), &invalid)
	}
	signed := 0
	failing := repeatingClientOf(t, counting{testkit.RSAKey(t, 1024), &signed}, transport, ksher.WithRetry(10, 0))
	require.ErrorContains(t, queryOrder(t.Context(), failing), "did not sign")
	assert.Equal(t, 1, signed)
	assert.Zero(t, transport.count())
}

// counting doesn't sign, and notes how often it was asked to.
type counting struct {
	crypto.Signer
	asked *int
}

func (c counting) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	*c.asked++
	return nil, errors.New("the device is locked")
}

// The same over real connections, with what net/http makes of them.
func TestBrokenConnectionsAreRepeated(t *testing.T) {
	good := testkit.SignedAnswer(t, testkit.GoodData)
	whole := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(good), good)
	tests := []struct {
		name  string
		bytes string
		want  int
	}{
		{"before the answer", "", 3},
		{"in the header", whole[:20], 3},
		{"in the body", whole[:len(whole)-1], 3},
		{"in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"code\":0", 3},
		{"after the answer", whole, 2},
	}
	for _, tt := range tests {
		for _, op := range testkit.Operations() {
			t.Run(tt.name+" "+op.Name, func(t *testing.T) {
				rec := testkit.Recording(nil)
				rec.Next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if rec.Count() == 2 {
						testkit.Cut(w, strings.Replace(tt.bytes, good, testkit.SignedFor(r, good), 1))
						return
					}
					testkit.Answering(200, good).ServeHTTP(w, r)
				})
				client := testkit.NewClient(t, rec, ksher.WithRetry(5, 0))
				_, err := op.Call(t.Context(), client, ksher.Extra{})
				require.NoError(t, err)
				// This one goes over the connection of the first.
				_, err = op.Call(t.Context(), client, ksher.Extra{})
				if tt.want == 3 && op.Changes {
					require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
					assert.Equal(t, 2, rec.Count())
					return
				}
				require.NoError(t, err)
				assert.Equal(t, tt.want, rec.Count())
			})
		}
	}

	const closed = "http://127.0.0.1:1" // A port of one's own may be another's once it is closed.
	t.Run("no connection", func(t *testing.T) {
		tried := 0
		transport := testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			tried++
			return (&http.Transport{}).RoundTrip(r)
		})
		err := queryOrder(t.Context(), repeatingClient(t, transport, ksher.WithMerchantURL(closed), ksher.WithRetry(4, 0)))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.Equal(t, 4, tried)
	})
}

// A nonce that comes twice is a reason to refuse, and an old time may be one.
func TestRepetitionsAreSignedAnew(t *testing.T) {
	for _, op := range testkit.Operations() {
		if op.Changes {
			continue
		}
		t.Run(op.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := scripted(answer(500, ""))
				client := repeatingClient(t, transport, ksher.WithRetry(8, 5*time.Second), ksher.WithTimeout(time.Hour))
				_, err := op.Call(t.Context(), client, ksher.Extra{Params: map[string]string{"more": "x"}})
				require.Error(t, err)
				require.Len(t, transport.forms, 8)
				nonces, stamps := map[string]bool{}, map[string]bool{}
				for i, r := range transport.forms {
					assert.Equal(t, op.URL+"/"+op.Name, r.URL.String())
					form := r.PostForm
					testkit.RequireSigned(t, form, &testkit.RSAKey(t, 1024).PublicKey)
					require.Regexp(t, "^[0-9a-zA-Z]{32}$", form.Get("nonce_str"))
					nonces[form.Get("nonce_str")] = true
					stamps[form.Get("time_stamp")] = true
					assert.Equal(t, transport.times[i].In(time.FixedZone("", 7*3600)).Format("20060102150405"), form.Get("time_stamp"))
					for _, name := range []string{"nonce_str", "time_stamp", "sign"} {
						form.Del(name)
					}
					assert.Equal(t, transport.forms[0].PostForm, form, "all else is the same")
				}
				assert.Len(t, nonces, 8)
				assert.Greater(t, len(stamps), 1)
			})
		})
	}
}

// What a failed attempt said must not be mixed with what the next one says.
func TestNothingIsLeftOfAFailedAttempt(t *testing.T) {
	const stale = `{"appid":"mch12345","mch_order_no":"order1","mch_refund_no":"refund1","result":"NOTSURE","total_fee":77700,"refund_fee":77700,"cash_fee":77,"fee_type":"USD","cash_fee_type":"USD","channel":"alipay","openid":"stale","attach":"stale","rate":"7","time_end":"2020-01-01 00:00:00","ksher_order_no":"stale","channel_order_no":"stale","nonce_str":"stale","stale":1}`
	const fresh = `{"mch_order_no":"order1","mch_refund_no":"refund1","result":"SUCCESS","balance":7000,"mch_id":"12345",
		"begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":[]}`
	staleAnswer := fmt.Sprintf(`{"code":0,"msg":"stale","message":"stale","status_code":"stale","status_msg":"stale","version":"stale","lang":"stale","time_stamp":"2020-01-01T00:00:00+07:00","data":%s,"sign":%q}`,
		stale, testkit.PeerSign(t, testkit.RSAKey(t, 1024), stale))
	freshAnswer := fmt.Sprintf(`{"code":0,"data":%s,"sign":%q}`, fresh, testkit.PeerSign(t, testkit.RSAKey(t, 1024), fresh))
	tests := map[string]step{
		"500 around a whole answer": answer(500, staleAnswer),
		"500 with an envelope":      answer(500, strings.Replace(staleAnswer, `"code":0`, `"code":1`, 1)),
		"SYSTEMERROR with data": answer(200, strings.NewReplacer(`"code":0`, `"code":1`, `"NOTSURE"`, `"FAIL","err_code":"SYSTEMERROR"`).
			Replace(staleAnswer)),
	}
	for name, failed := range tests {
		for _, op := range testkit.Operations() {
			if op.Changes {
				continue
			}
			t.Run(name+" "+op.Name, func(t *testing.T) {
				want, err := op.Call(t.Context(), repeatingClient(t, scripted(answer(200, freshAnswer))), ksher.Extra{})
				require.NoError(t, err)
				transport := scripted(failed, fails(io.EOF), answer(200, freshAnswer))
				got, err := op.Call(t.Context(), repeatingClient(t, transport, ksher.WithRetry(3, 0)), ksher.Extra{})
				require.NoError(t, err)
				assert.Equal(t, 3, transport.count())
				assert.Equal(t, want, got)
				assert.NotContains(t, fmt.Sprintf("%+v", got), "stale")
			})
		}
	}
}

func TestNumberOfAttempts(t *testing.T) {
	for n := 1; n <= 10; n++ {
		for name, failed := range map[string]step{
			"500":         answer(500, "down"),
			"EOF":         fails(io.EOF),
			"SYSTEMERROR": answer(200, refusal("SYSTEMERROR")),
		} {
			t.Run(fmt.Sprintf("%d of %s", n, name), func(t *testing.T) {
				transport := scripted(failed)
				err := queryOrder(t.Context(), repeatingClient(t, transport, ksher.WithRetry(n, 0)))
				assert.Equal(t, n, transport.count())
				if n == 1 {
					assert.NotContains(t, err.Error(), "attempts")
				} else {
					assert.ErrorContains(t, err, fmt.Sprintf("(the last of %d attempts)", n))
				}
				assert.NotContains(t, err.Error(), "\n")
			})
		}
	}
	t.Run("by default", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			transport := scripted(answer(503, ""))
			require.ErrorContains(t, queryOrder(t.Context(), repeatingClient(t, transport)), "(the last of 3 attempts)")
			require.Len(t, transport.forms, 3)
			assert.Less(t, transport.pauses()[0], 500*time.Millisecond)
			assert.Less(t, transport.pauses()[1], time.Second)
		})
	})
	t.Run("the last failure is the one that is told", func(t *testing.T) {
		transport := scripted(answer(500, ""), fails(io.EOF), answer(200, refusal("PARAM_ERROR")))
		err := queryOrder(t.Context(), repeatingClient(t, transport, ksher.WithRetry(10, 0)))
		require.ErrorIs(t, err, ksher.CodeParamError)
		require.NotErrorIs(t, err, fault.ErrHTTPStatus)
		require.NotErrorIs(t, err, io.EOF)
		assert.ErrorContains(t, err, "(the last of 3 attempts)")
		assert.Equal(t, 3, transport.count())
	})
	t.Run("success ends it", func(t *testing.T) {
		transport := scripted(answer(500, ""), answer(200, refusal("SYSTEMERROR")), answer(200, testkit.SignedAnswer(t, testkit.GoodData)), answer(500, ""))
		require.NoError(t, queryOrder(t.Context(), repeatingClient(t, transport, ksher.WithRetry(10, 0))))
		assert.Equal(t, 3, transport.count())
	})
}

func TestPauses(t *testing.T) {
	const runs = 100
	key := hasty{testkit.RSAKey(t, 1024)}
	for _, wait := range []time.Duration{time.Millisecond, 500 * time.Millisecond, 3 * time.Second, 10 * time.Second} {
		t.Run(wait.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var all [9][]time.Duration
				for range runs {
					transport := scripted(fails(io.EOF))
					client := repeatingClientOf(t, key, transport, ksher.WithRetry(10, wait), ksher.WithTimeout(time.Hour))
					start := time.Now()
					require.Error(t, queryOrder(t.Context(), client))
					pauses := transport.pauses()
					require.Len(t, pauses, 9)
					assert.LessOrEqual(t, time.Since(start), 90*time.Second)
					for i, pause := range pauses {
						all[i] = append(all[i], pause)
					}
				}
				for i, pauses := range all {
					most := min(wait<<i, 10*time.Second)
					// That none of a hundred lies in a quarter is a matter of
					// one in 10^12.
					assert.GreaterOrEqual(t, slices.Min(pauses), time.Duration(0), "pause %d", i+1)
					assert.Less(t, slices.Min(pauses), most/4, "pause %d", i+1)
					assert.Greater(t, slices.Max(pauses), most*3/4, "pause %d", i+1)
					assert.Less(t, slices.Max(pauses), most, "pause %d", i+1)
				}
			})
		})
	}
	t.Run("none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			transport := scripted(fails(io.EOF))
			require.Error(t, queryOrder(t.Context(), repeatingClient(t, transport, ksher.WithRetry(10, 0))))
			assert.Equal(t, make([]time.Duration, 9), transport.pauses())
		})
	})
	t.Run("the shortest there is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			transport := scripted(fails(io.EOF))
			require.Error(t, queryOrder(t.Context(), repeatingClient(t, transport, ksher.WithRetry(10, time.Nanosecond))))
			assert.Len(t, transport.forms, 10)
		})
	})
}

package tests

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
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

func TestLogger(t *testing.T) {
	refused := `{"appid":"mch12345","mch_order_no":"order1","result":"FAIL","err_code":"NOAUTH","err_msg":"Somchai's balance","openid":"buyer-4711"}`
	tests := []struct {
		name   string
		status int
		body   string
		// want is for a changing operation, wantQuery for a query.
		want, wantQuery testkit.LogLine
	}{
		{
			"success", 200, testkit.SignedAnswer(t, testkit.GoodData),
			testkit.LogLine{Level: "INFO", Outcome: "ok"},
			testkit.LogLine{Level: "DEBUG", Outcome: "ok"},
		},
		{
			"refusal", 200, testkit.SignedAnswer(t, refused),
			testkit.LogLine{Level: "WARN", Outcome: "refused", Code: "NOAUTH", HTTPStatus: 200},
			testkit.LogLine{Level: "WARN", Outcome: "refused", Code: "NOAUTH", HTTPStatus: 200},
		},
		{
			"unknown outcome", 502, "<html>openid buyer-4711, Somchai</html>",
			testkit.LogLine{Level: "ERROR", Outcome: "unknown", HTTPStatus: 502, Cause: fault.ErrHTTPStatus.Error()},
			testkit.LogLine{Level: "WARN", Outcome: "failed", HTTPStatus: 502, Cause: fault.ErrHTTPStatus.Error()},
		},
		{
			"not believed", 200, strings.Replace(testkit.SignedAnswer(t, testkit.GoodData), "10000", "10001", 1),
			testkit.LogLine{Level: "ERROR", Outcome: "unknown", HTTPStatus: 200, Cause: fault.ErrSignatureMismatch.Error()},
			testkit.LogLine{Level: "WARN", Outcome: "failed", HTTPStatus: 200, Cause: fault.ErrSignatureMismatch.Error()},
		},
	}
	key := testkit.RSAKey(t, 1024)
	for _, tt := range tests {
		for _, op := range testkit.Operations() {
			t.Run(tt.name+" "+op.Name, func(t *testing.T) {
				var log testkit.LogBuffer
				rec := testkit.Recording(testkit.Answering(tt.status, tt.body))
				client := testkit.NewClient(t, rec, ksher.WithLogger(log.Logger(slog.LevelDebug)))
				_, err := op.Call(t.Context(), client, ksher.Extra{})
				assert.Equal(t, tt.want.Outcome != "ok", err != nil)

				lines := log.Lines(t)
				require.Len(t, lines, 1)
				require.NotNil(t, lines[0].Duration)
				assert.GreaterOrEqual(t, *lines[0].Duration, int64(0))
				lines[0].Duration = nil
				want := tt.want
				if !op.Changes {
					want = tt.wantQuery
				}
				want.Msg, want.AppID, want.Operation, want.OrderNo, want.Attempt = "ksher call", testkit.AppID, op.Name, op.OrderNo(), 1
				if strings.Contains(op.Name, "refund") {
					want.RefundNo = testkit.RefundNo
				}
				assert.Equal(t, want, lines[0])

				secrets := map[string]string{
					"the signature sent":   rec.Only(t).PostForm.Get("sign"),
					"the signature got":    testkit.PeerSign(t, key, testkit.GoodData),
					"the key in hex":       key.D.Text(16),
					"the key in decimal":   key.D.String(),
					"what names the buyer": "buyer-4711",
					"a name":               "Somchai",
				}
				for what, secret := range secrets {
					assert.NotContains(t, log.Text(), secret, what)
					if err != nil && what != "what names the buyer" && what != "a name" {
						assert.NotContains(t, err.Error(), secret, what)
					}
				}
			})
		}
	}

	t.Run("nothing below its level", func(t *testing.T) {
		var log testkit.LogBuffer
		client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)), ksher.WithLogger(log.Logger(slog.LevelWarn)))
		_, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
		require.NoError(t, err)
		assert.Empty(t, log.Text())
	})
	t.Run("an order number is one line", func(t *testing.T) {
		var log testkit.LogBuffer
		client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"pay_content":"https://pay.example"}`)), ksher.WithLogger(log.Logger(slog.LevelInfo)))
		req := testkit.GoodGatewayPay()
		req.MchOrderNo = "a\nlevel=ERROR"
		_, err := client.GatewayPay(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, "a level=ERROR", log.Lines(t)[0].OrderNo)
	})
	t.Run("what isn't sent isn't logged", func(t *testing.T) {
		var log testkit.LogBuffer
		client := testkit.NewClient(t, testkit.Answering(200, ""), ksher.WithLogger(log.Logger(slog.LevelDebug)))
		_, err := client.GatewayPay(t.Context(), &ksher.GatewayPayRequest{})
		require.Error(t, err)
		assert.Empty(t, log.Text())
	})
}

// seen is an Attempt in a form that can be compared.
type seen struct {
	operation, orderNo, refundNo string
	number                       int
	duration                     time.Duration
	err                          error
	outcome                      string
}

func seenOf(a ksher.Attempt) seen {
	return seen{a.Operation, a.OrderNo, a.RefundNo, a.Number, a.Duration, a.Err, a.Outcome()}
}

func TestHook(t *testing.T) {
	const took = 1234 * time.Millisecond
	tests := []struct {
		name string
		step step
		// want is for an operation that changes something, wantQuery for a query.
		want, wantQuery string
	}{
		{"success", answer(200, testkit.SignedAnswer(t, testkit.GoodData)), "ok", "ok"},
		{"refusal", answer(200, refusal("PARAM_ERROR")), "refused", "refused"},
		{"refusal in doubt", answer(200, refusal("SYSTEMERROR")), "unknown", "refused"},
		{"outage", answer(502, ""), "unknown", "failed"},
		{"not believed", answer(200, `{"code":0,"data":`+testkit.GoodData+`}`), "unknown", "failed"},
		{"no answer", fails(io.EOF), "unknown", "failed"},
	}
	for _, tt := range tests {
		for _, op := range testkit.Operations() {
			t.Run(tt.name+" "+op.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var o testkit.Observer
					var log testkit.LogBuffer
					transport := scripted(func(r *http.Request) (*http.Response, error) {
						assert.Len(t, o.Begun, 1, "begun before the request")
						assert.Empty(t, o.Done, "and not ended yet")
						time.Sleep(took)
						return tt.step(r)
					})
					client := repeatingClient(t, transport, ksher.WithRetry(1, 0), ksher.WithHook(o.Hook), ksher.WithLogger(log.Logger(slog.LevelDebug)))
					_, err := op.Call(t.Context(), client, ksher.Extra{})

					want := seen{operation: op.Name, orderNo: op.OrderNo(), number: 1, outcome: "ok"}
					if strings.Contains(op.Name, "refund") {
						want.refundNo = testkit.RefundNo
					}
					require.Len(t, o.Begun, 1)
					assert.Equal(t, want, seenOf(o.Begun[0]))
					want.duration, want.err, want.outcome = took, err, tt.want
					if !op.Changes {
						want.outcome = tt.wantQuery
					}
					require.Len(t, o.Done, 1)
					assert.Equal(t, want, seenOf(o.Done[0]))

					require.Len(t, log.Lines(t), 1)
					assert.Equal(t, string(want.outcome), log.Lines(t)[0].Outcome)
					assert.Equal(t, int64(took), *log.Lines(t)[0].Duration)
				})
			})
		}
	}

	t.Run("a request that doesn't get as far", func(t *testing.T) {
		var o testkit.Observer
		transport := scripted(answer(500, ""))
		locked := errors.New("the device is locked")
		client := repeatingClientOf(t, &testkit.HSM{Key: testkit.RSAKey(t, 1024), Err: locked}, transport, ksher.WithHook(o.Hook))
		_, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
		require.ErrorIs(t, err, locked)
		require.Len(t, o.Done, 1)
		assert.Equal(t, "failed", o.Done[0].Outcome())
		assert.Equal(t, err, o.Done[0].Err)
	})
}

func TestOutcomeOf(t *testing.T) {
	assert.Equal(t, "ok", ksher.Attempt{}.Outcome())
	for want, failures := range map[string][]error{
		"unknown": {ksher.ErrOutcomeUnknown, fmt.Errorf("refunding: %w", ksher.ErrOutcomeUnknown)},
		"refused": {&ksher.Error{}, &ksher.Error{Code: ksher.CodeNotEnough}, fmt.Errorf("x: %w", &ksher.Error{})},
		"failed":  {&ksher.Error{Err: io.EOF}, &ksher.ValidationError{}, io.EOF, context.Canceled, ksher.ErrSignature},
	} {
		for _, err := range failures {
			assert.Equal(t, want, ksher.Attempt{Err: err}.Outcome(), "%#v", err)
		}
	}
}

// The pauses belong to no attempt.
func TestHookSeesEachAttempt(t *testing.T) {
	after := func(d time.Duration, then step) step {
		return func(r *http.Request) (*http.Response, error) {
			time.Sleep(d)
			return then(r)
		}
	}
	for _, op := range testkit.Operations() {
		if op.Changes {
			continue
		}
		t.Run(op.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var o testkit.Observer
				var log testkit.LogBuffer
				transport := scripted(
					after(1*time.Second, answer(503, "")),
					after(2*time.Second, fails(io.EOF)),
					after(3*time.Second, answer(200, refusal("SYSTEMERROR"))),
					after(4*time.Second, answer(200, testkit.SignedAnswer(t, testkit.GoodData))))
				client := repeatingClient(t, transport, ksher.WithRetry(10, 5*time.Second), ksher.WithTimeout(time.Hour),
					ksher.WithHook(o.Hook), ksher.WithLogger(log.Logger(slog.LevelDebug)))
				_, err := op.Call(t.Context(), client, ksher.Extra{})
				require.NoError(t, err)

				lines := log.Lines(t)
				require.Len(t, o.Begun, 4)
				require.Len(t, o.Done, 4)
				require.Len(t, lines, 4)
				causes := []error{fault.ErrHTTPStatus, io.EOF, ksher.CodeSystemError, nil}
				outcomes := []string{"failed", "failed", "refused", "ok"}
				levels := []string{"WARN", "WARN", "WARN", "DEBUG"}
				for i := range 4 {
					begun, done := seenOf(o.Begun[i]), seenOf(o.Done[i])
					assert.Equal(t, i+1, begun.number)
					assert.NoError(t, begun.err)
					assert.Zero(t, begun.duration)
					assert.Equal(t, op.Name, begun.operation)

					require.ErrorIs(t, done.err, causes[i])
					for _, other := range causes[:3] {
						assert.Equal(t, other == causes[i], errors.Is(done.err, other), "attempt %d, %v", i+1, other)
					}
					begun.duration, begun.err, begun.outcome = time.Duration(i+1)*time.Second, done.err, outcomes[i]
					assert.Equal(t, begun, done)

					assert.Equal(t, i+1, lines[i].Attempt)
					assert.Equal(t, string(outcomes[i]), lines[i].Outcome)
					assert.Equal(t, levels[i], lines[i].Level)
					assert.Equal(t, int64(done.duration), *lines[i].Duration)
				}
			})
		})
	}
}

type contextKey string

// What the hooks put into the context is there for the hooks within, for the
// request and for the log, and for no other attempt.
func TestContextOfHooks(t *testing.T) {
	var events []string
	note := func(ctx context.Context, what string) {
		events = append(events, fmt.Sprintf("%s, caller %v, outer %v, inner %v", what,
			ctx.Value(contextKey("caller")), ctx.Value(contextKey("outer")), ctx.Value(contextKey("inner"))))
	}
	hook := func(name string) ksher.Option {
		return ksher.WithHook(func(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
			note(ctx, fmt.Sprintf("begin %s of %d", name, a.Number))
			return context.WithValue(ctx, contextKey(name), a.Number), func(a ksher.Attempt) {
				events = append(events, fmt.Sprintf("end %s of %d", name, a.Number))
			}
		})
	}
	reply := func(next step) step {
		return func(r *http.Request) (*http.Response, error) {
			note(r.Context(), "request")
			_, limited := r.Context().Deadline()
			assert.True(t, limited, "WithTimeout still counts")
			return next(r)
		}
	}
	transport := scripted(reply(answer(500, "")), reply(answer(200, testkit.SignedAnswer(t, testkit.GoodData))))
	logger := slog.New(contextHandler{slog.DiscardHandler, func(ctx context.Context) { note(ctx, "log") }})
	client := repeatingClient(t, transport, ksher.WithRetry(2, 0), hook("outer"), hook("inner"), ksher.WithLogger(logger))
	require.NoError(t, queryOrder(context.WithValue(t.Context(), contextKey("caller"), "x"), client))
	assert.Equal(t, []string{
		"begin outer of 1, caller x, outer <nil>, inner <nil>",
		"begin inner of 1, caller x, outer 1, inner <nil>",
		"request, caller x, outer 1, inner 1",
		"end inner of 1",
		"end outer of 1",
		"log, caller x, outer 1, inner 1",
		"begin outer of 2, caller x, outer <nil>, inner <nil>",
		"begin inner of 2, caller x, outer 2, inner <nil>",
		"request, caller x, outer 2, inner 2",
		"end inner of 2",
		"end outer of 2",
		"log, caller x, outer 2, inner 2",
	}, events)
}

// contextHandler passes on the context of a log line, in which a handler may look
// for a trace ID.
type contextHandler struct {
	slog.Handler
	note func(context.Context)
}

func (contextHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h contextHandler) Handle(ctx context.Context, _ slog.Record) error {
	h.note(ctx)
	return nil
}

// A panic gets to the caller only on the caller's goroutine.
func TestHookRunsOnTheCallersGoroutine(t *testing.T) {
	bad := func(context.Context, ksher.Attempt) (context.Context, func(ksher.Attempt)) { panic("begin") }
	worse := func(ctx context.Context, _ ksher.Attempt) (context.Context, func(ksher.Attempt)) {
		return ctx, func(ksher.Attempt) { panic("end") }
	}
	for want, hook := range map[string]ksher.Hook{"begin": bad, "end": worse} {
		client := repeatingClient(t, scripted(answer(200, testkit.SignedAnswer(t, testkit.GoodData))), ksher.WithHook(hook))
		assert.PanicsWithValue(t, want, func() { _ = queryOrder(t.Context(), client) })
	}
}

// A hook that is careless mustn't cost a payment.
func TestHookWithoutContextOrEnd(t *testing.T) {
	bare := func(context.Context, ksher.Attempt) (context.Context, func(ksher.Attempt)) { return nil, nil }
	for _, op := range testkit.Operations() {
		var o testkit.Observer
		transport := scripted(func(r *http.Request) (*http.Response, error) {
			assert.Equal(t, "x", r.Context().Value(contextKey("caller")))
			return answer(200, testkit.SignedAnswer(t, testkit.GoodData))(r)
		})
		client := repeatingClient(t, transport, ksher.WithHook(bare), ksher.WithHook(o.Hook), ksher.WithHook(bare))
		_, err := op.Call(context.WithValue(t.Context(), contextKey("caller"), "x"), client, ksher.Extra{})
		require.NoError(t, err)
		assert.Len(t, o.Begun, 1)
		assert.Len(t, o.Done, 1)
	}
}

// The end of the hook's context is the end of the attempt, as for any other.
func TestHookEndsTheContext(t *testing.T) {
	ended := func(ctx context.Context, _ ksher.Attempt) (context.Context, func(ksher.Attempt)) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return ctx, nil
	}
	for _, op := range testkit.Operations() {
		transport := scripted(answer(200, testkit.SignedAnswer(t, testkit.GoodData)))
		_, err := op.Call(t.Context(), repeatingClient(t, transport, ksher.WithHook(ended)), ksher.Extra{})
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
		assert.Zero(t, transport.count())
	}
}

func TestHookIsNotToldOfInvalidRequests(t *testing.T) {
	var o testkit.Observer
	client := repeatingClient(t, scripted(answer(500, "")), ksher.WithHook(o.Hook))
	var noContext context.Context
	for _, op := range testkit.Operations() {
		var invalid *ksher.ValidationError
		_, err := op.Call(t.Context(), client, ksher.Extra{Params: map[string]string{"sign": "x"}})
		require.ErrorAs(t, err, &invalid)
		_, err = op.Call(noContext, client, ksher.Extra{})
		require.ErrorAs(t, err, &invalid)
		require.ErrorAs(t, op.CallNil(t.Context(), client), &invalid)
	}
	assert.Empty(t, o.Begun)
	assert.Empty(t, o.Done)
}

func TestAttemptHasNoSecret(t *testing.T) {
	key := testkit.RSAKey(t, 1024)
	answers := map[string]func(sign string) step{
		"success":     func(string) step { return answer(200, testkit.SignedAnswer(t, testkit.GoodData)) },
		"page":        func(sign string) step { return answer(500, "<p>"+sign) },
		"refusal":     func(sign string) step { return answer(200, `{"code":1,"msg":"PARAM_ERROR","message":"`+sign+`"}`) },
		"broken":      func(sign string) step { return fails(errors.New("malformed HTTP response " + sign)) },
		"broken body": func(sign string) step { return answer(200, `{"sign":"`+sign) },
		"signed wrongly": func(string) step {
			return answer(200, strings.Replace(testkit.SignedAnswer(t, testkit.GoodData), "10000", "10001", 1))
		},
	}
	for name, answer := range answers {
		for _, op := range testkit.Operations() {
			t.Run(name+" "+op.Name, func(t *testing.T) {
				var o testkit.Observer
				transport := scripted(func(r *http.Request) (*http.Response, error) { return answer(r.PostForm.Get("sign"))(r) })
				client := repeatingClientOf(t, key, transport, ksher.WithRetry(2, 0), ksher.WithHook(o.Hook))
				_, err := op.Call(t.Context(), client, ksher.Extra{})
				assert.Equal(t, name != "success", err != nil)
				require.Len(t, o.Done, transport.count())
				for _, a := range append(o.Begun, o.Done...) {
					for _, text := range []string{fmt.Sprintf("%+v", a), fmt.Sprintf("%v", a), fmt.Sprintf("%+v", &a)} {
						assert.Contains(t, text, op.Name)
						for _, r := range transport.forms {
							testkit.AssertNoSignature(t, text, r.PostForm.Get("sign"))
						}
						testkit.AssertNoSignature(t, text, testkit.PeerSign(t, key, testkit.GoodData))
						for _, secret := range secretsOf(key) {
							assert.NotContains(t, text, secret)
						}
					}
				}
			})
		}
	}
}

func TestHookOfCallsAtTheSameTime(t *testing.T) {
	var o testkit.Observer
	rec := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, testkit.OrderNo, r.PostForm.Get("mch_order_no"), 1))).ServeHTTP(w, r)
	}))
	client := testkit.NewClient(t, rec, ksher.WithHook(o.Hook))
	const calls = 50
	var group sync.WaitGroup
	for i := range calls {
		group.Go(func() {
			_, err := client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: fmt.Sprintf("order%d", 100+i)})
			assert.NoError(t, err)
		})
	}
	group.Wait()
	begun, done := map[string]bool{}, map[string]bool{}
	for i := range o.Begun {
		begun[o.Begun[i].OrderNo], done[o.Done[i].OrderNo] = true, true
		assert.Equal(t, 1, o.Done[i].Number)
	}
	assert.Len(t, begun, calls)
	assert.Equal(t, begun, done)
}

func TestKeyHealth(t *testing.T) {
	parsed := func(bits int) crypto.Signer {
		key, err := ksher.ParsePrivateKey([]byte(testkit.ReadFile(t, fmt.Sprintf("keys/rsa%d.pkcs8.pem", bits))))
		require.NoError(t, err)
		return key
	}
	public := func(bits ...int) ksher.Option {
		var keys []*rsa.PublicKey
		for _, n := range bits {
			keys = append(keys, &testkit.RSAKey(t, n).PublicKey)
		}
		return ksher.WithVerifier(testkit.NewVerifier(keys...))
	}
	v2 := ksher.WithSignVersion(ksher.SignV2)
	tests := []struct {
		name string
		key  crypto.Signer
		opts []ksher.Option
		want ksher.KeyHealth
		weak bool
	}{
		{"as an account begins", parsed(512), nil, ksher.KeyHealth{MerchantBits: 512, SignVersion: ksher.SignV1, GatewayBits: []int{512}}, true},
		{"V1", parsed(2048), nil, ksher.KeyHealth{MerchantBits: 2048, SignVersion: ksher.SignV1, GatewayBits: []int{512}}, true},
		{"V2 and 512 bits", parsed(512), []ksher.Option{v2}, ksher.KeyHealth{MerchantBits: 512, SignVersion: ksher.SignV2, GatewayBits: []int{2048}}, true},
		{"V2 and 512 bits of crypto/rsa", testkit.RSAKey(t, 512), []ksher.Option{v2}, ksher.KeyHealth{MerchantBits: 512, SignVersion: ksher.SignV2, GatewayBits: []int{2048}}, true},
		{"V2 and 1024 bits", parsed(1024), []ksher.Option{v2}, ksher.KeyHealth{MerchantBits: 1024, SignVersion: ksher.SignV2, GatewayBits: []int{2048}}, false},
		{"V2 and 2048 bits", parsed(2048), []ksher.Option{v2}, ksher.KeyHealth{MerchantBits: 2048, SignVersion: ksher.SignV2, GatewayBits: []int{2048}}, false},
		{"V2 and a weak device", &testkit.HSM{Key: testkit.RSAKey(t, 512)}, []ksher.Option{v2}, ksher.KeyHealth{MerchantBits: 512, SignVersion: ksher.SignV2, GatewayBits: []int{2048}}, true},
		{"V2 and a device", &testkit.HSM{Key: testkit.RSAKey(t, 4096)}, []ksher.Option{v2}, ksher.KeyHealth{MerchantBits: 4096, SignVersion: ksher.SignV2, GatewayBits: []int{2048}}, false},
		{"own keys, all long", parsed(1024), []ksher.Option{public(4096, 1024)}, ksher.KeyHealth{MerchantBits: 1024, SignVersion: ksher.SignV1, GatewayBits: []int{4096, 1024}}, false},
		{"own keys, one short", parsed(1024), []ksher.Option{public(4096, 512, 1024)}, ksher.KeyHealth{MerchantBits: 1024, SignVersion: ksher.SignV1, GatewayBits: []int{4096, 512, 1024}}, true},
		{"both of Ksher's", parsed(1024), []ksher.Option{v2, ksher.WithVerifier(testkit.NewVerifier(ksher.GatewayPublicKey(ksher.SignV1), ksher.GatewayPublicKey(ksher.SignV2)))},
			ksher.KeyHealth{MerchantBits: 1024, SignVersion: ksher.SignV2, GatewayBits: []int{512, 2048}}, true},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log testkit.LogBuffer
			transport := scripted(answer(500, ""))
			appID := fmt.Sprintf("mchweak%d", i) // It is warned of each once.
			newClient := func() *ksher.Client {
				client, err := ksher.NewClient(appID, tt.key, append(tt.opts,
					ksher.WithHTTPClient(&http.Client{Transport: transport}), ksher.WithRetry(1, 0), ksher.WithLogger(log.Logger(slog.LevelDebug)))...)
				require.NoError(t, err)
				return client
			}
			newClient()
			client := newClient()
			warning := log.Text()
			assert.Equal(t, tt.want, client.KeyHealth())
			assert.Equal(t, tt.weak, client.KeyHealth().Weak())
			// What it returns is the caller's.
			client.KeyHealth().GatewayBits[0] = 1
			assert.Equal(t, tt.want, client.KeyHealth())

			require.Error(t, queryOrder(t.Context(), client))
			lines := log.Lines(t)
			if !tt.weak {
				assert.Empty(t, warning)
				require.Len(t, lines, 1)
				assert.Equal(t, "ksher call", lines[0].Msg)
				return
			}
			require.Len(t, lines, 2, "once, and nothing about it with the call")
			assert.Equal(t, "WARN", lines[0].Level)
			assert.Contains(t, lines[0].Msg, "weak")
			assert.Equal(t, "ksher call", lines[1].Msg)
			assert.JSONEq(t, fmt.Sprintf(`{"app_id":%q,"merchant_bits":%d,"sign_version":%d,"gateway_bits":%s}`,
				appID, tt.want.MerchantBits, tt.want.SignVersion, strings.ReplaceAll(fmt.Sprint(tt.want.GatewayBits), " ", ",")), attrsOf(t, warning))
			own, isDevice := tt.key.(*testkit.HSM)
			if !isDevice {
				own = &testkit.HSM{Key: testkit.RSAKey(t, tt.want.MerchantBits)}
			}
			moduli := []*rsa.PublicKey{&own.Key.PublicKey, ksher.GatewayPublicKey(ksher.SignV1), ksher.GatewayPublicKey(ksher.SignV2)}
			for _, secret := range secretsOf(own.Key) {
				assert.NotContains(t, warning, secret)
			}
			for _, public := range moduli {
				assert.NotContains(t, warning, public.N.Text(10)[:16])
				assert.NotContains(t, warning, public.N.Text(16)[:16])
			}
		})
	}
}

// attrsOf is a line of the log without what every line has.
func attrsOf(tb testing.TB, line string) string {
	tb.Helper()
	var attrs map[string]any
	require.NoError(tb, json.Unmarshal([]byte(line), &attrs))
	delete(attrs, "time")
	delete(attrs, "level")
	delete(attrs, "msg")
	text, err := json.Marshal(attrs)
	require.NoError(tb, err)
	return string(text)
}

func TestWeak(t *testing.T) {
	for _, tt := range []struct {
		merchant int
		gateway  []int
		want     bool
	}{
		{1024, []int{1024}, false},
		{1023, []int{1024}, true},
		{1024, []int{1023}, true},
		{1024, []int{2048, 1023}, true},
		{1024, []int{1023, 2048}, true},
		{4096, []int{2048, 1024}, false},
		{4096, nil, true},
		{0, []int{2048}, true},
	} {
		assert.Equal(t, tt.want, ksher.KeyHealth{MerchantBits: tt.merchant, GatewayBits: tt.gateway}.Weak(), "%+v", tt)
	}
}

// What NewClient didn't make has no keys, and a client that it refuses isn't
// worth a warning.
func TestKeyHealthWithoutKeys(t *testing.T) {
	assert.Equal(t, ksher.KeyHealth{}, new(ksher.Client).KeyHealth())
	assert.Equal(t, ksher.KeyHealth{}, (*ksher.Client)(nil).KeyHealth())
	assert.True(t, ksher.KeyHealth{}.Weak())

	var log testkit.LogBuffer
	_, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 512), ksher.WithLogger(log.Logger(slog.LevelDebug)), ksher.WithTimeout(0))
	require.Error(t, err)
	assert.Empty(t, log.Text())
}

package tests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

func TestNotificationsSize(t *testing.T) {
	good := testkit.SignedAnswer(t, testkit.NotifiedNative)
	confirming := testkit.ByOperation{"order_query": testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedNative))}
	t.Run("exactly 64 KiB", func(t *testing.T) {
		m := testkit.NewMerchant(t, confirming, nil)
		assert.Equal(t, 200, testkit.Post(m.Handler, good+strings.Repeat(" ", 64<<10-len(good))).Code)
		assert.Equal(t, 413, testkit.Post(m.Handler, good+strings.Repeat(" ", 64<<10-len(good)+1)).Code)
	})
	t.Run("100 MB in little memory", func(t *testing.T) {
		m := testkit.NewMerchant(t, confirming, nil)
		server := httptest.NewServer(m.Handler)
		t.Cleanup(server.Close)
		var resp *http.Response
		var err error
		memory := allocated(func() {
			resp, err = server.Client().Post(server.URL, "text/plain", io.LimitReader(endless('{'), hundredMB))
		})
		assert.Less(t, memory, fewBytes)
		if err == nil { // The server may hang up before the client is done.
			resp.Body.Close()
			assert.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
		}
		assert.Zero(t, m.Calls.Load())
	})
	t.Run("a body that breaks off", func(t *testing.T) {
		m := testkit.NewMerchant(t, confirming, nil)
		r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(good[:10]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		w := httptest.NewRecorder()
		m.Handler.ServeHTTP(w, r)
		testkit.RequireRefused(t, w, http.StatusBadRequest)
	})
}

func TestNotificationsConcurrently(t *testing.T) {
	var gateway http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := strings.Replace(testkit.ConfirmedNative, testkit.OrderNo, r.PostForm.Get("mch_order_no"), 1)
		testkit.Answering(200, testkit.SignedAnswer(t, data)).ServeHTTP(w, r)
	})
	m := testkit.NewMerchant(t, gateway, nil)
	server := httptest.NewServer(m.Handler)
	t.Cleanup(server.Close)
	const orders, deliveries = 10, 5
	deliver := func(i int) (status int, text string) {
		no := fmt.Sprintf("order%d", i%orders)
		body := testkit.SignedAnswer(t, strings.Replace(testkit.NotifiedNative, testkit.OrderNo, no, 1))
		resp, err := server.Client().Post(server.URL+"/notify", "text/plain;charset=utf-8", strings.NewReader(body))
		if !assert.NoError(t, err) {
			return 0, ""
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		assert.NoError(t, err)
		return resp.StatusCode, string(answer)
	}
	var group sync.WaitGroup
	var taken [orders]atomic.Int64
	for i := range orders * deliveries {
		group.Go(func() {
			// Which of them comes while another is being handled is left to chance.
			status, text := deliver(i)
			if status == http.StatusOK {
				assert.Equal(t, testkit.Accepted, text)
				taken[i%orders].Add(1)
			} else {
				assert.Equal(t, http.StatusServiceUnavailable, status, text)
			}
		})
	}
	group.Wait()
	for i := range orders {
		assert.Positive(t, taken[i].Load(), "deliveries of order%d that were accepted", i)
		_, text := deliver(i)
		assert.Equal(t, testkit.Accepted, text)
	}
	close(m.Got)
	count := map[string]int{}
	for n := range m.Got {
		count[n.MchOrderNo]++
	}
	assert.Len(t, count, orders)
	for no, n := range count {
		assert.Equal(t, 1, n, no)
	}
}

// watched is what a hook saw of an attempt, from the beginning to the end.
type watched struct {
	begin, end ksher.Attempt
	// within is the operation of the attempt around it.
	within string
	ended  bool
}

// watching is a hook that keeps what it sees. It marks the context.
type watching struct {
	mu  sync.Mutex
	all []*watched
}

type withinKey struct{}

func (h *watching) hook(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
	within, _ := ctx.Value(withinKey{}).(string)
	seen := &watched{begin: a, within: within}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, seen)
	return context.WithValue(ctx, withinKey{}, within+"/"+a.Operation), func(a ksher.Attempt) {
		h.mu.Lock()
		defer h.mu.Unlock()
		seen.end, seen.ended = a, true
	}
}

func TestNotificationsHooks(t *testing.T) {
	down := errors.New("the database is down")
	confirms := testkit.ByOperation{"order_query": testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedNative))}
	unknown := testkit.ByOperation{"order_query": testkit.UnknownOrder("ORDER_NOT_EXIST"), "gateway_order_query": testkit.UnknownOrder("ORDER_NOT_EXIST")}
	tests := []struct {
		name    string
		gateway testkit.ByOperation
		body    string
		fn      error
		// queries are the outcomes of the queries, in their order.
		queries []string
		outcome string
		orderNo string
		want    error
	}{
		{"accepted", confirms, testkit.Notified(t, testkit.OrderNo), nil, []string{"ok"}, "ok", testkit.OrderNo, nil},
		{"fn fails", confirms, testkit.Notified(t, testkit.OrderNo), down, []string{"ok"}, "failed", testkit.OrderNo, down},
		{
			"fn refunds, and it is in doubt", confirms, testkit.Notified(t, testkit.OrderNo), ksher.ErrOutcomeUnknown,
			[]string{"ok"}, "unknown", testkit.OrderNo, ksher.ErrOutcomeUnknown,
		},
		{
			"not known to the gateway", unknown, testkit.Notified(t, testkit.OrderNo), nil,
			[]string{"refused"}, "failed", testkit.OrderNo, ksher.CodeOrderNotExist,
		},
		{
			"an outage", testkit.ByOperation{"order_query": testkit.Answering(502, "")}, testkit.Notified(t, testkit.OrderNo), nil,
			[]string{"failed"}, "failed", testkit.OrderNo, fault.ErrHTTPStatus,
		},
		{
			"another amount", testkit.ByOperation{"order_query": testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(testkit.ConfirmedNative, "10000", "9999", 1)))}, testkit.Notified(t, testkit.OrderNo), nil,
			[]string{"ok"}, "refused", testkit.OrderNo, ksher.ErrOtherOrder,
		},
		{"forged", confirms, testkit.WithSign(testkit.NotifiedNative, `"00"`), nil, nil, "refused", "", ksher.ErrSignature},
		{"result FAIL", confirms, testkit.SignedAnswer(t, `{"result":"FAIL","err_code":"SYSTEMERROR"}`), nil, nil, "refused", "", ksher.CodeSystemError},
		{"not JSON", confirms, "paid!", nil, nil, "refused", "", fault.ErrNotJSON},
		{"nothing", confirms, "", nil, nil, "refused", "", fault.ErrEmptyBody},
		{"too large", confirms, strings.Repeat(" ", 1<<20), nil, nil, "refused", "", fault.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// In a bubble, so that the clock shows how long something takes.
			synctest.Test(t, func(t *testing.T) {
				outer, inner := &watching{}, &watching{}
				client := testkit.OfflineClient(t, testkit.AppID, testkit.Recording(tt.gateway), testkit.TrustTestKey(t), ksher.WithHook(outer.hook), ksher.WithHook(inner.hook))
				handler := testkit.NotificationsOf(t, client, ksher.HostMerchant, func(ctx context.Context, _ *ksher.Order) error {
					assert.Equal(t, "/notification/notification", ctx.Value(withinKey{}), "the context of both hooks")
					time.Sleep(3 * time.Second)
					return tt.fn
				})
				testkit.Post(handler, tt.body)

				for _, h := range []*watching{outer, inner} {
					require.Len(t, h.all, 1+len(tt.queries))
					n := h.all[0]
					assert.Equal(t, "notification", n.begin.Operation)
					assert.Equal(t, 1, n.begin.Number)
					assert.Empty(t, n.begin.OrderNo, "it isn't known yet")
					assert.Zero(t, n.begin.Duration)
					require.NoError(t, n.begin.Err)

					require.True(t, n.ended)
					assert.Equal(t, "notification", n.end.Operation)
					assert.Equal(t, tt.orderNo, n.end.OrderNo)
					assert.Equal(t, tt.outcome, n.end.Outcome(), "%v", n.end.Err)
					require.ErrorIs(t, n.end.Err, tt.want)
					took := time.Duration(0)
					if tt.fn != nil || tt.outcome == "ok" {
						took = 3 * time.Second
					}
					assert.Equal(t, took, n.end.Duration)
					for i, q := range h.all[1:] {
						assert.Contains(t, q.within, "/notification", "the query is within")
						assert.Contains(t, q.end.Operation, "order_query")
						assert.Equal(t, testkit.OrderNo, q.begin.OrderNo)
						assert.True(t, q.ended)
						assert.Equal(t, tt.queries[i], q.end.Outcome())
					}
				}
			})
		})
	}
}

// Copies of a notification cost one query, however many arrive and however they arrive.
func TestReplaysCostNoQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		gateway := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-release
			paying(t).ServeHTTP(w, r)
		}))
		calls := 0
		handler := testkit.NotificationsOf(t, testkit.OfflineClient(t, testkit.AppID, gateway, testkit.TrustTestKey(t)), ksher.HostMerchant,
			func(context.Context, *ksher.Order) error { calls++; return nil })
		body := testkit.Notified(t, testkit.OrderNo)
		var done sync.WaitGroup
		codes := make([]int, 300)
		for i := range codes {
			done.Go(func() { codes[i] = testkit.Post(handler, body).Code })
		}
		synctest.Wait()
		assert.Equal(t, 403, testkit.Post(handler, testkit.WithSign(testkit.NotifiedNative, `"00"`)).Code, "a forged one is refused meanwhile")
		close(release)
		done.Wait()
		assert.Equal(t, 1, gateway.Count())
		assert.Len(t, slices.DeleteFunc(codes, func(code int) bool { return code == 503 }), 1)
		for range 300 {
			assert.Equal(t, 200, testkit.Post(handler, body).Code)
		}
		assert.Equal(t, 1, gateway.Count())
		assert.Equal(t, 1, calls)
	})
	t.Run("of an order that isn't paid", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gateway := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(testkit.ConfirmedNative, "SUCCESS", "REFUND", 1))))
			handler := testkit.NotificationsOf(t, testkit.OfflineClient(t, testkit.AppID, gateway, testkit.TrustTestKey(t)), ksher.HostMerchant,
				func(context.Context, *ksher.Order) error { return errors.New("called") })
			for range 300 {
				assert.NotEqual(t, 200, testkit.Post(handler, testkit.Notified(t, testkit.OrderNo)).Code)
			}
			assert.Equal(t, 1, gateway.Count())
			time.Sleep(time.Second)
			assert.NotEqual(t, 200, testkit.Post(handler, testkit.Notified(t, testkit.OrderNo)).Code)
			assert.Equal(t, 2, gateway.Count(), "Ksher's own repetitions are confirmed anew")
		})
	})
}

// What the merchant doesn't have costs no query, and is never acknowledged.
func TestUnknownNumbersCostNoQuery(t *testing.T) {
	client := testkit.NewClient(t, testkit.Recording(paying(t)))
	away := errors.New("the database is away")
	for _, tt := range []struct {
		name   string
		lookup func(ctx context.Context, no string) (ksher.OpenOrder, error)
		status int
		again  bool
		want   error
	}{
		{"not ours", testkit.OrderList{}.Expected, 404, false, ksher.ErrNotOurs},
		{"not ours, in more words", func(context.Context, string) (ksher.OpenOrder, error) {
			return ksher.OpenOrder{}, fmt.Errorf("shop: %w", ksher.ErrNotOurs)
		}, 404, false, ksher.ErrNotOurs},
		{"the lookup fails", func(context.Context, string) (ksher.OpenOrder, error) { return ksher.OpenOrder{}, away }, 500, true, away},
		{"the lookup finds another", func(context.Context, string) (ksher.OpenOrder, error) { return openOrders(1)[0], nil }, 500, true, nil},
		{"the lookup finds half an order", func(_ context.Context, no string) (ksher.OpenOrder, error) {
			return ksher.OpenOrder{MchOrderNo: no}, nil
		}, 500, true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gateway := testkit.Recording(paying(t))
			client = testkit.NewClient(t, gateway)
			n, err := testkit.PaymentsOf(t, client).Notifications(tt.lookup)
			require.NoError(t, err)
			testkit.RequireRefused(t, testkit.Post(n, testkit.Notified(t, testkit.OrderNo)), tt.status)
			again, err := n.Accept(t.Context(), []byte(testkit.Notified(t, testkit.OrderNo)))
			require.Error(t, err)
			require.Equal(t, tt.again, again)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			}
			require.Zero(t, gateway.Count())
		})
	}
}

// An order that is booked is acknowledged without a query or a call.
func TestBookedOrders(t *testing.T) {
	gateway := testkit.Recording(paying(t))
	p := testkit.PaymentsTo(t, testkit.NewClient(t, gateway), func(context.Context, *ksher.Order) error { return errors.New("called") })
	open := openOrder(ksher.HostMerchant)
	open.Booked = true
	n, err := p.Notifications(testkit.OrderList{open}.Expected)
	require.NoError(t, err)
	require.Equal(t, testkit.Accepted, testkit.Post(n, testkit.Notified(t, testkit.OrderNo)).Body.String())
	require.Zero(t, gateway.Count())
	sum, err := p.Pass(t.Context(), testkit.OrderList{open}, "")
	require.NoError(t, err)
	require.Equal(t, ksher.PassResult{Asked: 1, Paid: 1}, sum)
	require.Zero(t, gateway.Count())
	order, err := p.Check(t.Context(), open)
	require.NoError(t, err)
	require.Equal(t, ksher.ResultSuccess, order.Result)
}

// Two payments under one number, one on each host: the second is reported, once.
func TestPaidAtBothHosts(t *testing.T) {
	both := testkit.ByOperation{
		"order_query":         testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedNative)),
		"gateway_order_query": testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedGateway)),
	}
	for _, host := range []ksher.Host{ksher.HostGateway, ksher.HostMerchant} {
		t.Run(string(host), func(t *testing.T) {
			m := testkit.NewMerchantAt(t, host, both, nil)
			for range 3 {
				for _, data := range []string{testkit.NotifiedNative, testkit.NotifiedGateway} {
					assert.Equal(t, testkit.Accepted, testkit.Post(m.Handler, testkit.SignedAnswer(t, data)).Body.String())
				}
			}
			assert.EqualValues(t, 1, m.Calls.Load())
			require.Len(t, m.Problems, 1)
			problem := <-m.Problems
			require.ErrorIs(t, problem, ksher.ErrOtherOrder)
			require.ErrorContains(t, problem, "100.00 THB")
			assert.Equal(t, 2, m.Gateway.Count())
		})
	}
}

// A notification that names a payment by its number at the merchant host is no second
// payment: the merchant's books don't have that number.
func TestPayMchOrderNoIsNoOrder(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "notification: names the order by the number that the merchant gave it")
	gateway := testkit.Recording(paying(t))
	p := testkit.PaymentsTo(t, testkit.NewClient(t, gateway), func(context.Context, *ksher.Order) error { return errors.New("called") })
	n, err := p.Notifications(testkit.OrderList{openOrder(ksher.HostGateway)}.Expected)
	require.NoError(t, err)
	testkit.RequireRefused(t, testkit.Post(n, testkit.Notified(t, "pay1")), http.StatusNotFound)
	require.Zero(t, gateway.Count())
}

// A problem is reported once, however often the notification comes.
func TestProblemsAreBounded(t *testing.T) {
	m := testkit.NewMerchant(t, testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(testkit.ConfirmedNative, "10000", "9999", 1))), nil)
	for range 50 {
		assert.NotEqual(t, 200, testkit.Post(m.Handler, testkit.Notified(t, testkit.OrderNo)).Code)
	}
	require.Len(t, m.Problems, 1)
	require.ErrorIs(t, <-m.Problems, ksher.ErrOtherOrder)
	require.Zero(t, m.Calls.Load())
}

// What has no error of its own gets one, so that no outcome is OK that wasn't.
func TestNotificationsHooksEnd(t *testing.T) {
	tests := map[string]struct {
		r             *http.Request
		want, outcome string
	}{
		"another method": {httptest.NewRequest(http.MethodGet, "/", nil), "the method is not POST", "refused"},
		"a panic":        {httptest.NewRequest(http.MethodPost, "/", strings.NewReader(testkit.Notified(t, testkit.OrderNo))), "panicked: out of luck", "failed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			hook := &watching{}
			client := testkit.OfflineClient(t, testkit.AppID, testkit.Recording(paying(t)), testkit.TrustTestKey(t), ksher.WithHook(hook.hook))
			testkit.NotificationsOf(t, client, ksher.HostMerchant, func(context.Context, *ksher.Order) error { panic("out of luck") }).
				ServeHTTP(httptest.NewRecorder(), tt.r)
			require.NotEmpty(t, hook.all)
			require.True(t, hook.all[0].ended)
			require.ErrorContains(t, hook.all[0].end.Err, tt.want)
			assert.Equal(t, tt.outcome, hook.all[0].end.Outcome())
		})
	}
}

// So many orders are asked about at once, and one more has to come again. What is forged,
// unknown or being handled takes no place.
func TestNotificationsConfirmSoManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 100
		release := make(chan struct{})
		gateway := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-release
			paying(t).ServeHTTP(w, r)
		}))
		log := &testkit.LogBuffer{}
		client := testkit.OfflineClient(t, testkit.AppID, gateway, testkit.TrustTestKey(t), ksher.WithLogger(log.Logger(slog.LevelDebug)))
		handler := testkit.NotificationsOf(t, client, ksher.HostMerchant, func(context.Context, *ksher.Order) error { return nil })
		var done sync.WaitGroup
		for i := range most {
			done.Go(func() { assert.Equal(t, 200, testkit.Post(handler, testkit.Notified(t, fmt.Sprint("order", i))).Code) })
		}
		synctest.Wait()
		for range 3 {
			assert.Equal(t, 503, testkit.Post(handler, testkit.Notified(t, "more")).Code)
			assert.Equal(t, 503, testkit.Post(handler, testkit.Notified(t, "order1")).Code)
		}
		assert.Equal(t, most, gateway.Count())
		assert.Contains(t, log.Text(), "too many others are being confirmed")
		close(release)
		done.Wait()
		assert.Equal(t, 200, testkit.Post(handler, testkit.Notified(t, "more")).Code)
	})
}

// panicking is a log that panics when it is told of a notification.
type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool { return true }

func (panicking) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "ksher notification") {
		panic("the log is full")
	}
	return nil
}

// Whatever of the merchant's panics, no panic gets out, and Ksher comes again.
func TestNotificationsPanics(t *testing.T) {
	out := func() { panic("out of luck") }
	hook := func(begin, end func()) ksher.Option {
		return ksher.WithHook(func(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
			if a.Operation != "notification" {
				return ctx, nil
			}
			begin()
			return ctx, func(ksher.Attempt) { end() }
		})
	}
	nothing := func() {}
	tests := map[string]struct {
		opts   []ksher.Option
		lookup func()
		status int
		// number says that the order's number is known when it happens.
		number bool
	}{
		"the lookup":             {nil, out, 500, true},
		"the lookup, aborted":    {nil, func() { panic(http.ErrAbortHandler) }, 500, true},
		"a hook's beginning":     {[]ksher.Option{hook(out, nothing)}, nothing, 500, false},
		"a hook's end":           {[]ksher.Option{hook(nothing, out)}, nothing, 200, true},
		"the log, after a panic": {[]ksher.Option{ksher.WithLogger(slog.New(panicking{slog.DiscardHandler}))}, out, 500, true},
		"the log":                {[]ksher.Option{ksher.WithLogger(slog.New(panicking{slog.DiscardHandler}))}, nothing, 200, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			log, calls := &testkit.LogBuffer{}, 0
			opts := append([]ksher.Option{testkit.TrustTestKey(t), ksher.WithLogger(log.Logger(slog.LevelDebug))}, tt.opts...)
			client := testkit.OfflineClient(t, testkit.AppID, testkit.Recording(paying(t)), opts...)
			n, err := testkit.PaymentsTo(t, client, func(context.Context, *ksher.Order) error { calls++; return nil }).
				Notifications(func(ctx context.Context, no string) (ksher.OpenOrder, error) {
					tt.lookup()
					return openOrder(ksher.HostMerchant), nil
				})
			require.NoError(t, err)
			require.NotPanics(t, func() {
				w := testkit.Post(n, testkit.Notified(t, testkit.OrderNo))
				require.Equal(t, tt.status, w.Code)
				require.NotContains(t, w.Body.String(), "luck")
				again, err := n.Accept(t.Context(), []byte(testkit.Notified(t, testkit.OrderNo)))
				require.Equal(t, tt.status == 500, again)
				require.Equal(t, tt.status == 500, err != nil, "%v", err)
			})
			require.Equal(t, tt.status == 200, calls == 1)
			for _, line := range log.Lines(t) {
				if line.Msg == "ksher notification panic" {
					require.Equal(t, tt.number, line.OrderNo == testkit.OrderNo)
				}
			}
		})
	}
}

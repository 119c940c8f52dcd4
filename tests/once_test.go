package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// paying is a gateway where every order is paid.
func paying(tb testing.TB) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := strings.Replace(testkit.ConfirmedNative, testkit.OrderNo, r.PostForm.Get("mch_order_no"), 1)
		data = strings.Replace(data, testkit.AppID, r.PostForm.Get("appid"), 1)
		testkit.Answering(200, testkit.SignedAnswer(tb, data)).ServeHTTP(w, r)
	})
}

// refusals are the lines that the handler logged.
func refusals(tb testing.TB, log *testkit.LogBuffer) []testkit.LogLine {
	tb.Helper()
	var found []testkit.LogLine
	for _, line := range log.Lines(tb) {
		if line.Msg == "ksher notification refused" {
			found = append(found, line)
		}
	}
	return found
}

func TestOncePerPayment(t *testing.T) {
	gw := sandbox.New(t)
	calls := map[string]int{}
	shop := httptest.NewServer(testkit.NotificationsOf(t, gw.Client, ksher.HostGateway, func(_ context.Context, n *ksher.Order) error {
		calls[n.MchOrderNo]++
		return n.CheckPaid(n.MchOrderNo, 100_00, "THB")
	}))
	t.Cleanup(shop.Close)
	for _, no := range []string{"A-1", "A-2"} {
		req := testkit.GatewayPayOf(no)
		req.TotalFee, req.MchNotifyURL = 100_00, shop.URL
		_, err := gw.Client.GatewayPay(t.Context(), req)
		require.NoError(t, err)
		require.NoError(t, gw.Pay(no, ""))
	}
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultDuplicate, Count: 2}))
	for range 5 {
		for _, no := range []string{"A-1", "A-2"} {
			require.NoError(t, gw.Deliver(t.Context(), no))
		}
	}
	assert.Equal(t, map[string]int{"A-1": 1, "A-2": 1}, calls)
	for _, no := range []string{"A-1", "A-2"} {
		view, err := gw.Order(no)
		require.NoError(t, err)
		assert.Len(t, view.Deliveries, 6)
		for _, d := range view.Deliveries {
			assert.True(t, d.Accepted, "%+v", d)
		}
	}
}

// Ksher's repetitions go on until fn has succeeded, and fn isn't called after that.
func TestOnceOverTheSchedule(t *testing.T) {
	gw := sandbox.New(t)
	calls := 0
	shop := httptest.NewServer(testkit.NotificationsOf(t, gw.Client, ksher.HostGateway, func(context.Context, *ksher.Order) error {
		if calls++; calls < 4 {
			return errors.New("the database is down")
		}
		return nil
	}))
	t.Cleanup(shop.Close)
	req := testkit.GatewayPayOf("A-1")
	req.TotalFee, req.MchNotifyURL = 100_00, shop.URL
	_, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	require.NoError(t, gw.Pay("A-1", ""))
	gw.Advance(30 * time.Hour)
	assert.Equal(t, 4, calls)
	view, err := gw.Order("A-1")
	require.NoError(t, err)
	require.Len(t, view.Deliveries, 4)
	for i, d := range view.Deliveries {
		assert.Equal(t, i == 3, d.Accepted)
	}
	require.NoError(t, gw.Deliver(t.Context(), "A-1"))
	assert.Equal(t, 4, calls)
}

// While fn runs every other delivery is asked to come back, and forgeries that
// arrive among them change nothing.
func TestOnceAtTheSameTime(t *testing.T) {
	const deliveries = 50
	log := &testkit.LogBuffer{}
	client := testkit.NewClient(t, testkit.Recording(paying(t)), ksher.WithLogger(log.Logger(slog.LevelInfo)))
	var calls atomic.Int64
	entered, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(testkit.NotificationsOf(t, client, ksher.HostMerchant, func(context.Context, *ksher.Order) error {
		calls.Add(1)
		close(entered)
		<-release
		return nil
	}))
	t.Cleanup(server.Close)
	deliver := func(body string) (status int, text string) {
		resp, err := server.Client().Post(server.URL, "text/plain", strings.NewReader(body))
		if !assert.NoError(t, err) {
			return 0, ""
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		assert.NoError(t, err)
		return resp.StatusCode, string(answer)
	}
	good := testkit.Notified(t, testkit.OrderNo)
	forged := strings.Replace(good, "10000", "90000", 1)

	var first, others sync.WaitGroup
	first.Go(func() {
		status, text := deliver(good)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, testkit.Accepted, text)
	})
	<-entered
	for range deliveries {
		others.Go(func() {
			status, text := deliver(good)
			assert.Equal(t, http.StatusServiceUnavailable, status)
			assert.JSONEq(t, `{"result":"FAIL","msg":"Service Unavailable"}`, text)
		})
		others.Go(func() {
			status, _ := deliver(forged)
			assert.Equal(t, http.StatusForbidden, status)
		})
	}
	others.Wait()
	close(release)
	first.Wait()
	assert.EqualValues(t, 1, calls.Load())
	levels := map[string]int{}
	for _, line := range refusals(t, log) {
		levels[line.Level+" "+line.Reason+" "+line.OrderNo]++
	}
	assert.Equal(t, map[string]int{
		"INFO another delivery of it is being handled order1": deliveries,
		"WARN it is not signed for this merchant ":            deliveries,
	}, levels)

	for range deliveries {
		others.Go(func() {
			status, text := deliver(good)
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, testkit.Accepted, text)
		})
	}
	others.Wait()
	assert.EqualValues(t, 1, calls.Load())
}

// What fn didn't finish, the next delivery does.
func TestOnceAfterAFailure(t *testing.T) {
	tests := map[string]func() error{
		"an error":        func() error { return errors.New("the database is down") },
		"context ended":   func() error { return context.Canceled },
		"in progress":     func() error { return fmt.Errorf("another table: %w", ksher.ErrInProgress) },
		"a panic":         func() error { panic("out of luck") },
		"net/http's own":  func() error { panic(http.ErrAbortHandler) },
		"a panic of nil":  func() error { panic(nil) },
		"a refused query": func() error { return &ksher.Error{Operation: "order_refund", Code: ksher.CodeNotEnough} },
	}
	for name, fail := range tests {
		t.Run(name, func(t *testing.T) {
			calls := 0
			client := testkit.NewClient(t, testkit.Recording(paying(t)))
			handler := testkit.NotificationsOf(t, client, ksher.HostMerchant, func(context.Context, *ksher.Order) error {
				if calls++; calls <= 2 {
					return fail()
				}
				return nil
			})
			for i := 1; i <= 4; i++ {
				w := testkit.Post(handler, testkit.Notified(t, testkit.OrderNo))
				switch {
				case i > 2:
					assert.Equal(t, testkit.Accepted, w.Body.String())
				case name == "in progress":
					testkit.RequireRefused(t, w, http.StatusServiceUnavailable)
				default:
					testkit.RequireRefused(t, w, http.StatusInternalServerError)
				}
				assert.Equal(t, min(i, 3), calls)
			}
		})
	}
}

func TestOrdersDoNotBlockEachOther(t *testing.T) {
	client := testkit.NewClient(t, testkit.Recording(paying(t)))
	entered, release := make(chan struct{}), make(chan struct{})
	handler := testkit.NotificationsOf(t, client, ksher.HostMerchant, func(_ context.Context, n *ksher.Order) error {
		if n.MchOrderNo == "slow" {
			close(entered)
			<-release
		}
		return nil
	})
	var slow sync.WaitGroup
	slow.Go(func() {
		assert.Equal(t, testkit.Accepted, testkit.Post(handler, testkit.Notified(t, "slow")).Body.String())
	})
	<-entered
	for i := range 20 {
		assert.Equal(t, testkit.Accepted, testkit.Post(handler, testkit.Notified(t, fmt.Sprintf("order%d", i))).Body.String())
	}
	assert.Equal(t, 503, testkit.Post(handler, testkit.Notified(t, "slow")).Code)
	close(release)
	slow.Wait()
}

// What was delivered to one handler isn't called again by another that shares
// the Deduper, unless it is of another merchant.
func TestSharedDeduper(t *testing.T) {
	shared := ksher.WithDeduper(&once.Memory{})
	var calls []string
	handler := func(appID string) http.Handler {
		client := testkit.OfflineClient(t, appID, testkit.Recording(paying(t)), testkit.TrustTestKey(t))
		return testkit.NotificationsOf(t, client, ksher.HostMerchant, func(_ context.Context, n *ksher.Order) error {
			calls = append(calls, n.AppID+" "+n.MchOrderNo)
			return nil
		}, shared)
	}
	for _, appID := range []string{testkit.AppID, "mch99999", testkit.AppID, "mch1234"} {
		body := testkit.SignedAnswer(t, strings.Replace(testkit.NotifiedNative, testkit.AppID, appID, 1))
		h := handler(appID)
		assert.Equal(t, testkit.Accepted, testkit.Post(h, body).Body.String())
		assert.Equal(t, testkit.Accepted, testkit.Post(h, body).Body.String())
	}
	assert.Equal(t, []string{"mch12345 order1", "mch99999 order1", "mch1234 order1"}, calls)
}

// deduper is one of a merchant's own.
type deduper struct {
	keys []string
	once func(ctx context.Context, fn func(context.Context) error) error
}

func (d *deduper) Once(ctx context.Context, key string, fn func(context.Context) error) error {
	d.keys = append(d.keys, key)
	return d.once(ctx, fn)
}

func TestOwnDeduper(t *testing.T) {
	type contextKey struct{}
	run := func(ctx context.Context, fn func(context.Context) error) error {
		return fn(context.WithValue(ctx, contextKey{}, "a transaction"))
	}
	down := errors.New("the database is down")
	tests := []struct {
		name   string
		once   func(ctx context.Context, fn func(context.Context) error) error
		fnErr  error
		status int
		called bool
		level  string
	}{
		{"runs it", run, nil, 200, true, ""},
		{"runs it, and it fails", run, errors.New("no stock"), 500, true, "WARN"},
		{"says that it was done", func(context.Context, func(context.Context) error) error { return nil }, nil, 200, false, ""},
		{
			"keeps its failure to itself",
			func(ctx context.Context, fn func(context.Context) error) error { run(ctx, fn); return nil },
			errors.New("no stock"), 500, true, "WARN",
		},
		{"fails before", func(context.Context, func(context.Context) error) error { return down }, nil, 500, false, "WARN"},
		{
			"fails after, in the commit",
			func(ctx context.Context, fn func(context.Context) error) error {
				return errors.Join(run(ctx, fn), down)
			}, nil, 500, true, "WARN",
		},
		{"is at it", func(context.Context, func(context.Context) error) error { return ksher.ErrInProgress }, nil, 503, false, "INFO"},
		{
			"is at it, in more words",
			func(context.Context, func(context.Context) error) error {
				return fmt.Errorf("row is locked: %w", ksher.ErrInProgress)
			}, nil, 503, false, "INFO",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, log, called := &deduper{once: tt.once}, &testkit.LogBuffer{}, false
			client := testkit.NewClient(t, testkit.Recording(paying(t)), ksher.WithLogger(log.Logger(slog.LevelInfo)))
			handler := testkit.NotificationsOf(t, client, ksher.HostMerchant, func(ctx context.Context, _ *ksher.Order) error {
				called = true
				assert.Equal(t, "a transaction", ctx.Value(contextKey{}))
				return tt.fnErr
			}, ksher.WithDeduper(d))
			w := testkit.Post(handler, testkit.Notified(t, testkit.OrderNo))
			assert.Equal(t, tt.called, called)
			if tt.status == http.StatusOK {
				assert.Equal(t, testkit.Accepted, w.Body.String())
				assert.Empty(t, refusals(t, log))
			} else {
				testkit.RequireRefused(t, w, tt.status)
				lines := refusals(t, log)
				require.Len(t, lines, 1)
				assert.Equal(t, tt.level, lines[0].Level)
				assert.Equal(t, testkit.OrderNo, lines[0].OrderNo)
				assert.NotEmpty(t, lines[0].Cause)
			}
			require.Len(t, d.keys, 1)
			assert.Contains(t, d.keys[0], testkit.AppID)
			assert.Contains(t, d.keys[0], testkit.OrderNo)
			// It is asked each time, and may change its mind.
			testkit.Post(handler, testkit.Notified(t, testkit.OrderNo))
			require.Len(t, d.keys, 2)
			assert.Equal(t, d.keys[0], d.keys[1])
		})
	}
}

// A forgery must not make the genuine notification look like a repetition.
func TestForgeriesAreNotRemembered(t *testing.T) {
	for name, body := range map[string]string{
		"not signed":                       `{"code":0,"data":` + testkit.NotifiedNative + `}`,
		"changed":                          strings.Replace(testkit.Notified(t, testkit.OrderNo), "order1", "order2", 1),
		"signed with another key":          testkit.WithSign(testkit.NotifiedNative, `"`+testkit.PeerSign(t, testkit.RSAKey(t, 2048), testkit.NotifiedNative)+`"`),
		"of another merchant":              testkit.SignedAnswer(t, strings.Replace(testkit.NotifiedNative, testkit.AppID, "mch99999", 1)),
		"not JSON":                         "paid!",
		"a number that can't be asked for": testkit.Notified(t, strings.Repeat("9", 50_000)),
	} {
		t.Run(name, func(t *testing.T) {
			d := &deduper{once: func(context.Context, func(context.Context) error) error { return nil }}
			m := testkit.NewMerchant(t, paying(t), nil, ksher.WithDeduper(d))
			assert.NotEqual(t, http.StatusOK, testkit.Post(m.Handler, body).Code)
			assert.Empty(t, d.keys)
		})
	}
	for name, gateway := range map[string]http.Handler{
		"not paid, says the gateway": testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(testkit.ConfirmedNative, "SUCCESS", "NOTPAY", 1))),
		"not known to the gateway":   testkit.UnknownOrder("ORDER_NOT_EXIST"),
		"an outage":                  testkit.Answering(502, ""),
		"another amount":             testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(testkit.ConfirmedNative, "10000", "9999", 1))),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := gateway
				client := testkit.OfflineClient(t, testkit.AppID, testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now.ServeHTTP(w, r) })), testkit.TrustTestKey(t))
				calls := 0
				handler := testkit.NotificationsOf(t, client, ksher.HostMerchant, func(context.Context, *ksher.Order) error { calls++; return nil })
				assert.NotEqual(t, http.StatusOK, testkit.Post(handler, testkit.Notified(t, testkit.OrderNo)).Code)
				now = paying(t)
				time.Sleep(time.Second)
				assert.Equal(t, http.StatusOK, testkit.Post(handler, testkit.Notified(t, testkit.OrderNo)).Code)
				assert.Equal(t, 1, calls)
			})
		})
	}
}

// A key has to be text of at most 300 bytes, whatever a number looks like.
func TestKeysOfTheDeduper(t *testing.T) {
	d := &deduper{once: func(context.Context, func(context.Context) error) error { return nil }}
	appID := strings.Repeat("é", 32)
	client := testkit.OfflineClient(t, appID, testkit.Recording(paying(t)), testkit.TrustTestKey(t))
	handler := testkit.NotificationsOf(t, client, ksher.HostMerchant, func(context.Context, *ksher.Order) error { return nil }, ksher.WithDeduper(d))
	numbers := []string{"a", "A", "a b", "ก", "\u00e9", "e\u0301", strings.Repeat("𝄞", 32)}
	for _, no := range numbers {
		data := strings.NewReplacer(testkit.OrderNo, no, testkit.AppID, appID).Replace(testkit.NotifiedNative)
		testkit.Post(handler, testkit.SignedAnswer(t, data))
	}
	seen := map[string]bool{}
	for _, key := range d.keys {
		seen[key] = true
		assert.LessOrEqual(t, len(key), 300)
	}
	assert.Len(t, seen, len(numbers), "%q", d.keys)
}

// fn finished, and nobody was there any more to hear it.
func TestClientHangsUp(t *testing.T) {
	client := testkit.NewClient(t, testkit.Recording(paying(t)))
	var calls atomic.Int64
	hangUp := make(chan context.CancelFunc, 1)
	ended := make(chan struct{})
	handler := testkit.NotificationsOf(t, client, ksher.HostMerchant, func(ctx context.Context, _ *ksher.Order) error {
		calls.Add(1)
		(<-hangUp)()
		<-ctx.Done()
		return nil
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		close(ended)
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	hangUp <- cancel
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, bytes.NewReader([]byte(testkit.Notified(t, testkit.OrderNo))))
	require.NoError(t, err)
	resp, err := server.Client().Do(req)
	if err == nil {
		resp.Body.Close()
	}
	require.ErrorIs(t, err, context.Canceled)
	<-ended
	assert.Equal(t, testkit.Accepted, testkit.Post(handler, testkit.Notified(t, testkit.OrderNo)).Body.String(), "the next one is told")
	assert.EqualValues(t, 1, calls.Load())
}

// The lookup gets the request's context, and comes before any query.
func TestExpectedComesFirst(t *testing.T) {
	type contextKey struct{}
	gateway := testkit.Recording(paying(t))
	asked := 0
	n, err := testkit.PaymentsOf(t, testkit.NewClient(t, gateway)).Notifications(func(ctx context.Context, no string) (ksher.OpenOrder, error) {
		asked++
		assert.Equal(t, testkit.OrderNo, no)
		assert.Equal(t, "of the request", ctx.Value(contextKey{}))
		assert.Zero(t, gateway.Count())
		return openOrder(ksher.HostMerchant), nil
	})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(testkit.Notified(t, testkit.OrderNo)))
	w := httptest.NewRecorder()
	n.ServeHTTP(w, r.WithContext(context.WithValue(t.Context(), contextKey{}, "of the request")))
	assert.Equal(t, testkit.Accepted, w.Body.String())
	assert.Equal(t, 1, asked)
	assert.Equal(t, 403, testkit.Post(n, strings.Replace(testkit.Notified(t, testkit.OrderNo), "10000", "10001", 1)).Code)
	assert.Equal(t, 400, testkit.Post(n, testkit.NotifiedNative).Code)
	assert.Equal(t, 1, asked, "the merchant's database isn't for anybody to ask")
}

// With the amount left to the handler, fn sees only what is right, once.
func TestExpectedAtTheGateway(t *testing.T) {
	gw := sandbox.New(t)
	prices := map[string]ksher.Amount{"A-1": 100_00, "A-2": 100_00}
	var handled []string
	notifications, err := testkit.PaymentsTo(t, gw.Client, func(_ context.Context, o *ksher.Order) error {
		handled = append(handled, o.MchOrderNo)
		return nil
	}).Notifications(func(_ context.Context, no string) (ksher.OpenOrder, error) {
		return ksher.OpenOrder{MchOrderNo: no, Host: ksher.HostGateway, TotalFee: prices[no], FeeType: "THB"}, nil
	})
	require.NoError(t, err)
	shop := httptest.NewServer(notifications)
	t.Cleanup(shop.Close)
	for no, total := range map[string]ksher.Amount{"A-1": 100_00, "A-2": 99_00} {
		req := testkit.GatewayPayOf(no)
		req.TotalFee, req.MchNotifyURL = total, shop.URL
		_, err := gw.Client.GatewayPay(t.Context(), req)
		require.NoError(t, err)
		require.NoError(t, gw.Pay(no, ""))
	}
	require.NoError(t, gw.Deliver(t.Context(), "A-1"))
	require.ErrorIs(t, gw.Deliver(t.Context(), "A-2"), sandbox.ErrNotAccepted)
	assert.Equal(t, []string{"A-1"}, handled)
	prices["A-2"] = 99_00
	require.NoError(t, gw.Deliver(t.Context(), "A-2"))
	assert.Equal(t, []string{"A-1", "A-2"}, handled)
}

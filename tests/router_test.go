package tests

import (
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/internal/wire"
	"github.com/ksher-go/ksher/kshertest"
)

// platform is a program that works for several merchants of a gateway.
type platform struct {
	gw     *kshertest.Gateway
	memory ksher.Deduper
	books  sync.Map // Of order numbers: ksher.OpenOrder.

	mu      sync.Mutex
	paid    map[string]int
	lookups map[string]int
}

func newPlatform(t *testing.T) *platform {
	return &platform{gw: kshertest.New(t), memory: ksher.NewMemoryDeduper(), paid: map[string]int{}, lookups: map[string]int{}}
}

// merchant is the lookup of a router.
func (p *platform) merchant(_ context.Context, appID string) (*ksher.Notifications, error) {
	p.mu.Lock()
	p.lookups[appID]++
	p.mu.Unlock()
	if !strings.HasPrefix(appID, "mch7") {
		return nil, ksher.ErrNotOurs
	}
	client := p.gw.Merchant(appID).Client
	return p.notifications(client, ksher.WithDeduper(p.memory))
}

func (p *platform) notifications(client *ksher.Client, opts ...ksher.PaymentsOption) (*ksher.Notifications, error) {
	payments, err := ksher.NewPayments(client, func(_ context.Context, o *ksher.Order) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.paid[o.AppID+" "+o.MchOrderNo]++
		return nil
	}, opts...)
	if err != nil {
		return nil, err
	}
	return payments.Notifications(func(_ context.Context, no string) (ksher.OpenOrder, error) {
		if order, ok := p.books.Load(no); ok {
			return order.(ksher.OpenOrder), nil
		}
		return ksher.OpenOrder{}, ksher.ErrNotOurs
	})
}

// order creates one with a merchant, and pays it.
func (p *platform) order(t *testing.T, client *ksher.Client, appID, no, notify string) {
	t.Helper()
	req := &ksher.GatewayPayRequest{
		MchOrderNo: no, TotalFee: 150_00, FeeType: "THB", ChannelList: []ksher.Channel{ksher.ChannelPromptPay}, MchCode: "1", ProductName: "tea",
		ReferURL: "https://shop.example", MchRedirectURL: "https://shop.example/ok", MchRedirectURLFail: "https://shop.example/no", MchNotifyURL: notify,
	}
	p.books.Store(no, req.OpenOrder())
	_, err := client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	require.NoError(t, p.gw.Merchant(appID).Pay(no, ksher.ChannelPromptPay))
}

// announcement is the body of a notification of an order.
func announcement(t *testing.T, appID, no string) string {
	t.Helper()
	return string(kshertest.SignedResponse(map[string]any{
		"appid": appID, "mch_order_no": no, "pay_mch_order_no": "2026112800000001", "total_fee": 150_00, "fee_type": "THB", "result": "SUCCESS",
	}))
}

func deliver(h http.Handler, body string) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
	return w.Code
}

func TestRouter(t *testing.T) {
	p := newPlatform(t)
	router, err := ksher.NewRouter(p.merchant)
	require.NoError(t, err)
	shop := httptest.NewServer(router)
	t.Cleanup(shop.Close)
	for _, appID := range []string{"mch70001", "mch70002", "mch70003"} {
		merchant, err := router.Get(t.Context(), appID)
		require.NoError(t, err)
		no := "A-" + appID
		p.order(t, merchant.Payments().Client(), appID, no, shop.URL)
		for range 2 {
			require.NoError(t, p.gw.Merchant(appID).Deliver(t.Context(), no))
		}
		assert.Equal(t, 1, p.paid[appID+" "+no])
	}
	again, err := router.Accept(t.Context(), []byte(announcement(t, "mch70001", "A-mch70001")))
	require.NoError(t, err, "done before")
	assert.False(t, again)
	again, err = router.Accept(t.Context(), []byte(announcement(t, "mch70001", "A-mch70002")))
	require.Error(t, err, "another merchant's order")
	assert.True(t, again, "the query failed")
	assert.Len(t, p.paid, 3)
	assert.Equal(t, map[string]int{"mch70001": 1, "mch70002": 1, "mch70003": 1}, p.lookups)

	// What is forgotten is looked up again, and remembers what was done.
	router.Forget("mch70002")
	assert.Equal(t, http.StatusOK, deliver(router, announcement(t, "mch70002", "A-mch70002")))
	assert.Equal(t, 1, p.paid["mch70002 A-mch70002"])
	assert.Equal(t, 2, p.lookups["mch70002"])
}

func TestRouterRefuses(t *testing.T) {
	p := newPlatform(t)
	router, err := ksher.NewRouter(p.merchant)
	require.NoError(t, err)
	body := announcement(t, "mch70001", "A-1")
	for name, tt := range map[string]struct {
		body   string
		status int
	}{
		"a merchant of nobody":      {announcement(t, "mch99999", "A-1"), http.StatusNotFound},
		"the same again":            {announcement(t, "mch99999", "A-1"), http.StatusNotFound},
		"no app ID":                 {announcement(t, "", "A-1"), http.StatusBadRequest},
		"blanks in the app ID":      {announcement(t, "mch7 1", "A-1"), http.StatusBadRequest},
		"a long app ID":             {announcement(t, strings.Repeat("9", 33), "A-1"), http.StatusBadRequest},
		"forged":                    {strings.Replace(body, "15000", "15001", 1), http.StatusForbidden},
		"for another merchant":      {strings.Replace(body, "mch70001", "mch70002", 1), http.StatusForbidden},
		"nothing":                   {"", http.StatusBadRequest},
		"not JSON":                  {"paid!", http.StatusBadRequest},
		"badly percent-encoded":     {"%zz", http.StatusBadRequest},
		"too large":                 {strings.Repeat(" ", 1<<17), http.StatusRequestEntityTooLarge},
		"an order of nobody":        {body, http.StatusNotFound},
		"data that isn't an object": {`{"code":0,"data":"mch70001","sign":"00"}`, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.status, deliver(router, tt.body)) })
	}
	assert.Equal(t, 1, p.lookups["mch99999"], "not looked up again at once")
	w := httptest.NewRecorder()
	router.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
	_, err = router.Accept(t.Context(), []byte(strings.Repeat(" ", 1<<17)))
	require.Error(t, err)
}

func TestRouterMadeWrong(t *testing.T) {
	_, err := ksher.NewRouter(nil)
	require.Error(t, err)
	for name, router := range map[string]*ksher.Router{"nil": nil, "zero": {}} {
		_, err := router.Get(t.Context(), "mch70001")
		require.Error(t, err, name)
		_, err = router.Accept(t.Context(), nil)
		require.Error(t, err, name)
		router.Forget("mch70001")
		assert.Equal(t, http.StatusInternalServerError, deliver(router, "{}"), name)
	}
	var none *ksher.Notifications
	_, err = none.Payments().Client().GetPayoutBalance(t.Context(), &ksher.GetPayoutBalanceRequest{FeeType: "THB"})
	require.ErrorContains(t, err, "client was not made by NewClient")
	p := newPlatform(t)
	own, err := p.notifications(p.gw.Merchant("mch70001").Client)
	require.NoError(t, err)
	for name, find := range map[string]func(context.Context, string) (*ksher.Notifications, error){
		"a memory of its own": func(context.Context, string) (*ksher.Notifications, error) { return own, nil },
		"nothing":             func(context.Context, string) (*ksher.Notifications, error) { return nil, nil },
		"another merchant":    func(ctx context.Context, _ string) (*ksher.Notifications, error) { return p.merchant(ctx, "mch70002") },
		"an error": func(context.Context, string) (*ksher.Notifications, error) {
			return nil, errors.New("the database is down")
		},
		"a panic":              func(context.Context, string) (*ksher.Notifications, error) { panic("lookup") },
		"the end of goroutine": func(context.Context, string) (*ksher.Notifications, error) { runtime.Goexit(); return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			router, err := ksher.NewRouter(find)
			require.NoError(t, err)
			for range 2 {
				_, err = router.Get(t.Context(), "mch70001")
				require.ErrorContains(t, err, `merchant "mch70001"`)
				require.NotErrorIs(t, err, ksher.ErrNotOurs)
			}
			assert.Equal(t, http.StatusServiceUnavailable, deliver(router, announcement(t, "mch70001", "A-1")))
		})
	}
}

// A lookup that hangs is no one else's.
func TestRouterKeepsMerchantsApart(t *testing.T) {
	p := newPlatform(t)
	hang := make(chan struct{})
	var started atomic.Int64
	router, err := ksher.NewRouter(func(ctx context.Context, appID string) (*ksher.Notifications, error) {
		if appID == "mch70000" {
			started.Add(1)
			<-hang
		}
		return p.merchant(ctx, appID)
	})
	require.NoError(t, err)
	var waiting sync.WaitGroup
	var got atomic.Int64
	for range 150 {
		waiting.Go(func() {
			if _, err := router.Get(t.Context(), "mch70000"); err == nil {
				got.Add(1)
			}
		})
	}
	for i := range 50 {
		_, err := router.Get(t.Context(), fmt.Sprintf("mch7%04d", i+1))
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = router.Get(ctx, "mch70000")
	require.Error(t, err, "its caller has gone")
	close(hang)
	waiting.Wait()
	assert.EqualValues(t, 1, started.Load())
	assert.LessOrEqual(t, got.Load(), int64(101), "the others are turned away")
	_, err = router.Get(t.Context(), "mch70000")
	require.NoError(t, err)
}

// Who has gone doesn't wait for a lookup any more.
func TestRouterForgetsWhoLeft(t *testing.T) {
	p := newPlatform(t)
	hang := make(chan struct{})
	router, err := ksher.NewRouter(func(ctx context.Context, appID string) (*ksher.Notifications, error) {
		<-hang
		return p.merchant(ctx, appID)
	})
	require.NoError(t, err)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 150 {
		_, err := router.Get(gone, "mch70000")
		require.ErrorIs(t, err, context.Canceled)
	}
	close(hang)
	_, err = router.Get(t.Context(), "mch70000")
	require.NoError(t, err)
}

// A key is changed while the merchant is called: no call fails, and what begins after that is
// signed by the new one.
func TestKeyIsChangedWhileRunning(t *testing.T) {
	keys := []*rsa.PrivateKey{testkit.RSAKey(t, 1024), testkit.RSAKey(t, 2048)}
	var signed [2]sync.Map // The numbers of the orders that were asked about, for each key.
	host := &testkit.InMemory{Answer: func(r *http.Request, _ string, form url.Values) ([]byte, error) {
		no, params := form.Get("mch_order_no"), wire.FormParams(form)
		wire.SortParams(params)
		digest := md5.Sum(wire.ParamsSignText(params))
		sign, err := hex.DecodeString(form.Get("sign"))
		if err != nil {
			return nil, err
		}
		for i, key := range keys {
			if rsa.VerifyPKCS1v15(&key.PublicKey, crypto.MD5, digest[:], sign) == nil {
				signed[i].Store(no, true)
				return testkit.Tells(ksher.ResultSuccess, testkit.WithNumber(no))(r)
			}
		}
		return testkit.Denies(ksher.CodeKsherSignError)(r)
	}}
	var current atomic.Int32 // A row of the database.
	p := newPlatform(t)
	router, err := ksher.NewRouter(func(context.Context, string) (*ksher.Notifications, error) {
		client, err := ksher.NewClient(kshertest.AppID, keys[current.Load()], ksher.WithHTTPClient(&http.Client{Transport: host}),
			ksher.WithVerifier(kshertest.Verifier()), ksher.WithRetry(1, 0))
		if err != nil {
			return nil, err
		}
		return p.notifications(client, ksher.WithDeduper(p.memory))
	})
	require.NoError(t, err)
	var asked atomic.Int32
	query := func(phase string) bool {
		merchant, err := router.Get(t.Context(), kshertest.AppID)
		if !assert.NoError(t, err) {
			return false
		}
		_, err = merchant.Payments().Client().OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: fmt.Sprint(phase, asked.Add(1))})
		return assert.NoError(t, err)
	}
	var phase atomic.Value
	phase.Store("old ")
	done := make(chan struct{})
	var calling sync.WaitGroup
	for range 4 {
		calling.Go(func() {
			for query(phase.Load().(string)) {
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	require.True(t, query("old "))
	current.Store(1)
	phase.Store("either ")
	router.Forget(kshertest.AppID)
	phase.Store("new ")
	for range 20 {
		require.True(t, query("new "))
	}
	close(done)
	calling.Wait()

	count := func(key int, phase string) (n int) {
		signed[key].Range(func(no, _ any) bool {
			if strings.HasPrefix(no.(string), phase) {
				n++
			}
			return true
		})
		return n
	}
	assert.Positive(t, count(0, "old "))
	assert.GreaterOrEqual(t, count(1, "new "), 20)
	assert.Zero(t, count(0, "new "), "begun after Forget, and signed by the old key")
}

func TestReceiver(t *testing.T) {
	v := kshertest.Verifier()
	var queue []string
	var failure error
	receiver, err := ksher.NewReceiver(v, func(_ context.Context, body []byte) error {
		if failure != nil {
			return failure
		}
		queue = append(queue, string(body))
		return nil
	})
	require.NoError(t, err)
	body := announcement(t, "mch70001", "A-1")
	failure = errors.New("the queue is full")
	assert.Equal(t, http.StatusInternalServerError, deliver(receiver, body))
	failure = nil
	for range 3 {
		assert.Equal(t, http.StatusOK, deliver(receiver, body))
	}
	for _, copied := range []string{body + " ", strings.Replace(body, ":", ": ", 1), strings.ReplaceAll(body, `","`, `", "`), url.QueryEscape(body)} {
		require.NotEqual(t, body, copied)
		assert.Equal(t, http.StatusOK, deliver(receiver, copied))
	}
	assert.Equal(t, []string{body}, queue, "as it came, and not its copies, however they are written")
	assert.Equal(t, http.StatusOK, deliver(receiver, announcement(t, "mch70002", "A-2")))
	assert.Len(t, queue, 2, "one receiver for all")

	for name, tt := range map[string]struct {
		body   string
		status int
	}{
		"forged":    {strings.Replace(body, "15000", "15001", 1), http.StatusForbidden},
		"no app ID": {announcement(t, "", "A-1"), http.StatusBadRequest},
		"no number": {announcement(t, "mch70001", ""), http.StatusBadRequest},
		"a refusal": {string(kshertest.SignedResponse(map[string]any{"appid": "mch70001", "mch_order_no": "A-1", "result": "FAIL"})), http.StatusBadRequest},
		"not JSON":  {"paid!", http.StatusBadRequest},
		"nothing":   {" ", http.StatusBadRequest},
		"too large": {body + strings.Repeat(" ", 1<<17), http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.status, deliver(receiver, tt.body)) })
	}
	assert.Len(t, queue, 2)

	for _, put := range []func(context.Context, []byte) error{
		func(context.Context, []byte) error { panic("queue") },
		func(context.Context, []byte) error { return context.Canceled },
	} {
		receiver, err := ksher.NewReceiver(v, put)
		require.NoError(t, err)
		for range 2 {
			assert.Equal(t, http.StatusInternalServerError, deliver(receiver, body), "Ksher comes again")
		}
	}
	_, err = ksher.NewReceiver(nil, func(context.Context, []byte) error { return nil })
	require.Error(t, err)
	_, err = ksher.NewReceiver(&ksher.Verifier{}, func(context.Context, []byte) error { return nil })
	require.Error(t, err)
	_, err = ksher.NewReceiver(v, nil)
	require.Error(t, err)
}

// One receiver serves all merchants, so its log tells whose notification it was, once the
// signature says so.
func TestReceiverLogsAppID(t *testing.T) {
	var log strings.Builder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	var put func() error
	receiver, err := ksher.NewReceiver(kshertest.Verifier(), func(context.Context, []byte) error { return put() })
	require.NoError(t, err)
	body := announcement(t, "mch70001", "A-1")
	for name, tt := range map[string]struct {
		put    func() error
		body   string
		lines  int
		verify bool
	}{
		"accepted":       {func() error { return nil }, body, 1, true},
		"full queue":     {func() error { return errors.New("full") }, announcement(t, "mch70001", "A-2"), 1, true},
		"queue panics":   {func() error { panic("queue") }, announcement(t, "mch70001", "A-3"), 2, true},
		"names no order": {nil, announcement(t, "mch70001", ""), 1, true},
		"forged":         {nil, strings.Replace(body, "15000", "15001", 1), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			put = tt.put
			deliver(receiver, tt.body)
			assert.Equal(t, tt.lines, strings.Count(log.String(), "level="), log.String())
			want := 0
			if tt.verify {
				want = tt.lines
			}
			assert.Equal(t, want, strings.Count(log.String(), "app_id=mch70001"), log.String())
		})
	}
}

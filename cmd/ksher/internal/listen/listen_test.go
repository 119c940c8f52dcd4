package listen_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/listen"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stepper is a clock that goes on whenever somebody waits.
type stepper struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
	// hurry makes each wait as many times longer, 0 standing for once.
	hurry int
	// then is called after each wait with how many there were.
	then func(waits int)
}

func (s *stepper) ClockNow() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *stepper) ClockSleep(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	s.now = s.now.Add(d * time.Duration(max(s.hurry, 1)))
	s.slept = append(s.slept, d)
	waits := len(s.slept)
	s.mu.Unlock()
	if s.then != nil {
		s.then(waits)
	}
	return ctx.Err()
}

// bench is a listener between a local gateway and a shop.
type bench struct {
	t      *testing.T
	gw     *sandbox.Gateway
	clock  *stepper
	config listen.Config
	cancel context.CancelFunc
	ctx    context.Context

	mu     sync.Mutex
	events []listen.Event
	bodies []string
	// shop answers what is posted to it.
	shop http.Handler
	// paid are the orders that the shop's function was called for.
	paid []*ksher.Order
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, gw: sandbox.New(t), clock: &stepper{now: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)}}
	b.shop = sandboxtest.Notifications(t, b.gw, func(_ context.Context, o *ksher.Order) error {
		b.paid = append(b.paid, o)
		return nil
	})
	server := httptest.NewServer(http.HandlerFunc(b.receive))
	t.Cleanup(server.Close)
	budget, err := ksher.NewBudget(1000, 4)
	require.NoError(t, err)
	way := &http.Transport{DisableKeepAlives: true}
	b.config = listen.Config{
		Client: b.client(listen.Recorder{RoundTripper: b.gw.HTTPClient().Transport}), Target: server.URL + "/notify", Way: way,
		Budget: budget, Patience: time.Minute, Most: 10, Clock: b.clock, Tell: b.heard,
	}
	b.ctx, b.cancel = context.WithCancel(t.Context())
	t.Cleanup(b.cancel)
	return b
}

func (b *bench) client(by http.RoundTripper) *ksher.Client {
	b.t.Helper()
	client, err := b.gw.NewClient(ksher.WithHTTPClient(&http.Client{Transport: by}))
	require.NoError(b.t, err)
	return client
}

// receive is the shop's server.
func (b *bench) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	assert.NoError(b.t, err)
	assert.Equal(b.t, "text/plain;charset=utf-8", r.Header.Get("Content-Type"))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bodies = append(b.bodies, string(body))
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	b.shop.ServeHTTP(w, r)
}

func (b *bench) heard(e listen.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.NotRegexp(b.t, "[0-9a-fA-F]{64}", e.Problem, "no signature")
	b.events = append(b.events, e)
}

// kinds are those of the events so far.
func (b *bench) kinds() (kinds []listen.Kind) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// listen listens for orders until they are done with.
func (b *bench) listen(orders ...listen.Order) listen.Outcome {
	l := listen.New(b.ctx, b.config)
	for _, o := range orders {
		l.Follow(o)
	}
	l.Wait()
	return l.Outcome()
}

func (b *bench) page(no string) {
	b.t.Helper()
	_, err := b.gw.Client.GatewayPay(b.t.Context(), sandboxtest.GatewayPay(no))
	require.NoError(b.t, err)
}

func (b *bench) code(no string) {
	b.t.Helper()
	_, err := b.gw.Client.NativePay(b.t.Context(), sandboxtest.NativePay(no, ksher.ChannelTrueMoney))
	require.NoError(b.t, err)
}

// Our own handler takes what is posted, which is Ksher's answer to the byte.
func TestPaid(t *testing.T) {
	for name, tt := range map[string]struct {
		make  func(*bench, string)
		order listen.Order
		host  ksher.Host
	}{
		"a page":                {(*bench).page, listen.Order{MchOrderNo: "A1", Host: ksher.HostGateway}, ksher.HostGateway},
		"a code":                {(*bench).code, listen.Order{MchOrderNo: "A1", Host: ksher.HostMerchant}, ksher.HostMerchant},
		"a page by its number":  {(*bench).page, listen.Order{MchOrderNo: "A1"}, ksher.HostGateway},
		"a code by its number":  {(*bench).code, listen.Order{MchOrderNo: "A1"}, ksher.HostMerchant},
		"one that isn't there":  {nil, listen.Order{MchOrderNo: "A1"}, ksher.HostMerchant},
		"with a doubtful query": {(*bench).page, listen.Order{MchOrderNo: "A1"}, ksher.HostGateway},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if tt.make != nil {
				tt.make(b, "A1")
			}
			want := []listen.Kind{listen.Followed, listen.Unpaid, listen.Paid, listen.Accepted}
			b.clock.then = func(waits int) {
				switch {
				case waits == 2 && tt.make == nil:
					b.code("A1")
				case waits == 4:
					require.Empty(t, b.bodies)
					require.NoError(t, b.gw.Pay("A1", ksher.ChannelTrueMoney))
					if name == "with a doubtful query" { // The client repeats it.
						require.NoError(t, b.gw.Inject(sandbox.Fault{Operation: "gateway_order_query", Kind: sandbox.FaultTruncated}))
						require.NoError(t, b.gw.Inject(sandbox.Fault{Operation: "gateway_order_query", Kind: sandbox.FaultHTML502}))
					}
				}
			}
			if tt.make == nil {
				want = slices.Insert(want, 1, listen.Unknown)
			}
			if name == "with a doubtful query" {
				want = slices.Insert(want, 2, listen.NotAsked)
			}
			out := b.listen(tt.order)
			assert.Equal(t, listen.Outcome{Accepted: 1}, out)
			assert.Equal(t, want, b.kinds())
			assert.Equal(t, tt.host, b.events[len(b.events)-1].Host)
			require.Len(t, b.paid, 1)
			assert.Equal(t, "A1", b.paid[0].MchOrderNo)
			require.Len(t, b.bodies, 1)
			n, err := ksher.ParseNotification([]byte(b.bodies[0]), sandbox.Verifier())
			require.NoError(t, err)
			assert.Equal(t, ksher.ResultSuccess, n.Unconfirmed.Result)
			assert.Equal(t, sandbox.AppID, n.Unconfirmed.AppID)
		})
	}
}

// documented are the pauses between Ksher's notifications, written a second time.
var documented = []time.Duration{
	time.Second, 2 * time.Second, 2 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
	10 * time.Minute, time.Hour, 3 * time.Hour, 5 * time.Hour, 8 * time.Hour, 12 * time.Hour,
}

func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		refuse func(http.ResponseWriter)
		// times is how often the shop refuses, -1 for always.
		times   int
		problem string
	}{
		"twice":       {func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }, 2, "HTTP 500"},
		"always":      {func(w http.ResponseWriter) { io.WriteString(w, `{"result":"FAIL","msg":"no"}`) }, -1, "FAIL"},
		"other form":  {func(w http.ResponseWriter) { io.WriteString(w, "SUCCESS") }, 1, "SUCCESS"},
		"a redirect":  {func(w http.ResponseWriter) { w.Header().Set("Location", "/elsewhere"); w.WriteHeader(http.StatusFound) }, 1, "redirect"},
		"breaks off":  {func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, 1, "EOF"},
		"a signature": {func(w http.ResponseWriter) { io.WriteString(w, strings.Repeat("ab", 64)) }, 1, "[signature]"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.code("A1")
			require.NoError(t, b.gw.Pay("A1", ksher.ChannelTrueMoney))
			accepts, posts := b.shop, 0
			b.shop = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if posts++; tt.times < 0 || posts <= tt.times {
					tt.refuse(w)
					return
				}
				accepts.ServeHTTP(w, r)
			})
			out := b.listen(listen.Order{MchOrderNo: "A1", Host: ksher.HostMerchant})
			times := tt.times
			last := listen.Accepted
			if tt.times < 0 {
				times, last = 12, listen.GivenUp
				assert.Equal(t, listen.Outcome{Unheard: 1}, out)
				assert.Len(t, b.bodies, 13)
			} else {
				assert.Equal(t, listen.Outcome{Accepted: 1}, out)
				assert.Len(t, b.paid, 1)
			}
			assert.Equal(t, documented[:times], b.clock.slept)
			assert.Equal(t, last, b.events[len(b.events)-1].Kind)
			assert.Equal(t, listen.Refused, b.events[2].Kind)
			assert.Contains(t, b.events[2].Problem, tt.problem)
			assert.Len(t, slices.Compact(slices.Clone(b.bodies)), 1, "the same body each time")
		})
	}
}

// answers answers every query with a signed answer: the order of that number is paid.
type answers struct {
	http.RoundTripper
	no string
}

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := a.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	answer := sandbox.SignedResponse(&ksher.OrderQueryResponse{Order: ksher.Order{AppID: sandbox.AppID, MchOrderNo: a.no, TotalFee: 40_00, FeeType: "THB", Result: ksher.ResultSuccess}})
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(answer)), int64(len(answer))
	return resp, nil
}

// Nothing but what Ksher has signed about an order that is paid is ever posted.
func TestNeverForwarded(t *testing.T) {
	always := func(kind sandbox.FaultKind) func(*bench) {
		return func(b *bench) {
			require.NoError(b.t, b.gw.Pay("A1", ksher.ChannelTrueMoney))
			require.NoError(b.t, b.gw.Inject(sandbox.Fault{Operation: "order_query", Kind: kind, Count: 1_000_000}))
		}
	}
	for name, tt := range map[string]struct {
		make func(*bench)
		has  listen.Kind
		why  string
	}{
		"unpaid":           {func(*bench) {}, listen.Unpaid, "isn't paid after 2h"},
		"failed":           {func(b *bench) { require.NoError(b.t, b.gw.Fail("A1")) }, listen.Unpaid, "isn't paid after 2h"},
		"refunded":         {func(b *bench) { b.refunded("A1") }, listen.Unpaid, "paid and refunded"},
		"forged":           {always(sandbox.FaultBadSignature), listen.NotAsked, "isn't paid after 2h"},
		"cut":              {always(sandbox.FaultTruncated), listen.NotAsked, "isn't paid after 2h"},
		"a page of errors": {always(sandbox.FaultHTML502), listen.NotAsked, "isn't paid after 2h"},
		"another order's answer": {func(b *bench) {
			b.config.Client = b.client(listen.Recorder{RoundTripper: answers{b.gw.HTTPClient().Transport, "B1"}})
		}, listen.NotAsked, "isn't paid after 2h"},
		"an answer without a number": {func(b *bench) {
			b.config.Client = b.client(listen.Recorder{RoundTripper: answers{b.gw.HTTPClient().Transport, ""}})
		}, listen.NotAsked, "isn't paid after 2h"},
		"not recorded": {func(b *bench) {
			require.NoError(b.t, b.gw.Pay("A1", ksher.ChannelTrueMoney))
			b.config.Client = b.client(b.gw.HTTPClient().Transport)
		}, listen.NotAsked, "isn't paid after 2h"},
		"recorded otherwise": {func(b *bench) {
			b.config.Client = b.client(answers{listen.Recorder{RoundTripper: answers{b.gw.HTTPClient().Transport, "B1"}}, "A1"})
		}, listen.NotAsked, "isn't paid after 2h"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.clock.hurry = 30
			b.code("A1")
			tt.make(b)
			began := b.clock.ClockNow()
			out := b.listen(listen.Order{MchOrderNo: "A1", Host: ksher.HostMerchant})
			assert.Equal(t, listen.Outcome{Unpaid: 1}, out)
			assert.Empty(t, b.bodies)
			assert.Equal(t, []listen.Kind{listen.Followed, tt.has, listen.GivenUp}, slices.Compact(b.kinds()))
			assert.Contains(t, b.events[len(b.events)-1].Problem, tt.why)
			assert.Less(t, b.clock.ClockNow().Sub(began), 2*time.Hour+10*time.Minute)
		})
	}
}

func (b *bench) refunded(no string) {
	b.t.Helper()
	require.NoError(b.t, b.gw.Pay(no, ksher.ChannelTrueMoney))
	_, err := b.gw.Client.Refund(b.t.Context(), &ksher.RefundRequest{Host: ksher.HostMerchant, MchOrderNo: no, MchRefundNo: no + "R", RefundFee: 40_00})
	require.NoError(b.t, err)
}

func TestUnknownOrders(t *testing.T) {
	b := newBench(t)
	began := b.clock.ClockNow()
	assert.Equal(t, listen.Outcome{Unpaid: 2}, b.listen(listen.Order{MchOrderNo: "A1"}, listen.Order{MchOrderNo: "A\xff"}))
	assert.Less(t, b.clock.ClockNow().Sub(began), 11*time.Minute)
	assert.ElementsMatch(t, []listen.Kind{listen.Followed, listen.Followed, listen.Unknown, listen.NotFollowed, listen.GivenUp, listen.GivenUp}, b.kinds())
}

func TestBounds(t *testing.T) {
	b := newBench(t)
	var queries int
	count := counting{b.gw.HTTPClient().Transport, func() { b.mu.Lock(); queries++; b.mu.Unlock() }}
	b.config.Client, b.config.Most = b.client(listen.Recorder{RoundTripper: count}), 2
	var err error
	b.config.Budget, err = ksher.NewBudget(0.05, 1)
	require.NoError(t, err)
	began := b.clock.ClockNow()
	for _, no := range []string{"A1", "A2", "A3"} {
		b.code(no)
	}
	merchant := func(no string) listen.Order { return listen.Order{MchOrderNo: no, Host: ksher.HostMerchant} }
	b.clock.then = func(waits int) {
		if waits == 500 {
			b.cancel()
		}
	}
	out := b.listen(merchant("A1"), merchant("A1"), listen.Order{MchOrderNo: "A1"}, merchant("A2"), merchant("A3"))
	assert.Equal(t, listen.Outcome{Open: []string{"A1", "A2"}}, out, "two are followed, each once")
	assert.LessOrEqual(t, queries, int(b.clock.ClockNow().Sub(began)/(20*time.Second))+1)
	assert.Greater(t, queries, 50)
	assert.Contains(t, b.kinds(), listen.NotFollowed)
}

// counting counts requests.
type counting struct {
	http.RoundTripper
	one func()
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.one()
	return c.RoundTripper.RoundTrip(r)
}

// What is paid and not accepted yet when it ends is told apart from what is open.
func TestEndedBeforeAccepted(t *testing.T) {
	b := newBench(t)
	b.code("A1")
	require.NoError(t, b.gw.Pay("A1", ksher.ChannelTrueMoney))
	b.shop = http.NotFoundHandler()
	b.clock.then = func(int) { b.cancel() }
	assert.Equal(t, listen.Outcome{Untold: []string{"A1"}}, b.listen(listen.Order{MchOrderNo: "A1", Host: ksher.HostMerchant}))
}

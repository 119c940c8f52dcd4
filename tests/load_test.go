package tests

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// senders is how many post notifications at the same time.
const senders = 50

// payment is an order as the gateway of a load test has it.
type payment struct {
	answer []byte
	// calls is how often the merchant's function was called for it.
	calls atomic.Int64
}

// ledger is a gateway that answers queries with what it was given, so that it
// takes little of the two cores.
type ledger struct {
	mu       sync.RWMutex
	payments map[string]*payment
}

func (l *ledger) find(mchOrderNo string) *payment {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.payments[mchOrderNo]
}

func (l *ledger) add(mchOrderNo string, result ksher.Result) (answer []byte) {
	answer = signedOrder(mchOrderNo, result)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.payments[mchOrderNo] = &payment{answer: answer}
	return answer
}

func (l *ledger) remove(mchOrderNo string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.payments, mchOrderNo)
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p := l.find(r.PostFormValue("mch_order_no")); p != nil {
		w.Write(p.answer)
		return
	}
	io.WriteString(w, `{"code":1,"msg":"ORDER_NOT_EXIST"}`)
}

// signedOrder is what the gateway says of an order, in a notification as in the
// answer to a query.
func signedOrder(mchOrderNo string, result ksher.Result) []byte {
	o := paidOrder()
	o.MchOrderNo, o.Result = mchOrderNo, result
	return sandbox.SignedResponse(ksher.GatewayOrderQueryResponse{Order: o})
}

// connection is one that is kept open. An http.Client would take more of the
// two cores than what it measures.
type connection struct {
	net.Conn
	in *bufio.Reader
}

func dial(tb testing.TB, server *httptest.Server) *connection {
	tb.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(tb, err)
	tb.Cleanup(func() { conn.Close() })
	return &connection{conn, bufio.NewReader(conn)}
}

func (l *connection) post(body []byte) (status int, err error) {
	if _, err := fmt.Fprintf(l, "POST /notify HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(l.in, nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if says := strings.Contains(string(answer), "SUCCESS"); err == nil && says != (resp.StatusCode == http.StatusOK) {
		err = fmt.Errorf("HTTP %d, but the answer is %s", resp.StatusCode, answer)
	}
	return resp.StatusCode, err
}

// gatewayTransport is for queries to a gateway on this machine.
func gatewayTransport(tb testing.TB) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * senders}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// loadedShop is a merchant's server whose gateway is the ledger.
func loadedShop(tb testing.TB, gateway *ledger, fn func(context.Context, *ksher.Order) error, opts ...ksher.PaymentsOption) *httptest.Server {
	tb.Helper()
	double := httptest.NewServer(gateway)
	tb.Cleanup(double.Close)
	client, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(tb, 1024), ksher.WithHTTPClient(gatewayTransport(tb)),
		ksher.WithVerifier(sandbox.Verifier()), ksher.WithGatewayURL(double.URL), ksher.WithMerchantURL(double.URL))
	require.NoError(tb, err)
	notifications, err := testkit.PaymentsTo(tb, client, fn, opts...).Notifications(func(_ context.Context, no string) (ksher.OpenOrder, error) {
		return ksher.OpenOrder{MchOrderNo: no, Host: ksher.HostGateway, TotalFee: 150_50, FeeType: "THB"}, nil
	})
	require.NoError(tb, err)
	shop := httptest.NewServer(notifications)
	tb.Cleanup(shop.Close)
	return shop
}

// forgery is a kind of notification that has to be refused.
type forgery struct {
	name   string
	status int
	// body is made of a genuine notification, or of nothing.
	body func(random *rand.Rand, genuine []byte) []byte
}

func forgeries(tb testing.TB, gateway *ledger) []forgery {
	gateway.add("closed", ksher.ResultClosed)
	always := func(body []byte) func(*rand.Rand, []byte) []byte {
		return func(*rand.Rand, []byte) []byte { return body }
	}
	other := paidOrder()
	other.AppID = sandbox.AppID
	data, _ := signedData(tb, ksher.GatewayOrderQueryResponse{Order: paidOrder()})
	return []forgery{
		{"a changed signature", http.StatusForbidden, func(random *rand.Rand, genuine []byte) []byte {
			const name = `"sign":"`
			digit := &genuine[bytes.Index(genuine, []byte(name))+len(name)+random.IntN(128)]
			*digit = map[bool]byte{true: '0', false: '1'}[*digit == '1']
			return genuine
		}},
		{"another amount", http.StatusForbidden, func(random *rand.Rand, genuine []byte) []byte {
			return bytes.Replace(genuine, []byte(`"total_fee":1`), strconv.AppendInt([]byte(`"total_fee":`), 2+random.Int64N(1e6), 10), 1)
		}},
		{"another order", http.StatusForbidden, func(random *rand.Rand, genuine []byte) []byte {
			return bytes.Replace(genuine, []byte(`"mch_order_no":"`), []byte(`"mch_order_no":"1`), 1)
		}},
		{"truncated", http.StatusBadRequest, func(random *rand.Rand, genuine []byte) []byte {
			return genuine[:random.IntN(len(genuine))]
		}},
		{"garbage", http.StatusBadRequest, func(random *rand.Rand, _ []byte) []byte {
			garbage := make([]byte, random.IntN(2000))
			for i := range garbage {
				garbage[i] = byte(random.Uint32())
			}
			return garbage
		}},
		{"another key", http.StatusForbidden, always([]byte(testkit.SignedAnswer(tb, string(data))))},
		{"another merchant", http.StatusForbidden, always(sandbox.SignedResponse(ksher.GatewayOrderQueryResponse{Order: other}))},
		{"unknown to the gateway", http.StatusServiceUnavailable, always(signedOrder("unknown", ksher.ResultSuccess))},
		{"closed at the gateway", http.StatusServiceUnavailable, always(signedOrder("closed", ksher.ResultSuccess))},
	}
}

// load is a load test.
type load struct {
	*testing.T
	gateway   *ledger
	forgeries []forgery
	// more says whether to go on after that many notifications.
	more func(sent int64) bool
	// every is how many notifications there are between two samples.
	every int64

	orders, sent, forged, busy, strays, due atomic.Int64

	// pause is held for reading by whoever sends, so that a sample sees no
	// memory but what stays.
	pause   sync.RWMutex
	start   time.Time
	samples []sample
}

// sample is what the heap had after garbage collection, and when.
type sample struct {
	after        time.Duration
	sent, orders int64
	heap         uint64
}

func (s sample) String() string {
	return fmt.Sprintf("after %v: %d notifications, %d orders, %.2f MB on the heap", s.after.Round(time.Second), s.sent, s.orders, float64(s.heap)/1e6)
}

// full returns the default Deduper with as many payments as it ever remembers,
// 100,000, so that it forgets one for each new one, and memory has no reason to
// grow. It has seen twice as many, because its map needs a few megabytes more
// when it also forgets, and the same from then on.
func full(tb testing.TB) *once.Memory {
	memory := &once.Memory{}
	for i := range 200_000 {
		key := fmt.Sprintf("%s %s B-%07d", testkit.AppID, ksher.ResultSuccess, i)
		require.NoError(tb, memory.Once(tb.Context(), key, func(context.Context) error { return nil }))
	}
	return memory
}

func (l *load) sample() {
	l.pause.Lock()
	defer l.pause.Unlock()
	if l.sent.Load() < l.due.Load() {
		return // Another sender was faster.
	}
	l.due.Add(l.every)
	runtime.GC()
	runtime.GC() // The first only puts aside what a sync.Pool has.
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	l.samples = append(l.samples, sample{time.Since(l.start), l.sent.Load(), l.orders.Load(), memory.HeapAlloc})
}

// paid is the merchant's function.
func (l *load) paid(_ context.Context, n *ksher.Order) error {
	runtime.Gosched() // So that other deliveries come in between.
	if p := l.gateway.find(n.MchOrderNo); p != nil && n.CheckPaid(n.MchOrderNo, 150_50, "THB") == nil {
		p.calls.Add(1)
	} else {
		l.strays.Add(1)
	}
	return nil
}

// deliver posts the same notification on each of the connections at once.
func (l *load) deliver(body []byte, connections ...*connection) (statuses []int) {
	statuses = make([]int, len(connections))
	var group sync.WaitGroup
	for i, c := range connections {
		group.Go(func() {
			var err error
			statuses[i], err = c.post(body)
			assert.NoError(l, err)
		})
	}
	group.Wait()
	l.sent.Add(int64(len(connections)))
	return statuses
}

// send plays a sender with two connections, until there were enough
// notifications or something was wrong.
func (l *load) send(random *rand.Rand, connections [2]*connection) {
	// Of more than that the oldest is given up, so that the test itself doesn't
	// need more and more memory.
	const most = 5
	type order struct {
		no   string
		body []byte
	}
	var known []order
	settled := func(o order) bool {
		return assert.EqualValues(l, 1, l.gateway.find(o.no).calls.Load(), "how often order %s was handled", o.no)
	}
	for ok := true; ok && l.more(l.sent.Load()); {
		l.pause.RLock()
		to := connections[:1+random.IntN(2)]
		switch kind := random.IntN(3); {
		case kind == 0 || len(known) == 0:
			if len(known) == most {
				ok = settled(known[0])
				l.gateway.remove(known[0].no)
				known = append(known[:0], known[1:]...)
			}
			o := order{no: fmt.Sprintf("A-%07d", l.orders.Add(1))}
			o.body = l.gateway.add(o.no, ksher.ResultSuccess)
			known = append(known, o)
			for _, status := range l.deliver(o.body, to...) {
				if status == http.StatusServiceUnavailable && len(to) > 1 {
					l.busy.Add(1)
					status = l.deliver(o.body, connections[0])[0]
				}
				ok = ok && assert.Equal(l, http.StatusOK, status, "order %s", o.no)
			}
		case kind == 1:
			o := known[random.IntN(len(known))]
			for _, status := range l.deliver(o.body, to...) {
				ok = ok && assert.Equal(l, http.StatusOK, status, "order %s again", o.no)
			}
		default:
			f := l.forgeries[random.IntN(len(l.forgeries))]
			genuine := l.gateway.find("forged").answer
			if random.IntN(2) == 0 {
				genuine = known[random.IntN(len(known))].body
			}
			for _, status := range l.deliver(f.body(random, bytes.Clone(genuine)), to...) {
				l.forged.Add(1)
				ok = ok && assert.Equal(l, f.status, status, "forgery: %s", f.name)
			}
		}
		l.pause.RUnlock()
		if l.sent.Load() >= l.due.Load() {
			l.sample()
		}
	}
	for _, o := range known {
		settled(o)
	}
}

// Fifty senders at once: new payments, repetitions and forgeries, each also twice
// at the same time. KSHER_LOAD has how long, such as 5m.
func TestWebhookUnderLoad(t *testing.T) {
	goroutines := goleak.IgnoreCurrent()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("KSHER_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "KSHER_SEED")
	}
	t.Logf("KSHER_SEED=%d", seed)
	l := &load{T: t, gateway: &ledger{payments: make(map[string]*payment)}, start: time.Now(), every: 400}
	l.more = func(sent int64) bool { return sent < 2000 }
	text := os.Getenv("KSHER_LOAD")
	if text != "" {
		length, err := time.ParseDuration(text)
		require.NoError(t, err, "KSHER_LOAD")
		l.more = func(int64) bool { return time.Since(l.start) < length }
		l.every = 2000
	}
	l.due.Store(l.every)
	t.Run("senders", func(t *testing.T) {
		shop := loadedShop(t, l.gateway, l.paid, ksher.WithDeduper(full(t)))
		l.forgeries = forgeries(t, l.gateway)
		l.gateway.add("forged", ksher.ResultSuccess)
		var group sync.WaitGroup
		for i := range uint64(senders) {
			connections := [2]*connection{dial(t, shop), dial(t, shop)}
			group.Go(func() { l.send(rand.New(rand.NewPCG(seed, i)), connections) })
		}
		group.Wait()
	})
	goleak.VerifyNone(t, goroutines)

	took := time.Since(l.start)
	t.Logf("%d notifications in %v, %.0f per second: of %d orders, %d forged, %d asked to come back",
		l.sent.Load(), took.Round(time.Millisecond), float64(l.sent.Load())/took.Seconds(), l.orders.Load(), l.forged.Load(), l.busy.Load())
	require.Zero(t, l.strays.Load(), "calls of the merchant's function for what the gateway doesn't have, or not any more")
	for _, no := range []string{"forged", "closed"} {
		require.Zero(t, l.gateway.find(no).calls.Load(), no)
	}
	require.Greater(t, len(l.samples), 2)
	const slack = 1 << 20
	minute := time.Duration(0)
	for i, s := range l.samples {
		if text == "" || s.after >= minute || i == len(l.samples)-1 {
			t.Log(s)
			minute = s.after.Truncate(time.Minute) + time.Minute
		}
		require.LessOrEqual(t, s.heap, l.samples[0].heap+slack, "memory grows: %v", s)
	}
	if text != "" {
		t.Log("fifty at once against the floor: ", testing.Benchmark(BenchmarkWebhook))
	}
}

// forgetful is a Deduper to which every notification is of a new payment.
type forgetful struct{}

func (forgetful) Once(ctx context.Context, _ string, fn func(context.Context) error) error {
	return fn(ctx)
}

// BenchmarkWebhook is fifty senders at once, against the same on a bare HTTP
// server, which verifies with bigmod alone, signs with crypto/rsa, and sends a
// query and reads the answer. They take turns, and the median counts.
func BenchmarkWebhook(b *testing.B) {
	gateway := &ledger{payments: make(map[string]*payment)}
	body := gateway.add("A-1", ksher.ResultSuccess)
	shop := loadedShop(b, gateway, func(context.Context, *ksher.Order) error { return nil }, ksher.WithDeduper(forgetful{}))

	var envelope struct {
		Data json.RawMessage
		Sign string
	}
	require.NoError(b, json.Unmarshal(body, &envelope))
	verify := bareVerify(b, sandbox.PublicKey(ksher.SignV1), signText(b, envelope.Data), envelope.Sign)
	key, digest, form := testkit.RSAKey(b, 1024), md5.Sum(nil), url.Values{"mch_order_no": {"A-1"}}.Encode()
	double := httptest.NewServer(gateway)
	b.Cleanup(double.Close)
	client := gatewayTransport(b)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			b.Error(err)
		}
		verify()
		if _, err := key.Sign(nil, digest[:], crypto.MD5); err != nil {
			b.Error(err)
		}
		resp, err := client.Post(double.URL, "application/x-www-form-urlencoded", strings.NewReader(form))
		if err != nil {
			b.Error(err)
			return
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Error(err)
		}
		io.WriteString(w, testkit.Accepted)
	}))
	b.Cleanup(bare.Close)

	const each = 4
	turn := func(server *httptest.Server) func() float64 {
		connections := make([]*connection, senders)
		for i := range connections {
			connections[i] = dial(b, server)
		}
		return func() float64 {
			start := time.Now()
			var group sync.WaitGroup
			for _, c := range connections {
				group.Go(func() {
					for range each {
						if status, err := c.post(body); err != nil || status != http.StatusOK {
							b.Error(status, err)
						}
					}
				})
			}
			group.Wait()
			return time.Since(start).Seconds() / (senders * each)
		}
	}
	whole, floor := turn(shop), turn(bare)
	status, err := dial(b, shop).post(body)
	require.NoError(b, err)
	require.Equal(b, http.StatusOK, status)
	floor() // So that both have their connections.
	whole()
	var wholes, floors, ratios []float64
	for b.Loop() {
		f, w := floor(), whole()
		floors, wholes, ratios = append(floors, f), append(wholes, w), append(ratios, w/f)
	}
	median := func(s []float64) float64 {
		slices.Sort(s)
		return s[len(s)/2]
	}
	b.ReportMetric(0, "ns/op") // It would count both.
	b.ReportMetric(1/median(wholes), "notifications/s")
	b.ReportMetric(1/median(floors), "floor/s")
	b.ReportMetric(median(ratios), "x/floor")
}

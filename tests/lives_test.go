package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// line is a transport on which requests meet with accidents that no gateway
// makes.
type line struct {
	next http.RoundTripper

	mu sync.Mutex
	// accidents has what happens to the next request of an operation.
	accidents map[string][]accident
}

// accident is what happens to a request. It may send it, now or later.
type accident func(send func() (*http.Response, error)) (*http.Response, error)

func (l *line) plan(operation string, a accident) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.accidents == nil {
		l.accidents = make(map[string][]accident)
	}
	l.accidents[operation] = append(l.accidents[operation], a)
}

func (l *line) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accidents = nil
}

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	op := path.Base(r.URL.Path)
	l.mu.Lock()
	var a accident
	if waiting := l.accidents[op]; len(waiting) > 0 {
		a, l.accidents[op] = waiting[0], waiting[1:]
	}
	l.mu.Unlock()
	if a == nil {
		return l.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	return a(func() (*http.Response, error) {
		again, err := http.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		again.Header = r.Header.Clone()
		return l.next.RoundTrip(again)
	})
}

// belief is what the merchant knows of a request.
type belief string

const (
	notDone belief = ""
	done    belief = "done"
	inDoubt belief = "in doubt"
)

// deed is a request that changes something, with what the merchant believes of
// it. A deed that ended in doubt is only ever sent again as the very same request.
type deed struct {
	name   string
	belief belief
	req    ksher.Doubtful
	call   func(context.Context) error
	// settled has the codes that say that it was done before.
	settled []ksher.Code
	// isDone is the gateway's own view.
	isDone func(*sandbox.Order) bool
}

// life is one order's, played by a merchant who keeps to the rules of this
// package's documentation while everything around goes wrong.
type life struct {
	t        *testing.T
	rng      *rand.Rand
	gw       *sandbox.Gateway
	client   *ksher.Client
	payments *ksher.Payments
	wire     *line
	// losePatience ends the context of the merchant's call.
	losePatience func()
	// onTheWay has requests that haven't arrived yet.
	onTheWay []func() (*http.Response, error)
	order    ksher.OpenOrder
	channels []ksher.Channel

	create, end *deed
	refunds     []*deed
	fees        map[*deed]ksher.Amount
	knowsPaid   bool

	mu sync.Mutex
	// fails is how often the merchant's function fails before it works again.
	fails int
	// handled is how often it returned nil, and ended what it was told of orders
	// that ended otherwise.
	handled int
	ended   []ksher.Result
	wrong   []error
}

var changing = map[ksher.Host][]string{
	ksher.HostGateway:  {"gateway_pay", "cancel_order", "order_refund"},
	ksher.HostMerchant: {"native_pay", "order_close", "order_refund"},
}

var asking = map[ksher.Host][]string{
	ksher.HostGateway:  {"gateway_order_query", "refund_query"},
	ksher.HostMerchant: {"order_query", "refund_query"},
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// chance is true that many times of a hundred.
func (l *life) chance(percent int) bool { return l.rng.IntN(100) < percent }

func newLife(t *testing.T, seed uint64, notifyURL string) *life {
	l := &life{t: t, rng: rand.New(rand.NewPCG(seed, 0)), gw: sandbox.New(t), fees: map[*deed]ksher.Amount{}}
	l.wire = &line{next: l.gw.HTTPClient().Transport}
	var err error
	l.client, err = l.gw.NewClient(ksher.WithRetry(3, 0), ksher.WithMaxResponseBytes(smallAnswers), onlyV1(),
		ksher.WithHTTPClient(&http.Client{Transport: l.wire}))
	require.NoError(t, err)
	l.payments = testkit.PaymentsTo(t, l.client, l.paid, ksher.WithEnded(l.endedOtherwise), budget(t, 1000, 1))
	l.order = ksher.OpenOrder{MchOrderNo: testkit.OrderNo, Host: pick(l.rng, []ksher.Host{ksher.HostGateway, ksher.HostMerchant}), TotalFee: 100_00, FeeType: "THB"}
	if l.order.Host == ksher.HostGateway {
		l.channels = []ksher.Channel{pick(l.rng, []ksher.Channel{"truemoney", "card", "wechat", "alipay", "promptpay", "linepay"}), "truemoney"}
		pay, cancel := testkit.GoodGatewayPay(), &ksher.CancelOrderRequest{MchOrderNo: testkit.OrderNo}
		pay.ChannelList, pay.MchNotifyURL = l.channels, notifyURL
		l.create = &deed{name: "gateway_pay", req: pay, call: func(ctx context.Context) error { _, err := l.client.GatewayPay(ctx, pay); return err }}
		l.end = &deed{name: "cancel_order", req: cancel, call: func(ctx context.Context) error { _, err := l.client.CancelOrder(ctx, cancel); return err }}
	} else {
		l.channels = []ksher.Channel{pick(l.rng, []ksher.Channel{"truemoney", "wechat", "alipay", "promptpay", "airpay", "scb_qrcard"})}
		pay, closing := testkit.GoodNativePay(), &ksher.OrderCloseRequest{MchOrderNo: testkit.OrderNo}
		pay.Channel, pay.NotifyURL = l.channels[0], notifyURL
		l.create = &deed{name: "native_pay", req: pay, call: func(ctx context.Context) error { _, err := l.client.NativePay(ctx, pay); return err }}
		l.end = &deed{name: "order_close", req: closing, call: func(ctx context.Context) error { _, err := l.client.OrderClose(ctx, closing); return err }}
	}
	l.create.settled = []ksher.Code{ksher.CodeOrderError, ksher.CodeKsherDuplicatedOrderNo}
	l.create.isDone = func(o *sandbox.Order) bool { return o != nil }
	l.end.settled = []ksher.Code{ksher.CodeOrderAlreadyCancel}
	// A cancelled order may be paid afterwards, and what has ended needn't be closed.
	l.end.isDone = func(o *sandbox.Order) bool {
		return o != nil && (o.Result == ksher.ResultClosed || o.Result == ksher.ResultPayError || events(o, "cancelled") > 0)
	}
	for i := range 3 {
		l.planRefund(fmt.Sprint("refund", i), pick(l.rng, []ksher.Amount{10_00, 33_33, 50_00, 100_00}))
	}
	return l
}

func (l *life) planRefund(no string, fee ksher.Amount) {
	d := &deed{
		name: no, settled: []ksher.Code{ksher.CodeKsherDuplicatedRefundOrderNo, ksher.CodeKsherInvalidRefundOrderNo},
		isDone: func(o *sandbox.Order) bool {
			return o != nil && slices.ContainsFunc(o.Refunds, func(r ksher.Refund) bool { return r.MchRefundNo == no })
		},
	}
	if l.order.Host == ksher.HostGateway {
		req := &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: testkit.OrderNo, MchRefundNo: no, RefundFee: fee}
		d.req, d.call = req, func(ctx context.Context) error { _, err := l.client.Refund(ctx, req); return err }
	} else {
		req := &ksher.OrderRefundRequest{MchOrderNo: testkit.OrderNo, MchRefundNo: no, RefundFee: fee, TotalFee: l.order.TotalFee, FeeType: "THB"}
		d.req, d.call = req, func(ctx context.Context) error { _, err := l.client.OrderRefund(ctx, req); return err }
	}
	l.refunds, l.fees[d] = append(l.refunds, d), fee
}

// view is the order as the gateway has it, nil if it hasn't.
func (l *life) view() *sandbox.Order {
	o, err := l.gw.Order(testkit.OrderNo)
	if err != nil {
		require.ErrorIs(l.t, err, sandbox.ErrNoOrder)
		return nil
	}
	return &o
}

// calls makes a request of a caller who may lose patience.
func (l *life) calls(fn func(context.Context) error) error {
	ctx, cancel := context.WithCancel(l.t.Context())
	defer cancel()
	l.losePatience = cancel
	return fn(ctx)
}

// do sends a deed's request, and finds out what became of it.
func (l *life) do(d *deed) {
	if d.belief == done {
		return
	}
	err := l.calls(d.call)
	switch {
	case err == nil:
		d.belief = done
	case errors.Is(err, ksher.CodeKsherDuplicatedRefundOrderNo) && l.order.Host == ksher.HostGateway:
		d.belief = done // Of channels without a refund query Refund can't find out more.
	case errors.Is(err, ksher.ErrOutcomeUnknown):
		d.belief = inDoubt
	case d.belief == inDoubt && slices.ContainsFunc(d.settled, func(c ksher.Code) bool { return errors.Is(err, c) }):
		d.belief = done
	case d.belief == inDoubt:
		// That it is refused now says nothing of the first time.
	case slices.ContainsFunc(d.settled, func(c ksher.Code) bool { return errors.Is(err, c) }):
		require.Equal(l.t, l.end, d, "refused as done before, though it never was: %v", err)
	}
	l.compare(d, "sending it ended in %v", err)
	if d.belief == inDoubt {
		l.resolve(d)
	}
}

// resolve asks what became of a deed. That it wasn't carried out yet leaves it in
// doubt, because the request may be on its way.
func (l *life) resolve(d *deed) ksher.Verdict {
	var res *ksher.Resolution
	err := l.calls(func(ctx context.Context) (err error) {
		res, err = l.client.Resolve(ctx, d.req)
		return err
	})
	if err != nil {
		require.NotErrorIs(l.t, err, ksher.ErrOutcomeUnknown, d.name)
		return ksher.VerdictStillUnknown
	}
	o := l.view()
	switch res.Verdict {
	case ksher.VerdictCarriedOut:
		d.belief = done
		l.compare(d, "Resolve says %s", res.Verdict)
	case ksher.VerdictNotCarriedOut:
		if d == l.end {
			require.NotEqual(l.t, ksher.ResultClosed, o.Result, "%s: Resolve says %s", d.name, res.Verdict)
		} else {
			require.False(l.t, d.isDone(o), "%s: Resolve says %s", d.name, res.Verdict)
		}
	default:
		require.Equal(l.t, ksher.VerdictStillUnknown, res.Verdict)
	}
	return res.Verdict
}

// compare holds what the merchant believes against the gateway's view.
func (l *life) compare(d *deed, why string, arg any) {
	l.t.Helper()
	if d.belief != inDoubt && d != l.end || d.belief == done {
		require.Equal(l.t, d.belief == done, d.isDone(l.view()), "%s: "+why, d.name, arg)
	}
}

// harm plans some misfortune for the requests to come.
func (l *life) harm() {
	host := l.order.Host
	op := pick(l.rng, append(slices.Clone(changing[host]), asking[host]...))
	switch l.rng.IntN(9) {
	case 0:
		kind := pick(l.rng, []sandbox.FaultKind{
			sandbox.FaultDuplicate, sandbox.FaultLate, sandbox.FaultReorder, sandbox.FaultCorrupt,
			sandbox.FaultBadSignature, sandbox.FaultOtherKey, sandbox.FaultTruncated,
			sandbox.FaultEncoded, sandbox.FaultMinimal,
		})
		require.NoError(l.t, l.gw.Inject(sandbox.Fault{Operation: "notify", Kind: kind, Delay: time.Minute}))
	case 1:
		l.wire.plan(pick(l.rng, changing[host]), func(send func() (*http.Response, error)) (*http.Response, error) {
			l.onTheWay = append(l.onTheWay, send)
			return nil, testkit.ErrLine
		})
	case 2:
		code := pick(l.rng, []ksher.Code{ksher.CodeSystemError, ksher.CodeKsherSystemError, ksher.CodeTradeStateError, "SOMETHING_NEW"})
		l.wire.plan(pick(l.rng, changing[host]), func(send func() (*http.Response, error)) (*http.Response, error) {
			if err := arrives(send); err != nil {
				return nil, err
			}
			return answerWith(sandbox.SignedResponse(map[string]string{"result": "FAIL", "err_code": string(code)})), nil
		})
	case 3:
		l.wire.plan(op, func(send func() (*http.Response, error)) (*http.Response, error) {
			arrives(send)
			l.losePatience()
			return nil, context.Canceled
		})
	case 4:
		l.mu.Lock()
		l.fails = 1 + l.rng.IntN(3)
		l.mu.Unlock()
	default:
		// Without latency, which is that of the wire.
		fault := pick(l.rng, troubles()[2:]).fault
		fault.Operation, fault.Count = op, 1+l.rng.IntN(3)
		require.NoError(l.t, l.gw.Inject(fault))
	}
}

// arrive lets requests that were on their way reach the gateway.
func (l *life) arrive() {
	sends := l.onTheWay
	l.onTheWay = nil
	for _, send := range sends {
		arrives(send)
	}
}

// arrives sends a request whose answer nobody reads.
func arrives(send func() (*http.Response, error)) error {
	resp, err := send()
	if err != nil {
		return err
	}
	io.Copy(io.Discard, io.LimitReader(resp.Body, smallAnswers))
	return resp.Body.Close()
}

// paid is the merchant's function.
func (l *life) paid(_ context.Context, n *ksher.Order) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails > 0 {
		l.fails--
		return errors.New("the database is away")
	}
	l.handled++
	l.wrong = append(l.wrong, n.CheckPaid(testkit.OrderNo, 100_00, "THB"))
	return nil
}

func (l *life) endedOtherwise(_ context.Context, _ ksher.OpenOrder, o *ksher.Order) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = append(l.ended, o.Result)
	return nil
}

func (l *life) reconcile() (ksher.PassResult, error) {
	return l.payments.Pass(l.t.Context(), testkit.OrderList{l.order}, "")
}

func (l *life) query() {
	var order ksher.Order
	err := l.calls(func(ctx context.Context) error {
		if l.order.Host == ksher.HostGateway {
			answer, err := l.client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: testkit.OrderNo})
			if err == nil {
				order = answer.Order
			}
			return err
		}
		answer, err := l.client.OrderQuery(ctx, &ksher.OrderQueryRequest{MchOrderNo: testkit.OrderNo})
		if err == nil {
			order = answer.Order
		}
		return err
	})
	require.NotErrorIs(l.t, err, ksher.ErrOutcomeUnknown)
	if err != nil {
		return
	}
	o := l.view()
	require.Equal(l.t, o.Result, order.Result)
	if order.CheckPaid(testkit.OrderNo, 100_00, "THB") == nil {
		l.knowsPaid = true
	}
}

// step is something that happens in the life of an order.
func (l *life) step() {
	switch n := l.rng.IntN(100); {
	case n < 25:
		l.harm()
	case n < 45: // The buyer.
		buyer := pick(l.rng, []func(){
			func() { l.gw.Begin(testkit.OrderNo, pick(l.rng, l.channels)) },
			func() { l.gw.GiveUp(testkit.OrderNo) },
			func() { l.gw.Fail(testkit.OrderNo) },
			func() { l.gw.Pay(testkit.OrderNo, "") },
			func() { l.gw.Pay(testkit.OrderNo, l.channels[0]) },
			func() { l.gw.Pay(testkit.OrderNo, pick(l.rng, l.channels)) },
		})
		buyer()
	case n < 55:
		l.query()
	case n < 62:
		l.do(l.end)
	case n < 80:
		if l.mu.Lock(); l.handled > 0 {
			l.knowsPaid = true
		}
		l.mu.Unlock()
		if l.knowsPaid {
			l.do(pick(l.rng, l.refunds))
		}
	case n < 88:
		for range 1 + l.rng.IntN(2) {
			l.gw.Deliver(l.t.Context(), testkit.OrderNo)
		}
	case n < 92:
		l.gw.Advance(time.Duration(l.rng.IntN(4*60)) * time.Minute)
	case n < 95:
		l.reconcile()
	case n < 96:
		l.gw.Settle(testkit.OrderNo)
	default:
		l.arrive()
	}
}

// settle removes a doubt for good, now that nothing goes wrong any more.
func (l *life) settle(d *deed) {
	for range 3 {
		if d.belief != inDoubt || l.resolve(d) == ksher.VerdictCarriedOut {
			return
		}
		if l.do(d); d.belief == inDoubt && l.resolve(d) != ksher.VerdictCarriedOut {
			// The gateway refuses it, and it isn't done.
			d.belief = notDone
		}
	}
}

func (l *life) live() {
	t := l.t
	for range l.rng.IntN(4) {
		l.harm()
	}
	for range 1 + l.rng.IntN(4) {
		l.do(l.create)
	}
	if l.create.belief == done {
		if l.chance(25) {
			l.do(l.end)
		}
		for range l.rng.IntN(3) {
			l.harm()
		}
		if l.chance(60) && l.gw.Pay(testkit.OrderNo, pick(l.rng, l.channels)) == nil && l.chance(70) {
			l.gw.Deliver(t.Context(), testkit.OrderNo)
		}
		for range 3 + l.rng.IntN(9) {
			l.step()
		}
	}

	// The storm is over.
	l.gw.ClearFaults()
	l.wire.clear()
	l.mu.Lock()
	l.fails = 0
	l.mu.Unlock()
	l.arrive()
	for _, d := range append([]*deed{l.create, l.end}, l.refunds...) {
		l.settle(d)
		l.compare(d, "at the end it is %v", d.belief)
	}
	orders := l.gw.Orders()
	if l.create.belief != done {
		require.Empty(t, orders)
		require.Zero(t, l.handled)
		return
	}
	require.Len(t, orders, 1, "orders")
	for range 2 {
		sum, err := l.reconcile()
		require.NoError(t, err)
		require.Zero(t, sum.Failed)
		l.gw.Deliver(t.Context(), testkit.OrderNo)
	}
	o := l.view()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch o.State {
	case sandbox.Paid, sandbox.RefundedInPart:
		require.Equal(t, 1, l.handled, "how often the payment was handled")
	case sandbox.Refunded:
		// Who refunds before hearing of the payment hears of the refund, but not who was
		// told before the payment that the order was closed.
		require.LessOrEqual(t, l.handled, 1, "how often the payment was handled")
		require.NotEmpty(t, l.ended, "the refund was reported")
	default:
		require.Zero(t, l.handled, "how often the payment was handled")
		require.False(t, l.knowsPaid)
	}
	for _, err := range l.wrong {
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(l.ended), 1, "how often an end was reported: %v", l.ended)
	require.LessOrEqual(t, events(o, "paid by "), 1, "payments")
	var sum ksher.Amount
	for _, d := range l.refunds {
		if d.belief == done {
			sum += l.fees[d]
		}
		listed := 0
		for _, r := range o.Refunds {
			if r.MchRefundNo == d.name {
				listed++
				require.Equal(t, l.fees[d], r.MchRefundFee)
			}
		}
		require.LessOrEqual(t, listed, 1, "how often %s was made", d.name)
	}
	require.Equal(t, sum, o.Refunded, "what was refunded")
}

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, name)
	return n
}

// Whatever goes wrong, a merchant who keeps to the rules charges once, refunds
// each refund once, handles each payment once, and knows in the end what the
// gateway knows.
func TestLives(t *testing.T) {
	seed, runs := number(t, "KSHER_SEED", rand.Uint64N(1<<32)), number(t, "KSHER_RUNS", 200)
	t.Logf("KSHER_SEED=%d KSHER_RUNS=%d", seed, runs)
	var next atomic.Uint64
	for worker := range runtime.GOMAXPROCS(0) {
		t.Run(fmt.Sprint("worker", worker), func(t *testing.T) {
			t.Parallel()
			var handler atomic.Pointer[http.Handler]
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load()).ServeHTTP(w, r) }))
			defer server.Close()
			for i := next.Add(1) - 1; i < runs && !t.Failed(); i = next.Add(1) - 1 {
				t.Run(fmt.Sprint(seed+i), func(t *testing.T) {
					defer func() {
						if t.Failed() {
							t.Logf("to see it again: KSHER_SEED=%d KSHER_RUNS=1 go test -run TestLives", seed+i)
						}
					}()
					l := newLife(t, seed+i, server.URL)
					notifications, err := l.payments.Notifications(testkit.OrderList{l.order}.Expected)
					require.NoError(t, err)
					h := http.Handler(notifications)
					handler.Store(&h)
					l.live()
				})
			}
		})
	}
}

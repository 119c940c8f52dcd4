// Package kill_test kills a merchant's servers at random moments while payments
// are notified, and counts how often each was applied. ../databases.sh starts
// the databases, and says where in these variables:
//
//	KSHER_POSTGRES  a URL such as postgres://ksher@127.0.0.1:25432/postgres?sslmode=disable
//	KSHER_MYSQL     a data source name such as ksher@tcp(127.0.0.1:23306)/ksher
//	KSHER_REDIS     an address such as 127.0.0.1:26379
//
// Without one, the tests of that database are skipped, unless KSHER_E2E=1 says
// that there has to be one. SQLite is always tested.
//
// KSHER_PAYMENTS is the number of payments, 100 by default and at least that.
// KSHER_SEED repeats the choices of an earlier run, though not its course.
package kill_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/e2e/fleet"
	"github.com/ksher-go/ksher/internal/sandbox"
)

func TestMain(m *testing.M) {
	if os.Getenv(asMerchant) != "" {
		fmt.Fprintln(os.Stderr, merchant())
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

const (
	minPayments      = 100
	deliveriesAtOnce = 16
	// mostSteps is how many steps servers do at most between two kills, and then
	// some.
	mostSteps = 60
	// patience is how long a run may take, many times what it does.
	patience = 15 * time.Minute
)

// TestExactlyOnce has each payment applied exactly once.
func TestExactlyOnce(t *testing.T) {
	for _, tt := range []struct {
		kind       string
		servers    int
		reconciled bool
	}{
		{postgres, 2, false},
		{postgres, 2, true},
		{onPgx, 2, false},
		{onPgx, 2, true},
		{maria, 2, false},
		{inRedis, 2, false},
		{sqlite, 1, false},
		{sqlite, 1, true},
	} {
		name := fmt.Sprintf("%s reconciled=%v", tt.kind, tt.reconciled)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := fleet.Payments(t, minPayments)
			if tt.reconciled {
				n = max(n/5, minPayments)
			}
			r := newRun(t, shop{Place: newPlace(t, tt.kind), Payments: n, Reconciled: tt.reconciled}, tt.servers)
			r.notify()

			times, sum := r.read()
			wrong := make(map[string]int)
			var total ksher.Amount
			for _, o := range r.orders() {
				if times[o.no] != 1 {
					wrong[o.no] = times[o.no]
				}
				total += o.total
			}
			require.Empty(t, wrong, "how often payments were applied")
			require.Equal(t, total, sum)
			require.Empty(t, r.again, "applied again after it was done")
			for _, m := range []moment{claimed, written, answering} {
				require.NotEmpty(t, r.killed[m], "kills at the moment %q", m)
			}
			for _, no := range append(r.killed[claimed], r.killed[written]...) {
				require.Greater(t, r.begun[no], 1, "how often the function was called for %s, whose claim a killed server had", no)
			}
		})
	}
}

// TestDoubles shows that the test above notices what a merchant does wrong: each
// kill at a certain moment makes a double.
func TestDoubles(t *testing.T) {
	for flaw, m := range map[string]moment{outside: written, forgetful: answering} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			r := newRun(t, shop{Place: newPlace(t, sqlite), Payments: minPayments, Flaw: flaw}, 1)
			r.notify()
			times, _ := r.read()
			require.Equal(t, r.Payments, len(times))
			require.NotEmpty(t, r.killed[m])
			for _, no := range r.killed[m] {
				require.Greater(t, times[no], 1, "how often %s was applied", no)
			}
		})
	}
}

// run is a shop with its servers, behind a balancer.
type run struct {
	shop
	t       *testing.T
	gateway *sandbox.Gateway
	fleet   *fleet.Fleet
	front   *httptest.Server
	// ctx ends with what went wrong in the background.
	ctx  context.Context
	fail context.CancelCauseFunc

	mu     sync.Mutex
	random *rand.Rand
	// stepsLeft is how many steps there are before the next kill, which comes at
	// the first moment of moments.
	stepsLeft int
	moments   []moment
	// begun is how often the merchant's function was called, and done whether
	// it needn't be called again. killed has the orders that a server was killed
	// at.
	begun  map[string]int
	done   map[string]bool
	again  []string
	killed map[moment][]string

	deliveries int
}

func newRun(t *testing.T, s shop, servers int) *run {
	t.Helper()
	r := &run{
		shop: s, t: t, gateway: sandbox.New(t), random: fleet.Random(t),
		begun: make(map[string]int), done: make(map[string]bool), killed: make(map[moment][]string),
	}
	r.plan()
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithTimeoutCause(t.Context(), patience, errors.New("it takes too long"))
	t.Cleanup(cancel)
	r.ctx, r.fail = context.WithCancelCause(r.ctx)

	r.fleet = fleet.New(t, servers, deliveriesAtOnce, r.command)
	mux := http.NewServeMux()
	mux.Handle("/notify/", http.StripPrefix("/notify", r.fleet))
	mux.HandleFunc("/step/{process}/{moment}/{no}", r.serveStep)
	r.front = httptest.NewServer(mux)
	t.Cleanup(r.front.Close)
	r.GatewayURL = r.gateway.URL()
	require.NoError(t, r.fleet.Start())
	return r
}

// command makes a process of the merchant's program.
func (r *run) command(process string) (*exec.Cmd, error) {
	told := r.shop
	told.StepURL = r.front.URL + "/step/" + process
	text, err := json.Marshal(told)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asMerchant+"="+string(text))
	return cmd, nil
}

// plan chooses when to kill next. The caller holds r.mu, if there is anybody
// else.
func (r *run) plan() {
	r.stepsLeft = 1 + r.random.IntN(mostSteps)
	if len(r.moments) == 0 {
		r.moments = []moment{claimed, written, answering}
		r.random.Shuffle(len(r.moments), func(i, j int) { r.moments[i], r.moments[j] = r.moments[j], r.moments[i] })
	}
}

// serveStep hears how far a process is, and perhaps kills it right there,
// wherever it is with the other notifications that it has at hand.
func (r *run) serveStep(w http.ResponseWriter, req *http.Request) {
	if replace := r.step(req.PathValue("process"), moment(req.PathValue("moment")), req.PathValue("no")); replace != nil {
		if err := replace(); err != nil {
			r.fail(err)
		}
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// step notes a step, and returns what kills the process if it is to be killed.
func (r *run) step(process string, m moment, no string) (replace func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch m {
	case claimed:
		r.begun[no]++
		if r.done[no] {
			r.again = append(r.again, no)
		}
	case answering:
		r.done[no] = true
	}
	r.stepsLeft--
	if r.stepsLeft > 0 || m != r.moments[0] {
		return nil
	}
	if replace = r.fleet.Doom(process); replace == nil {
		return nil
	}
	r.killed[m] = append(r.killed[m], no)
	r.moments = r.moments[1:]
	r.plan()
	return replace
}

// notify has all orders paid and notified: each twice at the same time, and once
// more later. It returns when each of these notifications was accepted, and each
// payment applied.
func (r *run) notify() {
	start := time.Now()
	var first, again []string
	for _, o := range r.orders() {
		request := &ksher.GatewayPayRequest{
			MchOrderNo: o.no, MchCode: o.no, TotalFee: o.total, FeeType: "THB", ProductName: "Coffee",
			ChannelList: []ksher.Channel{ksher.ChannelTrueMoney}, MchNotifyURL: r.front.URL + "/notify/" + o.no,
			ReferURL: "https://shop.example", MchRedirectURL: "https://shop.example/ok", MchRedirectURLFail: "https://shop.example/no",
		}
		if o.silent {
			request.MchNotifyURL = ""
		} else {
			first, again = append(first, o.no, o.no), append(again, o.no)
		}
		_, err := r.gateway.Client.GatewayPay(r.ctx, request)
		require.NoError(r.t, err)
		require.NoError(r.t, r.gateway.Pay(o.no, ""))
	}
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for left := append(first, again...); len(left) > 0; <-pace.C {
		left = r.deliver(left)
		require.NoError(r.t, context.Cause(r.ctx))
	}
	waiting := func() bool {
		times, _ := r.read()
		return slices.ContainsFunc(r.orders(), func(o order) bool { return o.silent && times[o.no] == 0 })
	}
	for waiting() {
		<-pace.C
		require.NoError(r.t, context.Cause(r.ctx))
	}

	// So that nothing happens any more.
	r.front.Close()

	retaken := 0
	for _, n := range r.begun {
		if n > 1 {
			retaken++
		}
	}
	r.t.Logf("%d payments, %d deliveries, %d processes killed (%d before the work, %d before the commit, %d after it), %d payments taken over, %v",
		r.Payments, r.deliveries, r.fleet.Replaced(), len(r.killed[claimed]), len(r.killed[written]), len(r.killed[answering]),
		retaken, time.Since(start).Round(100*time.Millisecond))
}

// deliver delivers a notification of each order and returns the orders whose
// notification wasn't accepted.
func (r *run) deliver(orders []string) (left []string) {
	r.deliveries += len(orders)
	left, err := fleet.Deliver(r.ctx, r.gateway, orders, deliveriesAtOnce)
	if err != nil {
		r.fail(err)
	}
	return left
}

// read reads the books.
func (r *run) read() (map[string]int, ksher.Amount) {
	r.t.Helper()
	b, err := r.Place.open()
	require.NoError(r.t, err)
	defer b.Close()
	times, sum, err := b.read(r.ctx)
	require.NoError(r.t, err)
	return times, sum
}

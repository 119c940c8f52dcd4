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
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
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
			n := payments(t)
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

func payments(t *testing.T) int {
	text := os.Getenv("KSHER_PAYMENTS")
	if text == "" {
		return minPayments
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "KSHER_PAYMENTS")
	return max(n, minPayments)
}

// run is a shop with its servers, behind a balancer that gives each
// notification to the next of them.
type run struct {
	shop
	t       *testing.T
	gateway *sandbox.Gateway
	front   *httptest.Server
	log     *os.File
	// ctx ends with what went wrong in the background.
	ctx     context.Context
	fail    context.CancelCauseFunc
	servers []*server

	mu     sync.Mutex
	random *rand.Rand
	turn   int
	// stepsLeft is how many steps there are before the next kill, which comes at
	// the first moment of moments.
	stepsLeft int
	moments   []moment
	// processes is how many were started, alive has those that aren't killed.
	processes int
	alive     map[string]*server
	// begun is how often the merchant's function was called, and done whether
	// it needn't be called again. killed has the orders that a server was killed
	// at.
	begun  map[string]int
	done   map[string]bool
	again  []string
	killed map[moment][]string

	deliveries int
}

// server is one of the merchant's servers. When its process is killed, another
// takes its place.
type server struct {
	// mu is locked while there is no process, so that notifications wait.
	mu    sync.RWMutex
	cmd   *exec.Cmd
	stdin io.Closer
	url   *url.URL
}

func newRun(t *testing.T, s shop, servers int) *run {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("KSHER_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "KSHER_SEED")
	}
	t.Logf("KSHER_SEED=%d", seed)
	r := &run{
		shop: s, t: t, gateway: sandbox.New(t), random: rand.New(rand.NewPCG(seed, 0)), alive: make(map[string]*server),
		begun: make(map[string]int), done: make(map[string]bool), killed: make(map[moment][]string),
	}
	r.plan()
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithTimeoutCause(t.Context(), patience, errors.New("it takes too long"))
	t.Cleanup(cancel)
	r.ctx, r.fail = context.WithCancelCause(r.ctx)

	var err error
	r.log, err = os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	t.Cleanup(func() {
		r.log.Close()
		text, err := os.ReadFile(r.log.Name())
		require.NoError(t, err)
		assert.NotContains(t, string(text), "DATA RACE")
		if t.Failed() {
			t.Logf("the end of what the servers said:\n%s", text[max(0, len(text)-10_000):])
		}
	})
	// What was set up is taken down in reverse: first the front, whose end waits
	// for a server that is just being replaced.
	transport := &http.Transport{MaxIdleConnsPerHost: deliveriesAtOnce}
	t.Cleanup(transport.CloseIdleConnections)
	for range servers {
		s := &server{}
		r.servers = append(r.servers, s)
		t.Cleanup(s.kill)
	}
	mux := http.NewServeMux()
	mux.Handle("/notify/", http.StripPrefix("/notify", &httputil.ReverseProxy{
		Rewrite:      func(pr *httputil.ProxyRequest) { pr.SetURL(r.next()) },
		Transport:    transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		ErrorLog:     log.New(io.Discard, "", 0),
	}))
	mux.HandleFunc("/step/{process}/{moment}/{no}", r.serveStep)
	r.front = httptest.NewServer(mux)
	t.Cleanup(r.front.Close)
	r.GatewayURL = r.gateway.URL()

	for _, s := range r.servers {
		require.NoError(t, r.start(s))
	}
	return r
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

// next returns where the next notification goes.
func (r *run) next() *url.URL {
	r.mu.Lock()
	s := r.servers[r.turn%len(r.servers)]
	r.turn++
	r.mu.Unlock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.url
}

// start starts a process of the server.
func (r *run) start(s *server) error {
	r.mu.Lock()
	r.processes++
	process := strconv.Itoa(r.processes)
	r.alive[process] = s
	r.mu.Unlock()
	told := r.shop
	told.StepURL = r.front.URL + "/step/" + process
	text, err := json.Marshal(told)
	if err != nil {
		return err
	}
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), asMerchant+"="+string(text))
	s.cmd.Stderr = r.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("a server didn't start: %w", err)
	}
	s.url, err = url.Parse("http://" + strings.TrimSpace(address))
	return err
}

// kill ends the process, if there is one.
func (s *server) kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	s.cmd.Process.Kill()
	s.cmd.Wait()
	s.stdin.Close()
}

// serveStep hears how far a process is, and perhaps kills it right there,
// wherever it is with the other notifications that it has at hand.
func (r *run) serveStep(w http.ResponseWriter, req *http.Request) {
	process := req.PathValue("process")
	if s := r.step(process, moment(req.PathValue("moment")), req.PathValue("no")); s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.kill()
		if err := r.start(s); err != nil {
			r.fail(err)
		}
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// step notes a step, and returns the server if it is to be killed.
func (r *run) step(process string, m moment, no string) *server {
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
	s := r.alive[process]
	if r.stepsLeft > 0 || m != r.moments[0] || s == nil {
		return nil
	}
	delete(r.alive, process)
	r.killed[m] = append(r.killed[m], no)
	r.moments = r.moments[1:]
	r.plan()
	return s
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
		r.Payments, r.deliveries, r.processes-len(r.servers), len(r.killed[claimed]), len(r.killed[written]), len(r.killed[answering]),
		retaken, time.Since(start).Round(100*time.Millisecond))
}

// deliver delivers a notification of each order and returns the orders whose
// notification wasn't accepted.
func (r *run) deliver(orders []string) (left []string) {
	var workers sync.WaitGroup
	var mu sync.Mutex
	queue := make(chan string)
	for range deliveriesAtOnce {
		workers.Go(func() {
			for no := range queue {
				err := r.gateway.Deliver(r.ctx, no)
				if err != nil && !errors.Is(err, sandbox.ErrNotAccepted) {
					r.fail(err)
				}
				mu.Lock()
				r.deliveries++
				if err != nil {
					left = append(left, no)
				}
				mu.Unlock()
			}
		})
	}
	for _, no := range orders {
		queue <- no
	}
	close(queue)
	workers.Wait()
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

// Package stop_test stops a merchant's servers by SIGTERM while payments are notified, while
// passes find others, and while a page and a cashier wait for buyers. Two versions run side
// by side, as in a rolling update. Each process has to end in time with exit code 0, and has
// to leave nothing half done.
//
// ../databases.sh starts the database, and says where in KSHER_POSTGRES. Without that
// the tests are skipped, unless KSHER_E2E=1 says that there has to be one.
//
// KSHER_PAYMENTS is the number of payments, 200 by default and at least that. KSHER_SEED
// repeats the choices of an earlier run, though not its course.
package stop_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/e2e/fleet"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/sqldedupe"
)

func TestMain(m *testing.M) {
	if os.Getenv(asMerchant) != "" {
		if err := merchant(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

const (
	minPayments      = 200
	deliveriesAtOnce = 16
	// perStop is how many notifications are delivered between two stops.
	perStop = 30
	// limit is how long a process may take to end, and patience a test, several times what
	// it does. A claim that a process left behind lasts longer: 2 minutes.
	limit    = 10 * time.Second
	patience = 90 * time.Second
)

// TestRollingUpdate replaces processes of each version by those of the other.
func TestRollingUpdate(t *testing.T) {
	random := fleet.Random(t)
	r := newRun(t, "", 2)
	notified, silent := r.pay(fleet.Payments(t, minPayments))
	start := time.Now()
	r.rollAmong(random, slices.Concat(notified, notified))
	for r.count("SELECT count(*) FROM orders WHERE no NOT IN (SELECT no FROM applied)") > 0 {
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, context.Cause(r.ctx), "%d payments that no pass has found, %d claims", r.count("SELECT count(*) FROM orders WHERE no NOT IN (SELECT no FROM applied)"), r.count(claims))
	}
	require.NoError(t, r.fleet.Stop(limit))

	require.Empty(t, r.wrong())
	require.Equal(t, len(notified)+len(silent), r.count("SELECT count(*) FROM applied"))
	require.Equal(t, len(notified)+len(silent), r.count("SELECT count(DISTINCT no) FROM applied"))
	require.Zero(t, r.count("SELECT count(*) FROM applied a JOIN orders o USING (no) WHERE a.amount <> o.total"))
	require.Equal(t, 2, r.count("SELECT count(DISTINCT version) FROM applied"), "versions that applied payments")
	t.Logf("%d payments, of which passes had to find %d; %d processes stopped; %v",
		len(notified)+len(silent), len(silent), r.fleet.Replaced()+2, time.Since(start).Round(100*time.Millisecond))
}

// TestFlaws shows that the test above notices what a merchant does wrong.
func TestFlaws(t *testing.T) {
	for flaw, want := range map[string]string{abrupt: "claims", impatient: "500"} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			r := newRun(t, flaw, 1)
			notified, _ := r.pay(2 * deliveriesAtOnce)
			done := r.deliver(notified)
			r.untilClaimed(deliveriesAtOnce / 2)
			require.NoError(t, r.fleet.Stop(limit))
			<-done
			require.Contains(t, strings.Join(r.wrong(), ", "), want)
		})
	}
}

// TestWaiting stops a process in which a page and a cashier wait for buyers.
func TestWaiting(t *testing.T) {
	r := newRun(t, "", 1)
	r.create("W-1", 100, "")
	ended := make(chan string, 2)
	for _, address := range []string{"/wait/W-1", "/charge/C-1"} {
		go func() {
			resp, err := http.Post(r.front.URL+address, "", nil)
			if err != nil {
				ended <- err.Error()
				return
			}
			resp.Body.Close()
			ended <- fmt.Sprint(address, " ", resp.StatusCode)
		}()
	}
	for asked := map[string]bool{}; !asked["gateway_order_query W-1"] || !asked["order_query C-1"]; time.Sleep(10 * time.Millisecond) {
		for _, q := range r.gateway.Requests() {
			asked[q.Operation+" "+q.Params.Get("mch_order_no")] = true
		}
		require.NoError(t, context.Cause(r.ctx))
	}
	require.NoError(t, r.fleet.Stop(limit))
	assert.ElementsMatch(t, []string{"/wait/W-1 503", "/charge/C-1 402"}, []string{<-ended, <-ended})
	o, err := r.gateway.Order("C-1")
	require.NoError(t, err)
	require.Equal(t, ksher.ResultClosed, o.Result, "the charge was reversed before the process ended")
}

// TestPage holds that docs/stopping.md shows the code that these tests run.
func TestPage(t *testing.T) {
	code, err := os.ReadFile("serve_test.go")
	require.NoError(t, err)
	page, err := os.ReadFile("../../docs/stopping.md")
	require.NoError(t, err)
	_, shown, _ := strings.Cut(string(code), ")\n\n") // after the imports
	serving, waiting, found := strings.Cut(shown, "\n\n// until ")
	require.True(t, found)
	require.Contains(t, string(page), "```go\n"+serving+"\n```\n")
	require.Contains(t, string(page), "```go\n// until "+waiting+"```\n")
}

// run is a shop with its servers, behind a balancer.
type run struct {
	t       *testing.T
	db      *sql.DB
	gateway *sandbox.Gateway
	fleet   *fleet.Fleet
	front   *httptest.Server
	ctx     context.Context

	mu      sync.Mutex
	answers []string // what Ksher should not have been answered
}

func newRun(t *testing.T, flaw string, servers int) *run {
	t.Helper()
	r := &run{t: t, gateway: sandbox.New(t)}
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithTimeoutCause(t.Context(), patience, errors.New("it takes too long"))
	t.Cleanup(cancel)
	address := fleet.NewSchema(t, fleet.Address(t, "KSHER_POSTGRES"))
	var err error
	r.db, err = sql.Open("pgx", address)
	require.NoError(t, err)
	t.Cleanup(func() { r.db.Close() })
	_, err = r.db.ExecContext(r.ctx, schema+sqldedupe.Schema(sqldedupe.PostgreSQL))
	require.NoError(t, err)

	r.fleet = fleet.New(t, servers, deliveriesAtOnce, func(process string) (*exec.Cmd, error) {
		version := 1 + int(process[len(process)-1])%2
		told, err := json.Marshal(shop{Address: address, GatewayURL: r.gateway.URL(), Version: version, Flaw: flaw})
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asMerchant+"="+string(told))
		return cmd, err
	})
	r.front = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.front.Close)
	require.NoError(t, r.fleet.Start())
	return r
}

// serve gives a request to a process, and notes what it should not have answered. Whether a
// process is there is the balancer's business, which answers 502 while one ends.
func (r *run) serve(w http.ResponseWriter, req *http.Request) {
	seen := &status{ResponseWriter: w}
	r.fleet.ServeHTTP(seen, req)
	no := path.Base(req.URL.Path)
	switch {
	case !strings.HasPrefix(req.URL.Path, "/notify/"), seen.code == http.StatusServiceUnavailable, seen.code == http.StatusBadGateway:
		return
	case seen.code == http.StatusOK && r.count("SELECT count(*) FROM applied WHERE no = $1", no) == 1:
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, fmt.Sprintf("%s answered %d", no, seen.code))
}

type status struct {
	http.ResponseWriter
	code int
}

// WriteHeader notes the code.
func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// wrong lists wrong answers, and once all processes are stopped, claims that none of them has.
func (r *run) wrong() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.Clone(r.answers)
	if len(r.fleet.Alive()) == 0 {
		if n := r.count(claims); n > 0 {
			list = append(list, fmt.Sprintf("%d claims left behind", n))
		}
	}
	return list
}

const claims = "SELECT count(*) FROM ksher_dedupe WHERE done_at IS NULL AND claimed_until > now()"

func (r *run) untilClaimed(n int) {
	for r.count(claims) < n {
		require.NoError(r.t, context.Cause(r.ctx))
		time.Sleep(time.Millisecond)
	}
}

// create creates an order in the books and at Ksher.
func (r *run) create(no string, total ksher.Amount, notify string) {
	r.t.Helper()
	_, err := r.db.ExecContext(r.ctx, "INSERT INTO orders (no, total) VALUES ($1, $2)", no, total)
	require.NoError(r.t, err)
	_, err = r.gateway.Client.GatewayPay(r.ctx, &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: total, FeeType: "THB", ProductName: "Coffee",
		ChannelList: []ksher.Channel{ksher.ChannelTrueMoney}, MchNotifyURL: notify,
		ReferURL: "https://shop.example", MchRedirectURL: "https://shop.example/ok", MchRedirectURLFail: "https://shop.example/no",
	})
	require.NoError(r.t, err)
}

// pay has orders paid. Of one in five nobody tells, so that only a pass finds it.
func (r *run) pay(n int) (notified, silent []string) {
	for i := range n {
		no := fmt.Sprintf("A-%05d", i)
		if i%5 == 4 {
			r.create(no, ksher.Amount(100+i), "")
			silent = append(silent, no)
		} else {
			r.create(no, ksher.Amount(100+i), r.front.URL+"/notify/"+no)
			notified = append(notified, no)
		}
		require.NoError(r.t, r.gateway.Pay(no, ""))
	}
	return notified, silent
}

// deliver delivers a notification of each order, and tells whose wasn't accepted.
func (r *run) deliver(batch []string) <-chan []string {
	done := make(chan []string, 1)
	go func() {
		left, err := fleet.Deliver(r.ctx, r.gateway, batch, deliveriesAtOnce)
		if err != nil {
			r.t.Error(err)
		}
		done <- left
	}()
	return done
}

// rollAmong delivers notifications until each was accepted, and replaces a process now and
// then, wherever it is with them.
func (r *run) rollAmong(random *rand.Rand, left []string) {
	random.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
	for len(left) > 0 {
		batch := left[:min(perStop, len(left))]
		left = left[len(batch):]
		done := r.deliver(batch)
		time.Sleep(time.Duration(random.Int64N(int64(200 * time.Millisecond))))
		alive := r.fleet.Alive()
		require.NoError(r.t, r.fleet.Roll(alive[random.IntN(len(alive))], limit))
		left = append(left, <-done...)
		require.NoError(r.t, context.Cause(r.ctx))
	}
}

// count counts also when the time is over, to say what isn't done.
func (r *run) count(query string, args ...any) (n int) {
	if err := r.db.QueryRow(query, args...).Scan(&n); err != nil {
		r.t.Error(err)
	}
	return n
}

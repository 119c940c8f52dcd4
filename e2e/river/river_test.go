// Package river_test kills or stops the processes of examples/river, a shop whose work is done
// by a job queue, at random moments while payments are notified twice each, some of them
// once, and some never. At the end each payment was applied and fulfilled or refunded once,
// and no job is lost or stuck.
//
// ../databases.sh starts the database, and says where in KSHER_POSTGRES. Without that
// the test is skipped, unless KSHER_E2E=1 says that there has to be one.
//
// KSHER_PAYMENTS is the number of payments, 200 by default and at least that. KSHER_SEED
// repeats the choices of an earlier run, though not its course.
package river_test

import (
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/e2e/fleet"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/kshertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	minPayments      = 200
	deliveriesAtOnce = 16
	processes        = 4
	// perKill is how many payments are notified between two kills, and minKills how many
	// kills there are at least.
	perKill, minKills = 40, 15
	// stopLimit is how long a process may take to stop: twice its -patience, and then some.
	stopLimit = 10 * time.Second
	// patience is how long a run may take, several times what it does.
	patience = 8 * time.Minute
)

// slowly makes commits so slow that many a kill falls into one. The database goes on with
// a commit whose process is gone, so what a process does by two of them is done by half.
const slowly = `
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN PERFORM pg_sleep(random() * 0.1); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slowly AFTER UPDATE ON orders DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION slowly();
CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON parcels DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION slowly();`

// TestFulfilledOnce has four processes killed and started again.
func TestFulfilledOnce(t *testing.T) {
	address := fleet.NewSchema(t, fleet.Address(t, "KSHER_POSTGRES"))
	random := fleet.Random(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("it takes too long"))
	t.Cleanup(cancel)

	s := newShop(t, ctx, address)
	start := time.Now()
	notified := s.pay(fleet.Payments(t, minPayments))
	s.killAmong(random, slices.Concat(notified, notified))
	killed := time.Since(start)
	s.untilDone()
	require.NoError(t, s.fleet.Stop(stopLimit))

	s.check(notified)
	t.Logf("%d sales, %d refunds, %d processes killed or stopped within %v, %d jobs rescued, %v",
		s.sales, len(s.back), s.fleet.Replaced(), killed.Round(time.Second), s.count(rescued), time.Since(start).Round(time.Second))
	require.Positive(t, s.count(rescued), "jobs that a killed process had")
}

// TestStopsAmongWork stops the processes while there is more work than they can do, and while
// each has a connection that nobody uses, for which an HTTP server waits five seconds.
func TestStopsAmongWork(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("it takes too long"))
	t.Cleanup(cancel)
	s := newShop(t, ctx, fleet.NewSchema(t, fleet.Address(t, "KSHER_POSTGRES")))
	notified := s.pay(processes * 25)
	locked, err := s.db.BeginTx(ctx, nil)
	require.NoError(t, err)
	defer locked.Rollback()
	_, err = locked.ExecContext(ctx, "SELECT FROM orders FOR UPDATE")
	require.NoError(t, err)
	left, err := fleet.Deliver(ctx, s.gateway, notified, deliveriesAtOnce)
	require.NoError(t, err)
	require.Empty(t, left, "notifications that weren't put into the queue")

	for _, process := range s.fleet.Alive() {
		unused, err := net.Dial("tcp", s.fleet.URL(process).Host)
		require.NoError(t, err)
		defer unused.Close()
	}
	require.NoError(t, s.fleet.Stop(stopLimit))
	require.Zero(t, s.count(lost), "jobs that were given up")
}

// shop is the example, in four processes, and what is around it.
type shop struct {
	t       *testing.T
	ctx     context.Context
	db      *sql.DB
	gateway *sandbox.Gateway
	fleet   *fleet.Fleet
	front   *httptest.Server
	// sales is how many orders are to be fulfilled, and back what is to be refunded.
	sales int
	back  map[string]ksher.Amount
}

func newShop(t *testing.T, ctx context.Context, address string) *shop {
	t.Helper()
	s := &shop{t: t, ctx: ctx, gateway: sandbox.New(t), back: make(map[string]ksher.Amount)}
	var err error
	s.db, err = sql.Open("pgx", address)
	require.NoError(t, err)
	t.Cleanup(func() { s.db.Close() })

	dir := t.TempDir()
	program := filepath.Join(dir, "shop")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "..", "examples", "river")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	env := append(os.Environ(), environment(t, dir, s.gateway, address)...)
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.Env = env
		return cmd
	}
	out, err = command("-migrate").CombinedOutput()
	require.NoError(t, err, "%s", out)
	s.execute(slowly)

	s.fleet = fleet.New(t, processes, deliveriesAtOnce, func(string) (*exec.Cmd, error) {
		return command("-listen", "127.0.0.1:0", "-patience", "4s", "-pass", "5s"), nil
	})
	s.front = httptest.NewServer(s.fleet)
	t.Cleanup(s.front.Close)
	require.NoError(t, s.fleet.Start())
	return s
}

// environment is what ksher.ClientFromEnv and the shop read.
func environment(t *testing.T, dir string, gateway *sandbox.Gateway, address string) []string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(sandbox.PublicKey(ksher.SignV1))
	require.NoError(t, err)
	key := filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600))
	return []string{
		"KSHER_POSTGRES=" + address, "KSHER_APPID=" + kshertest.AppID, "KSHER_PRIVATE_KEY=" + kshertest.PrivateKeyPEM(),
		"KSHER_GATEWAY_URL=" + gateway.GatewayURL(), "KSHER_MERCHANT_URL=" + gateway.MerchantURL(), "KSHER_PUBLIC_KEY_FILE=" + key,
	}
}

// pay has orders made and paid, and returns the n that are to be notified. Of one in ten
// more nobody tells, so that only a pass finds it, and one in ten is cancelled in the
// books and paid all the same.
func (s *shop) pay(n int) (notified []string) {
	for i := 0; len(notified) < n; i++ {
		no, total, state := fmt.Sprintf("A-%05d", i), ksher.Amount(100+i), "open"
		if i%10 == 5 {
			s.back[no], state = total, "cancelled"
		} else {
			s.sales++
		}
		s.execute("INSERT INTO orders (no, total, state) VALUES ($1, $2, $3)", no, int64(total), state)
		request := &ksher.GatewayPayRequest{
			MchOrderNo: no, MchCode: no, TotalFee: total, FeeType: "THB", ProductName: "Coffee",
			ChannelList: []ksher.Channel{ksher.ChannelTrueMoney}, MchNotifyURL: s.front.URL + "/ksher/notify",
			ReferURL: "https://shop.example", MchRedirectURL: "https://shop.example/ok", MchRedirectURLFail: "https://shop.example/no",
		}
		if i%10 == 0 {
			request.MchNotifyURL = ""
		} else {
			notified = append(notified, no)
		}
		_, err := s.gateway.Client.GatewayPay(s.ctx, request)
		require.NoError(s.t, err)
		require.NoError(s.t, s.gateway.Pay(no, ""))
	}
	return notified
}

// killAmong delivers notifications until each was accepted, and kills or stops a process now
// and then, wherever it is with its jobs.
func (s *shop) killAmong(random *rand.Rand, left []string) {
	random.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
	some := min(perKill, len(left)/minKills)
	for len(left) > 0 {
		batch := left[:min(some, len(left))]
		left = left[len(batch):]
		delivered := make(chan []string)
		go func() {
			again, err := fleet.Deliver(s.ctx, s.gateway, batch, deliveriesAtOnce)
			if err != nil {
				s.t.Error(err)
			}
			delivered <- again
		}()
		// While notifications are put into the queue, or while their jobs work.
		moments := []time.Duration{30 * time.Millisecond, 500 * time.Millisecond}
		time.Sleep(time.Duration(random.Int64N(int64(moments[random.IntN(len(moments))]))))
		alive := s.fleet.Alive()
		ended := alive[random.IntN(len(alive))]
		var err error
		if random.IntN(4) == 0 {
			err = s.fleet.Roll(ended, stopLimit)
		} else {
			err = s.fleet.Doom(ended)()
		}
		left = append(left, <-delivered...)
		require.NoError(s.t, err)
		require.NoError(s.t, context.Cause(s.ctx))
	}
}

// What untilDone and check count.
const (
	unsent = "SELECT count(*) FROM orders WHERE state NOT IN ('sent', 'refunded')"
	// The state and the job are committed together, so there is none at any time.
	stuck = `SELECT count(*) FROM orders o WHERE state IN ('paid', 'refund due') AND NOT EXISTS
		(SELECT FROM river_job j WHERE kind IN ('fulfil', 'refund') AND finalized_at IS NULL AND j.args->>'no' = o.no)`
	// A pass is always under way or due.
	undone   = "SELECT count(*) FROM river_job WHERE finalized_at IS NULL AND kind <> 'ksher_pass'"
	lost     = "SELECT count(*) FROM river_job WHERE state IN ('cancelled', 'discarded') AND kind <> 'ksher_pass'"
	refunds  = "SELECT count(*) FROM river_job WHERE kind = 'refund'"
	fulfils  = "SELECT count(*) FROM river_job WHERE kind = 'fulfil'"
	rescued  = "SELECT count(*) FROM river_job WHERE array_to_string(errors, ' ') LIKE '%rescued%'"
	doubles  = "SELECT count(*) FROM orders WHERE applied <> 1"
	parcels  = "SELECT count(*) FROM parcels"
	packages = "SELECT count(DISTINCT no) FROM parcels"
)

// untilDone waits until nothing is left to do.
func (s *shop) untilDone() {
	for s.count(unsent) > 0 || s.count(undone) > 0 {
		require.Zero(s.t, s.count(stuck), "paid orders without a job that fulfils or refunds")
		require.Zero(s.t, s.count(lost), "jobs that were given up")
		time.Sleep(200 * time.Millisecond)
		if err := context.Cause(s.ctx); err != nil {
			s.t.Fatalf("%d orders aren't sent, and %d jobs aren't done: %v", s.count(unsent), s.count(undone), err)
		}
	}
}

// check compares the books with what was paid, and the queue with what was notified.
func (s *shop) check(notified []string) {
	require.Zero(s.t, s.count(doubles), "payments that weren't applied once")
	require.Equal(s.t, s.sales, s.count(fulfils), "jobs that fulfil")
	require.Equal(s.t, s.sales, s.count(parcels), "parcels")
	require.Equal(s.t, s.sales, s.count(packages), "orders with a parcel")
	require.Equal(s.t, len(s.back), s.count(refunds), "jobs that refund")
	for no, total := range s.back {
		o, err := s.gateway.Order(no)
		require.NoError(s.t, err)
		require.Len(s.t, o.Refunds, 1, no)
		require.Equal(s.t, total, o.Refunded, no)
	}
	require.Zero(s.t, s.count(lost), "jobs that were given up")

	rows, err := s.db.QueryContext(s.ctx, "SELECT decode(args->>'body', 'base64') FROM river_job WHERE kind = 'ksher_notification'")
	require.NoError(s.t, err)
	defer rows.Close()
	taken := make(map[string]bool)
	for rows.Next() {
		var body []byte
		require.NoError(s.t, rows.Scan(&body))
		n, err := ksher.ParseNotification(body, kshertest.Verifier())
		require.NoError(s.t, err)
		taken[n.Unconfirmed.MchOrderNo] = true
	}
	require.NoError(s.t, rows.Err())
	var lost []string
	for _, no := range notified {
		if !taken[no] {
			lost = append(lost, no)
		}
	}
	require.Empty(s.t, strings.Join(lost, " "), "orders whose notification was accepted, and isn't in the queue")
}

// count counts also when the time is over, to say what isn't done.
func (s *shop) count(query string) (n int) {
	s.t.Helper()
	require.NoError(s.t, s.db.QueryRow(query).Scan(&n))
	return n
}

func (s *shop) execute(statement string, args ...any) {
	s.t.Helper()
	_, err := s.db.ExecContext(s.ctx, statement, args...)
	require.NoError(s.t, err)
}

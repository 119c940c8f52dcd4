package fleet

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	mathrand "math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
)

// Payments is how many payments a test makes: KSHER_PAYMENTS, and at least that many.
func Payments(t testing.TB, least int) int {
	t.Helper()
	text := os.Getenv("KSHER_PAYMENTS")
	if text == "" {
		return least
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "KSHER_PAYMENTS")
	return max(n, least)
}

// Random makes the choices of a test. KSHER_SEED repeats those of an earlier run.
func Random(t testing.TB) *mathrand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("KSHER_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "KSHER_SEED")
	}
	t.Logf("KSHER_SEED=%d", seed)
	return mathrand.New(mathrand.NewPCG(seed, 0))
}

// Address returns where a database is, from that variable. Without one the test is
// skipped, unless KSHER_E2E=1 says that there has to be one.
func Address(t testing.TB, variable string) string {
	t.Helper()
	address := os.Getenv(variable)
	if address == "" {
		if os.Getenv("KSHER_E2E") == "1" {
			t.Fatalf("%s isn't set: see databases.sh", variable)
		}
		t.Skipf("%s isn't set: see databases.sh", variable)
	}
	return address
}

// NewSchema makes a schema of PostgreSQL that exists for as long as the test, and returns
// the URL that leads to it.
func NewSchema(t testing.TB, address string) string {
	t.Helper()
	name := "ksher_kill_" + strings.ToLower(rand.Text())
	u, err := url.Parse(address)
	require.NoError(t, err)
	execute := func(statement string) {
		db, err := sql.Open("pgx", address)
		require.NoError(t, err)
		defer db.Close()
		_, err = db.Exec(statement)
		require.NoError(t, err)
	}
	execute("CREATE SCHEMA " + name)
	t.Cleanup(func() { execute("DROP SCHEMA " + name + " CASCADE") })
	query := u.Query()
	query.Set("search_path", name)
	u.RawQuery = query.Encode()
	return u.String()
}

// Deliver delivers a notification of each order, that many at once, and returns the orders
// whose notification wasn't accepted. After an error some weren't delivered.
func Deliver(ctx context.Context, gateway *sandbox.Gateway, orders []string, atOnce int) (left []string, err error) {
	var workers sync.WaitGroup
	var mu sync.Mutex
	queue := make(chan string)
	for range atOnce {
		workers.Go(func() {
			for no := range queue {
				failed := gateway.Deliver(ctx, no)
				mu.Lock()
				if failed != nil {
					left = append(left, no)
				}
				if failed != nil && !errors.Is(failed, sandbox.ErrNotAccepted) {
					err = failed
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
	return left, err
}

package pgxdedupe_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/pgxdedupe"
)

// What a deduper does with a database is tested in e2e/dedupe.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("connection refused")

// downPool is of a database that can't be reached.
func downPool(t *testing.T) *pgxpool.Pool {
	p := pool(t, func(context.Context, string, string) (net.Conn, error) { return nil, errDown })
	t.Cleanup(p.Close)
	return p
}

// noContext is what a caller passes who forgot it.
var noContext context.Context

func TestNew(t *testing.T) {
	p := downPool(t)
	for _, tt := range []struct {
		name string
		pool *pgxpool.Pool
		opts []pgxdedupe.Option
		want string
	}{
		{"plain", p, nil, ""},
		{"shortest lease", p, []pgxdedupe.Option{pgxdedupe.WithLease(time.Second)}, ""},
		{"lease too short", p, []pgxdedupe.Option{pgxdedupe.WithLease(time.Second - 1)}, "WithLease: 999.999999ms is shorter than 1s"},
		{"negative lease", p, []pgxdedupe.Option{pgxdedupe.WithLease(-time.Hour)}, "WithLease"},
		{"nil option", p, []pgxdedupe.Option{nil}, "an option is nil"},
		{"nil pool", nil, nil, "the pool is nil"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := pgxdedupe.New(tt.pool, tt.opts...)
			if tt.want == "" {
				require.NoError(t, err)
				require.NotNil(t, d)
				return
			}
			require.ErrorContains(t, err, "pgxdedupe: New: ")
			require.ErrorContains(t, err, tt.want)
			require.Nil(t, d)
		})
	}
}

func TestOnceRefuses(t *testing.T) {
	d, err := pgxdedupe.New(downPool(t))
	require.NoError(t, err)
	fn := func(context.Context) error {
		t.Error("the function ran")
		return nil
	}
	for _, tt := range []struct {
		name string
		d    *pgxdedupe.Deduper
		ctx  context.Context
		key  string
		fn   func(context.Context) error
		want string
	}{
		{"nil deduper", nil, t.Context(), "A-1", fn, "wasn't made by New"},
		{"zero deduper", &pgxdedupe.Deduper{}, t.Context(), "A-1", fn, "wasn't made by New"},
		{"nil context", d, noContext, "A-1", fn, "the context is nil"},
		{"nil function", d, t.Context(), "A-1", nil, "the function is nil"},
		{"empty key", d, t.Context(), "", fn, "the key is empty"},
		{"long key", d, t.Context(), strings.Repeat("x", 301), fn, "the key has 301 bytes, at most 300 are allowed"},
		{"key not UTF-8", d, t.Context(), "A-1\xff", fn, `the key "A-1\xff" is not UTF-8`},
		{"key with NUL", d, t.Context(), "A-1\x00", fn, `the key "A-1\x00"`},
		{"no connection", d, t.Context(), "A-1", fn, `pgxdedupe: claiming "A-1": `},
		{"longest key", d, t.Context(), strings.Repeat("ก", 100), fn, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.d.Once(tt.ctx, tt.key, tt.fn)
			require.ErrorContains(t, err, "pgxdedupe: ")
			require.ErrorContains(t, err, tt.want)
			require.NotErrorIs(t, err, ksher.ErrInProgress)
		})
	}
}

func TestForgetRefuses(t *testing.T) {
	d, err := pgxdedupe.New(downPool(t))
	require.NoError(t, err)
	for _, tt := range []struct {
		name string
		d    *pgxdedupe.Deduper
		ctx  context.Context
		age  time.Duration
		want string
	}{
		{"nil deduper", nil, t.Context(), 100 * time.Hour, "wasn't made by New"},
		{"zero deduper", &pgxdedupe.Deduper{}, t.Context(), 100 * time.Hour, "wasn't made by New"},
		{"nil context", d, noContext, 100 * time.Hour, "the context is nil"},
		{"too young", d, t.Context(), 48*time.Hour - 1, "is shorter than 48h0m0s"},
		{"negative", d, t.Context(), -time.Hour, "-1h0m0s is shorter"},
		{"no connection", d, t.Context(), 48 * time.Hour, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := tt.d.Forget(tt.ctx, tt.age)
			require.ErrorContains(t, err, "pgxdedupe: ")
			require.ErrorContains(t, err, tt.want)
			require.Zero(t, n)
		})
	}
}

func TestTxOutside(t *testing.T) {
	for _, ctx := range []context.Context{t.Context(), noContext} {
		tx, err := pgxdedupe.Tx(ctx)
		require.ErrorContains(t, err, "pgxdedupe: Tx: ")
		require.Nil(t, tx)
	}
}

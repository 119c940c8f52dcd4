package sqldedupe_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/sqldedupe"
)

// What a deduper does with a database is tested in e2e/dedupe.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// down is a database that can't be reached.
type down struct{}

var errDown = errors.New("connection refused")

func (down) Connect(context.Context) (driver.Conn, error) { return nil, errDown }
func (down) Driver() driver.Driver                        { return nil }

func downDB(t *testing.T) *sql.DB {
	t.Helper()
	db := sql.OpenDB(down{})
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// noContext is what a caller passes who forgot it.
var noContext context.Context

func TestNew(t *testing.T) {
	db := downDB(t)
	for _, tt := range []struct {
		name    string
		db      *sql.DB
		dialect sqldedupe.Dialect
		opts    []sqldedupe.Option
		want    string
	}{
		{"PostgreSQL", db, sqldedupe.PostgreSQL, nil, ""},
		{"MySQL", db, sqldedupe.MySQL, nil, ""},
		{"SQLite", db, sqldedupe.SQLite, nil, ""},
		{"shortest lease", db, sqldedupe.SQLite, []sqldedupe.Option{sqldedupe.WithLease(time.Second)}, ""},
		{"lease too short", db, sqldedupe.SQLite, []sqldedupe.Option{sqldedupe.WithLease(time.Second - 1)}, "WithLease: 999.999999ms is shorter than 1s"},
		{"no lease", db, sqldedupe.SQLite, []sqldedupe.Option{sqldedupe.WithLease(0)}, "WithLease"},
		{"negative lease", db, sqldedupe.SQLite, []sqldedupe.Option{sqldedupe.WithLease(-time.Hour)}, "WithLease"},
		{"nil option", db, sqldedupe.SQLite, []sqldedupe.Option{nil}, "an option is nil"},
		{"nil database", nil, sqldedupe.PostgreSQL, nil, "the database is nil"},
		{"no dialect", db, 0, nil, "the dialect is 0"},
		{"unknown dialect", db, 4, nil, "the dialect is 4, not PostgreSQL, MySQL or SQLite"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := sqldedupe.New(tt.db, tt.dialect, tt.opts...)
			if tt.want == "" {
				require.NoError(t, err)
				require.NotNil(t, d)
				return
			}
			require.ErrorContains(t, err, "sqldedupe: New: ")
			require.ErrorContains(t, err, tt.want)
			require.Nil(t, d)
		})
	}
}

func TestSchema(t *testing.T) {
	for _, dialect := range []sqldedupe.Dialect{sqldedupe.PostgreSQL, sqldedupe.MySQL, sqldedupe.SQLite} {
		schema := sqldedupe.Schema(dialect)
		require.True(t, strings.HasPrefix(schema, "-- ksher_dedupe, version 1\n"), schema)
		require.Contains(t, schema, "CREATE TABLE IF NOT EXISTS ksher_dedupe (")
		// Some drivers take one statement at a time.
		require.NotContains(t, schema, ";")
	}
	require.Empty(t, sqldedupe.Schema(0))
}

func TestOnceRefuses(t *testing.T) {
	d, err := sqldedupe.New(downDB(t), sqldedupe.PostgreSQL)
	require.NoError(t, err)
	fn := func(context.Context) error {
		t.Error("the function ran")
		return nil
	}
	for _, tt := range []struct {
		name string
		d    *sqldedupe.Deduper
		ctx  context.Context
		key  string
		fn   func(context.Context) error
		want string
	}{
		{"nil deduper", nil, t.Context(), "A-1", fn, "wasn't made by New"},
		{"zero deduper", &sqldedupe.Deduper{}, t.Context(), "A-1", fn, "wasn't made by New"},
		{"nil context", d, noContext, "A-1", fn, "the context is nil"},
		{"nil function", d, t.Context(), "A-1", nil, "the function is nil"},
		{"empty key", d, t.Context(), "", fn, "the key is empty"},
		{"long key", d, t.Context(), strings.Repeat("x", 301), fn, "the key has 301 bytes, at most 300 are allowed"},
		{"key in many bytes", d, t.Context(), strings.Repeat("ก", 101), fn, "the key has 303 bytes"},
		{"key not UTF-8", d, t.Context(), "A-1\xff", fn, `the key "A-1\xff" is not UTF-8`},
		{"key with NUL", d, t.Context(), "A-1\x00", fn, `the key "A-1\x00"`},
		{"no connection", d, t.Context(), "A-1", fn, `sqldedupe: claiming "A-1": connection refused`},
		{"longest key", d, t.Context(), strings.Repeat("ก", 100), fn, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.d.Once(tt.ctx, tt.key, tt.fn)
			require.ErrorContains(t, err, "sqldedupe: ")
			require.ErrorContains(t, err, tt.want)
			require.NotErrorIs(t, err, ksher.ErrInProgress)
			require.Equal(t, strings.Contains(tt.want, "refused"), errors.Is(err, errDown))
		})
	}
}

func TestForgetRefuses(t *testing.T) {
	d, err := sqldedupe.New(downDB(t), sqldedupe.SQLite)
	require.NoError(t, err)
	for _, tt := range []struct {
		name string
		d    *sqldedupe.Deduper
		ctx  context.Context
		age  time.Duration
		want string
	}{
		{"nil deduper", nil, t.Context(), 100 * time.Hour, "wasn't made by New"},
		{"zero deduper", &sqldedupe.Deduper{}, t.Context(), 100 * time.Hour, "wasn't made by New"},
		{"nil context", d, noContext, 100 * time.Hour, "the context is nil"},
		{"too young", d, t.Context(), 48*time.Hour - 1, "is shorter than 48h0m0s"},
		{"negative", d, t.Context(), -time.Hour, "-1h0m0s is shorter"},
		{"no connection", d, t.Context(), 48 * time.Hour, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, err := tt.d.Forget(tt.ctx, tt.age)
			require.ErrorContains(t, err, "sqldedupe: ")
			require.ErrorContains(t, err, tt.want)
			require.Zero(t, n)
		})
	}
}

func TestTxOutside(t *testing.T) {
	for _, ctx := range []context.Context{t.Context(), noContext} {
		tx, err := sqldedupe.Tx(ctx)
		require.ErrorContains(t, err, "sqldedupe: Tx: ")
		require.Nil(t, tx)
	}
}

package dedupe_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/sqldedupe"
)

// oldTables are the tables of earlier days, when Schema didn't say a version.
var oldTables = map[sqldedupe.Dialect]string{
	sqldedupe.PostgreSQL: `CREATE TABLE ksher_dedupe (payment TEXT COLLATE "C" NOT NULL PRIMARY KEY, claim TEXT NOT NULL, claimed_until TIMESTAMPTZ NOT NULL, done_at TIMESTAMPTZ)`,
	sqldedupe.MySQL:      `CREATE TABLE ksher_dedupe (payment VARBINARY(300) NOT NULL PRIMARY KEY, claim VARBINARY(32) NOT NULL, claimed_until DATETIME(6) NOT NULL, done_at DATETIME(6)) ENGINE=InnoDB`,
	sqldedupe.SQLite:     `CREATE TABLE ksher_dedupe (payment TEXT NOT NULL PRIMARY KEY, claim TEXT NOT NULL, claimed_until TEXT NOT NULL, done_at TEXT)`,
}

// TestOldTable has a table of the oldest form, with what it knows, go on.
func TestOldTable(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		if p.env == "KSHER_PGBOUNCER" {
			t.Skip("a connection there has no settings of its own")
		}
		p.withoutTable(t)
		s := p.server(t)
		const values = "INSERT INTO ksher_dedupe (payment, claim, claimed_until, done_at) VALUES "
		for _, statement := range []string{
			oldTables[p.dialect],
			values + "('done', 'a', " + p.hoursAgo("1") + ", " + p.hoursAgo("1") + ")",
			values + "('running', 'b', '2999-12-31 00:00:00.000', NULL)",
			values + "('given back', 'c', " + p.hoursAgo("1") + ", NULL)",
			sqldedupe.Schema(p.dialect),
		} {
			_, err := s.db.ExecContext(t.Context(), statement)
			require.NoError(t, err, statement)
		}
		require.NoError(t, s.Once(t.Context(), "done", unwanted(t)))
		require.ErrorIs(t, s.Once(t.Context(), "running", unwanted(t)), ksher.ErrInProgress)
		for _, key := range []string{"given back", "new"} {
			require.NoError(t, s.Once(t.Context(), key, func(ctx context.Context) error {
				_, err := p.tx(ctx)
				return err
			}))
			require.NoError(t, s.Once(t.Context(), key, unwanted(t)))
		}
	})
}

// withoutTable has servers work where there is no table yet.
func (p *place) withoutTable(t *testing.T) {
	name := "ksher_test_" + strings.ToLower(rand.Text())
	drop := "DROP TABLE ksher_dedupe"
	switch p.dialect {
	case sqldedupe.PostgreSQL:
		p.execute(t, "CREATE SCHEMA "+name)
		p.session, drop = append(p.session[:len(p.session):len(p.session)], "SET search_path = "+name), "DROP SCHEMA "+name+" CASCADE"
	case sqldedupe.MySQL:
		p.execute(t, "CREATE DATABASE "+name)
		p.session, drop = append(p.session[:len(p.session):len(p.session)], "USE "+name), "DROP DATABASE "+name
	case sqldedupe.SQLite:
		p.execute(t, drop)
	}
	t.Cleanup(func() { p.execute(t, drop) })
}

func (p *place) execute(t *testing.T, statement string) {
	t.Helper()
	_, err := p.db.Exec(statement)
	require.NoError(t, err)
}

// Package dedupe_test tests the dedupers against real databases. ../databases.sh
// starts them, and says where in these variables:
//
//	KSHER_POSTGRES  a URL such as postgres://ksher@127.0.0.1:25432/postgres?sslmode=disable
//	KSHER_PGBOUNCER the same database behind PgBouncer in transaction mode
//	KSHER_MYSQL     a data source name such as ksher@tcp(127.0.0.1:23306)/ksher
//
// Without one, the tests of that database are skipped, unless KSHER_E2E=1 says
// that there has to be one. SQLite is always tested.
package dedupe_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/pgxdedupe"
	"github.com/ksher-go/ksher/sqldedupe"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDSN) != "" {
		child()
	}
	goleak.VerifyTestMain(m)
}

// database is a database, reached in one of the ways that make a difference.
type database struct {
	name    string
	dialect sqldedupe.Dialect
	// env has the data source name. Without it, it is a new file.
	env string
	// params are added to the data source name, session is what each
	// connection begins with.
	params  string
	session []string
	// conns limits the pool.
	conns int
	// pgx has a pool of pgx and pgxdedupe instead of database/sql and sqldedupe.
	pgx bool
	// refuses says that of two transactions on the same row one is refused.
	refuses bool
}

var databases = []database{
	{name: "PostgreSQL", dialect: sqldedupe.PostgreSQL, env: "KSHER_POSTGRES"},
	{name: "PostgreSQL simple protocol", dialect: sqldedupe.PostgreSQL, env: "KSHER_POSTGRES", params: "&default_query_exec_mode=simple_protocol"},
	{name: "PostgreSQL repeatable read", dialect: sqldedupe.PostgreSQL, env: "KSHER_POSTGRES",
		session: []string{"SET default_transaction_isolation = 'repeatable read'"}, refuses: true},
	{name: "PostgreSQL serializable", dialect: sqldedupe.PostgreSQL, env: "KSHER_POSTGRES",
		session: []string{"SET default_transaction_isolation = 'serializable'"}, refuses: true},
	{name: "pgx", dialect: sqldedupe.PostgreSQL, env: "KSHER_POSTGRES", pgx: true},
	{name: "pgx without prepared statements", dialect: sqldedupe.PostgreSQL, env: "KSHER_POSTGRES", pgx: true, params: "&default_query_exec_mode=exec"},
	{name: "pgx serializable", dialect: sqldedupe.PostgreSQL, env: "KSHER_POSTGRES", pgx: true,
		session: []string{"SET default_transaction_isolation = 'serializable'"}, refuses: true},
	{name: "PgBouncer", dialect: sqldedupe.PostgreSQL, env: "KSHER_PGBOUNCER", params: "&default_query_exec_mode=exec"},
	{name: "PgBouncer simple protocol", dialect: sqldedupe.PostgreSQL, env: "KSHER_PGBOUNCER", params: "&default_query_exec_mode=simple_protocol"},
	{name: "PgBouncer pgx", dialect: sqldedupe.PostgreSQL, env: "KSHER_PGBOUNCER", pgx: true, params: "&default_query_exec_mode=exec"},
	{name: "PgBouncer pgx simple protocol", dialect: sqldedupe.PostgreSQL, env: "KSHER_PGBOUNCER", pgx: true, params: "&default_query_exec_mode=simple_protocol"},
	{name: "MySQL", dialect: sqldedupe.MySQL, env: "KSHER_MYSQL"},
	{name: "MySQL interpolated, found rows", dialect: sqldedupe.MySQL, env: "KSHER_MYSQL", params: "?interpolateParams=true&clientFoundRows=true"},
	{name: "MySQL in Latin 1, another time zone", dialect: sqldedupe.MySQL, env: "KSHER_MYSQL",
		params: "?charset=latin1&interpolateParams=true", session: []string{"SET time_zone = '+07:00'"}},
	{name: "MySQL read uncommitted", dialect: sqldedupe.MySQL, env: "KSHER_MYSQL", params: "?interpolateParams=true",
		session: []string{"SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"}},
	{name: "MySQL read committed", dialect: sqldedupe.MySQL, env: "KSHER_MYSQL", params: "?interpolateParams=true",
		session: []string{"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"}},
	{name: "MySQL serializable", dialect: sqldedupe.MySQL, env: "KSHER_MYSQL", params: "?interpolateParams=true",
		session: []string{"SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"}},
	{name: "SQLite", dialect: sqldedupe.SQLite, params: "&_txlock=immediate"},
	{name: "SQLite WAL", dialect: sqldedupe.SQLite, params: "&_txlock=immediate&_journal_mode=WAL"},
	{name: "SQLite one connection", dialect: sqldedupe.SQLite, conns: 1},
}

// each runs a test on every database.
func each(t *testing.T, test func(t *testing.T, p *place)) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) { test(t, newPlace(t, d)) })
	}
}

// place is a database with the tables in it.
type place struct {
	database
	dsn string
	// db is for what the tests do themselves, with the settings that the database
	// comes with: at READ UNCOMMITTED they would count what isn't there.
	db *sql.DB
}

func newPlace(t *testing.T, d database) *place {
	t.Helper()
	p := &place{database: d}
	switch {
	case d.env == "":
		p.dsn = "file:" + filepath.Join(t.TempDir(), "shop.db") + "?_busy_timeout=10000" + d.params
	case os.Getenv(d.env) != "":
		p.dsn = os.Getenv(d.env) + d.params
	case os.Getenv("KSHER_E2E") == "1":
		t.Fatalf("%s isn't set: see databases.sh", d.env)
	default:
		t.Skipf("%s isn't set: see databases.sh", d.env)
	}
	p.conns, p.session = 0, nil
	p.db = p.open(t, nil)
	p.conns, p.session = d.conns, d.session
	text := map[sqldedupe.Dialect]string{sqldedupe.PostgreSQL: "TEXT", sqldedupe.MySQL: "VARBINARY(300)", sqldedupe.SQLite: "TEXT"}[d.dialect]
	for _, statement := range []string{
		sqldedupe.Schema(d.dialect),
		sqldedupe.Schema(d.dialect),
		"CREATE TABLE IF NOT EXISTS ksher_test_effects (payment " + text + " NOT NULL)",
	} {
		_, err := p.db.Exec(statement)
		require.NoError(t, err)
	}
	return p
}

// open is what a server does when it starts. The hook is asked about every step.
func (p *place) open(t *testing.T, h hook) *sql.DB {
	t.Helper()
	inner, err := p.connector()
	require.NoError(t, err)
	db := sql.OpenDB(&connector{Connector: inner, session: p.session, hook: h})
	db.SetMaxOpenConns(p.conns)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func (p *place) connector() (driver.Connector, error) {
	switch p.dialect {
	case sqldedupe.PostgreSQL:
		return stdlib.GetDefaultDriver().(driver.DriverContext).OpenConnector(p.dsn)
	case sqldedupe.MySQL:
		return mysql.MySQLDriver{}.OpenConnector(p.dsn)
	}
	return sqliteConnector(p.dsn), nil
}

type sqliteConnector string

func (c sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	return c.Driver().Open(string(c))
}

func (c sqliteConnector) Driver() driver.Driver {
	return &sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
		return conn.RegisterFunc("ksher_test_cancel", cancelNow, false)
	}}
}

// server is a program with a pool of its own.
func (p *place) server(t *testing.T) *server {
	t.Helper()
	return p.serverWith(t, nil, 2*time.Minute)
}

func (p *place) serverWith(t *testing.T, h hook, lease time.Duration) *server {
	t.Helper()
	if p.pgx {
		pool, err := p.pool(h)
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		d, err := pgxdedupe.New(pool, pgxdedupe.WithLease(lease))
		require.NoError(t, err)
		return &server{deduper: d, db: pgxExecer{pool}}
	}
	db := p.open(t, h)
	d, err := sqldedupe.New(db, p.dialect, sqldedupe.WithLease(lease))
	require.NoError(t, err)
	return &server{deduper: d, db: db}
}

type server struct {
	deduper
	db execer
}

// deduper is what sqldedupe and pgxdedupe have in common.
type deduper interface {
	ksher.Deduper
	Forget(ctx context.Context, olderThan time.Duration) (int64, error)
}

// execer is a database or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// transaction is a *sql.Tx, or a pgx.Tx in its clothes.
type transaction interface {
	execer
	Commit() error
	Rollback() error
}

// tx is the transaction of a function.
func (p *place) tx(ctx context.Context) (transaction, error) {
	if !p.pgx {
		return sqldedupe.Tx(ctx)
	}
	tx, err := pgxdedupe.Tx(ctx)
	return pgxTx{pgxExecer{tx}, tx}, err
}

// effect is the work of a function.
func (p *place) effect(ctx context.Context, in execer, key string) error {
	_, err := in.ExecContext(ctx, p.number("INSERT INTO ksher_test_effects (payment) VALUES (?)"), key)
	return err
}

// inTx is a function that does its work in the transaction.
func (p *place) inTx(key string) func(context.Context) error {
	return func(ctx context.Context) error {
		tx, err := p.tx(ctx)
		if err != nil {
			return err
		}
		return p.effect(ctx, tx, key)
	}
}

// done tells whether the key is noted as done.
func (p *place) done(t *testing.T, key string) (done bool) {
	t.Helper()
	require.NoError(t, p.db.QueryRow(p.number("SELECT done_at IS NOT NULL FROM ksher_dedupe WHERE payment = ?"), key).Scan(&done))
	return done
}

// effects is how often the work for a key was done.
func (p *place) effects(t *testing.T, key string) (n int) {
	t.Helper()
	require.NoError(t, p.db.QueryRow(p.number("SELECT COUNT(*) FROM ksher_test_effects WHERE payment = ?"), key).Scan(&n))
	return n
}

// number writes the parameters of a query as the database wants them.
func (p *place) number(query string) string {
	if p.dialect != sqldedupe.PostgreSQL {
		return query
	}
	parts := strings.Split(query, "?")
	for i := range parts[1:] {
		parts[i] += "$" + strconv.Itoa(i+1)
	}
	return strings.Join(parts, "")
}

// hoursAgo is a time by the database's clock.
func (p *place) hoursAgo(n string) string {
	switch p.dialect {
	case sqldedupe.PostgreSQL:
		return "now() - interval '" + n + " hours'"
	case sqldedupe.MySQL:
		return "UTC_TIMESTAMP(6) - INTERVAL " + n + " HOUR"
	}
	return "strftime('%Y-%m-%d %H:%M:%f', 'now', '-" + n + " hours')"
}

// expire lets time go by until the claim has ended.
func (p *place) expire(t *testing.T, key string) {
	t.Helper()
	p.set(t, key, "claimed_until = "+p.hoursAgo("1"))
}

func (p *place) set(t *testing.T, key, assignment string) {
	t.Helper()
	_, err := p.db.Exec(p.number("UPDATE ksher_dedupe SET "+assignment+" WHERE payment = ?"), key)
	require.NoError(t, err)
}

// newKey is the key of a payment that nobody has heard of.
func newKey() string { return "mch12345 SUCCESS " + rand.Text() }

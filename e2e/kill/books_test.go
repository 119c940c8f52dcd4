package kill_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/mattn/go-sqlite3"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/e2e/fleet"
	"github.com/ksher-go/ksher/pgxdedupe"
	"github.com/ksher-go/ksher/redisdedupe"
	"github.com/ksher-go/ksher/sqldedupe"
)

// lease is how long the payments of a killed server wait.
const lease = 2 * time.Second

// books is where the merchant writes down which payments were applied. Nothing
// in them hinders writing one down twice.
type books interface {
	deduper() (ksher.Deduper, error)
	// apply applies a payment with what the deduper gives for that.
	apply(ctx context.Context, n *ksher.Order) error
	// applyOutside applies it without.
	applyOutside(ctx context.Context, n *ksher.Order) error
	// read returns how often each payment was applied, and the sum of all.
	read(ctx context.Context) (times map[string]int, sum ksher.Amount, err error)
	Close() error
}

// place is where books are kept.
type place struct {
	Kind string
	// Address is a data source name, or Redis's address.
	Address string
	// Prefix is of the keys in Redis.
	Prefix string
}

// The kinds of databases.
const (
	postgres = "PostgreSQL"
	onPgx    = "PostgreSQL by pgx"
	maria    = "MySQL"
	sqlite   = "SQLite"
	inRedis  = "Redis"
)

// variables say where the databases are.
var variables = map[string]string{postgres: "KSHER_POSTGRES", onPgx: "KSHER_POSTGRES", maria: "KSHER_MYSQL", inRedis: "KSHER_REDIS"}

// newPlace returns a place that nobody else uses, with empty books in it.
func newPlace(t *testing.T, kind string) place {
	t.Helper()
	address := ""
	if kind != sqlite {
		address = fleet.Address(t, variables[kind])
	}
	name := "ksher_kill_" + strings.ToLower(rand.Text())
	p := place{Kind: kind, Address: address, Prefix: name + ":"}
	switch kind {
	case postgres, onPgx:
		p.Address = fleet.NewSchema(t, address)
	case maria:
		config, err := mysql.ParseDSN(address)
		require.NoError(t, err)
		p.execute(t, "CREATE DATABASE "+name)
		config.DBName = name
		p.Address = config.FormatDSN()
		t.Cleanup(func() { p.execute(t, "DROP DATABASE "+name) })
	case sqlite:
		p.Address = "file:" + filepath.Join(t.TempDir(), "shop.db") + "?_busy_timeout=5000&_txlock=immediate"
	case inRedis:
		client := redis.NewClient(&redis.Options{Addr: address})
		t.Cleanup(func() {
			require.NoError(t, client.Del(context.Background(), p.Prefix+"applied", p.Prefix+"sum").Err())
			require.NoError(t, client.Close())
		})
		return p
	}
	for _, statement := range strings.Split(sqldedupe.Schema(sqlKinds[kind].dialect), ";") {
		if statement = strings.TrimSpace(statement); statement != "" {
			p.execute(t, statement)
		}
	}
	p.execute(t, "CREATE TABLE applied (no VARCHAR(32) NOT NULL, amount BIGINT NOT NULL)")
	return p
}

func (p place) execute(t *testing.T, statement string) {
	t.Helper()
	db, err := sql.Open(sqlKinds[p.Kind].driver, p.Address)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(statement)
	require.NoError(t, err)
}

// open opens the books.
func (p place) open() (books, error) {
	if p.Kind == inRedis {
		return &redisBooks{redis.NewClient(&redis.Options{Addr: p.Address}), p.Prefix}, nil
	}
	kind := sqlKinds[p.Kind]
	db, err := sql.Open(kind.driver, p.Address)
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(deliveriesAtOnce)
	inSQL := &sqlBooks{db, kind}
	if p.Kind != onPgx {
		return inSQL, nil
	}
	pool, err := pgxpool.New(context.Background(), p.Address)
	return &pgxBooks{inSQL, pool}, err
}

type sqlKind struct {
	dialect sqldedupe.Dialect
	driver  string
	insert  string
}

var sqlKinds = map[string]sqlKind{
	postgres: {sqldedupe.PostgreSQL, "pgx", "INSERT INTO applied (no, amount) VALUES ($1, $2)"},
	onPgx:    {sqldedupe.PostgreSQL, "pgx", "INSERT INTO applied (no, amount) VALUES ($1, $2)"},
	maria:    {sqldedupe.MySQL, "mysql", "INSERT INTO applied (no, amount) VALUES (?, ?)"},
	sqlite:   {sqldedupe.SQLite, "sqlite3", "INSERT INTO applied (no, amount) VALUES (?, ?)"},
}

type sqlBooks struct {
	*sql.DB
	kind sqlKind
}

func (b *sqlBooks) deduper() (ksher.Deduper, error) {
	return sqldedupe.New(b.DB, b.kind.dialect, sqldedupe.WithLease(lease))
}

func (b *sqlBooks) apply(ctx context.Context, n *ksher.Order) error {
	tx, err := sqldedupe.Tx(ctx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, b.kind.insert, n.MchOrderNo, int64(n.TotalFee))
	return err
}

func (b *sqlBooks) applyOutside(ctx context.Context, n *ksher.Order) error {
	_, err := b.ExecContext(ctx, b.kind.insert, n.MchOrderNo, int64(n.TotalFee))
	return err
}

func (b *sqlBooks) read(ctx context.Context) (map[string]int, ksher.Amount, error) {
	rows, err := b.QueryContext(ctx, "SELECT no, amount FROM applied")
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	times, sum := make(map[string]int), ksher.Amount(0)
	for rows.Next() {
		var no string
		var amount int64
		if err := rows.Scan(&no, &amount); err != nil {
			return nil, 0, err
		}
		times[no]++
		sum += ksher.Amount(amount)
	}
	return times, sum, rows.Err()
}

// pgxBooks are read by database/sql.
type pgxBooks struct {
	*sqlBooks
	pool *pgxpool.Pool
}

func (b *pgxBooks) deduper() (ksher.Deduper, error) {
	return pgxdedupe.New(b.pool, pgxdedupe.WithLease(lease))
}

func (b *pgxBooks) apply(ctx context.Context, n *ksher.Order) error {
	tx, err := pgxdedupe.Tx(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, b.kind.insert, n.MchOrderNo, n.TotalFee)
	return err
}

func (b *pgxBooks) applyOutside(ctx context.Context, n *ksher.Order) error {
	_, err := b.pool.Exec(ctx, b.kind.insert, n.MchOrderNo, n.TotalFee)
	return err
}

func (b *pgxBooks) Close() error {
	b.pool.Close()
	return b.sqlBooks.Close()
}

type redisBooks struct {
	*redis.Client
	prefix string
}

func (b *redisBooks) deduper() (ksher.Deduper, error) {
	return redisdedupe.New(b.Client, redisdedupe.WithLease(lease), redisdedupe.WithPrefix(b.prefix))
}

func (b *redisBooks) apply(ctx context.Context, n *ksher.Order) error {
	queue, err := redisdedupe.Pipeline(ctx)
	if err != nil {
		return err
	}
	return b.write(ctx, queue, n)
}

func (b *redisBooks) applyOutside(ctx context.Context, n *ksher.Order) error {
	return b.write(ctx, b.Client, n)
}

func (b *redisBooks) write(ctx context.Context, in redis.Cmdable, n *ksher.Order) error {
	return cmp.Or(
		in.HIncrBy(ctx, b.prefix+"applied", n.MchOrderNo, 1).Err(),
		in.IncrBy(ctx, b.prefix+"sum", int64(n.TotalFee)).Err(),
	)
}

func (b *redisBooks) read(ctx context.Context) (map[string]int, ksher.Amount, error) {
	applied, err := b.HGetAll(ctx, b.prefix+"applied").Result()
	if err != nil {
		return nil, 0, err
	}
	times := make(map[string]int)
	for no, text := range applied {
		if times[no], err = strconv.Atoi(text); err != nil {
			return nil, 0, err
		}
	}
	sum, err := b.Get(ctx, b.prefix+"sum").Int64()
	if err == redis.Nil {
		err = nil
	}
	return times, ksher.Amount(sum), err
}

package scale_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/e2e/fleet"
	"github.com/ksher-go/ksher/pgxdedupe"
	"github.com/ksher-go/ksher/redisdedupe"
	"github.com/ksher-go/ksher/sqldedupe"
)

// poolSize is how many connections a shop has to its database.
const poolSize = 16

// books are where a shop has its orders.
type books struct {
	// server is the database in ../databases.sh, "" for none.
	server  string
	deduper ksher.Deduper
	// add adds the unpaid orders of a turn.
	add func(turn string, n int) error
	// expected finds an order, and pay books its payment where the deduper has it noted.
	expected func(ctx context.Context, no string) (ksher.OpenOrder, error)
	pay      func(ctx context.Context, no string) error
	// bare is the least that does the same: it finds the order, and books and notes its
	// payment together.
	bare func(ctx context.Context, no string) error
	// paid counts the paid orders of a turn.
	paid func(turn string) (int, error)
}

func openOrder(no string, paid bool) ksher.OpenOrder {
	return ksher.OpenOrder{MchOrderNo: no, Host: ksher.HostGateway, TotalFee: total, FeeType: "THB", Booked: paid}
}

// memoryBooks are a map.
func memoryBooks(testing.TB) *books {
	var mu sync.Mutex
	var orders map[string]bool
	pay := func(_ context.Context, no string) error {
		mu.Lock()
		defer mu.Unlock()
		orders[no] = true
		return nil
	}
	return &books{
		deduper: ksher.NewMemoryDeduper(),
		add: func(turn string, n int) error {
			orders = make(map[string]bool)
			for i := range n {
				orders[number(turn, i)] = false
			}
			return nil
		},
		expected: func(_ context.Context, no string) (ksher.OpenOrder, error) {
			mu.Lock()
			defer mu.Unlock()
			paid, ok := orders[no]
			if !ok {
				return ksher.OpenOrder{}, ksher.ErrNotOurs
			}
			return openOrder(no, paid), nil
		},
		pay: pay, bare: pay,
		paid: func(string) (n int, err error) {
			for _, paid := range orders {
				if paid {
					n++
				}
			}
			return n, nil
		},
	}
}

// Statements of a shop on PostgreSQL.
const (
	createTables = "CREATE TABLE orders (no TEXT PRIMARY KEY, total BIGINT NOT NULL, paid BOOLEAN NOT NULL DEFAULT false); CREATE TABLE noted (no TEXT PRIMARY KEY)"
	addOrders    = "INSERT INTO orders SELECT $1 || '-' || lpad(i::text, 5, '0'), $2 FROM generate_series(0, $3::int - 1) AS i"
	findOrder    = "SELECT paid FROM orders WHERE no = $1"
	bookOrder    = "UPDATE orders SET paid = true WHERE no = $1"
	noteOrder    = "INSERT INTO noted (no) VALUES ($1)"
	countPaid    = "SELECT count(*) FROM orders WHERE paid AND no LIKE $1 || '-%'"
)

// sqlBooks are a database by database/sql.
func sqlBooks(tb testing.TB) *books {
	db, err := sql.Open("pgx", fleet.NewSchema(tb, fleet.Address(tb, "KSHER_POSTGRES")))
	require.NoError(tb, err)
	tb.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	ctx := context.Background()
	_, err = db.ExecContext(ctx, createTables)
	require.NoError(tb, err)
	_, err = db.ExecContext(ctx, sqldedupe.Schema(sqldedupe.PostgreSQL))
	require.NoError(tb, err)
	deduper, err := sqldedupe.New(db, sqldedupe.PostgreSQL)
	require.NoError(tb, err)
	find := func(ctx context.Context, no string) (o ksher.OpenOrder, err error) {
		var paid bool
		err = db.QueryRowContext(ctx, findOrder, no).Scan(&paid)
		return openOrder(no, paid), err
	}
	return &books{
		server: "postgres", deduper: deduper,
		add: func(turn string, n int) error {
			_, err := db.ExecContext(ctx, addOrders, turn, int64(total), n)
			return err
		},
		expected: find,
		pay: func(ctx context.Context, no string) error {
			tx, err := sqldedupe.Tx(ctx)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, bookOrder, no)
			return err
		},
		bare: func(ctx context.Context, no string) error {
			if _, err := find(ctx, no); err != nil {
				return err
			}
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			for _, statement := range []string{noteOrder, bookOrder} {
				if _, err := tx.ExecContext(ctx, statement, no); err != nil {
					return err
				}
			}
			return tx.Commit()
		},
		paid: func(turn string) (n int, err error) {
			err = db.QueryRowContext(ctx, countPaid, turn).Scan(&n)
			return n, err
		},
	}
}

// pgxBooks are a database by pgx's pool.
func pgxBooks(tb testing.TB) *books {
	ctx := context.Background()
	config, err := pgxpool.ParseConfig(fleet.NewSchema(tb, fleet.Address(tb, "KSHER_POSTGRES")))
	require.NoError(tb, err)
	config.MaxConns = poolSize
	pool, err := pgxpool.NewWithConfig(ctx, config)
	require.NoError(tb, err)
	tb.Cleanup(pool.Close)
	for _, statement := range []string{createTables, pgxdedupe.Schema()} {
		_, err = pool.Exec(ctx, statement)
		require.NoError(tb, err)
	}
	deduper, err := pgxdedupe.New(pool)
	require.NoError(tb, err)
	find := func(ctx context.Context, no string) (o ksher.OpenOrder, err error) {
		var paid bool
		err = pool.QueryRow(ctx, findOrder, no).Scan(&paid)
		return openOrder(no, paid), err
	}
	return &books{
		server: "postgres", deduper: deduper,
		add: func(turn string, n int) error {
			_, err := pool.Exec(ctx, addOrders, turn, int64(total), n)
			return err
		},
		expected: find,
		pay: func(ctx context.Context, no string) error {
			tx, err := pgxdedupe.Tx(ctx)
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, bookOrder, no)
			return err
		},
		bare: func(ctx context.Context, no string) error {
			if _, err := find(ctx, no); err != nil {
				return err
			}
			tx, err := pool.Begin(ctx)
			if err != nil {
				return err
			}
			defer tx.Rollback(ctx)
			for _, statement := range []string{noteOrder, bookOrder} {
				if _, err := tx.Exec(ctx, statement, no); err != nil {
					return err
				}
			}
			return tx.Commit(ctx)
		},
		paid: func(turn string) (n int, err error) {
			err = pool.QueryRow(ctx, countPaid, turn).Scan(&n)
			return n, err
		},
	}
}

// redisClient is a client with names of its own, which are gone after the test. Their
// prefix is as long as that of the package.
func redisClient(tb testing.TB) (c *redis.Client, prefix string) {
	ctx := context.Background()
	c = redis.NewClient(&redis.Options{Addr: fleet.Address(tb, "KSHER_REDIS"), PoolSize: poolSize})
	prefix = rand.Text()[:len("ksher")] + ":"
	tb.Cleanup(func() {
		keys := c.Scan(ctx, 0, prefix+"*", 1000).Iterator()
		for keys.Next(ctx) {
			c.Unlink(ctx, keys.Val())
		}
		require.NoError(tb, keys.Err())
		c.Close()
	})
	return c, prefix
}

// redisBooks are a hash in Redis for each turn.
func redisBooks(tb testing.TB) *books {
	ctx := context.Background()
	c, prefix := redisClient(tb)
	deduper, err := redisdedupe.New(c, redisdedupe.WithPrefix(prefix))
	require.NoError(tb, err)
	orders := func(no string) string { return prefix + "orders:" + no[:len(no)-len("-00000")] }
	find := func(ctx context.Context, no string) (ksher.OpenOrder, error) {
		paid, err := c.HGet(ctx, orders(no), no).Result()
		return openOrder(no, paid == "paid"), err
	}
	return &books{
		server: "redis", deduper: deduper,
		add: func(turn string, n int) error {
			pipe := c.Pipeline()
			for i := range n {
				pipe.HSet(ctx, orders(number(turn, i)), number(turn, i), strconv.Itoa(int(total)))
			}
			_, err := pipe.Exec(ctx)
			return err
		},
		expected: find,
		pay: func(ctx context.Context, no string) error {
			pipe, err := redisdedupe.Pipeline(ctx)
			if err == nil {
				pipe.HSet(ctx, orders(no), no, "paid")
			}
			return err
		},
		bare: func(ctx context.Context, no string) error {
			if _, err := find(ctx, no); err != nil {
				return err
			}
			_, err := c.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
				pipe.SetNX(ctx, prefix+"noted:"+no, "done", 0)
				pipe.HSet(ctx, orders(no), no, "paid")
				return nil
			})
			return err
		},
		paid: func(turn string) (n int, err error) {
			all, err := c.HVals(ctx, prefix+"orders:"+turn).Result()
			for _, order := range all {
				if order == "paid" {
					n++
				}
			}
			return n, err
		},
	}
}

// BenchmarkRedisMemory tells how much of Redis's memory a remembered payment takes, of ten
// thousand each time.
func BenchmarkRedisMemory(b *testing.B) {
	ctx := context.Background()
	c, prefix := redisClient(b)
	deduper, err := redisdedupe.New(c, redisdedupe.WithPrefix(prefix))
	require.NoError(b, err)
	used := func() int {
		info, err := c.InfoMap(ctx, "memory").Result()
		require.NoError(b, err)
		bytes, err := strconv.Atoi(info["Memory"]["used_memory"])
		require.NoError(b, err)
		return bytes
	}
	payments := 0
	remember := func() {
		require.NoError(b, each(10_000, func(int) error {
			return deduper.Once(ctx, "mch12345 gateway "+ksher.NewOrderNo(), func(context.Context) error { return nil })
		}))
		payments += 10_000
	}
	remember() // So that it has its connections.
	before := used()
	for b.Loop() {
		remember()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(used()-before)/float64(payments-10_000), "B/payment")
}

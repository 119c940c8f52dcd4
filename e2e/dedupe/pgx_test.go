package dedupe_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/pgxdedupe"
	"github.com/ksher-go/ksher/sqldedupe"
)

// pool is what a server with pgx makes when it starts.
func (p *place) pool(h hook) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(p.dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 8
	if p.conns > 0 {
		config.MaxConns = int32(p.conns)
	}
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		for _, statement := range p.session {
			if _, err := c.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}
	if h != nil {
		dial := config.ConnConfig.DialFunc
		config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			return &losable{Conn: c}, err
		}
		config.ConnConfig.Tracer = tracer(h)
	}
	return pgxpool.NewWithConfig(context.Background(), config)
}

// tracer is a hook for pgx, which can't wait for what a step brings.
type tracer hook

func (h tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	c, step := conn.PgConn().Conn().(*losable), data.SQL
	switch step {
	case "begin", "commit", "rollback":
		step = strings.ToUpper(step)
	case "-- ping":
		return ctx
	}
	sent := false
	err := h(func() error { return errLost }, step, func() error {
		sent = true
		return nil
	})
	if err != nil {
		c.lose(sent)
	}
	return ctx
}

func (h tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// losable is a connection that can be lost, with the answer or before the
// statement.
type losable struct {
	net.Conn
	mu             sync.Mutex
	lost, answered bool
}

func (c *losable) lose(answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost, c.answered = true, answered
	if !answered {
		c.Conn.Close()
	}
}

func (c *losable) state() (lost, answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost, c.answered
}

func (c *losable) Write(b []byte) (int, error) {
	if lost, answered := c.state(); lost && !answered {
		return 0, errLost
	}
	return c.Conn.Write(b)
}

func (c *losable) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if lost, _ := c.state(); lost {
		c.Conn.Close()
		return 0, errLost
	}
	return n, err
}

// isLost tells whether the error is about a lost connection. For pgx it is just a
// closed one from the next statement on.
func isLost(err error) bool {
	return errors.Is(err, errLost) || err != nil && strings.Contains(err.Error(), "conn closed")
}

// pgxExecer makes a pool or a transaction look like those of database/sql.
type pgxExecer struct {
	in interface {
		Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
	}
}

func (e pgxExecer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	tag, err := e.in.Exec(ctx, query, args...)
	return driver.RowsAffected(tag.RowsAffected()), err
}

type pgxTx struct {
	pgxExecer
	tx pgx.Tx
}

func (t pgxTx) Commit() error   { return t.tx.Commit(context.Background()) }
func (t pgxTx) Rollback() error { return t.tx.Rollback(context.Background()) }

// eachPgx runs a test on every database with a pool of pgx.
func eachPgx(t *testing.T, test func(t *testing.T, p *place)) {
	for _, d := range databases {
		if d.pgx {
			t.Run(d.name, func(t *testing.T) { test(t, newPlace(t, d)) })
		}
	}
}

// TestSmallPgxPool has one connection for everything.
func TestSmallPgxPool(t *testing.T) {
	eachPgx(t, func(t *testing.T, p *place) {
		p.conns = 1
		s, key := p.server(t), newKey()
		require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
		// The function waits for itself, until its request ends.
		key = newKey()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.Once(ctx, key, func(ctx context.Context) error {
			require.NoError(t, p.inTx(key)(ctx))
			return p.effect(ctx, s.db, key)
		}), context.DeadlineExceeded)
		require.Zero(t, p.effects(t, key))
		require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
		require.Equal(t, 1, p.effects(t, key))
	})
}

// TestRowsLeftOpen has a function forget to close the rows of a query.
func TestRowsLeftOpen(t *testing.T) {
	eachPgx(t, func(t *testing.T, p *place) {
		p.conns = 1
		s, key := p.server(t), newKey()
		for _, result := range []error{nil, errWork} {
			err := s.Once(t.Context(), key, func(ctx context.Context) error {
				require.NoError(t, p.inTx(key)(ctx))
				tx, err := pgxdedupe.Tx(ctx)
				require.NoError(t, err)
				_, err = tx.Query(ctx, "SELECT generate_series(1, 100000)")
				require.NoError(t, err)
				return result
			})
			if result != nil {
				require.Same(t, result, err)
			} else {
				require.ErrorContains(t, err, "conn busy")
			}
			require.False(t, p.done(t, key))
			require.Zero(t, p.effects(t, key))
		}
		require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
		require.Equal(t, 1, p.effects(t, key))
	})
}

// TestNestedPgxTx has the function use the transactions in its transaction.
func TestNestedPgxTx(t *testing.T) {
	eachPgx(t, func(t *testing.T, p *place) {
		s, key := p.server(t), newKey()
		require.NoError(t, s.Once(t.Context(), key, func(ctx context.Context) error {
			tx, err := pgxdedupe.Tx(ctx)
			require.NoError(t, err)
			for _, result := range []error{errWork, nil} {
				err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
					return errors.Join(p.effect(ctx, pgxExecer{tx}, key), result)
				})
				require.ErrorIs(t, err, result)
			}
			return nil
		}))
		require.Equal(t, 1, p.effects(t, key))
	})
}

// TestPgxLease has the lease end while the function holds its transaction: what
// it has locked is free then, however long it goes on.
func TestPgxLease(t *testing.T) {
	eachPgx(t, func(t *testing.T, p *place) {
		s, key := p.serverWith(t, nil, time.Second), newKey()
		err := s.Once(t.Context(), key, func(ctx context.Context) error {
			tx, err := pgxdedupe.Tx(ctx)
			require.NoError(t, err)
			require.NoError(t, p.effect(ctx, pgxExecer{tx}, key))
			_, err = tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", key)
			require.NoError(t, err)
			wait, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err = p.db.ExecContext(wait, p.number("SELECT pg_advisory_lock(hashtext(?))"), key)
			require.NoError(t, err)
			return nil
		})
		require.ErrorIs(t, err, pgx.ErrTxClosed)
		require.ErrorContains(t, err, "before the lease of 1s ends")
		require.Zero(t, p.effects(t, key))
		require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
		require.Equal(t, 1, p.effects(t, key))
	})
}

// TestSameStatements compares what sqldedupe and pgxdedupe have the database do.
func TestSameStatements(t *testing.T) {
	p := newPlace(t, databases[0])
	require.Equal(t, sqldedupe.Schema(sqldedupe.PostgreSQL), pgxdedupe.Schema())
	steps := map[bool][]string{}
	for _, p.pgx = range []bool{false, true} {
		note := func(_ func() error, step string, do func() error) error {
			steps[p.pgx] = append(steps[p.pgx], step)
			return do()
		}
		s, key := p.serverWith(t, note, 90*time.Second), newKey()
		require.ErrorIs(t, s.Once(t.Context(), key, func(context.Context) error { return errWork }), errWork)
		require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
		require.NoError(t, s.Once(t.Context(), key, unwanted(t)))
		_, err := s.Forget(t.Context(), 1000*time.Hour)
		require.NoError(t, err)
	}
	require.Equal(t, steps[false], steps[true])
	require.Len(t, steps[true], 14)
}

// TestSameTable has programs with either of the two work on the same payment.
func TestSameTable(t *testing.T) {
	one, other := newPlace(t, databases[0]), newPlace(t, databases[0])
	other.pgx = true
	for range 2 {
		key := newKey()
		require.NoError(t, one.server(t).Once(t.Context(), key, func(ctx context.Context) error {
			require.ErrorIs(t, other.server(t).Once(t.Context(), key, unwanted(t)), ksher.ErrInProgress)
			return one.inTx(key)(ctx)
		}))
		require.NoError(t, other.server(t).Once(t.Context(), key, unwanted(t)))
		require.Equal(t, 1, one.effects(t, key))
		one, other = other, one
	}
}

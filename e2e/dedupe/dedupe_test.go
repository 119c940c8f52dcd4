package dedupe_test

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/sqldedupe"
)

var errWork = errors.New("the work failed")

func nothing(context.Context) error { return nil }

// unwanted is a function that must not run.
func unwanted(t *testing.T) func(context.Context) error {
	return func(context.Context) error {
		t.Error("the function ran")
		return nil
	}
}

func TestDoneStays(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		for _, inTx := range []bool{true, false} {
			key := newKey()
			runs := 0
			require.NoError(t, p.server(t).Once(t.Context(), key, func(ctx context.Context) error {
				runs++
				if inTx {
					return p.inTx(key)(ctx)
				}
				return nil
			}))
			require.Equal(t, 1, runs)
			// Another server, and another after the claim's time.
			require.NoError(t, p.server(t).Once(t.Context(), key, unwanted(t)))
			p.expire(t, key)
			require.NoError(t, p.server(t).Once(t.Context(), key, unwanted(t)))
		}
	})
}

func TestErrorThenAgain(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		key := newKey()
		failing := func(ctx context.Context) error { return errors.Join(p.inTx(key)(ctx), errWork) }
		s := p.server(t)
		for range 3 {
			require.ErrorIs(t, s.Once(t.Context(), key, failing), errWork)
			require.Zero(t, p.effects(t, key))
		}
		require.NoError(t, p.server(t).Once(t.Context(), key, p.inTx(key)))
		require.Equal(t, 1, p.effects(t, key))
	})
}

func TestErrorIsTheAnswer(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		require.Same(t, errWork, p.server(t).Once(t.Context(), newKey(), func(context.Context) error { return errWork }))
	})
}

func TestPanic(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		key := newKey()
		s := p.server(t)
		require.PanicsWithValue(t, "oh", func() {
			s.Once(t.Context(), key, func(ctx context.Context) error {
				require.NoError(t, p.inTx(key)(ctx))
				panic("oh")
			})
		})
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			s.Once(t.Context(), key, func(ctx context.Context) error {
				if err := p.inTx(key)(ctx); err != nil {
					t.Error(err)
				}
				runtime.Goexit()
				return nil
			})
		}()
		<-gone
		require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
		require.Equal(t, 1, p.effects(t, key))
	})
}

// TestTogether has a notification arrive many times at once at two servers.
func TestTogether(t *testing.T) {
	const calls = 12
	for _, again := range []bool{false, true} {
		t.Run(map[bool]string{false: "new", true: "claim ended"}[again], func(t *testing.T) {
			each(t, func(t *testing.T, p *place) {
				key := newKey()
				servers := []*server{p.server(t), p.server(t)}
				if again {
					require.ErrorIs(t, servers[0].Once(t.Context(), key, func(context.Context) error { return errWork }), errWork)
					p.expire(t, key)
				}
				var others sync.WaitGroup
				others.Add(calls - 1)
				answers := make(chan error, calls)
				var runs atomic.Int32
				for i := range calls {
					go func() {
						first := false
						err := servers[i%2].Once(t.Context(), key, func(context.Context) error {
							if first = runs.Add(1) == 1; first {
								others.Wait()
							}
							return nil
						})
						answers <- err
						if !first {
							others.Done()
						}
					}()
				}
				done := 0
				for range calls {
					switch err := <-answers; {
					case err == nil:
						done++
					case !p.refuses:
						require.ErrorIs(t, err, ksher.ErrInProgress)
					}
				}
				require.Equal(t, 1, done)
				require.EqualValues(t, 1, runs.Load())
			})
		})
	}
}

// TestUntilDone has everybody try again until it is done, though the work often
// fails.
func TestUntilDone(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		key := newKey()
		var runs atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			s := p.server(t)
			for range 2 {
				wg.Go(func() {
					for {
						err := s.Once(t.Context(), key, func(ctx context.Context) error {
							err := p.inTx(key)(ctx)
							if runs.Add(1) <= 5 {
								return errors.Join(err, errWork)
							}
							return err
						})
						if err == nil {
							return
						}
						if !errors.Is(err, errWork) && !errors.Is(err, ksher.ErrInProgress) && !p.refuses {
							t.Error(err)
							return
						}
					}
				})
			}
		}
		wg.Wait()
		require.EqualValues(t, 6, runs.Load())
		require.Equal(t, 1, p.effects(t, key))
	})
}

func TestTakenOver(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		if p.conns == 1 {
			t.Skip("the other server is another pool")
		}
		for _, when := range []string{"before Tx", "after Tx", "no Tx"} {
			t.Run(when, func(t *testing.T) {
				if when == "after Tx" && p.dialect == sqldedupe.SQLite {
					t.Skip("a transaction keeps everybody else from writing")
				}
				key := newKey()
				slow, other := p.server(t), p.server(t)
				handled := 0
				err := slow.Once(t.Context(), key, func(ctx context.Context) error {
					if when == "after Tx" {
						require.NoError(t, p.inTx(key)(ctx))
					}
					require.ErrorIs(t, other.Once(t.Context(), key, unwanted(t)), ksher.ErrInProgress)
					p.expire(t, key)
					require.NoError(t, other.Once(t.Context(), key, func(ctx context.Context) error {
						handled++
						return p.inTx(key)(ctx)
					}))
					if when == "before Tx" {
						require.NoError(t, p.inTx(key)(ctx))
					}
					return nil
				})
				require.Error(t, err)
				if !p.refuses {
					require.ErrorIs(t, err, ksher.ErrInProgress)
					require.ErrorContains(t, err, "within its lease")
				}
				require.ErrorContains(t, err, key)
				require.Equal(t, 1, handled)
				require.Equal(t, 1, p.effects(t, key))
				require.NoError(t, slow.Once(t.Context(), key, unwanted(t)))
			})
		}
	})
}

// TestTakenOverAtWork has the old owner fail while the new one is at it: the old
// one must not give back a claim that isn't his.
func TestTakenOverAtWork(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		key := newKey()
		old, other, third := p.server(t), p.server(t), p.server(t)
		oldReturns, oldGone, oldRuns := make(chan struct{}), make(chan error), make(chan struct{})
		go func() {
			oldGone <- old.Once(t.Context(), key, func(context.Context) error {
				close(oldRuns)
				<-oldReturns
				return errWork
			})
		}()
		<-oldRuns
		p.expire(t, key)
		require.NoError(t, other.Once(t.Context(), key, func(context.Context) error {
			close(oldReturns)
			require.ErrorIs(t, <-oldGone, errWork)
			require.ErrorIs(t, third.Once(t.Context(), key, unwanted(t)), ksher.ErrInProgress)
			return nil
		}))
	})
}

// TestFasterTakeOver has somebody else take over, and finish, between the look and
// the takeover, maybe so long ago that this claim has ended too.
func TestFasterTakeOver(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		for _, ended := range []bool{false, true} {
			key := newKey()
			other := p.server(t)
			require.ErrorIs(t, other.Once(t.Context(), key, func(context.Context) error { return errWork }), errWork)
			p.expire(t, key)
			fast := 0
			s := p.serverWith(t, func(_ func() error, step string, do func() error) error {
				if strings.HasPrefix(step, "UPDATE") && fast == 0 {
					fast++
					require.NoError(t, other.Once(t.Context(), key, nothing))
					if ended {
						p.expire(t, key)
					}
				}
				return do()
			}, 2*time.Minute)
			require.ErrorIs(t, s.Once(t.Context(), key, unwanted(t)), ksher.ErrInProgress)
			require.Equal(t, 1, fast)
			require.NoError(t, s.Once(t.Context(), key, unwanted(t)))
		}
	})
}

// TestNotCommitted has a look at a payment whose note isn't committed yet.
func TestNotCommitted(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		if p.dialect == sqldedupe.SQLite {
			t.Skip("a transaction keeps everybody else from writing")
		}
		if p.dialect == sqldedupe.MySQL {
			p.session = append(p.session[:len(p.session):len(p.session)], "SET SESSION innodb_lock_wait_timeout = 0")
		}
		key := newKey()
		var tx *sql.Tx
		s := p.serverWith(t, func(_ func() error, step string, do func() error) error {
			if strings.HasPrefix(step, "SELECT") {
				var err error
				tx, err = p.db.Begin()
				require.NoError(t, err)
				_, err = tx.Exec(p.number("UPDATE ksher_dedupe SET done_at = claimed_until WHERE payment = ?"), key)
				require.NoError(t, err)
			}
			return do()
		}, 2*time.Minute)
		err := s.Once(t.Context(), key, func(ctx context.Context) error {
			err := s.Once(t.Context(), key, unwanted(t))
			require.NoError(t, tx.Rollback())
			require.Error(t, err)
			return errWork
		})
		require.ErrorIs(t, err, errWork)
	})
}

func TestDeadline(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		for _, lease := range []time.Duration{2 * time.Minute, time.Hour} {
			s := p.serverWith(t, nil, lease)
			before := time.Now()
			key := newKey()
			require.NoError(t, s.Once(t.Context(), key, func(ctx context.Context) error {
				deadline, ok := ctx.Deadline()
				require.True(t, ok)
				require.WithinRange(t, deadline, before.Add(lease/4*3), time.Now().Add(lease/4*3))

				left := map[sqldedupe.Dialect]string{
					sqldedupe.PostgreSQL: "EXTRACT(EPOCH FROM claimed_until - now())",
					sqldedupe.MySQL:      "TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), claimed_until)",
					sqldedupe.SQLite:     "(julianday(claimed_until) - julianday('now')) * 86400",
				}[p.dialect]
				var seconds float64
				require.NoError(t, p.db.QueryRow(p.number("SELECT "+left+" FROM ksher_dedupe WHERE payment = ?"), key).Scan(&seconds))
				require.Greater(t, seconds, lease.Seconds()*0.9)
				require.LessOrEqual(t, seconds, lease.Seconds()+0.001)
				return nil
			}))
		}
	})
}

// TestContextEnds has the request end right after the work was done.
func TestContextEnds(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		s := p.server(t)
		for _, inTx := range []bool{true, false} {
			ctx, cancel := context.WithCancel(t.Context())
			key := newKey()
			require.NoError(t, s.Once(ctx, key, func(ctx context.Context) error {
				defer cancel()
				if inTx {
					return p.inTx(key)(ctx)
				}
				return p.effect(ctx, s.db, key)
			}))
			require.Equal(t, 1, p.effects(t, key))
			require.NoError(t, s.Once(t.Context(), key, unwanted(t)))

			// And before it was.
			ctx, cancel = context.WithCancel(t.Context())
			key = newKey()
			require.ErrorIs(t, s.Once(ctx, key, func(ctx context.Context) error {
				if inTx {
					require.NoError(t, p.inTx(key)(ctx))
				}
				cancel()
				return ctx.Err()
			}), context.Canceled)
			require.Zero(t, p.effects(t, key))
			require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
			require.Equal(t, 1, p.effects(t, key))
		}
	})
}

func TestContextEndedBefore(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s, key := p.server(t), newKey()
		require.ErrorIs(t, s.Once(ctx, key, unwanted(t)), context.Canceled)
		require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
		require.Equal(t, 1, p.effects(t, key))
	})
}

func TestExactKeys(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		s := p.server(t)
		prefix := newKey()
		long := prefix + strings.Repeat("x", 299-len(prefix))
		keys := []string{
			prefix + "A-1", prefix + "a-1", prefix + "Á-1", prefix + "A-1 ", prefix + "A-1  ", " " + prefix + "A-1", prefix + "A-1\t", prefix + "A-1\r\n",
			prefix + "é", prefix + "e\u0301", prefix + "ß", prefix + "ss", prefix + "ก", prefix + "🛒", prefix + "'", prefix + `\`, prefix + `\'`, prefix + `"`,
			prefix + "?", prefix + "$1", prefix + "%", prefix + "_", prefix + "\u200b", prefix, long + "x", long + "X", long,
		}
		for round, want := range []int{1, 0} {
			for _, key := range keys {
				runs := 0
				require.NoError(t, s.Once(t.Context(), key, func(ctx context.Context) error {
					runs++
					return p.inTx(key)(ctx)
				}), "%q", key)
				require.Equal(t, want, runs, "%q, time %d", key, round+1)
			}
		}
		for _, key := range keys {
			var n int
			require.NoError(t, p.db.QueryRow(p.number("SELECT COUNT(*) FROM ksher_dedupe WHERE payment = ?"), key).Scan(&n))
			require.Equal(t, 1, n, "%q", key)
		}
	})
}

func TestForget(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		s := p.server(t)
		old, young, failed, running := newKey(), newKey(), newKey(), newKey()
		for _, key := range []string{old, young} {
			require.NoError(t, s.Once(t.Context(), key, nothing))
		}
		require.ErrorIs(t, s.Once(t.Context(), failed, func(context.Context) error { return errWork }), errWork)
		p.set(t, old, "done_at = "+p.hoursAgo("73"))
		p.set(t, young, "done_at = "+p.hoursAgo("71"))
		require.NoError(t, s.Once(t.Context(), running, func(context.Context) error {
			for _, key := range []string{old, young, failed, running} {
				p.set(t, key, "claimed_until = "+p.hoursAgo("1000"))
			}
			n, err := s.Forget(t.Context(), 72*time.Hour)
			require.NoError(t, err)
			require.EqualValues(t, 1, n)
			n, err = s.Forget(t.Context(), 72*time.Hour)
			require.NoError(t, err)
			require.Zero(t, n)
			return nil
		}))
		var rows int
		require.NoError(t, p.db.QueryRow(p.number("SELECT COUNT(*) FROM ksher_dedupe WHERE payment = ?"), failed).Scan(&rows))
		require.Equal(t, 1, rows)
		require.NoError(t, s.Once(t.Context(), young, unwanted(t)))
		require.NoError(t, s.Once(t.Context(), running, unwanted(t)))
		require.NoError(t, s.Once(t.Context(), old, p.inTx(old)))
		require.Equal(t, 1, p.effects(t, old))

		// A century is no trouble.
		_, err := s.Forget(t.Context(), 100*365*24*time.Hour)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = s.Forget(ctx, 72*time.Hour)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestTx(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		s, key := p.server(t), newKey()
		var kept context.Context
		require.NoError(t, s.Once(t.Context(), key, func(ctx context.Context) error {
			kept = ctx
			// A context of its own that has ended spoils nothing.
			ended, cancel := context.WithCancel(ctx)
			cancel()
			_, err := p.tx(ended)
			require.ErrorIs(t, err, context.Canceled)

			short, cancel := context.WithCancel(ctx)
			got := make([]transaction, 8)
			var wg sync.WaitGroup
			for i := range got {
				wg.Go(func() { got[i], _ = p.tx(short) })
			}
			wg.Wait()
			cancel()
			for _, tx := range got {
				require.NotNil(t, tx)
				require.True(t, got[0] == tx)
			}
			return p.inTx(key)(ctx)
		}))
		require.Equal(t, 1, p.effects(t, key))
		_, err := p.tx(kept)
		require.ErrorContains(t, err, "has returned")
		require.ErrorContains(t, err, key)
	})
}

// TestEndedByTheFunction has the function end the transaction itself.
func TestEndedByTheFunction(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		for effects, end := range []func(transaction) error{transaction.Rollback, transaction.Commit} {
			s, key := p.server(t), newKey()
			err := s.Once(t.Context(), key, func(ctx context.Context) error {
				require.NoError(t, p.inTx(key)(ctx))
				tx, err := p.tx(ctx)
				require.NoError(t, err)
				return end(tx)
			})
			require.ErrorIs(t, err, map[bool]error{false: sql.ErrTxDone, true: pgx.ErrTxClosed}[p.pgx])
			require.ErrorContains(t, err, "leave commit and rollback to Once")
			require.Equal(t, effects, p.effects(t, key))
			require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
			require.Equal(t, effects+1, p.effects(t, key))
		}
	})
}

// TestFailedStatement has the function swallow the error of a statement.
func TestFailedStatement(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		s, key := p.server(t), newKey()
		err := s.Once(t.Context(), key, func(ctx context.Context) error {
			require.NoError(t, p.inTx(key)(ctx))
			tx, err := p.tx(ctx)
			require.NoError(t, err)
			_, err = tx.ExecContext(ctx, "SELECT * FROM no_such_table")
			require.Error(t, err)
			return nil
		})
		if p.dialect == sqldedupe.PostgreSQL {
			require.ErrorContains(t, err, "noting that")
			require.ErrorContains(t, err, key)
			require.Zero(t, p.effects(t, key))
			require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
		} else {
			require.NoError(t, err)
		}
		require.Equal(t, 1, p.effects(t, key))
		require.NoError(t, s.Once(t.Context(), key, unwanted(t)))
	})
}

func TestNested(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		s, key, inner := p.server(t), newKey(), newKey()
		require.NoError(t, s.Once(t.Context(), key, func(ctx context.Context) error {
			require.ErrorIs(t, s.Once(ctx, key, unwanted(t)), ksher.ErrInProgress)
			require.NoError(t, s.Once(ctx, inner, p.inTx(inner)))
			return p.inTx(key)(ctx)
		}))
		require.Equal(t, 1, p.effects(t, key))
		require.Equal(t, 1, p.effects(t, inner))
		require.NoError(t, s.Once(t.Context(), inner, unwanted(t)))
	})
}

func TestNoTable(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		if p.dialect != sqldedupe.SQLite {
			t.Skip("the other tests need the table")
		}
		_, err := p.db.Exec("DROP TABLE ksher_dedupe")
		require.NoError(t, err)
		key := newKey()
		err = p.server(t).Once(t.Context(), key, unwanted(t))
		require.ErrorContains(t, err, "ksher_dedupe")
		require.ErrorContains(t, err, key)
		require.NotErrorIs(t, err, ksher.ErrInProgress)
	})
}

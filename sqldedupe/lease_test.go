package sqldedupe_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/sqldedupe"
)

// double says that each statement changed one row, and remembers what it was
// asked. It has one connection.
type double struct {
	steps []string
	// hangs is the step that is never answered.
	hangs string
	tx    context.Context
}

func (d *double) Connect(context.Context) (driver.Conn, error) { return d, nil }
func (d *double) Driver() driver.Driver                        { return nil }
func (d *double) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (d *double) Close() error                                 { return nil }
func (d *double) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }

func (d *double) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	d.tx = ctx
	return d, d.step(ctx, "BEGIN")
}

func (d *double) Commit() error {
	d.steps = append(d.steps, "COMMIT")
	return nil
}

func (d *double) Rollback() error {
	d.steps = append(d.steps, "ROLLBACK")
	return nil
}

func (d *double) ExecContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), d.step(ctx, query[:strings.Index(query, " ")])
}

func (d *double) step(ctx context.Context, name string) error {
	d.steps = append(d.steps, name)
	if name == d.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

const lease = 4 * time.Minute

func onDouble(t *testing.T, d *double) *sqldedupe.Deduper {
	t.Helper()
	db := sql.OpenDB(d)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	deduper, err := sqldedupe.New(db, sqldedupe.SQLite, sqldedupe.WithLease(lease))
	require.NoError(t, err)
	return deduper
}

// TestLeaseEnds has a function that doesn't care about its context.
func TestLeaseEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		tx    bool
		after time.Duration
		want  error
		steps []string
	}{
		{"in time", true, lease - 1, nil, []string{"INSERT", "BEGIN", "SAVEPOINT", "RELEASE", "UPDATE", "COMMIT"}},
		{"too late", true, lease + 1, sql.ErrTxDone, []string{"INSERT", "BEGIN", "SAVEPOINT", "ROLLBACK", "UPDATE"}},
		// Nobody else may have taken over.
		{"late without a transaction", false, lease + 1, nil, []string{"INSERT", "UPDATE"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &double{}
				err := onDouble(t, d).Once(t.Context(), "A-1", func(ctx context.Context) error {
					if tt.tx {
						_, err := sqldedupe.Tx(ctx)
						require.NoError(t, err)
					}
					start := time.Now()
					<-ctx.Done()
					require.Equal(t, lease/4*3, time.Since(start))
					time.Sleep(tt.after - time.Since(start))
					synctest.Wait()
					return nil
				})
				require.ErrorIs(t, err, tt.want)
				require.Equal(t, tt.steps, d.steps)
				if tt.tx {
					require.Error(t, d.tx.Err(), "the transaction's context goes on")
				}
			})
		})
	}
}

// TestDatabaseHangs has a database that doesn't answer any more.
func TestDatabaseHangs(t *testing.T) {
	errWork := errors.New("the work failed")
	for _, tt := range []struct {
		name  string
		hangs string
		err   error
		took  time.Duration
	}{
		{"claim", "INSERT", nil, time.Hour + 2*time.Second},
		{"note and release", "UPDATE", nil, lease / 2},
		{"release", "UPDATE", errWork, lease / 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				deduper := onDouble(t, &double{hangs: tt.hangs})
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				start := time.Now()
				err := deduper.Once(ctx, "A-1", func(ctx context.Context) error { return tt.err })
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, `"A-1"`)
				if tt.err != nil {
					require.ErrorIs(t, err, tt.err)
					require.ErrorContains(t, err, "ends by itself within 4m0s")
				}
				require.Equal(t, tt.took, time.Since(start))
			})
		})
	}
}

// TestLeftRunning has a function return while it is still beginning a
// transaction.
func TestLeftRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &double{hangs: "BEGIN"}
		deduper := onDouble(t, d)
		start := time.Now()
		require.NoError(t, deduper.Once(t.Context(), "A-1", func(ctx context.Context) error {
			go func() {
				if _, err := sqldedupe.Tx(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("Tx: %v", err)
				}
			}()
			synctest.Wait()
			return nil
		}))
		require.Zero(t, time.Since(start))
		require.Equal(t, []string{"INSERT", "BEGIN", "UPDATE"}, d.steps)
	})
}

// TestClaimCutOff has a context end before the database has answered the claim, which may
// have arrived all the same.
func TestClaimCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &double{hangs: "INSERT"}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := onDouble(t, d).Once(ctx, "A-1", func(context.Context) error { return nil })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []string{"INSERT", "UPDATE"}, d.steps, "the claim is given back")
	})
}

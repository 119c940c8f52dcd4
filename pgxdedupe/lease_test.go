package pgxdedupe_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/pgxdedupe"
)

const lease = 4 * time.Minute

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
		// The connection is closed.
		{"too late", true, lease + 1, pgx.ErrTxClosed, []string{"INSERT", "BEGIN", "SAVEPOINT", "UPDATE"}},
		// Nobody else may have taken over.
		{"late without a transaction", false, lease + 1, nil, []string{"INSERT", "UPDATE"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &double{}
				err := onDouble(t, d).Once(t.Context(), "A-1", func(ctx context.Context) error {
					if tt.tx {
						_, err := pgxdedupe.Tx(ctx)
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
				if err != nil {
					require.ErrorContains(t, err, "before the lease of 4m0s ends")
				}
				require.Equal(t, tt.steps, d.steps)
			})
		})
	}
}

// TestLeaseEndsInAStatement has a statement go on beyond the lease.
func TestLeaseEndsInAStatement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &double{hangs: "SLEEP"}
		start := time.Now()
		err := onDouble(t, d).Once(t.Context(), "A-1", func(ctx context.Context) error {
			tx, err := pgxdedupe.Tx(ctx)
			require.NoError(t, err)
			_, err = tx.Exec(context.WithoutCancel(ctx), "SLEEP")
			require.Error(t, err)
			return nil
		})
		require.ErrorIs(t, err, pgx.ErrTxClosed)
		require.Equal(t, lease, time.Since(start))
		require.Equal(t, []string{"INSERT", "BEGIN", "SAVEPOINT", "SLEEP", "UPDATE"}, d.steps)
	})
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

// TestBeginHangs has the request end while the transaction begins.
func TestBeginHangs(t *testing.T) {
	for _, hangs := range []string{"BEGIN", "SAVEPOINT"} {
		t.Run(hangs, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				require.ErrorIs(t, onDouble(t, &double{hangs: hangs}).Once(ctx, "A-1", func(ctx context.Context) error {
					_, err := pgxdedupe.Tx(ctx)
					return err
				}), context.DeadlineExceeded)
				require.Equal(t, time.Minute, time.Since(start))
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
				if _, err := pgxdedupe.Tx(ctx); !errors.Is(err, context.Canceled) {
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

package dedupe_test

import (
	"context"
	"database/sql"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// waiting waits until somebody waits for a connection.
func waiting(db *sql.DB, n int64) {
	for db.Stats().WaitCount < n {
		runtime.Gosched()
	}
}

// TestSmallPool has one connection for everything.
func TestSmallPool(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		if p.pgx {
			t.Skip("its pool doesn't tell who waits: see TestSmallPgxPool")
		}
		p.conns = 1
		s := p.server(t)
		db := s.db.(*sql.DB)

		key := newKey()
		require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
		key = newKey()
		require.NoError(t, s.Once(t.Context(), key, func(ctx context.Context) error { return p.effect(ctx, s.db, key) }))
		require.Equal(t, 1, p.effects(t, key))

		// The function waits for itself, until its request ends.
		key = newKey()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			waiting(db, 1)
			cancel()
		}()
		require.ErrorIs(t, s.Once(ctx, key, func(ctx context.Context) error {
			require.NoError(t, p.inTx(key)(ctx))
			return p.effect(ctx, s.db, key)
		}), context.Canceled)
		require.Zero(t, p.effects(t, key))

		// So does the transaction.
		held, err := db.Conn(t.Context())
		require.NoError(t, err)
		ctx, cancel = context.WithCancel(t.Context())
		go func() {
			waiting(db, 2)
			cancel()
		}()
		require.ErrorIs(t, s.Once(ctx, key, unwanted(t)), context.Canceled)
		require.NoError(t, held.Close())

		ctx, cancel = context.WithCancel(t.Context())
		require.ErrorIs(t, s.Once(ctx, key, func(ctx context.Context) error {
			held, err := db.Conn(ctx)
			require.NoError(t, err)
			defer held.Close()
			go func() {
				waiting(db, 3)
				cancel()
			}()
			_, err = p.tx(ctx)
			return err
		}), context.Canceled)
		require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
		require.Equal(t, 1, p.effects(t, key))
	})
}

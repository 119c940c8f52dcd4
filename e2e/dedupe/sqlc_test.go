package dedupe_test

import (
	"context"
	_ "embed"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/e2e/dedupe/sqlcorders"
	"github.com/ksher-go/ksher/pgxdedupe"
)

//go:embed sqlcorders/schema.sql
var sqlcSchema string

// TestSqlc has the code that sqlc writes work in the transaction of pgxdedupe, as
// docs/databases.md says.
func TestSqlc(t *testing.T) {
	eachPgx(t, func(t *testing.T, p *place) {
		pool, err := p.pool(nil)
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		_, err = pool.Exec(t.Context(), sqlcSchema)
		require.NoError(t, err)
		queries := sqlcorders.New(pool)
		deduper, err := pgxdedupe.New(pool)
		require.NoError(t, err)

		key := newKey()
		require.NoError(t, queries.CreateOrder(t.Context(), sqlcorders.CreateOrderParams{No: key, Total: 150_50}))
		for _, result := range []error{errWork, nil} {
			require.ErrorIs(t, deduper.Once(t.Context(), key, func(ctx context.Context) error {
				tx, err := pgxdedupe.Tx(ctx)
				if err != nil {
					return err
				}
				n, err := queries.WithTx(tx).MarkPaid(ctx, sqlcorders.MarkPaidParams{No: key, Total: 150_50})
				require.NoError(t, err)
				require.EqualValues(t, 1, n)
				return result
			}), result)
			order, err := queries.GetOrder(t.Context(), key)
			require.NoError(t, err)
			require.Equal(t, result == nil, order.Paid)
			require.Equal(t, ksher.Amount(150_50), order.Total)
		}
		require.NoError(t, deduper.Once(t.Context(), key, unwanted(t)))
	})
}

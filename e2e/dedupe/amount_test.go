package dedupe_test

import (
	"crypto/rand"
	"database/sql"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/sqldedupe"
)

// book is a database as a merchant's code sees it.
type book struct {
	exec func(query string, args ...any) error
	// row reads one row.
	row func(query string, args []any, into ...any) error
}

func (p *place) book(t *testing.T) book {
	ctx := t.Context()
	if p.pgx {
		pool, err := p.pool(nil)
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		return book{
			exec: func(query string, args ...any) error { _, err := pool.Exec(ctx, query, args...); return err },
			row: func(query string, args []any, into ...any) error {
				return pool.QueryRow(ctx, query, args...).Scan(into...)
			},
		}
	}
	return book{
		exec: func(query string, args ...any) error { _, err := p.db.ExecContext(ctx, query, args...); return err },
		row: func(query string, args []any, into ...any) error {
			return p.db.QueryRowContext(ctx, query, args...).Scan(into...)
		},
	}
}

var amounts = []ksher.Amount{0, 1, -1, 100, 150_50, 1<<53 - 1, 1<<63 - 1, -1 << 63}

// TestAmount has amounts land as the same integer of cents, whatever the type of
// the column.
func TestAmount(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		b := p.book(t)
		asText := map[sqldedupe.Dialect]string{sqldedupe.PostgreSQL: "TEXT", sqldedupe.MySQL: "CHAR", sqldedupe.SQLite: "TEXT"}[p.dialect]
		for _, column := range []string{"BIGINT", "NUMERIC(20)", "NUMERIC(20, 0)", "TEXT", "VARCHAR(20)"} {
			t.Run(column, func(t *testing.T) {
				table := "ksher_test_" + strings.ToLower(rand.Text())
				require.NoError(t, b.exec("CREATE TABLE "+table+" (total "+column+", spare "+column+")"))
				t.Cleanup(func() { p.execute(t, "DROP TABLE "+table) })
				for _, want := range amounts {
					require.NoError(t, b.exec(p.number("INSERT INTO "+table+" (total, spare) VALUES (?, ?)"), want, &want))
					var text string
					var got, spare ksher.Amount
					// Looks for it by its value as well.
					require.NoError(t, b.row(p.number("SELECT CAST(total AS "+asText+"), total, spare FROM "+table+" WHERE total = ? AND spare = ?"),
						[]any{want, want}, &text, &got, &spare))
					require.Equal(t, strings.ReplaceAll(want.String(), ".", ""), pad(text))
					require.Equal(t, want, got)
					require.Equal(t, want, spare)
					require.NoError(t, b.exec(p.number("UPDATE "+table+" SET total = ? WHERE total = ?"), want, want))
					require.NoError(t, b.exec(p.number("DELETE FROM "+table+" WHERE total = ?"), want))
					require.ErrorContains(t, b.row("SELECT total FROM "+table, nil, &got), "no rows")
				}
				p.nullAndFraction(t, b, table, column)
			})
		}
	})
}

// pad adds the zeros that Amount.String has.
func pad(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	return sign + strings.Repeat("0", max(0, 3-len(digits))) + digits
}

func (p *place) nullAndFraction(t *testing.T, b book, table, column string) {
	var none *ksher.Amount
	require.NoError(t, b.exec(p.number("INSERT INTO "+table+" (total, spare) VALUES (?, ?)"), sql.Null[ksher.Amount]{}, none))
	got := ksher.Amount(7)
	require.Error(t, b.row("SELECT total FROM "+table, nil, &got), "NULL is no amount")
	require.Equal(t, ksher.Amount(7), got)
	require.NoError(t, b.row("SELECT total FROM "+table, nil, &none))
	require.Nil(t, none)
	var null sql.Null[ksher.Amount]
	require.NoError(t, b.row("SELECT total FROM "+table, nil, &null))
	require.False(t, null.Valid)
	require.NoError(t, b.exec("DELETE FROM "+table))

	if column == "TEXT" {
		require.NoError(t, b.exec("INSERT INTO "+table+" (total) VALUES ('150.50')"))
		require.Error(t, b.row("SELECT total FROM "+table, nil, &got))
	}
	require.Error(t, b.row("SELECT CAST(150.50 AS DECIMAL(20, 2))", nil, &got))
	require.Equal(t, ksher.Amount(7), got)
}

// TestAmountArithmetic has the database add and compare.
func TestAmountArithmetic(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		b := p.book(t)
		table := "ksher_test_" + strings.ToLower(rand.Text())
		require.NoError(t, b.exec("CREATE TABLE "+table+" (total BIGINT, refunded BIGINT)"))
		t.Cleanup(func() { p.execute(t, "DROP TABLE "+table) })
		require.NoError(t, b.exec(p.number("INSERT INTO "+table+" VALUES (?, 0)"), ksher.Amount(150_50)))
		require.NoError(t, b.exec(p.number("UPDATE "+table+" SET refunded = refunded + ?"), ksher.Amount(99_00)))
		var left, sum ksher.Amount
		require.NoError(t, b.row("SELECT total - refunded FROM "+table, nil, &left))
		require.Equal(t, ksher.Amount(51_50), left)
		require.NoError(t, b.row("SELECT SUM(total) FROM "+table, nil, &sum))
		require.Equal(t, ksher.Amount(150_50), sum)
		for amount, want := range map[ksher.Amount]int{9_00: 1, 51_50: 1, 51_51: 0, 100_00: 0} {
			for _, where := range []string{"total >= refunded + ?", "total - refunded >= CAST(? AS DECIMAL(20))", "total - refunded >= ?"} {
				if where == "total - refunded >= ?" && p.dialect == sqldedupe.SQLite {
					// SQLite compares it as text, which is more than any number.
					want = 0
				}
				var n int
				require.NoError(t, b.row(p.number("SELECT COUNT(*) FROM "+table+" WHERE "+where), []any{amount}, &n))
				require.Equal(t, want, n, "%s with %v", where, amount)
			}
		}
	})
}

// TestAmountInPgx has what only pgx can do: batches, arrays and COPY.
func TestAmountInPgx(t *testing.T) {
	eachPgx(t, func(t *testing.T, p *place) {
		pool, err := p.pool(nil)
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		ctx := t.Context()
		for _, column := range []string{"BIGINT", "NUMERIC", "TEXT"} {
			t.Run(column, func(t *testing.T) {
				table := "ksher_test_" + strings.ToLower(rand.Text())
				require.NoError(t, pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, "CREATE TEMPORARY TABLE "+table+" (total "+column+") ON COMMIT DROP")
					require.NoError(t, err)
					rows := [][]any{}
					batch := &pgx.Batch{}
					for _, a := range amounts {
						rows = append(rows, []any{a})
						batch.Queue("INSERT INTO "+table+" VALUES ($1)", a)
					}
					require.NoError(t, tx.SendBatch(ctx, batch).Close())
					_, err = tx.CopyFrom(ctx, pgx.Identifier{table}, []string{"total"}, pgx.CopyFromRows(rows))
					require.NoError(t, err)
					found, _ := tx.Query(ctx, "SELECT total FROM "+table)
					got, err := pgx.CollectRows(found, pgx.RowTo[ksher.Amount])
					require.NoError(t, err)
					require.Equal(t, append(amounts[:len(amounts):len(amounts)], amounts...), got)
					if strings.Contains(p.dsn, "exec_mode") {
						return nil // pgx doesn't know there of what an array is.
					}
					var all []ksher.Amount
					require.NoError(t, tx.QueryRow(ctx, "SELECT array_agg(total) FROM "+table+" WHERE total = ANY($1)", amounts).Scan(&all))
					require.Equal(t, got, all)
					return nil
				}))
			})
		}
	})
}

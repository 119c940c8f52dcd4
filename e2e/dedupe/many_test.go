package dedupe_test

import (
	"context"
	"database/sql"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/sqldedupe"
)

// TestManyRows has PostgreSQL remember many payments of the last 30 days: every
// statement of a payment uses the index. KSHER_ROWS says how many, ten thousand by
// default; with more it compares with ten thousand, as .ci/long does.
func TestManyRows(t *testing.T) {
	few := newMany(t, 10_000)
	all, payments := []*many{few}, 20
	if s := os.Getenv("KSHER_ROWS"); s != "" {
		rows, err := strconv.Atoi(s)
		require.NoError(t, err)
		all, payments = append(all, newMany(t, rows)), 3000
	}
	took := pay(t, all, payments)
	if len(all) > 1 {
		growth := float64(took[1]) / float64(took[0])
		t.Logf("a payment takes %.2f times as long as with %d rows", growth, few.rows)
		require.LessOrEqual(t, growth, 1.5)
	}
	m := all[len(all)-1]
	m.forget(t, 40*24*time.Hour, 0)
	m.forget(t, 29*24*time.Hour, m.rows/30)
	m.forget(t, 10*24*time.Hour, m.rows/30*19)
}

// many is a table with many rows.
type many struct {
	*place
	db   *sql.DB
	rows int
}

func newMany(t *testing.T, rows int) *many {
	p := newPlace(t, databases[0])
	p.withoutTable(t)
	m := &many{place: p, db: p.open(t, nil), rows: rows}
	m.execute(t, sqldedupe.Schema(sqldedupe.PostgreSQL))
	m.execute(t, "CREATE TABLE ksher_test_effects (payment TEXT NOT NULL)")
	m.fill(t)
	m.plans(t)
	return m
}

func (m *many) execute(t *testing.T, statement string) {
	t.Helper()
	_, err := m.db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

// fill adds rows of the last 30 days, whose keys are in no order.
func (m *many) fill(t *testing.T) {
	start := time.Now()
	m.execute(t, `INSERT INTO ksher_dedupe SELECT 'mch12345 SUCCESS ' || upper(substr(md5(n::text), 1, 26)), upper(substr(md5('claim ' || n), 1, 26)),
		now() - n % 30 * interval '1 day', now() - n % 30 * interval '1 day' - interval '1 minute'
		FROM generate_series(1, `+strconv.Itoa(m.rows)+`) AS n`)
	m.execute(t, "VACUUM ANALYZE ksher_dedupe")
	m.execute(t, "CHECKPOINT") // What is measured next begins with a disk at rest.
	table, index := m.sizes(t)
	var fsync string
	require.NoError(t, m.db.QueryRow("SHOW fsync").Scan(&fsync))
	t.Logf("%d rows, fsync %s: %d bytes a row in the table, %d in its index, %d MB in all; filled in %v",
		m.rows, fsync, table/int64(m.rows), index/int64(m.rows), (table+index)>>20, time.Since(start).Round(time.Millisecond))
}

func (m *many) sizes(t *testing.T) (table, index int64) {
	require.NoError(t, m.db.QueryRow("SELECT pg_table_size('ksher_dedupe'), pg_indexes_size('ksher_dedupe')").Scan(&table, &index))
	return table, index
}

// plans has PostgreSQL say how it executes the statements of a payment.
func (m *many) plans(t *testing.T) {
	var steps []string
	s, key := m.serverWith(t, func(_ func() error, step string, do func() error) error {
		if strings.Contains(step, "ksher_dedupe") && !slices.Contains(steps, step) {
			steps = append(steps, step)
		}
		return do()
	}, 2*time.Minute), newKey()
	require.ErrorIs(t, s.Once(t.Context(), key, func(context.Context) error { return errWork }), errWork)
	require.NoError(t, s.Once(t.Context(), key, m.inTx(key)))
	require.Len(t, steps, 5)
	for _, step := range steps {
		args := []any{"a", "b"}[:strings.Count(step, "$")]
		rows, err := m.db.Query("EXPLAIN "+step, args...)
		require.NoError(t, err)
		var plan []string
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			plan = append(plan, line)
		}
		require.NoError(t, rows.Err())
		text := strings.Join(plan, "\n")
		t.Logf("%s\n%s", step, text)
		require.NotContains(t, text, "Seq Scan")
		require.Regexp(t, "Index Scan using ksher_dedupe_pkey|Conflict Arbiter Indexes: ksher_dedupe_pkey", text)
	}
}

// pay handles payments one after the other, in turn with each table, so that a
// busy machine is as slow for all. It returns the time that the one in the middle
// took.
func pay(t *testing.T, tables []*many, n int) (middle []time.Duration) {
	servers, wal := make([]*server, len(tables)), make([]int64, len(tables))
	took := make([][]time.Duration, len(tables))
	for i, m := range tables {
		servers[i] = m.server(t)
		require.NoError(t, servers[i].Once(t.Context(), newKey(), nothing))
	}
	for range n {
		for i, m := range tables {
			key, before, start := newKey(), m.written(t), time.Now()
			require.NoError(t, servers[i].Once(t.Context(), key, m.inTx(key)))
			took[i] = append(took[i], time.Since(start))
			wal[i] += m.written(t) - before
		}
	}
	for i, m := range tables {
		var all time.Duration
		for _, d := range took[i] {
			all += d
		}
		slices.Sort(took[i])
		middle = append(middle, took[i][n/2])
		t.Logf("%d payments beside %d rows: half within %v, 99%% within %v, %v on average; %d bytes of WAL each",
			n, m.rows, middle[i], took[i][n*99/100], all/time.Duration(n), wal[i]/int64(n))
	}
	return middle
}

// written is how much PostgreSQL has written to its log.
func (m *many) written(t *testing.T) (bytes int64) {
	require.NoError(t, m.db.QueryRow("SELECT pg_current_wal_insert_lsn() - '0/0'").Scan(&bytes))
	return bytes
}

// forget removes old rows while payments arrive.
func (m *many) forget(t *testing.T, olderThan time.Duration, atLeast int) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	slowest := make(chan time.Duration)
	s := m.server(t)
	go func() {
		longest := time.Duration(0)
		for ctx.Err() == nil {
			key, start := newKey(), time.Now()
			if err := s.Once(t.Context(), key, m.inTx(key)); err != nil {
				t.Error(err)
			}
			longest = max(longest, time.Since(start))
		}
		slowest <- longest
	}()
	before, start := m.written(t), time.Now()
	n, err := m.server(t).Forget(t.Context(), olderThan)
	took := time.Since(start)
	cancel()
	longest := <-slowest
	require.NoError(t, err)
	require.GreaterOrEqual(t, n, int64(atLeast))
	written := m.written(t) - before
	start = time.Now()
	m.execute(t, "VACUUM ksher_dedupe")
	vacuum := time.Since(start)
	table, index := m.sizes(t)
	t.Logf("removing %d rows took %v and %d MB of WAL, VACUUM %v; the slowest payment meanwhile took %v; the table has %d MB then, its index %d MB",
		n, took.Round(time.Millisecond), written>>20, vacuum.Round(time.Millisecond), longest.Round(time.Millisecond), table>>20, index>>20)
}

package dedupe_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/sqldedupe"
)

// ending is what a function does between two pieces of its work.
type ending struct {
	name string
	// statements are executed one by one.
	statements []string
	// between is run before them.
	between func(t *testing.T, p *place, ctx context.Context, tx transaction)
	// kept is how much of the work before the end stays.
	kept int
	// only limits it to these databases.
	only []sqldedupe.Dialect
}

var (
	postgres = []sqldedupe.Dialect{sqldedupe.PostgreSQL}
	mySQL    = []sqldedupe.Dialect{sqldedupe.MySQL}
	sqlite   = []sqldedupe.Dialect{sqldedupe.SQLite}
	servers  = []sqldedupe.Dialect{sqldedupe.PostgreSQL, sqldedupe.MySQL}
)

// endings end its transaction before its time.
var endings = []ending{
	{name: "ROLLBACK", statements: []string{"ROLLBACK"}},
	{name: "COMMIT", statements: []string{"COMMIT"}, kept: 1},
	{name: "ROLLBACK and BEGIN", statements: []string{"ROLLBACK", "BEGIN"}},
	{name: "COMMIT and BEGIN", statements: []string{"COMMIT", "BEGIN"}, kept: 1},
	{name: "ROLLBACK AND CHAIN", statements: []string{"ROLLBACK AND CHAIN"}, only: servers},
	{name: "COMMIT AND CHAIN", statements: []string{"COMMIT AND CHAIN"}, kept: 1, only: servers},
	{name: "aborted, ROLLBACK", statements: []string{"SELECT 1/0", "ROLLBACK"}, only: postgres},
	{name: "aborted, COMMIT", statements: []string{"SELECT 1/0", "COMMIT"}, only: postgres},
	{name: "aborted, ROLLBACK and BEGIN", statements: []string{"SELECT 1/0", "ROLLBACK", "BEGIN"}, only: postgres},
	{name: "PREPARE", statements: []string{"PREPARE TRANSACTION 'ksher'", "ROLLBACK"}, only: postgres},
	{name: "BEGIN", statements: []string{"BEGIN"}, kept: 1, only: mySQL},
	{name: "CREATE TABLE", statements: []string{"CREATE TABLE IF NOT EXISTS ksher_test_effects (payment INT)"}, kept: 1, only: mySQL},
	{name: "LOCK TABLES", statements: []string{"LOCK TABLES ksher_test_effects WRITE", "UNLOCK TABLES"}, kept: 1, only: mySQL},
	{name: "deadlock", between: deadlock("UPDATE ksher_test_rows SET n = n + 1 WHERE name = '%s'"), only: mySQL},
	{name: "deadlock handled by a procedure", between: deadlock("CALL ksher_test_add('%s')"), only: mySQL},
	{name: "INSERT OR ROLLBACK", statements: []string{"INSERT OR ROLLBACK INTO ksher_test_one VALUES (1)"}, only: sqlite},
	{name: "RAISE(ROLLBACK)", statements: []string{"DELETE FROM ksher_test_one"}, only: sqlite},
	{name: "interrupted", between: interrupt, only: sqlite},
	{name: "disk full", between: full("INSERT INTO ksher_test_blob VALUES (zeroblob(1000000))"), only: sqlite},
}

// goingOn is what a function may do in its transaction.
var goingOn = []ending{
	{name: "nothing"},
	{name: "a savepoint", statements: []string{"SAVEPOINT a", "INSERT INTO no_such_table VALUES (1)", "ROLLBACK TO SAVEPOINT a", "RELEASE SAVEPOINT a"}},
	{name: "a savepoint left", statements: []string{"SAVEPOINT a"}},
	{name: "a statement that fails", statements: []string{"INSERT INTO no_such_table VALUES (1)"}, only: []sqldedupe.Dialect{sqldedupe.MySQL, sqldedupe.SQLite}},
	{name: "BEGIN", statements: []string{"BEGIN"}, only: []sqldedupe.Dialect{sqldedupe.PostgreSQL, sqldedupe.SQLite}},
	{name: "CREATE TABLE", statements: []string{"CREATE TABLE IF NOT EXISTS ksher_test_effects (payment INT)"}, only: []sqldedupe.Dialect{sqldedupe.PostgreSQL, sqldedupe.SQLite}},
	{name: "CREATE TEMPORARY TABLE", statements: []string{"CREATE TEMPORARY TABLE ksher_test_temporary (n INT)", "DROP TEMPORARY TABLE ksher_test_temporary"}, only: mySQL},
	{name: "a lock that isn't there in time", between: lockWait, only: mySQL},
	{name: "disk full", between: full("INSERT INTO ksher_test_blob SELECT zeroblob(1000000) FROM ksher_test_one, ksher_test_one AS b"), only: sqlite},
}

// repeat is the ordinary helper that repeats a failed statement.
func repeat(ctx context.Context, in execer, query string, args ...any) (err error) {
	for range 3 {
		if _, err = in.ExecContext(ctx, query, args...); err == nil {
			return nil
		}
	}
	return err
}

// TestTransactionEnds has the transaction end while the function goes on and
// returns nil: nothing may be noted, because work is missing or is there too
// early.
func TestTransactionEnds(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		p.endingTables(t)
		for _, e := range endings {
			if e.only != nil && !slices.Contains(e.only, p.dialect) {
				continue
			}
			t.Run(e.name, func(t *testing.T) {
				for _, result := range []error{nil, errWork} {
					p.ends(t, e, result)
				}
			})
		}
	})
}

// TestTransactionGoesOn has a function do what doesn't end its transaction.
func TestTransactionGoesOn(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		p.endingTables(t)
		for _, e := range goingOn {
			if e.only != nil && !slices.Contains(e.only, p.dialect) {
				continue
			}
			t.Run(e.name, func(t *testing.T) {
				s, key := p.server(t), newKey()
				fn := func(result error) func(context.Context) error {
					return func(ctx context.Context) error { return p.work(t, ctx, e, key, result) }
				}
				require.Same(t, errWork, s.Once(t.Context(), key, fn(errWork)))
				require.Zero(t, p.effects(t, key))
				require.NoError(t, s.Once(t.Context(), key, fn(nil)))
				require.Equal(t, 2, p.effects(t, key))
				require.NoError(t, s.Once(t.Context(), key, unwanted(t)))
			})
		}
	})
}

// TestTransactionGivenUp has PostgreSQL give up a transaction, after which it
// refuses every statement.
func TestTransactionGivenUp(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		if p.dialect != sqldedupe.PostgreSQL {
			t.Skip("only PostgreSQL does")
		}
		p.endingTables(t)
		for _, e := range []ending{
			{name: "a statement that fails", statements: []string{"SELECT 1/0"}},
			{name: "deadlock", between: deadlock("SELECT pg_advisory_xact_lock(hashtext('%s'))")},
		} {
			t.Run(e.name, func(t *testing.T) {
				s, key := p.server(t), newKey()
				for _, result := range []error{nil, errWork} {
					err := s.Once(t.Context(), key, func(ctx context.Context) error {
						p.firstHalf(t, ctx, e, key)
						tx, err := p.tx(ctx)
						require.NoError(t, err)
						require.Error(t, repeat(ctx, tx, p.number("INSERT INTO ksher_test_effects (payment) VALUES (?)"), key))
						return result
					})
					if result == nil {
						require.ErrorContains(t, err, "noting that")
						require.ErrorContains(t, err, key)
						require.NotContains(t, err.Error(), "ended before")
					} else {
						require.Same(t, result, err)
					}
					require.False(t, p.done(t, key))
					require.Zero(t, p.effects(t, key))
				}
				require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
				require.Equal(t, 1, p.effects(t, key))
			})
		}
	})
}

// TestConnectionLostAtWork has the connection break while the function is at
// work: nothing of its transaction stays.
func TestConnectionLostAtWork(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		for _, result := range []error{nil, errWork} {
			key := newKey()
			s := p.serverWith(t, func(lose func() error, step string, do func() error) error {
				if step == "SELECT 'break'" {
					return lose()
				}
				return do()
			}, 2*time.Minute)
			err := s.Once(t.Context(), key, func(ctx context.Context) error {
				p.firstHalf(t, ctx, ending{statements: []string{"SELECT 'break'"}}, key)
				return result
			})
			if result == nil {
				require.True(t, isLost(err), "%v", err)
				require.NotContains(t, err.Error(), "ended before")
			} else {
				require.Same(t, result, err)
			}
			require.False(t, p.done(t, key))
			require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
			require.Equal(t, 1, p.effects(t, key))
		}
	})
}

// ends has a function's transaction end, and then the function, with a result.
func (p *place) ends(t *testing.T, e ending, result error) {
	s, key := p.server(t), newKey()
	err := s.Once(t.Context(), key, func(ctx context.Context) error { return p.work(t, ctx, e, key, result) })
	require.ErrorContains(t, err, "ended before the function returned")
	require.ErrorContains(t, err, "run again")
	require.ErrorContains(t, err, key)
	require.NotErrorIs(t, err, ksher.ErrInProgress)
	if result != nil {
		require.ErrorIs(t, err, result)
	}
	require.False(t, p.done(t, key))

	after := 1
	if last := len(e.statements) - 1; last >= 0 && (e.statements[last] == "BEGIN" || strings.HasSuffix(e.statements[last], "AND CHAIN")) {
		after = 0 // What began anew is rolled back.
	}
	require.Equal(t, e.kept+after, p.effects(t, key))
	require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
	require.Equal(t, e.kept+after+1, p.effects(t, key))
	require.NoError(t, s.Once(t.Context(), key, unwanted(t)))
}

// work is a function that does something between two pieces of its work, and
// goes on whatever comes of it.
func (p *place) work(t *testing.T, ctx context.Context, e ending, key string, result error) error {
	p.firstHalf(t, ctx, e, key)
	tx, err := p.tx(ctx)
	require.NoError(t, err)
	require.NoError(t, repeat(ctx, tx, p.number("INSERT INTO ksher_test_effects (payment) VALUES (?)"), key))
	return result
}

// firstHalf is the first half of it.
func (p *place) firstHalf(t *testing.T, ctx context.Context, e ending, key string) {
	tx, err := p.tx(ctx)
	require.NoError(t, err)
	require.NoError(t, p.effect(ctx, tx, key))
	if e.between != nil {
		e.between(t, p, ctx, tx)
	}
	for _, statement := range e.statements {
		_, _ = tx.ExecContext(ctx, statement)
	}
}

// endingTables makes what the endings need.
func (p *place) endingTables(t *testing.T) {
	statements := map[sqldedupe.Dialect][]string{
		sqldedupe.MySQL: {
			"CREATE TABLE IF NOT EXISTS ksher_test_rows (name VARCHAR(64) PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB",
			"CREATE OR REPLACE PROCEDURE ksher_test_add(row_name VARCHAR(64)) BEGIN DECLARE CONTINUE HANDLER FOR 1213 DO 0; UPDATE ksher_test_rows SET n = n + 1 WHERE name = row_name; END",
		},
		sqldedupe.SQLite: {
			"CREATE TABLE ksher_test_blob (b BLOB)",
			"CREATE TABLE ksher_test_one (n INTEGER PRIMARY KEY)",
			"INSERT INTO ksher_test_one VALUES (1)",
			"CREATE TRIGGER ksher_test_never BEFORE DELETE ON ksher_test_one BEGIN SELECT RAISE(ROLLBACK, 'never'); END",
		},
	}[p.dialect]
	for _, statement := range statements {
		_, err := p.db.Exec(statement)
		require.NoError(t, err)
	}
}

// deadlock has two transactions wait for each other's lock. The database gives up
// ours: MySQL the one that has changed less, PostgreSQL the one that looks first.
func deadlock(lock string) func(*testing.T, *place, context.Context, transaction) {
	return func(t *testing.T, p *place, ctx context.Context, tx transaction) {
		ours, theirs := newKey(), newKey()
		if p.dialect == sqldedupe.MySQL {
			_, err := p.db.Exec("INSERT INTO ksher_test_rows (name, n) VALUES (?, 0), (?, 0)", ours, theirs)
			require.NoError(t, err)
		}
		other, err := p.db.Begin()
		require.NoError(t, err)
		defer other.Rollback()
		for range 20 {
			require.NoError(t, p.effect(ctx, other, theirs))
		}
		_, err = other.Exec(fmt.Sprintf(lock, theirs))
		require.NoError(t, err)
		_, err = tx.ExecContext(ctx, fmt.Sprintf(lock, ours))
		require.NoError(t, err)
		var pid int
		if p.dialect == sqldedupe.PostgreSQL {
			require.NoError(t, other.QueryRow("SELECT pg_backend_pid()").Scan(&pid))
			_, err = tx.ExecContext(ctx, "SET LOCAL deadlock_timeout = '1ms'")
			require.NoError(t, err)
		}

		othersEnd := make(chan error)
		go func() {
			_, err := other.Exec(fmt.Sprintf(lock, ours))
			othersEnd <- err
		}()
		for waits := p.dialect != sqldedupe.PostgreSQL; !waits; {
			require.NoError(t, p.db.QueryRow("SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)", pid).Scan(&waits))
		}
		_, err = tx.ExecContext(ctx, fmt.Sprintf(lock, theirs))
		if strings.HasPrefix(lock, "CALL") {
			require.NoError(t, err, "the procedure keeps it to itself")
		} else {
			require.ErrorContains(t, err, "eadlock")
		}
		require.NoError(t, <-othersEnd)
	}
}

// lockWait has a statement wait for a row for too long, which rolls back no more
// than the statement.
func lockWait(t *testing.T, p *place, ctx context.Context, tx transaction) {
	row := newKey()
	_, err := p.db.Exec("INSERT INTO ksher_test_rows (name, n) VALUES ('" + row + "', 0)")
	require.NoError(t, err)
	other, err := p.db.Begin()
	require.NoError(t, err)
	defer other.Rollback()
	change := "UPDATE ksher_test_rows SET n = n + 1 WHERE name = '" + row + "'"
	_, err = other.Exec(change)
	require.NoError(t, err)
	_, err = tx.ExecContext(ctx, "SET SESSION innodb_lock_wait_timeout = 0")
	require.NoError(t, err)
	require.ErrorContains(t, repeat(ctx, tx, change), "Lock wait timeout exceeded")
}

// cancels has what ends a statement's context, by the name of its test.
var cancels sync.Map

// cancelNow is a function of SQLite, by which a statement ends its own context.
func cancelNow(test string) int {
	if cancel, ok := cancels.Load(test); ok {
		cancel.(context.CancelFunc)()
	}
	return 0
}

// interrupt has the context of a statement end while it writes.
func interrupt(t *testing.T, _ *place, ctx context.Context, tx transaction) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cancels.Store(t.Name(), cancel)
	defer cancels.Delete(t.Name())
	_, err := tx.ExecContext(ctx, `WITH RECURSIVE numbers (n) AS (SELECT 10 + ksher_test_cancel(?) UNION ALL SELECT n + 1 FROM numbers)
		INSERT INTO ksher_test_one SELECT n FROM numbers`, t.Name())
	require.ErrorIs(t, err, context.Canceled)
}

// full has the disk be full, in the eyes of SQLite.
func full(statement string) func(*testing.T, *place, context.Context, transaction) {
	return func(t *testing.T, p *place, ctx context.Context, tx transaction) {
		_, err := tx.ExecContext(ctx, "PRAGMA max_page_count = 1")
		require.NoError(t, err)
		_, err = tx.ExecContext(ctx, statement)
		require.ErrorContains(t, err, "full")
		_, err = tx.ExecContext(ctx, "PRAGMA max_page_count = 1000000")
		require.NoError(t, err)
	}
}

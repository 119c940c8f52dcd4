// Package sqldedupe remembers in a database which payments were handled: a
// [ksher.Deduper] for several servers, on PostgreSQL, MySQL, MariaDB or SQLite,
// with any driver for database/sql. Its tests run on PostgreSQL, MariaDB and
// SQLite, but not on MySQL, of which Debian has no package.
//
//	deduper, err := sqldedupe.New(db, sqldedupe.PostgreSQL)
//	// …
//	payments, err := ksher.NewPayments(client, paid, ksher.WithDeduper(deduper))
//
// It needs one table, which [Schema] defines. Create it with the tool that makes
// your other tables, or by
//
//	_, err := db.ExecContext(ctx, sqldedupe.Schema(sqldedupe.PostgreSQL))
//
// # Exactly once, or at least once
//
// A function that does its work in the transaction it gets from [Tx] takes
// effect exactly once, even if its server is killed, at any moment: the work and
// the note that it is done are committed together, or neither is. Once never
// writes the note into another transaction than the one that Tx began.
//
//	func paid(ctx context.Context, o *ksher.Order) error {
//		tx, err := sqldedupe.Tx(ctx)
//		if err != nil {
//			return err
//		}
//		_, err = tx.ExecContext(ctx, "UPDATE orders SET paid = true WHERE no = $1", o.MchOrderNo)
//		return err
//	}
//
// That holds for what is done in that transaction, in that database. An e-mail
// or a call to another system isn't in it: write down in the transaction that it
// is due, and send it afterwards.
//
// A database may end that transaction by itself: MySQL after a deadlock, SQLite
// after some errors. If the function goes on all the same, each later statement
// takes effect at once. Once returns an error then, also if the function returns
// nil, and the next call runs the function again.
//
//	what ended the transaction             | noted  | what stays
//	the function returned nil              | done   | all of it
//	an error, a panic, the end of a lease  | no     | nothing
//	a server or a connection that died     | no     | nothing, if it died before the commit
//	a deadlock, a raw ROLLBACK             | no     | statements after that
//	a raw COMMIT, CREATE TABLE on MySQL    | no     | what was before it, and statements after that
//
// The error of a transaction that ended before the function returned may come beside
// the function's own. A function that took so long that another call took its claim
// over gets [ksher.ErrInProgress], and its transaction was rolled back.
//
// A function that doesn't call Tx takes effect at least once: if its server is
// killed after the work and before the note, or the database can't be reached
// for the note, the function runs again. If it goes on with its work after its
// context has ended, the next one may run beside it.
//
// # Claims
//
// Whoever runs a function claims its key for some minutes first, see
// [WithLease]. While a claim runs, the others get [ksher.ErrInProgress]. It ends
// when the function returns, and by itself if its server dies. What is done,
// stays done: see [Deduper.Forget].
//
// Times are the database's, so the clocks of the servers don't matter.
//
// # Isolation
//
// The transaction of Tx has the isolation level that is the default of the
// connection. Each level that the databases have keeps the promise above. At
// REPEATABLE READ and SERIALIZABLE, PostgreSQL may refuse a claim, a statement
// or the commit because of another transaction. That is an error like any
// other: nothing was done, and the next notification runs the function again.
// PostgreSQL refuses SET TRANSACTION ISOLATION LEVEL in the transaction of Tx,
// which has begun with a savepoint.
//
// # PgBouncer
//
// Behind PgBouncer in transaction mode the driver must not prepare statements.
// For pgx, add default_query_exec_mode=exec to the connection string. Programs
// on pgx's own pool and transactions take package pgxdedupe, a module of its own.
//
// # SQLite
//
// SQLite has one writer at a time. Have the others wait for it with a
// busy_timeout of some seconds, and begin transactions as writers: in one that
// starts by reading, the first write may fail at once. For
// github.com/mattn/go-sqlite3:
//
//	sql.Open("sqlite3", "file:shop.db?_busy_timeout=5000&_txlock=immediate")
//
// For modernc.org/sqlite:
//
//	sql.Open("sqlite", "file:shop.db?_pragma=busy_timeout(5000)&_txlock=immediate")
//
// From the call of Tx on, the function keeps everybody else from writing, so
// talk to other systems before it. In the function use the transaction, never
// the *sql.DB: that waits for the transaction, which waits for the function. With
// SetMaxOpenConns(1) this is so for reading too, and for every database.
//
// # Reading on
//
// https://github.com/ksher-go/ksher/blob/main/docs/databases.md has GORM, sqlc
// and ent, and what the table costs.
package sqldedupe

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/once"
)

const (
	defaultLease = 2 * time.Minute
	minLease     = time.Second
	maxKey       = 300
	// unsure is how long to wait for the claim once nobody wants it, and for giving it back.
	unsure = 2 * time.Second
)

// Deduper runs a function once for each key, and keeps what is done in a table.
// Make one with [New]. It is safe for concurrent use, by any number of programs
// on the same database.
type Deduper struct {
	db    *sql.DB
	lease time.Duration

	dialect                                 dialect
	claim, look, takeOver, giveBack, finish string
}

var _ ksher.Deduper = (*Deduper)(nil)

// Option sets up a [Deduper].
type Option func(*Deduper) error

// WithLease sets how long a claim runs, 2 minutes by default and at least a
// second. The function's context ends after three quarters of it. If a server
// dies, its payment waits until the claim has ended.
func WithLease(d time.Duration) Option {
	return func(dd *Deduper) error {
		if d < minLease {
			return fmt.Errorf("WithLease: %v is shorter than %v", d, minLease)
		}
		dd.lease = d
		return nil
	}
}

// New returns a deduper that keeps its table, see [Schema], in the database. The
// error says which argument is wrong. The database isn't asked anything yet, and
// stays yours to close.
func New(db *sql.DB, dialect Dialect, opts ...Option) (*Deduper, error) {
	d := &Deduper{db: db, lease: defaultLease}
	if err := d.setUp(dialect, opts); err != nil {
		return nil, fmt.Errorf("sqldedupe: New: %w", err)
	}
	return d, nil
}

func (d *Deduper) setUp(dialect Dialect, opts []Option) error {
	if d.db == nil {
		return errors.New("the database is nil")
	}
	var ok bool
	if d.dialect, ok = dialects[dialect]; !ok {
		return fmt.Errorf("the dialect is %d, not PostgreSQL, MySQL or SQLite", int(dialect))
	}
	for _, opt := range opts {
		if opt == nil {
			return errors.New("an option is nil")
		}
		if err := opt(d); err != nil {
			return err
		}
	}
	d.prepare()
	return nil
}

// Once runs fn, unless it has returned nil for this key before, on any server. While
// another call has the claim on the key, it returns [ksher.ErrInProgress]. It returns
// fn's error, after which the next call runs fn again, as after a panic. A key is 1 to
// 300 bytes of UTF-8 without NUL, compared byte by byte.
//
// The context of fn ends after three quarters of the lease, see [WithLease], and takes
// [Tx]. If fn returns nil, that is noted together with the work in the transaction,
// even if ctx has ended by then. After another error the note may be missing: call
// again; the package's documentation says what stays.
func (d *Deduper) Once(ctx context.Context, key string, fn func(context.Context) error) error {
	switch {
	case d == nil || d.db == nil:
		return errors.New("sqldedupe: Once: the deduper wasn't made by New")
	case ctx == nil:
		return errors.New("sqldedupe: Once: the context is nil")
	case fn == nil:
		return errors.New("sqldedupe: Once: the function is nil")
	}
	if err := checkKey(key); err != nil {
		return fmt.Errorf("sqldedupe: Once: %w", err)
	}
	// The time is taken before the claim is made, so that it ends here before it
	// ends in the database.
	r := &run{d: d, key: key, token: rand.Text(), ends: time.Now().Add(d.lease), cancelTx: func() {}}
	done, err := r.claim(ctx)
	if done || err != nil {
		return err
	}
	return r.do(ctx, fn)
}

func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("the key is empty")
	case len(key) > maxKey:
		return fmt.Errorf("the key has %d bytes, at most %d are allowed", len(key), maxKey)
	case !utf8.ValidString(key) || strings.Contains(key, "\x00"):
		return fmt.Errorf("the key %q is not UTF-8, or has a NUL in it", key)
	}
	return nil
}

// Forget deletes what was done longer ago than that, and returns how many
// payments these were. A notification or a pass of [ksher.Payments] that comes back to
// one of them has it handled again, so olderThan is at least 48 hours; a month
// costs little. Claims, and payments that were never done, stay.
//
// Call it once a day or so. It reads the whole table, and on MySQL and SQLite,
// payments that arrive wait for it. Nothing else depends on it.
func (d *Deduper) Forget(ctx context.Context, olderThan time.Duration) (int64, error) {
	switch {
	case d == nil || d.db == nil:
		return 0, errors.New("sqldedupe: Forget: the deduper wasn't made by New")
	case ctx == nil:
		return 0, errors.New("sqldedupe: Forget: the context is nil")
	case olderThan < once.Keep:
		return 0, fmt.Errorf("sqldedupe: Forget: %v is shorter than %v, and notifications repeat over 29 hours", olderThan, once.Keep)
	}
	n, err := change(ctx, d.db, "DELETE FROM ksher_dedupe WHERE done_at < "+d.dialect.clock(-olderThan))
	if err != nil {
		return 0, fmt.Errorf("sqldedupe: forgetting what was done %v ago: %w", olderThan, err)
	}
	return n, nil
}

// Tx returns the transaction of the function that [Deduper.Once] runs with ctx: the
// same for every call, begun by the first. Once commits it when the function has
// returned nil, and otherwise rolls it back, also when the lease ends.
//
// Return the error of each statement that fails, and repeat none: the database may
// have ended the transaction. Don't execute BEGIN, COMMIT or ROLLBACK, nor what
// commits on MySQL, such as CREATE TABLE; savepoints are fine. Don't use it after the
// function has returned. ctx only limits the wait for its beginning.
func Tx(ctx context.Context) (*sql.Tx, error) {
	if ctx == nil {
		return nil, errors.New("sqldedupe: Tx: the context is nil")
	}
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return nil, errors.New("sqldedupe: Tx: the context isn't the one that Once gave to its function")
	}
	tx, err := r.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("sqldedupe: Tx: beginning the transaction for %q: %w", r.key, err)
	}
	return tx, nil
}

// runKey is where the context of a function has its run.
type runKey struct{}

// run is one call of Once that has the claim, or wants it.
type run struct {
	d          *Deduper
	key, token string
	ends       time.Time

	mu       sync.Mutex
	returned bool
	tx       *sql.Tx
	cancelTx context.CancelFunc
}

// claim makes the claim, unless the key is done.
func (r *run) claim(ctx context.Context) (done bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("sqldedupe: claiming %q: %w", r.key, err)
		}
	}()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	n, err := r.take(ctx, r.d.claim, r.key, r.token)
	if n == 1 || err != nil {
		return false, err
	}
	err = r.d.db.QueryRowContext(ctx, r.d.look, r.key).Scan(&done)
	if done || err != nil {
		return done, err
	}
	n, err = r.take(ctx, r.d.takeOver, r.token, r.key)
	if n != 1 && err == nil {
		err = ksher.ErrInProgress
	}
	return false, err
}

// take executes a statement that may make the claim. If ctx ends meanwhile, it waits a
// moment for the answer, because a statement that was cut off may arrive later than the one
// that gives its claim back, and then nobody works for it.
func (r *run) take(ctx context.Context, query string, args ...any) (int64, error) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	wait := min(unsure, r.d.lease/4)
	defer context.AfterFunc(ctx, func() {
		select {
		case <-time.After(wait):
			cancel()
		case <-longer.Done():
		}
	})()
	n, err := change(longer, r.d.db, query, args...)
	if ctx.Err() == nil {
		return n, err
	}
	detached, cancelDetached := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancelDetached()
	_, _ = change(detached, r.d.db, r.d.giveBack, r.key, r.token)
	return 0, ctx.Err()
}

// do runs fn and notes that it is done, or gives the claim back.
func (r *run) do(ctx context.Context, fn func(context.Context) error) (err error) {
	fnCtx, cancel := context.WithDeadline(context.WithValue(ctx, runKey{}, r), r.ends.Add(-r.d.lease/4))
	finished := false
	// Deferred, because fn may panic.
	defer func() {
		cancel()
		if !finished {
			if e := r.giveBack(ctx); e != nil {
				err = errors.Join(err, e)
			}
		}
		r.cancelTx()
	}()
	if err = fn(fnCtx); err != nil {
		cancel()
		return r.failed(ctx, err)
	}
	// So that the note needn't wait for a transaction that fn, still running in
	// another goroutine, is about to begin.
	cancel()
	err = r.finish(ctx)
	finished = err == nil
	return err
}

func (r *run) begin(ctx context.Context) (*sql.Tx, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.returned {
		return nil, errors.New("the function has returned")
	}
	if r.tx != nil {
		return r.tx, nil
	}
	// A transaction is rolled back when its context ends. This one has to live
	// on for the note if the request's context ends, but not to begin after that.
	txCtx, cancel := context.WithDeadline(context.WithoutCancel(ctx), r.ends)
	stop := context.AfterFunc(ctx, cancel)
	tx, err := r.d.db.BeginTx(txCtx, nil)
	if err == nil {
		_, err = tx.ExecContext(txCtx, mark)
	}
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		cancel()
		if tx != nil {
			tx.Rollback()
		}
		return nil, err
	}
	r.tx, r.cancelTx = tx, cancel
	return tx, nil
}

// end lets nobody begin a transaction any more, and returns the one there is.
func (r *run) end() *sql.Tx {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.returned = true
	return r.tx
}

// finish notes that the key is done.
func (r *run) finish(ctx context.Context) error {
	ctx, cancel := r.detached(ctx)
	defer cancel()
	tx := r.end()
	var in execer = r.d.db
	if tx != nil {
		if err := r.unmark(ctx, tx); err != nil {
			return err
		}
		in = tx
	}
	n, err := change(ctx, in, r.d.finish, r.key, r.token)
	switch {
	case errors.Is(err, sql.ErrTxDone):
		return r.over(err)
	case err != nil:
		return fmt.Errorf("sqldedupe: noting that %q is done: %w", r.key, err)
	case n != 1:
		return fmt.Errorf("sqldedupe: %q wasn't finished within its lease of %v, and somebody else took it over: %w", r.key, r.d.lease, ksher.ErrInProgress)
	case tx == nil:
		return nil
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("sqldedupe: committing what was done for %q: %w", r.key, err)
	}
	return nil
}

// A savepoint ends with its transaction, whoever ends it, and no other
// transaction of the connection has one of this name. So it tells whether a
// transaction is still the one that began. A row couldn't tell that after a COMMIT.
const (
	mark   = "SAVEPOINT ksher_once"
	unmark = "RELEASE SAVEPOINT ksher_once"
	goBack = "ROLLBACK TO SAVEPOINT ksher_once"
)

// unmark fails if the transaction isn't the one that began. Without one, the
// note would be committed at once.
func (r *run) unmark(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, unmark)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrTxDone):
		return r.over(err)
	case endedEarly(ctx, tx):
		return r.early(err)
	}
	return fmt.Errorf("sqldedupe: noting that %q is done, in its transaction: %w", r.key, err)
}

// failed adds to the error of the function what it may not know: that not all it
// did is rolled back.
func (r *run) failed(ctx context.Context, err error) error {
	ctx, cancel := r.detached(ctx)
	defer cancel()
	if tx := r.end(); tx != nil && endedEarly(ctx, tx) {
		return errors.Join(err, r.early(errEnded))
	}
	return err
}

// endedEarly tells whether the database has ended the transaction, which then
// isn't on any more, nor another one. If the connection is lost it can't tell.
func endedEarly(ctx context.Context, tx *sql.Tx) bool {
	// PostgreSQL does this in a transaction with a failed statement, too.
	if _, err := tx.ExecContext(ctx, goBack); err == nil {
		return false
	}
	// SQLite takes it for an error if there is nothing to roll back.
	_, _ = tx.ExecContext(ctx, "ROLLBACK")
	var alive int
	return tx.QueryRowContext(ctx, "SELECT 1").Scan(&alive) == nil
}

var errEnded = errors.New("it isn't there any more")

func (r *run) early(err error) error {
	return fmt.Errorf("sqldedupe: the transaction for %q ended before the function returned: a statement made the database roll it back (such as a deadlock) or ended it (such as COMMIT, or CREATE TABLE on MySQL). Nothing is noted. Statements after that took effect at once, and will run again the next time: look for what they did. Return the error of a statement that fails, and leave BEGIN, COMMIT and ROLLBACK to Once: %w", r.key, err)
}

// over is about a transaction that the function or the lease has ended.
func (r *run) over(err error) error {
	return fmt.Errorf("sqldedupe: %q may have to be handled again, because its transaction was over already: the function has to leave commit and rollback to Once, and to return before the lease of %v ends: %w", r.key, r.d.lease, err)
}

// giveBack ends the claim, if it is still this one. If the commit did arrive
// after all, that changes nothing: what is done needs no claim.
func (r *run) giveBack(ctx context.Context) error {
	if tx := r.end(); tx != nil {
		// If it fails, the connection is broken, and the database rolls back.
		tx.Rollback()
	}
	ctx, cancel := r.detached(ctx)
	defer cancel()
	if _, err := change(ctx, r.d.db, r.d.giveBack, r.key, r.token); err != nil {
		return fmt.Errorf("sqldedupe: giving back the claim on %q, which ends by itself within %v: %w", r.key, r.d.lease, err)
	}
	return nil
}

// detached returns a context for what has to be written down though ctx has ended.
func (r *run) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), r.d.lease/4)
}

// execer is a database or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// change executes a statement and returns how many rows it changed.
func change(ctx context.Context, in execer, query string, args ...any) (int64, error) {
	result, err := in.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

package pgxdedupe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ksher-go/ksher"
)

// Tx returns the transaction of the function that [Deduper.Once] runs with ctx: the same for
// every call, begun by the first. Once commits it with the note that the function is done,
// and otherwise rolls it back; when the lease ends, it closes the connection. Return the
// error of each statement that fails, close the rows of each query, and don't execute
// BEGIN, COMMIT or ROLLBACK. Savepoints are fine, also by Begin. It isn't safe for
// concurrent use, nor to be used after the function returned.
//
// The error says that ctx isn't of such a function, that this has returned, or why the
// transaction couldn't be begun. ctx only limits the wait for that.
func Tx(ctx context.Context) (pgx.Tx, error) {
	if ctx == nil {
		return nil, errors.New("pgxdedupe: Tx: the context is nil")
	}
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return nil, errors.New("pgxdedupe: Tx: the context isn't the one that Once gave to its function")
	}
	tx, err := r.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("pgxdedupe: Tx: beginning the transaction for %q: %w", r.key, err)
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
	tx       pgx.Tx
	// timer closes the transaction's connection when the lease ends.
	timer   *time.Timer
	expired atomic.Bool
}

// claim makes the claim, unless the key is done.
func (r *run) claim(ctx context.Context) (done bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("pgxdedupe: claiming %q: %w", r.key, err)
		}
	}()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	n, err := r.take(ctx, r.d.claim, r.key, r.token)
	if n == 1 || err != nil {
		return false, err
	}
	err = r.d.pool.QueryRow(ctx, r.d.look, r.key).Scan(&done)
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
	n, err := change(longer, r.d.pool, query, args...)
	if ctx.Err() == nil {
		return n, err
	}
	detached, cancelDetached := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancelDetached()
	_, _ = change(detached, r.d.pool, r.d.giveBack, r.key, r.token)
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

func (r *run) begin(ctx context.Context) (pgx.Tx, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.returned {
		return nil, errors.New("the function has returned")
	}
	if r.tx != nil {
		return r.tx, nil
	}
	ctx, cancel := context.WithDeadline(ctx, r.ends)
	defer cancel()
	tx, err := r.d.pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, mark); err != nil {
		r.rollBack(ctx, tx)
		return nil, err
	}
	// The function may be in the middle of a statement then, and no other
	// goroutine may touch a pgx.Conn. The socket below it may be closed by any.
	socket := tx.Conn().PgConn().Conn()
	r.timer = time.AfterFunc(time.Until(r.ends), func() {
		r.expired.Store(true)
		socket.Close()
	})
	r.tx = tx
	return tx, nil
}

// end lets nobody begin a transaction any more, and returns the one there is.
func (r *run) end() pgx.Tx {
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
	var in execer = r.d.pool
	if tx != nil {
		if err := r.unmark(ctx, tx); err != nil {
			return err
		}
		in = tx
	}
	n, err := change(ctx, in, r.d.finish, r.key, r.token)
	switch {
	case err != nil && r.expired.Load():
		return r.over(err)
	case err != nil:
		return fmt.Errorf("pgxdedupe: noting that %q is done: %w", r.key, err)
	case n != 1:
		return fmt.Errorf("pgxdedupe: %q wasn't finished within its lease of %v, and somebody else took it over: %w", r.key, r.d.lease, ksher.ErrInProgress)
	case tx == nil:
		return nil
	}
	// After Commit the connection is the pool's again, so the timer has to be
	// over before. The commit has a limit of its own.
	if !r.timer.Stop() {
		return r.over(pgx.ErrTxClosed)
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("pgxdedupe: committing what was done for %q: %w", r.key, err)
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
func (r *run) unmark(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, unmark)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrTxClosed), r.expired.Load():
		return r.over(err)
	case endedEarly(ctx, tx):
		return r.early(err)
	}
	return fmt.Errorf("pgxdedupe: noting that %q is done, in its transaction: %w", r.key, err)
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

// PostgreSQL's codes for a savepoint that isn't there.
const (
	noTransaction = "25P01"
	noSavepoint   = "3B001"
)

// endedEarly tells whether the transaction isn't on any more. If the connection
// is lost it can't tell. PostgreSQL goes back to a savepoint in a transaction
// with a failed statement, too.
func endedEarly(ctx context.Context, tx pgx.Tx) bool {
	_, err := tx.Exec(ctx, goBack)
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && (refusal.Code == noTransaction || refusal.Code == noSavepoint)
}

var errEnded = errors.New("it isn't there any more")

func (r *run) early(err error) error {
	return fmt.Errorf("pgxdedupe: the transaction for %q ended before the function returned, by a statement such as COMMIT or ROLLBACK. Nothing is noted. Statements after that took effect at once, and will run again the next time: look for what they did. Leave BEGIN, COMMIT and ROLLBACK to Once: %w", r.key, err)
}

// over is about a transaction that the function or the lease has ended.
func (r *run) over(err error) error {
	if !errors.Is(err, pgx.ErrTxClosed) {
		err = fmt.Errorf("%w: %w", pgx.ErrTxClosed, err)
	}
	return fmt.Errorf("pgxdedupe: %q may have to be handled again, because its transaction was over already: the function has to leave commit and rollback to Once, and to return before the lease of %v ends: %w", r.key, r.d.lease, err)
}

// giveBack ends the claim, if it is still this one. If the commit did arrive
// after all, that changes nothing: what is done needs no claim.
func (r *run) giveBack(ctx context.Context) error {
	if tx := r.end(); tx != nil {
		r.timer.Stop()
		r.rollBack(ctx, tx)
	}
	ctx, cancel := r.detached(ctx)
	defer cancel()
	if _, err := change(ctx, r.d.pool, r.d.giveBack, r.key, r.token); err != nil {
		return fmt.Errorf("pgxdedupe: giving back the claim on %q, which ends by itself within %v: %w", r.key, r.d.lease, err)
	}
	return nil
}

// rollBack returns the connection to the pool, which closes it if this fails.
// Then PostgreSQL rolls back.
func (r *run) rollBack(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := r.detached(ctx)
	defer cancel()
	tx.Rollback(ctx)
}

// detached returns a context for what has to be written down though ctx has ended.
func (r *run) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), r.d.lease/4)
}

// execer is a pool or a transaction.
type execer interface {
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
}

// change executes a statement and returns how many rows it changed.
func change(ctx context.Context, in execer, query string, args ...any) (int64, error) {
	tag, err := in.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

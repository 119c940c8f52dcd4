// Package pgxdedupe remembers in PostgreSQL which payments were handled: a
// [ksher.Deduper] for several servers, on a pool of pgx and with its
// transactions. Programs that use database/sql take package sqldedupe instead.
//
//	deduper, err := pgxdedupe.New(pool)
//	// …
//	payments, err := ksher.NewPayments(client, paid, ksher.WithDeduper(deduper))
//
// The table, the keys and the guarantees are those of package sqldedupe, whose
// documentation describes them; programs with either of the two may work on the
// same table. Create the table with the tool that makes your other tables, or by
//
//	_, err := pool.Exec(ctx, pgxdedupe.Schema())
//
// # Exactly once
//
// A function that does its work in the transaction it gets from [Tx] takes
// effect exactly once, even if its server is killed, at any moment: the work and
// the note that it is done are committed together, or neither is. A function
// that doesn't call Tx takes effect at least once.
//
// # PgBouncer
//
// In transaction mode each transaction may run on another connection, which
// doesn't know the statements that pgx has prepared: most claims fail. Have pgx
// prepare none, by a parameter of the connection string:
//
//	postgres://shop@127.0.0.1:6432/shop?default_query_exec_mode=exec
//
// Tests run with it on PgBouncer 1.18, and with simple_protocol. The modes
// cache_statement, which is pgx's default, and describe_exec fail there.
package pgxdedupe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/sqldedupe"
)

const (
	defaultLease = 2 * time.Minute
	minLease     = time.Second
	maxKey       = 300
	// unsure is how long to wait for the claim once nobody wants it, and for giving it back.
	unsure = 2 * time.Second
	// minAge is how long the notifications of a payment, and its order at the
	// gateway, can come back.
	minAge = 48 * time.Hour
)

// Deduper runs a function once for each key, and keeps what is done in a table.
// Make one with [New]. It is safe for concurrent use, by any number of programs
// on the same database.
type Deduper struct {
	pool  *pgxpool.Pool
	lease time.Duration

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

// Schema returns the statement that creates the table, ksher_dedupe, if it isn't
// there yet: [sqldedupe.Schema] for PostgreSQL.
func Schema() string { return sqldedupe.Schema(sqldedupe.PostgreSQL) }

// New returns a deduper that keeps its table, see [Schema], in the pool's
// database. The error says which argument is wrong. The database isn't asked
// anything yet, and the pool stays yours to close.
func New(pool *pgxpool.Pool, opts ...Option) (*Deduper, error) {
	d := &Deduper{pool: pool, lease: defaultLease}
	if pool == nil {
		return nil, errors.New("pgxdedupe: New: the pool is nil")
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("pgxdedupe: New: an option is nil")
		}
		if err := opt(d); err != nil {
			return nil, fmt.Errorf("pgxdedupe: New: %w", err)
		}
	}
	d.prepare()
	return d, nil
}

// prepare writes the statements, which are sqldedupe's.
func (d *Deduper) prepare() {
	now, until := clock(0), clock(d.lease)
	d.claim = "INSERT INTO ksher_dedupe (payment, claim, claimed_until) VALUES ($1, $2, " + until + ") ON CONFLICT (payment) DO NOTHING"
	d.look = "SELECT done_at IS NOT NULL FROM ksher_dedupe WHERE payment = $1"
	d.takeOver = "UPDATE ksher_dedupe SET claim = $1, claimed_until = " + until +
		" WHERE payment = $2 AND done_at IS NULL AND claimed_until <= " + now
	const mine = " WHERE payment = $1 AND claim = $2"
	d.giveBack = "UPDATE ksher_dedupe SET claimed_until = " + now + mine
	d.finish = "UPDATE ksher_dedupe SET done_at = " + now + mine
}

// clock returns an expression for the time by the database's clock, plus some.
func clock(plus time.Duration) string {
	return "clock_timestamp() + make_interval(secs => " + strconv.FormatFloat(plus.Seconds(), 'f', 3, 64) + ")"
}

// Once runs fn, unless it has returned nil for this key before, on any server: then the
// answer is nil. While somebody else has the claim on the key, it is [ksher.ErrInProgress].
// That fn is done is noted together with its work in the transaction of [Tx], if there is
// one, also if ctx has ended; its context ends after three quarters of the lease. If fn
// returns an error or panics, the transaction is rolled back, and the next call runs fn
// again. An error other than fn's means that the note may not have been written: what fn
// did after the transaction ended is done again.
//
// A key is text in UTF-8 of 1 to 300 bytes, without NUL. Each byte counts.
func (d *Deduper) Once(ctx context.Context, key string, fn func(context.Context) error) error {
	switch {
	case d == nil || d.pool == nil:
		return errors.New("pgxdedupe: Once: the deduper wasn't made by New")
	case ctx == nil:
		return errors.New("pgxdedupe: Once: the context is nil")
	case fn == nil:
		return errors.New("pgxdedupe: Once: the function is nil")
	}
	if err := checkKey(key); err != nil {
		return fmt.Errorf("pgxdedupe: Once: %w", err)
	}
	// The time is taken before the claim is made, so that it ends here before it
	// ends in the database.
	r := &run{d: d, key: key, token: rand.Text(), ends: time.Now().Add(d.lease)}
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
// payments these were. A notification or a pass of [ksher.Payments] that comes
// back to one of them has it handled again, so olderThan is at least 48 hours; a
// month costs little. Claims, and payments that were never done, stay.
//
// Call it once a day or so. It reads the whole table, and payments that arrive
// don't wait for it.
func (d *Deduper) Forget(ctx context.Context, olderThan time.Duration) (int64, error) {
	switch {
	case d == nil || d.pool == nil:
		return 0, errors.New("pgxdedupe: Forget: the deduper wasn't made by New")
	case ctx == nil:
		return 0, errors.New("pgxdedupe: Forget: the context is nil")
	case olderThan < minAge:
		return 0, fmt.Errorf("pgxdedupe: Forget: %v is shorter than %v, and notifications repeat over 29 hours", olderThan, minAge)
	}
	n, err := change(ctx, d.pool, "DELETE FROM ksher_dedupe WHERE done_at < "+clock(-olderThan))
	if err != nil {
		return 0, fmt.Errorf("pgxdedupe: forgetting what was done %v ago: %w", olderThan, err)
	}
	return n, nil
}

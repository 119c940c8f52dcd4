package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/sqldedupe"
)

const schema = `CREATE TABLE IF NOT EXISTS orders (
	no         TEXT NOT NULL PRIMARY KEY,
	total      INTEGER NOT NULL,             -- in cents of THB
	created    INTEGER NOT NULL,             -- in seconds since 1970, as next_check is
	next_check INTEGER NOT NULL DEFAULT 0,   -- not asked about before
	state      TEXT NOT NULL DEFAULT 'open'  -- then paid
);
CREATE INDEX IF NOT EXISTS open_orders ON orders (no) WHERE state = 'open';
CREATE TABLE IF NOT EXISTS problems (
	no      TEXT NOT NULL PRIMARY KEY,
	problem TEXT NOT NULL,
	logged  INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS place (after TEXT NOT NULL); -- one row, where the next pass goes on
INSERT INTO place SELECT '' WHERE NOT EXISTS (SELECT * FROM place);
`

// keep is for how long an order that isn't paid is asked about.
const keep = 90 * 24 * time.Hour

// quiet is how long the same problem of an order isn't logged again.
const quiet = time.Hour

// shop is what a merchant would copy.
type shop struct {
	db       *sql.DB
	payments *ksher.Payments
	listed   []ksher.OpenOrder // by the pass that is running
	mu       sync.Mutex
	problems map[string]error // of the pass that is running, by the order's number
}

// open opens the database, and makes it at first.
func open(ctx context.Context, file string, client *ksher.Client) (*shop, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(file)+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	s := &shop{db: db}
	if _, err := db.ExecContext(ctx, schema+sqldedupe.Schema(sqldedupe.SQLite)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	deduper, err := sqldedupe.New(db, sqldedupe.SQLite)
	if err == nil {
		s.payments, err = ksher.NewPayments(client, s.paid, ksher.WithDeduper(deduper), ksher.WithProblem(s.problem))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// paid runs once for each payment. Its work is committed together with the note that the
// payment is done.
func (s *shop) paid(ctx context.Context, o *ksher.Order) error {
	tx, err := sqldedupe.Tx(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("   Order %s is paid, %v THB.\n", o.MchOrderNo, o.TotalFee)
	_, err = tx.ExecContext(ctx, "UPDATE orders SET state = 'paid' WHERE no = ?", o.MchOrderNo)
	return err
}

// problem keeps what a person has to look at until the pass is over. A pass asks about
// several orders at once.
func (s *shop) problem(_ context.Context, o ksher.OpenOrder, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems[o.MchOrderNo] = err
}

// pass asks about the open orders that are due, for no longer than the given time, and
// keeps its place for the next run of the program.
func (s *shop) pass(ctx context.Context, within time.Duration) (ksher.PassResult, error) {
	var after string
	if err := s.db.QueryRowContext(ctx, "SELECT after FROM place").Scan(&after); err != nil {
		return ksher.PassResult{}, err
	}
	s.listed, s.problems = nil, map[string]error{}
	short, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	result, err := s.payments.Pass(short, s, after)
	if ended := short.Err(); ended != nil && errors.Is(err, ended) {
		err = nil // The time was over, or SIGTERM came. The next run goes on.
	}
	// Whatever ended the pass, what it did is written down.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return result, errors.Join(err, s.write(ctx, result))
}

// OpenOrders lists the orders that are due. Those that were cancelled stay among them,
// because a buyer who has saved the QR code can still pay.
func (s *shop) OpenOrders(ctx context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	now := time.Now()
	rows, err := s.db.QueryContext(ctx, `SELECT no, total, created FROM orders
		WHERE state = 'open' AND no > ? AND next_check <= ? AND created > ? ORDER BY no LIMIT ?`,
		after, now.Unix(), now.Add(-keep).Unix(), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []ksher.OpenOrder
	for rows.Next() {
		o := ksher.OpenOrder{Host: ksher.HostGateway, FeeType: "THB"}
		var created int64
		if err := rows.Scan(&o.MchOrderNo, &o.TotalFee, &created); err != nil {
			return nil, err
		}
		o.Created = time.Unix(created, 0)
		page = append(page, o)
	}
	s.listed = append(s.listed, page...)
	return page, rows.Err()
}

// write notes where the next pass goes on, when each order is due again, and the problems.
// Those that failed stay due. If more failed than had a problem, such as after a timeout,
// all stay due: nobody says which, and none of them may wait for a day.
func (s *shop) write(ctx context.Context, result ksher.PassResult) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "UPDATE place SET after = ?", result.After); err != nil {
		return err
	}
	for no, problem := range s.problems {
		if err := tell(ctx, tx, no, problem); err != nil {
			return err
		}
	}
	for _, o := range s.listed {
		if result.Failed > len(s.problems) || result.After != "" && o.MchOrderNo > result.After {
			break // Not known, or not asked about.
		}
		if s.problems[o.MchOrderNo] != nil {
			continue
		}
		next := ksher.NextCheck(o.Created, time.Now())
		if _, err := tx.ExecContext(ctx, "UPDATE orders SET next_check = ? WHERE no = ?", next.Unix(), o.MchOrderNo); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM problems WHERE no = ?", o.MchOrderNo); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// tell logs a problem, unless an earlier run logged the same one a short time ago. The
// program ends after each pass, so this is in the database.
func tell(ctx context.Context, tx *sql.Tx, no string, problem error) error {
	now := time.Now()
	noted, err := tx.ExecContext(ctx, `INSERT INTO problems (no, problem, logged) VALUES (?, ?, ?)
		ON CONFLICT (no) DO UPDATE SET problem = excluded.problem, logged = excluded.logged
		WHERE problems.problem <> excluded.problem OR problems.logged <= ?`,
		no, problem.Error(), now.Unix(), now.Add(-quiet).Unix())
	if err != nil {
		return err
	}
	if n, err := noted.RowsAffected(); err != nil || n == 0 {
		return err
	}
	slog.ErrorContext(ctx, "payment needs a person", "order_no", no, "problem", problem)
	return nil
}

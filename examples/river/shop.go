package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/sqldedupe"
)

const schema = `CREATE TABLE IF NOT EXISTS orders (
	no      TEXT NOT NULL PRIMARY KEY,
	total   BIGINT NOT NULL, -- in cents of THB
	made    TIMESTAMPTZ NOT NULL DEFAULT now(),
	state   TEXT NOT NULL DEFAULT 'open',
	applied INTEGER NOT NULL DEFAULT 0 -- how often a payment was applied
);
CREATE TABLE IF NOT EXISTS parcels (no TEXT NOT NULL, packed TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS places (name TEXT NOT NULL PRIMARY KEY, after_no TEXT NOT NULL);
`

// States of an order: open, paid, sent; or cancelled, and if it is paid all the same,
// refund due, refunded.
const (
	open        = "open"
	paid        = "paid"
	sent        = "sent"
	cancelled   = "cancelled"
	refundDue   = "refund due"
	refunded    = "refunded"
	needsPerson = "needs a person"
)

// settings is what a shop is made of.
type settings struct {
	pool     *pgxpool.Pool
	client   *ksher.Client
	verifier *ksher.Verifier
	// public is the shop's own address, for Ksher and the buyers.
	public string
	// patience is how long a job may take, and pass how often open orders are asked about.
	patience, pass time.Duration
	log            *slog.Logger
}

// shop is what a merchant would copy.
type shop struct {
	settings
	payments      *ksher.Payments
	notifications *ksher.Notifications
	// jobs works, and inserts what needs no transaction. Its driver can't insert in a
	// transaction of database/sql, which is what sqldedupe gives, so inTx does.
	jobs *river.Client[pgx.Tx]
	inTx *river.Client[*sql.Tx]
}

// migrate makes the tables of the shop, of sqldedupe and of River.
func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, schema+sqldedupe.Schema(sqldedupe.PostgreSQL))
	return err
}

// newShop makes a shop that begins to work with start.
func newShop(from settings) (*shop, error) {
	s := &shop{settings: from}
	// The same pool as a *sql.DB.
	db := stdlib.OpenDBFromPool(s.pool)
	// The claim of a process that died has to end, as its job has to be rescued.
	deduper, err := sqldedupe.New(db, sqldedupe.PostgreSQL, sqldedupe.WithLease(2*s.patience))
	if err != nil {
		return nil, err
	}
	if s.payments, err = ksher.NewPayments(s.client, s.paid, ksher.WithDeduper(deduper), ksher.WithProblem(s.problem)); err != nil {
		return nil, err
	}
	if s.notifications, err = s.payments.Notifications(s.expected); err != nil {
		return nil, err
	}
	if s.inTx, err = river.NewClient(riverdatabasesql.New(db), &river.Config{Logger: s.log}); err != nil {
		return nil, err
	}
	s.jobs, err = river.NewClient(riverpgxv5.New(s.pool), s.work())
	return s, err
}

// handler is what Ksher and the buyers reach.
func (s *shop) handler() (http.Handler, error) {
	receiver, err := ksher.NewReceiver(s.verifier, s.put)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/ksher/notify", receiver)
	mux.HandleFunc("POST /buy", func(w http.ResponseWriter, r *http.Request) {
		page, err := s.create(r.Context(), ksher.NewOrderNo(), 150_50)
		if err != nil {
			s.log.ErrorContext(r.Context(), "creating an order", "error", err)
			http.Error(w, "We are sorry. Please try again.", http.StatusBadGateway)
			return
		}
		http.Redirect(w, r, page, http.StatusSeeOther)
	})
	return mux, nil
}

// put hands a notification over to the queue. Insert commits before it returns, so Ksher
// hears SUCCESS only once a crash of any process can't lose the job any more.
func (s *shop) put(ctx context.Context, body []byte) error {
	_, err := s.jobs.Insert(ctx, notificationArgs{body}, nil)
	return err
}

// paid is the only place that marks an order paid. What it does in the transaction is
// committed together with the note that this payment is done: the state of the order, and
// the job that does the rest.
func (s *shop) paid(ctx context.Context, o *ksher.Order) error {
	tx, err := sqldedupe.Tx(ctx)
	if err != nil {
		return err
	}
	var state string
	if err := tx.QueryRowContext(ctx, "SELECT state FROM orders WHERE no = $1 FOR UPDATE", o.MchOrderNo).Scan(&state); err != nil {
		return err
	}
	next, job := paid, river.JobArgs(fulfilArgs{o.MchOrderNo})
	if state == cancelled {
		// A call to Ksher can't be part of the transaction, but the job for it can.
		next, job = refundDue, refundArgs{o.MchOrderNo}
	}
	if _, err := tx.ExecContext(ctx, "UPDATE orders SET state = $1, applied = applied + 1 WHERE no = $2", next, o.MchOrderNo); err != nil {
		return err
	}
	_, err = s.inTx.InsertTx(ctx, tx, job, nil)
	return err
}

// problem tells a person of what no caller is told of, such as a second payment.
func (s *shop) problem(ctx context.Context, o ksher.OpenOrder, err error) {
	s.log.ErrorContext(ctx, "a person has to look at an order", "no", o.MchOrderNo, "error", err)
}

// create writes an order down before it exists at Ksher. So a notification of an order
// that isn't in the books is of nobody's, and its job needn't come back.
func (s *shop) create(ctx context.Context, no string, total ksher.Amount) (page string, err error) {
	if _, err := s.pool.Exec(ctx, "INSERT INTO orders (no, total) VALUES ($1, $2)", no, int64(total)); err != nil {
		return "", err
	}
	answer, err := s.client.GatewayPay(ctx, &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: total, FeeType: "THB",
		ChannelList: []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard},
		ProductName: "Coffee", ReferURL: s.public + "/cart", MchRedirectURL: s.public + "/thanks",
		MchRedirectURLFail: s.public + "/sorry", MchNotifyURL: s.public + "/ksher/notify",
	})
	if err != nil {
		return "", err
	}
	return answer.PayContent, nil
}

// cancel also writes first. The order stays among those to ask about, because a buyer who
// saved the QR code can still pay.
func (s *shop) cancel(ctx context.Context, no string) error {
	if _, err := s.pool.Exec(ctx, "UPDATE orders SET state = $1 WHERE no = $2 AND state = $3", cancelled, no, open); err != nil {
		return err
	}
	_, err := s.client.CancelOrder(ctx, &ksher.CancelOrderRequest{MchOrderNo: no})
	return err
}

// expected finds an order of any state in the books.
func (s *shop) expected(ctx context.Context, no string) (ksher.OpenOrder, error) {
	list, err := s.orders(ctx, "no = $1", no)
	switch {
	case err != nil:
		return ksher.OpenOrder{}, err
	case len(list) == 0:
		return ksher.OpenOrder{}, fmt.Errorf("order %q: %w", no, ksher.ErrNotOurs)
	}
	return list[0], nil
}

// OpenOrders is what a pass asks about: for a month, whatever may still turn paid.
func (s *shop) OpenOrders(ctx context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	return s.orders(ctx, "state IN ('open', 'cancelled') AND made > now() - interval '1 month' AND no > $1 ORDER BY no LIMIT $2", after, limit)
}

// orders lists orders as Payments has to know them.
func (s *shop) orders(ctx context.Context, where string, args ...any) ([]ksher.OpenOrder, error) {
	rows, err := s.pool.Query(ctx, "SELECT no, total, made, state FROM orders WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (ksher.OpenOrder, error) {
		o := ksher.OpenOrder{Host: ksher.HostGateway, FeeType: "THB"}
		var total int64
		var state string
		err := row.Scan(&o.MchOrderNo, &total, &o.Created, &state)
		o.TotalFee, o.Booked = ksher.Amount(total), state != open && state != cancelled
		return o, err
	})
}

// move gives an order another state, if it has that one.
func (s *shop) move(ctx context.Context, no, from, to string) error {
	_, err := s.pool.Exec(ctx, "UPDATE orders SET state = $1 WHERE no = $2 AND state = $3", to, no, from)
	return err
}

// lastPlace is where the last pass stopped.
func (s *shop) lastPlace(ctx context.Context) (after string, err error) {
	err = s.pool.QueryRow(ctx, "SELECT after_no FROM places WHERE name = 'pass'").Scan(&after)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return after, err
}

// keepPlace keeps where a pass stopped, for the next one.
func (s *shop) keepPlace(ctx context.Context, after string) error {
	_, err := s.pool.Exec(ctx, "INSERT INTO places (name, after_no) VALUES ('pass', $1) ON CONFLICT (name) DO UPDATE SET after_no = excluded.after_no", after)
	return err
}

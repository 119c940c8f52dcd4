package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
	"github.com/ksher-go/ksher/sqldedupe"
)

const schema = `CREATE TABLE IF NOT EXISTS orders (
	no      TEXT NOT NULL PRIMARY KEY,
	total   INTEGER NOT NULL, -- in cents of THB
	made    TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
	state   TEXT NOT NULL DEFAULT 'open', -- then paid; or cancelled, refund due, refunded
	applied INTEGER NOT NULL DEFAULT 0    -- how often a payment was applied
);
`

type order struct {
	no      string
	total   ksher.Amount
	state   string
	applied int
}

// open is the order as Payments has to know it.
func (o order) open() ksher.OpenOrder {
	return ksher.OpenOrder{MchOrderNo: o.no, Host: ksher.HostGateway, TotalFee: o.total, FeeType: "THB",
		Booked: o.state != "open" && o.state != "cancelled"}
}

// shop is what a merchant would copy.
type shop struct {
	db       *sql.DB
	client   *ksher.Client
	payments *ksher.Payments
	server   *http.Server
}

// open opens the database and listens for notifications. With a real account
// the client comes from ksher.ClientFromEnv.
func open(ctx context.Context, file string, gateway *kshertest.Gateway, address string) (*shop, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(file)+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, schema+sqldedupe.Schema(sqldedupe.SQLite)); err != nil {
		return nil, err
	}
	deduper, err := sqldedupe.New(db, sqldedupe.SQLite)
	if err != nil {
		return nil, err
	}
	s := &shop{db: db, client: gateway.Client}
	if s.payments, err = ksher.NewPayments(s.client, s.paid, ksher.WithDeduper(deduper)); err != nil {
		return nil, err
	}
	notifications, err := s.payments.Notifications(s.expected)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/ksher/notify", notifications)
	s.server = &http.Server{Addr: listener.Addr().String(), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go s.server.Serve(listener)
	return s, nil
}

// close lets the notifications that have begun finish, as a server does at SIGTERM.
func (s *shop) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(s.server.Shutdown(ctx), s.db.Close())
}

// create writes an order down before it exists at Ksher, so that none is paid
// that the shop doesn't know.
func (s *shop) create(ctx context.Context, no string, total ksher.Amount) error {
	if _, err := s.db.ExecContext(ctx, "INSERT INTO orders (no, total) VALUES (?, ?)", no, int64(total)); err != nil {
		return err
	}
	address := "http://" + s.server.Addr
	_, err := s.client.GatewayPay(ctx, &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: total, FeeType: "THB",
		ChannelList: []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard},
		ProductName: "Coffee", ReferURL: address + "/cart", MchRedirectURL: address + "/thanks",
		MchRedirectURLFail: address + "/sorry", MchNotifyURL: address + "/ksher/notify",
	})
	return err
}

// cancel also writes first. The order stays on the list of those to ask about,
// because a buyer who saved the QR code can still pay.
func (s *shop) cancel(ctx context.Context, no string) error {
	if _, err := s.db.ExecContext(ctx, "UPDATE orders SET state = 'cancelled' WHERE no = ? AND state = 'open'", no); err != nil {
		return err
	}
	_, err := s.client.CancelOrder(ctx, &ksher.CancelOrderRequest{MchOrderNo: no})
	return err
}

// expected finds an order of any state in the books, for notifications.
func (s *shop) expected(ctx context.Context, no string) (ksher.OpenOrder, error) {
	list, err := s.orders(ctx, "no = ?", no)
	switch {
	case err != nil:
		return ksher.OpenOrder{}, err
	case len(list) == 0:
		return ksher.OpenOrder{}, ksher.ErrNotOurs
	}
	return list[0].open(), nil
}

// paid is the only place that marks an order paid. It runs once for each order that is
// paid as the books expect, however that became known. What it does in the transaction
// is committed together with the note that this payment is done.
func (s *shop) paid(ctx context.Context, paid *ksher.Order) error {
	tx, err := sqldedupe.Tx(ctx)
	if err != nil {
		return err
	}
	o := order{no: paid.MchOrderNo}
	if err := tx.QueryRowContext(ctx, "SELECT total, state FROM orders WHERE no = ?", o.no).Scan(&o.total, &o.state); err != nil {
		return err
	}
	next := "paid"
	if o.state == "cancelled" {
		next = "refund due" // Only noted: a call to Ksher can't be part of the transaction.
	}
	fmt.Printf("   Order %s is paid, %v THB. The shop notes %q.\n", o.no, o.total, next)
	_, err = tx.ExecContext(ctx, "UPDATE orders SET state = ?, applied = applied + 1 WHERE no = ?", next, o.no)
	return err
}

// OpenOrders is what Payments.Pass asks about: for a month, whatever may still turn
// paid.
func (s *shop) OpenOrders(ctx context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	list, err := s.orders(ctx, "state IN ('open', 'cancelled') AND made > datetime('now', '-1 month') AND no > ? ORDER BY no LIMIT ?", after, limit)
	var page []ksher.OpenOrder
	for _, o := range list {
		page = append(page, o.open())
	}
	return page, err
}

func (s *shop) orders(ctx context.Context, where string, args ...any) ([]order, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT no, total, state, applied FROM orders WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []order
	for rows.Next() {
		var o order
		if err := rows.Scan(&o.no, &o.total, &o.state, &o.applied); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, rows.Err()
}

// refund gives the money back of orders that need it. A refund number is made of
// the order's, so that Ksher carries it out once however often it is called.
func (s *shop) refund(ctx context.Context) error {
	due, err := s.orders(ctx, "state = 'refund due'")
	for _, o := range due {
		req := &ksher.RefundRequest{MchOrderNo: o.no, Host: ksher.HostGateway, MchRefundNo: "R" + o.no, RefundFee: o.total}
		if _, err := s.client.Refund(ctx, req); err != nil {
			return err // Also if it is in doubt: the next call finds out.
		}
		if _, err := s.db.ExecContext(ctx, "UPDATE orders SET state = 'refunded' WHERE no = ?", o.no); err != nil {
			return err
		}
		fmt.Printf("   Order %s is refunded, %v THB.\n", o.no, o.total)
	}
	return err
}

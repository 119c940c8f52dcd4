package stop_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
	"github.com/ksher-go/ksher/sqldedupe"
)

// shop is what the test and the merchant's processes agree on.
type shop struct {
	Address    string // of the database
	GatewayURL string
	Version    int
	Flaw       string // what the merchant does wrong, "" for nothing
}

// Flaws of a merchant.
const (
	abrupt    = "no Shutdown"
	impatient = "functions run under the context of the signal"
)

// Version 2 has a column that version 1 doesn't know. It was added, with a default, before
// the first process of version 2 began.
const schema = `CREATE TABLE orders (no TEXT NOT NULL PRIMARY KEY, total BIGINT NOT NULL, made TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE TABLE applied (no TEXT NOT NULL, amount BIGINT NOT NULL, version INT NOT NULL DEFAULT 1);`

var inserts = map[int]string{
	1: "INSERT INTO applied (no, amount) VALUES ($1, $2)",
	2: "INSERT INTO applied (no, amount, version) VALUES ($1, $2, 2)",
}

// asMerchant makes this program the merchant's.
const asMerchant = "KSHER_STOP_MERCHANT"

func merchant() error {
	var s shop
	if err := json.Unmarshal([]byte(os.Getenv(asMerchant)), &s); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // The test has ended.
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	db, err := sql.Open("pgx", s.Address)
	if err != nil {
		return err
	}
	defer db.Close()
	client, err := ksher.NewClient(kshertest.AppID, kshertest.PrivateKey(),
		ksher.WithGatewayURL(s.GatewayURL+"/api"), ksher.WithMerchantURL(s.GatewayURL+"/KsherPay"),
		ksher.WithVerifier(kshertest.Verifier()), ksher.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))))
	if err != nil {
		return err
	}
	deduper, err := sqldedupe.New(db, sqldedupe.PostgreSQL)
	if err != nil {
		return err
	}
	b := &books{db, inserts[s.Version]}
	payments, err := ksher.NewPayments(client, b.paid, ksher.WithDeduper(deduper))
	if err != nil {
		return err
	}
	notifications, err := payments.Notifications(b.expected)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	handler := routes(ctx, notifications, payments)
	switch s.Flaw {
	case abrupt:
		go http.Serve(listener, handler)
		<-ctx.Done()
		return nil
	case impatient:
		inner := handler
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cut, cancel := until(ctx, r)
			defer cancel()
			inner.ServeHTTP(w, r.WithContext(cut))
		})
	}
	return serve(ctx, listener, handler, payments, b)
}

// routes are what Ksher, the buyers' pages and the cashiers call.
func routes(stopping context.Context, notifications http.Handler, payments *ksher.Payments) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/notify/{no}", notifications)
	mux.HandleFunc("/wait/{no}", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := until(stopping, r)
		defer cancel()
		_, err := payments.Wait(ctx, ksher.OpenOrder{MchOrderNo: r.PathValue("no"), Host: ksher.HostGateway, TotalFee: 100, FeeType: "THB"})
		answer(w, err)
	})
	mux.HandleFunc("/charge/{no}", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := until(stopping, r)
		defer cancel()
		_, err := payments.Charge(ctx, &ksher.QuickPayRequest{MchOrderNo: r.PathValue("no"), TotalFee: 100, FeeType: "THB",
			AuthCode: ksher.NewSecret("280000000000000001")}, ksher.WithPatience(time.Minute, 4*time.Second))
		answer(w, err)
	})
	return mux
}

// answer tells a page or a cashier how it ended.
func answer(w http.ResponseWriter, err error) {
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, ksher.ErrNotPaid):
		http.Error(w, "not paid", http.StatusPaymentRequired)
	case errors.Is(err, context.Canceled):
		http.Error(w, "ask again", http.StatusServiceUnavailable)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// books are in PostgreSQL. Nothing in them hinders applying a payment twice.
type books struct {
	*sql.DB
	insert string
}

// paid takes its time, so that many a stop falls into it.
func (b *books) paid(ctx context.Context, o *ksher.Order) error {
	tx, err := sqldedupe.Tx(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, b.insert, o.MchOrderNo, int64(o.TotalFee)); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "SELECT pg_sleep(0.02 + random() * 0.2)")
	return err
}

func (b *books) expected(ctx context.Context, no string) (ksher.OpenOrder, error) {
	list, err := b.list(ctx, "no = $1", no)
	switch {
	case err != nil:
		return ksher.OpenOrder{}, err
	case len(list) == 0:
		return ksher.OpenOrder{}, fmt.Errorf("order %q: %w", no, ksher.ErrNotOurs)
	}
	return list[0], nil
}

// OpenOrders is a page of the orders that weren't applied.
func (b *books) OpenOrders(ctx context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	return b.list(ctx, "no > $1 AND no NOT IN (SELECT no FROM applied) ORDER BY no LIMIT $2", after, limit)
}

func (b *books) list(ctx context.Context, where string, args ...any) ([]ksher.OpenOrder, error) {
	rows, err := b.QueryContext(ctx, "SELECT no, total, made FROM orders WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []ksher.OpenOrder
	for rows.Next() {
		o := ksher.OpenOrder{Host: ksher.HostGateway, FeeType: "THB"}
		if err := rows.Scan(&o.MchOrderNo, &o.TotalFee, &o.Created); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, rows.Err()
}

package sqldedupe_test

import (
	"context"
	"database/sql"
	"errors"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/sqldedupe"
)

// Mark an order as paid exactly once, on any number of servers.
func Example() {
	ctx := context.Background()
	// Import a driver, such as github.com/jackc/pgx/v5/stdlib.
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, sqldedupe.Schema(sqldedupe.PostgreSQL)); err != nil {
		log.Fatal(err)
	}
	deduper, err := sqldedupe.New(db, sqldedupe.PostgreSQL)
	if err != nil {
		log.Fatal(err)
	}
	client, err := ksher.ClientFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	payments, err := ksher.NewPayments(client, func(ctx context.Context, o *ksher.Order) error {
		tx, err := sqldedupe.Tx(ctx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE orders SET paid = true WHERE no = $1", o.MchOrderNo)
		return err
	}, ksher.WithDeduper(deduper))
	if err != nil {
		log.Fatal(err)
	}
	notifications, err := payments.Notifications(func(ctx context.Context, no string) (ksher.OpenOrder, error) {
		order := ksher.OpenOrder{MchOrderNo: no, Host: ksher.HostGateway, FeeType: "THB"}
		row := db.QueryRowContext(ctx, "SELECT total, paid FROM orders WHERE no = $1", no)
		err := row.Scan(&order.TotalFee, &order.Booked)
		if errors.Is(err, sql.ErrNoRows) {
			err = ksher.ErrNotOurs
		}
		return order, err
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/ksher/notify", notifications)
}

// Once a day, forget what was done more than 30 days ago.
func ExampleDeduper_Forget() {
	var deduper *sqldedupe.Deduper // from sqldedupe.New
	for range time.Tick(24 * time.Hour) {
		n, err := deduper.Forget(context.Background(), 30*24*time.Hour)
		if err != nil {
			log.Print(err)
			continue
		}
		log.Printf("forgot %d payments", n)
	}
}

package sqldedupe_test

import (
	"context"
	"crypto"
	"database/sql"
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
	var key crypto.Signer // from ksher.ParsePrivateKey
	client, err := ksher.NewClient("mch12345", key, ksher.WithDeduper(deduper))
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/ksher/notify", ksher.NewWebhookHandler(client, func(ctx context.Context, n *ksher.Notification) error {
		tx, err := sqldedupe.Tx(ctx)
		if err != nil {
			return err
		}
		var total ksher.Amount
		if err := tx.QueryRowContext(ctx, "SELECT total FROM orders WHERE no = $1", n.MchOrderNo).Scan(&total); err != nil {
			return err
		}
		if err := n.CheckPaid(n.MchOrderNo, total, "THB"); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE orders SET paid = true WHERE no = $1", n.MchOrderNo)
		return err
	}))
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

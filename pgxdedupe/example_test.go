package pgxdedupe_test

import (
	"context"
	"crypto"
	"log"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/pgxdedupe"
)

// Mark an order as paid exactly once, on any number of servers.
func Example() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := pool.Exec(ctx, pgxdedupe.Schema()); err != nil {
		log.Fatal(err)
	}
	deduper, err := pgxdedupe.New(pool)
	if err != nil {
		log.Fatal(err)
	}
	var key crypto.Signer // from ksher.ParsePrivateKey
	client, err := ksher.NewClient("mch12345", key)
	if err != nil {
		log.Fatal(err)
	}
	payments, err := ksher.NewPayments(client, func(ctx context.Context, o *ksher.Order) error {
		tx, err := pgxdedupe.Tx(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE orders SET paid = true WHERE no = $1", o.MchOrderNo)
		return err
	}, ksher.WithDeduper(deduper))
	if err != nil {
		log.Fatal(err)
	}
	_ = payments // See ksher.Payments.
}

// Once a day, forget what was done more than 30 days ago.
func ExampleDeduper_Forget() {
	var deduper *pgxdedupe.Deduper // from pgxdedupe.New
	for range time.Tick(24 * time.Hour) {
		n, err := deduper.Forget(context.Background(), 30*24*time.Hour)
		if err != nil {
			log.Print(err)
			continue
		}
		log.Printf("forgot %d payments", n)
	}
}

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// inSchema runs a function in a schema of the database that exists for as long.
func inSchema(ctx context.Context, address string, from settings, fn func(context.Context, settings) error) (err error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return err
	}
	name := "ksher_river_" + strings.ToLower(rand.Text())
	config.ConnConfig.RuntimeParams["search_path"] = name
	if from.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	defer from.pool.Close()
	if _, err := from.pool.Exec(ctx, "CREATE SCHEMA "+name); err != nil {
		return err
	}
	defer func() {
		_, dropped := from.pool.Exec(context.WithoutCancel(ctx), "DROP SCHEMA "+name+" CASCADE")
		err = errors.Join(err, dropped)
	}()
	if err := migrate(ctx, from.pool); err != nil {
		return err
	}
	return fn(ctx, from)
}

// row is how an order should end.
type row struct {
	No      string
	State   string
	Applied int
	Parcels int
}

// story plays the gateway and the buyers around the shop.
func story(ctx context.Context, from settings) error {
	gateway, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer gateway.Close()
	from.client, from.verifier = gateway.Client, kshertest.Verifier()
	s, err := start("127.0.0.1:0", from)
	if err != nil {
		return err
	}
	fmt.Println("1. A gateway runs inside this program. No account is needed, and no money moves.")
	want := []row{{"A-1001", sent, 1, 1}, {"A-1002", sent, 1, 1}, {"A-1003", refunded, 1, 0}, {"A-1004", needsPerson, 1, 0}}
	for _, o := range want {
		if _, err := s.create(ctx, o.No, 150_50); err != nil {
			return errors.Join(err, s.stop())
		}
	}
	fmt.Println("2. The buyer of A-1001 pays. The notification comes twice, and two jobs do its work once:")
	err = errors.Join(gateway.Pay("A-1001", ksher.ChannelTrueMoney), gateway.Deliver(ctx, "A-1001"), gateway.Deliver(ctx, "A-1001"))
	err = errors.Join(err, s.until(ctx, want[:1]))

	fmt.Println("3. The shop cancels A-1003 and A-1004. Their buyers have saved the QR codes.")
	err = errors.Join(err, s.cancel(ctx, "A-1003"), s.cancel(ctx, "A-1004"))

	fmt.Println("4. The shop is down. All three are paid, Ksher gives up notifying, and settles A-1004.")
	if err := errors.Join(err, s.stop(), unheard(ctx, gateway, "A-1002", "A-1003", "A-1004"), gateway.Settle("A-1004")); err != nil {
		return err
	}

	fmt.Println("5. The shop is up again. A periodic job asks about the open orders, and each gets a job:")
	// At the address that the orders name.
	if s, err = start(s.address, from); err != nil {
		return err
	}
	err = errors.Join(s.until(ctx, want), s.stop())
	if err == nil {
		fmt.Println("6. What is settled can't be refunded by a program: that job is cancelled, and reported above.")
	}
	return err
}

// unheard has orders paid whose notifications nobody takes.
func unheard(ctx context.Context, gateway *kshertest.Gateway, numbers ...string) error {
	for _, no := range numbers {
		if err := gateway.Pay(no, ksher.ChannelTrueMoney); err != nil {
			return err
		}
		for range 13 { // What Ksher does in 29 hours.
			if err := gateway.Deliver(ctx, no); !errors.Is(err, kshertest.ErrNotAccepted) {
				return fmt.Errorf("notifying a shop that is down of %s: %w", no, err)
			}
		}
	}
	return nil
}

// until waits until orders have ended as they should, and prints them.
func (s *shop) until(ctx context.Context, want []row) error {
	for {
		got, err := s.rows(ctx)
		if err != nil {
			return err
		}
		if got = got[:min(len(got), len(want))]; slices.Equal(got, want) {
			for _, r := range got {
				fmt.Printf("   %s: %s, applied: %d, parcels: %d.\n", r.No, r.State, r.Applied, r.Parcels)
			}
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the orders are %v, and should be %v: %w", got, want, ctx.Err())
		}
	}
}

func (s *shop) rows(ctx context.Context) ([]row, error) {
	found, err := s.pool.Query(ctx, "SELECT no, state, applied, (SELECT count(*) FROM parcels p WHERE p.no = o.no) AS parcels FROM orders o ORDER BY no")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowToStructByPos[row])
}

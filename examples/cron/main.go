// Command cron asks about a shop's open orders once and ends, as cron or a serverless
// function would have it. Its place in the list, and when each order is due again, are in
// the shop's database, SQLite here, so that the next run goes on where this one stopped.
//
// Without arguments it needs no account and nothing but Go: a gateway, a shop and a buyer
// are in the program, which runs the pass several times:
//
//	go run .
//
// With a database it makes one pass with the real Ksher. A crontab's line for every minute,
// with KSHER_APPID and KSHER_PRIVATE_KEY set:
//
//	*/1 * * * * flock -n /run/lock/ksher-cron cron -db /var/lib/shop/shop.db
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

func main() {
	file := flag.String("db", "", "the shop's `file` of SQLite; without it the program plays a shop on the local gateway")
	within := flag.Duration("within", 50*time.Second, "how long the pass may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *file == "" {
		err = play(ctx)
	} else {
		err = once(ctx, *file, *within)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// once is the whole program of a merchant.
func once(ctx context.Context, file string, within time.Duration) error {
	client, err := ksher.ClientFromEnv()
	if err != nil {
		return err
	}
	_, err = run(ctx, file, client, within)
	return err
}

// run opens the shop, makes one pass, and closes it. It returns the place.
func run(ctx context.Context, file string, client *ksher.Client, within time.Duration) (after string, err error) {
	s, err := open(ctx, file, client)
	if err != nil {
		return "", err
	}
	result, err := s.pass(ctx, within)
	next := "at the beginning"
	if result.After != "" {
		next = "after " + result.After
	}
	fmt.Printf("   asked %d, paid %d, open %d, failed %d; the next run goes on %s\n",
		result.Asked, result.Paid, result.Open, result.Failed, next)
	return result.After, errors.Join(err, s.db.Close())
}

const (
	orders = 30
	paid   = "A-1025" // late in the list, the others are abandoned carts
)

// play runs the program as cron would, and each time for half a second only, until it has
// been through the list.
func play(ctx context.Context) error {
	gateway, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer gateway.Close()
	dir, err := os.MkdirTemp("", "cron")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "shop.db")
	if err := sell(ctx, gateway, file); err != nil {
		return err
	}
	fmt.Printf("A shop has %d open orders. %s is paid, and no notification told of it.\n", orders, paid)
	for i, after := 1, "-"; after != ""; i++ {
		fmt.Printf("%d. The program runs for half a second:\n", i)
		if after, err = run(ctx, file, gateway.Client, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return report(ctx, gateway, file)
}

// sell puts the orders into the books, and one of them is paid.
func sell(ctx context.Context, gateway *kshertest.Gateway, file string) error {
	s, err := open(ctx, file, gateway.Client)
	if err != nil {
		return err
	}
	defer s.db.Close()
	for i := range orders {
		no := fmt.Sprint("A-", 1001+i)
		if _, err := s.db.ExecContext(ctx, "INSERT INTO orders (no, total, created) VALUES (?, ?, ?)", no, 150_50, time.Now().Unix()); err != nil {
			return err
		}
		if _, err := gateway.Client.GatewayPay(ctx, &ksher.GatewayPayRequest{
			MchOrderNo: no, MchCode: no, TotalFee: 150_50, FeeType: "THB",
			ChannelList: []ksher.Channel{ksher.ChannelPromptPay}, ProductName: "Coffee",
			ReferURL: "https://shop.example/cart", MchRedirectURL: "https://shop.example/thanks", MchRedirectURLFail: "https://shop.example/sorry",
		}); err != nil {
			return err
		}
	}
	return gateway.Pay(paid, ksher.ChannelPromptPay)
}

// report shows that the payment was found.
func report(ctx context.Context, gateway *kshertest.Gateway, file string) error {
	s, err := open(ctx, file, gateway.Client)
	if err != nil {
		return err
	}
	defer s.db.Close()
	var state string
	var due int
	if err := s.db.QueryRowContext(ctx, "SELECT state FROM orders WHERE no = ?", paid).Scan(&state); err != nil {
		return err
	}
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM orders WHERE state = 'open' AND next_check <= ?", time.Now().Unix()).Scan(&due); err != nil {
		return err
	}
	fmt.Printf("Order %s is %s in the books. Of the others %d are due now, the rest in a minute.\n", paid, state, due)
	if state != "paid" {
		return fmt.Errorf("order %s was not found", paid)
	}
	return nil
}

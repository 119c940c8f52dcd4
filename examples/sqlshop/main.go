// Command sqlshop is a shop that keeps its orders in SQLite and applies each
// payment once, whether Ksher tells of it or the shop has to ask.
//
// It needs no account and nothing but Go. The gateway, the shop and the buyers
// are in this program, which ends by itself:
//
//	go run .
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "sqlshop")
	if err == nil {
		err = errors.Join(story(ctx, filepath.Join(dir, "shop.db")), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// orders are the orders of the story, and how they should end.
var orders = []order{{"A-1001", 150_50, "paid", 1}, {"A-1002", 80_00, "paid", 1}, {"A-1003", 320_00, "refunded", 1}}

// story plays the gateway and the buyers around the shop in shop.go.
func story(ctx context.Context, file string) error {
	gateway, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer gateway.Close()
	s, err := open(ctx, file, gateway, "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := s.server.Addr
	if err := errors.Join(sell(ctx, gateway, s), s.close()); err != nil {
		return err
	}

	fmt.Println("5. The shop is down. A-1002 is paid, and A-1003 all the same. Ksher gives up notifying.")
	if err := payInVain(ctx, gateway, "A-1002", "A-1003"); err != nil {
		return err
	}

	fmt.Println("6. The shop is up again, and asks about its open orders:")
	if s, err = open(ctx, file, gateway, address); err != nil {
		return err
	}
	defer s.close()
	if err := catchUp(ctx, gateway, s); err != nil {
		return err
	}
	return report(ctx, s)
}

// sell creates the orders, of which one is paid and one is cancelled.
func sell(ctx context.Context, gateway *kshertest.Gateway, s *shop) error {
	for _, o := range orders {
		if err := s.create(ctx, o.no, o.total); err != nil {
			return err
		}
	}
	fmt.Println("1. A gateway runs inside this program. No account is needed, and no money moves.")
	fmt.Println("2. The shop creates the orders A-1001, A-1002 and A-1003.")

	fmt.Println("3. The buyer of A-1001 pays. The notification comes twice, and is handled once:")
	if err := errors.Join(gateway.Pay("A-1001", ksher.ChannelTrueMoney), notify(ctx, gateway, "A-1001"), notify(ctx, gateway, "A-1001")); err != nil {
		return err
	}

	fmt.Println("4. The shop cancels A-1003. Its buyer has saved the QR code.")
	return s.cancel(ctx, "A-1003")
}

// payInVain has orders paid while the shop is down.
func payInVain(ctx context.Context, gateway *kshertest.Gateway, numbers ...string) error {
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

// catchUp has the shop ask about what it missed, and refund what is due.
func catchUp(ctx context.Context, gateway *kshertest.Gateway, s *shop) error {
	// A real shop has this going on all the time, with Run.
	pass, err := s.payments.Pass(ctx, s, "")
	if err != nil {
		return err
	}
	fmt.Printf("   It asked about %d orders, and %d are paid.\n", pass.Asked, pass.Paid)

	fmt.Println("7. The shop gives back what was paid for a cancelled order:")
	if err := s.refund(ctx); err != nil {
		return err
	}

	fmt.Println("8. Late notifications of what was handled are accepted, and change nothing.")
	return errors.Join(notify(ctx, gateway, "A-1001"), notify(ctx, gateway, "A-1002"))
}

// report shows how the orders ended.
func report(ctx context.Context, s *shop) error {
	list, err := s.orders(ctx, "true ORDER BY no")
	if err != nil {
		return err
	}
	fmt.Printf("9. That is the whole story:\n\n   %-8s %8s  %-10s %s\n", "order", "THB", "state", "applied")
	for _, o := range list {
		fmt.Printf("   %-8s %8v  %-10s %d\n", o.no, o.total, o.state, o.applied)
	}
	if !slices.Equal(list, orders) {
		return fmt.Errorf("it should have ended with %v", orders)
	}
	return nil
}

// notify has Ksher tell the shop of a payment. While the shop is handling another
// notification of it, this one is asked to come back.
func notify(ctx context.Context, gateway *kshertest.Gateway, no string) error {
	for {
		err := gateway.Deliver(ctx, no)
		if !errors.Is(err, kshertest.ErrNotAccepted) || ctx.Err() != nil {
			return err
		}
	}
}

package main

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/ksher-go/ksher/kshertest"
)

// A refund whose time ends in the job's last attempt gets to a person.
func TestRefundWithoutTime(t *testing.T) {
	address := os.Getenv("KSHER_POSTGRES")
	if address == "" {
		t.Skip("KSHER_POSTGRES isn't set")
	}
	gateway, err := kshertest.Start() // Not New, whose clock doesn't wait.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gateway.Close)
	from := settings{client: gateway.Client, verifier: kshertest.Verifier(), log: slog.New(slog.DiscardHandler), public: "https://shop.example", patience: 30 * time.Second, pass: time.Minute}
	err = inSchema(t.Context(), address, from, func(ctx context.Context, from settings) error {
		s, err := newShop(from)
		if err != nil {
			return err
		}
		if _, err := s.create(ctx, "A-1", 150_50); err != nil {
			return err
		}
		if err := s.move(ctx, "A-1", "open", refundDue); err != nil {
			return err
		}
		if err := gateway.Pay("A-1", ""); err != nil {
			return err
		}
		if err := gateway.Inject(kshertest.Fault{Operation: "order_refund", Kind: kshertest.FaultLatency, Delay: 10 * time.Second, Count: 20}); err != nil {
			return err
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		job := &river.Job[refundArgs]{JobRow: &rivertype.JobRow{Attempt: 3, MaxAttempts: 3}, Args: refundArgs{"A-1"}}
		failed := s.refund(short, job)
		if failed == nil || short.Err() == nil {
			t.Errorf("the job's time didn't end: %v", failed)
		}
		rows, err := s.rows(ctx)
		if err != nil {
			return err
		}
		if len(rows) != 1 || rows[0].State != needsPerson {
			t.Errorf("the books say %+v", rows)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

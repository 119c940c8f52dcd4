package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// row is what the books say of an order.
func row(t *testing.T, s *shop, no string) (state string, next time.Time) {
	t.Helper()
	var seconds int64
	if err := s.db.QueryRow("SELECT state, next_check FROM orders WHERE no = ?", no).Scan(&state, &seconds); err != nil {
		t.Fatal(err)
	}
	return state, time.Unix(seconds, 0)
}

func newShop(t *testing.T) (*shop, *kshertest.Gateway, string) {
	t.Helper()
	gateway, err := kshertest.Start() // Not New, whose clock doesn't wait.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gateway.Close)
	file := filepath.Join(t.TempDir(), "shop.db")
	if err := sell(t.Context(), gateway, file); err != nil {
		t.Fatal(err)
	}
	return reopen(t, gateway, file), gateway, file
}

func reopen(t *testing.T, gateway *kshertest.Gateway, file string) *shop {
	t.Helper()
	s, err := open(t.Context(), file, gateway.Client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	return s
}

// Each run is short, and the paid order comes late: the runs get to it, and ask about no
// order twice.
func TestShortRunsGetThrough(t *testing.T) {
	s, gateway, file := newShop(t)
	asked, runs := 0, 0
	for after := "-"; after != ""; runs++ {
		var err error
		if after, err = run(t.Context(), file, gateway.Client, 300*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		asked = 0
		if err := s.db.QueryRow("SELECT count(*) FROM orders WHERE next_check > 0").Scan(&asked); err != nil {
			t.Fatal(err)
		}
		t.Logf("run %d: %d orders were asked about, goes on after %q", runs+1, asked, after)
	}
	if runs < 2 {
		t.Error("one run was enough, so nothing was tried")
	}
	if state, _ := row(t, s, paid); state != "paid" {
		t.Errorf("the order is %s", state)
	}
	if asked != orders {
		t.Errorf("%d of %d orders were asked about", asked, orders)
	}
	result, err := reopen(t, gateway, file).pass(t.Context(), time.Minute)
	if err != nil || result != (ksher.PassResult{}) {
		t.Errorf("nothing is due, but it came to %+v, %v", result, err)
	}
}

// An order that has been open for a week waits for hours, unless something failed.
func TestOldOrdersAreDueLater(t *testing.T) {
	s, gateway, file := newShop(t)
	if _, err := s.db.Exec("UPDATE orders SET created = ?", time.Now().Add(-8*24*time.Hour).Unix()); err != nil {
		t.Fatal(err)
	}
	if err := gateway.Inject(kshertest.Fault{Operation: "gateway_order_query", Kind: kshertest.FaultRefuse, Code: ksher.CodeNoAuth}); err != nil {
		t.Fatal(err)
	}
	result, err := s.pass(t.Context(), time.Minute)
	if err != nil || result != (ksher.PassResult{Asked: orders, Paid: 1, Open: orders - 2, Failed: 1}) {
		t.Fatalf("%+v, %v", result, err)
	}
	if _, next := row(t, s, "A-1003"); next.After(time.Now()) {
		t.Error("an order that failed waits until", next)
	}
	if result, err = reopen(t, gateway, file).pass(t.Context(), time.Minute); err != nil || result.Open != orders-1 {
		t.Fatalf("%+v, %v", result, err)
	}
	if _, next := row(t, s, "A-1003"); next.Before(time.Now().Add(5 * time.Hour)) {
		t.Error("an old order is due already", next)
	}
}

// A run that SIGTERM ends is no failure, and the next one goes on where it stopped.
func TestStopped(t *testing.T) {
	s, _, _ := newShop(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(300*time.Millisecond, cancel)
	result, err := s.pass(ctx, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var place string
	if err := s.db.QueryRow("SELECT after FROM place").Scan(&place); err != nil {
		t.Fatal(err)
	}
	if result.After == "" || place != result.After {
		t.Fatalf("it stopped after %q, and the place is %q", result.After, place)
	}
}

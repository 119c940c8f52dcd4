package main

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
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
	due := 0
	if err := s.db.QueryRow("SELECT count(*) FROM orders WHERE state = 'open' AND next_check <= ?", time.Now().Unix()).Scan(&due); err != nil {
		t.Fatal(err)
	}
	if due != 1 {
		t.Errorf("%d orders are due, not just the one that failed", due)
	}
	if result, err = reopen(t, gateway, file).pass(t.Context(), time.Minute); err != nil || result.Open != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	if _, next := row(t, s, "A-1003"); next.Before(time.Now().Add(5 * time.Hour)) {
		t.Error("an old order is due already", next)
	}
}

// An order that fails in every run keeps no other one due, and is logged once.
func TestFailedForGood(t *testing.T) {
	s, gateway, file := newShop(t)
	old := time.Now().Add(-8 * 24 * time.Hour).Unix()
	if _, err := s.db.Exec("UPDATE orders SET created = ?", old); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec("INSERT INTO orders (no, total, created) VALUES ('A-0001', 15050, ?)", old); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	for i, want := range []ksher.PassResult{
		{Asked: orders + 1, Paid: 1, Open: orders - 1, Failed: 1},
		{Asked: 1, Failed: 1}, {Asked: 1, Failed: 1},
	} {
		result, err := reopen(t, gateway, file).pass(t.Context(), time.Minute)
		if err != nil || result != want {
			t.Fatalf("run %d: %+v, %v", i+1, result, err)
		}
	}
	if n := strings.Count(log.String(), "needs a person"); n != 1 {
		t.Errorf("the problem was logged %d times:\n%s", n, log.String())
	}
}

// Which order's query got no answer isn't said, so all stay due.
func TestNoAnswer(t *testing.T) {
	s, _, _ := newShop(t)
	if _, err := s.OpenOrders(t.Context(), "", 100); err != nil {
		t.Fatal(err)
	}
	s.problems = map[string]error{"A-1002": ksher.ErrOtherOrder}
	if err := s.write(t.Context(), ksher.PassResult{Asked: orders, Open: orders - 2, Failed: 2}); err != nil {
		t.Fatal(err)
	}
	if _, next := row(t, s, "A-1003"); next.After(time.Now()) {
		t.Error("an order that may have failed waits until", next)
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

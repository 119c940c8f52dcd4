package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// exported returns the values of all series by metric and label, as a scrape sees them.
func exported(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}

func none(context.Context) (time.Time, error) { return time.Time{}, nil }

func TestStory(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`ksher_doubtful_requests_total\{operation="order_refund"\} 1`,
		`ksher_doubtful_requests_total\{operation="payout"\} 0`,
		`ksher_refused_notifications_total\{outcome="refused"\} 1`,
		`ksher_refused_notifications_total\{outcome="failed"\} 0`,
		`ksher_oldest_open_order_age_seconds 108\d\d\.\d+`, // three hours
		`ksher_last_successful_query_age_seconds \d{1,2}\..*`,
	} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).Match(out.Bytes()) {
			t.Errorf("there is no %s in\n%s", want, &out)
		}
	}
}

// An order number as a label would make a series of each order.
func TestOrdersMakeNoSeries(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := NewMetrics(registry, none)
	if err != nil {
		t.Fatal(err)
	}
	before := exported(t, registry)
	for i := range 50 {
		no := fmt.Sprint("A-", i)
		for _, operation := range []string{"order_refund", "notification", "order_query"} {
			_, end := m.Hook(t.Context(), ksher.Attempt{Operation: operation, OrderNo: no})
			end(ksher.Attempt{Operation: operation, AppID: no, OrderNo: no, RefundNo: no, Err: ksher.ErrOutcomeUnknown})
		}
	}
	after := exported(t, registry)
	if len(after) != len(before) {
		t.Errorf("%d series became %d", len(before), len(after))
	}
	if n := after["ksher_doubtful_requests_total operation=order_refund"]; n != 50 {
		t.Errorf("%v refunds are doubtful", n)
	}
	if n := after["ksher_refused_notifications_total outcome=unknown"]; n != 50 {
		t.Errorf("%v notifications ended in doubt", n)
	}
}

// A stranger's forged notification isn't a payment that the shop can't book.
func TestRefusedNotifications(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := NewMetrics(registry, none)
	if err != nil {
		t.Fatal(err)
	}
	gateway := kshertest.New(t)
	client, err := gateway.NewClient(ksher.WithHook(m.Hook))
	if err != nil {
		t.Fatal(err)
	}
	payments, err := ksher.NewPayments(client, func(context.Context, *ksher.Order) error { return errors.New("the database is down") })
	if err != nil {
		t.Fatal(err)
	}
	order := (&ksher.GatewayPayRequest{MchOrderNo: "A-1", TotalFee: 100_00, FeeType: "THB"}).OpenOrder()
	notifications, err := payments.Notifications(func(context.Context, string) (ksher.OpenOrder, error) { return order, nil })
	if err != nil {
		t.Fatal(err)
	}
	body := kshertest.SignedResponse(map[string]any{"appid": kshertest.AppID, "mch_order_no": "A-1", "total_fee": 100_00, "fee_type": "THB", "result": "SUCCESS"})
	if _, err := notifications.Accept(t.Context(), []byte("{}")); err == nil {
		t.Error("it was accepted")
	}
	// Nobody has created the order, so the query fails.
	if again, err := notifications.Accept(t.Context(), body); err == nil || !again {
		t.Error(again, err)
	}
	m.count(ksher.Attempt{Operation: "notification"})
	m.count(ksher.Attempt{Operation: "notification", Err: fmt.Errorf("A-1: %w", ksher.ErrInProgress)})
	values := exported(t, registry)
	for outcome, want := range map[string]float64{"refused": 1, "failed": 1, "unknown": 0} {
		if n := values["ksher_refused_notifications_total outcome="+outcome]; n != want {
			t.Errorf("%v notifications are %s, want %v", n, outcome, want)
		}
	}
}

func TestLastQueryIsASuccessfulOne(t *testing.T) {
	m, err := NewMetrics(prometheus.NewRegistry(), none)
	if err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour)
	m.lastQuery.Store(&long)
	m.count(ksher.Attempt{Operation: "order_query", Err: errors.New("no answer")})
	m.count(ksher.Attempt{Operation: "gateway_pay"})
	m.count(ksher.Attempt{Operation: "notification"})
	if !m.lastQuery.Load().Equal(long) {
		t.Error("it was none")
	}
	m.count(ksher.Attempt{Operation: "order_query"})
	if m.lastQuery.Load().Equal(long) {
		t.Error("a successful query doesn't count")
	}
}

func TestOldestOrder(t *testing.T) {
	if age := openFor(none); age != 0 {
		t.Errorf("no order is %v old", age)
	}
	down := func(context.Context) (time.Time, error) { return time.Time{}, errors.New("the database is down") }
	if age := openFor(down); !math.IsNaN(age) {
		t.Errorf("an unknown age is %v", age)
	}
}

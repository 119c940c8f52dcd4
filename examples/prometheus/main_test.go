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
		`ksher_refused_notifications_total 1`,
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
	if n := after["ksher_refused_notifications_total"]; n != 50 {
		t.Errorf("%v notifications were refused", n)
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

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// reading is what the meter's reader gets to see.
type reading struct {
	units  map[string]string
	values map[string]float64 // By metric and label.
}

func read(t *testing.T, reader sdkmetric.Reader) reading {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	r := reading{make(map[string]string), make(map[string]float64)}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			r.units[m.Name] = m.Unit
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				require.True(t, data.IsMonotonic)
				for _, p := range data.DataPoints {
					name := m.Name
					for _, a := range p.Attributes.ToSlice() {
						name += fmt.Sprintf(" %s=%s", a.Key, a.Value.AsString())
					}
					r.values[name] = float64(p.Value)
				}
			case metricdata.Gauge[float64]:
				require.Len(t, data.DataPoints, 1)
				require.Zero(t, data.DataPoints[0].Attributes.Len())
				r.values[m.Name] = data.DataPoints[0].Value
			}
		}
	}
	return r
}

func none(context.Context) (time.Time, error) { return time.Time{}, nil }

func newHealth(t *testing.T, oldest func(context.Context) (time.Time, error)) (*Health, sdkmetric.Reader) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	h, err := NewHealth(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"), oldest)
	require.NoError(t, err)
	return h, reader
}

// Whoever has a collector that exports to Prometheus uses the other example's alerts.
func TestHealthNames(t *testing.T) {
	_, reader := newHealth(t, none)
	var got []string
	for name, unit := range read(t, reader).units {
		name = strings.ReplaceAll(name, ".", "_")
		if unit == "s" {
			got = append(got, name+"_seconds")
		} else {
			require.Regexp(t, `^\{[a-z]+\}$`, unit, "it isn't part of the name")
			got = append(got, name+"_total")
		}
	}
	alerts, err := os.ReadFile("../prometheus/alerts.yml")
	require.NoError(t, err)
	want := regexp.MustCompile(`\bksher_\w+`).FindAllString(string(alerts), -1)
	slices.Sort(want)
	require.ElementsMatch(t, slices.Compact(want), got)
}

func TestHealthCounts(t *testing.T) {
	h, reader := newHealth(t, none)
	before := read(t, reader).values
	require.Contains(t, before, "ksher.doubtful_requests ksher.operation=payout", "an alert needs its 0")

	broken := newShop(t, ksher.WithHook(h.Hook))
	require.NoError(t, broken.Inject(kshertest.Fault{Operation: "gateway_pay", Kind: kshertest.FaultDropAfter}))
	_, err := broken.client.GatewayPay(t.Context(), payRequest("A-1", "https://shop.example"))
	require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
	require.NoError(t, broken.Pay("A-1", ksher.ChannelTrueMoney))

	payments, err := ksher.NewPayments(broken.client, func(context.Context, *ksher.Order) error { return errors.New("the database is down") })
	require.NoError(t, err)
	notifications, err := payments.Notifications(func(context.Context, string) (ksher.OpenOrder, error) { return payRequest("A-1", "").OpenOrder(), nil })
	require.NoError(t, err)
	_, err = notifications.Accept(t.Context(), []byte("{}"))
	require.Error(t, err)
	again, err := notifications.Accept(t.Context(), kshertest.SignedResponse(map[string]any{
		"appid": kshertest.AppID, "mch_order_no": "A-1", "total_fee": 100_00, "fee_type": "THB", "result": "SUCCESS",
	}))
	require.ErrorContains(t, err, "the database is down")
	require.True(t, again)
	h.count(t.Context(), ksher.Attempt{Operation: "notification"})
	h.count(t.Context(), ksher.Attempt{Operation: "notification", Err: fmt.Errorf("A-1: %w", ksher.ErrInProgress)})
	h.count(t.Context(), ksher.Attempt{Operation: "order_refund", Err: ksher.ErrNotFound})

	after := read(t, reader).values
	require.Len(t, after, len(before), "no label has a number of an order")
	for name, want := range after {
		switch name {
		case "ksher.doubtful_requests ksher.operation=gateway_pay",
			"ksher.refused_notifications ksher.outcome=refused", "ksher.refused_notifications ksher.outcome=failed":
			require.Equal(t, 1.0, want, name)
		case "ksher.last_successful_query_age":
		default:
			require.Zero(t, want, name)
		}
	}
}

func TestHealthOfQueries(t *testing.T) {
	h, reader := newHealth(t, none)
	long := time.Now().Add(-time.Hour)
	for _, tt := range []struct {
		attempt ksher.Attempt
		counts  bool
	}{
		{ksher.Attempt{Operation: "order_query", Err: errors.New("no answer")}, false},
		{ksher.Attempt{Operation: "gateway_pay"}, false},
		{ksher.Attempt{Operation: "notification"}, false},
		{ksher.Attempt{Operation: "order_query"}, true},
		{ksher.Attempt{Operation: "gateway_order_query"}, true},
		{ksher.Attempt{Operation: "refund_query"}, true},
		{ksher.Attempt{Operation: "order_query_payout"}, true},
	} {
		h.lastQuery.Store(&long)
		h.count(t.Context(), tt.attempt)
		age := read(t, reader).values["ksher.last_successful_query_age"]
		require.Equal(t, tt.counts, age < 1800, "%+v: %v", tt.attempt, age)
	}
}

func TestHealthOfOrders(t *testing.T) {
	for _, tt := range []struct {
		created time.Time
		err     error
		from    float64
	}{
		{time.Time{}, nil, 0},
		{time.Now().Add(-3 * time.Hour), nil, 3 * 3600},
		{time.Time{}, errors.New("the database is down"), math.NaN()},
	} {
		_, reader := newHealth(t, func(context.Context) (time.Time, error) { return tt.created, tt.err })
		age := read(t, reader).values["ksher.oldest_open_order_age"]
		if math.IsNaN(tt.from) {
			require.True(t, math.IsNaN(age), "an unknown age is %v", age)
			continue
		}
		require.InDelta(t, tt.from, age, 600)
	}
}

// mute is a meter without gauges.
type mute struct{ metric.Meter }

func (mute) Float64ObservableGauge(string, ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	return nil, os.ErrInvalid
}

func TestHealthRefuses(t *testing.T) {
	meter := metricnoop.NewMeterProvider().Meter("")
	_, err := NewHealth(nil, none)
	require.ErrorContains(t, err, "nil")
	_, err = NewHealth(meter, nil)
	require.ErrorContains(t, err, "nil")
	_, err = NewHealth(mute{meter}, none)
	require.ErrorIs(t, err, os.ErrInvalid)
}

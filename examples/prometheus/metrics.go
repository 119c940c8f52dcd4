package main

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ksher-go/ksher"
)

// changes are the operations that may end in doubt. Each has its counter from the start,
// because Prometheus sees no increase in a counter that appears with a 1.
var changes = []string{
	"gateway_pay", "native_pay", "quick_pay", "jsapi_pay", "mini_program_pay", "app_pay", "wap_pay", "web_pay",
	"cancel_order", "order_close", "order_reverse", "order_refund", "payout",
}

// Metrics are the four numbers that tell whether a shop's payments are well. Pass
// [Metrics.Hook] to [ksher.WithHook], for all merchants of a process. No label has an order
// number, because each would be a time series of its own.
type Metrics struct {
	doubtful  *prometheus.CounterVec
	refused   *prometheus.CounterVec
	lastQuery atomic.Pointer[time.Time]
}

// NewMetrics registers the metrics. oldest is asked at each scrape, for at most 5 seconds,
// when the oldest order was created that is neither paid nor ended; the zero time means that
// there is none. For a shop in SQL:
//
//	SELECT min(created) FROM orders WHERE state = 'open'
//
// Leave out orders that are kept only because a saved code may still be paid. If oldest
// fails, the age is NaN.
func NewMetrics(registry prometheus.Registerer, oldest func(context.Context) (time.Time, error)) (*Metrics, error) {
	if registry == nil || oldest == nil {
		return nil, errors.New("the registry or the function for the oldest order is nil")
	}
	m := &Metrics{
		doubtful: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ksher_doubtful_requests_total",
			Help: "Requests that may or may not have been carried out.",
		}, []string{"operation"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ksher_refused_notifications_total",
			Help: "Notifications that weren't answered with SUCCESS: refused for good, or failed and to come again.",
		}, []string{"outcome"}),
	}
	for _, operation := range changes {
		m.doubtful.WithLabelValues(operation)
	}
	for _, outcome := range []string{"refused", "failed", "unknown"} {
		m.refused.WithLabelValues(outcome)
	}
	now := time.Now()
	m.lastQuery.Store(&now)
	age := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ksher_oldest_open_order_age_seconds",
		Help: "Age of the oldest order that is neither paid nor ended, 0 without any, NaN if the shop doesn't know.",
	}, func() float64 { return openFor(oldest) })
	query := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ksher_last_successful_query_age_seconds",
		Help: "Time since Ksher last answered a query, or since the program started.",
	}, func() float64 { return time.Since(*m.lastQuery.Load()).Seconds() })
	for _, c := range []prometheus.Collector{m.doubtful, m.refused, age, query} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// openFor is the age of the oldest open order, in seconds.
func openFor(oldest func(context.Context) (time.Time, error)) float64 {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	created, err := oldest(ctx)
	switch {
	case err != nil:
		return math.NaN()
	case created.IsZero():
		return 0
	}
	return time.Since(created).Seconds()
}

// Hook is for [ksher.WithHook].
func (m *Metrics) Hook(ctx context.Context, _ ksher.Attempt) (context.Context, func(ksher.Attempt)) {
	return ctx, m.count
}

func (m *Metrics) count(a ksher.Attempt) {
	outcome := a.Outcome()
	switch a.Operation {
	case "notification":
		// One that is in progress has another delivery, which counts.
		if outcome != "ok" && !errors.Is(a.Err, ksher.ErrInProgress) {
			m.refused.WithLabelValues(outcome).Inc()
		}
	case "order_query", "gateway_order_query", "refund_query", "order_query_payout":
		if outcome == "ok" {
			now := time.Now()
			m.lastQuery.Store(&now)
		}
	default:
		if outcome == "unknown" {
			m.doubtful.WithLabelValues(a.Operation).Inc()
		}
	}
}

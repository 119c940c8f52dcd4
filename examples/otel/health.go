package main

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ksher-go/ksher"
)

// changes are the operations that may end in doubt. Each has its series from the start: an
// alert sees no increase in one that appears with a 1.
var changes = []string{
	"gateway_pay", "native_pay", "quick_pay", "jsapi_pay", "mini_program_pay", "app_pay", "wap_pay", "web_pay",
	"cancel_order", "order_close", "order_reverse", "order_refund", "payout",
}

// Health has the four numbers that tell whether a shop's payments are well. Pass
// [Health.Hook] to [ksher.WithHook], for all merchants of a process.
//
// By default Prometheus makes of the names those of examples/prometheus. Its alerts and its
// dashboard serve here as well, with ksher_operation and ksher_outcome for the labels.
type Health struct {
	doubtful, refused metric.Int64Counter
	lastQuery         atomic.Pointer[time.Time]
}

// NewHealth makes the meter's instruments. oldest is asked at each collection, for at most 5
// seconds, when the oldest order was created that is neither paid nor ended; the zero time
// means that there is none. Leave out orders that are kept only because a saved code may still
// be paid. If oldest fails, the age is NaN.
func NewHealth(meter metric.Meter, oldest func(context.Context) (time.Time, error)) (*Health, error) {
	if meter == nil || oldest == nil {
		return nil, errors.New("the meter or the function for the oldest order is nil")
	}
	h := &Health{}
	now := time.Now()
	h.lastQuery.Store(&now)
	var errs [4]error
	h.doubtful, errs[0] = meter.Int64Counter("ksher.doubtful_requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that may or may not have been carried out."))
	h.refused, errs[1] = meter.Int64Counter("ksher.refused_notifications", metric.WithUnit("{notification}"),
		metric.WithDescription("Notifications that weren't answered with SUCCESS: refused for good, or failed and to come again."))
	_, errs[2] = meter.Float64ObservableGauge("ksher.oldest_open_order_age", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest order that is neither paid nor ended, 0 without any, NaN if the shop doesn't know."),
		observing(func(ctx context.Context) float64 { return openFor(ctx, oldest) }))
	_, errs[3] = meter.Float64ObservableGauge("ksher.last_successful_query_age", metric.WithUnit("s"),
		metric.WithDescription("Time since Ksher last answered a query, or since the program started."),
		observing(func(context.Context) float64 { return time.Since(*h.lastQuery.Load()).Seconds() }))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	for _, operation := range changes {
		h.doubtful.Add(context.Background(), 0, with("ksher.operation", operation))
	}
	for _, outcome := range []string{"refused", "failed", "unknown"} {
		h.refused.Add(context.Background(), 0, with("ksher.outcome", outcome))
	}
	return h, nil
}

func with(name, value string) metric.AddOption {
	return metric.WithAttributes(attribute.String(name, value))
}

func observing(value func(context.Context) float64) metric.Float64ObservableGaugeOption {
	return metric.WithFloat64Callback(func(ctx context.Context, o metric.Float64Observer) error {
		o.Observe(value(ctx))
		return nil
	})
}

// openFor is the age of the oldest open order, in seconds.
func openFor(ctx context.Context, oldest func(context.Context) (time.Time, error)) float64 {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
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
func (h *Health) Hook(ctx context.Context, _ ksher.Attempt) (context.Context, func(ksher.Attempt)) {
	return ctx, func(a ksher.Attempt) { h.count(ctx, a) }
}

func (h *Health) count(ctx context.Context, a ksher.Attempt) {
	outcome := a.Outcome()
	switch a.Operation {
	case "notification":
		// One that is in progress has another delivery, which counts.
		if outcome != "ok" && !errors.Is(a.Err, ksher.ErrInProgress) {
			h.refused.Add(ctx, 1, with("ksher.outcome", outcome))
		}
	case "order_query", "gateway_order_query", "refund_query", "order_query_payout":
		if outcome == "ok" {
			now := time.Now()
			h.lastQuery.Store(&now)
		}
	default:
		if outcome == "unknown" {
			h.doubtful.Add(ctx, 1, with("ksher.operation", a.Operation))
		}
	}
}

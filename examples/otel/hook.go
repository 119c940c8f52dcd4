package main

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/ksher-go/ksher"
)

// Hook returns a hook for [ksher.WithHook] that starts a span for each request to
// Ksher and each notification by it, and records how long they took in the
// histogram ksher.client.duration, in seconds. The error is the meter's, or says
// that an argument is nil.
//
// Spans tell the order, the refund, Ksher's code and what went wrong. Not what the
// gateway said in words: that may name the buyer. Metrics tell the operation and
// the outcome only, because each order number would be a time series of its own.
func Hook(tracer trace.Tracer, meter metric.Meter) (ksher.Hook, error) {
	if tracer == nil || meter == nil {
		return nil, errors.New("the tracer or the meter is nil")
	}
	duration, err := meter.Float64Histogram("ksher.client.duration",
		metric.WithUnit("s"),
		metric.WithDescription("Duration of requests to Ksher, and of handling its notifications."),
		// The boundaries of http.client.request.duration, and the client's timeout.
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
		kind := trace.SpanKindClient
		if a.Operation == "notification" {
			kind = trace.SpanKindServer
		}
		ctx, span := tracer.Start(ctx, a.Operation, trace.WithSpanKind(kind), trace.WithAttributes(attribute.Int("ksher.attempt", a.Number)))
		return ctx, func(a ksher.Attempt) {
			outcome := attribute.String("ksher.outcome", a.Outcome())
			duration.Record(ctx, a.Duration.Seconds(), metric.WithAttributes(attribute.String("ksher.operation", a.Operation), outcome))

			span.SetAttributes(outcome)
			cause, failure := a.Err, (*ksher.Error)(nil)
			if errors.As(a.Err, &failure) {
				cause = failure.Err
				setText(span, "ksher.code", string(failure.Code))
			}
			setText(span, "ksher.order_no", a.OrderNo)
			setText(span, "ksher.refund_no", a.RefundNo)
			switch a.Outcome() {
			case "failed", "unknown":
				description := "the gateway left it open" // A code that is neither a yes nor a no.
				if cause != nil {
					description = cause.Error()
				}
				span.SetStatus(codes.Error, description)
			}
			span.End()
		}
	}, nil
}

// setText leaves out what is empty.
func setText(span trace.Span, name, value string) {
	if value != "" {
		span.SetAttributes(attribute.String(name, value))
	}
}

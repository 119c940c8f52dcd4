package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// printSpans prints spans as trees.
func printSpans(out io.Writer, spans tracetest.SpanStubs) {
	slices.SortFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var below func(parent trace.SpanID, indent string)
	below = func(parent trace.SpanID, indent string) {
		for _, s := range spans {
			if s.Parent.SpanID() == parent {
				fmt.Fprintf(w, "%s%s\t%v\t%s\n", indent, s.Name, s.EndTime.Sub(s.StartTime).Round(100*time.Microsecond), details(s))
				below(s.SpanContext.SpanID(), indent+"  ")
			}
		}
	}
	below(trace.SpanID{}, "  ")
	w.Flush()
}

// details says in a line what else a span tells.
func details(s tracetest.SpanStub) string {
	var words []string
	for _, a := range s.Attributes {
		switch a.Key {
		case "ksher.outcome", "ksher.code":
			words = append(words, a.Value.AsString())
		case "ksher.attempt", "http.response.status_code":
			name := string(a.Key[strings.LastIndexByte(string(a.Key), '.')+1:])
			words = append(words, fmt.Sprintf("%s %d", strings.TrimSuffix(name, "_code"), a.Value.AsInt64()))
		}
	}
	if s.Status.Description != "" {
		words = append(words, s.Status.Description)
	}
	return strings.Join(words, ", ")
}

// printMetrics prints the histogram of hook.go as a table, and the numbers of health.go,
// each counter summed up.
func printMetrics(ctx context.Context, out io.Writer, reader metric.Reader) error {
	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		return err
	}
	var durations, numbers []string
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			var value string
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				durations = append(durations, rows(data)...)
				continue
			case metricdata.Sum[int64]:
				sum := int64(0)
				for _, p := range data.DataPoints {
					sum += p.Value
				}
				value = strconv.FormatInt(sum, 10)
			case metricdata.Gauge[float64]:
				value = fmt.Sprintf("%.1f%s", data.DataPoints[0].Value, m.Unit)
			}
			numbers = append(numbers, fmt.Sprintf("  %s\t%s\n", m.Name, value))
		}
	}
	slices.Sort(durations)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nMetric ksher.client.duration:\n  operation\toutcome\tcount\tmean\n", strings.Join(durations, ""))
	fmt.Fprint(w, "\nThe four numbers that tell health:\n", strings.Join(numbers, ""))
	return w.Flush()
}

// rows are the lines of a histogram.
func rows(histogram metricdata.Histogram[float64]) (lines []string) {
	for _, p := range histogram.DataPoints {
		mean := time.Duration(p.Sum / float64(p.Count) * float64(time.Second))
		lines = append(lines, fmt.Sprintf("  %s\t%s\t%d\t%v\n", label(p.Attributes, "ksher.operation"),
			label(p.Attributes, "ksher.outcome"), p.Count, mean.Round(100*time.Microsecond)))
	}
	return lines
}

func label(set attribute.Set, name attribute.Key) string {
	value, _ := set.Value(name)
	return value.AsString()
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop is a gateway, and a client whose hook is watched.
type shop struct {
	*kshertest.Gateway
	client  *ksher.Client
	traces  *sdktrace.TracerProvider
	spans   *tracetest.SpanRecorder
	metrics *sdkmetric.ManualReader
}

func newShop(t *testing.T, opts ...ksher.Option) *shop {
	t.Helper()
	s := &shop{Gateway: kshertest.New(t), spans: tracetest.NewSpanRecorder(), metrics: sdkmetric.NewManualReader()}
	s.traces = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.spans), sdktrace.WithSampler(sdktrace.AlwaysSample()))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.metrics))
	hook, err := Hook(s.traces.Tracer("test"), meters.Meter("test"))
	require.NoError(t, err)
	s.client, err = s.NewClient(append([]ksher.Option{ksher.WithHook(hook), ksher.WithRetry(3, 0)}, opts...)...)
	require.NoError(t, err)
	return s
}

func (s *shop) order(t *testing.T, orderNo, notifyURL string) {
	t.Helper()
	_, err := s.Client.GatewayPay(t.Context(), payRequest(orderNo, notifyURL)) // The client that nobody watches.
	require.NoError(t, err)
}

func payRequest(orderNo, notifyURL string) *ksher.GatewayPayRequest {
	return &ksher.GatewayPayRequest{
		MchOrderNo: orderNo, MchCode: orderNo, TotalFee: 100_00, FeeType: "THB", ProductName: "Coffee",
		ChannelList: []ksher.Channel{ksher.ChannelTrueMoney}, ReferURL: "https://shop.example",
		MchRedirectURL: "https://shop.example", MchRedirectURLFail: "https://shop.example", MchNotifyURL: notifyURL,
	}
}

// span is what a test expects of one.
type span struct {
	name   string
	attrs  map[string]any
	status codes.Code
}

func seen(s sdktrace.ReadOnlySpan) span {
	return span{s.Name(), values(s.Attributes()), s.Status().Code}
}

func values(attrs []attribute.KeyValue) map[string]any {
	all := make(map[string]any)
	for _, a := range attrs {
		all[string(a.Key)] = a.Value.AsInterface()
	}
	return all
}

// points returns the histogram's points by their labels.
func (s *shop) points(t *testing.T) map[string]uint64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, s.metrics.Collect(t.Context(), &all))
	require.Len(t, all.ScopeMetrics, 1)
	require.Len(t, all.ScopeMetrics[0].Metrics, 1)
	m := all.ScopeMetrics[0].Metrics[0]
	require.Equal(t, "ksher.client.duration", m.Name)
	require.Equal(t, "s", m.Unit)
	counts := make(map[string]uint64)
	for _, p := range m.Data.(metricdata.Histogram[float64]).DataPoints {
		labels := values(p.Attributes.ToSlice())
		require.Len(t, labels, 2)
		counts[fmt.Sprint(labels["ksher.operation"], " ", labels["ksher.outcome"])] = p.Count
	}
	return counts
}

func TestHookAttempts(t *testing.T) {
	query := func(ctx context.Context, c *ksher.Client) error {
		_, err := c.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-1"})
		return err
	}
	refund := func(ctx context.Context, c *ksher.Client) error {
		_, err := c.OrderRefund(ctx, &ksher.OrderRefundRequest{MchRefundNo: "R-1", RefundFee: 1_00, TotalFee: 100_00, FeeType: "THB", MchOrderNo: "B-1"})
		return err
	}
	attempt := func(name string, number int64, outcome, code string, status codes.Code) span {
		attrs := map[string]any{"ksher.order_no": "A-1", "ksher.attempt": number, "ksher.outcome": outcome}
		if name == "order_refund" {
			attrs["ksher.order_no"], attrs["ksher.refund_no"] = "B-1", "R-1"
		}
		if code != "" {
			attrs["ksher.code"] = code
		}
		return span{name, attrs, status}
	}
	for _, tc := range []struct {
		name   string
		fault  kshertest.Fault
		opts   []ksher.Option
		call   func(context.Context, *ksher.Client) error
		want   []span
		points map[string]uint64
	}{
		{"ok", kshertest.Fault{}, nil, query,
			[]span{attempt("gateway_order_query", 1, "ok", "", codes.Unset)},
			map[string]uint64{"gateway_order_query ok": 1}},
		{"refused", kshertest.Fault{Operation: "gateway_order_query", Kind: kshertest.FaultRefuse, Code: ksher.CodeOrderNotExist}, nil, query,
			[]span{attempt("gateway_order_query", 1, "refused", string(ksher.CodeOrderNotExist), codes.Unset)},
			map[string]uint64{"gateway_order_query refused": 1}},
		{"repeated", kshertest.Fault{Operation: "gateway_order_query", Kind: kshertest.FaultHTTP500}, nil, query,
			[]span{attempt("gateway_order_query", 1, "failed", "", codes.Error), attempt("gateway_order_query", 2, "ok", "", codes.Unset)},
			map[string]uint64{"gateway_order_query failed": 1, "gateway_order_query ok": 1}},
		{"failed", kshertest.Fault{Operation: "gateway_order_query", Kind: kshertest.FaultHTTP500, Count: 3}, nil, query,
			[]span{attempt("gateway_order_query", 1, "failed", "", codes.Error), attempt("gateway_order_query", 2, "failed", "", codes.Error), attempt("gateway_order_query", 3, "failed", "", codes.Error)},
			map[string]uint64{"gateway_order_query failed": 3}},
		{"unknown", kshertest.Fault{Operation: "order_refund", Kind: kshertest.FaultDropAfter}, nil, refund,
			[]span{attempt("order_refund", 1, "unknown", "", codes.Error)},
			map[string]uint64{"order_refund unknown": 1}},
		{"unknown by a code", kshertest.Fault{Operation: "order_refund", Kind: kshertest.FaultRefuse, Code: ksher.CodeSystemError}, nil, refund,
			[]span{attempt("order_refund", 1, "unknown", string(ksher.CodeSystemError), codes.Error)},
			map[string]uint64{"order_refund unknown": 1}},
		{"not sent", kshertest.Fault{}, []ksher.Option{ksher.WithMerchantURL("http://127.0.0.1:1")}, refund,
			[]span{attempt("order_refund", 1, "failed", "", codes.Error)},
			map[string]uint64{"order_refund failed": 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newShop(t, tc.opts...)
			s.order(t, "A-1", "https://shop.example")
			if tc.fault.Kind != "" {
				require.NoError(t, s.Inject(tc.fault))
			}
			ctx, parent := s.traces.Tracer("test").Start(t.Context(), "parent")
			err := tc.call(ctx, s.client)
			parent.End()

			spans := s.spans.Ended()
			require.Len(t, spans, len(tc.want)+1)
			for i, want := range tc.want {
				require.Equal(t, want, seen(spans[i]))
				require.Equal(t, trace.SpanKindClient, spans[i].SpanKind())
				require.Equal(t, parent.SpanContext().SpanID(), spans[i].Parent().SpanID())
				if want.status == codes.Error {
					require.NotEmpty(t, spans[i].Status().Description)
				}
			}
			last := tc.want[len(tc.want)-1]
			require.Equal(t, last.attrs["ksher.outcome"] == "ok", err == nil, "%v", err)
			require.Equal(t, last.attrs["ksher.outcome"] == "unknown", errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
			require.Equal(t, tc.points, s.points(t))
		})
	}
}

func TestHookNotification(t *testing.T) {
	for _, tc := range []struct {
		name    string
		fn      error
		outcome string
		status  codes.Code
	}{
		{"accepted", nil, "ok", codes.Unset},
		{"the merchant's function fails", errors.New("the database is gone"), "failed", codes.Error},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newShop(t)
			payments, err := ksher.NewPayments(s.client, func(ctx context.Context, _ *ksher.Order) error {
				_, span := s.traces.Tracer("test").Start(ctx, "the merchant's own")
				span.End()
				return tc.fn
			})
			require.NoError(t, err)
			handler, err := payments.Notifications(func(context.Context, string) (ksher.OpenOrder, error) { return payRequest("A-1", "").OpenOrder(), nil })
			require.NoError(t, err)
			mine := httptest.NewServer(handler)
			t.Cleanup(mine.Close)
			s.order(t, "A-1", mine.URL)
			require.NoError(t, s.Pay("A-1", ksher.ChannelTrueMoney))
			require.NoError(t, s.Inject(kshertest.Fault{Operation: "gateway_order_query", Kind: kshertest.FaultHTTP500}))
			err = s.Deliver(t.Context(), "A-1")
			require.Equal(t, tc.fn == nil, err == nil, "%v", err)

			spans := s.spans.Ended()
			require.Len(t, spans, 4)
			notification := spans[3]
			require.Equal(t, trace.SpanKindServer, notification.SpanKind())
			require.False(t, notification.Parent().IsValid())
			require.Equal(t, span{"notification", map[string]any{
				"ksher.order_no": "A-1", "ksher.attempt": int64(1), "ksher.outcome": tc.outcome,
			}, tc.status}, seen(notification))
			for i, name := range []string{"gateway_order_query", "gateway_order_query", "the merchant's own"} {
				require.Equal(t, name, spans[i].Name())
				require.Equal(t, notification.SpanContext().SpanID(), spans[i].Parent().SpanID())
			}
			require.Equal(t, map[string]uint64{
				"gateway_order_query failed": 1, "gateway_order_query ok": 1, "notification " + tc.outcome: 1,
			}, s.points(t))
		})
	}
}

func TestHookLabelsStayFew(t *testing.T) {
	s := newShop(t)
	var calls sync.WaitGroup
	for i := range 40 {
		calls.Go(func() {
			_, err := s.client.GatewayPay(t.Context(), payRequest(fmt.Sprintf("A-%d", i), "https://shop.example"))
			if err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	require.Len(t, s.spans.Ended(), 40)
	require.Equal(t, map[string]uint64{"gateway_pay ok": 40}, s.points(t))
}

// answer is a transport that answers everything the same, and remembers the
// headers it was sent.
type answer struct {
	status int
	body   string
	header http.Header
}

func (a *answer) RoundTrip(r *http.Request) (*http.Response, error) {
	a.header = r.Header
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

func TestHookKeepsSecrets(t *testing.T) {
	buyer := "Somchai 0812345678"
	gone := &answer{status: http.StatusBadGateway, body: "no answer for " + buyer}
	s := newShop(t, ksher.WithHTTPClient(&http.Client{Transport: gone}))
	_, err := s.client.GatewayPay(t.Context(), payRequest("A-1", "https://shop.example"))
	require.ErrorContains(t, err, buyer)

	working := newShop(t)
	for _, kind := range []kshertest.FaultKind{kshertest.FaultDropAfter, kshertest.FaultBadSignature, kshertest.FaultTruncated, kshertest.FaultHTML502} {
		require.NoError(t, working.Inject(kshertest.Fault{Operation: "gateway_pay", Kind: kind}))
		_, err = working.client.GatewayPay(t.Context(), payRequest("A-"+string(kind), "https://shop.example"))
		require.Error(t, err)
	}
	secrets := []string{buyer, strings.Split(kshertest.PrivateKeyPEM(), "\n")[1]}
	for _, r := range working.Requests() {
		secrets = append(secrets, r.Params.Get("sign"), r.Params.Get("nonce_str"), r.SignText)
	}
	require.Len(t, secrets, 2+4*3)

	for _, s := range []*shop{s, working} {
		var all metricdata.ResourceMetrics
		require.NoError(t, s.metrics.Collect(t.Context(), &all))
		text := fmt.Sprintf("%+v", all)
		for _, stub := range tracetest.SpanStubsFromReadOnlySpans(s.spans.Ended()) {
			text += fmt.Sprintf("%+v", stub)
		}
		require.Contains(t, text, "gateway_pay")
		for _, secret := range secrets {
			require.NotEmpty(t, secret)
			require.NotContains(t, text, secret)
		}
	}
}

func TestTracedTellsNobody(t *testing.T) {
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	t.Cleanup(func() { otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator()) })
	member, err := baggage.NewMember("buyer", "somchai")
	require.NoError(t, err)
	bag, err := baggage.New(member)
	require.NoError(t, err)

	spans := tracetest.NewSpanRecorder()
	traces := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	base := &answer{status: http.StatusOK}
	req, err := http.NewRequestWithContext(baggage.ContextWithBaggage(t.Context(), bag), http.MethodPost, "https://ksher.example", nil)
	require.NoError(t, err)
	resp, err := traced(base, traces).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Empty(t, base.header)
	require.Len(t, spans.Ended(), 1)
}

// broken is a meter that has no instruments.
type broken struct{ metric.Meter }

func (broken) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return nil, io.ErrUnexpectedEOF
}

func TestHookRefuses(t *testing.T) {
	tracer, meter := tracenoop.NewTracerProvider().Tracer(""), metricnoop.NewMeterProvider().Meter("")
	_, err := Hook(nil, meter)
	require.ErrorContains(t, err, "nil")
	_, err = Hook(tracer, nil)
	require.ErrorContains(t, err, "nil")
	_, err = Hook(tracer, broken{meter})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestHookMeasuresSeconds(t *testing.T) {
	metrics := sdkmetric.NewManualReader()
	hook, err := Hook(tracenoop.NewTracerProvider().Tracer(""), sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics)).Meter(""))
	require.NoError(t, err)
	_, end := hook(t.Context(), ksher.Attempt{Operation: "order_query", Number: 1})
	end(ksher.Attempt{Operation: "order_query", Number: 1, Duration: 20 * time.Second})

	var all metricdata.ResourceMetrics
	require.NoError(t, metrics.Collect(t.Context(), &all))
	point := all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Histogram[float64]).DataPoints[0]
	require.Equal(t, 20.0, point.Sum)
	require.Equal(t, 30.0, point.Bounds[len(point.Bounds)-1])
	require.Equal(t, uint64(1), point.BucketCounts[len(point.Bounds)-1])
}

func TestStory(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, ksher.WithRetry(3, 0)))
	text := regexp.MustCompile(`order \d{17}[A-Z2-7]{15}`).ReplaceAllString(out.String(), "order A-1")
	text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "gateway")
	text = regexp.MustCompile(` +\d[\d.]*(µs|ms|s)\b *`).ReplaceAllString(text, " … ")
	text = regexp.MustCompile(` +\n`).ReplaceAllString(text, "\n")
	require.Equal(t, story, text)
}

// story is what the program prints, without what is never the same.
const story = `1. The shop created order A-1 over 150.50 THB.
2. The buyer paid. The query that confirms the notification failed once, was repeated, and the coffee was handed out.
3. The shop refunds 75.25 THB. The connection broke before the answer came, so Ksher was asked what became of it: it is done.

Traces:
  check out …
    gateway_pay … attempt 1, ok
      HTTP POST … status 200
  notification … attempt 1, ok
    gateway_order_query … attempt 1, failed, the HTTP status is not a success
      HTTP POST … status 500
    gateway_order_query … attempt 2, ok
      HTTP POST … status 200
    hand out the coffee …
  refund a bag …
    gateway_order_query … attempt 1, ok
      HTTP POST … status 200
    order_refund … attempt 1, unknown, no answer came: POST "http://gateway/KsherPay/order_refund": EOF
      HTTP POST … EOF
    gateway_order_query … attempt 1, ok
      HTTP POST … status 200
    order_query … attempt 1, ok
      HTTP POST … status 200
    refund_query … attempt 1, ok
      HTTP POST … status 200

Metric ksher.client.duration:
  operation            outcome  count  mean
  gateway_order_query  failed   1 …
  gateway_order_query  ok       3 …
  gateway_pay          ok       1 …
  notification         ok       1 …
  order_query          ok       1 …
  order_refund         unknown  1 …
  refund_query         ok       1 …

The four numbers that tell health:
  ksher.doubtful_requests          1
  ksher.refused_notifications      0
  ksher.oldest_open_order_age …
  ksher.last_successful_query_age …
`

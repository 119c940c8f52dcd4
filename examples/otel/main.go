// Command otel shows the metrics and traces of a whole payment, with
// OpenTelemetry. It starts a gateway of its own, plays the buyer, lets two things
// go wrong, and ends by itself:
//
//	cd examples/otel
//	go run .
//
// hook.go, for traces and durations, and health.go, the four numbers that tell whether a
// shop's payments are well, are there to be copied.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// scope names what makes the spans and metrics.
const scope = "github.com/ksher-go/ksher/examples/otel"

// run takes a payment, and prints what was seen of it.
func run(ctx context.Context, out io.Writer, opts ...ksher.Option) error {
	// Here a shop would have exporters to its collector, behind
	// sdktrace.WithBatcher and sdkmetric.NewPeriodicReader.
	spans, metrics := tracetest.NewInMemoryExporter(), sdkmetric.NewManualReader()
	traces := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans), sdktrace.WithSampler(sdktrace.AlwaysSample()))
	tracer := traces.Tracer(scope)
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics)).Meter(scope)

	gateway, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer gateway.Close()
	hook, err := Hook(tracer, meter)
	if err != nil {
		return err
	}
	s := &sale{out: out, gateway: gateway, tracer: tracer, paid: make(chan struct{}, 1)}
	health, err := NewHealth(meter, s.oldest)
	if err != nil {
		return err
	}
	httpClient := &http.Client{Transport: traced(gateway.HTTPClient().Transport, traces)}
	s.client, err = gateway.NewClient(append(opts, ksher.WithHook(hook), ksher.WithHook(health.Hook), ksher.WithHTTPClient(httpClient))...)
	if err != nil {
		return err
	}
	if err := s.payAndRefund(ctx); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nTraces:")
	printSpans(out, spans.GetSpans())
	return printMetrics(ctx, out, metrics)
}

// traced gives each HTTP request a span below that of its attempt. The request
// stays as it is: trace IDs and baggage in its header would tell Ksher what is
// none of its business.
func traced(base http.RoundTripper, traces trace.TracerProvider) http.RoundTripper {
	return otelhttp.NewTransport(base, otelhttp.WithTracerProvider(traces),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()))
}

// sale is one order, from its creation to a refund.
type sale struct {
	out     io.Writer
	gateway *kshertest.Gateway
	client  *ksher.Client
	tracer  trace.Tracer
	order   *ksher.GatewayPayRequest
	paid    chan struct{}
	created atomic.Pointer[time.Time] // when the order was, nil if none is open
}

// oldest is what a shop with a database asks it: SELECT min(created) FROM orders WHERE state = 'open'.
func (s *sale) oldest(context.Context) (time.Time, error) {
	if created := s.created.Load(); created != nil {
		return *created, nil
	}
	return time.Time{}, nil
}

// payAndRefund plays the shop and the buyer.
func (s *sale) payAndRefund(ctx context.Context) (err error) {
	server, err := s.listen()
	if err != nil {
		return err
	}
	// The notification's span ends after the shop has heard of the payment.
	defer func() { err = errors.Join(err, server.Shutdown(ctx)) }()
	if err := s.sell(ctx); err != nil {
		return err
	}
	return s.refundHalf(ctx)
}

// listen waits for notifications of an order that is still to be created.
func (s *sale) listen() (*http.Server, error) {
	payments, err := ksher.NewPayments(s.client, func(ctx context.Context, _ *ksher.Order) error {
		_, span := s.tracer.Start(ctx, "hand out the coffee")
		defer span.End()
		s.created.Store(nil)
		s.paid <- struct{}{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	notifications, err := payments.Notifications(func(context.Context, string) (ksher.OpenOrder, error) {
		return s.order.OpenOrder(), nil // The only order of this shop.
	})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := "http://" + listener.Addr().String()
	orderNo := ksher.NewOrderNo()
	s.order = &ksher.GatewayPayRequest{
		MchOrderNo:         orderNo,
		MchCode:            orderNo,
		TotalFee:           150_50, // 150.50 THB
		FeeType:            "THB",
		ChannelList:        []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard},
		ProductName:        "Two bags of coffee",
		ReferURL:           address + "/cart",
		MchRedirectURL:     address + "/thanks",
		MchRedirectURLFail: address + "/sorry",
		MchNotifyURL:       address + "/ksher/notify",
	}
	mux := http.NewServeMux()
	mux.Handle("/ksher/notify", notifications)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	return server, nil
}

// step does a part of the story under a span of its own.
func (s *sale) step(ctx context.Context, name string, do func(context.Context) error) error {
	ctx, span := s.tracer.Start(ctx, name)
	defer span.End()
	return do(ctx)
}

// sell creates the order, has it paid, and waits until the shop knows.
func (s *sale) sell(ctx context.Context) error {
	now := time.Now()
	s.created.Store(&now)
	err := s.step(ctx, "check out", func(ctx context.Context) error {
		_, err := s.client.GatewayPay(ctx, s.order)
		return err
	})
	if err != nil {
		return err
	}
	orderNo := s.order.MchOrderNo
	fmt.Fprintf(s.out, "1. The shop created order %s over %v %s.\n", orderNo, s.order.TotalFee, s.order.FeeType)

	if err := s.gateway.Inject(kshertest.Fault{Operation: "gateway_order_query", Kind: kshertest.FaultHTTP500}); err != nil {
		return err
	}
	if err := s.gateway.Pay(orderNo, ksher.ChannelTrueMoney); err != nil {
		return err
	}
	select {
	case <-s.paid:
	case <-ctx.Done():
		return fmt.Errorf("no notification of order %s came: %w", orderNo, ctx.Err())
	}
	fmt.Fprintln(s.out, "2. The buyer paid. The query that confirms the notification failed once, was repeated, and the coffee was handed out.")
	return nil
}

// refundHalf refunds half of the order while the connection breaks.
func (s *sale) refundHalf(ctx context.Context) error {
	refund := &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: s.order.MchOrderNo, MchRefundNo: ksher.NewRefundNo(), RefundFee: s.order.TotalFee / 2}
	if err := s.gateway.Inject(kshertest.Fault{Operation: "order_refund", Kind: kshertest.FaultDropAfter}); err != nil {
		return err
	}
	err := s.step(ctx, "refund a bag", func(ctx context.Context) error {
		_, err := s.client.Refund(ctx, refund)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "3. The shop refunds %v %s. The connection broke before the answer came, so Ksher was asked what became of it: it is done.\n", refund.RefundFee, s.order.FeeType)
	return nil
}

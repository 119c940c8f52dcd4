package e2e

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// shop is a merchant: a website with a webhook, at a gateway of its own.
type shop struct {
	t       *testing.T
	gateway *sandbox.Gateway
	url     string

	mu       sync.Mutex
	notified map[string][]*ksher.Order
	heard    chan struct{}
}

// landing is where the buyer comes back to.
const landing = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>%[1]s</title><link rel="icon" href="data:,"></head>
<body><h1>%[1]s</h1><p>Order %[2]s</p></body></html>`

// logo is a picture as a merchant might have.
const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64"><circle cx="32" cy="32" r="32" fill="#0b6e4f"/><path d="M18 40c0-16 10-22 28-22 0 18-8 28-22 28-2 0-4-1-6-2z" fill="#fff"/></svg>`

// newShop opens a shop whose gateway runs in real time.
func newShop(t *testing.T, opts ...sandbox.Option) *shop {
	t.Helper()
	s := &shop{t: t, notified: make(map[string][]*ksher.Order), heard: make(chan struct{}, 100)}
	quiet := sandbox.WithClientOptions(ksher.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	gateway, err := sandbox.Start(append([]sandbox.Option{quiet}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(gateway.Close)
	s.gateway = gateway

	mux := http.NewServeMux()
	mux.Handle("/notify", s.handler())
	for path, title := range map[string]string{"/thanks": "Thank you", "/sorry": "Not paid"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, landing, title, url.QueryEscape(r.URL.Query().Get("order")))
		})
	}
	mux.HandleFunc("GET /logo.svg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		io.WriteString(w, logo)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// handler is the shop's handler of notifications. Its books have what the gateway has.
func (s *shop) handler() *ksher.Notifications {
	payments, err := ksher.NewPayments(s.gateway.Client, s.hear)
	require.NoError(s.t, err)
	n, err := payments.Notifications(func(_ context.Context, no string) (ksher.OpenOrder, error) {
		order, err := s.gateway.Order(no)
		if err != nil {
			return ksher.OpenOrder{}, ksher.ErrNotOurs
		}
		return ksher.OpenOrder{MchOrderNo: no, Host: ksher.HostGateway, TotalFee: order.TotalFee, FeeType: order.FeeType}, nil
	})
	require.NoError(s.t, err)
	return n
}

func (s *shop) hear(_ context.Context, n *ksher.Order) error {
	s.mu.Lock()
	s.notified[n.MchOrderNo] = append(s.notified[n.MchOrderNo], n)
	s.mu.Unlock()
	s.heard <- struct{}{}
	return nil
}

// change is what a test wants otherwise in an order.
type change func(*ksher.GatewayPayRequest)

func lang(l string) change { return func(r *ksher.GatewayPayRequest) { r.Lang = l } }

func total(a ksher.Amount) change { return func(r *ksher.GatewayPayRequest) { r.TotalFee = a } }

func member(id string) change { return func(r *ksher.GatewayPayRequest) { r.MemberID = id } }

// order creates an order and returns the address of its checkout page.
func (s *shop) order(no string, channels []ksher.Channel, changes ...change) string {
	s.t.Helper()
	req := &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: 4500_00, FeeType: "THB", ChannelList: channels,
		ProductName: "Linen shirt, moss green", ShopName: "Moss and Linen", Logo: s.url + "/logo.svg",
		ReferURL: s.url + "/", MchRedirectURL: s.url + "/thanks?order=" + no, MchRedirectURLFail: s.url + "/sorry?order=" + no,
		MchNotifyURL: s.url + "/notify", ExpireTime: 30,
	}
	for _, c := range changes {
		c(req)
	}
	resp, err := s.gateway.Client.GatewayPay(s.t.Context(), req)
	require.NoError(s.t, err)
	return resp.PayContent
}

// visit opens a buyer's browser at this shop's gateway.
func (s *shop) visit(l layout) *buyer {
	s.t.Helper()
	return newBuyer(s.t, l, s.gateway.URL())
}

// state is where an order stands.
func (s *shop) state(no string) sandbox.State {
	s.t.Helper()
	o, err := s.gateway.Order(no)
	require.NoError(s.t, err)
	return o.State
}

// expectPaid checks that an order was paid by a channel, and that the shop has
// heard of it once.
func (s *shop) expectPaid(no string, channel ksher.Channel, sum ksher.Amount) {
	s.t.Helper()
	sandbox.AssertPaid(s.t, s.gateway, no, sum)
	deadline := time.After(stepTimeout)
	for len(s.notifications(no)) == 0 {
		select {
		case <-s.heard:
		case <-deadline:
			require.FailNow(s.t, "no notification came", no)
		}
	}
	heard := s.notifications(no)
	require.Len(s.t, heard, 1)
	assert.NoError(s.t, heard[0].CheckPaid(no, sum, "THB"))
	assert.Equal(s.t, channel, heard[0].Channel)
	// The gateway notes the answer after the handler has returned.
	require.Eventually(s.t, func() bool {
		o, err := s.gateway.Order(no)
		return err == nil && len(o.Deliveries) > 0
	}, stepTimeout, pollEvery)
	sandbox.AssertNotified(s.t, s.gateway, no)
}

func (s *shop) notifications(no string) []*ksher.Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notified[no]
}

// expectRefund gives half of an order back, or checks that the channel doesn't
// do that.
func (s *shop) expectRefund(no string, channel ksher.Channel, sum ksher.Amount) {
	s.t.Helper()
	half := sum / 2
	resp, err := s.gateway.Client.Refund(s.t.Context(), &ksher.RefundRequest{
		Host:       ksher.HostGateway,
		MchOrderNo: no, MchRefundNo: "R" + strings.TrimPrefix(no, "T"), RefundFee: half,
	})
	if channel == ksher.ChannelPromptPay {
		var refused *ksher.ValidationError
		require.ErrorAs(s.t, err, &refused, "PromptPay has no refunds")
		sandbox.AssertRefunded(s.t, s.gateway, no, 0)
		return
	}
	require.NoError(s.t, err)
	assert.Equal(s.t, half, resp.MchRefundFee)
	sandbox.AssertRefunded(s.t, s.gateway, no, half)
	assert.Equal(s.t, sandbox.RefundedInPart, s.state(no))
}

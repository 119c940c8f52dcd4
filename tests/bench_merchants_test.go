package tests

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/kshertest"
)

// hall is a local gateway with many merchants, which counts the connections to it.
type hall struct {
	keys        map[string]string // of app IDs: private keys
	base        string
	connections atomic.Int64
}

func newHall(tb testing.TB, merchants int) *hall {
	gateway := kshertest.New(tb)
	h := &hall{keys: make(map[string]string, merchants)}
	for i := range merchants {
		appID := fmt.Sprintf("mch8%04d", i)
		h.keys[appID] = gateway.Merchant(appID).PrivateKeyPEM()
	}
	target, err := url.Parse(gateway.URL())
	require.NoError(tb, err)
	front := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target))
	front.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			h.connections.Add(1)
		}
	}
	front.Start()
	tb.Cleanup(front.Close)
	h.base = front.URL + gateway.MerchantURL()[len(gateway.URL()):]
	return h
}

// router is that of a program, which reads keys from its database.
func (h *hall) router(tb testing.TB) *ksher.Router {
	done, quiet := ksher.NewMemoryDeduper(), slog.New(slog.DiscardHandler)
	router, err := ksher.NewRouter(func(_ context.Context, appID string) (*ksher.Notifications, error) {
		key, err := ksher.ParsePrivateKey([]byte(h.keys[appID]))
		if err != nil {
			return nil, err
		}
		client, err := ksher.NewClient(appID, key, ksher.WithMerchantURL(h.base), ksher.WithVerifier(kshertest.Verifier()), ksher.WithLogger(quiet))
		if err != nil {
			return nil, err
		}
		payments, err := ksher.NewPayments(client, func(context.Context, *ksher.Order) error { return nil }, ksher.WithDeduper(done))
		if err != nil {
			return nil, err
		}
		return payments.Notifications(func(context.Context, string) (ksher.OpenOrder, error) { return ksher.OpenOrder{}, ksher.ErrNotOurs })
	})
	require.NoError(tb, err)
	return router
}

// use has the merchants send as many requests as told, 20 at once, and returns the bytes
// that stay in memory for them and the connections that were made.
func (h *hall) use(tb testing.TB, merchants []string, requests int) (kept, connections float64) {
	transport.Shared().CloseIdleConnections()
	before, had := heapInUse(), h.connections.Load()
	router := h.router(tb)
	next := make(chan string)
	var sending sync.WaitGroup
	for range 20 {
		sending.Go(func() {
			for appID := range next {
				merchant, err := router.Get(tb.Context(), appID)
				if err == nil {
					_, err = merchant.Payments().Client().GetPayoutBalance(tb.Context(), &ksher.GetPayoutBalanceRequest{FeeType: "THB"})
				}
				if err != nil {
					tb.Error(err)
				}
			}
		})
	}
	for i := range requests {
		next <- merchants[i%len(merchants)]
	}
	close(next)
	sending.Wait()
	kept = heapInUse() - before
	connections = float64(h.connections.Load() - had)
	runtime.KeepAlive(router)
	return kept, connections
}

func heapInUse() float64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // What the first one put aside in pools.
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}

// BenchmarkMerchants is a program of a thousand merchants behind one router, against one
// of a single merchant that sends as many requests: what stays in memory, connections,
// and finding a merchant. It fails if a merchant takes ten times the memory that it did.
func BenchmarkMerchants(b *testing.B) {
	const merchants, most = 1000, 64 << 10
	h := newHall(b, merchants)
	all := make([]string, 0, merchants)
	for appID := range h.keys {
		all = append(all, appID)
	}
	slices.Sort(all)
	h.use(b, all[:1], merchants) // The buffers of the gateway stay.
	var kept, single, connections, singles []float64
	for range 3 {
		memory, made := h.use(b, all[:1], merchants)
		single, singles = append(single, memory), append(singles, made)
		memory, made = h.use(b, all, merchants)
		kept, connections = append(kept, memory/merchants), append(connections, made)
	}
	median := func(s []float64) float64 {
		slices.Sort(s)
		return s[len(s)/2]
	}

	thousand, one, i := h.router(b), h.router(b), 0
	get := func(router *ksher.Router, appID string) {
		if _, err := router.Get(b.Context(), appID); err != nil {
			b.Fatal(err)
		}
	}
	for _, appID := range all {
		get(thousand, appID)
	}
	compare(b, func() { get(thousand, all[i%merchants]); i++ }, func() { get(one, all[0]) })
	b.ReportMetric(median(kept), "B/merchant")
	b.ReportMetric(median(kept)/median(single), "memory-of-each/one")
	b.ReportMetric(median(connections), "connections")
	b.ReportMetric(median(connections)/median(singles), "connections/one")
	if median(kept) > most {
		b.Errorf("a merchant takes %.0f bytes, more than %d", median(kept), most)
	}
}

package sandbox_test

import (
	"context"
	"crypto"
	"crypto/md5"
	"fmt"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// A thousand buyers at once: each payment reaches the merchant, and none twice.
func TestThousandOrdersAtOnce(t *testing.T) {
	const orders = 1000
	gw, err := sandbox.Start()
	require.NoError(t, err)
	defer gw.Close()

	var mu sync.Mutex
	notified := make(map[string]int)
	all := make(chan struct{})
	server := httptest.NewServer(sandboxtest.Notifications(t, gw, func(_ context.Context, n *ksher.Order) error {
		mu.Lock()
		defer mu.Unlock()
		notified[n.MchOrderNo]++
		if len(notified) == orders {
			close(all)
		}
		return n.CheckPaid(n.MchOrderNo, 150_50, "THB")
	}))
	defer server.Close()

	var wg sync.WaitGroup
	numbers := make(chan string)
	for range 50 {
		wg.Go(func() {
			for no := range numbers {
				req := sandboxtest.GatewayPay(no)
				req.MchNotifyURL = server.URL
				_, err := gw.Client.GatewayPay(t.Context(), req)
				assert.NoError(t, err)
				assert.NoError(t, gw.Pay(no, ""))
			}
		})
	}
	for i := range orders {
		numbers <- fmt.Sprint("A-", i)
	}
	close(numbers)
	wg.Wait()
	select {
	case <-all:
	case <-t.Context().Done():
		t.Fatal("not every payment was announced")
	}
	gw.Advance(time.Hour) // Whatever would be sent once more.
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, notified, orders)
	for no, times := range notified {
		assert.Equal(t, 1, times, no)
	}
}

// BenchmarkNew is what a merchant's test waits for: from nothing to the first
// answer.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		gw, err := sandbox.Start()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := gw.Client.GatewayPay(b.Context(), sandboxtest.GatewayPay("A-1")); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		gw.Close()
		b.StartTimer()
	}
}

// BenchmarkQueries is signed queries over HTTP on the loopback interface, with
// 512-bit keys on both sides, and the share of its time that the two signatures
// take.
func BenchmarkQueries(b *testing.B) {
	gw, err := sandbox.Start()
	require.NoError(b, err)
	defer gw.Close()
	_, err = gw.Client.GatewayPay(b.Context(), sandboxtest.GatewayPay("A-1"))
	require.NoError(b, err)
	digest := md5.Sum(nil)
	start := time.Now()
	const signatures = 200
	for range signatures {
		_, err := sandbox.PrivateKey().Sign(nil, digest[:], crypto.MD5)
		require.NoError(b, err)
	}
	sign := time.Since(start) / signatures

	var failed atomic.Int64
	b.SetParallelism(4)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := gw.Client.GatewayOrderQuery(b.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-1"}); err != nil {
				failed.Add(1)
			}
		}
	})
	assert.Zero(b, failed.Load())
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
	// Both sides sign, and every core does.
	cores := float64(runtime.GOMAXPROCS(0))
	b.ReportMetric(2*sign.Seconds()*float64(b.N)/(cores*b.Elapsed().Seconds()), "share-of-RSA")
}

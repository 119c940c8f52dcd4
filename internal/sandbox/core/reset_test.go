package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
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

// Everything is as at the start, in the store as well, and numbers can be used again.
func TestReset(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	opts := []sandbox.Option{sandbox.WithStore(store), sandbox.WithSpeed(0), sandbox.WithMerchant("mch1", sandbox.Terms{})}
	gw, err := sandbox.Start(opts...)
	require.NoError(t, err)
	other, err := gw.MerchantOf("mch1")
	require.NoError(t, err)
	key := other.PrivateKeyPEM()

	live := func() {
		_, err := gw.Client.GatewayPay(t.Context(), storedOrder("A-1"))
		require.NoError(t, err)
		require.NoError(t, gw.Pay("A-1", ""))
		_, err = gw.Client.Refund(t.Context(), refundOf("A-1", "R-1", 40_00))
		require.NoError(t, err)
		_, err = gw.MerchantOf("mch2")
		require.NoError(t, err)
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultDuplicate}))
		gw.Advance(72 * time.Hour)
	}
	look := func() (all []string) {
		for _, list := range []string{"orders", "requests", "faults"} {
			_, body := sandboxtest.Ask(t, gw, "GET", "/control/"+list, "")
			all = append(all, strings.Join(strings.Fields(body), ""))
		}
		var merchants struct{ Merchants []struct{ AppID string } }
		_, body := sandboxtest.Ask(t, gw, "GET", "/control/merchants", "")
		require.NoError(t, json.Unmarshal([]byte(body), &merchants))
		return append(all, fmt.Sprint(merchants.Merchants))
	}
	nothing := []string{`{"orders":[],"total":0}`, `{"requests":[],"total":0}`, `{"faults":[]}`, `[{mch00000} {mch1}]`}

	for range 2 {
		live()
		before := look()
		store.Full = true
		status, body := sandboxtest.Ask(t, gw, "POST", "/control/reset", "")
		assert.Equal(t, 500, status, body)
		assert.Equal(t, before, look(), "nothing has changed")
		assert.Greater(t, time.Until(gw.Now()), 71*time.Hour)

		store.Full = false
		status, body = sandboxtest.Ask(t, gw, "POST", "/control/reset", "")
		require.Equal(t, 200, status, body)
		assert.Equal(t, nothing, look())
		assert.Less(t, time.Until(gw.Now()), time.Hour)
		assert.Empty(t, store.Orders)
		assert.Equal(t, key, gw.Known("mch1").PrivateKeyPEM())
	}
	gw.Close()
	gw, err = sandbox.Start(opts...)
	require.NoError(t, err)
	defer gw.Close()
	assert.Equal(t, nothing, look())
	assert.Less(t, time.Until(gw.Now()), time.Hour)

	status, body := sandboxtest.Ask(t, gw, "POST", "/control/reset", `{"seed": "x"}`)
	assert.Equal(t, 400, status, body)
	status, _ = sandboxtest.Ask(t, gw, "GET", "/control/reset", "")
	assert.Equal(t, 405, status)
}

// A merchant that a reset has forgotten gets a key of its own again, and a client with it.
func TestResetForgetsAddedMerchants(t *testing.T) {
	gw := sandbox.New(t)
	before, err := gw.MerchantOf("mch1")
	require.NoError(t, err)
	require.NoError(t, gw.Reset(t.Context()))
	after, err := gw.MerchantOf("mch1")
	require.NoError(t, err)
	assert.NotEqual(t, before.PrivateKeyPEM(), after.PrivateKeyPEM())
	_, err = after.Client.NativePay(t.Context(), sandboxtest.NativePay("A-1", ksher.ChannelAlipay))
	require.NoError(t, err)
}

// No notification from before a reset arrives after it, however many are under way, while
// others use the gateway.
func TestResetBesideDeliveries(t *testing.T) {
	gw, err := sandbox.Start(sandbox.WithSpeed(1000))
	require.NoError(t, err)
	defer gw.Close()
	var round, arrived atomic.Int64
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		var n struct {
			Data struct {
				No string `json:"mch_order_no"`
			}
		}
		assert.NoError(t, json.Unmarshal(body, &n))
		var of int64
		_, err = fmt.Sscanf(n.Data.No, "round-%d-", &of)
		assert.NoError(t, err)
		assert.Equal(t, round.Load(), of, n.Data.No)
		if arrived.Add(1)%3 == 0 { // The others are notified again.
			fmt.Fprint(w, `{"result":"SUCCESS","msg":"OK"}`)
		}
	}))
	defer shop.Close()
	for range 8 {
		var using sync.WaitGroup
		for i := range 8 {
			using.Go(func() {
				no := fmt.Sprintf("round-%d-%d", round.Load(), i)
				gw.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultDuplicate})
				req := sandboxtest.NativePay(no, ksher.ChannelAlipay)
				req.NotifyURL = shop.URL
				_, err := gw.Client.NativePay(t.Context(), req)
				assert.NoError(t, err)
				assert.NoError(t, gw.Pay(no, ""))
				gw.Advance(time.Minute)
			})
		}
		using.Wait()
		require.NoError(t, gw.Reset(t.Context()))
		round.Add(1)
	}
	assert.Positive(t, arrived.Load())
}

// A reset doesn't wait for a shop that doesn't answer, and what was to come after that
// answer doesn't come.
func TestResetBreaksOff(t *testing.T) {
	gw := sandbox.New(t)
	arrived, release := make(chan struct{}, 9), make(chan struct{})
	shop := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	defer shop.Close()
	sandboxtest.PaidOrder(t, gw, "A-1", shop.URL)
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultDuplicate}))
	delivered, advanced := make(chan error, 1), make(chan error, 1)
	go func() { delivered <- gw.Deliver(t.Context(), "A-1") }()
	<-arrived

	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, gw.Reset(impatient))
	assert.ErrorContains(t, <-delivered, "reset")

	// Nor does the clock go on that was being moved.
	sandboxtest.PaidOrder(t, gw, "A-1", shop.URL)
	go func() { advanced <- gw.AdvanceContext(t.Context(), 48*time.Hour) }()
	<-arrived
	require.NoError(t, gw.Reset(impatient))
	assert.ErrorContains(t, <-advanced, "reset")
	assert.Less(t, time.Until(gw.Now()), time.Hour)
	close(release)
	assert.Empty(t, arrived)
}

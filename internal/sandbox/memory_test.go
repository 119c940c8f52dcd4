package sandbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// heap is how many MiB are in use.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// fatOrder makes and pays an order that is nearly as large as a request may be: by one long
// parameter, or by many short ones.
func fatOrder(t *testing.T, gw *sandbox.Gateway, no string, many bool) {
	t.Helper()
	req := sandboxtest.GatewayPay(no)
	req.MchNotifyURL = "http://127.0.0.1:1/"
	req.Extra.Params = map[string]string{"fat": strings.Repeat("x", 60_000)}
	if many {
		for i := range 6000 {
			req.Extra.Params[fmt.Sprint("p", i)] = ""
		}
		delete(req.Extra.Params, "fat")
	}
	_, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	require.NoError(t, gw.Pay(no, ksher.ChannelTrueMoney))
}

// However large requests are, the gateway stays small: it forgets the oldest orders and
// requests. While a list of all orders is on its way it isn't in memory as a whole.
func TestMemory(t *testing.T) {
	const mib, orders = 16, 400
	gw := sandbox.New(t, sandbox.WithMaxBytes(mib<<20))
	before := heap()
	for i := range orders {
		fatOrder(t, gw, fmt.Sprint("A-", i), i%20 == 0)
	}
	kept := heap() - before
	t.Logf("%d fat orders take %.0f MiB", orders, kept)
	assert.Less(t, kept, 2.0*mib, "orders and the log of requests")
	_, err := gw.Order(fmt.Sprint("A-", orders-1))
	require.NoError(t, err)
	_, err = gw.Order("A-0")
	require.ErrorIs(t, err, sandbox.ErrNoOrder)
	assert.Greater(t, len(gw.Orders()), 10)

	resp, err := gw.HTTPClient().Get(gw.URL() + "/control/orders")
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = resp.Body.Read(make([]byte, 1))
	require.NoError(t, err)
	listing := heap()
	for range 9 { // Until it is written as far as the connection takes it, there is garbage, too.
		listing = min(listing, heap())
	}
	listing -= before + kept
	t.Logf("listing them takes %.0f MiB", listing)
	assert.Less(t, listing, 1.0*mib, "all of them as texts take more")
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.True(t, json.Valid(append([]byte("{"), text...)))
}

// Orders of the usual size are forgotten by their number alone.
func TestOrdinaryOrdersFit(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithMaxBytes(128<<20/20))
	for i := range 500 {
		sandboxtest.PaidOrder(t, gw, fmt.Sprint("A-", i), "http://127.0.0.1:1/")
	}
	assert.Len(t, gw.Orders(), 500)
}

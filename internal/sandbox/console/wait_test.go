package console_test

import (
	"context"
	"fmt"
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

// What is missing when the time is over, or never comes, is said.
func TestWaitMissing(t *testing.T) {
	gw := sandbox.New(t)
	shop := sandboxtest.NewShop(t)
	for _, no := range []string{"open", "failed", "cancelled", "silent"} {
		_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay(no, ksher.ChannelPromptPay))
		require.NoError(t, err)
	}
	require.NoError(t, gw.Fail("failed"))
	_, err := gw.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "cancelled"})
	require.NoError(t, err)
	require.NoError(t, gw.Pay("silent", ""))
	for _, no := range []string{"due", "refused", "spoiled", "heard"} {
		sandboxtest.PaidOrder(t, gw, no, shop.URL)
	}
	shop.Answer = "no such shop"
	require.Error(t, gw.Deliver(t.Context(), "refused"))
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultCorrupt}))
	require.Error(t, gw.Deliver(t.Context(), "spoiled"))
	shop.Answer = `{"result":"SUCCESS","msg":"OK"}`
	require.NoError(t, gw.Deliver(t.Context(), "heard"))

	for _, tt := range []struct {
		no, body string
		status   int
		want     string
	}{
		{"none", `{"seconds": 0.01}`, 504, `order \"none\": after 10ms: there is no such order`},
		{"open", `{"seconds": 0.01}`, 504, "it is created, not paid"},
		{"cancelled", `{"seconds": 0.01}`, 504, "it is cancelled, not paid"},
		{"silent", `{"seconds": 0.01}`, 504, "give an mch_notify_url to gateway_pay"},
		{"due", `{"seconds": 0.01}`, 504, "it is paid, but no attempt to notify the merchant has ended yet, and the next attempt is due at "},
		{"refused", `{"seconds": 0.01, "state": "paid", "notified": true}`, 504, `attempt 1 ended with HTTP 200, \"no such shop\", and the next attempt is due at `},
		{"spoiled", `{"seconds": 0.01}`, 504, "under the fault corrupt"},
		{"heard", `{"seconds": 0.01, "state": "refunded in part"}`, 504, "it is paid, not refunded in part"},
		{"heard", `{"state": "cancelled"}`, 409, "it is paid, not cancelled, and won't be any more"},
		{"failed", "", 409, "it is failed, not paid, and won't be any more"},
		{"failed", `{"state": "failed"}`, 200, `"state": "failed"`},
		{"open", `{"state": "created", "notified": false}`, 200, `"state": "created"`},
		{"silent", `{"state": "paid"}`, 200, `"state": "paid"`},
		{"silent", `{"notified": false}`, 200, `"state": "paid"`},
		{"heard", "", 200, `"accepted": true`},
		{"heard", `{"state": "payed"}`, 400, `there is no state \"payed\"; there are [\"cancelled\"`},
		{"heard", `{"seconds": 61}`, 400, "at most 60 seconds"},
		{"heard", `{"seconds": 0}`, 400, "more than 0"},
		{"heard", `{"minutes": 1}`, 400, "unknown field"},
		{"heard?appid=mch1", "", 404, `there is no merchant \"mch1\"`},
	} {
		path, query, _ := strings.Cut(tt.no, "?")
		status, body := sandboxtest.Ask(t, gw, "POST", "/control/orders/"+path+"/wait?"+query, tt.body)
		assert.Equal(t, tt.status, status, "%v: %s", tt, body)
		assert.Contains(t, body, tt.want, tt)
	}
}

// How the shop copes is in this answer, too.
func TestWaitJudges(t *testing.T) {
	gw := sandbox.New(t)
	_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
	require.NoError(t, err)
	sandboxtest.Ask(t, gw, "POST", "/control/orders/A-1/scenario", `{"name": "lost"}`)
	status, body := sandboxtest.Ask(t, gw, "POST", "/control/orders/A-1/wait", `{"state": "paid"}`)
	assert.Equal(t, 200, status, body)
	assert.Contains(t, body, `"mark": "waiting"`)
}

// The checkout page's address is one that whoever asked can reach.
func TestWaitAddress(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithHosts("sandbox"))
	_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
	require.NoError(t, err)
	status, body := sandboxtest.Ask(t, gw, "POST", "/control/orders/A-1/wait", `{"state": "created"}`, "Host", "sandbox:8765")
	assert.Equal(t, 200, status, body)
	assert.Contains(t, body, `"page_url": "http://sandbox:8765/`)
}

// One call returns when the shop has heard of the payment, whatever happens on the way.
func TestWaitIsWoken(t *testing.T) {
	gw, err := sandbox.Start(sandbox.WithSpeed(100))
	require.NoError(t, err)
	defer gw.Close()
	var heard atomic.Int32
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if heard.Add(1) > 2 {
			fmt.Fprint(w, `{"result":"SUCCESS","msg":"OK"}`)
		}
	}))
	defer shop.Close()
	var waiting sync.WaitGroup
	wait := func(no, body, want string) {
		waiting.Go(func() {
			status, text := sandboxtest.Ask(t, gw, "POST", "/control/orders/"+no+"/wait", body)
			assert.Equal(t, 200, status, text)
			assert.Contains(t, text, want)
		})
	}
	wait("A-1", `{"seconds": 60}`, `"attempt": 3`)
	wait("A-3", `{"seconds": 60, "state": "refunded in part"}`, `"refunded": 100`)
	wait("A-2", `{"seconds": 60, "state": "expired"}`, `"state": "expired"`)
	expiring := sandboxtest.GatewayPay("A-2")
	expiring.ExpireTime = 1
	_, err = gw.Client.GatewayPay(t.Context(), expiring)
	require.NoError(t, err)
	sandboxtest.PaidOrder(t, gw, "A-1", shop.URL)
	sandboxtest.PaidOrder(t, gw, "A-3", "")
	_, err = gw.Client.Refund(t.Context(), &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: "A-3", MchRefundNo: "R-1", RefundFee: 1_00})
	require.NoError(t, err)
	waiting.Wait()
}

// Whoever has accepted a notification gets a duplicate before the waiting ends, so that a
// test sees what the shop makes of it.
func TestWaitForDuplicates(t *testing.T) {
	gw, err := sandbox.Start()
	require.NoError(t, err)
	defer gw.Close()
	shop := sandboxtest.NewShop(t)
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultDuplicate}))
	sandboxtest.PaidOrder(t, gw, "A-1", shop.URL)
	status, text := sandboxtest.Ask(t, gw, "POST", "/control/orders/A-1/wait", "")
	require.Equal(t, 200, status, text)
	assert.Contains(t, text, `"attempt": 2`)
	assert.Len(t, shop.Bodies, 2)
}

// A client that goes away makes room, of which there is for a hundred.
func TestWaitEndsWithItsClient(t *testing.T) {
	gw, err := sandbox.Start()
	require.NoError(t, err)
	ask := func(ctx context.Context, body string) int {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, gw.URL()+"/control/orders/A-1/wait", strings.NewReader(body))
		if !assert.NoError(t, err) {
			return 0
		}
		resp, err := gw.HTTPClient().Do(req)
		if err != nil {
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	ctx, leave := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 100 {
		waiting.Go(func() {
			for ask(ctx, `{"seconds": 60}`) == http.StatusServiceUnavailable { // The one that looks had its place.
			}
		})
	}
	full := func() bool { return ask(t.Context(), `{"seconds": 0.001}`) == http.StatusServiceUnavailable }
	require.Eventually(t, full, time.Minute, time.Millisecond)
	leave()
	waiting.Wait()
	require.Eventually(t, func() bool { return !full() }, time.Minute, time.Millisecond)

	ended := make(chan int, 1)
	go func() { ended <- ask(t.Context(), `{"seconds": 60}`) }()
	gw.Close()
	assert.Contains(t, []int{0, http.StatusServiceUnavailable}, <-ended)
}

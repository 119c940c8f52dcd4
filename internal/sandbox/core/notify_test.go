package core_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

// After an attempt that was accepted there is no other, whatever becomes of one that is
// under way.
func TestDeliveriesAtOnce(t *testing.T) {
	gw := sandbox.New(t)
	arrived := make(chan chan string)
	var attempts atomic.Int32
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if attempts.Add(1) > 2 {
			return
		}
		answer := make(chan string)
		arrived <- answer
		fmt.Fprint(w, <-answer)
	}))
	defer shop.Close()
	sandboxtest.PaidOrder(t, gw, "A-1", shop.URL)
	var calls [2]chan error
	var answers [2]chan string
	for i := range calls {
		calls[i] = make(chan error, 1)
		go func() { calls[i] <- gw.Deliver(t.Context(), "A-1") }()
		answers[i] = <-arrived
	}
	answers[0] <- `{"result":"SUCCESS","msg":"OK"}`
	require.NoError(t, <-calls[0])
	answers[1] <- "no"
	require.ErrorIs(t, <-calls[1], sandbox.ErrNotAccepted)
	gw.Advance(48 * time.Hour)
	assert.EqualValues(t, 2, attempts.Load())
}

// Requests that aren't the merchant's leave the faults for those that are.
func TestForgeriesUseUpNoFault(t *testing.T) {
	gw := sandbox.New(t)
	for path, operation := range map[string]string{
		"/api/gateway_order_query": "gateway_order_query", "/api/v1/redirect/orders": "vip redirect create",
	} {
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: operation, Kind: sandbox.FaultRefuse, Code: ksher.CodeSystemError}))
		resp, err := gw.HTTPClient().PostForm(gw.URL()+path, url.Values{"appid": {sandbox.AppID}, "sign": {"00"}})
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	assert.Len(t, gw.Faults(), 2)
}

// What a test is given of a request isn't the order's own.
func TestRequestsAreCopies(t *testing.T) {
	gw := sandbox.New(t)
	sandboxtest.PaidOrder(t, gw, "A-1", "https://shop.example/notify")
	for _, r := range gw.Requests() {
		r.Params.Set("attach", "changed")
		r.Params["product_name"][0] = "changed"
	}
	order, err := gw.Order("A-1")
	require.NoError(t, err)
	assert.NotContains(t, fmt.Sprint(order.Params, gw.Requests()), "changed")
}

// The time in Ksher's own number is an hour ahead of the times in its answers.
func TestNumbersOfKsher(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "answer: the time in ksher_order_no is UTC+8, though time_end is UTC+7")
	testkit.Holds(t, testkit.Genuine, "answer: pay_mch_order_no has 16 digits")
	gw := sandbox.New(t)
	sandboxtest.PaidOrder(t, gw, "A-1", "")
	order := sandboxtest.GatewayState(t, gw, "A-1")
	assert.Equal(t, "900"+order.TimeEnd.Add(time.Hour).Format("20060102150405"), order.KsherOrderNo[:17])
	assert.Regexp(t, `^\d{16}$`, order.PayMchOrderNo)
}

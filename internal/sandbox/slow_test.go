package sandbox_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// Whoever sends a request and never ends it keeps no connection.
func TestSlowRequestsAreCutOff(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithReadTimeout(50*time.Millisecond))
	address := strings.TrimPrefix(gw.URL(), "http://")
	const form = "Content-Type: application/x-www-form-urlencoded\r\n"
	requests := map[string]string{"half a header": "POST /api/gateway_pay HTTP/1.1\r\nHost: x\r\nContent-"}
	for _, path := range []string{
		"/api/gateway_pay", "/KsherPay/quick_pay", "/api/v1/redirect/orders", "/opn/charges", "/pc", "/ua", "/do/clear", "/control/faults", "/nowhere",
	} {
		requests[path] = fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 1000\r\n\r\nap", path, address, form)
		requests[path+" in chunks"] = fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\n%sTransfer-Encoding: chunked\r\n\r\n2\r\nap", path, address, form)
	}
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", address)
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, request)
			require.NoError(t, err)
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
			_, err = io.ReadAll(conn)
			if err != nil { // A connection that is closed before all was read may be reset.
				assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
			}
		})
	}
}

// What a fault delays isn't cut off: the request is there as a whole.
func TestDelayedAnswersAreNotCutOff(t *testing.T) {
	const patience = 20 * time.Millisecond
	gw := sandbox.New(t, sandbox.WithReadTimeout(patience))
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "gateway_pay", Kind: sandbox.FaultLatency, Delay: 5 * patience}))
	began := time.Now()
	_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(began), 5*patience)
}

func TestLargeHeaders(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithStrict(false))
	long := url.Values{"attach": {strings.Repeat("x", 70_000)}}.Encode()
	status, body := sandboxtest.Ask(t, gw, "GET", "/api/gateway_pay?"+long, "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "KSHER_PARAM_OVERLENGTH")
	status, _ = sandboxtest.Ask(t, gw, "GET", "/", "", "X-Long", strings.Repeat("x", 200_000))
	assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, status)
}

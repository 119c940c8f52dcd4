package console_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// watch opens a stream of events, and returns how to wait for the next of them.
func watch(t *testing.T, gw *sandbox.Gateway, of string) (next func() bool) {
	t.Helper()
	resp, err := gw.HTTPClient().Get(gw.URL() + "/events?of=" + of)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	require.Equal(t, "no", resp.Header.Get("X-Accel-Buffering"))
	lines := bufio.NewScanner(resp.Body)
	return func() bool {
		for lines.Scan() {
			if lines.Text() == "data: changed" {
				return true
			}
		}
		return false
	}
}

func TestEvents(t *testing.T) {
	gw := sandbox.New(t)
	orders, requests := watch(t, gw, "orders"), watch(t, gw, "requests")
	require.True(t, orders(), "the first comes at once, for what has changed since the page was made")
	require.True(t, requests())
	_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("E-1"))
	require.NoError(t, err)
	require.True(t, orders())
	require.True(t, requests())
	require.NoError(t, gw.Pay("E-1", ""))
	require.True(t, orders())
	gw.Advance(time.Hour)
	require.True(t, orders(), "the clock is on the page, and orders expire by it")
	status, _ := sandboxtest.Ask(t, gw, "GET", "/events?of=zap", "")
	assert.Equal(t, 404, status)
	begun := time.Now()
	gw.Close()
	assert.Less(t, time.Since(begun), time.Second, "and a stream on which nothing happens doesn't hold it up")
	ended := false
	for range 5 { // One change may be heard of twice.
		ended = ended || !orders()
	}
	assert.True(t, ended, "the stream ends with the gateway")
}

// An order that nobody touches expires all the same.
func TestEventOfExpiry(t *testing.T) {
	gw, err := sandbox.Start(sandbox.WithSpeed(600))
	require.NoError(t, err)
	defer gw.Close()
	next := watch(t, gw, "orders")
	require.True(t, next())
	req := sandboxtest.GatewayPay("E-1")
	req.ExpireTime = 5 // Minutes: half a second.
	_, err = gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	for sandboxtest.Seen(t, gw, "E-1").State != sandbox.Expired {
		require.True(t, next())
	}
}

// A reader that doesn't read holds nobody up, and there is a bound to how many there are.
func TestSlowReaders(t *testing.T) {
	gw := sandbox.New(t)
	var refused int
	for range 110 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(gw.URL(), "http://"))
		require.NoError(t, err)
		defer conn.Close()
		fmt.Fprintf(conn, "GET /events?of=orders HTTP/1.1\r\nHost: localhost\r\n\r\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		if strings.Contains(line, "503") {
			refused++
		}
	}
	assert.Equal(t, 10, refused)
	for i := range 100 {
		_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay(fmt.Sprint("S-", i)))
		require.NoError(t, err)
	}
	begun := time.Now()
	gw.Close()
	assert.Less(t, time.Since(begun), time.Second, "open streams don't hold up the end")
}

// The orders are found by each of their numbers, and by state and channel.
func TestSearch(t *testing.T) {
	gw := sandbox.New(t)
	for _, no := range []string{"Find-1", "Find-2", "Find-3"} {
		_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay(no))
		require.NoError(t, err)
	}
	require.NoError(t, gw.Pay("Find-2", ksher.ChannelCard))
	require.NoError(t, gw.RefundOnPlatform("Find-2", 1_00))
	require.NoError(t, gw.Fail("Find-3"))
	o := sandboxtest.Seen(t, gw, "Find-2")
	refund := o.Refunds[0]
	type query map[string]string
	for _, tt := range []struct {
		query query
		want  string
	}{
		{query{}, "Find-3 Find-2 Find-1"},
		{query{"number": " find-2 "}, "Find-2"},
		{query{"number": "IND-"}, "Find-3 Find-2 Find-1"},
		{query{"number": o.KsherOrderNo}, "Find-2"},
		{query{"number": o.PayMchOrderNo}, "Find-2"},
		{query{"number": o.ChannelOrderNo}, "Find-2"},
		{query{"number": refund.MchRefundNo}, "Find-2"},
		{query{"number": refund.KsherRefundNo}, "Find-2"},
		{query{"number": refund.ChannelRefundNo}, "Find-2"},
		{query{"number": "none"}, ""},
		{query{"state": "failed"}, "Find-3"},
		{query{"state": "refunded in part", "channel": "card"}, "Find-2"},
		{query{"channel": "truemoney"}, "Find-3 Find-1"},
		{query{"channel": "wechat"}, ""},
		{query{"appid": sandbox.AppID, "state": "failed"}, "Find-3"},
	} {
		path := "orders?"
		for name, value := range tt.query {
			path += name + "=" + strings.ReplaceAll(value, " ", "%20") + "&"
		}
		_, body := sandboxtest.Ask(t, gw, "GET", "/control/"+path, "")
		var answer struct {
			Orders []struct {
				No string `json:"mch_order_no"`
			}
			Total int
		}
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		_, page := sandboxtest.Ask(t, gw, "GET", "/"+strings.TrimPrefix(path, "orders"), "")
		var found []string
		for _, o := range answer.Orders {
			found = append(found, o.No)
			assert.Contains(t, page, `href="/order?no=`+o.No+`"`, tt.query)
		}
		assert.Equal(t, tt.want, strings.Join(found, " "), tt.query)
		assert.Equal(t, len(found), answer.Total, tt.query)
		assert.Equal(t, len(found), strings.Count(page, `href="/order?no=`), tt.query)
	}
	for query, want := range map[string]int{"state=zap": 400, "appid=mch99999": 404} {
		status, _ := sandboxtest.Ask(t, gw, "GET", "/control/orders?"+query, "")
		assert.Equal(t, want, status, query)
		status, _ = sandboxtest.Ask(t, gw, "GET", "/?"+query, "")
		assert.Equal(t, want, status, query)
	}
}

// With ten thousand orders each page comes soon, also where all have to be looked at.
func TestTenThousandOrders(t *testing.T) {
	gw := sandbox.New(t)
	const orders = 10_000
	fill(t, gw, orders)
	for path, want := range map[string]string{
		"/":                                    "10000 in all",
		"/?page=200":                           "Page 200 of 200",
		"/?page=999":                           "Page 200 of 200",
		"/?number=s-77":                        "111 found",
		"/?number=s-77&page=2":                 `href="/?number=s-77&amp;page=3"`,
		"/?number=none":                        "No such order",
		"/?state=expired&page=7":               "No such order",
		"/control/orders?number=s-77&limit=50": `"total": 111`,
	} {
		var best time.Duration
		for range 5 {
			begun := time.Now()
			status, body := sandboxtest.Ask(t, gw, http.MethodGet, path, "")
			took := time.Since(begun)
			require.Equal(t, 200, status)
			require.Contains(t, body, want, path)
			if best == 0 || took < best {
				best = took
			}
		}
		t.Logf("%v %s", best, path)
		assert.Less(t, best, 200*time.Millisecond, path)
	}
}

// Pages that are open, and don't read, cost little however much happens meanwhile.
func TestOpenPagesTakeLittleMemory(t *testing.T) {
	gw := sandbox.New(t)
	const orders, pages, changes, mib = 10_000, 100, 100_000, 8
	fill(t, gw, orders)
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	before := heap()
	for range pages {
		conn, err := net.Dial("tcp", strings.TrimPrefix(gw.URL(), "http://"))
		require.NoError(t, err)
		defer conn.Close()
		fmt.Fprintf(conn, "GET /events?of=orders HTTP/1.1\r\nHost: localhost\r\n\r\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, "200")
	}
	gw.Do(func(tx *core.Tx) {
		for range changes {
			tx.Touch(tx.Own(core.AppID, "S-0"))
			require.NoError(t, tx.Save())
		}
	})
	grown := heap() - before
	t.Logf("%d pages beside %d orders take %.1f MiB after %d changes", pages, orders, grown, changes)
	assert.Less(t, grown, float64(mib))
}

// fill creates orders by the core, as signing so many calls takes longer than the test.
func fill(t *testing.T, gw *sandbox.Gateway, orders int) {
	t.Helper()
	gw.Do(func(tx *core.Tx) {
		for i := range orders {
			tx.Add(&core.Entry{
				Gateway: true, AppID: core.AppID, MchOrderNo: fmt.Sprint("S-", i), UUID: core.NewUUID(),
				Channels: []ksher.Channel{ksher.ChannelCard}, Total: 150_50, FeeType: "THB",
			})
			require.NoError(t, tx.Save())
		}
	})
}

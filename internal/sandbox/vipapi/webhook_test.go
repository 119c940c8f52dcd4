package vipapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

// hook is a merchant's address for the notifications of vip.ksher.net.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []url.Values
	at     []time.Time
}

func newHook(t *testing.T, gw *sandbox.Gateway) *hook {
	h := &hook{status: 200}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, http.MethodGet, r.Method)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got, h.at = append(h.got, r.URL.Query()), append(h.at, gw.Now())
		w.WriteHeader(h.status)
	}))
	t.Cleanup(h.Close)
	require.NoError(t, gw.SetVIPWebhook(h.address()))
	return h
}

// address is the registered one.
func (h *hook) address() string { return h.URL + "/hook" }

// heard has what the notifications said, and of which order.
func (h *hook) heard() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, q := range h.got {
		all = append(all, q.Get("instance")+" "+q.Get("message"))
	}
	return all
}

func TestVIPWebhook(t *testing.T) {
	gw := sandbox.New(t)
	m, h := merchant{t, gw}, newHook(t, gw)
	m.create("redirect", "ชา 1")
	assert.ErrorIs(t, gw.Deliver(t.Context(), "ชา 1"), sandbox.ErrNoNotification)
	require.NoError(t, gw.Pay("ชา 1", ""))
	require.NoError(t, gw.Deliver(t.Context(), "ชา 1"))
	require.Len(t, h.got, 1)
	q := h.got[0]
	sent := fields{}
	for name := range q {
		sent[name] = q.Get(name)
	}
	assert.Equal(t, macOf(sandbox.VIPToken, h.address(), sent), q.Get("signature"))
	delete(sent, "signature")
	assert.Equal(t, fields{"type": "Order", "instance": "ชา 1", "code": "StatusChange", "message": "Order Paid"}, sent)
	sandbox.AssertNotified(t, gw, "ชา 1")

	require.NoError(t, gw.Deliver(t.Context(), "ชา 1"), "once more")
	assert.Equal(t, []string{"ชา 1 Order Paid", "ชา 1 Order Paid"}, h.heard())
	status, page := sandboxtest.Ask(t, gw, "GET", "/order?no="+url.QueryEscape("ชา 1"), "")
	assert.Equal(t, 200, status)
	assert.Contains(t, page, "Order&#43;Paid")
}

// A fixed signature, made by Python's hmac.
func TestVIPWebhookSignature(t *testing.T) {
	gw := sandbox.New(t)
	require.NoError(t, gw.SetVIPWebhook("https://shop.example/hook"))
	merchant{t, gw}.create("redirect", "V-1 ชา")
	require.NoError(t, gw.Pay("V-1 ชา", ""))
	_, page := sandboxtest.Ask(t, gw, "GET", "/order?no="+url.QueryEscape("V-1 ชา"), "")
	assert.Contains(t, page, "3911FF230505A49E0AE394B9139BF249AA6C283CA5F6983F8202CBB9B64F01A5")
}

func TestVIPWebhookOfEachChange(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: notifications are Order Timeout, Order Closed, Order Paid and Order Refunded")
	gw := sandbox.New(t)
	m, h := merchant{t, gw}, newHook(t, gw)
	for _, no := range []string{"paid", "failed", "cancelled", "expired", "timed out", "new", "late"} {
		minutes := 30
		if no == "new" {
			minutes = 300
		}
		m.create("redirect", no, "expire_time", minutes)
	}
	refund := func(no string) {
		m.ok("REFUNDED", "PUT", vipPath("redirect")+"/paid", fields{"refund_order_id": no, "refund_amount": 1_00})
	}
	require.NoError(t, gw.Pay("paid", ksher.ChannelCard))
	refund("R-1") // Before the first notification could go out.
	refund("R-2")
	require.NoError(t, gw.Fail("failed"))
	require.NoError(t, gw.Expire("expired"))
	m.ok("SUCCESS", "DELETE", vipPath("redirect")+"/cancelled", nil)
	gw.Advance(0)
	gw.Advance(0) // Nothing is said twice.
	assert.ElementsMatch(t, []string{"paid Order Paid", "paid Order Refunded", "paid Order Refunded", "failed Order Closed",
		"expired Order Timeout", "cancelled Order Closed"}, h.heard())
	assert.True(t, slices.IsSortedFunc(h.got, func(a, b url.Values) int { // Of each order in its order.
		if a.Get("instance") != "paid" || b.Get("instance") != "paid" {
			return 0
		}
		return strings.Compare(a.Get("message"), b.Get("message"))
	}))
	require.NoError(t, gw.Pay("cancelled", ksher.ChannelPromptPay), "by the QR code the buyer saved")

	start := gw.Now()
	h.got, h.at = nil, nil
	gw.Advance(2 * time.Hour)
	assert.Equal(t, []string{"cancelled Order Paid", "timed out Order Timeout", "late Order Timeout"}, h.heard())
	assert.Equal(t, start.Add(30*time.Minute), h.at[1], "when it ends")
	buyer := sandboxtest.NewBuyer(t, gw, "")
	view := m.ok("SUCCESS", "GET", vipPath("redirect")+"/late", nil)
	buyer.Open(view["reference"].(string))
	assert.Equal(t, "Closed", view["status"])
	gw.Advance(10 * time.Hour)
	assert.Equal(t, []string{"cancelled Order Paid", "timed out Order Timeout", "late Order Timeout", "new Order Timeout"}, h.heard())
}

func TestVIPWebhookSchedule(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: a notification that isn't answered with 200 comes six more times, five seconds apart")
	gw := sandbox.New(t)
	m, h := merchant{t, gw}, newHook(t, gw)
	start := gw.Now()
	h.status = 500
	m.create("redirect", "V-1")
	require.NoError(t, gw.Pay("V-1", ksher.ChannelCard))
	m.ok("REFUNDED", "PUT", vipPath("redirect")+"/V-1", fields{"refund_order_id": "R", "refund_amount": 1})
	gw.Advance(time.Hour)
	require.Len(t, h.at, 14)
	for i, at := range h.at {
		want := time.Duration(min(i, 6)) * 5 * time.Second
		if i > 6 { // The refund, after what is given up.
			want += time.Duration(i-7) * 5 * time.Second
		}
		assert.Equal(t, start.Add(want), at, i)
	}
	assert.Equal(t, []string{"V-1 Order Paid", "V-1 Order Refunded"}, slices.Compact(h.heard()))
	o, err := gw.Order("V-1")
	require.NoError(t, err)
	assert.Len(t, o.Deliveries, 14)
	assert.False(t, o.Deliveries[13].Accepted)

	h.status = 201
	assert.ErrorIs(t, gw.Deliver(t.Context(), "V-1"), sandbox.ErrNotAccepted, "any 200 means that one")
	h.Close()
	err = gw.Deliver(t.Context(), "V-1")
	assert.ErrorIs(t, err, sandbox.ErrNotAccepted)
	assert.NotContains(t, err.Error(), "signature")
}

func TestVIPWebhookFaults(t *testing.T) {
	for kind, want := range map[sandbox.FaultKind]string{
		sandbox.FaultDuplicate:    "right, right",
		sandbox.FaultBadSignature: "wrong",
		sandbox.FaultOtherKey:     "wrong",
		sandbox.FaultTruncated:    "wrong",
		sandbox.FaultCorrupt:      "wrong",
		sandbox.FaultEncoded:      "right",
		sandbox.FaultMinimal:      "right",
		sandbox.FaultLate:         "right, late",
		sandbox.FaultReorder:      "right, late",
	} {
		gw := sandbox.New(t)
		m, h := merchant{t, gw}, newHook(t, gw)
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: kind, Delay: time.Hour}))
		m.create("redirect", "V-1")
		m.create("redirect", "V-2")
		require.NoError(t, gw.Pay("V-1", ""))
		gw.Advance(0)
		if len(h.got) == 0 {
			want = strings.Replace(want, ", late", "", 1)
			gw.Advance(2 * time.Hour)
		}
		var verdicts []string
		for _, q := range h.got {
			sent := fields{}
			for name := range q {
				sent[name] = q.Get(name)
			}
			verdict := "wrong"
			if q.Get("signature") == macOf(sandbox.VIPToken, h.address(), sent) {
				verdict = "right"
			}
			verdicts = append(verdicts, verdict)
		}
		assert.Equal(t, want, strings.Join(verdicts, ", "), kind)
	}
}

func TestVIPWebhookAddress(t *testing.T) {
	gw := sandbox.New(t)
	h := newHook(t, gw)
	for _, address := range []string{"shop.example", "ftp://shop.example", "javascript:x", "https://shop.example/#a", "https://shop.example/?a=1", "http://"} {
		assert.Error(t, gw.SetVIPWebhook(address), address)
	}
	m := merchant{t, gw}
	m.create("redirect", "V-1")
	require.NoError(t, gw.Pay("V-1", ""))
	gw.Advance(0)
	assert.Len(t, h.heard(), 1, "a bad address changes nothing")
	require.NoError(t, gw.SetVIPWebhook(""))
	m.create("redirect", "V-2", "expire_time", 1)
	m.create("redirect", "V-3")
	require.NoError(t, gw.Pay("V-3", ""))
	gw.Advance(time.Hour)
	m.create("redirect", "V-4", "expire_time", 60)
	require.NoError(t, gw.Expire("V-4"))
	assert.ErrorIs(t, gw.Deliver(t.Context(), "V-3"), sandbox.ErrNoNotification)
	assert.Len(t, h.heard(), 1)
	require.NoError(t, gw.SetVIPWebhook(h.address()))
	gw.Advance(time.Hour)
	assert.Equal(t, []string{"V-1 Order Paid", "V-2 Order Timeout"}, h.heard(), "whose time ended unnoticed")
}

// In real time the timeout comes by itself, too.
func TestVIPWebhookByItself(t *testing.T) {
	gw, err := sandbox.Start(sandbox.WithSpeed(6000))
	require.NoError(t, err)
	defer gw.Close()
	heard := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		heard <- r.URL.Query().Get("message")
	}))
	defer server.Close()
	require.NoError(t, gw.SetVIPWebhook(server.URL))
	merchant{t, gw}.create("redirect", "V-1", "expire_time", 1)
	assert.Equal(t, "Order Timeout", <-heard)
}

func TestVIPSurvivesARestart(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	start := func() (*sandbox.Gateway, merchant) {
		gw, err := sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(0))
		require.NoError(t, err)
		return gw, merchant{t, gw}
	}
	gw, m := start()
	h := newHook(t, gw)
	h.status = 500
	page := m.create("redirect", "V-1", "note", "ชา")
	m.create("redirect", "V-2", "expire_time", 30)
	require.NoError(t, gw.Pay("V-1", ksher.ChannelCard))
	m.ok("REFUNDED", "PUT", vipPath("redirect")+"/V-1", fields{"refund_order_id": "R-1", "refund_amount": 1})
	require.ErrorIs(t, gw.Deliver(t.Context(), "V-1"), sandbox.ErrNotAccepted)
	gw.Close()

	gw, m = start()
	defer gw.Close()
	require.NoError(t, gw.SetVIPWebhook(h.address()))
	h.status = 200
	said := m.ok("SUCCESS", "GET", vipPath("redirect")+"/V-1", nil)
	assert.Equal(t, "ชา", said["note"])
	assert.Equal(t, strings.TrimPrefix(page["reference"].(string), "http://")[len("127.0.0.1:"):][5:], strings.TrimPrefix(said["reference"].(string), "http://")[len("127.0.0.1:"):][5:])
	m.ok("FAIL", "PUT", vipPath("redirect")+"/V-1", fields{"refund_order_id": "R-1", "refund_amount": 1})
	m.ok("FAIL", "POST", vipPath("redirect"), with(vipCreates["redirect"], "merchant_order_id", "V-1"))
	h.got = nil
	gw.Advance(time.Hour)
	assert.Equal(t, []string{"V-1 Order Paid", "V-1 Order Refunded", "V-2 Order Timeout"}, h.heard())
}

// Many at once: each payment is told, and none twice.
func TestVIPManyAtOnce(t *testing.T) {
	gw, err := sandbox.Start()
	require.NoError(t, err)
	defer gw.Close()
	const orders = 50
	told := make(chan string, 2*orders)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		told <- r.URL.Query().Get("instance")
	}))
	defer server.Close()
	require.NoError(t, gw.SetVIPWebhook(server.URL))
	var wg sync.WaitGroup
	for i := range orders {
		wg.Go(func() {
			m := merchant{t, gw}
			no := fmt.Sprint("V-", i)
			status, _ := m.call("POST", vipPath("redirect"), with(vipCreates["redirect"], "merchant_order_id", no))
			assert.Equal(t, 200, status)
			assert.NoError(t, gw.Pay(no, ""))
			m.call("POST", vipPath("redirect"), with(vipCreates["redirect"], "merchant_order_id", "same"))
		})
	}
	wg.Wait()
	seen := make(map[string]bool)
	for range orders {
		no := <-told
		assert.False(t, seen[no], no)
		seen[no] = true
	}
	assert.Len(t, gw.Orders(), orders+1)
}

// The handler asks about the order while it is being notified.
func TestVIPQueryInsideTheWebhook(t *testing.T) {
	gw := sandbox.New(t)
	m := merchant{t, gw}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		said := m.ok("SUCCESS", "GET", vipPath("redirect")+"/"+r.URL.Query().Get("instance"), nil)
		assert.Equal(t, "Paid", said["status"])
	}))
	defer server.Close()
	require.NoError(t, gw.SetVIPWebhook(server.URL))
	m.create("redirect", "V-1")
	require.NoError(t, gw.Pay("V-1", ""))
	require.NoError(t, gw.Deliver(context.Background(), "V-1"))
}

package listen_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/listen"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// seen is a request as it came to Ksher.
type seen struct{ method, uri, body, host, agent, kind, encoding string }

// passage is a proxy before a server that takes everything down.
type passage struct {
	t       *testing.T
	url     string
	host    string
	got     []seen
	orders  []listen.Order
	problem []string
	mu      sync.Mutex
}

func newPassage(t *testing.T) *passage {
	t.Helper()
	p := &passage{t: t}
	ksherSide := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.NotContains(t, r.Header, "X-Forwarded-For")
		p.mu.Lock()
		p.got = append(p.got, seen{r.Method, r.RequestURI, string(body), r.Host, r.Header.Get("User-Agent"), r.Header.Get("Content-Type"), r.Header.Get("Accept-Encoding")})
		p.mu.Unlock()
		w.Header().Set("X-Ksher", "1")
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, `{"code":0}`)
	}))
	t.Cleanup(ksherSide.Close)
	p.host = strings.TrimPrefix(ksherSide.URL, "http://")
	p.serve(ksherSide.URL)
	return p
}

// serve starts a proxy before that server.
func (p *passage) serve(base string) {
	p.t.Helper()
	handler, err := listen.NewProxy(base+"/one/api", base+"/two/KsherPay/", func(o listen.Order) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.orders = append(p.orders, o)
	}, func(problem string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.problem = append(p.problem, problem)
	})
	require.NoError(p.t, err)
	server := httptest.NewServer(handler)
	p.t.Cleanup(server.Close)
	p.url = server.URL
}

// ask sends a request, and follows no redirect.
func (p *passage) ask(method, path, body string, header http.Header) *http.Response {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	require.NoError(p.t, err)
	req.Header = http.Header{"User-Agent": {"shop/1"}}
	for name, values := range header {
		req.Header[name] = values
	}
	way := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	resp, err := way.RoundTrip(req)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { resp.Body.Close() })
	p.mu.Lock() // Whatever the servers took down is there now.
	defer p.mu.Unlock()
	return resp
}

func TestProxyPassesOn(t *testing.T) {
	const form = "sign=0A&b=2&mch_order_no=A+1&a=%7e"
	kind := http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}
	long := "mch_order_no=A1&x=" + strings.Repeat("y", 200<<10)
	for name, tt := range map[string]struct {
		method, path, body string
		uri                string
		orders             []listen.Order
	}{
		"a page":            {http.MethodPost, "/api/gateway_pay", form, "/one/api/gateway_pay", []listen.Order{{MchOrderNo: "A 1", Host: ksher.HostGateway}}},
		"a code":            {http.MethodPost, "/KsherPay/native_pay", form, "/two/KsherPay/native_pay", []listen.Order{{MchOrderNo: "A 1", Host: ksher.HostMerchant}}},
		"at a till":         {http.MethodPost, "/KsherPay/quick_pay", form, "/two/KsherPay/quick_pay", []listen.Order{{MchOrderNo: "A 1", Host: ksher.HostMerchant}}},
		"by GET":            {http.MethodGet, "/KsherPay/native_pay?a=%7e&mch_order_no=A1&b=1;2", "", "/two/KsherPay/native_pay?a=%7e&mch_order_no=A1&b=1;2", []listen.Order{{MchOrderNo: "A1", Host: ksher.HostMerchant}}},
		"a query":           {http.MethodPost, "/KsherPay/order_query", form, "/two/KsherPay/order_query", nil},
		"a refund":          {http.MethodPost, "/KsherPay/order_refund", form, "/two/KsherPay/order_refund", nil},
		"a payout":          {http.MethodPost, "/KsherPay/payout", form, "/two/KsherPay/payout", nil},
		"no number":         {http.MethodPost, "/api/gateway_pay", "a=b", "/one/api/gateway_pay", nil},
		"no form":           {http.MethodPost, "/api/gateway_pay", "%zz&mch_order_no=A1", "/one/api/gateway_pay", nil},
		"nothing":           {http.MethodPost, "/api/gateway_pay", "", "/one/api/gateway_pay", nil},
		"a very long body":  {http.MethodPost, "/api/gateway_pay", long, "/one/api/gateway_pay", nil},
		"a path in the end": {http.MethodPost, "/api/a/b", "x", "/one/api/a/b", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPassage(t)
			resp := p.ask(tt.method, tt.path, tt.body, kind)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Equal(t, `{"code":0}`, string(text))
			assert.Equal(t, http.StatusAccepted, resp.StatusCode)
			assert.Equal(t, "1", resp.Header.Get("X-Ksher"))
			assert.Equal(t, []seen{{tt.method, tt.uri, tt.body, p.host, "shop/1", kind.Get("Content-Type"), ""}}, p.got)
			assert.Equal(t, tt.orders, p.orders)
		})
	}
}

func TestProxyRefuses(t *testing.T) {
	p := newPassage(t)
	assert.Equal(t, http.StatusForbidden, p.ask(http.MethodPost, "/api/gateway_pay", "mch_order_no=A1", http.Header{"Sec-Fetch-Site": {"cross-site"}}).StatusCode)
	assert.Equal(t, http.StatusNotFound, p.ask(http.MethodPost, "/other", "mch_order_no=A1", nil).StatusCode)
	assert.Empty(t, p.got)
	assert.Empty(t, p.orders)
}

// Whether a request arrived whose answer is lost nobody knows, so its order is asked about.
func TestProxyWithoutAnAnswer(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	p := newPassage(t)
	p.serve(dead.URL)
	resp := p.ask(http.MethodPost, "/api/gateway_pay", "mch_order_no=A1&sign="+strings.Repeat("ab", 64), nil)
	assert.Equal(t, http.StatusBadGateway, resp.StatusCode)
	assert.Equal(t, []listen.Order{{MchOrderNo: "A1", Host: ksher.HostGateway}}, p.orders)
	require.Len(t, p.problem, 1)
	assert.NotContains(t, p.problem[0], "abab")
}

// What may refund or pay out arrives once, though net/http would send some of it again.
func TestProxySendsOnce(t *testing.T) {
	var arrived atomic.Int32
	drops := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if arrived.Add(1) == 1 {
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		assert.NoError(t, err)
		conn.Close()
	}))
	t.Cleanup(drops.Close)
	p := newPassage(t)
	p.serve(drops.URL)
	assert.Equal(t, http.StatusOK, p.ask(http.MethodGet, "/KsherPay/order_refund?a=1", "", nil).StatusCode)
	assert.Equal(t, http.StatusBadGateway, p.ask(http.MethodGet, "/KsherPay/order_refund?a=2", "", nil).StatusCode)
	assert.EqualValues(t, 2, arrived.Load())
}

// The form of a buyer's browser goes to the gateway's own page.
func TestProxyForm(t *testing.T) {
	p := newPassage(t)
	for _, device := range []string{"/pc", "/h5"} {
		resp := p.ask(http.MethodPost, device, "mch_order_no=A1", http.Header{"Sec-Fetch-Site": {"cross-site"}})
		assert.Equal(t, http.StatusTemporaryRedirect, resp.StatusCode)
		assert.Equal(t, "http://"+p.host+"/one"+device, resp.Header.Get("Location"))
	}
	assert.Len(t, p.orders, 2)
	assert.Empty(t, p.got)
}

// A shop whose requests go through the proxy is notified of what it has created.
func TestProxyAndListener(t *testing.T) {
	b := newBench(t)
	l := listen.New(b.ctx, b.config)
	handler, err := listen.NewProxy(b.gw.GatewayURL(), b.gw.MerchantURL(), l.Follow, func(problem string) { t.Error(problem) })
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	b.clock.then = func(waits int) {
		if waits == 3 {
			require.NoError(t, b.gw.Pay("A1", ksher.ChannelTrueMoney))
		}
	}
	shop, err := ksher.NewClient(sandbox.AppID, sandbox.PrivateKey(), ksher.WithGatewayURL(server.URL+listen.GatewayPath), ksher.WithMerchantURL(server.URL+listen.MerchantPath),
		ksher.WithVerifier(sandbox.Verifier()), ksher.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}))
	require.NoError(t, err)
	order, err := shop.GatewayPay(t.Context(), sandboxtest.GatewayPay("A1"))
	require.NoError(t, err)
	assert.Contains(t, order.PayContent, "/ua?")
	server.Close() // Until what it tells of is told.
	l.Wait()
	assert.Equal(t, listen.Outcome{Accepted: 1}, l.Outcome())
	assert.Len(t, b.paid, 1)
}

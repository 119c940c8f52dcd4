package api_test

import (
	"errors"
	"html"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// formOf makes a form, and the fields as a browser posts them.
func formOf(t *testing.T, gw *sandbox.Gateway, req *ksher.GatewayPayRequest) (action string, fields url.Values) {
	t.Helper()
	if req.Device == "" {
		req.Device = "PC"
	}
	form, err := gw.Client.GatewayPayForm(req)
	require.NoError(t, err)
	fields = make(url.Values)
	for name, value := range form.Fields {
		fields.Set(name, value)
	}
	return form.Action, fields
}

// An order by the form is one like any other.
func TestFormFromPostToPayment(t *testing.T) {
	for _, device := range []string{"PC", "H5"} {
		t.Run(string(device), func(t *testing.T) {
			gw := sandbox.New(t)
			req := sandboxtest.GatewayPay("A-1", ksher.ChannelPromptPay)
			req.Device, req.Lang, req.Attach = device, "th", "ก ข & \"c\" + 1\r\n2"
			action, fields := formOf(t, gw, req)
			assert.Equal(t, gw.URL()+"/"+strings.ToLower(string(device)), action)

			// Until the browser posts, there is no order.
			found, err := gw.Client.Resolve(t.Context(), req)
			require.NoError(t, err)
			assert.Equal(t, ksher.VerdictNotCarriedOut, found.Verdict)

			b := sandboxtest.NewBuyer(t, gw, "a browser that says nothing of its device")
			b.Post(action, fields)
			assert.Equal(t, http.StatusOK, b.Status)
			assert.Regexp(t, "^"+gw.URL()+`/ua\?order_uuid=[0-9a-f]{32}&lang=th$`, b.At)
			assert.Contains(t, b.Body, `<html lang="th">`)
			assert.Contains(t, b.Body, `<body class="`+strings.ToLower(string(device))+`"`)
			assert.Equal(t, "qr", b.Step())

			requests := gw.Requests()
			last := requests[len(requests)-1]
			assert.Equal(t, "gateway_pay", last.Operation)
			assert.Equal(t, fields, last.Params)
			assert.Empty(t, last.Code)
			assert.Contains(t, last.SignText, "attach="+req.Attach)

			b.Next()
			sandbox.AssertPaid(t, gw, "A-1", 150_50)
			assert.Equal(t, req.Attach, sandboxtest.GatewayState(t, gw, "A-1").Attach)
			found, err = gw.Client.Resolve(t.Context(), req)
			require.NoError(t, err)
			assert.Equal(t, ksher.VerdictCarriedOut, found.Verdict)
		})
	}
}

// The address decides, whatever the form and the browser say.
func TestFormAddressDecidesTheLayout(t *testing.T) {
	gw := sandbox.New(t)
	for path, device := range map[string]string{"/pc": "H5", "/h5": "PC"} {
		req := sandboxtest.GatewayPay("A" + path)
		req.Device = device
		_, fields := formOf(t, gw, req)
		b := sandboxtest.NewBuyer(t, gw, map[string]string{"/pc": sandboxtest.PhoneAgent, "/h5": "PC"}[path])
		b.Post(gw.URL()+path, fields)
		require.Equal(t, http.StatusOK, b.Status)
		assert.Contains(t, b.Body, `<body class="`+path[1:]+`"`)
		assert.Equal(t, string(device), fields.Get("device"))
	}
}

// The browser may know the gateway by another name than the gateway itself.
func TestFormLeadsToTheSameHost(t *testing.T) {
	gw := sandbox.New(t)
	action, fields := formOf(t, gw, sandboxtest.GatewayPay("A-1"))
	client := gw.HTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.PostForm(action, fields)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
	assert.Regexp(t, `^/ua\?order_uuid=[0-9a-f]{32}&lang=en$`, resp.Header.Get("Location"))
}

func TestFormIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		req *ksher.GatewayPayRequest
		// tamper changes the fields after they were signed, nil for not.
		tamper func(url.Values)
		code   ksher.Code
	}{
		"duplicate":       {sandboxtest.GatewayPay("A-0"), nil, ksher.CodeOrderError},
		"other currency":  {func() *ksher.GatewayPayRequest { r := sandboxtest.GatewayPay("A-1"); r.FeeType = "MYR"; return r }(), nil, ksher.CodeKsherFeeTypeNotMatch},
		"other amount":    {sandboxtest.GatewayPay("A-1"), func(f url.Values) { f.Set("total_fee", "1") }, ksher.CodeKsherSignError},
		"one more":        {sandboxtest.GatewayPay("A-1"), func(f url.Values) { f.Set("submit", "Pay") }, ksher.CodeKsherSignError},
		"no signature":    {sandboxtest.GatewayPay("A-1"), func(f url.Values) { f.Del("sign") }, ksher.CodeKsherSignError},
		"twice the same":  {sandboxtest.GatewayPay("A-1"), func(f url.Values) { f.Add("attach", "a"); f.Add("attach", "b") }, ksher.CodeParamError},
		"not UTF-8":       {sandboxtest.GatewayPay("A-1"), func(f url.Values) { f.Set("product_name", "\xff") }, ksher.CodeNotUTF8},
		"another's":       {sandboxtest.GatewayPay("A-1"), func(f url.Values) { f.Set("appid", "mch1") }, ksher.CodeKsherInvalidMchInfo},
		"empty":           {sandboxtest.GatewayPay("A-1"), func(f url.Values) { clear(f) }, ksher.CodePostDataEmpty},
		"too long":        {sandboxtest.GatewayPay("A-1"), func(f url.Values) { f.Set("attach", strings.Repeat("x", 1<<20)) }, ksher.CodeKsherParamOverlength},
		"hostile, signed": {func() *ksher.GatewayPayRequest { r := sandboxtest.GatewayPay("A-0"); r.ShopName = hostile; return r }(), nil, ksher.CodeOrderError},
		"hostile, not signed": {sandboxtest.GatewayPay("A-1"), func(f url.Values) {
			for name := range f {
				if name != "appid" {
					f.Set(name, hostile)
				}
			}
		}, ksher.CodeKsherSignError},
		"an address, not signed": {sandboxtest.GatewayPay("A-1"), func(f url.Values) { f.Set("mch_redirect_url_fail", "https://evil.example/") }, ksher.CodeKsherSignError},
	} {
		t.Run(name, func(t *testing.T) {
			gw := sandbox.New(t)
			sandboxtest.Checkout(t, gw, "A-0", nil)
			action, fields := formOf(t, gw, tt.req)
			if tt.tamper != nil {
				tt.tamper(fields)
			}
			b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
			b.Post(action, fields)
			assert.Equal(t, http.StatusBadRequest, b.Status)
			assert.Equal(t, "text/html; charset=utf-8", b.Header.Get("Content-Type"))
			assert.Equal(t, "no-store", b.Header.Get("Cache-Control"))
			assert.Equal(t, action, b.At)
			info, ok := tt.code.Info()
			require.True(t, ok)
			assert.Contains(t, html.UnescapeString(b.Body), "The gateway answers "+string(tt.code)+": "+info.Meaning)
			assert.Contains(t, b.Body, `<body class="pc"`)
			assert.NotContains(t, b.Body, "<script>alert")
			assert.NotContains(t, b.Body, `id="lang-`, "there is no other address to read it at")
			assert.NotContains(t, b.Body, "evil.example")
			assert.Equal(t, tt.tamper == nil, strings.Contains(b.Body, `id="return" href="https://shop.example/sorry"`), "only a signed address is a link")
			assert.Len(t, gw.Orders(), 1)
			requests := gw.Requests()
			assert.Equal(t, tt.code, requests[len(requests)-1].Code)
		})
	}
}

// What another merchant than the first has signed leads the buyer back, too.
func TestFormOfAnotherMerchantIsRefused(t *testing.T) {
	gw := sandbox.New(t)
	other, err := gw.MerchantOf("mch2")
	require.NoError(t, err)
	client, err := other.NewClient()
	require.NoError(t, err)
	req := sandboxtest.GatewayPay("A-1")
	req.FeeType, req.Device = "MYR", "PC"
	form, err := client.GatewayPayForm(req)
	require.NoError(t, err)
	fields := make(url.Values)
	for name, value := range form.Fields {
		fields.Set(name, value)
	}
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Post(form.Action, fields)
	assert.Equal(t, http.StatusBadRequest, b.Status)
	assert.Contains(t, b.Body, `id="return" href="https://shop.example/sorry"`)
}

const hostile = `"><script>alert(1)</script>`

// Pressing enter in the address bar is a GET.
func TestFormNeedsPost(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Open("/h5")
	assert.Equal(t, http.StatusMethodNotAllowed, b.Status)
	assert.Equal(t, "POST", b.Header.Get("Allow"))
	assert.Contains(t, b.Body, string(ksher.CodeRequirePostMethod))
	assert.Contains(t, b.Body, `<body class="h5"`)
}

func TestFormRefusalInTheBuyersLanguage(t *testing.T) {
	gw := sandbox.New(t)
	for lang, want := range map[string]string{"th": "เกตเวย์ตอบว่า", "cn": "网关返回", "en": "The gateway answers"} {
		req := sandboxtest.GatewayPay("A-1")
		req.Lang = lang
		action, fields := formOf(t, gw, req)
		fields.Del("sign")
		b := sandboxtest.NewBuyer(t, gw, "PC")
		b.Post(action, fields)
		assert.Contains(t, b.Body, want)
	}
}

// However often and at the same time a form is posted, it makes one order.
func TestFormManyTimesAtOnce(t *testing.T) {
	gw := sandbox.New(t)
	action, fields := formOf(t, gw, sandboxtest.GatewayPay("A-1"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := make(map[int]int)
	for range 20 {
		wg.Go(func() {
			resp, err := gw.HTTPClient().PostForm(action, fields)
			if assert.NoError(t, err) {
				resp.Body.Close()
				mu.Lock()
				statuses[resp.StatusCode]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	assert.Equal(t, map[int]int{http.StatusOK: 1, http.StatusBadRequest: 19}, statuses)
	assert.Len(t, gw.Orders(), 1)
}

// What goes wrong with gateway_pay goes wrong with the form.
func TestFormFaults(t *testing.T) {
	for _, tt := range []struct {
		kind    sandbox.FaultKind
		status  int // 0 for a connection that breaks
		body    string
		created bool
	}{
		{sandbox.FaultDropBefore, 0, "", false},
		{sandbox.FaultDropAfter, 0, "", true},
		{sandbox.FaultHTTP500, http.StatusInternalServerError, "", false},
		{sandbox.FaultHTML502, http.StatusBadGateway, "502 Bad Gateway", false},
		{sandbox.FaultEmpty, http.StatusOK, "", true},
		{sandbox.FaultTruncated, http.StatusOK, "<!doct", true},
		{sandbox.FaultBadSignature, http.StatusOK, "Choose how to pay", true},
		{sandbox.FaultOtherKey, http.StatusOK, "Choose how to pay", true},
		{sandbox.FaultClockSkew, http.StatusOK, "Choose how to pay", true},
		{sandbox.FaultRefuse, http.StatusBadRequest, "The gateway answers SYSTEMERROR: ", false},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			gw := sandbox.New(t)
			fault := sandbox.Fault{Operation: "gateway_pay", Kind: tt.kind, Delay: time.Millisecond}
			if tt.kind == sandbox.FaultRefuse {
				fault.Code = ksher.CodeSystemError
			}
			require.NoError(t, gw.Inject(fault))
			action, fields := formOf(t, gw, sandboxtest.GatewayPay("A-1"))
			if tt.status == 0 {
				_, err := gw.HTTPClient().PostForm(action, fields)
				require.Error(t, err)
			} else {
				b := sandboxtest.NewBuyer(t, gw, "PC")
				b.Post(action, fields)
				assert.Equal(t, tt.status, b.Status)
				assert.Contains(t, b.Body, tt.body)
			}
			_, err := gw.Order("A-1")
			assert.Equal(t, tt.created, err == nil, "%v", err)
			assert.Equal(t, !tt.created, errors.Is(err, sandbox.ErrNoOrder))
			assert.Empty(t, gw.Faults())
			assert.Equal(t, tt.kind, gw.Requests()[0].Fault)
		})
	}
}

func TestFormThatTakesLong(t *testing.T) {
	gw := sandbox.New(t)
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "gateway_pay", Kind: sandbox.FaultLatency, Delay: time.Hour}))
	action, fields := formOf(t, gw, sandboxtest.GatewayPay("A-1"))
	client := gw.HTTPClient()
	client.Timeout = 100 * time.Millisecond
	_, err := client.PostForm(action, fields)
	var late net.Error
	require.ErrorAs(t, err, &late)
	assert.True(t, late.Timeout())
	assert.Len(t, gw.Orders(), 1)

	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "gateway_pay", Kind: sandbox.FaultLatency, Delay: time.Millisecond}))
	action, fields = formOf(t, gw, sandboxtest.GatewayPay("A-2"))
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Post(action, fields)
	assert.Contains(t, b.Body, "Choose how to pay")
}

// The log keeps what came, not what was made of it.
func TestFormIsLoggedAsItCame(t *testing.T) {
	gw := sandbox.New(t)
	req := sandboxtest.GatewayPay("A-1")
	req.Device = "H5"
	_, fields := formOf(t, gw, req)
	want := maps.Clone(fields)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Post(gw.URL()+"/pc", fields)
	assert.Equal(t, want, gw.Requests()[0].Params)
}

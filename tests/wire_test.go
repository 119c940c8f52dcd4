package tests

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

// A client that NewClient didn't make, and arguments that are nil, are the
// programmer's mistakes. They must not bring a shop down.
func TestNothingToCallWith(t *testing.T) {
	rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
	good := testkit.NewClient(t, rec)
	var noContext context.Context
	for _, op := range testkit.Operations() {
		tests := []struct {
			name string
			call func() error
			want string
		}{
			{"zero Client", func() error { _, err := op.Call(t.Context(), &ksher.Client{}, ksher.Extra{}); return err }, "client"},
			{"nil Client", func() error { _, err := op.Call(t.Context(), nil, ksher.Extra{}); return err }, "client"},
			{"nil context", func() error { _, err := op.Call(noContext, good, ksher.Extra{}); return err }, "context"},
			{"nil request", func() error { return op.CallNil(t.Context(), good) }, "request"},
		}
		for _, tt := range tests {
			t.Run(op.Name+" "+tt.name, func(t *testing.T) {
				var invalid *ksher.ValidationError
				require.ErrorAs(t, tt.call(), &invalid)
				assert.Equal(t, op.Name, invalid.Operation)
				require.Len(t, invalid.Fields, 1)
				assert.Equal(t, tt.want, invalid.Fields[0].Field)
			})
		}
	}
	refund := func(ctx context.Context, c *ksher.Client, req *ksher.RefundRequest) error {
		_, err := c.Refund(ctx, req)
		return err
	}
	req := &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: testkit.OrderNo, MchRefundNo: testkit.RefundNo, RefundFee: 1}
	for _, err := range []error{
		refund(t.Context(), &ksher.Client{}, req),
		refund(t.Context(), nil, req),
		refund(noContext, good, req),
		refund(t.Context(), good, nil),
	} {
		var invalid *ksher.ValidationError
		assert.ErrorAs(t, err, &invalid)
	}
	assert.Zero(t, rec.Count(), "requests sent")
}

// The same for every operation: where it goes, how it looks, and what every
// request carries.
func TestWhatEveryRequestCarries(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "request: every operation takes a POST with a form")
	testkit.Holds(t, testkit.Documented, "request: nonce_str has 32 characters, and is new with each request")
	testkit.Holds(t, testkit.Documented, "request: time_stamp has 14 digits, from the year to the second")
	testkit.Holds(t, testkit.Assumed, "request: time_stamp is in the merchant's zone")
	testkit.Holds(t, testkit.Documented, "request: the header ksher-sign-version with V2 asks for answers under the V2 key")
	tests := []struct {
		name   string
		opts   []ksher.Option
		zone   *time.Location
		header string
	}{
		{"as it is", nil, time.FixedZone("", 7*3600), ""},
		{"in another zone", []ksher.Option{ksher.WithLocation(time.FixedZone("", -11*3600))}, time.FixedZone("", -11*3600), ""},
		{"V1", []ksher.Option{ksher.WithSignVersion(ksher.SignV1)}, time.FixedZone("", 7*3600), ""},
		{"V2", []ksher.Option{ksher.WithSignVersion(ksher.SignV2)}, time.FixedZone("", 7*3600), "V2"},
	}
	for _, tt := range tests {
		for _, op := range testkit.Operations() {
			t.Run(tt.name+" "+op.Name, func(t *testing.T) {
				rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
				client := testkit.OfflineClient(t, testkit.AppID, rec, append(tt.opts, testkit.TrustTestKey(t))...)
				before := time.Now().Truncate(time.Second)
				_, err := op.Call(t.Context(), client, ksher.Extra{})
				require.NoError(t, err)
				_, err = op.Call(t.Context(), client, ksher.Extra{})
				require.NoError(t, err)
				after := time.Now()

				requests := rec.All()
				require.Len(t, requests, 2)
				for _, r := range requests {
					assert.Equal(t, http.MethodPost, r.Method)
					assert.Equal(t, op.URL+"/"+op.Name, r.URL.String())
					assert.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
					assert.Equal(t, "ksher-go/"+ksher.Version, r.Header.Get("User-Agent"))
					assert.Equal(t, tt.header, r.Header.Get("ksher-sign-version"))
					assert.Equal(t, testkit.AppID, r.PostForm.Get(cmp.Or(op.AppID, "appid")))
					assert.Regexp(t, "^[0-9a-zA-Z]{32}$", r.PostForm.Get("nonce_str"))
					require.Regexp(t, "^[0-9]{14}$", r.PostForm.Get("time_stamp"))
					stamp, err := time.ParseInLocation("20060102150405", r.PostForm.Get("time_stamp"), tt.zone)
					require.NoError(t, err)
					assert.False(t, stamp.Before(before) || stamp.After(after), "%v is not between %v and %v", stamp, before, after)
					testkit.RequireSigned(t, r.PostForm, &testkit.RSAKey(t, 1024).PublicKey)
				}
				assert.NotEqual(t, requests[0].PostForm.Get("nonce_str"), requests[1].PostForm.Get("nonce_str"))
			})
		}
	}
}

// Over a real connection, because some headers are the transport's.
func TestOnTheWire(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "request: the operations are at /api/ on the gateway host, and at /KsherPay/ on the merchant host")
	for _, op := range testkit.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
			client := testkit.NewClient(t, rec)
			_, err := op.Call(t.Context(), client, ksher.Extra{})
			require.NoError(t, err)
			r := rec.Only(t)
			path := "/api/"
			if op.URL == ksher.DefaultMerchantURL {
				path = "/KsherPay/"
			}
			assert.Equal(t, http.MethodPost, r.Method)
			assert.Equal(t, path+op.Name, r.RequestURI)
			assert.Equal(t, []string{"ksher-go/" + ksher.Version}, r.Header["User-Agent"])
			assert.Equal(t, []string{"application/x-www-form-urlencoded"}, r.Header["Content-Type"])
			assert.Positive(t, r.ContentLength, "the length is announced")
			assert.Empty(t, r.Header["Ksher-Sign-Version"])
			testkit.RequireSigned(t, r.PostForm, &testkit.RSAKey(t, 1024).PublicKey)
		})
	}
}

func TestExtra(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "request: a parameter that no page lists may be sent, and is signed like the others")
	for _, op := range testkit.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
			client := testkit.NewClient(t, rec)
			extra := ksher.Extra{Params: map[string]string{"zz_new": "a&b=c +ก", "A_new": "", "1": "2"}}
			_, err := op.Call(t.Context(), client, extra)
			require.NoError(t, err)
			form := rec.Only(t).PostForm
			for name, value := range extra.Params {
				require.True(t, form.Has(name), name)
				assert.Equal(t, value, form.Get(name))
			}
			testkit.RequireSigned(t, form, &testkit.RSAKey(t, 1024).PublicKey)
			assert.Equal(t, ksher.Extra{Params: map[string]string{"zz_new": "a&b=c +ก", "A_new": "", "1": "2"}}, extra, "the caller's map is left alone")

			taken := []string{"appid", "nonce_str", "time_stamp", "sign", "Sign", "APPID", "Nonce_str", "", "a b", "a=b", "a\nb", "bad\xff"}
			if !op.NoOrder {
				taken = append(taken, "mch_order_no", "MCH_order_no")
			}
			for _, name := range taken {
				_, err := op.Call(t.Context(), client, ksher.Extra{Params: map[string]string{name: "x"}})
				var invalid *ksher.ValidationError
				require.ErrorAs(t, err, &invalid, "%q", name)
				assert.Len(t, invalid.Fields, 1, "%q: %v", name, invalid)
			}
			_, err = op.Call(t.Context(), client, ksher.Extra{Params: map[string]string{"new": "\xff"}})
			var invalid *ksher.ValidationError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, []ksher.FieldError{{Field: "new", Problem: "is not UTF-8"}}, invalid.Fields)
			assert.Equal(t, 1, rec.Count(), "nothing else may be sent")
		})
	}
	// A parameter that the request has a field for, but doesn't set, may come
	// this way: in a form the field can't express, say.
	rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
	client := testkit.NewClient(t, rec)
	req := testkit.GoodGatewayPay()
	req.Extra = ksher.Extra{Params: map[string]string{"expire_time": "30", "lang": "ja"}}
	_, err := client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, "ja", rec.Only(t).PostForm.Get("lang"))
	assert.Equal(t, "30", rec.Only(t).PostForm.Get("expire_time"))
	req.Lang = "th"
	_, err = client.GatewayPay(t.Context(), req)
	var invalid *ksher.ValidationError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, []ksher.FieldError{{Field: "lang", Problem: "is in Extra, but set already by the request itself"}}, invalid.Fields)
}

// closing tells whether a body was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// A body that stays open keeps its connection from being used again.
func TestBodiesAreClosed(t *testing.T) {
	bodies := map[string]*http.Response{
		"good":      {StatusCode: 200, ContentLength: -1, Body: &closing{Reader: strings.NewReader(testkit.SignedAnswer(t, testkit.GoodData))}},
		"bad":       {StatusCode: 502, ContentLength: -1, Body: &closing{Reader: strings.NewReader("<html>")}},
		"too large": {StatusCode: 200, ContentLength: -1, Body: &closing{Reader: endless('a')}},
		"announced": {StatusCode: 200, ContentLength: hundredMB, Body: &closing{Reader: endless('a')}},
		"broken":    {StatusCode: 200, ContentLength: -1, Body: &closing{Reader: iotest.ErrReader(io.ErrUnexpectedEOF)}},
	}
	for name, resp := range bodies {
		t.Run(name, func(t *testing.T) {
			client := testkit.OverTransport(t, testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				resp.Request = r
				return resp, nil
			}))
			_, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
			assert.Equal(t, name == "good", err == nil, "%v", err)
			assert.True(t, resp.Body.(*closing).closed)
		})
	}
}

// Opening a connection costs more than a call, so calls one after the other
// have to share one.
func TestConnectionsAreReused(t *testing.T) {
	tests := []struct {
		name   string
		client func(*testing.T, http.Handler) *ksher.Client
	}{
		{"over the caller's client", func(t *testing.T, h http.Handler) *ksher.Client { return testkit.NewClient(t, h) }},
		{"over the default client", func(t *testing.T, h http.Handler) *ksher.Client { return testkit.DefaultTransportClient(t, h) }},
		{"over TLS and HTTP/2", func(t *testing.T, h http.Handler) *ksher.Client { return http2Client(t, h) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			refusal := false
			client := tt.client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if refusal {
					testkit.Answering(500, `{"code":1,"msg":"SYSTEMERROR"}`).ServeHTTP(w, r)
					return
				}
				testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)).ServeHTTP(w, r)
			}))
			var reused []bool
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn: func(info httptrace.GotConnInfo) { reused = append(reused, info.Reused) },
			})
			for _, refusal = range []bool{false, true, false} {
				for _, op := range testkit.Operations() {
					_, err := op.Call(ctx, client, ksher.Extra{})
					assert.Equal(t, refusal, err != nil)
				}
			}
			want := make([]bool, 3*len(testkit.Operations()))
			for i := range want {
				want[i] = i > 0
			}
			assert.Equal(t, want, reused)
		})
	}
}

// http2Client speaks HTTP/2, and doesn't repeat queries.
func http2Client(tb testing.TB, handler http.Handler, opts ...ksher.Option) *ksher.Client {
	tb.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	tb.Cleanup(server.Close)
	client, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(tb, 1024), append([]ksher.Option{
		ksher.WithGatewayURL(server.URL), ksher.WithMerchantURL(server.URL), testkit.TrustTestKey(tb),
		ksher.WithHTTPClient(server.Client()), ksher.WithRetry(1, 0),
	}, opts...)...)
	require.NoError(tb, err)
	return client
}

// A signed request isn't to be handed on to wherever an answer points.
func TestRedirectsAreNotFollowed(t *testing.T) {
	target := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
	elsewhere := httptest.NewServer(target)
	t.Cleanup(elsewhere.Close)
	followed := 0
	own := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { followed++; return nil }}
	redirects := []struct {
		status   int
		location []string
	}{
		{301, []string{elsewhere.URL + "/target"}},
		{302, []string{elsewhere.URL + "/target"}},
		{303, []string{elsewhere.URL + "/target"}},
		{307, []string{elsewhere.URL + "/target"}},
		{308, []string{elsewhere.URL + "/target"}},
		{302, nil},
		{307, []string{"http://x/%zz"}}, // Not an address.
	}
	for _, tt := range redirects {
		for _, op := range testkit.Operations() {
			t.Run(fmt.Sprintf("%d %s %s", tt.status, tt.location, op.Name), func(t *testing.T) {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header()["Location"] = tt.location
					w.WriteHeader(tt.status)
				}))
				t.Cleanup(server.Close)
				own.Transport = server.Client().Transport
				client, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 1024), testkit.TrustTestKey(t), ksher.WithHTTPClient(own),
					ksher.WithGatewayURL(server.URL), ksher.WithMerchantURL(server.URL))
				require.NoError(t, err)
				_, err = op.Call(t.Context(), client, ksher.Extra{})
				require.ErrorIs(t, err, fault.ErrRedirect)
				assert.Equal(t, op.Changes, errors.Is(err, ksher.ErrOutcomeUnknown))
				var failed *ksher.Error
				require.ErrorAs(t, err, &failed)
				assert.Equal(t, tt.status, failed.HTTPStatus)
			})
		}
	}
	assert.Zero(t, target.Count(), "the target was called")
	assert.Zero(t, followed)
}

// The gateway doesn't know sessions, and a jar may be shared with other sites.
func TestCookiesAreNotKept(t *testing.T) {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	address, err := url.Parse(ksher.DefaultGatewayURL)
	require.NoError(t, err)
	jar.SetCookies(address, []*http.Cookie{{Name: "session", Value: "1"}})
	rec := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "other", Value: "2"})
		testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)).ServeHTTP(w, r)
	}))
	client, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 1024), testkit.TrustTestKey(t),
		ksher.WithHTTPClient(&http.Client{Transport: testkit.HandlerTransport{Handler: rec}, Jar: jar}))
	require.NoError(t, err)
	for range 2 {
		_, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
		require.NoError(t, err)
		assert.Empty(t, rec.All()[len(rec.All())-1].Cookies())
	}
	assert.Len(t, jar.Cookies(address), 1)
}

func TestConcurrentCalls(t *testing.T) {
	var log testkit.LogBuffer
	rec := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		no := r.PostForm.Get("mch_order_no")
		testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, testkit.OrderNo, no, 1))).ServeHTTP(w, r)
	}))
	client := testkit.NewClient(t, rec, ksher.WithLogger(log.Logger(slog.LevelDebug)))
	const goroutines = 50
	var group sync.WaitGroup
	for i := range goroutines {
		group.Go(func() {
			no := fmt.Sprintf("order%d", i)
			pay := testkit.GoodGatewayPay()
			pay.MchOrderNo = no
			_, err := client.GatewayPay(t.Context(), pay)
			assert.NoError(t, err)
			query, err := client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: no})
			if assert.NoError(t, err) {
				assert.NoError(t, query.CheckPaid(no, 100_00, "THB"))
			}
			refund := testkit.GoodOrderRefund()
			refund.MchOrderNo = no
			_, err = client.OrderRefund(t.Context(), refund)
			assert.NoError(t, err)
		})
	}
	group.Wait()
	assert.Equal(t, 3*goroutines, rec.Count())
	assert.Len(t, log.Lines(t), 3*goroutines)
	nonces := map[string]bool{}
	for _, r := range rec.All() {
		nonces[r.PostForm.Get("nonce_str")] = true
	}
	assert.Len(t, nonces, 3*goroutines)
}

// An answer about another number than the one asked for, whichever it is.
func TestAnswerAboutAnotherNumber(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "answer: one about another number than was asked for proves nothing")
	client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"mch_order_no":"order1","ksher_order_no":"901","result":"SUCCESS"}`)))
	_, err := client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{KsherOrderNo: "900"})
	assert.ErrorIs(t, err, ksher.ErrOtherOrder)
	_, err = client.OrderClose(t.Context(), &ksher.OrderCloseRequest{KsherOrderNo: "900"})
	assert.ErrorIs(t, err, ksher.ErrOtherOrder)
	assert.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
}

// The form is decoded by the other side, so what a form could garble has to
// arrive, and be signed, as it was given.
func TestParametersArriveAsGiven(t *testing.T) {
	for _, text := range []string{"a+b", "a b", "a&b=c", "100%", "%41", "ก ข", "☕", "a\tb\r\nc", "\u00a0", "'\"<>", "=", "sign=x"} {
		t.Run(text, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
			req := testkit.GoodGatewayPay()
			req.Attach = text
			req.Extra = ksher.Extra{Params: map[string]string{"new": text}}
			_, err := testkit.NewClient(t, rec).GatewayPay(t.Context(), req)
			require.NoError(t, err)
			form := rec.Only(t).PostForm
			assert.Equal(t, text, form.Get("attach"))
			assert.Equal(t, text, form.Get("new"))
			testkit.RequireSigned(t, form, &testkit.RSAKey(t, 1024).PublicKey)
		})
	}
}

// A buyer's browser is sent where the answer says.
func TestGatewayPayLeadsToAPage(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "gateway_pay: a pay_content that isn't a web address is no page to send a buyer to")
	for _, address := range []string{"javascript:alert(1)", "data:text/html,x", "//shop.example", "/pay", "weixin://pay", "https://"} {
		client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"pay_content":"`+address+`"}`)))
		answer, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
		require.ErrorIs(t, err, ksher.ErrBadAnswer, address)
		require.ErrorIs(t, err, ksher.ErrOutcomeUnknown, "the order is made")
		require.Nil(t, answer)
	}
}

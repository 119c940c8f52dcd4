package ksher_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestNotificationsConfirm(t *testing.T) {
	native := testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedNative))
	gateway := testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedGateway))
	unknown := testkit.UnknownOrder("ORDER_NOT_EXIST")
	tests := []struct {
		name         string
		host         ksher.Host
		notification string
		gateway      testkit.ByOperation
		want         []string
	}{
		{"an order of the merchant host", ksher.HostMerchant, testkit.NotifiedNative, testkit.ByOperation{"order_query": native}, []string{"order_query"}},
		{"an order of the gateway host", ksher.HostGateway, testkit.NotifiedGateway, testkit.ByOperation{"gateway_order_query": gateway}, []string{"gateway_order_query"}},
		{
			"an order of the gateway host that doesn't look like one", ksher.HostGateway, testkit.NotifiedNative,
			testkit.ByOperation{"order_query": unknown, "gateway_order_query": gateway},
			[]string{"gateway_order_query", "order_query"},
		},
		{
			"an order of the merchant host that looks like one of the gateway host", ksher.HostMerchant, testkit.NotifiedGateway,
			testkit.ByOperation{"gateway_order_query": unknown, "order_query": native},
			[]string{"order_query", "gateway_order_query"},
		},
	}
	forms := map[string]func(string) string{
		"as it is":                         func(s string) string { return s },
		"percent-encoded":                  url.QueryEscape,
		"percent-encoded in small letters": func(s string) string { return lowerHex(url.QueryEscape(s)) },
		"percent-encoded as in a path":     url.PathEscape,
		"with white space around":          func(s string) string { return "\r\n \t" + s + "\n" },
	}
	for _, tt := range tests {
		for form, encode := range forms {
			t.Run(tt.name+" "+form, func(t *testing.T) {
				m := testkit.NewMerchantAt(t, tt.host, tt.gateway, nil)
				w := testkit.Post(m.Handler, encode(testkit.SignedAnswer(t, tt.notification)))
				assert.Equal(t, http.StatusOK, w.Code)
				assert.Equal(t, testkit.Accepted, w.Body.String(), "byte for byte")
				assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
				require.EqualValues(t, 1, m.Calls.Load())
				n := <-m.Got
				assert.Equal(t, "confirmed", n.Attach, "the gateway's answer, not what came in")
				require.NoError(t, n.CheckPaid("order1", 100_00, "THB"))
				assert.Equal(t, tt.want, namesSent(m.Gateway))
				for _, r := range m.Gateway.All() {
					testkit.RequireParameters(t, r, map[string]string{"mch_order_no": "order1"})
				}
			})
		}
	}
}

// lowerHex writes percent-encoding as some encoders do.
func lowerHex(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			b.WriteString(strings.ToLower(s[i : i+3]))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func TestNotificationsRefuses(t *testing.T) {
	good := testkit.SignedAnswer(t, testkit.NotifiedNative)
	sign := testkit.PeerSign(t, testkit.RSAKey(t, 1024), testkit.NotifiedNative)
	tests := []struct {
		name   string
		body   string
		status int
	}{
		{"nothing", "", 400},
		{"blanks", " \n", 400},
		{"text", "paid!", 400},
		{"HTML", "<html>", 400},
		{"a form", "result=SUCCESS&mch_order_no=order1", 400},
		{"percent-encoding of nothing", "%zz", 400},
		{"percent-encoding cut off", strings.TrimSuffix(url.QueryEscape(good), "D"), 400},
		{"percent-encoded twice", url.QueryEscape(url.QueryEscape(good)), 400},
		{"JSON cut off", good[:len(good)-1], 400},
		{"JSON cut off after the signature", `{"code":0,"sign":"` + sign + `","data":` + testkit.NotifiedNative[:len(testkit.NotifiedNative)-20], 400},
		{"the data alone", testkit.NotifiedNative, 400},
		{"no data", `{"code":0,"sign":"` + sign + `"}`, 400},
		{"data null", `{"code":0,"data":null,"sign":"` + sign + `"}`, 400},
		{"code 1", strings.Replace(good, `"code":0`, `"code":1`, 1), 400},
		{"code as a string", strings.Replace(good, `"code":0`, `"code":"0"`, 1), 400},
		{"result FAIL", testkit.SignedAnswer(t, strings.Replace(testkit.NotifiedNative, "SUCCESS", "FAIL", 1)), 400},
		{"an amount in words", testkit.SignedAnswer(t, strings.Replace(testkit.NotifiedNative, "10000", `"much"`, 1)), 400},
		{"no signature", `{"code":0,"data":` + testkit.NotifiedNative + `}`, 403},
		{"signature not hex", testkit.WithSign(testkit.NotifiedNative, `"`+strings.Repeat("xy", len(sign)/2)+`"`), 403},
		{"signature short", testkit.WithSign(testkit.NotifiedNative, `"`+sign[2:]+`"`), 403},
		{"another amount", strings.Replace(good, "10000", "90000", 1), 403},
		{"another key", testkit.WithSign(testkit.NotifiedNative, `"`+testkit.PeerSign(t, testkit.RSAKey(t, 2048), testkit.NotifiedNative)+`"`), 403},
		{"another merchant", testkit.SignedAnswer(t, strings.Replace(testkit.NotifiedNative, testkit.AppID, "mch99999", 1)), 403},
		{"larger than 64 KiB", good + strings.Repeat(" ", 64<<10), 413},
		{"no order number", testkit.SignedAnswer(t, `{"appid":"mch12345","result":"SUCCESS"}`), 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := testkit.NewMerchant(t, testkit.ByOperation{}, nil)
			testkit.RequireRefused(t, testkit.Post(m.Handler, tt.body), tt.status)
			assert.Zero(t, m.Calls.Load(), "fn was called")
			assert.Zero(t, m.Gateway.Count(), "the gateway was asked")
			requireLogged(t, m, sign)
		})
	}
}

// requireLogged checks that a refusal left one line for the operator, and
// nothing in it that doesn't belong into a log.
func requireLogged(tb testing.TB, m *testkit.Merchant, sign string) testkit.LogLine {
	tb.Helper()
	var refusals []testkit.LogLine
	for _, line := range m.Log.Lines(tb) {
		if line.Msg == "ksher notification refused" {
			refusals = append(refusals, line)
		}
	}
	require.Len(tb, refusals, 1)
	require.Equal(tb, "WARN", refusals[0].Level)
	require.NotEmpty(tb, refusals[0].Reason)
	testkit.AssertNoSignature(tb, m.Log.Text(), sign)
	for _, personal := range []string{"buyer-4711", "Somchai"} {
		require.NotContains(tb, m.Log.Text(), personal)
	}
	return refusals[0]
}

func TestNotificationsDoesNotConfirm(t *testing.T) {
	good := testkit.SignedAnswer(t, testkit.NotifiedNative)
	answer := func(old, replacement string) http.Handler {
		return testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(testkit.ConfirmedNative, old, replacement, 1)))
	}
	unknown := testkit.UnknownOrder("ORDER_NOT_EXIST")
	tests := []struct {
		name    string
		gateway http.Handler
		status  int
		reason  string
	}{
		{"not paid", answer("SUCCESS", "NOTPAY"), 503, "the order is not paid"},
		{"a result nobody knows", answer("SUCCESS", "success"), 503, "the order is not paid"},
		{"refunded", answer("SUCCESS", "REFUND"), 503, "the order is not paid"},
		{"closed", answer("SUCCESS", "CLOSED"), 503, "the order is not paid"},
		{"another amount", answer("10000", "9999"), 409, "it is not what the merchant expects"},
		{"another currency", answer("THB", "JPY"), 409, "it is not what the merchant expects"},
		{"another order", answer("order1", "order2"), 503, "it could not be confirmed"},
		{"no order", answer(`"mch_order_no":"order1",`, ""), 503, "it could not be confirmed"},
		{"another merchant", answer(testkit.AppID, "mch99999"), 503, "it could not be confirmed"},
		{"an amount that can't be read", answer("10000", `"much"`), 503, "it could not be confirmed"},
		{"no signature", testkit.Answering(200, `{"code":0,"data":`+testkit.ConfirmedNative+`}`), 503, "it could not be confirmed"},
		{"an outage", testkit.Answering(502, "<p>Somchai, buyer-4711</p>"), 503, "it could not be confirmed"},
		{"a refusal that names the buyer", testkit.Answering(200, `{"code":1,"msg":"NOAUTH","message":"Somchai, buyer-4711"}`), 503, "it could not be confirmed"},
		{"a broken connection", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { testkit.Cut(w, "") }), 503, "it could not be confirmed"},
		{"unknown", unknown, 503, "it could not be confirmed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := testkit.NewMerchant(t, testkit.ByOperation{"order_query": tt.gateway}, nil)
			testkit.RequireRefused(t, testkit.Post(m.Handler, good), tt.status)
			assert.Zero(t, m.Calls.Load(), "fn was called")
			assert.Equal(t, 1, m.Gateway.Count(), "queries")
			line := requireLogged(t, m, testkit.PeerSign(t, testkit.RSAKey(t, 1024), testkit.NotifiedNative))
			assert.Equal(t, "order1", line.OrderNo)
			assert.Equal(t, tt.reason, line.Reason)
		})
	}
}

func TestNotificationsFunctionFails(t *testing.T) {
	for _, fnErr := range []error{
		errors.New("the database is down"),
		&ksher.Error{Operation: "order_refund", Code: ksher.CodeNotEnough, Message: "Somchai, buyer-4711"},
	} {
		m := testkit.NewMerchant(t, testkit.ByOperation{"order_query": testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedNative))}, fnErr)
		testkit.RequireRefused(t, testkit.Post(m.Handler, testkit.SignedAnswer(t, testkit.NotifiedNative)), http.StatusInternalServerError)
		assert.EqualValues(t, 1, m.Calls.Load())
		line := requireLogged(t, m, testkit.PeerSign(t, testkit.RSAKey(t, 1024), testkit.NotifiedNative))
		assert.Equal(t, "the merchant's function failed", line.Reason)
		assert.Equal(t, "order1", line.OrderNo)
		var failed *ksher.Error
		if errors.As(fnErr, &failed) {
			assert.Equal(t, string(ksher.CodeNotEnough), line.Code)
		} else {
			assert.Equal(t, fnErr.Error(), line.Cause)
		}
	}
}

func TestNotificationsMethods(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post", strings.Repeat("X", 10_000)} {
		m := testkit.NewMerchant(t, testkit.ByOperation{}, nil)
		r := httptest.NewRequest(http.MethodPost, "/notify", strings.NewReader(testkit.SignedAnswer(t, testkit.NotifiedNative)))
		r.Method = method
		w := httptest.NewRecorder()
		m.Handler.ServeHTTP(w, r)
		testkit.RequireRefused(t, w, http.StatusMethodNotAllowed)
		assert.Equal(t, "POST", w.Header().Get("Allow"))
		assert.Zero(t, m.Calls.Load())
		assert.Less(t, len(m.Log.Text()), 1000)
	}
	m := testkit.NewMerchant(t, testkit.ByOperation{}, nil)
	testkit.RequireRefused(t, testkit.Post(m.Handler, ""), http.StatusBadRequest)
	assert.Empty(t, testkit.Post(m.Handler, "").Header().Get("Allow"))
}

func TestNotificationsSize(t *testing.T) {
	good := testkit.SignedAnswer(t, testkit.NotifiedNative)
	confirming := testkit.ByOperation{"order_query": testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedNative))}
	t.Run("exactly 64 KiB", func(t *testing.T) {
		m := testkit.NewMerchant(t, confirming, nil)
		assert.Equal(t, 200, testkit.Post(m.Handler, good+strings.Repeat(" ", 64<<10-len(good))).Code)
		assert.Equal(t, 413, testkit.Post(m.Handler, good+strings.Repeat(" ", 64<<10-len(good)+1)).Code)
	})
	t.Run("100 MB in little memory", func(t *testing.T) {
		m := testkit.NewMerchant(t, confirming, nil)
		server := httptest.NewServer(m.Handler)
		t.Cleanup(server.Close)
		var resp *http.Response
		var err error
		memory := allocated(func() {
			resp, err = server.Client().Post(server.URL, "text/plain", io.LimitReader(endless('{'), hundredMB))
		})
		assert.Less(t, memory, fewBytes)
		if err == nil { // The server may hang up before the client is done.
			resp.Body.Close()
			assert.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
		}
		assert.Zero(t, m.Calls.Load())
	})
	t.Run("a body that breaks off", func(t *testing.T) {
		m := testkit.NewMerchant(t, confirming, nil)
		r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(good[:10]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		w := httptest.NewRecorder()
		m.Handler.ServeHTTP(w, r)
		testkit.RequireRefused(t, w, http.StatusBadRequest)
	})
}

func TestNotificationsMadeWrong(t *testing.T) {
	p := testkit.PaymentsOf(t, testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedNative))))
	_, err := p.Notifications(nil)
	require.ErrorContains(t, err, "nil")
	for _, wrong := range []*ksher.Payments{nil, {}} {
		_, err := wrong.Notifications(testkit.OrderList{}.Expected)
		require.ErrorContains(t, err, "NewPayments")
	}
	for _, wrong := range []*ksher.Notifications{nil, {}} {
		testkit.RequireRefused(t, testkit.Post(wrong, testkit.SignedAnswer(t, testkit.NotifiedNative)), http.StatusInternalServerError)
		again, err := wrong.Accept(t.Context(), nil)
		require.ErrorContains(t, err, "Payments.Notifications")
		require.False(t, again)
	}
}

func TestNotificationsConcurrently(t *testing.T) {
	var gateway http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := strings.Replace(testkit.ConfirmedNative, testkit.OrderNo, r.PostForm.Get("mch_order_no"), 1)
		testkit.Answering(200, testkit.SignedAnswer(t, data)).ServeHTTP(w, r)
	})
	m := testkit.NewMerchant(t, gateway, nil)
	server := httptest.NewServer(m.Handler)
	t.Cleanup(server.Close)
	const orders, deliveries = 10, 5
	deliver := func(i int) (status int, text string) {
		no := fmt.Sprintf("order%d", i%orders)
		body := testkit.SignedAnswer(t, strings.Replace(testkit.NotifiedNative, testkit.OrderNo, no, 1))
		resp, err := server.Client().Post(server.URL+"/notify", "text/plain;charset=utf-8", strings.NewReader(body))
		if !assert.NoError(t, err) {
			return 0, ""
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		assert.NoError(t, err)
		return resp.StatusCode, string(answer)
	}
	var group sync.WaitGroup
	var taken [orders]atomic.Int64
	for i := range orders * deliveries {
		group.Go(func() {
			// Which of them comes while another is being handled is left to chance.
			status, text := deliver(i)
			if status == http.StatusOK {
				assert.Equal(t, testkit.Accepted, text)
				taken[i%orders].Add(1)
			} else {
				assert.Equal(t, http.StatusServiceUnavailable, status, text)
			}
		})
	}
	group.Wait()
	for i := range orders {
		assert.Positive(t, taken[i].Load(), "deliveries of order%d that were accepted", i)
		_, text := deliver(i)
		assert.Equal(t, testkit.Accepted, text)
	}
	close(m.Got)
	count := map[string]int{}
	for n := range m.Got {
		count[n.MchOrderNo]++
	}
	assert.Len(t, count, orders)
	for no, n := range count {
		assert.Equal(t, 1, n, no)
	}
}

// fn works on behalf of the delivery: when Ksher hangs up, it is told.
func TestNotificationsContext(t *testing.T) {
	type contextKey struct{}
	client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedNative)))
	var value any
	handler := testkit.NotificationsOf(t, client, ksher.HostMerchant, func(ctx context.Context, _ *ksher.Order) error {
		value = ctx.Value(contextKey{})
		return nil
	})
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(testkit.SignedAnswer(t, testkit.NotifiedNative)))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r.WithContext(context.WithValue(t.Context(), contextKey{}, "of the request")))
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "of the request", value)

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	w = httptest.NewRecorder()
	r = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(testkit.Notified(t, "order2")))
	handler.ServeHTTP(w, r.WithContext(canceled))
	testkit.RequireRefused(t, w, http.StatusServiceUnavailable)
}

// Ksher's own keys sign a notification unless the merchant says otherwise, and
// either does.
func TestNotificationsKeys(t *testing.T) {
	example := testkit.PublishedExample(t, "order_query")
	signedByTestKey := testkit.SignedAnswer(t, testkit.NotifiedNative)
	for _, version := range []ksher.SignVersion{ksher.SignV1, ksher.SignV2} {
		asked := testkit.Recording(testkit.Answering(200, example.Body))
		client := testkit.OfflineClient(t, example.AppID, asked, ksher.WithSignVersion(version))
		calls := 0
		handler, err := testkit.PaymentsTo(t, client, func(context.Context, *ksher.Order) error { calls++; return nil }).
			Notifications(func(_ context.Context, no string) (ksher.OpenOrder, error) {
				return ksher.OpenOrder{MchOrderNo: no, Host: ksher.HostMerchant, TotalFee: 1, FeeType: "THB"}, nil
			})
		require.NoError(t, err)
		testkit.RequireRefused(t, testkit.Post(handler, signedByTestKey), http.StatusForbidden)
		w := testkit.Post(handler, example.Body)
		if version == ksher.SignV1 {
			assert.Equal(t, http.StatusOK, w.Code)
			assert.Equal(t, 1, calls)
			continue
		}
		// The notification is believed, and the answer of a gateway that was
		// asked for V2 isn't.
		testkit.RequireRefused(t, w, http.StatusServiceUnavailable)
		assert.Equal(t, 1, asked.Count())
		assert.Zero(t, calls)
	}

	own := testkit.OfflineClient(t, example.AppID, testkit.Answering(200, example.Body), testkit.TrustTestKey(t))
	handler := testkit.NotificationsOf(t, own, ksher.HostMerchant, func(context.Context, *ksher.Order) error { return nil })
	testkit.RequireRefused(t, testkit.Post(handler, example.Body), http.StatusForbidden)
}

func TestParseNotification(t *testing.T) {
	example := testkit.PublishedExample(t, "order_query")
	v1 := testkit.NewVerifier(ksher.GatewayPublicKey(ksher.SignV1))
	test := testkit.NewVerifier(&testkit.RSAKey(t, 1024).PublicKey)
	spaced := strings.Replace(testkit.NotifiedNative, "notified", "table 7 + 1 = 100%, ก", 1)
	accept := []struct {
		name     string
		body     string
		verifier *ksher.Verifier
		attach   string
	}{
		{"the published answer", example.Body, v1, ""},
		{"one of several keys", example.Body, testkit.NewVerifier(&testkit.RSAKey(t, 1024).PublicKey, ksher.GatewayPublicKey(ksher.SignV1)), ""},
		{"as it is", testkit.SignedAnswer(t, spaced), test, "table 7 + 1 = 100%, ก"},
		{"percent-encoded, + for blank", url.QueryEscape(testkit.SignedAnswer(t, spaced)), test, "table 7 + 1 = 100%, ก"},
		{"percent-encoded, %20 for blank", strings.ReplaceAll(url.QueryEscape(testkit.SignedAnswer(t, spaced)), "+", "%20"), test, "table 7 + 1 = 100%, ก"},
		{"percent-encoded in small letters", lowerHex(url.QueryEscape(testkit.SignedAnswer(t, spaced))), test, "table 7 + 1 = 100%, ก"},
		{"every byte percent-encoded", everyByte(testkit.SignedAnswer(t, spaced)), test, "table 7 + 1 = 100%, ก"},
		{"white space around", " \r\n\t" + testkit.SignedAnswer(t, testkit.NotifiedNative) + "\n", test, "notified"},
		{"white space around the percent-encoded", "\n" + url.QueryEscape(testkit.SignedAnswer(t, testkit.NotifiedNative)) + "\r\n", test, "notified"},
		{"white space percent-encoded", url.QueryEscape("\n" + testkit.SignedAnswer(t, testkit.NotifiedNative) + "\n"), test, "notified"},
		{"a byte order mark", "\ufeff" + testkit.SignedAnswer(t, testkit.NotifiedNative), test, "notified"},
		{"a byte order mark between white space", "\n\ufeff\n" + testkit.SignedAnswer(t, testkit.NotifiedNative), test, "notified"},
		{"a byte order mark, percent-encoded", url.QueryEscape("\ufeff" + testkit.SignedAnswer(t, spaced)), test, "table 7 + 1 = 100%, ก"},
		{"a byte order mark before the percent-encoded", "\ufeff" + url.PathEscape(testkit.SignedAnswer(t, spaced)), test, "table 7 + 1 = 100%, ก"},
		{"exactly 64 KiB", pad(testkit.SignedAnswer(t, testkit.NotifiedNative), 64<<10), test, "notified"},
		{"another result", testkit.SignedAnswer(t, strings.Replace(testkit.NotifiedNative, "SUCCESS", "REFUND", 1)), test, "notified"},
	}
	for _, tt := range accept {
		t.Run(tt.name, func(t *testing.T) {
			body := []byte(tt.body)
			n, err := ksher.ParseNotification(body, tt.verifier)
			require.NoError(t, err)
			assert.Equal(t, tt.attach, n.Unconfirmed.Attach)
			assert.NotEmpty(t, n.Unconfirmed.MchOrderNo)
			assert.Equal(t, tt.body, string(body), "the caller's bytes are left alone")
			require.True(t, strings.HasPrefix(string(n.Data), "{"))
			clear(body)
			assert.Contains(t, string(n.Data), "mch_order_no", "and can be used again")
		})
	}
	t.Run("in full", func(t *testing.T) {
		n, err := ksher.ParseNotification([]byte(testkit.SignedAnswer(t, testkit.NotifiedGateway)), test)
		require.NoError(t, err)
		assert.Equal(t, &ksher.Notification{
			Answer: testkit.WantAnswer(testkit.NotifiedGateway),
			Unconfirmed: ksher.Order{
				AppID: "mch12345", MchOrderNo: "order1", PayMchOrderNo: "pay1", TotalFee: 100_00, FeeType: "THB",
				Result: ksher.ResultSuccess, OpenID: "buyer-4711", Attach: "notified",
			},
		}, n)
	})

	good := testkit.SignedAnswer(t, testkit.NotifiedNative)
	refuse := []struct {
		name     string
		body     string
		verifier *ksher.Verifier
		want     []error
	}{
		{"nothing", "", test, testkit.Errs(fault.ErrEmptyBody)},
		{"blanks", " \n", test, testkit.Errs(fault.ErrEmptyBody)},
		{"a byte order mark alone", "\ufeff", test, testkit.Errs(fault.ErrEmptyBody)},
		{"a byte order mark alone, percent-encoded", "%EF%BB%BF", test, testkit.Errs(fault.ErrEmptyBody)},
		{"blanks, percent-encoded", "%20%0A", test, testkit.Errs(fault.ErrEmptyBody)},
		{"one byte more than 64 KiB", pad(good, 64<<10+1), test, testkit.Errs(fault.ErrTooLarge)},
		{"more than 64 KiB of nothing", pad("", 64<<10+1), test, testkit.Errs(fault.ErrTooLarge)},
		{"no verifier", good, nil, testkit.Errs(ksher.ErrSignature)},
		{"a verifier without keys", good, &ksher.Verifier{}, testkit.Errs(ksher.ErrSignature)},
		{"another verifier", good, v1, testkit.Malformed},
		{"a form", "a=b", test, testkit.Errs(fault.ErrNotJSON)},
		{"bad percent-encoding", "%7B%zz", test, testkit.Errs(fault.ErrNotJSON)},
		{"percent-encoded twice", url.QueryEscape(url.QueryEscape(good)), test, testkit.Errs(fault.ErrNotJSON)},
		{"cut off", good[:len(good)-1], test, testkit.Errs(fault.ErrTruncatedJSON)},
		{"percent-encoded and cut off", url.QueryEscape(good[:len(good)-1]), test, testkit.Errs(fault.ErrTruncatedJSON)},
		{"the data alone", testkit.NotifiedNative, test, testkit.Errs(fault.ErrEnvelope)},
		{"no data", `{"code":0}`, test, testkit.Errs(fault.ErrNoData)},
		{"no signature", `{"code":0,"data":` + testkit.NotifiedNative + `}`, test, testkit.Missing},
		{"another amount", strings.Replace(good, "10000", "1000000", 1), test, testkit.Mismatch},
		{"an amount in words", testkit.SignedAnswer(t, strings.Replace(testkit.NotifiedNative, "10000", `"much"`, 1)), test, testkit.Errs(fault.ErrField)},
		{"code 1", strings.Replace(good, `"code":0`, `"code":1`, 1), test, testkit.Errs(fault.ErrEnvelope)},
		{"result FAIL", testkit.SignedAnswer(t, `{"result":"FAIL","err_code":"SYSTEMERROR"}`), test, nil},
	}
	for _, tt := range refuse {
		t.Run("refuses "+tt.name, func(t *testing.T) {
			n, err := ksher.ParseNotification([]byte(tt.body), tt.verifier)
			assert.Nil(t, n)
			var failed *ksher.Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, tt.want, testkit.NamesOf(err), "%v", err)
			assert.Equal(t, "notification", failed.Operation)
			require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown, "nothing was asked for")
			assert.Less(t, len(err.Error()), 1000)
		})
	}
	t.Run("refuses nil", func(t *testing.T) {
		_, err := ksher.ParseNotification(nil, test)
		require.ErrorIs(t, err, fault.ErrEmptyBody)
		_, err = ksher.ParseNotification(nil, nil)
		require.ErrorIs(t, err, ksher.ErrSignature)
	})
	t.Run("a refusal keeps its code", func(t *testing.T) {
		_, err := ksher.ParseNotification([]byte(testkit.SignedAnswer(t, `{"result":"FAIL","err_code":"ORDER_NOT_EXIST"}`)), test)
		require.ErrorIs(t, err, ksher.CodeOrderNotExist)
	})
}

func everyByte(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

func pad(s string, size int) string { return s + strings.Repeat(" ", size-len(s)) }

// Encoders disagree about the plus; the signature decides.
func TestPlusInAPercentEncodedNotification(t *testing.T) {
	verifier := testkit.NewVerifier(&testkit.RSAKey(t, 1024).PublicKey)
	good := testkit.SignedAnswer(t, `{"mch_order_no":"order1","attach":"a+b c","result":"SUCCESS"}`)
	for name, body := range map[string]string{
		"blanks as plus":    url.QueryEscape(good),
		"plus as it stands": strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(good), "+", "%20"), "%2B", "+"),
	} {
		n, err := ksher.ParseNotification([]byte(body), verifier)
		if assert.NoError(t, err, name) {
			assert.Equal(t, "a+b c", n.Unconfirmed.Attach, name)
		}
	}
}

// watched is what a hook saw of an attempt, from the beginning to the end.
type watched struct {
	begin, end ksher.Attempt
	// within is the operation of the attempt around it.
	within string
	ended  bool
}

// watching is a hook that keeps what it sees. It marks the context.
type watching struct {
	mu  sync.Mutex
	all []*watched
}

type withinKey struct{}

func (h *watching) hook(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
	within, _ := ctx.Value(withinKey{}).(string)
	seen := &watched{begin: a, within: within}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, seen)
	return context.WithValue(ctx, withinKey{}, within+"/"+a.Operation), func(a ksher.Attempt) {
		h.mu.Lock()
		defer h.mu.Unlock()
		seen.end, seen.ended = a, true
	}
}

func TestNotificationsHooks(t *testing.T) {
	down := errors.New("the database is down")
	confirms := testkit.ByOperation{"order_query": testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedNative))}
	unknown := testkit.ByOperation{"order_query": testkit.UnknownOrder("ORDER_NOT_EXIST"), "gateway_order_query": testkit.UnknownOrder("ORDER_NOT_EXIST")}
	tests := []struct {
		name    string
		gateway testkit.ByOperation
		body    string
		fn      error
		// queries are the outcomes of the queries, in their order.
		queries []ksher.Outcome
		outcome ksher.Outcome
		orderNo string
		want    error
	}{
		{"accepted", confirms, testkit.Notified(t, testkit.OrderNo), nil, []ksher.Outcome{ksher.OutcomeOK}, ksher.OutcomeOK, testkit.OrderNo, nil},
		{"fn fails", confirms, testkit.Notified(t, testkit.OrderNo), down, []ksher.Outcome{ksher.OutcomeOK}, ksher.OutcomeFailed, testkit.OrderNo, down},
		{
			"fn refunds, and it is in doubt", confirms, testkit.Notified(t, testkit.OrderNo), ksher.ErrOutcomeUnknown,
			[]ksher.Outcome{ksher.OutcomeOK}, ksher.OutcomeUnknown, testkit.OrderNo, ksher.ErrOutcomeUnknown,
		},
		{
			"not known to the gateway", unknown, testkit.Notified(t, testkit.OrderNo), nil,
			[]ksher.Outcome{ksher.OutcomeRefused}, ksher.OutcomeRefused, testkit.OrderNo, ksher.CodeOrderNotExist,
		},
		{
			"an outage", testkit.ByOperation{"order_query": testkit.Answering(502, "")}, testkit.Notified(t, testkit.OrderNo), nil,
			[]ksher.Outcome{ksher.OutcomeFailed}, ksher.OutcomeFailed, testkit.OrderNo, fault.ErrHTTPStatus,
		},
		{
			"another amount", testkit.ByOperation{"order_query": testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(testkit.ConfirmedNative, "10000", "9999", 1)))}, testkit.Notified(t, testkit.OrderNo), nil,
			[]ksher.Outcome{ksher.OutcomeOK}, ksher.OutcomeFailed, testkit.OrderNo, ksher.ErrOtherOrder,
		},
		{"forged", confirms, testkit.WithSign(testkit.NotifiedNative, `"00"`), nil, nil, ksher.OutcomeFailed, "", ksher.ErrSignature},
		{"result FAIL", confirms, testkit.SignedAnswer(t, `{"result":"FAIL","err_code":"SYSTEMERROR"}`), nil, nil, ksher.OutcomeRefused, "", ksher.CodeSystemError},
		{"not JSON", confirms, "paid!", nil, nil, ksher.OutcomeFailed, "", fault.ErrNotJSON},
		{"nothing", confirms, "", nil, nil, ksher.OutcomeFailed, "", fault.ErrEmptyBody},
		{"too large", confirms, strings.Repeat(" ", 1<<20), nil, nil, ksher.OutcomeFailed, "", fault.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// In a bubble, so that the clock shows how long something takes.
			synctest.Test(t, func(t *testing.T) {
				outer, inner := &watching{}, &watching{}
				client := testkit.OfflineClient(t, testkit.AppID, testkit.Recording(tt.gateway), testkit.TrustTestKey(t), ksher.WithHook(outer.hook), ksher.WithHook(inner.hook))
				handler := testkit.NotificationsOf(t, client, ksher.HostMerchant, func(ctx context.Context, _ *ksher.Order) error {
					assert.Equal(t, "/notification/notification", ctx.Value(withinKey{}), "the context of both hooks")
					time.Sleep(3 * time.Second)
					return tt.fn
				})
				testkit.Post(handler, tt.body)

				for _, h := range []*watching{outer, inner} {
					require.Len(t, h.all, 1+len(tt.queries))
					n := h.all[0]
					assert.Equal(t, "notification", n.begin.Operation)
					assert.Equal(t, 1, n.begin.Number)
					assert.Empty(t, n.begin.OrderNo, "it isn't known yet")
					assert.Zero(t, n.begin.Duration)
					require.NoError(t, n.begin.Err)

					require.True(t, n.ended)
					assert.Equal(t, "notification", n.end.Operation)
					assert.Equal(t, tt.orderNo, n.end.OrderNo)
					assert.Equal(t, tt.outcome, n.end.Outcome(), "%v", n.end.Err)
					require.ErrorIs(t, n.end.Err, tt.want)
					took := time.Duration(0)
					if tt.fn != nil || tt.outcome == ksher.OutcomeOK {
						took = 3 * time.Second
					}
					assert.Equal(t, took, n.end.Duration)
					for i, q := range h.all[1:] {
						assert.Contains(t, q.within, "/notification", "the query is within")
						assert.Contains(t, q.end.Operation, "order_query")
						assert.Equal(t, testkit.OrderNo, q.begin.OrderNo)
						assert.True(t, q.ended)
						assert.Equal(t, tt.queries[i], q.end.Outcome())
					}
				}
			})
		})
	}
}

// Copies of a notification cost one query, however many arrive and however they arrive.
func TestReplaysCostNoQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		gateway := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-release
			paying(t).ServeHTTP(w, r)
		}))
		calls := 0
		handler := testkit.NotificationsOf(t, testkit.OfflineClient(t, testkit.AppID, gateway, testkit.TrustTestKey(t)), ksher.HostMerchant,
			func(context.Context, *ksher.Order) error { calls++; return nil })
		body := testkit.Notified(t, testkit.OrderNo)
		var done sync.WaitGroup
		codes := make([]int, 300)
		for i := range codes {
			done.Go(func() { codes[i] = testkit.Post(handler, body).Code })
		}
		synctest.Wait()
		assert.Equal(t, 403, testkit.Post(handler, testkit.WithSign(testkit.NotifiedNative, `"00"`)).Code, "a forged one is refused meanwhile")
		close(release)
		done.Wait()
		assert.Equal(t, 1, gateway.Count())
		assert.Len(t, slices.DeleteFunc(codes, func(code int) bool { return code == 503 }), 1)
		for range 300 {
			assert.Equal(t, 200, testkit.Post(handler, body).Code)
		}
		assert.Equal(t, 1, gateway.Count())
		assert.Equal(t, 1, calls)
	})
	t.Run("of an order that isn't paid", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gateway := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(testkit.ConfirmedNative, "SUCCESS", "REFUND", 1))))
			handler := testkit.NotificationsOf(t, testkit.OfflineClient(t, testkit.AppID, gateway, testkit.TrustTestKey(t)), ksher.HostMerchant,
				func(context.Context, *ksher.Order) error { return errors.New("called") })
			for range 300 {
				assert.NotEqual(t, 200, testkit.Post(handler, testkit.Notified(t, testkit.OrderNo)).Code)
			}
			assert.Equal(t, 1, gateway.Count())
			time.Sleep(time.Second)
			assert.NotEqual(t, 200, testkit.Post(handler, testkit.Notified(t, testkit.OrderNo)).Code)
			assert.Equal(t, 2, gateway.Count(), "Ksher's own repetitions are confirmed anew")
		})
	})
}

// What the merchant doesn't have costs no query, and is never acknowledged.
func TestUnknownNumbersCostNoQuery(t *testing.T) {
	client := testkit.NewClient(t, testkit.Recording(paying(t)))
	away := errors.New("the database is away")
	for _, tt := range []struct {
		name   string
		lookup func(ctx context.Context, no string) (ksher.OpenOrder, error)
		status int
		again  bool
		want   error
	}{
		{"not ours", testkit.OrderList{}.Expected, 404, false, ksher.ErrNotOurs},
		{"not ours, in more words", func(context.Context, string) (ksher.OpenOrder, error) {
			return ksher.OpenOrder{}, fmt.Errorf("shop: %w", ksher.ErrNotOurs)
		}, 404, false, ksher.ErrNotOurs},
		{"the lookup fails", func(context.Context, string) (ksher.OpenOrder, error) { return ksher.OpenOrder{}, away }, 500, true, away},
		{"the lookup finds another", func(context.Context, string) (ksher.OpenOrder, error) { return openOrders(1)[0], nil }, 500, true, nil},
		{"the lookup finds half an order", func(_ context.Context, no string) (ksher.OpenOrder, error) {
			return ksher.OpenOrder{MchOrderNo: no}, nil
		}, 500, true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gateway := testkit.Recording(paying(t))
			client = testkit.NewClient(t, gateway)
			n, err := testkit.PaymentsOf(t, client).Notifications(tt.lookup)
			require.NoError(t, err)
			testkit.RequireRefused(t, testkit.Post(n, testkit.Notified(t, testkit.OrderNo)), tt.status)
			again, err := n.Accept(t.Context(), []byte(testkit.Notified(t, testkit.OrderNo)))
			require.Error(t, err)
			require.Equal(t, tt.again, again)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			}
			require.Zero(t, gateway.Count())
		})
	}
}

// An order that is booked is acknowledged without a query or a call.
func TestBookedOrders(t *testing.T) {
	gateway := testkit.Recording(paying(t))
	p := testkit.PaymentsTo(t, testkit.NewClient(t, gateway), func(context.Context, *ksher.Order) error { return errors.New("called") })
	open := openOrder(ksher.HostMerchant)
	open.Booked = true
	n, err := p.Notifications(testkit.OrderList{open}.Expected)
	require.NoError(t, err)
	require.Equal(t, testkit.Accepted, testkit.Post(n, testkit.Notified(t, testkit.OrderNo)).Body.String())
	require.Zero(t, gateway.Count())
	sum, err := p.Pass(t.Context(), testkit.OrderList{open}, "")
	require.NoError(t, err)
	require.Equal(t, ksher.PassResult{Asked: 1, Paid: 1}, sum)
	require.Zero(t, gateway.Count())
	order, err := p.Check(t.Context(), open)
	require.NoError(t, err)
	require.Equal(t, ksher.ResultSuccess, order.Result)
}

// Two payments under one number, one on each host: the second is reported, once.
func TestPaidAtBothHosts(t *testing.T) {
	both := testkit.ByOperation{
		"order_query":         testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedNative)),
		"gateway_order_query": testkit.Answering(200, testkit.SignedAnswer(t, testkit.ConfirmedGateway)),
	}
	for _, host := range []ksher.Host{ksher.HostGateway, ksher.HostMerchant} {
		t.Run(string(host), func(t *testing.T) {
			m := testkit.NewMerchantAt(t, host, both, nil)
			for range 3 {
				for _, data := range []string{testkit.NotifiedNative, testkit.NotifiedGateway} {
					assert.Equal(t, testkit.Accepted, testkit.Post(m.Handler, testkit.SignedAnswer(t, data)).Body.String())
				}
			}
			assert.EqualValues(t, 1, m.Calls.Load())
			require.Len(t, m.Problems, 1)
			problem := <-m.Problems
			require.ErrorIs(t, problem, ksher.ErrOtherOrder)
			require.ErrorContains(t, problem, "100.00 THB")
			assert.Equal(t, 2, m.Gateway.Count())
		})
	}
}

// A notification that names a payment by its number at the merchant host is no second
// payment: the merchant's books don't have that number.
func TestPayMchOrderNoIsNoOrder(t *testing.T) {
	gateway := testkit.Recording(paying(t))
	p := testkit.PaymentsTo(t, testkit.NewClient(t, gateway), func(context.Context, *ksher.Order) error { return errors.New("called") })
	n, err := p.Notifications(testkit.OrderList{openOrder(ksher.HostGateway)}.Expected)
	require.NoError(t, err)
	testkit.RequireRefused(t, testkit.Post(n, testkit.Notified(t, "pay1")), http.StatusNotFound)
	require.Zero(t, gateway.Count())
}

// A problem is reported once, however often the notification comes.
func TestProblemsAreBounded(t *testing.T) {
	m := testkit.NewMerchant(t, testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(testkit.ConfirmedNative, "10000", "9999", 1))), nil)
	for range 50 {
		assert.NotEqual(t, 200, testkit.Post(m.Handler, testkit.Notified(t, testkit.OrderNo)).Code)
	}
	require.Len(t, m.Problems, 1)
	require.ErrorIs(t, <-m.Problems, ksher.ErrOtherOrder)
	require.Zero(t, m.Calls.Load())
}

// What has no error of its own gets one, so that no outcome is OK that wasn't.
func TestNotificationsHooksEnd(t *testing.T) {
	tests := map[string]struct {
		r    *http.Request
		want string
	}{
		"another method": {httptest.NewRequest(http.MethodGet, "/", nil), "the method is not POST"},
		"a panic":        {httptest.NewRequest(http.MethodPost, "/", strings.NewReader(testkit.Notified(t, testkit.OrderNo))), "panicked: out of luck"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			hook := &watching{}
			client := testkit.OfflineClient(t, testkit.AppID, testkit.Recording(paying(t)), testkit.TrustTestKey(t), ksher.WithHook(hook.hook))
			testkit.NotificationsOf(t, client, ksher.HostMerchant, func(context.Context, *ksher.Order) error { panic("out of luck") }).
				ServeHTTP(httptest.NewRecorder(), tt.r)
			require.NotEmpty(t, hook.all)
			require.True(t, hook.all[0].ended)
			require.ErrorContains(t, hook.all[0].end.Err, tt.want)
			assert.Equal(t, ksher.OutcomeFailed, hook.all[0].end.Outcome())
		})
	}
}

// So many orders are asked about at once, and one more has to come again. What is forged,
// unknown or being handled takes no place.
func TestNotificationsConfirmSoManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 100
		release := make(chan struct{})
		gateway := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-release
			paying(t).ServeHTTP(w, r)
		}))
		log := &testkit.LogBuffer{}
		client := testkit.OfflineClient(t, testkit.AppID, gateway, testkit.TrustTestKey(t), ksher.WithLogger(log.Logger(slog.LevelDebug)))
		handler := testkit.NotificationsOf(t, client, ksher.HostMerchant, func(context.Context, *ksher.Order) error { return nil })
		var done sync.WaitGroup
		for i := range most {
			done.Go(func() { assert.Equal(t, 200, testkit.Post(handler, testkit.Notified(t, fmt.Sprint("order", i))).Code) })
		}
		synctest.Wait()
		for range 3 {
			assert.Equal(t, 503, testkit.Post(handler, testkit.Notified(t, "more")).Code)
			assert.Equal(t, 503, testkit.Post(handler, testkit.Notified(t, "order1")).Code)
		}
		assert.Equal(t, most, gateway.Count())
		assert.Contains(t, log.Text(), "too many others are being confirmed")
		close(release)
		done.Wait()
		assert.Equal(t, 200, testkit.Post(handler, testkit.Notified(t, "more")).Code)
	})
}

// panicking is a log that panics when it is told of a notification.
type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool { return true }

func (panicking) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "ksher notification") {
		panic("the log is full")
	}
	return nil
}

// Whatever of the merchant's panics, no panic gets out, and Ksher comes again.
func TestNotificationsPanics(t *testing.T) {
	out := func() { panic("out of luck") }
	hook := func(begin, end func()) ksher.Option {
		return ksher.WithHook(func(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
			if a.Operation != "notification" {
				return ctx, nil
			}
			begin()
			return ctx, func(ksher.Attempt) { end() }
		})
	}
	nothing := func() {}
	tests := map[string]struct {
		opts   []ksher.Option
		lookup func()
		status int
		// number says that the order's number is known when it happens.
		number bool
	}{
		"the lookup":             {nil, out, 500, true},
		"the lookup, aborted":    {nil, func() { panic(http.ErrAbortHandler) }, 500, true},
		"a hook's beginning":     {[]ksher.Option{hook(out, nothing)}, nothing, 500, false},
		"a hook's end":           {[]ksher.Option{hook(nothing, out)}, nothing, 200, true},
		"the log, after a panic": {[]ksher.Option{ksher.WithLogger(slog.New(panicking{slog.DiscardHandler}))}, out, 500, true},
		"the log":                {[]ksher.Option{ksher.WithLogger(slog.New(panicking{slog.DiscardHandler}))}, nothing, 200, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			log, calls := &testkit.LogBuffer{}, 0
			opts := append([]ksher.Option{testkit.TrustTestKey(t), ksher.WithLogger(log.Logger(slog.LevelDebug))}, tt.opts...)
			client := testkit.OfflineClient(t, testkit.AppID, testkit.Recording(paying(t)), opts...)
			n, err := testkit.PaymentsTo(t, client, func(context.Context, *ksher.Order) error { calls++; return nil }).
				Notifications(func(ctx context.Context, no string) (ksher.OpenOrder, error) {
					tt.lookup()
					return openOrder(ksher.HostMerchant), nil
				})
			require.NoError(t, err)
			require.NotPanics(t, func() {
				w := testkit.Post(n, testkit.Notified(t, testkit.OrderNo))
				require.Equal(t, tt.status, w.Code)
				require.NotContains(t, w.Body.String(), "luck")
				again, err := n.Accept(t.Context(), []byte(testkit.Notified(t, testkit.OrderNo)))
				require.Equal(t, tt.status == 500, again)
				require.Equal(t, tt.status == 500, err != nil, "%v", err)
			})
			require.Equal(t, tt.status == 200, calls == 1)
			for _, line := range log.Lines(t) {
				if line.Msg == "ksher notification panic" {
					require.Equal(t, tt.number, line.OrderNo == testkit.OrderNo)
				}
			}
		})
	}
}

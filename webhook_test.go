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
)

const accepted = `{"result":"SUCCESS","msg":"OK"}`

// What a notification says and what the gateway answers differ in their
// attach, so that a test can tell which of the two it was given.
const (
	notifiedNative   = `{"appid":"mch12345","mch_order_no":"order1","total_fee":10000,"fee_type":"THB","result":"SUCCESS","openid":"buyer-4711","attach":"notified"}`
	confirmedNative  = `{"appid":"mch12345","mch_order_no":"order1","total_fee":10000,"fee_type":"THB","result":"SUCCESS","openid":"buyer-4711","attach":"confirmed"}`
	notifiedGateway  = `{"appid":"mch12345","mch_order_no":"order1","pay_mch_order_no":"pay1","total_fee":10000,"fee_type":"THB","result":"SUCCESS","openid":"buyer-4711","attach":"notified"}`
	confirmedGateway = `{"appid":"mch12345","mch_order_no":"order1","pay_mch_order_no":"pay1","total_fee":10000,"fee_type":"THB","result":"SUCCESS","openid":"buyer-4711","attach":"confirmed"}`
)

// unknownOrder is how a host answers about an order of the other.
func unknownOrder(code string) http.Handler {
	return answering(200, `{"code":1,"msg":"`+code+`","message":"Somchai has no such order"}`)
}

// merchant is a handler of notifications with everything around it that a test looks
// at. Every order is in its books, at the merchant host.
type merchant struct {
	handler  *ksher.Notifications
	gateway  *recorder
	log      *logBuffer
	calls    atomic.Int64
	got      chan *ksher.Order
	problems chan error
}

func newMerchant(tb testing.TB, gateway http.Handler, fnErr error, opts ...ksher.PaymentsOption) *merchant {
	tb.Helper()
	return newMerchantAt(tb, ksher.HostMerchant, gateway, fnErr, opts...)
}

func newMerchantAt(tb testing.TB, host ksher.Host, gateway http.Handler, fnErr error, opts ...ksher.PaymentsOption) *merchant {
	tb.Helper()
	m := &merchant{gateway: recording(gateway), log: &logBuffer{}, got: make(chan *ksher.Order, 1000), problems: make(chan error, 1000)}
	client := newClient(tb, m.gateway, ksher.WithLogger(m.log.logger(slog.LevelDebug)))
	problem := ksher.WithProblem(func(_ context.Context, _ ksher.OpenOrder, err error) { m.problems <- err })
	m.handler = notificationsOf(tb, client, host, func(_ context.Context, o *ksher.Order) error {
		m.calls.Add(1)
		m.got <- o
		return fnErr
	}, append(opts, problem)...)
	return m
}

func post(handler http.Handler, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/notify", strings.NewReader(body))
	r.Header.Set("Content-Type", "text/plain;charset=utf-8")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// requireRefused checks an answer that makes Ksher send the notification
// again.
func requireRefused(tb testing.TB, w *httptest.ResponseRecorder, status int) {
	tb.Helper()
	require.Equal(tb, status, w.Code, "%s", w.Body)
	require.Equal(tb, "application/json", w.Header().Get("Content-Type"))
	require.JSONEq(tb, fmt.Sprintf(`{"result":"FAIL","msg":%q}`, http.StatusText(status)), w.Body.String())
}

func TestNotificationsConfirm(t *testing.T) {
	native := answering(200, signedAnswer(t, confirmedNative))
	gateway := answering(200, signedAnswer(t, confirmedGateway))
	unknown := unknownOrder("ORDER_NOT_EXIST")
	tests := []struct {
		name         string
		host         ksher.Host
		notification string
		gateway      byOperation
		want         []string
	}{
		{"an order of the merchant host", ksher.HostMerchant, notifiedNative, byOperation{"order_query": native}, []string{"order_query"}},
		{"an order of the gateway host", ksher.HostGateway, notifiedGateway, byOperation{"gateway_order_query": gateway}, []string{"gateway_order_query"}},
		{
			"an order of the gateway host that doesn't look like one", ksher.HostGateway, notifiedNative,
			byOperation{"order_query": unknown, "gateway_order_query": gateway},
			[]string{"gateway_order_query", "order_query"},
		},
		{
			"an order of the merchant host that looks like one of the gateway host", ksher.HostMerchant, notifiedGateway,
			byOperation{"gateway_order_query": unknown, "order_query": native},
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
				m := newMerchantAt(t, tt.host, tt.gateway, nil)
				w := post(m.handler, encode(signedAnswer(t, tt.notification)))
				assert.Equal(t, http.StatusOK, w.Code)
				assert.Equal(t, accepted, w.Body.String(), "byte for byte")
				assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
				require.EqualValues(t, 1, m.calls.Load())
				n := <-m.got
				assert.Equal(t, "confirmed", n.Attach, "the gateway's answer, not what came in")
				require.NoError(t, n.CheckPaid("order1", 100_00, "THB"))
				assert.Equal(t, tt.want, namesSent(m.gateway))
				for _, r := range m.gateway.all() {
					requireParameters(t, r, map[string]string{"mch_order_no": "order1"})
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
	good := signedAnswer(t, notifiedNative)
	sign := peerSign(t, rsaKey(t, 1024), notifiedNative)
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
		{"JSON cut off after the signature", `{"code":0,"sign":"` + sign + `","data":` + notifiedNative[:len(notifiedNative)-20], 400},
		{"the data alone", notifiedNative, 400},
		{"no data", `{"code":0,"sign":"` + sign + `"}`, 400},
		{"data null", `{"code":0,"data":null,"sign":"` + sign + `"}`, 400},
		{"code 1", strings.Replace(good, `"code":0`, `"code":1`, 1), 400},
		{"code as a string", strings.Replace(good, `"code":0`, `"code":"0"`, 1), 400},
		{"result FAIL", signedAnswer(t, strings.Replace(notifiedNative, "SUCCESS", "FAIL", 1)), 400},
		{"an amount in words", signedAnswer(t, strings.Replace(notifiedNative, "10000", `"much"`, 1)), 400},
		{"no signature", `{"code":0,"data":` + notifiedNative + `}`, 403},
		{"signature not hex", withSign(notifiedNative, `"`+strings.Repeat("xy", len(sign)/2)+`"`), 403},
		{"signature short", withSign(notifiedNative, `"`+sign[2:]+`"`), 403},
		{"another amount", strings.Replace(good, "10000", "90000", 1), 403},
		{"another key", withSign(notifiedNative, `"`+peerSign(t, rsaKey(t, 2048), notifiedNative)+`"`), 403},
		{"another merchant", signedAnswer(t, strings.Replace(notifiedNative, testAppID, "mch99999", 1)), 403},
		{"larger than 64 KiB", good + strings.Repeat(" ", 64<<10), 413},
		{"no order number", signedAnswer(t, `{"appid":"mch12345","result":"SUCCESS"}`), 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMerchant(t, byOperation{}, nil)
			requireRefused(t, post(m.handler, tt.body), tt.status)
			assert.Zero(t, m.calls.Load(), "fn was called")
			assert.Zero(t, m.gateway.count(), "the gateway was asked")
			requireLogged(t, m, sign)
		})
	}
}

// requireLogged checks that a refusal left one line for the operator, and
// nothing in it that doesn't belong into a log.
func requireLogged(tb testing.TB, m *merchant, sign string) logLine {
	tb.Helper()
	var refusals []logLine
	for _, line := range m.log.lines(tb) {
		if line.Msg == "ksher notification refused" {
			refusals = append(refusals, line)
		}
	}
	require.Len(tb, refusals, 1)
	require.Equal(tb, "WARN", refusals[0].Level)
	require.NotEmpty(tb, refusals[0].Reason)
	assertNoSignature(tb, m.log.text(), sign)
	for _, personal := range []string{"buyer-4711", "Somchai"} {
		require.NotContains(tb, m.log.text(), personal)
	}
	return refusals[0]
}

func TestNotificationsDoesNotConfirm(t *testing.T) {
	good := signedAnswer(t, notifiedNative)
	answer := func(old, replacement string) http.Handler {
		return answering(200, signedAnswer(t, strings.Replace(confirmedNative, old, replacement, 1)))
	}
	unknown := unknownOrder("ORDER_NOT_EXIST")
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
		{"another merchant", answer(testAppID, "mch99999"), 503, "it could not be confirmed"},
		{"an amount that can't be read", answer("10000", `"much"`), 503, "it could not be confirmed"},
		{"no signature", answering(200, `{"code":0,"data":`+confirmedNative+`}`), 503, "it could not be confirmed"},
		{"an outage", answering(502, "<p>Somchai, buyer-4711</p>"), 503, "it could not be confirmed"},
		{"a refusal that names the buyer", answering(200, `{"code":1,"msg":"NOAUTH","message":"Somchai, buyer-4711"}`), 503, "it could not be confirmed"},
		{"a broken connection", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { cut(w, "") }), 503, "it could not be confirmed"},
		{"unknown", unknown, 503, "it could not be confirmed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMerchant(t, byOperation{"order_query": tt.gateway}, nil)
			requireRefused(t, post(m.handler, good), tt.status)
			assert.Zero(t, m.calls.Load(), "fn was called")
			assert.Equal(t, 1, m.gateway.count(), "queries")
			line := requireLogged(t, m, peerSign(t, rsaKey(t, 1024), notifiedNative))
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
		m := newMerchant(t, byOperation{"order_query": answering(200, signedAnswer(t, confirmedNative))}, fnErr)
		requireRefused(t, post(m.handler, signedAnswer(t, notifiedNative)), http.StatusInternalServerError)
		assert.EqualValues(t, 1, m.calls.Load())
		line := requireLogged(t, m, peerSign(t, rsaKey(t, 1024), notifiedNative))
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
		m := newMerchant(t, byOperation{}, nil)
		r := httptest.NewRequest(http.MethodPost, "/notify", strings.NewReader(signedAnswer(t, notifiedNative)))
		r.Method = method
		w := httptest.NewRecorder()
		m.handler.ServeHTTP(w, r)
		requireRefused(t, w, http.StatusMethodNotAllowed)
		assert.Equal(t, "POST", w.Header().Get("Allow"))
		assert.Zero(t, m.calls.Load())
		assert.Less(t, len(m.log.text()), 1000)
	}
	m := newMerchant(t, byOperation{}, nil)
	requireRefused(t, post(m.handler, ""), http.StatusBadRequest)
	assert.Empty(t, post(m.handler, "").Header().Get("Allow"))
}

func TestNotificationsSize(t *testing.T) {
	good := signedAnswer(t, notifiedNative)
	confirming := byOperation{"order_query": answering(200, signedAnswer(t, confirmedNative))}
	t.Run("exactly 64 KiB", func(t *testing.T) {
		m := newMerchant(t, confirming, nil)
		assert.Equal(t, 200, post(m.handler, good+strings.Repeat(" ", 64<<10-len(good))).Code)
		assert.Equal(t, 413, post(m.handler, good+strings.Repeat(" ", 64<<10-len(good)+1)).Code)
	})
	t.Run("100 MB in little memory", func(t *testing.T) {
		m := newMerchant(t, confirming, nil)
		server := httptest.NewServer(m.handler)
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
		assert.Zero(t, m.calls.Load())
	})
	t.Run("a body that breaks off", func(t *testing.T) {
		m := newMerchant(t, confirming, nil)
		r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(good[:10]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		w := httptest.NewRecorder()
		m.handler.ServeHTTP(w, r)
		requireRefused(t, w, http.StatusBadRequest)
	})
}

func TestNotificationsMadeWrong(t *testing.T) {
	p := paymentsOf(t, newClient(t, answering(200, signedAnswer(t, confirmedNative))))
	_, err := p.Notifications(nil)
	require.ErrorContains(t, err, "nil")
	for _, wrong := range []*ksher.Payments{nil, {}} {
		_, err := wrong.Notifications(orderList{}.expected)
		require.ErrorContains(t, err, "NewPayments")
	}
	for _, wrong := range []*ksher.Notifications{nil, {}} {
		requireRefused(t, post(wrong, signedAnswer(t, notifiedNative)), http.StatusInternalServerError)
		again, err := wrong.Accept(t.Context(), nil)
		require.ErrorContains(t, err, "Payments.Notifications")
		require.False(t, again)
	}
}

func TestNotificationsConcurrently(t *testing.T) {
	var gateway http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := strings.Replace(confirmedNative, testOrderNo, r.PostForm.Get("mch_order_no"), 1)
		answering(200, signedAnswer(t, data)).ServeHTTP(w, r)
	})
	m := newMerchant(t, gateway, nil)
	server := httptest.NewServer(m.handler)
	t.Cleanup(server.Close)
	const orders, deliveries = 10, 5
	deliver := func(i int) (status int, text string) {
		no := fmt.Sprintf("order%d", i%orders)
		body := signedAnswer(t, strings.Replace(notifiedNative, testOrderNo, no, 1))
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
				assert.Equal(t, accepted, text)
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
		assert.Equal(t, accepted, text)
	}
	close(m.got)
	count := map[string]int{}
	for n := range m.got {
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
	client := newClient(t, answering(200, signedAnswer(t, confirmedNative)))
	var value any
	handler := notificationsOf(t, client, ksher.HostMerchant, func(ctx context.Context, _ *ksher.Order) error {
		value = ctx.Value(contextKey{})
		return nil
	})
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(signedAnswer(t, notifiedNative)))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r.WithContext(context.WithValue(t.Context(), contextKey{}, "of the request")))
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "of the request", value)

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	w = httptest.NewRecorder()
	r = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(notified(t, "order2")))
	handler.ServeHTTP(w, r.WithContext(canceled))
	requireRefused(t, w, http.StatusServiceUnavailable)
}

// Ksher's own keys sign a notification unless the merchant says otherwise, and
// either does.
func TestNotificationsKeys(t *testing.T) {
	example := publishedExample(t, "order_query")
	signedByTestKey := signedAnswer(t, notifiedNative)
	for _, version := range []ksher.SignVersion{ksher.SignV1, ksher.SignV2} {
		asked := recording(answering(200, example.body))
		client := offlineClient(t, example.appID, asked, ksher.WithSignVersion(version))
		calls := 0
		handler, err := paymentsTo(t, client, func(context.Context, *ksher.Order) error { calls++; return nil }).
			Notifications(func(_ context.Context, no string) (ksher.OpenOrder, error) {
				return ksher.OpenOrder{MchOrderNo: no, Host: ksher.HostMerchant, TotalFee: 1, FeeType: "THB"}, nil
			})
		require.NoError(t, err)
		requireRefused(t, post(handler, signedByTestKey), http.StatusForbidden)
		w := post(handler, example.body)
		if version == ksher.SignV1 {
			assert.Equal(t, http.StatusOK, w.Code)
			assert.Equal(t, 1, calls)
			continue
		}
		// The notification is believed, and the answer of a gateway that was
		// asked for V2 isn't.
		requireRefused(t, w, http.StatusServiceUnavailable)
		assert.Equal(t, 1, asked.count())
		assert.Zero(t, calls)
	}

	own := offlineClient(t, example.appID, answering(200, example.body), trustTestKey(t))
	handler := notificationsOf(t, own, ksher.HostMerchant, func(context.Context, *ksher.Order) error { return nil })
	requireRefused(t, post(handler, example.body), http.StatusForbidden)
}

func TestParseNotification(t *testing.T) {
	example := publishedExample(t, "order_query")
	v1 := newVerifier(ksher.GatewayPublicKey(ksher.SignV1))
	test := newVerifier(&rsaKey(t, 1024).PublicKey)
	spaced := strings.Replace(notifiedNative, "notified", "table 7 + 1 = 100%, ก", 1)
	accept := []struct {
		name     string
		body     string
		verifier *ksher.Verifier
		attach   string
	}{
		{"the published answer", example.body, v1, ""},
		{"one of several keys", example.body, newVerifier(&rsaKey(t, 1024).PublicKey, ksher.GatewayPublicKey(ksher.SignV1)), ""},
		{"as it is", signedAnswer(t, spaced), test, "table 7 + 1 = 100%, ก"},
		{"percent-encoded, + for blank", url.QueryEscape(signedAnswer(t, spaced)), test, "table 7 + 1 = 100%, ก"},
		{"percent-encoded, %20 for blank", strings.ReplaceAll(url.QueryEscape(signedAnswer(t, spaced)), "+", "%20"), test, "table 7 + 1 = 100%, ก"},
		{"percent-encoded in small letters", lowerHex(url.QueryEscape(signedAnswer(t, spaced))), test, "table 7 + 1 = 100%, ก"},
		{"every byte percent-encoded", everyByte(signedAnswer(t, spaced)), test, "table 7 + 1 = 100%, ก"},
		{"white space around", " \r\n\t" + signedAnswer(t, notifiedNative) + "\n", test, "notified"},
		{"white space around the percent-encoded", "\n" + url.QueryEscape(signedAnswer(t, notifiedNative)) + "\r\n", test, "notified"},
		{"white space percent-encoded", url.QueryEscape("\n" + signedAnswer(t, notifiedNative) + "\n"), test, "notified"},
		{"a byte order mark", "\ufeff" + signedAnswer(t, notifiedNative), test, "notified"},
		{"a byte order mark between white space", "\n\ufeff\n" + signedAnswer(t, notifiedNative), test, "notified"},
		{"a byte order mark, percent-encoded", url.QueryEscape("\ufeff" + signedAnswer(t, spaced)), test, "table 7 + 1 = 100%, ก"},
		{"a byte order mark before the percent-encoded", "\ufeff" + url.PathEscape(signedAnswer(t, spaced)), test, "table 7 + 1 = 100%, ก"},
		{"exactly 64 KiB", pad(signedAnswer(t, notifiedNative), 64<<10), test, "notified"},
		{"another result", signedAnswer(t, strings.Replace(notifiedNative, "SUCCESS", "REFUND", 1)), test, "notified"},
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
		n, err := ksher.ParseNotification([]byte(signedAnswer(t, notifiedGateway)), test)
		require.NoError(t, err)
		assert.Equal(t, &ksher.Notification{
			Answer: wantAnswer(notifiedGateway),
			Unconfirmed: ksher.Order{
				AppID: "mch12345", MchOrderNo: "order1", PayMchOrderNo: "pay1", TotalFee: 100_00, FeeType: "THB",
				Result: ksher.ResultSuccess, OpenID: "buyer-4711", Attach: "notified",
			},
		}, n)
	})

	good := signedAnswer(t, notifiedNative)
	refuse := []struct {
		name     string
		body     string
		verifier *ksher.Verifier
		want     []error
	}{
		{"nothing", "", test, errs(fault.ErrEmptyBody)},
		{"blanks", " \n", test, errs(fault.ErrEmptyBody)},
		{"a byte order mark alone", "\ufeff", test, errs(fault.ErrEmptyBody)},
		{"a byte order mark alone, percent-encoded", "%EF%BB%BF", test, errs(fault.ErrEmptyBody)},
		{"blanks, percent-encoded", "%20%0A", test, errs(fault.ErrEmptyBody)},
		{"one byte more than 64 KiB", pad(good, 64<<10+1), test, errs(fault.ErrTooLarge)},
		{"more than 64 KiB of nothing", pad("", 64<<10+1), test, errs(fault.ErrTooLarge)},
		{"no verifier", good, nil, errs(ksher.ErrSignature)},
		{"a verifier without keys", good, &ksher.Verifier{}, errs(ksher.ErrSignature)},
		{"another verifier", good, v1, malformed},
		{"a form", "a=b", test, errs(fault.ErrNotJSON)},
		{"bad percent-encoding", "%7B%zz", test, errs(fault.ErrNotJSON)},
		{"percent-encoded twice", url.QueryEscape(url.QueryEscape(good)), test, errs(fault.ErrNotJSON)},
		{"cut off", good[:len(good)-1], test, errs(fault.ErrTruncatedJSON)},
		{"percent-encoded and cut off", url.QueryEscape(good[:len(good)-1]), test, errs(fault.ErrTruncatedJSON)},
		{"the data alone", notifiedNative, test, errs(fault.ErrEnvelope)},
		{"no data", `{"code":0}`, test, errs(fault.ErrNoData)},
		{"no signature", `{"code":0,"data":` + notifiedNative + `}`, test, missing},
		{"another amount", strings.Replace(good, "10000", "1000000", 1), test, mismatch},
		{"an amount in words", signedAnswer(t, strings.Replace(notifiedNative, "10000", `"much"`, 1)), test, errs(fault.ErrField)},
		{"code 1", strings.Replace(good, `"code":0`, `"code":1`, 1), test, errs(fault.ErrEnvelope)},
		{"result FAIL", signedAnswer(t, `{"result":"FAIL","err_code":"SYSTEMERROR"}`), test, nil},
	}
	for _, tt := range refuse {
		t.Run("refuses "+tt.name, func(t *testing.T) {
			n, err := ksher.ParseNotification([]byte(tt.body), tt.verifier)
			assert.Nil(t, n)
			var failed *ksher.Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, tt.want, namesOf(err), "%v", err)
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
		_, err := ksher.ParseNotification([]byte(signedAnswer(t, `{"result":"FAIL","err_code":"ORDER_NOT_EXIST"}`)), test)
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
	verifier := newVerifier(&rsaKey(t, 1024).PublicKey)
	good := signedAnswer(t, `{"mch_order_no":"order1","attach":"a+b c","result":"SUCCESS"}`)
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
	confirms := byOperation{"order_query": answering(200, signedAnswer(t, confirmedNative))}
	unknown := byOperation{"order_query": unknownOrder("ORDER_NOT_EXIST"), "gateway_order_query": unknownOrder("ORDER_NOT_EXIST")}
	tests := []struct {
		name    string
		gateway byOperation
		body    string
		fn      error
		// queries are the outcomes of the queries, in their order.
		queries []ksher.Outcome
		outcome ksher.Outcome
		orderNo string
		want    error
	}{
		{"accepted", confirms, notified(t, testOrderNo), nil, []ksher.Outcome{ksher.OutcomeOK}, ksher.OutcomeOK, testOrderNo, nil},
		{"fn fails", confirms, notified(t, testOrderNo), down, []ksher.Outcome{ksher.OutcomeOK}, ksher.OutcomeFailed, testOrderNo, down},
		{
			"fn refunds, and it is in doubt", confirms, notified(t, testOrderNo), ksher.ErrOutcomeUnknown,
			[]ksher.Outcome{ksher.OutcomeOK}, ksher.OutcomeUnknown, testOrderNo, ksher.ErrOutcomeUnknown,
		},
		{
			"not known to the gateway", unknown, notified(t, testOrderNo), nil,
			[]ksher.Outcome{ksher.OutcomeRefused}, ksher.OutcomeRefused, testOrderNo, ksher.CodeOrderNotExist,
		},
		{
			"an outage", byOperation{"order_query": answering(502, "")}, notified(t, testOrderNo), nil,
			[]ksher.Outcome{ksher.OutcomeFailed}, ksher.OutcomeFailed, testOrderNo, fault.ErrHTTPStatus,
		},
		{
			"another amount", byOperation{"order_query": answering(200, signedAnswer(t, strings.Replace(confirmedNative, "10000", "9999", 1)))}, notified(t, testOrderNo), nil,
			[]ksher.Outcome{ksher.OutcomeOK}, ksher.OutcomeFailed, testOrderNo, ksher.ErrOtherOrder,
		},
		{"forged", confirms, withSign(notifiedNative, `"00"`), nil, nil, ksher.OutcomeFailed, "", ksher.ErrSignature},
		{"result FAIL", confirms, signedAnswer(t, `{"result":"FAIL","err_code":"SYSTEMERROR"}`), nil, nil, ksher.OutcomeRefused, "", ksher.CodeSystemError},
		{"not JSON", confirms, "paid!", nil, nil, ksher.OutcomeFailed, "", fault.ErrNotJSON},
		{"nothing", confirms, "", nil, nil, ksher.OutcomeFailed, "", fault.ErrEmptyBody},
		{"too large", confirms, strings.Repeat(" ", 1<<20), nil, nil, ksher.OutcomeFailed, "", fault.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// In a bubble, so that the clock shows how long something takes.
			synctest.Test(t, func(t *testing.T) {
				outer, inner := &watching{}, &watching{}
				client := offlineClient(t, testAppID, recording(tt.gateway), trustTestKey(t), ksher.WithHook(outer.hook), ksher.WithHook(inner.hook))
				handler := notificationsOf(t, client, ksher.HostMerchant, func(ctx context.Context, _ *ksher.Order) error {
					assert.Equal(t, "/notification/notification", ctx.Value(withinKey{}), "the context of both hooks")
					time.Sleep(3 * time.Second)
					return tt.fn
				})
				post(handler, tt.body)

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
						assert.Equal(t, testOrderNo, q.begin.OrderNo)
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
		gateway := recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-release
			paying(t).ServeHTTP(w, r)
		}))
		calls := 0
		handler := notificationsOf(t, offlineClient(t, testAppID, gateway, trustTestKey(t)), ksher.HostMerchant,
			func(context.Context, *ksher.Order) error { calls++; return nil })
		body := notified(t, testOrderNo)
		var done sync.WaitGroup
		codes := make([]int, 300)
		for i := range codes {
			done.Go(func() { codes[i] = post(handler, body).Code })
		}
		synctest.Wait()
		assert.Equal(t, 403, post(handler, withSign(notifiedNative, `"00"`)).Code, "a forged one is refused meanwhile")
		close(release)
		done.Wait()
		assert.Equal(t, 1, gateway.count())
		assert.Len(t, slices.DeleteFunc(codes, func(code int) bool { return code == 503 }), 1)
		for range 300 {
			assert.Equal(t, 200, post(handler, body).Code)
		}
		assert.Equal(t, 1, gateway.count())
		assert.Equal(t, 1, calls)
	})
	t.Run("of an order that isn't paid", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gateway := recording(answering(200, signedAnswer(t, strings.Replace(confirmedNative, "SUCCESS", "REFUND", 1))))
			handler := notificationsOf(t, offlineClient(t, testAppID, gateway, trustTestKey(t)), ksher.HostMerchant,
				func(context.Context, *ksher.Order) error { return errors.New("called") })
			for range 300 {
				assert.NotEqual(t, 200, post(handler, notified(t, testOrderNo)).Code)
			}
			assert.Equal(t, 1, gateway.count())
			time.Sleep(time.Second)
			assert.NotEqual(t, 200, post(handler, notified(t, testOrderNo)).Code)
			assert.Equal(t, 2, gateway.count(), "Ksher's own repetitions are confirmed anew")
		})
	})
}

// What the merchant doesn't have costs no query, and is never acknowledged.
func TestUnknownNumbersCostNoQuery(t *testing.T) {
	client := newClient(t, recording(paying(t)))
	away := errors.New("the database is away")
	for _, tt := range []struct {
		name   string
		lookup func(ctx context.Context, no string) (ksher.OpenOrder, error)
		status int
		again  bool
		want   error
	}{
		{"not ours", orderList{}.expected, 404, false, ksher.ErrNotOurs},
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
			gateway := recording(paying(t))
			client = newClient(t, gateway)
			n, err := paymentsOf(t, client).Notifications(tt.lookup)
			require.NoError(t, err)
			requireRefused(t, post(n, notified(t, testOrderNo)), tt.status)
			again, err := n.Accept(t.Context(), []byte(notified(t, testOrderNo)))
			require.Error(t, err)
			require.Equal(t, tt.again, again)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			}
			require.Zero(t, gateway.count())
		})
	}
}

// An order that is booked is acknowledged without a query or a call.
func TestBookedOrders(t *testing.T) {
	gateway := recording(paying(t))
	p := paymentsTo(t, newClient(t, gateway), func(context.Context, *ksher.Order) error { return errors.New("called") })
	open := openOrder(ksher.HostMerchant)
	open.Booked = true
	n, err := p.Notifications(orderList{open}.expected)
	require.NoError(t, err)
	require.Equal(t, accepted, post(n, notified(t, testOrderNo)).Body.String())
	require.Zero(t, gateway.count())
	sum, err := p.Pass(t.Context(), orderList{open}, "")
	require.NoError(t, err)
	require.Equal(t, ksher.PassResult{Asked: 1, Paid: 1}, sum)
	require.Zero(t, gateway.count())
	order, err := p.Check(t.Context(), open)
	require.NoError(t, err)
	require.Equal(t, ksher.ResultSuccess, order.Result)
}

// Two payments under one number, one on each host: the second is reported, once.
func TestPaidAtBothHosts(t *testing.T) {
	both := byOperation{
		"order_query":         answering(200, signedAnswer(t, confirmedNative)),
		"gateway_order_query": answering(200, signedAnswer(t, confirmedGateway)),
	}
	for _, host := range []ksher.Host{ksher.HostGateway, ksher.HostMerchant} {
		t.Run(string(host), func(t *testing.T) {
			m := newMerchantAt(t, host, both, nil)
			for range 3 {
				for _, data := range []string{notifiedNative, notifiedGateway} {
					assert.Equal(t, accepted, post(m.handler, signedAnswer(t, data)).Body.String())
				}
			}
			assert.EqualValues(t, 1, m.calls.Load())
			require.Len(t, m.problems, 1)
			problem := <-m.problems
			require.ErrorIs(t, problem, ksher.ErrOtherOrder)
			require.ErrorContains(t, problem, "100.00 THB")
			assert.Equal(t, 2, m.gateway.count())
		})
	}
}

// A notification that names a payment by its number at the merchant host is no second
// payment: the merchant's books don't have that number.
func TestPayMchOrderNoIsNoOrder(t *testing.T) {
	gateway := recording(paying(t))
	p := paymentsTo(t, newClient(t, gateway), func(context.Context, *ksher.Order) error { return errors.New("called") })
	n, err := p.Notifications(orderList{openOrder(ksher.HostGateway)}.expected)
	require.NoError(t, err)
	requireRefused(t, post(n, notified(t, "pay1")), http.StatusNotFound)
	require.Zero(t, gateway.count())
}

// A problem is reported once, however often the notification comes.
func TestProblemsAreBounded(t *testing.T) {
	m := newMerchant(t, answering(200, signedAnswer(t, strings.Replace(confirmedNative, "10000", "9999", 1))), nil)
	for range 50 {
		assert.NotEqual(t, 200, post(m.handler, notified(t, testOrderNo)).Code)
	}
	require.Len(t, m.problems, 1)
	require.ErrorIs(t, <-m.problems, ksher.ErrOtherOrder)
	require.Zero(t, m.calls.Load())
}

// What has no error of its own gets one, so that no outcome is OK that wasn't.
func TestNotificationsHooksEnd(t *testing.T) {
	tests := map[string]struct {
		r    *http.Request
		want string
	}{
		"another method": {httptest.NewRequest(http.MethodGet, "/", nil), "the method is not POST"},
		"a panic":        {httptest.NewRequest(http.MethodPost, "/", strings.NewReader(notified(t, testOrderNo))), "panicked: out of luck"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			hook := &watching{}
			client := offlineClient(t, testAppID, recording(paying(t)), trustTestKey(t), ksher.WithHook(hook.hook))
			notificationsOf(t, client, ksher.HostMerchant, func(context.Context, *ksher.Order) error { panic("out of luck") }).
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
		gateway := recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-release
			paying(t).ServeHTTP(w, r)
		}))
		log := &logBuffer{}
		client := offlineClient(t, testAppID, gateway, trustTestKey(t), ksher.WithLogger(log.logger(slog.LevelDebug)))
		handler := notificationsOf(t, client, ksher.HostMerchant, func(context.Context, *ksher.Order) error { return nil })
		var done sync.WaitGroup
		for i := range most {
			done.Go(func() { assert.Equal(t, 200, post(handler, notified(t, fmt.Sprint("order", i))).Code) })
		}
		synctest.Wait()
		for range 3 {
			assert.Equal(t, 503, post(handler, notified(t, "more")).Code)
			assert.Equal(t, 503, post(handler, notified(t, "order1")).Code)
		}
		assert.Equal(t, most, gateway.count())
		assert.Contains(t, log.text(), "too many others are being confirmed")
		close(release)
		done.Wait()
		assert.Equal(t, 200, post(handler, notified(t, "more")).Code)
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
			log, calls := &logBuffer{}, 0
			opts := append([]ksher.Option{trustTestKey(t), ksher.WithLogger(log.logger(slog.LevelDebug))}, tt.opts...)
			client := offlineClient(t, testAppID, recording(paying(t)), opts...)
			n, err := paymentsTo(t, client, func(context.Context, *ksher.Order) error { calls++; return nil }).
				Notifications(func(ctx context.Context, no string) (ksher.OpenOrder, error) {
					tt.lookup()
					return openOrder(ksher.HostMerchant), nil
				})
			require.NoError(t, err)
			require.NotPanics(t, func() {
				w := post(n, notified(t, testOrderNo))
				require.Equal(t, tt.status, w.Code)
				require.NotContains(t, w.Body.String(), "luck")
				again, err := n.Accept(t.Context(), []byte(notified(t, testOrderNo)))
				require.Equal(t, tt.status == 500, again)
				require.Equal(t, tt.status == 500, err != nil, "%v", err)
			})
			require.Equal(t, tt.status == 200, calls == 1)
			for _, line := range log.lines(t) {
				if line.Msg == "ksher notification panic" {
					require.Equal(t, tt.number, line.OrderNo == testOrderNo)
				}
			}
		})
	}
}

package ksher_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestNewPaymentsRefuses(t *testing.T) {
	client := testkit.Telling(ksher.ResultSuccess).Client(t)
	paid := func(context.Context, *ksher.Order) error { return nil }
	for name, tt := range map[string]struct {
		client *ksher.Client
		paid   func(context.Context, *ksher.Order) error
		opt    ksher.PaymentsOption
		want   string
	}{
		"no client":                  {nil, paid, ksher.WithDeduper(&once.Memory{}), "client"},
		"a client of its own making": {&ksher.Client{}, paid, ksher.WithDeduper(&once.Memory{}), "NewClient"},
		"no function":                {client, nil, ksher.WithDeduper(&once.Memory{}), "function"},
		"no option":                  {client, paid, nil, "option"},
		"no deduper":                 {client, paid, ksher.WithDeduper(nil), "WithDeduper"},
		"a nil deduper":              {client, paid, ksher.WithDeduper((*once.Memory)(nil)), "WithDeduper"},
		"no function for what ended": {client, paid, ksher.WithEnded(nil), "WithEnded"},
		"no function for problems":   {client, paid, ksher.WithProblem(nil), "WithProblem"},
		"no budget":                  {client, paid, ksher.WithBudget(nil), "WithBudget"},
		"a budget of its own making": {client, paid, ksher.WithBudget(&ksher.Budget{}), "NewBudget"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ksher.NewPayments(tt.client, tt.paid, tt.opt)
			require.ErrorContains(t, err, "ksher: NewPayments: ")
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestNewBudgetRefuses(t *testing.T) {
	for _, tt := range []struct {
		perSecond float64
		atOnce    int
		ok        bool
	}{
		{0.001, 1, true}, {1000, 100, true},
		{0.0009, 1, false}, {1000.1, 1, false}, {0, 1, false}, {-1, 1, false}, {math.NaN(), 1, false}, {math.Inf(1), 1, false},
		{1, 0, false}, {1, -1, false}, {1, 101, false},
	} {
		_, err := ksher.NewBudget(tt.perSecond, tt.atOnce)
		require.Equal(t, tt.ok, err == nil, "%v: %v", tt, err)
	}
}

func TestNotificationsConfirm(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "notification: accepted by a body of result SUCCESS and msg OK alone")
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
	testkit.Holds(t, testkit.Assumed, "notification: proves nothing by itself, however it is signed, until a query says the same")
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
	testkit.Holds(t, testkit.Documented, "notification: comes by POST")
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
	testkit.Holds(t, testkit.Assumed, "notification: either of Ksher's keys may have signed it, whichever version was asked for")
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
	testkit.Holds(t, testkit.Clients, "notification: the body is a query's answer in JSON, as it is")
	testkit.Holds(t, testkit.Clients, "notification: the body may be percent-encoded, which one old client of Ksher's expects")
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
	testkit.Holds(t, testkit.Assumed, "notification: the signature decides whether a + in a percent-encoded body is a blank")
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

package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

// checkFailure asserts what is to be true of any call that was tried and
// didn't succeed.
func checkFailure(t *testing.T, op testkit.Operation, err error, status int, unknown bool, want []error) {
	t.Helper()
	var failed *ksher.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, want, testkit.NamesOf(err), "%v", err)
	assert.Equal(t, op.Name, failed.Operation)
	assert.Equal(t, op.OrderNo(), failed.OrderNo)
	assert.Equal(t, status, failed.HTTPStatus)
	assert.Equal(t, unknown && op.Changes, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
	text := err.Error()
	about := ` of order "order1"(, refund "refund1")?: `
	if op.NoOrder {
		about = ": "
	}
	assert.Regexp(t, "^ksher: "+op.Name+about, text)
	assert.Equal(t, unknown && op.Changes, strings.HasSuffix(text, "ask Client.Resolve before anything else"), text)
	assert.Less(t, len(text), 1200, "the text is for people")
	assert.NotContains(t, text, "\n")
	if status > 299 {
		assert.Contains(t, text, fmt.Sprintf("(HTTP %d)", status))
	}
}

// withData is an envelope around that data, with the signature of other data
// unless they are the same.
func withData(tb testing.TB, data string) string {
	tb.Helper()
	return fmt.Sprintf(`{"code":0,"msg":"ok","data":%s,"sign":%q}`, data, testkit.PeerSign(tb, testkit.RSAKey(tb, 1024), testkit.GoodData))
}

func TestBadAnswers(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "answer: one with code 0 and without a signature proves nothing")
	t.Parallel()
	good := testkit.SignedAnswer(t, testkit.GoodData)
	sign := testkit.PeerSign(t, testkit.RSAKey(t, 1024), testkit.GoodData)
	html := "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
	otherNo := strings.Replace(testkit.GoodData, testkit.OrderNo, "order2", 1)
	type only int
	const (
		anyOperation only = iota
		withTotalFee
		queries
		ownNumber
		ownTerms
	)
	tests := []struct {
		name   string
		status int
		body   string
		want   []error
		only   only
	}{
		{"500 with text", 500, "internal error", testkit.Errs(fault.ErrHTTPStatus), anyOperation},
		{"502 with HTML", 502, html, testkit.Errs(fault.ErrHTTPStatus), anyOperation},
		{"503 with nothing", 503, "", testkit.Errs(fault.ErrHTTPStatus), anyOperation},
		{"500 around a good answer", 500, good, testkit.Errs(fault.ErrHTTPStatus), anyOperation},
		{"404", 404, "404 page not found\n", testkit.Errs(fault.ErrHTTPStatus), anyOperation},
		{"401 with JSON of another kind", 401, `{"error":"unauthorized"}`, testkit.Errs(fault.ErrHTTPStatus), anyOperation},
		{"300", 300, "", testkit.Errs(fault.ErrRedirect), anyOperation},
		{"302 without a location", 302, html, testkit.Errs(fault.ErrRedirect), anyOperation},
		{"304", 304, "", testkit.Errs(fault.ErrRedirect), anyOperation},

		{"HTML", 200, html, testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"an array", 200, "[" + good + "]", testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"a string", 200, `"SUCCESS"`, testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"XML", 200, "<xml><code>0</code></xml>", testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"more after the end", 200, good + "{}", testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"three byte order marks", 200, "\xef\xbb\xbf\xef\xbb\xbf\xef\xbb\xbf" + good, testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"not UTF-8", 200, strings.Replace(good, `"ok"`, "\"\xff\"", 1), testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"single quotes", 200, strings.ReplaceAll(good, `"`, "'"), testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"code twice", 200, strings.Replace(good, `{"code":0`, `{"code":0,"code":1`, 1), testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"data twice", 200, strings.Replace(good, `,"sign"`, `,"data":{},"sign"`, 1), testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"data twice, in capitals", 200, strings.Replace(good, `,"sign"`, `,"DATA":{},"sign"`, 1), testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"result twice", 200, testkit.WithSign(`{"result":"SUCCESS","result":"FAIL"}`, `"`+sign+`"`), testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"nested too deep", 200, strings.Repeat(`{"data":`, 1000), testkit.Errs(fault.ErrNotJSON), anyOperation},
		{"empty", 200, "", testkit.Errs(fault.ErrEmptyBody), anyOperation},
		{"blank", 200, strings.Repeat(" \r\n", 100), testkit.Errs(fault.ErrEmptyBody), anyOperation},
		{"201 and empty", 201, "", testkit.Errs(fault.ErrEmptyBody), anyOperation},
		{"204", 204, "", testkit.Errs(fault.ErrEmptyBody), anyOperation},
		{"cut after the first byte", 200, good[:1], testkit.Errs(fault.ErrTruncatedJSON), anyOperation},
		{"cut in data", 200, good[:len(good)/2], testkit.Errs(fault.ErrTruncatedJSON), anyOperation},
		{"cut before the last byte", 200, good[:len(good)-1], testkit.Errs(fault.ErrTruncatedJSON), anyOperation},

		{"code as a string", 200, strings.Replace(good, `"code":0`, `"code":"0"`, 1), testkit.Errs(fault.ErrEnvelope), anyOperation},
		{"code missing", 200, strings.Replace(good, `"code":0,`, ``, 1), testkit.Errs(fault.ErrEnvelope), anyOperation},
		{"code in capitals", 200, strings.Replace(good, `"code":0`, `"CODE":0`, 1), testkit.Errs(fault.ErrEnvelope), anyOperation},
		{"code as a float", 200, strings.Replace(good, `"code":0`, `"code":0.0`, 1), testkit.Errs(fault.ErrEnvelope), anyOperation},
		{"code with an exponent", 200, strings.Replace(good, `"code":0`, `"code":0e0`, 1), testkit.Errs(fault.ErrEnvelope), anyOperation},
		{"code out of range", 200, strings.Replace(good, `"code":0`, `"code":`+strings.Repeat("9", 30), 1), testkit.Errs(fault.ErrEnvelope), anyOperation},
		{"code null", 200, strings.Replace(good, `"code":0`, `"code":null`, 1), testkit.Errs(fault.ErrEnvelope), anyOperation},
		{"code false", 200, strings.Replace(good, `"code":0`, `"code":false`, 1), testkit.Errs(fault.ErrEnvelope), anyOperation},
		{"an empty object", 200, `{}`, testkit.Errs(fault.ErrEnvelope), anyOperation},
		{"data null", 200, withData(t, "null"), testkit.Errs(fault.ErrNoData), anyOperation},
		{"data missing", 200, `{"code":0,"msg":"ok","sign":"` + sign + `"}`, testkit.Errs(fault.ErrNoData), anyOperation},
		{"nothing but a code", 200, `{"code":0}`, testkit.Errs(fault.ErrNoData), anyOperation},
		{"data an array", 200, withData(t, "["+testkit.GoodData+"]"), testkit.Errs(fault.ErrEnvelope), anyOperation},
		{"data a string", 200, withData(t, `"SUCCESS"`), testkit.Errs(fault.ErrEnvelope), anyOperation},
		{"data a number", 200, withData(t, "0"), testkit.Errs(fault.ErrEnvelope), anyOperation},

		{"signature missing", 200, `{"code":0,"data":` + testkit.GoodData + `}`, testkit.Missing, anyOperation},
		{"signature empty", 200, testkit.WithSign(testkit.GoodData, `""`), testkit.Missing, anyOperation},
		{"signature null", 200, testkit.WithSign(testkit.GoodData, `null`), testkit.Missing, anyOperation},
		{"signature an array", 200, testkit.WithSign(testkit.GoodData, `["`+sign+`"]`), testkit.Missing, anyOperation},
		{"signature in data instead", 200, `{"code":0,"data":` + strings.Replace(testkit.GoodData, "{", `{"sign":"`+sign+`",`, 1) + `}`, testkit.Missing, anyOperation},
		{"signature short", 200, testkit.WithSign(testkit.GoodData, `"`+sign[:len(sign)-2]+`"`), testkit.Malformed, anyOperation},
		{"signature of half a byte less", 200, testkit.WithSign(testkit.GoodData, `"`+sign[1:]+`"`), testkit.Malformed, anyOperation},
		{"signature long", 200, testkit.WithSign(testkit.GoodData, `"`+sign+`00"`), testkit.Malformed, anyOperation},
		{"signature enormous", 200, testkit.WithSign(testkit.GoodData, `"`+strings.Repeat(sign, 1000)+`"`), testkit.Malformed, anyOperation},
		{"signature not hex", 200, testkit.WithSign(testkit.GoodData, `"`+strings.Repeat("zz", len(sign)/2)+`"`), testkit.Malformed, anyOperation},
		{"signature with a blank", 200, testkit.WithSign(testkit.GoodData, `" `+sign[1:]+`"`), testkit.Malformed, anyOperation},
		{"signature of other data", 200, withData(t, strings.Replace(testkit.GoodData, "10000", "10001", 1)), testkit.Mismatch, anyOperation},
		{"signature of less data", 200, withData(t, strings.Replace(testkit.GoodData, "{", `{"attach":"",`, 1)), testkit.Mismatch, anyOperation},
		{"signature all zero", 200, testkit.WithSign(testkit.GoodData, `"`+strings.Repeat("0", len(sign))+`"`), testkit.Mismatch, anyOperation},
		{"signature by another key", 200, testkit.WithSign(testkit.GoodData, `"`+testkit.PeerSign(t, testkit.RSAKey(t, 2048), testkit.GoodData)+`"`), testkit.Malformed, anyOperation},

		{"another merchant", 200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, testkit.AppID, "mch99999", 1)), testkit.Errs(ksher.ErrOtherOrder), anyOperation},
		{"another order", 200, testkit.SignedAnswer(t, otherNo), testkit.Errs(ksher.ErrOtherOrder), queries},
		{"another order as a number", 200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, `"order1"`, `4711`, 1)), testkit.Errs(ksher.ErrOtherOrder), queries},
		{"an order in a list", 200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, `"order1"`, `["order1"]`, 1)), testkit.Errs(ksher.ErrOtherOrder), queries},
		{"another order that failed", 200, testkit.SignedAnswer(t, strings.Replace(otherNo, "SUCCESS", "FAIL", 1)), testkit.Errs(ksher.ErrOtherOrder), queries},
		{"done for another order", 200, testkit.SignedAnswer(t, otherNo), testkit.Errs(ksher.ErrOtherOrder), ownNumber},
		{"done over another amount", 200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, "10000", "9999", 1)), testkit.Errs(ksher.ErrOtherOrder), ownTerms},
		{"done in another currency", 200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, "THB", "JPY", 1)), testkit.Errs(ksher.ErrOtherOrder), ownTerms},
		{"an amount in words", 200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, "10000", `"a lot"`, 1)), testkit.Errs(fault.ErrField), withTotalFee},
		{"an amount with a fraction", 200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, "10000", `100.50`, 1)), testkit.Errs(fault.ErrField), withTotalFee},
		{"an amount with an exponent", 200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, "10000", `"1e4"`, 1)), testkit.Errs(fault.ErrField), withTotalFee},
		{"an amount out of range", 200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, "10000", `9223372036854775808`, 1)), testkit.Errs(fault.ErrField), withTotalFee},
		{"an amount that is an object", 200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, "10000", `{"cents":1}`, 1)), testkit.Errs(fault.ErrField), withTotalFee},
	}
	terms := []string{"native_pay", "quick_pay", "payout", "jsapi_pay", "wap_pay", "web_pay"}
	numbers := append([]string{"order_close", "order_reverse", "mini_program_pay", "app_pay"}, terms...)
	for _, tt := range tests {
		for _, op := range testkit.Operations() {
			if tt.only == withTotalFee && !op.HasTotalFee || tt.only == queries && (op.Changes || op.NoOrder) ||
				tt.only == ownNumber && !slices.Contains(numbers, op.Name) || tt.only == ownTerms && !slices.Contains(terms, op.Name) {
				continue
			}
			t.Run(tt.name+" "+op.Name, func(t *testing.T) {
				rec := testkit.Recording(testkit.Answering(tt.status, tt.body))
				resp, err := op.Call(t.Context(), testkit.NewClient(t, rec), ksher.Extra{})
				assert.Nil(t, resp)
				checkFailure(t, op, err, tt.status, true, tt.want)
				testkit.AssertNoSignature(t, err.Error(), rec.Only(t).PostForm.Get("sign"))
				testkit.AssertNoSignature(t, err.Error(), sign)
			})
		}
	}
}

// A good key signs what a bad one signed: the key decides.
func TestAnswerByAnotherKey(t *testing.T) {
	answer := testkit.SignedAnswer(t, testkit.GoodData)
	for _, op := range testkit.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			_, err := op.Call(t.Context(), testkit.NewClient(t, testkit.Answering(200, answer)), ksher.Extra{})
			require.NoError(t, err)
			// Of the same length, so that only the arithmetic can tell.
			other := testkit.RSAKey(t, 1024).PublicKey
			other.E = 3
			client := testkit.NewClient(t, testkit.Answering(200, answer), ksher.WithVerifier(testkit.NewVerifier(&other)))
			_, err = op.Call(t.Context(), client, ksher.Extra{})
			checkFailure(t, op, err, 200, true, testkit.Mismatch)
		})
	}
}

// Whatever an echo looks like, a signed request must not be found in a log
// that errors go to.
func TestEchoedSignature(t *testing.T) {
	answers := map[string]func(sign string) (status int, body string){
		"a page":           func(sign string) (int, string) { return 500, "<p>appid=mch12345&sign=" + sign + "</p>" },
		"a page, cut off":  func(sign string) (int, string) { return 500, strings.Repeat("x", 120) + sign },
		"a page, far down": func(sign string) (int, string) { return 500, strings.Repeat("é\n", 450) + sign },
		"in capitals":      func(sign string) (int, string) { return 500, strings.ToUpper(sign) },
		"a page with 200":  func(sign string) (int, string) { return 200, "<p>" + sign + "</p>" },
		"truncated JSON":   func(sign string) (int, string) { return 200, `{"sign":"` + sign },
		"msg":              func(sign string) (int, string) { return 200, `{"code":1,"msg":"bad sign ` + sign + `"}` },
		"msg after a prefix": func(sign string) (int, string) {
			return 200, `{"code":1,"msg":"` + strings.Repeat("x", 100) + sign + `"}`
		},
		"message":     func(sign string) (int, string) { return 400, `{"code":1,"message":"` + sign + `"}` },
		"status_msg":  func(sign string) (int, string) { return 200, `{"code":1,"status_msg":"` + sign + `"}` },
		"status_code": func(sign string) (int, string) { return 200, `{"code":1,"status_code":"` + sign + `"}` },
		"err_msg": func(sign string) (int, string) {
			return 200, `{"code":1,"data":{"err_code":"SIGNERROR","err_msg":"` + sign + `"}}`
		},
		"err_code":        func(sign string) (int, string) { return 200, `{"code":1,"data":{"err_code":"` + sign + `"}}` },
		"a member's name": func(sign string) (int, string) { return 200, `{"` + sign + `":1,"` + sign + `":2}` },
		"code":            func(sign string) (int, string) { return 200, `{"code":"` + sign + `"}` },
	}
	for name, answer := range answers {
		for _, op := range testkit.Operations() {
			t.Run(name+" "+op.Name, func(t *testing.T) {
				var logged testkit.LogBuffer
				rec := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					status, body := answer(r.PostForm.Get("sign"))
					testkit.Answering(status, body).ServeHTTP(w, r)
				}))
				client := testkit.NewClient(t, rec, ksher.WithLogger(logged.Logger(0)))
				_, err := op.Call(t.Context(), client, ksher.Extra{})
				require.Error(t, err)
				sign := rec.Only(t).PostForm.Get("sign")
				testkit.AssertNoSignature(t, strings.ToLower(err.Error()), sign)
				testkit.AssertNoSignature(t, strings.ToLower(fmt.Sprintf("%+v", err)), sign)
				testkit.AssertNoSignature(t, strings.ToLower(logged.Text()), sign)
			})
		}
	}
	t.Run("a broken header", func(t *testing.T) {
		for _, header := range []string{"HTTP/1.1 200 OK\r\n%s\r\n\r\n", "%s\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: http://x/%%zz%s\r\n\r\n"} {
			var logged testkit.LogBuffer
			rec := testkit.Recording(nil)
			rec.Next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				testkit.Cut(w, fmt.Sprintf(header, r.PostForm.Get("sign")))
			})
			_, err := testkit.NewClient(t, rec, ksher.WithLogger(logged.Logger(0))).GatewayPay(t.Context(), testkit.GoodGatewayPay())
			require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
			testkit.AssertNoSignature(t, err.Error(), rec.Only(t).PostForm.Get("sign"))
			testkit.AssertNoSignature(t, logged.Text(), rec.Only(t).PostForm.Get("sign"))
		}
	})
}

// endless repeats a byte.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

const hundredMB = 100 << 20

// fewBytes is what a body may cost at most: 4 MiB in a buffer that grew by
// doubling, twice over because a build with the race detector needs more.
const fewBytes uint64 = 40 << 20

// allocated runs f and returns how much memory was asked for meanwhile.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// atWill is a context that ends by the error given, and exactly when a test
// wants it to, so that no test depends on how fast a machine is.
type atWill struct {
	context.Context
	done chan struct{}
	err  error
}

func newAtWill(ctx context.Context, err error) (ctxAtWill *atWill, end func()) {
	c := &atWill{ctx, make(chan struct{}), err}
	return c, func() { close(c.done) }
}

func (c *atWill) Done() <-chan struct{} { return c.done }

func (c *atWill) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// A documented refusal in due form is an answer: nothing was carried out.
func TestRefusals(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "answer: a refusal of the business has code 0, the result FAIL, and its reason in err_code and err_msg")
	testkit.Holds(t, testkit.Documented, "answer: with a code other than 0, data and sign may be missing")
	testkit.Holds(t, testkit.Assumed, "answer: a refusal without data has its reason in msg, message, status_code or status_msg, whichever looks like a code")
	testkit.Holds(t, testkit.Assumed, "answer: a code that isn't documented leaves open whether the request was carried out")
	t.Parallel()
	failed := func(members string) string {
		return testkit.SignedAnswer(t, `{"appid":"mch12345","mch_order_no":"order1","result":"FAIL"`+members+`}`)
	}
	tests := []struct {
		name    string
		status  int
		body    string
		code    ksher.Code
		message string
		unknown bool
	}{
		{"the documented form", 200, failed(`,"err_code":"NOAUTH","err_msg":"balance too low"`), ksher.CodeNoAuth, "balance too low", false},
		{"in Chinese", 200, failed(`,"err_code":"NOAUTH","err_msg":"余额不足"`), ksher.CodeNoAuth, "余额不足", false},
		{"an unknown code", 200, failed(`,"err_code":"KSHER_MOON_PHASE","err_msg":"full"`), "KSHER_MOON_PHASE", "full", true},
		{"a code of no known form", 200, failed(`,"err_code":"e-42"`), "e-42", "", true},
		{"the message is the code", 200, failed(`,"err_code":"NOAUTH","err_msg":"NOAUTH"`), ksher.CodeNoAuth, "", false},
		{"no code", 200, failed(`,"err_msg":"sorry"`), "", "sorry", true},
		{"code 1 with signed data", 200, strings.Replace(failed(`,"err_code":"NOAUTH","err_msg":"low"`), `"code":0`, `"code":1`, 1), ksher.CodeNoAuth, "low", false},

		{"without data and signature", 200, `{"code":1,"msg":"KSHER_INVALID_PARAM"}`, ksher.CodeKsherInvalidParam, "", false},
		{"data null", 200, `{"code":1,"msg":"KSHER_INVALID_PARAM","data":null,"sign":null}`, ksher.CodeKsherInvalidParam, "", false},
		{"data a string", 200, `{"code":1,"msg":"KSHER_INVALID_PARAM","data":""}`, ksher.CodeKsherInvalidParam, "", false},
		{"data without a signature", 200, `{"code":2,"data":{"err_code":"PARAM_ERROR","err_msg":"bad"}}`, ksher.CodeParamError, "bad", false},
		{"a negative code", 200, `{"code":-1,"msg":"PARAM_ERROR"}`, ksher.CodeParamError, "", false},
		{"code in status_code", 200, `{"code":1,"msg":"fail","status_code":"SIGNERROR","status_msg":"wrong signature"}`, ksher.CodeSignError, "wrong signature", false},
		{"code in status_msg", 200, `{"code":1,"msg":"fail","status_code":500,"status_msg":"KSHER_SIGN_ERROR"}`, ksher.CodeKsherSignError, "fail", false},
		{"code in message", 200, `{"code":1,"message":"LACK_PARAMS"}`, ksher.CodeLackParams, "", false},
		{"an unknown code in msg", 200, `{"code":1,"msg":"SOME_NEW_CODE","message":"something new"}`, "SOME_NEW_CODE", "something new", true},
		{"no code but words", 200, `{"code":1,"msg":"操作失败"}`, "", "操作失败", true},
		{"words in capitals", 200, `{"code":1,"msg":"FAIL"}`, "", "FAIL", true},
		{"nothing but the number", 200, `{"code":17}`, "", "", true},
		{"with HTTP 400", 400, `{"code":1,"msg":"PARAM_ERROR"}`, ksher.CodeParamError, "", false},
		{"with HTTP 403 and signed", 403, failed(`,"err_code":"NOAUTH","err_msg":"no"`), ksher.CodeNoAuth, "no", false},

		// What the gateway says about itself, or what a proxy says in its
		// place, leaves the outcome open.
		{"with HTTP 500", 500, `{"code":1,"msg":"PARAM_ERROR"}`, ksher.CodeParamError, "", true},
		{"with HTTP 503", 503, `{"code":1,"msg":"busy"}`, "", "busy", true},
		{"SYSTEMERROR", 200, failed(`,"err_code":"SYSTEMERROR"`), ksher.CodeSystemError, "", true},
		{"KSHER_SYSTEMERROR", 200, `{"code":1,"msg":"KSHER_SYSTEMERROR"}`, ksher.CodeKsherSystemError, "", true},
		{"KSHER_CHANNEL_RESPONSE_ERROR", 200, failed(`,"err_code":"KSHER_CHANNEL_RESPONSE_ERROR"`), ksher.CodeKsherChannelResponseError, "", true},
		{"TRADE_STATE_ERROR", 200, `{"code":1,"data":{"err_code":"TRADE_STATE_ERROR"}}`, ksher.CodeTradeStateError, "", true},
		{"REFUND_FAILED", 200, failed(`,"err_code":"REFUND_FAILED"`), ksher.CodeRefundFailed, "", true},
		{"a proxy's JSON", 200, `{"code":504,"msg":"gateway timeout"}`, "", "gateway timeout", true},
		{"with HTTP 408", 408, `{"code":1,"msg":"too slow"}`, "", "too slow", true},
		{"SYSTEMERROR with HTTP 400", 400, `{"code":1,"msg":"SYSTEMERROR"}`, ksher.CodeSystemError, "", true},
	}
	for _, tt := range tests {
		for _, op := range testkit.Operations() {
			t.Run(tt.name+" "+op.Name, func(t *testing.T) {
				rec := testkit.Recording(testkit.Answering(tt.status, tt.body))
				resp, err := op.Call(t.Context(), testkit.NewClient(t, rec), ksher.Extra{})
				assert.Nil(t, resp)
				// In the gateway's own form a refusal is one with HTTP 4xx as well.
				var want []error
				if tt.status >= 500 || tt.status != 200 && tt.code == "" {
					want = testkit.Errs(fault.ErrHTTPStatus)
				}
				checkFailure(t, op, err, tt.status, tt.unknown, want)
				rec.Only(t)
				var refused *ksher.Error
				require.ErrorAs(t, err, &refused)
				assert.Equal(t, tt.code, refused.Code)
				if tt.code != "" {
					require.ErrorIs(t, err, tt.code)
					assert.Contains(t, err.Error(), string(tt.code))
				}
				switch {
				case op.Name == "order_query_payout":
					assert.Empty(t, refused.Message, "it may name the receiver")
				case tt.message != "ok" && tt.message != "code 1":
					assert.Equal(t, tt.message, refused.Message)
				}
				if info, ok := tt.code.Info(); ok {
					assert.Contains(t, err.Error(), info.Meaning)
					// The solutions of these codes are written for a doubtful refund or order.
					forDoubt := slices.Contains([]ksher.Code{
						"SYSTEMERROR", "KSHER_SYSTEMERROR", "KSHER_CHANNEL_RESPONSE_ERROR", "TRADE_STATE_ERROR", "REFUND_FAILED"}, tt.code)
					want := forDoubt || !errors.Is(err, ksher.ErrOutcomeUnknown)
					if op.Name == "payout" || op.Name == "order_query_payout" {
						want = want && slices.Contains(testkit.PayoutRefusals, tt.code)
					}
					assert.Equal(t, want, strings.Contains(err.Error(), "What to do: "+strings.TrimSuffix(info.Solution, ".")))
				}
			})
		}
	}
}

// An unsigned or badly signed answer that claims to be a refusal with code 0
// isn't one: somebody may want a refund to look refused.
func TestRefusalHasToBeSigned(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "answer: a refusal with data is to be signed like any answer")
	body := strings.Replace(testkit.SignedAnswer(t, `{"result":"FAIL","err_code":"NOTENOUGH"}`), "NOTENOUGH", "NOAUTH", 1)
	for _, op := range testkit.Operations() {
		_, err := op.Call(t.Context(), testkit.NewClient(t, testkit.Answering(200, body)), ksher.Extra{})
		checkFailure(t, op, err, 200, true, testkit.Mismatch)
		require.NotErrorIs(t, err, ksher.CodeNoAuth)
	}
}

// Text from outside has to stay short and on its line, wherever it turns up.
func TestTextFromOutside(t *testing.T) {
	long := strings.Repeat("ก", 5000)
	control := "first\\nlevel=ERROR\\u0000\\u001b[31mred\\u202eback"
	tests := []struct {
		name   string
		status int
		body   string
	}{
		{"a long message", 200, `{"code":1,"msg":"` + long + `"}`},
		{"a long code", 200, `{"code":1,"data":{"err_code":"` + long + `"}}`},
		{"a long page", 500, long},
		{"a long page with 200", 200, long},
		{"a message with control characters", 200, `{"code":1,"msg":"` + control + `"}`},
		{"a code with control characters", 200, `{"code":1,"data":{"err_code":"` + control + `","err_msg":"` + control + `"}}`},
		{"an escape that isn't one", 200, "{\"code\":0,\"msg\":\"\\\nlevel=ERROR\"}"},
		{"a page with control characters", 500, "first\nlevel=ERROR\x00\x1b[31mred\u202eback"},
		{"a page that is not UTF-8", 500, strings.Repeat("\xff\xfe", 500)},
		{"a long amount", 200, testkit.SignedAnswer(t, `{"total_fee":"`+strings.Repeat("x", 5000)+`"}`)},
		{"a long order number", 200, testkit.SignedAnswer(t, `{"mch_order_no":"`+long+`"}`)},
		{"a long member name twice", 200, `{"` + long + `":1,"` + long + `":2}`},
		{"a long code of the wrong kind", 200, `{"code":1.` + strings.Repeat("0", 5000) + `}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := testkit.NewClient(t, testkit.Answering(tt.status, tt.body))
			_, err := client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: testkit.OrderNo})
			var failed *ksher.Error
			require.ErrorAs(t, err, &failed)
			for what, text := range map[string]string{"error": err.Error(), "message": failed.Message, "code": string(failed.Code)} {
				assert.Less(t, len(text), 2000, what)
				assert.NotContains(t, text, "\n", what)
				assert.NotContains(t, text, "\x00", what)
				assert.NotContains(t, text, "\x1b", what)
				assert.NotContains(t, text, "\u202e", what)
			}
			assert.LessOrEqual(t, len([]rune(failed.Message)), 201)
			assert.LessOrEqual(t, len([]rune(string(failed.Code))), 201)
		})
	}
}

// A signed answer without what it is for is no success.
func TestAnswerWithoutItsPoint(t *testing.T) {
	client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"result":"SUCCESS"}`)))
	_, err := client.GatewayPay(t.Context(), testkit.GatewayPayOf("A-1"))
	assert.ErrorIs(t, err, fault.ErrField)
	assert.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
	assert.ErrorContains(t, err, "pay_content")
	_, err = client.NativePay(t.Context(), &ksher.NativePayRequest{MchOrderNo: "K-1", TotalFee: 100, FeeType: "THB", Channel: ksher.ChannelWeChat})
	assert.ErrorIs(t, err, fault.ErrField)
	assert.ErrorContains(t, err, "code_url")
	_, err = client.Refund(t.Context(), &ksher.RefundRequest{MchOrderNo: "A-1", Host: ksher.HostGateway, MchRefundNo: "R-1", RefundFee: 1})
	assert.ErrorIs(t, err, ksher.ErrOtherOrder, "the answer names no order")
}

// Merchants log errors, and an answer may name the buyer.
func TestErrorsDoNotQuoteAnswers(t *testing.T) {
	whole := testkit.SignedAnswer(t, `{"openid":"buyer-17","result":"SUCCESS"}`)
	for _, body := range []string{whole[:len(whole)-5], " " + whole + "}"} {
		client := testkit.NewClient(t, testkit.Answering(200, body))
		_, err := client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-1"})
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "buyer-17")
	}
}

package vip_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/vip"
)

func TestNewClient(t *testing.T) {
	for _, c := range []struct {
		baseURL, token string
		opts           []vip.Option
		want           string
	}{
		{host, token, nil, ""},
		{host + "/", token, nil, ""},
		{"http://127.0.0.1:1/proxy", token, nil, ""},
		{"http://shop.vip.ksher.net", token, nil, "is not https"},
		{"shop.vip.ksher.net", token, nil, "is not an address such as https://NAME.vip.ksher.net"},
		{"", token, nil, "is not an address"},
		{"https://user:hunter2@shop.vip.ksher.net", token, nil, "has an @ in it"},
		{host + "?a=b", token, nil, "is not an address"},
		{"https://" + strings.Repeat("x", 129), token, nil, "a host and path of more than 128 characters"},
		{host + "/" + strings.Repeat("x", 128), token, nil, "a host and path of more than 128 characters"},
		{host, "", nil, "the token is empty"},
		{host, "a b", nil, "has blanks in it"},
		{host, token + "\n", nil, "has blanks in it"},
		{host, "\xff", nil, "not UTF-8"},
		{host, token, []vip.Option{nil}, "an option is nil"},
		{host, token, []vip.Option{vip.WithHTTPClient(nil)}, "WithHTTPClient: the client is nil"},
		{host, token, []vip.Option{vip.WithLogger(nil)}, "WithLogger: the logger is nil"},
		{host, token, []vip.Option{vip.WithTimeout(0)}, "WithTimeout: 0s is not a positive duration"},
		{host, token, []vip.Option{vip.WithMaxResponseBytes(0)}, "WithMaxResponseBytes: 0 is not positive"},
		{host, token, []vip.Option{vip.WithRetry(0, 0)}, "WithRetry: 0 attempts"},
		{host, token, []vip.Option{vip.WithLocation(nil)}, "WithLocation: the location is nil"},
		{host, token, []vip.Option{vip.WithHook(nil)}, "WithHook: the hook is nil"},
	} {
		client, err := vip.NewClient(c.baseURL, c.token, c.opts...)
		if c.want == "" {
			require.NoError(t, err)
			require.NotNil(t, client)
			continue
		}
		require.ErrorContains(t, err, c.want)
		require.ErrorContains(t, err, "vip: NewClient: ")
		require.NotContains(t, err.Error(), "hunter2")
		require.Nil(t, client)
	}
}

// A mode of Go that forbids short keys is an error, not a panic.
func TestShortToken(t *testing.T) {
	if os.Getenv("GODEBUG") != "fips140=only" {
		again := exec.Command(os.Args[0], "-test.run=^TestShortToken$", "-test.v")
		again.Env = append(os.Environ(), "GODEBUG=fips140=only")
		out, err := again.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), "--- PASS: TestShortToken")
		return
	}
	_, err := vip.NewClient(host, "thirteenbytes")
	require.ErrorContains(t, err, "the token is too short")
	_, err = vip.NewClient(host, "fourteen-bytes")
	require.NoError(t, err)
}

// Each call goes where the documentation has it, with exactly the parameters of the
// request, signed.
func TestRequests(t *testing.T) {
	common := map[string]string{"note": "n", "mid": "mch35618", "provider": "th", "own": "x"}
	extra := ksher.Extra{Params: map[string]string{"own": "x"}}
	with := func(more map[string]string) map[string]string {
		all := map[string]string{"merchant_order_id": "A-1", "amount": "15050"}
		for _, m := range []map[string]string{common, more} {
			for name, value := range m {
				all[name] = value
			}
		}
		return all
	}
	named := map[string]string{"mid": "mch35618", "provider": "th", "own": "x"}
	refund := map[string]string{"mid": "mch35618", "provider": "th", "own": "x", "refund_order_id": "R-1", "refund_amount": "5000"}
	create := func(r vip.CreateRequest) func(*vip.Client) error {
		return func(c *vip.Client) error {
			_, err := c.Create(t.Context(), r)
			return err
		}
	}
	for _, c := range []struct {
		name, method, path string
		want               map[string]string
		do                 func(*vip.Client) error
	}{
		{"redirect", http.MethodPost, "/api/v1/redirect/orders", with(map[string]string{
			"redirect_url": "https://shop.example/a", "redirect_url_fail": "https://shop.example/b", "channel": "wechat,card", "product_name": "Tea",
			"logo": "l", "shop_name": "s", "color": "c", "background": "b", "payment_color": "p", "lang": "th",
		}), create(&vip.RedirectRequest{
			MerchantOrderID: "A-1", Amount: 150_50, Note: "n", MID: "mch35618", Provider: "th", Extra: extra,
			RedirectURL: "https://shop.example/a", RedirectURLFail: "https://shop.example/b", Channel: []string{"wechat", "card"}, ProductName: "Tea",
			Logo: "l", ShopName: "s", Color: "c", Background: "b", PaymentColor: "p", Lang: "th",
		})},
		{"cscanb", http.MethodPost, "/api/v1/cscanb/orders", with(map[string]string{"channel": "promptpay", "operator_id": "o"}), create(&vip.CScanBRequest{
			MerchantOrderID: "A-1", Amount: 150_50, Note: "n", MID: "mch35618", Provider: "th", Extra: extra, Channel: "promptpay", OperatorID: "o",
		})},
		{"bscanc", http.MethodPost, "/api/v1/bscanc/orders", with(map[string]string{"channel": "truemoney", "auth_code": "28", "device_id": "d", "operator_id": "o"}), create(&vip.BScanCRequest{
			MerchantOrderID: "A-1", Amount: 150_50, Note: "n", MID: "mch35618", Provider: "th", Extra: extra, Channel: "truemoney", AuthCode: ksher.NewSecret("28"), DeviceID: "d", OperatorID: "o",
		})},
		{"miniapp", http.MethodPost, "/api/v1/miniapp/orders", with(map[string]string{"channel": "wechat", "miniapp_openid": "b", "miniapp_appid": "wx"}), create(&vip.MiniAppRequest{
			MerchantOrderID: "A-1", Amount: 150_50, Note: "n", MID: "mch35618", Provider: "th", Extra: extra, Channel: "wechat", MiniAppOpenID: "b", MiniAppAppID: "wx",
		})},
		{"app", http.MethodPost, "/api/v1/app/orders", with(map[string]string{"channel": "alipay", "miniapp_openid": "b", "miniapp_appid": "wx"}), create(&vip.AppRequest{
			MerchantOrderID: "A-1", Amount: 150_50, Note: "n", MID: "mch35618", Provider: "th", Extra: extra, Channel: "alipay", MiniAppOpenID: "b", MiniAppAppID: "wx",
		})},
		{"query", http.MethodGet, "/api/v1/app/orders/A-1", named, func(c *vip.Client) error {
			_, err := c.Query(t.Context(), vip.KindApp, &vip.QueryRequest{MerchantOrderID: "A-1", MID: "mch35618", Provider: "th", Extra: extra})
			return err
		}},
		{"refund", http.MethodPut, "/api/v1/miniapp/orders/A-1", refund, func(c *vip.Client) error {
			_, err := c.Refund(t.Context(), vip.KindMiniApp, &vip.RefundRequest{
				MerchantOrderID: "A-1", RefundOrderID: "R-1", RefundAmount: 50_00, MID: "mch35618", Provider: "th", Extra: extra,
			})
			return err
		}},
		{"cancel", http.MethodDelete, "/api/v1/bscanc/orders/A-1", named, func(c *vip.Client) error {
			_, err := c.Cancel(t.Context(), vip.KindBScanC, &vip.CancelRequest{MerchantOrderID: "A-1", MID: "mch35618", Provider: "th", Extra: extra})
			return err
		}},
		{"channels", http.MethodGet, "/api/v1/finance/settlements/channels", map[string]string{"mid": "m", "own": "x"}, func(c *vip.Client) error {
			_, err := c.Channels(t.Context(), &vip.ChannelsRequest{MID: "m", Extra: extra})
			return err
		}},
		{"transactions", http.MethodGet, "/api/v1/finance/settlements/order/20210720", map[string]string{"mid": "m", "channel": "wechat", "offset": "0", "limit": "50", "own": "x"}, func(c *vip.Client) error {
			_, err := collect(c.Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m", Channel: "wechat", Extra: extra}))
			return err
		}},
		{"settlement", http.MethodGet, "/api/v1/finance/settlements/20210720", map[string]string{"mid": "m", "channel": "wechat", "own": "x"}, func(c *vip.Client) error {
			_, err := c.Settlement(t.Context(), &vip.SettlementRequest{Date: "20210720", MID: "m", Channel: "wechat", Extra: extra})
			return err
		}},
		{"settlement orders", http.MethodGet, "/api/v1/finance/settlements/settlement_order", map[string]string{"reference_id": "S-1", "offset": "0", "limit": "7", "own": "x"}, func(c *vip.Client) error {
			_, err := collect(c.SettlementOrders(t.Context(), &vip.SettlementOrdersRequest{ReferenceID: "S-1", Limit: 7, Extra: extra}))
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			testkit.Holds(t, testkit.Documented, "vip: "+c.name+" is "+c.method+" "+strings.NewReplacer("A-1", "{id}", "20210720", "{date}").Replace(c.path))
			asked := 0
			client := newClient(t, func(r *http.Request) (int, string, error) {
				asked++
				assert.Equal(t, c.method, r.Method)
				assert.Equal(t, c.path, r.URL.Path)
				got := received(t, r)
				assert.Equal(t, sign(signText(c.path, got)), got["signature"])
				assert.Regexp(t, `^\d{10}$`, got["timestamp"])
				delete(got, "signature")
				delete(got, "timestamp")
				assert.Equal(t, c.want, got)
				return http.StatusNotFound, "", nil
			})
			require.ErrorIs(t, c.do(client), fault.ErrHTTPStatus)
			require.Equal(t, 1, asked)
		})
	}
}

// Amounts are numbers in a body, and everything else is text.
func TestBodyKinds(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: amounts are numbers of cents in a JSON body, and everything else is text")
	var bodies []string
	client := newClient(t, func(r *http.Request) (int, string, error) {
		body, err := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
		return http.StatusNotFound, "", err
	})
	client.Create(t.Context(), newOrders()[vip.KindCScanB])
	client.Refund(t.Context(), vip.KindCScanB, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "1", RefundAmount: 50_00})
	require.Regexp(t, `^\{"amount":15050,"channel":"promptpay","merchant_order_id":"A-1","signature":"[0-9A-F]{64}","timestamp":"\d+"\}$`, bodies[0])
	require.Regexp(t, `^\{"refund_amount":5000,"refund_order_id":"1","signature":"[0-9A-F]{64}","timestamp":"\d+"\}$`, bodies[1])
}

func TestCalls(t *testing.T) {
	require.Len(t, calls(), 24)
	for _, c := range calls() {
		t.Run(c.name, func(t *testing.T) {
			client := newClient(t, func(r *http.Request) (int, string, error) {
				require.Equal(t, c.method, r.Method)
				require.Equal(t, c.path, r.URL.Path)
				return http.StatusOK, c.goodAnswer(t), nil
			}, vip.WithStrict())
			require.NoError(t, c.do(t, client))
			require.NoError(t, c.do(t, answering(t, http.StatusOK, "\ufeff"+c.goodAnswer(t), vip.WithStrict())), "with a byte order mark")
			require.ErrorIs(t, c.do(t, answering(t, http.StatusOK, "\ufeff")), fault.ErrEmptyBody)
			err := c.do(t, answering(t, http.StatusBadRequest, "\ufeff"+refusal(http.StatusBadRequest)))
			require.ErrorIs(t, err, vip.ErrBadRequest)
			require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
		})
	}
}

// A request never goes out if the context is over, and the base URL's path isn't
// signed.
func TestBasePath(t *testing.T) {
	client, err := vip.NewClient("https://proxy.example/ksher/", token, vip.WithRetry(1, 0), vip.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (int, string, error) {
		assert.Equal(t, "/ksher"+redirectPath+"/A-1", r.URL.Path)
		got := received(t, r)
		assert.Equal(t, sign(signText(redirectPath+"/A-1", got)), got["signature"])
		return http.StatusOK, signed(t, redirectPath+"/A-1", goodOrder), nil
	})}))
	require.NoError(t, err)
	_, err = client.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
	require.NoError(t, err)
}

// mishap is something that goes wrong, and what is to be said about it.
type mishap struct {
	name string
	// answer makes the answer from a good one.
	answer func(good string) (int, string, error)
	want   error
	// known says that nothing was changed for certain.
	known bool
}

func status(code int, body string) func(string) (int, string, error) {
	return func(string) (int, string, error) { return code, body, nil }
}

func faults() []mishap {
	edit := func(old, replacement string) func(string) (int, string, error) {
		return func(good string) (int, string, error) {
			return http.StatusOK, strings.Replace(good, old, replacement, 1), nil
		}
	}
	return []mishap{
		{"broken connection", func(string) (int, string, error) { return 0, "", errors.New("reset by peer") }, nil, false},
		{"end of file", func(string) (int, string, error) { return 0, "", io.ErrUnexpectedEOF }, io.ErrUnexpectedEOF, false},
		{"400", status(400, `{"code":400,"name":"Bad Request","description":"<p>BadRequest {'x': ['No.']}</p>","log_entry_url":"https://x.example/1"}`), vip.ErrBadRequest, true},
		{"400 in HTML", status(400, "<html>BadRequest {'x': ['No.']}</html>"), vip.ErrBadRequest, false},
		{"400 cut", status(400, `{"code":400,"name":"Bad Request","description":"<p>`), vip.ErrBadRequest, false},
		{"400 without a name", status(400, `{"code":400,"description":"<p>BadRequest</p>"}`), vip.ErrBadRequest, false},
		{"401", status(401, refusal(401)), vip.ErrUnauthorized, true},
		{"401 without a body", status(401, ""), vip.ErrUnauthorized, false},
		{"403", status(403, refusal(403)), vip.ErrForbidden, true},
		{"403 in words", status(403, "no"), vip.ErrForbidden, false},
		{"403 for something else", status(403, refusal(404)), vip.ErrForbidden, false},
		{"404", status(404, refusal(404)), ksher.ErrNotFound, true},
		{"404 in HTML", status(404, "<html><center><h1>404 Not Found</h1></center><hr>nginx</html>"), fault.ErrHTTPStatus, false},
		{"404 in JSON", status(404, `{"code":404}`), fault.ErrHTTPStatus, false},
		{"404 without a description", status(404, `{"code":404,"name":"Not Found"}`), fault.ErrHTTPStatus, false},
		{"404 of a good answer", func(good string) (int, string, error) { return 404, good, nil }, fault.ErrHTTPStatus, false},
		{"405", status(405, ""), fault.ErrHTTPStatus, false},
		{"302", status(302, ""), fault.ErrRedirect, false},
		{"500", status(500, "oops"), fault.ErrHTTPStatus, false},
		{"502 in HTML", status(502, "<html>Bad Gateway</html>"), fault.ErrHTTPStatus, false},
		{"500 with a good answer", func(good string) (int, string, error) { return 500, good, nil }, fault.ErrHTTPStatus, false},
		{"empty", status(200, " \n"), fault.ErrEmptyBody, false},
		{"HTML", status(200, "<html></html>"), fault.ErrNotJSON, false},
		{"array", status(200, "[]"), fault.ErrNotJSON, false},
		{"cut", func(good string) (int, string, error) { return 200, good[:len(good)-5], nil }, fault.ErrTruncatedJSON, false},
		{"unsigned", edit(`"signature"`, `"signaturf"`), fault.ErrSignatureMissing, false},
		{"signature isn't text", func(string) (int, string, error) { return 200, `{"error_code":"SUCCESS","signature":1}`, nil }, fault.ErrSignatureMissing, false},
		{"changed", edit(`{`, `{"x":"y",`), fault.ErrSignatureMismatch, false},
		{"too large", func(good string) (int, string, error) { return 200, good + strings.Repeat(" ", 4000), nil }, fault.ErrTooLarge, false},
		{"twice", edit(`{`, `{"error_code":"FAIL",`), fault.ErrNotJSON, false},
	}
}

// Whatever happens, a call that changes something is tried once, a doubt about its
// outcome is said, and nothing else is in doubt.
func TestFaults(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: 400, 401, 403 and 404 come with a code and a name")
	for _, c := range calls() {
		for _, f := range faults() {
			t.Run(c.name+" "+f.name, func(t *testing.T) {
				asked := 0
				client := newClient(t, func(*http.Request) (int, string, error) {
					asked++
					return f.answer(c.goodAnswer(t))
				}, vip.WithMaxResponseBytes(2000), vip.WithStrict(), vip.WithRetry(2, 0))
				err := c.do(t, client)
				var failure *vip.Error
				require.ErrorAs(t, err, &failure)
				require.Equal(t, c.name, failure.Operation)
				if f.want != nil {
					require.ErrorIs(t, err, f.want)
				}
				require.Equal(t, f.want == ksher.ErrNotFound, errors.Is(err, ksher.ErrNotFound), "nobody else knows")
				require.Equal(t, c.change && !f.known, errors.Is(err, ksher.ErrOutcomeUnknown), err)
				require.Equal(t, c.change && !f.known, strings.Contains(err.Error(), "ask Client.Query"), err)
				require.Equal(t, f.known, errors.Is(err, fault.ErrRefused), "nobody else refuses")
				transient := strings.HasPrefix(f.name, "broken") || strings.HasPrefix(f.name, "end") || strings.HasPrefix(f.name, "50")
				require.Equal(t, map[bool]int{true: 2, false: 1}[!c.change && transient], asked)
				require.NotContains(t, err.Error(), token)
				require.NotRegexp(t, "[0-9A-Fa-f]{64}", err.Error())
			})
		}
	}
}

// The errors are those of package ksher.
func TestErrorsAreShared(t *testing.T) {
	for _, pair := range [][2]error{
		{ksher.ErrOutcomeUnknown, ksher.ErrOutcomeUnknown}, {ksher.ErrSignature, ksher.ErrSignature}, {fault.ErrSignatureMissing, fault.ErrSignatureMissing},
		{fault.ErrSignatureMalformed, fault.ErrSignatureMalformed}, {fault.ErrSignatureMismatch, fault.ErrSignatureMismatch}, {fault.ErrHTTPStatus, fault.ErrHTTPStatus},
		{fault.ErrRedirect, fault.ErrRedirect}, {fault.ErrEmptyBody, fault.ErrEmptyBody}, {fault.ErrTooLarge, fault.ErrTooLarge}, {fault.ErrNotJSON, fault.ErrNotJSON},
		{fault.ErrTruncatedJSON, fault.ErrTruncatedJSON}, {fault.ErrEnvelope, fault.ErrEnvelope}, {fault.ErrNoData, fault.ErrNoData}, {fault.ErrField, fault.ErrField},
		{ksher.ErrOtherOrder, ksher.ErrOtherOrder}, {ksher.ErrNotPaid, ksher.ErrNotPaid}, {ksher.ErrInProgress, ksher.ErrInProgress},
	} {
		require.ErrorIs(t, pair[0], pair[1])
	}
	require.ErrorIs(t, fault.ErrSignatureMissing, ksher.ErrSignature)
}

// One Deduper serves both.
var (
	_ ksher.Deduper = ksher.Deduper(nil)
	_ ksher.Deduper = ksher.Deduper(nil)
)

// Real connections: none, one that is cut while the answer comes, a redirect.
func TestConnections(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			return
		}
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, `{"error_code":`)
	}))
	transport := &http.Transport{}
	client, err := vip.NewClient(server.URL, token, vip.WithHTTPClient(&http.Client{Transport: transport}), vip.WithRetry(1, 0))
	require.NoError(t, err)
	_, err = client.Create(t.Context(), newOrders()[vip.KindCScanB])
	require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = client.Refund(t.Context(), vip.KindCScanB, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-1", RefundAmount: 1})
	require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
	require.ErrorIs(t, err, fault.ErrRedirect)
	transport.CloseIdleConnections()
	server.Close()
	_, err = client.Create(t.Context(), newOrders()[vip.KindCScanB])
	require.ErrorContains(t, err, "nothing was sent")
	require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
	_, err = client.Query(t.Context(), vip.KindCScanB, &vip.QueryRequest{MerchantOrderID: "A-1"})
	require.ErrorContains(t, err, "nothing was sent")
	require.NotRegexp(t, "signature=[0-9A-F]", err.Error())
}

func TestContext(t *testing.T) {
	client := newClient(t, func(*http.Request) (int, string, error) {
		t.Error("something was sent")
		return 0, "", nil
	}, vip.WithRetry(3, 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.Create(ctx, newOrders()[vip.KindCScanB])
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
	_, err = collect(client.Transactions(ctx, &vip.TransactionsRequest{Date: "20210720", MID: "m"}))
	require.ErrorIs(t, err, context.Canceled)
}

// A host that doesn't answer ends in a timeout, pauses between attempts included.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, func(r *http.Request) (int, string, error) {
			<-r.Context().Done()
			return 0, "", r.Context().Err()
		}, vip.WithTimeout(5*time.Second))
		start := time.Now()
		_, err := client.Create(t.Context(), newOrders()[vip.KindCScanB])
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
		require.Equal(t, 5*time.Second, time.Since(start))

		asked := 0
		client = newClient(t, func(*http.Request) (int, string, error) {
			asked++
			return http.StatusBadGateway, "", nil
		}, vip.WithTimeout(time.Millisecond), vip.WithRetry(10, 10*time.Second))
		_, err = client.Query(t.Context(), vip.KindCScanB, &vip.QueryRequest{MerchantOrderID: "A-1"})
		require.ErrorIs(t, err, fault.ErrHTTPStatus)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "it was not repeated")
		require.Less(t, asked, 10)
	})
}

// A query is repeated as often as allowed, with a new timestamp and signature.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var signatures []string
		client := newClient(t, func(r *http.Request) (int, string, error) {
			got := received(t, r)
			assert.Equal(t, sign(signText(redirectPath+"/A-1", got)), got["signature"])
			signatures = append(signatures, got["signature"])
			if len(signatures) < 3 {
				time.Sleep(time.Second)
				return http.StatusServiceUnavailable, "", nil
			}
			return http.StatusOK, signed(t, redirectPath+"/A-1", goodOrder), nil
		}, vip.WithRetry(3, time.Second))
		_, err := client.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
		require.NoError(t, err)
		require.Len(t, signatures, 3)
		require.NotEqual(t, signatures[0], signatures[1])

		client = newClient(t, func(*http.Request) (int, string, error) { return http.StatusServiceUnavailable, "", nil }, vip.WithRetry(3, 0))
		_, err = client.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
		require.ErrorContains(t, err, "(the last of 3 attempts)")
	})
}

func TestLog(t *testing.T) {
	var log bytes.Buffer
	logger := vip.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "duration" {
			return slog.Attr{}
		}
		return a
	}})))
	line := func(c *vip.Client) string {
		log.Reset()
		c.Create(t.Context(), newOrders()[vip.KindCScanB])
		return log.String()
	}
	const path = "/api/v1/cscanb/orders"
	require.Equal(t, "level=INFO msg=\"ksher vip call\" operation=\"cscanb create\" order_id=A-1 attempt=1 outcome=ok\n",
		line(answering(t, 200, signed(t, path, goodOrder), logger)))
	require.Equal(t, "level=ERROR msg=\"ksher vip call\" operation=\"cscanb create\" order_id=A-1 attempt=1 outcome=unknown code=FAIL http_status=200 cause=\"an earlier create under the same number may be the cause\"\n",
		line(answering(t, 200, signed(t, path, `{"error_code":"FAIL"}`), logger)))
	log.Reset()
	answering(t, 200, signed(t, path+"/A-1", `{"error_code":"FAIL"}`), logger).Cancel(t.Context(), vip.KindCScanB, &vip.CancelRequest{MerchantOrderID: "A-1"})
	require.Equal(t, "level=WARN msg=\"ksher vip call\" operation=\"cscanb cancel\" order_id=A-1 attempt=1 outcome=refused code=FAIL http_status=200 cause=<nil>\n", log.String())
	require.Equal(t, "level=WARN msg=\"ksher vip call\" operation=\"cscanb create\" order_id=A-1 attempt=1 outcome=refused code=\"\" http_status=403 cause=\"the account may not do this\"\n",
		line(answering(t, 403, refusal(403), logger)))
	require.Equal(t, "level=ERROR msg=\"ksher vip call\" operation=\"cscanb create\" order_id=A-1 attempt=1 outcome=unknown code=\"\" http_status=500 cause=\"the HTTP status is not a success\"\n",
		line(answering(t, 500, "", logger)))
}

// An unknown channel is sent, and warned of once by each client.
func TestUnknownChannelsAreLogged(t *testing.T) {
	var log bytes.Buffer
	client := answering(t, 200, signed(t, "/api/v1/redirect/orders", goodOrder), vip.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	for range 2 {
		request := newOrders()[vip.KindRedirect].(*vip.RedirectRequest)
		request.Channel = []string{"true_money", "card"}
		_, err := client.Create(t.Context(), request)
		require.NoError(t, err)
	}
	require.Contains(t, log.String(), `msg="ksher: a channel is unknown to this library and sent as it is" operation="redirect create" channel=true_money nearest=truemoney`)
	require.Equal(t, 1, strings.Count(log.String(), "\n"))
}

// One client serves many goroutines.
func TestConcurrency(t *testing.T) {
	client := newClient(t, func(r *http.Request) (int, string, error) {
		got := received(t, r)
		assert.Equal(t, sign(signText(r.URL.Path, got)), got["signature"])
		return http.StatusOK, signed(t, r.URL.Path, strings.Replace(goodOrder, "A-1", r.URL.Path[len(redirectPath)+1:], 1)), nil
	})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			id := fmt.Sprintf("B-%d", i)
			order, err := client.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: id})
			assert.NoError(t, err)
			assert.NoError(t, order.CheckPaid(id, 150_50, "THB"))
		})
	}
	wg.Wait()
}

// A merchant's mock, put in place before the client is made, does what it does
// elsewhere.
func TestHTTPMock(t *testing.T) {
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodGet, host+redirectPath+"/A-1", httpmock.NewStringResponder(200, signed(t, redirectPath+"/A-1", goodOrder)))
	client, err := vip.NewClient(host, token, vip.WithHTTPClient(&http.Client{Transport: mock}))
	require.NoError(t, err)
	order, err := client.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
	require.NoError(t, err)
	require.NoError(t, order.CheckPaid("A-1", 150_50, "THB"))
}

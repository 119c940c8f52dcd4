package receive_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

// roundTrip is a network on which everything is answered with 200.
type roundTrip func(*http.Request) (body string)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	body := f(r)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// door is one of the handlers, with what is particular to it.
type door struct {
	name, method string
	// open makes the handler of a merchant for whose payments fn is called.
	open func(tb testing.TB, network http.RoundTripper, log *slog.Logger, fn func(context.Context) error) http.Handler
	// message is what a genuine sender sends of an order.
	message func(no string) *http.Request
	// confirm answers a query: the order is paid. deny says that it isn't.
	confirm, deny roundTrip
	// stranger is a number that the merchant's books don't have.
	stranger string
	// no turns a counter into an order's number.
	no func(i int) string
}

func doors(tb testing.TB) []door {
	return []door{ksherDoor(), vipDoor(), opnDoor(tb)}
}

// server is the handler of a merchant whose queries are confirmed at once.
func (d *door) server(tb testing.TB, log *slog.Logger, fn func(context.Context) error) http.Handler {
	tb.Helper()
	return d.open(tb, d.confirm, log, fn)
}

func (d *door) send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func plainNumber(i int) string { return fmt.Sprintf("A-%06d", i) }

func ksherData(no, result string) map[string]any {
	return map[string]any{"appid": kshertest.AppID, "mch_order_no": no, "total_fee": 100_00, "fee_type": "THB", "result": result}
}

func ksherAnswer(result string) roundTrip {
	return func(r *http.Request) string {
		if err := r.ParseForm(); err != nil {
			panic(err)
		}
		return string(kshertest.SignedResponse(ksherData(r.FormValue("mch_order_no"), result)))
	}
}

func ksherDoor() door {
	return door{
		name: "ksher", method: http.MethodPost, no: plainNumber, stranger: "B-1",
		open: func(tb testing.TB, network http.RoundTripper, log *slog.Logger, fn func(context.Context) error) http.Handler {
			client, err := ksher.NewClient(kshertest.AppID, kshertest.PrivateKey(), ksher.WithVerifier(kshertest.Verifier()),
				ksher.WithHTTPClient(&http.Client{Transport: network}), ksher.WithLogger(log), ksher.WithRetry(1, 0))
			require.NoError(tb, err)
			p, err := ksher.NewPayments(client, func(ctx context.Context, _ *ksher.Order) error { return fn(ctx) })
			require.NoError(tb, err)
			n, err := p.Notifications(func(_ context.Context, no string) (ksher.OpenOrder, error) {
				if !strings.HasPrefix(no, "A-") {
					return ksher.OpenOrder{}, ksher.ErrNotOurs
				}
				return ksher.OpenOrder{MchOrderNo: no, Host: ksher.HostMerchant, TotalFee: 100_00, FeeType: "THB"}, nil
			})
			require.NoError(tb, err)
			return n
		},
		message: func(no string) *http.Request {
			return kshertest.SignedNotification("/notify", ksherData(no, "SUCCESS"))
		},
		confirm: ksherAnswer("SUCCESS"), deny: ksherAnswer("REFUND"),
	}
}

const (
	vipToken   = "token-of-a-test"
	vipAddress = "https://shop.example/ksher"
)

// vipSigned is a signature of vip's, written a second time.
func vipSigned(prefix string, params map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		prefix += name + params[name]
	}
	mac := hmac.New(sha256.New, []byte(vipToken))
	io.WriteString(mac, prefix)
	return fmt.Sprintf("%X", mac.Sum(nil))
}

func vipDoor() door {
	return door{
		name: "vip", method: http.MethodGet, no: plainNumber, stranger: "B-1",
		open: func(tb testing.TB, network http.RoundTripper, log *slog.Logger, fn func(context.Context) error) http.Handler {
			client, err := vip.NewClient("https://shop.vip.ksher.net", vipToken, vip.WithHTTPClient(&http.Client{Transport: network}),
				vip.WithLogger(log), vip.WithRetry(1, 0))
			require.NoError(tb, err)
			p, err := vip.NewPayments(client, func(ctx context.Context, _ *vip.Order) error { return fn(ctx) })
			require.NoError(tb, err)
			n, err := p.Notifications(vipAddress, func(_ context.Context, no string) (vip.OpenOrder, error) {
				if !strings.HasPrefix(no, "A-") {
					return vip.OpenOrder{}, ksher.ErrNotOurs
				}
				return vip.OpenOrder{MerchantOrderID: no, Kind: vip.KindRedirect, Amount: 100_00, Currency: "THB"}, nil
			})
			require.NoError(tb, err)
			return n
		},
		message: func(no string) *http.Request {
			params := map[string]string{"type": "Order", "instance": no, "code": "StatusChange", "message": "Order Paid"}
			values := url.Values{"signature": {vipSigned(vipAddress, params)}}
			for name, value := range params {
				values.Set(name, value)
			}
			return httptest.NewRequest(http.MethodGet, vipAddress+"?"+values.Encode(), nil)
		},
		confirm: vipAnswer("Paid"), deny: vipAnswer("Available"),
	}
}

func vipAnswer(status string) roundTrip {
	return func(r *http.Request) string {
		no := path.Base(r.URL.Path)
		signature := vipSigned(r.URL.Path, map[string]string{"merchant_order_id": no, "amount": "10000", "status": status, "error_code": "SUCCESS", "currency": "THB"})
		return fmt.Sprintf(`{"merchant_order_id":%q,"amount":10000,"status":%q,"error_code":"SUCCESS","currency":"THB","signature":%q}`, no, status, signature)
	}
}

func opnDoor(tb testing.TB) door {
	tb.Helper()
	text, err := os.ReadFile("../../opn/testdata/charge.json")
	require.NoError(tb, err)
	const id = "chrg_test_0000000000000000003"
	paid := strings.NewReplacer(`"status": "pending"`, `"status": "successful"`, `"paid": false`, `"paid": true`,
		`"authorized": false`, `"authorized": true`, `"paid_at": null`, `"paid_at": "2026-11-21T10:03:00Z"`).Replace(string(text))
	return door{
		name: "opn", method: http.MethodPost, stranger: "chrg_test_9", no: func(i int) string { return fmt.Sprintf("chrg_test_%06d", i) },
		open: func(tb testing.TB, network http.RoundTripper, log *slog.Logger, fn func(context.Context) error) http.Handler {
			client, err := opn.NewClient("pkey_test_public0123456789", "skey_test_secret0123456789",
				opn.WithHTTPClient(&http.Client{Transport: network}), opn.WithLogger(log), opn.WithRetry(1, 0))
			require.NoError(tb, err)
			p, err := opn.NewPayments(client, func(ctx context.Context, _ *opn.Charge) error { return fn(ctx) })
			require.NoError(tb, err)
			n, err := p.Notifications(func(_ context.Context, id string) (opn.OpenOrder, error) {
				if !strings.HasPrefix(id, "chrg_test_0") {
					return opn.OpenOrder{}, ksher.ErrNotOurs
				}
				return opn.OpenOrder{ChargeID: id, Amount: 1234_50}, nil
			})
			require.NoError(tb, err)
			return n
		},
		message: func(no string) *http.Request {
			return httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(
				fmt.Sprintf(`{"object":"event","key":"charge.complete","data":{"object":"charge","id":%q,"status":"successful"}}`, no)))
		},
		confirm: func(r *http.Request) string { return strings.ReplaceAll(paid, id, path.Base(r.URL.Path)) },
		deny:    func(r *http.Request) string { return strings.ReplaceAll(string(text), id, path.Base(r.URL.Path)) },
	}
}

// logBuffer is a log that may be written at the same time.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func succeed(context.Context) error { return nil }

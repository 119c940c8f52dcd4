package vip_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/vip"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token = "5e1fe55a-token-of-a-test"
	host  = "https://shop.vip.ksher.net"
)

// roundTrip answers requests without a network. An error stands for a broken
// connection.
type roundTrip func(*http.Request) (status int, body string, err error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body, err := f(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// newClient returns a client whose requests go to f and whose queries aren't
// repeated.
func newClient(tb testing.TB, f roundTrip, opts ...vip.Option) *vip.Client {
	tb.Helper()
	opts = append([]vip.Option{vip.WithHTTPClient(&http.Client{Transport: f}), vip.WithRetry(1, 0)}, opts...)
	client, err := vip.NewClient(host, token, opts...)
	require.NoError(tb, err)
	return client
}

// answering returns a client that is always answered so.
func answering(tb testing.TB, status int, body string, opts ...vip.Option) *vip.Client {
	tb.Helper()
	return newClient(tb, func(*http.Request) (int, string, error) { return status, body, nil }, opts...)
}

// sign is the signature of a text, written a second time.
func sign(text string) string {
	mac := hmac.New(sha256.New, []byte(token))
	io.WriteString(mac, text)
	return fmt.Sprintf("%X", mac.Sum(nil))
}

// members reads a JSON object with its values as they are signed, as long as
// nothing is nested.
func members(tb testing.TB, text string) map[string]string {
	tb.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var object map[string]any
	require.NoError(tb, d.Decode(&object), text)
	flat := make(map[string]string)
	for name, value := range object {
		switch value {
		case true:
			flat[name] = "True"
		case false:
			flat[name] = "False"
		case nil:
			flat[name] = "None"
		default:
			flat[name] = fmt.Sprint(value)
		}
	}
	return flat
}

func signText(prefix string, params map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name != "signature" && name != "log_entry_url" {
			prefix += name + params[name]
		}
	}
	return prefix
}

// signed adds a signature to a JSON object.
func signed(tb testing.TB, path, object string) string {
	tb.Helper()
	return withSignature(object, sign(signText(path, members(tb, object))))
}

func withSignature(object, signature string) string {
	return strings.TrimSuffix(strings.TrimSpace(object), "}") + fmt.Sprintf(`,"signature":%q}`, signature)
}

// received are the parameters of a request, from its query or its body.
func received(tb testing.TB, r *http.Request) map[string]string {
	tb.Helper()
	if r.Method != http.MethodGet {
		require.Equal(tb, "application/json", r.Header.Get("Content-Type"))
		require.Empty(tb, r.URL.RawQuery)
		body, err := io.ReadAll(r.Body)
		require.NoError(tb, err)
		return members(tb, string(body))
	}
	require.Nil(tb, r.Body)
	values, err := url.ParseQuery(r.URL.RawQuery)
	require.NoError(tb, err)
	flat := make(map[string]string)
	for name, all := range values {
		require.Len(tb, all, 1)
		flat[name] = all[0]
	}
	return flat
}

const (
	redirectPath = "/api/v1/redirect/orders"
	financePath  = "/api/v1/finance/settlements/"
)

// goodOrder is an order of every kind.
const goodOrder = `{"merchant_order_id":"A-1","amount":15050,"status":"Paid","error_code":"SUCCESS","currency":"THB",` +
	`"reference":"https://pay.example/1","reserved1":"data:image/png;base64,aGk=","cleared":false}`

// goodRefund is the answer to a refund of 50.00.
const goodRefund = `{"merchant_order_id":"A-1","amount":-5000,"status":"Refunded","error_code":"REFUNDED","order_type":"Refund"}`

// goodClosed is the answer to a cancellation.
const goodClosed = `{"merchant_order_id":"A-1","amount":15050,"status":"Closed","error_code":"SUCCESS"}`

func newOrders() map[vip.Kind]vip.CreateRequest {
	return map[vip.Kind]vip.CreateRequest{
		vip.KindRedirect: &vip.RedirectRequest{MerchantOrderID: "A-1", Amount: 150_50, RedirectURL: "https://shop.example/thanks", RedirectURLFail: "https://shop.example/sorry"},
		vip.KindCScanB:   &vip.CScanBRequest{MerchantOrderID: "A-1", Amount: 150_50, Channel: "promptpay"},
		vip.KindBScanC:   &vip.BScanCRequest{MerchantOrderID: "A-1", Amount: 150_50, Channel: "alipay", AuthCode: ksher.NewSecret("287634438256643900")},
		vip.KindMiniApp:  &vip.MiniAppRequest{MerchantOrderID: "A-1", Amount: 150_50, MiniAppOpenID: "buyer", MiniAppAppID: "wx1"},
		vip.KindApp:      &vip.AppRequest{MerchantOrderID: "A-1", Amount: 150_50},
	}
}

// refusal is the body of a refusal with that HTTP status.
func refusal(status int) string {
	return fmt.Sprintf(`{"code":%d,"name":%q,"description":"<p>No.</p>"}`, status, http.StatusText(status))
}

// call is a call of the API as the tests of all of them see it.
type call struct {
	name, method, path string
	// good is what it is answered with if all is well.
	good   string
	change bool
	do     func(t testing.TB, c *vip.Client) error
}

// calls has all of them: 20 for orders and 4 for reports.
func calls() []call {
	var all []call
	for kind, req := range newOrders() {
		path := "/api/v1/" + string(kind) + "/orders"
		order := func(verb, method, path, good string, do func(testing.TB, *vip.Client) (*vip.Order, error)) {
			all = append(all, call{string(kind) + " " + verb, method, path, good, method != http.MethodGet, func(t testing.TB, c *vip.Client) error {
				o, err := do(t, c)
				require.Equal(t, err == nil, o != nil)
				return err
			}})
		}
		order("create", http.MethodPost, path, goodOrder, func(t testing.TB, c *vip.Client) (*vip.Order, error) { return c.Create(t.Context(), req) })
		path += "/A-1"
		order("query", http.MethodGet, path, goodOrder, func(t testing.TB, c *vip.Client) (*vip.Order, error) {
			return c.Query(t.Context(), kind, &vip.QueryRequest{MerchantOrderID: "A-1"})
		})
		order("refund", http.MethodPut, path, goodRefund, func(t testing.TB, c *vip.Client) (*vip.Order, error) {
			return c.Refund(t.Context(), kind, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-1", RefundAmount: 50_00})
		})
		order("cancel", http.MethodDelete, path, goodClosed, func(t testing.TB, c *vip.Client) (*vip.Order, error) {
			return c.Cancel(t.Context(), kind, &vip.CancelRequest{MerchantOrderID: "A-1"})
		})
	}
	return append(all,
		call{"channels", http.MethodGet, financePath + "channels", `{"error_code":"SUCCESS","data":{"channels":["wechat"]}}`, false, func(t testing.TB, c *vip.Client) error {
			_, err := c.Channels(t.Context(), &vip.ChannelsRequest{MID: "mch35618"})
			return err
		}},
		call{"transactions", http.MethodGet, financePath + "order/20210720", goodPage, false, func(t testing.TB, c *vip.Client) error {
			_, err := collect(c.Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "mch35618"}))
			return err
		}},
		call{"settlement", http.MethodGet, financePath + "20210720", `{"error_code":"SUCCESS","data":{"reference_id":"S-1"}}`, false, func(t testing.TB, c *vip.Client) error {
			_, err := c.Settlement(t.Context(), &vip.SettlementRequest{Date: "20210720", MID: "mch35618", Channel: "wechat"})
			return err
		}},
		call{"settlement orders", http.MethodGet, financePath + "settlement_order", goodPage, false, func(t testing.TB, c *vip.Client) error {
			_, err := collect(c.SettlementOrders(t.Context(), &vip.SettlementOrdersRequest{ReferenceID: "S-1"}))
			return err
		}},
	)
}

const goodPage = `{"error_code":"SUCCESS","data":{"data":[{"amount":15050,"order_id":"A-1"}],"total":1}}`

// goodAnswer is what the call is answered with if all is well, signed.
func (c call) goodAnswer(tb testing.TB) string {
	tb.Helper()
	var object map[string]json.RawMessage
	require.NoError(tb, json.Unmarshal([]byte(c.good), &object))
	if data, nested := object["data"]; nested {
		// What Python makes of these is what is written, but for the quotes.
		text := strings.NewReplacer(`"`, `'`, `:`, `: `, `,`, `, `).Replace(string(data))
		return withSignature(c.good, sign(c.path+"data"+text+"error_codeSUCCESS"))
	}
	return signed(tb, c.path, c.good)
}

// collect reads a report to its end.
func collect(rows func(func(*vip.Transaction, error) bool)) (all []vip.Transaction, err error) {
	for row, err := range rows {
		if err != nil {
			return all, err
		}
		all = append(all, *row)
	}
	return all, nil
}

// spoken is everything that fmt makes of a value.
func spoken(v any) string {
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	return b.String()
}

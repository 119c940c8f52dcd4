package testkit

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

func CreateAtGateway(t *testing.T, gw *sandbox.Gateway) {
	_, err := gw.Client.GatewayPay(t.Context(), GoodGatewayPay())
	require.NoError(t, err)
}

func CreateAtMerchant(t *testing.T, gw *sandbox.Gateway) {
	_, err := gw.Client.NativePay(t.Context(), GoodNativePay())
	require.NoError(t, err)
}

func PayAt(create func(*testing.T, *sandbox.Gateway)) func(*testing.T, *sandbox.Gateway) {
	return func(t *testing.T, gw *sandbox.Gateway) {
		create(t, gw)
		require.NoError(t, gw.Pay(OrderNo, ksher.ChannelWeChat))
	}
}

// PaymentsOf are payments whose function succeeds.
func PaymentsOf(tb testing.TB, client *ksher.Client, opts ...ksher.PaymentsOption) *ksher.Payments {
	tb.Helper()
	return PaymentsTo(tb, client, func(context.Context, *ksher.Order) error { return nil }, opts...)
}

func PaymentsTo(tb testing.TB, client *ksher.Client, paid func(context.Context, *ksher.Order) error, opts ...ksher.PaymentsOption) *ksher.Payments {
	tb.Helper()
	p, err := ksher.NewPayments(client, paid, opts...)
	require.NoError(tb, err)
	return p
}

// Expected finds an order among those of the list.
func (l OrderList) Expected(_ context.Context, mchOrderNo string) (ksher.OpenOrder, error) {
	if i := slices.IndexFunc(l, func(o ksher.OpenOrder) bool { return o.MchOrderNo == mchOrderNo }); i >= 0 {
		return l[i], nil
	}
	return ksher.OpenOrder{}, ksher.ErrNotOurs
}

// NotificationsOf is the handler of a merchant who has that order on that host.
func NotificationsOf(tb testing.TB, client *ksher.Client, host ksher.Host, paid func(context.Context, *ksher.Order) error, opts ...ksher.PaymentsOption) *ksher.Notifications {
	tb.Helper()
	n, err := PaymentsTo(tb, client, paid, opts...).Notifications(func(_ context.Context, mchOrderNo string) (ksher.OpenOrder, error) {
		return ksher.OpenOrder{MchOrderNo: mchOrderNo, Host: host, TotalFee: 100_00, FeeType: "THB"}, nil
	})
	require.NoError(tb, err)
	return n
}

// OrderList is a merchant's list of open orders, sorted by their numbers.
type OrderList []ksher.OpenOrder

func (l OrderList) OpenOrders(_ context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	i, found := slices.BinarySearchFunc(l, after, func(o ksher.OpenOrder, no string) int { return strings.Compare(o.MchOrderNo, no) })
	if found {
		i++
	}
	return l[i:min(i+limit, len(l))], nil
}

// Notified is a genuine notification of an order.
func Notified(tb testing.TB, mchOrderNo string) string {
	return SignedAnswer(tb, strings.Replace(NotifiedNative, OrderNo, mchOrderNo, 1))
}

const Accepted = `{"result":"SUCCESS","msg":"OK"}`

// What a notification says and what the gateway answers differ in their
// attach, so that a test can tell which of the two it was given.
const (
	NotifiedNative   = `{"appid":"mch12345","mch_order_no":"order1","total_fee":10000,"fee_type":"THB","result":"SUCCESS","openid":"buyer-4711","attach":"notified"}`
	ConfirmedNative  = `{"appid":"mch12345","mch_order_no":"order1","total_fee":10000,"fee_type":"THB","result":"SUCCESS","openid":"buyer-4711","attach":"confirmed"}`
	NotifiedGateway  = `{"appid":"mch12345","mch_order_no":"order1","pay_mch_order_no":"pay1","total_fee":10000,"fee_type":"THB","result":"SUCCESS","openid":"buyer-4711","attach":"notified"}`
	ConfirmedGateway = `{"appid":"mch12345","mch_order_no":"order1","pay_mch_order_no":"pay1","total_fee":10000,"fee_type":"THB","result":"SUCCESS","openid":"buyer-4711","attach":"confirmed"}`
)

// UnknownOrder is how a host answers about an order of the other.
func UnknownOrder(code string) http.Handler {
	return Answering(200, `{"code":1,"msg":"`+code+`","message":"Somchai has no such order"}`)
}

// Merchant is a handler of notifications with everything around it that a test looks
// at. Every order is in its books, at the merchant host.
type Merchant struct {
	Handler  *ksher.Notifications
	Gateway  *Recorder
	Log      *LogBuffer
	Calls    atomic.Int64
	Got      chan *ksher.Order
	Problems chan error
}

func NewMerchant(tb testing.TB, gateway http.Handler, fnErr error, opts ...ksher.PaymentsOption) *Merchant {
	tb.Helper()
	return NewMerchantAt(tb, ksher.HostMerchant, gateway, fnErr, opts...)
}

func NewMerchantAt(tb testing.TB, host ksher.Host, gateway http.Handler, fnErr error, opts ...ksher.PaymentsOption) *Merchant {
	tb.Helper()
	m := &Merchant{Gateway: Recording(gateway), Log: &LogBuffer{}, Got: make(chan *ksher.Order, 1000), Problems: make(chan error, 1000)}
	client := NewClient(tb, m.Gateway, ksher.WithLogger(m.Log.Logger(slog.LevelDebug)))
	problem := ksher.WithProblem(func(_ context.Context, _ ksher.OpenOrder, err error) { m.Problems <- err })
	m.Handler = NotificationsOf(tb, client, host, func(_ context.Context, o *ksher.Order) error {
		m.Calls.Add(1)
		m.Got <- o
		return fnErr
	}, append(opts, problem)...)
	return m
}

func Post(handler http.Handler, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/notify", strings.NewReader(body))
	r.Header.Set("Content-Type", "text/plain;charset=utf-8")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// RequireRefused checks an answer that makes Ksher send the notification
// again.
func RequireRefused(tb testing.TB, w *httptest.ResponseRecorder, status int) {
	tb.Helper()
	require.Equal(tb, status, w.Code, "%s", w.Body)
	require.Equal(tb, "application/json", w.Header().Get("Content-Type"))
	require.JSONEq(tb, fmt.Sprintf(`{"result":"FAIL","msg":%q}`, http.StatusText(status)), w.Body.String())
}

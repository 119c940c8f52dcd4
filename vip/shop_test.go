package vip_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/vip"
)

// address is the webhook's as a request has it, before the query.
const address = "https://shop.example/ksher?"

var webhookAddress = strings.TrimSuffix(address, "?")

// notification is the query of a notification, with parameters changed.
func notification(id, message string, changes ...string) string {
	params := map[string]string{"type": "Order", "instance": id, "code": "StatusChange", "message": message}
	for i := 0; i < len(changes); i += 2 {
		params[changes[i]] = changes[i+1]
	}
	values := url.Values{"signature": {sign(signText(webhookAddress, params))}}
	for name, value := range params {
		values.Set(name, value)
	}
	return values.Encode()
}

// order is an answer about an order.
func order(id string, status vip.Status) string {
	return fmt.Sprintf(`{"merchant_order_id":%q,"amount":15050,"status":%q,"error_code":"SUCCESS","currency":"THB"}`, id, status)
}

// open is the order of that number in a merchant's books.
func open(id string) vip.OpenOrder {
	return vip.OpenOrder{MerchantOrderID: id, Kind: vip.KindRedirect, Amount: 150_50, Currency: "THB"}
}

func at(kind vip.Kind, id string) string { return "/api/v1/" + string(kind) + "/orders/" + id }

// notify delivers a notification.
func notify(h http.Handler, query string) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address+query, nil))
	return w.Code
}

// shop is a merchant with books, payments and a webhook.
type shop struct {
	payments      *vip.Payments
	notifications *vip.Notifications
	log           bytes.Buffer

	mu sync.Mutex
	// orders are the bodies of answers about an order, by the path.
	orders map[string]string
	books  map[string]vip.OpenOrder
	// asked are the paths of the queries, and of the sub-merchant and the country of each.
	asked, of []string
	// paid, ended and problems are what the merchant's functions were told.
	paid, ended, problems []string
	// fails is what they return.
	fails error
}

// newShop has order A-1 in its books.
func newShop(t testing.TB, opts ...vip.PaymentsOption) *shop {
	t.Helper()
	s := &shop{orders: map[string]string{}, books: map[string]vip.OpenOrder{"A-1": open("A-1")}}
	client := newClient(t, s.answer(t), vip.WithLogger(slog.New(slog.NewTextHandler(&s.log, nil))))
	say := func(o *vip.Order) string {
		return fmt.Sprint(o.Kind, " ", o.MerchantOrderID, " ", o.Status, " ", o.Amount)
	}
	opts = append([]vip.PaymentsOption{
		vip.WithEnded(func(_ context.Context, open vip.OpenOrder, o *vip.Order) error {
			if o == nil {
				o = &vip.Order{MerchantOrderID: open.MerchantOrderID}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ended = append(s.ended, say(o))
			return s.fails
		}),
		vip.WithProblem(func(_ context.Context, o vip.OpenOrder, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.problems = append(s.problems, o.MerchantOrderID+": "+err.Error())
		}),
	}, opts...)
	var err error
	s.payments, err = vip.NewPayments(client, func(_ context.Context, o *vip.Order) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.paid = append(s.paid, say(o))
		return s.fails
	}, opts...)
	require.NoError(t, err)
	s.notifications, err = s.payments.Notifications(webhookAddress, s.expected)
	require.NoError(t, err)
	return s
}

// answer is the gateway, which has the shop's orders.
func (s *shop) answer(t testing.TB) roundTrip {
	return func(r *http.Request) (int, string, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, r.URL.Path)
		s.of = append(s.of, r.URL.Query().Get("mid")+" "+r.URL.Query().Get("provider"))
		switch body, ok := s.orders[r.URL.Path]; {
		case !ok:
			return http.StatusNotFound, refusal(http.StatusNotFound), nil
		case body == "forbidden":
			return http.StatusForbidden, refusal(http.StatusForbidden), nil
		case body == "misrouted":
			return http.StatusNotFound, "<h1>No such site</h1>", nil
		case body == "":
			return 0, "", errors.New("reset by peer")
		default:
			return http.StatusOK, signed(t, r.URL.Path, body), nil
		}
	}
}

// expected looks into the books.
func (s *shop) expected(_ context.Context, id string) (vip.OpenOrder, error) {
	o, ok := s.books[id]
	if !ok {
		return o, fmt.Errorf("no row: %w", ksher.ErrNotOurs)
	}
	return o, nil
}

// OpenOrders lists the books.
func (s *shop) OpenOrders(_ context.Context, after string, limit int) (page []vip.OpenOrder, err error) {
	for _, id := range slices.Sorted(maps.Keys(s.books)) {
		if id > after && len(page) < limit {
			page = append(page, s.books[id])
		}
	}
	return page, nil
}

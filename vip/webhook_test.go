package vip_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/vip"
)

// deduper runs a function as its field says.
type deduper struct {
	once func(ctx context.Context, key string, fn func(context.Context) error) error
}

func (d *deduper) Once(ctx context.Context, key string, fn func(context.Context) error) error {
	return d.once(ctx, key, fn)
}

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

// shop is a merchant with a webhook.
type shop struct {
	handler http.Handler
	// orders are the bodies of answers about an order, by the path.
	orders map[string]string
	asked  []string
	// of has the sub-merchant and the country of each query.
	of    []string
	got   []string
	fails error
	log   bytes.Buffer
}

func newShop(t testing.TB, client []vip.Option, opts ...vip.WebhookOption) *shop {
	s := &shop{orders: map[string]string{}}
	client = append(client, vip.WithLogger(slog.New(slog.NewTextHandler(&s.log, nil))))
	c := newClient(t, func(r *http.Request) (int, string, error) {
		s.asked = append(s.asked, r.Method+" "+r.URL.Path)
		s.of = append(s.of, r.URL.Query().Get("mid")+" "+r.URL.Query().Get("provider"))
		body, ok := s.orders[r.URL.Path]
		switch {
		case !ok:
			return http.StatusNotFound, "", nil
		case body == "forbidden":
			return http.StatusForbidden, "", nil
		case body == "":
			return 0, "", errors.New("reset by peer")
		}
		return http.StatusOK, signed(t, r.URL.Path, body), nil
	}, client...)
	s.handler = vip.NewWebhookHandler(c, webhookAddress, func(_ context.Context, o *vip.Order) error {
		s.got = append(s.got, fmt.Sprint(o.Kind, " ", o.MerchantOrderID, " ", o.Status, " ", o.Amount))
		return s.fails
	}, opts...)
	return s
}

func order(id string, status vip.Status) string {
	return fmt.Sprintf(`{"merchant_order_id":%q,"amount":15050,"status":%q,"error_code":"SUCCESS","currency":"THB"}`, id, status)
}

func (s *shop) notify(method, query string) (status int, body string) {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest(method, address+query, nil))
	return w.Code, w.Body.String()
}

func TestWebhook(t *testing.T) {
	s := newShop(t, nil)
	s.orders["/api/v1/redirect/orders/A-1"] = order("A-1", vip.StatusPaid)
	for range 3 {
		status, body := s.notify(http.MethodGet, notification("A-1", "Order Paid"))
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "OK", body)
	}
	require.Equal(t, []string{"redirect A-1 Paid 150.50"}, s.got)

	// Another status is other news, an order of another kind is found.
	s.orders["/api/v1/redirect/orders/A-1"] = order("A-1", vip.StatusRefunded)
	s.orders["/api/v1/miniapp/orders/A-2"] = order("A-2", vip.StatusClosed)
	s.asked = nil
	for range 2 {
		status, _ := s.notify(http.MethodGet, notification("A-1", "Order Refunded"))
		require.Equal(t, http.StatusOK, status)
	}
	status, _ := s.notify(http.MethodGet, notification("A-2", "Order Timeout"))
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, []string{"redirect A-1 Paid 150.50", "redirect A-1 Refunded 150.50", "miniapp A-2 Closed 150.50"}, s.got)
	require.Equal(t, []string{
		"GET /api/v1/redirect/orders/A-1",
		"GET /api/v1/redirect/orders/A-2", "GET /api/v1/cscanb/orders/A-2", "GET /api/v1/bscanc/orders/A-2", "GET /api/v1/miniapp/orders/A-2",
	}, s.asked)
}

// A notification of a refund in part, which leaves the order paid, doesn't stand for the one
// of the rest.
func TestWebhookRefundInTwoParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, nil)
		for _, step := range []struct {
			message string
			status  vip.Status
		}{{"Order Paid", vip.StatusPaid}, {"Order Refunded", vip.StatusPaid}, {"Order Refunded", vip.StatusRefunded}} {
			s.orders["/api/v1/redirect/orders/A-1"] = order("A-1", step.status)
			status, _ := s.notify(http.MethodGet, notification("A-1", step.message))
			require.Equal(t, http.StatusOK, status)
			time.Sleep(5 * time.Second)
		}
		require.Equal(t, []string{"redirect A-1 Paid 150.50", "redirect A-1 Refunded 150.50"}, s.got)
	})
}

// Until the merchant's function succeeds the notification comes back.
func TestWebhookFunctionFails(t *testing.T) {
	s := newShop(t, nil)
	s.orders["/api/v1/redirect/orders/A-1"] = order("A-1", vip.StatusPaid)
	s.fails = errors.New("the database is away")
	status, body := s.notify(http.MethodGet, notification("A-1", "Order Paid"))
	require.Equal(t, http.StatusInternalServerError, status)
	require.NotContains(t, body, "database")
	require.Contains(t, s.log.String(), "the database is away")
	s.fails = nil
	status, _ = s.notify(http.MethodGet, notification("A-1", "Order Paid"))
	require.Equal(t, http.StatusOK, status)
	require.Len(t, s.got, 2)
}

func TestWebhookKinds(t *testing.T) {
	paid := order("A-1", vip.StatusPaid)
	for _, c := range []struct {
		name string
		// orders are the answers by the kind.
		orders map[vip.Kind]string
		want   int
		asked  []vip.Kind
	}{
		{"unknown to both", map[vip.Kind]string{vip.KindRedirect: paid}, http.StatusServiceUnavailable, []vip.Kind{vip.KindCScanB, vip.KindApp}},
		{"where the gateway doesn't answer nothing is known about other kinds either", map[vip.Kind]string{vip.KindCScanB: "", vip.KindApp: paid}, http.StatusServiceUnavailable, []vip.Kind{vip.KindCScanB}},
		{"a refusal is how another kind may be answered", map[vip.Kind]string{vip.KindCScanB: `{"error_code":"FAIL"}`, vip.KindApp: paid}, http.StatusOK, []vip.Kind{vip.KindCScanB, vip.KindApp}},
		{"so is 403, where the account doesn't have that kind", map[vip.Kind]string{vip.KindCScanB: "forbidden", vip.KindApp: paid}, http.StatusOK, []vip.Kind{vip.KindCScanB, vip.KindApp}},
		{"but not another refusal", map[vip.Kind]string{vip.KindCScanB: `{"error_code":"BUSY"}`, vip.KindApp: paid}, http.StatusServiceUnavailable, []vip.Kind{vip.KindCScanB}},
		{"nor an answer that contradicts itself", map[vip.Kind]string{vip.KindCScanB: strings.Replace(paid, "SUCCESS", "FAIL", 1), vip.KindApp: paid}, http.StatusServiceUnavailable, []vip.Kind{vip.KindCScanB}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t, nil, vip.WithKinds(vip.KindCScanB, vip.KindApp), nil)
			address := func(kind vip.Kind) string { return "/api/v1/" + string(kind) + "/orders/A-1" }
			for kind, answer := range c.orders {
				s.orders[address(kind)] = answer
			}
			status, _ := s.notify(http.MethodGet, notification("A-1", "Order Paid"))
			require.Equal(t, c.want, status)
			var asked []string
			for _, kind := range c.asked {
				asked = append(asked, "GET "+address(kind))
			}
			require.Equal(t, asked, s.asked)
			require.Equal(t, c.want == http.StatusOK, len(s.got) == 1)
			if strings.Contains(c.name, "contradicts") {
				require.Contains(t, s.log.String(), "the status is Paid all the same")
			}
		})
	}
}

func TestWebhookOfASubMerchant(t *testing.T) {
	s := newShop(t, nil, vip.WithSubMerchant("mch35618", "ph"))
	s.orders["/api/v1/cscanb/orders/A-1"] = order("A-1", vip.StatusPaid)
	status, _ := s.notify(http.MethodGet, notification("A-1", "Order Paid"))
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, []string{"mch35618 ph", "mch35618 ph"}, s.of)
}

// Two sub-merchants of one client, each with a handler, have orders of one number.
func TestWebhookOfTwoSubMerchants(t *testing.T) {
	client := newClient(t, func(r *http.Request) (int, string, error) {
		return http.StatusOK, signed(t, r.URL.Path, strings.Replace(order("A-1", vip.StatusPaid), "{", `{"mid":"`+r.URL.Query().Get("mid")+`",`, 1)), nil
	})
	var told []string
	for range 2 {
		for _, mid := range []string{"mch1", "mch2"} {
			w := httptest.NewRecorder()
			vip.NewWebhookHandler(client, webhookAddress, func(_ context.Context, o *vip.Order) error {
				told = append(told, o.MID)
				return nil
			}, vip.WithSubMerchant(mid, "")).ServeHTTP(w, httptest.NewRequest(http.MethodGet, address+notification("A-1", "Order Paid"), nil))
			require.Equal(t, http.StatusOK, w.Code)
		}
	}
	require.Equal(t, []string{"mch1", "mch2"}, told)
}

// What the gateway says has to follow from what the notification says.
func TestWebhookConfirms(t *testing.T) {
	for _, c := range []struct {
		message string
		status  vip.Status
		want    bool
	}{
		{"Order Paid", vip.StatusPaid, true},
		{"Order Paid", vip.StatusRefunded, true},
		{"Order Paid", vip.StatusAvailable, false},
		{"Order Paid", vip.StatusClosed, false},
		{"Order Refunded", vip.StatusRefunded, true},
		{"Order Refunded", vip.StatusPaid, true},
		{"Order Refunded", vip.StatusClosed, false},
		{"Order Closed", vip.StatusClosed, true},
		{"Order Closed", vip.StatusAvailable, false},
		{"Order Timeout", vip.StatusClosed, true},
		{"Order Timeout", vip.StatusPaid, true},
		{"Order Timeout", vip.StatusAvailable, false},
		{"Order Teleported", vip.StatusPaid, true},
		{"", vip.StatusAvailable, false},
		{"Order Paid", "Teleported", false},
	} {
		s := newShop(t, nil)
		s.orders["/api/v1/redirect/orders/A-1"] = order("A-1", c.status)
		status, _ := s.notify(http.MethodGet, notification("A-1", c.message))
		require.Equal(t, c.want, status == http.StatusOK, c)
		require.Equal(t, c.want, len(s.got) == 1, c)
		if !c.want {
			require.Equal(t, http.StatusServiceUnavailable, status)
			require.Contains(t, s.log.String(), "it could not be confirmed")
		}
	}
	// An answer about another order isn't believed.
	s := newShop(t, nil)
	s.orders["/api/v1/redirect/orders/A-1"] = order("A-2", vip.StatusPaid)
	status, _ := s.notify(http.MethodGet, notification("A-1", "Order Paid"))
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Empty(t, s.got)
}

func TestWebhookRefuses(t *testing.T) {
	good := notification("A-1", "Order Paid")
	values, err := url.ParseQuery(good)
	require.NoError(t, err)
	signature := values.Get("signature")
	for _, c := range []struct {
		name, query string
		want        int
	}{
		{"nothing", "", http.StatusForbidden},
		{"no signature", strings.Replace(good, "signature=", "signatur=", 1), http.StatusForbidden},
		{"another signature", strings.Replace(good, signature, sign("x"), 1), http.StatusForbidden},
		{"short signature", strings.Replace(good, signature, signature[:10], 1), http.StatusForbidden},
		{"another order", strings.Replace(good, "A-1", "A-2", 1), http.StatusForbidden},
		{"another message", strings.Replace(good, "Paid", "Closed", 1), http.StatusForbidden},
		{"one more", good + "&x=y", http.StatusForbidden},
		{"one more, empty", good + "&x", http.StatusForbidden},
		{"one less", strings.Replace(good, "code=StatusChange&", "", 1), http.StatusForbidden},
		{"twice", good + "&instance=A-1", http.StatusBadRequest},
		{"twice the same signature", good + "&signature=" + signature, http.StatusBadRequest},
		{"bad escape", good + "&x=%zz", http.StatusBadRequest},
		{"semicolon", good + ";x=y", http.StatusBadRequest},
		{"too long", good + "&x=" + strings.Repeat("y", 8<<10), http.StatusRequestURITooLong},
		{"another type", notification("A-1", "Order Paid", "type", "Refund"), http.StatusBadRequest},
		{"another code", notification("A-1", "Order Paid", "code", "Created"), http.StatusBadRequest},
		{"no order", notification("", "Order Paid"), http.StatusBadRequest},
		{"another address", notification("a/../../finance", "Order Paid"), http.StatusBadRequest},
		{"not UTF-8", notification("\xff", "Order Paid"), http.StatusBadRequest},
		{"long order", notification(strings.Repeat("x", 129), "Order Paid"), http.StatusBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t, nil)
			s.orders["/api/v1/redirect/orders/A-1"] = order("A-1", vip.StatusPaid)
			status, body := s.notify(http.MethodGet, c.query)
			require.Equal(t, c.want, status)
			require.Equal(t, http.StatusText(c.want), body)
			require.Empty(t, s.asked, "a notification that isn't signed costs no query")
			require.Empty(t, s.got)
			require.Contains(t, s.log.String(), "ksher vip notification refused")
			require.NotContains(t, s.log.String(), signature)
			require.NotContains(t, s.log.String(), "\xff")
		})
	}
	for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodPut} {
		s := newShop(t, nil)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, httptest.NewRequest(method, address+good, nil))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		require.Equal(t, http.MethodGet, w.Header().Get("Allow"))
	}
}

// A flood of genuine notifications costs no more than so many queries at once.
func TestWebhookFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		var log bytes.Buffer
		answer := make(chan struct{})
		client := newClient(t, func(r *http.Request) (int, string, error) {
			asked.Add(1)
			<-answer
			return http.StatusOK, signed(t, r.URL.Path, order(path.Base(r.URL.Path), vip.StatusPaid)), nil
		}, vip.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		h := vip.NewWebhookHandler(client, webhookAddress, func(_ context.Context, o *vip.Order) error {
			if strings.HasSuffix(o.MerchantOrderID, "-7") {
				panic("the merchant's own")
			}
			return nil
		})
		notify := func(query string) int {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address+query, nil))
			return w.Code
		}
		flood := func(letter string) {
			for i := range 100 {
				go func() {
					want := http.StatusOK
					if i == 7 {
						want = http.StatusInternalServerError
					}
					assert.Equal(t, want, notify(notification(fmt.Sprint(letter, "-", i), "Order Paid")))
				}()
			}
			synctest.Wait()
		}
		flood("A")
		require.EqualValues(t, 100, asked.Load())
		for range 10 {
			require.Equal(t, http.StatusServiceUnavailable, notify(notification("A-1", "Order Paid")))
			require.Equal(t, http.StatusServiceUnavailable, notify(notification("B-1", "Order Paid")))
			require.Equal(t, http.StatusForbidden, notify("signature=00"), "what isn't signed takes no place")
		}
		require.EqualValues(t, 100, asked.Load())
		require.Contains(t, log.String(), `order_id=B-1 reason="too many others are being confirmed"`)
		close(answer)
		synctest.Wait()
		// Each place was given back, also that of a function that panicked.
		answer = make(chan struct{})
		time.Sleep(time.Second)
		flood("B")
		require.EqualValues(t, 200, asked.Load())
		close(answer)
	})
}

func TestWebhookUnusable(t *testing.T) {
	client := newClient(t, func(*http.Request) (int, string, error) {
		t.Error("something was sent")
		return 0, "", nil
	})
	fn := func(context.Context, *vip.Order) error {
		t.Error("the function was called")
		return nil
	}
	for name, h := range map[string]http.Handler{
		"no client":    vip.NewWebhookHandler(nil, webhookAddress, fn),
		"zero client":  vip.NewWebhookHandler(&vip.Client{}, webhookAddress, fn),
		"no function":  vip.NewWebhookHandler(client, webhookAddress, nil),
		"no address":   vip.NewWebhookHandler(client, "", fn),
		"path":         vip.NewWebhookHandler(client, "/ksher", fn),
		"query":        vip.NewWebhookHandler(client, webhookAddress+"?a=b", fn),
		"empty query":  vip.NewWebhookHandler(client, webhookAddress+"?", fn),
		"fragment":     vip.NewWebhookHandler(client, webhookAddress+"#a", fn),
		"no kinds":     vip.NewWebhookHandler(client, webhookAddress, fn, vip.WithKinds()),
		"unknown kind": vip.NewWebhookHandler(client, webhookAddress, fn, vip.WithKinds(vip.KindApp, "x")),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address+notification("A-1", "Order Paid"), nil))
		require.Equal(t, http.StatusInternalServerError, w.Code, name)
	}
}

func TestWebhookDeduper(t *testing.T) {
	var keys []string
	var answer error
	swallow := false
	s := newShop(t, []vip.Option{vip.WithDeduper(&deduper{once: func(ctx context.Context, key string, fn func(context.Context) error) error {
		keys = append(keys, key)
		if answer != nil {
			return answer
		}
		err := fn(ctx)
		if swallow {
			return nil
		}
		return err
	}})})
	s.orders["/api/v1/redirect/orders/A-1"] = order("A-1", vip.StatusPaid)
	status, _ := s.notify(http.MethodGet, notification("A-1", "Order Paid"))
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, []string{"vip shop.vip.ksher.net Paid A-1"}, keys)

	answer = ksher.ErrInProgress
	status, _ = s.notify(http.MethodGet, notification("A-1", "Order Paid"))
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, s.log.String(), `level=INFO msg="ksher vip notification refused"`)
	answer = errors.New("away")
	status, _ = s.notify(http.MethodGet, notification("A-1", "Order Paid"))
	require.Equal(t, http.StatusInternalServerError, status)
	// One that keeps the error to itself.
	answer, swallow, s.fails = nil, true, errors.New("away")
	status, _ = s.notify(http.MethodGet, notification("A-1", "Order Paid"))
	require.Equal(t, http.StatusInternalServerError, status)

	// Behind a proxy the path tells the merchants apart.
	keys = nil
	for _, name := range []string{"one", "two"} {
		c, err := vip.NewClient("https://proxy.example/"+name, token, vip.WithRetry(1, 0), vip.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (int, string, error) {
			return http.StatusOK, signed(t, strings.TrimPrefix(r.URL.Path, "/"+name), order("A-1", vip.StatusPaid)), nil
		})}), vip.WithDeduper(&deduper{once: func(_ context.Context, key string, _ func(context.Context) error) error {
			keys = append(keys, key)
			return nil
		}}))
		require.NoError(t, err)
		w := httptest.NewRecorder()
		vip.NewWebhookHandler(c, webhookAddress, func(context.Context, *vip.Order) error { return nil }).
			ServeHTTP(w, httptest.NewRequest(http.MethodGet, address+notification("A-1", "Order Paid"), nil))
		require.Equal(t, http.StatusOK, w.Code)
	}
	require.Equal(t, []string{"vip proxy.example/one Paid A-1", "vip proxy.example/two Paid A-1"}, keys)

	// So do sub-merchants and countries, of which none is taken for another.
	seen := map[string]bool{}
	for _, of := range [][2]string{{"", ""}, {"mch1", ""}, {"", "mch1"}, {"mch1", "th"}, {"mch1th", ""}, {"mch1 th", ""}, {`mch1" "th`, ""}, {"mch1 th", "x"}, {"mch1", "th x"}} {
		c := newClient(t, func(r *http.Request) (int, string, error) {
			return http.StatusOK, signed(t, r.URL.Path, order("A-1", vip.StatusPaid)), nil
		}, vip.WithDeduper(&deduper{once: func(_ context.Context, key string, _ func(context.Context) error) error {
			require.Regexp(t, `^vip shop\.vip\.ksher\.net ([0-9a-f]{24} )?Paid A-1$`, key)
			require.Equal(t, of == [2]string{}, key == "vip shop.vip.ksher.net Paid A-1")
			require.False(t, seen[key], key)
			seen[key] = true
			return nil
		}}))
		w := httptest.NewRecorder()
		vip.NewWebhookHandler(c, webhookAddress, func(context.Context, *vip.Order) error { return nil }, vip.WithSubMerchant(of[0], of[1])).
			ServeHTTP(w, httptest.NewRequest(http.MethodGet, address+notification("A-1", "Order Paid"), nil))
		require.Equal(t, http.StatusOK, w.Code)
	}
	require.Len(t, seen, 9)

	// The longest key is one that every Deduper takes.
	long := strings.Repeat("x", 128)
	client, err := vip.NewClient("https://"+long, token, vip.WithRetry(1, 0), vip.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (int, string, error) {
		return http.StatusOK, signed(t, r.URL.Path, order(long, vip.StatusRefunded)), nil
	})}), vip.WithDeduper(&deduper{once: func(_ context.Context, key string, _ func(context.Context) error) error {
		require.LessOrEqual(t, len(key), 300)
		keys = nil
		return nil
	}}))
	require.NoError(t, err)
	w := httptest.NewRecorder()
	vip.NewWebhookHandler(client, webhookAddress, func(context.Context, *vip.Order) error { return nil }, vip.WithSubMerchant(long, "th")).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, address+notification(long, "Order Refunded"), nil))
	require.Equal(t, http.StatusOK, w.Code)
	require.Nil(t, keys)
}

func TestParseNotification(t *testing.T) {
	client := answering(t, 500, "")
	n, err := client.ParseNotification(webhookAddress, notification("ชา 1+&", "Order Paid"))
	require.NoError(t, err)
	require.Equal(t, &vip.Notification{MerchantOrderID: "ชา 1+&", Message: vip.MessagePaid}, n)

	// A fixed one, by openssl: printf %s ADDRESScodeStatusChangeinstanceA-1messageOrder\ PaidtypeOrder | openssl dgst -sha256 -hmac TOKEN
	const fixed = "type=Order&instance=A-1&code=StatusChange&message=Order%20Paid&signature=8D4584CA6E082C6BCDF908C35230A8C32E8CCBC6D22071195F4071C455CD9022"
	n, err = client.ParseNotification(webhookAddress, fixed)
	require.NoError(t, err)
	require.Equal(t, "A-1", n.MerchantOrderID)

	for other, want := range map[string]error{
		webhookAddress + "/": fault.ErrSignatureMismatch, "": fault.ErrSignatureMismatch, strings.Replace(webhookAddress, "https", "http", 1): fault.ErrSignatureMismatch,
	} {
		_, err = client.ParseNotification(other, fixed)
		require.ErrorIs(t, err, want)
		require.ErrorContains(t, err, "vip: notification: ")
	}
	var nobody *vip.Client
	_, err = nobody.ParseNotification(webhookAddress, fixed)
	var invalid *ksher.ValidationError
	require.ErrorAs(t, err, &invalid)
}

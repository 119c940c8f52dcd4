package vip_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/vip"
)

func TestNotifications(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: a notification is a GET with type, instance, code and message, signed with the registered address")
	s := newShop(t)
	s.orders[at(vip.KindRedirect, "A-1")] = order("A-1", vip.StatusPaid)
	for range 3 {
		w := httptest.NewRecorder()
		s.notifications.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address+notification("A-1", "Order Paid"), nil))
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "OK", w.Body.String())
	}
	require.Equal(t, []string{"redirect A-1 Paid 150.50"}, s.paid)

	// What becomes of a payment later isn't told, and costs no query.
	s.orders[at(vip.KindRedirect, "A-1")] = order("A-1", vip.StatusRefunded)
	require.Equal(t, http.StatusOK, notify(s.notifications, notification("A-1", "Order Refunded")))
	require.Equal(t, []string{at(vip.KindRedirect, "A-1")}, s.asked)
	require.Len(t, s.paid, 1)
	require.Empty(t, s.ended)
	require.Empty(t, s.problems)
}

// An order that ended without a payment is told by the function for that, once, and a
// copy of the notification costs no query, also within the pause between two queries.
func TestNotificationsOfAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		expected := open("A-2")
		expected.Kind = vip.KindMiniApp
		s.books["A-2"] = expected
		s.orders[at(vip.KindMiniApp, "A-2")] = order("A-2", vip.StatusClosed)
		s.fails = errors.New("the database is away")
		require.Equal(t, http.StatusInternalServerError, notify(s.notifications, notification("A-2", "Order Timeout")))
		time.Sleep(time.Second)
		s.fails, s.ended, s.asked = nil, nil, nil
		for range 3 {
			require.Equal(t, http.StatusOK, notify(s.notifications, notification("A-2", "Order Timeout")))
		}
		time.Sleep(time.Hour)
		require.Equal(t, http.StatusOK, notify(s.notifications, notification("A-2", "Order Timeout")))
		require.Equal(t, []string{at(vip.KindMiniApp, "A-2")}, s.asked)
		require.Equal(t, []string{"miniapp A-2 Closed 150.50"}, s.ended)

		// A closed order may still turn paid, by a QR code that the buyer has saved.
		s.orders[at(vip.KindMiniApp, "A-2")] = order("A-2", vip.StatusPaid)
		require.Equal(t, http.StatusOK, notify(s.notifications, notification("A-2", "Order Paid")))
		require.Equal(t, []string{"miniapp A-2 Paid 150.50"}, s.paid)
		require.Len(t, s.ended, 1)
	})
}

// Without a function for them, orders that ended are accepted all the same: nothing
// follows from that.
func TestNotificationsOfAnEndThatNobodyWantsToKnow(t *testing.T) {
	client := newClient(t, func(r *http.Request) (int, string, error) {
		return http.StatusOK, signed(t, r.URL.Path, order("A-1", vip.StatusClosed)), nil
	})
	payments, err := vip.NewPayments(client, func(context.Context, *vip.Order) error {
		t.Error("it isn't paid")
		return nil
	})
	require.NoError(t, err)
	n, err := payments.Notifications(webhookAddress, func(_ context.Context, id string) (vip.OpenOrder, error) { return open(id), nil })
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, notify(n, notification("A-1", "Order Closed")))
}

// Until the merchant's function succeeds the notification comes back.
func TestNotificationsFunctionFails(t *testing.T) {
	s := newShop(t)
	s.orders[at(vip.KindRedirect, "A-1")] = order("A-1", vip.StatusPaid)
	s.fails = errors.New("the database is away")
	w := httptest.NewRecorder()
	s.notifications.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address+notification("A-1", "Order Paid"), nil))
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.NotContains(t, w.Body.String(), "database")
	require.Contains(t, s.log.String(), "the database is away")
	require.Equal(t, []string{"A-1: the database is away"}, s.problems)
	again, err := s.notifications.Accept(t.Context(), notification("A-1", "Order Paid"))
	require.True(t, again)
	require.ErrorIs(t, err, s.fails)
	s.fails = nil
	again, err = s.notifications.Accept(t.Context(), notification("A-1", "Order Paid"))
	require.NoError(t, err)
	require.False(t, again)
	require.Equal(t, http.StatusOK, notify(s.notifications, notification("A-1", "Order Paid")))
	require.Len(t, s.paid, 3)
}

// Only the order's own address is asked, which the books know, and an answer that isn't
// the gateway's word on it is asked for again.
func TestNotificationsCannotBeConfirmed(t *testing.T) {
	paid := order("A-1", vip.StatusPaid)
	for name, answer := range map[string]string{
		"no answer":            "",
		"refused":              `{"error_code":"FAIL"}`,
		"forbidden":            "forbidden",
		"misrouted":            "misrouted",
		"another refusal":      `{"error_code":"BUSY"}`,
		"contradicts itself":   strings.Replace(paid, "SUCCESS", "FAIL", 1),
		"about another order":  order("A-2", vip.StatusPaid),
		"no status":            order("A-1", ""),
		"of another kind only": "unknown",
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			if answer != "unknown" {
				s.orders[at(vip.KindRedirect, "A-1")] = answer
			}
			s.orders[at(vip.KindApp, "A-1")] = paid
			require.Equal(t, http.StatusServiceUnavailable, notify(s.notifications, notification("A-1", "Order Paid")))
			require.Contains(t, s.log.String(), "it could not be confirmed")
			again, err := s.notifications.Accept(t.Context(), notification("A-1", "Order Paid"))
			require.Error(t, err)
			require.True(t, again)
			require.Equal(t, []string{at(vip.KindRedirect, "A-1"), at(vip.KindRedirect, "A-1")}, s.asked)
			require.Empty(t, s.paid)
			require.Empty(t, s.ended)
			if name == "contradicts itself" {
				require.Contains(t, s.log.String(), "the status is Paid all the same")
			}
		})
	}
}

// What the books say comes before anything is asked, and has to be what was paid.
func TestNotificationsAndTheBooks(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*vip.OpenOrder)
		want   int
		again  bool
		asked  int
	}{
		{"as expected", func(*vip.OpenOrder) {}, http.StatusOK, false, 1},
		{"booked", func(o *vip.OpenOrder) { o.Booked = true }, http.StatusOK, false, 0},
		{"another amount", func(o *vip.OpenOrder) { o.Amount = 150_51 }, http.StatusConflict, false, 1},
		{"another currency", func(o *vip.OpenOrder) { o.Currency = "USD" }, http.StatusConflict, false, 1},
		{"another number", func(o *vip.OpenOrder) { o.MerchantOrderID = "A-2" }, http.StatusInternalServerError, true, 0},
		{"no kind", func(o *vip.OpenOrder) { o.Kind = "" }, http.StatusInternalServerError, true, 0},
		{"a kind that there isn't", func(o *vip.OpenOrder) { o.Kind = "x" }, http.StatusInternalServerError, true, 0},
		{"no amount", func(o *vip.OpenOrder) { o.Amount = 0 }, http.StatusInternalServerError, true, 0},
		{"no currency", func(o *vip.OpenOrder) { o.Currency = "" }, http.StatusInternalServerError, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			expected := open("A-1")
			c.change(&expected)
			s.books["A-1"] = expected
			s.orders[at(vip.KindRedirect, "A-1")] = order("A-1", vip.StatusPaid)
			require.Equal(t, c.want, notify(s.notifications, notification("A-1", "Order Paid")))
			require.Len(t, s.asked, c.asked)
			require.Equal(t, c.name == "as expected", len(s.paid) == 1)
			require.Equal(t, c.want == http.StatusConflict, len(s.problems) == 1, "told to a person")
			s = newShop(t)
			s.books["A-1"] = expected
			s.orders[at(vip.KindRedirect, "A-1")] = order("A-1", vip.StatusPaid)
			again, err := s.notifications.Accept(t.Context(), notification("A-1", "Order Paid"))
			require.Equal(t, c.want == http.StatusOK, err == nil)
			require.Equal(t, c.again, again)
			require.Equal(t, c.want == http.StatusConflict, errors.Is(err, ksher.ErrOtherOrder))
		})
	}
}

// A number that the merchant doesn't have costs no query, and is no success.
func TestNotificationsOfAnUnknownNumber(t *testing.T) {
	s := newShop(t)
	s.orders[at(vip.KindRedirect, "A-9")] = order("A-9", vip.StatusPaid)
	for range 300 {
		require.Equal(t, http.StatusNotFound, notify(s.notifications, notification("A-9", "Order Paid")))
	}
	again, err := s.notifications.Accept(t.Context(), notification("A-9", "Order Paid"))
	require.False(t, again)
	require.ErrorIs(t, err, ksher.ErrNotOurs)
	require.Empty(t, s.asked)
	require.Equal(t, 100, strings.Count(s.log.String(), "refused"), "lines in the log")

	// The lookup's own failure is another matter.
	n, err := s.payments.Notifications(webhookAddress, func(context.Context, string) (vip.OpenOrder, error) {
		return vip.OpenOrder{}, errors.New("the database is away")
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusInternalServerError, notify(n, notification("A-1", "Order Paid")))
	again, err = n.Accept(t.Context(), notification("A-1", "Order Paid"))
	require.True(t, again)
	require.ErrorContains(t, err, "the database is away")
	require.Empty(t, s.asked)
}

func TestNotificationsOfASubMerchant(t *testing.T) {
	s := newShop(t)
	expected := open("A-1")
	expected.MID, expected.Provider = "mch35618", "ph"
	s.books["A-1"] = expected
	s.orders[at(vip.KindRedirect, "A-1")] = order("A-1", vip.StatusPaid)
	require.Equal(t, http.StatusOK, notify(s.notifications, notification("A-1", "Order Paid")))
	require.Equal(t, []string{"mch35618 ph"}, s.of)
}

// Two sub-merchants of one client, each with books of its own, have orders of one number.
func TestNotificationsOfTwoSubMerchants(t *testing.T) {
	client := newClient(t, func(r *http.Request) (int, string, error) {
		return http.StatusOK, signed(t, r.URL.Path, strings.Replace(order("A-1", vip.StatusPaid), "{", `{"mid":"`+r.URL.Query().Get("mid")+`",`, 1)), nil
	})
	var told []string
	payments, err := vip.NewPayments(client, func(_ context.Context, o *vip.Order) error {
		told = append(told, o.MID)
		return nil
	})
	require.NoError(t, err)
	for range 2 {
		for _, mid := range []string{"mch1", "mch2"} {
			n, err := payments.Notifications(webhookAddress, func(_ context.Context, id string) (vip.OpenOrder, error) {
				o := open(id)
				o.MID = mid
				return o, nil
			})
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, notify(n, notification("A-1", "Order Paid")))
		}
	}
	require.Equal(t, []string{"mch1", "mch2"}, told)
}

// What the gateway says has to follow from what the notification says. If it doesn't,
// one of the two is late, and the notification has to come again.
func TestNotificationsConfirm(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "vip: a notification has no amount, and is believed when a query says the same")
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
		{"Order Closed", vip.StatusPaid, true},
		{"Order Timeout", vip.StatusClosed, true},
		{"Order Timeout", vip.StatusPaid, true},
		{"Order Timeout", vip.StatusAvailable, false},
		{"Order Teleported", vip.StatusPaid, true},
		{"", vip.StatusAvailable, false},
		{"Order Paid", "Teleported", false},
	} {
		s := newShop(t)
		s.orders[at(vip.KindRedirect, "A-1")] = order("A-1", c.status)
		status := notify(s.notifications, notification("A-1", c.message))
		require.Equal(t, c.want, status == http.StatusOK, c)
		require.Equal(t, c.want && c.status == vip.StatusPaid, len(s.paid) == 1, c)
		require.Equal(t, c.want && c.status != vip.StatusPaid, len(s.ended) == 1, c)
		if !c.want {
			require.Equal(t, http.StatusServiceUnavailable, status)
			require.Contains(t, s.log.String(), "the order is not paid")
			again, err := s.notifications.Accept(t.Context(), notification("A-1", c.message))
			require.True(t, again)
			require.Error(t, err)
		}
	}
}

// Copies of a notification of what isn't paid cost two queries a second.
func TestNotificationsSpareQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.orders[at(vip.KindRedirect, "A-1")] = order("A-1", vip.StatusAvailable)
		for range 300 {
			require.Equal(t, http.StatusServiceUnavailable, notify(s.notifications, notification("A-1", "Order Paid")))
			time.Sleep(time.Second / 300)
		}
		require.Len(t, s.asked, 2)
		s.orders[at(vip.KindRedirect, "A-1")] = order("A-1", vip.StatusPaid)
		time.Sleep(500 * time.Millisecond)
		require.Equal(t, http.StatusOK, notify(s.notifications, notification("A-1", "Order Paid")))
	})
}

// A flood of genuine notifications costs no more than so many queries at once.
func TestNotificationsFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		answer := make(chan struct{})
		client := newClient(t, func(r *http.Request) (int, string, error) {
			asked.Add(1)
			<-answer
			return http.StatusOK, signed(t, r.URL.Path, order(path.Base(r.URL.Path), vip.StatusPaid)), nil
		})
		payments, err := vip.NewPayments(client, func(_ context.Context, o *vip.Order) error {
			if strings.HasSuffix(o.MerchantOrderID, "-7") {
				panic("the merchant's own")
			}
			return nil
		}, vip.WithProblem(func(context.Context, vip.OpenOrder, error) { panic("the merchant's other own") }))
		require.NoError(t, err)
		n, err := payments.Notifications(webhookAddress, func(_ context.Context, id string) (vip.OpenOrder, error) { return open(id), nil })
		require.NoError(t, err)
		flood := func(letter string) {
			for i := range 100 {
				go func() {
					want := http.StatusOK
					if i == 7 {
						want = http.StatusInternalServerError
					}
					assert.Equal(t, want, notify(n, notification(fmt.Sprint(letter, "-", i), "Order Paid")))
				}()
			}
			synctest.Wait()
		}
		flood("A")
		require.EqualValues(t, 100, asked.Load())
		for range 10 {
			require.Equal(t, http.StatusServiceUnavailable, notify(n, notification("A-1", "Order Paid")))
			again, err := n.Accept(t.Context(), notification("B-1", "Order Paid"))
			require.True(t, again)
			require.ErrorIs(t, err, once.ErrTooMany)
			require.Equal(t, http.StatusForbidden, notify(n, "signature=00"), "what isn't signed takes no place")
		}
		require.EqualValues(t, 100, asked.Load())
		close(answer)
		synctest.Wait()
		// Each place was given back, also that of a function that panicked.
		answer = make(chan struct{})
		flood("B")
		require.EqualValues(t, 200, asked.Load())
		close(answer)
	})
}

func TestNotificationsMadeWrong(t *testing.T) {
	s := newShop(t)
	for name, address := range map[string]string{
		"no address": "", "path": "/ksher", "query": webhookAddress + "?a=b", "empty query": webhookAddress + "?", "fragment": webhookAddress + "#a",
		"another scheme": "ftp://shop.example/ksher",
	} {
		n, err := s.payments.Notifications(address, s.expected)
		require.ErrorContains(t, err, "vip: Notifications: the address is not an absolute http or https address without a query", name)
		require.Nil(t, n)
	}
	_, err := s.payments.Notifications(webhookAddress, nil)
	require.ErrorContains(t, err, "the lookup of expected orders is nil")
	for _, p := range []*vip.Payments{nil, {}} {
		_, err = p.Notifications(webhookAddress, s.expected)
		require.ErrorContains(t, err, "NewPayments")
	}
	for _, n := range []*vip.Notifications{nil, {}} {
		require.Equal(t, http.StatusInternalServerError, notify(n, notification("A-1", "Order Paid")))
		_, err = n.Accept(t.Context(), notification("A-1", "Order Paid"))
		require.ErrorContains(t, err, "Payments.Notifications")
	}
	var none context.Context
	_, err = s.notifications.Accept(none, notification("A-1", "Order Paid"))
	require.ErrorContains(t, err, "the context is nil")
}

func TestNotificationsRefuse(t *testing.T) {
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
			s := newShop(t)
			s.orders[at(vip.KindRedirect, "A-1")] = order("A-1", vip.StatusPaid)
			w := httptest.NewRecorder()
			s.notifications.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address+c.query, nil))
			require.Equal(t, c.want, w.Code)
			require.Equal(t, http.StatusText(c.want), w.Body.String())
			again, err := s.notifications.Accept(t.Context(), c.query)
			require.Error(t, err)
			require.False(t, again, "what is forged stays so")
			require.Empty(t, s.asked, "a notification that isn't signed costs no query")
			require.Empty(t, s.paid)
			require.Contains(t, s.log.String(), "ksher vip notification refused")
			require.NotContains(t, s.log.String(), signature)
			require.NotContains(t, s.log.String(), "\xff")
		})
	}
	for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodPut} {
		s := newShop(t)
		w := httptest.NewRecorder()
		s.notifications.ServeHTTP(w, httptest.NewRequest(method, address+good, nil))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		require.Equal(t, http.MethodGet, w.Header().Get("Allow"))
	}
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

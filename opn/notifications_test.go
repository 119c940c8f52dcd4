package opn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/kshertest"
	"github.com/ksher-go/ksher/opn"
)

// event is a charge.complete event as far as it is documented.
func event(id string) string { return eventOf(id, opn.StatusSuccessful) }

func eventOf(id string, status opn.Status) string {
	return fmt.Sprintf(`{"object":"event","key":"charge.complete","data":{"object":"charge","id":%q,"amount":1,"status":%q}}`, id, status)
}

// post hands a body to a handler.
func post(h http.Handler, body string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(body)))
	return rec
}

// shop is a merchant with a handler that a gateway knows, and a charge.
func shop(t *testing.T, fn func(context.Context, *opn.Charge) error, opts ...opn.PaymentsOption) (*sandbox.Gateway, *opn.Charge, http.Handler) {
	t.Helper()
	gw, client := gateway(t)
	handler := expecting(t, client, fn, opts...)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	require.NoError(t, gw.SetOpnWebhook(server.URL))
	charge, err := client.CreateChargeWithSource(t.Context(), bothRequest())
	require.NoError(t, err)
	return gw, charge, handler
}

func TestNotificationsOnce(t *testing.T) {
	var got []*opn.Charge
	gw, charge, handler := shop(t, func(ctx context.Context, c *opn.Charge) error {
		got = append(got, c)
		return c.CheckPaid(amount)
	})
	require.ErrorIs(t, gw.DeliverOpn(t.Context(), charge.ID), kshertest.ErrNotAccepted, "not paid yet")
	require.Empty(t, got)
	require.NoError(t, gw.PayOpn(charge.ID))
	require.Empty(t, got, "nothing happens by itself")
	for range 3 {
		require.NoError(t, gw.DeliverOpn(t.Context(), charge.ID))
	}
	require.Len(t, got, 1)
	assert.Equal(t, charge.ID, got[0].ID)
	assert.Equal(t, amount, got[0].Amount, "Opn's, not the event's")
	assert.Equal(t, returnURI, got[0].ReturnURI)
	assert.Equal(t, http.StatusOK, post(handler, event(charge.ID)).Code)
	require.Len(t, got, 1)
}

// What ended without a payment is told by the function for that, once.
func TestEventOfAFailure(t *testing.T) {
	var ended []opn.OpenOrder
	fails := errors.New("the database is away")
	gw, charge, _ := shop(t, func(context.Context, *opn.Charge) error {
		t.Error("it is not paid")
		return nil
	}, opn.WithEnded(func(_ context.Context, o opn.OpenOrder, c *opn.Charge) error {
		require.ErrorIs(t, c.CheckPaid(amount), opn.FailureCodeInsufficientFund)
		ended = append(ended, o)
		return fails
	}))
	require.NoError(t, gw.FailOpn(charge.ID, opn.FailureCodeInsufficientFund))
	require.ErrorIs(t, gw.DeliverOpn(t.Context(), charge.ID), kshertest.ErrNotAccepted)
	fails = nil
	for range 2 {
		gw.Advance(time.Second)
		require.NoError(t, gw.DeliverOpn(t.Context(), charge.ID))
	}
	require.Len(t, ended, 2)
	require.Equal(t, charge.ID, ended[0].ChargeID)
}

// bank is Opn, where a query takes a while, and answers what was so when it came.
type bank struct {
	paid    atomic.Bool
	queries atomic.Int64
}

const queryTime = 300 * time.Millisecond

func (b *bank) client(t *testing.T) *opn.Client {
	pending, done := edited(t, "charge.json", nil), edited(t, "charge.json", paid)
	return newFakeClient(t, func(*http.Request) (int, string, error) {
		b.queries.Add(1)
		answer := pending
		if b.paid.Load() {
			answer = done
		}
		time.Sleep(queryTime)
		return 200, answer, nil
	})
}

// Opn may send an event only once, and anybody can post one a moment before.
func TestForgedEventsKeepNoGenuineOneOut(t *testing.T) {
	for _, after := range []time.Duration{0, queryTime / 2, queryTime, queryTime + time.Millisecond, queryTime + 499*time.Millisecond, time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, opns := 0, &bank{}
				handler := expecting(t, opns.client(t), func(context.Context, *opn.Charge) error { calls++; return nil })
				go post(handler, event(chargeID))
				time.Sleep(after)
				synctest.Wait()
				opns.paid.Store(true)
				require.Equal(t, http.StatusOK, post(handler, event(chargeID)).Code)
				require.Equal(t, 1, calls)
				require.LessOrEqual(t, opns.queries.Load(), int64(2))
			})
		})
	}
}

// Among many forged events of a charge one of them brings the news, if it isn't the
// genuine one, and they cost two queries a second.
func TestForgedEventsOfOneCharge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opns := &bank{}
		var heard time.Time
		handler := expecting(t, opns.client(t), func(context.Context, *opn.Charge) error { heard = time.Now(); return nil })
		var posted sync.WaitGroup
		send := func() { posted.Go(func() { post(handler, event(chargeID)) }) }
		for range 300 {
			send()
			time.Sleep(33 * time.Millisecond)
		}
		require.LessOrEqual(t, opns.queries.Load(), int64(20), "in ten seconds")
		opns.paid.Store(true)
		payment := time.Now()
		send()
		posted.Wait()
		require.False(t, heard.IsZero())
		require.Less(t, heard.Sub(payment), 2*time.Second)
	})
}

// A merchant who waits as well gets one call, and the event is accepted when it is done.
func TestTwoDoors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opns, calls := &bank{}, 0
		opns.paid.Store(true)
		p, err := opn.NewPayments(opns.client(t), func(context.Context, *opn.Charge) error {
			calls++
			time.Sleep(time.Second)
			return nil
		})
		require.NoError(t, err)
		order := opn.OpenOrder{ChargeID: chargeID, Amount: amount}
		n, err := p.Notifications(func(context.Context, string) (opn.OpenOrder, error) { return order, nil })
		require.NoError(t, err)
		var doors sync.WaitGroup
		for range 3 {
			doors.Go(func() {
				charge, err := p.Wait(t.Context(), order)
				assert.NoError(t, err)
				assert.Equal(t, opn.StatusSuccessful, charge.Status)
			})
		}
		doors.Go(func() { assert.Equal(t, http.StatusOK, post(n, event(chargeID)).Code) })
		doors.Wait()
		require.Equal(t, 1, calls)
	})
}

// An event is taken for nothing but the charge's ID, whatever it claims.
func TestEventsClaimNothing(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "opn: an event isn't signed, and proves nothing but that there is news of a charge")
	for _, claimed := range []opn.Status{opn.StatusFailed, opn.StatusExpired, opn.StatusReversed, opn.StatusPending, "teleported", ""} {
		t.Run(string(claimed), func(t *testing.T) {
			queries, calls := 0, 0
			client := newFakeClient(t, func(*http.Request) (int, string, error) {
				queries++
				return 200, edited(t, "charge.json", paid), nil
			})
			handler := expecting(t, client, func(context.Context, *opn.Charge) error { calls++; return nil })
			for range 10 {
				require.Equal(t, http.StatusOK, post(handler, eventOf(chargeID, claimed)).Code)
			}
			require.Equal(t, []int{1, 1}, []int{queries, calls})
		})
	}
}

// Every order of the books has its amount compared, and a booked one costs no query.
func TestEventsAndTheBooks(t *testing.T) {
	tests := map[string]struct {
		order opn.OpenOrder
		err   error
		want  int
	}{
		"expected":         {opn.OpenOrder{ChargeID: chargeID, Amount: amount}, nil, 200},
		"booked":           {opn.OpenOrder{ChargeID: chargeID, Amount: amount, Booked: true}, nil, 200},
		"another amount":   {opn.OpenOrder{ChargeID: chargeID, Amount: amount + 1}, nil, 409},
		"not ours":         {opn.OpenOrder{}, fmt.Errorf("shop: %w", ksher.ErrNotOurs), 404},
		"no database":      {opn.OpenOrder{}, errors.New("away"), 500},
		"another charge":   {opn.OpenOrder{ChargeID: "chrg_test_2", Amount: amount}, nil, 500},
		"without a charge": {opn.OpenOrder{Amount: amount}, nil, 500},
		"without amount":   {opn.OpenOrder{ChargeID: chargeID}, nil, 500},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				queries, calls, problems := 0, 0, 0
				client := newFakeClient(t, func(*http.Request) (int, string, error) {
					queries++
					return 200, edited(t, "charge.json", paid), nil
				})
				p, err := opn.NewPayments(client, func(context.Context, *opn.Charge) error { calls++; return nil },
					opn.WithProblem(func(context.Context, opn.OpenOrder, error) { problems++ }))
				require.NoError(t, err)
				n, err := p.Notifications(func(context.Context, string) (opn.OpenOrder, error) { return tt.order, tt.err })
				require.NoError(t, err)
				require.Equal(t, tt.want, post(n, event(chargeID)).Code)
				require.Equal(t, name == "expected", calls == 1)
				require.Equal(t, name == "expected" || name == "another amount", queries == 1)
				again, err := n.Accept(t.Context(), []byte(event(chargeID)))
				require.Equal(t, tt.want == 200, err == nil)
				require.Equal(t, tt.want == 500, again)
				require.Equal(t, name == "another amount", problems == 1, "the same one is reported once")
			})
		})
	}
}

// The merchant's function isn't to close an order whose charge may be paid.
func TestNotificationsAndAContradiction(t *testing.T) {
	client := newClient(t, answering(200, edited(t, "charge.json", map[string]any{"status": "failed", "paid": true, "failure_code": "payment_rejected"})))
	handler := expecting(t, client, func(context.Context, *opn.Charge) error {
		t.Error("it was believed")
		return nil
	})
	require.Equal(t, http.StatusServiceUnavailable, post(handler, event(chargeID)).Code, "come again")
}

// brokenDeduper can't remember anything.
type brokenDeduper struct{}

func (brokenDeduper) Once(ctx context.Context, _ string, fn func(context.Context) error) error {
	return errors.Join(fn(ctx), errors.New("the database is away"))
}

func TestNotificationsDeduperFails(t *testing.T) {
	gw, charge, handler := shop(t, func(context.Context, *opn.Charge) error { return nil }, opn.WithDeduper(brokenDeduper{}))
	require.NoError(t, gw.PayOpn(charge.ID))
	require.Equal(t, http.StatusInternalServerError, post(handler, event(charge.ID)).Code)
}

func TestNotificationsAgainAfterAnError(t *testing.T) {
	calls := 0
	gw, charge, _ := shop(t, func(context.Context, *opn.Charge) error {
		if calls++; calls < 3 {
			return errors.New("the database is away")
		}
		return nil
	})
	require.NoError(t, gw.PayOpn(charge.ID))
	for range 2 {
		require.ErrorIs(t, gw.DeliverOpn(t.Context(), charge.ID), kshertest.ErrNotAccepted)
	}
	for range 2 {
		require.NoError(t, gw.DeliverOpn(t.Context(), charge.ID))
	}
	assert.Equal(t, 3, calls)
}

func TestNotificationsAtTheSameTime(t *testing.T) {
	var calls atomic.Int64
	entered, release := make(chan struct{}), make(chan struct{})
	gw, charge, handler := shop(t, func(context.Context, *opn.Charge) error {
		calls.Add(1)
		close(entered)
		<-release
		return nil
	})
	require.NoError(t, gw.PayOpn(charge.ID))
	first := make(chan int)
	go func() { first <- post(handler, event(charge.ID)).Code }()
	<-entered
	assert.Equal(t, http.StatusServiceUnavailable, post(handler, event(charge.ID)).Code)
	close(release)
	assert.Equal(t, http.StatusOK, <-first)
	assert.Equal(t, http.StatusOK, post(handler, event(charge.ID)).Code)
	assert.Equal(t, int64(1), calls.Load())
}

// Forged events cost a query each, with the secret key.
func TestNotificationsConfirmsSoManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 100
		log := &logBuffer{}
		var queries atomic.Int64
		var release chan struct{}
		client := newFakeClient(t, func(*http.Request) (int, string, error) {
			if queries.Add(1) <= most {
				<-release
			}
			return 404, `{"object":"error","code":"not_found"}`, nil
		}, opn.WithLogger(log.logger()))
		handler := expecting(t, client, func(context.Context, *opn.Charge) error { return nil })
		for range 2 { // When they are done there is room for as many again.
			queries.Store(0)
			release = make(chan struct{})
			var done sync.WaitGroup
			for i := range most {
				done.Go(func() {
					assert.Equal(t, http.StatusServiceUnavailable, post(handler, event(fmt.Sprint("chrg_test_", i))).Code)
				})
			}
			synctest.Wait()
			assert.Equal(t, http.StatusServiceUnavailable, post(handler, event("chrg_test_more")).Code)
			assert.EqualValues(t, most, queries.Load())
			assert.Equal(t, http.StatusBadRequest, post(handler, "").Code)
			assert.Equal(t, http.StatusOK, post(handler, `{"key":"charge.create"}`).Code, "it costs no query")
			close(release)
			done.Wait()
			time.Sleep(time.Second)
		}
		assert.Contains(t, log.String(), `id=chrg_test_more reason="too many others are being confirmed"`)
	})
}

// oneAnswer is a Deduper that keeps errors to itself.
type oneAnswer struct{ keys []string }

func (d *oneAnswer) Once(ctx context.Context, key string, fn func(context.Context) error) error {
	d.keys = append(d.keys, key)
	_ = fn(ctx)
	return nil
}

func TestNotificationsDeduper(t *testing.T) {
	deduper := &oneAnswer{}
	gw, charge, handler := shop(t, func(context.Context, *opn.Charge) error { return errors.New("no") }, opn.WithDeduper(deduper))
	require.NoError(t, gw.PayOpn(charge.ID))
	assert.Equal(t, http.StatusInternalServerError, post(handler, event(charge.ID)).Code, "not taken for handled")
	assert.Equal(t, []string{"opn successful " + charge.ID}, deduper.keys)
}

func TestNotificationsRefuses(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "opn: the end of a charge is told by charge.complete")
	log := &logBuffer{}
	gw, client := gateway(t, opn.WithLogger(log.logger()))
	charge, err := client.CreateChargeWithSource(t.Context(), bothRequest())
	require.NoError(t, err)
	handler := expecting(t, client, func(context.Context, *opn.Charge) error {
		t.Error("it was believed")
		return nil
	})
	tests := []struct {
		name, body string
		want       int
	}{
		{"a charge that is pending", event(charge.ID), http.StatusServiceUnavailable},
		{"a charge that nobody knows", event("chrg_test_9"), http.StatusServiceUnavailable},
		{"another path", event("chrg_test_1/../x"), http.StatusBadRequest},
		{"a source", event(sourceID), http.StatusBadRequest},
		{"empty", "", http.StatusBadRequest},
		{"HTML", "<html>", http.StatusBadRequest},
		{"truncated", event(charge.ID)[:40], http.StatusBadRequest},
		{"an array", "[" + event(charge.ID) + "]", http.StatusBadRequest},
		{"no key", `{"data":{"object":"charge","id":"chrg_test_1"}}`, http.StatusBadRequest},
		{"a key that is a number", `{"key":1}`, http.StatusBadRequest},
		{"two keys", `{"key":"charge.create","key":"charge.complete"}`, http.StatusBadRequest},
		{"two keys but for case", `{"key":"charge.create","Key":"charge.complete"}`, http.StatusBadRequest},
		{"two IDs", `{"key":"charge.complete","data":{"object":"charge","id":"chrg_test_1","id":"chrg_test_2"}}`, http.StatusBadRequest},
		{"no data", `{"key":"charge.complete"}`, http.StatusBadRequest},
		{"null", `{"key":"charge.complete","data":null}`, http.StatusBadRequest},
		{"a number", `{"key":"charge.complete","data":1}`, http.StatusBadRequest},
		{"a refund", `{"key":"charge.complete","data":{"object":"refund","id":"chrg_test_1"}}`, http.StatusBadRequest},
		{"too large", strings.Repeat(" ", 64<<10) + event(charge.ID), http.StatusRequestEntityTooLarge},
		{"a byte order mark alone", "\ufeff", http.StatusBadRequest},
		{"a byte order mark", "\ufeff" + event("chrg_test_8"), http.StatusServiceUnavailable},
		{"a copy a moment later", event("chrg_test_8"), http.StatusServiceUnavailable},
		// Not ours, and not to be sent again.
		{"another key", `{"object":"event","key":"charge.create","data":{"object":"charge","id":"` + charge.ID + `"}}`, http.StatusOK},
		{"a key of something else", `{"key":"transfer.send","data":null}`, http.StatusOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, post(handler, tt.body).Code) })
	}
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Equal(t, http.StatusMethodNotAllowed, rec.Code)
	assert.Equal(t, http.MethodPost, rec.Header().Get("Allow"))
	assert.Contains(t, log.String(), `reason="the order is not paid"`)

	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "opn charge", Kind: sandbox.FaultHTTP500, Count: 3}))
	assert.Equal(t, http.StatusServiceUnavailable, post(handler, event(charge.ID)).Code, "an outage: come back")
}

func TestNotificationsBodyBreaksOff(t *testing.T) {
	_, _, handler := shop(t, func(context.Context, *opn.Charge) error { return nil })
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(`{"key":`), failing{})))
	assert.Equal(t, http.StatusBadRequest, rec.Code)
}

package opnapi_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/opn"
)

// opnShop is a shop that keeps the events that it was sent, and answers with the status.
type opnShop struct {
	*httptest.Server
	events chan string
	status atomic.Int64
}

func newOpnShop(t *testing.T) *opnShop {
	s := &opnShop{events: make(chan string, 10)}
	s.status.Store(200)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		s.events <- string(body)
		w.WriteHeader(int(s.status.Load()))
	}))
	t.Cleanup(s.Close)
	return s
}

// A gateway that runs by itself posts events by itself.
func TestOpnEvents(t *testing.T) {
	shop := newOpnShop(t)
	events := shop.events
	gw, err := sandbox.Start()
	require.NoError(t, err)
	defer gw.Close()
	_, first := opnCharge(t, gw)
	require.NoError(t, gw.PayOpn(first.ID)) // There is nowhere to go.
	require.ErrorIs(t, gw.DeliverOpn(t.Context(), first.ID), sandbox.ErrNoNotification)
	require.NoError(t, gw.SetOpnWebhook(shop.URL))
	require.ErrorIs(t, gw.DeliverOpn(t.Context(), "chrg_test_9"), sandbox.ErrNoOrder)
	create := func() *opn.Charge {
		_, charge := opnCharge(t, gw)
		require.Len(t, events, 1, "before the answer")
		told := <-events
		assert.Contains(t, told, `"key":"charge.create"`)
		assert.Contains(t, told, `"id":"`+charge.ID+`"`)
		assert.Contains(t, told, `"status":"pending"`)
		return charge
	}

	paid := create()
	require.NoError(t, gw.PayOpn(paid.ID))
	told := <-events
	assert.Contains(t, told, `"key":"charge.complete"`)
	assert.Contains(t, told, `"id":"`+paid.ID+`"`)
	failed := create()
	require.NoError(t, gw.FailOpn(failed.ID, "new_code"))
	told = <-events
	assert.Contains(t, told, `"id":"`+failed.ID+`"`)
	assert.Contains(t, told, `"failure_code":"new_code"`)
	// Whether Opn announces that a charge expired isn't documented.
	expired := create()
	b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
	b.Post(expired.AuthorizeURI, url.Values{"action": {"expire"}})
	assert.Contains(t, b.Body, "The charge is expired")
	late := create()
	gw.Advance(10 * time.Minute)
	for _, charge := range gw.OpnCharges()[3:] {
		assert.Equal(t, opn.StatusExpired, charge.Status)
	}
	for action, want := range map[string]opn.Status{"successful": opn.StatusSuccessful, "payment_rejected": opn.StatusFailed} {
		charge := create()
		b.Post(charge.AuthorizeURI, url.Values{"action": {action}})
		told = <-events
		assert.Contains(t, told, `"id":"`+charge.ID+`"`)
		assert.Contains(t, told, `"status":"`+string(want)+`"`)
	}
	require.NoError(t, gw.DeliverOpn(t.Context(), paid.ID))
	assert.Contains(t, <-events, `"id":"`+paid.ID+`"`)
	require.NoError(t, gw.DeliverOpn(t.Context(), late.ID))
	assert.Contains(t, <-events, `"status":"expired"`)
	require.Empty(t, events, "each once")
}

func TestOpnEventsThatDoNotArrive(t *testing.T) {
	shop, gw := newOpnShop(t), sandbox.New(t)
	require.NoError(t, gw.SetOpnWebhook(shop.URL))
	_, paid := opnCharge(t, gw)
	require.NoError(t, gw.PayOpn(paid.ID))
	_, failed := opnCharge(t, gw)
	require.NoError(t, gw.FailOpn(failed.ID, "new_code"))
	shop.status.Store(500)
	require.ErrorIs(t, gw.DeliverOpn(t.Context(), paid.ID), sandbox.ErrNotAccepted)
	<-shop.events
	require.Empty(t, shop.events)
	for _, address := range []string{":", "shop", "ftp://shop.example/", "javascript:alert(1)"} {
		require.ErrorContains(t, gw.SetOpnWebhook(address), "isn't an http or https address")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, gw.DeliverOpn(ctx, paid.ID), sandbox.ErrNotAccepted)
	require.NoError(t, gw.SetOpnWebhook("http://127.0.0.1:1/"))
	require.ErrorIs(t, gw.DeliverOpn(t.Context(), paid.ID), sandbox.ErrNotAccepted)
	require.NoError(t, gw.SetOpnWebhook(""))
	require.ErrorIs(t, gw.DeliverOpn(t.Context(), paid.ID), sandbox.ErrNoNotification)

	require.ErrorIs(t, gw.FailOpn(paid.ID, opn.FailureCodePaymentRejected), sandbox.ErrNotPayable)
	require.ErrorIs(t, gw.PayOpn("x"), sandbox.ErrNoOrder)
	require.ErrorContains(t, gw.FailOpn(failed.ID, ""), "there is no code")
}

// A shop with one process takes the event of a charge only when it has the answer that made
// the charge. It gets the answer all the same.
func TestOpnShopWithOneProcess(t *testing.T) {
	answered, taken := make(chan struct{}), make(chan struct{})
	shop := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		<-answered
		taken <- struct{}{}
	}))
	defer shop.Close()
	gw, err := sandbox.Start()
	require.NoError(t, err)
	defer gw.Close()
	require.NoError(t, gw.SetOpnWebhook(shop.URL))
	_, charge := opnCharge(t, gw)
	o, err := gw.Order(charge.ID)
	require.NoError(t, err)
	assert.Empty(t, o.Deliveries)
	require.NoError(t, gw.PayOpn(charge.ID))
	close(answered)
	<-taken // That it was made.
	<-taken // That it was paid, only after that.
	o, err = gw.Order(charge.ID)
	require.NoError(t, err)
	require.Equal(t, "charge.create", o.Deliveries[0].Message)
	assert.True(t, o.Deliveries[0].Accepted)
}

// Each attempt is kept with the charge, and none is repeated.
func TestOpnAttempts(t *testing.T) {
	for name, tt := range map[string]struct {
		fault core.FaultKind
		http  int
		// accepted is each attempt's outcome, with that text in the event.
		accepted []bool
		text     string
	}{
		"as it is":             {"", 200, []bool{true}, `"amount":150000`},
		"not accepted":         {"", 500, []bool{false}, `"amount":150000`},
		"twice":                {core.FaultDuplicate, 200, []bool{true, true}, `"amount":150000`},
		"another amount":       {core.FaultCorrupt, 200, []bool{true}, `"amount":1150000`},
		"cut in half":          {core.FaultTruncated, 200, []bool{true}, `"created_at"`},
		"nothing to be signed": {core.FaultBadSignature, 200, []bool{true}, `"amount":150000`},
	} {
		t.Run(name, func(t *testing.T) {
			shop, gw := newOpnShop(t), sandbox.New(t)
			require.NoError(t, gw.SetOpnWebhook(shop.URL))
			_, charge := opnCharge(t, gw)
			gw.Advance(time.Second)
			<-shop.events // That it was made.
			shop.status.Store(int64(tt.http))
			if tt.fault != "" {
				require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: tt.fault}))
			}
			require.NoError(t, gw.PayOpn(charge.ID))
			gw.Advance(48 * time.Hour)
			require.Len(t, shop.events, len(tt.accepted))
			for range tt.accepted {
				told := <-shop.events
				assert.Contains(t, told, tt.text)
				assert.Equal(t, tt.fault != core.FaultTruncated, json.Valid([]byte(told)))
			}
			o, err := gw.Order(charge.ID)
			require.NoError(t, err)
			var accepted []bool
			assert.Equal(t, "charge.create", o.Deliveries[0].Message)
			for _, d := range o.Deliveries[1:] {
				assert.Equal(t, "charge.complete", d.Message)
				accepted = append(accepted, d.Accepted)
				assert.Equal(t, tt.fault, d.Fault)
			}
			assert.Equal(t, tt.accepted, accepted)
			// The dashboard's button sends it once more.
			shop.status.Store(200)
			status, body := sandboxtest.Ask(t, gw, "POST", "/control/orders/"+charge.ID+"/deliver", "")
			assert.Equal(t, 200, status)
			assert.Contains(t, <-shop.events, `"key":"charge.complete"`)
			assert.Contains(t, body, `"accepted": true`)
			assert.Contains(t, body, `"message": "charge.complete"`)
		})
	}
}

// The shop has all the time it likes: the buyer's page doesn't wait for it, and a
// buyer who goes away doesn't cancel it. Closing the gateway does.
func TestOpnEventsApartFromTheBuyer(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan struct{})
	shop := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // Only then does the server notice that the other side is gone.
		close(entered)
		<-r.Context().Done()
		close(ended)
	}))
	defer shop.Close()
	gw, err := sandbox.Start()
	require.NoError(t, err)
	defer gw.Close()
	_, charge := opnCharge(t, gw)
	require.NoError(t, gw.SetOpnWebhook(shop.URL))
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", charge.AuthorizeURI, strings.NewReader("action=successful"))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
	b.Do(req)
	assert.Equal(t, 200, b.Status)
	assert.Contains(t, b.Body, "Paid")
	leave()
	<-entered
	select {
	case <-ended:
		t.Error("the buyer's leaving cancelled it")
	default:
	}
	gw.Close()
	<-ended
}

// A gateway of a test posts only when it is told to, or when its clock is moved.
func TestOpnEventsOfATest(t *testing.T) {
	shop, gw := newOpnShop(t), sandbox.New(t)
	require.NoError(t, gw.SetOpnWebhook(shop.URL))
	_, paid := opnCharge(t, gw)
	_, failed := opnCharge(t, gw)
	require.NoError(t, gw.PayOpn(paid.ID))
	require.NoError(t, gw.FailOpn(failed.ID, opn.FailureCodePaymentRejected))
	require.Empty(t, shop.events)
	require.NoError(t, gw.DeliverOpn(t.Context(), paid.ID))
	require.Len(t, shop.events, 1, "what hadn't gone out yet doesn't any more")
	told := <-shop.events
	assert.Contains(t, told, `"key":"charge.complete"`)
	assert.Contains(t, told, `"id":"`+paid.ID+`"`)
	gw.Advance(time.Hour)
	require.Len(t, shop.events, 2)
	for _, key := range []string{"charge.create", "charge.complete"} {
		told = <-shop.events
		assert.Contains(t, told, `"key":"`+key+`"`)
		assert.Contains(t, told, `"id":"`+failed.ID+`"`)
	}
}

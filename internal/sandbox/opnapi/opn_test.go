package opnapi_test

import (
	"context"
	"encoding/base64"
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

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/opn"
)

// opnForm is a good form for a charge with its source.
func opnForm(pairs ...string) url.Values {
	form := url.Values{"amount": {"150000"}, "currency": {"THB"}, "return_uri": {"https://shop.example/done"}, "source[type]": {"mobile_banking_kbank"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// askOpn calls the gateway's side of Opn without the package's client.
func askOpn(t *testing.T, gw *sandbox.Gateway, method, path, key string, form url.Values) (int, string) {
	t.Helper()
	return sandboxtest.Ask(t, gw, method, strings.TrimPrefix(gw.OpnURL(), gw.URL())+path, form.Encode(), "Authorization", basic(key+":"),
		"Content-Type", "application/x-www-form-urlencoded", "Omise-Version", "2017-11-02")
}

func basic(user string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(user)) }

// The commands of Opn's guide, as curl sends them.
func TestOpnTakesTheCommandsOfTheGuide(t *testing.T) {
	gw := sandbox.New(t)
	curl := func(path, user, body string, version ...string) (int, string) {
		header := []string{"Authorization", basic(user), "Accept", "*/*", "Content-Type", "application/x-www-form-urlencoded"}
		for _, v := range version {
			header = append(header, "Omise-Version", v)
		}
		return sandboxtest.Ask(t, gw, "POST", strings.TrimPrefix(gw.OpnURL(), gw.URL())+path, body, header...)
	}
	const public, secret = sandbox.OpnPublicKey + ":", sandbox.OpnSecretKey + ":"
	const charge = "amount=150000&currency=THB&return_uri=http://example.com/orders/345678/complete&"
	const both = charge + "source[type]=mobile_banking_kbank&source[platform_type]=IOS"

	status, body := curl("/sources", public, "amount=150000&currency=THB&type=mobile_banking_kbank&platform_type=IOS")
	require.Equal(t, 200, status, body)
	var source opn.Source
	require.NoError(t, json.Unmarshal([]byte(body), &source))
	assert.Equal(t, opn.PlatformTypeIOS, source.PlatformType.V)
	status, body = curl("/charges", secret, charge+"source="+source.ID)
	require.Equal(t, 200, status, body)
	status, body = curl("/charges", secret, both)
	require.Equal(t, 200, status, body)
	for i, known := range gw.OpnCharges() {
		assert.Equal(t, ksher.Amount(1500_00), known.Amount)
		assert.Equal(t, "http://example.com/orders/345678/complete", known.ReturnURI)
		assert.Equal(t, opn.PlatformTypeIOS, known.Source.PlatformType.V)
		assert.Equal(t, i == 0, known.Source.ID == source.ID)
	}
	require.Len(t, gw.OpnCharges(), 2)

	status, _ = curl("/charges", secret, both, opn.APIVersion)
	assert.Equal(t, 200, status)
	status, _ = curl("/charges", secret, both, "2019-05-29")
	assert.Equal(t, 200, status, "it is a minimum")
	for _, version := range []string{"2015-11-17", "2017-11-01", "2017-11-2", "new", "2019-05-29x"} {
		status, body = curl("/charges", secret, both, version)
		assert.Equal(t, 400, status, version)
		assert.Contains(t, body, "the header Omise-Version is not a day from 2017-11-02 on")
	}
	status, _ = curl("/charges", sandbox.OpnSecretKey+"x:", both)
	assert.Equal(t, 401, status)
}

func opnCharge(t *testing.T, gw *sandbox.Gateway) (*opn.Client, *opn.Charge) {
	t.Helper()
	client, err := gw.NewOpnClient()
	require.NoError(t, err)
	charge, err := client.CreateChargeWithSource(t.Context(), &opn.CreateChargeWithSourceRequest{
		Amount: 1500_00, Currency: "THB", ReturnURI: "https://shop.example/orders/1?a=<b>",
	})
	require.NoError(t, err)
	return client, charge
}

func TestOpnRefuses(t *testing.T) {
	gw := sandbox.New(t)
	const public, secret = sandbox.OpnPublicKey, sandbox.OpnSecretKey
	source := opnForm("type", "mobile_banking_kbank")
	tests := []struct {
		name, method, path, key string
		form                    url.Values
		status                  int
		code                    string
	}{
		{"a charge", "POST", "/charges", secret, opnForm(), 200, ""},
		{"a source", "POST", "/sources", public, source, 200, ""},
		{"a charge with the public key", "POST", "/charges", public, opnForm(), 401, "authentication_failure"},
		{"a query with the public key", "GET", "/charges/chrg_test_1", public, nil, 401, "authentication_failure"},
		{"a source with the secret key", "POST", "/sources", secret, source, 401, "authentication_failure"},
		{"no key", "POST", "/charges", "", opnForm(), 401, "authentication_failure"},
		{"an unknown charge", "GET", "/charges/chrg_test_1", secret, nil, 404, "not_found"},
		{"an unknown source", "POST", "/charges", secret, opnForm("source", "src_test_1"), 404, "not_found"},
		{"no amount", "POST", "/charges", secret, opnForm("amount", ""), 400, "bad_request"},
		{"a fraction", "POST", "/charges", secret, opnForm("amount", "1500.00"), 400, "bad_request"},
		{"too little", "POST", "/charges", secret, opnForm("amount", "1999"), 400, "bad_request"},
		{"too much", "POST", "/sources", public, opnForm("type", "mobile_banking_kbank", "amount", "15000001"), 400, "bad_request"},
		{"another currency", "POST", "/charges", secret, opnForm("currency", "USD"), 400, "bad_request"},
		{"no return_uri", "POST", "/charges", secret, opnForm("return_uri", ""), 400, "bad_request"},
		{"a script", "POST", "/charges", secret, opnForm("return_uri", "javascript:alert(1)"), 400, "bad_request"},
		{"a file", "POST", "/charges", secret, opnForm("return_uri", "file:///etc/passwd"), 400, "bad_request"},
		{"another type", "POST", "/charges", secret, opnForm("source[type]", "promptpay"), 400, "bad_request"},
		{"another platform", "POST", "/charges", secret, opnForm("source[platform_type]", "WEB"), 400, "bad_request"},
		{"a long form", "POST", "/charges", secret, opnForm("description", strings.Repeat("x", 70_000)), 400, "bad_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, body := askOpn(t, gw, tt.method, tt.path, tt.key, tt.form)
			assert.Equal(t, tt.status, status, body)
			if tt.code != "" {
				assert.Contains(t, body, `"code":"`+tt.code+`"`)
				assert.Contains(t, body, `"object":"error"`)
			}
			assert.NotContains(t, body, sandbox.OpnSecretKey)
		})
	}
	_, err := opn.NewClient(public, secret)
	require.NoError(t, err, "the keys are such as Opn's")

	client, _ := opnCharge(t, gw)
	s, err := client.CreateSource(t.Context(), &opn.CreateSourceRequest{Amount: 1500_00, Currency: "THB"})
	require.NoError(t, err)
	status, body := askOpn(t, gw, "POST", "/charges", secret, opnForm("source", s.ID, "amount", "150001"))
	assert.Equal(t, 400, status)
	assert.Contains(t, body, "the amount is not that of the source")
	assert.Len(t, gw.OpnCharges(), 2)
}

func TestOpnTakesJSON(t *testing.T) {
	gw := sandbox.New(t)
	post := func(path, key, body string) (int, string) {
		return sandboxtest.Ask(t, gw, "POST", strings.TrimPrefix(gw.OpnURL(), gw.URL())+path, body, "Authorization", basic(key+":"),
			"Content-Type", "application/json; charset=utf-8")
	}
	const public, secret = sandbox.OpnPublicKey, sandbox.OpnSecretKey
	status, body := post("/sources", public, `{"amount":150000,"currency":"THB","type":"mobile_banking_kbank","platform_type":null}`)
	require.Equal(t, 200, status, body)
	var source opn.Source
	require.NoError(t, json.Unmarshal([]byte(body), &source))
	assert.EqualValues(t, 1500_00, source.Amount)
	const start = `{"amount":150000,"currency":"THB","return_uri":"https://shop.example/done",`
	status, body = post("/charges", secret, start+`"metadata":{"order_no":"A-1","n":7},"source":"`+source.ID+`"}`)
	require.Equal(t, 200, status, body)
	assert.JSONEq(t, `{"order_no":"A-1","n":"7"}`, string(gw.OpnCharges()[0].Metadata))
	status, body = post("/charges", secret, start+`"source":{"type":"mobile_banking_kbank","platform_type":"IOS"}}`)
	require.Equal(t, 200, status, body)
	assert.Equal(t, opn.PlatformTypeIOS, gw.OpnCharges()[1].Source.PlatformType.V)
	for _, body := range []string{"", "[]", "{", `{"amount":[1]}`, `{"source":{"type":{}}}`, "amount=150000", "{}{}", `{"amount":1500.5}`} {
		status, answer := post("/charges", secret, body)
		assert.Equal(t, 400, status, body)
		assert.Contains(t, answer, `"code":"bad_request"`, body)
	}
	assert.Len(t, gw.OpnCharges(), 2)
}

func TestOpnAnswersInJSONWhereNothingIs(t *testing.T) {
	gw := sandbox.New(t)
	for path, method := range map[string]string{"/": "GET", "/tokens": "POST", "/charges/chrg_test_1/refunds": "POST", "/sources": "DELETE"} {
		status, body := askOpn(t, gw, method, path, sandbox.OpnSecretKey, nil)
		assert.Equal(t, 404, status, path)
		assert.Contains(t, body, `"object":"error"`)
		assert.Contains(t, body, `"code":"not_found"`)
	}
}

// The page leads back to a shop's app as well as to a web page.
func TestOpnPageLeadsBackToAnApp(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithStrict(false))
	client, err := gw.NewOpnClient()
	require.NoError(t, err)
	charge, err := client.CreateChargeWithSource(t.Context(), &opn.CreateChargeWithSourceRequest{
		Amount: 1500_00, Currency: "thb", ReturnURI: "myshop://orders/1?a=<b>",
	})
	require.NoError(t, err)
	assert.Equal(t, "THB", charge.Currency)
	require.NoError(t, gw.PayOpn(charge.ID))
	resp, err := gw.HTTPClient().Get(charge.AuthorizeURI)
	require.NoError(t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Contains(t, string(page), `href="myshop://orders/1?a=%3cb%3e"`)
	assert.Contains(t, string(page), `content="4;url=myshop://orders/1?a=`)
}

func TestOpnPage(t *testing.T) {
	for action, want := range map[string]struct {
		status opn.Status
		code   opn.FailureCode
		text   string
	}{
		"successful":        {opn.StatusSuccessful, "", "Paid"},
		"expire":            {opn.StatusExpired, "payment_expired", "The charge is expired: payment_expired"},
		"payment_expired":   {opn.StatusFailed, "payment_expired", "The charge is failed: payment_expired"},
		"payment_rejected":  {opn.StatusFailed, "payment_rejected", "The charge is failed: payment_rejected"},
		"failed_processing": {opn.StatusFailed, "failed_processing", "The charge is failed: failed_processing"},
		"invalid_account":   {opn.StatusFailed, "invalid_account", "The charge is failed: invalid_account"},
		"insufficient_fund": {opn.StatusFailed, "insufficient_fund", "The charge is failed: insufficient_fund"},
		"nonsense":          {opn.StatusPending, "", "How does the payment end?"},
		"":                  {opn.StatusPending, "", "How does the payment end?"},
	} {
		t.Run(action, func(t *testing.T) {
			gw := sandbox.New(t)
			client, charge := opnCharge(t, gw)
			b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
			b.Open(charge.AuthorizeURI)
			require.Equal(t, 200, b.Status)
			assert.Contains(t, b.Body, "1,500.00 THB")
			assert.Contains(t, b.Body, charge.ID)
			assert.Contains(t, b.Body, `data-left="600"`)
			assert.Contains(t, b.Body, "Simulation")
			assert.Equal(t, "no-store", b.Header.Get("Cache-Control"))
			for _, button := range []string{"successful", "expire", "payment_expired", "payment_rejected", "failed_processing", "invalid_account", "insufficient_fund"} {
				assert.Contains(t, b.Body, `name="action" value="`+button+`"`)
			}
			for _, form := range []string{"pay", "fail"} {
				address, _ := b.Form(form)
				assert.Equal(t, charge.AuthorizeURI, address)
			}
			b.Post(charge.AuthorizeURI, url.Values{"action": {action}})
			require.Equal(t, 200, b.Status)
			assert.Contains(t, b.Body, want.text)
			known, err := client.GetCharge(t.Context(), charge.ID)
			require.NoError(t, err)
			assert.Equal(t, want.status, known.Status)
			assert.Equal(t, want.code, known.FailureCode.V)
			assert.Equal(t, want.status == opn.StatusExpired, known.ExpiredAt.Valid)
			if want.status == opn.StatusPending {
				return
			}
			assert.Contains(t, b.Body, `id="return" href="https://shop.example/orders/1?a=%3cb%3e"`)
			assert.Contains(t, b.Body, `http-equiv="refresh"`)
			assert.NotContains(t, b.Body, "<b>")
			// Nothing more can be done about it.
			b.Post(charge.AuthorizeURI, url.Values{"action": {"successful"}})
			again, err := client.GetCharge(t.Context(), charge.ID)
			require.NoError(t, err)
			assert.Equal(t, known.Raw, again.Raw)
		})
	}
}

func TestOpnPageOfNothing(t *testing.T) {
	gw := sandbox.New(t)
	_, charge := opnCharge(t, gw)
	b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
	b.Open(gw.OpnURL() + "/payments/pay2_test_x/authorize")
	assert.Equal(t, 404, b.Status)
	b.Open(gw.OpnURL() + "/payments/" + charge.ID + "/authorize")
	assert.Equal(t, 404, b.Status, "the ID alone lets nobody pay")
	b.Post(gw.OpnURL()+"/payments/pay2_test_x/authorize", url.Values{"action": {"successful"}})
	assert.Equal(t, 404, b.Status)

	req, err := http.NewRequest("POST", charge.AuthorizeURI, strings.NewReader("action=successful"))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "https://elsewhere.example")
	b.Do(req)
	assert.Equal(t, 403, b.Status)
	assert.Equal(t, opn.StatusPending, gw.OpnCharges()[0].Status)
	gw.Advance(10 * time.Minute)
	b.Open(charge.AuthorizeURI)
	assert.Contains(t, b.Body, "The charge is expired: payment_expired: the buyer did not pay in time.")
}

// A gateway that runs by itself posts events by itself.
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

func TestOpnOnTheSetUpPage(t *testing.T) {
	gw := sandbox.New(t)
	_, page := sandboxtest.Ask(t, gw, "GET", "/setup", "")
	for _, text := range []string{gw.OpnURL(), sandbox.OpnPublicKey, sandbox.OpnSecretKey} {
		assert.Contains(t, page, `<dd class="mono">`+text+`</dd>`)
	}
}

func TestOpnMemoryIsBounded(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithMaxOrders(3))
	var last []*opn.Charge
	for range 5 {
		_, charge := opnCharge(t, gw)
		last = append(last, charge)
	}
	charges := gw.OpnCharges()
	require.Len(t, charges, 3)
	for i, charge := range charges {
		assert.Equal(t, last[i+2].ID, charge.ID)
	}
	require.ErrorIs(t, gw.PayOpn(last[0].ID), sandbox.ErrNoOrder)
}

// What OpnCharges returned doesn't change afterwards, nor does changing it change
// the gateway.
func TestOpnChargesAreCopies(t *testing.T) {
	gw := sandbox.New(t)
	_, charge := opnCharge(t, gw)
	before := gw.OpnCharges()[0]
	require.NoError(t, gw.PayOpn(charge.ID))
	assert.Equal(t, opn.StatusPending, before.Status)
	assert.Equal(t, opn.StatusPending, before.Source.ChargeStatus)
	before.Source.Amount, before.Refunds.Total = 1, 1
	assert.Equal(t, ksher.Amount(1500_00), gw.OpnCharges()[0].Source.Amount)
	assert.Zero(t, gw.OpnCharges()[0].Refunds.Total)
}

func TestOpnFaults(t *testing.T) {
	gw := sandbox.New(t)
	client, charge := opnCharge(t, gw)
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "opn charge", Kind: sandbox.FaultDropAfter, Count: 2}))
	_, err := client.GetCharge(t.Context(), charge.ID)
	require.NoError(t, err, "the client repeats it")
	require.Empty(t, gw.Faults())
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "opn sources", Kind: sandbox.FaultRefuse, Code: "too_many_requests"}))
	_, err = client.CreateSource(t.Context(), &opn.CreateSourceRequest{Amount: 1500_00, Currency: "THB"})
	require.ErrorContains(t, err, "too_many_requests")
	require.Error(t, gw.Inject(sandbox.Fault{Operation: "opn refunds", Kind: sandbox.FaultEmpty}))
}

func TestOpnBesideKsher(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithAddress("0.0.0.0:0"))
	_, charge := opnCharge(t, gw)
	assert.Equal(t, gw.URL()+"/opn", gw.OpnURL())
	assert.Empty(t, gw.Orders(), "a charge isn't an order of Ksher's")
	_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay(charge.ID, ksher.ChannelKPlus))
	require.NoError(t, err)
	require.NoError(t, gw.PayOpn(charge.ID))
	assert.Equal(t, ksher.ResultNotSure, sandboxtest.GatewayState(t, gw, charge.ID).Result)
}

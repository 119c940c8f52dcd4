package opnapi_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

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

// What Opn's guide has otherwise is taken with a note, and refused by a strict gateway.
func TestOpnIsLenient(t *testing.T) {
	const note = "a currency in small letters was accepted, as the real gateway seems to; the documentation wants THB"
	for currency, tt := range map[string]struct {
		http, strict int
		notes        []string
	}{
		"THB": {200, 200, nil},
		"thb": {200, 400, []string{note}},
		"Thb": {200, 400, []string{note}},
		"USD": {400, 400, nil},
		"":    {400, 400, nil},
	} {
		for path, key := range map[string]string{"/charges": sandbox.OpnSecretKey, "/sources": sandbox.OpnPublicKey} {
			t.Run(currency+path, func(t *testing.T) {
				form := opnForm("currency", currency, "type", opn.SourceType)
				lenient, strict := sandbox.New(t, sandbox.WithStrict(false)), sandbox.New(t)
				status, body := askOpn(t, lenient, "POST", path, key, form)
				assert.Equal(t, tt.http, status)
				assert.Equal(t, tt.notes, lenient.Requests()[0].Notes)
				assert.Equal(t, tt.http == 200, strings.Contains(body, `"currency":"THB"`))
				status, _ = askOpn(t, strict, "POST", path, key, form)
				assert.Equal(t, tt.strict, status)
				for _, note := range strict.Requests()[0].Notes {
					assert.Contains(t, note, "refused, as this gateway is strict")
				}
			})
		}
	}
}

// Every call is in the log of requests, with nothing in it that is secret.
func TestOpnRequestsAreLogged(t *testing.T) {
	const public, secret = sandbox.OpnPublicKey, sandbox.OpnSecretKey
	for name, tt := range map[string]struct {
		method, path, key string
		form              url.Values
		operation         string
		code              ksher.Code
		params            url.Values
	}{
		"a charge":         {"POST", "/charges", secret, opnForm(), "opn charges", "", opnForm()},
		"a refused one":    {"POST", "/charges", secret, opnForm("amount", "1"), "opn charges", "bad_request", opnForm("amount", "1")},
		"a source":         {"POST", "/sources", public, opnForm("type", opn.SourceType), "opn sources", "", opnForm("type", opn.SourceType)},
		"the wrong key":    {"POST", "/sources", secret, opnForm(), "opn sources", "authentication_failure", opnForm()},
		"a query":          {"GET", "/charges/chrg_test_9", secret, nil, "opn charge", "not_found", url.Values{"id": {"chrg_test_9"}}},
		"a source's query": {"GET", "/sources/src_test_9", public, nil, "opn source", "not_found", url.Values{"id": {"src_test_9"}}},
		"a list":           {"GET", "/charges?limit=3", secret, nil, "opn charge list", "", url.Values{"limit": {"3"}}},
		"no path":          {"POST", "/tokens", secret, nil, "opn", "not_found", url.Values{"method": {"POST"}, "path": {"/opn/tokens"}}},
	} {
		t.Run(name, func(t *testing.T) {
			gw := sandbox.New(t)
			askOpn(t, gw, tt.method, tt.path, tt.key, tt.form)
			log := gw.Requests()
			require.Len(t, log, 1)
			assert.Equal(t, tt.operation, log[0].Operation)
			assert.Equal(t, tt.code, log[0].Code)
			assert.Equal(t, tt.params, log[0].Params)
			_, page := sandboxtest.Ask(t, gw, "GET", "/requests", "")
			assert.Contains(t, page, `<h2 class="mono">`+tt.operation+`</h2>`)
			assert.NotContains(t, page, "Text to sign")
			_, text := sandboxtest.Ask(t, gw, "GET", "/control/requests", "")
			assert.NotContains(t, page+text, secret)
		})
	}
}

func TestOpnAnswersInJSONWhereNothingIs(t *testing.T) {
	gw := sandbox.New(t)
	for path, method := range map[string]string{"": "GET", "/": "GET", "/tokens": "POST", "/charges/chrg_test_1/refunds": "POST", "/sources": "DELETE", "/charges": "PUT"} {
		status, body := askOpn(t, gw, method, path, sandbox.OpnSecretKey, nil)
		assert.Equal(t, 404, status, path)
		assert.Contains(t, body, `"object":"error"`)
		assert.Contains(t, body, `"code":"not_found"`)
	}
}

func TestOpnOnTheSetUpPage(t *testing.T) {
	gw := sandbox.New(t)
	_, page := sandboxtest.Ask(t, gw, "GET", "/setup", "")
	for _, text := range []string{gw.OpnURL(), sandbox.OpnPublicKey, sandbox.OpnSecretKey} {
		assert.Contains(t, page, `>`+text+`</span></dd>`)
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

	// A call with the wrong key doesn't use it up.
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "opn charge", Kind: sandbox.FaultRefuse, Code: "service_unavailable"}))
	status, _ := askOpn(t, gw, "GET", "/charges/"+charge.ID, sandbox.OpnPublicKey, nil)
	assert.Equal(t, 401, status)
	require.Len(t, gw.Faults(), 1)
	_, err = client.GetCharge(t.Context(), charge.ID)
	require.ErrorContains(t, err, "service_unavailable")
	log := gw.Requests()
	assert.Equal(t, sandbox.FaultRefuse, log[len(log)-1].Fault)
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

package opn_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/opn"
)

// What goes over the wire, to the letter.
func TestRequests(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "opn: a source is made with the public key, and everything else with the secret one")
	testkit.Holds(t, testkit.Assumed, "opn: the header Omise-Version names the version that K PLUS needs")
	want := map[string]string{
		"create source":             "amount=123450&currency=THB&platform_type=IOS&type=mobile_banking_kbank",
		"create charge":             "amount=123450&currency=THB&return_uri=" + url.QueryEscape(returnURI) + "&source=" + sourceID,
		"create charge with source": "amount=123450&currency=THB&return_uri=" + url.QueryEscape(returnURI) + "&source%5Bplatform_type%5D=ANDROID&source%5Btype%5D=mobile_banking_kbank",
		"get charge":                "",
	}
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			testkit.Holds(t, testkit.Documented, "opn: "+call.name+" is "+call.method+" "+strings.Replace(call.path, chargeID, "{id}", 1))
			var got *http.Request
			var body []byte
			client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r
				body, _ = io.ReadAll(r.Body)
				io.WriteString(w, edited(t, call.file, nil))
			}))
			_, err := call.call(t, client)
			require.NoError(t, err)
			assert.Equal(t, call.method, got.Method)
			assert.Equal(t, call.path, got.URL.Path)
			assert.Equal(t, want[call.name], string(body))
			assert.Equal(t, "2017-11-02", got.Header.Get("Omise-Version"))
			assert.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte(call.key+":")), got.Header.Get("Authorization"))
			if call.method == "POST" {
				assert.Equal(t, "application/x-www-form-urlencoded", got.Header.Get("Content-Type"))
			}
		})
	}
}

// The mark isn't part of what is kept.
func TestByteOrderMark(t *testing.T) {
	for _, call := range calls {
		text := edited(t, call.file, nil)
		got, err := call.call(t, newClient(t, answering(http.StatusOK, "\ufeff"+text)))
		require.NoError(t, err, call.name)
		if charge, ok := got.(*opn.Charge); ok {
			require.Equal(t, strings.TrimSpace(text), string(charge.Raw))
		}
		_, err = call.call(t, newClient(t, answering(http.StatusNotFound, "\ufeff"+`{"object":"error","code":"not_found","message":"x"}`)))
		var failure *opn.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, "not_found", failure.Code)
	}
}

func TestRequestsWithLess(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "opn: platform_type may be left out")
	var form url.Values
	client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, r.ParseForm())
		form = r.PostForm
		io.WriteString(w, edited(t, map[bool]string{true: "source.json", false: "charge.json"}[r.URL.Path == "/sources"], nil))
	}))
	_, err := client.CreateSource(t.Context(), &opn.CreateSourceRequest{Amount: amount, Currency: "THB"})
	require.NoError(t, err)
	assert.Equal(t, url.Values{"amount": {"123450"}, "currency": {"THB"}, "type": {"mobile_banking_kbank"}}, form)
	req := bothRequest()
	req.PlatformType, req.Extra = "", ksher.Extra{Params: map[string]string{"description": "ชา 2", "metadata[order_no]": "A-1001"}}
	_, err = client.CreateChargeWithSource(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, url.Values{"amount": {"123450"}, "currency": {"THB"}, "return_uri": {returnURI}, "source[type]": {"mobile_banking_kbank"},
		"description": {"ชา 2"}, "metadata[order_no]": {"A-1001"}}, form)
}

func TestBadRequests(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "opn: a charge needs return_uri")
	sent := 0
	client := newClient(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { sent++ }))
	source := func(change func(*opn.CreateSourceRequest)) error {
		req := sourceRequest()
		change(req)
		_, err := client.CreateSource(t.Context(), req)
		return err
	}
	charge := func(change func(*opn.CreateChargeRequest)) error {
		req := chargeRequest()
		change(req)
		_, err := client.CreateCharge(t.Context(), req)
		return err
	}
	both := func(change func(*opn.CreateChargeWithSourceRequest)) error {
		req := bothRequest()
		change(req)
		_, err := client.CreateChargeWithSource(t.Context(), req)
		return err
	}
	get := func(id string) error {
		_, err := client.GetCharge(t.Context(), id)
		return err
	}
	tests := []struct {
		name, field, problem string
		err                  error
	}{
		{"nothing", "amount", "is 0 satang, which is not between 2000 and 15000000", source(func(r *opn.CreateSourceRequest) { r.Amount = 0 })},
		{"too little", "amount", "is 1999 satang", source(func(r *opn.CreateSourceRequest) { r.Amount = 19_99 })},
		{"too much", "amount", "is 15000001 satang", charge(func(r *opn.CreateChargeRequest) { r.Amount = 150_000_01 })},
		{"negative", "amount", "is -2000 satang", both(func(r *opn.CreateChargeWithSourceRequest) { r.Amount = -20_00 })},
		{"no currency", "currency", "is not THB", source(func(r *opn.CreateSourceRequest) { r.Currency = "" })},
		{"another currency", "currency", "is not THB", charge(func(r *opn.CreateChargeRequest) { r.Currency = "USD" })},
		{"another platform", "platform_type", "is neither IOS nor ANDROID", source(func(r *opn.CreateSourceRequest) { r.PlatformType = "WEB" })},
		{"another platform", "source[platform_type]", "is neither IOS nor ANDROID", both(func(r *opn.CreateChargeWithSourceRequest) { r.PlatformType = "ios" })},
		{"no return_uri", "return_uri", "is required", charge(func(r *opn.CreateChargeRequest) { r.ReturnURI = " " })},
		{"not UTF-8", "return_uri", "is not UTF-8", charge(func(r *opn.CreateChargeRequest) { r.ReturnURI = returnURI + "\xff" })},
		{"no source", "source", "is not the ID of a source", charge(func(r *opn.CreateChargeRequest) { r.Source = "" })},
		{"a charge as source", "source", "is not the ID of a source", charge(func(r *opn.CreateChargeRequest) { r.Source = chargeID })},
		{"a key as source", "source", "is not the ID of a source", charge(func(r *opn.CreateChargeRequest) { r.Source = secretKey })},
		{"a field in Extra", "amount", "is in Extra", charge(func(r *opn.CreateChargeRequest) { r.Extra = ksher.Extra{Params: map[string]string{"amount": "1"}} })},
		{"a part of one in Extra", "source", "is in Extra", both(func(r *opn.CreateChargeWithSourceRequest) {
			r.Extra = ksher.Extra{Params: map[string]string{"source[type]": "promptpay"}}
		})},
		{"a field in Extra in capitals", "amount", "is in Extra", charge(func(r *opn.CreateChargeRequest) { r.Extra = ksher.Extra{Params: map[string]string{"Amount": "2000"}} })},
		{"a part of one in Extra in capitals", "source", "is in Extra", both(func(r *opn.CreateChargeWithSourceRequest) {
			r.Extra = ksher.Extra{Params: map[string]string{"SOURCE[Type]": "promptpay"}}
		})},
		{"a field in Extra with another small letter", "source", "is in Extra", charge(func(r *opn.CreateChargeRequest) { r.Extra = ksher.Extra{Params: map[string]string{"\u017fource": "1"}} })},
		{"no name in Extra", "Extra", "has a name that is empty", both(func(r *opn.CreateChargeWithSourceRequest) { r.Extra = ksher.Extra{Params: map[string]string{"": "1"}} })},
		{"not UTF-8 in Extra", "Extra", "has text that is not UTF-8", both(func(r *opn.CreateChargeWithSourceRequest) {
			r.Extra = ksher.Extra{Params: map[string]string{"description": "\xff"}}
		})},
		{"a name twice in Extra", "Extra", "has a name twice", both(func(r *opn.CreateChargeWithSourceRequest) {
			r.Extra = ksher.Extra{Params: map[string]string{"metadata[No]": "1", "metadata[no]": "2"}}
		})},
		{"no ID", "id", "is not the ID of a charge", get("")},
		{"another path", "id", "is not the ID of a charge", get("chrg_test_1/../../sources")},
		{"a question", "id", "is not the ID of a charge", get("chrg_test_1?x=1")},
		{"a source", "id", "is not the ID of a charge", get(sourceID)},
		{"a long ID", "id", "is not the ID of a charge", get("chrg_" + strings.Repeat("x", 101))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var invalid *ksher.ValidationError
			require.ErrorAs(t, tt.err, &invalid)
			require.Len(t, invalid.Fields, 1)
			assert.Equal(t, tt.field, invalid.Fields[0].Field)
			assert.Contains(t, invalid.Fields[0].Problem, tt.problem)
			assert.Contains(t, tt.err.Error(), "was not sent: "+tt.field+" "+tt.problem)
			assert.NotErrorIs(t, tt.err, ksher.ErrOutcomeUnknown)
			assert.NotContains(t, tt.err.Error(), secretKey)
		})
	}
	assert.Zero(t, sent)

	err := both(func(r *opn.CreateChargeWithSourceRequest) { *r = opn.CreateChargeWithSourceRequest{} })
	require.EqualError(t, err, "ksher: create charge with source was not sent: amount is 0 satang, which is not between 2000 and 15000000; "+
		"currency is not THB, the only one there is; return_uri is required. To send it all the same, list in Extra.Unchecked: amount, currency, return_uri")
}

func TestUncheckedRequests(t *testing.T) {
	client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"object":"error","code":"no","message":"no"}`)
	}))
	var refused *opn.Error
	_, err := client.CreateSource(t.Context(), &opn.CreateSourceRequest{PlatformType: "WEB", Extra: ksher.Extra{Unchecked: []string{"amount", "currency", "platform_type"}}})
	require.ErrorAs(t, err, &refused)
	_, err = client.CreateCharge(t.Context(), &opn.CreateChargeRequest{Source: "x", Extra: ksher.Extra{Unchecked: []string{"amount", "currency", "return_uri", "source"}}})
	require.ErrorAs(t, err, &refused)
	_, err = client.CreateChargeWithSource(t.Context(), &opn.CreateChargeWithSourceRequest{PlatformType: "WEB",
		Extra: ksher.Extra{Unchecked: []string{"amount", "currency", "return_uri", "source[platform_type]"}}})
	require.ErrorAs(t, err, &refused)

	var invalid *ksher.ValidationError
	_, err = client.CreateCharge(t.Context(), &opn.CreateChargeRequest{Amount: opn.MinAmount, Currency: "THB", Source: sourceID, ReturnURI: "\xff",
		Extra: ksher.Extra{Params: map[string]string{"source": "x"}, Unchecked: []string{"return_uri", "source"}}})
	require.ErrorAs(t, err, &invalid)
	assert.Len(t, invalid.Fields, 2)
	assert.NotContains(t, err.Error(), "Unchecked")
}

func TestLimitsAreAllowed(t *testing.T) {
	client, err := sandbox.New(t, sandbox.WithStrict(false)).NewOpnClient()
	require.NoError(t, err)
	testkit.Holds(t, testkit.Documented, "opn: a charge is of 20 to 150,000 THB, in satang")
	testkit.Holds(t, testkit.Clients, "opn: a currency may be in small letters")
	for _, amount := range []ksher.Amount{opn.MinAmount, opn.MaxAmount} {
		req := bothRequest()
		req.Currency = "thb"                                                            // Opn takes any letters.
		req.Amount, req.ReturnURI = amount, "http://example.com/orders/345678/complete" // As in the guide.
		charge, err := client.CreateChargeWithSource(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, amount, charge.Amount)
	}
}

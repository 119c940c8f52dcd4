package opn_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/opn"
)

func TestKeys(t *testing.T) {
	const live, liveSecret = "pkey_5public0123", "skey_5secret0123"
	tests := []struct{ name, public, secret, want string }{
		{"test", publicKey, secretKey, ""},
		{"live", live, liveSecret, ""},
		{"no public key", "", secretKey, "the public key is not one such as"},
		{"no secret key", publicKey, "", "the secret key is not one such as"},
		{"exchanged", secretKey, publicKey, "the public key is a secret key"},
		{"secret twice", secretKey, secretKey, "the public key is a secret key"},
		{"secret with a blank", " " + secretKey, secretKey, "the public key is a secret key"},
		{"public twice", publicKey, publicKey, "the secret key is not one such as"},
		{"test and live", publicKey, liveSecret, "one is for test mode and the other isn't"},
		{"live and test", live, secretKey, "one is for test mode and the other isn't"},
		{"a line end", publicKey, secretKey + "\n", "the secret key is not one such as"},
		{"a colon", publicKey + ":x", secretKey, "the public key is not one such as"},
		{"a prefix alone", publicKey, "skey_", "the secret key is not one such as"},
		{"too long", publicKey, "skey_test_" + strings.Repeat("x", 1000), "the secret key is not one such as"},
		{"not UTF-8", publicKey + "\xff", secretKey, "the public key is not one such as"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client, err := opn.NewClient(tt.public, tt.secret)
			if tt.want == "" {
				require.NoError(t, err)
				require.NotNil(t, client)
				return
			}
			require.ErrorContains(t, err, tt.want)
			require.Nil(t, client)
			for _, key := range []string{"public0123", "secret0123", "xxx"} {
				require.NotContains(t, err.Error(), key)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	for want, opt := range map[string]opn.Option{
		"an option is nil":                   nil,
		"WithHTTPClient: the client is nil":  opn.WithHTTPClient(nil),
		"WithBaseURL":                        opn.WithBaseURL("http://api.omise.co"),
		"WithBaseURL: the address has an @":  opn.WithBaseURL("https://" + secretKey + ":@api.omise.co"),
		`"[key]" is not an address`:          opn.WithBaseURL(secretKey),
		"WithTimeout":                        opn.WithTimeout(0),
		"WithLogger: the logger is nil":      opn.WithLogger(nil),
		"WithRetry: 0 attempts":              opn.WithRetry(0, 0),
		"WithRetry: a wait of -1ns":          opn.WithRetry(1, -1),
		"InsecureSkipVerify lets anybody":    opn.WithHTTPClient(insecure()),
		"WithBaseURL: \"\" is not an addres": opn.WithBaseURL(""),
	} {
		client, err := opn.NewClient(publicKey, secretKey, opt)
		require.ErrorContains(t, err, strings.TrimSpace(want))
		require.ErrorContains(t, err, "opn: NewClient: ")
		require.NotContains(t, err.Error(), secretKey)
		require.Nil(t, client)
	}
}

type nilDeduper struct{}

func (*nilDeduper) Once(context.Context, string, func(context.Context) error) error { return nil }

func insecure() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

// What goes over the wire, to the letter.
func TestRequests(t *testing.T) {
	want := map[string]string{
		"create source":             "amount=123450&currency=THB&platform_type=IOS&type=mobile_banking_kbank",
		"create charge":             "amount=123450&currency=THB&return_uri=" + url.QueryEscape(returnURI) + "&source=" + sourceID,
		"create charge with source": "amount=123450&currency=THB&return_uri=" + url.QueryEscape(returnURI) + "&source%5Bplatform_type%5D=ANDROID&source%5Btype%5D=mobile_banking_kbank",
		"get charge":                "",
	}
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
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
	_, client := gateway(t)
	for _, amount := range []ksher.Amount{opn.MinAmount, opn.MaxAmount} {
		req := bothRequest()
		req.Currency = "thb"                                                            // Opn takes any letters.
		req.Amount, req.ReturnURI = amount, "http://example.com/orders/345678/complete" // As in the guide.
		charge, err := client.CreateChargeWithSource(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, amount, charge.Amount)
	}
}

func TestNil(t *testing.T) {
	var none *opn.Client
	_, real := gateway(t)
	for _, client := range []*opn.Client{none, {}} {
		for _, call := range calls {
			_, err := call.call(t, client)
			var invalid *ksher.ValidationError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, ksher.FieldError{Field: "client", Problem: "was not made by NewClient"}, invalid.Fields[0])
		}
		_, err := waitFor(t.Context(), client, chargeID, amount)
		require.ErrorContains(t, err, "was not made by NewClient")
	}
	var ctx context.Context
	_, err := real.CreateSource(ctx, nil)
	require.EqualError(t, err, "ksher: create source was not sent: context is nil; request is nil")
	_, err = real.CreateCharge(ctx, nil)
	require.EqualError(t, err, "ksher: create charge was not sent: context is nil; request is nil")
	_, err = real.CreateChargeWithSource(ctx, nil)
	require.EqualError(t, err, "ksher: create charge with source was not sent: context is nil; request is nil")
	_, err = waitFor(ctx, real, "", amount)
	require.ErrorContains(t, err, "ksher: Wait was not sent: context is nil")
	_, err = waitFor(t.Context(), real, "", -1)
	require.ErrorContains(t, err, "ksher: Wait was not sent: charge ID is not the ID of a charge, which begins with chrg_; amount is -1 satang")
}

// Answers of status 200 that aren't to be believed or can't be read.
func TestUnbelievableAnswers(t *testing.T) {
	type change = map[string]any
	long := strings.Repeat("x", 1<<20)
	tests := []struct {
		name   string
		change change
		want   error
		text   string
		// not names calls that don't mind.
		not string
	}{
		{"another amount", change{"amount": 123451}, ksher.ErrOtherOrder, "1234.51", ""},
		{"both of another amount", change{"amount": 100, "source.amount": 100}, ksher.ErrOtherOrder, "1.00 THB, not 1234.50", "get charge"},
		{"a source of another amount", change{"source.amount": 123451}, ksher.ErrOtherOrder, "its source over 1234.51", ""},
		{"no amount", change{"amount": nil}, ksher.ErrOtherOrder, "0.00", ""},
		{"an amount in words", change{"amount": "123450"}, fault.ErrField, "amount", ""},
		{"a fraction", change{"amount": 123450.5}, fault.ErrField, "amount", ""},
		{"another currency", change{"currency": "USD"}, ksher.ErrOtherOrder, "USD", ""},
		{"a source of another currency", change{"source.currency": "USD"}, ksher.ErrOtherOrder, "USD", ""},
		{"no source", change{"source": nil}, ksher.ErrOtherOrder, "no source", "get charge"},
		{"another source", change{"source.id": "src_test_9"}, ksher.ErrOtherOrder, "src_test_9", "create charge with source,get charge"},
		{"a source without ID", change{"source.id": ""}, fault.ErrField, "a source has no ID", "create charge,get charge"},
		{"another type", change{"source.type": "promptpay"}, ksher.ErrOtherOrder, "promptpay", "get charge"},
		{"real money", change{"livemode": true}, ksher.ErrOtherOrder, "mode", ""},
		{"no ID", change{"id": nil}, fault.ErrField, "ID", ""},
		{"a bad ID", change{"id": "chrg_/x"}, fault.ErrField, "ID", ""},
		{"another ID", change{"id": "chrg_test_9"}, ksher.ErrOtherOrder, "chrg_test_9", "create charge,create charge with source"},
		{"no status", change{"status": ""}, fault.ErrField, "status", ""},
		{"successful and not paid", change{"status": "successful"}, fault.ErrField, "contradicts itself", ""},
		{"successful and expired", change{"status": "successful", "paid": true, "expired": true}, fault.ErrField, "contradicts itself", ""},
		{"failed and paid", change{"status": "failed", "paid": true, "failure_code": "payment_rejected"}, fault.ErrField, "contradicts itself", ""},
		{"a script as authorize_uri", change{"authorize_uri": "javascript:alert(1)"}, fault.ErrField, "authorize_uri", ""},
		{"a script with a host as authorize_uri", change{"authorize_uri": "JavaScript://pay.example/%0aalert(1)"}, fault.ErrField, "authorize_uri", ""},
		{"a blank before an authorize_uri", change{"authorize_uri": " kplus://pay"}, fault.ErrField, "authorize_uri", ""},
		{"a blank in an authorize_uri", change{"authorize_uri": "kplus://pay/\u2028x"}, fault.ErrField, "authorize_uri", ""},
		{"a blob as authorize_uri", change{"authorize_uri": "blob:https://pay.example/1"}, fault.ErrField, "authorize_uri", ""},
		{"a Visual Basic script as authorize_uri", change{"authorize_uri": "vbscript:x"}, fault.ErrField, "authorize_uri", ""},
		{"a telephone as authorize_uri", change{"authorize_uri": "tel:191"}, fault.ErrField, "authorize_uri", ""},
		{"data as authorize_uri", change{"authorize_uri": "data:text/html,x"}, fault.ErrField, "authorize_uri", ""},
		{"a file as authorize_uri", change{"authorize_uri": "file:///etc/passwd"}, fault.ErrField, "authorize_uri", ""},
		{"an authorize_uri without a host", change{"authorize_uri": "https:///authorize"}, fault.ErrField, "authorize_uri", ""},
		{"an authorize_uri with only a port", change{"authorize_uri": "https://:443/authorize"}, fault.ErrField, "authorize_uri", ""},
		{"an opaque authorize_uri", change{"authorize_uri": "https:pay.example"}, fault.ErrField, "authorize_uri", ""},
		{"a path as authorize_uri", change{"authorize_uri": "/authorize"}, fault.ErrField, "authorize_uri", ""},
		{"an authorize_uri that isn't one", change{"authorize_uri": "https://pay.example/\n"}, fault.ErrField, "authorize_uri", ""},
		{"no authorize_uri", change{"authorize_uri": nil}, fault.ErrField, "authorize_uri", "get charge"},
		{"another object", change{"object": "card"}, fault.ErrField, "object", ""},
		{"an error", change{"object": "error", "code": "bad_request"}, fault.ErrField, "object", ""},
		{"paid in words", change{"paid": "yes"}, fault.ErrField, "paid", ""},
		{"refunded in words", change{"refunded_amount": "0"}, fault.ErrField, "refunded_amount", ""},
		{"a long amount", change{"amount": json.Number("1" + strings.Repeat("0", 1<<20))}, fault.ErrField, "000", ""},
		{"a source with a long ID", change{"source.id": long}, ksher.ErrOtherOrder, "xxx", "create charge with source,get charge"},
		{"two amounts", change{"Amount": 1}, fault.ErrNotJSON, "twice", ""},
	}
	for _, tt := range tests {
		for _, call := range calls {
			if call.file != "charge.json" || strings.Contains(","+tt.not+",", ","+call.name+",") {
				continue
			}
			t.Run(tt.name+" "+call.name, func(t *testing.T) {
				client := newClient(t, answering(200, edited(t, "charge.json", tt.change)))
				got, err := call.call(t, client)
				require.ErrorIs(t, err, tt.want)
				require.ErrorContains(t, err, tt.text)
				require.Nil(t, got)
				assert.Equal(t, call.moves, errors.Is(err, ksher.ErrOutcomeUnknown))
				failed := checkError(t, err, call.name)
				// What may have been made can be asked for, if it is known.
				id, known := tt.change["id"]
				switch {
				case !call.moves:
					assert.Equal(t, chargeID, failed.ID)
				case tt.want == fault.ErrNotJSON || tt.change["object"] != nil || known && id != "chrg_test_9":
					assert.NotContains(t, failed.ID, "chrg_")
				default:
					assert.Equal(t, chargeID, failed.ID)
				}
			})
		}
	}
	for _, tt := range []struct {
		name   string
		change change
		want   error
	}{
		{"another amount", change{"amount": 123451}, ksher.ErrOtherOrder},
		{"another currency", change{"currency": "JPY"}, ksher.ErrOtherOrder},
		{"another type", change{"type": "promptpay"}, ksher.ErrOtherOrder},
		{"real money", change{"livemode": true}, ksher.ErrOtherOrder},
		{"no ID", change{"id": "x"}, fault.ErrField},
		{"a charge", change{"object": "charge"}, fault.ErrField},
	} {
		t.Run("create source "+tt.name, func(t *testing.T) {
			source, err := newClient(t, answering(200, edited(t, "source.json", tt.change))).CreateSource(t.Context(), sourceRequest())
			require.ErrorIs(t, err, tt.want)
			require.Nil(t, source)
			require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown, "no money hangs on a source")
		})
	}
}

// A buyer may be sent to an app as well as to a page. By http only a local gateway has
// pages.
func TestAuthorizeURI(t *testing.T) {
	for address, remote := range map[string]bool{
		"https://pay.example/authorize": true, "HTTPS://pay.example": true, "kplus://pay?token=1": true, "intent:pay#Intent;end": true,
		"http://pay.example/authorize": false, "http://127.0.0.1:1/authorize": false,
	} {
		t.Run(address, func(t *testing.T) {
			answer := edited(t, "charge.json", map[string]any{"authorize_uri": address})
			charge, err := newClient(t, answering(200, answer)).CreateCharge(t.Context(), chargeRequest())
			require.NoError(t, err)
			require.Equal(t, address, charge.AuthorizeURI)
			client := newFakeClient(t, func(*http.Request) (int, string, error) { return 200, answer, nil })
			_, err = client.CreateCharge(t.Context(), chargeRequest())
			if remote {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, fault.ErrField)
			require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
		})
	}
	// Nobody is sent anywhere for a charge that has ended.
	ended := map[string]any{"status": "successful", "paid": true, "authorize_uri": "javascript:alert(1)"}
	charge, err := newClient(t, answering(200, edited(t, "charge.json", ended))).GetCharge(t.Context(), chargeID)
	require.NoError(t, err)
	require.NoError(t, charge.CheckPaid(amount))
	require.Empty(t, charge.AuthorizeURI)
}

// A charge that failed at once is an answer.
func TestFailedAtOnce(t *testing.T) {
	client := newClient(t, answering(200, edited(t, "charge.json", map[string]any{
		"status": "failed", "failure_code": "invalid_account", "authorize_uri": nil,
	})))
	charge, err := client.CreateCharge(t.Context(), chargeRequest())
	require.NoError(t, err)
	require.ErrorIs(t, charge.CheckPaid(amount), opn.FailureCodeInvalidAccount)
}

// checkError looks at what every error of a call has to be.
func checkError(t *testing.T, err error, operation string) *opn.Error {
	t.Helper()
	var failed *opn.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, operation, failed.Operation)
	assert.Less(t, len(err.Error()), 2000)
	assert.NotContains(t, err.Error(), "\n")
	assert.Contains(t, err.Error(), "opn: "+operation)
	if errors.Is(err, ksher.ErrOutcomeUnknown) {
		assert.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
		assert.Contains(t, err.Error(), "hand nothing out")
	}
	return failed
}

func TestHostileAnswers(t *testing.T) {
	const refusal = `{"object":"error","location":"https://www.omise.co/api-errors#x","code":"bad_request","message":"amount is\nwrong"}`
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	tests := []struct {
		name   string
		status int
		body   string
		want   error
		// known says that nothing was made.
		known bool
	}{
		{"a refusal", 400, refusal, nil, true},
		{"no such key", 401, refusal, nil, true},
		{"too many", 429, refusal, nil, true},
		{"an outage with an error", 500, refusal, fault.ErrHTTPStatus, false},
		{"an error as success", 200, refusal, fault.ErrField, false},
		{"a redirect", 302, refusal, fault.ErrRedirect, false},
		{"an outage", 502, "<html>Bad Gateway</html>", fault.ErrHTTPStatus, false},
		{"a proxy", 403, "<html>blocked</html>", fault.ErrHTTPStatus, false},
		{"an error without code", 400, `{"object":"error","message":"x"}`, fault.ErrHTTPStatus, false},
		{"a charge that is refused", 400, `{"object":"charge","code":"x"}`, fault.ErrHTTPStatus, false},
		{"empty", 200, " \n", fault.ErrEmptyBody, false},
		{"HTML", 200, "<html>", fault.ErrNotJSON, false},
		{"truncated", 200, `{"object":"charge","id":"chrg_te`, fault.ErrTruncatedJSON, false},
		{"an array", 200, "[]", fault.ErrNotJSON, false},
		{"null", 200, "null", fault.ErrNotJSON, false},
		{"not UTF-8", 200, "{\"object\":\"\xff\"}", fault.ErrNotJSON, false},
		{"two objects", 200, "{}{}", fault.ErrNotJSON, false},
		{"an empty object", 200, "{}", fault.ErrField, false},
		{"deep", 200, deep, fault.ErrNotJSON, false},
		{"too large", 200, strings.Repeat(" ", 4<<20) + "{}", fault.ErrTooLarge, false},
	}
	for _, tt := range tests {
		for _, call := range calls {
			t.Run(tt.name+" "+call.name, func(t *testing.T) {
				log := &logBuffer{}
				client := newClient(t, answering(tt.status, tt.body), opn.WithLogger(log.logger()))
				got, err := call.call(t, client)
				require.Error(t, err)
				require.Nil(t, got)
				failed := checkError(t, err, call.name)
				assert.Equal(t, tt.status, failed.HTTPStatus)
				if tt.want == nil {
					require.NoError(t, failed.Err)
					assert.Equal(t, "bad_request", failed.Code)
					assert.Equal(t, "amount is wrong", failed.Message)
					assert.Equal(t, "https://www.omise.co/api-errors#x", failed.Location)
					assert.Contains(t, err.Error(), `Opn answered bad_request ("amount is wrong")`)
				} else {
					require.ErrorIs(t, err, tt.want)
				}
				assert.Equal(t, call.moves && !tt.known, errors.Is(err, ksher.ErrOutcomeUnknown))
				outcome, level := "failed", "WARN"
				switch {
				case call.moves && !tt.known:
					outcome, level = "unknown", "ERROR"
				case tt.known:
					outcome = "refused"
				}
				assert.Contains(t, log.String(), "outcome="+outcome)
				assert.Contains(t, log.String(), "level="+level)
				assert.NotContains(t, log.String(), "amount is", "words may name the buyer")
			})
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the key was handed on") }))
	defer other.Close()
	client := newClient(t, http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	for _, call := range calls {
		_, err := call.call(t, client)
		require.ErrorIs(t, err, fault.ErrRedirect)
	}
}

func TestGetChargeIsRepeated(t *testing.T) {
	const refusal = `{"object":"error","code":"x"}`
	tests := []struct {
		name     string
		statuses []int
		attempts int
		good     bool
	}{
		{"once", []int{200}, 1, true},
		{"an outage", []int{503, 200}, 2, true},
		{"too many", []int{429, 500, 200}, 3, true},
		{"an outage that lasts", []int{500, 500, 500, 200}, 3, false},
		{"a refusal", []int{404, 200}, 1, false},
		{"dropped", []int{0, 200}, 2, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var requests atomic.Int64
			client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				status := tt.statuses[requests.Add(1)-1]
				switch status {
				case 0:
					panic(http.ErrAbortHandler)
				case 200:
					io.WriteString(w, edited(t, "charge.json", nil))
				default:
					w.WriteHeader(status)
					io.WriteString(w, refusal)
				}
			}), opn.WithRetry(3, 0))
			charge, err := client.GetCharge(t.Context(), chargeID)
			assert.EqualValues(t, tt.attempts, requests.Load())
			if !tt.good {
				require.Error(t, err)
				if tt.attempts > 1 {
					assert.ErrorContains(t, err, fmt.Sprintf("(the last of %d attempts)", tt.attempts))
				}
				return
			}
			require.NoError(t, err)
			assert.Equal(t, chargeID, charge.ID)
		})
	}
}

func TestCreatingIsNeverRepeated(t *testing.T) {
	for _, call := range calls[:3] {
		var requests atomic.Int64
		client := newClient(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			requests.Add(1)
			panic(http.ErrAbortHandler)
		}), opn.WithRetry(10, 0))
		_, err := call.call(t, client)
		require.Error(t, err)
		assert.EqualValues(t, 1, requests.Load(), call.name)
		assert.Equal(t, call.moves, errors.Is(err, ksher.ErrOutcomeUnknown), call.name)
	}
}

// roundTrip is a transport without any network, for synctest.
type roundTrip func(*http.Request) (int, string, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body, err := f(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
}

func newFakeClient(t *testing.T, f roundTrip, opts ...opn.Option) *opn.Client {
	t.Helper()
	client, err := opn.NewClient(publicKey, secretKey, append([]opn.Option{opn.WithHTTPClient(&http.Client{Transport: f})}, opts...)...)
	require.NoError(t, err)
	return client
}

func TestContextAndTimeout(t *testing.T) {
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newFakeClient(t, func(r *http.Request) (int, string, error) {
					<-r.Context().Done()
					return 0, "", r.Context().Err()
				}, opn.WithTimeout(7*time.Second))
				start := time.Now()
				_, err := call.call(t, client)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, 7*time.Second, time.Since(start))
				assert.Equal(t, call.moves, errors.Is(err, ksher.ErrOutcomeUnknown))
			})
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	client := newFakeClient(t, func(*http.Request) (int, string, error) {
		t.Error("it was sent")
		return 500, "", nil
	})
	_, err := client.CreateCharge(ctx, chargeRequest())
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown, "nothing was sent")
	require.ErrorContains(t, err, "nothing was sent")
}

func TestStoppedBetweenRepetitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		client := newFakeClient(t, func(*http.Request) (int, string, error) {
			time.AfterFunc(time.Nanosecond, cancel)
			return 503, "", nil
		}, opn.WithRetry(3, 10*time.Second))
		_, err := client.GetCharge(ctx, chargeID)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, fault.ErrHTTPStatus)
		require.ErrorContains(t, err, "it was not repeated")
	})
}

// A refusal that isn't repeated for want of time has no other cause to tell of.
func TestTooManyAndNoTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		client := newFakeClient(t, func(*http.Request) (int, string, error) {
			time.AfterFunc(time.Nanosecond, cancel)
			return 429, `{"object":"error","code":"too_many_requests","message":"slow down"}`, nil
		}, opn.WithRetry(3, 10*time.Second))
		_, err := client.GetCharge(ctx, chargeID)
		require.ErrorIs(t, err, context.Canceled)
		require.EqualError(t, err, `opn: get charge "`+chargeID+`": Opn answered too_many_requests ("slow down"): it was not repeated: context canceled (HTTP 429)`)
	})
}

func TestNothingSentIsNoDoubt(t *testing.T) {
	client, err := opn.NewClient(publicKey, secretKey, opn.WithBaseURL("http://127.0.0.1:1"), opn.WithRetry(1, 0))
	require.NoError(t, err)
	for _, call := range calls {
		_, err := call.call(t, client)
		require.ErrorContains(t, err, "nothing was sent")
		require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
	}
}

// Every way for a key into an error or a log: the other side says it back.
func TestKeysAreNeverShown(t *testing.T) {
	encoded := func(key string) string { return base64.StdEncoding.EncodeToString([]byte(key + ":")) }
	all := strings.Join([]string{secretKey, publicKey, "Basic " + encoded(secretKey), encoded(publicKey)}, " ")
	// At the place where texts are cut short, too.
	pad := strings.Repeat("x", 180) + " "
	raw := func(head string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				io.WriteString(conn, head)
				conn.Close()
			}
		})
	}
	answers := map[string]http.Handler{
		"a refusal":    answering(400, fmt.Sprintf(`{"object":"error","code":%q,"message":%q,"location":%q}`, all, pad+all, pad+all)),
		"an outage":    answering(500, pad+all),
		"long":         answering(500, all+pad),
		"an escape":    answering(400, `{"object":"error","code":"x","message":"\u0073key`+secretKey[4:]+`"}`),
		"two escapes":  answering(400, `{"object":"error","code":"x","message":"\\u0073key`+secretKey[4:]+`"}`),
		"a cut escape": answering(400, `{"object":"error","code":"x","message":"`+pad+`\u0073key`+secretKey[4:]+`"}`),
		"an escaped member": answering(200, strings.Replace(edited(t, "charge.json", map[string]any{"currency": "KEY"}),
			"KEY", `skey\u005Ftest_`+secretKey[10:], 1)),
		"an escaped currency": answering(200, strings.Replace(edited(t, "charge.json", map[string]any{"currency": "KEY"}),
			"KEY", pad+`skey_test_\u0073`+secretKey[11:], 1)),
		"an escaped header": answering(200, strings.Replace(edited(t, "charge.json", map[string]any{"source.currency": "KEY"}),
			"KEY", fmt.Sprintf(`%s\u00%x%s`, pad, encoded(secretKey)[0], encoded(secretKey)[1:]), 1)),
		"not JSON":       answering(200, all),
		"another object": answering(200, fmt.Sprintf(`{"object":%q}`, all)),
		"a member":       answering(200, edited(t, "charge.json", map[string]any{"source.type": all, "status": all, "id": all})),
		"a currency":     answering(200, edited(t, "charge.json", map[string]any{"currency": pad + all})),
		"another source": answering(200, edited(t, "charge.json", map[string]any{"source.type": pad + all, "source.currency": all})),
		"a duplicate":    answering(200, fmt.Sprintf(`{%q:1,%q:2}`, all, all)),
		"a bad header":   raw("HTTP/1.1 200 OK\r\n" + pad + all + "\r\n\r\n"),
		"a bad status":   raw(pad[:150] + all + "\r\n\r\n"),
		"a bad length":   raw("HTTP/1.1 200 OK\r\nContent-Length: " + all + "\r\n\r\n"),
		"a redirect":     http.RedirectHandler("/"+all, http.StatusFound),
		"cut off":        raw("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + all),
	}
	check := func(t *testing.T, texts ...string) {
		t.Helper()
		for _, text := range texts {
			// A good part of a key is as bad as all of it.
			for _, part := range []string{"secret", "public", secretKey[:14], encoded(secretKey)[:16], encoded(secretKey)[16:24], encoded(publicKey)[:16]} {
				assert.NotContains(t, text, part)
			}
		}
	}
	for name, handler := range answers {
		t.Run(name, func(t *testing.T) {
			log := &logBuffer{}
			client := newClient(t, handler, opn.WithLogger(log.logger()))
			for _, call := range calls {
				_, err := call.call(t, client)
				require.Error(t, err)
				var failed *opn.Error
				require.ErrorAs(t, err, &failed)
				check(t, err.Error(), fmt.Sprintf("%v", err), fmt.Sprintf("%q", failed.Code+failed.Message+failed.Location), fmt.Sprint(failed.Err))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err := waitFor(ctx, client, chargeID, amount)
			require.Error(t, err)
			check(t, err.Error())
			rec := httptest.NewRecorder()
			expecting(t, client, func(context.Context, *opn.Charge) error { return nil }).ServeHTTP(rec,
				httptest.NewRequest("POST", "/", strings.NewReader(event(chargeID))))
			check(t, rec.Body.String(), log.String())
			assert.Contains(t, log.String(), "opn event refused")
		})
	}
	t.Run("of an event", func(t *testing.T) {
		log := &logBuffer{}
		client := newClient(t, answering(500, ""), opn.WithLogger(log.logger()))
		for _, body := range []string{all, fmt.Sprintf(`{%q:1,%q:2}`, all, all), event(all), fmt.Sprintf(`{"key":%q}`, all)} {
			rec := httptest.NewRecorder()
			expecting(t, client, func(context.Context, *opn.Charge) error { return nil }).ServeHTTP(rec, httptest.NewRequest("POST", "/", strings.NewReader(body)))
			check(t, rec.Body.String())
		}
		check(t, log.String())
	})
	t.Run("of the client", func(t *testing.T) {
		log := &logBuffer{}
		client := newClient(t, answering(500, ""), opn.WithLogger(log.logger()))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			check(t, fmt.Sprintf(verb, client), fmt.Sprintf(verb, *client), fmt.Sprintf(verb, []any{client, *client}), fmt.Sprintf(verb, struct{ C *opn.Client }{client}))
			// fmt can't call Format there.
			for _, hidden := range []any{struct{ c opn.Client }{*client}, &struct{ c opn.Client }{*client}, struct{ c *opn.Client }{client}, []any{struct{ c [1]opn.Client }{[1]opn.Client{*client}}}} {
				text := fmt.Sprintf(verb, hidden)
				check(t, text)
				for _, key := range []string{secretKey, publicKey} {
					for _, form := range []string{"%x", "%X"} {
						assert.NotContains(t, text, fmt.Sprintf(form, key))
					}
				}
			}
		}
		slog.New(slog.NewJSONHandler(log, nil)).Info("x", "client", client, "copy", *client)
		slog.New(slog.NewTextHandler(log, nil)).Info("x", "client", client, "copy", *client)
		check(t, log.String())
		assert.Equal(t, "opn.Client(test)", fmt.Sprint(client))
	})
}

func TestLog(t *testing.T) {
	log := &logBuffer{}
	client := newClient(t, answering(200, edited(t, "charge.json", nil)), opn.WithLogger(log.logger()))
	_, err := client.CreateCharge(t.Context(), chargeRequest())
	require.NoError(t, err)
	assert.Contains(t, log.String(), `level=INFO msg="opn call" operation="create charge" id=`+chargeID+" attempt=1 duration=")
	assert.Contains(t, log.String(), " outcome=ok\n")
	assert.NotContains(t, log.String(), "pay2_", "whoever has the address can pay")
}

func TestAtTheSameTime(t *testing.T) {
	gw, client := gateway(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				charge, err := client.CreateChargeWithSource(t.Context(), bothRequest())
				if !assert.NoError(t, err) {
					return
				}
				assert.NoError(t, gw.PayOpn(charge.ID))
				charge, err = waitFor(t.Context(), client, charge.ID, amount)
				assert.NoError(t, err)
				assert.Equal(t, opn.StatusSuccessful, charge.Status)
			}
		})
	}
	group.Wait()
	ids := map[string]bool{}
	for _, charge := range gw.OpnCharges() {
		ids[charge.ID] = true
	}
	assert.Len(t, ids, 40)
}

package opn_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/opn"
)

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
	testkit.Holds(t, testkit.Documented, "opn: authorize_uri is a page or a link into the bank's app")
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

func TestHostileAnswers(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "opn: an error is an object with code, message and location, and a status of 4xx")
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

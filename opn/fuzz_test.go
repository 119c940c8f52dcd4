package opn_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/opn"
)

// FuzzEvent hands anything to the handler. Whatever it is, the gateway is asked
// about nothing but a charge that encoding/json sees in it, too, and the
// merchant's function gets the gateway's charge.
func FuzzEvent(f *testing.F) {
	for _, seed := range []string{
		"", "{", "{}", "null", "[]", "\xff", event(chargeID), event("chrg_x"), event("../sources"), event(""),
		`{"key":"charge.create"}`, `{"key":"charge.complete","data":{"object":"charge","id":"chrg_1","id":"chrg_2"}}`,
		`{"key":"charge.complete","data":[]}`, `{"k\u0065y":"charge.complete","data":{"object":"charge","id":"chrg_\u0031"}}`,
		`{"Key":"charge.complete","data":{"object":"charge","ID":"chrg_1"}}`,
	} {
		f.Add(seed)
	}
	charge := edited(f, "charge.json", paid)
	f.Fuzz(func(t *testing.T, body string) {
		asked, called := "", 0
		client := newFakeClient(t, func(r *http.Request) (int, string, error) {
			if asked != "" {
				require.Equal(t, asked, r.URL.Path, "about one charge only")
			}
			asked = r.URL.Path
			return 200, charge, nil
		}, opn.WithRetry(1, 0))
		handler := expecting(t, client, func(_ context.Context, c *opn.Charge) error {
			called++
			require.Equal(t, chargeID, c.ID)
			return nil
		})
		status := post(handler, body).Code
		require.Contains(t, []int{200, 400, 413, 503}, status)
		if asked == "" {
			require.Zero(t, called)
			require.NotEqual(t, 503, status)
			return
		}
		var said struct {
			Key  string
			Data struct{ Object, ID string }
		}
		require.NoError(t, json.Unmarshal([]byte(body), &said))
		require.Equal(t, "charge.complete", said.Key)
		require.Equal(t, "/charges/"+said.Data.ID, asked)
		require.Equal(t, asked, (&url.URL{Path: asked}).EscapedPath(), "nothing that needs escaping")
		require.Equal(t, status == 200, called == 1)
		require.Equal(t, said.Data.ID == chargeID, called == 1)
	})
}

// bodyErrors are what may be wrong with an answer.
var bodyErrors = []error{
	fault.ErrHTTPStatus, fault.ErrRedirect, fault.ErrEmptyBody, fault.ErrNotJSON, fault.ErrTruncatedJSON, fault.ErrField, ksher.ErrOtherOrder,
}

// FuzzAnswer reads anything with any status: a charge, an error object, or
// neither.
func FuzzAnswer(f *testing.F) {
	for status, seeds := range map[int][]string{
		200: {"", "{}", "null", edited(f, "charge.json", nil), edited(f, "charge.json", paid), `{"object":"charge","id":"chrg_1"}`},
		404: {`{"object":"error","location":"https://www.omise.co/api-errors#not-found","code":"not_found","message":"charge was not found"}`,
			`{"object":"error","code":""}`, `{"object":"error","code":"a\nb","message":"\u202e"}`, `{"object":"error","code":1}`, "<html>"},
		500: {`{"object":"error","code":"x"}`, "\xff\x00"},
		301: {""},
	} {
		for _, seed := range seeds {
			f.Add(status, seed)
		}
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		client := newFakeClient(t, func(*http.Request) (int, string, error) { return status, body, nil }, opn.WithRetry(1, 0))
		charge, err := client.CreateCharge(t.Context(), chargeRequest())
		if err == nil {
			require.Less(t, status, 300)
			require.Equal(t, amount, charge.Amount)
			require.Equal(t, sourceID, charge.Source.ID)
			require.JSONEq(t, body, string(charge.Raw))
			return
		}
		require.Nil(t, charge)
		failed := checkError(t, err, "create charge")
		for _, text := range []string{failed.Code, failed.Message, failed.Location} {
			require.LessOrEqual(t, utf8.RuneCountInString(text), 201)
			require.Equal(t, -1, strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' }))
		}
		if failed.Err == nil {
			require.NotEmpty(t, failed.Code)
			require.Equal(t, 4, status/100)
			require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
			var said struct{ Object, Code string }
			require.NoError(t, json.Unmarshal([]byte(body), &said))
			require.Equal(t, "error", said.Object)
			return
		}
		require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
		require.True(t, slices.ContainsFunc(bodyErrors, func(e error) bool { return errors.Is(err, e) }), "%v", err)
	})
}

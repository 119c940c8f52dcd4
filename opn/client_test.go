package opn_test

import (
	"context"
	"crypto/tls"
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
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/opn"
)

func TestKeys(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "opn: keys begin with pkey_ and skey_, with test_ behind that in test mode")
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
		"WithHook: the hook is nil":          opn.WithHook(nil),
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

func insecure() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
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

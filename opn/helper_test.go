package opn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/opn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	publicKey = "pkey_test_public0123456789"
	secretKey = "skey_test_secret0123456789"

	sourceID  = "src_test_0000000000000000002"
	chargeID  = "chrg_test_0000000000000000003"
	returnURI = "https://shop.example/orders/A-1001/complete"

	amount ksher.Amount = 1234_50
)

// edited is a file of testdata with other members: a name, as in
// "source.amount", to a value. Nothing is left out, except by the value missing.
func edited(tb testing.TB, file string, members map[string]any) string {
	tb.Helper()
	text, err := os.ReadFile("testdata/" + file)
	require.NoError(tb, err)
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	require.NoError(tb, decoder.Decode(&object))
	for name, value := range members {
		target := object
		if outer, inner, ok := strings.Cut(name, "."); ok {
			target, name = object[outer].(map[string]any), inner
		}
		if target[name] = value; value == missing {
			delete(target, name)
		}
	}
	text, err = json.Marshal(object)
	require.NoError(tb, err)
	return string(text)
}

// missing is the value of a member to leave out.
var missing any = struct{ missing bool }{true}

// paid are the members of a charge that was paid.
var paid = map[string]any{"status": "successful", "paid": true, "authorized": true, "paid_at": "2026-11-21T10:03:00Z"}

// answering is a handler that always answers the same.
func answering(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

// newClient returns a client whose requests go to the handler, and which doesn't
// repeat queries.
func newClient(tb testing.TB, handler http.Handler, opts ...opn.Option) *opn.Client {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	opts = append([]opn.Option{opn.WithHTTPClient(server.Client()), opn.WithBaseURL(server.URL), opn.WithRetry(1, 0)}, opts...)
	client, err := opn.NewClient(publicKey, secretKey, opts...)
	require.NoError(tb, err)
	return client
}

// gateway is a local gateway with a client for it.
func gateway(tb testing.TB, opts ...opn.Option) (*sandbox.Gateway, *opn.Client) {
	tb.Helper()
	gw := sandbox.New(tb)
	client, err := gw.NewOpnClient(opts...)
	require.NoError(tb, err)
	return gw, client
}

func sourceRequest() *opn.CreateSourceRequest {
	return &opn.CreateSourceRequest{Amount: amount, Currency: "THB", PlatformType: opn.PlatformTypeIOS}
}

func chargeRequest() *opn.CreateChargeRequest {
	return &opn.CreateChargeRequest{Amount: amount, Currency: "THB", ReturnURI: returnURI, Source: sourceID}
}

func bothRequest() *opn.CreateChargeWithSourceRequest {
	return &opn.CreateChargeWithSourceRequest{Amount: amount, Currency: "THB", ReturnURI: returnURI, PlatformType: opn.PlatformTypeAndroid}
}

// calls are all that a client can do, each with a good request.
var calls = []struct {
	name, method, path, key string
	// file has a good answer.
	file string
	// moves says that a charge is made.
	moves bool
	call  func(testing.TB, *opn.Client) (any, error)
}{
	{"create source", "POST", "/sources", publicKey, "source.json", false, func(tb testing.TB, c *opn.Client) (any, error) {
		return nilled(c.CreateSource(tb.Context(), sourceRequest()))
	}},
	{"create charge", "POST", "/charges", secretKey, "charge.json", true, func(tb testing.TB, c *opn.Client) (any, error) {
		return nilled(c.CreateCharge(tb.Context(), chargeRequest()))
	}},
	{"create charge with source", "POST", "/charges", secretKey, "charge.json", true, func(tb testing.TB, c *opn.Client) (any, error) {
		return nilled(c.CreateChargeWithSource(tb.Context(), bothRequest()))
	}},
	{"get charge", "GET", "/charges/" + chargeID, secretKey, "charge.json", false, func(tb testing.TB, c *opn.Client) (any, error) {
		return nilled(c.GetCharge(tb.Context(), chargeID))
	}},
}

// nilled makes a nil pointer a plain nil.
func nilled[T any](v *T, err error) (any, error) {
	if v == nil {
		return nil, err
	}
	return v, err
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// waitFor waits for a charge over that amount.
func waitFor(ctx context.Context, client *opn.Client, id string, amount ksher.Amount) (*opn.Charge, error) {
	p, err := opn.NewPayments(client, func(context.Context, *opn.Charge) error { return nil })
	if err != nil {
		return nil, err
	}
	return p.Wait(ctx, opn.OpenOrder{ChargeID: id, Amount: amount})
}

// expecting is the handler of a shop that expects every charge to be over the same amount.
func expecting(tb testing.TB, client *opn.Client, fn func(context.Context, *opn.Charge) error, opts ...opn.PaymentsOption) *opn.Notifications {
	tb.Helper()
	p, err := opn.NewPayments(client, fn, opts...)
	require.NoError(tb, err)
	n, err := p.Notifications(func(_ context.Context, id string) (opn.OpenOrder, error) {
		return opn.OpenOrder{ChargeID: id, Amount: amount}, nil
	})
	require.NoError(tb, err)
	return n
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

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the line is down") }

package testkit

import (
	"cmp"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

// Cut sends these bytes as the whole of the answer and cuts the connection.
func Cut(w http.ResponseWriter, bytes string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	io.WriteString(conn, bytes)
	conn.Close()
}

// OverTransport is a client with the default addresses.
func OverTransport(tb testing.TB, transport http.RoundTripper, opts ...ksher.Option) *ksher.Client {
	tb.Helper()
	client, err := ksher.NewClient(AppID, RSAKey(tb, 1024),
		append([]ksher.Option{ksher.WithHTTPClient(&http.Client{Transport: transport}), TrustTestKey(tb), ksher.WithRetry(1, 0)}, opts...)...)
	require.NoError(tb, err)
	return client
}

type RoundTripFunc func(*http.Request) (*http.Response, error)

func (f RoundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Recorder is a handler that notes every request and its parameters before it
// hands it on.
type Recorder struct {
	Next     http.Handler
	mu       sync.Mutex
	requests []*http.Request
}

func Recording(next http.Handler) *Recorder { return &Recorder{Next: next} }

func (rec *Recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := r.ParseForm()
	rec.mu.Lock()
	rec.requests = append(rec.requests, r)
	rec.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	rec.Next.ServeHTTP(w, r)
}

func (rec *Recorder) Count() int {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return len(rec.requests)
}

func (rec *Recorder) All() []*http.Request {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return slices.Clone(rec.requests)
}

// Only is the one request that came.
func (rec *Recorder) Only(tb testing.TB) *http.Request {
	tb.Helper()
	all := rec.All()
	require.Len(tb, all, 1, "requests sent")
	return all[0]
}

// HandlerTransport answers requests by a handler without any network, so that
// a test can use the real addresses.
type HandlerTransport struct{ Handler http.Handler }

func (h HandlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.Handler.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, r.Body.Close()
}

// OfflineClient has the default addresses, and the handler in the network's
// place. It doesn't repeat queries.
func OfflineClient(tb testing.TB, appID string, handler http.Handler, opts ...ksher.Option) *ksher.Client {
	tb.Helper()
	opts = append([]ksher.Option{ksher.WithHTTPClient(&http.Client{Transport: HandlerTransport{handler}}), ksher.WithRetry(1, 0)}, opts...)
	client, err := ksher.NewClient(appID, RSAKey(tb, 1024), opts...)
	require.NoError(tb, err)
	return client
}

func TrustTestKey(tb testing.TB) ksher.Option {
	return ksher.WithVerifier(NewVerifier(&RSAKey(tb, 1024).PublicKey))
}

// RequireSigned checks the signature of a request as the gateway would.
func RequireSigned(tb testing.TB, form url.Values, key *rsa.PublicKey) {
	tb.Helper()
	var pairs []string
	for name, values := range form {
		require.Len(tb, values, 1, name)
		if name != "sign" {
			pairs = append(pairs, name+"="+values[0])
		}
	}
	slices.Sort(pairs)
	digest := md5.Sum([]byte(strings.Join(pairs, "")))
	require.Regexp(tb, "^[0-9a-f]+$", form.Get("sign"))
	require.Len(tb, form.Get("sign"), 2*key.Size())
	sig, ok := new(big.Int).SetString(form.Get("sign"), 16)
	require.True(tb, ok)
	// PKCS #1 v1.5 by hand, because crypto/rsa takes no key under 1024 bits.
	const digestInfo = "3020300c06082a864886f70d020505000410"
	padding := strings.Repeat("ff", key.Size()-3-len(digestInfo)/2-len(digest))
	encoded := new(big.Int).Exp(sig, big.NewInt(int64(key.E)), key.N)
	require.Equal(tb, "1"+padding+"00"+digestInfo+hex.EncodeToString(digest[:]), encoded.Text(16))
}

// RequireParameters checks that a request has just these parameters, besides
// those that every request carries. One that has mch_appid needs no appid.
func RequireParameters(tb testing.TB, r *http.Request, want map[string]string) {
	tb.Helper()
	got := map[string]string{}
	for name := range r.PostForm {
		got[name] = r.PostForm.Get(name)
	}
	appID := "appid"
	if r.PostForm.Has("mch_appid") {
		appID = "mch_appid"
	}
	for _, name := range []string{appID, "nonce_str", "time_stamp", "sign"} {
		require.NotEmpty(tb, got[name], name)
		delete(got, name)
	}
	require.Equal(tb, want, got)
	RequireSigned(tb, r.PostForm, &RSAKey(tb, 1024).PublicKey)
}

// HSM stands for a key that never leaves its device.
type HSM struct {
	Key *rsa.PrivateKey
	Err error
}

func (h *HSM) Public() crypto.PublicKey { return h.Key.Public() }

func (h *HSM) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if h.Err != nil {
		return nil, h.Err
	}
	return h.Key.Sign(random, digest, opts)
}

// DefaultTransportClient sends through the transport that all clients share, and
// doesn't repeat queries.
func DefaultTransportClient(tb testing.TB, handler http.Handler, opts ...ksher.Option) *ksher.Client {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	client, err := ksher.NewClient(AppID, RSAKey(tb, 1024), append([]ksher.Option{
		ksher.WithGatewayURL(server.URL), ksher.WithMerchantURL(server.URL), TrustTestKey(tb), ksher.WithRetry(1, 0),
	}, opts...)...)
	require.NoError(tb, err)
	return client
}

// ByOperation answers each operation by its own handler.
type ByOperation map[string]http.Handler

func (b ByOperation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, ok := b[path.Base(r.URL.Path)]
	if !ok {
		http.Error(w, "no such operation in this test", http.StatusNotImplemented)
		return
	}
	handler.ServeHTTP(w, r)
}

// Repeating answers with that data, and with the terms of the request.
func Repeating(tb testing.TB, data map[string]any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := maps.Clone(data)
		// What a request leaves out, an answer has all the same.
		for name, value := range map[string]string{"mch_order_no": "order1", "total_fee": "100", "fee_type": "THB", "mch_refund_no": "refund1", "refund_fee": "100"} {
			data[name] = cmp.Or(r.PostForm.Get(name), value)
		}
		text, err := json.Marshal(data)
		assert.NoError(tb, err)
		Answering(200, SignedAnswer(tb, string(text))).ServeHTTP(w, r)
	})
}

// Package testkit is what the tests of the root package and of tests share:
// the operations, a gateway to call, and what the gateway signs.
package testkit

import (
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

const AppID = "mch12345"

// RSAKey reads a key of testdata with the standard library alone.
func RSAKey(tb testing.TB, bits int) *rsa.PrivateKey {
	tb.Helper()
	text, err := os.ReadFile(Path(tb, fmt.Sprintf("testdata/keys/rsa%d.pkcs1.pem", bits)))
	require.NoError(tb, err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(tb, err)
	return key
}

// PeerSign signs a data object as the gateway does, written a second time and
// in another way than the package does it: with maps, encoding/json and
// crypto/rsa.
func PeerSign(tb testing.TB, key *rsa.PrivateKey, data string) string {
	tb.Helper()
	var members map[string]json.RawMessage
	require.NoError(tb, json.Unmarshal([]byte(data), &members))
	var pairs []string
	for name, raw := range members {
		var value any
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		require.NoError(tb, decoder.Decode(&value))
		text, isString := value.(string)
		if !isString {
			var compact bytes.Buffer
			encoder := json.NewEncoder(&compact)
			encoder.SetEscapeHTML(false)
			require.NoError(tb, encoder.Encode(value))
			text = strings.TrimSuffix(compact.String(), "\n")
		}
		if name != "sign" {
			pairs = append(pairs, name+"="+text)
		}
	}
	slices.Sort(pairs)
	digest := md5.Sum([]byte(strings.Join(pairs, "")))
	sig, err := key.Sign(nil, digest[:], crypto.MD5)
	require.NoError(tb, err)
	return hex.EncodeToString(sig)
}

// SignedAnswer is an envelope with that data, signed by the 1024-bit test key.
func SignedAnswer(tb testing.TB, data string) string {
	tb.Helper()
	return fmt.Sprintf(`{"code":0,"msg":"ok","status_code":"","status_msg":"","version":"3.0.0","time_stamp":"2026-11-21T10:00:00+08:00","data":%s,"sign":%q}`,
		data, PeerSign(tb, RSAKey(tb, 1024), data))
}

// NewClient returns a client whose requests go to the handler, which believes
// the 1024-bit test key and doesn't repeat queries.
func NewClient(tb testing.TB, handler http.Handler, opts ...ksher.Option) *ksher.Client {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	opts = append([]ksher.Option{
		ksher.WithHTTPClient(server.Client()),
		ksher.WithGatewayURL(server.URL + "/api"),
		ksher.WithMerchantURL(server.URL + "/KsherPay"),
		ksher.WithVerifier(NewVerifier(&RSAKey(tb, 1024).PublicKey)),
		ksher.WithRetry(1, 0),
	}, opts...)
	client, err := ksher.NewClient(AppID, RSAKey(tb, 1024), opts...)
	require.NoError(tb, err)
	return client
}

// Answering is a handler that always answers the same.
func Answering(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, SignedFor(r, body))
	})
}

// Parts names what is signed of the data, by operation. Every other operation
// signs all of it.
var Parts = map[string][]string{
	"merchant_info":       {"mobile", "mch_id", "account_type", "business_mode", "nonce_str"},
	"get_settlement_info": {"begin_date", "end_date", "nonce_str"},
}

// SignedFor is the body of a signedAnswer, which doesn't know what it will be the
// answer to, with the signature that belongs to the request's operation. Anything
// else is left as it is.
func SignedFor(r *http.Request, body string) string {
	part := Parts[path.Base(r.URL.Path)]
	var envelope struct {
		Data map[string]json.RawMessage
		Sign string
	}
	if part == nil || json.Unmarshal([]byte(strings.TrimPrefix(body, "\ufeff")), &envelope) != nil {
		return body
	}
	sign := func() string {
		text, err := json.Marshal(envelope.Data)
		require.NoError(panics{}, err)
		return PeerSign(panics{}, RSAKey(panics{}, 1024), string(text))
	}
	if whole := sign(); !strings.EqualFold(envelope.Sign, whole) {
		return body
	}
	maps.DeleteFunc(envelope.Data, func(name string, _ json.RawMessage) bool { return !slices.Contains(part, name) })
	return strings.Replace(body, envelope.Sign, sign(), 1)
}

// panics stands for the test where there is none at hand.
type panics struct{ testing.TB }

func (panics) Helper() {}

func (panics) Errorf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

func (panics) FailNow() { panic("failed") }

// NewVerifier makes a verifier of keys that are good.
func NewVerifier(keys ...*rsa.PublicKey) *ksher.Verifier {
	v, err := ksher.NewVerifier(keys...)
	if err != nil {
		panic(err)
	}
	return v
}

// Path finds a file by its path from the root of the module, whichever package's
// directory a test runs in.
func Path(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := os.Getwd()
	require.NoError(tb, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, name)
		}
		require.NotEqual(tb, filepath.Dir(dir), dir, "no go.mod above the test")
		dir = filepath.Dir(dir)
	}
}

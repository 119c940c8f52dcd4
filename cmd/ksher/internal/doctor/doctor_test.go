package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/doctor"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// clinic is an integration, all of it well to begin with, whose names lead to a local gateway.
type clinic struct {
	doctor.Settings
	doctor.World
	t    *testing.T
	gw   *sandbox.Gateway
	opts []ksher.Option
	// at has where connections to a host go, "" for the gateway.
	at map[string]string
}

const appID = "mch12345"

func keyFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "testdata", "keys", name))
	require.NoError(t, err)
	return text
}

func open(t *testing.T) *clinic {
	t.Helper()
	gw, err := sandbox.Start(sandbox.WithMerchant(appID, sandbox.Terms{PublicKey: string(keyFile(t, "rsa2048.pkix.pem"))}))
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	server := httptest.NewUnstartedServer(gw.Handler())
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	c := &clinic{t: t, gw: gw, at: map[string]string{}, opts: []ksher.Option{ksher.WithVerifier(sandbox.Verifier())}}
	c.Settings = doctor.Settings{
		AppID: appID, Key: keyFile(t, "rsa2048.pkcs1.pem"), KeyFrom: "KSHER_PRIVATE_KEY",
		GatewayURL: "https://example.com/api", MerchantURL: "https://www.example.com/KsherPay",
	}
	c.Client = func(through *http.Client, opts ...ksher.Option) (*ksher.Client, error) {
		key, err := ksher.ParsePrivateKey(c.Key)
		require.NoError(t, err)
		all := append([]ksher.Option{ksher.WithHTTPClient(through), ksher.WithGatewayURL(c.GatewayURL), ksher.WithMerchantURL(c.MerchantURL)}, c.opts...)
		return ksher.NewClient(c.AppID, key, append(all, opts...)...)
	}
	c.World = doctor.RealWorld(5 * time.Second)
	c.Roots = x509.NewCertPool()
	c.Roots.AddCert(server.Certificate())
	c.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	c.Resolve = func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil }
	c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		require.NoError(t, err)
		to := c.at[host]
		if to == "" {
			to = server.Listener.Addr().String()
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
	return c
}

// examine returns what was found wanting, by its name.
func (c *clinic) examine(ctx context.Context) map[string]doctor.Check {
	found := make(map[string]doctor.Check)
	seen := make(map[string]bool)
	doctor.Examine(ctx, c.Settings, c.World, func(check doctor.Check) {
		assert.False(c.t, seen[check.Name], check.Name)
		seen[check.Name] = true
		assert.NotEmpty(c.t, check.Tried, check.Name)
		assert.NotEmpty(c.t, check.Came, check.Name)
		assert.Equal(c.t, check.Status == doctor.Warn || check.Status == doctor.Fail, check.Do != "", "%s: what has to be done is said if something has: %+v", check.Name, check)
		text, err := json.Marshal(check)
		require.NoError(c.t, err)
		assert.NotContains(c.t, string(text), "hunter2")
		assert.NotRegexp(c.t, "[0-9a-f]{64}", string(text), "no signature")
		if check.Status != doctor.OK {
			found[check.Name] = check
		}
	})
	return found
}

// serve lets a host be answered by a handler, over TLS that is trusted, or over plain HTTP.
func (c *clinic) serve(host string, plain bool, h http.HandlerFunc) {
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = quiet()
	if plain {
		server.Start()
	} else {
		server.StartTLS() // With the same certificate as the gateway.
	}
	c.t.Cleanup(server.Close)
	c.at[host] = server.Listener.Addr().String()
}

// silence is the patience with who doesn't answer: enough for those who do.
const silence = 2 * time.Second

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// selfSigned is a certificate that nobody has signed.
func selfSigned(t *testing.T, host string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	about := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// deadAddress is one on which nobody listens.
func deadAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// changed lets the gateway's answers be changed on the way.
func (c *clinic) changed(change func(body string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		record := httptest.NewRecorder()
		c.gw.Handler().ServeHTTP(record, r)
		io.WriteString(w, change(record.Body.String()))
	}
}

// renamed lets the gateway answer at another path.
func (c *clinic) renamed(path, to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, path); ok {
			r.URL.Path = to + rest
		}
		c.gw.Handler().ServeHTTP(w, r)
	}
}

// wanting is a check that isn't ok, with a part of what it says of it and of what to do.
type wanting struct {
	status   doctor.Status
	came, do string
}

// after are the checks that aren't tried because one has failed.
func after(cause string, names ...string) map[string]wanting {
	all := make(map[string]wanting)
	for _, n := range names {
		all[n] = wanting{doctor.NotTried, "not tried, because " + cause + " failed", ""}
	}
	return all
}

// test examines an integration for each of the changes.
func test(t *testing.T, tests map[string]broken) {
	t.Helper()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			if tt.change != nil {
				tt.change(c)
			}
			found := c.examine(t.Context())
			want := tt.skips
			if want == nil {
				want = make(map[string]wanting)
			}
			if tt.check != "" {
				want[tt.check] = tt.wanting
			}
			for name, w := range want {
				assert.Equal(t, w.status, found[name].Status, "%s: %+v", name, found[name])
				assert.Contains(t, found[name].Came, w.came, name)
				assert.Contains(t, found[name].Do, w.do, name)
				delete(found, name)
			}
			assert.Empty(t, found, "all else is well")
		})
	}
}

// broken is a way in which an integration can be broken, and what is found then.
type broken struct {
	change func(c *clinic)
	check  string
	wanting
	skips map[string]wanting
}

var queries = []string{"gateway-query", "merchant-query", "account"}

func TestSettings(t *testing.T) {
	refused := func(err string) func(*clinic) {
		return func(c *clinic) { c.KeyErr = errors.New(err) }
	}
	key := func(name string) func(*clinic) {
		return func(c *clinic) { c.Key = keyFile(c.t, name) }
	}
	of := func(private, public string) func(*clinic) {
		return func(c *clinic) {
			c.AppID, c.Key = "mch54321", keyFile(c.t, private)
			_, err := c.gw.AddMerchant(c.AppID, sandbox.Terms{PublicKey: string(keyFile(c.t, public))})
			require.NoError(c.t, err)
		}
	}
	withoutKey := after("key", append(queries, "settings")...)
	test(t, map[string]broken{
		"all is well":     {},
		"no app ID":       {func(c *clinic) { c.AppID = "" }, "app-id", wanting{doctor.Fail, "there is none", "KSHER_APPID"}, after("app-id", append(queries, "settings")...)},
		"no key":          {refused("it is not set"), "key", wanting{doctor.Fail, "KSHER_PRIVATE_KEY: it is not set", "KSHER_PRIVATE_KEY_FILE"}, withoutKey},
		"a public key":    {key("rsa2048.pkix.pem"), "key", wanting{doctor.Fail, "it is a public key", "private key"}, withoutKey},
		"an EC key":       {key("ec.pkcs8.pem"), "key", wanting{doctor.Fail, "EC key", "PEM"}, withoutKey},
		"rubbish":         {func(c *clinic) { c.Key = []byte("hunter2") }, "key", wanting{doctor.Fail, "not PEM", "PEM"}, withoutKey},
		"512 bits":        {of("rsa512.pkcs1.pem", "rsa512.pkix.pem"), "key", wanting{doctor.Warn, "512 bits; it can be factored", "ksher key new"}, nil},
		"1024 bits":       {of("rsa1024.pkcs1.pem", "rsa1024.pkix.pem"), "key", wanting{doctor.Warn, "1024 bits, shorter", "ksher key new"}, nil},
		"MD5 forbidden":   {func(c *clinic) { c.FIPS, c.MD5 = yes, refuse }, "md5", wanting{doctor.Fail, "FIPS mode: no", "fips140=only"}, after("md5", append(queries, "settings")...)},
		"only a FIPS one": {func(c *clinic) { c.FIPS = yes }, "", wanting{}, nil},
		"swapped hosts": {func(c *clinic) { c.GatewayURL, c.MerchantURL = c.MerchantURL, c.GatewayURL }, "settings",
			wanting{doctor.Fail, "the address is the merchant host's", ""}, after("settings", queries...)},
		"plain HTTP": {func(c *clinic) {
			c.GatewayURL = "http://example.com/api"
			c.serve("example.com", true, c.gw.Handler().ServeHTTP)
		}, "settings",
			wanting{doctor.Fail, "is not https", ""}, map[string]wanting{
				"gateway-tls":   {doctor.Warn, "plain HTTP", "use https"},
				"gateway-query": {doctor.NotTried, "settings", ""}, "merchant-query": {doctor.NotTried, "settings", ""}, "account": {doctor.NotTried, "settings", ""},
			}},
		"a password in the address": {func(c *clinic) { c.GatewayURL = "https://me:hunter2@example.com/api" }, "gateway-address",
			wanting{doctor.Fail, "password", "before the @"}, map[string]wanting{
				"settings":      {doctor.Fail, "has an @ in it", ""},
				"gateway-query": {doctor.NotTried, "settings", ""}, "merchant-query": {doctor.NotTried, "settings", ""}, "account": {doctor.NotTried, "settings", ""},
			}},
	})
}

func yes() bool     { return true }
func refuse() error { return errors.New("no") }

func TestNetwork(t *testing.T) {
	gatewaySkips := func(cause string, more ...string) map[string]wanting {
		return after(cause, append(more, "gateway-query")...)
	}
	proxied := func(c *clinic, address string) {
		c.Proxy = func(*http.Request) (*url.URL, error) {
			return &url.URL{Scheme: "http", User: url.UserPassword("me", "hunter2"), Host: "proxy.example:3128"}, nil
		}
		c.at["proxy.example"] = address
	}
	merchantSkips := map[string]wanting{
		"gateway-tls": {doctor.NotTried, "gateway-proxy", ""}, "gateway-query": {doctor.NotTried, "gateway-proxy", ""},
		"merchant-proxy": {doctor.Fail, "proxy.example:3128", "HTTPS_PROXY"}, "merchant-tls": {doctor.NotTried, "merchant-proxy", ""},
		"merchant-query": {doctor.NotTried, "merchant-proxy", ""}, "account": {doctor.NotTried, "merchant-proxy", ""}, "clock": {doctor.NotTried, "no answer", ""},
	}
	test(t, map[string]broken{
		"no such name": {func(c *clinic) {
			c.Resolve = func(_ context.Context, host string) ([]string, error) {
				if host == "example.com" {
					return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
				}
				return []string{"192.0.2.1"}, nil
			}
		}, "gateway-dns", wanting{doctor.Fail, "no such host", "name server"}, gatewaySkips("gateway-dns", "gateway-connect", "gateway-tls")},
		"refused connection": {func(c *clinic) { c.at["example.com"] = deadAddress(c.t) }, "gateway-connect",
			wanting{doctor.Fail, "refused", "firewall"}, gatewaySkips("gateway-connect", "gateway-tls")},
		"bad certificate": {func(c *clinic) { c.at["example.com"] = otherCertificate(c.t) }, "gateway-tls",
			wanting{doctor.Fail, "certificate", "never switch"}, gatewaySkips("gateway-tls")},
		"another host's certificate": {func(c *clinic) { c.GatewayURL = "https://gateway.ksher.test/api" }, "gateway-tls",
			wanting{doctor.Fail, "gateway.ksher.test", "ca-certificates"}, gatewaySkips("gateway-tls")},
		"HTTP at the port": {func(c *clinic) { c.serve("example.com", true, http.NotFound) }, "gateway-tls",
			wanting{doctor.Fail, "speaks plain HTTP", "wrong port"}, gatewaySkips("gateway-tls")},
		"silence": {func(c *clinic) {
			c.Patience = silence
			c.serve("example.com", false, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() })
		}, "gateway-tls", wanting{doctor.Fail, "in time", "between"}, gatewaySkips("gateway-tls")},
		"hours ahead": {func(c *clinic) { c.Now = func() time.Time { return time.Now().Add(3 * time.Hour) } }, "clock",
			wanting{doctor.Fail, " ahead of the Date", "NTP"}, nil},
		"hours behind": {func(c *clinic) { c.Now = func() time.Time { return time.Now().Add(-3 * time.Hour) } }, "clock",
			wanting{doctor.Fail, "behind", "NTP"}, nil},
		"a minute ahead": {func(c *clinic) { c.Now = func() time.Time { return time.Now().Add(time.Minute) } }, "clock", wanting{doctor.Warn, "ahead", "NTP"}, nil},
		"the envelope's time": {func(c *clinic) {
			require.NoError(c.t, c.gw.Inject(sandbox.Fault{Operation: "merchant_info", Kind: sandbox.FaultClockSkew, Delay: 3 * time.Hour}))
		}, "clock", wanting{doctor.Fail, "behind the time stamp of merchant_info", "NTP"}, nil},
		"decades ahead": {func(c *clinic) { c.Now = func() time.Time { return time.Now().AddDate(90, 0, 0) } }, "gateway-tls",
			wanting{doctor.Fail, "expired", "set the clock"}, map[string]wanting{
				"merchant-tls": {doctor.Fail, "expired", "set the clock"}, "clock": {doctor.NotTried, "no answer", ""},
				"gateway-query": {doctor.NotTried, "gateway-tls", ""}, "merchant-query": {doctor.NotTried, "merchant-tls", ""}, "account": {doctor.NotTried, "merchant-tls", ""},
			}},
		"the proxy is down": {func(c *clinic) { proxied(c, deadAddress(c.t)) }, "gateway-proxy", wanting{doctor.Fail, "refused", "NO_PROXY"}, merchantSkips},
		"the proxy refuses": {func(c *clinic) {
			proxied(c, "")
			c.serve("proxy.example", true, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
		}, "gateway-tls", wanting{doctor.Fail, "the proxy proxy.example:3128 refuses with HTTP 403", "proxy"}, map[string]wanting{
			"merchant-tls": {doctor.Fail, "refuses with HTTP 403", "proxy"}, "clock": {doctor.NotTried, "no answer", ""},
			"gateway-query": {doctor.NotTried, "gateway-tls", ""}, "merchant-query": {doctor.NotTried, "merchant-tls", ""}, "account": {doctor.NotTried, "merchant-tls", ""},
		}},
	})
}

// otherCertificate is the address of a server whose certificate nobody trusts.
func otherCertificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t, "example.com")}}
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestAnswers(t *testing.T) {
	fault := func(kind sandbox.FaultKind, code ksher.Code) func(*clinic) {
		return func(c *clinic) {
			require.NoError(c.t, c.gw.Inject(sandbox.Fault{Operation: "gateway_order_query", Kind: kind, Code: code}))
		}
	}
	answers := func(status int, text string) func(*clinic) {
		return func(c *clinic) {
			c.serve("example.com", false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); io.WriteString(w, text) })
		}
	}
	test(t, map[string]broken{
		"another app ID's key": {func(c *clinic) { c.Key = keyFile(c.t, "rsa4096.pkcs1.pem") }, "gateway-query",
			wanting{doctor.Fail, "KSHER_SIGN_ERROR", "the key doesn't belong to the app ID"}, map[string]wanting{
				"merchant-query": {doctor.Fail, "KSHER_SIGN_ERROR", "upload"}, "account": {doctor.NotTried, "merchant-query", ""},
			}},
		"an unknown app ID": {fault(sandbox.FaultRefuse, ksher.CodeAppIDNotExist), "gateway-query", wanting{doctor.Fail, "APPID_NOT_EXIST", "KSHER_APPID"}, nil},
		"another refusal":   {fault(sandbox.FaultRefuse, ksher.CodeNoAuth), "gateway-query", wanting{doctor.Warn, "NOAUTH", "ksher explain NOAUTH"}, nil},
		"HTML":              {answers(http.StatusOK, "<html>Log in to the hotel's network</html>"), "gateway-query", wanting{doctor.Fail, "Log in to the hotel", "something else"}, nil},
		"502":               {answers(http.StatusBadGateway, "<html>Bad gateway</html>"), "gateway-query", wanting{doctor.Fail, "HTTP 502", "wait"}, nil},
		"not signed": {answers(http.StatusOK, `{"code":0,"msg":"ok","data":{"result":"SUCCESS"}}`), "gateway-query",
			wanting{doctor.Fail, "the signature is missing", "KSHER_SIGN_VERSION"}, nil},
		"signed by another key": {fault(sandbox.FaultBadSignature, ""), "gateway-query", wanting{doctor.Fail, "signature", "isn't Ksher"}, nil},
		"changed on the way": {func(c *clinic) {
			c.serve("www.example.com", false, c.changed(func(body string) string { return strings.Replace(body, `"online"`, `"offline"`, 1) }))
		}, "account", wanting{doctor.Fail, "signature", "changed the answer"}, nil},
		"somebody else's account": {func(c *clinic) {
			c.serve("www.example.com", false, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/merchant_info") {
					w.Write(sandbox.SignedResponse(&ksher.MerchantInfoResponse{MchID: "99999"}))
					return
				}
				c.gw.Handler().ServeHTTP(w, r)
			})
		}, "account",
			wanting{doctor.Warn, "99999", "merchant platform"}, nil},
		"swapped addresses of a proxy": {func(c *clinic) {
			c.serve("example.com", false, c.renamed("/one/", "/KsherPay/"))
			c.serve("www.example.com", false, c.renamed("/two/", "/api/"))
			c.GatewayURL, c.MerchantURL = "https://example.com/one", "https://www.example.com/two"
		}, "gateway-query", wanting{doctor.Fail, "", "exchange KSHER_GATEWAY_URL"}, map[string]wanting{
			"merchant-query": {doctor.Fail, "", "exchange KSHER_GATEWAY_URL"}, "account": {doctor.NotTried, "merchant-query", ""},
		}},
	})
}

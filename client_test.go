package ksher_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/internal/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type keyless struct{ crypto.Signer }

func (keyless) Public() crypto.PublicKey { return nil }

func TestVersionIsThatOfTheModule(t *testing.T) { assert.Equal(t, ksher.Version, transport.Version) }

func TestNewClientRefuses(t *testing.T) {
	key := testkit.RSAKey(t, 1024)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	httpClient := func(conf *tls.Config) ksher.Option {
		return ksher.WithHTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: conf}})
	}
	tests := []struct {
		name  string
		appID string
		key   crypto.Signer
		opt   ksher.Option
		want  string
	}{
		{"empty app ID", "", key, nil, "app ID"},
		{"blank app ID", "  ", key, nil, "app ID"},
		{"app ID with a blank in it", "mch 12345", key, nil, "app ID"},
		{"app ID with a line end", "mch12345\n", key, nil, "app ID"},
		{"app ID not in UTF-8", "mch\xff", key, nil, "app ID"},
		{"app ID of 33 characters", strings.Repeat("m", 33), key, nil, "app ID"},
		{"app ID of 33 Thai characters", strings.Repeat("ก", 33), key, nil, "app ID"},
		{"no key", testkit.AppID, nil, nil, "private key is nil"},
		{"nil *rsa.PrivateKey", testkit.AppID, (*rsa.PrivateKey)(nil), nil, "private key is nil"},
		{"nil *hsm", testkit.AppID, (*testkit.HSM)(nil), nil, "private key is nil"},
		{"zero key", testkit.AppID, &rsa.PrivateKey{}, nil, "private key"},
		{"EC key", testkit.AppID, ec, nil, "RSA keys only"},
		{"signer without a public key", testkit.AppID, keyless{}, nil, "RSA keys only"},
		{"no HTTP client", testkit.AppID, key, ksher.WithHTTPClient(nil), "WithHTTPClient"},
		{"no transport in the HTTP client", testkit.AppID, key, ksher.WithHTTPClient(&http.Client{Transport: (*http.Transport)(nil)}), "transport is nil"},
		{"unchecked certificates", testkit.AppID, key, httpClient(&tls.Config{InsecureSkipVerify: true}), "InsecureSkipVerify"},
		{"TLS 1.1", testkit.AppID, key, httpClient(&tls.Config{MinVersion: tls.VersionTLS11}), "MinVersion"},
		{"no verifier", testkit.AppID, key, ksher.WithVerifier(nil), "WithVerifier"},
		{"verifier without keys", testkit.AppID, key, ksher.WithVerifier(&ksher.Verifier{}), "WithVerifier"},
		{"no logger", testkit.AppID, key, ksher.WithLogger(nil), "WithLogger"},
		{"no location", testkit.AppID, key, ksher.WithLocation(nil), "WithLocation"},
		{"zero timeout", testkit.AppID, key, ksher.WithTimeout(0), "WithTimeout"},
		{"negative timeout", testkit.AppID, key, ksher.WithTimeout(-time.Second), "WithTimeout"},
		{"zero limit", testkit.AppID, key, ksher.WithMaxResponseBytes(0), "WithMaxResponseBytes"},
		{"negative limit", testkit.AppID, key, ksher.WithMaxResponseBytes(-1), "WithMaxResponseBytes"},
		{"SignVersion 0", testkit.AppID, key, ksher.WithSignVersion(0), "WithSignVersion"},
		{"SignVersion 3", testkit.AppID, key, ksher.WithSignVersion(3), "WithSignVersion"},
		{"no attempt", testkit.AppID, key, ksher.WithRetry(0, 0), "WithRetry"},
		{"fewer attempts than none", testkit.AppID, key, ksher.WithRetry(math.MinInt, 0), "WithRetry"},
		{"11 attempts", testkit.AppID, key, ksher.WithRetry(11, 0), "WithRetry"},
		{"a negative pause", testkit.AppID, key, ksher.WithRetry(3, -1), "WithRetry"},
		{"a pause over 10 s", testkit.AppID, key, ksher.WithRetry(3, 10*time.Second+1), "WithRetry"},
		{"the longest pause there is", testkit.AppID, key, ksher.WithRetry(3, math.MaxInt64), "WithRetry"},
		{"no hook", testkit.AppID, key, ksher.WithHook(nil), "WithHook"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var opts []ksher.Option
			if tt.opt != nil {
				opts = append(opts, tt.opt)
			}
			client, err := ksher.NewClient(tt.appID, tt.key, opts...)
			require.ErrorContains(t, err, tt.want)
			assert.Nil(t, client)
			assert.True(t, strings.HasPrefix(err.Error(), "ksher: NewClient: "), "%v", err)
		})
	}
	t.Run("nil option", func(t *testing.T) {
		_, err := ksher.NewClient(testkit.AppID, key, nil)
		require.ErrorContains(t, err, "an option is nil")
	})
}

func TestNewClientAccepts(t *testing.T) {
	key := testkit.RSAKey(t, 1024)
	trusting := func(conf *tls.Config) ksher.Option {
		return ksher.WithHTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: conf}})
	}
	tests := []struct {
		name  string
		appID string
		opts  []ksher.Option
	}{
		{"nothing but an app ID and a key", "mch12345", nil},
		{"app ID of 32 Thai characters", strings.Repeat("ก", 32), nil},
		{"TLS 1.2", testkit.AppID, []ksher.Option{trusting(&tls.Config{MinVersion: tls.VersionTLS12})}},
		{"TLS as Go has it", testkit.AppID, []ksher.Option{trusting(&tls.Config{})}},
		{"certificates checked by the caller", testkit.AppID, []ksher.Option{trusting(&tls.Config{
			InsecureSkipVerify: true,
			VerifyConnection:   func(tls.ConnectionState) error { return nil },
		})}},
		{"the zero http.Client", testkit.AppID, []ksher.Option{ksher.WithHTTPClient(&http.Client{})}},
		{"everything at once", testkit.AppID, []ksher.Option{
			ksher.WithGatewayURL("https://gateway.ksher.cn/api"),
			ksher.WithMerchantURL("https://merchant.example/KsherPay/"),
			ksher.WithSignVersion(ksher.SignV2),
			ksher.WithVerifier(testkit.NewVerifier(&key.PublicKey)),
			ksher.WithLogger(slog.New(slog.DiscardHandler)),
			ksher.WithTimeout(time.Minute),
			ksher.WithMaxResponseBytes(1),
			ksher.WithLocation(time.UTC),
			ksher.WithRetry(10, 10*time.Second),
			ksher.WithHook(func(ctx context.Context, _ ksher.Attempt) (context.Context, func(ksher.Attempt)) { return ctx, nil }),
		}},
		{"no repetition", testkit.AppID, []ksher.Option{ksher.WithRetry(1, 0)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client, err := ksher.NewClient(tt.appID, key, tt.opts...)
			require.NoError(t, err)
			assert.NotNil(t, client)
		})
	}
}

func TestAddresses(t *testing.T) {
	options := map[string]func(string) ksher.Option{
		"WithGatewayURL":  ksher.WithGatewayURL,
		"WithMerchantURL": ksher.WithMerchantURL,
	}
	tests := []struct {
		address string
		want    string // Part of the error, "" for none.
	}{
		{"https://gateway.example/proxy", ""},
		{"https://gateway.example", ""},
		{"https://gateway.example:8443/proxy/", ""},
		{"HTTPS://gateway.example/proxy", ""},
		{"http://127.0.0.1:8080/proxy", ""},
		{"http://127.1.2.3/proxy", ""},
		{"http://[::1]:8080/proxy", ""},
		{"http://localhost/proxy", ""},

		{"http://gateway.example/proxy", "not https"},
		{"http://10.0.0.1/proxy", "not https"},
		{"http://localhost.example/proxy", "not https"},
		{"http://127.0.0.1.example/proxy", "not https"},
		{"ftp://gateway.example/proxy", "not https"},
		{"//gateway.example/proxy", "not https"},
		{"", "not an address"},
		{"gateway.example/proxy", "not an address"},
		{"https:///proxy", "not an address"},
		{"https://:8443/proxy", "not an address"},
		{"https:gateway.example", "not an address"},
		{"https://gateway.example/proxy?x=1", "not an address"},
		{"https://gateway.example/proxy?", "not an address"},
		{"https://gateway.example/proxy#top", "not an address"},
		{"https://gateway.example/proxy#", "not an address"},
		{"https://gateway.example:port/proxy", "not an address"},
		{"https://gate way.example/proxy", "not an address"},
		{"\x7f", "not an address"},
		{"https://user:secret@gateway.example/proxy", "@"},
		{"https://user:sec%zzret@gateway.example/proxy", "@"},
		{"https://user@gateway.example/proxy", "@"},
	}
	for name, option := range options {
		for _, tt := range tests {
			t.Run(name+" "+tt.address, func(t *testing.T) {
				_, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 1024), option(tt.address))
				if tt.want == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, tt.want)
				assert.Contains(t, err.Error(), name)
				assert.NotContains(t, err.Error(), "secret")
				assert.NotContains(t, err.Error(), "ret@")
			})
		}
	}
}

// What an address says has to be what is called, slashes at its end aside.
func TestAddressesAreUsed(t *testing.T) {
	for _, slash := range []string{"", "/", "//"} {
		rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
		client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t),
			ksher.WithGatewayURL("https://gateway.example:8443/v1"+slash),
			ksher.WithMerchantURL("https://merchant.example/v2"+slash))
		for _, op := range testkit.Operations() {
			_, err := op.Call(t.Context(), client, ksher.Extra{})
			require.NoError(t, err)
			want := "https://gateway.example:8443/v1/" + op.Name
			if op.URL == ksher.DefaultMerchantURL {
				want = "https://merchant.example/v2/" + op.Name
			}
			all := rec.All()
			assert.Equal(t, want, all[len(all)-1].URL.String())
		}
	}
}

func TestKeys(t *testing.T) {
	for _, bits := range []int{512, 1024, 2048, 4096} {
		t.Run(fmt.Sprintf("%d bits", bits), func(t *testing.T) {
			key := testkit.RSAKey(t, bits)
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
			client, err := ksher.NewClient(testkit.AppID, key, testkit.TrustTestKey(t),
				ksher.WithHTTPClient(&http.Client{Transport: testkit.HandlerTransport{Handler: rec}}))
			require.NoError(t, err)
			_, err = client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
			require.NoError(t, err)
			testkit.RequireSigned(t, rec.Only(t).PostForm, &key.PublicKey)
		})
	}

	t.Run("an HSM", func(t *testing.T) {
		device := &testkit.HSM{Key: testkit.RSAKey(t, 1024)}
		rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
		client, err := ksher.NewClient(testkit.AppID, device, testkit.TrustTestKey(t),
			ksher.WithHTTPClient(&http.Client{Transport: testkit.HandlerTransport{Handler: rec}}))
		require.NoError(t, err)
		_, err = client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
		require.NoError(t, err)
		testkit.RequireSigned(t, rec.Only(t).PostForm, &device.Key.PublicKey)

		device.Err = errors.New("the device is locked")
		for _, op := range testkit.Operations() {
			resp, err := op.Call(t.Context(), client, ksher.Extra{})
			assert.Nil(t, resp, "%s", op.Name)
			var failed *ksher.Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, op.Name, failed.Operation)
			assert.Equal(t, op.OrderNo(), failed.OrderNo)
			require.ErrorIs(t, err, device.Err)
			require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
			assert.ErrorContains(t, err, "nothing was sent")
		}
		assert.Equal(t, 1, rec.Count(), "nothing may be sent without a signature")
	})
}

func TestEnvelopeFields(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "answer: the merchant host has status_code, status_msg, time_stamp and version around data, and the gateway host message and lang")
	data := `{ "pay_content" : "https://gateway.ksher.com/ua?order_uuid=1&lang=en",
		"not_modelled": {"b": [1, 2.50, true], "a": "x"} }`
	body := fmt.Sprintf(`{"code": 0, "data": %s, "lang": "en", "message": "done", "msg": "ok", "new": [{}],
		"sign": %q, "status_code": %s, "status_msg": "fine", "time_stamp": "2026-11-21T10:00:00+08:00", "version": "3.0.0"}`,
		data, testkit.PeerSign(t, testkit.RSAKey(t, 1024), data), "200")
	client := testkit.NewClient(t, testkit.Answering(200, body))
	resp, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
	require.NoError(t, err)
	bangkok := time.FixedZone("UTC+7", 7*3600)
	assert.Equal(t, ksher.Envelope{
		Msg:        "ok",
		Message:    "done",
		StatusCode: "200",
		StatusMsg:  "fine",
		Version:    "3.0.0",
		Lang:       "en",
		TimeStamp:  time.Date(2026, 11, 21, 9, 0, 0, 0, bangkok),
	}, resp.Envelope)
	var raw struct {
		NotModelled struct{ A string } `json:"not_modelled"`
	}
	require.NoError(t, json.Unmarshal(resp.Data, &raw), "what has no field is found in Data")
	assert.Equal(t, "x", raw.NotModelled.A)
}

// The envelope around the data isn't signed and differs from host to host.
func TestEnvelopeInOtherForms(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "answer: status_code is a number or empty, and what is around data may be missing")
	sign := testkit.PeerSign(t, testkit.RSAKey(t, 1024), testkit.GoodData)
	bodies := map[string]string{
		"only what is needed":      fmt.Sprintf(`{"code":0,"data":%s,"sign":%q}`, testkit.GoodData, sign),
		"everything empty or null": fmt.Sprintf(`{"code":0,"msg":null,"message":"","status_code":"","status_msg":null,"lang":"","version":1,"time_stamp":"","data":%s,"sign":%q}`, testkit.GoodData, sign),
		"a time of another form":   fmt.Sprintf(`{"code":0,"time_stamp":"yesterday","data":%s,"sign":%q}`, testkit.GoodData, sign),
		"white space around":       fmt.Sprintf("%s{\"code\":0,\"data\":%s,\"sign\":%q}\r\n", strings.Repeat(" \n", 100), testkit.GoodData, sign),
		"a byte order mark":        fmt.Sprintf("\ufeff{\"code\":0,\"data\":%s,\"sign\":%q}", testkit.GoodData, sign),
		"a signature in capitals":  fmt.Sprintf(`{"code":0,"data":%s,"sign":%q}`, testkit.GoodData, strings.ToUpper(sign)),
	}
	for name, body := range bodies {
		for _, op := range testkit.Operations() {
			t.Run(name+" "+op.Name, func(t *testing.T) {
				_, err := op.Call(t.Context(), testkit.NewClient(t, testkit.Answering(200, body)), ksher.Extra{})
				require.NoError(t, err)
			})
		}
	}
}

// countingTransport fails if it is used.
type countingTransport struct{ used *int }

func (c countingTransport) RoundTrip(*http.Request) (*http.Response, error) {
	*c.used++
	return nil, errors.New("not this transport")
}

func TestDefaultTransportOfThePackageIsLeftAlone(t *testing.T) {
	used := 0
	kept := http.DefaultTransport
	http.DefaultTransport = countingTransport{&used}
	t.Cleanup(func() { http.DefaultTransport = kept })

	client := testkit.DefaultTransportClient(t, testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
	_, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
	require.NoError(t, err)
	client = testkit.OfflineClient(t, testkit.AppID, testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)), testkit.TrustTestKey(t))
	_, err = client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
	require.NoError(t, err)
	assert.Zero(t, used)
}

// A mock is easily written without everything that a real transport returns.
func TestHalfATransport(t *testing.T) {
	for name, tt := range map[string]struct {
		resp    *http.Response
		err     error
		problem error
		text    string
	}{
		"nothing at all":       {nil, nil, ksher.ErrOutcomeUnknown, "the transport returned neither an answer nor an error"},
		"an answer and an end": {&http.Response{StatusCode: 200}, io.ErrUnexpectedEOF, io.ErrUnexpectedEOF, `POST "https://gateway.ksher.com/api/gateway_pay": unexpected EOF`},
		"no body":              {&http.Response{StatusCode: 200}, nil, fault.ErrEmptyBody, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			client := testkit.OverTransport(t, testkit.RoundTripFunc(func(*http.Request) (*http.Response, error) { return tt.resp, tt.err }))
			_, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
			require.ErrorIs(t, err, tt.problem)
			require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
			assert.ErrorContains(t, err, tt.text)
		})
	}
}

// The key of the version asked for is the only one that counts, unless a
// verifier says otherwise.
func TestSignVersionDecidesTheKey(t *testing.T) {
	example := testkit.PublishedExample(t, "order_close")
	v2 := testkit.OfflineClient(t, example.AppID, testkit.Answering(200, example.Body), ksher.WithSignVersion(ksher.SignV2))
	_, err := v2.OrderClose(t.Context(), &ksher.OrderCloseRequest{MchOrderNo: "test3"})
	require.ErrorIs(t, err, fault.ErrSignatureMalformed, "a V1 signature is too short for V2")

	for _, version := range []ksher.SignVersion{ksher.SignV1, ksher.SignV2} {
		both := testkit.NewVerifier(ksher.GatewayPublicKey(ksher.SignV1), ksher.GatewayPublicKey(ksher.SignV2))
		client := testkit.OfflineClient(t, example.AppID, testkit.Answering(200, example.Body), ksher.WithSignVersion(version), ksher.WithVerifier(both))
		_, err = client.OrderClose(t.Context(), &ksher.OrderCloseRequest{MchOrderNo: "test3"})
		require.NoError(t, err)
	}
}

// A client without a transport uses the default one, whatever that is by then.
func TestDefaultTransportIsCheckedToo(t *testing.T) {
	saved := http.DefaultTransport
	defer func() { http.DefaultTransport = saved }()
	http.DefaultTransport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	_, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 1024), ksher.WithHTTPClient(&http.Client{}))
	assert.ErrorContains(t, err, "InsecureSkipVerify")
}

func TestClientFromEnv(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testkit.RSAKey(t, 1024))}))
	public := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&testkit.RSAKey(t, 1024).PublicKey)}))
	good := map[string]string{"KSHER_APPID": testkit.AppID, "KSHER_PRIVATE_KEY": private, "KSHER_PUBLIC_KEY_FILE": file("public.pem", public)}
	names := []string{"KSHER_APPID", "KSHER_PRIVATE_KEY", "KSHER_PRIVATE_KEY_FILE", "KSHER_GATEWAY_URL", "KSHER_MERCHANT_URL",
		"KSHER_SIGN_VERSION", "KSHER_PUBLIC_KEY_FILE", "KSHER_PLAIN_HTTP"}
	for _, tt := range []struct {
		name   string
		change map[string]string
		// want is in the error, "" for none.
		want string
	}{
		{"good", nil, ""},
		{"a file", map[string]string{"KSHER_PRIVATE_KEY": "", "KSHER_PRIVATE_KEY_FILE": file("private.pem", private)}, ""},
		{"V2", map[string]string{"KSHER_SIGN_VERSION": "V2"}, ""},
		{"2", map[string]string{"KSHER_SIGN_VERSION": "2"}, ""},
		{"a container", map[string]string{"KSHER_PLAIN_HTTP": "sandbox, other", "KSHER_GATEWAY_URL": "http://sandbox:8080/api", "KSHER_MERCHANT_URL": "http://sandbox:8080/KsherPay"}, ""},
		{"http to a port", map[string]string{"KSHER_PLAIN_HTTP": "sandbox:8080", "KSHER_GATEWAY_URL": "http://sandbox:8080/api"}, "WithPlainHTTP"},
		{"http elsewhere", map[string]string{"KSHER_PLAIN_HTTP": "other", "KSHER_GATEWAY_URL": "http://sandbox:8080/api"}, "WithGatewayURL"},
		{"no app ID", map[string]string{"KSHER_APPID": ""}, "KSHER_APPID: is not set"},
		{"no key", map[string]string{"KSHER_PRIVATE_KEY": ""}, "KSHER_PRIVATE_KEY: is not set"},
		{"two keys", map[string]string{"KSHER_PRIVATE_KEY_FILE": "x"}, "which of the two"},
		{"no file", map[string]string{"KSHER_PRIVATE_KEY": "", "KSHER_PRIVATE_KEY_FILE": dir + "/none"}, "KSHER_PRIVATE_KEY_FILE"},
		{"no PEM", map[string]string{"KSHER_PRIVATE_KEY": "MIIBVAIBADANBgkqh"}, "KSHER_PRIVATE_KEY: "},
		{"V3", map[string]string{"KSHER_SIGN_VERSION": "3"}, "WithSignVersion"},
		{"another version", map[string]string{"KSHER_SIGN_VERSION": "new"}, "KSHER_SIGN_VERSION"},
		{"no public key", map[string]string{"KSHER_PUBLIC_KEY_FILE": file("empty.pem", "")}, "KSHER_PUBLIC_KEY_FILE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range names {
				value, changed := tt.change[name]
				if !changed {
					value = good[name]
				}
				t.Setenv(name, value)
			}
			answers := ksher.WithHTTPClient(&http.Client{Transport: testkit.HandlerTransport{Handler: testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData))}})
			client, err := ksher.ClientFromEnv(answers)
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				assert.Contains(t, err.Error(), "ksher: ClientFromEnv: ")
				assert.NotContains(t, err.Error(), "MIIBVAIBADANBgkqh")
				return
			}
			require.NoError(t, err)
			_, err = client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
			require.NoError(t, err)
		})
	}
}

func TestHostsTheWrongWayRound(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "request: gateway.ksher.com or gateway.ksher.cn is the gateway host, and api.mch.ksher.net the merchant host")
	for _, opt := range []ksher.Option{
		ksher.WithGatewayURL(ksher.DefaultMerchantURL), ksher.WithGatewayURL("http://127.0.0.1:8080/KsherPay/"), ksher.WithGatewayURL("https://api.mch.ksher.net/x"),
		ksher.WithMerchantURL(ksher.DefaultGatewayURL), ksher.WithMerchantURL("https://gateway.ksher.cn/api"), ksher.WithMerchantURL("http://127.0.0.1:8080/api"),
	} {
		_, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 1024), opt)
		require.ErrorContains(t, err, "the address is the")
	}
}

func TestNewClientKeys(t *testing.T) {
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	var nilKey *rsa.PrivateKey
	for _, c := range []struct {
		name string
		key  crypto.Signer
		says string
	}{
		{"nil", nil, "the private key is nil"},
		{"nil pointer", nilKey, "the private key is nil"},
		{"EC", elliptical, "RSA keys only"},
		{"zero value", &rsa.PrivateKey{}, "can't be used"},
		{"no private exponent", &rsa.PrivateKey{PublicKey: testkit.RSAKey(t, 512).PublicKey}, "private exponent"},
		{"private exponent 0", &rsa.PrivateKey{PublicKey: testkit.RSAKey(t, 512).PublicKey, D: new(big.Int)}, "private exponent"},
		{"private exponent too large", &rsa.PrivateKey{PublicKey: testkit.RSAKey(t, 512).PublicKey, D: testkit.RSAKey(t, 512).N}, "private exponent"},
		{"short and good", testkit.RSAKey(t, 512), ""},
		{"long and good", testkit.RSAKey(t, 4096), ""},
		{"behind an interface", struct{ crypto.Signer }{testkit.RSAKey(t, 1024)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := ksher.NewClient(testkit.AppID, c.key)
			if c.says == "" {
				assert.NoError(t, err)
				assert.NotNil(t, client)
				return
			}
			assert.ErrorContains(t, err, "NewClient")
			assert.ErrorContains(t, err, c.says)
			assert.Nil(t, client)
		})
	}
}

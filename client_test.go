package ksher_test

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
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
			ksher.WithGatewayURL(ksher.ChinaGatewayURL),
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

// A client that NewClient didn't make, and arguments that are nil, are the
// programmer's mistakes. They must not bring a shop down.
func TestNothingToCallWith(t *testing.T) {
	rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
	good := testkit.NewClient(t, rec)
	var noContext context.Context
	for _, op := range testkit.Operations() {
		tests := []struct {
			name string
			call func() error
			want string
		}{
			{"zero Client", func() error { _, err := op.Call(t.Context(), &ksher.Client{}, ksher.Extra{}); return err }, "client"},
			{"nil Client", func() error { _, err := op.Call(t.Context(), nil, ksher.Extra{}); return err }, "client"},
			{"nil context", func() error { _, err := op.Call(noContext, good, ksher.Extra{}); return err }, "context"},
			{"nil request", func() error { return op.CallNil(t.Context(), good) }, "request"},
		}
		for _, tt := range tests {
			t.Run(op.Name+" "+tt.name, func(t *testing.T) {
				var invalid *ksher.ValidationError
				require.ErrorAs(t, tt.call(), &invalid)
				assert.Equal(t, op.Name, invalid.Operation)
				require.Len(t, invalid.Fields, 1)
				assert.Equal(t, tt.want, invalid.Fields[0].Field)
			})
		}
	}
	refund := func(ctx context.Context, c *ksher.Client, req *ksher.RefundRequest) error {
		_, err := c.Refund(ctx, req)
		return err
	}
	req := &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: testkit.OrderNo, MchRefundNo: testkit.RefundNo, RefundFee: 1}
	for _, err := range []error{
		refund(t.Context(), &ksher.Client{}, req),
		refund(t.Context(), nil, req),
		refund(noContext, good, req),
		refund(t.Context(), good, nil),
	} {
		var invalid *ksher.ValidationError
		assert.ErrorAs(t, err, &invalid)
	}
	assert.Zero(t, rec.Count(), "requests sent")
}

// The same for every operation: where it goes, how it looks, and what every
// request carries.
func TestWhatEveryRequestCarries(t *testing.T) {
	tests := []struct {
		name   string
		opts   []ksher.Option
		zone   *time.Location
		header string
	}{
		{"as it is", nil, time.FixedZone("", 7*3600), ""},
		{"in another zone", []ksher.Option{ksher.WithLocation(time.FixedZone("", -11*3600))}, time.FixedZone("", -11*3600), ""},
		{"V1", []ksher.Option{ksher.WithSignVersion(ksher.SignV1)}, time.FixedZone("", 7*3600), ""},
		{"V2", []ksher.Option{ksher.WithSignVersion(ksher.SignV2)}, time.FixedZone("", 7*3600), "V2"},
	}
	for _, tt := range tests {
		for _, op := range testkit.Operations() {
			t.Run(tt.name+" "+op.Name, func(t *testing.T) {
				rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
				client := testkit.OfflineClient(t, testkit.AppID, rec, append(tt.opts, testkit.TrustTestKey(t))...)
				before := time.Now().Truncate(time.Second)
				_, err := op.Call(t.Context(), client, ksher.Extra{})
				require.NoError(t, err)
				_, err = op.Call(t.Context(), client, ksher.Extra{})
				require.NoError(t, err)
				after := time.Now()

				requests := rec.All()
				require.Len(t, requests, 2)
				for _, r := range requests {
					assert.Equal(t, http.MethodPost, r.Method)
					assert.Equal(t, op.URL+"/"+op.Name, r.URL.String())
					assert.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
					assert.Equal(t, "ksher-go/"+ksher.Version, r.Header.Get("User-Agent"))
					assert.Equal(t, tt.header, r.Header.Get("ksher-sign-version"))
					assert.Equal(t, testkit.AppID, r.PostForm.Get(cmp.Or(op.AppID, "appid")))
					assert.Regexp(t, "^[0-9a-zA-Z]{32}$", r.PostForm.Get("nonce_str"))
					require.Regexp(t, "^[0-9]{14}$", r.PostForm.Get("time_stamp"))
					stamp, err := time.ParseInLocation("20060102150405", r.PostForm.Get("time_stamp"), tt.zone)
					require.NoError(t, err)
					assert.False(t, stamp.Before(before) || stamp.After(after), "%v is not between %v and %v", stamp, before, after)
					testkit.RequireSigned(t, r.PostForm, &testkit.RSAKey(t, 1024).PublicKey)
				}
				assert.NotEqual(t, requests[0].PostForm.Get("nonce_str"), requests[1].PostForm.Get("nonce_str"))
			})
		}
	}
}

// Over a real connection, because some headers are the transport's.
func TestOnTheWire(t *testing.T) {
	for _, op := range testkit.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
			client := testkit.NewClient(t, rec)
			_, err := op.Call(t.Context(), client, ksher.Extra{})
			require.NoError(t, err)
			r := rec.Only(t)
			path := "/api/"
			if op.URL == ksher.DefaultMerchantURL {
				path = "/KsherPay/"
			}
			assert.Equal(t, http.MethodPost, r.Method)
			assert.Equal(t, path+op.Name, r.RequestURI)
			assert.Equal(t, []string{"ksher-go/" + ksher.Version}, r.Header["User-Agent"])
			assert.Equal(t, []string{"application/x-www-form-urlencoded"}, r.Header["Content-Type"])
			assert.Positive(t, r.ContentLength, "the length is announced")
			assert.Empty(t, r.Header["Ksher-Sign-Version"])
			testkit.RequireSigned(t, r.PostForm, &testkit.RSAKey(t, 1024).PublicKey)
		})
	}
}

func TestExtra(t *testing.T) {
	for _, op := range testkit.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
			client := testkit.NewClient(t, rec)
			extra := ksher.Extra{Params: map[string]string{"zz_new": "a&b=c +ก", "A_new": "", "1": "2"}}
			_, err := op.Call(t.Context(), client, extra)
			require.NoError(t, err)
			form := rec.Only(t).PostForm
			for name, value := range extra.Params {
				require.True(t, form.Has(name), name)
				assert.Equal(t, value, form.Get(name))
			}
			testkit.RequireSigned(t, form, &testkit.RSAKey(t, 1024).PublicKey)
			assert.Equal(t, ksher.Extra{Params: map[string]string{"zz_new": "a&b=c +ก", "A_new": "", "1": "2"}}, extra, "the caller's map is left alone")

			taken := []string{"appid", "nonce_str", "time_stamp", "sign", "Sign", "APPID", "Nonce_str", "", "a b", "a=b", "a\nb", "bad\xff"}
			if !op.NoOrder {
				taken = append(taken, "mch_order_no", "MCH_order_no")
			}
			for _, name := range taken {
				_, err := op.Call(t.Context(), client, ksher.Extra{Params: map[string]string{name: "x"}})
				var invalid *ksher.ValidationError
				require.ErrorAs(t, err, &invalid, "%q", name)
				assert.Len(t, invalid.Fields, 1, "%q: %v", name, invalid)
			}
			_, err = op.Call(t.Context(), client, ksher.Extra{Params: map[string]string{"new": "\xff"}})
			var invalid *ksher.ValidationError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, []ksher.FieldError{{Field: "new", Problem: "is not UTF-8"}}, invalid.Fields)
			assert.Equal(t, 1, rec.Count(), "nothing else may be sent")
		})
	}
	// A parameter that the request has a field for, but doesn't set, may come
	// this way: in a form the field can't express, say.
	rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
	client := testkit.NewClient(t, rec)
	req := testkit.GoodGatewayPay()
	req.Extra = ksher.Extra{Params: map[string]string{"expire_time": "30", "lang": "ja"}}
	_, err := client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, "ja", rec.Only(t).PostForm.Get("lang"))
	assert.Equal(t, "30", rec.Only(t).PostForm.Get("expire_time"))
	req.Lang = ksher.LangThai
	_, err = client.GatewayPay(t.Context(), req)
	var invalid *ksher.ValidationError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, []ksher.FieldError{{Field: "lang", Problem: "is in Extra, but set already by the request itself"}}, invalid.Fields)
}

func TestEnvelopeFields(t *testing.T) {
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

// closing tells whether a body was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// A body that stays open keeps its connection from being used again.
func TestBodiesAreClosed(t *testing.T) {
	bodies := map[string]*http.Response{
		"good":      {StatusCode: 200, ContentLength: -1, Body: &closing{Reader: strings.NewReader(testkit.SignedAnswer(t, testkit.GoodData))}},
		"bad":       {StatusCode: 502, ContentLength: -1, Body: &closing{Reader: strings.NewReader("<html>")}},
		"too large": {StatusCode: 200, ContentLength: -1, Body: &closing{Reader: endless('a')}},
		"announced": {StatusCode: 200, ContentLength: hundredMB, Body: &closing{Reader: endless('a')}},
		"broken":    {StatusCode: 200, ContentLength: -1, Body: &closing{Reader: iotest.ErrReader(io.ErrUnexpectedEOF)}},
	}
	for name, resp := range bodies {
		t.Run(name, func(t *testing.T) {
			client := testkit.OverTransport(t, testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				resp.Request = r
				return resp, nil
			}))
			_, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
			assert.Equal(t, name == "good", err == nil, "%v", err)
			assert.True(t, resp.Body.(*closing).closed)
		})
	}
}

// Opening a connection costs more than a call, so calls one after the other
// have to share one.
func TestConnectionsAreReused(t *testing.T) {
	tests := []struct {
		name   string
		client func(*testing.T, http.Handler) *ksher.Client
	}{
		{"over the caller's client", func(t *testing.T, h http.Handler) *ksher.Client { return testkit.NewClient(t, h) }},
		{"over the default client", func(t *testing.T, h http.Handler) *ksher.Client { return testkit.DefaultTransportClient(t, h) }},
		{"over TLS and HTTP/2", func(t *testing.T, h http.Handler) *ksher.Client { return http2Client(t, h) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			refusal := false
			client := tt.client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if refusal {
					testkit.Answering(500, `{"code":1,"msg":"SYSTEMERROR"}`).ServeHTTP(w, r)
					return
				}
				testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)).ServeHTTP(w, r)
			}))
			var reused []bool
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn: func(info httptrace.GotConnInfo) { reused = append(reused, info.Reused) },
			})
			for _, refusal = range []bool{false, true, false} {
				for _, op := range testkit.Operations() {
					_, err := op.Call(ctx, client, ksher.Extra{})
					assert.Equal(t, refusal, err != nil)
				}
			}
			want := make([]bool, 3*len(testkit.Operations()))
			for i := range want {
				want[i] = i > 0
			}
			assert.Equal(t, want, reused)
		})
	}
}

// http2Client speaks HTTP/2, and doesn't repeat queries.
func http2Client(tb testing.TB, handler http.Handler, opts ...ksher.Option) *ksher.Client {
	tb.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	tb.Cleanup(server.Close)
	client, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(tb, 1024), append([]ksher.Option{
		ksher.WithGatewayURL(server.URL), ksher.WithMerchantURL(server.URL), testkit.TrustTestKey(tb),
		ksher.WithHTTPClient(server.Client()), ksher.WithRetry(1, 0),
	}, opts...)...)
	require.NoError(tb, err)
	return client
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

// A signed request isn't to be handed on to wherever an answer points.
func TestRedirectsAreNotFollowed(t *testing.T) {
	target := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
	elsewhere := httptest.NewServer(target)
	t.Cleanup(elsewhere.Close)
	followed := 0
	own := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { followed++; return nil }}
	redirects := []struct {
		status   int
		location []string
	}{
		{301, []string{elsewhere.URL + "/target"}},
		{302, []string{elsewhere.URL + "/target"}},
		{303, []string{elsewhere.URL + "/target"}},
		{307, []string{elsewhere.URL + "/target"}},
		{308, []string{elsewhere.URL + "/target"}},
		{302, nil},
		{307, []string{"http://x/%zz"}}, // Not an address.
	}
	for _, tt := range redirects {
		for _, op := range testkit.Operations() {
			t.Run(fmt.Sprintf("%d %s %s", tt.status, tt.location, op.Name), func(t *testing.T) {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header()["Location"] = tt.location
					w.WriteHeader(tt.status)
				}))
				t.Cleanup(server.Close)
				own.Transport = server.Client().Transport
				client, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 1024), testkit.TrustTestKey(t), ksher.WithHTTPClient(own),
					ksher.WithGatewayURL(server.URL), ksher.WithMerchantURL(server.URL))
				require.NoError(t, err)
				_, err = op.Call(t.Context(), client, ksher.Extra{})
				require.ErrorIs(t, err, fault.ErrRedirect)
				assert.Equal(t, op.Changes, errors.Is(err, ksher.ErrOutcomeUnknown))
				var failed *ksher.Error
				require.ErrorAs(t, err, &failed)
				assert.Equal(t, tt.status, failed.HTTPStatus)
			})
		}
	}
	assert.Zero(t, target.Count(), "the target was called")
	assert.Zero(t, followed)
}

// The gateway doesn't know sessions, and a jar may be shared with other sites.
func TestCookiesAreNotKept(t *testing.T) {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	address, err := url.Parse(ksher.DefaultGatewayURL)
	require.NoError(t, err)
	jar.SetCookies(address, []*http.Cookie{{Name: "session", Value: "1"}})
	rec := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "other", Value: "2"})
		testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)).ServeHTTP(w, r)
	}))
	client, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 1024), testkit.TrustTestKey(t),
		ksher.WithHTTPClient(&http.Client{Transport: testkit.HandlerTransport{Handler: rec}, Jar: jar}))
	require.NoError(t, err)
	for range 2 {
		_, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
		require.NoError(t, err)
		assert.Empty(t, rec.All()[len(rec.All())-1].Cookies())
	}
	assert.Len(t, jar.Cookies(address), 1)
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

func TestLogger(t *testing.T) {
	refused := `{"appid":"mch12345","mch_order_no":"order1","result":"FAIL","err_code":"NOAUTH","err_msg":"Somchai's balance","openid":"buyer-4711"}`
	tests := []struct {
		name   string
		status int
		body   string
		// want is for a changing operation, wantQuery for a query.
		want, wantQuery testkit.LogLine
	}{
		{
			"success", 200, testkit.SignedAnswer(t, testkit.GoodData),
			testkit.LogLine{Level: "INFO", Outcome: "ok"},
			testkit.LogLine{Level: "INFO", Outcome: "ok"},
		},
		{
			"refusal", 200, testkit.SignedAnswer(t, refused),
			testkit.LogLine{Level: "WARN", Outcome: "refused", Code: "NOAUTH", HTTPStatus: 200},
			testkit.LogLine{Level: "WARN", Outcome: "refused", Code: "NOAUTH", HTTPStatus: 200},
		},
		{
			"unknown outcome", 502, "<html>openid buyer-4711, Somchai</html>",
			testkit.LogLine{Level: "ERROR", Outcome: "unknown", HTTPStatus: 502, Cause: fault.ErrHTTPStatus.Error()},
			testkit.LogLine{Level: "WARN", Outcome: "failed", HTTPStatus: 502, Cause: fault.ErrHTTPStatus.Error()},
		},
		{
			"not believed", 200, strings.Replace(testkit.SignedAnswer(t, testkit.GoodData), "10000", "10001", 1),
			testkit.LogLine{Level: "ERROR", Outcome: "unknown", HTTPStatus: 200, Cause: fault.ErrSignatureMismatch.Error()},
			testkit.LogLine{Level: "WARN", Outcome: "failed", HTTPStatus: 200, Cause: fault.ErrSignatureMismatch.Error()},
		},
	}
	key := testkit.RSAKey(t, 1024)
	for _, tt := range tests {
		for _, op := range testkit.Operations() {
			t.Run(tt.name+" "+op.Name, func(t *testing.T) {
				var log testkit.LogBuffer
				rec := testkit.Recording(testkit.Answering(tt.status, tt.body))
				client := testkit.NewClient(t, rec, ksher.WithLogger(log.Logger(slog.LevelDebug)))
				_, err := op.Call(t.Context(), client, ksher.Extra{})
				assert.Equal(t, tt.want.Outcome != "ok", err != nil)

				lines := log.Lines(t)
				require.Len(t, lines, 1)
				require.NotNil(t, lines[0].Duration)
				assert.GreaterOrEqual(t, *lines[0].Duration, int64(0))
				lines[0].Duration = nil
				want := tt.want
				if !op.Changes {
					want = tt.wantQuery
				}
				want.Msg, want.Operation, want.OrderNo, want.Attempt = "ksher call", op.Name, op.OrderNo(), 1
				if strings.Contains(op.Name, "refund") {
					want.RefundNo = testkit.RefundNo
				}
				assert.Equal(t, want, lines[0])

				secrets := map[string]string{
					"the signature sent":   rec.Only(t).PostForm.Get("sign"),
					"the signature got":    testkit.PeerSign(t, key, testkit.GoodData),
					"the key in hex":       key.D.Text(16),
					"the key in decimal":   key.D.String(),
					"what names the buyer": "buyer-4711",
					"a name":               "Somchai",
				}
				for what, secret := range secrets {
					assert.NotContains(t, log.Text(), secret, what)
					if err != nil && what != "what names the buyer" && what != "a name" {
						assert.NotContains(t, err.Error(), secret, what)
					}
				}
			})
		}
	}

	t.Run("nothing below its level", func(t *testing.T) {
		var log testkit.LogBuffer
		client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)), ksher.WithLogger(log.Logger(slog.LevelWarn)))
		_, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
		require.NoError(t, err)
		assert.Empty(t, log.Text())
	})
	t.Run("an order number is one line", func(t *testing.T) {
		var log testkit.LogBuffer
		client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"pay_content":"https://pay.example"}`)), ksher.WithLogger(log.Logger(slog.LevelInfo)))
		req := testkit.GoodGatewayPay()
		req.MchOrderNo = "a\nlevel=ERROR"
		_, err := client.GatewayPay(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, "a level=ERROR", log.Lines(t)[0].OrderNo)
	})
	t.Run("what isn't sent isn't logged", func(t *testing.T) {
		var log testkit.LogBuffer
		client := testkit.NewClient(t, testkit.Answering(200, ""), ksher.WithLogger(log.Logger(slog.LevelDebug)))
		_, err := client.GatewayPay(t.Context(), &ksher.GatewayPayRequest{})
		require.Error(t, err)
		assert.Empty(t, log.Text())
	})
}

// The key must not come out however a client is printed.
func TestClientIsPrintedWithoutItsKey(t *testing.T) {
	key := testkit.RSAKey(t, 1024)
	client, err := ksher.NewClient(testkit.AppID, key)
	require.NoError(t, err)
	var log testkit.LogBuffer
	log.Logger(slog.LevelInfo).Info("x", "client", client)
	printed := []string{
		fmt.Sprintf("%v %+v %s %d %x %q", client, client, client, client, client, client),
		fmt.Sprintf("%#v", client),
		fmt.Sprintf("%v %+v", *client, *client),
		fmt.Sprintf("%+v", struct{ Client *ksher.Client }{client}),
		log.Text(),
	}
	// fmt can't call Format there.
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, struct{ c ksher.Client }{*client}), fmt.Sprintf(verb, struct{ c *ksher.Client }{client}))
	}
	for _, text := range printed {
		for _, secret := range append(secretsOf(key), key.D.String(), key.D.Text(16), key.Primes[0].String(), key.Primes[0].Text(16)) {
			assert.NotContains(t, text, secret)
		}
	}
	assert.Equal(t, "ksher.Client(mch12345)", fmt.Sprint(client))
}

func TestConcurrentCalls(t *testing.T) {
	var log testkit.LogBuffer
	rec := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		no := r.PostForm.Get("mch_order_no")
		testkit.Answering(200, testkit.SignedAnswer(t, strings.Replace(testkit.GoodData, testkit.OrderNo, no, 1))).ServeHTTP(w, r)
	}))
	client := testkit.NewClient(t, rec, ksher.WithLogger(log.Logger(slog.LevelInfo)))
	const goroutines = 50
	var group sync.WaitGroup
	for i := range goroutines {
		group.Go(func() {
			no := fmt.Sprintf("order%d", i)
			pay := testkit.GoodGatewayPay()
			pay.MchOrderNo = no
			_, err := client.GatewayPay(t.Context(), pay)
			assert.NoError(t, err)
			query, err := client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: no})
			if assert.NoError(t, err) {
				assert.NoError(t, query.CheckPaid(no, 100_00, "THB"))
			}
			refund := testkit.GoodOrderRefund()
			refund.MchOrderNo = no
			_, err = client.OrderRefund(t.Context(), refund)
			assert.NoError(t, err)
		})
	}
	group.Wait()
	assert.Equal(t, 3*goroutines, rec.Count())
	assert.Len(t, log.Lines(t), 3*goroutines)
	nonces := map[string]bool{}
	for _, r := range rec.All() {
		nonces[r.PostForm.Get("nonce_str")] = true
	}
	assert.Len(t, nonces, 3*goroutines)
}

func TestMaxResponseBytes(t *testing.T) {
	body := testkit.SignedAnswer(t, testkit.GoodData)
	tests := []struct {
		name  string
		limit int64
		want  error
	}{
		{"exactly", int64(len(body)), nil},
		{"one less", int64(len(body)) - 1, fault.ErrTooLarge},
		{"no limit at all", math.MaxInt64, nil},
	}
	for _, tt := range tests {
		for _, announced := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, length announced: %v", tt.name, announced), func(t *testing.T) {
				client := testkit.NewClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !announced {
						w.(http.Flusher).Flush()
					}
					io.WriteString(w, body)
				}), ksher.WithMaxResponseBytes(tt.limit))
				_, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
				if tt.want == nil {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, tt.want)
				}
			})
		}
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

// An answer about another number than the one asked for, whichever it is.
func TestAnswerAboutAnotherNumber(t *testing.T) {
	client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"mch_order_no":"order1","ksher_order_no":"901","result":"SUCCESS"}`)))
	_, err := client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{KsherOrderNo: "900"})
	assert.ErrorIs(t, err, ksher.ErrOtherOrder)
	_, err = client.OrderClose(t.Context(), &ksher.OrderCloseRequest{KsherOrderNo: "900"})
	assert.ErrorIs(t, err, ksher.ErrOtherOrder)
	assert.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
}

package transport_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
)

func TestSetHTTPClient(t *testing.T) {
	with := func(c *tls.Config) *http.Client { return &http.Client{Transport: &http.Transport{TLSClientConfig: c}} }
	var none *http.Transport
	tests := []struct {
		name   string
		client *http.Client
		err    string
	}{
		{"nil", nil, "is nil"},
		{"a nil transport in it", &http.Client{Transport: none}, "is nil"},
		{"the zero client", &http.Client{}, ""},
		{"no TLS configuration", with(nil), ""},
		{"any certificate", with(&tls.Config{InsecureSkipVerify: true}), "InsecureSkipVerify"},
		{"a pinned certificate", with(&tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error { return nil }}), ""},
		{"a pinned key", with(&tls.Config{InsecureSkipVerify: true, VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { return nil }}), ""},
		{"TLS 1.1", with(&tls.Config{MinVersion: tls.VersionTLS11}), "TLS 1.2"},
		{"TLS 1.3", with(&tls.Config{MinVersion: tls.VersionTLS13}), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := transport.NewSender("").SetHTTPClient(tt.client)
			if tt.err == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, "WithHTTPClient")
			assert.ErrorContains(t, err, tt.err)
		})
	}
}

func TestLimits(t *testing.T) {
	s := transport.NewSender("")
	assert.ErrorContains(t, s.SetTimeout(0), "WithTimeout")
	assert.ErrorContains(t, s.SetMaxResponseBytes(0), "WithMaxResponseBytes")
	require.NoError(t, s.SetTimeout(time.Hour))
	ctx, cancel := s.Limit(t.Context())
	defer cancel()
	end, ok := ctx.Deadline()
	assert.True(t, ok)
	assert.WithinDuration(t, time.Now().Add(time.Hour), end, time.Minute)
}

func TestDo(t *testing.T) {
	answering := func(r *http.Response, err error) rounds {
		return func(*http.Request) (*http.Response, error) { return r, err }
	}
	says := func(body string) *http.Response {
		return &http.Response{StatusCode: 201, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
	}
	announced := says("x")
	announced.ContentLength = 9
	vast := says("x")
	vast.ContentLength = math.MaxInt64
	tests := []struct {
		name string
		rt   rounds
		want string
		is   error
		text string
	}{
		{"an answer", answering(says("12345678"), nil), "12345678", nil, ""},
		{"one with a mark", answering(says("\ufeff1234"), nil), "1234", nil, ""},
		{"none", answering(&http.Response{StatusCode: 201}, nil), "", nil, ""},
		{"too much", answering(says("123456789"), nil), "", fault.ErrTooLarge, "8 bytes"},
		{"too much announced", answering(announced, nil), "", fault.ErrTooLarge, "8 bytes"},
		{"no end of it announced", answering(vast, nil), "", fault.ErrTooLarge, "8 bytes"},
		{"neither answer nor error", answering(nil, nil), "", nil, "neither an answer nor an error"},
		{"not TLS", answering(nil, tls.RecordHeaderError{RecordHeader: [5]byte{'H', 'T', 'T', 'P', '/'}}), "", nil, "it speaks HTTP where HTTPS was expected"},
		{"broken off", answering(&http.Response{StatusCode: 201, Body: io.NopCloser(io.MultiReader(strings.NewReader("1"), broken{}))}, nil), "", io.ErrUnexpectedEOF, "the body broke off"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := senderOn(t, tt.rt)
			require.NoError(t, s.SetMaxResponseBytes(8))
			answer, sent, err := post(t.Context(), s)
			assert.True(t, sent)
			if tt.text == "" {
				assert.NoError(t, err)
				assert.Equal(t, transport.Answer{Status: 201, Body: answer.Body}, answer)
				assert.Equal(t, tt.want, string(answer.Body))
				return
			}
			assert.ErrorContains(t, err, tt.text)
			if tt.is != nil {
				assert.ErrorIs(t, err, tt.is)
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestDoKeepsSecretsOut(t *testing.T) {
	s := senderOn(t, rounds(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("malformed header: " + strings.Repeat("0f", 64))
	}))
	_, _, err := s.Do(t.Context(), http.MethodGet, "https://host.example/pay?signature=5ec5e7", http.Header{}, "")
	for ; err != nil; err = errors.Unwrap(err) {
		assert.NotContains(t, err.Error(), "5ec5e7")
		assert.NotContains(t, err.Error(), "0f0f")
	}
}

func TestDoOverHTTP(t *testing.T) {
	var agent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agent = r.UserAgent()
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(server.Close)
	answer, sent, err := transport.NewSender("-vip").Do(t.Context(), http.MethodPost, server.URL, http.Header{}, "a=1")
	require.NoError(t, err)
	assert.True(t, sent)
	assert.Equal(t, http.StatusTemporaryRedirect, answer.Status)
	assert.Equal(t, "ksher-go-vip/"+transport.Version, agent)
}

func TestBaseURL(t *testing.T) {
	const example = "https://api.example"
	tests := []struct{ address, want, err string }{
		{"https://host.example/", "https://host.example", ""},
		{"https://host.example/v1//", "https://host.example/v1", ""},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080", ""},
		{"http://[::1]", "http://[::1]", ""},
		{"http://localhost", "http://localhost", ""},
		{"http://Gateway:8080/api", "http://Gateway:8080/api", ""}, // Allowed below.
		{"http://host.example", "", "not https"},
		{"http://gateway.example", "", "not https"},
		{"ftp://localhost", "", "not https"},
		{"https://", "", example},
		{"https://host.example?x", "", example},
		{"https://host.example#x", "", example},
		{"https://me:s3cret@host.example", "", "has an @"},
		{"", "", example},
	}
	for _, tt := range tests {
		t.Run(tt.address, func(t *testing.T) {
			got, err := transport.BaseURL("WithURL", tt.address, example, "gateway")
			assert.Equal(t, tt.want, got)
			if tt.err == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, tt.err)
			assert.NotContains(t, err.Error(), "s3cret")
		})
	}
}

package transport_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/transport"
)

// rounds is a transport that is a function.
type rounds func(*http.Request) (*http.Response, error)

func (r rounds) RoundTrip(req *http.Request) (*http.Response, error) { return r(req) }

func senderOn(t *testing.T, rt http.RoundTripper) *transport.Sender {
	s := transport.NewSender("")
	require.NoError(t, s.SetHTTPClient(&http.Client{Transport: rt}))
	return s
}

func post(ctx context.Context, s *transport.Sender) (transport.Answer, bool, error) {
	return s.Do(ctx, http.MethodPost, "https://host.example/pay", http.Header{}, "a=1")
}

// closing is a connection that says which protocol it speaks, and whether it was closed.
type closing struct {
	net.Conn
	protocol string
	closed   bool
}

func (c *closing) Close() error { c.closed = true; return nil }
func (c *closing) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{NegotiatedProtocol: c.protocol}
}

type hooks = *httptrace.ClientTrace

// What a transport does, as it reports it.
var (
	errWrite = &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	nothing  = func(hooks, *http.Request) {}
	conn     = func(h hooks, _ *http.Request) { h.GetConn("host.example:443"); h.GotConn(httptrace.GotConnInfo{}) }
	h1       = func(h hooks, r *http.Request) { conn(h, r); h.WroteHeaderField("Host", nil); h.WroteHeaders() }
	h2       = func(h hooks, r *http.Request) { conn(h, r); h.WroteHeaderField(":method", nil); h.WroteHeaders() }
	read     = func(first func(hooks, *http.Request)) func(hooks, *http.Request) {
		return func(h hooks, r *http.Request) {
			first(h, r)
			io.ReadAll(r.Body)
			h.WroteRequest(httptrace.WroteRequestInfo{})
		}
	}
	fails   = func(h hooks, r *http.Request) { h1(h, r); h.WroteRequest(httptrace.WroteRequestInfo{Err: errWrite}) }
	answers = func(h hooks, r *http.Request) { read(h2)(h, r); h.GotFirstResponseByte() }
)

// Every way in which a transport may report its progress and fail.
func TestUnprocessed(t *testing.T) {
	const (
		again   = "http2: Transport: cannot retry err [%s] after Request.Body was written; define Request.GetBody to avoid this error"
		refused = "stream error: stream ID 3; REFUSED_STREAM; received from peer"
	)
	rewound := func(cause string) error { return fmt.Errorf(again, cause) }
	const unprocessed, doubt, unsent = "unprocessed", "in doubt", "unsent"
	tests := []struct {
		name string
		does func(hooks, *http.Request)
		err  error
		want string
	}{
		{"HTTP/2: refused", read(h2), rewound(refused), unprocessed},
		{"HTTP/2: refused, and the body unread", h2, errors.New(refused), unprocessed},
		{"HTTP/2: refused, wrapped", read(h2), fmt.Errorf("measured: %w", rewound(refused)), unprocessed},
		{"HTTP/2: above the last stream", read(h2), rewound("http2: Transport received Server's graceful shutdown GOAWAY"), unprocessed},
		{"HTTP/2: above the last stream, the first", read(h2), errors.New("http2: Transport received GOAWAY from server ErrCode:ENHANCE_YOUR_CALM"), unprocessed},
		{"HTTP/2: refused by us", read(h2), rewound("stream error: stream ID 3; REFUSED_STREAM"), doubt},
		{"HTTP/2: refused after it answered", answers, rewound(refused), doubt},
		{"HTTP/2: reset", read(h2), rewound("stream error: stream ID 3; PROTOCOL_ERROR; received from peer"), doubt},
		{"HTTP/2: quoted", read(h2), fmt.Errorf("http2: server sent GOAWAY and closed the connection; LastStreamID=3, ErrCode=NO_ERROR, debug=%q", refused), doubt},
		{"HTTP/2: closed", read(h2), io.ErrUnexpectedEOF, doubt},
		{"HTTP/2: no stream", conn, errors.New("http2: client conn not usable"), unprocessed},
		{"HTTP/2: no stream, and no other connection", conn, errors.New("net/http: cannot rewind body after connection loss"), unprocessed},
		{"HTTP/2: the headers couldn't be written", h2, errWrite, unprocessed},
		{"HTTP/2: the body couldn't be written", read(h2), errWrite, doubt},
		{"HTTP/1.1: refused", read(h1), rewound(refused), doubt},
		{"HTTP/1.1: closed before it was used", h1, errors.New("http: server closed idle connection"), unprocessed},
		{"HTTP/1.1: broken before it was used", h1, fmt.Errorf("readLoopPeekFailLocked: %w", syscall.ECONNRESET), unprocessed},
		{"HTTP/1.1: the headers couldn't be written", fails, io.EOF, unprocessed},
		{"HTTP/1.1: closed", read(h1), io.EOF, doubt},
		{"no hooks: refused", nothing, rewound(refused), doubt},
		{"no hooks: no connection", nothing, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, unsent},
		{"no connection", func(h hooks, _ *http.Request) { h.GetConn("host.example:443") }, syscall.ECONNREFUSED, unsent},
		{"its headers may still be written", conn, context.Canceled, doubt},
		{"it never tells whether headers were written", conn, io.EOF, doubt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := senderOn(t, rounds(func(r *http.Request) (*http.Response, error) {
				tt.does(httptrace.ContextClientTrace(r.Context()), r)
				return nil, tt.err
			}))
			_, sent, err := post(t.Context(), s)
			require.ErrorIs(t, err, tt.err)
			var end transport.Unprocessed
			assert.Equal(t, tt.want == unprocessed, errors.As(err, &end), "%v", err)
			assert.Equal(t, tt.want == doubt, sent)
			assert.True(t, transport.Transient(err))
			if tt.want == unprocessed {
				assert.ErrorContains(t, err, "the host closed the connection before it took the request")
			}
		})
	}
}

// A transport that is known to tell of headers is believed if it doesn't.
func TestHeadersNeverWritten(t *testing.T) {
	first := true
	s := senderOn(t, rounds(func(r *http.Request) (*http.Response, error) {
		h := httptrace.ContextClientTrace(r.Context())
		h.GotConn(httptrace.GotConnInfo{})
		if first {
			first = false
			h.WroteHeaders()
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		}
		return nil, io.ErrUnexpectedEOF
	}))
	_, _, err := post(t.Context(), s)
	require.NoError(t, err)
	_, sent, err := post(t.Context(), s)
	var end transport.Unprocessed
	assert.ErrorAs(t, err, &end)
	assert.False(t, sent)
}

// Whoever takes another connection after the headers were written is stopped.
func TestSecondConnection(t *testing.T) {
	for _, tt := range []struct {
		protocol string
		closed   bool
	}{{"h2", false}, {"http/1.1", true}, {"", true}} {
		t.Run(tt.protocol, func(t *testing.T) {
			second := &closing{protocol: tt.protocol}
			var during error
			s := senderOn(t, rounds(func(r *http.Request) (*http.Response, error) {
				h := httptrace.ContextClientTrace(r.Context())
				h.GotConn(httptrace.GotConnInfo{Conn: &closing{}})
				h.GotConn(httptrace.GotConnInfo{Conn: &closing{}}) // Nothing was written to the first.
				require.NoError(t, r.Context().Err())
				h.WroteHeaders()
				h.GotConn(httptrace.GotConnInfo{Conn: second})
				during = r.Context().Err()
				return nil, during
			}))
			_, sent, err := post(t.Context(), s)
			assert.ErrorIs(t, during, context.Canceled)
			assert.Equal(t, tt.closed, second.closed)
			assert.True(t, sent)
			assert.ErrorContains(t, err, "kept from sending the request again")
			assert.NotErrorIs(t, err, context.Canceled)
			assert.True(t, transport.Transient(err))
		})
	}
}

// The body can't be had a second time.
func TestBodyOnce(t *testing.T) {
	s := senderOn(t, rounds(func(r *http.Request) (*http.Response, error) {
		assert.Nil(t, r.GetBody)
		assert.EqualValues(t, 3, r.ContentLength)
		r.Body.Close() // As net/http does with a connection on which it opens no stream.
		body, err := io.ReadAll(r.Body)
		assert.Equal(t, "a=1", string(body))
		assert.NoError(t, err)
		body, err = io.ReadAll(r.Body)
		assert.Empty(t, body)
		assert.NoError(t, err)
		return &http.Response{StatusCode: 200}, nil
	}))
	answer, sent, err := post(t.Context(), s)
	assert.NoError(t, err)
	assert.True(t, sent)
	assert.Equal(t, 200, answer.Status)
}

func TestFresh(t *testing.T) {
	hosts := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hosts[r.RemoteAddr]++; io.WriteString(w, r.Host) }))
	t.Cleanup(server.Close)
	own := &http.Transport{}
	t.Cleanup(own.CloseIdleConnections)
	s := senderOn(t, own)
	for _, ctx := range []context.Context{t.Context(), t.Context(), transport.Fresh(t.Context()), transport.Fresh(t.Context()), t.Context()} {
		answer, _, err := s.Do(ctx, http.MethodPost, server.URL+"/pay", http.Header{}, "a=1")
		require.NoError(t, err)
		assert.Equal(t, strings.TrimPrefix(server.URL, "http://"), string(answer.Body), "the Host on the wire")
	}
	assert.Len(t, hosts, 3)

	for address, want := range map[string]string{
		"https://host.example/pay":      "host.example:0443",
		"https://host.example:8443/pay": "host.example:08443",
		"http://localhost/pay":          "localhost:080",
		"http://[::1]:8080/pay":         "[::1]:08080",
	} {
		s := senderOn(t, rounds(func(r *http.Request) (*http.Response, error) {
			assert.Equal(t, want, r.URL.Host)
			assert.NotContains(t, r.Host, ":0")
			assert.True(t, r.Close)
			return nil, io.EOF
		}))
		_, _, err := s.Do(transport.Fresh(t.Context()), http.MethodGet, address, http.Header{}, "")
		assert.ErrorContains(t, err, address)
	}
}

func TestTransient(t *testing.T) {
	broken := func(err error) error { return fmt.Errorf("no answer came: %w", transport.Error{Err: err}) }
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"another error", io.EOF, false},
		{"a closed connection", broken(io.EOF), true},
		{"a timeout", broken(context.DeadlineExceeded), true},
		{"an unknown authority", broken(x509.UnknownAuthorityError{}), false},
		{"another host", broken(&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "host.example"}}), false},
		{"a long name", broken(fmt.Errorf("%s: %w", strings.Repeat("x", 300), x509.CertificateInvalidError{Cert: &x509.Certificate{}})), false},
		{"no roots", broken(x509.SystemRootsError{}), false},
		{"no TLS", broken(tls.RecordHeaderError{}), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, transport.Transient(tt.err)) })
	}

	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	_, sent, err := senderOn(t, &http.Transport{}).Do(t.Context(), http.MethodGet, server.URL, http.Header{}, "")
	assert.Error(t, err)
	assert.False(t, sent)
	assert.False(t, transport.Transient(err), "%v", err)
	var failed *url.Error
	assert.ErrorAs(t, err, &failed)
}

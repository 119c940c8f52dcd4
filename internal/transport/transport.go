// Package transport sends requests the way every client of this module does: over
// TLS, without following redirects, with a bounded answer, and knowing afterwards
// whether anything may have reached the other side.
package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ksher-go/ksher/internal/clock"
	"github.com/ksher-go/ksher/internal/fault"
)

// Version is the version of this module, as package ksher has it.
const Version = "0.1.0"

// Shared is the transport of every client without one of its own, so that a
// program with a client for each of its merchants shares connections.
var Shared = sync.OnceValue(func() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// So that calls don't go on timing out on a connection that has died.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
})

// Sender is how a client sends, as its options have set it.
//
// It uses a RoundTripper and no http.Client, because redirects aren't to be followed
// and cookies not to be kept.
type Sender struct {
	transport http.RoundTripper // nil for http.DefaultTransport, which a mock may replace at any time.
	agent     []string
	timeout   time.Duration
	// each bounds a single request, 0 for not at all.
	each     time.Duration
	maxBytes int64
	// reports says that the transport tells when it has written a request's headers.
	reports atomic.Bool
	Retry   *Retry
	// Clock is the real one, or that of a local gateway, which brings its own in the
	// transport of its HTTP client.
	Clock clock.Clock
}

// NewSender returns a sender on the shared transport, with a timeout of 30 seconds
// and answers of up to 4 MiB. part names the client to the other side, "" for
// package ksher.
func NewSender(part string) *Sender {
	return &Sender{
		transport: Shared(),
		agent:     []string{"ksher-go" + part + "/" + Version},
		timeout:   30 * time.Second,
		maxBytes:  4 << 20,
		Retry:     NewRetry(),
		Clock:     clock.Real,
	}
}

// SetHTTPClient is the option WithHTTPClient. It refuses a client that doesn't know
// who answers.
func (s *Sender) SetHTTPClient(client *http.Client) error {
	if client == nil {
		return errors.New("WithHTTPClient: the client is nil")
	}
	transport := client.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	t, ok := transport.(*http.Transport)
	if ok && t == nil {
		return errors.New("WithHTTPClient: the client's transport is nil")
	}
	if ok && t.TLSClientConfig != nil {
		conf := t.TLSClientConfig
		if conf.InsecureSkipVerify && conf.VerifyConnection == nil && conf.VerifyPeerCertificate == nil {
			return errors.New("WithHTTPClient: InsecureSkipVerify lets anybody answer in the host's place; add the certificate to RootCAs instead")
		}
		if conf.MinVersion != 0 && conf.MinVersion < tls.VersionTLS12 {
			return errors.New("WithHTTPClient: MinVersion is below TLS 1.2")
		}
	}
	s.transport, s.each = client.Transport, client.Timeout
	if c, ok := client.Transport.(clock.Clock); ok {
		s.Clock = c
	}
	return nil
}

// SetTimeout is the option WithTimeout.
func (s *Sender) SetTimeout(d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("WithTimeout: %v is not a positive duration", d)
	}
	s.timeout = d
	return nil
}

// SetMaxResponseBytes is the option WithMaxResponseBytes.
func (s *Sender) SetMaxResponseBytes(n int64) error {
	if n <= 0 {
		return fmt.Errorf("WithMaxResponseBytes: %d is not positive", n)
	}
	s.maxBytes = n
	return nil
}

// Limit bounds a call with all its repetitions.
func (s *Sender) Limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}

// BaseURL checks the address of a host: https, or http on a loopback address or a
// plain host, with nothing after the path. The option that sets it and an example are for the
// error.
func BaseURL(option, address, example string, plain ...string) (string, error) {
	// A password, which only an address with an @ can have, is not to be quoted.
	if strings.Contains(address, "@") {
		return "", fmt.Errorf("%s: the address has an @ in it; one such as %s is needed", option, example)
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || strings.ContainsAny(address, "?#"):
		return "", fmt.Errorf("%s: %q is not an address such as %s", option, Clip(address), example)
	case u.Scheme == "https" || u.Scheme == "http" && (isLoopback(u.Hostname()) || slices.ContainsFunc(plain, isHost(u.Hostname()))):
		return strings.TrimRight(address, "/"), nil
	}
	return "", fmt.Errorf("%s: %q is not https, which only a loopback address may do without", option, Clip(address))
}

// isHost tells whether another name is that host's.
func isHost(name string) func(string) bool {
	return func(other string) bool { return strings.EqualFold(name, other) }
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Answer is what came back.
type Answer struct {
	Status int
	Body   []byte
}

// Do sends a request with that body and reads the bounded answer. With an error,
// sent tells whether anything may have reached the other side, and the answer may
// have a status. The request arrives at most once, whatever the transport would do; an
// [Unprocessed] error says that it may be sent once more.
func (s *Sender) Do(ctx context.Context, method, address string, header http.Header, body string) (answer Answer, sent bool, err error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, false, fmt.Errorf("nothing was sent: %w", err)
	}
	if s.each > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.each)
		defer cancel()
	}
	// Cancelled as well if the transport begins to send the request again.
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	way := &progress{cancel: cancel, reports: &s.reports}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(sending, way.trace()), method, address, nil)
	if err != nil {
		return Answer{}, false, fmt.Errorf("nothing was sent: %w", Error{err})
	}
	if body != "" {
		way.body = newContent(body)
		req.Body, req.ContentLength = way.body, int64(len(body))
	}
	if ctx.Value(freshKey{}) != nil {
		refresh(req)
	}
	header["User-Agent"] = s.agent
	req.Header = header
	resp, err := s.roundTrip(req, address)
	if err != nil {
		return way.failure(ctx, err)
	}
	defer resp.Body.Close()
	answer.Status = resp.StatusCode
	answer.Body, err = readBody(resp.Body, resp.ContentLength, s.maxBytes)
	return answer, true, err
}

// failure tells what is known of a request whose transport returned an error.
func (p *progress) failure(ctx context.Context, err error) (Answer, bool, error) {
	// A transport that reports its progress tells for sure that no connection was had.
	// If it doesn't report, such as a mock, assume that the request was sent.
	var dial *net.OpError
	switch {
	case p.stopped.Load():
		return Answer{}, true, fmt.Errorf("no answer came: %w", Error{errStopped})
	case p.unprocessed(ctx, err):
		return Answer{}, false, Unprocessed{Error{err}}
	case p.had.Load() || !p.asked.Load() && !(errors.As(err, &dial) && dial.Op == "dial"):
		return Answer{}, true, fmt.Errorf("no answer came: %w", Error{err})
	}
	return Answer{}, false, fmt.Errorf("nothing was sent: %w", Error{err})
}

// roundTrip leaves nothing nil, whatever the transport does.
func (s *Sender) roundTrip(req *http.Request, address string) (*http.Response, error) {
	transport := s.transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	resp, err := transport.RoundTrip(req)
	var record tls.RecordHeaderError
	if errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/" {
		err = fmt.Errorf("it speaks HTTP where HTTPS was expected: %w", err)
	}
	if err == nil && resp == nil {
		err = errors.New("the transport returned neither an answer nor an error")
	}
	if err != nil {
		address, _, _ = strings.Cut(address, "?") // After which vip has its signature.
		return nil, &url.Error{Op: req.Method, URL: address, Err: err}
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	return resp, nil
}

// Error is a connection that couldn't be had or broke. Its text is short and free
// of signatures, because it may quote what the other side sent, a whole line of a
// broken header for example.
type Error struct{ Err error }

func (e Error) Error() string { return Quote([]byte(e.Err.Error())) }

// Unwrap leads to no text that Error takes something out of.
func (e Error) Unwrap() error {
	if text := e.Error(); text != e.Err.Error() {
		return &shielded{text, e.Err}
	}
	return e.Err
}

// readBody reads at most limit bytes, and leaves out a byte order mark before what
// they say. size is what the sender announced, -1 if nothing.
func readBody(from io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, TooLarge(limit)
	}
	var buf bytes.Buffer
	// An announced size isn't to be trusted with more memory than an ordinary
	// answer needs.
	buf.Grow(int(min(max(size, 0), 64<<10)) + bytes.MinRead)
	if _, err := buf.ReadFrom(io.LimitReader(from, min(limit, math.MaxInt64-1)+1)); err != nil {
		return nil, fmt.Errorf("the body broke off: %w", Error{err})
	}
	if int64(buf.Len()) > limit {
		return nil, TooLarge(limit)
	}
	return bytes.TrimPrefix(buf.Bytes(), []byte("\ufeff")), nil
}

// TooLarge is the error for a body of more than limit bytes.
func TooLarge(limit int64) error {
	return fmt.Errorf("%w: more than %d bytes", fault.ErrTooLarge, limit)
}

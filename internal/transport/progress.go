package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"strings"
	"sync/atomic"
)

// Unprocessed is a connection that ended in a way that proves that the host didn't
// process the request: it was never written as a whole, or HTTP/2 promises it (RFC
// 9113, 8.7). Nothing is in doubt. It may be sent once more, see [Fresh].
type Unprocessed struct{ Err error }

func (e Unprocessed) Error() string {
	return "the host closed the connection before it took the request: " + e.Err.Error()
}
func (e Unprocessed) Unwrap() error { return e.Err }

// Fresh asks [Sender.Do] to send over a new connection that is closed after the answer.
func Fresh(ctx context.Context) context.Context { return context.WithValue(ctx, freshKey{}, true) }

type freshKey struct{}

// refresh makes a request go over a new connection. Every transport keeps connections
// by the port as it is written, so a zero before it finds none there; Close keeps this
// one from being found. On the wire, Host is what it was.
func refresh(req *http.Request) {
	port := req.URL.Port()
	switch {
	case port != "":
	case req.URL.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	u := *req.URL
	u.Host = net.JoinHostPort(u.Hostname(), "0"+port)
	req.Host, req.URL, req.Close = req.URL.Host, &u, true
}

// Transient tells whether a request that failed like this may get an answer a moment
// later: the connection couldn't be had or broke. A host that can't prove who it is, or
// speaks no TLS, stays the same.
func Transient(err error) bool {
	var broken Error
	if !errors.As(err, &broken) {
		return false
	}
	var (
		untrusted *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		roots     x509.SystemRootsError
		record    tls.RecordHeaderError
	)
	return !errors.As(broken.Err, &untrusted) && !errors.As(broken.Err, &authority) && !errors.As(broken.Err, &hostname) &&
		!errors.As(broken.Err, &invalid) && !errors.As(broken.Err, &roots) && !errors.As(broken.Err, &record)
}

// errStopped stands for the error of a connection on which a request was lost before
// the transport began to send it again.
var errStopped = errors.New("the connection broke, and the transport was kept from sending the request again")

// progress follows a request through a transport, and keeps it from arriving twice.
type progress struct {
	body *content
	// cancel ends the request's context.
	cancel context.CancelFunc
	// reports says that the transport tells when headers are written.
	reports *atomic.Bool

	asked, had atomic.Bool // A connection.
	http2      atomic.Bool
	// wrote says that the headers were written, at least into a buffer. failed says that
	// HTTP/1.1 couldn't write them out.
	wrote, failed atomic.Bool
	answered      atomic.Bool // With a first byte.
	stopped       atomic.Bool
}

func (p *progress) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { p.asked.Store(true) },
		GotConn: func(info httptrace.GotConnInfo) {
			p.had.Store(true)
			if p.wrote.Load() {
				p.stop(info.Conn)
			}
		},
		WroteHeaderField: func(name string, _ []string) {
			if strings.HasPrefix(name, ":") {
				p.http2.Store(true)
			}
		},
		WroteHeaders: func() {
			p.wrote.Store(true)
			p.reports.Store(true)
		},
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			// HTTP/1.1 writes the headers out before it reads the body.
			if info.Err != nil && !p.http2.Load() && p.body != nil && !p.body.read.Load() {
				p.failed.Store(true)
			}
		},
		GotFirstResponseByte: func() { p.answered.Store(true) },
	}
}

// stop keeps a transport from sending a request again. It has just taken a connection
// for that. HTTP/2 looks at the context before it writes; HTTP/1.1 doesn't, but there
// the connection belongs to this request alone.
func (p *progress) stop(conn net.Conn) {
	p.stopped.Store(true)
	p.cancel()
	if secure, ok := conn.(interface{ ConnectionState() tls.ConnectionState }); ok && secure.ConnectionState().NegotiatedProtocol == "h2" {
		return
	}
	if conn != nil {
		conn.Close()
	}
}

// promised is what net/http says of a request that HTTP/2 promises not to have been
// processed. It has no types for this, and says it in one of two ways: for a request
// whose body has been read it adds that it could not send it again.
var promised = regexp.MustCompile(`^(?:http2: Transport: cannot retry err \[)?(?:` +
	`stream error: stream ID [0-9]+; REFUSED_STREAM; received from peer|` +
	`http2: Transport received Server's graceful shutdown GOAWAY|` + // The stream is above the last that counts.
	`http2: Transport received GOAWAY from server ErrCode:\w+` + // The same, on a connection's first stream.
	`)(?:\] after Request\.Body was written; define Request\.GetBody to avoid this error)?$`)

// closedIdle is what net/http says of HTTP/1.1 connections that were closed before it
// began to write to them.
var closedIdle = regexp.MustCompile(`^(?:http: server closed idle connection$|readLoopPeekFailLocked: )`)

// unusable is what net/http says of connections on which it opened no stream.
var unusable = regexp.MustCompile(`^(?:http2: client conn (?:could not be established|not usable)|net/http: cannot rewind body after connection loss)$`)

// unprocessed tells whether an error that a transport returned proves that the request
// wasn't processed. What it can't tell for sure is in doubt.
func (p *progress) unprocessed(ctx context.Context, err error) bool {
	switch {
	case p.stopped.Load() || p.answered.Load() || !p.had.Load():
		return false
	// HTTP/2 may still be writing when it returns because of these.
	case ctx.Err() != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return false
	case !p.wrote.Load():
		return p.reports.Load() || says(err, unusable) || says(err, promised)
	case p.http2.Load():
		return says(err, promised) || p.body != nil && !p.body.read.Load() && isWrite(err)
	}
	return p.failed.Load() || says(err, closedIdle)
}

// isWrite tells whether writing to the connection failed.
func isWrite(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "write"
}

// says looks for a text in an error and in what it wraps. It has to be all of an
// error's text, because the peer may have a say in others.
func says(err error, text *regexp.Regexp) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if text.MatchString(err.Error()) {
			return true
		}
	}
	return false
}

// content is a request's body. net/http can't send it again, because only a
// Request.GetBody or one of its own readers lets it. Before the first byte was read it
// may be closed and used all the same: then nothing was sent of it.
type content struct {
	from strings.Reader
	read atomic.Bool
}

func newContent(body string) *content {
	c := &content{}
	c.from.Reset(body)
	return c
}

func (c *content) Read(b []byte) (int, error) {
	c.read.Store(true)
	return c.from.Read(b)
}

func (c *content) Close() error { return nil }

var _ io.ReadCloser = (*content)(nil)

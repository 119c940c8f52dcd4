package tests

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestBrokenConnections(t *testing.T) {
	tests := []struct {
		name   string
		bytes  string
		status int
		want   []error
	}{
		{"before any answer", "", 0, testkit.Errs(io.EOF)},
		{"in the header", "HTTP/1.1 200 OK\r\nContent-Type: app", 0, testkit.Errs(io.ErrUnexpectedEOF)},
		{"in a body of a known length", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"code\":0", 200, testkit.Errs(io.ErrUnexpectedEOF)},
		{"in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"code\":0", 200, testkit.Errs(io.ErrUnexpectedEOF)},
		{"between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"code\":0\r\n", 200, testkit.Errs(io.ErrUnexpectedEOF)},
		{"in a body of unknown length", "HTTP/1.1 200 OK\r\n\r\n{\"code\":0", 200, testkit.Errs(fault.ErrTruncatedJSON)},
		{"in the body of an error", "HTTP/1.1 500 Oh\r\nContent-Length: 1000\r\n\r\n<html>", 500, testkit.Errs(io.ErrUnexpectedEOF)},
		{"after something else than HTTP", "SSH-2.0-OpenSSH_9.9\r\n\r\n", 0, nil},
	}
	for _, tt := range tests {
		for _, op := range testkit.Operations() {
			t.Run(tt.name+" "+op.Name, func(t *testing.T) {
				rec := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { testkit.Cut(w, tt.bytes) }))
				_, err := op.Call(t.Context(), testkit.NewClient(t, rec), ksher.Extra{})
				checkFailure(t, op, err, tt.status, true, tt.want)
				rec.Only(t)
			})
		}
	}
}

// net/http repeats some requests by itself when a connection that was kept open
// breaks. A payment must not be one of them.
func TestNoRepetitionOnAReusedConnection(t *testing.T) {
	clients := map[string]func(testing.TB, http.Handler, ...ksher.Option) *ksher.Client{
		"HTTP/1.1":          testkit.NewClient,
		"HTTP/1.1, default": testkit.DefaultTransportClient,
		"HTTP/2":            http2Client,
	}
	for name, client := range clients {
		for _, op := range testkit.Operations() {
			t.Run(name+" "+op.Name, func(t *testing.T) {
				rec := testkit.Recording(nil)
				rec.Next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if rec.Count() > 1 {
						panic(http.ErrAbortHandler)
					}
					testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)).ServeHTTP(w, r)
				})
				repeating := ksher.WithRetry(1, 0)
				if op.Changes {
					repeating = ksher.WithRetry(10, 0) // Which isn't for these.
				}
				c := client(t, rec, repeating)
				_, err := op.Call(t.Context(), c, ksher.Extra{})
				require.NoError(t, err)
				_, err = op.Call(t.Context(), c, ksher.Extra{})
				require.Error(t, err)
				assert.Equal(t, op.Changes, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
				assert.Equal(t, 2, rec.Count(), "requests received")
			})
		}
	}
}

func TestEnormousBodies(t *testing.T) {
	const opening = `{"code":0,"msg":"`
	body := func() io.Reader {
		return io.LimitReader(io.MultiReader(strings.NewReader(opening), endless('a')), hundredMB)
	}
	tests := map[string]http.HandlerFunc{
		"announced": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(hundredMB))
			io.Copy(w, body())
		},
		"not announced": func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			io.Copy(w, body())
		},
		"an error page": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			io.Copy(w, body())
		},
		"a gzip bomb": func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				http.Error(w, "gzip wasn't asked for, so this proves nothing", http.StatusNotAcceptable)
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
			pack, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
			io.Copy(pack, body())
			pack.Close()
		},
		"more announced than there is": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(int64(1)<<60))
			io.WriteString(w, opening)
		},
	}
	for name, handler := range tests {
		for _, op := range testkit.Operations() {
			if op.Name != "order_refund" && op.Name != "order_query" {
				continue // They are read like these two, and it takes a while.
			}
			t.Run(name+" "+op.Name, func(t *testing.T) {
				rec := testkit.Recording(handler)
				client := testkit.NewClient(t, rec)
				var err error
				memory := allocated(func() { _, err = op.Call(t.Context(), client, ksher.Extra{}) })
				status := http.StatusOK
				if name == "an error page" {
					status = http.StatusBadGateway
				}
				checkFailure(t, op, err, status, true, testkit.Errs(fault.ErrTooLarge))
				assert.Less(t, memory, fewBytes, "bytes allocated")
				rec.Only(t)
			})
		}
	}
}

// A size that was only announced must not be allocated.
func TestAnnouncedSizeIsNotTrusted(t *testing.T) {
	client := testkit.NewClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // What is left unread would reset the connection.
		testkit.Cut(w, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n{", int64(1)<<40))
	}), ksher.WithMaxResponseBytes(1<<50))
	var err error
	memory := allocated(func() { _, err = client.GatewayPay(t.Context(), testkit.GoodGatewayPay()) })
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Less(t, memory, fewBytes, "bytes allocated")
}

func TestEnormousHeaders(t *testing.T) {
	for _, op := range testkit.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			rec := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Padding", strings.Repeat("a", 1<<20))
				io.WriteString(w, testkit.SignedAnswer(t, testkit.GoodData))
			}))
			_, err := op.Call(t.Context(), testkit.DefaultTransportClient(t, rec), ksher.Extra{})
			checkFailure(t, op, err, 0, true, nil)
			assert.ErrorContains(t, err, "headers exceeded")
			rec.Only(t)
		})
	}
}

func TestContextEnds(t *testing.T) {
	blocked := func(w http.ResponseWriter, r *http.Request, end func()) {
		end()
		<-r.Context().Done()
	}
	never := func(w http.ResponseWriter, r *http.Request, end func()) {
		io.WriteString(w, `{"code":0,"msg":"`)
		w.(http.Flusher).Flush()
		end()
		<-r.Context().Done()
	}
	tests := []struct {
		name    string
		handler func(http.ResponseWriter, *http.Request, func())
		// inBody says that the status may or may not have arrived.
		inBody bool
	}{
		{"before the answer", blocked, false},
		{"in a body that never ends", never, true},
	}
	for _, tt := range tests {
		for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
			for _, op := range testkit.Operations() {
				t.Run(fmt.Sprintf("%s %v %s", tt.name, cause, op.Name), func(t *testing.T) {
					ctx, end := newAtWill(t.Context(), cause)
					rec := testkit.Recording(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tt.handler(w, r, end) }))
					_, err := op.Call(ctx, testkit.NewClient(t, rec), ksher.Extra{})
					status := 0
					var failed *ksher.Error
					if tt.inBody && errors.As(err, &failed) {
						status = failed.HTTPStatus
					}
					checkFailure(t, op, err, status, true, testkit.Errs(cause))
					rec.Only(t)
				})
			}
		}
	}

	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		for _, op := range testkit.Operations() {
			t.Run(fmt.Sprintf("before the call %v %s", cause, op.Name), func(t *testing.T) {
				ctx, end := newAtWill(t.Context(), cause)
				end()
				rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
				_, err := op.Call(ctx, testkit.NewClient(t, rec), ksher.Extra{})
				checkFailure(t, op, err, 0, false, testkit.Errs(cause))
				assert.ErrorContains(t, err, "nothing was sent")
				assert.Zero(t, rec.Count())
			})
			t.Run(fmt.Sprintf("while connecting %v %s", cause, op.Name), func(t *testing.T) {
				ctx, end := newAtWill(t.Context(), cause)
				released := make(chan struct{})
				transport := &http.Transport{DialContext: func(dialCtx context.Context, _, _ string) (net.Conn, error) {
					end()
					select {
					case <-dialCtx.Done():
					case <-released:
					}
					return nil, errors.New("gave up connecting")
				}}
				t.Cleanup(func() { close(released) })
				_, err := op.Call(ctx, testkit.OverTransport(t, transport), ksher.Extra{})
				checkFailure(t, op, err, 0, false, testkit.Errs(cause))
				assert.ErrorContains(t, err, "nothing was sent")
			})
		}
	}
}

// The limit is the client's own: nobody has to bring a context that ends.
func TestTimeout(t *testing.T) {
	rec := testkit.Recording(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	client := testkit.NewClient(t, rec, ksher.WithTimeout(20*time.Millisecond))
	_, err := client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: testkit.OrderNo})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)

	// The http.Client's own limit counts as well.
	server := httptest.NewServer(rec)
	t.Cleanup(server.Close)
	own := server.Client()
	own.Timeout = 20 * time.Millisecond
	client, err = ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 1024), ksher.WithHTTPClient(own), ksher.WithMerchantURL(server.URL), ksher.WithRetry(1, 0))
	require.NoError(t, err)
	_, err = client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: testkit.OrderNo})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// Before a connection there is nothing that could have been carried out.
func TestNoConnection(t *testing.T) {
	const closed = "http://127.0.0.1:1" // A port of one's own may be another's once it is closed.
	untrusted := httptest.NewUnstartedServer(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	plain := httptest.NewServer(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
	t.Cleanup(plain.Close)
	oldTLS := httptest.NewUnstartedServer(testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData)))
	oldTLS.Config.ErrorLog = log.New(io.Discard, "", 0)
	oldTLS.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	oldTLS.StartTLS()
	t.Cleanup(oldTLS.Close)

	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	failing := func(err error) http.RoundTripper {
		return testkit.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, err })
	}
	tests := []struct {
		name      string
		address   string
		transport http.RoundTripper
		want      []error
		unknown   bool
	}{
		{"connection refused", closed, &http.Transport{}, testkit.Errs(syscall.ECONNREFUSED), false},
		{"certificate of nobody", untrusted.URL, &http.Transport{}, nil, false},
		{"no TLS", "https" + strings.TrimPrefix(plain.URL, "http"), &http.Transport{}, nil, false},
		{"TLS 1.1", oldTLS.URL, &http.Transport{TLSClientConfig: oldTLS.Client().Transport.(*http.Transport).TLSClientConfig}, nil, false},
		{"a proxy that is down", "https://gateway.example", &http.Transport{
			Proxy: func(r *http.Request) (*url.URL, error) { return r.URL.Parse(closed) },
		}, testkit.Errs(syscall.ECONNREFUSED), false},
		{"a transport of unknown making that could not dial", "https://gateway.example", failing(fmt.Errorf("wrapped: %w", refused)), testkit.Errs(syscall.ECONNREFUSED), false},
		{"a transport of unknown making that failed", "https://gateway.example", failing(errors.New("out of luck")), nil, true},
		{"a transport of unknown making that lost the connection", "https://gateway.example",
			failing(&net.OpError{Op: "read", Net: "tcp", Err: io.ErrUnexpectedEOF}), testkit.Errs(io.ErrUnexpectedEOF), true},
	}
	for _, tt := range tests {
		for _, op := range testkit.Operations() {
			t.Run(tt.name+" "+op.Name, func(t *testing.T) {
				sent := 0
				counted := testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
					sent++
					return tt.transport.RoundTrip(r)
				})
				client := testkit.OverTransport(t, counted, ksher.WithGatewayURL(tt.address), ksher.WithMerchantURL(tt.address))
				_, err := op.Call(t.Context(), client, ksher.Extra{})
				checkFailure(t, op, err, 0, tt.unknown, tt.want)
				if tt.unknown {
					assert.ErrorContains(t, err, "no answer came")
				} else {
					assert.ErrorContains(t, err, "nothing was sent")
				}
				assert.Equal(t, 1, sent, "attempts")
			})
		}
	}

	t.Run("what the cause was is still there", func(t *testing.T) {
		client := testkit.OverTransport(t, &http.Transport{}, ksher.WithGatewayURL(untrusted.URL))
		_, err := client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
		var certificate *tls.CertificateVerificationError
		require.ErrorAs(t, err, &certificate)
	})
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

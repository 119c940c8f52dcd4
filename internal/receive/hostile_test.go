package receive_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGenuineMessages(t *testing.T) {
	for _, d := range doors(t) {
		t.Run(d.name, func(t *testing.T) {
			log, calls := &logBuffer{}, 0
			h := d.server(t, log.logger(), func(context.Context) error { calls++; return nil })
			for range 3 {
				require.Equal(t, http.StatusOK, d.send(h, d.message(d.no(1))).Code, log)
			}
			require.Equal(t, 1, calls)
			require.Contains(t, log.String(), " accepted")
		})
	}
}

// What comes in from outside may be anything. The answer says no more than its status.
func TestHostileMessages(t *testing.T) {
	const large = 64<<10 + 1
	tests := map[string]struct {
		// change makes a hostile message of a genuine one.
		change func(r *http.Request) *http.Request
		// post and get are the statuses of the handlers for POST and GET.
		post, get int
	}{
		"another method": {func(r *http.Request) *http.Request { r.Method = "BREW"; return r }, 405, 405},
		"no method":      {func(r *http.Request) *http.Request { r.Method = ""; return r }, 405, 405},
		"a long method":  {func(r *http.Request) *http.Request { r.Method = strings.Repeat("X", 10_000); return r }, 405, 405},
		"no body":        {func(r *http.Request) *http.Request { r.Body, r.URL.RawQuery = nil, ""; return r }, 400, 403},
		"an empty body":  {func(r *http.Request) *http.Request { return body(r, strings.NewReader("")) }, 400, 200},
		"blanks":         {func(r *http.Request) *http.Request { return body(r, strings.NewReader(" \r\n\t")) }, 400, 200},
		"a large body":   {func(r *http.Request) *http.Request { return body(r, strings.NewReader(strings.Repeat(" ", large))) }, 413, 200},
		"an endless body": {func(r *http.Request) *http.Request {
			return body(r, io.LimitReader(endless{}, 100<<20))
		}, 413, 200},
		"a body that breaks off": {func(r *http.Request) *http.Request {
			return body(r, io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)))
		}, 400, 200},
		"a body that panics":      {func(r *http.Request) *http.Request { return body(r, panicking{}) }, 500, 500},
		"garbage":                 {func(r *http.Request) *http.Request { return query(body(r, strings.NewReader("\xff\x00{")), "\xff\x00") }, 400, 403},
		"JSON cut short":          {func(r *http.Request) *http.Request { return query(body(r, strings.NewReader(`{"key":`)), "type=Ord") }, 400, 403},
		"bad percent-encoding":    {func(r *http.Request) *http.Request { return query(body(r, strings.NewReader("%zz")), "%zz") }, 400, 400},
		"percent-encoded garbage": {func(r *http.Request) *http.Request { return query(body(r, strings.NewReader("%7B%00")), "a=%00") }, 400, 403},
		"a long query":            {func(r *http.Request) *http.Request { return query(r, strings.Repeat("a", 8<<10+1)) }, 200, 414},
		"no header":               {func(r *http.Request) *http.Request { r.Header = nil; return r }, 200, 200},
		"no address":              {func(r *http.Request) *http.Request { r.URL = nil; return r }, 200, 400},
		"nothing but a method":    {func(r *http.Request) *http.Request { return &http.Request{Method: r.Method} }, 400, 400},
		"nothing":                 {func(*http.Request) *http.Request { return &http.Request{} }, 405, 405},
		"nil":                     {func(*http.Request) *http.Request { return nil }, 400, 400},
	}
	for _, d := range doors(t) {
		for name, tt := range tests {
			t.Run(d.name+"/"+name, func(t *testing.T) {
				log := &logBuffer{}
				want := tt.get
				if d.method == http.MethodPost {
					want = tt.post
				}
				h := d.server(t, log.logger(), func(context.Context) error {
					if want != http.StatusOK {
						t.Error("it was believed")
					}
					return nil
				})
				var w *httptest.ResponseRecorder
				require.NotPanics(t, func() { w = d.send(h, tt.change(d.message(d.no(1)))) })
				require.Equal(t, want, w.Code, log)
				if want == http.StatusOK {
					return
				}
				require.Less(t, w.Body.Len(), 100)
				require.Contains(t, w.Body.String(), http.StatusText(want))
				require.Contains(t, log.String(), " refused")
				require.Less(t, len(log.String()), 20_000)
				require.Equal(t, want == http.StatusMethodNotAllowed, w.Header().Get("Allow") == d.method)
			})
		}
	}
}

func body(r *http.Request, from io.Reader) *http.Request {
	r.Body, r.ContentLength = io.NopCloser(from), -1
	return r
}

func query(r *http.Request, text string) *http.Request {
	r.URL = &url.URL{Path: "/", RawQuery: text}
	return r
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("in a middleware") }

// What has read the body before the handler is the usual cause of an empty one.
func TestEmptyBodyNamesTheCause(t *testing.T) {
	for _, d := range doors(t) {
		if d.method != http.MethodPost {
			continue
		}
		for name, r := range map[string]*http.Request{
			"nil":  {Method: http.MethodPost},
			"read": httptest.NewRequest(http.MethodPost, "/", strings.NewReader("")),
		} {
			t.Run(d.name+"/"+name, func(t *testing.T) {
				log := &logBuffer{}
				require.Equal(t, http.StatusBadRequest, d.send(d.server(t, log.logger(), succeed), r).Code)
				require.Contains(t, log.String(), "middleware")
			})
		}
	}
}

// A panic in the merchant's function ends neither the program, where no server protects
// it, nor the payment: the sender is to come again.
func TestPanicsInTheMerchantsFunction(t *testing.T) {
	for _, d := range doors(t) {
		for _, value := range []any{"out of paper", errors.New("out of paper"), http.ErrAbortHandler} {
			t.Run(fmt.Sprint(d.name, "/", value), func(t *testing.T) {
				log, calls := &logBuffer{}, 0
				h := d.server(t, log.logger(), func(context.Context) error {
					if calls++; calls == 1 {
						panic(value)
					}
					return nil
				})
				require.NotPanics(t, func() {
					w := d.send(h, d.message(d.no(1)))
					require.Equal(t, http.StatusInternalServerError, w.Code)
					require.NotContains(t, w.Body.String(), fmt.Sprint(value))
				})
				require.Contains(t, log.String(), fmt.Sprint(value))
				require.Contains(t, log.String(), " panic\" ")
				for line := range strings.Lines(log.String()) {
					if strings.Contains(line, "panic") {
						require.Contains(t, line, d.no(1), "the order's number")
					}
				}
				require.Equal(t, http.StatusOK, d.send(h, d.message(d.no(1))).Code)
				require.Equal(t, 2, calls)
			})
		}
	}
}

// A shorter ReadTimeout of the server holds, for the body and for what the server reads
// on after it.
func TestReadTimeoutOfTheServer(t *testing.T) {
	const timeout = 300 * time.Millisecond
	for _, d := range doors(t) {
		for _, method := range []string{d.method, http.MethodPut} {
			t.Run(d.name+"/"+method, func(t *testing.T) {
				log := &logBuffer{}
				server := httptest.NewUnstartedServer(d.server(t, log.logger(), succeed))
				server.Config.ReadTimeout = timeout
				server.Start()
				defer server.Close()
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				require.NoError(t, err)
				defer conn.Close()
				require.NoError(t, conn.SetDeadline(time.Now().Add(8*time.Second)))
				began := time.Now()
				_, err = io.WriteString(conn, method+" / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 1000\r\n\r\n{")
				require.NoError(t, err)
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err, log)
				assert.NotEqual(t, http.StatusOK, resp.StatusCode)
				_, err = io.Copy(io.Discard, conn)
				require.NoError(t, err, "the connection is closed")
				assert.Less(t, time.Since(began), 5*time.Second)
			})
		}
	}
}

// A deadline that the server has set may be brought forward, and never put off or lifted.
func TestDeadlinesAreOnlyBroughtForward(t *testing.T) {
	for _, d := range doors(t) {
		for name, r := range map[string]*http.Request{
			"genuine":        d.message(d.no(1)),
			"another method": body(httptest.NewRequest(http.MethodPut, "/", nil), strings.NewReader("x")),
			"broken off":     body(d.message(d.no(1)), iotest.ErrReader(io.ErrUnexpectedEOF)),
			"too large":      body(d.message(d.no(1)), io.LimitReader(endless{}, 10<<20)),
		} {
			t.Run(d.name+"/"+name, func(t *testing.T) {
				w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
				d.server(t, (&logBuffer{}).logger(), succeed).ServeHTTP(w, r)
				for _, set := range w.set {
					require.False(t, set.IsZero(), "lifted")
					require.False(t, set.After(time.Now()), "put off")
				}
				// What isn't read to its end isn't read on by the server either.
				require.Equal(t, name == "too large", len(w.set) > 0)
			})
		}
	}
}

// deadlines is a ResponseWriter that keeps the deadlines that were set.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

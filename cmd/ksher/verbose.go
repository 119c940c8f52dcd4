package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ksher-go/ksher/internal/clock"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// told is how much of a request is told at most.
const told = 64 << 10

// teller is a transport that says on out what is sent, without signatures and secrets. It
// passes bodies on as they are read, so that who sends them knows as before how much went out.
type teller struct {
	next http.RoundTripper
	out  io.Writer
}

// onItsClock is the transport with the clock of the one beneath, if that has one.
func (t teller) onItsClock() http.RoundTripper {
	if c, ok := t.next.(interface {
		clock.Clock
		clock.Awaiter
	}); ok {
		return struct {
			teller
			clock.Clock
			clock.Awaiter
		}{t, c, c}
	}
	return t
}

func (t teller) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent bytes.Buffer
	tell := r.Clone(r.Context())
	if r.Body != nil {
		tell.Body = readCloser{io.TeeReader(r.Body, limited{&sent, told}), r.Body}
	}
	resp, err := t.next.RoundTrip(tell)
	params, parseErr := url.ParseQuery(sent.String())
	if len(params) == 0 || parseErr != nil {
		params = r.URL.Query()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s://%s%s", r.Method, r.URL.Scheme, r.URL.Host, r.URL.Path)
	if err == nil {
		fmt.Fprintf(&b, ": HTTP %d", resp.StatusCode)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value := params.Get(name)
		switch {
		case name == "sign":
			continue
		case value != "" && sandbox.IsSecret(name):
			value = sandbox.Masked
		}
		fmt.Fprintf(&b, "\n  %s=%s", name, strings.Map(printable, value))
	}
	fmt.Fprintln(t.out, b.String())
	return resp, err
}

// readCloser reads here and closes there.
type readCloser struct {
	io.Reader
	io.Closer
}

// limited keeps the beginning of what is written to it.
type limited struct {
	to   *bytes.Buffer
	most int
}

func (l limited) Write(p []byte) (int, error) {
	l.to.Write(p[:min(len(p), max(0, l.most-l.to.Len()))])
	return len(p), nil
}

package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/kshertest"
)

// A sale through the page hands out once, though Ksher notifies twice.
func TestShop(t *testing.T) {
	gw := kshertest.New(t)
	s := &shop{}
	handler, err := s.handler(gw.Client)
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	defer server.Close()
	s.url, s.notifyURL = server.URL, server.URL

	get := func(method, path string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return strings.TrimSpace(string(body))
	}
	no := get("POST", "/buy?print")
	assert.Equal(t, "0", get("GET", "/orders/"+no))
	assert.Contains(t, get("GET", "/"), "<td>open</td>")
	require.NoError(t, gw.Pay(no, ""))
	for range 2 {
		gw.Deliver(context.Background(), no)
	}
	kshertest.AssertNotified(t, gw, no)
	assert.Equal(t, "1", get("GET", "/orders/"+no))
	assert.Contains(t, get("GET", "/"), "paid and handed out")
	assert.Equal(t, "404 page not found", get("GET", "/orders/other"))

	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Post(server.URL+"/buy", "", nil)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
	assert.Contains(t, resp.Header.Get("Location"), "/ua?")
}

// A shop that is told to stop answers first what it was asked before.
func TestStop(t *testing.T) {
	s := &shop{}
	_, err := s.handler(kshertest.New(t).Client)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	asked, answer := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-answer
	})
	ctx, stop := context.WithCancel(t.Context())
	ended, answered := make(chan error, 1), make(chan error, 1)
	go func() { ended <- s.serve(ctx, listener, handler) }()
	go func() {
		resp, err := http.Get("http://" + listener.Addr().String())
		if err == nil {
			resp.Body.Close()
		}
		answered <- err
	}()
	<-asked
	stop()
	select {
	case err := <-ended:
		t.Errorf("it ended (%v) before it answered", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(answer)
	assert.NoError(t, <-answered)
	if !t.Failed() {
		assert.NoError(t, <-ended)
	}
}

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
)

func TestHealth(t *testing.T) {
	gateway, err := sandbox.Start()
	require.NoError(t, err)
	defer gateway.Close()
	everywhere, err := sandbox.Start(sandbox.WithAddress("0.0.0.0:0"))
	require.NoError(t, err)
	defer everywhere.Close()
	ended, err := sandbox.Start()
	require.NoError(t, err)
	ended.Close()
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer ill.Close()

	for name, tt := range map[string]struct{ listen, err string }{
		"works":              {listen: address(gateway.URL())},
		"listens everywhere": {listen: strings.Replace(address(everywhere.URL()), "127.0.0.1", "0.0.0.0", 1)},
		"no host":            {listen: strings.TrimPrefix(address(everywhere.URL()), "127.0.0.1")},
		"has ended":          {listen: address(ended.URL()), err: "doesn't answer"},
		"something else":     {listen: address(ill.URL), err: "HTTP 502"},
		"no port":            {listen: "localhost", err: "HOST:PORT"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), []string{"health", "--listen=" + tt.listen}, &screen{In: strings.NewReader(""), Out: &out})
			if tt.err != "" {
				assert.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "ok\n", out.String())
		})
	}
}

// TestHealthUnderAnyName is for orchestrators, which ask by addresses and names of their own.
func TestHealthUnderAnyName(t *testing.T) {
	gateway, err := sandbox.Start()
	require.NoError(t, err)
	defer gateway.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	resp, err := (&http.Client{Transport: underName{"sandbox.cluster.example"}}).Get(gateway.URL() + "/healthz")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, "ok\n", string(body))
}

// address is the host and port of a URL.
func address(url string) string { return strings.TrimPrefix(url, "http://") }

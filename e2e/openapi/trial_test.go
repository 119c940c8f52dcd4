// Package openapi calls a running sandbox in every way that its OpenAPI file has, and
// compares requests and answers with the file.
package openapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

func init() {
	text := func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
		all, err := io.ReadAll(body)
		return string(all), err
	}
	for _, kind := range []string{"application/yaml", "application/x-pem-file", "image/svg+xml", "text/event-stream", "text/html"} {
		openapi3filter.RegisterBodyDecoder(kind, text)
	}
}

// call is a call of an operation.
type call struct {
	// operation is its operationId, and no the order's number in the path.
	operation, no string
	query, body   string
	status        int
	// wrong says that the file refuses the request.
	wrong  bool
	header []string
}

// trial calls a sandbox and remembers how each operation has answered.
type trial struct {
	t     *testing.T
	gw    *sandbox.Gateway
	store *sandboxtest.MemoryStore
	file  *openapi3.T
	// routes has the operations by their IDs.
	routes map[string]*routers.Route
	// missing are the answers that are described and haven't come yet.
	missing map[string]bool
}

func newTrial(t *testing.T) *trial {
	store := new(sandboxtest.MemoryStore)
	s := &trial{
		t: t, gw: sandbox.New(t, sandbox.WithStore(store), sandbox.WithStrict(false)), store: store,
		routes: make(map[string]*routers.Route), missing: make(map[string]bool),
	}
	status, text := sandboxtest.Ask(t, s.gw, "GET", "/control/openapi.yaml", "")
	require.Equal(t, http.StatusOK, status)
	var err error
	s.file, err = openapi3.NewLoader().LoadFromData([]byte(text))
	require.NoError(t, err)
	require.NoError(t, s.file.Validate(t.Context(), openapi3.EnableExamplesValidation()))
	for path, item := range s.file.Paths.Map() {
		for method, operation := range item.Operations() {
			id := operation.OperationID
			require.Nil(t, s.routes[id], id)
			s.routes[id] = &routers.Route{Spec: s.file, Path: path, PathItem: item, Method: method, Operation: operation}
			for status := range operation.Responses.Map() {
				s.missing[id+" "+status] = true
			}
		}
	}
	return s
}

// send makes a call, and compares it and its answer with the file.
func (s *trial) send(c call) {
	s.t.Helper()
	name := fmt.Sprintf("%s %s?%s %.50s", c.operation, c.no, c.query, c.body)
	route := s.routes[c.operation]
	require.NotNil(s.t, route, name)
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	req := s.request(ctx, route, c)
	input := &openapi3filter.RequestValidationInput{
		Request: req.Clone(ctx), Route: route, PathParams: map[string]string{"no": c.no},
		Options: &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	input.Request.Body, _ = req.GetBody()
	if input.Request.Body == nil {
		input.Request.Body = http.NoBody
	}
	if err := openapi3filter.ValidateRequest(ctx, input); c.wrong {
		assert.Error(s.t, err, "%s: the file has nothing against it", name)
	} else {
		assert.NoError(s.t, err, name)
	}
	resp, err := s.gw.HTTPClient().Do(req)
	require.NoError(s.t, err, name)
	defer resp.Body.Close()
	answer := read(s.t, resp)
	assert.Equal(s.t, c.status, resp.StatusCode, "%s: %s", name, answer)
	output := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header, Options: input.Options}
	assert.NoError(s.t, openapi3filter.ValidateResponse(ctx, output.SetBodyBytes(answer)), name)
	delete(s.missing, fmt.Sprintf("%s %d", c.operation, resp.StatusCode))
}

func (s *trial) request(ctx context.Context, route *routers.Route, c call) *http.Request {
	address := s.gw.URL() + strings.ReplaceAll(route.Path, "{no}", url.PathEscape(c.no)) + "?" + c.query
	req, err := http.NewRequestWithContext(ctx, route.Method, address, strings.NewReader(c.body))
	require.NoError(s.t, err)
	if c.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(c.header); i += 2 {
		if req.Header.Set(c.header[i], c.header[i+1]); c.header[i] == "Host" {
			req.Host = c.header[i+1]
		}
	}
	return req
}

// read reads an answer, of a stream that doesn't end the beginning.
func read(t *testing.T, resp *http.Response) []byte {
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		all, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return all
	}
	event := make([]byte, len("data: changed\n\n"))
	_, err := io.ReadFull(resp.Body, event)
	require.NoError(t, err)
	assert.True(t, bytes.HasPrefix(event, []byte("data: ")))
	return event
}

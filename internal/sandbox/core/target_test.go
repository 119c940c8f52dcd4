package core_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// A notification that isn't sent says why, and how to have it sent.
func TestTargets(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("the redirect was followed")
		io.WriteString(w, `{"result":"SUCCESS","msg":"OK"}`)
	}))
	defer elsewhere.Close()
	shop := http.NewServeMux()
	shop.HandleFunc("/notify", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"result":"SUCCESS","msg":"OK"}`) })
	for path, status := range map[string]int{"/moved": 301, "/found": 302, "/kept": 307} {
		shop.Handle(path, http.RedirectHandler(elsewhere.URL+"/new?sign=abc", status))
	}
	server := httptest.NewServer(shop)
	defer server.Close()
	for _, tt := range []struct {
		target string
		status int
		says   string
	}{
		{server.URL + "/notify", 200, "SUCCESS"},
		{server.URL + "/moved", 301, "a redirect, which isn't followed"},
		{server.URL + "/found", 302, "it leads to " + elsewhere.URL + "/new"},
		{server.URL + "/kept", 307, "isn't followed"},
		{"http://192.0.2.1/", 0, "--allow-notify=192.0.2.1 allows it"},
		{"https://[2001:db8::1]/", 0, "--allow-notify=2001:db8::1 allows it"},
		{"http://169.254.169.254/latest/meta-data/", 0, "a link-local address, where clouds keep credentials; --allow-notify=169.254.169.254"},
		{"http://[::ffff:169.254.169.254]/", 0, "link-local"},
	} {
		t.Run(tt.target, func(t *testing.T) {
			gw := sandbox.New(t)
			sandboxtest.PaidOrder(t, gw, "A-1", tt.target)
			err := gw.Deliver(t.Context(), "A-1")
			assert.Equal(t, tt.status == 200, err == nil, "%v", err)
			o, err := gw.Order("A-1")
			require.NoError(t, err)
			require.Len(t, o.Deliveries, 1)
			assert.Equal(t, tt.status, o.Deliveries[0].Status)
			assert.Contains(t, o.Deliveries[0].Answer, tt.says)
			assert.NotContains(t, o.Deliveries[0].Answer, "sign=abc")
		})
	}
}

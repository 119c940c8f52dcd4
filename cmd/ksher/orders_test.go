package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
)

// The orders of a file are there from the start, and aren't added to those in the data.
func TestOrdersFlag(t *testing.T) {
	file := filepath.Join(t.TempDir(), "orders.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"orders": [{"mch_order_no": "A-1", "channel": "card", "total_fee": 100}]}`), 0o600))
	store, err := openStore(filepath.Join(t.TempDir(), "data.db"))
	require.NoError(t, err)
	defer store.close()
	for range 2 {
		gateway, err := sandbox.Start(sandbox.WithStore(store))
		require.NoError(t, err)
		require.NoError(t, (&sandboxCommand{Orders: file}).addOrders(gateway))
		resp, err := gateway.HTTPClient().Get(gateway.URL() + "/control/orders")
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		assert.Contains(t, string(body), `"total": 1`)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		gateway.Close()
	}

	require.NoError(t, os.WriteFile(file, []byte("{\n\"order\": []}"), 0o600))
	err = run(t.Context(), []string{"sandbox", "--listen=127.0.0.1:0", "--seed=one", "--orders=" + file}, &screen{In: strings.NewReader(""), Out: io.Discard})
	assert.ErrorContains(t, err, "orders.json: line 2: order: there is no such member; there are orders")
	err = run(t.Context(), []string{"sandbox", "--orders=" + file + "x"}, &screen{In: strings.NewReader(""), Out: io.Discard})
	assert.ErrorContains(t, err, "--orders")
}

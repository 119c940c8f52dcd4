package clients

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/e2e/npm"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// Ksher's own client for vip.ksher.net creates under an address that ends in a slash.
func TestKsherPaymentForNode(t *testing.T) {
	modules := npm.Install(t, ".")
	gw, err := sandbox.Start()
	require.NoError(t, err)
	defer gw.Close()
	env := append(environment(t, gw, "npm"), "MODULES="+modules)
	assert.Equal(t, "SUCCESS Available\nSUCCESS Paid\nREFUNDED Refunded\n", run(t, ".", env, "node", "vip.js"))
}

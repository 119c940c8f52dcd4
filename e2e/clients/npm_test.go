package clients

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
)

// The clients that Ksher and Opn have on npm, as they are.
func TestNPM(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("npm")))
	run(t, dir, os.Environ(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	for _, c := range []struct{ program, said string }{
		{"vip.js", "SUCCESS Available\nSUCCESS Paid\nREFUNDED Refunded\n"},
		{"omise.js", "source app_redirect 4000\ncharge pending false\ncharge successful true\nlist 1 true\nerror not_found\n"},
	} {
		t.Run(c.program, func(t *testing.T) {
			gw, err := sandbox.Start()
			require.NoError(t, err)
			defer gw.Close()
			env := append(environment(t, gw, "npm"), "OPN_PUBLIC_KEY="+sandbox.OpnPublicKey, "OPN_SECRET_KEY="+sandbox.OpnSecretKey)
			assert.Equal(t, c.said, run(t, dir, env, "node", c.program))
		})
	}
}

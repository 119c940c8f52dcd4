package clients

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startProgram starts ksher sandbox as a program, as teams in other languages do, and
// returns its address.
func startProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "ksher")
	build := exec.Command("go", "build", "-o", program, "./cmd/ksher")
	build.Dir = "../.."
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	cmd := exec.CommandContext(t.Context(), program, "sandbox", "--listen=127.0.0.1:0", "--seed=shops")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "Dashboard"); ok {
			return strings.TrimSuffix(strings.TrimSpace(address), "/")
		}
	}
	require.FailNow(t, "the sandbox says no address")
	return ""
}

// The shops in examples pass their own tests, all of them.
func TestShops(t *testing.T) {
	url := startProgram(t)
	for _, shop := range []struct {
		dir     string
		command []string
		want    string
	}{
		{"shop-node", []string{"node", "--test", "--test-reporter=tap"}, "# pass 6\n# fail 0\n# cancelled 0\n# skipped 0\n"},
		// What unittest says goes to the standard error, and run returns the other.
		{"shop-python", []string{"sh", "-c", "/usr/bin/python3 -m unittest 2>&1"}, "Ran 7 tests"},
	} {
		t.Run(shop.dir, func(t *testing.T) {
			out := run(t, filepath.Join("../../examples", shop.dir), append(os.Environ(), "SANDBOX="+url, "PYTHONDONTWRITEBYTECODE=1"), shop.command...)
			assert.Contains(t, out, shop.want)
			assert.NotContains(t, out, "skipped=")
		})
	}
}

package sandbox_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each room knows the core and those rooms only whose subject it needs.
func TestRoomsApart(t *testing.T) {
	const root = "github.com/ksher-go/ksher/internal/sandbox/"
	for room, known := range map[string][]string{
		"core":      nil,
		"promptpay": nil,
		"tokens":    nil,
		"checkout":  {"core", "promptpay", "tokens"},
		"api":       {"core", "promptpay", "checkout"},
		"vipapi":    {"core", "promptpay", "checkout", "api"},
		"opnapi":    {"core", "checkout"},
		"story":     {"core", "tokens"},
		"scenario":  {"core"},
		"console":   {"core", "story", "scenario"},
	} {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, root+room).Output()
		require.NoError(t, err)
		for path := range strings.Lines(string(out)) {
			if other, ok := strings.CutPrefix(strings.TrimSpace(path), root); ok {
				assert.True(t, slices.Contains(known, other), "%s imports %s", room, other)
			}
		}
	}
}

package kshertest

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a merchant's test links is the library, its two dependencies and a drawer of QR
// codes: no database.
func TestLinksNoDatabase(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	require.NoError(t, err)
	allowed := []string{"github.com/ksher-go/ksher", "github.com/google/go-querystring/", "filippo.io/bigmod", "golang.org/x/sys/", "rsc.io/qr"}
	for pkg := range strings.Lines(string(out)) {
		assert.True(t, slices.ContainsFunc(allowed, func(prefix string) bool { return strings.HasPrefix(pkg, prefix) }), pkg)
	}
}

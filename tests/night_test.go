package tests

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/testkit"
)

// Whoever searches docs/night.md for a line of the log has to find it.
func TestNightQuotesTheLog(t *testing.T) {
	page, err := os.ReadFile(testkit.Path(t, "docs/night.md"))
	require.NoError(t, err)
	var code strings.Builder
	require.NoError(t, filepath.WalkDir(testkit.Path(t, "."), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		code.Write(text)
		return err
	}))
	quoted := regexp.MustCompile(`(?:msg|reason)="([^"]+)"`).FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(quoted), 8)
	for _, quote := range quoted {
		text := strings.TrimPrefix(quote[1], "ksher notification ")
		text = strings.TrimPrefix(text, "ksher payment ")
		assert.Contains(t, code.String(), text)
	}
}

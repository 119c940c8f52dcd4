package sandbox_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The page, the dashboard and the story have one look: colours and sizes of text are named in one
// place, and there in both colour schemes.
func TestTokens(t *testing.T) {
	read := func(path string) string {
		css, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(css)
	}
	tokens := read("tokens/tokens.css")
	defined := func(css string) map[string]bool {
		names := make(map[string]bool)
		for _, m := range regexp.MustCompile(`(--[\w-]+):`).FindAllStringSubmatch(css, -1) {
			names[m[1]] = true
		}
		return names
	}
	known, used := defined(tokens), make(map[string]bool)
	for _, path := range []string{"checkout/web/page.css", "console/dashboard/dashboard.css", "story/story.css"} {
		css := read(path)
		assert.Empty(t, regexp.MustCompile(`#[0-9a-f]{3,8}\b|\brgba?\(`).FindAllString(css, -1), "colours in %s", path)
		assert.Empty(t, regexp.MustCompile(`font(-size)?: ?[^v;}]*[\d.]+(rem|px)`).FindAllString(css, -1), "sizes of text in %s", path)
		own := defined(css)
		for _, m := range regexp.MustCompile(`var\((--[\w-]+)\)`).FindAllStringSubmatch(css, -1) {
			assert.True(t, known[m[1]] || own[m[1]], "%s uses %s, which nothing defines", path, m[1])
			used[m[1]] = true
		}
	}
	for name := range known {
		assert.True(t, used[name], "nothing uses %s", name)
	}
	light, dark, ok := strings.Cut(tokens, "@media (prefers-color-scheme: dark)")
	require.True(t, ok)
	for name := range defined(dark) {
		assert.True(t, defined(light)[name], name)
	}
	// Colours that are the same in both are listed after this remark.
	light, _, ok = strings.Cut(light, "/* The bar on top")
	require.True(t, ok)
	for _, m := range regexp.MustCompile(`(--[\w-]+): (?:#|rgb)`).FindAllStringSubmatch(light, -1) {
		assert.True(t, defined(dark)[m[1]], "%s has no dark colour", m[1])
	}
}

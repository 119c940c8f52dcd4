package tests

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// translations are README.md in other languages.
var translations = []string{"README.th.md", "README.zh.md"}

var (
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
	inline  = regexp.MustCompile("`[^`\n]+`")
	heading = regexp.MustCompile(`(?m)^#+ `)
)

func TestTranslationsKeepToTheReadme(t *testing.T) {
	readmes := append([]string{"README.md"}, translations...)
	original := readText(t, "README.md")
	wanted := append(linksBut(original, readmes), "CONTRIBUTING.md#translations")
	prose := fenced.ReplaceAllString(original, "")
	for _, name := range translations {
		text := readText(t, name)
		assert.Equal(t, fenced.FindAllString(original, -1), fenced.FindAllString(text, -1), "%s: its blocks are README.md's", name)
		translated := fenced.ReplaceAllString(text, "")
		assert.Equal(t, heading.FindAllString(prose, -1), heading.FindAllString(translated, -1), "%s: its headings", name)
		assert.ElementsMatch(t, inline.FindAllString(prose, -1), inline.FindAllString(translated, -1), "%s: its code within sentences", name)
		assert.ElementsMatch(t, wanted, linksBut(text, readmes), "%s: its links", name)
	}
	for _, name := range readmes {
		start := strings.Join(strings.SplitN(readText(t, name), "\n", 6)[:5], "\n")
		for _, other := range readmes {
			if other != name {
				assert.Contains(t, start, "]("+other+")", "%s begins with links to the other languages", name)
			}
		}
		if name != "README.md" {
			assert.Contains(t, start, "](CONTRIBUTING.md#translations)", "%s asks to be corrected", name)
		}
	}
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../" + name)
	require.NoError(t, err)
	return string(text)
}

// linksBut are the targets of a page's links without some.
func linksBut(text string, without []string) []string {
	var all []string
	for _, link := range mdLink.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(without, link[1]) {
			all = append(all, link[1])
		}
	}
	return all
}

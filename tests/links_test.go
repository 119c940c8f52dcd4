package tests

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	mdLink   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mdTitle  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInTag = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// pagePaths are all pages of the project, as they are named from its root.
func pagePaths(t *testing.T) []string {
	var all []string
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../examples/*/*.md", "../*/README.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		all = append(all, found...)
	}
	require.NotEmpty(t, all)
	return all
}

func TestLinksOfPagesLeadSomewhere(t *testing.T) {
	for _, page := range pagePaths(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, link := range mdLink.FindAllStringSubmatch(string(text), -1) {
			target, title, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); !assert.NoError(t, err, "%s leads to %s", page, link[1]) || title == "" {
				continue
			}
			assert.Contains(t, titles(t, file), title, "%s leads to %s", page, link[1])
		}
	}
}

// titles are the names by which the parts of a page are linked to.
func titles(t *testing.T, page string) []string {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var all []string
	for _, m := range mdTitle.FindAllStringSubmatch(string(text), -1) {
		all = append(all, strings.ReplaceAll(notInTag.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

// Whoever comes to docs finds every page there, and reads the README in some minutes.
func TestPagesAreFound(t *testing.T) {
	start, err := os.ReadFile("../docs/README.md")
	require.NoError(t, err)
	for _, page := range pagePaths(t) {
		if name := filepath.Base(page); filepath.Dir(page) == "../docs" && name != "README.md" {
			assert.Contains(t, string(start), "("+name, "docs/README.md leads to each page")
		}
	}
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	assert.LessOrEqual(t, strings.Count(string(readme), "\n"), 150)
}

// CONTRIBUTING.md names each file of the root and each package, and nothing that isn't there.
func TestWhereThingsAre(t *testing.T) {
	_, section, found := strings.Cut(readText(t, "CONTRIBUTING.md"), "\n## Where things are\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	named := make(map[string]bool)
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*) \|`).FindAllStringSubmatch(section, -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			named[name[1]] = true
			_, err := os.Stat(filepath.Join("..", name[1]))
			assert.NoError(t, err)
		}
	}
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		file = filepath.ToSlash(strings.TrimPrefix(file, ".."+string(filepath.Separator)))
		dir := path.Dir(file)
		switch {
		case d.IsDir() && (slices.Contains([]string{"examples", "testdata", "node_modules"}, d.Name()) || strings.HasPrefix(d.Name(), ".") && file != ".."):
			return filepath.SkipDir
		case path.Ext(file) != ".go", dir == "." && strings.HasSuffix(file, "_test.go"):
		case dir == ".":
			assert.True(t, named[file], "%s isn't named", file)
		default:
			assert.True(t, named[dir], "%s isn't named", dir)
		}
		return nil
	})
	require.NoError(t, err)
}

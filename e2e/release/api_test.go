package release_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"
)

// A change that breaks a user's build wants a new major version, and before v1.0.0 a
// new minor one.
func TestChangesSinceLastTag(t *testing.T) {
	t.Parallel()
	dirs, tag := folders(t), last(t)
	if tag == "" {
		t.Skip("no tag yet: what is exported is held by tests/testdata/surface alone")
	}
	tmp := t.TempDir()
	run(t, ".", nil, "git", "clone", "--quiet", "--branch", tag, checkout, filepath.Join(tmp, "old"))
	run(t, tmp, []string{"GOBIN=" + tmp}, "go", "install", "golang.org/x/exp/cmd/apidiff@v0.0.0-20261113113407-e3970619a1a4")
	apidiff, export := filepath.Join(tmp, "apidiff"), filepath.Join(tmp, "export")
	for _, dir := range dirs {
		module, old := path.Join(home, dir), filepath.Join(tmp, "old", dir)
		if _, err := os.Stat(filepath.Join(old, "go.mod")); err != nil {
			t.Logf("%s: not in %s", module, tag)
			continue
		}
		run(t, old, nil, apidiff, "-m", "-w", export, module)
		report := skipped.ReplaceAllString(run(t, filepath.Join(checkout, dir), nil, apidiff, "-m", export, module)+"\n", "")
		t.Logf("%s since %s:\n%s", module, tag, report)
		broken, _, _ := strings.Cut(report, "Compatible changes:")
		if strings.Contains(broken, "\n- ") {
			assert.True(t, mayBreak(tag, coming), "%s can't follow %s with these changes:\n%s", coming, tag, broken)
		}
	}
}

// skipped are lines about what nobody imports, and about the version's own number.
var skipped = regexp.MustCompile(`(?m)^(Ignoring internal package|- (package )?(\./|` + home + `/)?(cmd|examples)/|- Version: value changed ).*\n`)

func TestSkipped(t *testing.T) {
	t.Parallel()
	const kept = "- Code: value changed from \"A\" to \"B\"\n"
	require.Equal(t, kept, skipped.ReplaceAllString("- Version: value changed from \"0.1.0\" to \"0.1.1\"\n"+kept+"- ./cmd/ksher.X: removed\n", ""))
}

// mayBreak says whether a version may break what the one before promised.
func mayBreak(before, now string) bool {
	if semver.Major(before) == "v0" {
		return semver.Compare(semver.MajorMinor(now), semver.MajorMinor(before)) > 0
	}
	return semver.Compare(semver.Major(now), semver.Major(before)) > 0
}

func TestMayBreak(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		before, now string
		may         bool
	}{
		{"v0.1.0", "v0.1.0", false},
		{"v0.1.0", "v0.1.1", false},
		{"v0.1.9", "v0.2.0", true},
		{"v0.9.0", "v0.10.0", true},
		{"v0.9.0", "v1.0.0", true},
		{"v1.2.0", "v1.3.0", false},
		{"v1.2.0", "v2.0.0", true},
	} {
		assert.Equal(t, c.may, mayBreak(c.before, c.now), "%s after %s", c.now, c.before)
	}
}

// nextPatch is the version after one.
func nextPatch(version string) string {
	start := semver.MajorMinor(version)
	patch, err := strconv.Atoi(strings.TrimPrefix(semver.Canonical(version), start+"."))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", version, err))
	}
	return start + "." + strconv.Itoa(patch+1)
}

func TestNextPatch(t *testing.T) {
	t.Parallel()
	require.Equal(t, "v0.1.1", nextPatch("v0.1.0"))
	require.Equal(t, "v1.12.10", nextPatch("v1.12.9"))
}

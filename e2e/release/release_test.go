// Package release_test rehearses a release: it tags the last commit in a copy of the
// repository, has the go command pack each module that users import, and is then a user
// with an empty module and an empty module cache. What isn't committed isn't packed.
//
// It needs git, and a module proxy for what isn't in the module cache yet. Of files without
// their repository it makes one.
// go test . -update writes the lists in testdata anew.
package release_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"

	"github.com/ksher-go/ksher"
)

var update = flag.Bool("update", false, "write the lists in testdata anew")

// home is the root module, below which all others are.
const home = "github.com/ksher-go/ksher"

// checkout is the repository, seen from this folder.
var checkout = "../.."

// TestMain makes a repository of the files where git doesn't take them for one.
func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(inRepository(m.Run))
}

func inRepository(run func() int) int {
	if exec.Command("git", "-C", checkout, "rev-parse", "HEAD").Run() == nil {
		return run()
	}
	tmp, err := os.MkdirTemp("", "release")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(tmp)
	if err := os.CopyFS(tmp, os.DirFS(checkout)); err != nil {
		panic(err)
	}
	os.RemoveAll(filepath.Join(tmp, ".git"))
	for _, args := range [][]string{
		{"init", "--quiet"}, {"add", "--all"},
		{"-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "commit", "--quiet", "--message", "all files"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir = tmp
		if out, err := cmd.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("git %s: %v: %s", args[0], err, out))
		}
	}
	checkout = tmp
	return run()
}

// coming is the version that ksher.Version says is being prepared, or was tagged last.
const coming = "v" + ksher.Version

// run is what a command prints, which has to succeed. Variables of env replace those
// of the environment.
func run(t *testing.T, dir string, env []string, command ...string) string {
	t.Helper()
	out, err := try(t, dir, env, command...)
	require.NoError(t, err, "%s\n%s", strings.Join(command, " "), out)
	return out
}

// try is run for a command that may fail.
func try(t *testing.T, dir string, env []string, command ...string) (string, error) {
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	// .ci/run sets flags for its own tests.
	cmd.Env = append(append(os.Environ(), "GOFLAGS=", "GOWORK=off"), env...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// folders are those of the modules that are tagged, seen from the checkout: all that
// neither test nor show.
func folders(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, file := range strings.Fields(run(t, checkout, nil, "git", "ls-files", "go.mod", "*/go.mod")) {
		if dir := path.Dir(file); dir != "e2e" && !strings.HasPrefix(dir, "examples/") {
			all = append(all, dir)
		}
	}
	require.Contains(t, all, ".")
	return all
}

// last is the version that was tagged last, "" before the first.
func last(t *testing.T) string {
	var tags []string
	for _, tag := range strings.Fields(run(t, checkout, nil, "git", "tag", "--list", "v*")) {
		if semver.IsValid(tag) {
			tags = append(tags, tag)
		}
	}
	if len(tags) == 0 {
		return ""
	}
	semver.Sort(tags)
	return tags[len(tags)-1]
}

// manifest is what go mod edit -json tells of a go.mod.
type manifest struct {
	Module  struct{ Path string }
	Go      string
	Require []struct {
		Path, Version string
		Indirect      bool
	}
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

func readManifest(t *testing.T, dir string) manifest {
	var m manifest
	require.NoError(t, json.Unmarshal([]byte(run(t, dir, nil, "go", "mod", "edit", "-json")), &m))
	return m
}

// same compares with a list in testdata, or writes it.
func same(t *testing.T, list, got string) {
	t.Helper()
	file := filepath.Join("testdata", list)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o666))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "go test ./release -update, in e2e, writes %s anew", file)
}

// Step 3 of the checklist leaves no place with the version before it.
func TestTheNextVersionIsWrittenEverywhere(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	run(t, ".", nil, "git", "clone", "--quiet", checkout, tmp)
	page, err := os.ReadFile(filepath.Join(checkout, "docs", "releasing.md"))
	require.NoError(t, err)
	_, step, found := strings.Cut(string(page), "\n3. ")
	require.True(t, found)
	_, step, _ = strings.Cut(step, "```sh\n")
	step, _, found = strings.Cut(step, "```")
	require.True(t, found)
	run(t, tmp, []string{"new=0.98.7"}, "bash", "-euc", step)
	run(t, tmp, nil, "go", "test", "-run", "TestVersionIsThatOfTheModule|TestSurface", ".", "./tests")
	for _, file := range strings.Fields(run(t, tmp, nil, "git", "ls-files", "*/go.mod")) {
		for _, r := range readManifest(t, filepath.Join(tmp, filepath.Dir(file))).Require {
			if strings.HasPrefix(r.Path, home) {
				assert.Equal(t, "v0.98.7", r.Version, "%s in %s", r.Path, file)
			}
		}
	}
}

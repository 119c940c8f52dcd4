package release_test

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

// proxy is a module proxy in a folder, with the modules as they would be tagged, and
// the version that they have there.
type proxy struct{ dir, version string }

// rehearse tags the last commit in a copy of the repository, and has the go command
// pack the modules from there as it would from GitHub.
func rehearse(t *testing.T) proxy {
	dirs, tmp := folders(t), t.TempDir()
	if changed := run(t, checkout, nil, "git", "status", "--porcelain"); changed != "" {
		t.Logf("not committed, and so not packed:\n%s", changed)
	}
	repo := filepath.Join(tmp, "repo")
	run(t, ".", nil, "git", "clone", "--quiet", "--bare", checkout, repo)
	p := proxy{version: coming}
	if last(t) == coming {
		// The commit isn't the one that was tagged, whose place it must not take.
		p.version = nextPatch(coming) + "-next"
	}
	env := []string{
		"GOMODCACHE=" + filepath.Join(tmp, "pack"), "GOFLAGS=-modcacherw", "GOPROXY=direct",
		"GONOSUMDB=" + home, "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=url.file://" + repo + ".insteadOf", "GIT_CONFIG_VALUE_0=https://" + home,
	}
	var queries []string
	for _, dir := range dirs {
		run(t, repo, nil, "git", "tag", strings.TrimPrefix(path.Join(dir, p.version), "./"))
		queries = append(queries, path.Join(home, dir)+"@"+p.version)
		if p.version != coming {
			queries = append(queries, path.Join(home, dir)+"@"+coming)
		}
	}
	run(t, tmp, env, append([]string{"go", "mod", "download"}, queries...)...)
	p.dir = filepath.Join(tmp, "pack", "cache", "download")
	for _, dir := range dirs {
		zip, err := os.Stat(filepath.Join(p.dir, filepath.FromSlash(path.Join(home, dir)), "@v", p.version+".zip"))
		require.NoError(t, err)
		assert.Less(t, zip.Size(), int64(3<<20), "bytes of %s, which everybody downloads", zip.Name())
	}
	return p
}

// user is somebody with an empty module and an empty cache. What others publish comes
// from this machine's cache, where it is there.
type user struct {
	*testing.T
	dir string
	env []string
}

func newUser(t *testing.T, p proxy) *user {
	const file = "file://"
	here := strings.Fields(run(t, ".", nil, "go", "env", "GOMODCACHE", "GOPROXY"))
	require.Len(t, here, 2)
	u := &user{T: t, dir: t.TempDir(), env: []string{
		"GOMODCACHE=" + t.TempDir(),
		"GOPROXY=" + file + p.dir + "," + file + filepath.Join(here[0], "cache", "download") + "," + here[1],
		"GOPRIVATE=", "GONOPROXY=none",
		"GONOSUMDB=" + strings.Trim(run(t, ".", nil, "go", "env", "GONOSUMDB")+","+home, ","),
		// -trimpath, or each cache's folder would have everything compiled anew.
		"GOFLAGS=-modcacherw -trimpath",
	}}
	u.run("go", "mod", "init", "shop.example/shop")
	return u
}

func (u *user) run(command ...string) string {
	u.Helper()
	return run(u.T, u.dir, u.env, command...)
}

func (u *user) write(name, text string) {
	require.NoError(u, os.WriteFile(filepath.Join(u.dir, name), []byte(text), 0o666))
}

// gains are the modules that go.mod and go.sum have got, without versions.
func (u *user) gains() string {
	direct, rest := "", ""
	for _, r := range readManifest(u.T, u.dir).Require {
		if r.Indirect {
			rest += "\tgo.mod " + r.Path + " // indirect\n"
		} else {
			direct += "\tgo.mod " + r.Path + "\n"
		}
	}
	sums, err := os.ReadFile(filepath.Join(u.dir, "go.sum"))
	require.NoError(u, err)
	whole := map[string]bool{}
	for line := range strings.Lines(string(sums)) {
		name, version, _ := strings.Cut(line, " ")
		whole[name] = whole[name] || !strings.Contains(version, "/go.mod ")
	}
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		rest += "\tgo.sum " + name
		if !whole[name] {
			rest += ", only its go.mod"
		}
		rest += "\n"
	}
	return direct + rest
}

// What a user of each package goes through, with the modules as they would be tagged.
// testdata/gains.txt has what it costs them.
func TestUsers(t *testing.T) {
	p := rehearse(t)
	packages := []string{"", "kshertest", "vip", "vip/migrate", "opn", "qrcode", "sqldedupe", "redisdedupe", "pgxdedupe"}
	for _, dir := range folders(t) {
		assert.Contains(t, packages, strings.TrimPrefix(dir, "."), "nobody gets this module")
	}
	gains := make([]string, len(packages))
	t.Run("get", func(t *testing.T) {
		for i, name := range packages {
			pkg := path.Join(home, name)
			t.Run(path.Base(pkg), func(t *testing.T) {
				t.Parallel()
				u := newUser(t, p)
				u.run("go", "get", pkg+"@"+p.version)
				u.write("shop.go", "package shop\n\nimport _ \""+pkg+"\"\n")
				u.run("go", "mod", "tidy")
				u.run("go", "build", "./...")
				u.run("go", "mod", "verify")
				gains[i] = "go get " + pkg + "\n" + u.gains()
			})
		}
	})
	if !t.Failed() {
		t.Log("what go.mod and go.sum gain:\n" + strings.Join(gains, ""))
		same(t, "gains.txt", strings.Join(gains, "\n"))
	}

	t.Run("the README's first program", func(t *testing.T) {
		t.Parallel()
		u := newUser(t, p)
		u.run("go", "get", home+"@"+p.version)
		source, err := os.ReadFile(filepath.Join(checkout, "examples", "checkout", "main.go"))
		require.NoError(t, err)
		u.write("main.go", string(source))
		u.run("go", "mod", "tidy")
		assert.Contains(t, u.run("go", "run", "."), "8. The gateway confirms: 75.25 THB went back to the buyer.")
	})
	t.Run("the command line", func(t *testing.T) {
		t.Parallel()
		u := newUser(t, p)
		u.env = append(u.env, "GOBIN="+u.dir)
		u.run("go", "install", home+"/cmd/ksher@"+p.version)
		program := filepath.Join(u.dir, "ksher")
		assert.Contains(t, u.run(program, "--version"), "ksher "+ksher.Version)
		assert.Contains(t, u.run(program, "explain", "KSHER_REFUND_EXPIRE"), "What to do:")
	})
}

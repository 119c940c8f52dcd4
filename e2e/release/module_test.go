package release_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A replace counts in the module that is built, and in no other: what users get has to
// work without. So has a package that they import, when its module and the root have
// different versions, which internal packages don't promise.
func TestModulesCanBeTagged(t *testing.T) {
	oldest := readManifest(t, checkout).Go
	for _, dir := range folders(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			m := readManifest(t, filepath.Join(checkout, dir))
			assert.Equal(t, oldest, m.Go, "the oldest Go, which the root names")
			for _, r := range m.Require {
				if strings.HasPrefix(r.Path, home) {
					assert.Equal(t, coming, r.Version, "the version of %s, which ksher.Version names", r.Path)
				}
			}
			for _, r := range m.Replace {
				assert.True(t, strings.HasPrefix(r.Old.Path, home), "replaces %s", r.Old.Path)
			}
			if dir == "." {
				assert.Empty(t, m.Replace, "go install doesn't take a program from a module with a replace")
				return
			}
			const imports = `{{.Name}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}}`
			for pkg := range strings.Lines(run(t, filepath.Join(checkout, dir), nil, "go", "list", "-f", imports, "./...")) {
				assert.NotContains(t, pkg, home+"/internal")
				assert.False(t, strings.HasPrefix(pkg, "main "), "go install doesn't take a program from a module with a replace")
			}
		})
	}
}

// phrases are the words of a licence by which it is known.
var phrases = []struct{ licence, words string }{
	{"Apache-2.0", "Apache License Version 2.0"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"BSD-3-Clause", "be used to endorse or promote products derived from"},
	{"BSD-2-Clause", "Redistribution and use in source and binary forms"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose"},
}

// licence is that of the module in a folder.
func licence(t *testing.T, dir string) string {
	var files []string
	for _, name := range []string{"LICEN[SC]E*", "COPYING*"} {
		found, err := filepath.Glob(filepath.Join(dir, name))
		require.NoError(t, err)
		files = append(files, found...)
	}
	require.NotEmpty(t, files, "no licence in %s", dir)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	words := strings.Join(strings.Fields(string(text)), " ")
	for _, p := range phrases {
		if strings.Contains(words, p.words) {
			return p.licence
		}
	}
	require.Fail(t, "a licence of another kind", files[0])
	return ""
}

// testdata/licences.txt has the licences of all that is linked into a user's program or
// test, or into cmd/ksher.
func TestLicences(t *testing.T) {
	t.Parallel()
	const modules = `{{with .Module}}{{if not (or .Main .Replace)}}{{.Path}} {{.Dir}}{{end}}{{end}}`
	found := map[string]string{}
	for _, dir := range folders(t) {
		for _, system := range []string{"linux", "windows", "darwin"} {
			out := run(t, filepath.Join(checkout, dir), []string{"GOOS=" + system, "CGO_ENABLED=0"}, "go", "list", "-deps", "-f", modules, "./...")
			for line := range strings.Lines(out) {
				if module, source, ok := strings.Cut(strings.TrimSpace(line), " "); ok && found[module] == "" {
					found[module] = licence(t, source)
				}
			}
		}
	}
	var lines []string
	for module, licence := range found {
		lines = append(lines, module+" "+licence+"\n")
	}
	slices.Sort(lines)
	same(t, "licences.txt", strings.Join(lines, ""))
}

// govulncheck knows which weaknesses the code can reach.
func TestKnownWeaknesses(t *testing.T) {
	t.Parallel()
	const database = "https://vuln.go.dev/index/modules.json"
	answer, err := (&http.Client{Timeout: 10 * time.Second}).Head(database)
	if err != nil {
		t.Skipf("not looked for: %v", err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Skipf("not looked for: %s answers %s", database, answer.Status)
	}
	for _, dir := range folders(t) {
		t.Log(run(t, filepath.Join(checkout, dir), nil, "go", "run", "golang.org/x/vuln/cmd/govulncheck@v1.9.0", "./..."))
	}
}

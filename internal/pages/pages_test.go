package pages_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/pages"
)

const fence = "```"

func TestMarkdown(t *testing.T) {
	found, err := pages.Markdown("a.md", "# A\n\n"+fence+"go\na\n\n\tb\n"+fence+"\n\n1. B\n\n   "+fence+"\n   c\n   "+fence+"\n")
	require.NoError(t, err)
	require.Equal(t, []pages.Block{
		{Page: "a.md", Line: 4, Language: "go", Text: "a\n\n\tb\n"},
		{Page: "a.md", Line: 12, Text: "c\n"},
	}, found)
	_, err = pages.Markdown("a.md", fence+"go\na\n")
	require.ErrorContains(t, err, "doesn't end")
}

func TestPackageComment(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "p"), 0o700))
	text := "// Copyright.\n\n// Package p does.\n//\n//\tA=1 go run .\n//\n// And:\n//\n//\ta := 1\n//\tb := 2\npackage p\n"
	require.NoError(t, os.WriteFile(filepath.Join(root, "p", "p.go"), []byte(text), 0o600))
	found, err := pages.PackageComment(root, "p")
	require.NoError(t, err)
	require.Equal(t, []pages.Block{
		{Page: "p/p.go", Line: 5, Language: "sh", Text: "A=1 go run .\n"},
		{Page: "p/p.go", Line: 9, Language: "go", Text: "a := 1\nb := 2\n"},
	}, found)
	_, err = pages.PackageComment(root, "q")
	require.ErrorContains(t, err, "no Go files")
}

func TestCompile(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	write("go.mod", "module example.com/shop\n\ngo 1.25\n")
	given := []string{
		write("page.go", "package x\n\nimport \"errors\"\n\nvar err = errors.New(no)\n\nfunc (shop) Has() string { return \"\" }\n"),
		write("all.go", "package x\n\nimport (\n\t\"errors\"\n\t\"os\"\n)\n\nvar err int\n\nconst no = \"no\"\n\ntype shop struct{}\n\nfunc (shop) Open() int { return 1 }\n\nvar _ = os.Args\n"),
	}
	tests := []struct{ name, text, err string }{
		{"statements", "n, err := os.Getwd()\n", ""},
		{"a page's own name", "s := err.Error()\n", ""},
		{"the block's own name", "type shop struct{ n int }\n\nvar s = shop{n: 1}\n", ""},
		{"the method of a type of all pages", "n := shop{}.Open() + len(shop{}.Has())\n", ""},
		{"something left out", "if err != nil {\n\t…\n\treturn err\n}\n…\n", ""},
		{"two results", "return nil, err\n", ""},
		{"a function in a function", "f := func() (int, string, error) { return 0, \"\", nil }\nreturn err\n", ""},
		{"a whole file", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n", ""},
		{"a comment before the package", "// Command a.\npackage main\n\nfunc main() {}\n", ""},
		{"no Go", "hello there\n", "a.md:7"},
		{"an unknown name", "\n\nshop{}.Close()\n", "a.md:9: shop{}.Close undefined"},
		{"a wrong type", "var n int = err\n", "cannot use err"},
		{"nothing new", "err := 1\nerr := 2\n", "no new variables"},
		{"a whole file has imports of its own", "package main\n\nfunc main() { os.Exit(0) }\n", "undefined: os"},
		{"a string and no Go", "postgres://shop\n", "label postgres declared"},
	}
	fragments := make([]pages.Fragment, len(tests))
	for i, tt := range tests {
		fragments[i] = pages.Fragment{Block: pages.Block{Page: "a.md", Line: 7, Language: "go", Text: tt.text}, Given: given}
	}
	found, err := pages.Compile(folder, fragments)
	require.NoError(t, err)
	for i, tt := range tests {
		if tt.err == "" {
			assert.NoError(t, found[i], tt.name)
		} else {
			assert.ErrorContains(t, found[i], tt.err, tt.name)
		}
	}
	fragments[0].Given = []string{write("none.go", "package x\n\nimport \"example.com/none\"\n")}
	_, err = pages.Compile(folder, fragments)
	require.ErrorContains(t, err, "example.com/none", "an import that the module doesn't have")
}

func TestSame(t *testing.T) {
	for _, tt := range []struct {
		name, shown, printed string
		same                 bool
	}{
		{"the same", "a\nb\n", "a\nb\n", true},
		{"another", "a\nb\n", "a\nc\n", false},
		{"more before", "b\n", "a\nb\n", false},
		{"more after", "a\n", "a\nb\n", false},
		{"less", "a\nb\n", "a\n", false},
		{"lines left out", "…\nb\n…\nd\n", "a\nb\nd\n", true},
		{"lines left out, and another", "…\nb\n", "a\nc\n", false},
		{"a part left out", "no answer: …; bye\n", "no answer: EOF (1); bye\n", true},
		{"another after the part", "no answer: …; bye\n", "no answer: EOF; good night\n", false},
		{"a time", "at 2026-11-28 22:09:46.", "at 2027-01-02 03:04:05.", true},
		{"no time", "at 2026-11-28 22:09:46.", "at noon.", false},
		{"a number", "order 202611281509460383H77UQ66GTJTHM7 of 2", "order 202611281509460383H77UQ66GTJTHM8 of 2", true},
		{"an amount isn't a number", "150.50 THB", "150.51 THB", false},
		{"an address", "at http://127.0.0.1:8765/api", "at http://127.0.0.1:40001/api", true},
		{"another host", "at http://127.0.0.1:8765/api", "at http://127.0.0.2:8765/api", false},
		{"how long", "in 1.5s", "in 20ms", true},
		{"no pattern", "a.c (d)", "abc (d)", false},
	} {
		assert.Equal(t, tt.same, pages.Same(tt.shown, tt.printed) == nil, tt.name)
	}
}

func TestPermitted(t *testing.T) {
	for text, permitted := range map[string]bool{
		"ksher sandbox": true, "ksherx": false, "go run ./examples/pos &": true, "go install x": false, "git push --tags": false,
		"cd examples && go run .": true, "cd examples && rm -r .": false, "curl -sS \"$a/b?c=d&e=f\" -d '{\"g\": \"h; i\"}'": true,
		"a=1 b=2 curl c": true, "a=1\ncurl $a\n": true, "a=1\ndocker run b\n": false, "a=$(apt-get install b)": false,
		"ksher a \\\n\t--b c": true, "ksher man | man -l -": false, "curl a | grep b": true, "sudo ksher": false, "echo \"$(rm a)\"": false, "echo `rm a`": false, "echo \"`rm a`\"": false, "": true,
	} {
		assert.Equal(t, permitted, pages.Command{Block: pages.Block{Text: text}}.Permitted() == nil, text)
	}
}

func TestRun(t *testing.T) {
	for _, tool := range []string{"bash", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	r := pages.Runner{Root: t.TempDir(), Folder: t.TempDir(), Env: os.Environ(), Account: []string{"SHOP=A"}, Local: "127.0.0.1:1"}
	require.NoError(t, os.WriteFile(filepath.Join(r.Root, "go.mod"), []byte("module example.com/shop\n\ngo 1.25\n"), 0o600))
	const program = "package main\n\nimport \"os\"\n\nfunc main() { println(os.Getenv(\"SHOP\")) }\n"
	for _, tt := range []struct {
		name, language, text string
		errs                 []string // "" for each command that does what the page says.
	}{
		{"sh", "sh", "a=1\ntest $a = 1\n", []string{""}},
		{"sh fails", "sh", "false\necho a\n", []string{"exit status 1"}},
		{"an unset variable", "sh", "echo $none\n", []string{"unbound"}},
		{"console", "console", "$ echo a; echo b >&2\na\nb\n$ false\n$ echo c\nd\n", []string{"", "", "was printed"}},
		{"the local gateway", "console", "$ echo 127.0.0.1:8765 | grep -c :1$\n1\n", []string{""}},
		{"in the repository", "console", "$ ls ./go.mod\n./go.mod\n$ ls\n", []string{"", ""}},
		{"shown only", "text", "false\n", nil},
		{"no command", "console", "false\n", nil},
	} {
		commands := pages.Commands([]pages.Block{{Page: "a.md", Line: 1, Language: tt.language, Text: tt.text}})
		require.Len(t, commands, len(tt.errs), tt.name)
		for i, c := range commands {
			if err := r.Run(t.Context(), c); tt.errs[i] == "" {
				assert.NoError(t, err, tt.name)
			} else {
				assert.ErrorContains(t, err, tt.errs[i], tt.name)
			}
		}
	}
	// A package's comment is about its own folder, and what it builds writes elsewhere.
	require.NoError(t, os.Mkdir(filepath.Join(r.Root, "p"), 0o700))
	const writes = "package main\n\nimport \"os\"\n\nfunc main() { os.WriteFile(\"written\", nil, 0o600) }\n"
	require.NoError(t, os.WriteFile(filepath.Join(r.Root, "p", "main.go"), []byte(writes), 0o600))
	require.NoError(t, r.Run(t.Context(), pages.Command{Block: pages.Block{Page: "p/main.go", Language: "sh", Text: "go run .\n"}}))
	assert.FileExists(t, filepath.Join(r.Folder, "written"))
	for prints, want := range map[string]string{"A\n": "", "B\n": "the page shows"} {
		commands := pages.Commands([]pages.Block{{Language: "go", Text: program}, {Language: "text", Text: prints}})
		require.Len(t, commands, 1)
		if err := r.Run(t.Context(), commands[0]); want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, want)
		}
	}
}

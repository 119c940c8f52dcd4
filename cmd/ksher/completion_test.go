package main

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNextWords(t *testing.T) {
	for line, want := range map[string]string{
		"":                              "sandbox explain",
		"exp":                           "explain",
		"key ":                          "new show",
		"key s":                         "show",
		"sandbox --acc":                 "--account",
		"sandbox --account ":            "any offline online",
		"sandbox --account = o":         "offline online",
		"sandbox --account any --spe":   "--speed",
		"sandbox --listen key --accoun": "--account",
		"sandbox --listen ":             "",
		"sandbox --json --accoun":       "--account",
		"zap ":                          "sandbox",
		"--vers":                        "--version",
	} {
		var out bytes.Buffer
		args := append([]string{"completion", "words", "--"}, strings.Split(line, " ")...)
		require.NoError(t, run(t.Context(), args, &screen{In: strings.NewReader(""), Out: &out}))
		got := strings.Fields(out.String())
		if want == "" {
			assert.Empty(t, got, line)
			continue
		}
		assert.Subset(t, got, strings.Fields(want), line)
		if strings.TrimSpace(line) != "" && line != "zap " {
			assert.Len(t, got, len(strings.Fields(want)), line)
		}
	}
}

// Each shell, a real one, completes by its script.
func TestShells(t *testing.T) {
	program := filepath.Join(t.TempDir(), "ksher")
	text, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", text)
	for shell, ask := range map[string]string{
		"bash": `COMP_WORDS=(ksher key s); COMP_CWORD=2; _ksher; echo "${COMPREPLY[@]}"`,
		"zsh":  `compadd() { print -r -- $found }; words=(ksher key s); CURRENT=3; _ksher`,
		"fish": `complete -C "ksher key s"`,
	} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip(shell + " isn't installed")
			}
			var script bytes.Buffer
			require.NoError(t, run(t.Context(), []string{"completion", shell}, &screen{In: strings.NewReader(""), Out: &script}))
			before := ""
			if shell == "zsh" {
				before = "compdef() { : }\n"
			}
			cmd := exec.Command(shell, "-c", before+script.String()+"\n"+ask)
			cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"), "HOME="+t.TempDir())
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.Equal(t, "show", strings.TrimSpace(string(out)))
		})
	}
}

// What docs/cli.md says to install is one static file: it asks for no loader of libraries.
func TestStaticFile(t *testing.T) {
	page, err := helpFiles.ReadFile("help/ksher.md")
	require.NoError(t, err)
	require.Contains(t, string(page), "CGO_ENABLED=0 go install ")
	program := filepath.Join(t.TempDir(), "ksher")
	cmd := exec.Command("go", "build", "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)
	file, err := elf.Open(program)
	require.NoError(t, err)
	defer file.Close()
	for _, p := range file.Progs {
		assert.NotEqual(t, elf.PT_INTERP, p.Type)
	}
}

func TestManPage(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"man"}, &screen{In: strings.NewReader(""), Out: &out}))
	for _, want := range []string{".TH KSHER 1", "sandbox", "public-url", "explain"} {
		assert.Contains(t, out.String(), want)
	}
	_, section, found := strings.Cut(out.String(), "\n\\fBexplain ")
	require.True(t, found)
	assert.Equal(t, []string{
		`[<text> \&.\&.\&.] [flags]\fP`, `.RS 4`,
		`Say what an error code or a line from a log means, and what to do\&.`, `.RE`,
	}, strings.SplitN(section, "\n", 5)[:4], "the line of a command stands by itself below its heading")
	assert.NotContains(t, out.String(), "](", "no Markdown")
}

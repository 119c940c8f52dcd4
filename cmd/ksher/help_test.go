package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// TestPage compares docs/cli.md with the program.
func TestPage(t *testing.T) {
	parser, err := newParser(&commands{})
	require.NoError(t, err)
	begin, err := moreHelp("ksher")
	require.NoError(t, err)
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- go test ./cmd/ksher -run TestPage -update writes this page; its texts are in cmd/ksher/help. -->\n\n%s\n\n", begin)
	b.WriteString("| command | what |\n|---|---|\n")
	all := commandsOf(parser.Model.Node)
	for _, command := range all {
		fmt.Fprintf(&b, "| [`ksher %s`](#ksher-%s) | %s |\n", command.Path(), strings.ReplaceAll(command.Path(), " ", "-"), cell(command.Help))
	}
	shared := func(f *kong.Flag) bool { return f.Group != nil && f.Group.Key == "gateway" }
	for _, command := range all {
		if slices.ContainsFunc(command.Flags, shared) {
			b.WriteString("\n## Flags of all commands that ask a gateway\n")
			writeFlags(&b, command.Flags, shared)
			break
		}
	}
	for _, command := range all {
		writeCommand(t, &b, command, shared)
	}
	const file = "../../docs/cli.md"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, b.String(), string(page), "go test ./cmd/ksher -run TestPage -update writes it anew")
}

func writeCommand(t *testing.T, b *strings.Builder, command *kong.Node, shared func(*kong.Flag) bool) {
	fmt.Fprintf(b, "\n## `ksher %s`\n\n%s\n", command.Path(), command.Help)
	if len(command.Positional) > 0 {
		fmt.Fprintf(b, "\n`ksher %s`\n", command.Summary())
	}
	more, err := moreHelp(strings.ReplaceAll(command.Path(), " ", "-"))
	require.NoError(t, err)
	if more != "" {
		fmt.Fprintf(b, "\n%s\n", more)
	}
	if command.Name == "sandbox" {
		return // Its flags are on a page of their own.
	}
	writeFlags(b, command.Flags, func(f *kong.Flag) bool { return !shared(f) })
	if slices.ContainsFunc(command.Flags, shared) {
		b.WriteString("\nIt has the flags of [all commands that ask a gateway](#flags-of-all-commands-that-ask-a-gateway).\n")
	}
}

// writeFlags writes a table of some flags.
func writeFlags(b *strings.Builder, flags []*kong.Flag, wanted func(*kong.Flag) bool) {
	first := true
	for _, f := range flags {
		if f.Hidden || !wanted(f) {
			continue
		}
		if first {
			b.WriteString("\n| flag | what |\n|---|---|\n")
			first = false
		}
		what := f.Help
		for _, env := range f.Envs {
			what += " In the environment: `" + env + "`."
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", cell(f.Summary()), cell(what))
	}
}

// cell is a text in a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// Each file in help belongs to a command.
func TestHelpFiles(t *testing.T) {
	parser, err := newParser(&commands{})
	require.NoError(t, err)
	known := map[string]bool{"ksher.md": true}
	for _, command := range commandsOf(parser.Model.Node) {
		known[strings.ReplaceAll(command.Path(), " ", "-")+".md"] = true
		assert.NotEmpty(t, command.Help, command.Path())
	}
	files, err := helpFiles.ReadDir("help")
	require.NoError(t, err)
	for _, f := range files {
		assert.True(t, known[f.Name()], f.Name())
	}
}

// Text is broken into lines anew, so what has lines of its own is indented.
func TestPlain(t *testing.T) {
	markdown := "Text.\n\n```console\n$ ksher\n```\n\n| row | what |\n|---|---|\n| `slow` | waits |\n\nMore."
	assert.Equal(t, "Text.\n\n    $ ksher\n\n    | row | what |\n    | `slow` | waits |\n\nMore.", plain(markdown))
}

package main

import (
	"embed"
	"errors"
	"io/fs"
	"strings"

	"github.com/alecthomas/kong"
)

// helpFiles say more of commands than a line: each of a command's name, words joined by
// hyphens, in the Markdown of docs/cli.md.
//
//go:embed help
var helpFiles embed.FS

// moreHelp is what there is to say of a command beside its line, "" for nothing.
func moreHelp(name string) (string, error) {
	text, err := helpFiles.ReadFile("help/" + name + ".md")
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// withHelp gives each command its help.
func withHelp(k *kong.Kong) error {
	for _, command := range commandsOf(k.Model.Node) {
		text, err := moreHelp(strings.ReplaceAll(command.Path(), " ", "-"))
		if err != nil {
			return err
		}
		command.Detail = plain(text)
	}
	return nil
}

// commandsOf are all commands below a node that can be called.
func commandsOf(node *kong.Node) (all []*kong.Node) {
	for _, child := range node.Children {
		if child.Type == kong.CommandNode && len(child.Children) == 0 {
			all = append(all, child)
		}
		all = append(all, commandsOf(child)...)
	}
	return all
}

// plain is Markdown for a terminal, where examples and the rows of tables are indented.
func plain(markdown string) string {
	var b strings.Builder
	code := false
	for line := range strings.Lines(markdown) {
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
		case strings.HasPrefix(line, "|--"):
		case code || strings.HasPrefix(line, "|"):
			b.WriteString("    " + line)
		default:
			b.WriteString(line)
		}
	}
	return strings.TrimSpace(b.String())
}

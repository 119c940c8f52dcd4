package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	mangokong "github.com/alecthomas/mango-kong"
	"github.com/muesli/roff"
)

type manCommand struct{}

// Run prints the manual page. It leaves the commands' details to --help: the library that
// writes the page would glue them to the command's heading, before its line.
func (manCommand) Run(app *kong.Kong, stdout io.Writer) error {
	for _, command := range commandsOf(app.Model.Node) {
		command.Detail = ""
	}
	_, err := fmt.Fprint(stdout, mangokong.NewManPage(1, app.Model).Build(roff.NewDocument()))
	return err
}

type completionCommand struct {
	Shell string   `arg:"" enum:"bash,zsh,fish,words" help:"bash, zsh or fish."`
	Words []string `arg:"" optional:"" hidden:""`
}

// scripts let each shell ask for the words that may come next.
var scripts = map[string]string{
	"bash": `_ksher() {
	local words
	words=$(ksher completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _ksher ksher
`,
	"zsh": `#compdef ksher
_ksher() {
	local -a found
	found=(${(f)"$(ksher completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
	if (( ${#found} )); then
		compadd -a found
	else
		_files
	fi
}
compdef _ksher ksher
`,
	"fish": `function __ksher_words
	set -l words (commandline -opc) (commandline -ct)
	ksher completion words -- $words[2..] 2>/dev/null
end
function __ksher_has_words
	set -l found (__ksher_words)
	test (count $found) -gt 0
end
complete -c ksher -f -n __ksher_has_words -a '(__ksher_words)'
`,
}

// Run prints a shell's script, or, for such a script, the words that may come next.
func (c *completionCommand) Run(app *kong.Kong, stdout io.Writer) error {
	text := scripts[c.Shell]
	if c.Shell == "words" {
		for _, word := range nextWords(app.Model.Node, c.Words) {
			text += word + "\n"
		}
	}
	_, err := io.WriteString(stdout, text)
	return err
}

// nextWords are the commands, flags and values that may stand in place of the last word.
func nextWords(node *kong.Node, words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	last, before := words[len(words)-1], words[:len(words)-1]
	flags := slices.Clone(node.Flags)
	var pending *kong.Flag // It waits for its value.
	for _, word := range before {
		if pending != nil {
			if word != "=" { // bash makes a word of it.
				pending = nil
			}
			continue
		}
		if name, isFlag := strings.CutPrefix(word, "--"); isFlag {
			pending = valued(flags, name)
			continue
		}
		for _, child := range node.Children {
			if child.Name == word {
				node = child
				flags = append(flags, child.Flags...)
				break
			}
		}
	}
	var all []string
	switch {
	case pending != nil:
		last = strings.TrimPrefix(last, "=")
		if pending.Enum != "" {
			all = pending.EnumSlice()
		}
	case strings.HasPrefix(last, "-"):
		for _, f := range flags {
			if !f.Hidden {
				all = append(all, "--"+f.Name)
			}
		}
	default:
		for _, child := range node.Children {
			if !child.Hidden {
				all = append(all, child.Name)
			}
		}
	}
	return slices.DeleteFunc(all, func(word string) bool { return !strings.HasPrefix(word, last) })
}

// valued returns the flag of that name if its value is the next word, otherwise nil.
func valued(flags []*kong.Flag, name string) *kong.Flag {
	for _, f := range flags {
		if f.Name == name && !f.IsBool() {
			return f
		}
	}
	return nil
}

package pages

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Command is what a page has typed: a whole block of sh, which has to succeed, a line of
// console after "$ ", which has to print what follows it, or a Go program.
type Command struct {
	Block
	Shown  bool
	Prints string
}

// Commands returns what the blocks of a page have typed. A block of text right after a Go
// program is what that prints.
func Commands(blocks []Block) (commands []Command) {
	for i, b := range blocks {
		switch {
		case b.Language == "sh":
			commands = append(commands, Command{Block: b})
		case b.Language == "console":
			commands = append(commands, typed(b)...)
		case b.IsProgram():
			c := Command{Block: b}
			if i+1 < len(blocks) && blocks[i+1].Language == "text" && blocks[i+1].Page == b.Page {
				c.Shown, c.Prints = true, blocks[i+1].Text
			}
			commands = append(commands, c)
		}
	}
	return commands
}

// IsProgram tells whether a block is a whole Go program.
func (b Block) IsProgram() bool {
	return b.Language == "go" && strings.Contains("\n"+b.Text, "\npackage main\n")
}

// typed are the commands of a console.
func typed(b Block) (commands []Command) {
	for i, line := range strings.SplitAfter(b.Text, "\n") {
		if text, ok := strings.CutPrefix(line, "$ "); ok {
			c := Command{Block: b, Shown: true}
			c.Line, c.Text = b.Line+i, text
			commands = append(commands, c)
		} else if n := len(commands); n > 0 {
			commands[n-1].Prints += line
		}
	}
	return commands
}

var (
	quoted    = regexp.MustCompile(`'[^']*'|"([^"$\x60]|\$[^("\x60])*"|\\\n|\d?>&\d`)
	joint     = regexp.MustCompile("&&|[|;&()`\n]")
	assigned  = regexp.MustCompile(`^(\w+=\S*\s*)+`)
	permitted = regexp.MustCompile(`^((cat|cd|curl|echo|false|grep|ksher|ls|test)\b|go run |$)`)
)

// Permitted returns an error for a command of sh or a console that starts anything but what a
// test may start on anybody's machine.
func (c Command) Permitted() error {
	for _, part := range joint.Split(quoted.ReplaceAllString(c.Text, "…"), -1) {
		if part = assigned.ReplaceAllString(strings.TrimSpace(part), ""); !permitted.MatchString(part) {
			return fmt.Errorf("%q isn't run by a test", part)
		}
	}
	return nil
}

// A Runner runs commands.
type Runner struct {
	Root   string   // where commands run that name something in the repository
	Folder string   // where all others run, and what go run has built
	Env    []string // in which ksher is found
	// Account is the environment of Go programs besides: examples without it play by
	// themselves.
	Account []string
	// Local is where the gateway listens whom the commands of a page call
	// 127.0.0.1:8765.
	Local string
}

var (
	inRepository = regexp.MustCompile(`\./|(?m)^cd `)
	inPackage    = regexp.MustCompile(`^go run \.(\s|$)`)
	serves       = regexp.MustCompile(`^(go run \./cmd/ksher|ksher) sandbox\b`)
	ownKsher     = regexp.MustCompile(`(?m)^go run \./cmd/ksher `)
)

// Run runs a command, and returns an error if it doesn't do what the page says.
func (r Runner) Run(ctx context.Context, c Command) error {
	if c.IsProgram() {
		return r.program(ctx, c)
	}
	if err := c.Permitted(); err != nil {
		return err
	}
	text := ownKsher.ReplaceAllString(c.Text, "ksher ")
	if serves.MatchString(c.Text) {
		return r.serve(ctx, strings.TrimSpace(text), c)
	}
	folder := r.Folder
	switch {
	case inRepository.MatchString(text):
		folder = r.Root
	case inPackage.MatchString(text) && strings.HasSuffix(c.Page, ".go"):
		folder = filepath.Join(r.Root, filepath.Dir(c.Page))
	}
	return r.start(ctx, c, folder, "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(text, "127.0.0.1:8765", r.Local))
}

// start runs a program to its end. One whose output is shown may fail.
func (r Runner) start(ctx context.Context, c Command, folder, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = folder, r.Env, time.Second
	if c.IsProgram() {
		cmd.Env = append(slices.Clone(r.Env), r.Account...)
	}
	there := filepath.Join(r.Folder, ".there")
	if err := os.WriteFile(there, []byte("#!/bin/sh\ncd '"+r.Folder+"' && exec \"$@\"\n"), 0o700); err != nil {
		return err
	}
	cmd.Env = append(slices.Clone(cmd.Env), "GOFLAGS="+os.Getenv("GOFLAGS")+" -exec="+there)
	out, err := cmd.CombinedOutput()
	var status *exec.ExitError
	if err != nil && !(c.Shown && errors.As(err, &status)) {
		return fmt.Errorf("%w: %s", err, out)
	}
	if !c.Shown {
		return nil
	}
	return Same(c.Prints, downloading.ReplaceAllString(string(out), ""))
}

var downloading = regexp.MustCompile(`(?m)^go: downloading .*\n|^exit status \d+\n`)

// program runs a Go program as one of the repository's.
func (r Runner) program(ctx context.Context, c Command) error {
	source := filepath.Join(r.Folder, "main.go")
	if err := os.WriteFile(source, []byte(c.Text), 0o600); err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(r.Root, "examples", "page", "main.go"): source}})
	if err != nil {
		return err
	}
	file := filepath.Join(r.Folder, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return err
	}
	return r.start(ctx, c, r.Root, "go", "run", "-overlay", file, "./examples/page")
}

// serve runs a sandbox at a free port until it is ready, and then ends it.
func (r Runner) serve(ctx context.Context, text string, c Command) error {
	cmd := exec.CommandContext(ctx, "bash", "-c", "exec "+text+" --listen 127.0.0.1:0")
	cmd.Dir, cmd.Env, cmd.WaitDelay = r.Folder, r.Env, time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var problems bytes.Buffer
	cmd.Stderr = &problems
	if err := cmd.Start(); err != nil {
		return err
	}
	printed := ""
	reader := bufio.NewReader(out)
	for err == nil && !strings.Contains(printed, "Ctrl-C") {
		var line string
		line, err = reader.ReadString('\n')
		printed += line
	}
	if err == nil {
		err = cmd.Process.Signal(syscall.SIGINT)
	}
	_, readErr := io.Copy(io.Discard, reader)
	if err := errors.Join(err, readErr, cmd.Wait()); err != nil {
		return fmt.Errorf("%w: %s%s", err, printed, &problems)
	}
	if !c.Shown {
		return nil
	}
	return Same(c.Prints, printed)
}

// varying is what is another one in each run. What a page shows of it stands for any of its
// kind.
var varying = []*regexp.Regexp{
	regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?`), // a time
	regexp.MustCompile(`\b[0-9A-Z]{32}\b`),                                             // a number for an order or a refund
	regexp.MustCompile(`\b[0-9a-f]{32,}\b`),                                            // a signature, a digest
	regexp.MustCompile(`127\.0\.0\.1:\d+`),
	regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs|s)\b`),         // how long something took
	regexp.MustCompile(`\b(asked|open) \d+|\bafter A-\d+`), // how far half a second leads
	regexp.MustCompile(`…`),                                // anything
}

// Same tells whether a program printed what a page shows, apart from what varies. A line with
// nothing but … stands for any lines.
func Same(shown, printed string) error {
	pattern := "^"
	for line := range strings.Lines(strings.TrimSpace(shown) + "\n") {
		if strings.TrimSpace(line) == "…" {
			pattern += `(?:.*\n)*`
			continue
		}
		pattern += wildcards(strings.TrimSuffix(line, "\n")) + "\n"
	}
	if !regexp.MustCompile(pattern + "$").MatchString(strings.TrimSpace(printed) + "\n") {
		return fmt.Errorf("the page shows\n%sand this was printed:\n%s", shown, printed)
	}
	return nil
}

// wildcards turns a line into a pattern for lines that differ in what varies.
func wildcards(line string) string {
	first, kind := []int{len(line), len(line)}, ""
	for _, v := range varying {
		if at := v.FindStringIndex(line); at != nil && at[0] < first[0] {
			first, kind = at, v.String()
		}
	}
	switch kind {
	case "":
		return regexp.QuoteMeta(line)
	case "…":
		kind = ".*"
	}
	return regexp.QuoteMeta(line[:first[0]]) + "(?:" + kind + ")" + wildcards(line[first[1]:])
}

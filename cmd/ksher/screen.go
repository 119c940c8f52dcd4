package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen is where a command reads and writes.
type screen struct {
	In  io.Reader
	Out io.Writer // what was asked for
	Err io.Writer // progress and questions
	// Asks says that somebody is there to answer questions, Drawn that Out is a terminal,
	// Colour that it may have colours, and Live that Err is a terminal which rewrites lines.
	Asks, Drawn, Colour, Live bool
	// HTTP, if not nil, is what requests go by, and the clock if it is one.
	HTTP *http.Client
	Open func(address string) error // shows a page in the browser
}

// ownScreen is that of the process.
func ownScreen() *screen {
	drawn, dumb := term.IsTerminal(int(os.Stdout.Fd())), os.Getenv("TERM") == "dumb"
	return &screen{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Asks:  term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())),
		Drawn: drawn, Colour: drawn && os.Getenv("NO_COLOR") == "" && !dumb,
		Live: term.IsTerminal(int(os.Stderr.Fd())) && !dumb, Open: openBrowser,
	}
}

// through is the same screen, whose requests go by that client.
func (s *screen) through(client *http.Client) *screen {
	other := *s
	other.HTTP = client
	return &other
}

// printJSON prints a value for a program to read.
func (s *screen) printJSON(v any) error {
	encoder := json.NewEncoder(s.Out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// table prints rows whose columns stand below one another.
func (s *screen) table(rows [][]string) error { return writeTable(s.Out, rows) }

func writeTable(to io.Writer, rows [][]string) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, text := range row {
			cells[i] = strings.Map(printable, text)
		}
		if _, err := fmt.Fprintln(w, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// printable keeps what others have written from steering the terminal, breaking a table, or
// turning what stands beside it round.
func printable(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
		return utf8.RuneError
	}
	return r
}

// field is something to show: its name for a program, and for people.
type field struct{ name, label, value string }

// show prints fields that have a value below one another, or all as a JSON object.
func (s *screen) show(asJSON bool, fields []field) error {
	if asJSON {
		object := map[string]string{}
		for _, f := range fields {
			object[f.name] = f.value
		}
		return s.printJSON(object)
	}
	var rows [][]string
	for _, f := range fields {
		if f.value != "" {
			rows = append(rows, []string{f.label, f.value})
		}
	}
	return s.table(rows)
}

// confirm asks a question, and returns a usage error if nobody is there who could answer.
// what is what is going to happen, a line for each thing to look at. Ctrl-C is a no.
func (s *screen) confirm(ctx context.Context, yes bool, what ...string) error {
	if yes {
		return nil
	}
	if !s.Asks {
		return usage("nobody is there to ask: add --yes to do it without a question")
	}
	fmt.Fprintf(s.Err, "%s\nType yes to go on: ", strings.Join(what, "\n"))
	answered := make(chan string, 1)
	go func() { // Nothing else ends reading from a terminal.
		line, _ := bufio.NewReader(io.LimitReader(s.In, 1<<10)).ReadString('\n')
		answered <- line
	}()
	select {
	case line := <-answered:
		if strings.TrimSpace(line) == "yes" && ctx.Err() == nil {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(s.Err)
	}
	return errNotConfirmed
}

// list shows things that have the same fields, as a table, or as a JSON array of objects.
// none says that there are none.
func (s *screen) list(asJSON bool, things [][]field, none string) error {
	if asJSON {
		return s.printJSON(objects(things))
	}
	if len(things) == 0 {
		_, err := fmt.Fprintln(s.Out, none)
		return err
	}
	rows := make([][]string, len(things)+1)
	for i, fields := range things {
		for _, f := range fields {
			if i == 0 {
				rows[0] = append(rows[0], f.label)
			}
			rows[i+1] = append(rows[i+1], f.value)
		}
	}
	return s.table(rows)
}

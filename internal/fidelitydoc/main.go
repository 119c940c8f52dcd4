// Command fidelitydoc writes the part of docs/fidelity.md that says which statements about
// the wire are held by which tests. The tests have written them to a folder:
//
//	dir=$(mktemp -d)
//	KSHER_FIDELITY=$dir go test ./...
//	go run ./internal/fidelitydoc "$dir" docs/fidelity.md
//
// With -check it writes nothing, and fails if the page says something else.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ksher-go/ksher/internal/testkit"
)

// order is that of the evidence, the surest first.
var order = []testkit.Evidence{testkit.Genuine, testkit.Published, testkit.Documented, testkit.Clients, testkit.Assumed}

// The part of the page that is written stands between those lines.
const (
	begin = "<!-- What the tests hold: written by internal/fidelitydoc. -->\n"
	end   = "<!-- End of what the tests hold. -->\n"
)

func main() {
	check := flag.Bool("check", false, "write nothing, and fail if the page says something else")
	partly := flag.Bool("partly", false, "with -check: the genuine answers aren't here, so that the page may say more")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "give the folder that the tests have written to, and the page")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Arg(1), *check, *partly); err != nil {
		fmt.Fprintln(os.Stderr, "fidelitydoc:", err)
		os.Exit(1)
	}
}

func run(dir, file string, check, partly bool) error {
	rows, err := read(dir)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(text), begin)
	old, tail, also := strings.Cut(rest, end)
	if !ok || !also {
		return fmt.Errorf("%s lacks the lines between which it is written", file)
	}
	if !check {
		return os.WriteFile(file, []byte(head+begin+tables(rows)+end+tail), 0o644)
	}
	if wrong := differences(old, rows, partly); len(wrong) > 0 {
		return fmt.Errorf("%s and the tests differ:\n%s\nwrite it anew, as the comment of internal/fidelitydoc says", file, strings.Join(wrong, "\n"))
	}
	return nil
}

// read returns what the tests have written, sorted by evidence and in words. A test that
// ran more than once says the same each time.
func read(dir string) ([]testkit.Statement, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("no test has written anything: was KSHER_FIDELITY set?")
	}
	var rows []testkit.Statement
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var s testkit.Statement
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, s)
	}
	slices.SortFunc(rows, func(a, b testkit.Statement) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Evidence), slices.Index(order, b.Evidence)), cmp.Compare(a.What, b.What), cmp.Compare(a.Test, b.Test))
	})
	return slices.Compact(rows), nil
}

// assumed is the subject of what is known of nowhere, whatever it is about: whoever can ask
// Ksher has it in one place.
const assumed = "Assumed"

// parts returns the subject of a statement, which stands before its first colon, and the rest.
func parts(s testkit.Statement) (subject, rest string) {
	subject, rest, ok := strings.Cut(s.What, ": ")
	switch {
	case s.Evidence == testkit.Assumed:
		return assumed, s.What
	case !ok:
		return "Other", s.What
	}
	return subject, rest
}

func row(s testkit.Statement) string {
	_, what := parts(s)
	return fmt.Sprintf("| %s | %s | `%s` |\n", strings.ReplaceAll(what, "|", `\|`), s.Evidence, strings.ReplaceAll(s.Test, "|", `\|`))
}

// tables writes a table for each subject, the assumed last.
func tables(rows []testkit.Statement) string {
	bySubject := map[string][]testkit.Statement{}
	count := map[testkit.Evidence]int{}
	for _, s := range rows {
		subject, _ := parts(s)
		bySubject[subject] = append(bySubject[subject], s)
		count[s.Evidence]++
	}
	subjects := slices.Sorted(maps.Keys(bySubject))
	if i := slices.Index(subjects, assumed); i >= 0 {
		subjects = append(slices.Delete(subjects, i, i+1), assumed)
	}
	var b strings.Builder
	b.WriteString("\n| evidence | statements |\n|---|---|\n")
	for _, e := range order {
		fmt.Fprintf(&b, "| %s | %d |\n", e, count[e])
	}
	for _, subject := range subjects {
		fmt.Fprintf(&b, "\n### %s\n\n| statement | evidence | held by |\n|---|---|---|\n", subject)
		for _, s := range bySubject[subject] {
			b.WriteString(row(s))
		}
	}
	b.WriteString("\n")
	return b.String()
}

// differences are the rows that only the page or only the tests have.
func differences(page string, rows []testkit.Statement, partly bool) (wrong []string) {
	var said []string
	for _, s := range rows {
		said = append(said, row(s))
		if !strings.Contains(page, row(s)) {
			wrong = append(wrong, "not on the page: "+row(s))
		}
	}
	for _, line := range strings.SplitAfter(page, "\n") {
		isRow := strings.Count(line, " | ") == 2 && !strings.HasPrefix(line, "| statement |")
		if isRow && !partly && !slices.Contains(said, line) {
			wrong = append(wrong, "held by no test: "+line)
		}
	}
	if len(wrong) == 0 && !partly && page != tables(rows) {
		wrong = append(wrong, "the rows are the same, and their headings, order or number aren't")
	}
	return wrong
}

package tests

import (
	"crypto/x509"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/testkit"
)

// nightTexts is what the log, errors and metrics can show.
type nightTexts struct {
	literals map[string]bool
	texts    map[string]bool // What is between the verbs of the literals.
	names    []byte          // Exported ones, and those of metrics and alerts.
}

// notPrinting are the folders whose texts no merchant's log shows.
var notPrinting = []string{"cmd", "e2e", "examples", "internal/sandbox", "internal/testkit", "kshertest", "tests"}

func readNightTexts(t *testing.T) nightTexts {
	t.Helper()
	p := nightTexts{literals: make(map[string]bool), texts: map[string]bool{"": true}}
	add := func(text string) {
		p.literals[text] = true
		for _, part := range nightVerb.Split(text, -1) {
			p.texts[trimmed(part)] = true
		}
	}
	add(x509.CertificateInvalidError{Reason: x509.Expired}.Error())
	root := testkit.Path(t, ".")
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		folder, err := filepath.Rel(root, path)
		require.NoError(t, err)
		switch {
		case entry.IsDir() && slices.Contains(notPrinting, filepath.ToSlash(folder)):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				add(text)
			}
			return true
		})
		return nil
	}))
	for _, path := range []string{"tests/testdata/surface/ksher.txt", "examples/prometheus/alerts.yml", "examples/prometheus/dashboard.json"} {
		text, err := os.ReadFile(testkit.Path(t, path))
		require.NoError(t, err)
		p.names = append(p.names, text...)
	}
	return p
}

var (
	nightVerb      = regexp.MustCompile(`%[.\d]*[a-z]`)
	nightVariable  = regexp.MustCompile(`…|\\?"[^"\\]*\\?"|\d[\d.]* THB|\[\d+\]|the database is down`)
	nightAttribute = regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*"|\S+)`)
)

// quotes checks a text, apart from the merchant's own words and numbers.
func (p nightTexts) quotes(t *testing.T, text string) {
	t.Helper()
	for _, piece := range nightVariable.Split(text, -1) {
		if !p.prints(strings.Fields(piece)) {
			t.Errorf("nothing prints %q of %q", piece, text)
		}
	}
}

// prints tells whether words are some texts one after the other, each as a whole.
func (p nightTexts) prints(words []string) bool {
	for n := len(words); n > 0; n-- {
		if p.texts[trimmed(strings.Join(words[:n], " "))] && p.prints(words[n:]) {
			return true
		}
	}
	return len(words) == 0
}

// trimmed leaves out what joins texts.
func trimmed(text string) string { return strings.Trim(text, " .,:") }

// attributes checks a line of the log.
func (p nightTexts) attributes(t *testing.T, line string) {
	t.Helper()
	for _, a := range nightAttribute.FindAllStringSubmatch(line, -1) {
		key, value := a[1], a[2]
		assert.True(t, key == "level" || key == "msg" || p.literals[key], "there is no attribute %s: %s", key, line)
		switch {
		case strings.HasPrefix(value, `"`):
			p.quotes(t, strings.Trim(value, `"`))
		case key == "outcome" || key == "code" || key == "operation" && value != "…":
			assert.True(t, p.literals[value], "nothing is called %s: %s", value, line)
		}
	}
}

// Whoever searches docs/night.md for what the log, an error or an alert says has to find it.
func TestNightQuotesWhatIsPrinted(t *testing.T) {
	file, err := os.ReadFile(testkit.Path(t, "docs/night.md"))
	require.NoError(t, err)
	p := readNightTexts(t)
	parts := strings.Split(string(file), "```")
	require.Greater(t, len(parts), 20, "lines of the log are in blocks")
	var blocks, prose string
	for i, part := range parts {
		if i%2 == 0 {
			prose += part
			continue
		}
		part = strings.TrimPrefix(part, "text\n")
		blocks += part
		for line := range strings.Lines(strings.TrimSpace(part)) {
			if strings.HasPrefix(line, "level=") {
				p.attributes(t, line)
			} else {
				p.quotes(t, line)
			}
		}
	}
	for _, span := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(prose, -1) {
		p.span(t, span[1], blocks)
	}
}

// span checks what the page sets as code: a name, a word of the log, or a part of a line.
func (p nightTexts) span(t *testing.T, span, blocks string) {
	t.Helper()
	switch {
	case span == "date -u" || span == "slog.Default" || p.literals[span]:
	case strings.HasPrefix(span, "examples/"):
		assert.DirExists(t, testkit.Path(t, span))
	case strings.Contains(span, "="):
		p.attributes(t, span)
	case strings.Contains(span, " "):
		assert.Contains(t, blocks, span)
	default:
		for name := range strings.SplitSeq(span, ".") {
			if !regexp.MustCompile(`\b` + name + `\b`).Match(p.names) {
				t.Errorf("%s is no name", span)
			}
		}
	}
}

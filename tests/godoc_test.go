package tests

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/pages"
)

// readDoc reads a package as pkg.go.dev does, with its examples.
func readDoc(t *testing.T, name string) *doc.Package {
	t.Helper()
	dir := filepath.Join("..", name)
	if name == "ksher" {
		dir = ".."
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, strings.TrimSuffix("github.com/ksher-go/ksher/"+strings.TrimPrefix(name, "ksher"), "/"))
	require.NoError(t, err)
	return pkg
}

// examples are all examples of a package.
func examples(pkg *doc.Package) []*doc.Example {
	all := slices.Clone(pkg.Examples)
	for _, f := range pkg.Funcs {
		all = append(all, f.Examples...)
	}
	for _, typ := range pkg.Types {
		all = append(all, typ.Examples...)
		for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
			all = append(all, f.Examples...)
		}
	}
	return all
}

// What no example needs to call: options, what other packages call, such as fmt, net/http and
// database/sql, and Once, which belongs to Payments.
var notForExamples = regexp.MustCompile(`^(With\w+|Error|Is|Unwrap|Format|String|LogValue|EncodeValues|Scan|Value|\w+JSON|ServeHTTP|Once)$`)

// These need a database; e2e/dedupe tries what their examples show.
var withoutOutput = []string{"sqldedupe", "pgxdedupe"}

// What a merchant calls is called in an example that runs, what is kshertest's perhaps in
// another package's.
func TestExamples(t *testing.T) {
	anywhere := make(map[string]bool)
	for _, name := range exporting {
		pkg := readDoc(t, name)
		called := make(map[string]bool)
		if name == "kshertest" {
			called = anywhere
		}
		for _, e := range examples(pkg) {
			assert.Equal(t, !slices.Contains(withoutOutput, name), e.Output != "", "%s: Example%s runs", name, e.Name)
			ast.Inspect(e.Code, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					called[s.Sel.Name], anywhere[s.Sel.Name] = true, true
				}
				return true
			})
		}
		funcs := slices.Clone(pkg.Funcs)
		for _, typ := range pkg.Types {
			funcs = slices.Concat(funcs, typ.Funcs, typ.Methods)
		}
		for _, f := range funcs {
			if !notForExamples.MatchString(f.Name) {
				assert.True(t, called[f.Name], "%s: no example calls %s %s", name, f.Recv, f.Name)
			}
		}
	}
}

// bracketed is what looks as if it were meant to be a link.
var bracketed = regexp.MustCompile(`\[\*?[A-Za-z]\w*(\.\w+)*\]`)

// Each [Name] in the documentation leads to what it names.
func TestDocLinksLeadSomewhere(t *testing.T) {
	away := make(map[string][][2]string) // By module.
	for _, name := range exporting {
		module := modules[name]
		pkg := readDoc(t, name)
		for _, text := range docTexts(pkg) {
			links(pkg.Parser().Parse(text).Content, func(plain string) {
				for _, link := range bracketed.FindAllString(plain, -1) {
					t.Errorf("%s: %s leads nowhere", name, link)
				}
			}, func(link *comment.DocLink) {
				switch own, ok := strings.CutPrefix(link.ImportPath, "github.com/ksher-go/ksher"); {
				case link.ImportPath == "": // The parser has looked it up.
				case link.Name != "":
					away[module] = append(away[module], [2]string{link.ImportPath, strings.TrimPrefix(link.Recv+"."+link.Name, ".")})
				case ok:
					assert.DirExists(t, filepath.Join("..", own), "%s: [%s] leads nowhere", name, link.ImportPath)
				}
			})
		}
	}
	for module, names := range away {
		if module != "" && os.Getenv("KSHER_PAGES") == "" {
			continue // What it imports may have to be downloaded.
		}
		for i, found := range existing(t, filepath.Join("..", module), names) {
			assert.True(t, found, "%s leads nowhere", names[i])
		}
	}
}

// Pages that a comment names exist, and a package's comment has their whole addresses, for
// those who read it on pkg.go.dev.
func TestDocNamesPages(t *testing.T) {
	page := regexp.MustCompile(`(https://github.com/ksher-go/ksher/blob/main/)?\b(docs/[\w-]+\.md)`)
	for _, name := range exporting {
		pkg := readDoc(t, name)
		for _, text := range docTexts(pkg) {
			for _, m := range page.FindAllStringSubmatch(text, -1) {
				assert.FileExists(t, filepath.Join("..", m[2]), name)
				assert.True(t, m[1] != "" || text != pkg.Doc, "%s: the package's comment has no address of %s", name, m[2])
			}
		}
	}
}

// existing tells of each name, such as Order or Order.Result, and the package that it should
// be in whether it is there.
func existing(t *testing.T, module string, names [][2]string) []bool {
	t.Helper()
	var files []pages.Fragment
	var uses []string
	for _, n := range names {
		receiver, member, _ := strings.Cut(n[1], ".")
		uses = []string{"type _ = p." + n[1], "var _ = p." + n[1], "var _ = new(p." + receiver + ")." + member}
		for _, use := range uses {
			text := fmt.Sprintf("package link\n\nimport p %q\n\n%s\n", n[0], use)
			files = append(files, pages.Fragment{Block: pages.Block{Page: "link", Line: 1, Text: text}})
		}
	}
	errs, err := pages.Compile(module, files)
	require.NoError(t, err)
	found := make([]bool, len(names))
	for i := range names {
		found[i] = slices.Contains(errs[len(uses)*i:len(uses)*(i+1)], nil)
	}
	return found
}

// Names that pages mention exist: those of a package, such as vip.Order, and what belongs to a
// type, such as Order.Result, in some package.
func TestPagesNameWhatExists(t *testing.T) {
	here := []string{"ksher", "vip", "opn", "kshertest", "qrcode", "vip/migrate", "sqldedupe"}
	address := func(name string) string {
		return path.Join("github.com/ksher-go/ksher", strings.TrimPrefix(name, "ksher/"))
	}
	span := regexp.MustCompile("`\\*?(?:([a-z]+)\\.)?([A-Z]\\w*(?:\\.[A-Z]\\w*)?)[`(]")
	var names [][2]string
	var mentioned []string
	for _, page := range pagePaths(t) {
		if name := filepath.Base(page); name == "CHANGELOG.md" || name == "CONTRIBUTING.md" {
			continue // They have what existed, and what is internal.
		}
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range span.FindAllStringSubmatch(string(text), -1) {
			for _, name := range here {
				if m[1] == path.Base(name) || m[1] == "" && strings.Contains(m[2], ".") {
					names = append(names, [2]string{address(name + "/"), m[2]})
					mentioned = append(mentioned, page+": "+m[0])
				}
			}
		}
	}
	require.Greater(t, len(names), 300)
	exists := make(map[string]bool)
	for i, found := range existing(t, "..", names) {
		exists[mentioned[i]] = exists[mentioned[i]] || found
	}
	for name, found := range exists {
		assert.True(t, found, name)
	}
}

// docTexts are all comments of a package that its documentation shows.
func docTexts(pkg *doc.Package) []string {
	texts := []string{pkg.Doc}
	values := slices.Concat(pkg.Consts, pkg.Vars)
	funcs := slices.Clone(pkg.Funcs)
	for _, typ := range pkg.Types {
		texts = append(texts, typ.Doc)
		values = slices.Concat(values, typ.Consts, typ.Vars)
		funcs = slices.Concat(funcs, typ.Funcs, typ.Methods)
		ast.Inspect(typ.Decl, func(n ast.Node) bool {
			if f, ok := n.(*ast.Field); ok {
				texts = append(texts, f.Doc.Text(), f.Comment.Text())
			}
			return true
		})
	}
	for _, v := range values {
		texts = append(texts, v.Doc)
	}
	for _, f := range funcs {
		texts = append(texts, f.Doc)
	}
	return texts
}

// links hands out what documentation has as text and as links.
func links(blocks []comment.Block, plain func(string), link func(*comment.DocLink)) {
	for _, b := range blocks {
		switch b := b.(type) {
		case *comment.Heading:
			linksInLine(b.Text, plain, link)
		case *comment.Paragraph:
			linksInLine(b.Text, plain, link)
		case *comment.List:
			for _, item := range b.Items {
				links(item.Content, plain, link)
			}
		}
	}
}

func linksInLine(line []comment.Text, plain func(string), link func(*comment.DocLink)) {
	for _, part := range line {
		switch part := part.(type) {
		case comment.Plain:
			plain(string(part))
		case *comment.DocLink:
			link(part)
		}
	}
}

package tests

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
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
	for _, name := range exporting {
		module := ".."
		if name == "redisdedupe" || name == "pgxdedupe" {
			module = filepath.Join("..", name)
			if os.Getenv("KSHER_PAGES") == "" {
				continue // What it imports may have to be downloaded.
			}
		}
		pkg := readDoc(t, name)
		var away []*comment.DocLink
		for _, text := range docTexts(pkg) {
			links(pkg.Parser().Parse(text).Content, func(plain string) {
				for _, link := range bracketed.FindAllString(plain, -1) {
					t.Errorf("%s: %s leads nowhere", name, link)
				}
			}, func(link *comment.DocLink) {
				switch own, ok := strings.CutPrefix(link.ImportPath, "github.com/ksher-go/ksher"); {
				case link.ImportPath == "": // The parser has looked it up.
				case link.Name != "":
					away = append(away, link)
				case ok:
					assert.DirExists(t, filepath.Join("..", own), "%s: [%s] leads nowhere", name, link.ImportPath)
				}
			})
		}
		assert.Empty(t, dangling(t, module, away), "%s: links that lead nowhere", name)
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

// dangling are the links to other packages that name nothing there.
func dangling(t *testing.T, module string, links []*comment.DocLink) (names []string) {
	t.Helper()
	const forms = 3
	var files []pages.Fragment
	for _, link := range links {
		text := fmt.Sprintf("package link\n\nimport p %q\n\n", link.ImportPath)
		name := strings.TrimPrefix(link.Recv+"."+link.Name, ".")
		for _, use := range [forms]string{"type _ = p." + name, "var _ = p." + name, "var _ = (*p." + link.Recv + ")." + link.Name} {
			files = append(files, pages.Fragment{Block: pages.Block{Page: "link", Line: 1, Text: text + use + "\n"}})
		}
	}
	errs, err := pages.Compile(module, files)
	require.NoError(t, err)
	for i, link := range links {
		if !slices.Contains(errs[forms*i:forms*(i+1)], nil) {
			names = append(names, fmt.Sprintf("%s.%s.%s", link.ImportPath, link.Recv, link.Name))
		}
	}
	return names
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

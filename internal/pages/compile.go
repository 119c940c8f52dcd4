package pages

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Fragment is a block of Go, and what it takes for granted.
//
// A block that begins with its package is a whole file. One that has declarations only stands
// in a file, and any other in a function, which returns what the block returns. A line with
// nothing but … stands for something left out.
type Fragment struct {
	Block
	// Given are files with the imports and declarations that the block may use, unless it is a
	// whole file. What the block or an earlier file declares counts, and a later file's
	// declaration of that name doesn't.
	Given []string
}

// Compile type-checks fragments in the module of a folder, and returns what is wrong with
// each of them. Names that a block declares and doesn't use are right: the reader will.
func Compile(folder string, fragments []Fragment) ([]error, error) {
	c := compiler{fset: token.NewFileSet(), exports: make(map[string]string)}
	files := make([]*ast.File, len(fragments))
	found := make([]error, len(fragments))
	imports := make(map[string]bool)
	for i, f := range fragments {
		files[i], found[i] = c.parse(f)
		if found[i] != nil {
			continue
		}
		for _, spec := range files[i].Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return nil, err
			}
			imports[path] = true
		}
	}
	if err := c.list(folder, slices.Sorted(maps.Keys(imports))); err != nil {
		return nil, err
	}
	gc := importer.ForCompiler(c.fset, "gc", c.open)
	for i := range fragments {
		if found[i] == nil {
			found[i] = c.check(gc, files[i])
		}
	}
	return found, nil
}

// fragment is the package of what isn't a whole file.
const fragment = "fragment"

type compiler struct {
	fset    *token.FileSet
	exports map[string]string // The files that go list names for packages.
}

// list finds out, and has built, what the packages export.
func (c *compiler) list(folder string, packages []string) error {
	var problems bytes.Buffer
	cmd := exec.Command("go", append([]string{"list", "-export", "-f", "{{.ImportPath}}\t{{.Export}}", "--"}, packages...)...)
	cmd.Dir, cmd.Stderr = folder, &problems
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list in %s: %w: %s", folder, err, &problems)
	}
	for line := range strings.Lines(string(out)) {
		path, export, _ := strings.Cut(strings.TrimSpace(line), "\t")
		c.exports[path] = export
	}
	return nil
}

func (c *compiler) open(path string) (io.ReadCloser, error) { return os.Open(c.exports[path]) }

// parse returns the file of a fragment, with what it is given.
func (c *compiler) parse(f Fragment) (*ast.File, error) {
	file, err := c.file(f.Block)
	if err != nil || file.Name.Name != fragment {
		return file, err
	}
	declared := make(map[string]bool)
	declares(file, declared)
	for _, path := range f.Given {
		given, err := parser.ParseFile(c.fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		without(given, declared)
		declares(given, declared)
		add(file, given)
	}
	return file, nil
}

// file parses a block as what it is.
func (c *compiler) file(b Block) (*ast.File, error) {
	text := elided(b.Text)
	at := fmt.Sprintf("\n//line %s:%d\n", b.Page, b.Line)
	if strings.HasPrefix(text, "package ") || strings.Contains(text, "\npackage ") {
		return parser.ParseFile(c.fset, "", at+text, parser.SkipObjectResolution)
	}
	if file, err := parser.ParseFile(c.fset, "", "package "+fragment+at+text, parser.SkipObjectResolution); err == nil {
		return file, nil
	}
	body := at + text + "\npanic(0)\n}"
	file, err := parser.ParseFile(c.fset, "", "package "+fragment+"; func _() {"+body, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if results := returned(file); results > 0 {
		types := strings.Repeat("any, ", results-1) + "error"
		return parser.ParseFile(c.fset, "", "package "+fragment+"; func _() ("+types+") {"+body, parser.SkipObjectResolution)
	}
	return file, nil
}

// elided makes comments of lines that stand for something left out.
func elided(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.TrimSpace(line) == "…" {
			lines[i] = "//"
		}
	}
	return strings.Join(lines, "\n")
}

// returned is how many values the function around a block returns.
func returned(file *ast.File) (most int) {
	function := file.Decls[len(file.Decls)-1].(*ast.FuncDecl)
	ast.Inspect(function.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			most = max(most, len(n.Results))
		}
		return true
	})
	return most
}

// add gives a file what another imports and declares.
func add(to, from *ast.File) {
	for _, spec := range from.Imports {
		if slices.ContainsFunc(to.Imports, func(s *ast.ImportSpec) bool { return s.Path.Value == spec.Path.Value }) {
			continue
		}
		to.Imports = append(to.Imports, spec)
		to.Decls = append([]ast.Decl{&ast.GenDecl{Tok: token.IMPORT, Specs: []ast.Spec{spec}}}, to.Decls...)
	}
	for _, declaration := range from.Decls {
		if d, ok := declaration.(*ast.GenDecl); !ok || d.Tok != token.IMPORT {
			to.Decls = append(to.Decls, declaration)
		}
	}
}

// declares adds the names that a file declares.
func declares(file *ast.File, names map[string]bool) {
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names[d.Name.Name] = true
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				for _, name := range named(spec) {
					names[name.Name] = true
				}
			}
		}
	}
	delete(names, "_")
}

// named are the names that a specification declares.
func named(spec ast.Spec) []*ast.Ident {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		return s.Names
	case *ast.TypeSpec:
		return []*ast.Ident{s.Name}
	case *ast.ImportSpec:
		if s.Name != nil {
			return []*ast.Ident{s.Name}
		}
	}
	return nil
}

// without takes names away from what a file declares.
func without(file *ast.File, names map[string]bool) {
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if names[receiver(d)] || d.Recv == nil && names[d.Name.Name] {
				*d = ast.FuncDecl{Name: ast.NewIdent("_"), Type: &ast.FuncType{Params: new(ast.FieldList)}, Body: new(ast.BlockStmt)}
			}
		case *ast.GenDecl:
			if d.Tok != token.IMPORT {
				blank(d.Specs, names)
			}
		}
	}
}

// blank declares nothing in place of names.
func blank(specs []ast.Spec, names map[string]bool) {
	for _, spec := range specs {
		for _, name := range named(spec) {
			if names[name.Name] {
				name.Name = "_"
			}
		}
	}
}

// receiver is the name of the type whose method a function is.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	typ := d.Recv.List[0].Type
	if pointer, ok := typ.(*ast.StarExpr); ok {
		typ = pointer.X
	}
	return types.ExprString(typ)
}

// check type-checks a file.
func (c *compiler) check(imp types.Importer, file *ast.File) error {
	var found []error
	config := types.Config{Importer: imp, Error: func(err error) {
		var e types.Error
		if errors.As(err, &e) && e.Soft && (strings.HasPrefix(e.Msg, "declared and not used") || strings.HasPrefix(e.Msg, `"`)) {
			return
		}
		found = append(found, err)
	}}
	// What is wrong was told to Error.
	_, _ = config.Check(fragment, c.fset, []*ast.File{file}, nil)
	return errors.Join(found...)
}

// Name is that of the files that a page is given: README of README.th.md, vip of
// vip/vip.go.
func Name(page string) string {
	name, _, _ := strings.Cut(filepath.Base(page), ".")
	return name
}

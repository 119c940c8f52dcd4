package tests

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the listings of the exported surface anew")

// exporting are the packages that merchants import.
var exporting = []string{"ksher", "vip", "opn", "kshertest", "qrcode", "vip/migrate", "sqldedupe", "redisdedupe", "pgxdedupe"}

// What is exported stands in testdata/surface, so that each change of it shows in a
// review. go test ./tests -run TestSurface -update writes it anew.
func TestSurface(t *testing.T) {
	for _, name := range exporting {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(surface(t, name), "\n") + "\n"
			file := filepath.Join("testdata", "surface", strings.ReplaceAll(name, "/", "-")+".txt")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o666))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, string(want), got, "go test ./tests -run TestSurface -update writes %s anew", file)
		})
	}
}

// The root is read as a whole by whoever begins.
func TestSurfaceIsSmall(t *testing.T) {
	names := 0
	for _, line := range surface(t, "ksher") {
		kind, name, _ := strings.Cut(line, " ")
		catalogue := kind == "const" && (strings.HasPrefix(name, "Code") || strings.HasPrefix(name, "Action") || strings.HasPrefix(name, "Channel"))
		if !catalogue && slices.Contains([]string{"const", "var", "func", "type"}, kind) {
			names++
		}
	}
	assert.LessOrEqual(t, names, 165, "exported names beside codes, actions and channels")
	text, err := exec.Command("go", "doc", "-all", "github.com/ksher-go/ksher").Output()
	require.NoError(t, err)
	assert.LessOrEqual(t, bytes.Count(text, []byte("\n")), 2200, "lines of go doc -all")
}

// surface lists what a package exports, a line each: constants and variables, functions,
// types with their exported fields, and methods.
func surface(t *testing.T, name string) (lines []string) {
	t.Helper()
	dir := filepath.Join("..", strings.TrimPrefix(name, "ksher"))
	if name == "kshertest" {
		dir = filepath.Join("..", name)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	all, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, file := range all {
		if !strings.HasSuffix(file, "_test.go") {
			parsed, err := parser.ParseFile(fset, file, nil, 0)
			require.NoError(t, err)
			files = append(files, parsed)
		}
	}
	require.NotEmpty(t, files, "%v", fs.ErrNotExist)
	pkg, err := doc.NewFromFiles(fset, files, name)
	require.NoError(t, err)
	list := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	values := func(all []*doc.Value) {
		for _, v := range all {
			for _, spec := range v.Decl.Specs {
				for i, ident := range spec.(*ast.ValueSpec).Names {
					if ident.IsExported() {
						list("%s %s%s", v.Decl.Tok, ident.Name, value(fset, spec.(*ast.ValueSpec), i))
					}
				}
			}
		}
	}
	funcs := func(all []*doc.Func) {
		for _, f := range all {
			f.Decl.Body = nil
			list("%s", strings.Replace(text(fset, f.Decl), "func (", "method (", 1))
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	funcs(pkg.Funcs)
	for _, typ := range pkg.Types {
		list("%s", strings.Join(declared(fset, typ), "\n"))
		values(typ.Consts)
		values(typ.Vars)
		funcs(typ.Funcs)
		funcs(typ.Methods)
	}
	return strings.Split(strings.Join(lines, "\n"), "\n")
}

// value is the type and the value of a constant or variable, as far as they are written.
func value(fset *token.FileSet, spec *ast.ValueSpec, i int) (s string) {
	if spec.Type != nil {
		s = " " + text(fset, spec.Type)
	}
	if i < len(spec.Values) {
		if literal, ok := spec.Values[i].(*ast.BasicLit); ok {
			s += " = " + literal.Value
		}
	}
	return s
}

// declared is a type's name, and its exported fields or methods.
func declared(fset *token.FileSet, typ *doc.Type) (lines []string) {
	spec := typ.Decl.Specs[0].(*ast.TypeSpec)
	var fields *ast.FieldList
	switch t := spec.Type.(type) {
	case *ast.StructType:
		lines, fields = append(lines, "type "+typ.Name+" struct"), t.Fields
	case *ast.InterfaceType:
		lines, fields = append(lines, "type "+typ.Name+" interface"), t.Methods
	default:
		return []string{"type " + typ.Name + " " + text(fset, spec.Type)}
	}
	for _, f := range fields.List {
		if len(f.Names) == 0 {
			lines = append(lines, "field "+typ.Name+" "+text(fset, f.Type))
		}
		for _, ident := range f.Names {
			if ident.IsExported() {
				lines = append(lines, "field "+typ.Name+"."+ident.Name+" "+text(fset, f.Type))
			}
		}
	}
	return lines
}

// text prints a piece of code in one line.
func text(fset *token.FileSet, node any) string {
	var out bytes.Buffer
	printer.Fprint(&out, fset, node) // A buffer takes everything.
	return strings.Join(strings.Fields(out.String()), " ")
}

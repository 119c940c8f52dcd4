// Package house measures the code of the whole repository, its nested modules
// included: a function somebody has to read at three in the morning fits a
// screen.
package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxFunctionLines = 60
	maxNesting       = 4
	maxCommentLines  = 10
	maxRootFiles     = 50
	maxTemplateLine  = 120
)

func TestHouse(t *testing.T) {
	root := filepath.Join("..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("the repository isn't where this test looks for it: %v", err)
	}
	measured := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipped(root, path, entry.Name())
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		measured++
		problems, err := measure(path)
		for _, problem := range problems {
			t.Error(problem)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if measured < 50 {
		t.Errorf("%d files measured, so most of the repository wasn't seen", measured)
	}
}

// Whoever lists the root sees subjects, not suites.
func TestRootIsSmall(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "*.go"))
	if err != nil || len(files) > maxRootFiles {
		t.Errorf("the root directory has %d Go files, at most %d are wanted (%v)", len(files), maxRootFiles, err)
	}
}

// A line of a template fits beside another window.
func TestTemplateLines(t *testing.T) {
	root := filepath.Join("..", "..")
	measured := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return skipped(root, path, entry.Name())
		case filepath.Ext(path) != ".html":
			return nil
		}
		measured++
		text, err := os.ReadFile(path)
		for i, line := range strings.Split(string(text), "\n") {
			if n := utf8.RuneCountInString(line); n > maxTemplateLine {
				t.Errorf("%s:%d has %d characters, at most %d are wanted", path, i+1, n, maxTemplateLine)
			}
		}
		return err
	})
	if err != nil || measured == 0 {
		t.Errorf("%d templates measured (%v)", measured, err)
	}
}

func TestMeasure(t *testing.T) {
	statements := func(n int) string { return strings.Repeat("\tf()\n", n) }
	comment := func(n int) string { return strings.Repeat("// Words.\n", n) }
	for _, test := range []struct {
		name, file, source string
		want               int
	}{
		{"60 lines", "a.go", "func f() {\n" + statements(58) + "}\n", 0},
		{"61 lines", "a.go", "func f() {\n" + statements(59) + "}\n", 1},
		{"a test of 61 lines", "a_test.go", "func f() {\n" + statements(59) + "}\n", 0},
		{"61 lines in a variable", "a.go", "var f = func() {\n" + statements(59) + "}\n", 1},
		{"nesting of 4", "a.go", "func f() { for { if a { switch { case b: select { case <-c: f() } } } } }\n", 0},
		{"nesting of 5", "a.go", "func f() { for { if a { switch { case b: select { case <-c: if d { f() } } } } } }\n", 1},
		{"else if is no nesting", "a.go", "func f() { if a { } else if b { } else if c { } else if d { } else if e { } else if g { f() } }\n", 0},
		{"nesting in a literal", "a.go", "func f() { for { if a { if b { func() { if c { if d { f() } } }() } } } }\n", 1},
		{"a comment of 10 lines", "a.go", comment(10) + "func f() {}\n", 0},
		{"a comment of 11 lines", "a.go", comment(11) + "func f() {}\n", 1},
		{"a comment of 11 lines in a test", "a_test.go", comment(11) + "func f() {}\n", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), test.file)
			source := comment(20) + "package a\n\n" + test.source
			if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
				t.Fatal(err)
			}
			problems, err := measure(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) != test.want {
				t.Errorf("%d problems, want %d: %v", len(problems), test.want, problems)
			}
		})
	}
}

// skipped keeps the walk out of what isn't the repository's own code.
func skipped(root, path, name string) error {
	hidden := strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
	if path != root && (hidden || name == "testdata" || name == "node_modules") {
		return fs.SkipDir
	}
	return nil
}

// measure returns what is too long or too deep in a file.
func measure(path string) ([]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	lines := func(node ast.Node) int {
		return files.Position(node.End()).Line - files.Position(node.Pos()).Line + 1
	}
	var problems []string
	tell := func(node ast.Node, what string, is, limit int) {
		if is > limit {
			problems = append(problems, fmt.Sprintf("%s: %s is %d, at most %d", files.Position(node.Pos()), what, is, limit))
		}
	}
	for _, comment := range file.Comments {
		if comment != file.Doc {
			tell(comment, "a comment's length", lines(comment), maxCommentLines)
		}
	}
	if strings.HasSuffix(path, "_test.go") {
		return problems, nil
	}
	for _, declaration := range file.Decls {
		name := "of a literal"
		if function, ok := declaration.(*ast.FuncDecl); ok {
			name = "of " + function.Name.Name
		}
		for _, function := range outermost(declaration) {
			tell(function, "the length "+name, lines(function), maxFunctionLines)
			tell(function, "the nesting "+name, nesting(function), maxNesting)
		}
	}
	return problems, nil
}

// outermost returns the functions in a declaration that stand in no other.
func outermost(declaration ast.Decl) []ast.Node {
	var found []ast.Node
	ast.Inspect(declaration, func(node ast.Node) bool {
		switch node.(type) {
		case *ast.FuncDecl, *ast.FuncLit:
			found = append(found, node)
			return false
		}
		return true
	})
	return found
}

// nesting counts the statements around the innermost one. A function literal
// counts as what stands in it; an else if stands beside its if.
func nesting(node ast.Node) int {
	deepest := 0
	var stack []ast.Node
	depth := 0
	ast.Inspect(node, func(node ast.Node) bool {
		if node == nil {
			if nests(stack) {
				depth--
			}
			stack = stack[:len(stack)-1]
			return true
		}
		stack = append(stack, node)
		if nests(stack) {
			depth++
			deepest = max(deepest, depth)
		}
		return true
	})
	return deepest
}

// nests says whether the last of the nodes makes what is in it one deeper.
func nests(stack []ast.Node) bool {
	node := stack[len(stack)-1]
	switch node.(type) {
	case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
		return true
	case *ast.IfStmt:
		if len(stack) < 2 {
			return true
		}
		above, ok := stack[len(stack)-2].(*ast.IfStmt)
		return !ok || above.Else != node
	}
	return false
}

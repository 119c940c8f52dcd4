package ksher_test

import (
	"context"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// official are the operations that Ksher's own SDKs offer.
var official = []string{
	"app_pay", "cancel_order", "gateway_order_query", "gateway_pay", "get_payout_balance", "get_settlement_info", "jsapi_pay",
	"merchant_info", "mini_program_pay", "native_pay", "order_close", "order_query", "order_query_payout", "order_refund",
	"order_reverse", "payout", "quick_pay", "rate_query", "refund_query", "wap_pay", "web_pay",
}

func parsePackage(tb testing.TB, dir string) *doc.Package {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(tb, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(tb, err)
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, path.Join("github.com/ksher-go/ksher", filepath.ToSlash(dir)))
	require.NoError(tb, err)
	return pkg
}

// calls begins the documentation of an operation.
var calls = regexp.MustCompile(`^(\w+) calls ([a-z_]+):`)

// Whatever a merchant can call has a source in docs/fidelity.md and is shown by an
// example, and each operation has a place in the local gateway and in the tests
// of all operations.
func TestEveryMethodIsWhole(t *testing.T) {
	docs := map[string]*doc.Func{}
	for _, typ := range parsePackage(t, ".").Types {
		for _, m := range typ.Methods {
			if typ.Name == "Client" {
				docs[m.Name] = m
			}
		}
	}
	gateway := sandbox.New(t)
	sources := readSources(t, "")
	var found []string
	client := reflect.TypeFor[*ksher.Client]()
	for i := range client.NumMethod() {
		method := client.Method(i)
		t.Run(method.Name, func(t *testing.T) {
			m := docs[method.Name]
			require.NotNil(t, m)
			switch method.Name {
			case "Format": // It belongs to fmt.
				return
			case "KeyHealth": // It tells nothing of Ksher's.
			default:
				assert.Contains(t, sources, "Client."+method.Name, "a row in docs/fidelity.md")
			}
			assert.NotEmpty(t, m.Examples, "an example")
			for _, example := range m.Examples {
				assert.NotEmpty(t, example.Output, "an example that runs")
			}
			if !isOperation(method.Type) {
				return
			}
			parts := calls.FindStringSubmatch(m.Doc)
			require.Len(t, parts, 3, "the documentation begins with the operation's name: %s", m.Doc)
			name := parts[2]
			found = append(found, name)
			assert.Equal(t, strings.ReplaceAll(name, "_", ""), strings.ToLower(method.Name))
			assert.Equal(t, name, sources["Client."+method.Name], "the operation in docs/fidelity.md")
			at := slices.IndexFunc(testkit.Operations(), func(op testkit.Operation) bool { return op.Name == name })
			require.GreaterOrEqual(t, at, 0, "in the tests of all operations")
			base := gateway.MerchantURL()
			if testkit.Operations()[at].URL == ksher.DefaultGatewayURL {
				base = gateway.GatewayURL()
			}
			resp, err := gateway.HTTPClient().Post(base+"/"+name, "application/x-www-form-urlencoded", nil)
			require.NoError(t, err)
			defer resp.Body.Close()
			assert.Equal(t, http.StatusOK, resp.StatusCode, "the local gateway serves it")
			assert.Equal(t, "application/json", resp.Header.Get("Content-Type"))
		})
	}
	slices.Sort(found)
	assert.Equal(t, official, found)
}

func TestSources(t *testing.T) {
	checkSources(t, ".", "")
	checkSources(t, "vip", "vip")
	checkSources(t, "opn", "opn")
}

// checkSources makes sure that docs/fidelity.md is the one place for the sources of a
// package, that it has each request, answer and operation, and that what it names
// exists. section is the package's heading there, "" for the root.
func checkSources(t *testing.T, dir, section string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, comment := range file.Comments {
			assert.NotContains(t, "\n"+comment.Text(), "\nSource:", "%s: it belongs in docs/fidelity.md", name)
		}
	}
	sources := readSources(t, section)
	pkg := parsePackage(t, dir)
	for _, name := range sourced(pkg) {
		assert.Contains(t, sources, name, "a row in docs/fidelity.md")
	}
	exported := identifiers(pkg)
	for name := range sources {
		assert.Contains(t, exported, name, "docs/fidelity.md names what doesn't exist")
	}
}

// A manual goes to docs/.
func TestCommentsAreShort(t *testing.T) {
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, comment := range file.Comments {
			assert.True(t, comment == file.Doc || len(comment.List) <= 10, "%v: %d lines", fset.Position(comment.Pos()), len(comment.List))
		}
	}
}

// readSources returns the identifiers of a section of docs/fidelity.md with their wire
// operations, "" if there is none.
func readSources(tb testing.TB, section string) map[string]string {
	tb.Helper()
	text, err := os.ReadFile("docs/fidelity.md")
	require.NoError(tb, err)
	identifier := regexp.MustCompile("`([A-Z][\\w.]*)`(?: \\(`(\\w+)`\\))?")
	found, in := map[string]string{}, ""
	for _, line := range strings.Split(string(text), "\n") {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			in = ""
			if heading == "vip" || heading == "opn" {
				in = heading
			}
		}
		if in != section || !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, match := range identifier.FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
			assert.NotContains(tb, found, match[1], "twice in docs/fidelity.md")
			found[match[1]] = match[2]
		}
	}
	return found
}

// sourced are the requests, answers and operations of a package.
func sourced(pkg *doc.Package) []string {
	var names []string
	for _, typ := range pkg.Types {
		if strings.HasSuffix(typ.Name, "Request") || strings.HasSuffix(typ.Name, "Response") {
			names = append(names, typ.Name)
		}
		for _, m := range typ.Methods {
			if calls.MatchString(m.Doc) {
				names = append(names, typ.Name+"."+m.Name)
			}
		}
	}
	return names
}

// identifiers are the exported names of a package, methods as Type.Method.
func identifiers(pkg *doc.Package) []string {
	var names []string
	values := slices.Concat(pkg.Consts, pkg.Vars)
	funcs := slices.Clone(pkg.Funcs)
	for _, typ := range pkg.Types {
		names = append(names, typ.Name)
		values = slices.Concat(values, typ.Consts, typ.Vars)
		funcs = append(funcs, typ.Funcs...)
		for _, m := range typ.Methods {
			names = append(names, typ.Name+"."+m.Name)
		}
	}
	for _, v := range values {
		names = append(names, v.Names...)
	}
	for _, f := range funcs {
		names = append(names, f.Name)
	}
	return names
}

// isOperation tells by its type whether a method is one of Ksher's operations.
func isOperation(method reflect.Type) bool {
	if method.NumIn() != 3 || method.NumOut() != 2 || method.In(1) != reflect.TypeFor[context.Context]() {
		return false
	}
	answer := method.Out(0)
	if answer.Kind() != reflect.Pointer || answer.Elem().Kind() != reflect.Struct {
		return false
	}
	_, ok := answer.Elem().FieldByName("Answer")
	return ok && strings.HasSuffix(answer.Elem().Name(), "Response") && method.NumIn() == 3
}

package ksher_test

import (
	"context"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"net/http"
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

func parsePackage(tb testing.TB) *doc.Package {
	tb.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(tb, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(tb, err)
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, "github.com/ksher-go/ksher")
	require.NoError(tb, err)
	return pkg
}

// Whatever a merchant can call is documented with its source and shown by an
// example, and each operation has a place in the local gateway and in the tests
// of all operations.
func TestEveryMethodIsWhole(t *testing.T) {
	docs := map[string]*doc.Func{}
	for _, typ := range parsePackage(t).Types {
		for _, m := range typ.Methods {
			if typ.Name == "Client" {
				docs[m.Name] = m
			}
		}
	}
	gateway := sandbox.New(t)
	calls := regexp.MustCompile(`^(\w+) calls ([a-z_]+):`)
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
				assert.Contains(t, m.Doc, "\nSource: ")
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
			assert.Contains(t, m.Doc, "\nSource: POST "+name+",")
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

package ksher

import (
	"reflect"
	"testing"

	"github.com/google/go-querystring/query"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/wire"
)

// fill gives a field of a request a value, and fails for a kind of field that
// it doesn't know.
func fill(tb testing.TB, f reflect.Value, text string) {
	tb.Helper()
	switch f.Kind() {
	case reflect.String:
		f.SetString(text)
	case reflect.Int, reflect.Int64:
		f.SetInt(int64(len(text)))
	case reflect.Slice:
		f.Set(reflect.MakeSlice(f.Type(), 2, 2))
		fill(tb, f.Index(0), text)
		fill(tb, f.Index(1), "é")
	default:
		switch v := f.Addr().Interface().(type) {
		case *InstalTimes:
			*v = InstalTimes{Channel(text): {3, 4}}
		case *Extra:
			*v = Extra{Params: map[string]string{text: text}}
		case *Secret:
			*v = NewSecret(text)
		case *map[string]string: // Of Extra.
			*v = map[string]string{text: text}
		default:
			require.Fail(tb, "a field of a new kind", "%T", v)
		}
	}
}

// What is sent is what go-querystring makes of a request's tags, for every
// operation and with any of its fields set, left out, or alone.
func TestStructParamsAreGoQuerystrings(t *testing.T) {
	client := reflect.TypeFor[*Client]()
	tested := 0
	for i := range client.NumMethod() {
		method := client.Method(i).Type
		if method.NumIn() < 3 || !method.In(2).Implements(reflect.TypeFor[request]()) {
			continue
		}
		tested++
		fields := reflect.VisibleFields(method.In(2).Elem())
		compare := func(has func(field int) bool) {
			req := reflect.New(method.In(2).Elem())
			for i, f := range fields {
				if f.IsExported() && has(i) {
					fill(t, req.Elem().FieldByIndex(f.Index), "a&=ชา "+f.Name)
				}
			}
			form, err := query.Values(req.Interface())
			require.NoError(t, err)
			params, err := wire.StructParams(req.Interface())
			require.NoError(t, err)
			wire.SortParams(params)
			assert.Equal(t, wire.FormParams(form), params)
		}
		compare(func(int) bool { return false })
		compare(func(int) bool { return true })
		for f := range fields {
			compare(func(field int) bool { return field == f })
			compare(func(field int) bool { return field != f })
		}
	}
	assert.GreaterOrEqual(t, tested, 8)
}

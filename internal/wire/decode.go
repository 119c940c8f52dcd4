package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ksher-go/ksher/internal/day"
)

// timeLayout is how Ksher writes a moment of the merchant's zone.
const timeLayout = time.DateTime

// Decode fills the struct that dst points to from members that ParseObject
// returned, matching names exactly with the json tags of its fields and of its
// embedded structs. Members without a field are left out. Times without a zone
// are read in loc.
//
// It is strict about integers, which are money, and lenient about the rest,
// because a payment isn't to be lost over the form of a remark. What is tagged
// wire:"loose" is left zero if it can't be read.
func Decode(members []Member, dst any, loc *time.Location) error {
	v := reflect.ValueOf(dst).Elem()
	index := fieldsOf(v.Type())
	d := decoder{loc: loc}
	short := 0
	for i := range members {
		if n := len(members[i].Value.Raw); n <= maxShort {
			short += n
		}
	}
	// Members without a field may be many.
	d.short.Grow(min(short, 1<<10))
	for i := range members {
		f, ok := index[string(members[i].Name)]
		if !ok {
			continue
		}
		if err := d.value(members[i].Value, v.FieldByIndex(f.path)); err != nil && !f.loose {
			return fmt.Errorf("%s: %w", members[i].Name, err)
		}
	}
	return nil
}

// maxShort is up to how many bytes texts share memory.
const maxShort = 128

type decoder struct {
	loc *time.Location
	// short holds the short texts of a struct, for a single allocation. A long
	// one stays by itself: whoever keeps an order's number isn't to keep a
	// picture with it.
	short strings.Builder
}

func (d *decoder) keep(text []byte) string {
	if len(text) > maxShort {
		return string(text)
	}
	start := d.short.Len()
	d.short.Write(text)
	return d.short.String()[start:]
}

// field is where the value of a member goes.
type field struct {
	path  []int
	loose bool
}

var fieldCache sync.Map // reflect.Type to map[string]field

func fieldsOf(t reflect.Type) map[string]field {
	if cached, ok := fieldCache.Load(t); ok {
		return cached.(map[string]field)
	}
	index := make(map[string]field)
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && !belongsElsewhere(t, f.Index) {
			index[name] = field{f.Index, f.Tag.Get("wire") == "loose"}
		}
	}
	fieldCache.Store(t, index)
	return index
}

// Names returns the names that Decode fills the type of a struct from.
func Names(t reflect.Type) []string {
	return slices.Collect(maps.Keys(fieldsOf(t)))
}

// belongsElsewhere tells whether a field is inside an embedded struct that the
// json tag "-" takes out.
func belongsElsewhere(t reflect.Type, path []int) bool {
	for i := 1; i < len(path); i++ {
		if t.FieldByIndex(path[:i]).Tag.Get("json") == "-" {
			return true
		}
	}
	return false
}

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

// value takes for a text any value as it is written, and for true only true, also as a
// text and in capitals. A struct stays zero unless it gets an object.
func (d *decoder) value(src Value, dst reflect.Value) error {
	var text []byte
	if src.Kind != Null {
		text = src.Text()
	}
	switch dst.Kind() {
	case reflect.String:
		dst.SetString(d.keep(text))
	case reflect.Slice:
		if dst.Type() != rawType {
			return decodeList(src, dst, d.loc)
		}
		dst.SetBytes(src.Raw)
	case reflect.Bool:
		dst.SetBool(strings.EqualFold(string(text), "true"))
	case reflect.Struct:
		if dst.Type() == timeType {
			*dst.Addr().Interface().(*time.Time) = parseTime(string(text), d.loc)
		} else if src.Kind == Object {
			return decodeObject(src, dst, d.loc)
		}
	default:
		n, err := parseInteger(string(text))
		if err != nil {
			return err
		}
		dst.SetInt(n)
	}
	return nil
}

func decodeObject(src Value, dst reflect.Value, loc *time.Location) error {
	p := parser{data: src.Raw, accepted: true, fields: fieldsOf(dst.Type())}
	members, _, err := p.object(make([]Member, 0, len(p.fields)), nil, 1)
	if err != nil {
		return err
	}
	return Decode(members, dst.Addr().Interface(), loc)
}

// decodeList takes an array, of objects for a list of structs. An empty string or null
// is a list without elements.
func decodeList(src Value, dst reflect.Value, loc *time.Location) error {
	var elements []Value
	if src.Kind != Null && (src.Kind != String || len(src.Text()) > 0) {
		var err error
		if elements, err = src.Elements(); err != nil {
			return err
		}
	}
	d := decoder{loc: loc}
	list := reflect.MakeSlice(dst.Type(), len(elements), len(elements))
	for i, e := range elements {
		if dst.Type().Elem().Kind() == reflect.Struct && e.Kind != Object {
			return fmt.Errorf("element %d is %v, not an object", i, e.Kind)
		}
		if err := d.value(e, list.Index(i)); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	dst.Set(list)
	return nil
}

// parseTime returns the zero time for what can't be read, or is more than 50 years from
// today (of the Thai calendar).
func parseTime(text string, loc *time.Location) time.Time {
	layout := timeLayout
	if strings.Contains(text, "T") {
		layout = time.RFC3339
	}
	if text == "" {
		return time.Time{}
	}
	t, err := time.ParseInLocation(layout, text, loc)
	if err != nil || !day.Near(t, time.Now()) {
		return time.Time{}
	}
	return t.In(loc)
}

// parseInteger reads a decimal integer; an empty text is zero. A fraction is refused
// even if it is empty: "100.00" might be meant in whole units instead of cents.
func parseInteger(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not an integer", clip([]byte(text)))
	}
	return n, nil
}

// Encode is the counterpart of Decode: it writes the fields of a struct as the
// gateway would, for a double of the gateway. Times are written in loc, and a
// zero time or integer as an empty string, as in genuine answers.
func Encode(src any, loc *time.Location) ([]byte, error) {
	return json.Marshal(encodable(reflect.ValueOf(src), loc))
}

func encodable(v reflect.Value, loc *time.Location) any {
	v = reflect.Indirect(v)
	switch {
	case v.Type() == timeType:
		t := v.Interface().(time.Time)
		if t.IsZero() {
			return ""
		}
		return t.In(loc).Format(timeLayout)
	case v.Type() == rawType:
		return v.Interface()
	case v.Kind() == reflect.Struct:
		fields := make(map[string]any)
		for name, f := range fieldsOf(v.Type()) {
			fields[name] = encodable(v.FieldByIndex(f.path), loc)
		}
		return fields
	case v.Kind() == reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = encodable(v.Index(i), loc)
		}
		return list
	case v.CanInt() && v.Int() == 0:
		return ""
	}
	return v.Interface()
}

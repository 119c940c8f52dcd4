package check

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// field is what is wrong with one parameter, as the root documents it.
type field interface {
	~struct {
		Field   string
		Problem string
	}
}

// Problems collects what is wrong with a request, by the names of the wire. Its zero value
// is ready for use.
type Problems[F field] struct {
	// Unchecked names parameters whose documented limits don't count.
	Unchecked []string
	Fields    []F
	// Limits are the names in Fields that may be unchecked.
	Limits []string
}

// Problem is for what the documentation rules out. The caller can have it sent.
func (p *Problems[F]) Problem(name, format string, args ...any) {
	if !slices.Contains(p.Unchecked, name) {
		p.Limits = append(p.Limits, name)
		p.Refuse(name, format, args...)
	}
}

// Refuse is for what can't be sent at all, or not be asked about afterwards.
func (p *Problems[F]) Refuse(name, format string, args ...any) {
	p.Fields = append(p.Fields, F{Field: name, Problem: fmt.Sprintf(format, args...)})
}

// Required wants a text that isn't blank.
func (p *Problems[F]) Required(name, value string) {
	if strings.TrimSpace(value) == "" {
		p.Problem(name, "is required")
	}
}

// IsNil also finds a nil pointer in an interface.
func IsNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

// Extra adds unmodelled parameters to the modelled ones. sign is the name of the signature,
// and unfit says what is wrong with a name, "" for nothing.
func (p *Problems[F]) Extra(extra map[string]string, params []wire.Param, sign string, unfit func(name string) string) []wire.Param {
	modelled := params
	for name, value := range extra {
		// A peer that doesn't look at capitals would take the one for the other.
		isName := func(p wire.Param) bool { return strings.EqualFold(p.Name, name) }
		switch why := unfit(name); {
		case name == "" || strings.ContainsAny(name, "= \t\r\n"):
			p.Refuse("Extra", "has %q, which is not a parameter's name", transport.Clip(name))
		case strings.EqualFold(name, sign) || slices.ContainsFunc(modelled, isName):
			p.Refuse(name, "is in Extra, but set already by the request itself")
		case why != "":
			p.Refuse(name, "is in Extra, %s", why)
		default:
			params = append(params, wire.Param{Name: name, Value: value})
		}
	}
	return params
}

// UTF8 wants all parameters to be UTF-8.
func (p *Problems[F]) UTF8(params []wire.Param) {
	for _, param := range params {
		if !utf8.ValidString(param.Name) || !utf8.ValidString(param.Value) {
			p.Refuse(strings.ToValidUTF8(param.Name, "?"), "is not UTF-8")
		}
	}
}

package check

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
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

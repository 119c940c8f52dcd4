package wire

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-querystring/query"
)

// Param is one parameter of a request.
type Param struct{ Name, Value string }

// FormParams lists the parameters of a form, in the order in which they are
// signed.
func FormParams(form url.Values) []Param {
	params := appendForm(make([]Param, 0, len(form)), form)
	SortParams(params)
	return params
}

func appendForm(dst []Param, form url.Values) []Param {
	for name, values := range form {
		if len(values) > 0 {
			dst = append(dst, Param{name, values[0]})
		}
	}
	return dst
}

// SortParams puts parameters in the order in which they are signed. None may
// occur twice or have an equals sign in its name.
func SortParams(params []Param) {
	slices.SortFunc(params, func(a, b Param) int { return compareNames([]byte(a.Name), []byte(b.Name)) })
}

// StructParams lists the parameters that go-querystring makes of the struct that
// src points to, in any order and with room for some more. It does the plain
// texts itself, and leaves only the other fields to go-querystring, which reads
// every tag anew each time.
func StructParams(src any) ([]Param, error) {
	v := reflect.ValueOf(src).Elem()
	plan := planOf(v.Type())
	params := make([]Param, 0, v.NumField()+4)
	for _, t := range plan.texts {
		if text := v.Field(t.index).String(); text != "" || !t.omitEmpty {
			params = append(params, Param{t.name, text})
		}
	}
	if len(plan.others) == 0 {
		return params, nil
	}
	rest := reflect.New(plan.rest)
	for i, index := range plan.others {
		rest.Elem().Field(i).Set(v.Field(index))
	}
	form, err := query.Values(rest.Interface())
	return appendForm(params, form), err
}

// formPlan is how the parameters of a struct are made.
type formPlan struct {
	texts []textField
	// rest is a struct of the other fields, and others are their indexes.
	rest   reflect.Type
	others []int
}

// textField is a field that go-querystring would write as it is.
type textField struct {
	index     int
	name      string
	omitEmpty bool
}

var planCache sync.Map // reflect.Type to *formPlan

func planOf(t reflect.Type) *formPlan {
	if cached, ok := planCache.Load(t); ok {
		return cached.(*formPlan)
	}
	plan := &formPlan{}
	var rest []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("url")
		name, option, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-" || !f.IsExported() && !f.Anonymous:
		case f.Type.Kind() == reflect.String && f.Type.NumMethod() == 0 && name != "" && (option == "" || option == "omitempty"):
			plan.texts = append(plan.texts, textField{i, name, option != ""})
		default:
			rest = append(rest, f)
			plan.others = append(plan.others, i)
		}
	}
	plan.rest = reflect.StructOf(rest)
	planCache.Store(t, plan)
	return plan
}

// ParamsSignText returns the text that a merchant signs for a request: every
// parameter but sign as name=value, before any form encoding, with nothing
// between. The parameters are in the order that SortParams gave them.
func ParamsSignText(params []Param) []byte {
	text := make([]byte, 0, sizeOf(params))
	for _, p := range params {
		if p.Name == "sign" {
			continue
		}
		text = append(text, p.Name...)
		text = append(text, '=')
		text = append(text, p.Value...)
	}
	return text
}

// EncodeParams writes the parameters as application/x-www-form-urlencoded, in
// the order given. It does what url.Values.Encode does without sorting again.
func EncodeParams(params []Param) string {
	var body strings.Builder
	body.Grow(sizeOf(params) * 5 / 4)
	for i, p := range params {
		if i > 0 {
			body.WriteByte('&')
		}
		body.WriteString(url.QueryEscape(p.Name))
		body.WriteByte('=')
		body.WriteString(url.QueryEscape(p.Value))
	}
	return body.String()
}

func sizeOf(params []Param) int {
	size := 0
	for _, p := range params {
		size += len(p.Name) + len(p.Value) + len("=&")
	}
	return size
}

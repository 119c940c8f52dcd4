package wire

import (
	"net/url"
	"slices"
	"strings"
)

// Param is one parameter of a request.
type Param struct{ Name, Value string }

// SortParams puts the parameters of a form, and more beside it, in the order in
// which they are signed. No parameter may occur twice or have an equals sign in
// its name.
func SortParams(form url.Values, more ...Param) []Param {
	// One more, for the signature.
	params := append(make([]Param, 0, len(form)+len(more)+1), more...)
	for name, values := range form {
		if len(values) > 0 {
			params = append(params, Param{name, values[0]})
		}
	}
	slices.SortFunc(params, func(a, b Param) int { return compareNames(a.Name, b.Name) })
	return params
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

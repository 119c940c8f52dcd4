package vipapi

import (
	"crypto/hmac"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/wire"
)

// call is a request as it was read.
type call struct {
	op *operation
	// tx is there while the call is carried out.
	tx *core.Tx
	// path is the one that is signed, without its escapes. Whether they belong to
	// what is signed isn't documented.
	path string
	// id is what the path has besides: the number of an order, or a day.
	id string
	// params has the parameters as they were written, the signature included.
	params url.Values
	// text is what had to be signed.
	text string
}

// param is a parameter as it came.
type param struct {
	name string
	kind wire.Kind
	// text is the value as it was written, and signed as it is signed.
	text, signed string
}

// field is a parameter that an operation knows.
type field struct {
	name     string
	required bool
	// wrong says what is wrong with a value, "" for nothing.
	wrong func(param) string
}

func required(f field) field { f.required = true; return f }

// textField is a text, which in a body can't be given as anything else.
func textField(name string) field {
	return field{name: name, wrong: func(p param) string {
		if p.kind != wire.String {
			return "Not a valid string."
		}
		return ""
	}}
}

func scalarField(name string) field {
	return field{name: name, wrong: func(param) string { return "" }}
}

func webField(name string) field {
	return field{name: name, wrong: func(p param) string {
		if p.kind != wire.String || core.WebAddress(p.text) == "" {
			return "Not a valid URL."
		}
		return ""
	}}
}

// wholeField is a whole number, not above most unless that is 0. In a body it has to
// be given as a number, and a query has only texts.
func wholeField(name string, kind wire.Kind, least, most int64) field {
	return field{name: name, wrong: func(p param) string {
		n, err := strconv.ParseInt(p.text, 10, 64)
		switch {
		case err != nil || p.kind != kind:
			return "Not a valid integer."
		case n < least:
			return fmt.Sprintf("Must be greater than or equal to %d.", least)
		case most > 0 && n > most:
			return fmt.Sprintf("Must be less than or equal to %d.", most)
		}
		return ""
	}}
}

func oneOf(name string, values ...string) field {
	return field{name: name, wrong: func(p param) string {
		if p.kind != wire.String || !slices.Contains(values, p.text) {
			return "Must be one of: " + strings.Join(values, ", ") + "."
		}
		return ""
	}}
}

var walletField = oneOf("channel", string(ksher.ChannelWeChat), string(ksher.ChannelAlipay))

// read reads a request, and returns why it is refused, nil if it isn't. That a
// field that is wrong comes before a wrong signature, and that a wrong signature is
// HTTP 401, isn't documented.
func (c *call) read(w http.ResponseWriter, r *http.Request) *answer {
	c.params, c.text = url.Values{}, c.path
	params, flaw := readParams(w, r)
	if flaw != "" {
		return badRequest([][2]string{{"_schema", flaw}})
	}
	slices.SortFunc(params, func(a, b param) int { return strings.Compare(a.name, b.name) })
	byName := make(map[string]param)
	other := c.path // With booleans as JavaScript has them.
	for _, p := range params {
		c.params.Set(p.name, p.text)
		byName[p.name] = p
		if p.name != "signature" {
			c.text += p.name + p.signed
			other += p.name + p.text
		}
	}
	var wrong [][2]string
	for _, f := range c.op.fields {
		p, ok := byName[f.name]
		switch {
		case !ok && f.required:
			wrong = append(wrong, [2]string{f.name, "Missing data for required field."})
		case ok && p.text == "" && f.required:
			wrong = append(wrong, [2]string{f.name, "Shorter than minimum length 1."})
		case ok && p.text != "":
			if flaw := f.wrong(p); flaw != "" {
				wrong = append(wrong, [2]string{f.name, flaw})
			}
		}
	}
	if len(wrong) > 0 {
		return badRequest(wrong)
	}
	sign := []byte(c.params.Get("signature"))
	if !hmac.Equal(sign, []byte(macOf(Token, c.text))) && !hmac.Equal(sign, []byte(macOf(Token, other))) {
		return problem(http.StatusUnauthorized, "The signature is missing or wrong.")
	}
	return nil
}

// badRequest is the documented answer to fields that are wrong: the text of a
// Python dict in HTML. The names are all the gateway's own.
func badRequest(wrong [][2]string) *answer {
	var fields []string
	for _, w := range wrong {
		fields = append(fields, pythonQuote(w[0])+": ["+pythonQuote(w[1])+"]")
	}
	return problem(http.StatusBadRequest, "BadRequest {"+strings.Join(fields, ", ")+"}")
}

// readParams reads the parameters: of a GET, and of a DELETE without a body, in
// the query, of everything else in the JSON object that is the body.
func readParams(w http.ResponseWriter, r *http.Request) (params []param, flaw string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, core.MaxRequestBytes))
	if err != nil {
		return nil, "The body can't be read or is too long."
	}
	if r.Method == http.MethodGet || r.Method == http.MethodDelete && len(body) == 0 {
		return readQuery(r.URL.RawQuery)
	}
	members, err := wire.ParseObject(body)
	if err != nil {
		return nil, "Invalid input type."
	}
	for _, m := range members {
		p := param{name: string(m.Name), kind: m.Value.Kind, text: string(m.Value.Text())}
		switch p.signed = p.text; p.kind {
		case wire.Bool:
			p.signed = pythonText(m.Value.Raw)
		case wire.Null, wire.Array, wire.Object:
			return nil, "Only texts, numbers and booleans are taken."
		}
		params = append(params, p)
	}
	return params, ""
}

func readQuery(query string) (params []param, flaw string) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, "The query can't be read."
	}
	for name, all := range values {
		if len(all) != 1 || !utf8.ValidString(name) || !utf8.ValidString(all[0]) {
			return nil, "A parameter occurs twice or isn't UTF-8."
		}
		params = append(params, param{name: name, text: all[0], signed: all[0]})
	}
	return params, ""
}

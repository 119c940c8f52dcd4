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
	"github.com/ksher-go/ksher/internal/sandbox/api"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/wire"
)

// call is a request as it was read.
type call struct {
	op *operation
	// lenient is what the request gets away with.
	lenient *core.Leniency
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
	// sent is the query or the body, whichever has the parameters.
	sent string
	// hint says what is wrong with the signature, "" for nothing.
	hint string
	// reply takes the answer.
	reply *core.Reply
}

// param is a parameter as it came.
type param struct {
	name string
	kind wire.Kind
	// text is the value as it was written.
	text string
	// query says that it came in a query, which has only texts.
	query bool
}

// spelling is how a client writes what isn't a text or a number when it signs.
type spelling map[string]string

// spellings are those of Python, JavaScript and PHP.
var spellings = []spelling{
	{"true": "True", "false": "False", "null": "None"},
	{},
	{"true": "True", "false": "False", "null": ""},
}

// signText is what is signed of a path and parameters in order.
func signText(path string, params []param, s spelling) string {
	text := path
	for _, p := range params {
		if p.name == "signature" {
			continue
		}
		text += p.name + p.spelled(s)
	}
	return text
}

// spelled is the value as it is signed.
func (p param) spelled(s spelling) string {
	if spelled, ok := s[p.text]; ok && p.literal() {
		return spelled
	}
	return p.text
}

// literal tells what is spelled in more than one way.
func (p param) literal() bool { return p.kind == wire.Bool || p.kind == wire.Null }

// field is a parameter that an operation knows.
type field struct {
	name     string
	required bool
	// spared says which requests need not have it all the same, nil for none.
	spared func(url.Values) bool
	// wrong says what is wrong with a value, "" for nothing.
	wrong func(*core.Leniency, param) string
}

func required(f field) field { f.required = true; return f }

// neededBy tells whether a request has to have the field.
func (f field) neededBy(params url.Values) bool {
	return f.required && (f.spared == nil || !f.spared(params))
}

// ofWeChat is a text that only WeChat Pay has to be given.
func ofWeChat(name string) field {
	f := required(textField(name))
	f.spared = func(params url.Values) bool { return params.Get("channel") == string(ksher.ChannelAlipay) }
	return f
}

// textField is a text, which in a body can't be given as anything else.
func textField(name string) field {
	return field{name: name, wrong: func(_ *core.Leniency, p param) string {
		if p.kind != wire.String {
			return "Not a valid string."
		}
		return ""
	}}
}

func scalarField(name string) field {
	return field{name: name, wrong: func(*core.Leniency, param) string { return "" }}
}

func webField(name string) field {
	return field{name: name, wrong: func(_ *core.Leniency, p param) string {
		if p.kind != wire.String || core.WebAddress(p.text) == "" {
			return "Not a valid URL."
		}
		return ""
	}}
}

// wholeField is a whole number, not above most unless that is 0.
func wholeField(name string, least, most int64) field {
	return field{name: name, wrong: func(l *core.Leniency, p param) string {
		const notWhole = "Not a valid integer."
		n, err := strconv.ParseInt(p.text, 10, 64)
		switch {
		case err != nil:
			return notWhole
		case n < least:
			return fmt.Sprintf("Must be greater than or equal to %d.", least)
		case most > 0 && n > most:
			return fmt.Sprintf("Must be less than or equal to %d.", most)
		// Ksher's Java client sends every value as a text.
		case p.kind == wire.String && !p.query && !l.Accepts(name+" as a text", "a number"):
			return notWhole
		}
		return ""
	}}
}

// channelField names channels of the guides to api.ksher.net: nobody lists those of this
// generation.
func channelField() field {
	text := textField("channel")
	known := func(c ksher.Channel) bool { _, known := c.Info(); return known }
	return field{name: text.name, wrong: func(l *core.Leniency, p param) string {
		if flaw := text.wrong(l, p); flaw != "" {
			return flaw
		}
		if wanted := api.RefuseChannels(l, p.name, p.text, known); wanted != "" {
			return "Must be " + wanted + "."
		}
		return ""
	}}
}

func oneOf(name string, values ...string) field {
	return field{name: name, wrong: func(_ *core.Leniency, p param) string {
		if p.kind != wire.String || !slices.Contains(values, p.text) {
			return "Must be one of: " + strings.Join(values, ", ") + "."
		}
		return ""
	}}
}

var (
	walletField  = oneOf("channel", string(ksher.ChannelWeChat), string(ksher.ChannelAlipay))
	countryField = oneOf("provider", "th", "ph", "my")
)

// ksherProvider is what Ksher's own tests have for a provider.
const ksherProvider = "Ksher"

var providerField = field{name: "provider", wrong: func(l *core.Leniency, p param) string {
	if p.text == ksherProvider && l.Accepts(`the provider "Ksher"`, "th, ph or my") {
		return ""
	}
	return countryField.wrong(l, p)
}}

// read reads a request, and returns why it is refused, nil if it isn't. That a
// field that is wrong comes before a wrong signature isn't documented.
func (c *call) read(w http.ResponseWriter, r *http.Request) *answer {
	c.params, c.text = url.Values{}, c.path
	params, flaw := c.readParams(w, r)
	if flaw != "" {
		return badRequest([][2]string{{"_schema", flaw}})
	}
	slices.SortFunc(params, func(a, b param) int { return strings.Compare(a.name, b.name) })
	for _, p := range params {
		if p.kind == wire.Null { // As if it weren't there.
			p.text = ""
		}
		c.params.Set(p.name, p.text)
	}
	c.text = signText(c.path, params, spellings[0])
	if wrong := c.wrong(params); len(wrong) > 0 {
		return badRequest(wrong)
	}
	return c.verify(r, params)
}

// wrong is what is wrong with the parameters, each with its name.
func (c *call) wrong(params []param) (wrong [][2]string) {
	byName := make(map[string]param)
	for _, p := range params {
		if p.kind != wire.Null {
			byName[p.name] = p
		}
	}
	for _, f := range c.op.fields {
		p, ok := byName[f.name]
		needed := f.neededBy(c.params)
		switch {
		case !ok && needed:
			wrong = append(wrong, [2]string{f.name, "Missing data for required field."})
		case ok && p.text == "" && needed:
			wrong = append(wrong, [2]string{f.name, "Shorter than minimum length 1."})
		case ok && p.text != "":
			if flaw := f.wrong(c.lenient, p); flaw != "" {
				wrong = append(wrong, [2]string{f.name, flaw})
			}
		}
	}
	return wrong
}

// verify checks the signature. That a wrong one is HTTP 401 isn't documented.
func (c *call) verify(r *http.Request, params []param) *answer {
	documented := c.text
	ok := c.signs(params)
	if !ok && c.op.method == http.MethodGet {
		known := slices.DeleteFunc(slices.Clone(params), func(p param) bool { return !c.op.knows(p.name) })
		ok = c.signs(known) && c.lenient.Accepts("a query with parameters that aren't signed", "each of them signed")
	}
	sign := c.params.Get("signature")
	if !ok || sign != strings.ToUpper(sign) && !c.lenient.Accepts("a signature in lower-case hex digits", "them in upper case") {
		c.text = documented
		c.hint = c.explain(r, params)
		return problem(http.StatusUnauthorized, "The signature is missing or wrong.")
	}
	return nil
}

// knows tells whether an operation has a parameter of that name.
func (op *operation) knows(name string) bool {
	return slices.ContainsFunc(op.fields, func(f field) bool { return f.name == name })
}

// signs tells whether the signature is of these parameters in any spelling, and keeps the
// text that it is of.
func (c *call) signs(params []param) bool {
	sign := []byte(strings.ToUpper(c.params.Get("signature")))
	for _, s := range spellings {
		if text := signText(c.path, params, s); hmac.Equal(sign, []byte(macOf(Token, text))) {
			c.text = text
			return true
		}
	}
	return false
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
func (c *call) readParams(w http.ResponseWriter, r *http.Request) (params []param, flaw string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, core.MaxRequestBytes))
	if err != nil {
		return nil, "The body can't be read or is too long."
	}
	inQuery := r.Method == http.MethodGet || r.Method == http.MethodDelete && len(body) == 0
	if r.Method == http.MethodGet && r.URL.RawQuery == "" && len(body) > 0 {
		// As Ksher's PHP client does.
		inQuery = !c.lenient.Accepts("a GET with its parameters in a JSON body", "them in the query")
	}
	if inQuery {
		c.sent = r.URL.RawQuery
		return readQuery(r.URL.RawQuery)
	}
	c.sent = string(body)
	members, err := wire.ParseObject(body)
	if err != nil {
		return nil, "Invalid input type."
	}
	for _, m := range members {
		p := param{name: string(m.Name), kind: m.Value.Kind, text: string(m.Value.Text())}
		if p.kind > wire.Null || p.kind == wire.Null && !c.lenient.Accepts("null for a parameter", "it left out") {
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
		params = append(params, param{name: name, text: all[0], query: true})
	}
	return params, ""
}

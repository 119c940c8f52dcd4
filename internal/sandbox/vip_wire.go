package sandbox

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/wire"
)

// VIPToken is the API token of the gateway's merchant at vip.ksher.net. It is
// public, and for tests only.
const VIPToken = "kshertest-vip-token"

// otherVIPToken signs where a fault wants another key.
const otherVIPToken = "kshertest-other-vip-token"

// vipUnauthorized is how the log of requests has a wrong signature.
const vipUnauthorized ksher.Code = "401"

// serveVIP adds the vip.ksher.net generation to what the gateway serves.
func (g *Gateway) serveVIP(mux *http.ServeMux) {
	byPath := make(map[string]map[string]*vipOperation)
	for _, op := range vipOperations {
		if byPath[op.path] == nil {
			byPath[op.path] = make(map[string]*vipOperation)
		}
		byPath[op.path][op.method] = op
	}
	for path, byMethod := range byPath {
		serve := func(w http.ResponseWriter, r *http.Request) {
			op := byMethod[r.Method]
			if op == nil {
				w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(byMethod)), ", "))
				g.writeVIP(w, problem(http.StatusMethodNotAllowed, "The method is not allowed here."))
				return
			}
			c := &vipCall{op: op, path: r.URL.Path, id: r.PathValue("id")}
			refused := c.read(w, r)
			fault, status, answer := g.carryOutVIP(c, refused)
			w.Header().Set("Content-Type", "application/json")
			if status != http.StatusOK && !fault.prevents() {
				w.WriteHeader(status)
			}
			fault.spoil(w, r, answer)
		}
		mux.HandleFunc(path, serve)
		if strings.HasSuffix(path, "/orders") {
			// Ksher's own JavaScript client has and signs a slash at the end.
			mux.HandleFunc(path+"/{$}", serve)
		}
	}
	mux.HandleFunc("/api/v1/", func(w http.ResponseWriter, _ *http.Request) {
		g.writeVIP(w, problem(http.StatusNotFound, "There is no such operation."))
	})
}

// vipCall is a request as it was read.
type vipCall struct {
	op *vipOperation
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

// vipAnswer is an answer: a body that is signed, or with an HTTP status other than
// 200 a problem in words.
type vipAnswer struct {
	status  int
	body    interface{ said() vipOutcome }
	problem string
}

// vipOutcome is how a request went.
type vipOutcome struct {
	ErrorCode    vipText `json:"error_code"`
	ErrorMessage vipText `json:"error_message"`
}

func (o vipOutcome) said() vipOutcome { return o }

// outcome sets it. Without words the code stands for them.
func (o *vipOutcome) outcome(code, message string) {
	if message == "" {
		message = code
	}
	o.ErrorCode, o.ErrorMessage = vipText(code), vipText(message)
}

func problem(status int, text string) *vipAnswer { return &vipAnswer{status: status, problem: text} }

// code is why a request was refused, "" if it wasn't.
func (a *vipAnswer) code() ksher.Code {
	if a.body == nil {
		return ksher.Code(strconv.Itoa(a.status))
	}
	switch code := a.body.said().ErrorCode; code {
	case "SUCCESS", "PENDING", "REFUNDED":
		return ""
	default:
		return ksher.Code(code)
	}
}

// vipParam is a parameter as it came.
type vipParam struct {
	name string
	kind wire.Kind
	// text is the value as it was written, and signed as it is signed.
	text, signed string
}

// vipField is a parameter that an operation knows.
type vipField struct {
	name     string
	required bool
	// wrong says what is wrong with a value, "" for nothing.
	wrong func(vipParam) string
}

func required(f vipField) vipField { f.required = true; return f }

// textField is a text, which in a body can't be given as anything else.
func textField(name string) vipField {
	return vipField{name: name, wrong: func(p vipParam) string {
		if p.kind != wire.String {
			return "Not a valid string."
		}
		return ""
	}}
}

func scalarField(name string) vipField {
	return vipField{name: name, wrong: func(vipParam) string { return "" }}
}

func webField(name string) vipField {
	return vipField{name: name, wrong: func(p vipParam) string {
		if p.kind != wire.String || webAddress(p.text) == "" {
			return "Not a valid URL."
		}
		return ""
	}}
}

// wholeField is a whole number, not above most unless that is 0. In a body it has to
// be given as a number, and a query has only texts.
func wholeField(name string, kind wire.Kind, least, most int64) vipField {
	return vipField{name: name, wrong: func(p vipParam) string {
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

func oneOf(name string, values ...string) vipField {
	return vipField{name: name, wrong: func(p vipParam) string {
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
func (c *vipCall) read(w http.ResponseWriter, r *http.Request) *vipAnswer {
	c.params, c.text = url.Values{}, c.path
	params, flaw := readVIPParams(w, r)
	if flaw != "" {
		return badRequest([][2]string{{"_schema", flaw}})
	}
	slices.SortFunc(params, func(a, b vipParam) int { return strings.Compare(a.name, b.name) })
	byName := make(map[string]vipParam)
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
	if !hmac.Equal(sign, []byte(vipSign(VIPToken, c.text))) && !hmac.Equal(sign, []byte(vipSign(VIPToken, other))) {
		return problem(http.StatusUnauthorized, "The signature is missing or wrong.")
	}
	return nil
}

// badRequest is the documented answer to fields that are wrong: the text of a
// Python dict in HTML. The names are all the gateway's own.
func badRequest(wrong [][2]string) *vipAnswer {
	var fields []string
	for _, w := range wrong {
		fields = append(fields, pythonQuote(w[0])+": ["+pythonQuote(w[1])+"]")
	}
	return problem(http.StatusBadRequest, "BadRequest {"+strings.Join(fields, ", ")+"}")
}

// readVIPParams reads the parameters: of a GET, and of a DELETE without a body, in
// the query, of everything else in the JSON object that is the body.
func readVIPParams(w http.ResponseWriter, r *http.Request) (params []vipParam, flaw string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		return nil, "The body can't be read or is too long."
	}
	if r.Method == http.MethodGet || r.Method == http.MethodDelete && len(body) == 0 {
		return readVIPQuery(r.URL.RawQuery)
	}
	members, err := wire.ParseObject(body)
	if err != nil {
		return nil, "Invalid input type."
	}
	for _, m := range members {
		p := vipParam{name: string(m.Name), kind: m.Value.Kind, text: string(m.Value.Text())}
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

func readVIPQuery(query string) (params []vipParam, flaw string) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, "The query can't be read."
	}
	for name, all := range values {
		if len(all) != 1 || !utf8.ValidString(name) || !utf8.ValidString(all[0]) {
			return nil, "A parameter occurs twice or isn't UTF-8."
		}
		params = append(params, vipParam{name: name, text: all[0], signed: all[0]})
	}
	return params, ""
}

// vipSign is the signature of a text, by HMAC-SHA256.
func vipSign(token, text string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(text))
	return strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
}

// carryOutVIP does what a request asks for, unless it or a fault refuses, and makes
// the answer.
func (g *Gateway) carryOutVIP(c *vipCall, refused *vipAnswer) (fault Fault, status int, text []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fault = g.nextFault(c.op.name)
	a := refused
	var code ksher.Code
	switch {
	case refused != nil:
	case fault.prevents():
	case fault.Code != "":
		a = injectedRefusal(fault.Code)
	default:
		if mid := c.params.Get("mid"); mid != "" && mid != AppID {
			v := &vipReport{}
			v.outcome("UNKNOWN", "NOT allowed mid")
			a = &vipAnswer{body: v}
			break
		}
		a = c.op.serve(g, c)
		err := g.save(g.touched...)
		if g.touched = nil; err != nil {
			v := &vipReport{}
			v.outcome("FAIL", err.Error())
			a = &vipAnswer{body: v}
		}
	}
	if a != nil {
		code = a.code()
		if status = http.StatusOK; a.body == nil {
			status, text = a.status, g.vipProblem(a)
		} else {
			text = g.vipSigned(c.path, a.body, fault)
		}
	}
	g.logRequest(Request{At: g.now(), Operation: c.op.name, Params: c.params, Code: code, Fault: fault.Kind, SignText: c.text})
	return fault, status, text
}

// injectedRefusal is the answer under FaultRefuse.
func injectedRefusal(code ksher.Code) *vipAnswer {
	if status, err := strconv.Atoi(string(code)); err == nil && 400 <= status && status <= 599 {
		return problem(status, "The refusal was injected.")
	}
	v := &vipReport{}
	v.outcome(string(code), "The refusal was injected")
	return &vipAnswer{body: v}
}

// vipLogURL stands where Ksher has a link for its own people. Signatures leave it
// out.
func (g *Gateway) vipLogURL() string { return g.url + "/requests" }

func (g *Gateway) vipProblem(a *vipAnswer) []byte {
	return marshal(struct {
		Code        int    `json:"code"`
		Name        string `json:"name"`
		Description string `json:"description"`
		LogEntryURL string `json:"log_entry_url"`
	}{a.status, http.StatusText(a.status), "<p class='preserveHtml' class='preserveHtml'>" + a.problem + "</p>", g.vipLogURL()})
}

func (g *Gateway) writeVIP(w http.ResponseWriter, a *vipAnswer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	w.Write(g.vipProblem(a))
}

// vipSigned writes an answer with its time and its signature.
func (g *Gateway) vipSigned(path string, body any, fault Fault) []byte {
	at := g.now()
	if fault.Kind == FaultClockSkew {
		at = at.Add(fault.Delay)
	}
	object := func(before []byte, name, value string) []byte {
		before = append(bytes.TrimSuffix(before, []byte("}")), fmt.Sprintf(`,"%s":`, name)...)
		return append(append(before, marshal(value)...), '}')
	}
	text := object(marshal(body), "timestamp", strconv.FormatInt(at.Unix(), 10))
	members, err := wire.ParseObject(text)
	if err != nil {
		panic(err) // It was written above.
	}
	slices.SortFunc(members, func(a, b wire.Member) int { return bytes.Compare(a.Name, b.Name) })
	signed := path
	for _, m := range members {
		signed += string(m.Name)
		if m.Value.Kind == wire.String {
			signed += string(m.Value.Text())
		} else {
			signed += pythonText(m.Value.Raw)
		}
	}
	sign := vipSign(fault.vipToken(), signed)
	if fault.Kind == FaultBadSignature {
		sign = flip(sign[:1]) + sign[1:]
	}
	return object(object(text, "log_entry_url", g.vipLogURL()), "signature", sign)
}

// vipToken is what signs under the fault.
func (f Fault) vipToken() string {
	if f.Kind == FaultOtherKey {
		return otherVIPToken
	}
	return VIPToken
}

// pythonText is what Python's str makes of JSON that isn't a text, which is how an
// answer is signed.
func pythonText(raw []byte) string {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value func() string
	items := func(between string) string {
		var all []string
		for d.More() {
			item := value()
			if between != "" {
				item += between + value()
			}
			all = append(all, item)
		}
		d.Token()
		return strings.Join(all, ", ")
	}
	value = func() string {
		token, err := d.Token()
		if err != nil {
			panic(err) // It was accepted before.
		}
		switch token {
		case json.Delim('['):
			return "[" + items("") + "]"
		case json.Delim('{'):
			return "{" + items(": ") + "}"
		case true:
			return "True"
		case false:
			return "False"
		case nil:
			return "None"
		}
		if text, ok := token.(string); ok {
			return pythonQuote(text)
		}
		return fmt.Sprint(token)
	}
	return value()
}

// pythonQuote is what Python's repr makes of a text.
func pythonQuote(s string) string {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch i := strings.IndexRune("\n\r\t", r); {
		case i >= 0:
			b.WriteString(`\` + "nrt"[i:i+1])
		case r == quote || r == '\\':
			b.WriteString(`\` + string(r))
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// vipHint says what seems to be wrong with the signature of a request that was
// refused for it, by trying the usual mistakes.
func (g *Gateway) vipHint(r Request) string {
	sign := r.Params.Get("signature")
	if sign == "" {
		return "The request has no parameter signature."
	}
	var plain string
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(r.Params)) {
		if name != "signature" {
			plain += name + r.Params.Get(name)
			pairs = append(pairs, name+"="+r.Params.Get(name))
		}
	}
	path := strings.TrimSuffix(r.SignText, plain)
	for _, try := range []struct{ hint, text string }{
		{"The signature is right but in lower case. Ksher takes upper-case hex digits.", r.SignText},
		{"You signed the parameters without the path. The text begins with it.", plain},
		{"You signed the host, too. The text begins with the path.", g.url + r.SignText},
		{"You put = and & into the text. Nothing belongs between the names and the values.", path + strings.Join(pairs, "&")},
		{"You signed the text with a line feed at its end. Leave it out: printf %s instead of echo.", r.SignText + "\n"},
	} {
		if strings.EqualFold(sign, vipSign(VIPToken, try.text)) {
			return try.hint
		}
	}
	return "The signature is of another text or by another token. Compare the text that you signed with the one below, " +
		"byte by byte, and your token with the one on the set-up page."
}

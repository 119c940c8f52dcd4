package vipapi

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/wire"
)

// Token is the API token of the gateway's merchant at vip.ksher.net. It is
// public, and for tests only.
const Token = "kshertest-vip-token"

// otherToken signs where a fault wants another key.
const otherToken = "kshertest-other-vip-token"

// Serve adds the API to what the gateway serves.
func (s *Server) Serve(mux *http.ServeMux) {
	byPath := make(map[string]map[string]*operation)
	for _, op := range operations {
		if byPath[op.path] == nil {
			byPath[op.path] = make(map[string]*operation)
		}
		byPath[op.path][op.method] = op
	}
	for path, byMethod := range byPath {
		serve := func(w http.ResponseWriter, r *http.Request) {
			op := byMethod[r.Method]
			if op == nil {
				w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(byMethod)), ", "))
				s.write(w, problem(http.StatusMethodNotAllowed, "The method is not allowed here."))
				return
			}
			c := &call{op: op, path: r.URL.Path, id: r.PathValue("id"), lenient: s.gw.Leniency()}
			c.reply = s.gw.Reply(w, r, c.id)
			defer c.reply.End()
			refused := c.read(w, r)
			fault, status, answer := s.carryOut(r, c, refused)
			w.Header().Set("Content-Type", "application/json")
			if status != http.StatusOK && !fault.Prevents() {
				c.reply.WriteHeader(status)
			}
			fault.Spoil(c.reply, r, answer)
		}
		mux.HandleFunc(path, serve)
		if strings.HasSuffix(path, "/orders") {
			// Ksher's own JavaScript client has and signs a slash at the end.
			mux.HandleFunc(path+"/{$}", serve)
		}
	}
	mux.HandleFunc("/api/v1/", func(w http.ResponseWriter, _ *http.Request) {
		s.write(w, problem(http.StatusNotFound, "There is no such operation."))
	})
}

// answer is an answer: a body that is signed, or with an HTTP status other than
// 200 a problem in words.
type answer struct {
	status  int
	body    interface{ said() callOutcome }
	problem string
}

// callOutcome is how a request went.
type callOutcome struct {
	ErrorCode    wireText `json:"error_code"`
	ErrorMessage wireText `json:"error_message"`
}

func (o callOutcome) said() callOutcome { return o }

// outcome sets it. Without words the code stands for them.
func (o *callOutcome) outcome(code, message string) {
	if message == "" {
		message = code
	}
	o.ErrorCode, o.ErrorMessage = wireText(code), wireText(message)
}

func problem(status int, text string) *answer { return &answer{status: status, problem: text} }

// code is why a request was refused, "" if it wasn't.
func (a *answer) code() ksher.Code {
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

// macOf is the signature of a text, by HMAC-SHA256.
func macOf(token, text string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(text))
	return strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
}

// carryOut does what a request asks for, unless it or a fault refuses, and makes
// the answer.
func (s *Server) carryOut(r *http.Request, c *call, refused *answer) (fault core.Fault, status int, text []byte) {
	s.gw.DoFor(r, func(tx *core.Tx) {
		c.tx = tx
		a := refused
		if a == nil { // Nobody else's request is to use a fault up.
			fault = tx.NextFault(c.op.name, "", nil)
		}
		if a == nil && !fault.Prevents() {
			a = s.decide(c, fault)
		}
		var code ksher.Code
		if a != nil {
			code = a.code()
			if status = http.StatusOK; a.body == nil {
				status, text = a.status, s.problem(a)
			} else {
				text = s.signed(c, a.body, fault)
			}
		}
		seen := core.Request{Operation: c.op.name, Params: c.params, Code: code, Hint: c.hint, Fault: fault.Kind, SignText: c.text}
		if refused == nil {
			seen.Notes = c.lenient.Notes()
		}
		tx.Log(seen, c.reply)
	})
	return fault, status, text
}

// decide carries a request out or refuses it.
func (s *Server) decide(c *call, fault core.Fault) *answer {
	if fault.Code != "" {
		return injectedRefusal(fault.Code)
	}
	if !c.midAllowed() {
		v := &reportAnswer{}
		v.outcome("UNKNOWN", "NOT allowed mid")
		return &answer{body: v}
	}
	a := c.op.serve(s, c)
	if err := c.tx.Save(); err != nil {
		v := &reportAnswer{}
		v.outcome("FAIL", err.Error())
		a = &answer{body: v}
	}
	return a
}

// midAllowed tells whether the request is for the gateway's merchant.
func (c *call) midAllowed() bool {
	switch mid := c.params.Get("mid"); mid {
	case "", core.AppID:
		return true
	case strings.TrimPrefix(core.AppID, "mch"):
		return c.lenient.Accepts("a mid without mch", "it with mch, as in "+core.AppID)
	}
	return false
}

// injectedRefusal is the answer under FaultRefuse, whose code is an error_code here, or an
// HTTP status from "400" on.
func injectedRefusal(code ksher.Code) *answer {
	if status, err := strconv.Atoi(string(code)); err == nil && 400 <= status && status <= 599 {
		return problem(status, "The refusal was injected.")
	}
	v := &reportAnswer{}
	v.outcome(string(code), "The refusal was injected")
	return &answer{body: v}
}

// logURL stands where Ksher has a link for its own people: in problems. Signed answers
// don't have it, or Ksher's Java client, which signs every member, couldn't verify them.
func (s *Server) logURL() string { return s.gw.PublicURL() + "/requests" }

func (s *Server) problem(a *answer) []byte {
	return core.Marshal(struct {
		Code        int    `json:"code"`
		Name        string `json:"name"`
		Description string `json:"description"`
		LogEntryURL string `json:"log_entry_url"`
	}{a.status, http.StatusText(a.status), "<p class='preserveHtml' class='preserveHtml'>" + a.problem + "</p>", s.logURL()})
}

func (s *Server) write(w http.ResponseWriter, a *answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	w.Write(s.problem(a))
}

// signed writes an answer with the time of the request and its signature.
func (s *Server) signed(c *call, body any, fault core.Fault) []byte {
	at := c.params.Get("timestamp")
	if seconds, err := strconv.ParseInt(at, 10, 64); err == nil && fault.Kind == core.FaultClockSkew {
		at = strconv.FormatInt(seconds+int64(fault.Delay/time.Second), 10)
	}
	object := func(before []byte, name, value string) []byte {
		before = append(bytes.TrimSuffix(before, []byte("}")), fmt.Sprintf(`,"%s":`, name)...)
		return append(append(before, core.Marshal(value)...), '}')
	}
	text := object(core.Marshal(body), "timestamp", at)
	members, err := wire.ParseObject(text)
	if err != nil {
		panic(err) // It was written above.
	}
	slices.SortFunc(members, func(a, b wire.Member) int { return bytes.Compare(a.Name, b.Name) })
	signed := c.path
	for _, m := range members {
		signed += string(m.Name)
		if m.Value.Kind == wire.String {
			signed += string(m.Value.Text())
		} else {
			signed += pythonText(m.Value.Raw)
		}
	}
	sign := macOf(tokenUnder(fault), signed)
	if fault.Kind == core.FaultBadSignature {
		sign = core.OtherDigit(sign[:1]) + sign[1:]
	}
	return object(text, "signature", sign)
}

// tokenUnder is what signs under the fault.
func tokenUnder(f core.Fault) string {
	if f.Kind == core.FaultOtherKey {
		return otherToken
	}
	return Token
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

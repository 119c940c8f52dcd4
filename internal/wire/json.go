// Package wire reads and writes the two texts that Ksher and a merchant sign:
// the members of a JSON object and the parameters of a form.
//
// The signature of a response covers text that is derived from JSON, so a
// parser that reads a document differently from the one that made the signed
// text is a forgery waiting to happen. That is why one parser serves both
// purposes here: [ParseObject] yields the members, [AppendSignText] makes the
// signed text of them, and [Decode] fills a struct from the very same members.
package wire

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits on what is parsed, far above the largest genuine answer known
// (merchant_info: 40 members, a depth of 3). They keep a small body from
// becoming a large structure.
const (
	maxDepth = 32
	maxItems = 10_000
)

// mark is the byte order mark in UTF-8, which some programs write before a text.
const mark = "\ufeff"

// Trim takes white space off a text, and a byte order mark before it.
func Trim(text []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(text), []byte(mark)))
}

// ErrTruncated marks a text that ends before its JSON does.
var ErrTruncated = errors.New("the JSON ends too early")

// Kind tells what a JSON value is.
type Kind uint8

// The kinds of a JSON value.
const (
	String Kind = iota
	Number
	Bool
	Null
	Array
	Object
)

// String names the kind for error messages.
func (k Kind) String() string {
	return [...]string{"a string", "a number", "a boolean", "null", "an array", "an object"}[k]
}

// Value is one JSON value: its kind and its text as it was written, quotes
// included.
type Value struct {
	Raw  []byte
	Kind Kind
	// plain says that a string has no escapes, so that its text is Raw
	// without the quotes.
	plain bool
}

// Member is one member of a JSON object. Its name is decoded.
type Member struct {
	Name  []byte
	Value Value
}

// Text gives the text of a value as it is signed and decoded: a string with
// its escapes undone, anything else as written.
func (v Value) Text() []byte {
	if v.Kind != String {
		return v.Raw
	}
	inner := v.Raw[1 : len(v.Raw)-1]
	if v.plain {
		return inner
	}
	return appendUnescaped(make([]byte, 0, len(inner)), inner)
}

// Find returns the value of the member of that name.
func Find(members []Member, name string) (Value, bool) {
	for i := range members {
		if string(members[i].Name) == name {
			return members[i].Value, true
		}
	}
	return Value{}, false
}

// ParseObject reads one JSON object, strictly as RFC 8259 has it, and returns
// its members in the order in which they are signed. It refuses what two
// readers could understand in two ways: invalid UTF-8, half a surrogate pair, a
// name that occurs twice (also when only the case differs), and at the top
// level a name that is empty or has an equals sign in it, which would make the
// signed text ambiguous. A byte order mark before the object is passed over. The
// members share memory with data.
func ParseObject(data []byte) ([]Member, error) {
	// Small enough to be inlined, so that the members of an ordinary answer can
	// live on the caller's stack.
	members, _, err := parseObject(make([]Member, 0, 24), nil, data)
	return members, err
}

// ParseEnvelope is ParseObject for an object whose member data is what matters:
// if that is an object, it is read just as strictly, and inner are its members.
func ParseEnvelope(data []byte) (outer, inner []Member, err error) {
	return parseObject(make([]Member, 0, 24), make([]Member, 0, 24), data)
}

func parseObject(dst, inner []Member, data []byte) ([]Member, []Member, error) {
	data = bytes.TrimPrefix(data, []byte(mark))
	p := parser{data: data}
	p.space()
	if p.pos >= len(data) {
		return nil, nil, ErrTruncated
	}
	if data[p.pos] != '{' {
		return nil, nil, errors.New("it is not a JSON object")
	}
	dst, inner, err := p.object(dst, inner, 1)
	if err != nil {
		return nil, nil, err
	}
	p.space()
	if p.pos < len(data) {
		return nil, nil, p.unexpected("after the JSON object")
	}
	if err := cmp.Or(checkNames(dst), checkNames(inner)); err != nil {
		return nil, nil, err
	}
	return dst, inner, nil
}

// checkNames refuses names that would make the signed text ambiguous.
func checkNames(members []Member) error {
	for i := range members {
		if name := members[i].Name; len(name) == 0 || bytes.IndexByte(name, '=') >= 0 {
			return fmt.Errorf("the member name %q is not one that can be signed", clip(name))
		}
	}
	return nil
}

// Elements returns the elements of a JSON array that ParseObject has accepted.
func (v Value) Elements() ([]Value, error) {
	if v.Kind != Array {
		return nil, fmt.Errorf("it is %v, not an array", v.Kind)
	}
	p := parser{data: v.Raw}
	var elements []Value
	err := p.array(1, &elements)
	return elements, err
}

type parser struct {
	data []byte
	pos  int
}

func (p *parser) space() {
	for p.pos < len(p.data) && isSpace(p.data[p.pos]) {
		p.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// at tells whether the next byte is c, and passes it by if so.
func (p *parser) at(c byte) bool {
	if p.pos < len(p.data) && p.data[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) unexpected(where string) error {
	if p.pos >= len(p.data) {
		return ErrTruncated
	}
	return fmt.Errorf("unexpected %q at byte %d, %s", p.data[p.pos], p.pos, where)
}

var errTooMany = fmt.Errorf("an array or object has more than %d items", maxItems)

// object appends the members of the object at pos to dst and sorts them, and
// those of its member data to inner, unless that is nil.
func (p *parser) object(dst, inner []Member, depth int) ([]Member, []Member, error) {
	p.pos++
	p.space()
	if p.at('}') {
		return dst, inner, nil
	}
	for len(dst) < maxItems {
		p.space()
		if p.pos >= len(p.data) || p.data[p.pos] != '"' {
			return nil, nil, p.unexpected("where a member name belongs")
		}
		quoted, err := p.string()
		if err != nil {
			return nil, nil, err
		}
		name := quoted.Text()
		p.space()
		if !p.at(':') {
			return nil, nil, p.unexpected("where a colon belongs")
		}
		p.space()
		var v Value
		if start := p.pos; inner != nil && string(name) == "data" && start < len(p.data) && p.data[start] == '{' {
			inner, _, err = p.object(inner, nil, depth+1)
			v = Value{Kind: Object, Raw: p.data[start:p.pos]}
		} else {
			v, err = p.value(depth)
		}
		if err != nil {
			return nil, nil, err
		}
		dst = append(dst, Member{Name: name, Value: v})
		p.space()
		if p.at('}') {
			return dst, inner, sortMembers(dst)
		}
		if !p.at(',') {
			return nil, nil, p.unexpected("where a comma or a closing brace belongs")
		}
	}
	return nil, nil, errTooMany
}

// array reads the array at pos and keeps its elements if asked to.
func (p *parser) array(depth int, keep *[]Value) error {
	p.pos++
	p.space()
	if p.at(']') {
		return nil
	}
	for range maxItems {
		p.space()
		v, err := p.value(depth)
		if err != nil {
			return err
		}
		if keep != nil {
			*keep = append(*keep, v)
		}
		p.space()
		if p.at(']') {
			return nil
		}
		if !p.at(',') {
			return p.unexpected("where a comma or a closing bracket belongs")
		}
	}
	return errTooMany
}

// sortMembers puts members in the order in which they are signed, and refuses a
// name that occurs twice. Names that differ only in case count as the same: a
// merchant who reads the raw data with encoding/json, which ignores case, would
// see one of the two at random.
func sortMembers(members []Member) error {
	byName := func(a, b Member) int { return compareNames(a.Name, b.Name) }
	// Genuine answers come sorted, or nearly so.
	if !slices.IsSortedFunc(members, byName) {
		slices.SortFunc(members, byName)
	}
	for i := range members {
		name := members[i].Name
		if i > 0 && bytes.Equal(members[i-1].Name, name) {
			return duplicate(name)
		}
		// WeChat's appId may stand beside Ksher's appid.
		if len(members) > 64 || !hasCapital(name) || string(name) == "appId" {
			continue
		}
		for j := range members {
			if i != j && bytes.EqualFold(members[j].Name, name) {
				return duplicate(name)
			}
		}
	}
	if len(members) <= 64 {
		return nil
	}
	seen := make(map[string]struct{}, len(members))
	for i := range members {
		// Both ways, because a few letters have a capital without being its
		// small letter, such as the long s.
		seen[strings.ToLower(strings.ToUpper(string(members[i].Name)))] = struct{}{}
		if len(seen) <= i {
			return duplicate(members[i].Name)
		}
	}
	return nil
}

// hasCapital tells whether a name may equal another but for its case, seen from
// the one of the two that isn't in small ASCII letters.
func hasCapital(name []byte) bool {
	for _, c := range name {
		if c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return true
		}
	}
	return false
}

func duplicate(name []byte) error {
	return fmt.Errorf("the member %q occurs twice", clip(name))
}

func (p *parser) value(depth int) (Value, error) {
	if p.pos >= len(p.data) {
		return Value{}, ErrTruncated
	}
	start := p.pos
	kind := Number
	var err error
	switch c := p.data[p.pos]; {
	case c == '"':
		return p.string()
	case c == '{' || c == '[':
		if depth >= maxDepth {
			return Value{}, fmt.Errorf("it is nested more than %d deep", maxDepth)
		}
		if c == '{' {
			kind = Object
			_, _, err = p.object(nil, nil, depth+1)
		} else {
			kind = Array
			err = p.array(depth+1, nil)
		}
	case c == 't':
		kind, err = Bool, p.word("true")
	case c == 'f':
		kind, err = Bool, p.word("false")
	case c == 'n':
		kind, err = Null, p.word("null")
	default:
		err = p.number()
	}
	return Value{Kind: kind, Raw: p.data[start:p.pos]}, err
}

func (p *parser) word(w string) error {
	for i := range len(w) {
		if p.pos >= len(p.data) || p.data[p.pos] != w[i] {
			return p.unexpected("in a literal")
		}
		p.pos++
	}
	return nil
}

func (p *parser) digits() error {
	start := p.pos
	for p.pos < len(p.data) && '0' <= p.data[p.pos] && p.data[p.pos] <= '9' {
		p.pos++
	}
	if p.pos == start {
		return p.unexpected("where a value or a digit belongs")
	}
	return nil
}

func (p *parser) accept(chars string) bool {
	if p.pos < len(p.data) && strings.IndexByte(chars, p.data[p.pos]) >= 0 {
		p.pos++
		return true
	}
	return false
}

func (p *parser) number() error {
	p.accept("-")
	if !p.accept("0") {
		if err := p.digits(); err != nil {
			return err
		}
	}
	if p.accept(".") {
		if err := p.digits(); err != nil {
			return err
		}
	}
	if p.accept("eE") {
		p.accept("+-")
		return p.digits()
	}
	return nil
}

// string reads the string that opens at pos. It looks at eight bytes at a time
// for anything that isn't ordinary ASCII, because images come as strings of
// ten thousand bytes and verifying must not cost more than the RSA in it.
func (p *parser) string() (Value, error) {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	data, start := p.data, p.pos
	i := start + 1
	plain, ascii := true, true
	for {
		for i+8 <= len(data) {
			w := binary.LittleEndian.Uint64(data[i:])
			quote, slash := w^('"'*ones), w^('\\'*ones)
			// The lowest bit that is set belongs to the first such byte. A borrow
			// can set bits above it, never below.
			special := (w | (w - 0x20*ones) | (quote - ones) | (slash - ones)) & highs
			if special != 0 {
				i += bits.TrailingZeros64(special) / 8
				break
			}
			i += 8
		}
		if i >= len(data) {
			return Value{}, ErrTruncated
		}
		switch c := data[i]; {
		case c == '"':
			raw := data[start : i+1]
			if !ascii && !utf8.Valid(raw) {
				return Value{}, fmt.Errorf("the string at byte %d is not UTF-8", start)
			}
			p.pos = i + 1
			return Value{Kind: String, Raw: raw, plain: plain}, nil
		case c == '\\':
			plain = false
			n, err := escape(data[i:])
			if err != nil {
				return Value{}, err
			}
			i += n
		case c < 0x20:
			p.pos = i
			return Value{}, p.unexpected("in a string")
		default:
			ascii = ascii && c < utf8.RuneSelf
			i++
		}
	}
}

// escape returns the length of the escape sequence that s begins with.
func escape(s []byte) (int, error) {
	if len(s) < 2 {
		return 0, ErrTruncated
	}
	if s[1] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, s[1]) < 0 {
			return 0, fmt.Errorf("there is no escape %q", s[:2])
		}
		return 2, nil
	}
	r, err := hex4(s)
	if err != nil || !utf16.IsSurrogate(r) {
		return 6, err
	}
	low, err := hex4(s[6:])
	if err != nil {
		return 0, err
	}
	if utf16.DecodeRune(r, low) == utf8.RuneError {
		return 0, errors.New("half a surrogate pair in a string")
	}
	return 12, nil
}

// hex4 reads \uXXXX.
func hex4(s []byte) (rune, error) {
	if n := min(len(s), 2); string(s[:n]) != `\u`[:n] {
		return 0, errors.New("half a surrogate pair in a string")
	}
	digits := string(s[min(len(s), 2):min(len(s), 6)])
	if strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return 0, fmt.Errorf("%q is not four hexadecimal digits", digits)
	}
	if len(digits) < 4 {
		return 0, ErrTruncated
	}
	r, err := strconv.ParseUint(digits, 16, 16)
	return rune(r), err
}

// appendUnescaped undoes the escapes of a string that the parser has accepted.
func appendUnescaped(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...)
		}
		dst, s = append(dst, s[:i]...), s[i:]
		n, _ := escape(s)
		switch {
		case n == 2:
			c := s[1]
			if j := strings.IndexByte("bfnrt", c); j >= 0 {
				c = "\b\f\n\r\t"[j]
			}
			dst = append(dst, c)
		default:
			r, _ := hex4(s)
			if n == 12 {
				low, _ := hex4(s[6:])
				r = utf16.DecodeRune(r, low)
			}
			dst = utf8.AppendRune(dst, r)
		}
		s = s[n:]
	}
}

// AppendSignText appends the text that Ksher signs for an object: every member
// but sign as name=value, sorted bytewise, with nothing between. If only is
// not nil, just the members it names count. The members are in the order that
// ParseObject gave them.
//
// Ksher's own clients disagree about a boolean or null: some sign true and
// null, others True and None. The second spelling is used if titled is set.
// What is inside an array or object is always spelled as in JSON.
func AppendSignText(dst []byte, members []Member, only []string, titled bool) []byte {
	for i := range members {
		m := &members[i]
		if string(m.Name) == "sign" || only != nil && !slices.Contains(only, string(m.Name)) {
			continue
		}
		dst = append(append(dst, m.Name...), '=')
		switch m.Value.Kind {
		case Bool, Null:
			dst = append(dst, spelling(m.Value.Raw[0], titled)...)
		case Array, Object:
			p := parser{data: m.Value.Raw}
			// Into a buffer of its own: a recursive function would force dst to
			// the heap, also for the flat data of nearly every answer.
			dst = append(dst, p.appendCompact(nil)...)
		case String, Number:
			dst = append(dst, m.Value.Text()...)
		}
	}
	return dst
}

// compareNames orders a= and b=. At the top level, where no name has an equals
// sign in it, that is the order of the whole name=value texts. Below it any name
// may come, and two different ones must not pass for the same.
func compareNames[T string | []byte](a, b T) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return int(a[i]) - int(b[i])
		}
	}
	next := func(name T) int {
		if len(name) == n {
			return '='
		}
		return int(name[n])
	}
	return cmp.Or(next(a)-next(b), len(a)-len(b))
}

// HasLiteral tells whether the spelling of booleans and nulls matters for the
// text that is signed.
func HasLiteral(members []Member) bool {
	return slices.ContainsFunc(members, func(m Member) bool {
		return m.Value.Kind == Bool || m.Value.Kind == Null
	})
}

func spelling(first byte, titled bool) string {
	switch {
	case first == 't' && titled:
		return "True"
	case first == 't':
		return "true"
	case first == 'f' && titled:
		return "False"
	case first == 'f':
		return "false"
	case titled:
		return "None"
	}
	return "null"
}

// appendCompact appends the value at pos, which the parser has accepted
// before, without white space, with sorted names and only the escapes that
// JSON demands. It goes over the text once, however deep it is nested: anybody
// can send a notification, and this comes before its signature is checked.
func (p *parser) appendCompact(dst []byte) []byte {
	switch p.data[p.pos] {
	case '[':
		p.pos++
		dst = append(dst, '[')
		for p.space(); !p.at(']'); p.space() {
			if p.at(',') {
				dst = append(dst, ',')
				p.space()
			}
			dst = p.appendCompact(dst)
		}
		return append(dst, ']')
	case '{':
		return p.appendCompactObject(dst)
	}
	v, _ := p.value(1)
	if v.Kind == String {
		return appendQuoted(dst, v.Text())
	}
	return append(dst, v.Raw...)
}

func (p *parser) appendCompactObject(dst []byte) []byte {
	type member struct {
		name     []byte
		from, to int
	}
	var members []member
	var values []byte
	p.pos++
	for p.space(); !p.at('}'); p.space() {
		p.at(',')
		p.space()
		name, _ := p.string()
		p.space()
		p.at(':')
		p.space()
		from := len(values)
		values = p.appendCompact(values)
		members = append(members, member{name.Text(), from, len(values)})
	}
	slices.SortFunc(members, func(a, b member) int { return bytes.Compare(a.name, b.name) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendQuoted(dst, m.name), ':')
		dst = append(dst, values[m.from:m.to]...)
	}
	return append(dst, '}')
}

func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= 0x20:
			dst = append(dst, c)
		default:
			if i := strings.IndexByte("\b\f\n\r\t", c); i >= 0 {
				dst = append(dst, '\\', "bfnrt"[i])
			} else {
				dst = fmt.Appendf(dst, `\u%04x`, c)
			}
		}
	}
	return append(dst, '"')
}

// clip keeps what comes from outside from flooding an error message.
func clip(s []byte) []byte {
	return s[:min(len(s), 40)]
}

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
	"iter"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits on what is parsed, far above the largest genuine answer known
// (merchant_info: 40 members, a depth of 3). They keep a small body from
// becoming a large structure.
const (
	maxDepth   = 32
	maxItems   = 10_000 // Of an array.
	maxMembers = 1_000  // Of an object: they are sorted.
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

// Find returns the value of the member of that name. The members are in the order
// that ParseObject gave them.
func Find(members []Member, name string) (Value, bool) {
	// The names of a large object aren't gone through for each that is looked for.
	i, found := slices.BinarySearchFunc(members, name, func(m Member, name string) int { return compareNames(m.Name, []byte(name)) })
	if !found {
		return Value{}, false
	}
	return members[i].Value, true
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
	p := parser{data: v.Raw, accepted: true}
	var elements []Value
	err := p.array(1, &elements)
	return elements, err
}

// Tokens yields what a value that ParseObject has accepted is made of, in order: its
// brackets, commas and colons, each by the kind of what it is in, and texts, numbers
// and words.
func (v Value) Tokens() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		p := parser{data: v.Raw}
		var in []Kind
		for p.space(); p.pos < len(p.data); p.space() {
			token := Value{Raw: p.data[p.pos : p.pos+1]}
			switch c := p.data[p.pos]; c {
			case '[':
				in = append(in, Array)
			case '{':
				in = append(in, Object)
			case ']', '}', ',', ':':
			default:
				token, _ = p.value(1)
				if !yield(token) {
					return
				}
				continue
			}
			p.pos++
			token.Kind = in[len(in)-1]
			if c := token.Raw[0]; c == ']' || c == '}' {
				in = in[:len(in)-1]
			}
			if !yield(token) {
				return
			}
		}
	}
}

type parser struct {
	data []byte
	pos  int
	// accepted says that the text was checked before.
	accepted bool
	// fields has the names of the members to keep, nil for all.
	fields map[string]field
	// names has those of the objects that the parser is in, as far as they are read
	// and no members are kept.
	names [][]byte
	// open has the members of the objects that appendCompact is in, and scratch the
	// text of one of them.
	open    []compactMember
	scratch []byte
	orders  []order
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

var errTooMany = fmt.Errorf("an array has more than %d items, or an object more than %d", maxItems, maxMembers)

// object appends the members of the object at pos to dst and sorts them, and
// those of its member data to inner, unless these are nil.
func (p *parser) object(dst, inner []Member, depth int) ([]Member, []Member, error) {
	p.pos++
	p.space()
	if p.at('}') {
		return dst, inner, nil
	}
	first := len(p.names)
	for range maxMembers {
		name, err := p.name(dst != nil || !p.accepted)
		if err != nil {
			return nil, nil, err
		}
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
		if dst != nil && p.wants(name) {
			if len(dst) == cap(dst) && len(dst) > 0 {
				// As many as there will be if the others are like these.
				dst = slices.Grow(dst, min(maxMembers, 1+len(dst)*(len(p.data)-p.pos)/p.pos))
			}
			dst = append(dst, Member{Name: name, Value: v})
		}
		if dst == nil && !p.accepted {
			p.names = append(p.names, name)
		}
		p.space()
		if p.at('}') {
			names := p.names[first:]
			p.names = p.names[:first]
			if dst == nil || p.accepted {
				return dst, inner, checkTwice(names)
			}
			p.sortMembers(dst)
			return dst, inner, checkMembers(dst)
		}
		if !p.at(',') {
			return nil, nil, p.unexpected("where a comma or a closing brace belongs")
		}
	}
	return nil, nil, errTooMany
}

// name reads the name of a member up to its value. It is nil unless it is needed.
func (p *parser) name(needed bool) ([]byte, error) {
	p.space()
	if p.pos >= len(p.data) || p.data[p.pos] != '"' {
		return nil, p.unexpected("where a member name belongs")
	}
	quoted, err := p.string()
	if err != nil {
		return nil, err
	}
	p.space()
	if !p.at(':') {
		return nil, p.unexpected("where a colon belongs")
	}
	p.space()
	if !needed {
		return nil, nil
	}
	return quoted.Text(), nil
}

func (p *parser) wants(name []byte) bool {
	_, ok := p.fields[string(name)]
	return ok || p.fields == nil
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

// sortMembers puts members in the order in which they are signed.
func (p *parser) sortMembers(members []Member) {
	byName := func(a, b Member) int { return compareNames(a.Name, b.Name) }
	switch {
	case slices.IsSortedFunc(members, byName): // As genuine answers are, or nearly so.
	case len(members) <= 64:
		slices.SortFunc(members, byName)
	default:
		before := slices.Clone(members)
		for i, o := range p.sorted(len(members), '=', func(i int) []byte { return before[i].Name }, compareNames) {
			members[i] = before[o.index]
		}
	}
}

// order is a member by its index, with the first eight bytes of its name, which
// mostly tell two apart.
type order struct {
	prefix uint64
	index  int
}

// sorted returns the order of n names by compare, in which the end of a name
// counts like that byte.
func (p *parser) sorted(n int, end byte, name func(int) []byte, compare func(a, b []byte) int) []order {
	p.orders = slices.Grow(p.orders[:0], n)
	for i := range n {
		var prefix [8]byte
		if length := copy(prefix[:], name(i)); length < len(prefix) {
			prefix[length] = end
		}
		p.orders = append(p.orders, order{binary.BigEndian.Uint64(prefix[:]), i})
	}
	slices.SortFunc(p.orders, func(a, b order) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return compare(name(a.index), name(b.index))
	})
	return p.orders
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

func (p *parser) accept(a, b byte) bool {
	if p.pos < len(p.data) && (p.data[p.pos] == a || p.data[p.pos] == b) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) number() error {
	p.at('-')
	if !p.at('0') {
		if err := p.digits(); err != nil {
			return err
		}
	}
	if p.at('.') {
		if err := p.digits(); err != nil {
			return err
		}
	}
	if p.accept('e', 'E') {
		p.accept('+', '-')
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
	digits := s[min(len(s), 2):min(len(s), 6)]
	var r rune
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, fmt.Errorf("%q is not four hexadecimal digits", digits)
		}
	}
	if len(digits) < 4 {
		return 0, ErrTruncated
	}
	return r, nil
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
	p := parser{accepted: true}
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
			p.data, p.pos = m.Value.Raw, 0
			// Into a buffer of its own: a recursive function would force dst to
			// the heap, also for the flat data of nearly every answer.
			dst = append(dst, p.appendCompact(make([]byte, 0, len(m.Value.Raw)))...)
		case String, Number:
			dst = append(dst, m.Value.Text()...)
		}
	}
	return dst
}

// compareNames orders a= and b=. At the top level, where no name has an equals
// sign in it, that is the order of the whole name=value texts. Below it any name
// may come, and two different ones must not pass for the same.
func compareNames(a, b []byte) int {
	n := min(len(a), len(b))
	if order := bytes.Compare(a[:n], b[:n]); order != 0 {
		return order
	}
	next := func(name []byte) int {
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

// compactMember is a member of an object that appendCompact writes: its name, and
// where its text is.
type compactMember struct {
	name     []byte
	from, to int
}

func (p *parser) appendCompactObject(dst []byte) []byte {
	first, start := len(p.open), len(dst)+1
	dst = append(dst, '{')
	p.pos++
	for p.space(); !p.at('}'); p.space() {
		if p.at(',') {
			dst = append(dst, ',')
		}
		p.space()
		quoted, _ := p.string()
		name := quoted.Text()
		p.space()
		p.at(':')
		p.space()
		from := len(dst)
		dst = append(appendQuoted(dst, name), ':')
		dst = p.appendCompact(dst)
		p.open = append(p.open, compactMember{name, from, len(dst)})
	}
	members := p.open[first:]
	p.open = p.open[:first]
	if slices.IsSortedFunc(members, func(a, b compactMember) int { return bytes.Compare(a.name, b.name) }) {
		return append(dst, '}')
	}
	p.scratch = append(p.scratch[:0], dst[start:]...)
	dst = dst[:start]
	for i, o := range p.sorted(len(members), 0, func(i int) []byte { return members[i].name }, bytes.Compare) {
		if i > 0 {
			dst = append(dst, ',')
		}
		m := members[o.index]
		dst = append(dst, p.scratch[m.from-start:m.to-start]...)
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

package vip

import (
	"errors"
	"html"
	"regexp"
	"strconv"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// Bounds of what is read from the description of an HTTP 400.
const (
	maxDescription = 16 << 10
	maxFieldErrors = 50
	maxValues      = 200
	maxNesting     = 8
)

// cutJSON is how JSON begins, and no HTML.
var cutJSON = regexp.MustCompile(`^\s*\{\s*"`)

// tag leaves what only looks like one, as in "< 5 and > 3".
var tag = regexp.MustCompile(`</?[A-Za-z][^<>]*>`)

// description takes the body of an HTTP 400 apart, whose members are nil if it isn't
// a JSON object. It is JSON with a description in
// HTML, and in that is the text of a Python dict:
//
//	<p class='preserveHtml'>BadRequest {'redirect_url': ['Not a valid URL.']}</p>
//
// The HTML may also come by itself. What isn't of this form comes back as the message
// alone.
func description(body []byte, members []wire.Member, hide transport.Hide) (message string, fields []ksher.FieldError) {
	said := string(body)
	if members != nil {
		if said = textOf(members, "description"); said == "" {
			return hide.Quote([]byte(textOf(members, "name"))), nil
		}
	} else if cutJSON.Match(body) {
		return hide.Quote(body), nil // JSON that is cut, for example, whose names aren't fields.
	}
	said = said[:min(len(said), maxDescription)]
	// Before the entities are undone, because what they hide may look like a tag.
	said = strings.TrimSpace(html.UnescapeString(tag.ReplaceAllString(said, "")))
	start := strings.IndexByte(said, '{')
	if start >= 0 {
		p := pythonParser{rest: said[start:], hide: hide}
		p.value("", 0) // What comes before an error is worth having.
		fields = p.fields
	}
	return hide.Quote([]byte(said)), fields
}

// textOf is the text of a string member, "" for any other.
func textOf(members []wire.Member, name string) string {
	v, ok := wire.Find(members, name)
	if !ok || v.Kind != wire.String {
		return ""
	}
	return string(v.Text())
}

var errNotPython = errors.New("it is not a Python literal")

// pythonParser reads a Python literal of dicts, lists, tuples and texts, and keeps
// every text with the keys that lead to it.
type pythonParser struct {
	rest   string
	values int
	fields []ksher.FieldError
	hide   transport.Hide
}

func (p *pythonParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *pythonParser) at(prefix string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, prefix)
	p.rest = rest
	return ok
}

// value reads a value that is found under that key.
func (p *pythonParser) value(key string, depth int) error {
	// Also of those without a text, because each has all the keys that lead to it.
	if p.values++; depth > maxNesting || len(p.fields) >= maxFieldErrors || p.values > maxValues {
		return errNotPython
	}
	switch {
	case p.at("{"):
		return p.items("}", depth, func() error {
			name, err := p.scalar()
			if err != nil || !p.at(":") {
				return errNotPython
			}
			if key != "" {
				name = key + "." + name
			}
			return p.value(name, depth+1)
		})
	case p.at("["):
		return p.items("]", depth, func() error { return p.value(key, depth+1) })
	case p.at("("):
		return p.items(")", depth, func() error { return p.value(key, depth+1) })
	}
	text, err := p.scalar()
	if err == nil {
		p.fields = append(p.fields, ksher.FieldError{
			Field: p.hide.Quote([]byte(key)), Problem: p.hide.Quote([]byte(text)),
		})
	}
	return err
}

// items reads items with commas between them, up to the end.
func (p *pythonParser) items(end string, depth int, item func() error) error {
	for !p.at(end) {
		if err := item(); err != nil {
			return err
		}
		if !p.at(",") && !strings.HasPrefix(p.rest, end) {
			return errNotPython
		}
	}
	return nil
}

// scalar reads a text, which in Python 2 may have a u before it, or a word such as 0 or
// None as it is written.
func (p *pythonParser) scalar() (string, error) {
	p.space()
	if strings.HasPrefix(p.rest, "u'") || strings.HasPrefix(p.rest, `u"`) {
		p.rest = p.rest[1:]
	}
	if p.rest == "" {
		return "", errNotPython
	}
	quote := p.rest[0]
	if quote != '\'' && quote != '"' {
		end := strings.IndexAny(p.rest, " \t\r\n,:{}[]()'\"")
		if end <= 0 {
			return "", errNotPython
		}
		word := p.rest[:end]
		p.rest = p.rest[end:]
		return word, nil
	}
	var text strings.Builder
	for rest := p.rest[1:]; rest != ""; {
		if rest[0] == quote {
			p.rest = rest[1:]
			return text.String(), nil
		}
		if strings.HasPrefix(rest, `\'`) || strings.HasPrefix(rest, `\"`) {
			// Go allows only the escape of its own quote.
			text.WriteByte(rest[1])
			rest = rest[2:]
			continue
		}
		r, _, tail, err := strconv.UnquoteChar(rest, 0)
		if err != nil {
			return "", errNotPython
		}
		text.WriteRune(r)
		rest = tail
	}
	return "", errNotPython
}

package vip

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"unicode"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// signatureName is the parameter or member that has the signature.
const signatureName = "signature"

// macFunc makes the MAC of a text. It is a function, so that nothing but it holds
// the token: fmt prints whatever it finds in a struct's unexported fields.
type macFunc func(text []byte) []byte

func newMAC(token string) macFunc {
	key := []byte(token)
	return func(text []byte) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write(text)
		return mac.Sum(nil)
	}
}

func newHide(token string) transport.Hide { return strings.NewReplacer(token, "[token]").Replace }

// usable tells whether the token can be used at all: in Go's FIPS 140-only mode a key
// of less than 112 bits is a panic.
func (m macFunc) usable() (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the token is too short for Go's FIPS 140-only mode")
		}
	}()
	m(nil)
	return nil
}

// sign returns the parameters in order, with their signature.
func (m macFunc) sign(prefix string, params []wire.Param) []wire.Param {
	sum := m(paramsText(prefix, params))
	return append(params, wire.Param{Name: signatureName, Value: strings.ToUpper(hex.EncodeToString(sum))})
}

// check tells what is wrong with a signature. Its digits may be of either case:
// that makes it no easier to forge.
func (m macFunc) check(signature string, texts ...[]byte) error {
	if signature == "" {
		return fault.ErrSignatureMissing
	}
	sum, err := hex.DecodeString(signature)
	if err != nil || len(sum) != sha256.Size {
		return fault.ErrSignatureMalformed
	}
	for _, text := range texts {
		if hmac.Equal(sum, m(text)) {
			return nil
		}
	}
	return fault.ErrSignatureMismatch
}

// paramsText sorts parameters by name and returns the text to sign: the prefix,
// which is a path or an address, and then each name and value with nothing between.
func paramsText(prefix string, params []wire.Param) []byte {
	slices.SortFunc(params, func(a, b wire.Param) int { return strings.Compare(a.Name, b.Name) })
	text := []byte(prefix)
	for _, p := range params {
		if p.Name != signatureName {
			text = append(append(text, p.Name...), p.Value...)
		}
	}
	return text
}

// checkAnswer checks the signature of an answer. Ksher's peers disagree about what
// isn't a text or a number, so that of Python, PHP or JavaScript will do. covered tells
// whether the signature says anything about what is inside objects: in JavaScript's it
// doesn't.
func (m macFunc) checkAnswer(path string, members []wire.Member) (covered bool, err error) {
	sign := textOf(members, signatureName)
	members = slices.Clone(members)
	slices.SortFunc(members, func(a, b wire.Member) int { return bytes.Compare(a.Name, b.Name) })
	texts := [][]byte{answerText(path, members, pythonText)}
	if slices.ContainsFunc(members, func(v wire.Member) bool { return v.Value.Kind == wire.Null }) {
		texts = append(texts, answerText(path, members, phpText))
	}
	err = m.check(sign, texts...)
	if err != fault.ErrSignatureMismatch || !slices.ContainsFunc(members, func(v wire.Member) bool { return v.Value.Kind >= wire.Bool }) {
		return err == nil, err
	}
	return !slices.ContainsFunc(members, hasObject), m.check(sign, answerText(path, members, scriptText))
}

// hasObject tells whether there is, or may be, an object in a member.
func hasObject(m wire.Member) bool {
	return m.Value.Kind >= wire.Array && bytes.IndexByte(m.Value.Raw, '{') >= 0
}

// hasNested tells whether an answer has an array or an object in it.
func hasNested(members []wire.Member) bool {
	return slices.ContainsFunc(members, func(m wire.Member) bool { return m.Value.Kind >= wire.Array })
}

func answerText(path string, members []wire.Member, spell func([]byte, wire.Value) []byte) []byte {
	text := []byte(path)
	for _, m := range members {
		switch string(m.Name) {
		case signatureName, "log_entry_url":
			continue
		}
		text = append(text, m.Name...)
		if m.Value.Kind <= wire.Number {
			text = append(text, m.Value.Text()...)
		} else {
			text = spell(text, m.Value)
		}
	}
	return text
}

// pythonText appends what Python's str makes of a value that isn't a text.
func pythonText(dst []byte, value wire.Value) []byte {
	for t := range value.Tokens() {
		switch {
		case t.Kind == wire.String:
			dst = pythonQuoted(dst, string(t.Text()))
		case t.Kind == wire.Number:
			dst = append(dst, t.Raw...)
		case t.Kind == wire.Null:
			dst = append(dst, "None"...)
		case t.Kind == wire.Bool && t.Raw[0] == 't':
			dst = append(dst, "True"...)
		case t.Kind == wire.Bool:
			dst = append(dst, "False"...)
		case t.Raw[0] == ',' || t.Raw[0] == ':':
			dst = append(dst, t.Raw[0], ' ')
		default: // A bracket.
			dst = append(dst, t.Raw...)
		}
	}
	return dst
}

// phpText appends what Ksher's PHP client makes of a value that isn't a text: nothing of
// null. Of booleans it must make what Python does, or it couldn't verify any order.
func phpText(dst []byte, value wire.Value) []byte {
	if value.Kind == wire.Null {
		return dst
	}
	return pythonText(dst, value)
}

// pythonQuoted appends what Python's repr makes of a text.
func pythonQuoted(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	dst = append(dst, quote)
	for _, r := range s {
		width := 0
		switch {
		case r == rune(quote) || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case unicode.IsPrint(r):
			dst = append(dst, string(r)...)
		case r <= 0xff:
			dst, width = append(dst, `\x`...), 2
		case r <= 0xffff:
			dst, width = append(dst, `\u`...), 4
		default:
			dst, width = append(dst, `\U`...), 8
		}
		for i := width - 1; i >= 0; i-- {
			dst = append(dst, digits[r>>(4*i)&0xf])
		}
	}
	return append(dst, quote)
}

// scriptText appends what JavaScript makes of a value that it adds to a text.
func scriptText(dst []byte, value wire.Value) []byte {
	depth := 0 // Of objects, which come out all the same.
	for t := range value.Tokens() {
		switch t.Raw[0] {
		case '{':
			if depth++; depth == 1 {
				dst = append(dst, "[object Object]"...)
			}
			continue
		case '}':
			depth--
			continue
		}
		switch {
		case depth > 0 || t.Raw[0] == '[' || t.Raw[0] == ']' || t.Kind == wire.Null && value.Kind == wire.Array:
		case t.Kind == wire.String:
			dst = append(dst, t.Text()...)
		default:
			dst = append(dst, t.Raw...)
		}
	}
	return dst
}

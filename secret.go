package ksher

import (
	"net/url"
	"strings"
	"unicode"

	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// Secret is a text that has to stay out of logs, such as the code that a buyer shows. Make
// one with [NewSecret]. Nothing prints the text: fmt whatever the verb, also inside structs of
// your own, encoding/json, log/slog, and the diffs of test libraries. Two Secrets are never
// equal for [reflect.DeepEqual]; compare what Reveal returns.
type Secret struct {
	// text is a function, because fmt and others print what they find in a struct's
	// unexported fields, and call no method of theirs there.
	text func() string
}

// NewSecret returns a Secret with that text, without the white space and control characters
// around it that scanners add.
func NewSecret(text string) Secret {
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	return Secret{func() string { return text }}
}

// Reveal returns the text, "" of the zero Secret.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return s.text()
}

// String tells only whether there is a text.
func (s Secret) String() string {
	if s.Reveal() == "" {
		return ""
	}
	return "[secret]"
}

// EncodeValues writes the text for the wire, for go-querystring.
func (s Secret) EncodeValues(key string, v *url.Values) error {
	if text := s.Reveal(); text != "" {
		v.Set(key, text)
	}
	return nil
}

// leave takes out of a failure what is secret.
func (s secrets) leave(e *Error, params []wire.Param) {
	if s.said {
		e.Message = ""
	}
	for _, p := range params {
		if s.params(p.Name) {
			e.hide(p)
		}
	}
}

// hide takes what the other side echoed of a parameter out of the error. A code
// that is documented is never an echo.
func (e *Error) hide(p wire.Param) {
	if transport.Echoes(e.Message, p.Value) {
		e.Message = ""
	}
	if _, documented := e.Code.Info(); !documented && transport.Echoes(string(e.Code), p.Value) {
		e.Code = ""
	}
	if e.Err != nil && transport.Echoes(e.Err.Error(), p.Value) {
		e.Err = transport.Unquoted(p.Name, e.Err)
	}
}

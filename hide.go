package ksher

import (
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/ksher-go/ksher/internal/wire"
)

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
	if echoes(e.Message, p.Value) {
		e.Message = ""
	}
	if _, documented := e.Code.Info(); !documented && echoes(string(e.Code), p.Value) {
		e.Code = ""
	}
	if e.Err != nil && echoes(e.Err.Error(), p.Value) {
		e.Err = unquoted{e.Err, p.Name}
	}
}

// echoes tells whether a text has a value in it, as it is or as it was sent. The
// value's beginning gives it away, because a text may have been cut off. One of
// less than four bytes has to be a word of its own: as a part of another it would
// be found in any text. Of a number five digits in a row do, however either is
// punctuated or masked.
func echoes(text, value string) bool {
	said := unpunctuated.Replace(text)
	for number := unpunctuated.Replace(value); len(number) >= 5 && digits(number); number = number[1:] {
		if strings.Contains(said, number[:5]) {
			return true
		}
	}
	text = strings.ToLower(html.UnescapeString(text))
	for _, form := range []string{value, url.QueryEscape(value), url.PathEscape(value)} {
		form = strings.ToLower(form)
		switch {
		case len(form) >= 4:
			if strings.Contains(text, form[:min(8, len(form))]) {
				return true
			}
		case slices.Contains(strings.FieldsFunc(text, notInWord), form):
			return true
		}
	}
	return false
}

// unpunctuated takes out what numbers of accounts and cards are written with.
var unpunctuated = strings.NewReplacer(" ", "", "-", "", ".", "", "*", "")

func notInWord(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// unquoted is an error whose text isn't to be seen.
type unquoted struct {
	err  error
	name string
}

func (e unquoted) Error() string { return "the answer repeats the " + e.name + ", so it isn't quoted" }
func (e unquoted) Unwrap() error { return e.err }

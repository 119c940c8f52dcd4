package transport

import (
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Echoes tells whether a text has a value in it, as it is or as it was sent. The
// value's beginning gives it away, because a text may have been cut off. One of
// less than four bytes has to be a word of its own: as a part of another it would
// be found in any text. Of a number five digits in a row do, however either is
// punctuated or masked.
func Echoes(text, value string) bool {
	said := unpunctuated.Replace(text)
	for number := unpunctuated.Replace(value); len(number) >= 5 && isDigits(number); number = number[1:] {
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

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

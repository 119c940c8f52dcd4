package transport

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
)

// signatureLike finds what may be a signature, or more of one than can be told: the
// shortest has 64 digits, and nobody guesses 32. Order numbers have no more than these.
var signatureLike = regexp.MustCompile("[0-9A-Fa-f]{33,}")

// Quote makes what the other side said fit for an error: short, on one line,
// and without the signature of the request, which it may have echoed, or its
// own. Something like an answer isn't quoted at all, because an answer may name
// the buyer.
func Quote(said []byte) string {
	said = said[:min(len(said), 4<<10)]
	if bytes.HasPrefix(bytes.TrimLeft(said, "\ufeff \t\r\n["), []byte("{")) {
		return ""
	}
	return Clip(string(signatureLike.ReplaceAll(said, []byte("[signature]"))))
}

// Clip makes text from outside fit for an error or a log: short and without
// anything that could look like a line of its own.
func Clip(s string) string {
	const most = 200
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			b.WriteString("…")
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

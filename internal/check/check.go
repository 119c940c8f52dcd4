// Package check has rules that the requests of every client are checked by.
package check

import (
	"net/url"
	"strings"
)

// Web tells whether a text is the address of a page, so that a buyer's browser may be
// sent there: an absolute one by http or https.
func Web(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// Padded tells whether a text has white space at an end. A number that has some may be
// kept without it at the other side, and isn't found by either spelling then.
func Padded(text string) bool { return strings.TrimSpace(text) != text }

package wire

import (
	"net/url"
	"slices"
)

// FormSignText returns the text that a merchant signs for a request: every
// parameter but sign as name=value, before any form encoding, sorted bytewise,
// with nothing between.
func FormSignText(params url.Values) []byte {
	pairs := make([]string, 0, len(params))
	size := 0
	for name, values := range params {
		if name == "sign" {
			continue
		}
		for _, v := range values {
			pairs = append(pairs, name+"="+v)
			size += len(name) + len("=") + len(v)
		}
	}
	slices.Sort(pairs)
	text := make([]byte, 0, size)
	for _, p := range pairs {
		text = append(text, p...)
	}
	return text
}

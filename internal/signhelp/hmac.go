package signhelp

import (
	"cmp"
	"crypto"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// HMACRequest is a request to vip.ksher.net whose signature isn't accepted.
type HMACRequest struct {
	Request
	// Method, Host and Path are those of the request, the host with its scheme.
	Method, Host, Path string
	// Known tells the parameters that the operation knows.
	Known func(name string) bool
}

// HMAC explains the signature of a request to vip.ksher.net, and whether the explanation is
// more than that none was found. The text is "" if nothing is wrong.
func HMAC(r HMACRequest, token string) (text string, known bool) {
	if r.Sign == "" {
		return "The request has no parameter signature.", true
	}
	read := readings(r.Sign, true)
	if len(read) == 0 {
		return "The signature isn't made of hex digits. Ksher takes it as upper-case hex digits.", true
	}
	right := newDraft(r.Params, r.Path, func(a, b param) int { return cmp.Compare(a.name, b.name) }, list("", ""))
	s := newSearcher(right, hmacMistakes(r, right))
	// One mistake of each kind comes before two of one, which take most of the work.
	for most := 1; most <= maxMistakes; most++ {
		for _, reading := range read {
			if what, ok := s.findMAC(reading, token, most); ok {
				return tell(what...), true
			}
		}
	}
	return unknownMAC(read[0])
}

// findMAC looks for the text and the way that a signature was made of it, with at most that
// many mistakes.
func (s *searcher) findMAC(read spelled, token string, most int) ([]string, bool) {
	var what []string
	if read.what != "" {
		what = append(what, read.what)
	}
	for _, m := range macs(token) {
		made := what
		if m.what != "" {
			made = append(what[:len(what):len(what)], m.what)
		}
		if len(made) > most || m.size != len(read.bytes) {
			continue
		}
		more, ok := s.find(most-len(made), func(text string) bool { return m.of(text) == string(read.bytes) })
		if ok {
			return append(made, more...), true
		}
	}
	return nil, false
}

// mac is a way to make the signature of a text.
type mac struct {
	what string
	size int
	of   func(text string) string
}

func hmacOf(h crypto.Hash, key, text string) string {
	m := hmac.New(h.New, []byte(key))
	m.Write([]byte(text))
	return string(m.Sum(nil))
}

// macs are the right way and the known wrong ones.
func macs(token string) []mac {
	keyed := func(what, key string) mac {
		return mac{what, crypto.SHA256.Size(), func(text string) string { return hmacOf(crypto.SHA256, key, text) }}
	}
	all := []mac{keyed("", token)}
	const ends = "Your token has white space or a line end around it, as when it is read from a file. Trim it."
	for _, key := range []string{token + "\n", token + "\r\n", token + "\r", token + " ", " " + token, "\ufeff" + token} {
		all = append(all, keyed(ends, key))
	}
	all = append(all,
		keyed("Your token is in lower case. Take it as it was given out.", strings.ToLower(token)),
		keyed("Your token is in upper case. Take it as it was given out.", strings.ToUpper(token)),
		keyed("Your token is in quotes. Leave them out.", `"`+token+`"`),
		keyed("Your token is empty. Look whether your program reads it.", ""),
		keyed("You made Base64 of the token. Take its characters as they are.", base64.StdEncoding.EncodeToString([]byte(token))),
	)
	const bytesOf = "You decoded the token. Take its characters as they are, as bytes."
	if b, err := hex.DecodeString(token); err == nil {
		all = append(all, keyed(bytesOf, string(b)))
	}
	for _, b := range base64Bytes(token) {
		all = append(all, keyed(bytesOf, string(b)))
	}
	for _, h := range []crypto.Hash{crypto.MD5, crypto.SHA1, crypto.SHA384, crypto.SHA512} {
		all = append(all, mac{fmt.Sprintf("You signed with HMAC and %s. Ksher wants HMAC with SHA-256.", h), h.Size(),
			func(text string) string { return hmacOf(h, token, text) }})
	}
	const plain = "You made a plain hash, not an HMAC. Ksher wants HMAC with SHA-256, with the token as its key."
	for _, of := range []func(string) string{
		func(text string) string { return hashed(crypto.SHA256, text) },
		func(text string) string { return hashed(crypto.SHA256, token+text) },
		func(text string) string { return hashed(crypto.SHA256, text+token) },
	} {
		all = append(all, mac{plain, crypto.SHA256.Size(), of})
	}
	return append(all, mac{"You gave the text as the key and the token as the text. Exchange them.", crypto.SHA256.Size(),
		func(text string) string { return hmacOf(crypto.SHA256, text, token) }})
}

func hmacMistakes(r HMACRequest, d draft) []mistake {
	at := func(what, prefix string) mistake {
		return mistake{stage: path, what: what, make: func(d *draft) { d.prefix = prefix }}
	}
	const (
		nothing = " Nothing belongs between the names and the values."
		escaped = "You signed the path with its escapes. Sign it without."
		slash   = "The slash at the end of the path isn't the same in the text as in the request. Sign the path that you ask for."
		host    = "You signed the host, too. The text begins with the path."
	)
	all := []mistake{
		at("You signed the parameters without the path. The text begins with it.", ""),
		at("You left out the slash before the path. The text begins with it.", strings.TrimPrefix(r.Path, "/")),
		at("You left /api/v1 out of the path. The text begins with the whole path.", strings.TrimPrefix(r.Path, "/api/v1")),
		at(slash, r.Path+"/"),
		at(slash, strings.TrimSuffix(r.Path, "/")),
		at(host, r.Host+r.Path),
		at(host, strings.TrimPrefix(strings.TrimPrefix(r.Host, "http://"), "https://")+r.Path),
		at("You signed the method, too. The text begins with the path.", r.Method+r.Path),
		at("You put ? between the path and the parameters. Nothing belongs between them.", r.Path+"?"),
		at(escaped, (&url.URL{Path: r.Path}).EscapedPath()),
		at(escaped, url.QueryEscape(r.Path)),
		joined("You put = and & into the text."+nothing, list("=", "&")),
		joined("You put = into the text, as api.ksher.net wants it."+nothing, list("=", "")),
		joined("You put & into the text."+nothing, list("", "&")),
		joined("You put a colon into the text."+nothing, list(":", "")),
		joined("You signed the values without their names. The name stands before each value.", onlyValues),
	}
	if last := strings.LastIndexByte(r.Path, '/'); last > 0 {
		all = append(all, at("You left the order's number out of the path. The text begins with the whole path.", r.Path[:last]))
	}
	if r.Known != nil {
		all = append(all, leftOut("You left parameters out of the text that this operation doesn't know. Every parameter but signature is signed.",
			func(p param) bool { return !r.Known(p.name) }))
	}
	all = append(all, jsonMistakes()...)
	return append(all, common(d, "signature")...)
}

// unknownMAC is all that can be said of a signature that nothing explains.
func unknownMAC(read spelled) (string, bool) {
	if size := crypto.SHA256.Size(); len(read.bytes) != size {
		return fmt.Sprintf("The signature is %d bytes long, and an HMAC with SHA-256 is %d.", len(read.bytes), size), true
	}
	return "The signature is of another text or by another token, and no known mistake makes it right. " +
		"Compare the text that you signed with the one that had to be signed, byte by byte, and your token with the one that you were given.", false
}

package api

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/wire"
)

// Hint says what seems to be wrong with a request that was refused for its signature, ""
// for any other.
func (s *Server) Hint(r core.Request) string {
	if r.Code != ksher.CodeKsherSignError {
		return ""
	}
	// A request is refused for its signature only if its merchant is known.
	return signHint(s.gw.Known(cmp.Or(r.Params.Get("mch_appid"), appID(r.Params))), r.Params)
}

// signHint says what seems to be wrong with the signature of a request that was
// refused for it, by trying the usual mistakes.
func signHint(m *core.Merchant, params url.Values) string {
	sign := params.Get("sign")
	if sign == "" {
		return "The request has no parameter sign."
	}
	size := m.PublicKey().Size()
	sig, err := hex.DecodeString(sign)
	if err != nil {
		if raw, err := base64.StdEncoding.DecodeString(sign); err == nil && len(raw) == size {
			return "The signature is in Base64. Ksher takes it as lower-case hex digits."
		}
		return "The signature isn't made of hex digits. Ksher takes it as lower-case hex."
	}
	if len(sig) != size {
		return fmt.Sprintf("The signature is %d bits long, and one by this gateway's merchant key is %d. "+
			"Sign with the private key on the set-up page.", len(sig)*8, size*8)
	}
	sorted := slices.DeleteFunc(wire.FormParams(params), func(p wire.Param) bool { return p.Name == "sign" })
	join := func(between string, value func(string) string, keep func(wire.Param) bool) []byte {
		var parts []string
		for _, p := range sorted {
			if keep(p) {
				parts = append(parts, p.Name+"="+value(p.Value))
			}
		}
		return []byte(strings.Join(parts, between))
	}
	asIs := func(s string) string { return s }
	all := func(wire.Param) bool { return true }
	full := func(p wire.Param) bool { return p.Value != "" }
	right := join("", asIs, all)
	switch m.SignedWith(right, sig) { // Only a strict gateway has refused these.
	case crypto.MD5:
		return "The signature is in upper-case hex digits. Ksher's documentation has lower-case ones."
	case crypto.SHA1:
		return "You signed the SHA-1 of the text. Ksher's documentation wants RSA with MD5."
	}
	digest := md5.Sum(right)
	for _, try := range []struct {
		hint string
		text []byte
	}{
		{"You signed the text with a line feed at its end. Leave it out: printf %s instead of echo.", append(bytes.Clone(right), '\n')},
		{"You put & between the parameters. Nothing belongs between them.", join("&", asIs, all)},
		{"You put & between the parameters and left out the empty ones. Nothing belongs between them, and empty parameters are signed.", join("&", asIs, full)},
		{"You left out the empty parameters. They are signed, too.", join("", asIs, full)},
		{"You signed the form-encoded values. Sign them as they were before encoding.", join("", url.QueryEscape, all)},
		{"You signed form-encoded values with & between them. Sign the plain values with nothing between them.", join("&", url.QueryEscape, all)},
		{"You signed the MD5 of the MD5. Sign the text itself with RSA and MD5, or its MD5 once.", digest[:]},
		{"You signed the MD5 written as hex digits. Sign the text itself with RSA and MD5.", []byte(hex.EncodeToString(digest[:]))},
	} {
		if !bytes.Equal(try.text, right) && m.SignedWith(try.text, sig) != 0 {
			return try.hint
		}
	}
	return "The signature is of another text, by another key, or of another digest than MD5 or SHA-1. " +
		"Compare the text that you signed with the one below, byte by byte, and your key with the one on the set-up page."
}

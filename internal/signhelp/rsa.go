package signhelp

import (
	"bytes"
	"cmp"
	"crypto"
	_ "crypto/md5" // The hashes that are tried.
	"crypto/rsa"
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Key is a public key, with the words for whose it is, such as "the gateway's key".
type Key struct {
	Name   string
	Public *rsa.PublicKey
}

// RSA explains the signature of a request to gateway.ksher.com or api.mch.ksher.net, which
// has to be by the first key. The others are those that somebody might have taken instead.
// The text is "" if nothing is wrong.
//
// One operation with a key shows which digest was signed, so that a text costs a hash only.
func RSA(r Request, key Key, others ...Key) string {
	if r.Sign == "" {
		return "The request has no parameter sign."
	}
	read := readings(r.Sign, false)
	if len(read) == 0 {
		return "The signature isn't made of hex digits. Ksher takes it as lower-case hex digits."
	}
	o, ok := openAny(read, append([]Key{key}, others...))
	if !ok {
		return notOpened(read[0], key)
	}
	what := o.what
	hashing, match := o.digest()
	if hashing != "" {
		what = append(what, hashing)
	}
	right := newDraft(r.Params, "", func(a, b param) int { return cmp.Compare(a.name+"=", b.name+"=") }, list("=", ""))
	s := newSearcher(right, rsaMistakes(right))
	more, found := s.find(maxMistakes-len(what), match)
	switch what = append(what, more...); {
	case found:
		return tell(what...)
	case len(what) > 0:
		return strings.Join(what, " ") + " And the signature is of another text: compare the one that you signed with the one that had to be signed, byte by byte."
	}
	return "The key and the hash are right, but you signed another text, and no known mistake makes it of the right one. " +
		"Compare the text that you signed with the one that had to be signed, byte by byte."
}

func rsaMistakes(d draft) []mistake {
	const nothing = " Nothing belongs between them."
	all := []mistake{
		joined("You put & between the parameters."+nothing, list("=", "&")),
		joined("You put & after each parameter."+nothing, func(p []param) string { return list("=", "&")(p) + "&" }),
		joined("You put a line end between the parameters."+nothing, list("=", "\n")),
		joined("You put a line end after each parameter."+nothing, func(p []param) string { return list("=", "\n")(p) + "\n" }),
		joined("You put a comma between the parameters."+nothing, list("=", ",")),
		joined("You put | between the parameters."+nothing, list("=", "|")),
		joined("You put a space between the parameters."+nothing, list("=", " ")),
		joined("You left out the equals signs, as vip.ksher.net wants it. Here each parameter is name=value.", list("", "")),
		joined("You put a colon between name and value. Each parameter is name=value.", list(":", "")),
		joined("You signed the values without their names. Each parameter is name=value.", onlyValues),
	}
	all = append(all, jsonMistakes()...)
	return append(all, common(d, "sign")...)
}

// opened is what is in a signature.
type opened struct {
	payload []byte
	// what is wrong with the signature beside the text and the hash.
	what []string
}

// openAny opens the signature in the first way that gives the padding of one.
func openAny(read []spelled, keys []Key) (opened, bool) {
	for i, key := range keys {
		foreign := ""
		if i > 0 {
			foreign = fmt.Sprintf("The signature is by %s. It has to be by %s: sign with the private key that belongs to the app ID.", key.Name, keys[0].Name)
		}
		for _, r := range read {
			payload, wrong, ok := open(key.Public, r.bytes)
			turned := ""
			if !ok {
				payload, wrong, ok = open(key.Public, backwards(r.bytes))
				turned = "The bytes of the signature are in reverse order, as old Windows interfaces have them. Turn them round."
			}
			if ok {
				what := []string{r.what, foreign, turned, wrong}
				return opened{payload, slices.DeleteFunc(what, func(s string) bool { return s == "" })}, true
			}
		}
	}
	return opened{}, false
}

func backwards(b []byte) []byte {
	b = slices.Clone(b)
	slices.Reverse(b)
	return b
}

// maxBits bounds the keys, and with them the time.
const maxBits = 8192

// open undoes the signing, and returns what stands behind the padding of PKCS #1 v1.5.
func open(key *rsa.PublicKey, sig []byte) (payload []byte, wrong string, ok bool) {
	if key == nil || key.N == nil || key.N.Sign() <= 0 || key.N.BitLen() > maxBits || key.E < 3 || len(sig) > maxBits/8+1 {
		return nil, "", false
	}
	m := new(big.Int).SetBytes(sig)
	if len(sig) < key.Size()-2 || m.Cmp(key.N) >= 0 {
		return nil, "", false
	}
	if len(sig) != key.Size() {
		wrong = "The signature isn't as long as the key: its leading zeros were lost, or one was added, as when it is kept as a number. Keep it as bytes."
	}
	em := m.Exp(m, big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
	const leastPadding = 8
	rest := bytes.TrimLeft(em[min(2, len(em)):], "\xff")
	if len(em) < leastPadding+3 || em[0] != 0 || em[1] != 1 || len(em)-2-len(rest) < leastPadding || len(rest) == 0 || rest[0] != 0 {
		return nil, "", false
	}
	return rest[1:], wrong, true
}

// digestInfo has the DER encodings of a DigestInfo up to the digest (RFC 8017, section
// 9.2, note 1).
var digestInfo = []struct {
	hash   crypto.Hash
	prefix string
}{
	{crypto.MD5, "\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10"},
	{crypto.SHA1, "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14"},
	{crypto.SHA224, "\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c"},
	{crypto.SHA256, "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"},
	{crypto.SHA384, "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"},
	{crypto.SHA512, "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"},
}

// digest says what is wrong with the hash that was signed, and tells the texts that have it.
func (o opened) digest() (what string, match func(text string) bool) {
	for _, info := range digestInfo {
		if sum, ok := bytes.CutPrefix(o.payload, []byte(info.prefix)); ok && len(sum) == info.hash.Size() {
			if info.hash != crypto.MD5 {
				what = fmt.Sprintf("You signed the %s of the text. Ksher's documentation wants RSA with MD5.", info.hash)
			}
			return what, func(text string) bool { return hashed(info.hash, text) == string(sum) }
		}
	}
	payload := string(o.payload)
	return "The private key encrypted a bare digest or text, as rsautl, privateEncrypt, and pkeyutl without -pkeyopt digest:md5 do it. Use a function that signs with RSA and MD5.",
		func(text string) bool {
			for _, h := range []crypto.Hash{crypto.MD5, crypto.SHA1, crypto.SHA256} {
				if sum := hashed(h, text); payload == sum || strings.EqualFold(payload, hex.EncodeToString([]byte(sum))) {
					return true
				}
			}
			return payload == text
		}
}

// notOpened explains a signature by no known key.
func notOpened(read spelled, key Key) string {
	size := key.Public.Size()
	if len(read.bytes) != size {
		return strings.TrimSpace(read.what + fmt.Sprintf(" The signature is %d bits long, and one by %s is %d. Sign with the private key that belongs to the app ID.",
			len(read.bytes)*8, key.Name, size*8))
	}
	return strings.TrimSpace(read.what + " The signature is by none of the keys that are known here, or isn't in the form of PKCS #1 v1.5, so that nothing can be said of the text. " +
		"Look whether your program reads the private key that belongs to the app ID, whole and with its line ends, and signs with RSA, PKCS #1 v1.5 and MD5.")
}

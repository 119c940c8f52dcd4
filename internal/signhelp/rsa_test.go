package signhelp_test

import (
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/signhelp"
	"github.com/ksher-go/ksher/internal/wire"
)

// sent are the parameters of a request in the order in which a program sent them.
var sent = []wire.Param{
	{Name: "time_stamp", Value: "20260101000000"}, {Name: "mch_order_no", Value: "A 1+b"}, {Name: "total_fee", Value: "150"},
	{Name: "appid", Value: "mch35618"}, {Name: "pay2", Value: "x"}, {Name: "pay", Value: "y"}, {Name: "attach", Value: ""},
	{Name: "product_name", Value: "ชา & \"é\""}, {Name: "refer_url", Value: "https://shop.example/A"},
}

// rightText is what has to be signed of them.
const rightText = `appid=mch35618attach=mch_order_no=A 1+bpay2=xpay=yproduct_name=ชา & "é"refer_url=https://shop.example/Atime_stamp=20260101000000total_fee=150`

// replaced is the right text with something else in it.
func replaced(oldnew ...string) string { return strings.NewReplacer(oldnew...).Replace(rightText) }

// pairs are the texts name=value in order.
func pairs(change func(name, value string) string) []string {
	var all []string
	for _, p := range sent {
		if text := change(p.Name, p.Value); text != "" {
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return all
}

func plainPair(name, value string) string { return name + "=" + value }

func fullPair(name, value string) string {
	if value == "" {
		return ""
	}
	return name + "=" + value
}

func encodedPair(name, value string) string { return name + "=" + url.QueryEscape(value) }

func unsorted(params []wire.Param) (text string) {
	for _, p := range params {
		text += p.Name + "=" + p.Value
	}
	return text
}

var shortKey = sync.OnceValue(func() *rsa.PrivateKey {
	block, _ := pem.Decode([]byte(sandbox.PrivateKeyPEM()))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	return key
})

var longKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return key
})

const (
	md5Info    = "\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10"
	sha1Info   = "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14"
	sha256Info = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
)

// encrypted signs what stands behind the padding, with the arithmetic of the textbook:
// crypto/rsa takes no keys as short.
func encrypted(key *rsa.PrivateKey, payload string) []byte {
	m := new(big.Int).SetBytes([]byte("\x01" + strings.Repeat("\xff", key.Size()-3-len(payload)) + "\x00" + payload))
	return m.Exp(m, key.D, key.N).FillBytes(make([]byte, key.Size()))
}

func md5Of(text string) string { sum := md5.Sum([]byte(text)); return string(sum[:]) }

func sha1Of(text string) string { sum := sha1.Sum([]byte(text)); return string(sum[:]) }

func sha256Of(text string) string { sum := sha256.Sum256([]byte(text)); return string(sum[:]) }

func signed(text string) string {
	return hex.EncodeToString(encrypted(shortKey(), md5Info+md5Of(text)))
}

func explained(sign string) string {
	return signhelp.RSA(signhelp.Request{Params: sent, Sign: sign},
		signhelp.Key{Name: "this merchant's key", Public: &shortKey().PublicKey},
		signhelp.Key{Name: "the key of merchant two", Public: &longKey().PublicKey})
}

func TestRightSignature(t *testing.T) {
	assert.Equal(t, rightText, strings.Join(pairs(plainPair), ""))
	assert.Empty(t, explained(signed(rightText)))
}

func TestMistakesInTheText(t *testing.T) {
	const json = `{"time_stamp":"20260101000000","mch_order_no":"A 1+b","total_fee":"150","appid":"mch35618","pay2":"x","pay":"y","attach":"","product_name":"ชา & \"é\"","refer_url":"https://shop.example/A"}`
	backwards := slices.Clone(pairs(plainPair))
	slices.Reverse(backwards)
	for want, text := range map[string]string{
		"in the order in which you send them":     unsorted(sent),
		"by their names alone":                    replaced("pay2=xpay=y", "pay=ypay2=x"),
		"left out the empty parameters":           strings.Join(pairs(fullPair), ""),
		"form-encoded values":                     strings.Join(pairs(encodedPair), ""),
		"You put & between the parameters.":       strings.Join(pairs(plainPair), "&"),
		"& after each":                            strings.Join(pairs(plainPair), "&") + "&",
		"a line end after each":                   strings.Join(pairs(plainPair), "\n") + "\n",
		"You left out the equals signs":           replaced("=", ""),
		"the values without their names":          `mch35618A 1+bxyชา & "é"https://shop.example/A20260101000000150`,
		"the MD5 of the MD5":                      md5Of(rightText),
		"the MD5 written as hex":                  hex.EncodeToString([]byte(md5Of(rightText))),
		"the parameter sign as well":              replaced("time_stamp", "sign=time_stamp"),
		"with a line feed at its end":             rightText + "\n",
		"a carriage return and a line feed":       rightText + "\r\n",
		"with a byte order mark":                  "\ufeff" + rightText,
		"plus sign where the request has a space": replaced("A 1+b", "A+1+b", "ชา & ", "ชา+&+"),
		"A space came as a plus sign":             replaced("A 1+b", "A 1 b"),
		"HTML's escapes, such as":                 replaced("& ", "&amp; ", `"`, "&#34;"),
		"You signed JSON.":                        json,
		`You left "appid" out`:                    replaced("appid=mch35618", ""),
		`You left "time_stamp" out`:               replaced("time_stamp=20260101000000", ""),
		"such as 150.00 for 150":                  replaced("=150", "=150.00"),
		"Sign the very digits":                    replaced("=150", "=1.50"),
		"as JSON writes them":                     replaced("/", `\/`, "ชา", `\u0e0a\u0e32`, "é", `\u00e9`),
		"another character set":                   replaced("ชา", "\xaa\xd2", "é", "?"),
		"UTF-8. Sign and send UTF-8":              replaced("ชา", "??", "é", "\xe9"),
		"true, false or an empty value":           replaced("attach=", "attach=null"),
		"in lower case":                           strings.ToLower(rightText),
		"in UTF-16":                               utf16Of(rightText),
		"another hash of the text":                hex.EncodeToString([]byte(sha256Of(rightText))),
		"the text in Base64":                      base64.StdEncoding.EncodeToString([]byte(rightText)),
	} {
		text := explained(signed(text))
		assert.Contains(t, text, want)
		assert.NotContains(t, text, "Two things", want)
	}
}

func utf16Of(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteByte(byte(r))
		b.WriteByte(byte(r >> 8))
	}
	return b.String()
}

func TestSortedAsADictionaryDoes(t *testing.T) {
	params := []wire.Param{{Name: "ac", Value: "3"}, {Name: "a_b", Value: "1"}, {Name: "aB", Value: "2"}}
	sign := hex.EncodeToString(encrypted(shortKey(), md5Info+md5Of("a_b=1aB=2ac=3")))
	help := signhelp.RSA(signhelp.Request{Params: params, Sign: sign}, signhelp.Key{Name: "the key", Public: &shortKey().PublicKey})
	assert.Contains(t, help, "as a dictionary does")
}

func TestTwoMistakesInTheText(t *testing.T) {
	for text, want := range map[string][2]string{
		strings.Join(pairs(fullPair), "&"):                              {"left out the empty", "You put & between"},
		strings.Join(pairs(encodedPair), "&"):                           {"form-encoded values", "You put & between"},
		strings.Join(pairs(plainPair), "&") + "\n":                      {"You put & between", "line feed"},
		hex.EncodeToString([]byte(md5Of(unsorted(sent)))):               {"in the order in which", "written as hex"},
		replaced("appid=mch35618", "", "time_stamp=20260101000000", ""): {`"appid"`, `"time_stamp"`},
	} {
		help := explained(signed(text))
		assert.Contains(t, help, "Two things are wrong.")
		assert.Contains(t, help, want[0])
		assert.Contains(t, help, want[1])
	}
}

func TestMistakesInTheSignature(t *testing.T) {
	key, other := shortKey(), longKey()
	right := encrypted(key, md5Info+md5Of(rightText))
	backwards := bytes.Clone(right)
	slices.Reverse(backwards)
	inBase64 := base64.StdEncoding.EncodeToString(right)
	for _, tt := range []struct{ sign, want string }{
		{"", "no parameter sign"},
		{"?", "isn't made of hex digits"},
		{"abcd", "16 bits long, and one by this merchant's key is 512"},
		{strings.ToUpper(signed(rightText)), "in upper-case hex digits"},
		{signed(rightText) + "\n", "between or around the hex digits"},
		{"0x" + signed(rightText), "begins with 0x"},
		{inBase64, "The signature is in Base64."},
		{strings.TrimRight(base64.URLEncoding.EncodeToString(right), "="), "The signature is in Base64."},
		{base64.StdEncoding.EncodeToString([]byte(signed(rightText))), "put into Base64 as well"},
		{hex.EncodeToString([]byte(inBase64)), "in hex digits of its Base64 text"},
		{hex.EncodeToString(backwards), "in reverse order"},
		{"00" + signed(rightText), "leading zeros"},
		{hex.EncodeToString(encrypted(key, sha1Info+sha1Of(rightText))), "You signed the SHA-1 of the text"},
		{hex.EncodeToString(encrypted(key, sha256Info+sha256Of(rightText))), "You signed the SHA-256 of the text"},
		{hex.EncodeToString(encrypted(key, md5Of(rightText))), "encrypted a bare digest"},
		{hex.EncodeToString(encrypted(key, hex.EncodeToString([]byte(md5Of(rightText))))), "encrypted a bare digest"},
		{hex.EncodeToString(encrypted(other, md5Info+md5Of(rightText))), "by the key of merchant two. It has to be by this merchant's key"},
		{hex.EncodeToString(encrypted(key, sha256Info+sha256Of(rightText+"\n"))), "Two things are wrong. You signed the SHA-256"},
		{base64.StdEncoding.EncodeToString(encrypted(key, md5Info+md5Of(unsorted(sent)))), "Two things are wrong. The signature is in Base64."},
		{signed("another text"), "no known mistake makes it of the right one"},
		{base64.StdEncoding.EncodeToString(encrypted(key, md5Info+md5Of("another text"))), "And the signature is of another text"},
		{strings.Repeat("1f", 64), "none of the keys that are known here"},
		{strings.Repeat("ff", 64), "none of the keys that are known here"},
	} {
		assert.Contains(t, explained(tt.sign), tt.want, tt.sign)
	}
	spaced := strings.ReplaceAll(inBase64, "+", " ")
	if strings.Contains(spaced, " ") {
		assert.Contains(t, explained(spaced), "plus signs came as spaces")
	}
}

// Both crypto/rsa and the openssl that signs for the other languages are understood.
func TestLongKey(t *testing.T) {
	sum := sha256.Sum256([]byte(rightText))
	sig, err := rsa.SignPKCS1v15(nil, longKey(), crypto.SHA256, sum[:])
	require.NoError(t, err)
	key := signhelp.Key{Name: "this merchant's key", Public: &longKey().PublicKey}
	assert.Contains(t, signhelp.RSA(signhelp.Request{Params: sent, Sign: hex.EncodeToString(sig)}, key), "SHA-256")
	pss, err := rsa.SignPSS(rand.Reader, longKey(), crypto.SHA256, sum[:], nil)
	require.NoError(t, err)
	assert.Contains(t, signhelp.RSA(signhelp.Request{Params: sent, Sign: hex.EncodeToString(pss)}, key), "PKCS #1 v1.5")
}

// Whatever came, the help is a text, ends, and is empty for a right signature only.
func FuzzRSA(f *testing.F) {
	f.Add("a", "1", "b", "\xff", signed("a=1b=\xff"), "x")
	f.Add("", "", "sign", "", strings.Repeat("=", 100), "")
	f.Add("total_fee", "..", "amount", "00", base64.StdEncoding.EncodeToString([]byte("abcdefghijklmno")), "{")
	key := signhelp.Key{Name: "the key", Public: &shortKey().PublicKey}
	f.Fuzz(func(t *testing.T, name, value, name2, value2, sign, text string) {
		params := []wire.Param{{Name: name, Value: value}, {Name: name2, Value: value2}}
		require.NotEmpty(t, signhelp.RSA(signhelp.Request{Params: params, Sign: sign + "?"}, key))
		help := signhelp.RSA(signhelp.Request{Params: params, Sign: signed(text)}, key)
		parts := []string{name + "=" + value, name2 + "=" + value2}
		if name+"=" > name2+"=" {
			slices.Reverse(parts)
		}
		require.Equal(t, strings.Join(parts, "") == text, help == "", help)
	})
}

// The bound of the work leaves room for two mistakes in the longest of genuine requests.
func TestManyParameters(t *testing.T) {
	var params []wire.Param
	var text string
	for name := 'z'; name >= 'a'; name-- {
		value := strings.Repeat(string(name)+" ", 10)
		params = append(params, wire.Param{Name: string(name), Value: value})
		if name != 'z' {
			text = string(name) + "=" + value + text
		}
	}
	key := signhelp.Key{Name: "the key", Public: &shortKey().PublicKey}
	sign := signed(hex.EncodeToString([]byte(sha256Of(text))))
	help := signhelp.RSA(signhelp.Request{Params: params, Sign: sign}, key)
	assert.Contains(t, help, `You left "z" out`)
	assert.Contains(t, help, "another hash")
}

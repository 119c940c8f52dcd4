package signhelp_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/signhelp"
	"github.com/ksher-go/ksher/internal/wire"
)

const (
	vipToken = "AbCdEf0123456789aBcDeF"
	vipPath  = "/api/v1/redirect/orders/A 1"
	vipText  = vipPath + "amount150noteprovidertimestamp1verboseTrue"
)

func macWith(h func() hash.Hash, key, text string) []byte {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(text))
	return m.Sum(nil)
}

func vipSigned(key, text string) string {
	return strings.ToUpper(hex.EncodeToString(macWith(sha256.New, key, text)))
}

func vipRequest(sign string) signhelp.HMACRequest {
	return signhelp.HMACRequest{
		Request: signhelp.Request{Sign: sign, Params: []wire.Param{
			{Name: "timestamp", Value: "1"}, {Name: "amount", Value: "150"}, {Name: "verbose", Value: "True"},
			{Name: "provider", Value: ""}, {Name: "note", Value: ""},
		}},
		Method: "GET", Host: "http://127.0.0.1:8080", Path: vipPath,
	}
}

func TestHMAC(t *testing.T) {
	text := func(old, new string) string { return vipSigned(vipToken, strings.Replace(vipText, old, new, 1)) }
	for _, tt := range []struct{ sign, want string }{
		{vipSigned(vipToken, vipText), ""},
		{"", "no parameter signature"},
		{"xyz", "isn't made of hex digits"},
		{"ABCD", "2 bytes long, and an HMAC with SHA-256 is 32"},
		{strings.ToLower(vipSigned(vipToken, vipText)), "in lower case"},
		{base64.StdEncoding.EncodeToString(macWith(sha256.New, vipToken, vipText)), "in Base64"},
		{text(vipPath, ""), "without the path"},
		{text("/api", "api"), "left out the slash before the path"},
		{text("/api/v1", ""), "/api/v1 out of the path"},
		{text("/A 1", ""), "the order's number out of the path"},
		{text("/A 1", "/A%201"), "the path with its escapes"},
		{text("/A 1", "/A 1/"), "The slash at the end"},
		{text("/api", "http://127.0.0.1:8080/api"), "the host, too"},
		{text("/api", "127.0.0.1:8080/api"), "the host, too"},
		{text("/api", "GET/api"), "the method, too"},
		{text("amount150noteprovidertimestamp1verboseTrue", "timestamp1amount150verboseTrueprovidernote"), "in the order in which you send them"},
		{text("noteprovider", ""), "left out the empty"},
		{text("verboseTrue", "verbose1"), "true, false or an empty value"},
		{text("noteprovider", "notenullprovidernull"), "Sign what you send"},
		{text("amount150", ""), `You left "amount" out`},
		{text("amount150noteprovidertimestamp1verboseTrue", "amount=150&note=&provider=&timestamp=1&verbose=True"), "= and &"},
		{text("True", "True\n"), "line feed"},
		{vipSigned(vipToken+"\n", vipText), "white space or a line end around"},
		{vipSigned(strings.ToLower(vipToken), vipText), "token is in lower case"},
		{vipSigned("", vipText), "Your token is empty"},
		{vipSigned(vipText, vipToken), "Exchange them"},
		{strings.ToUpper(hex.EncodeToString(macWith(sha1.New, vipToken, vipText))), "HMAC and SHA-1."},
		{strings.ToUpper(hex.EncodeToString(macWith(sha512.New, vipToken, vipText))), "HMAC and SHA-512."},
		{strings.ToUpper(hex.EncodeToString([]byte(sha256Of(vipText)))), "a plain hash"},
		{strings.ToUpper(hex.EncodeToString([]byte(sha256Of(vipText + vipToken)))), "a plain hash"},
		{strings.ToLower(text(vipPath, "")), "Two things are wrong. The signature is in lower case."},
		{vipSigned(vipToken+"\n", strings.Replace(vipText, vipPath, "", 1)), "Two things are wrong. Your token has white space"},
		{vipSigned(vipToken, "amount=150&note=&provider=&timestamp=1&verbose=True"), "Two things are wrong. You signed the parameters without the path."},
	} {
		help, known := signhelp.HMAC(vipRequest(tt.sign), vipToken)
		assert.True(t, known)
		assert.Contains(t, help, tt.want)
		assert.Equal(t, tt.want == "", help == "", help)
		assert.Equal(t, strings.HasPrefix(tt.want, "Two"), strings.HasPrefix(help, "Two"), help)
		assert.NotContains(t, help, vipToken)
	}
	help, known := signhelp.HMAC(vipRequest(vipSigned("another token", vipText)), vipToken)
	assert.False(t, known)
	assert.Contains(t, help, "no known mistake makes it right")
}

func FuzzHMAC(f *testing.F) {
	f.Add("/api/v1/x", "a", "1", "00", "token")
	f.Add("", "", "\xff%", strings.Repeat("A", 64), "")
	f.Fuzz(func(t *testing.T, path, name, value, sign, token string) {
		r := signhelp.HMACRequest{Path: path, Request: signhelp.Request{Params: []wire.Param{{Name: name, Value: value}}, Sign: sign}}
		help, known := signhelp.HMAC(r, token)
		require.NotEmpty(t, help)
		if !known {
			require.Contains(t, help, "no known mistake")
		}
		r.Sign = vipSigned(token, path+name+value)
		help, known = signhelp.HMAC(r, token)
		require.Empty(t, help)
		require.True(t, known)
	})
}

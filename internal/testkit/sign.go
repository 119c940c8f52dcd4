package testkit

import (
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"encoding/hex"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The DER encodings of a DigestInfo up to the digest (RFC 8017, section 9.2,
// note 1).
const (
	MD5Info    = "\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10"
	Sha1Info   = "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14"
	Sha256Info = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
)

// PKCS1 makes the encoding of PKCS #1 v1.5 around a DigestInfo, for a key of
// that many bytes.
func PKCS1(size int, info string) []byte {
	return []byte("\x00\x01" + strings.Repeat("\xff", size-3-len(info)) + "\x00" + info)
}

func MD5InfoOf(text string) string {
	digest := md5.Sum([]byte(text))
	return MD5Info + string(digest[:])
}

// Exponentiate is RSA without any padding or check.
func Exponentiate(key *rsa.PrivateKey, message []byte) []byte {
	m := new(big.Int).SetBytes(message)
	return m.Exp(m, key.D, key.N).FillBytes(make([]byte, key.Size()))
}

// TextSign signs a text with plain arithmetic, which takes keys of any length.
func TextSign(key *rsa.PrivateKey, text string) string {
	return hex.EncodeToString(Exponentiate(key, PKCS1(key.Size(), MD5InfoOf(text))))
}

// CheckTextSign checks a signature without the package under test. crypto/rsa
// does it for the lengths it takes.
func CheckTextSign(tb testing.TB, key *rsa.PublicKey, text, sign string) {
	tb.Helper()
	sig, err := hex.DecodeString(sign)
	require.NoError(tb, err)
	if key.N.BitLen() >= 1024 {
		digest := md5.Sum([]byte(text))
		require.NoError(tb, rsa.VerifyPKCS1v15(key, crypto.MD5, digest[:], sig))
		return
	}
	require.Len(tb, sig, key.Size())
	got := new(big.Int).SetBytes(sig)
	require.Negative(tb, got.Cmp(key.N))
	got.Exp(got, big.NewInt(int64(key.E)), key.N)
	require.Equal(tb, PKCS1(key.Size(), MD5InfoOf(text)), got.FillBytes(make([]byte, key.Size())))
}

func ReadFile(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(Path(tb, filepath.Join("testdata", name)))
	require.NoError(tb, err)
	return string(text)
}

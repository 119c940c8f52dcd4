package ksher_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

func TestParsePublicKey(t *testing.T) {
	for _, bits := range keySizes {
		want := rsaKey(t, bits).PublicKey
		for _, form := range []string{"pkix", "pkcs1pub"} {
			text := readFile(t, fmt.Sprintf("keys/rsa%d.%s.pem", bits, form))
			for _, written := range []string{text, strings.ReplaceAll(text, "\n", `\n`), strings.ReplaceAll(text, "\n", "\r\n"), ` "` + text + `" `} {
				key, err := ksher.ParsePublicKey([]byte(written))
				require.NoError(t, err)
				assert.True(t, want.Equal(key))
			}
		}
	}
}

// keyMaterial is what must not be in an error: each line of a PEM text that is
// only a key's.
func keyMaterial(text string) []string {
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(text, `\n`, "\n")) {
		if line = strings.Trim(line, "\r\n\" '"); len(line) >= 8 && !strings.Contains(line, "-----") && !strings.Contains(line, ": ") {
			lines = append(lines, line[:8])
		}
	}
	return lines
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// shortKeys makes keys too short for a signature; openssl makes none.
func shortKeys(tb testing.TB) (private, public string) {
	tb.Helper()
	p, _ := new(big.Int).SetString("e9f07b5bd0fd86bb9ae0e8fe0e9b0d1f", 16)
	q, _ := new(big.Int).SetString("d3a5c1f7e0b49d86a1c2e3f405162739", 16)
	one, e := big.NewInt(1), big.NewInt(65537)
	lambda := new(big.Int)
	for next := big.NewInt(2); !p.ProbablyPrime(20); {
		p.Add(p, next)
	}
	for next := big.NewInt(2); !q.ProbablyPrime(20); {
		q.Add(q, next)
	}
	lambda.Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	n, d := new(big.Int).Mul(p, q), new(big.Int).ModInverse(e, lambda)
	require.NotNil(tb, d)
	require.Equal(tb, 256, n.BitLen())
	der, err := asn1.Marshal(struct {
		Version                  int
		N, E, D, P, Q, Dp, Dq, I *big.Int
	}{
		0, n, e, d, p, q,
		new(big.Int).Mod(d, new(big.Int).Sub(p, one)), new(big.Int).Mod(d, new(big.Int).Sub(q, one)), new(big.Int).ModInverse(q, p),
	})
	require.NoError(tb, err)
	return pemOf("RSA PRIVATE KEY", der), pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: n, E: 65537}))
}

func TestWrongKeys(t *testing.T) {
	tooShort, tooShortPublic := shortKeys(t)
	rsaText := readFile(t, "keys/rsa1024.pkcs1.pem")
	pkcs8 := readFile(t, "keys/rsa1024.pkcs8.pem")
	public := readFile(t, "keys/rsa1024.pkix.pem")
	block, _ := pem.Decode([]byte(rsaText))
	publicBlock, _ := pem.Decode([]byte(public))
	lines := strings.SplitAfter(rsaText, "\n")
	swapped := append([]byte(nil), block.Bytes...)
	swapped[len(swapped)/2] ^= 1 // within one of the primes

	private := func(text []byte) error { _, err := ksher.ParsePrivateKey(text); return err }
	publicKey := func(text []byte) error { _, err := ksher.ParsePublicKey(text); return err }
	for _, c := range []struct {
		name  string
		parse func([]byte) error
		text  string
		says  string
	}{
		{"nothing", private, "", "private key: it is empty"},
		{"blanks", private, " \n\t\r\n", "private key: it is empty"},
		{"quotes", private, `""`, "private key: it is empty"},
		{"line ends written out", private, `\n\r\n`, "private key: it is empty"},
		{"garbage", private, "not a key", "not PEM"},
		{"binary", private, string(block.Bytes), "not PEM"},
		{"base64 alone", private, strings.Join(lines[1:len(lines)-2], ""), "not PEM"},
		{"no last line", private, strings.Join(lines[:len(lines)-2], ""), "not PEM"},
		{"no first line", private, strings.Join(lines[1:], ""), "not PEM"},
		{"file name", private, "/etc/ksher/key.pem", "not PEM"},
		{"base64 cut short", private, strings.Join(slices.Concat(lines[:4], lines[len(lines)-2:]), ""), "private key"},
		{"base64 cut short within a group", private, strings.Join(slices.Concat(lines[:3], []string{lines[4][:13] + "\n"}, lines[len(lines)-2:]), ""), "not PEM"},
		{"no bytes", private, pemOf("RSA PRIVATE KEY", nil), "private key"},
		{"other bytes", private, pemOf("RSA PRIVATE KEY", []byte("this is no key at all")), "private key"},
		{"bytes behind", private, pemOf("RSA PRIVATE KEY", append(slices.Clone(block.Bytes), 0)), "private key"},
		{"a changed prime", private, pemOf("RSA PRIVATE KEY", swapped), "private key"},
		{"PKCS #1 said to be PKCS #8", private, pemOf("PRIVATE KEY", block.Bytes), "PKCS1"},
		{"certificate", private, pemOf("CERTIFICATE", block.Bytes), `"CERTIFICATE", not an RSA private key`},
		{"public key", private, public, `"PUBLIC KEY", not an RSA private key`},
		{"PKCS #1 public key", private, readFile(t, "keys/rsa1024.pkcs1pub.pem"), `"RSA PUBLIC KEY", not an RSA private key`},
		{"public key said to be private", private, pemOf("PRIVATE KEY", publicBlock.Bytes), "private key"},
		{"EC key", private, readFile(t, "keys/ec.sec1.pem"), `"EC PRIVATE KEY", not an RSA private key`},
		{"EC key in PKCS #8", private, readFile(t, "keys/ec.pkcs8.pem"), "ecdsa.PrivateKey, and Ksher takes RSA keys only"},
		{"encrypted", private, readFile(t, "keys/encrypted.pkcs1.pem"), "it is encrypted; decrypt it first"},
		{"encrypted PKCS #8", private, readFile(t, "keys/encrypted.pkcs8.pem"), "it is encrypted; decrypt it first"},
		{"encrypted with line ends written out", private, strings.ReplaceAll(readFile(t, "keys/encrypted.pkcs1.pem"), "\n", `\n`), "it is encrypted; decrypt it first"},
		{"256 bits", private, tooShort, "256 bits is too short"},

		{"nothing", publicKey, "", "public key: it is empty"},
		{"blanks", publicKey, " \n\t", "public key: it is empty"},
		{"garbage", publicKey, "not a key", "not PEM"},
		{"private key", publicKey, rsaText, `"RSA PRIVATE KEY", not an RSA public key`},
		{"PKCS #8 private key", publicKey, pkcs8, `"PRIVATE KEY", not an RSA public key`},
		{"encrypted private key", publicKey, readFile(t, "keys/encrypted.pkcs8.pem"), "encrypted"},
		{"private key said to be public", publicKey, pemOf("PUBLIC KEY", block.Bytes), "public key"},
		{"EC key", publicKey, readFile(t, "keys/ec.pkix.pem"), "ecdsa.PublicKey, and Ksher uses RSA keys only"},
		{"certificate", publicKey, pemOf("CERTIFICATE", publicBlock.Bytes), `"CERTIFICATE", not an RSA public key`},
		{"PKIX said to be PKCS #1", publicKey, pemOf("RSA PUBLIC KEY", publicBlock.Bytes), "PKIX"},
		{"cut short", publicKey, pemOf("PUBLIC KEY", publicBlock.Bytes[:len(publicBlock.Bytes)-9]), "public key"},
		{"other bytes", publicKey, pemOf("PUBLIC KEY", []byte("this is no key at all")), "public key"},
		{"256 bits", publicKey, tooShortPublic, "256 bits is too short"},
		{"exponent 1", publicKey, pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: rsaKey(t, 1024).N, E: 1})), "exponent"},
		{"even modulus", publicKey, pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1500), E: 3})), "modulus"},
		{"9001 bits", publicKey, pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 9000), E: 3})), "9001 bits is longer than 8192"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.parse([]byte(c.text))
			require.ErrorContains(t, err, c.says)
			assert.ErrorContains(t, err, "ksher: ")
			for _, secret := range keyMaterial(c.text) {
				assert.NotContains(t, err.Error(), secret)
			}
			assert.Less(t, len(err.Error()), 400)
		})
	}
	assert.ErrorContains(t, private(nil), "empty")
	assert.ErrorContains(t, publicKey(nil), "empty")
	require.NotEmpty(t, keyMaterial(rsaText))
}

// An environment variable may have lost the line ends of a key.
func TestKeyWhoseLineEndsAreBlanks(t *testing.T) {
	for _, file := range []string{"keys/rsa512.pkcs1.pem", "keys/rsa2048.pkcs8.pem"} {
		text := readFile(t, file)
		want, err := ksher.ParsePrivateKey([]byte(text))
		require.NoError(t, err)
		got, err := ksher.ParsePrivateKey([]byte(strings.ReplaceAll(strings.TrimSpace(text), "\n", " ")))
		require.NoError(t, err, file)
		assert.Equal(t, want.Public(), got.Public())
	}
}

package ksher_test

import (
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

// keyForms are ways in which PEM arrives. Which of them openssl takes, it is asked.
var keyForms = []struct {
	name string
	form func(pem string) string
}{
	{"as it is", func(s string) string { return s }},
	{"byte order mark", func(s string) string { return "\ufeff" + s }},
	{"byte order mark within quotes", func(s string) string { return "\"\ufeff" + s + `"` }},
	{"CRLF", func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }},
	{"CR", func(s string) string { return strings.ReplaceAll(s, "\n", "\r") }},
	{"byte order mark and CRLF", func(s string) string { return "\ufeff" + strings.ReplaceAll(s, "\n", "\r\n") }},
	{"empty lines", func(s string) string { return strings.ReplaceAll(s, "\n", "\n\n") }},
	{"indented", func(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }},
	{"indented by tabs", func(s string) string { return "\t" + strings.ReplaceAll(s, "\n", "\n\t") }},
	{"YAML", func(s string) string { return "key: |\n  " + strings.ReplaceAll(s, "\n", "\n  ") + "\nother: x\n" }},
	{"blanks behind the lines", func(s string) string { return strings.ReplaceAll(s, "\n", "  \n") }},
	{"no-break spaces", func(s string) string { return "\u00a0" + strings.ReplaceAll(s, "\n", "\n\u00a0\u200b") }},
	{`\n`, func(s string) string { return strings.ReplaceAll(s, "\n", `\n`) }},
	{`\r\n`, func(s string) string { return strings.ReplaceAll(s, "\n", `\r\n`) }},
	{`\\n`, func(s string) string { return strings.ReplaceAll(s, "\n", `\\n`) }},
	{`\\r\\n`, func(s string) string { return strings.ReplaceAll(s, "\n", `\\r\\n`) }},
	{`\\\\n`, func(s string) string { return strings.ReplaceAll(s, "\n", `\\\\n`) }},
	{`\n and line ends`, func(s string) string { return strings.ReplaceAll(s, "\n", "\\n\n") }},
	{`\n in quotes with blanks`, func(s string) string { return `" ` + strings.ReplaceAll(s, "\n", `\n`) + ` "` }},
	{"JSON with escaped slashes", func(s string) string {
		return `"` + strings.NewReplacer("/", `\/`, "\n", `\n`).Replace(s) + `"`
	}},
	{"properties", func(s string) string { return "key=" + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\\\n  ") }},
	{"environment file", func(s string) string { return `KSHER_KEY="` + strings.ReplaceAll(s, "\n", `\n`) + `"` }},
	{"line ends turned into blanks", func(s string) string { return strings.ReplaceAll(s, "\n", " ") }},
	{"line ends lost", func(s string) string { return strings.ReplaceAll(s, "\n", "") }},
	{"double quotes and blanks", func(s string) string { return " \" " + s + "\t\" \n" }},
	{"single quotes and blanks", func(s string) string { return "' \n" + s + " '" }},
	{"both quotes", func(s string) string { return `"'` + s + `'"` }},
	{"text around", func(s string) string { return "Bag Attributes\n    friendlyName: ksher\n" + s + "\nend\n" }},
	{"header", func(s string) string {
		first, rest, _ := strings.Cut(s, "\n")
		return first + "\nComment: made for Ksher\n\n" + rest
	}},
	{"with RSA in the lines", func(s string) string {
		s = strings.ReplaceAll(s, " RSA ", " ")
		return strings.NewReplacer("BEGIN P", "BEGIN RSA P", "END P", "END RSA P").Replace(s)
	}},
	{"without RSA in the lines", func(s string) string { return strings.ReplaceAll(s, " RSA ", " ") }},
}

func TestKeyForms(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "signature: a merchant's key is a PEM file in PKCS #1 or PKCS #8, of 512 bits or more")
	for _, form := range keyForms {
		t.Run(form.name, func(t *testing.T) {
			for _, bits := range []int{512, 1024, 2048} {
				read := func(kind string) []byte {
					return []byte(form.form(testkit.ReadFile(t, fmt.Sprintf("keys/rsa%d.%s.pem", bits, kind))))
				}
				want := testkit.RSAKey(t, bits).PublicKey
				for _, kind := range []string{"pkcs1", "pkcs8"} {
					key, err := ksher.ParsePrivateKey(read(kind))
					require.NoError(t, err, "%d bits, %s", bits, kind)
					assert.True(t, want.Equal(key.Public()))
				}
				for _, kind := range []string{"pkix", "pkcs1pub"} {
					key, err := ksher.ParsePublicKey(read(kind))
					require.NoError(t, err, "%d bits, %s", bits, kind)
					assert.True(t, want.Equal(key))
				}
			}
		})
	}
}

// What openssl reads as one RSA key is read here.
func TestKeysThatOpenSSLTakes(t *testing.T) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skipf("openssl is not installed: %v", err)
	}
	taken := 0
	takes := func(text string, args ...string) bool {
		cmd := exec.CommandContext(t.Context(), program, append(args, "-noout")...)
		cmd.Stdin = strings.NewReader(text)
		if cmd.Run() != nil {
			return false
		}
		taken++
		return true
	}
	for _, form := range keyForms {
		if text := form.form(testkit.ReadFile(t, "keys/rsa1024.pkcs8.pem")); takes(text, "pkey") {
			_, err := ksher.ParsePrivateKey([]byte(text))
			assert.NoError(t, err, form.name)
		}
		if text := form.form(testkit.ReadFile(t, "keys/rsa1024.pkix.pem")); takes(text, "pkey", "-pubin") {
			_, err := ksher.ParsePublicKey([]byte(text))
			assert.NoError(t, err, form.name)
		}
	}
	assert.Greater(t, taken, 10)
}

func shell(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Dir = dir
	out, err := cmd.Output()
	require.NoError(t, err, script)
	return string(out)
}

// opensslFiles are keys and other things in forms that openssl makes.
func opensslFiles(t *testing.T) (dir string, read func(name string) []byte) {
	t.Helper()
	for _, program := range []string{"openssl", "iconv", "base64"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: %v", program, err)
		}
	}
	dir = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), []byte(testkit.ReadFile(t, "keys/rsa1024.pkcs1.pem")), 0o600))
	shell(t, dir, `exec 2>/dev/null; set -e
		openssl req -new -x509 -key key -subj /CN=ksher -days 30 -out cert
		openssl pkcs12 -export -inkey key -in cert -passout pass:test -out p12
		openssl pkcs12 -in p12 -passin pass:test -nodes -out bag
		openssl rsa -in key -text -out text
		openssl rsa -in key -pubout -out pub
		(openssl x509 -in cert -noout -text; openssl x509 -in cert -noout -pubkey; cat cert) > certtext
		openssl genrsa -primes 3 -out primes3 2048
		openssl pkcs8 -topk8 -in key -passout pass:test -out pkcs8aes
		openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES -in key -passout pass:test -out pkcs8des
		openssl rsa -in key -traditional -aes256 -passout pass:test -out pkcs1aes
		openssl pkey -in key -outform DER -out der
		openssl rsa -in key -traditional -outform DER -out der1
		openssl pkey -in key -pubout -outform DER -out pubder
		openssl rsa -in key -RSAPublicKey_out -outform DER -out pubder1
		openssl pkcs8 -topk8 -in key -outform DER -passout pass:test -out encryptedder
		openssl x509 -in cert -outform DER -out certder
		openssl genpkey -algorithm ed25519 -out ed25519; openssl pkey -in ed25519 -pubout -out ed25519pub
		openssl genpkey -algorithm x25519 -out x25519
		openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec; openssl ec -in ec -outform DER -out ecder
		openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:1024 -out pss
		for f in key pub; do
			iconv -t UTF-16LE $f > $f.le; iconv -t UTF-16BE $f > $f.be; iconv -t UTF-16 $f > $f.16
			base64 $f > $f.b64; base64 -w0 $f > $f.b64line; grep -v -e ----- $f > $f.bare; head -n 5 $f | cut -c1-40 > $f.cut
		done
		cat key ec > several`)
	return dir, func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return text
	}
}

func TestKeysMadeByOpenSSL(t *testing.T) {
	_, read := opensslFiles(t)
	digest := md5.Sum([]byte("a=1"))
	for _, name := range []string{"bag", "text", "primes3"} {
		key, err := ksher.ParsePrivateKey(read(name))
		require.NoError(t, err, name)
		sig, err := key.Sign(nil, digest[:], crypto.MD5)
		require.NoError(t, err)
		testkit.CheckTextSign(t, key.Public().(*rsa.PublicKey), "a=1", hex.EncodeToString(sig))
	}
	for _, name := range []string{"pub", "certtext"} {
		key, err := ksher.ParsePublicKey(read(name))
		require.NoError(t, err, name)
		assert.True(t, testkit.RSAKey(t, 1024).PublicKey.Equal(key))
	}
}

// advised finds the command in an error, up to the name of a file that it makes or to
// the word that goes on with the sentence.
var advised = regexp.MustCompile(`(?:openssl|iconv|base64|ssh-keygen) .*?(?:-out \S+\.pem|-noout -pubkey|-pubout|> \S+\.pem|-f key\.pem|-f key\.pub)( -out key\.pem)?`)

// What an error advises is done, and then the key is read.
func TestAdviceOnKeys(t *testing.T) {
	dir, read := opensslFiles(t)
	for _, c := range []struct {
		file, says string
		public     bool
		makes      string // The file that the advice makes, - for its output, "" for no advice.
	}{
		{"key.le", "it is UTF-16LE text", false, "key-utf8.pem"},
		{"key.be", "it is UTF-16BE text", false, "key-utf8.pem"},
		{"key.16", "it is UTF-16LE text", false, "key-utf8.pem"},
		{"pub.16", "it is UTF-16LE text", true, "key-utf8.pem"},
		{"pub.be", "it is UTF-16BE text", true, "key-utf8.pem"},
		{"key.b64", "base64 of a whole PEM file", false, "key.pem"},
		{"key.b64line", "base64 of a whole PEM file", false, "key.pem"},
		{"pub.b64", "base64 of a whole PEM file", true, "key.pem"},
		{"key.bare", "base64 without the lines around it that make it PEM: put -----BEGIN RSA PRIVATE KEY-----", false, ""},
		{"pub.bare", "base64 without the lines around it that make it PEM: put -----BEGIN RSA PUBLIC KEY-----", true, ""},
		{"pub.bare", "and it is a public key, which can't sign", false, ""},
		{"key.cut", "the last line, such as -----END RSA PRIVATE KEY-----", false, ""},
		{"pub.cut", "the last line, such as -----END RSA PUBLIC KEY-----", true, ""},
		{"der", "it is DER", false, "key.pem"},
		{"der1", "it is DER", false, "key.pem"},
		{"pubder", "it is DER", true, "key.pem"},
		{"pubder1", "it is DER", true, "key.pem"},
		{"der", "it is DER, a binary form, and it is a private key", true, ""},
		{"pubder", "it is DER, a binary form, and it is a public key", false, ""},
		{"encryptedder", "it is DER, a binary form, and it is encrypted", false, ""},
		{"certder", "it is DER, a binary form, and it is a certificate", false, ""},
		{"ecder", "it is DER, a binary form, and it is an EC key", false, ""},
		{"p12", "it is PKCS #12", false, "key.pem"},
		{"pkcs8aes", "it is encrypted", false, "decrypted.pem"},
		{"pkcs8des", "it is encrypted", false, "decrypted.pem"},
		{"pkcs1aes", "it is encrypted", false, "decrypted.pem"},
		{"cert", "it is a certificate", true, "-"},
		{"cert", "it is a certificate, which has no private key", false, ""},
		{"key", "it is a private key", true, "-"},
		{"ed25519", "it is an Ed25519 key: Ksher takes RSA keys only", false, ""},
		{"ed25519pub", "it is an Ed25519 key: Ksher takes RSA keys only", true, ""},
		{"x25519", "it is an X25519 key: Ksher takes RSA keys only", false, ""},
		{"ec", "it is an EC key: Ksher takes RSA keys only", false, ""},
		{"pss", "it is an RSA-PSS key", false, ""},
		{"several", "there are 2 in it", false, ""},
	} {
		t.Run(fmt.Sprint(c.file, c.public), func(t *testing.T) {
			parse := func(text []byte) (err error) {
				if c.public {
					_, err = ksher.ParsePublicKey(text)
				} else {
					_, err = ksher.ParsePrivateKey(text)
				}
				return err
			}
			err := parse(read(c.file))
			require.ErrorContains(t, err, c.says)
			assertNoInternals(t, err)
			for _, secret := range append(keyMaterial(string(read("key"))), keyMaterial(string(read("key.b64")))...) {
				assert.NotContains(t, err.Error(), secret)
			}
			if c.makes == "" {
				return
			}
			command := advised.FindString(err.Error())
			require.NotEmpty(t, command, err)
			source := regexp.MustCompile(`key\.(pem|der|p12|b64)`).FindString(command)
			if strings.Contains(err.Error(), "asks for the password") || source == "key.p12" {
				command += " -passin pass:test" // Instead of asking.
			}
			out := []byte(shell(t, dir, fmt.Sprintf("rm -f key.pem key-utf8.pem decrypted.pem; cp %s %s && %s 2>/dev/null", c.file, source, command)))
			if c.makes != "-" {
				out = read(c.makes)
			}
			require.NoError(t, parse(out), command)
		})
	}
}

func TestOpenSSHKeys(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skipf("ssh-keygen is not installed: %v", err)
	}
	dir := t.TempDir()
	shell(t, dir, "ssh-keygen -q -t rsa -b 2048 -N '' -f key.pem && cp key.pem.pub key.pub")
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return text
	}
	_, err := ksher.ParsePublicKey(read("key.pub"))
	require.ErrorContains(t, err, "it is in OpenSSH's format")
	_, err = ksher.ParsePublicKey([]byte(shell(t, dir, advised.FindString(err.Error()))))
	require.NoError(t, err)
	_, err = ksher.ParsePrivateKey(read("key.pem"))
	require.ErrorContains(t, err, "it is in OpenSSH's format")
	shell(t, dir, advised.FindString(err.Error())+" -q -N ''")
	_, err = ksher.ParsePrivateKey(read("key.pem"))
	require.NoError(t, err)
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

func pkcs1Numbers(tb testing.TB, n *big.Int, e int64) []byte {
	tb.Helper()
	der, err := asn1.Marshal(struct {
		N *big.Int
		E int64
	}{n, e})
	require.NoError(tb, err)
	return der
}

// assertNoInternals looks for what the standard library says to its own callers.
func assertNoInternals(t *testing.T, err error) {
	t.Helper()
	for _, word := range []string{"x509:", "asn1", "Parse", "GODEBUG", "rsa1024min", "crypto/", "illegal base64", "*rsa.", "ecdsa", "%!"} {
		assert.NotContains(t, err.Error(), word)
	}
}

func TestWrongKeys(t *testing.T) {
	tooShort, tooShortPublic := shortKeys(t)
	rsaText := testkit.ReadFile(t, "keys/rsa1024.pkcs1.pem")
	pkcs8 := testkit.ReadFile(t, "keys/rsa1024.pkcs8.pem")
	public := testkit.ReadFile(t, "keys/rsa1024.pkix.pem")
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
		{"binary", private, string(block.Bytes), "it is DER"},
		{"base64 alone", private, strings.Join(lines[1:len(lines)-2], ""), "base64 without the lines around it"},
		{"no last line", private, strings.Join(lines[:len(lines)-2], ""), "-----END RSA PRIVATE KEY-----, is missing"},
		{"no first line", private, strings.Join(lines[1:], ""), "-----BEGIN RSA PRIVATE KEY-----, is missing"},
		{"file name", private, "/etc/ksher/key.pem", "the name of a file"},
		{"base64 cut short", private, strings.Join(slices.Concat(lines[:4], lines[len(lines)-2:]), ""), "it is cut short"},
		{"base64 cut short within a group", private, strings.Join(slices.Concat(lines[:3], []string{lines[4][:13] + "\n"}, lines[len(lines)-2:]), ""), "it is cut short"},
		{"no bytes", private, pemOf("RSA PRIVATE KEY", nil), "it is cut short"},
		{"other bytes", private, pemOf("RSA PRIVATE KEY", []byte("this is no key at all")), "what it encodes is no private key"},
		{"bytes behind", private, pemOf("RSA PRIVATE KEY", append(slices.Clone(block.Bytes), 0)), "1 bytes behind its end"},
		{"a changed prime", private, pemOf("RSA PRIVATE KEY", swapped), "its numbers contradict one another"},
		{"certificate", private, pemOf("CERTIFICATE", block.Bytes), "it is a certificate, which has no private key"},
		{"public key", private, public, "it is a public key, which can't sign"},
		{"PKCS #1 public key", private, testkit.ReadFile(t, "keys/rsa1024.pkcs1pub.pem"), "it is a public key, which can't sign"},
		{"public key said to be private", private, pemOf("PRIVATE KEY", publicBlock.Bytes), "it is a public key, which can't sign"},
		{"EC key", private, testkit.ReadFile(t, "keys/ec.sec1.pem"), "it is an EC key: Ksher takes RSA keys only"},
		{"EC key in PKCS #8", private, testkit.ReadFile(t, "keys/ec.pkcs8.pem"), "it is an EC key: Ksher takes RSA keys only"},
		{"encrypted", private, testkit.ReadFile(t, "keys/encrypted.pkcs1.pem"), "it is encrypted; decrypt it first"},
		{"encrypted PKCS #8", private, testkit.ReadFile(t, "keys/encrypted.pkcs8.pem"), "it is encrypted; decrypt it first"},
		{"encrypted with line ends written out", private, strings.ReplaceAll(testkit.ReadFile(t, "keys/encrypted.pkcs1.pem"), "\n", `\n`), "it is encrypted; decrypt it first"},
		{"256 bits", private, tooShort, "256 bits is too short"},

		{"nothing", publicKey, "", "public key: it is empty"},
		{"blanks", publicKey, " \n\t", "public key: it is empty"},
		{"garbage", publicKey, "not a key", "not PEM"},
		{"private key", publicKey, rsaText, "it is a private key, which is nobody else's"},
		{"PKCS #8 private key", publicKey, pkcs8, "it is a private key, which is nobody else's"},
		{"encrypted private key", publicKey, testkit.ReadFile(t, "keys/encrypted.pkcs8.pem"), "encrypted"},
		{"private key said to be public", publicKey, pemOf("PUBLIC KEY", block.Bytes), "it is a private key, which is nobody else's"},
		{"EC key", publicKey, testkit.ReadFile(t, "keys/ec.pkix.pem"), "it is an EC key: Ksher takes RSA keys only"},
		{"certificate", publicKey, pemOf("CERTIFICATE", publicBlock.Bytes), "it is a certificate, not a key"},
		{"a block in the other's lines", private, strings.Replace(rsaText, "END RSA", "END", 1), "belong to different keys"},
		{"a character that isn't base64", private, strings.Replace(rsaText, "MII", "M*I", 1), "isn't base64"},
		{"several", private, rsaText + testkit.ReadFile(t, "keys/rsa512.pkcs8.pem"), "there are 2 in it"},
		{"several", publicKey, public + testkit.ReadFile(t, "keys/rsa512.pkcs1pub.pem"), "there are 2 in it"},
		{"a negative modulus", publicKey, pemOf("PUBLIC KEY", pkcs1Numbers(t, big.NewInt(-5), 3)), "its modulus or exponent"},
		{"exponent of 33 bits", publicKey, pemOf("PUBLIC KEY", pkcs1Numbers(t, testkit.RSAKey(t, 1024).N, 1<<32+1)), "its modulus or exponent"},
		{"a byte order mark alone", private, "\ufeff", "it is empty"},
		{"cut short", publicKey, pemOf("PUBLIC KEY", publicBlock.Bytes[:len(publicBlock.Bytes)-9]), "it is cut short"},
		{"other bytes", publicKey, pemOf("PUBLIC KEY", []byte("this is no key at all")), "what it encodes is no public key"},
		{"256 bits", publicKey, tooShortPublic, "256 bits is too short"},
		{"exponent 1", publicKey, pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: testkit.RSAKey(t, 1024).N, E: 1})), "exponent"},
		{"even modulus", publicKey, pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1500), E: 3})), "modulus"},
		{"9001 bits", publicKey, pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 9000), E: 3})), "9001 bits is longer than 8192"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.parse([]byte(c.text))
			require.ErrorContains(t, err, c.says)
			assert.ErrorContains(t, err, "ksher: ")
			assertNoInternals(t, err)
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

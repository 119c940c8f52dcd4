package ksher

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxKeyBits bounds what a key may cost; Ksher's documentation knows up to
// 2048 bits for requests and shows signatures of 4096.
const maxKeyBits = 8192

// ParsePrivateKey reads a merchant's RSA private key from PEM, in PKCS #1 (as Ksher's merchant
// platform hands it out) or PKCS #8, whichever the label says. Text around it, quotes,
// indentation, a byte order mark and any line ends don't matter, also those written out as \n
// or lost, as in environment variables.
//
// The result is an *rsa.PrivateKey from 1024 bits on, which prints its numbers: don't log it.
// Shorter keys, down to the 512 bits of a new account, get a signer of this package, because
// crypto/rsa refuses them. The error says what the text is instead and how to make a key of
// it, and never quotes it.
func ParsePrivateKey(pemText []byte) (crypto.Signer, error) {
	signer, err := parsePrivateKey(pemText)
	if err != nil {
		return nil, fmt.Errorf("ksher: private key: %w", err)
	}
	return signer, nil
}

func parsePrivateKey(text []byte) (crypto.Signer, error) {
	der, err := readPEM(text, privateKey)
	if err != nil {
		return nil, err
	}
	// What x509 says is for those who called x509.
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, errors.New("its numbers contradict one another, so it was changed or damaged; openssl rsa -in key.pem -check -noout says in what")
	}
	return usableSigner(key)
}

// ParsePublicKey reads an RSA public key of at most 8192 bits from PEM, in PKIX or
// PKCS #1, and is as lenient with the text around it as [ParsePrivateKey].
func ParsePublicKey(pemText []byte) (*rsa.PublicKey, error) {
	key, err := parsePublicKey(pemText)
	if err != nil {
		return nil, fmt.Errorf("ksher: public key: %w", err)
	}
	return key, nil
}

func parsePublicKey(text []byte) (*rsa.PublicKey, error) {
	der, err := readPEM(text, publicKey)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, errors.New("its modulus or exponent is not one of an RSA key of this size, so it was changed or damaged")
	}
	_, err = newVerifyKey(key)
	return key, err
}

// keyKind is what the bytes of a key are, whatever is written on them.
type keyKind int

const (
	unknownKind keyKind = iota
	privateKey
	publicKey
	encryptedKey
	certificate
	pkcs12
)

func (k keyKind) String() string {
	return map[keyKind]string{privateKey: "PRIVATE KEY", publicKey: "PUBLIC KEY"}[k]
}

// want is an error unless the kind is the wanted one.
func (k keyKind) want(wanted keyKind) error {
	switch {
	case k == wanted:
		return nil
	case k == publicKey:
		return errors.New("it is a public key, which can't sign: give the private key, which begins with a line such as -----BEGIN RSA PRIVATE KEY-----")
	case k == privateKey:
		return errors.New("it is a private key, which is nobody else's to have: give the public key; openssl pkey -in key.pem -pubout prints that of a private one")
	case k == encryptedKey:
		return errors.New("it is encrypted; decrypt it first with openssl pkey -in key.pem -out decrypted.pem, which asks for the password")
	case k == certificate && wanted == publicKey:
		return errors.New("it is a certificate, not a key; openssl x509 -in key.pem -noout -pubkey prints the public key in it")
	case k == certificate:
		return errors.New("it is a certificate, which has no private key in it: give the file that begins with a line such as -----BEGIN RSA PRIVATE KEY-----")
	case k == pkcs12:
		return errors.New("it is PKCS #12, a binary form; openssl pkcs12 -in key.p12 -nodes -nocerts -out key.pem makes PEM of it")
	}
	return fmt.Errorf("what it encodes is no %s, so it was changed or damaged", strings.ToLower(wanted.String()))
}

// written matches line ends, tabs and slashes as JSON, shells and others write them
// out, maybe several times over, and the backslash of a line that goes on. There is
// no other backslash in PEM.
var written = regexp.MustCompile(`\\+(?:[nrt]|(/|\s|$))`)

// block is a part of PEM: its label, what is between the lines, its last label.
var block = regexp.MustCompile(`(?s)-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END ([A-Z0-9 ]+)-----`)

// header matches the lines that may come before the base64.
var header = regexp.MustCompile(`(?m)^\s*[A-Za-z0-9-]+:.*$`)

// readPEM returns the PKCS #1 encoding of the one RSA key of the wanted kind in a
// text, in which there may be other things.
//
// It isn't [encoding/pem], to which a lost line end is more than a blank, and which
// passes over what it can't read instead of saying why.
func readPEM(text []byte, wanted keyKind) ([]byte, error) {
	plain := written.ReplaceAll(text, []byte("\n$1"))
	plain = bytes.ReplaceAll(plain, []byte("\r"), []byte("\n"))
	if len(trim(plain)) == 0 {
		return nil, errors.New("it is empty")
	}
	var found [][][]byte
	blocks := block.FindAllSubmatch(plain, -1)
	for _, b := range blocks {
		if bytes.HasSuffix(b[1], []byte(wanted.String())) {
			found = append(found, b)
		}
	}
	switch {
	case len(blocks) == 0:
		return nil, explain(text, plain, wanted)
	case len(found) == 0:
		found = blocks // To say what the first is.
	case len(found) > 1:
		return nil, fmt.Errorf("there are %d in it: keep only one of them", len(found))
	}
	return decodeBlock(found[0], wanted)
}

// decodeBlock returns the PKCS #1 encoding of the key in a match of block.
func decodeBlock(b [][]byte, wanted keyKind) ([]byte, error) {
	label, body, end := string(b[1]), b[2], string(b[3])
	switch {
	case label != end:
		return nil, fmt.Errorf("its first line says %q and its last line %q, so they belong to different keys", label, end)
	case label == "OPENSSH PRIVATE KEY":
		return nil, errors.New("it is in OpenSSH's format; ssh-keygen -p -m PEM -f key.pem turns the file into PEM if the key is RSA")
	case strings.HasPrefix(label, "ENCRYPTED"), bytes.Contains(body, []byte("DEK-Info:")):
		return nil, encryptedKey.want(wanted)
	case strings.Contains(label, "CERTIFICATE"):
		return nil, certificate.want(wanted)
	}
	der, err := decodeBase64(header.ReplaceAll(body, nil))
	if err != nil {
		return nil, err
	}
	kind, inner, err := recognise(der)
	if err != nil {
		return nil, err
	}
	return inner, kind.want(wanted)
}

// blank tells the characters that nobody sees in a text.
func blank(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

// trim takes blanks and quotes from both ends.
func trim(text []byte) []byte {
	return bytes.TrimFunc(text, func(r rune) bool { return blank(r) || r == '"' || r == '\'' })
}

var errCutShort = errors.New("it is cut short: a part of it is missing, so copy it again, to the last line")

// decodeBase64 takes base64 with blanks, and with or without padding.
func decodeBase64(text []byte) ([]byte, error) {
	text = bytes.Map(func(r rune) rune {
		if blank(r) {
			return -1
		}
		return r
	}, text)
	text = bytes.TrimRight(text, "=")
	if notBase64.Match(text) {
		return nil, errors.New("there is a character in it that isn't base64, so it was changed or damaged: copy it again")
	}
	der, err := base64.RawStdEncoding.DecodeString(string(text))
	if err != nil || len(der) == 0 {
		return nil, errCutShort
	}
	return der, nil
}

var notBase64 = regexp.MustCompile(`[^A-Za-z0-9+/]`)

// recognise tells what DER is by its outermost parts. Of an RSA key it also returns the
// PKCS #1 encoding, without the PKCS #8 or PKIX around it.
func recognise(der []byte) (kind keyKind, inner []byte, err error) {
	if len(der) < outerLength(der) {
		return unknownKind, nil, errCutShort
	}
	var parts []asn1.RawValue
	rest, err := asn1.Unmarshal(der, &parts)
	if err != nil {
		return unknownKind, nil, nil
	}
	if len(rest) > 0 {
		return unknownKind, nil, fmt.Errorf("there are %d bytes behind its end, so it was changed or damaged", len(rest))
	}
	switch shape := shapeOf(parts); {
	case strings.HasPrefix(shape, "iiiiiiiii"):
		return privateKey, der, nil
	case shape == "ii":
		return publicKey, der, nil
	case strings.HasPrefix(shape, "iso"):
		return privateKey, parts[2].Bytes, checkAlgorithm(parts[1])
	case shape == "sb":
		return publicKey, bytes.TrimPrefix(parts[1].Bytes, []byte{0}), checkAlgorithm(parts[0])
	case shape == "iiiiii":
		return unknownKind, nil, errAlgorithm("a DSA key")
	case strings.HasPrefix(shape, "io"):
		return unknownKind, nil, errAlgorithm("an EC key")
	case shape == "so":
		return encryptedKey, nil, nil
	case shape == "ssb":
		return certificate, nil, nil
	case strings.HasPrefix(shape, "is"):
		return pkcs12, nil, nil
	}
	return unknownKind, nil, nil
}

// shapeOf writes a letter for each part: i for an integer, s for a sequence, o for an
// octet string, b for a bit string.
func shapeOf(parts []asn1.RawValue) string {
	letters := map[int]byte{asn1.TagInteger: 'i', asn1.TagSequence: 's', asn1.TagOctetString: 'o', asn1.TagBitString: 'b'}
	shape := make([]byte, len(parts))
	for i, part := range parts {
		shape[i] = '?'
		if letter, ok := letters[part.Tag]; ok && part.Class == asn1.ClassUniversal {
			shape[i] = letter
		}
	}
	return string(shape)
}

// outerLength is how long DER says that it is, 0 if it doesn't.
func outerLength(der []byte) int {
	if len(der) < 2 || der[0] != 0x30 {
		return 0
	}
	if der[1] < 0x80 {
		return 2 + int(der[1])
	}
	digits := int(der[1] & 0x7f)
	if digits > 3 || len(der) < 2+digits {
		return 0
	}
	length := 0
	for _, digit := range der[2 : 2+digits] {
		length = length<<8 | int(digit)
	}
	return 2 + digits + length
}

const rsaAlgorithm = "1.2.840.113549.1.1.1"

// algorithms are those of keys that openssl makes, in words.
var algorithms = map[string]string{
	"1.2.840.113549.1.1.10": "an RSA-PSS key, which may not make the signatures that Ksher wants",
	"1.2.840.10045.2.1":     "an EC key",
	"1.2.840.10040.4.1":     "a DSA key",
	"1.3.101.110":           "an X25519 key",
	"1.3.101.112":           "an Ed25519 key",
	"1.3.101.113":           "an Ed448 key",
}

func checkAlgorithm(identifier asn1.RawValue) error {
	var algorithm asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(identifier.Bytes, &algorithm); err != nil {
		return errors.New("it doesn't say what kind of key it is, so it was changed or damaged")
	}
	if algorithm.String() == rsaAlgorithm {
		return nil
	}
	return errAlgorithm(cmp.Or(algorithms[algorithm.String()], "a key of another algorithm"))
}

func errAlgorithm(what string) error { return fmt.Errorf("it is %s: Ksher takes RSA keys only", what) }

// utf16Begin is "BEGIN" with the zeros that UTF-16 has between the letters.
var utf16Begin = []byte("B\x00E\x00G\x00I\x00N")

// fileName matches what is most likely the name of a file.
var fileName = regexp.MustCompile(`^[^\n]{0,300}\.(?i:pem|key|der|p12|pfx|txt)$`)

// explain says what a text without any PEM is. plain is the text with line ends as
// they should be.
func explain(text, plain []byte, wanted keyKind) error {
	switch at := bytes.Index(text, utf16Begin); {
	case bytes.HasPrefix(text, []byte("\xff\xfe")), at >= 0 && at%2 == 0:
		return errUTF16("UTF-16LE")
	case bytes.HasPrefix(text, []byte("\xfe\xff")), at >= 0:
		return errUTF16("UTF-16BE")
	case bytes.Contains(plain, []byte("-----BEGIN")):
		return fmt.Errorf("it is cut short: the last line, such as -----END RSA %s-----, is missing or not whole", wanted)
	case bytes.Contains(plain, []byte("-----END")):
		return fmt.Errorf("its first line, such as -----BEGIN RSA %s-----, is missing or not whole", wanted)
	case bytes.HasPrefix(trim(plain), []byte("ssh-")):
		return errors.New("it is in OpenSSH's format; ssh-keygen -e -m PKCS8 -f key.pub prints it as PEM if the key is RSA")
	case fileName.Match(trim(text)):
		return errors.New("it is the name of a file: give what is in the file")
	}
	if err := explainDER(text, wanted); err != nil && !utf8.Valid(text) {
		return err
	}
	if err := explainBase64(trim(plain), wanted); err != nil {
		return err
	}
	return fmt.Errorf("it is not PEM, which begins with a line such as -----BEGIN RSA %s-----", wanted)
}

func errUTF16(encoding string) error {
	return fmt.Errorf("it is %[1]s text, as some Windows programs write it: save it as UTF-8, for example with iconv -f %[1]s -t UTF-8 key.pem > key-utf8.pem", encoding)
}

// explainDER says how to make PEM of DER, or why not. It is nil for what isn't DER.
func explainDER(der []byte, wanted keyKind) error {
	kind, _, err := recognise(der)
	if err == nil && kind != unknownKind {
		err = kind.want(wanted)
	}
	switch {
	case kind == unknownKind && err == nil:
		return nil
	case kind == pkcs12:
		return err
	case err != nil:
		return fmt.Errorf("it is DER, a binary form, and %w", err)
	case kind == publicKey:
		return errors.New("it is DER, a binary form; openssl pkey -pubin -inform DER -in key.der -pubout -out key.pem makes PEM of it")
	}
	return errors.New("it is DER, a binary form; openssl pkey -inform DER -in key.der -out key.pem makes PEM of it")
}

// explainBase64 says how to make PEM of base64, or why not. It is nil for what isn't
// base64 of a key.
func explainBase64(text []byte, wanted keyKind) error {
	decoded, err := decodeBase64(text)
	if err != nil || len(decoded) < 40 {
		return nil
	}
	if bytes.Contains(decoded, []byte("-----BEGIN")) {
		return errors.New("it is base64 of a whole PEM file, as Kubernetes keeps secrets; base64 -d key.b64 > key.pem decodes it")
	}
	kind, _, err := recognise(decoded)
	if kind == unknownKind && err == nil {
		return nil
	}
	if err == nil {
		err = kind.want(wanted)
	}
	if err != nil {
		return fmt.Errorf("it is base64 without the lines around it that make it PEM, and %w", err)
	}
	return fmt.Errorf("it is base64 without the lines around it that make it PEM: put -----BEGIN RSA %[1]s----- above it and -----END RSA %[1]s----- below", wanted)
}

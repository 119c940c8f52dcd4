package ksher

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"regexp"
)

// maxKeyBits bounds what a key may cost; Ksher's documentation knows up to
// 2048 bits for requests and shows signatures of 4096.
const maxKeyBits = 8192

// ParsePrivateKey reads a merchant's RSA private key from PEM, in PKCS #1
// ("RSA PRIVATE KEY", as Ksher's merchant platform hands it out) or PKCS #8
// ("PRIVATE KEY"). Line ends may be written out as \n or be blanks, as happens in
// environment variables. The result is an *rsa.PrivateKey from 1024 bits on; shorter
// keys, down to the 512 bits of a new account, get a signer of this package,
// because crypto/rsa refuses them.
//
// The error says what is wrong with the text and never quotes it.
func ParsePrivateKey(pemText []byte) (crypto.Signer, error) {
	block, err := decodePEM(pemText, "private")
	if err != nil {
		return nil, err
	}
	var key any
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		err = fmt.Errorf("the PEM block is %q, not an RSA private key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("ksher: private key: %w", err)
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("ksher: private key: it is an %T, and Ksher takes RSA keys only", key)
	}
	signer, err := usableSigner(rsaKey)
	if err != nil {
		return nil, fmt.Errorf("ksher: private key: %w", err)
	}
	return signer, nil
}

// ParsePublicKey reads an RSA public key of at most 8192 bits from PEM, in PKIX
// ("PUBLIC KEY") or PKCS #1 ("RSA PUBLIC KEY"). Line ends may be written out as
// \n.
func ParsePublicKey(pemText []byte) (*rsa.PublicKey, error) {
	block, err := decodePEM(pemText, "public")
	if err != nil {
		return nil, err
	}
	var key any
	switch block.Type {
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	default:
		err = fmt.Errorf("the PEM block is %q, not an RSA public key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("ksher: public key: %w", err)
	}
	rsaKey, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("ksher: public key: it is an %T, and Ksher uses RSA keys only", key)
	}
	if _, err := newVerifyKey(rsaKey); err != nil {
		return nil, fmt.Errorf("ksher: public key: %w", err)
	}
	return rsaKey, nil
}

// onOneLine matches PEM whose line ends were lost.
var onOneLine = regexp.MustCompile(`^(-----BEGIN [A-Z ]+-----)([A-Za-z0-9+/= \t]+)(-----END [A-Z ]+-----)$`)

func decodePEM(text []byte, what string) (*pem.Block, error) {
	text = bytes.Trim(bytes.TrimSpace(text), `"'`)
	text = bytes.ReplaceAll(text, []byte(`\r`), nil)
	text = bytes.ReplaceAll(text, []byte(`\n`), []byte("\n"))
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, fmt.Errorf("ksher: %s key: it is empty", what)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		// An environment variable may have turned the line ends into blanks.
		if m := onOneLine.FindSubmatch(text); m != nil {
			lines := bytes.Join(bytes.Fields(m[2]), []byte("\n"))
			block, _ = pem.Decode(bytes.Join([][]byte{m[1], lines, m[3]}, []byte("\n")))
		}
	}
	if block == nil {
		return nil, fmt.Errorf("ksher: %s key: it is not PEM, which begins with a line such as -----BEGIN RSA %s KEY-----",
			what, bytes.ToUpper([]byte(what)))
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, fmt.Errorf("ksher: %s key: it is encrypted; decrypt it first, for example with openssl rsa -in key.pem", what)
	}
	return block, nil
}

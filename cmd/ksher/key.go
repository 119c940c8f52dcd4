package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ksher-go/ksher"
)

type keyCommand struct {
	New  keyNewCommand  `cmd:"" help:"Make a key pair, to upload its public half to Ksher's merchant platform."`
	Show keyShowCommand `cmd:"" help:"Tell length and fingerprint of a key, and never the key."`
}

type keyNewCommand struct {
	File string `arg:"" type:"path" help:"Where to write the private key. It must not exist; the public key goes to the same name with .pub behind it."`
}

// newKeyBits is the length of new keys.
const newKeyBits = 2048

// Run makes a key.
func (k *keyNewCommand) Run(stdout io.Writer) error {
	key, err := rsa.GenerateKey(rand.Reader, newKeyBits)
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := create(k.File, private, 0o600); err != nil {
		return err
	}
	if err := create(k.File+".pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644); err != nil {
		return errors.Join(err, os.Remove(k.File))
	}
	_, err = fmt.Fprintf(stdout, `The private key of %d bits is in %s: keep it where only your servers read it.
Upload %s.pub to Ksher's merchant platform, and set KSHER_PRIVATE_KEY_FILE=%s.
Until Ksher knows it, its answer to any call is that the signature is wrong.
Fingerprint: %s
`, newKeyBits, k.File, k.File, k.File, fingerprint(public))
	return err
}

// create writes a new file, and nothing over one that exists. After an error there is none.
func create(name string, text []byte, mode fs.FileMode) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already, and a key that is written over is gone: choose another name", name)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// fingerprint tells a public key from others: SHA-256 of its PKIX form.
func fingerprint(public []byte) string {
	sum := sha256.Sum256(public)
	return "SHA256:" + hex.EncodeToString(sum[:])
}

type keyShowCommand struct {
	File string `arg:"" optional:"" type:"path" help:"A private or public key in PEM. Without it, KSHER_PRIVATE_KEY_FILE."`
	JSON bool   `help:"Print a JSON object: kind, bits, fingerprint, weak."`
}

// Run describes a key.
func (k *keyShowCommand) Run(stdout io.Writer) error {
	if k.File == "" {
		k.File = os.Getenv("KSHER_PRIVATE_KEY_FILE")
	}
	if k.File == "" {
		return usage("name the file of a key, or set KSHER_PRIVATE_KEY_FILE")
	}
	text, err := os.ReadFile(k.File)
	if err != nil {
		return usageError{err}
	}
	kind, public, err := readKey(text)
	if err != nil {
		return fmt.Errorf("%s: %w", k.File, err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return fmt.Errorf("%s: %w", k.File, err)
	}
	bits := public.N.BitLen()
	weak := bits < 1024
	if k.JSON {
		return json.NewEncoder(stdout).Encode(map[string]any{"kind": kind, "bits": bits, "fingerprint": fingerprint(der), "weak": weak})
	}
	fmt.Fprintf(stdout, "%s: a %s key of %d bits\nFingerprint: %s\n", k.File, kind, bits, fingerprint(der))
	if weak {
		fmt.Fprintln(stdout, "It is weak: it can be factored in hours on rented machines. ksher key new makes a longer one.")
	}
	return nil
}

// readKey returns the public half of a key. If it can't be read as either kind, the error is
// about the kind that its label names.
func readKey(text []byte) (kind string, public *rsa.PublicKey, err error) {
	signer, privateErr := ksher.ParsePrivateKey(text)
	if privateErr == nil {
		return "private", signer.Public().(*rsa.PublicKey), nil
	}
	public, publicErr := ksher.ParsePublicKey(text)
	if publicErr == nil {
		return "public", public, nil
	}
	if bytes.Contains(text, []byte("PUBLIC KEY")) {
		return "", nil, publicErr
	}
	return "", nil, privateErr
}

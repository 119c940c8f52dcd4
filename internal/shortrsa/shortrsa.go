// Package shortrsa signs and verifies with RSA keys under 1024 bits.
//
// Every Ksher account has 512-bit keys to begin with, and crypto/rsa has
// refused keys under 1024 bits since Go 1.24 unless the main module says
// otherwise, which a library can't. This package does the one thing Ksher
// needs of such keys, PKCS #1 v1.5 signatures (RFC 8017, section 8.2) of MD5
// digests (and, for the local gateway, verifies those of SHA-1), on the constant-time arithmetic of filippo.io/bigmod and, modulo the
// primes of a 512-bit key, on some of its own.
//
// Such signatures prove little: 512 bits can be factored in hours.
package shortrsa

import (
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"

	"filippo.io/bigmod"
)

// Limits of the keys this package takes, in bits. Below MinBits the encoded
// digest and its padding don't fit; from MaxBits on crypto/rsa does the work.
const (
	MinBits = 8 * (minPadding + len(md5Prefix) + md5.Size)
	MaxBits = 1024
)

// minPadding is how many bytes of an encoding are not the DigestInfo.
const minPadding = 11

// ErrVerification says that a signature isn't one of the digest by the key.
var ErrVerification = errors.New("the signature is not one by this key")

var errNotReversed = errors.New("the RSA private key doesn't belong to its public part: no signature by it could be verified")

// The DER encodings of a DigestInfo up to the digest itself (RFC 8017, section 9.2,
// note 1).
const (
	md5Prefix  = "\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10"
	sha1Prefix = "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14"
)

// PublicKey is an RSA public key made ready for verifying. It is safe for
// concurrent use.
type PublicKey struct {
	n *bigmod.Modulus
	e uint
}

// NewPublicKey checks a key and makes it ready.
func NewPublicKey(key *rsa.PublicKey) (*PublicKey, error) {
	switch bits := key.N.BitLen(); {
	case bits < MinBits:
		return nil, fmt.Errorf("an RSA key of %d bits is too short for an MD5 signature, which takes %d", bits, MinBits)
	case bits >= MaxBits:
		return nil, fmt.Errorf("an RSA key of %d bits is one for crypto/rsa", bits)
	}
	if err := CheckNumbers(key); err != nil {
		return nil, err
	}
	n, err := bigmod.NewModulus(key.N.Bytes())
	if err != nil {
		return nil, err
	}
	return &PublicKey{n: n, e: uint(key.E)}, nil
}

// CheckNumbers refuses what can't be an RSA key of any length. crypto/rsa
// says so of its keys, too, but not before the first signature.
func CheckNumbers(key *rsa.PublicKey) error {
	switch {
	case key.N.Sign() <= 0 || key.N.Bit(0) == 0:
		return errors.New("the RSA modulus is negative or even")
	case key.E < 3 || key.E&1 == 0 || int64(key.E) > 1<<31-1:
		return errors.New("the RSA exponent is not an odd number from 3 to 2^31-1")
	}
	return nil
}

// Size returns the length of a signature in bytes.
func (k *PublicKey) Size() int { return k.n.Size() }

// Verify reports whether sig is the signature of an MD5 digest. It compares
// the whole encoding instead of parsing it, so that there is nothing in a
// forged one to be lenient about.
func (k *PublicKey) Verify(digest [md5.Size]byte, sig []byte) error {
	return k.verify(md5Prefix+string(digest[:]), sig)
}

// VerifySHA1 is like Verify for a SHA-1 digest. Answers and notifications are never signed
// with it, but requests of other clients are.
func (k *PublicKey) VerifySHA1(digest [sha1.Size]byte, sig []byte) error {
	return k.verify(sha1Prefix+string(digest[:]), sig)
}

func (k *PublicKey) verify(info string, sig []byte) error {
	if len(sig) != k.Size() || len(sig) < minPadding+len(info) {
		return ErrVerification
	}
	s, err := bigmod.NewNat().SetBytes(sig, k.n)
	if err != nil {
		return ErrVerification
	}
	got := bigmod.NewNat().ExpShortVarTime(s, k.e, k.n).Bytes(k.n)
	var buf [MaxBits / 8]byte
	if subtle.ConstantTimeCompare(got, encode(buf[:k.Size()], info)) != 1 {
		return ErrVerification
	}
	return nil
}

// encode fills em with the EMSA-PKCS1-v1_5 encoding of a DigestInfo.
func encode(em []byte, info string) []byte {
	tail := len(em) - len(info)
	em[0], em[1] = 0, 1
	for i := 2; i < tail-1; i++ {
		em[i] = 0xff
	}
	em[tail-1] = 0
	copy(em[tail:], info)
	return em
}

// PrivateKey is an RSA private key. It implements [crypto.Signer] for MD5
// digests and is safe for concurrent use.
type PrivateKey struct {
	public *PublicKey
	// modulus is that of public, to be handed out.
	modulus *big.Int
	// powers are ways to raise to the private exponent, the fastest first. Nothing
	// but these functions holds it: fmt doesn't call Format for an unexported field
	// of another struct and would print the digits of any number it finds there.
	//
	// They work in constant time, so that the base needs no blinding.
	powers []func(*bigmod.Nat) *bigmod.Nat
}

// NewPrivateKey checks a key and makes it ready. Of its numbers it takes the modulus,
// the exponents and, if there are two that fit, the primes.
func NewPrivateKey(key *rsa.PrivateKey) (*PrivateKey, error) {
	public, err := NewPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	if key.D == nil || key.D.Sign() <= 0 || key.D.Cmp(key.N) >= 0 {
		return nil, errors.New("the RSA private exponent is out of range")
	}
	// The exponent is as wide as the modulus, whatever its value, so that its
	// length isn't told by the time a signature takes.
	d := key.D.FillBytes(make([]byte, public.Size()))
	plain := func(m *bigmod.Nat) *bigmod.Nat { return bigmod.NewNat().Exp(m, d, public.n) }
	k := &PrivateKey{public: public, modulus: new(big.Int).Set(key.N)}
	if c := newCRT(key, public.n); c != nil {
		k.powers = append(k.powers, c.power)
	}
	k.powers = append(k.powers, plain)
	// A trial finds primes that are none, and an exponent of another key.
	var digest [md5.Size]byte
	m := k.encode(digest[:])
	k.powers = slices.DeleteFunc(k.powers, func(power func(*bigmod.Nat) *bigmod.Nat) bool { return !public.reverses(power(m), m) })
	if len(k.powers) == 0 {
		return nil, errNotReversed
	}
	return k, nil
}

// Public returns a copy of the public part, an *rsa.PublicKey.
func (k *PrivateKey) Public() crypto.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).Set(k.modulus), E: int(k.public.e)}
}

// Sign signs an MD5 digest. It needs no randomness. A wrong signature, which might
// tell the key, never leaves: where a calculation went wrong, there is another.
func (k *PrivateKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts == nil || opts.HashFunc() != crypto.MD5 || len(digest) != md5.Size {
		return nil, errors.New("an RSA key under 1024 bits signs MD5 digests only")
	}
	if _, pss := opts.(*rsa.PSSOptions); pss {
		return nil, errors.New("an RSA key under 1024 bits signs with PKCS #1 v1.5 only")
	}
	m := k.encode(digest)
	for _, power := range k.powers {
		if s := power(m); k.public.reverses(s, m) {
			return s.Bytes(k.public.n), nil
		}
	}
	return nil, errNotReversed
}

// encode returns the number that is raised to the private exponent for a digest.
func (k *PrivateKey) encode(digest []byte) *bigmod.Nat {
	m, err := bigmod.NewNat().SetBytes(encode(make([]byte, k.public.Size()), md5Prefix+string(digest)), k.public.n)
	if err != nil {
		panic(err) // It begins with a zero byte, and n doesn't.
	}
	return m
}

// reverses tells whether s is what the private exponent makes of m.
func (k *PublicKey) reverses(s, m *bigmod.Nat) bool {
	return bigmod.NewNat().ExpShortVarTime(s, k.e, k.n).Equal(m) == 1
}

// Format keeps the key out of logs and errors, whatever the verb.
func (k PrivateKey) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "RSA private key of %d bits", k.modulus.BitLen())
}

package ksher

import (
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"sync"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/shortrsa"
	"github.com/ksher-go/ksher/internal/wire"
)

// SignVersion tells which key the gateway is to sign answers with: RSA, PKCS #1 v1.5 and MD5
// in both versions.
type SignVersion int

const (
	// SignV1 is what every account gets by default: answers signed with a 512-bit key. It
	// can be factored in hours, so that its signature proves little on what comes in.
	SignV1 SignVersion = 1
	// SignV2 asks for answers signed with a 2048-bit key. Whether notifications of such an
	// account are signed with it as well is not documented.
	SignV2 SignVersion = 2
)

// signVersionHeader is the request header that asks for SignV2.
const signVersionHeader = "Ksher-Sign-Version"

const publicKeyV1 = `-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL7955OCuN4I8eYNL/mixZWIXIgCvIVE
ivlxqdpiHPcOLdQ2RPSx/pORpsUu/E9wz0mYS2PY7hNc2mBgBOQT+wUCAwEAAQ==
-----END PUBLIC KEY-----`

const publicKeyV2 = `-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEA3WvHCgE/NVHjWG+IzjB2OeWFwjQJFPEi/O1AFaiLdsyXgQ8sROIM
pp7iyhbubKf+aNFdJx4+hwbVSd3BAUUdKQJyovdqjF0DLLrk0QLUZAnEX7lylugt
VL+eCKRhI8UzXxEFMt8vrhw1p9oaxBK/0mXcqUGvtM7hNAZo9jdfB/l+gAf6X3jR
1gj7lsz190A+FfDwzIhCWK8FcdroW7A00KAcCdAadzNdn16UNj4G0kGXhAMf+175
gTFuVuiZx1oSaInrOgnl05qqixTbrdm/BqwbFWGGYX1B6yKM0/Vus3DqkwgXr1q+
bWPtM3sDOQuQmkbo/jQbkMv+Ab8ij2f1gwIDAQAB
-----END RSA PUBLIC KEY-----`

// GatewayPublicKey returns a fresh copy of the public key that Ksher's gateway signs with in
// that version, or nil for a version that doesn't exist.
func GatewayPublicKey(version SignVersion) *rsa.PublicKey {
	text, ok := map[SignVersion]string{SignV1: publicKeyV1, SignV2: publicKeyV2}[version]
	if !ok {
		return nil
	}
	key, err := ParsePublicKey([]byte(text))
	if err != nil {
		panic(err) // A constant of this package; its tests parse it.
	}
	return key
}

// usableSigner checks that Ksher can use the key behind a signer, and gives
// short keys a signer that crypto/rsa doesn't refuse.
func usableSigner(key crypto.Signer) (crypto.Signer, error) {
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("its public part is an %T, and Ksher takes RSA keys only", key.Public())
	}
	if _, err := newVerifyKey(public); err != nil {
		return nil, err
	}
	if private, ok := key.(*rsa.PrivateKey); ok && private.N.BitLen() < shortrsa.MaxBits {
		return shortrsa.NewPrivateKey(private)
	}
	return key, nil
}

// md5Error is not nil where MD5 is not to be had, as in Go's FIPS 140-only
// mode, which panics.
var md5Error = sync.OnceValue(func() (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("MD5, which Ksher signs with, is forbidden by this program's FIPS 140-only mode (GODEBUG=fips140=only): run it without that mode")
		}
	}()
	md5.Sum(nil)
	return nil
})

// signText returns the signature of a request's text, in lowercase hex.
func signText(key crypto.Signer, text []byte) (string, error) {
	digest := md5.Sum(text)
	sig, err := key.Sign(rand.Reader, digest[:], crypto.MD5)
	if err != nil {
		return "", err
	}
	var buf [2 * maxKeyBits / 8]byte
	return string(hex.AppendEncode(buf[:0], sig)), nil
}

// Verifier checks the signatures that Ksher puts on answers and notifications.
// It is safe for concurrent use.
type Verifier struct {
	keys []verifyKey
}

// verifyKey is a public key of any size made ready for verifying.
type verifyKey struct {
	long  *rsa.PublicKey
	short *shortrsa.PublicKey
	bits  int
}

func newVerifyKey(key *rsa.PublicKey) (verifyKey, error) {
	if key == nil || key.N == nil {
		return verifyKey{}, errors.New("the RSA public key is nil")
	}
	if key.N.BitLen() > maxKeyBits {
		return verifyKey{}, fmt.Errorf("an RSA key of %d bits is longer than %d", key.N.BitLen(), maxKeyBits)
	}
	if key.N.BitLen() < shortrsa.MaxBits {
		short, err := shortrsa.NewPublicKey(key)
		return verifyKey{short: short, bits: key.N.BitLen()}, err
	}
	long := &rsa.PublicKey{N: new(big.Int).Set(key.N), E: key.E}
	return verifyKey{long: long, bits: key.N.BitLen()}, shortrsa.CheckNumbers(key)
}

func (k verifyKey) size() int {
	if k.short != nil {
		return k.short.Size()
	}
	return k.long.Size()
}

func (k verifyKey) verify(digest [md5.Size]byte, sig []byte) error {
	if k.short != nil {
		return k.short.Verify(digest, sig)
	}
	return rsa.VerifyPKCS1v15(k.long, crypto.MD5, digest[:], sig)
}

// NewVerifier returns a Verifier that accepts a signature by any of the keys. It is an
// error if there is none, or if one is nil or can't be used.
func NewVerifier(keys ...*rsa.PublicKey) (*Verifier, error) {
	if len(keys) == 0 {
		return nil, errors.New("ksher: NewVerifier: there is no key")
	}
	v := &Verifier{}
	for _, key := range keys {
		k, err := newVerifyKey(key)
		if err != nil {
			return nil, fmt.Errorf("ksher: NewVerifier: a key can't be used: %w", err)
		}
		v.keys = append(v.keys, k)
	}
	return v, nil
}

// Verify checks the signature of a data object: data is the JSON object as it stood in the
// answer, byte for byte, sign the signature beside it, in hexadecimal. The whole object is
// taken as signed, as in every operation but merchant_info and get_settlement_info. Booleans
// and nulls are accepted in the spelling of JSON and in Python's, because Ksher's own SDKs
// disagree. The error is an [ErrSignature], or an [ErrBadAnswer] for text that isn't JSON.
func (v *Verifier) Verify(data []byte, sign string) error {
	if v == nil {
		return fmt.Errorf("ksher: the verifier is nil: %w", ErrSignature)
	}
	members, err := wire.ParseObject(data)
	if err != nil {
		return fmt.Errorf("ksher: %w", fault.JSON(err))
	}
	if _, err := v.verify(members, nil, sign); err != nil {
		return fmt.Errorf("ksher: %w", err)
	}
	return nil
}

// verify checks the signature of parsed members, or of only some of them where
// the operation signs just a part. It returns the length of the key that made it.
func (v *Verifier) verify(members []wire.Member, only []string, sign string) (bits int, err error) {
	if len(v.keys) == 0 {
		return 0, fmt.Errorf("%w: the verifier was not made by NewVerifier", ErrSignature)
	}
	if err := md5Error(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if sign == "" {
		return 0, fault.ErrSignatureMissing
	}
	sig, err := hex.DecodeString(sign)
	if err != nil {
		return 0, fault.ErrSignatureMalformed
	}
	// Ordinary answers fit on the stack.
	var small [1024]byte
	text := wire.AppendSignText(small[:0], members, only, false)
	bits, err = v.verifyText(text, sig)
	if errors.Is(err, fault.ErrSignatureMismatch) && wire.HasLiteral(members) {
		bits, err = v.verifyText(wire.AppendSignText(text[:0], members, only, true), sig)
	}
	return bits, err
}

func (v *Verifier) verifyText(text, sig []byte) (bits int, err error) {
	digest := md5.Sum(text)
	err = fault.ErrSignatureMalformed
	for _, k := range v.keys {
		if k.size() != len(sig) {
			continue
		}
		if k.verify(digest, sig) == nil {
			return k.bits, nil
		}
		err = fault.ErrSignatureMismatch
	}
	return 0, err
}

// weakBits is the length below which an RSA key can be factored by anybody who
// cares to.
const weakBits = 1024

// KeyHealth tells how much the signatures of both sides are worth.
type KeyHealth struct {
	MerchantBits int         // of the merchant's key: whoever factors it can refund in the merchant's name
	SignVersion  SignVersion // the version in which the gateway is asked to sign
	// GatewayBits has the length of each key that an answer may be signed with. Whoever
	// factors one can sign notifications, which is why a query confirms them.
	GatewayBits []int
}

// Weak tells whether one of the keys has fewer than 1024 bits, so that it can be factored with
// rented machines. The cure is a longer key of your own, made on Ksher's merchant platform,
// and [SignV2] for the gateway's.
func (h KeyHealth) Weak() bool {
	return h.MerchantBits < weakBits || len(h.GatewayBits) == 0 || slices.Min(h.GatewayBits) < weakBits
}

// KeyHealth tells the length of the keys in use, for a health check.
func (c *Client) KeyHealth() KeyHealth {
	if c == nil || c.key == nil {
		return KeyHealth{} // Not made by NewClient.
	}
	h := KeyHealth{SignVersion: c.signVersion}
	if public, ok := c.key().Public().(*rsa.PublicKey); ok {
		h.MerchantBits = public.N.BitLen()
	}
	for _, k := range c.verifier.keys {
		h.GatewayBits = append(h.GatewayBits, k.bits)
	}
	return h
}

// warnedOf has the app IDs whose weak keys are in the log: a platform makes its merchants'
// clients again and again.
var warnedOf sync.Map

func (c *Client) logWeakKeys() {
	h := c.KeyHealth()
	if !h.Weak() || !c.ownLog {
		return
	}
	if _, before := warnedOf.LoadOrStore(c.appID, true); !before {
		c.log.Warn("ksher: a key is weak: whoever factors it can sign in its owner's name",
			slog.Int("merchant_bits", h.MerchantBits),
			slog.Int("sign_version", int(h.SignVersion)),
			slog.Any("gateway_bits", h.GatewayBits))
	}
}

// publishedVerifier accepts the gateway's keys of those versions.
func publishedVerifier(versions ...SignVersion) *Verifier {
	keys := make([]*rsa.PublicKey, 0, len(versions))
	for _, version := range versions {
		keys = append(keys, GatewayPublicKey(version))
	}
	v, err := NewVerifier(keys...)
	if err != nil {
		panic(err) // They are part of this package.
	}
	return v
}

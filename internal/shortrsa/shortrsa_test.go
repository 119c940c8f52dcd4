package shortrsa_test

import (
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/shortrsa"
)

const md5Info = "\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10"

// makeKey makes the same key each time, of exactly that many bits. crypto/rsa
// makes none as short.
func makeKey(tb testing.TB, bits, e int) *rsa.PrivateKey {
	tb.Helper()
	random := rand.New(rand.NewPCG(uint64(bits), uint64(e)))
	for {
		if key := keyOf(e, makePrime(random, bits/2, e), makePrime(random, bits-bits/2, e)); key != nil && key.N.BitLen() == bits {
			return key
		}
	}
}

func makePrime(random *rand.Rand, bits, e int) *big.Int {
	one := big.NewInt(1)
	for {
		n := new(big.Int)
		for i := range bits {
			n.SetBit(n, i, uint(random.IntN(2)))
		}
		n.SetBit(n, bits-1, 1).SetBit(n, 0, 1)
		gcd := new(big.Int).GCD(nil, nil, new(big.Int).Sub(n, one), big.NewInt(int64(e)))
		if gcd.Cmp(one) == 0 && n.ProbablyPrime(10) {
			return n
		}
	}
}

// keyOf makes a key of its primes, or nil if it can't have the exponent.
func keyOf(e int, primes ...*big.Int) *rsa.PrivateKey {
	n, phi := big.NewInt(1), big.NewInt(1)
	for i, p := range primes {
		n.Mul(n, p)
		if i > 0 && p.Cmp(primes[i-1]) == 0 {
			phi.Mul(phi, p) // phi(p²) is p(p-1).
			continue
		}
		phi.Mul(phi, new(big.Int).Sub(p, big.NewInt(1)))
	}
	d := new(big.Int).ModInverse(big.NewInt(int64(e)), phi)
	if d == nil {
		return nil
	}
	return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: e}, D: d, Primes: primes}
}

func encoding(size int, digest [md5.Size]byte) []byte {
	info := md5Info + string(digest[:])
	return []byte("\x00\x01" + strings.Repeat("\xff", size-3-len(info)) + "\x00" + info)
}

func exponentiate(key *rsa.PrivateKey, em []byte) []byte {
	m := new(big.Int).SetBytes(em)
	return m.Exp(m, key.D, key.N).FillBytes(make([]byte, key.Size()))
}

func TestSignAndVerify(t *testing.T) {
	digests := [][md5.Size]byte{{}, md5.Sum(nil), md5.Sum([]byte("a=1b=2")), {15: 1}, [16]byte(bytes.Repeat([]byte{0xff}, 16))}
	for _, c := range []struct{ bits, e int }{
		{360, 65537}, {361, 3}, {367, 65537}, {368, 17}, {511, 65537}, {512, 3}, {512, 65537}, {513, 65537}, {520, 1<<31 - 1},
		{767, 65537}, {768, 65537}, {1000, 65537}, {1016, 65537}, {1017, 65537}, {1023, 65537},
	} {
		t.Run(fmt.Sprintf("%d bits, exponent %d", c.bits, c.e), func(t *testing.T) {
			key := makeKey(t, c.bits, c.e)
			private, err := shortrsa.NewPrivateKey(key)
			require.NoError(t, err)
			public, err := shortrsa.NewPublicKey(&key.PublicKey)
			require.NoError(t, err)
			assert.Equal(t, key.Size(), public.Size())
			for _, digest := range digests {
				sig, err := private.Sign(nil, digest[:], crypto.MD5)
				require.NoError(t, err)
				assert.Equal(t, exponentiate(key, encoding(key.Size(), digest)), sig)
				assert.NoError(t, public.Verify(digest, sig))

				other := digest
				other[3] ^= 4
				assert.ErrorIs(t, public.Verify(other, sig), shortrsa.ErrVerification)
				for i := range sig {
					sig[i] ^= 0x10
					assert.ErrorIs(t, public.Verify(digest, sig), shortrsa.ErrVerification)
					sig[i] ^= 0x10
				}
				for _, wrong := range [][]byte{nil, sig[1:], sig[:len(sig)-1], append([]byte{0}, sig...), append(sig, 0)} {
					assert.ErrorIs(t, public.Verify(digest, wrong), shortrsa.ErrVerification)
				}
			}
		})
	}
}

// Every single byte of the encoding counts: a check that skips one is how the
// signatures of short keys were forged with nothing but a cube root.
func TestVerifyComparesTheWholeEncoding(t *testing.T) {
	digest := md5.Sum([]byte("a=1b=2"))
	for _, bits := range []int{361, 512, 1023} {
		key := makeKey(t, bits, 65537)
		public, err := shortrsa.NewPublicKey(&key.PublicKey)
		require.NoError(t, err)
		good := encoding(key.Size(), digest)
		require.NoError(t, public.Verify(digest, exponentiate(key, good)))
		for i := range good {
			for bit := range 8 {
				em := bytes.Clone(good)
				em[i] ^= 1 << bit
				if new(big.Int).SetBytes(em).Cmp(key.N) < 0 {
					assert.ErrorIs(t, public.Verify(digest, exponentiate(key, em)), shortrsa.ErrVerification, "byte %d", i)
				}
			}
		}
	}
}

func TestVerifyRefusesNumbersOutOfRange(t *testing.T) {
	digest := md5.Sum([]byte("a=1b=2"))
	key := makeKey(t, 361, 65537)
	public, err := shortrsa.NewPublicKey(&key.PublicKey)
	require.NoError(t, err)
	sig, err := mustSigner(t, key).Sign(nil, digest[:], crypto.MD5)
	require.NoError(t, err)
	// With 361 bits in 46 bytes there is room for many multiples of n.
	s := new(big.Int).SetBytes(sig)
	for i := range 100 {
		s.Add(s, key.N)
		require.LessOrEqual(t, (s.BitLen()+7)/8, 46, i)
		assert.ErrorIs(t, public.Verify(digest, s.FillBytes(make([]byte, 46))), shortrsa.ErrVerification)
	}
	for _, s := range []*big.Int{
		new(big.Int), big.NewInt(1), key.N, new(big.Int).Sub(key.N, big.NewInt(1)), new(big.Int).Add(key.N, big.NewInt(1)),
	} {
		assert.ErrorIs(t, public.Verify(digest, s.FillBytes(make([]byte, 46))), shortrsa.ErrVerification)
	}
}

func mustSigner(tb testing.TB, key *rsa.PrivateKey) crypto.Signer {
	tb.Helper()
	private, err := shortrsa.NewPrivateKey(key)
	require.NoError(tb, err)
	return private
}

func TestUnusablePublicKeys(t *testing.T) {
	good := makeKey(t, 512, 65537).PublicKey
	power := func(bits uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), bits) }
	for _, c := range []struct {
		name string
		n    *big.Int
		e    int
		says string
	}{
		{"zero", new(big.Int), 65537, "0 bits is too short"},
		{"one", big.NewInt(1), 65537, "1 bits is too short"},
		{"359 bits", new(big.Int).Add(power(358), big.NewInt(1)), 3, "359 bits is too short"},
		{"1024 bits", new(big.Int).Add(power(1023), big.NewInt(1)), 3, "1024 bits is one for crypto/rsa"},
		{"even", new(big.Int).Lsh(good.N, 1), 65537, "modulus"},
		{"negative", new(big.Int).Neg(good.N), 65537, "modulus"},
		{"exponent 0", good.N, 0, "exponent"},
		{"exponent 1", good.N, 1, "exponent"},
		{"exponent 2", good.N, 2, "exponent"},
		{"even exponent", good.N, 65536, "exponent"},
		{"exponent -1", good.N, -1, "exponent"},
		{"negative exponent", good.N, -65537, "exponent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			public, err := shortrsa.NewPublicKey(&rsa.PublicKey{N: c.n, E: c.e})
			assert.ErrorContains(t, err, c.says)
			assert.Nil(t, public)
			private, err := shortrsa.NewPrivateKey(&rsa.PrivateKey{PublicKey: rsa.PublicKey{N: c.n, E: c.e}, D: big.NewInt(3)})
			assert.ErrorContains(t, err, c.says)
			assert.Nil(t, private)
		})
	}
}

func TestCheckNumbers(t *testing.T) {
	long := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(1))
	assert.NoError(t, shortrsa.CheckNumbers(&rsa.PublicKey{N: long, E: 65537}))
	assert.NoError(t, shortrsa.CheckNumbers(&rsa.PublicKey{N: long, E: 3}))
	assert.ErrorContains(t, shortrsa.CheckNumbers(&rsa.PublicKey{N: long, E: 1}), "exponent")
	assert.ErrorContains(t, shortrsa.CheckNumbers(&rsa.PublicKey{N: new(big.Int).Neg(long), E: 3}), "modulus")
	assert.ErrorContains(t, shortrsa.CheckNumbers(&rsa.PublicKey{N: new(big.Int).Lsh(long, 1), E: 3}), "modulus")
	assert.ErrorContains(t, shortrsa.CheckNumbers(&rsa.PublicKey{N: new(big.Int), E: 3}), "modulus")
}

func TestUnusablePrivateKeys(t *testing.T) {
	for name, d := range map[string]func(n *big.Int) *big.Int{
		"nil":      func(*big.Int) *big.Int { return nil },
		"zero":     func(*big.Int) *big.Int { return new(big.Int) },
		"negative": func(*big.Int) *big.Int { return big.NewInt(-3) },
		"n":        func(n *big.Int) *big.Int { return n },
		"above n":  func(n *big.Int) *big.Int { return new(big.Int).Lsh(n, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			key := makeKey(t, 512, 65537)
			key.D = d(key.N)
			private, err := shortrsa.NewPrivateKey(key)
			assert.ErrorContains(t, err, "private exponent")
			assert.Nil(t, private)
		})
	}
}

func TestSignRefuses(t *testing.T) {
	signer := mustSigner(t, makeKey(t, 1016, 65537))
	for _, c := range []struct {
		name   string
		digest []byte
		opts   crypto.SignerOpts
	}{
		{"no options", make([]byte, 16), nil},
		{"no hash", make([]byte, 16), crypto.Hash(0)},
		{"SHA-1", make([]byte, 20), crypto.SHA1},
		{"SHA-256", make([]byte, 32), crypto.SHA256},
		{"SHA-256 for an MD5 digest", make([]byte, 16), crypto.SHA256},
		{"MD5 and SHA-1", make([]byte, 36), crypto.MD5SHA1},
		{"no digest", nil, crypto.MD5},
		{"short digest", make([]byte, 15), crypto.MD5},
		{"long digest", make([]byte, 17), crypto.MD5},
		{"PSS", make([]byte, 16), &rsa.PSSOptions{Hash: crypto.MD5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sig, err := signer.Sign(nil, c.digest, c.opts)
			assert.Error(t, err)
			assert.Nil(t, sig)
		})
	}
}

// A key that its owner changes or wipes afterwards goes on to work.
func TestKeysAreCopied(t *testing.T) {
	key := makeKey(t, 512, 65537)
	n := new(big.Int).Set(key.N)
	private, err := shortrsa.NewPrivateKey(key)
	require.NoError(t, err)
	public, err := shortrsa.NewPublicKey(&key.PublicKey)
	require.NoError(t, err)
	digest := md5.Sum([]byte("a=1"))
	want := exponentiate(key, encoding(key.Size(), digest))

	key.D.SetInt64(3)
	key.N.SetInt64(5)
	key.E = 7
	got := private.Public().(*rsa.PublicKey)
	assert.Zero(t, got.N.Cmp(n))
	assert.Equal(t, 65537, got.E)
	got.N.SetInt64(1)
	assert.Zero(t, private.Public().(*rsa.PublicKey).N.Cmp(n))

	sig, err := private.Sign(nil, digest[:], crypto.MD5)
	require.NoError(t, err)
	assert.Equal(t, want, sig)
	assert.NoError(t, public.Verify(digest, sig))
}

func TestKeysAreSafeForConcurrentUse(t *testing.T) {
	key := makeKey(t, 512, 65537)
	private := mustSigner(t, key)
	public, err := shortrsa.NewPublicKey(&key.PublicKey)
	require.NoError(t, err)
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			digest := md5.Sum([]byte{byte(i)})
			sig, err := private.Sign(nil, digest[:], crypto.MD5)
			assert.NoError(t, err)
			assert.NoError(t, public.Verify(digest, sig))
		})
	}
	group.Wait()
}

func TestPrivateKeyIsNotPrinted(t *testing.T) {
	key := makeKey(t, 512, 65537)
	private, err := shortrsa.NewPrivateKey(key)
	require.NoError(t, err)
	type holder struct{ key any }
	type inner struct {
		pointer *shortrsa.PrivateKey
		value   shortrsa.PrivateKey
	}
	d := key.D.FillBytes(make([]byte, 64))
	secrets := []string{
		key.D.Text(10)[:12], key.D.Text(16)[:12], strings.ToUpper(key.D.Text(16)[:12]), fmt.Sprintf("%x", key.D.Text(10))[:24],
		strings.Trim(fmt.Sprint(d[:6]), "[]"), strings.Trim(fmt.Sprintf("%#v", d[:4]), "[]byte{}"), strings.Trim(fmt.Sprintf("%x", []any{d[0], d[1], d[2], d[3]}), "[]"),
	}
	for _, value := range []any{private, *private, holder{private}, holder{*private}, &holder{private}, inner{private, *private}, []*shortrsa.PrivateKey{private}, map[string]any{"k": private}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%e", "%p"} {
			printed := fmt.Sprintf(verb, value)
			for _, secret := range secrets {
				assert.NotContains(t, printed, secret, verb)
			}
		}
	}
	assert.Equal(t, "RSA private key of 512 bits", fmt.Sprint(private))
	assert.Equal(t, "RSA private key of 512 bits", fmt.Sprint(*private))
	// A search that finds nothing anywhere would prove nothing.
	assert.Contains(t, fmt.Sprint(d), secrets[4])
	assert.Contains(t, hex.EncodeToString(d), secrets[1])
}

// openssl has made the signature, see testdata/make-openssl.sh.
func TestVerifySHA1(t *testing.T) {
	read := func(name string) []byte {
		text, err := os.ReadFile("../../testdata/" + name)
		require.NoError(t, err)
		return text
	}
	block, _ := pem.Decode(read("keys/rsa512.pkcs1pub.pem"))
	key, err := x509.ParsePKCS1PublicKey(block.Bytes)
	require.NoError(t, err)
	public, err := shortrsa.NewPublicKey(key)
	require.NoError(t, err)
	text := read("openssl/text.txt")
	sig, err := hex.DecodeString(strings.TrimSpace(string(read("openssl/rsa512.sha1.sign"))))
	require.NoError(t, err)
	require.NoError(t, public.VerifySHA1(sha1.Sum(text), sig))
	assert.ErrorIs(t, public.VerifySHA1(sha1.Sum(text[1:]), sig), shortrsa.ErrVerification)
	assert.ErrorIs(t, public.Verify(md5.Sum(text), sig), shortrsa.ErrVerification)
	for i := range sig {
		sig[i] ^= 1
		assert.ErrorIs(t, public.VerifySHA1(sha1.Sum(text), sig), shortrsa.ErrVerification)
		sig[i] ^= 1
	}
	// One byte too short for a SHA-1 signature, whatever it is.
	short := makeKey(t, 360, 65537)
	public, err = shortrsa.NewPublicKey(&short.PublicKey)
	require.NoError(t, err)
	assert.ErrorIs(t, public.VerifySHA1(sha1.Sum(text), make([]byte, 45)), shortrsa.ErrVerification)
}

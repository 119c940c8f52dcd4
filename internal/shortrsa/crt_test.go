package shortrsa_test

import (
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/shortrsa"
)

// assertSigns checks some signatures by a key against big.Int's arithmetic.
func assertSigns(t *testing.T, key *rsa.PrivateKey) {
	t.Helper()
	private, err := shortrsa.NewPrivateKey(key)
	require.NoError(t, err)
	for i := range 10 {
		digest := md5.Sum(fmt.Append(nil, i))
		sig, err := private.Sign(nil, digest[:], crypto.MD5)
		require.NoError(t, err)
		require.Equal(t, exponentiate(key, encoding(key.Size(), digest)), sig)
	}
}

func TestSignByPrimesOfAnyLength(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ p, q int }{
		{256, 256}, {256, 255}, {255, 256}, {256, 257}, {257, 255}, {256, 192}, {193, 256}, {192, 192}, {180, 181}, {64, 300}, {256, 128},
		{2, 400}, {400, 3}, {250, 262}, {320, 320}, {384, 384}, {511, 512}, {512, 511}, {400, 623},
	} {
		t.Run(fmt.Sprint(c.p, "+", c.q), func(t *testing.T) {
			for range 3 {
				p, q := makePrime(random, c.p, 17), makePrime(random, c.q, 17)
				if p.Cmp(q) != 0 {
					assertSigns(t, keyOf(17, p, q))
					assertSigns(t, keyOf(17, q, p))
				}
			}
		})
	}
}

// crypto/rsa and openssl sign the same; the test file with the benchmarks lets
// crypto/rsa do so.
func TestSignaturesEqualOthers(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	require.NoError(t, err)
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte("a=1b=2"), 0o600))
	digest := md5.Sum([]byte("a=1b=2"))
	random := rand.New(rand.NewPCG(3, 4))
	sizes := []int{512, 513, 1023}
	for range 12 {
		sizes = append(sizes, 512+random.IntN(512))
	}
	for _, bits := range sizes {
		key := makeKey(t, bits, 65537)
		sig, err := mustSigner(t, key).Sign(nil, digest[:], crypto.MD5)
		require.NoError(t, err)

		key.Precompute()
		want, err := rsa.SignPKCS1v15(nil, key, crypto.MD5, digest[:])
		require.NoError(t, err)
		assert.Equal(t, want, sig, "%d bits", bits)

		file := filepath.Join(dir, fmt.Sprint(bits))
		block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
		want, err = exec.CommandContext(t.Context(), openssl, "dgst", "-md5", "-sign", file, text).Output()
		require.NoError(t, err)
		assert.Equal(t, want, sig, "%d bits", bits)
	}
}

// A key whose primes don't serve signs by its exponent alone.
func TestSignWithoutUsablePrimes(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	prime := func(bits int) *big.Int { return makePrime(random, bits, 65537) }
	p, q := prime(256), prime(256)
	p1, p2, p3 := prime(128), prime(128), prime(256)
	negative := func(n *big.Int) *big.Int { return new(big.Int).Neg(n) }
	two := big.NewInt(2)
	for _, c := range []struct {
		name   string
		key    *rsa.PrivateKey
		primes []*big.Int
	}{
		{"none", keyOf(65537, p, q), nil},
		{"one", keyOf(65537, p, q), []*big.Int{p}},
		{"nil", keyOf(65537, p, q), []*big.Int{p, nil}},
		{"nil first", keyOf(65537, p, q), []*big.Int{nil, q}},
		{"one and n", keyOf(65537, p, q), []*big.Int{big.NewInt(1), new(big.Int).Mul(p, q)}},
		{"zero", keyOf(65537, p, q), []*big.Int{p, new(big.Int)}},
		{"negative", keyOf(65537, p, q), []*big.Int{negative(p), negative(q)}},
		{"one negative", keyOf(65537, p, q), []*big.Int{p, negative(q)}},
		{"wrong", keyOf(65537, p, q), []*big.Int{p, new(big.Int).Add(q, two)}},
		{"even", keyOf(65537, p, q), []*big.Int{p, new(big.Int).Add(q, big.NewInt(1))}},
		{"another key's", keyOf(65537, p, q), []*big.Int{p1, p3}},
		{"huge", keyOf(65537, p, q), []*big.Int{new(big.Int).Lsh(p, 5000), q}},
		{"three", keyOf(65537, p1, p2, p3), []*big.Int{p1, p2, p3}},
		{"composite", keyOf(65537, p1, p2, p3), []*big.Int{new(big.Int).Mul(p1, p2), p3}},
		{"both composite", keyOf(65537, p1, p2, prime(128), prime(129)), nil},
		{"equal", keyOf(65537, p, p), []*big.Int{p, p}},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := *c.key
			key.Primes = c.primes
			if c.name == "both composite" {
				all := c.key.Primes
				key.Primes = []*big.Int{new(big.Int).Mul(all[0], all[3]), new(big.Int).Mul(all[1], all[2])}
			}
			assertSigns(t, &key)
		})
	}
}

// Values that the key brings along, by which crypto/rsa goes, are not looked at.
func TestSignIgnoresPrecomputedValues(t *testing.T) {
	key := makeKey(t, 512, 65537)
	key.Precomputed = rsa.PrecomputedValues{Dp: big.NewInt(3), Dq: big.NewInt(5), Qinv: big.NewInt(7)}
	assertSigns(t, key)
}

// The exponent is taken modulo whatever makes it work, but no wrong one is.
func TestPrivateExponent(t *testing.T) {
	key := makeKey(t, 512, 65537)
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(key.Primes[0], one), new(big.Int).Sub(key.Primes[1], one))
	lambda := new(big.Int).Div(phi, new(big.Int).GCD(nil, nil, new(big.Int).Sub(key.Primes[0], one), new(big.Int).Sub(key.Primes[1], one)))
	for d := new(big.Int).Mod(key.D, lambda); d.Cmp(key.N) < 0; d = new(big.Int).Add(d, lambda) {
		other := *key
		other.D = d
		assertSigns(t, &other)
	}
	for _, primes := range [][]*big.Int{key.Primes, nil} {
		for _, d := range []*big.Int{one, big.NewInt(2), big.NewInt(65537), new(big.Int).Add(key.D, one), new(big.Int).Xor(key.D, new(big.Int).Lsh(one, 300))} {
			private, err := shortrsa.NewPrivateKey(&rsa.PrivateKey{PublicKey: key.PublicKey, D: d, Primes: primes})
			assert.ErrorContains(t, err, "doesn't belong to its public part")
			assert.Nil(t, private)
		}
		private, err := shortrsa.NewPrivateKey(&rsa.PrivateKey{PublicKey: rsa.PublicKey{N: key.N, E: 17}, D: key.D, Primes: primes})
		assert.ErrorContains(t, err, "doesn't belong to its public part")
		assert.Nil(t, private)
	}
}

package shortrsa

import (
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"math/big"
	"slices"
	"testing"

	"filippo.io/bigmod"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func number(tb testing.TB, hex string) *big.Int {
	tb.Helper()
	n, ok := new(big.Int).SetString(hex, 16)
	require.True(tb, ok)
	return n
}

func nextPrime(n *big.Int, e int64) *big.Int {
	n = new(big.Int).Set(n)
	for n.SetBit(n, 0, 1); ; n.Add(n, big.NewInt(2)) {
		if n.ProbablyPrime(10) && new(big.Int).Mod(n, big.NewInt(e)).Cmp(big.NewInt(1)) != 0 {
			return n
		}
	}
}

// testKey has primes of 256 bits, or of 300, for which the field is too narrow.
func testKey(tb testing.TB, bits uint) *rsa.PrivateKey {
	tb.Helper()
	seed := number(tb, "e9f07b5bd0fd86bb9ae0e8fe0e9b0d1fd3a5c1f7e0b49d86a1c2e3f405162739")
	p := nextPrime(seed.Lsh(seed, bits-256), 65537)
	q := nextPrime(new(big.Int).Sub(p, new(big.Int).Lsh(big.NewInt(12345), bits-20)), 65537)
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	return &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D:         new(big.Int).ModInverse(big.NewInt(65537), phi),
		Primes:    []*big.Int{p, q},
	}
}

// flip changes one bit of a number modulo m.
func flip(n *bigmod.Nat, bit int) { n.Bits()[bit/64%len(n.Bits())] ^= 1 << (bit % 32) }

// faults are what radiation, or somebody with a hammer, may do to the numbers by
// which the halves are calculated and put together.
var faults = map[string]func(c *crt, bit int){
	"exponent of p":   func(c *crt, bit int) { c.p.d[bit/8] ^= 1 << (bit % 8) },
	"exponent of q":   func(c *crt, bit int) { c.q.d[bit/8] ^= 1 << (bit % 8) },
	"1/q":             func(c *crt, bit int) { flip(c.qInv, bit) },
	"q":               func(c *crt, bit int) { flip(c.qN, bit) },
	"halves swapped":  func(c *crt, _ int) { c.p.d, c.q.d, c.p.field, c.q.field = c.q.d, c.p.d, c.q.field, c.p.field },
	"field's modulus": func(c *crt, bit int) { c.p.field.m[bit/64] ^= 1 << (bit % 64) },
	"field's inverse": func(c *crt, bit int) { c.q.field.inv ^= 1 << (bit % 64) },
	"field's R":       func(c *crt, bit int) { c.p.field.r1[bit/64] ^= 1 << (bit % 64) },
	"field's R²":      func(c *crt, bit int) { c.q.field.r2[bit/64] ^= 1 << (bit % 64) },
	"field's R³":      func(c *crt, bit int) { c.p.field.r3[bit/64] ^= 1 << (bit % 64) },
	"field's power":   func(c *crt, bit int) { c.q.field.d[bit/64] ^= 1 << (bit % 64) },
}

// whenUnused are faults in what only the other kind of half reads.
func whenUnused(name string, narrow bool) bool {
	return narrow == (name == "exponent of p" || name == "exponent of q") && name != "halves swapped" && name != "1/q" && name != "q"
}

func TestFaultsDontLeave(t *testing.T) {
	digest := md5.Sum([]byte("a=1b=2"))
	for _, bits := range []uint{256, 300} {
		key := testKey(t, bits)
		good, err := NewPrivateKey(key)
		require.NoError(t, err)
		require.Len(t, good.powers, 2)
		want, err := good.Sign(nil, digest[:], crypto.MD5)
		require.NoError(t, err)
		plain := good.powers[1]
		m := good.encode(digest[:])
		for name, fault := range faults {
			if whenUnused(name, bits == 256) {
				continue
			}
			for bit := range 256 {
				c := newCRT(key, good.public.n)
				require.NotNil(t, c)
				require.Equal(t, bits == 256, c.p.field != nil)
				fault(c, bit)
				wrong := c.power(m)
				if good.public.reverses(wrong, m) {
					// A bit above the modulus, or one that is lost.
					require.Equal(t, want, wrong.Bytes(good.public.n), "%s, bit %d", name, bit)
					continue
				}
				faulty := &PrivateKey{public: good.public, modulus: good.modulus, powers: []func(*bigmod.Nat) *bigmod.Nat{c.power, plain}}
				sig, err := faulty.Sign(nil, digest[:], crypto.MD5)
				require.NoError(t, err)
				require.Equal(t, want, sig, "%s, bit %d", name, bit)

				faulty.powers = faulty.powers[:1]
				sig, err = faulty.Sign(nil, digest[:], crypto.MD5)
				require.ErrorIs(t, err, errNotReversed)
				require.Nil(t, sig)
			}
		}
	}
}

// Without the check the faults would tell the key: this is what they are about.
func TestAFaultTellsThePrimes(t *testing.T) {
	key := testKey(t, 256)
	k, err := NewPrivateKey(key)
	require.NoError(t, err)
	digest := md5.Sum([]byte("a=1b=2"))
	m := k.encode(digest[:])
	c := newCRT(key, k.public.n)
	c.p.field.d[1] ^= 4
	s := new(big.Int).SetBytes(c.power(m).Bytes(k.public.n))
	s.Exp(s, big.NewInt(65537), key.N)
	s.Sub(s, new(big.Int).SetBytes(m.Bytes(k.public.n))).Abs(s)
	factor := new(big.Int).GCD(nil, nil, s, key.N)
	assert.True(t, slices.ContainsFunc(key.Primes, func(p *big.Int) bool { return p.Cmp(factor) == 0 }))
}

// Primes that fail the trial aren't tried again at each signature.
func TestOnlyTheWaysThatWorkAreKept(t *testing.T) {
	key := testKey(t, 256)
	composite := *key
	p, q := nextPrime(number(t, "e9f07b5bd0fd86bb9ae0e8fe0e9b0d1f"), 65537), nextPrime(number(t, "d3a5c1f7e0b49d86a1c2e3f405162739"), 65537)
	one := big.NewInt(1)
	composite.Primes = []*big.Int{new(big.Int).Mul(p, q), key.Primes[0]}
	composite.N = new(big.Int).Mul(composite.Primes[0], composite.Primes[1])
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	phi.Mul(phi, new(big.Int).Sub(key.Primes[0], one))
	composite.D = new(big.Int).ModInverse(big.NewInt(65537), phi)
	public, err := NewPublicKey(&composite.PublicKey)
	require.NoError(t, err)
	require.NotNil(t, newCRT(&composite, public.n), "its product and inverse look right")
	k, err := NewPrivateKey(&composite)
	require.NoError(t, err)
	assert.Len(t, k.powers, 1)
}

func TestField256(t *testing.T) {
	high := new(big.Int).Lsh(big.NewInt(1), 256)
	numbers := []*big.Int{
		new(big.Int), big.NewInt(1), big.NewInt(2), big.NewInt(15), big.NewInt(16), new(big.Int).Lsh(big.NewInt(1), 255),
		new(big.Int).Sub(high, big.NewInt(1)), new(big.Int).Sub(high, big.NewInt(189)), number(t, "ffffffffffffffff0000000000000000ffffffffffffffff0000000000000000"),
		number(t, "0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff"), testKey(t, 256).Primes[0],
	}
	for _, m := range []*big.Int{
		big.NewInt(3), big.NewInt(5), new(big.Int).Sub(high, big.NewInt(1)), new(big.Int).Sub(high, big.NewInt(189)),
		number(t, "10000000000000001"), number(t, "8000000000000000000000000000000000000000000000000000000000000001"), testKey(t, 256).Primes[1],
	} {
		for _, d := range numbers {
			for _, above := range numbers {
				for _, below := range numbers {
					base := new(big.Int).Or(new(big.Int).Lsh(above, 256), below)
					assertPower(t, m, d, base)
				}
			}
			for _, base := range []*big.Int{m, new(big.Int).Sub(m, big.NewInt(1)), new(big.Int).Mul(m, m), new(big.Int).Lsh(m, 256)} {
				assertPower(t, m, d, base)
			}
		}
	}
}

func assertPower(t *testing.T, m, d, base *big.Int) {
	t.Helper()
	got := newField256(m, d).power(base.FillBytes(make([]byte, 64)))
	if want := new(big.Int).Exp(base, d, m); new(big.Int).SetBytes(got[:]).Cmp(want) != 0 {
		t.Fatalf("%x^%x modulo %x is %x, not %x", base, d, m, want, got)
	}
}

func FuzzField256(f *testing.F) {
	f.Add([]byte{3}, []byte{2}, []byte{1})
	f.Add(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)).Bytes(), []byte{0xff}, []byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, m, d, base []byte) {
		modulus := new(big.Int).SetBytes(m[:min(len(m), 32)])
		if modulus.SetBit(modulus, 0, 1).Cmp(big.NewInt(1)) > 0 {
			assertPower(t, modulus, new(big.Int).SetBytes(d[:min(len(d), 32)]), new(big.Int).SetBytes(base[:min(len(base), 64)]))
		}
	})
}

package shortrsa

import (
	"crypto/rsa"
	"math/big"

	"filippo.io/bigmod"
)

// crt raises to the private exponent modulo each of the two primes, and puts the
// results together by the Chinese remainder theorem (RFC 8017, section 5.1.2, step
// 2b), which takes a quarter of the time.
//
// If only one of the halves is wrong, the result tells the primes to whoever has the
// public key (Boneh, DeMillo and Lipton, 1997). So no result leaves unchecked.
type crt struct {
	n    *bigmod.Modulus
	p, q half        // p is the larger one.
	qInv *bigmod.Nat // 1/q modulo p
	qN   *bigmod.Nat // q modulo n
}

// half is the exponentiation modulo one of the primes. The field is nil where the
// prime is too long for it.
type half struct {
	m     *bigmod.Modulus
	d     []byte
	field *field256
}

// newCRT returns nil if the key doesn't have just two primes fit for it. It doesn't
// check that they are primes.
//
// Only the time of this depends on the key, and it happens once.
func newCRT(key *rsa.PrivateKey, n *bigmod.Modulus) *crt {
	if len(key.Primes) != 2 || key.Primes[0] == nil || key.Primes[1] == nil {
		return nil
	}
	p, q := key.Primes[0], key.Primes[1]
	if p.Cmp(q) < 0 {
		p, q = q, p
	}
	inverse := new(big.Int)
	if q.Cmp(big.NewInt(1)) <= 0 || new(big.Int).Mul(p, q).Cmp(key.N) != 0 || inverse.ModInverse(q, p) == nil {
		return nil
	}
	c := &crt{n: n, p: newHalf(p, key), q: newHalf(q, key)}
	c.qInv, _ = bigmod.NewNat().SetBytes(inverse.Bytes(), c.p.m)
	c.qN, _ = bigmod.NewNat().SetBytes(q.Bytes(), n)
	return c
}

func newHalf(prime *big.Int, key *rsa.PrivateKey) half {
	d := new(big.Int).Sub(prime, big.NewInt(1))
	d.Mod(key.D, d)
	m, _ := bigmod.NewModulus(prime.Bytes())
	h := half{m: m, d: d.FillBytes(make([]byte, m.Size()))}
	if prime.BitLen() <= 256 && key.N.BitLen() <= 512 {
		h.field = newField256(prime, d)
	}
	return h
}

func (h half) power(base *bigmod.Nat, n *bigmod.Modulus) *bigmod.Nat {
	if h.field == nil {
		return bigmod.NewNat().Exp(bigmod.NewNat().Mod(base, h.m), h.d, h.m)
	}
	var buf [64]byte
	copy(buf[64-n.Size():], base.Bytes(n))
	result := h.field.power(buf[:])
	r, err := bigmod.NewNat().SetBytes(result[32-h.m.Size():], h.m)
	if err != nil {
		return bigmod.NewNat().ExpandFor(h.m) // Wrong as well, as the check will find.
	}
	return r
}

func (c *crt) power(base *bigmod.Nat) *bigmod.Nat {
	m, m2 := c.p.power(base, c.n), c.q.power(base, c.n)
	m.Sub(m2.ExpandFor(c.p.m), c.p.m).Mul(c.qInv, c.p.m)
	return m.ExpandFor(c.n).Mul(c.qN, c.n).Add(m2.ExpandFor(c.n), c.n)
}

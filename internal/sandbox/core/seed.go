package core

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"time"
)

// What a gateway with a seed makes up is drawn from the seed and from what it is for, and not
// from one stream: then a page that somebody opens, or a notification that is sent again,
// doesn't change what comes after it.

// draw returns what the seed has for something.
func (g *Gateway) draw(what string, of any) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %s %v", g.config.Seed, what, of))
}

func (g *Gateway) drawUUID(what string, serial int) string {
	drawn := g.draw(what, serial)
	return hex.EncodeToString(drawn[:16])
}

// NewUUID returns a name that can't be guessed, unless the gateway has a seed.
func (tx *Tx) NewUUID() string {
	if tx.g.config.Seed == "" {
		return NewUUID()
	}
	return tx.g.drawUUID("name", tx.NextSerial())
}

// UUIDOf returns a name for something that there is once for an order. A gateway without a
// seed returns another one each time.
func (g *Gateway) UUIDOf(o *Entry, what string) string {
	if g.config.Seed == "" {
		return NewUUID()
	}
	return g.drawUUID(what, o.Serial)
}

// numberTime is the time in Ksher's numbers: the gateway's, or one of the seed's.
func (g *Gateway) numberTime() time.Time {
	if g.config.Seed == "" {
		return g.now().In(numberZone)
	}
	drawn := g.draw("time", "")
	const year = 365 * 24 * 60 * 60
	seconds := new(big.Int).Mod(new(big.Int).SetBytes(drawn[:]), big.NewInt(year)).Int64()
	return time.Date(2025, 1, 1, 0, 0, int(seconds), 0, numberZone)
}

// drawKey makes a merchant's key, as rsa.GenerateKey doesn't do with a given randomness.
func (g *Gateway) drawKey(appID string) *rsa.PrivateKey {
	random := rand.NewChaCha8(g.draw("key", appID))
	e := big.NewInt(65537)
	for {
		p, q := drawPrime(random), drawPrime(random)
		one := big.NewInt(1)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(e, phi)
		if d == nil {
			continue
		}
		key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: int(e.Int64())}, D: d, Primes: []*big.Int{p, q}}
		key.Precompute()
		if key.Validate() == nil {
			return key
		}
	}
}

// drawPrime returns a prime of half the length of a merchant's key.
func drawPrime(random *rand.ChaCha8) *big.Int {
	text := make([]byte, merchantKeyBits/2/8)
	for {
		random.Read(text)
		text[0] |= 0xc0 // So that the product of two is long enough.
		if p := new(big.Int).SetBytes(text); p.ProbablyPrime(20) {
			return p
		}
	}
}

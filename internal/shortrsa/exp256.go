package shortrsa

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// limbs is a number below 2^256, its lowest 64 bits first.
type limbs [4]uint64

// field256 raises to one exponent modulo one odd number of at most 256 bits, in a
// time that depends on none of them. bigmod does the same for numbers of any length,
// and takes twice as long for those of a 512-bit key. Whatever is wrong here can't
// leave a signature wrong, because Sign checks each with bigmod.
//
// Numbers are in Montgomery's form: n stands as n·R modulo m, with R = 2^256.
type field256 struct {
	m      limbs
	inv    uint64 // -1/m modulo 2^64
	r1     limbs  // R, which is 1 in Montgomery's form
	r2, r3 limbs  // R² and R³ modulo m
	d      limbs  // the exponent
}

func newField256(m, d *big.Int) *field256 {
	power := func(k uint) limbs {
		r := new(big.Int).Lsh(big.NewInt(1), 256*k)
		return limbsOf(r.Mod(r, m))
	}
	f := &field256{m: limbsOf(m), r1: power(1), r2: power(2), r3: power(3), d: limbsOf(d)}
	// Newton's iteration: each turn doubles the lowest bits that are right, three
	// of them to begin with.
	inverse := f.m[0]
	for range 5 {
		inverse *= 2 - f.m[0]*inverse
	}
	f.inv = -inverse
	return f
}

func limbsOf(n *big.Int) limbs {
	var b [32]byte
	return readLimbs(n.FillBytes(b[:]))
}

// readLimbs reads 32 bytes, the highest first.
func readLimbs(b []byte) (n limbs) {
	for i := range n {
		n[i] = binary.BigEndian.Uint64(b[24-8*i:])
	}
	return n
}

func (n *limbs) bytes() (b [32]byte) {
	for i, limb := range n {
		binary.BigEndian.PutUint64(b[24-8*i:], limb)
	}
	return b
}

// power raises a number of 64 bytes, the highest first, to the exponent.
func (f *field256) power(base []byte) [32]byte {
	// high·R + low in Montgomery's form is high·R² + low·R.
	high, low := readLimbs(base), readLimbs(base[32:])
	f.mul(&high, &high, &f.r3)
	f.mul(&low, &low, &f.r2)
	var table [16]limbs
	table[0] = f.r1
	table[1] = f.add(&high, &low)
	for i := 2; i < len(table); i++ {
		f.mul(&table[i], &table[i-1], &table[1])
	}
	out := f.r1
	for i := len(f.d) - 1; i >= 0; i-- {
		for shift := 60; shift >= 0; shift -= 4 {
			for range 4 {
				f.mul(&out, &out, &out)
			}
			digit := choose(&table, f.d[i]>>shift&15)
			f.mul(&out, &out, &digit)
		}
	}
	f.mul(&out, &out, &limbs{1})
	return out.bytes()
}

// choose reads the whole table, so that the cache doesn't tell which entry was
// wanted.
func choose(table *[16]limbs, wanted uint64) (n limbs) {
	for i := range table {
		different := uint64(i) ^ wanted
		mask := -((different - 1) >> 63) // All ones where nothing differs.
		n[0] |= table[i][0] & mask
		n[1] |= table[i][1] & mask
		n[2] |= table[i][2] & mask
		n[3] |= table[i][3] & mask
	}
	return n
}

// mul sets out to x·y/R. One of x and y has to be below m, the other may be any.
func (f *field256) mul(out, x, y *limbs) {
	m := &f.m
	var t0, t1, t2, t3, t4 uint64
	for _, d := range x {
		var c, c2, t5 uint64
		t0, c = mulAdd(d, y[0], t0, 0)
		t1, c = mulAdd(d, y[1], t1, c)
		t2, c = mulAdd(d, y[2], t2, c)
		t3, c = mulAdd(d, y[3], t3, c)
		t4, t5 = bits.Add64(t4, c, 0)

		q := t0 * f.inv // Makes the lowest limb zero, which is then dropped.
		_, c2 = mulAdd(q, m[0], t0, 0)
		t0, c2 = mulAdd(q, m[1], t1, c2)
		t1, c2 = mulAdd(q, m[2], t2, c2)
		t2, c2 = mulAdd(q, m[3], t3, c2)
		t3, c2 = bits.Add64(t4, c2, 0)
		t4 = t5 + c2
	}
	*out = f.reduce(&limbs{t0, t1, t2, t3}, t4)
}

// mulAdd returns x·y + a + b.
func mulAdd(x, y, a, b uint64) (low, high uint64) {
	high, low = bits.Mul64(x, y)
	low, c := bits.Add64(low, a, 0)
	high += c
	low, c = bits.Add64(low, b, 0)
	return low, high + c
}

// add returns x + y, both of which have to be below m.
func (f *field256) add(x, y *limbs) limbs {
	var sum limbs
	var c uint64
	for i := range sum {
		sum[i], c = bits.Add64(x[i], y[i], c)
	}
	return f.reduce(&sum, c)
}

// reduce subtracts m from a number below 2m, of which over is the part above 2^256,
// unless the number is below m.
func (f *field256) reduce(n *limbs, over uint64) limbs {
	d0, b := bits.Sub64(n[0], f.m[0], 0)
	d1, b := bits.Sub64(n[1], f.m[1], b)
	d2, b := bits.Sub64(n[2], f.m[2], b)
	d3, b := bits.Sub64(n[3], f.m[3], b)
	_, below := bits.Sub64(over, 0, b)
	mask := -below // All ones where n is below m.
	return limbs{d0 ^ mask&(d0^n[0]), d1 ^ mask&(d1^n[1]), d2 ^ mask&(d2^n[2]), d3 ^ mask&(d3^n[3])}
}

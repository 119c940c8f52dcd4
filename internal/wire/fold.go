package wire

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"sync"
	"unicode"
	"unicode/utf8"
)

// seed makes it impossible to choose names that get into each other's way.
var seed = maphash.MakeSeed()

// checkTwice refuses a name that occurs twice. Names that differ only in case count
// as the same: a merchant who reads the raw data with encoding/json, which ignores
// case, would see one of the two at random.
//
// It looks at each name a few times at most, because anybody can send a
// notification, and this comes before its signature is checked.
func checkTwice(names [][]byte) error {
	const few = 4
	if len(names) > few {
		return checkManyTwice(names)
	}
	for i, name := range names {
		for _, before := range names[:i] {
			if bytes.EqualFold(before, name) && (string(before) == string(name) || string(before) != besideAppID && string(name) != besideAppID) {
				return duplicate(name)
			}
		}
	}
	return nil
}

// checkMembers is checkTwice for sorted members, quick for ordinary ones.
func checkMembers(members []Member) error {
	var special [2][]byte
	n := 0
	for i, m := range members {
		if i > 0 && bytes.Equal(members[i-1].Name, m.Name) {
			return duplicate(m.Name)
		}
		if mayHaveTwin(m.Name) {
			if n < len(special) {
				special[n] = m.Name
			}
			n++
		}
	}
	if n > len(special) {
		names := make([][]byte, len(members))
		for i, m := range members {
			names[i] = m.Name
		}
		return checkTwice(names)
	}
	for _, name := range special[:n] {
		for _, m := range members {
			if bytes.EqualFold(m.Name, name) && string(m.Name) != string(name) && string(m.Name) != besideAppID {
				return duplicate(name)
			}
		}
	}
	return nil
}

// mayHaveTwin tells whether a name may equal another but for its case, seen from
// the one of the two that isn't in small ASCII letters.
func mayHaveTwin(name []byte) bool {
	for _, c := range name {
		if c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return string(name) != besideAppID
		}
	}
	return false
}

// checkManyTwice is checkTwice with a table of what was seen.
func checkManyTwice(names [][]byte) error {
	// On the stack for all but unusual objects.
	var (
		text   [512]byte
		starts [48]int
		slots  [128]int32
	)
	folded, at, table := text[:0], starts[:0], slots[:]
	if size := 1 << bits.Len(uint(2*len(names))); size > len(table) {
		table = make([]int32, size)
		at = make([]int, 0, len(names))
		folded = make([]byte, 0, 16*len(names))
	}
	for _, name := range names {
		start := len(folded)
		if string(name) == besideAppID {
			folded = append(folded, besideAppID...) // No folded name has a small letter of ASCII.
		} else {
			folded = appendFolded(folded, name)
		}
		key := folded[start:]
		at = append(at, start)
		slot := int(maphash.Bytes(seed, key)) & (len(table) - 1)
		for ; table[slot] != 0; slot = (slot + 1) & (len(table) - 1) {
			before := folded[at[table[slot]-1]:at[table[slot]]]
			if bytes.Equal(before, key) {
				return duplicate(name)
			}
		}
		table[slot] = int32(len(at))
	}
	return nil
}

// besideAppID is WeChat's name, which may stand beside Ksher's appid.
const besideAppID = "appId"

// appendFolded appends a text so that two come out the same if and only if
// bytes.EqualFold takes them for equal.
func appendFolded(dst, s []byte) []byte {
	var table *foldPages
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if 'a' <= c && c <= 'z' {
				c -= 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		if table == nil {
			table = foldTable()
		}
		r, n := utf8.DecodeRune(s[i:])
		if page := table[r>>8]; page != nil {
			r = page[r&0xff]
		}
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst
}

type foldPages [unicode.MaxRune>>8 + 1]*[256]rune

// foldTable has the smallest of the letters that differ from each other in case
// only, for the pages of 256 characters in which there are any: unicode.SimpleFold
// is too slow to be asked by strangers.
var foldTable = sync.OnceValue(func() *foldPages {
	pages := new(foldPages)
	for _, cases := range unicode.CaseRanges {
		for r := rune(cases.Lo); r <= rune(cases.Hi); r++ {
			page := pages[r>>8]
			if page == nil {
				page = new([256]rune)
				for i := range page {
					page[i] = r&^0xff | rune(i)
				}
				pages[r>>8] = page
			}
			least := r
			for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
				least = min(least, other)
			}
			page[r&0xff] = least
		}
	}
	return pages
})

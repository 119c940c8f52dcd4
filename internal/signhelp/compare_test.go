package signhelp_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/signhelp"
)

// drawn is a comparison on one line: [-missing-], {+extra+}, names in angle brackets.
func drawn(c signhelp.Comparison) string {
	var b strings.Builder
	for _, p := range c.Pieces {
		text := p.Text
		if p.Name != "" {
			text = "<" + p.Name + ">"
		}
		switch p.Place {
		case signhelp.Missing:
			text = "[-" + text + "-]"
		case signhelp.Extra:
			text = "{+" + text + "+}"
		}
		b.WriteString(text)
	}
	return b.String()
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct{ right, other, want, first string }{
		{"", "", "", ""},
		{"a=1b=2", "a=1b=2", "a=1b=2", ""},
		{"a=1b=2", "a=1&b=2", "a=1{+&+}b=2", `After 3 characters the right text has "b", and yours has "&".`},
		{"a=1b=2", "a=1b=2\n", "a=1b=2{+<line feed>+}", "The right text ends after 6 characters, and yours goes on with a character that can't be seen: line feed."},
		{"a=1b=2", "a=1", "a=1[-b=2-]", `Your text ends after 3 characters, and the right one goes on with "b".`},
		{"a=1", "\ufeffa=1", "{+<byte order mark>+}a=1", `After 0 characters the right text has "a", and yours has a character that can't be seen: byte order mark.`},
		{"a=x y", "a=x\u00a0y", "a=x[- -]{+<no-break space>+}y", `After 3 characters the right text has " ", and yours has a character that can't be seen: no-break space.`},
		{"a=xy", "a=x\u200by", "a=x{+<zero-width space>+}y", `After 3 characters the right text has "y", and yours has a character that can't be seen: zero-width space.`},
		{"a=ชา", "a=ชา\u200d", "a=ชา{+<zero-width joiner>+}", "The right text ends after 4 characters, and yours goes on with a character that can't be seen: zero-width joiner."},
		{"a=é", "a=\xe9", "a=[-é-]{+<byte e9, which isn't UTF-8>+}", `After 2 characters the right text has "é", and yours has a character that can't be seen: byte e9, which isn't UTF-8.`},
		{"a=1b=2c=3", "a=1c=3d=4", "a=1[-b=2-]c=3{+d=4+}", `After 3 characters the right text has "b", and yours has "c".`},
		{"a\u202eb", "ab", "a[-<U+202E>-]b", `After 1 characters the right text has a character that can't be seen: U+202E, and yours has "b".`},
	} {
		c := signhelp.Compare(tt.right, tt.other)
		assert.Equal(t, tt.right == tt.other, c.Same)
		assert.Equal(t, tt.want, drawn(c))
		assert.Equal(t, tt.first, c.First)
		assert.False(t, c.Cut)
	}
}

// Texts that have nothing in common, or are long, take no more time and space.
func TestCompareIsBounded(t *testing.T) {
	c := signhelp.Compare("<"+strings.Repeat("ab", 1000)+">", "<"+strings.Repeat("cd", 1000)+">")
	assert.Len(t, c.Pieces, 4, "all of one, all of the other")
	long := strings.Repeat("a", signhelp.MaxCompared)
	c = signhelp.Compare(long+"b", long+"c")
	assert.True(t, c.Cut)
	assert.False(t, c.Same)
	assert.Contains(t, c.First, "Behind what was compared")
	c = signhelp.Compare(strings.Repeat("\n", 1<<20), "")
	assert.LessOrEqual(t, len(c.Pieces), signhelp.MaxCompared)
}

// Both texts are in the pieces, whatever they are.
func FuzzCompare(f *testing.F) {
	f.Add("a=1b=2", "b=2a=1")
	f.Add("kitten\u00a0", "sitting\xff")
	f.Add("", "\ufeff\n")
	f.Add(strings.Repeat("ab", 300), strings.Repeat("ba", 500))
	f.Fuzz(func(t *testing.T, right, other string) {
		c := signhelp.Compare(right, other)
		require.Equal(t, right == other, c.Same)
		require.Equal(t, c.Same, c.First == "")
		lengths := map[signhelp.Place]int{}
		var both [2]strings.Builder
		for _, p := range c.Pieces {
			require.True(t, utf8.ValidString(p.Text))
			text := p.Text
			if p.Name != "" {
				text = "?"
			}
			lengths[p.Place] += utf8.RuneCountInString(text)
			if p.Place != signhelp.Extra {
				both[0].WriteString(p.Text)
			}
			if p.Place != signhelp.Missing {
				both[1].WriteString(p.Text)
			}
		}
		if c.Cut {
			return
		}
		require.Equal(t, utf8.RuneCountInString(right), lengths[signhelp.Both]+lengths[signhelp.Missing])
		require.Equal(t, utf8.RuneCountInString(other), lengths[signhelp.Both]+lengths[signhelp.Extra])
		for i, text := range []string{right, other} {
			require.Equal(t, drawn(signhelp.Compare(text, text)) == text, both[i].String() == text)
		}
	})
}

package wire

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestFold(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		if utf8.ValidRune(r) {
			folded := appendFolded(nil, []byte(string(r)))
			require.Equal(t, string(appendFolded(nil, []byte(string(least)))), string(folded), "%U", r)
			require.True(t, bytes.EqualFold(folded, []byte(string(r))), "%U", r)
		}
	}
}

// Whichever way a name is looked for, it is found if and only if EqualFold finds it.
func TestCheckTwice(t *testing.T) {
	names := []string{"appid", "appId", "appID", "APPID", "", "a", "A", "b", "k", "\u212a", "ſ", "S", "ı", "İ", "i", "ж", "Ж", "straße", "STRASSE", "a1", "A1", "ǅ", "ǆ"}
	for _, one := range names {
		for _, other := range names {
			twice := one == other || strings.EqualFold(one, other) && one != besideAppID && other != besideAppID
			for _, between := range []int{0, 1, 3, 62, 200} {
				list := [][]byte{[]byte(one)}
				for i := range between {
					list = append(list, fmt.Appendf(nil, "name %d", i))
				}
				list = append(list, []byte(other))
				require.Equal(t, twice, checkTwice(list) != nil, "%q %q %d", one, other, between)
				for _, capital := range []string{"x", "X1", "X2"} { // As many as the quick way takes, and more.
					list = append(list, []byte(capital))
					var members []Member
					for _, name := range list {
						members = append(members, Member{Name: name})
					}
					new(parser).sortMembers(members)
					require.Equal(t, twice, checkMembers(members) != nil, "%q %q %d %s", one, other, between, capital)
				}
			}
		}
	}
}

package check

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// ChannelParams are the parameters of requests that name channels.
var ChannelParams = []string{"channel", "pay_channel", "channel_list", "instal_fee_payer_merchant_channel_list", "channel_instal_times_list"}

// Channels has what one of them names: a list with commas, or the members of an object.
// Blanks around one are no matter of its name.
func Channels(value string) (channels []string) {
	var members map[string]json.RawMessage
	names := strings.Split(value, ",")
	if json.Unmarshal([]byte(value), &members) == nil {
		names = slices.Sorted(maps.Keys(members))
	}
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "" {
			channels = append(channels, name)
		}
	}
	return channels
}

// Nearest returns the name that a word is most like, whatever the case and the characters
// between letters and digits, and "" if none is near.
func Nearest(word string, names []string) string {
	const longest = 64 // Work is bounded: nothing as long is near.
	if len(word) > longest {
		return ""
	}
	bare := func(s string) []rune {
		return []rune(strings.Map(func(r rune) rune {
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				return -1
			}
			return unicode.ToLower(r)
		}, s))
	}
	w := bare(word)
	best, least := "", 1+len(w)/3
	for _, name := range names {
		if d := distance(w, bare(name)); d <= least {
			best, least = name, d-1
		}
	}
	return best
}

// distance is how many characters have to be put in, taken out or changed to make b of a.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			change := diagonal
			if x != y {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

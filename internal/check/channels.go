package check

import (
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
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

// Warnings remembers which unknown channels a client has warned of. Its zero value is ready
// for use.
type Warnings struct {
	mu   sync.Mutex
	seen map[string]bool
}

// maxWarnings bounds how many channels are remembered: a merchant may take them from a buyer.
const maxWarnings = 100

// first tells whether the channel wasn't warned of before.
func (w *Warnings) first(channel string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[channel] || len(w.seen) == maxWarnings {
		return false
	}
	if w.seen == nil {
		w.seen = make(map[string]bool)
	}
	w.seen[channel] = true
	return true
}

// OfChannels logs the channels of a request that aren't among the known ones. They are
// sent, because Ksher may know them, but a misspelled one takes no payments.
func (w *Warnings) OfChannels(log *slog.Logger, operation string, params []wire.Param, known []string) {
	for _, p := range params {
		if !slices.Contains(ChannelParams, p.Name) {
			continue
		}
		for _, name := range Channels(p.Value) {
			if slices.Contains(known, name) || !w.first(name) {
				continue
			}
			log.Warn("ksher: a channel is unknown to this library and sent as it is",
				slog.String("operation", operation), slog.String("channel", transport.Clip(name)), slog.String("nearest", Nearest(name, known)))
		}
	}
}

package signhelp

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxCompared is how many bytes of each text [Compare] looks at.
	MaxCompared = 16 << 10
	// maxDistance is how many characters are told apart one by one between two texts, so
	// that comparing takes a bounded time.
	maxDistance = 400
)

// Place says in which of two texts a piece is.
type Place string

// In both texts, only in the right one, or only in the other.
const (
	Both    Place = "both"
	Missing Place = "missing"
	Extra   Place = "extra"
)

// Piece is a part of two texts.
type Piece struct {
	Place Place
	// Text is what is there, or a sign for one character that can't be seen.
	Text string
	// Name is that of a character that can't be seen, "" for others.
	Name string
}

// Comparison is how a text differs from the right one.
type Comparison struct {
	// Same says that it doesn't.
	Same bool
	// First says what the first difference is, "" for none.
	First  string
	Pieces []Piece
	// Cut says that only the beginnings were compared.
	Cut bool
}

// Compare compares a text with the right one, character by character.
func Compare(right, other string) Comparison {
	c := Comparison{Same: right == other}
	c.Cut = len(right) > MaxCompared || len(other) > MaxCompared
	a, b := characters(right), characters(other)
	start, end := 0, 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	if !c.Same {
		c.First = firstDifference(a, b, start)
	}
	c.add(Both, a[:start])
	c.middle(a[start:len(a)-end], b[start:len(b)-end])
	c.add(Both, a[len(a)-end:])
	return c
}

// characters are those of a text. A byte that isn't UTF-8 is one of its own.
func characters(text string) (all []string) {
	text = text[:min(len(text), MaxCompared)]
	for text != "" {
		_, size := utf8.DecodeRuneInString(text)
		all = append(all, text[:size])
		text = text[size:]
	}
	return all
}

func firstDifference(right, other []string, at int) string {
	switch {
	case at == len(right) && at == len(other):
		return "Behind what was compared."
	case at == len(right):
		return fmt.Sprintf("The right text ends after %d characters, and yours goes on with %s.", at, described(other[at]))
	case at == len(other):
		return fmt.Sprintf("Your text ends after %d characters, and the right one goes on with %s.", at, described(right[at]))
	}
	return fmt.Sprintf("After %d characters the right text has %s, and yours has %s.", at, described(right[at]), described(other[at]))
}

// described is a character in words.
func described(character string) string {
	if _, name := visible(character); name != "" {
		return "a character that can't be seen: " + name
	}
	return fmt.Sprintf("%q", character)
}

// middle adds the pieces of two texts that begin and end with something else.
func (c *Comparison) middle(right, other []string) {
	script, ok := shortest(right, other)
	if !ok {
		c.add(Missing, right)
		c.add(Extra, other)
		return
	}
	for _, step := range script {
		switch step {
		case Missing:
			c.add(step, right[:1])
			right = right[1:]
		case Extra:
			c.add(step, other[:1])
			other = other[1:]
		default:
			c.add(step, right[:1])
			right, other = right[1:], other[1:]
		}
	}
}

// add adds characters to the pieces.
func (c *Comparison) add(place Place, all []string) {
	for _, character := range all {
		text, name := visible(character)
		if last := len(c.Pieces) - 1; name == "" && last >= 0 && c.Pieces[last].Place == place && c.Pieces[last].Name == "" {
			c.Pieces[last].Text += text
			continue
		}
		c.Pieces = append(c.Pieces, Piece{place, text, name})
	}
}

// shortest is the shortest way from one text to the other (E. W. Myers, 1986), unless it is
// longer than maxDistance.
func shortest(a, b []string) (script []Place, ok bool) {
	// far has how far into a one gets on each diagonal, by the number of differences.
	var far [][]int
	reach := make([]int, 2*maxDistance+3)
	const middle = maxDistance + 1
	for distance := 0; distance <= maxDistance; distance++ {
		for k := -distance; k <= distance; k += 2 {
			x := reach[middle+k-1] + 1
			if k == -distance || k != distance && reach[middle+k-1] < reach[middle+k+1] {
				x = reach[middle+k+1]
			}
			for x < len(a) && x-k < len(b) && x-k >= 0 && a[x] == b[x-k] {
				x++
			}
			reach[middle+k] = x
			if x >= len(a) && x-k >= len(b) {
				return walkBack(far, len(a), len(b)), true
			}
		}
		far = append(far, append([]int(nil), reach[middle-distance-1:middle+distance+2]...))
	}
	return nil, false
}

// walkBack makes the steps of what [shortest] has found.
func walkBack(far [][]int, x, y int) []Place {
	var steps []Place
	for distance := len(far); distance > 0; distance-- {
		before, k := far[distance-1], x-y
		at := func(k int) int { return before[distance+k] }
		down := k == -distance || k != distance && at(k-1) < at(k+1)
		from, step := k-1, Missing
		if down {
			from, step = k+1, Extra
		}
		fromX := at(from)
		startX := fromX
		if !down {
			startX++
		}
		for ; x > startX; x, y = x-1, y-1 {
			steps = append(steps, Both)
		}
		steps = append(steps, step)
		x, y = fromX, fromX-from
	}
	for ; x > 0; x-- {
		steps = append(steps, Both)
	}
	for i, j := 0, len(steps)-1; i < j; i, j = i+1, j-1 {
		steps[i], steps[j] = steps[j], steps[i]
	}
	return steps
}

var invisible = map[rune][2]string{
	'\n':     {"↵", "line feed"},
	'\r':     {"␍", "carriage return"},
	'\t':     {"⇥", "tab"},
	0:        {"␀", "NUL"},
	0x7f:     {"␡", "delete"},
	'\u00a0': {"NBSP", "no-break space"},
	'\u00ad': {"SHY", "soft hyphen"},
	'\u200b': {"ZWSP", "zero-width space"},
	'\u200c': {"ZWNJ", "zero-width non-joiner"},
	'\u200d': {"ZWJ", "zero-width joiner"},
	'\u200e': {"LRM", "left-to-right mark"},
	'\u200f': {"RLM", "right-to-left mark"},
	'\u2060': {"WJ", "word joiner"},
	'\u3000': {"IDSP", "ideographic space"},
	'\ufeff': {"BOM", "byte order mark"},
	'\ufffd': {"U+FFFD", "replacement character U+FFFD, in place of something that wasn't UTF-8"},
}

// visible is a character as it can be shown, with a name if it can't be seen itself.
func visible(character string) (text, name string) {
	r, size := utf8.DecodeRuneInString(character)
	if r == utf8.RuneError && size == 1 {
		return fmt.Sprintf(`\x%02x`, character[0]), fmt.Sprintf("byte %02x, which isn't UTF-8", character[0])
	}
	if known, ok := invisible[r]; ok {
		return known[0], known[1]
	}
	if r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) {
		return character, ""
	}
	code := fmt.Sprintf("%U", r)
	return code, code
}

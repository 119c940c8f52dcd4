// Package signhelp explains wrong signatures: it tries the mistakes that programs make, one
// and two at a time, and names those that make this very signature right. It is for those
// who look for a mistake, never for deciding what to believe.
package signhelp

import (
	"slices"
	"strings"

	"github.com/ksher-go/ksher/internal/wire"
)

// Request is one whose signature isn't accepted.
type Request struct {
	// Params are its parameters without the signature, as they were before encoding and,
	// if that is known, in the order in which they were sent.
	Params []wire.Param
	// Sign is the signature as it came.
	Sign string
}

const (
	// maxMistakes is how many are tried together. With three almost any text could be
	// explained, and wrongly.
	maxMistakes = 2
	// maxWork bounds the bytes of all the texts that are tried for a signature.
	maxWork = 8 << 20
	// workOfText is what a text costs beside its bytes.
	workOfText = 256
)

// param is a parameter with its place in the request.
type param struct {
	name, value string
	at          int
}

// draft is a text to sign in the making.
type draft struct {
	// prefix stands before the parameters.
	prefix string
	// params are in the right order, which order replaces if it isn't nil.
	params []param
	order  func(a, b param) int
	join   func([]param) string
	finish []func(string) string
}

// newDraft is that of the right text.
func newDraft(params []wire.Param, prefix string, order func(a, b param) int, join func([]param) string) draft {
	d := draft{prefix: prefix, join: join}
	for i, p := range params {
		d.params = append(d.params, param{p.Name, p.Value, i})
	}
	slices.SortStableFunc(d.params, order)
	return d
}

func (d draft) text() string {
	params := d.params
	if d.order != nil {
		params = slices.Clone(params)
		slices.SortStableFunc(params, d.order)
	}
	text := d.prefix + d.join(params)
	for _, f := range d.finish {
		text = f(text)
	}
	return text
}

// values puts other values into the draft.
func (d *draft) values(change func(param) string) {
	d.params = slices.Clone(d.params)
	for i, p := range d.params {
		d.params[i].value = change(p)
	}
}

func (d *draft) drop(dropped func(param) bool) {
	d.params = slices.DeleteFunc(slices.Clone(d.params), dropped)
}

func (d *draft) then(f func(string) string) {
	d.finish = append(slices.Clip(d.finish), f)
}

// stage is when a mistake is made. Of some stages only one can be.
type stage int

const (
	path stage = iota
	selection
	values
	order
	joining
	whole
)

func (s stage) single() bool { return s == path || s == order || s == joining }

// mistake is one that a program makes on the way to its text.
type mistake struct {
	stage stage
	what  string
	make  func(*draft)
}

// searcher looks for the text that a signature is of.
type searcher struct {
	right    draft
	mistakes []mistake
	work     int
}

// find returns what was done wrong, nothing for the right text, with at most that many
// mistakes. A mistake that changes nothing is never named, as the text without it comes first.
func (s *searcher) find(most int, match func(text string) bool) (what []string, found bool) {
	if s.try(match) {
		return nil, true
	}
	if most < 1 {
		return nil, false
	}
	for _, m := range s.mistakes {
		if s.try(match, m) {
			return []string{m.what}, true
		}
	}
	if most < 2 {
		return nil, false
	}
	for i, first := range s.mistakes {
		for _, second := range s.mistakes[i+1:] {
			if first.stage == second.stage && first.stage.single() {
				continue
			}
			if s.try(match, first, second) {
				return slices.Compact([]string{first.what, second.what}), true
			}
		}
	}
	return nil, false
}

func (s *searcher) try(match func(string) bool, made ...mistake) bool {
	if s.work > maxWork {
		return false
	}
	d := s.right
	for _, m := range made {
		m.make(&d)
	}
	text := d.text()
	s.work += len(text) + workOfText
	return match(text)
}

// tell makes one text of what is wrong.
func tell(what ...string) string {
	if len(what) < 2 {
		return strings.Join(what, "")
	}
	return "Two things are wrong. " + strings.Join(what, " ")
}

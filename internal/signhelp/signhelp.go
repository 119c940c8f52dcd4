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
	// workOfText and workOfParam are what a text and a parameter cost beside their bytes.
	workOfText  = 256
	workOfParam = 32
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
	return d.prefix + d.join(params)
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

// mistake is one that a program makes on the way to its text, or with the finished text.
type mistake struct {
	stage stage
	what  string
	make  func(*draft)
	text  func(string) string
}

// searcher looks for the text that a signature is of.
type searcher struct {
	right draft
	work  int
	// text is that of right, and telling are the mistakes that change it, each in another
	// way, those with the finished text last.
	text    string
	telling []mistake
}

// newSearcher finds out which mistakes matter with these parameters. Of those that come to
// the same text the first counts.
func newSearcher(right draft, mistakes []mistake) *searcher {
	s := &searcher{right: right, text: right.text()}
	seen := map[string]bool{s.text: true}
	for _, m := range mistakes {
		if s.work > maxWork {
			break
		}
		text := s.after(s.right, s.text, m)
		if !seen[text] {
			seen[text] = true
			s.telling = append(s.telling, m)
		}
	}
	s.work = 0
	return s
}

// after is the text with one more mistake than in a draft, which makes that text.
func (s *searcher) after(d draft, text string, m mistake) string {
	if m.text != nil {
		text = m.text(text)
	} else {
		m.make(&d)
		text = d.text()
	}
	s.work += len(text) + workOfText + workOfParam*len(d.params)
	return text
}

// find returns what was done wrong, nothing for the right text, with at most that many
// mistakes.
func (s *searcher) find(most int, match func(text string) bool) (what []string, found bool) {
	if match(s.text) {
		return nil, true
	}
	if most < 1 {
		return nil, false
	}
	for _, m := range s.telling {
		if s.work > maxWork {
			return nil, false
		}
		if match(s.after(s.right, s.text, m)) {
			return []string{m.what}, true
		}
	}
	if most < 2 {
		return nil, false
	}
	for i, first := range s.telling {
		if second, ok := s.findSecond(first, s.telling[i+1:], match); ok {
			return slices.Compact([]string{first.what, second.what}), true
		}
	}
	return nil, false
}

// findSecond looks for the mistake that makes the right text beside the first one.
func (s *searcher) findSecond(first mistake, others []mistake, match func(text string) bool) (mistake, bool) {
	d, text := s.right, s.after(s.right, s.text, first)
	if first.make != nil {
		first.make(&d)
	}
	for _, second := range others {
		if s.work > maxWork {
			break
		}
		if first.stage == second.stage && first.stage.single() {
			continue
		}
		if match(s.after(d, text, second)) {
			return second, true
		}
	}
	return mistake{}, false
}

// tell makes one text of what is wrong.
func tell(what ...string) string {
	if len(what) < 2 {
		return strings.Join(what, "")
	}
	return "Two things are wrong. " + strings.Join(what, " ")
}

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/ksher-go/ksher/internal/clock"
)

// clock is the one that requests go by.
func (s *screen) clock() clock.Clock {
	if s.HTTP != nil {
		if c, ok := s.HTTP.Transport.(clock.Clock); ok {
			return c
		}
	}
	return clock.Real
}

// progress shows how far something is: on a terminal in one line that is written over,
// elsewhere a line each time that the state is another one.
type progress struct {
	screen *screen
	state  string
	live   bool // a line is there to be written over
}

// at shows a state, and beside it what changes all the time.
func (p *progress) at(state, beside string) {
	switch {
	case p.screen.Live:
		fmt.Fprintf(p.screen.Err, "\r\x1b[K%s%s", state, beside)
		p.live = true
	case state != p.state:
		fmt.Fprintln(p.screen.Err, state)
	}
	p.state = state
}

// end leaves the last line where it is.
func (p *progress) end() {
	if p.live {
		fmt.Fprintln(p.screen.Err)
	}
	p.live = false
}

// left writes a time that is left, as in "4m05s left".
func left(d time.Duration) string { return fmt.Sprintf("%v left", max(d, 0).Round(time.Second)) }

// count shows how many of so many orders are done: a bar on a terminal, elsewhere a line for
// each tenth.
func (p *progress) count(done, total int) {
	if !p.screen.Live {
		p.at(fmt.Sprintf("%d %% of %d orders", done*10/total*10, total), "")
		return
	}
	const cells = 30
	full := done * cells / total
	p.at("["+strings.Repeat("=", full)+strings.Repeat(" ", cells-full)+"]", fmt.Sprintf(" %d of %d orders", done, total))
}

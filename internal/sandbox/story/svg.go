package story

import (
	_ "embed" // For the style.
	"encoding/xml"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/tokens"
)

// CSS is the style of the picture in a page. One that stands alone has it in itself.
//
//go:embed story.css
var CSS string

// Sizes in the picture.
const (
	width   = 720
	topRoom = 52
	rowTall = 66 // A request or notification: an arrow and its answer.
	rowLow  = 42 // Anything else: one arrow or note.
	bottom  = 16
	// maxLabel and maxHead are in characters.
	maxLabel = 34
	maxNote  = 44
	maxShort = 22
)

var lifelines = [...]int{Shop: 118, Gateway: 374, Channel: 532, Buyer: 656}

// drawing is a picture while it is drawn.
type drawing struct {
	strings.Builder
	story Story
	// link is where a step's details are.
	link func(Step) string
	// shown is the time at the edge that was written last.
	shown string
}

// SVG draws the story. Each step links to where link says. One that stands alone brings its
// style with it.
func (s Story) SVG(link func(Step) string, alone bool) string {
	d := &drawing{story: s, link: link}
	height := topRoom + bottom
	for _, step := range s.Steps {
		height += step.height()
	}
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" class="story-picture" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="group" aria-labelledby="story-title story-desc">`, width, height)
	d.printf(`<title id="story-title">The story of order %s</title><desc id="story-desc">%s</desc>`, escaped(s.Order), escaped(s.Verdict))
	if alone {
		d.printf(`<style>%s</style>`, escaped(tokens.CSS+CSS))
	}
	d.printf(`<rect class="s-ground" width="%d" height="%d"/>`, width, height)
	for a, x := range lifelines {
		d.printf(`<line class="s-life" x1="%d" y1="%d" x2="%[1]d" y2="%[3]d"/>`, x, topRoom-12, height-bottom)
		d.printf(`<rect class="s-head" x="%d" y="10" width="108" height="30" rx="8"/><text class="s-name" x="%d" y="30">%s</text>`, x-54, x, escaped(Actor(a).String()))
	}
	y := topRoom
	for _, step := range s.Steps {
		d.step(step, y)
		y += step.height()
	}
	d.printf(`</svg>`)
	return d.String()
}

func (s Step) height() int {
	if s.Exchanged() {
		return rowTall
	}
	return rowLow
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

// step draws a step below y.
func (d *drawing) step(s Step, y int) {
	d.time(s.At, y)
	d.printf(`<a class="s-step s-%s" href="%s"><title>%s</title>`, s.Tone, escaped(d.link(s)), escaped(s.Text()))
	d.printf(`<rect class="s-hit" x="68" y="%d" width="%d" height="%d" rx="6"/>`, y, width-76, s.height()-2)
	switch {
	case s.Exchanged():
		d.exchange(s, y)
	case s.Kind == Note:
		x := lifelines[Gateway]
		d.printf(`<rect class="s-note" x="%d" y="%d" width="300" height="26" rx="6"/><text class="s-text s-mid" x="%d" y="%d">%s</text>`, x-150, y+6, x, y+24, escaped(cut(s.Label, maxNote)))
	default:
		d.arrow(s.From, s.To, y+28, "s-arrow", false)
		mid := (lifelines[s.From] + lifelines[s.To]) / 2
		d.printf(`<text class="s-label s-mid" x="%d" y="%d">%s</text>`, mid, y+21, escaped(cut(s.Label, d.room(s))))
		if s.From == Buyer && s.To == Gateway { // It goes through the channel.
			d.printf(`<circle class="s-dot" cx="%d" cy="%d" r="4"/>`, lifelines[Channel], y+28)
		}
	}
	d.printf(`</a>`)
}

// room is how many characters fit above a payment's arrow.
func (*drawing) room(s Step) int {
	if s.From == Buyer && s.To == Gateway {
		return maxNote
	}
	return maxShort
}

// exchange draws a request or notification and its answer.
func (d *drawing) exchange(s Step, y int) {
	mid := (lifelines[Shop] + lifelines[Gateway]) / 2
	label := cut(s.Label, maxLabel)
	if s.Times > 1 {
		label = fmt.Sprintf("%s ×%d", cut(s.Label, maxLabel-5), s.Times)
	}
	d.printf(`<text class="s-label s-mid" x="%d" y="%d">%s</text>`, mid, y+18, escaped(label))
	d.arrow(s.From, s.To, y+24, "s-arrow", s.Fault == core.FaultDropBefore)
	d.printf(`<text class="s-text s-mid s-outcome" x="%d" y="%d">%s</text>`, mid, y+44, escaped(cut(s.Outcome, maxLabel+4)))
	d.arrow(s.To, s.From, y+51, "s-arrow s-back", s.Status == 0)
	x := lifelines[Gateway] + 14
	if s.Fault != "" {
		text := "fault: " + cut(string(s.Fault), 18)
		d.printf(`<rect class="s-fault" x="%d" y="%d" width="%d" height="22" rx="11"/><text class="s-fault-text" x="%d" y="%d">%s</text>`, x, y+10, 7*len(text)+20, x+9, y+25, escaped(text))
	}
	d.printf(`<text class="s-took" x="%d" y="%d">%s</text>`, x, y+52, escaped(s.Duration()))
}

// arrow draws an arrow between two lifelines. A lost one ends half-way.
func (d *drawing) arrow(from, to Actor, y int, class string, lost bool) {
	x1, x2, dir := lifelines[from], lifelines[to], 1
	if x2 < x1 {
		dir = -1
	}
	if lost {
		x := x2 - dir*40 // Beside the text above the arrow.
		d.printf(`<path class="%s" d="M%d %dH%d"/><path class="s-lost" d="m%d %dl10 10m0-10l-10 10"/>`, class, x1, y, x, x-5+dir*5, y-5)
		return
	}
	d.printf(`<path class="%s" d="M%d %dH%d"/><path class="s-tip" d="M%d %dl%d -4.5v9z"/>`, class, x1+dir*2, y, x2-dir*8, x2-dir, y, -dir*9)
}

// time writes a time at the edge, if it is another one than that above it.
func (d *drawing) time(at time.Time, y int) {
	at = at.In(core.Zone)
	day, clock := at.Format("2 Jan"), at.Format("15:04:05")
	if day+clock == d.shown {
		return
	}
	if !strings.HasPrefix(d.shown, day) {
		d.printf(`<text class="s-day" x="8" y="%d">%s</text>`, y+11, day)
	}
	d.shown = day + clock
	d.printf(`<text class="s-time" x="8" y="%d">%s</text>`, y+28, clock)
}

// cut shortens a text, and makes it one line.
func cut(text string, size int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, text))
	if len(runes) > size {
		return string(runes[:size-1]) + "…"
	}
	return string(runes)
}

// escaped is a text for XML, without what XML can't have.
func escaped(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // A Builder takes everything.
	return b.String()
}

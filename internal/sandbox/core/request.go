package core

import (
	"iter"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ksher-go/ksher"
)

// Request is a request as the gateway received it.
type Request struct {
	// No tells it from other requests to this gateway. They are numbered from 1.
	No int
	// At is when, by the gateway's clock.
	At time.Time
	// Operation is its name.
	Operation string
	// Params has the parameters, the signature included.
	Params url.Values
	// SignText is the text that had to be signed.
	SignText string
	// Code is why it was refused, "" if it wasn't.
	Code ksher.Code
	// Hint says what is wrong with its signature, if that is why it was refused.
	Hint string
	// Fault is the fault that was injected into it.
	Fault FaultKind
	// Notes say what was accepted although the documentation wants it otherwise, or, by a
	// strict gateway, refused because of that.
	Notes []string

	size int // what it counts for in maxLogBytes
}

// Leniency is what one request gets away with against the documentation, because the real
// gateway seems to accept it: everything that is asked for, or nothing if the gateway is
// strict.
type Leniency struct {
	strict  bool
	notes   []string
	refusal string
}

// Leniency returns that of a new request.
func (g *Gateway) Leniency() *Leniency { return &Leniency{strict: g.config.Strict} }

// Accepts tells whether a request may do what differs from the documentation, and notes
// it. Both are parts of a sentence: `a GET`, `a POST`.
func (l *Leniency) Accepts(what, documented string) bool {
	if l.strict {
		l.refusal = what + " was refused, as this gateway is strict; the documentation wants " + documented
		l.note(l.refusal)
		return false
	}
	l.Note(what, documented)
	return true
}

// Note notes what differs from the documentation and is accepted by a strict gateway, too.
func (l *Leniency) Note(what, documented string) {
	l.note(what + " was accepted, as the real gateway seems to; the documentation wants " + documented)
}

func (l *Leniency) note(text string) {
	if len(l.notes) < maxNotes && !slices.Contains(l.notes, text) {
		l.notes = append(l.notes, text)
	}
}

// Notes say what was accepted or, by a strict gateway, refused, for [Request].
func (l *Leniency) Notes() []string { return l.notes }

// Refusal says why a strict gateway refuses, "" for no such reason.
func (l *Leniency) Refusal() string { return l.refusal }

// maxRequests bounds the log of requests, as maxLogBytes does.
const maxRequests = 200

// Requests are those of the log, the oldest first.
func (tx *Tx) Requests() iter.Seq[Request] { return slices.Values(tx.g.requests) }

// Requests returns the last 200 requests, or fewer large ones, the oldest first.
func (g *Gateway) Requests() []Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := slices.Clone(g.requests)
	for i := range list {
		list[i].Params = cloneParams(list[i].Params)
	}
	return list
}

// cloneParams copies parameters, so that whoever gets them can't change an order's.
func cloneParams(params url.Values) url.Values { return url.Values(http.Header(params).Clone()) }

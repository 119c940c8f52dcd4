// Package story tells what has happened to an order, as a list of steps, as a picture, and
// as a file to attach to a report. What is secret is in none of them.
package story

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// Actor is who takes part.
type Actor int

// The actors, from left to right in the picture.
const (
	Shop Actor = iota
	Gateway
	Channel
	Buyer
)

var actorNames = [...]string{"Your shop", "Gateway", "Channel", "Buyer"}

func (a Actor) String() string { return actorNames[a] }

// Kind is what a step is.
type Kind string

// Kinds of steps.
const (
	Request      Kind = "request"      // Request is one of the shop, with its answer.
	Notification Kind = "notification" // Notification is an attempt to notify the shop, with its answer.
	Payment      Kind = "payment"      // Payment is what the buyer did, or what became of it.
	Note         Kind = "note"         // Note is what has happened to the order at the gateway.
)

// Tone says how a step went.
type Tone string

// Tones of steps.
const (
	Good  Tone = "good"
	Bad   Tone = "bad"
	Wait  Tone = "wait" // Wait is for what isn't known yet.
	Plain Tone = "plain"
)

// Step is a part of a story.
type Step struct {
	// No counts from 1.
	No   int
	Kind Kind
	At   time.Time
	// From and To are the ends of the arrow. They are the same for a Note.
	From, To Actor
	Label    string
	// Outcome is how it ended, in a few words, and Why says more of a refusal.
	Outcome, Why string
	Tone         Tone
	Fault        core.FaultKind
	// Times is how often the same was asked in a row. The rest is of the last one.
	Times int
	// Took is how long it took by the real clock.
	Took time.Duration
	// Method and Address are those of the request, Params what was asked with and Body
	// what was sent instead.
	Method, Address string
	Params          []Param
	Body            string
	// Status is the HTTP status of the answer, 0 if there was none. Left is how many bytes
	// of it weren't kept.
	Status int
	Answer string
	Left   int
}

// Param is a parameter of a request.
type Param struct{ Name, Value string }

// Exchanged tells the steps that have a request and an answer.
func (s Step) Exchanged() bool { return s.Kind == Request || s.Kind == Notification }

// Duration is how long the step took, for people, "" for one that takes no time.
func (s Step) Duration() string {
	switch {
	case !s.Exchanged() || s.Took <= 0:
		return ""
	case s.Took < time.Millisecond:
		return "under 1 ms"
	case s.Took < time.Second:
		return fmt.Sprintf("%d ms", s.Took.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", s.Took.Seconds())
}

// Text is the step as a sentence.
func (s Step) Text() string {
	who := s.From.String()
	if s.From != s.To {
		who += " to " + s.To.String()
	}
	text := who + ": " + s.Label
	if s.Times > 1 {
		text += fmt.Sprintf(", %d times", s.Times)
	}
	for _, more := range []string{s.Outcome, s.Duration()} {
		if more != "" {
			text += ", " + more
		}
	}
	if s.Fault != "" {
		text += ", injected fault " + string(s.Fault)
	}
	return text
}

// Story is what has happened to an order.
type Story struct {
	AppID, Order string
	State        core.State
	// Verdict says in a sentence or two how the order stands and why, and Tone whether
	// that is good.
	Verdict string
	Tone    Tone
	Steps   []Step
}

// Of tells the story of an order.
func Of(tx *core.Tx, o *core.Entry) Story {
	happened := tx.Story(o)
	hide := masker(o, happened)
	s := Story{AppID: o.AppID, Order: o.MchOrderNo, State: o.State(tx.Now())}
	for _, h := range happened {
		var step Step
		switch {
		case h.Exchange != nil:
			step = requestStep(h.Exchange, hide)
		case h.Post != nil:
			step = postStep(o, h.Post, hide)
		case len(s.Steps) > 0 && strings.HasPrefix(h.Event.What, "created "):
			continue // The request says so.
		default:
			step = eventStep(h.Event.What)
		}
		step.At, step.Times = h.At, 1
		s.add(step)
	}
	if s.State == core.Expired && !slices.ContainsFunc(o.History, func(e core.Event) bool { return e.What == timeEnded }) {
		s.insert(Step{Kind: Note, From: Gateway, To: Gateway, Label: timeEnded, Tone: Bad, Times: 1, At: o.Expires})
	}
	for i := range s.Steps {
		s.Steps[i].No = i + 1
	}
	s.Verdict, s.Tone = verdict(s, o, tx.Now())
	return s
}

// add adds a step, to the one before if the same was asked and answered again.
func (s *Story) add(step Step) {
	if n := len(s.Steps) - 1; n >= 0 && step.Kind == Request && step.Fault == "" {
		last := s.Steps[n]
		if last.Kind == Request && last.Fault == "" && last.same(step) {
			step.Times = last.Times + 1
			s.Steps[n] = step
			return
		}
	}
	s.Steps = append(s.Steps, step)
}

// same tells whether two requests asked the same and got the same verdict.
func (s Step) same(other Step) bool {
	asked := func(s Step) []Param {
		return slices.DeleteFunc(slices.Clone(s.Params), func(p Param) bool { return newEachTime.MatchString(p.Name) })
	}
	return s.Label == other.Label && s.Outcome == other.Outcome && s.Why == other.Why && s.Address == other.Address &&
		slices.Equal(asked(s), asked(other))
}

// newEachTime tells the parameters that differ although the same is asked.
var newEachTime = regexp.MustCompile(`^(nonce_str|time_?stamp|sign(ature)?)$`)

// insert puts a step where its time says.
func (s *Story) insert(step Step) {
	i := slices.IndexFunc(s.Steps, func(other Step) bool { return !other.At.Before(step.At) })
	if i < 0 {
		i = len(s.Steps)
	}
	s.Steps = slices.Insert(s.Steps, i, step)
}

func requestStep(e *core.Exchange, hide mask) Step {
	s := Step{
		Kind: Request, From: Shop, To: Gateway, Label: e.Operation, Fault: e.Fault, Took: e.Took,
		Method: e.Method, Address: e.Path, Params: hide.params(e.Params),
		Status: e.Status, Answer: hide.text(string(e.Answer)), Left: e.AnswerBytes - len(e.Answer),
	}
	s.Outcome, s.Tone = outcome(e)
	if e.Code != "" {
		info, _ := e.Code.Info()
		s.Why = cmp.Or(hide.text(e.Hint), info.Meaning)
	}
	return s
}

// spoiled says what the faults do to an answer.
var spoiled = map[core.FaultKind]string{
	core.FaultDropBefore: "not carried out, no answer", core.FaultDropAfter: "carried out, no answer",
	core.FaultHTTP500: "not carried out, HTTP 500", core.FaultHTML502: "not carried out, HTTP 502",
	core.FaultEmpty: "carried out, answer empty", core.FaultTruncated: "carried out, answer cut off",
	core.FaultEndless: "carried out, answer without end", core.FaultBadSignature: "carried out, signature wrong",
	core.FaultOtherKey: "carried out, signed by another key",
}

func outcome(e *core.Exchange) (string, Tone) {
	if text := spoiled[e.Fault]; text != "" && e.Code == "" {
		return text, Bad
	}
	if e.Code != "" {
		if status, err := strconv.Atoi(string(e.Code)); err == nil && http.StatusText(status) != "" {
			return "refused: HTTP " + string(e.Code), Bad
		}
		return "refused: " + string(e.Code), Bad
	}
	if e.Status == 0 && e.Took > 0 {
		return "carried out, but the shop hung up before the answer", Bad
	}
	switch word := said(e.Answer); word {
	case "":
		return "accepted", Good
	case ksher.ResultNotSure, ksher.ResultUserPaying, ksher.ResultPending, ksher.ResultNotPay, "Available", "Pending", "pending":
		return "accepted: " + string(word), Wait
	default:
		return "accepted: " + string(word), Good
	}
}

// said is what an answer says of the order, "" for nothing.
func said(answer []byte) ksher.Result {
	var top, data map[string]json.RawMessage
	if json.Unmarshal(answer, &top) != nil {
		return ""
	}
	json.Unmarshal(top["data"], &data)
	for _, text := range []json.RawMessage{data["result"], top["status"]} {
		var word ksher.Result
		if json.Unmarshal(text, &word) == nil && word != "" {
			return word
		}
	}
	return ""
}

func postStep(o *core.Entry, p *core.Post, hide mask) Step {
	s := Step{
		Kind: Notification, From: Gateway, To: Shop, Label: fmt.Sprintf("notification, attempt %d", p.Attempt), Fault: p.Fault, Took: p.Took,
		Method: http.MethodPost, Address: hide.address(p.Target), Body: hide.text(string(p.Body)), Status: p.Status, Answer: hide.text(p.Answer),
	}
	if p.Message != "" {
		s.Label = fmt.Sprintf("%s, attempt %d", p.Message, p.Attempt)
	}
	if o.API != "" && !o.Foreign { // vip.ksher.net has it in the query.
		s.Method = http.MethodGet
	}
	switch {
	case p.Accepted:
		s.Outcome, s.Tone = "accepted", Good
	case p.Status == 0:
		s.Outcome, s.Tone, s.Why = "no answer", Bad, s.Answer
		s.Answer = ""
	case p.Status == http.StatusOK:
		s.Outcome, s.Tone = "HTTP 200, but not SUCCESS", Bad
		s.Why = `Only {"result":"SUCCESS","msg":"OK"} accepts a notification.`
	default:
		s.Outcome, s.Tone = fmt.Sprintf("refused: HTTP %d", p.Status), Bad
	}
	return s
}

// timeEnded is how core writes down that the time to pay ended.
const timeEnded = "the time to pay ended"

// eventStep draws what core has written into the history of an order.
func eventStep(what string) Step {
	s := Step{Kind: Note, From: Gateway, To: Gateway, Label: what, Tone: Plain}
	switch {
	case strings.HasPrefix(what, "paid "):
		s.Kind, s.From, s.Tone = Payment, Buyer, Good
	case strings.HasPrefix(what, "the buyer is paying "):
		s.Kind, s.From, s.To, s.Tone = Payment, Buyer, Channel, Wait
		s.Label = strings.TrimPrefix(what, "the buyer ")
	case what == "the buyer gave up":
		s.Kind, s.From, s.To = Payment, Buyer, Channel
		s.Label = "gave up"
	case strings.HasPrefix(what, "the payment failed"):
		s.Kind, s.From, s.Tone = Payment, Channel, Bad
	case what == timeEnded, what == "cancelled":
		s.Tone = Bad
	}
	return s
}

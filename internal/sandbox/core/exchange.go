package core

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// Bounds of what is kept of requests and their answers, for [Tx.Story]. An order keeps its
// first request and the last ones.
const (
	maxExchangeBytes = 8 << 20
	maxOrderRequests = 60
	maxAnswerBytes   = 16 << 10
	// exchangeOverhead is about what one takes beside its request and its texts.
	exchangeOverhead = 1 << 10
)

// Exchange is a request and what it was answered with.
type Exchange struct {
	Request
	// Method and Path are those of the request.
	Method, Path string
	// Status is the HTTP status of the answer, 0 if the connection was dropped, the
	// merchant hung up before, or the answer hasn't gone out yet.
	Status int
	// Answer is the beginning of what was sent, and AnswerBytes how long all of it is.
	Answer      []byte
	AnswerBytes int
	// Took is how long it took until the answer was out, by the real clock.
	Took time.Duration
	// order is the serial of the order that it was about, 0 for none that was found, and
	// no the number by which its address names one.
	order int
	no    string
	turn  int64
	// size is what it counts for in maxExchangeBytes, and gone says that it counts no more.
	size int
	gone bool
}

// turns counts what happens, because much of it has the same time where the clock stands still.
var turns atomic.Int64

// Reply writes the answer to a request, and keeps it for the stories of orders.
type Reply struct {
	http.ResponseWriter
	g     *Gateway
	began time.Time
	// asker ends when the merchant hangs up.
	asker context.Context
	// sent is under way until End, and kept is what it becomes part of, nil if the
	// request isn't logged.
	sent Exchange
	kept *Exchange
}

// Reply returns the writer of the answer to a request. [Reply.End] has to be called. Number is
// that of an order in the request's address, "" for none.
func (g *Gateway) Reply(w http.ResponseWriter, r *http.Request, number string) *Reply {
	return &Reply{ResponseWriter: w, g: g, began: time.Now(), asker: r.Context(), sent: Exchange{Method: r.Method, Path: r.URL.Path, no: number, turn: turns.Add(1)}}
}

// WriteHeader keeps the status and sends it.
func (r *Reply) WriteHeader(status int) {
	r.sent.Status = cmp.Or(r.sent.Status, status)
	r.ResponseWriter.WriteHeader(status)
}

// Write keeps the beginning of the answer and sends it.
func (r *Reply) Write(text []byte) (int, error) {
	r.sent.Status = cmp.Or(r.sent.Status, http.StatusOK)
	r.sent.Answer = append(r.sent.Answer, text[:min(len(text), maxAnswerBytes-len(r.sent.Answer))]...)
	r.sent.AnswerBytes += len(text)
	return r.ResponseWriter.Write(text)
}

// Unwrap lets net/http find what the writer beneath can do.
func (r *Reply) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// End says that the answer is out, or the connection dropped.
func (r *Reply) End() {
	r.g.mu.Lock()
	defer r.g.mu.Unlock()
	e := r.kept
	if e == nil {
		return
	}
	e.Status, e.Answer, e.AnswerBytes, e.Took = r.sent.Status, slices.Clip(r.sent.Answer), r.sent.AnswerBytes, time.Since(r.began)
	if e.Fault != FaultDropBefore && e.Fault != FaultDropAfter && r.asker.Err() == nil {
		e.Status = cmp.Or(e.Status, http.StatusOK) // What net/http says if nothing was written.
	}
	if !e.gone {
		r.g.exchangeBytes += len(e.Answer)
		e.size += len(e.Answer)
		r.g.boundExchanges()
	}
}

// keep remembers a request for the story of the order that it was about.
func (tx *Tx) keep(r Request, reply *Reply) {
	if reply == nil {
		return
	}
	g, e := tx.g, &Exchange{}
	*e = reply.sent
	e.Request, e.size = r, exchangeOverhead+r.bytes()+len(e.Path)+len(e.no)
	if tx.about != nil {
		e.order = tx.about.Serial
	}
	reply.kept = e
	g.exchanges = append(g.exchanges, e)
	g.exchangeBytes += e.size
	if e.order != 0 {
		g.boundRequestsOf(e.order)
	}
	g.boundExchanges()
}

// boundRequestsOf forgets the second request about an order, if there are too many.
func (g *Gateway) boundRequestsOf(order int) {
	second, count := -1, 0
	for i, e := range g.exchanges {
		if e.order == order {
			if count++; count == 2 {
				second = i
			}
		}
	}
	if count > maxOrderRequests {
		g.forgetExchange(second)
	}
}

// boundExchanges forgets the oldest, as far as there are too many bytes.
func (g *Gateway) boundExchanges() {
	for g.exchangeBytes > maxExchangeBytes && len(g.exchanges) > 1 {
		g.forgetExchange(0)
	}
}

func (g *Gateway) forgetExchange(i int) {
	e := g.exchanges[i]
	g.exchangeBytes, e.gone = g.exchangeBytes-e.size, true
	g.exchanges = slices.Delete(g.exchanges, i, i+1)
}

// orderParams are the parameters that name an order in one protocol or another.
var orderParams = []string{"mch_order_no", "ksher_order_no", "channel_order_no", "merchant_order_id", "order_id", "id", "source"}

// about tells whether a request was about an order. One that was refused early, for its
// signature say, looked for none, so that the numbers in it have to tell.
func (e *Exchange) about(o, draft *Entry) bool {
	if e.order != 0 {
		return e.order == o.Serial || draft != nil && e.order == draft.Serial
	}
	for _, name := range []string{"appid", "mch_appid"} {
		if id := e.Params.Get(name); id != "" && id != o.AppID {
			return false
		}
	}
	named := func(no string) bool {
		return no != "" && slices.Contains([]string{o.MchOrderNo, o.PayMchOrderNo, o.KsherOrderNo, o.ChannelOrderNo, o.Source}, no)
	}
	return named(e.no) || slices.ContainsFunc(orderParams, func(name string) bool { return named(e.Params.Get(name)) })
}

// Happening is a step in the life of an order. One of its members is set.
type Happening struct {
	At       time.Time
	Event    *Event
	Exchange *Exchange
	Post     *Post
	turn     int64
}

// Post is an attempt to notify the merchant, with what was sent.
type Post struct {
	Delivery
	// Target is where it went, and Body what it said.
	Target string
	Body   []byte
	Took   time.Duration
}

// sentPost is what a Delivery keeps for a Post. It isn't stored.
type sentPost struct {
	target string
	body   []byte
	took   time.Duration
	turn   int64
}

// Story is what has happened to an order, as it happened. Requests and the bodies of
// notifications from before a restart aren't known any more.
func (tx *Tx) Story(o *Entry) []Happening {
	var story []Happening
	for _, e := range o.History {
		story = append(story, Happening{At: e.At, Event: &e, turn: e.turn})
	}
	for _, d := range o.Deliveries {
		p := &Post{Delivery: d, Target: d.sent.target, Body: slices.Clone(d.sent.body), Took: d.sent.took}
		if n := o.Notice; p.Target == "" && n != nil && n.Message == d.Message {
			p.Target, p.Body = n.Target, slices.Clone(n.Body)
		}
		story = append(story, Happening{At: d.At, Post: p, turn: d.sent.turn})
	}
	var draft *Entry
	if o.Source != "" {
		draft = tx.Foreign(o.AppID, "draft", o.Source)
	}
	for _, e := range tx.g.exchanges {
		if e.about(o, draft) {
			seen := *e
			seen.Params = cloneParams(e.Params)
			story = append(story, Happening{At: e.At, Exchange: &seen, turn: e.turn})
		}
	}
	slices.SortStableFunc(story, func(a, b Happening) int {
		if a.turn == 0 && b.turn == 0 {
			return a.At.Compare(b.At)
		}
		return cmp.Compare(a.turn, b.turn)
	})
	return story
}

// seen notes the order that a request is about: the last one that it found or made.
func (tx *Tx) seen(o *Entry) *Entry {
	if o != nil {
		tx.about = o
	}
	return o
}

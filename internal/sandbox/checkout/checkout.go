// Package checkout is the local gateway's checkout page, which pay_content leads to. It
// needs no JavaScript: a buyer's every move is a link or a form, whose post ends in a
// redirect. What a step shows is in journey.go, how it looks in view.go and web. It also
// renders pages of the same look for other rooms.
package checkout

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/tokens"
)

// Page is the checkout page of a gateway.
type Page struct{ gw *core.Gateway }

// New returns the page of a gateway.
func New(gw *core.Gateway) *Page { return &Page{gw: gw} }

// Serve adds the page to what the gateway serves.
func (p *Page) Serve(mux *http.ServeMux) {
	mux.HandleFunc("GET /ua", p.show)
	mux.HandleFunc("POST /ua", p.post)
	mux.HandleFunc("GET /ua/page.css", serveStylesheet(pageCSS))
	mux.HandleFunc("GET /ua/tokens.css", serveStylesheet(tokens.CSS))
}

// URL is the address of an order's page without the language, at a gateway with the
// address base.
func URL(base string, o *core.Entry) string {
	return base + "/ua?order_uuid=" + url.QueryEscape(o.UUID)
}

// memory is what the page keeps with an order, see [core.Entry]: the buyer who came last,
// and what that buyer agreed to for other orders.
type memory struct {
	Visit *visit `json:",omitzero"`
	// Card is a card that was saved.
	Card *savedCard `json:",omitzero"`
	// Consent is who has authorised K PLUS.
	Consent string `json:",omitzero"`
}

// remember reads what is kept with an order.
func remember(o *core.Entry) (m memory) {
	if len(o.Page) > 0 {
		if err := json.Unmarshal(o.Page, &m); err != nil {
			return memory{}
		}
	}
	return m
}

// visit is how far a buyer has come with an order.
type visit struct {
	// Browser is whose it is, by the cookie.
	Browser string
	// Way is the name of the way, At the step on it.
	Way string
	At  int
	// Seen is when the buyer last did something.
	Seen time.Time

	// Card is the end of a test card's number.
	Card      string `json:",omitzero"`
	SaveCard  bool   `json:",omitzero"`
	Months    int    `json:",omitzero"`
	WrongOTPs int    `json:",omitzero"`
	// Picked is the account or plan that was chosen, a phrase without its prefix.
	Picked string `json:",omitzero"`
	Resent bool   `json:",omitzero"`
	// Failed is the phrase of why the payment failed.
	Failed string `json:",omitzero"`
}

// maxIdle is after how long without a move another buyer may take over. How
// long Ksher waits isn't documented.
const maxIdle = 15 * time.Minute

// scene is a request to the page together with all that decides its answer.
type scene struct {
	page *Page
	tx   *core.Tx
	o    *core.Entry
	now  time.Time

	lang     string
	h5       bool
	inWeChat bool
	store    string
	browser  string
	query    url.Values

	// channel is the one that the buyer chose, "" before that. visit is the
	// buyer's own: one that hasn't begun isn't the order's yet.
	channel ksher.Channel
	visit   *visit
	way     way
	memory  memory
	// taken says that somebody else is paying.
	taken bool
}

// visitorCookie tells one buyer from another.
const visitorCookie = "kshertest_visitor"

var visitorID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// readVisitor returns the name of the browser, giving it one if it has none.
func readVisitor(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(visitorCookie); err == nil && visitorID.MatchString(c.Value) {
		return c.Value
	}
	id := core.NewUUID()
	http.SetCookie(w, &http.Cookie{Name: visitorCookie, Value: id, Path: "/ua", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return id
}

// enter sets the scene of a request.
func (p *Page) enter(tx *core.Tx, r *http.Request, browser string) *scene {
	query := r.URL.Query()
	s := &scene{
		page: p, tx: tx, o: tx.ByUUID(query.Get("order_uuid")), now: tx.Now(), browser: browser, query: query,
		lang:     LangOf(query.Get("lang")),
		h5:       ksher.DeviceOf(r) == "H5",
		inWeChat: strings.Contains(r.UserAgent(), "MicroMessenger"),
		store:    storeOf(r.UserAgent()),
	}
	if s.o == nil {
		return s
	}
	s.memory = remember(s.o)
	if l := s.o.Params.Get("lang"); query.Get("lang") == "" && slices.Contains(languages, l) {
		s.lang = l
	}
	if device := s.o.Params.Get("device"); device != "" {
		s.h5 = device == "H5"
	}
	s.findPlace()
	return s
}

// findPlace finds out how far the buyer has come.
func (s *scene) findPlace() {
	o := s.o
	if o.State(s.now) == core.InProgress {
		switch v := s.memory.Visit; {
		case v != nil && v.Browser == s.browser && s.goTo(o.Channel, v):
			v.Seen = s.now
			return
		case s.now.Sub(s.lastMove()) < maxIdle:
			s.taken = true
			return
		}
		s.tx.GiveUp(o)
		s.memory.Visit = nil
	}
	offered := s.offered()
	if chosen := ksher.Channel(s.query.Get("channel")); slices.Contains(offered, chosen) {
		s.channel = chosen
	} else if len(offered) == 1 {
		s.channel = offered[0]
	}
	if s.channel == "" {
		return
	}
	ways := s.ways(s.channel)
	i := max(0, slices.IndexFunc(ways, func(w way) bool { return w.name == s.query.Get("way") }))
	s.goTo(s.channel, &visit{Browser: s.browser, Way: ways[i].name, Seen: s.now})
}

// goTo puts the buyer there. It tells whether there is such a way, which a version of this
// page that has kept the visit may have had.
func (s *scene) goTo(channel ksher.Channel, v *visit) bool {
	for _, w := range s.ways(channel) {
		if w.name == v.Way && v.At >= 0 && v.At < len(w.steps) {
			s.channel, s.visit, s.way = channel, v, w
			return true
		}
	}
	return false
}

// lastMove is when the buyer last did something: on the page, or by the history if that
// wasn't there.
func (s *scene) lastMove() time.Time {
	if v := s.memory.Visit; v != nil {
		return v.Seen
	}
	return s.o.History[len(s.o.History)-1].At
}

// offered are the channels that the buyer can choose from.
func (s *scene) offered() []ksher.Channel {
	var all []ksher.Channel
	for _, c := range s.o.Channels {
		info := core.InfoOf(c)
		tooSmall := s.o.FeeType == "THB" && s.o.Total < info.GatewayPayMinimum
		if !tooSmall && (s.h5 || !info.MobileOnly) && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// step is where the buyer stands. There has to be a visit.
func (s *scene) step() *step { return s.way.steps[s.visit.At] }

// link is the address of the page with other parameters: pairs of a name and a
// value, which is left out if it is empty.
func (s *scene) link(pairs ...string) string {
	q := url.Values{"order_uuid": {s.query.Get("order_uuid")}, "lang": {string(s.lang)}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if q.Del(pairs[i]); pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return "/ua?" + q.Encode()
}

// here is the address of where the buyer stands.
func (s *scene) here(pairs ...string) string {
	if s.visit != nil {
		pairs = append([]string{"channel", string(s.channel), "way", s.way.name}, pairs...)
	}
	return s.link(pairs...)
}

// answer is what a request to the page leads to: a view, another address, or an error.
type answer struct {
	status int
	view   *View
	to     string
	err    error
}

func (a answer) write(w http.ResponseWriter, r *http.Request) {
	switch {
	case a.err != nil:
		http.Error(w, a.err.Error(), http.StatusInternalServerError)
	case a.view != nil:
		a.view.Render(w, a.status)
	default:
		http.Redirect(w, r, a.to, http.StatusSeeOther)
	}
}

// show serves the address in pay_content.
func (p *Page) show(w http.ResponseWriter, r *http.Request) {
	browser := readVisitor(w, r)
	var a answer
	p.gw.Do(func(tx *core.Tx) {
		s := p.enter(tx, r, browser)
		a.err = s.save()
		a.status, a.view = s.view(nil)
	})
	a.write(w, r)
}

// save makes what happened to the order last.
func (s *scene) save() error {
	if s.o == nil {
		return nil
	}
	if s.memory != (memory{}) || len(s.o.Page) > 0 {
		s.o.Page = core.Marshal(s.memory)
	}
	s.tx.Touch(s.o)
	return s.tx.Save()
}

// MaxPostBytes is far above what a form of a page sends.
const MaxPostBytes = 16 << 10

// ReadForm reads a form that a page has posted.
func ReadForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, MaxPostBytes)
	return r.ParseForm()
}

// post takes a form of the page.
func (p *Page) post(w http.ResponseWriter, r *http.Request) {
	browser := readVisitor(w, r)
	formErr := ReadForm(w, r)
	var a answer
	p.gw.Do(func(tx *core.Tx) { a = p.enter(tx, r, browser).take(r.PostForm, formErr) })
	a.write(w, r)
}

// take does what a form asks for, and shows what was wrong with it. The error says that
// it can't be read.
func (s *scene) take(form url.Values, err error) (a answer) {
	if err != nil {
		return answer{status: http.StatusForbidden, view: s.message("refused", s.lang)}
	}
	if s.o == nil {
		a.status, a.view = s.view(nil)
		return a
	}
	sub, to := s.act(form)
	if a.err, a.to = s.save(), to; sub != nil {
		_, a.view = s.view(sub)
		a.status = http.StatusUnprocessableEntity
	}
	return a
}

// act does what a form asks for. It returns where to go from there, or what was
// wrong with the form.
func (s *scene) act(form url.Values) (wrong *submission, to string) {
	o := s.o
	if o.State(s.now) == core.Cancelled && s.visit != nil && s.step() == qrStep && form.Get("action") == "next" {
		// The buyer had the QR code before.
		s.finish()
		return nil, s.link()
	}
	if o.State(s.now).Settled() || s.taken {
		return nil, s.link()
	}
	if form.Get("action") == "abandon" {
		s.goBack()
		return nil, s.link("left", "1")
	}
	if s.visit == nil || form.Get("step") != s.step().name {
		// Sent from a page that the buyer has since left in another window.
		return nil, s.here()
	}
	switch form.Get("action") {
	case "back":
		s.goBack()
		return nil, s.link()
	case "fail":
		s.failFor("failed_asked")
		return nil, s.link()
	case "resend":
		s.visit.Resent = true
		return nil, s.here()
	case "delete":
		s.deleteCard(form.Get("card"))
		return nil, s.link("channel", string(s.channel))
	case "next":
		if s.step().submit == "" {
			return nil, s.here()
		}
		sub := s.submit(form)
		if sub.failed != "" {
			s.failFor(sub.failed)
			return nil, s.link()
		}
		if len(sub.wrong) > 0 {
			return sub, ""
		}
		return nil, s.advance()
	}
	return nil, s.here()
}

// advance goes to the next step, after the last one to the payment. The order is
// in progress from the first step on.
func (s *scene) advance() string {
	v := s.visit
	next := v.At + 1
	for next < len(s.way.steps) && s.way.steps[next].skip != nil && s.way.steps[next].skip(s) {
		next++
	}
	if next == len(s.way.steps) {
		s.finish()
		return s.link()
	}
	if s.memory.Visit != v {
		if s.tx.Begin(s.o, s.channel) != nil {
			return s.link()
		}
		s.memory.Visit = v
	}
	v.At, v.Resent = next, false
	return s.here()
}

// finish pays. Whether the order can still be paid is for the order to say, and
// the next page shows what came of it.
func (s *scene) finish() {
	if s.tx.Pay(s.o, s.channel) != nil {
		return
	}
	s.memory.Visit = s.visit
	s.saveCard()
}

// failFor ends the order for a reason, a phrase.
func (s *scene) failFor(reason string) {
	if s.o.State(s.now) == core.Created && s.tx.Begin(s.o, s.channel) != nil {
		return
	}
	if s.tx.Fail(s.o) == nil {
		s.visit.Failed = reason
		s.memory.Visit = s.visit
	}
}

// goBack undoes the choice of a channel.
func (s *scene) goBack() {
	if s.o.State(s.now) == core.InProgress {
		s.tx.GiveUp(s.o)
	}
	s.memory.Visit = nil
}

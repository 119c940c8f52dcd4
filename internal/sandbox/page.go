package sandbox

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
)

// The checkout page, which pay_content leads to. It needs no JavaScript: a
// buyer's every move is a link or a form, whose post ends in a redirect. What a
// step shows is in page_journey.go, how it looks in page_view.go and web.

// servePages adds the checkout page to what the gateway serves.
func (g *Gateway) servePages(mux *http.ServeMux) {
	mux.HandleFunc("GET /ua", g.showPage)
	mux.HandleFunc("POST /ua", g.postPage)
	mux.HandleFunc("GET /ua/page.css", serveStylesheet)
	g.serveForms(mux)
}

// visit is how far a buyer has come with an order.
type visit struct {
	// browser is whose it is, by the cookie.
	browser string
	way     way
	at      int
	// seen is when the buyer last did something.
	seen time.Time

	card      *testCard
	saveCard  bool
	months    int
	wrongOTPs int
	// picked is the account or plan that was chosen, a phrase without its prefix.
	picked string
	resent bool
	// failed is the phrase of why the payment failed.
	failed string
}

// maxIdle is after how long without a move another buyer may take over. How
// long Ksher waits isn't documented.
const maxIdle = 15 * time.Minute

// scene is a request to the page together with all that decides its answer.
type scene struct {
	g   *Gateway
	o   *order
	now time.Time

	lang     string
	h5       bool
	inWeChat bool
	browser  string
	query    url.Values

	// channel is the one that the buyer chose, "" before that. visit is the
	// buyer's own: one that hasn't begun isn't the order's yet.
	channel ksher.Channel
	visit   *visit
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
	id := newUUID()
	http.SetCookie(w, &http.Cookie{Name: visitorCookie, Value: id, Path: "/ua", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return id
}

// enter sets the scene of a request. The caller holds g.mu.
func (g *Gateway) enter(r *http.Request, browser string) *scene {
	query := r.URL.Query()
	s := &scene{
		g: g, o: g.orders[number{"", "uuid", query.Get("order_uuid")}], now: g.now(), browser: browser, query: query,
		lang:     query.Get("lang"),
		h5:       ksher.DeviceOf(r) == "H5",
		inWeChat: strings.Contains(r.UserAgent(), "MicroMessenger"),
	}
	if !slices.Contains(languages, s.lang) {
		s.lang = "en"
	}
	if s.o == nil {
		return s
	}
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
	if o.state(s.now) == InProgress {
		switch v := o.visit; {
		case v != nil && v.browser == s.browser:
			s.channel, s.visit = o.Channel, v
			v.seen = s.now
			return
		case s.now.Sub(o.lastMove()) < maxIdle:
			s.taken = true
			return
		}
		o.giveUp(s.now)
		o.visit = nil
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
	s.visit = &visit{browser: s.browser, way: ways[i], seen: s.now}
}

// lastMove is when the buyer last did something: on the page, or if the page
// doesn't know of one, as after a restart, by the history.
func (o *order) lastMove() time.Time {
	if o.visit != nil {
		return o.visit.seen
	}
	return o.History[len(o.History)-1].At
}

// offered are the channels that the buyer can choose from.
func (s *scene) offered() []ksher.Channel {
	var all []ksher.Channel
	for _, c := range s.o.Channels {
		info := infoOf(c)
		tooSmall := s.o.FeeType == "THB" && s.o.Total < info.GatewayPayMinimum
		if !tooSmall && (s.h5 || !info.MobileOnly) && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// step is where the buyer stands. There has to be a visit.
func (s *scene) step() *step { return s.visit.way.steps[s.visit.at] }

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
		pairs = append([]string{"channel", string(s.channel), "way", s.visit.way.name}, pairs...)
	}
	return s.link(pairs...)
}

// showPage serves the address in pay_content.
func (g *Gateway) showPage(w http.ResponseWriter, r *http.Request) {
	browser := readVisitor(w, r)
	g.mu.Lock()
	s := g.enter(r, browser)
	err := s.save()
	status, v := s.view(nil)
	g.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	render(w, status, v)
}

// save makes what happened to the order last.
func (s *scene) save() error {
	if s.o == nil {
		return nil
	}
	return s.g.save(s.o)
}

// maxPostBytes is far above what a form of the page sends.
const maxPostBytes = 16 << 10

// crossOrigin refuses what a page of somebody else's sends.
var crossOrigin = http.NewCrossOriginProtection()

// postPage takes a form of the page.
func (g *Gateway) postPage(w http.ResponseWriter, r *http.Request) {
	browser := readVisitor(w, r)
	r.Body = http.MaxBytesReader(w, r.Body, maxPostBytes)
	err := crossOrigin.Check(r)
	if err == nil {
		err = r.ParseForm()
	}
	g.mu.Lock()
	s := g.enter(r, browser)
	if err != nil {
		v := s.message("refused", s.lang)
		g.mu.Unlock()
		render(w, http.StatusForbidden, v)
		return
	}
	if s.o == nil {
		status, v := s.view(nil)
		g.mu.Unlock()
		render(w, status, v)
		return
	}
	sub, to := s.act(r.PostForm)
	if err := s.save(); err != nil {
		g.mu.Unlock()
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var v *view
	if sub != nil {
		_, v = s.view(sub)
	}
	g.mu.Unlock()
	if v != nil {
		render(w, http.StatusUnprocessableEntity, v)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// act does what a form asks for. It returns where to go from there, or what was
// wrong with the form.
func (s *scene) act(form url.Values) (wrong *submission, to string) {
	o := s.o
	if o.state(s.now) == Cancelled && s.visit != nil && s.step() == qrStep && form.Get("action") == "next" {
		// The buyer had the QR code before.
		s.finish()
		return nil, s.link()
	}
	if o.state(s.now).settled() || s.taken {
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
		s.visit.resent = true
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
	next := v.at + 1
	for next < len(v.way.steps) && v.way.steps[next].skip != nil && v.way.steps[next].skip(s) {
		next++
	}
	if next == len(v.way.steps) {
		s.finish()
		return s.link()
	}
	if s.o.visit != v {
		if s.o.begin(s.channel, s.now) != nil {
			return s.link()
		}
		s.o.visit = v
	}
	v.at, v.resent = next, false
	return s.here()
}

// finish pays. Whether the order can still be paid is for the order to say, and
// the next page shows what came of it.
func (s *scene) finish() {
	if s.g.pay(s.o, s.channel) != nil {
		return
	}
	s.o.visit = s.visit
	s.saveCard()
}

// failFor ends the order for a reason, a phrase.
func (s *scene) failFor(reason string) {
	if s.o.state(s.now) == Created && s.o.begin(s.channel, s.now) != nil {
		return
	}
	if s.o.fail(s.now) == nil {
		s.visit.failed = reason
		s.o.visit = s.visit
	}
}

// goBack undoes the choice of a channel.
func (s *scene) goBack() {
	if s.o.state(s.now) == InProgress {
		s.o.giveUp(s.now)
	}
	s.o.visit = nil
}

package checkout

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/promptpay"
	"github.com/ksher-go/ksher/internal/sandbox/tokens"
)

//go:embed web
var web embed.FS

var templates = template.Must(template.ParseFS(web, "web/*.html"))

// stylesheets are the addresses of the page's, which change with what is in them.
var stylesheets = []string{stylesheetURL("tokens.css", tokens.CSS), stylesheetURL("page.css", pageCSS)}

//go:embed web/page.css
var pageCSS string

func stylesheetURL(name, css string) string {
	sum := sha256.Sum256([]byte(css))
	return "/ua/" + name + "?v=" + hex.EncodeToString(sum[:4])
}

func serveStylesheet(css string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		if slices.Contains(stylesheets, r.URL.String()) {
			w.Header().Set("Cache-Control", "max-age=86400")
		}
		http.ServeContent(w, r, r.URL.Path, time.Time{}, strings.NewReader(css))
	}
}

// View is what the templates get. It shares nothing with the order, so that it
// can be rendered without the lock.
type View struct {
	Lang, HTMLLang string
	Languages      []Choice
	Nonce          string
	Stylesheets    []string
	// Block is the template in the middle of the page, Heading and Lead the text
	// above it.
	Block, Heading, Lead string
	// Look has the merchant's colours.
	Look             template.CSS
	H5               bool
	Shop             string
	Logo, Background string
	Explain          string
	// Order says that there is an order to show.
	Order                         bool
	Amount, Currency, Product, No string
	Left                          *Countdown
	Return                        template.URL // of the web, or of an app
	// Refresh leads to Return after a moment, Stay to this page without it.
	Refresh, Stay          string
	Good, Bad              bool
	Channel                *Choice
	Action, Back, BackText string
	UUID                   string
	Tabs                   []Choice
	Choices                []Choice
	Tab                    string
	Step, Extra, Submit    string
	// Outside says what a step imitates that isn't on the checkout page.
	Outside                  string
	Fields                   []fieldView
	Wrong                    bool
	Ways                     []Choice
	QR                       template.URL
	QRText                   string
	SaveQR                   bool
	TestCards                []testCard
	OTP                      string
	SilentOTP, Resent        bool
	SavedCards               []option
	Instalments, ShopPaysFee bool
	Months                   int
	Monthly                  string
	// Picked is what was chosen in an earlier step, and PickedFrom its label.
	Picked, PickedFrom string
}

// Choice is a link, or a channel to choose.
type Choice struct {
	Name, Text, URL, Lang string
	Current               bool
}

// Countdown is the time that is left to pay.
type Countdown struct {
	Seconds int
	Text    string
	// Tick is how long a second of the gateway takes in milliseconds, 0 if its
	// clock stands still.
	Tick float64
}

// fieldView is a field as a template shows it.
type fieldView struct {
	Name, Kind, Label, Hint, Mode, Auto string
	Max                                 int
	Secret, Focus, Optional             bool
	Value, Wrong                        string
	Options                             []option
}

// Described lists the ids of what explains the field.
func (f fieldView) Described() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.Name+"-hint")
	}
	if f.Wrong != "" {
		ids = append(ids, f.Name+"-error")
	}
	return strings.Join(ids, " ")
}

// T is a phrase in the page's language.
func (v *View) T(key string, args ...any) (string, error) {
	return phrase(v.Lang, key, args...)
}

// Middle is the middle of the page.
func (v *View) Middle() (template.HTML, error) { return v.part(v.Block) }

// Show is what the step shows besides its fields.
func (v *View) Show() (template.HTML, error) { return v.part("extra_" + v.Extra) }

func (v *View) part(name string) (template.HTML, error) {
	var b strings.Builder
	err := templates.ExecuteTemplate(&b, name, v)
	return template.HTML(b.String()), err
}

// say is a phrase in the buyer's language.
func (s *scene) say(key string, args ...any) string {
	text, err := phrase(s.lang, key, args...)
	if err != nil {
		return key // A test sees to it that there is every phrase.
	}
	return text
}

// channelTitle is what the buyer calls a channel.
func channelTitle(lang string, c ksher.Channel) string {
	if text, err := phrase(lang, "channel_"+string(c)); err == nil {
		return text
	}
	return core.InfoOf(c).Name
}

func (s *scene) channelChoice(c ksher.Channel) Choice {
	return Choice{Name: string(c), Text: channelTitle(s.lang, c), URL: s.link("channel", string(c))}
}

// Message is a page without an order. The texts of the block are its heading and lead.
func Message(block string, lang string, h5 bool) *View {
	v := &View{
		Lang: lang, HTMLLang: map[string]string{"cn": "zh-Hans"}[lang], Nonce: core.NewUUID(),
		Stylesheets: stylesheets, Block: "message", H5: h5, Bad: true,
	}
	v.Shop, v.Heading, v.Lead = v.say("checkout"), v.say("title_"+block), v.say("lead_"+block)
	if v.HTMLLang == "" {
		v.HTMLLang = v.Lang
	}
	return v
}

// say is a phrase in the page's language.
func (v *View) say(key string) string { return (&scene{lang: string(v.Lang)}).say(key) }

// message is such a page with links to it in the other languages.
func (s *scene) message(block, lang string) *View {
	v := Message(block, lang, s.h5)
	for _, l := range languages {
		name, _ := phrase(l, "language")
		v.Languages = append(v.Languages, Choice{Name: string(l), Text: name, URL: s.here("lang", string(l)),
			Lang: map[bool]string{true: "zh-Hans", false: l}[l == "cn"], Current: l == lang})
	}
	return v
}

// view makes the page of the scene and its HTTP status. sub is what was wrong
// with what the buyer sent, nil for nothing.
func (s *scene) view(sub *submission) (int, *View) {
	if s.o == nil {
		return http.StatusNotFound, s.message("missing", s.lang)
	}
	o, p := s.o, s.o.Params
	v := s.message("choose", s.lang)
	v.Bad = false
	if shop := p.Get("shop_name"); shop != "" {
		v.Shop = shop
	}
	v.Logo, v.Background = core.WebAddress(p.Get("logo")), core.WebAddress(p.Get("background"))
	v.Look = look(p.Get("color"), p.Get("payment_color"))
	if p.Get("hide_explain") != string(ksher.VisibilityHidden) {
		v.Explain = p.Get("ksher_explain")
	}
	v.Order, v.UUID = true, o.UUID
	v.Amount, v.Currency, v.Product, v.No = o.Total.Display(""), o.FeeType, p.Get("product_name"), cmp.Or(p.Get("mch_code"), o.MchOrderNo)
	if v.Product == "" {
		v.Product = p.Get("product")
	}
	state := o.State(s.now)
	v.Return = s.returnTo("mch_redirect_url_fail")
	if !state.Settled() && !o.Expires.IsZero() && p.Get("hide_exp_time") != string(ksher.VisibilityHidden) {
		v.Left = NewCountdown(o.Expires.Sub(s.now), s.page.gw.Speed())
	}

	switch {
	case state.Settled():
		s.closed(v, state)
		return http.StatusOK, v
	case s.taken:
		v.Block, v.Bad = "message", true
		v.Heading, v.Lead = s.say("title_many_open"), s.say("lead_many_open")
		return http.StatusConflict, v
	case s.query.Get("left") != "" && state == core.Created:
		v.Block, v.Heading, v.Lead = "message", s.say("title_left"), s.say("lead_left")
		v.Back = s.link()
		v.LeadOn(s.query, s.link("left", "1", "stay", "1"))
	case s.visit != nil:
		s.stepView(v, sub)
	default:
		s.chooserView(v)
	}
	return http.StatusOK, v
}

// returnTo is the merchant's address in a parameter, with the order's number as Ksher adds
// it, "" if there is none that a page may have.
func (s *scene) returnTo(param string) template.URL {
	address, err := url.Parse(core.WebAddress(s.o.Params.Get(param)))
	if err != nil || address.Host == "" {
		return ""
	}
	if s.o.API == "" {
		query := "mch_order_no=" + url.QueryEscape(s.o.MchOrderNo)
		if address.RawQuery != "" {
			query = address.RawQuery + "&" + query
		}
		address.RawQuery = query
	}
	return template.URL(address.String())
}

// closed is the page of an order that nothing more can be done about.
func (s *scene) closed(v *View, state core.State) {
	name := "closed_" + strings.ReplaceAll(string(state), " ", "_")
	v.Block, v.Heading, v.Lead = "message", s.say("title_"+name), s.say("lead_"+name)
	v.Good, v.Bad = state == core.Paid || state == core.Refunded || state == core.RefundedInPart, state == core.Failed
	if v.Good {
		v.Return = s.returnTo("mch_redirect_url")
		if v.Return == "" {
			v.Return = s.returnTo("redirect_url")
		}
		choice := s.channelChoice(s.o.Channel)
		v.Channel = &choice
	}
	if visit := s.memory.Visit; visit != nil && visit.Browser == s.browser {
		if state == core.Failed && visit.Failed != "" {
			v.Lead = s.say(visit.Failed)
		}
		if state == core.Paid || state == core.Failed {
			v.LeadOn(s.query, s.link("stay", "1"))
		}
	}
}

// LeadOn makes the page lead to the merchant by itself, unless the buyer has followed the
// link to stay, whose address is given: not everybody reads in four seconds. It isn't a
// redirect of the post, as a strict form-action doesn't let that lead elsewhere.
func (v *View) LeadOn(query url.Values, stay string) {
	if v.Return != "" && !query.Has("stay") {
		v.Refresh, v.Stay = "4;url="+string(v.Return), stay
	}
}

func (s *scene) chooserView(v *View) {
	v.Block, v.Heading, v.Lead = "chooser", s.say("title_choose"), s.say("lead_choose")
	offered := s.offered()
	if len(offered) == 0 {
		v.Block, v.Heading, v.Lead = "message", s.say("title_nothing"), s.say("lead_nothing")
		return
	}
	v.Tab = tabOf(offered[0])
	for _, c := range offered {
		if tabOf(c) == s.query.Get("tab") {
			v.Tab = tabOf(c)
		}
	}
	for _, tab := range tabs {
		if slices.ContainsFunc(offered, func(c ksher.Channel) bool { return tabOf(c) == tab }) {
			v.Tabs = append(v.Tabs, Choice{Name: tab, Text: s.say(s.tabPhrase(tab)), URL: s.link("tab", tab), Current: tab == v.Tab})
		}
	}
	for _, c := range offered {
		if tabOf(c) == v.Tab {
			v.Choices = append(v.Choices, s.channelChoice(c))
		}
	}
}

// tabPhrase is the name of a tab. Of cards there is more to say on a phone.
func (s *scene) tabPhrase(tab string) string {
	if s.h5 && tab == "card" {
		return "tab_card_h5"
	}
	return "tab_" + tab
}

func (s *scene) stepView(v *View, sub *submission) {
	st := s.step()
	v.Block, v.Step, v.Extra = "step", st.name, st.extra
	channel := s.channelChoice(s.channel)
	v.Channel = &channel
	v.Heading, v.Lead = s.say(st.phrase("title_"), channel.Text), s.say(st.phrase("lead_"), channel.Text)
	if st.outside {
		v.Outside = s.say("outside_note", channel.Text)
		if core.InfoOf(s.channel).Card {
			v.Outside = s.say("outside_bank")
		}
	}
	if st.submit != "" {
		v.Submit = s.say(st.submit, v.Amount, v.Currency)
	}
	v.Action = s.here()
	if len(s.offered()) > 1 || s.visit.At > 0 {
		// The form's action, not an address.
		v.Back, v.BackText = "back", s.say("back")
		if len(s.offered()) == 1 {
			v.BackText = s.say("start_again")
		}
	}
	if s.visit.At == 0 {
		for _, w := range s.ways(s.channel) {
			if w.name != s.way.name {
				v.Ways = append(v.Ways, Choice{Name: w.name, Text: s.say("way_"+w.name, channel.Text),
					URL: s.link("channel", string(s.channel), "way", w.name)})
			}
		}
	}
	for _, f := range st.fields {
		if f.when == nil || f.when(s) {
			v.Fields = append(v.Fields, s.fieldView(f, sub))
		}
	}
	if i := slices.IndexFunc(v.Fields, func(f fieldView) bool { return f.Wrong != "" }); i >= 0 {
		v.Wrong, v.Fields[i].Focus = true, true
	}
	if st.extra == "qr" {
		s.qrView(v)
	}
	v.TestCards, v.SavedCards = testCards, savedOptions(s)
	v.OTP, v.Resent = testOTP, s.visit.Resent
	v.SilentOTP = s.card() != nil && s.card().silent
	v.Instalments, v.ShopPaysFee = kindIs(s.channel, instalStep), s.shopPaysFee()
	if s.visit.Picked != "" {
		field, _, _ := strings.Cut(s.visit.Picked, "_")
		v.PickedFrom, v.Picked = s.say("label_"+field), s.say("option_"+s.visit.Picked)
	}
	if n := s.visit.Months; n > 0 {
		v.Months = n
		v.Monthly = ((s.o.Total + ksher.Amount(n) - 1) / ksher.Amount(n)).Display("")
	}
}

// qrView adds the QR code of a step.
func (s *scene) qrView(v *View) {
	v.QRText = "kshertest://pay/" + s.o.UUID
	if s.channel == ksher.ChannelPromptPay {
		v.QRText, v.SaveQR = promptpay.Code(s.o.Total, s.o.FeeType, s.o.KsherOrderNo), true
	}
	// It can't fail: the text is short.
	image, _ := promptpay.Image(v.QRText, "png")
	v.QR = template.URL(image)
}

// kindIs says whether the journey of a channel begins with a step.
func kindIs(c ksher.Channel, first *step) bool { return kindOf(c).pc[0].steps[0] == first }

func (s *scene) fieldView(f field, sub *submission) fieldView {
	fv := fieldView{Name: f.name, Kind: f.kind, Label: s.say("label_" + f.name), Mode: f.mode, Auto: f.auto, Max: f.max, Secret: f.secret, Optional: f.optional}
	if hint, err := phrase(s.lang, "hint_"+f.name); err == nil {
		fv.Hint = hint
	}
	if f.options != nil {
		fv.Options = f.options(s)
	}
	if sub == nil {
		return fv
	}
	value := sub.get(f.name)
	if f.keep && sub.wrong[f.name] == "" || slices.ContainsFunc(fv.Options, func(o option) bool { return o.Value == value }) {
		fv.Value = value
	}
	if key := sub.wrong[f.name]; key != "" {
		fv.Wrong = s.say(key)
	}
	return fv
}

// NewCountdown returns a countdown by a clock of that speed.
func NewCountdown(left time.Duration, speed float64) *Countdown {
	seconds := int(max(0, left.Round(time.Second)/time.Second))
	c := &Countdown{Seconds: seconds, Text: fmt.Sprintf("%02d:%02d", seconds/60%60, seconds%60)}
	if hours := seconds / 3600; hours > 0 {
		c.Text = fmt.Sprintf("%d:%s", hours, c.Text)
	}
	if speed > 0 {
		c.Tick = 1000 / speed
	}
	return c
}

var hexColor = regexp.MustCompile(`^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$`)

// colorNames are the names that CSS had from the start, and a few more.
var colorNames = map[string]string{
	"black": "#000000", "silver": "#c0c0c0", "gray": "#808080", "grey": "#808080", "white": "#ffffff", "maroon": "#800000",
	"red": "#ff0000", "purple": "#800080", "fuchsia": "#ff00ff", "green": "#008000", "lime": "#00ff00", "olive": "#808000",
	"yellow": "#ffff00", "navy": "#000080", "blue": "#0000ff", "teal": "#008080", "aqua": "#00ffff", "orange": "#ffa500",
	"pink": "#ffc0cb", "brown": "#a52a2a", "gold": "#ffd700",
}

// color reads a merchant's colour as #rrggbb, "" if it isn't one.
func color(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	if known := colorNames[text]; known != "" {
		return known
	}
	if !hexColor.MatchString(text) {
		return ""
	}
	if len(text) == 4 {
		return string([]byte{'#', text[1], text[1], text[2], text[2], text[3], text[3]})
	}
	return text
}

// inkOn is the colour of text that can be read best on another: white or black,
// of which one always has a contrast of 4.5.
func inkOn(rgb string) string {
	dark := luminance(rgb)
	if (1+0.05)/(dark+0.05) >= (dark+0.05)/0.05 {
		return "#ffffff"
	}
	return "#000000"
}

// look sets the merchant's colours, as far as they are colours.
func look(banner, button string) template.CSS {
	var css string
	if c := color(banner); c != "" {
		css += fmt.Sprintf("--banner:%s;--on-banner:%s;", c, inkOn(c))
	}
	if c := color(button); c != "" {
		css += fmt.Sprintf("--pay:%s;--on-pay:%s;", c, inkOn(c))
	}
	return template.CSS(css)
}

// luminance is the relative luminance of #rrggbb as WCAG 2 defines it.
func luminance(rgb string) float64 {
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, _ := strconv.ParseUint(rgb[1+2*i:3+2*i], 16, 8)
		part := float64(n) / 255
		if part <= 0.04045 {
			part /= 12.92
		} else {
			part = math.Pow((part+0.055)/1.055, 2.4)
		}
		sum += weight * part
	}
	return sum
}

// Render writes the page.
func (v *View) Render(w http.ResponseWriter, status int) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, "page", v); err != nil {
		http.Error(w, "The page can't be shown: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	// The address lets whoever has it pay: it stays here.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; "+
		"img-src 'self' data: http: https:; style-src 'self' 'nonce-"+v.Nonce+"'; script-src 'nonce-"+v.Nonce+"'")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

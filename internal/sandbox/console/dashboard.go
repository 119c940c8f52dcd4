// Package console is the local gateway's dashboard and control API, with which a person or
// a test plays the buyer, moves the clock and makes the gateway misbehave.
package console

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/scenario"
	"github.com/ksher-go/ksher/internal/sandbox/story"
)

// Config is what the console has from the other rooms.
type Config struct {
	// Address is what the gateway was told to listen on. Local says that it listens on
	// the loopback interface only.
	Address string
	Local   bool
	// Hosts are names that the console answers under, beside localhost and that of Address.
	Hosts []string
	// Setup is what the page says that a client is set up with, at a gateway with that
	// address.
	Setup func(base string) Setup
	// PageURL is the checkout page of an order at a gateway with the address base, "" if
	// it has none.
	PageURL func(base string, o *core.Entry) string
	// Create makes an order as the shop's program would, and returns its checkout page.
	Create func(context.Context, *ksher.GatewayPayRequest) (page string, err error)
}

// Console is the dashboard and the control API of a gateway.
type Console struct {
	Config
	gw       *core.Gateway
	merchant *core.Merchant
}

// New returns the console of a gateway, for the merchant [core.AppID].
func New(gw *core.Gateway, c Config) *Console { return &Console{c, gw, gw.Known(core.AppID)} }

//go:embed dashboard
var dashboardFiles embed.FS

var dashboardPages = template.Must(template.New("").Funcs(template.FuncMap{
	"time":   func(t time.Time) string { return t.In(core.Zone).Format("2 Jan 2006 15:04:05") },
	"iso":    func(t time.Time) string { return t.In(core.Zone).Format(time.RFC3339) },
	"title":  func(c ksher.Channel) string { return cmp.Or(core.InfoOf(c).Name, string(c)) },
	"slug":   func(s core.State) string { return strings.ReplaceAll(string(s), " ", "-") },
	"escape": url.QueryEscape,
	"order":  func(appID, no string) string { return orderPath(orderID{appID, no}) },
	"meaning": func(c ksher.Code) string {
		info, _ := c.Info()
		return info.Meaning
	},
	// events says of what a page is live.
	"events": func(nav string) string {
		return map[string]string{"orders": "orders", "order": "orders", "requests": "requests"}[nav]
	},
	"code": func(c ksher.Code) string { return string(c) },
}).ParseFS(dashboardFiles, "dashboard/*.html"))

// pageOrders is how many orders the dashboard shows at once.
const pageOrders = 50

// maxPage bounds the number of a page.
const maxPage = 1_000_000

// pageData is what every page of the dashboard has.
type pageData struct {
	Title string
	// Nav is the entry of the menu that the page belongs to.
	Nav string
	Now time.Time
	// Done says what a button has just done.
	Done string
	Data any
}

// Handler serves everything that a person or a test does with the gateway
// beside Ksher's own operations and the checkout page.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	c.serveRoutes(mux)
	mux.HandleFunc("GET /{$}", c.showOrders)
	mux.HandleFunc("GET /order", c.showOrder)
	mux.HandleFunc("GET /requests", c.showRequests)
	mux.HandleFunc("GET /compare", c.showCompare)
	mux.HandleFunc("POST /compare", c.showCompare)
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, r *http.Request) {
		c.render(w, r, http.StatusOK, "faults", "Clock and faults", faultsPage{c.faultDatas(), c.gw.Operations(), core.OperationFaults(), core.NotifyFaults()})
	})
	mux.HandleFunc("GET /setup", func(w http.ResponseWriter, r *http.Request) {
		c.render(w, r, http.StatusOK, "setup", "Set-up", c.setup(r))
	})
	for _, name := range []string{"dashboard.css", "dashboard.js"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, dashboardFiles, "dashboard/"+name)
		})
	}
	mux.HandleFunc("GET /story.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		fmt.Fprint(w, story.CSS)
	})
	c.serveForms(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.showError(w, r, &statusError{http.StatusNotFound, "There is no page at this address."})
	})
	return c.guard(mux)
}

// serveForms serves what the forms of the dashboard do.
func (c *Console) serveForms(mux *http.ServeMux) {
	mux.HandleFunc("POST /do/create", c.form(c.createOrder))
	mux.HandleFunc("POST /do/scenario", c.button("/order", "scenario", func(r *http.Request) error {
		return c.play(idIn(r.PostForm, r.PostForm.Get("no")), r.PostForm.Get("name"))
	}))
	mux.HandleFunc("POST /do/advance", c.button("/faults", "advance", func(r *http.Request) error {
		n, err := strconv.ParseFloat(r.PostForm.Get("number"), 64)
		unit := map[string]float64{"seconds": 1, "minutes": 60, "hours": 60 * 60, "days": 24 * 60 * 60}[r.PostForm.Get("unit")]
		if err != nil || unit == 0 {
			return &statusError{http.StatusBadRequest, "say by how many seconds, minutes, hours or days the clock is to go forward"}
		}
		return c.advanceBy(r.Context(), n*unit)
	}))
	mux.HandleFunc("POST /do/inject", c.button("/faults", "inject", func(r *http.Request) error {
		d := faultData{Operation: r.PostForm.Get("operation"), Kind: core.FaultKind(r.PostForm.Get("kind")), Code: ksher.Code(r.PostForm.Get("code"))}
		for field, err := range map[string]error{
			"count": readNumber(r.PostForm.Get("count"), &d.Count, strconv.Atoi),
			"delay": readNumber(r.PostForm.Get("delay"), &d.DelaySeconds, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }),
		} {
			if err != nil {
				return &statusError{http.StatusBadRequest, fmt.Sprintf("the %s isn't a number", field)}
			}
		}
		return c.inject(d)
	}))
	mux.HandleFunc("POST /do/clear", c.button("/faults", "clear", func(*http.Request) error {
		c.gw.ClearFaults()
		return nil
	}))
	mux.HandleFunc("POST /do/{action}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("action")
		c.button("/order", name, func(r *http.Request) error {
			chosen := choice{Channel: ksher.Channel(r.PostForm.Get("channel"))}
			if err := readNumber(r.PostForm.Get("amount"), &chosen.Amount, readAmount); err != nil {
				return err
			}
			return c.act(r.Context(), name, idIn(r.PostForm, r.PostForm.Get("no")), chosen)
		})(w, r)
	})
}

// readNumber reads a number into target, which an empty text leaves alone.
func readNumber[T any](text string, target *T, parse func(string) (T, error)) (err error) {
	if text != "" {
		*target, err = parse(text)
	}
	return err
}

// guard refuses what a website could make the developer's browser do here, and
// sets the headers that keep the browser from doing more than it has to.
func (c *Console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.OwnHost(r.Host) {
			http.Error(w, "The dashboard and the control API of this gateway don't answer under this host name, "+
				"so that no website can reach them through a name of its own. Use "+c.gw.PublicURL()+", or allow the name with --host.", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// OwnHost tells the hosts under which the gateway can be addressed. Names other than
// localhost, the one it was told to listen on and Hosts aren't among them,
// because whoever owns a name can let it point here. Addresses can't be made to
// point elsewhere, and are accepted where the gateway is open to others.
func (c *Console) OwnHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	ip, err := netip.ParseAddr(host)
	if err == nil {
		return ip.Unmap().IsLoopback() || !c.Local
	}
	listen, _, _ := net.SplitHostPort(c.Address)
	return slices.ContainsFunc(append([]string{"localhost", listen}, c.Hosts...), func(own string) bool {
		return own != "" && strings.EqualFold(host, own)
	})
}

func (c *Console) render(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	var page bytes.Buffer
	err := dashboardPages.ExecuteTemplate(&page, name+".html", pageData{title, name, c.gw.Now(), doneText(r.URL.Query().Get("done")), data})
	if err != nil {
		http.Error(w, "kshertest: a page of the dashboard can't be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(page.Bytes())
}

func doneText(name string) string {
	for _, a := range actions {
		if a.name == name {
			return a.done
		}
	}
	return map[string]string{
		"create":   "The order was created by the call below.",
		"advance":  "The clock has gone forward.",
		"inject":   "The fault is waiting for its request.",
		"clear":    "No faults are waiting any more.",
		"scenario": "The scenario is playing.",
	}[name]
}

// button serves a form: it does something and goes back to the page.
func (c *Console) button(back, name string, do func(*http.Request) error) http.HandlerFunc {
	return c.form(func(r *http.Request) (string, error) {
		query := url.Values{"done": {name}}
		if no := r.PostForm.Get("no"); no != "" {
			query.Set("no", no)
		}
		if appID := r.PostForm.Get("appid"); appID != "" {
			query.Set("appid", appID)
		}
		return back + "?" + query.Encode(), do(r)
	})
}

// form serves a form: it does something, which tells where to go on.
func (c *Console) form(do func(*http.Request) (next string, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, core.MaxRequestBytes)
		if r.ParseForm() != nil {
			c.showError(w, r, &statusError{http.StatusBadRequest, "the form can't be read"})
			return
		}
		next, err := do(r)
		if err != nil {
			c.showError(w, r, err)
			return
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
}

type errorPage struct{ Message, AppID, No string }

func (c *Console) showError(w http.ResponseWriter, r *http.Request, err error) {
	c.render(w, r, statusOf(err), "error", "That did not work", errorPage{strings.TrimPrefix(err.Error(), "kshertest: "), idIn(r.PostForm, "").appID, r.PostForm.Get("no")})
}

type ordersPage struct {
	orderPart
	core.Filter
	Filtered bool
	// Newer and Older lead to the pages beside this one, and are empty for none.
	Newer, Older string
	States       []core.State
	Channels     []ksher.ChannelInfo
	Create       createForm
	// Calls do the same as the form, for who has no orders yet.
	Calls []call
	// Merchants are those to choose from, none if there is only one.
	Merchants []*core.Merchant
}

func (c *Console) showOrders(w http.ResponseWriter, r *http.Request) {
	f, err := c.readFilter(r.URL.Query())
	if err != nil {
		c.showError(w, r, err)
		return
	}
	page, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || page < 1 || page > maxPage {
		page = 1
	}
	p := ordersPage{
		orderPart: c.page(r, f, page), Filter: f, Filtered: f != core.Filter{},
		States: core.States(), Channels: ksher.Channels(), Create: c.createForm(),
	}
	if all := c.gw.Merchants(); len(all) > 1 {
		p.Merchants = all
	}
	beside := func(page int) string {
		if page < 1 || page > p.Pages {
			return ""
		}
		q := r.URL.Query()
		q.Del("done")
		q.Set("page", strconv.Itoa(page))
		return "/?" + q.Encode()
	}
	p.Newer, p.Older = beside(p.Page-1), beside(p.Page+1)
	if p.Total == 0 && !p.Filtered {
		p.Calls = c.calls(r, c.merchant, c.standardOrder(r))
	}
	c.render(w, r, http.StatusOK, "orders", "Orders", p)
}

func (c *Console) showRequests(w http.ResponseWriter, r *http.Request) {
	list := c.requestDatas()
	if showsSecrets(r) {
		for i := range list {
			list[i].reveal()
		}
	}
	c.render(w, r, http.StatusOK, "requests", "Requests", list)
}

type orderPage struct {
	orderData
	Actions []actionButton
	Calls   []call
	Story   storyPart
	// Scenarios are those that can be played.
	Scenarios []scenario.Scenario
}

// actionButton is a button for an action, which asks for a channel if it has
// some.
type actionButton struct {
	Name, Label string
	Channels    []ksher.Channel
	// Amount is what there is to give back, "" if it asks for none.
	Amount string
}

func (c *Console) showOrder(w http.ResponseWriter, r *http.Request) {
	d, err := c.orderData(r, idIn(r.URL.Query(), r.URL.Query().Get("no")))
	if err != nil {
		c.showError(w, r, err)
		return
	}
	if showsSecrets(r) {
		d.reveal()
	}
	page := orderPage{orderData: d, Scenarios: scenario.All()}
	if page.Story, err = c.storyPart(orderID{d.AppID, d.MchOrderNo}); err != nil {
		c.showError(w, r, err)
		return
	}
	for _, a := range d.actions {
		b := actionButton{Name: a.name, Label: a.label}
		switch a.asks {
		case "channel":
			b.Channels = d.Channels
		case "amount":
			b.Amount = (d.TotalFee - d.Refunded).Display("")
		}
		page.Actions = append(page.Actions, b)
	}
	if d.byGatewayPay {
		page.Calls = c.calls(r, c.gw.Known(d.AppID), d.params())
	}
	c.render(w, r, http.StatusOK, "order", "Order "+d.MchOrderNo, page)
}

type faultsPage struct {
	Faults       []faultData
	Operations   []string
	Kinds, Notes []core.FaultKind
}

// Setup is what a client of the gateway is set up with.
type Setup struct {
	GatewayURL, MerchantURL string
	// PublicKey is the key that the gateway signs with in a version.
	PublicKey                          func(ksher.SignVersion) *rsa.PublicKey
	VIPURL, VIPToken                   string
	OpnURL, OpnPublicKey, OpnSecretKey string
}

type setupPage struct {
	Setup
	AppID, PrivateKey, V1, V2 string
	Calls                     []call
	Merchants                 []merchantData
}

func (c *Console) setup(r *http.Request) setupPage {
	base := c.gw.URLFor(r)
	page := setupPage{
		Setup: c.Setup(base), AppID: c.merchant.AppID, PrivateKey: strings.TrimSpace(c.merchant.PrivateKeyPEM()),
		Merchants: c.merchantDatas(),
	}
	page.V1, page.V2 = publicPEM(page.PublicKey(ksher.SignV1)), publicPEM(page.PublicKey(ksher.SignV2))
	page.Calls = c.calls(r, c.merchant, c.standardOrder(r))
	return page
}

func publicPEM(key *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err) // The keys are part of this package.
	}
	return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
}

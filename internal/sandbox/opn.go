package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/opn"
)

// The keys of the one account at Opn Payments that the local gateway knows. They
// are of test mode and worth nothing.
const (
	OpnPublicKey = "pkey_test_kshertest0000000000"
	OpnSecretKey = "skey_test_kshertest0000000000"
)

// opnTime is how long a charge can be paid.
//
// Source: Opn's guide to K PLUS, which says so and shows another time.
const opnTime = 10 * time.Minute

// opnOperations are the names of what the gateway serves of Opn's API, for faults.
var opnOperations = []string{"opn sources", "opn charges", "opn charge"}

// opnAccount is the account at Opn Payments. It is not part of a data file.
type opnAccount struct {
	serial int
	// sources and charges are as they came, at most maxOrders of each.
	sources []*opn.Source
	charges []*opnCharge
	webhook string
}

type opnCharge struct {
	opn.Charge
	// page is the secret part of the authorise page's address.
	page string
	// due says that its event has to go out.
	due bool
}

// OpnURL is the address for [opn.WithBaseURL].
func (g *Gateway) OpnURL() string { return g.url + "/opn" }

// NewOpnClient returns a client for the gateway's account at Opn Payments. If the
// gateway was made by [New], the client repeats queries without pausing.
//
// The gateway serves POST /sources, POST /charges, GET /charges/{id} and the page
// of a charge's authorize_uri, where a charge can be made successful, failed or
// expired. Charges can be paid for 10 minutes of the gateway's clock. They aren't
// kept by [WithStore], and the oldest are forgotten as [WithMaxOrders] says. The
// header Omise-Version may be left out, as in the commands of Opn's guide, or be any day
// from [opn.APIVersion] on; bodies are forms or JSON. The guide doesn't say which codes a
// refusal has, nor whether a source can be charged again: here it can't.
func (g *Gateway) NewOpnClient(opts ...opn.Option) (*opn.Client, error) {
	client, base := g.reach()
	standard := []opn.Option{opn.WithHTTPClient(client), opn.WithBaseURL(base + "/opn")}
	if g.speed == 0 {
		standard = append(standard, opn.WithRetry(3, 0))
	}
	return opn.NewClient(OpnPublicKey, OpnSecretKey, append(standard, opts...)...)
}

// OpnCharges returns the charges as the gateway has them, the oldest first.
func (g *Gateway) OpnCharges() []opn.Charge {
	g.mu.Lock()
	defer g.mu.Unlock()
	views := make([]opn.Charge, len(g.opn.charges))
	for i, c := range g.opn.charges {
		views[i] = c.view(g.now())
	}
	return views
}

// PayOpn plays the buyer who pays a charge in K PLUS.
func (g *Gateway) PayOpn(chargeID string) error { return g.endOpn("PayOpn", chargeID, "") }

// FailOpn plays the buyer whose payment fails for that reason.
func (g *Gateway) FailOpn(chargeID string, code opn.FailureCode) error {
	if code == "" {
		return errors.New("kshertest: FailOpn: there is no code")
	}
	return g.endOpn("FailOpn", chargeID, code)
}

func (g *Gateway) endOpn(what, chargeID string, code opn.FailureCode) error {
	g.mu.Lock()
	c := g.opn.find(chargeID)
	err := ErrNoOrder
	if c != nil {
		err = c.end(g.now(), code)
	}
	if err == nil {
		g.announceOpn(c)
	}
	g.mu.Unlock()
	if err != nil {
		return fmt.Errorf("kshertest: %s: charge %q: %w", what, chargeID, err)
	}
	return nil
}

// SetOpnWebhook registers the address that events go to, as one does on Opn's
// dashboard, "" for none, which is the default. A gateway made by [Start] then posts
// one soon after a charge was paid or has failed. A charge that expires, by the
// clock or by the button of its page, isn't announced: whether Opn does that isn't
// documented, so a shop has to ask. A gateway made by [New] waits for DeliverOpn,
// which posts an event about an expired charge, too. An address that isn't one of
// http or https is an error and changes nothing.
func (g *Gateway) SetOpnWebhook(address string) error {
	if address != "" && webAddress(address) == "" {
		return fmt.Errorf("kshertest: SetOpnWebhook: %q isn't an http or https address", address)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opn.webhook = address
	return nil
}

// announceOpn lets the event of a charge go out if the gateway runs by itself.
// Events aren't repeated: when Opn does so isn't documented. The caller holds g.mu.
func (g *Gateway) announceOpn(c *opnCharge) {
	if g.opn.webhook != "" {
		c.due = true
		g.wake()
	}
}

// dueOpn takes the charge whose event has to go out, "" for none.
func (g *Gateway) dueOpn() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.opn.charges {
		if c.due {
			c.due = false
			return c.ID
		}
	}
	return ""
}

// DeliverOpn posts a charge.complete event about a charge to the registered
// address now, whatever the charge's status, and as often as it is called. Any
// answer but an HTTP status of 200 is [ErrNotAccepted].
func (g *Gateway) DeliverOpn(ctx context.Context, chargeID string) error {
	fail := func(err error) error { return fmt.Errorf("kshertest: DeliverOpn: charge %q: %w", chargeID, err) }
	g.mu.Lock()
	c, now := g.opn.find(chargeID), g.now()
	var body []byte
	if c != nil {
		g.opn.serial++
		// Of an event only key and data are documented.
		body = marshal(map[string]any{
			"object": "event", "id": g.opn.id("evnt"), "livemode": false,
			"key": "charge.complete", "created_at": opnMoment(now), "data": c.view(now),
		})
	}
	target := g.opn.webhook
	g.mu.Unlock()
	switch {
	case c == nil:
		return fail(ErrNoOrder)
	case target == "":
		return fail(ErrNoNotification)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return fail(fmt.Errorf("%w: %w", ErrNotAccepted, err))
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := g.outbound().Do(req)
	if err != nil {
		return fail(fmt.Errorf("%w: %w", ErrNotAccepted, err))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil || resp.StatusCode != http.StatusOK {
		return fail(fmt.Errorf("%w: it answered HTTP %d, %.200q", ErrNotAccepted, resp.StatusCode, text))
	}
	return nil
}

// serveOpn adds Opn's API and its page to what the gateway serves.
func (g *Gateway) serveOpn(mux *http.ServeMux) {
	api := func(pattern, name, key string, serve func(*http.Request, url.Values) (any, *opnRefusal)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { g.serveOpnCall(w, r, name, key, serve) })
	}
	api("POST /opn/sources", opnOperations[0], OpnPublicKey, g.opnSource)
	api("POST /opn/charges", opnOperations[1], OpnSecretKey, g.opnCharge)
	api("GET /opn/charges/{id}", opnOperations[2], OpnSecretKey, g.opnQuery)
	mux.HandleFunc("/opn/", func(w http.ResponseWriter, r *http.Request) {
		no := &opnRefusal{http.StatusNotFound, "not_found", "there is nothing at this path"}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(no.status)
		w.Write(no.object())
	})
	mux.HandleFunc("GET /opn/payments/{page}/authorize", g.showOpnPage)
	mux.HandleFunc("POST /opn/payments/{page}/authorize", g.postOpnPage)
}

// opnRefusal is an error object with its HTTP status. The codes aren't
// documented.
type opnRefusal struct {
	status        int
	code, message string
}

func opnBadRequest(format string, args ...any) *opnRefusal {
	return &opnRefusal{http.StatusBadRequest, "bad_request", fmt.Sprintf(format, args...)}
}

// object is the error object.
func (no *opnRefusal) object() []byte {
	return marshal(map[string]string{
		"object": "error", "location": "https://www.omise.co/api-errors#" + url.PathEscape(no.code), "code": no.code, "message": no.message,
	})
}

func (g *Gateway) serveOpnCall(w http.ResponseWriter, r *http.Request, name, key string, serve func(*http.Request, url.Values) (any, *opnRefusal)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
	form, err := opnForm(r)
	user, _, _ := r.BasicAuth()
	version := r.Header.Get("Omise-Version") // The commands of Opn's guide have none.
	g.mu.Lock()
	fault := g.nextFault(name)
	var data any
	var no *opnRefusal
	switch {
	case fault.prevents():
	case user != key:
		no = &opnRefusal{http.StatusUnauthorized, "authentication_failure", "the key is not the one that this call is made with"}
	case version != "" && !newEnough(version):
		no = opnBadRequest("the header Omise-Version is not a day from %s on", opn.APIVersion)
	case err != nil:
		no = opnBadRequest("the body can't be read: it has to be a form, or a JSON object of texts, integers and objects of those")
	case fault.Kind == FaultRefuse:
		no = &opnRefusal{http.StatusBadRequest, string(fault.Code), "refused by an injected fault"}
	default:
		data, no = serve(r, form)
	}
	status, answer := http.StatusOK, []byte(nil)
	if no != nil {
		status, answer = no.status, no.object()
	} else {
		answer = marshal(data)
	}
	g.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch fault.Kind {
	case "", FaultLatency, FaultRefuse:
		if fault.Kind == FaultLatency {
			wait(r.Context(), fault.Delay)
		}
		w.WriteHeader(status)
		w.Write(answer)
	default:
		fault.spoil(w, r, answer)
	}
}

// newEnough tells whether a version, which is a day, has K PLUS.
func newEnough(version string) bool {
	_, err := time.Parse(time.DateOnly, version)
	return err == nil && version >= opn.APIVersion
}

// opnForm reads the parameters of a request, in a form or in JSON: a member of an
// object is name[member], as in a form.
func opnForm(r *http.Request) (url.Values, error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		err := r.ParseForm()
		return r.PostForm, err
	}
	decoder := json.NewDecoder(r.Body)
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows the object")
	}
	form := url.Values{}
	for name, value := range object {
		if inner, ok := value.(map[string]any); ok {
			for member, value := range inner {
				if err := setOpn(form, name+"["+member+"]", value); err != nil {
					return nil, err
				}
			}
		} else if err := setOpn(form, name, value); err != nil {
			return nil, err
		}
	}
	return form, nil
}

// setOpn adds a value of JSON to a form. Null is left out.
func setOpn(form url.Values, name string, value any) error {
	switch value := value.(type) {
	case nil:
	case string, bool, json.Number:
		form.Set(name, fmt.Sprint(value))
	default:
		return fmt.Errorf("%s is neither a text nor a number", name)
	}
	return nil
}

// id makes a number of Opn's for the latest serial.
func (a *opnAccount) id(prefix string) string {
	return fmt.Sprintf("%s_test_%019d", prefix, a.serial)
}

func (a *opnAccount) find(chargeID string) *opnCharge {
	for _, c := range a.charges {
		if c.ID == chargeID {
			return c
		}
	}
	return nil
}

// opnMoment is a time as Opn writes it.
func opnMoment(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// opnMoney reads the amount of a form, or says what is wrong with it.
func opnMoney(form url.Values) (ksher.Amount, *opnRefusal) {
	n, err := strconv.ParseInt(form.Get("amount"), 10, 64)
	switch amount := ksher.Amount(n); {
	case err != nil || amount < opn.MinAmount || amount > opn.MaxAmount:
		return 0, opnBadRequest("amount has to be an integer from %d to %d", int64(opn.MinAmount), int64(opn.MaxAmount))
	case !strings.EqualFold(form.Get("currency"), "THB"):
		return 0, opnBadRequest("currency has to be THB")
	default:
		return amount, nil
	}
}

// opnReturn is an address to which a page may send the buyer back, of the web or of an
// app, "" if it is neither.
func opnReturn(address string) template.URL {
	if web := webAddress(address); web != "" {
		return template.URL(web)
	}
	u, err := url.Parse(address)
	if err != nil || slices.Contains([]string{"", "http", "https", "javascript", "vbscript", "data", "blob", "file", "about"}, u.Scheme) {
		return ""
	}
	return template.URL(address)
}

// newOpnSource keeps a new source. The caller holds g.mu.
func (g *Gateway) newOpnSource(amount ksher.Amount, kind, platform string) (*opn.Source, *opnRefusal) {
	if kind != opn.SourceType {
		return nil, opnBadRequest("type has to be %s here", opn.SourceType)
	}
	if platform != "" && platform != string(opn.PlatformTypeIOS) && platform != string(opn.PlatformTypeAndroid) {
		return nil, opnBadRequest("platform_type has to be IOS or ANDROID")
	}
	g.opn.serial++
	id := g.opn.id("src")
	s := &opn.Source{
		Object: "source", ID: id, Location: "/sources/" + id, Amount: amount, CreatedAt: opnMoment(g.now()), Currency: "THB",
		Flow: "app_redirect", IP: opn.Null[string]{V: "127.0.0.1", Valid: true}, Type: opn.SourceType, ChargeStatus: opn.StatusUnknown,
		PlatformType: opn.Null[opn.PlatformType]{V: opn.PlatformType(platform), Valid: platform != ""},
		Items:        []json.RawMessage{}, Discounts: []json.RawMessage{},
	}
	g.opn.sources = append(g.opn.sources, s)
	g.opn.sources = slices.Delete(g.opn.sources, 0, max(0, len(g.opn.sources)-g.maxOrders))
	return s, nil
}

func (g *Gateway) opnSource(_ *http.Request, form url.Values) (any, *opnRefusal) {
	amount, no := opnMoney(form)
	if no != nil {
		return nil, no
	}
	s, no := g.newOpnSource(amount, form.Get("type"), form.Get("platform_type"))
	if no != nil {
		return nil, no
	}
	return *s, nil
}

func (g *Gateway) opnCharge(_ *http.Request, form url.Values) (any, *opnRefusal) {
	amount, no := opnMoney(form)
	if no != nil {
		return nil, no
	}
	if opnReturn(form.Get("return_uri")) == "" {
		return nil, opnBadRequest("return_uri has to be an http or https address, or an app's")
	}
	var source *opn.Source
	if id := form.Get("source"); id != "" {
		i := slices.IndexFunc(g.opn.sources, func(s *opn.Source) bool { return s.ID == id })
		if i < 0 {
			return nil, &opnRefusal{http.StatusNotFound, "not_found", "there is no such source"}
		}
		source = g.opn.sources[i]
	} else if source, no = g.newOpnSource(amount, form.Get("source[type]"), form.Get("source[platform_type]")); no != nil {
		return nil, no
	}
	switch {
	case source.Amount != amount:
		return nil, &opnRefusal{http.StatusBadRequest, "invalid_charge", "the amount is not that of the source"}
	case source.ChargeStatus != opn.StatusUnknown:
		return nil, &opnRefusal{http.StatusBadRequest, "invalid_charge", "the source was charged already"}
	}
	metadata := map[string]string{}
	for name, values := range form {
		if key, ok := strings.CutPrefix(name, "metadata["); ok {
			metadata[strings.TrimSuffix(key, "]")] = values[0]
		}
	}
	g.opn.serial++
	id, now := g.opn.id("chrg"), opnMoment(g.now())
	c := &opnCharge{page: "pay2_test_" + newUUID()}
	source.ChargeStatus = opn.StatusPending
	source.ProviderReferences = opn.Null[opn.ProviderReferences]{Valid: true, V: opn.ProviderReferences{
		ReferenceNumber1: opn.Null[string]{V: newUUID()[:16], Valid: true},
	}}
	c.Charge = opn.Charge{
		Object: "charge", ID: id, Location: "/charges/" + id, Amount: amount, FundingAmount: amount, Currency: "THB", FundingCurrency: "THB",
		// The rates of the charge in Opn's guide.
		Fee: 10_00, FeeVAT: 70, Net: amount - 10_70,
		TransactionFees: opn.TransactionFees{
			FeeFlat: opn.Null[string]{V: "10.0", Valid: true}, FeeRate: opn.Null[string]{V: "0.0", Valid: true}, VATRate: opn.Null[string]{V: "7.0", Valid: true},
		},
		Refunds: &opn.Refunds{
			Object: "list", Data: []json.RawMessage{}, Limit: 20, Location: "/charges/" + id + "/refunds", Order: "chronological",
			From: time.Unix(0, 0).UTC(), To: now,
		},
		Metadata: marshal(metadata), Source: source, Status: opn.StatusPending,
		AuthorizeURI: g.url + "/opn/payments/" + c.page + "/authorize", ReturnURI: form.Get("return_uri"),
		CreatedAt: now, ExpiresAt: opn.Null[time.Time]{V: now.Add(opnTime), Valid: true}, Capture: true,
	}
	if text := form.Get("description"); text != "" {
		c.Description = marshal(text)
	}
	g.opn.charges = append(g.opn.charges, c)
	g.opn.charges = slices.Delete(g.opn.charges, 0, max(0, len(g.opn.charges)-g.maxOrders))
	return c.view(g.now()), nil
}

func (g *Gateway) opnQuery(r *http.Request, _ url.Values) (any, *opnRefusal) {
	c := g.opn.find(r.PathValue("id"))
	if c == nil {
		return nil, &opnRefusal{http.StatusNotFound, "not_found", "there is no such charge"}
	}
	return c.view(g.now()), nil
}

// view is the charge as of now, with a copy of what can be changed through it.
func (c *opnCharge) view(now time.Time) opn.Charge {
	if c.Status == opn.StatusPending && !now.Before(c.ExpiresAt.V) {
		c.expire(c.ExpiresAt.V)
	}
	view, source, refunds := c.Charge, *c.Source, *c.Refunds
	view.Source, view.Refunds = &source, &refunds
	return view
}

func (c *opnCharge) expire(at time.Time) {
	c.Status, c.Source.ChargeStatus, c.Expired = opn.StatusExpired, opn.StatusExpired, true
	c.ExpiredAt = opn.Null[time.Time]{V: opnMoment(at), Valid: true}
	c.fail(opn.FailureCodePaymentExpired)
}

func (c *opnCharge) fail(code opn.FailureCode) {
	info, _ := code.Info()
	c.FailureCode = opn.Null[opn.FailureCode]{V: code, Valid: true}
	c.FailureMessage = opn.Null[string]{V: info.Meaning, Valid: true}
}

// end ends a pending charge, as paid if there is no code.
func (c *opnCharge) end(now time.Time, code opn.FailureCode) error {
	if status := c.view(now).Status; status != opn.StatusPending {
		return fmt.Errorf("%w: it is %s", ErrNotPayable, status)
	}
	c.Status = opn.StatusFailed
	if code == "" {
		c.Status, c.Paid, c.Authorized = opn.StatusSuccessful, true, true
		c.PaidAt = opn.Null[time.Time]{V: opnMoment(now), Valid: true}
	} else {
		c.fail(code)
	}
	c.Source.ChargeStatus = c.Status
	return nil
}

// opnPage finds the charge of a page. The caller holds g.mu.
func (g *Gateway) opnPage(r *http.Request) *opnCharge {
	for _, c := range g.opn.charges {
		if c.page == r.PathValue("page") {
			return c
		}
	}
	return nil
}

// showOpnPage serves the address in authorize_uri.
func (g *Gateway) showOpnPage(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	c := g.opnPage(r)
	var charge opn.Charge
	if c != nil {
		charge = c.view(g.now())
	}
	now := g.now()
	g.mu.Unlock()
	// Both pages are in English only.
	s := &scene{g: g, lang: "en", h5: true}
	v := s.message("missing", s.lang)
	v.Languages = nil
	if c == nil {
		render(w, http.StatusNotFound, v)
		return
	}
	v.Bad, v.Order = false, true
	v.Amount, v.Currency, v.No = ksher.Amount(charge.Amount).Display(""), charge.Currency, charge.ID
	v.Return = opnReturn(charge.ReturnURI)
	switch charge.Status {
	case opn.StatusPending:
		v.Block, v.Heading, v.Lead = "opn", "How does the payment end?", "In reality K PLUS opens here. Play the buyer instead."
		v.Action, v.Left = r.URL.Path, newCountdown(charge.ExpiresAt.V.Sub(now), g.speed)
		for _, code := range opn.FailureCodes() {
			info, _ := code.Info()
			v.Choices = append(v.Choices, choice{Name: string(code), Text: info.Meaning})
		}
	case opn.StatusSuccessful:
		v.Good, v.Heading, v.Lead = true, "Paid", "The charge is successful."
		v.refresh()
	default:
		v.Bad, v.Heading, v.Lead = true, "Not paid", fmt.Sprintf("The charge is %s: %v.", charge.Status, charge.FailureCode.V)
		v.refresh()
	}
	render(w, http.StatusOK, v)
}

// postOpnPage takes a button of the page.
func (g *Gateway) postOpnPage(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxPostBytes)
	if crossOrigin.Check(r) != nil || r.ParseForm() != nil {
		http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
		return
	}
	g.mu.Lock()
	c := g.opnPage(r)
	if c != nil && c.view(g.now()).Status == opn.StatusPending {
		switch action := r.PostForm.Get("action"); {
		case action == "successful":
			c.end(g.now(), "")
			g.announceOpn(c)
		case action == "expire":
			c.ExpiresAt.V = opnMoment(g.now())
			c.expire(g.now())
		case slices.Contains(opn.FailureCodes(), opn.FailureCode(action)):
			c.end(g.now(), opn.FailureCode(action))
			g.announceOpn(c)
		}
	}
	g.mu.Unlock()
	http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
}

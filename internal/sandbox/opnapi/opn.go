// Package opnapi is the local gateway's account at Opn Payments, with the part of Opn's API
// that K PLUS needs.
package opnapi

import (
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
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/opn"
)

// The keys of the one account at Opn Payments that the local gateway knows. They
// are of test mode and worth nothing.
const (
	PublicKey = "pkey_test_kshertest0000000000"
	SecretKey = "skey_test_kshertest0000000000"
)

// timeToPay is how long a charge can be paid.
//
// Source: Opn's guide to K PLUS, which says so and shows another time.
const timeToPay = 10 * time.Minute

// operations are the names of what the gateway serves of Opn's API, for faults.
var operations = []string{"opn sources", "opn charges", "opn charge"}

// Account is the account at Opn Payments. It is not part of a data file.
type Account struct {
	gw *core.Gateway

	// The gateway's lock guards what follows.
	serial int
	// sources and charges are as they came, at most as many of each as the gateway keeps
	// orders.
	sources []*opn.Source
	charges []*charge
	webhook string
}

// New returns the account of a gateway, and lets the gateway know of it.
func New(gw *core.Gateway) *Account {
	a := &Account{gw: gw}
	gw.Add(core.Protocol{Operations: operations, Post: a.post})
	return a
}

// charge is a charge as the account keeps it.
type charge struct {
	opn.Charge
	// page is the secret part of the authorise page's address.
	page string
	// due says that its event has to go out.
	due bool
}

// Charges returns the charges as the gateway has them, the oldest first.
func (a *Account) Charges() []opn.Charge {
	var views []opn.Charge
	a.gw.Do(func(tx *core.Tx) {
		views = make([]opn.Charge, len(a.charges))
		for i, c := range a.charges {
			views[i] = c.view(tx.Now())
		}
	})
	return views
}

// Pay plays the buyer who pays a charge in K PLUS.
func (a *Account) Pay(chargeID string) error { return a.end("PayOpn", chargeID, "") }

// Fail plays the buyer whose payment fails for that reason.
func (a *Account) Fail(chargeID string, code opn.FailureCode) error {
	if code == "" {
		return errors.New("kshertest: FailOpn: there is no code")
	}
	return a.end("FailOpn", chargeID, code)
}

func (a *Account) end(what, chargeID string, code opn.FailureCode) error {
	err := core.ErrNoOrder
	a.gw.Do(func(tx *core.Tx) {
		c := a.find(chargeID)
		if c != nil {
			err = c.end(tx.Now(), code)
		}
		if err == nil {
			a.announce(c)
		}
	})
	if err != nil {
		return fmt.Errorf("kshertest: %s: charge %q: %w", what, chargeID, err)
	}
	return nil
}

// Serve adds Opn's API and its page to what the gateway serves.
func (a *Account) Serve(mux *http.ServeMux) {
	api := func(pattern, name, key string, serve serving) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { a.serveCall(w, r, name, key, serve) })
	}
	api("POST /opn/sources", operations[0], PublicKey, a.createSource)
	api("POST /opn/charges", operations[1], SecretKey, a.createCharge)
	api("GET /opn/charges/{id}", operations[2], SecretKey, a.query)
	mux.HandleFunc("/opn/", func(w http.ResponseWriter, r *http.Request) {
		no := &refusal{http.StatusNotFound, "not_found", "there is nothing at this path"}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(no.status)
		w.Write(no.object())
	})
	mux.HandleFunc("GET /opn/payments/{page}/authorize", a.showPage)
	mux.HandleFunc("POST /opn/payments/{page}/authorize", a.postPage)
}

// refusal is an error object with its HTTP status. The codes aren't
// documented.
type refusal struct {
	status        int
	code, message string
}

func badRequest(format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, "bad_request", fmt.Sprintf(format, args...)}
}

// object is the error object.
func (no *refusal) object() []byte {
	return core.Marshal(map[string]string{
		"object": "error", "location": "https://www.omise.co/api-errors#" + url.PathEscape(no.code), "code": no.code, "message": no.message,
	})
}

// serving carries a call out under the gateway's lock.
type serving func(tx *core.Tx, r *http.Request, form url.Values) (any, *refusal)

func (a *Account) serveCall(w http.ResponseWriter, r *http.Request, name, key string, serve serving) {
	r.Body = http.MaxBytesReader(w, r.Body, core.MaxRequestBytes)
	form, formErr := readForm(r)
	var fault core.Fault
	status, answer := http.StatusOK, []byte(nil)
	a.gw.Do(func(tx *core.Tx) {
		if fault = tx.NextFault(name); fault.Prevents() {
			return
		}
		data, no := any(nil), check(r, key, formErr)
		switch {
		case no != nil:
		case fault.Kind == core.FaultRefuse:
			no = &refusal{http.StatusBadRequest, string(fault.Code), "refused by an injected fault"}
		default:
			data, no = serve(tx, r, form)
		}
		if no != nil {
			status, answer = no.status, no.object()
		} else {
			answer = core.Marshal(data)
		}
	})
	w.Header().Set("Content-Type", "application/json")
	switch fault.Kind {
	case "", core.FaultLatency, core.FaultRefuse:
		if fault.Kind == core.FaultLatency {
			core.Wait(r.Context(), fault.Delay)
		}
		w.WriteHeader(status)
		w.Write(answer)
	default:
		fault.Spoil(w, r, answer)
	}
}

// check tells why a call is refused whatever it asks for, nil if it isn't. formErr says
// that its parameters can't be read.
func check(r *http.Request, key string, formErr error) *refusal {
	user, _, _ := r.BasicAuth()
	version := r.Header.Get("Omise-Version") // The commands of Opn's guide have none.
	switch {
	case user != key:
		return &refusal{http.StatusUnauthorized, "authentication_failure", "the key is not the one that this call is made with"}
	case version != "" && !newEnough(version):
		return badRequest("the header Omise-Version is not a day from %s on", opn.APIVersion)
	case formErr != nil:
		return badRequest("the body can't be read: it has to be a form, or a JSON object of texts, integers and objects of those")
	}
	return nil
}

// newEnough tells whether a version, which is a day, has K PLUS.
func newEnough(version string) bool {
	_, err := time.Parse(time.DateOnly, version)
	return err == nil && version >= opn.APIVersion
}

// readForm reads the parameters of a request, in a form or in JSON: a member of an
// object is name[member], as in a form.
func readForm(r *http.Request) (url.Values, error) {
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
				if err := setValue(form, name+"["+member+"]", value); err != nil {
					return nil, err
				}
			}
		} else if err := setValue(form, name, value); err != nil {
			return nil, err
		}
	}
	return form, nil
}

// setValue adds a value of JSON to a form. Null is left out.
func setValue(form url.Values, name string, value any) error {
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
func (a *Account) id(prefix string) string {
	return fmt.Sprintf("%s_test_%019d", prefix, a.serial)
}

func (a *Account) find(chargeID string) *charge {
	for _, c := range a.charges {
		if c.ID == chargeID {
			return c
		}
	}
	return nil
}

// moment is a time as Opn writes it.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// money reads the amount of a form, or says what is wrong with it.
func money(form url.Values) (ksher.Amount, *refusal) {
	n, err := strconv.ParseInt(form.Get("amount"), 10, 64)
	switch amount := ksher.Amount(n); {
	case err != nil || amount < opn.MinAmount || amount > opn.MaxAmount:
		return 0, badRequest("amount has to be an integer from %d to %d", int64(opn.MinAmount), int64(opn.MaxAmount))
	case !strings.EqualFold(form.Get("currency"), "THB"):
		return 0, badRequest("currency has to be THB")
	default:
		return amount, nil
	}
}

// returnAddress is an address to which a page may send the buyer back, of the web or of an
// app, "" if it is neither.
func returnAddress(address string) template.URL {
	if web := core.WebAddress(address); web != "" {
		return template.URL(web)
	}
	u, err := url.Parse(address)
	if err != nil || slices.Contains([]string{"", "http", "https", "javascript", "vbscript", "data", "blob", "file", "about"}, u.Scheme) {
		return ""
	}
	return template.URL(address)
}

// newSource keeps a new source.
func (a *Account) newSource(tx *core.Tx, amount ksher.Amount, kind, platform string) (*opn.Source, *refusal) {
	if kind != opn.SourceType {
		return nil, badRequest("type has to be %s here", opn.SourceType)
	}
	if platform != "" && platform != string(opn.PlatformTypeIOS) && platform != string(opn.PlatformTypeAndroid) {
		return nil, badRequest("platform_type has to be IOS or ANDROID")
	}
	a.serial++
	id := a.id("src")
	s := &opn.Source{
		Object: "source", ID: id, Location: "/sources/" + id, Amount: amount, CreatedAt: moment(tx.Now()), Currency: "THB",
		Flow: "app_redirect", IP: opn.Null[string]{V: "127.0.0.1", Valid: true}, Type: opn.SourceType, ChargeStatus: opn.StatusUnknown,
		PlatformType: opn.Null[opn.PlatformType]{V: opn.PlatformType(platform), Valid: platform != ""},
		Items:        []json.RawMessage{}, Discounts: []json.RawMessage{},
	}
	a.sources = append(a.sources, s)
	a.sources = slices.Delete(a.sources, 0, max(0, len(a.sources)-a.gw.MaxOrders()))
	return s, nil
}

func (a *Account) createSource(tx *core.Tx, _ *http.Request, form url.Values) (any, *refusal) {
	amount, no := money(form)
	if no != nil {
		return nil, no
	}
	s, no := a.newSource(tx, amount, form.Get("type"), form.Get("platform_type"))
	if no != nil {
		return nil, no
	}
	return *s, nil
}

func (a *Account) createCharge(tx *core.Tx, _ *http.Request, form url.Values) (any, *refusal) {
	amount, no := money(form)
	if no != nil {
		return nil, no
	}
	if returnAddress(form.Get("return_uri")) == "" {
		return nil, badRequest("return_uri has to be an http or https address, or an app's")
	}
	var source *opn.Source
	if id := form.Get("source"); id != "" {
		i := slices.IndexFunc(a.sources, func(s *opn.Source) bool { return s.ID == id })
		if i < 0 {
			return nil, &refusal{http.StatusNotFound, "not_found", "there is no such source"}
		}
		source = a.sources[i]
	} else if source, no = a.newSource(tx, amount, form.Get("source[type]"), form.Get("source[platform_type]")); no != nil {
		return nil, no
	}
	switch {
	case source.Amount != amount:
		return nil, &refusal{http.StatusBadRequest, "invalid_charge", "the amount is not that of the source"}
	case source.ChargeStatus != opn.StatusUnknown:
		return nil, &refusal{http.StatusBadRequest, "invalid_charge", "the source was charged already"}
	}
	metadata := map[string]string{}
	for name, values := range form {
		if key, ok := strings.CutPrefix(name, "metadata["); ok {
			metadata[strings.TrimSuffix(key, "]")] = values[0]
		}
	}
	a.serial++
	id, now := a.id("chrg"), moment(tx.Now())
	c := &charge{page: "pay2_test_" + core.NewUUID()}
	source.ChargeStatus = opn.StatusPending
	source.ProviderReferences = opn.Null[opn.ProviderReferences]{Valid: true, V: opn.ProviderReferences{
		ReferenceNumber1: opn.Null[string]{V: core.NewUUID()[:16], Valid: true},
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
		Metadata: core.Marshal(metadata), Source: source, Status: opn.StatusPending,
		AuthorizeURI: a.gw.URL() + "/opn/payments/" + c.page + "/authorize", ReturnURI: form.Get("return_uri"),
		CreatedAt: now, ExpiresAt: opn.Null[time.Time]{V: now.Add(timeToPay), Valid: true}, Capture: true,
	}
	if text := form.Get("description"); text != "" {
		c.Description = core.Marshal(text)
	}
	a.charges = append(a.charges, c)
	a.charges = slices.Delete(a.charges, 0, max(0, len(a.charges)-a.gw.MaxOrders()))
	return c.view(tx.Now()), nil
}

func (a *Account) query(tx *core.Tx, r *http.Request, _ url.Values) (any, *refusal) {
	c := a.find(r.PathValue("id"))
	if c == nil {
		return nil, &refusal{http.StatusNotFound, "not_found", "there is no such charge"}
	}
	return c.view(tx.Now()), nil
}

// view is the charge as of now, with a copy of what can be changed through it.
func (c *charge) view(now time.Time) opn.Charge {
	if c.Status == opn.StatusPending && !now.Before(c.ExpiresAt.V) {
		c.expire(c.ExpiresAt.V)
	}
	view, source, refunds := c.Charge, *c.Source, *c.Refunds
	view.Source, view.Refunds = &source, &refunds
	return view
}

func (c *charge) expire(at time.Time) {
	c.Status, c.Source.ChargeStatus, c.Expired = opn.StatusExpired, opn.StatusExpired, true
	c.ExpiredAt = opn.Null[time.Time]{V: moment(at), Valid: true}
	c.fail(opn.FailureCodePaymentExpired)
}

func (c *charge) fail(code opn.FailureCode) {
	info, _ := code.Info()
	c.FailureCode = opn.Null[opn.FailureCode]{V: code, Valid: true}
	c.FailureMessage = opn.Null[string]{V: info.Meaning, Valid: true}
}

// end ends a pending charge, as paid if there is no code.
func (c *charge) end(now time.Time, code opn.FailureCode) error {
	if status := c.view(now).Status; status != opn.StatusPending {
		return fmt.Errorf("%w: it is %s", core.ErrNotPayable, status)
	}
	c.Status = opn.StatusFailed
	if code == "" {
		c.Status, c.Paid, c.Authorized = opn.StatusSuccessful, true, true
		c.PaidAt = opn.Null[time.Time]{V: moment(now), Valid: true}
	} else {
		c.fail(code)
	}
	c.Source.ChargeStatus = c.Status
	return nil
}

// Package opnapi is the local gateway's account at Opn Payments, with the part of Opn's API
// that K PLUS needs. Its sources and charges are in charge.go, how requests are read is in
// form.go, and events are in webhook.go.
package opnapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
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

// api is what the gateway calls the charges of this room.
const api = "opn"

// Account is the account at Opn Payments. Its charges are foreign orders of the gateway.
type Account struct {
	gw *core.Gateway
	// webhook is what SetWebhook was given. The gateway's lock guards it.
	webhook string
}

// operation is a part of Opn's API as the gateway serves it.
type operation struct {
	// name is that for faults and in the log of requests.
	name, pattern string
	// key is what it is called with.
	key   string
	serve func(*Account, *call) (any, *refusal)
}

// operations has them all. That a source is asked for with the public key is how Opn's
// client for Node does it.
var operations = []operation{
	{"opn sources", "POST /opn/sources", PublicKey, (*Account).createSource},
	{"opn source", "GET /opn/sources/{id}", PublicKey, (*Account).querySource},
	{"opn charges", "POST /opn/charges", SecretKey, (*Account).createCharge},
	{"opn charge", "GET /opn/charges/{id}", SecretKey, (*Account).queryCharge},
	{"opn charge list", "GET /opn/charges", SecretKey, (*Account).listCharges},
}

// New returns the account of a gateway, and lets the gateway know of it.
func New(gw *core.Gateway) *Account {
	a := &Account{gw: gw}
	var names []string
	for _, op := range operations {
		names = append(names, op.name)
	}
	gw.Add(core.Protocol{Operations: names, Notifier: notifier{a}, Foreign: true})
	return a
}

// Serve adds Opn's API and its page to what the gateway serves.
func (a *Account) Serve(mux *http.ServeMux) {
	for _, op := range operations {
		mux.HandleFunc(op.pattern, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, op) })
	}
	mux.HandleFunc("/opn", a.serveNothing)
	mux.HandleFunc("/opn/", a.serveNothing)
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

func notFound(what string) *refusal {
	return &refusal{http.StatusNotFound, "not_found", "there is no such " + what}
}

// object is the error object.
func (no *refusal) object() []byte {
	return core.Marshal(map[string]string{
		"object": "error", "location": "https://www.omise.co/api-errors#" + url.PathEscape(no.code), "code": no.code, "message": no.message,
	})
}

// call is a request to Opn's API, under the gateway's lock.
type call struct {
	tx      *core.Tx
	id      string
	params  url.Values
	lenient *core.Leniency
	// made is the charge that the request has made.
	made *core.Entry
}

// patience is how long an answer waits for the shop to take the event that comes before
// it. A shop with one process takes it only afterwards.
const patience = 2 * time.Second

func (a *Account) serve(w http.ResponseWriter, r *http.Request, op operation) {
	reply := a.gw.Reply(w, r, r.PathValue("id"))
	defer reply.End()
	params, err := readParams(w, r)
	no := check(r, op.key, err)
	c := &call{id: r.PathValue("id"), params: params, lenient: a.gw.Leniency()}
	var fault core.Fault
	var answer []byte
	tell := func(context.Context, time.Duration) {}
	a.gw.DoFor(r, func(tx *core.Tx) {
		c.tx = tx
		if no == nil {
			fault = tx.NextFault(op.name, "", nil)
			answer, no = a.carryOut(c, op, fault)
		}
		if no == nil && c.made != nil {
			tell = tx.Ahead(c.made)
		}
		tx.Log(c.record(op, no, fault), reply)
	})
	tell(r.Context(), patience)
	w.Header().Set("Content-Type", "application/json")
	if no != nil {
		reply.WriteHeader(no.status)
		answer = no.object()
	}
	fault.Spoil(reply, r, answer)
}

// carryOut does what a call asks for, unless a fault is against it.
func (a *Account) carryOut(c *call, op operation, fault core.Fault) ([]byte, *refusal) {
	switch {
	case fault.Prevents():
		return nil, nil
	case fault.Kind == core.FaultRefuse:
		return nil, &refusal{http.StatusBadRequest, string(fault.Code), "refused by an injected fault"}
	}
	data, no := op.serve(a, c)
	if err := c.tx.Save(); err != nil {
		no = &refusal{http.StatusInternalServerError, "internal_error", err.Error()}
	}
	if no != nil {
		return nil, no
	}
	return core.Marshal(data), nil
}

// record is the call in the log of requests.
func (c *call) record(op operation, no *refusal, fault core.Fault) core.Request {
	r := core.Request{Operation: op.name, Params: maps.Clone(c.params), Fault: fault.Kind, Notes: c.lenient.Notes()}
	if c.id != "" {
		r.Params = url.Values{"id": {c.id}}
	}
	if no != nil {
		r.Code = ksher.Code(no.code)
	}
	return r
}

// serveNothing answers where Opn's API has nothing, or nothing that K PLUS needs.
func (a *Account) serveNothing(w http.ResponseWriter, r *http.Request) {
	no := &refusal{http.StatusNotFound, "not_found", "there is nothing at this path by this method"}
	a.gw.Do(func(tx *core.Tx) {
		tx.Log(core.Request{Operation: api, Params: url.Values{"method": {r.Method}, "path": {r.URL.Path}}, Code: ksher.Code(no.code)}, nil)
	})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(no.status)
	w.Write(no.object())
}

// check tells why a call is refused whatever it asks for, nil if it isn't. unread says
// that its parameters can't be read.
func check(r *http.Request, key string, unread error) *refusal {
	user, _, _ := r.BasicAuth()
	version := r.Header.Get("Omise-Version") // The commands of Opn's guide have none.
	switch {
	case user != key:
		return &refusal{http.StatusUnauthorized, "authentication_failure", "the key is not the one that this call is made with"}
	case version != "" && !newEnough(version):
		return badRequest("the header Omise-Version is not a day from %s on", opn.APIVersion)
	case unread != nil:
		return badRequest("the parameters can't be read: they have to be a form, or a JSON object")
	}
	return nil
}

// newEnough tells whether a version, which is a day, has K PLUS.
func newEnough(version string) bool {
	_, err := time.Parse(time.DateOnly, version)
	return err == nil && version >= opn.APIVersion
}

// Charges returns the charges as the gateway has them, the oldest first.
func (a *Account) Charges() []opn.Charge {
	var views []opn.Charge
	a.gw.Do(func(tx *core.Tx) {
		for o := range tx.AllForeign(api) {
			views = append(views, a.view(tx.URL(), o, tx.Now()))
		}
	})
	return views
}

// Pay plays the buyer who pays a charge in K PLUS.
func (a *Account) Pay(chargeID string) error {
	return a.end("PayOpn", chargeID, func(tx *core.Tx, o *core.Entry) error { return tx.Pay(o, "") })
}

// Fail plays the buyer whose payment fails for that reason.
func (a *Account) Fail(chargeID string, code opn.FailureCode) error {
	if code == "" {
		return errors.New("kshertest: FailOpn: there is no code")
	}
	return a.end("FailOpn", chargeID, func(tx *core.Tx, o *core.Entry) error { return tx.FailBecause(o, string(code)) })
}

func (a *Account) end(what, chargeID string, how func(*core.Tx, *core.Entry) error) error {
	err := core.ErrNoOrder
	a.gw.Do(func(tx *core.Tx) {
		if o := find(tx, chargeID); o != nil {
			err = how(tx, o)
		}
		if err == nil {
			err = tx.Save()
		}
	})
	if err != nil {
		return fmt.Errorf("kshertest: %s: charge %q: %w", what, chargeID, err)
	}
	return nil
}

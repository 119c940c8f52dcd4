// Package api is the local gateway's API of gateway.ksher.com and api.mch.ksher.net: its
// operations, the signatures of requests and answers, and its notifications.
package api

import (
	"net/http"
	"net/url"
	"path"
	"slices"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/wire"
)

// Server serves the API.
type Server struct {
	gw     *core.Gateway
	varied bool
}

// New returns the API of a gateway, and lets the gateway know of it. With varied the fees of
// some orders are written as genuine answers have them now and then.
func New(gw *core.Gateway, varied bool) *Server {
	s := &Server{gw, varied}
	var names []string
	for _, op := range operations {
		names = append(names, op.name())
	}
	gw.Add(core.Protocol{Operations: names, Notifier: notifier{s}})
	return s
}

// Serve adds the API to what the gateway serves.
func (s *Server) Serve(mux *http.ServeMux) {
	for _, op := range operations {
		mux.HandleFunc(op.path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, op) })
	}
	s.serveForms(mux)
}

// operation is one of Ksher's operations as the gateway serves it.
type operation struct {
	path string
	// required are the parameters it can't do without.
	required []string
	// serve carries it out under the gateway's lock. It returns the data of the
	// answer, or a code that refuses.
	serve func(s *Server, tx *core.Tx, p url.Values, l *core.Leniency) (data any, refusal ksher.Code)
}

// name is the operation's name, the last part of its path.
func (op operation) name() string { return path.Base(op.path) }

// operations has every operation that the gateway serves. Nothing changes it.
var operations = slices.Concat(orderOperations(), quickOperations(), walletOperations(), accountOperations(), payoutOperations())

func (s *Server) serve(w http.ResponseWriter, r *http.Request, op operation) {
	lenient := s.gw.Leniency()
	text, code := postedOrAsked(w, r, lenient)
	params, code := s.readRequest(op, text, code, lenient)
	version := ksher.SignV1
	if r.Header.Get("ksher-sign-version") == "V2" {
		version = ksher.SignV2
	}
	reply := s.gw.Reply(w, r, "")
	defer reply.End()
	fault, answer := s.carryOut(r, op, text, params, code, version, lenient, reply)
	w.Header().Set("Content-Type", "application/json")
	fault.Spoil(reply, r, answer)
}

// carryOut does what a request of that text asks for, unless code or a fault refuses it,
// and makes the answer.
func (s *Server) carryOut(r *http.Request, op operation, text string, params url.Values, code ksher.Code, version ksher.SignVersion, l *core.Leniency, reply *core.Reply) (fault core.Fault, answer []byte) {
	hint := s.hint(op, text, params, code)
	s.gw.DoFor(r, func(tx *core.Tx) {
		if code == "" {
			code = fresh(tx, op, params, l)
		}
		if code == "" { // A request that is refused leaves the faults for others.
			fault = tx.NextFault(op.name(), op.merchant(params), params)
		}
		at := tx.Now()
		if fault.Kind == core.FaultClockSkew {
			at = at.Add(fault.Delay)
		}
		switch {
		case code != "":
			answer = verdict{code, l, at}.failed(op.hostOf())
		case fault.Prevents():
		default:
			var data any
			data, code = s.decide(tx, op, params, fault, l)
			text := s.shaped(op.name(), data, tx.Terms(op.merchant(params)).Location())
			answer = forge(fault, verdict{code, l, at}.signed(op.hostOf(), text, SignedParts[op.name()], signedUnder(fault, version)))
		}
		tx.Log(core.Request{
			Operation: op.name(), Params: params, Code: code, Hint: hint, Fault: fault.Kind,
			SignText: string(wire.ParamsSignText(wire.FormParams(params))), Notes: l.Notes(),
		}, reply)
	})
	return fault, answer
}

// decide carries a request out or refuses it. It returns the data of the answer, and the
// code of a refusal.
func (s *Server) decide(tx *core.Tx, op operation, params url.Values, fault core.Fault, l *core.Leniency) (data any, code ksher.Code) {
	if code = fault.Code; code == "" {
		data, code = op.serve(s, tx, params, l)
		if err := tx.Save(); err != nil {
			code = ksher.CodeKsherSystemError
		}
	}
	if code != "" {
		data = verdict{code: code, l: l}.refusal(op.merchant(params), params.Get("nonce_str"))
	}
	return data, code
}

// Message is what a code means, in words.
func Message(code ksher.Code) string {
	info, _ := code.Info()
	return info.Meaning
}

// because is what a code means and, from a strict gateway, why a request is refused.
func because(code ksher.Code, l *core.Leniency) string {
	if why := l.Refusal(); why != "" {
		return Message(code) + ": " + why
	}
	return Message(code)
}

package api

import (
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/checkout"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// serveForms adds the addresses that a browser posts a form of gateway_pay to. The
// address decides the layout of the page, whatever the form says, which is not
// documented.
func (s *Server) serveForms(mux *http.ServeMux) {
	for path, device := range map[string]string{"/pc": "PC", "/h5": "H5"} {
		op := operations[slices.IndexFunc(operations, func(op operation) bool { return op.name() == "gateway_pay" })]
		op.serve = func(s *Server, tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
			p = maps.Clone(p)
			p.Set("device", string(device))
			return s.gatewayPay(tx, p, l)
		}
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { s.takeForm(w, r, op, device) })
	}
}

// takeForm creates the order of a form and leads to its checkout page, or shows
// why it was refused. Which page Ksher shows then, and with which status, is not
// documented.
func (s *Server) takeForm(w http.ResponseWriter, r *http.Request, op operation, device string) {
	lenient := s.gw.Leniency()
	text, code := posted(w, r)
	params, code := s.readRequest(op, text, code, lenient)
	reply := s.gw.Reply(w, r, "")
	defer reply.End()
	fault, answer := s.carryOut(r, op, text, params, code, ksher.SignV1, lenient, reply)
	switch fault.Kind {
	case "", core.FaultRefuse, core.FaultBadSignature, core.FaultOtherKey, core.FaultClockSkew: // A page has no signature and no time.
	case core.FaultLatency:
		if core.Wait(r.Context(), fault.Delay) != nil {
			return
		}
	default:
		fault.Spoil(reply, r, []byte("<!doctype html>"))
		return
	}
	var said struct {
		Data struct {
			PayContent string     `json:"pay_content"`
			ErrCode    ksher.Code `json:"err_code"`
		}
	}
	if json.Unmarshal(answer, &said) == nil && said.Data.PayContent != "" {
		// Without the host, which the buyer may know by another name.
		http.Redirect(reply, r, strings.TrimPrefix(said.Data.PayContent, s.gw.URLFor(r)), http.StatusSeeOther)
		return
	}
	if code == "" {
		code = said.Data.ErrCode
	}
	status := http.StatusBadRequest
	if code == ksher.CodeRequirePostMethod {
		status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", http.MethodPost)
	}
	v := checkout.Message("refused", checkout.LangOf(params.Get("lang")), device == "H5")
	v.Lead, _ = v.T("lead_form", string(code), because(code, lenient))
	// Only what the merchant has signed may lead the buyer away.
	if m := s.gw.Known(op.appID(params)); m != nil && signed(m, params, lenient) {
		v.Return = template.URL(core.WebAddress(params.Get("mch_redirect_url_fail")))
	}
	v.Render(reply, status)
}

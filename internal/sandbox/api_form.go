package sandbox

import (
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ksher-go/ksher"
)

// serveForms adds the addresses that a browser posts a form of gateway_pay to. The
// address decides the layout of the page, whatever the form says, which is not
// documented.
func (g *Gateway) serveForms(mux *http.ServeMux) {
	for path, device := range map[string]string{"/pc": "PC", "/h5": "H5"} {
		op := operations[slices.IndexFunc(operations, func(op operation) bool { return op.name() == "gateway_pay" })]
		op.serve = func(g *Gateway, p url.Values) (any, ksher.Code) {
			p = maps.Clone(p)
			p.Set("device", string(device))
			return g.gatewayPay(p)
		}
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { g.takeForm(w, r, op, device) })
	}
}

// takeForm creates the order of a form and leads to its checkout page, or shows
// why it was refused. Which page Ksher shows then, and with which status, is not
// documented.
func (g *Gateway) takeForm(w http.ResponseWriter, r *http.Request, op operation, device string) {
	params, code := g.readRequest(w, r, op)
	fault, answer := g.carryOut(op, params, code, ksher.SignV1)
	switch fault.Kind {
	case "", FaultRefuse, FaultBadSignature, FaultOtherKey, FaultClockSkew: // A page has no signature and no time.
	case FaultLatency:
		wait(r.Context(), fault.Delay)
	default:
		fault.spoil(w, r, []byte("<!doctype html>"))
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
		http.Redirect(w, r, strings.TrimPrefix(said.Data.PayContent, g.url), http.StatusSeeOther)
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
	s := &scene{g: g, lang: params.Get("lang"), h5: device == "H5"}
	if !slices.Contains(languages, s.lang) {
		s.lang = "en"
	}
	v := s.message("refused", s.lang)
	v.Languages = nil
	v.Lead = s.say("lead_form", string(code), message(code))
	// Only what the merchant has signed may lead the buyer away.
	if g.signed(params) {
		v.Return = template.URL(webAddress(params.Get("mch_redirect_url_fail")))
	}
	render(w, status, v)
}

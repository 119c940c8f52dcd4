package api

import (
	"crypto"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/wire"
)

// everyRequest are the parameters that no request can do without.
var everyRequest = []string{"nonce_str", "time_stamp"}

// readRequest returns the parameters of a request, as far as they can be read,
// and the code that refuses it if it isn't signed and complete.
func (s *Server) readRequest(w http.ResponseWriter, r *http.Request, op operation, l *core.Leniency) (url.Values, ksher.Code) {
	text, code := formText(w, r)
	if code != "" {
		return nil, code
	}
	params, err := url.ParseQuery(text)
	if err != nil {
		return nil, ksher.CodeParamError
	}
	if len(params) == 0 {
		return params, ksher.CodePostDataEmpty
	}
	for name, values := range params {
		if len(values) != 1 {
			return params, ksher.CodeParamError
		}
		if !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return params, ksher.CodeNotUTF8
		}
	}
	id := op.appID(params)
	if id == "" {
		return params, ksher.CodeAppIDNotExist
	}
	merchant := s.gw.Known(id)
	if merchant == nil {
		return params, ksher.CodeKsherInvalidMchInfo
	}
	if !signed(merchant, params, l) {
		return params, ksher.CodeKsherSignError
	}
	return params, op.complete(params, l)
}

// formText is the text that has a request's parameters.
func formText(w http.ResponseWriter, r *http.Request) (string, ksher.Code) {
	if r.Method != http.MethodPost {
		return "", ksher.CodeRequirePostMethod
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, core.MaxRequestBytes))
	if err != nil {
		return "", ksher.CodeKsherParamOverlength
	}
	return string(body), ""
}

// signed tells whether the merchant has signed the parameters.
func signed(m *core.Merchant, params url.Values, l *core.Leniency) bool {
	sig, err := hex.DecodeString(params.Get("sign"))
	if err != nil {
		return false
	}
	return m.SignedWith(wire.ParamsSignText(wire.FormParams(params)), sig) == crypto.MD5
}

// complete says what the parameters of a signed request lack.
func (op operation) complete(params url.Values, l *core.Leniency) ksher.Code {
	for _, name := range slices.Concat(op.required, everyRequest) {
		if params.Get(name) == "" {
			return ksher.CodeLackParams
		}
	}
	for _, name := range []string{"mch_order_no", "mch_refund_no", "nonce_str"} {
		if utf8.RuneCountInString(params.Get(name)) > 32 {
			return ksher.CodeKsherParamOverlength
		}
	}
	return ""
}

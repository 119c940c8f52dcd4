package api

import (
	"crypto/md5"
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
func (s *Server) readRequest(w http.ResponseWriter, r *http.Request, op operation) (url.Values, ksher.Code) {
	if r.Method != http.MethodPost {
		return nil, ksher.CodeRequirePostMethod
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, core.MaxRequestBytes))
	if err != nil {
		return nil, ksher.CodeKsherParamOverlength
	}
	params, err := url.ParseQuery(string(body))
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
	if !signed(merchant, params) {
		return params, ksher.CodeKsherSignError
	}
	for _, name := range slices.Concat(op.required, everyRequest) {
		if params.Get(name) == "" {
			return params, ksher.CodeLackParams
		}
	}
	for _, name := range []string{"mch_order_no", "mch_refund_no", "nonce_str"} {
		if utf8.RuneCountInString(params.Get(name)) > 32 {
			return params, ksher.CodeKsherParamOverlength
		}
	}
	return params, ""
}

// signed tells whether the merchant has signed the parameters.
func signed(m *core.Merchant, params url.Values) bool {
	sig, err := hex.DecodeString(params.Get("sign"))
	if err != nil {
		return false
	}
	return m.Verify(md5.Sum(wire.ParamsSignText(wire.FormParams(params))), sig)
}

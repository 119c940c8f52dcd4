package api

import (
	"crypto"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/check"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/wire"
)

// everyRequest are the parameters that no request can do without.
var everyRequest = []string{"nonce_str", "time_stamp"}

// readRequest returns the parameters of a request with that text, as far as they can be
// read, and the code that refuses it if that isn't given, or it isn't signed and complete.
func (s *Server) readRequest(op operation, text string, code ksher.Code, l *core.Leniency) (url.Values, ksher.Code) {
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
	if id == "" || op.name() == "get_settlement_info" && !params.Has("mch_appid") && !l.Accepts("the app ID as appid", "it as mch_appid") {
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

// posted is the text of a posted form.
func posted(w http.ResponseWriter, r *http.Request) (string, ksher.Code) {
	if r.Method != http.MethodPost {
		return "", ksher.CodeRequirePostMethod
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, core.MaxRequestBytes))
	if err != nil {
		return "", ksher.CodeKsherParamOverlength
	}
	return string(body), ""
}

// postedOrAsked is the text of a posted form or of the query of a GET. No client is known
// that posts a query.
func postedOrAsked(w http.ResponseWriter, r *http.Request, l *core.Leniency) (string, ksher.Code) {
	query := r.URL.RawQuery
	if r.Method != http.MethodGet || query == "" || !l.Accepts("a GET with a query", "a POST with a form") {
		return posted(w, r)
	}
	if len(query) > core.MaxRequestBytes {
		return "", ksher.CodeKsherParamOverlength
	}
	return query, ""
}

// signed tells whether the merchant has signed the parameters.
func signed(m *core.Merchant, params url.Values, l *core.Leniency) bool {
	sign := params.Get("sign")
	sig, err := hex.DecodeString(sign)
	if err != nil {
		return false
	}
	switch m.SignedWith(wire.ParamsSignText(wire.FormParams(params)), sig) {
	case crypto.MD5:
	case crypto.SHA1:
		if !l.Accepts("a signature of a SHA-1 digest", "one of an MD5 digest") {
			return false
		}
	default:
		return false
	}
	return sign == strings.ToLower(sign) || l.Accepts("a signature in upper-case hex digits", "lower-case ones")
}

// timeLayout is the documented form of a time_stamp.
const timeLayout = "20060102150405"

// fresh refuses a nonce that another request has had, and a time in another form than the
// documented one. Clients send Unix seconds, milliseconds and texts with letters in them,
// from which it seems that the real gateway doesn't look. A request that is sent twice is
// no other one, so that a client may repeat a query.
func fresh(tx *core.Tx, op operation, p url.Values, l *core.Leniency) ksher.Code {
	id, nonce, sign := op.appID(p), p.Get("nonce_str"), p.Get("sign")
	for r := range tx.Requests() {
		used := r.Params.Get("nonce_str") == nonce && r.Params.Get("sign") != sign && op.appID(r.Params) == id
		if used && !l.Accepts("a nonce_str that was used before", "another one in each request") {
			return ksher.CodeParamError
		}
	}
	if _, err := time.Parse(timeLayout, p.Get("time_stamp")); err != nil && !l.Accepts("a time_stamp in another form", "yyyymmddHHMMSS") {
		return ksher.CodeParamError
	}
	return ""
}

// leftOut are parameters that are documented as required, or sent by most of Ksher's own
// clients, and that others leave out or empty, by operation.
var leftOut = map[string][]string{
	"gateway_pay": {"mch_code", "product_name"},
	"wap_pay":     {"refer_url"},
	"web_pay":     {"refer_url"},
}

// complete says what the parameters of a signed request lack.
func (op operation) complete(params url.Values, l *core.Leniency) ksher.Code {
	for _, name := range slices.Concat(op.required, everyRequest) {
		if params.Get(name) == "" {
			return ksher.CodeLackParams
		}
	}
	for _, name := range leftOut[op.name()] {
		if !given(params, name, l) {
			return ksher.CodeLackParams
		}
	}
	for _, name := range []string{"mch_order_no", "mch_refund_no", "nonce_str"} {
		if utf8.RuneCountInString(params.Get(name)) > 32 {
			return ksher.CodeKsherParamOverlength
		}
	}
	return op.channels(params, l)
}

// channels refuses channels that the guides don't describe.
func (op operation) channels(params url.Values, l *core.Leniency) ksher.Code {
	for _, name := range check.ChannelParams {
		if RefuseChannels(l, name, params.Get(name), op.describes) == "" {
			continue
		}
		if name == "channel_list" {
			return ksher.CodeChannelListError
		}
		return ksher.CodeKsherInvalidParam
	}
	return ""
}

// RefuseChannels says what a parameter would have to name, "" if what it names is accepted.
// Ksher may know more channels than its guides, but one that is spelled wrong is met more
// often, and a test with it proves nothing.
func RefuseChannels(l *core.Leniency, param, value string, known func(ksher.Channel) bool) (wanted string) {
	for _, c := range check.Channels(value) {
		wanted := "one of Ksher's channels"
		if near := check.Nearest(c, channelNames()); near != "" {
			wanted += fmt.Sprintf(", such as %q", near)
		}
		if !known(ksher.Channel(c)) && !l.Accepts(fmt.Sprintf("the unknown channel %q in %s", c, param), wanted) {
			return wanted
		}
	}
	return ""
}

// describes tells whether the documentation of an operation, or the guides, have a channel.
func (op operation) describes(c ksher.Channel) bool {
	info, known := c.Info()
	switch op.name() {
	case "payout", "order_query_payout":
		return known || c == payoutChannel
	case "order_close":
		return known || info.OrderClose
	}
	return known
}

func channelNames() (names []string) {
	for _, c := range ksher.Channels() {
		names = append(names, string(c.Channel))
	}
	return names
}

// given tells whether a request has a parameter, or may do without.
func given(params url.Values, name string, l *core.Leniency) bool {
	return params.Get(name) != "" || l.Accepts("a request without "+name, "one with it")
}

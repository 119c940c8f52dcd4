package vipapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ksher-go/ksher/internal/signhelp"
	"github.com/ksher-go/ksher/internal/wire"
)

// explain says what is wrong with the signature. Of the spellings of booleans that one
// counts in which the least is wrong.
func (c *call) explain(r *http.Request, params []param) string {
	asked := signhelp.HMACRequest{
		Request: signhelp.Request{Sign: c.params.Get("signature")},
		Method:  r.Method, Host: "http://" + r.Host, Path: c.path, Known: c.op.knows,
	}
	params = slices.DeleteFunc(slices.Clone(params), func(p param) bool { return p.name == "signature" })
	slices.SortStableFunc(params, func(a, b param) int { return c.placeOf(a.name) - c.placeOf(b.name) })
	var best string
	found := false
	for _, s := range spellings {
		asked.Params = nil
		for _, p := range params {
			asked.Params = append(asked.Params, wire.Param{Name: p.name, Value: p.spelled(s)})
		}
		text, known := signhelp.HMAC(asked, Token)
		if best == "" || known && !found || known == found && len(text) < len(best) {
			best, found = text, known
		}
		if !slices.ContainsFunc(params, param.literal) {
			break // All spellings are the same.
		}
	}
	return best
}

// placeOf is where a parameter stands in the query or the body.
func (c *call) placeOf(name string) int {
	if at := strings.Index("&"+c.sent, "&"+url.QueryEscape(name)+"="); at >= 0 {
		return at
	}
	return strings.Index(c.sent, `"`+name+`"`)
}

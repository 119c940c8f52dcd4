package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/signhelp"
	"github.com/ksher-go/ksher/internal/wire"
)

// maxOtherKeys is how many other merchants' keys are tried for a signature.
const maxOtherKeys = 50

// hint says what is wrong with the signature of a request of that text, if that is why it
// is refused.
func (s *Server) hint(op operation, text string, params url.Values, code ksher.Code) string {
	if code != ksher.CodeKsherSignError {
		return ""
	}
	// A request is refused for its signature only if its merchant is known.
	owner := s.gw.Known(op.appID(params))
	keys := []signhelp.Key{
		{Name: "the gateway's key of version 1", Public: PublicKey(ksher.SignV1)},
		{Name: "the gateway's key of version 2", Public: PublicKey(ksher.SignV2)},
	}
	others := slices.DeleteFunc(s.gw.Merchants(), func(m *core.Merchant) bool { return m == owner })
	for _, m := range others[:min(len(others), maxOtherKeys)] {
		keys = append(keys, merchantKey(m))
	}
	sent := slices.DeleteFunc(wire.FormParams(params), func(p wire.Param) bool { return p.Name == "sign" })
	inOrder(sent, text)
	return signhelp.RSA(signhelp.Request{Params: sent, Sign: params.Get("sign")}, merchantKey(owner), keys...)
}

func merchantKey(m *core.Merchant) signhelp.Key {
	return signhelp.Key{Name: fmt.Sprintf("the key of merchant %.64q", m.AppID), Public: m.PublicKey()}
}

// inOrder puts parameters in the order in which they stand in a form or query.
func inOrder(params []wire.Param, text string) {
	at := make(map[string]int)
	for pair := range strings.SplitSeq(text, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err == nil {
			at[name] = len(at)
		}
	}
	slices.SortStableFunc(params, func(a, b wire.Param) int { return at[a.Name] - at[b.Name] })
}

package story

import (
	"cmp"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// signName tells the signatures. Everybody has the sandbox's keys, but a report may be
// written by somebody who has set another key.
var signName = regexp.MustCompile(`(?i)^sign(ature)?$`)

// member is a member of JSON whose value is a text or a number, also in JSON that was cut
// off, and pair is one of a form, a query or a cookie.
var (
	member = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"(\s*:\s*)("(?:[^"\\]|\\.)*(?:"|$)|-?[0-9][^,}\]\s]*)`)
	pair   = regexp.MustCompile(`([A-Za-z0-9_.\-]+)=([^&\s"'<>;]+)`)
)

// mask takes what is secret out of texts.
type mask struct {
	// values are known to be secret, wherever they stand.
	values []string
}

// minSecret is how long a value has to be to be looked for in other texts.
const minSecret = 6

// masker knows what was secret in the requests about an order.
func masker(o *core.Entry, happened []core.Happening) mask {
	found := make(map[string]bool)
	look := func(params url.Values) {
		for name, values := range params {
			for _, v := range values {
				if isSecret(name) && len(v) >= minSecret {
					found[v] = true
				}
			}
		}
	}
	look(o.Params)
	for _, h := range happened {
		if h.Exchange != nil {
			look(h.Exchange.Params)
		}
	}
	// The longest first, because one may be a part of another.
	return mask{slices.SortedFunc(maps.Keys(found), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })}
}

func isSecret(name string) bool { return core.IsSecret(name) || signName.MatchString(name) }

func (m mask) params(params url.Values) []Param {
	var list []Param
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value := params.Get(name)
		switch {
		case value != "" && isSecret(name):
			value = core.Masked
		case core.WebAddress(value) != "":
			value = m.address(value)
		default:
			value = m.text(value)
		}
		list = append(list, Param{m.text(name), value})
	}
	return list
}

// text is a text without what is secret.
func (m mask) text(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil && strings.HasPrefix(text, "%7B") {
		return url.QueryEscape(m.text(plain))
	}
	for _, v := range m.values {
		text = strings.ReplaceAll(text, v, core.Masked)
		text = strings.ReplaceAll(text, url.QueryEscape(v), core.Masked)
	}
	text = member.ReplaceAllStringFunc(text, func(found string) string {
		part := member.FindStringSubmatch(found)
		if isSecret(part[1]) && part[3] != `""` {
			return `"` + part[1] + `"` + part[2] + `"` + core.Masked + `"`
		}
		return found
	})
	return pair.ReplaceAllStringFunc(text, func(found string) string {
		if name, _, _ := strings.Cut(found, "="); isSecret(name) {
			return name + "=" + core.Masked
		}
		return found
	})
}

// address is an address without a password, and without what is secret in its query.
func (m mask) address(text string) string {
	if u, err := url.Parse(text); err == nil && u.User != nil {
		u.User = nil
		text = u.String()
	}
	return m.text(text)
}

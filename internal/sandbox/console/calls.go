package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"go/format"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-querystring/query"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// call is a program that creates an order.
type call struct{ ID, Language, About, Text string }

// language is one that the dashboard shows a call in.
type language struct {
	id, name, file, about string
	// param writes a parameter of the call.
	param func(name, value string) string
}

var languages = []language{
	{"go", "Go", "snippet.go.txt", "A whole program. It prints the address of the checkout page.", nil},
	{"curl", "curl", "snippet.sh", "A script for bash, with curl, openssl and xxd.", func(name, value string) string {
		return "  '" + strings.ReplaceAll(name+"="+value, "'", `'\''`) + "'"
	}},
	{"node", "Node", "snippet.js", "A script for Node 18 or later, without packages.", jsonParam("    %s: %s,")},
	{"python", "Python", "snippet.py", "A script for Python 3, with openssl for the signature.", jsonParam(`    "%s": %s,`)},
	{"php", "PHP", "snippet.php", "A script for PHP 7 or later, with its extension openssl.", func(name, value string) string {
		return "  '" + name + "' => '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "',"
	}},
}

// jsonParam writes a value as JSON does, which is a literal in other languages, too.
func jsonParam(line string) func(name, value string) string {
	return func(name, value string) string { return fmt.Sprintf(line, name, literal(value)) }
}

func literal(value string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(value) // A string can be.
	return strings.TrimSpace(b.String())
}

// own are the parameters that every call has for itself.
var own = []string{"appid", "nonce_str", "time_stamp", "sign", "mch_order_no"}

// calls are programs that create an order of the merchant's as the parameters of a
// gateway_pay have it, under a new number.
func (c *Console) calls(r *http.Request, m *core.Merchant, params url.Values) []call {
	base := c.gw.URLFor(r)
	setup := c.Setup(base)
	fill := []string{
		"{{appid}}", m.AppID, "{{url}}", base, "{{gateway}}", setup.GatewayURL, "{{merchant}}", setup.MerchantURL,
		"{{private}}", cmp.Or(strings.TrimSpace(m.PrivateKeyPEM()), "the private key of "+m.AppID+", which the sandbox doesn't have"),
		"{{v1}}", publicPEM(setup.PublicKey(ksher.SignV1)), "{{v2}}", publicPEM(setup.PublicKey(ksher.SignV2)), "{{params}}",
	}
	var calls []call
	for _, l := range languages {
		var text string
		if l.param == nil {
			text = goSource(strings.NewReplacer(append(fill, goFields(params))...).Replace(snippet(l.file)))
		} else {
			text = strings.NewReplacer(append(fill, paramLines(l, params))...).Replace(snippet(l.file))
		}
		calls = append(calls, call{l.id, l.name, l.about, text})
	}
	return calls
}

// standardOrder has the parameters of the order that the form proposes.
func (c *Console) standardOrder(r *http.Request) url.Values {
	order := c.newOrder(c.gw.URLFor(r))
	order.MchCode = "test"
	params, err := query.Values(order)
	if err != nil {
		panic(err) // Its types are those of package ksher.
	}
	return params
}

// paramLines are the parameters as the language writes them.
func paramLines(l language, params url.Values) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if !slices.Contains(own, name) {
			lines = append(lines, l.param(name, params.Get(name)))
		}
	}
	return strings.Join(lines, "\n")
}

// goFields are the parameters as fields of a GatewayPayRequest, and as extra parameters
// where it has no field or the value doesn't fit.
func goFields(params url.Values) string {
	var fields, extra strings.Builder
	known := slices.Clone(own)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[ksher.GatewayPayRequest]()) {
		name, _, _ := strings.Cut(f.Tag.Get("url"), ",")
		value := params.Get(name)
		text := goLiteral(f.Type, value)
		if value == "" || text == "" || slices.Contains(own, name) {
			continue
		}
		known = append(known, name)
		fmt.Fprintf(&fields, "%s: %s,\n", f.Name, text)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if value := params.Get(name); value != "" && !slices.Contains(known, name) {
			fmt.Fprintf(&extra, "%q: %q,\n", name, value)
		}
	}
	if extra.Len() > 0 {
		fmt.Fprintf(&fields, "Extra: ksher.Extra{Params: map[string]string{\n%s}},\n", extra.String())
	}
	return fields.String()
}

// goLiteral is a value of the wire as a literal of that type, "" if there is none.
func goLiteral(t reflect.Type, value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case t.Kind() == reflect.String:
		return strconv.Quote(value)
	case t == reflect.TypeFor[ksher.Amount]() && err == nil && n >= 100:
		return fmt.Sprintf("%d_%02d", n/100, n%100)
	case (t.Kind() == reflect.Int || t.Kind() == reflect.Int64) && err == nil:
		return strconv.FormatInt(n, 10)
	case t == reflect.TypeFor[[]ksher.Channel]():
		return "[]ksher.Channel" + strings.TrimPrefix(fmt.Sprintf("%#v", strings.Split(value, ",")), "[]string")
	}
	return ""
}

// goSource is source as gofmt writes it.
func goSource(text string) string {
	source, err := format.Source([]byte(text))
	if err != nil {
		panic(err) // Its values are quoted.
	}
	return string(source)
}

func snippet(name string) string {
	text, err := dashboardFiles.ReadFile("dashboard/" + name)
	if err != nil {
		panic(err) // The files are part of this package.
	}
	return string(text)
}

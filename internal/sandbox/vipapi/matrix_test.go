package vipapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// speaker is how one client asks, whatever it asks for.
type speaker struct {
	name string
	// null is how it signs the null that it sends for note in bodies, "-" if it sends none.
	null string
	// lower says that signatures are in lower case, body that a GET has its parameters there,
	// and texts that numbers in bodies are texts.
	lower, body, texts bool
	// bare says that mid is without mch.
	bare  bool
	holds string
}

var speakers = []speaker{
	{name: "documentation", null: "-", holds: "vip: a GET has its parameters in the query, any other request in a JSON body; signatures are in upper-case hex"},
	{name: "PHP SDK", null: "", lower: true, body: true, holds: "vip: a client for PHP signs in lower-case hex and null as nothing, and has a GET's parameters in a JSON body"},
	{name: "Python SDK", null: "None", holds: "vip: a client for Python signs null as None"},
	{name: "Node SDK", null: "null", holds: "vip: a client for JavaScript signs null as null"},
	{name: "Java SDK", null: "-", texts: true, holds: "vip: a client for Java sends each value as a text"},
	{name: "bare mid", null: "-", bare: true, holds: "vip: a mid may be without mch"},
}

// anyRequest is a request of an operation, about the orders of [vipShop]. DAY in its path
// stands for the day of their gateway.
type anyRequest struct {
	name, method, path string
	params             fields
}

func everyRequest() []anyRequest {
	var all []anyRequest
	for _, api := range slices.Sorted(maps.Keys(vipCreates)) {
		open := vipPath(api) + "/" + api + "-open"
		if api == "bscanc" {
			open = vipPath(api) + "/bscanc-pending"
		}
		paid := vipPath(api) + "/" + api + "-paid"
		all = append(all,
			anyRequest{api + " create", http.MethodPost, vipPath(api), with(vipCreates[api], "merchant_order_id", "V-new")},
			anyRequest{api + " query", http.MethodGet, paid, fields{}},
			anyRequest{api + " refund", http.MethodPut, paid, fields{"refund_order_id": "R-1", "refund_amount": 100}},
			anyRequest{api + " cancel", http.MethodDelete, open, fields{}})
	}
	return append(all,
		anyRequest{"channels", http.MethodGet, reportsPath + "channels", fields{}},
		anyRequest{"transactions", http.MethodGet, reportsPath + "order/DAY", fields{"offset": 0, "limit": 50}},
		anyRequest{"settlement", http.MethodGet, reportsPath + "DAY", fields{"channel": "card"}},
		anyRequest{"settlement_order", http.MethodGet, reportsPath + "settlement_order", fields{"reference_id": "", "offset": 0, "limit": 50}})
}

// vipShop has an open and a paid order of each kind, and S-1 that was settled.
func vipShop(t *testing.T, strict bool) merchant {
	t.Helper()
	m := merchant{t, sandbox.New(t, sandbox.WithStrict(strict))}
	for api := range vipCreates {
		m.create(api, api+"-paid")
		if api == "bscanc" {
			m.ok("PENDING", "POST", vipPath(api), with(vipCreates[api], "merchant_order_id", "bscanc-pending", "auth_code", "280000000000000001"))
			continue
		}
		require.NoError(t, m.gw.Pay(api+"-paid", ""))
		m.create(api, api+"-open")
	}
	m.create("redirect", "S-1", "channel", "card")
	require.NoError(t, m.gw.Pay("S-1", ""))
	require.NoError(t, m.gw.Settle("S-1"))
	return m
}

// ask makes the request as the client does.
func (c speaker) ask(m merchant, r anyRequest) (status int, said fields) {
	m.t.Helper()
	params := maps.Clone(r.params)
	params["timestamp"], params["mid"] = "1647228347", sandbox.AppID
	if c.bare {
		params["mid"] = strings.TrimPrefix(sandbox.AppID, "mch")
	}
	inBody := r.method != http.MethodGet || c.body
	day := m.gw.Now().In(thailand).Format("20060102")
	r.path = strings.ReplaceAll(r.path, "DAY", day)
	if _, settled := params["reference_id"]; settled {
		params["reference_id"] = m.ok("SUCCESS", "GET", reportsPath+day, fields{"channel": "card", "mid": sandbox.AppID})["data"].(fields)["reference_id"]
	}
	signed := maps.Clone(params)
	if inBody && c.null != "-" {
		params["note"], signed["note"] = nil, c.null
	}
	if inBody && c.texts {
		for name, value := range params {
			params[name] = fmt.Sprint(value)
		}
	}
	sign := macOf(sandbox.VIPToken, r.path, signed)
	if c.lower {
		sign = strings.ToLower(sign)
	}
	params["signature"] = sign
	if inBody {
		body, err := json.Marshal(params)
		require.NoError(m.t, err)
		return m.raw(r.method, r.path, string(body))
	}
	query := url.Values{}
	for name, value := range params {
		query.Set(name, fmt.Sprint(value))
	}
	return m.raw(r.method, r.path+"?"+query.Encode(), "")
}

// notes are what a lenient gateway notes of the request.
func (c speaker) notes(r anyRequest) []string {
	var all []string
	add := func(yes bool, note string) {
		if yes {
			all = append(all, note)
		}
	}
	inBody := r.method != http.MethodGet || c.body
	add(c.lower, lowerNote)
	add(c.body && r.method == http.MethodGet, bodyNote)
	add(inBody && c.null != "-", nullNote)
	add(c.bare, midNote)
	for _, name := range []string{"amount", "refund_amount"} {
		_, has := r.params[name]
		add(c.texts && has, name+" as a text was accepted, as the real gateway seems to; the documentation wants a number")
	}
	return all
}

// Every operation is asked in the way of every client, and answered as if it were asked in
// that of the documentation. The matrix of the notes and of a strict gateway's refusals is
// logged.
func TestVIPEveryOperationInEveryDialect(t *testing.T) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "lenient/strict")
	matrix := make(map[string][]string)
	for _, c := range speakers {
		fmt.Fprint(w, "\t", c.name)
		t.Run(c.name, func(t *testing.T) {
			evidence := testkit.Clients
			if c.name == "documentation" {
				evidence = testkit.Documented
			}
			testkit.Holds(t, evidence, c.holds)
			for _, r := range everyRequest() {
				matrix[r.name] = append(matrix[r.name], c.cell(t, r))
			}
		})
	}
	for _, r := range everyRequest() {
		fmt.Fprint(w, "\n", r.name, "\t", strings.Join(matrix[r.name], "\t"))
	}
	require.NoError(t, w.Flush())
	t.Log("\n" + text.String())
}

// cell checks the operation as the client asks for it, and returns what a lenient and a
// strict gateway make of it.
func (c speaker) cell(t *testing.T, r anyRequest) string {
	t.Helper()
	_, want := speakers[0].ask(vipShop(t, true), r)
	last := func(m merchant) []string {
		requests := m.gw.Requests()
		return requests[len(requests)-1].Notes
	}
	m := vipShop(t, false)
	status, said := c.ask(m, r)
	require.Equal(t, http.StatusOK, status, "%s: %v", r.name, said)
	assert.Equal(t, want["error_code"], said["error_code"], r.name)
	notes := last(m)
	assert.ElementsMatch(t, c.notes(r), notes, r.name)

	m = vipShop(t, true)
	before := m.gw.Orders()
	status, said = c.ask(m, r)
	strict := fmt.Sprint(status, " ", said["error_code"])
	if status != http.StatusOK {
		strict = fmt.Sprint(status)
	}
	for _, note := range last(m) {
		assert.Contains(t, note, " was refused, as this gateway is strict", r.name)
	}
	if len(notes) == 0 {
		assert.Equal(t, want["error_code"], said["error_code"], r.name)
		return "ok/" + strict
	}
	assert.NotEqual(t, fmt.Sprint("200 ", want["error_code"]), strict, r.name)
	assert.Equal(t, before, m.gw.Orders(), r.name)
	return fmt.Sprintf("%d noted/%s", len(notes), strict)
}

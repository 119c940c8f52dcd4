package api_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

// client is how one client asks, whatever it asks for.
type client struct {
	name  string
	speak func(*asked)
	// notes are the beginnings of what a lenient gateway notes, in its order.
	notes []string
	// strict is the code by which a strict gateway refuses, "" if it doesn't.
	strict ksher.Code
	// holds is the statement about a request on the wire.
	holds string
}

const (
	getNote   = "a GET with a query"
	sha1Note  = "a signature of a SHA-1 digest"
	upperNote = "a signature in upper-case hex digits"
	timeNote  = "a time_stamp in another form"
	nonceNote = "a nonce_str that was used before"
)

var clients = []client{
	{"documentation", func(*asked) {}, nil, "", "an operation is asked by POST of a form, with an MD5 signature in lower-case hex and the time as yyyymmddHHMMSS"},
	{"PHP SDK", with("version", "3.0.0"), nil, "", "a request may have the parameter version=3.0.0"},
	{"empty members", with("operator_id", "", "attach", "", "device_id", ""), nil, "", "parameters of a request that are empty are signed like the rest"},
	{"other escapes", func(a *asked) { a.plain = true; a.set("attach", "ชา 1+1 ~*/?") }, nil, "", ""},
	{"Python SDK", func(a *asked) { inQuery(a); a.set("nonce_str", usedNonce, "time_stamp", "2026112110000012345SSSSS") },
		[]string{getNote, nonceNote, timeNote}, ksher.CodeRequirePostMethod, "one SDK asks by GET, with one nonce for its process and letters in the time"},
	{"GET alone", inQuery, []string{getNote}, ksher.CodeRequirePostMethod, "an operation may be asked by GET with a query, as one SDK asks most of them"},
	{"one nonce", with("nonce_str", usedNonce), []string{nonceNote}, ksher.CodeParamError, "a nonce may be used again"},
	{"PHP plugin", func(a *asked) { a.sha1 = true; a.set("time_stamp", "1795687200") }, []string{sha1Note, timeNote},
		ksher.CodeKsherSignError, "a shop plugin signs with SHA-1, and says the time in Unix seconds"},
	{"SHA-1 alone", func(a *asked) { a.sha1 = true }, []string{sha1Note}, ksher.CodeKsherSignError, "the digest of a request's signature may be SHA-1: the signature says which it is"},
	{"Node SDK", with("time_stamp", "1795687200000"), []string{timeNote}, ksher.CodeParamError, "the time of a request may be in milliseconds"},
	{".NET SDK", func(a *asked) { a.spell = upperHex }, []string{upperNote}, ksher.CodeKsherSignError, "a request's signature may be in upper-case hex"},
	{"all at once", func(a *asked) {
		inQuery(a)
		a.sha1, a.spell = true, upperHex
		a.set("time_stamp", "1795687200", "nonce_str", usedNonce)
	}, []string{getNote, sha1Note, upperNote, nonceNote, timeNote}, ksher.CodeRequirePostMethod, ""},
}

// goods has a request of each operation that a gateway accepts which [open] starts.
func goods() []asked {
	return []asked{
		newGatewayPay(), queryG1(), documented("cancel_order", "mch_order_no", "G-2"),
		newNativePay(), queryK1(), documented("order_close", "mch_order_no", "K-2"),
		refundG1(), refundQuery(), newQuickPay(), documented("order_reverse", "mch_order_no", "Q-1"),
		newWalletOrder("jsapi_pay"), newMiniProgramPay(), newWalletOrder("app_pay"), newWalletOrder("wap_pay"), newWalletOrder("web_pay"),
		documented("payout", "channel", "payout", "mch_order_no", "P-2", "total_fee", "10000", "fee_type", "THB",
			"receiver_type", "PROMPTPAY_MSISDN", "receiver_no", "0812345678"),
		documented("order_query_payout", "mch_order_no", "P-1", "channel", "payout"),
		documented("get_payout_balance", "fee_type", "THB"),
		merchantInfo(), documented("rate_query", "channel", "wechat", "fee_type", "THB", "date", "20261120"), settlementInfo(),
	}
}

// open adds to [sold] what other operations are about: K-2 is unpaid, Q-1 was charged at a
// till, and P-1 paid out.
func open(t *testing.T, strict bool) *sandbox.Gateway {
	t.Helper()
	gw := sold(t, strict)
	gw.OpenPayouts()
	_, err := gw.Client.NativePay(t.Context(), sandboxtest.NativePay("K-2", ksher.ChannelWeChat))
	require.NoError(t, err)
	till := testkit.GoodQuickPay()
	till.MchOrderNo = "Q-1"
	_, err = gw.Client.QuickPay(t.Context(), till)
	require.NoError(t, err)
	payout := testkit.GoodPayout()
	payout.MchOrderNo = "P-1"
	_, err = gw.Client.Payout(t.Context(), payout)
	require.NoError(t, err)
	return gw
}

// ask sends the request as the client does, and returns the answer's code, what it says and
// what was noted.
func (c client) ask(t *testing.T, gw *sandbox.Gateway, good asked) (code ksher.Code, why string, notes []string) {
	t.Helper()
	a := good
	a.params = maps.Clone(a.params)
	for name, value := range a.params {
		a.set(name, given(t, gw, value))
	}
	c.speak(&a)
	code, why = a.send(t, gw)
	requests := gw.Requests()
	return code, why, requests[len(requests)-1].Notes
}

// Every operation is asked in the way of every client. The matrix of the notes and the
// codes is logged.
func TestEveryOperationInEveryDialect(t *testing.T) {
	operations := goods()
	var names []string
	for _, good := range operations {
		names = append(names, good.path[strings.LastIndex(good.path, "/")+1:])
	}
	var all []string
	for _, op := range testkit.Operations() {
		all = append(all, op.Name)
	}
	require.ElementsMatch(t, all, names, "each operation of the library once")
	matrix := make([][]string, len(operations))
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			if c.holds != "" {
				testkit.Holds(t, c.evidence(), "request: "+c.holds)
			}
			for i, good := range operations {
				matrix[i] = append(matrix[i], c.cell(t, names[i], good))
			}
		})
	}
	t.Log("\n" + drawn(names, matrix))
}

func (c client) evidence() testkit.Evidence {
	if c.name == "documentation" {
		return testkit.Documented
	}
	return testkit.Clients
}

// drawn writes the matrix with a line for each operation.
func drawn(names []string, matrix [][]string) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "lenient/strict")
	for _, c := range clients {
		fmt.Fprint(w, "\t", c.name)
	}
	for i, row := range matrix {
		fmt.Fprint(w, "\n", names[i], "\t", strings.Join(row, "\t"))
	}
	w.Flush()
	return text.String()
}

// cell checks the operation as the client asks for it, and returns what a lenient and a
// strict gateway make of it.
func (c client) cell(t *testing.T, operation string, good asked) string {
	t.Helper()
	gw := open(t, false)
	code, why, notes := c.ask(t, gw, good)
	assert.Empty(t, code, "%s: %s", operation, why)
	var got []string
	for _, note := range notes {
		what, wanted, ok := strings.Cut(note, " was accepted, as the real gateway seems to; the documentation wants ")
		assert.True(t, ok, note)
		assert.NotEmpty(t, wanted)
		got = append(got, what)
	}
	assert.Equal(t, c.notes, got, operation)
	lenient := cmp.Or(string(code), "ok")
	if len(got) > 0 {
		lenient = fmt.Sprintf("%d noted", len(got))
	}

	gw = open(t, true)
	before := gw.Orders()
	code, why, notes = c.ask(t, gw, good)
	assert.Equal(t, c.strict, code, "%s: %s", operation, why)
	if c.strict == "" {
		assert.Empty(t, notes, operation)
	} else if assert.Len(t, notes, 1, operation) {
		assert.Contains(t, notes[0], c.notes[0]+" was refused", operation)
		assert.Equal(t, before, gw.Orders(), "%s was refused", operation)
	}
	return lenient + "/" + cmp.Or(string(code), "ok")
}

// Leniency about the way isn't leniency about the signature.
func TestNoDialectForgives(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			gw := open(t, false)
			before := gw.Orders()
			for _, good := range goods() {
				forged := c
				forged.speak = func(a *asked) {
					c.speak(a)
					spell := a.spell
					a.spell = func(sig []byte) string {
						sig = slices.Clone(sig)
						sig[len(sig)-1] ^= 1
						return spell(sig)
					}
				}
				code, why, _ := forged.ask(t, gw, good)
				assert.Equal(t, ksher.CodeKsherSignError, code, why)
			}
			assert.Equal(t, before, gw.Orders())
		})
	}
}

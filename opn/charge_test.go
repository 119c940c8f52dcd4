package opn_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/opn"
)

// sideMembers are what a charge may have beside what says whether it is paid. Each
// looks like another state.
var sideMembers = map[string]map[string]any{
	"nothing":                 {},
	"expires in the past":     {"expires_at": "2020-01-01T00:00:00Z"},
	"never expires":           {"expires_at": nil},
	"expired_at":              {"expired_at": "2026-11-21T10:10:00Z"},
	"reversed_at":             {"reversed_at": "2026-11-21T10:10:00Z"},
	"paid_at":                 {"paid_at": "2026-11-21T10:03:00Z"},
	"no paid_at":              {"paid_at": nil},
	"paid_at left out":        {"paid_at": missing},
	"paid before it was made": {"paid_at": "2020-01-01T00:00:00Z"},
	"authorized":              {"authorized": true},
	"not authorized":          {"authorized": false},
	"captured in part":        {"authorized_amount": 123450, "captured_amount": 100},
	"not captured":            {"capture": false, "captured_amount": 0, "capturable": true},
	"a failure code":          {"failure_code": "payment_rejected", "failure_message": "the first try"},
	"fees":                    {"net": 0, "fee": 123450, "fee_vat": -1},
	"another funding amount":  {"funding_amount": 1, "funding_currency": "USD"},
	"a pending source":        {"source.charge_status": "pending"},
	"a failed source":         {"source.charge_status": "failed"},
	"a dispute":               {"disputable": false, "dispute": map[string]any{"object": "dispute", "status": "open", "amount": 123450}},
	"a refused refund":        {"refunds": map[string]any{"object": "list", "data": []any{}, "total": 1}, "refundable": false},
	"small letters":           {"currency": "thb", "source.currency": "thb"},
	"a time in words":         {"expired_at": "yesterday", "paid_at": "", "created_at": 7, "expires_at": true},
	"other fees":              {"fee": "10.70", "transaction_fees": map[string]any{"fee_flat": 10, "fee_rate": false}, "refunds": "none"},
	"another source":          {"source.ip": 1, "source.items": "none", "source.created_at": "", "source.charge_status": nil},
	"another way to pay":      {"authorize_uri": "kplus://pay", "voided": false},
}

// lifeStages are what a charge can become, and what is believed of it.
var lifeStages = []struct {
	name    string
	members map[string]any
	// want is nil if it is paid.
	want error
}{
	{"pending", map[string]any{"status": "pending"}, ksher.ErrNotPaid},
	{"successful", map[string]any{"status": "successful", "paid": true}, nil},
	{"refunded in part", map[string]any{"status": "successful", "paid": true, "refunded_amount": 100}, ksher.ErrNotPaid},
	{"refunded", map[string]any{"status": "successful", "paid": true, "refunded_amount": 123450}, ksher.ErrNotPaid},
	{"refunded and no longer paid", map[string]any{"status": "successful", "paid": false, "refunded_amount": 123450}, ksher.ErrNotPaid},
	{"voided", map[string]any{"status": "successful", "paid": true, "voided": true}, ksher.ErrNotPaid},
	{"reversed", map[string]any{"status": "reversed", "reversed": true}, ksher.ErrNotPaid},
	{"reversed and once paid", map[string]any{"status": "reversed", "paid": true, "reversed": true}, ksher.ErrNotPaid},
	{"reversed by its status alone", map[string]any{"status": "reversed", "paid": true}, ksher.ErrNotPaid},
	{"expired", map[string]any{"status": "expired", "expired": true}, ksher.ErrNotPaid},
	{"expired by its status alone", map[string]any{"status": "expired"}, ksher.ErrNotPaid},
	{"failed", map[string]any{"status": "failed"}, ksher.ErrNotPaid},
	{"failed because it expired", map[string]any{"status": "failed", "expired": true, "failure_code": "payment_expired"}, ksher.ErrNotPaid},
}

// Nothing beside status, paid, expired and the amounts changes what is believed.
func TestStagesOfACharge(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "opn: status, paid and expired say what became of a charge")
	testkit.Holds(t, testkit.Assumed, "opn: times that look like other states, and a smaller captured amount, change nothing about a paid charge")
	testkit.Holds(t, testkit.Assumed, "opn: reversed is an end without a payment")
	for _, stage := range lifeStages {
		for side, members := range sideMembers {
			t.Run(stage.name+" with "+side, func(t *testing.T) {
				change := maps.Clone(members)
				maps.Copy(change, stage.members)
				client := newClient(t, answering(200, edited(t, "charge.json", change)))
				charge, err := client.GetCharge(t.Context(), chargeID)
				require.NoError(t, err)
				require.ErrorIs(t, charge.CheckPaid(amount), stage.want)
				if charge.Status.Final() {
					_, err = waitFor(t.Context(), client, chargeID, amount)
					require.ErrorIs(t, err, stage.want)
				}
			})
		}
	}
}

func TestReturnURI(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "opn: return_uri may lead into an app")
	tests := map[string]string{ // An address to what is wrong with it, "" for nothing.
		"https://shop.example/orders/1":          "",
		"HTTPS://shop.example":                   "",
		"http://example.com/orders/345/complete": "",
		"http://[::1]:8080/done":                 "",
		"https://ร้านค้า.example/ชา?a=1#b":       "",
		"myshop://orders/1?ok=true":              "",
		"myshop:orders/1":                        "",
		"myshop://":                              "",
		"com.example.my-shop:/orders/1":          "",
		"intent://orders/1#Intent;scheme=myshop;package=example.shop;end": "",

		"":                                 "is required",
		" \t":                              "is required",
		"/done":                            "is not an absolute address",
		"//shop.example/done":              "is not an absolute address",
		"shop.example/done":                "is not an absolute address",
		"://shop.example":                  "is not an absolute address",
		"https://shop.example/%zz":         "is not an absolute address",
		"https://:443/done":                "without a host",
		"https:done":                       "without a host",
		"localhost:8080/done":              "has http:// or https:// been left out?",
		"shop.example:443":                 "has http:// or https:// been left out?",
		"javascript:alert(1)":              "opens no page and no app",
		"JavaScript://shop.example/%0ax":   "opens no page and no app",
		"data:text/html,x":                 "opens no page and no app",
		"blob:https://shop.example/1":      "opens no page and no app",
		"vbscript:x":                       "opens no page and no app",
		"file:///etc/passwd":               "opens no page and no app",
		"about:blank":                      "opens no page and no app",
		"java\nscript:alert(1)":            "has a blank or a control character",
		" https://shop.example":            "has a blank or a control character",
		"https://shop.example/a b":         "has a blank or a control character",
		"https://shop.example/\u0085":      "has a blank or a control character",
		"myshop://orders/1\r\nX-Header: 1": "has a blank or a control character",
		"myshop://\xff":                    "is not UTF-8",
	}
	for address, problem := range tests {
		t.Run(address, func(t *testing.T) {
			sent := ""
			client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sent = r.PostFormValue("return_uri")
				io.WriteString(w, edited(t, "charge.json", nil))
			}))
			one, both := chargeRequest(), bothRequest()
			one.ReturnURI, both.ReturnURI = address, address
			_, err := client.CreateCharge(t.Context(), one)
			_, errBoth := client.CreateChargeWithSource(t.Context(), both)
			if problem == "" {
				require.NoError(t, err)
				require.NoError(t, errBoth)
				require.Equal(t, address, sent)
				return
			}
			for _, err := range []error{err, errBoth} {
				var invalid *ksher.ValidationError
				require.ErrorAs(t, err, &invalid)
				require.Len(t, invalid.Fields, 1)
				require.Equal(t, "return_uri", invalid.Fields[0].Field)
				require.Contains(t, invalid.Fields[0].Problem, problem)
			}
			require.Empty(t, sent)
		})
	}
}

// A charge that is logged tells nobody how to pay it, and nothing of the buyer.
func TestChargesArePrintedWithoutTheBuyer(t *testing.T) {
	const ip, address, phone = "192.0.2.77", "https://pay.example/pay2_secret", "0812345678"
	var charge opn.Charge
	text := edited(t, "charge.json", map[string]any{"authorize_uri": address, "ip": ip, "source.ip": ip, "source.phone_number": phone,
		"card": map[string]any{"name": phone}, "customer": phone, "description": phone})
	require.NoError(t, json.Unmarshal([]byte(text), &charge))
	type order struct{ Charge *opn.Charge }
	log := &logBuffer{}
	for _, value := range []any{charge, &charge, *charge.Source, charge.Source, order{&charge}, []opn.Charge{charge}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(log, verb+"\n", value)
		}
	}
	slog.New(slog.NewJSONHandler(log, nil)).Info("x", "charge", charge, "pointer", &charge, "source", charge.Source)
	slog.New(slog.NewTextHandler(log, nil)).Info("x", "charge", charge, "pointer", &charge, "source", charge.Source)
	for _, secret := range []string{ip, "pay2_secret", phone} {
		for _, form := range []string{"%s", "%x", "%X"} {
			require.NotContains(t, log.String(), fmt.Sprintf(form, secret))
		}
	}
	require.Equal(t, "opn.Charge("+chargeID+", pending, 1234.50 THB)", fmt.Sprint(&charge))
	require.Equal(t, "opn.Source("+sourceID+", 1234.50 THB)", fmt.Sprint(charge.Source))
	var none *opn.Charge
	require.Equal(t, "<nil>", fmt.Sprint(none))
}

// Values that nobody should pass break nothing, and aren't quoted at length.
func TestBadValues(t *testing.T) {
	var none *opn.Charge
	err := none.CheckPaid(amount)
	require.ErrorIs(t, err, fault.ErrField)
	require.NotErrorIs(t, err, ksher.ErrNotPaid)
	for _, text := range []string{"", "\xff", "a\nb", "\u202e", strings.Repeat("x", 1<<20)} {
		charge := &opn.Charge{ID: text, Status: opn.Status(text), Currency: text, FailureCode: opn.Null[opn.FailureCode]{V: opn.FailureCode(text), Valid: true}}
		texts := []string{
			charge.CheckPaid(math.MinInt64).Error(), opn.FailureCode(text).Error(), fmt.Sprint(charge), fmt.Sprint(opn.Source{ID: text, Currency: text}),
		}
		charge.Currency = "THB"
		texts = append(texts, charge.CheckPaid(0).Error())
		charge.Status = opn.StatusFailed
		texts = append(texts, charge.CheckPaid(0).Error())
		_, err := opn.NewClient(text, text)
		require.Error(t, err)
		_, err = opn.NewClient(publicKey, secretKey, opn.WithBaseURL(text))
		require.Error(t, err)
		var client *opn.Client
		_, errGet := client.GetCharge(t.Context(), text)
		_, errWait := waitFor(t.Context(), client, text, -1)
		for _, shown := range append(texts, err.Error(), errGet.Error(), errWait.Error()) {
			require.Less(t, len(shown), 1000)
			require.True(t, utf8.ValidString(shown), "%q", shown)
			require.NotContains(t, shown, "\n")
			require.NotContains(t, shown, "\u202e")
		}
		require.False(t, opn.Status(text).Final())
		require.Error(t, new(opn.Charge).UnmarshalJSON([]byte(text)))
		require.Error(t, new(opn.Source).UnmarshalJSON([]byte(text)))
		require.Error(t, new(opn.Null[int]).UnmarshalJSON([]byte(text)))
	}
}

func TestCheckPaid(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "opn: a charge that contradicts itself is neither paid nor unpaid")
	good := func() *opn.Charge {
		return &opn.Charge{ID: chargeID, Amount: amount, Currency: "THB", Status: opn.StatusSuccessful, Paid: true}
	}
	require.NoError(t, good().CheckPaid(amount))
	moment := opn.Null[time.Time]{V: time.Date(2026, 11, 21, 10, 3, 0, 0, time.UTC), Valid: true}
	rejected := opn.Null[opn.FailureCode]{V: opn.FailureCodePaymentRejected, Valid: true}
	tests := []struct {
		name   string
		change func(*opn.Charge)
		want   error
	}{
		{"less", func(c *opn.Charge) { c.Amount-- }, ksher.ErrOtherOrder},
		{"more", func(c *opn.Charge) { c.Amount++ }, ksher.ErrOtherOrder},
		{"another currency", func(c *opn.Charge) { c.Currency = "USD" }, ksher.ErrOtherOrder},
		{"no currency", func(c *opn.Charge) { c.Currency = "" }, ksher.ErrOtherOrder},
		{"reversed", func(c *opn.Charge) { c.Reversed = true }, ksher.ErrNotPaid},
		{"reversed and not paid", func(c *opn.Charge) { c.Paid, c.Reversed = false, true }, ksher.ErrNotPaid},
		{"reversed and failed", func(c *opn.Charge) { c.Reversed, c.FailureCode = true, rejected }, ksher.ErrNotPaid},
		{"voided", func(c *opn.Charge) { c.Voided = true }, ksher.ErrNotPaid},
		{"refunded in part", func(c *opn.Charge) { c.RefundedAmount = 1 }, ksher.ErrNotPaid},
		{"status reversed", func(c *opn.Charge) { c.Status, c.Paid = opn.StatusReversed, false }, ksher.ErrNotPaid},
		{"status reversed and once paid", func(c *opn.Charge) { c.Status, c.Reversed, c.PaidAt = opn.StatusReversed, true, moment }, ksher.ErrNotPaid},
		{"status reversed and paid", func(c *opn.Charge) { c.Status = opn.StatusReversed }, ksher.ErrNotPaid},
		{"status failed", func(c *opn.Charge) { c.Status, c.Paid, c.FailureCode = opn.StatusFailed, false, rejected }, opn.FailureCodePaymentRejected},
		{"pending", func(c *opn.Charge) { c.Status = opn.StatusPending }, ksher.ErrNotPaid},
		{"capitals", func(c *opn.Charge) { c.Status = "SUCCESSFUL" }, ksher.ErrNotPaid},
		{"zero", func(c *opn.Charge) { *c = opn.Charge{Amount: amount, Currency: "THB"} }, ksher.ErrNotPaid},
		// Nobody knows whether these are paid.
		{"successful and not paid", func(c *opn.Charge) { c.Paid = false }, fault.ErrField},
		{"successful and expired", func(c *opn.Charge) { c.Expired = true }, fault.ErrField},
		{"failed and paid", func(c *opn.Charge) { c.Status, c.FailureCode = opn.StatusFailed, rejected }, fault.ErrField},
		{"expired and paid", func(c *opn.Charge) { c.Status, c.Expired = opn.StatusExpired, true }, fault.ErrField},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			charge := good()
			tt.change(charge)
			err := charge.CheckPaid(amount)
			require.ErrorIs(t, err, tt.want)
			if tt.want == fault.ErrField {
				require.NotErrorIs(t, err, ksher.ErrNotPaid)
				require.NotErrorIs(t, err, opn.FailureCodePaymentRejected, "which would have the shop offer it again")
			}
		})
	}
}

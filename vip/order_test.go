package vip_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/vip"
)

const wholeOrder = `{"id":4711,"merchant_order_id":"A-1","gateway_order_id":"g","acquirer":"a","acquirer_order_id":"ao","channel":"wechat","channel_order_id":"co",
	"status":"Paid","error_code":"SUCCESS","error_message":"ok","amount":15050,"currency":"THB","order_type":"Sale","order_date":"2021-07-20 11:12:34.361921",
	"reference":"r","note":"n","api_name":"redirect","mid":"mch35618","timestamp":"1626754354","reserved1":"1","reserved2":"2","reserved3":"3","reserved4":"4",
	"cleared":true,"force_clear":true,"locked":true,"log_entry_url":"https://x.example/1"}`

func TestOrder(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: a field that is empty may be the text False")
	testkit.Holds(t, testkit.Assumed, "vip: times are in the zone of Thailand")
	whole := &vip.Order{
		Kind: vip.KindRedirect, ID: "4711", MerchantOrderID: "A-1", GatewayOrderID: "g", Acquirer: "a", AcquirerOrderID: "ao", Channel: "wechat", ChannelOrderID: "co",
		Status: vip.StatusPaid, ErrorCode: vip.CodeSuccess, ErrorMessage: "ok", Amount: 150_50, Currency: "THB", OrderType: "Sale",
		OrderDate: time.Date(2021, 7, 20, 11, 12, 34, 361921000, time.FixedZone("UTC+7", 7*3600)),
		Reference: "r", Note: "n", APIName: "redirect", MID: "mch35618", Timestamp: "1626754354", Reserved1: "1", Reserved2: "2", Reserved3: "3", Reserved4: "4",
		Cleared: true, ForceClear: true, Locked: true, LogEntryURL: "https://x.example/1",
	}
	query := func(t *testing.T, body string, opts ...vip.Option) (*vip.Order, error) {
		return answering(t, http.StatusOK, signed(t, redirectPath+"/A-1", body), opts...).Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
	}
	got, err := query(t, wholeOrder)
	require.NoError(t, err)
	require.True(t, whole.OrderDate.Equal(got.OrderDate))
	whole.OrderDate = got.OrderDate
	require.Equal(t, whole, got)

	got, err = query(t, wholeOrder, vip.WithLocation(time.UTC))
	require.NoError(t, err)
	require.Equal(t, time.Date(2021, 7, 20, 11, 12, 34, 361921000, time.UTC), got.OrderDate)

	// Each way to say that a field is empty.
	for _, empty := range []string{`"False"`, `false`, `null`, `""`} {
		body := `{"status":"Available","merchant_order_id":"A-1","error_code":"PENDING"`
		for _, name := range []string{"id", "gateway_order_id", "acquirer", "acquirer_order_id", "channel", "channel_order_id", "error_message", "amount", "currency",
			"order_type", "order_date", "reference", "note", "api_name", "mid", "timestamp", "reserved1", "reserved2", "reserved3", "reserved4", "cleared",
			"force_clear", "locked", "log_entry_url"} {
			body += `,"` + name + `":` + empty
		}
		got, err = query(t, body+"}")
		require.NoError(t, err)
		require.Equal(t, &vip.Order{Kind: vip.KindRedirect, MerchantOrderID: "A-1", Status: vip.StatusAvailable, ErrorCode: vip.CodePending}, got)
	}
	// "True" is how Python writes the other.
	got, err = query(t, strings.Replace(goodOrder, `"cleared":false`, `"cleared":"True"`, 1))
	require.NoError(t, err)
	require.True(t, got.Cleared)
	// A time in another form isn't worth an error, an amount is.
	got, err = query(t, strings.Replace(wholeOrder, "2021-07-20 11:12:34.361921", "20/07/2021", 1))
	require.NoError(t, err)
	require.Zero(t, got.OrderDate)
	for _, amount := range []string{`150.50`, `15050.0`, `1e5`, `"x"`, `9223372036854775808`, `true`} {
		_, err = query(t, strings.Replace(wholeOrder, "15050", amount, 1))
		require.ErrorIs(t, err, fault.ErrField, amount)
		require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
	}
}

// What each call takes for a yes, a no, and neither.
func TestOutcomes(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: a refund is done with the error_code REFUNDED, the type Refund and a negative amount")
	testkit.Holds(t, testkit.Documented, "vip: invalid_payment_code in reserved3 says that a bscanc order isn't paid")
	testkit.Holds(t, testkit.Assumed, "vip: any other FAIL of a new order may be about an earlier one under its number")
	testkit.Holds(t, testkit.Assumed, "vip: an error_code that isn't documented leaves open whether a change was made")
	const (
		yes = iota
		no
		doubt
	)
	order := func(old, replacement string) string { return strings.Replace(goodOrder, old, replacement, 1) }
	for _, c := range []struct {
		call, name, body string
		outcome          int
		want             error
	}{
		{"redirect create", "success", goodOrder, yes, nil},
		{"redirect create", "pending", order("SUCCESS", "PENDING"), yes, nil},
		{"redirect create", "fail", strings.Replace(order("SUCCESS", "FAIL"), "Paid", "Available", 1), doubt, vip.CodeFail},
		{"redirect create", "fail and paid", order("SUCCESS", "FAIL"), doubt, vip.CodeFail},
		{"redirect create", "fail alone", `{"error_code":"FAIL"}`, doubt, vip.CodeFail},
		{"redirect create", "fail for a reason of another kind", `{"error_code":"FAIL","reserved3":"invalid_payment_code"}`, doubt, vip.CodeFail},
		{"redirect create", "unknown", `{"error_code":"UNKNOWN","error_message":"NOT allowed mid"}`, doubt, vip.CodeUnknown},
		{"redirect create", "undocumented", `{"error_code":"DUPLICATE"}`, doubt, vip.Code("DUPLICATE")},
		{"redirect create", "no code", order("error_code", "error_cod"), doubt, fault.ErrEnvelope},
		{"redirect create", "code isn't text", order(`"SUCCESS"`, "0"), doubt, fault.ErrEnvelope},
		{"redirect create", "refunded", order("SUCCESS", "REFUNDED"), doubt, vip.CodeRefunded},
		{"redirect create", "other order", order("A-1", "A-2"), doubt, ksher.ErrOtherOrder},
		{"redirect create", "no order", order("A-1", "False"), doubt, ksher.ErrOtherOrder},
		{"redirect create", "other amount", order("15050", "15051"), doubt, ksher.ErrOtherOrder},
		{"redirect create", "no page", order("https://pay.example/1", "False"), doubt, fault.ErrField},
		{"redirect create", "amount", order("15050", "150.50"), doubt, fault.ErrField},
		{"redirect create", "closed", order("Paid", "Closed"), doubt, vip.CodeSuccess},
		{"redirect create", "refunded by its status", order("Paid", "Refunded"), doubt, vip.CodeSuccess},
		{"redirect create", "available", order("Paid", "Available"), yes, nil},
		{"redirect create", "no status", order("Paid", "False"), yes, nil},
		{"redirect create", "a refund", order("{", `{"order_type":"Refund",`), doubt, vip.CodeSuccess},
		{"redirect create", "a sale", order("{", `{"order_type":"Sale",`), yes, nil},
		{"cscanb create", "no code", order("data:image/png;base64,aGk=", ""), doubt, fault.ErrField},
		{"miniapp create", "no package", order("https://pay.example/1", "False"), doubt, fault.ErrField},
		{"app create", "no package", order("https://pay.example/1", "False"), doubt, fault.ErrField},
		{"bscanc create", "success", goodOrder, yes, nil},
		{"bscanc create", "not paid", order("Paid", "Available"), doubt, vip.CodeSuccess},
		{"bscanc create", "pending", order("SUCCESS", "PENDING"), doubt, vip.CodePending},
		{"bscanc create", "fail", `{"error_code":"FAIL","reserved3":"invalid_payment_code"}`, no, vip.CodeFail},
		{"bscanc create", "fail of this order", `{"error_code":"FAIL","reserved3":"invalid_payment_code","merchant_order_id":"A-1"}`, no, vip.CodeFail},
		{"bscanc create", "fail of no named order", `{"error_code":"FAIL","reserved3":"invalid_payment_code","merchant_order_id":"False"}`, no, vip.CodeFail},
		{"bscanc create", "fail of another order", `{"error_code":"FAIL","reserved3":"invalid_payment_code","merchant_order_id":"A-2"}`, doubt, ksher.ErrOtherOrder},
		{"bscanc create", "fail of an order with a number", `{"error_code":"FAIL","reserved3":"invalid_payment_code","merchant_order_id":2}`, doubt, ksher.ErrOtherOrder},
		{"bscanc create", "a refund", order("{", `{"order_type":"Refund",`), doubt, vip.CodeSuccess},
		{"bscanc create", "fail for no reason", `{"error_code":"FAIL","reserved3":"False"}`, doubt, vip.CodeFail},
		{"bscanc create", "fail for another reason", `{"error_code":"FAIL","reserved3":"duplicate_order"}`, doubt, vip.CodeFail},
		{"bscanc create", "fail and paid", order("SUCCESS", "FAIL"), doubt, vip.CodeFail},
		{"bscanc create", "fail and paid for a reason", strings.Replace(order("SUCCESS", "FAIL"), "{", `{"reserved3":"invalid_payment_code",`, 1), doubt, vip.CodeFail},

		{"redirect query", "success", goodOrder, yes, nil},
		{"redirect query", "pending", order("SUCCESS", "PENDING"), yes, nil},
		{"redirect query", "undocumented", order("SUCCESS", "CLOSED"), yes, nil},
		{"redirect query", "undocumented and no order", `{"error_code":"NO_ORDER"}`, no, vip.Code("NO_ORDER")},
		{"redirect query", "fail", `{"error_code":"FAIL"}`, no, vip.CodeFail},
		{"redirect query", "fail of a paid order", order("SUCCESS", "FAIL"), no, vip.CodeFail},
		{"redirect query", "fail of a refunded order", strings.Replace(order("SUCCESS", "FAIL"), "Paid", "Refunded", 1), no, vip.CodeFail},
		{"redirect query", "fail of another order", strings.Replace(strings.Replace(order("SUCCESS", "FAIL"), "Paid", "Closed", 1), "A-1", "A-2", 1), no, vip.CodeFail},
		{"redirect query", "fail without a status", strings.Replace(order("SUCCESS", "FAIL"), "Paid", "False", 1), no, vip.CodeFail},
		{"bscanc query", "fail of a closed order", strings.Replace(order("SUCCESS", "FAIL"), "Paid", "Closed", 1), yes, nil},
		{"bscanc query", "fail of an open order", strings.Replace(order("SUCCESS", "FAIL"), "Paid", "Available", 1), yes, nil},
		{"bscanc query", "unknown with a closed order", strings.Replace(order("SUCCESS", "UNKNOWN"), "Paid", "Closed", 1), no, vip.CodeUnknown},
		{"redirect query", "unknown", `{"error_code":"UNKNOWN"}`, no, vip.CodeUnknown},
		{"redirect query", "unknown with an order", order("SUCCESS", "UNKNOWN"), no, vip.CodeUnknown},
		{"redirect query", "other order", order("A-1", "A-2"), no, ksher.ErrOtherOrder},
		{"redirect query", "no status", order("Paid", "False"), no, fault.ErrField},

		{"miniapp refund", "refunded", goodRefund, yes, nil},
		{"miniapp refund", "by its own number", strings.Replace(goodRefund, "A-1", "R-1", 1), yes, nil},
		{"miniapp refund", "success", strings.Replace(goodRefund, "REFUNDED", "SUCCESS", 1), doubt, vip.CodeSuccess},
		{"miniapp refund", "pending", strings.Replace(goodRefund, "REFUNDED", "PENDING", 1), doubt, vip.CodePending},
		{"miniapp refund", "fail", `{"error_code":"FAIL"}`, no, vip.CodeFail},
		{"miniapp refund", "fail of a paid order", order("SUCCESS", "FAIL"), no, vip.CodeFail},
		{"miniapp refund", "unknown", `{"error_code":"UNKNOWN"}`, doubt, vip.CodeUnknown},
		{"miniapp refund", "other amount", strings.Replace(goodRefund, "-5000", "-15050", 1), doubt, ksher.ErrOtherOrder},
		{"miniapp refund", "positive amount", strings.Replace(goodRefund, "-5000", "5000", 1), doubt, ksher.ErrOtherOrder},
		{"miniapp refund", "no type", strings.Replace(goodRefund, `"Refund"`, `"False"`, 1), yes, nil},
		{"miniapp refund", "a sale", strings.Replace(goodRefund, `"Refund"`, `"Sale"`, 1), doubt, vip.CodeRefunded},
		{"miniapp refund", "other order", strings.Replace(goodRefund, "A-1", "A-2", 1), doubt, ksher.ErrOtherOrder},
		{"miniapp refund", "no number", strings.Replace(goodRefund, "A-1", "False", 1), doubt, ksher.ErrOtherOrder},
		{"miniapp refund", "no amount", strings.Replace(goodRefund, "-5000", `"False"`, 1), doubt, ksher.ErrOtherOrder},
		{"miniapp refund", "this refund", strings.Replace(goodRefund, "{", `{"refund_order_id":"R-1",`, 1), yes, nil},
		{"miniapp refund", "no named refund", strings.Replace(goodRefund, "{", `{"refund_order_id":"False",`, 1), yes, nil},
		{"miniapp refund", "other refund", strings.Replace(goodRefund, "{", `{"refund_order_id":"R-2",`, 1), doubt, ksher.ErrOtherOrder},
		{"miniapp refund", "in part", strings.Replace(goodRefund, `"Refunded"`, `"Paid"`, 1), yes, nil},
		{"miniapp refund", "without a status", strings.Replace(goodRefund, `"Refunded"`, `"False"`, 1), yes, nil},
		{"miniapp refund", "of an order that isn't paid", strings.Replace(goodRefund, `"Refunded"`, `"Available"`, 1), doubt, vip.CodeRefunded},
		{"miniapp refund", "of a closed order", strings.Replace(goodRefund, `"Refunded"`, `"Closed"`, 1), doubt, vip.CodeRefunded},
		{"miniapp refund", "fail of a refunded order", strings.Replace(order("SUCCESS", "FAIL"), "Paid", "Refunded", 1), doubt, vip.CodeFail},
		{"miniapp refund", "fail and a refund", strings.Replace(order("SUCCESS", "FAIL"), "{", `{"order_type":"Refund",`, 1), doubt, vip.CodeFail},
		{"miniapp refund", "fail of another order", `{"error_code":"FAIL","merchant_order_id":"A-2"}`, doubt, ksher.ErrOtherOrder},
		{"miniapp refund", "fail of another refund", `{"error_code":"FAIL","merchant_order_id":"A-1","refund_order_id":"R-2"}`, doubt, ksher.ErrOtherOrder},
		{"miniapp refund", "fail by its own number", `{"error_code":"FAIL","merchant_order_id":"R-1"}`, no, vip.CodeFail},

		{"app cancel", "closed", goodClosed, yes, nil},
		{"app cancel", "not closed", strings.Replace(goodClosed, "Closed", "Available", 1), doubt, vip.CodeSuccess},
		{"app cancel", "paid", strings.Replace(goodClosed, "Closed", "Paid", 1), doubt, vip.CodeSuccess},
		{"app cancel", "fail", `{"error_code":"FAIL"}`, no, vip.CodeFail},
		{"app cancel", "fail of a paid order", order("SUCCESS", "FAIL"), no, vip.CodeFail},
		{"app cancel", "other order", strings.Replace(goodClosed, "A-1", "A-2", 1), doubt, ksher.ErrOtherOrder},
		{"app cancel", "no number", strings.Replace(goodClosed, "A-1", "False", 1), doubt, ksher.ErrOtherOrder},
		{"app cancel", "undocumented", strings.Replace(goodClosed, "SUCCESS", "CLOSED", 1), yes, nil},
		{"app cancel", "pending", strings.Replace(goodClosed, "SUCCESS", "PENDING", 1), doubt, vip.CodePending},
		{"app cancel", "refunded", strings.Replace(goodClosed, "SUCCESS", "REFUNDED", 1), doubt, vip.CodeRefunded},
		{"app cancel", "a refund", strings.Replace(goodClosed, "{", `{"order_type":"Refund",`, 1), doubt, vip.CodeSuccess},
		{"app cancel", "fail of a closed order", strings.Replace(goodClosed, "SUCCESS", "FAIL", 1), doubt, vip.CodeFail},
		{"app cancel", "fail of another order", `{"error_code":"FAIL","merchant_order_id":"A-2"}`, doubt, ksher.ErrOtherOrder},
		{"app cancel", "unknown", `{"error_code":"UNKNOWN"}`, doubt, vip.CodeUnknown},
	} {
		t.Run(c.call+" "+c.name, func(t *testing.T) {
			for _, call := range calls() {
				if call.name != c.call {
					continue
				}
				err := call.do(t, answering(t, http.StatusOK, signed(t, call.path, c.body)))
				if c.outcome == yes {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, c.want)
				if c.outcome == doubt {
					require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
				} else {
					require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
				}
				return
			}
			t.Fatal("there is no such call")
		})
	}
}

// A buyer is sent to no other address than one of a page.
func TestReference(t *testing.T) {
	for reference, want := range map[string]struct{ https, http error }{
		"https://pay.example/1":       {nil, nil},
		"HTTPS://pay.example:8443?a":  {nil, nil},
		"http://pay.example/1":        {fault.ErrField, nil},
		"javascript:alert(1)":         {fault.ErrField, fault.ErrField},
		"javascript://pay.example/%0": {fault.ErrField, fault.ErrField},
		"//pay.example/1":             {fault.ErrField, fault.ErrField},
		"/pay/1":                      {fault.ErrField, fault.ErrField},
		"https:///1":                  {fault.ErrField, fault.ErrField},
		"https://:443/1":              {fault.ErrField, fault.ErrField},
		"nonsense":                    {fault.ErrField, fault.ErrField},
	} {
		for base, want := range map[string]error{host: want.https, "HTTP://127.0.0.1": want.http} {
			client, err := vip.NewClient(base, token, vip.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (int, string, error) {
				return http.StatusOK, signed(t, redirectPath, strings.Replace(goodOrder, "https://pay.example/1", reference, 1)), nil
			})}))
			require.NoError(t, err)
			_, err = client.Create(t.Context(), newOrders()[vip.KindRedirect])
			require.ErrorIs(t, err, want, reference)
			require.Equal(t, want != nil, errors.Is(err, ksher.ErrOutcomeUnknown))
		}
	}
	// What a wallet takes isn't an address.
	_, err := answering(t, http.StatusOK, signed(t, "/api/v1/app/orders", strings.Replace(goodOrder, "https://pay.example/1", "prepay_id=1", 1))).Create(t.Context(), newOrders()[vip.KindApp])
	require.NoError(t, err)
}

// How a charge failed can be read, and isn't taken for anything else.
func TestQueryOfAFailedCharge(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: a bscanc order whose code was bad can be queried")
	const path = "/api/v1/bscanc/orders/A-1"
	failed := strings.NewReplacer("SUCCESS", "FAIL", "Paid", "Closed", "{", `{"reserved3":"invalid_payment_code",`).Replace(goodOrder)
	got, err := answering(t, http.StatusOK, signed(t, path, failed)).Query(t.Context(), vip.KindBScanC, &vip.QueryRequest{MerchantOrderID: "A-1"})
	require.NoError(t, err)
	require.Equal(t, vip.StatusClosed, got.Status)
	require.Equal(t, vip.CodeFail, got.ErrorCode)
	require.Equal(t, "invalid_payment_code", got.Reserved3)
	require.ErrorIs(t, got.CheckPaid("A-1", 150_50, "THB"), ksher.ErrNotPaid)
	for _, status := range []string{"Paid", "Refunded"} {
		_, err = answering(t, http.StatusOK, signed(t, path, strings.Replace(failed, "Closed", status, 1))).Query(t.Context(), vip.KindBScanC, &vip.QueryRequest{MerchantOrderID: "A-1"})
		require.ErrorContains(t, err, "the status is "+status+" all the same")
	}
	// Without the order or a status it is the query that was refused.
	for _, c := range [][2]string{{"Closed", "False"}, {"Closed", ""}, {"A-1", "False"}, {"A-1", "A-2"}} {
		_, err = answering(t, http.StatusOK, signed(t, path, strings.Replace(failed, c[0], c[1], 1))).Query(t.Context(), vip.KindBScanC, &vip.QueryRequest{MerchantOrderID: "A-1"})
		require.EqualError(t, err, `vip: bscanc query of order "A-1": the gateway answered FAIL because of "invalid_payment_code"`)
	}
}

// An answer that names another sub-merchant than was asked for isn't believed.
func TestOtherSubMerchant(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: a mid is the same with and without mch before it")
	for _, c := range []struct {
		asked, answered string
		want            error
	}{
		{"mch1", "mch1", nil}, {"mch1", "False", nil}, {"", "mch2", nil}, {"mch1", "mch2", ksher.ErrOtherOrder}, {"mch1", "MCH1", ksher.ErrOtherOrder},
		{"1", "mch1", nil}, {"mch1", "1", nil}, {"1", "mch2", ksher.ErrOtherOrder}, {"mch1", "mchmch1", ksher.ErrOtherOrder}, {"mch", "1", ksher.ErrOtherOrder},
	} {
		naming := func(good string) *vip.Client {
			return newClient(t, func(r *http.Request) (int, string, error) {
				return http.StatusOK, signed(t, r.URL.Path, strings.Replace(good, "{", `{"mid":"`+c.answered+`",`, 1)), nil
			})
		}
		for _, req := range newOrders() {
			switch r := req.(type) {
			case *vip.RedirectRequest:
				r.MID = c.asked
			case *vip.CScanBRequest:
				r.MID = c.asked
			case *vip.BScanCRequest:
				r.MID = c.asked
			case *vip.MiniAppRequest:
				r.MID = c.asked
			case *vip.AppRequest:
				r.MID = c.asked
			}
			_, err := naming(goodOrder).Create(t.Context(), req)
			require.ErrorIs(t, err, c.want, c)
		}
		_, err := naming(goodOrder).Query(t.Context(), vip.KindApp, &vip.QueryRequest{MerchantOrderID: "A-1", MID: c.asked})
		require.ErrorIs(t, err, c.want, c)
		_, err = naming(goodRefund).Refund(t.Context(), vip.KindApp, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-1", RefundAmount: 50_00, MID: c.asked})
		require.ErrorIs(t, err, c.want, c)
		_, err = naming(goodClosed).Cancel(t.Context(), vip.KindApp, &vip.CancelRequest{MerchantOrderID: "A-1", MID: c.asked})
		require.ErrorIs(t, err, c.want, c)
	}
}

// An amount of nothing, which only Unchecked lets through, isn't any amount.
func TestOtherAmountThanNothing(t *testing.T) {
	client := newClient(t, func(r *http.Request) (int, string, error) {
		return http.StatusOK, signed(t, r.URL.Path, map[string]string{http.MethodPut: goodRefund, http.MethodPost: goodOrder}[r.Method]), nil
	})
	_, err := client.Refund(t.Context(), vip.KindApp, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-1", Extra: ksher.Extra{Unchecked: []string{"refund_amount"}}})
	require.ErrorIs(t, err, ksher.ErrOtherOrder)
	require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
	_, err = client.Create(t.Context(), &vip.AppRequest{MerchantOrderID: "A-1", Extra: ksher.Extra{Unchecked: []string{"amount"}}})
	require.ErrorIs(t, err, ksher.ErrOtherOrder)
}

func TestErrorTexts(t *testing.T) {
	const path = "/api/v1/bscanc/orders"
	const earlier = `: an earlier create under the same number may be the cause. It may have been carried out all the same: ask Client.Query about the order before anything else`
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{200, signed(t, path, `{"error_code":"FAIL","error_message":"The code is wrong","reserved3":"invalid_payment_code"}`),
			`vip: bscanc create of order "A-1": the gateway answered FAIL "The code is wrong" because of "invalid_payment_code"`},
		{200, signed(t, path, `{"error_code":"FAIL","error_message":"False","reserved3":"False"}`),
			`vip: bscanc create of order "A-1": the gateway answered FAIL` + earlier},
		{200, signed(t, path, `{"error_code":"FAIL","error_message":"FAIL"}`),
			`vip: bscanc create of order "A-1": the gateway answered FAIL` + earlier},
		{200, signed(t, path, `{"error_code":"PENDING","merchant_order_id":"A-1"}`),
			`vip: bscanc create of order "A-1": the gateway answered PENDING: the gateway did not say that it is done. It may have been carried out all the same: ask Client.Query about the order before anything else`},
		{200, `{"error_code":"FAIL","error_message":"No"}`,
			`vip: bscanc create of order "A-1": the gateway answered FAIL "No": the signature is missing. It may have been carried out all the same: ask Client.Query about the order before anything else`},
		{401, "Who are you?", `vip: bscanc create of order "A-1": the gateway answered "Who are you?": the gateway didn't accept the token (HTTP 401). It may have been carried out all the same: ask Client.Query about the order before anything else`},
		{401, refusal(401), `vip: bscanc create of order "A-1": the gateway didn't accept the token (HTTP 401)`},
		{400, `{"code":400,"name":"Bad Request","description":"<p class='preserveHtml' class='preserveHtml'>BadRequest {'redirect_url': ['Not a valid URL.'], 'amount': ['Too small.', 'Odd.']}</p>"}`,
			`vip: bscanc create of order "A-1": the gateway refused the form of a parameter: redirect_url "Not a valid URL."; amount "Too small."; amount "Odd." (HTTP 400)`},
	} {
		_, err := answering(t, c.status, c.body).Create(t.Context(), newOrders()[vip.KindBScanC])
		require.EqualError(t, err, c.want)
	}
	client := answering(t, 403, refusal(403))
	_, err := client.Refund(t.Context(), vip.KindApp, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R\n1", RefundAmount: 1})
	require.EqualError(t, err, `vip: app refund of order "A-1", refund "R 1": the account may not do this (HTTP 403)`)
	var failure *vip.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, "R\n1", failure.RefundOrderID)
}

// The HTML of a 400 is taken apart as far as it can be.
func TestFieldErrors(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: a 400 names the wrong parameters in a description of HTML")
	nested := strings.Repeat("{'a': ", 20)
	for _, c := range []struct {
		name, description string
		want              []ksher.FieldError
	}{
		{"documented", `<p class='preserveHtml' class='preserveHtml'>BadRequest {'redirect_url': ['Not a valid URL.']}</p>`, []ksher.FieldError{{Field: "redirect_url", Problem: "Not a valid URL."}}},
		{"entities", `<p>BadRequest {&#39;a&#39;: [&quot;It&#39;s &lt;b&gt; &amp;amp;&quot;]}</p>`, []ksher.FieldError{{Field: "a", Problem: "It's <b> &amp;"}}},
		{"escapes", `{'a': ['it\\'s \\\\ \\u0e0a\\x41\\n', \"x\"]}`, []ksher.FieldError{{Field: "a", Problem: `it's \ ชA `}, {Field: "a", Problem: "x"}}},
		{"nested", `{'a': {0: {'b': ['x']}}, 'c': 'y', 'd': (None, 1)}`, []ksher.FieldError{{Field: "a.0.b", Problem: "x"}, {Field: "c", Problem: "y"}, {Field: "d", Problem: "None"}, {Field: "d", Problem: "1"}}},
		{"braces in a text", `{'a': ['one of {x, y}']}`, []ksher.FieldError{{Field: "a", Problem: "one of {x, y}"}}},
		{"blanks", "{ 'a' : [ 'x' , ] , }", []ksher.FieldError{{Field: "a", Problem: "x"}}},
		{"cut", `{'a': ['x'], 'b': ['y`, []ksher.FieldError{{Field: "a", Problem: "x"}}},
		{"no dict", `BadRequest`, nil},
		{"empty", `{}`, nil},
		{"a set", `{'a'}`, nil},
		{"something else", `missing {name}`, nil},
		{"too deep", nested, nil},
		{"deep", strings.Repeat("{'a': ", 8) + "'x'", []ksher.FieldError{{Field: "a.a.a.a.a.a.a.a", Problem: "x"}}},
		{"deeper", strings.Repeat("{'a': ", 9) + "'x'", nil},
		{"too late", strings.Repeat("x", 16<<10) + "{'a': ['x']}", nil},
		{"a signature", `{'signature': ['` + strings.Repeat("AB", 32) + `']}`, []ksher.FieldError{{Field: "signature", Problem: "[signature]"}}},
		{"comparisons", `<p>BadRequest {'a': ['Must be < 5 and > 3'], 'b': ['<b>1<2>0</b>']}</p>`, []ksher.FieldError{{Field: "a", Problem: "Must be < 5 and > 3"}, {Field: "b", Problem: "1<2>0"}}},
		{"Python 2", `BadRequest {u'a': [u'No.', u\"it's\"], u'u': (u, 1)}`, []ksher.FieldError{{Field: "a", Problem: "No."}, {Field: "a", Problem: "it's"}, {Field: "u", Problem: "u"}, {Field: "u", Problem: "1"}}},
		{"nothing", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := answering(t, 400, `{"code":400,"name":"Bad Request","description":"`+strings.ReplaceAll(c.description, "\n", `\n`)+`"}`).
				Create(t.Context(), newOrders()[vip.KindRedirect])
			var failure *vip.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, c.want, failure.Fields)
			require.ErrorIs(t, err, vip.ErrBadRequest)
			require.ErrorIs(t, err, fault.ErrHTTPStatus)
			require.NotErrorIs(t, err, ksher.ErrNotFound)
		})
	}
	for _, c := range []struct {
		name, body, message string
		want                []ksher.FieldError
	}{
		{"HTML", "<p class='preserveHtml'>BadRequest {'redirect_url': ['Not a valid URL.']}</p>\n", "BadRequest {'redirect_url': ['Not a valid URL.']}", []ksher.FieldError{{Field: "redirect_url", Problem: "Not a valid URL."}}},
		{"a page", "<!DOCTYPE html><html>\n<h1>Bad Request</h1><p>BadRequest {u&#39;a&#39;: [u&#39;No.&#39;]}</p></html>", "<!DOCTYPE html> Bad RequestBadRequest {u'a': [u'No.']}", []ksher.FieldError{{Field: "a", Problem: "No."}}},
		{"a dict", "{'a': ['x']}", "", []ksher.FieldError{{Field: "a", Problem: "x"}}},
		{"words", "Bad Request", "Bad Request", nil},
		{"cut JSON", `{"code":400,"description":"BadRequest {'a': ['x']}`, "", nil},
		{"another JSON", `{"code":400,"name":"Bad Request"}`, "Bad Request", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := answering(t, 400, c.body).Create(t.Context(), newOrders()[vip.KindRedirect])
			var failure *vip.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, c.want, failure.Fields)
			require.Equal(t, c.message, failure.Message)
		})
	}
	many := "{" + strings.Repeat("'a': ['x'], ", 2000) + "}"
	_, err := answering(t, 400, `{"description":"`+many+`"}`).Create(t.Context(), newOrders()[vip.KindRedirect])
	var failure *vip.Error
	require.ErrorAs(t, err, &failure)
	require.Len(t, failure.Fields, 50)
}

func TestCheckPaidOfNoOrder(t *testing.T) {
	var o *vip.Order
	require.ErrorIs(t, o.CheckPaid("A-1", 150_50, "THB"), ksher.ErrBadAnswer)
}

func TestCheckPaid(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "vip: a paid order has the status Paid and the error_code SUCCESS")
	order := func(change func(*vip.Order)) *vip.Order {
		o := &vip.Order{MerchantOrderID: "A-1", Amount: 150_50, Currency: "THB", Status: vip.StatusPaid, ErrorCode: vip.CodeSuccess, OrderType: "Sale"}
		change(o)
		return o
	}
	for _, c := range []struct {
		name   string
		change func(*vip.Order)
		want   error
	}{
		{"paid", func(*vip.Order) {}, nil},
		{"no type", func(o *vip.Order) { o.OrderType = "" }, nil},
		{"order", func(o *vip.Order) { o.MerchantOrderID = "a-1" }, ksher.ErrOtherOrder},
		{"amount", func(o *vip.Order) { o.Amount = 150_49 }, ksher.ErrOtherOrder},
		{"currency", func(o *vip.Order) { o.Currency = "" }, ksher.ErrOtherOrder},
		{"available", func(o *vip.Order) { o.Status = vip.StatusAvailable }, ksher.ErrNotPaid},
		{"refunded", func(o *vip.Order) { o.Status = vip.StatusRefunded }, ksher.ErrNotPaid},
		{"closed", func(o *vip.Order) { o.Status = vip.StatusClosed }, ksher.ErrNotPaid},
		{"other case", func(o *vip.Order) { o.Status = "paid" }, ksher.ErrNotPaid},
		{"a refund", func(o *vip.Order) { o.OrderType = "Refund" }, ksher.ErrNotPaid},
		{"another type", func(o *vip.Order) { o.OrderType = "Hold" }, ksher.ErrNotPaid},
		{"pending", func(o *vip.Order) { o.ErrorCode = vip.CodePending }, ksher.ErrNotPaid},
		{"refunded by its code", func(o *vip.Order) { o.ErrorCode = vip.CodeRefunded }, ksher.ErrNotPaid},
		{"code in lower case", func(o *vip.Order) { o.ErrorCode = "success" }, ksher.ErrNotPaid},
		{"no code", func(o *vip.Order) { o.ErrorCode = "" }, ksher.ErrNotPaid},
	} {
		t.Run(c.name, func(t *testing.T) { require.ErrorIs(t, order(c.change).CheckPaid("A-1", 150_50, "THB"), c.want) })
	}
	for status, final := range map[vip.Status]bool{vip.StatusPaid: true, vip.StatusRefunded: true, vip.StatusClosed: true, vip.StatusAvailable: false, "": false, "Other": false} {
		require.Equal(t, final, status.Final(), status)
		require.Equal(t, status == vip.StatusPaid, status.Paid(), status)
	}
}

func TestImage(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: reserved1 of a cscanb order is its QR code as a data URI")
	image, mediaType, err := (&vip.Order{Reserved1: "Data:image/png;charset=utf-8; base64, iVBO Rw0K%47go"}).Image()
	require.NoError(t, err)
	require.Equal(t, "\x89PNG\r\n\x1a\n", string(image))
	require.Equal(t, "image/png", mediaType)
	for _, uri := range []string{"", "data:", "image/png;base64,iVBORw0KGgo=", "data:text/html;base64,iVBORw0KGgo=", "data:image/png;base64,", "data:image/png;base64,aGk=", "data:image/png,iVBORw0KGgo="} {
		_, _, err := (&vip.Order{MerchantOrderID: "A-1", Reserved1: uri}).Image()
		require.ErrorIs(t, err, fault.ErrField, uri)
		require.ErrorContains(t, err, `order "A-1"`)
	}
}

func TestWeChatPayment(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "vip: reserved2 to reserved4 are WeChat's nonce, kind of signature and signature")
	good := vip.Order{Reference: "prepay_id=wx1", Reserved1: "1626754354", Reserved2: "nonce", Reserved3: "MD5", Reserved4: "sign"}
	p, err := good.WeChatPayment()
	require.NoError(t, err)
	require.Equal(t, &vip.WeChatPayment{TimeStamp: "1626754354", NonceStr: "nonce", Package: "prepay_id=wx1", SignType: "MD5", PaySign: "sign"}, p)
	for name, change := range map[string]func(*vip.Order){
		"no package":  func(o *vip.Order) { o.Reference = "" },
		"no time":     func(o *vip.Order) { o.Reserved1 = "" },
		"other order": func(o *vip.Order) { o.Reserved3, o.Reserved4 = o.Reserved4, o.Reserved3 },
		"time":        func(o *vip.Order) { o.Reserved1 = "x" },
		"no sign":     func(o *vip.Order) { o.Reserved4 = "" },
	} {
		o := good
		change(&o)
		_, err := o.WeChatPayment()
		require.ErrorIs(t, err, fault.ErrField, name)
	}
}

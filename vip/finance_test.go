package vip_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/vip"
)

// unproved signs a report with what proves nothing about it.
func unproved(object string) string { return withSignature(object, sign("something else")) }

func TestReports(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: rows are in data.data, and their number in data.total")
	client := answering(t, 200, unproved(`{"error_code":"SUCCESS","data":{"data":[{"amount":15050,"transaction_time":"2021-07-20 11:12:34","type":"PAY",
		"channel":"wechat","device_id":"d","operator_id":"o","operator_name":"Somchai","currency":"THB","order_id":"A-1","ksher_order_id":"9"},
		{"amount":"-5000","device_id":"False","operator_id":false,"operator_name":null}],"total":"2"}}`))
	rows, err := collect(client.Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m"}))
	require.NoError(t, err)
	require.True(t, rows[0].TransactionTime.Equal(time.Date(2021, 7, 20, 4, 12, 34, 0, time.UTC)))
	rows[0].TransactionTime = time.Time{}
	require.Equal(t, []vip.Transaction{{
		Amount: 150_50, Type: vip.TransactionTypePay, Channel: "wechat", DeviceID: "d", OperatorID: "o", OperatorName: "Somchai", Currency: "THB", OrderID: "A-1", KsherOrderID: "9",
	}, {Amount: -50_00}}, rows)

	client = answering(t, 200, unproved(`{"error_code":"SUCCESS","data":{"reference_id":"S-1","start":"a","end":"b","channel":"wechat","count":1,"amount":2,"fee":3,
		"other_fee":4,"refund":5,"refund_fee":6,"adjustment":-7,"balance":8,"net":9,"currency":"THB","transfer":true,"transfer_amount":10,"time":"2021-07-20 11:12:34"}}`))
	s, err := client.Settlement(t.Context(), &vip.SettlementRequest{Date: "20210720", MID: "m", Channel: "wechat"})
	require.NoError(t, err)
	require.True(t, s.Time.Equal(time.Date(2021, 7, 20, 4, 12, 34, 0, time.UTC)))
	s.Time = time.Time{}
	require.Equal(t, &vip.Settlement{
		ReferenceID: "S-1", Start: "a", End: "b", Channel: "wechat", Count: 1, Amount: 2, Fee: 3, OtherFee: 4, Refund: 5, RefundFee: 6, Adjustment: -7,
		Balance: 8, Net: 9, Currency: "THB", Transfer: "true", TransferAmount: 10,
	}, s)

	client = answering(t, 200, unproved(`{"error_code":"SUCCESS","data":[ {"channel":"wechat"}, "alipay", 1, {"channel":"False"}, {} ]}`))
	channels, err := client.Channels(t.Context(), &vip.ChannelsRequest{MID: "m"})
	require.NoError(t, err)
	require.Equal(t, &vip.Channels{Channels: []string{"wechat", "alipay"}, Data: json.RawMessage(`[ {"channel":"wechat"}, "alipay", 1, {"channel":"False"}, {} ]`)}, channels)
	// What isn't nested is proved, strictly or not.
	client = answering(t, 200, signed(t, financePath+"channels", `{"error_code":"SUCCESS","data":"wechat, alipay,,"}`), vip.WithStrict())
	channels, err = client.Channels(t.Context(), &vip.ChannelsRequest{MID: "m"})
	require.NoError(t, err)
	require.Equal(t, &vip.Channels{Channels: []string{"wechat", "alipay"}, Data: json.RawMessage(`"wechat, alipay,,"`), Verified: true}, channels)
	client = answering(t, 200, unproved(`{"error_code":"SUCCESS","data":"wechat"}`))
	_, err = client.Channels(t.Context(), &vip.ChannelsRequest{MID: "m"})
	require.ErrorIs(t, err, fault.ErrSignatureMismatch)
}

// Ksher has the list inside an object. What names no channel is not an account without any.
func TestChannels(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: a merchant's channels are in data.channels")
	for _, c := range []struct {
		name, data string
		want       []string
		err        string
	}{
		{"as Ksher sends it", `{"channels":["wechat","alipay"]}`, []string{"wechat", "alipay"}, ""},
		{"beside others", `{"mid":"mch35618","channels":["wechat"]}`, []string{"wechat"}, ""},
		{"objects", `{"channels":[{"channel":"wechat"},{"channel":"False"}]}`, []string{"wechat"}, ""},
		{"a text", `{"channels":"wechat, alipay"}`, []string{"wechat", "alipay"}, ""},
		{"none", `{"channels":[]}`, nil, ""},
		{"none, as Ksher writes it", `{"channels":false}`, nil, ""},
		{"none, as a text", `{"channels":"False"}`, nil, ""},
		{"no list", `{"a":1}`, nil, "channels is missing"},
		{"an object", `{"channels":{"wechat":1}}`, nil, "channels: it is an object, not an array"},
		{"a number", `{"channels":1}`, nil, "channels: it is a number, not an array"},
		{"no names", `{"channels":[1,{"name":"wechat"}]}`, nil, "no channel of the list has a name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := answering(t, 200, unproved(`{"error_code":"SUCCESS","data":`+c.data+`}`)).Channels(t.Context(), &vip.ChannelsRequest{MID: "m"})
			if c.err != "" {
				require.ErrorIs(t, err, ksher.ErrBadAnswer)
				require.ErrorContains(t, err, c.err)
				require.Nil(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, &vip.Channels{Channels: c.want, Data: json.RawMessage(c.data)}, got)
		})
	}
}

func TestTransactionTypes(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: a transaction is Paid, PAY, Notpaid, On processes or refund")
	for written, c := range map[string]struct {
		want vip.TransactionType
		paid bool
	}{
		"Paid":         {vip.TransactionTypePaid, true},
		"PAY":          {vip.TransactionTypePay, true},
		"Notpaid":      {vip.TransactionTypeNotPaid, false},
		"On processes": {vip.TransactionTypeInProgress, false},
		"refund":       {vip.TransactionTypeRefund, false},
		"paid":         {"paid", false},
		"Adjusted":     {"Adjusted", false},
		"False":        {"", false},
	} {
		t.Run(written, func(t *testing.T) {
			rows, err := collect(answering(t, 200, unproved(`{"error_code":"SUCCESS","data":{"data":[{"amount":1,"type":"`+written+`"}],"total":1}}`)).
				Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m"}))
			require.NoError(t, err)
			require.Len(t, rows, 1)
			require.Equal(t, c.want, rows[0].Type)
			require.Equal(t, c.paid, rows[0].Type.Paid())
		})
	}
}

// A settlement's transfer is a text or a boolean.
func TestTransfer(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: transfer of a settlement may be a boolean")
	for written, want := range map[string]string{
		`true`: "true", `false`: "", `"False"`: "", `null`: "", `""`: "", `"2021-07-21"`: "2021-07-21", `"True"`: "True", `1`: "1",
	} {
		s, err := answering(t, 200, unproved(`{"error_code":"SUCCESS","data":{"reference_id":"S-1","transfer":`+written+`,"transfer_amount":5}}`)).
			Settlement(t.Context(), &vip.SettlementRequest{Date: "20210720", MID: "m", Channel: "wechat"})
		require.NoError(t, err, written)
		require.Equal(t, want, s.Transfer, written)
		require.Equal(t, ksher.Amount(5), s.TransferAmount, written)
	}
}

func TestReportsRefused(t *testing.T) {
	type result struct{ settlement, transactions, channels error }
	for _, c := range []struct {
		name, body string
		want       result
	}{
		{"no data", `{"error_code":"SUCCESS"}`, result{fault.ErrNoData, fault.ErrNoData, fault.ErrNoData}},
		{"empty data", `{"error_code":"SUCCESS","data":"False"}`, result{fault.ErrNoData, fault.ErrNoData, fault.ErrNoData}},
		{"no text", `{"error_code":"SUCCESS","data":""}`, result{fault.ErrNoData, fault.ErrNoData, fault.ErrNoData}},
		{"null", `{"error_code":"SUCCESS","data":null}`, result{fault.ErrNoData, fault.ErrNoData, fault.ErrNoData}},
		{"text", `{"error_code":"SUCCESS","data":"wechat"}`, result{fault.ErrField, fault.ErrField, nil}},
		{"not allowed", `{"error_code":"UNKNOWN","error_message":"NOT allowed mid"}`, result{vip.CodeUnknown, vip.CodeUnknown, vip.CodeUnknown}},
		{"empty object", `{"error_code":"SUCCESS","data":{}}`, result{fault.ErrField, fault.ErrField, fault.ErrField}},
		{"list", `{"error_code":"SUCCESS","data":[]}`, result{fault.ErrField, fault.ErrField, nil}},
		{"no list", `{"error_code":"SUCCESS","data":{"reference_id":"S","total":1}}`, result{nil, fault.ErrField, fault.ErrField}},
		{"no rows", `{"error_code":"SUCCESS","data":{"reference_id":"S","total":0,"data":null,"channels":[]}}`, result{nil, nil, nil}},
		{"amount", `{"error_code":"SUCCESS","data":{"reference_id":"S","amount":1.5,"data":[{"amount":1.5}]}}`, result{fault.ErrField, fault.ErrField, fault.ErrField}},
		{"row", `{"error_code":"SUCCESS","data":{"reference_id":"S","data":["x"]}}`, result{nil, fault.ErrField, fault.ErrField}},
		{"total", `{"error_code":"SUCCESS","data":{"reference_id":"S","data":[],"total":-1}}`, result{nil, fault.ErrField, fault.ErrField}},
		{"total in words", `{"error_code":"SUCCESS","data":{"reference_id":"S","data":[],"total":"many"}}`, result{nil, fault.ErrField, fault.ErrField}},
		{"pending", `{"error_code":"PENDING","data":{"reference_id":"S","data":[],"total":0}}`, result{vip.CodePending, vip.CodePending, vip.CodePending}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Nothing nested, nothing unproved.
			client := newClient(t, func(r *http.Request) (int, string, error) {
				var object map[string]any
				require.NoError(t, json.Unmarshal([]byte(c.body), &object))
				switch object["data"].(type) {
				case nil, string:
					return 200, signed(t, r.URL.Path, c.body), nil
				}
				return 200, unproved(c.body), nil
			})
			_, err := client.Settlement(t.Context(), &vip.SettlementRequest{Date: "20210720", MID: "m", Channel: "wechat"})
			require.ErrorIs(t, err, c.want.settlement)
			_, err = collect(client.Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m"}))
			require.ErrorIs(t, err, c.want.transactions)
			_, err = client.Channels(t.Context(), &vip.ChannelsRequest{MID: "m"})
			require.ErrorIs(t, err, c.want.channels)
		})
	}
}

// pager serves a report of so many rows, saying that there are total, or nothing
// about it.
func pager(t testing.TB, rows int, total string, asked *[]string) *vip.Client {
	return newClient(t, func(r *http.Request) (int, string, error) {
		q := received(t, r)
		*asked = append(*asked, q["offset"]+"+"+q["limit"])
		offset, err := strconv.Atoi(q["offset"])
		require.NoError(t, err)
		limit, err := strconv.Atoi(q["limit"])
		require.NoError(t, err)
		list := []map[string]any{}
		for i := offset; i < min(offset+limit, rows); i++ {
			list = append(list, map[string]any{"order_id": fmt.Sprint(i), "amount": i})
		}
		text, err := json.Marshal(list)
		require.NoError(t, err)
		return 200, unproved(`{"error_code":"SUCCESS","data":{"data":` + string(text) + total + `}}`), nil
	})
}

func TestPages(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "vip: a page has at most 50 rows")
	for _, c := range []struct {
		name  string
		rows  int
		total string
		limit int
		asked []string
		err   error
	}{
		{"none", 0, `,"total":0`, 0, []string{"0+50"}, nil},
		{"none, without a total", 0, ``, 0, []string{"0+50"}, nil},
		{"none, with an empty total", 0, `,"total":"False"`, 0, []string{"0+50"}, nil},
		{"none, with a false total", 0, `,"total":false`, 0, []string{"0+50"}, nil},
		{"a page, with an empty total", 50, `,"total":""`, 0, []string{"0+50", "50+50"}, nil},
		{"a true total", 0, `,"total":true`, 0, []string{"0+50"}, fault.ErrField},
		{"one", 1, `,"total":1`, 0, []string{"0+50"}, nil},
		{"a page", 50, `,"total":50`, 0, []string{"0+50"}, nil},
		{"a page, without a total", 50, ``, 0, []string{"0+50", "50+50"}, nil},
		{"three pages", 120, `,"total":120`, 0, []string{"0+50", "50+50", "100+50"}, nil},
		{"three pages, without a total", 120, ``, 0, []string{"0+50", "50+50", "100+50", "120+50"}, nil},
		{"one, without a total", 1, ``, 0, []string{"0+50", "1+50"}, nil},
		{"short pages", 7, `,"total":7`, 3, []string{"0+3", "3+3", "6+3"}, nil},
		{"fewer than announced", 60, `,"total":100`, 0, []string{"0+50", "50+50", "60+50"}, fault.ErrField},
		{"none of those announced", 0, `,"total":1`, 0, []string{"0+50"}, fault.ErrField},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked []string
			rows, err := collect(pager(t, c.rows, c.total, &asked).Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m", Limit: c.limit}))
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.asked, asked)
			require.Len(t, rows, c.rows)
			for i, row := range rows {
				require.Equal(t, ksher.Amount(i), row.Amount)
			}
		})
	}
}

// A gateway that gives less at once than it was asked for isn't at its end.
func TestPagesOfTheGatewaysOwnSize(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "vip: a page with fewer rows than asked for may not be the last")
	client := newClient(t, func(r *http.Request) (int, string, error) {
		page := map[string]string{"0": `[{"amount":1},{"amount":2}]`, "2": `[{"amount":3}]`}[received(t, r)["offset"]]
		return 200, unproved(`{"error_code":"SUCCESS","data":{"data":` + cmp.Or(page, "[]") + `}}`), nil
	})
	rows, err := collect(client.Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m"}))
	require.NoError(t, err)
	require.Len(t, rows, 3)
}

// What was announced once isn't taken back, and there is no more than that.
func TestPagesContradictThemselves(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string
		rows          int
	}{
		"taken back": {`[{"amount":1},{"amount":2}],"total":5`, `[],"total":0`, 2},
		"forgotten":  {`[{"amount":1},{"amount":2}],"total":5`, `[]`, 2},
		"too many":   {`[{"amount":1},{"amount":2}],"total":1`, ``, 0},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, func(r *http.Request) (int, string, error) {
				return 200, unproved(`{"error_code":"SUCCESS","data":{"data":` + map[bool]string{true: c.first, false: c.second}[received(t, r)["offset"] == "0"] + `}}`), nil
			})
			rows, err := collect(client.Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m", Limit: 2}))
			require.ErrorIs(t, err, fault.ErrField)
			require.ErrorContains(t, err, "the gateway announced")
			require.Len(t, rows, c.rows)
		})
	}
}

// A row that comes again stands where another is missing.
func TestPagesRepeat(t *testing.T) {
	for name, c := range map[string]struct {
		pages []string
		rows  int
	}{
		"shifted by one":    {[]string{`[{"amount":1},{"amount":2}],"total":4`, `[{"amount":2},{"amount":3}],"total":4`}, 2},
		"two in turn":       {[]string{`[{"amount":1},{"amount":2}]`, `[{"amount":3},{"amount":4}]`}, 4},
		"a later page only": {[]string{`[{"amount":1},{"amount":2}]`, `[{"amount":3},{"amount":4}]`, `[{"amount":5},{"amount":1}]`}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			client := newClient(t, func(*http.Request) (int, string, error) {
				asked++
				return 200, unproved(`{"error_code":"SUCCESS","data":{"data":` + c.pages[(asked-1)%len(c.pages)] + `}}`), nil
			})
			rows, err := collect(client.Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m", Limit: 2}))
			require.ErrorIs(t, err, fault.ErrField)
			require.ErrorContains(t, err, "the gateway gave the same row on two pages")
			require.Len(t, rows, c.rows)
		})
	}
}

// Two refunds of an order may look the same.
func TestEqualRowsOfAPage(t *testing.T) {
	client := newClient(t, func(*http.Request) (int, string, error) {
		return 200, unproved(`{"error_code":"SUCCESS","data":{"data":[{"amount":1},{"amount":1}],"total":2}}`), nil
	})
	rows, err := collect(client.Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m"}))
	require.NoError(t, err)
	require.Len(t, rows, 2)
}

// A report that doesn't end is left.
func TestPagesAreBounded(t *testing.T) {
	defer vip.SetMaxRows(100)()
	for rows, want := range map[int]error{100: nil, 101: fault.ErrField, 1000: fault.ErrField} {
		var asked []string
		got, err := collect(pager(t, rows, ``, &asked).Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m", Limit: 40}))
		require.ErrorIs(t, err, want)
		if want == nil {
			require.Len(t, got, 100)
			continue
		}
		require.ErrorContains(t, err, "there are more than 100 rows")
		require.Len(t, got, 80)
		require.Equal(t, []string{"0+40", "40+40", "80+40"}, asked)
	}
}

// Leaving the loop ends it, and it can be begun again.
func TestPagesBreak(t *testing.T) {
	var asked []string
	report := pager(t, 120, `,"total":120`, &asked).SettlementOrders(t.Context(), &vip.SettlementOrdersRequest{ReferenceID: "S-1"})
	for range 2 {
		seen := 0
		for row, err := range report {
			require.NoError(t, err)
			require.Equal(t, ksher.Amount(seen), row.Amount)
			if seen++; seen == 51 {
				break
			}
		}
	}
	require.Equal(t, []string{"0+50", "50+50", "0+50", "50+50"}, asked)
}

func TestPagesEnd(t *testing.T) {
	// A gateway that doesn't look at the offset.
	asked := 0
	page := `{"error_code":"SUCCESS","data":{"data":[{"amount":1},{"amount":2}]}}`
	client := newClient(t, func(*http.Request) (int, string, error) {
		asked++
		return 200, unproved(page), nil
	})
	rows, err := collect(client.Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m", Limit: 2}))
	require.ErrorIs(t, err, fault.ErrField)
	require.ErrorContains(t, err, "vip: transactions: a field of the data can't be read: the gateway gave the same row on two pages")
	require.Len(t, rows, 2)
	require.Equal(t, 2, asked)

	// An error on a later page is the last thing that comes.
	client = newClient(t, func(r *http.Request) (int, string, error) {
		if received(t, r)["offset"] != "0" {
			return 0, "", errors.New("reset by peer")
		}
		return 200, unproved(page), nil
	})
	var errs []error
	n := 0
	for row, err := range client.Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m", Limit: 2}) {
		if errs = append(errs, err); err == nil {
			n += int(row.Amount)
		} else {
			require.Nil(t, row)
		}
	}
	require.Len(t, errs, 3)
	require.Equal(t, 3, n)
	require.ErrorContains(t, errs[2], "reset by peer")

	// So does the end of the context.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen []string
	for _, err := range pager(t, 120, ``, &seen).Transactions(ctx, &vip.TransactionsRequest{Date: "20210720", MID: "m"}) {
		if cancel(); err != nil {
			require.ErrorIs(t, err, context.Canceled)
			n = -1
		}
	}
	require.Equal(t, -1, n)
	require.Equal(t, []string{"0+50"}, seen)
}

package ksher_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestPayout(t *testing.T) {
	const data = `{"appid":"mch12345","mch_order_no":"order1","ksher_order_no":900,"channel_order_no":"4200","receiver_name":"SOMCHAI J",
		"mdr":1.25,"trade_type":"PAYOUT","total_fee":"10000","fee_type":"THB","result":"SUCCESS","nonce_str":"n1"}`
	rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
	client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
	resp, err := client.Payout(t.Context(), testkit.GoodPayout())
	require.NoError(t, err)
	assert.Equal(t, "https://api.mch.ksher.net/KsherPay/payout", rec.Only(t).URL.String())
	testkit.RequireParameters(t, rec.Only(t), map[string]string{
		"mch_order_no": "order1", "total_fee": "10000", "fee_type": "THB", "account": "9876543210", "name": "สมชาย ใจดี",
		"receiver_no": "0812345678", "channel": "payout",
	})
	assert.Equal(t, &ksher.PayoutResponse{
		Answer: testkit.WantAnswer(data), AppID: "mch12345", MchOrderNo: "order1", KsherOrderNo: "900", ChannelOrderNo: "4200",
		ReceiverName: "SOMCHAI J", MDR: "1.25", TradeType: "PAYOUT", TotalFee: 100_00, FeeType: "THB", NonceStr: "n1",
	}, resp)
}

func TestOrderQueryPayout(t *testing.T) {
	const data = `{"appid":"mch12345","mch_order_no":"order1","ksher_order_no":"900","channel_order_no":"4200","channel":"promptpay",
		"receiver_name":"SOMCHAI J","mdr":"0.5%","trade_type":"PAYOUT","total_fee":10000,"fee_type":"THB","result":"PENDING","nonce_str":"n1"}`
	tests := []struct {
		name string
		req  *ksher.OrderQueryPayoutRequest
		want map[string]string
	}{
		{"minimal", testkit.PayoutQuery(), map[string]string{"mch_order_no": "order1", "channel": "payout"}},
		{"full", &ksher.OrderQueryPayoutRequest{MchOrderNo: "order1", Channel: "bank", Extra: ksher.Extra{Params: map[string]string{"new": "1"}}},
			map[string]string{"mch_order_no": "order1", "channel": "bank", "new": "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.OrderQueryPayout(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/order_query_payout", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, &ksher.OrderQueryPayoutResponse{
				Answer: testkit.WantAnswer(data), AppID: "mch12345", MchOrderNo: "order1", KsherOrderNo: "900", ChannelOrderNo: "4200", Channel: "promptpay",
				ReceiverName: "SOMCHAI J", MDR: "0.5%", TradeType: "PAYOUT", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultPending, NonceStr: "n1",
			}, resp)
		})
	}
}

func TestGetPayoutBalance(t *testing.T) {
	tests := []struct {
		balance string // "" for none.
		want    ksher.Amount
		err     error
	}{
		{`1234567`, 12345_67, nil},
		{`"1234567"`, 12345_67, nil},
		{`0`, 0, nil},
		{`"0"`, 0, nil},
		{`-1`, -1, nil},
		{`9007199254740993`, 1<<53 + 1, nil},
		{``, 0, fault.ErrField},
		{`""`, 0, fault.ErrField},
		{`null`, 0, fault.ErrField},
		{`12345.67`, 0, fault.ErrField},
		{`"12345.67"`, 0, fault.ErrField},
		{`"12345.00"`, 0, fault.ErrField},
		{`1e3`, 0, fault.ErrField},
		{`"1,000"`, 0, fault.ErrField},
		{`"a lot"`, 0, fault.ErrField},
		{`{"THB":1}`, 0, fault.ErrField},
		{`[1]`, 0, fault.ErrField},
		{`9223372036854775808`, 0, fault.ErrField},
	}
	for _, tt := range tests {
		t.Run(tt.balance, func(t *testing.T) {
			data := `{"appid":"mch12345","fee_type":"THB","result":"SUCCESS","nonce_str":"n1"}`
			if tt.balance != "" {
				data = strings.Replace(data, `"fee_type"`, `"balance":`+tt.balance+`,"fee_type"`, 1)
			}
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.GetPayoutBalance(t.Context(), testkit.BalanceQuery())
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/get_payout_balance", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), map[string]string{"fee_type": "THB"})
			if tt.err != nil {
				require.ErrorIs(t, err, tt.err)
				require.ErrorContains(t, err, "balance")
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, &ksher.GetPayoutBalanceResponse{
				Answer: testkit.WantAnswer(data), AppID: "mch12345", Balance: tt.want, FeeType: "THB", NonceStr: "n1",
			}, resp)
		})
	}
	_, err := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"balance":5,"fee_type":"JPY"}`))).GetPayoutBalance(t.Context(), testkit.BalanceQuery())
	require.ErrorIs(t, err, ksher.ErrOtherOrder)
	require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)

	client := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, `{"balance":5}`)))
	resp, err := client.GetPayoutBalance(t.Context(), testkit.BalanceQuery())
	require.NoError(t, err, "that an answer has a result isn't documented")
	assert.Equal(t, ksher.Amount(5), resp.Balance)
}

func TestPayoutIsChecked(t *testing.T) {
	type req = ksher.PayoutRequest
	changes := []change[req]{
		{"good", func(*req) {}, nil},
		{"a number of 32 characters", func(r *req) { r.MchOrderNo = testkit.Thai32 }, nil},
		{"the largest amount", func(r *req) { r.TotalFee = maxAmount }, nil},
		{"another currency", func(r *req) { r.FeeType = "MYR" }, nil},
		{"nothing", func(r *req) { *r = req{} }, []string{"mch_order_no", "total_fee", "fee_type", "receiver_no"}},
		{"no number", func(r *req) { r.MchOrderNo = "\t" }, []string{"mch_order_no"}},
		{"a number with a line feed", func(r *req) { r.MchOrderNo += "\n" }, []string{"mch_order_no"}},
		{"a long number", func(r *req) { r.MchOrderNo = testkit.Thai33 }, []string{"mch_order_no"}},
		{"a number that isn't UTF-8", func(r *req) { r.MchOrderNo = "\xff" }, []string{"mch_order_no"}},
		{"no receiver", func(r *req) { r.Extra, r.ReceiverNo = ksher.Extra{}, ksher.Secret{} }, []string{"receiver_no"}},
		{"an empty receiver", func(r *req) { r.ReceiverNo = ksher.NewSecret("") }, []string{"receiver_no"}},
		{"a receiver in Extra", func(r *req) {
			r.Extra, r.ReceiverNo = ksher.Extra{Params: map[string]string{"receiver_account": "9876543210"}}, ksher.Secret{}
		}, nil},
		{"a receiver of blanks", func(r *req) {
			r.Extra, r.ReceiverNo = ksher.Extra{Params: map[string]string{"receiver_account": " "}}, ksher.Secret{}
		}, []string{"receiver_no"}},
		{"a receiver with a blank", func(r *req) { r.Params["name"] = "" }, nil},
		{"no receiver but a note", func(r *req) {
			r.Extra, r.ReceiverNo = ksher.Extra{Params: map[string]string{"note": "x", "version": "1"}}, ksher.Secret{}
		}, []string{"receiver_no"}},
		{"the receiver's name isn't UTF-8", func(r *req) { r.Params["name"] = "9876543210\xff" }, []string{"name"}},
		{"a parameter without a name", func(r *req) { r.Params[""] = "9876543210" }, []string{"Extra"}},
		{"the amount as an extra", func(r *req) { r.Params["total_fee"] = "9876543210" }, []string{"total_fee"}},
	}
	for name, amount := range badAmounts {
		changes = append(changes, change[req]{name, func(r *req) { r.TotalFee = amount }, []string{"total_fee"}})
	}
	for _, feeType := range badFeeTypes {
		changes = append(changes, change[req]{"fee_type " + feeType, func(r *req) { r.FeeType = feeType }, []string{"fee_type"}})
	}
	checkRequest(t, "payout", testkit.GoodPayout, func(ctx context.Context, c *ksher.Client, r *req) error {
		_, err := c.Payout(ctx, r)
		require.NotContains(t, fmt.Sprintf("%v %+v", err, err), "9876543210")
		return err
	}, changes)

	_, err := testkit.NewClient(t, http.NotFoundHandler()).Payout(t.Context(), &req{MchOrderNo: testkit.OrderNo, TotalFee: 1, FeeType: "THB"})
	require.EqualError(t, err, `ksher: payout of order "order1" was not sent: receiver_no is required, or the receiver's parameters in Extra. To send it all the same, list in Extra.Unchecked: receiver_no`)

	checkRequest(t, "order_query_payout", testkit.PayoutQuery, func(ctx context.Context, c *ksher.Client, r *ksher.OrderQueryPayoutRequest) error {
		_, err := c.OrderQueryPayout(ctx, r)
		return err
	}, []change[ksher.OrderQueryPayoutRequest]{
		{"good", func(*ksher.OrderQueryPayoutRequest) {}, nil},
		{"no number", func(r *ksher.OrderQueryPayoutRequest) { r.MchOrderNo = "" }, []string{"mch_order_no"}},
		{"a long number", func(r *ksher.OrderQueryPayoutRequest) { r.MchOrderNo = testkit.Thai33 }, nil},
		{"a channel that isn't UTF-8", func(r *ksher.OrderQueryPayoutRequest) { r.Channel = "\xff" }, []string{"channel"}},
	})
	var feeTypes []change[ksher.GetPayoutBalanceRequest]
	for _, feeType := range badFeeTypes {
		feeTypes = append(feeTypes, change[ksher.GetPayoutBalanceRequest]{"fee_type " + feeType, func(r *ksher.GetPayoutBalanceRequest) { r.FeeType = feeType }, []string{"fee_type"}})
	}
	checkRequest(t, "get_payout_balance", testkit.BalanceQuery, func(ctx context.Context, c *ksher.Client, r *ksher.GetPayoutBalanceRequest) error {
		_, err := c.GetPayoutBalance(ctx, r)
		return err
	}, feeTypes)
}

// Anything but a believable yes and a no that is certain leaves a payout in doubt.
func TestPayoutOutcomes(t *testing.T) {
	type test struct {
		name    string
		reply   testkit.Reply
		want    error
		unknown bool
	}
	tests := []test{
		{"done", testkit.Tells(ksher.ResultSuccess), nil, false},
		{"done, and nothing else", testkit.Tells(ksher.ResultSuccess, testkit.WithTotal(0), testkit.WithCurrency(""), testkit.WithNumber("")), fault.ErrField, true},
		{"done, without an amount", testkit.Tells(ksher.ResultSuccess, testkit.WithTotal(0)), fault.ErrField, true},
		{"done, without a number", testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("")), fault.ErrField, true},
		{"done, without a currency, as genuine answers are", testkit.Tells(ksher.ResultSuccess, testkit.WithCurrency("")), nil, false},
		{"done, under another number", testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("another")), ksher.ErrOtherOrder, true},
		{"done, over another amount", testkit.Tells(ksher.ResultSuccess, testkit.WithTotal(99_99)), ksher.ErrOtherOrder, true},
		{"done, in another currency", testkit.Tells(ksher.ResultSuccess, testkit.WithCurrency("JPY")), ksher.ErrOtherOrder, true},
		{"pending", testkit.Tells(ksher.ResultPending), nil, true},
		{"not sure", testkit.Tells(ksher.ResultNotSure), nil, true},
		{"failed, in a query's words", testkit.Tells(ksher.ResultPayError), nil, true},
		{"something new", testkit.Tells("SOMETHING_NEW"), nil, true},
		{"no result", testkit.Tells(""), fault.ErrField, true},
		{"the line breaks", testkit.Breaks, testkit.ErrLine, true},
		{"no JSON", testkit.Says("<html>"), fault.ErrNotJSON, true},
		{"nothing", testkit.Says(""), fault.ErrEmptyBody, true},
		{"not signed", testkit.Says(`{"code":0,"data":{"result":"SUCCESS"}}`), fault.ErrSignatureMissing, true},
		{"an amount in baht", testkit.Says(string(sandbox.SignedResponse(map[string]string{"result": "SUCCESS", "total_fee": "100.00"}))), fault.ErrField, true},
		{"no without a reason", testkit.Tells(ksher.ResultFail), nil, true},
		{"no by the envelope, without a reason", testkit.Says(`{"code":1}`), nil, true},
		{"an undocumented code", testkit.Denies("RECEIVER_UNKNOWN"), ksher.Code("RECEIVER_UNKNOWN"), true},
		{"an undocumented code of the envelope", testkit.Says(`{"code":1,"msg":"RECEIVER_UNKNOWN"}`), ksher.Code("RECEIVER_UNKNOWN"), true},
		{"nothing was sent", testkit.NotConnected, testkit.ErrLine, false},
	}
	for _, code := range ksher.Codes() {
		unknown := !slices.Contains(testkit.PayoutRefusals, code)
		tests = append(tests,
			test{string(code), testkit.Denies(code), code, unknown},
			test{string(code) + " of the envelope", testkit.Says(`{"code":1,"msg":"` + string(code) + `"}`), code, unknown})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o testkit.Observer
			hosts := testkit.AnswersOf(map[string]testkit.Reply{"payout": tt.reply})
			_, err := hosts.Client(t, ksher.WithRetry(10, 0), ksher.WithHook(o.Hook)).Payout(t.Context(), testkit.GoodPayout())
			require.Equal(t, tt.unknown, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
			require.Equal(t, tt.unknown || tt.want != nil, err != nil, "%v", err)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			}
			require.Len(t, hosts.Questions(""), 1, "it is never repeated")
			require.Len(t, o.Done, 1)
			require.Equal(t, tt.unknown, o.Done[0].Outcome() == ksher.OutcomeUnknown, "the hook learns the same")
			if tt.unknown {
				require.ErrorContains(t, err, ". It may have been carried out all the same: pay nothing again, and ask Client.Resolve before anything else")
			}
		})
	}
	// A certain no in an outage isn't certain.
	_, err := testkit.NewClient(t, testkit.Answering(500, `{"code":1,"msg":"NOTENOUGH"}`)).Payout(t.Context(), testkit.GoodPayout())
	require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
}

// Whatever comes back, the receiver is in no error, no log and no hook.
func TestPayoutReceiverIsNotQuoted(t *testing.T) {
	receivers := map[string]string{
		"an account":          "9876543210",
		"a name":              "Somchai Jaidee",
		"a Thai name":         "สมชาย ใจดี",
		"a short Thai name":   "สม",
		"a name like a code":  "SOMCHAI_J",
		"a digit":             "7",
		"three digits":        "014",
		"two letters":         "Ng",
		"digits with dashes":  "123-4-56789-0",
		"an address":          "somchai@example.com",
		"a name with a quote": `Ann "Noi" O'Hara`,
	}
	signed := func(data map[string]string) string { return string(sandbox.SignedResponse(data)) }
	answers := map[string]func(value string) testkit.Reply{
		"err_msg": func(v string) testkit.Reply {
			return testkit.Says(signed(map[string]string{"result": "FAIL", "err_code": "PARAM_ERROR", "err_msg": "no such receiver: " + v}))
		},
		"inside a word": func(v string) testkit.Reply {
			return testkit.Says(signed(map[string]string{"result": "FAIL", "err_code": "PARAM_ERROR", "err_msg": "ไม่พบคุณ" + v + "ครับ"}))
		},
		"err_code": func(v string) testkit.Reply {
			return testkit.Says(signed(map[string]string{"result": "FAIL", "err_code": v}))
		},
		"result": func(v string) testkit.Reply { return testkit.Says(signed(map[string]string{"result": v})) },
		"total_fee": func(v string) testkit.Reply {
			return testkit.Says(signed(map[string]string{"result": "SUCCESS", "total_fee": v + "."}))
		},
		"appid": func(v string) testkit.Reply {
			return testkit.Says(signed(map[string]string{"result": "SUCCESS", "appid": v}))
		},
		"msg": func(v string) testkit.Reply { return testkit.Says(`{"code":1,"msg":` + fmt.Sprintf("%q", v) + `}`) },
		"message": func(v string) testkit.Reply {
			return testkit.Says(`{"code":1,"msg":"PARAM_ERROR","message":` + fmt.Sprintf("%q", "for "+strings.ToUpper(v)) + `}`)
		},
		"a page":          func(v string) testkit.Reply { return testkit.Says("<p>" + v + "</p>") },
		"an escaped page": func(v string) testkit.Reply { return testkit.Says("<p>" + html.EscapeString(v) + "</p>") },
		"an escaped path": func(v string) testkit.Reply { return testkit.Says("<p>/pay/" + url.PathEscape(v) + "</p>") },
		"the form, echoed": func(v string) testkit.Reply {
			return testkit.Says("<p>account=" + url.QueryEscape(v) + "&appid=mch12345</p>")
		},
		"cut off": func(v string) testkit.Reply { return testkit.Says("<p>" + strings.Repeat("x ", 96) + v) },
		"the transport": func(v string) testkit.Reply {
			return func(*http.Request) ([]byte, error) { return nil, errors.New("malformed: " + v) }
		},
		"not a number": func(v string) testkit.Reply { return testkit.Says(`{"code":` + fmt.Sprintf("%q", v) + `}`) },
	}
	for kind, value := range receivers {
		for name, answer := range answers {
			t.Run(kind+"/"+name, func(t *testing.T) {
				var o testkit.Observer
				var log testkit.LogBuffer
				hosts := testkit.AnswersOf(map[string]testkit.Reply{"payout": answer(value)})
				req := testkit.GoodPayout()
				req.Extra = ksher.Extra{Params: map[string]string{"account": value}}
				_, err := hosts.Client(t, ksher.WithHook(o.Hook), ksher.WithLogger(log.Logger(slog.LevelDebug))).Payout(t.Context(), req)
				require.Error(t, err)
				refused := slices.Contains([]string{"err_msg", "inside a word", "message"}, name)
				require.Equal(t, !refused, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
				if refused {
					require.ErrorIs(t, err, ksher.CodeParamError, "what is Ksher's own stays")
				}
				var failed *ksher.Error
				require.ErrorAs(t, err, &failed)
				said := failed.Message + "\n" + string(failed.Code)
				if failed.Err != nil {
					said += "\n" + failed.Err.Error()
				}
				require.False(t, saysValue(said, value), "%q", said)
				require.Len(t, o.Done, 1)
				require.Equal(t, err, o.Done[0].Err)
				if len(value) > 3 {
					for _, text := range []string{fmt.Sprintf("%+v %q %#v", err, err, o.Done[0].Outcome()), log.Text()} {
						require.False(t, saysValue(text, value), "%s", text)
					}
				}
			})
		}
	}
	// A number is one in any form.
	for account, text := range map[string]string{
		"123-4-56789-0": "no account 1234567890", "1234567890": "no account 123-4-56789-0", "123 4 56789 0": "no account ***-*-*5678-90",
	} {
		req := testkit.GoodPayout()
		req.Extra = ksher.Extra{Params: map[string]string{"account": account}}
		_, err := testkit.AnswersOf(map[string]testkit.Reply{"payout": testkit.Says(signed(map[string]string{"result": "FAIL", "err_code": "PARAM_ERROR", "err_msg": text}))}).
			Client(t).Payout(t.Context(), req)
		require.ErrorIs(t, err, ksher.CodeParamError)
		require.NotContains(t, err.Error(), "no account")
	}
	// The query doesn't know the receiver.
	for _, said := range []string{signed(map[string]string{"result": "FAIL", "err_code": "PARAM_ERROR", "err_msg": "payout to Somchai failed"}), `<p>Somchai`} {
		_, err := testkit.AnswersOf(map[string]testkit.Reply{"order_query_payout": testkit.Says(said)}).Client(t).OrderQueryPayout(t.Context(), testkit.PayoutQuery())
		require.Error(t, err)
		require.NotContains(t, err.Error(), "Somchai")
	}
	// An answer that can't be read names the receiver, too.
	for _, before := range []string{"", "\n", "\ufeff", "\ufeff ", "[", "[\n"} {
		_, err := testkit.AnswersOf(map[string]testkit.Reply{"order_query_payout": testkit.Says(before + `{"code":0,"data":{"receiver_name":"Somchai Jaidee",}}`)}).
			Client(t).OrderQueryPayout(t.Context(), testkit.PayoutQuery())
		require.ErrorIs(t, err, fault.ErrNotJSON)
		require.NotContains(t, err.Error(), "Somchai", "%q", before)
	}
	// What isn't an echo is kept, however short the receiver's parameters are.
	req := testkit.GoodPayout()
	req.Extra = ksher.Extra{Params: map[string]string{"a": "7", "b": "e", "e": "TH", "f": "NOTENOUGH"}}
	_, err := testkit.AnswersOf(map[string]testkit.Reply{"payout": testkit.Says(signed(map[string]string{"result": "FAIL", "err_code": "NOTENOUGH", "err_msg": "there are 70 THB left"}))}).
		Client(t).Payout(t.Context(), req)
	require.ErrorIs(t, err, ksher.CodeNotEnough)
	require.ErrorContains(t, err, "there are 70 THB left")
	_, err = testkit.AnswersOf(map[string]testkit.Reply{"payout": testkit.Breaks}).Client(t).Payout(t.Context(), req)
	require.ErrorContains(t, err, testkit.ErrLine.Error())
}

// saysValue tells whether a text has a value's first eight bytes, or the whole of
// it if it is shorter, in any form and case; a value of under four bytes only as a
// word.
func saysValue(text, value string) bool {
	text = html.UnescapeString(text)
	for _, v := range []string{value, url.QueryEscape(value), url.PathEscape(value)} {
		text, v := strings.ToLower(text), strings.ToLower(v)
		if len(v) < 4 {
			for _, word := range strings.Split(strings.NewReplacer("\n", " ", `"`, " ", ",", " ", ".", " ", ":", " ").Replace(text), " ") {
				if word == v {
					return true
				}
			}
		} else if strings.Contains(text, v[:min(8, len(v))]) {
			return true
		}
	}
	return false
}

func TestResolveOfAPayout(t *testing.T) {
	unknownCodes := []ksher.Code{ksher.CodeOrderNotExist, ksher.CodeOrderNotExistR, ksher.CodeInvalidOrderNo, ksher.CodeKsherInvalidOrderNo}
	type test struct {
		name    string
		reply   testkit.Reply
		verdict ksher.Verdict
		want    error
		// known says that the answer is returned, too.
		known bool
	}
	tests := []test{
		{"paid", testkit.Tells(ksher.ResultSuccess), ksher.VerdictCarriedOut, nil, true},
		{"failed", testkit.Tells(ksher.ResultPayError), ksher.VerdictNotCarriedOut, nil, true},
		{"closed", testkit.Tells(ksher.ResultClosed), ksher.VerdictNotCarriedOut, nil, true},
		{"unknown by the envelope", testkit.Says(`{"code":1,"msg":"ORDER_NOT_EXIST"}`), ksher.VerdictStillUnknown, nil, false},
		{"no reason", testkit.Tells(ksher.ResultFail), "", nil, false},
		{"no result", testkit.Tells(""), "", fault.ErrField, false},
		{"another number", testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("order2")), "", ksher.ErrOtherOrder, false},
		{"another number, failed", testkit.Tells(ksher.ResultPayError, testkit.WithNumber("order2")), "", ksher.ErrOtherOrder, false},
		{"another merchant", testkit.Tells(ksher.ResultPayError, func(o *ksher.Order) { o.AppID = "mch1" }), "", ksher.ErrOtherOrder, false},
		{"an amount in baht", testkit.Says(string(sandbox.SignedResponse(map[string]string{"result": "SUCCESS", "mch_order_no": "order1", "total_fee": "100.00", "fee_type": "THB"}))), "", fault.ErrField, false},
		{"the line is dead", testkit.Breaks, "", testkit.ErrLine, false},
		{"no JSON", testkit.Says("<html>"), "", fault.ErrNotJSON, false},
		{"not signed", testkit.Says(`{"code":0,"data":{"mch_order_no":"order1","total_fee":10000,"fee_type":"THB","result":"PAYERROR"}}`), "", fault.ErrSignatureMissing, false},
		{"refused", testkit.Denies(ksher.CodeNoAuth), "", ksher.CodeNoAuth, false},
		{"an undocumented code", testkit.Denies("PAYOUT_NOT_EXIST"), "", ksher.Code("PAYOUT_NOT_EXIST"), false},
	}
	for _, code := range unknownCodes {
		// A request on its way may still arrive.
		tests = append(tests, test{string(code), testkit.Denies(code), ksher.VerdictStillUnknown, nil, false})
	}
	for _, result := range []ksher.Result{"PENDING", "NOTSURE", "NOTPAY", "USERPAYING", "REFUND", "PROCESSING", "success", "SOMETHING_NEW"} {
		tests = append(tests, test{string(result), testkit.Tells(result), ksher.VerdictStillUnknown, nil, true})
	}
	verdicts := map[ksher.Result]ksher.Verdict{
		"SUCCESS": ksher.VerdictCarriedOut, "PAYERROR": ksher.VerdictNotCarriedOut, "CLOSED": ksher.VerdictNotCarriedOut, "PENDING": ksher.VerdictStillUnknown,
	}
	for _, result := range []ksher.Result{"SUCCESS", "PAYERROR", "CLOSED", "PENDING"} {
		tests = append(tests,
			test{string(result) + " over another amount", testkit.Tells(result, testkit.WithTotal(99_99)), "", ksher.ErrOtherOrder, false},
			test{string(result) + " in another currency", testkit.Tells(result, testkit.WithCurrency("JPY")), "", ksher.ErrOtherOrder, false},
			// Half an answer is no ground to pay again, nor to think it paid.
			test{string(result) + " without a number", testkit.Tells(result, testkit.WithNumber("")), ksher.VerdictStillUnknown, nil, true},
			test{string(result) + " without an amount", testkit.Tells(result, testkit.WithTotal(0)), ksher.VerdictStillUnknown, nil, true},
			// Genuine answers have no currency.
			test{string(result) + " without a currency", testkit.Tells(result, testkit.WithCurrency("")), verdicts[result], nil, true},
		)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hosts := testkit.AnswersOf(map[string]testkit.Reply{"order_query_payout": tt.reply})
			req := testkit.GoodPayout()
			verdict, told, err := testkit.ResolvePayout(t.Context(), hosts.Client(t), req)
			require.Equal(t, testkit.GoodPayout().ReceiverNo.Reveal(), req.ReceiverNo.Reveal())
			asked := hosts.Questions("")
			require.Len(t, asked, 1)
			require.Equal(t, []string{"order1", "payout"}, []string{asked[0].Form.Get("mch_order_no"), asked[0].Form.Get("channel")})
			require.False(t, asked[0].Form.Has("account"), "the receiver stays here")
			require.Equal(t, tt.verdict, verdict)
			require.Equal(t, tt.known, told != nil)
			require.Equal(t, tt.verdict == "", err != nil, "%v", err)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			}
			if err != nil {
				require.ErrorContains(t, err, "order1")
			}
		})
	}

	t.Run("by the number, the amount and the currency", func(t *testing.T) {
		hosts := testkit.AnswersOf(map[string]testkit.Reply{"order_query_payout": testkit.Tells(ksher.ResultSuccess)})
		verdict, told, err := testkit.ResolvePayout(t.Context(), hosts.Client(t), &ksher.PayoutRequest{MchOrderNo: testkit.OrderNo, TotalFee: 100_00, FeeType: "THB"})
		require.NoError(t, err)
		require.Equal(t, ksher.VerdictCarriedOut, verdict)
		require.Equal(t, ksher.ResultSuccess, told.Result)
	})
	t.Run("a query that fails once", func(t *testing.T) {
		n := 0
		hosts := testkit.AnswersOf(map[string]testkit.Reply{"order_query_payout": func(r *http.Request) ([]byte, error) {
			if n++; n == 1 {
				return testkit.Breaks(r)
			}
			return testkit.Tells(ksher.ResultSuccess)(r)
		}})
		verdict, _, err := testkit.ResolvePayout(t.Context(), hosts.Client(t, ksher.WithRetry(2, 0)), testkit.GoodPayout())
		require.NoError(t, err)
		require.Equal(t, ksher.VerdictCarriedOut, verdict)
	})
	t.Run("nothing to ask for", func(t *testing.T) {
		hosts := testkit.AnswersOf(nil)
		client := hosts.Client(t)
		var noContext context.Context
		for _, tt := range []struct {
			client *ksher.Client
			ctx    context.Context
			req    *ksher.PayoutRequest
			want   []string
		}{
			{client, t.Context(), nil, []string{"request"}},
			{client, t.Context(), &ksher.PayoutRequest{}, []string{"mch_order_no", "total_fee", "fee_type"}},
			{client, t.Context(), &ksher.PayoutRequest{MchOrderNo: testkit.Thai33, TotalFee: 1, FeeType: "THB"}, []string{"mch_order_no"}},
			{client, noContext, testkit.GoodPayout(), []string{"context"}},
			{nil, t.Context(), testkit.GoodPayout(), []string{"client"}},
			{&ksher.Client{}, noContext, nil, []string{"client", "context", "request"}},
		} {
			verdict, told, err := testkit.ResolvePayout(tt.ctx, tt.client, tt.req)
			require.Equal(t, tt.want, testkit.FieldsOf(err), "%v", err)
			require.ErrorContains(t, err, "ksher: Resolve")
			require.Empty(t, verdict)
			require.Nil(t, told)
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := testkit.ResolvePayout(cancelled, client, testkit.GoodPayout())
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, hosts.Questions(""))
	})
}

func payoutBalance(t *testing.T, c *ksher.Client) ksher.Amount {
	t.Helper()
	answer, err := c.GetPayoutBalance(t.Context(), testkit.BalanceQuery())
	require.NoError(t, err)
	return answer.Balance
}

// Every fault of a payout ends in knowledge or in a doubt that says so, and money
// never leaves twice.
func TestMatrixOfPayouts(t *testing.T) {
	for _, tr := range troubles() {
		t.Run(tr.name, func(t *testing.T) {
			if tr.fault.Code == ksher.CodeManyOpen {
				tr.unknown = true // Whoever else is at it may be paying this very payout.
			}
			gw := sandbox.New(t)
			client, err := gw.NewClient(ksher.WithRetry(3, 0), ksher.WithMaxResponseBytes(smallAnswers), onlyV1())
			require.NoError(t, err)
			before := payoutBalance(t, client)
			if tr.fault.Operation = "payout"; tr.fault.Kind != "" {
				require.NoError(t, gw.Inject(tr.fault))
			}
			ctx := t.Context()
			if tr.fault.Kind == sandbox.FaultLatency {
				var end func()
				ctx, end = untilGone(ctx, gw)
				defer end()
			}
			_, err = client.Payout(ctx, testkit.GoodPayout())
			require.Empty(t, gw.Faults(), "the fault hasn't happened")
			require.Equal(t, tr.unknown, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
			if !tr.unknown {
				require.Equal(t, tr.carriedOut, err == nil, "%v", err)
			}
			sent := slices.DeleteFunc(gw.Requests(), func(r sandbox.Request) bool { return r.Operation != "payout" })
			require.Len(t, sent, 1, "the payout was repeated")
			after := before
			if tr.carriedOut {
				after -= 100_00
			}
			require.Equal(t, after, payoutBalance(t, client))

			require.NoError(t, gw.Inject(sandbox.Fault{Operation: "order_query_payout", Kind: sandbox.FaultDropBefore}))
			verdict, told, err := testkit.ResolvePayout(t.Context(), client, testkit.GoodPayout())
			require.NoError(t, err)
			require.Equal(t, tr.carriedOut, verdict == ksher.VerdictCarriedOut)
			require.Equal(t, !tr.carriedOut, verdict == ksher.VerdictStillUnknown, "not known yet isn't known not to be")
			require.Equal(t, tr.carriedOut, told != nil)

			// Who sends it again all the same, because a program was killed before it
			// wrote anything down, isn't told that nothing was paid.
			_, err = client.Payout(t.Context(), testkit.GoodPayout())
			require.Equal(t, tr.carriedOut, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
			require.Equal(t, tr.carriedOut, errors.Is(err, ksher.CodeKsherDuplicatedOrderNo), "%v", err)
			verdict, _, err = testkit.ResolvePayout(t.Context(), client, testkit.GoodPayout())
			require.NoError(t, err)
			require.Equal(t, ksher.VerdictCarriedOut, verdict)
			require.Equal(t, before-100_00, payoutBalance(t, client))
		})
	}
}

// A query for a payout leaves no doubt, and is repeated where that helps.
func TestMatrixOfPayoutQueries(t *testing.T) {
	for _, op := range testkit.Operations() {
		if op.Name != "order_query_payout" && op.Name != "get_payout_balance" {
			continue
		}
		for _, tr := range troubles() {
			t.Run(op.Name+"/"+tr.name, func(t *testing.T) {
				gw := sandbox.New(t)
				client, err := gw.NewClient(ksher.WithRetry(3, 0), ksher.WithMaxResponseBytes(smallAnswers), onlyV1())
				require.NoError(t, err)
				_, err = client.Payout(t.Context(), testkit.GoodPayout())
				require.NoError(t, err)
				if tr.fault.Operation = op.Name; tr.fault.Kind != "" {
					require.NoError(t, gw.Inject(tr.fault))
				}
				ctx := t.Context()
				if tr.fault.Kind == sandbox.FaultLatency {
					var end func()
					ctx, end = untilGone(ctx, gw)
					defer end()
				}
				_, err = op.Call(ctx, client, ksher.Extra{})
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
				if tr.query == nil {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, tr.query)
				}
			})
		}
	}
}

package ksher_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestCatalogue(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "error code: there are 71 of them, spelled as the guides spell them, mistakes included")
	codes := ksher.Codes()
	assert.Len(t, codes, 71)
	assert.True(t, slices.IsSorted(codes))
	assert.Len(t, slices.Compact(slices.Clone(codes)), 71)

	actions := map[ksher.Action]int{
		ksher.ActionQueryOrder: 0, ksher.ActionCorrectRequest: 0,
		ksher.ActionWait: 0, ksher.ActionAskBuyer: 0, ksher.ActionContactKsher: 0, ksher.ActionByHand: 0, ksher.ActionNone: 0,
	}
	for _, code := range codes {
		t.Run(string(code), func(t *testing.T) {
			assert.Regexp(t, `^[A-Z0-9]+(_[A-Z0-9]+)*$`, string(code))
			info, ok := code.Info()
			require.True(t, ok)
			assert.NotRegexp(t, `^\s*$|\.$|^\s|\s$`, info.Meaning, "it follows a colon")
			for _, text := range []string{info.Reason, info.Solution} {
				assert.Regexp(t, `^\p{Lu}[^\n]+\.$`, text)
				assert.NotContains(t, text, "  ")
			}
			assert.Contains(t, actions, info.Action)
			actions[info.Action]++
			assert.EqualError(t, code, string(code)+": "+info.Meaning)
		})
	}
	for action, used := range actions {
		assert.NotZero(t, used, "no code says %q", action)
	}
}

// Whoever switches on the action must not pay or refund twice because of it.
func TestCatalogueNeverRisksMoney(t *testing.T) {
	queryFirst := []ksher.Code{
		ksher.CodeCancelError,
		ksher.CodeExpireOrder,
		ksher.CodeKsherChannelResponseError,
		ksher.CodeKsherDuplicatedOrderNo,
		ksher.CodeKsherDuplicatedRefundOrderNo,
		ksher.CodeKsherInvalidRefundBalance,
		ksher.CodeKsherInvalidRefundOrderNo,
		ksher.CodeKsherSystemError,
		ksher.CodeLangRepeatSubmit,
		ksher.CodeMchOrderError,
		ksher.CodeOrderPaid,
		ksher.CodeOrderAlreadyCancelOperationCannotBePerformed,
		ksher.CodeOrderAlreadyPaymentSuccess,
		ksher.CodeOrderAlreadyPayOperationCannotBePerformed,
		ksher.CodeOrderError,
		ksher.CodeOutTradeNoUsed,
		ksher.CodePriceNotExist,
		ksher.CodeRefundFailed,
		ksher.CodeSystemError,
	}
	for _, code := range ksher.Codes() {
		info, _ := code.Info()
		first := slices.Contains(queryFirst, code)
		assert.Equal(t, first, info.Action == ksher.ActionQueryOrder, "%v says %q", code, info.Action)
		if code.Is(ksher.ErrDuplicate) {
			assert.True(t, first, "%v may be the echo of a request that was carried out", code)
		}
	}
	info, _ := ksher.CodeOrderAlreadyRefund.Info()
	assert.Equal(t, ksher.ActionNone, info.Action)
}

func TestCatalogueIsComplete(t *testing.T) {
	const file = "../shared/seeds/001_9f6e0da7b81abe41.txt"
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		t.Skipf("%s is not here; Ksher's guide is kept outside the project", file)
	}
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "\nERROR CODES\n")
	require.True(t, ok)
	// Below the head of the table each code has four lines, of which the last
	// may be longer than one.
	var documented []string
	for _, match := range regexp.MustCompile(`(?m)^([A-Z][A-Z0-9_]+) \|$`).FindAllStringSubmatch(section, -1) {
		documented = append(documented, match[1])
	}
	var known []string
	for _, code := range ksher.Codes() {
		known = append(known, string(code))
	}
	slices.Sort(documented)
	assert.Equal(t, slices.Compact(documented), known)
}

func TestCodesAreACopy(t *testing.T) {
	codes := ksher.Codes()
	codes[0] = "CHANGED"
	assert.NotEqual(t, codes[0], ksher.Codes()[0])
}

func TestUnknownCode(t *testing.T) {
	for _, code := range []ksher.Code{"", "NOT_DOCUMENTED", "order_not_exist", "ORDER_NOT_EXIST "} {
		info, ok := code.Info()
		assert.False(t, ok)
		assert.Zero(t, info)
		assert.EqualError(t, code, string(code))
	}
	assert.EqualError(t, ksher.CodeOrderNotExist, "ORDER_NOT_EXIST: the order does not exist")
	assert.ErrorIs(t, ksher.Code("NOT_DOCUMENTED"), ksher.Code("NOT_DOCUMENTED"))
	assert.NotErrorIs(t, ksher.CodeOrderNotExist, ksher.CodeOrderNotExistR)
}

func TestErrorText(t *testing.T) {
	documented, _ := ksher.CodeOrderNotExist.Info()
	for _, c := range []struct {
		name string
		err  *ksher.Error
		want string
	}{
		{
			"all of it",
			&ksher.Error{Operation: "order_refund", OrderNo: "2026-1", Code: ksher.CodeOrderNotExist, Message: "no such order", HTTPStatus: 200},
			`ksher: order_refund of order "2026-1": the gateway answered ORDER_NOT_EXIST: the order does not exist ("no such order"). What to do: ` +
				strings.TrimSuffix(documented.Solution, "."),
		},
		{
			"unknown code",
			&ksher.Error{Operation: "gateway_pay", OrderNo: "1", Code: "NEW_CODE", Message: "something new"},
			`ksher: gateway_pay of order "1": the gateway answered NEW_CODE ("something new")`,
		},
		{
			"message that says the code again",
			&ksher.Error{Operation: "gateway_pay", OrderNo: "1", Code: "NEW_CODE", Message: "NEW_CODE"},
			`ksher: gateway_pay of order "1": the gateway answered NEW_CODE`,
		},
		{
			"message alone",
			&ksher.Error{Operation: "gateway_pay", OrderNo: "1", Message: "nein"},
			`ksher: gateway_pay of order "1": the gateway answered "nein"`,
		},
		{
			"nothing at all",
			&ksher.Error{Operation: "gateway_pay", OrderNo: "1"},
			`ksher: gateway_pay of order "1": the gateway refused without a reason`,
		},
		{
			"no order",
			&ksher.Error{Operation: "notification", Err: fault.ErrEmptyBody},
			`ksher: notification: the body is empty`,
		},
		{
			"HTTP status",
			&ksher.Error{Operation: "order_query", OrderNo: "1", HTTPStatus: 502, Err: fault.ErrHTTPStatus, Message: "Bad Gateway"},
			`ksher: order_query of order "1": the gateway answered "Bad Gateway": the HTTP status is not a success (HTTP 502)`,
		},
		{
			"order number that would make a line of its own",
			&ksher.Error{Operation: "order_query", OrderNo: "1\nksher: all is well", Err: fault.ErrEmptyBody},
			`ksher: order_query of order "1 ksher: all is well": the body is empty`,
		},
	} {
		t.Run(c.name, func(t *testing.T) { assert.EqualError(t, c.err, c.want) })
	}
	long := &ksher.Error{Operation: "order_query", OrderNo: strings.Repeat("ก", 1000)}
	assert.Less(t, len(long.Error()), 1000)
}

func TestErrorIsAndAs(t *testing.T) {
	cause := fmt.Errorf("no answer came: %w", io.ErrUnexpectedEOF)
	inner := &ksher.Error{Operation: "order_refund", OrderNo: "1", Code: ksher.CodeOrderNotExist, Message: "no", HTTPStatus: 404, Err: cause}
	err := fmt.Errorf("shop: %w", inner)

	assert.ErrorIs(t, err, ksher.CodeOrderNotExist)
	assert.ErrorIs(t, err, cause)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.NotErrorIs(t, err, ksher.CodeOrderNotPay)
	assert.NotErrorIs(t, err, ksher.Code(""))
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
	assert.NotErrorIs(t, err, ksher.ErrSignature)

	var got *ksher.Error
	require.ErrorAs(t, err, &got)
	assert.Same(t, inner, got)
	var code ksher.Code
	require.ErrorAs(t, err, &code)
	assert.Equal(t, ksher.CodeOrderNotExist, code)

	none := &ksher.Error{Operation: "order_refund"}
	assert.NotErrorIs(t, none, ksher.Code(""))
	assert.False(t, errors.As(none, &code))
}

// The gateway itself can leave a request in doubt.
func TestErrorOutcomeUnknown(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "error code: SYSTEMERROR, KSHER_SYSTEMERROR and TRADE_STATE_ERROR don't say what became of a refund")
	refund := &ksher.OrderRefundRequest{MchRefundNo: "r1", RefundFee: 1, TotalFee: 1, FeeType: "THB", MchOrderNo: "2026-1"}
	for code, unknown := range map[ksher.Code]bool{
		ksher.CodeSystemError:           true,
		ksher.CodeKsherSystemError:      true,
		ksher.CodeTradeStateError:       true,
		ksher.CodeOrderNotExist:         false,
		ksher.CodeKsherInvalidRefundFee: false,
	} {
		t.Run(string(code), func(t *testing.T) {
			client := testkit.NewClient(t, testkit.Answering(http.StatusOK, testkit.SignedAnswer(t, fmt.Sprintf(`{"result":"FAIL","err_code":%q,"err_msg":"sorry"}`, string(code)))))
			_, err := client.OrderRefund(t.Context(), refund)
			assert.ErrorIs(t, err, code)
			assert.Equal(t, unknown, errors.Is(err, ksher.ErrOutcomeUnknown))
			info, _ := code.Info()
			for _, part := range []string{"order_refund", `"2026-1"`, code.Error(), `"sorry"`, strings.TrimSuffix(info.Solution, ".")} {
				assert.ErrorContains(t, err, part)
			}
			assert.Equal(t, unknown, strings.Contains(err.Error(), "It may have been carried out all the same: ask Client.Resolve before anything else"))
		})
	}
}

func TestSignatureErrorsAreErrSignature(t *testing.T) {
	for _, err := range []error{fault.ErrSignatureMissing, fault.ErrSignatureMalformed, fault.ErrSignatureMismatch} {
		assert.ErrorIs(t, err, ksher.ErrSignature)
		assert.NotErrorIs(t, ksher.ErrSignature, err)
		assert.NotErrorIs(t, err, fault.ErrNotJSON)
	}
}

func TestValidationErrorText(t *testing.T) {
	for _, c := range []struct {
		err  *ksher.ValidationError
		want string
	}{
		{
			&ksher.ValidationError{Operation: "order_refund", OrderNo: "1", Fields: []ksher.FieldError{{"refund_fee", "is negative"}, {"fee_type", "is required"}}},
			`ksher: order_refund of order "1" was not sent: refund_fee is negative; fee_type is required`,
		},
		{&ksher.ValidationError{Operation: "order_query"}, `ksher: order_query was not sent`},
	} {
		assert.EqualError(t, c.err, c.want)
	}
}

// The package itself advises to send a doubtful refund again under the same
// number. A program that switches on the Action of the refusal that follows
// must not come to refund once more under a new one.
func TestUsedRefundNumberAsksForAQuery(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "error code: that a number was used before may be about the request's own first attempt")
	for _, code := range []ksher.Code{ksher.CodeKsherDuplicatedRefundOrderNo, ksher.CodeKsherInvalidRefundOrderNo} {
		info, _ := code.Info()
		assert.Equal(t, ksher.ActionQueryOrder, info.Action, string(code))
	}
}

// The table of the KIOSK guide, and the times below it.
func TestChannelsOfNativePay(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "channel: which accounts have a channel of native_pay, and how long its codes last, is as in the table of the KIOSK guide")
	testkit.Holds(t, testkit.Documented, "channel: PromptPay has no refunds, and scb_qrcard has them on the same day only")
	testkit.Holds(t, testkit.Documented, "channel: refund_query is for wechat, airpay, scb_qrcard and truemoney, and not for promptpay and alipay")
	testkit.Holds(t, testkit.Documented, "channel: order_close is for airpay, wechat, alipay and alipayplus")
	testkit.Holds(t, testkit.Assumed, "channel: a channel that only the checkout page has can be refunded, and its refunds queried")
	guide := map[ksher.Channel]ksher.ChannelInfo{
		"promptpay":  {NativePayOffline: true, NativePayOnline: true, NativePayNeverExpires: true, NoRefunds: true},
		"alipay":     {NativePayOffline: true, NativePayExpiry: 3 * time.Hour},
		"alipayplus": {NativePayOffline: true, NativePayExpiry: 10 * time.Minute},
		"wechat":     {NativePayOffline: true, NativePayOnline: true, NativePayExpiry: 2 * time.Hour, RefundQuery: true},
		"airpay":     {NativePayOffline: true, RefundQuery: true},
		"scb_qrcard": {NativePayOffline: true, NativePayOnline: true, RefundSameDay: true, RefundQuery: true},
		"truemoney":  {NativePayOnline: true, NativePayExpiry: 24 * time.Hour, NativePayExpirySetBy: "tmn_expire_time", RefundQuery: true},
	}
	closable := []ksher.Channel{"airpay", "wechat", "alipay", "alipayplus"}
	for _, info := range ksher.Channels() {
		want, native := guide[info.Channel]
		got := ksher.ChannelInfo{
			NativePayOffline: info.NativePayOffline, NativePayOnline: info.NativePayOnline, NativePayExpiry: info.NativePayExpiry,
			NativePayExpirySetBy: info.NativePayExpirySetBy, NativePayNeverExpires: info.NativePayNeverExpires,
			NoRefunds: info.NoRefunds, RefundSameDay: info.RefundSameDay, RefundQuery: info.RefundQuery,
		}
		if native {
			assert.Equal(t, want, got, info.Channel)
			assert.Equal(t, ksher.Amount(1_00), info.NativePayMinimum, info.Channel)
		} else {
			assert.Equal(t, ksher.ChannelInfo{RefundQuery: true}, got, info.Channel)
			assert.Zero(t, info.NativePayMinimum, info.Channel)
		}
		assert.Equal(t, slices.Contains(closable, info.Channel), info.OrderClose, info.Channel)
		assert.True(t, info.GatewayPay, info.Channel)
		assert.NotEmpty(t, info.Name)
		delete(guide, info.Channel)
	}
	assert.Empty(t, guide, "not in the table")
}

func TestChannelInfo(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "channel: order_close is for the old ktbcard, too")
	testkit.Holds(t, testkit.Assumed, "channel: a channel that no guide describes can do everything that others can")
	for _, want := range ksher.Channels() {
		got, known := want.Channel.Info()
		assert.True(t, known)
		assert.Equal(t, want, got)
	}
	ksher.Channels()[0].Name = "changed"
	assert.Equal(t, "PromptPay", ksher.Channels()[0].Name)

	open := ksher.ChannelInfo{
		Channel: "newpay", Name: "newpay", GatewayPay: true, NativePayOffline: true, NativePayOnline: true,
		RefundQuery: true,
	}
	as := func(c ksher.Channel, change func(*ksher.ChannelInfo)) ksher.ChannelInfo {
		info := open
		info.Channel, info.Name = c, string(c)
		change(&info)
		return info
	}
	for _, want := range []ksher.ChannelInfo{
		open,
		as("", func(*ksher.ChannelInfo) {}),
		as("PROMPTPAY", func(*ksher.ChannelInfo) {}),
		as("bbl_ibs", func(*ksher.ChannelInfo) {}),
		as("scb_instal", func(i *ksher.ChannelInfo) { i.Card = true }),
		as("ktccard", func(i *ksher.ChannelInfo) { i.Card = true }),
		as("ktbcard", func(i *ksher.ChannelInfo) { i.Card, i.OrderClose = true, true }),
	} {
		got, known := want.Channel.Info()
		assert.False(t, known, want.Channel)
		assert.Equal(t, want, got)
	}
}

// Whoever reads the documentation of a channel's constant reads the same as a
// program that asks for its facts.
func TestChannelConstantsSayWhatTheTableHas(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "channel: alipayplus on the checkout page is for Japan")
	testkit.Holds(t, testkit.Documented, "channel: minimum amounts, and what works on phones only or not in a web view, is as in the Website guide")
	file, err := parser.ParseFile(token.NewFileSet(), "channel.go", nil, parser.ParseComments)
	require.NoError(t, err)
	minimum := regexp.MustCompile(`from ([\d,]+) THB`)
	var order []ksher.Channel
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Channel") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		order = append(order, ksher.Channel(value))
		info, known := ksher.Channel(value).Info()
		assert.True(t, known, value)
		doc := strings.Join(strings.Fields(spec.Comment.Text()), " ")
		least := ksher.Amount(0)
		if m := minimum.FindStringSubmatch(doc); m != nil {
			least, err = ksher.ParseAmount(strings.ReplaceAll(m[1], ",", ""))
			require.NoError(t, err)
		}
		assert.Equal(t, info.GatewayPayMinimum, least, value)
		assert.Equal(t, info.MobileOnly, strings.Contains(doc, "on phones only"), value)
		assert.Equal(t, info.NoRefunds, strings.Contains(doc, "no refunds"), value)
		assert.Equal(t, info.NoWebView, strings.Contains(doc, "web view"), value)
		assert.Equal(t, info.LongInstalMinimum > 0, strings.Contains(doc, "10 months"), value)
		assert.Equal(t, info.Country == "JP", info.Channel == ksher.ChannelAlipayPlus, value)
		assert.Equal(t, info.RefundSameDay, strings.Contains(doc, "same day"), value)
		assert.Equal(t, info.NativePayOffline && !info.NativePayOnline, strings.Contains(doc, "offline accounts"), value)
		assert.Equal(t, info.NativePayOnline && !info.NativePayOffline, strings.Contains(doc, "online accounts"), value)
		return true
	})
	var table []ksher.Channel
	for _, info := range ksher.Channels() {
		table = append(table, info.Channel)
	}
	assert.Equal(t, table, order, "in the same order")
}

func TestMerchantInfoNarrowsTheChannels(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "channel: a merchant has those that merchant_info lists, and of native_pay those for its kind of account")
	answer := func(mode string, channels ...ksher.Channel) ksher.MerchantInfoResponse {
		list := []string{}
		for _, c := range channels {
			list = append(list, fmt.Sprintf(`{"pay_channel":%q,"day_sum_limit":-1}`, c))
		}
		return ksher.MerchantInfoResponse{BusinessMode: mode, Answer: ksher.Answer{Data: []byte(`{"mch_support_channel":[` + strings.Join(list, ",") + `]}`)}}
	}
	info := func(c ksher.Channel, offline, online bool) ksher.ChannelInfo {
		info, _ := c.Info()
		info.NativePayOffline, info.NativePayOnline = offline, online
		return info
	}
	tests := []struct {
		name   string
		answer ksher.MerchantInfoResponse
		want   []ksher.ChannelInfo
	}{
		{"none", ksher.MerchantInfoResponse{BusinessMode: "online"}, []ksher.ChannelInfo{}},
		{
			"online, in the order of the page",
			answer("online", "card", "payout", "alipay", "wechat", "truemoney", "promptpay"),
			[]ksher.ChannelInfo{
				info("promptpay", false, true), info("truemoney", false, true), info("wechat", false, true), info("alipay", false, false), info("card", false, false),
			},
		},
		{
			"offline",
			answer("offline", "truemoney", "wechat"),
			[]ksher.ChannelInfo{info("truemoney", false, false), info("wechat", true, false)},
		},
		{
			"a mode that isn't known",
			answer("both", "wechat"),
			[]ksher.ChannelInfo{info("wechat", true, true)},
		},
		{
			"channels that the guides don't describe, and repeated ones",
			answer("online", "bbl_ibs", "newpay", "bbl_ibs", "wechat", "wechat", ""),
			[]ksher.ChannelInfo{info("wechat", false, true), info("bbl_ibs", false, true), info("newpay", false, true)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, tt.answer.Channels())
		})
	}
}

// An unknown channel is sent, and warned of once by each client.
func TestUnknownChannelsAreLogged(t *testing.T) {
	warned := func(gw *sandbox.Gateway, call func(*ksher.Client)) (channels []string) {
		log := &testkit.LogBuffer{}
		client, err := gw.NewClient(ksher.WithLogger(log.Logger(slog.LevelWarn)))
		require.NoError(t, err)
		call(client)
		for line := range strings.Lines(log.Text()) {
			var said struct{ Msg, Channel, Nearest string }
			require.NoError(t, json.Unmarshal([]byte(line), &said))
			if strings.Contains(said.Msg, "is unknown") {
				channels = append(channels, said.Channel+" "+said.Nearest)
			}
		}
		return channels
	}
	gw := sandbox.New(t, sandbox.WithStrict(false))
	twice := func(c *ksher.Client) {
		for _, no := range []string{"A-1", "A-2"} {
			req := testkit.GatewayPayOf(no)
			req.ChannelList = []ksher.Channel{"true_money", ksher.ChannelCard, "bitcoin"}
			c.GatewayPay(t.Context(), req)
			req.Device = "PC"
			_, err := c.GatewayPayForm(req)
			require.NoError(t, err)
		}
	}
	assert.Equal(t, []string{"true_money truemoney", "bitcoin "}, warned(gw, twice))
	assert.Len(t, gw.Orders(), 2, "they were sent")
	assert.Equal(t, []string{"true_money truemoney", "bitcoin "}, warned(gw, twice), "another client")
	assert.Equal(t, []string{"PromptPay promptpay", "Visa "}, warned(gw, func(c *ksher.Client) {
		c.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: "A-1", Channel: "PromptPay"})
		c.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: "A-1", Channel: ksher.ChannelLinePay})
		c.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: "A-1", Extra: ksher.Extra{Params: map[string]string{"channel_list": "Visa"}}})
		c.OrderQueryPayout(t.Context(), &ksher.OrderQueryPayoutRequest{MchOrderNo: "A-1"})
	}))
	assert.Len(t, warned(gw, func(c *ksher.Client) {
		for i := range 200 {
			c.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: "A-1", Channel: ksher.Channel(fmt.Sprint("x", i))})
		}
	}), 100, "memory is bounded")
}

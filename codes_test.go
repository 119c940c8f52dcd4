package ksher_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestCatalogue(t *testing.T) {
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
	for _, code := range []ksher.Code{ksher.CodeKsherDuplicatedRefundOrderNo, ksher.CodeKsherInvalidRefundOrderNo} {
		info, _ := code.Info()
		assert.Equal(t, ksher.ActionQueryOrder, info.Action, string(code))
	}
}

package ksher_test

import (
	"math"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-querystring/query"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestParseAmount(t *testing.T) {
	for _, c := range []struct {
		text string
		want ksher.Amount
		// written is how String gives it back, if not as it was.
		written string
	}{
		{"0", 0, "0.00"},
		{"0.00", 0, ""},
		{"-0", 0, "0.00"},
		{"-0.00", 0, "0.00"},
		{"1", 1_00, "1.00"},
		{"150", 150_00, "150.00"},
		{"150.5", 150_50, "150.50"},
		{"150.50", 150_50, ""},
		{"150.05", 150_05, ""},
		{"0.01", 1, ""},
		{"0.1", 10, "0.10"},
		{"0.99", 99, ""},
		{"-0.01", -1, ""},
		{"-0.5", -50, "-0.50"},
		{"-1", -1_00, "-1.00"},
		{"-150.50", -150_50, ""},
		{"007", 7_00, "7.00"},
		{"00.10", 10, "0.10"},
		{"1000000", 1_000_000_00, "1000000.00"},
		{strings.Repeat("0", 300) + "1", 1_00, "1.00"},
		{"92233720368547758.07", math.MaxInt64, ""},
		{"-92233720368547758.08", math.MinInt64, ""},
	} {
		t.Run(c.text, func(t *testing.T) {
			got, err := ksher.ParseAmount(c.text)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			written := c.written
			if written == "" {
				written = c.text
			}
			assert.Equal(t, written, got.String())
		})
	}
}

func TestParseAmountRefuses(t *testing.T) {
	for _, text := range []string{
		"", "-", "--1", "+1", "-+1", "- 1", "1-", "-.5", ".5", ".", "-.", "1.", "-1.", "1..0", "1.2.3", "1.-5", "1.+5", "1.5-",
		"1.234", "1.000", "1,000", "1,50", "1'000", "1_000", " 1", "1 ", "1 000", "\t1", "1\n", "1.5 ", "1. 5", "1 .5",
		"1e3", "1E3", "0x10", "0b1", "1.e1", "1.e", "abc", "1a1", "a1a", "1.a", "NaN", "Inf", "-Inf", "null", "true",
		"฿1", "1THB", "$1.50", "١٢", "１２", "1．5", "1.５", "\u22121", "1\x00", "\x00", "1\u200b", "\xff",
		"92233720368547758.08", "-92233720368547758.09", "92233720368547759", "100000000000000000", "9999999999999999999999999",
		strings.Repeat("9", 100_000),
	} {
		amount, err := ksher.ParseAmount(text)
		if assert.Error(t, err, "%.40q is %v", text, amount) {
			assert.ErrorContains(t, err, "ksher: ")
			assert.Zero(t, amount)
			assert.Less(t, len(err.Error()), 1000)
			assert.NotContains(t, err.Error(), "\n")
		}
	}
}

func TestAmountDisplay(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "amount: the unit is a hundredth for every currency, JPY among them")
	for _, c := range []struct {
		amount   ksher.Amount
		currency string
		want     string
	}{
		{0, "THB", "0.00 THB"},
		{1, "THB", "0.01 THB"},
		{-1, "THB", "-0.01 THB"},
		{999_99, "THB", "999.99 THB"},
		{-999_99, "THB", "-999.99 THB"},
		{1000_00, "THB", "1,000.00 THB"},
		{-1000_00, "THB", "-1,000.00 THB"},
		{1234_50, "THB", "1,234.50 THB"},
		{99999_99, "THB", "99,999.99 THB"},
		{-123456_00, "THB", "-123,456.00 THB"},
		{1234567_89, "JPY", "1,234,567.89 JPY"},
		{math.MaxInt64, "THB", "92,233,720,368,547,758.07 THB"},
		{math.MinInt64, "THB", "-92,233,720,368,547,758.08 THB"},
		{1000_00, "", "1,000.00"},
		{1000_00, " ", "1,000.00"},
		{1000_00, "฿", "1,000.00 ฿"},
		{1000_00, "บาท", "1,000.00 บาท"},
		{1000_00, "%d", "1,000.00 %d"},
	} {
		assert.Equal(t, c.want, c.amount.Display(c.currency))
	}
}

func TestAmountOnTheWire(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "amount: total_fee and refund_fee are whole cents, such as 15050 for 150.50 THB")
	for amount, want := range map[ksher.Amount]string{
		0: "0", 1: "1", 150_50: "15050", -1: "-1", math.MaxInt64: "9223372036854775807", math.MinInt64: "-9223372036854775808",
	} {
		form, err := query.Values(struct {
			Fee ksher.Amount `url:"fee"`
		}{amount})
		require.NoError(t, err)
		assert.Equal(t, url.Values{"fee": {want}}, form)
	}
}

func TestResults(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "answer: SUCCESS, REFUND, CLOSED and PAYERROR are final, and NOTPAY, USERPAYING, PENDING and NOTSURE aren't")
	testkit.Holds(t, testkit.Documented, "answer: FAIL is the failure of a query, and says nothing about the payment")
	testkit.Holds(t, testkit.Assumed, "answer: a result that nobody knows is neither paid nor final")
	for _, c := range []struct {
		result      ksher.Result
		paid, final bool
	}{
		{ksher.ResultSuccess, true, true},
		{ksher.ResultRefund, false, true},
		{ksher.ResultClosed, false, true},
		{ksher.ResultPayError, false, true},
		{ksher.ResultNotPay, false, false},
		{ksher.ResultUserPaying, false, false},
		{ksher.ResultPending, false, false},
		{ksher.ResultNotSure, false, false},
		{ksher.ResultFail, false, false},
		{"", false, false},
		{"success", false, false},
		{"SUCCESS ", false, false},
		{"PAID", false, false},
		{"REVOKED", false, false},
	} {
		assert.Equal(t, c.paid, c.result.Paid(), "%q.Paid", c.result)
		assert.Equal(t, c.final, c.result.Final(), "%q.Final", c.result)
	}
}

func FuzzParseAmount(f *testing.F) {
	for _, seed := range []string{"", "0", "1", "-1", "150.5", "150.50", "-0.01", ".5", "1.", "1.234", "1,000", "+1", "1e3", "١٢", "--1", "92233720368547758.07", "-92233720368547758.08", "007"} {
		f.Add(seed, int64(len(seed)))
	}
	f.Fuzz(func(t *testing.T, text string, cents int64) {
		written := ksher.Amount(cents).String()
		back, err := ksher.ParseAmount(written)
		require.NoError(t, err)
		require.Equal(t, ksher.Amount(cents), back)

		amount, err := ksher.ParseAmount(text)
		if err != nil {
			require.Zero(t, amount)
			return
		}
		want, ok := new(big.Rat).SetString(text)
		require.True(t, ok)
		require.Zero(t, want.Mul(want, big.NewRat(100, 1)).Cmp(big.NewRat(int64(amount), 1)), "%q is %v", text, amount)
		again, err := ksher.ParseAmount(amount.String())
		require.NoError(t, err)
		require.Equal(t, amount, again)
	})
}

var numberMakers = map[string]struct {
	make func() string
	form *regexp.Regexp
	// at is where the time begins.
	at int
	// each is how many each of eight goroutines makes.
	each int
}{
	"order":  {ksher.NewOrderNo, regexp.MustCompile(`^[0-9]{17}[A-Z2-7]{15}$`), 0, 125_000},
	"refund": {ksher.NewRefundNo, regexp.MustCompile(`^R[0-9]{17}[A-Z2-7]{14}$`), 1, 10_000},
}

// In a bubble of synctest the clock stands still, so that all the numbers are of
// the same millisecond, which is the worst that can happen to them.
func TestNumbersAreUnique(t *testing.T) {
	t.Parallel()
	for name, m := range numberMakers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				numbers := make([]string, 8*m.each)
				var wg sync.WaitGroup
				for part := range slices.Chunk(numbers, m.each) {
					wg.Go(func() {
						for i := range part {
							part[i] = m.make()
						}
					})
				}
				wg.Wait()
				require.Regexp(t, m.form, numbers[0])
				slices.Sort(numbers)
				assert.Len(t, slices.Compact(numbers), 8*m.each)
			})
		})
	}
}

func TestNumbersSortByTime(t *testing.T) {
	for name, m := range numberMakers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var numbers []string
				// From the first moment of 2000, over the ends of a second, a day, a
				// month and a year.
				for _, d := range []time.Duration{0, time.Millisecond, 998 * time.Millisecond, time.Millisecond, 9 * time.Second,
					24 * time.Hour, 31 * 24 * time.Hour, 366 * 24 * time.Hour, 30 * 366 * 24 * time.Hour} {
					time.Sleep(d)
					numbers = append(numbers, m.make())
				}
				for _, no := range numbers {
					assert.Regexp(t, m.form, no)
				}
				assert.IsIncreasing(t, numbers)
				for i, want := range []string{"20000101000000000", "20000101000000001", "20000101000000999", "20000101000001000", "20000101000010000", "20000102000010000"} {
					assert.Equal(t, want, numbers[i][m.at:m.at+17])
				}
			})
		})
	}
}

// A server in Bangkok and one in London make numbers of the same time.
func TestNumbersAreInUTC(t *testing.T) {
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	time.Local = time.FixedZone("UTC+7", 7*60*60)
	synctest.Test(t, func(t *testing.T) {
		assert.True(t, strings.HasPrefix(ksher.NewOrderNo(), "20000101000000000"))
	})
}

// What the package makes, it takes.
func TestNumbersAreValid(t *testing.T) {
	rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, `{"pay_content":"https://gateway.ksher.com/ua?order_uuid=1"}`)))
	req := testkit.GoodGatewayPay()
	req.MchOrderNo = ksher.NewOrderNo()
	_, err := testkit.NewClient(t, rec).GatewayPay(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, req.MchOrderNo, rec.Only(t).PostForm.Get("mch_order_no"))

	refund := testkit.GoodOrderRefund()
	refund.MchRefundNo = ksher.NewRefundNo()
	rec = testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, `{"result":"SUCCESS","refund_fee":5000,"mch_refund_no":"`+refund.MchRefundNo+`"}`)))
	_, err = testkit.NewClient(t, rec).OrderRefund(t.Context(), refund)
	require.NoError(t, err)
	require.Equal(t, refund.MchRefundNo, rec.Only(t).PostForm.Get("mch_refund_no"))
}

func TestCheckPaidOfNoOrder(t *testing.T) {
	var o *ksher.Order
	require.ErrorIs(t, o.CheckPaid("order1", 100_00, "THB"), ksher.ErrBadAnswer)
}

func TestCheckPaid(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "amount: what the wallet took, in cash_fee, doesn't say whether an order was paid in full")
	tests := []struct {
		name  string
		order ksher.Order
		want  error
	}{
		{"paid", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultSuccess}, nil},
		{"another order", ksher.Order{MchOrderNo: "order2", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultSuccess}, ksher.ErrOtherOrder},
		{"an order that differs in case", ksher.Order{MchOrderNo: "ORDER1", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultSuccess}, ksher.ErrOtherOrder},
		{"an order without a number", ksher.Order{TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultSuccess}, ksher.ErrOtherOrder},
		{"the number at the merchant host", ksher.Order{PayMchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultSuccess}, ksher.ErrOtherOrder},
		{"too little", ksher.Order{MchOrderNo: "order1", TotalFee: 99_99, FeeType: "THB", Result: ksher.ResultSuccess}, ksher.ErrOtherOrder},
		{"too much", ksher.Order{MchOrderNo: "order1", TotalFee: 100_01, FeeType: "THB", Result: ksher.ResultSuccess}, ksher.ErrOtherOrder},
		{"baht for satang", ksher.Order{MchOrderNo: "order1", TotalFee: 100, FeeType: "THB", Result: ksher.ResultSuccess}, ksher.ErrOtherOrder},
		{"another currency", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, FeeType: "JPY", Result: ksher.ResultSuccess}, ksher.ErrOtherOrder},
		{"no currency", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, Result: ksher.ResultSuccess}, ksher.ErrOtherOrder},
		{"only the wallet's amount fits", ksher.Order{MchOrderNo: "order1", CashFee: 100_00, CashFeeType: "THB", FeeType: "THB", Result: ksher.ResultSuccess}, ksher.ErrOtherOrder},
		{"another order that isn't paid either", ksher.Order{MchOrderNo: "order2", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultNotPay}, ksher.ErrOtherOrder},
		{"refunded", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultRefund}, ksher.ErrNotPaid},
		{"closed", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultClosed}, ksher.ErrNotPaid},
		{"failed", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultPayError}, ksher.ErrNotPaid},
		{"not paid yet", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultNotPay}, ksher.ErrNotPaid},
		{"paying", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultUserPaying}, ksher.ErrNotPaid},
		{"pending", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultPending}, ksher.ErrNotPaid},
		{"not sure", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultNotSure}, ksher.ErrNotPaid},
		{"a failed call", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Result: ksher.ResultFail}, ksher.ErrNotPaid},
		{"a result nobody knows", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB", Result: "success"}, ksher.ErrNotPaid},
		{"no result", ksher.Order{MchOrderNo: "order1", TotalFee: 100_00, FeeType: "THB"}, ksher.ErrNotPaid},
		{"nothing", ksher.Order{}, ksher.ErrOtherOrder},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.order.CheckPaid("order1", 100_00, "THB")
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, testkit.Errs(tt.want), testkit.NamesOf(err))
			assert.Contains(t, err.Error(), "order1")
		})
	}

	t.Run("an order that expects nothing", func(t *testing.T) {
		order := ksher.Order{Result: ksher.ResultSuccess}
		require.ErrorIs(t, order.CheckPaid("order1", 0, ""), ksher.ErrOtherOrder)
	})
	t.Run("the error names what differs", func(t *testing.T) {
		order := ksher.Order{MchOrderNo: "order2", TotalFee: 1_50, FeeType: "JPY", Result: ksher.ResultSuccess}
		err := order.CheckPaid("order1", 100_00, "THB")
		for _, part := range []string{`"order2"`, "1.50 JPY", `"order1"`, "100.00 THB"} {
			assert.ErrorContains(t, err, part)
		}
		order = ksher.Order{MchOrderNo: strings.Repeat("x\n", 1000), FeeType: strings.Repeat("y\n", 1000)}
		err = order.CheckPaid("order1", 100_00, "THB")
		assert.Less(t, len(err.Error()), 1000)
		assert.NotContains(t, err.Error(), "\n")
	})
}

func TestSecret(t *testing.T) {
	for text, want := range map[string]string{
		"": "", " \r\n": "", "2876\r\n": "2876", "\x02\t2876 3443\x03\n": "2876 3443", "\u00a0ก\u0085": "ก",
	} {
		secret := ksher.NewSecret(text)
		assert.Equal(t, want, secret.Reveal(), "%q", text)
		sent := url.Values{}
		require.NoError(t, secret.EncodeValues("auth_code", &sent))
		assert.Equal(t, want != "", sent.Has("auth_code"))
		assert.Equal(t, want, sent.Get("auth_code"))
	}
	assert.Empty(t, ksher.Secret{}.Reveal())
	assert.Empty(t, ksher.Secret{}.String())
	assert.Equal(t, "[secret]", ksher.NewSecret("2876").String())
}
func TestAmountInADatabase(t *testing.T) {
	for _, a := range []ksher.Amount{0, 1, -1, 150_50, math.MaxInt64, math.MinInt64} {
		v, err := a.Value()
		require.NoError(t, err)
		for _, src := range []any{v, []byte(v.(string)), int64(a)} {
			var got ksher.Amount
			require.NoError(t, got.Scan(src), "%T", src)
			assert.Equal(t, a, got)
		}
	}
	for _, src := range []any{nil, "", "150.50", "150.00", []byte("1e3"), "1 ", 150.0, true, "9223372036854775808", strings.Repeat("9", 100_000)} {
		got := ksher.Amount(7)
		err := got.Scan(src)
		require.Error(t, err, "%v", src)
		assert.Less(t, len(err.Error()), 500)
		assert.Equal(t, ksher.Amount(7), got)
	}
}

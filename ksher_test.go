package ksher_test

import (
	"math"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-querystring/query"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
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

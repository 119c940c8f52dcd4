package ksher_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestCheckPaidOfNoOrder(t *testing.T) {
	var o *ksher.Order
	require.ErrorIs(t, o.CheckPaid("order1", 100_00, "THB"), ksher.ErrBadAnswer)
}

func TestCheckPaid(t *testing.T) {
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

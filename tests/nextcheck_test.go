package tests

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

func TestNextCheck(t *testing.T) {
	created := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	for age, want := range map[time.Duration]time.Duration{
		-time.Hour:                 time.Minute,
		0:                          time.Minute,
		2*time.Hour - 1:            time.Minute,
		2 * time.Hour:              10 * time.Minute,
		24*time.Hour - 1:           10 * time.Minute,
		24 * time.Hour:             time.Hour,
		7*24*time.Hour - 1:         time.Hour,
		7 * 24 * time.Hour:         6 * time.Hour,
		30*24*time.Hour - 1:        6 * time.Hour,
		30 * 24 * time.Hour:        24 * time.Hour,
		100 * 365 * 24 * time.Hour: 24 * time.Hour,
	} {
		now := created.Add(age)
		assert.Equal(t, now.Add(want), ksher.NextCheck(created, now), "after %v", age)
	}
	assert.Equal(t, created.Add(time.Minute), ksher.NextCheck(time.Time{}, created), "not known")
}

// orders are a merchant's open orders, whatever is asked for.
type openList []ksher.OpenOrder

func (l openList) OpenOrders(_ context.Context, after string, _ int) ([]ksher.OpenOrder, error) {
	for i, o := range l {
		if o.MchOrderNo > after {
			return l[i:], nil
		}
	}
	return nil, nil
}

// Orders that have been open for long are asked about less often, but not those whose
// payment could not be handled.
func TestPassAsksAboutOldOrdersLessOften(t *testing.T) {
	gw := kshertest.New(t)
	fails := errors.New("the books are closed")
	payments, err := ksher.NewPayments(gw.Client, func(context.Context, *ksher.Order) error { return fails },
		ksher.WithProblem(func(context.Context, ksher.OpenOrder, error) {}))
	require.NoError(t, err)
	var list openList
	for _, no := range []string{"A-new", "B-old", "C-paid", "D-none"} {
		order := ksher.OpenOrder{MchOrderNo: no, Host: ksher.HostMerchant, TotalFee: 150_00, FeeType: "THB", Created: gw.Now().Add(-3 * time.Hour)}
		if no == "A-new" {
			order.Created = time.Time{}
		}
		list = append(list, order)
		if no == "D-none" {
			continue
		}
		_, err := gw.Client.NativePay(t.Context(), &ksher.NativePayRequest{MchOrderNo: no, TotalFee: 150_00, FeeType: "THB", Channel: ksher.ChannelPromptPay})
		require.NoError(t, err)
	}
	require.NoError(t, gw.Pay("C-paid", ""))
	pass := func(want ksher.PassResult) {
		t.Helper()
		sum, err := payments.Pass(t.Context(), list, "")
		require.NoError(t, err)
		require.Equal(t, want, sum)
	}
	all := ksher.PassResult{Asked: 4, Open: 2, Failed: 2}
	pass(all)
	gw.Advance(time.Minute)
	pass(ksher.PassResult{Asked: 3, Open: 1, Failed: 2, Later: 1})
	gw.Advance(8*time.Minute + 30*time.Second)
	pass(ksher.PassResult{Asked: 3, Open: 1, Failed: 2, Later: 1})
	gw.Advance(time.Minute)
	pass(all)
	list[1].Booked = true
	pass(ksher.PassResult{Asked: 4, Paid: 1, Open: 1, Failed: 2})
}

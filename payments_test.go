package ksher_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

// paymentsOf are payments whose function succeeds.
func paymentsOf(tb testing.TB, client *ksher.Client, opts ...ksher.PaymentsOption) *ksher.Payments {
	tb.Helper()
	return paymentsTo(tb, client, func(context.Context, *ksher.Order) error { return nil }, opts...)
}

func paymentsTo(tb testing.TB, client *ksher.Client, paid func(context.Context, *ksher.Order) error, opts ...ksher.PaymentsOption) *ksher.Payments {
	tb.Helper()
	p, err := ksher.NewPayments(client, paid, opts...)
	require.NoError(tb, err)
	return p
}

// expected finds an order among those of the list.
func (l orderList) expected(_ context.Context, mchOrderNo string) (ksher.OpenOrder, error) {
	if i := slices.IndexFunc(l, func(o ksher.OpenOrder) bool { return o.MchOrderNo == mchOrderNo }); i >= 0 {
		return l[i], nil
	}
	return ksher.OpenOrder{}, ksher.ErrNotOurs
}

// notificationsOf is the handler of a merchant who has that order on that host.
func notificationsOf(tb testing.TB, client *ksher.Client, host ksher.Host, paid func(context.Context, *ksher.Order) error, opts ...ksher.PaymentsOption) *ksher.Notifications {
	tb.Helper()
	n, err := paymentsTo(tb, client, paid, opts...).Notifications(func(_ context.Context, mchOrderNo string) (ksher.OpenOrder, error) {
		return ksher.OpenOrder{MchOrderNo: mchOrderNo, Host: host, TotalFee: 100_00, FeeType: "THB"}, nil
	})
	require.NoError(tb, err)
	return n
}

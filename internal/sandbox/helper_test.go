package sandbox_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// notifications is the handler of a merchant whose books have what the gateway has.
func notifications(tb testing.TB, gw *sandbox.Gateway, paid func(context.Context, *ksher.Order) error) *ksher.Notifications {
	tb.Helper()
	payments, err := ksher.NewPayments(gw.Client, paid)
	require.NoError(tb, err)
	n, err := payments.Notifications(func(_ context.Context, mchOrderNo string) (ksher.OpenOrder, error) {
		order, err := gw.Order(mchOrderNo)
		if err != nil {
			return ksher.OpenOrder{}, ksher.ErrNotOurs
		}
		host := ksher.HostMerchant
		if order.PayMchOrderNo != "" {
			host = ksher.HostGateway
		}
		return ksher.OpenOrder{MchOrderNo: mchOrderNo, Host: host, TotalFee: order.TotalFee, FeeType: order.FeeType}, nil
	})
	require.NoError(tb, err)
	return n
}

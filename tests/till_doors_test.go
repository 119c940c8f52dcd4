package tests

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// A till that gives up doesn't take back a payment on which the merchant's function has acted
// at another door, and none is acted on while it is taken back.
func TestChargeBesideAnotherDoor(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"order_query", "order_reverse"} {
		t.Run(operation, func(t *testing.T) {
			gw := sandbox.New(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req := testkit.GoodQuickPay()
			req.AuthCode = ksher.NewSecret(testkit.AuthCode[:16] + "01")
			elsewhere := func() {}
			client, err := gw.NewClient(ksher.WithHook(func(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
				if a.Operation != operation {
					return ctx, nil
				}
				if operation == "order_reverse" {
					elsewhere()
				}
				return ctx, func(ksher.Attempt) { elsewhere() }
			}))
			require.NoError(t, err)
			calls := 0
			payments := testkit.PaymentsTo(t, client, func(context.Context, *ksher.Order) error { calls++; return nil })
			var heard error
			elsewhere = func() {
				elsewhere = func() {}
				require.NoError(t, gw.Pay(req.MchOrderNo, ""))
				_, heard = payments.Check(t.Context(), req.OpenOrder())
				cancel()
			}

			order, err := payments.Charge(ctx, req)
			if operation == "order_query" {
				require.NoError(t, heard)
				require.NoError(t, err)
				require.Equal(t, ksher.ResultSuccess, order.Result)
				require.Equal(t, 1, calls)
				return
			}
			require.ErrorIs(t, heard, ksher.ErrInProgress)
			require.ErrorIs(t, err, ksher.ErrNotPaid)
			require.Zero(t, calls)
		})
	}
}

package tests

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

// busyUntil is a Deduper that has somebody else at each payment until a time, who is done
// with it then.
type busyUntil struct{ end time.Time }

func (b busyUntil) Once(context.Context, string, func(context.Context) error) error {
	if time.Now().Before(b.end) {
		return ksher.ErrInProgress
	}
	return nil
}

// A till waits for the merchant's function at another door, says so if that takes too long,
// and reverses nothing that is paid.
func TestChargeOutlastsAnotherDoor(t *testing.T) {
	t.Parallel()
	var (
		success, typing = testkit.Tells(ksher.ResultSuccess), testkit.Tells(ksher.ResultUserPaying)
		refunded        = testkit.Tells(ksher.ResultRefund)
		unknown         = testkit.Denies(ksher.CodeKsherInvalidOrderNo)
	)
	const minute = time.Minute
	r := func(replies ...testkit.Reply) []testkit.Reply { return replies }
	for _, tt := range []struct {
		name        string
		till        turns
		busy, stop  time.Duration
		want        error
		atLeast, at time.Duration
		result      ksher.Result
	}{
		{name: "paid at once", till: turns{charge: r(success), queries: r(success)}, busy: 5 * time.Second, atLeast: 5 * time.Second},
		{name: "paid at once, for long", till: turns{charge: r(success), queries: r(success)}, busy: time.Hour, want: ksher.ErrInProgress, at: minute},
		{name: "paid at once, no answers", till: turns{charge: r(success), queries: r(unknown)}, busy: time.Hour, want: ksher.ErrInProgress, at: minute},
		{name: "paid at once, other answers", till: turns{charge: r(success), queries: r(typing)}, busy: time.Hour, want: ksher.ErrInProgress, at: minute},
		{name: "paid at once, refunded since", till: turns{charge: r(success), queries: r(success, refunded)}, busy: time.Hour, want: ksher.ErrNotPaid, result: ksher.ResultRefund},
		{name: "paid at once, the cashier stops", till: turns{charge: r(success), queries: r(success)}, busy: time.Hour, stop: 3 * time.Second, want: ksher.ErrInProgress, at: 3 * time.Second},
		{name: "paid after the PIN", till: turns{charge: r(typing), queries: r(typing, success)}, busy: 5 * time.Second, atLeast: 5 * time.Second},
		{name: "paid after the PIN, for long", till: turns{charge: r(typing), queries: r(typing, success)}, busy: time.Hour, want: ksher.ErrInProgress, at: minute},
		{name: "paid after the PIN, the cashier stops", till: turns{charge: r(typing), queries: r(typing, success)}, busy: time.Hour, stop: 3 * time.Second, want: ksher.ErrInProgress, at: 3 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hosts, began, ctx := tt.till.hosts(), time.Now(), t.Context()
				if tt.stop > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.stop)
					defer cancel()
				}
				payments := testkit.PaymentsTo(t, hosts.Client(t), func(context.Context, *ksher.Order) error {
					t.Error("called beside another door")
					return nil
				}, ksher.WithDeduper(busyUntil{began.Add(tt.busy)}))
				order, err := payments.Charge(ctx, testkit.GoodQuickPay())
				require.ErrorIs(t, err, tt.want)
				require.NotErrorIs(t, err, ksher.ErrNeedsPerson)
				if tt.result == "" {
					tt.result = ksher.ResultSuccess
					require.NotErrorIs(t, err, ksher.ErrNotPaid)
				}
				require.Equal(t, tt.result, order.Result)
				require.Empty(t, hosts.Questions("order_reverse"))
				require.GreaterOrEqual(t, time.Since(began), tt.atLeast)
				if tt.at > 0 {
					require.Equal(t, tt.at, time.Since(began))
				}
			})
		})
	}
}

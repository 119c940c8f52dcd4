package tests

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

// Whoever works for many merchants reads in each error whose it is, once.
func TestErrorsNameAppID(t *testing.T) {
	const appID = "mch70001"
	p := newPlatform(t)
	client := p.gw.Merchant(appID).Client
	var problems []error
	var failure error
	payments, err := ksher.NewPayments(client, func(context.Context, *ksher.Order) error { return failure },
		ksher.WithDeduper(p.memory), ksher.WithProblem(func(_ context.Context, _ ksher.OpenOrder, err error) { problems = append(problems, err) }))
	require.NoError(t, err)
	merchant, err := payments.Notifications(func(context.Context, string) (ksher.OpenOrder, error) { return ksher.OpenOrder{}, ksher.ErrNotOurs })
	require.NoError(t, err)
	router, err := ksher.NewRouter(func(context.Context, string) (*ksher.Notifications, error) { return merchant, nil })
	require.NoError(t, err)

	p.order(t, client, appID, "paid", "https://shop.example/notify")
	_, err = client.NativePay(t.Context(), &ksher.NativePayRequest{MchOrderNo: "open", TotalFee: 150_00, FeeType: "THB", Channel: ksher.ChannelPromptPay})
	require.NoError(t, err)
	open := ksher.OpenOrder{MchOrderNo: "open", Host: ksher.HostMerchant, TotalFee: 150_00, FeeType: "THB"}
	books, _ := p.books.Load("paid")
	paid := books.(ksher.OpenOrder)
	other := paid
	other.TotalFee++
	expired := open
	expired.Expires = p.gw.Now().Add(-time.Hour)
	body := announcement(t, appID, "paid")
	forged := strings.Replace(body, "15000", "15001", 1)
	gone, cancel := context.WithCancel(t.Context())
	cancel()

	for name, tt := range map[string]struct {
		err  func() error
		want error
	}{
		"not paid":     {func() error { _, err := payments.Check(t.Context(), open); return err }, ksher.ErrNotPaid},
		"other amount": {func() error { _, err := payments.Check(t.Context(), other); return err }, ksher.ErrOtherOrder},
		"function":     {func() error { failure = errors.ErrUnsupported; _, err := payments.Check(t.Context(), paid); return err }, errors.ErrUnsupported},
		"expired":      {func() error { _, err := payments.Wait(t.Context(), expired); return err }, ksher.ErrOrderExpired},
		"context":      {func() error { _, err := payments.Wait(gone, open); return err }, context.Canceled},
		"open order":   {func() error { _, err := payments.Check(t.Context(), ksher.OpenOrder{}); return err }, nil},
		"request":      {func() error { _, err := client.GatewayPay(t.Context(), &ksher.GatewayPayRequest{}); return err }, nil},
		"charge":       {func() error { _, err := payments.Charge(t.Context(), &ksher.QuickPayRequest{}); return err }, nil},
		"form":         {func() error { _, err := client.GatewayPayForm(nil); return err }, nil},
		"not ours":     {func() error { _, err := merchant.Accept(t.Context(), []byte(body)); return err }, ksher.ErrNotOurs},
		"router":       {func() error { _, err := router.Accept(t.Context(), []byte(body)); return err }, ksher.ErrNotOurs},
		"forged":       {func() error { _, err := merchant.Accept(t.Context(), []byte(forged)); return err }, ksher.ErrSignature},
		"refund of an open order": {func() error {
			_, err := client.Refund(t.Context(), &ksher.RefundRequest{MchOrderNo: "open", Host: ksher.HostMerchant, MchRefundNo: "R-1", RefundFee: 1_00})
			return err
		}, ksher.ErrNotPaid},
		"doubt of another amount": {func() error {
			_, err := client.Resolve(t.Context(), &ksher.GatewayPayRequest{MchOrderNo: "paid", TotalFee: 1_00, FeeType: "THB"})
			return err
		}, ksher.ErrOtherOrder},
		"list of refunds": {func() error { _, err := client.Refunds(t.Context(), nil); return err }, nil},
		"problem": {func() error {
			_, err := payments.Pass(t.Context(), testkit.OrderList{other}, "")
			require.NoError(t, err)
			require.Len(t, problems, 1)
			return problems[0]
		}, ksher.ErrOtherOrder},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.err()
			require.Error(t, err)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			} else {
				require.ErrorAs(t, err, new(*ksher.ValidationError))
			}
			assert.Equal(t, 1, strings.Count(err.Error(), "(app ID "+appID+")"), err.Error())
			if failed := (*ksher.Error)(nil); errors.As(err, &failed) {
				assert.Equal(t, appID, failed.AppID)
			}
		})
	}
}

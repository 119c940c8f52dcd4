package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// The merchant platform refunds what the API refuses to, and the shop finds it by a query.
func TestRefundOnPlatform(t *testing.T) {
	for name, tt := range map[string]struct {
		channel ksher.Channel
		before  func(t *testing.T, gw *sandbox.Gateway)
		refused ksher.Code
	}{
		"no refunds by the API": {ksher.ChannelPromptPay, func(*testing.T, *sandbox.Gateway) {}, ksher.CodeNoAuth},
		"settled": {ksher.ChannelTrueMoney, func(t *testing.T, gw *sandbox.Gateway) {
			require.NoError(t, gw.Settle("A-1"))
		}, ksher.CodeKsherRefundExpire},
		"the next day": {ksher.ChannelSCBQRCard, func(_ *testing.T, gw *sandbox.Gateway) { gw.Advance(24 * time.Hour) }, ksher.CodeKsherRefundExpire},
	} {
		t.Run(name, func(t *testing.T) {
			gw := sandbox.New(t)
			_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1", tt.channel))
			require.NoError(t, err)
			assert.ErrorContains(t, gw.RefundOnPlatform("A-1", 1), "it is created")
			require.NoError(t, gw.Pay("A-1", ""))
			tt.before(t, gw)
			ours := &ksher.OrderRefundRequest{
				KsherOrderNo: sandboxtest.Seen(t, gw, "A-1").KsherOrderNo, MchRefundNo: "R-1", RefundFee: 50_00, TotalFee: 150_50, FeeType: "THB",
			}
			_, err = gw.Client.OrderRefund(t.Context(), ours)
			require.ErrorIs(t, err, tt.refused)

			require.NoError(t, gw.RefundOnPlatform("A-1", 50_00))
			assert.ErrorContains(t, gw.RefundOnPlatform("A-1", 100_51), "100.50 THB of it is left")
			assert.Equal(t, sandbox.RefundedInPart, sandboxtest.Seen(t, gw, "A-1").State)
			require.NoError(t, gw.RefundOnPlatform("A-1", 100_50))
			o := sandboxtest.Seen(t, gw, "A-1")
			require.Len(t, o.Refunds, 2)
			assert.NotEqual(t, o.Refunds[0].MchRefundNo, o.Refunds[1].MchRefundNo)
			assert.Equal(t, ksher.ResultRefund, sandboxtest.GatewayState(t, gw, "A-1").Result)
			assert.ErrorContains(t, gw.RefundOnPlatform("A-1", 1), "it is refunded")
			assert.ErrorContains(t, gw.RefundOnPlatform("none", 1), "no such order")
		})
	}
}

package console_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/vip"
)

// Whoever looks at a developer's screen, or at what a test logs, reads no scanned code, no
// receiver and no buyer, unless the developer asks to see them.
func TestSecretsAreMasked(t *testing.T) {
	gw := sandbox.New(t)
	_, err := gw.Client.QuickPay(t.Context(), &ksher.QuickPayRequest{
		MchOrderNo: "Q-1", TotalFee: 40_00, FeeType: "THB", Channel: ksher.ChannelTrueMoney, AuthCode: ksher.NewSecret("98765432109876"),
	})
	require.NoError(t, err)
	_, err = gw.Client.Payout(t.Context(), &ksher.PayoutRequest{
		MchOrderNo: "P-1", TotalFee: 40_00, FeeType: "THB", ReceiverType: "PROMPTPAY_MSISDN",
		ReceiverNo: ksher.NewSecret("0898765432"), ReceiverMobile: ksher.NewSecret("0898765431"),
	})
	require.NoError(t, err)
	_, err = gw.Client.MiniProgramPay(t.Context(), &ksher.MiniProgramPayRequest{
		MchOrderNo: "M-1", TotalFee: 40_00, FeeType: "THB", Channel: ksher.ChannelWeChat, SubOpenID: "oBuyer-123456", ChannelSubAppID: "wx1",
	})
	require.NoError(t, err)
	client, err := gw.NewVIPClient()
	require.NoError(t, err)
	_, err = client.Create(t.Context(), &vip.BScanCRequest{
		MerchantOrderID: "V-1", Amount: 40_00, Channel: "truemoney", AuthCode: ksher.NewSecret("98765432109877"),
	})
	require.NoError(t, err)

	secrets := []string{"98765432109876", "0898765432", "0898765431", "oBuyer-123456", "98765432109877"}
	for _, path := range []string{
		"/requests", "/control/requests", "/control/orders",
		"/order?no=Q-1", "/order?no=P-1", "/order?no=M-1", "/order?no=V-1",
		"/control/orders/Q-1", "/control/orders/P-1", "/control/orders/M-1", "/control/orders/V-1",
	} {
		_, body := sandboxtest.Ask(t, gw, "GET", path, "")
		for _, s := range secrets {
			assert.NotContains(t, body, s, path)
		}
		assert.Contains(t, body, "[secret]", path)
	}
	for path, want := range map[string][]string{
		"/requests?secrets=show": secrets, "/control/requests?secrets=show": secrets,
		"/order?no=Q-1&secrets=show": secrets[:1], "/control/orders/P-1?secrets=show": secrets[1:3],
	} {
		_, body := sandboxtest.Ask(t, gw, "GET", path, "")
		for _, s := range want {
			assert.Contains(t, body, s, path)
		}
		before, _, _ := strings.Cut(body, `id="story"`) // The story is made to be passed on.
		_, after, _ := strings.Cut(body, `class="story-files"`)
		assert.NotContains(t, before+after, "[secret]", path)
	}
	other, err := gw.MerchantOf("mch60000")
	require.NoError(t, err)
	_, err = other.Client.QuickPay(t.Context(), &ksher.QuickPayRequest{
		MchOrderNo: "Q-1", TotalFee: 40_00, FeeType: "THB", Channel: ksher.ChannelTrueMoney, AuthCode: ksher.NewSecret("98765432109878"),
	})
	require.NoError(t, err)
	_, body := sandboxtest.Ask(t, gw, "GET", "/order?no=Q-1&appid=mch60000", "")
	assert.Contains(t, body, `href="/order?appid=mch60000&amp;no=Q-1&amp;secrets=show"`, "it leads to the order of the same merchant")
	status, body := sandboxtest.Ask(t, gw, "POST", "/control/orders/Q-1/settle", "")
	assert.Equal(t, 200, status)
	assert.NotContains(t, body, secrets[0])
}

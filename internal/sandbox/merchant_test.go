package sandbox_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// inMalaysia are the terms of a merchant that differ in everything from the usual ones.
var inMalaysia = sandbox.Terms{
	Account: sandbox.OnlineAccount, Channels: []ksher.Channel{ksher.ChannelAlipay, ksher.ChannelTrueMoney, ksher.ChannelSCBQRCard},
	Currencies: []string{"MYR", "JPY"}, Zone: "+08:00",
}

func merchant(t *testing.T, gw *sandbox.Gateway, appID string) *sandbox.Merchant {
	t.Helper()
	m, err := gw.MerchantOf(appID)
	require.NoError(t, err)
	return m
}

func publicPEM(t *testing.T, key *rsa.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// codeOf is the code of a refusal, "" if there was none.
func codeOf(t *testing.T, err error) ksher.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	var refused *ksher.Error
	require.ErrorAs(t, err, &refused)
	return refused.Code
}

func TestCurrencies(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithMerchant("mch60000", inMalaysia))
	for currency, refusals := range map[string][2]ksher.Code{
		"THB": {"", ksher.CodeKsherFeeTypeNotMatch},
		"MYR": {ksher.CodeKsherFeeTypeNotMatch, ""},
		"JPY": {ksher.CodeKsherFeeTypeNotMatch, ""},
		"AED": {ksher.CodeKsherFeeTypeNotMatch, ksher.CodeKsherFeeTypeNotMatch},
	} {
		for i, m := range []*sandbox.Merchant{gw.Merchant, merchant(t, gw, "mch60000")} {
			req := sandboxtest.GatewayPay("G-"+currency, ksher.ChannelTrueMoney)
			req.FeeType = currency
			_, err := m.Client.GatewayPay(t.Context(), req)
			assert.Equal(t, refusals[i], codeOf(t, err), "%s, merchant %d", currency, i)
			_, err = m.Client.RateQuery(t.Context(), &ksher.RateQueryRequest{Channel: ksher.ChannelAlipay, FeeType: currency, Date: "20261120"})
			assert.Equal(t, refusals[i], codeOf(t, err), "%s, merchant %d", currency, i)
		}
	}
}

func TestMinimumsAreInBaht(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithMerchant(sandbox.AppID, sandbox.Terms{Currencies: []string{"THB", "AED"}}))
	for currency, refusal := range map[string]ksher.Code{"THB": ksher.CodeKsherAmountIsTooSmall, "AED": ""} {
		req := sandboxtest.GatewayPay("G-"+currency, ksher.ChannelKPlus)
		req.TotalFee, req.FeeType, req.Extra.Unchecked = 1_00, currency, []string{"total_fee"}
		_, err := gw.Client.GatewayPay(t.Context(), req)
		assert.Equal(t, refusal, codeOf(t, err), currency)
	}
}

func TestPayoutsAreInBaht(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithMerchant(sandbox.AppID, sandbox.Terms{Currencies: []string{"THB", "MYR"}}))
	code := sandboxtest.PostSigned(t, gw, gw.MerchantURL()+"/payout", map[string]string{
		"mch_order_no": "P1", "total_fee": "100", "fee_type": "MYR", "channel": "payout", "receiver_type": "PROMPTPAY_NATID", "receiver_no": "1",
	})
	assert.Equal(t, ksher.CodeKsherFeeTypeNotMatch, code)
}

func TestChannelsByContract(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithMerchant("mch60000", inMalaysia))
	m := merchant(t, gw, "mch60000")
	pay := func(no string, channels ...ksher.Channel) error {
		req := sandboxtest.GatewayPay(no, channels...)
		req.FeeType = "MYR"
		_, err := m.Client.GatewayPay(t.Context(), req)
		return err
	}
	assert.Equal(t, ksher.CodeChannelListError, codeOf(t, pay("G-1", ksher.ChannelCard)))
	require.NoError(t, pay("G-2", ksher.ChannelCard, ksher.ChannelAlipay))
	assert.ErrorIs(t, m.Pay("G-2", ksher.ChannelCard), sandbox.ErrNotPayable, "the page doesn't offer it")
	require.NoError(t, m.Pay("G-2", ""))
	for channel, refusal := range map[ksher.Channel]ksher.Code{
		ksher.ChannelTrueMoney: "", ksher.ChannelPromptPay: ksher.CodeNoAuth, // It isn't in the contract.
		ksher.ChannelAlipay: ksher.CodeNoAuth, // It is, but not for QR codes of an online account.
	} {
		req := sandboxtest.NativePay("N-"+string(channel), channel)
		req.FeeType = "MYR"
		_, err := m.Client.NativePay(t.Context(), req)
		assert.Equal(t, refusal, codeOf(t, err), channel)
	}
	_, err := m.Client.QuickPay(t.Context(), &ksher.QuickPayRequest{MchOrderNo: "Q-1", TotalFee: 1, FeeType: "MYR", AuthCode: ksher.NewSecret("134638442392643900")})
	assert.Equal(t, ksher.CodeNoAuth, codeOf(t, err), "WeChat Pay")
}

func TestMerchantInfoHasTheTerms(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithMerchant("mch60000", inMalaysia))
	info, err := merchant(t, gw, "mch60000").Client.MerchantInfo(t.Context(), &ksher.MerchantInfoRequest{})
	require.NoError(t, err)
	assert.Equal(t, []string{"online", "+08:00", "MYR", "MYR"}, []string{info.BusinessMode, info.TimeZone, info.PriceFeeType, info.SettlementFeeType})
	var all struct {
		Supported []struct {
			Channel ksher.Channel `json:"pay_channel"`
		} `json:"mch_support_channel"`
	}
	require.NoError(t, json.Unmarshal(info.Data, &all))
	var channels []ksher.Channel
	for _, c := range all.Supported {
		channels = append(channels, c.Channel)
	}
	assert.ElementsMatch(t, inMalaysia.Channels, channels)
}

// Half past eleven in the night of a merchant in Malaysia is the same day in Thailand, and
// half an hour later it isn't.
func TestZones(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithMerchant("mch60000", inMalaysia))
	m := merchant(t, gw, "mch60000")
	there := time.FixedZone("", 8*60*60)
	now := gw.Now().In(there)
	gw.Advance(time.Date(now.Year(), now.Month(), now.Day()+1, 23, 30, 0, 0, there).Sub(now))
	today := gw.Now().In(there)
	shop := sandboxtest.NewShop(t)
	for _, currency := range inMalaysia.Currencies {
		req := sandboxtest.GatewayPay("G-"+currency, ksher.ChannelSCBQRCard)
		req.FeeType, req.MchNotifyURL = currency, shop.URL
		_, err := m.Client.GatewayPay(t.Context(), req)
		require.NoError(t, err)
		require.NoError(t, m.Pay(req.MchOrderNo, ""))
		require.NoError(t, m.Deliver(t.Context(), req.MchOrderNo))
		assert.Contains(t, shop.Bodies[len(shop.Bodies)-1], today.Format(time.DateTime), "the notification")
	}
	order, err := m.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "G-JPY"})
	require.NoError(t, err)
	assert.Contains(t, string(order.Data), today.Format(time.DateTime))
	assert.True(t, order.TimeEnd.Equal(today), "a client that is set up for the zone reads it so")

	gw.Advance(40 * time.Minute)
	_, err = m.Client.OrderRefund(t.Context(), &ksher.OrderRefundRequest{
		MchRefundNo: "R-1", RefundFee: 1, TotalFee: order.TotalFee, FeeType: "JPY", MchOrderNo: order.PayMchOrderNo, Channel: ksher.ChannelSCBQRCard,
	})
	assert.Equal(t, ksher.CodeKsherRefundExpire, codeOf(t, err), "it is another day there")
	settled, err := m.Client.GetSettlementInfo(t.Context(), &ksher.GetSettlementInfoRequest{BeginDate: today.Format(time.DateOnly), EndDate: today.Format(time.DateOnly)})
	require.NoError(t, err)
	require.Len(t, settled.SettlementData, 2, "a row for each currency")
	for _, row := range settled.SettlementData {
		assert.Equal(t, []any{today.Format(time.DateOnly), ksher.Amount(150_50)}, []any{row.BeginDate, row.SettlementAmount})
	}
}

func TestMerchantsAreApart(t *testing.T) {
	gw := sandbox.New(t)
	one, two := merchant(t, gw, "mch11111"), merchant(t, gw, "mch22222")
	for _, m := range []*sandbox.Merchant{one, two} {
		_, err := m.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
		require.NoError(t, err, "numbers are each merchant's own")
	}
	_, err := one.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("only-one"))
	require.NoError(t, err)
	_, err = two.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "only-one"})
	assert.Equal(t, ksher.CodeOrderNotExist, codeOf(t, err))
	_, err = two.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "only-one"})
	assert.Equal(t, ksher.CodeOrderNotExist, codeOf(t, err))
	_, err = two.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "A-1"})
	require.NoError(t, err)
	order, err := one.Order("A-1")
	require.NoError(t, err)
	assert.Equal(t, sandbox.Created, order.State, "the other merchant's was cancelled")

	// A key is good for its own merchant only.
	forged, err := ksher.NewClient("mch11111", two.Signer(), ksher.WithHTTPClient(gw.HTTPClient()),
		ksher.WithGatewayURL(gw.GatewayURL()), ksher.WithMerchantURL(gw.MerchantURL()), ksher.WithVerifier(sandbox.Verifier()))
	require.NoError(t, err)
	_, err = forged.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-1"})
	assert.Equal(t, ksher.CodeKsherSignError, codeOf(t, err))
}

func TestMerchantWithAKeyOfItsOwn(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	gw := sandbox.New(t, sandbox.WithMerchant("mch33333", sandbox.Terms{PublicKey: publicPEM(t, &key.PublicKey)}))
	m := merchant(t, gw, "mch33333")
	assert.Empty(t, m.PrivateKeyPEM())
	assert.Nil(t, m.Client)
	_, err = m.NewClient()
	require.ErrorContains(t, err, "key of its own")
	client, err := ksher.NewClient("mch33333", key, ksher.WithHTTPClient(gw.HTTPClient()),
		ksher.WithGatewayURL(gw.GatewayURL()), ksher.WithMerchantURL(gw.MerchantURL()), ksher.WithVerifier(sandbox.Verifier()))
	require.NoError(t, err)
	_, err = client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
	require.NoError(t, err)
	require.NoError(t, m.Pay("A-1", ""))

	forged, err := ksher.NewClient("mch33333", sandbox.PrivateKey(), ksher.WithHTTPClient(gw.HTTPClient()),
		ksher.WithGatewayURL(gw.GatewayURL()), ksher.WithMerchantURL(gw.MerchantURL()), ksher.WithVerifier(sandbox.Verifier()))
	require.NoError(t, err)
	_, err = forged.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-2"))
	assert.Equal(t, ksher.CodeKsherSignError, codeOf(t, err))
	_, page := sandboxtest.Ask(t, gw, "GET", "/requests", "")
	assert.Contains(t, page, `the key of merchant &#34;mch33333&#34;`)
}

func TestTermsThatMakeNoMerchant(t *testing.T) {
	for name, tt := range map[string]struct {
		appID string
		terms sandbox.Terms
		err   string
	}{
		"app ID":    {"a b", sandbox.Terms{}, "mch12345"},
		"account":   {"mch1", sandbox.Terms{Account: "x"}, "offline and online"},
		"channel":   {"mch1", sandbox.Terms{Channels: []ksher.Channel{"true_money"}}, `"true_money"`},
		"currency":  {"mch1", sandbox.Terms{Currencies: []string{"USD"}}, "THB, MYR, JPY, AED"},
		"zone":      {"mch1", sandbox.Terms{Zone: "Asia/Kuala_Lumpur"}, "+07:00"},
		"key":       {"mch1", sandbox.Terms{PublicKey: "x"}, "the public key"},
		"TrueMoney": {"mch1", sandbox.Terms{TrueMoney: "sms"}, "qr and otp"},
		"fixed key": {sandbox.AppID, sandbox.Terms{PublicKey: publicPEM(t, sandbox.PublicKey(ksher.SignV2))}, "its key is fixed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sandbox.Start(sandbox.WithMerchant(tt.appID, tt.terms))
			require.ErrorContains(t, err, tt.err)
		})
	}
}

func TestMerchantsSurvive(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	start := func(opts ...sandbox.Option) *sandbox.Gateway {
		gw, err := sandbox.Start(append(opts, sandbox.WithStore(store), sandbox.WithSpeed(0))...)
		require.NoError(t, err)
		t.Cleanup(gw.Close)
		return gw
	}
	gw := start(sandbox.WithMerchant("mch60000", inMalaysia))
	made := merchant(t, gw, "mch60000")
	added, err := gw.AddMerchant("mch70000", sandbox.Terms{Currencies: []string{"AED"}})
	require.NoError(t, err)
	_, err = gw.AddMerchant("mch70000", sandbox.Terms{})
	require.ErrorContains(t, err, "already")
	gw.Close()

	gw = start()
	again := merchant(t, gw, "mch60000")
	assert.Equal(t, []any{inMalaysia, made.PrivateKeyPEM()}, []any{again.Terms, again.PrivateKeyPEM()})
	assert.Equal(t, []any{added.Terms, added.PrivateKeyPEM()},
		[]any{merchant(t, gw, "mch70000").Terms, merchant(t, gw, "mch70000").PrivateKeyPEM()})
	store.Full = true
	_, err = gw.AddMerchant("mch80000", sandbox.Terms{})
	require.ErrorContains(t, err, "data file")
	assert.Nil(t, gw.Known("mch80000"))
	store.Full = false
	gw.Close()

	gw = start(sandbox.WithMerchant("mch60000", sandbox.Terms{Zone: "+09:00"}))
	again = merchant(t, gw, "mch60000")
	assert.Equal(t, []any{"+09:00", made.PrivateKeyPEM()}, []any{again.Zone, again.PrivateKeyPEM()}, "new terms, and the same key")
}

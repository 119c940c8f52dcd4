package kshertest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

func order(no, notify string) *ksher.GatewayPayRequest {
	return &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: 100_00, FeeType: "THB", ProductName: "Coffee", MchNotifyURL: notify,
		ChannelList: []ksher.Channel{ksher.ChannelTrueMoney}, ReferURL: "https://shop.example",
		MchRedirectURL: "https://shop.example/ok", MchRedirectURLFail: "https://shop.example/no",
	}
}

// What a merchant's test says, from the order to the refund.
func TestMerchantsTest(t *testing.T) {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"result":"SUCCESS","msg":"OK"}`)
	}))
	defer shop.Close()
	gw := kshertest.New(t)
	_, err := gw.Client.GatewayPay(t.Context(), order("A-1", shop.URL))
	require.NoError(t, err)
	require.NoError(t, gw.Begin("A-1", ""))
	require.NoError(t, gw.GiveUp("A-1"))
	require.NoError(t, gw.Pay("A-1", ksher.ChannelTrueMoney))
	require.NoError(t, gw.Deliver(t.Context(), "A-1"))
	kshertest.AssertPaid(t, gw, "A-1", 100_00)
	kshertest.AssertNotified(t, gw, "A-1")
	kshertest.AssertRefunded(t, gw, "A-1", 0)
	require.NoError(t, gw.Settle("A-1"))

	_, err = gw.Client.GatewayPay(t.Context(), order("A-2", ""))
	require.NoError(t, err)
	require.NoError(t, gw.Fail("A-2"))
	assert.ErrorIs(t, gw.Expire("A-2"), kshertest.ErrNotPayable)
	assert.ErrorIs(t, gw.Pay("A-3", ""), kshertest.ErrNoOrder)
	require.NoError(t, gw.Inject(kshertest.Fault{Operation: "gateway_pay", Kind: kshertest.FaultDropAfter}))
	_, err = gw.Client.GatewayPay(t.Context(), order("A-4", ""))
	assert.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
	assert.Len(t, gw.Requests(), 3)
	there, err := gw.Order("A-4")
	require.NoError(t, err)
	assert.Equal(t, kshertest.StateCreated, there.State)
}

func TestClientOfEachGeneration(t *testing.T) {
	gw := kshertest.New(t)
	_, err := gw.VIP.Create(t.Context(), &vip.CScanBRequest{MerchantOrderID: "V-1", Amount: 100_00, Channel: "promptpay"})
	require.NoError(t, err)
	require.NoError(t, gw.Pay("V-1", ""))
	paid, err := gw.VIP.Query(t.Context(), vip.KindCScanB, &vip.QueryRequest{MerchantOrderID: "V-1"})
	require.NoError(t, err)
	assert.True(t, paid.Status == "Paid")

	charge, err := gw.Opn.CreateChargeWithSource(t.Context(), &opn.CreateChargeWithSourceRequest{Amount: 100_00, Currency: "THB", ReturnURI: "https://shop.example"})
	require.NoError(t, err)
	require.NoError(t, gw.PayOpn(charge.ID))
	charge, err = gw.Opn.GetCharge(t.Context(), charge.ID)
	require.NoError(t, err)
	assert.True(t, charge.Paid)
}

func TestBuyerWhoNeverTypesThePIN(t *testing.T) {
	gw := kshertest.New(t)
	payments, err := ksher.NewPayments(gw.Client, func(context.Context, *ksher.Order) error { return assert.AnError })
	require.NoError(t, err)
	began := gw.Now()
	_, err = payments.Charge(t.Context(), &ksher.QuickPayRequest{
		MchOrderNo: "T-1", TotalFee: 100_00, FeeType: "THB", AuthCode: ksher.NewSecret("130000000000000001")})
	require.ErrorIs(t, err, ksher.ErrNotPaid)
	assert.GreaterOrEqual(t, gw.Now().Sub(began), time.Minute)
}

func TestMerchantsApart(t *testing.T) {
	gw := kshertest.New(t)
	one, two := gw.Merchant("mch11111"), gw.Merchant("mch22222")
	assert.Same(t, one.Client, gw.Merchant("mch11111").Client)
	assert.Same(t, gw.Client, gw.Merchant(kshertest.AppID).Client)
	for _, c := range []*ksher.Client{gw.Client, one.Client, two.Client} {
		_, err := c.GatewayPay(t.Context(), order("A-1", ""))
		require.NoError(t, err)
		_, err = c.GatewayPay(t.Context(), order("A-1", ""))
		require.ErrorIs(t, err, ksher.CodeOrderError, "a number is used once by each")
	}
	require.NoError(t, one.Pay("A-1", ""))
	kshertest.AssertPaid(t, one, "A-1", 100_00)
	for _, other := range []kshertest.Orders{gw, two} {
		there, err := other.Order("A-1")
		require.NoError(t, err)
		assert.Equal(t, kshertest.StateCreated, there.State)
	}
	paid, err := one.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-1"})
	require.NoError(t, err)
	assert.Equal(t, "mch11111", paid.AppID)

	// An order of one is unknown to another, by any of its numbers.
	_, err = two.Client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{KsherOrderNo: paid.KsherOrderNo})
	assert.ErrorIs(t, err, ksher.ErrNotFound)
	_, err = one.Client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{KsherOrderNo: paid.KsherOrderNo})
	assert.NoError(t, err)
	_, err = two.Client.GatewayPay(t.Context(), order("A-2", ""))
	require.NoError(t, err)
	assert.ErrorIs(t, one.Pay("A-2", ""), kshertest.ErrNoOrder)

	// Neither a key nor an app ID of somebody else does.
	for appID, want := range map[string]ksher.Code{"mch22222": ksher.CodeKsherSignError, "mch33333": ksher.CodeKsherInvalidMchInfo} {
		key, err := ksher.ParsePrivateKey([]byte(one.PrivateKeyPEM()))
		require.NoError(t, err)
		thief, err := ksher.NewClient(appID, key, ksher.WithHTTPClient(gw.HTTPClient()), ksher.WithVerifier(kshertest.Verifier()),
			ksher.WithGatewayURL(gw.GatewayURL()), ksher.WithMerchantURL(gw.MerchantURL()))
		require.NoError(t, err)
		_, err = thief.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-1"})
		assert.ErrorContains(t, err, string(want))
	}
	balance, err := two.Client.GetPayoutBalance(t.Context(), &ksher.GetPayoutBalanceRequest{FeeType: "THB"})
	require.NoError(t, err)
	assert.Equal(t, "mch22222", balance.AppID)
}

func TestMerchantsByTheirTerms(t *testing.T) {
	gw := kshertest.New(t,
		kshertest.WithMerchant(kshertest.AppID, kshertest.Terms{Currencies: []string{"AED"}}),
		kshertest.WithMerchant("mch60000", kshertest.Terms{Currencies: []string{"MYR"}, Zone: "+08:00"}))
	for client, wants := range map[*ksher.Client]map[string]error{
		gw.Client:                      {"AED": nil, "MYR": ksher.CodeKsherFeeTypeNotMatch, "THB": ksher.CodeKsherFeeTypeNotMatch},
		gw.Merchant("mch60000").Client: {"AED": ksher.CodeKsherFeeTypeNotMatch, "MYR": nil, "THB": ksher.CodeKsherFeeTypeNotMatch},
	} {
		for currency, want := range wants {
			req := order("A-"+currency, "")
			req.FeeType = currency
			_, err := client.GatewayPay(t.Context(), req)
			assert.ErrorIs(t, err, want, currency)
		}
	}
	_, err := kshertest.Start(kshertest.WithMerchant("mch1", kshertest.Terms{Currencies: []string{"USD"}}))
	require.ErrorContains(t, err, "USD")
}

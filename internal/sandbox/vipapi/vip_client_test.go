package vipapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/vip"
)

func vipClient(t *testing.T, gw *sandbox.Gateway, token string) *vip.Client {
	t.Helper()
	client, err := vip.NewClient(gw.VIPURL(), token, vip.WithHTTPClient(gw.HTTPClient()), vip.WithStrict(), vip.WithRetry(1, 0))
	require.NoError(t, err)
	return client
}

// vipNotifications is the webhook of a merchant who wants to know how orders end, paid or
// not.
func vipNotifications(t *testing.T, client *vip.Client, address string, kind vip.Kind, tell func(*vip.Order)) http.Handler {
	t.Helper()
	payments, err := vip.NewPayments(client, func(_ context.Context, o *vip.Order) error {
		tell(o)
		return nil
	}, vip.WithEnded(func(_ context.Context, _ vip.OpenOrder, o *vip.Order) error {
		tell(o)
		return nil
	}))
	require.NoError(t, err)
	n, err := payments.Notifications(address, func(_ context.Context, id string) (vip.OpenOrder, error) {
		total := ksher.Amount(1_00)
		if id == "ชา 1" {
			total = 150_50
		}
		return vip.OpenOrder{MerchantOrderID: id, Kind: kind, Amount: total, Currency: "THB"}, nil
	})
	require.NoError(t, err)
	return n
}

var vipRequests = map[vip.Kind]vip.CreateRequest{
	vip.KindRedirect: &vip.RedirectRequest{MerchantOrderID: "ชา 1", Amount: 150_50, RedirectURL: "https://shop.example/ok?a=1&b=2", RedirectURLFail: "https://shop.example/no"},
	vip.KindCScanB:   &vip.CScanBRequest{MerchantOrderID: "ชา 1", Amount: 150_50, Channel: "wechat", Note: "it's \"tea\"\n"},
	vip.KindBScanC:   &vip.BScanCRequest{MerchantOrderID: "ชา 1", Amount: 150_50, Channel: "alipay", AuthCode: ksher.NewSecret("280000000000000000")},
	vip.KindMiniApp:  &vip.MiniAppRequest{MerchantOrderID: "ชา 1", Amount: 150_50, MiniAppOpenID: "o", MiniAppAppID: "wx"},
	vip.KindApp:      &vip.AppRequest{MerchantOrderID: "ชา 1", Amount: 150_50, Channel: "alipay"},
}

// The client of this project and the gateway, which share no code, understand each
// other.
func TestVIPClient(t *testing.T) {
	for kind, create := range vipRequests {
		t.Run(string(kind), func(t *testing.T) {
			ctx, gw := t.Context(), sandbox.New(t)
			client := vipClient(t, gw, sandbox.VIPToken)
			var told []vip.Status
			server := httptest.NewUnstartedServer(nil)
			address := "http://" + server.Listener.Addr().String() + "/hook"
			server.Config.Handler = vipNotifications(t, client, address, kind, func(o *vip.Order) {
				assert.Equal(t, kind, o.Kind)
				told = append(told, o.Status)
			})
			server.Start()
			defer server.Close()
			require.NoError(t, gw.SetVIPWebhook(address))

			order, err := client.Create(ctx, create)
			require.NoError(t, err)
			switch kind {
			case vip.KindCScanB:
				_, media, err := order.Image()
				assert.NoError(t, err)
				assert.Equal(t, "image/png", media)
			case vip.KindMiniApp:
				_, err := order.WeChatPayment()
				assert.NoError(t, err)
			}
			if kind != vip.KindBScanC {
				order, err = client.Query(ctx, kind, &vip.QueryRequest{MerchantOrderID: "ชา 1"})
				require.NoError(t, err)
				assert.Equal(t, vip.StatusAvailable, order.Status)
				require.NoError(t, gw.Pay("ชา 1", map[vip.Kind]ksher.Channel{vip.KindRedirect: ksher.ChannelTrueMoney}[kind]))
			}
			order, err = client.Query(ctx, kind, &vip.QueryRequest{MerchantOrderID: "ชา 1", MID: sandbox.AppID})
			require.NoError(t, err)
			require.NoError(t, order.CheckPaid("ชา 1", 150_50, "THB"))
			assert.WithinDuration(t, gw.Now(), order.OrderDate, time.Second)
			require.NoError(t, gw.Deliver(ctx, "ชา 1"))

			refund, err := client.Refund(ctx, kind, &vip.RefundRequest{MerchantOrderID: "ชา 1", RefundOrderID: "R'1\"", RefundAmount: 150_50})
			require.NoError(t, err)
			assert.Equal(t, ksher.Amount(-150_50), refund.Amount)
			require.NoError(t, gw.Deliver(ctx, "ชา 1"))
			assert.Equal(t, []vip.Status{vip.StatusPaid}, told, "a refund is accepted, and not told")
			_, err = client.Cancel(ctx, kind, &vip.CancelRequest{MerchantOrderID: "ชา 1"})
			assert.ErrorIs(t, err, vip.CodeFail)
			assert.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)

			day := gw.Now().In(time.FixedZone("", 7*60*60)).Format("20060102")
			var amounts []ksher.Amount
			var types []vip.TransactionType
			for row, err := range client.Transactions(ctx, &vip.TransactionsRequest{Date: day, MID: sandbox.AppID, Limit: 1}) {
				require.NoError(t, err)
				assert.True(t, row.Verified)
				assert.False(t, row.TransactionTime.IsZero())
				amounts, types = append(amounts, row.Amount), append(types, row.Type)
			}
			assert.Equal(t, []vip.TransactionType{vip.TransactionTypePay, vip.TransactionTypeRefund}, types)
			assert.Equal(t, []ksher.Amount{150_50, -150_50}, amounts)
			settle := &vip.SettlementRequest{Date: day, MID: sandbox.AppID, Channel: order.Channel}
			_, err = client.Settlement(ctx, settle)
			assert.ErrorIs(t, err, ksher.ErrNotFound)
			gw.Advance(24 * time.Hour)
			settlement, err := client.Settlement(ctx, settle)
			require.NoError(t, err)
			assert.Equal(t, ksher.Amount(150_50), settlement.Refund)
			assert.True(t, settlement.Verified)
			rows := 0
			for _, err := range client.SettlementOrders(ctx, &vip.SettlementOrdersRequest{ReferenceID: settlement.ReferenceID}) {
				require.NoError(t, err)
				rows++
			}
			assert.Equal(t, 2, rows)
			channels, err := client.Channels(ctx, &vip.ChannelsRequest{MID: sandbox.AppID})
			require.NoError(t, err)
			assert.Contains(t, channels.Channels, "truemoney")
		})
	}
}

// vipStatus is the HTTP status of a refusal.
func vipStatus(err error) int {
	var failure *vip.Error
	if !errors.As(err, &failure) {
		return 0
	}
	return failure.HTTPStatus
}

func TestVIPClientRefused(t *testing.T) {
	ctx, gw := t.Context(), sandbox.New(t)
	client := vipClient(t, gw, sandbox.VIPToken)
	query := func(c *vip.Client) error {
		_, err := c.Query(ctx, vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "none"})
		return err
	}
	assert.ErrorIs(t, query(client), ksher.ErrNotFound)
	assert.Equal(t, http.StatusUnauthorized, vipStatus(query(vipClient(t, gw, "another"))))
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "vip redirect query", Kind: sandbox.FaultRefuse, Code: "403"}))
	assert.Equal(t, http.StatusForbidden, vipStatus(query(client)))
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "vip redirect query", Kind: sandbox.FaultOtherKey}))
	_, err := client.Create(ctx, vipRequests[vip.KindRedirect])
	require.NoError(t, err)
	_, err = client.Query(ctx, vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "ชา 1"})
	assert.ErrorIs(t, err, fault.ErrSignatureMismatch)
	_, err = client.Create(ctx, vipRequests[vip.KindRedirect])
	assert.ErrorIs(t, err, vip.CodeFail)

	_, err = client.Create(ctx, &vip.AppRequest{MerchantOrderID: "A", Amount: 1, Channel: "card", Provider: "de"})
	require.Equal(t, http.StatusBadRequest, vipStatus(err))
	var failure *vip.Error
	require.ErrorAs(t, err, &failure)
	assert.ElementsMatch(t, []ksher.FieldError{
		{Field: "channel", Problem: "Must be one of: wechat, alipay."}, {Field: "provider", Problem: "Must be one of: th, ph, my."},
	}, failure.Fields)

	_, err = client.Create(ctx, &vip.CScanBRequest{MerchantOrderID: "A", Amount: 1, Channel: "true_money"})
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, []ksher.FieldError{{Field: "channel", Problem: `Must be one of Ksher's channels, such as "truemoney".`}}, failure.Fields)

	_, err = client.Create(ctx, &vip.BScanCRequest{MerchantOrderID: "B", Amount: 1, Channel: "alipay", AuthCode: ksher.NewSecret("280000000000000003")})
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, "invalid_payment_code", failure.Reason)
	_, err = client.Create(ctx, &vip.BScanCRequest{MerchantOrderID: "C", Amount: 1, Channel: "alipay", AuthCode: ksher.NewSecret("280000000000000001")})
	assert.ErrorIs(t, err, vip.CodePending)
	_, err = client.Channels(ctx, &vip.ChannelsRequest{MID: "mch99999"})
	assert.ErrorIs(t, err, vip.CodeUnknown)
}

// The order of a code that can't be charged can be queried, and nobody takes it for paid.
func TestVIPClientQueriesAFailedCharge(t *testing.T) {
	ctx, gw := t.Context(), sandbox.New(t)
	client := vipClient(t, gw, sandbox.VIPToken)
	for _, code := range []string{"280000000000000002", "280000000000000003"} {
		charge := &vip.BScanCRequest{MerchantOrderID: code, Amount: 1_00, Channel: "alipay", AuthCode: ksher.NewSecret(code)}
		_, err := client.Create(ctx, charge)
		require.ErrorIs(t, err, vip.CodeFail)
		require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
		order, err := client.Query(ctx, vip.KindBScanC, &vip.QueryRequest{MerchantOrderID: code})
		require.NoError(t, err)
		assert.Equal(t, vip.StatusClosed, order.Status)
		assert.Equal(t, vip.CodeFail, order.ErrorCode)
		assert.Equal(t, "Fail", order.ErrorMessage)
		assert.ErrorIs(t, order.CheckPaid(code, 1_00, "THB"), ksher.ErrNotPaid)
		_, err = client.Create(ctx, charge)
		assert.ErrorIs(t, err, ksher.ErrOutcomeUnknown, "the number is taken")
	}
}

func TestVIPClientOfAnAlipayMiniProgram(t *testing.T) {
	client := vipClient(t, sandbox.New(t), sandbox.VIPToken)
	order, err := client.Create(t.Context(), &vip.MiniAppRequest{MerchantOrderID: "A", Amount: 1_00, Channel: "alipay"})
	require.NoError(t, err)
	assert.Equal(t, "miniAPP", order.APIName)
	assert.Contains(t, order.Reference, "sign=")
}

// An order made under one form of the mid is found under the other.
func TestVIPClientOfASubMerchant(t *testing.T) {
	ctx := t.Context()
	short, whole := strings.TrimPrefix(sandbox.AppID, "mch"), sandbox.AppID
	for _, mids := range [][2]string{{short, whole}, {whole, short}, {short, short}} {
		client := vipClient(t, sandbox.New(t, sandbox.WithStrict(false)), sandbox.VIPToken)
		_, err := client.Create(ctx, &vip.CScanBRequest{MerchantOrderID: "A", Amount: 1_00, Channel: "wechat", MID: mids[0]})
		require.NoError(t, err)
		_, err = client.Query(ctx, vip.KindCScanB, &vip.QueryRequest{MerchantOrderID: "A", MID: mids[1]})
		require.NoError(t, err)
		_, err = client.Query(ctx, vip.KindCScanB, &vip.QueryRequest{MerchantOrderID: "A", MID: "mch99999"})
		assert.ErrorIs(t, err, vip.CodeUnknown)
	}
}

// What the till's buyer does later reaches the merchant.
func TestVIPClientHearsOfAnEnd(t *testing.T) {
	gw := sandbox.New(t)
	client := vipClient(t, gw, sandbox.VIPToken)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	var told []string
	mux.Handle("/hook", vipNotifications(t, client, server.URL+"/hook", vip.KindCScanB, func(o *vip.Order) {
		told = append(told, o.MerchantOrderID+" "+string(o.Status))
	}))
	require.NoError(t, gw.SetVIPWebhook(server.URL+"/hook"))
	for _, no := range []string{"closed", "timed out"} {
		_, err := client.Create(t.Context(), &vip.CScanBRequest{MerchantOrderID: no, Amount: 1_00, Channel: "wechat"})
		require.NoError(t, err)
	}
	order, err := client.Cancel(t.Context(), vip.KindCScanB, &vip.CancelRequest{MerchantOrderID: "closed"})
	require.NoError(t, err)
	assert.Equal(t, vip.StatusClosed, order.Status)
	gw.Advance(3 * time.Hour)
	assert.Equal(t, []string{"closed Closed", "timed out Closed"}, told)
}

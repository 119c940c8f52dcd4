package vip_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/vip"
)

// local returns a client for a local gateway.
func local(t testing.TB, opts ...vip.Option) (*sandbox.Gateway, *vip.Client) {
	t.Helper()
	gateway := sandbox.New(t)
	opts = append([]vip.Option{vip.WithHTTPClient(gateway.HTTPClient()), vip.WithStrict(), vip.WithRetry(1, 0)}, opts...)
	client, err := vip.NewClient(gateway.VIPURL(), sandbox.VIPToken, opts...)
	require.NoError(t, err)
	return gateway, client
}

// Every operation of every kind, there and back.
func TestRoundTrip(t *testing.T) {
	for kind, req := range newOrders() {
		t.Run(string(kind), func(t *testing.T) {
			gateway, client := local(t)
			switch r := req.(type) {
			case *vip.MiniAppRequest:
				r.Channel, r.Note = "wechat", "ชา ☕ \"&=\\"
			case *vip.AppRequest:
				r.Channel = "alipay"
			}
			created, err := client.Create(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, kind, created.Kind)
			switch kind {
			case vip.KindRedirect:
				require.Regexp(t, "^http://", created.Reference)
			case vip.KindCScanB:
				_, mediaType, err := created.Image()
				require.NoError(t, err)
				require.Equal(t, "image/png", mediaType)
			case vip.KindMiniApp:
				require.Equal(t, "ชา ☕ \"&=\\", created.Note)
				payment, err := created.WeChatPayment()
				require.NoError(t, err)
				require.Contains(t, payment.Package, "prepay_id=")
			}
			query := func() *vip.Order {
				o, err := client.Query(t.Context(), kind, &vip.QueryRequest{MerchantOrderID: "A-1"})
				require.NoError(t, err)
				return o
			}
			if kind != vip.KindBScanC {
				require.Equal(t, vip.StatusAvailable, query().Status)
				require.ErrorIs(t, query().CheckPaid("A-1", 150_50, "THB"), ksher.ErrNotPaid)
				require.NoError(t, gateway.Pay("A-1", map[vip.Kind]ksher.Channel{vip.KindRedirect: ksher.ChannelTrueMoney}[kind]))
			}
			require.NoError(t, query().CheckPaid("A-1", 150_50, "THB"))
			require.WithinDuration(t, gateway.Now(), query().OrderDate, 2*time.Second)

			_, err = client.Cancel(t.Context(), kind, &vip.CancelRequest{MerchantOrderID: "A-1"})
			require.ErrorIs(t, err, vip.CodeFail)
			require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)

			if kind == vip.KindCScanB {
				return // PromptPay has no refunds.
			}
			refund, err := client.Refund(t.Context(), kind, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-1", RefundAmount: 150_50})
			require.NoError(t, err)
			require.Equal(t, ksher.Amount(-150_50), refund.Amount)
			require.Equal(t, "Refund", refund.OrderType)
			require.Equal(t, vip.StatusRefunded, query().Status)
			_, err = client.Refund(t.Context(), kind, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-2", RefundAmount: 1})
			require.ErrorIs(t, err, vip.CodeFail)
		})
		t.Run(string(kind)+" cancelled", func(t *testing.T) {
			_, client := local(t)
			if r, ok := req.(*vip.BScanCRequest); ok {
				r.AuthCode = ksher.NewSecret("287634438256643901")
				_, err := client.Create(t.Context(), r)
				require.ErrorIs(t, err, vip.CodePending)
				require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
			} else {
				_, err := client.Create(t.Context(), req)
				require.NoError(t, err)
			}
			closed, err := client.Cancel(t.Context(), kind, &vip.CancelRequest{MerchantOrderID: "A-1"})
			require.NoError(t, err)
			require.Equal(t, vip.StatusClosed, closed.Status)
		})
	}
	_, client := local(t)
	_, err := client.Query(t.Context(), vip.KindApp, &vip.QueryRequest{MerchantOrderID: "A-1"})
	require.ErrorIs(t, err, ksher.ErrNotFound)
	_, err = client.Create(t.Context(), &vip.BScanCRequest{MerchantOrderID: "A-1", Amount: 1, Channel: "alipay", AuthCode: ksher.NewSecret("287634438256643902")})
	var failure *vip.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, "invalid_payment_code", failure.Reason)
	_, err = client.Create(t.Context(), &vip.CScanBRequest{MerchantOrderID: "A-1", Amount: 1, Channel: "alipay", Provider: "atlantis"})
	require.ErrorAs(t, err, &failure)
	require.Equal(t, []ksher.FieldError{{Field: "provider", Problem: "Must be one of: th, ph, my."}}, failure.Fields)
	_, err = client.Create(t.Context(), &vip.CScanBRequest{MerchantOrderID: "A-1", Amount: 1, Channel: "alipay", MID: "mch1"})
	require.ErrorIs(t, err, vip.CodeUnknown)

	gateway, _ := local(t)
	stranger, err := vip.NewClient(gateway.VIPURL(), "another-token", vip.WithHTTPClient(gateway.HTTPClient()))
	require.NoError(t, err)
	_, err = stranger.Create(t.Context(), newOrders()[vip.KindCScanB])
	require.ErrorIs(t, err, vip.ErrUnauthorized)
	require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
}

// A number that was used is refused, and what became of the first order is asked for.
func TestRoundTripUsedNumber(t *testing.T) {
	gateway, client := local(t)
	require.NoError(t, gateway.Inject(sandbox.Fault{Operation: "vip bscanc create", Kind: sandbox.FaultDropAfter}))
	for range 2 {
		_, err := client.Create(t.Context(), newOrders()[vip.KindBScanC])
		require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
	}
	order, err := client.Query(t.Context(), vip.KindBScanC, &vip.QueryRequest{MerchantOrderID: "A-1"})
	require.NoError(t, err)
	require.NoError(t, order.CheckPaid("A-1", 150_50, "THB"))
}

func TestRoundTripReports(t *testing.T) {
	gateway, client := local(t)
	for _, id := range []string{"A-1", "A-2", "A-3"} {
		_, err := client.Create(t.Context(), &vip.RedirectRequest{MerchantOrderID: id, Amount: 100_00, RedirectURL: "https://a.example", RedirectURLFail: "https://a.example"})
		require.NoError(t, err)
		require.NoError(t, gateway.Pay(id, ksher.ChannelTrueMoney))
	}
	_, err := client.Refund(t.Context(), vip.KindRedirect, &vip.RefundRequest{MerchantOrderID: "A-2", RefundOrderID: "R-2", RefundAmount: 40_00})
	require.NoError(t, err)
	day := gateway.Now().In(time.FixedZone("", 7*3600)).Format("20060102")
	rows, err := collect(client.Transactions(t.Context(), &vip.TransactionsRequest{Date: day, MID: sandbox.AppID, Limit: 2}))
	require.NoError(t, err)
	require.Len(t, rows, 4)
	var sum ksher.Amount
	for _, row := range rows {
		require.True(t, row.Verified)
		sum += row.Amount
	}
	require.Equal(t, ksher.Amount(260_00), sum)

	channels, err := client.Channels(t.Context(), &vip.ChannelsRequest{MID: sandbox.AppID})
	require.NoError(t, err)
	require.True(t, channels.Verified)
	require.Contains(t, channels.Channels, "truemoney")
	_, err = client.Channels(t.Context(), &vip.ChannelsRequest{MID: "mch1"})
	require.ErrorIs(t, err, vip.CodeUnknown)
	require.ErrorContains(t, err, "NOT allowed mid")

	ask := &vip.SettlementRequest{Date: day, MID: sandbox.AppID, Channel: "truemoney"}
	_, err = client.Settlement(t.Context(), ask)
	require.ErrorIs(t, err, ksher.ErrNotFound)
	gateway.Advance(25 * time.Hour)
	settlement, err := client.Settlement(t.Context(), ask)
	require.NoError(t, err)
	require.True(t, settlement.Verified)
	require.Equal(t, ksher.Amount(260_00), settlement.Net)
	require.False(t, settlement.Time.IsZero())
	orders, err := collect(client.SettlementOrders(t.Context(), &vip.SettlementOrdersRequest{ReferenceID: settlement.ReferenceID, Limit: 3}))
	require.NoError(t, err)
	require.Equal(t, rows, orders)
}

// The faults of the local gateway: what was carried out and what wasn't can't be
// told apart, and is never sent again.
func TestRoundTripFaults(t *testing.T) {
	for _, c := range []struct {
		kind sandbox.FaultKind
		done bool
	}{
		{sandbox.FaultDropBefore, false}, {sandbox.FaultDropAfter, true}, {sandbox.FaultHTTP500, false}, {sandbox.FaultHTML502, false},
		{sandbox.FaultEmpty, true}, {sandbox.FaultTruncated, true}, {sandbox.FaultEndless, true}, {sandbox.FaultBadSignature, true}, {sandbox.FaultOtherKey, true},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			gateway, client := local(t, vip.WithMaxResponseBytes(64<<10))
			inject := func(operation string) {
				require.NoError(t, gateway.Inject(sandbox.Fault{Operation: "vip redirect " + operation, Kind: c.kind}))
			}
			query := func() (*vip.Order, error) {
				return client.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
			}
			inject("create")
			_, err := client.Create(t.Context(), newOrders()[vip.KindRedirect])
			require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
			if _, err = query(); c.done {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, ksher.ErrNotFound)
				_, err = client.Create(t.Context(), newOrders()[vip.KindRedirect])
				require.NoError(t, err)
			}
			if !strings.HasPrefix(string(c.kind), "drop-") { // After which net/http itself repeats a GET.
				inject("query")
				_, err = query()
				require.Error(t, err)
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
			}

			require.NoError(t, gateway.Pay("A-1", ksher.ChannelTrueMoney))
			inject("refund")
			_, err = client.Refund(t.Context(), vip.KindRedirect, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-1", RefundAmount: 150_50})
			require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
			order, err := query()
			require.NoError(t, err)
			require.Equal(t, map[bool]vip.Status{true: vip.StatusRefunded, false: vip.StatusPaid}[c.done], order.Status)
		})
	}
}

// The local gateway notifies the handler, which tells the shop once.
func TestRoundTripNotifications(t *testing.T) {
	gateway, client := local(t)
	var paid, ended atomic.Int32
	var fails atomic.Bool
	payments, err := vip.NewPayments(client, func(_ context.Context, o *vip.Order) error {
		if fails.Load() {
			return errors.New("not now")
		}
		paid.Add(1)
		return o.CheckPaid("A-1", 150_50, "THB")
	}, vip.WithEnded(func(context.Context, vip.OpenOrder, *vip.Order) error {
		ended.Add(1)
		return nil
	}))
	require.NoError(t, err)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	req := newOrders()[vip.KindRedirect].(*vip.RedirectRequest)
	n, err := payments.Notifications(server.URL+"/hook", func(context.Context, string) (vip.OpenOrder, error) { return req.OpenOrder("THB"), nil })
	require.NoError(t, err)
	mux.Handle("/hook", n)
	require.NoError(t, gateway.SetVIPWebhook(server.URL+"/hook"))
	_, err = client.Create(t.Context(), req)
	require.NoError(t, err)
	require.NoError(t, gateway.Pay("A-1", ksher.ChannelTrueMoney))
	fails.Store(true)
	require.Error(t, gateway.Deliver(t.Context(), "A-1"))
	fails.Store(false)
	for _, kind := range []sandbox.FaultKind{sandbox.FaultBadSignature, sandbox.FaultOtherKey, sandbox.FaultCorrupt, sandbox.FaultTruncated} {
		require.NoError(t, gateway.Inject(sandbox.Fault{Operation: "notify", Kind: kind}))
		require.Error(t, gateway.Deliver(t.Context(), "A-1"), kind)
		require.Zero(t, paid.Load())
	}
	require.NoError(t, gateway.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultDuplicate}))
	require.NoError(t, gateway.Deliver(t.Context(), "A-1"))
	require.EqualValues(t, 1, paid.Load())
	_, err = client.Refund(t.Context(), vip.KindRedirect, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-1", RefundAmount: 150_50})
	require.NoError(t, err)
	require.NoError(t, gateway.Deliver(t.Context(), "A-1"))
	require.EqualValues(t, 1, paid.Load())
	require.Zero(t, ended.Load(), "it ended with a payment")
}

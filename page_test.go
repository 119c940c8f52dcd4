package ksher_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestGatewayPage(t *testing.T) {
	const next = "order2"
	errNoNumber := errors.New("the database is down")
	for _, tt := range []struct {
		name string
		// faults are those of gateway_pay, one after the other.
		faults []sandbox.FaultKind
		code   ksher.Code
		// taken are numbers of other people's orders of the same amount.
		taken []string
		next  func() (string, error)
		want  error
		// orders has the states of the orders in the end, and lost how often next was asked.
		orders map[string]sandbox.State
		lost   int
	}{
		{name: "nothing happens", orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Created}},
		{name: "the answer is lost", faults: []sandbox.FaultKind{sandbox.FaultDropAfter},
			orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Cancelled, next: sandbox.Created}, lost: 1},
		{name: "the request is lost", faults: []sandbox.FaultKind{sandbox.FaultHTTP500, sandbox.FaultHTML502},
			orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Created}},
		{name: "it is refused", faults: []sandbox.FaultKind{sandbox.FaultRefuse}, code: ksher.CodeSignError, want: ksher.CodeSignError},
		{name: "each request is lost", want: ksher.ErrOutcomeUnknown,
			faults: []sandbox.FaultKind{sandbox.FaultHTTP500, sandbox.FaultHTTP500, sandbox.FaultHTTP500, sandbox.FaultHTTP500}},
		{name: "there is no next number", faults: []sandbox.FaultKind{sandbox.FaultDropAfter},
			next: func() (string, error) { return "", errNoNumber }, want: errNoNumber,
			orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Created}, lost: 1},
		{name: "the next number is the same", faults: []sandbox.FaultKind{sandbox.FaultDropAfter},
			next: func() (string, error) { return testkit.OrderNo, nil }, want: errAny,
			orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Created}, lost: 1},
		{name: "the number is somebody else's", taken: []string{testkit.OrderNo}, want: ksher.ErrDuplicate,
			orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Created}},
		{name: "the next number is somebody else's", faults: []sandbox.FaultKind{sandbox.FaultDropAfter}, taken: []string{next},
			want: ksher.ErrDuplicate, orders: map[string]sandbox.State{testkit.OrderNo: sandbox.Cancelled, next: sandbox.Created}, lost: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gw := sandbox.New(t)
			client, err := gw.NewClient(ksher.WithRetry(1, 0))
			require.NoError(t, err)
			for _, no := range tt.taken {
				_, err := client.GatewayPay(t.Context(), testkit.GatewayPayOf(no))
				require.NoError(t, err)
			}
			for _, kind := range tt.faults {
				require.NoError(t, gw.Inject(sandbox.Fault{Operation: "gateway_pay", Kind: kind, Code: tt.code}))
			}
			lost := 0
			page, err := client.GatewayPage(t.Context(), testkit.GatewayPayOf(testkit.OrderNo), func(_ context.Context, o ksher.OpenOrder) (string, error) {
				lost++
				want := testkit.GatewayPayOf(testkit.OrderNo).OpenOrder()
				assert.Equal(t, want, o)
				if tt.next != nil {
					return tt.next()
				}
				return next, nil
			})
			switch tt.want {
			case nil:
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(page.PayContent, gw.URL()), page.PayContent)
			case errAny:
				require.Error(t, err)
			default:
				require.ErrorIs(t, err, tt.want)
			}
			assert.Equal(t, tt.lost, lost)
			got := make(map[string]sandbox.State)
			for _, o := range gw.Orders() {
				got[o.MchOrderNo] = o.State
				assert.Equal(t, o.MchOrderNo, o.Params.Get("mch_code"))
			}
			if tt.orders == nil {
				tt.orders = map[string]sandbox.State{}
			}
			assert.Equal(t, tt.orders, got)
			assert.Empty(t, gw.Faults(), "the fault hasn't happened")
		})
	}
}

// A number that belongs to an order of another amount isn't given up as lost.
func TestGatewayPageOfAnotherOrder(t *testing.T) {
	gw := sandbox.New(t)
	other := testkit.GoodGatewayPay()
	other.TotalFee = 99_00
	_, err := gw.Client.GatewayPay(t.Context(), other)
	require.NoError(t, err)
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "gateway_pay", Kind: sandbox.FaultHTTP500}))
	_, err = gw.Client.GatewayPage(t.Context(), testkit.GoodGatewayPay(), func(context.Context, ksher.OpenOrder) (string, error) {
		t.Error("another's order was given up")
		return "order2", nil
	})
	require.ErrorIs(t, err, ksher.ErrOtherOrder)
	require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
	require.Equal(t, sandbox.Created, gw.Orders()[0].State)
}

func TestGatewayPageRefuses(t *testing.T) {
	gw := sandbox.New(t)
	next := func(context.Context, ksher.OpenOrder) (string, error) { return "order2", nil }
	var invalid *ksher.ValidationError
	_, err := gw.Client.GatewayPage(t.Context(), testkit.GoodGatewayPay(), nil)
	require.ErrorAs(t, err, &invalid)
	_, err = gw.Client.GatewayPage(t.Context(), nil, next)
	require.ErrorAs(t, err, &invalid)
	require.Empty(t, gw.Requests())
}

func TestRefunds(t *testing.T) {
	for _, host := range []ksher.Host{ksher.HostGateway, ksher.HostMerchant} {
		t.Run(string(host), func(t *testing.T) {
			gw := sandbox.New(t)
			testkit.PayAt(map[ksher.Host]func(*testing.T, *sandbox.Gateway){ksher.HostGateway: testkit.CreateAtGateway, ksher.HostMerchant: testkit.CreateAtMerchant}[host])(t, gw)
			req := &ksher.RefundsRequest{MchOrderNo: testkit.OrderNo, Host: host}
			refunds, err := gw.Client.Refunds(t.Context(), req)
			require.NoError(t, err)
			require.Empty(t, refunds)
			for _, no := range []string{"R1", "R2"} {
				_, err := gw.Client.Refund(t.Context(), &ksher.RefundRequest{Host: host, MchOrderNo: testkit.OrderNo, MchRefundNo: no, RefundFee: 30_00})
				require.NoError(t, err)
			}
			refunds, err = gw.Client.Refunds(t.Context(), req)
			require.NoError(t, err)
			require.Len(t, refunds, 2)
			for i, no := range []string{"R1", "R2"} {
				assert.Equal(t, no, refunds[i].MchRefundNo)
				assert.Equal(t, ksher.Amount(30_00), refunds[i].MchRefundFee)
				assert.Equal(t, ksher.RefundStateSuccess, refunds[i].RefundState)
			}
		})
	}
}

func TestRefundsRefuses(t *testing.T) {
	gw := sandbox.New(t)
	for name, req := range map[string]*ksher.RefundsRequest{
		"nothing": nil, "no number": {Host: ksher.HostGateway}, "no host": {MchOrderNo: testkit.OrderNo}, "another host": {MchOrderNo: testkit.OrderNo, Host: "vip"},
	} {
		_, err := gw.Client.Refunds(t.Context(), req)
		var invalid *ksher.ValidationError
		require.ErrorAs(t, err, &invalid, name)
	}
	require.Empty(t, gw.Requests())
	_, err := gw.Client.Refunds(t.Context(), &ksher.RefundsRequest{MchOrderNo: testkit.OrderNo, Host: ksher.HostGateway})
	require.ErrorIs(t, err, ksher.ErrNotFound)
}

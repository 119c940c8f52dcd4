package kshertest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// payer is what this shop needs of Ksher.
type payer interface {
	GatewayPay(context.Context, *ksher.GatewayPayRequest) (*ksher.GatewayPayResponse, error)
	GatewayOrderQuery(context.Context, *ksher.GatewayOrderQueryRequest) (*ksher.GatewayOrderQueryResponse, error)
	Refund(context.Context, *ksher.RefundRequest) (*ksher.Refund, error)
}

// In production it is the client.
var _ payer = (*ksher.Client)(nil)

// giveBack is the merchant's own code, which the test is about.
func giveBack(ctx context.Context, k payer, no string, amount ksher.Amount) string {
	_, err := k.Refund(ctx, &ksher.RefundRequest{
		Host: ksher.HostGateway, MchOrderNo: no, MchRefundNo: no + "-R1", RefundFee: amount,
	})
	switch {
	case err == nil:
		return "refunded"
	case errors.Is(err, ksher.ErrOutcomeUnknown):
		return "in doubt: the same again later"
	case errors.Is(err, ksher.CodeKsherRefundExpire):
		return "too late: pay it back by hand"
	}
	return "refused: a person has to look"
}

// failing is a fake whose calls fail with that error.
type failing struct{ err error }

func (f failing) GatewayPay(context.Context, *ksher.GatewayPayRequest) (*ksher.GatewayPayResponse, error) {
	return nil, f.err
}

func (f failing) GatewayOrderQuery(context.Context, *ksher.GatewayOrderQueryRequest) (*ksher.GatewayOrderQueryResponse, error) {
	return nil, f.err
}

func (f failing) Refund(context.Context, *ksher.RefundRequest) (*ksher.Refund, error) {
	return nil, f.err
}

// A fake behind the shop's own interface fails as the client would, without any HTTP.
func Example_ownInterface() {
	ctx := context.Background()
	for _, err := range []error{
		kshertest.Refusal("order_refund", ksher.CodeKsherRefundExpire),
		kshertest.Unknown("order_refund"),
		kshertest.BadAnswer("order_refund"),
	} {
		fmt.Println(giveBack(ctx, failing{err}, "A-1001", 75_00))
	}
	// Output:
	// too late: pay it back by hand
	// in doubt: the same again later
	// in doubt: the same again later
}

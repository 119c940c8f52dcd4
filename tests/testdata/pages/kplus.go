package shop

import (
	"context"
	"database/sql"
	"net/http/httptest"

	"github.com/ksher-go/ksher/kshertest"
	"github.com/ksher-go/ksher/opn"
)

var (
	client   *opn.Client
	payments *opn.Payments
	charge   *opn.Charge
	db       books
	shop     *httptest.Server
)

type books struct{}

func (books) OpenOrders(ctx context.Context, after string, limit int) ([]opn.OpenOrder, error) {
	return nil, nil
}

func (books) MarkPaid(ctx context.Context, chargeID string) error    { return nil }
func (books) CloseCharge(ctx context.Context, chargeID string) error { return nil }
func (books) OrderOfCharge(ctx context.Context, chargeID string) (opn.OpenOrder, error) {
	return opn.OpenOrder{}, nil
}

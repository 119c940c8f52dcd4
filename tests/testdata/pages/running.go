package shop

import "context"

var (
	dueOrders ksher.OpenOrders
	place     string
	req       *ksher.NativePayRequest
	db        books
	m         *merchant
	appID     string
)

type books struct{}

func (books) Merchant(ctx context.Context, appID string) (*merchant, error) { return nil, nil }

type merchant struct {
	client *ksher.Client
	orders ksher.OpenOrders
	place  string
}

func (*merchant) expected(context.Context, string) (ksher.OpenOrder, error) {
	return ksher.OpenOrder{}, nil
}

func put(context.Context, []byte) error { return nil }

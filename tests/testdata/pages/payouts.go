package shop

import (
	"context"

	"github.com/ksher-go/ksher"
)

var (
	db          books
	account, no string
	amount      ksher.Amount
)

// books are the merchant's own database.
type books struct{}

func (books) KeepPayout(context.Context, *ksher.PayoutRequest) error { return nil }

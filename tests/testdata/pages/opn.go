package shop

import (
	"context"

	"github.com/ksher-go/ksher/opn"
)

var publicKey, secretKey string

func fulfil(context.Context, *opn.Charge) error { return nil }

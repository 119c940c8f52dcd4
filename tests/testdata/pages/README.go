package shop

import (
	"context"
	"testing"

	"github.com/ksher-go/ksher/kshertest"
)

var dedupe ksher.Deduper

// Shop is the merchant's own code.
type Shop struct{}

func NewShop(*ksher.Client) *Shop                  { return nil }
func (*Shop) Checkout(context.Context) (no string) { return "" }

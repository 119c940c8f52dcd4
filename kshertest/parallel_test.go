package kshertest

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

// Gateways share nothing that changes, which the race detector sees.
func TestEveryOperationInParallel(t *testing.T) {
	var calling sync.WaitGroup
	defer calling.Wait()
	for range 8 {
		gw := New(t)
		calling.Go(func() { callVIP(t, gw) })
		calling.Go(func() { callOpn(t, gw) })
		for name, call := range calls {
			calling.Go(func() {
				refused := new(ksher.Error)
				if err := call(t.Context(), gw.Client); err != nil {
					assert.ErrorAs(t, err, &refused, name)
					assert.NoError(t, refused.Err, name)
				}
			})
		}
	}
}

func callVIP(t *testing.T, gw *Gateway) {
	_, err := gw.VIP.Create(t.Context(), &vip.CScanBRequest{MerchantOrderID: "V-1", Amount: 1_00, Channel: "truemoney"})
	assert.NoError(t, err)
	_, err = gw.VIP.Query(t.Context(), vip.KindCScanB, &vip.QueryRequest{MerchantOrderID: "V-1"})
	assert.NoError(t, err)
	assert.NoError(t, gw.Pay("V-1", ""))
	_, err = gw.VIP.Refund(t.Context(), vip.KindCScanB, &vip.RefundRequest{MerchantOrderID: "V-1", RefundOrderID: "R-1", RefundAmount: 1_00})
	assert.NoError(t, err)
}

func callOpn(t *testing.T, gw *Gateway) {
	charge, err := gw.Opn.CreateChargeWithSource(t.Context(), &opn.CreateChargeWithSourceRequest{Amount: 100_00, Currency: "THB", ReturnURI: "https://shop.example"})
	if assert.NoError(t, err) {
		assert.NoError(t, gw.PayOpn(charge.ID))
		_, err = gw.Opn.GetCharge(t.Context(), charge.ID)
		assert.NoError(t, err)
	}
}

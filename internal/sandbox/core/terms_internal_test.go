package core

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Merchants stay for good, so that their number is bounded.
func TestMerchantsAreBounded(t *testing.T) {
	g, err := New(Config{MaxOrders: 1})
	require.NoError(t, err)
	for i := 0; len(g.merchants) < maxMerchants-1; i++ {
		g.merchants[fmt.Sprint("filler", i)] = &Merchant{}
	}
	_, err = g.AddMerchant("mch50001", Terms{})
	require.NoError(t, err)
	_, err = g.AddMerchant("mch50002", Terms{})
	assert.ErrorContains(t, err, "10000 already")
	assert.Nil(t, g.Known("mch50002"))
}

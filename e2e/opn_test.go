package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/opn"
)

// The page of K PLUS through Opn Payments is one of ours, too.
func TestOpnPage(t *testing.T) {
	t.Parallel()
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			b := s.visit(l)
			client, err := s.gateway.NewOpnClient()
			require.NoError(t, err)
			charge, err := client.CreateChargeWithSource(t.Context(), &opn.CreateChargeWithSourceRequest{Amount: 1500_00, Currency: "THB", ReturnURI: s.url + "/thanks"})
			require.NoError(t, err)
			b.open(charge.AuthorizeURI)
			b.see("K PLUS, through Opn Payments", "1,500.00 THB")
			b.look("opn")
			b.follow("#successful")
			b.still()
			b.look("opn-paid")
			b.follow("#stay")
			assert.False(t, b.has("#stay"))
			b.see("Paid")
			b.click("#return")
			b.untilAt(s.url + "/thanks")
		})
	}
}

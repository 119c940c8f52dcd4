package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

// A scenario is played by one click, the page says what a good shop does, and changes when
// this one has done it. The story draws what happened, and each arrow leads to what was sent.
func TestDashboardPlaysScenarios(t *testing.T) {
	t.Parallel()
	for _, l := range bothLayouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			b := s.visit(l)
			s.order("S-1", []ksher.Channel{ksher.ChannelTrueMoney})
			b.open(s.gateway.URL() + "/order?no=S-1")
			b.see("What if…")
			require.NoError(t, b.setSelect("#scenario-panel select", "lost"))
			b.follow("#scenario-panel button")
			b.see("The notification is lost", "A good shop:", "Waiting.")
			b.look("scenario-waiting")

			_, err := s.gateway.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "S-1"})
			require.NoError(t, err)
			b.until("document.getElementById('scenario-panel').innerText.includes('Your shop coped.')")
			b.schemes("scenario-good-dark")

			arrow := eval[string](b, "document.querySelector('#story ~ .story-box a[href^=\"#step-\"]').getAttribute('href')")
			eval[bool](b, "(location.hash = '"+arrow+"', true)")
			b.until("document.querySelector('" + arrow + "').offsetParent !== null")
			assert.Contains(t, eval[string](b, "document.querySelector('"+arrow+"').innerText"), "gateway_pay")
		})
	}
}

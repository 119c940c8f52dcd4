package opn_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/opn"
)

func TestRoundTrip(t *testing.T) {
	gw, client := gateway(t)
	source, err := client.CreateSource(t.Context(), sourceRequest())
	require.NoError(t, err)
	assert.Equal(t, opn.StatusUnknown, source.ChargeStatus)
	assert.Equal(t, "app_redirect", source.Flow)
	req := chargeRequest()
	req.Source, req.Extra = source.ID, ksher.Extra{Params: map[string]string{"description": "Tea", "metadata[order_no]": "A-1001"}}
	charge, err := client.CreateCharge(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, opn.StatusPending, charge.Status)
	assert.Equal(t, source.ID, charge.Source.ID)
	assert.Equal(t, opn.StatusPending, charge.Source.ChargeStatus)
	assert.Equal(t, opn.Null[opn.PlatformType]{V: opn.PlatformTypeIOS, Valid: true}, charge.Source.PlatformType)
	assert.JSONEq(t, `"Tea"`, string(charge.Description))
	assert.JSONEq(t, `{"order_no":"A-1001"}`, string(charge.Metadata))
	assert.Equal(t, charge.CreatedAt.Add(10*time.Minute), charge.ExpiresAt.V)
	require.ErrorIs(t, charge.CheckPaid(amount), ksher.ErrNotPaid)

	gw.Advance(9 * time.Minute)
	require.NoError(t, gw.PayOpn(charge.ID))
	charge, err = waitFor(t.Context(), client, charge.ID, amount)
	require.NoError(t, err)
	assert.Equal(t, charge.CreatedAt.Add(9*time.Minute), charge.PaidAt.V)
	assert.Equal(t, amount-charge.Fee-charge.FeeVAT, charge.Net)
	assert.ErrorIs(t, gw.PayOpn(charge.ID), sandbox.ErrNotPayable)

	_, err = client.CreateCharge(t.Context(), req)
	var failed *opn.Error
	require.ErrorAs(t, err, &failed, "the source was charged")
	assert.Equal(t, "invalid_charge", failed.Code)
	assert.Equal(t, source.ID, failed.ID)
	require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
}

func TestExpiry(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "opn: a charge expires after 10 minutes, with payment_expired")
	gw, client := gateway(t)
	charge, err := client.CreateChargeWithSource(t.Context(), bothRequest())
	require.NoError(t, err)
	gw.Advance(10*time.Minute - time.Second)
	known, err := client.GetCharge(t.Context(), charge.ID)
	require.NoError(t, err)
	assert.Equal(t, opn.StatusPending, known.Status)
	gw.Advance(time.Second)
	known, err = waitFor(t.Context(), client, charge.ID, amount)
	require.ErrorIs(t, err, ksher.ErrNotPaid)
	require.ErrorIs(t, err, opn.FailureCodePaymentExpired)
	assert.True(t, known.Expired)
	assert.Equal(t, charge.ExpiresAt, known.ExpiredAt)
	require.ErrorIs(t, gw.PayOpn(charge.ID), sandbox.ErrNotPayable)
}

// Opn carries a request out, and the answer is lost.
func TestUnknownOutcome(t *testing.T) {
	for _, kind := range []sandbox.FaultKind{sandbox.FaultDropAfter, sandbox.FaultEmpty, sandbox.FaultTruncated, sandbox.FaultEndless} {
		t.Run(string(kind), func(t *testing.T) {
			gw, client := gateway(t)
			require.NoError(t, gw.Inject(sandbox.Fault{Operation: "opn charges", Kind: kind}))
			source, err := client.CreateSource(t.Context(), sourceRequest())
			require.NoError(t, err)
			req := chargeRequest()
			req.Source = source.ID
			_, err = client.CreateCharge(t.Context(), req)
			require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
			// It can be recognised by what the merchant knew before.
			charges := gw.OpnCharges()
			require.Len(t, charges, 1)
			assert.Equal(t, source.ID, charges[0].Source.ID)
			assert.Equal(t, returnURI, charges[0].ReturnURI)
		})
	}
	for _, kind := range []sandbox.FaultKind{sandbox.FaultDropBefore, sandbox.FaultHTTP500, sandbox.FaultHTML502} {
		t.Run(string(kind), func(t *testing.T) {
			gw, client := gateway(t)
			require.NoError(t, gw.Inject(sandbox.Fault{Operation: "opn charges", Kind: kind}))
			_, err := client.CreateChargeWithSource(t.Context(), bothRequest())
			require.ErrorIs(t, err, ksher.ErrOutcomeUnknown, "a client can't know")
			assert.Empty(t, gw.OpnCharges())
		})
	}
	t.Run("refused", func(t *testing.T) {
		gw, client := gateway(t)
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: "opn charges", Kind: sandbox.FaultRefuse, Code: "bad_request"}))
		_, err := client.CreateChargeWithSource(t.Context(), bothRequest())
		require.ErrorContains(t, err, "bad_request")
		require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
	})
}

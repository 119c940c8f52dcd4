package opn_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/opn"
)

func TestFailureCodes(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "opn: a charge fails with payment_expired, payment_rejected, failed_processing, invalid_account or insufficient_fund")
	want := map[opn.FailureCode]opn.Action{
		"payment_expired": opn.ActionNewCharge, "payment_rejected": opn.ActionAskBuyer, "failed_processing": opn.ActionNewCharge,
		"invalid_account": opn.ActionOtherWay, "insufficient_fund": opn.ActionAskBuyer,
	}
	require.Len(t, opn.FailureCodes(), len(want))
	for _, code := range opn.FailureCodes() {
		t.Run(string(code), func(t *testing.T) {
			gw, client := gateway(t)
			charge, err := client.CreateChargeWithSource(t.Context(), bothRequest())
			require.NoError(t, err)
			require.NoError(t, gw.FailOpn(charge.ID, code))
			charge, err = waitFor(t.Context(), client, charge.ID, amount)
			require.ErrorIs(t, err, ksher.ErrNotPaid)
			require.ErrorIs(t, err, code)
			var got opn.FailureCode
			require.ErrorAs(t, err, &got)
			info, known := got.Info()
			require.True(t, known)
			assert.Equal(t, want[code], info.Action)
			assert.Contains(t, err.Error(), string(code)+": "+info.Meaning)
			assert.Equal(t, opn.StatusFailed, charge.Status)
			assert.Equal(t, opn.StatusFailed, charge.Source.ChargeStatus)
			assert.Equal(t, code, charge.FailureCode.V)
			assert.False(t, charge.PaidAt.Valid)
		})
	}
	_, known := opn.FailureCode("new_code").Info()
	assert.False(t, known)
	assert.Equal(t, "new code", opn.FailureCode("new\ncode").Error())
}

func TestStatus(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "opn: successful, failed and expired are final, and pending isn't")
	for status, final := range map[opn.Status]bool{
		"pending": false, "successful": true, "failed": true, "expired": true, "reversed": true, "unknown": false, "": false, "new": false,
	} {
		assert.Equal(t, final, status.Final(), status)
	}
}

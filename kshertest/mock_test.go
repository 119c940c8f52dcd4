package kshertest

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

func TestErrorsForMocks(t *testing.T) {
	queries := []string{"gateway_order_query", "order_query", "refund_query", "merchant_info", "rate_query", "get_settlement_info",
		"order_query_payout", "get_payout_balance"}
	for operation := range calls {
		t.Run(operation, func(t *testing.T) {
			asks := slices.Contains(queries, operation)
			for name, err := range map[string]error{
				"refusal": Refusal(operation, ksher.CodeNoAuth), "unknown": Unknown(operation), "bad": BadAnswer(operation),
			} {
				failed := new(ksher.Error)
				require.ErrorAs(t, err, &failed, name)
				assert.Equal(t, operation, failed.Operation)
				assert.Empty(t, failed.OrderNo+failed.RefundNo)
				assert.Equal(t, name == "refusal", errors.Is(err, ksher.CodeNoAuth), name)
				assert.Equal(t, name == "bad", errors.Is(err, ksher.ErrBadAnswer), name)
				if name != "refusal" {
					assert.Equal(t, !asks, errors.Is(err, ksher.ErrOutcomeUnknown), name)
				}
			}
		})
	}
	assert.NotErrorIs(t, Refusal("order_refund", ksher.CodeKsherRefundExpire), ksher.ErrOutcomeUnknown)
	assert.ErrorIs(t, Refusal("order_refund", "NEW_CODE"), ksher.ErrOutcomeUnknown, "as a client has it")
	assert.ErrorIs(t, Refusal("gateway_order_query", ksher.CodeOrderNotExist), ksher.ErrNotFound)
	assert.Panics(t, func() { _ = Unknown("no_such_operation") })
}

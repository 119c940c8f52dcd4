package ksher_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

func TestAmountInADatabase(t *testing.T) {
	for _, a := range []ksher.Amount{0, 1, -1, 150_50, math.MaxInt64, math.MinInt64} {
		v, err := a.Value()
		require.NoError(t, err)
		for _, src := range []any{v, []byte(v.(string)), int64(a)} {
			var got ksher.Amount
			require.NoError(t, got.Scan(src), "%T", src)
			assert.Equal(t, a, got)
		}
	}
	for _, src := range []any{nil, "", "150.50", "150.00", []byte("1e3"), "1 ", 150.0, true, "9223372036854775808", strings.Repeat("9", 100_000)} {
		got := ksher.Amount(7)
		err := got.Scan(src)
		require.Error(t, err, "%v", src)
		assert.Less(t, len(err.Error()), 500)
		assert.Equal(t, ksher.Amount(7), got)
	}
}

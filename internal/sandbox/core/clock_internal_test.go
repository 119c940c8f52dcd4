package core

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The loop that delivers may be asleep until what was due by the clock as it was.
func TestMovingTheClockWakesTheLoop(t *testing.T) {
	gw, err := New(Config{Speed: 1, MaxOrders: 1})
	require.NoError(t, err)
	gw.Advance(time.Hour)
	assert.Len(t, gw.woken, 1)
}

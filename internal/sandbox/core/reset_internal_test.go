package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A notification may have been taken before a reset and not have gone out yet.
func TestResetStopsWhatWasTaken(t *testing.T) {
	gw, err := New(Config{MaxOrders: 1})
	require.NoError(t, err)
	o := &Entry{AppID: AppID, MchOrderNo: "A-1", Notice: new(Notice)}
	gw.Do(func(tx *Tx) { tx.Add(o) })
	require.NoError(t, gw.Reset(t.Context()))
	assert.ErrorIs(t, gw.attempt(t.Context(), o), errReset)
}

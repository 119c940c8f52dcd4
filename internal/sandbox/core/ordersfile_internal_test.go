package core

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is kept of a file isn't many times its size, whatever is in it.
func TestOrdersFileBounded(t *testing.T) {
	inUse := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	file := []byte(`{"orders": [{}` + strings.Repeat(`,{}`, 50_000) + `]}`)
	before := inUse()
	orders, n, err := readOrders(file, 3)
	kept := inUse() - before
	require.NoError(t, err)
	assert.Equal(t, 50_001, n)
	assert.Equal(t, 3, len(orders)) // Without all of them in the message.
	assert.Less(t, kept, 4<<20, "all of them take five times that")
	runtime.KeepAlive(orders)

	_, _, err = readOrders([]byte(`{"orders": [{"refunds": [{}`+strings.Repeat(`,{}`, 50_000)+`]}]}`), 3)
	assert.EqualError(t, err, "line 1: orders[0].refunds[0].mch_refund_no: it has to have 1 to 32 characters")
}

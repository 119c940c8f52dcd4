package core

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A request of many short parameters counts for what it takes, as it does in the log.
func TestExchangesBounded(t *testing.T) {
	gw, err := New(Config{MaxOrders: 1})
	require.NoError(t, err)
	params := make(url.Values)
	for i := range 10_000 {
		params.Set(fmt.Sprint(i), "")
	}
	for range 20 {
		r := httptest.NewRequest("POST", "/", nil)
		reply := gw.Reply(httptest.NewRecorder(), r, "")
		gw.Do(func(tx *Tx) { tx.Log(Request{Params: params}, reply) })
		reply.End()
	}
	assert.Less(t, len(gw.exchanges), 7, "each takes over a MiB")
}

// Who has gone while an answer was delayed hasn't had it.
func TestGoneBeforeTheAnswer(t *testing.T) {
	gw, err := New(Config{MaxOrders: 1})
	require.NoError(t, err)
	for _, f := range []Fault{{}, {Kind: FaultLatency, Delay: time.Hour}} {
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "POST", "/", nil)
		reply := gw.Reply(httptest.NewRecorder(), r, "")
		gw.Do(func(tx *Tx) { tx.Log(Request{Fault: f.Kind}, reply) })
		if f.Kind != "" {
			cancel()
		}
		f.Spoil(reply, r, []byte("{}"))
		reply.End()
		cancel()
	}
	require.Len(t, gw.exchanges, 2)
	assert.Equal(t, 200, gw.exchanges[0].Status)
	assert.Equal(t, 0, gw.exchanges[1].Status)
	assert.Empty(t, gw.exchanges[1].Answer)
}

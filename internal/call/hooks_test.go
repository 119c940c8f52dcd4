package call_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

// The hooks of every client are told the same in the same way.
func TestHooks(t *testing.T) {
	type key struct{}
	var told []ksher.Attempt
	var inner bool
	hook := func(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
		assert.NoError(t, a.Err)
		assert.Zero(t, a.Duration)
		return context.WithValue(ctx, key{}, true), func(a ksher.Attempt) { told = append(told, a) }
	}
	last := func(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
		inner, _ = ctx.Value(key{}).(bool)
		return nil, nil //nolint:staticcheck // A hook may leave the context as it is.
	}
	status, body := http.StatusServiceUnavailable, "{}"
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	defer host.Close()
	const charge = "chrg_test_5xuq4yh2w7i2bmm4gqe"
	clients := map[string]struct {
		refusal string
		status  int
		call    func(t *testing.T) error
	}{
		"redirect query": {`{"name":"Forbidden","description":"not yours","code":403}`, http.StatusForbidden, func(t *testing.T) error {
			c, err := vip.NewClient(host.URL, "token", vip.WithHook(hook), vip.WithHook(last), vip.WithRetry(2, 0))
			require.NoError(t, err)
			_, err = c.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
			return err
		}},
		"get charge": {`{"object":"error","code":"not_found","message":"charge was not found"}`, http.StatusNotFound, func(t *testing.T) error {
			c, err := opn.NewClient("pkey_test_1", "skey_test_1", opn.WithBaseURL(host.URL), opn.WithHook(hook), opn.WithHook(last), opn.WithRetry(2, 0))
			require.NoError(t, err)
			_, err = c.GetCharge(t.Context(), charge)
			return err
		}},
	}
	for operation, c := range clients {
		t.Run(operation, func(t *testing.T) {
			told, status, body = nil, http.StatusServiceUnavailable, "{}"
			require.Error(t, c.call(t))
			require.Len(t, told, 2)
			assert.True(t, inner, "the first hook is the outermost")
			assert.Equal(t, []int{1, 2}, []int{told[0].Number, told[1].Number})
			assert.Equal(t, operation, told[1].Operation)
			assert.Contains(t, []string{"A-1", charge}, told[1].OrderNo)
			assert.Equal(t, "failed", told[1].Outcome())
			assert.Positive(t, told[1].Duration)

			told, status, body = nil, c.status, c.refusal
			err := c.call(t)
			require.Len(t, told, 1)
			assert.ErrorIs(t, told[0].Err, err)
			assert.Equal(t, "refused", told[0].Outcome())
		})
	}
	_, err := vip.NewClient("https://shop.vip.ksher.net", "token", vip.WithHook(nil))
	require.ErrorContains(t, err, "WithHook: the hook is nil")
	_, err = opn.NewClient("pkey_test_1", "skey_test_1", opn.WithHook(nil))
	require.ErrorContains(t, err, "WithHook: the hook is nil")
}

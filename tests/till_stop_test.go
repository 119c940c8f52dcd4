package tests

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A stop doesn't cut off the reversal, so it takes as long as docs/stopping.md says, also if
// Ksher answers nothing any more.
func TestChargeStopped(t *testing.T) {
	for _, tt := range []struct {
		name    string
		client  []ksher.Option
		waiting []ksher.WaitOption
		most    time.Duration
	}{
		{"by default", nil, nil, 132 * time.Second},
		{"with shorter limits", []ksher.Option{ksher.WithTimeout(5 * time.Second)}, []ksher.WaitOption{
			ksher.WithPatience(time.Minute, 5*time.Second), ksher.WithPolling(time.Second, 2*time.Second)}, 23 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				reversals := 0
				client := testkit.OverTransport(t, roundTrip(func(r *http.Request) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "order_reverse") {
						reversals++
					}
					stop()
					<-r.Context().Done()
					return nil, r.Context().Err()
				}), tt.client...)
				payments, err := ksher.NewPayments(client, func(context.Context, *ksher.Order) error { return nil })
				require.NoError(t, err)
				start := time.Now()
				_, err = payments.Charge(ctx, &ksher.QuickPayRequest{MchOrderNo: "A-1", TotalFee: 100, FeeType: "THB",
					AuthCode: ksher.NewSecret(testkit.AuthCode)}, tt.waiting...)
				require.ErrorIs(t, err, ksher.ErrNeedsPerson)
				require.Equal(t, 1, reversals, "the charge may have arrived, so it is reversed")
				took := time.Since(start)
				t.Log(took)
				require.LessOrEqual(t, took, tt.most)
				require.Greater(t, took, tt.most/2, "docs/stopping.md promises more than it has to")
			})
		})
	}
}

package main

import (
	"cmp"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// believable tells the faults that an answer can have and be believed.
func believable(kind core.FaultKind) bool {
	return kind == core.FaultLatency || kind == core.FaultClockSkew || kind == core.FaultOtherKey
}

// A command that only asks prints what can be believed, or nothing. Where the status tells what
// became of something, no answer isn't taken for a refusal.
func TestQueryFaults(t *testing.T) {
	for command, tt := range map[string]struct {
		operation string
		silence   int // the status if no answer came that can be believed
		refusal   int // the status if the query is refused, statusRefused without one
	}{
		"order wait A-1 --host=merchant":                 {"order_query", statusUnknown, 0},
		"order wait A-1 --host=merchant --amount=150.50": {"order_query", statusUnknown, 0},
		"order wait A-2 --host=gateway --amount=150.50":  {"gateway_order_query", statusUnknown, 0},
		"order show A-2 --host=gateway":                  {"gateway_order_query", statusRefused, 0},
		"refunds A-1 --host=merchant":                    {"refund_query", statusRefused, 0},
		"refunds A-2 --host=gateway":                     {"gateway_order_query", statusRefused, 0},
		"payout show P-1":                                {"order_query_payout", statusRefused, 0},
		"payout show P-1 --amount=100":                   {"order_query_payout", statusUnknown, statusUnknown},
		"merchant":                                       {"merchant_info", statusRefused, 0},
		"balance":                                        {"get_payout_balance", statusRefused, 0},
		"rate wechat --date=20260102":                    {"rate_query", statusRefused, 0},
	} {
		t.Run(command, func(t *testing.T) {
			d := newDesk(t)
			d.paid(t, ksher.HostMerchant, "A-1")
			d.paid(t, ksher.HostGateway, "A-2")
			_, _, err := d.run(t.Context(), payoutArgs(t, "--order-no=P-1", "--yes")...)
			require.NoError(t, err)
			for _, kind := range core.OperationFaults() {
				d.gw.ClearFaults()
				d.inject(t, tt.operation, kind, 10_000)
				out, _, err := d.run(t.Context(), strings.Fields(command)...)
				want := tt.silence
				switch {
				case believable(kind):
					want = statusDone
				case kind == core.FaultRefuse:
					want = cmp.Or(tt.refusal, statusRefused)
				}
				assert.Equal(t, want, statusOf(err), "%s: %v", kind, err)
				assert.Equal(t, want == statusDone, out != "", "%s: %s", kind, out)
			}
		})
	}
}

// The doctor goes on to its end whatever an answer is like, and says what fails.
func TestDoctorFaults(t *testing.T) {
	for _, kind := range core.OperationFaults() {
		t.Run(string(kind), func(t *testing.T) {
			d := newDesk(t)
			d.inject(t, "gateway_order_query", kind, 10_000)
			out, _, err := d.run(t.Context(), "doctor")
			says := map[bool]string{true: "ok   ", false: "fail "}[believable(kind)]
			assert.Regexp(t, "(?m)^"+says+" gateway-query .*\n(?s:.*)^ok    merchant-query ", out)
			assert.Equal(t, believable(kind), err == nil, "%v", err)
			if err != nil {
				assert.EqualError(t, err, "1 of 18 checks failed")
				assert.Equal(t, statusRefused, statusOf(err))
			}
		})
	}
}

// The shop hears of nothing that can't be believed.
func TestListenFaults(t *testing.T) {
	for _, kind := range core.OperationFaults() {
		t.Run(string(kind), func(t *testing.T) {
			gw, target := laptop(t)
			soldByCode(t, gw, "A1")
			require.NoError(t, gw.Pay("A1", ksher.ChannelTrueMoney))
			(&desk{gw: gw}).inject(t, "order_query", kind, 10_000)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &seeing{text: "could not be asked about", end: cancel}
			err := run(ctx, []string{"listen", "--sandbox", "--sandbox-url=" + gw.URL(), "--forward-to=" + target, "--rate=1000", "A1"},
				&screen{In: strings.NewReader(""), Out: out, Err: io.Discard})
			assert.Equal(t, believable(kind), strings.Contains(out.String(), "the shop said"), out.String())
			assert.Equal(t, believable(kind), err == nil, "%v", err)
			if err != nil {
				assert.ErrorContains(t, err, "ksher listen --forward-to="+target)
			}
		})
	}
}

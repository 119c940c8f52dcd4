package conformance_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/cmd/ksher/internal/conformance"
	"github.com/ksher-go/ksher/cmd/ksher/internal/control"
	"github.com/ksher-go/ksher/cmd/ksher/internal/notice"
)

// test makes the test of a shop, on the gateway's clock.
func (s *shop) test() *conformance.Test {
	s.t.Helper()
	sender, err := notice.NewSender()
	require.NoError(s.t, err)
	return &conformance.Test{
		URL: s.server.URL, Sender: sender, Sandbox: control.New(s.gw.URL()), Client: s.gw.Client,
		NewOrder: s.order, Fulfilled: s.fulfilled, Restart: s.restart,
		Sleep: func(ctx context.Context, d time.Duration) error { s.gw.Advance(d); return ctx.Err() },
		Limit: time.Minute, Done: func(conformance.Row) {},
	}
}

// with names the rows that ended so.
func with(rows []conformance.Row, o conformance.Outcome) []string {
	names := []string{}
	for _, r := range rows {
		if r.Outcome == o {
			names = append(names, r.Name)
		}
	}
	return names
}

// convicted is what each shop's flaw makes it do wrong.
var convicted = map[string][]string{
	none:         {},
	trusting:     {"unpaid", "recut", "cancelled", "failed", "refunded", "two-numbers", "gateway-down"},
	unsigned:     {"forged-signature", "other-key"},
	undeduped:    {"repeated", "at-once", "killed"},
	amountless:   {"wrong-amount"},
	currencyless: {"wrong-currency"},
	strangers:    {"unknown"},
	forgetful:    {"killed"},
	amnesiac:     {"killed"},
	omnivorous:   {"form-encoded", "truncated", "empty", "not-utf8", "too-large", "get"},
	fulfilsEnded: {"cancelled"},
	resultless:   {"unpaid", "recut", "unpaid-answer", "cancelled", "failed", "refunded", "two-numbers"},
	givesUp:      {"gateway-down"},
	refusing:     {"paid", "json-type", "percent-encoded", "repeated", "at-once", "two-numbers", "slow", "gateway-down"},
	late:         {"unpaid", "recut", "unpaid-answer", "cancelled", "failed", "refunded", "two-numbers", "wrong-amount", "wrong-currency"},
	single:       {"slow"},
	gullible: {"forged-signature", "other-key", "borrowed-signature", "other-app",
		"unpaid", "recut", "cancelled", "failed", "refunded", "two-numbers", "gateway-down"},
}

// Each shop is convicted of what its flaw makes it do, and of nothing else.
func TestShops(t *testing.T) {
	for flaw, failing := range convicted {
		t.Run(flaw, func(t *testing.T) {
			s := newShop(t, flaw)
			last := make(map[string]conformance.Row)
			test := s.test()
			usual := test.Sender.Patience
			test.Done = func(r conformance.Row) {
				last[r.Name] = r
				test.Sender.Patience = usual
				if r.Name == "get" && flaw == single { // The next row is the slow one, which times out.
					test.Sender.Patience = 50 * time.Millisecond
				}
			}
			rows, err := test.Run(t.Context())
			require.NoError(t, err)
			assert.ElementsMatch(t, failing, with(rows, conformance.Fail))
			assert.Equal(t, len(failing), conformance.Count(rows, conformance.Fail))
			for _, r := range rows {
				assert.Equal(t, r, last[r.Name])
				assert.Equal(t, r.Outcome == conformance.Pass, r.Seen == "", r.Name)
			}
		})
	}
}

// A shop that takes no more connections is convicted, and the test goes on.
func TestNoConnection(t *testing.T) {
	s := newShop(t, none)
	test := s.test()
	test.Done = func(r conformance.Row) {
		if r.Name == "get" { // The next row is the slow one.
			s.server.Listener.Close()
		}
	}
	rows, err := test.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"slow", "gateway-down"}, with(rows, conformance.Fail))
	assert.Contains(t, rows[slices.Index(conformance.Names(), "slow")].Seen, "it took 0 of 4 connections")
}

// There is no row that no shop fails.
func TestEveryRowConvicts(t *testing.T) {
	assert.Subset(t, slices.Concat(slices.Collect(maps.Values(convicted))...), conformance.Names())
}

// A shop with this library's handler does everything right. An order of native_pay by
// TrueMoney can't be closed, and expires instead.
func TestLibrary(t *testing.T) {
	for _, name := range []string{"gateway_pay", "native_pay"} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, none)
			s.native = name == "native_pay"
			s.library()
			rows, err := s.test().Run(t.Context())
			require.NoError(t, err)
			assert.Equal(t, conformance.Names(), with(rows, conformance.Pass))
		})
	}
}

// A shop with a queue may say SUCCESS before it asks, if what it fulfils can be seen, and if
// the queue survives.
func TestQueue(t *testing.T) {
	for name, tt := range map[string]struct {
		flaw     string
		change   func(*conformance.Test)
		failing  []string
		untested []string
	}{
		"durable": {none, func(c *conformance.Test) { c.Queued = true }, []string{}, []string{"unknown"}},
		"in memory": {forgetful, func(c *conformance.Test) {
			usual := c.Limit
			c.Queued, c.Done = true, func(r conformance.Row) {
				c.Limit = usual
				if r.Name == "at-once" { // The next row is the one that waits in vain.
					c.Limit = 2 * time.Second
				}
			}
		}, []string{"killed"}, []string{"unknown"}},
		"unseen": {none, func(c *conformance.Test) { c.Queued, c.Fulfilled, c.Restart = true, nil, nil }, []string{}, []string{
			"repeated", "at-once", "killed", "unpaid", "recut", "unpaid-answer", "cancelled", "failed", "refunded", "two-numbers", "other-app", "unknown",
			"wrong-amount", "wrong-currency", "gateway-down"}},
		"not said": {none, func(*conformance.Test) {}, []string{
			"unpaid", "unpaid-answer", "cancelled", "failed", "refunded", "two-numbers", "other-app", "unknown", "wrong-amount", "wrong-currency", "gateway-down"}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, tt.flaw)
			s.queue()
			test := s.test()
			tt.change(test)
			rows, err := test.Run(t.Context())
			require.NoError(t, err)
			assert.Equal(t, tt.failing, with(rows, conformance.Fail))
			assert.Equal(t, tt.untested, with(rows, conformance.NotTested))
			if tt.flaw == forgetful {
				assert.Contains(t, rows[slices.Index(conformance.Names(), "killed")].Seen, "after it was killed: it said SUCCESS, but hasn't fulfilled order A-006 within 2s")
			}
		})
	}
}

// Without the commands, only what can be seen over HTTP is tested.
func TestMissing(t *testing.T) {
	for name, tt := range map[string]struct {
		without func(*conformance.Test)
		tested  int
		row     string
		seen    string
	}{
		"nothing":      {func(t *conformance.Test) { t.NewOrder, t.Fulfilled, t.Restart = nil, nil, nil }, 7, "killed", "needs --order-cmd, --state-cmd and --restart-cmd"},
		"orders":       {func(t *conformance.Test) { t.Fulfilled, t.Restart = nil, nil }, len(conformance.Names()) - 3, "at-once", "needs --state-cmd"},
		"states, too":  {func(t *conformance.Test) { t.Restart = nil }, len(conformance.Names()) - 1, "killed", "needs --restart-cmd"},
		"states alone": {func(t *conformance.Test) { t.NewOrder, t.Restart = nil, nil }, 7, "killed", "needs --order-cmd and --restart-cmd"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, none)
			test := s.test()
			tt.without(test)
			rows, err := test.Run(t.Context())
			require.NoError(t, err)
			assert.Len(t, with(rows, conformance.Pass), tt.tested)
			assert.Empty(t, with(rows, conformance.Fail))
			i := slices.IndexFunc(rows, func(r conformance.Row) bool { return r.Name == tt.row })
			assert.Equal(t, tt.seen, rows[i].Seen)
		})
	}
}

// What isn't the shop's fault ends the test with an error.
func TestNotTheShopsFault(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		breaks func(*shop, *conformance.Test)
		err    string
		rows   int
	}{
		"no order": {func(_ *shop, c *conformance.Test) {
			c.NewOrder = func(context.Context) (string, error) { return "", broken }
		}, "broken", 0},
		"elsewhere": {func(_ *shop, c *conformance.Test) {
			c.NewOrder = func(context.Context) (string, error) { return "B", nil }
		}, `no order "B"`, 0},
		"no state": {func(_ *shop, c *conformance.Test) {
			c.Fulfilled = func(context.Context, string) (int, error) { return 0, broken }
		}, "broken", 0},
		"no restart": {func(_ *shop, c *conformance.Test) { c.Restart = func(context.Context) error { return broken } }, "broken", 5},
		"not up again": {func(s *shop, c *conformance.Test) {
			c.Restart = func(context.Context) error { s.server.Close(); return nil }
		}, "didn't work again after --restart-cmd: it gave no answer", 5},
		"no state again": {func(_ *shop, c *conformance.Test) {
			c.Restart = func(context.Context) error {
				c.Fulfilled = func(context.Context, string) (int, error) { return 0, broken }
				return nil
			}
		}, "after --restart-cmd: broken", 5},
		"far away":         {func(_ *shop, c *conformance.Test) { c.URL = "http://192.0.2.1/" }, "--allow-notify=192.0.2.1 allows it", 0},
		"not there":        {func(s *shop, _ *conformance.Test) { s.server.Close() }, "the shop doesn't answer at http://127.0.0.1", 0},
		"no sandbox there": {func(s *shop, c *conformance.Test) { s.gw.Close() }, "refused", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, none)
			test := s.test()
			tt.breaks(s, test)
			rows, err := test.Run(t.Context())
			assert.Len(t, rows, tt.rows)
			assert.ErrorContains(t, err, tt.err)
		})
	}
}

// A shop that stumbles over an answer which only some orders have is told what it may be.
func TestOddAnswer(t *testing.T) {
	rows, err := newShop(t, numerical).test().Run(t.Context())
	require.NoError(t, err)
	assert.NotEmpty(t, with(rows, conformance.Fail))
	for _, r := range rows {
		if r.Outcome == conformance.Fail {
			assert.Contains(t, r.Seen, "fees as texts", r.Name)
		}
	}
	rows, err = newShop(t, refusing).test().Run(t.Context())
	require.NoError(t, err)
	assert.NotContains(t, rows[0].Seen, "as texts")
}

// Whoever uses the sandbox meanwhile may have it tell the shop of an order too early.
func TestDisturbed(t *testing.T) {
	s := newShop(t, none)
	test := s.test()
	test.NewOrder = func(ctx context.Context) (string, error) {
		other, err := s.order(ctx)
		require.NoError(t, err)
		require.NoError(t, s.gw.Pay(other, ""))
		return s.order(ctx)
	}
	rows, err := test.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, conformance.NotTested, rows[0].Outcome)
	assert.Contains(t, rows[0].Seen, "before the test did")
	assert.Empty(t, with(rows, conformance.Fail))
}

// A shop may take a while after it was killed.
func TestSlowStart(t *testing.T) {
	s := newShop(t, none)
	test := s.test()
	test.Restart = func(context.Context) error {
		wait := 3
		test.Fulfilled = func(ctx context.Context, no string) (int, error) {
			if wait--; wait > 0 {
				return 0, errors.New("not yet")
			}
			return s.fulfilled(ctx, no)
		}
		return nil
	}
	rows, err := test.Run(t.Context())
	require.NoError(t, err)
	assert.Equal(t, conformance.Names(), with(rows, conformance.Pass))
}

// Who is interrupted gets what was done, and the sandbox has no faults left.
func TestInterrupted(t *testing.T) {
	s := newShop(t, none)
	test := s.test()
	ctx, cancel := context.WithCancel(t.Context())
	test.Done = func(r conformance.Row) {
		if r.Name == "slow" {
			cancel()
		}
	}
	rows, err := test.Run(ctx)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Len(t, rows, len(conformance.Names())-1)
	assert.Empty(t, s.gw.Faults())
}

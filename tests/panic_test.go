package tests

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// bursting panics once each operation of that name was carried out.
type bursting struct {
	http.RoundTripper
	operation string
}

func (b bursting) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if path.Base(r.URL.Path) == b.operation {
		panic("a transport")
	}
	return resp, err
}

// screaming is a log that panics when it is told of a request.
type screaming struct{ slog.Handler }

func (screaming) Enabled(context.Context, slog.Level) bool { return true }

func (screaming) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "ksher call" {
		panic("a log")
	}
	return nil
}

// panicAt is a hook that panics at an operation.
func panicAt(operation string, begin, end bool) (hook ksher.Hook) {
	return func(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
		if a.Operation != operation {
			return ctx, nil
		}
		if begin {
			panic("a hook")
		}
		return ctx, func(ksher.Attempt) {
			if end {
				panic("a hook")
			}
		}
	}
}

// Whatever panics around the requests of a till, a charge that nobody pays is reversed, and
// one that is paid is told.
func TestChargeSurvivesPanics(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"quick_pay", "order_query", "order_reverse"} {
		for name, opt := range map[string]func(*sandbox.Gateway) ksher.Option{
			"a hook begins": func(*sandbox.Gateway) ksher.Option { return ksher.WithHook(panicAt(operation, true, false)) },
			"a hook ends":   func(*sandbox.Gateway) ksher.Option { return ksher.WithHook(panicAt(operation, false, true)) },
			"the transport": func(gw *sandbox.Gateway) ksher.Option {
				return ksher.WithHTTPClient(&http.Client{Transport: bursting{gw.HTTPClient().Transport, operation}})
			},
			"the log": func(*sandbox.Gateway) ksher.Option { return ksher.WithLogger(slog.New(screaming{slog.DiscardHandler})) },
		} {
			t.Run(operation+"/"+name, func(t *testing.T) {
				gw := sandbox.New(t)
				client, err := gw.NewClient(opt(gw))
				require.NoError(t, err)
				calls := 0
				payments := testkit.PaymentsTo(t, client, func(context.Context, *ksher.Order) error { calls++; return nil })

				req := testkit.GoodQuickPay()
				req.AuthCode = ksher.NewSecret(testkit.AuthCode[:16] + "01")
				_, err = payments.Charge(t.Context(), req)
				blind := name == "the transport" && operation == "order_query"
				require.Equal(t, blind, errors.Is(err, ksher.ErrNeedsPerson), "%v", err)
				require.Equal(t, !blind, errors.Is(err, ksher.ErrNotPaid), "%v", err)
				require.Error(t, gw.Pay(req.MchOrderNo, ""), "it can still be charged")
				require.Zero(t, calls)

				req.MchOrderNo, req.AuthCode = "second", ksher.NewSecret(testkit.AuthCode[:16]+"00")
				_, err = payments.Charge(t.Context(), req)
				require.NoError(t, err)
				require.Equal(t, 1, calls)
			})
		}
	}
}

// A hook that always panics keeps no payment from being known, at whichever door.
func TestHookPanicsAtEveryDoor(t *testing.T) {
	t.Parallel()
	for door, know := range map[string]func(*testing.T, *ksher.Payments) error{
		"check": func(t *testing.T, p *ksher.Payments) error {
			_, err := p.Check(t.Context(), openOrder(ksher.HostMerchant))
			return err
		},
		"wait": func(t *testing.T, p *ksher.Payments) error {
			_, err := p.Wait(t.Context(), openOrder(ksher.HostMerchant))
			return err
		},
		"pass": func(t *testing.T, p *ksher.Payments) error {
			_, err := p.Pass(t.Context(), testkit.OrderList{openOrder(ksher.HostMerchant)}, "")
			return err
		},
		"notification": func(t *testing.T, p *ksher.Payments) error {
			n, err := p.Notifications(testkit.OrderList{openOrder(ksher.HostMerchant)}.Expected)
			require.NoError(t, err)
			_, err = n.Accept(t.Context(), []byte(testkit.Notified(t, testkit.OrderNo)))
			return err
		},
		"notification of another host": func(t *testing.T, p *ksher.Payments) error {
			n, err := p.Notifications(testkit.OrderList{openOrder(ksher.HostGateway)}.Expected)
			require.NoError(t, err)
			_, err = n.Accept(t.Context(), []byte(testkit.Notified(t, testkit.OrderNo)))
			return err
		},
	} {
		t.Run(door, func(t *testing.T) {
			log := &testkit.LogBuffer{}
			client := testkit.OfflineClient(t, testkit.AppID, testkit.Recording(paying(t)), testkit.TrustTestKey(t),
				ksher.WithLogger(log.Logger(slog.LevelDebug)), ksher.WithHook(panicAt("order_query", true, true)))
			calls := 0
			require.NoError(t, know(t, testkit.PaymentsTo(t, client, func(context.Context, *ksher.Order) error { calls++; return nil })))
			require.Equal(t, 1, calls)
			require.Contains(t, log.Text(), "a hook", "nobody hears of the hook")
		})
	}
}

package tests

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// trouble is a fault of the local gateway with what it leaves behind.
type trouble struct {
	name  string
	fault sandbox.Fault
	// carriedOut says that the request was, and unknown that the caller can't
	// know.
	carriedOut, unknown bool
	// query is what a query ends in if it happens once, nil for an answer.
	query error
}

func troubles() []trouble {
	all := []trouble{
		{"none", sandbox.Fault{}, true, false, nil},
		{"latency", sandbox.Fault{Kind: sandbox.FaultLatency, Delay: time.Hour}, true, true, context.Canceled},
		{"drop before", sandbox.Fault{Kind: sandbox.FaultDropBefore}, false, true, nil},
		{"drop after", sandbox.Fault{Kind: sandbox.FaultDropAfter}, true, true, nil},
		{"HTTP 500", sandbox.Fault{Kind: sandbox.FaultHTTP500}, false, true, nil},
		{"HTML 502", sandbox.Fault{Kind: sandbox.FaultHTML502}, false, true, nil},
		{"empty", sandbox.Fault{Kind: sandbox.FaultEmpty}, true, true, fault.ErrEmptyBody},
		{"truncated", sandbox.Fault{Kind: sandbox.FaultTruncated}, true, true, fault.ErrTruncatedJSON},
		{"endless", sandbox.Fault{Kind: sandbox.FaultEndless}, true, true, fault.ErrTooLarge},
		{"bad signature", sandbox.Fault{Kind: sandbox.FaultBadSignature}, true, true, ksher.ErrSignature},
		{"other key", sandbox.Fault{Kind: sandbox.FaultOtherKey}, true, true, ksher.ErrSignature},
		{"clock skew", sandbox.Fault{Kind: sandbox.FaultClockSkew, Delay: -48 * time.Hour}, true, false, nil},
	}
	for _, code := range []struct {
		code    ksher.Code
		unknown bool
		query   error
	}{
		{ksher.CodeSystemError, true, nil},
		{ksher.CodeKsherSystemError, true, nil},
		{ksher.CodeKsherChannelResponseError, true, nil},
		{"SOMETHING_NEW", true, ksher.Code("SOMETHING_NEW")},
		{ksher.CodeNoAuth, false, ksher.CodeNoAuth},
		{ksher.CodeManyOpen, false, ksher.CodeManyOpen},
	} {
		all = append(all, trouble{"refused " + string(code.code), sandbox.Fault{Kind: sandbox.FaultRefuse, Code: code.code}, false, code.unknown, code.query})
	}
	return all
}

// onlyV1 believes the key of one version, so that the other's is another.
func onlyV1() ksher.Option {
	return ksher.WithVerifier(testkit.NewVerifier(sandbox.PublicKey(ksher.SignV1)))
}

// smallAnswers is more than the gateway ever says, and soon reached if it
// doesn't stop.
const smallAnswers = 64 << 10

// untilGone returns a context that ends once the gateway has seen all its
// faults happen, and so has carried the request out. It is how a caller loses
// patience at the right moment without a clock.
func untilGone(ctx context.Context, gw *sandbox.Gateway) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil && len(gw.Faults()) > 0 {
			runtime.Gosched()
		}
		cancel()
	}()
	return ctx, func() {
		cancel()
		<-done
	}
}

// matter is an operation on an order, with the means to look what became of it.
type matter struct {
	// name is the operation's, and faulty the one that the fault happens to.
	name, faulty string
	// prepare makes the order ready for it.
	prepare func(*testing.T, *sandbox.Gateway)
	// req is the request if it can be in doubt.
	req  ksher.Doubtful
	call func(context.Context, *ksher.Client) error
	// done is the gateway's own view.
	done func(*sandbox.Gateway) bool
}

func chargeAtMerchant(t *testing.T, gw *sandbox.Gateway) {
	_, err := gw.Client.QuickPay(t.Context(), testkit.GoodQuickPay())
	require.NoError(t, err)
}

func matters() []matter {
	created := func(gw *sandbox.Gateway) bool { return len(gw.Orders()) == 1 }
	closed := func(gw *sandbox.Gateway) bool { return gw.Orders()[0].State == sandbox.Cancelled }
	refunded := func(gw *sandbox.Gateway) bool { return gw.Orders()[0].Refunded == 50_00 }
	reversed := func(gw *sandbox.Gateway) bool { return gw.Orders()[0].State == sandbox.Refunded }
	none := func(*testing.T, *sandbox.Gateway) {}
	pay, native, quick, refund := testkit.GoodGatewayPay(), testkit.GoodNativePay(), testkit.GoodQuickPay(), testkit.GoodOrderRefund()
	reversal := &ksher.OrderReverseRequest{MchOrderNo: testkit.OrderNo}
	cancel, closing := &ksher.CancelOrderRequest{MchOrderNo: testkit.OrderNo}, &ksher.OrderCloseRequest{MchOrderNo: testkit.OrderNo}
	all := []matter{
		{"gateway_pay", "gateway_pay", none, pay, func(ctx context.Context, c *ksher.Client) error { _, err := c.GatewayPay(ctx, pay); return err }, created},
		{"native_pay", "native_pay", none, native, func(ctx context.Context, c *ksher.Client) error { _, err := c.NativePay(ctx, native); return err }, created},
		{"quick_pay", "quick_pay", none, quick, func(ctx context.Context, c *ksher.Client) error { _, err := c.QuickPay(ctx, quick); return err }, created},
		{"order_reverse", "order_reverse", chargeAtMerchant, reversal, func(ctx context.Context, c *ksher.Client) error { _, err := c.OrderReverse(ctx, reversal); return err }, reversed},
		{"cancel_order", "cancel_order", testkit.CreateAtGateway, cancel, func(ctx context.Context, c *ksher.Client) error { _, err := c.CancelOrder(ctx, cancel); return err }, closed},
		{"order_close", "order_close", testkit.CreateAtMerchant, closing, func(ctx context.Context, c *ksher.Client) error { _, err := c.OrderClose(ctx, closing); return err }, closed},
		{"order_refund", "order_refund", testkit.PayAt(testkit.CreateAtMerchant), refund, func(ctx context.Context, c *ksher.Client) error { _, err := c.OrderRefund(ctx, refund); return err }, refunded},
	}
	for name, w := range testkit.WalletCalls {
		all = append(all, matter{name, name, none, w.Req, func(ctx context.Context, c *ksher.Client) error { _, err := w.Call(ctx, c); return err }, created})
	}
	for _, op := range testkit.Operations() {
		prepare := map[string]func(*testing.T, *sandbox.Gateway){
			"gateway_order_query": testkit.PayAt(testkit.CreateAtGateway),
			"order_query":         testkit.PayAt(testkit.CreateAtMerchant),
			"merchant_info":       none,
			"rate_query":          none,
			"get_settlement_info": none,
			"refund_query": func(t *testing.T, gw *sandbox.Gateway) {
				testkit.PayAt(testkit.CreateAtMerchant)(t, gw)
				_, err := gw.Client.OrderRefund(t.Context(), testkit.GoodOrderRefund())
				require.NoError(t, err)
			},
		}[op.Name]
		if prepare != nil {
			all = append(all, matter{op.Name, op.Name, prepare, nil, func(ctx context.Context, c *ksher.Client) error { _, err := op.Call(ctx, c, ksher.Extra{}); return err }, nil})
		}
	}
	return all
}

// Every fault of every operation ends in knowledge: what was done, that nothing
// was, or a doubt that Resolve removes in agreement with the gateway.
func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, m := range matters() {
		for _, tr := range troubles() {
			t.Run(m.name+"/"+tr.name, func(t *testing.T) {
				gw := sandbox.New(t)
				client, err := gw.NewClient(ksher.WithRetry(3, 0), ksher.WithMaxResponseBytes(smallAnswers), onlyV1())
				require.NoError(t, err)
				m.prepare(t, gw)
				if tr.fault.Operation = m.faulty; tr.fault.Kind != "" {
					require.NoError(t, gw.Inject(tr.fault))
				}
				ctx := t.Context()
				if tr.fault.Kind == sandbox.FaultLatency {
					var end func()
					ctx, end = untilGone(ctx, gw)
					defer end()
				}
				before := len(gw.Requests())
				err = m.call(ctx, client)
				require.Empty(t, gw.Faults(), "the fault hasn't happened")
				if m.req == nil {
					// A query leaves no doubt, and is repeated where that helps.
					require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
					if tr.query == nil {
						require.NoError(t, err)
					} else {
						require.ErrorIs(t, err, tr.query)
					}
					return
				}
				sent := slices.DeleteFunc(gw.Requests()[before:], func(r sandbox.Request) bool { return r.Operation != m.faulty })
				require.Len(t, sent, 1, "the request was repeated")
				require.Equal(t, tr.carriedOut, m.done(gw), "the gateway's view")
				// Too many attempts on a charge may be this very one.
				unknown := tr.unknown || m.faulty == "quick_pay" && tr.fault.Code == ksher.CodeManyOpen
				require.Equal(t, unknown, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
				if !unknown {
					require.Equal(t, tr.carriedOut, err == nil, "%v", err)
					return
				}
				// A query on the way to knowing it may fail, too.
				for _, op := range []string{"gateway_order_query", "order_query", "refund_query"} {
					require.NoError(t, gw.Inject(sandbox.Fault{Operation: op, Kind: sandbox.FaultDropBefore}))
				}
				res, err := client.Resolve(t.Context(), m.req)
				require.NoError(t, err)
				want := ksher.VerdictNotCarriedOut
				switch {
				case tr.carriedOut:
					want = ksher.VerdictCarriedOut
				case m.name == "cancel_order", m.name == "order_refund":
					// The order is NOTSURE, and a refusal of refund_query isn't about the refund
					// for certain: neither says anything.
					want = ksher.VerdictStillUnknown
				}
				require.Equal(t, want, res.Verdict)
				gw.ClearFaults()

				// The very same request may follow, and takes effect once.
				err = m.call(t.Context(), client)
				if m.faulty != "quick_pay" { // That it is paid already doesn't say by which request.
					require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
				}
				require.Equal(t, tr.carriedOut, err != nil, "%v", err)
				require.True(t, m.done(gw))
			})
		}
	}
}

// A query that keeps failing ends in a plain error, after as many attempts as
// it is allowed.
func TestMatrixOfLastingTroubles(t *testing.T) {
	for _, m := range matters() {
		if m.req != nil {
			continue
		}
		for _, tr := range troubles() {
			switch tr.fault.Kind {
			case "", sandbox.FaultClockSkew, sandbox.FaultLatency:
				continue
			}
			t.Run(m.name+"/"+tr.name, func(t *testing.T) {
				gw := sandbox.New(t)
				client, err := gw.NewClient(ksher.WithRetry(3, 0), ksher.WithMaxResponseBytes(smallAnswers), onlyV1())
				require.NoError(t, err)
				m.prepare(t, gw)
				tr.fault.Operation, tr.fault.Count = m.faulty, 9
				require.NoError(t, gw.Inject(tr.fault))
				err = m.call(t.Context(), client)
				require.Error(t, err)
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
				attempts := 1
				if tr.query == nil {
					attempts = 3
				}
				require.Equal(t, 9-attempts, gw.Faults()[0].Count)
			})
		}
	}
}

// A refund of a gateway order begins with a query. If that fails, no refund was
// sent, and nothing is in doubt.
func TestMatrixOfTheQueryBeforeARefund(t *testing.T) {
	for _, tr := range troubles() {
		t.Run(tr.name, func(t *testing.T) {
			gw := sandbox.New(t)
			client, err := gw.NewClient(ksher.WithRetry(3, 0), ksher.WithMaxResponseBytes(smallAnswers), onlyV1())
			require.NoError(t, err)
			testkit.PayAt(testkit.CreateAtGateway)(t, gw)
			if tr.fault.Operation = "gateway_order_query"; tr.fault.Kind != "" {
				require.NoError(t, gw.Inject(tr.fault))
			}
			ctx := t.Context()
			if tr.fault.Kind == sandbox.FaultLatency {
				var end func()
				ctx, end = untilGone(ctx, gw)
				defer end()
			}
			_, err = client.Refund(ctx, &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: testkit.OrderNo, MchRefundNo: testkit.RefundNo, RefundFee: 50_00})
			require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
			require.Equal(t, tr.query == nil, err == nil, "%v", err)
			require.Equal(t, tr.query == nil, gw.Orders()[0].Refunded == 50_00)
		})
	}
}

// Whatever happens to the answer of a refund, Refund ends in knowledge, and money goes
// back once.
func TestMatrixOfRefund(t *testing.T) {
	for _, host := range []ksher.Host{ksher.HostGateway, ksher.HostMerchant} {
		for _, tr := range troubles() {
			t.Run(string(host)+"/"+tr.name, func(t *testing.T) {
				gw := sandbox.New(t)
				client, err := gw.NewClient(ksher.WithRetry(3, 0), ksher.WithMaxResponseBytes(smallAnswers), onlyV1())
				require.NoError(t, err)
				testkit.PayAt(map[ksher.Host]func(*testing.T, *sandbox.Gateway){ksher.HostGateway: testkit.CreateAtGateway, ksher.HostMerchant: testkit.CreateAtMerchant}[host])(t, gw)
				if tr.fault.Kind == sandbox.FaultLatency {
					t.Skip("the caller's patience ends, which is another test's")
				}
				if tr.fault.Operation = "order_refund"; tr.fault.Kind != "" {
					require.NoError(t, gw.Inject(tr.fault))
				}
				req := &ksher.RefundRequest{Host: host, MchOrderNo: testkit.OrderNo, MchRefundNo: testkit.RefundNo, RefundFee: 50_00}
				refund, err := client.Refund(t.Context(), req)
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
				require.Equal(t, gw.Orders()[0].Refunded == 50_00, err == nil, "%v", err)
				require.Empty(t, gw.Faults(), "the fault hasn't happened")
				if err == nil {
					require.Equal(t, ksher.Amount(50_00), refund.MchRefundFee)
				}
				// After a restart, or by mistake, the same again.
				refund, err = client.Refund(t.Context(), req)
				require.NoError(t, err)
				require.Equal(t, testkit.RefundNo, refund.MchRefundNo)
				require.Equal(t, ksher.Amount(50_00), gw.Orders()[0].Refunded)
			})
		}
	}
}

// What was answered with a code of doubt may have been carried out, and a call
// that runs out of time, too.
func TestMatrixOfDoubtfulRefusals(t *testing.T) {
	for _, m := range matters() {
		if m.req == nil {
			continue
		}
		for _, code := range []ksher.Code{ksher.CodeSystemError, ksher.CodeKsherSystemError, ksher.CodeTradeStateError, ksher.CodeRefundFailed, "SOMETHING_NEW", "WITHOUT_CARRYING_OUT"} {
			t.Run(m.name+"/"+string(code), func(t *testing.T) {
				gw := sandbox.New(t)
				wire := &line{next: gw.HTTPClient().Transport}
				client, err := gw.NewClient(ksher.WithRetry(3, 0), ksher.WithHTTPClient(&http.Client{Transport: wire}))
				require.NoError(t, err)
				m.prepare(t, gw)
				wire.plan(m.faulty, func(send func() (*http.Response, error)) (*http.Response, error) {
					if code != "WITHOUT_CARRYING_OUT" {
						resp, err := send()
						if err != nil {
							return nil, err
						}
						resp.Body.Close()
					}
					return answerWith(sandbox.SignedResponse(map[string]string{"result": "FAIL", "err_code": string(code)})), nil
				})
				require.ErrorIs(t, m.call(t.Context(), client), ksher.ErrOutcomeUnknown)
				res, err := client.Resolve(t.Context(), m.req)
				require.NoError(t, err)
				require.Equal(t, m.done(gw), res.Verdict == ksher.VerdictCarriedOut)
				// Neither an unpaid order of the gateway host, which is NOTSURE, nor a refusal of
				// refund_query says enough.
				require.Equal(t, !m.done(gw) && m.name != "cancel_order" && m.name != "order_refund", res.Verdict == ksher.VerdictNotCarriedOut)
				require.Equal(t, code != "WITHOUT_CARRYING_OUT", m.done(gw))
			})
		}
	}
}

func answerWith(body []byte) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
}

// A request that is on its way still when Resolve asks takes effect later, and
// once, whatever was sent in between.
func TestMatrixOfRequestsOnTheirWay(t *testing.T) {
	for _, m := range matters() {
		if m.req == nil {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			gw := sandbox.New(t)
			wire := &line{next: gw.HTTPClient().Transport}
			client, err := gw.NewClient(ksher.WithRetry(3, 0), ksher.WithHTTPClient(&http.Client{Transport: wire}))
			require.NoError(t, err)
			m.prepare(t, gw)
			var arrive func() (*http.Response, error)
			wire.plan(m.faulty, func(send func() (*http.Response, error)) (*http.Response, error) {
				arrive = send
				return nil, testkit.ErrLine
			})
			require.ErrorIs(t, m.call(t.Context(), client), ksher.ErrOutcomeUnknown)
			res, err := client.Resolve(t.Context(), m.req)
			require.NoError(t, err)
			require.NotEqual(t, ksher.VerdictCarriedOut, res.Verdict)
			require.True(t, res.MayRepeat)
			require.NoError(t, m.call(t.Context(), client))
			resp, err := arrive()
			require.NoError(t, err)
			resp.Body.Close()
			require.True(t, m.done(gw))
			res, err = client.Resolve(t.Context(), m.req)
			require.NoError(t, err)
			require.Equal(t, ksher.VerdictCarriedOut, res.Verdict)
		})
	}
}

// events counts the steps in an order's history that begin like that.
func events(o *sandbox.Order, prefix string) (n int) {
	for _, e := range o.History {
		if strings.HasPrefix(e.What, prefix) {
			n++
		}
	}
	return n
}

func payoutBalance(t *testing.T, c *ksher.Client) ksher.Amount {
	t.Helper()
	answer, err := c.GetPayoutBalance(t.Context(), testkit.BalanceQuery())
	require.NoError(t, err)
	return answer.Balance
}

// Every fault of a payout ends in knowledge or in a doubt that says so, and money
// never leaves twice.
func TestMatrixOfPayouts(t *testing.T) {
	for _, tr := range troubles() {
		t.Run(tr.name, func(t *testing.T) {
			if tr.fault.Code == ksher.CodeManyOpen {
				tr.unknown = true // Whoever else is at it may be paying this very payout.
			}
			gw := sandbox.New(t)
			client, err := gw.NewClient(ksher.WithRetry(3, 0), ksher.WithMaxResponseBytes(smallAnswers), onlyV1())
			require.NoError(t, err)
			before := payoutBalance(t, client)
			if tr.fault.Operation = "payout"; tr.fault.Kind != "" {
				require.NoError(t, gw.Inject(tr.fault))
			}
			ctx := t.Context()
			if tr.fault.Kind == sandbox.FaultLatency {
				var end func()
				ctx, end = untilGone(ctx, gw)
				defer end()
			}
			_, err = client.Payout(ctx, testkit.GoodPayout())
			require.Empty(t, gw.Faults(), "the fault hasn't happened")
			require.Equal(t, tr.unknown, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
			if !tr.unknown {
				require.Equal(t, tr.carriedOut, err == nil, "%v", err)
			}
			sent := slices.DeleteFunc(gw.Requests(), func(r sandbox.Request) bool { return r.Operation != "payout" })
			require.Len(t, sent, 1, "the payout was repeated")
			after := before
			if tr.carriedOut {
				after -= 100_00
			}
			require.Equal(t, after, payoutBalance(t, client))

			require.NoError(t, gw.Inject(sandbox.Fault{Operation: "order_query_payout", Kind: sandbox.FaultDropBefore}))
			verdict, told, err := testkit.ResolvePayout(t.Context(), client, testkit.GoodPayout())
			require.NoError(t, err)
			require.Equal(t, tr.carriedOut, verdict == ksher.VerdictCarriedOut)
			require.Equal(t, !tr.carriedOut, verdict == ksher.VerdictStillUnknown, "not known yet isn't known not to be")
			require.Equal(t, tr.carriedOut, told != nil)

			// Who sends it again all the same, because a program was killed before it
			// wrote anything down, isn't told that nothing was paid.
			_, err = client.Payout(t.Context(), testkit.GoodPayout())
			require.Equal(t, tr.carriedOut, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
			require.Equal(t, tr.carriedOut, errors.Is(err, ksher.CodeKsherDuplicatedOrderNo), "%v", err)
			verdict, _, err = testkit.ResolvePayout(t.Context(), client, testkit.GoodPayout())
			require.NoError(t, err)
			require.Equal(t, ksher.VerdictCarriedOut, verdict)
			require.Equal(t, before-100_00, payoutBalance(t, client))
		})
	}
}

// A query for a payout leaves no doubt, and is repeated where that helps.
func TestMatrixOfPayoutQueries(t *testing.T) {
	for _, op := range testkit.Operations() {
		if op.Name != "order_query_payout" && op.Name != "get_payout_balance" {
			continue
		}
		for _, tr := range troubles() {
			t.Run(op.Name+"/"+tr.name, func(t *testing.T) {
				gw := sandbox.New(t)
				client, err := gw.NewClient(ksher.WithRetry(3, 0), ksher.WithMaxResponseBytes(smallAnswers), onlyV1())
				require.NoError(t, err)
				_, err = client.Payout(t.Context(), testkit.GoodPayout())
				require.NoError(t, err)
				if tr.fault.Operation = op.Name; tr.fault.Kind != "" {
					require.NoError(t, gw.Inject(tr.fault))
				}
				ctx := t.Context()
				if tr.fault.Kind == sandbox.FaultLatency {
					var end func()
					ctx, end = untilGone(ctx, gw)
					defer end()
				}
				_, err = op.Call(ctx, client, ksher.Extra{})
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
				if tr.query == nil {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, tr.query)
				}
			})
		}
	}
}

package opn_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/opn"
)

// reply is what a query is answered with.
type reply struct {
	status int
	body   string // a refusal if it is empty
	change map[string]any
	err    error
}

func TestWait(t *testing.T) {
	pending, expires := reply{}, "2000-01-01T00:10:00Z" // synctest begins on that day.
	with := func(change map[string]any) reply { return reply{change: change} }
	lost := errors.New("connection lost")
	tests := []struct {
		name    string
		replies []reply // The last one stays.
		want    []error
		status  opn.Status
		queries int
		// from and to bound how long it takes.
		from, to time.Duration
		timeout  time.Duration
	}{
		{name: "paid before", replies: []reply{with(paid)}, status: "successful", queries: 1},
		{name: "paid later", replies: []reply{pending, pending, with(paid)}, status: "successful", queries: 3, from: 2 * time.Second, to: 3 * time.Second},
		{name: "an unknown status", replies: []reply{with(map[string]any{"status": "new"}), with(paid)}, status: "successful", queries: 2, to: 2 * time.Second},
		{name: "failed", replies: []reply{pending, with(map[string]any{"status": "failed", "failure_code": "payment_rejected"})},
			want: []error{ksher.ErrNotPaid, opn.FailureCodePaymentRejected}, status: "failed", queries: 2, to: 2 * time.Second},
		{name: "expired", replies: []reply{with(map[string]any{"status": "expired", "failure_code": "payment_expired"})},
			want: []error{ksher.ErrNotPaid, opn.FailureCodePaymentExpired}, status: "expired", queries: 1},
		{name: "expired without a code", replies: []reply{with(map[string]any{"status": "expired"})}, want: []error{ksher.ErrNotPaid}, status: "expired", queries: 1},
		{name: "reversed", replies: []reply{with(map[string]any{"status": "reversed"})}, want: []error{ksher.ErrNotPaid}, status: "reversed", queries: 1},
		{name: "another amount", replies: []reply{with(map[string]any{"amount": 100, "source.amount": 100})}, want: []error{ksher.ErrOtherOrder}, status: "pending", queries: 1},
		{name: "another currency", replies: []reply{with(map[string]any{"currency": "USD", "source.currency": "USD"})}, want: []error{ksher.ErrOtherOrder}, status: "pending", queries: 1},
		{name: "its time is over", replies: []reply{with(map[string]any{"expires_at": expires})},
			want: []error{ksher.ErrOrderExpired}, status: "pending", from: 11 * time.Minute, to: 11*time.Minute + 13*time.Second},
		{name: "paid after its time", replies: []reply{with(map[string]any{"expires_at": "1999-12-31T23:59:30Z"}), with(paid)}, status: "successful", queries: 2, to: 2 * time.Second},
		{name: "outages and rubbish", replies: []reply{{status: 503}, {err: lost}, {change: map[string]any{"status": ""}}, {status: 429}, with(paid)},
			status: "successful", queries: 5, to: 10 * time.Second},
		{name: "successful and not paid yet", replies: []reply{with(map[string]any{"status": "successful"}), with(paid)}, status: "successful", queries: 2, to: 2 * time.Second},
		{name: "successful with a failure code", replies: []reply{with(map[string]any{"status": "successful", "paid": true, "failure_code": "failed_processing"})},
			status: "successful", queries: 1},
		{name: "failed and yet paid", replies: []reply{with(map[string]any{"status": "failed", "paid": true, "failure_code": "payment_rejected"}), with(paid)},
			status: "successful", queries: 2, to: 2 * time.Second},
		{name: "expired and yet paid", replies: []reply{with(map[string]any{"status": "expired", "expired": true, "paid": true}), with(paid)}, status: "successful", queries: 2, to: 2 * time.Second},
		{name: "successful and taken back", replies: []reply{with(map[string]any{"status": "successful", "reversed": true})}, want: []error{ksher.ErrNotPaid}, status: "successful", queries: 1},
		{name: "successful and voided", replies: []reply{with(map[string]any{"status": "successful", "voided": true})}, want: []error{ksher.ErrNotPaid}, status: "successful", queries: 1},
		{name: "successful and refunded", replies: []reply{with(map[string]any{"status": "successful", "refunded_amount": 100})}, want: []error{ksher.ErrNotPaid}, status: "successful", queries: 1},
		{name: "refused", replies: []reply{{status: 404}}, queries: 1},
		{name: "refused for its key", replies: []reply{{status: 403}}, queries: 1},
		{name: "a proxy knows no such page", replies: []reply{{status: 404, body: "<html>Not Found</html>"}, with(paid)}, status: "successful", queries: 2, to: 2 * time.Second},
		{name: "a proxy's own JSON", replies: []reply{{status: 404, body: `{"error":"no route"}`}, with(paid)}, status: "successful", queries: 2, to: 2 * time.Second},
		{name: "the context ends", replies: []reply{pending}, want: []error{context.DeadlineExceeded}, status: "pending", timeout: 5 * time.Second, from: 5 * time.Second, to: 5 * time.Second},
		{name: "no time is said", replies: []reply{with(map[string]any{"expires_at": nil})}, want: []error{context.DeadlineExceeded}, status: "pending",
			timeout: time.Hour, from: time.Hour, to: time.Hour},
		{name: "its time is over in an outage", replies: []reply{with(map[string]any{"expires_at": expires}), {status: 503}}, want: []error{context.DeadlineExceeded, fault.ErrHTTPStatus},
			status: "pending", timeout: time.Hour, from: time.Hour, to: time.Hour},
		{name: "the context ends in an outage", replies: []reply{pending, {err: lost}}, want: []error{context.DeadlineExceeded, lost}, status: "pending",
			timeout: 5 * time.Second, from: 5 * time.Second, to: 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				queries := 0
				client := newFakeClient(t, func(*http.Request) (int, string, error) {
					r := tt.replies[min(queries, len(tt.replies)-1)]
					queries++
					switch {
					case r.err != nil:
						return 0, "", r.err
					case r.status != 0:
						return r.status, cmp.Or(r.body, `{"object":"error","code":"x"}`), nil
					}
					return 200, edited(t, "charge.json", r.change), nil
				}, opn.WithRetry(1, 0))
				ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
				defer cancel()
				if tt.timeout > 0 {
					ctx, cancel = context.WithTimeout(t.Context(), tt.timeout)
					defer cancel()
				}
				start := time.Now()
				order := opn.OpenOrder{ChargeID: chargeID, Amount: amount}
				if text, ok := tt.replies[0].change["expires_at"].(string); ok {
					var err error
					order.Expires, err = time.Parse(time.RFC3339, text)
					require.NoError(t, err)
				}
				calls := 0
				p, err := opn.NewPayments(client, func(context.Context, *opn.Charge) error { calls++; return nil })
				require.NoError(t, err)
				charge, err := p.Wait(ctx, order)
				require.Equal(t, err == nil, calls == 1)
				took := time.Since(start)
				for _, want := range tt.want {
					require.ErrorIs(t, err, want)
				}
				if tt.status == "" {
					require.Nil(t, charge)
					var failed *opn.Error
					require.ErrorAs(t, err, &failed)
					assert.Equal(t, "x", failed.Code)
				} else {
					assert.Equal(t, tt.status, charge.Status)
					if tt.want == nil {
						require.NoError(t, err)
					}
				}
				if tt.queries > 0 {
					assert.Equal(t, tt.queries, queries)
				}
				assert.GreaterOrEqual(t, took, tt.from)
				assert.LessOrEqual(t, took, tt.to)
			})
		})
	}
}

func TestBadPayments(t *testing.T) {
	_, client := gateway(t)
	fn := func(context.Context, *opn.Charge) error { return nil }
	var nobody *oneAnswer
	for want, opt := range map[string]opn.PaymentsOption{
		"an option is nil": nil, "WithDeduper: the deduper is nil": opn.WithDeduper(nil), "the deduper is nil": opn.WithDeduper(nobody),
		"WithEnded": opn.WithEnded(nil), "WithProblem": opn.WithProblem(nil), "WithBudget": opn.WithBudget(nil),
		"not made by NewBudget": opn.WithBudget(&ksher.Budget{}),
	} {
		_, err := opn.NewPayments(client, fn, opt)
		require.ErrorContains(t, err, want)
	}
	for _, client := range []*opn.Client{nil, {}} {
		_, err := opn.NewPayments(client, fn)
		require.ErrorContains(t, err, "was not made by NewClient")
	}
	_, err := opn.NewPayments(client, nil)
	require.ErrorContains(t, err, "the function for what is paid is nil")
	p, err := opn.NewPayments(client, fn)
	require.NoError(t, err)
	_, err = p.Notifications(nil)
	require.ErrorContains(t, err, "the lookup of expected orders is nil")
	for _, p := range []*opn.Payments{nil, {}} {
		_, err = p.Check(t.Context(), opn.OpenOrder{})
		require.ErrorContains(t, err, "was not made by NewPayments")
		_, err = p.Pass(t.Context(), nil, "")
		require.ErrorContains(t, err, "was not made by NewPayments")
		_, err = p.Notifications(nil)
		require.ErrorContains(t, err, "were not made by NewPayments")
	}
	require.ErrorContains(t, p.Run(t.Context(), nil), "open orders is nil")
	for _, n := range []*opn.Notifications{nil, {}} {
		require.Equal(t, http.StatusInternalServerError, post(n, "").Code)
		_, err = n.Accept(t.Context(), nil)
		require.Error(t, err)
	}
}

// books are a shop's open orders, sorted by the charges' IDs.
type books []opn.OpenOrder

func (b books) OpenOrders(_ context.Context, after string, limit int) ([]opn.OpenOrder, error) {
	i := 0
	for i < len(b) && b[i].ChargeID <= after {
		i++
	}
	return b[i:min(i+limit, len(b))], nil
}

// sell makes charges, each for an order of the books.
func sell(t *testing.T, client *opn.Client, n int) books {
	t.Helper()
	list := make(books, n)
	for i := range list {
		charge, err := client.CreateChargeWithSource(t.Context(), bothRequest())
		require.NoError(t, err)
		list[i] = charge.OpenOrder(fmt.Sprintf("A-%d", i))
		require.Equal(t, opn.OpenOrder{ChargeID: charge.ID, OrderNo: fmt.Sprintf("A-%d", i), Amount: amount,
			Created: charge.CreatedAt, Expires: charge.ExpiresAt.V}, list[i])
	}
	return list
}

// A pass finds what no event reported, tells each once, and goes on after what went wrong.
func TestPass(t *testing.T) {
	gw, client := gateway(t)
	list := sell(t, client, 6)
	gw.Advance(time.Minute)
	require.NoError(t, gw.PayOpn(list[0].ChargeID))
	require.NoError(t, gw.FailOpn(list[1].ChargeID, opn.FailureCodePaymentRejected))
	require.NoError(t, gw.PayOpn(list[2].ChargeID))
	list[2].Amount++ // Opn has it over less.
	require.NoError(t, gw.PayOpn(list[3].ChargeID))
	list[4].Booked = true
	old := gw.Now().Add(-time.Hour)
	list = append(list, opn.OpenOrder{ChargeID: "chrg_test_gone", Amount: amount, Expires: old}, opn.OpenOrder{ChargeID: "src_1", Amount: amount})

	var told []string
	tell := func(what, id string) { told = append(told, what+" "+id) }
	budget, err := ksher.NewBudget(1000, 1)
	require.NoError(t, err)
	p, err := opn.NewPayments(client, func(_ context.Context, c *opn.Charge) error {
		if tell("paid", c.ID); c.ID == list[3].ChargeID {
			panic("out of luck")
		}
		return nil
	}, opn.WithEnded(func(_ context.Context, o opn.OpenOrder, c *opn.Charge) error {
		tell("ended", o.ChargeID)
		require.Equal(t, o.ChargeID == "chrg_test_gone", c == nil)
		return nil
	}), opn.WithProblem(func(_ context.Context, o opn.OpenOrder, err error) {
		tell("problem", o.ChargeID)
		require.ErrorContains(t, err, o.ChargeID)
	}), opn.WithBudget(budget))
	require.NoError(t, err)
	sum, err := p.Pass(t.Context(), list, "")
	require.NoError(t, err)
	require.Equal(t, ksher.PassResult{Asked: 8, Paid: 2, Ended: 2, Open: 1, Failed: 3}, sum)
	want := []string{"paid " + list[0].ChargeID, "ended " + list[1].ChargeID, "problem " + list[2].ChargeID,
		"paid " + list[3].ChargeID, "problem " + list[3].ChargeID, "ended chrg_test_gone", "problem src_1"}
	require.Equal(t, want, told)

	// What is told is told once, and what failed is tried again.
	told = nil
	sum, err = p.Pass(t.Context(), list, list[0].ChargeID)
	require.NoError(t, err)
	require.Equal(t, ksher.PassResult{Asked: 7, Paid: 1, Ended: 2, Open: 1, Failed: 3}, sum)
	require.Equal(t, []string{"paid " + list[3].ChargeID}, told)
}

// A charge whose event was lost is found by the next pass.
func TestRun(t *testing.T) {
	gw, client := gateway(t)
	list := sell(t, client, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	began := gw.Now()
	p, err := opn.NewPayments(client, func(_ context.Context, c *opn.Charge) error {
		cancel(errors.New("paid " + c.ID))
		return nil
	})
	require.NoError(t, err)
	passes := 0
	done := make(chan error, 1)
	go func() {
		done <- p.Run(ctx, listFunc(func(ctx context.Context, after string, limit int) ([]opn.OpenOrder, error) {
			if passes++; passes == 3 {
				assert.NoError(t, gw.PayOpn(list[0].ChargeID))
			}
			return list.OpenOrders(ctx, after, limit)
		}))
	}()
	require.Eventually(t, func() bool {
		gw.Advance(time.Second)
		return ctx.Err() != nil
	}, time.Minute, time.Millisecond)
	require.ErrorIs(t, <-done, context.Canceled)
	require.EqualError(t, context.Cause(ctx), "paid "+list[0].ChargeID)
	require.GreaterOrEqual(t, gw.Now().Sub(began), time.Minute)
}

type listFunc func(ctx context.Context, after string, limit int) ([]opn.OpenOrder, error)

func (f listFunc) OpenOrders(ctx context.Context, after string, limit int) ([]opn.OpenOrder, error) {
	return f(ctx, after, limit)
}

func TestCheck(t *testing.T) {
	gw, client := gateway(t)
	order := sell(t, client, 1)[0]
	away := errors.New("the database is away")
	p, err := opn.NewPayments(client, func(context.Context, *opn.Charge) error { return away })
	require.NoError(t, err)
	charge, err := p.Check(t.Context(), order)
	require.ErrorIs(t, err, ksher.ErrNotPaid)
	require.False(t, charge.Status.Final())
	require.NoError(t, gw.PayOpn(order.ChargeID))
	charge, err = p.Check(t.Context(), order)
	require.ErrorIs(t, err, away)
	require.Equal(t, opn.StatusSuccessful, charge.Status)
	away = nil
	_, err = p.Check(t.Context(), order)
	require.NoError(t, err)
	order.Amount++
	charge, err = p.Check(t.Context(), order)
	require.ErrorIs(t, err, ksher.ErrOtherOrder)
	require.NotNil(t, charge)
	_, err = p.Check(t.Context(), opn.OpenOrder{ChargeID: "chrg_test_gone", Amount: amount})
	require.ErrorIs(t, err, ksher.ErrNotFound)
}

func TestWaitOptions(t *testing.T) {
	_, client := gateway(t)
	p, err := opn.NewPayments(client, func(context.Context, *opn.Charge) error { return nil })
	require.NoError(t, err)
	for want, opt := range map[string]opn.WaitOption{
		"an option is nil":                  nil,
		"WithProgress: the function is nil": opn.WithProgress(nil),
		"waits from 0s to 1s":               opn.WithPolling(0, time.Second),
		"waits from 2s to 1s":               opn.WithPolling(2*time.Second, time.Second),
		"to 2h0m0s":                         opn.WithPolling(time.Second, 2*time.Hour),
	} {
		_, err := p.Wait(t.Context(), opn.OpenOrder{}, opt)
		require.ErrorContains(t, err, "opn: Wait: ")
		require.ErrorContains(t, err, want)
	}
}

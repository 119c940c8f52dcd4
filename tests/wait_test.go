package tests

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// hangs until the request's context ends.
func hangs(r *http.Request) ([]byte, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// place is where an order was made, and what the merchant knows of that.
type place struct {
	name      string
	host      ksher.Host
	operation string
}

var places = []place{
	{"gateway", ksher.HostGateway, "gateway_order_query"},
	{"merchant", ksher.HostMerchant, "order_query"},
}

// having is both hosts, of which the place's gives the replies one after the
// other, and the last one again and again. The other host doesn't know the order.
func (p place) having(replies ...testkit.Reply) *testkit.InMemory {
	m := &testkit.InMemory{}
	m.Answer = func(r *http.Request, op string, _ url.Values) ([]byte, error) {
		switch {
		case op == p.operation:
			return replies[min(len(m.Questions(op)), len(replies))-1](r)
		case op == "gateway_order_query":
			return testkit.Denies(ksher.CodeOrderNotExist)(r)
		}
		return testkit.Denies(ksher.CodeKsherInvalidOrderNo)(r)
	}
	return m
}

func openOrder(host ksher.Host) ksher.OpenOrder {
	return ksher.OpenOrder{MchOrderNo: testkit.OrderNo, Host: host, TotalFee: 100_00, FeeType: "THB"}
}

func TestWait(t *testing.T) {
	notPaid, paid := testkit.Tells(ksher.ResultNotPay), testkit.Tells(ksher.ResultSuccess)
	tests := []struct {
		name    string
		replies []testkit.Reply
		// expires is when the order does, and ends when the context does, both
		// from the beginning and 0 for never.
		expires, ends time.Duration
		// want is what the error is, nil for none, and not what it isn't.
		want []error
		not  []error
		// result is that of the order that is returned, "" for no order.
		result ksher.Result
		// queries is how often the place's host was asked, 0 for no matter.
		queries int
		// after is when it returned, -1 for no matter.
		after time.Duration
	}{
		{name: "paid already", replies: []testkit.Reply{paid}, result: "SUCCESS", queries: 1},
		{
			name: "paid after everything that isn't an end",
			replies: []testkit.Reply{
				notPaid, testkit.Tells(ksher.ResultNotSure), testkit.Tells(ksher.ResultUserPaying), testkit.Tells(ksher.ResultPending),
				testkit.Tells("SOMETHING_NEW"), testkit.Tells(""), paid,
			},
			result: "SUCCESS", queries: 7, after: -1,
		},
		{name: "closed", replies: []testkit.Reply{notPaid, testkit.Tells(ksher.ResultClosed)}, want: []error{ksher.ErrNotPaid}, result: "CLOSED", queries: 2, after: -1},
		{name: "failed", replies: []testkit.Reply{notPaid, testkit.Tells(ksher.ResultPayError)}, want: []error{ksher.ErrNotPaid}, result: "PAYERROR", queries: 2, after: -1},
		{name: "refunded", replies: []testkit.Reply{notPaid, testkit.Tells(ksher.ResultRefund)}, want: []error{ksher.ErrNotPaid}, result: "REFUND", queries: 2, after: -1},

		{name: "expired", replies: []testkit.Reply{notPaid}, expires: 90 * time.Second, want: []error{ksher.ErrOrderExpired}, result: "NOTPAY", after: 90 * time.Second},
		{name: "expired before", replies: []testkit.Reply{notPaid}, expires: -time.Hour, want: []error{ksher.ErrOrderExpired}, result: "NOTPAY", queries: 1},
		{name: "expired at this moment", replies: []testkit.Reply{notPaid}, expires: time.Nanosecond, want: []error{ksher.ErrOrderExpired}, result: "NOTPAY", queries: 2, after: time.Nanosecond},
		{name: "expired before, and paid", replies: []testkit.Reply{paid}, expires: -time.Hour, result: "SUCCESS", queries: 1},
		{name: "paid at the last moment", replies: []testkit.Reply{notPaid, paid}, expires: 500 * time.Millisecond, result: "SUCCESS", queries: 2, after: 500 * time.Millisecond},
		{
			name: "expired while the gateway can't tell", replies: []testkit.Reply{notPaid, testkit.Breaks, testkit.Says("<html>"), testkit.Denies(ksher.CodeSystemError), notPaid},
			expires: 500 * time.Millisecond, want: []error{ksher.ErrOrderExpired}, result: "NOTPAY", queries: 5, after: -1,
		},
		{
			name: "paid while the gateway couldn't tell", replies: []testkit.Reply{notPaid, testkit.Breaks, testkit.Breaks, paid},
			expires: 500 * time.Millisecond, result: "SUCCESS", queries: 4, after: -1,
		},
		{
			name: "expired, and the gateway never tells", replies: []testkit.Reply{testkit.Breaks}, expires: time.Second, ends: time.Minute,
			want: []error{context.DeadlineExceeded}, not: []error{ksher.ErrOrderExpired}, after: time.Minute,
		},

		{name: "the context ends in a pause", replies: []testkit.Reply{notPaid}, ends: time.Minute, want: []error{context.DeadlineExceeded}, not: []error{ksher.ErrNotPaid, ksher.ErrOrderExpired}, result: "NOTPAY", after: time.Minute},
		{name: "the context ends in a query", replies: []testkit.Reply{notPaid, hangs}, ends: 10 * time.Second, want: []error{context.DeadlineExceeded}, result: "NOTPAY", queries: 2, after: 10 * time.Second},
		{name: "the context ends in the first query", replies: []testkit.Reply{hangs}, ends: 10 * time.Second, want: []error{context.DeadlineExceeded}, queries: 1, after: 10 * time.Second},
		{name: "queries take too long, until one doesn't", replies: []testkit.Reply{hangs, hangs, paid}, result: "SUCCESS", queries: 3, after: -1},

		{
			name: "unknown", replies: []testkit.Reply{testkit.Denies(ksher.CodeOrderNotExist)},
			want: []error{ksher.CodeOrderNotExist}, not: []error{ksher.ErrNotPaid, ksher.ErrOutcomeUnknown}, queries: 1,
		},
		{name: "refused for good", replies: []testkit.Reply{testkit.Denies(ksher.CodeNoAuth)}, want: []error{ksher.CodeNoAuth}, queries: 1},
		{name: "refused for good later", replies: []testkit.Reply{notPaid, testkit.Denies(ksher.CodeNoAuth)}, want: []error{ksher.CodeNoAuth}, result: "NOTPAY", queries: 2, after: -1},
		{name: "refused by an undocumented code", replies: []testkit.Reply{testkit.Denies("TEAPOT")}, want: []error{ksher.Code("TEAPOT")}, queries: 1},

		{name: "another amount", replies: []testkit.Reply{notPaid, testkit.Tells(ksher.ResultSuccess, testkit.WithTotal(99_99))}, want: []error{ksher.ErrOtherOrder}, result: "SUCCESS", queries: 2, after: -1},
		{name: "no amount", replies: []testkit.Reply{testkit.Tells(ksher.ResultSuccess, testkit.WithTotal(0))}, want: []error{ksher.ErrOtherOrder}, result: "SUCCESS", queries: 1},
		{name: "another currency", replies: []testkit.Reply{testkit.Tells(ksher.ResultSuccess, testkit.WithCurrency("JPY"))}, want: []error{ksher.ErrOtherOrder}, result: "SUCCESS", queries: 1},
		{name: "another amount, not paid yet", replies: []testkit.Reply{testkit.Tells(ksher.ResultNotPay, testkit.WithTotal(0)), paid}, result: "SUCCESS", queries: 2, after: -1},

		{
			name: "garbage in between",
			replies: []testkit.Reply{
				testkit.Breaks, testkit.Says(""), testkit.Says("<html>"), testkit.Says(`{"code":0`), testkit.Says(`{"code":0,"data":{"result":"SUCCESS"}}`),
				testkit.Says(strings.Replace(string(sandbox.SignedResponse(&ksher.Order{MchOrderNo: testkit.OrderNo, TotalFee: 100_01})), "10001", "10000", 1)),
				testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("order2")), testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("")), testkit.Tells(ksher.ResultClosed, testkit.WithNumber("order2")),
				testkit.Tells(ksher.ResultSuccess, func(o *ksher.Order) { o.AppID = "mch1" }),
				testkit.Denies(ksher.CodeSystemError), testkit.Denies(ksher.CodeKsherSystemError), testkit.Denies(ksher.CodeKsherChannelResponseError),
				paid,
			},
			result: "SUCCESS", queries: 14, after: -1,
		},
		{
			name: "nothing but garbage", replies: []testkit.Reply{testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("order2"))}, ends: time.Minute,
			want: []error{context.DeadlineExceeded}, not: []error{ksher.ErrNotPaid, ksher.ErrOrderExpired}, after: time.Minute,
		},
		{name: "nothing but a dead line", replies: []testkit.Reply{testkit.Breaks}, ends: time.Minute, want: []error{context.DeadlineExceeded}, after: time.Minute},
	}
	for _, p := range places {
		for _, tt := range tests {
			t.Run(p.name+"/"+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					hosts := p.having(tt.replies...)
					client := hosts.Client(t)
					order, start, ends := openOrder(p.host), time.Now(), tt.ends
					if ends == 0 {
						ends = time.Hour // So that no mistake makes it go on for ever.
					}
					ctx, cancel := context.WithTimeout(t.Context(), ends)
					defer cancel()
					if tt.expires != 0 {
						order.Expires = start.Add(tt.expires)
					}
					known, err := testkit.PaymentsOf(t, client).Wait(ctx, order)
					if tt.want == nil {
						require.NoError(t, err)
						require.NoError(t, known.CheckPaid(testkit.OrderNo, 100_00, "THB"))
					}
					for _, want := range tt.want {
						require.ErrorIs(t, err, want)
						require.ErrorContains(t, err, testkit.OrderNo)
					}
					for _, not := range tt.not {
						require.NotErrorIs(t, err, not)
					}
					if tt.result == "" {
						require.Nil(t, known)
					} else {
						require.NotNil(t, known)
						require.Equal(t, tt.result, known.Result)
					}
					if tt.queries != 0 {
						require.Len(t, hosts.Questions(p.operation), tt.queries)
					}
					if tt.after >= 0 {
						require.Equal(t, tt.after, max(0, time.Since(start)))
					}
					require.Len(t, hosts.Questions(""), len(hosts.Questions(p.operation)), "the other host was asked")
				})
			})
		}
	}
}

// What keeps the gateway from telling is part of the error in the end.
func TestWaitSaysWhatWentWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := testkit.PaymentsOf(t, places[0].having(testkit.Breaks).Client(t)).Wait(ctx, openOrder(ksher.HostGateway))
		require.EqualError(t, err, `ksher: waiting for payment of order "order1": context deadline exceeded; the last query failed: `+
			`ksher: gateway_order_query of order "order1": no answer came: POST "https://gateway.ksher.com/api/gateway_order_query": the line is dead (app ID mch00000)`)
	})
}

func TestWaitOfContextThatEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, p := range places {
		hosts := p.having(testkit.Tells(ksher.ResultSuccess))
		known, err := testkit.PaymentsOf(t, hosts.Client(t)).Wait(ctx, openOrder(p.host))
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, known)
		require.Empty(t, hosts.Questions(""))
	}
}

func TestWaitRefuses(t *testing.T) {
	hosts := places[0].having(testkit.Tells(ksher.ResultSuccess))
	client := testkit.PaymentsOf(t, hosts.Client(t))
	with := func(change func(*ksher.OpenOrder)) ksher.OpenOrder {
		o := openOrder(ksher.HostGateway)
		o.Expires = time.Now()
		change(&o)
		return o
	}
	good := with(func(*ksher.OpenOrder) {})
	tests := []struct {
		name     string
		payments *ksher.Payments
		ctx      context.Context
		order    ksher.OpenOrder
		fields   []string
	}{
		{"no payments", nil, t.Context(), good, []string{"payments"}},
		{"payments of its own making", &ksher.Payments{}, t.Context(), good, []string{"payments"}},
		{"no context", client, nil, good, []string{"context"}},
		{"nothing at all", nil, nil, ksher.OpenOrder{}, []string{"payments", "context"}},
		{"an empty order", client, t.Context(), ksher.OpenOrder{}, []string{"mch_order_no", "total_fee", "fee_type", "host"}},
		{"a blank number", client, t.Context(), with(func(o *ksher.OpenOrder) { o.MchOrderNo = " " }), []string{"mch_order_no"}},
		{"a padded number", client, t.Context(), with(func(o *ksher.OpenOrder) { o.MchOrderNo = "1 " }), []string{"mch_order_no"}},
		{"a number that isn't UTF-8", client, t.Context(), with(func(o *ksher.OpenOrder) { o.MchOrderNo = "\xff" }), []string{"mch_order_no"}},
		{"no amount", client, t.Context(), with(func(o *ksher.OpenOrder) { o.TotalFee = 0 }), []string{"total_fee"}},
		{"a negative amount", client, t.Context(), with(func(o *ksher.OpenOrder) { o.TotalFee = -1 }), []string{"total_fee"}},
		{"no currency", client, t.Context(), with(func(o *ksher.OpenOrder) { o.FeeType = "" }), []string{"fee_type"}},
		{"a currency in small letters", client, t.Context(), with(func(o *ksher.OpenOrder) { o.FeeType = "thb" }), []string{"fee_type"}},
		{"no host", client, t.Context(), with(func(o *ksher.OpenOrder) { o.Host = "" }), []string{"host"}},
		{"another host", client, t.Context(), with(func(o *ksher.OpenOrder) { o.Host = "gateway.ksher.com" }), []string{"host"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			known, err := tt.payments.Wait(tt.ctx, tt.order)
			require.Nil(t, known)
			var invalid *ksher.ValidationError
			require.ErrorAs(t, err, &invalid)
			var fields []string
			for _, f := range invalid.Fields {
				fields = append(fields, f.Field)
			}
			require.Equal(t, tt.fields, fields)
			require.Empty(t, hosts.Questions(""))
		})
	}
}

func TestWithPolling(t *testing.T) {
	hosts := places[0].having(testkit.Tells(ksher.ResultSuccess))
	client := hosts.Client(t)
	for _, tt := range []struct {
		first, most time.Duration
		ok          bool
	}{
		{time.Millisecond, time.Millisecond, true},
		{time.Hour, time.Hour, true},
		{time.Millisecond, time.Hour, true},
		{time.Millisecond - 1, time.Second, false},
		{0, time.Second, false},
		{-time.Second, time.Second, false},
		{time.Second, time.Second - 1, false},
		{time.Second, 0, false},
		{time.Second, time.Hour + 1, false},
		{2 * time.Hour, 2 * time.Hour, false},
	} {
		before := len(hosts.Questions(""))
		_, err := testkit.PaymentsOf(t, client).Wait(t.Context(), openOrder(ksher.HostGateway), ksher.WithPolling(tt.first, tt.most))
		if tt.ok {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, "WithPolling", "%v", tt)
		require.Len(t, hosts.Questions(""), before, "%v", tt)
	}
	_, err := testkit.PaymentsOf(t, client).Wait(t.Context(), openOrder(ksher.HostGateway), nil)
	require.ErrorContains(t, err, "nil")
}

// pauses are the times between the queries.
func pauses(asked []testkit.Question) []time.Duration {
	var all []time.Duration
	for i, q := range asked[1:] {
		all = append(all, q.At.Sub(asked[i].At))
	}
	return all
}

func TestPollingSchedule(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		opts        []ksher.WaitOption
		first, most time.Duration
	}{
		{"default", nil, time.Second, 10 * time.Second},
		{"a kiosk in a hurry", []ksher.WaitOption{ksher.WithPolling(200*time.Millisecond, 2*time.Second)}, 200 * time.Millisecond, 2 * time.Second},
		{"the same all the time", []ksher.WaitOption{ksher.WithPolling(5*time.Second, 5*time.Second)}, 5 * time.Second, 5 * time.Second},
		{"the last option counts", []ksher.WaitOption{ksher.WithPolling(1*time.Hour, 1*time.Hour), ksher.WithPolling(time.Second, time.Minute)}, time.Second, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hosts := places[0].having(testkit.Tells(ksher.ResultNotPay))
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				start := time.Now()
				_, err := testkit.PaymentsOf(t, hosts.Client(t)).Wait(ctx, openOrder(ksher.HostGateway), tt.opts...)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				asked := hosts.Questions("")
				require.Equal(t, start, asked[0].At, "the first query waited")

				wait, distinct := tt.first, map[time.Duration]bool{}
				for i, pause := range pauses(asked) {
					require.InDelta(t, wait, pause, float64(wait/5), "pause %d", i+1)
					distinct[pause] = true
					wait = min(wait+wait/2, tt.most)
				}
				require.Greater(t, len(distinct), len(asked)/2, "the pauses don't differ")
				most := int(time.Hour/(tt.most*4/5)) + 20
				require.LessOrEqual(t, len(asked), most, "queries in an hour")
			})
		})
	}
}

// With Expires the last query comes right then, and the ones before as usual.
func TestPollingUntilExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := places[0].having(testkit.Tells(ksher.ResultNotPay))
		order := openOrder(ksher.HostGateway)
		order.Expires = time.Now().Add(15 * time.Minute)
		_, err := testkit.PaymentsOf(t, hosts.Client(t)).Wait(t.Context(), order)
		require.ErrorIs(t, err, ksher.ErrOrderExpired)
		asked := hosts.Questions("")
		require.WithinDuration(t, order.Expires, asked[len(asked)-1].At, 0)
		before := asked[len(asked)-2].At
		require.True(t, before.Before(order.Expires))
		require.LessOrEqual(t, order.Expires.Sub(before), 12*time.Second)
		all := pauses(asked)
		for _, pause := range all[6 : len(all)-1] {
			require.InDelta(t, 10*time.Second, pause, float64(2*time.Second))
		}
	})
}

// Kiosks that start together drift apart.
func TestPollingOfAChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := map[time.Time]bool{}
		for range 50 {
			hosts := places[0].having(testkit.Tells(ksher.ResultNotPay), testkit.Tells(ksher.ResultSuccess))
			start := time.Now()
			_, err := testkit.PaymentsOf(t, hosts.Client(t)).Wait(t.Context(), openOrder(ksher.HostGateway))
			require.NoError(t, err)
			second[time.Time{}.Add(hosts.Questions("")[1].At.Sub(start))] = true
		}
		require.Greater(t, len(second), 40)
	})
}

// Several waits at once for one client, each with a context of its own.
func TestWaitConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := places[0].having(testkit.Tells(ksher.ResultNotPay))
		client := hosts.Client(t)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for range 20 {
			running.Go(func() {
				_, err := testkit.PaymentsOf(t, client).Wait(ctx, openOrder(ksher.HostGateway))
				assert.ErrorIs(t, err, context.Canceled)
			})
		}
		time.Sleep(time.Minute)
		cancel()
		running.Wait()
	})
}

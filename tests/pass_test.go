package tests

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

type listFunc func(ctx context.Context, after string, limit int) ([]ksher.OpenOrder, error)

func (f listFunc) OpenOrders(ctx context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	return f(ctx, after, limit)
}

// openOrders are n open orders of the gateway host.
func openOrders(n int) testkit.OrderList {
	list := make(testkit.OrderList, n)
	for i := range list {
		list[i] = ksher.OpenOrder{MchOrderNo: fmt.Sprintf("order%04d", i), Host: ksher.HostGateway, TotalFee: 100_00, FeeType: "THB"}
	}
	return list
}

// till counts what a reconciler reports.
type till struct {
	mu    sync.Mutex
	calls []string
	// err is what its functions return, by the report, such as "paid order1".
	err map[string]error
}

func (m *till) note(what, mchOrderNo string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, what+" "+mchOrderNo)
	return m.err[what+" "+mchOrderNo]
}

func (m *till) paid(_ context.Context, o *ksher.Order) error { return m.note("paid", o.MchOrderNo) }

func (m *till) ended(_ context.Context, open ksher.OpenOrder, o *ksher.Order) error {
	what := "unknown"
	if o != nil {
		what = strings.ToLower("ended " + string(o.Result))
	}
	return m.note(what, open.MchOrderNo)
}

func (m *till) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// listed are payments with a list of open orders.
type listed struct {
	*ksher.Payments
	orders ksher.OpenOrders
}

func (p listed) pass(ctx context.Context) (ksher.PassResult, error) {
	return p.Pass(ctx, p.orders, "")
}

// payments ask one after the other, and need no waiting unless the options say so.
func (m *till) payments(tb testing.TB, client *ksher.Client, orders ksher.OpenOrders, opts ...ksher.PaymentsOption) listed {
	tb.Helper()
	opts = append([]ksher.PaymentsOption{ksher.WithEnded(m.ended), budget(tb, 1000, 1)}, opts...)
	return listed{testkit.PaymentsTo(tb, client, m.paid, opts...), orders}
}

func budget(tb testing.TB, perSecond float64, atOnce int) ksher.PaymentsOption {
	tb.Helper()
	b, err := ksher.NewBudget(perSecond, atOnce)
	require.NoError(tb, err)
	return ksher.WithBudget(b)
}

func pass(tb testing.TB, p listed) ksher.PassResult {
	tb.Helper()
	sum, err := p.pass(tb.Context())
	require.NoError(tb, err)
	return sum
}

func TestPassPages(t *testing.T) {
	for _, n := range []int{0, 1, 99, 100, 101, 200, 250} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hosts, list := testkit.Telling(ksher.ResultNotSure), openOrders(n)
				var after []string
				counted := listFunc(func(ctx context.Context, no string, limit int) ([]ksher.OpenOrder, error) {
					require.Equal(t, 100, limit)
					after = append(after, no)
					return list.OpenOrders(ctx, no, limit)
				})
				sum := pass(t, (&till{}).payments(t, hosts.Client(t), counted))
				require.Equal(t, ksher.PassResult{Asked: n, Open: n}, sum)
				var asked []string
				for _, q := range hosts.Questions("") {
					asked = append(asked, q.Form.Get("mch_order_no"))
				}
				require.Len(t, asked, n)
				for i, o := range list {
					require.Equal(t, o.MchOrderNo, asked[i])
				}
				want := []string{""}
				for i := 99; i < n; i += 100 {
					want = append(want, list[i].MchOrderNo)
				}
				if n%100 != 0 {
					want = append(want, list[n-1].MchOrderNo)
				}
				require.Equal(t, want, after)
			})
		})
	}
}

func TestPassOfAListThatNeverEnds(t *testing.T) {
	list := openOrders(150)
	source := rand.New(rand.NewPCG(1, 2))
	tests := []struct {
		name string
		list listFunc
	}{
		{"it ignores the number", func(_ context.Context, _ string, limit int) ([]ksher.OpenOrder, error) {
			return list[:limit], nil
		}},
		{"it ignores the number and the limit", func(context.Context, string, int) ([]ksher.OpenOrder, error) {
			return list, nil
		}},
		{"it includes the number", func(_ context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
			i := slices.IndexFunc(list, func(o ksher.OpenOrder) bool { return o.MchOrderNo >= after })
			return list[i:min(i+limit, len(list))], nil
		}},
		{"it goes round", func(_ context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
			if after == "" || after == list[149].MchOrderNo {
				return list[:100], nil
			}
			return list[100:], nil
		}},
		{"it is shuffled each time", func(_ context.Context, _ string, limit int) ([]ksher.OpenOrder, error) {
			page := slices.Clone(list[:10])
			source.Shuffle(len(page), func(i, j int) { page[i], page[j] = page[j], page[i] })
			return page, nil
		}},
		{"its orders have no numbers", func(context.Context, string, int) ([]ksher.OpenOrder, error) {
			return make([]ksher.OpenOrder, 3), nil
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err := (&till{}).payments(t, testkit.Telling(ksher.ResultNotSure).Client(t), tt.list).pass(ctx)
				require.ErrorContains(t, err, "never end")
			})
		})
	}
}

func TestPassRate(t *testing.T) {
	tests := []struct {
		rate float64
		// interval is the time between two orders.
		interval time.Duration
		// slow is how long an answer takes.
		slow time.Duration
	}{
		{2, 500 * time.Millisecond, 0},
		{2, 500 * time.Millisecond, 400 * time.Millisecond},
		{10, 100 * time.Millisecond, 0},
		{0.001, 1000 * time.Second, 0},
		{1000, time.Millisecond, 0},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.rate, tt.slow), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hosts := testkit.Telling(ksher.ResultNotSure)
				told := hosts.Answer
				hosts.Answer = func(r *http.Request, op string, form url.Values) ([]byte, error) {
					time.Sleep(tt.slow)
					return told(r, op, form)
				}
				r := (&till{}).payments(t, hosts.Client(t), openOrders(120), budget(t, tt.rate, 1))
				start := time.Now()
				pass(t, r)
				asked := hosts.Questions("")
				require.Equal(t, start, asked[0].At, "the first order waited")
				for _, pause := range pauses(asked) {
					require.Equal(t, tt.interval, pause)
				}
			})
		})
	}
}

// Answers that take longer than the interval aren't made up for by a burst.
func TestPassDoesNotCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := testkit.Telling(ksher.ResultNotSure)
		told := hosts.Answer
		hosts.Answer = func(r *http.Request, op string, form url.Values) ([]byte, error) {
			if len(hosts.Questions("")) == 1 {
				time.Sleep(20 * time.Second)
			}
			return told(r, op, form)
		}
		r := (&till{}).payments(t, hosts.Client(t), openOrders(20), budget(t, 1, 1))
		pass(t, r)
		all := pauses(hosts.Questions(""))
		for _, pause := range all[2:] {
			require.Equal(t, time.Second, pause)
		}
	})
}

func TestPassReports(t *testing.T) {
	past, future := -time.Hour, time.Hour
	unknown := testkit.Denies(ksher.CodeOrderNotExist)
	tests := []struct {
		name    string
		reply   testkit.Reply
		expires time.Duration
		host    ksher.Host
		calls   []string
		sum     ksher.PassResult
		// logged is part of the log, and problem of what a person is told.
		logged, problem string
	}{
		{name: "paid", reply: testkit.Tells(ksher.ResultSuccess), calls: []string{"paid order1"}, sum: ksher.PassResult{Paid: 1}},
		{name: "paid, and expired", reply: testkit.Tells(ksher.ResultSuccess), expires: past, calls: []string{"paid order1"}, sum: ksher.PassResult{Paid: 1}},
		{name: "closed", reply: testkit.Tells(ksher.ResultClosed), calls: []string{"ended closed order1"}, sum: ksher.PassResult{Ended: 1}},
		{name: "failed", reply: testkit.Tells(ksher.ResultPayError), calls: []string{"ended payerror order1"}, sum: ksher.PassResult{Ended: 1}},
		{name: "refunded", reply: testkit.Tells(ksher.ResultRefund), calls: []string{"ended refund order1"}, sum: ksher.PassResult{Ended: 1}},
		{name: "not paid", reply: testkit.Tells(ksher.ResultNotPay), sum: ksher.PassResult{Open: 1}},
		{name: "not paid, and expired", reply: testkit.Tells(ksher.ResultNotPay), expires: past, sum: ksher.PassResult{Open: 1}},
		{name: "not sure", reply: testkit.Tells(ksher.ResultNotSure), sum: ksher.PassResult{Open: 1}},
		{name: "something new", reply: testkit.Tells("SOMETHING_NEW"), sum: ksher.PassResult{Open: 1}},
		{name: "no result", reply: testkit.Tells(""), expires: past, sum: ksher.PassResult{Open: 1}},

		{name: "unknown", reply: unknown, sum: ksher.PassResult{Failed: 1}, problem: "ORDER_NOT_EXIST"},
		{name: "unknown before its time is over", reply: unknown, expires: future, sum: ksher.PassResult{Failed: 1}, problem: "ORDER_NOT_EXIST"},
		{name: "unknown after its time is over", reply: unknown, expires: past, calls: []string{"unknown order1"}, sum: ksher.PassResult{Ended: 1}},

		{name: "another amount", reply: testkit.Tells(ksher.ResultSuccess, testkit.WithTotal(100_01)), sum: ksher.PassResult{Failed: 1}, problem: "100.01"},
		{name: "another currency", reply: testkit.Tells(ksher.ResultSuccess, testkit.WithCurrency("JPY")), sum: ksher.PassResult{Failed: 1}, problem: "JPY"},
		{name: "another order", reply: testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("order2")), sum: ksher.PassResult{Failed: 1}, problem: "order2"},
		{name: "an answer about no order", reply: testkit.Tells(ksher.ResultClosed, testkit.WithNumber("")), expires: past, sum: ksher.PassResult{Failed: 1}, problem: "the answer tells of order"},
		{name: "a dead line", reply: testkit.Breaks, expires: past, sum: ksher.PassResult{Failed: 1}, logged: "the line is dead"},
		{name: "garbage", reply: testkit.Says("<html>"), expires: past, sum: ksher.PassResult{Failed: 1}, logged: "JSON"},
		{name: "out of order", reply: testkit.Denies(ksher.CodeSystemError), expires: past, sum: ksher.PassResult{Failed: 1}, logged: "SYSTEMERROR"},
		{name: "refused", reply: testkit.Denies(ksher.CodeNoAuth), expires: past, sum: ksher.PassResult{Failed: 1}, problem: string(ksher.CodeNoAuth)},
		{name: "no such host", reply: unknown, expires: past, host: "native", sum: ksher.PassResult{Failed: 1}, problem: "native"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, log := &till{}, &testkit.LogBuffer{}
			hosts := testkit.AnswersOf(map[string]testkit.Reply{"gateway_order_query": tt.reply, "order_query": unknown})
			order := openOrder(ksher.HostGateway)
			if tt.host != "" {
				order.Host = tt.host
			}
			if tt.expires != 0 {
				order.Expires = time.Now().Add(tt.expires)
			}
			r := m.payments(t, hosts.Client(t, ksher.WithLogger(log.Logger(slog.LevelDebug))), testkit.OrderList{order})
			tt.sum.Asked = 1
			for range 3 {
				require.Equal(t, tt.sum, pass(t, r))
			}
			require.Equal(t, tt.calls, m.all())
			require.Contains(t, log.Text(), tt.logged)
			told := strings.Count(log.Text(), `"msg":"ksher payment needs a person","order_no":"order1"`)
			if tt.problem == "" {
				require.Zero(t, told)
			} else {
				require.Equal(t, 1, told, "once, however many passes find it")
				require.Contains(t, log.Text(), tt.problem)
			}

			// Without WithEnded the numbers are the same.
			require.Equal(t, tt.sum, pass(t, listed{testkit.PaymentsOf(t, hosts.Client(t)), testkit.OrderList{order}}))
		})
	}
}

// What the merchant's function gets is the gateway's answer.
func TestPassPasses(t *testing.T) {
	hosts := testkit.Telling(ksher.ResultSuccess, func(o *ksher.Order) { o.Attach = "table 4" })
	client := hosts.Client(t)
	type key string
	ctx := context.WithValue(t.Context(), key("who"), "cron")
	ran := 0
	p := testkit.PaymentsTo(t, client, func(ctx context.Context, o *ksher.Order) error {
		ran++
		require.Equal(t, "cron", ctx.Value(key("who")))
		require.Equal(t, "table 4", o.Attach)
		return o.CheckPaid("order0000", 100_00, "THB")
	})
	_, err := p.Pass(ctx, openOrders(1), "")
	require.NoError(t, err)
	require.Equal(t, 1, ran)
}

func TestPassTriesAgain(t *testing.T) {
	for _, tt := range []struct {
		result ksher.Result
		report string
		done   ksher.PassResult
	}{
		{ksher.ResultSuccess, "paid order0000", ksher.PassResult{Asked: 1, Paid: 1}},
		{ksher.ResultClosed, "ended closed order0000", ksher.PassResult{Asked: 1, Ended: 1}},
	} {
		m, log := &till{err: map[string]error{tt.report: errors.New("the database is away")}}, &testkit.LogBuffer{}
		r := m.payments(t, testkit.Telling(tt.result).Client(t, ksher.WithLogger(log.Logger(slog.LevelDebug))), openOrders(1))
		failed := ksher.PassResult{Asked: 1, Failed: 1}
		require.Equal(t, failed, pass(t, r))
		require.Equal(t, failed, pass(t, r))
		require.Contains(t, log.Text(), "the database is away")
		m.err = nil
		require.Equal(t, tt.done, pass(t, r))
		require.Equal(t, tt.done, pass(t, r))
		require.Equal(t, []string{tt.report, tt.report, tt.report}, m.all())
	}
}

// One order's trouble is no other's.
func TestPassCounts(t *testing.T) {
	list := openOrders(6)
	list[5].Expires = time.Now().Add(-time.Minute)
	replies := map[string]testkit.Reply{
		"order0000": testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("order0000")),
		"order0001": testkit.Breaks,
		"order0002": testkit.Tells(ksher.ResultClosed, testkit.WithNumber("order0002")),
		"order0003": testkit.Tells(ksher.ResultNotSure, testkit.WithNumber("order0003")),
		"order0004": testkit.Tells(ksher.ResultSuccess, testkit.WithNumber("order0004")),
		"order0005": testkit.Denies(ksher.CodeOrderNotExist),
	}
	hosts := &testkit.InMemory{Answer: func(r *http.Request, _ string, form url.Values) ([]byte, error) {
		return replies[form.Get("mch_order_no")](r)
	}}
	m := &till{err: map[string]error{"paid order0004": errors.New("no stock")}}
	sum := pass(t, m.payments(t, hosts.Client(t), list))
	require.Equal(t, ksher.PassResult{Asked: 6, Paid: 1, Ended: 2, Open: 1, Failed: 2}, sum)
	require.Equal(t, []string{"paid order0000", "ended closed order0002", "paid order0004", "unknown order0005"}, m.all())
}

func TestPassList(t *testing.T) {
	away := errors.New("the database is away")
	for _, failing := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			r := (&till{}).payments(t, testkit.Telling(ksher.ResultNotSure).Client(t), listFunc(func(ctx context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
				if calls++; calls == failing {
					return nil, away
				}
				return openOrders(150).OpenOrders(ctx, after, limit)
			}))
			sum, err := r.pass(t.Context())
			require.ErrorIs(t, err, away)
			require.Equal(t, 100*(failing-1), sum.Asked)
		})
	}
}

func TestPassContext(t *testing.T) {
	tests := []struct {
		name string
		ends time.Duration
		// asked is how many orders were asked about then.
		asked int
		after string
		slow  time.Duration
	}{
		{"before", 0, 0, "", 0},
		{"between two orders", 2200 * time.Millisecond, 5, "order0004", 0},
		{"in a query", 2200 * time.Millisecond, 4, "order0003", 400 * time.Millisecond},
		{"in the last query", 4600 * time.Millisecond, 9, "order0008", 400 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hosts := testkit.Telling(ksher.ResultNotSure)
				told := hosts.Answer
				hosts.Answer = func(r *http.Request, op string, form url.Values) ([]byte, error) {
					select {
					case <-time.After(tt.slow):
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
					return told(r, op, form)
				}
				r := (&till{}).payments(t, hosts.Client(t), openOrders(10), budget(t, 2, 1))
				ctx, cancel := context.WithTimeout(t.Context(), tt.ends)
				defer cancel()
				sum, err := r.pass(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, ksher.PassResult{After: tt.after, Asked: tt.asked, Open: tt.asked}, sum)
				// The next one goes on there.
				sum, err = r.Pass(t.Context(), r.orders, sum.After)
				require.NoError(t, err)
				require.Equal(t, 10-tt.asked, sum.Asked)
			})
		})
	}
}

func TestPassRun(t *testing.T) {
	{
		synctest.Test(t, func(t *testing.T) {
			log, away := &testkit.LogBuffer{}, errors.New("the database is away")
			var at []time.Time
			list := listFunc(func(ctx context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
				if after != "" {
					return nil, nil
				}
				if at = append(at, time.Now()); len(at)%2 == 0 {
					return nil, away
				}
				return openOrders(3), nil
			})
			hosts, m := testkit.Telling(ksher.ResultSuccess), &till{}
			r := m.payments(t, hosts.Client(t, ksher.WithLogger(log.Logger(slog.LevelDebug))), list, budget(t, 1, 1))
			const want = time.Minute
			ctx, cancel := context.WithTimeout(t.Context(), 10*want)
			defer cancel()
			start := time.Now()
			require.ErrorIs(t, r.Run(ctx, r.orders), context.DeadlineExceeded)
			require.Equal(t, 10*want, time.Since(start))
			require.Equal(t, start, at[0])
			require.GreaterOrEqual(t, len(at), 9)
			for i := range at[1:] {
				// A pass over three orders takes two seconds, one without any none.
				pause := want
				if i%2 == 0 {
					pause += 2 * time.Second
				}
				require.Equal(t, pause, at[i+1].Sub(at[i]))
			}
			require.Equal(t, []string{"paid order0000", "paid order0001", "paid order0002"}, m.all())
			require.Contains(t, log.Text(), `"level":"ERROR","msg":"ksher reconciliation"`)
			require.Contains(t, log.Text(), "the database is away")
			require.Contains(t, log.Text(), `"asked":3,"paid":3,"ended":0,"open":0,"failed":0`)
		})
	}
}

func TestPassRunEndsInAPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := (&till{}).payments(t, testkit.Telling(ksher.ResultNotSure).Client(t), openOrders(100), budget(t, 1, 1))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		start := time.Now()
		require.Equal(t, context.Canceled, r.Run(ctx, r.orders))
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestPassRefuses(t *testing.T) {
	hosts := testkit.Telling(ksher.ResultSuccess)
	p := testkit.PaymentsOf(t, hosts.Client(t))
	for name, tt := range map[string]struct {
		payments *ksher.Payments
		ctx      context.Context
		orders   ksher.OpenOrders
	}{
		"no payments":                {nil, t.Context(), openOrders(1)},
		"payments of its own making": {&ksher.Payments{}, t.Context(), openOrders(1)},
		"no context":                 {p, nil, openOrders(1)},
		"no list":                    {p, t.Context(), nil},
		"a nil list":                 {p, t.Context(), (*testkit.OrderList)(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			sum, err := tt.payments.Pass(tt.ctx, tt.orders, "order0000")
			var invalid *ksher.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, ksher.PassResult{After: "order0000"}, sum)
			require.ErrorAs(t, tt.payments.Run(tt.ctx, tt.orders), &invalid)
		})
	}
	require.Empty(t, hosts.Questions(""))
}

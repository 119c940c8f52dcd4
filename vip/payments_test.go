package vip_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/vip"
)

// deduper runs a function as its field says.
type deduper struct {
	once func(ctx context.Context, key string, fn func(context.Context) error) error
}

func (d *deduper) Once(ctx context.Context, key string, fn func(context.Context) error) error {
	return d.once(ctx, key, fn)
}

func TestNewPaymentsRefuses(t *testing.T) {
	client := answering(t, http.StatusNotFound, "")
	paid := func(context.Context, *vip.Order) error { return nil }
	for _, c := range []struct {
		name   string
		client *vip.Client
		paid   func(context.Context, *vip.Order) error
		opt    vip.PaymentsOption
		want   string
	}{
		{"no client", nil, paid, vip.WithDeduper(&once.Memory{}), "the client is nil"},
		{"a client of its own making", &vip.Client{}, paid, vip.WithDeduper(&once.Memory{}), "NewClient"},
		{"no function", client, nil, vip.WithDeduper(&once.Memory{}), "the function for what is paid is nil"},
		{"no option", client, paid, nil, "an option is nil"},
		{"no deduper", client, paid, vip.WithDeduper(nil), "WithDeduper: the deduper is nil"},
		{"a nil deduper", client, paid, vip.WithDeduper((*deduper)(nil)), "WithDeduper: the deduper is nil"},
		{"no function for the end", client, paid, vip.WithEnded(nil), "WithEnded: the function is nil"},
		{"no function for problems", client, paid, vip.WithProblem(nil), "WithProblem: the function is nil"},
		{"no budget", client, paid, vip.WithBudget(nil), "WithBudget: the budget is nil"},
		{"a budget of its own making", client, paid, vip.WithBudget(&ksher.Budget{}), "NewBudget"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := vip.NewPayments(c.client, c.paid, c.opt)
			require.ErrorContains(t, err, "vip: NewPayments: ")
			require.ErrorContains(t, err, c.want)
			require.Nil(t, p)
		})
	}
}

// Each request says what order it makes.
func TestOpenOrders(t *testing.T) {
	for kind, req := range newOrders() {
		want := vip.OpenOrder{MerchantOrderID: "A-1", Kind: kind, Amount: 150_50, Currency: "MYR", MID: "mch1", Provider: "my"}
		var got vip.OpenOrder
		switch r := req.(type) {
		case *vip.RedirectRequest:
			r.MID, r.Provider = "mch1", "my"
			got = r.OpenOrder("MYR")
		case *vip.CScanBRequest:
			r.MID, r.Provider = "mch1", "my"
			got = r.OpenOrder("MYR")
		case *vip.BScanCRequest:
			r.MID, r.Provider = "mch1", "my"
			got = r.OpenOrder("MYR")
		case *vip.MiniAppRequest:
			r.MID, r.Provider = "mch1", "my"
			got = r.OpenOrder("MYR")
		case *vip.AppRequest:
			r.MID, r.Provider = "mch1", "my"
			got = r.OpenOrder("MYR")
		}
		require.Equal(t, want, got)
	}
}

func TestPaymentsRefuse(t *testing.T) {
	s := newShop(t)
	var none context.Context
	var nobody *shop
	var invalid *ksher.ValidationError
	for name, call := range map[string]func(*vip.Payments, context.Context) error{
		"Check": func(p *vip.Payments, ctx context.Context) error { _, err := p.Check(ctx, open("A-1")); return err },
		"Wait":  func(p *vip.Payments, ctx context.Context) error { _, err := p.Wait(ctx, open("A-1")); return err },
		"Pass":  func(p *vip.Payments, ctx context.Context) error { _, err := p.Pass(ctx, s, ""); return err },
		"Run":   func(p *vip.Payments, ctx context.Context) error { return p.Run(ctx, s) },
	} {
		for _, p := range []*vip.Payments{nil, {}} {
			require.ErrorAs(t, call(p, t.Context()), &invalid, name)
			require.ErrorContains(t, invalid, "NewPayments")
		}
		require.ErrorAs(t, call(s.payments, none), &invalid, name)
		require.ErrorContains(t, invalid, "context is nil")
	}
	for _, list := range []vip.OpenOrders{nil, nobody} {
		result, err := s.payments.Pass(t.Context(), list, "A-1")
		require.ErrorContains(t, err, "open orders is nil")
		require.Equal(t, ksher.PassResult{After: "A-1"}, result)
		require.ErrorContains(t, s.payments.Run(t.Context(), list), "open orders is nil")
	}
	for want, change := range map[string]func(*vip.OpenOrder){
		"merchant_order_id": func(o *vip.OpenOrder) { o.MerchantOrderID = "a/b" },
		"kind":              func(o *vip.OpenOrder) { o.Kind = "teleport" },
		"amount":            func(o *vip.OpenOrder) { o.Amount = -1 },
		"currency":          func(o *vip.OpenOrder) { o.Currency = "thb" },
	} {
		o := open("A-1")
		change(&o)
		_, err := s.payments.Check(t.Context(), o)
		require.ErrorAs(t, err, &invalid)
		require.ErrorContains(t, err, want)
		_, err = s.payments.Wait(t.Context(), o)
		require.ErrorAs(t, err, &invalid)
	}
	require.Empty(t, s.asked)
}

func TestCheck(t *testing.T) {
	s := newShop(t)
	path := at(vip.KindRedirect, "A-1")
	for _, c := range []struct {
		answer string
		want   error
		final  bool
	}{
		{order("A-1", vip.StatusAvailable), ksher.ErrNotPaid, false},
		{order("A-1", vip.StatusClosed), ksher.ErrNotPaid, true},
		{strings.Replace(order("A-1", vip.StatusPaid), "15050", "15051", 1), ksher.ErrOtherOrder, true},
		{strings.Replace(order("A-1", vip.StatusPaid), "THB", "USD", 1), ksher.ErrOtherOrder, true},
		{strings.Replace(order("A-1", vip.StatusPaid), "SUCCESS", "PENDING", 1), ksher.ErrNotPaid, true},
	} {
		s.orders[path] = c.answer
		o, err := s.payments.Check(t.Context(), open("A-1"))
		require.ErrorIs(t, err, c.want, c.answer)
		require.Equal(t, c.final, o.Status.Final())
	}
	require.Empty(t, s.paid)
	s.orders[path] = order("A-1", vip.StatusPaid)
	s.fails = errors.New("the database is away")
	o, err := s.payments.Check(t.Context(), open("A-1"))
	require.ErrorIs(t, err, s.fails)
	require.NotNil(t, o)
	s.fails = nil
	for range 2 {
		_, err = s.payments.Check(t.Context(), open("A-1"))
		require.NoError(t, err)
	}
	require.Len(t, s.paid, 2, "once more after the failure")
	require.Equal(t, http.StatusOK, notify(s.notifications, notification("A-1", "Order Paid")))
	require.Len(t, s.paid, 2, "whichever way it became known")
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		path := at(vip.KindRedirect, "A-1")
		set := func(answer string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.orders[path] = answer
		}
		s.orders[path] = order("A-1", vip.StatusAvailable)
		go func() {
			time.Sleep(5 * time.Minute)
			set("") // A query that failed doesn't end it.
			time.Sleep(time.Minute)
			set("misrouted")
			time.Sleep(time.Minute)
			set(order("A-1", vip.StatusPaid))
		}()
		began := time.Now()
		o, err := s.payments.Wait(t.Context(), open("A-1"))
		require.NoError(t, err)
		require.Equal(t, vip.StatusPaid, o.Status)
		require.WithinDuration(t, began.Add(7*time.Minute), time.Now(), 12*time.Second)
		require.InDelta(t, 50, len(s.asked), 12)

		set(order("A-1", vip.StatusAvailable))
		expiring := open("A-1")
		expiring.Expires = time.Now().Add(time.Minute)
		_, err = s.payments.Wait(t.Context(), expiring)
		require.ErrorIs(t, err, ksher.ErrOrderExpired)
		require.Equal(t, expiring.Expires, time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		o, err = s.payments.Wait(ctx, open("A-1"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, vip.StatusAvailable, o.Status)

		patient, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		answers := 0
		_, err = s.payments.Wait(patient, open("A-1"), vip.WithPolling(time.Minute, time.Minute),
			vip.WithProgress(func(context.Context, *vip.Order) { answers++ }))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.InDelta(t, 10, answers, 3)

		set(order("A-1", vip.StatusClosed))
		_, err = s.payments.Wait(t.Context(), open("A-1"))
		require.ErrorIs(t, err, ksher.ErrNotPaid)
		set("forbidden")
		_, err = s.payments.Wait(t.Context(), open("A-1"))
		require.ErrorIs(t, err, vip.ErrForbidden)
	})
}

// A payment becomes known by waiting and by a notification at the same time. Waiting
// outlasts the function that runs for the other.
func TestTwoDoorsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		client := newClient(t, func(r *http.Request) (int, string, error) {
			return http.StatusOK, signed(t, r.URL.Path, order("A-1", vip.StatusPaid)), nil
		})
		payments, err := vip.NewPayments(client, func(context.Context, *vip.Order) error {
			calls++
			time.Sleep(20 * time.Second)
			return nil
		})
		require.NoError(t, err)
		n, err := payments.Notifications(webhookAddress, func(_ context.Context, id string) (vip.OpenOrder, error) { return open(id), nil })
		require.NoError(t, err)
		go func() { assert.Equal(t, http.StatusOK, notify(n, notification("A-1", "Order Paid"))) }()
		synctest.Wait()
		require.Equal(t, http.StatusServiceUnavailable, notify(n, notification("A-1", "Order Paid")))
		_, err = payments.Check(t.Context(), open("A-1"))
		require.ErrorIs(t, err, ksher.ErrInProgress)
		o, err := payments.Wait(t.Context(), open("A-1"))
		require.NoError(t, err)
		require.NotNil(t, o)
		require.Equal(t, 1, calls)
	})
}

// A panic, or a function that never returns, is a failure of that order alone, wherever it
// became known.
func TestPanics(t *testing.T) {
	client := newClient(t, func(r *http.Request) (int, string, error) {
		id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		return http.StatusOK, signed(t, r.URL.Path, order(id, vip.StatusPaid)), nil
	})
	var problems, done []string
	payments, err := vip.NewPayments(client, func(_ context.Context, o *vip.Order) error {
		if o.MerchantOrderID == "A-1" {
			panic("out of paper")
		}
		done = append(done, o.MerchantOrderID)
		return nil
	}, vip.WithProblem(func(_ context.Context, o vip.OpenOrder, err error) {
		problems = append(problems, err.Error())
		panic("here as well")
	}))
	require.NoError(t, err)
	s := newShop(t)
	s.books["A-2"] = open("A-2")
	result, err := payments.Pass(t.Context(), s, "")
	require.NoError(t, err)
	require.Equal(t, ksher.PassResult{Asked: 2, Paid: 1, Failed: 1}, result)
	require.Equal(t, []string{"A-2"}, done)
	require.Len(t, problems, 1)
	require.Contains(t, problems[0], `order "A-1": the merchant's function panicked: out of paper`)
	_, err = payments.Check(t.Context(), open("A-1"))
	require.ErrorIs(t, err, once.ErrPanic)
	n, err := payments.Notifications(webhookAddress, func(_ context.Context, id string) (vip.OpenOrder, error) {
		if id == "A-3" {
			panic("no database")
		}
		return open(id), nil
	})
	require.NoError(t, err)
	for _, id := range []string{"A-1", "A-3"} {
		require.Equal(t, http.StatusInternalServerError, notify(n, notification(id, "Order Paid")))
		again, err := n.Accept(t.Context(), notification(id, "Order Paid"))
		require.True(t, again)
		require.ErrorIs(t, err, once.ErrPanic)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		p, err := vip.NewPayments(client, func(context.Context, *vip.Order) error { runtime.Goexit(); return nil })
		assert.NoError(t, err)
		_, _ = p.Check(t.Context(), open("A-2"))
		t.Error("it returned")
	}()
	<-gone
}

// A pass finds what no notification reported, and what ended.
func TestPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		now := time.Now()
		over := func(id string) vip.OpenOrder {
			o := open(id)
			o.Expires = now.Add(-time.Minute)
			return o
		}
		booked := open("G")
		booked.Booked = true
		delete(s.books, "A-1")
		for _, o := range []vip.OpenOrder{open("A"), open("B"), open("C"), over("D"), open("E"), over("F"), booked, over("H"), open("I")} {
			s.books[o.MerchantOrderID] = o
		}
		s.orders[at(vip.KindRedirect, "A")] = order("A", vip.StatusPaid)
		s.orders[at(vip.KindRedirect, "B")] = order("B", vip.StatusAvailable)
		s.orders[at(vip.KindRedirect, "C")] = order("C", vip.StatusClosed)
		// D isn't known, and its time is over. E isn't known either, but may be paid yet.
		s.orders[at(vip.KindRedirect, "F")] = "misrouted" // By a proxy, which knows nothing of orders.
		s.orders[at(vip.KindRedirect, "H")] = "forbidden"
		s.orders[at(vip.KindRedirect, "I")] = strings.Replace(order("I", vip.StatusPaid), "15050", "1", 1)
		want := ksher.PassResult{Asked: 9, Paid: 2, Ended: 2, Open: 1, Failed: 4}
		result, err := s.payments.Pass(t.Context(), s, "")
		require.NoError(t, err)
		require.Equal(t, want, result)
		require.Equal(t, []string{"redirect A Paid 150.50"}, s.paid)
		require.ElementsMatch(t, []string{"redirect C Closed 150.50", " D  0.00"}, s.ended)
		require.Len(t, s.problems, 3, s.problems)
		require.Len(t, s.asked, 8)

		result, err = s.payments.Pass(t.Context(), s, "")
		require.NoError(t, err)
		require.Equal(t, want, result)
		require.Equal(t, []int{1, 2, 3}, []int{len(s.paid), len(s.ended), len(s.problems)}, "each is told once")

		// It turns paid after it was closed.
		s.orders[at(vip.KindRedirect, "C")] = order("C", vip.StatusPaid)
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		require.ErrorIs(t, s.payments.Run(ctx, s), context.DeadlineExceeded)
		require.Len(t, s.paid, 2)
	})
}

// A pass keeps to its budget.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget, err := ksher.NewBudget(0.1, 1)
		require.NoError(t, err)
		s := newShop(t, vip.WithBudget(budget))
		for _, id := range []string{"A-1", "A-2", "A-3"} {
			s.books[id] = open(id)
			s.orders[at(vip.KindRedirect, id)] = order(id, vip.StatusPaid)
		}
		began := time.Now()
		result, err := s.payments.Pass(t.Context(), s, "")
		require.NoError(t, err)
		require.Equal(t, ksher.PassResult{Asked: 3, Paid: 3}, result)
		require.Equal(t, 20*time.Second, time.Since(began))
	})
}

// What a Deduper of the merchant's says counts.
func TestDeduper(t *testing.T) {
	var keys []string
	var answer error
	swallow := false
	s := newShop(t, vip.WithDeduper(&deduper{once: func(ctx context.Context, key string, fn func(context.Context) error) error {
		keys = append(keys, key)
		if answer != nil {
			return answer
		}
		err := fn(ctx)
		if swallow {
			return nil
		}
		return err
	}}))
	s.orders[at(vip.KindRedirect, "A-1")] = order("A-1", vip.StatusPaid)
	status := func() int { return notify(s.notifications, notification("A-1", "Order Paid")) }
	require.Equal(t, http.StatusOK, status())
	require.Equal(t, []string{"vip shop.vip.ksher.net Paid A-1"}, keys)

	answer = ksher.ErrInProgress
	require.Equal(t, http.StatusServiceUnavailable, status())
	require.Contains(t, s.log.String(), `level=INFO msg="ksher vip notification refused"`)
	answer = errors.New("away")
	require.Equal(t, http.StatusInternalServerError, status())
	// One that keeps the error to itself.
	answer, swallow, s.fails = nil, true, errors.New("away")
	require.Equal(t, http.StatusInternalServerError, status())
	// What ended has a key of its own.
	keys, s.fails = nil, nil
	s.orders[at(vip.KindRedirect, "A-1")] = order("A-1", vip.StatusClosed)
	_, err := s.payments.Check(t.Context(), open("A-1"))
	require.ErrorIs(t, err, ksher.ErrNotPaid)
	require.Equal(t, []string{"ended vip shop.vip.ksher.net Paid A-1"}, keys)
}

// keyOf is what a Deduper is asked for a paid order.
func keyOf(t *testing.T, base string, o vip.OpenOrder) (key string) {
	t.Helper()
	client, err := vip.NewClient(base, token, vip.WithRetry(1, 0), vip.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (int, string, error) {
		path := r.URL.Path[strings.Index(r.URL.Path, "/api/"):]
		return http.StatusOK, signed(t, path, order(o.MerchantOrderID, vip.StatusPaid)), nil
	})}))
	require.NoError(t, err)
	payments, err := vip.NewPayments(client, func(context.Context, *vip.Order) error { return nil },
		vip.WithDeduper(&deduper{once: func(_ context.Context, k string, _ func(context.Context) error) error {
			key = k
			return nil
		}}))
	require.NoError(t, err)
	_, err = payments.Check(t.Context(), o)
	require.NoError(t, err)
	require.NotEmpty(t, key)
	return key
}

func TestKeysOfTheDeduper(t *testing.T) {
	// Behind a proxy the path tells the merchants apart.
	require.Equal(t, "vip proxy.example/one Paid A-1", keyOf(t, "https://proxy.example/one", open("A-1")))
	require.Equal(t, "vip proxy.example/two Paid A-1", keyOf(t, "https://proxy.example/two", open("A-1")))

	// So do sub-merchants and countries, of which none is taken for another.
	seen := map[string]bool{}
	for _, of := range [][2]string{{"", ""}, {"mch1", ""}, {"", "mch1"}, {"mch1", "th"}, {"mch1th", ""}, {"mch1 th", ""}, {`mch1" "th`, ""}, {"mch1 th", "x"}, {"mch1", "th x"}} {
		o := open("A-1")
		o.MID, o.Provider = of[0], of[1]
		key := keyOf(t, host, o)
		require.Regexp(t, `^vip shop\.vip\.ksher\.net ([0-9a-f]{24} )?Paid A-1$`, key)
		require.Equal(t, of == [2]string{}, key == "vip shop.vip.ksher.net Paid A-1")
		require.False(t, seen[key], key)
		seen[key] = true
	}

	// A mid is the same one in both its forms.
	short, whole := open("A-1"), open("A-1")
	short.MID, whole.MID = "35618", "mch35618"
	require.Equal(t, keyOf(t, host, whole), keyOf(t, host, short))

	// The longest key is one that every Deduper takes, with "ended" before it as well.
	long := strings.Repeat("x", 128)
	o := open(long)
	o.MID, o.Provider = long, "th"
	require.LessOrEqual(t, len("ended "+keyOf(t, "https://"+long, o)), 300)
}

func TestWaitOptions(t *testing.T) {
	client := answering(t, http.StatusNotFound, "")
	p, err := vip.NewPayments(client, func(context.Context, *vip.Order) error { return nil })
	require.NoError(t, err)
	for want, opt := range map[string]vip.WaitOption{
		"an option is nil":                  nil,
		"WithProgress: the function is nil": vip.WithProgress(nil),
		"waits from 0s to 1s":               vip.WithPolling(0, time.Second),
		"waits from 2s to 1s":               vip.WithPolling(2*time.Second, time.Second),
		"to 2h0m0s":                         vip.WithPolling(time.Second, 2*time.Hour),
	} {
		_, err := p.Wait(t.Context(), open("A-1"), opt)
		require.ErrorContains(t, err, "vip: Wait: ")
		require.ErrorContains(t, err, want)
	}
}

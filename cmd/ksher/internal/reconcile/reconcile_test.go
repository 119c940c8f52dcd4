package reconcile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

func TestReadList(t *testing.T) {
	want := Order{Key{"gateway", "A-1"}, 150_50, "THB", StatePaid}
	for name, tt := range map[string]struct {
		list string
		err  string
	}{
		"plain":             {list: "number,amount,currency,host\nA-1,150.50,THB,gateway\n"},
		"another order":     {list: "host,currency,note,amount,number,state\nGateway,thb,x,150.5,A-1,Paid\n"},
		"semicolons":        {list: "number;amount;currency;host\nA-1;150.50;THB;gateway\n"},
		"a mark and CRLF":   {list: "\xef\xbb\xbfNumber, Amount, Currency, Host\r\nA-1, 150.50, THB, gateway\r\n"},
		"empty":             {err: "empty"},
		"no orders":         {list: "number,amount,currency,host\n", err: "no orders"},
		"no host":           {list: "number,amount,currency\nA-1,1,THB\n", err: `"host"`},
		"a column twice":    {list: "number,number,amount,currency,host\n", err: "twice"},
		"a bad amount":      {list: "number,amount,currency,host\nA-1,\"1,500\",THB,gateway\n", err: "line 2"},
		"nothing":           {list: "number,amount,currency,host\nA-1,0,THB,gateway\n", err: "costs 0.00"},
		"no number":         {list: "number,amount,currency,host\n,1,THB,gateway\n", err: "number is missing"},
		"a currency":        {list: "number,amount,currency,host\nA-1,1,baht,gateway\n", err: "BAHT"},
		"another host":      {list: "number,amount,currency,host\nA-1,1,THB,vip\n", err: "vip"},
		"another state":     {list: "number,amount,currency,host,state\nA-1,1,THB,gateway,\n", err: "none of paid"},
		"twice":             {list: "number,amount,currency,host\nA-1,1,THB,gateway\nA-1,1,THB,gateway\n", err: "line 3: order \"A-1\" at the host gateway is in line 2"},
		"columns too few":   {list: "number,amount,currency,host\nA-1,1\n", err: "line 2"},
		"a quote left open": {list: "number,amount,currency,host\n\"A-1,1,THB,gateway\n", err: "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			orders, err := ReadList(strings.NewReader(tt.list))
			if tt.err != "" {
				assert.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, []Order{want}, orders)
		})
	}
}

func TestCompare(t *testing.T) {
	const none, success, refund, closed, open = ksher.Result(""), ksher.ResultSuccess, ksher.ResultRefund, ksher.ResultClosed, ksher.ResultNotSure
	for _, tt := range []struct {
		here   State
		there  ksher.Result
		amount ksher.Amount
		want   Verdict
	}{
		{StatePaid, success, 100, Agrees}, {StateOpen, success, 100, PaidThere}, {StateClosed, success, 100, PaidThere}, {StateRefunded, success, 100, PaidThere},
		{StatePaid, refund, 100, Refunded}, {StateOpen, refund, 100, PaidThere}, {StateClosed, refund, 100, PaidThere}, {StateRefunded, refund, 100, Agrees},
		{StatePaid, closed, 100, PaidHere}, {StateOpen, closed, 100, Agrees}, {StateClosed, closed, 100, Agrees}, {StateRefunded, closed, 100, PaidHere},
		{StatePaid, open, 0, PaidHere}, {StateOpen, open, 0, Agrees}, {StateClosed, open, 0, Agrees}, {StateRefunded, open, 0, PaidHere},
		{StatePaid, success, 99, OtherAmount}, {StateOpen, success, 99, OtherAmount}, {StateRefunded, refund, 99, OtherAmount},
		{StatePaid, none, 0, Unknown}, {StateOpen, none, 0, Unknown},
	} {
		got, _ := compare(Order{Amount: 100, Currency: "THB", State: tt.here}, Answer{Unknown: tt.there == none, Result: tt.there, Amount: tt.amount, Currency: "THB"})
		assert.Equal(t, tt.want, got, "%s here, %s over %v there", tt.here, tt.there, tt.amount)
	}
	got, _ := compare(Order{Amount: 100, Currency: "THB", State: StatePaid}, Answer{Result: success, Amount: 100, Currency: "MYR"})
	assert.Equal(t, OtherAmount, got)
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.csv.journal")
	whose := Whose{"mch1", "https://a", "https://b"}
	at := time.Date(2026, 1, 31, 23, 30, 0, 0, time.FixedZone("", 7*60*60))
	answer := Answer{Key: Key{"gateway", "A-1"}, Result: ksher.ResultRefund, Amount: 100, Currency: "THB", Paid: at, Refunds: []Refund{{Amount: 50, At: at}}}
	j, err := OpenJournal(path, whose)
	require.NoError(t, err)
	require.NoError(t, j.Add(answer))
	require.NoError(t, j.Close())

	// What was being written when the power went is dropped.
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"host":"gateway","numb`)
	require.NoError(t, errors.Join(err, file.Close()))
	j, err = OpenJournal(path, whose)
	require.NoError(t, err)
	require.Len(t, j.Answers, 1)
	got := j.Answers[answer.Key]
	assert.Equal(t, "2026-01-31", got.Paid.Format(time.DateOnly), "in the merchant's zone")
	assert.Equal(t, answer.Refunds[0].Amount, got.Refunds[0].Amount)
	require.NoError(t, j.Add(Answer{Key: Key{"merchant", "A-1"}, Unknown: true}))
	require.NoError(t, j.Close())
	j, err = OpenJournal(path, whose)
	require.NoError(t, err)
	assert.Len(t, j.Answers, 2)
	require.NoError(t, j.Close())

	for _, other := range []Whose{{"mch2", "https://a", "https://b"}, {"mch1", "https://c", "https://b"}, {"mch1", "https://a", "https://c"}} {
		_, err = OpenJournal(path, other)
		assert.ErrorIs(t, err, ErrOtherMerchant)
	}
	require.NoError(t, os.WriteFile(path, []byte("number,amount\n"), 0o600))
	_, err = OpenJournal(path, whose)
	assert.ErrorIs(t, err, ErrOtherMerchant, "a file that is no journal stays as it is")
}

// counting is a gateway that counts how many queries it gets, and how many at once.
type counting struct {
	mu           sync.Mutex
	asked        map[Key]int
	running, top int
	err          error
	channel      ksher.Channel
	refunds      []ksher.Refund
	refundErr    error
	result       ksher.Result
	cancelAfter  int
	cancel       func()
}

func (c *counting) Order(_ context.Context, key Key) (*ksher.Order, error) {
	c.mu.Lock()
	c.asked[key]++
	c.running++
	c.top = max(c.top, c.running)
	if c.cancel != nil && len(c.asked) == c.cancelAfter {
		c.cancel()
	}
	c.mu.Unlock()
	defer func() { c.mu.Lock(); c.running--; c.mu.Unlock() }()
	if c.result == "" && c.err == nil {
		return nil, nil
	}
	return &ksher.Order{MchOrderNo: key.Number, Result: c.result, TotalFee: 100, FeeType: "THB", Channel: c.channel}, c.err
}

func (c *counting) Refunds(context.Context, Key, *ksher.Order) ([]ksher.Refund, error) {
	return c.refunds, c.refundErr
}

// standing is a clock that moves only when somebody sleeps.
type standing struct {
	mu  sync.Mutex
	now time.Time
}

func (s *standing) ClockNow() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now }

func (s *standing) ClockSleep(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
	return ctx.Err()
}

func manyOrders(n int) (orders []Order) {
	for i := range n {
		orders = append(orders, Order{Key{ksher.HostGateway, fmt.Sprint("A-", i)}, 100, "THB", StatePaid})
	}
	return orders
}

func ask(t *testing.T, ctx context.Context, path string, gateway Gateway, clock *standing, orders []Order) (map[Key]Answer, map[Key]error, error) {
	t.Helper()
	j, err := OpenJournal(path, Whose{})
	require.NoError(t, err)
	defer j.Close()
	asker, err := NewAsker(gateway, clock, 10, j, func(done, total int) { assert.LessOrEqual(t, done, total) })
	require.NoError(t, err)
	return asker.Ask(ctx, orders)
}

// Who goes on asks only about what is left, and never faster than allowed.
func TestAskGoesOn(t *testing.T) {
	path, orders, clock := filepath.Join(t.TempDir(), "journal"), manyOrders(100), &standing{}
	ctx, cancel := context.WithCancel(t.Context())
	gateway := &counting{asked: map[Key]int{}, result: ksher.ResultSuccess, cancelAfter: 40, cancel: cancel}
	known, _, err := ask(t, ctx, path, gateway, clock, orders)
	assert.ErrorIs(t, err, context.Canceled)
	assert.InDelta(t, 40, len(known), atOnce)

	again := &counting{asked: map[Key]int{}, result: ksher.ResultSuccess}
	known, failed, err := ask(t, t.Context(), path, again, clock, orders)
	require.NoError(t, err)
	assert.Len(t, known, 100)
	assert.Empty(t, failed)
	assert.InDelta(t, 60, len(again.asked), atOnce)
	for key, n := range again.asked {
		assert.Equal(t, 1, n, key)
	}
	assert.LessOrEqual(t, max(gateway.top, again.top), atOnce)
	assert.GreaterOrEqual(t, clock.ClockNow().Sub(time.Time{}), 9*time.Second, "10 a second")
}

// A gateway that fails for every order isn't asked about each.
func TestAskStops(t *testing.T) {
	gateway := &counting{asked: map[Key]int{}, err: errors.New("wrong key")}
	known, failed, err := ask(t, t.Context(), filepath.Join(t.TempDir(), "journal"), gateway, &standing{}, manyOrders(100))
	assert.ErrorContains(t, err, "wrong key")
	assert.Empty(t, known)
	assert.InDelta(t, mostFailures, len(failed), atOnce)
	assert.InDelta(t, mostFailures, len(gateway.asked), atOnce)
}

func TestAskRefunds(t *testing.T) {
	refunds := []ksher.Refund{{MchRefundFee: 30, RefundState: "REFUNDSUCCESS"}, {MchRefundFee: 20, RefundState: "REFUNDFAIL"}}
	unknown := &ksher.Error{Code: ksher.CodeOrderNotExist}
	for name, tt := range map[string]struct {
		gateway *counting
		untold  bool
		sum     ksher.Amount
		fails   bool
	}{
		"in part":                 {gateway: &counting{result: ksher.ResultSuccess, refunds: refunds}, sum: 30},
		"none":                    {gateway: &counting{result: ksher.ResultSuccess, refundErr: unknown}},
		"refunded and not told":   {gateway: &counting{result: ksher.ResultRefund, refundErr: unknown}, untold: true},
		"a channel without":       {gateway: &counting{result: ksher.ResultSuccess, refundErr: errors.New("asked"), channel: ksher.ChannelPromptPay}, untold: true},
		"refused before it sends": {gateway: &counting{result: ksher.ResultRefund, refundErr: &ksher.ValidationError{}}, untold: true},
		"unknown":                 {gateway: &counting{refundErr: errors.New("asked")}},
		"not paid":                {gateway: &counting{result: ksher.ResultNotPay, refundErr: errors.New("asked")}},
		"no answer":               {gateway: &counting{result: ksher.ResultSuccess, refundErr: errors.New("no answer")}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			tt.gateway.asked = map[Key]int{}
			known, failed, err := ask(t, t.Context(), filepath.Join(t.TempDir(), "journal"), tt.gateway, &standing{}, manyOrders(1))
			require.NoError(t, err)
			answer := known[Key{ksher.HostGateway, "A-0"}]
			assert.Equal(t, tt.untold, answer.Untold)
			assert.Equal(t, tt.gateway.result == "", answer.Unknown)
			assert.Equal(t, tt.sum, answer.refunded())
			assert.Equal(t, tt.fails, len(failed) == 1)
		})
	}
	_, err := NewAsker(&counting{}, &standing{}, 0, nil, nil)
	assert.Error(t, err)
}

func TestCompareRefundInPart(t *testing.T) {
	for _, tt := range []struct {
		here State
		sum  ksher.Amount
		want Verdict
	}{
		{StatePaid, 30, Refunded}, {StatePaid, 100, Refunded}, {StateRefunded, 30, Refunded}, {StateRefunded, 100, Agrees}, {StateOpen, 30, PaidThere},
	} {
		got, _ := compare(Order{Amount: 100, Currency: "THB", State: tt.here}, Answer{Result: ksher.ResultSuccess, Amount: 100, Currency: "THB", Refunds: []Refund{{Amount: tt.sum}}})
		assert.Equal(t, tt.want, got, "%s here, %v refunded there", tt.here, tt.sum)
	}
}

// example is a report with an order of each verdict, and a settlement of more than the list.
func example() *Report {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 12, 0, 0, 0, time.UTC) }
	orders := manyOrders(7)
	orders[2].State = StateOpen
	known := map[Key]Answer{}
	for i, a := range []Answer{
		{Result: ksher.ResultSuccess, Amount: 100, Paid: day(1)}, {Result: ksher.ResultNotPay}, {Result: ksher.ResultSuccess, Amount: 100, Paid: day(2), Refunds: []Refund{{10, day(3)}}},
		{Result: ksher.ResultSuccess, Amount: 90, Paid: day(2)}, {Result: ksher.ResultRefund, Amount: 100, Paid: day(3), Refunds: []Refund{{100, day(4)}}}, {Unknown: true},
	} {
		a.Key, a.Currency = orders[i].Key, "THB"
		known[a.Key] = a
	}
	report := NewReport(Whose{AppID: "mch1"}, day(5), orders, known, map[Key]error{orders[6].Key: errors.New("<no answer>")})
	report.Settle("THB", []ksher.SettlementRow{
		{BeginDate: "2026-01-01", EndDate: "2026-01-01", SettlementAmount: 97, CommissionFee: 3},
		{BeginDate: "2026-01-02", EndDate: "2026-01-02", SettlementAmount: 150}, {BeginDate: "2026-01-02", EndDate: "2026-01-02", SettlementAmount: 50},
		{BeginDate: "2026-01-03", EndDate: "2026-01-03", SettlementAmount: 90},
		{BeginDate: "2025-12-31", EndDate: "2025-12-31", SettlementAmount: 500}, {BeginDate: "2026-01-03", EndDate: "2026-01-04", SettlementAmount: 500},
	})
	return report
}

func TestReport(t *testing.T) {
	r := example()
	for _, verdict := range Verdicts {
		assert.Equal(t, 1, r.Counts[verdict], verdict)
	}
	assert.Equal(t, []Total{{Currency: "THB", Orders: 7, Here: 600, There: 390, Refunded: 110}}, r.Totals)
	assert.Equal(t, []Day{
		{"2026-01-01", "THB", 1, 100, 0}, {"2026-01-02", "THB", 2, 190, 0}, {"2026-01-03", "THB", 1, 100, 10}, {"2026-01-04", "THB", 0, 0, 100},
	}, r.Days)
	require.Len(t, r.Settlements, 3, "a day on which there was a refund only is no day that the list reaches")
	assert.Equal(t, []Settlement{{Begin: "2026-01-02", End: "2026-01-02", Currency: "THB", Settled: 200, Listed: 190}}, r.Surplus())
	assert.EqualValues(t, 90, r.Settlements[2].Listed, "less what was refunded on that day of another's payment")
	assert.False(t, r.Clean())
	assert.Len(t, r.Differing(), 6)

	orders := manyOrders(1)
	known := map[Key]Answer{orders[0].Key: {Result: ksher.ResultSuccess, Amount: 100, Currency: "THB"}}
	assert.True(t, NewReport(Whose{}, time.Time{}, orders, known, nil).Clean())
}

func TestMonths(t *testing.T) {
	assert.Equal(t, [][2]string{{"2026-01-01", "2026-01-31"}, {"2026-02-01", "2026-02-02"}}, Months("2026-01-01", "2026-02-02"))
	assert.Equal(t, [][2]string{{"2026-01-01", "2026-01-01"}}, Months("2026-01-01", "2026-01-01"))
	assert.Empty(t, Months("", ""))
}

func TestWriteHTML(t *testing.T) {
	var page bytes.Buffer
	require.NoError(t, example().WriteHTML(&page))
	for _, part := range []string{"width:52%", "width:100%", "2026-01-04", "&lt;no answer&gt;", "1 of 7 orders", "Settlements come to more", "0.10 THB", "paid there but open here"} {
		assert.Contains(t, page.String(), part)
	}
	for _, outside := range []string{"http:", "https:", "<script", "src="} {
		assert.NotContains(t, page.String(), outside)
	}
}

// A list that is something else gives a short error.
func TestListErrorIsShort(t *testing.T) {
	for _, row := range []string{",0,THB,merchant", ",1,x,merchant", ",1,THB,x", ",1,THB,merchant\n" + strings.Repeat("9", 1<<16) + ",1,THB,merchant"} {
		_, err := ReadList(strings.NewReader("number,amount,currency,host\n" + strings.Repeat("9", 1<<16) + row + "\n"))
		require.Error(t, err)
		assert.Less(t, len(err.Error()), 200)
	}
}

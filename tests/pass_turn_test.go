package tests

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/testkit"
)

// onlyPaid are hosts of abandoned carts and one order that is paid.
func onlyPaid(number string) *testkit.InMemory {
	return &testkit.InMemory{Answer: func(r *http.Request, _ string, form url.Values) ([]byte, error) {
		result := ksher.ResultNotSure
		if form.Get("mch_order_no") == number {
			result = ksher.ResultSuccess
		}
		return testkit.Tells(result, testkit.WithNumber(form.Get("mch_order_no")))(r)
	}}
}

// Runs of a second, each by a process of its own, come to the paid order behind the carts.
func TestShortPassesGetThrough(t *testing.T) {
	const number = "order0024" // the 25th of 30
	tests := []struct {
		name string
		opts []ksher.PaymentsOption
		// asked is how many orders each pass asks about.
		asked []int
	}{
		{"by default", nil, []int{20, 10, 20}},
		{"eleven a second", []ksher.PaymentsOption{budget(t, 11, 1)}, []int{11, 11, 8}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hosts, m := onlyPaid(number), &till{}
				opts := append(tt.opts, ksher.WithDeduper(&once.Memory{}))
				var asked []int
				after := ""
				for range 3 {
					// A millisecond less, because at the second itself another would begin.
					ctx, cancel := context.WithTimeout(t.Context(), time.Second-time.Millisecond)
					sum, err := testkit.PaymentsTo(t, hosts.Client(t), m.paid, opts...).Pass(ctx, openOrders(30), after)
					cancel()
					if sum.After != "" {
						require.ErrorIs(t, err, context.DeadlineExceeded)
					}
					asked, after = append(asked, sum.Asked), sum.After
				}
				require.Equal(t, tt.asked, asked)
				require.Equal(t, []string{"paid " + number}, m.all())
			})
		})
	}
}

// busy is a shop with 150 old orders to whose list others are added while a pass is
// running, each time that it is asked for.
type busy struct {
	list   []ksher.OpenOrder
	called int
	more   func(call int) []ksher.OpenOrder
}

func (b *busy) OpenOrders(ctx context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	b.called++
	b.list = append(b.list, b.more(b.called)...)
	slices.SortFunc(b.list, func(x, y ksher.OpenOrder) int { return strings.Compare(x.MchOrderNo, y.MchOrderNo) })
	page := slices.DeleteFunc(slices.Clone(b.list), func(o ksher.OpenOrder) bool { return o.MchOrderNo <= after })
	return page[:min(len(page), limit)], nil
}

// However many orders come in meanwhile, before, among or behind them, the old ones are
// asked about, and the pass ends.
func TestNewOrdersDelayNoOld(t *testing.T) {
	some := func(n int, prefix string) func(int) []ksher.OpenOrder {
		return func(call int) []ksher.OpenOrder {
			time.Sleep(time.Millisecond)
			var list []ksher.OpenOrder
			for i := range n {
				list = append(list, ksher.OpenOrder{MchOrderNo: fmt.Sprintf("%s%04d-%04d", prefix, call, i),
					Host: ksher.HostGateway, TotalFee: 100_00, FeeType: "THB", Created: time.Now()})
			}
			return list
		}
	}
	burst := func(call int) []ksher.OpenOrder {
		if call != 2 {
			return nil
		}
		return some(350, "order0120-")(call)
	}
	for name, more := range map[string]func(int) []ksher.OpenOrder{
		"behind them":           some(50, "z"),
		"before them":           some(50, "a"),
		"among them":            some(50, "order0120-"),
		"many at once, among":   burst,
		"one at a time, behind": some(1, "z"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hosts, m := onlyPaid("order0149"), &till{}
				old := openOrders(150)
				for i := range old {
					old[i].Created = time.Now().Add(-time.Hour)
				}
				sum := pass(t, m.payments(t, hosts.Client(t), &busy{list: old, more: more}))
				require.Equal(t, ksher.PassResult{Asked: 150, Paid: 1, Open: 149}, sum)
				require.Equal(t, []string{"paid order0149"}, m.all())
			})
		})
	}
}

// A time in the wrong zone isn't taken for that of a new order.
func TestOrdersOfTheFutureDoNotWait(t *testing.T) {
	hosts, m := onlyPaid("order0001"), &till{}
	list := openOrders(3)
	for i := range list {
		list[i].Created = time.Now().Add(7 * time.Hour)
	}
	require.Equal(t, ksher.PassResult{Asked: 3, Paid: 1, Open: 2}, pass(t, m.payments(t, hosts.Client(t), list)))
}

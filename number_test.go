package ksher_test

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
)

var numberMakers = map[string]struct {
	make func() string
	form *regexp.Regexp
	// at is where the time begins.
	at int
	// each is how many each of eight goroutines makes.
	each int
}{
	"order":  {ksher.NewOrderNo, regexp.MustCompile(`^[0-9]{17}[A-Z2-7]{15}$`), 0, 125_000},
	"refund": {ksher.NewRefundNo, regexp.MustCompile(`^R[0-9]{17}[A-Z2-7]{14}$`), 1, 10_000},
}

// In a bubble of synctest the clock stands still, so that all the numbers are of
// the same millisecond, which is the worst that can happen to them.
func TestNumbersAreUnique(t *testing.T) {
	t.Parallel()
	for name, m := range numberMakers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				numbers := make([]string, 8*m.each)
				var wg sync.WaitGroup
				for part := range slices.Chunk(numbers, m.each) {
					wg.Go(func() {
						for i := range part {
							part[i] = m.make()
						}
					})
				}
				wg.Wait()
				require.Regexp(t, m.form, numbers[0])
				slices.Sort(numbers)
				assert.Len(t, slices.Compact(numbers), 8*m.each)
			})
		})
	}
}

func TestNumbersSortByTime(t *testing.T) {
	for name, m := range numberMakers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var numbers []string
				// From the first moment of 2000, over the ends of a second, a day, a
				// month and a year.
				for _, d := range []time.Duration{0, time.Millisecond, 998 * time.Millisecond, time.Millisecond, 9 * time.Second,
					24 * time.Hour, 31 * 24 * time.Hour, 366 * 24 * time.Hour, 30 * 366 * 24 * time.Hour} {
					time.Sleep(d)
					numbers = append(numbers, m.make())
				}
				for _, no := range numbers {
					assert.Regexp(t, m.form, no)
				}
				assert.IsIncreasing(t, numbers)
				for i, want := range []string{"20000101000000000", "20000101000000001", "20000101000000999", "20000101000001000", "20000101000010000", "20000102000010000"} {
					assert.Equal(t, want, numbers[i][m.at:m.at+17])
				}
			})
		})
	}
}

// A server in Bangkok and one in London make numbers of the same time.
func TestNumbersAreInUTC(t *testing.T) {
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	time.Local = time.FixedZone("UTC+7", 7*60*60)
	synctest.Test(t, func(t *testing.T) {
		assert.True(t, strings.HasPrefix(ksher.NewOrderNo(), "20000101000000000"))
	})
}

// What the package makes, it takes.
func TestNumbersAreValid(t *testing.T) {
	rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, `{"pay_content":"https://gateway.ksher.com/ua?order_uuid=1"}`)))
	req := testkit.GoodGatewayPay()
	req.MchOrderNo = ksher.NewOrderNo()
	_, err := testkit.NewClient(t, rec).GatewayPay(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, req.MchOrderNo, rec.Only(t).PostForm.Get("mch_order_no"))

	refund := testkit.GoodOrderRefund()
	refund.MchRefundNo = ksher.NewRefundNo()
	rec = testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, `{"result":"SUCCESS","refund_fee":5000,"mch_refund_no":"`+refund.MchRefundNo+`"}`)))
	_, err = testkit.NewClient(t, rec).OrderRefund(t.Context(), refund)
	require.NoError(t, err)
	require.Equal(t, refund.MchRefundNo, rec.Only(t).PostForm.Get("mch_refund_no"))
}

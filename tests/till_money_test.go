package tests

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// corridor carries requests out of a synctest bubble to a gateway outside, so
// that the bubble's clock stands still while the gateway answers.
type corridor struct {
	out  chan *http.Request
	back chan carried
	// before is called with each operation before it is sent.
	before func(operation string)
	// accident, if it isn't nil, happens to the operation of that name: once, or
	// always. late has requests that were held back.
	accident  string
	operation string
	always    bool
	happened  bool
	late      []*http.Request
}

type carried struct {
	resp *http.Response
	body []byte
	err  error
}

// corridorTo starts the carrying, outside of the bubble.
func corridorTo(t *testing.T, gw *sandbox.Gateway) *corridor {
	c := &corridor{out: make(chan *http.Request), back: make(chan carried)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r := range c.out {
			resp, err := gw.HTTPClient().Do(r)
			var body []byte
			if err == nil {
				body, err = io.ReadAll(io.LimitReader(resp.Body, 2*smallAnswers))
				resp.Body.Close()
			}
			c.back <- carried{resp, body, err}
		}
	}()
	t.Cleanup(func() {
		close(c.out)
		<-done
	})
	return c
}

func (c *corridor) carry(r *http.Request) carried {
	c.out <- r
	return <-c.back
}

func (c *corridor) RoundTrip(r *http.Request) (*http.Response, error) {
	op := path.Base(r.URL.Path)
	c.before(op)
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	out, err := http.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = r.Header.Clone()
	strikes := c.accident != "" && op == c.operation && (c.always || !c.happened)
	c.happened = c.happened || strikes
	if strikes && c.accident == "held back" {
		c.late = append(c.late, out)
		return nil, testkit.ErrLine
	}
	got := c.carry(out)
	switch {
	case strikes && c.accident == "hangs":
		<-r.Context().Done()
		return nil, r.Context().Err()
	case strikes && c.accident == "sent twice":
		again, err := http.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		again.Header = r.Header.Clone()
		got = c.carry(again)
	}
	for _, late := range c.late {
		c.carry(late)
	}
	c.late = nil
	if got.err != nil {
		return nil, got.err
	}
	got.resp.Body, got.resp.Request = io.NopCloser(bytes.NewReader(got.body)), r
	return got.resp, nil
}

// Whatever goes wrong on the way, and whatever the buyer does: who is told paid
// has the money, who is told not paid or refused hasn't, and in between a person
// is asked for.
func TestChargeAndTheMoney(t *testing.T) {
	t.Parallel()
	gw := sandbox.New(t)
	way := corridorTo(t, gw)
	buyers := []struct {
		name string
		// ends is how the buyer's code does.
		ends string
		// before is what the buyer does before a request, the n-th of the
		// operation.
		before func(no, operation string, n int)
		// want is how it goes without trouble.
		want string
	}{
		{"pays at once", "00", nil, paid},
		{"types a PIN", "01", func(no, op string, n int) {
			if op == "order_query" && n == 3 {
				gw.Pay(no, "")
			}
		}, paid},
		{"never types the PIN", "01", nil, notPaid},
		{"gives up, and pays later", "01", func(no, op string, n int) {
			if op == "order_query" && n == 2 {
				gw.GiveUp(no)
			}
			if op == "order_query" && n == 5 {
				gw.Pay(no, "")
			}
		}, paid},
		{"types a wrong PIN", "01", func(no, op string, n int) {
			if op == "order_query" && n == 3 {
				gw.Fail(no)
			}
		}, notPaid},
		{"lets it expire", "01", func(no, op string, n int) {
			if op == "order_query" && n == 3 {
				gw.Expire(no)
			}
		}, notPaid},
		{"pays just before the reversal", "01", func(no, op string, _ int) {
			if op == "order_reverse" {
				gw.Pay(no, "")
			}
		}, notPaid},
		{"pays after the reversal, if that's possible", "01", func(no, op string, n int) {
			if op == "order_query" && n > 8 {
				gw.Pay(no, "")
			}
		}, notPaid},
		{"is paid out before the reversal", "01", func(no, op string, _ int) {
			if op == "order_reverse" {
				gw.Pay(no, "")
				gw.Settle(no)
			}
		}, paid},
		{"shows an old code", "02", nil, refused},
		{"has no money", "03", nil, refused},
	}
	type mishap struct {
		name     string
		fault    sandbox.Fault
		accident string
	}
	mishaps := []mishap{{"hangs", sandbox.Fault{}, "hangs"}, {"held back", sandbox.Fault{}, "held back"}, {"sent twice", sandbox.Fault{}, "sent twice"}}
	for _, tr := range troubles() {
		if tr.fault.Kind != sandbox.FaultLatency && tr.fault.Kind != "" {
			mishaps = append(mishaps, mishap{tr.name, tr.fault, ""})
		}
	}
	for _, code := range []ksher.Code{ksher.CodeKsherInvalidOrderNo, ksher.CodeKsherDuplicatedOrderNo, ksher.CodeCancelError} {
		mishaps = append(mishaps, mishap{"refused " + string(code), sandbox.Fault{Kind: sandbox.FaultRefuse, Code: code}, ""})
	}
	number, ways, counts := 0, map[string]int{}, map[string]int{}
	take := func(t *testing.T, buyer int, op string, m mishap, always bool) string {
		number++
		req, b := testkit.GoodQuickPay(), buyers[buyer]
		req.MchOrderNo, req.AuthCode = fmt.Sprint("order", number), ksher.NewSecret(testkit.AuthCode[:16]+b.ends)
		clear(counts)
		way.accident, way.operation, way.always, way.happened, way.late = m.accident, op, always, false, nil
		way.before = func(op string) {
			if counts[op]++; b.before != nil {
				b.before(req.MchOrderNo, op, counts[op])
			}
		}
		gw.ClearFaults()
		if m.fault.Operation = op; m.fault.Kind != "" {
			if m.fault.Count = 1; always {
				m.fault.Count = 1000
			}
			require.NoError(t, gw.Inject(m.fault))
		}
		var out string
		synctest.Test(t, func(t *testing.T) {
			client, err := gw.NewClient(ksher.WithRetry(1, 0), ksher.WithMaxResponseBytes(smallAnswers), onlyV1(), ksher.WithHTTPClient(&http.Client{Transport: way}))
			require.NoError(t, err)
			order, err := testkit.PaymentsOf(t, client).Charge(t.Context(), req, ksher.WithPolling(10*time.Second, 10*time.Second))
			out = wayOut(t, order, err)
		})
		seen, err := gw.Order(req.MchOrderNo)
		arrived := err == nil
		charged := arrived && (seen.State == sandbox.Paid || seen.State == sandbox.RefundedInPart)
		switch out {
		case paid:
			require.True(t, charged, "it is %q", seen.State)
		case notPaid, refused:
			require.False(t, charged, "it is %q", seen.State)
			// Nor can it be charged any more.
			require.Error(t, gw.Pay(req.MchOrderNo, ""))
		}
		require.Equal(t, 1, counts["quick_pay"])
		require.LessOrEqual(t, counts["order_reverse"], 1)
		ways[out]++
		if arrived && !always && op != "order_reverse" {
			require.NotEqual(t, needsPerson, out, "one accident before the reversal is got over")
		}
		return out
	}
	for i, b := range buyers {
		t.Run(b.name, func(t *testing.T) { require.Equal(t, b.want, take(t, i, "", mishap{}, false)) })
		asked := maps.Clone(counts)
		for _, op := range []string{"quick_pay", "order_query", "order_reverse"} {
			if asked[op] == 0 {
				continue
			}
			for _, m := range mishaps {
				for _, always := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s %s, always %v", b.name, op, m.name, always), func(t *testing.T) { take(t, i, op, m, always) })
				}
			}
		}
	}
	for _, out := range []string{paid, notPaid, refused, needsPerson} {
		require.Positive(t, ways[out], out)
	}
}

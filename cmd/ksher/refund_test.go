package main

import (
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

func TestRefundAsks(t *testing.T) {
	for _, host := range hosts {
		d := newDesk(t)
		d.paid(t, host, "A-1")
		args := []string{"refund", "A-1", "--host=" + string(host), "--amount=50"}
		_, _, err := d.run(t.Context(), args...)
		assert.Equal(t, statusUsage, statusOf(err), "nobody is there")
		_, _, err = d.run(t.Context(), append(args, "--yes")...)
		assert.Equal(t, statusUsage, statusOf(err), "no number")
		d.answer = "y"
		_, question, err := d.run(t.Context(), args...)
		assert.ErrorIs(t, err, errNotConfirmed)
		for _, shown := range []string{d.gw.URL(), string(host), "mch00000", "A-1", "150.50 THB", "0.00 THB", "50.00 THB", "100.50 THB"} {
			assert.Contains(t, question, shown)
		}
		d.refunded(t, 0)
		d.answer = "yes"
		out, notice, err := d.run(t.Context(), args...)
		require.NoError(t, err)
		made := regexp.MustCompile(`refund's number is (R\w{31})\.`).FindStringSubmatch(notice)
		require.NotNil(t, made, notice)
		assert.Contains(t, out, made[1])
		d.refunded(t, 50_00)

		_, question, err = d.run(t.Context(), append(args, "--refund-no=R-2")...)
		require.NoError(t, err)
		assert.Contains(t, question, "Refunded       50.00 THB")
		assert.Contains(t, question, "Remains        50.50 THB")
		d.refunded(t, 100_00)
	}
}

func (d *desk) refunded(t *testing.T, sum ksher.Amount) {
	t.Helper()
	order, err := d.gw.Order("A-1")
	require.NoError(t, err)
	assert.Equal(t, sum, order.Refunded)
}

// The same refund is made once, however often and in whatever trouble it is sent.
func TestRefundFaults(t *testing.T) {
	for _, host := range hosts {
		for _, kind := range core.OperationFaults() {
			for _, count := range []int{1, 10} {
				t.Run(string(host)+" "+string(kind), func(t *testing.T) {
					d := newDesk(t)
					d.paid(t, host, "A-1")
					d.inject(t, "order_refund", kind, count)
					args := []string{"refund", "A-1", "--host=" + string(host), "--amount=150.50", "--refund-no=R-1"}
					out, _, err := d.run(t.Context(), append(args, "--yes")...)
					switch statusOf(err) {
					case statusDone:
						d.refunded(t, 150_50)
						assert.Contains(t, out, "R-1")
						return
					case statusRefused:
						assert.Equal(t, core.FaultRefuse, kind)
						d.refunded(t, 0)
					case statusUnknown:
						assert.Empty(t, out)
						assert.ErrorContains(t, err, "To go on: ksher "+strings.Join(args[:3], " ")+" --amount=150.50 --refund-no=R-1")
					}
					d.gw.ClearFaults()
					_, _, err = d.run(t.Context(), append(args, "--yes")...)
					require.NoError(t, err)
					d.refunded(t, 150_50)
				})
			}
		}
	}
}

// Ctrl-C while a refund is on its way is a doubt.
func TestRefundInterrupted(t *testing.T) {
	d := newDesk(t)
	d.paid(t, ksher.HostMerchant, "A-1")
	ctx, interrupt := context.WithCancel(t.Context())
	d.inject(t, "order_refund", core.FaultDropBefore, 10)
	d.seen = func(text string) {
		if strings.Contains(text, "order_refund") {
			interrupt()
		}
	}
	_, _, err := d.run(ctx, "refund", "A-1", "--host=merchant", "--amount=1", "--refund-no=R-1", "--yes", "--verbose")
	assert.Equal(t, statusUnknown, statusOf(err))
	assert.ErrorContains(t, err, "--refund-no=R-1")
}

// Who goes on after a doubt, and gets no answer, isn't told that it was refused.
func TestRefundAgainWithoutAnswer(t *testing.T) {
	for _, operation := range []string{"order_query", "refund_query"} {
		for _, kind := range []core.FaultKind{core.FaultHTTP500, core.FaultEmpty, core.FaultBadSignature, core.FaultDropBefore} {
			d := newDesk(t)
			d.paid(t, ksher.HostMerchant, "A-1")
			args := []string{"refund", "A-1", "--host=merchant", "--amount=1", "--refund-no=R-1", "--yes"}
			_, _, err := d.run(t.Context(), args...)
			require.NoError(t, err)
			d.inject(t, operation, kind, 100)
			_, _, err = d.run(t.Context(), args...)
			assert.Equal(t, statusUnknown, statusOf(err), "%v", err)
			assert.ErrorContains(t, err, "nothing was sent now")
			assert.ErrorContains(t, err, "To go on: ksher refund A-1 --host=merchant --amount=1.00 --refund-no=R-1")
			d.refunded(t, 1_00)
		}
	}
}

func TestRefundNotPaid(t *testing.T) {
	d := newDesk(t)
	d.order(t, ksher.HostMerchant, "A-1")
	_, _, err := d.run(t.Context(), "refund", "A-1", "--host=merchant", "--amount=1", "--refund-no=R-1", "--yes")
	assert.Equal(t, statusNotPaid, statusOf(err))
	_, _, err = d.run(t.Context(), "refund", "A-1", "--host=merchant", "--amount=1.505", "--yes")
	assert.Equal(t, statusUsage, statusOf(err))
}

func TestRefunds(t *testing.T) {
	d := newDesk(t)
	d.paid(t, ksher.HostMerchant, "A-1")
	args := []string{"refunds", "A-1", "--host=merchant"}
	out, _, err := d.run(t.Context(), args...)
	require.NoError(t, err)
	assert.Equal(t, "There are no refunds.\n", out)
	out, _, err = d.run(t.Context(), append(args, "--json")...)
	require.NoError(t, err)
	assert.Equal(t, "[]\n", out)
	_, _, err = d.run(t.Context(), "refund", "A-1", "--host=merchant", "--amount=1", "--refund-no=R-1", "--yes")
	require.NoError(t, err)
	out, _, err = d.run(t.Context(), args...)
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^Refund +Given back`, out)
	assert.Regexp(t, `(?m)^R-1 +1\.00`, out)
	out, _, err = d.run(t.Context(), append(args, "--json")...)
	require.NoError(t, err)
	var list []map[string]string
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	assert.Equal(t, "1.00", list[0]["refund_fee"])
}

// Ctrl-C at the question is a no, though nobody presses return.
func TestConfirmInterrupted(t *testing.T) {
	in, typed := io.Pipe()
	defer typed.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	s := &screen{In: in, Err: &watched{seen: func(string) { interrupt() }}, Asks: true}
	assert.ErrorIs(t, s.confirm(ctx, false, "It costs money."), errNotConfirmed)
}

package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// list writes a shop's list, of rows without the header.
func list(t *testing.T, rows ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "orders.csv")
	require.NoError(t, os.WriteFile(file, []byte("number,amount,currency,host,state\n"+strings.Join(rows, "\n")+"\n"), 0o600))
	return file
}

// paidOrders makes so many paid orders, and a list of them.
func (d *desk) paidOrders(t *testing.T, n int) string {
	t.Helper()
	var rows []string
	for i := range n {
		no, host := fmt.Sprint("A-", i), hosts[i%2]
		d.paid(t, host, no)
		rows = append(rows, no+",150.50,THB,"+string(host)+",paid")
	}
	return list(t, rows...)
}

func TestReconcileAgrees(t *testing.T) {
	d := newDesk(t)
	file := d.paidOrders(t, 30)
	d.gw.Advance(24 * time.Hour)
	out, progress, err := d.run(t.Context(), "reconcile", "--orders="+file)
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^agrees +30$`, out)
	assert.Regexp(t, `(?m)^THB +30 +4515\.00 +4515\.00 +0\.00$`, out)
	assert.Regexp(t, `(?m)4515\.00 +0\.00$`, out, "settled as much as listed")
	assert.Equal(t, 11, strings.Count(progress, "\n"), "in a pipe, a line for each tenth")
	assert.NoFileExists(t, file+".journal")

	d.live = true
	_, progress, err = d.run(t.Context(), "reconcile", "--orders="+file)
	require.NoError(t, err)
	assert.Contains(t, progress, "\r\x1b[K[===============               ] 15 of 30 orders")
	assert.Contains(t, progress, "[==============================] 30 of 30 orders\n")
}

func TestReconcileDiffers(t *testing.T) {
	d := newDesk(t)
	for _, no := range []string{"agrees", "here", "there", "amount", "refunded", "part", "unlisted"} {
		if no == "here" {
			d.order(t, ksher.HostMerchant, no)
			continue
		}
		d.paid(t, ksher.HostMerchant, no)
	}
	_, _, err := d.run(t.Context(), "refund", "refunded", "--host=merchant", "--amount=150.50", "--refund-no=R-1", "--yes")
	require.NoError(t, err)
	_, _, err = d.run(t.Context(), "refund", "part", "--host=merchant", "--amount=50", "--refund-no=R-2", "--yes")
	require.NoError(t, err)
	d.gw.Advance(24 * time.Hour)
	file := list(t, "part,150.50,THB,merchant,paid", "agrees,150.50,THB,merchant,paid", "here,150.50,THB,merchant,paid", "there,150.50,THB,merchant,open",
		"amount,150.00,THB,merchant,paid", "refunded,150.50,THB,merchant,paid", "=unknown,150.50,THB,merchant,paid")
	page := filepath.Join(t.TempDir(), "page.html")
	args := []string{"reconcile", "--orders=" + file, "--html=" + page}
	verdicts := map[string]string{
		"agrees": "agrees", "here": "paid here but not there", "there": "paid there but open here", "amount": "other amount", "refunded": "refunded", "part": "refunded", "=unknown": "unknown",
	}

	out, _, err := d.run(t.Context(), args...)
	assert.ErrorIs(t, err, errDiffers)
	assert.Equal(t, statusRefused, statusOf(err))
	for number, verdict := range verdicts {
		if number != "agrees" {
			assert.Regexp(t, `(?m)^`+number+` +merchant .* `+verdict+` `, out)
		}
	}
	assert.Regexp(t, `(?m)^\d{4}-\S+ +\S+ +THB +702\.50 +0\.00 +0\.00 +552\.00 +150\.50$`, out, "what isn't on the list is settled")
	html, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(html), "1 of 7 orders")

	out, _, err = d.run(t.Context(), append(args, "--csv")...)
	assert.ErrorIs(t, err, errDiffers)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 8)
	for _, row := range rows[1:] {
		assert.Equal(t, verdicts[strings.TrimPrefix(row[0], "'")], row[6])
	}
	assert.Equal(t, "'=unknown", rows[7][0], "no formula")

	out, _, err = d.run(t.Context(), append(args, "--json")...)
	assert.ErrorIs(t, err, errDiffers)
	var report struct {
		Agrees      bool
		Counts      map[string]int
		Orders      []map[string]string
		Settlements []map[string]string
	}
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	assert.False(t, report.Agrees)
	assert.Equal(t, 1, report.Counts["unknown"])
	assert.Len(t, report.Orders, 7)
	assert.Equal(t, "150.50", report.Settlements[0]["more"])
}

// Who broke it off goes on with the command that it names, and asks about nothing twice.
func TestReconcileBrokenOff(t *testing.T) {
	d := newDesk(t)
	file := d.paidOrders(t, 30)
	ctx, interrupt := context.WithCancel(t.Context())
	d.seen = func(text string) {
		if strings.HasPrefix(text, "50 %") {
			interrupt()
		}
	}
	out, _, err := d.run(ctx, "reconcile", "--orders="+file)
	assert.ErrorContains(t, err, "To go on: ksher reconcile --orders="+file+" --sandbox")
	assert.Equal(t, statusUnknown, statusOf(err))
	broken := regexp.MustCompile(`broken off after (\d+) of 30 orders`).FindStringSubmatch(err.Error())
	require.NotNil(t, broken, err)
	known, err := strconv.Atoi(broken[1])
	require.NoError(t, err)
	assert.Empty(t, out)

	d.seen = nil
	before := d.queries()
	out, notice, err := d.run(t.Context(), "reconcile", "--orders="+file)
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^agrees +30$`, out)
	assert.Contains(t, notice, fmt.Sprintf("Going on after %d", known))
	assert.GreaterOrEqual(t, known, 15, "half of them")
	assert.LessOrEqual(t, d.queries()-before, 30-known+4, "and those that were on their way")
	assert.NoFileExists(t, file+".journal")
}

func (d *desk) queries() (n int) {
	for _, r := range d.gw.Requests() {
		if r.Operation == "order_query" || r.Operation == "gateway_order_query" {
			n++
		}
	}
	return n
}

// An order that the gateway says nothing believable of is reported as not asked, and asked
// about by the next run.
func TestReconcileFaults(t *testing.T) {
	for _, kind := range core.OperationFaults() {
		t.Run(string(kind), func(t *testing.T) {
			d := newDesk(t)
			file := d.paidOrders(t, 2)
			d.inject(t, "order_query", kind, 20)
			out, _, err := d.run(t.Context(), "reconcile", "--orders="+file)
			if kind != core.FaultLatency && kind != core.FaultClockSkew && kind != core.FaultOtherKey {
				assert.Equal(t, statusUnknown, statusOf(err), "%v", err)
				assert.Regexp(t, `(?m)^not asked +1$`, out)
				assert.ErrorContains(t, err, "1 of 2 orders")
				assert.FileExists(t, file+".journal")
				d.gw.ClearFaults()
				out, _, err = d.run(t.Context(), "reconcile", "--orders="+file)
			}
			require.NoError(t, err)
			assert.Regexp(t, `(?m)^agrees +2$`, out)
		})
	}
}

func TestReconcileWithoutSettlements(t *testing.T) {
	for _, operation := range []string{"merchant_info", "get_settlement_info"} {
		d := newDesk(t)
		file := d.paidOrders(t, 2)
		d.inject(t, operation, core.FaultRefuse, 1)
		out, _, err := d.run(t.Context(), "reconcile", "--orders="+file)
		require.NoError(t, err, "the gateway has decided")
		assert.Contains(t, out, "Settlements aren't compared: ksher: "+operation)

		d.inject(t, operation, core.FaultHTTP500, 20)
		out, _, err = d.run(t.Context(), "reconcile", "--orders="+file)
		assert.Equal(t, statusUnknown, statusOf(err))
		assert.ErrorContains(t, err, "To go on: ksher reconcile --orders="+file)
		assert.Regexp(t, `(?m)^agrees +2$`, out)
		d.gw.ClearFaults()
		_, notice, err := d.run(t.Context(), "reconcile", "--orders="+file)
		require.NoError(t, err)
		assert.Contains(t, notice, "Going on after 2 orders")
	}
}

func TestReconcileUsage(t *testing.T) {
	d := newDesk(t)
	file := d.paidOrders(t, 1)
	for name, args := range map[string][]string{
		"no list":   {"--orders=" + file + ".not"},
		"no CSV":    {"--orders=reconcile_test.go"},
		"two forms": {"--orders=" + file, "--csv", "--json"},
		"rate":      {"--orders=" + file, "--rate=0"},
	} {
		_, _, err := d.run(t.Context(), append([]string{"reconcile"}, args...)...)
		assert.Equal(t, statusUsage, statusOf(err), name)
	}
	require.NoError(t, os.WriteFile(file+".journal", []byte(`{"app_id":"mch1","gateway_url":"","merchant_url":""}`+"\n"), 0o600))
	_, _, err := d.run(t.Context(), "reconcile", "--orders="+file)
	assert.Equal(t, statusUsage, statusOf(err))
	assert.ErrorContains(t, err, "--fresh")
	_, _, err = d.run(t.Context(), "reconcile", "--orders="+file, "--fresh")
	assert.NoError(t, err)
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// desk is somebody at a terminal, or a script, beside a gateway whose clock stands still.
type desk struct {
	gw     *sandbox.Gateway
	answer string       // what is typed, "" for nobody who could
	live   bool         // on a terminal
	seen   func(string) // is told of what is written to standard error
	opened []string     // the pages that were shown in the browser
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return &desk{gw: sandbox.New(t, sandbox.WithStrict(false))}
}

// watched is a writer that somebody watches.
type watched struct {
	bytes.Buffer
	seen func(string)
}

func (w *watched) Write(p []byte) (int, error) {
	if w.seen != nil {
		w.seen(string(p))
	}
	return w.Buffer.Write(p)
}

// run calls the program.
func (d *desk) run(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out bytes.Buffer
	progress := &watched{seen: d.seen}
	s := &screen{
		In: strings.NewReader(d.answer + "\n"), Out: &out, Err: progress, HTTP: d.gw.HTTPClient(),
		Asks: d.answer != "", Drawn: d.live, Live: d.live, Colour: d.live,
		Open: func(address string) error { d.opened = append(d.opened, address); return nil },
	}
	err = run(ctx, append(args, "--sandbox", "--sandbox-url="+d.gw.URL()), s)
	return out.String(), progress.String(), err
}

// order makes an order over 150.50 THB.
func (d *desk) order(t *testing.T, host ksher.Host, number string) {
	t.Helper()
	var err error
	if host == ksher.HostGateway {
		_, err = d.gw.Client.GatewayPay(t.Context(), &ksher.GatewayPayRequest{
			MchOrderNo: number, MchCode: number, TotalFee: 150_50, FeeType: "THB", ChannelList: []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard},
			ProductName: "tea", ReferURL: "https://shop.example", MchRedirectURL: "https://shop.example", MchRedirectURLFail: "https://shop.example",
		})
	} else {
		_, err = d.gw.Client.NativePay(t.Context(), &ksher.NativePayRequest{MchOrderNo: number, TotalFee: 150_50, FeeType: "THB", Channel: ksher.ChannelWeChat})
	}
	require.NoError(t, err)
}

func (d *desk) paid(t *testing.T, host ksher.Host, number string) {
	t.Helper()
	d.order(t, host, number)
	require.NoError(t, d.gw.Pay(number, channels[host]))
}

// inject makes an operation fail so often in that way.
func (d *desk) inject(t *testing.T, operation string, kind core.FaultKind, count int) {
	t.Helper()
	fault := sandbox.Fault{Operation: operation, Kind: kind, Count: count}
	switch kind {
	case core.FaultLatency, core.FaultClockSkew:
		fault.Delay = 10 * time.Millisecond
	case core.FaultRefuse:
		fault.Code = ksher.CodeSignError
	}
	require.NoError(t, d.gw.Inject(fault))
}

var (
	hosts    = []ksher.Host{ksher.HostGateway, ksher.HostMerchant}
	channels = map[ksher.Host]ksher.Channel{ksher.HostGateway: ksher.ChannelTrueMoney, ksher.HostMerchant: ksher.ChannelWeChat}
)

func TestOrderShow(t *testing.T) {
	d := newDesk(t)
	for _, host := range hosts {
		no := "A-" + string(host)
		d.order(t, host, no)
		out, _, err := d.run(t.Context(), "order", "show", no, "--host="+string(host))
		require.NoError(t, err)
		assert.Contains(t, out, "not paid yet")
		assert.NotContains(t, out, "Paid at")
		require.NoError(t, d.gw.Pay(no, channels[host]))
		out, progress, err := d.run(t.Context(), "order", "show", no, "--host="+string(host), "--json")
		require.NoError(t, err)
		assert.Empty(t, progress)
		var got map[string]string
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		assert.Equal(t, "SUCCESS", got["result"])
		assert.Equal(t, "150.50", got["total_fee"])
		assert.NotContains(t, out, "kshertest-buyer", "the buyer's ID")
	}
	_, _, err := d.run(t.Context(), "order", "show", "A-merchant", "--host=gateway")
	assert.ErrorIs(t, err, ksher.ErrNotFound)
	assert.Equal(t, statusRefused, statusOf(err))
	for _, args := range [][]string{{"A-merchant"}, {strings.Repeat("A", 300), "--host=gateway"}} {
		_, _, err = d.run(t.Context(), append([]string{"order", "show"}, args...)...)
		assert.Equal(t, statusUsage, statusOf(err), "%v", args)
	}
}

// A query that fails once is repeated, and one that fails again and again ends.
func TestOrderShowFaults(t *testing.T) {
	for _, kind := range core.OperationFaults() {
		t.Run(string(kind), func(t *testing.T) {
			d := newDesk(t)
			d.paid(t, ksher.HostMerchant, "A-1")
			d.inject(t, "order_query", kind, 20)
			out, _, err := d.run(t.Context(), "order", "show", "A-1", "--host=merchant")
			if kind == core.FaultLatency || kind == core.FaultClockSkew || kind == core.FaultOtherKey {
				require.NoError(t, err)
				return
			}
			assert.Error(t, err)
			assert.Empty(t, out)
			assert.Equal(t, statusRefused, statusOf(err))
		})
	}
}

func TestOrderWait(t *testing.T) {
	for _, host := range hosts {
		d := newDesk(t)
		d.order(t, host, "A-1")
		once := sync.OnceFunc(func() { assert.NoError(t, d.gw.Pay("A-1", channels[host])) })
		d.live, d.seen = true, func(text string) {
			if strings.Contains(text, "not paid yet") {
				once()
			}
		}
		out, progress, err := d.run(t.Context(), "order", "wait", "A-1", "--host="+string(host), "--amount=150.50")
		require.NoError(t, err)
		assert.Contains(t, out, "SUCCESS")
		assert.Contains(t, progress, "\r\x1b[KOrder A-1: not paid yet (")
		assert.Contains(t, progress, ", 10m0s left")
		assert.Contains(t, progress, "paid (SUCCESS)")
	}
}

func TestOrderWaitEndsOtherwise(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	gone, leave := context.WithCancel(t.Context())
	leave()
	for name, tt := range map[string]struct {
		prepare func(*testing.T, *desk)
		ctx     context.Context
		args    []string
		status  int
		says    string
	}{
		"nobody pays": {status: statusNotPaid, says: "To go on: ksher order wait A-1 --host=gateway --amount=150.50 --currency=THB --sandbox"},
		"interrupted": {ctx: ctx, status: statusNotPaid, says: "can still be paid",
			prepare: func(_ *testing.T, d *desk) { d.seen = func(string) { interrupt() } }},
		"cancelled": {status: statusNotPaid, says: "CLOSED", prepare: func(t *testing.T, d *desk) {
			_, err := d.gw.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "A-1"})
			require.NoError(t, err)
		}},
		"another amount": {args: []string{"--amount=1"}, status: statusRefused, says: "over 150.50 THB",
			prepare: func(t *testing.T, d *desk) { require.NoError(t, d.gw.Pay("A-1", ksher.ChannelTrueMoney)) }},
		"no answer": {args: []string{"--amount=150.50"}, status: statusUnknown, says: "the outcome is unknown: the gateway didn't answer in time",
			prepare: func(t *testing.T, d *desk) { d.inject(t, "gateway_order_query", core.FaultHTTP500, 10_000) }},
		"no answer, no amount": {status: statusUnknown, says: "To go on: ksher order wait A-1 --host=gateway --sandbox",
			prepare: func(t *testing.T, d *desk) { d.inject(t, "gateway_order_query", core.FaultHTTP500, 10_000) }},
		"interrupted, no amount": {ctx: gone, status: statusUnknown, says: "To go on: ksher order wait A-1 --host=gateway --sandbox"},
		"refused": {args: []string{"--amount=150.50"}, status: statusRefused, says: "SIGNERROR",
			prepare: func(t *testing.T, d *desk) { d.inject(t, "gateway_order_query", core.FaultRefuse, 1) }},
		"refused, no amount": {status: statusRefused, says: "SIGNERROR",
			prepare: func(t *testing.T, d *desk) { d.inject(t, "gateway_order_query", core.FaultRefuse, 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.order(t, ksher.HostGateway, "A-1")
			if tt.prepare != nil {
				tt.prepare(t, d)
			}
			if tt.ctx == nil {
				tt.ctx = t.Context()
			}
			out, progress, err := d.run(tt.ctx, append([]string{"order", "wait", "A-1", "--host=gateway"}, tt.args...)...)
			assert.ErrorContains(t, err, tt.says)
			assert.Equal(t, tt.status, statusOf(err))
			assert.Empty(t, out)
			assert.LessOrEqual(t, strings.Count(progress, "\n"), 1, "in a pipe, a line for each state")
		})
	}
}

// What somebody has attached to an order doesn't steer the terminal.
func TestOrderShowControlCharacters(t *testing.T) {
	d := newDesk(t)
	_, err := d.gw.Client.NativePay(t.Context(), &ksher.NativePayRequest{
		MchOrderNo: "A-1", TotalFee: 1_00, FeeType: "THB", Channel: ksher.ChannelWeChat, Attach: "a\x1b[2Jb\tc\u202e05.1",
	})
	require.NoError(t, err)
	out, _, err := d.run(t.Context(), "order", "show", "A-1", "--host=merchant")
	require.NoError(t, err)
	assert.Contains(t, out, "a\uFFFD[2Jb\uFFFDc\uFFFD05.1")
}

// An amount is taken as it is written, or not at all.
func TestAmountFlag(t *testing.T) {
	for text, want := range map[string]ksher.Amount{
		"50": 50_00, "50.5": 50_50, "0.01": 1, "0": 0, "0.00": 0, "-1": 0, "-0.01": 0, "": 0, " 5": 0, "+5": 0, "1e9": 0, "0.001": 0, ",": 0, "1,5": 0,
		"1,000": 0, "1_000": 0, "0x5": 0, "NaN": 0, "5.": 0, ".5": 0, "๕": 0, "99999999999999999999": 0,
	} {
		var amount amountFlag
		err := amount.UnmarshalText([]byte(text))
		assert.Equal(t, want == 0, err != nil, "%q", text)
		if err == nil {
			assert.Equal(t, want, ksher.Amount(amount), "%q", text)
		}
	}
	d := newDesk(t)
	d.paid(t, ksher.HostMerchant, "A-1")
	for _, args := range [][]string{{"order", "wait", "A-1", "--host=merchant"}, {"payout", "show", "P-1"}, {"refund", "A-1", "--host=merchant"}} {
		_, _, err := d.run(t.Context(), append(args, "--amount=0")...)
		assert.Equal(t, statusUsage, statusOf(err), "zero is not the same as none: %v", args)
	}
}

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// receiverNo is an account that must not be shown.
const receiverNo = "1234567890"

// payoutArgs are a payout of 100 THB, whose receiver is in a file.
func payoutArgs(t *testing.T, more ...string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "receiver")
	require.NoError(t, os.WriteFile(file, []byte(receiverNo+"\n"), 0o600))
	return append([]string{"payout", "--amount=100", "--to=BANK", "--bank=004", "--receiver-file=" + file}, more...)
}

// paidOut is how much was paid out, of which number whatever.
func (d *desk) paidOut(t *testing.T) (sum ksher.Amount, requests int) {
	t.Helper()
	answer, err := d.gw.Client.GetPayoutBalance(t.Context(), &ksher.GetPayoutBalanceRequest{FeeType: "THB"})
	require.NoError(t, err)
	for _, r := range d.gw.Requests() {
		if r.Operation == "payout" {
			requests++
		}
	}
	return 100_000_00 - answer.Balance, requests
}

func TestPayoutAsks(t *testing.T) {
	d := newDesk(t)
	_, _, err := d.run(t.Context(), payoutArgs(t)...)
	assert.Equal(t, statusUsage, statusOf(err), "nobody is there")
	_, _, err = d.run(t.Context(), payoutArgs(t, "--yes")...)
	assert.Equal(t, statusUsage, statusOf(err), "no number")
	d.answer = "no"
	_, question, err := d.run(t.Context(), payoutArgs(t, "--order-no=P-1")...)
	assert.ErrorIs(t, err, errNotConfirmed)
	for _, shown := range []string{d.gw.URL(), "mch00000", "P-1", "100.00 THB", "BANK 004", "ends in 7890"} {
		assert.Contains(t, question, shown)
	}
	assert.NotContains(t, question, receiverNo)
	sum, requests := d.paidOut(t)
	assert.Zero(t, sum)
	assert.Zero(t, requests)
	d.answer = "yes"
	out, _, err := d.run(t.Context(), payoutArgs(t)...)
	require.NoError(t, err)
	assert.Contains(t, out, "100.00")
	sum, _ = d.paidOut(t)
	assert.EqualValues(t, 100_00, sum)
}

// A payout is sent once, whatever happens, also if the script runs again.
func TestPayoutFaults(t *testing.T) {
	for _, kind := range core.OperationFaults() {
		t.Run(string(kind), func(t *testing.T) {
			d := newDesk(t)
			d.inject(t, "payout", kind, 1)
			args := payoutArgs(t, "--order-no=P-1", "--yes")
			out, progress, err := d.run(t.Context(), args...)
			sum, requests := d.paidOut(t)
			assert.Equal(t, 1, requests)
			assert.NotContains(t, out+progress, receiverNo)
			switch statusOf(err) {
			case statusDone:
				assert.EqualValues(t, 100_00, sum)
			case statusRefused:
				assert.Equal(t, core.FaultRefuse, kind)
				assert.Zero(t, sum)
				return
			case statusUnknown:
				assert.ErrorContains(t, err, "To go on: ksher payout show P-1 --amount=100.00")
				assert.NotContains(t, err.Error(), receiverNo)
				assert.Zero(t, sum)
				_, _, err = d.run(t.Context(), "payout", "show", "P-1", "--amount=100")
				assert.Equal(t, statusUnknown, statusOf(err))
				return
			}
			_, _, err = d.run(t.Context(), args...)
			assert.ErrorIs(t, err, ksher.ErrDuplicate)
			assert.Equal(t, statusUnknown, statusOf(err), "no refusal, after which a script pays under another number")
			assert.ErrorContains(t, err, "To go on: ksher payout show P-1 --amount=100.00")
			_, requests = d.paidOut(t)
			assert.Equal(t, 1, requests)
		})
	}
}

// Who doesn't know whether a number was used sends nothing, and isn't told that it was refused
// where nobody knows.
func TestPayoutQueryFaults(t *testing.T) {
	for _, kind := range []core.FaultKind{core.FaultHTTP500, core.FaultBadSignature, core.FaultRefuse, core.FaultEmpty} {
		d := newDesk(t)
		d.inject(t, "order_query_payout", kind, 20)
		_, _, err := d.run(t.Context(), payoutArgs(t, "--order-no=P-1", "--yes")...)
		if kind == core.FaultRefuse {
			assert.Equal(t, statusRefused, statusOf(err))
		} else {
			assert.Equal(t, statusUnknown, statusOf(err), kind)
			assert.ErrorContains(t, err, "To go on: ksher payout show P-1 --amount=100.00")
		}
		assert.ErrorContains(t, err, "nothing was sent")
		_, requests := d.paidOut(t)
		assert.Zero(t, requests)
	}
}

func TestPayoutInterrupted(t *testing.T) {
	d := newDesk(t)
	ctx, interrupt := context.WithCancel(t.Context())
	d.inject(t, "payout", core.FaultDropAfter, 1)
	d.seen = func(text string) {
		if strings.Contains(text, "payout P-1:") && !strings.Contains(text, "query") {
			interrupt()
		}
	}
	_, _, err := d.run(ctx, payoutArgs(t, "--order-no=P-1", "--yes", "--verbose")...)
	assert.Equal(t, statusUnknown, statusOf(err))
	assert.ErrorContains(t, err, "payout show P-1")
}

func TestPayoutShow(t *testing.T) {
	d := newDesk(t)
	_, _, err := d.run(t.Context(), payoutArgs(t, "--order-no=P-1", "--yes")...)
	require.NoError(t, err)
	out, _, err := d.run(t.Context(), "payout", "show", "P-1")
	require.NoError(t, err)
	assert.Contains(t, out, "SUCCESS")
	out, _, err = d.run(t.Context(), "payout", "show", "P-1", "--amount=100", "--json")
	require.NoError(t, err)
	assert.Contains(t, out, `"verdict": "carried out"`)
	_, _, err = d.run(t.Context(), "payout", "show", "P-1", "--amount=99")
	assert.ErrorIs(t, err, ksher.ErrOtherOrder)
	assert.Equal(t, statusUnknown, statusOf(err), "not failed")
	_, _, err = d.run(t.Context(), "payout", "show", strings.Repeat("P", 300), "--amount=99")
	assert.Equal(t, statusUsage, statusOf(err))
	_, _, err = d.run(t.Context(), "payout", "show", "P-2")
	assert.ErrorIs(t, err, ksher.ErrNotFound)
}

// The receiver's number can come through a pipe.
func TestPayoutFromPipe(t *testing.T) {
	d := newDesk(t)
	args := []string{"payout", "--amount=100", "--to=BANK", "--bank=004", "--receiver-file=-", "--order-no=P-1"}
	_, _, err := d.run(t.Context(), args...)
	assert.Equal(t, statusUsage, statusOf(err))
	d.answer = receiverNo
	_, _, err = d.run(t.Context(), append(args, "--yes")...)
	require.NoError(t, err)
	sum, _ := d.paidOut(t)
	assert.EqualValues(t, 100_00, sum)
}

// A file that has more than a number, or less of it than there is, pays nobody.
func TestPayoutReceiver(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		sent int
	}{
		"byte order mark": {"\ufeff" + receiverNo + "\r\n", 1},
		"with strokes":    {"123-4-56789-0", 1},
		"two lines":       {receiverNo + "\n" + receiverNo, 0},
		"words":           {receiverNo + " Somchai", 0},
		"control":         {"12345\x1b67890", 0},
		"digits of Thai":  {"๑๒๓๔๕๖๗๘๙๐", 0},
		"cut off":         {strings.Repeat(" ", maxReceiver-4) + receiverNo, 0},
		"far too long":    {strings.Repeat("1", maxReceiver+1), 0},
		"empty":           {"\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.answer = tt.text
			_, progress, err := d.run(t.Context(), "payout", "--amount=100", "--to=BANK", "--bank=004", "--receiver-file=-", "--order-no=P-1", "--yes", "--verbose")
			_, requests := d.paidOut(t)
			assert.Equal(t, tt.sent, requests)
			assert.Equal(t, tt.sent == 0, err != nil)
			if err != nil {
				progress += err.Error()
			}
			assert.NotContains(t, progress, receiverNo)
		})
	}
}

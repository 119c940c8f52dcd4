package main

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// Each command that ends an order, with how the order stands before and after it.
var endings = map[string]struct {
	host          ksher.Host
	command       []string
	operation     string
	before, after sandbox.State
}{
	"cancel":  {ksher.HostGateway, []string{"order", "cancel"}, "cancel_order", sandbox.Created, sandbox.Cancelled},
	"close":   {ksher.HostMerchant, []string{"order", "close"}, "order_close", sandbox.Created, sandbox.Cancelled},
	"reverse": {ksher.HostMerchant, []string{"reverse"}, "order_reverse", sandbox.Paid, sandbox.Refunded},
}

// toEnd makes an order for a command to end.
func (d *desk) toEnd(t *testing.T, operation string, host ksher.Host) {
	t.Helper()
	if operation != "order_reverse" {
		d.order(t, host, "A-1")
		return
	}
	_, err := d.gw.Client.QuickPay(t.Context(), &ksher.QuickPayRequest{
		MchOrderNo: "A-1", TotalFee: 150_50, FeeType: "THB", Channel: ksher.ChannelTrueMoney, AuthCode: ksher.NewSecret("900000000000000000"),
	})
	require.NoError(t, err)
}

func (d *desk) state(t *testing.T) sandbox.State {
	t.Helper()
	order, err := d.gw.Order("A-1")
	require.NoError(t, err)
	return order.State
}

func TestEndAsks(t *testing.T) {
	for name, tt := range endings {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.toEnd(t, tt.operation, tt.host)
			args := append(tt.command, "A-1")
			_, _, err := d.run(t.Context(), args...)
			assert.Equal(t, statusUsage, statusOf(err), "nobody is there")
			d.answer = "no"
			_, question, err := d.run(t.Context(), args...)
			assert.ErrorIs(t, err, errNotConfirmed)
			for _, shown := range []string{d.gw.URL(), string(tt.host), sandbox.AppID, "A-1", "150.50 THB"} {
				assert.Contains(t, question, shown)
			}
			assert.Equal(t, tt.before, d.state(t))
			d.answer = "yes"
			out, _, err := d.run(t.Context(), args...)
			require.NoError(t, err)
			assert.Contains(t, out, name)
			assert.Equal(t, tt.after, d.state(t))
			out, notice, err := d.run(t.Context(), args...)
			require.NoError(t, err)
			assert.Contains(t, out, name)
			assert.Contains(t, notice, "Nothing was sent")
		})
	}
}

// What the program says is what has become of the order, whatever happens to the answer.
func TestEndFaults(t *testing.T) {
	for name, tt := range endings {
		for _, kind := range core.OperationFaults() {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				d := newDesk(t)
				d.toEnd(t, tt.operation, tt.host)
				d.inject(t, tt.operation, kind, 1)
				args := append(tt.command, "A-1", "--yes")
				_, _, err := d.run(t.Context(), args...)
				switch statusOf(err) {
				case statusDone:
					assert.Equal(t, tt.after, d.state(t))
				case statusRefused:
					assert.Equal(t, core.FaultRefuse, kind)
					assert.Equal(t, tt.before, d.state(t))
				case statusUnknown:
					assert.ErrorContains(t, err, "To go on: ksher "+strings.Join(tt.command, " ")+" A-1")
					_, _, err = d.run(t.Context(), args...)
					assert.NoError(t, err)
				default:
					assert.Fail(t, "another status", "%v", err)
				}
			})
		}
	}
}

// If the order can't be looked at, nothing is sent, and nobody knows what became of the time
// before.
func TestEndQueryFaults(t *testing.T) {
	for name, tt := range endings {
		for _, kind := range []core.FaultKind{core.FaultHTTP500, core.FaultBadSignature, core.FaultEmpty} {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				d := newDesk(t)
				d.toEnd(t, tt.operation, tt.host)
				for _, query := range []string{"order_query", "gateway_order_query"} {
					d.inject(t, query, kind, 20)
				}
				_, _, err := d.run(t.Context(), append(tt.command, "A-1", "--yes")...)
				assert.Equal(t, statusUnknown, statusOf(err))
				assert.ErrorContains(t, err, "nothing was sent now")
				assert.ErrorContains(t, err, "To go on: ksher "+strings.Join(tt.command, " ")+" A-1")
				assert.Equal(t, tt.before, d.state(t))
			})
		}
	}
}

// The command that goes on is about the same order, whatever its number looks like.
func TestGoOnWithAnyNumber(t *testing.T) {
	sh, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	for _, no := range []string{"-A", "--yes", "--host=gateway", "it's", "a\x1b[2Jb'c", "a b", "$(false)", "ก\u2028\n", "a\u202e1"} {
		d := newDesk(t)
		flags := &gatewayFlags{Sandbox: true, SandboxURL: d.gw.URL()}
		line := flags.again("refunds", no, "--host=merchant")
		assert.Equal(t, line, strings.Map(printable, line), "nothing steers the terminal")
		out, err := exec.Command(sh, "-c", "LC_ALL=C.UTF-8; ksher() { printf '%s\\0' \"$@\"; }; "+line).Output()
		require.NoError(t, err, line)
		var parsed commands
		parser, err := newParser(&parsed)
		require.NoError(t, err)
		_, err = parser.Parse(strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"))
		require.NoError(t, err, line)
		assert.Equal(t, no, parsed.Refunds.Number)
		assert.Equal(t, ksher.HostMerchant, parsed.Refunds.Host)
		listener := &listenCommand{ForwardTo: "http://localhost:3000"}
		assert.Equal(t, "ksher listen --forward-to=http://localhost:3000 -- "+quoted(no), listener.again([]string{no}))
	}
}

// noSpace is a file on a full disk.
type noSpace struct{}

func (noSpace) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// What has happened isn't said to be refused because it can't be printed.
func TestDoneButNotPrinted(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		then string
	}{
		"refund": {[]string{"refund", "A-1", "--host=merchant", "--amount=1", "--refund-no=R-1", "--yes"}, "refunds A-1 --host=merchant"},
		"payout": {payoutArgs(t, "--order-no=P-1", "--yes"), "payout show P-1 --amount=100.00"},
		"close":  {[]string{"order", "close", "A-2", "--yes"}, "order show A-2 --host=merchant"},
		"native": {[]string{"native", "--channel=promptpay", "--amount=1", "--order-no=A-3", "--no-wait"}, "order close A-3"},
		"page":   {[]string{"page", "--channel=truemoney", "--amount=1", "--order-no=A-3"}, "order show A-3 --host=gateway"},
		"wait":   {[]string{"order", "wait", "A-1", "--host=merchant"}, "order show A-1 --host=merchant"},
	} {
		for _, form := range []string{"--json", "--verbose"} {
			t.Run(name+" "+form, func(t *testing.T) {
				d := newDesk(t)
				d.paid(t, ksher.HostMerchant, "A-1")
				d.order(t, ksher.HostMerchant, "A-2")
				s := &screen{In: strings.NewReader(""), Out: noSpace{}, Err: &watched{}, HTTP: d.gw.HTTPClient()}
				err := run(t.Context(), append(tt.args, form, "--sandbox", "--sandbox-url="+d.gw.URL()), s)
				assert.Equal(t, statusUnknown, statusOf(err), "%v", err)
				assert.ErrorContains(t, err, "no space left")
				assert.ErrorContains(t, err, "To go on: ksher "+tt.then)
			})
		}
	}
}

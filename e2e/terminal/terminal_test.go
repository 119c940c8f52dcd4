// Package terminal types at the command line in a pseudo-terminal, and reads what somebody
// there sees.
package terminal

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/day"
	"github.com/ksher-go/ksher/internal/sandbox"
)

var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ksher")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "ksher")
		build := exec.Command("go", "build", "-o", program, "./cmd/ksher")
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

// session is a command in a terminal.
type session struct {
	t    *testing.T
	cmd  *exec.Cmd
	keys io.Writer
	done chan struct{}

	mu   sync.Mutex
	text strings.Builder
}

// in runs the program in a terminal, beside a gateway.
func in(t *testing.T, gw *sandbox.Gateway, env []string, args ...string) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, append(args, "--sandbox", "--sandbox-url="+gw.URL())...)
	own := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "KSHER_") || strings.HasPrefix(v, "NO_COLOR=") })
	cmd.Env = append(append(own, "TERM=xterm-256color"), env...)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 100})
	require.NoError(t, err)
	s := &session{t: t, cmd: cmd, keys: terminal, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		buffer := make([]byte, 4096)
		for {
			n, err := terminal.Read(buffer)
			s.mu.Lock()
			s.text.Write(buffer[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		terminal.Close()
		<-s.done
	})
	return s
}

func (s *session) screen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// String has the screen of the moment at which a message is written.
func (s *session) String() string { return s.screen() }

// see waits until a text has come.
func (s *session) see(text string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return strings.Contains(s.screen(), text) }, 20*time.Second, 20*time.Millisecond, "%q in %s", text, s)
}

func (s *session) press(keys string) {
	_, err := io.WriteString(s.keys, keys)
	require.NoError(s.t, err)
}

// ends waits for the end, and expects that exit status.
func (s *session) ends(status int) {
	s.t.Helper()
	s.cmd.Wait()
	<-s.done
	assert.Equal(s.t, status, s.cmd.ProcessState.ExitCode(), s.screen())
}

func start(t *testing.T) *sandbox.Gateway {
	gw, err := sandbox.Start()
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	return gw
}

func order(t *testing.T, gw *sandbox.Gateway, no string) {
	_, err := gw.Client.GatewayPay(t.Context(), &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: 150_50, FeeType: "THB", ChannelList: []ksher.Channel{ksher.ChannelTrueMoney},
		ProductName: "Coffee", ReferURL: "https://shop.example", MchRedirectURL: "https://shop.example", MchRedirectURLFail: "https://shop.example",
	})
	require.NoError(t, err)
}

func TestColours(t *testing.T) {
	gw := start(t)
	s := in(t, gw, nil, "doctor")
	s.ends(0)
	assert.Contains(t, s.screen(), "\x1b[32m", "what is right is green")
	for name, env := range map[string][]string{"NO_COLOR": {"NO_COLOR=1"}, "dumb": {"TERM=dumb"}} {
		s := in(t, gw, env, "doctor")
		s.ends(0)
		assert.NotContains(t, s.screen(), "\x1b[", name)
	}
}

// Who says no, or presses Ctrl-C at the question, has sent nothing.
func TestRefundAsks(t *testing.T) {
	gw := start(t)
	order(t, gw, "A-1")
	require.NoError(t, gw.Pay("A-1", ""))
	refund := []string{"refund", "A-1", "--host=gateway", "--amount=50"}
	for _, answer := range []string{"no\r", "\r", "\x03", "\x04"} {
		s := in(t, gw, nil, refund...)
		s.see("Type yes to go on")
		assert.Contains(t, s.screen(), "150.50 THB")
		s.press(answer)
		s.ends(1)
		sandbox.AssertRefunded(t, gw, "A-1", 0)
	}
	s := in(t, gw, nil, refund...)
	s.see("Type yes to go on")
	s.press("yes\r")
	s.ends(0)
	sandbox.AssertRefunded(t, gw, "A-1", 50_00)
}

func TestNativeDrawsAndWaits(t *testing.T) {
	gw := start(t)
	s := in(t, gw, nil, "native", "--channel=promptpay", "--amount=80", "--order-no=N-1")
	s.see("▀")
	s.see("not paid yet")
	require.NoError(t, gw.Pay("N-1", ""))
	s.ends(0)
}

// Ctrl-C says where the payment stands, and which command goes on.
func TestCtrlCWhileWaiting(t *testing.T) {
	gw := start(t)
	order(t, gw, "W-1")
	s := in(t, gw, nil, "order", "wait", "W-1", "--host=gateway")
	s.see("not paid yet")
	s.press("\x03")
	s.ends(4)
	_, command, found := strings.Cut(s.screen(), "To go on: ksher ")
	require.True(t, found, s.screen())
	require.NoError(t, gw.Pay("W-1", ""))
	again := in(t, gw, nil, strings.Fields(strings.NewReplacer("\r", "", "\n", " ").Replace(command))...)
	again.ends(0)
}

// Each command that changes something asks first: no sends nothing, yes sends it once.
func TestQuestions(t *testing.T) {
	gw := start(t)
	order(t, gw, "C-1")
	_, err := gw.Client.NativePay(t.Context(), &ksher.NativePayRequest{MchOrderNo: "L-1", TotalFee: 150_50, FeeType: "THB", Channel: ksher.ChannelWeChat})
	require.NoError(t, err)
	_, err = gw.Client.QuickPay(t.Context(), &ksher.QuickPayRequest{
		MchOrderNo: "R-1", TotalFee: 150_50, FeeType: "THB", Channel: ksher.ChannelTrueMoney, AuthCode: ksher.NewSecret("900000000000000000"),
	})
	require.NoError(t, err)
	receiver := filepath.Join(t.TempDir(), "receiver")
	require.NoError(t, os.WriteFile(receiver, []byte("1234567890\n"), 0o600))
	questions := map[string][]string{
		"cancel_order":  {"order", "cancel", "C-1"},
		"order_close":   {"order", "close", "L-1"},
		"order_reverse": {"reverse", "R-1"},
		"payout":        {"payout", "send", "--order-no=P-1", "--amount=100", "--to=BANK", "--bank=004", "--receiver-file=" + receiver},
	}
	if day.PayoutsOpenIn(time.Now()) > 0 {
		delete(questions, "payout") // The program has the real clock, by which there are none now.
	}
	for operation, args := range questions {
		t.Run(operation, func(t *testing.T) {
			sent := func() (n int) {
				for _, r := range gw.Requests() {
					if r.Operation == operation {
						n++
					}
				}
				return n
			}
			for answer, want := range map[string]int{"no\r": 1, "\x03": 1} {
				s := in(t, gw, nil, args...)
				s.see("Type yes to go on")
				s.press(answer)
				s.ends(want)
				require.Zero(t, sent(), "%q: %s", answer, s.screen())
			}
			s := in(t, gw, nil, args...)
			s.see("Type yes to go on")
			s.press("yes\r")
			s.ends(0)
			require.Equal(t, 1, sent(), s.screen())
		})
	}
}

// A list that takes a while has a bar that grows.
func TestReconcileShowsHowFar(t *testing.T) {
	gw := start(t)
	list := "number,amount,currency,host\n"
	for _, no := range []string{"A-1", "A-2", "A-3"} {
		order(t, gw, no)
		require.NoError(t, gw.Pay(no, ""))
		list += no + ",150.50,THB,gateway\n"
	}
	file := filepath.Join(t.TempDir(), "list.csv")
	require.NoError(t, os.WriteFile(file, []byte(list), 0o600))
	s := in(t, gw, nil, "reconcile", "--orders="+file)
	s.see("] 3 of 3 orders")
	s.ends(0)
	assert.Regexp(t, `\r\x1b\[K\[=* +\] [12] of 3 orders`, s.screen(), "the line is written over")
}

// Ctrl-C ends listening with the command that goes on.
func TestListen(t *testing.T) {
	gw := start(t)
	order(t, gw, "A-1")
	s := in(t, gw, nil, "listen", "--forward-to=http://127.0.0.1:1/notify", "A-1")
	s.see("is asked about from now on")
	s.see("is not paid")
	s.press("\x03")
	s.ends(4)
	assert.Contains(t, s.screen(), "ksher listen --forward-to=http://127.0.0.1:1/notify")
}

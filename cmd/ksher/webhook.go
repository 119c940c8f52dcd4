package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ksher-go/ksher/cmd/ksher/internal/conformance"
	"github.com/ksher-go/ksher/cmd/ksher/internal/control"
	"github.com/ksher-go/ksher/cmd/ksher/internal/notice"
	"github.com/ksher-go/ksher/internal/clock"
	"github.com/ksher-go/ksher/internal/sandbox"
)

type testWebhookCommand struct {
	URL        string `arg:"" name:"URL" help:"Where the shop takes notifications. It has to be set up with the sandbox at --sandbox-url and the sandbox's keys."`
	OrderCmd   string `name:"order-cmd" placeholder:"COMMAND" help:"Has the shop create an order at the sandbox, and prints the order's number and nothing else."`
	StateCmd   string `name:"state-cmd" placeholder:"COMMAND" help:"Prints how often the shop has fulfilled the order whose number is the last argument, or where COMMAND has $$1."`
	RestartCmd string `name:"restart-cmd" placeholder:"COMMAND" help:"Kills the shop as kill -9 does, and starts it again."`
	Queued     bool   `help:"The shop puts notifications into a queue and says SUCCESS before it has asked: only what it fulfils counts, for which it may take --timeout."`
	shopFlags
	gatewayFlags
}

// tested is the result as JSON.
type tested struct {
	URL        string            `json:"url"`
	SandboxURL string            `json:"sandbox_url"`
	Passed     int               `json:"passed"`
	Failed     int               `json:"failed"`
	NotTested  int               `json:"not_tested"`
	Rows       []conformance.Row `json:"rows"`
}

// Run tries attacks and accidents on a shop.
func (w *testWebhookCommand) Run(ctx context.Context, s *screen) error {
	sender, err := w.sender(w.URL)
	if err != nil {
		return err
	}
	if w.Verbose {
		var one sync.Mutex
		sender.Follow = func(method string, length int, a notice.Answer) {
			one.Lock()
			defer one.Unlock()
			fmt.Fprintf(s.Err, "%s of %d bytes: %v\n", method, length, a)
		}
	}
	w.Sandbox = true // It is the only gateway that misbehaves on request.
	client, err := w.client(s)
	if err != nil {
		return err
	}
	api, end, err := w.sandbox(ctx, s)
	if err != nil {
		return err
	}
	defer end()
	test := &conformance.Test{
		URL: w.URL, Sender: sender, Sandbox: api, Client: client, Queued: w.Queued, Limit: w.Timeout, Sleep: clock.Real.ClockSleep,
		Done: func(r conformance.Row) {
			if !w.JSON {
				printRow(s, r)
			}
		},
	}
	w.commands(test)
	rows, err := test.Run(ctx)
	if ctx.Err() != nil {
		err = fmt.Errorf("stopped after %d of %d rows; the same command begins anew: %w", len(rows), len(conformance.Names()), ctx.Err())
	}
	return errors.Join(w.summary(s, rows), err)
}

// sandbox is the control API of the sandbox that runs there, or of one that is started for
// the test.
func (w *testWebhookCommand) sandbox(ctx context.Context, s *screen) (api *control.Client, end func(), err error) {
	base := strings.TrimSuffix(w.SandboxURL, "/")
	api, end = control.New(base), func() {}
	err = api.Up(ctx)
	u, urlErr := url.Parse(base)
	other := (*control.RefusedError)(nil)
	switch {
	case err == nil:
		return api, end, nil
	case errors.As(err, &other):
		return nil, nil, fmt.Errorf("what listens at %s is no sandbox: %w", base, err)
	case urlErr != nil || !onThisMachine(u.Hostname()) || ctx.Err() != nil:
		return nil, nil, err
	}
	gw, err := sandbox.Start(sandbox.WithAddress(u.Host), sandbox.WithVariedFees())
	if err != nil {
		return nil, nil, fmt.Errorf("no sandbox runs at %s, and none could be started there: %w", base, err)
	}
	fmt.Fprintf(s.Err, "No sandbox runs at %s: one was started there for this test.\n", base)
	return api, gw.Close, nil
}

func onThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// commands lets the test use the commands that were given.
func (w *testWebhookCommand) commands(test *conformance.Test) {
	if w.OrderCmd != "" {
		test.NewOrder = func(ctx context.Context) (string, error) {
			no, err := shell(ctx, "--order-cmd", w.OrderCmd)
			if err == nil && (no == "" || strings.ContainsAny(no, " \t\r\n")) {
				err = fmt.Errorf("--order-cmd printed %.100q, which is no order's number", no)
			}
			return no, err
		}
	}
	if w.StateCmd != "" {
		command := w.StateCmd
		if !strings.Contains(command, "$1") && runtime.GOOS != "windows" {
			command += ` "$1"`
		}
		test.Fulfilled = func(ctx context.Context, no string) (int, error) {
			text, err := shell(ctx, "--state-cmd", command, no)
			if err != nil {
				return 0, err
			}
			n, err := strconv.Atoi(text)
			if err != nil {
				err = fmt.Errorf("--state-cmd printed %.100q, which is no number of times", text)
			}
			return n, err
		}
	}
	if w.RestartCmd != "" {
		test.Restart = func(ctx context.Context) error { return restart(ctx, w.RestartCmd) }
	}
}

// inShell is a command line of the user's.
func inShell(ctx context.Context, command string, args ...string) *exec.Cmd {
	if runtime.GOOS == "windows" {
		return exec.CommandContext(ctx, "cmd", append([]string{"/C", command}, args...)...)
	}
	return exec.CommandContext(ctx, "sh", append([]string{"-c", command, "sh"}, args...)...)
}

// shell runs a command of the shop's, and returns what it printed.
func shell(ctx context.Context, flag, command string, args ...string) (string, error) {
	cmd := inShell(ctx, command, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %.200s", flag, err, bytes.TrimSpace(errs.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

// restart runs a command that may leave a server running, which must not hold on to what
// this program reads.
func restart(ctx context.Context, command string) error {
	if err := inShell(ctx, command).Run(); err != nil {
		return fmt.Errorf("--restart-cmd: %w", err)
	}
	return nil
}

// colours are those of outcomes.
var colours = map[conformance.Outcome]string{conformance.Pass: "\x1b[32m", conformance.Fail: "\x1b[31m", conformance.NotTested: "\x1b[33m"}

// printRow prints a row of the table when it is known.
func printRow(s *screen, r conformance.Row) {
	width := 0
	for _, name := range conformance.Names() {
		width = max(width, len(name))
	}
	outcome := fmt.Sprintf("%-*s", len(conformance.NotTested), r.Outcome)
	if s.Colour {
		outcome = colours[r.Outcome] + outcome + "\x1b[0m"
	}
	fmt.Fprintf(s.Out, "%s  %-*s  %s\n", outcome, width, r.Name, r.Title)
	indent := strings.Repeat(" ", len(conformance.NotTested)+2)
	switch r.Outcome {
	case conformance.NotTested:
		fmt.Fprintf(s.Out, "%s%s\n", indent, r.Seen)
	case conformance.Fail:
		fmt.Fprintf(s.Out, "%[1]sWhat happened: %[2]s\n%[1]sWhy it matters: %[3]s\n%[1]sWhat to do: %[4]s\n", indent, r.Seen, r.Why, r.Do)
	}
}

// summary says how it ended. The error is for the exit status.
func (w *testWebhookCommand) summary(s *screen, rows []conformance.Row) error {
	t := tested{
		w.URL, w.SandboxURL, conformance.Count(rows, conformance.Pass), conformance.Count(rows, conformance.Fail),
		conformance.Count(rows, conformance.NotTested), append([]conformance.Row{}, rows...),
	}
	if w.JSON {
		if err := s.printJSON(t); err != nil {
			return err
		}
	} else if len(rows) > 0 {
		fmt.Fprintf(s.Out, "\n%d passed, %d failed, %d not tested.\n", t.Passed, t.Failed, t.NotTested)
	}
	if t.Failed > 0 {
		return fmt.Errorf("the shop failed %d of %d rows", t.Failed, len(rows))
	}
	return nil
}

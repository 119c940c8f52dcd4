package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// asProgram makes the test binary behave as the program.
const asProgram = "KSHER_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	if os.Getenv(asShop) != "" {
		shopProgram()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestRun(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		out  string
		err  string
	}{
		"version":       {args: []string{"--version"}, out: "ksher " + ksher.Version},
		"help":          {args: []string{"--help"}, out: "Run a local gateway"},
		"sandbox help":  {args: []string{"sandbox", "--help"}, out: "--allow-remote"},
		"no command":    {err: "expected one of"},
		"unknown":       {args: []string{"sandbox", "--zap"}, err: "unknown flag --zap"},
		"speed":         {args: []string{"sandbox", "--speed=0"}, err: "give more than 0"},
		"account":       {args: []string{"sandbox", "--account=x"}, err: "must be one of"},
		"no port":       {args: []string{"sandbox", "--listen=localhost"}, err: "HOST:PORT"},
		"all addresses": {args: []string{"sandbox", "--listen=:0"}, err: "--allow-remote"},
		"any IPv4":      {args: []string{"sandbox", "--listen=0.0.0.0:0"}, err: "--allow-remote"},
		"elsewhere":     {args: []string{"sandbox", "--listen=192.0.2.1:0"}, err: "--allow-remote"},
		"vip webhook":   {args: []string{"sandbox", "--listen=127.0.0.1:0", "--vip-webhook=shop"}, err: "--vip-webhook"},
		"opn webhook":   {args: []string{"sandbox", "--listen=127.0.0.1:0", "--opn-webhook=shop"}, err: "--opn-webhook"},
		"notify host":   {args: []string{"sandbox", "--listen=127.0.0.1:0", "--allow-notify=shop", "--allow-notify=https://shop.example"}, err: "without scheme and port"},
		"currency":      {args: []string{"sandbox", "--listen=127.0.0.1:0", "--currency=USD"}, err: "THB, MYR, JPY, AED"},
		"public URL":    {args: []string{"sandbox", "--listen=127.0.0.1:0", "--public-url=http://pay.example/shop"}, err: "without a path"},
		"public name":   {args: []string{"sandbox", "--listen=127.0.0.1:0", "--public-url=pay.example"}, err: "http or https"},
		"bad data file": {args: []string{"sandbox", "--listen=127.0.0.1:0", "--data=/dev/null/x"}, err: "data file"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), tt.args, &screen{In: strings.NewReader(""), Out: &out})
			if tt.err != "" {
				assert.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Contains(t, out.String(), tt.out)
		})
	}
}

func TestSandboxUntilCancelled(t *testing.T) {
	for _, args := range [][]string{
		{"--listen=127.0.0.1:0", "--account=online", "--currency=THB,MYR", "--merchant=appid=mch12345,zone=+08:00,channels=alipay:truemoney", "--speed=10", "--vip-webhook=http://shop.example/hook", "--opn-webhook=http://shop.example/events?a=b"},
		{"--listen=0.0.0.0:0", "--allow-remote", "--data=" + filepath.Join(t.TempDir(), "data.db")},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		out, w := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			ended <- run(ctx, append([]string{"sandbox"}, args...), &screen{In: strings.NewReader(""), Out: w})
			w.Close()
		}()
		lines := bufio.NewScanner(out)
		text := new(strings.Builder)
		for lines.Scan() {
			text.WriteString(lines.Text() + "\n")
			if strings.HasPrefix(lines.Text(), "Press Ctrl-C") {
				cancel()
			}
		}
		require.NoError(t, <-ended)
		cancel()
		assert.Contains(t, text.String(), "mch00000")
		assert.Contains(t, text.String(), "/KsherPay")
		assert.Contains(t, text.String(), sandbox.VIPToken)
		assert.Contains(t, text.String(), "/opn, in place of https://api.omise.co")
		assert.Contains(t, text.String(), sandbox.OpnPublicKey+" and "+sandbox.OpnSecretKey)
		assert.Equal(t, len(args) == 3 && args[1] == "--allow-remote", strings.Contains(text.String(), "Warning"))
		assert.Contains(t, text.String(), "has ended")
	}
}

// program is a running sandbox in a process of its own.
type program struct {
	cmd *exec.Cmd
	// url is where it listens.
	url string
}

func startProgram(t *testing.T, flags ...string) *program {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"sandbox", "--listen=127.0.0.1:0"}, flags...)...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &program{cmd: cmd}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "Listens" {
			p.url = "http://" + fields[2]
		}
		if strings.HasPrefix(lines.Text(), "Press") {
			return p
		}
	}
	cmd.Wait()
	t.Fatalf("the sandbox ended: %s", stderr.String())
	return nil
}

func TestSignalEndsIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data.db")
	p := startProgram(t, "--data="+file)
	err := run(t.Context(), []string{"sandbox", "--listen=127.0.0.1:0", "--data=" + file}, &screen{In: strings.NewReader(""), Out: io.Discard})
	assert.ErrorContains(t, err, "in use by another gateway")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	assert.NoError(t, p.cmd.Wait())
}

// account is what a client knows of an order: what it asked for, and what was
// answered.
type account struct {
	created, paid bool
	// refunds has the answer of each refund that was asked for, nil for none.
	refunds map[string]*ksher.Refund
}

// TestKilledAtAnyMoment kills the sandbox in the middle of payments again and
// again, and looks whether everything it had answered is there afterwards.
func TestKilledAtAnyMoment(t *testing.T) {
	rounds := 10 // A tenth of what CI does, for whoever runs all tests at once.
	if more, err := strconv.Atoi(os.Getenv("KSHER_KILLS")); err == nil {
		rounds = more
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	file := filepath.Join(t.TempDir(), "data.db")
	known := make(map[string]*account)
	var answers int
	for round := range rounds {
		p := startProgram(t, "--data="+file)
		check(t, p, known)
		answers += payUntilKilled(t, p, round, 1+random.IntN(25), known)
		if t.Failed() {
			t.FailNow()
		}
	}
	p := startProgram(t, "--data="+file)
	check(t, p, known)
	p.cmd.Process.Kill()
	p.cmd.Wait()
	t.Logf("%d orders, %d answers, %d kills", len(known), answers, rounds)
}

// payUntilKilled creates, pays and refunds orders from several sides, and kills
// the program after that many answers, while others are on their way.
func payUntilKilled(t *testing.T, p *program, round, limit int, known map[string]*account) int {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	httpClient := &http.Client{Transport: transport}
	client, err := ksher.NewClient(sandbox.AppID, sandbox.PrivateKey(), ksher.WithHTTPClient(httpClient),
		ksher.WithGatewayURL(p.url+"/api"), ksher.WithMerchantURL(p.url+"/KsherPay"), ksher.WithVerifier(sandbox.Verifier()))
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var answered atomic.Int64
	answer := func() {
		if answered.Add(1) == int64(limit) {
			p.cmd.Process.Kill()
			// So that a query isn't repeated for long.
			cancel()
		}
	}
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			for i := 0; ; i++ {
				no := fmt.Sprintf("r%dw%di%d", round, worker, i)
				a := &account{refunds: make(map[string]*ksher.Refund)}
				mu.Lock()
				known[no] = a
				mu.Unlock()
				_, err := client.GatewayPay(ctx, &ksher.GatewayPayRequest{
					MchOrderNo: no, MchCode: no, TotalFee: 100_00, FeeType: "THB", ProductName: "Coffee",
					ChannelList: []ksher.Channel{ksher.ChannelTrueMoney},
					ReferURL:    "https://shop.example", MchRedirectURL: "https://shop.example/ok", MchRedirectURLFail: "https://shop.example/no",
				})
				if err != nil {
					return
				}
				a.created = true
				answer()
				resp, err := httpClient.Post(p.url+"/control/orders/"+no+"/pay", "application/json", strings.NewReader(`{"channel":"truemoney"}`))
				if err != nil {
					return
				}
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil || !assert.Equal(t, http.StatusOK, resp.StatusCode) {
					return
				}
				a.paid = true
				answer()
				for r := range 2 {
					refundNo := fmt.Sprintf("%sr%d", no, r)
					a.refunds[refundNo] = nil
					refund, err := client.Refund(ctx, &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: no, MchRefundNo: refundNo, RefundFee: 30_00})
					if err != nil {
						return
					}
					a.refunds[refundNo] = refund
					answer()
				}
			}
		})
	}
	workers.Wait()
	p.cmd.Process.Kill() // If something else went wrong.
	p.cmd.Wait()
	return int(answered.Load())
}

// check compares what the sandbox has with what its clients know.
func check(t *testing.T, p *program, known map[string]*account) {
	t.Helper()
	resp, err := http.Get(p.url + "/control/orders")
	require.NoError(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	var got struct {
		Orders []struct {
			MchOrderNo     string         `json:"mch_order_no"`
			KsherOrderNo   string         `json:"ksher_order_no"`
			ChannelOrderNo string         `json:"channel_order_no"`
			State          sandbox.State  `json:"state"`
			Refunded       ksher.Amount   `json:"refunded"`
			Refunds        []ksher.Refund `json:"refunds"`
		}
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&got))
	seen := make(map[string]bool)
	once := func(kind, no string) {
		if no != "" {
			require.False(t, seen[kind+no], "%s %s is there twice", kind, no)
			seen[kind+no] = true
		}
	}
	for _, o := range got.Orders {
		a := known[o.MchOrderNo]
		require.NotNil(t, a, "nobody asked for order %s", o.MchOrderNo)
		once("order", o.MchOrderNo)
		once("Ksher's order", o.KsherOrderNo)
		once("channel's order", o.ChannelOrderNo)
		if a.paid {
			require.NotEmpty(t, o.ChannelOrderNo, "order %s was paid and is %s", o.MchOrderNo, o.State)
		}
		there := make(map[string]ksher.Refund)
		for _, r := range o.Refunds {
			_, asked := a.refunds[r.MchRefundNo]
			require.True(t, asked, "nobody asked for refund %s", r.MchRefundNo)
			once("refund", r.MchRefundNo)
			once("Ksher's refund", r.KsherRefundNo)
			there[r.MchRefundNo] = r
		}
		require.Equal(t, 30_00*ksher.Amount(len(o.Refunds)), o.Refunded)
		for no, answer := range a.refunds {
			if answer != nil {
				require.Equal(t, answer.KsherRefundNo, there[no].KsherRefundNo, "refund %s was answered", no)
			}
		}
	}
	for no, a := range known {
		if a.created {
			require.True(t, seen["order"+no], "order %s was answered and is gone", no)
		}
	}
}

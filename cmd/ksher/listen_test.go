package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/listen"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// laptop is a gateway and a shop with our own handler.
func laptop(t *testing.T) (gw *sandbox.Gateway, target string) {
	t.Helper()
	gw = sandbox.New(t)
	shop := httptest.NewServer(sandboxtest.Notifications(t, gw, func(context.Context, *ksher.Order) error { return nil }))
	t.Cleanup(shop.Close)
	return gw, shop.URL + "/notify"
}

func soldByCode(t *testing.T, gw *sandbox.Gateway, no string) {
	t.Helper()
	_, err := gw.Client.NativePay(t.Context(), sandboxtest.NativePay(no, ksher.ChannelTrueMoney))
	require.NoError(t, err)
}

func TestListenForNumbers(t *testing.T) {
	gw, target := laptop(t)
	for _, no := range []string{"A1", "A2", "A3"} {
		soldByCode(t, gw, no)
		require.NoError(t, gw.Pay(no, ksher.ChannelTrueMoney))
	}
	file := filepath.Join(t.TempDir(), "orders.txt")
	require.NoError(t, os.WriteFile(file, []byte("A2\n\n A3 \n"), 0o600))

	out, _, err := command(t, gw, "listen", "--forward-to="+target, "--rate=1000", "--orders="+file, "A1")
	require.NoError(t, err)
	assert.Contains(t, out, "Notifications go to "+target)
	for _, no := range []string{"A1", "A2", "A3"} {
		assert.Regexp(t, `(?m)^\d\d:\d\d:\d\d  `+no+`  is paid: 40.00 THB$`, out)
		assert.Regexp(t, `(?m)  `+no+`  the shop said SUCCESS to notification 1$`, out)
	}
	assert.NotRegexp(t, "[0-9a-f]{64}", out, "no signature")
	assert.NotContains(t, out, "\x1b")

	out, _, err = command(t, gw, "listen", "--forward-to="+target, "--rate=1000", "--json", "A1")
	require.NoError(t, err)
	var kinds []string
	for line := range strings.Lines(out) {
		var e struct {
			Event    string
			OrderNo  string `json:"order_no"`
			TotalFee string `json:"total_fee"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		kinds = append(kinds, e.Event)
		if e.Event == "paid" {
			assert.Equal(t, "A1 40.00", e.OrderNo+" "+e.TotalFee)
		}
	}
	assert.Equal(t, []string{"listening", "followed", "paid", "accepted"}, kinds)
}

// With --verbose the answers are recorded as well.
func TestListenVerbose(t *testing.T) {
	gw, target := laptop(t)
	soldByCode(t, gw, "A1")
	require.NoError(t, gw.Pay("A1", ksher.ChannelTrueMoney))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &seeing{text: "could not be asked about", end: cancel}
	var told bytes.Buffer
	err := run(ctx, []string{"listen", "--sandbox", "--sandbox-url=" + gw.URL(), "--forward-to=" + target, "--verbose", "A1"}, &screen{In: strings.NewReader(""), Out: out, Err: &told})
	require.NoError(t, err)
	assert.Contains(t, out.String(), "the shop said SUCCESS to notification 1")
	assert.Contains(t, told.String(), "mch_order_no=A1")
}

// With the settings of the environment it asks whoever these lead to.
func TestListenByTheEnvironment(t *testing.T) {
	gw, target := laptop(t)
	soldByCode(t, gw, "A1")
	require.NoError(t, gw.Pay("A1", ksher.ChannelTrueMoney))
	der, err := x509.MarshalPKIXPublicKey(sandbox.PublicKey(ksher.SignV1))
	require.NoError(t, err)
	public := filepath.Join(t.TempDir(), "gateway.pem")
	require.NoError(t, os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600))
	for name, value := range map[string]string{
		"KSHER_APPID": sandbox.AppID, "KSHER_PRIVATE_KEY": sandbox.PrivateKeyPEM(), "KSHER_PUBLIC_KEY_FILE": public,
		"KSHER_GATEWAY_URL": gw.GatewayURL(), "KSHER_MERCHANT_URL": gw.MerchantURL(),
	} {
		t.Setenv(name, value)
	}
	var out bytes.Buffer
	err = run(t.Context(), []string{"listen", "--forward-to=" + target, "A1"}, &screen{In: strings.NewReader(""), Out: &out, Err: io.Discard, Colour: true})
	require.NoError(t, err)
	assert.Contains(t, out.String(), "\x1b[32mthe shop said SUCCESS to notification 1\x1b[0m")
}

// seeing ends a listener when it has printed a text.
type seeing struct {
	bytes.Buffer
	text string
	end  context.CancelFunc
}

func (s *seeing) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if strings.Contains(s.String(), s.text) {
		s.end()
	}
	return n, err
}

// Ended in the middle, it says what is left and how to go on.
func TestListenEnded(t *testing.T) {
	gw, target := laptop(t)
	soldByCode(t, gw, "A1")
	refuses := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refuses.Close)
	soldByCode(t, gw, "it's 2")
	require.NoError(t, gw.Pay("it's 2", ksher.ChannelTrueMoney))
	for name, tt := range map[string]struct {
		args      []string
		sees      string
		status    int
		has, then string
	}{
		"not paid": {[]string{"--forward-to=" + target, "A1"}, "is not paid: NOTPAY, 40.00 THB", statusNotPaid, "orders not paid yet: A1",
			"ksher listen --forward-to=" + target + " --sandbox --sandbox-url=" + gw.URL() + " -- A1"},
		"not accepted": {[]string{"--forward-to=" + refuses.URL, "it's 2"}, "the shop refused notification 1, the next comes in 1s", statusRefused,
			"orders paid, and not accepted by the shop yet: it's 2", `-- 'it'\''s 2'`},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			out := &seeing{text: tt.sees, end: cancel}
			err := run(ctx, append([]string{"listen", "--sandbox", "--sandbox-url=" + gw.URL(), "--rate=1000"}, tt.args...), &screen{In: strings.NewReader(""), Out: out, Err: io.Discard})
			require.Error(t, err)
			assert.Equal(t, tt.status, statusOf(err))
			assert.Contains(t, err.Error(), tt.has)
			assert.True(t, strings.HasSuffix(err.Error(), tt.then), err.Error())
		})
	}
}

// The command that goes on takes as many orders as are left.
func TestListenGoesOnWithMany(t *testing.T) {
	var numbers []string
	for i := range 150 {
		numbers = append(numbers, fmt.Sprintf("A-%d", i))
	}
	listener := &listenCommand{ForwardTo: "http://localhost:3000", MaxOrders: 200}
	var parsed commands
	parser, err := newParser(&parsed)
	require.NoError(t, err)
	_, err = parser.Parse(strings.Fields(listener.again(numbers))[1:])
	require.NoError(t, err)
	found, _, err := parsed.Listen.check()
	require.NoError(t, err)
	assert.Equal(t, numbers, found)
}

func TestListenRefusesItsFlags(t *testing.T) {
	gw, target := laptop(t)
	long := filepath.Join(t.TempDir(), "orders.txt")
	require.NoError(t, os.WriteFile(long, []byte("A1\n"+strings.Repeat("\n", maxText)), 0o600))
	for name, tt := range map[string]struct {
		args []string
		err  string
	}{
		"a long file":     {[]string{"--forward-to=" + target, "--orders=" + long}, "--orders: the text is longer than"},
		"no target":       {[]string{"A1"}, "--forward-to"},
		"no address":      {[]string{"--forward-to=localhost", "A1"}, "no address"},
		"a password":      {[]string{"--forward-to=http://me:hunter2@shop.example", "A1"}, "no address"},
		"no order":        {[]string{"--forward-to=" + target}, "no order"},
		"no file":         {[]string{"--forward-to=" + target, "--orders=/dev/null/x"}, "--orders"},
		"too many":        {[]string{"--forward-to=" + target, "--max-orders=1", "A1", "A2"}, "--max-orders=1"},
		"too fast":        {[]string{"--forward-to=" + target, "--rate=0", "A1"}, "--rate"},
		"a circle":        {[]string{"--forward-to=" + target, "--sandbox-url=http://localhost:9", "--proxy=127.0.0.1:9"}, "in circles"},
		"nowhere to be":   {[]string{"--forward-to=" + target, "--proxy=localhost"}, "--proxy=localhost"},
		"no such address": {[]string{"--forward-to=" + target, "--proxy=192.0.2.1:0"}, "--proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"listen", "--sandbox", "--sandbox-url=" + gw.URL()}, tt.args...)
			_, err := runCommand(t, "", args...)
			require.ErrorContains(t, err, tt.err)
			assert.Equal(t, statusUsage, statusOf(err))
			assert.NotContains(t, err.Error(), "hunter2")
		})
	}
}

// A shop that is set up with the addresses of the proxy hears of what it sells.
func TestListenByProxy(t *testing.T) {
	gw, target := laptop(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"listen", "--sandbox", "--sandbox-url=" + gw.URL(), "--forward-to=" + target, "--proxy=127.0.0.1:0", "--json"},
			&screen{In: strings.NewReader(""), Out: w, Err: io.Discard})
		w.Close()
	}()
	lines := bufio.NewReader(out)
	line, err := lines.ReadBytes('\n')
	require.NoError(t, err)
	var h heading
	require.NoError(t, json.Unmarshal(line, &h))
	shop, err := ksher.NewClient(sandbox.AppID, sandbox.PrivateKey(), ksher.WithGatewayURL(h.GatewayURL), ksher.WithMerchantURL(h.MerchantURL), ksher.WithVerifier(sandbox.Verifier()),
		ksher.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}))
	require.NoError(t, err)
	_, err = shop.QuickPay(t.Context(), &ksher.QuickPayRequest{MchOrderNo: "A1", TotalFee: 40_00, FeeType: "THB", AuthCode: ksher.NewSecret("134500000000000009"), Channel: ksher.ChannelWeChat})
	require.NoError(t, err)
	var kinds []listen.Kind
	for len(kinds) < 3 {
		line, err := lines.ReadBytes('\n')
		require.NoError(t, err)
		var e listen.Event
		require.NoError(t, json.Unmarshal(line, &e))
		assert.Equal(t, "A1", e.MchOrderNo)
		kinds = append(kinds, e.Kind)
	}
	assert.Equal(t, []listen.Kind{listen.Followed, listen.Paid, listen.Accepted}, kinds)
	cancel()
	assert.NoError(t, <-ended, "nothing is left")
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/cmd/ksher/internal/conformance"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// A shop with this library's handler passes everything, killed for real in between. Its
// orders are by PromptPay, which can't be refunded.
func TestWebhookOfLibrary(t *testing.T) {
	gatewayURL := "http://" + freeAddress(t)
	args := startShop(t, "careful", gatewayURL)
	out, progress, err := alone(t.Context(), append(args, "--json", "--verbose")...)
	require.NoError(t, err)
	assert.Contains(t, progress, "No sandbox runs at "+gatewayURL)
	assert.Contains(t, progress, `: HTTP 200 {"result":"SUCCESS","msg":"OK"}`)
	assert.Contains(t, progress, "POST of 0 bytes: HTTP 400 ")
	assert.Contains(t, progress, "order_close ")
	var result tested
	require.NoError(t, json.Unmarshal([]byte(out), &result))
	for _, r := range result.Rows {
		if r.Outcome != conformance.Pass {
			assert.Contains(t, "refunded", r.Name)
			assert.Contains(t, r.Seen, "it can't be done to an order of this kind")
		}
	}
	assert.Equal(t, tested{args[1], gatewayURL, 27, 0, 1, result.Rows}, result)
}

// One that says SUCCESS too early is convicted by the kill alone.
func TestWebhookOfForgetful(t *testing.T) {
	gw, err := sandbox.Start()
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	out, progress, err := alone(t.Context(), startShop(t, "forgetful", gw.URL())...)
	assert.EqualError(t, err, "the shop failed 1 of 28 rows")
	assert.Equal(t, statusRefused, statusOf(err))
	assert.Empty(t, progress)
	assert.Contains(t, out, "\nfail        killed              the shop is killed right after it said SUCCESS\n"+
		"            What happened: after it was killed: it said SUCCESS, but hasn't fulfilled order ")
	assert.Contains(t, out, "            What to do: Answer SUCCESS after")
	assert.Contains(t, out, "\n26 passed, 1 failed, 1 not tested.\n")
}

func TestWebhookUsage(t *testing.T) {
	gw, err := sandbox.Start()
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	refusing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refusing.Close)
	for name, tt := range map[string]struct {
		args   []string
		err    string
		status int
	}{
		"no shop":          {[]string{"http://127.0.0.1:1/"}, "the shop doesn't answer", statusRefused},
		"no address":       {[]string{"localhost:3000/notify"}, "no address of a shop", statusUsage},
		"far away":         {[]string{"http://192.0.2.1/"}, "--allow-notify=192.0.2.1 allows it", statusRefused},
		"bad host":         {[]string{refusing.URL, "--allow-notify=http://shop"}, "without scheme", statusUsage},
		"no sandbox":       {[]string{refusing.URL, "--sandbox-url=" + refusing.URL}, "is no sandbox", statusRefused},
		"no sandbox there": {[]string{refusing.URL, "--sandbox-url=http://sandbox.invalid:1"}, "doesn't answer", statusRefused},
		"none to start":    {[]string{refusing.URL, "--sandbox-url=http://localhost"}, "none could be started", statusRefused},
		"order fails":      {[]string{refusing.URL, "--order-cmd=echo broken >&2; exit 7"}, "paid: --order-cmd: exit status 7: broken", statusRefused},
		"order chatters":   {[]string{refusing.URL, "--order-cmd=echo the order"}, `printed "the order"`, statusRefused},
		"unknown order":    {[]string{refusing.URL, "--order-cmd=echo A-1"}, `the sandbox has no order "A-1"`, statusRefused},
		"no commands":      {[]string{refusing.URL}, "", statusDone},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, err := alone(t.Context(), append([]string{"test-webhook", "--sandbox-url=" + gw.URL()}, tt.args...)...)
			assert.Equal(t, tt.status, statusOf(err), "%v", err)
			if tt.err == "" {
				require.NoError(t, err)
				assert.Contains(t, out, "7 passed, 0 failed, 21 not tested.")
				assert.Contains(t, out, "not tested  paid                an order is paid, and Ksher says so\n            needs --order-cmd\n")
				return
			}
			assert.ErrorContains(t, err, tt.err)
		})
	}
}

func TestStateCommand(t *testing.T) {
	for name, tt := range map[string]struct {
		command string
		n       int
		err     string
	}{
		"last argument": {"test $(echo", 0, "--state-cmd"},
		"appended":      {"expr 1 +", 8, ""},
		"named":         {`expr "$1" + 2 | cat`, 9, ""},
		"no number":     {"echo paid", 0, `printed "paid 7"`},
	} {
		t.Run(name, func(t *testing.T) {
			test := &conformance.Test{}
			(&testWebhookCommand{StateCmd: tt.command}).commands(test)
			n, err := test.Fulfilled(t.Context(), "7")
			assert.Equal(t, tt.n, n)
			if tt.err != "" {
				assert.ErrorContains(t, err, tt.err)
				return
			}
			assert.NoError(t, err)
		})
	}
}

// Ctrl-C says how far it came.
func TestWebhookInterrupted(t *testing.T) {
	gw, err := sandbox.Start()
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	ctx, cancel := context.WithCancel(t.Context())
	shop := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
			cancel()
		}
	}))
	t.Cleanup(shop.Close)
	out, _, err := alone(ctx, "test-webhook", shop.URL, "--sandbox-url="+gw.URL())
	// The row that was under way may come to its end.
	require.Error(t, err)
	assert.Regexp(t, "stopped after 2[01] of 28 rows; the same command begins anew", err.Error())
	assert.Regexp(t, "[12] passed, 0 failed, 19 not tested|1 passed, 1 failed, 19 not tested", out)
}

func TestRowInColour(t *testing.T) {
	var out bytes.Buffer
	printRow(&screen{Out: &out, Colour: true}, conformance.Row{Name: "get", Title: "a GET", Outcome: conformance.Fail})
	assert.True(t, strings.HasPrefix(out.String(), "\x1b[31mfail      \x1b[0m  get "), "%q", out.String())
}

// docs/cli.md says of each row what a shop has to do.
func TestRowsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/cli.md")
	require.NoError(t, err)
	assert.Contains(t, string(page), fmt.Sprintf("It tries %d attacks and accidents", len(conformance.Names())))
	for _, name := range conformance.Names() {
		assert.Contains(t, string(page), "`"+name+"`")
	}
}

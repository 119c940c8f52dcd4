package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/cmd/ksher/internal/doctor"
	"github.com/ksher-go/ksher/internal/sandbox"
)

func TestDoctor(t *testing.T) {
	gw, err := sandbox.Start()
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	credulous := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"result":"SUCCESS","msg":"OK"}`)) }))
	t.Cleanup(credulous.Close)

	out, _, err := command(t, gw, "doctor")
	require.NoError(t, err)
	assert.Contains(t, out, "ok    account ")
	assert.NotContains(t, out, "fail")
	assert.NotContains(t, out, "warn", "the short key of the local gateway is as it should be")
	assert.NotContains(t, out, "\x1b", "no colours in a pipe")

	out, _, err = command(t, gw, "doctor", "--json", "--notify-url="+credulous.URL)
	require.EqualError(t, err, "1 of 24 checks failed")
	assert.Equal(t, statusRefused, statusOf(err))
	var said struct {
		Checks []doctor.Check
		Failed int
	}
	require.NoError(t, json.Unmarshal([]byte(out), &said))
	assert.Equal(t, 1, said.Failed)
	require.Len(t, said.Checks, 24)
	assert.Equal(t, "notify-forged", said.Checks[23].Name)
	assert.Equal(t, doctor.Fail, said.Checks[23].Status)

	coloured := &bytes.Buffer{}
	err = run(t.Context(), []string{"doctor", "--sandbox", "--sandbox-url=" + gw.URL(), "--notify-url=" + credulous.URL}, &screen{In: strings.NewReader(""), Out: coloured, Err: coloured, Colour: true})
	require.Error(t, err)
	assert.Contains(t, coloured.String(), "\x1b[31mfail\x1b[0m  notify-forged")
	assert.Contains(t, coloured.String(), "\x1b[32mok  \x1b[0m  app-id")
}

// Without a key it goes on to what can be tried all the same.
func TestDoctorOfAnEnvironment(t *testing.T) {
	gw, err := sandbox.Start()
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	t.Setenv("KSHER_GATEWAY_URL", gw.GatewayURL())
	t.Setenv("KSHER_MERCHANT_URL", gw.MerchantURL())
	for name, tt := range map[string]struct {
		env map[string]string
		has []string
	}{
		"nothing":   {nil, []string{"fail  app-id", "KSHER_PRIVATE_KEY: it is not set", "skip  settings", "ok    gateway-tls", "skip  gateway-query"}},
		"two keys":  {map[string]string{"KSHER_PRIVATE_KEY": "a", "KSHER_PRIVATE_KEY_FILE": "b"}, []string{"fail  key", "KSHER_PRIVATE_KEY_FILE is set as well"}},
		"no file":   {map[string]string{"KSHER_PRIVATE_KEY_FILE": "/dev/null/key.pem"}, []string{"fail  key", "KSHER_PRIVATE_KEY_FILE: open /dev/null/key.pem"}},
		"bad key":   {map[string]string{"KSHER_PRIVATE_KEY": "hunter2"}, []string{"fail  key", "KSHER_PRIVATE_KEY: private key: it is not PEM"}},
		"wrong key": {map[string]string{"KSHER_APPID": sandbox.AppID, "KSHER_PRIVATE_KEY_FILE": "../../testdata/keys/rsa2048.pkcs1.pem"}, []string{"ok    settings", "fail  gateway-query", "KSHER_SIGN_ERROR"}},
		"a version": {map[string]string{"KSHER_APPID": sandbox.AppID, "KSHER_PRIVATE_KEY": sandbox.PrivateKeyPEM(), "KSHER_SIGN_VERSION": "x"}, []string{"warn  key", "fail  settings", "KSHER_SIGN_VERSION", "skip  account"}},
		"not Ksher's key": {map[string]string{"KSHER_APPID": sandbox.AppID, "KSHER_PRIVATE_KEY": sandbox.PrivateKeyPEM(), "KSHER_PUBLIC_KEY_FILE": "../../testdata/keys/rsa2048.pkix.pem"},
			[]string{"fail  gateway-query", "KSHER_PUBLIC_KEY_FILE"}},
	} {
		t.Run(name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			out, err := runCommand(t, "", "doctor")
			require.ErrorContains(t, err, "checks failed")
			for _, part := range tt.has {
				assert.Contains(t, out, part)
			}
			assert.NotContains(t, out, "hunter2")
		})
	}
}

func TestDoctorBrokenOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := &bytes.Buffer{}
	err := run(ctx, []string{"doctor", "--sandbox", "--sandbox-url=http://127.0.0.1:1"}, &screen{In: strings.NewReader(""), Out: out})
	require.ErrorIs(t, err, context.Canceled)
	assert.NotContains(t, out.String(), "fail", "what was broken off proves nothing")
}

// In a FIPS mode of Go's that forbids MD5 the program says so, and still tries the rest.
func TestDoctorInFIPSMode(t *testing.T) {
	gw, err := sandbox.Start()
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	for mode, has := range map[string]string{"only": "fail  md5 ", "on": "ok    account "} {
		cmd := asCommand([]string{"GODEBUG=fips140=" + mode}, "doctor", "--sandbox", "--sandbox-url="+gw.URL())
		out, _ := cmd.Output()
		assert.Contains(t, string(out), has)
		assert.Contains(t, string(out), "ok    gateway-tls ")
		assert.Equal(t, mode == "only", cmd.ProcessState.ExitCode() == statusRefused)
	}
}

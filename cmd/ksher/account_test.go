package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
)

// command runs the program beside a local gateway, with nobody to ask.
func command(t *testing.T, gw *sandbox.Gateway, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, progress bytes.Buffer
	s := &screen{In: strings.NewReader(""), Out: &out, Err: &progress}
	err = run(t.Context(), append(args, "--sandbox", "--sandbox-url="+gw.URL()), s)
	return out.String(), progress.String(), err
}

func TestAccount(t *testing.T) {
	gw, err := sandbox.Start()
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	for name, tt := range map[string]struct {
		args []string
		has  string
	}{
		"merchant": {args: []string{"merchant"}, has: "online"},
		"balance":  {args: []string{"balance"}, has: "THB"},
		"rate":     {args: []string{"rate", "wechat", "--date=20260102"}, has: "20260102"},
	} {
		t.Run(name, func(t *testing.T) {
			out, progress, err := command(t, gw, tt.args...)
			require.NoError(t, err)
			assert.Contains(t, out, tt.has)
			assert.Empty(t, progress)
			out, progress, err = command(t, gw, append(tt.args, "--json", "--verbose")...)
			require.NoError(t, err)
			assert.True(t, json.Valid([]byte(out)), out)
			assert.Contains(t, out, tt.has)
			assert.Contains(t, progress, ": ok after ")
			assert.Contains(t, progress, "appid=mch00000\n", "what is sent")
			assert.NotContains(t, progress, "sign=")
		})
	}
}

// Without a key it says what is missing, and where the way out is.
func TestNoKey(t *testing.T) {
	t.Setenv("KSHER_APPID", "")
	err := run(t.Context(), []string{"balance"}, &screen{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}})
	assert.ErrorContains(t, err, "KSHER_APPID")
	assert.ErrorContains(t, err, "--sandbox")
	assert.Equal(t, statusUsage, statusOf(err))
}

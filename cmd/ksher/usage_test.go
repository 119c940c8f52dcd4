package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asCommand is the program as its user calls it.
func asCommand(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	return cmd
}

func TestExitStatus(t *testing.T) {
	for name, tt := range map[string]struct {
		env, args []string
		status    int
		err       string
	}{
		"help":                 {args: []string{"--help"}},
		"version":              {args: []string{"--version"}},
		"no command":           {status: 2, err: "--help"},
		"unknown flag":         {args: []string{"sandbox", "--zap"}, status: 2, err: "--zap"},
		"bad value":            {args: []string{"sandbox", "--speed=0"}, status: 2, err: "--speed"},
		"bad listen":           {args: []string{"sandbox", "--listen=x"}, status: 2, err: "--listen"},
		"bad host":             {args: []string{"sandbox", "--listen=127.0.0.1:0", "--host=http://sandbox:8765"}, status: 2, err: "without scheme and port"},
		"bad public URL":       {args: []string{"sandbox", "--listen=127.0.0.1:0", "--public-url=x"}, status: 2, err: "public URL"},
		"bad webhook":          {args: []string{"sandbox", "--listen=127.0.0.1:0", "--opn-webhook=x"}, status: 2, err: "--opn-webhook"},
		"bad merchant":         {args: []string{"sandbox", "--listen=127.0.0.1:0", "--merchant=x"}, status: 2, err: "--merchant=x"},
		"bad zone":             {args: []string{"sandbox", "--listen=127.0.0.1:0", "--merchant=appid=mch12345,zone=x"}, status: 2, err: "zone"},
		"bad currency":         {args: []string{"sandbox", "--listen=127.0.0.1:0", "--currency=USD"}, status: 2, err: "USD"},
		"bad notify host":      {args: []string{"sandbox", "--listen=127.0.0.1:0", "--allow-notify=http://x"}, status: 2, err: "host"},
		"reachable by others":  {args: []string{"sandbox", "--listen=:0"}, status: 2, err: "--allow-remote"},
		"listen in the env":    {env: []string{"KSHER_SANDBOX_LISTEN=:0"}, args: []string{"sandbox"}, status: 2, err: "--allow-remote"},
		"speed in the env":     {env: []string{"KSHER_SANDBOX_SPEED=0"}, args: []string{"sandbox"}, status: 2, err: "--speed"},
		"a flag before env":    {env: []string{"KSHER_SANDBOX_LISTEN=x"}, args: []string{"sandbox", "--listen=:0"}, status: 2, err: "--allow-remote"},
		"data can't be opened": {args: []string{"sandbox", "--data=/dev/null/x"}, status: 1, err: "data file"},
		"no sandbox":           {args: []string{"health", "--listen=127.0.0.1:1"}, status: 1, err: "doesn't answer"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := asCommand(tt.env, tt.args...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			cmd.Run()
			assert.Equal(t, tt.status, cmd.ProcessState.ExitCode(), stderr.String())
			assert.Contains(t, stderr.String(), tt.err)
		})
	}
}

// TestJSON starts the sandbox with flags from the environment alone.
func TestJSON(t *testing.T) {
	cmd := asCommand([]string{"KSHER_SANDBOX_LISTEN=127.0.0.1:0", "KSHER_SANDBOX_JSON=true", "KSHER_SANDBOX_HOST=one,two",
		"KSHER_SANDBOX_DATA=" + filepath.Join(t.TempDir(), "data.db")}, "sandbox")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(out)
	line, err := lines.ReadBytes('\n')
	require.NoError(t, err)
	var b banner
	require.NoError(t, json.Unmarshal(line, &b))
	assert.Equal(t, "http://"+b.Listen, b.URL)
	assert.NotContains(t, b.Listen, ":0\"")

	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	resp, err := (&http.Client{Transport: underName{"two"}}).Get("http://" + b.Listen + "/setup/merchant.pem")
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	assert.Empty(t, string(rest))
	assert.NoError(t, cmd.Wait())
}

// TestFlagsAreDocumented compares docs/sandbox.md with the flags that there are.
func TestFlagsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/sandbox.md")
	require.NoError(t, err)
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `--([a-z-]+)[^`]*` \\|.*$").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, row[1])
	}
	parser, err := newParser(&commands{})
	require.NoError(t, err)
	var flags []string
	for _, command := range parser.Model.Children {
		if command.Name != "sandbox" {
			continue
		}
		for _, flag := range command.Flags {
			flags = append(flags, flag.Name)
			assert.Equal(t, []string{environment + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))}, flag.Envs)
		}
	}
	assert.NotEmpty(t, flags)
	assert.ElementsMatch(t, flags, documented)
}

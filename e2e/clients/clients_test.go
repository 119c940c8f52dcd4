// Package clients runs other people's clients, from npm, and programs in other languages
// against the local gateway. The programs sign, ask and verify with the libraries that
// clients in those languages have, in their ways. A test fails where a tool is missing.
package clients

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// said is what each of the programs prints.
const said = `gateway_pay 0 - verified
gateway_pay changed forged
gateway_order_query 0 NOTSURE verified
gateway_order_query changed forged
gateway_order_query 0 SUCCESS verified
gateway_order_query changed forged
order_refund 0 SUCCESS verified
order_refund changed forged
native_pay 0 SUCCESS verified
native_pay changed forged
order_query 0 NOTPAY verified
order_query changed forged
vip create SUCCESS Available verified
vip query SUCCESS Paid verified
vip refund REFUNDED Refunded verified
`

// write writes a file of a key, and returns an environment variable that names it.
func write(t *testing.T, variable, label string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), variable)
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}), 0o600))
	return variable + "=" + path
}

// environment tells a program where the gateway is, and its keys.
func environment(t *testing.T, gw *sandbox.Gateway, prefix string) []string {
	t.Helper()
	block, _ := pem.Decode([]byte(sandbox.PrivateKeyPEM()))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(sandbox.PublicKey(ksher.SignV1))
	require.NoError(t, err)
	return append(os.Environ(), "SANDBOX="+gw.URL(), "PREFIX="+prefix, "APP_ID="+sandbox.AppID, "VIP_TOKEN="+sandbox.VIPToken,
		write(t, "MERCHANT_KEY", block.Type, block.Bytes), write(t, "MERCHANT_KEY_PKCS8", "PRIVATE KEY", pkcs8),
		write(t, "GATEWAY_KEY", "PUBLIC KEY", public))
}

// run returns what a program prints.
func run(t *testing.T, dir string, env []string, command ...string) string {
	t.Helper()
	path, err := exec.LookPath(command[0])
	require.NoError(t, err, ".ci/run installs what this test needs")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, command[1:]...)
	var out, problems strings.Builder
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &out, &problems
	require.NoError(t, cmd.Run(), "%s\n%s", out.String(), problems.String())
	return out.String()
}

func TestLanguages(t *testing.T) {
	for _, c := range []struct {
		language string
		command  []string
		// notes is what the gateway notes of the program's requests, each once.
		notes []string
	}{
		// Debian's library is for Debian's Python, not for another on the path.
		{"Python", []string{"/usr/bin/python3", "client.py"}, []string{"a GET with a query", "a nonce_str that was used before",
			"a request without mch_code", "a time_stamp in another form"}},
		{"PHP", []string{"php", "client.php"}, []string{"a signature of a SHA-1 digest", "a time_stamp in another form",
			"a mch_order_no that isn't the order's", "null for a parameter", "a signature in lower-case hex digits", "a GET with its parameters in a JSON body"}},
		{"Node", []string{"node", "client.js"}, []string{"a time_stamp in another form"}},
		{"Java", []string{"java", "-Dfile.encoding=UTF-8", "-XX:TieredStopAtLevel=1", "Client.java"}, []string{"amount as a text", "refund_amount as a text"}},
	} {
		t.Run(c.language, func(t *testing.T) {
			gw, err := sandbox.Start()
			require.NoError(t, err)
			defer gw.Close()
			assert.Equal(t, said, run(t, ".", environment(t, gw, c.language), c.command...))
			noted := make(map[string]bool)
			for _, r := range gw.Requests() {
				for _, note := range r.Notes {
					what, _, ok := strings.Cut(note, " was accepted")
					assert.True(t, ok, note)
					noted[what] = true
				}
			}
			var got []string
			for what := range noted {
				got = append(got, what)
			}
			assert.ElementsMatch(t, c.notes, got)
			sandbox.AssertRefunded(t, gw, c.language+"-1", 25_00)
			sandbox.AssertRefunded(t, gw, c.language+"-3", 1_00)
		})
	}
}

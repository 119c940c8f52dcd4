package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

// runCommand runs the program with what comes in on standard input.
func runCommand(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, &screen{In: strings.NewReader(stdin), Out: &out})
	return out.String(), err
}

func TestKeyNew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "merchant.pem")
	out, err := runCommand(t, "", "key", "new", file)
	require.NoError(t, err)
	assert.Contains(t, out, "Upload "+file+".pub")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.NotContains(t, out, strings.Split(string(text), "\n")[1])
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	key, err := ksher.ParsePrivateKey(text)
	require.NoError(t, err)
	said, err := exec.Command("openssl", "rsa", "-in", file, "-pubout").Output()
	require.NoError(t, err)
	public, err := os.ReadFile(file + ".pub")
	require.NoError(t, err)
	assert.Equal(t, string(said), string(public), "openssl finds the same public key")
	parsed, err := ksher.ParsePublicKey(public)
	require.NoError(t, err)
	assert.Equal(t, key.Public(), parsed)

	_, err = runCommand(t, "", "key", "new", file)
	require.ErrorContains(t, err, "exists already")
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, text, again)

	// A pair is made whole or not at all.
	other := filepath.Join(t.TempDir(), "other.pem")
	require.NoError(t, os.WriteFile(other+".pub", nil, 0o600))
	_, err = runCommand(t, "", "key", "new", other)
	require.ErrorContains(t, err, other+".pub exists already")
	assert.NoFileExists(t, other)

	var prints []string
	for _, name := range []string{file, file + ".pub"} {
		out, err := runCommand(t, "", "key", "show", name)
		require.NoError(t, err)
		assert.Contains(t, out, "2048 bits")
		assert.NotContains(t, out, "weak")
		prints = append(prints, out[strings.Index(out, "SHA256:"):])
	}
	assert.Equal(t, prints[0], prints[1])
}

func TestKeyShow(t *testing.T) {
	weak := filepath.Join("..", "..", "testdata", "keys", "rsa512.pkcs1.pem")
	out, err := runCommand(t, "", "key", "show", weak)
	require.NoError(t, err)
	assert.Contains(t, out, "a private key of 512 bits")
	assert.Contains(t, out, "It is weak")
	t.Setenv("KSHER_PRIVATE_KEY_FILE", weak)
	out, err = runCommand(t, "", "key", "show", "--json")
	require.NoError(t, err)
	var said map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &said))
	assert.Equal(t, map[string]any{"kind": "private", "bits": 512.0, "weak": true, "fingerprint": said["fingerprint"]}, said)

	no := filepath.Join(t.TempDir(), "no.pem")
	_, err = runCommand(t, "", "key", "show", no)
	assert.Equal(t, statusUsage, statusOf(err), "no such file")
	t.Setenv("KSHER_PRIVATE_KEY_FILE", "")
	_, err = runCommand(t, "", "key", "show")
	assert.Equal(t, statusUsage, statusOf(err), "no name")
	require.NoError(t, os.WriteFile(no, []byte("hunter2"), 0o600))
	_, err = runCommand(t, "", "key", "show", no)
	require.ErrorContains(t, err, no)
	assert.NotContains(t, err.Error(), "hunter2")
	_, want := ksher.ParsePublicKey([]byte("-----BEGIN PUBLIC KEY-----\nhunter2\n-----END PUBLIC KEY-----\n"))
	require.NoError(t, os.WriteFile(no, []byte("-----BEGIN PUBLIC KEY-----\nhunter2\n-----END PUBLIC KEY-----\n"), 0o600))
	_, err = runCommand(t, "", "key", "show", no)
	assert.ErrorContains(t, err, want.Error(), "it says what is wrong with a public key")
}

// Each line of a log and each alert that docs/night.md has can be explained.
func TestExplainKnowsTheNight(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "night.md"))
	require.NoError(t, err)
	found := regexp.MustCompile("(?m)^(?:level=|ksher: ).*|^\\| `(Ksher[A-Za-z]+)`").FindAllString(string(page), -1)
	require.Greater(t, len(found), 20)
	for _, line := range found {
		_, err := runCommand(t, line, "explain")
		assert.NoError(t, err, line)
	}
}

// Each kind of error that the library has can be explained from the error's text.
func TestExplainKnowsErrors(t *testing.T) {
	for _, err := range []error{
		ksher.ErrOutcomeUnknown, ksher.ErrSignature, ksher.ErrBadAnswer, ksher.ErrOtherOrder, ksher.ErrNotPaid, ksher.ErrOrderExpired,
		ksher.ErrNotFound, ksher.ErrNotOurs, ksher.ErrDuplicate, ksher.ErrNeedsPerson, ksher.ErrInProgress,
		fault.ErrSignatureMissing, fault.ErrSignatureMismatch, fault.ErrHTTPStatus, fault.ErrRedirect, fault.ErrEmptyBody, fault.ErrField,
		&ksher.ValidationError{Operation: "order_refund", Fields: []ksher.FieldError{{Field: "total_fee", Problem: "is missing"}}},
		&ksher.Error{Operation: "mch_payout", OrderNo: "P-1", Err: ksher.ErrDuplicate},
		&vip.Error{Operation: "redirect/orders", Code: vip.CodeFail, Message: "Bad"},
	} {
		_, failed := runCommand(t, err.Error(), "explain")
		assert.NoError(t, failed, err.Error())
	}
	_, err := runCommand(t, "a SUCCESS that isn't of vip: FAIL", "explain")
	assert.Error(t, err, "words of any text")
}

// What docs/cli.md shows is what the program prints.
func TestPageShowsWhatIsPrinted(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli.md"))
	require.NoError(t, err)
	out, err := runCommand(t, "", "explain", "KSHER_REFUND_EXPIRE")
	require.NoError(t, err)
	assert.Contains(t, string(page), "$ ksher explain KSHER_REFUND_EXPIRE\n"+out)
}

func TestExplain(t *testing.T) {
	for name, tt := range map[string]struct {
		args  []string
		stdin string
		want  []string
		not   []string
	}{
		"a code":               {[]string{"KSHER_REFUND_EXPIRE"}, "", []string{"KSHER_REFUND_EXPIRE (Ksher)", "What to do:"}, nil},
		"a code in any letter": {[]string{"ksher_refund_expire"}, "", []string{"KSHER_REFUND_EXPIRE (Ksher)"}, nil},
		"Opn's":                {[]string{"insufficient_fund"}, "", []string{"insufficient_fund (Opn Payments)", "ask-buyer"}, nil},
		"a refusal of Opn's":   {[]string{`{"object":"error","code":"invalid_charge"}`}, "", []string{"invalid_charge (Opn Payments)"}, nil},
		"a wrong key of Opn's": {[]string{"authentication_failure"}, "", []string{"authentication_failure (Opn Payments)"}, nil},
		"a PIN":                {[]string{"PAYMENT_IN_PROCESS"}, "", []string{"PAYMENT_IN_PROCESS (Ksher)", "Don't charge again"}, nil},
		"vip's":                {[]string{"PENDING"}, "", []string{"PENDING (vip.ksher.net)"}, nil},
		"a line from a log": {[]string{`level=WARN msg="ksher call" operation=order_refund code=KSHER_REFUND_EXPIRE outcome=refused`}, "",
			[]string{"KSHER_REFUND_EXPIRE (Ksher)"}, []string{"vip.ksher.net"}},
		"standard input": {nil, "first\nORDER_NOT_EXIST, then KSHER_REFUND_EXPIRE\n", []string{"ORDER_NOT_EXIST (Ksher)", "KSHER_REFUND_EXPIRE (Ksher)"}, nil},
		"in doubt":       {nil, "ksher order_refund of order \"A\": " + ksher.ErrOutcomeUnknown.Error() + ": EOF", []string{"never send it under a new number"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := runCommand(t, tt.stdin, append([]string{"explain"}, tt.args...)...)
			require.NoError(t, err)
			for _, want := range tt.want {
				assert.Contains(t, out, want)
			}
			for _, not := range tt.not {
				assert.NotContains(t, out, not)
			}
		})
	}
	_, err := runCommand(t, "nothing here", "explain")
	require.ErrorContains(t, err, "--all")
	_, err = runCommand(t, strings.Repeat("a ", maxText), "explain")
	require.ErrorContains(t, err, "longer than")

	out, err := runCommand(t, "", "explain", "--all", "--json")
	require.NoError(t, err)
	var all []explanation
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	assert.Len(t, all, len(ksher.Codes())+5+len(opn.FailureCodes())+3)
	for _, x := range all {
		assert.NotEmpty(t, x.Meaning, x.Code)
	}
}

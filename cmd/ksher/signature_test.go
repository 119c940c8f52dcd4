package main

import (
	"cmp"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

var weakKey = filepath.Join("..", "..", "testdata", "keys", "rsa512.pkcs1.pem")

func TestSignAndVerify(t *testing.T) {
	const params = "appid=mch12345&mch_order_no=A%201&cash_fee="
	text, err := runCommand(t, params, "sign", "--key", weakKey, "--text")
	require.NoError(t, err)
	assert.Equal(t, "appid=mch12345cash_fee=mch_order_no=A 1\n", text)
	sign, err := runCommand(t, params, "sign", "--key", weakKey)
	require.NoError(t, err)
	fromJSON, err := runCommand(t, `{"appid":"mch12345","mch_order_no":"A 1","cash_fee":""}`, "sign", "--key", weakKey)
	require.NoError(t, err)
	assert.Equal(t, sign, fromJSON)

	signed := params + "&sign=" + strings.TrimSpace(sign)
	out, err := runCommand(t, signed, "verify", "--key", weakKey)
	require.NoError(t, err)
	assert.Contains(t, out, "Right")
	out, err = runCommand(t, `{"appid":"mch12345","mch_order_no":"A 1","cash_fee":"","sign":"`+strings.TrimSpace(sign)+`"}`, "verify", "--key", weakKey)
	require.NoError(t, err, "a request as a JSON object")
	assert.Contains(t, out, "Right")
	withoutEmpty, err := runCommand(t, "appid=mch12345&mch_order_no=A%201", "sign", "--key", weakKey)
	require.NoError(t, err)
	out, err = runCommand(t, params+"&sign="+strings.TrimSpace(withoutEmpty), "verify", "--key", weakKey)
	require.ErrorIs(t, err, errNotSigned)
	assert.Contains(t, out, "empty", "the mistake has a name")

	badKey := filepath.Join(t.TempDir(), "bad.pem")
	require.NoError(t, os.WriteFile(badKey, []byte("no key"), 0o600))
	for name, c := range map[string]struct {
		stdin  string
		args   []string
		err    string
		status int // statusRefused without one
	}{
		"nothing":       {"", []string{"verify"}, "no parameters", 0},
		"no key":        {signed, []string{"verify"}, "--key", statusUsage},
		"no such key":   {signed, []string{"verify", "--key", badKey + ".not"}, "bad.pem.not", statusUsage},
		"not a key":     {signed, []string{"verify", "--key", badKey}, "bad.pem", statusUsage},
		"no such text":  {"", []string{"verify", "--key", weakKey, "none.txt"}, "none.txt", statusUsage},
		"sign, no key":  {params, []string{"sign", "--key", badKey}, "bad.pem", statusUsage},
		"no signature":  {params, []string{"verify", "--key", weakKey}, "neither an answer", 0},
		"bad JSON":      {`{"a":`, []string{"sign", "--key", weakKey}, "JSON object", 0},
		"bad form":      {"a=%zz", []string{"sign", "--key", weakKey}, "form", 0},
		"too long":      {strings.Repeat("a", maxText+1), []string{"decode"}, "longer than", 0},
		"a refusal":     {`{"code":1,"msg":"KSHER_SIGN_ERROR"}`, []string{"verify"}, "ksher explain", 0},
		"data unsigned": {`{"code":0,"data":{"appid":"mch12345"}}`, []string{"verify", "--sandbox"}, "no sign", 0},
		"refusal read":  {`{"code":1,"msg":"KSHER_SIGN_ERROR"}`, []string{"decode"}, "ksher explain", 0},
		"no answer":     {"hello", []string{"decode"}, "isn't an answer", 0},
		"no file":       {"", []string{"decode", "none.json"}, "none.json", statusUsage},
	} {
		_, err := runCommand(t, c.stdin, c.args...)
		assert.ErrorContains(t, err, c.err, name)
		assert.Equal(t, cmp.Or(c.status, statusRefused), statusOf(err), name)
	}
}

func TestVerifyAndDecodeAnswers(t *testing.T) {
	published := testkit.PublishedExample(t, "order_query").Body
	out, err := runCommand(t, published, "verify")
	require.NoError(t, err)
	assert.Contains(t, out, "all of data is signed by Ksher's key of sign version 1")
	out, err = runCommand(t, strings.Replace(published, "SUCCESS", "PAYERROR", 1), "verify")
	require.ErrorIs(t, err, errNotSigned)
	assert.Contains(t, out, "none of these keys")

	answer := string(sandbox.SignedResponse(&ksher.OrderQueryResponse{Order: ksher.Order{MchOrderNo: "A-1", TotalFee: 150_50}}))
	_, err = runCommand(t, answer, "verify")
	require.ErrorIs(t, err, errNotSigned, "Ksher's keys didn't sign it")
	for _, text := range []string{answer, url.QueryEscape(answer), "\n" + answer} {
		out, err = runCommand(t, text, "verify", "--sandbox")
		require.NoError(t, err)
		assert.Contains(t, out, "the local gateway's key of sign version 1")
		out, err = runCommand(t, text, "decode")
		require.NoError(t, err)
		assert.Regexp(t, `(?m)^mch_order_no +"A-1"$`, out)
	}
	part := string(sandbox.SignedResponse(&ksher.MerchantInfoResponse{MchID: "12345"}))
	file := filepath.Join(t.TempDir(), "answer.json")
	require.NoError(t, os.WriteFile(file, []byte(part), 0o600))
	out, err = runCommand(t, "", "verify", "--sandbox", file)
	require.NoError(t, err)
	assert.Contains(t, out, "the part of merchant_info that Ksher signs")
	out, err = runCommand(t, "", "verify", "--sandbox", "--text", file)
	require.NoError(t, err)
	assert.Regexp(t, `^account_type=business_mode=mch_id=12345mobile=nonce_str=\n`, out, "the text that was signed")
	out, err = runCommand(t, "", "decode", "--json", file)
	require.NoError(t, err)
	assert.Contains(t, out, `"mch_id": "12345"`)
}

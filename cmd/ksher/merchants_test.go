package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

func TestMerchantFlag(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	file := filepath.Join(t.TempDir(), "pub.pem")
	require.NoError(t, os.WriteFile(file, text, 0o600))

	appID, terms, err := readMerchant("appid=mch12345,key=" + file + ",account=online,channels=promptpay:truemoney,zone=+08:00,currency=MYR:THB,truemoney=otp")
	require.NoError(t, err)
	assert.Equal(t, "mch12345", appID)
	assert.Equal(t, sandbox.Terms{
		Account: sandbox.OnlineAccount, Channels: []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelTrueMoney},
		Currencies: []string{"MYR", "THB"}, Zone: "+08:00", PublicKey: string(text), TrueMoney: "otp",
	}, terms)
	_, terms, err = readMerchant("appid=mch12345,account=any,truemoney=any")
	require.NoError(t, err)
	assert.Equal(t, sandbox.Terms{}, terms)
}

func TestMerchantFlagRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		flags []string
		err   string
	}{
		"nothing":        {[]string{"--merchant=mch12345"}, "name=value"},
		"empty":          {[]string{"--merchant=appid="}, "name=value"},
		"twice in one":   {[]string{"--merchant=appid=mch1,appid=mch2"}, "comes twice"},
		"no app ID":      {[]string{"--merchant=zone=+08:00"}, "no appid"},
		"unknown":        {[]string{"--merchant=appid=mch1,zap=1"}, `no "zap"`},
		"no such file":   {[]string{"--merchant=appid=mch1,key=/dev/null/x"}, "/dev/null/x"},
		"not a key":      {[]string{"--merchant=appid=mch1,key=/dev/null"}, "public key"},
		"twice":          {[]string{"--merchant=appid=mch1", "--merchant=appid=mch1"}, "there already"},
		"usual merchant": {[]string{"--merchant=appid=mch00000"}, "--account and --currency"},
		"zone":           {[]string{"--merchant=appid=mch1,zone=Bangkok"}, "+07:00"},
		"account":        {[]string{"--merchant=appid=mch1,account=x"}, "offline and online"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), append([]string{"sandbox", "--listen=127.0.0.1:0"}, tt.flags...), &screen{In: strings.NewReader(""), Out: new(bytes.Buffer)})
			require.ErrorContains(t, err, tt.err)
		})
	}
}

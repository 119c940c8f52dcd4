package ksher_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/kshertest"
)

func TestClientFromEnv(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testkit.RSAKey(t, 1024))}))
	public := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&testkit.RSAKey(t, 1024).PublicKey)}))
	good := map[string]string{"KSHER_APPID": testkit.AppID, "KSHER_PRIVATE_KEY": private, "KSHER_PUBLIC_KEY_FILE": file("public.pem", public)}
	names := []string{"KSHER_APPID", "KSHER_PRIVATE_KEY", "KSHER_PRIVATE_KEY_FILE", "KSHER_GATEWAY_URL", "KSHER_MERCHANT_URL",
		"KSHER_SIGN_VERSION", "KSHER_PUBLIC_KEY_FILE", "KSHER_PLAIN_HTTP"}
	for _, tt := range []struct {
		name   string
		change map[string]string
		// want is in the error, "" for none.
		want string
	}{
		{"good", nil, ""},
		{"a file", map[string]string{"KSHER_PRIVATE_KEY": "", "KSHER_PRIVATE_KEY_FILE": file("private.pem", private)}, ""},
		{"V2", map[string]string{"KSHER_SIGN_VERSION": "V2"}, ""},
		{"2", map[string]string{"KSHER_SIGN_VERSION": "2"}, ""},
		{"a container", map[string]string{"KSHER_PLAIN_HTTP": "sandbox,other", "KSHER_GATEWAY_URL": "http://sandbox:8080/api", "KSHER_MERCHANT_URL": "http://sandbox:8080/KsherPay"}, ""},
		{"http elsewhere", map[string]string{"KSHER_PLAIN_HTTP": "other", "KSHER_GATEWAY_URL": "http://sandbox:8080/api"}, "WithGatewayURL"},
		{"no app ID", map[string]string{"KSHER_APPID": ""}, "KSHER_APPID: is not set"},
		{"no key", map[string]string{"KSHER_PRIVATE_KEY": ""}, "KSHER_PRIVATE_KEY: is not set"},
		{"two keys", map[string]string{"KSHER_PRIVATE_KEY_FILE": "x"}, "which of the two"},
		{"no file", map[string]string{"KSHER_PRIVATE_KEY": "", "KSHER_PRIVATE_KEY_FILE": dir + "/none"}, "KSHER_PRIVATE_KEY_FILE"},
		{"no PEM", map[string]string{"KSHER_PRIVATE_KEY": "MIIBVAIBADANBgkqh"}, "KSHER_PRIVATE_KEY: "},
		{"V3", map[string]string{"KSHER_SIGN_VERSION": "3"}, "WithSignVersion"},
		{"another version", map[string]string{"KSHER_SIGN_VERSION": "new"}, "KSHER_SIGN_VERSION"},
		{"no public key", map[string]string{"KSHER_PUBLIC_KEY_FILE": file("empty.pem", "")}, "KSHER_PUBLIC_KEY_FILE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range names {
				value, changed := tt.change[name]
				if !changed {
					value = good[name]
				}
				t.Setenv(name, value)
			}
			answers := ksher.WithHTTPClient(&http.Client{Transport: testkit.HandlerTransport{Handler: testkit.Answering(200, testkit.SignedAnswer(t, testkit.GoodData))}})
			client, err := ksher.ClientFromEnv(answers)
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				assert.Contains(t, err.Error(), "ksher: ClientFromEnv: ")
				assert.NotContains(t, err.Error(), "MIIBVAIBADANBgkqh")
				return
			}
			require.NoError(t, err)
			_, err = client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
			require.NoError(t, err)
		})
	}
}

func TestHostsTheWrongWayRound(t *testing.T) {
	for _, opt := range []ksher.Option{
		ksher.WithGatewayURL(ksher.DefaultMerchantURL), ksher.WithGatewayURL("http://127.0.0.1:8080/KsherPay/"), ksher.WithGatewayURL("https://api.mch.ksher.net/x"),
		ksher.WithMerchantURL(ksher.DefaultGatewayURL), ksher.WithMerchantURL(ksher.ChinaGatewayURL), ksher.WithMerchantURL("http://127.0.0.1:8080/api"),
	} {
		_, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 1024), opt)
		require.ErrorContains(t, err, "the address is the")
	}
}

// Make the client from the environment, here that of a local gateway in a container.
func ExampleClientFromEnv() {
	for name, value := range map[string]string{
		"KSHER_APPID":        kshertest.AppID,
		"KSHER_PRIVATE_KEY":  string(kshertest.PrivateKeyPEM()),
		"KSHER_GATEWAY_URL":  "http://sandbox:8765/api",
		"KSHER_MERCHANT_URL": "http://sandbox:8765/KsherPay",
		"KSHER_PLAIN_HTTP":   "sandbox",
	} {
		os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	client, err := ksher.ClientFromEnv()
	fmt.Println(client, err)
	// Output: ksher.Client(mch00000) <nil>
}

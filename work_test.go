package ksher_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/heavy"
	"github.com/ksher-go/ksher/internal/testkit"
)

// BenchmarkWork reads notifications whose signature is wrong, as they are and
// percent-encoded.
func BenchmarkWork(b *testing.B) {
	verifier := testkit.NewVerifier(ksher.GatewayPublicKey(ksher.SignV1))
	plain, encoded := make(map[string][]byte), make(map[string][]byte)
	for name, members := range heavy.Members(20 << 10) {
		body := `{"code":0,"data":{` + members + `},"sign":"` + strings.Repeat("0", 128) + `"}`
		plain[name] = []byte(body[:min(len(body), 64<<10)])
		text := url.QueryEscape(body)
		encoded[name] = []byte(text[:min(len(text), 64<<10)])
	}
	read := func(body []byte) { ksher.ParseNotification(body, verifier) }
	b.Run("plain", func(b *testing.B) { heavy.Compare(b, plain, read) })
	b.Run("encoded", func(b *testing.B) { heavy.Compare(b, encoded, read) })
}

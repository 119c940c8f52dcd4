package vip_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ksher-go/ksher/internal/heavy"
	"github.com/ksher-go/ksher/vip"
)

// BenchmarkWork reads answers as a client does, whose signature is wrong, and
// refusals in JSON.
func BenchmarkWork(b *testing.B) {
	read := func(status int) func([]byte) {
		return func(body []byte) {
			client := answering(b, status, string(body))
			client.Settlement(b.Context(), &vip.SettlementRequest{Date: "20210720", MID: "m", Channel: "wechat"})
		}
	}
	bodies := make(map[string][]byte)
	for name, members := range heavy.Members(64 << 10) {
		bodies[name] = []byte(`{"error_code":"SUCCESS",` + members + `,"signature":"` + strings.Repeat("0", 64) + `"}`)
	}
	b.Run("answer", func(b *testing.B) { heavy.Compare(b, bodies, read(http.StatusOK)) })
	b.Run("refusal", func(b *testing.B) { heavy.Compare(b, bodies, read(http.StatusBadRequest)) })

	descriptions := make(map[string][]byte)
	for name, one := range map[string]string{
		heavy.Ordinary:  "<p>BadRequest {'redirect_url': ['Not a valid URL.'], 'amount': ['Not an integer.']}</p>",
		"tags":          "<a<a<",
		"entities":      "&#39;",
		"no entities":   "&&#&#x&am",
		"escapes":       `\x41`,
		"braces":        "{",
		"brackets":      "[",
		"empty dicts":   "'':{},",
		"empty lists":   "[],",
		"empty strings": "'',",
		"blanks":        " ",
	} {
		for wrap, format := range map[string][2]string{"": {"", ""}, " in a dict": {"{'" + strings.Repeat("k", 8<<10) + "':{", "}}"}} {
			if name == heavy.Ordinary {
				wrap, format = "", [2]string{}
			}
			descriptions[name+wrap] = []byte("<p>" + format[0] + strings.Repeat(one, (16<<10-len(format[0]))/len(one)) + format[1])
		}
	}
	b.Run("description", func(b *testing.B) { heavy.Compare(b, descriptions, read(http.StatusBadRequest)) })
}

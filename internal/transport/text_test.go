package transport_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/ksher-go/ksher/internal/transport"
)

func TestQuote(t *testing.T) {
	tests := []struct{ name, said, want string }{
		{"nothing", "", ""},
		{"a sentence", "Bad Gateway", "Bad Gateway"},
		{"lines", "502\r\n<html>\x1b[31m", "502  <html> [31m"},
		{"an answer", `{"name":"Somchai"}`, ""},
		{"an answer after a mark", "\ufeff \n" + `{"name":"Somchai"}`, ""},
		{"a list of answers", ` [ {"name":"Somchai"}]`, ""},
		{"a signature", "sign=" + strings.Repeat("0a", 64) + "&x=1", "sign=[signature]&x=1"},
		{"half a signature", strings.Repeat("f", 33), "[signature]"},
		{"an order number", strings.Repeat("f", 32), strings.Repeat("f", 32)},
		{"bytes", "\xff\xfe", "\ufffd\ufffd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, transport.Quote([]byte(tt.said)))
		})
	}
}

func TestClip(t *testing.T) {
	assert.Equal(t, strings.Repeat("บ", 200)+"…", transport.Clip(strings.Repeat("บ", 1000)))
	assert.Equal(t, strings.Repeat("x", 200), transport.Clip(strings.Repeat("x", 200)))
	assert.Equal(t, "a b", transport.Clip("a\u2028b"))
}

func FuzzQuote(f *testing.F) {
	f.Add([]byte("502 Bad Gateway"))
	f.Add([]byte(strings.Repeat("0f", 64)))
	f.Fuzz(func(t *testing.T, said []byte) {
		quoted := transport.Quote(said)
		assert.True(t, utf8.ValidString(quoted))
		assert.LessOrEqual(t, utf8.RuneCountInString(quoted), 201)
		assert.NotContains(t, quoted, "\n")
	})
}

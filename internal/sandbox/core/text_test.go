package core

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWebAddress(t *testing.T) {
	for text, want := range map[string]string{
		"https://shop.example/a?b=1&c=2": "https://shop.example/a?b=1&c=2",
		"http://127.0.0.1:8080/":         "http://127.0.0.1:8080/",
		"javascript:alert(1)":            "", "data:text/html,x": "", "//shop.example/": "", "/thanks": "", "https:": "", "": "", "http://[": "",
		"https://shop.example/'; url=x": "https://shop.example/%27;%20url=x",
	} {
		got := WebAddress(text)
		if want != "" {
			assert.True(t, strings.HasPrefix(got, "http"), text)
			assert.NotContains(t, got, " ")
			continue
		}
		assert.Empty(t, got, text)
	}
}

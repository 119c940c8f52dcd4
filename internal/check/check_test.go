package check

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWeb(t *testing.T) {
	for address, want := range map[string]bool{
		"https://shop.example/thanks?a=b#c": true, "http://127.0.0.1:8080": true, "HTTPS://shop.example": true,
		"": false, "shop.example": false, "//shop.example": false, "https://": false, "https://:80": false, "ftp://shop.example": false,
		"javascript:alert(1)": false, "JavaScript://shop.example/%0aalert(1)": false, " https://shop.example": false,
		"data:text/html,x": false, "https://shop.example/\n": false, "myshop://orders/1": false,
	} {
		assert.Equal(t, want, Web(address), address)
	}
}

func TestPadded(t *testing.T) {
	for text, want := range map[string]bool{"": false, "A 1": false, " A1": true, "A1\t": true, "A1\r\n": true, "\u00a0A1": true, " ": true} {
		assert.Equal(t, want, Padded(text), "%q", text)
	}
}

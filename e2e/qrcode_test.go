package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/qrcode"
)

// What package qrcode draws says the text to a reader by others.
func TestQRCode(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"1", "0123456789", "HELLO WORLD", "hello", "weixin://wxpay/bizpayurl?pr=Ab1", `https://shop.example/?a=1&b=<">`, "ก ข ☕ 支付", "line\r\nbreak",
		strings.Repeat("0123456789", 500), strings.Repeat("long ", 100), strings.Repeat("Ab", 1165) + "c",
	} {
		t.Run(fmt.Sprintf("%.20q", text), func(t *testing.T) {
			picture, err := qrcode.PNG(text)
			require.NoError(t, err)
			assert.Equal(t, text, scan(t, picture))
		})
	}
	document, err := qrcode.SVG("ก ข ☕ 支付")
	require.NoError(t, err)
	assert.Equal(t, "ก ข ☕ 支付", scan(t, render(t, document, "image/svg+xml")))
}

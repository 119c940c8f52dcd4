package promptpay

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/qrcode"
)

// 0x29B1 is the check value that catalogues of CRCs give for this one.
func TestCRC16(t *testing.T) {
	assert.Equal(t, uint16(0x29B1), crc16("123456789"))
}

func TestQRImage(t *testing.T) {
	for format, want := range map[string]struct {
		mediaType string
		draw      func(string) ([]byte, error)
	}{
		"":    {"image/png", qrcode.PNG},
		"png": {"image/png", qrcode.PNG},
		"svg": {"image/svg+xml", qrcode.SVG},
	} {
		uri, err := Image("weixin://wxpay/bizpayurl?pr=1", format)
		require.NoError(t, err)
		mediaType, data, ok := strings.Cut(strings.TrimPrefix(uri, "data:"), ";base64,")
		require.True(t, ok, uri)
		assert.Equal(t, want.mediaType, mediaType)
		image, err := want.draw("weixin://wxpay/bizpayurl?pr=1")
		require.NoError(t, err)
		got, err := base64.StdEncoding.DecodeString(data)
		require.NoError(t, err)
		assert.Equal(t, image, got)
	}
	_, err := Image("", "png")
	assert.Error(t, err)
}

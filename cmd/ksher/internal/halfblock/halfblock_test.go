package halfblock

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"rsc.io/qr"
)

// TestDraw reads the modules back from the drawing.
func TestDraw(t *testing.T) {
	text := "weixin://wxpay/bizpayurl?pr=Ab1"
	code, err := qr.Encode(text, qr.M)
	require.NoError(t, err)
	for _, colours := range []bool{false, true} {
		drawing, err := Draw(text, colours)
		require.NoError(t, err)
		rows := strings.Split(strings.TrimSuffix(drawing, "\n"), "\n")
		require.Len(t, rows, (code.Size+2*quiet+1)/2)
		for i, row := range rows {
			if colours {
				require.True(t, strings.HasPrefix(row, whiteOnBlack) && strings.HasSuffix(row, reset))
				row = strings.TrimSuffix(strings.TrimPrefix(row, whiteOnBlack), reset)
			}
			modules := []rune(row)
			require.Len(t, modules, code.Size+2*quiet)
			for x, r := range modules {
				y := 2*i - quiet
				top, bottom := r == '█' || r == '▀', r == '█' || r == '▄'
				assert.Equal(t, !code.Black(x-quiet, y), top, "%d, %d", x, y)
				assert.Equal(t, !code.Black(x-quiet, y+1), bottom, "%d, %d", x, y+1)
			}
		}
	}
	_, err = Draw(strings.Repeat("a", 5000), false)
	assert.ErrorContains(t, err, "5000 bytes")
}

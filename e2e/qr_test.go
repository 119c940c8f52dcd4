package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/draw"
	_ "image/png" // For the QR codes.
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

// scan reads the QR code in a picture, as a phone would.
func scan(t *testing.T, picture []byte) string {
	t.Helper()
	img, _, err := image.Decode(bytes.NewReader(picture))
	require.NoError(t, err)
	// The search for a code in a photograph misjudges the size of some that fill
	// the picture, so that is tried as what it is first, and then with more white around, and larger.
	var result *gozxing.Result
	for _, picture := range []image.Image{img, framed(img, 1), framed(img, 3)} {
		bitmap, bitmapErr := gozxing.NewBinaryBitmapFromImage(picture)
		require.NoError(t, bitmapErr)
		for _, hint := range []gozxing.DecodeHintType{gozxing.DecodeHintType_PURE_BARCODE, gozxing.DecodeHintType_TRY_HARDER} {
			if result, err = qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{hint: true}); err == nil {
				return result.GetText()
			}
		}
	}
	require.NoError(t, err, "there is no QR code that can be read")
	return ""
}

// framed puts white around a picture, and makes it that many times larger.
func framed(img image.Image, times int) image.Image {
	from := img.Bounds()
	frame := from.Dx() / 4
	wide := image.NewRGBA(image.Rect(0, 0, times*(from.Dx()+2*frame), times*(from.Dy()+2*frame)))
	draw.Draw(wide, wide.Bounds(), image.White, image.Point{}, draw.Src)
	for y := range times * from.Dy() {
		for x := range times * from.Dx() {
			wide.Set(times*frame+x, times*frame+y, img.At(from.Min.X+x/times, from.Min.Y+y/times))
		}
	}
	return wide
}

// fields reads the fields of an EMVCo code: two digits of an ID, two of a
// length, the value.
func fields(t *testing.T, text string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for text != "" {
		require.GreaterOrEqual(t, len(text), 4, "the rest is %q", text)
		id := text[:2]
		size, err := strconv.Atoi(text[2:4])
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(text), 4+size, "field %s", id)
		require.NotContains(t, all, id)
		all[id], text = text[4:4+size], text[4+size:]
	}
	return all
}

// checksum is CRC-16/CCITT-FALSE by its definition, bit by bit, so that it
// shares nothing with the gateway's.
func checksum(text string) string {
	register := 0xffff
	for i := range len(text) * 8 {
		bit := int(text[i/8]>>(7-i%8)) & 1
		top := register >> 15 & 1
		register = register << 1 & 0xffff
		if top != bit {
			register ^= 0x1021
		}
	}
	return fmt.Sprintf("%04X", register)
}

// checkPromptPay checks what a PromptPay code says against what is to be paid.
func checkPromptPay(t *testing.T, text string, sum ksher.Amount) {
	t.Helper()
	require.Equal(t, "29B1", checksum("123456789"), "the check value in the catalogue of CRCs")
	require.Greater(t, len(text), 8)
	assert.Equal(t, checksum(text[:len(text)-4]), text[len(text)-4:], "the CRC of %q", text)
	f := fields(t, text)
	assert.Equal(t, "01", f["00"], "the version of the format")
	assert.Equal(t, "12", f["01"], "for one payment only")
	assert.Equal(t, "764", f["53"], "THB")
	assert.Equal(t, sum.String(), f["54"], "the amount")
	assert.Equal(t, "TH", f["58"])
	assert.True(t, strings.HasSuffix(text, "6304"+f["63"]), "the CRC comes last")
	account := fields(t, f["30"])
	assert.Equal(t, "A000000677010112", account["00"], "a PromptPay bill payment")
	assert.NotEmpty(t, account["01"])
	assert.NotEmpty(t, account["02"])
}

func TestNativePayImage(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const sum ksher.Amount = 1234_56
	for _, channel := range []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelWeChat, ksher.ChannelTrueMoney, ksher.ChannelSCBQRCard} {
		for _, format := range []string{"png", "svg"} {
			t.Run(fmt.Sprintf("%s %s", channel, format), func(t *testing.T) {
				resp, err := s.gateway.Client.NativePay(t.Context(), &ksher.NativePayRequest{
					MchOrderNo: fmt.Sprintf("%s-%s", channel, format), TotalFee: sum, FeeType: "THB", Channel: channel, ImgType: format,
				})
				require.NoError(t, err)
				picture, mediaType, err := resp.Image()
				require.NoError(t, err)
				if format == "svg" {
					assert.Equal(t, "image/svg+xml", mediaType)
					picture = render(t, picture, mediaType)
				} else {
					assert.Equal(t, "image/png", mediaType)
				}
				assert.Equal(t, resp.CodeURL, scan(t, picture))
				if channel == ksher.ChannelPromptPay {
					checkPromptPay(t, resp.CodeURL, sum)
				}
			})
		}
	}
}

// render lets the browser draw a picture, as a merchant's page would, and takes
// a picture of that.
func render(t *testing.T, picture []byte, mediaType string) []byte {
	t.Helper()
	b := newBuyer(t, pc, "")
	page := fmt.Sprintf(`<!doctype html><html lang="en"><title>QR</title><img id="qr" width="320" height="320" alt="QR code" src="data:%s;base64,%s">`,
		mediaType, base64.StdEncoding.EncodeToString(picture))
	b.open("data:text/html;base64," + base64.StdEncoding.EncodeToString([]byte(page)))
	return b.picture("#qr")
}

// picture is what an element looks like.
func (b *buyer) picture(selector string) []byte {
	b.t.Helper()
	b.until(fmt.Sprintf("document.querySelector(%q) && (document.querySelector(%[1]q).complete ?? true)", selector))
	shot, err := chromedp.Run(b.ctx, chromedp.Screenshot(chromedp.CSS(selector)))
	require.NoError(b.t, err)
	return shot
}

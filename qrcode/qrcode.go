// Package qrcode draws QR codes, such as for the code_url of a
// [github.com/ksher-go/ksher.NativePayResponse] where its imgdat isn't wanted: in
// a size of your own, on a receipt, or on a screen that draws SVG.
//
// WeChat, Alipay and Alipay+ codes have to be scanned from the screen, not from
// a picture that the buyer saved.
package qrcode

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"rsc.io/qr"
)

// quiet is how many blank modules have to surround a QR code. The PNG has as many.
const quiet = 4

// encode also corrects errors of level M, which restores about 15 percent of the
// code.
func encode(text string) (*qr.Code, error) {
	if text == "" {
		return nil, errors.New("qrcode: there is no text to draw")
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("qrcode: the text is not UTF-8")
	}
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("qrcode: the text of %d bytes can't be drawn; 2331 always fit: %w", len(text), err)
	}
	return code, nil
}

// PNG draws the text in black and white as a PNG picture, each module 8 pixels
// wide and with the blank margin that readers need. A PromptPay code has about 400
// pixels a side. To enlarge it use [SVG], or whole multiples.
//
// The text is UTF-8, at most 2331 bytes, or up to 5596 if it has only digits.
// The error says that it is empty, longer, or not UTF-8.
func PNG(text string) ([]byte, error) {
	code, err := encode(text)
	if err != nil {
		return nil, err
	}
	return code.PNG(), nil
}

// SVG draws the text like [PNG] as an SVG document in UTF-8, which has no size of
// its own and stays sharp in any.
func SVG(text string) ([]byte, error) {
	code, err := encode(text)
	if err != nil {
		return nil, err
	}
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	size := code.Size + 2*quiet
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path d="%s"/></svg>`,
		size, size, size, size, path.String()), nil
}

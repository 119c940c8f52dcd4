package kshertest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"rsc.io/qr"

	"github.com/ksher-go/ksher"
)

// stall is Ksher's name of the shop. Genuine PromptPay codes carry it, too.
const stall = "90000000"

// biller is the account that the PromptPay codes pay to. It isn't anybody's, so
// that nobody can pay a test order with real money.
const biller = "000000000000000"

// promptPayCode is the text of a PromptPay bill payment in the form of EMVCo's
// merchant-presented QR codes, as in a genuine answer.
func promptPayCode(total ksher.Amount, reference string) string {
	field := func(id, value string) string { return fmt.Sprintf("%s%02d%s", id, len(value), value) }
	text := field("00", "01") +
		field("01", "12") + // For one payment only.
		field("30", field("00", "A000000677010112")+field("01", biller)+field("02", reference)+field("03", stall)) +
		field("53", "764") + // The number of THB in ISO 4217.
		field("54", total.String()) +
		field("58", "TH") +
		"6304"
	return text + fmt.Sprintf("%04X", crc16(text))
}

// crc16 is CRC-16/CCITT-FALSE, which EMVCo prescribes.
func crc16(text string) uint16 {
	crc := uint16(0xffff)
	for _, b := range []byte(text) {
		crc ^= uint16(b) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
	}
	return crc
}

// qrImage draws a QR code as a data URI, PNG unless told otherwise.
func qrImage(text string, format ksher.ImgType) (string, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", err
	}
	if format != ksher.ImgSVG {
		return "data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG()), nil
	}
	const quiet = 4 // The blank modules that have to surround a QR code.
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	size := code.Size + 2*quiet
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d"><path fill="#fff" d="M0 0h%dv%dH0z"/><path d="%s"/></svg>`,
		size, size, size, size, path.String())
	return "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(svg)), nil
}

// newUUID returns the name of an order in the address of its checkout page. It
// can't be guessed.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

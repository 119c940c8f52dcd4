// Package promptpay makes the QR codes of the local gateway.
package promptpay

import (
	"encoding/base64"
	"fmt"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/qrcode"
)

// Stall is Ksher's name of the shop. Genuine PromptPay codes carry it, too.
const Stall = "90000000"

// biller is the account that the PromptPay codes pay to. It isn't anybody's, so
// that nobody can pay a test order with real money.
const biller = "000000000000000"

// currencyNumbers are those of ISO 4217. PromptPay itself has only the first.
var currencyNumbers = map[string]string{"THB": "764", "MYR": "458", "JPY": "392", "AED": "784"}

// Code is the text of a PromptPay bill payment in the form of EMVCo's
// merchant-presented QR codes, as in a genuine answer.
func Code(total ksher.Amount, currency, reference string) string {
	field := func(id, value string) string { return fmt.Sprintf("%s%02d%s", id, len(value), value) }
	text := field("00", "01") +
		field("01", "12") + // For one payment only.
		field("30", field("00", "A000000677010112")+field("01", biller)+field("02", reference)+field("03", Stall)) +
		field("53", currencyNumbers[currency]) +
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

// Image draws a QR code as a data URI, PNG unless told otherwise.
func Image(text, format string) (string, error) {
	draw, mediaType := qrcode.PNG, "image/png"
	if format == "svg" {
		draw, mediaType = qrcode.SVG, "image/svg+xml"
	}
	image, err := draw(text)
	if err != nil {
		return "", err
	}
	return "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(image), nil
}

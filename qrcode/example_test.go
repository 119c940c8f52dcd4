package qrcode_test

import (
	"bytes"
	"fmt"
	"image/png"
	"log"

	"github.com/ksher-go/ksher/qrcode"
)

// Draw what the code of an order says, the CodeURL in the answer to NativePay.
func ExamplePNG() {
	picture, err := qrcode.PNG("weixin://wxpay/bizpayurl?pr=Ab1")
	if err != nil {
		log.Fatal(err)
	}
	size, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(size.Width, "by", size.Height, "pixels")
	// Output: 296 by 296 pixels
}

// SVG stays sharp in any size, such as on a receipt.
func ExampleSVG() {
	picture, err := qrcode.SVG("weixin://wxpay/bizpayurl?pr=Ab1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", picture[:4])
	// Output: <svg
}

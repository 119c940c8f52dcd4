// Package halfblock draws QR codes with characters, two modules in each.
package halfblock

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is how many blank modules surround a QR code.
const quiet = 4

// Colours of a terminal: white on black, so that the code is right on a light screen as well.
const (
	whiteOnBlack = "\x1b[38;5;231;48;5;16m"
	reset        = "\x1b[0m"
)

// characters are what is drawn for two modules below one another, by whether each is light.
var characters = map[[2]bool]string{
	{true, true}: "█", {true, false}: "▀", {false, true}: "▄", {false, false}: " ",
}

// Draw draws the text as a QR code. Its light modules are what is drawn: without colours it
// is right on a dark screen only.
func Draw(text string, colours bool) (string, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("the code of %d bytes can't be drawn: %w", len(text), err)
	}
	light := func(x, y int) bool { return !code.Black(x, y) } // Also beyond the edge.
	var drawing strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		if colours {
			drawing.WriteString(whiteOnBlack)
		}
		for x := -quiet; x < code.Size+quiet; x++ {
			drawing.WriteString(characters[[2]bool{light(x, y), light(x, y+1)}])
		}
		if colours {
			drawing.WriteString(reset)
		}
		drawing.WriteString("\n")
	}
	return drawing.String(), nil
}

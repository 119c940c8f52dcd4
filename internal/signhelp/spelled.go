package signhelp

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// spelled is a way to read a signature, with what is wrong with it, "" for nothing.
type spelled struct {
	bytes []byte
	what  string
}

const (
	lowerWanted = "The signature is in upper-case hex digits. Ksher's documentation has lower-case ones."
	upperWanted = "The signature is in lower case. Ksher's documentation has upper-case hex digits."
)

// readings are the ways to read a signature that should be hex digits, in upper case if
// upper says so: the right one alone if it is right.
func readings(sign string, upper bool) (all []spelled) {
	add := func(text, what string) {
		if b, err := hex.DecodeString(text); err == nil && len(b) > 0 {
			all = append(all, spelled{b, what})
		}
	}
	right, digits := strings.ToLower(sign), "lower-case hex digits"
	caseWrong := lowerWanted
	if upper {
		right, digits, caseWrong = strings.ToUpper(sign), "upper-case hex digits", upperWanted
	}
	if sign == right {
		caseWrong = ""
	}
	if add(sign, caseWrong); len(all) == 0 {
		bare := strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "", ":", "", "-", "").Replace(sign)
		add(bare, "There is something between or around the hex digits of the signature, such as a line end, spaces, colons or hyphens. Send the "+digits+" alone.")
		add(strings.TrimPrefix(strings.ToLower(sign), "0x"), "The signature begins with 0x. Send the "+digits+" alone.")
	}
	for _, b := range base64Bytes(sign) {
		all = append(all, spelled{b, "The signature is in Base64. Ksher takes it as " + digits + "."})
		if inner, err := hex.DecodeString(string(b)); err == nil && len(inner) > 0 {
			all = append(all, spelled{inner, "The hex digits of the signature were put into Base64 as well. Send the " + digits + " alone."})
		}
	}
	for _, s := range all {
		for _, b := range base64Bytes(string(s.bytes)) {
			all = append(all, spelled{b, "The signature is in hex digits of its Base64 text. Make the hex digits of the signature's bytes."})
		}
	}
	if strings.Contains(sign, " ") {
		for _, b := range base64Bytes(strings.ReplaceAll(sign, " ", "+")) {
			all = append(all, spelled{b, "The signature is in Base64, and its plus signs came as spaces, because the form wasn't encoded. Ksher takes it as " + digits + "."})
		}
	}
	return all
}

// base64Bytes is what a text is in Base64, of either alphabet, with or without its padding
// and line ends.
func base64Bytes(text string) [][]byte {
	if len(text) < 16 { // Too short for any signature.
		return nil
	}
	text = strings.NewReplacer("-", "+", "_", "/", "\r", "", "\n", "", "=", "").Replace(text)
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return [][]byte{b}
}

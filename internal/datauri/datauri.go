// Package datauri reads the pictures that Ksher sends as data URIs.
package datauri

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Image returns the picture that a browser would show for a data URI, and its media
// type without parameters, such as "image/png". It is an error if a browser would
// show none: the URI has to say that it is an image, and the bytes have to be one.
//
// As in a browser, the type is that of the bytes if they are PNG, JPEG, GIF, WebP,
// BMP or ICO. SVG has to be called so. No other format is taken.
//
// Source: the data: URL processor of the WHATWG's Fetch standard, with the parsing
// of addresses in its URL standard, forgiving-base64 decode in its Infra standard,
// and its MIME Sniffing standard.
func Image(uri string) (content []byte, mediaType string, err error) {
	head, body, err := split(uri)
	if err != nil {
		return nil, "", err
	}
	content = percentDecoded(body)
	head, inBase64 := cutBase64(head)
	essence, _, _ := strings.Cut(head, ";")
	essence = strings.ToLower(strings.Trim(essence, " \f"))
	if !strings.HasPrefix(essence, "image/") {
		return nil, "", errors.New("it is not an image")
	}
	if inBase64 {
		if content, err = forgivingBase64(content); err != nil {
			return nil, "", err
		}
	}
	if len(content) == 0 {
		return nil, "", errors.New("it is empty")
	}
	if mediaType, err = sniff(content, essence); err != nil {
		return nil, "", err
	}
	return content, mediaType, nil
}

// split takes a URI apart as the parser of addresses does: blanks around it, tabs
// and newlines anywhere, and a fragment don't count.
func split(uri string) (head, body string, err error) {
	uri = strings.TrimFunc(uri, func(r rune) bool { return r <= ' ' })
	uri = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(uri)
	uri, _, _ = strings.Cut(uri, "#")
	const scheme = "data:"
	if len(uri) < len(scheme) || !strings.EqualFold(uri[:len(scheme)], scheme) {
		return "", "", errors.New("it is not a data URI")
	}
	head, body, ok := strings.Cut(uri[len(scheme):], ",")
	if !ok {
		return "", "", errors.New("it is not a data URI: it has no comma")
	}
	return strings.Trim(head, " \f"), body, nil
}

// cutBase64 takes ";base64" off the end of what stands before the comma.
func cutBase64(head string) (before string, found bool) {
	const word = "base64"
	at := len(head) - len(word)
	if at < 0 || !strings.EqualFold(head[at:], word) {
		return head, false
	}
	return strings.CutSuffix(strings.TrimRight(head[:at], " "), ";")
}

// percentDecoded leaves a percent sign that no two digits follow as it is.
func percentDecoded(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
			if high >= 0 && low >= 0 {
				out = append(out, byte(high<<4|low))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return out
}

// hexDigit is the value of a hexadecimal digit, -1 for anything else.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// forgivingBase64 decodes base64 with blanks in it and with or without its padding.
func forgivingBase64(text []byte) ([]byte, error) {
	kept := text[:0]
	for _, c := range text {
		if c != ' ' && c != '\t' && c != '\n' && c != '\f' && c != '\r' {
			kept = append(kept, c)
		}
	}
	if len(kept)%4 == 0 {
		for range 2 {
			kept = bytes.TrimSuffix(kept, []byte("="))
		}
	}
	content := make([]byte, base64.RawStdEncoding.DecodedLen(len(kept)))
	n, err := base64.RawStdEncoding.Decode(content, kept)
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	return content[:n], nil
}

// sniff tells what the bytes are, given what the URI calls them.
func sniff(content []byte, called string) (mediaType string, err error) {
	const svg = "image/svg+xml"
	if called == svg {
		if !isSVG(content) {
			return "", errors.New("it is not SVG as it says")
		}
		return svg, nil
	}
	// It is the same table that browsers have.
	if found := http.DetectContentType(content); strings.HasPrefix(found, "image/") {
		return found, nil
	}
	return "", errors.New("its bytes are not a picture of a known format")
}

// isSVG tells whether the content is well-formed XML with svg for its root.
func isSVG(content []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(content, []byte("\ufeff"))))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var root xml.Name
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			return err == io.EOF && root.Local == "svg" && root.Space == "http://www.w3.org/2000/svg"
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 && root.Local != "" {
				return false // A second root.
			}
			if depth++; depth == 1 {
				root = t.Name
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return false
			}
		}
	}
}

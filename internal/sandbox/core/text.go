package core

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"time"
)

// Zone is that of the gateway, and of its merchants unless their terms say otherwise.
var Zone = time.FixedZone("UTC+7", 7*60*60)

// Marshal writes JSON of what can't fail: strings, numbers, structs of those, and JSON.
func Marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// NewUUID returns a name that can't be guessed, such as that of an order in the address of
// its checkout page.
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// WebAddress returns an address of the web as it is to be written in a page,
// and "" for anything else, such as a script.
func WebAddress(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return u.String()
}

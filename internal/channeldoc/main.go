// Command channeldoc writes the documentation of the channels from their table.
package main

import (
	"bytes"
	_ "embed" // For the template.
	"fmt"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/ksher-go/ksher"
)

//go:embed channels.md.tmpl
var source string

var page = template.Must(template.New("channels.md").Funcs(template.FuncMap{
	"mark":     mark,
	"from":     from,
	"accounts": accounts,
	"expiry":   expiry,
	"assumed":  assumed,
}).Parse(source))

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "give the file to write")
		os.Exit(2)
	}
	text, err := render()
	if err == nil {
		err = os.WriteFile(os.Args[1], text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func render() ([]byte, error) {
	var text bytes.Buffer
	err := page.Execute(&text, ksher.Channels())
	return text.Bytes(), err
}

func mark(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// from is whether an operation has a channel, and from which amount on.
func from(offered bool, least ksher.Amount) string {
	if !offered || least == 0 {
		return mark(offered)
	}
	return "from " + strings.TrimSuffix(least.String(), ".00") + " THB"
}

// accounts are the kinds of account for which native_pay has a channel.
func accounts(c ksher.ChannelInfo) string {
	switch {
	case c.NativePayOffline && c.NativePayOnline:
		return "offline, online"
	case c.NativePayOffline:
		return "offline"
	case c.NativePayOnline:
		return "online"
	}
	return "no"
}

// assumed marks what the guides say of channels of native_pay only.
func assumed(c ksher.ChannelInfo) string {
	if c.NativePayOffline || c.NativePayOnline {
		return ""
	}
	return `\*`
}

// expiry is how long a code can be paid, and what sets another time.
func expiry(c ksher.ChannelInfo) string {
	native := c.NativePayOffline || c.NativePayOnline
	switch d := c.NativePayExpiry; {
	case c.NativePayExpirySetBy != "":
		set := c.NativePayExpirySetBy
		c.NativePayExpirySetBy = ""
		return expiry(c) + ", or `" + set + "`"
	case !native:
		return ""
	case c.NativePayNeverExpires:
		return "never expires"
	case d == 0:
		return "not documented"
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
}

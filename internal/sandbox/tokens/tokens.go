// Package tokens has the colours, sizes and spaces that all pages of the sandbox share.
package tokens

import _ "embed"

// CSS is the stylesheet.
//
//go:embed tokens.css
var CSS string

package core

import (
	"regexp"

	"github.com/ksher-go/ksher"
)

// Masked stands for what is secret, in the words of [ksher.Secret].
var Masked = ksher.NewSecret("any").String()

var secretName = regexp.MustCompile(`(?i)auth_?code|receiver_|openid|mobile|phone|email|token|secret|password|api_?key|card|cvv`)

// IsSecret tells the parameters that nobody looking at a screen or a report is to read:
// scanned codes, who gets a payout, who pays, tokens, and the fields of a card.
func IsSecret(name string) bool {
	return secretName.MatchString(name) && name != "receiver_type" // What kind of account it is.
}

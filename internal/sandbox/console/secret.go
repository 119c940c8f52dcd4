package console

import (
	"maps"
	"net/http"
	"strings"

	"github.com/ksher-go/ksher"
)

// masked stands for what is secret, in the words of [ksher.Secret].
var masked = ksher.NewSecret("any").String()

// isSecret tells the parameters that nobody looking at a screen is to read: scanned codes,
// who gets a payout, who pays, and tokens.
func isSecret(name string) bool {
	switch name {
	case "auth_code":
		return true
	case "receiver_type": // What kind of account it is.
		return false
	}
	for _, part := range []string{"receiver_", "openid", "mobile", "phone", "token"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// mask takes what is secret out of parameters. It returns what they were, nil if nothing is.
func mask(params map[string]string) (full map[string]string) {
	for name, value := range params {
		if value == "" || !isSecret(name) {
			continue
		}
		if full == nil {
			full = maps.Clone(params)
		}
		params[name] = masked
	}
	return full
}

// maskText takes the values of secret parameters out of a text to sign, where each stands
// after its name, with an equals sign between them or without.
func maskText(text string, params map[string]string) string {
	for name, value := range params {
		if value != "" && isSecret(name) {
			text = strings.ReplaceAll(text, name+"="+value, name+"="+masked)
			text = strings.ReplaceAll(text, name+value, name+masked)
		}
	}
	return text
}

// showsSecrets tells whether a request asks for what is secret.
func showsSecrets(r *http.Request) bool { return r.URL.Query().Get("secrets") == "show" }

// reveal brings back what was masked.
func (d *orderData) reveal() {
	if d.full != nil {
		d.Params, d.full = d.full, nil
	}
}

// reveal brings back what was masked.
func (d *requestData) reveal() {
	if d.full != nil {
		d.Params, d.SignText, d.full = d.full, d.fullText, nil
	}
}

// Masked tells the pages whether there is something to show.
func (d orderData) Masked() bool { return d.full != nil }

// Masked is the same for a request.
func (d requestData) Masked() bool { return d.full != nil }

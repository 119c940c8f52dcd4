package console

import (
	"maps"
	"net/http"
	"strings"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// mask takes what is secret out of parameters. It returns what they were, nil if nothing is.
func mask(params map[string]string) (full map[string]string) {
	for name, value := range params {
		if value == "" || !core.IsSecret(name) {
			continue
		}
		if full == nil {
			full = maps.Clone(params)
		}
		params[name] = core.Masked
	}
	return full
}

// maskText takes the values of secret parameters out of a text to sign, where each stands
// after its name, with an equals sign between them or without.
func maskText(text string, params map[string]string) string {
	for name, value := range params {
		if value != "" && core.IsSecret(name) {
			text = strings.ReplaceAll(text, name+"="+value, name+"="+core.Masked)
			text = strings.ReplaceAll(text, name+value, name+core.Masked)
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

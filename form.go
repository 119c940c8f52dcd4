package ksher

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// GatewayPayForm is a signed gateway_pay request for the buyer's browser to post. It can
// create this one order and nothing else, so it is fit for the buyer, but not for a log:
// printing it shows no signature.
type GatewayPayForm struct {
	Action string            `json:"action"` // where to post the fields, as application/x-www-form-urlencoded in UTF-8
	Fields map[string]string `json:"fields"` // the hidden fields with the signature: none may be changed, left out or added
}

// formRequest is a GatewayPayRequest that a browser is to send.
type formRequest GatewayPayRequest

func (r *formRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *formRequest) check(c *checker) {
	(*GatewayPayRequest)(r).check(c)
	if r.Device == "" {
		c.Refuse("device", "is required for a form; DeviceOf finds it out")
	}
}

// GatewayPayForm signs a gateway_pay request without sending it, for the buyer's browser to
// post: the second of Ksher's two ways to the checkout page. The request is that of
// [Client.GatewayPay], with Device required, see [DeviceOf]. [GatewayPayForm.ServeHTTP]
// answers the buyer with a page that posts itself.
//
// The order comes into being when the browser posts. Keep it with its number before you
// hand out the form; until it is posted, a query of it is [ErrNotFound]. A form posted twice
// makes one order. docs/checkout-form.md has the rest. The error is a [*ValidationError],
// also for text that a browser would change and so break the signature, or an [*Error] if
// the key doesn't sign.
func (c *Client) GatewayPayForm(req *GatewayPayRequest) (*GatewayPayForm, error) {
	check := &checker{}
	c.usable(context.Background(), check)
	if req == nil {
		check.Refuse("request", "is nil")
	}
	if len(check.Fields) > 0 {
		return nil, c.named(check.invalid(gatewayPay.name, ""))
	}
	params, err := c.params(gatewayPay, (*formRequest)(req))
	if err != nil {
		return nil, err
	}
	for _, p := range params {
		switch {
		case !survivesForm(p.Name) || !survivesForm(p.Value):
			check.Refuse(p.Name, "has a NUL or a line break other than CR LF, which a browser's form would change")
		case strings.EqualFold(p.Name, "_charset_"):
			check.Refuse(p.Name, "is a name that a browser's form gives a value of its own")
		}
	}
	if len(check.Fields) > 0 {
		return nil, c.named(check.invalid(gatewayPay.name, req.MchOrderNo))
	}
	if params, err = c.sign(params); err != nil {
		return nil, &Error{Operation: gatewayPay.name, AppID: c.appID, OrderNo: req.MchOrderNo, Err: fmt.Errorf("the form was not made, because the key did not sign: %w", err)}
	}
	form := &GatewayPayForm{
		Action: strings.TrimSuffix(c.gatewayURL, "/api") + "/" + strings.ToLower(req.Device),
		Fields: make(map[string]string, len(params)),
	}
	for _, p := range params {
		form.Fields[p.Name] = p.Value
	}
	return form, nil
}

// survivesForm tells whether a form sends a text as it is. Browsers write every
// kind of line break as CR LF, and read a NUL as another character.
func survivesForm(text string) bool {
	return !strings.ContainsAny(strings.ReplaceAll(text, "\r\n", ""), "\r\n\x00")
}

// submitScript posts the form. It runs before the page is complete, so that the
// browser puts the next page in the place of this one and the back button doesn't
// post again. A field may be called submit.
const submitScript = "HTMLFormElement.prototype.submit.call(document.forms[0])"

var formPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="{{.Text.Lang}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="strict-origin">
<title>{{.Text.Continue}}</title>
</head>
<body>
<form method="post" action="{{.Form.Action}}" accept-charset="utf-8">
{{range $name, $value := .Form.Fields}}<input type="hidden" name="{{$name}}" value="{{$value}}">
{{end}}<button>{{.Text.Continue}}</button>
</form>
<script>` + submitScript + `</script>
</body>
</html>
`))

// formPolicy lets the page do what it has to. Where the form goes isn't limited,
// because the gateway may lead on to another host.
var formPolicy = func() string {
	sum := sha256.Sum256([]byte(submitScript))
	return "default-src 'none'; img-src 'self'; base-uri 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

type formText struct{ Lang, Continue string }

var formTexts = map[string]formText{
	"en": {"en", "Continue to payment"},
	"th": {"th", "ไปยังหน้าชำระเงิน"},
	"cn": {"zh-Hans", "前往付款"},
}

// WriteHTML writes a whole page, in the language of the request, that posts the form by
// itself, or by its one button where scripts don't run. A Content-Security-Policy of your
// site has to allow the gateway in its form-action; [GatewayPayForm.ServeHTTP] sets one that
// suits. The error is the writer's, or says that the form wasn't made by
// [Client.GatewayPayForm].
func (f *GatewayPayForm) WriteHTML(w io.Writer) error {
	if f == nil || f.Action == "" {
		return errors.New("ksher: the form was not made by Client.GatewayPayForm")
	}
	text, ok := formTexts[f.Fields["lang"]]
	if !ok {
		text = formTexts["en"]
	}
	return formPage.Execute(w, map[string]any{"Form": f, "Text": text})
}

// ServeHTTP answers with the page of [GatewayPayForm.WriteHTML], which no cache keeps, and
// with a Content-Security-Policy in place of your site's. The gateway learns your site's
// origin from the browser, and not the page's address.
func (f *GatewayPayForm) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	var page bytes.Buffer
	if err := f.WriteHTML(&page); err != nil {
		http.Error(w, "The payment page can't be shown.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", formPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	w.Write(page.Bytes())
}

// Format keeps the signature out of logs.
func (f GatewayPayForm) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "ksher.GatewayPayForm(%s to %s)", clipText(f.Fields["mch_order_no"]), clipText(f.Action))
}

// LogValue keeps the signature out of structured logs.
func (f GatewayPayForm) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(f)) }

// DeviceOf tells the layout of the checkout page that suits a buyer's browser: "H5"
// for phones, and "PC" for everything else and for a nil request. Tablets count as
// PCs: they seldom have banking apps, and their screen is large enough for a QR code. A
// browser can say what it likes, so don't decide anything else by it.
func DeviceOf(r *http.Request) string {
	if r == nil {
		return "PC"
	}
	agent := r.UserAgent()
	says := func(word string) bool { return strings.Contains(agent, word) }
	switch hint := r.Header.Get("Sec-CH-UA-Mobile"); {
	case hint == "?0":
		return "PC"
	case hint == "?1":
		return "H5"
	case says("iPad"), says("Tablet"):
		return "PC"
	case says("Mobi"), says("Opera Mini"):
		return "H5"
	}
	return "PC"
}

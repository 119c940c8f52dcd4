package kshertest

import (
	"html/template"
	"net/http"
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Order {{.MchOrderNo}}, a simulation</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem;color:#1d2433}
dt{color:#5a6478}dd{margin:0 0 .75rem;font-weight:600}p{padding:.75rem 1rem;background:#fff4d6;border-radius:.5rem}</style>
<h1>{{with .Params.Get "shop_name"}}{{.}}{{else}}Checkout{{end}}</h1>
<p>This is a simulation. No money moves here: the program that started this gateway plays the buyer.</p>
<dl>
<dt>Order</dt><dd>{{.MchOrderNo}}</dd>
<dt>Product</dt><dd>{{.Params.Get "product_name"}}</dd>
<dt>Amount</dt><dd>{{.TotalFee}} {{.FeeType}}</dd>
<dt>Channels</dt><dd>{{.Params.Get "channel_list"}}</dd>
<dt>State</dt><dd>{{.State}}</dd>
</dl>
</html>
`))

// showPage serves the address in pay_content: it shows the order as it stands.
func (g *Gateway) showPage(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	o := g.orders[number{"uuid", r.URL.Query().Get("order_uuid")}]
	var view Order
	if o != nil {
		view = o.view(g.now())
	}
	g.mu.Unlock()
	if o == nil {
		http.Error(w, "There is no such order.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	page.Execute(w, view)
}

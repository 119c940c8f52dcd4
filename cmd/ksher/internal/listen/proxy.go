package listen

import (
	"bytes"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/transport"
)

// What the proxy has in place of the addresses of the two hosts.
const (
	GatewayPath  = "/api"
	MerchantPath = "/KsherPay"
)

// maxParams is how much of a request is looked at for its order number.
const maxParams = 64 << 10

// proxy passes requests on to Ksher as they are.
type proxy struct {
	hosts   map[string]*url.URL
	created func(Order)
	reverse *httputil.ReverseProxy
}

// NewProxy returns a handler that passes what comes to [GatewayPath] and [MerchantPath] on to
// the addresses of the hosts, and tells created of the orders in it, by their numbers. It
// keeps and changes nothing. Requests that can't be passed on are answered with 502 and told to
// failed. The form for a buyer's browser is sent on to the gateway's own page.
//
// Each request has a connection of its own: on a kept one, or over HTTP/2, net/http sends some
// requests again, and one of those may refund or pay out.
func NewProxy(gatewayURL, merchantURL string, created func(Order), failed func(problem string)) (http.Handler, error) {
	p := &proxy{hosts: make(map[string]*url.URL), created: created}
	for at, address := range map[string]string{GatewayPath: gatewayURL, MerchantPath: merchantURL} {
		u, err := url.Parse(strings.TrimSuffix(address, "/"))
		if err != nil {
			return nil, err
		}
		p.hosts[at] = u
	}
	way := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, DisableCompression: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, // With a configuration there is no HTTP/2.
	}
	p.reverse = &httputil.ReverseProxy{
		Transport: way, Rewrite: p.rewrite, ErrorLog: log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			failed(transport.Error{Err: err}.Error())
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	mux := http.NewServeMux()
	own := http.NewCrossOriginProtection() // No page of another website speaks to Ksher through it.
	mux.Handle(GatewayPath+"/", own.Handler(p))
	mux.Handle(MerchantPath+"/", own.Handler(p))
	mux.HandleFunc("POST /pc", p.form)
	mux.HandleFunc("POST /h5", p.form)
	return mux, nil
}

// ServeHTTP passes a request on. If it may have created an order, that is told once it was
// answered, or wasn't.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := ksher.HostMerchant
	if strings.HasPrefix(r.URL.Path, GatewayPath+"/") {
		host = ksher.HostGateway
	}
	if no := orderNo(r); no != "" && strings.HasSuffix(path.Base(r.URL.Path), "_pay") {
		defer p.created(Order{no, host})
	}
	p.reverse.ServeHTTP(w, r)
}

// rewrite leads a request to Ksher.
func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	at := MerchantPath
	if strings.HasPrefix(r.In.URL.Path, GatewayPath+"/") {
		at = GatewayPath
	}
	to := *p.hosts[at]
	to.Path += strings.TrimPrefix(r.In.URL.Path, at)
	to.RawQuery = r.In.URL.RawQuery // As it was written, because it is signed.
	r.Out.URL, r.Out.Host = &to, to.Host
}

// form sends a buyer's browser to the gateway with the form that it has posted.
func (p *proxy) form(w http.ResponseWriter, r *http.Request) {
	if no := orderNo(r); no != "" {
		defer p.created(Order{no, ksher.HostGateway})
	}
	to := *p.hosts[GatewayPath]
	to.Path = strings.TrimSuffix(to.Path, GatewayPath) + r.URL.Path
	http.Redirect(w, r, to.String(), http.StatusTemporaryRedirect) // With which the form is posted again.
}

// orderNo is the merchant's number of an order in a request, "" for none. The body can be read
// once more afterwards.
func orderNo(r *http.Request) string {
	if no := r.URL.Query().Get("mch_order_no"); no != "" {
		return no
	}
	var body bytes.Buffer
	_, err := io.CopyN(&body, r.Body, maxParams)
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body.Bytes()), rest), rest}
	if err != io.EOF {
		return "" // There is more, or it broke off, as whoever reads on will see.
	}
	form, err := url.ParseQuery(body.String())
	if err != nil {
		return ""
	}
	return form.Get("mch_order_no")
}

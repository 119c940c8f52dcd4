package sandbox

import (
	"net/http"
	"strings"
)

// refuseCrossSite refuses what a page of another website makes a developer's browser send:
// everybody has the merchant's key, so any page could sign for it. Links and redirects may
// lead to pages, and a shop's page posts the form of gateway_pay. Programs send none of the
// headers by which a browser is known. A browser takes a page whose host name was made to
// point here for one of the gateway's own, so that it may only use names that ownHost knows.
func refuseCrossSite(next http.Handler, ownHost func(hostport string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if crossSite(r) && !openToOthers(r) {
			http.Error(w, "This request was refused: a page of another website made the browser send it, by its headers Sec-Fetch-Site and Origin. "+
				"Send requests to the gateway from your server, as in production; programs such as curl aren't concerned. "+
				"From a shop's page the browser may follow a link to the checkout page, and post the form of gateway_pay to /pc or /h5. "+
				"docs/sandbox.md says more.", http.StatusForbidden)
			return
		}
		if fromPage(r) && !openToOthers(r) && !ownHost(r.Host) {
			http.Error(w, "This request was refused: a browser sent it to a host name that isn't the gateway's, "+
				"to which any website could let a name of its own point. Allow the name with --host or --public-url. "+
				"docs/sandbox.md says more.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fromPage tells the requests that a page made a browser send.
func fromPage(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
}

// crossSite tells the requests of another website's page. A GET is judged as if it were a
// POST, because some of the gateway's make orders.
func crossSite(r *http.Request) bool {
	post := *r
	post.Method = http.MethodPost
	return http.NewCrossOriginProtection().Check(&post) != nil
}

// openToOthers tells the requests that other websites' pages have a reason for.
func openToOthers(r *http.Request) bool {
	switch r.Method {
	case http.MethodPost:
		return r.URL.Path == "/pc" || r.URL.Path == "/h5"
	case http.MethodGet, http.MethodHead:
		mode := r.Header.Get("Sec-Fetch-Mode")
		return (mode == "navigate" || mode == "") && isPage(r.URL.Path)
	}
	return false
}

// isPage tells the paths that show something and change nothing.
func isPage(path string) bool {
	switch path {
	case "/", "/ua", "/order", "/requests", "/faults", "/setup", "/compare":
		return true
	}
	return strings.HasPrefix(path, "/opn/payments/")
}

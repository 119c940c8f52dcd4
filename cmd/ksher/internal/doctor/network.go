package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/ksher-go/ksher/internal/transport"
)

// httpClient is that of the ksher client, which sees that there is TLS itself.
func (v *visit) httpClient() *http.Client { return &http.Client{Transport: v.transport()} }

// show is an address without what may be secret in it.
func show(u *url.URL) string {
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return transport.Clip(plain.String())
}

// reach tries the way to an address, step by step. host is what the names of the checks
// begin with, and what names it in words.
func (v *visit) reach(ctx context.Context, host, what, address string) {
	var u *url.URL
	v.check(host+"-address", "the address of the "+what, nil, func() (r result) {
		u, r = readAddress(address)
		return r
	})
	if u == nil {
		v.cause[host+"-tls"] = host + "-address"
		return // There is no address to name in the others.
	}
	var proxy *url.URL
	v.check(host+"-proxy", "a proxy in the environment, on the way to "+u.Host, nil, func() (r result) {
		proxy, r = v.proxy(ctx, u)
		return r
	})
	behind := []string{host + "-proxy"}
	if proxy == nil {
		v.check(host+"-dns", "the name "+u.Hostname(), nil, func() result { return v.dns(ctx, u.Hostname(), host == "notify") })
		v.check(host+"-connect", "a connection to "+hostPort(u), []string{host + "-dns"}, func() result { return v.connect(ctx, u) })
		behind = []string{host + "-dns", host + "-connect"}
	}
	v.check(host+"-tls", "TLS to "+u.Host+", and an HTTP request", behind, func() result { return v.tls(ctx, host, u) })
}

// readAddress reads an address, of which no password is shown.
func readAddress(address string) (*url.URL, result) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, result{Fail, "it isn't an address such as https://shop.example/path", "correct it"}
	case u.User != nil:
		return nil, result{Fail, "it has a user's name or a password in it", "leave out what stands before the @"}
	}
	return u, result{status: OK, came: show(u)}
}

// hostPort is what a connection is made to.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// proxy tells by which proxy an address is reached, if by any, and tries to connect to it.
func (v *visit) proxy(ctx context.Context, u *url.URL) (*url.URL, result) {
	proxy, err := v.Proxy(&http.Request{URL: u})
	if err != nil {
		return nil, result{Fail, transport.Error{Err: err}.Error(), "correct HTTPS_PROXY or HTTP_PROXY"}
	}
	if proxy == nil {
		return nil, result{status: OK, came: "none, so the way is direct"}
	}
	r := v.connect(ctx, proxy)
	r.came = "the proxy " + proxy.Host + ": " + r.came
	if r.status == Fail {
		r.do = "start the proxy, correct HTTPS_PROXY, or add the host to NO_PROXY"
	}
	return proxy, r
}

// dns resolves a name. Of a public one it says whether others can reach what it stands for.
func (v *visit) dns(ctx context.Context, host string, public bool) result {
	addresses := []string{host}
	if _, err := netip.ParseAddr(host); err != nil {
		ctx, cancel := v.limited(ctx)
		defer cancel()
		if addresses, err = v.Resolve(ctx, host); err != nil {
			return result{Fail, transport.Error{Err: err}.Error(), "see whether the name is right, and whether this machine can ask a name server"}
		}
	}
	came := strings.Join(addresses[:min(len(addresses), 4)], ", ")
	for _, a := range addresses {
		if ip, err := netip.ParseAddr(a); public && err == nil && (ip.Unmap().IsLoopback() || ip.Unmap().IsPrivate()) {
			return result{Warn, came + ", which only this machine or network reaches", "Ksher posts from the internet: publish the address, or use ksher listen on a laptop"}
		}
	}
	return result{status: OK, came: came}
}

func (v *visit) connect(ctx context.Context, u *url.URL) result {
	ctx, cancel := v.limited(ctx)
	defer cancel()
	conn, err := v.Dial(ctx, "tcp", hostPort(u))
	if err != nil {
		return result{Fail, transport.Error{Err: err}.Error(), "see whether the host and the port are right, and whether a firewall lets connections out"}
	}
	conn.Close()
	return result{status: OK, came: "connected"}
}

// soon is how long before its end a certificate is warned of.
const soon = 14 * 24 * time.Hour

// tls makes an unsigned request, whose answer may be anything.
func (v *visit) tls(ctx context.Context, host string, u *url.URL) result {
	ctx, cancel := v.limited(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return result{Fail, "it isn't an address to ask", "correct it"}
	}
	sent := v.Now()
	resp, err := v.transport().RoundTrip(req)
	if err != nil {
		return tlsFailure(err)
	}
	resp.Body.Close()
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil && host != "notify" {
		v.times = append(v.times, reading{"the Date of the " + host + "'s answer", date, sent})
	}
	if resp.TLS == nil {
		return withoutTLS(u)
	}
	certificate := resp.TLS.PeerCertificates[0]
	came := fmt.Sprintf("%s, and the certificate is good until %s", tls.VersionName(resp.TLS.Version), certificate.NotAfter.UTC().Format(time.DateOnly))
	if certificate.NotAfter.Sub(v.Now()) < soon {
		return result{Warn, came, "it has to be renewed, by whoever runs the host"}
	}
	return result{status: OK, came: came}
}

func withoutTLS(u *url.URL) result {
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return result{status: OK, came: "it answers over plain HTTP, as on this machine it may"}
	}
	return result{Warn, "it answers over plain HTTP, which everybody on the way can read and change", "use https, except for a local gateway in a container"}
}

// tlsFailure says what is wrong with a connection that was made.
func tlsFailure(err error) result {
	came := transport.Error{Err: err}.Error()
	var record tls.RecordHeaderError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &record):
		return result{Fail, "it speaks plain HTTP, or something else that isn't TLS: " + came, "see whether the address should begin with http, or has the wrong port"}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return result{Fail, came, "set the clock of this machine if it is wrong; otherwise the certificate has to be renewed"}
	case errors.As(err, new(*tls.CertificateVerificationError)), errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, new(x509.HostnameError)):
		return result{Fail, came, "install the package ca-certificates; if a proxy opens TLS here, trust its certificate or go round it; never switch the check off"}
	case errors.Is(err, context.DeadlineExceeded):
		return result{Fail, "no answer came in time", "see whether the host is the right one, and what stands between"}
	}
	return result{Fail, came, "see what stands between this machine and the host, such as a proxy or a firewall"}
}

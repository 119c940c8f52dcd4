// Package doctor finds what is wrong with an integration. It asks, and changes nothing: no
// order is made, and nothing genuine is posted to the shop.
package doctor

import (
	"context"
	"crypto/fips140"
	"crypto/md5"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
)

// Status is what a check came to.
type Status string

// What a check comes to. One that isn't tried depends on another that failed, or isn't needed.
const (
	OK       Status = "ok"
	Warn     Status = "warn"
	Fail     Status = "fail"
	NotTried Status = "not tried"
)

// Check is one thing that was tried.
type Check struct {
	Name   string `json:"name"` // stable, for programs
	Status Status `json:"status"`
	Tried  string `json:"tried"`       // what was looked at
	Came   string `json:"came"`        // what was found
	Do     string `json:"do,omitzero"` // what to do about it
}

// Settings are what an integration is set up with.
type Settings struct {
	AppID string
	// Key is the private key as PEM, KeyFrom where it came from, and KeyErr why there is none.
	Key                     []byte
	KeyFrom                 string
	KeyErr                  error
	GatewayURL, MerchantURL string
	// Local says that it is a local gateway, whose short key harms nobody.
	Local bool
	// NotifyURL is the shop's address for notifications, "" if it isn't to be tried.
	NotifyURL string
	// Client makes a client of all this, whose requests go by another.
	Client func(through *http.Client, opts ...ksher.Option) (*ksher.Client, error)
}

// World is what lies outside of the program.
type World struct {
	Resolve func(ctx context.Context, host string) ([]string, error)
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Proxy   func(*http.Request) (*url.URL, error)
	Roots   *x509.CertPool // nil for those of the system
	Now     func() time.Time
	// MD5 returns an error if this program may not use MD5, and FIPS tells whether it runs in
	// a FIPS mode.
	MD5  func() error
	FIPS func() bool
	// Patience bounds each step.
	Patience time.Duration
}

// RealWorld is the one that there is.
func RealWorld(patience time.Duration) World {
	return World{
		Resolve: net.DefaultResolver.LookupHost, Dial: (&net.Dialer{}).DialContext, Proxy: http.ProxyFromEnvironment,
		Now: time.Now, MD5: tryMD5, FIPS: fips140.Enabled, Patience: patience,
	}
}

// tryMD5 is the error of MD5, which panics where it is forbidden.
func tryMD5() (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it is forbidden")
		}
	}()
	md5.Sum(nil)
	return nil
}

// transport makes the connections of the checks. None is kept, so that each check tries anew.
func (w World) transport() *http.Transport {
	return &http.Transport{
		Proxy: w.Proxy, DialContext: w.Dial, DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.Roots, Time: w.Now},
		OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("the proxy %s refuses with HTTP %d", proxy.Host, resp.StatusCode)
			}
			return nil
		},
	}
}

// result is what came of trying something.
type result struct {
	status   Status
	came, do string
}

// visit is an examination under way.
type visit struct {
	Settings
	World
	tell func(Check)
	// cause has the names of those that failed or weren't tried, and the check that failed.
	cause  map[string]string
	client *ksher.Client
	times  []reading
}

// Examine tries everything, and tells of each check when it is done, until ctx ends.
func Examine(ctx context.Context, s Settings, w World, tell func(Check)) {
	told := func(c Check) {
		if ctx.Err() == nil { // Otherwise it may have failed because of that.
			tell(c)
		}
	}
	v := &visit{Settings: s, World: w, tell: told, cause: make(map[string]string)}
	v.check("app-id", "the app ID", nil, v.appID)
	v.check("key", "the private key", nil, v.key)
	v.check("md5", "MD5, with which Ksher signs", nil, v.md5)
	v.check("settings", "the settings together", []string{"app-id", "key", "md5"}, v.settings)
	v.reach(ctx, "gateway", "gateway host", s.GatewayURL)
	v.reach(ctx, "merchant", "merchant host", s.MerchantURL)
	v.askHosts(ctx)
	v.check("clock", "the clock of this machine", nil, v.clock)
	if s.NotifyURL != "" {
		v.notify(ctx)
	}
}

// check tries something, unless what it needs failed or wasn't tried.
func (v *visit) check(name, tried string, needs []string, try func() result) {
	c := Check{Name: name, Tried: tried}
	i := slices.IndexFunc(needs, func(n string) bool { return v.cause[n] != "" })
	if i >= 0 {
		v.cause[name] = v.cause[needs[i]]
		c.Status, c.Came = NotTried, "not tried, because "+v.cause[name]+" failed"
	} else {
		r := try()
		c.Status, c.Came, c.Do = r.status, r.came, r.do
		if r.status == Fail {
			v.cause[name] = name
		}
	}
	v.tell(c)
}

// limited is a context for one step.
func (v *visit) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, v.Patience)
}

// plain is an error's text without what the program's name and the package add.
func plain(err error) string {
	text := err.Error()
	for _, prefix := range []string{"ksher: ", "ClientFromEnv: ", "ksher: ", "NewClient: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

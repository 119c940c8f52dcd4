package core

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// AnyHost allows all hosts in place of a name in [Config], but for link-local ones.
const AnyHost = "*"

// errTarget means that the gateway doesn't notify at an address. Anybody who reaches the
// gateway can have it post, so that by default it reaches only what is near.
type errTarget struct {
	host string
	ip   netip.Addr
}

func (e *errTarget) Error() string {
	if beside(e.ip) {
		return fmt.Sprintf("not sent: %s is at %s, a link-local address, where clouds keep credentials; "+
			"--allow-notify=%[2]s allows it", e.host, e.ip)
	}
	return fmt.Sprintf("not sent: %s is at %s, beyond this machine and private networks, and anybody who reaches the sandbox could have it post there; "+
		"--allow-notify=%[1]s allows it", e.host, e.ip)
}

// near tells the addresses of this machine and of private networks. 0.0.0.0/8 and
// 198.18.0.0/15 are never routed; containers and their host are there on some desktops.
func near(ip netip.Addr) bool {
	return ip.IsLoopback() || ip.IsPrivate() ||
		netip.MustParsePrefix("0.0.0.0/8").Contains(ip) || netip.MustParsePrefix("198.18.0.0/15").Contains(ip) || ip == netip.IPv6Unspecified()
}

// beside tells the addresses at which clouds answer their machines alone.
func beside(ip netip.Addr) bool {
	return ip.IsLinkLocalUnicast() || ip == netip.MustParseAddr("fd00:ec2::254")
}

// checkNotifyHosts refuses what would never be met, such as whole addresses of the web.
func checkNotifyHosts(hosts []string) error {
	for _, h := range hosts {
		if _, err := netip.ParseAddr(h); err != nil && (h == "" || strings.ContainsAny(h, "/:[]@ ")) {
			return &ConfigError{fmt.Errorf("%q is no host to notify: give a name or an IP address, without scheme and port", h)}
		}
	}
	return nil
}

// AllowNotify lets notifications go to the host of an address that the gateway's owner
// gave, wherever it is.
func (tx *Tx) AllowNotify(address string) {
	if u, err := url.Parse(address); err == nil && u.Hostname() != "" && !slices.Contains(tx.g.config.NotifyHosts, u.Hostname()) {
		tx.g.config.NotifyHosts = append(slices.Clip(tx.g.config.NotifyHosts), u.Hostname())
	}
}

// mayNotify checks the address that a connection to a host is about to be made to.
func (g *Gateway) mayNotify(host, address string) error {
	g.mu.Lock()
	allowed := g.config.NotifyHosts
	g.mu.Unlock()
	return mayReach(allowed, host, address)
}

func mayReach(allowed []string, host, address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := to.Addr().Unmap().WithZone("")
	named := func(name string) bool {
		return slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, name) })
	}
	switch {
	case named(ip.String()):
		return nil
	case !beside(ip) && (near(ip) || named(host) || named(AnyHost)):
		return nil
	}
	return &errTarget{host, ip}
}

// Nearby returns connections to this machine, to private networks and to those hosts.
func Nearby(hosts ...string) (*http.Transport, error) {
	if err := checkNotifyHosts(hosts); err != nil {
		return nil, err
	}
	return newOutgoing(func(host, address string) error { return mayReach(hosts, host, address) }), nil
}

// newOutgoing returns the connections of notifications. What is checked is the address
// that is dialled, whatever a name resolved to before.
func newOutgoing(may func(host, address string) error) *http.Transport {
	return &http.Transport{
		MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: MaxRequestBytes,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error { return may(host, address) }}
			conn, err := d.DialContext(ctx, network, address)
			if refused := new(errTarget); errors.As(err, &refused) {
				err = refused
			}
			return conn, err
		},
	}
}

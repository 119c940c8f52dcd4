package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Where a notification may go is decided by the address that is dialled, after the name was
// resolved, so that no name leads round it.
func TestMayNotify(t *testing.T) {
	for _, tt := range []struct {
		host, address string
		hosts         []string
		allowed       bool
	}{
		{"localhost", "127.0.0.1:80", nil, true},
		{"localhost", "[::1]:80", nil, true},
		{"shop", "172.18.0.3:80", nil, true},
		{"shop", "[fd12::3]:80", nil, true},
		{"host.docker.internal", "192.168.65.254:80", nil, true},
		{"host.docker.internal", "0.250.250.254:80", nil, true},
		{"shop.example", "192.0.2.1:443", nil, false},
		{"shop.example", "192.0.2.1:443", []string{"SHOP.example"}, true},
		{"shop.example", "192.0.2.1:443", []string{"192.0.2.1"}, true},
		{"shop.example", "192.0.2.1:443", []string{"*"}, true},
		{"shop.example", "192.0.2.1:443", []string{"other.example"}, false},
		{"shop.example", "[2001:db8::1]:443", nil, false},
		{"localhost", "192.0.2.1:443", nil, false},
		{"rebound.example", "169.254.169.254:80", nil, false},
		{"rebound.example", "169.254.169.254:80", []string{"rebound.example", "*"}, false},
		{"rebound.example", "[::ffff:169.254.169.254]:80", []string{"*"}, false},
		{"169.254.169.254", "169.254.169.254:80", []string{"169.254.169.254"}, true},
		{"x", "[fe80::1%eth0]:80", []string{"*"}, false},
		{"x", "[fd00:ec2::254]:80", []string{"*"}, false},
		{"x", "100.100.100.200:80", nil, false},
	} {
		gw, err := New(Config{MaxOrders: 1, NotifyHosts: tt.hosts})
		require.NoError(t, err)
		err = gw.mayNotify(tt.host, tt.address)
		assert.Equal(t, tt.allowed, err == nil, "%v: %v", tt, err)
	}
}

// What the gateway's owner has registered is allowed by that.
func TestAllowNotify(t *testing.T) {
	gw, err := New(Config{MaxOrders: 1})
	require.NoError(t, err)
	gw.Do(func(tx *Tx) { tx.AllowNotify("https://shop.example:8443/hook") })
	assert.NoError(t, gw.mayNotify("shop.example", "192.0.2.1:8443"))
	assert.Error(t, gw.mayNotify("other.example", "192.0.2.1:8443"))
}

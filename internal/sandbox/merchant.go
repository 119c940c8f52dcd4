package sandbox

import (
	"fmt"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// Merchant is one of the gateway's merchants, with orders and numbers of its own.
type Merchant struct {
	*core.Merchant
	// Client is a client for the gateway, signing as the merchant, nil if the gateway doesn't
	// have the merchant's private key.
	Client *ksher.Client

	g *Gateway
}

// MerchantOf returns the merchant of that app ID, whom the gateway knows from then on. It
// is the same for the same app ID. The error says why a client can't have it.
func (g *Gateway) MerchantOf(appID string) (*Merchant, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known, err := g.Gateway.MerchantOf(appID)
	if err != nil {
		return nil, err
	}
	if m := g.merchants[appID]; m != nil && m.Merchant == known { // A reset may have brought in another one.
		return m, nil
	}
	m := &Merchant{Merchant: known, g: g}
	var opts []ksher.Option
	if appID == AppID {
		opts = g.client
	}
	if known.Signer() != nil {
		if m.Client, err = m.NewClient(opts...); err != nil {
			return nil, err
		}
	}
	g.merchants[appID] = m
	return m, nil
}

// NewClient returns another client for the gateway, signing as the merchant. If the
// gateway was made by [New], the client repeats queries without pausing.
func (m *Merchant) NewClient(opts ...ksher.Option) (*ksher.Client, error) {
	if m.Signer() == nil {
		return nil, fmt.Errorf("kshertest: merchant %q has a key of its own: make the client with ksher.NewClient and that", m.AppID)
	}
	client, base := m.g.Reach()
	standard := []ksher.Option{
		ksher.WithHTTPClient(client),
		ksher.WithGatewayURL(base + "/api"),
		ksher.WithMerchantURL(base + "/KsherPay"),
		ksher.WithVerifier(Verifier()),
		ksher.WithLocation(m.Location()),
	}
	if m.g.speed == 0 {
		standard = append(standard, ksher.WithRetry(3, 0))
	}
	return ksher.NewClient(m.AppID, m.Signer(), append(standard, opts...)...)
}

package sandbox

import (
	"context"

	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

// VIPURL is the base URL of the vip.ksher.net generation, without a path. The path
// of each operation begins with /api/v1.
func (g *Gateway) VIPURL() string { return g.URL() }

// NewVIPClient returns a client for the gateway's merchant at vip.ksher.net. If the gateway
// was made by [New], the client repeats queries without pausing.
func (g *Gateway) NewVIPClient(opts ...vip.Option) (*vip.Client, error) {
	client, base := g.Reach()
	standard := []vip.Option{vip.WithHTTPClient(client)}
	if g.speed == 0 {
		standard = append(standard, vip.WithRetry(3, 0))
	}
	return vip.NewClient(base, VIPToken, append(standard, opts...)...)
}

// SetVIPWebhook is [vipapi.Server.SetWebhook].
func (g *Gateway) SetVIPWebhook(address string) error { return g.vip.SetWebhook(address) }

// OpnURL is the address for [opn.WithBaseURL].
func (g *Gateway) OpnURL() string { return g.URL() + "/opn" }

// NewOpnClient returns a client for the gateway's account at Opn Payments. If the
// gateway was made by [New], the client repeats queries without pausing.
//
// Charges are among the gateway's orders, and can be paid for 10 minutes of its clock. What
// Opn's guide leaves open, such as the codes of refusals, is in docs/kplus.md.
func (g *Gateway) NewOpnClient(opts ...opn.Option) (*opn.Client, error) {
	client, base := g.Reach()
	standard := []opn.Option{opn.WithHTTPClient(client), opn.WithBaseURL(base + "/opn")}
	if g.speed == 0 {
		standard = append(standard, opn.WithRetry(3, 0))
	}
	return opn.NewClient(OpnPublicKey, OpnSecretKey, append(standard, opts...)...)
}

// OpnCharges is [opnapi.Account.Charges].
func (g *Gateway) OpnCharges() []opn.Charge { return g.opn.Charges() }

// PayOpn is [opnapi.Account.Pay].
func (g *Gateway) PayOpn(chargeID string) error { return g.opn.Pay(chargeID) }

// FailOpn is [opnapi.Account.Fail].
func (g *Gateway) FailOpn(chargeID string, code opn.FailureCode) error {
	return g.opn.Fail(chargeID, code)
}

// SetOpnWebhook is [opnapi.Account.SetWebhook].
func (g *Gateway) SetOpnWebhook(address string) error { return g.opn.SetWebhook(address) }

// DeliverOpn is [opnapi.Account.Deliver].
func (g *Gateway) DeliverOpn(ctx context.Context, chargeID string) error {
	return g.opn.Deliver(ctx, chargeID)
}

package kshertest

import (
	"context"
	"fmt"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// Merchant is one of the merchants of a [Gateway], with a key, orders and numbers of its
// own. Only the merchant [AppID] has accounts at vip.ksher.net and at Opn Payments.
type Merchant struct {
	// AppID is the merchant's app ID.
	AppID string
	// Client is a client for the gateway, signing as the merchant. It is nil if the merchant
	// has a key of its own.
	Client *ksher.Client

	merchant
}

// Merchant returns the merchant of that app ID, whom the gateway knows from then on. Its
// key is made for it, and its terms are the usual ones, unless [WithMerchant] says otherwise.
//
// It panics if a client can't have that app ID.
func (g *Gateway) Merchant(appID string) *Merchant {
	m, err := g.sandbox.MerchantOf(appID)
	if err != nil {
		panic(fmt.Sprintf("kshertest: Merchant: %v", err))
	}
	return &Merchant{AppID: appID, Client: m.Client, merchant: merchant{m}}
}

// PrivateKeyPEM returns the merchant's private key as PEM, for programs that read it from a
// file or the environment, "" if the merchant has a key of its own.
func (m *Merchant) PrivateKeyPEM() string { return m.merchant.merchant.PrivateKeyPEM() }

// merchant has what a test does with a merchant's orders.
type merchant struct{ merchant *sandbox.Merchant }

// Begin plays the buyer who has chosen a channel and is typing a PIN or an OTP, by the
// order's first channel if none is given. The order is then USERPAYING, and one by card
// can't be cancelled.
func (m merchant) Begin(mchOrderNo string, channel ksher.Channel) error {
	return m.merchant.Begin(mchOrderNo, channel)
}

// GiveUp plays the buyer who goes back from a channel without paying.
func (m merchant) GiveUp(mchOrderNo string) error { return m.merchant.GiveUp(mchOrderNo) }

// Pay plays the buyer who pays an order through one of its channels: without one, through
// the channel that was begun or else the order's first. As in reality, an order that was
// cancelled can still be paid by a QR code that the buyer saved.
func (m merchant) Pay(mchOrderNo string, channel ksher.Channel) error {
	return m.merchant.Pay(mchOrderNo, channel)
}

// Fail plays the buyer whose payment fails for good.
func (m merchant) Fail(mchOrderNo string) error { return m.merchant.Fail(mchOrderNo) }

// Expire ends the time to pay an order.
func (m merchant) Expire(mchOrderNo string) error { return m.merchant.Expire(mchOrderNo) }

// Settle plays Ksher paying the merchant out: a paid order can no longer be refunded
// through the API.
func (m merchant) Settle(mchOrderNo string) error { return m.merchant.Settle(mchOrderNo) }

// Order returns the gateway's view of an order, by the number that the merchant gave it.
// A payout counts as an order by the channel "payout".
func (m merchant) Order(mchOrderNo string) (Order, error) { return m.merchant.Order(mchOrderNo) }

// Deliver makes the next attempt to notify the merchant of a payment now, without waiting
// for its time. An order whose notification was accepted is notified once more, as a
// repetition that Ksher had sent already. Any answer but the one that Ksher documents is
// [ErrNotAccepted]. An order of vip.ksher.net has a notification for each change of its
// status, which go out one after the other.
func (m merchant) Deliver(ctx context.Context, mchOrderNo string) error {
	return m.merchant.Deliver(ctx, mchOrderNo)
}

// NewClient returns another client for the gateway, with options of your own, signing as
// the merchant. In a gateway made by [New] it repeats queries without pausing.
func (m merchant) NewClient(opts ...ksher.Option) (*ksher.Client, error) {
	return m.merchant.NewClient(opts...)
}

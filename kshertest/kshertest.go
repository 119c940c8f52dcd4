// Package kshertest is a Ksher gateway that runs inside your test or program, because Ksher
// has no public test account. https://github.com/ksher-go/ksher/blob/main/docs/sandbox.md
// says how it behaves.
//
//	gw := kshertest.New(t)
//	resp, err := gw.Client.GatewayPay(ctx, req)
//	err = gw.Pay(req.MchOrderNo, ksher.ChannelTrueMoney) // The buyer pays.
//	err = gw.Deliver(ctx, req.MchOrderNo)                // Ksher notifies you.
//
// Nothing happens by itself in a gateway made by [New]. One made by [Start] runs in real time.
// Don't rely on what Ksher doesn't document where it matters, such as which code refuses what.
package kshertest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

// Gateway is a local gateway with its state. It is safe for concurrent use.
type Gateway struct {
	// Client is a client for the gateway, signing as the merchant [AppID].
	Client *ksher.Client
	// VIP is a client of the older generation for the same merchant.
	VIP *vip.Client
	// Opn is a client of the same merchant's account at Opn Payments.
	Opn *opn.Client

	merchant
	sandbox *sandbox.Gateway
}

// Option sets up a [Gateway].
type Option = sandbox.Option

// WithAddress sets where the gateway listens, a free port of the loopback interface by
// default. Whoever can reach the address can pay and refund orders on it.
func WithAddress(address string) Option { return sandbox.WithAddress(address) }

// WithSpeed lets the gateway's clock run that many times faster than the real one, so
// that a day of notifications takes a minute at 1440.
func WithSpeed(times float64) Option { return sandbox.WithSpeed(times) }

// WithPayoutBalance sets how much payouts can be made of, before the first of them,
// 100,000 THB by default. Nothing adds to it: the payments of buyers don't.
func WithPayoutBalance(balance ksher.Amount) Option { return sandbox.WithPayoutBalance(balance) }

// WithStrict says whether the gateway refuses what Ksher's documentation doesn't allow, also
// where the real gateway seems to accept it. One made by [New] is strict by default, and one
// made by [Start] isn't: it notes what it lets pass in [Request].
func WithStrict(strict bool) Option { return sandbox.WithStrict(strict) }

// WithVariedFees lets a quarter of the orders have their fees as texts, and another quarter
// an empty cash fee, by their numbers, as genuine answers have them now and then.
func WithVariedFees() Option { return sandbox.WithVariedFees() }

// Terms are what a merchant has agreed with Ksher: Account ("offline", "online", or "" for
// the channels of both), Channels, Currencies (THB, MYR, JPY, AED), Zone such as "+08:00",
// and PublicKey, the PEM of a key of the merchant's own. What is empty is as usual: every
// channel, THB, "+07:00", and a pair of keys that is made.
type Terms = sandbox.Terms

// WithMerchant lets the gateway know a merchant with those terms, for [Gateway.Merchant]. It
// may be [AppID], whose key is fixed. Terms that make no sense are an error of the start.
func WithMerchant(appID string, terms Terms) Option { return sandbox.WithMerchant(appID, terms) }

// TB is the part of [testing.TB] that this package needs.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// New starts a gateway for a test, and closes it when the test ends. Its clock stands
// still until [Gateway.Advance] moves it, and it notifies only then or when
// [Gateway.Deliver] says so. A client that waits, for a payment or before it repeats a
// query, moves the clock as Advance does, and doesn't wait; only Payments.Run waits for
// Advance between its passes. Before another notification of an order that wasn't paid,
// Advance by a second, or the handler answers 503 without a query.
func New(tb TB, opts ...Option) *Gateway {
	tb.Helper()
	gw, err := Start(append([]Option{sandbox.WithSpeed(0), sandbox.WithStrict(true)}, opts...)...)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	tb.Cleanup(gw.Close)
	return gw
}

// Start starts a gateway that runs in real time and notifies by itself, on a free port of
// the loopback interface unless told otherwise. Close it when you are done. Its clients
// go by its clock, too, at the speed that [WithSpeed] sets.
func Start(opts ...Option) (*Gateway, error) {
	gw, err := sandbox.Start(opts...)
	if err != nil {
		return nil, err
	}
	gw.OpenPayouts()
	g := &Gateway{Client: gw.Client, merchant: merchant{gw.Merchant}, sandbox: gw}
	if g.VIP, err = gw.NewVIPClient(); err == nil {
		g.Opn, err = gw.NewOpnClient()
	}
	if err != nil {
		gw.Close()
		return nil, fmt.Errorf("kshertest: %w", err)
	}
	return g, nil
}

// Close ends the gateway and its connections. It leaves no goroutine behind.
func (g *Gateway) Close() { g.sandbox.Close() }

// URL is the address of the gateway's dashboard, and for [vip.NewClient]. With "/opn" behind
// it, it is that for [opn.WithBaseURL].
func (g *Gateway) URL() string { return g.sandbox.URL() }

// GatewayURL is the address for [ksher.WithGatewayURL].
func (g *Gateway) GatewayURL() string { return g.sandbox.GatewayURL() }

// MerchantURL is the address for [ksher.WithMerchantURL].
func (g *Gateway) MerchantURL() string { return g.sandbox.MerchantURL() }

// HTTPClient returns an HTTP client whose connections Close closes, for requests of your
// own and for [ksher.WithHTTPClient]. A client that has it goes by the gateway's clock.
func (g *Gateway) HTTPClient() *http.Client { return g.sandbox.HTTPClient() }

// Now is the time of the gateway's clock, in whole seconds.
func (g *Gateway) Now() time.Time { return g.sandbox.Now() }

// Advance moves the gateway's clock forward, and on the way delivers the notifications
// that fall due, each at its time and in order. Orders expire by the same clock.
func (g *Gateway) Advance(d time.Duration) { g.sandbox.Advance(d) }

// Inject makes the gateway misbehave in the requests or notifications to come. Faults of
// the same operation happen one after the other, in the order they were injected, one to
// a request. A client repeats a query after some of them, so that a test which is to see
// the error injects as many as there are attempts. The error says what is wrong with the
// fault.
func (g *Gateway) Inject(f Fault) error { return g.sandbox.Inject(f) }

// Requests returns the last 200 requests, the oldest first, refused ones among them.
func (g *Gateway) Requests() []Request { return g.sandbox.Requests() }

// SetVIPWebhook sets the address that the merchant has registered at vip.ksher.net for
// notifications, "" for none, which is the default. An address that isn't one of http or
// https, or that has a query or a fragment, is an error and changes nothing.
func (g *Gateway) SetVIPWebhook(address string) error { return g.sandbox.SetVIPWebhook(address) }

// PayOpn plays the buyer who pays a charge in K PLUS.
func (g *Gateway) PayOpn(chargeID string) error { return g.sandbox.PayOpn(chargeID) }

// FailOpn plays the buyer whose payment fails for that reason.
func (g *Gateway) FailOpn(chargeID string, code opn.FailureCode) error {
	return g.sandbox.FailOpn(chargeID, code)
}

// SetOpnWebhook registers the address that events of Opn Payments go to, "" for none,
// which is the default. A gateway made by [Start] posts a charge.create before it answers
// the request that makes a charge, and a charge.complete soon after it was paid or has
// failed. One made by [New] waits for Advance or DeliverOpn. An address that isn't one of
// http or https is an error and changes nothing.
func (g *Gateway) SetOpnWebhook(address string) error { return g.sandbox.SetOpnWebhook(address) }

// DeliverOpn posts a charge.complete event about a charge to the registered address now,
// whatever the charge's status, and as often as it is called. Events of the charge that
// haven't gone out yet, charge.create among them, don't any more. Any answer but an HTTP
// status of 200 is [ErrNotAccepted].
func (g *Gateway) DeliverOpn(ctx context.Context, chargeID string) error {
	return g.sandbox.DeliverOpn(ctx, chargeID)
}

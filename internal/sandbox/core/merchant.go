package core

import (
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/shortrsa"
)

// Merchant is one of the gateway's merchants, with orders and numbers of its own.
type Merchant struct {
	// AppID is the merchant's app ID.
	AppID string
	// Terms are what the merchant has agreed with Ksher.
	Terms

	g      *Gateway
	public *rsa.PublicKey
	// key is nil for a merchant with a key of its own, and pem is the key as PEM.
	key crypto.Signer
	pem string
}

// merchantKeyBits is the length of the keys that are made: the shortest that the standard
// library makes.
const merchantKeyBits = 1024

// Known returns the merchant of that app ID, nil if there is none.
func (g *Gateway) Known(appID string) *Merchant {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.merchants[appID]
}

// MerchantOf returns the merchant of that app ID, whom the gateway knows from then on. It
// is the same for the same app ID.
func (g *Gateway) MerchantOf(appID string) (*Merchant, error) {
	if m := g.Known(appID); m != nil {
		return m, nil
	}
	m, err := g.AddMerchant(appID, Terms{})
	if errors.Is(err, ErrMerchantExists) { // Made meanwhile.
		return g.Known(appID), nil
	}
	return m, err
}

// makeKey makes a private key for a merchant, as PEM.
func (g *Gateway) makeKey(appID string) (string, error) {
	var key *rsa.PrivateKey
	var err error
	if g.config.Seed != "" {
		key = g.drawKey(appID)
	} else if key, err = rsa.GenerateKey(rand.Reader, merchantKeyBits); err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), nil
}

// PublicKey is what the merchant's signatures are checked with.
func (m *Merchant) PublicKey() *rsa.PublicKey { return m.public }

// SignedWith tells by which digest the merchant has signed the text, MD5 or SHA-1, and is 0
// if it hasn't. The standard library takes keys from 1024 bits on.
func (m *Merchant) SignedWith(text, sig []byte) crypto.Hash {
	md5Sum, sha1Sum := md5.Sum(text), sha1.Sum(text)
	long := m.PublicKey()
	isMD5 := func() bool { return rsa.VerifyPKCS1v15(long, crypto.MD5, md5Sum[:], sig) == nil }
	isSHA1 := func() bool { return rsa.VerifyPKCS1v15(long, crypto.SHA1, sha1Sum[:], sig) == nil }
	if long.N.BitLen() < merchantKeyBits {
		short, err := shortrsa.NewPublicKey(long)
		if err != nil {
			panic(err) // It was tried when the merchant was made.
		}
		isMD5 = func() bool { return short.Verify(md5Sum, sig) == nil }
		isSHA1 = func() bool { return short.VerifySHA1(sha1Sum, sig) == nil }
	}
	switch {
	case isMD5():
		return crypto.MD5
	case isSHA1():
		return crypto.SHA1
	}
	return 0
}

// PrivateKeyPEM returns the merchant's private key as PEM, for programs that read it from
// a file or the environment, "" if the gateway doesn't have it.
func (m *Merchant) PrivateKeyPEM() string { return m.pem }

// Signer is the merchant's private key, nil if the gateway doesn't have it.
func (m *Merchant) Signer() crypto.Signer { return m.key }

// Begin plays the buyer who has chosen a channel and is typing a PIN or an OTP,
// by the order's first channel if none is given. The order is then USERPAYING,
// and one by card can't be cancelled.
func (m *Merchant) Begin(mchOrderNo string, channel ksher.Channel) error {
	return m.change("Begin", mchOrderNo, func(o *Entry) error { return o.begin(channel, m.g.now()) })
}

// GiveUp plays the buyer who goes back from a channel without paying.
func (m *Merchant) GiveUp(mchOrderNo string) error {
	return m.change("GiveUp", mchOrderNo, func(o *Entry) error { return o.giveUp(m.g.now()) })
}

// Pay plays the buyer who pays an order through one of its channels: without
// one, through the channel that was begun or else the order's first. As in
// reality, an order that was cancelled can still be paid by a QR code that the
// buyer saved.
func (m *Merchant) Pay(mchOrderNo string, channel ksher.Channel) error {
	return m.change("Pay", mchOrderNo, func(o *Entry) error { return m.g.pay(o, channel) })
}

// Fail plays the buyer whose payment fails for good.
func (m *Merchant) Fail(mchOrderNo string) error {
	return m.change("Fail", mchOrderNo, func(o *Entry) error { return o.fail(m.g.now(), "") })
}

// Expire ends the time to pay an order.
func (m *Merchant) Expire(mchOrderNo string) error {
	return m.change("Expire", mchOrderNo, func(o *Entry) error { return o.expire(m.g.now()) })
}

// Settle plays Ksher paying the merchant out: a paid order can no longer be
// refunded through the API.
func (m *Merchant) Settle(mchOrderNo string) error {
	return m.change("Settle", mchOrderNo, func(o *Entry) error {
		if o.PaidAt.IsZero() {
			return fmt.Errorf("it is %s, not paid", o.State(m.g.now()))
		}
		o.Settled = true
		o.note(m.g.now(), "settled")
		return nil
	})
}

// RefundOnPlatform plays the merchant who gives a part of a paid order back on the merchant
// platform, which the shop's program isn't told of. There the rules of the API don't hold:
// every channel can be refunded, at any time and after the settlement.
func (m *Merchant) RefundOnPlatform(mchOrderNo string, fee ksher.Amount) error {
	return m.change("RefundOnPlatform", mchOrderNo, func(o *Entry) error {
		left := o.Total - o.Refunded()
		switch {
		case o.Foreign:
			return fmt.Errorf("%w: its provider isn't Ksher", ErrNotRefundable)
		case o.PaidAt.IsZero() || o.Payout || left == 0:
			return fmt.Errorf("%w: it is %s", ErrNotRefundable, o.State(m.g.now()))
		case fee <= 0 || fee > left:
			return fmt.Errorf("%w by %s: %s of it is left", ErrNotRefundable, fee.Display(o.FeeType), left.Display(o.FeeType))
		}
		(&Tx{g: m.g}).giveBack(o, "", fee)
		o.note(m.g.now(), "refunded %s on the merchant platform", fee.Display(o.FeeType))
		return nil
	})
}

// Order returns the gateway's view of an order, by the number that the merchant
// gave it. A payout counts as an order by the channel "payout".
func (m *Merchant) Order(mchOrderNo string) (Order, error) {
	var view Order
	err := m.change("Order", mchOrderNo, func(o *Entry) error {
		view = o.view(m.g.now())
		return nil
	})
	return view, err
}

// change runs a function on an order under the lock.
func (m *Merchant) change(what, mchOrderNo string, fn func(*Entry) error) error {
	g := m.g
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.own(m.AppID, mchOrderNo)
	err := ErrNoOrder
	if o != nil {
		err = fn(o)
	}
	if err == nil {
		err = g.save(o)
	}
	if err != nil {
		return fmt.Errorf("kshertest: %s: order %q: %w", what, mchOrderNo, err)
	}
	return nil
}

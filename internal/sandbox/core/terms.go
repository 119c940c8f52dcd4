package core

import (
	"cmp"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/shortrsa"
)

// Account is a kind of merchant account, which decides the channels of
// native_pay.
//
// Source: Ksher's KIOSK (C Scan B) Integration Guide.
type Account string

// Kinds of account.
const (
	AnyAccount     Account = ""        // AnyAccount has the channels of both.
	OfflineAccount Account = "offline" // OfflineAccount is for shops with a counter.
	OnlineAccount  Account = "online"  // OnlineAccount is for websites.
)

// What a merchant chooses for TrueMoney when opening an account with Ksher.
const (
	TrueMoneyQR  = "qr"  // TrueMoneyQR shows a QR code.
	TrueMoneyOTP = "otp" // TrueMoneyOTP asks for the phone's number and a one-time code.
)

// Terms are what a merchant has agreed with Ksher.
type Terms struct {
	// Account is the kind of account, [AnyAccount] by default.
	Account Account `json:"account,omitzero"`
	// Channels are those that the merchant may use, all of them by default.
	Channels []ksher.Channel `json:"channels,omitempty"`
	// Currencies are those that orders can be in, THB by default. merchant_info names
	// the first one.
	Currencies []string `json:"currencies,omitempty"`
	// Zone is the merchant's distance from UTC, "+07:00" by default.
	Zone string `json:"zone,omitzero"`
	// TrueMoney is how a buyer pays by TrueMoney on the checkout page: [TrueMoneyQR] or
	// [TrueMoneyOTP], by default either.
	TrueMoney string `json:"truemoney,omitzero"`
	// PublicKey is the PEM of the key that the merchant's requests are checked with. By
	// default a pair of keys is made for the merchant.
	PublicKey string `json:"public_key,omitzero"`
}

// baht is the currency of a merchant that has agreed on no other.
const baht = "THB"

// currencies are the documented ones.
var currencies = []string{baht, "MYR", "JPY", "AED"}

// zoneLayout is the form of [Terms.Zone].
const zoneLayout = "-07:00"

// publicKey reads the terms' key, nil if they have none.
func (t Terms) publicKey() (*rsa.PublicKey, error) {
	if t.PublicKey == "" {
		return nil, nil
	}
	key, err := ksher.ParsePublicKey([]byte(t.PublicKey))
	if err == nil && key.N.BitLen() < merchantKeyBits {
		_, err = shortrsa.NewPublicKey(key)
	}
	if err != nil {
		return nil, fmt.Errorf("the public key: %w", err)
	}
	return key, nil
}

// check says what is wrong with the terms.
func (t Terms) check() error {
	if !slices.Contains([]Account{AnyAccount, OfflineAccount, OnlineAccount}, t.Account) {
		return fmt.Errorf("the account %q: there are %s and %s, and without one the channels of both are open", t.Account, OfflineAccount, OnlineAccount)
	}
	for _, c := range t.Channels {
		if _, known := c.Info(); !known {
			return fmt.Errorf("the channel %q isn't one of Ksher's; docs/channels.md lists them", c)
		}
	}
	for _, c := range t.Currencies {
		if !slices.Contains(currencies, c) {
			return fmt.Errorf("the currency %q isn't documented; %s are", c, strings.Join(currencies, ", "))
		}
	}
	if !slices.Contains([]string{"", TrueMoneyQR, TrueMoneyOTP}, t.TrueMoney) {
		return fmt.Errorf("TrueMoney by %q: there are %s and %s, and without one the page has both", t.TrueMoney, TrueMoneyQR, TrueMoneyOTP)
	}
	if _, err := time.Parse(zoneLayout, t.Zone); t.Zone != "" && err != nil {
		return fmt.Errorf("the zone %q: it looks like +07:00", t.Zone)
	}
	_, err := t.publicKey()
	return err
}

// Offers tells whether the merchant may use a channel.
func (t Terms) Offers(c ksher.Channel) bool {
	return len(t.Channels) == 0 || slices.Contains(t.Channels, c)
}

// Takes tells whether orders can be in that currency.
func (t Terms) Takes(currency string) bool {
	return currency == baht && len(t.Currencies) == 0 || slices.Contains(t.Currencies, currency)
}

// Currency is the one that the merchant's account is in.
func (t Terms) Currency() string { return slices.Concat(t.Currencies, []string{baht})[0] }

// Location is the merchant's time zone.
func (t Terms) Location() *time.Location { return location(t.Zone) }

// location is the zone of that distance from UTC, [Zone] if it is empty.
func location(zone string) *time.Location {
	at, err := time.Parse(zoneLayout, zone)
	if err != nil {
		return Zone
	}
	_, seconds := at.Zone()
	return time.FixedZone("UTC"+zone, seconds)
}

// Location is the time zone of the order's merchant.
func (o *Entry) Location() *time.Location { return location(o.Zone) }

// ErrMerchantExists means that the gateway has a merchant of that app ID already.
var ErrMerchantExists = errors.New("there is a merchant of that app ID already")

// storedMerchant is a merchant as a store has it. Key is the PEM of a key that was made.
type storedMerchant struct {
	Terms Terms
	Key   string `json:",omitzero"`
}

// newMerchant returns a merchant who agrees to the terms. pem is its private key, "" if one
// has to be made or the terms have its public key.
func (g *Gateway) newMerchant(appID string, terms Terms, pem string) (*Merchant, error) {
	if err := terms.check(); err != nil {
		return nil, &ConfigError{fmt.Errorf("merchant %q: %w", appID, err)}
	}
	if _, err := ksher.NewClient(appID, PrivateKey()); err != nil {
		return nil, &ConfigError{err}
	}
	m := &Merchant{AppID: appID, Terms: terms, g: g}
	if m.public, _ = terms.publicKey(); m.public != nil {
		if appID == AppID {
			return nil, &ConfigError{fmt.Errorf("merchant %q: its key is fixed; give another merchant one", appID)}
		}
		return m, nil
	}
	var err error
	if m.pem = pem; pem == "" {
		if m.pem, err = g.makeKey(appID); err != nil {
			return nil, fmt.Errorf("kshertest: a key for merchant %q: %w", appID, err)
		}
	}
	if m.key, err = ksher.ParsePrivateKey([]byte(m.pem)); err != nil {
		return nil, fmt.Errorf("kshertest: the key of merchant %q: %w", appID, err)
	}
	m.public = m.key.Public().(*rsa.PublicKey)
	return m, nil
}

// maxMerchants bounds the merchants that are added to a running gateway.
const maxMerchants = 10_000

// AddMerchant lets the gateway know one more merchant. If there is one of that app ID, the
// error is an [ErrMerchantExists].
func (g *Gateway) AddMerchant(appID string, terms Terms) (*Merchant, error) {
	m, err := g.newMerchant(appID, terms, "")
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.merchants[appID] != nil {
		return nil, fmt.Errorf("kshertest: merchant %q: %w", appID, ErrMerchantExists)
	}
	if len(g.merchants) >= maxMerchants {
		return nil, fmt.Errorf("kshertest: merchant %q: there are %d already", appID, len(g.merchants))
	}
	g.merchants[appID], g.merchantsChanged = m, true
	if err := g.save(); err != nil {
		delete(g.merchants, appID)
		return nil, err
	}
	return m, nil
}

// addAll makes the merchants that the gateway is started with. One that was stored keeps the
// key that was made for it, and its orders.
func (g *Gateway) addAll(terms map[string]Terms) error {
	for appID, t := range terms {
		var pem string
		if stored := g.merchants[appID]; stored != nil {
			pem = stored.pem
		}
		m, err := g.newMerchant(appID, t, pem)
		if err != nil {
			return err
		}
		g.merchants[appID], g.merchantsChanged = m, true
	}
	return g.save()
}

// stored are the merchants for the store. The terms of [AppID] come with each start. The
// caller holds g.mu.
func (g *Gateway) stored() map[string]storedMerchant {
	all := make(map[string]storedMerchant)
	for appID, m := range g.merchants {
		if appID != AppID {
			all[appID] = storedMerchant{m.Terms, m.pem}
		}
	}
	return all
}

// restoreMerchants takes over those of the store.
func (g *Gateway) restoreMerchants(all map[string]storedMerchant) error {
	for appID, s := range all {
		m, err := g.newMerchant(appID, s.Terms, s.Key)
		if err != nil {
			return err
		}
		g.merchants[appID] = m
	}
	return nil
}

// Merchants returns all of them, the merchant [AppID] first.
func (g *Gateway) Merchants() []*Merchant {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []*Merchant
	for _, m := range g.merchants {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *Merchant) int {
		switch AppID {
		case a.AppID:
			return -1
		case b.AppID:
			return 1
		}
		return cmp.Compare(a.AppID, b.AppID)
	})
	return all
}

// Terms are those of a merchant, the usual ones if the gateway doesn't know it.
func (tx *Tx) Terms(appID string) Terms {
	if m := tx.g.merchants[appID]; m != nil {
		return m.Terms
	}
	return Terms{}
}

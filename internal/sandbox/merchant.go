package sandbox

import (
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/shortrsa"
)

// Merchant is one of the gateway's merchants, with orders and numbers of its own.
type Merchant struct {
	// AppID is the merchant's app ID.
	AppID string
	// Client is a client for the gateway, signing as the merchant.
	Client *ksher.Client

	g   *Gateway
	key crypto.Signer
	// pem is the key as PEM.
	pem string
}

// merchantKeyBits is the length of the keys that are made: the shortest that the standard
// library makes.
const merchantKeyBits = 1024

// known returns the merchant of that app ID, nil if there is none.
func (g *Gateway) known(appID string) *Merchant {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.merchants[appID]
}

// MerchantOf returns the merchant of that app ID, whom the gateway knows from then on. It
// is the same for the same app ID. The error says why a client can't have it.
func (g *Gateway) MerchantOf(appID string) (*Merchant, error) {
	if m := g.known(appID); m != nil {
		return m, nil
	}
	m := &Merchant{AppID: appID, g: g, key: PrivateKey(), pem: PrivateKeyPEM()}
	var opts []ksher.Option
	if appID == AppID {
		opts = g.client
	} else {
		key, err := rsa.GenerateKey(rand.Reader, merchantKeyBits)
		if err != nil {
			return nil, fmt.Errorf("kshertest: a key for merchant %q: %w", appID, err)
		}
		m.key = key
		m.pem = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	}
	var err error
	if m.Client, err = m.NewClient(opts...); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if there := g.merchants[appID]; there != nil { // Made meanwhile.
		return there, nil
	}
	g.merchants[appID] = m
	return m, nil
}

func (m *Merchant) public() *rsa.PublicKey { return m.key.Public().(*rsa.PublicKey) }

// verify tells whether the merchant has signed that MD5 sum. The standard library takes
// keys from 1024 bits on.
func (m *Merchant) verify(sum [md5.Size]byte, sig []byte) bool {
	if m.public().N.BitLen() >= merchantKeyBits {
		return rsa.VerifyPKCS1v15(m.public(), crypto.MD5, sum[:], sig) == nil
	}
	key, err := shortrsa.NewPublicKey(m.public())
	if err != nil {
		panic(err) // The key is part of this package.
	}
	return key.Verify(sum, sig) == nil
}

// PrivateKeyPEM returns the merchant's private key as PEM, for programs that read it from
// a file or the environment.
func (m *Merchant) PrivateKeyPEM() string { return m.pem }

// NewClient returns another client for the gateway, signing as the merchant. If the
// gateway was made by [New], the client repeats queries without pausing.
func (m *Merchant) NewClient(opts ...ksher.Option) (*ksher.Client, error) {
	client, base := m.g.reach()
	standard := []ksher.Option{
		ksher.WithHTTPClient(client),
		ksher.WithGatewayURL(base + "/api"),
		ksher.WithMerchantURL(base + "/KsherPay"),
		ksher.WithVerifier(Verifier()),
	}
	if m.g.speed == 0 {
		standard = append(standard, ksher.WithRetry(3, 0))
	}
	return ksher.NewClient(m.AppID, m.key, append(standard, opts...)...)
}

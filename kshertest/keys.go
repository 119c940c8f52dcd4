package kshertest

import (
	"crypto"
	"net/http"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// AppID is the app ID of the gateway's merchant.
const AppID = sandbox.AppID

// What the gateway's merchant has at vip.ksher.net and at Opn Payments, for a program under
// test. They are public, and for tests only.
const (
	VIPToken     = sandbox.VIPToken
	OpnPublicKey = sandbox.OpnPublicKey
	OpnSecretKey = sandbox.OpnSecretKey
)

// PrivateKey returns the private key of the merchant [AppID]: 512 bits, as many accounts
// have. It is public, and for tests only.
func PrivateKey() crypto.Signer { return sandbox.PrivateKey() }

// PrivateKeyPEM returns the private key of the merchant [AppID] as PEM, for programs that
// read it from a file or the environment.
func PrivateKeyPEM() string { return sandbox.PrivateKeyPEM() }

// Verifier returns a verifier for what the gateway, [SignedResponse] and
// [SignedNotification] sign, for [ksher.WithVerifier].
func Verifier() *ksher.Verifier { return sandbox.Verifier() }

// SignedResponse returns the body of a successful answer with that data, for a mock that
// answers requests. Data is a response type of package ksher, such as
// &ksher.GatewayOrderQueryResponse{Order: ksher.Order{…}}, or a map with the names of the
// wire. A client believes it with [ksher.WithVerifier] and [Verifier]. Of a
// [ksher.MerchantInfoResponse] and a [ksher.GetSettlementInfoResponse] only the part is
// signed that Ksher signs, and of a map everything.
//
// It panics if data can't be written as a JSON object.
func SignedResponse(data any) []byte { return sandbox.SignedResponse(data) }

// SignedNotification returns a notification with that data, signed by the gateway's key, as
// the request that Ksher would post to the target: to hand to a handler's ServeHTTP or to
// send. Data is as in [SignedResponse], usually a *ksher.Order.
//
// It panics if data can't be written as a JSON object, or if the target is not an address.
func SignedNotification(target string, data any) *http.Request {
	return sandbox.SignedNotification(target, data)
}

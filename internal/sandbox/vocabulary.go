package sandbox

import (
	"context"
	"crypto"
	"crypto/rsa"
	"net/http"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/api"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/opnapi"
	"github.com/ksher-go/ksher/internal/sandbox/vipapi"
)

// What the rooms say, for those who start a gateway.
type (
	Order     = core.Order
	State     = core.State
	Event     = core.Event
	Delivery  = core.Delivery
	Request   = core.Request
	Fault     = core.Fault
	FaultKind = core.FaultKind
	Store     = core.Store
	Record    = core.Record
	Account   = core.Account
	Terms     = core.Terms

	ConfigError = core.ConfigError
)

const (
	AppID = core.AppID

	VIPToken     = vipapi.Token
	OpnPublicKey = opnapi.PublicKey
	OpnSecretKey = opnapi.SecretKey

	AnyAccount     = core.AnyAccount
	OfflineAccount = core.OfflineAccount
	OnlineAccount  = core.OnlineAccount

	Created        = core.Created
	InProgress     = core.InProgress
	Paid           = core.Paid
	RefundedInPart = core.RefundedInPart
	Refunded       = core.Refunded
	Failed         = core.Failed
	Expired        = core.Expired
	Cancelled      = core.Cancelled

	FaultLatency      = core.FaultLatency
	FaultDropBefore   = core.FaultDropBefore
	FaultDropAfter    = core.FaultDropAfter
	FaultHTTP500      = core.FaultHTTP500
	FaultHTML502      = core.FaultHTML502
	FaultEmpty        = core.FaultEmpty
	FaultTruncated    = core.FaultTruncated
	FaultEndless      = core.FaultEndless
	FaultBadSignature = core.FaultBadSignature
	FaultOtherKey     = core.FaultOtherKey
	FaultRefuse       = core.FaultRefuse
	FaultClockSkew    = core.FaultClockSkew
	FaultDuplicate    = core.FaultDuplicate
	FaultLate         = core.FaultLate
	FaultReorder      = core.FaultReorder
	FaultCorrupt      = core.FaultCorrupt
	FaultEncoded      = core.FaultEncoded
	FaultMinimal      = core.FaultMinimal
)

var (
	ErrNotPayable     = core.ErrNotPayable
	ErrNoOrder        = core.ErrNoOrder
	ErrNoNotification = core.ErrNoNotification
	ErrNotAccepted    = core.ErrNotAccepted
)

// SignedParts is [api.SignedParts].
var SignedParts = api.SignedParts

// NotificationSchedule is [api.Schedule].
var NotificationSchedule = api.Schedule

// Watching is [api.Watching].
const Watching = api.Watching

// PostNotification is [api.Post].
func PostNotification(ctx context.Context, way http.RoundTripper, target string, body []byte) (status int, answer string, err error) {
	return api.Post(ctx, way, target, body)
}

// Masked is [core.Masked].
var Masked = core.Masked

// IsSecret is [core.IsSecret].
func IsSecret(name string) bool { return core.IsSecret(name) }

// PrivateKey is [core.PrivateKey].
func PrivateKey() crypto.Signer { return core.PrivateKey() }

// PrivateKeyPEM is [core.PrivateKeyPEM].
func PrivateKeyPEM() string { return core.PrivateKeyPEM() }

// PublicKey is [api.PublicKey].
func PublicKey(version ksher.SignVersion) *rsa.PublicKey { return api.PublicKey(version) }

// Verifier is [api.Verifier].
func Verifier() *ksher.Verifier { return api.Verifier() }

// Nearby is [core.Nearby].
func Nearby(hosts ...string) (*http.Transport, error) { return core.Nearby(hosts...) }

// Refusal is [api.Refusal].
func Refusal(operation string, code ksher.Code) []byte { return api.Refusal(operation, code) }

// Accepted is [api.Accepted].
func Accepted(answer []byte) bool { return api.Accepted(answer) }

// SignedResponse is [api.SignedResponse].
func SignedResponse(data any) []byte { return api.SignedResponse(data) }

// SignedNotification is [api.SignedNotification].
func SignedNotification(target string, data any) *http.Request {
	return api.SignedNotification(target, data)
}

// Package kshertest is a Ksher gateway that runs inside your test or program,
// because Ksher has no public test account. It keeps orders, checks signatures
// and parameters, refuses with Ksher's codes, signs what it says, notifies on
// Ksher's schedule, misbehaves on request, and lets you play the buyer.
//
// In a test, one line gives a gateway and a client that talks to it:
//
//	gw := kshertest.New(t)
//	resp, err := gw.Client.GatewayPay(ctx, req)
//	…
//	err = gw.Pay(req.MchOrderNo, ksher.ChannelTrueMoney) // The buyer pays.
//	err = gw.Deliver(ctx, req.MchOrderNo)                // Ksher notifies you.
//
// The clock of such a gateway stands still until [Gateway.Advance] moves it, and
// nothing happens by itself. In a program, [Start] gives one that runs in real
// time and notifies by itself.
//
// The last two characters of the code that [ksher.Client.QuickPay] charges decide
// how it goes:
//
//	01  the buyer has to type a PIN: NOTSURE, and USERPAYING until Pay, Fail or Expire
//	02  the code is too old: ORDER_PAYMENT_ERROR, and there is no order
//	03  the buyer hasn't enough money: ORDER_PAYMENT_ERROR, and the order is PAYERROR
//
// Any other code is paid at once. The first digits tell the wallet, as in
// reality: 10 to 15, with 18 digits, is WeChat Pay, and 25 to 30, with 16 to 24
// digits, is Alipay. Other codes need a channel.
//
// The last two digits of the amount that [ksher.Client.Payout] pays out decide how
// that goes:
//
//	01  the money is on its way: PENDING, until Pay or Fail
//	03  the receiver's bank says no: ORDER_PAYMENT_ERROR, and the payout is PAYERROR
//
// Any other amount is paid out at once, if the balance has it.
//
// The gateway serves the older vip.ksher.net, too, under [Gateway.VIPURL] and with
// [VIPToken]. Its orders are orders like any other: Pay, Fail, Deliver and the rest
// work on them, and a code that is charged at a till goes as above. A number can be
// used in one of the two only.
//
// Without any server, [SignedResponse] makes the body of a correctly signed
// answer for a mock, and [SignedNotification] a correctly signed notification
// for a handler.
//
// What Ksher doesn't document is decided here as seems likely, and the
// docstrings say so. Don't rely on it where it matters: the codes of a refusal,
// for instance, are documented, but seldom which operation gives which.
package kshertest

import "github.com/ksher-go/ksher/internal/sandbox"

// What the local gateway is made of.
type (
	Account   = sandbox.Account
	Delivery  = sandbox.Delivery
	Event     = sandbox.Event
	Fault     = sandbox.Fault
	FaultKind = sandbox.FaultKind
	Gateway   = sandbox.Gateway
	Option    = sandbox.Option
	Order     = sandbox.Order
	Request   = sandbox.Request
	State     = sandbox.State
	TB        = sandbox.TB
)

// What the local gateway knows.
const (
	OpnPublicKey      = sandbox.OpnPublicKey
	OpnSecretKey      = sandbox.OpnSecretKey
	AppID             = sandbox.AppID
	VIPToken          = sandbox.VIPToken
	AnyAccount        = sandbox.AnyAccount
	OfflineAccount    = sandbox.OfflineAccount
	OnlineAccount     = sandbox.OnlineAccount
	FaultLatency      = sandbox.FaultLatency
	FaultDropBefore   = sandbox.FaultDropBefore
	FaultDropAfter    = sandbox.FaultDropAfter
	FaultHTTP500      = sandbox.FaultHTTP500
	FaultHTML502      = sandbox.FaultHTML502
	FaultEmpty        = sandbox.FaultEmpty
	FaultTruncated    = sandbox.FaultTruncated
	FaultEndless      = sandbox.FaultEndless
	FaultBadSignature = sandbox.FaultBadSignature
	FaultOtherKey     = sandbox.FaultOtherKey
	FaultRefuse       = sandbox.FaultRefuse
	FaultClockSkew    = sandbox.FaultClockSkew
	FaultDuplicate    = sandbox.FaultDuplicate
	FaultLate         = sandbox.FaultLate
	FaultReorder      = sandbox.FaultReorder
	FaultCorrupt      = sandbox.FaultCorrupt
	Created           = sandbox.Created
	InProgress        = sandbox.InProgress
	Paid              = sandbox.Paid
	RefundedInPart    = sandbox.RefundedInPart
	Refunded          = sandbox.Refunded
	Failed            = sandbox.Failed
	Expired           = sandbox.Expired
	Cancelled         = sandbox.Cancelled
)

// Errors of the local gateway.
var (
	ErrNoNotification = sandbox.ErrNoNotification
	ErrNoOrder        = sandbox.ErrNoOrder
	ErrNotAccepted    = sandbox.ErrNotAccepted
	ErrNotPayable     = sandbox.ErrNotPayable
)

// How a local gateway is made and looked at.
var (
	AssertNotified     = sandbox.AssertNotified
	AssertPaid         = sandbox.AssertPaid
	AssertRefunded     = sandbox.AssertRefunded
	PrivateKey         = sandbox.PrivateKey
	PrivateKeyPEM      = sandbox.PrivateKeyPEM
	PublicKey          = sandbox.PublicKey
	SignedNotification = sandbox.SignedNotification
	SignedResponse     = sandbox.SignedResponse
	Verifier           = sandbox.Verifier
	New                = sandbox.New
	Start              = sandbox.Start
	WithAccount        = sandbox.WithAccount
	WithAddress        = sandbox.WithAddress
	WithClientOptions  = sandbox.WithClientOptions
	WithMaxOrders      = sandbox.WithMaxOrders
	WithPayoutBalance  = sandbox.WithPayoutBalance
	WithSpeed          = sandbox.WithSpeed
)

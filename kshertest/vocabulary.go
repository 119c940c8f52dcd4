package kshertest

import "github.com/ksher-go/ksher/internal/sandbox"

// Order is the gateway's view of an order, for a test to look at: what a query answers,
// embedded, and its State, Refunded, Refunds, Deliveries, History and Params.
type Order = sandbox.Order

// Delivery is an attempt to notify the merchant: At, Attempt, Status, Answer, Accepted and
// Fault.
type Delivery = sandbox.Delivery

// Event is a step in the history of an order: At and What.
type Event = sandbox.Event

// Request is a request as the gateway received it: At, Operation, Params, SignText, Code,
// Fault and Notes.
type Request = sandbox.Request

// State is where an order stands in the gateway.
type State = sandbox.State

// States of an order.
const (
	StateCreated        = sandbox.Created        // StateCreated is before any payment.
	StateInProgress     = sandbox.InProgress     // StateInProgress is while the buyer types a PIN or OTP.
	StatePaid           = sandbox.Paid           // StatePaid is after the payment.
	StateRefundedInPart = sandbox.RefundedInPart // StateRefundedInPart is after some of it was given back.
	StateRefunded       = sandbox.Refunded       // StateRefunded is after everything was given back.
	StateFailed         = sandbox.Failed         // StateFailed is after a payment that failed.
	StateExpired        = sandbox.Expired        // StateExpired is after the time to pay.
	StateCancelled      = sandbox.Cancelled      // StateCancelled is after cancel_order, order_close or order_reverse.
)

// Fault is a misbehaviour to come. Its Operation is the name of the operation it happens
// to, such as "order_refund", or "notify" for notifications; those of vip.ksher.net are
// "vip redirect create" and the like, those of Opn Payments "opn sources", "opn source",
// "opn charges", "opn charge" and "opn charge list". Its Kind happens Count times, 0 standing for once. Delay belongs to
// FaultLatency, FaultLate and FaultClockSkew, and Code to FaultRefuse.
type Fault = sandbox.Fault

// FaultKind is a way in which the gateway misbehaves.
type FaultKind = sandbox.FaultKind

// Faults of an operation.
const (
	// FaultLatency answers after Fault.Delay.
	FaultLatency = sandbox.FaultLatency
	// FaultDropBefore drops the connection without carrying the request out.
	FaultDropBefore = sandbox.FaultDropBefore
	// FaultDropAfter carries the request out and drops the connection.
	FaultDropAfter = sandbox.FaultDropAfter
	// FaultHTTP500 answers with an empty HTTP 500, without carrying the request
	// out.
	FaultHTTP500 = sandbox.FaultHTTP500
	// FaultHTML502 answers with an HTML page and HTTP 502, without carrying the
	// request out.
	FaultHTML502 = sandbox.FaultHTML502
	// FaultEmpty carries the request out and answers with nothing.
	FaultEmpty = sandbox.FaultEmpty
	// FaultTruncated carries the request out and cuts the answer in half.
	FaultTruncated = sandbox.FaultTruncated
	// FaultEndless carries the request out and never stops answering.
	FaultEndless = sandbox.FaultEndless
	// FaultBadSignature carries the request out and signs something else.
	FaultBadSignature = sandbox.FaultBadSignature
	// FaultOtherKey carries the request out and signs with the key of the other
	// version.
	FaultOtherKey = sandbox.FaultOtherKey
	// FaultRefuse refuses the request with Fault.Code.
	FaultRefuse = sandbox.FaultRefuse
	// FaultClockSkew shifts the time_stamp of the answer by Fault.Delay, where it has one.
	FaultClockSkew = sandbox.FaultClockSkew
)

// Faults of a notification, whose operation is "notify". FaultBadSignature,
// FaultOtherKey and FaultTruncated apply to it, too.
const (
	// FaultDuplicate delivers a notification twice.
	FaultDuplicate = sandbox.FaultDuplicate
	// FaultLate delivers a notification Fault.Delay later.
	FaultLate = sandbox.FaultLate
	// FaultReorder lets the other notifications that are due now go first.
	FaultReorder = sandbox.FaultReorder
	// FaultCorrupt changes the amount in a notification, and nothing else. In one
	// of vip.ksher.net, which has no amount, it changes the message.
	FaultCorrupt = sandbox.FaultCorrupt
	// FaultEncoded percent-encodes the body of a notification, as Ksher's PHP sample
	// expects it.
	FaultEncoded = sandbox.FaultEncoded
	// FaultMinimal sends a notification as short as genuine ones can be: an envelope of
	// code, msg, message, data and sign, and in data an empty cash_fee and cash_fee_type.
	// Neither it nor FaultEncoded changes one of vip.ksher.net.
	FaultMinimal = sandbox.FaultMinimal
)

// What the gateway's methods return, for [errors.Is].
var (
	// ErrNotPayable means that the buyer can't pay the order, because it is paid,
	// expired, closed or cancelled.
	ErrNotPayable = sandbox.ErrNotPayable
	// ErrNoOrder means that the gateway has no order of that number.
	ErrNoOrder = sandbox.ErrNoOrder
	// ErrNoNotification means that an order has no notification to deliver: it isn't
	// paid, was created without an address for one, or was paid after the two hours that
	// Ksher watches an order. One of vip.ksher.net has none before its status has
	// changed, nor without [Gateway.SetVIPWebhook].
	ErrNoNotification = sandbox.ErrNoNotification
	// ErrNotAccepted means that the merchant didn't answer a notification with
	// {"result":"SUCCESS","msg":"OK"}.
	ErrNotAccepted = sandbox.ErrNotAccepted
)

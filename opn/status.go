package opn

import "github.com/ksher-go/ksher/internal/transport"

// Status is where a charge stands.
type Status string

// Statuses of a charge.
const (
	// StatusPending means that the buyer hasn't paid yet.
	StatusPending Status = "pending"
	// StatusSuccessful means paid. Use [Charge.CheckPaid] before handing anything
	// out, which also compares the amount.
	StatusSuccessful Status = "successful"
	// StatusFailed means that the payment failed; the charge's FailureCode tells
	// why.
	StatusFailed Status = "failed"
	// StatusExpired means that the time for paying is over.
	StatusExpired Status = "expired"
	// StatusReversed means that the charge was taken back.
	StatusReversed Status = "reversed"
	// StatusUnknown is the charge_status of a source that has no charge yet.
	StatusUnknown Status = "unknown"
)

// Final reports whether a charge of this status is over, so that polling may
// stop. A status that this package doesn't know has to be asked for again.
func (s Status) Final() bool {
	switch s {
	case StatusSuccessful, StatusFailed, StatusExpired, StatusReversed:
		return true
	}
	return false
}

// FailureCode is why a charge failed. It is an error itself, so that a program
// can ask for it by name:
//
//	if errors.Is(err, opn.FailureCodeInsufficientFund) { … }
//
// A code that isn't among those below is an ordinary value, of which
// [FailureCode.Info] knows nothing.
type FailureCode string

// Codes of a failure.
const (
	// FailureCodePaymentExpired means that the time for paying ended.
	FailureCodePaymentExpired FailureCode = "payment_expired"
	// FailureCodePaymentRejected means that the bank refused the payment.
	FailureCodePaymentRejected FailureCode = "payment_rejected"
	// FailureCodeFailedProcessing means that the payment could not be processed.
	FailureCodeFailedProcessing FailureCode = "failed_processing"
	// FailureCodeInvalidAccount means that the buyer has no account that can pay this
	// way.
	FailureCodeInvalidAccount FailureCode = "invalid_account"
	// FailureCodeInsufficientFund means that the account hasn't enough money, or that
	// its limit is used up.
	FailureCodeInsufficientFund FailureCode = "insufficient_fund"
)

// FailureCodes returns the documented codes. The slice is the caller's to change.
func FailureCodes() []FailureCode {
	return []FailureCode{FailureCodePaymentExpired, FailureCodePaymentRejected, FailureCodeFailedProcessing, FailureCodeInvalidAccount, FailureCodeInsufficientFund}
}

// Action is what a shop can do about a failed charge. Opn's guide doesn't say: it
// is this package's reading. Whatever it is, the failed charge stays failed, and
// the buyer who tries again needs a new one.
type Action string

// Actions.
const (
	// ActionNewCharge means to offer the same way to pay again, with a new charge.
	ActionNewCharge Action = "new-charge"
	// ActionAskBuyer means that the buyer has to do something first, such as to put
	// money into the account or to talk to the bank.
	ActionAskBuyer Action = "ask-buyer"
	// ActionOtherWay means to offer another way to pay, because this one won't
	// work for this buyer.
	ActionOtherWay Action = "other-way"
)

// FailureInfo explains a code.
type FailureInfo struct {
	// Meaning says what happened. It is a clause without a full stop, so that it
	// can follow a colon.
	Meaning string
	// Action is what the shop can do.
	Action Action
}

var failures = map[FailureCode]FailureInfo{
	FailureCodePaymentExpired:   {"the buyer did not pay in time", ActionNewCharge},
	FailureCodePaymentRejected:  {"the bank refused the payment", ActionAskBuyer},
	FailureCodeFailedProcessing: {"the payment could not be processed", ActionNewCharge},
	FailureCodeInvalidAccount:   {"the buyer has no account that can pay this way", ActionOtherWay},
	FailureCodeInsufficientFund: {"the account has not enough money, or its limit is used up", ActionAskBuyer},
}

// Info returns what is known about the code, and false if Opn's guide doesn't
// have it.
func (c FailureCode) Info() (FailureInfo, bool) {
	info, ok := failures[c]
	return info, ok
}

// Error returns the code, followed by its meaning if it is documented.
func (c FailureCode) Error() string {
	if info, ok := failures[c]; ok {
		return string(c) + ": " + info.Meaning
	}
	return transport.Clip(string(c))
}

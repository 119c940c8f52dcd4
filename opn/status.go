package opn

import "github.com/ksher-go/ksher/internal/transport"

// Status is where a charge stands.
//
// Source: Opn's guide to K PLUS, which has pending, successful, failed and
// expired. Reversed isn't explained there; a charge has a field reversed_at.
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
//	if errors.Is(err, opn.FailureInsufficientFund) { … }
//
// A code that isn't among those below is an ordinary value, of which
// [FailureCode.Info] knows nothing.
//
// Source: the table of failure codes in Opn's guide to K PLUS.
type FailureCode string

// Codes of a failure.
const (
	// FailurePaymentExpired means that the time for paying ended.
	FailurePaymentExpired FailureCode = "payment_expired"
	// FailurePaymentRejected means that the bank refused the payment.
	FailurePaymentRejected FailureCode = "payment_rejected"
	// FailureFailedProcessing means that the payment could not be processed.
	FailureFailedProcessing FailureCode = "failed_processing"
	// FailureInvalidAccount means that the buyer has no account that can pay this
	// way.
	FailureInvalidAccount FailureCode = "invalid_account"
	// FailureInsufficientFund means that the account hasn't enough money, or that
	// its limit is used up.
	FailureInsufficientFund FailureCode = "insufficient_fund"
)

// FailureCodes returns the documented codes. The slice is the caller's to change.
func FailureCodes() []FailureCode {
	return []FailureCode{FailurePaymentExpired, FailurePaymentRejected, FailureFailedProcessing, FailureInvalidAccount, FailureInsufficientFund}
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
	FailurePaymentExpired:   {"the buyer did not pay in time", ActionNewCharge},
	FailurePaymentRejected:  {"the bank refused the payment", ActionAskBuyer},
	FailureFailedProcessing: {"the payment could not be processed", ActionNewCharge},
	FailureInvalidAccount:   {"the buyer has no account that can pay this way", ActionOtherWay},
	FailureInsufficientFund: {"the account has not enough money, or its limit is used up", ActionAskBuyer},
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

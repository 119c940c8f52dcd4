package opn

import (
	"fmt"
	"strings"

	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/transport"
)

// ErrOutcomeUnknown marks an error after which a charge may or may not have been made:
// the request was sent, and no believable answer came back. It is never sent again by
// this package. Hand nothing out, and create no other charge for the order before the
// lost one's time is over, by default 10 minutes, or Opn's dashboard shows how it ended.
//
// [Error.ID] is "chrg_…" if the answer said so much; [Client.GetCharge] tells more then.
// docs/kplus.md says how to recognise a charge whose ID was lost. It is
// ksher.ErrOutcomeUnknown.
var ErrOutcomeUnknown = fault.ErrOutcomeUnknown

// What can be wrong with a charge or an answer. Each is found with [errors.Is] in
// what this package returns.
var (
	// ErrNotPaid means that a charge isn't paid. Where Opn said why, the error is
	// also the [FailureCode]. It is ksher.ErrNotPaid.
	ErrNotPaid = fault.ErrNotPaid
	// ErrExpired means that the time for paying a charge is over, and that Opn
	// still called it pending when it was asked after that. Nothing is certain yet:
	// the handler's function may still get it. A charge that Opn calls expired is
	// an [ErrNotPaid]. It is ksher.ErrOrderExpired.
	ErrExpired = fault.ErrOrderExpired
	// ErrOtherCharge means that what came is about something else than what was
	// asked for: another charge, amount, currency, source or mode, or that the
	// charge and its source don't agree. It is ksher.ErrOtherOrder.
	ErrOtherCharge = fault.ErrOtherOrder
	// ErrInProgress means that the same charge is being handled at this moment. It
	// is ksher.ErrInProgress.
	ErrInProgress = once.ErrInProgress

	// ErrHTTPStatus means that the HTTP status was not a success, as in an outage.
	ErrHTTPStatus = fault.ErrHTTPStatus
	// ErrRedirect means that the host answered with a redirect. Redirects aren't
	// followed, because the key isn't to be handed on.
	ErrRedirect = fault.ErrRedirect
	// ErrEmptyBody means that there was no body at all.
	ErrEmptyBody = fault.ErrEmptyBody
	// ErrBodyTooLarge means that an answer had more than 4 MiB, or an event more
	// than 64 KiB.
	ErrBodyTooLarge = transport.ErrTooLarge
	// ErrNotJSON means that the text is not a JSON object that can be read in only
	// one way: HTML, for example, or an object with the same name twice.
	ErrNotJSON = fault.ErrNotJSON
	// ErrTruncatedJSON means that the JSON stops before its end.
	ErrTruncatedJSON = fault.ErrTruncatedJSON
	// ErrField means that the JSON is not the object that belongs there, or that a
	// member is missing or can't be read, such as an amount that isn't an integer, or
	// that a charge contradicts itself, see [Client.GetCharge].
	ErrField = fault.ErrField
)

// Error is what every call returns when it was tried and didn't succeed. Use
// [errors.As] to get at it.
//
// It never has a key in it.
type Error struct {
	// Operation says what was tried, such as "create charge".
	Operation string
	// ID is the charge it was about, "chrg_…", also one that may have been made by
	// a request whose answer isn't believed. Otherwise it is the source that was to
	// be charged, "src_…", or "".
	ID string
	// HTTPStatus is the status of the answer, 0 if there was none.
	HTTPStatus int
	// Code is Opn's code for the reason, such as "not_found", "" if there was
	// none. Opn's guide to K PLUS lists none.
	Code string
	// Message is what Opn said in words, at most 200 characters.
	Message string
	// Location is the page of Opn's documentation about the code, if Opn named one.
	Location string
	// Err is the cause, nil if Opn refused in due form.
	Err error

	state call.State
}

// Error says what was tried, what Opn said, and what to do next.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("opn: " + e.Operation)
	if e.ID != "" {
		fmt.Fprintf(&b, " %q", transport.Clip(e.ID))
	}
	switch {
	case e.Code != "":
		fmt.Fprintf(&b, ": Opn answered %s", e.Code)
		if e.Message != "" {
			fmt.Fprintf(&b, " (%q)", e.Message)
		}
	case e.Message != "":
		fmt.Fprintf(&b, ": the host answered %q", e.Message)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.HTTPStatus != 0 && (e.HTTPStatus < 200 || e.HTTPStatus > 299) {
		fmt.Fprintf(&b, " (HTTP %d)", e.HTTPStatus)
	}
	if e.state.Attempts > 1 {
		fmt.Fprintf(&b, " (the last of %d attempts)", e.state.Attempts)
	}
	if e.state.Unknown {
		b.WriteString(". A charge may have been made all the same: hand nothing out, and create no other before its time is over")
	}
	return b.String()
}

// Unwrap gives the cause, and [ErrOutcomeUnknown] where it applies.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	if e.state.Unknown {
		errs = append(errs, ErrOutcomeUnknown)
	}
	return errs
}

// forLoop shows an error to the loop that makes the calls.
func (e *Error) forLoop() *call.Failure {
	return &call.Failure{
		Err: e, State: &e.state, Refused: e.Err == nil, Cause: e.Err, Code: e.Code, Status: e.HTTPStatus,
		WithCause: func(cause error) error {
			other := *e
			other.Err = cause
			return &other
		},
	}
}

// FieldError says what is wrong with one parameter.
type FieldError struct {
	// Field is the parameter's name on the wire, such as "return_uri".
	Field string
	// Problem is a clause that follows the name, such as "is required".
	Problem string
}

// ValidationError means that a request was not sent, because Opn's guide rules it
// out. Nothing has happened at Opn.
type ValidationError struct {
	// Operation says what was to be tried, such as "create charge".
	Operation string
	// Fields has every problem found.
	Fields []FieldError

	// limits are the names in Fields that Extra.Unchecked would let pass.
	limits []string
}

// Error names the operation and every field, and says how to send the request all the
// same if that can be done.
func (e *ValidationError) Error() string {
	var b strings.Builder
	b.WriteString("opn: " + e.Operation + " was not sent")
	for i, f := range e.Fields {
		fmt.Fprintf(&b, "%s %s %s", [2]string{":", ";"}[min(i, 1)], f.Field, f.Problem)
	}
	b.WriteString(fault.Unchecked(e.limits))
	return b.String()
}

package vip

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// ErrOutcomeUnknown marks an error after which a request that creates, refunds or
// cancels may or may not have been carried out: it was sent, and no believable
// answer came back, or the gateway said neither yes nor a documented no. Don't take
// such a request for failed, and don't send it under a new number: [Client.Query]
// tells where the order stands. The package never repeats such a request by itself.
//
// A create that is refused with [CodeFail] is one of these, unless it is because of the
// buyer's code: the cause may be that an earlier create has used the number, and that
// one may have been paid.
//
// It is the same error as that of package ksher, like every other one that goes by
// the same name in both.
var ErrOutcomeUnknown = fault.ErrOutcomeUnknown

// What can be wrong with an answer or a notification. Each is found with
// [errors.Is] in what this package returns.
var (
	// ErrSignature means that a signature didn't prove what it came with. Every
	// more precise ErrSignature… error is an ErrSignature, too.
	ErrSignature = fault.ErrSignature
	// ErrSignatureMissing means that nothing was signed.
	ErrSignatureMissing = fault.ErrSignatureMissing
	// ErrSignatureMalformed means that the signature is not 64 hexadecimal digits.
	ErrSignatureMalformed = fault.ErrSignatureMalformed
	// ErrSignatureMismatch means that the signature belongs to other data or was
	// made with another token.
	ErrSignatureMismatch = fault.ErrSignatureMismatch

	// ErrHTTPStatus means that the HTTP status was not a success. Error.HTTPStatus
	// tells which. The four that follow are an ErrHTTPStatus, too. They are
	// documented as refusals, so that they leave no doubt about the outcome, if the
	// body is one of the gateway's own: JSON with code, name and description. With
	// any other body they may be the word of something on the way to the gateway, a
	// proxy for example, and a request that changes something is an
	// [ErrOutcomeUnknown], too. The form of the body is documented for HTTP 400 only,
	// and assumed for the others.
	ErrHTTPStatus = fault.ErrHTTPStatus
	// ErrBadRequest is HTTP 400: a parameter is wrong. Error.Fields tells which.
	ErrBadRequest error = statusError("the gateway refused the form of a parameter")
	// ErrUnauthorized is HTTP 401: the token isn't that of this host, or the
	// signature isn't what the gateway expects.
	ErrUnauthorized error = statusError("the gateway didn't accept the token")
	// ErrForbidden is HTTP 403: the account may not do this.
	ErrForbidden error = statusError("the account may not do this")
	// ErrNotFound is HTTP 404 in the gateway's own form: there is no such order, or
	// no such address. In any other form it is a plain ErrHTTPStatus.
	ErrNotFound error = statusError("there is no such thing at the gateway")
	// ErrRedirect means that the host answered with a redirect. Redirects are not
	// followed, because a signed request isn't to be handed on.
	ErrRedirect = fault.ErrRedirect
	// ErrEmptyBody means that there was no body at all.
	ErrEmptyBody = fault.ErrEmptyBody
	// ErrBodyTooLarge means that the answer was longer than [WithMaxResponseBytes]
	// allows, or a notification longer than 8 KiB.
	ErrBodyTooLarge = transport.ErrTooLarge
	// ErrNotJSON means that the text is not a JSON object that can be read in only
	// one way: HTML, for example, or an object with the same name twice.
	ErrNotJSON = fault.ErrNotJSON
	// ErrTruncatedJSON means that the JSON stops before its end.
	ErrTruncatedJSON = fault.ErrTruncatedJSON
	// ErrEnvelope means that the JSON isn't what Ksher documents, such as one
	// without an error_code, or that a notification isn't.
	ErrEnvelope = fault.ErrEnvelope
	// ErrNoData means that the answer to a report has no data.
	ErrNoData = fault.ErrNoData
	// ErrField means that a field has a value that can't be read, such as an
	// amount that isn't an integer, or one that is needed is missing.
	ErrField = fault.ErrField
	// ErrOtherOrder means that what came is about another order or another amount
	// than the one asked for or expected.
	ErrOtherOrder = fault.ErrOtherOrder
	// ErrNotPaid means that an order isn't paid, as far as its status says.
	ErrNotPaid = fault.ErrNotPaid
	// ErrInProgress means that the same notification is being handled at this
	// moment, by another request or another server.
	ErrInProgress = once.ErrInProgress
)

// statusError is an ErrHTTPStatus that says more.
type statusError string

func (e statusError) Error() string { return string(e) }

func (e statusError) Is(target error) bool { return target == ErrHTTPStatus }

// refusedBy is the documented refusal that an HTTP status is, nil for none.
func refusedBy(status int) error {
	switch status {
	case http.StatusBadRequest:
		return ErrBadRequest
	case http.StatusUnauthorized:
		return ErrUnauthorized
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusNotFound:
		return ErrNotFound
	}
	return nil
}

// isGateways tells whether a refusal is in the form of the gateway's own, which nothing
// on the way to it has.
func isGateways(status int, members []wire.Member) bool {
	code, _ := wire.Find(members, "code")
	_, hasName := wire.Find(members, "name")
	_, hasDescription := wire.Find(members, "description")
	return hasName && hasDescription && string(code.Raw) == strconv.Itoa(status)
}

// Error is what every call returns when it was tried and didn't succeed. Use
// [errors.As] to get at it, and [errors.Is] with a [Code], an Err… variable of this
// package, or a cause such as [context.DeadlineExceeded].
//
// It never has the token in it, nor what may be a signature or most of one: of what the
// gateway said, runs of more than 32 hexadecimal digits are left out.
type Error struct {
	// Operation is what was tried, such as "redirect refund".
	Operation string
	// MerchantOrderID is the order it was tried on, "" for a report.
	MerchantOrderID string
	// RefundOrderID is the merchant's number of the refund, if it was about one.
	RefundOrderID string
	// Code is the gateway's error_code, "" if there was none.
	Code Code
	// Message is what the gateway said in words, at most 200 characters.
	Message string
	// Reason is the gateway's word for why a code that the buyer showed wasn't
	// charged, such as "invalid_payment_code", the only one that is documented. It is
	// "" otherwise.
	Reason string
	// Fields has what the gateway found wrong with single parameters, with an
	// [ErrBadRequest].
	Fields []FieldError
	// HTTPStatus is the status of the answer, 0 if there was none.
	HTTPStatus int
	// Err is the cause, nil if the gateway refused in due form with a Code.
	Err error

	state call.State
}

// Error says what was tried on which order, what the gateway said, and what to do
// next.
func (e *Error) Error() string {
	var b strings.Builder
	tried(&b, e.Operation, e.MerchantOrderID, e.RefundOrderID)
	if e.Code != "" {
		fmt.Fprintf(&b, ": the gateway answered %v", e.Code)
	} else if e.Message != "" && len(e.Fields) == 0 {
		b.WriteString(": the gateway answered")
	}
	if e.Message != "" && len(e.Fields) == 0 && e.Message != string(e.Code) {
		fmt.Fprintf(&b, " %q", e.Message)
	}
	if e.Reason != "" {
		fmt.Fprintf(&b, " because of %q", e.Reason)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	for i, f := range e.Fields {
		fmt.Fprintf(&b, "%s %s %q", separator(i), f.Field, f.Problem)
	}
	if e.HTTPStatus != 0 && (e.HTTPStatus < 200 || e.HTTPStatus > 299) {
		fmt.Fprintf(&b, " (HTTP %d)", e.HTTPStatus)
	}
	if e.state.Attempts > 1 {
		fmt.Fprintf(&b, " (the last of %d attempts)", e.state.Attempts)
	}
	if e.state.Unknown {
		b.WriteString(". It may have been carried out all the same: ask Client.Query about the order before anything else")
	}
	return b.String()
}

// Unwrap gives the cause, the code, and [ErrOutcomeUnknown] where it applies.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	if e.Code != "" {
		errs = append(errs, e.Code)
	}
	if e.state.Unknown {
		errs = append(errs, ErrOutcomeUnknown)
	}
	return errs
}

// FieldError says what is wrong with one parameter.
type FieldError struct {
	// Field is the parameter's name on the wire, such as "merchant_order_id". Of
	// one inside another the gateway's answer has both, as in "items.price".
	Field string
	// Problem is, in a [*ValidationError], a clause that follows the name, such as
	// "is required", and in an [*Error] what the gateway said, such as "Not a valid
	// URL.".
	Problem string
}

// ValidationError means that a request was not sent, because the documentation
// rules it out. Nothing has happened at the gateway.
type ValidationError struct {
	// Operation is what was to be tried, such as "redirect create".
	Operation string
	// MerchantOrderID is the number of the order, as the caller gave it.
	MerchantOrderID string
	// Fields has every problem found, in the order of the request's fields.
	Fields []FieldError

	// limits are the names in Fields that Extra.Unchecked would let pass.
	limits []string
}

// Error names the operation, the order and every field, and says how to send the
// request all the same if that can be done.
func (e *ValidationError) Error() string {
	var b strings.Builder
	tried(&b, e.Operation, e.MerchantOrderID, "")
	b.WriteString(" was not sent")
	for i, f := range e.Fields {
		fmt.Fprintf(&b, "%s %s %s", separator(i), f.Field, f.Problem)
	}
	b.WriteString(fault.Unchecked(e.limits))
	return b.String()
}

func tried(b *strings.Builder, operation, orderID, refundID string) {
	fmt.Fprintf(b, "vip: %s", operation)
	if orderID != "" {
		fmt.Fprintf(b, " of order %q", transport.Clip(orderID))
	}
	if refundID != "" {
		fmt.Fprintf(b, ", refund %q", transport.Clip(refundID))
	}
}

func separator(i int) string { return [2]string{":", ";"}[min(i, 1)] }

// notSent is the error for a call that is refused as a whole.
func notSent(operation, field, problem string) error {
	return &ValidationError{Operation: operation, Fields: []FieldError{{field, problem}}}
}

// forLoop shows an error to the loop that makes the calls.
func (e *Error) forLoop() *call.Failure {
	return &call.Failure{
		Err: e, State: &e.state, Refused: e.Err == nil || refusedBy(e.HTTPStatus) != nil, Cause: e.Err, Code: string(e.Code), Status: e.HTTPStatus,
		WithCause: func(cause error) error {
			other := *e
			other.Err = cause
			return &other
		},
	}
}

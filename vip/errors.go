package vip

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// What an HTTP status says of a request, if the body is the gateway's own form.
var (
	errBadRequest   error = statusError("the gateway refused the form of a parameter")
	errUnauthorized error = statusError("the gateway didn't accept the token")
	errForbidden    error = statusError("the account may not do this")
	errNotFound     error = statusError("there is no such thing at the gateway")
)

// statusError is a refusal by an HTTP status.
type statusError string

func (e statusError) Error() string { return string(e) }

func (e statusError) Is(target error) bool {
	return target == fault.ErrHTTPStatus || e == errNotFound && target == fault.ErrNotFound
}

// refusedBy is the documented refusal that an HTTP status is, nil for none.
func refusedBy(status int) error {
	switch status {
	case http.StatusBadRequest:
		return errBadRequest
	case http.StatusUnauthorized:
		return errUnauthorized
	case http.StatusForbidden:
		return errForbidden
	case http.StatusNotFound:
		return errNotFound
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
// [errors.As] to get at it, and [errors.Is] with a [Code], a sentinel error of package
// ksher, or a cause such as [context.DeadlineExceeded].
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
	// Fields has what the gateway found wrong with single parameters, in its words, after
	// an HTTP 400. Of a parameter inside another a field has both names, as in
	// "items.price".
	Fields []ksher.FieldError
	// HTTPStatus is the status of the answer, 0 if there was none.
	HTTPStatus int
	// Err is the cause, nil if the gateway refused in due form with a Code.
	Err error

	state call.State
	// inForm says that the answer is an HTTP refusal in the gateway's own form.
	inForm bool
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

// Unwrap gives the cause, the code, and [ksher.ErrOutcomeUnknown] where it applies.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	if e.Code != "" {
		errs = append(errs, e.Code)
	}
	if e.state.Unknown {
		errs = append(errs, fault.ErrOutcomeUnknown)
	}
	if e.forLoop().Refused {
		errs = append(errs, fault.ErrRefused)
	}
	return errs
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
	return &ksher.ValidationError{Operation: operation, Fields: []ksher.FieldError{{Field: field, Problem: problem}}}
}

// forLoop shows an error to the loop that makes the calls.
func (e *Error) forLoop() *call.Failure {
	return &call.Failure{
		Err: e, State: &e.state, Refused: e.Err == nil || e.inForm, Cause: e.Err, Code: string(e.Code), Status: e.HTTPStatus,
		WithCause: func(cause error) error {
			other := *e
			other.Err = cause
			return &other
		},
	}
}

// leave takes out of a failure what the other side echoed of the buyer's code.
func (e *Error) leave(params []wire.Param) {
	for _, p := range params {
		if p.Name != "auth_code" {
			continue
		}
		if transport.Echoes(e.Message, p.Value) {
			e.Message = ""
		}
		if transport.Echoes(string(e.Code), p.Value) {
			e.Code = ""
		}
		e.Fields = slices.DeleteFunc(e.Fields, func(f ksher.FieldError) bool { return transport.Echoes(f.Field+" "+f.Problem, p.Value) })
		if e.Err != nil && transport.Echoes(e.Err.Error(), p.Value) {
			e.Err = transport.Unquoted(p.Name, e.Err)
		}
	}
}

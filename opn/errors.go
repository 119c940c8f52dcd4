package opn

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
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

// Unwrap gives the cause, and [ksher.ErrOutcomeUnknown] and [ksher.ErrNotFound] where
// they apply: Opn knows no such charge or source.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	if e.state.Unknown {
		errs = append(errs, fault.ErrOutcomeUnknown)
	}
	if e.Err == nil {
		errs = append(errs, fault.ErrRefused)
	}
	if e.Err == nil && e.HTTPStatus == http.StatusNotFound {
		errs = append(errs, fault.ErrNotFound)
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

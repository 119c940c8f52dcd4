// Package fault has the errors that mean the same in every client of this module,
// so that one errors.Is finds them all.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ksher-go/ksher/internal/wire"
)

// Package ksher documents those that it exports.
var (
	ErrOutcomeUnknown = errors.New("the outcome is unknown")
	ErrOtherOrder     = errors.New("it is about something else than expected")
	ErrNotPaid        = errors.New("the order is not paid")
	ErrOrderExpired   = errors.New("the time for paying the order is over")
	ErrNotFound       = errors.New("there is no such order")
	ErrNotOurs        = errors.New("the merchant has no such order")
	ErrDuplicate      = errors.New("the number was used before")
	ErrNeedsPerson    = errors.New("a person has to look whether the buyer was charged")
	ErrInProgress     = errors.New("it is being handled already")

	ErrSignature                = errors.New("the signature is not valid")
	ErrSignatureMissing   error = kind{ErrSignature, "the signature is missing"}
	ErrSignatureMalformed error = kind{ErrSignature, "the signature is not hexadecimal or has a length that no key in use makes"}
	ErrSignatureMismatch  error = kind{ErrSignature, "the signature is not one of this data by a key in use"}

	ErrBadAnswer           = errors.New("the answer can't be read or believed")
	ErrHTTPStatus    error = kind{ErrBadAnswer, "the HTTP status is not a success"}
	ErrRedirect      error = kind{ErrBadAnswer, "the host answered with a redirect, which is not followed"}
	ErrTooLarge      error = kind{ErrBadAnswer, "the body is too large"}
	ErrEmptyBody     error = kind{ErrBadAnswer, "the body is empty"}
	ErrNotJSON       error = kind{ErrBadAnswer, "it is not acceptable JSON"}
	ErrTruncatedJSON error = kind{ErrBadAnswer, "the JSON is cut short"}
	ErrEnvelope      error = kind{ErrBadAnswer, "it is not Ksher's envelope"}
	ErrNoData        error = kind{ErrBadAnswer, "the envelope has no data"}
	ErrField         error = kind{ErrBadAnswer, "a field of the data can't be read"}
)

// ErrRefused marks an error that says no in due form, for hooks. It isn't exported.
var ErrRefused = errors.New("it was refused")

// NotAccepted is why a message from outside wasn't accepted, for hooks. Again says that the
// same message may be accepted later.
type NotAccepted struct {
	Err   error
	Again bool
}

func (e *NotAccepted) Error() string { return e.Err.Error() }

func (e *NotAccepted) Unwrap() error { return e.Err }

// kind is an error of a kind that says which of the many ways it is.
type kind struct {
	of   error
	text string
}

func (e kind) Error() string { return e.text }

func (e kind) Unwrap() error { return e.of }

// JSON turns an error of the parser into one a caller can ask for.
func JSON(err error) error {
	if errors.Is(err, wire.ErrTruncated) {
		return ErrTruncatedJSON
	}
	return fmt.Errorf("%w: %w", ErrNotJSON, err)
}

// Unchecked ends the text of a validation error: it says how a request is sent all the
// same, although it breaks the documented limits of those parameters.
func Unchecked(limits []string) string {
	if len(limits) == 0 {
		return ""
	}
	var names []string
	for _, name := range limits {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return ". To send it all the same, list in Extra.Unchecked: " + strings.Join(names, ", ")
}

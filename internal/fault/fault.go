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

// The packages document them where they export them.
var (
	ErrOutcomeUnknown = errors.New("the outcome is unknown")

	ErrSignature                = errors.New("the signature is not valid")
	ErrSignatureMissing   error = signatureError("the signature is missing")
	ErrSignatureMalformed error = signatureError("the signature is not hexadecimal or has a length that no key in use makes")
	ErrSignatureMismatch  error = signatureError("the signature is not one of this data by a key in use")

	ErrHTTPStatus    = errors.New("the HTTP status is not a success")
	ErrRedirect      = errors.New("the host answered with a redirect, which is not followed")
	ErrEmptyBody     = errors.New("the body is empty")
	ErrNotJSON       = errors.New("it is not acceptable JSON")
	ErrTruncatedJSON = errors.New("the JSON is cut short")
	ErrEnvelope      = errors.New("it is not Ksher's envelope")
	ErrNoData        = errors.New("the envelope has no data")
	ErrField         = errors.New("a field of the data can't be read")
	ErrOtherOrder    = errors.New("it is about something else than expected")
	ErrNotPaid       = errors.New("the order is not paid")
	ErrOrderExpired  = errors.New("the time for paying the order is over")
)

// signatureError is an ErrSignature that says more.
type signatureError string

func (e signatureError) Error() string { return string(e) }

func (e signatureError) Is(target error) bool { return target == ErrSignature }

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

package vip

// SetMaxRows bounds reports for a test, and returns what undoes it.
func SetMaxRows(n int) (undo func()) {
	old := maxRows
	maxRows = n
	return func() { maxRows = old }
}

// The refusals by an HTTP status.
var (
	ErrBadRequest   = errBadRequest
	ErrUnauthorized = errUnauthorized
	ErrForbidden    = errForbidden
)

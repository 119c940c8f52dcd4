package once

import "errors"

// ErrTooMany means that no place is free.
var ErrTooMany = errors.New("too many others are being asked about")

// Places limit how many queries are made at once because of what came in from outside:
// anybody can send that again.
type Places chan struct{}

// NewPlaces returns a hundred.
func NewPlaces() Places { return make(Places, 100) }

// Use calls ask, which makes a query, if a place is free. It doesn't wait for one.
func (p Places) Use(ask func()) error {
	select {
	case p <- struct{}{}:
	default:
		return ErrTooMany
	}
	defer func() { <-p }()
	ask()
	return nil
}

package once

// Places limit how many queries are made at once because of what came in from outside:
// anybody can send that again.
type Places chan struct{}

// NewPlaces returns a hundred.
func NewPlaces() Places { return make(Places, 100) }

// Take takes a place, without waiting, if one is free.
func (p Places) Take() bool {
	select {
	case p <- struct{}{}:
		return true
	default:
		return false
	}
}

// Give gives a place back.
func (p Places) Give() { <-p }

package transport

// Slots bound how many notifications of a handler the other side is asked about at
// once, because anybody may repeat one.
type Slots chan struct{}

// NewSlots returns a hundred.
func NewSlots() Slots { return make(Slots, 100) }

// Take takes a slot, without waiting, if one is free.
func (s Slots) Take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

// Give gives a slot back.
func (s Slots) Give() { <-s }

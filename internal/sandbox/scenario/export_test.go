package scenario

import "time"

// SetSlowness sets how long slow queries take, until the function that it returns is called.
func SetSlowness(d time.Duration) func() {
	before := slowness
	slowness = d
	return func() { slowness = before }
}

package vip

// SetMaxRows bounds reports for a test, and returns what undoes it.
func SetMaxRows(n int) (undo func()) {
	old := maxRows
	maxRows = n
	return func() { maxRows = old }
}

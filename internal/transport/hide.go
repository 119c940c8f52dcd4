package transport

import (
	"errors"
	"strings"
)

// Hide takes a client's secrets out of a text. It is a function, so that nothing but
// it holds them: fmt prints whatever it finds in a struct's unexported fields.
type Hide func(string) string

// Quote is the function Quote for what may have the secrets in it. They go first,
// because of one that is cut short too much would be left.
func (hide Hide) Quote(said []byte) string { return Quote([]byte(hide(string(said)))) }

// Shield takes the secrets out of an error's text, which may quote what the other side
// said. It returns the error itself if there are none, or if it is nil.
func (hide Hide) Shield(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	var broken Error
	if errors.As(err, &broken) { // Whose text is cut short already.
		text = strings.Replace(text, broken.Error(), hide.Quote([]byte(broken.Err.Error())), 1)
	}
	if text = hide(text); text == err.Error() {
		return err
	}
	return &shielded{text, err}
}

// shielded is an error under another text.
type shielded struct {
	text string
	err  error
}

func (e *shielded) Error() string { return e.text }
func (e *shielded) Unwrap() error { return e.err }

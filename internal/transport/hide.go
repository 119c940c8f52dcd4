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

// Unquoted is an error in place of one that repeats a secret of the request.
func Unquoted(name string, err error) error {
	return &shielded{"the answer repeats the " + name + ", so it isn't quoted", err}
}

// shielded is an error under another text. It can be compared with others, but nobody
// who unwraps it comes to the text that was hidden.
type shielded struct {
	text string
	err  error
}

func (e *shielded) Error() string        { return e.text }
func (e *shielded) Is(target error) bool { return errors.Is(e.err, target) }

// As finds what this module has to know of an error. Nobody else can name these types.
func (e *shielded) As(target any) bool {
	switch target.(type) {
	case *Error, *Unprocessed:
		return errors.As(e.err, target)
	}
	return false
}

// Timeout makes it a net.Error's, for who asks whether it was one.
func (e *shielded) Timeout() bool {
	var slow interface{ Timeout() bool }
	return errors.As(e.err, &slow) && slow.Timeout()
}

package receive

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/ksher-go/ksher/internal/transport"
)

// readTime is how long a sender may take for a body.
const readTime = 10 * time.Second

// limitTime limits how long the sender may take from now on. Not every ResponseWriter
// can do this, and then the server has to.
func limitTime(w http.ResponseWriter) {
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTime))
}

// read reads a message of bounded size.
func (rc *Receiver[M]) read(w http.ResponseWriter, r *http.Request) (Message, *Refusal) {
	if r.Method != rc.Method {
		return Message{}, &Refusal{Status: http.StatusMethodNotAllowed, Reason: "the method is not " + rc.Method}
	}
	if rc.MaxBytes == 0 {
		return Message{Query: r.URL.RawQuery}, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, rc.MaxBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return Message{}, &Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "it is too large", Err: transport.TooLarge(rc.MaxBytes)}
	case err != nil:
		return Message{}, &Refusal{Status: http.StatusBadRequest, Reason: "it could not be read", Err: err}
	}
	// Or else the deadline would end the request's context where something before
	// this handler has read the body. For a body that didn't end it stays, because
	// the server reads on before it answers.
	http.NewResponseController(w).SetReadDeadline(time.Time{})
	return Message{Body: body}, nil
}

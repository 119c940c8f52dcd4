package receive

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
)

const (
	// readTime is how long a sender may take for a body.
	readTime = 10 * time.Second
	// maxUnread is how much is read of a body after it was refused, so that the sender
	// gets to see the answer. It is what net/http's server reads.
	maxUnread = 256 << 10
)

// limitTime ends the reading after a while, until the caller stops that. It never sets a
// deadline in the future: the server's own may be nearer, and can't be asked for. Not
// every ResponseWriter can set one, and then the server has to.
func limitTime(w http.ResponseWriter) (stop func()) {
	ended := make(chan struct{})
	timer := time.AfterFunc(readTime, func() {
		defer close(ended)
		endReading(w)
	})
	return func() {
		if !timer.Stop() {
			<-ended // Nobody may use w when the handler has returned.
		}
	}
}

// endReading makes whatever reads the body fail at once.
func endReading(w http.ResponseWriter) {
	http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
}

// read reads a message of bounded size in bounded time.
func (rc *Receiver[M]) read(w http.ResponseWriter, r *http.Request) (Message, *Refusal) {
	if r == nil {
		return Message{}, &Refusal{Status: http.StatusBadRequest, Reason: "there is no request"}
	}
	stop := limitTime(w)
	defer stop()
	message, refusal := rc.message(w, r)
	if refusal != nil || rc.MaxBytes == 0 {
		readOn(w, r)
	}
	return message, refusal
}

func (rc *Receiver[M]) message(w http.ResponseWriter, r *http.Request) (Message, *Refusal) {
	switch {
	case r.Method != rc.Method:
		return Message{}, &Refusal{Status: http.StatusMethodNotAllowed, Reason: "the method is not " + rc.Method}
	case rc.MaxBytes == 0 && r.URL == nil:
		return Message{}, &Refusal{Status: http.StatusBadRequest, Reason: "it has no address"}
	case rc.MaxBytes == 0:
		return Message{Query: r.URL.RawQuery}, nil
	}
	var body []byte
	var err error
	if r.Body != nil {
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, rc.MaxBytes))
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return Message{}, &Refusal{Status: http.StatusRequestEntityTooLarge, Reason: "it is too large", Err: transport.TooLarge(rc.MaxBytes)}
	case err != nil:
		return Message{}, &Refusal{Status: http.StatusBadRequest, Reason: "it could not be read", Err: err}
	case len(bytes.TrimSpace(body)) == 0:
		return Message{}, &Refusal{Status: http.StatusBadRequest, Reason: "the body is empty: has a middleware read it before?", Err: fault.ErrEmptyBody}
	}
	return Message{Body: body}, nil
}

// readOn reads what is left of a body. The server would do so itself, but for as long as
// the sender likes.
func readOn(w http.ResponseWriter, r *http.Request) {
	// Who waits for permission to send a body isn't given it.
	if r.Body == nil || r.Header.Get("Expect") != "" {
		return
	}
	if n, err := io.CopyN(io.Discard, r.Body, maxUnread); err == nil && n == maxUnread {
		endReading(w)
	}
}

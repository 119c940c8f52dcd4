package sandbox

import (
	"io"
	"net/http"
	"time"
)

// cutOffSlow ends requests whose bodies take longer than that. The server's ReadTimeout
// would also end those that a fault delays.
func cutOffSlow(next http.Handler, patience time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			c := http.NewResponseController(w)
			if c.SetReadDeadline(time.Now().Add(patience)) == nil { // An httptest.ResponseRecorder has none.
				r.Body = &timedBody{r.Body, func() { c.SetReadDeadline(time.Time{}) }}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody calls a function when all was read.
type timedBody struct {
	io.ReadCloser
	done func()
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.done()
	}
	return n, err
}

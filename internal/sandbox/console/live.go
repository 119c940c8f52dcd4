package console

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// A page that is open hears of changes after liveInterval at the soonest, and one that
// doesn't take what it is sent for liveTimeout is given up.
const (
	liveInterval = 200 * time.Millisecond
	liveTimeout  = 10 * time.Second
)

// serveEvents sends an event whenever a page of the dashboard may have become old. It says
// no more than that: the page's script then asks for the page, which is made in one place.
func (c *Console) serveEvents(w http.ResponseWriter, r *http.Request) {
	topics := map[string]core.Topic{"orders": core.OfOrders, "requests": core.OfRequests}
	topic, ok := topics[r.URL.Query().Get("of")]
	if !ok {
		http.Error(w, "there are events of orders and of requests", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events until it has many.
	out, last := http.NewResponseController(w), time.Time{}
	started := c.gw.Watch(r.Context(), topic, func() error {
		if wait := liveInterval - time.Since(last); wait > 0 {
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
			}
		}
		last = time.Now()
		// A deadline that can't be set doesn't matter to a recorder in a test.
		if err := out.SetWriteDeadline(last.Add(liveTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := io.WriteString(w, "data: changed\n\n"); err != nil {
			return err
		}
		return out.Flush()
	})
	if !started {
		http.Error(w, "too many pages are open already", http.StatusServiceUnavailable)
	}
}

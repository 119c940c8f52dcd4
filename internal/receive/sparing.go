package receive

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
)

const (
	// burst is how many lines of one reason are logged at once, and refill how soon
	// there is another one.
	burst  = 100
	refill = time.Second
)

// sparing limits the lines in the log that anybody can cause. Its zero value is ready for
// use, and safe for concurrent use.
type sparing struct {
	mu sync.Mutex
	// of has a bucket for each reason, of which there are few.
	of map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
	left   int
}

// take tells whether to log a refusal, and how many of its reason weren't since the last.
func (s *sparing) take(refusal *Refusal, now time.Time) (attrs []slog.Attr, ok bool) {
	if !cheap(refusal) {
		return nil, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = make(map[string]*bucket)
	}
	b, ok := s.of[refusal.Reason]
	if !ok {
		b = &bucket{tokens: burst}
		s.of[refusal.Reason] = b
	}
	if !b.at.IsZero() {
		b.tokens = min(burst, b.tokens+now.Sub(b.at).Seconds()/refill.Seconds())
	}
	b.at = now
	if b.tokens < 1 {
		b.left++
		return nil, false
	}
	b.tokens--
	if b.left > 0 {
		attrs = []slog.Attr{slog.Int("not_logged", b.left)}
		b.left = 0
	}
	return attrs, true
}

// cheap tells whether a refusal costs the sender nothing but another copy. What went
// wrong on the way to a payment is none: each of them is logged.
func cheap(refusal *Refusal) bool {
	return refusal.Status < http.StatusInternalServerError || errors.Is(refusal.Err, fault.ErrInProgress) ||
		errors.Is(refusal.Err, once.ErrTooSoon) || errors.Is(refusal.Err, once.ErrTooMany)
}

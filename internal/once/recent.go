package once

import (
	"container/list"
	"sync"
	"time"
)

// maxRecent bounds how many keys a Recent remembers.
const maxRecent = 10_000

// Recent remembers when something was last done for a key. Its zero value is ready for
// use, and safe for concurrent use.
type Recent struct {
	mu    sync.Mutex
	at    map[string]*list.Element
	order list.List // Of recentKey, the oldest first.
}

type recentKey struct {
	key, value string
	at         time.Time
}

// Again notes that something is done for a key now, unless the same was done for it
// less than that ago.
func (r *Recent) Again(key, value string, now time.Time, ago time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at = make(map[string]*list.Element)
	}
	if e, ok := r.at[key]; ok {
		if last := e.Value.(recentKey); last.value == value && now.Sub(last.at) < ago {
			return false
		}
		r.order.Remove(e)
	}
	r.at[key] = r.order.PushBack(recentKey{key, value, now})
	if r.order.Len() > maxRecent {
		oldest := r.order.Remove(r.order.Front()).(recentKey)
		delete(r.at, oldest.key)
	}
	return true
}

// Forget drops what was noted for a key.
func (r *Recent) Forget(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.at[key]; ok {
		r.order.Remove(e)
		delete(r.at, key)
	}
}

// Lately tells whether the same was noted for a key less than that ago.
func (r *Recent) Lately(key, value string, now time.Time, ago time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.at[key]
	if !ok {
		return false
	}
	last := e.Value.(recentKey)
	return last.value == value && now.Sub(last.at) < ago
}

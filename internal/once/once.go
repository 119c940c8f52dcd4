// Package once remembers what was done, so that it is done once.
package once

import (
	"container/list"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
)

// ErrInProgress is what Once returns for a key that somebody else is at.
var ErrInProgress = fault.ErrInProgress

// Keep is how long a key is remembered. The notifications of a payment repeat
// over 29 hours.
const Keep = 48 * time.Hour

// maxKeys bounds how many payments are remembered, and how much else, each to some 20 MB of
// ordinary keys.
const maxKeys = 100_000

// What the keys begin with that aren't of payments. No app ID has a blank in it.
const (
	endedKey  = "ended "
	secondKey = "second "
)

// Memory remembers in the memory of one process. Its zero value is ready for
// use, and safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	running map[string]struct{}
	done    map[string]*list.Element
	// payments and others have the keys in done, in the order in which they were last seen.
	// They are apart, because there may be far more orders that ended than payments.
	payments, others list.List
}

type doneKey struct {
	key string
	at  time.Time
}

// Once runs fn, unless it has returned nil for this key and Once was called for the key
// in the last 48 hours.
// While another call runs one for the key, the answer is ErrInProgress. Of more
// than 100,000 payments the oldest are forgotten, and so are those of other keys.
func (m *Memory) Once(ctx context.Context, key string, fn func(context.Context) error) (err error) {
	done, err := m.claim(key)
	if done || err != nil {
		return err
	}
	finished := false
	// Deferred, because fn may panic.
	defer func() { m.release(key, finished) }()
	err = fn(ctx)
	finished = err == nil
	return err
}

func (m *Memory) claim(key string) (done bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(&m.payments)
	m.forget(&m.others)
	if e, ok := m.done[key]; ok {
		// The caller's key would be a second copy beside that of the map.
		e.Value = doneKey{e.Value.(doneKey).key, time.Now()}
		m.room(key).MoveToBack(e)
		return true, nil
	}
	if _, ok := m.running[key]; ok {
		return false, ErrInProgress
	}
	if m.running == nil {
		m.running, m.done = make(map[string]struct{}), make(map[string]*list.Element)
	}
	m.running[key] = struct{}{}
	return false, nil
}

func (m *Memory) release(key string, finished bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.running, key)
	if finished {
		m.done[key] = m.room(key).PushBack(doneKey{key, time.Now()})
	}
}

// room is where a key is remembered.
func (m *Memory) room(key string) *list.List {
	if strings.HasPrefix(key, endedKey) || strings.HasPrefix(key, secondKey) {
		return &m.others
	}
	return &m.payments
}

// forget drops what is old, and the oldest beyond the limit.
func (m *Memory) forget(room *list.List) {
	for e := room.Front(); e != nil; e = room.Front() {
		first := e.Value.(doneKey)
		if room.Len() <= maxKeys && time.Since(first.at) < Keep {
			return
		}
		delete(m.done, first.key)
		room.Remove(e)
	}
}

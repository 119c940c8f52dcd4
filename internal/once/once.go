// Package once remembers what was done, so that it is done once.
package once

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
)

// ErrInProgress is what Once returns for a key that somebody else is at.
var ErrInProgress = fault.ErrInProgress

// Keep is how long a key is remembered. The notifications of a payment repeat
// over 29 hours.
const Keep = 48 * time.Hour

// maxKeys bounds the memory, to some 20 MB of ordinary keys.
const maxKeys = 100_000

// Memory remembers in the memory of one process. Its zero value is ready for
// use, and safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	running map[string]struct{}
	done    map[string]*list.Element
	// oldest has the keys in done, in the order in which they were last seen.
	oldest list.List
}

type doneKey struct {
	key string
	at  time.Time
}

// Once runs fn, unless it has returned nil for this key and Once was called for the key
// in the last 48 hours.
// While another call runs one for the key, the answer is ErrInProgress. Of more
// than 100,000 keys the oldest are forgotten.
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
	m.forget()
	if e, ok := m.done[key]; ok {
		// The caller's key would be a second copy beside that of the map.
		e.Value = doneKey{e.Value.(doneKey).key, time.Now()}
		m.oldest.MoveToBack(e)
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
		m.done[key] = m.oldest.PushBack(doneKey{key, time.Now()})
	}
}

// forget drops what is old, and the oldest beyond the limit.
func (m *Memory) forget() {
	for e := m.oldest.Front(); e != nil; e = m.oldest.Front() {
		first := e.Value.(doneKey)
		if m.oldest.Len() <= maxKeys && time.Since(first.at) < Keep {
			return
		}
		delete(m.done, first.key)
		m.oldest.Remove(e)
	}
}

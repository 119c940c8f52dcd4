// Package sandboxtest has what the tests of the rooms share.
package sandboxtest

import (
	"errors"
	"maps"
	"slices"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// MemoryStore is a store that outlives its gateways. It is full on request.
type MemoryStore struct {
	Beside []byte
	Orders map[int][]byte
	Full   bool
}

func (s *MemoryStore) Load() ([]byte, []core.Record, error) {
	var orders []core.Record
	for _, serial := range slices.Sorted(maps.Keys(s.Orders)) {
		orders = append(orders, core.Record{Serial: serial, Text: s.Orders[serial]})
	}
	return s.Beside, orders, nil
}

func (s *MemoryStore) Save(beside []byte, keep []core.Record, forget []int) error {
	if s.Full {
		return errors.New("no space left on device")
	}
	if s.Orders == nil {
		s.Orders = make(map[int][]byte)
	}
	s.Beside = beside
	for _, r := range keep {
		s.Orders[r.Serial] = r.Text
	}
	for _, serial := range forget {
		delete(s.Orders, serial)
	}
	return nil
}

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/ksher-go/ksher/internal/sandbox"
)

// store keeps the state of the sandbox in a file.
type store struct{ db *bbolt.DB }

var (
	ordersBucket = []byte("orders")
	metaBucket   = []byte("meta")
	metaKey      = []byte("meta")
)

// lockWait is how long another process may take to let go of the file.
const lockWait = time.Second

func openStore(file string) (*store, error) {
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: lockWait})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("the data file %s is in use by another gateway: stop that one, or choose another file", file)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, fmt.Errorf("the data file %s isn't one of this program's: choose another file, or move this one away to begin anew: %w", file, err)
	case err != nil:
		return nil, fmt.Errorf("the data file can't be opened: %w", err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(ordersBucket)
		if err == nil {
			_, err = tx.CreateBucketIfNotExists(metaBucket)
		}
		return err
	})
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("the data file %s can't be written: %w", file, err)
	}
	return &store{db}, nil
}

// Load returns everything in the file.
func (s *store) Load() (beside []byte, orders []sandbox.Record, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		beside = bytes.Clone(tx.Bucket(metaBucket).Get(metaKey))
		return tx.Bucket(ordersBucket).ForEach(func(k, v []byte) error {
			orders = append(orders, sandbox.Record{Serial: int(binary.BigEndian.Uint64(k)), Text: bytes.Clone(v)})
			return nil
		})
	})
	return beside, orders, err
}

// Save writes in one transaction.
func (s *store) Save(beside []byte, keep []sandbox.Record, forget []int) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		orders := tx.Bucket(ordersBucket)
		for _, r := range keep {
			if err := orders.Put(orderKey(r.Serial), r.Text); err != nil {
				return err
			}
		}
		for _, serial := range forget {
			if err := orders.Delete(orderKey(serial)); err != nil {
				return err
			}
		}
		return tx.Bucket(metaBucket).Put(metaKey, beside)
	})
}

func (s *store) close() error { return s.db.Close() }

// orderKey sorts as the serials do.
func orderKey(serial int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(serial)) }

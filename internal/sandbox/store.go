package sandbox

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/ksher-go/ksher"
)

// WithData keeps the gateway's state in a file, so that it survives restarts:
// the orders with their payments, refunds, notifications and history, the payouts,
// and the clock. Whatever was answered is in the file, even if the program is killed.
// Faults that wait and the log of requests aren't kept. The file belongs to one
// gateway at a time.
//
// While the gateway doesn't run, its clock goes on at the gateway's speed. A
// notification whose answer couldn't be written down any more is sent again, as
// Ksher may do, too.
func WithData(file string) Option { return func(o *options) { o.data = file } }

// meta is what a data file keeps beside the orders.
type meta struct {
	// Format is that of the file.
	Format int
	Serial int
	// PaidOut is what the payouts came to that were forgotten.
	PaidOut ksher.Amount
	// Clock was the gateway's time at the real time Real.
	Clock, Real time.Time
}

// fileFormat is the format of data files that this package reads and writes.
const fileFormat = 1

// record is an order as the store has it, under its Serial.
type record struct {
	serial int
	text   []byte
}

// store keeps the state of a gateway.
type store interface {
	// load returns everything, the orders as they came.
	load() (meta, []record, error)
	// write keeps and forgets orders in one step that happens wholly or not at
	// all.
	write(m meta, keep []record, forget []int) error
	close() error
}

// errStore means that a change couldn't be written down and therefore didn't
// happen.
var errStore = errors.New("the change was taken back, because the data file can't be written; make room for it or check its disk")

// openStore loads the state from the file, if there is to be one.
func (g *Gateway) openStore() error {
	if g.data == "" {
		return nil
	}
	s, err := openBolt(g.data)
	if err != nil {
		return err
	}
	if err := g.restore(s); err != nil {
		s.close()
		return fmt.Errorf("the data file %s: %w", g.data, err)
	}
	return nil
}

// restore takes over the state of a store.
func (g *Gateway) restore(s store) error {
	m, records, err := s.load()
	if err != nil {
		return err
	}
	for _, r := range records {
		o := &order{saved: r.text}
		if err := json.Unmarshal(r.text, o); err != nil {
			return fmt.Errorf("order %d can't be read: %w", r.serial, err)
		}
		g.list = append(g.list, o)
		g.index(o)
	}
	g.serial, g.paidOut = m.Serial, m.PaidOut
	if !m.Clock.IsZero() {
		away := max(0, g.started.Sub(m.Real))
		g.skew = m.Clock.Add(time.Duration(float64(away) * g.speed)).Sub(g.started)
	}
	g.savedSkew = g.skew
	g.store = s
	return g.save()
}

// index makes an order findable under its numbers. The caller holds g.mu.
func (g *Gateway) index(o *order) {
	for _, n := range o.numbers() {
		g.orders[n] = o
	}
	for _, r := range o.Refunds {
		g.refundNos[r.MchRefundNo] = true
	}
}

func (g *Gateway) unindex(o *order) {
	for _, n := range o.numbers() {
		delete(g.orders, n)
	}
	for _, r := range o.Refunds {
		delete(g.refundNos, r.MchRefundNo)
	}
}

// save makes changes of orders last, and has to be called after each before
// anybody learns of it. If they can't be written down it takes them back and
// returns an error. It also forgets the oldest orders where there are too many.
// The caller holds g.mu.
func (g *Gateway) save(changed ...*order) error {
	for _, o := range changed {
		g.announceVIP(o)
	}
	err := g.write(changed...)
	if err != nil {
		for _, o := range changed {
			g.rollBack(o)
		}
		if len(changed) == 0 {
			g.skew = g.savedSkew
		}
	}
	return err
}

// write is save without taking anything back: for what has happened outside the
// gateway already.
func (g *Gateway) write(changed ...*order) error {
	surplus := g.list[:max(0, len(g.list)-g.maxOrders)]
	paidOut := g.paidOut + g.sumOfPayouts(surplus)
	if g.store != nil {
		var keep []record
		var orders []*order
		for _, o := range changed {
			// An order may be forgotten while its notification is on its way.
			if g.orders[number{"own", o.MchOrderNo}] != o || slices.Contains(surplus, o) {
				continue
			}
			text, err := json.Marshal(o)
			if err != nil {
				return err
			}
			if !bytes.Equal(text, o.saved) {
				keep, orders = append(keep, record{o.Serial, text}), append(orders, o)
			}
		}
		var forget []int
		for _, o := range surplus {
			forget = append(forget, o.Serial)
		}
		if len(keep)+len(forget) > 0 || g.skew != g.savedSkew {
			m := meta{Format: fileFormat, Serial: g.serial, PaidOut: paidOut, Clock: g.now(), Real: time.Now().Round(0)}
			if err := g.store.write(m, keep, forget); err != nil {
				return fmt.Errorf("%w: %w", errStore, err)
			}
			g.savedSkew = g.skew
			for i, o := range orders {
				o.saved = keep[i].text
			}
		}
	}
	for _, o := range surplus {
		g.unindex(o)
	}
	g.list = slices.Delete(g.list, 0, len(surplus))
	g.paidOut = paidOut
	return nil
}

// rollBack makes an order what it was when it was last saved.
func (g *Gateway) rollBack(o *order) {
	if g.orders[number{"own", o.MchOrderNo}] != o {
		return
	}
	g.unindex(o)
	if o.saved == nil {
		g.list = slices.DeleteFunc(g.list, func(other *order) bool { return other == o })
		return
	}
	last := order{saved: o.saved}
	if err := json.Unmarshal(o.saved, &last); err != nil {
		panic(err) // It was written by write.
	}
	if o.Notice != nil && last.Notice != nil {
		// Whoever is delivering it has this pointer.
		last.Notice.busy = o.Notice.busy
		*o.Notice = *last.Notice
		last.Notice = o.Notice
	}
	*o = last
	g.index(o)
}

// boltStore is a store in a file.
type boltStore struct{ db *bbolt.DB }

var (
	ordersBucket = []byte("orders")
	metaBucket   = []byte("meta")
	metaKey      = []byte("meta")
)

// lockWait is how long another process may take to let go of the file.
const lockWait = time.Second

func openBolt(file string) (*boltStore, error) {
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
	return &boltStore{db}, nil
}

func (s *boltStore) load() (m meta, all []record, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		if text := tx.Bucket(metaBucket).Get(metaKey); text != nil {
			if err := json.Unmarshal(text, &m); err != nil {
				return err
			}
			if m.Format != fileFormat {
				return fmt.Errorf("its format is %d, and this program reads format %d: use the version that wrote it, or begin anew with another file", m.Format, fileFormat)
			}
		}
		return tx.Bucket(ordersBucket).ForEach(func(k, v []byte) error {
			all = append(all, record{int(binary.BigEndian.Uint64(k)), bytes.Clone(v)})
			return nil
		})
	})
	return m, all, err
}

func (s *boltStore) write(m meta, keep []record, forget []int) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		orders := tx.Bucket(ordersBucket)
		for _, r := range keep {
			if err := orders.Put(orderKey(r.serial), r.text); err != nil {
				return err
			}
		}
		for _, serial := range forget {
			if err := orders.Delete(orderKey(serial)); err != nil {
				return err
			}
		}
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		return tx.Bucket(metaBucket).Put(metaKey, text)
	})
}

func (s *boltStore) close() error { return s.db.Close() }

// orderKey sorts as the serials do.
func orderKey(serial int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(serial)) }

// closeStore ends the use of the data file, for which nothing can be changed
// any more.
func (g *Gateway) closeStore() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.store != nil {
		g.store.close()
	}
}

package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ksher-go/ksher"
)

// Store keeps the state of a gateway: orders, each under its serial number, and what
// there is beside them.
type Store interface {
	// Load returns everything, the orders by their serials. beside is nil if nothing
	// was saved before.
	Load() (beside []byte, orders []Record, err error)
	// Save keeps and forgets orders in one step that happens wholly or not at all.
	Save(beside []byte, keep []Record, forget []int) error
}

// Record is an order as a [Store] has it.
type Record struct {
	Serial int
	Text   []byte
}

// meta is what a store has beside the orders.
type meta struct {
	// Format is that of the records.
	Format int
	Serial int
	// PaidOut is what the payouts of each merchant came to that were forgotten.
	PaidOut map[string]ksher.Amount
	// Merchants are those beside [AppID], by their app IDs.
	Merchants map[string]storedMerchant `json:",omitempty"`
	// Clock was the gateway's time at the real time Real, when it ran at Speed.
	Clock, Real time.Time
	Speed       float64
	// Stopped says that the gateway has ended then.
	Stopped bool
}

// The clock is written down after clockInterval, if nothing else is. clockLag is how far the
// store may be behind, as a loop that sleeps for up to a minute looks after that.
const (
	clockInterval = time.Minute
	clockLag      = 3 * clockInterval
)

// resumed is what the gateway's clock shows at that real time, after a time in which it may
// have run on at its own speed without writing that down. It never goes back.
func (m meta) resumed(real time.Time, speed float64) time.Time {
	away := max(0, real.Sub(m.Real))
	var ran time.Duration
	if !m.Stopped {
		ran = min(away, clockLag)
	}
	return m.Clock.Add(time.Duration(float64(ran)*max(m.Speed, speed) + float64(away-ran)*speed))
}

// storeFormat is the format of records that this package reads and writes.
const storeFormat = 2

// ErrStore means that a change couldn't be written down and therefore didn't
// happen.
var ErrStore = errors.New("the change was taken back, because the data file can't be written; make room for it or check its disk")

// restore takes over the state of the store, if there is one.
func (g *Gateway) restore() error {
	if g.config.Store == nil {
		return nil
	}
	beside, records, err := g.config.Store.Load()
	if err != nil {
		return err
	}
	var m meta
	if beside != nil {
		if err := json.Unmarshal(beside, &m); err != nil {
			return err
		}
		if m.Format != storeFormat {
			return fmt.Errorf("its format is %d, and this program reads format %d: use the version that wrote it, or begin anew with another file", m.Format, storeFormat)
		}
	}
	for _, r := range records {
		o := &Entry{saved: r.Text}
		if err := json.Unmarshal(r.Text, o); err != nil {
			return fmt.Errorf("order %d can't be read: %w", r.Serial, err)
		}
		g.list = append(g.list, o)
		g.index(o)
		g.measure(o)
	}
	if err := g.restoreMerchants(m.Merchants); err != nil {
		return err
	}
	g.serial = m.Serial
	maps.Copy(g.paidOut, m.PaidOut)
	if !m.Clock.IsZero() {
		g.skew = m.resumed(time.Now(), g.config.Speed).Sub(g.now())
	}
	g.savedSkew = g.skew
	return g.save()
}

// index makes an order findable under its numbers. The caller holds g.mu.
func (g *Gateway) index(o *Entry) {
	o.era = g.era
	for _, n := range o.numbers() {
		g.orders[n] = o
	}
	for _, r := range o.Refunds {
		g.refundNos[number{o.AppID, "refund", r.MchRefundNo}] = true
	}
}

func (g *Gateway) unindex(o *Entry) {
	for _, n := range o.numbers() {
		delete(g.orders, n)
	}
	for _, r := range o.Refunds {
		delete(g.refundNos, number{o.AppID, "refund", r.MchRefundNo})
	}
}

// save makes changes of orders last, and has to be called after each before
// anybody learns of it. If they can't be written down it takes them back and
// returns an error. It also forgets the oldest orders where there are too many.
// The caller holds g.mu.
func (g *Gateway) save(changed ...*Entry) error {
	for _, o := range changed {
		g.announce(o, g.now())
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

// changed measures what was changed, and lets watchers know.
func (g *Gateway) changed(orders []*Entry) {
	if len(orders) > 0 || g.skew != g.seenSkew {
		g.seenSkew = g.skew
		g.watchers.wake(OfOrders)
	}
	for _, o := range orders {
		if g.kept(o) {
			g.measure(o)
		}
	}
}

// write is save without taking anything back: for what has happened outside the
// gateway already.
func (g *Gateway) write(changed ...*Entry) error {
	g.changed(changed)
	surplus := g.surplus()
	paidOut := maps.Clone(g.paidOut)
	for _, o := range surplus {
		if o.drawn(g.now()) {
			paidOut[o.AppID] += o.Total
		}
	}
	if g.config.Store != nil {
		var keep []Record
		var orders []*Entry
		for _, o := range changed {
			// An order may be forgotten while its notification is on its way.
			if !g.kept(o) || slices.Contains(surplus, o) {
				continue
			}
			text, err := json.Marshal(o)
			if err != nil {
				return err
			}
			if !bytes.Equal(text, o.saved) {
				keep, orders = append(keep, Record{o.Serial, text}), append(orders, o)
			}
		}
		var forget []int
		for _, o := range surplus {
			forget = append(forget, o.Serial)
		}
		real := time.Now().Round(0)
		if len(keep)+len(forget) > 0 || g.merchantsChanged || g.skew != g.savedSkew || g.alive.Err() != nil || g.config.Speed > 0 && real.Sub(g.savedAt) >= clockInterval {
			if err := g.config.Store.Save(g.beside(paidOut, real), keep, forget); err != nil {
				return fmt.Errorf("%w: %w", ErrStore, err)
			}
			g.savedSkew, g.savedAt, g.merchantsChanged = g.skew, real, false
			for i, o := range orders {
				o.saved = keep[i].Text
				g.measure(o)
			}
		}
	}
	for _, o := range surplus {
		g.unindex(o)
		g.uncount(o)
	}
	g.list = slices.Delete(g.list, 0, len(surplus))
	g.paidOut = paidOut
	return nil
}

// beside is what the store has beside the orders, at that real time.
func (g *Gateway) beside(paidOut map[string]ksher.Amount, real time.Time) []byte {
	return Marshal(meta{
		Format: storeFormat, Serial: g.serial, PaidOut: paidOut, Merchants: g.stored(),
		Clock: g.now(), Real: real, Speed: g.config.Speed, Stopped: g.alive.Err() != nil,
	})
}

// rollBack makes an order what it was when it was last saved.
func (g *Gateway) rollBack(o *Entry) {
	if !g.kept(o) {
		return
	}
	g.unindex(o)
	g.uncount(o)
	if o.saved == nil {
		g.list = slices.DeleteFunc(g.list, func(other *Entry) bool { return other == o })
		return
	}
	last := Entry{saved: o.saved}
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
	g.measure(o)
}

package core

import (
	"net/url"
	"slices"
)

// Bounds of what is kept, in bytes by the estimates below. Ten thousand orders of the usual
// size are well under the first.
const (
	defaultMaxBytes = 128 << 20
	maxLogBytes     = 8 << 20
	// maxErrorBytes bounds the text of what went wrong with a notification, which may
	// quote its address.
	maxErrorBytes = 1000
	// maxNotes bounds what is noted about a request.
	maxNotes = 50
)

// What there is beside texts: of a parameter in a map, and of anything else in a list.
const (
	paramOverhead = 160
	itemOverhead  = 120
	orderOverhead = 2 << 10
)

func sizeOfParams(params url.Values) (size int) {
	for name, values := range params {
		size += paramOverhead + len(name)
		for _, v := range values {
			size += len(v)
		}
	}
	return size
}

// bytes estimates the memory that an order takes.
func (o *Entry) bytes() int {
	size := orderOverhead + sizeOfParams(o.Params) + len(o.Data) + len(o.Page) + len(o.saved) + len(o.Refunds)*2*itemOverhead
	for _, c := range o.Channels {
		size += itemOverhead + len(c)
	}
	for _, e := range o.History {
		size += itemOverhead + len(e.What)
	}
	for _, d := range o.Deliveries {
		size += itemOverhead + len(d.Answer)
	}
	for _, n := range append(slices.Clip(o.Later), o.Notice) {
		if n != nil {
			size += itemOverhead + len(n.Target) + len(n.Body)
		}
	}
	return size
}

// bytes estimates the memory that a request in the log takes.
func (r Request) bytes() int {
	size := itemOverhead + sizeOfParams(r.Params) + len(r.SignText)
	for _, n := range r.Notes {
		size += itemOverhead + len(n)
	}
	return size
}

// measure counts an order anew after it was changed. The caller holds g.mu.
func (g *Gateway) measure(o *Entry) {
	g.uncount(o)
	o.size = o.bytes()
	g.bytes += o.size
}

// uncount takes an order out of the count. The caller holds g.mu.
func (g *Gateway) uncount(o *Entry) {
	g.bytes -= o.size
	o.size = 0
}

// surplus are the oldest orders, as far as there are too many or they are too large
// together. The newest always stays. The caller holds g.mu.
func (g *Gateway) surplus() []*Entry {
	n, left := max(0, len(g.list)-g.config.MaxOrders), g.bytes
	for i, o := range g.list {
		if i >= n && (left <= g.config.MaxBytes || i == len(g.list)-1) {
			return g.list[:i]
		}
		left -= o.size
	}
	return nil
}

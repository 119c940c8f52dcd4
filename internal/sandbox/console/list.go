package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// list is an answer of the control API that is written one item after the other, as all of
// them together may be large.
type list struct {
	name  string
	total int
	items iter.Seq[any]
}

func (l list) write(w http.ResponseWriter) {
	before := "\n    "
	if _, err := fmt.Fprintf(w, "{\n  %q: [", l.name); err != nil {
		return
	}
	for item := range l.items {
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		e.SetIndent("    ", "  ")
		if err := e.Encode(item); err != nil {
			panic(err) // It is made of what can be written.
		}
		if _, err := fmt.Fprint(w, before, string(bytes.TrimSpace(text.Bytes()))); err != nil {
			return
		}
		before = ",\n    "
	}
	end := "]"
	if before[0] == ',' {
		end = "\n  ]"
	}
	fmt.Fprintf(w, "%s,\n  \"total\": %d\n}\n", end, l.total)
}

// part reads which part of a list is wanted: all of it by default.
func part(r *http.Request) (offset, limit int, err error) {
	limit = math.MaxInt
	query := r.URL.Query()
	for name, target := range map[string]*int{"offset": &offset, "limit": &limit} {
		if readNumber(query.Get(name), target, strconv.Atoi) != nil || *target < 0 {
			return 0, 0, &statusError{http.StatusBadRequest, name + " takes a whole number from 0 on"}
		}
	}
	return offset, limit, nil
}

// readFilter reads which orders are asked for.
func (c *Console) readFilter(q url.Values) (core.Filter, error) {
	f := core.Filter{
		AppID: q.Get("appid"), Number: q.Get("number"), State: core.State(q.Get("state")), Channel: ksher.Channel(q.Get("channel")),
	}
	if f.AppID != "" && c.gw.Known(f.AppID) == nil {
		return f, noMerchant(f.AppID)
	}
	if f.State != "" && !slices.Contains(core.States(), f.State) {
		return f, &statusError{http.StatusBadRequest, fmt.Sprintf("there is no state %q; there are %q", f.State, core.States())}
	}
	return f, nil
}

// orderList is a part of the orders that the query's filter lets through, the newest first.
// Each is described when it is written.
func (c *Console) orderList(r *http.Request) (any, error) {
	offset, limit, err := part(r)
	if err != nil {
		return nil, err
	}
	f, err := c.readFilter(r.URL.Query())
	if err != nil {
		return nil, err
	}
	l := list{name: "orders"}
	var some []*core.Entry
	c.gw.Do(func(tx *core.Tx) { some, l.total = tx.Newest(f, offset, limit) })
	l.items = func(yield func(any) bool) {
		for _, o := range some {
			var d orderData
			c.gw.DoFor(r, func(tx *core.Tx) { d = c.describe(tx, o) })
			if !yield(d) {
				return
			}
		}
	}
	return l, nil
}

// orderPart is a page of the orders that a filter lets through, the newest first.
type orderPart struct {
	Orders []orderData
	// Total is how many orders it lets through, and Page counts from 1.
	Total, Page, Pages int
}

// page returns a page of the orders, and the last one if there are fewer pages.
func (c *Console) page(r *http.Request, f core.Filter, page int) (p orderPart) {
	c.gw.DoFor(r, func(tx *core.Tx) {
		some, total := tx.Newest(f, (page-1)*pageOrders, pageOrders)
		p.Total, p.Pages = total, max(1, (total+pageOrders-1)/pageOrders)
		if p.Page = min(page, p.Pages); p.Page < page {
			some, _ = tx.Newest(f, (p.Page-1)*pageOrders, pageOrders)
		}
		for _, o := range some {
			p.Orders = append(p.Orders, c.describe(tx, o))
		}
	})
	return p
}

// requestList is a part of the log of requests, the newest first.
func (c *Console) requestList(r *http.Request) (any, error) {
	offset, limit, err := part(r)
	if err != nil {
		return nil, err
	}
	all := c.gw.Requests()
	l := list{name: "requests", total: len(all)}
	l.items = func(yield func(any) bool) {
		for i := len(all) - 1 - min(offset, len(all)); i >= 0 && len(all)-1-i-offset < limit; i-- {
			d := c.requestData(all[i])
			if showsSecrets(r) {
				d.reveal()
			}
			if !yield(d) {
				return
			}
		}
	}
	return l, nil
}

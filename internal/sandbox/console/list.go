package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"net/http"
	"slices"
	"strconv"

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

// orderList is a part of the orders, those of one merchant if the query names it, the newest
// first. Each is described when it is written.
func (c *Console) orderList(r *http.Request) (any, error) {
	offset, limit, err := part(r)
	if err != nil {
		return nil, err
	}
	appID := r.URL.Query().Get("appid")
	if appID != "" && c.gw.Known(appID) == nil {
		return nil, noMerchant(appID)
	}
	var some []*core.Entry
	c.gw.Do(func(tx *core.Tx) { some, _ = tx.Newest(0, math.MaxInt) })
	some = slices.DeleteFunc(some, func(o *core.Entry) bool { return appID != "" && o.AppID != appID })
	l := list{name: "orders", total: len(some)}
	some = some[min(offset, len(some)):]
	some = some[:min(limit, len(some))]
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

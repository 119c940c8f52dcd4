package opnapi

import (
	"slices"
	"strconv"
	"time"

	"github.com/ksher-go/ksher/opn"
)

// The orders of a list.
const (
	chronological        = "chronological"
	reverseChronological = "reverse_chronological"
)

// How many charges are on a page. That there are at most a hundred isn't documented.
const (
	defaultLimit = 20
	maxLimit     = 100
)

// list is a page of charges. Opn's guide to K PLUS doesn't have it; the members are those
// of the lists in the guide's charge, and in the tests of Opn's client for Node.
type list struct {
	Object   string       `json:"object"`
	Data     []opn.Charge `json:"data"`
	Limit    int          `json:"limit"`
	Offset   int          `json:"offset"`
	Total    int          `json:"total"`
	Location string       `json:"location"`
	Order    string       `json:"order"`
	From     time.Time    `json:"from"`
	To       time.Time    `json:"to"`
}

// listCharges serves the charges that were made from one time to another.
func (a *Account) listCharges(c *call) (any, *refusal) {
	now := c.tx.Now()
	l := &list{Object: "list", Data: []opn.Charge{}, Limit: defaultLimit, Location: "/charges", Order: chronological, From: time.Unix(0, 0).UTC(), To: moment(now)}
	if no := c.readPage(l); no != nil {
		return nil, no
	}
	for o := range c.tx.AllForeign(api) {
		if at := moment(o.Created); !at.Before(l.From) && !at.After(l.To) {
			l.Data = append(l.Data, a.view(c.tx.URL(), o, now))
		}
	}
	if l.Order == reverseChronological {
		slices.Reverse(l.Data)
	}
	l.Total = len(l.Data)
	l.Data = l.Data[min(l.Offset, l.Total):min(l.Offset+l.Limit, l.Total)]
	return l, nil
}

// readPage reads which page is asked for.
func (c *call) readPage(l *list) *refusal {
	for name, number := range map[string]*int{"limit": &l.Limit, "offset": &l.Offset} {
		if text := c.params.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return badRequest("%s has to be an integer from 0 on", name)
			}
			*number = min(n, 1<<30)
		}
	}
	l.Limit = min(l.Limit, maxLimit)
	for name, at := range map[string]*time.Time{"from": &l.From, "to": &l.To} {
		if text := c.params.Get(name); text != "" {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t, err = time.Parse(time.DateOnly, text)
			}
			if err != nil {
				return badRequest("%s has to be a time such as 2017-11-02T09:00:00Z, or a day", name)
			}
			*at = t.UTC()
		}
	}
	switch order := c.params.Get("order"); order {
	case "":
	case chronological, reverseChronological:
		l.Order = order
	default:
		return badRequest("order has to be %s or %s", chronological, reverseChronological)
	}
	return nil
}

// Package conformance tests whether a shop handles notifications so that no money is lost,
// whatever language it is written in.
package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/control"
	"github.com/ksher-go/ksher/cmd/ksher/internal/notice"
)

// Outcome is how a row of the table ended.
type Outcome string

// The outcomes.
const (
	Pass      Outcome = "pass"
	Fail      Outcome = "fail"
	NotTested Outcome = "not tested"
)

// Row is what the table says of an attack or an accident.
type Row struct {
	Name    string  `json:"name"`
	Title   string  `json:"title"`
	Outcome Outcome `json:"outcome"`
	// Seen is what the shop did wrong, or why it wasn't tested.
	Seen string `json:"seen,omitzero"`
	Why  string `json:"why"`
	Do   string `json:"do"`
}

// Test is of one shop, which has to be set up with the sandbox and its keys.
type Test struct {
	// URL is where the shop takes notifications.
	URL     string
	Sender  *notice.Sender
	Sandbox *control.Client
	// Client speaks to the sandbox as the shop's merchant.
	Client *ksher.Client
	// NewOrder has the shop create an order, and Fulfilled tells how often it has fulfilled
	// one. Restart kills the shop and starts it again. Each is nil if nobody can tell.
	NewOrder  func(context.Context) (no string, err error)
	Fulfilled func(ctx context.Context, no string) (int, error)
	Restart   func(context.Context) error
	Sleep     func(context.Context, time.Duration) error
	// Queued says that the shop says SUCCESS when a queue has the notification, and decides
	// afterwards: of one that is signed rightly, only what it fulfils counts.
	Queued bool
	// Limit bounds how long a row may take.
	Limit time.Duration
	// Done is told of each row, and once more of one that turns out to fail in the end.
	Done func(Row)

	watched []watched
}

// watched is an order that must not be fulfilled more often than that, also not later.
type watched struct {
	row   int
	no    string
	limit int
}

// untested is why a row couldn't be tested.
type untested struct{ why string }

func (u untested) Error() string { return u.why }

// Names are those of the rows.
func Names() []string {
	var names []string
	for _, a := range attacks() {
		names = append(names, a.name)
	}
	return names
}

// Run tries everything, and returns what was done when an error ended it, which isn't the
// shop's.
func (t *Test) Run(ctx context.Context) ([]Row, error) {
	var rows []Row
	if err := t.reach(ctx); err != nil {
		return rows, err
	}
	for i, a := range attacks() {
		row, err := t.try(ctx, i, a)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", a.name, err)
		}
		rows = append(rows, row)
		t.Done(row)
	}
	return rows, t.sweep(ctx, rows)
}

// reach makes sure that there is a shop: one that doesn't answer refuses every attack.
func (t *Test) reach(ctx context.Context) error {
	a, err := t.Sender.Send(ctx, http.MethodGet, t.URL, "", nil)
	if err == nil && a.Status == 0 {
		err = fmt.Errorf("the shop doesn't answer at %s: %s", t.URL, a.Text)
	}
	return err
}

func (t *Test) try(ctx context.Context, i int, a attack) (Row, error) {
	row := Row{Name: a.name, Title: a.title, Outcome: Pass, Why: a.why, Do: a.do}
	if missing := t.missing(a.needs); missing != "" {
		row.Outcome, row.Seen = NotTested, "needs "+missing
		return row, nil
	}
	limited, cancel := context.WithTimeout(ctx, t.Limit)
	defer cancel()
	seen, err := a.run(&trial{Test: t, row: i, queued: t.Queued && a.needs&queues != 0}, limited)
	var not untested
	switch {
	case errors.As(err, &not):
		row.Outcome, row.Seen = NotTested, not.why
	case err != nil && ctx.Err() == nil && limited.Err() != nil:
		row.Outcome, row.Seen = Fail, cmp.Or(seen, "it didn't get there")+fmt.Sprintf(" within %v", t.Limit)
	case err != nil:
		return row, err
	case seen != "":
		row.Outcome, row.Seen = Fail, seen
	}
	return row, nil
}

// need is what of the shop a row can't do without.
type need int

const (
	needOrder need = 1 << iota
	needState
	needRestart
	// queues are rows whose notification is signed rightly, so that a queue takes it.
	queues
)

// missing names the flags that a row needs and that weren't given.
func (t *Test) missing(n need) string {
	if t.Queued && n&queues != 0 {
		n |= needOrder | needState
	}
	var flags []string
	for _, f := range []struct {
		need  need
		there bool
		flag  string
	}{{needOrder, t.NewOrder != nil, "--order-cmd"}, {needState, t.Fulfilled != nil, "--state-cmd"}, {needRestart, t.Restart != nil, "--restart-cmd"}} {
		if n&f.need != 0 && !f.there {
			flags = append(flags, f.flag)
		}
	}
	switch len(flags) {
	case 0:
		return ""
	case 1:
		return flags[0]
	}
	return fmt.Sprintf("%s and %s", join(flags[:len(flags)-1]), flags[len(flags)-1])
}

// sweep looks once more at orders that must not have been fulfilled meanwhile either.
func (t *Test) sweep(ctx context.Context, rows []Row) error {
	if t.Fulfilled == nil {
		return nil
	}
	for _, w := range t.watched {
		if rows[w.row].Outcome != Pass {
			continue
		}
		n, err := t.Fulfilled(ctx, w.no)
		if err != nil {
			return err
		}
		if n > w.limit {
			rows[w.row].Outcome, rows[w.row].Seen = Fail, "later "+fulfilled(w.no, n)
			t.Done(rows[w.row])
		}
	}
	return nil
}

// Count is how many rows ended so.
func Count(rows []Row, o Outcome) int {
	return len(slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Outcome != o }))
}

package receive_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// perSecond is how many copies of one message come a second, and genuine how many
	// messages that are news.
	perSecond = 300
	genuine   = 10
	// queryTicks is how long a query takes, in what is between two copies.
	queryTicks = perSecond / 3
)

// flood plays copies of a captured message against a handler, among genuine ones. It goes
// by a clock of its own, so that no machine is too slow for it: one tick for each copy. It
// is the network as well, on which a query takes some ticks.
type flood struct {
	door    *door
	handler http.Handler
	// captured is the number in what is replayed, and deny says that a query of it
	// comes to nothing.
	captured string
	deny     bool

	ticks   int
	blocked chan blocked
	pending []*delivery
	queries int
	served  int
}

// blocked is a delivery that waits for so many ticks.
type blocked struct {
	query   bool
	ticks   int
	release chan struct{}
}

// delivery is a message that isn't answered yet.
type delivery struct {
	genuine bool
	status  chan int
	due     int
	release chan struct{}
}

func (f *flood) ClockNow() time.Time {
	return time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC).Add(time.Duration(f.ticks) * time.Second / perSecond)
}

func (f *flood) ClockSleep(_ context.Context, d time.Duration) error {
	f.block(false, int(d*perSecond/time.Second))
	return nil
}

func (f *flood) block(query bool, ticks int) {
	release := make(chan struct{})
	f.blocked <- blocked{query, ticks, release}
	<-release
}

func (f *flood) RoundTrip(r *http.Request) (*http.Response, error) {
	f.block(true, queryTicks)
	answer := f.door.confirm
	if f.deny {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		if strings.Contains(r.URL.Path+string(body), f.captured) {
			answer = f.door.deny
		}
	}
	return answer.RoundTrip(r)
}

// wait lets a delivery go on until it is answered or waits for something.
func (f *flood) wait(d *delivery) {
	select {
	case status := <-d.status:
		if d.genuine && status == http.StatusOK {
			f.served++
		}
	case b := <-f.blocked:
		if b.query {
			f.queries++
		}
		d.release, d.due = b.release, f.ticks+b.ticks
		f.pending = append(f.pending, d)
	}
}

func (f *flood) deliver(genuine bool, r *http.Request) {
	d := &delivery{genuine: genuine, status: make(chan int)}
	go func() {
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		d.status <- w.Code
	}()
	f.wait(d)
}

// tick is the time between two copies.
func (f *flood) tick() {
	f.ticks++
	before := f.pending
	f.pending = nil
	for _, d := range before {
		if d.due > f.ticks {
			f.pending = append(f.pending, d)
			continue
		}
		close(d.release)
		f.wait(d)
	}
}

// run plays so many seconds, and returns the share of genuine messages that were served
// when they came first, in percent, and the queries a second that the copies cost.
func (f *flood) run(tb testing.TB, seconds int) (share, queries float64) {
	tb.Helper()
	f.blocked = make(chan blocked)
	f.handler = f.door.open(tb, f, slog.New(slog.DiscardHandler), succeed)
	f.captured = f.door.no(0)
	// It was captured when it came, and that it is done.
	f.deliver(false, f.door.message(f.captured))
	for range queryTicks {
		f.tick()
	}
	before, sent := f.queries, 0
	copies := copier(tb, f.door.message(f.captured))
	for range seconds * perSecond {
		f.tick()
		f.deliver(false, copies())
		if f.ticks%(perSecond/genuine) == 0 {
			sent++
			f.deliver(true, f.door.message(f.door.no(sent)))
		}
	}
	for len(f.pending) > 0 {
		f.tick()
	}
	return 100 * float64(f.served) / float64(sent), float64(f.queries-before-sent) / float64(seconds)
}

// copier makes copies of a message.
func copier(tb testing.TB, r *http.Request) func() *http.Request {
	tb.Helper()
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		require.NoError(tb, err)
	}
	return func() *http.Request {
		again := r.Clone(tb.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		return again
	}
}

// floods calls f for each handler, with copies of what is done and of what came to
// nothing.
func floods(tb testing.TB, run func(name string, f *flood)) {
	tb.Helper()
	for _, d := range doors(tb) {
		for _, deny := range []bool{false, true} {
			name := d.name + "/done"
			if deny {
				name = d.name + "/not paid"
			}
			run(name, &flood{door: &d, deny: deny})
		}
	}
}

// Copies keep no genuine message out, and cost next to no queries.
func TestReplays(t *testing.T) {
	floods(t, func(name string, f *flood) {
		t.Run(name, func(t *testing.T) {
			share, queries := f.run(t, 10)
			require.GreaterOrEqual(t, share, 99.0, "percent of the genuine ones")
			if f.deny {
				require.LessOrEqual(t, queries, 2.0)
			} else {
				require.Zero(t, queries)
			}
		})
	})
}

// BenchmarkReplays prints the share of genuine messages that are served under a flood of
// 300 copies a second, and what the copies cost.
func BenchmarkReplays(b *testing.B) {
	floods(b, func(name string, f *flood) {
		b.Run(name, func(b *testing.B) {
			var share, queries float64
			for b.Loop() {
				share, queries = (&flood{door: f.door, deny: f.deny}).run(b, 60)
			}
			b.ReportMetric(share, "%served")
			b.ReportMetric(queries, "queries/s")
			b.ReportMetric(0, "ns/op")
		})
	})
}

// Whoever sends what is refused fills no log.
func TestLinesAreBounded(t *testing.T) {
	for _, d := range doors(t) {
		t.Run(d.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &logBuffer{}
				h := d.server(t, log.logger(), succeed)
				refused := func() int { return strings.Count(log.String(), " refused") }
				r := d.message(d.no(1))
				r.Method = http.MethodPut
				flood := func() {
					for range 1000 {
						require.Equal(t, http.StatusMethodNotAllowed, d.send(h, r).Code)
					}
				}
				flood()
				require.Equal(t, 100, refused())
				time.Sleep(10 * time.Second)
				flood()
				require.Equal(t, 110, refused())
				require.Contains(t, log.String(), "not_logged=900")
				// Another reason has its own lines.
				d.send(h, query(body(d.message(d.no(1)), strings.NewReader("x")), "%zz"))
				require.Equal(t, 111, refused())
			})
		})
	}
}

// A number that the merchant doesn't have is answered so, and costs no query.
func TestNotOurs(t *testing.T) {
	for _, d := range doors(t) {
		t.Run(d.name, func(t *testing.T) {
			log, queries := &logBuffer{}, 0
			h := d.open(t, roundTrip(func(r *http.Request) string { queries++; return d.confirm(r) }), log.logger(), succeed)
			for range 3 {
				require.Equal(t, http.StatusNotFound, d.send(h, d.message(d.stranger)).Code)
			}
			require.Contains(t, log.String(), "the merchant has no such order")
			require.Zero(t, queries)
			require.Equal(t, http.StatusOK, d.send(h, d.message(d.no(1))).Code)
			require.Equal(t, 1, queries)
		})
	}
}

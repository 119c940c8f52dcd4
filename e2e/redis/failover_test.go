package redis_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/redisdedupe"
)

func TestOnce(t *testing.T) {
	each(t, func(t *testing.T, g *group) {
		servers := []*redisdedupe.Deduper{g.deduper(t), g.deduper(t), g.deduper(t)}
		onceWithoutFailover(t, g, servers)
		noteWaitsForTheNextPrimary(t, g, servers[0])
	})
}

// While no primary changes, several servers run the function of each payment once.
func onceWithoutFailover(t *testing.T, g *group, servers []*redisdedupe.Deduper) {
	slots := map[int64]bool{}
	for range 100 {
		p := newPayment()
		var running sync.WaitGroup
		for _, d := range servers {
			running.Go(func() { p.notify(t, d, quietly) })
		}
		running.Wait()
		require.EqualValues(t, 1, p.runs.Load())
		require.Equal(t, 1, g.count(t, p.key))
		for _, key := range []string{prefix + p.key, counter(p.key)} {
			require.EqualValues(t, 1, g.Exists(t.Context(), key).Val())
			if !g.sentinel {
				slots[g.ClusterKeySlot(t.Context(), key).Val()] = true
			}
		}
	}
	require.LessOrEqual(t, len(slots), 1, "all of a shop is in one slot of a cluster")
}

// The function has done its work when the primary dies, so it mustn't run again.
func noteWaitsForTheNextPrimary(t *testing.T, g *group, d *redisdedupe.Deduper) {
	p := newPayment()
	require.NoError(t, d.Once(t.Context(), p.key, p.pay(func() {
		old := g.primary(t)
		g.everywhere(t, old, p.key)
		g.kill(t, old)
	})))
	require.NoError(t, d.Once(t.Context(), p.key, p.pay(quietly)))
	require.EqualValues(t, 1, p.runs.Load())
	require.Equal(t, 1, g.count(t, p.key))
}

// What no replica has is forgotten: a claim, so that two may run the function, and
// "done" together with the queue, so that the queue is never doubled.
func TestForgotten(t *testing.T) {
	each(t, func(t *testing.T, g *group) {
		d, other := g.deduper(t), g.deduper(t)
		note, claim := newPayment(), newPayment()
		old := g.primary(t)
		cut(t, old)
		require.NoError(t, d.Once(t.Context(), note.key, note.pay(quietly)))
		warned := newPayment()
		for range 2 {
			require.ErrorContains(t, waiting{d, old}.Once(t.Context(), warned.key, warned.pay(quietly)), "no replica")
		}
		require.EqualValues(t, 1, warned.runs.Load())
		require.ErrorIs(t, d.Once(t.Context(), claim.key, claim.pay(func() {
			g.kill(t, old)
			g.promoted(t, old)
			claim.notify(t, other, quietly)
		})), ksher.ErrInProgress)
		for _, p := range []*payment{note, claim, warned} {
			p.notify(t, d, quietly)
			p.notify(t, other, quietly)
			t.Logf("its function ran %d times", p.runs.Load())
			require.Equal(t, 1, g.count(t, p.key))
		}
	})
}

// waiting is the ksher.Deduper that docs/redis.md shows.
type waiting struct {
	ksher.Deduper
	primary *redis.Client
}

func (w waiting) Once(ctx context.Context, key string, fn func(context.Context) error) error {
	if err := w.Deduper.Once(ctx, key, fn); err != nil {
		return err
	}
	conn := w.primary.Conn()
	defer conn.Close()
	if err := conn.Set(ctx, prefix+"marker", 1, 0).Err(); err != nil {
		return err
	}
	n, err := conn.Wait(ctx, 1, time.Second).Result()
	if err == nil && n == 0 {
		err = errors.New("no replica knows yet that it is done")
	}
	return err
}

// With min-replicas-to-write the primary takes nothing that only it would know.
func TestMinReplicas(t *testing.T) {
	each(t, func(t *testing.T, g *group) {
		old := g.primary(t)
		require.NoError(t, old.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err())
		c := g.client(t)
		onRefusedNote(c, sync.OnceFunc(func() { g.kill(t, old) }))
		d, err := redisdedupe.New(c, redisdedupe.WithPrefix(prefix), redisdedupe.WithLease(lease))
		require.NoError(t, err)
		p := newPayment()
		// The replicas are lost between the claim and the note, and the primary after it
		// has refused the note.
		require.NoError(t, d.Once(t.Context(), p.key, p.pay(func() {
			g.everywhere(t, old, p.key)
			cut(t, old)
			refused := newPayment()
			err := d.Once(t.Context(), refused.key, refused.pay(quietly))
			require.ErrorContains(t, err, "NOREPLICAS")
			require.Zero(t, refused.runs.Load())
		})))
		require.Error(t, old.Ping(t.Context()).Err(), "it was killed")
		require.NoError(t, d.Once(t.Context(), p.key, p.pay(quietly)))
		require.EqualValues(t, 1, p.runs.Load())
		require.Equal(t, 1, g.count(t, p.key))
	})
}

// onRefusedNote calls f when a primary has refused a note for want of replicas.
func onRefusedNote(c redis.UniversalClient, f func()) {
	switch c := c.(type) {
	case *redis.ClusterClient:
		c.OnNewNode(func(node *redis.Client) { node.AddHook(refusedNote(f)) })
	case *redis.Client:
		c.AddHook(refusedNote(f))
	}
}

type refusedNote func()

func (refusedNote) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (refusedNote) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (f refusedNote) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			if redis.IsNoReplicasError(cmd.Err()) {
				f()
			}
		}
		return err
	}
}

// A primary dies in the middle of many payments, or stands still and comes back.
func TestPrimaryFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fails func(*testing.T, *group, *redis.Client)
	}{
		{"killed", func(t *testing.T, g *group, old *redis.Client) {
			g.kill(t, old)
			g.promoted(t, old)
		}},
		{"stopped for a while", func(t *testing.T, g *group, old *redis.Client) {
			process := pid(t, old)
			require.NoError(t, syscall.Kill(process, syscall.SIGSTOP))
			g.replace(t, old)
			g.promoted(t, old)
			require.NoError(t, syscall.Kill(process, syscall.SIGCONT))
			// Until somebody tells it, it takes writes that it throws away later.
			require.Eventually(t, func() bool {
				return old.Set(t.Context(), prefix+"alive", 1, 0).Err() != nil
			}, failover, 100*time.Millisecond)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, g *group) {
				s := newShop(t, g)
				s.until(t, 200)
				old := g.primary(t)
				tt.fails(t, g, old)
				s.until(t, s.finished.Load()+200)
				s.close()
				s.report(t, g)
			})
		})
	}
}

// shop has servers that are notified of payments again and again.
type shop struct {
	servers  []*redisdedupe.Deduper
	mu       sync.Mutex
	all      []*payment
	finished atomic.Int64
	longest  atomic.Int64
	stop     chan struct{}
	running  sync.WaitGroup
}

func newShop(t *testing.T, g *group) *shop {
	s := &shop{stop: make(chan struct{})}
	pace := time.NewTicker(4 * time.Millisecond)
	t.Cleanup(pace.Stop)
	for range 3 {
		d := g.deduper(t)
		s.servers = append(s.servers, d)
		for range 4 {
			s.running.Go(func() {
				for {
					select {
					case <-s.stop:
						return
					case <-pace.C:
						s.sell(t, d)
					}
				}
			})
		}
	}
	return s
}

// sell has one more payment notified, until it is answered.
func (s *shop) sell(t *testing.T, d *redisdedupe.Deduper) {
	p, began := newPayment(), time.Now()
	s.mu.Lock()
	s.all = append(s.all, p)
	s.mu.Unlock()
	p.notify(t, d, quietly)
	took := int64(time.Since(began))
	for longest := s.longest.Load(); took > longest && !s.longest.CompareAndSwap(longest, took); {
		longest = s.longest.Load()
	}
	s.finished.Add(1)
}

func (s *shop) until(t *testing.T, n int64) {
	require.Eventually(t, func() bool { return s.finished.Load() >= n }, failover, 10*time.Millisecond)
}

func (s *shop) close() {
	close(s.stop)
	s.running.Wait()
}

// report has all payments notified again, by the servers that lived through it.
func (s *shop) report(t *testing.T, g *group) {
	forgotten, twice := 0, 0
	for i, p := range s.all {
		p.notify(t, s.servers[i%len(s.servers)], quietly)
		require.Equal(t, 1, g.count(t, p.key), "it is fulfilled, and what is queued is there once")
		if p.runs.Load() > p.told.Load() {
			forgotten++
		}
		if p.told.Load() > 1 {
			twice++
		}
	}
	t.Logf("of %d payments %d were forgotten after Once had said that they are done, and the function of %d ran twice before; the longest took %v",
		len(s.all), forgotten, twice, time.Duration(s.longest.Load()).Round(time.Millisecond))
	for _, d := range s.servers {
		p := newPayment()
		require.NoError(t, d.Once(t.Context(), p.key, p.pay(quietly)), "it works again without a restart")
	}
}

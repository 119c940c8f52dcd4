package redisdedupe_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/redisdedupe"
)

func TestOnce(t *testing.T) {
	type call struct {
		fn     func(context.Context) error
		err    error
		panics any
		exits  bool
		value  string
	}
	panics := func(context.Context) error { panic("no") }
	exits := func(context.Context) error { runtime.Goexit(); return nil }
	for _, tt := range []struct {
		name  string
		calls []call
	}{
		{"once", []call{{fn: nothing, value: "done"}, {fn: never, value: "done"}, {fn: never, value: "done"}}},
		{"an error, then again", []call{{fn: fails, err: errOops}, {fn: fails, err: errOops}, {fn: nothing, value: "done"}, {fn: never, value: "done"}}},
		{"a panic, then again", []call{{fn: panics, panics: "no"}, {fn: nothing, value: "done"}, {fn: never, value: "done"}}},
		{"an exit, then again", []call{{fn: exits, exits: true}, {fn: nothing, value: "done"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				for _, c := range tt.calls {
					panicked, returned, err := onceApart(s.deduper(t), s.key, c.fn)
					require.Equal(t, c.err, err)
					require.Equal(t, c.panics, panicked)
					require.Equal(t, c.panics == nil && !c.exits, returned)
					require.Equal(t, c.value, s.value(t))
				}
			})
		})
	}
}

func TestKeysAndTimes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		opts  []redisdedupe.Option
		lease time.Duration
	}{
		{"defaults", nil, 2 * time.Minute},
		{"lease", []redisdedupe.Option{redisdedupe.WithLease(10 * time.Minute)}, 10 * time.Minute},
		{"broken seconds", []redisdedupe.Option{redisdedupe.WithLease(62500 * time.Millisecond)}, 62500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				err := s.deduper(t, tt.opts...).Once(t.Context(), s.key, func(ctx context.Context) error {
					token, found := strings.CutPrefix(s.value(t), "claimed ")
					require.True(t, found)
					require.GreaterOrEqual(t, len(token), 26)
					left := s.ttl(t)
					require.Positive(t, left)
					require.LessOrEqual(t, left, tt.lease)
					deadline, ok := ctx.Deadline()
					require.True(t, ok)
					require.LessOrEqual(t, time.Until(deadline), tt.lease*3/4)
					return nil
				})
				require.NoError(t, err)
				require.Equal(t, "done", s.value(t))
				require.Greater(t, s.ttl(t), 47*time.Hour)
				require.LessOrEqual(t, s.ttl(t), 48*time.Hour)

				s.pass(t, 47*time.Hour)
				require.NoError(t, s.deduper(t).Once(t.Context(), s.key, never))
				s.pass(t, time.Hour)
				require.Equal(t, errOops, s.deduper(t).Once(t.Context(), s.key, fails))
			})
		})
	}
}

func TestKeysDiffer(t *testing.T) {
	s := newMini(t)
	for _, key := range []string{"", "a", "A", "a ", "ü", "u\u0308", "\xff", "\x00", "{a}", strings.Repeat("ก", 100)} {
		require.Equal(t, errOops, s.deduper(t).Once(t.Context(), key, fails), "%q", key)
		require.NoError(t, s.deduper(t).Once(t.Context(), key, nothing), "%q", key)
		require.NoError(t, s.deduper(t).Once(t.Context(), key, never), "%q", key)
		require.True(t, s.mini.Exists("ksher:"+key), "%q", key)
	}
	other := redisdedupe.WithPrefix("{shop}:")
	require.Equal(t, errOops, s.deduper(t, other).Once(t.Context(), "a", fails))
	require.NoError(t, s.deduper(t, other).Once(t.Context(), "a", nothing))
	require.True(t, s.mini.Exists("{shop}:a"))
	require.Len(t, s.mini.Keys(), 11)
}

func TestOneOfManyServers(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		const servers, calls = 4, 4
		var runs atomic.Int32
		var others, all sync.WaitGroup
		others.Add(servers*calls - 1)
		results := make(chan error, servers*calls)
		for range servers {
			d := s.deduper(t)
			for range calls {
				all.Go(func() {
					ran := false
					results <- d.Once(t.Context(), s.key, func(ctx context.Context) error {
						ran = true
						if runs.Add(1) == 1 {
							others.Wait()
						}
						return s.add(nil)(ctx)
					})
					if !ran {
						others.Done()
					}
				})
			}
		}
		all.Wait()
		close(results)
		var refused int
		for err := range results {
			if err != nil {
				require.Equal(t, ksher.ErrInProgress, err)
				refused++
			}
		}
		require.EqualValues(t, 1, runs.Load())
		require.Equal(t, servers*calls-1, refused)
		require.Equal(t, 1, s.count(t))
		require.NoError(t, s.deduper(t).Once(t.Context(), s.key, never))
	})
}

// An owner that was too slow is fenced off, whatever has become of its claim.
func TestLostClaim(t *testing.T) {
	for _, tt := range []struct {
		name string
		// meanwhile happens when the claim of the first owner has ended.
		meanwhile func(*testing.T, *server)
		result    error
		lost      bool
		count     int
		value     string
	}{
		{name: "nobody took over", lost: true, meanwhile: func(*testing.T, *server) {}},
		{name: "nobody took over, and it fails anyway", result: errOops, meanwhile: func(*testing.T, *server) {}},
		{name: "another did it", lost: true, count: 1, value: "done", meanwhile: func(t *testing.T, s *server) {
			require.NoError(t, s.deduper(t).Once(t.Context(), s.key, s.add(nil)))
		}},
		{name: "another did it, the first fails", result: errOops, count: 1, value: "done", meanwhile: func(t *testing.T, s *server) {
			require.NoError(t, s.deduper(t).Once(t.Context(), s.key, s.add(nil)))
		}},
		{name: "another is at it", lost: true, value: "claimed other", meanwhile: func(t *testing.T, s *server) {
			require.NoError(t, s.Set(t.Context(), s.redisKey(), "claimed other", time.Minute).Err())
		}},
		{name: "another is at it, the first fails", result: errOops, value: "claimed other", meanwhile: func(t *testing.T, s *server) {
			require.NoError(t, s.Set(t.Context(), s.redisKey(), "claimed other", time.Minute).Err())
		}},
		{name: "another gave up", lost: true, meanwhile: func(t *testing.T, s *server) {
			require.Equal(t, errOops, s.deduper(t).Once(t.Context(), s.key, fails))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				err := s.deduper(t).Once(t.Context(), s.key, func(ctx context.Context) error {
					s.pass(t, time.Minute)
					require.Equal(t, ksher.ErrInProgress, s.deduper(t).Once(t.Context(), s.key, never))
					s.pass(t, time.Minute)
					tt.meanwhile(t, s)
					return s.add(tt.result)(ctx)
				})
				if tt.lost {
					require.ErrorIs(t, err, ksher.ErrInProgress)
					require.EqualError(t, err, `redisdedupe: the claim ended before fn did, and nothing queued for "`+s.redisKey()+`" was executed: it is being handled already`)
				} else {
					require.Equal(t, tt.result, err)
				}
				require.Equal(t, tt.count, s.count(t))
				require.Equal(t, tt.value, s.value(t))
			})
		})
	}
}

// The claim may also end between the look at it and EXEC.
func TestLostClaimInTheLastMoment(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		c := s.client(t, nil)
		hook := beforeExec(func() {
			require.NoError(t, s.Set(t.Context(), s.redisKey(), "claimed other", time.Minute).Err())
		})
		c.AddHook(hook)
		if cluster, ok := c.(*redis.ClusterClient); ok {
			cluster.OnNewNode(func(node *redis.Client) { node.AddHook(hook) })
		}
		err := newDeduper(t, c).Once(t.Context(), s.key, s.add(nil))
		require.ErrorIs(t, err, ksher.ErrInProgress)
		require.Zero(t, s.count(t))
		require.Equal(t, "claimed other", s.value(t))
	})
}

type beforeExec func()

func (beforeExec) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (beforeExec) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (f beforeExec) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "multi" {
			f()
		}
		return next(ctx, cmds)
	}
}

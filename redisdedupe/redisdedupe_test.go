package redisdedupe_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/redisdedupe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errOops = errors.New("oops")

// server is a Redis, with a key and a counter in it that no other test uses.
type server struct {
	addr string
	mini *miniredis.Miniredis
	redis.UniversalClient
	key, counter string
}

// redisKey is the name under which Redis knows the key.
func (s *server) redisKey() string { return "ksher:" + s.key }

// each runs a test with miniredis and, if there is one, with a real Redis.
func each(t *testing.T, test func(*testing.T, *server)) {
	t.Run("miniredis", func(t *testing.T) {
		mini := miniredis.RunT(t)
		test(t, newServer(t, mini.Addr(), mini))
	})
	t.Run("redis", func(t *testing.T) {
		addr := os.Getenv("KSHER_REDIS")
		if addr == "" {
			t.Skip("set KSHER_REDIS to the address of a Redis, such as 127.0.0.1:6379, to test with it")
		}
		test(t, newServer(t, addr, nil))
	})
}

func newServer(t *testing.T, addr string, mini *miniredis.Miniredis) *server {
	s := &server{addr: addr, mini: mini, key: "mch1 SUCCESS " + rand.Text(), counter: "counter:" + rand.Text()}
	s.UniversalClient = s.client(t, nil)
	if mini == nil {
		t.Cleanup(func() { s.Del(context.Background(), s.redisKey(), s.counter) })
	}
	return s
}

func (s *server) client(t *testing.T, dial func(context.Context, string, string) (net.Conn, error)) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.addr, Dialer: dial})
	t.Cleanup(func() { c.Close() })
	return c
}

// deduper has connections of its own, as another server would.
func (s *server) deduper(t *testing.T, opts ...redisdedupe.Option) *redisdedupe.Deduper {
	return newDeduper(t, s.client(t, nil), opts...)
}

func newDeduper(t *testing.T, c redis.UniversalClient, opts ...redisdedupe.Option) *redisdedupe.Deduper {
	d, err := redisdedupe.New(c, opts...)
	require.NoError(t, err)
	return d
}

// pass lets time pass for the key.
func (s *server) pass(t *testing.T, d time.Duration) {
	if s.mini != nil {
		s.mini.FastForward(d)
		return
	}
	left := s.ttl(t)
	require.Positive(t, left)
	if left > d {
		require.NoError(t, s.PExpire(t.Context(), s.redisKey(), left-d).Err())
	} else {
		require.NoError(t, s.Del(t.Context(), s.redisKey()).Err())
	}
}

func (s *server) ttl(t *testing.T) time.Duration {
	left, err := s.PTTL(t.Context(), s.redisKey()).Result()
	require.NoError(t, err)
	return left
}

func (s *server) value(t *testing.T) string {
	value, err := s.Get(context.WithoutCancel(t.Context()), s.redisKey()).Result()
	if errors.Is(err, redis.Nil) {
		return ""
	}
	require.NoError(t, err)
	return value
}

// count is what count functions have added up.
func (s *server) count(t *testing.T) int {
	n, err := s.Get(t.Context(), s.counter).Int()
	if !errors.Is(err, redis.Nil) {
		require.NoError(t, err)
	}
	return n
}

// add returns a function that adds 1 by the queue.
func (s *server) add(then error) func(context.Context) error {
	return func(ctx context.Context) error {
		pipe, err := redisdedupe.Pipeline(ctx)
		if err != nil {
			return err
		}
		pipe.Incr(ctx, s.counter)
		return then
	}
}

func never(context.Context) error { panic("it mustn't run") }

func nothing(context.Context) error { return nil }

func fails(context.Context) error { return errOops }

// onceApart keeps an exit and a panic of fn away from the test.
func onceApart(d ksher.Deduper, key string, fn func(context.Context) error) (panicked any, returned bool, err error) {
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() { panicked = recover() }()
		err = d.Once(context.Background(), key, fn)
		returned = true
	})
	wg.Wait()
	return panicked, returned, err
}

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

func newMini(t *testing.T) *server {
	mini := miniredis.RunT(t)
	return newServer(t, mini.Addr(), mini)
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
		c.AddHook(beforeExec(func() {
			require.NoError(t, s.Set(t.Context(), s.redisKey(), "claimed other", time.Minute).Err())
		}))
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

func TestPipeline(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, then := range []error{errOops, nil} {
			before := s.count(t)
			var incr *redis.IntCmd
			var missing *redis.StringCmd
			err := s.deduper(t).Once(t.Context(), s.key, func(ctx context.Context) error {
				pipe, err := redisdedupe.Pipeline(ctx)
				require.NoError(t, err)
				missing = pipe.Get(ctx, "no such key")
				incr = pipe.IncrBy(ctx, s.counter, 5)
				require.Equal(t, 2, pipe.Len())
				again, err := redisdedupe.Pipeline(ctx)
				require.NoError(t, err)
				again.Incr(ctx, s.counter)
				again.Pipeline().Incr(ctx, s.counter)
				again.TxPipeline().Incr(ctx, s.counter)
				require.Equal(t, before, s.count(t), "nothing happens before fn returns")
				return then
			})
			require.Equal(t, then, err)
			if then == nil {
				require.Equal(t, 8, s.count(t))
				require.EqualValues(t, 5, incr.Val())
				require.Equal(t, redis.Nil, missing.Err())
			} else {
				require.Zero(t, s.count(t))
			}
		}
		require.NoError(t, s.deduper(t).Once(t.Context(), s.key, never))
	})
}

func TestPipelineCannotBeExecuted(t *testing.T) {
	s := newMini(t)
	ran := func(redis.Pipeliner) error { panic("it mustn't run") }
	err := s.deduper(t).Once(t.Context(), s.key, func(ctx context.Context) error {
		pipe, err := redisdedupe.Pipeline(ctx)
		require.NoError(t, err)
		pipe.Incr(ctx, s.counter)
		for _, p := range []redis.Pipeliner{pipe, pipe.Pipeline(), pipe.TxPipeline()} {
			_, err = p.Exec(ctx)
			require.ErrorContains(t, err, "can't be executed before")
			_, err = p.Pipelined(ctx, ran)
			require.ErrorContains(t, err, "can't be executed before")
			_, err = p.TxPipelined(ctx, ran)
			require.ErrorContains(t, err, "can't be executed before")
		}
		require.Zero(t, s.count(t))
		return err
	})
	require.ErrorContains(t, err, "can't be executed before")
	require.Zero(t, s.count(t))

	_, err = redisdedupe.Pipeline(t.Context())
	require.ErrorContains(t, err, "the context that Once gave")
}

func TestRefusedCommands(t *testing.T) {
	for _, tt := range []struct {
		name  string
		queue func(context.Context, redis.Pipeliner, *server)
		want  string
		count int
		value string
	}{
		{
			name:  "refused when queued",
			queue: func(ctx context.Context, p redis.Pipeliner, s *server) { p.Do(ctx, "INCRBY", s.counter) },
			want:  "was executed, because Redis refused incrby: ERR wrong number of arguments",
		},
		{
			name:  "fails when executed",
			queue: func(ctx context.Context, p redis.Pipeliner, s *server) { p.LPush(ctx, s.counter, "secret") },
			want:  "the queued lpush failed when Redis executed it, and the rest stays: ",
			count: 2, value: "failed lpush",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				err := s.deduper(t).Once(t.Context(), s.key, func(ctx context.Context) error {
					pipe, err := redisdedupe.Pipeline(ctx)
					require.NoError(t, err)
					pipe.Get(ctx, "no such key")
					pipe.Incr(ctx, s.counter)
					tt.queue(ctx, pipe, s)
					pipe.Incr(ctx, s.counter)
					return nil
				})
				require.ErrorContains(t, err, tt.want)
				require.ErrorContains(t, err, s.redisKey())
				require.Equal(t, tt.count, s.count(t))
				require.Equal(t, tt.value, s.value(t), "a claim is given back")
			})
		})
	}
}

// A queue of which a part failed is nobody's success, however often it is asked for.
func TestFailedStays(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, righted := range []bool{true, false} {
			require.NoError(t, s.Del(t.Context(), s.redisKey(), s.counter).Err())
			err := s.deduper(t).Once(t.Context(), s.key, func(ctx context.Context) error {
				pipe, err := redisdedupe.Pipeline(ctx)
				require.NoError(t, err)
				pipe.Incr(ctx, s.counter)
				pipe.LPush(ctx, s.counter, "secret")
				return nil
			})
			require.ErrorContains(t, err, "WRONGTYPE")
			for range 3 {
				err = s.deduper(t).Once(t.Context(), s.key, never)
				require.ErrorContains(t, err, "the queued lpush failed")
				require.ErrorContains(t, err, s.redisKey())
				require.NotErrorIs(t, err, ksher.ErrInProgress)
			}
			require.Negative(t, s.ttl(t), "it waits for a person")
			if righted {
				require.NoError(t, s.Set(t.Context(), s.redisKey(), "done", 0).Err())
				require.NoError(t, s.deduper(t).Once(t.Context(), s.key, never))
				require.Equal(t, 1, s.count(t))
			} else {
				require.NoError(t, s.Del(t.Context(), s.redisKey()).Err())
				require.NoError(t, s.deduper(t).Once(t.Context(), s.key, s.add(nil)))
				require.Equal(t, 2, s.count(t))
			}
		}
	})
}

// TestNoNoteWithoutTheQueue has functions do with their queue what would have the
// note written without it, or where nobody looks for it.
func TestNoNoteWithoutTheQueue(t *testing.T) {
	do := func(args ...any) func(context.Context, redis.Pipeliner) {
		return func(ctx context.Context, p redis.Pipeliner) { p.Do(ctx, args...) }
	}
	for name, spoil := range map[string]func(context.Context, redis.Pipeliner){
		"Discard":          func(_ context.Context, p redis.Pipeliner) { p.Discard() },
		"Discard, another": func(_ context.Context, p redis.Pipeliner) { p.TxPipeline().Discard() },
		"Select":           func(ctx context.Context, p redis.Pipeliner) { p.Select(ctx, 1) },
		"SwapDB":           func(ctx context.Context, p redis.Pipeliner) { p.SwapDB(ctx, 0, 1) },
		"Auth":             func(ctx context.Context, p redis.Pipeliner) { p.Auth(ctx, "no") },
		"DISCARD":          do("DISCARD"),
		"discard":          do("discard"),
		"EXEC":             do("EXEC"),
		"MULTI":            do("MULTI"),
		"WATCH":            do("WATCH", "a"),
		"UNWATCH":          do("UNWATCH"),
		"RESET":            do("RESET"),
		"QUIT":             do("QUIT"),
		"CLIENT":           do("CLIENT", "REPLY", "OFF"),
		"SUBSCRIBE":        do("SUBSCRIBE", "a"),
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				d := s.deduper(t)
				err := d.Once(t.Context(), s.key, func(ctx context.Context) error {
					pipe, err := redisdedupe.Pipeline(ctx)
					require.NoError(t, err)
					pipe.Incr(ctx, s.counter)
					spoil(ctx, pipe)
					pipe.Incr(ctx, s.counter)
					return nil
				})
				require.ErrorContains(t, err, "nothing queued")
				require.ErrorContains(t, err, s.redisKey())
				require.Zero(t, s.count(t))
				require.Empty(t, s.value(t), "the claim is given back")
				require.NoError(t, d.Once(t.Context(), s.key, s.add(nil)))
				require.Equal(t, 1, s.count(t))
			})
		})
	}
}

func TestCancelled(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.deduper(t).Once(ctx, s.key, never)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, `claiming "`+s.redisKey()+`"`)
		require.Empty(t, s.value(t))

		ctx, cancel = context.WithCancel(t.Context())
		err = s.deduper(t).Once(ctx, s.key, func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			return context.Cause(ctx)
		})
		require.Equal(t, context.Canceled, err)
		require.Empty(t, s.value(t), "the claim is given back")

		ctx, cancel = context.WithCancel(t.Context())
		err = s.deduper(t).Once(ctx, s.key, func(ctx context.Context) error {
			defer cancel()
			return s.add(nil)(ctx)
		})
		require.NoError(t, err)
		require.Equal(t, "done", s.value(t))
		require.Equal(t, 1, s.count(t))
	})
}

// How a connection breaks.
const (
	lost       = iota // Nothing arrives, and no answer comes.
	unanswered        // Redis executes it, but the answer is lost.
	unsure            // Redis executes it, but sending reports an error.
)

// line makes connections that break when a certain command is sent.
type line struct {
	// word is in what is sent when it breaks, in lower case.
	word string
	how  int
	// times is how often it breaks.
	times atomic.Int32
}

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	return &lineConn{Conn: conn, line: l}, err
}

type lineConn struct {
	net.Conn
	line   *line
	broken atomic.Bool
}

func (c *lineConn) Write(p []byte) (int, error) {
	if !strings.Contains(strings.ToLower(string(p)), c.line.word) || c.line.times.Add(-1) < 0 {
		return c.Conn.Write(p)
	}
	c.broken.Store(true)
	if c.line.how == lost {
		return len(p), nil
	}
	if _, err := c.Conn.Write(p); err != nil {
		return 0, err
	}
	// Redis has executed it when it answers: an EXEC with an array, after the
	// answers to what was queued.
	answer, buf := "", make([]byte, 1<<10)
	for answer == "" || strings.Contains(c.line.word, "exec") && !strings.Contains(answer, "*") {
		n, err := c.Conn.Read(buf)
		if err != nil {
			return len(p), err
		}
		answer += string(buf[:n])
	}
	if c.line.how == unanswered {
		return len(p), nil
	}
	return 0, io.ErrClosedPipe
}

func (c *lineConn) Read(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, io.EOF
	}
	return c.Conn.Read(p)
}

func TestLostConnections(t *testing.T) {
	for _, tt := range []struct {
		name  string
		word  string
		how   int
		times int32
		want  string // In the first call's error, if there is one.
		runs  int    // By two calls.
	}{
		{"the claim didn't arrive", "\r\nnx\r\n", lost, 1, "", 1},
		{"the answer to the claim was lost", "\r\nnx\r\n", unanswered, 1, "", 1},
		{"the answers to two claims were lost", "\r\nnx\r\n", unanswered, 2, "", 1},
		{"no claim arrives", "\r\nnx\r\n", lost, 4, `claiming "ksher:`, 1},
		{"the look at the claim didn't arrive", "\r\nget\r\n", lost, 1, "", 1},
		{"the watch didn't arrive", "\r\nwatch\r\n", lost, 1, "", 1},
		{"the answers to two watches were lost", "\r\nwatch\r\n", unanswered, 2, "", 1},
		{"no watch arrives", "\r\nwatch\r\n", lost, 3, "is done failed, or the answer was lost: ", 2},
		{"exec didn't arrive", "\r\nexec\r\n", lost, 1, "is done failed, or the answer was lost: ", 2},
		{"the answer to exec was lost", "\r\nexec\r\n", unanswered, 1, "is done failed, or the answer was lost: ", 1},
		{"exec arrived, but seems not to", "\r\nexec\r\n", unsure, 1, "is done failed, or the answer was lost: ", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				l := &line{word: tt.word, how: tt.how}
				l.times.Store(tt.times)
				d := newDeduper(t, s.client(t, l.dial))
				runs := 0
				fn := func(ctx context.Context) error {
					runs++
					return s.add(nil)(ctx)
				}
				err := d.Once(t.Context(), s.key, fn)
				require.LessOrEqual(t, l.times.Load(), int32(0), "it broke")
				if tt.want == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tt.want)
					require.ErrorContains(t, err, s.redisKey())
					require.NotErrorIs(t, err, ksher.ErrInProgress)
				}
				require.NoError(t, d.Once(t.Context(), s.key, fn))
				require.Equal(t, tt.runs, runs)
				require.Equal(t, 1, s.count(t), "what is queued is executed once")
				require.Equal(t, "done", s.value(t))
			})
		})
	}
}

func TestRedisIsDown(t *testing.T) {
	const password = "hunter2"
	s := newMini(t)
	deduper := func() *redisdedupe.Deduper {
		c := redis.NewClient(&redis.Options{Addr: s.addr, Password: password, MaxRetries: -1, DialerRetries: 1})
		t.Cleanup(func() { c.Close() })
		return newDeduper(t, c)
	}
	d := deduper()
	check := func(err error, want string) {
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, `"`+s.redisKey()+`"`)
		require.NotContains(t, err.Error(), password)
		require.NotErrorIs(t, err, ksher.ErrInProgress)
	}
	s.mini.RequireAuth("another password")
	check(d.Once(t.Context(), s.key, never), "redisdedupe: claiming ")

	s.mini.RequireAuth(password)
	check(d.Once(t.Context(), s.key, func(context.Context) error {
		s.mini.Close()
		return nil
	}), "redisdedupe: noting that ")
	check(d.Once(t.Context(), s.key, never), "connection refused")

	require.NoError(t, s.mini.Restart())
	d = deduper()
	require.Equal(t, ksher.ErrInProgress, d.Once(t.Context(), s.key, never), "the claim is there for the lease")
	require.Equal(t, errOops, d.Once(t.Context(), "other", func(context.Context) error {
		s.mini.Close()
		return errOops
	}), "the function's error isn't hidden")
}

func TestForeignValue(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(context.Context, *server) error
		want string
	}{
		{"text", func(ctx context.Context, s *server) error { return s.Set(ctx, s.redisKey(), "secret", 0).Err() }, "holds something else: delete it, or choose another prefix"},
		{"empty", func(ctx context.Context, s *server) error { return s.Set(ctx, s.redisKey(), "", 0).Err() }, "holds something else"},
		{"list", func(ctx context.Context, s *server) error { return s.LPush(ctx, s.redisKey(), "secret").Err() }, "WRONGTYPE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				require.NoError(t, tt.set(t.Context(), s))
				err := s.deduper(t).Once(t.Context(), s.key, never)
				require.ErrorContains(t, err, tt.want)
				require.ErrorContains(t, err, `"`+s.redisKey()+`"`)
				require.NotErrorIs(t, err, ksher.ErrInProgress)
				require.NotContains(t, err.Error(), "secret")
			})
		})
	}
}

func TestNew(t *testing.T) {
	c := redis.NewClient(&redis.Options{})
	t.Cleanup(func() { c.Close() })
	ring := redis.NewRing(&redis.RingOptions{})
	t.Cleanup(func() { ring.Close() })
	for _, tt := range []struct {
		name   string
		client redis.UniversalClient
		opt    redisdedupe.Option
		want   string
	}{
		{"no client", nil, nil, "redisdedupe: the client is nil"},
		{"nil client", (*redis.Client)(nil), nil, "redisdedupe: the client is nil"},
		{"nil option", c, nil, "redisdedupe: an option is nil"},
		{"ring", ring, nil, "redisdedupe: a redis.Ring moves keys"},
		{"no lease", c, redisdedupe.WithLease(0), "redisdedupe: WithLease: 0s is too short"},
		{"short lease", c, redisdedupe.WithLease(time.Second - 1), "redisdedupe: WithLease: 999.999999ms is too short"},
		{"no prefix", c, redisdedupe.WithPrefix(""), "redisdedupe: WithPrefix: the prefix is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := redisdedupe.New(tt.client, tt.opt)
			require.ErrorContains(t, err, tt.want)
			require.Nil(t, d)
			require.ErrorContains(t, d.Once(t.Context(), "a", never), "make a Deduper with New")
		})
	}
	require.ErrorContains(t, (&redisdedupe.Deduper{}).Once(t.Context(), "a", never), "make a Deduper with New")
}

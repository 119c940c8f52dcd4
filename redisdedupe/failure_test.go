package redisdedupe_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/redisdedupe"
)

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
	const always = 1 << 20
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
		{"many watches don't arrive", "\r\nwatch\r\n", lost, 5, "", 1},
		{"no watch arrives", "\r\nwatch\r\n", lost, always, "is done failed, or the answer was lost: ", 2},
		{"exec didn't arrive", "\r\nexec\r\n", lost, 1, "is done failed, or the answer was lost: ", 2},
		{"the answer to exec was lost", "\r\nexec\r\n", unanswered, 1, "is done failed, or the answer was lost: ", 1},
		{"exec arrived, but seems not to", "\r\nexec\r\n", unsure, 1, "is done failed, or the answer was lost: ", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				l := &line{word: tt.word, how: tt.how}
				l.times.Store(tt.times)
				lease := time.Minute
				if tt.times == always {
					lease = time.Second // It doesn't try for longer.
				}
				d := newDeduper(t, s.client(t, l.dial), redisdedupe.WithLease(lease))
				runs := 0
				fn := func(ctx context.Context) error {
					runs++
					return s.add(nil)(ctx)
				}
				err := d.Once(t.Context(), s.key, fn)
				if tt.times < always {
					require.LessOrEqual(t, l.times.Load(), int32(0), "it broke")
				}
				if tt.want == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tt.want)
					require.ErrorContains(t, err, s.redisKey())
					require.NotErrorIs(t, err, ksher.ErrInProgress)
				}
				l.times.Store(0)
				if s.value(t) != "done" {
					require.NoError(t, s.Del(t.Context(), s.redisKey()).Err(), "the claim ends")
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
		// After as many failures as the pool is large, go-redis starts a goroutine that stays.
		c := redis.NewClient(&redis.Options{Addr: s.addrs[0], Password: password, MaxRetries: -1, DialerRetries: 1, PoolSize: 1000})
		t.Cleanup(func() { c.Close() })
		return newDeduper(t, c, redisdedupe.WithLease(time.Second))
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
